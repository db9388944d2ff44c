"""The objects of the buckets as rows of the catalogue: what lies there is the truth, a row is what was read.

    list -> the parts of one backup together -> known by its fingerprint? else read its manifest
         -> a few hundred rows at a time are looked up, read side by side, and written in one transaction

One odd object never stops the look at all others; a bucket that does not answer does.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar, cast

import orjson
import structlog
from django.conf import settings
from django.db import DataError, transaction
from django.db.models import Q
from django.utils import timezone

from backups import seal, storage, wiring
from backups.core import files, naming
from backups.core.lifecycle import ACTIVE
from backups.core.snapshot import ENVIRONMENTS
from backups.engine import check
from backups.engine.ports import BackupStore, Cause, Head, Outcome, PortError, Stored
from backups.engine.reading import parts_of
from backups.models import Backup, Catalogue
from backups.storage import Known

log = structlog.get_logger(__name__)
S = TypeVar("S")
T = TypeVar("T")
RECENT = timedelta(hours=48)  # manifests finish late
ROWS = 256  # looked up, read and written together
LOOKS = 16  # backups that are read side by side: a manifest costs three answers of S3's, and little work
FEW = 8  # so many are read one after another
WHOLE_FILES = threading.Semaphore(2)
"""A backup without a manifest is read from end to end: that is work, and not only waiting."""
_OF_ONE_OBJECT = frozenset({Cause.DENIED, Cause.MISSING, Cause.REFUSED})
"""What says something of one object; any other cause is the bucket's, or ours."""
_DOES_NOT_FIT = "what it says of itself is longer or larger than any backup's"
TRIGGERS = {
    made.value: made for made in (Backup.MadeBy.PERSON, Backup.MadeBy.SCHEDULE, Backup.MadeBy.BEFORE_RESTORE)
}
_READ = (
    *("pool_name", "pool_id", "region", "taken_at", "state", "checked", "origin", "made_by", "made_by_who"),
    *("title", "users", "groups", "memberships", "size", "reason", "manifest", "fingerprint", "weighed"),
    *("modified_at", "expires_at", "may_expire_at", "encryption", "lock", "locked_until", "being_made_by"),
)
"""What a look writes; what people and other looks decided (suggested, kept_as) stays."""
_MOVED = ("modified_at", "expires_at", "may_expire_at")

Parts = dict[str, Stored]


class Silent:
    """A report for what nobody watches."""

    def phase(self, name: str, total: int | None = None) -> None: ...
    def say(self, kind: str, text: str, **data: Any) -> None: ...
    def count(self, **counters: int) -> None: ...
    def intend(self, keys: Sequence[str], step: str = "") -> datetime:
        return wiring.clock().now()

    def outcome(self, outcome: Outcome) -> None: ...
    def keep_going(self) -> None: ...
    def stopping(self) -> bool:
        return False


# --- which bucket -------------------------------------------------------------------------------------


def store_for(pool_name: str) -> BackupStore:
    """The bucket that holds the backups of a pool; an upload ("") lies with production's."""
    return wiring.store(storage.place_for(pool_name))


def kept_store_for(pool_name: str) -> BackupStore:
    """The bucket of its kept copies. Raises PortError, also where none is set."""
    store = wiring.reports_store(storage.place_for(pool_name))
    if store is None:
        raise PortError(storage.OFF, Cause.GONE)
    return store


def store_at(name: naming.Key) -> BackupStore:
    """The bucket in which a key lies."""
    return kept_store_for(name.pool_name) if name.kept else store_for(name.pool_name)


def store_of(backup: Backup) -> BackupStore:
    kept = backup.key.startswith(naming.KEPT)
    return kept_store_for(backup.pool_name) if kept else store_for(backup.pool_name)


def places() -> tuple[str, ...]:
    """The environments whose backups lie in buckets of their own; the first one alone where all share one."""
    return ENVIRONMENTS if _of_each(settings.BACKUP_BUCKET) else ENVIRONMENTS[:1]


def held_in(environment: str) -> Q:
    """Rows whose backups lie in this environment's bucket, kept copies aside."""
    own = ~Q(key__startswith=naming.KEPT)
    if not _of_each(settings.BACKUP_BUCKET):
        return own
    if environment != ENVIRONMENTS[0]:
        return own & _names(environment)
    for other in ENVIRONMENTS[1:]:  # what names none of them lies with production's
        own &= ~_names(other)
    return own


def _names(environment: str) -> Q:
    """As core.snapshot.environment_of reads a pool's name."""
    return Q(pool_name__iendswith=f"-{environment}") | Q(pool_name__iexact=environment)


def _of_each(template: str) -> bool:
    return "{environment}" in template


# --- looking ------------------------------------------------------------------------------------------


def look_at(environment: str, *, whole: bool) -> int:
    """Bring the rows of one bucket up to date: the last 48 hours, or every object.

    Returns how many objects are no part of any backup (of those that were listed). Raises PortError.
    """
    store = wiring.store(environment)
    mine = Backup.objects.filter(held_in(environment))
    after = ""
    if whole:
        told = storage.ask(store)
        several = storage.look_at_versions(store, held_in(environment))
        why = "" if several is not None else _not_told(store)
        told = Known(told.at, told.rules, told.why, told.lock, why)
        storage.remember({store.bucket: told})
        reader = cast(BackupStore, _Counted(store, several or frozenset()))
    else:
        told, reader = storage.known(store.bucket), store
        dated = mine.exclude(made_by=Backup.MadeBy.UPLOAD)
        newest = dated.filter(taken_at__lte=timezone.now()).order_by("-taken_at").first()
        mine = dated.filter(taken_at__gte=newest.taken_at - RECENT) if newest else dated.none()
        if newest is not None:  # a key of tomorrow must not hide today's
            after = naming.key_of(newest.taken_at - RECENT, "")
    listing = _Listing(_objects(store, after, whole=whole))
    seen: set[str] = set()
    while batch := list(islice(listing, ROWS)):
        note(reader, told, batch)
        seen.update(name.key for name, _ in batch)
        if whole:
            Catalogue.objects.filter(pk=1).update(whole_begun_at=timezone.now())
    _forget(store, mine, seen)
    return listing.strangers


def note(
    store: BackupStore,
    told: Known,
    batch: Sequence[tuple[naming.Key, Parts]],
    *,
    fresh: bool = False,
    found: check.Found | None = None,
) -> None:
    """The rows of these backups, read where they are not known. Raises PortError.

    ``fresh``: the parts were listed just now, and for these backups alone. ``found``: what a check has found
    in the one that is named; it stands until the objects change, whoever makes it.
    """
    keys = [name.key for name, _ in batch]
    rows = {
        row.key: row
        for row in Backup.objects.filter(key__in=keys).select_related("being_made_by").defer("manifest")
    }
    due: list[_Due] = []
    moved: list[Backup] = []
    for name, parts in batch:
        row = rows.get(name.key)
        if row is None or found is not None:
            due.append(_Due(name, parts, found=found))
        elif row.fingerprint == fingerprint_of(parts):
            if _moves(row, told, parts):
                moved.append(row)
        elif row.being_made_by is None or row.being_made_by.over:
            due.append(_Due(name, parts, again=not fresh))
        # else its parts are still being put; the job notes it when it ends
    read = [row for row in _side_by_side(lambda one: _look(store, told, one), due) if row is not None]
    with transaction.atomic():
        Backup.objects.bulk_update(moved, _MOVED)
        try:
            with transaction.atomic():
                _write(read)
            return
        except (ValueError, OverflowError, DataError):
            pass  # one of them
    for one in read:
        try:
            with transaction.atomic():
                _write([one])
        except (ValueError, OverflowError, DataError) as error:  # it must not stop the look at all others
            log.warning("a backup does not fit the catalogue", key=one.key, error=type(error).__name__)
            _write([_stripped(one)])


def fingerprint_of(parts: Parts) -> str:
    facts = sorted((part, stored.size, stored.etag) for part, stored in parts.items())
    # What the key decides is in it too: another SEAL_KEY makes every origin another question.
    # The number: what counts as checked changed once, and everything was looked at again.
    sealed = seal.seal(b"fingerprint 2")
    return hashlib.sha256(repr((facts, sealed)).encode()).hexdigest()


@dataclass(slots=True)
class _Listing:
    """An iterator of (backup's key, its parts). Keys come in order, so that one backup's come together."""

    objects: Iterator[Stored]
    strangers: int = 0
    _name: naming.Key | None = None
    _parts: Parts = field(default_factory=dict)

    def __iter__(self) -> _Listing:
        return self

    def __next__(self) -> tuple[naming.Key, Parts]:
        for stored in self.objects:
            split = naming.split(stored.key)
            if split is None:
                self.strangers += not stored.key.startswith(naming.OWN)
                continue
            name, part = split
            if name == self._name:
                self._parts[part] = stored
                continue
            found, self._name, self._parts = (self._name, self._parts), name, {part: stored}
            if found[0] is not None:
                return found[0], found[1]
        if self._name is None:
            raise StopIteration
        last, self._name = (self._name, self._parts), None
        return last


@dataclass(frozen=True, slots=True)
class _Counted:
    """A store that was walked version by version a moment ago: nobody asks it for each object again."""

    store: BackupStore
    several: frozenset[str]

    def versions(self, key: str) -> int:
        return 2 if key in self.several else 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@dataclass(frozen=True, slots=True)
class _Due:
    name: naming.Key
    parts: Parts
    again: bool = False  # it is known otherwise: its parts are listed once more
    found: check.Found | None = None  # all of it was read: it is not looked at


def _objects(store: BackupStore, after: str, *, whole: bool) -> Iterator[Stored]:
    for stored in store.list(after=after):
        if stored.key.encode() >= naming.OWN.encode():
            break  # our own reports are many; of them only the uploads are backups
        yield stored
    yield from store.list(naming.UPLOADS)
    if whole:  # what sorts after them is no backup's, and is counted
        yield from store.list(after=naming.OWN.removesuffix("/") + "0")


def _not_told(store: BackupStore) -> str:
    return (
        f"{store.bucket} does not tell its versions (s3:ListBucketVersions), so it is not known "
        "whether a deleted backup can be recovered."
    )


def _look(store: BackupStore, told: Known, due: _Due) -> Backup | None:
    """Read one backup, in a thread that touches no database. None: it went while it was looked at.

    Raises PortError for what is the bucket's own trouble.
    """
    name, parts = due.name, due.parts
    fingerprint, about, head = "", dict[str, str](), Head()
    try:
        if due.again:  # its page of the list may be older than the job that finished it
            parts = parts_of(store, name.key)
            if not parts:
                return None
        found = due.found or _found(store, name, parts)
        if name.upload:
            about = _about_upload(store, name.key, parts)
        fingerprint = fingerprint_of(parts)
    except PortError as error:
        if error.cause not in _OF_ONE_OBJECT:
            raise
        found = check.Found("unreadable", reason=str(error))  # asked again at the next look
    else:
        head = _head(store, name, parts)
    return _row(name, parts, fingerprint, found, about, head, told)


def _found(store: BackupStore, name: naming.Key, parts: Parts) -> check.Found:
    def look() -> check.Found:
        return check.look(store, name.key, parts, Silent(), seal.seal, late_check=settings.ORIGIN_LATE_CHECK)

    if naming.MANIFEST in parts:
        return look()
    with WHOLE_FILES:
        return look()


def _head(store: BackupStore, name: naming.Key, parts: Parts) -> Head:
    part = naming.DATA if naming.DATA in parts else min(parts)
    try:
        return store.head(f"{name.key}/{part}")
    except PortError as error:
        if error.cause not in _OF_ONE_OBJECT:
            raise
        return Head()


def _row(
    name: naming.Key,
    parts: Parts,
    fingerprint: str,
    found: check.Found,
    about: dict[str, str],
    head: Head,
    told: Known,
) -> Backup:
    manifest = found.manifest
    made_by, who = Backup.MadeBy.CBR, ""
    title = ""
    if name.upload:
        made_by, who, title = Backup.MadeBy.UPLOAD, about.get("by", ""), about.get("file", name.name)
    elif manifest is not None:
        made_by, who = TRIGGERS.get(manifest.trigger, Backup.MadeBy.PERSON), manifest.made_by
    elif set(parts) - {*naming.CHECKS} != {naming.DATA}:
        made_by = Backup.MadeBy.PERSON
    modified_at, ends = storage.expiry_of(told, name.key, parts)
    return Backup(
        key=name.key,
        pool_name=name.pool_name,
        pool_id=manifest.pool_id if manifest else "",
        region=manifest.region if manifest else "",
        taken_at=name.taken_at,
        state=found.state,
        checked=found.checked,
        origin=found.origin,
        made_by=made_by,
        made_by_who=who,
        title=title,
        users=found.users,
        groups=found.groups,
        memberships=found.memberships,
        size=sum(stored.size for stored in parts.values()),
        reason=found.reason,
        manifest=orjson.loads(orjson.dumps(asdict(manifest))) if manifest else None,
        fingerprint=fingerprint,
        weighed=False,
        modified_at=modified_at,
        expires_at=ends.at,
        may_expire_at=ends.may,
        encryption=head.encryption[:200],
        lock=head.lock,
        locked_until=head.locked_until,
    )


def _stripped(one: Backup) -> Backup:
    """What the database cannot hold, with its key and nothing else of what it says."""
    upload = one.made_by == Backup.MadeBy.UPLOAD
    return Backup(
        key=one.key,
        pool_name=one.pool_name,
        taken_at=one.taken_at,
        state=Backup.State.UNREADABLE,
        reason=_DOES_NOT_FIT,
        made_by=Backup.MadeBy.UPLOAD if upload else Backup.MadeBy.CBR,
        title=one.key.rpartition("/")[2] if upload else "",
        size=one.size,
        fingerprint=one.fingerprint,
        modified_at=one.modified_at,
        expires_at=one.expires_at,
        may_expire_at=one.may_expire_at,
    )


def _write(rows: Iterable[Backup]) -> None:
    Backup.objects.bulk_create(rows, update_conflicts=True, unique_fields=["key"], update_fields=_READ)


def _moves(row: Backup, told: Known, parts: Parts) -> bool:
    """The same bytes; the bucket's rules may have changed since."""
    modified_at, ends = storage.expiry_of(told, row.key, parts)
    now = (modified_at, ends.at, ends.may)
    if (row.modified_at, row.expires_at, row.may_expire_at) == now:
        return False
    row.modified_at, row.expires_at, row.may_expire_at = now
    return True


def _forget(store: BackupStore, mine: Any, seen: set[str]) -> None:
    """Rows of what the bucket does not hold any more; a young one is asked for, as it may be just made."""
    idle = mine.exclude(being_made_by__state__in=ACTIVE)
    young = timezone.now() - RECENT
    gone = {
        pk: pool_name
        for pk, key, taken_at, pool_name in idle.values_list("pk", "key", "taken_at", "pool_name")
        if key not in seen and not (taken_at > young and parts_of(store, key))
    }
    for at in range(0, len(gone), ROWS):
        Backup.objects.filter(pk__in=list(gone)[at : at + ROWS]).delete()
    # What is suggested of these pools is another question now.
    Backup.objects.filter(pool_name__in=set(gone.values())).update(weighed=False)


def _side_by_side(work: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """In order. The first that fails ends it: the others are not begun."""
    if len(items) < FEW:
        return [work(item) for item in items]
    with ThreadPoolExecutor(LOOKS, thread_name_prefix="look") as threads:
        try:
            return list(threads.map(work, items))
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def _about_upload(store: BackupStore, key: str, parts: Parts) -> dict[str, str]:
    if naming.UPLOADED not in parts:
        return {}
    try:
        about = orjson.loads(files.read_small(store.open(f"{key}/{naming.UPLOADED}")))
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in about.items()} if isinstance(about, dict) else {}


# --- copies out of expiry -------------------------------------------------------------------------------


def look_at_kept(*, whole: bool) -> set[str]:
    """The copies in REPORTS_BUCKET: a note on the original while that stands, else a row of their own.

    Returns the names of pools whose rows came or went. Raises PortError; then nothing was changed.
    """
    copies: dict[str, tuple[naming.Key, Parts]] = {}
    stores: dict[str, BackupStore] = {}  # of each copy
    told: dict[str, Known] = {}
    for environment in ENVIRONMENTS if _of_each(settings.REPORTS_BUCKET) else ENVIRONMENTS[:1]:
        store = wiring.reports_store(environment)
        if store is None:
            continue
        known = storage.ask(store) if whole else storage.known(store.bucket)
        told[store.bucket] = known
        for name, parts in _Listing(store.list(naming.KEPT)):
            copies[name.key] = (name, parts)
            stores[name.key] = store
    if whole:
        storage.remember(told)
    originals = _standing([name.original for name, _ in copies.values()])
    notes: dict[str, str] = {}
    own: dict[str, list[tuple[naming.Key, Parts]]] = {bucket: [] for bucket in told}
    for key, (name, parts) in copies.items():
        original = originals.get(name.original)
        if original is not None and _is_copy(stores[key], name, parts, original, whole=whole):
            notes[name.original] = key
        else:
            own[stores[key].bucket].append((name, parts))
    by_bucket = {store.bucket: store for store in stores.values()}
    for bucket, rows in own.items():
        for at in range(0, len(rows), ROWS):
            note(by_bucket[bucket], told[bucket], rows[at : at + ROWS])
    for original in originals.values():
        if original.kept_as != notes.get(original.key, ""):
            Backup.objects.filter(pk=original.pk).update(kept_as=notes.get(original.key, ""))
    Backup.objects.exclude(kept_as="").exclude(key__in=list(notes)).update(kept_as="")
    keys = [name.key for rows in own.values() for name, _ in rows]
    gone = Backup.objects.filter(key__startswith=naming.KEPT).exclude(key__in=keys)
    pools = set(gone.values_list("pool_name", flat=True))
    gone.delete()
    return pools


def _standing(keys: list[str]) -> dict[str, Backup]:
    """Of these originals those that are there and can be used."""
    found: dict[str, Backup] = {}
    for at in range(0, len(keys), ROWS):
        for row in Backup.objects.filter(key__in=keys[at : at + ROWS]).select_related("being_made_by"):
            if row.readable and row.being_made_by is None:
                found[row.key] = row
    return found


def _is_copy(store: BackupStore, name: naming.Key, parts: Parts, original: Backup, *, whole: bool) -> bool:
    """Whether these objects are the original's, and were read back where they lie now.

    Sizes and a manifest are anybody's to copy: without a checked.json of this very place nobody has read it.
    """
    manifest = original.manifest
    if manifest is None:
        size = sum(stored.size for part, stored in parts.items() if part not in naming.CHECKS)
        alike = naming.DATA in parts and naming.MANIFEST not in parts and original.size == size
    else:
        sizes = {part["name"]: part["size"] for part in manifest["parts"]}
        alike = naming.MANIFEST in parts and all(
            part in parts and parts[part].size == size for part, size in sizes.items()
        )
    if not alike:
        return False
    if original.kept_as == name.key and not whole and _checked_last(parts):
        return True  # it was read before; once a day it is again
    try:
        raw = None if manifest is None else files.read_small(store.open(f"{name.key}/{naming.MANIFEST}"))
        if raw is not None:
            theirs, _ = files.read_manifest([raw])
            if orjson.loads(orjson.dumps(asdict(theirs))) != manifest:
                return False
        return check.was_checked(store, name.key, parts, raw, seal.seal)
    except files.Unreadable:
        return False


def _checked_last(parts: Parts) -> bool:
    """Whether nothing of it was put after its newest checked.json."""
    notes = [stored.modified for part, stored in parts.items() if part in naming.CHECKS]
    others = [stored.modified for part, stored in parts.items() if part not in naming.CHECKS]
    return bool(notes) and max(notes) >= max(others)
