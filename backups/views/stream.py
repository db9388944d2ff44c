"""The event stream of a job: its event rows, from any point on, as server-sent events.

    a watcher: replay what was missed from the database -> follow the job's tail -> end
    the tail:  bell (Redis), or a second without one -> read the new rows once for all watchers

The rows are the feed; Redis only rings. A slow reader makes nothing grow: it falls
behind the tail and is served from the database again, at its own pace.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection, connections
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.template.loader import render_to_string
from redis.asyncio import Redis
from redis.exceptions import RedisError

from backups import access, auth, forms
from backups.core.lifecycle import OVER
from backups.models import Event, Job
from backups.sse import frame, retry

POLL = 1.0
"""Seconds after which the rows are read though nobody rang."""
PING = 15.0
"""Seconds between two pings; the session is asked about at each."""
RETRY = 2000
KEPT = 500
"""Rows that a tail holds; also the most that one reading takes."""

P = ParamSpec("P")
T = TypeVar("T")
Frame = tuple[int, bytes]

# One thread, so one database connection, for all streams of this process.
_reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stream")


async def job_stream(request: HttpRequest, job: int) -> HttpResponseBase:
    """GET only. ``?after=`` or Last-Event-ID: the last event that the reader has; the later one counts."""
    if request.method != "GET":
        return HttpResponse(status=405, headers={"Allow": "GET"})
    after = _after(request)
    if after is None:
        return HttpResponse("after must be the number of an event.", status=400, content_type="text/plain")
    session = await _read(_enter, request, job)
    return StreamingHttpResponse(
        _watch(job, after, session),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


def _after(request: HttpRequest) -> int | None:
    given = [value for value in (request.GET.get("after"), request.headers.get("Last-Event-ID")) if value]
    if not all(value.isascii() and value.isdigit() and len(value) < 19 for value in given):
        return None
    return max((int(value) for value in given), default=0)


def _enter(request: HttpRequest, job: int) -> str:
    """The session's key, once it is sure that this person may look and that there is such a job."""
    forms.need(request, access.Action.SEE)
    if not Job.objects.filter(pk=job).exists():
        raise Http404
    return request.session.session_key or ""


async def _watch(job: int, after: int, session: str) -> AsyncIterator[bytes]:
    """What one reader is sent."""
    # The request's thread asked who is there; kept open, its connection would last as long as the stream.
    await sync_to_async(connections.close_all)()
    loop = asyncio.get_running_loop()
    yield retry(RETRY)
    with _Tail.of(job) as tail:
        due = loop.time() + PING
        while True:
            # Asked before reading, so that what is told in between wakes us at once.
            news = tail.news
            if after >= tail.since:
                frames, over = [row for row in tail.frames if row[0] > after], tail.over
            else:
                over, frames = await _read(_rows, job, after)
            for number, sent in frames:
                yield sent
                after = number
            if over and len(frames) < KEPT:
                yield frame("end", None, "{}")
                return
            if loop.time() >= due:
                due = loop.time() + PING
                if why := await _still_in(session):
                    yield frame("signed-out", None, json.dumps({"text": why}))
                    return
                yield frame("ping", None, "{}")
            if not frames:
                with suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), due - loop.time())


@dataclass(eq=False)
class _Tail:
    """The newest rows of one job, read once for everybody in this process who watches it."""

    job: int
    frames: deque[Frame] = field(default_factory=lambda: deque(maxlen=KEPT))
    since: int = 1 << 62  # frames holds every row after this one; nobody is served from it before it is known
    over: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)
    watchers: int = 0
    task: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, job: int) -> _Tail:
        return _tails.setdefault((asyncio.get_running_loop(), job), cls(job))

    def __enter__(self) -> _Tail:
        self.watchers += 1
        if self.task is None or (self.task.done() and not self.over):
            self.task = asyncio.create_task(self._follow())
        return self

    def __exit__(self, *_: object) -> None:
        self.watchers -= 1
        if self.watchers == 0 and self.task is not None:
            self.task.cancel()
            _tails.pop((asyncio.get_running_loop(), self.job), None)

    async def _follow(self) -> None:
        bell = asyncio.Event()
        ringing = asyncio.create_task(_listen(self.job, bell))
        try:
            last = await self._first()
            while not self.over:
                bell.clear()
                try:
                    over, rows = await _read(_rows, self.job, last)
                except DatabaseError:  # away for a moment: ask again, say nothing
                    await asyncio.sleep(POLL)
                    continue
                for row in rows:
                    if len(self.frames) == KEPT:
                        self.since = self.frames[0][0]
                    self.frames.append(row)
                    last = row[0]
                self.over = over and len(rows) < KEPT
                if rows or self.over:
                    self._tell()
                if not rows and not self.over:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(bell.wait(), POLL)
        finally:
            ringing.cancel()

    async def _first(self) -> int:
        while True:
            try:
                self.since = await _read(_newest, self.job)
            except DatabaseError:
                await asyncio.sleep(POLL)
            else:
                self._tell()  # somebody may have read just before the newest of these rows came
                return self.since

    def _tell(self) -> None:
        self.news.set()
        self.news = asyncio.Event()


_tails: dict[tuple[asyncio.AbstractEventLoop, int], _Tail] = {}


async def _listen(job: int, bell: asyncio.Event) -> None:
    """Rings at each message on the job's channel. Without Redis nothing rings, and the poll goes on."""
    while True:
        try:
            async with (
                Redis.from_url(settings.REDIS_URL, socket_timeout=None, socket_connect_timeout=2) as redis,
                redis.pubsub() as channel,
            ):
                await channel.subscribe(f"job:{job}")
                async for _ in channel.listen():
                    bell.set()
        except (RedisError, OSError):
            await asyncio.sleep(5)


def _rows(job: int, after: int) -> tuple[bool, list[Frame]]:
    """(is it over, the rows after one). State first: what was told before the end is then among the rows."""
    over = Job.objects.filter(pk=job, state__in=sorted(OVER)).exists()
    rows = Event.objects.filter(job=job, pk__gt=after).order_by("pk")[:KEPT]
    return over, [(row.pk, frame(row.kind, row.pk, _data(row))) for row in rows]


def _newest(job: int) -> int:
    return Event.objects.filter(job=job).order_by("-pk").values_list("pk", flat=True).first() or 0


def _data(event: Event) -> str:
    """The row's own values, and for the log its line as the page has it."""
    data = {"at": event.at.isoformat(timespec="milliseconds"), **event.data}
    if event.kind != "count":
        data["html"] = render_to_string("jobs/_line.html", {"event": event})
    return json.dumps(data, ensure_ascii=False)


async def _still_in(session: str) -> str:
    """Not on the streams' own thread: IAM may be asked, and may be slow."""

    def asked() -> str:
        try:
            return auth.still_in(session)
        finally:
            connection.close()

    return await sync_to_async(asked, thread_sensitive=False)()


async def _read(ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Ask the database on the streams' own thread."""

    def asked() -> T:
        close_old_connections()
        return ask(*args, **kwargs)

    return await sync_to_async(asked, thread_sensitive=False, executor=_reader)()
