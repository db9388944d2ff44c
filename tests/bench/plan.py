"""``python -m tests.bench.plan``: a restore's plan, from both sides read to the last row of the ledger.

    job       10,000 users of a backup against an empty pool, as a worker makes it: read, planned, kept in
              SQLite; wanted: <= 5 s after reading
    million   1,000,000 lines by core.plan alone, from a sealed backup on this host: against an empty pool,
              against one that holds the first half of them, written over there, and against one that holds
              them all; wanted: <= 400 MB each

Each is a process of its own, so that its peak is the plan's. Figures are printed, never asserted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from backups.core.snapshot import Entry
from tests.bench.compare import KEYS, Folder, Silent, entry, peak, write
from tests.build import facts, seal

HOWS = {"empty": 0, "half": 0.5, "overwrite": 0.5, "whole": 1}  # -> of everybody, who is in the pool


def people(users: int, name: str = "Person") -> Iterator[Entry]:
    return (entry(f"person{number}@uni.example", f"{name} {number}") for number in range(users))


# --- by a worker -------------------------------------------------------------------------------------


def by_a_worker(users: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        os.environ |= {
            "SECRET_KEY": "a-key-of-the-bench-alone",
            "SEAL_KEY": "a-seal-of-the-bench-alone",
            "DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3",
            "DJANGO_SETTINGS_MODULE": "cognito_admin.settings",
            "POOL_REGIONS": "eu-west-1",
            "LOG_LEVEL": "WARNING",
        }
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        _planned_by_a_worker(users)


def _planned_by_a_worker(users: int) -> None:
    from backups import actions, catalogue, runner, wiring
    from backups.models import Event, Job, Pool
    from tests.fakes import FakePool, FakeStore

    pool, store = FakePool(), FakeStore()
    wiring.store = lambda environment="production": store
    wiring.pool = lambda region, pool_id, *share: pool
    wiring.find_pools = lambda region: [pool.facts()]
    catalogue.look_at_pools()
    who = actions.Actor("terminal:bench", "bench", terminal=True)
    row = Pool.objects.get()
    for number in range(users):
        pool.add(f"person{number}@uni.example", name=f"Person {number}", groups=["members"])
    made = runner.run(actions.start_backup(who, row).pk)
    if made is None or made.state != "done":
        raise RuntimeError(f"no backup was made: {made and made.sentence}")
    pool.entries.clear()
    pool.memberships["members"].clear()
    asked = actions.plan_restore(who, str(made.result["key"]), row)
    began, busy = time.perf_counter(), time.process_time()
    job: Job | None = runner.run(asked.pk)
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    if job is None or job.state != "planned" or job.finished_at is None:
        raise RuntimeError(f"nothing was planned: {job and job.sentence}")
    planning = Event.objects.filter(job=job, kind="phase", data__phase="Planning").latest("pk")
    after = (job.finished_at - planning.at).total_seconds()
    print(
        f"  job: {job.result['create']:,} to create into an empty pool: {after:.1f} s after reading, "
        f"{seconds:.1f} s in all, {busy:.1f} s of a processor; peak {peak():,.0f} MB",
        flush=True,
    )


# --- by core.plan alone ------------------------------------------------------------------------------


def alone(folder: str, how: str, users: int) -> None:
    from backups.core import plan
    from backups.core.choices import Choices, Existing, Guard
    from backups.core.matching import Index, Rules
    from backups.core.plan import Counts
    from backups.engine.reading import gathered, read_backup

    pool, report = facts(), Silent()
    over = Choices(existing=Existing.OVERWRITE, guards=frozenset(Guard))
    choices = over if how == "overwrite" else Choices()
    name = "Somebody else" if how == "overwrite" else "Person"
    with (
        read_backup(Folder(folder), KEYS[0], report, "backup", beside=True, seal=seal) as backup,
        gathered("live", pool) as live,
    ):
        for one in people(round(users * HOWS[how]), name):
            live.keep(one)
        live._file.flush()
        live._marks.flush()
        before, counts = peak(), Counts()
        began, busy = time.perf_counter(), time.process_time()
        index = Index(Rules.of(pool), at=live.at)
        for (_, place), user in zip(live.marks(), live.users(), strict=True):
            index.add(user, place)
        at = "2026-11-22T01:00:00.000Z"
        for line in plan.lines(backup.users, index, pool, choices=choices, taken_at=at):
            counts.note(line)
        seconds, busy = time.perf_counter() - began, time.process_time() - busy
    print(
        f"  {how}: {counts.create:,} to create, {counts.update:,} to update, {counts.skip:,} to skip in "
        f"{seconds:.1f} s, {busy:.1f} s of a processor; peak {peak():,.0f} MB, {before:,.0f} at first",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.plan", description=__doc__)
    parser.add_argument("--users", type=int, default=10_000, help="of the job; 0: not this part")
    parser.add_argument("--million", type=int, default=1_000_000, help="how many; 0: not this part")
    parser.add_argument("--job", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.job:
        by_a_worker(told.users)
        return
    if told.alone:
        folder, how = told.alone
        alone(folder, how, told.million)
        return
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    print(f"{cores} cores, load {load:.1f} before it began; Python {sys.version.split()[0]}", flush=True)
    command = [sys.executable, "-m", "tests.bench.plan", "--users", str(told.users)]
    if told.users:
        subprocess.run([*command, "--job"], check=True)
    if told.million:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            write(Path(folder, KEYS[0]), people(told.million))
            for how in HOWS:
                subprocess.run([*command, "--million", str(told.million), "--alone", folder, how], check=True)


if __name__ == "__main__":
    main()
