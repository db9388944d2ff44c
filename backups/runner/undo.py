"""Undoing a restore: the plan, which only reads, and the job that carries it out.

restore's ledger + the backup it came from -> everybody touched, read one by one -> delete | put-back | skip
that plan, looked at and confirmed         -> each row without an outcome, as restores do it
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime

import orjson
from django.db import transaction
from django.db.models import Count, Q, QuerySet

from backups import wiring
from backups.core import plan
from backups.core.choices import Choices
from backups.core.evidence import Left
from backups.core.files import Unreadable
from backups.core.lifecycle import OVER, State
from backups.core.plan import Messages
from backups.core.snapshot import ADDRESSES, PoolFacts, User
from backups.core.undo import ENABLED, Touched, Verdict, What, truth
from backups.engine.ports import Cause, PortError, Stop
from backups.engine.steps import INVITED
from backups.engine.undo import Task, undo, verdicts, ways_of
from backups.models import Item, Job, Plan, database_now
from backups.models.audit import Act
from backups.reporting import JobReport
from backups.runner.backup import back_up_first
from backups.runner.ledger import intend, like
from backups.runner.sources import read_side
from backups.runner.words import Ended, Refusal

BATCH = 1000
FINISHED = ("created", "updated")
UNHEARD = ("silent", "read-back-differs")
"""Why an update failed of which a write may be out; what Cognito refused was not written."""


def plan_undo(job: Job, report: JobReport) -> Ended:
    """Ends ``planned``. The plan's lines are the job's items, and nothing else is written."""
    restore = the_restore(int(job.params["undo"]))
    pool = wiring.pool(job.region, job.pool_id)
    facts = pool.facts()
    counts = dict.fromkeys(What, 0)
    by_reason: dict[str, int] = {}
    seal = hashlib.sha256(orjson.dumps([facts.pool_id, restore.pk]))
    with ExitStack() as stack:
        report.phase("Reading the backup that was restored")
        backup = stack.enter_context(Written(restore, report))
        report.phase("Reading the users that the restore wrote to", touched(restore).count())
        read_at = database_now()
        Item.objects.filter(job=job).delete()  # an earlier try's, cut short
        rows: list[Item] = []
        ledger: dict[str, Item] = {}  # who is being read
        people = _people(restore, backup, facts, ledger)
        for one, verdict in verdicts(pool, people, report, ways_of(pool)):
            row = _line(job, ledger.pop(one.key), verdict)
            rows.append(row)
            counts[verdict.what] += 1
            by_reason[verdict.reason] = by_reason.get(verdict.reason, 0) + 1
            seal.update(orjson.dumps([row.key, row.action, row.changes, row.groups, row.seen]))
            report.count(live=sum(counts.values()))
            if len(rows) == BATCH:
                Item.objects.bulk_create(rows)
                rows.clear()
        Item.objects.bulk_create(rows)
    to_do = counts[What.DELETE] + counts[What.PUT_BACK]
    with transaction.atomic():
        Plan.objects.filter(job=job).delete()
        Plan.objects.create(
            job=job,
            digest=seal.hexdigest(),
            source=f"undo:{restore.pk}",
            source_sha256="",
            choices={"undo": restore.pk},
            # "create": who takes it for the plan of a restore finds nobody to create.
            counts={
                **{what.value: number for what, number in counts.items()},
                "create": 0,
                "by_reason": by_reason,
            },
            warnings=[backup.why] if backup.why else [],
            facts={"target_users": facts.estimated_users},
            read_at=read_at,
        )
    return Ended(
        State.PLANNED,
        f"{counts[What.DELETE]:,} to delete, {counts[What.PUT_BACK]:,} to put back, "
        f"{counts[What.SKIP]:,} to leave alone. Nothing was written.",
        {
            "delete": counts[What.DELETE],
            "put_back": counts[What.PUT_BACK],
            "skip": counts[What.SKIP],
            "undo": to_do,
        },
    )


def the_restore(number: int) -> Job:
    """The restore that is to be undone. Raises Refusal."""
    job = Job.objects.filter(pk=number, kind=Job.Kind.RESTORE).first()
    if job is None:
        raise Refusal(f"There is no restore {number}. Nothing was written.")
    if job.state not in OVER:
        raise Refusal(f"Restore {number} is not over: cancel it first, or let it end. Nothing was written.")
    return job


def touched(restore: Job) -> QuerySet[Item]:
    """The ledger's rows of whom the restore wrote to, or may have."""
    begun = restore.items.filter(intended_at__isnull=False, action__in=("create", "update"))
    # Of those who were skipped, an update may have been held back in its middle: its steps say so.
    untouched = Q(outcome="skipped") & (Q(action="create") | Q(step=""))
    return begun.exclude(untouched).order_by("position", "pk")


def taken_back(restore: Job) -> QuerySet[Item]:
    """The rows of its undos of whom one deleted again or put back; keys are the restore's."""
    undos = Item.objects.filter(job__kind=Job.Kind.UNDO, job__params__undo=restore.pk)
    return undos.filter(outcome__in=("deleted", "updated"))


def invited_at(items: list[Item]) -> dict[str, datetime]:
    """sub -> when the last invitation of ours went out, whichever job sent it."""
    found: dict[str, datetime] = {}
    subs = [item.new_sub for item in items if item.new_sub]
    mailed = Item.objects.filter(new_sub__in=subs, messages__gt=0, mailed_at__isnull=False)
    for sub, at in mailed.values_list("new_sub", "mailed_at"):
        if at is not None:
            found[sub] = max(at, found.get(sub, at))
    return found


def left_by(restore: Job, item: Item, invited: dict[str, datetime]) -> Left:
    """How the restore left somebody whom it created."""
    return Left(
        item.new_sub,
        restore.params.get("messages") == Messages.SILENT and item.reason != INVITED,
        restore.finished_at if restore.state in OVER else None,
        invited.get(item.new_sub),
    )


class Written:
    """What the restore wrote for each user it created: read from its backup, as the plan took it.

    A context manager. Where the backup cannot be read any more, or is another one by now, nothing is known
    (``why`` says so): then nobody who was created is deleted.
    """

    def __init__(self, restore: Job, report: JobReport) -> None:
        self.why = ""
        self._walk: Iterator[tuple[int, User]] = iter(())
        self._at: tuple[int, User] | None = None
        self._stack = ExitStack()
        self._choices = Choices()
        stored = Plan.objects.select_related("job").filter(pk=restore.params.get("plan")).first()
        if stored is None:
            self.why = f"The plan of restore {restore.pk} is not kept any more."
            return
        self._choices = Choices.of_json(stored.job.params.get("choices", {}))
        try:
            reading = self._stack.enter_context(read_side(stored.source, report, "backup").reading)
        except (Unreadable, Refusal, OSError) as error:
            self.why = f"The backup that was restored cannot be read any more: {error}."
        except PortError as error:
            if error.cause not in (Cause.MISSING, Cause.GONE, Cause.DENIED):
                raise
            self.why = f"The backup that was restored cannot be read any more: {error}"
        else:
            if reading.sha256 == stored.source_sha256:
                self._walk = enumerate(reading.users())
            else:
                self.why = "The backup is not the one that was restored: its bytes changed."

    def __enter__(self) -> Written:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def user(self, item: Item) -> User | None:
        """The backup's user of this row; rows come in the backup's order."""
        while self._at is None or self._at[0] < item.position:
            self._at = next(self._walk, None)
            if self._at is None:
                return None
        place, user = self._at
        return user if place == item.position and item.key.startswith(user.key) else None

    def attributes(self, item: Item, facts: PoolFacts) -> dict[str, str] | None:
        """What a create wrote (core.plan.creation): what the pool knows, and defaults where it asks."""
        user = self.user(item)
        if user is None:
            return None
        wanted = facts.required.difference(ADDRESSES)
        defaults = {name: value for name, value in self._choices.defaults.items() if name in wanted and value}
        written = {**defaults, **plan.writable(user)}
        return {name: value for name, value in written.items() if name in facts.attributes}


def _people(restore: Job, backup: Written, facts: PoolFacts, ledger: dict[str, Item]) -> Iterator[Touched]:
    done = frozenset(taken_back(restore).values_list("key", flat=True))
    for items in chunks(touched(restore)):
        invited = invited_at(items)
        for item in items:
            ledger[item.key] = item
            written = backup.attributes(item, facts) if item.action == "create" else None
            yield _touched(restore, item, written, invited, item.key in done)


def _touched(
    restore: Job, item: Item, written: dict[str, str] | None, invited: dict[str, datetime], undone: bool
) -> Touched:
    create = item.action == "create"
    # Of Enabled the row itself says what was written: it was the other way round before.
    after = truth(item.enabled)
    changes = [
        (name, truth(not item.enabled), after) if name == ENABLED else (name, old, new)
        for name, old, new in item.changes
    ]
    return Touched(
        key=item.key,
        username=item.new_username,
        left=left_by(restore, item, invited),
        create=create,
        finished=item.outcome in FINISHED,
        enabled=item.enabled,
        groups=frozenset(item.groups),
        written=written,
        changes=tuple(changes),
        step="" if create else item.step,
        unheard=not create and (item.outcome == "unknown" or item.reason in UNHEARD),
        undone=undone,
    )


def _line(job: Job, item: Item, verdict: Verdict) -> Item:
    return like(
        item,
        job,
        action=verdict.what.value,
        reason=verdict.reason,
        detail=verdict.detail,
        groups=list(verdict.groups),
        enabled=item.enabled,
        changes=[list(change) for change in verdict.changes],
        seen=verdict.seen,
    )


# --- carrying it out ------------------------------------------------------------------------------


def carry_out_undo(job: Job, report: JobReport) -> Ended:
    stored = Plan.objects.select_related("job").get(pk=job.params["plan"])
    try:
        pool = wiring.pool(job.region, job.pool_id)
        pool.facts()
        _copy(stored.job, job)
        _back_up_first(job, report)
        report.start_counting(_counters(job))
        intend(
            Act.UNDO_INTENDED,
            job,
            stored,
            restore=int(stored.choices["undo"]),
            delete=int(stored.counts["delete"]),
            put_back=int(stored.counts["put-back"]),
            before=str(job.result.get("before", "")),
        )
        report.phase("Taking back", job.items.filter(outcome__in=("", "unknown")).count())
        undo(pool, _tasks(job), report)
        report.flush()
    except Stop as stop:
        return _stopped(job, report, stop)
    except PortError as error:
        report.flush()
        begun = job.items.filter(intended_at__isnull=False).exists()
        return Ended(State.PAUSED if begun else State.FAILED, f"{error} {so_far(job)}")
    counted = totals(job)
    words = f"{so_far(job)} {counted['skipped']:,} left alone, {counted['failed']:,} failed.{_before(job)}"
    state = State.DONE_WITH_FAILURES if counted["failed"] else State.DONE
    return Ended(state, words, {**job.result, **counted})


def _back_up_first(job: Job, report: JobReport) -> None:
    """Once, before the first write, as a restore does it: what an undo deletes is nowhere else."""
    begun = job.items.filter(intended_at__isnull=False).exists()
    if "before" in job.result or begun or not _to_do(job).exists():
        return
    report.phase("Backing up the pool first")
    key = back_up_first(
        job, report, "Nothing was deleted or put back. Plan the undo anew when the cause is gone."
    )
    job.result = {**job.result, "before": key}
    with transaction.atomic():
        report.prove()
        Job.objects.filter(pk=job.pk).update(result=job.result)
    report.say("note", f"the pool as it was is kept: {key}")


def _before(job: Job) -> str:
    """Where the pool as it was is kept: a sentence behind another one, or ""."""
    return f" The pool as it was before is kept: {job.result['before']}." if "before" in job.result else ""


def totals(job: Job) -> dict[str, int]:
    """What became of everybody, counted in the ledger."""
    outcomes = ("deleted", "updated", "skipped", "failed")
    counted = job.items.aggregate(**{name: Count("pk", filter=Q(outcome=name)) for name in outcomes})
    confirmed = job.items.filter(confirmed=True).count()
    return {**{name: int(value) for name, value in counted.items()}, "confirmed": confirmed}


def so_far(job: Job) -> str:
    """What of the pool is changed, in words."""
    counted = totals(job)
    if not counted["deleted"] and not counted["updated"]:
        return "Nobody was deleted and nothing was put back."
    return f"{_users(counted['deleted'])} deleted, {_users(counted['updated'])} put back, all read back."


def _stopped(job: Job, report: JobReport, stop: Stop) -> Ended:
    if stop.why in ("lease-lost", "hand-back"):
        raise stop
    report.flush()
    if stop.why == "cancel":
        words = f"{so_far(job)} What was deleted cannot come back by itself.{_before(job)}"
        return Ended(State.CANCELLED, words)
    if stop.why == "failures":
        why = "User after user failed for the same cause, so it stands still. Look at the cause, then resume."
        return Ended(State.PAUSED, f"{why} {so_far(job)}")
    return Ended(State.PAUSED, so_far(job))


def _copy(plan_job: Job, job: Job) -> None:
    """The plan's lines as this job's rows, once; whom the plan leaves alone has an outcome at once."""
    if job.items.count() == plan_job.items.count():
        return
    for items in chunks(plan_job.items.order_by("position", "pk")):
        for item in items:
            item.pk, item.job = None, job
            if item.action == What.SKIP:
                item.outcome = "skipped"
            else:
                item.reason = ""
        Item.objects.bulk_create(items, ignore_conflicts=True)


def _counters(job: Job) -> dict[str, int]:
    counted = totals(job)
    total = job.items.count()
    over = sum(counted[name] for name in ("deleted", "updated", "skipped", "failed"))
    return {**counted, "total": total, "left": total - over}


def _to_do(job: Job) -> QuerySet[Item]:
    return job.items.filter(action__in=(What.DELETE, What.PUT_BACK), outcome__in=("", "unknown"))


def _tasks(job: Job) -> Iterator[Task]:
    for items in chunks(_to_do(job).order_by("position", "pk")):
        for item in items:
            yield Task(
                key=item.key,
                label=item.label,
                what=What(item.action),
                sub=item.new_sub,
                username=item.new_username,
                seen=item.seen,
                changes=tuple((name, now, back) for name, now, back in item.changes),
                groups=tuple(item.groups),
                detail=item.detail,
                begun=item.outcome == "unknown",
            )


def chunks(rows: QuerySet[Item]) -> Iterator[list[Item]]:
    """By position and then pk, a query each: no cursor stays open while others write."""
    position, pk = -1, -1
    while items := list(rows.filter(Q(position__gt=position) | Q(position=position, pk__gt=pk))[:BATCH]):
        position, pk = items[-1].position, items[-1].pk  # now: who takes a row may write it as another
        yield items


def _users(number: int) -> str:
    return f"{number:,} user{'' if number == 1 else 's'}"
