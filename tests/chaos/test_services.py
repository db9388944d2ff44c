"""What the product leans on goes away in the middle of a restore and comes back: Redis, the database."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.restore import Restore
from tests.chaos.stage import Stage, soon

pytestmark = pytest.mark.chaos
Start = Callable[..., Restore]


@pytest.mark.slow
def test_redis_dies_and_comes_back_empty(stage: Stage, start: Start) -> None:
    restore = start()
    restore.somewhere(0.1, 0.4)
    stage.kill(stage.standing["redis"])
    stage.revive("redis")
    restore.until(restore.dice.uniform(0.45, 0.7))
    assert restore.fence == 1, "who runs the job needs no broker"
    fence = restore.fence
    os.kill(restore.process, signal.SIGKILL)
    restore.taken_over(time.monotonic(), fence)  # the worker listens to the new one by now
    restore.finish()


@pytest.mark.slow
def test_redis_is_away_when_a_restore_is_asked_for(stage: Stage, plan: Start) -> None:
    restore = plan()
    stage.kill(stage.standing["redis"])
    restore.start()
    time.sleep(2 * stage.scale.sweep)
    assert (restore.state, restore.fence) == ("queued", 0)
    stage.revive("redis")
    restore.taken_over(time.monotonic(), 0)
    restore.finish()


@pytest.mark.slow
def test_redis_dies_with_the_only_message_of_a_job_in_it(stage: Stage, plan: Start) -> None:
    restore = plan()
    for worker in list(stage.workers):
        stage.kill(worker)
    restore.start()
    stage.kill(stage.standing["redis"])
    stage.revive("redis")
    stage.start_worker().wait()
    restore.taken_over(time.monotonic(), 0)
    restore.finish()


@pytest.mark.slow
def test_postgresql_dies_and_comes_back(stage: Stage, start: Start) -> None:
    if stage.sqlite:
        pytest.skip("SQLite has no server that could die")
    restore = start()
    restore.somewhere()
    fence = restore.fence
    stage.kill(stage.standing["database"])
    stage.revive("database")
    restore.taken_over(time.monotonic(), fence)
    restore.finish()


@pytest.mark.slow
def test_the_database_is_locked_for_longer_than_the_lease(stage: Stage, start: Start) -> None:
    if not stage.sqlite:
        pytest.skip("PostgreSQL has more than one writer")
    restore = start()
    restore.somewhere()
    with stage.database.locked():
        time.sleep(stage.scale.lease + 2 * stage.scale.sweep)
    restore.finish()


@pytest.mark.slow
def test_the_disk_of_the_database_is_full_for_a_while(stage: Stage, plan: Start, tmp_path: Path) -> None:
    if not stage.sqlite:
        pytest.skip("PostgreSQL cannot be told how much room there is")
    pages = tmp_path / "pages"
    pages.write_text("1073741823")
    restore = plan()
    for worker in list(stage.workers):
        stage.kill(worker)
    stage.start_worker(CHAOS_PAGES=str(pages))
    restore.start()
    restore.somewhere()
    fence = restore.fence
    pages.write_text("1")
    soon((tmp_path / "pages.full").exists, "the disk to be full", 10)
    time.sleep(stage.scale.lease)
    pages.write_text("1073741823")
    restore.taken_over(time.monotonic(), fence)
    restore.finish()


@pytest.mark.slow
def test_answers_of_aws_that_take_longer_than_the_lease_lose_nobody_the_job(
    stage: Stage, start: Start
) -> None:
    restore = start()
    restore.somewhere()
    stage.standin.latency(base=min(1.5 * stage.scale.lease, 25))  # after 30 s a call is given up
    time.sleep(1.5 * stage.scale.lease)
    stage.calm_cloud()
    restore.finish()
    assert restore.fence == 1
