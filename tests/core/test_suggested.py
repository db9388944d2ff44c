"""Which backup every button takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core.suggested import Candidate, Suggestion, fall, suggest
from tests.build import laws


def test_the_newest_whole_one_is_suggested() -> None:
    assert suggest([Candidate("a", True, 100), Candidate("b", True, 96)]) == Suggestion("b", {})


def test_a_backup_of_an_emptied_pool_is_passed_over_and_named() -> None:
    suggestion = suggest([Candidate("a", True, 2014), Candidate("b", True, 3)])
    assert suggestion == Suggestion("a", {"b": "3 users, a fall of 99 % from 2,014"})


def test_many_small_falls_are_each_measured_from_the_one_before() -> None:
    assert suggest([Candidate("a", True, 100), Candidate("b", True, 95), Candidate("c", True, 91)]).key == "c"


def test_a_fall_stays_passed_over_until_the_number_is_back() -> None:
    rows = [Candidate("a", True, 300), Candidate("b", True, 120), Candidate("c", True, 125)]
    assert suggest(rows).key == "a" and list(suggest(rows).passed_over) == ["b", "c"]
    assert suggest([*rows, Candidate("d", True, 290)]) == Suggestion("d", {})


def test_one_made_just_before_a_restore_is_never_suggested() -> None:
    suggestion = suggest([Candidate("a", True, 10), Candidate("b", True, 10, before_restore=True)])
    assert suggestion == Suggestion("a", {"b": "made just before a restore"})


def test_one_that_is_dated_in_the_future_is_never_suggested() -> None:
    rows = [Candidate("a", True, 10), Candidate("b", True, 10, ahead=True, accepted=True)]
    assert suggest(rows) == Suggestion("a", {"b": "dated in the future"})


def test_one_that_cannot_be_read_says_why() -> None:
    rows = [
        Candidate("a", True, 10),
        Candidate("b", False, 10, why_not="it was cut"),
        Candidate("c", True, None),
    ]
    assert suggest(rows) == Suggestion("a", {"b": "it was cut", "c": "it cannot be read"})


def test_where_nothing_can_be_suggested_everything_is_named() -> None:
    assert suggest([]) == Suggestion(None, {})
    assert suggest([Candidate("a", False, None, why_not="it is empty")]) == Suggestion(
        None, {"a": "it is empty"}
    )


def test_an_empty_pool_that_grows_is_no_fall() -> None:
    assert suggest([Candidate("a", True, 0), Candidate("b", True, 0)]).key == "b"


@laws(50)
@given(before=st.integers(1, 10**6), after=st.integers(0, 10**6))
def test_the_border_is_exact(before: int, after: int) -> None:
    kept = suggest([Candidate("a", True, before), Candidate("b", True, after)]).key == "b"
    assert kept == (20 * after >= 19 * before)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (2014, 1, "1 user, a fall of 99 % from 2,014"),
        (1000, 0, "0 users, a fall of 100 % from 1,000"),
        (20, 18, "18 users, a fall of 10 % from 20"),
    ],
)
def test_a_fall_in_words(before: int, after: int, words: str) -> None:
    assert fall(before, after) == words


def test_an_accepted_fall_is_suggested_and_is_the_new_base() -> None:
    rows = [Candidate("a", True, 300), Candidate("b", True, 120, accepted=True), Candidate("c", True, 118)]
    assert suggest(rows) == Suggestion("c", {})
    assert suggest([*rows, Candidate("d", True, 100)]).passed_over == {
        "d": "100 users, a fall of 15 % from 118"
    }


def test_accepting_makes_nothing_readable_and_no_guard_of_a_restore_a_backup() -> None:
    rows = [
        Candidate("a", True, 300),
        Candidate("b", False, 120, why_not="it was cut", accepted=True),
        Candidate("c", True, 120, before_restore=True, accepted=True),
    ]
    assert suggest(rows) == Suggestion("a", {"b": "it was cut", "c": "made just before a restore"})
