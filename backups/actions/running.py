"""Jobs that are under way: paused, resumed, cancelled."""

from __future__ import annotations

from collections.abc import Collection

from django.db import IntegrityError, transaction

from backups import access, queue, runner
from backups.actions.asking import (
    Actor,
    Refused,
    ask,
    busy,
    may_now,
    record_of,
    state_of,
)
from backups.core.lifecycle import State
from backups.models import Job
from backups.models.audit import Act
from backups.reporting import announce
from backups.runner import restore as restoring


def pause(actor: Actor, job: Job) -> Job:
    """A running job stops at the next step and keeps its place."""
    return ask(actor, job, "pause", State.PAUSED, Act.JOB_PAUSED)


def cancel(actor: Actor, job: Job) -> Job:
    """What is done stays done; nothing more is begun."""
    return ask(actor, job, "cancel", State.CANCELLED, Act.JOB_CANCELLED)


def resume(actor: Actor, job: Job, causes: Collection[str] = restoring.RETRIED) -> Job:
    """A paused job goes on from its ledger; so does a restore that is over and left somebody unfinished.

    Who failed for one of the ``causes`` is tried again, from the last finished step: of a restore after
    those who were not come to yet. Whoever resumes stands behind the job from now on: the worker asks IAM
    about them, as whoever asked first may have left.
    """
    may_now(actor, access.FOR_JOB[Job.Kind(job.kind)])
    if runner.of_a_file(job) and not actor.terminal:
        raise Refused(f"It reads a file. {runner.ON_ITS_HOST}")
    if not may_resume(job, causes):
        raise Refused(f"{state_of(job)} There is nothing to go on with.")
    try:
        with transaction.atomic():
            params = {
                name: value for name, value in job.params.items() if name not in ("terminal", restoring.AGAIN)
            }
            if actor.terminal:
                params["terminal"] = True  # else a worker has it from now on
            if job.kind == Job.Kind.RESTORE:
                params[restoring.AGAIN] = _tried(causes)
            else:
                restoring.try_again(restoring.failed(job, causes))
            changed = Job.objects.filter(pk=job.pk, state=job.state).update(
                state=State.QUEUED,
                wants="",
                sentence="",
                queued_at=None,
                finished_at=None,
                wake_at=None,
                params=params,
                asked_by=actor.id,
                asked_by_name=actor.name,
            )
            if not changed:
                raise Refused(f"{state_of(job)} Somebody was faster.")
            told = _going_on(job, causes)
            announce(job.pk, State.QUEUED, f"Resumed by {actor.name}")
            record_of(actor, Act.JOB_RESUMED, job, **told)
            job.refresh_from_db()
            if not actor.terminal:
                queue.send(job)
    except IntegrityError:
        raise Refused(busy(job)) from None
    return job


def _going_on(job: Job, causes: Collection[str]) -> dict[str, object]:
    """For the entry: with how many users a restore goes on, and whose failures are tried again."""
    if job.kind != Job.Kind.RESTORE:
        return {}
    return {"users": restoring.unfinished(job, causes), "causes": _tried(causes)}


def _tried(causes: Collection[str]) -> list[str]:
    return sorted(set(causes) & set(restoring.RETRIED))


def may_resume(job: Job, causes: Collection[str] = restoring.RETRIED) -> bool:
    """Whether there is something to go on with."""
    if job.state in (State.PAUSED, State.WAITING):
        return True
    ended = (State.CANCELLED, State.FAILED, State.DONE_WITH_FAILURES)
    if job.kind != Job.Kind.RESTORE or job.state not in ended:
        return False
    return bool(job.result.get("groups_not_made")) or restoring.unfinished(job, causes) > 0
