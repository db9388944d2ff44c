"""Celery's door to the runner. A message carries a job's id; the lease decides who runs it."""

from __future__ import annotations

import structlog
from celery import shared_task
from django.core.management import call_command

from backups import catalogue, runner
from backups.engine.ports import PortError

log = structlog.get_logger(__name__)


@shared_task(name="backups.run")
def run(job_id: int) -> None:
    runner.run(job_id)


@shared_task(name="backups.sweep", expires=10)
def sweep() -> None:
    if sent := runner.sweep():
        log.info("swept", jobs=sent)


@shared_task(name="backups.look", expires=60)
def look() -> None:
    """The minute's look at the bucket and the pools; the whole bucket once a day."""
    whole = catalogue.whole_look_is_due()
    if whole:
        call_command("clearsessions")
    try:
        catalogue.look_at_bucket(whole=whole)
    except PortError as error:
        log.warning("bucket not read", cause=str(error.cause), code=error.code)
    catalogue.look_at_pools()
