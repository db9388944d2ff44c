"""Which backup of a pool every button takes.

The newest readable one that holds at least 95 % of the users of the last
suggested one before it, that was not made just before a restore, and whose time
has come. One that is newer and passed over is named with its reason. A fall that somebody accepted
is none any more: what comes after is measured from there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

KEPT = 95  # percent


@dataclass(frozen=True, slots=True)
class Candidate:
    key: str
    readable: bool
    users: int | None
    before_restore: bool = False
    why_not: str = ""  # its own reason when it is not readable
    ahead: bool = False  # its time lies in the future: it would be the newest one for as long
    accepted: bool = False  # somebody said, with a reason, that so few are right


@dataclass(frozen=True, slots=True)
class Suggestion:
    key: str | None
    passed_over: dict[str, str]  # newer than the suggested one -> why


def suggest(oldest_first: Iterable[Candidate]) -> Suggestion:
    chosen: Candidate | None = None
    passed: dict[str, str] = {}
    for candidate in oldest_first:
        if not candidate.readable or candidate.users is None:
            passed[candidate.key] = candidate.why_not or "it cannot be read"
        elif candidate.before_restore:
            passed[candidate.key] = "made just before a restore"
        elif candidate.ahead:
            passed[candidate.key] = "dated in the future"
        elif chosen is not None and not candidate.accepted and fell(chosen.users or 0, candidate.users):
            passed[candidate.key] = fall(chosen.users or 0, candidate.users)
        else:
            chosen, passed = candidate, {}
    return Suggestion(chosen.key if chosen else None, passed)


def fell(before: int, after: int) -> bool:
    """Whether more than 5 % of the users are lost."""
    return after * 100 < KEPT * before


def fall(before: int, after: int) -> str:
    """``3 users, a fall of 99 % from 2,014``: rounded down, so that it never says 100 % of somebody left."""
    percent = (before - after) * 100 // before
    users = "user" if after == 1 else "users"
    return f"{after:,} {users}, a fall of {percent} % from {before:,}"
