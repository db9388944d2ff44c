"""The event stream of a job: nothing twice, nothing missing, from any point on, with Redis or without."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections
from django.test import AsyncClient, Client
from django.utils import timezone
from pytest_django import Settings
from redis.asyncio import Redis

from backups.models import Event, Job, Operator
from backups.views import stream
from tests.servers import Server
from tests.web.pages import a_job, a_line, enter

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE = 20.0
"""Seconds after which a test gives up; nothing here waits for them."""


@dataclass
class Told:
    event: str
    id: int | None
    data: dict[str, Any]


@dataclass
class Stream:
    """One reader, as a browser reads: event by event."""

    parts: AsyncIterator[bytes]
    waiting: list[Told] = field(default_factory=list)
    retry: int | None = None

    async def next(self) -> Told:
        while not self.waiting:
            self._read(await asyncio.wait_for(anext(self.parts), PATIENCE))
        return self.waiting.pop(0)

    async def until(self, event: str) -> list[Told]:
        told: list[Told] = []
        while not told or told[-1].event != event:
            told.append(await self.next())
        return told

    async def is_closed(self) -> bool:
        try:
            await asyncio.wait_for(anext(self.parts), PATIENCE)
        except StopAsyncIteration:
            return True
        return False

    def _read(self, part: bytes) -> None:
        fields = dict(line.split(": ", 1) for line in part.decode().strip().split("\n"))
        if "retry" in fields:
            self.retry = int(fields["retry"])
            return
        number = int(fields["id"]) if "id" in fields else None
        self.waiting.append(Told(fields["event"], number, json.loads(fields["data"])))


Test = Callable[[], Awaitable[None]]


def run(test: Test) -> None:
    async_to_sync(test)()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(stream, "POLL", 0.02)
    yield
    stream._reader.submit(connections.close_all).result()


@pytest.fixture
def iva() -> Client:
    return enter("iva", "engineering")


def browser(client: Client) -> AsyncClient:
    """The same session, for asynchronous pages."""
    made = AsyncClient()
    made.cookies = client.cookies
    return made


async def listen(client: Client, job: Job, query: str = "", **headers: str) -> Stream:
    response: Any = await browser(client).get(f"/jobs/{job.pk}/stream{query}", headers=headers)
    assert response.status_code == 200
    return Stream(aiter(response.streaming_content))


@sync_to_async
def say(job: Job, said: str) -> int:
    return a_line(job, said).pk


@sync_to_async
def finish(job: Job) -> None:
    Event.objects.create(job=job, at=timezone.now(), kind="state", data={"state": "done", "text": "Done"})
    Job.objects.filter(pk=job.pk).update(state="done")


def lines(told: list[Told]) -> list[str]:
    return [line["text"] for event in told if event.event == "line" for line in event.data["lines"]]


# --- what is sent ---------------------------------------------------------------------------------


def test_a_late_reader_gets_everything_from_the_beginning_and_then_the_end(iva: Client) -> None:
    job = a_job("restore", "done")
    rows = [a_line(job, f"line-{number}").pk for number in range(3)]

    async def test() -> None:
        told = await (await listen(iva, job)).until("end")
        assert [event.id for event in told] == [*rows, None]
        assert lines(told) == ["line-0", "line-1", "line-2"]

    run(test)


def test_the_head_tells_proxies_and_browsers_to_keep_nothing(iva: Client) -> None:
    job = a_job("restore", "done")

    async def test() -> None:
        response: Any = await browser(iva).get(f"/jobs/{job.pk}/stream")
        assert response["Content-Type"] == "text/event-stream"
        assert response["Cache-Control"] == "no-cache, no-transform"
        assert response["X-Accel-Buffering"] == "no"
        reader = Stream(aiter(response.streaming_content))
        await reader.until("end")
        assert reader.retry == 2000

    run(test)


@pytest.mark.parametrize("how", ["query", "header", "both"])
def test_a_reader_who_comes_back_misses_nothing_and_gets_nothing_twice(iva: Client, how: str) -> None:
    job = a_job("restore", "done")
    rows = [a_line(job, f"line-{number}").pk for number in range(4)]

    async def test() -> None:
        query = f"?after={rows[0] if how == 'both' else rows[1]}" if how != "header" else ""
        headers = {"Last-Event-ID": str(rows[1])} if how != "query" else {}
        told = await (await listen(iva, job, query, **headers)).until("end")
        assert lines(told) == ["line-2", "line-3"]

    run(test)


def test_what_happens_while_somebody_reads_is_sent_once_and_in_order(iva: Client) -> None:
    job = a_job("restore")
    a_line(job, "line-0")

    async def test() -> None:
        reader = await listen(iva, job)
        assert lines([await reader.next()]) == ["line-0"]
        for number in range(1, 6):
            await say(job, f"line-{number}")
            assert lines([await reader.next()]) == [f"line-{number}"]
        await finish(job)
        assert [event.event for event in await reader.until("end")] == ["state", "end"]
        assert await reader.is_closed()

    run(test)


def test_everybody_who_watches_gets_everything_whenever_they_came(iva: Client) -> None:
    job = a_job("restore")

    async def test() -> None:
        first = await listen(iva, job)
        await say(job, "line-0")
        assert lines([await first.next()]) == ["line-0"]
        second = await listen(iva, job)
        for number in range(1, 4):
            await say(job, f"line-{number}")
        await finish(job)
        assert lines(await first.until("end")) == ["line-1", "line-2", "line-3"]
        assert lines(await second.until("end")) == ["line-0", "line-1", "line-2", "line-3"]

    run(test)


def test_a_slow_reader_falls_behind_the_tail_and_still_misses_nothing(
    iva: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "KEPT", 3)
    job = a_job("restore")

    async def test() -> None:
        quick, slow = await listen(iva, job), await listen(iva, job)
        await say(job, "line-0")
        assert lines([await slow.next()]) == lines([await quick.next()]) == ["line-0"]
        for number in range(1, 12):
            await say(job, f"line-{number}")
            await quick.next()
        await finish(job)
        assert lines(await slow.until("end")) == [f"line-{number}" for number in range(1, 12)]

    run(test)


def test_a_line_carries_the_html_that_the_page_has_and_no_e_mail(iva: Client) -> None:
    job = a_job("restore", "done")
    a_line(job, "ana@uni.example <b>", "created")

    async def test() -> None:
        html = (await (await listen(iva, job)).next()).data["html"]
        assert "<b>created</b> a••••@uni.example &lt;b&gt;" in html
        assert html.lstrip().startswith('<li class="line">')

    run(test)


def test_another_jobs_rows_are_not_sent(iva: Client) -> None:
    job, other = a_job("backup", "done"), a_job("compare")
    a_line(other, "not here")

    async def test() -> None:
        assert [event.event for event in await (await listen(iva, job)).until("end")] == ["end"]

    run(test)


def test_when_the_last_reader_leaves_nobody_reads_on(iva: Client) -> None:
    job = a_job("restore")
    a_line(job, "line-0")

    async def test() -> None:
        reader = await listen(iva, job)
        await reader.next()
        assert stream._tails
        waiting = asyncio.create_task(reader.next())
        await asyncio.sleep(0)  # it waits now; a server ends the stream of a reader who left like this:
        waiting.cancel()
        await asyncio.wait([waiting])
        assert not stream._tails

    run(test)


# --- how long it lasts ----------------------------------------------------------------------------


def test_a_quiet_stream_pings(iva: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "PING", 0.05)
    job = a_job("restore", "paused")

    async def test() -> None:
        reader = await listen(iva, job)
        assert [(await reader.next()).event for _ in range(2)] == ["ping", "ping"]

    run(test)


@pytest.mark.parametrize("how", ["signs out", "leaves the group"])
def test_who_may_no_longer_be_in_is_told_and_sent_nothing_more(
    iva: Client, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(stream, "PING", 0.05)
    job = a_job("restore")

    async def test() -> None:
        reader = await listen(iva, job)
        assert (await reader.next()).event == "ping"
        if how == "signs out":
            await sync_to_async(iva.session.flush)()
        else:
            await sync_to_async(Operator.objects.update)(refused="iva is in no group that may sign in.")
        last = (await reader.until("signed-out"))[-1]
        assert last.data["text"]
        await say(job, "not for you")
        assert await reader.is_closed()

    run(test)


def test_watching_does_not_keep_a_session_awake(iva: Client) -> None:
    job = a_job("restore", "done")
    session = iva.session
    session["seen_at"] = time.time() - 600
    session.save()

    async def test() -> None:
        await (await listen(iva, job)).until("end")

    run(test)
    assert iva.session["seen_at"] == session["seen_at"]


# --- the bell -------------------------------------------------------------------------------------


def test_a_bell_wakes_the_reader_long_before_the_next_look(
    iva: Client, monkeypatch: pytest.MonkeyPatch, settings: Settings, broker: Server
) -> None:
    monkeypatch.setattr(stream, "POLL", 600.0)
    settings.REDIS_URL = broker.url
    job = a_job("restore")

    async def test() -> None:
        reader = await listen(iva, job)
        async with Redis.from_url(broker.url) as redis:
            waiting = asyncio.create_task(reader.next())
            while not (await redis.pubsub_numsub(f"job:{job.pk}"))[0][1]:
                await asyncio.sleep(0.01)
            await say(job, "line-0")
            await redis.publish(f"job:{job.pk}", "")
            assert lines([await asyncio.wait_for(waiting, PATIENCE)]) == ["line-0"]

    run(test)


# --- who and what ---------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["x", "-1", "1.5", "9" * 40, "²"])
def test_a_point_to_go_on_from_is_a_number(iva: Client, wrong: str) -> None:
    job = a_job("restore")

    async def test() -> None:
        response = await browser(iva).get(f"/jobs/{job.pk}/stream", {"after": wrong})
        assert response.status_code == 400

    run(test)


def test_only_members_and_only_existing_jobs_and_only_get(iva: Client) -> None:
    job = a_job("restore")
    guest = enter("guest", "others")

    async def test() -> None:
        address = f"/jobs/{job.pk}/stream"
        assert (await browser(iva).get("/jobs/999/stream")).status_code == 404
        assert (await browser(iva).post(address)).status_code == 405
        assert (await browser(guest).get(address)).status_code == 403
        assert (await AsyncClient().get(address)).status_code in (302, 401)

    run(test)
