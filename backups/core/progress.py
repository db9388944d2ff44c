"""How far a job is, how fast, and how long it will take: counters and seconds in, numbers and words out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

WINDOW = 30.0
"""Seconds over which a rate is taken: long enough to be calm, short enough to forget the start."""

OUTCOMES = ("created", "updated", "skipped", "failed")


@dataclass(frozen=True, slots=True)
class Progress:
    """Users with an outcome, users without one, and the pace between them."""

    total: int
    done: int
    left: int
    rate: float | None  # users a second; None while there is too little to tell from
    seconds_left: float | None  # None while it cannot be said


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of a bar, in the bar's own units."""

    name: str
    count: int
    start: float
    width: float


def fold(counters: Mapping[str, int], samples: Sequence[tuple[float, int]]) -> Progress:
    """Where a restore stands.

    ``samples``: (seconds on any clock, users worked on by then), oldest first, of the
    present run only: a pause is no slowness, and a user who is skipped is no work.
    """
    total = max(0, counters.get("total", 0))
    done = sum(max(0, counters.get(name, 0)) for name in OUTCOMES)
    left = max(0, total - done)
    pace = rate(samples)
    if left == 0:
        return Progress(total, done, 0, pace, 0.0)
    return Progress(total, done, left, pace, left / pace if pace else None)


def rate(samples: Sequence[tuple[float, int]]) -> float | None:
    """Users a second over the last WINDOW seconds that were sampled; None under one second of samples."""
    if not samples:
        return None
    end, newest = samples[-1]
    begin, oldest = next((at, done) for at, done in samples if end - at <= WINDOW)
    if end - begin < 1:
        return None
    return max(0.0, (newest - oldest) / (end - begin))


def segments(parts: Iterable[tuple[str, int]], width: float = 1000.0, least: float = 4.0) -> list[Segment]:
    """A bar cut in proportion. What is not zero is never narrower than ``least``: one failure is seen.

    What the narrow ones need is taken from the others in proportion, so the whole is
    always ``width`` (as long as there are fewer than width / least parts). No parts: no bar.
    """
    there = [(name, count) for name, count in parts if count > 0]
    whole = sum(count for _, count in there)
    narrow = {name for name, count in there if width * count / whole < least}
    rest = sum(count for name, count in there if name not in narrow)
    room = width - least * len(narrow)
    cut: list[Segment] = []
    start = 0.0
    for name, count in there:
        wide = least if name in narrow else room * count / rest
        cut.append(Segment(name, count, round(start, 2), round(wide, 2)))
        start += wide
    return cut


def span(seconds: float) -> str:
    """A length of time in its two largest units: "40 s", "1 min 12 s", "2 h 5 min", "40 d 3 h"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    first = next(place for place, (_, size) in enumerate(units) if whole >= size)
    said = []
    for name, size in units[first : first + 2]:
        count, whole = divmod(whole, size)
        if count:
            said.append(f"{count} {name}")
    return " ".join(said)


def time_left(seconds: float | None) -> str:
    """ "about 40 s left", rounded as coarsely as it is known; "" while it cannot be said."""
    if seconds is None:
        return ""
    if seconds < 5:
        return "a few seconds left"
    step = 5 if seconds < 120 else 60 if seconds < 7_200 else 600
    return f"about {span(round(seconds / step) * step)} left"
