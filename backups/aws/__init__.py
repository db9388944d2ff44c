"""Where it lands: the only place that speaks to AWS.

    session -> one client per service and Region -> asking("list the users") -> PortError

Each adapter keeps a port of ``backups.engine.ports``. A call is made once:
what is repeated, and at which pace, is decided by the engine.
"""
