"""The catalogue of backups and the list of pools: what was seen at the last look, kept in the database.

The bucket and AWS are the truth; everything here can be rebuilt from them. A look
that is not answered changes nothing but the time of the look: unknown is not missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from backups import bucket, history, seal, storage, wiring
from backups.core import falls, naming
from backups.core.snapshot import PoolFacts, User
from backups.core.suggested import Candidate, suggest
from backups.engine import check
from backups.engine.ports import Cause, PortError
from backups.engine.reading import parts_of, read_backup
from backups.models import Acceptance, Backup, Catalogue, Job, Policy, Pool, database_now

log = structlog.get_logger(__name__)
UNDER_WAY = timedelta(minutes=10)
READABLE = (Backup.State.COMPLETE, Backup.State.USERS_ONLY)
SHRINK_PERCENT = 5
"""Where no policy says another number."""

store_for, store_of, store_at = bucket.store_for, bucket.store_of, bucket.store_at


def users_of(backup: Backup) -> Iterator[User]:
    """The backup's users, for a page. Raises core.files.Unreadable, PortError."""
    with read_backup(bucket.store_of(backup), backup.key, bucket.Silent(), "users") as reading:
        yield from reading.users()


def look_at_bucket(*, whole: bool) -> None:
    """Bring the catalogue up to date: the last 48 hours, or every object. Raises PortError."""
    now = timezone.now()
    row = Catalogue.row()
    if not whole and row.whole_at is None and _under_way(row, now):
        return  # the first whole look writes its rows as it goes; two would read the same ones
    mine = Catalogue.objects.filter(pk=row.pk)
    mine.update(looked_at=now)
    if whole:
        mine.update(whole_begun_at=now)
    try:
        strangers = sum(bucket.look_at(environment, whole=whole) for environment in bucket.places())
    except PortError as error:
        mine.update(problem=str(error))
        raise
    finally:
        if whole:
            mine.update(whole_begun_at=None)
    mine.update(problem="", answered_at=now)
    if whole:
        mine.update(whole_at=now, strangers=strangers)
    _look_at_kept(whole=whole)
    _suggest(whole=whole)
    history.forget()


def whole_look_is_due() -> bool:
    """Once a day, unless one is under way."""
    row, now = Catalogue.row(), timezone.now()
    return not _under_way(row, now) and (row.whole_at is None or now - row.whole_at > timedelta(days=1))


def note_one(key: str, found: check.Found | None = None) -> Backup:
    """Read one backup again, now. Raises PortError; Backup.DoesNotExist when the bucket has none.

    ``found``: what a check that read all of it has found, in the place of another look.
    """
    name = naming.parse(key)
    if name is None:
        raise Backup.DoesNotExist(f"{key} is no backup's key")
    if name.kept and (original := Backup.objects.filter(key=name.original, kept_as=name.key).first()):
        return original  # the copy of one that still stands is no row of its own
    store = bucket.store_at(name)
    parts = parts_of(store, name.key)
    if parts:
        bucket.note(store, storage.known(store.bucket), [(name, parts)], fresh=True, found=found)
    noted = Backup.objects.filter(key=name.key).first() if parts else None
    if noted is None:
        raise Backup.DoesNotExist(f"{key} is not in {store.bucket}")
    _suggest()
    noted.refresh_from_db()
    return noted


def _under_way(row: Catalogue, now: datetime) -> bool:
    """Whether a whole look goes on; one that has not moved for so long was killed."""
    return row.whole_begun_at is not None and now - row.whole_begun_at < UNDER_WAY


def _look_at_kept(*, whole: bool) -> None:
    """A bucket of reports that does not answer is said, and does not spoil the look at the backups."""
    try:
        pools = bucket.look_at_kept(whole=whole)
    except PortError as error:
        log.warning("kept copies not listed", cause=str(error.cause), code=error.code)
        storage.remember({}, kept_why=str(error))
        return
    storage.remember({}, kept_why="")
    for pool_name in pools - {""}:
        weigh(pool_name)


def check_one(backup: Backup) -> Backup:
    """Read everything back and recompute; writes checked.json when it agrees. Raises PortError."""
    store, clock = bucket.store_of(backup), wiring.clock()
    found = check.check(store, backup.key, bucket.Silent(), clock, tool=tool(), seal=seal.seal)
    return note_read(backup.key, found)


def note_read(key: str, found: check.Found) -> Backup:
    """The row of what was just read back in full. Raises PortError; Backup.DoesNotExist.

    A look trusts sizes; the check has read the bytes, and what it found stands until the objects change.
    """
    if found.state != Backup.State.COMPLETE:
        try:
            return note_one(key, found)
        except Backup.DoesNotExist:  # nothing of it is there: the next whole look forgets it
            backup = Backup.objects.get(key=key)
            backup.state, backup.checked, backup.reason = found.state, False, found.reason
            backup.users, backup.weighed = found.users, False
            backup.save()
            _suggest()
            return backup
    backup = note_one(key)
    if found.checked and not backup.checked:  # no name was free for one more checked.json
        backup.checked = True
        backup.save(update_fields=["checked"])
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
                    made_by=bucket.TRIGGERS.get(job.params.get("trigger", ""), Backup.MadeBy.PERSON),
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
    Catalogue.objects.filter(pk=1).update(pools_asked_at=database_now())
    for region in settings.POOL_REGIONS:
        looks[region] = _look_at_region(region, looks.get(region, {"at": ""}))
    Catalogue.objects.filter(pk=1).update(regions=looks)
    return {region: looks[region]["why"] for region in settings.POOL_REGIONS if looks[region]["why"]}


def _look_at_region(region: str, before: dict[str, str]) -> dict[str, str]:
    """Every pool that is listed, and those that are not listed any more. Returns what is kept of the look."""
    now = database_now()
    known = Pool.objects.filter(region=region).exclude(presence=Pool.Presence.GONE)
    try:
        found = wiring.find_pools(region)
    except PortError as error:
        log.warning("pools not listed", region=region, cause=str(error.cause))
        known.update(presence=Pool.Presence.UNKNOWN, looked_at=now, why_unknown=str(error))
        return {**before, "why": str(error)}
    for facts in found:
        if isinstance(facts, wiring.Untold):
            _note_untold(region, facts, now)
        else:
            note_pool(facts)
    unlisted = known.exclude(pool_id__in=[facts.pool_id for facts in found])
    for pool_id in list(unlisted.values_list("pool_id", flat=True)):
        look_again(region, pool_id)  # a list that lacks it is no proof
    return {"at": now.isoformat(), "why": ""}


def look_at_pool(pool_id: str) -> None:
    """One pool by its id, in every configured Region: where the list is denied, this may be allowed.

    Takes ten seconds where AWS says that it does not exist: then it is asked twice.
    """
    for region in settings.POOL_REGIONS:
        pool = look_again(region, pool_id)
        if pool is not None and pool.doubt == falls.GONE:
            wiring.clock().sleep(falls.SECOND_LOOK.total_seconds())
            look_again(region, pool_id, database_now() + falls.SECOND_LOOK)


def look_again(region: str, pool_id: str, now: datetime | None = None) -> Pool | None:
    """Describe one pool and note the answer: gone only when AWS says so a second time, 10 s later.

    None where it is neither there nor known.
    """
    try:
        return note_pool(wiring.pool(region, pool_id).facts(), now)
    except PortError as error:
        if error.cause is Cause.GONE:
            return _note_gone(region, pool_id, now or database_now())
        pool = Pool.objects.filter(region=region, pool_id=pool_id).first()
        if pool is not None:
            pool.presence, pool.why_unknown = Pool.Presence.UNKNOWN, str(error)
            pool.looked_at = now or database_now()
            pool.save(update_fields=["presence", "why_unknown", "looked_at"])
        return pool


def note_pool(facts: PoolFacts, now: datetime | None = None) -> Pool:
    """A pool that was just described. A number that fell is in doubt until a second look saw it too."""
    now = now or database_now()
    percent = shrink_percent(facts.region, facts.name)
    with transaction.atomic():
        Pool.objects.get_or_create(
            pool_id=facts.pool_id,
            defaults={"region": facts.region, "name": facts.name, "first_seen_at": now},
        )
        pool = Pool.objects.select_for_update().get(pool_id=facts.pool_id)
        pool.presence, pool.why_unknown = Pool.Presence.THERE, ""
        before = users_before(facts.region, facts.name, pool)
        seen = falls.fallen(before, facts.estimated_users, percent)
        doubt = falls.doubted(seen, pool.fell, _doubt_of(pool), now)
        _doubt(pool, doubt)
        pool.fell = pool.fell if doubt else seen
        if not falls.fallen(pool.estimated_before, facts.estimated_users, percent):
            pool.estimated_before = facts.estimated_users
        pool.region, pool.name, pool.account = facts.region, facts.name, facts.account
        pool.estimated_users, pool.mail, pool.tier = facts.estimated_users, facts.mail, facts.tier
        pool.looked_at = pool.last_seen_at = now
        pool.save()
    return pool


def _note_gone(region: str, pool_id: str, now: datetime) -> Pool | None:
    """AWS says that there is no such pool: once is a doubt, twice is so.

    Said to another account's credentials it says nothing: there no pool of ours was ever.
    """
    ours = wiring.account_of_ours()
    with transaction.atomic():
        pool = Pool.objects.select_for_update().filter(region=region, pool_id=pool_id).first()
        if pool is None:
            return None
        if pool.presence != Pool.Presence.GONE and pool.account and ours not in ("", pool.account):
            _doubt(pool, None)
            pool.presence, pool.looked_at = Pool.Presence.UNKNOWN, now
            pool.why_unknown = f"Our credentials are of account {ours}, this pool is of {pool.account}."
            pool.save()
            return pool
        settled = falls.GONE if pool.presence == Pool.Presence.GONE else ""
        doubt = falls.doubted(falls.GONE, settled, _doubt_of(pool), now)
        _doubt(pool, doubt)
        pool.presence = Pool.Presence.UNKNOWN if doubt else Pool.Presence.GONE
        pool.why_unknown = (
            f"AWS said at {doubt.since:%H:%M:%S} UTC that it does not exist; it is asked a second time."
            if doubt
            else ""
        )
        pool.looked_at = now
        pool.save()
    return pool


def _note_untold(region: str, untold: wiring.Untold, now: datetime) -> None:
    """It is listed, and was not described."""
    told = {"region": region, "name": untold.name, "looked_at": now}
    told |= {"presence": Pool.Presence.UNKNOWN, "why_unknown": str(untold.error)}
    Pool.objects.update_or_create(
        pool_id=untold.pool_id, defaults=told, create_defaults={**told, "first_seen_at": now}
    )


def _doubt_of(pool: Pool) -> falls.Doubt | None:
    return falls.Doubt(pool.doubt, pool.doubted_at) if pool.doubt and pool.doubted_at else None


def _doubt(pool: Pool, doubt: falls.Doubt | None) -> None:
    pool.doubt, pool.doubted_at = (doubt.what, doubt.since) if doubt else ("", None)


def users_before(region: str, name: str, pool: Pool) -> int | None:
    """What a fall of the pool is measured from: a backup, else its own estimate before."""
    backup = measured_from(region, name, pool)
    return pool.estimated_before if backup is None else backup.users


def measured_from(region: str, name: str, pool: Pool) -> Backup | None:
    """The suggested backup of the name, also for a pool that was made again under it.

    Of two pools that bear the name at one time each has its own: what would be suggested were it alone.
    """
    backup = suggested(region, name)
    if backup is None or backup.pool_id in ("", pool.pool_id):
        return backup
    other = Pool.objects.filter(pool_id=backup.pool_id).first()
    if other is None or not beside(pool, other):
        return backup
    held = list(Backup.objects.filter(pool_id=pool.pool_id, pool_name=name).order_by("taken_at", "id"))
    accepted, latest = _accepted(), database_now() + naming.AHEAD
    own = suggest(_candidate(row, accepted, latest) for row in held).key
    return next((row for row in held if row.key == own), None)


def beside(pool: Pool, other: Pool) -> bool:
    """Whether ``pool`` was known while ``other`` stood: it is a twin then, and not its successor."""
    if pool.presence == other.presence == Pool.Presence.THERE:
        return True
    if pool.first_seen_at is None or other.last_seen_at is None:
        return False
    return pool.first_seen_at <= other.last_seen_at


def shrink_percent(region: str, name: str) -> int:
    """A fall of more is an alarm."""
    told = Policy.objects.filter(region=region, name=name).values_list("shrink_percent", flat=True).first()
    return SHRINK_PERCENT if told is None else told


def fell(backup: Backup) -> bool:
    """Whether it is passed over for holding fewer users, which somebody may accept."""
    whole = backup.readable and backup.users is not None
    passed = bool(backup.passed_over) and backup.made_by != Backup.MadeBy.BEFORE_RESTORE
    return whole and passed and backup.taken_at <= database_now() + naming.AHEAD


def suggested(region: str, name: str) -> Backup | None:
    """The backup that every button takes, of a pool of this Region and name."""
    held = Backup.objects.filter(pool_name=name, region__in=(region, ""), suggested=True)
    return held.order_by("-taken_at", "-pk").first()


def tool() -> str:
    return f"cognito-admin {settings.VERSION}"


def _suggest(*, whole: bool = False) -> None:
    """The suggested backup anew, of the pools of which a backup was read, or of all."""
    rows = Backup.objects.exclude(pool_name="").order_by()
    if not whole:
        rows = rows.filter(weighed=False)
    for pool_name in list(rows.values_list("pool_name", flat=True).distinct()):
        weigh(pool_name)


def weigh(pool_name: str) -> None:
    """The suggested backup of one name of a pool, and why newer ones are passed over."""
    columns = ("pk", "key", "region", "taken_at", "state", "users", "made_by", "reason", "suggested")
    with transaction.atomic():
        mine = Backup.objects.filter(pool_name=pool_name)
        mine.filter(weighed=False).update(weighed=True)  # first: what is read after this is weighed again
        backups = list(mine.order_by("taken_at", "id").values_list(*columns, "passed_over", named=True))
        accepted, latest = _accepted(), database_now() + naming.AHEAD
        regions = {backup.region for backup in backups} - {""} or {""}
        chosen: set[str | None] = set()
        passed: dict[str, str] = {}
        for region in sorted(regions):  # a backup that names none (cbr's) stands among those of each
            suggestion = suggest(
                _candidate(backup, accepted, latest) for backup in backups if backup.region in (region, "")
            )
            chosen.add(suggestion.key)
            passed |= suggestion.passed_over
        for backup in backups:
            suggested = backup.key in chosen
            why = "" if suggested else passed.get(backup.key, "")[:200]
            if (backup.suggested, backup.passed_over) != (suggested, why):
                Backup.objects.filter(pk=backup.pk).update(suggested=suggested, passed_over=why)


def _candidate(backup: Any, accepted: set[str], latest: datetime) -> Candidate:
    """Of a row, whole or of some columns."""
    return Candidate(
        key=backup.key,
        readable=backup.state in READABLE,
        users=backup.users,
        before_restore=backup.made_by == Backup.MadeBy.BEFORE_RESTORE,
        why_not=f"{Backup.State(backup.state).label}: {backup.reason}",
        ahead=backup.taken_at > latest,
        accepted=backup.key.removeprefix(naming.KEPT) in accepted,
    )


def _accepted() -> set[str]:
    return set(Acceptance.objects.values_list("key", flat=True))
