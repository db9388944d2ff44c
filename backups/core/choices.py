"""What somebody decided about a restore before it is planned; part of the plan's digest.

    form or command line -> Choices -> as_json: the plan's job, its digest, its page -> of_json -> core.plan

Nothing here is on by itself: who exists is skipped, and every guard is off.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from backups.core.snapshot import User


class Existing(StrEnum):
    """What becomes of users who are in the pool already."""

    SKIP = "skip"
    FILL = "fill"  # only fields that are empty there are written
    OVERWRITE = "overwrite"  # fields that differ are written; what the backup lacks stays


class Guard(StrEnum):
    """What is held back unless somebody allows it; each is counted while it is off."""

    ENABLE = "enable"  # enable users who are disabled in the pool
    PRIVILEGED = "privileged"  # put users into groups that have an IAM role, or are listed in the settings
    NEWER = "newer"  # overwrite users who changed after the backup was made
    REPLACE = "replace"  # delete sign-ups that were begun under a user's name and never confirmed


class How(StrEnum):
    """How a field of a user is held against a text."""

    IS = "is"
    BEGINS = "begins"
    HAS = "has"
    LACKS = "lacks"  # the field is empty, or holds nothing of the text


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on a backup's user."""

    field: str  # an attribute's name, or "username" | "status" | "enabled" | "group"
    how: How
    value: str


@dataclass(frozen=True, slots=True)
class Choices:
    """Of one plan. Whoever is not in its scope has no line."""

    existing: Existing = Existing.SKIP
    guards: frozenset[Guard] = frozenset()
    users: tuple[str, ...] | None = None  # e-mails or Usernames as they were given, sorted; None: everybody
    tests: tuple[Condition, ...] = ()  # all of them hold
    chosen: Mapping[str, Any] | None = None  # rows of a comparison: runner.chosen.Chosen.params
    again: frozenset[str] = frozenset()  # keys of who registered again and is said to be the same person
    link: bool = False  # native users who are linked to a provider are made, and linked again
    defaults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Required attribute -> what is written for users who lack it."""
    leave_out: frozenset[str] = frozenset()  # attributes that the pool does not know, and that may be lost

    @property
    def writes_over(self) -> bool:
        """Whether accounts that stand are written to as somebody left them, or deleted to make way.

        Whom an earlier restore left unfinished is finished without it, unless somebody changed them since.
        """
        return self.existing is not Existing.SKIP or bool(self.guards & {Guard.REPLACE, Guard.NEWER})

    @property
    def limited(self) -> bool:
        """Whether some users of the backup are out of scope."""
        return self.users is not None or bool(self.tests) or self.chosen is not None

    def as_json(self) -> dict[str, Any]:
        """Sorted, so that the same choices are the same text."""
        return {
            "existing": self.existing.value,
            "guards": sorted(self.guards),
            "users": None if self.users is None else sorted(self.users),
            "tests": [[test.field, test.how.value, test.value] for test in self.tests],
            "chosen": None if self.chosen is None else dict(self.chosen),
            "again": sorted(self.again),
            "link": self.link,
            "defaults": dict(sorted(self.defaults.items())),
            "leave_out": sorted(self.leave_out),
        }

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Choices:
        """What ``as_json`` wrote; what is not named is as if nobody had chosen."""
        users = values.get("users")
        return cls(
            existing=Existing(values.get("existing", Existing.SKIP)),
            guards=frozenset(map(Guard, values.get("guards", ()))),
            users=None if users is None else tuple(sorted(set(users))),
            tests=tuple(Condition(name, How(how), value) for name, how, value in values.get("tests", ())),
            chosen=values.get("chosen"),
            again=frozenset(values.get("again", ())),
            link=bool(values.get("link", False)),
            defaults=dict(values.get("defaults", {})),
            leave_out=frozenset(values.get("leave_out", ())),
        )


EVERYTHING_MISSING = Choices()
"""As if nobody had chosen."""

Memberships = Mapping[str, frozenset[str]]  # Username -> names of groups


class Scope:
    """Who of a backup is meant. Remembers whom it met, so that a name that fits nobody can be told.

    ``fold``: how the pool tells names apart. ``keys``: of the users who were chosen from a comparison, as
    ``User.key``; without them whoever is chosen is told elsewhere, and everybody is in scope.
    """

    def __init__(
        self,
        choices: Choices,
        fold: Callable[[str], str],
        memberships: Memberships | None = None,
        keys: Collection[str] | None = None,
    ) -> None:
        self._fold, self._groups, self._tests = fold, memberships or {}, choices.tests
        self._named = None if choices.users is None else {fold(name): name for name in choices.users}
        self._keys = None if keys is None else frozenset(keys)
        self._met: set[str] = set()

    def has(self, user: User) -> bool:
        """Whether all that was chosen holds for this user."""
        if self._keys is not None:
            if user.key not in self._keys:
                return False
            self._met.add(user.key)
        if self._named is not None:
            names = {self._fold(user.email), self._fold(user.username)} & self._named.keys()
            if not names:
                return False
            self._met |= names
        return all(holds(test, user, self._groups.get(user.username, frozenset())) for test in self._tests)

    def unmet(self) -> list[str]:
        """Names and keys, as they were given, that fit nobody so far; sorted."""
        named = (self._named or {}).items()
        return sorted(
            [said for name, said in named if name not in self._met]
            + [key for key in self._keys or () if key not in self._met]
        )


def holds(test: Condition, user: User, groups: Collection[str] = ()) -> bool:
    """Whether a user of a backup fits one condition; case and the form of letters are no difference.

    Of the groups it is enough that one of them fits; LACKS wants that none does.
    """
    wanted, values = _alike(test.value), [_alike(value) for value in _values(test.field, user, groups)]
    if test.how is How.LACKS:
        return not any(wanted in value for value in values if value)
    if test.how is How.IS:
        return wanted in (values or [""])
    if test.how is How.BEGINS:
        return any(value.startswith(wanted) for value in values)
    return any(wanted in value for value in values)


def _values(field: str, user: User, groups: Collection[str]) -> Collection[str]:
    if field == "group":
        return groups
    own = {"username": user.username, "status": user.status, "enabled": str(user.enabled)}
    return [own.get(field) or user.attributes.get(field, "")]


def _alike(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
