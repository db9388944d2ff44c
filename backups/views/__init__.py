"""What people see: one module a page, strangers to each other.

Each view asks ``access`` in its first line, calls one verb of ``actions`` at
most, and says in words what came of it.
"""
