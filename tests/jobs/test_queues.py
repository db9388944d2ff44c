"""Who waits behind whom: a long job delays neither an alarm nor the search for a job that lost its worker."""

from __future__ import annotations

import re
from pathlib import Path

from celery import current_app
from django.conf import settings

from backups import queue
from backups.models import Job

COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"


def queue_of(task: str) -> str:
    return str(current_app.amqp.router.route({}, task)["queue"].name)


def test_what_beat_sends_and_what_wakes_it_never_queue_behind_jobs() -> None:
    sent = [entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()]
    assert {queue_of(task) for task in [*sent, queue.DELIVER, queue.LOOK]} == {"periodic"}
    assert "periodic" not in Job.Queue.values


def test_on_one_host_each_queue_has_a_worker_of_its_own() -> None:
    served = re.findall(r"worker, -Q, ([a-z,]+), -n", COMPOSE.read_text())
    assert sorted(served) == sorted([*Job.Queue.values, "periodic"])
