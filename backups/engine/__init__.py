"""What happens: the verbs, each one call that a worker makes through ports.

    lease -> (pool, store, report, clock) -> backup | check | compare | plan | restore -> result

A verb asks ``report.keep_going()`` before each step, tells the report what it
did, and raises PortError with a sentence when it cannot go on.
"""
