"""``make bench-stream``: a job's events on their way to 200 watchers, and to 1,000.

    this process --commits, rings--> database, broker --> web --> watchers (a process of their own)

Wanted on 2 cores, 200 watchers at 10 events a second: committed -> received p99 <= 100 ms,
<= 100 KB of the web process a client, <= 25 % of a core; 1,000 watchers still served.
Beside it, in the same run, Django's own way of doing it (naive.py).
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tests import servers
from tests.servers import Server

RATE = 10  # events a second
KNOWN = 30  # visits before anything is measured: what a process loads once is no client's
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figures:
    watchers: int
    served: int  # watchers who got every event once and in order
    p50: float  # ms from commit to arrival
    p99: float
    worst: float
    idle: float  # KB of the web process a client, once all are in
    resident: float  # and at the end
    core: float  # % of one core of the web process while the events came


class Rows:
    """The product's own tables: people who are signed in, and a job that others watch."""

    def __init__(self, folder: Path, watchers: int) -> None:
        import django

        django.setup()
        from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
        from django.contrib.sessions.backends.db import SessionStore
        from django.contrib.sessions.models import Session
        from django.utils import timezone

        from backups.models import Operator

        now = timezone.now()
        iva = Operator.objects.create(
            unique_id="AIDAIVA",
            name="iva",
            account="123456789012",
            groups=["engineering"],
            active_keys=["AKIAEXAMPLE"],
            last_checked_at=now + timedelta(days=1),  # no IAM here, and none is due
        )
        data = {
            SESSION_KEY: str(iva.pk),
            BACKEND_SESSION_KEY: "backups.auth.OperatorBackend",
            HASH_SESSION_KEY: iva.get_session_auth_hash(),
            "key_id": "AKIAEXAMPLE",
            "signed_in_at": time.time(),
            "seen_at": time.time(),
        }
        keys = [secrets.token_hex(16) for _ in range(watchers)]
        Session.objects.bulk_create(
            Session(session_key=key, session_data=SessionStore().encode(data), expire_date=now + timedelta(1))
            for key in keys
        )
        self.folder = folder
        (folder / "cookies").write_text("\n".join(keys))

    def job(self) -> int:
        from backups.models import Job

        made = Job.objects.create(kind="compare", queue="read", state="running", asked_by="AIDAIVA")
        return made.pk

    def tell(self, job: int, seconds: float) -> list[int]:
        """RATE events a second as the worker tells them; when each was committed, in monotonic ns."""
        committed: list[int] = []
        begun = time.monotonic()
        for number in range(int(seconds * RATE)):
            time.sleep(max(0.0, begun + number / RATE - time.monotonic()))
            _announce(job, "running", f"event {number}", lambda: committed.append(time.monotonic_ns()))
        return committed

    def end(self, job: int) -> None:
        from backups.models import Job

        Job.objects.filter(pk=job).update(state="done")
        _announce(job, "done", "", lambda: None)


def _announce(job: int, state: str, text: str, committed: Callable[[], None]) -> None:
    from django.db import transaction

    from backups.reporting import announce

    with transaction.atomic():
        transaction.on_commit(committed)  # before the bell, which announce hangs up behind it
        announce(job, state, text)


@contextmanager
def watching(url: str, count: int, folder: Path) -> Iterator[Callable[[], array[int]]]:
    """That many watchers, all let in; what it gives waits for their end, and returns what came to whom."""
    command = [sys.executable, "-m", "tests.bench.watchers", url, str(count), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout

        def came() -> array[int]:
            process.wait(timeout=60)
            return array("q", (folder / "came").read_bytes())

        try:
            assert process.stdout.readline() == b"ready\n"
            yield came
        finally:
            process.kill()


def measure(rows: Rows, server: Server, count: int, seconds: float) -> Figures:
    first = rows.job()
    with watching(f"{server.url}/jobs/{first}/stream", KNOWN, rows.folder):
        rows.tell(first, 1)
        rows.end(first)
    time.sleep(1)
    job, (before, _) = rows.job(), usage(server)
    with watching(f"{server.url}/jobs/{job}/stream", count, rows.folder) as came:
        time.sleep(1)
        (idle, spent), begun = usage(server), time.monotonic()
        committed = rows.tell(job, seconds)
        time.sleep(0.5)
        (after, now_spent), took = usage(server), time.monotonic() - begun
        rows.end(job)
        got = came()
    ids = sorted(set(got[1::3]))[: len(committed)]
    sent = dict(zip(ids, committed, strict=True))
    each: dict[int, list[int]] = {number: [] for number in range(count)}
    late = []
    for number, id, at in zip(got[::3], got[1::3], got[2::3], strict=True):
        if id in sent:
            each[number].append(id)
            late.append((at - sent[id]) / 1e6)
    late.sort()
    return Figures(
        watchers=count,
        served=sum(told == ids for told in each.values()),
        p50=late[len(late) // 2],
        p99=late[len(late) * 99 // 100],
        worst=late[-1],
        idle=(idle - before) / count,
        resident=(after - before) / count,
        core=100 * (now_spent - spent) / took,
    )


def usage(server: Server) -> tuple[float, float]:
    """(resident KB, seconds of CPU) of the server's process, the keeper's child."""
    keeper = server.keeper.pid
    child = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()[0]
    status = Path(f"/proc/{child}/status").read_text()
    times = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return float(status.partition("VmRSS:")[2].split()[0]), (int(times[11]) + int(times[12])) / TICK


def show(columns: dict[str, Figures], peer: str) -> None:
    def line(what: str, form: str, of: Callable[[Figures], float], ratio: bool = True) -> None:
        values = [of(figures) for figures in columns.values()]
        cells = "".join(f"{format(value, form):>16}" for value in values)
        told = of(columns[peer]) / values[0] if peer in columns and ratio and values[0] else 0
        print(f"{what:<44}{cells}{f'   {told:.1f} times' if told else ''}")

    print(f"{'':<44}{''.join(f'{name:>16}' for name in columns)}")
    line("watchers", ",.0f", lambda f: f.watchers, False)
    line("got every event once, in order", ",.0f", lambda f: f.served, False)
    line("committed to received, p50, ms", ".1f", lambda f: f.p50)
    line("committed to received, p99, ms", ".1f", lambda f: f.p99)
    line("the latest of all, ms", ".1f", lambda f: f.worst)
    line("KB of the web process a client, before events", ".0f", lambda f: f.idle)
    line("KB of the web process a client, at the end", ".0f", lambda f: f.resident)
    line("% of a core of the web process", ".1f", lambda f: f.core)


def run(*, postgres: bool, watchers: int, many: int, seconds: float, peer: bool) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ca-")))
        broker = servers.valkey(folder)
        stack.enter_context(servers.running(broker))
        url = f"sqlite:///{folder / 'app.sqlite3'}"
        if postgres:
            (server,) = stack.enter_context(servers.running(servers.postgres(folder)))
            url = server.url
        settings = {
            "SECRET_KEY": "a-key-of-the-bench-alone",
            "SEAL_KEY": "a-seal-of-the-bench-alone",
            **servers.aws_env("http://127.0.0.1:9", "bench", "bench"),  # nobody listens there
            "POOL_REGIONS": servers.REGION,
            "LOG_LEVEL": "WARNING",
            "DATABASE_URL": url,
            **broker.env,
        }
        servers.manage("migrate", settings)
        os.environ |= {**settings, "DJANGO_SETTINGS_MODULE": "cognito_admin.settings"}
        rows = Rows(folder, max(watchers, many))
        columns = {}
        for name, count, start in (
            ("product", watchers, servers.web),
            ("product", many, servers.web),
            ("Django alone", watchers if peer else 0, naive),
        ):
            if count:
                with servers.running(start(folder, settings)) as (web,):
                    columns[f"{name} {count}"] = measure(rows, web, count, seconds)
        print(f"{RATE} events a second for {seconds:g} s, {'PostgreSQL' if postgres else 'SQLite'}")
        show(columns, f"Django alone {watchers}")


def naive(folder: Path, settings: dict[str, str]) -> Server:
    port = servers.free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "tests.bench.naive:application",
               "--host", "127.0.0.1", "--port", str(port), "--timeout-graceful-shutdown", "1",
               "--log-level", "warning"]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    env = {**settings, "DJANGO_SETTINGS_MODULE": "cognito_admin.settings"}
    return servers.start(
        "naive", command, folder, url=url, answers=lambda: servers._http(url, "/") > 0, settings=env, grace=2
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stream", description=__doc__)
    parser.add_argument("--postgres", action="store_true", help="not SQLite")
    parser.add_argument("--watchers", type=int, default=200)
    parser.add_argument("--many", type=int, default=1000, help="watchers of the second round; 0: none")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--no-peer", dest="peer", action="store_false")
    run(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
