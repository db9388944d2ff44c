"""The long half of every event stream, outside of Django.

    browser -> Hub -> Django: all its middleware, views.stream: who may look, which job, after which event
               Hub <- the head of its answer; the request is over, its thread and its connection are free
               Hub -> a reader: its place in the job's tail, until it leaves, or job or session is over
    a tail:    the bell (Redis), or a second without one -> the new rows, read once for all its readers

The rows are the feed; Redis only rings. A reader is a task and a place, so a thousand of them are cheap,
and one that is slow makes nothing grow: whoever falls behind the tail is served from the database, and
whoever takes nothing at all is let go. A browser comes back with ``?after=``.

Readers are told two more things, when it is so and again when it has passed, as ``{"live": false}`` and
``{"live": true}``: ``bell`` (Redis is away, so the rows are looked at once a second) and ``database``
(it has not answered for some seconds: nothing is lost, and nothing is known).
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
"""Seconds without an answer after which the database is said to be away, and a session not to be known."""
STALLED = 15.0
"""Seconds after which a reader who takes no ping is let go."""
SILENT = 3.0
"""Seconds without a word after which Redis is asked whether it is there, and as many for its answer."""
SESSIONS = 4
"""Threads that look at sessions: IAM may be asked, and may be slow. Each keeps a connection."""
KEPT = 500
"""Rows that a tail holds."""
READ = 100
"""Rows that one reading takes, and that one reader is sent at once."""

P = ParamSpec("P")
T = TypeVar("T")
Row = tuple[int, bytes]  # its id, its frame
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

_WATCH = "backups.watch"
ALL_WELL: Mapping[str, bool] = {"bell": True, "database": True}  # or not known yet


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
        self._bell: asyncio.Task[None] | None = None
        self._failing_since: float | None = None  # the database, by the loop's clock
        self.live: Mapping[str, bool] = ALL_WELL  # replaced, never changed
        self._thread = ThreadPoolExecutor(1, "stream")  # so one connection
        self._session_threads = ThreadPoolExecutor(SESSIONS, "session")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        watch: Watch | None = None

        async def begin(message: Message) -> None:
            nonlocal watch
            if message["type"] == "http.response.start" and message["status"] == 200:
                watch = scope[_WATCH]
            if watch is None or message["type"] != "http.response.body" or message.get("more_body"):
                await send(message)  # all but the end of what the hub goes on with

        scope[_WATCH] = None
        await self._app(scope, receive, begin)
        if watch is not None:
            await _Reader(self, watch, send).serve(receive)

    # --- what readers and tails ask --------------------------------------------------------------

    async def ask(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the database about rows. Raises django.db.Error."""
        loop = asyncio.get_running_loop()
        silent = loop.call_later(PATIENCE, self._tell, "database", False)
        try:
            answer = await loop.run_in_executor(self._thread, lambda: _asked(question, *args, **kwargs))
        except Error:
            self._failing_since = self._failing_since or loop.time()
            if loop.time() - self._failing_since >= PATIENCE:
                self._tell("database", False)
            raise
        finally:
            silent.cancel()
        self._failing_since = None
        self._tell("database", True)
        return answer

    async def why_out(self, session: str) -> str | None:
        """Why the session ended; empty while it stands, None when nobody could say soon."""
        loop = asyncio.get_running_loop()
        asked = loop.run_in_executor(self._session_threads, lambda: _asked(auth.still_in, session))
        try:
            return await asyncio.wait_for(asked, PATIENCE)
        except (Error, TimeoutError):
            return None

    # --- who is there ----------------------------------------------------------------------------

    def tail(self, job: int) -> _Tail:
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
            self._tell("bell", True)

    def _tell(self, what: str, live: bool) -> None:
        if self.live[what] is not live:
            self.live = {**self.live, what: live}
            for tail in self._tails.values():
                tail.tell()

    async def _listen(self) -> None:
        """Rings at each message on the channel of a job that somebody reads."""
        while True:
            rang = False
            try:
                async with self._redis() as redis, redis.pubsub() as channel:
                    await channel.psubscribe("job:*")
                    asked = False
                    while True:
                        message = await channel.get_message(timeout=SILENT)
                        if message is None and asked:  # it holds the connection, and says nothing
                            rang = False
                            raise ConnectionError
                        asked = message is None
                        if message is None:
                            await channel.ping()
                        elif message["type"] == "psubscribe":
                            rang = True
                            self._tell("bell", True)
                        elif message["type"] == "pmessage":
                            self._ring(message["channel"])
            except (RedisError, OSError):
                if not rang:  # a connection that broke is made again first: it may have been for a moment
                    self._tell("bell", False)
                await asyncio.sleep(POLL)

    def _redis(self) -> Redis:
        return Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0))

    def _ring(self, channel: bytes) -> None:
        job = channel.removeprefix(b"job:")
        if job.isdigit() and (tail := self._tails.get(int(job))):
            tail.bell.set()


class _Reader:
    """One browser: where it is, and what it has been told."""

    def __init__(self, hub: Hub, watch: Watch, send: Send) -> None:
        self._hub, self._send, self._session = hub, send, watch.session
        self._tail = hub.tail(watch.job)
        self._after = watch.after
        self._live = ALL_WELL
        self._left = False
        self._news = asyncio.Event()  # there is something to look at

    async def serve(self, receive: Receive) -> None:
        """Until the job is over, the session is, or the browser has left."""
        leaving = asyncio.ensure_future(receive())  # nothing comes any more but that
        leaving.add_done_callback(self._leave)
        self._tail.enter(self._news)
        try:
            await self._watch()
        except TimeoutError:
            pass  # it took nothing; the end follows when it has taken what was sent before
        finally:
            self._tail.leave(self._news)
            leaving.cancel()
        await self._send({"type": "http.response.body"})

    def _leave(self, _: object) -> None:
        self._left = True
        self._news.set()

    async def _watch(self) -> None:
        """Rows, and every PING a look at the session. Raises TimeoutError when not even a ping is taken."""
        clock = asyncio.get_running_loop().time
        # Those who came together, after a restart of this process, do not ask together for ever.
        ping = look = clock() + PING * random.uniform(0.5, 1)  # noqa: S311  (nothing secret)
        sure = True  # that the session stands: nothing is sent to somebody who may be out
        while not self._left:
            try:
                # Stopping it anywhere loses nothing: uvicorn waits before it writes, and then writes at once.
                async with asyncio.timeout_at(min(ping, look)) as until:
                    if await self._follow(sure):
                        await self._say("end", {})
                    return
            except TimeoutError:
                if not until.expired():
                    raise
            if clock() >= look:
                why = await self._hub.why_out(self._session)
                if why:
                    await self._say("signed-out", {"text": why})
                    return
                sure = why is not None
                look = clock() + (PING if sure else POLL)
            if clock() >= ping:
                await self._say("ping", {})
                ping = clock() + PING

    async def _follow(self, sure: bool) -> bool:
        """Send what there is and wait for more. True: the job is over. False: the browser has left."""
        while not self._left:
            self._news.clear()  # before looking, so that what is told in between wakes us at once
            if self._live is not self._hub.live:
                await self._tell_live(self._hub.live)
            part = await self._next() if sure else NOTHING
            if part.message:
                await self._send(part.message)
                self._after = part.last
            if part.more:
                continue
            if part.over:
                return True
            await self._news.wait()
        return False

    async def _next(self) -> _Part:
        try:
            return await self._tail.after(self._after)
        except Error:
            asyncio.get_running_loop().call_later(POLL, self._news.set)  # asked again then
            return NOTHING

    async def _tell_live(self, live: Mapping[str, bool]) -> None:
        for name in live:
            if live[name] is not self._live[name]:
                await self._say(name, {"live": live[name]})
        self._live = live

    async def _say(self, event: str, data: dict[str, object]) -> None:
        sent = frame(event, None, json.dumps(data))
        async with asyncio.timeout(STALLED):
            await self._send({"type": "http.response.body", "body": sent, "more_body": True})


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows on their way to a reader; everybody at the same place is sent the same bytes."""

    message: Message | None
    last: int  # where a reader is then
    more: bool = False  # there are rows behind these
    over: bool = False  # with these the job is


NOTHING = _Part(None, 0)


@dataclass(eq=False)
class _Tail:
    """The newest rows of one job, read once for everybody in this process who watches it."""

    hub: Hub
    job: int
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    _kept: deque[Row] = field(default_factory=lambda: deque(maxlen=KEPT))
    _since: int | None = None  # every row after this one is kept; None: it is not known yet
    _over: bool = False
    _shared: tuple[int, _Part] | None = None  # what a reader at that place is sent
    _readers: set[asyncio.Event] = field(default_factory=set)
    _task: asyncio.Task[None] | None = None

    def enter(self, news: asyncio.Event) -> None:
        """``news`` is set whenever there is something to look at."""
        self._readers.add(news)
        if self._task is None:
            self._task = asyncio.create_task(self._follow())
            self._task.add_done_callback(lambda _: self.tell())

    def leave(self, news: asyncio.Event) -> None:
        self._readers.discard(news)
        if not self._readers and self._task:
            self._task.cancel()
            self.hub.forget(self)

    def tell(self) -> None:
        for news in self._readers:
            news.set()

    async def after(self, last: int) -> _Part:
        """The rows after that one. Raises django.db.Error, or what ended the tail: then another is needed."""
        if self._task and self._task.done():
            self._task.result()
        if self._since is None or last < self._since:
            return _part(last, *await self.hub.ask(_rows_after, self.job, last))
        if self._shared is None or self._shared[0] != last:
            newer = list(takewhile(lambda row: row[0] > last, reversed(self._kept)))
            self._shared = last, _part(last, self._over, newer[::-1])
        return self._shared[1]

    async def _follow(self) -> None:
        try:
            await self._read()
        finally:
            self.hub.forget(self)

    async def _read(self) -> None:
        last, loop = 0, asyncio.get_running_loop()
        while not self._over:
            self.bell.clear()
            try:
                if self._since is None:
                    self._since = last = await self.hub.ask(_newest, self.job)
                    self.tell()  # somebody may have read just before the newest of these rows came
                over, rows = await self.hub.ask(_rows_after, self.job, last)
            except Error:
                await asyncio.sleep(POLL)
                continue
            for row in rows:
                if len(self._kept) == KEPT:
                    self._since = self._kept[0][0]
                self._kept.append(row)
                last = row[0]
            self._over = over and len(rows) < READ
            if rows or self._over:
                self._shared = None
                self.tell()
            if len(rows) < READ and not self._over:
                alarm = loop.call_later(POLL, self.bell.set)
                await self.bell.wait()
                alarm.cancel()


def _part(last: int, over: bool, rows: Sequence[Row]) -> _Part:
    more, rows = len(rows) >= READ, rows[:READ]
    if not rows:
        return _Part(None, last, over=over)
    body = b"".join(sent for _, sent in rows)
    message: Message = {"type": "http.response.body", "body": body, "more_body": True}
    return _Part(message, rows[-1][0], more, over and not more)


# --- on a thread ----------------------------------------------------------------------------------


def _asked(question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """On the connection of this thread, which is opened again after it failed."""
    try:
        return question(*args, **kwargs)
    except Error:
        connection.close()
        raise


def _rows_after(job: int, after: int) -> tuple[bool, list[Row]]:
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
