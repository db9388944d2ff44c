"""Backing up a pool: settings, groups, users, and last the manifest that vouches for them.

    pool.json -> groups.json -> data.json (streamed) -> mfa.json, where the policy wants it
              -> manifest.json -> read back -> checked.json

Users stream by while settings and groups are read beside them; the object of users ends, and so is
there, only when the two before it are. Until the manifest stands nothing here looks like a backup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

from backups.core import files, mfa, naming, sealed
from backups.core.preflight import count
from backups.core.snapshot import Entry, Group, Manifest, Part, PoolFacts, iso
from backups.engine.beside import Beside, Settings
from backups.engine.factors import Factors
from backups.engine.lanes import every_user
from backups.engine.ports import BackupStore, Clock, PortError, Report, UserPool

Seal = Callable[[bytes], str]
"""HMAC of these bytes as hex; "" where there is no key."""

MFA_OF_USERS = "second factors of users"
"""What a manifest calls them where they could not be read."""


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
    seal_secret: sealed.Transform | None = None,
    mfa_policy: str = "off",
) -> Made:
    """Write one backup under ``key``. Raises PortError (EXISTS: the key is taken), Stop.

    ``seal_secret`` seals the secrets of clients and providers; without it they are left out. ``mfa_policy``
    (auto, on, off) is the pool's: whether second factors are read too, which bills every user as active.
    """
    started, start = clock.now(), clock.monotonic()
    facts = pool.facts()
    parts: list[Part] = []

    def put(name: str, data: bytes, count: int) -> None:
        report.keep_going()
        hashed = files.Hashing([data])
        store.put(f"{key}/{name}", hashed)
        parts.append(Part(name, hashed.size, hashed.sha256, count))

    unread: dict[str, str] = {}
    sealed_at: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    groups = memberships = 0

    def put_settings(read: Settings) -> None:
        nonlocal unread, sealed_at, left_out
        settings, unread = read
        settings, sealed_at, left_out = sealed.put_away(settings, seal_secret)
        put(naming.POOL, files.write_settings(settings), len(settings))

    def put_groups(read: list[Group]) -> None:
        nonlocal groups, memberships
        groups, memberships = len(read), sum(len(group.members) for group in read)
        put(naming.GROUPS, files.write_groups(read), groups)
        report.count(groups=groups, memberships=memberships)

    report.phase("Users, groups and settings", facts.estimated_users)
    with (
        Beside(pool, report, put_settings, put_groups) as beside,
        closing(every_user(pool, facts.estimated_users)) as entries,
    ):
        users = _Users(entries, report, beside)
        data = files.Hashing(files.write_users(users))
        store.put(f"{key}/{naming.DATA}", data)
    parts.append(Part(naming.DATA, data.size, data.sha256, users.count))
    report.count(users=users.count)

    factors, part, why = _factors(pool, store, report, key, mfa_policy, users.count, facts.tier)
    if part is not None:
        parts.append(part)
    if why:
        unread[MFA_OF_USERS] = why

    report.keep_going()
    pool.facts()  # GONE: it was deleted while it was read, and what went with it reads like what never was
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
        groups=groups,
        memberships=memberships,
        parts=tuple(parts),
        unread=unread,
        left_out=left_out,
        sealed=sealed_at,
        mfa=factors,
        key=key,
    )
    store.put(
        f"{key}/{naming.MANIFEST}", [files.write_manifest(manifest, seal(files.signed_bytes(manifest)))]
    )
    some = count(users.count), count(groups, "group"), count(memberships, "membership")
    report.say("note", f"{', '.join(some)} written")
    _second_count(facts, users.count, report)
    return Made(manifest, clock.monotonic() - start)


class _Users:
    """The pool's users, counted while they stream by; they end when what is beside them was put."""

    def __init__(self, entries: Iterator[Entry], report: Report, beside: Beside) -> None:
        self._entries, self._report, self._beside, self.count = entries, report, beside, 0

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._entries:
            self.count += 1
            if self.count % 60 == 0:
                self._report.keep_going()
                self._report.count(users=self.count)
                self._beside.look()
            yield entry
        self._beside.finish()


def _factors(
    pool: UserPool, store: BackupStore, report: Report, key: str, policy: str, users: int, tier: str
) -> tuple[Mapping[str, int | str], Part | None, str]:
    """(what the manifest says of it, mfa.json as it was put, why they could not be read).

    Whole, or not there: a part of them would read as if the others had none. The backup is complete
    without them, like without a setting. Raises PortError of the store, Stop.
    """
    if why := mfa.why_not(policy, users, tier):
        return {"read": 0, "billed_active": 0, "why": why}, None, ""
    report.phase("Second factors", users)
    names = [user.username for user in files.read_users(store.open(f"{key}/{naming.DATA}"))]
    found = Factors(pool, names, report)
    data = files.Hashing(files.write_mfa(found))
    try:
        store.put(f"{key}/{naming.MFA}", data)
    except PortError:
        if found.failed is None:
            raise
        report.say("note", f"The second factors could not be read. {found.failed}")
        return {"read": 0, "billed_active": found.read}, None, str(found.failed)
    report.say("note", f"second factors of {count(found.read)} read; AWS counts them as active this month")
    part = Part(naming.MFA, data.size, data.sha256, found.count)
    return {"read": found.read, "billed_active": found.read}, part, ""


def _second_count(facts: PoolFacts, users: int, report: Report) -> None:
    """AWS's own estimate explains, and never fails a backup: it lags by minutes."""
    estimate = facts.estimated_users
    if estimate is not None and estimate != users:
        report.say("note", f"AWS estimates {count(estimate)}; the list gave {users:,}")
