"""Never faster than a share of the quota, and slower as soon as AWS says so.

One token bucket for each quota category of an account and Region. It starts at
its share, slows by 15 % at most once a second when a call is throttled, and
comes back by one call a second for every quiet second. A bucket is one process's
(``Bucket``), or that of all processes on all hosts (``backups.pacing``).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, TypeVar

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
    "UserPoolUpdate": 15,
    "UserPoolResourceRead": 15,  # 20; settings are of the pool and of its clients too, and those have 15
    "UserPoolResourceUpdate": 5,  # 15, but each operation at most 5 a pool
    "IdentityPools": 5,  # cognito-identity has no categories, and nobody waits for these few calls
    "LimitManagement": 1,
}
ADJUSTABLE = frozenset({"UserCreation", "UserRead", "UserResourceRead"})  # an account may have bought more
CATEGORY: Mapping[str, str] = {  # one AWS call of each port method -> its quota category
    "facts": "UserPoolRead",
    "users": "UserList",
    "members": "UserList",
    "groups": "UserPoolResourceRead",
    # Many operations, of three categories; each has 5 a second and pool besides, so those that are asked of
    # every app client take turns (aws.pool_settings).
    "settings": "UserPoolResourceRead",
    "identity_pools": "IdentityPools",
    "get_user": "UserRead",
    "groups_of": "UserResourceRead",
    "create_user": "UserCreation",
    "resend_invitation": "UserCreation",
    "set_password": "UserAccountRecovery",
    "disable_user": "UserUpdate",
    "enable_user": "UserUpdate",
    "update_user": "UserUpdate",
    "delete_user": "UserUpdate",
    "link_user": "UserUpdate",
    "remove_from_group": "UserUpdate",
    "signed_in": "UserResourceRead",
    "add_attributes": "UserPoolUpdate",
    "add_to_group": "UserUpdate",
    "create_group": "UserPoolResourceUpdate",
}
NOT_REPEATABLE = frozenset({"create_user", "resend_invitation"})  # a second one is a second act
GIVE_UP_AFTER = 20.0  # seconds of failing for another cause than a throttle
PATIENCE = 120.0  # seconds of nothing but throttles
STEP = 0.25  # seconds of sleep before the bucket is asked again: no sleep is longer, whatever the rate
TICK = 0.001  # seconds; less is below what a clock can tell
SLOWER, SLOWEST = 0.85, 0.5  # the factor at a throttle; calls a second below which none slows


class Standing(NamedTuple):
    """What one category's bucket allows."""

    rate: float  # calls a second now
    limit: float  # calls a second at most
    throttled: int  # calls that AWS refused so far


class Limiter(Protocol):
    """One category's bucket. Thread-safe; no method raises."""

    def take(self) -> float:
        """0.0: one call may be made now, and is counted. Else seconds to wait before asking again."""

    def slow_down(self) -> None:
        """AWS throttled a call."""

    def standing(self) -> Standing: ...


class Bucket:
    """The tokens of this process. The clock is passed in."""

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
        self._throttled = 0

    def take(self) -> float:
        with self._lock:
            self._refill()
            wait = (1 - self._tokens) / self.rate
            if len(self._last) == self._last.maxlen:
                wait = max(wait, self._last[0] + 1 - self._at)
            if wait > 0:
                return max(wait, TICK)
            self._tokens -= 1
            self._last.append(self._at)
            return 0.0

    def slow_down(self) -> None:
        with self._lock:
            self._refill()
            self._throttled += 1
            if self._at - self._slowed_at >= 1:
                self.rate = max(min(SLOWEST, self.limit), self.rate * SLOWER)
                self._slowed_at = self._at
            self._tokens = min(self._tokens, 0.0)

    def standing(self) -> Standing:
        with self._lock:
            self._refill()
            return Standing(self.rate, self.limit, self._throttled)

    def _refill(self) -> None:
        now = self._clock.monotonic()
        passed = now - self._at
        self._at = now
        if now - self._slowed_at >= 1:
            self.rate = min(self.limit, self.rate + passed)
        # At most a tenth of a second's worth at once, so that the second stays within the limit.
        self._tokens = min(max(1.0, self.rate / 10), self._tokens + passed * self.rate)


class Pace:
    """All buckets of one account and Region.

    ``bucket`` makes one from a category and its limit. ``live`` asks AWS for a category's quota and may
    raise PortError: once, when the category is first used, as slowly as that question itself is limited.
    """

    def __init__(
        self,
        clock: Clock,
        share: float,
        quotas: Mapping[str, float] = QUOTAS,
        *,
        bucket: Callable[[str, float], Limiter] | None = None,
        live: Callable[[str], float] | None = None,
    ) -> None:
        self.clock = clock
        self.share = share
        self._make = bucket or (lambda _, limit: Bucket(limit, clock))
        self._live = live
        self._unasked = set(ADJUSTABLE)
        self._buckets = {name: self._make(name, quota * share) for name, quota in quotas.items()}

    def __getitem__(self, category: str) -> Limiter:
        return self._buckets[category]

    def standing(self) -> dict[str, Standing]:
        """By category. No call to AWS."""
        return {category: bucket.standing() for category, bucket in self._buckets.items()}

    def call(self, operation: str, do: Callable[[], T]) -> T:
        """Make one call within the pace; throttled calls are asked again, nothing was done by them.

        ``operation`` is a key of CATEGORY: a pool is given this method and puts every call through it.

        A call whose answer was lost, or that never reached AWS, is repeated only where that is
        safe, for at most GIVE_UP_AFTER seconds. Raises PortError.
        """
        category, repeatable = CATEGORY[operation], operation not in NOT_REPEATABLE
        self._learn(category)
        since: dict[bool, float] = {}  # throttled or not -> when this call first failed so
        wait = 0.2
        while True:
            self._take(category)
            try:
                return do()
            except PortError as error:
                now = self.clock.monotonic()
                waited = now - since.setdefault(error.cause is Cause.THROTTLED, now)
                if error.cause is Cause.THROTTLED and waited < PATIENCE:
                    self[category].slow_down()
                elif waited < GIVE_UP_AFTER and (
                    error.cause is Cause.UNREACHABLE or (error.cause is Cause.LOST and repeatable)
                ):
                    self.clock.sleep(wait)
                    wait = min(5.0, wait * 2)
                else:
                    raise

    def _take(self, category: str) -> None:
        """Wait until one call may be made."""
        while wait := self[category].take():
            self.clock.sleep(min(wait, STEP))

    def _learn(self, category: str) -> None:
        """Ask for the category's quota of today, unless that was done or may not be done now.

        Nobody waits for it, and whatever goes wrong leaves the table's value.
        """
        if self._live is None or category not in self._unasked or self["LimitManagement"].take():
            return
        self._unasked.discard(category)
        try:
            quota = self._live(category)
        except PortError:
            return
        self._buckets[category] = self._make(category, quota * self.share)
