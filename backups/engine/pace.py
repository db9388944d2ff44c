"""Never faster than a share of the quota, and slower as soon as AWS says so.

One token bucket for each quota category of an account and Region. It starts at
its share, slows by 15 % at most once a second when a call is throttled, and
comes back by one call a second for every quiet second.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import TypeVar

from backups.engine.ports import Cause, Clock, PortError

T = TypeVar("T")

QUOTAS: Mapping[str, float] = {  # calls a second, per account and Region; AWS's default values
    "UserCreation": 50,
    "UserAccountRecovery": 30,
    "UserRead": 120,
    "UserUpdate": 25,
    "UserResourceRead": 50,
    "UserList": 30,
    "UserPoolRead": 15,
    "UserPoolResourceRead": 20,
    "UserPoolResourceUpdate": 5,  # 15, but each operation at most 5 a pool
}
CATEGORY: Mapping[str, str] = {  # one AWS call of each port method -> its quota category
    "facts": "UserPoolRead",
    "users": "UserList",
    "members": "UserList",
    "groups": "UserPoolResourceRead",
    "settings": "UserPoolResourceRead",
    "get_user": "UserRead",
    "groups_of": "UserResourceRead",
    "create_user": "UserCreation",
    "resend_invitation": "UserCreation",
    "set_password": "UserAccountRecovery",
    "disable_user": "UserUpdate",
    "add_to_group": "UserUpdate",
    "create_group": "UserPoolResourceUpdate",
}
NOT_REPEATABLE = frozenset({"create_user", "resend_invitation"})  # a second one is a second act
GIVE_UP_AFTER = 20.0  # seconds of failing for another cause than a throttle
PATIENCE = 120.0  # seconds of nothing but throttles


class Bucket:
    """One category's tokens. Thread-safe; the clock is passed in."""

    def __init__(self, limit: float, clock: Clock) -> None:
        self.limit = limit  # calls a second, never exceeded
        self.rate = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = 1.0
        # When the last second's worth of calls was made: what was saved up never adds to a full second.
        self._last: deque[float] = deque(maxlen=max(1, int(limit + 1e-9)))
        self._at = clock.monotonic()
        self._slowed_at = float("-inf")
        self.throttled = 0

    def take(self) -> None:
        """Wait until one call may be made."""
        while True:
            with self._lock:
                self._refill()
                wait = (1 - self._tokens) / self.rate
                if len(self._last) == self._last.maxlen:
                    wait = max(wait, self._last[0] + 1 - self._at)
                if wait <= 0:
                    self._tokens -= 1
                    self._last.append(self._at)
                    return
            self._clock.sleep(max(wait, 0.001))  # less is below what a clock can tell

    def slow_down(self) -> None:
        """AWS throttled a call."""
        with self._lock:
            self._refill()
            self.throttled += 1
            if self._at - self._slowed_at >= 1:
                self.rate = max(min(0.5, self.limit), self.rate * 0.85)
                self._slowed_at = self._at
            self._tokens = min(self._tokens, 0.0)

    def _refill(self) -> None:
        now = self._clock.monotonic()
        passed = now - self._at
        self._at = now
        if now - self._slowed_at >= 1:
            self.rate = min(self.limit, self.rate + passed)
        # At most a tenth of a second's worth at once, so that the second stays within the limit.
        self._tokens = min(max(1.0, self.rate / 10), self._tokens + passed * self.rate)


class Pace:
    """All buckets of one account and Region."""

    def __init__(self, clock: Clock, share: float, quotas: Mapping[str, float] = QUOTAS) -> None:
        self.clock = clock
        self._buckets = {name: Bucket(quota * share, clock) for name, quota in quotas.items()}

    def __getitem__(self, category: str) -> Bucket:
        return self._buckets[category]

    @property
    def throttled(self) -> int:
        return sum(bucket.throttled for bucket in self._buckets.values())

    def call(self, operation: str, do: Callable[[], T]) -> T:
        """Make one call within the pace; throttled calls are asked again, nothing was done by them.

        ``operation`` is a key of CATEGORY: a pool is given this method and puts every call through it.

        A call whose answer was lost, or that never reached AWS, is repeated only where that is
        safe, for at most GIVE_UP_AFTER seconds. Raises PortError.
        """
        bucket, repeatable = self[CATEGORY[operation]], operation not in NOT_REPEATABLE
        since: dict[bool, float] = {}  # throttled or not -> when this call first failed so
        wait = 0.2
        while True:
            bucket.take()
            try:
                return do()
            except PortError as error:
                now = self.clock.monotonic()
                waited = now - since.setdefault(error.cause is Cause.THROTTLED, now)
                if error.cause is Cause.THROTTLED and waited < PATIENCE:
                    bucket.slow_down()
                elif waited < GIVE_UP_AFTER and (
                    error.cause is Cause.UNREACHABLE or (error.cause is Cause.LOST and repeatable)
                ):
                    self.clock.sleep(wait)
                    wait = min(5.0, wait * 2)
                else:
                    raise
