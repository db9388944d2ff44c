"""Clients from npm against the stand-in: AWS's SDK for JavaScript, and cbr, which our backups must outlive.

    test_npm_clients.py -> node sdk.mjs, node cbr.mjs -> one JSON each of what they saw

Node is the PyPI wheel's. The packages are locked here, without addresses, and live in var/node.
"""
