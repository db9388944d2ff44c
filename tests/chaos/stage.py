"""Every process of the product, side by side: each can be killed, stopped, and started anew."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from tests import servers
from tests.chaos import world
from tests.chaos.person import Person
from tests.chaos.scale import Scale
from tests.servers import Server
from tests.standin.client import Standin
from tests.standin.quotas import DEFAULTS, PER_POOL

LATENCY = {"base": 0.03, "spread": 0.5}  # seconds: at any moment some calls are on their way


class Database:
    """A look into the product's database that shares nothing with the product."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.path = url.partition("///")[2] if url.startswith("sqlite") else ""

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """``?`` stands for a value."""
        if self.path:
            with closing(sqlite3.connect(self.path, timeout=20)) as here, here:
                return here.execute(sql, values).fetchall()
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as there:
            asked = there.execute(sql.replace("?", "%s").encode(), values)
            return asked.fetchall() if asked.description else []

    def held(self, job: int) -> bool:
        """Whether somebody holds this job's row (SQLite: the whole database) and does not let go."""
        if self.path:
            try:
                with closing(sqlite3.connect(self.path, timeout=0.3, isolation_level=None)) as here:
                    here.execute("BEGIN IMMEDIATE")
                    return False
            except sqlite3.OperationalError:
                return True
        import psycopg

        with psycopg.connect(self.url) as there:
            there.execute("SET lock_timeout = 300")  # ms
            try:
                there.execute("SELECT 1 FROM backups_job WHERE id = %s FOR UPDATE", [job])
            except psycopg.errors.LockNotAvailable:
                return True
            finally:
                there.rollback()
        return False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Somebody writes, and does not come to an end (SQLite: the one writer there may be)."""
        with closing(sqlite3.connect(self.path, timeout=20, isolation_level=None)) as here:
            here.execute("BEGIN IMMEDIATE")
            yield
            here.execute("ROLLBACK")


def parsed(value: Any) -> Any:
    """A JSON column: text in SQLite, a value already in PostgreSQL."""
    return json.loads(value) if isinstance(value, str) else value


class Stage:
    """Started by ``with``; on SQLite, or on a PostgreSQL of its own where DATABASE_URL names one."""

    def __init__(self, folder: Path, scale: Scale) -> None:
        self.folder, self.scale = folder, scale
        self.standing: dict[str, Server] = {}  # redis, database (PostgreSQL's), web, beat
        self.workers: list[Server] = []
        self._ill: list[Server] = []  # those of them with settings of their own
        self._numbers = itertools.count(1)
        self._stack = ExitStack()

    def __enter__(self) -> Stage:
        self._stack.callback(self._stop)
        self.cloud = servers.cloud(self.folder)
        self._stack.enter_context(servers.running(*self.cloud.servers))
        self.standin = Standin(self.cloud.cognito.url)
        url = f"sqlite:///{self.folder / 'app.sqlite3'}"
        if os.environ.get("DATABASE_URL", "").startswith("postgres"):
            url = self._stand("database", servers.postgres(self.folder, durable=True)).url
        self.database = Database(url)
        self._stand("redis", servers.valkey(self.folder))
        self.settings = {
            **{name: os.environ[name] for name in ("SECRET_KEY", "SEAL_KEY", "NO_PROXY")},
            **self.cloud.env,
            **self.standing["redis"].env,
            **self.scale.settings,
            "DATABASE_URL": url,
            "ORIGIN_LATE_CHECK": "false",
            "BACKUP_BUCKET": world.BUCKET,
            "POOL_REGIONS": servers.REGION,
        }
        servers.manage("migrate", self.settings, "-v0")
        self._stand("web", servers.web(self.folder, self.settings, graceful=1))
        self._stand("beat", servers.beat(self.folder, self.settings))
        self.iva = Person(self.standing["web"].url, world.settle(self.cloud))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def sqlite(self) -> bool:
        return bool(self.database.path)

    @contextmanager
    def calm(self) -> Iterator[None]:
        """Everything stands, one plain worker among it, and no job is open; nothing of it is left over."""
        for name, server in self.standing.items():
            if not server.alive:
                self.revive(name)
        self.calm_cloud()
        self.workers = [server for server in self.workers if server.alive]
        if not self.workers:
            self.start_worker()
        self.workers[0].wait()
        try:
            yield
        finally:
            for server in [*self.standing.values(), *self.workers]:
                server.send(signal.SIGCONT)
            healthy = [server for server in self.workers if server.alive and server not in self._ill]
            for server in [*self._ill, *healthy[1:]]:
                self.kill(server)
            self._ill.clear()

    def calm_cloud(self) -> None:
        """No fault, and this scale's quotas; that of creates, which sets the pace, is always the default."""
        self.standin.clear_faults()
        self.standin.latency(**LATENCY)
        rates = {name: rate * self.scale.quota for name, rate in DEFAULTS.items()}
        rates["UserCreation"] = DEFAULTS["UserCreation"]
        self.standin.quotas(rates, per_pool=PER_POOL * self.scale.quota)

    def start_worker(self, **settings: str) -> Server:
        """One more, not ready yet; with settings, on a host that is not well (see ``app``)."""
        started = servers.worker(
            self.folder / f"worker-{next(self._numbers)}",
            {**self.settings, **settings},
            grace=3,
            app="tests.chaos.app" if settings else "cognito_admin",
        )
        self.workers.append(started)
        self._ill += [started] * bool(settings)
        return started

    def kill(self, server: Server) -> float:
        """kill -9 of all its processes; when that was, as ``time.monotonic`` counts."""
        if server.alive:
            server.kill()
        self.workers = [one for one in self.workers if one is not server]
        return time.monotonic()

    def revive(self, name: str) -> Server:
        """The same server once more, where it is gone; it answers when this returns."""
        again = self.standing[name].again
        assert again is not None
        server = self._stand(name, again())
        return server

    def _stand(self, name: str, server: Server) -> Server:
        self.standing[name] = server
        server.wait()
        return server

    def _stop(self) -> None:
        going = [*self.workers, *reversed(self.standing.values())]
        for server in going:
            server.send(signal.SIGCONT)
            server.ask_to_stop()
        for server in going:
            server.stop()


def soon(holds: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait until it holds. Raises AssertionError with ``what``."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)
