"""Who waits behind whom: a long job delays neither an alarm nor the search for a job that lost its worker."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from celery import current_app
from django.conf import settings
from kombu import Connection, Consumer, Queue

from backups import queue
from backups.models import Job
from tests import servers

COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"


def queue_of(task: str) -> str:
    return str(current_app.amqp.router.route({}, task)["queue"].name)


def test_what_beat_sends_and_what_wakes_it_never_queue_behind_jobs() -> None:
    sent = [str(entry["task"]) for entry in settings.CELERY_BEAT_SCHEDULE.values()]
    assert {queue_of(task) for task in [*sent, queue.DELIVER, queue.LOOK]} == {"periodic"}
    assert "periodic" not in Job.Queue.values


def test_on_one_host_each_queue_has_a_worker_of_its_own() -> None:
    served = re.findall(r"worker, -Q, ([a-z,]+), -n", COMPOSE.read_text())
    assert sorted(served) == sorted([*Job.Queue.values, "periodic"])


def test_a_broker_that_goes_away_with_a_message_under_way_ends_no_worker(tmp_path: Path) -> None:
    broker = servers.valkey(tmp_path)
    with servers.running(broker):
        connection = Connection(broker.url.replace("unix://", "redis+socket://"))
        got: list[str] = []  # taken, and not acknowledged
        periodic = Queue("periodic", routing_key="periodic")
        channel = connection.default_channel
        Consumer(channel, [periodic], callbacks=[lambda body, _: got.append(body)]).consume()
        connection.Producer().publish("once", routing_key="periodic", declare=[periodic])
        Consumer(connection.channel(), [Queue("other", routing_key="other")]).consume()
        while not got:
            connection.drain_events(timeout=5)
        with suppress(TimeoutError):
            connection.drain_events(timeout=0.2)  # it waits for the next one
        broker.kill()
        connection.collect()  # as Celery does on a connection that is lost: this, and then it closes it
        connection.close()
