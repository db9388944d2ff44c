"""Running a job: take the lease, may this person still?, ONE verb of the engine, finish.

    run(job id) -> lease (a conditional UPDATE; zero rows changed: walk away)
                -> heartbeat thread + report -> backup | compare | find | plan | restore -> state
    sweep()     -> what waits too long, lost its owner, or shall wake is sent again

The same functions run in a Celery worker and in a terminal. Time is the database's.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, DataError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from backups import access, auth, queue
from backups.core import principal
from backups.core.files import Unreadable
from backups.core.lifecycle import OVER, State, sources_of
from backups.core.preflight import count
from backups.engine.ports import Cause, PortError, Stop
from backups.models import Job, Operator, database_now
from backups.models.audit import Act, record
from backups.reporting import Heartbeat, JobReport, Lease, announce
from backups.runner import invite, mail, restore, schema, undo
from backups.runner.backup import make_backup
from backups.runner.compare import compare_sides
from backups.runner.find import find_last_good
from backups.runner.invite import send_invitations
from backups.runner.keep import keep_copy
from backups.runner.mail import switch_mail
from backups.runner.mails import spent
from backups.runner.people import who_is_in
from backups.runner.plan import make_plan
from backups.runner.report import keep_report
from backups.runner.schema import add_to_schema
from backups.runner.sources import FILE
from backups.runner.undo import carry_out_undo, plan_undo
from backups.runner.words import Ended, Refusal

log = structlog.get_logger(__name__)


def _planned(job: Job, report: JobReport) -> Ended:
    """What a job that plans reads the pool for: a restore, the undo of one, or who is in again after one."""
    if "undo" in job.params:
        return plan_undo(job, report)
    return who_is_in(job, report) if "people" in job.params else make_plan(job, report)


WORK: Mapping[str, Callable[[Job, JobReport], Ended]] = {
    Job.Kind.BACKUP: make_backup,
    Job.Kind.COMPARE: compare_sides,
    Job.Kind.PLAN: _planned,
    Job.Kind.RESTORE: restore.carry_out,
    Job.Kind.KEEP: keep_copy,
    Job.Kind.FIND: find_last_good,
    Job.Kind.MAIL: switch_mail,
    Job.Kind.SCHEMA: add_to_schema,
    Job.Kind.UNDO: carry_out_undo,
    Job.Kind.INVITE: send_invitations,
}
ENDED = {
    Job.Kind.BACKUP: Act.BACKUP_ENDED,
    Job.Kind.COMPARE: Act.COMPARE_ENDED,
    Job.Kind.PLAN: Act.PLAN_ENDED,
    Job.Kind.RESTORE: Act.RESTORE_ENDED,
    Job.Kind.KEEP: Act.BACKUP_KEPT,
    Job.Kind.FIND: Act.FIND_ENDED,
    Job.Kind.UNDO: Act.UNDO_ENDED,
    Job.Kind.INVITE: Act.INVITE_ENDED,
    Job.Kind.MAIL: Act.MAIL_ENDED,
    Job.Kind.SCHEMA: Act.SCHEMA_ENDED,
}
TOTALS: Mapping[str, Callable[[Job], dict[str, int]]] = {
    Job.Kind.RESTORE: restore.totals,
    Job.Kind.UNDO: undo.totals,
    Job.Kind.INVITE: invite.totals,
}
SO_FAR: Mapping[str, Callable[[Job], str]] = {
    Job.Kind.RESTORE: restore.so_far,
    Job.Kind.UNDO: undo.so_far,
    Job.Kind.INVITE: invite.so_far,
    Job.Kind.MAIL: mail.so_far,
    Job.Kind.SCHEMA: schema.so_far,
}
"""What of the pool a job of these kinds has changed, in words."""
TERMINAL = "terminal:"
SCHEDULE = "schedule"
"""Who asked for a backup that is due: no person, so IAM is not asked about anybody."""
ON_ITS_HOST = "Resume it on that host, where its file is."


def run(
    job_id: int,
    *,
    interrupted: threading.Event | None = None,
    leaving: Callable[[], bool] = lambda: False,
) -> Job | None:
    """Run one job to its end, or until it is told to stop; None when somebody else has it, or it is over.

    ``interrupted``, when set, pauses the job at the next step (Ctrl-C in a terminal); ``leaving``, when
    true, hands it back to the queue (a worker that is told to end).
    """
    lease = take(job_id)
    if lease is None:
        return None
    job = Job.objects.get(pk=job_id)
    report = JobReport(lease, interrupted or threading.Event(), leaving)
    report.start_counting(job.counters)
    with Heartbeat(lease):
        ended = _work(job, report)
        if ended is not None and lease.renew():
            if ended.state in (State.CANCELLED, State.FAILED) and (numbers := counted(job)):
                ended = replace(ended, result={**job.result, **numbers, **(ended.result or {})})
            ended = keep_report(job, ended)
    if ended is not None:
        finish(job, lease, ended)
    return Job.objects.get(pk=job_id)


def take(job_id: int) -> Lease | None:
    """The job's lease, if it is free or ran out. Whose UPDATE changes the row has it."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    free = Q(state=State.QUEUED) | Q(state=State.RUNNING, lease_until__lt=Now())
    with transaction.atomic():
        changed = Job.objects.filter(free, pk=job_id).update(
            state=State.RUNNING,
            lease_owner=owner[:128],
            fence=F("fence") + 1,
            lease_until=Now() + timedelta(seconds=settings.LEASE_SECONDS),
            sentence="",
        )
        if not changed:
            return None
        job = Job.objects.get(pk=job_id)
        if job.started_at is None:
            Job.objects.filter(pk=job_id).update(started_at=Now())
            announce(job_id, State.RUNNING)
        else:
            announce(job_id, State.RUNNING, "Taken up again where it was left")
    return Lease(job_id, owner[:128], job.fence)


def finish(job: Job, lease: Lease, ended: Ended) -> None:
    """Write the end, if the job is still ours. The entry in the audit log is in the same transaction."""
    over = ended.state in OVER
    with transaction.atomic():
        values: dict[str, Any] = {
            "state": ended.state,
            "sentence": ended.sentence,
            "lease_owner": "",
            "lease_until": None,
            "wants": "",
            "wake_at": ended.wake_at,
        }
        if ended.result is not None:
            values["result"] = ended.result
        if over:
            values["finished_at"] = Now()
        if ended.state == State.QUEUED:
            values["queued_at"] = None
        mine = Job.objects.filter(
            pk=job.pk, lease_owner=lease.owner, fence=lease.fence, state__in=sources_of(ended.state)
        )
        if not mine.update(**values):
            log.warning("job ended here, and is somebody else's by now", job=job.pk)
            return
        announce(job.pk, ended.state, ended.sentence)
        if ended.state == State.QUEUED:
            queue.send(job)
        if over:
            record(
                ENDED[Job.Kind(job.kind)],
                actor_id=job.asked_by,
                actor=job.asked_by_name,
                result=ended.state,
                pool=job.pool_text,
                job=job.pk,
                **_told(ended),
            )


def counted(job: Job) -> dict[str, int]:
    """What became of everybody so far, of a job with a ledger of its own; {} of any other."""
    totals = TOTALS.get(Job.Kind(job.kind))
    return totals(job) if totals else {}


def sweep() -> int:
    """Send again what is queued too long, whose lease ran out, or whose time has come. Returns how many."""
    now = database_now()
    stale = now - timedelta(seconds=settings.LEASE_SECONDS)
    terminals = Q(params__has_key="terminal")
    never_sent = Q(queued_at__isnull=True, created_at__lt=now - timedelta(seconds=5))
    waiting = Q(state=State.QUEUED) & (Q(queued_at__lt=stale) | never_sent) & ~terminals
    lost = Q(state=State.RUNNING, lease_until__lt=now)
    due = Q(state=State.WAITING, wake_at__lte=now)
    never_begun = Q(state=State.QUEUED, created_at__lt=stale) & terminals
    jobs = list(Job.objects.filter(waiting | lost | due | never_begun))
    for job in jobs:
        if job.state == State.QUEUED and "terminal" in job.params:
            _leave(job, "Paused: the terminal that asked for it went away before it began. Resume it.")
        elif job.state != State.QUEUED and of_a_file(job):
            _leave(job, f"Paused: the terminal that ran it went away. {ON_ITS_HOST}")
        elif job.state == State.WAITING:
            _wake(job)
        else:
            queue.send(job)
    return len(jobs)


def of_a_file(job: Job) -> bool:
    """Whether it reads a file of one host, where another one may lie under the same path."""
    return any(str(job.params.get(name, "")).startswith(FILE) for name in ("source", "from", "to"))


def _stands(job: Job) -> QuerySet[Job]:
    """The job, if it is still as the sweeper found it: nobody's, and in the same state."""
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    return Job.objects.filter(free, pk=job.pk, state=job.state, fence=job.fence)


def _leave(job: Job, text: str) -> None:
    """No worker is sent after what only a person at a terminal can go on with."""
    with transaction.atomic():
        still = {"state": State.PAUSED, "lease_owner": "", "lease_until": None, "wake_at": None}
        if _stands(job).update(sentence=text, **still):
            announce(job.pk, State.PAUSED, text)


def _wake(job: Job) -> None:
    params = {name: value for name, value in job.params.items() if name != "terminal"}
    with transaction.atomic():
        if _stands(job).update(state=State.QUEUED, wake_at=None, queued_at=None, params=params):
            announce(job.pk, State.QUEUED, "Awake again: a new day of mails has begun")
            queue.send(job)


def _work(job: Job, report: JobReport) -> Ended | None:
    try:
        _may_still(job)
        ended = WORK[Job.Kind(job.kind)](job, report)
        report.flush()
        return ended
    except Stop as stop:
        return _stopped(job, report, stop)
    except DatabaseError as error:
        if isinstance(error, DataError):  # what it does not take today it takes at no other time
            log.exception("job failed", job=job.pk)
            return _failed(job, report, f"The database does not take what was found. {_kept(job)}")
        raise  # nothing can be written down now: the lease runs out, and the next worker goes on
    except Refusal as refusal:
        return _failed(job, report, str(refusal))
    except Unreadable as error:
        return _failed(job, report, f"The backup cannot be used: {error}. {_kept(job)}")
    except PortError as error:
        log.warning("job failed", job=job.pk, cause=str(error.cause), code=error.code)
        return _failed(job, report, f"{error} {_still_true(job, error)}")
    except Exception as error:  # a person must see that it ended, whatever it was
        log.exception("job failed", job=job.pk)
        return _failed(job, report, f"The dashboard itself failed ({type(error).__name__}). {_kept(job)}")


def _failed(job: Job, report: JobReport, sentence: str) -> Ended | None:
    """A restore that has begun anybody stands still instead: it goes on when the cause is gone."""
    return _flushed(report, Ended(State.PAUSED if restore.begun(job) else State.FAILED, sentence))


def _stopped(job: Job, report: JobReport, stop: Stop) -> Ended | None:
    if stop.why == "lease-lost":
        log.warning("lease lost, walking away", job=job.pk)
        return None
    if _flushed(report, Ended(State.PAUSED, "")) is None:
        return None
    if stop.why == "cancel":
        restore.close_unfinished(job)
        return Ended(State.CANCELLED, _kept(job))
    if stop.why == "failures":
        why = "User after user failed for the same cause, so it stands still. Look at the cause, then resume."
        return Ended(State.PAUSED, f"{why} {_kept(job)}")
    if stop.why == "hand-back":
        return Ended(State.QUEUED, "Handed back by a worker that ends; the next one goes on from here.")
    if stop.why == "mail-limit":
        wake_at, why = spent(job)
        return Ended(State.WAITING, f"{why} {_invited(job)}", wake_at=wake_at)
    return Ended(State.PAUSED, _kept(job))


def _invited(job: Job) -> str:
    mailed = count(job.items.filter(messages__gt=0).count(), "was", "were")
    wait = job.items.filter(outcome="unknown", confirmed=True).count()
    others = count(wait, "stands in the pool and waits", "stand in the pool and wait")
    return f"{mailed} invited, {others} for their invitation. It goes on by itself."


def _flushed(report: JobReport, ended: Ended) -> Ended | None:
    try:
        report.flush()
    except Stop:
        return None
    return ended


def _told(ended: Ended) -> dict[str, Any]:
    """What of a result goes into the audit entry: its numbers, and which backup was made or kept."""
    texts = ("key", "kept_as", "sha256", "groups_not_made")
    return {
        name: value for name, value in (ended.result or {}).items() if isinstance(value, int) or name in texts
    }


def _may_still(job: Job) -> None:
    """Asked again where it happens: somebody who left the group starts nothing any more."""
    if job.asked_by.startswith(TERMINAL) or (job.asked_by == SCHEDULE and job.kind == Job.Kind.BACKUP):
        return
    operator = Operator.objects.filter(unique_id=job.asked_by).first()
    if operator is None:
        raise Refusal(f"Whoever asked for this is not known here any more. {_kept(job)}")
    try:
        auth.recheck(operator)
    except principal.Refused as error:
        raise Refusal(f"{error} {_kept(job)}") from None
    allowed = access.can(operator, access.FOR_JOB[Job.Kind(job.kind)])
    if not allowed:
        raise Refusal(f"{allowed.why} {_kept(job)}")


def _kept(job: Job) -> str:
    told = SO_FAR.get(Job.Kind(job.kind))
    return told(job) if told else "Nothing was written to a user pool."


def _still_true(job: Job, error: PortError) -> str:
    if job.kind == Job.Kind.RESTORE:
        begun = job.items.filter(intended_at__isnull=False).exists()
        return "Whoever was created went with it." if begun and error.cause is Cause.GONE else _kept(job)
    if job.kind in SO_FAR:
        return _kept(job)
    if error.cause in (Cause.UNREACHABLE, Cause.LOST, Cause.THROTTLED):
        return "Nothing was changed; ask again when AWS answers."
    return "Nothing was changed."
