"""One user's history: 365 backups of 10,000 users, indexed one by one, and the page; a million users once.

    a bucket in memory -> the catalogue's row -> backups.history.index -> SQLite, or DATABASE_URL

Each backup differs from the one before in ``--changed`` users: most in an attribute, some in the e-mail, a
few come and go. What the bucket's answers cost in waiting is not in these figures.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

POOL = "biomage-user-pool-case-insensitive-production"
FIRST = datetime(2025, 11, 22, 1, tzinfo=UTC)
LONGEST_PAGE = 0.300  # seconds
MILLION = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.history")
    parser.add_argument("--backups", type=int, default=365)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument(
        "--changed", type=int, default=20, help="users who differ from the backup before (20)"
    )
    parser.add_argument("--million", action="store_true", help="one backup of 1,000,000 users as well")
    args, _ = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{Path(folder) / 'bench.sqlite3'}")
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        import django

        django.setup()
        from django.db import connection
        from django.test.utils import setup_databases, teardown_databases

        made = setup_databases(verbosity=0, interactive=False)  # a database of its own on either server
        try:
            print(f"One user's history, {connection.vendor}:")
            # The million first: the highest memory of a process never falls again.
            for line in chain(million() if args.million else (), run(args.backups, args.users, args.changed)):
                print(f"  {line}", flush=True)
        finally:
            teardown_databases(made, verbosity=0)


def run(backups: int, users: int, changed: int) -> Iterator[str]:
    from backups import history, wiring
    from backups.models import Backup, IndexedBackup, Shard
    from tests.fakes import FakeStore

    store = FakeStore()
    wiring.store = lambda environment="production": store
    chance = random.Random(7)
    people = [entry(number) for number in range(users)]
    asked = people[users // 2]["Attributes"][1]["Value"]
    took: list[float] = []
    for day in range(backups):
        took.append(index(store, FIRST + timedelta(days=day), people))
        change(people, chance, changed)
        if day % 30 == 0:  # somebody whose history is long
            set_attribute(people[users // 2], "name", f"Called {day}")
    took.sort()
    shards, rows = Shard.objects.count(), IndexedBackup.objects.count()
    yield f"{backups:,} backups of {users:,} users, {changed:,} of them changed from one to the next"
    yield (
        f"index one backup: {took[len(took) // 2]:.2f} s in the middle, {took[-1]:.2f} s at most "
        f"(read, cut, write); {size() / 1e6:.1f} MB in {rows:,} + {shards:,} rows"
    )
    client = signed_in()
    for what, ask in (
        ("seen(), by e-mail", lambda: history.seen(POOL, asked)),
        ("history(), by e-mail", lambda: history.history(POOL, asked)),
        ("the page, by e-mail", lambda: page(client, asked)),
        ("the page, by sub", lambda: page(client, people[users // 2]["Username"])),
        ("the page, of nobody", lambda: page(client, "nobody@uni.example")),
    ):
        times = []
        for _ in range(7):
            began = time.perf_counter()
            ask()
            times.append(time.perf_counter() - began)
        middle, most = sorted(times)[3], max(times)
        verdict = ""
        if what.startswith("the page"):
            verdict = "  ok" if middle <= LONGEST_PAGE else f"  OVER {LONGEST_PAGE * 1000:.0f} ms"
        yield f"{what:<24}{middle * 1000:>7.0f} ms in the middle, {most * 1000:.0f} at most{verdict}"
    Backup.objects.filter(pool_name=POOL).order_by("taken_at")[:1].get().delete()
    began = time.perf_counter()
    history.forget()
    yield f"forget one backup: {(time.perf_counter() - began) * 1000:.0f} ms"


def million() -> Iterator[str]:
    """One backup of a million users, and again with 2,000 of them changed; the bucket lies on the disk."""
    from backups import history, wiring
    from backups.models import Backup, IndexedPool

    def people(day: int) -> Iterator[dict[str, Any]]:
        for number in range(MILLION):
            person = entry(number)
            if day and number % 500 == 0:
                set_attribute(person, "name", f"Called {day}")
            yield person

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        store: Any = on_disk(Path(folder))
        wiring.store = lambda environment="production": store
        before = size()
        for what, day in (("1,000,000 users", 0), ("again, 2,000 changed", 1)):
            at, resident = FIRST + timedelta(days=1000 + day), peak_from_here()
            took = index(store, at, people(day))
            grown = (size() - before) / 1e6
            yield f"{what}: {took:.1f} s, {resident():+,} MB at the peak, {grown:.1f} MB of index"
            before = size()
    began = time.perf_counter()
    told = history.history(POOL, entry(MILLION // 2)["Username"])
    took = (time.perf_counter() - began) * 1000
    IndexedPool.objects.all().delete()
    Backup.objects.all().delete()
    yield f"history() over {told.backups:,} of a million users each: {took:.0f} ms"


def index(store: Any, at: datetime, people: Iterable[dict[str, Any]]) -> float:
    """Seconds. The object goes again: 365 of them are more than a machine's memory."""
    from backups import history
    from backups.core import naming
    from backups.core.files import write_users
    from backups.models import Backup

    key = naming.key_of(at, POOL)
    write = getattr(store, "write", lambda key, chunks: store.plant(key, b"".join(chunks)))
    write(f"{key}/data.json", write_users(people))
    row = Backup.objects.create(
        key=key, pool_name=POOL, taken_at=at, state="users-only", made_by="cbr", fingerprint=key[:19]
    )
    began = time.perf_counter()
    assert history.index(row)
    took = time.perf_counter() - began
    del store.objects[f"{key}/data.json"]
    return took


def on_disk(folder: Path) -> Any:
    """A FakeStore whose objects lie in files, so that they are not in the figures of memory."""
    from tests.fakes import FakeStore

    class OnDisk(FakeStore):
        def write(self, key: str, chunks: Iterable[bytes]) -> None:
            with (folder / "object").open("wb") as file:
                file.writelines(chunks)
            self.plant(key, b"")

        def open(self, key: str) -> Iterator[bytes]:
            with (folder / "object").open("rb") as file:
                while chunk := file.read(self.chunk):
                    yield chunk

    return OnDisk()


def entry(number: int) -> dict[str, Any]:
    sub = str(uuid.uuid5(uuid.NAMESPACE_URL, str(number)))
    attributes = {
        "sub": sub,
        "email": f"person{number}@uni{number % 97}.example",
        "email_verified": "true",
        "name": f"Person {number}",
        "custom:institution": f"University {number % 311}",
        "custom:agreed_terms": "true",
    }
    return {
        "Username": sub,
        "Attributes": [{"Name": name, "Value": value} for name, value in attributes.items()],
        "UserCreateDate": (FIRST - timedelta(seconds=number % 10**7 * 7)).isoformat(),
        "UserLastModifiedDate": FIRST.isoformat(),
        "Enabled": True,
        "UserStatus": "CONFIRMED",
    }


def change(people: list[dict[str, Any]], chance: random.Random, changed: int) -> None:
    for turn in range(changed):
        number = chance.randrange(len(people))
        if number == len(people) // 2:
            continue
        if turn % 10 == 0:
            people[number] = entry(len(people) + chance.randrange(10**9))
        elif turn % 10 == 1:
            set_attribute(people[number], "email", f"moved{chance.randrange(10**9)}@uni.example")
        else:
            set_attribute(people[number], "custom:institution", f"University {chance.randrange(10**6)}")


def set_attribute(person: dict[str, Any], name: str, value: str) -> None:
    for attribute in person["Attributes"]:
        if attribute["Name"] == name:
            attribute["Value"] = value


def page(client: Any, asked: str) -> None:
    response = client.get("/history/", {"pool": POOL, "user": asked})
    assert response.status_code == 200, response.status_code


def signed_in() -> Any:
    from typing import cast

    from django.conf import settings

    from backups import wiring
    from tests.web.conftest import RememberingIam
    from tests.web.pages import enter

    settings.ALLOWED_HOSTS = ["testserver"]
    wiring.identity = cast(Any, RememberingIam)
    return enter("iva", "engineering")


def size() -> int:
    """Bytes of the index's tables, with their own indexes."""
    from django.db import connection

    from backups.models import IndexedBackup, Shard

    tables = [model._meta.db_table for model in (IndexedBackup, Shard)]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT SUM(pg_total_relation_size(t::regclass)) FROM unnest(%s::text[]) t", [tables]
            )
        else:
            names = "SELECT name FROM sqlite_schema WHERE tbl_name IN (%s, %s)"
            cursor.execute(f"SELECT SUM(pgsize) FROM dbstat WHERE name IN ({names})", tables)  # noqa: S608
        return int(cursor.fetchone()[0] or 0)


def peak_from_here() -> Any:
    """A function that says by how many MB the process grew at its highest since now."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return lambda: (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024


if __name__ == "__main__":
    main()
