"""A copy of a backup in another bucket, part for part, under a key of its own.

    the parts that its manifest vouches for -> manifest.json -> read everything back -> checked.json
    a lone data.json                                         -> read it back         -> checked.json

Each part is hashed while it streams: one that is not what the manifest says ends the copy before its
object stands. What an earlier try has put is read and compared, and stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from backups.core import files, naming
from backups.core.snapshot import Manifest
from backups.engine.check import Seal, check, note_checked, was_checked
from backups.engine.ports import BackupStore, Cause, Clock, PortError, Report, Stored
from backups.engine.reading import parts_of


@dataclass(frozen=True, slots=True)
class Copied:
    """What stands at the new key. ``sha256`` is of data.json, hex."""

    objects: int
    size: int  # bytes
    sha256: str
    there_before: int  # objects of an earlier try, found to be the same


def keep(
    source: BackupStore,
    key: str,
    target: BackupStore,
    copy: str,
    report: Report,
    clock: Clock,
    *,
    tool: str,
    seal: Seal,
) -> Copied:
    """Copy the backup at ``key`` to ``copy``. May be repeated. Raises files.Unreadable, PortError, Stop."""
    here = parts_of(source, key)
    if naming.DATA not in here:
        raise files.Unreadable("it has no data.json")
    manifest, raw = None, b""
    if naming.MANIFEST in here:
        raw = files.read_small(source.open(f"{key}/{naming.MANIFEST}"))
        manifest, _ = files.read_manifest([raw])
    copier = _Copier(source, key, target, copy, parts_of(target, copy), report)
    report.phase("Copying", len(here))
    sha256 = copier.all(here, manifest, raw)
    report.phase("Reading the copy back")
    if manifest is None:
        if _hash(target.open(f"{copy}/{naming.DATA}")) != sha256:
            raise files.Unreadable("the copy's data.json is not what was read from the original")
        there = parts_of(target, copy)
        if not was_checked(target, copy, there, None, seal):
            said = {"sha256": sha256, "size": there[naming.DATA].size}
            note_checked(target, copy, there, clock.now(), tool, said, seal)
    else:
        found = check(target, copy, report, clock, tool=tool, seal=seal)
        if not found.checked:
            raise files.Unreadable(f"the copy does not agree with its manifest: {found.reason}")
    return Copied(copier.objects, copier.size, sha256, copier.there_before)


class _Copier:
    def __init__(
        self,
        source: BackupStore,
        key: str,
        target: BackupStore,
        copy: str,
        there: dict[str, Stored],
        report: Report,
    ) -> None:
        self._source, self._key, self._target, self._copy = source, key, target, copy
        self._there, self._report = there, report
        self.objects = self.size = self.there_before = 0

    def all(self, here: dict[str, Stored], manifest: Manifest | None, raw: bytes) -> str:
        """In the order in which a backup is written, so that a half is known as one. data.json's SHA-256."""
        if manifest is None:
            if naming.UPLOADED in here:
                self._put(naming.UPLOADED)
            return self._put(naming.DATA)
        vouched = {part.name: part.sha256 for part in manifest.parts}
        if unnamed := [name for name in naming.PARTS if name not in vouched]:
            raise files.Unreadable(f"its manifest does not name {', '.join(unnamed)}")
        for name in (*naming.PARTS, *naming.OPTIONAL):
            if name in vouched:
                self._put(name, vouched[name])
        self._put(naming.MANIFEST, hashlib.sha256(raw).hexdigest())
        return vouched[naming.DATA]

    def _put(self, name: str, sha256: str = "") -> str:
        """One object; ``sha256``: what it must be, "" where nothing says. Returns what it is."""
        self._report.keep_going()
        if name in self._there:
            return self._same(name, sha256)
        counted = files.Hashing(self._source.open(f"{self._key}/{name}"))
        try:
            self._target.put(f"{self._copy}/{name}", self._agreeing(counted, name, sha256))
        except PortError as error:
            if error.cause is not Cause.EXISTS:
                raise
            return self._same(name, sha256)  # another one keeps it at this very moment
        self._count(counted.size)
        return counted.sha256

    def _agreeing(self, counted: files.Hashing, name: str, sha256: str) -> Iterator[bytes]:
        """The chunks; raises after the last one, before whoever writes them knows that it was the last."""
        for chunk in counted:
            self._report.keep_going()
            yield chunk
        if sha256 and counted.sha256 != sha256:
            raise files.Unreadable(f"{name} is not what its manifest says")

    def _same(self, name: str, sha256: str) -> str:
        """What stands there already must be the same bytes; nobody writes over it."""
        sha256 = sha256 or _hash(self._source.open(f"{self._key}/{name}"))
        counted = files.Hashing(self._target.open(f"{self._copy}/{name}"))
        for _ in counted:
            self._report.keep_going()
        if counted.sha256 != sha256:
            raise PortError(
                f"{self._copy}/{name} of the bucket {self._target.bucket} holds other bytes already. "
                "They stay as they are.",
                Cause.EXISTS,
            )
        self.there_before += 1
        self._count(counted.size)
        return counted.sha256

    def _count(self, size: int) -> None:
        self.objects, self.size = self.objects + 1, self.size + size
        self._report.count(objects=self.objects, bytes=self.size)


def _hash(chunks: Iterator[bytes]) -> str:
    counted = files.Hashing(chunks)
    for _ in counted:
        pass
    return counted.sha256
