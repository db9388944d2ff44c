"""``make bench-compare``: two sides compared, a person's history, the last good backup.

    million     1,000,000 users x 1,000,000, 1 % changed, both in files on this host, reading included,
                beside ``sort | comm``, which finds lines that differ and no field; wanted: <= 15 s, <= 300 MB
    bucket      10,000 x 10,000 from ministack's S3 by a real worker; wanted: first counts within 1 s after
                the data is read
    live        tests.bench.live: a backup of 10,000 with the live pool at 100 ms; wanted: <= 15 s in all
    find        tests.bench.find: the last good of 365 backups; wanted: at most 9 of them read
    history     tests.bench.history: one user over 365 backups of 10,000 users; wanted: <= 300 ms

Figures are printed, never asserted.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from backups.core.diff import Choices, Counts
from backups.core.files import (
    Hashing,
    signed_bytes,
    write_groups,
    write_manifest,
    write_settings,
    write_users,
)
from backups.core.matching import Rules
from backups.core.snapshot import Entry, Manifest, Part
from backups.engine.compare import compare
from backups.engine.ports import Stored
from backups.engine.reading import read_backup
from tests.build import an_entry, seal
from tests.fakes import FakeReport, FakeStore

KEYS = ("2026-11-21.01-00-00/bench", "2026-11-22.01-00-00/bench")
OTHERS = ("live", "find", "history")


class Silent(FakeReport):
    """Keeps no list of what it is told."""

    def count(self, **counters: int) -> None: ...
    def keep_going(self) -> None: ...


def people(users: int, *, changed: bool) -> Iterator[Entry]:
    """Of ``changed`` ones 1 % differ: a third are gone and others there, the rest have another name."""
    for number in range(users):
        name = f"Person {number}"
        if changed and number % 100 == 0:
            if number % 300 == 0:
                yield entry(f"new{number}@uni.example", name)
                continue
            name = "Somebody else"
        yield entry(f"person{number}@uni.example", name)


def entry(email: str, name: str) -> Entry:
    return an_entry(
        email,
        name=name,
        custom_institution="University of Somewhere",
        custom_agreed_terms="true",
        custom_agreed_emails="true",
    )


def million(users: int) -> None:
    print(f"\n{users:,} users x {users:,}, 1 % changed", flush=True)
    with tempfile.TemporaryDirectory(prefix="ca-") as folder:
        for key, changed in zip(KEYS, (False, True), strict=True):
            write(Path(folder, key), people(users, changed=changed))
        # A process of its own, so that its peak is the comparison's.
        for how in ("--sealed", "--strange"):
            command = [sys.executable, "-m", "tests.bench.compare", how, folder]
            subprocess.run(command, check=True)
        for key in KEYS:
            Path(folder, key, "manifest.json").unlink()
        names = [Path(folder, key, "data.json") for key in KEYS]
        script = "sort -o $1.sorted $1; sort -o $2.sorted $2; comm -3 $1.sorted $2.sorted | wc -l"
        start = time.perf_counter()
        told = subprocess.run(
            ["/bin/sh", "-euc", script, "sh", *map(str, names)],
            env={**os.environ, "LC_ALL": "C"},
            stdout=subprocess.PIPE,
            check=True,
        )
        seconds = time.perf_counter() - start
        print(f"  sort | comm: {seconds:.1f} s, {int(told.stdout):,} lines on one side alone", flush=True)


def write(folder: Path, entries: Iterable[Entry]) -> None:
    """A backup of ours: users, no group, no setting, and a manifest with its seal."""
    folder.mkdir(parents=True)
    users = 0

    def counted() -> Iterator[Entry]:
        nonlocal users
        for users, entry in enumerate(entries, 1):  # noqa: B007
            yield entry

    parts = []
    chunks = {"pool.json": [write_settings({})], "groups.json": [write_groups([])]}
    for name, written in {**chunks, "data.json": write_users(counted())}.items():
        hashed = Hashing(written)
        with (folder / name).open("wb") as out:
            out.writelines(hashed)
        parts.append(Part(name, hashed.size, hashed.sha256, users if name == "data.json" else 0))
    at = "2026-11-22T01:00:00.000Z"
    manifest = Manifest(
        "p", "bench", "", "", at, at, "bench", "person", "bench", users, 0, 0, parts=tuple(parts)
    )
    (folder / "manifest.json").write_bytes(write_manifest(manifest, seal(signed_bytes(manifest))))


class Folder(FakeStore):
    """A bucket that is a folder of this host."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = Path(folder)

    def list(self, prefix: str = "", after: str = "") -> Iterator[Stored]:
        for path in sorted((self.folder / prefix).iterdir()):
            yield Stored(f"{prefix}{path.name}", path.stat().st_size, self.clock.now(), "")

    def open(self, key: str, start: int = 0, version: str = "") -> Iterator[bytes]:
        with (self.folder / key).open("rb") as file:
            yield from iter(lambda: file.read(1 << 20), b"")


def compare_folders(folder: str, *, sealed: bool) -> None:
    report, counts, at = Silent(), Counts(), [time.perf_counter()]
    store = Folder(folder)
    with ExitStack() as stack:
        readings = []
        for key in KEYS:
            vouching = seal if sealed else None
            reading = read_backup(store, key, report, "users", beside=True, seal=vouching)
            readings.append(stack.enter_context(reading))
            at.append(time.perf_counter())
        before = peak()
        a, b = readings
        rows = sum(1 for _ in compare(a, b, Choices(Rules(True, False)), report, counts))
        at.append(time.perf_counter())
    print(
        f"  {'sealed by us' if sealed else 'by whomever, each entry looked into'}: read in "
        f"{at[1] - at[0]:.1f} and {at[2] - at[1]:.1f} s, compared in {at[3] - at[2]:.1f} s; "
        f"{at[3] - at[0]:.1f} s in all\n"
        f"    {rows:,} differ, {counts.same:,} are the same; peak {peak():,.0f} MB, {before:,.0f} at first",
        flush=True,
    )


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.compare", description=__doc__)
    parser.add_argument("--million", type=int, default=1_000_000, help="how many; 0: not this part")
    parser.add_argument("--sealed", help=argparse.SUPPRESS)
    parser.add_argument("--strange", help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=("million", *OTHERS), help="this part alone")
    told = parser.parse_args()
    if told.sealed or told.strange:
        compare_folders(told.sealed or told.strange, sealed=bool(told.sealed))
        return
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    print(f"{cores} cores, load {load:.1f} before it began; Python {sys.version.split()[0]}", flush=True)
    if told.million and told.only in (None, "million"):
        million(told.million)
    for other in OTHERS:
        if told.only in (None, other):
            print(flush=True)
            subprocess.run([sys.executable, "-m", f"tests.bench.{other}"], check=True)


if __name__ == "__main__":
    main()
