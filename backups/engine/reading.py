"""Reading one side whole, before anything is decided on it: a backup, a file, or a live pool.

    chunks -> checked entry by entry -> one line each in a temporary file -> users(), as often as needed
                                     -> a mark each in another            -> what a comparison walks

Nothing is trusted until its end was seen: a cut file shows at the end.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import IO, Any, TypeVar

import orjson

from backups.core import diff, files, naming
from backups.core.snapshot import Entry, Group, Manifest, PoolFacts, User
from backups.engine.lanes import Seen
from backups.engine.ports import BackupStore, Cause, PortError, Report, Stored

CHUNK = 1 << 20
EVERY = 1_000  # users between two questions whether to go on
HELD = 8 << 20  # bytes of users at which the question comes sooner
MARKS = 16_384  # read at once
LINE = 4_096  # bytes that nearly every user fits in
T = TypeVar("T")
_USERNAME = re.compile(rb'"Username":"([^"\\]+)"')  # plain, in a line as orjson writes it


@dataclass
class Reading:
    """One side, as it was read. A context manager: the temporary files go with it."""

    label: str
    _file: IO[bytes] = field(repr=False)
    count: int = 0
    sha256: str = ""  # over the plain bytes of the users, and of the groups where there are some
    groups: list[Group] | None = None  # None: this side does not know
    manifest: Manifest | None = None
    facts: PoolFacts | None = None
    settings: dict[str, Any] | None = None  # as pool.json has them, without secrets; None: not known
    unread: dict[str, str] = field(default_factory=dict)  # setting -> why it could not be read
    factors: dict[str, str] | None = None  # Username -> second factors as words; None: not known
    changing: int = 0  # users who changed while it was read, in a live pool
    strangers: int = 0  # members of groups who are not among the users, in a live pool
    _size: int = 0  # bytes of the file so far
    _unmarked: set[int] = field(default_factory=set, repr=False)  # places; few, if any
    _memberships: tuple[list[Group], dict[str, frozenset[str]]] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._marks = _spool()

    @classmethod
    def nothing(cls, label: str) -> Reading:
        """Nobody, and no groups: what a pool that is gone holds."""
        return cls(label, _spool(), groups=[])

    def users(self) -> Iterator[User]:
        """From the first one, each time; two walks may go on side by side."""
        for line in self._lines():
            yield User.of(orjson.loads(line))

    def keep(self, entry: Entry) -> None:
        """One user more. Raises PortError (NO_ROOM)."""
        self.keep_lines([orjson.dumps(entry)])

    def keep_lines(self, lines: Sequence[bytes], unmarked: Collection[int] = ()) -> None:
        """Users more: each entry as JSON in one line. Raises PortError (NO_ROOM).

        ``unmarked``: which of them came before, and are not counted again by a comparison.
        """
        marks, place = [], self._size
        for number, line in enumerate(lines):
            if number in unmarked:
                self._unmarked.add(place)
            else:
                marks.append(diff.mark(line, place))
            place += len(line) + 1
        try:
            self._file.write(b"\n".join([*lines, b""]))
            self._marks.write(b"".join(marks))
        except OSError as error:
            raise _no_room(error) from None
        self._size = place
        self.count += len(lines)

    def side(self, taken_at: str = "") -> diff.Side:
        """As a comparison takes it; ``taken_at``: ISO 8601 in UTC, "" where nobody knows."""
        return diff.Side(
            self.count, self.marks, self.at, self.named, self.memberships, self.factors, taken_at
        )

    def marks(self) -> Iterator[tuple[bytes, int]]:
        """Of every user, in order; two walks may go on side by side."""
        place, size = 0, diff.MARK.size * MARKS
        while chunk := os.pread(self._marks.fileno(), size, place):
            yield from diff.MARK.iter_unpack(chunk)
            place += len(chunk)

    def at(self, place: int) -> User:
        """The user whose mark names this place."""
        size = LINE
        while b"\n" not in (found := os.pread(self._file.fileno(), size, place)):
            size *= 4
        return _user(found[: found.index(b"\n")])

    def named(self, names: Collection[str]) -> Iterator[tuple[str, int]]:
        """(Username, place) of who has one of these names, and a mark."""
        place = 0
        for line in self._lines():
            found = _USERNAME.search(line)
            name = found[1].decode(errors="replace") if found else _user(line).username
            if name in names and place not in self._unmarked:
                yield name, place
            place += len(line) + 1

    def _lines(self) -> Iterator[bytes]:
        """Of every user, without its end. The file has no name to be opened by, and one position for all."""
        place, tail = 0, b""
        while chunk := os.pread(self._file.fileno(), CHUNK, place):
            place += len(chunk)
            lines = (tail + chunk).split(b"\n")
            tail = lines.pop()
            yield from lines

    def close(self) -> None:
        for file in (self._file, self._marks):
            with suppress(OSError):  # what found no room cannot be flushed either; the file goes
                file.close()

    @property
    def memberships(self) -> Mapping[str, frozenset[str]] | None:
        """Username -> names of groups; None where this side does not know.

        Made once, and people of the same groups share one set: there may be a million of them.
        """
        groups = self.groups
        if groups is None:
            return None
        if self._memberships is None or self._memberships[0] is not groups:
            self._memberships = groups, _by_member(groups)
        return self._memberships[1]

    def forget_members(self) -> None:
        """Groups stay, and who is in them goes: a million members take 100 MB, and not everybody asks."""
        if self.groups is not None:
            self.groups = [replace(group, members=()) for group in self.groups]

    def __enter__(self) -> Reading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _by_member(groups: Iterable[Group]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    nowhere = frozenset[str]()
    for group in groups:
        joined: dict[frozenset[str], frozenset[str]] = {}
        for member in group.members:
            before = found.get(member, nowhere)
            found[member] = joined.get(before) or joined.setdefault(before, before | {group.name})
    return found


def _user(line: bytes) -> User:
    """Raises files.Unreadable: of lines that a seal vouches for nobody has looked into them before."""
    try:
        return User.of(orjson.loads(line))
    except ValueError as error:  # NotAUser is one too
        raise files.Unreadable(f"an entry is no user: {error}") from None


def parts_of(store: BackupStore, key: str) -> dict[str, Stored]:
    """Name -> object, for the parts of one backup; whatever else lies there is not looked at."""
    named = {stored.key.removeprefix(f"{key}/"): stored for stored in store.list(f"{key}/")}
    return {name: stored for name, stored in named.items() if name in naming.KNOWN}


def read_backup(
    store: BackupStore,
    key: str,
    report: Report,
    counter: str,
    *,
    beside: bool = False,
    seal: Callable[[bytes], str] | None = None,
) -> Reading:
    """A backup in the bucket, agreed with its manifest where it has one.

    For a comparison: with ``beside`` settings and second factors are read too (damage there is told in
    ``unread`` and ends nothing), and whoever comes twice has one mark. Where the manifest's ``seal``
    holds, and was made for this place, the entries are as we wrote them: each is looked into only when
    somebody asks for that user.

    Raises files.Unreadable for one that cannot be trusted, PortError when it cannot be reached.
    """
    parts = parts_of(store, key).keys()
    manifest: Manifest | None = None
    sealed = False
    if naming.MANIFEST in parts:
        manifest, told = files.read_manifest(store.open(f"{key}/{naming.MANIFEST}"))
        sealed = seal is not None and files.holds(seal, files.signed_bytes(manifest), told)
        sealed &= manifest.key in ("", key.removeprefix(naming.KEPT))  # the oldest do not name their place
    elif parts - naming.beside_users(key):
        raise files.Unreadable("it is not whole: its manifest was never written")
    if manifest and (lost := {part.name for part in manifest.parts} - parts):
        raise files.Unreadable(f"{', '.join(sorted(lost))} is missing, and its manifest names it")
    if naming.DATA not in parts:
        raise files.Unreadable("it has no data.json" if parts else "there is no such backup in the bucket")

    with _kept(Reading(key, _spool(), manifest=manifest)) as reading:
        data = files.Hashing(store.open(f"{key}/{naming.DATA}"))
        if sealed:
            _read(reading, files.read_lines(data), report, counter)
        else:
            _look_into(reading, data, report, counter, once=beside)
        hashes = [data.sha256]
        if manifest is not None:
            agree(manifest, naming.DATA, data, reading.count)
            groups = files.Hashing(store.open(f"{key}/{naming.GROUPS}"))
            reading.groups = files.read_groups(groups)
            agree(manifest, naming.GROUPS, groups, len(reading.groups))
            hashes.append(groups.sha256)
            if beside:
                _beside(reading, store, key, manifest)
        reading.sha256 = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    return reading


def _beside(reading: Reading, store: BackupStore, key: str, manifest: Manifest) -> None:
    """Settings, and second factors where the backup holds them. Raises PortError."""
    try:
        pool = files.Hashing(store.open(f"{key}/{naming.POOL}"))
        settings = files.read_settings(pool)
        agree(manifest, naming.POOL, pool, len(settings))
        reading.settings, reading.unread = settings, dict(manifest.unread)
    except files.Unreadable as error:
        reading.unread = {naming.POOL: str(error)}
    if all(part.name != naming.MFA for part in manifest.parts):
        return
    try:
        told = files.Hashing(store.open(f"{key}/{naming.MFA}"))
        factors = [*files.read_mfa(told)]
        agree(manifest, naming.MFA, told, len(factors))
        reading.factors = {
            username: ", ".join(f"{one} (preferred)" if one == preferred else one for one in sorted(used))
            for username, used, preferred in factors
        }
    except files.Unreadable as error:
        reading.unread[naming.MFA] = str(error)


def read_file(path: str, report: Report, counter: str) -> Reading:
    """A plain file on this host: users only. Raises files.Unreadable, also when it cannot be opened."""
    try:
        with open(path, "rb") as file, _kept(Reading(path, _spool())) as reading:
            data = files.Hashing(iter(lambda: file.read(CHUNK), b""))
            _look_into(reading, data, report, counter, once=True)
    except OSError as error:
        raise files.Unreadable(f"{path}: {error.strerror}") from None
    reading.sha256 = data.sha256
    return reading


def _spool() -> IO[bytes]:
    # Personal data, so it has no name: it goes with the process, however that ends.
    with _room():
        return tempfile.TemporaryFile(prefix="cognito-admin-")


@contextmanager
def _room() -> Iterator[None]:
    """A host without room says so; neither a backup nor AWS is to blame for it."""
    try:
        yield
    except OSError as error:
        raise _no_room(error) from None


def _no_room(error: OSError) -> PortError:
    where = tempfile.tempdir or "the folder for temporary files (TMPDIR)"
    why = error.strerror or str(error)
    return PortError(
        f"There is no room in {where}: {why}. Nothing was done; make room there, or name another "
        "folder in TMPDIR.",
        Cause.NO_ROOM,
    )


@contextmanager
def gathered(label: str, facts: PoolFacts) -> Iterator[Reading]:
    """A reading to be filled from elsewhere, given away as the others are."""
    with _kept(Reading(label, _spool(), facts=facts)) as reading:
        yield reading


@contextmanager
def _kept(reading: Reading) -> Iterator[Reading]:
    """Given away whole, or its file is gone at once."""
    try:
        yield reading
        with _room():
            reading._file.flush()
            reading._marks.flush()
    except BaseException:
        reading.close()
        raise


def _read(reading: Reading, lines: Iterator[bytes], report: Report, counter: str) -> None:
    for some in _few(lines, len):
        reading.keep_lines(some)
        report.keep_going()
        report.count(**{counter: reading.count})


def _look_into(
    reading: Reading, chunks: Iterable[bytes], report: Report, counter: str, *, once: bool
) -> None:
    """Of bytes that nobody vouches for; ``once``: whoever comes again has no second mark."""
    seen = Seen()
    entries = ((line, once and not seen.add(user.key)) for user, line in files.read_entries(chunks))
    for some in _few(entries, lambda entry: len(entry[0])):
        again = {number for number, (_, came_before) in enumerate(some) if came_before}
        reading.keep_lines([line for line, _ in some], again)
        report.keep_going()
        report.count(**{counter: reading.count})


def _few(entries: Iterable[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    """EVERY at a time, or fewer of the largest ones: whoever packs a file chooses how long its lines are."""
    few, held = list[T](), 0
    for entry in entries:
        few.append(entry)
        held += size(entry)
        if len(few) == EVERY or held >= HELD:
            yield few
            few, held = [], 0
    if few:
        yield few


def agree(manifest: Manifest, name: str, data: files.Hashing, count: int) -> None:
    """Raises files.Unreadable unless these are the bytes that the manifest vouches for."""
    part = next((part for part in manifest.parts if part.name == name), None)
    if part is None:
        raise files.Unreadable(f"its manifest does not name {name}")
    if (part.size, part.sha256, part.count) != (data.size, data.sha256, count):
        raise files.Unreadable(f"{name} does not agree with the manifest: it was changed or damaged")
