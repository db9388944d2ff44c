"""Reading a live pool as it answers now: users by lanes, groups and settings beside them.

    facts -> users ─────────┐
             groups ────────┼-> facts again: a pool that was deleted meanwhile is no reading
             settings ──────┘

A live pool has no moment: whoever signs up, changes or goes while it is read may be in the reading or not.
Those who show are counted: users who changed after the beginning, and members of groups who are in no list
of users. Whoever changes when their page has been read shows in the next reading only.
"""

from __future__ import annotations

from contextlib import closing

from backups.core import sealed
from backups.core.snapshot import Group, PoolFacts
from backups.engine.beside import Beside, Settings
from backups.engine.lanes import every_user
from backups.engine.ports import Report, UserPool
from backups.engine.reading import Reading, gathered


def read_pool(
    pool: UserPool, report: Report, counter: str, *, groups: bool = True, settings: bool = False
) -> Reading:
    """``counter`` names the one that counts the users. Raises PortError, Stop; never gives half of a pool.

    Without ``groups`` or ``settings`` those of the reading are None. Settings come without their secrets.
    """
    facts = pool.facts()
    with gathered(f"live:{facts.pool_id}", facts) as reading:

        def put_settings(read: Settings) -> None:
            found, reading.unread = read
            reading.settings, _, _ = sealed.put_away(found, None)

        def put_groups(read: list[Group]) -> None:
            reading.groups = read
            report.count(groups=len(read), memberships=sum(len(group.members) for group in read))

        wanted = put_settings if settings else None, put_groups if groups else None
        with (
            Beside(pool, report, *wanted) as beside,
            closing(every_user(pool, facts.estimated_users)) as entries,
        ):
            for entry in entries:
                reading.keep(entry)
                reading.changing += _since(facts, str(entry.get("UserLastModifiedDate", "")))
                if reading.count % 60 == 0:
                    report.keep_going()
                    report.count(**{counter: reading.count})
                    beside.look()
            report.count(**{counter: reading.count})
            beside.finish()
        pool.facts()  # GONE: what went with it reads like what never was
    reading.strangers = _strangers(reading)
    return reading


def _since(facts: PoolFacts, modified: str) -> bool:
    """Whether a user changed after the reading began, both by AWS's clock: ours may be minutes off.

    AWS tells that moment in whole seconds, so a change of the second before it may count as well: one
    too many is a warning too many, one too few would hide a change. Memberships have no dates.
    """
    return bool(facts.told) and modified > facts.told


def _strangers(reading: Reading) -> int:
    """Members of groups who are in no list of users: made or deleted while they were read."""
    members = {name for group in reading.groups or () for name in group.members}
    if members:
        members.difference_update(user.username for user in reading.users())
    return len(members)
