"""What the buckets tell of their own keeping, as of the last whole look: rules, locks, what was deleted.

    ask(store)           lifecycle rules and Object Lock, now         known(bucket)   as they were told last
    look_at_versions()   the backups that delete markers hide, and which objects have more than one version
    why_not_keep(...)    why nothing can be kept out of expiry; "" where it can

What may not be asked is not known, which is never the same as "none".
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Max, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from backups import wiring
from backups.core import naming
from backups.core.expiry import Expiry, Rule, eats, expiry, nothing_left, rule_of
from backups.core.snapshot import ENVIRONMENTS, environment_of
from backups.engine.ports import BackupStore, Cause, PortError, Stored, Version
from backups.models import Backup, Catalogue, Deleted

NOT_TOLD = frozenset({Cause.DENIED, Cause.UNSUPPORTED, Cause.REFUSED})
"""The bucket answered, and does not say; any other cause is a bucket that does not answer."""
ROWS = 500  # in one transaction
VITAL = frozenset({*naming.PARTS, *naming.OPTIONAL, naming.MANIFEST})
"""Without one of these a backup is no longer what it was."""


@dataclass(frozen=True, slots=True)
class Known:
    """Of one bucket. ``rules`` and ``lock`` are None where they were not told, or never asked for."""

    at: datetime | None = None
    rules: tuple[Rule, ...] | None = None
    why: str = ""  # why there are no rules here
    lock: bool | None = None
    hidden_why: str = ""  # why it is not known what was deleted

    def as_json(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat() if self.at else "",
            "rules": None if self.rules is None else [rule.as_json() for rule in self.rules],
            "why": self.why,
            "lock": self.lock,
            "hidden_why": self.hidden_why,
        }


def ask(store: BackupStore) -> Known:
    """Asked now. Raises PortError when the bucket does not answer."""
    rules, why, lock = None, "", None
    try:
        rules = store.rules()
    except PortError as error:
        if error.cause not in NOT_TOLD:
            raise
        why = str(error)
    try:
        lock = store.locks()
    except PortError as error:
        if error.cause not in NOT_TOLD:
            raise
    return Known(timezone.now(), rules, why, lock)


def refresh(store: BackupStore) -> Known:
    """``ask``, and remember the answer. Raises PortError when the bucket does not answer."""
    told = replace(ask(store), hidden_why=known(store.bucket).hidden_why)
    remember({store.bucket: told})
    return told


def known(bucket: str, catalogue: Catalogue | None = None) -> Known:
    """As the bucket told last."""
    told = (catalogue or Catalogue.row()).storage.get("buckets", {}).get(bucket)
    if told is None:
        return Known()
    rules = told["rules"]
    return Known(
        at=datetime.fromisoformat(told["at"]) if told["at"] else None,
        rules=None if rules is None else tuple(rule_of(rule) for rule in rules),
        why=told["why"],
        lock=told["lock"],
        hidden_why=told["hidden_why"],
    )


def remember(told: Mapping[str, Known], *, kept_why: str | None = None) -> None:
    """Bucket -> what it told, into the catalogue's row; what other buckets told stays."""
    with transaction.atomic():
        row = Catalogue.objects.select_for_update().get(pk=Catalogue.row().pk)
        buckets = {**row.storage.get("buckets", {}), **{name: one.as_json() for name, one in told.items()}}
        why = row.storage.get("kept_why", "") if kept_why is None else kept_why
        if (storage := {"buckets": buckets, "kept_why": why}) != row.storage:
            row.storage = storage
            row.save(update_fields=["storage"])


def kept_why() -> str:
    """Why the kept copies could not be listed at the last look; "" when they were."""
    return str(Catalogue.row().storage.get("kept_why", ""))


def expiry_of(told: Known, key: str, parts: Mapping[str, Stored]) -> tuple[datetime | None, Expiry]:
    """(LastModified of its oldest part, when S3 ends it by the rules that are known)."""
    vital = [stored for name, stored in parts.items() if name in VITAL]
    modified = min((stored.modified for stored in vital), default=None)
    if modified is None or told.rules is None:
        return modified, Expiry()
    return modified, expiry(told.rules, [(stored.key, stored.size) for stored in vital], modified)


# --- keeping ------------------------------------------------------------------------------------------

OFF = "Nothing can be kept out of expiry here: REPORTS_BUCKET names no bucket."


def why_not_keep(told: Known | None, bucket: str) -> str:
    """Why a copy would not be kept; "" where it would, or where the bucket does not tell. None: no bucket."""
    if told is None:
        return OFF
    if rule := eats(told.rules or (), naming.KEPT):
        return (
            f"Nothing can be kept out of expiry here: the lifecycle rule {rule.id} of {bucket} reaches "
            f"{naming.KEPT}. Give that rule another prefix, or name another bucket in REPORTS_BUCKET."
        )
    return ""


def keeping(environment: str) -> str:
    """Why Keep is off, by what the bucket told last; "" where it is on."""
    try:
        store = wiring.reports_store(environment)
    except PortError as error:
        return str(error)
    return OFF if store is None else why_not_keep(known(store.bucket), store.bucket)


def place_for(pool_name: str) -> str:
    """The environment whose bucket holds a pool's backups; an upload ("") lies with production's."""
    return environment_of(pool_name) or ENVIRONMENTS[0]


# --- what delete markers hide ---------------------------------------------------------------------------


def look_at_versions(store: BackupStore, held: Q) -> frozenset[str] | None:
    """Walk over every version once: the table of what was deleted anew, for the rows that are ``held`` here.

    Returns the parts of backups that have more than one version; None where the bucket does not tell.
    Raises PortError when it does not answer. In memory are keys, not versions.
    """
    several: set[str] = set()
    seen: set[str] = set()
    rows: list[Deleted] = []
    try:
        for row in _hidden(_parts(store), several):
            seen.add(row.key)
            rows.append(row)
            if len(rows) == ROWS:
                _write(rows)
                rows = []
    except PortError as error:
        if error.cause not in NOT_TOLD:
            raise
        return None
    _write(rows)
    gone = [pk for pk, key in Deleted.objects.filter(held).values_list("pk", "key") if key not in seen]
    for at in range(0, len(gone), ROWS):
        Deleted.objects.filter(pk__in=gone[at : at + ROWS]).delete()
    return frozenset(several)


def _parts(store: BackupStore) -> Iterator[tuple[naming.Key, str, Version]]:
    for version in store.history():
        if version.key.encode() >= naming.OWN.encode():
            break  # of what is ours only the uploads are backups, and what follows is no backup's
        if split := naming.split(version.key):
            yield *split, version
    for version in store.history(naming.UPLOADS):
        if split := naming.split(version.key):
            yield *split, version


def _hidden(versions: Iterable[tuple[naming.Key, str, Version]], several: set[str]) -> Iterator[Deleted]:
    """Keys come in order, so that the parts of one backup come together."""
    for name, of_backup in groupby(versions, key=itemgetter(0)):
        parts: dict[str, dict[str, Any]] = {}
        at: dict[str, datetime] = {}
        for part, of_part in groupby(of_backup, key=itemgetter(1)):
            latest: Version | None = None
            newest: Version | None = None
            count = 0
            for *_, version in of_part:
                latest = latest or version
                if version.size is not None:
                    newest, count = newest or version, count + 1
            if latest is None or newest is None:
                continue
            if count > 1:
                several.add(latest.key)
            if latest.size is None:
                at[part] = latest.modified
                parts[part] = {
                    "name": part,
                    "version": newest.id,
                    "size": newest.size,
                    "marker": latest.id,
                }
        if {naming.DATA, naming.MANIFEST} & parts.keys():
            yield Deleted(
                key=name.key,
                pool_name=name.pool_name,
                taken_at=name.taken_at,
                deleted_at=max(at.values()),
                parts=list(parts.values()),
            )


def _write(rows: list[Deleted]) -> None:
    Deleted.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=["pool_name", "taken_at", "deleted_at", "parts"],
    )


# --- for the pages --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Until:
    """How long a backup stays: kept | until | may | stays | unknown. ``at`` with until and may."""

    word: str
    at: datetime | None = None
    why: str = ""


def name_of(template: str, environment: str, account: str) -> str:
    """A bucket's name as the settings have it, where the account's number is at hand."""
    return template.replace("{account}", account).replace("{environment}", environment)


def told_of(backup: Backup, account: str, catalogue: Catalogue) -> Known:
    """What the bucket told last in which this backup lies."""
    kept = backup.key.startswith(naming.KEPT)
    template = settings.REPORTS_BUCKET if kept else settings.BACKUP_BUCKET
    return known(name_of(template, place_for(backup.pool_name), account), catalogue)


def until(backup: Backup, told: Known) -> Until:
    """By what its bucket told at the last look: "unknown" where it did not, never a guess."""
    if backup.kept_as:
        return Until("kept", why=backup.kept_as)
    if told.rules is None or backup.modified_at is None:
        return Until("unknown", why=told.why or "The bucket was not asked for its rules yet.")
    if backup.may_expire_at:
        return Until("may", backup.may_expire_at)
    if backup.expires_at:
        return Until("until", backup.expires_at)
    return Until("kept" if backup.key.startswith(naming.KEPT) else "stays")


def going_next(limit: int) -> list[Backup]:
    """What the rules delete next, those that may go among them; what is kept elsewhere is not lost."""
    goes = Coalesce("may_expire_at", "expires_at")
    rows = Backup.objects.filter(kept_as="").annotate(goes=goes).exclude(goes=None)
    return list(rows.defer("manifest").order_by("goes", "pk")[:limit])


def left_with_nothing(now: datetime) -> list[tuple[str, datetime]]:
    """(pool, when) of the pools whose last readable backup goes soon, the first to go first."""
    goes = Coalesce("may_expire_at", "expires_at")
    stays = ~Q(kept_as="") | Q(goes=None)
    rows = (
        Backup.objects.filter(state__in=(Backup.State.COMPLETE, Backup.State.USERS_ONLY))
        .exclude(pool_name="")
        .annotate(goes=goes)
        .order_by()
        .values("pool_name")
        .annotate(staying=Count("pk", filter=stays), last=Max("goes"))
    )
    found = [
        (row["pool_name"], row["last"])
        for row in rows
        if not row["staying"] and nothing_left(row["last"], now)
    ]
    return sorted(found, key=lambda row: row[1])


def recover(deleted: Deleted, account: str) -> list[str]:
    """Commands that read what was deleted, a part each: they write nothing to the bucket."""
    bucket = name_of(settings.BACKUP_BUCKET, place_for(deleted.pool_name), account)
    return [
        shlex.join(
            [
                *("aws", "s3api", "get-object", "--bucket", bucket, "--key", f"{deleted.key}/{part['name']}"),
                *("--version-id", part["version"], part["name"]),
            ]
        )
        for part in deleted.parts
    ]
