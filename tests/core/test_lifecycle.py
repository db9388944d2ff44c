"""The states of a job."""

from __future__ import annotations

import pytest

from backups.core.lifecycle import ACTIVE, MOVES, OVER, WORDS, State, sources_of


def test_what_is_done_stays_done_and_what_is_over_is_only_taken_up_again() -> None:
    assert not MOVES[State.DONE] | MOVES[State.PLANNED]
    assert frozenset().union(*(MOVES[state] for state in OVER)) == {State.QUEUED}
    assert not OVER & ACTIVE and frozenset(State) == OVER | ACTIVE


def test_no_state_moves_to_itself() -> None:
    assert not any(state in MOVES[state] for state in State)


def test_only_a_running_job_is_done() -> None:
    assert sources_of(State.DONE) == sources_of("done_with_failures") == [State.RUNNING]
    assert sources_of(State.RUNNING) == [State.QUEUED]


@pytest.mark.parametrize("state", sorted(ACTIVE))
def test_every_job_can_be_stopped(state: State) -> None:
    assert State.CANCELLED in MOVES[state]


def test_a_lost_lease_is_queued_again() -> None:
    assert {"running", "paused", "waiting"} <= set(sources_of("queued"))


def test_every_state_has_its_moves_and_its_word() -> None:
    assert set(MOVES) == set(State) == set(WORDS)


def test_a_state_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="broken"):
        sources_of("broken")
