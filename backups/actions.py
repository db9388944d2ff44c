"""What a person may ask for. Each act leaves its entry in the audit log, in the same transaction.

A view or a command calls one of these and shows what it gives back, or the
sentence of Refused. Nothing here waits for AWS longer than one look.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, BinaryIO

import orjson
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from backups import access, auth, bucket, catalogue, history, queue, runner, schedule, storage, wiring
from backups.core import differences as differing
from backups.core import files, naming, principal
from backups.core import identity_map as mapping
from backups.core.files import Unreadable
from backups.core.history import Timeline
from backups.core.lastgood import BadRule, Rule, which_pool
from backups.core.lifecycle import ACTIVE, OVER, State, sources_of
from backups.core.plan import Messages
from backups.core.snapshot import environment_of, iso
from backups.engine.ports import Cause, PortError
from backups.history import Rebuilt
from backups.models import Acceptance, Backup, Job, Operator, Plan, Policy, Pool, database_now
from backups.models.audit import Act, record
from backups.reporting import announce
from backups.runner import chosen as choosing
from backups.runner import restore as restoring
from backups.runner.chosen import Chosen
from backups.runner.plan import mails_today
from backups.runner.sources import FILE, LIVE

CHUNK = 1 << 20
AT_ONCE = 5
"""Comparisons and searches of one person that are not over."""
SHORTEST_REASON, LONGEST_REASON = 3, 500  # words, characters


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


# --- jobs ------------------------------------------------------------------------------------


def start_backup(actor: Actor, pool: Pool) -> Job:
    job = Job(kind=Job.Kind.BACKUP, queue=Job.Queue.READ, params={"trigger": Backup.MadeBy.PERSON})
    return _start(actor, job, pool, Act.BACKUP_ASKED)


def start_scheduled(pool: Pool) -> Job:
    """A backup that is due by the pool's policy; whoever set that stands behind it."""
    job = Job(kind=Job.Kind.BACKUP, queue=Job.Queue.READ, params={"trigger": Backup.MadeBy.SCHEDULE})
    return _start(THE_SCHEDULE, job, pool, Act.BACKUP_ASKED)


def start_compare(actor: Actor, from_: str, to: str, *, dates: bool = False) -> Job:
    """``from_`` and ``to``: a backup's key, ``live:<pool id>``; from a terminal also ``file:<path>``.

    ``dates``: users' dates are compared as well.
    """
    sides = [_side(actor, name) for name in (from_, to)]
    from_, to = (_canonical(name, side) for name, side in zip((from_, to), sides, strict=True))
    if from_ == to:
        raise Refused("Both sides are the same. Choose two different ones.", 400)
    pool = next((side for side in reversed(sides) if isinstance(side, Pool)), None)
    with_dates = {"dates": True} if dates else {}
    params = {"from": from_, "to": to, **with_dates}
    if job := _under_way(actor, Job.Kind.COMPARE, params):
        return job
    job = Job(kind=Job.Kind.COMPARE, queue=Job.Queue.READ, params=params)
    if pool is None:
        job.pool_name = next(
            (side.pool_name for side in sides if isinstance(side, Backup) and side.pool_name), ""
        )
    return _start(actor, job, pool, Act.COMPARE_ASKED, source=from_, target=to, **with_dates)


def start_find(actor: Actor, pool: str, kind: str, **asked: str) -> Job:
    """Find the last good backup of a pool; ``kind`` and ``asked`` as core.lastgood.Rule.of takes them.

    ``pool``: a name; or an id, and then the search is about the backups of this one alone.
    """
    try:
        rule = Rule.of(kind, **asked)
    except BadRule as error:
        raise Refused(f"{error} Nothing was started.", 400) from None
    if not pool:
        raise Refused("Choose a pool. Nothing was started.", 400)
    of: dict[str, str]
    if Pool.objects.filter(name=pool).exists() or Backup.objects.filter(pool_name=pool).exists():
        of = {"pool_name": pool}
        if pool_ids := history.sharing(pool).get(pool):
            raise Refused(f"{which_pool(pool, pool_ids)} Nothing was started.", 400)
    elif backup := Backup.objects.filter(pool_id=pool).exclude(pool_name="").first():
        of = {"pool_name": backup.pool_name, "pool_id": pool, "region": backup.region}
    elif live := Pool.objects.filter(pool_id=pool).first():
        of = {"pool_name": live.name, "pool_id": pool, "region": live.region}
    else:
        raise Refused(f"No pool {pool} is known here, nor a backup of one. Nothing was started.", 400)
    params = {**of, "rule": rule.params}
    if job := _under_way(actor, Job.Kind.FIND, params):
        return job
    job = Job(kind=Job.Kind.FIND, queue=Job.Queue.READ, params=params, **of)
    return _start(actor, job, None, Act.FIND_ASKED, rule=rule.words())


def plan_restore(
    actor: Actor,
    source: str,
    pool: Pool,
    *,
    users: list[str] | None = None,
    chosen: Chosen | None = None,
    shown: int | None = None,
) -> Job:
    """A plan on the live pool: a job of its own that writes to no pool.

    ``users``, or who is ``chosen`` from a comparison of this very backup, limits it to these; ``shown``
    is how many of the chosen somebody saw.
    """
    source = _canonical(source, _side(actor, source))
    if users is not None and not users:
        raise Refused("The list of users is empty, so nobody would be restored. Nothing was written.", 400)
    params: dict[str, object] = {"source": source}
    if users is not None:
        params["users"] = sorted(set(users))
    told: dict[str, object] = {}
    if chosen is not None:
        number = _count(chosen, source, shown)
        params["chosen"] = chosen.params(number)
        told["chosen"] = {"comparison": chosen.comparison, **chosen.filters(), "users": number}
    job = Job(kind=Job.Kind.PLAN, queue=Job.Queue.READ, params=params)
    return _start(actor, job, pool, Act.PLAN_ASKED, source=source, **told)


def plan_chosen(actor: Actor, chosen: Chosen, shown: int) -> Job:
    """A plan for exactly the users whom a comparison's page shows, ``shown`` in number, into its pool."""
    comparison = Job.objects.get(pk=chosen.comparison)
    if not choosing.can_be_restored(comparison):
        raise Refused(
            "Users to restore are chosen from a finished comparison of a backup with a live pool. "
            "Nothing was started."
        )
    pool = _side(actor, comparison.params["to"])
    assert isinstance(pool, Pool)
    return plan_restore(actor, comparison.params["from"], pool, chosen=chosen, shown=shown)


def plan_again(actor: Actor, plan: Job) -> Job:
    """The same plan on the pool as it is now: the same backup, and the same users where some were chosen."""
    pool = Pool.objects.filter(region=plan.region, pool_id=plan.pool_id).first()
    if pool is None:
        raise Refused(f"No pool {plan.pool_id} was seen in the configured Regions. Nothing was started.", 404)
    chosen = choosing.of_params(plan.params["chosen"]) if "chosen" in plan.params else None
    return plan_restore(actor, plan.params["source"], pool, users=plan.params.get("users"), chosen=chosen)


def start_restore(actor: Actor, plan: Plan, *, messages: str, digest: str, typed: str, reason: str) -> Job:
    """Carry out a plan that somebody has looked at. Raises Refused; then nothing was written."""
    _may_start(actor, plan, messages, digest, typed, reason)
    of = plan.job
    job = Job(
        kind=Job.Kind.RESTORE,
        queue=Job.Queue.WRITE,
        params={"plan": plan.pk, "messages": messages, "source": plan.source},
        reason=reason.strip(),
    )
    pool = Pool(region=of.region, pool_id=of.pool_id, name=of.pool_name)
    with transaction.atomic():
        if Plan.objects.select_for_update().get(pk=plan.pk).restore_id:
            raise Refused("This plan was carried out already. Make a new one: the pool has changed since.")
        job = _start(
            actor,
            job,
            pool,
            Act.RESTORE_ASKED,
            plan=plan.job_id,
            digest=plan.digest,
            source=plan.source,
            messages=messages,
            create=int(plan.counts["create"]),
            reason=reason.strip(),
            **_break_glass(actor),
        )
        Plan.objects.filter(pk=plan.pk).update(restore=job)
    return job


def confirmation(plan: Plan) -> str:
    """What has to be typed to start: environment and number, ``production 150``."""
    name = plan.job.pool_name
    return f"{environment_of(name) or name} {plan.counts['create']}"


def pause(actor: Actor, job: Job) -> Job:
    """A running job stops at the next step and keeps its place."""
    return _ask(actor, job, "pause", State.PAUSED, Act.JOB_PAUSED)


def cancel(actor: Actor, job: Job) -> Job:
    """What is done stays done; nothing more is begun."""
    return _ask(actor, job, "cancel", State.CANCELLED, Act.JOB_CANCELLED)


def resume(actor: Actor, job: Job, causes: Collection[str] = restoring.RETRIED) -> Job:
    """A paused job goes on from its ledger; so does a restore that is over and left somebody unfinished.

    Who failed for one of the ``causes`` is tried again, from the last finished step. Whoever
    resumes stands behind the job from now on: the worker asks IAM about them, as whoever asked
    first may have left.
    """
    _may_now(actor, access.FOR_JOB[Job.Kind(job.kind)])
    if runner.of_a_file(job) and not actor.terminal:
        raise Refused(f"It reads a file. {runner.ON_ITS_HOST}")
    if not may_resume(job, causes):
        raise Refused(f"{_now(job)} There is nothing to go on with.")
    try:
        with transaction.atomic():
            params = {name: value for name, value in job.params.items() if name != "terminal"}
            if actor.terminal:
                params["terminal"] = True  # else a worker has it from now on
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
                raise Refused(f"{_now(job)} Somebody was faster.")
            restoring.try_again(job, causes)
            announce(job.pk, State.QUEUED, f"Resumed by {actor.name}")
            _record(actor, Act.JOB_RESUMED, job)
            job.refresh_from_db()
            if not actor.terminal:
                queue.send(job)
    except IntegrityError:
        raise Refused(_busy(job)) from None
    return job


def may_resume(job: Job, causes: Collection[str] = restoring.RETRIED) -> bool:
    """Whether there is something to go on with."""
    if job.state in (State.PAUSED, State.WAITING):
        return True
    ended = (State.CANCELLED, State.FAILED, State.DONE_WITH_FAILURES)
    return job.kind == Job.Kind.RESTORE and job.state in ended and restoring.unfinished(job, causes) > 0


# --- backups ---------------------------------------------------------------------------------


def upload(actor: Actor, name: str, file: BinaryIO) -> Backup:
    """Keep a file from anywhere under its own prefix; who and when beside it. Its origin stays unknown.

    Read to its end before anything is written. Raises Refused, PortError.
    """
    try:
        file.seek(0)
        count = sum(1 for _ in files.read_users(iter(lambda: file.read(CHUNK), b"")))
    except Unreadable as error:
        raise Refused(f"{name} is not a backup: {error}. Nothing was kept.", 400) from None
    _may_now(actor, access.Action.UPLOAD)
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
    _may_now(actor, access.Action.DOWNLOAD)
    chunks = catalogue.store_of(backup).open(f"{backup.key}/{part}")
    first = next(chunks, b"")  # asks now, so that a missing object is an answer and no broken download
    note(
        actor,
        Act.BACKUP_DOWNLOADED,
        pool=backup.pool_name,
        key=backup.key,
        part=part,
    )
    return _and_then(first, chunks)


def look(actor: Actor) -> None:
    """Look at the bucket and the pools again, now. Raises PortError when the bucket does not answer."""
    catalogue.look_at_pools()
    catalogue.look_at_bucket(whole=False)


def rebuild_catalogue(actor: Actor) -> None:
    """Everything from the bucket alone. Raises PortError."""
    catalogue.look_at_pools()
    catalogue.look_at_bucket(whole=True)
    note(actor, Act.CATALOGUE_REBUILT, backups=Backup.objects.count())


def read_history(actor: Actor, pool_name: str, asked: str) -> Timeline:
    """One person over all backups of a pool. Who asks for whom is in the audit log each time, masked."""
    timeline = history.history(pool_name, asked)
    note(actor, Act.HISTORY_READ, pool=pool_name, user=asked, found=timeline.found)
    return timeline


def rebuild_history(actor: Actor, pool_name: str) -> Rebuilt:
    """The index of users anew from the bucket, of one pool or ("") of all."""
    made = history.rebuild(pool_name)
    left_out = len(made.left_out)
    note(actor, Act.CATALOGUE_REBUILT, pool=pool_name, indexed=made.indexed, left_out=left_out)
    return made


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
    return _start(actor, job, None, Act.KEEP_ASKED, key=backup.key, bucket=place.bucket)


def accept_fall(actor: Actor, backup: Backup, reason: str) -> Backup:
    """So few users are right: the backup may be suggested, and what follows is measured from it."""
    _may_now(actor, access.Action.ACCEPT)
    reason = _reason(reason, "whoever finds so few users")
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


def identity_map(actor: Actor, job: Job) -> Iterator[str]:
    """Old to new identity of everybody whom a restore created or found, as CSV lines."""
    if job.kind != Job.Kind.RESTORE:
        raise Refused(f"Job {job.pk} is no restore, so it has no identity map.", 404)
    _may_now(actor, access.Action.DOWNLOAD)
    note(
        actor,
        Act.IDENTITY_MAP_DOWNLOADED,
        pool=job.pool_name,
        job=job.pk,
    )
    # Who was begun and not finished stands in the pool all the same.
    rows = job.items.exclude(new_sub="").order_by("position")
    columns = ("old_sub", "new_sub", "old_username", "new_username", "email")
    return mapping.lines(rows.values_list(*columns).iterator())


def differences(actor: Actor, job: Job, chosen: Chosen, form: str) -> Iterator[str]:
    """These rows of a comparison as lines of a file, ``form`` csv or json; the entry comes first."""
    if job.state != State.DONE or job.result.get("form") != choosing.FORM:
        raise Refused(f"Job {job.pk} has no result to download. Compare again.")
    _may_now(actor, access.Action.DOWNLOAD)
    rows = chosen.rows()
    number = rows.count()
    note(
        actor,
        Act.COMPARISON_DOWNLOADED,
        pool=job.pool_text,
        job=job.pk,
        what=form,
        rows=number,
        filters=chosen.filters(),
    )
    values = rows.order_by("pk").values(*differing.HEADER[:6], "fields", "security", "more").iterator()
    if form == "csv":
        return differing.as_csv(values)
    head = {"comparison": job.pk, "filters": chosen.filters(), "rows_in_file": number, "result": job.result}
    return differing.as_json(head, values)


def reveal(actor: Actor, what: str, reason: str, seconds: int) -> None:
    """Say in the audit log who sees e-mails in clear, of what, for how long and why."""
    reason = _reason(reason, "whoever asks who has seen these e-mails")
    note(actor, Act.REVEALED, what=what, seconds=seconds, reason=reason)


# --- policies --------------------------------------------------------------------------------


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
    _may_now(actor, access.Action.SCHEDULE)
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
        raise Refused(f"Second factors are read {_or(Policy.Mfa.values)}. Nothing was changed.", 400)
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


# --- how -------------------------------------------------------------------------------------


def _under_way(actor: Actor, kind: Job.Kind, params: dict[str, Any]) -> Job | None:
    """What was asked for already and is not over: a second click opens it. Raises Refused for too many."""
    if actor.terminal:
        return None
    if same := Job.objects.filter(kind=kind, params=params, state__in=ACTIVE).first():
        return same
    looking = (Job.Kind.COMPARE, Job.Kind.FIND)
    theirs = Job.objects.filter(kind__in=looking, asked_by=actor.id, state__in=ACTIVE).count()
    if theirs >= AT_ONCE:
        raise Refused(
            f"You have {theirs} comparisons and searches under way, which is the most at a time: backups "
            "share their workers. Wait until one is done. Nothing was started."
        )
    return None


def _start(actor: Actor, job: Job, pool: Pool | None, act: Act, **details: object) -> Job:
    """The row first, its entry with it, the queue when both are committed."""
    if pool is not None:
        job.region, job.pool_id, job.pool_name = pool.region, pool.pool_id, pool.name
    job.asked_by, job.asked_by_name = actor.id, actor.name
    _may_now(actor, access.FOR_JOB[Job.Kind(job.kind)])
    if actor.terminal:
        job.params = {**job.params, "terminal": True}  # it runs its job itself: no worker is sent
    try:
        with transaction.atomic():
            job.save(force_insert=True)
            announce(job.pk, State.QUEUED, f"Asked for by {actor.name}")
            _record(actor, act, job, **details)
            if not actor.terminal:
                queue.send(job)
    except IntegrityError:
        raise Refused(_busy(job)) from None
    return job


def _may_now(actor: Actor, action: access.Action) -> None:
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


def _reason(reason: str, who: str) -> str:
    """A reason that says something, without the space around it."""
    reason = " ".join(reason.split())
    if len(reason) > LONGEST_REASON:
        raise Refused(f"The reason has more than {LONGEST_REASON} characters. Nothing was changed.", 400)
    if len(reason.split()) < SHORTEST_REASON:
        raise Refused(f"Say why in a few words: it stands in the audit log for {who}.", 400)
    return reason


def _count(chosen: Chosen, source: str, shown: int | None) -> int:
    """How many users of that backup were chosen from a comparison."""
    comparison = Job.objects.filter(pk=chosen.comparison).first()
    known = comparison is not None and choosing.can_be_restored(comparison)
    if comparison is None or not known or comparison.params["from"] != source:
        raise Refused(
            f"Comparison {chosen.comparison} is not there any more, or it is of another backup. "
            "Compare again and choose anew. Nothing was started."
        )
    number = chosen.rows().count() if chosen.kind == choosing.MISSING else 0
    if shown is not None and number != shown:
        raise Refused(
            f"The page showed {shown:,}, and {number:,} fit by now: e-mails may have been masked again "
            "since. Look at the list once more. Nothing was started."
        )
    if not number:
        raise Refused("Nobody who is missing was chosen, so nobody would be restored. Nothing was started.")
    return number


def _or(names: Collection[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}"


def _busy(job: Job) -> str:
    other = Job.objects.filter(
        region=job.region, pool_id=job.pool_id, queue=Job.Queue.WRITE, state__in=ACTIVE
    ).first()
    which = f"Job {other.pk} ({other.get_state_display()})" if other else "Another job"
    return f"{which} is writing to this pool. Only one may at a time; nothing was started."


def _may_start(actor: Actor, plan: Plan, messages: str, digest: str, typed: str, reason: str) -> None:
    if plan.job.state != State.PLANNED:
        raise Refused("This plan is not finished. Nothing was written.")
    if plan.refusals and not actor.terminal:
        raise Refused(" ".join(plan.refusals))
    if actor.terminal and messages != Messages.SILENT and (plan.refusals or not plan.source_pool):
        raise Refused(
            "From a terminal, a backup of another pool or a file that names none goes with "
            "--messages silent only. Nothing was written."
        )
    if digest != plan.digest:
        raise Refused("The plan on your page is not the one that is kept here. Look at it again.")
    if messages not in {way.value for way in Messages}:
        raise Refused("Choose how people get in again: silent or invite.", 400)
    if messages == Messages.LATER and not actor.terminal:
        raise Refused("This page does not offer to invite people later; the command line does.", 400)
    if messages == Messages.INVITE and (refused := _over_the_limit(plan)):
        raise Refused(refused)
    if not plan.counts["create"] and not actor.terminal:  # a script that runs twice is done twice
        raise Refused("Nobody is missing: there is nothing to restore.")
    if len(reason) > 500:
        raise Refused("The reason has more than 500 characters. Nothing was written.", 400)
    if not reason.strip():
        raise Refused("Say why, in a few words: it stands in the audit log for whoever asks.", 400)
    if typed.strip() != confirmation(plan):
        raise Refused(f"Type {confirmation(plan)} to start. Nothing was written.", 400)


def _over_the_limit(plan: Plan) -> str:
    """Against what was sent by now: other restores may have spent of the day since this plan was made."""
    allowed, sent = plan.counts["mail_allowed"], mails_today() - plan.counts.get("mails_today", 0)
    mails = plan.counts["mails"][Messages.INVITE]
    if plan.counts["invite_refused"] or allowed is None or mails + sent <= allowed:
        return str(plan.counts["invite_refused"])
    return (
        f"Restores have sent {sent:,} mails since this plan was made, so {mails:,} invitations are more than "
        f"today's {max(0, allowed - sent)}. Nobody was written to. Plan again, or choose silent."
    )


def _break_glass(actor: Actor) -> dict[str, object]:
    """Who the AWS credentials of a terminal belong to, as text; never judged."""
    if not actor.terminal:
        return {}
    try:
        return {"break_glass": True, "caller": wiring.caller()}
    except PortError as error:
        return {"break_glass": True, "caller": f"not known: {error}"}


def _ask(actor: Actor, job: Job, want: str, state: State, act: Act) -> Job:
    _may_now(actor, access.Action.CANCEL)
    with transaction.atomic():
        at_once = [old for old in sources_of(state) if old != State.RUNNING]
        values: dict[str, object] = {"state": state, "wants": "", "wake_at": None}
        if state in OVER:
            values |= {"finished_at": database_now(), "sentence": f"Cancelled by {actor.name}."}
        else:
            values |= {"sentence": f"Paused by {actor.name}."}
        if Job.objects.filter(pk=job.pk, state__in=at_once).update(**values):
            if state is State.CANCELLED:
                restoring.close_unfinished(job)
            announce(job.pk, state, str(values["sentence"]))
        elif not Job.objects.filter(pk=job.pk, state=State.RUNNING).update(wants=want):
            raise Refused(f"{_now(job)} There is nothing left to {want}.")
        else:
            announce(job.pk, State.RUNNING, f"{actor.name} asked to {want}: it ends at the next step")
        _record(actor, act, job)
    job.refresh_from_db()
    return job


def _now(job: Job) -> str:
    job.refresh_from_db()
    return f"Job {job.pk} is {job.get_state_display().lower()}."


def _side(actor: Actor, name: str) -> Backup | Pool | None:
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


def _canonical(name: str, side: Backup | Pool | None) -> str:
    """As it goes into jobs and entries: never the text that somebody typed around a key."""
    return side.key if isinstance(side, Backup) else name


def _record(actor: Actor, act: Act, job: Job, **details: object) -> None:
    note(actor, act, result="asked", pool=job.pool_text, job=job.pk, **details)


def _and_then(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
