"""The clock of one host is wrong by an hour; everything that matters goes by the database's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.restore import Restore
from tests.chaos.stage import Stage

pytestmark = [pytest.mark.chaos, pytest.mark.slow]
Start = Callable[..., Restore]


@pytest.mark.parametrize("ahead", [3600, -3600], ids=["ahead", "behind"])
def test_a_worker_whose_clock_is_wrong_begins_and_one_whose_clock_is_right_goes_on(
    stage: Stage, plan: Start, ahead: int
) -> None:
    begin_and_take_over(stage, plan, {"CHAOS_CLOCK": str(ahead)}, {})


@pytest.mark.parametrize("ahead", [3600, -3600], ids=["ahead", "behind"])
def test_a_worker_whose_clock_is_right_begins_and_one_whose_clock_is_wrong_goes_on(
    stage: Stage, plan: Start, ahead: int
) -> None:
    begin_and_take_over(stage, plan, {}, {"CHAOS_CLOCK": str(ahead)})


def begin_and_take_over(stage: Stage, plan: Start, first: dict[str, str], second: dict[str, str]) -> None:
    """With answers that are lost, so that both have to tell whom this job created by when that was."""
    restore = plan()
    for worker in list(stage.workers):
        stage.kill(worker)
    begins = stage.start_worker(**first)
    stage.standin.fault("AdminCreateUser", "close-after", times=-1, share=0.05)
    restore.start()
    restore.somewhere()
    fence = restore.fence
    stage.start_worker(**second)
    restore.taken_over(stage.kill(begins), fence)
    restore.finish()
