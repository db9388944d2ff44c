"""What a backup in the bucket is: a quick look for the catalogue, and the check that reads everything.

No manifest: not one of ours, or not whole. data.json alone is users only, and
never counts as checked; other parts without a manifest are incomplete.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from backups.core import files, naming
from backups.core.preflight import count
from backups.core.snapshot import Manifest, iso
from backups.engine.ports import BackupStore, Cause, Clock, PortError, Report, Stored
from backups.engine.reading import agree, parts_of

LATE = timedelta(hours=1)
EVERY = 1_000  # users between two questions whether to go on
Seal = Callable[[bytes], str]
"""HMAC of these bytes as hex; "" where there is no key."""
OF_AN_UPLOAD = "it lies among the uploads, where nothing is ever called checked"


@dataclass(frozen=True, slots=True)
class Found:
    """What a look found. ``reason`` is a sentence whenever the state is not ``complete``."""

    state: str  # complete | users-only | incomplete | unreadable
    checked: bool = False
    origin: str = "unknown"
    users: int | None = None
    groups: int | None = None
    memberships: int | None = None
    reason: str = ""
    manifest: Manifest | None = None


def look(
    store: BackupStore,
    key: str,
    parts: Mapping[str, Stored],
    report: Report,
    seal: Seal,
    *,
    late_check: bool = True,
) -> Found:
    """Trusts a manifest's numbers where the sizes agree; reads a file that has none from end to end.

    Raises PortError when the bucket does not answer: that says nothing about the backup.
    """
    if naming.MANIFEST not in parts:
        return _without_manifest(store, key, parts, report)
    try:
        raw = files.read_small(store.open(f"{key}/{naming.MANIFEST}"))
        manifest, told = files.read_manifest([raw])
    except files.Unreadable as error:
        return Found("unreadable", reason=f"manifest.json: {error}")
    if unnamed := [name for name in naming.PARTS if name not in {part.name for part in manifest.parts}]:
        return Found("unreadable", reason=f"its manifest does not name {', '.join(unnamed)}")
    for part in manifest.parts:
        stored = parts.get(part.name)
        if stored is None or stored.size != part.size:
            what = "is missing" if stored is None else f"has {stored.size:,} bytes, not {part.size:,}"
            return Found("unreadable", reason=f"{part.name} {what}: it was changed after it was made")
    return Found(
        "complete",
        checked=not _uploaded(key) and was_checked(store, key, parts, raw, seal),
        origin=_origin(
            store, key, parts, manifest, files.holds(seal, files.signed_bytes(manifest), told), late_check
        ),
        users=manifest.users,
        groups=manifest.groups,
        memberships=manifest.memberships,
        manifest=manifest,
    )


def check(store: BackupStore, key: str, report: Report, clock: Clock, *, tool: str, seal: Seal) -> Found:
    """Read everything back, recompute, and write checked.json when all of it agrees.

    Raises PortError when the bucket does not answer.
    """
    parts = parts_of(store, key)
    found = look(store, key, parts, report, seal, late_check=False)
    if found.manifest is None:
        return found
    try:
        strangers = _read_back(store, key, found.manifest, report)
        raw = files.read_small(store.open(f"{key}/{naming.MANIFEST}"))
        if files.read_manifest([raw])[0] != found.manifest:
            raise files.Unreadable("its manifest was changed while the rest was read")
    except files.Unreadable as error:
        # Its size agreed and its bytes do not: behind a seal that holds, that is a change.
        origin = "unknown" if found.origin == "unknown" else "changed"
        return Found("unreadable", origin=origin, reason=str(error), manifest=found.manifest)
    if strangers:
        # The list is eventually consistent: a member made while it was read may be missing from it.
        members = count(strangers, "group member is", "group members are")
        report.say("note", f"{members} not among the users of this backup")
    if _uploaded(key):
        return replace(found, reason=OF_AN_UPLOAD)
    if not found.checked:
        manifest = found.manifest
        said = {
            "manifest_sha256": hashlib.sha256(raw).hexdigest(),
            "users": manifest.users,
            "groups": manifest.groups,
            "memberships": manifest.memberships,
        }
        note_checked(store, key, parts, clock.now(), tool, said, seal)
    return replace(found, checked=True)


def _read_back(store: BackupStore, key: str, manifest: Manifest, report: Report) -> int:
    """Every byte of every part, once, as it comes. Returns how many group members are no users here.

    In memory are the memberships, and of the users one at a time. Raises files.Unreadable, PortError.
    """

    def part(name: str) -> files.Hashing:
        return files.Hashing(store.open(f"{key}/{name}"))

    settings = part(naming.POOL)
    agree(manifest, naming.POOL, settings, len(files.read_settings(settings)))

    listed = part(naming.GROUPS)
    groups = files.read_groups(listed)
    agree(manifest, naming.GROUPS, listed, len(groups))
    memberships, count = sum(len(group.members) for group in groups), len(groups)
    members = {member for group in groups for member in group.members}
    del groups

    data, users = part(naming.DATA), 0
    for users, user in enumerate(files.read_users(data), 1):
        members.discard(user.username)
        if users % EVERY == 0:
            report.keep_going()
            report.count(users=users)
    report.count(users=users)
    agree(manifest, naming.DATA, data, users)

    if any(named.name == naming.MFA for named in manifest.parts):
        factors = part(naming.MFA)
        agree(manifest, naming.MFA, factors, sum(1 for _ in files.read_mfa(factors)))

    if (manifest.users, manifest.groups, manifest.memberships) != (users, count, memberships):
        raise files.Unreadable("its parts have other numbers of users, groups or memberships than it says")
    return len(members)


def _without_manifest(store: BackupStore, key: str, parts: Mapping[str, Stored], report: Report) -> Found:
    if naming.DATA not in parts:
        return Found("incomplete", reason="its data.json and its manifest were never written")
    if set(parts) - naming.beside_users(key):
        return Found("incomplete", reason="its manifest was never written: the backup was cut short")
    users = 0
    try:
        for users, _ in enumerate(files.read_users(store.open(f"{key}/{naming.DATA}")), 1):
            if users % EVERY == 0:
                report.keep_going()
    except files.Unreadable as error:
        return Found("unreadable", reason=str(error))
    return Found(
        "users-only",
        users=users,
        reason="a list of users alone: no groups, no settings, no count or checksum to check it against",
    )


def was_checked(
    store: BackupStore, key: str, parts: Mapping[str, Stored], manifest: bytes | None, seal: Seal
) -> bool:
    """Whether a checked.json says that all this was read, under this very key, with this very manifest.

    ``manifest`` is None for a lone file. Where there is a key only what was sealed with it counts.
    """
    read = [stored.modified for name, stored in parts.items() if name not in naming.CHECKS]
    for name in naming.CHECKS:
        note = parts.get(name)
        if note is None or any(modified > note.modified for modified in read):
            continue  # put since: the check has not read these bytes
        try:
            said = files.read_checked(store.open(f"{key}/{name}"), seal)
        except files.Unreadable:
            continue
        sealed = bool(seal(b""))
        if said.get("key", None if sealed else key) != key:
            continue  # the check of another backup, or of the original of this copy
        if manifest is None:
            agrees = "manifest_sha256" not in said and said.get("size") == parts[naming.DATA].size
        else:
            agrees = said.get("manifest_sha256") == hashlib.sha256(manifest).hexdigest()
        if agrees:
            return True
    return False


def note_checked(
    store: BackupStore,
    key: str,
    parts: Mapping[str, Stored],
    now: datetime,
    tool: str,
    said: Mapping[str, Any],
    seal: Seal,
) -> None:
    """Write that all of it was read and agreed, beside older notes that do not count any more.

    Where every name is taken none is written: the next look does not know of this check.
    """
    name = next((name for name in naming.CHECKS if name not in parts), None)
    if name is None:
        return
    document = {"checked": iso(now), "tool": tool, "key": key, **said}
    try:
        store.put(f"{key}/{name}", [files.write_checked(document, seal)])
    except PortError as error:
        if error.cause is not Cause.EXISTS:  # somebody else checked it: the same fact
            raise


def _uploaded(key: str) -> bool:
    """Whoever uploads says what they like: a sealed backup that lies there was copied."""
    named = naming.parse(key)
    return named is not None and named.upload


def _origin(
    store: BackupStore,
    key: str,
    parts: Mapping[str, Stored],
    manifest: Manifest,
    sealed: bool,
    late_check: bool,
) -> str:
    named = naming.parse(key)
    if not sealed or _uploaded(key):
        return "unknown"
    if named is None or not _made_for(named, manifest):
        return "changed"  # a sealed backup that was copied here under another pool's name, or as a newer one
    finished = datetime.fromisoformat(manifest.finished)
    for part in manifest.parts:
        stored = parts[part.name]
        # A copy that is kept was written when somebody kept it; the seal and the sizes speak for it.
        if late_check and not named.kept and stored.modified > finished + LATE:
            return "changed"
        if store.versions(stored.key) > 1:
            return "changed"
    return "ours"


def _made_for(named: naming.Key, manifest: Manifest) -> bool:
    """Whether this manifest was sealed for this place; the oldest ones do not name theirs."""
    if manifest.key:
        return manifest.key == named.original
    started = datetime.fromisoformat(manifest.started)
    return named.name == manifest.pool_name and abs(named.taken_at - started) <= LATE
