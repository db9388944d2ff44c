"""``python -m tests.bench.ledger``: a plan of 1,000,000 users by a worker, its rows, and its page.

    job       a sealed backup of a folder against a pool that holds none, half or all of them (``--there``):
              read, planned, kept in the ledger; wanted: <= 400 MB, pool and bucket included
    page      the plan's page as a browser asks for it: opened, each of its tabs, one reason, the second
              stretch; wanted: <= 300 ms each

In SQLite, or as ``python -m tests.servers postgres -- python -m tests.bench.ledger``. Figures are printed,
never asserted.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from backups.core.snapshot import Entry
from tests.bench.compare import Folder, peak, write
from tests.build import POOL, a_sub, an_entry, seal
from tests.fakes import FakePool

KEY = f"2026-11-22.01-00-00/{POOL}"
DIGITS = [f"{number:02x}" for number in range(256)]
TIMES = 5
EVERY = 20  # of whom one cannot come back


def person(number: int) -> Entry:
    """Of a sub that says by its beginning which number it may be; each twentieth has an unknown attribute."""
    email = f"person{number}@uni.example"
    badge = "" if number % EVERY else str(number)
    sub = DIGITS[number % len(DIGITS)] + a_sub(email)[2:]
    name = f"Person {number}"
    return an_entry(
        email, sub=sub, name=name, custom_institution="University of Somewhere", custom_badge=badge
    )


class Listed(FakePool):
    """A pool that makes its users up as they are asked for, so that it needs no memory of its own."""

    def __init__(self, there: int) -> None:
        super().__init__()
        self.there = self.estimated_users = there

    def users(self, prefix: str = "") -> Iterator[Entry]:
        for first, digits in enumerate(DIGITS):
            if digits.startswith(prefix):
                yield from map(person, range(first, self.there, len(DIGITS)))


def planned(folder: Path, users: int, there: int) -> int:
    """A plan's job, by a worker; the job's number. Raises RuntimeError when nothing was planned."""
    from backups import actions, catalogue, runner, wiring
    from backups import seal as sealing
    from backups.models import Event, Item, Job, Pool

    pool, store = Listed(there), Folder(str(folder))
    sealing.seal = seal
    wiring.store = lambda environment="production": store
    wiring.pool = lambda region, pool_id, *share: pool
    wiring.find_pools = lambda region: [pool.facts()]
    catalogue.look_at_pools()
    catalogue.note_one(KEY)
    who = actions.Actor("terminal:bench", "bench", terminal=True)
    asked = actions.plan_restore(who, KEY, Pool.objects.get())
    before = peak()
    began, busy = time.perf_counter(), time.process_time()
    job: Job | None = runner.run(asked.pk)
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    if job is None or job.state != "planned" or job.finished_at is None:
        raise RuntimeError(f"nothing was planned: {job and job.sentence}")
    phases = Event.objects.filter(job=job, kind="phase").order_by("pk")
    told = [(phase.data["phase"], phase.at) for phase in phases]
    ends = [at for _, at in told[1:]] + [job.finished_at]
    took = ", ".join(
        f"{name} {(end - at).total_seconds():.0f} s" for (name, at), end in zip(told, ends, strict=True)
    )
    print(
        f"  job: {users:,} users, {there:,} of them in the pool: {job.sentence}\n"
        f"    {Item.objects.filter(job=job).count():,} rows in {seconds:.0f} s, {busy:.0f} s of a processor "
        f"({took}); peak {peak():,.0f} MB, {before:,.0f} at first",
        flush=True,
    )
    return job.pk


def pages(number: int) -> None:
    from django.test import Client
    from django.urls import reverse

    from backups.models import Operator
    from tests.web.pages import enter

    Operator.objects.all().delete()
    client: Client = enter("iva", "engineering")
    address = reverse("plan", args=[number])
    opened = client.get(address, follow=True)
    if opened.status_code != 200 or b"The plan" not in opened.content:
        raise RuntimeError(f"{address}: {opened.status_code}")
    found = re.search(r"after=(\d+)", opened.content.decode())
    asked = {
        "opened": "",
        "all": "?action=all",
        "to create": "?action=create",
        "to skip": "?action=skip",
        "cannot": "?action=cannot",
        "nobody": "?action=update",
        "one reason": "?reason=unknown-attribute",
        "a seldom reason": "?action=skip&reason=federated",
        "second stretch": f"?after={found[1] if found else 50}",
        "a name": "?q=person4711",
    }
    for what, query in asked.items():
        times, busy = [], []
        for _ in range(TIMES):
            began, at = time.perf_counter(), time.process_time()
            client.get(address + query)
            times.append((time.perf_counter() - began) * 1000)
            busy.append((time.process_time() - at) * 1000)
        took, worked = statistics.median(times), statistics.median(busy)
        print(f"  page, {what}: {took:,.0f} ms, {worked:,.0f} ms of our processor", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ledger", description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--there", type=int, default=0, help="how many of them are in the pool")
    parser.add_argument("--folder", help="where the backup and the database are, and stay")
    parser.add_argument("--page", type=int, help="only the page of this job, of a folder that stayed")
    told = parser.parse_args()
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    print(f"{cores} cores, load {load:.1f} before it began; Python {sys.version.split()[0]}", flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as passing:
        folder = Path(told.folder or passing)
        folder.mkdir(exist_ok=True)
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/bench.sqlite3")
        os.environ |= {
            "SECRET_KEY": "a-key-of-the-bench-alone",
            "SEAL_KEY": "a-seal-of-the-bench-alone",
            "DJANGO_SETTINGS_MODULE": "cognito_admin.settings",
            "POOL_REGIONS": "eu-west-1",
            "LOGIN_GROUPS": "engineering",
            "RESTORE_GROUPS": "engineering",
            "ALLOWED_HOSTS": "testserver",
            "LOG_LEVEL": "ERROR",
        }
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        if not (folder / KEY).exists():
            write(folder / KEY, map(person, range(told.users)))
        pages(told.page or planned(folder, told.users, told.there))


if __name__ == "__main__":
    main()
