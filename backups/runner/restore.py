"""A restore job: what its plan promised, from the ledger on, and nothing else.

plan again -> is what it rests on the same? -> a pool with users in it is backed up first, once
           -> each row of the ledger that has no outcome yet, in the order that was chosen:
    begun by an earlier try -> settled by reading back, then from its last step on
    to be updated           -> updated, unless the user changed since
    here by now             -> skipped
    still missing           -> created
           -> then, where somebody asked for it, each that failed before, in the same order
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import islice, takewhile
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum

from backups import wiring
from backups.core import plan
from backups.core.choices import Guard
from backups.core.lifecycle import State
from backups.core.mail import SES
from backups.core.plan import Action, Counts, Line, Messages, Terms
from backups.core.preflight import least
from backups.core.snapshot import PoolFacts, in_utc
from backups.engine.live import read_pool
from backups.engine.ports import Outcome, Stop
from backups.engine.reading import Reading
from backups.engine.restore import ASKED, NONE_WENT_OUT, Task, restore
from backups.models import Item, Job, Plan, database_now
from backups.models.audit import Act
from backups.reporting import JobReport
from backups.runner.backup import back_up_first, pool_of
from backups.runner.invite import written_to
from backups.runner.ledger import NOTHING_DONE, intend, note_mail, of_groups
from backups.runner.mails import AFTERWARDS, Mails, invited_afterwards
from backups.runner.plan import choices, missing_groups, plan_lines, terms_of
from backups.runner.preflight import rates
from backups.runner.sources import read_side
from backups.runner.words import Ended, Refusal, users_were

BATCH = 2000
AT_ONCE = 1000  # keys in one question to the database
AHEAD = 20_000
"""Users whose steps are held in memory where they do not come in the backup's order."""
WRITES = (Action.CREATE, Action.UPDATE)
RETRIED = (
    *("denied", "silent", "throttled", "refused", "read-back-differs", "kept-out"),
    *("mail-limit", "not-delivered", "unsent", "not-invited"),
)
"""Causes that may be gone at the next try. Not "maybe-invited": a second mail might go out."""
AGAIN = "again"
"""Of a job's params: the causes of those who failed and are tried again once the others are done."""
SCHEMA = "attributes"
"""Of a job's params: the attributes that the pool knew when it was begun."""
_NOT_BEGUN: dict[str, Any] = {
    "outcome": "",
    "step": "",
    "reason": "",
    "detail": "",
    "intended_at": None,
}


def carry_out(job: Job, report: JobReport) -> Ended:
    stored = Plan.objects.select_related("job").get(pk=job.params["plan"])
    messages = Messages(job.params["messages"])
    pool = pool_of(job)
    report.phase("Reading the backup")
    with read_side(stored.source, report, "backup", beside=True).reading as backup:
        report.phase("Reading the live pool")
        with read_pool(pool, report, "live") as live:
            assert live.facts is not None
            live.facts = facts = _as_planned(job, stored, backup, live.facts, report)
            _copy_ledger(stored.job, job)
            if live.count or facts.estimated_users:
                _back_up_first(job, report)
            note_mail(job, facts, report)
            report.start_counting(_counters(job) | {"at_most": _at_most(job, stored, messages)})
            planned = {action: job.items.filter(action=action).count() for action in WRITES}
            intend(
                Act.RESTORE_INTENDED,
                job,
                stored,
                create=planned[Action.CREATE],
                update=planned[Action.UPDATE],
                delete=job.items.exclude(removes="").count(),
                before=str(job.result.get("before", "")),
                messages=messages.value,
            )
            used = {name for groups in job.items.values_list("groups", flat=True) for name in groups}
            groups = missing_groups(stored.job, backup, live, used)
            mails, since = Mails(job, facts), database_now()
            # What began through Cognito's own mail invites nobody at creation, whatever it mails through now.
            afterwards = messages is Messages.INVITE and (
                invited_afterwards(job, mails, planned[Action.CREATE], report)
                or _mail_of(stored, facts) != SES
            )
            try:
                unmade = restore(
                    pool,
                    _tasks(job, stored, backup, live, report),
                    [group for group in groups if group.name in used] if "only" in job.params else groups,
                    facts,
                    report,
                    wiring.clock(),
                    messages=messages,
                    afterwards=afterwards,
                    mails_left=mails.left,
                    written_to=written_to(job).__contains__,
                )
            except Stop as stop:
                if stop.why != "lease-lost":
                    report.flush()  # whoever was submitted has a word by now
                    waiting = job.items.filter(outcome="unknown", step="", intended_at__gte=since)
                    _put_back(waiting, report)
                raise
    report.flush()
    return _ended(job, unmade)


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
    return job.items.filter(outcome__in=("", "unknown")).count() + failed(job, causes).count()


def begun(job: Job) -> bool:
    """Whether somebody may have been written to."""
    return job.items.filter(intended_at__isnull=False).exclude(NOTHING_DONE).exists()


def failed(job: Job, causes: Collection[str]) -> QuerySet[Item]:
    """Who failed for one of these causes, if it may be gone."""
    return job.items.filter(outcome="failed", reason__in=set(causes) & set(RETRIED))


def try_again(failed: QuerySet[Item]) -> None:
    """Before another try of those who ``failed``: each is taken up from the last finished step.

    What AWS said of a create is remembered: that no mail went out, which is what allows the one invitation
    that is still owed, and that a trigger failed, after which nobody may say that one did.
    """
    failed = failed.filter(outcome="failed")  # each update leaves those that the others are about
    # By now another job, or the person, may have made whom this one did not: never taken for its own.
    failed.filter(NOTHING_DONE).update(**_NOT_BEGUN)
    told = Q(reason__in=NONE_WENT_OUT) | Q(reason="refused", step=ASKED)
    failed.filter(told).update(outcome="unknown", detail="")
    failed.update(outcome="unknown", reason="", detail="")


def _put_back(rows: QuerySet[Item], report: JobReport) -> None:
    """Not begun after all: nothing was asked of AWS for these users by this job."""
    with transaction.atomic():
        report.prove()
        rows.update(**_NOT_BEGUN)


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


def _at_most(job: Job, stored: Plan, messages: Messages) -> int:
    """Users a second that the quotas allow, of all whom the plan writes. Cognito's own mails come after."""
    counts = Counts.of_json(stored.counts)
    seconds, _ = least(counts, messages, rates(job.region, job.params.get("share")), apart=False)
    return max(1, round((counts.create + counts.update) / seconds)) if seconds else 1


def _copy_ledger(plan_job: Job, job: Job) -> None:
    """The plan's lines as this job's rows, once; what is only skipped has its outcome at once."""
    planned = plan_job.items.order_by("position")
    if "only" in job.params:
        planned = planned.filter(key__in=job.params["only"])
    if job.items.count() == planned.count():
        return
    rows: list[Item] = []
    for item in planned.iterator(chunk_size=BATCH):
        item.pk, item.job = None, job
        if item.action not in WRITES:
            item.outcome = "skipped"
        else:
            item.reason = ""
        rows.append(item)
        if len(rows) == BATCH:  # one transaction each: heartbeats get their turn
            Item.objects.bulk_create(rows, ignore_conflicts=True)
            rows.clear()
    Item.objects.bulk_create(rows, ignore_conflicts=True)


def _back_up_first(job: Job, report: JobReport) -> None:
    """Once, before the first write; nothing is done where nobody is left, or somebody was begun before."""
    if "before" in job.result or begun(job) or not unfinished(job, job.params.get(AGAIN, ())):
        return
    report.phase("Backing up the pool first")
    key = back_up_first(job, report)
    job.result = {**job.result, "before": key}
    with transaction.atomic():
        report.prove()
        Job.objects.filter(pk=job.pk).update(result=job.result)
    report.say("note", f"the pool as it was is kept: {key}")


def _pending(job: Job) -> QuerySet[Item]:
    return job.items.filter(action__in=WRITES, outcome__in=("", "unknown"))


def _tasks(job: Job, stored: Plan, backup: Reading, live: Reading, report: JobReport) -> Iterator[Task]:
    """Who is left to write, in the order that was chosen; who needs no write any more has an outcome.

    Who failed before and is tried again comes after them all: if each of those fails once more, twenty in a
    row, the others are done by then. What does not come in the backup's order is gathered AHEAD at a time: a
    walk over the backup each.
    """

    def walk(wanted: Callable[[str], bool]) -> Iterator[tuple[str, Task]]:
        lines = plan_lines(stored.job, stored.source, backup, live)
        for item, line in _beside(job, lines, wanted, report):
            task = _task(item, line, terms)
            if task is None:
                if item.intended_at:  # by an earlier try; it was another restore that made them
                    _put_back(job.items.filter(pk=item.pk), report)
                report.outcome(_here_by_now(line))
            else:
                yield item.key, replace(task, tried=tried.get(item.key, 0))

    def in_order(some: Callable[[str], bool]) -> Iterator[Task]:
        lines = plan_lines(stored.job, stored.source, backup, live)
        first = [key for key in _first(job, backup, lines) if some(key)]
        for begin in range(0, len(first), AHEAD):
            keys = first[begin : begin + AHEAD]
            gathered = dict(walk(frozenset(keys).__contains__))
            yield from (gathered[key] for key in keys if key in gathered)
        done = frozenset(first)
        for _, task in walk(lambda key: key not in done and some(key)):
            yield task

    terms = terms_of(stored.job, stored.source, backup, live)
    trials = Item.objects.filter(job__kind=Job.Kind.RESTORE, job__params__plan=job.params["plan"])
    trials = trials.filter(action=Action.UPDATE, outcome="updated").exclude(job=job)
    tried = dict(trials.values_list("key", "job_id"))
    again = frozenset(failed(job, job.params.get(AGAIN, ())).values_list("key", flat=True))
    yield from in_order(lambda key: key not in again)
    if AGAIN in job.params:  # also where nobody had failed: who fails from now on was not meant
        _take_up(job, again, report)
    if again:
        yield from in_order(again.__contains__)


def _take_up(job: Job, keys: Collection[str], report: JobReport) -> None:
    """Their failures are forgotten only now: whatever ended this job before, it left them as they were."""
    report.flush()  # so that the counters are those of the ledger
    ordered = sorted(keys)
    with transaction.atomic():
        report.prove()
        for begin in range(0, len(ordered), AT_ONCE):
            try_again(job.items.filter(key__in=ordered[begin : begin + AT_ONCE]))
        job.params = {name: value for name, value in job.params.items() if name != AGAIN}
        Job.objects.filter(pk=job.pk).update(params=job.params)
    report.start_counting(_counters(job))


def _first(job: Job, backup: Reading, lines: Iterator[Line]) -> Sequence[str]:
    """Keys of who comes before the others, in their order; the others follow as the plan's ``lines`` do.

    Whatever was chosen, the application's administrators come first, as in the plan.
    """
    order: str | list[str] | dict[str, list[str]] = job.params.get("order", "backup")
    if order == "backup":
        return ()
    keys: Sequence[str] = order if isinstance(order, list) else ()
    if isinstance(order, dict):
        keys = of_groups(_pending(job), order["groups"])
    if order == "changed":
        there = set(_pending(job).values_list("key", flat=True))
        dates = {user.key: in_utc(user.modified) for user in backup.users() if user.key in there}
        keys = sorted(dates, key=lambda key: dates[key], reverse=True)
    administrators = [line.key for line in takewhile(lambda line: line.first, lines)]
    return tuple(dict.fromkeys((*administrators, *keys)))


def _beside(
    job: Job, lines: Iterator[Line], wanted: Callable[[str], bool], report: JobReport
) -> Iterator[tuple[Item, Line]]:
    """Each row that is left, with its line, in the order of the lines; few of them are in memory.

    Whoever was to be left alone and is missing by now fails on the way.
    """
    while some := {line.key: line for line in islice(lines, AT_ONCE)}:
        rows = {item.key: item for item in _pending(job).filter(key__in=filter(wanted, some))}
        missing = [key for key, line in some.items() if line.action is Action.CREATE and key not in rows]
        if missing := [key for key in missing if wanted(key)]:
            _gone(job, missing, report)
        yield from ((rows[key], line) for key, line in some.items() if key in rows)


def _gone(job: Job, keys: Collection[str], report: JobReport) -> None:
    """Who was in the pool when this was planned, and is not now: no identity is kept, nothing is done."""
    were = job.items.filter(key__in=keys, outcome="skipped").exclude(action__in=WRITES).exclude(new_sub="")
    if not were.exists():
        return
    report.flush()  # so that the job's row knows where its counters stand
    with transaction.atomic():
        report.prove()
        gone = were.update(outcome="failed", reason="gone-since", detail="", new_sub="", new_username="")
        standing = Job.objects.values_list("counters", flat=True).get(pk=job.pk)
    report.start_counting({"skipped": standing["skipped"] - gone, "failed": standing["failed"] + gone})


def _task(item: Item, line: Line, terms: Terms) -> Task | None:
    """None: nothing is left to write for this user."""
    begun = item.outcome == "unknown"
    intended = item.intended_at if begun else None
    # What somebody confirmed is what is written: another plan of today may have more, or less. But a group
    # that has a role by now needs the guard, whatever it was before.
    shut = frozenset[str]() if Guard.PRIVILEGED in terms.choices.guards else terms.privileged
    groups = tuple(name for name in item.groups if name not in shut)
    kept_out = tuple(name for name in item.groups if name in shut)
    if item.action == Action.UPDATE:
        confirmed = replace(
            line,
            action=Action.UPDATE,
            username=item.new_username,
            changes=tuple((name, old, new) for name, old, new in item.changes),
            groups=groups,
            seen=item.seen,
        )
        return Task(confirmed, _begun(item), intended, kept_out)
    if begun:
        if not item.new_sub and _another_s(line, terms):
            return None
        line = plan.creation(line.position, line.user, terms)
    elif line.action is not Action.CREATE:
        return None
    # Only the account that somebody saw in the plan is deleted.
    line = replace(line, groups=groups, removes=item.removes, seen=item.seen)
    return Task(line, _begun(item) if begun else None, intended, kept_out)


def _another_s(line: Line, terms: Terms) -> bool:
    """Whether this person is known to be in the pool, and not by a create whose answer this job never got.

    Whom a plan knows by their status alone, or on somebody's word, may be that very create.
    """
    return line.known is not None and not line.first and line.user.key not in terms.choices.again


def _here_by_now(line: Line) -> Outcome:
    known = line.known
    there = line.reason == "exists" or line.action is Action.UPDATE  # which is no part of this plan
    outcome = Outcome(
        line.key,
        "skipped",
        reason="exists-now" if there else line.reason,
        detail="" if there else line.detail,
        new_sub=known.sub if known else "",
        new_username=known.username if known else "",
    )
    # Another restore of this plan, or of an older one, began this user: nobody may call that done.
    left = line.reason in ("finish", "finish-waits", "newer-unfinished")
    return replace(outcome, outcome="failed", reason="left-unfinished", detail="") if left else outcome


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


def _as_planned(job: Job, stored: Plan, backup: Reading, facts: PoolFacts, report: JobReport) -> PoolFacts:
    """The pool's facts now, with the schema that the plan saw. Raises Refusal where the plan does not hold.

    All that a plan rests on holds until somebody is begun. From then on no other plan would finish those who
    are, so that only what decides about them has to be as it was: the backup, the pool, how it tells people
    apart, the choices. What was switched or added since, often to make the rest possible, may differ.
    """
    was = plan.digest(backup.sha256, facts, choices(stored.job)) == stored.digest
    if not begun(job):
        if not was:
            raise Refusal(
                "The backup or the pool's settings are not what they were when this plan was made. "
                f"{so_far(job)} Make a new plan."
            )
        job.params = {**job.params, SCHEMA: sorted(facts.attributes)}
        with transaction.atomic():
            report.prove()
            Job.objects.filter(pk=job.pk).update(params=job.params)
        return facts
    known = facts.attributes & frozenset(job.params.get(SCHEMA, facts.attributes))
    planned = replace(facts, attributes=known, immutable=facts.immutable & known)
    mail, triggers = _mail_of(stored, facts), tuple(stored.facts.get("triggers", facts.triggers))
    then = replace(planned, mail=mail, triggers=triggers)
    if not was and plan.digest(backup.sha256, then, stored.choices) != stored.digest:
        raise Refusal(
            "The backup is not what it was when this plan was made, or its pool another one. "
            f"{so_far(job)} Make a new plan."
        )
    at_creation = job.params["messages"] == Messages.INVITE and not job.params.get(AFTERWARDS)
    if at_creation and mail == SES != facts.mail:
        # Cognito's own mail invites afterwards: whoever has an invitation already would get a second one.
        raise Refusal(
            "This restore invites people when it creates them, through SES, and the pool mails through "
            f"Cognito now. {so_far(job)} Switch the pool's mail back to SES, then resume."
        )
    return planned


def _mail_of(stored: Plan, facts: PoolFacts) -> str:
    """What the pool mailed through when this was planned."""
    return str(stored.facts.get("mail", facts.mail))


def _ended(job: Job, unmade: Sequence[str]) -> Ended:
    counted = totals(job)
    result: dict[str, Any] = {name: counted[name] for name in counted if name != "total"}
    if "before" in job.result:
        result["before"] = job.result["before"]
    updated = f"{counted['updated']:,} updated and read back, " if counted["updated"] else ""
    sent = "1 message" if counted["messages"] == 1 else f"{counted['messages']:,} messages"
    words = (
        f"{counted['created']:,} created and read back, {updated}{counted['skipped']:,} skipped, "
        f"{counted['failed']:,} failed. {sent} sent."
    )
    if open_ := _pending(job).count():
        words += (
            f" {open_:,} of the plan {'was' if open_ == 1 else 'were'} not come to. Resume, or plan again."
        )
    if unmade:
        result["groups_not_made"] = list(unmade)
        groups = "1 group was" if len(unmade) == 1 else f"{len(unmade):,} groups were"
        words += f" {groups} not made: {', '.join(unmade)}. The log says why; then try again."
    whole = not counted["failed"] and not open_ and not unmade
    return Ended(State.DONE if whole else State.DONE_WITH_FAILURES, words, result)


def so_far(job: Job) -> str:
    """What stands in the pool by now, and what to do about who only waits for an invitation."""
    made = job.items.filter(action=Action.CREATE, intended_at__isnull=False).exclude(new_sub="")
    begun = job.items.filter(action=Action.CREATE, outcome="unknown", new_sub="").count()
    changed = job.items.filter(action=Action.UPDATE, intended_at__isnull=False).count()
    stand, done = made.count(), made.filter(outcome="created").count()
    if not stand and not begun and not changed:
        return "Nobody was created or updated."
    words = f"{users_were(stand)} created and stay{'s' * (stand == 1)}" if stand else "Nobody was created"
    if stand > done:
        words += f", {stand - done:,} of them unfinished"
    if changed:
        words += f"; {users_were(changed)} updated or begun"
    if begun:
        words += f"; of {begun:,} more it is not known yet"
    words += ". Everybody is in the list, with what is missing."
    if wait := made.filter(outcome="unknown", step="confirmed").count():
        words += (
            f" {wait:,} of them wait{'s' * (wait == 1)} for an invitation: cancel this job, then invite them "
            "from “Who is in again”."
        )
    return words
