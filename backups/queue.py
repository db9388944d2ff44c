"""What goes through Redis: a job's id to a worker, a nudge to deliver, and the bell for who watches a job.

Knows no task, and never fails an act: a broker that is away leaves the job Queued
and the sweeper sends it again; without the bell the watchers look once a second.
"""

from __future__ import annotations

from functools import cache

import redis
import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from backups.models import Job

log = structlog.get_logger(__name__)
RUN = "backups.run"
DELIVER = "backups.deliver"
LOOK = "backups.look_at_pools"


def send(job: Job) -> None:
    """When this transaction commits: tell a worker that the job waits. The job row is there first."""
    transaction.on_commit(lambda: _send(job.pk, job.queue))


def _send(job_id: int, queue: str) -> None:
    try:
        current_app.send_task(RUN, args=[job_id], queue=queue)
    except (OperationalError, OSError) as error:
        log.warning("broker away, the sweeper will send the job", job=job_id, error=type(error).__name__)
        return
    Job.objects.filter(pk=job_id).update(queued_at=Now())


def wake_deliveries() -> None:
    """When this transaction commits: tell a worker that messages wait. Beat does so every half minute."""
    transaction.on_commit(_wake_deliveries)


def _wake_deliveries() -> None:
    try:
        current_app.send_task(DELIVER, expires=60)
    except (OperationalError, OSError) as error:
        log.warning("broker away, messages are sent when it is back", error=type(error).__name__)


def look() -> None:
    """Tell a worker that somebody wants to know how the pools are now."""
    try:
        current_app.send_task(LOOK, expires=30)
    except (OperationalError, OSError) as error:
        log.warning("broker away, the pools are looked at when it is back", error=type(error).__name__)


def bell(job_id: int) -> None:
    """Ring: there are new event rows of this job."""
    try:
        _client().publish(f"job:{job_id}", "")
    except redis.RedisError as error:
        log.debug("no bell", job=job_id, error=type(error).__name__)


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=0.5, socket_timeout=0.5)
