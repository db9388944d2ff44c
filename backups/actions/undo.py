"""Undo of a restore: planned, and started with the plan that somebody looked at."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from backups.actions.approving import need_no_second, unapproved
from backups.actions.asking import Actor, Refused, break_glass, reason_of, start, under_way
from backups.core.lifecycle import OVER, State
from backups.core.snapshot import environment_of
from backups.core.undo import What
from backups.models import Job, Plan, Pool, database_now
from backups.models.audit import Act
from backups.runner.report import asked_first
from backups.runner.undo import taken_back, touched

WHAT = "This undo"
ALONE = timedelta(hours=24)
"""So long after it was asked for, whoever started a restore may take it back alone."""


def may_undo(restore: Job) -> str:
    """Why this job cannot be undone; "" where an undo can be planned."""
    if restore.kind != Job.Kind.RESTORE:
        return f"Job {restore.pk} is no restore, so there is nothing to undo."
    if restore.state not in OVER:
        return f"Restore {restore.pk} is not over. Cancel it first, or let it end; nothing was started."
    if not touched(restore).exists():
        return f"Restore {restore.pk} wrote to nobody, so there is nothing to undo."
    return ""


def plan_undo(actor: Actor, restore: Job) -> Job:
    """A plan on the live pool, made by a job that only reads; one under way is given back. Raises Refused."""
    if refused := may_undo(restore):
        raise Refused(refused, 404 if restore.kind != Job.Kind.RESTORE else 409)
    params = {"undo": restore.pk}
    if same := under_way(actor, Job.Kind.PLAN, params):
        return same
    job = Job(kind=Job.Kind.PLAN, queue=Job.Queue.READ, params=params)
    return start(actor, job, _pool_of(restore), Act.PLAN_ASKED, undo=restore.pk)


def start_undo(actor: Actor, plan: Plan, *, digest: str, typed: str, reason: str) -> Job:
    """Carry out an undo's plan that somebody has looked at. Raises Refused; then nothing was written."""
    number = _may_start(actor, plan, digest)
    told = reason_of(reason, "whoever asks")
    if typed.strip() != confirmation_of_undo(plan):
        raise Refused(f"Type {confirmation_of_undo(plan)} to start. Nothing was written.", 400)
    job = Job(
        kind=Job.Kind.UNDO, queue=Job.Queue.WRITE, params={"plan": plan.pk, "undo": number}, reason=told
    )
    with transaction.atomic():
        if Plan.objects.select_for_update().get(pk=plan.pk).restore_id:
            raise Refused("This undo was carried out already. Plan it anew: the pool has changed since.")
        job = start(
            actor,
            job,
            _pool_of(plan.job),
            Act.UNDO_ASKED,
            plan=plan.job_id,
            restore=number,
            digest=plan.digest,
            delete=int(plan.counts["delete"]),
            put_back=int(plan.counts["put-back"]),
            reason=told,
            **break_glass(actor),
        )
        Plan.objects.filter(pk=plan.pk).update(restore=job)
    return job


def undoing_refused(actor: Actor, plan: Plan) -> str:
    """Why this person may not start the undo on the page, "" where they may."""
    restore = Job.objects.filter(pk=plan.job.params["undo"]).first()
    return "" if restore and _alone(actor, restore) else unapproved(WHAT, overwrites=True)


def undone_already(plan: Plan) -> str:
    """That other undos did all that the plan would do, as a sentence; "" where something is left of it."""
    done = taken_back(Job(pk=plan.job.params["undo"]))
    last = done.order_by("-job").values_list("job", flat=True).first()
    todo = plan.job.items.filter(action__in=(What.DELETE, What.PUT_BACK))
    if last is None or todo.exclude(key__in=done.values("key")).exists():
        return ""
    return f"All that this plan would take back was taken back already, last by job {last}."


def to_undo(plan: Plan) -> int:
    """How many users the undo writes to."""
    return int(plan.counts["delete"]) + int(plan.counts["put-back"])


def confirmation_of_undo(plan: Plan) -> str:
    """What has to be typed to start: environment and number of users, ``production undo 148``."""
    name = plan.job.pool_name
    return f"{environment_of(name) or name} undo {to_undo(plan)}"


def _may_start(actor: Actor, plan: Plan, digest: str) -> int:
    """The restore's number."""
    if "undo" not in plan.job.params:
        raise Refused("This is the plan of a restore, not of an undo. Nothing was written.", 404)
    if plan.job.state != State.PLANNED:
        raise Refused("This plan is not finished. Nothing was written.")
    if digest != plan.digest:
        raise Refused("The plan on your page is not the one that is kept here. Look at it again.")
    if not to_undo(plan):
        raise Refused("There is nobody to delete and nothing to put back. Nothing was written.")
    number = int(plan.job.params["undo"])
    restore = Job.objects.filter(pk=number).first()
    if restore is None or restore.state not in OVER:
        raise Refused(f"Restore {number} goes on by now. Let it end, and plan the undo anew.")
    if done := undone_already(plan):
        raise Refused(f"{done} Nothing was written.")
    if not _alone(actor, restore):
        need_no_second(actor, WHAT, overwrites=True)
    return number


def _alone(actor: Actor, restore: Job) -> bool:
    """Whether it is one's own, and young enough to be taken back without anybody else.

    Whoever resumes a restore stands in its row as who asks; it is the own one of who asked first.
    """
    first = asked_first(restore)
    asked_by = first.actor_id if first else restore.asked_by
    return asked_by == actor.id and database_now() - restore.created_at < ALONE


def _pool_of(job: Job) -> Pool:
    return Pool(region=job.region, pool_id=job.pool_id, name=job.pool_name)
