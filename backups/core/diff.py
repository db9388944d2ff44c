"""What differs between two sides: only in one, changed field by field, made anew, the same.

    marks of A, then of B:   a line that both have -> the same user, counted and never looked into
    who is left:             read, and matched by sub: compared field by field
    who is left of those:    matched by the ledger of a restore of ours, else by name, or only there

A mark is 24 bytes: the digest of a user's line, and where it lies. Only lines that differ are read again,
so a million users on each side need some 100 MB. Other bytes may still be the same user, and are looked into.
"""

from __future__ import annotations

import hashlib
import struct
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from types import MappingProxyType

import orjson

from backups.core.matching import Rules
from backups.core.snapshot import ADDRESSES, Group, User, in_utc

PART = 600_000
"""Marks of one side that are held at once; more are taken in turns."""
EVERY = 1_000
"""Users read between two questions whether to go on."""
OF_THE_IDENTITY = frozenset({"sub", "Username", "UserStatus", "UserCreateDate", "UserLastModifiedDate"})
"""New with every identity: shown with it, and no change by themselves."""
DATES = ("UserCreateDate", "UserLastModifiedDate")
"""Compared on request only: the second moves by itself, the first belongs to the sub."""
GROUPS, FACTORS = "groups", "second factors"
"""What a user's memberships and second factors are called among the fields."""
_READ = frozenset({"Attributes", "Enabled", "UserStatus", "Username", *DATES})

SECURITY: Mapping[str, str] = MappingProxyType(
    {  # most important first
        "privileged": "{n} gained a group with an IAM role",
        "enabled": "{n} disabled in A and enabled in B",
        "contact": "{n} under the same sub with another e-mail or phone number, or verified otherwise",
        "factors": "{n} with other second factors",
        "role": "{n} whose IAM role differs",
        "triggers": "{n} among the Lambda triggers",
        "mfa": "{n} of multi-factor authentication",
        "clients": "{n} of app clients",
        "providers": "{n} of identity providers and identity pools",
        "sign-in": "{n} of how people sign in",
        "disabled": "{n} enabled in A and disabled in B",
        "unprivileged": "{n} lost a group with an IAM role",
    }
)
"""Code -> what it means; {n} is a number with its noun: "3 users", "1 setting"."""
_MADE_BY_AN_ADMIN = frozenset({"FORCE_CHANGE_PASSWORD", "RESET_REQUIRED"})
"""Statuses that nobody gets by signing up: invited, or imported."""
_CONTACT = frozenset({"email", "phone_number", "email_verified", "phone_number_verified"})

Memberships = Mapping[str, frozenset[str]]  # Username -> names of groups


MARK = struct.Struct("<16sQ")
"""Of one user: digest of the line, place."""
_BLAKE = hashlib.blake2b


def mark(line: bytes, place: int) -> bytes:
    """The mark of one user, packed; ``line`` is the entry's JSON, ``place`` the side's own affair."""
    return MARK.pack(_BLAKE(line, digest_size=16).digest(), place)


def _hashed(text: str) -> bytes:
    return _BLAKE(text.encode(errors="surrogatepass"), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison, where everybody comes once."""

    size: int  # users at most
    marks: Callable[[], Iterator[tuple[bytes, int]]]  # of every user; walked more than once
    at: Callable[[int], User]
    named: Callable[[Collection[str]], Iterator[tuple[str, int]]]  # (Username, place) of those of these names
    memberships: Memberships | None = None  # None: this side does not know
    factors: Mapping[str, str] | None = None  # Username -> second factors as words; None: not known
    taken_at: str = ""  # ISO 8601, UTC; "" where nobody knows


class Kind(StrEnum):
    """What a user is who is not the same on both sides."""

    ONLY_FROM = "only_from"
    CHANGED = "changed"  # the same sub, and fields that differ
    ONLY_TO = "only_to"
    ANEW = "anew"  # the same person under another sub
    AGAIN = "again"  # as ANEW, but registered after the other side was taken: perhaps somebody else
    AMBIGUOUS = "ambiguous"  # the name fits more than one: nobody is matched


@dataclass(frozen=True, slots=True)
class Change:
    """One user who is not the same on both sides."""

    kind: Kind
    user: User  # of "from", except for ONLY_TO and an ambiguous one of "to"
    other: User | None = None  # of "to", where there are two
    matched_by: str = ""  # sub | restore | username | email
    fields: tuple[tuple[str, str, str], ...] = ()  # (field, old, new); "" is "not there"
    security: tuple[str, ...] = ()  # codes of SECURITY
    side: str = "from"  # whose ``user`` is


@dataclass(slots=True)
class Counts:
    """Filled while ``diff`` is walked; complete when it ends. Everybody of a side is in exactly one."""

    from_users: int = 0
    to_users: int = 0
    same: int = 0
    changed: int = 0
    only_from: int = 0
    only_to: int = 0
    anew: int = 0
    again: int = 0
    ambiguous_from: int = 0
    ambiguous_to: int = 0
    whole: str = ""  # "from" or "to": the other side is empty, and nobody was told one by one
    memberships_from: int = 0
    memberships_to: int = 0
    memberships_same: int = 0
    fields: dict[str, int] = field(default_factory=dict)
    security: dict[str, int] = field(default_factory=dict)

    def note(self, change: Change) -> None:
        kind = change.kind.value
        name = f"ambiguous_{change.side}" if change.kind is Kind.AMBIGUOUS else kind
        setattr(self, name, getattr(self, name) + 1)
        for told, _, _ in change.fields:
            self.fields[told] = self.fields.get(told, 0) + 1
        for code in change.security:
            self.security[code] = self.security.get(code, 0) + 1


@dataclass(frozen=True, slots=True)
class Choices:
    """How to compare. ``privileged``: groups whose coming and going is told as security-relevant."""

    rules: Rules
    dates: bool = False
    privileged: frozenset[str] = frozenset()
    # Those of these subs that restores of ours made -> what the same person was before, as ``User.key``.
    restored: Callable[[Collection[str]], Mapping[str, Collection[str]]] = lambda subs: {}


def diff(
    a: Side, b: Side, choices: Choices, counts: Counts, going: Callable[[], None] = lambda: None
) -> Iterator[Change]:
    """Everybody who is not the same on both sides; ``counts`` has the rest. ``going`` may raise to end it.

    Where one side is empty nobody is told: ``counts.whole`` names the other, which is all there is.
    """
    return _Diff(a, b, choices, counts, going).changes()


class _Diff:
    def __init__(self, a: Side, b: Side, choices: Choices, counts: Counts, going: Callable[[], None]) -> None:
        self.a, self.b, self.choices, self.counts = a, b, choices, counts
        self._going, self._steps = going, 0
        self.with_groups = a.memberships is not None and b.memberships is not None
        self.groups_a: Memberships = (a.memberships or {}) if self.with_groups else {}
        self.groups_b: Memberships = (b.memberships or {}) if self.with_groups else {}
        self.with_factors = a.factors is not None and b.factors is not None
        self.apart = set[str]()  # names that are not the same person's on both sides

    def changes(self) -> Iterator[Change]:
        counts = self.counts
        counts.memberships_from = sum(map(len, self.groups_a.values()))
        counts.memberships_to = sum(map(len, self.groups_b.values()))
        counts.memberships_same = sum(
            len(names & self.groups_b[who]) for who, names in self.groups_a.items() if who in self.groups_b
        )
        left_a, left_b = self._by_line()
        if not counts.from_users or not counts.to_users:
            counts.only_from, counts.only_to = counts.from_users, counts.to_users
            counts.whole = "from" if counts.from_users else "to" if counts.to_users else ""
            return
        beside = self._beside(left_a, left_b)
        pairs, only_a, only_b = self._by_key(left_a, left_b)
        for change in self._told(sorted([*pairs, *beside]), only_a, only_b):
            counts.note(change)
            yield change

    # the same lines, the same sub

    def _by_line(self) -> tuple[Sequence[int], Sequence[int]]:
        """Places in A, and in B, of lines that the other side has not."""
        left_a, left_b = array("Q"), array("Q")
        parts = self.a.size // PART + 1
        for part in range(parts):
            mine = {digest: place for digest, place in self.a.marks() if digest[0] % parts == part}
            self.counts.from_users += len(mine)
            for digest, place in self.b.marks():
                if digest[0] % parts == part:
                    self.counts.to_users += 1
                    if mine.pop(digest, None) is None:
                        left_b.append(place)
                    else:
                        self.counts.same += 1
            left_a.extend(mine.values())
        return array("Q", sorted(left_a)), array("Q", sorted(left_b))

    def _beside(self, left_a: Sequence[int], left_b: Sequence[int]) -> list[tuple[int, int]]:
        """Places of those whose lines are the same, and whose groups or second factors are not."""
        names = _unequal(self.groups_a, self.groups_b)
        if self.with_factors:
            names |= _unequal(self.a.factors or {}, self.b.factors or {})
        if not names:
            return []
        others_a, others_b = frozenset(left_a), frozenset(left_b)
        here = [place for _, place in self.a.named(names) if place not in others_a]
        there = [place for _, place in self.b.named(names) if place not in others_b]
        theirs = {_hashed(self._at(self.b, place).key): place for place in there}
        self.counts.same -= len(here)
        return [(place, theirs[_hashed(self._at(self.a, place).key)]) for place in here]

    def _by_key(
        self, left_a: Sequence[int], left_b: Sequence[int]
    ) -> tuple[list[tuple[int, int]], Sequence[int], Sequence[int]]:
        """(places of who has the same sub; places of who is in A alone; in B alone), each in its order."""
        theirs = {_hashed(self._at(self.b, place).key): place for place in left_b} if left_a else {}
        pairs, only_a = [], array("Q")
        for place in left_a:
            other = theirs.pop(_hashed(self._at(self.a, place).key), None) if theirs else None
            if other is None:
                only_a.append(place)
            else:
                pairs.append((place, other))
        return pairs, only_a, array("Q", sorted(theirs.values())) if left_a else left_b

    # who differs

    def _told(
        self, pairs: list[tuple[int, int]], only_a: Sequence[int], only_b: Sequence[int]
    ) -> Iterator[Change]:
        for mine, theirs in pairs:
            user, other = self._at(self.a, mine), self._at(self.b, theirs)
            self._met(user, other)
            if fields := self._fields(user, other):
                yield Change(Kind.CHANGED, user, other, "sub", fields, self._alarming(user, other, fields))
            else:
                self.counts.same += 1
        matched, ambiguous_a, ambiguous_b = self._by_name(only_a, only_b)
        again = self._again(matched)
        for mine, theirs, how in matched:
            user, other = self._at(self.a, mine), self._at(self.b, theirs)
            fields = self._fields(user, other, leave=OF_THE_IDENTITY)
            if (mine, theirs) in again:
                self._apart(user)
                self._apart(other)
                yield Change(Kind.AGAIN, user, other, how, fields, self._alarming(user, other, fields))
            else:
                self._met(user, other)
                yield Change(Kind.ANEW, user, other, how, fields, self._alarming(user, other, fields))
        met_a, met_b = {mine for mine, _, _ in matched}, {theirs for _, theirs, _ in matched}
        for mine in only_a:
            if mine in met_a:
                continue
            user, how = self._at(self.a, mine), ambiguous_a.get(mine, "")
            self._apart(user)
            yield Change(Kind.AMBIGUOUS if how else Kind.ONLY_FROM, user, matched_by=how)
        for theirs in only_b:
            if theirs in met_b:
                continue
            user, how = self._at(self.b, theirs), ambiguous_b.get(theirs, "")
            self._apart(user)
            came = self.groups_b.get(user.username, frozenset()) & self.choices.privileged
            yield Change(
                Kind.AMBIGUOUS if how else Kind.ONLY_TO,
                user,
                matched_by=how,
                security=("privileged",) if came else (),
                side="to",
            )

    def _by_name(
        self, only_a: Sequence[int], only_b: Sequence[int]
    ) -> tuple[list[tuple[int, int, str]], dict[int, str], dict[int, str]]:
        """(place, place, how) of who is one person; place -> how of those whose name fits more than one.

        What a restore wrote down first, then the surer name; neither order nor direction matters.
        """
        matched: list[tuple[int, int, str]] = []
        if only_a and only_b:
            matched += [(mine, theirs, "restore") for mine, theirs in self._made(only_a, only_b)]
        there = self._names(self.b, only_b, None) if only_a and only_b else {}
        here = self._names(self.a, only_a, there) if there else {}
        ambiguous_a: dict[int, str] = {}
        ambiguous_b: dict[int, str] = {}
        taken_a, taken_b = {mine for mine, _, _ in matched}, {theirs for _, theirs, _ in matched}
        for how in ("username", "email"):
            for name in [name for name in here if name[0] == how]:
                mine = [place for place in here[name] if place not in taken_a]
                theirs = [place for place in there[name] if place not in taken_b]
                if not mine or not theirs:
                    continue
                taken_a.update(mine)
                taken_b.update(theirs)
                if len(mine) == len(theirs) == 1:
                    matched.append((mine[0], theirs[0], how))
                else:
                    ambiguous_a |= dict.fromkeys(mine, how)
                    ambiguous_b |= dict.fromkeys(theirs, how)
        return sorted(matched), ambiguous_a, ambiguous_b

    def _made(self, only_a: Sequence[int], only_b: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Places of who was made out of whom by restores of ours, where that is one on either side."""
        of_a, of_b = self._whose(self.a, only_a), self._whose(self.b, only_b)
        pairs = {
            (mine, it) for mine, key in self._keys(self.a, only_a if of_b else ()) for it in of_b.get(key, ())
        }
        pairs |= {
            (it, its) for its, key in self._keys(self.b, only_b if of_a else ()) for it in of_a.get(key, ())
        }
        mine, theirs = Counter(mine for mine, _ in pairs), Counter(its for _, its in pairs)
        return ((one, other) for one, other in pairs if mine[one] == theirs[other] == 1)

    def _keys(self, side: Side, places: Iterable[int]) -> Iterator[tuple[int, str]]:
        return ((place, self._at(side, place).key) for place in places)

    def _whose(self, side: Side, places: Iterable[int]) -> dict[str, list[int]]:
        """Key of a user -> places of those whom restores made out of that one."""
        found: dict[str, list[int]] = {}
        keys = self._keys(side, places)
        while some := {key: place for place, key in islice(keys, EVERY)}:
            for new, before in self.choices.restored(some.keys()).items():
                for old in before:
                    found.setdefault(old, []).append(some[new])
        return found

    def _names(
        self, side: Side, places: Iterable[int], wanted: Collection[tuple[str, bytes]] | None
    ) -> dict[tuple[str, bytes], list[int]]:
        """(how, hash of a name) -> places of who has it."""
        found: dict[tuple[str, bytes], list[int]] = {}
        for place in places:
            for how, name in self.choices.rules.names(self._at(side, place)):
                hashed = how, _hashed(name)
                if wanted is None or hashed in wanted:
                    found.setdefault(hashed, []).append(place)
        return found

    def _again(self, matched: Iterable[tuple[int, int, str]]) -> set[tuple[int, int]]:
        """Those of the pairs of which one registered after the other side was taken, by themselves."""
        newer: dict[str, list[tuple[int, int]]] = {}
        for mine, theirs, _ in matched:
            user, other = self._at(self.a, mine), self._at(self.b, theirs)
            for one, since in ((user, self.b.taken_at), (other, self.a.taken_at)):
                if since and in_utc(one.created) > since and one.status not in _MADE_BY_AN_ADMIN:
                    newer.setdefault(one.sub, []).append((mine, theirs))
        ours = self.choices.restored(newer.keys()) if newer else ()
        return {pair for sub, pairs in newer.items() if sub not in ours for pair in pairs}

    # one user

    def _at(self, side: Side, place: int) -> User:
        self._steps += 1
        if self._steps % EVERY == 0:
            self._going()
        return side.at(place)

    def _fields(
        self, user: User, other: User, leave: frozenset[str] = frozenset()
    ) -> tuple[tuple[str, str, str], ...]:
        old, new = self._compared(user, self.a, self.groups_a), self._compared(other, self.b, self.groups_b)
        names = [*old, *(name for name in new if name not in old)]
        return tuple(
            (name, old.get(name, ""), new.get(name, ""))
            for name in names
            if name not in leave and old.get(name, "") != new.get(name, "")
        )

    def _compared(self, user: User, side: Side, groups: Memberships) -> dict[str, str]:
        """Field -> text. An attribute that is empty and one that is not there are the same to Cognito."""
        fields = {name: value for name, value in user.attributes.items() if name != "sub"}
        for address in ADDRESSES:  # Cognito takes one without a flag for one that was never verified
            if fields.get(address):
                fields.setdefault(f"{address}_verified", "false")
        fields["Enabled"] = "true" if user.enabled else "false"
        fields["UserStatus"] = user.status
        fields["Username"] = user.username
        for name, value in user.entry.items():
            if name not in _READ and value not in (None, [], {}):
                fields[name] = _as_text(value)
        if self.choices.dates:
            fields |= {"UserCreateDate": in_utc(user.created) or user.created}
            fields |= {"UserLastModifiedDate": in_utc(user.modified) or user.modified}
        if self.with_groups:
            fields[GROUPS] = ", ".join(sorted(groups.get(user.username, ())))
        if self.with_factors and side.factors is not None:
            fields[FACTORS] = side.factors.get(user.username, "")
        return fields

    def _alarming(self, user: User, other: User, fields: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
        codes = set()
        for name, _, new in fields:
            if name == "Enabled":
                codes.add("enabled" if new == "true" else "disabled")
            elif name == FACTORS:
                codes.add("factors")
            elif name in _CONTACT and user.key == other.key:
                codes.add("contact")
            elif name == GROUPS:
                before = self.groups_a.get(user.username, frozenset()) & self.choices.privileged
                after = self.groups_b.get(other.username, frozenset()) & self.choices.privileged
                codes |= {"privileged"} if after - before else set()
                codes |= {"unprivileged"} if before - after else set()
        return tuple(code for code in SECURITY if code in codes)

    # memberships: those of one name on both sides are the same person's, until one of them is told apart

    def _met(self, user: User, other: User) -> None:
        if user.username != other.username:
            self._apart(user)
            self._apart(other)
            mine = self.groups_a.get(user.username, frozenset())
            self.counts.memberships_same += len(mine & self.groups_b.get(other.username, frozenset()))

    def _apart(self, user: User) -> None:
        name = user.username
        both = self.groups_a.get(name, frozenset()) & self.groups_b.get(name, frozenset())
        if both and name not in self.apart:
            self.apart.add(name)
            self.counts.memberships_same -= len(both)


def _unequal(a: Mapping[str, object], b: Mapping[str, object]) -> set[str]:
    return {name for name in a.keys() | b.keys() if a.get(name) != b.get(name)}


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


@dataclass(frozen=True, slots=True)
class GroupChange:
    """One group that is not the same on both sides; its members are the users' affair."""

    kind: Kind  # ONLY_FROM | CHANGED | ONLY_TO
    group: Group  # of "from", except for ONLY_TO
    fields: tuple[tuple[str, str, str], ...] = ()
    security: tuple[str, ...] = ()


def diff_groups(a: Iterable[Group], b: Iterable[Group]) -> tuple[list[GroupChange], int]:
    """(what differs, by name; how many are the same)."""
    mine, theirs = {group.name: group for group in a}, {group.name: group for group in b}
    changes, same = [], 0
    for name in sorted(mine.keys() | theirs.keys()):
        old, new = mine.get(name), theirs.get(name)
        if old is None or new is None:
            kind, group = (Kind.ONLY_TO, new) if old is None else (Kind.ONLY_FROM, old)
            assert group is not None
            changes.append(GroupChange(kind, group, security=("role",) if group.role_arn else ()))
            continue
        before, after = _of_group(old), _of_group(new)
        fields = tuple((key, before[key], after[key]) for key in before if before[key] != after[key])
        if fields:
            security = ("role",) if old.role_arn != new.role_arn else ()
            changes.append(GroupChange(Kind.CHANGED, old, fields, security))
        else:
            same += 1
    return changes, same


def privileged(*sides: Iterable[Group] | None) -> frozenset[str]:
    """Names of groups that have an IAM role on any side."""
    return frozenset(group.name for groups in sides for group in groups or () if group.role_arn)


def _of_group(group: Group) -> dict[str, str]:
    precedence = "" if group.precedence is None else str(group.precedence)
    return {"description": group.description, "precedence": precedence, "IAM role": group.role_arn}
