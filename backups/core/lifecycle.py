"""The states of a job, and the moves between them.

queued -> running -> done | done_with_failures | failed | cancelled | planned
            running <-> paused, running <-> waiting; a lost lease goes back to queued
cancelled, failed or done_with_failures -> queued: a person goes on with who is not finished
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    WAITING = "waiting"  # until a time: the mail day's turn
    DONE = "done"
    DONE_WITH_FAILURES = "done_with_failures"
    CANCELLED = "cancelled"
    FAILED = "failed"
    PLANNED = "planned"  # a plan, or a dry run: nothing was written


OVER = frozenset({State.DONE, State.DONE_WITH_FAILURES, State.CANCELLED, State.FAILED, State.PLANNED})
ACTIVE = frozenset(State) - OVER

MOVES: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.PAUSED, State.CANCELLED, State.FAILED}),
    State.RUNNING: OVER | {State.PAUSED, State.WAITING, State.QUEUED},
    State.PAUSED: frozenset({State.QUEUED, State.CANCELLED}),
    State.WAITING: frozenset({State.QUEUED, State.PAUSED, State.CANCELLED}),
    State.CANCELLED: frozenset({State.QUEUED}),
    State.FAILED: frozenset({State.QUEUED}),
    State.DONE_WITH_FAILURES: frozenset({State.QUEUED}),
    State.DONE: frozenset(),
    State.PLANNED: frozenset(),
}


def sources_of(new: str) -> list[str]:
    """The states from which ``new`` can be reached: the WHERE of the conditional UPDATE."""
    return [old for old, news in MOVES.items() if State(new) in news]


WORDS: dict[str, str] = {
    State.QUEUED: "Queued",
    State.RUNNING: "Running",
    State.PAUSED: "Paused",
    State.WAITING: "Waiting",
    State.DONE: "Done",
    State.DONE_WITH_FAILURES: "Done with failures",
    State.CANCELLED: "Cancelled",
    State.FAILED: "Failed",
    State.PLANNED: "Planned",
}
