"""Figures, never verdicts: each bench prints what it measured, beside its peer in the same run.

make bench-standin      how fast the stand-in is, so that what is measured against it is the client
make bench-stream       what a watcher of a job costs, and how late an event arrives
"""
