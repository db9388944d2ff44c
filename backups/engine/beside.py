"""Settings and groups, read in threads of their own while the users stream by.

    settings ──> put ──┐   a backup: pool.json, groups.json
    groups   ──> put ──┴-> only then do the users end, and data.json may be there

They wait for other quotas than the users do, or for one call after the other; side by side a reading takes
as long as the longest of them. What is read is put from the caller's thread, in this order.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any

from backups.core.snapshot import Group
from backups.engine.groups import every_group
from backups.engine.ports import Report, UserPool

Settings = tuple[dict[str, Any], dict[str, str]]
"""Name -> setting; name -> why it could not be read."""
TICK = 0.5  # seconds between two questions whether to go on, while only these are waited for


class Beside:
    """A context manager: whoever leaves it early ends the threads at their next call, or next try of one.

    What is put nowhere (None) is not read.
    """

    def __init__(
        self,
        pool: UserPool,
        report: Report,
        put_settings: Callable[[Settings], None] | None,
        put_groups: Callable[[list[Group]], None] | None,
    ) -> None:
        self._pool, self._report = pool, report
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="beside")
        self._waiting: deque[tuple[Future[Any], Callable[[Any], None]]] = deque()
        if put_settings:
            self._waiting.append((self._threads.submit(self._settings), put_settings))
        if put_groups:
            self._waiting.append((self._threads.submit(self._groups), put_groups))

    def look(self) -> None:
        """Put what has been read by now. Raises what the reading or the putting raised."""
        for read, _ in self._waiting:
            if read.done():
                read.result()  # a failure is told at once, whatever is to be put before it
        while self._waiting and self._waiting[0][0].done():
            read, put = self._waiting.popleft()
            put(read.result())

    def finish(self) -> None:
        """Wait for what is still being read, and put it. Raises as ``look``, and Stop."""
        self.look()
        while self._waiting:
            self._report.keep_going()
            wait([self._waiting[0][0]], TICK)
            self.look()

    def __enter__(self) -> Beside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._threads.shutdown()

    def _settings(self) -> Settings:
        settings: dict[str, Any] = {}
        unread: dict[str, str] = {}
        for name, value, why in self._pool.settings(self._stop.is_set):
            if why:
                unread[name] = why
            else:
                settings[name] = value
            if self._stop.is_set():
                break
        return settings, unread

    def _groups(self) -> list[Group]:
        groups, deleted = every_group(self._pool, self._stop.is_set)
        for name in deleted:
            self._report.say("note", f"The group {name} was deleted while the pool was read. It is left out.")
        return sorted(groups, key=lambda group: group.name)
