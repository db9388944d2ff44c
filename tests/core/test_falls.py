"""What one look at a pool may say, and what only a second one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core.falls import EMPTIED, FEWER, GONE, SECOND_LOOK, Doubt, doubted, fallen
from tests.build import laws

NOW = datetime(2026, 11, 22, 14, 2, tzinfo=UTC)
YOUNG = NOW - timedelta(seconds=9.9)
OLD = NOW - SECOND_LOOK


@pytest.mark.parametrize(
    ("before", "now", "percent", "said"),
    [
        (2014, 0, 5, EMPTIED),
        (2014, 40, 5, EMPTIED),  # the application's own admin and whoever registered again
        (2014, 1006, 5, EMPTIED),
        (2014, 1007, 5, FEWER),
        (2000, 1900, 5, ""),
        (2000, 1899, 5, FEWER),
        (2000, 1601, 20, ""),
        (2000, 1599, 20, FEWER),
        (2000, 900, 80, EMPTIED),
        (2000, 2500, 5, ""),
        (1, 0, 5, EMPTIED),
        (1, 1, 5, ""),
        (0, 0, 5, ""),
        (None, 5, 5, ""),
        (2014, None, 5, ""),
    ],
)
def test_how_a_number_fell(before: int | None, now: int | None, percent: int, said: str) -> None:
    assert fallen(before, now, percent) == said


@laws(100)
@given(before=st.integers(1, 10**6), now=st.integers(0, 10**6), percent=st.integers(1, 49))
def test_emptied_is_always_a_fall_too(before: int, now: int, percent: int) -> None:
    assert bool(fallen(before, now, percent)) == (now < before * (1 - percent / 100) - 1e-9)
    assert (fallen(before, now, percent) == EMPTIED) == (now < before / 2)


@pytest.mark.parametrize(
    ("seen", "settled", "doubt", "left"),
    [
        # the first look at anything bad is a doubt
        (GONE, "", None, Doubt(GONE, NOW)),
        (EMPTIED, "", None, Doubt(EMPTIED, NOW)),
        (EMPTIED, FEWER, None, Doubt(EMPTIED, NOW)),
        # a second look too soon says nothing new
        (GONE, "", Doubt(GONE, YOUNG), Doubt(GONE, YOUNG)),
        (EMPTIED, "", Doubt(FEWER, YOUNG), Doubt(EMPTIED, YOUNG)),
        # ten seconds later it is so
        (GONE, "", Doubt(GONE, OLD), None),
        (FEWER, "", Doubt(EMPTIED, OLD), None),
        # another kind of answer starts anew
        (EMPTIED, "", Doubt(GONE, OLD), Doubt(EMPTIED, NOW)),
        (GONE, "", Doubt(EMPTIED, OLD), Doubt(GONE, NOW)),
        # what was so before needs no second look, and neither does what is well
        (GONE, GONE, None, None),
        (FEWER, FEWER, None, None),
        ("", EMPTIED, None, None),
        ("", "", Doubt(GONE, YOUNG), None),
    ],
)
def test_what_stays_in_doubt_after_a_look(
    seen: str, settled: str, doubt: Doubt | None, left: Doubt | None
) -> None:
    assert doubted(seen, settled, doubt, NOW) == left
