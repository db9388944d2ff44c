"""``python -m tests.bench.find``: find-last-good over 365 backups of 10,000 users, of which nothing is known.

    ministack's S3, a whole backup of ours a day --> the job as a terminal runs it --> SQLite

One user vanishes in the middle; another one is there to the end, and a third never was. Nothing is indexed,
so each answer is read. Wanted: at most 9 reads. Figures are printed, never asserted.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests import servers

BUCKET = "bench-backups"
POOL = "biomage-user-pool-case-insensitive-production"
GONE, STAYS, NEVER = "person7@uni.example", "person8@uni.example", "nobody@uni.example"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.find")
    parser.add_argument("--backups", type=int, default=365, help="one a day (365)")
    parser.add_argument("--users", type=int, default=10_000, help="in each of them (10,000)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with servers.running(servers.ministack(folder), servers.valkey(folder)) as (aws, broker):
            os.environ |= {
                "SECRET_KEY": "a-key-of-the-bench-alone",
                "SEAL_KEY": "a-seal-of-the-bench-alone",
                **aws.env,
                **broker.env,
                "DATABASE_URL": f"sqlite:///{folder / 'bench.sqlite3'}",
                "DJANGO_SETTINGS_MODULE": "cognito_admin.settings",
                "BACKUP_BUCKET": BUCKET,
                "POOL_REGIONS": servers.REGION,
                "LOG_LEVEL": "WARNING",
            }
            import django

            django.setup()
            from django.core.management import call_command

            call_command("migrate", verbosity=0)
            fill(servers.Cloud(aws, aws).root("s3"), args.backups, args.users)
            bound = math.ceil(math.log2(args.backups + 1))
            print(f"{args.backups:,} backups of {args.users:,} users; wanted: at most {bound} reads")
            for line in run():
                print(line, flush=True)


def run() -> Iterator[str]:
    """A line for each search, after the catalogue has learnt of the backups."""
    from backups import actions, catalogue, runner
    from backups.models import Backup, Job

    began = time.perf_counter()
    catalogue.look_at_bucket(whole=True)
    yield f"  {Backup.objects.count():,} in the catalogue after {time.perf_counter() - began:.1f} s"
    who = actions.Actor("terminal:bench", "bench", terminal=True)
    for what, email in (
        ("vanishes in the middle", GONE),
        ("is there to the end", STAYS),
        ("never was", NEVER),
    ):
        began = time.perf_counter()
        job: Job | None = runner.run(actions.start_find(who, POOL, "user", name=email).pk)
        seconds = time.perf_counter() - began
        if job is None or job.state != "done":
            raise RuntimeError(f"the search ended as {job and job.state}: {job and job.sentence}")
        found = job.result
        pair = f", {found['good']['at'][:10]} and {found['bad']['at'][:10]}" if "good" in found else ""
        yield (
            f"  one who {what:<24}{found['read']:>3} read, {found['known']} known{seconds:>8.2f} s"
            f"   {found['answer']}{pair}"
        )


def fill(s3: Any, backups: int, users: int) -> None:
    """A backup a day, the newest of yesterday. Two sets of objects, copied under every key."""
    from backups import seal
    from backups.core import naming
    from backups.core.files import read_manifest, signed_bytes, write_manifest
    from backups.core.snapshot import iso
    from tests.build import a_backup
    from tests.fakes import FakePool, FakeStore

    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": servers.REGION})
    made = []
    for name, everybody in (("with", True), ("without", False)):
        pool, shelf = FakePool(), FakeStore()
        for number in range(users):
            if everybody or number != 7:
                pool.add(f"person{number}@uni.example", name=f"Person {number}", custom_institution="Kestrel")
        a_backup(shelf, pool, key=f"2026-01-01.00-00-00/{name}")
        parts = {key.rpartition("/")[2]: shelf.read(key) for key in shelf.keys}
        manifest, _ = read_manifest([parts.pop(naming.MANIFEST)])
        for part, body in parts.items():
            s3.put_object(Bucket=BUCKET, Key=f"notes/{name}/{part}", Body=body)
        made.append((name, manifest, tuple(parts)))
    newest = datetime.now(UTC).replace(hour=1, minute=0, second=0, microsecond=0) - timedelta(days=1)

    def put(number: int) -> None:
        name, manifest, parts = made[number >= backups // 2]
        at = newest - timedelta(days=backups - 1 - number)
        key = naming.key_of(at, POOL)
        for part in parts:
            source = {"Bucket": BUCKET, "Key": f"notes/{name}/{part}"}
            s3.copy_object(Bucket=BUCKET, Key=f"{key}/{part}", CopySource=source)
        mine = replace(manifest, key=key, pool_name=POOL, started=iso(at), finished=iso(at))
        signed = write_manifest(mine, seal.seal(signed_bytes(mine)))
        s3.put_object(Bucket=BUCKET, Key=f"{key}/{naming.MANIFEST}", Body=signed)

    with ThreadPoolExecutor(4) as threads:
        for _ in threads.map(put, range(backups)):
            pass


if __name__ == "__main__":
    main()
