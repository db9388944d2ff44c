"""Whom an invitation may go to, in which order, and what is said of those it does not go to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from backups.core import plan

WAITING = ("waiting", "ran-out", "not-invited")
"""Codes of core.evidence.WHY of who stands in FORCE_CHANGE_PASSWORD; RESEND refuses everybody else."""
LATELY = timedelta(days=1)
"""Nobody is written to twice within it by mistake."""
BACKUP, CHANGED = "backup", "changed"

REASONS: Mapping[str, str] = {
    "invited-lately": "was invited less than a day ago; not written to again",
    "invited-since": "another job wrote to them by now; not written to again",
    "signed-in": "does not wait for an invitation any more; not written to",
    "disabled": "is disabled; never written to",
    "no-email": "has no e-mail to write to",
    "gone": "is not in the pool any more",
    "other-user": "somebody else has this Username now; not written to",
    "not-invited": "was not invited",
}


def sentence(code: str, detail: str = "") -> str:
    """The reason as words; codes that restores have too are theirs."""
    return REASONS[code] if code in REASONS else plan.sentence(code, detail)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody who waits for an invitation."""

    key: str
    email: str
    position: int  # in the backup, or in the pool's list
    changed: str  # UserLastModifiedDate of the backup, comparable text; "" where nobody knows


def in_order(people: Collection[Waiting], order: str | Sequence[str]) -> list[Waiting]:
    """``order``: BACKUP, CHANGED (last changed first), or keys, who come first and as they are listed."""
    found = sorted(people, key=lambda one: one.position)
    if order == CHANGED:
        return sorted(found, key=lambda one: one.changed, reverse=True)
    if isinstance(order, str):
        return found
    first = {key: place for place, key in reversed([*enumerate(order)])}
    return sorted(found, key=lambda one: first.get(one.key, len(order)))


def keys_of(people: Collection[Waiting], emails: Sequence[str]) -> tuple[list[str], list[str]]:
    """(keys in the order of these e-mails, the e-mails that nobody who waits has)."""
    known = {one.email.casefold(): one.key for one in people}
    named = [email.strip() for email in emails if email.strip()]
    keys = [known[email.casefold()] for email in named if email.casefold() in known]
    return list(dict.fromkeys(keys)), [email for email in named if email.casefold() not in known]
