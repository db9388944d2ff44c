"""The sides of a comparison and the source of a plan: a backup's key, ``live:<pool id>``, ``file:<path>``."""

from __future__ import annotations

from dataclasses import dataclass

from backups import catalogue, seal, wiring
from backups.core import naming
from backups.core.preflight import Source
from backups.core.snapshot import PoolFacts, in_utc, iso
from backups.engine.live import read_pool
from backups.engine.ports import Cause, PortError, Report
from backups.engine.reading import Reading, read_backup, read_file
from backups.models import Pool, database_now
from backups.runner.words import Refusal

LIVE, FILE = "live:", "file:"


@dataclass(frozen=True, slots=True)
class Side:
    """One side that was read."""

    name: str  # as it was asked for
    label: str  # for a person
    reading: Reading
    pool_name: str = ""
    pool_id: str = ""
    gone: bool = False  # the live pool does not exist: AWS said so while it was to be read


def read_side(name: str, report: Report, counter: str, *, beside: bool = False) -> Side:
    """Raises Unreadable, PortError, Refusal.

    ``beside``: settings and second factors too, where there are some; and a live pool that is gone is a
    side with nobody in it, which without is an error.
    """
    if name.startswith(LIVE):
        pool = live_pool(name.removeprefix(LIVE))
        said = name, f"{pool.name}, live"
        try:
            reading = read_pool(wiring.pool(pool.region, pool.pool_id), report, counter, settings=beside)
        except PortError as error:
            if not beside or error.cause is not Cause.GONE:
                raise
            return Side(*said, Reading.nothing(name), pool.name, pool.pool_id, gone=True)
        return Side(*said, reading, pool.name, pool.pool_id)
    if name.startswith(FILE):
        path = name.removeprefix(FILE)
        return Side(name, path.rpartition("/")[2], read_file(path, report, counter))
    key = parse(name)
    vouching = seal.seal if beside else None
    reading = read_backup(catalogue.store_at(key), key.key, report, counter, beside=beside, seal=vouching)
    pool_id = reading.manifest.pool_id if reading.manifest else ""
    return Side(name, key.key, reading, key.pool_name, pool_id)


def parse(key: str) -> naming.Key:
    parsed = naming.parse(key)
    if parsed is None:
        raise Refusal(f"{key} is not the key of a backup. Keys look like 2026-11-22.01-00-00/<pool name>.")
    return parsed


def live_pool(pool_id: str) -> Pool:
    pool = Pool.objects.filter(pool_id=pool_id).first()
    if pool is None:
        raise Refusal(f"No pool {pool_id} was seen in the configured Regions.")
    return pool


def facts_for(*pool_names: str) -> PoolFacts | None:
    """How the live pool of one of these names tells its users apart; None when none answers."""
    for name in filter(None, pool_names):
        pool = Pool.objects.filter(name=name, presence=Pool.Presence.THERE).first()
        if pool is None:
            continue
        try:
            return wiring.pool(pool.region, pool.pool_id).facts()
        except PortError:
            continue
    return None


def taken_at(name: str, reading: Reading) -> str:
    """When a backup or file was made, as comparable text; "" where nobody knows.

    A file from elsewhere does not say: the last time that anybody in it was made or changed will do.
    """
    if not name.startswith(FILE) and not (key := parse(name)).upload:
        return iso(key.taken_at)
    now = iso(database_now())
    dates = (in_utc(text) for user in reading.users() for text in (user.created, user.modified))
    return max((date for date in dates if date <= now), default="")


def source_of(name: str, reading: Reading) -> Source:
    """What the backup says it is, for preflight."""
    if name.startswith(FILE):
        return Source("")
    key = parse(name)
    manifest = reading.manifest
    if manifest is None:
        return Source(key.pool_name)
    row = catalogue.note_one(key.key)
    return Source(
        manifest.pool_name,
        manifest.region,
        manifest.account,
        checked=row.checked,
        origin=row.origin,
        has_groups=True,
    )
