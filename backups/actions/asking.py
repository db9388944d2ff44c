"""Who asks, whether they may, and how a job is begun: what every act has in common."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest

from backups import access, auth, queue, runner, wiring
from backups.core import naming, principal
from backups.core.lifecycle import ACTIVE, OVER, State, sources_of
from backups.engine.ports import PortError
from backups.models import Backup, Job, Operator, Pool, database_now
from backups.models.audit import Act, record
from backups.reporting import announce
from backups.runner import restore as restoring
from backups.runner.sources import FILE, LIVE

SHORTEST_REASON, LONGEST_REASON = 3, 500  # words, characters


AT_ONCE = 5
"""Comparisons and searches of one person that are not over."""
LOOKING = (Job.Kind.COMPARE, Job.Kind.FIND)


class Refused(Exception):
    """The act was not begun; the message says why and what is still true. ``status`` is HTTP's."""

    def __init__(self, sentence: str, status: int = 409) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks. ``id`` is the unique id in IAM, or ``terminal:<host user>``."""

    id: str
    name: str
    address: str = ""
    terminal: bool = False
    key_id: str = ""  # the access key of the session that asks


THE_SCHEDULE = Actor(runner.SCHEDULE, "the schedule")


def actor_of(request: HttpRequest) -> Actor:
    user = request.user
    assert isinstance(user, Operator)
    return Actor(user.unique_id, user.name, auth.address_of(request), key_id=user.key_id)


def note(
    actor: Actor, act: Act, *, result: str = "done", pool: str = "", job: int | None = None, **details: object
) -> None:
    """This person's entry in the audit log, in the caller's transaction where there is one."""
    record(
        act,
        actor_id=actor.id,
        actor=actor.name,
        address=actor.address,
        result=result,
        pool=pool,
        job=job,
        **details,
    )


def start(actor: Actor, job: Job, pool: Pool | None, act: Act, **details: object) -> Job:
    """The row first, its entry with it, the queue when both are committed."""
    if pool is not None:
        job.region, job.pool_id, job.pool_name = pool.region, pool.pool_id, pool.name
    job.asked_by, job.asked_by_name = actor.id, actor.name
    may_now(actor, access.FOR_JOB[Job.Kind(job.kind)])
    if actor.terminal:
        job.params = {**job.params, "terminal": True}  # it runs its job itself: no worker is sent
    try:
        with transaction.atomic():
            job.save(force_insert=True)
            announce(job.pk, State.QUEUED, f"Asked for by {actor.name}")
            record_of(actor, act, job, **details)
            if not actor.terminal:
                queue.send(job)
    except IntegrityError:
        raise Refused(busy(job)) from None
    return job


def under_way(actor: Actor, kind: Job.Kind, params: dict[str, Any], pool: Pool | None = None) -> Job | None:
    """What was asked for already and is not over: a second click opens it. Raises Refused for too many.

    ``pool``: whose the job is, where the params do not name it.
    """
    if actor.terminal:
        return None
    asked = Job.objects.filter(kind=kind, params=params, state__in=ACTIVE)
    if pool is not None:
        asked = asked.filter(region=pool.region, pool_id=pool.pool_id)
    if same := asked.first():
        return same
    if kind not in LOOKING:
        return None
    theirs = Job.objects.filter(kind__in=LOOKING, asked_by=actor.id, state__in=ACTIVE).count()
    if theirs >= AT_ONCE:
        raise Refused(
            f"You have {theirs} comparisons and searches under way, which is the most at a time: backups "
            "share their workers. Wait until one is done. Nothing was started."
        )
    return None


def may_now(actor: Actor, action: access.Action) -> None:
    """IAM is asked anew for each act: the page may have been open since before somebody left the group."""
    if actor.terminal or actor is THE_SCHEDULE:
        return
    operator = Operator.objects.get(unique_id=actor.id)
    operator.key_id = actor.key_id  # the key of this session: one that was switched off starts nothing
    try:
        auth.recheck(operator)
    except (PortError, principal.Refused) as error:
        raise Refused(f"{error} Nothing was started.", 503 if isinstance(error, PortError) else 403) from None
    if not (allowed := access.can(operator, action)):
        raise Refused(f"{allowed.why} Nothing was started.", 403)


def ask(actor: Actor, job: Job, want: str, state: State, act: Act) -> Job:
    may_now(actor, access.Action.CANCEL)
    with transaction.atomic():
        at_once = [old for old in sources_of(state) if old != State.RUNNING]
        values: dict[str, object] = {"state": state, "wants": "", "wake_at": None}
        if state in OVER:
            values |= {"finished_at": database_now(), "sentence": f"Cancelled by {actor.name}."}
        else:
            values |= {"sentence": f"Paused by {actor.name}."}
        ended = False
        if Job.objects.filter(pk=job.pk, state__in=at_once).update(**values):
            if ended := state in OVER:
                restoring.close_unfinished(job)
            announce(job.pk, state, str(values["sentence"]))
        elif not Job.objects.filter(pk=job.pk, state=State.RUNNING).update(wants=want):
            raise Refused(f"{state_of(job)} There is nothing left to {want}.")
        else:
            announce(job.pk, State.RUNNING, f"{actor.name} asked to {want}: it ends at the next step")
        record_of(actor, act, job)
        if ended:  # no worker has it: nobody else would write down its end
            told = runner.counted(job)
            note(
                actor, runner.ENDED[Job.Kind(job.kind)], result=state, pool=job.pool_text, job=job.pk, **told
            )
    job.refresh_from_db()
    return job


def record_of(actor: Actor, act: Act, job: Job, **details: object) -> None:
    note(actor, act, result="asked", pool=job.pool_text, job=job.pk, **details)


def reason_of(reason: str, who: str) -> str:
    """A reason that says something, without the space around it."""
    reason = " ".join(reason.split())
    if len(reason) > LONGEST_REASON:
        raise Refused(f"The reason has more than {LONGEST_REASON} characters. Nothing was changed.", 400)
    if len(reason.split()) < SHORTEST_REASON:
        raise Refused(f"Say why in a few words: it stands in the audit log for {who}.", 400)
    return reason


def break_glass(actor: Actor) -> dict[str, object]:
    """Who the AWS credentials of a terminal belong to, as text; never judged."""
    if not actor.terminal:
        return {}
    try:
        return {"break_glass": True, "caller": wiring.caller()}
    except PortError as error:
        return {"break_glass": True, "caller": f"not known: {error}"}


def side(actor: Actor, name: str) -> Backup | Pool | None:
    if name.startswith(LIVE):
        pool = Pool.objects.filter(pool_id=name.removeprefix(LIVE)).first()
        if pool is None:
            raise Refused(f"No pool {name.removeprefix(LIVE)} was seen in the configured Regions.", 404)
        return pool
    if name.startswith(FILE):
        if not actor.terminal:
            raise Refused("A file on the server can be used from a terminal only.", 400)
        return None
    parsed = naming.parse(name)
    backup = Backup.objects.filter(key=parsed.key).first() if parsed else None
    if backup is None:
        raise Refused(f"There is no backup {name}.", 404)
    if not backup.readable:
        raise Refused(f"This backup cannot be used: {backup.reason}. Nothing was written.")
    return backup


def canonical(name: str, side: Backup | Pool | None) -> str:
    """As it goes into jobs and entries: never the text that somebody typed around a key."""
    return side.key if isinstance(side, Backup) else name


def busy(job: Job) -> str:
    other = Job.objects.filter(
        region=job.region, pool_id=job.pool_id, queue=Job.Queue.WRITE, state__in=ACTIVE
    ).first()
    which = f"Job {other.pk} ({other.get_state_display()})" if other else "Another job"
    return f"{which} is writing to this pool. Only one may at a time; nothing was started."


def state_of(job: Job) -> str:
    job.refresh_from_db()
    return f"Job {job.pk} is {job.get_state_display().lower()}."


def or_(names: Collection[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}"
