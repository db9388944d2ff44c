"""What differs between two sides: only in one, changed field by field, the same.

    first pass over A:   key -> digest of what is compared
    pass over B:         the same digest? counted. else kept aside
    second pass over A:  who is left and has the name of somebody kept aside
    third pass over A:   what is left is only in A, or changed; told in A's order

Only what differs is held. Dates are not compared: UserLastModifiedDate moves by
itself and UserCreateDate belongs to the sub.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from backups.core.matching import Rules
from backups.core.snapshot import User

OF_THE_IDENTITY = frozenset({"sub"})  # new with every identity; never a change by itself
Users = Callable[[], Iterator[User]]
Memberships = Mapping[str, frozenset[str]]  # Username -> names of groups


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison. ``users`` may be called more than once."""

    users: Users
    memberships: Memberships | None = None  # None: this side does not know


@dataclass(frozen=True, slots=True)
class Change:
    """One user who is not the same on both sides."""

    kind: str  # only_from | only_to | changed
    user: User  # of "from", except for only_to
    matched_by: str = ""
    fields: tuple[tuple[str, str, str], ...] = ()  # (field, old, new); "" is "not there"


@dataclass(slots=True)
class Counts:
    """Filled while ``diff`` is walked; complete when it ends."""

    from_users: int = 0
    to_users: int = 0
    same: int = 0
    new_identity: int = 0  # among same and changed: the person is there under another sub
    only_from: int = 0
    only_to: int = 0
    changed: int = 0
    fields: dict[str, int] = field(default_factory=dict)

    def note(self, change: Change) -> None:
        setattr(self, change.kind, getattr(self, change.kind) + 1)
        for name, _, _ in change.fields:
            self.fields[name] = self.fields.get(name, 0) + 1


def diff(a: Side, b: Side, rules: Rules, counts: Counts) -> Iterator[Change]:
    """Everybody who is not the same on both sides; ``counts`` has the rest."""
    with_groups = a.memberships is not None and b.memberships is not None
    left: dict[str, bytes] = {}
    for user in a.users():
        left.setdefault(user.key, _digest(_compared(user, a.memberships if with_groups else None)))
    counts.from_users = len(left)

    changed: dict[str, User] = {}  # key -> the user of B
    others: dict[str, User] = {}  # users of B whose key A does not have
    seen: set[str] = set()
    for user in b.users():
        if user.key in seen:
            continue
        seen.add(user.key)
        mine = left.get(user.key)
        if mine is None:
            others[user.key] = user
        elif mine == _digest(_compared(user, b.memberships if with_groups else None)):
            del left[user.key]
            counts.same += 1
        else:
            changed[user.key] = user
    counts.to_users = len(seen)
    unmatched = (user for user in a.users() if user.key in left and user.key not in changed)
    by_name = _pairs(unmatched, others.values(), rules) if others else {}

    for user in a.users():
        if left.pop(user.key, None) is None:
            continue
        key, how = by_name.get(user.key, ("", "sub"))
        other = others.pop(key, None) or changed.get(user.key)
        if other is None:
            change = Change("only_from", user)
        else:
            counts.new_identity += how != "sub"
            fields = _fields(user, other, a, b, with_groups, same_identity=how == "sub")
            if not fields:
                counts.same += 1
                continue
            change = Change("changed", user, how, fields)
        counts.note(change)
        yield change
    for user in others.values():
        change = Change("only_to", user)
        counts.note(change)
        yield change


def _pairs(a: Iterable[User], b: Iterable[User], rules: Rules) -> dict[str, tuple[str, str]]:
    """Key in A -> (key in B, how): the surer name first; neither order nor direction matters."""
    there = _by_name(b, rules, lambda name: True)
    here = _by_name(a, rules, there.__contains__)
    pairs: dict[str, tuple[str, str]] = {}
    taken: set[str] = set()
    for how in ("username", "email"):
        for name in [name for name in here if name[0] == how]:
            mine = sorted(here[name] - pairs.keys())
            for key, other in zip(mine, sorted(there[name] - taken), strict=False):
                pairs[key] = other, how
                taken.add(other)
    return pairs


def _by_name(
    users: Iterable[User], rules: Rules, wanted: Callable[[tuple[str, str]], bool]
) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for user in users:
        for name in filter(wanted, rules.names(user)):
            found.setdefault(name, set()).add(user.key)
    return found


def _compared(user: User, memberships: Memberships | None, *, same_identity: bool = True) -> dict[str, str]:
    fields = {name: value for name, value in user.attributes.items() if name not in OF_THE_IDENTITY}
    fields["Enabled"] = "true" if user.enabled else "false"
    if same_identity:
        fields["UserStatus"] = user.status
        fields["Username"] = user.username
    if memberships is not None:
        fields["groups"] = ", ".join(sorted(memberships.get(user.username, ())))
    return fields


def _fields(
    user: User, other: User, a: Side, b: Side, with_groups: bool, *, same_identity: bool
) -> tuple[tuple[str, str, str], ...]:
    old = _compared(user, a.memberships if with_groups else None, same_identity=same_identity)
    new = _compared(other, b.memberships if with_groups else None, same_identity=same_identity)
    names = [*old, *(name for name in new if name not in old)]
    return tuple(
        (name, old.get(name, ""), new.get(name, ""))
        for name in names
        if old.get(name, "") != new.get(name, "")
    )


def _digest(fields: Mapping[str, str]) -> bytes:
    # An attribute that is empty and one that is not there are the same to Cognito.
    text = orjson.dumps({name: value for name, value in fields.items() if value}, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=16).digest()
