"""The states of a job."""

from __future__ import annotations

import pytest

from backups.core.lifecycle import ACTIVE, MOVES, OVER, WORDS, State, may_move, sources_of


def test_a_job_that_is_over_stays_over() -> None:
    assert not any(may_move(old, new) for old in OVER for new in State)
    assert not OVER & ACTIVE and frozenset(State) == OVER | ACTIVE


def test_no_state_moves_to_itself() -> None:
    assert not any(may_move(state, state) for state in State)


def test_only_a_running_job_is_done() -> None:
    assert sources_of(State.DONE) == sources_of("done_with_failures") == [State.RUNNING]
    assert sources_of(State.RUNNING) == [State.QUEUED]


@pytest.mark.parametrize("state", sorted(ACTIVE))
def test_every_job_can_be_stopped(state: State) -> None:
    assert may_move(state, State.CANCELLED)


def test_a_lost_lease_is_queued_again() -> None:
    assert may_move("running", "queued") and may_move("paused", "queued") and may_move("waiting", "queued")


def test_every_state_has_its_moves_and_its_word() -> None:
    assert set(MOVES) == set(State) == set(WORDS)


def test_a_state_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="broken"):
        may_move("broken", "done")
