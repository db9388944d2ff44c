from __future__ import annotations

import pytest

from backups.core import progress


def test_done_is_every_user_with_an_outcome_and_left_is_the_rest() -> None:
    counters = {"total": 100, "created": 40, "updated": 1, "skipped": 8, "failed": 1}
    seen = progress.fold(counters, [(0, 0), (10, 50)])
    assert (seen.total, seen.done, seen.left) == (100, 50, 50)
    assert seen.rate == 5
    assert seen.seconds_left == 10


def test_nothing_is_promised_before_a_pace_is_known() -> None:
    assert progress.fold({"total": 100}, []).seconds_left is None
    assert progress.fold({"total": 100, "created": 3}, [(0, 0), (0.4, 3)]).seconds_left is None


def test_nothing_is_promised_while_nothing_moves() -> None:
    seen = progress.fold({"total": 100, "created": 3}, [(0, 3), (20, 3)])
    assert seen.rate == 0
    assert seen.seconds_left is None


def test_when_everybody_has_an_outcome_no_time_is_left() -> None:
    assert progress.fold({"total": 2, "created": 2}, []).seconds_left == 0
    assert progress.fold({}, []) == progress.Progress(0, 0, 0, None, 0.0)


def test_a_pace_forgets_what_is_older_than_its_window() -> None:
    assert progress.rate([(0, 0), (100, 10_000), (110, 10_010), (130, 10_030)]) == 1


def test_a_bar_is_cut_in_proportion() -> None:
    cut = progress.segments([("created", 50), ("skipped", 0), ("left", 50)], width=100)
    assert [(s.name, s.count, s.start, s.width) for s in cut] == [
        ("created", 50, 0, 50),
        ("left", 50, 50, 50),
    ]


def test_one_failure_among_many_is_still_seen_and_the_bar_keeps_its_length() -> None:
    cut = progress.segments([("created", 99_999), ("failed", 1)])
    assert cut[1].width == 4
    assert sum(s.width for s in cut) == pytest.approx(1000)


def test_no_users_make_no_bar() -> None:
    assert progress.segments([("created", 0)]) == []


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (72, "1 min 12 s"),
        (120, "2 min"),
        (7_500, "2 h 5 min"),
        (3_601, "1 h"),
        (40 * 86_400 + 10_900, "40 d 3 h"),
        (-3, "0 s"),
    ],
)
def test_a_length_of_time_is_said_in_its_two_largest_units(seconds: float, said: str) -> None:
    assert progress.span(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, ""),
        (3, "a few seconds left"),
        (41, "about 40 s left"),
        (119, "about 2 min left"),
        (1_000, "about 17 min left"),
        (9_000, "about 2 h 30 min left"),
    ],
)
def test_what_is_left_is_said_as_coarsely_as_it_is_known(seconds: float | None, said: str) -> None:
    assert progress.time_left(seconds) == said
