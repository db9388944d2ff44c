"""A restore job: what its plan promised, from the ledger on, and nothing else.

plan again -> is what it rests on the same? -> each row of the ledger that has no outcome yet:
    begun by an earlier try -> settled by reading back, then from its last step on
    here by now             -> skipped
    still missing           -> created
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, Sum

from backups import wiring
from backups.core import plan
from backups.core.lifecycle import State
from backups.core.plan import Action, Messages
from backups.engine.live import read_pool
from backups.engine.ports import Outcome
from backups.engine.reading import Reading
from backups.engine.restore import NONE_WENT_OUT, Task, restore
from backups.models import Item, Job, Plan
from backups.models.audit import Act, AuditEntry, record
from backups.reporting import JobReport
from backups.runner.plan import choices, mails_today, missing_groups, plan_lines
from backups.runner.sources import read_side
from backups.runner.words import Ended, Refusal

BATCH = 2000
RETRIED = (
    *("denied", "silent", "throttled", "refused", "read-back-differs"),
    *("mail-limit", "not-delivered", "not-invited"),
)
"""Causes that may be gone at the next try. Not "maybe-invited": a second mail might go out."""


def carry_out(job: Job, report: JobReport) -> Ended:
    stored = Plan.objects.select_related("job").get(pk=job.params["plan"])
    messages = Messages(job.params["messages"])
    pool = wiring.pool(job.region, job.pool_id)
    report.phase("Reading the backup")
    with read_side(stored.source, report, "backup").reading as backup:
        report.phase("Reading the live pool")
        with read_pool(pool, report, "live") as live:
            facts = live.facts
            assert facts is not None
            if plan.digest(backup.sha256, facts, choices(stored.job)) != stored.digest:
                raise Refusal(
                    "The backup or the pool's settings are not what they were when this plan was made. "
                    f"{_so_far(job)} Make a new plan."
                )
            _copy_ledger(stored.job, job)
            report.start_counting(_counters(job) | {"at_most": _at_most(job.region, messages)})
            _intend(job, stored)
            used = {name for groups in job.items.values_list("groups", flat=True) for name in groups}
            restore(
                pool,
                _tasks(job, stored, backup, live, report),
                missing_groups(stored.job, backup, live, used),
                facts,
                report,
                wiring.clock(),
                messages=messages,
                mails_left=lambda: plan.mail_allowed(facts, settings.MAIL_RESERVE, mails_today()),
            )
    report.flush()
    return _ended(job)


def totals(job: Job) -> dict[str, int]:
    """What became of everybody, counted in the ledger."""
    counted = job.items.aggregate(
        total=Count("pk"),
        created=Count("pk", filter=Q(outcome="created")),
        updated=Count("pk", filter=Q(outcome="updated")),
        skipped=Count("pk", filter=Q(outcome="skipped")),
        failed=Count("pk", filter=Q(outcome="failed")),
        confirmed=Count("pk", filter=Q(confirmed=True)),
        messages=Sum("messages", default=0),
    )
    return {name: int(value) for name, value in counted.items()}


def unfinished(job: Job, causes: Collection[str] = RETRIED) -> int:
    """How many users a resumed restore would go on with, or try again for these causes."""
    to_do = Q(outcome__in=("", "unknown")) | Q(outcome="failed", reason__in=set(causes) & set(RETRIED))
    return job.items.filter(to_do).count()


def try_again(job: Job, causes: Collection[str] = RETRIED) -> None:
    """Before a resume: who failed for a cause that may be gone is taken up from the last finished step.

    That no mail went out is remembered: it is what allows the one invitation that is still owed.
    """
    failed = job.items.filter(outcome="failed", reason__in=set(causes) & set(RETRIED))
    failed.filter(reason__in=NONE_WENT_OUT).update(outcome="unknown", detail="")
    failed.exclude(reason__in=NONE_WENT_OUT).update(outcome="unknown", reason="", detail="")


def close_unfinished(job: Job) -> None:
    """At a cancel: who stands complete and waits for an invitation gets an outcome that says so."""
    job.items.filter(outcome="unknown", step="confirmed").update(outcome="failed", reason="not-invited")


def _counters(job: Job) -> dict[str, int]:
    """Where the live counters stand: users with an outcome; the others count when they have one."""
    counted = totals(job)
    ended = job.items.filter(outcome__in=("created", "updated", "skipped", "failed"))
    over = sum(counted[name] for name in ("created", "updated", "skipped", "failed"))
    return {
        **counted,
        "confirmed": ended.filter(confirmed=True).count(),
        "messages": int(ended.aggregate(sum=Sum("messages", default=0))["sum"]),
        "left": counted["total"] - over,
    }


def _at_most(region: str, messages: Messages) -> int:
    """Users a second that the quota allows: a password each where nobody is written to, else a create."""
    category = "UserAccountRecovery" if messages is Messages.SILENT else "UserCreation"
    return max(1, round(wiring.pace(region).standing()[category].limit))


def _copy_ledger(plan_job: Job, job: Job) -> None:
    """The plan's lines as this job's rows, once; what is only skipped has its outcome at once."""
    if job.items.count() == plan_job.items.count():
        return
    rows: list[Item] = []
    for item in plan_job.items.order_by("position").iterator(chunk_size=BATCH):
        item.pk, item.job = None, job
        if item.action != Action.CREATE:
            item.outcome = "skipped"
        else:
            item.reason = ""
        rows.append(item)
        if len(rows) == BATCH:  # one transaction each: heartbeats get their turn
            Item.objects.bulk_create(rows, ignore_conflicts=True)
            rows.clear()
    Item.objects.bulk_create(rows, ignore_conflicts=True)


def _intend(job: Job, stored: Plan) -> None:
    """Committed alone before the first call: no intent, no act. A crash leaves an intent without an end."""
    if AuditEntry.objects.filter(act=Act.RESTORE_INTENDED, job=job.pk).exists():
        return
    record(
        Act.RESTORE_INTENDED,
        actor_id=job.asked_by,
        actor=job.asked_by_name,
        result="intended",
        pool=job.pool_text,
        job=job.pk,
        plan=stored.job_id,
        digest=stored.digest,
        create=int(stored.counts["create"]),
        messages=str(job.params["messages"]),
    )


def _tasks(job: Job, stored: Plan, backup: Reading, live: Reading, report: JobReport) -> Iterator[Task]:
    assert live.facts is not None
    pending = {item.key: item for item in job.items.filter(action=Action.CREATE, outcome__in=("", "unknown"))}
    for line in plan_lines(stored.job, stored.source, backup, live):
        item = pending.pop(line.key, None)
        if item is None:
            continue
        if item.outcome == "unknown":
            again = plan.creation(line.position, line.user, live.facts, backup.memberships)
            yield Task(again, _begun(item), item.intended_at)
        elif line.action is Action.CREATE:
            yield Task(line)
        else:
            reason = "exists-now" if line.reason == "exists" else line.reason
            known = line.known
            report.outcome(
                Outcome(
                    line.user.key,
                    "skipped",
                    reason=reason,
                    detail=line.detail,
                    new_sub=known.sub if known else "",
                    new_username=known.username if known else "",
                )
            )


def _begun(item: Item) -> Outcome:
    return Outcome(
        item.key,
        step=item.step,
        reason=item.reason,
        detail=item.detail,
        new_sub=item.new_sub,
        new_username=item.new_username,
        messages=item.messages,
        confirmed=item.confirmed,
    )


def _ended(job: Job) -> Ended:
    counted = totals(job)
    result: dict[str, Any] = {name: counted[name] for name in counted if name != "total"}
    words = (
        f"{counted['created']:,} created and read back, {counted['skipped']:,} skipped, "
        f"{counted['failed']:,} failed. {counted['messages']:,} messages sent."
    )
    return Ended(State.DONE_WITH_FAILURES if counted["failed"] else State.DONE, words, result)


def _so_far(job: Job) -> str:
    done = job.items.filter(outcome="created").count()
    return (
        f"{done:,} users were created before; nothing more was written." if done else "Nothing was written."
    )
