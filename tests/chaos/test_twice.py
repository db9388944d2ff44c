"""More than one process believes that a restore is its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from celery import Celery

from tests.chaos.restore import Restore
from tests.chaos.stage import Stage, soon
from tests.servers import ROOT, plain_environment

pytestmark = pytest.mark.chaos
Start = Callable[..., Restore]


def tell(stage: Stage, job: int, task: str | None = None) -> None:
    """The message by which the product sends a job; ``task`` is the message's own id."""
    broker = stage.settings["REDIS_URL"].replace("unix://", "redis+socket://", 1)
    with Celery(broker=broker) as celery:
        celery.send_task("backups.run", args=[job], queue="write", task_id=task, ignore_result=True)


def test_a_worker_that_hung_until_another_took_over_writes_nothing_any_more(
    stage: Stage, start: Start
) -> None:
    stage.start_worker().wait()
    restore = start()
    restore.somewhere()
    hung, fence = restore.worker, restore.fence
    restore.taken_over(restore.hang(hung), fence)
    soon(lambda: restore.phase.startswith("Users"), "the next one to be at work", stage.scale.takeover)
    before = len(hung.log.read_text())
    hung.send(signal.SIGCONT)
    soon(lambda: _walked_away(hung.log.read_text()[before:]), "the one that hung to walk away", 20)
    restore.finish()
    assert restore.fence == fence + 1


def _walked_away(told: str) -> bool:
    """By its own word; or PostgreSQL ended the transaction in which it was stopped, and it went with that."""
    return "lease lost" in told or "OperationalError" in told


@pytest.mark.slow
def test_a_worker_that_hangs_in_the_middle_of_a_write_holds_nobody_up(stage: Stage, start: Start) -> None:
    if stage.sqlite:
        pytest.skip("SQLite has one lock, and whoever hangs with it holds everybody up")
    stage.start_worker().wait()
    restore = start()
    restore.somewhere()
    hung, fence = restore.worker, restore.fence
    restore.taken_over(restore.hang(hung, writing=True), fence)
    hung.send(signal.SIGCONT)
    restore.finish()


@pytest.mark.slow
def test_a_worker_hangs_for_a_moment_only_and_keeps_the_job(stage: Stage, start: Start) -> None:
    stage.start_worker().wait()
    restore = start("silent")
    restore.somewhere()
    worker = restore.worker
    worker.send(signal.SIGSTOP)
    time.sleep(stage.scale.lease / 3)
    worker.send(signal.SIGCONT)
    restore.finish()
    assert restore.fence == 1


@pytest.mark.slow
def test_two_workers_and_a_terminal_are_told_to_run_the_same_job_at_once(stage: Stage, plan: Start) -> None:
    restore = plan()
    stage.start_worker().wait()
    before = received(stage)
    for worker in stage.workers:
        worker.send(signal.SIGSTOP)
    restore.start()
    for _ in range(3):
        tell(stage, restore.job)
    terminal = subprocess.Popen(
        [sys.executable, "manage.py", "resume", str(restore.job)],
        cwd=ROOT,
        env={**plain_environment(), **stage.settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    time.sleep(restore.dice.uniform(0.5, 2))  # about as long as it takes to be ready: now this one, now that
    for worker in stage.workers:
        worker.send(signal.SIGCONT)
    restore.finish()
    said = terminal.communicate(timeout=60)[0]
    assert re.search(r"is running|is run by another process|created and read back", said), said
    assert restore.fence == 1
    assert received(stage) - before >= 4


def test_the_same_message_comes_three_times(stage: Stage, start: Start) -> None:
    stage.start_worker().wait()
    restore = start()
    for share in (0.1, 0.3, 0.5):
        restore.until(share)
        tell(stage, restore.job, restore.name)
    soon(lambda: received(stage, restore.name) == 3, "all three to arrive", 20)
    restore.finish()
    tell(stage, restore.job, restore.name)
    soon(lambda: done(stage, restore.name) == 4, "one that comes too late to be answered", 20)
    assert (restore.state, restore.fence) == ("done", 1)


def received(stage: Stage, task: str = "") -> int:
    """How many messages to run a job the workers have received, by their logs."""
    return _logged(stage, rf"Task backups\.run\[{task}.*\] received")


def done(stage: Stage, task: str) -> int:
    return _logged(stage, rf"Task backups\.run\[{task}\] succeeded")


def _logged(stage: Stage, words: str) -> int:
    return sum(len(re.findall(words, worker.log.read_text())) for worker in stage.workers)
