"""``python -m tests.bench.live``: a backup compared with its live pool, as a worker does it.

    ministack's S3 ──────────────────────────────────────────┐
    stand-in (AWS's default quotas, full pages, 100 ms) ─────┴-> worker --> what differs

A real Celery worker with Valkey and SQLite; times are of the job's own events. 10,000 users in 10 groups of
1,000, memberships and settings included, with all of the quota. Wanted: <= 15 s in all, and the first
counts <= 1 s after the data is read. 10,000 users and as many memberships are some 340 pages: at 30 a second
nobody reads them in less than 11 s. Times are printed, never asserted; who differs is.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests import servers
from tests.bench.backup import Bench
from tests.servers import Server

CHANGED = 25  # users who were disabled since, and as many who were deleted


@dataclass(frozen=True)
class Compared:
    whole: float  # s: the job, from its lease to its end
    phases: list[tuple[str, float]]  # its phases, s
    counts: float  # s: from the last phase, when both sides are read, to the first count of what differs
    calls: dict[str, int]  # of Cognito, by operation
    throttled: int
    result: dict[str, Any]


def compared(bench: Bench, key: str, pool: str, worker: Server) -> Compared:
    from backups.models import Event

    row = {"region": servers.REGION, "pool_id": pool, "pool_name": pool}
    bench.standin.clear_books()
    job = bench.job("compare", worker, params={"from": key, "to": f"live:{pool}"}, **row)
    assert job.started_at and job.finished_at
    told = list(Event.objects.filter(job=job).order_by("pk"))
    begun = [(event.data["phase"], event.at) for event in told if event.kind == "phase"]
    ends: list[datetime] = [*(at for _, at in begun[1:]), job.finished_at]
    read = begun[-1][1]
    first = next((e.at for e in told if e.at > read and e.kind == "count" and _differs(e.data)), None)
    books = bench.standin.books()
    return Compared(
        whole=(job.finished_at - job.started_at).total_seconds(),
        phases=[(name, (end - at).total_seconds()) for (name, at), end in zip(begun, ends, strict=True)],
        counts=((first or job.finished_at) - read).total_seconds(),
        calls=books["done"],
        throttled=sum(books["throttled"].values()),
        result=job.result,
    )


def _differs(counters: dict[str, int]) -> bool:
    return bool(counters.keys() & {"only_from", "only_to", "changed", "same"})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.live", description=__doc__)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--groups", type=int, default=10, help="everybody is in one of them")
    parser.add_argument("--latency", type=float, default=0.1, help="seconds a call")
    parser.add_argument("--share", type=float, default=1.0, help="of the quotas")
    told = parser.parse_args()
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    print(f"{cores} cores, load {load:.1f} before it began; Python {sys.version.split()[0]}", flush=True)
    with ExitStack() as stack:
        bench = Bench(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ca-"))), stack)
        pool = bench.pool(told.users, groups=told.groups)
        key = prepared(bench, pool)
        with bench.worker(told.share) as worker:
            bench.calm(told.latency)
            found = compared(bench, key, pool, worker)
    print(
        f"\n{told.users:,} users in {told.groups} groups against their backup, share {told.share:.1f}, "
        f"{told.latency * 1000:.0f} ms a call\n  in all {found.whole:.1f} s; first counts "
        f"{found.counts:.2f} s after the data is read; {found.throttled} calls throttled"
    )
    for name, seconds in found.phases:
        print(f"  {name:<28}{seconds:>7.2f} s")
    print("  calls: " + ", ".join(f"{name} {count}" for name, count in sorted(found.calls.items())))
    for part in ("users", "groups", "memberships", "settings"):
        print(f"  {part}: {found.result[part]}", flush=True)
    users = found.result["users"]
    if (users["changed"], users["only_from"], users["only_to"]) != (CHANGED, CHANGED, 0):
        raise RuntimeError(f"{CHANGED} were disabled and {CHANGED} deleted; found was {users}")


def prepared(bench: Bench, pool: str) -> str:
    """The key of the pool's backup; some of its users are not what they were any more."""
    from backups.models import Backup, Pool

    idp = bench.cloud.root("cognito-idp")
    for name in ("web", "api"):
        idp.create_user_pool_client(UserPoolId=pool, ClientName=name, GenerateSecret=name == "api")
    with bench.worker(1.0) as worker:
        bench.calm(quotas=False)
        bench.backup(pool, worker)
    there = Pool.Presence.THERE
    Pool.objects.get_or_create(pool_id=pool, region=servers.REGION, name=pool, defaults={"presence": there})
    enabled = [user for user in bench.standin.users(pool) if user["Enabled"]]
    for number, user in enumerate(enabled[: 2 * CHANGED]):
        change = idp.admin_disable_user if number % 2 else idp.admin_delete_user
        change(UserPoolId=pool, Username=user["Username"])
    return Backup.objects.get(pool_id=pool, state=Backup.State.COMPLETE).key


if __name__ == "__main__":
    main()
