"""What a look at a pool says of it, and what only a second look may say.

A pool that AWS calls missing once, or whose estimated number of users fell once, is
in doubt; the same answer ten seconds later or more settles it. The number is AWS's
estimate, never a count.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

GONE, EMPTIED, FEWER = "gone", "emptied", "fewer"
"""As models.Alarm.Kind names them."""
SECOND_LOOK = timedelta(seconds=10)


def fallen(before: int | None, now: int | None, percent: int) -> str:
    """EMPTIED, FEWER or "": how the number fell. ``percent``: a fall of more is one.

    Under half is emptied, not 0 alone: the application makes its own admin user in a pool that
    lacks one, and sign-up is open, so people and strangers register in an emptied pool again.
    """
    if not before or now is None:
        return ""
    if now * 2 < before:
        return EMPTIED
    return FEWER if now * 100 < (100 - percent) * before else ""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What one look saw and a second one must confirm."""

    what: str
    since: datetime


def doubted(seen: str, settled: str, doubt: Doubt | None, now: datetime) -> Doubt | None:
    """What is in doubt after a look that saw ``seen``; None: what it saw holds.

    ``settled`` is what two looks agreed on before. Two looks that saw a fall agree, whatever its size.
    """
    if seen in ("", settled):
        return None
    if doubt is None or (doubt.what == GONE) != (seen == GONE):
        return Doubt(seen, now)
    if now - doubt.since < SECOND_LOOK:
        return Doubt(seen, doubt.since)
    return None
