"""Every group of a pool with its members, by eight readers side by side.

    ListGroups, page by page -> a list of members for each, READERS of them at once -> all, as listed

The pages of one group are a chain, and no filter cuts it in parts; side by side the groups use what the
users leave of the same quota. The first failure ends all of them: memberships are whole, or an error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from backups.core.snapshot import Group
from backups.engine.ports import Cause, PortError, UserPool, never

READERS = 8


def every_group(pool: UserPool, stopping: Callable[[], bool] = never) -> tuple[list[Group], list[str]]:
    """(the groups as listed, names of those that were deleted before their members were read).

    Raises PortError, and Stop within one call, or one try of it, after ``stopping`` holds. No thread is left.
    """
    ended = threading.Event()
    failed: list[Exception] = []  # the first one is the reason; the others only hear of the end

    def over() -> bool:
        return ended.is_set() or stopping()

    def read(group: Group) -> Group | None:
        try:
            return _with_members(pool, group, over)
        except Exception as error:
            failed.append(error)
            ended.set()
            raise

    threads = ThreadPoolExecutor(READERS, thread_name_prefix="groups")
    try:
        reading = [(group.name, threads.submit(read, group)) for group in pool.groups(over)]
        found = [(name, one.result()) for name, one in reading]
    except Exception as error:
        raise (failed[0] if failed else error) from None
    finally:
        ended.set()
        threads.shutdown(cancel_futures=True)
    return [group for _, group in found if group], [name for name, group in found if not group]


def _with_members(pool: UserPool, group: Group, stopping: Callable[[], bool]) -> Group | None:
    """None when it was deleted. AWS says ResourceNotFoundException of a group and of a pool alike."""
    try:
        return replace(group, members=tuple(dict.fromkeys(pool.members(group.name, stopping))))
    except PortError as error:
        if error.cause is not Cause.GONE:
            raise
    pool.facts()  # GONE: it is the pool that does not exist any more
    return None
