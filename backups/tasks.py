"""Celery's door to the runner. A message carries a job's id; the lease decides who runs it."""

from __future__ import annotations

import multiprocessing

import structlog
from celery import shared_task
from celery.signals import worker_shutting_down
from django.core.management import call_command

from backups import catalogue, history, notify, runner, watch
from backups.engine.ports import PortError

log = structlog.get_logger(__name__)


# Shared with the pool's processes, which are forked later; a lock in it could be kept by one that was killed.
_leaving = multiprocessing.RawValue("b", 0)


@worker_shutting_down.connect
def leave(**_: object) -> None:
    """The worker shall end: its jobs are handed back at their next step (docs/decisions/0005)."""
    _leaving.value = 1


@shared_task(name="backups.run")
def run(job_id: int) -> None:
    runner.run(job_id, leaving=lambda: bool(_leaving.value))


@shared_task(name="backups.sweep", expires=10)
def sweep() -> None:
    if sent := runner.sweep():
        log.info("swept", jobs=sent)
    watch.look_twice()


@shared_task(name="backups.watch", expires=30)
def look_and_judge() -> None:
    """What is due begins, and what is wrong is said."""
    watch.tick()


@shared_task(name="backups.look_at_pools", expires=30)
def look_at_pools() -> None:
    """Somebody opened the overview."""
    if watch.look_if_old():
        watch.judge()


@shared_task(name="backups.deliver", expires=25)
def deliver() -> None:
    """Messages about alarms. The rows wait for it; a job never does."""
    if sent := notify.deliver_due():
        log.info("delivered", messages=sent)


@shared_task(name="backups.look", expires=60)
def look() -> None:
    """The minute's look at the bucket; the whole of it once a day."""
    whole = catalogue.whole_look_is_due()
    if whole:
        call_command("clearsessions")
    try:
        catalogue.look_at_bucket(whole=whole)
    except PortError as error:
        log.warning("bucket not read", cause=str(error.cause), code=error.code)


@shared_task(name="backups.index", expires=120)
def index() -> None:
    """Backups whose users' history cannot be read yet; a turn of some 20 s, newest first."""
    if made := history.work():
        log.info("indexed", backups=made)
