"""One user's history over all backups of a pool, read through an index that the bucket alone can give again.

    a readable backup -> its users, cut into shards (core.shards) -> those that are not kept yet are written
                      -> the list of its shards' numbers: one row, written last
    a name -> its shard in every list -> keys -> their shards in every list -> states -> core.history

Each backup is indexed by itself, in any order. Shards are kept under the digest of what they hold, so a
backup costs its list and the shards of who changed. No state and no link between backup and shard has a row
of its own: 365 backups of 10,000 users are some 12,000 rows, where 256 links a backup alone would be 93,000,
and a million users some 66,000. ``python -m tests.bench.history`` measures it.

Whoever writes has the pool's turn (``IndexedPool.owner``): it is won by an UPDATE, ends by itself when its
holder was killed, and every write asks for it again. A backup's row goes with its catalogue row, by the
database; then the numbers do not agree any more, and ``forget``, after every look at the bucket, takes what
no list names. Uploads name no pool and have no history. UserLastModifiedDate is in no state: it moves by
itself.
"""

from __future__ import annotations

import struct
import sys
import time
import uuid
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

import structlog
from django.db import transaction
from django.db.models import BinaryField, Count, Exists, F, Max, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Now, Substr

from backups import bucket
from backups.core import history as core
from backups.core import naming
from backups.core.files import Unreadable
from backups.core.history import Line, Point, Sight, State, Timeline
from backups.core.lastgood import AHEAD
from backups.core.shards import Shard as Users
from backups.core.shards import TooLarge, bits_for, cut, hash_of, number_of
from backups.engine.ports import Cause, PortError, Report
from backups.engine.reading import Reading, read_backup
from backups.models import Backup, IndexedBackup, IndexedPool, Shard, database_now

log = structlog.get_logger(__name__)
READABLE = (Backup.State.COMPLETE, Backup.State.USERS_ONLY)
TURN = timedelta(minutes=10)  # longer than one backup is read without a word
PATIENCE = 30.0
"""Seconds that a rebuild waits for who else has a pool's turn, once all others are done."""
BUSY = "Somebody else has the turn of its pool."
MANY = 20
"""Users who bear one name, at most: an e-mail that more share names nobody."""
SHARED = 200
"""Users who bear one name, at most, for ``seen``: with more it is quicker to read backups."""
TOGETHER = 500  # rows asked for or written at once
_NUMBER = struct.Struct(">Q")
_OF_ONE_OBJECT = frozenset({Cause.DENIED, Cause.MISSING, Cause.REFUSED})


class _Lost(Exception):
    """The turn ran out, and somebody else has it."""


# --- writing ------------------------------------------------------------------------------------------


def index(backup: Backup, report: Report | None = None) -> bool:
    """Make its index, now; False where that has to wait, because somebody else has the pool's turn.

    A backup that cannot be used gets a row that says why. Raises PortError, Stop (of the report).
    """
    if not backup.pool_name:
        return False
    try:
        with _turn(backup.pool_name) as turn:
            return turn is not None and _index(turn, backup, report or bucket.Silent())
    except _Lost:
        log.warning("index of a pool is somebody else's by now", pool=backup.pool_name)
        return False


def work(seconds: float = 20.0) -> int:
    """Index what is not yet, newest first, and begin none after so many seconds. Returns how many."""
    forget()
    until, made = time.monotonic() + seconds, 0
    tried: set[int] = set()
    busy: set[str] = set()
    while time.monotonic() < until:
        backup = _due().exclude(pk__in=tried).exclude(pool_name__in=busy).first()
        if backup is None:
            break
        tried.add(backup.pk)
        try:
            if index(backup):
                made += 1
            else:
                busy.add(backup.pool_name)
        except PortError as error:
            log.warning("backup not indexed", key=backup.key, cause=str(error.cause), code=error.code)
            if error.cause not in _OF_ONE_OBJECT:
                break  # the bucket's trouble, or ours: the next turn asks again
        except Exception as error:  # whatever it was, the others are not held up by it
            log.warning("backup not indexed", key=backup.key, error=type(error).__name__)
    return made


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What became of an index that was made again."""

    indexed: int
    left_out: tuple[tuple[str, str], ...] = ()  # (key of a backup, why), newest first
    waiting: int = 0  # of those left out, how many ``work`` takes up again


def rebuild(pool_name: str = "") -> Rebuilt:
    """Drop the index, of one name or all of it, and make it again from the bucket.

    A backup that fails does not hold up the others. When the bucket answers no more, those that are left
    wait for ``work``.
    """
    mine = Q(pool_name=pool_name) if pool_name else Q()
    dropped = IndexedPool.objects.filter(name=pool_name) if pool_name else IndexedPool.objects.all()
    dropped.delete()
    rows = list(_due().filter(mine))
    why: dict[int, str] = {}
    busy = _rebuild(rows, why)
    until = time.monotonic() + PATIENCE
    while busy and time.monotonic() < until:
        time.sleep(0.2)
        due = set(_due().filter(mine).values_list("pk", flat=True))
        busy = _rebuild([row for row in busy if row.pk in due], why)
    waiting = set(_due().filter(mine).values_list("pk", flat=True))
    made = dict(_as_they_are().values_list("backup_id", "why"))
    whys = {row.pk: why.get(row.pk, BUSY) if row.pk in waiting else made.get(row.pk, "") for row in rows}
    return Rebuilt(
        indexed=sum(made.get(row.pk) == "" for row in rows),
        left_out=tuple((row.key, whys[row.pk]) for row in rows if whys[row.pk]),
        waiting=sum(row.pk in waiting for row in rows),
    )


def _rebuild(rows: Iterable[Backup], why: dict[int, str]) -> list[Backup]:
    """Whose pool is busy. ``why`` gets those that failed; once the bucket is silent, all that follow."""
    busy, silent = list[Backup](), ""
    for backup in rows:
        try:
            if silent:
                why[backup.pk] = silent
            elif not index(backup):
                busy.append(backup)
        except PortError as error:
            why[backup.pk] = str(error)
            silent = "" if error.cause in _OF_ONE_OBJECT else str(error)
        except Exception as error:  # whatever it was, the others are not held up by it
            log.warning("backup not indexed", key=backup.key, error=type(error).__name__)
            why[backup.pk] = f"The dashboard itself failed ({type(error).__name__})."
    return busy


def forget() -> None:
    """What no backup names any more. Cheap where nothing went; what is busy is done the next time."""
    readable = Count("backups", filter=Q(backups__backup__state__in=READABLE))
    counted = IndexedPool.objects.annotate(rows=readable)
    due = counted.filter(~Q(counted=F("rows")) | Q(counted=None)).values_list("name", flat=True)
    for name in list(due):
        with suppress(_Lost), _turn(name) as turn:
            if turn is not None:
                _sweep(turn)


@dataclass(frozen=True, slots=True)
class _Turn:
    """The right to write one pool's index."""

    pool: int
    owner: str

    def hold(self, **values: object) -> None:
        """In each writing transaction: nobody else writes before it ends. Raises _Lost."""
        mine = IndexedPool.objects.filter(pk=self.pool, owner=self.owner)
        if not mine.update(until=Now() + TURN, **values):
            raise _Lost


@contextmanager
def _turn(pool_name: str) -> Iterator[_Turn | None]:
    """None where somebody else has it. Who was killed or failed leaves shards behind that no list names."""
    pool, _ = IndexedPool.objects.get_or_create(name=pool_name)
    turn, here = _Turn(pool.pk, uuid.uuid4().hex), IndexedPool.objects.filter(pk=pool.pk)
    won = here.filter(until=None).update(owner=turn.owner, until=Now() + TURN) or here.filter(
        until__lt=Now()
    ).update(owner=turn.owner, until=Now() + TURN, counted=None)
    try:
        yield turn if won else None
    except BaseException:
        here.filter(owner=turn.owner).update(counted=None)
        raise
    finally:
        here.filter(owner=turn.owner).update(owner="", until=None)


def _due() -> QuerySet[Backup]:
    """Readable backups of a pool that are not indexed as they are, newest first."""
    as_it_is = IndexedBackup.objects.filter(backup=OuterRef("pk"), fingerprint=OuterRef("fingerprint"))
    made = Backup.objects.filter(~Exists(as_it_is), state__in=READABLE, being_made_by=None)
    return made.exclude(pool_name="").defer("manifest").order_by("-taken_at", "-pk")


def _index(turn: _Turn, backup: Backup, report: Report) -> bool:
    row = IndexedBackup(backup=backup, pool_id=turn.pool, fingerprint=backup.fingerprint)
    counted: object = F("counted") + 1
    try:
        with read_backup(bucket.store_of(backup), backup.key, report, "indexed") as reading:
            row.bits = bits_for(reading.count)
            row.shards = _shards(turn, reading, report)
    except (Unreadable, TooLarge) as error:
        row.why, counted = str(error), None
    with transaction.atomic():
        turn.hold()
        if not Backup.objects.select_for_update().filter(pk=backup.pk).exists():
            turn.hold(counted=None)  # it went meanwhile: its shards go at the next sweep
            return False
        replaced, _ = IndexedBackup.objects.filter(backup=backup).delete()
        row.save(force_insert=True)
        turn.hold(counted=None if replaced else counted)
    return True


def _shards(turn: _Turn, reading: Reading, report: Report) -> bytes:
    """The list of its shards' numbers; those that are not kept yet are written."""
    users = ((reading.at(place), place) for *_, place in reading.marks())
    shards = cut(users, reading.count, reading.at, reading.memberships)
    listed = bytearray()
    while some := list(islice(shards, TOGETHER)):
        report.keep_going()
        by_digest = {shard.digest: shard for shard in some}
        numbers = _kept(turn, by_digest)
        absent = [
            Shard(pool_id=turn.pool, digest=digest, names=shard.names, users=shard.packed())
            for digest, shard in by_digest.items()
            if digest not in numbers
        ]
        with transaction.atomic():
            turn.hold()
            Shard.objects.bulk_create(absent)
        numbers |= {bytes(shard.digest): shard.pk for shard in absent}
        for shard in some:
            listed += _NUMBER.pack(numbers[shard.digest])
    return bytes(listed)


def _kept(turn: _Turn, digests: Iterable[bytes]) -> dict[bytes, int]:
    kept = Shard.objects.filter(pool=turn.pool, digest__in=list(digests))
    return {bytes(digest): pk for digest, pk in kept.values_list("digest", "pk")}


def _sweep(turn: _Turn) -> None:
    """Take what cannot be read any more, and the shards that no list of this pool names."""
    with transaction.atomic():
        turn.hold()
        IndexedBackup.objects.filter(pool=turn.pool).exclude(backup__state__in=READABLE).delete()
    named: set[int] = set()
    rows = 0
    for listed in IndexedBackup.objects.filter(pool=turn.pool).values_list("shards", flat=True).iterator():
        named.update(_numbers(listed))
        rows += 1
    every = Shard.objects.filter(pool=turn.pool).order_by().values_list("pk", flat=True)
    gone = [pk for pk in every.iterator() if pk not in named]
    for at in range(0, len(gone), TOGETHER):
        with transaction.atomic():
            turn.hold()
            Shard.objects.filter(pk__in=gone[at : at + TOGETHER]).delete()
    turn.hold(counted=rows)


def _numbers(listed: bytes | memoryview) -> array[int]:
    numbers = array("Q", bytes(listed))
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


# --- reading ------------------------------------------------------------------------------------------


def sharing(pool_name: str = "") -> dict[str, tuple[str, ...]]:
    """Name -> ids, of each name that several pools bear at the same time, as their readable backups tell."""
    named = Backup.objects.filter(state__in=READABLE).exclude(Q(pool_id="") | Q(pool_name="")).order_by()
    named = named.filter(pool_name=pool_name) if pool_name else named
    spans: dict[str, dict[str, tuple[datetime, datetime]]] = {}
    counted = named.values("pool_name", "pool_id").annotate(first=Min("taken_at"), last=Max("taken_at"))
    for row in counted:
        spans.setdefault(row["pool_name"], {})[row["pool_id"]] = row["first"], row["last"]
    found = {name: core.sharing(each) for name, each in spans.items()}
    return {name: pool_ids for name, pool_ids in found.items() if pool_ids}


def seen(pool_name: str, asked: str) -> dict[str, tuple[State, ...]]:
    """Key of every indexed backup of the pool -> all who bear this name in it, in the order of their keys.

    ``asked`` is an e-mail, a Username or a sub, however it is spelt: several may bear it, as two spellings
    that differ in case, or an e-mail that is shared. Nothing where more than ``SHARED`` do.
    """
    books, hashed, name = _Books(), hash_of(asked), core.folded(asked)
    keys = sorted(books.keys(pool_name, hashed)) or [hashed]
    if len(keys) > SHARED:
        return {}
    found: dict[str, list[State]] = {}
    for at in range(0, len(keys), MANY):
        for sight in books.sights(pool_name, keys[at : at + MANY]):
            bearing = (state for state in sight.states if name in state.names)
            found.setdefault(sight.point.key, []).extend(bearing)
    return {key: tuple(sorted(states, key=lambda state: state.key)) for key, states in found.items()}


def history(pool_name: str, asked: str) -> Timeline:
    """What happened to one person, as far as the indexed backups of the pool tell.

    The name gives subs; the other names that these bore give further ones; all of them are followed
    through every backup. Nothing is followed beyond that.
    """
    books, told = _Books(), Timeline(asked)
    keys = books.keys(pool_name, hash_of(asked))
    if len(keys) > MANY:
        return replace(told, too_many=len(keys))
    sights = books.sights(pool_name, keys or {hash_of(asked)})
    first = {state.key for sight in sights for state in core.bearing(sight.states, asked)}
    names = {hash_of(name) for sight in sights for state in sight.states for name in state.names}
    further = set[int]()
    for hashed in sorted(names - keys - {hash_of(asked)})[:MANY]:
        further |= books.keys(pool_name, hashed)
    if first and not further <= keys:
        sights = books.sights(pool_name, set(sorted(keys | further)[: 2 * MANY]))
    sights, others = core.person(sights, first)
    nameless = core.nameless(sights)
    of_this = Backup.objects.filter(pool_name=pool_name, state__in=READABLE)
    ahead = [(key, AHEAD) for key in of_this.filter(taken_at__gt=_latest()).values_list("key", flat=True)]
    due = _due().filter(pool_name=pool_name, taken_at__lte=_latest()).order_by("taken_at")
    waiting = list(due.values_list("taken_at", "pool_id"))
    left_out = _as_they_are().filter(pool__name=pool_name).exclude(why="")
    left_out = left_out.order_by("backup__taken_at", "backup_id")
    skipped = left_out.values_list("backup__key", "why", "backup__taken_at", "backup__pool_id")
    unread = [*waiting, *((at, of) for *_, at, of in skipped), *((point.at, "") for point in nameless)]

    def newer(line: Line) -> int:
        return sum(
            at > line.newest.at and (not line.pool_id or of in (line.pool_id, "")) for at, of in unread
        )

    return replace(
        told,
        lines=tuple(replace(line, newer=newer(line)) for line in core.lines(sights)) if first else (),
        backups=len(sights) - len(nameless),
        others=others,
        waiting=len(waiting),
        waiting_from=waiting[0][0] if waiting else None,
        waiting_to=waiting[-1][0] if waiting else None,
        skipped=(*((key, why) for key, why, *_ in skipped), *ahead),
        nameless=nameless,
    )


def _as_they_are() -> QuerySet[IndexedBackup]:
    """Rows that speak of their backup as the catalogue has it, and of none that is dated in the future."""
    as_it_is = IndexedBackup.objects.filter(fingerprint=F("backup__fingerprint"), backup__state__in=READABLE)
    return as_it_is.filter(backup__taken_at__lte=_latest())


def _latest() -> datetime:
    return database_now() + naming.AHEAD


@dataclass(frozen=True, slots=True)
class _Place:
    """One backup, with the shards in which the wanted hashes lie."""

    point: Point
    pool_id: str
    wanted: tuple[tuple[int, int], ...]  # (hash, Shard.pk)


class _Books:
    """Shards that are open, and the lines that were read in them: most backups have the same."""

    def __init__(self) -> None:
        self._open: dict[int, Users] = {}
        self._read: dict[bytes, tuple[int, State]] = {}

    def places(self, pool_name: str, hashes: Sequence[int]) -> list[_Place]:
        """Every indexed backup."""
        found: list[_Place] = []
        indexed = _as_they_are().filter(pool__name=pool_name, why="")
        for bits in indexed.order_by().values_list("bits", flat=True).distinct():
            size = _NUMBER.size
            at = {
                f"shard_{n}": Substr(
                    "shards", number_of(hashed, bits) * size + 1, size, output_field=BinaryField()
                )
                for n, hashed in enumerate(hashes)
            }
            rows = indexed.filter(bits=bits).annotate(**at).order_by()
            columns = ("backup__key", "backup__taken_at", "backup__pool_id", *at)
            for key, taken_at, pool_id, *numbers in rows.values_list(*columns):
                shards = (_NUMBER.unpack(bytes(number))[0] for number in numbers)
                wanted = tuple(zip(hashes, shards, strict=True))
                found.append(_Place(Point(taken_at, key), pool_id, wanted))
        self._fetch({pk for place in found for _, pk in place.wanted} - self._open.keys())
        # One that was indexed anew while it was asked for counts as not indexed.
        return [place for place in found if all(pk in self._open for _, pk in place.wanted)]

    def keys(self, pool_name: str, hashed: int) -> set[int]:
        """Hashes of the keys of who bears a name in any backup."""
        found: set[int] = set()
        shards = {pk for place in self.places(pool_name, [hashed]) for _, pk in place.wanted}
        for pk in shards:
            found.update(self._open[pk].keys_of(hashed))
            if any(self._state(line)[0] == hashed for line in self._open[pk].lines):
                found.add(hashed)  # the name is a key
        return found

    def sights(self, pool_name: str, keys: Iterable[int]) -> list[Sight]:
        places = self.places(pool_name, sorted(keys))
        return [Sight(place.point, tuple(self.states(place)), place.pool_id) for place in places]

    def states(self, place: _Place) -> list[State]:
        """Of the wanted keys, in the order of their keys."""
        found = [
            state
            for hashed, pk in place.wanted
            for key, state in map(self._state, self._open[pk].lines)
            if key == hashed
        ]
        return sorted(found, key=lambda state: state.key)

    def _state(self, line: bytes) -> tuple[int, State]:
        known = self._read.get(line)
        if known is None:
            state = State.read(line)
            known = self._read[line] = hash_of(state.key), state
        return known

    def _fetch(self, numbers: set[int]) -> None:
        wanted = sorted(numbers)
        for at in range(0, len(wanted), TOGETHER):
            rows = Shard.objects.filter(pk__in=wanted[at : at + TOGETHER])
            for pk, names, users in rows.values_list("pk", "names", "users"):
                self._open[pk] = Users.unpacked(bytes(names), bytes(users))
