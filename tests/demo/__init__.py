"""The product on one machine, with an AWS of its own: ``python -m tests.demo``.

people.py   who there is, who joins and leaves when: pure, the same at every run
worlds.py   makes it so in an AWS: pools, users, groups, IAM people, backups in the bucket
__main__.py starts the servers, seeds when needed, prints the address, stops everything
"""
