"""The long half of every event stream, outside of Django.

    browser -> Hub -> Django: all its middleware, then views.stream: who may look, which job, after which event
               Hub <- the answer's head; the request is over, its thread and its connection are free
               Hub -> a reader: a cursor in the job's tail, until the job is over or the session is
    a tail:    the bell (Redis), or a second without one -> read the new rows once for all its readers

The rows are the feed; Redis only rings. A reader is a task and a number, so a thousand of them are
cheap, and one that is slow makes nothing grow: whoever falls behind the tail is served from the
database, and whoever takes nothing at all is let go. A browser comes back with ``?after=``.

Readers are told two more things, at once when it is so and again when it has passed, as
``{"live": false}`` and ``{"live": true}``: ``bell`` (Redis is away, and the rows are looked at once a
second) and ``database`` (it has not answered for a while: nothing is lost, nothing is known).
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, ParamSpec, TypeAlias, TypeVar

from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest
from django.template.loader import render_to_string
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from backups import auth
from backups.core.lifecycle import OVER
from backups.models import Event, Job
from backups.sse import frame

POLL = 1.0
"""Seconds after which the rows are read though nobody rang, and after which who was away is asked again."""
PING = 15.0
"""Seconds between two pings, and between two looks at the session."""
PATIENCE = 3.0
"""Seconds without an answer of the database after which the readers are told."""
STALLED = 15.0
"""Seconds after which a reader who takes nothing is let go."""
SILENT = 5.0
"""Seconds without a word after which Redis is asked whether it is there."""
KEPT = 500
"""Rows that a tail holds."""
READ = 100
"""Rows that one reading takes, and that one reader is sent at once."""

P = ParamSpec("P")
T = TypeVar("T")
Frame = tuple[int, bytes]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

_WATCH = "backups.watch"


@dataclass(frozen=True, slots=True)
class Watch:
    """What somebody was let in for."""

    job: int
    after: int  # the last event that the reader has
    session: str  # its key


def take_over(request: HttpRequest, watch: Watch) -> None:
    """For the view that lets somebody in: once its answer has begun, the hub goes on with it."""
    scope: dict[str, Any] = getattr(request, "scope", {})
    if _WATCH not in scope:
        raise RuntimeError("an event stream needs backups.hub.Hub around Django, as in cognito_admin.asgi")
    scope[_WATCH] = watch


class Hub:
    """ASGI around Django. One in a process, on one event loop."""

    def __init__(self, app: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        self._app = app
        self._tails: dict[int, _Tail] = {}
        self._live = {"bell": True, "database": True}  # or not known yet
        self._bell: asyncio.Task[None] | None = None
        self._silence: asyncio.TimerHandle | None = None  # until the database is said to be away
        # One thread, so one connection, for all rows; others for the sessions: IAM may be asked, and be slow.
        self._rows = ThreadPoolExecutor(1, "stream")
        self._sessions = ThreadPoolExecutor(4, "session")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        watch: Watch | None = None

        async def begin(message: Message) -> None:
            nonlocal watch
            if message["type"] == "http.response.start" and message["status"] == 200:
                watch = scope[_WATCH]
            if watch is None or message["type"] != "http.response.body" or message.get("more_body"):
                await send(message)  # all but the end of what the hub goes on with

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[_WATCH] = None
        await self._app(scope, receive, begin)
        if watch is not None:
            await self._serve(watch, receive, send)

    async def _serve(self, watch: Watch, receive: Receive, send: Send) -> None:
        news = asyncio.Event()
        leaving = asyncio.ensure_future(receive())  # there is nothing to receive but that the reader has left
        leaving.add_done_callback(lambda _: news.set())
        try:
            with self._tail(watch.job).read(news) as tail:
                await self._write(watch, tail, news, leaving, send)
        except TimeoutError:
            pass  # it takes nothing; the end is sent when it has taken what was sent before
        finally:
            leaving.cancel()
        await send({"type": "http.response.body"})

    async def _write(
        self, watch: Watch, tail: _Tail, news: asyncio.Event, leaving: asyncio.Future[Message], send: Send
    ) -> None:
        """What one reader is sent. Raises TimeoutError when it takes nothing."""

        async def say(*frames: bytes) -> None:
            async with asyncio.timeout(STALLED):
                await send({"type": "http.response.body", "body": b"".join(frames), "more_body": True})

        clock = asyncio.get_running_loop().time
        after, told, sure = watch.after, dict.fromkeys(self._live, True), True
        look = ping = clock() + PING
        while not leaving.done():
            news.clear()  # before looking, so that what is told in between wakes us at once
            tail.still_follows()
            for name, live in self._live.items():
                if told[name] is not live:
                    await say(frame(name, None, json.dumps({"live": live})))
                    told[name] = live
            if clock() >= look:
                why = await self._still_in(watch.session)
                if why:
                    await say(frame("signed-out", None, json.dumps({"text": why})))
                    return
                sure = why is not None
                look = clock() + (PING if sure else POLL)
            if clock() >= ping:
                await say(frame("ping", None, "{}"))
                ping = clock() + PING
            try:
                over, rows = await tail.after(after) if sure else (False, [])
            except Error:  # looked at again when it answers
                over, rows = False, []
            if rows:
                await say(*(sent for _, sent in rows))
                after = rows[-1][0]
            if len(rows) == READ:
                continue
            if over:
                await say(frame("end", None, "{}"))
                return
            alarm = asyncio.get_running_loop().call_at(min(look, ping), news.set)
            await news.wait()
            alarm.cancel()

    # --- what the tails and readers ask ----------------------------------------------------------

    async def ask(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the database about rows. Raises django.db.Error."""
        loop = asyncio.get_running_loop()
        if self._silence is None:
            self._silence = loop.call_later(PATIENCE, self.tell, "database", False)
        answer = await loop.run_in_executor(self._rows, lambda: _asked(question, *args, **kwargs))
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        self.tell("database", True)
        return answer

    async def _still_in(self, session: str) -> str | None:
        """"" while the session stands, else why it ended; None when the database does not answer."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._sessions, lambda: _asked(auth.still_in, session))
        except Error:
            return None

    # --- who is there ----------------------------------------------------------------------------

    def _tail(self, job: int) -> _Tail:
        if job not in self._tails:
            self._tails[job] = _Tail(self, job)
        if self._bell is None:
            self._bell = asyncio.create_task(self._listen())
        return self._tails[job]

    def forget(self, tail: _Tail) -> None:
        """Nobody reads it, or it is over: whoever comes next gets a new one, for a job may go on."""
        if self._tails.get(tail.job) is tail:
            del self._tails[tail.job]
        if not self._tails and self._bell is not None:
            self._bell.cancel()
            self._bell = None
            self._live["bell"] = True

    def tell(self, what: str, live: bool) -> None:
        if self._live[what] is not live:
            self._live[what] = live
            for tail in self._tails.values():
                tail.tell()

    async def _listen(self) -> None:
        """Rings at each message on the channel of a job that somebody reads."""
        while True:
            try:
                async with (
                    Redis.from_url(
                        settings.REDIS_URL, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
                    ) as redis,
                    redis.pubsub() as channel,
                ):
                    await channel.psubscribe("job:*")
                    asked = False
                    while True:
                        message = await channel.get_message(timeout=SILENT)
                        if message is None and asked:
                            raise ConnectionError  # it holds the connection, and says nothing
                        asked = message is None
                        if message is None:
                            await channel.ping()
                        elif message["type"] == "psubscribe":
                            self.tell("bell", True)
                        elif message["type"] == "pmessage":
                            job = message["channel"].decode().removeprefix("job:")
                            if job.isdigit() and (tail := self._tails.get(int(job))):
                                tail.bell.set()
            except (RedisError, OSError):
                self.tell("bell", False)
                await asyncio.sleep(POLL)


@dataclass(eq=False)
class _Tail:
    """The newest rows of one job, read once for everybody in this process who watches it."""

    hub: Hub
    job: int
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    _frames: deque[Frame] = field(default_factory=lambda: deque(maxlen=KEPT))
    _since: int | None = None  # the frames hold every row after this one; None: it is not known yet
    _over: bool = False
    _readers: set[asyncio.Event] = field(default_factory=set)
    _task: asyncio.Task[None] | None = None

    @contextmanager
    def read(self, news: asyncio.Event) -> Iterator[_Tail]:
        """``news`` is set whenever there is something to look at."""
        self._readers.add(news)
        if self._task is None:
            self._task = asyncio.create_task(self._follow())
            self._task.add_done_callback(lambda _: self.tell())
        try:
            yield self
        finally:
            self._readers.discard(news)
            if not self._readers:
                self._task.cancel()
                self.hub.forget(self)

    async def after(self, last: int) -> tuple[bool, list[Frame]]:
        """(is it over when these are sent, the rows after that one): at most READ of them."""
        if self._since is None or last < self._since:
            return await self.hub.ask(_rows, self.job, last)
        newer = list(takewhile(lambda row: row[0] > last, reversed(self._frames)))[::-1]
        return self._over, newer[:READ]

    def tell(self) -> None:
        for news in self._readers:
            news.set()

    def still_follows(self) -> None:
        """Raises what went wrong, so that the browser comes back to a new one."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def _follow(self) -> None:
        last, loop = 0, asyncio.get_running_loop()
        while not self._over:
            self.bell.clear()
            try:
                if self._since is None:
                    self._since = last = await self.hub.ask(_newest, self.job)
                    self.tell()  # somebody may have read just before the newest of these rows came
                over, rows = await self.hub.ask(_rows, self.job, last)
            except Error:
                await asyncio.sleep(POLL)
                continue
            for row in rows:
                if len(self._frames) == KEPT:
                    self._since = self._frames[0][0]
                self._frames.append(row)
                last = row[0]
            self._over = over and len(rows) < READ
            if rows or self._over:
                self.tell()
            if len(rows) < READ and not self._over:
                alarm = loop.call_later(POLL, self.bell.set)
                await self.bell.wait()
                alarm.cancel()
        self.hub.forget(self)


# --- on a thread ----------------------------------------------------------------------------------


def _asked(question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """On the connection of this thread, which is opened again after it failed."""
    try:
        return question(*args, **kwargs)
    except Error:
        connection.close()
        raise


def _rows(job: int, after: int) -> tuple[bool, list[Frame]]:
    """(is it over, the rows after one). State first: what was told before the end is then among the rows."""
    over = Job.objects.filter(pk=job, state__in=sorted(OVER)).exists()
    rows = Event.objects.filter(job=job, pk__gt=after).order_by("pk")[:READ]
    return over, [(row.pk, frame(row.kind, row.pk, _data(row))) for row in rows]


def _newest(job: int) -> int:
    return Event.objects.filter(job=job).order_by("-pk").values_list("pk", flat=True).first() or 0


def _data(event: Event) -> str:
    """The row's own values, and for the log its line as the page has it."""
    data = {"at": event.at.isoformat(timespec="milliseconds"), **event.data}
    if event.kind != "count":
        data["html"] = render_to_string("jobs/_line.html", {"event": event})
    return json.dumps(data, ensure_ascii=False)
