"""Comparing two sides that were read whole."""

from __future__ import annotations

from collections.abc import Iterator

from backups.core.diff import Change, Counts, Side, diff
from backups.core.matching import Rules
from backups.engine.ports import Report
from backups.engine.reading import Reading


def compare(a: Reading, b: Reading, rules: Rules | None, report: Report, counts: Counts) -> Iterator[Change]:
    """Everybody who differs, as ``core.diff``; ``rules`` None: there is no pool to ask, guess."""
    if rules is None:
        rules = Rules.guess(a.users())
    report.phase("Comparing")
    for number, change in enumerate(
        diff(Side(a.users, a.memberships), Side(b.users, b.memberships), rules, counts), 1
    ):
        if number % 500 == 0:
            report.keep_going()
            report.count(only_from=counts.only_from, only_to=counts.only_to, changed=counts.changed)
        yield change
    report.count(only_from=counts.only_from, only_to=counts.only_to, changed=counts.changed, same=counts.same)
