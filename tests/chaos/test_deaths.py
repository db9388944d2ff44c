"""Processes of the product die in the middle of a restore: kill -9, nothing said, nothing tidied up."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.chaos.restore import Restore
from tests.chaos.stage import Stage, soon

pytestmark = pytest.mark.chaos
Start = Callable[..., Restore]


@pytest.mark.parametrize("deaths", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_the_worker_dies_again_and_again(stage: Stage, start: Start, deaths: int) -> None:
    restore = start()
    for share in sorted(restore.dice.uniform(0.03, 0.9) for _ in range(deaths)):
        restore.until(share)
        worker, fence = restore.worker, restore.fence
        stage.start_worker()
        restore.taken_over(stage.kill(worker), fence)
    restore.finish()


@pytest.mark.slow
def test_the_worker_dies_where_answers_are_lost_and_nobody_is_written_to(stage: Stage, plan: Start) -> None:
    restore = plan("silent")
    stage.standin.fault("AdminCreateUser", "close-after", times=-1, share=0.05)
    stage.standin.fault("AdminSetUserPassword", "500-after", times=-1, share=0.05)
    stage.standin.fault("*", "throttle", times=-1, share=0.03)
    restore.start()
    for share in (0.2, 0.6):
        restore.until(restore.dice.uniform(share, share + 0.2))
        worker, fence = restore.worker, restore.fence
        stage.start_worker()
        restore.taken_over(stage.kill(worker), fence)
    restore.finish()


@pytest.mark.slow
def test_the_process_that_runs_the_job_dies_and_its_worker_goes_on(stage: Stage, start: Start) -> None:
    restore = start()
    restore.somewhere()
    fence, worker = restore.fence, restore.worker
    os.kill(restore.process, signal.SIGKILL)
    restore.taken_over(time.monotonic(), fence)
    assert restore.worker is worker
    restore.finish()


@pytest.mark.slow
def test_a_worker_that_is_told_to_end_hands_the_job_back_before_its_lease_is_over(
    stage: Stage, start: Start
) -> None:
    stage.start_worker().wait()
    restore = start()
    restore.somewhere()
    worker, fence = restore.worker, restore.fence
    os.kill(worker.processes[0], signal.SIGTERM)
    soon(lambda: restore.fence > fence or restore.state == "queued", "it to be handed back", 20)
    restore.taken_over(time.monotonic(), fence)
    restore.finish(handed_back=1)
    soon(lambda: not worker.processes, "the worker to end", 20)


@pytest.mark.slow
def test_beat_dies_and_the_next_one_finds_what_was_lost_meanwhile(stage: Stage, start: Start) -> None:
    stage.start_worker().wait()
    restore = start()
    restore.somewhere()
    worker, fence = restore.worker, restore.fence
    stage.kill(stage.standing["beat"])
    stage.kill(worker)
    soon(lambda: restore.seconds_left < -1, "its lease to run out", 2 * stage.scale.lease)
    assert restore.fence == fence
    stage.revive("beat")
    restore.taken_over(time.monotonic(), fence)
    restore.finish()


@pytest.mark.slow
def test_the_web_process_dies_and_watchers_miss_nothing(stage: Stage, start: Start) -> None:
    restore = start()
    for times, share in enumerate((0.2, 0.5), 1):
        restore.until(restore.dice.uniform(share, share + 0.2))
        restore.watched(times)
        stage.kill(stage.standing["web"])
        stage.revive("web")
    restore.finish()
    assert restore.fence == 1
    assert restore.watcher.connected == 3


@pytest.mark.slow
def test_everything_dies_at_once_and_is_started_again(stage: Stage, start: Start) -> None:
    restore = start()
    restore.somewhere()
    fence = restore.fence
    for server in [*stage.workers, *stage.standing.values()]:
        stage.kill(server)
    for name in stage.standing:
        stage.revive(name)
    stage.start_worker().wait()
    restore.taken_over(time.monotonic(), fence)
    restore.finish()
