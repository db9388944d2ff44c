"""Who is in again after a restore, and who waits for an invitation: read from the pool's list of users.

    restore's ledger + ListUsers (not billed) + the pool's record of sign-ins -> a row each: word and evidence

The rows are this job's items: ``detail`` is the word, ``reason`` the evidence, ``changes`` the dates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

from django.db.models import QuerySet

from backups import wiring
from backups.core.evidence import UNDONE, Evidence, Left, Ways, Word, evidence
from backups.core.invite import WAITING
from backups.core.lifecycle import State
from backups.core.snapshot import User, in_utc
from backups.engine.live import read_pool
from backups.engine.ports import Cause, PortError
from backups.engine.undo import Record, ways_of
from backups.models import Item, Job, database_now
from backups.reporting import JobReport
from backups.runner.ledger import like
from backups.runner.report import undone
from backups.runner.undo import Written, chunks, invited_at, left_by
from backups.runner.words import Ended, Refusal

BATCH = 1000
DATE = "UserLastModifiedDate"
RAN_OUT, WAITS = "ran-out", "waits"


def who_is_in(job: Job, report: JobReport) -> Ended:
    """Ends ``done``; writes to no pool."""
    number = job.params["people"]
    restore = Job.objects.filter(pk=number, kind=Job.Kind.RESTORE).first() if number else None
    if number and restore is None:
        raise Refusal(f"There is no restore {number}.")
    pool = wiring.pool(job.region, job.pool_id)
    ways = ways_of(pool)
    report.phase("Reading the live pool")
    read_at = database_now()
    with read_pool(pool, report, "live", groups=False) as live:
        if restore is None:
            rows = _of_pool(job, live.users(), ways, read_at)
        else:
            wanted = set(_made(restore).values_list("new_sub", flat=True))
            there = {user.sub: user for user in live.users() if user.sub in wanted}
            rows = _of_restore(job, restore, there, ways, read_at, Record(pool), report)
        Item.objects.filter(job=job).delete()  # an earlier try's, cut short
        counts = _keep(rows, report)
    words = ", ".join(f"{counts[word]:,} {word}" for word in Word if counts[word])
    result = {
        "read_at": read_at.isoformat(),
        "valid_days": ways.valid.days,
        "words": {word.value: counts[word] for word in Word},
        "ran_out": counts[RAN_OUT],
        "waiting": counts[WAITS],
    }
    return Ended(State.DONE, f"{words or 'Nobody is listed'}. Nothing was written.", result)


def _made(restore: Job) -> QuerySet[Item]:
    """The ledger's rows of whom the restore created."""
    made = restore.items.filter(action="create", intended_at__isnull=False).exclude(new_sub="")
    return made.exclude(outcome="skipped").order_by("position", "pk")


def _of_restore(
    job: Job,
    restore: Job,
    there: dict[str, User],
    ways: Ways,
    now: datetime,
    record: Record,
    report: JobReport,
) -> Iterator[Item]:
    report.phase("Reading the backup that was restored")
    gone = frozenset(undone(restore).values_list("new_sub", flat=True))
    with Written(restore, report) as backup:
        report.phase("Looking at everybody whom the restore created", len(there))
        for items in chunks(_made(restore)):
            report.keep_going()
            invited = invited_at(items)
            for item in items:
                user, left = there.get(item.new_sub), left_by(restore, item, invited)
                told = evidence(left, user, None, ways, now)
                if item.new_sub in gone:
                    told = Evidence(Word.NOT_YET, UNDONE)
                elif told.word is not Word.IN_AGAIN and user is not None:
                    told = evidence(left, user, _recorded(record, user), ways, now)
                before = backup.user(item)
                yield _row(job, item, user, left, told, in_utc(before.modified) if before else "")


def _of_pool(job: Job, users: Iterable[User], ways: Ways, now: datetime) -> Iterator[Item]:
    """Everybody of the pool who waits in FORCE_CHANGE_PASSWORD, whoever made them."""
    waiting = enumerate(user for user in users if user.status == "FORCE_CHANGE_PASSWORD")
    while batch := list(islice(waiting, BATCH)):
        items = [
            Item(
                key=user.key,
                position=place,
                label=user.label,
                old_username=user.username,
                email=user.email,
                new_sub=user.sub,
                new_username=user.username,
            )
            for place, user in batch
        ]
        invited = invited_at(items)
        for item, (_, user) in zip(items, batch, strict=True):
            left = Left(user.sub, password=False, invited=invited.get(user.sub))
            yield _row(job, item, user, left, evidence(left, user, None, ways, now), "")


def _row(job: Job, item: Item, user: User | None, left: Left, told: Evidence, before: str) -> Item:
    """``before``: when the backup's user changed last."""
    return like(
        item,
        job,
        email=user.email if user else item.email,
        action="look",
        reason=told.why,
        detail=told.word.value,
        enabled=user.enabled if user else item.enabled,
        changes=[[DATE, in_utc(user.modified) if user else "", before]],
        mailed_at=left.invited,  # with no messages of its own: this job sends none
    )


def _keep(rows: Iterable[Item], report: JobReport) -> dict[str, int]:
    counts = dict.fromkeys([*Word, RAN_OUT, WAITS], 0)
    walk = iter(rows)
    while batch := list(islice(walk, BATCH)):
        report.keep_going()
        for row in batch:
            counts[row.detail] += 1
            counts[RAN_OUT] += row.reason == RAN_OUT
            counts[WAITS] += row.reason in WAITING
        Item.objects.bulk_create(batch)
    return counts


def _recorded(record: Record, user: User) -> bool | None:
    try:
        return record.of(user.username)
    except PortError as error:
        if error.cause is Cause.MISSING:  # gone since the list was read: of this one nothing is known
            return None
        raise
