"""What somebody decided about a restore before it is planned; part of the plan's digest.

    form or command line -> Choices -> as_json: the plan's job, its digest, its page -> of_json -> core.plan

Nothing here is on by itself: who exists is skipped, and every guard is off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any


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


class How(StrEnum):
    """How a field of a user is held against a text."""

    IS = "is"
    BEGINS = "begins"
    HAS = "has"
    LACKS = "lacks"  # the field is empty, or holds nothing of the text


@dataclass(frozen=True, slots=True)
class Test:
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
    tests: tuple[Test, ...] = ()  # all of them hold
    chosen: Mapping[str, Any] | None = None  # rows of a comparison: runner.chosen.Chosen.params
    again: frozenset[str] = frozenset()  # keys of who registered again and is said to be the same person
    link: bool = False  # native users who are linked to a provider are made, and linked again
    defaults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Required attribute -> what is written for users who lack it."""
    leave_out: frozenset[str] = frozenset()  # attributes that the pool does not know, and that may be lost

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
            tests=tuple(Test(name, How(how), value) for name, how, value in values.get("tests", ())),
            chosen=values.get("chosen"),
            again=frozenset(values.get("again", ())),
            link=bool(values.get("link", False)),
            defaults=dict(values.get("defaults", {})),
            leave_out=frozenset(values.get("leave_out", ())),
        )
