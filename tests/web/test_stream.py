"""The event stream of a job: nothing twice, nothing missing, from any point on, whoever is away meanwhile.

Asked as a server asks: the hub, with Django behind it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.asgi import get_asgi_application
from django.core.signals import request_finished
from django.db import OperationalError, connection, connections
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from redis.asyncio import Redis

from backups import auth, hub
from backups.models import Event, Job, Operator
from tests import servers
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
    """One browser, event by event. What it is told of Redis and of the database is kept in ``live``."""

    status: int = 0
    head: dict[str, str] = field(default_factory=dict)
    retry: int | None = None
    live: dict[str, bool] = field(default_factory=lambda: {"bell": True, "database": True})
    over: bool = False
    visit: asyncio.Task[None] | None = None
    came: asyncio.Queue[hub.Message] = field(default_factory=asyncio.Queue)
    takes: asyncio.Event = field(default_factory=asyncio.Event)  # or its buffers are full all the way
    left: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: list[Told] = field(default_factory=list)

    async def next(self) -> Told:
        """Raises EOFError at the end of the stream."""
        while not self._waiting:
            if self.over:
                raise EOFError
            await self.read()
        return self._waiting.pop(0)

    async def until(self, event: str) -> list[Told]:
        told: list[Told] = []
        while not told or told[-1].event != event:
            told.append(await self.next())
        return told

    async def is_closed(self) -> bool:
        with suppress(EOFError):
            raise AssertionError(await self.next())
        return True

    async def is_told(self, what: str, live: bool) -> None:
        while self.live[what] is not live:
            await self.read()

    async def leave(self) -> None:
        self.left.set()
        assert self.visit
        await asyncio.wait_for(self.visit, PATIENCE)

    async def read(self) -> None:
        message = await asyncio.wait_for(self.came.get(), PATIENCE)
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.head = {name.decode().lower(): value.decode() for name, value in message["headers"]}
            return
        self.over = not message.get("more_body", False)
        for sent in message.get("body", b"").decode().split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in sent.split("\n"))
            if "retry" in fields:
                self.retry = int(fields["retry"])
                continue
            number = int(fields["id"]) if "id" in fields else None
            told = Told(fields["event"], number, json.loads(fields["data"]))
            if told.event in self.live:
                self.live[told.event] = told.data["live"]
            else:
                self._waiting.append(told)


class Listen(Protocol):
    """Ask for a job's stream as this person, and read the head of the answer."""

    async def __call__(self, client: Client, job: Job, query: str = "", **headers: str) -> Stream: ...


@pytest.fixture(autouse=True)
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[hub.Hub]:
    """The product as one process serves it, with less patience."""
    monkeypatch.setattr(hub, "POLL", 0.02)
    monkeypatch.setattr(hub, "SESSIONS", 1)
    made = hub.Hub(get_asgi_application())
    threads = made._thread, made._session_threads
    for thread in threads:
        thread.submit(read_without_locks).result()
    yield made
    for thread in threads:
        thread.submit(connections.close_all).result()
        thread.shutdown()


def read_without_locks() -> None:
    """SQLite in memory, unlike a file with its log, refuses a write at once while another thread reads."""
    if connection.vendor == "sqlite":
        connection.cursor().execute("PRAGMA read_uncommitted = 1")


@pytest.fixture
def listen(served: hub.Hub) -> Listen:
    async def ask(client: Client, job: Job, query: str = "", **headers: str) -> Stream:
        cookies = "; ".join(f"{name}={cookie.value}" for name, cookie in client.cookies.items())
        headers = {"host": "testserver", "cookie": cookies, **headers}
        scope = {
            "type": "http",
            "method": "GET",
            "path": f"/jobs/{job.pk}/stream",
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
        reader = Stream()
        reader.takes.set()
        given: list[hub.Message] = [{"type": "http.request"}]

        async def receive() -> hub.Message:
            if given:
                return given.pop()
            await reader.left.wait()
            return {"type": "http.disconnect"}

        async def send(message: hub.Message) -> None:
            await reader.takes.wait()
            reader.came.put_nowait(message)

        reader.visit = asyncio.create_task(served(scope, receive, send))
        await reader.read()
        return reader

    return ask


@pytest.fixture
def nothing_else_wakes(monkeypatch: pytest.MonkeyPatch, settings: Settings, broker: Server) -> None:
    """A reader looks again only when it is told to: no ping, and no word of Redis."""
    monkeypatch.setattr(hub, "PING", 600.0)
    settings.REDIS_URL = broker.url


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def with_patience() -> None:
        await asyncio.wait_for(test(), PATIENCE)

    async_to_sync(with_patience)()


@pytest.fixture
def iva() -> Client:
    return enter("iva", "engineering")


@sync_to_async
def say(job: Job, said: str) -> int:
    return a_line(job, said).pk


@sync_to_async
def finish(job: Job) -> None:
    Event.objects.create(job=job, at=timezone.now(), kind="state", data={"state": "done", "text": "Done"})
    Job.objects.filter(pk=job.pk).update(state="done")


def lines(told: list[Told]) -> list[str]:
    return [line["text"] for event in told if event.event == "line" for line in event.data["lines"]]


def told_of(numbers: range) -> list[str]:
    return [f"line-{number}" for number in numbers]


# --- what is sent ---------------------------------------------------------------------------------


def test_a_late_reader_gets_everything_from_the_beginning_and_then_the_end(
    iva: Client, listen: Listen
) -> None:
    job = a_job("restore", "done")
    rows = [a_line(job, said).pk for said in told_of(range(3))]

    async def test() -> None:
        told = await (await listen(iva, job)).until("end")
        assert [event.id for event in told] == [*rows, None]
        assert lines(told) == told_of(range(3))

    run(test)


def test_more_rows_than_one_reading_takes_are_all_sent(
    iva: Client, listen: Listen, monkeypatch: pytest.MonkeyPatch, nothing_else_wakes: None
) -> None:
    monkeypatch.setattr(hub, "READ", 3)
    done, running = a_job("backup", "done"), a_job("restore")
    for job in (done, running):
        for said in told_of(range(9)):
            a_line(job, said)

    async def test() -> None:
        assert lines(await (await listen(iva, done)).until("end")) == told_of(range(9))
        reader = await listen(iva, running)
        assert lines([await reader.next() for _ in range(9)]) == told_of(range(9))
        await finish(running)
        await reader.until("end")

    run(test)


def test_the_head_tells_proxies_and_browsers_to_keep_nothing(iva: Client, listen: Listen) -> None:
    job = a_job("restore", "done")

    async def test() -> None:
        reader = await listen(iva, job)
        assert reader.status == 200
        assert reader.head["content-type"] == "text/event-stream"
        assert reader.head["cache-control"] == "no-cache, no-transform"
        assert reader.head["x-accel-buffering"] == "no"
        assert "content-length" not in reader.head
        assert "frame-ancestors 'none'" in reader.head["content-security-policy"]
        await reader.until("end")
        assert reader.retry == 2000

    run(test)


@pytest.mark.parametrize("how", ["query", "header", "both"])
def test_a_reader_who_comes_back_misses_nothing_and_gets_nothing_twice(
    iva: Client, listen: Listen, how: str
) -> None:
    job = a_job("restore", "done")
    rows = [a_line(job, said).pk for said in told_of(range(4))]

    async def test() -> None:
        query = f"after={rows[0] if how == 'both' else rows[1]}" if how != "header" else ""
        headers = {"Last-Event-ID": str(rows[1])} if how != "query" else {}
        told = await (await listen(iva, job, query, **headers)).until("end")
        assert lines(told) == ["line-2", "line-3"]

    run(test)


def test_what_happens_while_somebody_reads_is_sent_once_and_in_order(iva: Client, listen: Listen) -> None:
    job = a_job("restore")
    a_line(job, "line-0")

    async def test() -> None:
        reader = await listen(iva, job)
        assert lines([await reader.next()]) == ["line-0"]
        for said in told_of(range(1, 6)):
            await say(job, said)
            assert lines([await reader.next()]) == [said]
        await finish(job)
        assert [event.event for event in await reader.until("end")] == ["state", "end"]
        assert await reader.is_closed()

    run(test)


def test_everybody_who_watches_gets_everything_whenever_they_came(iva: Client, listen: Listen) -> None:
    job = a_job("restore")

    async def test() -> None:
        first = await listen(iva, job)
        await say(job, "line-0")
        assert lines([await first.next()]) == ["line-0"]
        second = await listen(iva, job)
        for said in told_of(range(1, 4)):
            await say(job, said)
        await finish(job)
        assert lines(await first.until("end")) == told_of(range(1, 4))
        assert lines(await second.until("end")) == told_of(range(4))

    run(test)


def test_what_is_told_while_a_reader_comes_in_is_not_overlooked(
    iva: Client, listen: Listen, monkeypatch: pytest.MonkeyPatch, nothing_else_wakes: None
) -> None:
    job = a_job("restore")
    newest = hub._newest

    def after_one_more(number: int) -> int:
        a_line(job, "in between")
        return newest(number)

    monkeypatch.setattr(hub, "_newest", after_one_more)

    async def test() -> None:
        assert lines([await (await listen(iva, job)).next()]) == ["in between"]

    run(test)


def test_a_line_carries_the_html_that_the_page_has_and_no_e_mail(iva: Client, listen: Listen) -> None:
    job = a_job("restore", "done")
    a_line(job, "ana@uni.example <b>", "created")

    async def test() -> None:
        html = (await (await listen(iva, job)).next()).data["html"]
        assert "<b>created</b> a••••@uni.example &lt;b&gt;" in html
        assert html.lstrip().startswith('<li class="line">')

    run(test)


def test_another_jobs_rows_are_not_sent(iva: Client, listen: Listen) -> None:
    job, other = a_job("backup", "done"), a_job("compare")
    a_line(other, "not here")

    async def test() -> None:
        assert [event.event for event in await (await listen(iva, job)).until("end")] == ["end"]

    run(test)


def test_a_job_that_goes_on_after_its_end_is_followed_again(iva: Client, listen: Listen) -> None:
    job = a_job("restore")

    async def test() -> None:
        slow = await listen(iva, job)
        await say(job, "one is left")
        await slow.next()
        slow.takes.clear()  # and so it is still there at the end
        await finish(job)
        await (await listen(iva, job)).until("end")
        await sync_to_async(Job.objects.update)(state="running")
        reader = await listen(iva, job)
        assert [(await reader.next()).event for _ in range(2)] == ["line", "state"]
        await say(job, "it was tried again")
        assert lines([await reader.next()]) == ["it was tried again"]

    run(test)


# --- what it costs --------------------------------------------------------------------------------


def test_the_request_is_over_while_its_stream_lasts(iva: Client, listen: Listen) -> None:
    job = a_job("restore")
    a_line(job, "line-0")
    finished: list[object] = []

    def note(sender: object, **_: object) -> None:
        finished.append(sender)

    async def test() -> None:
        before = set(threading.enumerate())
        readers = [await listen(iva, job) for _ in range(5)]
        for reader in readers:
            await reader.next()
        assert len(finished) == 5
        assert len(set(threading.enumerate()) - before) <= 1, "the one that reads for all of them"

    request_finished.connect(note)
    try:
        run(test)
    finally:
        request_finished.disconnect(note)


def test_a_slow_reader_falls_behind_the_tail_and_still_misses_nothing(
    iva: Client, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "KEPT", 3)
    job = a_job("restore")

    async def test() -> None:
        quick, slow = await listen(iva, job), await listen(iva, job)
        await say(job, "line-0")
        assert lines([await slow.next()]) == lines([await quick.next()]) == ["line-0"]
        slow.takes.clear()
        for said in told_of(range(1, 12)):
            await say(job, said)
            await quick.next()
        await finish(job)
        slow.takes.set()
        assert lines(await slow.until("end")) == told_of(range(1, 12))

    run(test)


def test_a_reader_who_is_slow_for_a_while_is_asked_after_and_misses_nothing(
    iva: Client, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "PING", 0.02)
    job = a_job("restore")

    async def test() -> None:
        slow, other = await listen(iva, job), await listen(iva, job)
        await slow.next()
        slow.takes.clear()
        for said in told_of(range(3)):
            await say(job, said)
            await other.until("line")
        await other.until("ping")
        await other.until("ping")
        slow.takes.set()
        await finish(job)
        assert lines(await slow.until("end")) == told_of(range(3))

    run(test)


def test_a_reader_who_takes_nothing_is_let_go_and_comes_back_to_the_rest(
    iva: Client, listen: Listen, served: hub.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "PING", 0.05)
    monkeypatch.setattr(hub, "STALLED", 0.05)
    job = a_job("restore")

    async def test() -> None:
        slow = await listen(iva, job)
        first = await say(job, "line-0")
        await slow.until("line")
        slow.takes.clear()
        await say(job, "line-1")
        while served._tails:
            await asyncio.sleep(0.01)
        slow.takes.set()
        with suppress(EOFError):
            while True:
                assert (await slow.next()).event == "ping"
        back = await listen(iva, job, f"after={first}")
        assert lines([(await back.until("line"))[-1]]) == ["line-1"]

    run(test)


def test_when_the_last_reader_leaves_nobody_reads_on(iva: Client, listen: Listen, served: hub.Hub) -> None:
    job = a_job("restore")
    a_line(job, "line-0")

    async def test() -> None:
        first, second = await listen(iva, job), await listen(iva, job)
        await first.next()
        await first.leave()
        await say(job, "line-1")
        assert lines([await second.next(), await second.next()]) == ["line-0", "line-1"]
        bell = served._bell
        await second.leave()
        assert not served._tails
        assert bell
        with suppress(asyncio.CancelledError):
            await bell

    run(test)


# --- how long it lasts ----------------------------------------------------------------------------


def test_a_quiet_stream_pings(iva: Client, listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "PING", 0.05)
    job = a_job("restore", "paused")

    async def test() -> None:
        reader = await listen(iva, job)
        assert [(await reader.next()).event for _ in range(2)] == ["ping", "ping"]

    run(test)


@pytest.mark.parametrize("how", ["signs out", "leaves the group"])
def test_who_may_no_longer_be_in_is_told_and_sent_nothing_more(
    iva: Client, listen: Listen, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(hub, "PING", 0.05)
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


def test_watching_does_not_keep_a_session_awake(iva: Client, listen: Listen) -> None:
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
    iva: Client, listen: Listen, monkeypatch: pytest.MonkeyPatch, settings: Settings, broker: Server
) -> None:
    monkeypatch.setattr(hub, "POLL", 600.0)
    settings.REDIS_URL = broker.url
    job = a_job("restore")

    async def test() -> None:
        reader = await listen(iva, job)
        async with Redis.from_url(broker.url) as redis:
            while not await redis.pubsub_numpat():
                await asyncio.sleep(0.01)
            await say(job, "line-0")
            await redis.publish("job:none", "")
            await redis.publish(f"job:{job.pk + 1}", "")
            await redis.publish(f"job:{job.pk}", "")
            assert lines([await reader.next()]) == ["line-0"]
            assert reader.live["bell"]

    run(test)


def test_a_page_opened_while_redis_is_away_is_told_so_at_once(iva: Client, listen: Listen) -> None:
    job = a_job("restore", "paused")

    async def test() -> None:
        await (await listen(iva, job)).is_told("bell", False)
        await (await listen(iva, job)).is_told("bell", False)

    run(test)


def test_without_redis_the_rows_are_looked_at_and_the_page_is_told_and_told_again(
    iva: Client, listen: Listen, settings: Settings, tmp_path: Path
) -> None:
    job = a_job("restore")
    broker = servers.valkey(tmp_path)
    broker.wait()
    settings.REDIS_URL = broker.url

    async def test() -> None:
        reader = await listen(iva, job)
        async with Redis.from_url(broker.url) as redis:
            while not await redis.pubsub_numpat():
                await asyncio.sleep(0.01)
        broker.kill()
        await reader.is_told("bell", False)
        await say(job, "line-0")
        assert lines([await reader.next()]) == ["line-0"]
        with servers.running(servers.valkey(tmp_path)):
            await reader.is_told("bell", True)
            await say(job, "line-1")
            assert lines([await reader.next()]) == ["line-1"]
            await reader.leave()

    run(test)


def test_a_redis_that_holds_the_connection_and_says_nothing_is_away_too(
    iva: Client, listen: Listen, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(hub, "SILENT", 0.1)
    job = a_job("restore")
    broker = servers.valkey(tmp_path)
    broker.wait()
    settings.REDIS_URL = broker.url

    async def test() -> None:
        reader = await listen(iva, job)
        async with Redis.from_url(broker.url) as redis:
            while not await redis.pubsub_numpat():
                await asyncio.sleep(0.01)
            signalled(broker, signal.SIGSTOP)
            await reader.is_told("bell", False)
            signalled(broker, signal.SIGCONT)
            await reader.is_told("bell", True)
            await reader.leave()

    run(test)
    broker.stop()


def signalled(server: Server, number: signal.Signals) -> None:
    keeper = server.keeper.pid
    for child in Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split():
        os.kill(int(child), number)


# --- the database ---------------------------------------------------------------------------------


class Away:
    """A database that is away, or does not answer, between two moments."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.how, self._asked = "", hub._asked
        self.back = threading.Event()
        monkeypatch.setattr(hub, "_asked", self.asked)

    def asked(self, question: Any, *args: Any) -> Any:
        if self.how == "fails":
            raise OperationalError("connection refused")
        if self.how == "hangs":
            self.back.wait(PATIENCE)
        return self._asked(question, *args)

    def goes(self, how: str) -> None:
        self.how = how

    def comes_back(self) -> None:
        self.how = ""
        self.back.set()


@pytest.mark.parametrize("how", ["fails", "hangs"])
def test_while_the_database_is_away_the_stream_stays_open_and_nothing_is_lost(
    iva: Client, listen: Listen, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(hub, "PING", 0.05)
    monkeypatch.setattr(hub, "PATIENCE", 0.5)
    job = a_job("restore")

    async def test() -> None:
        away = Away(monkeypatch)
        reader = await listen(iva, job)
        await say(job, "line-0")
        assert lines(await reader.until("line")) == ["line-0"]
        away.goes(how)
        await reader.is_told("database", False)
        await say(job, "line-1")
        await reader.until("ping")
        away.comes_back()
        await reader.is_told("database", True)
        assert lines(await reader.until("line")) == ["line-1"]
        await finish(job)
        assert lines(await reader.until("end")) == []

    run(test)


def test_a_moment_without_the_database_is_not_worth_a_word(
    iva: Client, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = a_job("restore")

    async def test() -> None:
        away = Away(monkeypatch)
        reader = await listen(iva, job)
        await say(job, "line-0")
        await reader.until("line")
        away.goes("fails")
        late = await listen(iva, job)
        await say(job, "line-1")
        away.comes_back()
        assert lines([await reader.next()]) == ["line-1"]
        assert lines([await late.next(), await late.next()]) == ["line-0", "line-1"]
        assert reader.live["database"] and late.live["database"]

    run(test)


def test_a_reader_whose_own_question_failed_asks_again(
    iva: Client, listen: Listen, monkeypatch: pytest.MonkeyPatch, nothing_else_wakes: None
) -> None:
    job = a_job("restore")
    first = a_line(job, "line-0").pk
    rows_after, failures = hub._rows_after, [OperationalError("connection refused")]

    def asked(number: int, after: int) -> Any:
        if after == 0 and failures:
            raise failures.pop()
        return rows_after(number, after)

    monkeypatch.setattr(hub, "_rows_after", asked)

    async def test() -> None:
        reader = await listen(iva, job, f"after={first}")
        await say(job, "line-1")
        assert lines([await reader.next()]) == ["line-1"]
        late = await listen(iva, job)
        assert lines([await late.next(), await late.next()]) == ["line-0", "line-1"]

    run(test)


def test_nothing_is_sent_to_somebody_whose_session_cannot_be_looked_at(
    iva: Client, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "PING", 0.05)
    job = a_job("restore")
    unknown = True
    still_in = auth.still_in

    def asked(session: str) -> str:
        if unknown:
            raise OperationalError("connection refused")
        return still_in(session)

    monkeypatch.setattr(auth, "still_in", asked)

    async def test() -> None:
        nonlocal unknown
        reader = await listen(iva, job)
        await reader.until("ping")
        await say(job, "line-0")
        assert lines([await reader.next() for _ in range(3)]) == []
        await sync_to_async(iva.session.flush)()
        unknown = False
        assert lines(await reader.until("signed-out")) == []
        assert await reader.is_closed()

    run(test)


def test_a_stream_whose_tail_broke_is_closed_and_the_next_one_is_whole(
    iva: Client, listen: Listen, served: hub.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = a_job("restore")

    async def test() -> None:
        reader = await listen(iva, job)
        await say(job, "line-0")
        assert lines([await reader.next()]) == ["line-0"]
        while served._tails[job.pk]._since is None:
            await asyncio.sleep(0.01)
        with monkeypatch.context() as broken:
            broken.setattr(hub, "_data", lambda event: event.gone)
            await say(job, "line-1")
            assert reader.visit
            with pytest.raises(AttributeError):
                await asyncio.wait_for(reader.visit, PATIENCE)
        assert lines([await (await listen(iva, job, "after=0")).next()]) == ["line-0"]

    run(test)


# --- who and what ---------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["x", "-1", "1.5", "9" * 40, "²"])
def test_a_point_to_go_on_from_is_a_number(iva: Client, wrong: str) -> None:
    job = a_job("restore")
    assert iva.get(f"/jobs/{job.pk}/stream", {"after": wrong}).status_code == 400
    assert iva.get(f"/jobs/{job.pk}/stream", headers={"Last-Event-ID": wrong}).status_code == 400


def test_only_members_and_only_existing_jobs_and_only_get(iva: Client, listen: Listen) -> None:
    job = a_job("restore")
    guest = enter("guest", "others")
    address = f"/jobs/{job.pk}/stream"
    assert iva.get("/jobs/999/stream").status_code == 404
    assert iva.post(address).status_code == 405
    assert guest.get(address).status_code == 403
    assert Client().get(address).status_code in (302, 401)

    async def test() -> None:
        for client, status in ((guest, 403), (Client(), 302)):
            refused = await listen(client, job)
            assert refused.status == status
            assert refused.visit
            await asyncio.wait_for(refused.visit, PATIENCE)

    run(test)


def test_a_server_without_the_hub_says_what_it_lacks(iva: Client) -> None:
    job = a_job("restore")
    with pytest.raises(RuntimeError, match=r"cognito_admin\.asgi"):
        iva.get(f"/jobs/{job.pk}/stream")
