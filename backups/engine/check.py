"""What a backup in the bucket is: a quick look for the catalogue, and the check that reads everything.

No manifest: not one of ours, or not whole. data.json alone is users only, and
never counts as checked; other parts without a manifest are incomplete.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from backups.core import files, naming
from backups.core.snapshot import Manifest, iso
from backups.engine.ports import BackupStore, Cause, Clock, PortError, Report, Stored
from backups.engine.reading import agree, parts_of

LATE = timedelta(hours=1)
EVERY = 1_000  # users between two questions whether to go on
SealHolds = Callable[[bytes, str], bool]
"""Whether this HMAC over these bytes is ours."""


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
    seal_holds: SealHolds,
    *,
    late_check: bool = True,
) -> Found:
    """Trusts a manifest's numbers where the sizes agree; reads a file that has none from end to end.

    Raises PortError when the bucket does not answer: that says nothing about the backup.
    """
    if naming.MANIFEST not in parts:
        return _without_manifest(store, key, parts, report)
    try:
        raw = b"".join(store.open(f"{key}/{naming.MANIFEST}"))
        manifest, seal = files.read_manifest([raw])
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
        checked=_was_checked(store, key, parts, raw),
        origin=_origin(
            store, key, parts, manifest, seal_holds(files.signed_bytes(manifest), seal), late_check
        ),
        users=manifest.users,
        groups=manifest.groups,
        memberships=manifest.memberships,
        manifest=manifest,
    )


def check(
    store: BackupStore, key: str, report: Report, clock: Clock, *, tool: str, seal_holds: SealHolds
) -> Found:
    """Read everything back, recompute, and write checked.json when all of it agrees.

    Raises PortError when the bucket does not answer.
    """
    parts = parts_of(store, key)
    found = look(store, key, parts, report, seal_holds, late_check=False)
    if found.manifest is None:
        return found
    try:
        strangers = _read_back(store, key, found.manifest, report)
    except files.Unreadable as error:
        return Found("unreadable", reason=str(error))
    if strangers:
        # The list is eventually consistent: a member made while it was read may be missing from it.
        report.say("note", f"{strangers:,} group members are not among the users of this backup")
    if not found.checked:
        raw = b"".join(store.open(f"{key}/{naming.MANIFEST}"))
        _write_checked(store, key, clock.now(), tool, raw, found.manifest)
    return Found(
        "complete",
        True,
        found.origin,
        found.users,
        found.groups,
        found.memberships,
        manifest=found.manifest,
    )


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
    if set(parts) - {naming.DATA, naming.UPLOADED}:
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


def _was_checked(store: BackupStore, key: str, parts: Mapping[str, Stored], manifest: bytes) -> bool:
    checked = parts.get(naming.CHECKED)
    if checked is None:
        return False
    if any(stored.modified > checked.modified for stored in parts.values()):
        return False  # put since: the check has not read these bytes
    try:
        document = orjson.loads(b"".join(store.open(f"{key}/{naming.CHECKED}")))
    except ValueError:
        return False
    # Bound to this very manifest: a new one makes the old check worthless.
    said = document.get("manifest_sha256") if isinstance(document, dict) else None
    return bool(said == hashlib.sha256(manifest).hexdigest())


def _write_checked(
    store: BackupStore, key: str, now: datetime, tool: str, raw: bytes, manifest: Manifest
) -> None:
    document = {
        "checked": iso(now),
        "tool": tool,
        "manifest_sha256": hashlib.sha256(raw).hexdigest(),
        "users": manifest.users,
        "groups": manifest.groups,
        "memberships": manifest.memberships,
    }
    try:
        store.put(f"{key}/{naming.CHECKED}", [orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"])
    except PortError as error:
        if error.cause is not Cause.EXISTS:  # somebody else checked it: the same fact
            raise


def _origin(
    store: BackupStore,
    key: str,
    parts: Mapping[str, Stored],
    manifest: Manifest,
    sealed: bool,
    late_check: bool,
) -> str:
    if not sealed:
        return "unknown"
    named = naming.parse(key)
    started = datetime.fromisoformat(manifest.started)
    if named is None or named.name != manifest.pool_name or abs(named.taken_at - started) > LATE:
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
