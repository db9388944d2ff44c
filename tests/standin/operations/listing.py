"""ListUsers: pages that may be short or empty, an order that varies, a list that lags behind [M, X].

A list walks the pool's 256 buckets from a random one in a random stride, each bucket by sub. The token
holds the walk and the last sub, so users who come and go meanwhile break nothing and nobody is listed
twice. A filter that is no lookup reads at most ``knobs.scan`` users a page, and may find nobody there.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator

import orjson

from tests.standin import paging
from tests.standin.errors import invalid
from tests.standin.operations import Answer, Asked, operation
from tests.standin.state import Call
from tests.standin.users import BUCKETS, SUB, User, Users

FILTER = re.compile(r'\s*"?(?P<name>[\w:]+)"?\s*(?P<how>\^?=)\s*"(?P<value>(?:[^"\\]|\\.)*)"\s*')
ATTRIBUTES = frozenset(
    "username email phone_number name given_name family_name preferred_username sub".split()
)
Wanted = Callable[[dict[str, object]], bool]


@operation("ListUsers")
def list_users(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"])
    text, names = asked.get("Filter") or "", asked.get("AttributesToGet")
    wanted, prefix = _filter(text)
    bound = orjson.dumps([pool.id, text, names]).decode()
    knobs, dice = call.state.knobs, call.state.dice
    if asked.get("PaginationToken"):
        start, stride, at, last = paging.unwrap(call, bound, asked["PaginationToken"])
    else:
        start, stride = (
            (dice.randrange(BUCKETS), dice.randrange(1, BUCKETS, 2)) if knobs.order_varies else (0, 1)
        )
        at, last = 0, ""
    size = paging.size(call, asked.get("Limit"))
    if text and knobs.empty_pages and dice.random() < knobs.empty_pages:
        size = 0
    walk = _Walk(pool.users, start, stride, prefix, at, last)
    late = pool.users.seen_at(call.seen) if pool.users.before else {}
    simple = wanted is None and not late and len(prefix) <= 2
    found = _plain(walk, size) if simple else _chosen(walk, size, wanted, late, knobs.scan)
    if names is not None:
        found = [_only(entry, names) for entry in found]
    token = b"" if walk.over else _token(paging.wrap(call, bound, [start, stride, walk.at, walk.last]))
    return b'{"Users":[' + b",".join(found) + b"]" + token + b"}"


def _token(token: str) -> bytes:
    return b',"PaginationToken":"' + token.encode() + b'"'


class _Walk:
    """Where a list is: bucket number ``at`` of its own order, after the sub ``last`` of that bucket."""

    def __init__(self, users: Users, start: int, stride: int, prefix: str, at: int, last: str) -> None:
        self.users, self.prefix = users, prefix
        self.start, self.stride, self.at, self.last = start, stride, at, last

    @property
    def over(self) -> bool:
        """Whether nobody comes any more; moves over buckets that have nobody."""
        while self.at < BUCKETS:
            number = self._bucket()
            bucket = self.users.buckets[number]
            if bucket and bucket[-1].sub > self.last and f"{number:02x}".startswith(self.prefix[:2]):
                return False
            self.at, self.last = self.at + 1, ""
        return True

    def _bucket(self) -> int:
        return (self.start + self.at * self.stride) % BUCKETS

    def take(self, count: int) -> list[User]:
        """Up to ``count`` users of one bucket, the walk standing after them."""
        if self.over:
            return []
        bucket = self.users.buckets[self._bucket()]
        begin = bisect_right(bucket, self.last, key=SUB) if self.last else 0
        users = bucket[begin : begin + count]
        self.last = users[-1].sub
        return users


def _plain(walk: _Walk, size: int) -> list[bytes]:
    found: list[bytes] = []
    while len(found) < size and (users := walk.take(size - len(found))):
        found += [user.kept or user.entry for user in users]
    return found


def _chosen(
    walk: _Walk, size: int, wanted: Wanted | None, late: dict[str, bytes | None], scan: int
) -> list[bytes]:
    found: list[bytes] = []
    looked = 0
    while len(found) < size and looked < scan and (users := walk.take(1)):
        looked += 1
        user = users[0]
        entry = late.get(user.sub, user.entry)
        if entry is None or not user.sub.startswith(walk.prefix):
            continue
        if wanted is None or wanted(orjson.loads(entry)):
            found.append(entry)
    return found


def _filter(text: str) -> tuple[Wanted | None, str]:
    """What a user must be, and the prefix of the sub when that is what it asks. The grammar: [M]."""
    if not text:
        return None, ""
    match = FILTER.fullmatch(text)
    if match is None:
        raise invalid("Error while parsing filter.")
    name, how = match["name"], match["how"]
    value = re.sub(r"\\(.)", r"\1", match["value"])
    equal: Callable[[str], bool] = (
        (lambda told: told == value) if how == "=" else (lambda told: told.startswith(value))
    )
    if name == "sub":
        # a sub has 36 characters: a shorter one equals nobody's
        return None, value if how == "^=" or len(value) == 36 else "nobody"
    if name == "username":
        return lambda user: equal(str(user["Username"])), ""
    if name == "cognito:user_status":
        value = value.upper()  # case does not matter here, and only here
        return lambda user: equal(str(user["UserStatus"])), ""
    if name == "status":
        return lambda user: equal("Enabled" if user["Enabled"] else "Disabled"), ""
    if name in ATTRIBUTES:
        return lambda user: equal(_attribute(user, name)), ""
    raise invalid(f"Cannot search by attribute {name}.")


def _attribute(user: dict[str, object], name: str) -> str:
    listed: Iterator[dict[str, str]] = iter(user["Attributes"])  # type: ignore[call-overload]
    return next((one["Value"] for one in listed if one["Name"] == name), "\0")


def _only(entry: bytes, names: list[str]) -> bytes:
    """AttributesToGet: an error when a user lacks one, which is why nobody should use it [M]."""
    user = orjson.loads(entry)
    held = {one["Name"]: one for one in user["Attributes"]}
    missing = [name for name in names if name not in held]
    if missing:
        raise invalid(f"One or more requested attributes do not exist: {', '.join(missing)}")
    user["Attributes"] = [held[name] for name in names]
    return orjson.dumps(user)
