"""Comparing two sides that were read whole."""

from __future__ import annotations

from collections.abc import Iterator

from backups.core.diff import Change, Choices, Counts, diff
from backups.engine.ports import Report
from backups.engine.reading import Reading

EVERY = 500  # rows between two looks at the numbers


def compare(
    a: Reading,
    b: Reading,
    choices: Choices,
    report: Report,
    counts: Counts,
    *,
    taken: tuple[str, str] = ("", ""),
) -> Iterator[Change]:
    """Everybody who differs, as ``core.diff``; ``taken``: when each side was, ISO 8601 in UTC, or ""."""
    report.phase("Comparing")

    def told() -> None:
        report.count(only_from=counts.only_from, only_to=counts.only_to, changed=counts.changed)

    changes = diff(a.side(taken[0]), b.side(taken[1]), choices, counts, report.keep_going)
    for number, change in enumerate(changes, 1):
        if number % EVERY == 0:
            report.keep_going()
            told()
        yield change
    told()
    report.count(same=counts.same)
