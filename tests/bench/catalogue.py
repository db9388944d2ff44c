"""``make bench-catalogue``: 10,000 backups of four objects in one bucket, and the looks at them.

    a bucket in memory, each call of it --milliseconds long --> the catalogue's looks --> SQLite --> the page

Beside the backups lie strangers' files, and deleted backups behind their markers. What an answer of S3's
costs in work (0.8 ms of CPU a call) is not in these figures; what it costs in waiting is. One call after
another, a first look at 10,000 backups would take 10,000 times three answers: 15 minutes at 30 ms.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

PAGE = 1000
POOLS = ("biomage-user-pool-case-insensitive-production", "biomage-user-pool-case-insensitive-staging")
STRANGERS, DELETED = 2_000, 500


@dataclass(frozen=True)
class Figure:
    what: str
    seconds: float
    calls: int
    queries: int
    resident: int  # MB, the highest so far


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.catalogue")
    parser.add_argument("--backups", type=int, default=10_000, help="how many, of four objects each (10,000)")
    parser.add_argument("--milliseconds", type=float, default=30, help="how long a call takes (30)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        os.environ["DATABASE_URL"] = f"sqlite:///{Path(folder) / 'bench.sqlite3'}"
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        figures = list(run(args.backups, args.milliseconds / 1000))
    print(
        f"{args.backups:,} backups of 4 objects, {STRANGERS:,} strangers' files, {DELETED:,} deleted backups;"
    )
    print(
        f"{args.milliseconds:g} ms a call of S3's. Seconds, calls, queries, and the process's highest memory:"
    )
    for one in figures:
        print(
            f"  {one.what:<38}{one.seconds:>8.2f} s{one.calls:>9,} calls{one.queries:>8,} queries"
            f"{one.resident:>7,} MB"
        )


def run(backups: int, latency: float) -> Iterator[Figure]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from backups import catalogue, wiring
    from backups.models import Backup, Catalogue, Deleted
    from tests.fakes import FakeStore

    store: FakeStore = slow(latency)
    fill(store, backups)
    wiring.store = lambda environment="production": store

    def measured(what: str, act: Callable[[], Any]) -> Figure:
        calls, began = store.calls.total(), time.perf_counter()
        with CaptureQueriesContext(connection) as queries:
            act()
        seconds = time.perf_counter() - began
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        return Figure(what, seconds, store.calls.total() - calls, len(queries), resident)

    yield measured("nothing yet (the bucket's own bytes)", lambda: None)
    yield measured("whole look, the first one", lambda: catalogue.look_at_bucket(whole=True))
    found = (Backup.objects.count(), Catalogue.row().strangers, Deleted.objects.count())
    assert found == (backups, STRANGERS, DELETED), found
    assert Backup.objects.filter(state="complete", origin="ours").count() == backups
    yield measured("whole look, nothing has changed", lambda: catalogue.look_at_bucket(whole=True))
    yield measured("minute's look, nothing has changed", lambda: catalogue.look_at_bucket(whole=False))
    one_more(store)
    yield measured("minute's look, one new backup", lambda: catalogue.look_at_bucket(whole=False))
    client = _signed_in()

    def page(query: str) -> Callable[[], None]:
        def ask() -> None:
            response = client.get(f"/backups/{query}")
            assert response.status_code == 200
            assert b"50 backups shown" in response.content or "q=" in query

        return ask

    yield measured("page of the backups, the first one", page(""))
    yield measured("page of the backups, again", page(""))
    middle = datetime.now(UTC).date() - timedelta(hours=backups // 4)
    yield measured("page, filtered by pool and day", page(f"?pool={POOLS[0]}&to={middle}&checked=no"))
    yield measured("page, a word that nothing has", page("?q=nothing-of-this-kind"))


def fill(store: Any, backups: int) -> None:
    """Hourly backups of two pools, as the engine writes them, sealed; the newest of them an hour old."""
    from backups import seal
    from backups.core import naming
    from backups.core.files import read_manifest, signed_bytes, write_manifest
    from backups.core.snapshot import iso
    from tests.build import a_backup
    from tests.fakes import FakePool, FakeStore

    sample, pool = FakeStore(), FakePool()
    for number in range(20):
        pool.add(f"person{number}@uni.example", groups=["users"])
    a_backup(sample, pool, key="2026-01-01.00-00-00/sample")
    parts = {key.rpartition("/")[2]: sample.read(key) for key in sample.keys}
    manifest, _ = read_manifest([parts.pop("manifest.json")])
    newest = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    for number in range(backups + DELETED):
        name = POOLS[number % 2]
        at = newest - timedelta(hours=number // 2)
        key = naming.key_of(at, name)
        mine = replace(manifest, key=key, pool_name=name, started=iso(at), finished=iso(at))
        for part, data in parts.items():
            store.plant(f"{key}/{part}", data, modified=at)
        signed = write_manifest(mine, seal.seal(signed_bytes(mine)))
        store.plant(f"{key}/manifest.json", signed, modified=at)
        if number >= backups:
            for part in (*parts, "manifest.json"):
                store.delete(f"{key}/{part}")
    for number in range(STRANGERS):
        store.plant(f"{'logs' if number % 2 else '0-notes'}/{number:06d}.txt", b"x")


def one_more(store: Any) -> None:
    """The same users, a moment ago."""
    from backups.core import naming

    last = max(key for key in store.keys if key.endswith(f"{POOLS[0]}/data.json")).rpartition("/")[0]
    key = naming.key_of(datetime.now(UTC), POOLS[0])
    for one in [one for one in store.keys if one.startswith(f"{last}/")]:
        store.plant(one.replace(last, key), store.read(one))


def _signed_in() -> Any:
    from django.conf import settings

    from backups import wiring
    from tests.web.conftest import RememberingIam
    from tests.web.pages import enter

    settings.ALLOWED_HOSTS = ["testserver"]
    wiring.identity = cast(Any, RememberingIam)
    return enter("iva", "engineering")


def slow(latency: float) -> Any:
    """A FakeStore whose calls take their time, side by side; lists have S3's pages."""
    from tests.fakes import FakeStore

    class Slow(FakeStore):
        def list(self, prefix: str = "", after: str = "") -> Iterator[Any]:
            return self._paged("list", super().list(prefix, after))

        def history(self, prefix: str = "") -> Iterator[Any]:
            return self._paged("history", super().history(prefix))

        def open(self, key: str) -> Iterator[bytes]:
            time.sleep(latency)
            return super().open(key)

        def head(self, key: str) -> Any:
            time.sleep(latency)
            return super().head(key)

        def versions(self, key: str) -> int:
            time.sleep(latency)
            return super().versions(key)

        def _paged(self, name: str, rows: Iterator[Any]) -> Iterator[Any]:
            time.sleep(latency)
            for number, row in enumerate(rows):
                if number and number % PAGE == 0:
                    time.sleep(latency)
                    self.calls[name] += 1
                yield row

    return Slow()


if __name__ == "__main__":
    main()
