"""Restores: planned, started, and who became whom."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import transaction

from backups import access
from backups.actions.asking import (
    Actor,
    Refused,
    break_glass,
    canonical,
    may_now,
    note,
    side,
    start,
)
from backups.core import identity_map as mapping
from backups.core.lifecycle import State
from backups.core.plan import Messages
from backups.core.snapshot import environment_of
from backups.models import Job, Plan, Pool
from backups.models.audit import Act
from backups.runner import chosen as choosing
from backups.runner.chosen import Chosen
from backups.runner.plan import mails_today


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
    source = canonical(source, side(actor, source))
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
    return start(actor, job, pool, Act.PLAN_ASKED, source=source, **told)


def plan_chosen(actor: Actor, chosen: Chosen, shown: int) -> Job:
    """A plan for exactly the users whom a comparison's page shows, ``shown`` in number, into its pool."""
    comparison = Job.objects.get(pk=chosen.comparison)
    if not choosing.can_be_restored(comparison):
        raise Refused(
            "Users to restore are chosen from a finished comparison of a backup with a live pool. "
            "Nothing was started."
        )
    pool = side(actor, comparison.params["to"])
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
        job = start(
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
            **break_glass(actor),
        )
        Plan.objects.filter(pk=plan.pk).update(restore=job)
    return job


def confirmation(plan: Plan) -> str:
    """What has to be typed to start: environment and number, ``production 150``."""
    name = plan.job.pool_name
    return f"{environment_of(name) or name} {plan.counts['create']}"


def identity_map(actor: Actor, job: Job) -> Iterator[str]:
    """Old to new identity of everybody whom a restore created or found, as CSV lines."""
    if job.kind != Job.Kind.RESTORE:
        raise Refused(f"Job {job.pk} is no restore, so it has no identity map.", 404)
    may_now(actor, access.Action.DOWNLOAD)
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
