"""Reading one side whole, before anything is decided on it: a backup, a file, or a live pool.

    chunks -> checked entry by entry -> one line each in a temporary file -> users(), as often as needed

Nothing is trusted until its end was seen: a cut file shows at the end.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO

import orjson

from backups.core import files, naming
from backups.core.snapshot import Entry, Group, Manifest, PoolFacts, User
from backups.engine.lanes import every_user
from backups.engine.ports import BackupStore, Cause, PortError, Report, Stored, UserPool

CHUNK = 1 << 20


@dataclass
class Reading:
    """One side, as it was read. A context manager: the temporary file goes with it."""

    label: str
    _file: IO[bytes] = field(repr=False)
    count: int = 0
    sha256: str = ""  # over the plain bytes of the users, and of the groups where there are some
    groups: list[Group] | None = None  # None: this side does not know
    manifest: Manifest | None = None
    facts: PoolFacts | None = None

    def users(self) -> Iterator[User]:
        """From the first one, each time; two walks may go on side by side."""
        with open(self._file.name, "rb") as file:
            for line in file:
                yield User.of(orjson.loads(line))

    def keep(self, entry: Entry) -> None:
        """One user more. Raises PortError (NO_ROOM)."""
        with _room():
            self._file.write(orjson.dumps(entry) + b"\n")
        self.count += 1

    def close(self) -> None:
        with suppress(OSError):  # what found no room cannot be flushed either; the file goes
            self._file.close()

    @property
    def memberships(self) -> Mapping[str, frozenset[str]] | None:
        """Username -> names of groups; None where this side does not know."""
        if self.groups is None:
            return None
        found: dict[str, set[str]] = {}
        for group in self.groups:
            for member in group.members:
                found.setdefault(member, set()).add(group.name)
        return {username: frozenset(names) for username, names in found.items()}

    def __enter__(self) -> Reading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def parts_of(store: BackupStore, key: str) -> dict[str, Stored]:
    """Name -> object, for the parts of one backup; whatever else lies there is not looked at."""
    named = {stored.key.removeprefix(f"{key}/"): stored for stored in store.list(f"{key}/")}
    return {name: stored for name, stored in named.items() if name in naming.KNOWN}


def read_backup(store: BackupStore, key: str, report: Report, counter: str) -> Reading:
    """A backup in the bucket, agreed with its manifest where it has one.

    Raises files.Unreadable for one that cannot be trusted, PortError when it cannot be reached.
    """
    parts = parts_of(store, key).keys()
    manifest: Manifest | None = None
    if naming.MANIFEST in parts:
        manifest, _ = files.read_manifest(store.open(f"{key}/{naming.MANIFEST}"))
    elif parts - naming.beside_users(key):
        raise files.Unreadable("it is not whole: its manifest was never written")
    if manifest and (lost := {part.name for part in manifest.parts} - parts):
        raise files.Unreadable(f"{', '.join(sorted(lost))} is missing, and its manifest names it")
    if naming.DATA not in parts:
        raise files.Unreadable("it has no data.json" if parts else "there is no such backup in the bucket")

    with _kept(Reading(key, _spool(), manifest=manifest)) as reading:
        data = files.Hashing(store.open(f"{key}/{naming.DATA}"))
        _read(reading, data, report, counter)
        hashes = [data.sha256]
        if manifest is not None:
            agree(manifest, naming.DATA, data, reading.count)
            groups = files.Hashing(store.open(f"{key}/{naming.GROUPS}"))
            reading.groups = files.read_groups(groups)
            agree(manifest, naming.GROUPS, groups, len(reading.groups))
            hashes.append(groups.sha256)
        reading.sha256 = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    return reading


def read_file(path: str, report: Report, counter: str) -> Reading:
    """A plain file on this host: users only. Raises files.Unreadable, also when it cannot be opened."""
    try:
        with open(path, "rb") as file, _kept(Reading(path, _spool())) as reading:
            data = files.Hashing(iter(lambda: file.read(CHUNK), b""))
            _read(reading, data, report, counter)
    except OSError as error:
        raise files.Unreadable(f"{path}: {error.strerror}") from None
    reading.sha256 = data.sha256
    return reading


def read_pool(pool: UserPool, report: Report, counter: str, *, groups: bool = True) -> Reading:
    """The live pool as it answers now. Raises PortError."""
    facts = pool.facts()
    with _kept(Reading(f"live:{facts.pool_id}", _spool(), facts=facts)) as reading:
        for entry in every_user(pool, facts.estimated_users):
            reading.keep(entry)
            if reading.count % 60 == 0:
                report.keep_going()
                report.count(**{counter: reading.count})
        report.count(**{counter: reading.count})
        if groups:
            reading.groups = list(pool.groups())
    return reading


def _spool() -> IO[bytes]:
    # A name is needed to walk it twice at once; personal data, so it goes with the process.
    with _room():
        return tempfile.NamedTemporaryFile(prefix="cognito-admin-")


@contextmanager
def _room() -> Iterator[None]:
    """A host without room says so; neither a backup nor AWS is to blame for it."""
    try:
        yield
    except OSError as error:
        where = tempfile.tempdir or "the folder for temporary files (TMPDIR)"
        why = error.strerror or str(error)
        raise PortError(
            f"There is no room in {where}: {why}. Nothing was done; make room there, or name another "
            "folder in TMPDIR.",
            Cause.NO_ROOM,
        ) from None


@contextmanager
def _kept(reading: Reading) -> Iterator[Reading]:
    """Given away whole, or its file is gone at once."""
    try:
        yield reading
        with _room():
            reading._file.flush()
    except BaseException:
        reading.close()
        raise


def _read(reading: Reading, chunks: Iterable[bytes], report: Report, counter: str) -> None:
    for user in files.read_users(chunks):
        reading.keep(user.entry)
        if reading.count % 1000 == 0:
            report.keep_going()
            report.count(**{counter: reading.count})
    report.count(**{counter: reading.count})


def agree(manifest: Manifest, name: str, data: files.Hashing, count: int) -> None:
    """Raises files.Unreadable unless these are the bytes that the manifest vouches for."""
    part = next((part for part in manifest.parts if part.name == name), None)
    if part is None:
        raise files.Unreadable(f"its manifest does not name {name}")
    if (part.size, part.sha256, part.count) != (data.size, data.sha256, count):
        raise files.Unreadable(f"{name} does not agree with the manifest: it was changed or damaged")
