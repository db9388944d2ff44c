"""Restores: planned and started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from django.conf import settings
from django.db import transaction

from backups.actions.approving import need_no_second, unapproved
from backups.actions.asking import (
    Actor,
    Refused,
    break_glass,
    canonical,
    side,
    start,
    under_way,
)
from backups.core import asked
from backups.core.choices import EVERYTHING_MISSING, Choices, Existing
from backups.core.lifecycle import State
from backups.core.plan import MAIL_LIMIT, Action, Messages
from backups.core.preflight import Check, stops
from backups.core.snapshot import environment_of, mask
from backups.models import Job, Plan, Pool
from backups.models.audit import Act
from backups.runner import chosen as choosing
from backups.runner import decide
from backups.runner.chosen import Chosen
from backups.runner.report import trials
from backups.runner.undo import taken_back

ORDERS = ("backup", "changed")
LIST, GROUPS = "list", "groups"
SMALLEST_SHARE = 0.05
WHAT = "This restore"
AT_ONCE = 1000  # keys in one question to the database
TRIED = 5  # users who are proposed to try a restore with
WRITES = (Action.CREATE, Action.UPDATE)


def plan_restore(
    actor: Actor, source: str, pool: Pool, *, choices: Choices = EVERYTHING_MISSING, shown: int | None = None
) -> Job:
    """A plan on the live pool: a job of its own that writes to no pool. One that is under way is given back.

    Who is chosen from a comparison of this very backup is counted again; ``shown`` is how many of them
    somebody saw.
    """
    source = canonical(source, side(actor, source))
    if choices.users is not None and not choices.users:
        raise Refused("The list of users is empty, so nobody would be restored. Nothing was written.", 400)
    told = _told(choices)
    if choices.chosen is not None:
        chosen = choosing.of_params(choices.chosen)
        number = _count(chosen, source, shown)
        choices = replace(choices, chosen=chosen.params(number))
        told["chosen"] = {"comparison": chosen.comparison, **chosen.filters(), "users": number}
    params = {"source": source, "choices": choices.as_json()}
    if same := under_way(actor, Job.Kind.PLAN, params, pool):
        return same
    job = Job(kind=Job.Kind.PLAN, queue=Job.Queue.READ, params=params)
    return start(actor, job, pool, Act.PLAN_ASKED, source=source, **told)


def plan_chosen(actor: Actor, chosen: Chosen, shown: int, existing: Existing = Existing.SKIP) -> Job:
    """A plan for exactly the users whom a comparison's page shows, ``shown`` in number, into its pool.

    ``existing``: of who changed, what is written over; SKIP is for who is missing.
    """
    comparison = Job.objects.get(pk=chosen.comparison)
    if not choosing.can_be_restored(comparison):
        raise Refused(
            "Users to restore are chosen from a finished comparison of a backup with a live pool. "
            "Nothing was started."
        )
    pool = side(actor, comparison.params["to"])
    assert isinstance(pool, Pool)
    if chosen.kind == choosing.CHANGED and existing is Existing.SKIP:
        raise Refused(
            "Who changed is in the pool: choose whether empty fields are filled, or fields that differ "
            "overwritten. Nothing was started.",
            400,
        )
    choices = Choices(existing=existing, chosen=chosen.params(shown))
    return plan_restore(actor, comparison.params["from"], pool, choices=choices, shown=shown)


def plan_again(actor: Actor, plan: Job, choices: Choices | None = None) -> Job:
    """The same plan on the pool as it is now: the same backup, and the same choices or these."""
    pool = Pool.objects.filter(region=plan.region, pool_id=plan.pool_id).first()
    if pool is None:
        raise Refused(f"No pool {plan.pool_id} was seen in the configured Regions. Nothing was started.", 404)
    if choices is None:
        choices = decide.before(plan)
    return plan_restore(actor, plan.params["source"], pool, choices=choices)


def start_restore(
    actor: Actor,
    plan: Plan,
    *,
    messages: str,
    digest: str,
    typed: str,
    reason: str,
    share: float | None = None,
    order: str | Sequence[str] = "backup",
    first: str = "",
    only: Sequence[str] | None = None,
) -> Job:
    """Carry out a plan that somebody has looked at. Raises Refused; then nothing was written.

    ``share`` of the quotas, above 0 and at most 1; None: the setting. ``order`` of invitations, and of
    everything else: "backup", "changed" (last changed first), "list" or "groups" of the users (e-mails or
    Usernames) or groups whom ``first`` names, one a line; or keys of the plan's lines that come first.
    ``only``: keys of the plan's lines that are carried out now; the plan can be started again afterwards.
    """
    keys = None if only is None else tuple(dict.fromkeys(only))
    _may_start(actor, plan, messages, digest, typed, reason, keys)
    of = plan.job
    params: dict[str, object] = {"plan": plan.pk, "messages": messages, "source": plan.source}
    if share is not None:
        params["share"] = _share(share)
    params["order"] = wanted = _order(plan, order, first)
    if keys is not None:
        params["only"] = list(keys)
    job = Job(kind=Job.Kind.RESTORE, queue=Job.Queue.WRITE, params=params, reason=reason.strip())
    pool = Pool(region=of.region, pool_id=of.pool_id, name=of.pool_name)
    told = {"only": len(keys)} if keys is not None else {}
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
            **_numbers(plan, keys),
            share="as set" if share is None else f"{share:g}",
            order=_in_words(wanted),
            reason=reason.strip(),
            **told,
            **break_glass(actor),
        )
        if keys is None:
            Plan.objects.filter(pk=plan.pk).update(restore=job)
    return job


def confirmation(plan: Plan, only: Sequence[str] | None = None) -> str:
    """What has to be typed to start: environment and number of users written to, ``production 150``."""
    name = plan.job.pool_name
    number = _to_write(plan) if only is None else len(set(only))
    return f"{environment_of(name) or name} {number}"


def starting_refused(plan: Plan) -> str:
    """Why nobody may start this plan on the page, "" where somebody may."""
    return unapproved(WHAT, overwrites=_writes_over(plan))


def proposed(plan: Plan) -> dict[str, str]:
    """Whom to try the plan with: of the operators' own those that it would write, the first few.

    The key of each one's line -> the e-mail that the backup has.
    """
    wanted = {email.casefold() for email in settings.OPERATOR_EMAILS}
    if not wanted:
        return {}
    rows = plan.job.items.filter(action__in=WRITES).order_by("position").values_list("key", "email")
    return dict(islice((row for row in rows.iterator() if row[1].casefold() in wanted), TRIED))


def named(plan: Plan, text: str) -> list[str]:
    """Keys of those of the plan whom somebody names to try it with, by e-mail or Username, one a line.

    Nobody for a text without a name. Raises Refused for a name that the plan does not write.
    """
    return _listed(plan, _in_turn(text, AT_ONCE), "you named") if text.strip() else []


def groups_of(plan: Plan) -> list[str]:
    """Groups of those whom the plan writes, as in the backup: also privileged ones that they stay out of."""
    rows = plan.job.items.filter(action__in=WRITES).exclude(groups=[], withheld=[]).order_by()
    pairs = rows.values_list("groups", "withheld").distinct()
    return sorted({name for groups, withheld in pairs for name in (*groups, *withheld)})


def _told(choices: Choices) -> dict[str, object]:
    """What was chosen, for the audit log: nobody's e-mail is in it, so of a text only where it stands."""
    told: dict[str, object] = {
        "existing": choices.existing.value if choices.existing is not Existing.SKIP else "",
        "guards": sorted(choices.guards),
        "named": len(choices.users or ()),
        "tests": [f"{test.field} {test.how.value}" for test in choices.tests],
        "again": len(choices.again),
        "link": choices.link,
        "defaults": sorted(choices.defaults),
        "leave_out": sorted(choices.leave_out),
    }
    return {name: value for name, value in told.items() if value}


def _count(chosen: Chosen, source: str, shown: int | None) -> int:
    """How many users of that backup were chosen from a comparison."""
    comparison = Job.objects.filter(pk=chosen.comparison).first()
    known = comparison is not None and choosing.can_be_restored(comparison)
    if comparison is None or not known or comparison.params["from"] != source:
        raise Refused(
            f"Comparison {chosen.comparison} is not there any more, or it is of another backup. "
            "Compare again and choose anew. Nothing was started."
        )
    of_users = chosen.kind in (choosing.MISSING, choosing.CHANGED)
    number = chosen.rows().count() if of_users else 0
    if shown is not None and number != shown:
        raise Refused(
            f"The page showed {shown:,}, and {number:,} fit by now: e-mails may have been masked again "
            "since. Look at the list once more. Nothing was started."
        )
    if not number:
        raise Refused(
            "Nobody who is missing or changed was chosen, so nobody would be restored. Nothing was started."
        )
    return number


def _writes_over(plan: Plan) -> bool:
    """Whether accounts that stand in the pool are written to, or deleted to make way."""
    return Choices.of_json(plan.choices).writes_over


def _to_write(plan: Plan) -> int:
    return int(plan.counts["create"]) + int(plan.counts.get("update", 0))


def _numbers(plan: Plan, only: Sequence[str] | None) -> dict[str, int]:
    """How many users are created, updated, and deleted to make way: of the whole plan, or of these."""
    if only is None:
        counts = plan.counts
        return {
            "create": int(counts["create"]),
            "update": int(counts.get("update", 0)),
            "delete": int(counts.get("replaced", 0)),
        }
    rows = plan.job.items.filter(key__in=only)
    numbers = {action.value: rows.filter(action=action).count() for action in WRITES}
    return {**numbers, "delete": rows.exclude(removes="").count()}


def _tried(plan: Plan, keys: Sequence[str]) -> None:
    """Raises Refused where trials finished everybody of these: another would write to nobody.

    Whom an undo took back since may be tried again.
    """
    left = set(keys)
    for trial in trials(plan):
        done = trial.items.filter(key__in=keys, outcome__in=("created", "updated"))
        left -= {*done.exclude(key__in=taken_back(trial).values("key")).values_list("key", flat=True)}
        if not left:
            raise Refused(
                f"Whom you named was restored by a trial already, last by job {trial.pk}. Name others, or "
                "start the plan for everybody. Nothing was written."
            )


def _share(share: float) -> float:
    if not SMALLEST_SHARE <= share <= 1:
        raise Refused(f"The share of the quotas is between {SMALLEST_SHARE} and 1. Nothing was written.", 400)
    return share


def _order(plan: Plan, order: str | Sequence[str], first: str) -> str | list[str] | dict[str, list[str]]:
    """As the job's params have it: a word, keys who come first, or groups whose users do."""
    if not isinstance(order, str):
        keys = list(dict.fromkeys(order))
        _known(plan, keys, "who come first")
        return keys
    if order in ORDERS:
        return order
    if order not in (LIST, GROUPS):
        raise Refused(
            "Choose who comes first: as in the backup, who changed last, or users or groups that you name.",
            400,
        )
    names = _in_turn(first)
    return _listed(plan, names, "who come first") if order == LIST else {GROUPS: _grouped(plan, names)}


def _in_turn(text: str, most: int = asked.MOST_NAMES) -> tuple[str, ...]:
    try:
        return asked.in_turn(text, most)
    except asked.NotAsked as error:
        raise Refused(f"{error} Nothing was written.", 400) from None


def _in_words(order: str | list[str] | dict[str, list[str]]) -> str:
    if isinstance(order, dict):
        return f"groups first: {', '.join(order[GROUPS])}"
    return order if isinstance(order, str) else f"{len(order):,} first"


def _listed(plan: Plan, names: Sequence[str], who: str) -> list[str]:
    """Keys of those whom the plan writes, by e-mail or Username, in this order; case is no difference."""
    found: dict[str, list[str]] = {name.casefold(): [] for name in names}
    rows = plan.job.items.filter(action__in=WRITES).order_by("position")
    for key, *theirs in rows.values_list("key", "email", "old_username").iterator():
        for name in {name.casefold() for name in theirs}.intersection(found):
            found[name].append(key)
    strangers = [(place, name) for place, name in enumerate(names, 1) if not found[name.casefold()]]
    if strangers:
        some = ", ".join(f"{asked.short(mask(name))} (number {place:,})" for place, name in strangers[:5])
        many = f"{len(strangers):,} of those {who} {'is' if len(strangers) == 1 else 'are'}"
        raise Refused(f"{many} not restored by this plan: {some}. Nothing was written.", 400)
    return list(dict.fromkeys(key for keys in found.values() for key in keys))


def _grouped(plan: Plan, names: Sequence[str]) -> list[str]:
    known = set(groups_of(plan))
    if strangers := [name for name in names if name not in known]:
        some = ", ".join(map(asked.short, strangers[:5]))
        more = f" or {len(strangers) - 5:,} more that you named" if len(strangers) > 5 else ""
        raise Refused(
            f"Nobody in this plan comes back into a group called {some}{more}. Nothing was written.", 400
        )
    return list(names)


def _known(plan: Plan, keys: Sequence[str], who: str) -> None:
    """Raises Refused unless the plan writes all of these."""
    known = 0
    for begin in range(0, len(keys), AT_ONCE):
        some = keys[begin : begin + AT_ONCE]
        known += plan.job.items.filter(action__in=WRITES, key__in=some).count()
    if strangers := len(keys) - known:
        raise Refused(
            f"{strangers:,} of those {who} are not restored by this plan. Nothing was written.", 400
        )


def _may_start(
    actor: Actor,
    plan: Plan,
    messages: str,
    digest: str,
    typed: str,
    reason: str,
    only: Sequence[str] | None,
) -> None:
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
    need_no_second(actor, WHAT, overwrites=_writes_over(plan))
    if messages not in {way.value for way in Messages}:
        raise Refused("Choose how people get in again: silent, invite or later.", 400)
    if messages == Messages.INVITE and (refused := _never(plan)):
        raise Refused(refused)
    if refused := stopped(plan, messages):
        raise Refused(f"{refused} Nothing was written.")
    if only is not None:
        if not only:
            raise Refused("Choose whom to try it with. Nothing was written.", 400)
        if len(only) > AT_ONCE:
            raise Refused(f"Try it with {AT_ONCE:,} users at most. Nothing was written.", 400)
        _known(plan, only, "you chose")
        _tried(plan, only)
    if not _to_write(plan) and not actor.terminal:  # a script that runs twice is done twice
        raise Refused("Nobody is missing: there is nothing to restore.")
    if len(reason) > 500:
        raise Refused("The reason has more than 500 characters. Nothing was written.", 400)
    if not reason.strip():
        raise Refused("Say why, in a few words: it stands in the audit log for whoever asks.", 400)
    if typed.strip() != (right := confirmation(plan, only)):
        raise Refused(f"Type {right} to start. Nothing was written.", 400)


def stopped(plan: Plan, way: str) -> str:
    """Why the plan's checks stop this way of getting in, where others may start; "" where they do not."""
    checks = [check for check in map(Check.of_json, plan.checks) if check.ways]
    return next(iter(stops(checks, way)), "")


def _never(plan: Plan) -> str:
    """Why inviting would never end; more invitations than a day has mails go out on the days that follow.

    Of a pool that mails through SES its check says so.
    """
    counts = plan.counts
    through_ses = counts.get("mail_limit", MAIL_LIMIT) is None
    if through_ses or counts.get("needs", {}).get(Messages.INVITE, {"last": "some day"})["last"]:
        return ""
    return (
        "All mails of a day are kept for people who ask for a code (MAIL_RESERVE), so no invitation would "
        "ever go out. Nobody was written to. Choose silent, or move the pool's mail to SES first."
    )
