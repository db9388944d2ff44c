"""Backups: made, uploaded, read, kept, accepted, and when they are made by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, BinaryIO

import orjson
from django.db import IntegrityError, transaction
from django.utils import timezone

from backups import access, bucket, catalogue, schedule, storage
from backups.actions.asking import (
    THE_SCHEDULE,
    Actor,
    Refused,
    may_now,
    note,
    or_,
    reason_of,
    start,
)
from backups.core import files, naming
from backups.core.files import Unreadable
from backups.core.lifecycle import ACTIVE
from backups.core.snapshot import iso
from backups.engine.ports import Cause, PortError
from backups.models import Acceptance, Backup, Job, Policy, Pool, database_now
from backups.models.audit import Act

CHUNK = 1 << 20


def start_backup(actor: Actor, pool: Pool) -> Job:
    job = Job(kind=Job.Kind.BACKUP, queue=Job.Queue.READ, params={"trigger": Backup.MadeBy.PERSON})
    return start(actor, job, pool, Act.BACKUP_ASKED)


def start_scheduled(pool: Pool) -> Job:
    """A backup that is due by the pool's policy; whoever set that stands behind it."""
    job = Job(kind=Job.Kind.BACKUP, queue=Job.Queue.READ, params={"trigger": Backup.MadeBy.SCHEDULE})
    return start(THE_SCHEDULE, job, pool, Act.BACKUP_ASKED)


def upload(actor: Actor, name: str, file: BinaryIO) -> Backup:
    """Keep a file from anywhere under its own prefix; who and when beside it. Its origin stays unknown.

    Read to its end before anything is written. Raises Refused, PortError.
    """
    try:
        file.seek(0)
        count = sum(1 for _ in files.read_users(iter(lambda: file.read(CHUNK), b"")))
    except Unreadable as error:
        raise Refused(f"{name} is not a backup: {error}. Nothing was kept.", 400) from None
    may_now(actor, access.Action.UPLOAD)
    store = catalogue.store_for("")
    now = timezone.now()
    about = {"by": actor.name, "by_id": actor.id, "at": iso(now), "file": name[:255], "users": count}
    for _ in range(5):
        key = naming.key_of(now, naming.upload_name(name), upload=True)
        try:
            store.put(f"{key}/{naming.UPLOADED}", [orjson.dumps(about)])
            file.seek(0)
            store.put(f"{key}/{naming.DATA}", iter(lambda: file.read(CHUNK), b""))
            break
        except PortError as error:
            if error.cause is not Cause.EXISTS:
                raise
            now += timedelta(seconds=1)
    else:
        raise Refused("Somebody is uploading a file of this name at this very second. Try again.")
    note(
        actor,
        Act.BACKUP_UPLOADED,
        key=key,
        users=count,
    )
    return catalogue.note_one(key)


def open_part(actor: Actor, backup: Backup, part: str) -> Iterator[bytes]:
    """One object of a backup, for a download; the entry comes first. Raises Refused, PortError."""
    if part not in naming.KNOWN:
        raise Refused(f"A backup has no part {part}.", 404)
    may_now(actor, access.Action.DOWNLOAD)
    chunks = catalogue.store_of(backup).open(f"{backup.key}/{part}")
    first = next(chunks, b"")  # asks now, so that a missing object is an answer and no broken download
    note(
        actor,
        Act.BACKUP_DOWNLOADED,
        pool=backup.pool_name,
        key=backup.key,
        part=part,
    )
    return and_then(first, chunks)


def look(actor: Actor) -> None:
    """Look at the bucket and the pools again, now. Raises PortError when the bucket does not answer."""
    catalogue.look_at_pools()
    catalogue.look_at_bucket(whole=False)


def rebuild_catalogue(actor: Actor) -> None:
    """Everything from the bucket alone. Raises PortError."""
    catalogue.look_at_pools()
    catalogue.look_at_bucket(whole=True)
    note(actor, Act.CATALOGUE_REBUILT, backups=Backup.objects.count())


def check_backup(actor: Actor, backup: Backup) -> Backup:
    """Read everything back and recompute. Raises PortError."""
    checked = catalogue.check_one(backup)
    note(
        actor,
        Act.BACKUP_CHECKED,
        pool=backup.pool_name,
        result=checked.state,
        key=backup.key,
        checked=checked.checked,
    )
    return checked


def start_keep(actor: Actor, backup: Backup) -> Job:
    """Copy a backup to where no lifecycle rule ends it. Raises Refused where nothing would keep it."""
    if backup.key.startswith(naming.KEPT):
        raise Refused("This is a kept copy already; no rule of its bucket ends it.")
    if not backup.readable:
        raise Refused(f"This backup cannot be used, so it is not kept: {backup.reason}.")
    busy = Job.objects.filter(kind=Job.Kind.KEEP, params__key=backup.key, state__in=ACTIVE).first()
    if busy is not None:
        raise Refused(f"Job {busy.pk} ({busy.get_state_display()}) is keeping this backup already.")
    try:
        place = bucket.kept_store_for(backup.pool_name)
        why = storage.why_not_keep(storage.refresh(place), place.bucket)
    except PortError as error:
        raise Refused(f"{error} Nothing was kept.", 409 if error.cause is Cause.GONE else 503) from None
    if why:
        raise Refused(why)
    job = Job(kind=Job.Kind.KEEP, queue=Job.Queue.READ, params={"key": backup.key})
    job.region, job.pool_id, job.pool_name = backup.region, backup.pool_id, backup.pool_name
    return start(actor, job, None, Act.KEEP_ASKED, key=backup.key, bucket=place.bucket)


def accept_fall(actor: Actor, backup: Backup, reason: str) -> Backup:
    """So few users are right: the backup may be suggested, and what follows is measured from it."""
    may_now(actor, access.Action.ACCEPT)
    reason = reason_of(reason, "whoever finds so few users")
    with transaction.atomic():
        backup = Backup.objects.select_for_update().get(pk=backup.pk)
        if not catalogue.fell(backup):
            raise Refused("This backup is not passed over for holding fewer users. Nothing was changed.")
        who = {"by": actor.name, "by_id": actor.id, "at": database_now(), "reason": reason}
        # Of the backup, whichever copy of it stands: a kept one takes the original's place.
        Acceptance.objects.update_or_create(key=backup.key.removeprefix(naming.KEPT), defaults=who)
        note(
            actor,
            Act.FALL_ACCEPTED,
            pool=backup.pool_name,
            key=backup.key,
            users=backup.users,
            fall=backup.passed_over,
            reason=reason,
        )
        catalogue.weigh(backup.pool_name)
    backup.refresh_from_db()
    return backup


def set_policy(
    actor: Actor,
    *,
    region: str,
    name: str,
    enabled: bool,
    cron: str,
    zone: str,
    shrink_percent: int,
    mfa: str,
) -> Policy:
    """How pools of this Region and name are backed up and watched, from now on. Raises Refused."""
    may_now(actor, access.Action.SCHEDULE)
    cron, zone = " ".join(cron.split()), zone.strip()
    known = {"region": region, "name": name}
    as_it_stands = Policy.objects.filter(**known, cron=cron, zone=zone).exists()
    try:
        if enabled or not as_it_stands:  # a schedule that this host cannot read may be switched off
            schedule.check(cron, zone)
    except ValueError as error:
        raise Refused(f"{error} Nothing was changed.", 400) from None
    if not 1 <= shrink_percent <= 99:
        raise Refused("A fall is an alarm from 1 to 99 percent on. Nothing was changed.", 400)
    if mfa not in Policy.Mfa.values:
        raise Refused(f"Second factors are read {or_(Policy.Mfa.values)}. Nothing was changed.", 400)
    if not (Pool.objects.filter(**known).exists() or Policy.objects.filter(**known).exists()):
        raise Refused(f"No pool {name} was seen in {region}. Nothing was changed.", 404)
    wanted = {"enabled": enabled, "cron": cron, "zone": zone, "shrink_percent": shrink_percent, "mfa": mfa}
    try:
        with transaction.atomic():
            return _set_policy(actor, known, wanted)
    except IntegrityError:
        raise Refused("Somebody else decided this at this very second. Look at it again.") from None


def _set_policy(actor: Actor, known: dict[str, str], wanted: dict[str, Any]) -> Policy:
    now = database_now()
    policy = Policy.objects.select_for_update().filter(**known).first()
    old = {name: getattr(policy, name) for name in wanted} if policy else None
    policy = policy or Policy(**known)
    when = ("enabled", "cron", "zone")
    if old is None or any(old[name] != wanted[name] for name in when):  # else what is due stays due
        policy.next_at, policy.scheduled_at = None, now
        if wanted["enabled"]:
            policy.next_at = schedule.next_runs(wanted["cron"], wanted["zone"], now, 1)[0]
    for name, value in wanted.items():
        setattr(policy, name, value)
    policy.set_by, policy.set_at = actor.name, now
    policy.save()
    note(actor, Act.POLICY_SET, pool=policy.name, region=policy.region, old=old, new=wanted)
    return policy


def and_then(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
