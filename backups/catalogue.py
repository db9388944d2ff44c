"""The catalogue of backups and the list of pools: what was seen at the last look, kept in the database.

The bucket and AWS are the truth; everything here can be rebuilt from them. A look
that is not answered changes nothing but the time of the look: unknown is not missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import orjson
import structlog
from django.conf import settings
from django.db import DataError, IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from backups import seal, wiring
from backups.core import naming
from backups.core.lifecycle import ACTIVE
from backups.core.snapshot import ENVIRONMENTS, PoolFacts, User, environment_of
from backups.core.suggested import Candidate, suggest
from backups.engine import check
from backups.engine.ports import BackupStore, Cause, Outcome, PortError, Stored
from backups.engine.reading import parts_of, read_backup
from backups.models import Backup, Catalogue, Job, Pool

log = structlog.get_logger(__name__)
_OF_THE_BUCKET = ("looked_at", "answered_at", "whole_at", "strangers", "problem")
RECENT = timedelta(hours=48)  # manifests finish late
_OF_ONE_OBJECT = frozenset({Cause.DENIED, Cause.MISSING, Cause.REFUSED})
"""What says something of one object; any other cause is the bucket's, or ours."""
_DOES_NOT_FIT = "what it says of itself is longer or larger than any backup's"
_TRIGGERS = {
    made.value: made for made in (Backup.MadeBy.PERSON, Backup.MadeBy.SCHEDULE, Backup.MadeBy.BEFORE_RESTORE)
}


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


def store_for(pool_name: str) -> BackupStore:
    """The bucket that holds the backups of a pool; an upload ("") lies with production's."""
    return wiring.store(environment_of(pool_name) or ENVIRONMENTS[0])


def store_of(backup: Backup) -> BackupStore:
    return store_for(backup.pool_name)


def users_of(backup: Backup) -> Iterator[User]:
    """The backup's users, for a page. Raises core.files.Unreadable, PortError."""
    with read_backup(store_of(backup), backup.key, Silent(), "users") as reading:
        yield from reading.users()


def look_at_bucket(*, whole: bool) -> None:
    """Bring the catalogue up to date: the last 48 hours, or every object. Raises PortError."""
    now = timezone.now()
    row = Catalogue.row()
    row.looked_at = now
    try:
        strangers = 0
        for environment in ENVIRONMENTS if _many_buckets() else ENVIRONMENTS[:1]:
            strangers += _look_at(environment, whole=whole)
    except PortError as error:
        row.problem = str(error)
        row.save(update_fields=_OF_THE_BUCKET)
        raise
    row.problem, row.answered_at = "", now
    if whole:
        row.whole_at, row.strangers = now, strangers
    row.save(update_fields=_OF_THE_BUCKET)
    _suggest()


def whole_look_is_due() -> bool:
    whole_at = Catalogue.row().whole_at
    return whole_at is None or timezone.now() - whole_at > timedelta(days=1)


def note_one(key: str) -> Backup:
    """Read one backup again, now. Raises PortError; Backup.DoesNotExist when the bucket has none."""
    name = naming.parse(key)
    if name is None:
        raise Backup.DoesNotExist(f"{key} is no backup's key")
    store = store_for("" if name.upload else name.name)
    parts = parts_of(store, name.key)
    if not parts:
        raise Backup.DoesNotExist(f"{key} is not in {store.bucket}")
    backup = _note(store, name, parts)
    _suggest()
    return backup


def check_one(backup: Backup) -> Backup:
    """Read everything back and recompute; writes checked.json when it agrees. Raises PortError."""
    found = check.check(
        store_of(backup), backup.key, Silent(), wiring.clock(), tool=tool(), seal_holds=seal.holds
    )
    if found.state == Backup.State.COMPLETE:
        backup = note_one(backup.key)
        if found.checked and not backup.checked:  # an older checked.json stands in the way of a new one
            backup.checked = True
            backup.save(update_fields=["checked"])
        return backup
    # A look trusts sizes; the check has read the bytes, and what it found stands until they change.
    backup.state, backup.checked, backup.reason = found.state, False, found.reason
    backup.users = found.users
    backup.save()
    _suggest()
    return backup


def reserve(job: Job, taken_at: datetime) -> Backup:
    """A key of its own for a backup about to be made: this second's, or the next free one's."""
    while True:
        try:
            with transaction.atomic():
                return Backup.objects.create(
                    key=naming.key_of(taken_at, job.pool_name),
                    pool_name=job.pool_name,
                    pool_id=job.pool_id,
                    region=job.region,
                    taken_at=taken_at.replace(microsecond=0),
                    state=Backup.State.INCOMPLETE,
                    reason="being made",
                    made_by=Backup.MadeBy.PERSON,
                    made_by_who=job.asked_by_name,
                    being_made_by=job,
                )
        except IntegrityError:
            taken_at += timedelta(seconds=1)


def look_at_pools() -> dict[str, str]:
    """Which pools stand in the configured Regions, and roughly how many users they have.

    Returns Region -> why, for those that did not answer.
    """
    looks: dict[str, dict[str, str]] = Catalogue.row().regions
    for region in settings.POOL_REGIONS:
        now = timezone.now()
        try:
            found = wiring.find_pools(region)
            looks[region] = {"at": now.isoformat(), "why": ""}
        except PortError as error:
            looks[region] = {**looks.get(region, {"at": ""}), "why": str(error)}
            Pool.objects.filter(region=region).update(
                presence=Pool.Presence.UNKNOWN, looked_at=now, why_unknown=str(error)
            )
            log.warning("pools not listed", region=region, cause=str(error.cause))
            continue
        for facts in found:
            note_pool(facts)
        gone = Pool.objects.filter(region=region).exclude(pool_id__in=[facts.pool_id for facts in found])
        gone.update(presence=Pool.Presence.GONE, looked_at=now, why_unknown="")
    Catalogue.objects.filter(pk=1).update(regions=looks)
    return {region: looks[region]["why"] for region in settings.POOL_REGIONS if looks[region]["why"]}


def look_at_pool(pool_id: str) -> None:
    """One pool by its id, in every configured Region: where the list is denied, this may be allowed."""
    for region in settings.POOL_REGIONS:
        try:
            note_pool(wiring.pool(region, pool_id).facts())
        except PortError as error:
            if error.cause is Cause.GONE:
                known = Pool.objects.filter(region=region, pool_id=pool_id)
                known.update(presence=Pool.Presence.GONE, looked_at=timezone.now(), why_unknown="")


def note_pool(facts: PoolFacts) -> Pool:
    """A pool that was just described."""
    now = timezone.now()
    pool, _ = Pool.objects.update_or_create(
        pool_id=facts.pool_id,
        defaults={
            "region": facts.region,
            "name": facts.name,
            "account": facts.account,
            "presence": Pool.Presence.THERE,
            "estimated_users": facts.estimated_users,
            "mail": facts.mail,
            "looked_at": now,
            "last_seen_at": now,
            "why_unknown": "",
        },
    )
    return pool


def tool() -> str:
    return f"cognito-admin {settings.VERSION}"


def _many_buckets() -> bool:
    return "{environment}" in settings.BACKUP_BUCKET


def _look_at(environment: str, *, whole: bool) -> int:
    """Returns how many objects are no part of any backup (of those that were listed)."""
    store = wiring.store(environment)
    here = Backup.objects.all()
    if _many_buckets():
        held = Q(pool_name__endswith=f"-{environment}")
        here = here.filter(held | Q(pool_name="") if environment == ENVIRONMENTS[0] else held)
    newest = here.exclude(made_by=Backup.MadeBy.UPLOAD).order_by("-taken_at").first()
    after = ""
    if newest is not None and not whole:
        after = naming.key_of(newest.taken_at - RECENT, "")
    found: dict[str, tuple[naming.Key, dict[str, Stored]]] = {}
    strangers = 0
    for stored in _objects(store, after):
        split = naming.split(stored.key)
        if split is None:
            strangers += not stored.key.startswith(naming.OWN)
            continue
        name, part = split
        found.setdefault(name.key, (name, {}))[1][part] = stored
    for name, parts in found.values():
        _note(store, name, parts)
    if whole:
        here.exclude(key__in=list(found)).exclude(being_made_by__state__in=ACTIVE).delete()
    return strangers


def _objects(store: BackupStore, after: str) -> Iterator[Stored]:
    for stored in store.list(after=after):
        if stored.key.startswith(naming.OWN):
            break  # our own reports are many; of them only the uploads are backups
        yield stored
    yield from store.list(naming.UPLOADS)


def _note(store: BackupStore, name: naming.Key, parts: dict[str, Stored]) -> Backup:
    fingerprint = _fingerprint(parts)
    known = Backup.objects.filter(key=name.key).first()
    if known is not None and known.fingerprint == fingerprint:
        return known
    if known is not None and known.being_made_by and not known.being_made_by.over:
        return known  # its parts are still being put; the job notes it when it ends
    about: dict[str, str] = {}
    try:
        found = check.look(
            store, name.key, parts, Silent(), seal.holds, late_check=settings.ORIGIN_LATE_CHECK
        )
        if name.upload:
            about = _about_upload(store, name.key, parts)
    except PortError as error:
        if error.cause not in _OF_ONE_OBJECT:
            raise
        found, fingerprint = check.Found("unreadable", reason=str(error)), ""  # asked again at the next look
    try:
        return _keep(name, parts, fingerprint, found, about)
    except (ValueError, OverflowError, DataError) as error:  # one backup must not stop the look at all others
        log.warning("a backup does not fit the catalogue", key=name.key, error=type(error).__name__)
        return _keep(name, parts, fingerprint, check.Found("unreadable", reason=_DOES_NOT_FIT), {})


def _keep(
    name: naming.Key, parts: dict[str, Stored], fingerprint: str, found: check.Found, about: dict[str, str]
) -> Backup:
    """Write the row. Raises ValueError, OverflowError, DataError for what the database cannot hold."""
    manifest = found.manifest
    made_by, who = Backup.MadeBy.CBR, ""
    title = ""
    if name.upload:
        made_by, who, title = Backup.MadeBy.UPLOAD, about.get("by", ""), about.get("file", name.name)
    elif manifest is not None:
        made_by, who = _TRIGGERS.get(manifest.trigger, Backup.MadeBy.PERSON), manifest.made_by
    elif set(parts) != {naming.DATA}:
        made_by = Backup.MadeBy.PERSON
    backup, _ = Backup.objects.update_or_create(
        key=name.key,
        defaults={
            "pool_name": "" if name.upload else name.name,
            "pool_id": manifest.pool_id if manifest else "",
            "region": manifest.region if manifest else "",
            "taken_at": name.taken_at,
            "state": found.state,
            "checked": found.checked,
            "origin": found.origin,
            "made_by": made_by,
            "made_by_who": who,
            "title": title,
            "users": found.users,
            "groups": found.groups,
            "memberships": found.memberships,
            "size": sum(stored.size for stored in parts.values()),
            "reason": found.reason,
            "manifest": orjson.loads(orjson.dumps(asdict(manifest))) if manifest else None,
            "fingerprint": fingerprint,
            "being_made_by": None,
        },
    )
    return backup


def _about_upload(store: BackupStore, key: str, parts: dict[str, Stored]) -> dict[str, str]:
    if naming.UPLOADED not in parts:
        return {}
    try:
        about = orjson.loads(b"".join(store.open(f"{key}/{naming.UPLOADED}")))
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in about.items()} if isinstance(about, dict) else {}


def _suggest() -> None:
    """The suggested backup of each pool anew, and why newer ones are passed over."""
    named = Backup.objects.exclude(pool_name="")
    for pool_name in named.order_by().values_list("pool_name", flat=True).distinct():
        backups = list(Backup.objects.filter(pool_name=pool_name).order_by("taken_at", "id"))
        suggestion = suggest(
            Candidate(
                key=backup.key,
                readable=backup.readable,
                users=backup.users,
                before_restore=backup.made_by == Backup.MadeBy.BEFORE_RESTORE,
                why_not=f"{backup.get_state_display()}: {backup.reason}",
            )
            for backup in backups
        )
        for backup in backups:
            chosen = backup.key == suggestion.key
            why = suggestion.passed_over.get(backup.key, "")[:200]
            if (backup.suggested, backup.passed_over) != (chosen, why):
                Backup.objects.filter(pk=backup.pk).update(suggested=chosen, passed_over=why)


def _fingerprint(parts: dict[str, Stored]) -> str:
    facts = sorted((part, stored.size, stored.etag) for part, stored in parts.items())
    # What the key decides is in it too: another SEAL_KEY makes every origin another question.
    sealed = seal.seal(b"fingerprint")
    return hashlib.sha256(repr((facts, sealed)).encode()).hexdigest()
