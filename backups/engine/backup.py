"""Backing up a pool: settings, groups, users, and last the manifest that vouches for them.

    pool.json -> groups.json -> data.json (streamed) -> manifest.json -> read back -> checked.json

Until the manifest stands nothing here looks like a backup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from backups.core import files, naming
from backups.core.snapshot import Entry, Manifest, Part, PoolFacts, User, iso
from backups.engine.lanes import every_user
from backups.engine.ports import BackupStore, Clock, Report, UserPool

Seal = Callable[[bytes], str]
"""HMAC of these bytes as hex; "" where there is no key."""


@dataclass(frozen=True, slots=True)
class Made:
    manifest: Manifest
    seconds: float  # from the first read of the pool to the manifest's PUT


def backup(
    pool: UserPool,
    store: BackupStore,
    report: Report,
    clock: Clock,
    *,
    key: str,
    made_by: str,
    trigger: str,
    tool: str,
    seal: Seal,
) -> Made:
    """Write one backup under ``key``. Raises PortError (EXISTS: the key is taken), Stop."""
    started, start = clock.now(), clock.monotonic()
    facts = pool.facts()
    parts: list[Part] = []

    def put(name: str, data: bytes, count: int) -> None:
        report.keep_going()
        hashed = files.Hashing([data])
        store.put(f"{key}/{name}", hashed)
        parts.append(Part(name, hashed.size, hashed.sha256, count))

    report.phase("Settings of the pool")
    settings, unread = _settings(pool)
    put(naming.POOL, files.write_settings(settings), len(settings))

    report.phase("Groups and memberships")
    groups = sorted(pool.groups(), key=lambda group: group.name)
    memberships = sum(len(group.members) for group in groups)
    put(naming.GROUPS, files.write_groups(groups), len(groups))
    report.count(groups=len(groups), memberships=memberships)

    report.phase("Users", facts.estimated_users)
    users = _Users(every_user(pool, facts.estimated_users), report)
    data = files.Hashing(files.write_users(users))
    store.put(f"{key}/{naming.DATA}", data)
    parts.append(Part(naming.DATA, data.size, data.sha256, users.count))
    report.count(users=users.count)

    report.keep_going()
    manifest = Manifest(
        pool_id=facts.pool_id,
        pool_name=facts.name,
        region=facts.region,
        account=facts.account,
        started=iso(started),
        finished=iso(clock.now()),
        made_by=made_by,
        trigger=trigger,
        tool=tool,
        users=users.count,
        groups=len(groups),
        memberships=memberships,
        parts=tuple(parts),
        unread=unread,
        left_out=("secrets of app clients", "secrets of identity providers"),
    )
    store.put(
        f"{key}/{naming.MANIFEST}", [files.write_manifest(manifest, seal(files.signed_bytes(manifest)))]
    )
    report.say("note", f"{users.count:,} users, {len(groups)} groups, {memberships:,} memberships written")
    _second_count(facts, users.count, report)
    return Made(manifest, clock.monotonic() - start)


class _Users:
    """The pool's users once each, counted while they stream by."""

    def __init__(self, entries: Iterator[Entry], report: Report) -> None:
        self._entries, self._report, self.count = entries, report, 0

    def __iter__(self) -> Iterator[Entry]:
        seen: set[str] = set()
        for entry in self._entries:
            key = User.of(entry).key
            if key in seen:
                continue
            seen.add(key)
            self.count += 1
            if self.count % 60 == 0:
                self._report.keep_going()
                self._report.count(users=self.count)
            yield entry


def _settings(pool: UserPool) -> tuple[dict[str, Any], dict[str, str]]:
    settings: dict[str, Any] = {}
    unread: dict[str, str] = {}
    for name, value, why in pool.settings():
        if why:
            unread[name] = why
        else:
            settings[name] = value
    return settings, unread


def _second_count(facts: PoolFacts, users: int, report: Report) -> None:
    """AWS's own estimate explains, and never fails a backup: it lags by minutes."""
    estimate = facts.estimated_users
    if estimate is not None and estimate != users:
        report.say("note", f"AWS estimates {estimate:,} users; the list gave {users:,}")
