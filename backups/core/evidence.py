"""Whether somebody whom a restore created has signed in since. Cognito does not record it, so it is evidence.

    how the restore left them + the user as listed now (+ the pool's own record) -> a word, and why

FORCE_CHANGE_PASSWORD ends at the first sign-in. A password that nobody knows ends when its owner sets
another one, which moves UserLastModifiedDate. Other ways in (a linked provider, a code by mail) leave no
trace but the pool's own record of sign-ins, where it keeps one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from backups.core.snapshot import User

OURS = timedelta(seconds=15)
"""From a create to the last of our steps that follow on the same user, both by AWS's clock. Nobody asks for a
code, is mailed it and has set a password with it within that time; steps that took longer count as theirs."""
SKEW = timedelta(minutes=1)  # between AWS's clock and the database's
VALID_DAYS = 7
"""TemporaryPasswordValidityDays where a pool sets none, or 0."""


UNDONE = "undone"


class Word(StrEnum):
    IN_AGAIN = "in again"
    MAY_HAVE = "may have signed in"
    NOT_YET = "not yet"
    CANNOT_KNOW = "cannot know"


WHY: Mapping[str, str] = {
    # in again
    "recorded": "the pool recorded a sign-in",
    "confirmed": "FORCE_CHANGE_PASSWORD became CONFIRMED: the temporary password was changed",
    "modified": "UserLastModifiedDate is later than the restore: a password was set, or something changed",
    # may have signed in
    "no-bound": "changed after being created, and nothing tells our own steps from what came after them",
    "other-ways": "can sign in without a password, and the pool keeps no record of sign-ins",
    "recorded-since": "can sign in without a password, and the pool may have begun to record sign-ins later",
    "disabled-and-modified": "changed after the restore, and is disabled now",
    "not-recorded": "changed after the restore, and the pool recorded no sign-in",
    "status": "the status is another one by now",
    # not yet
    "waiting": "was invited, and the temporary password is still valid",
    "ran-out": "was invited, and the temporary password ran out",
    "not-invited": "was not invited by us yet",
    "unchanged": "nothing has changed since we set a password that nobody knows",
    UNDONE: "was deleted again by an undo",
    # cannot know
    "not-listed": "is not in the pool's list of users",
    "another": "somebody else has this Username now",
}


@dataclass(frozen=True, slots=True)
class Left:
    """How a restore left somebody whom it created."""

    sub: str
    password: bool  # it set a permanent password, so CONFIRMED says nothing
    over: datetime | None = None  # the restore wrote nothing after that; None: it is not over
    invited: datetime | None = None  # when our last invitation went out


@dataclass(frozen=True, slots=True)
class Evidence:
    word: Word
    why: str  # a code of WHY

    @property
    def sentence(self) -> str:
        return WHY.get(self.why, self.why)


@dataclass(frozen=True, slots=True)
class Ways:
    """What a pool's settings say about signing in: ``of`` its DescribeUserPool."""

    valid: timedelta = timedelta(days=VALID_DAYS)  # of a temporary password
    passwordless: bool = False  # somebody may sign in by a code, a passkey or a custom challenge alone

    @classmethod
    def of(cls, user_pool: object) -> Ways:
        """The defaults for what is not told. Where nothing is told at all, other ways are possible."""
        if not isinstance(user_pool, dict):
            return cls(passwordless=True)
        policies: dict[str, Any] = user_pool.get("Policies") or {}
        days = (policies.get("PasswordPolicy") or {}).get("TemporaryPasswordValidityDays")
        unused = (user_pool.get("AdminCreateUserConfig") or {}).get("UnusedAccountValidityDays")
        factors = (policies.get("SignInPolicy") or {}).get("AllowedFirstAuthFactors") or ["PASSWORD"]
        # A trigger that asks a challenge of its own lets people in without a trace.
        custom = bool((user_pool.get("LambdaConfig") or {}).get("DefineAuthChallenge"))
        return cls(timedelta(days=days or unused or VALID_DAYS), custom or set(factors) != {"PASSWORD"})


def evidence(
    left: Left,
    user: User | None,
    signed_in: bool | None,
    ways: Ways,
    now: datetime | None = None,
    *,
    surely: bool = False,
) -> Evidence:
    """``signed_in``: the pool's own record, None where it keeps none. ``now``: to tell what ran out.

    ``surely``: before a delete. Then a record without a sign-in is no proof: it may have begun later.
    """
    if user is None or user.sub != left.sub:
        return Evidence(Word.CANNOT_KNOW, "not-listed" if user is None else "another")
    if signed_in:
        return Evidence(Word.IN_AGAIN, "recorded")
    if user.status not in ("FORCE_CHANGE_PASSWORD", "CONFIRMED"):
        return Evidence(Word.MAY_HAVE, "status")
    if user.status == "CONFIRMED" and not left.password:
        return Evidence(Word.IN_AGAIN, "confirmed")
    if (signed_in is None or surely) and (ways.passwordless or "identities" in user.attributes):
        return Evidence(Word.MAY_HAVE, "other-ways" if signed_in is None else "recorded-since")
    if user.status == "FORCE_CHANGE_PASSWORD":
        return Evidence(Word.NOT_YET, _invitation(left, ways, now))
    return _by_date(left, user, signed_in)


def untouched(left: Left, user: User) -> bool:
    """Whether UserLastModifiedDate is within our own steps; where nobody can tell, it is not."""
    created, modified = moment(user.created), moment(user.modified)
    if created is None or modified is None:
        return False
    return modified <= max(created + OURS, left.invited + SKEW if left.invited else created)


def settled(left: Left, user: User) -> bool:
    """Whether nothing changed after the restore was over; where nobody can tell, something did."""
    modified = moment(user.modified)
    return modified is not None and left.over is not None and modified <= left.over + SKEW


def moment(text: str) -> datetime | None:
    """A date of AWS, aware, UTC; None for what is no time."""
    try:
        told = datetime.fromisoformat(text)
        return told.astimezone(UTC) if told.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _by_date(left: Left, user: User, signed_in: bool | None) -> Evidence:
    if untouched(left, user):
        return Evidence(Word.NOT_YET, "unchanged")
    modified = moment(user.modified)
    if modified is None or left.over is None or modified <= left.over + SKEW:
        return Evidence(Word.MAY_HAVE, "no-bound")
    if signed_in is None and user.enabled:
        return Evidence(Word.IN_AGAIN, "modified")
    return Evidence(Word.MAY_HAVE, "disabled-and-modified" if signed_in is None else "not-recorded")


def _invitation(left: Left, ways: Ways, now: datetime | None) -> str:
    if left.invited is None:
        return "not-invited"
    return "ran-out" if now is not None and now >= left.invited + ways.valid else "waiting"
