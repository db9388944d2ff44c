"""The second factors of a pool's users: one AdminGetUser each, which bills each of them as active.

Several at once, under the pool's own pace. Somebody who was deleted meanwhile has none any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from backups.core.snapshot import Entry
from backups.engine.ports import Cause, PortError, Report, UserPool

FIELDS = ("UserMFASettingList", "PreferredMfaSetting")
THREADS = 12  # 120 calls a second, the quota, at 100 ms each
AHEAD = 4 * THREADS  # asked and not yet given
EVERY = 60  # users between two questions whether to go on


class Factors:
    """Entries of mfa.json: of those who have any, in the order of ``usernames``. Iterated once.

    ``read``: users that AWS answered of, and counts as active. ``failed``: why it ended before everybody
    was read, beside whatever is raised.
    """

    def __init__(self, pool: UserPool, usernames: Sequence[str], report: Report) -> None:
        self._pool, self._usernames, self._report = pool, usernames, report
        self.read = 0
        self.count = 0
        self.failed: PortError | None = None

    def __iter__(self) -> Iterator[Entry]:
        asked: deque[Future[Entry | None]] = deque()
        waiting = iter(self._usernames)
        with ThreadPoolExecutor(THREADS, thread_name_prefix="factors") as threads:
            try:
                for number in range(len(self._usernames)):
                    while len(asked) < AHEAD and (username := next(waiting, None)) is not None:
                        asked.append(threads.submit(self._of, username))
                    if number % EVERY == 0:
                        self._report.keep_going()
                        self._report.count(factors_read=self.read)
                    entry = self._answer(asked.popleft())
                    if entry:
                        self.count += 1
                        yield entry
            finally:
                for one in asked:  # those that were sent already are billed, whatever becomes of this
                    one.cancel()
                for one in asked:
                    if not one.cancelled() and one.exception() is None and one.result() is not None:
                        self.read += 1
        self._report.count(factors_read=self.read)

    def _answer(self, one: Future[Entry | None]) -> Entry | None:
        try:
            found = one.result()
        except PortError as error:
            self.failed = error
            raise
        self.read += found is not None
        return found

    def _of(self, username: str) -> Entry | None:
        """None: deleted meanwhile. Empty: no second factor."""
        try:
            user = self._pool.get_user(username)
        except PortError as error:
            if error.cause is Cause.MISSING:
                return None
            raise
        told = {name: user[name] for name in FIELDS if user.get(name)}
        return {"Username": username, **told} if told else {}
