"""Restores that are disturbed while they run, by real processes that die, hang, or have it wrong.

    stage     every process of the product, each of which can be killed and started anew
    world     a pool, and a backup of the people who are missing in it
    person    who asks for the restore on the page, and watches its stream
    restore   one restore: how far it is, who has it, and at the end what must be true of it
    app       the Celery application on a host that is not well: a wrong clock, a full disk

A case disturbs the restore in the middle, at moments that are drawn from a seed, and then everything
must be as if nothing had happened: everybody created once, written to once, told once.
"""
