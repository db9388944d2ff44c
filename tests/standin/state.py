"""What the stand-in holds: one account, its Regions, their pools. All of it can be pickled."""

from __future__ import annotations

import random
import string
import time
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any

from tests.standin.books import Books
from tests.standin.errors import Refused, gone, no_user
from tests.standin.faults import Faults, Latency
from tests.standin.quotas import Quotas
from tests.standin.users import User, Users


@dataclass
class Clock:
    """Ours, which can be moved; time goes on from there."""

    offset: float = 0.0

    def now(self) -> float:
        return time.time() + self.offset


@dataclass
class Knobs:
    """What AWS does sometimes, or does not say. A test sets them; these are the values of a fresh one."""

    lag: float = 0.0  # seconds by which ListUsers and ListUsersInGroup are behind the writes
    short_pages: float = 0.1  # share of the list pages that are shorter than Limit [X]
    empty_pages: float = 0.05  # share of the filtered pages that are empty, with a token [M]
    scan: int = 5_000  # users a filtered page looks at, at most
    order_varies: bool = True  # another order each time a list begins [M]
    token_seconds: float | None = None  # life of a page token; undocumented
    daily_mails: int = 50  # of COGNITO_DEFAULT, account-wide, until 09:00 UTC [Q]
    over_the_limit: str = "refuse"  # or "drop": accepted, and no mail goes out; undocumented
    left_behind: bool = True  # whether AdminCreateUser leaves the user it could not mail; undocumented
    undeliverable: list[str] = field(default_factory=list)  # parts of addresses that bounce at once
    vetoes: list[str] = field(default_factory=list)  # parts of usernames that a PreSignUp trigger refuses


@dataclass
class Group:
    name: str
    created: float
    modified: float
    description: str | None = None
    precedence: int | None = None
    role_arn: str | None = None
    members: dict[str, float] = field(default_factory=dict)  # sub -> since when
    left: dict[str, tuple[float, float]] = field(
        default_factory=dict
    )  # sub -> from and till when, for late lists
    order: list[str] = field(default_factory=list)  # every sub of both, sorted: a page costs no sorting

    def add(self, sub: str, now: float) -> None:
        """Again is no error."""
        if sub in self.members:
            return
        if sub not in self.left:
            insort(self.order, sub)
        self.members[sub] = now

    def remove(self, sub: str, *, lag_from: float | None) -> None:
        since = self.members.pop(sub, None)
        if since is None:
            return
        if lag_from is not None:
            self.left[sub] = (since, lag_from)
        else:
            self._forget(sub)

    def seen_at(self, moment: float, after: str) -> Iterator[str]:
        """Who is in it for a list as old as ``moment``, in order, beginning after the sub ``after``."""
        for sub in [sub for sub, (_, till) in self.left.items() if till <= moment]:
            self._forget(sub)
        for at in range(bisect_right(self.order, after), len(self.order)):
            sub = self.order[at]
            since, till = self.left.get(sub, (inf, -inf))
            if self.members.get(sub, inf) <= moment or since <= moment < till:
                yield sub

    def _forget(self, sub: str) -> None:
        """That it was here, unless it is again."""
        self.left.pop(sub, None)
        if sub not in self.members:
            del self.order[bisect_left(self.order, sub)]


@dataclass
class Pool:
    id: str
    region: str
    arn: str
    created: float
    modified: float
    settings: dict[str, Any]  # as DescribeUserPool answers them; what was never set is filled in
    users: Users
    schema: dict[str, dict[str, Any]]  # attribute -> its SchemaAttributeType
    groups: dict[str, Group] = field(default_factory=dict)
    clients: dict[str, dict[str, Any]] = field(default_factory=dict)  # ClientId -> as described
    providers: dict[str, dict[str, Any]] = field(default_factory=dict)
    servers: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)  # what hangs on a pool besides: "mfa", "risk", …
    secondary: bool = False  # a replica's secondary Region: no writes
    replicas: list[dict[str, Any]] = field(default_factory=list)

    @property
    def email_is_username(self) -> bool:
        return bool(self.settings.get("UsernameAttributes"))

    @property
    def own_mail(self) -> bool:
        """Sends through SES, without Cognito's daily limit."""
        return bool(self.settings["EmailConfiguration"].get("EmailSendingAccount") == "DEVELOPER")

    def trigger(self, name: str) -> bool:
        return bool(self.settings.get("LambdaConfig", {}).get(name))


@dataclass
class Region:
    name: str
    pools: dict[str, Pool] = field(default_factory=dict)
    clients: dict[str, str] = field(default_factory=dict)  # ClientId -> pool id
    domains: dict[str, str] = field(default_factory=dict)  # prefix or name -> pool id
    identity_pools: dict[str, dict[str, Any]] = field(default_factory=dict)
    quotas: Quotas = field(default_factory=Quotas)


@dataclass
class Challenge:
    """What somebody who is signing in was asked."""

    name: str  # NEW_PASSWORD_REQUIRED, SMS_MFA, …
    pool: str
    client: str
    sub: str
    until: float


@dataclass
class State:
    account: str
    clock: Clock = field(default_factory=Clock)
    knobs: Knobs = field(default_factory=Knobs)
    faults: Faults = field(default_factory=Faults)
    latency: Latency = field(default_factory=Latency)
    books: Books = field(default_factory=Books)
    regions: dict[str, Region] = field(default_factory=dict)
    dice: random.Random = field(default_factory=lambda: random.Random(10))
    mails: Counter[int] = field(default_factory=Counter)  # mail day -> mails of COGNITO_DEFAULT
    challenges: dict[str, Challenge] = field(default_factory=dict)  # by their Session

    def region(self, name: str) -> Region:
        if name not in self.regions:
            self.regions[name] = Region(name)
        return self.regions[name]

    def letters(self, count: int) -> str:
        return "".join(self.dice.choices(string.ascii_letters + string.digits, k=count))


@dataclass
class Call:
    """One request, as an operation sees it."""

    state: State
    region: Region
    operation: str
    public: bool  # unsigned: an application's own
    trace: dict[str, Any] = field(default_factory=dict)  # what the books shall say of it: pool, sub

    @property
    def now(self) -> float:
        return self.state.clock.now()

    @property
    def seen(self) -> float:
        """The moment that lists show; infinity when they are never late, whenever the changes were made."""
        return self.now - self.state.knobs.lag if self.state.knobs.lag > 0 else inf

    @property
    def lag_from(self) -> float | None:
        """From when a change counts as late in lists; None when lists are never late."""
        return self.now if self.state.knobs.lag > 0 else None

    def pool(self, pool_id: str, *, writes: bool = False) -> Pool:
        """Raises ResourceNotFoundException, and OperationNotEnabledException in a secondary Region."""
        pool = self.region.pools.get(pool_id)
        if pool is None:
            raise gone(f"User pool {pool_id} does not exist.")
        if writes and pool.secondary:
            raise Refused(
                "OperationNotEnabledException",
                f"{self.operation} is not supported in secondary replica regions.",
            )
        self.trace["pool"] = pool_id
        return pool

    def user(self, pool: Pool, name: str) -> User:
        """Raises UserNotFoundException."""
        user = pool.users.find(name)
        if user is None:
            raise no_user()
        self.trace["sub"] = user.sub
        return user

    def change(self, pool: Pool, user: User, **values: Any) -> None:
        pool.users.change(user, self.now, lag_from=self.lag_from, **values)
