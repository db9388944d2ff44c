"""What jobs of ours wrote down of people: whom they made of whom, what they began, and what was mailed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from backups.core.lifecycle import OVER
from backups.core.mail import SES
from backups.core.plan import Action, mail_day
from backups.core.plan.finish import Left
from backups.core.snapshot import PoolFacts, iso
from backups.engine.steps import SKEW
from backups.models import Item, Job, Plan, database_now
from backups.models.audit import Act, AuditEntry, record
from backups.reporting import JobReport

BATCH = 1_000
"""Subs that the database is asked about at once."""
NOTHING_DONE = Q(
    outcome="failed",
    action=Action.CREATE,
    new_sub="",
    step="",
    reason__in=("refused", "denied", "throttled"),
)
"""Of a create that failed and whose step is none: nobody was made."""


def restored(subs: Collection[str]) -> dict[str, frozenset[str]]:
    """Those that restores of ours made, into whichever pool -> every key the same person had before."""
    return _restored(subs, Item.objects.all())


def restored_but_by(plan: Job) -> Callable[[Collection[str]], Mapping[str, frozenset[str]]]:
    """``restored``, as if the restore that was started from this very plan had made nobody.

    Planned again by that restore, it is to find the same as before: its own people are in its own rows.
    """
    others = Item.objects.exclude(job__started_from__job=plan)
    if not _made(others).exists():  # so it is nearly always, and a million users need not be asked about
        return lambda subs: {}
    return lambda subs: _restored(subs, others)


def unfinished(plan: Job) -> dict[str, int]:
    """Whom a restore into the plan's pool that is not over began to create and has not finished -> that job.

    By the sub in the pool where it is known, else by the key in the backup. Not those who left the pool
    since, of whom that restore has nothing to finish, nor those of the restore that was started from this
    very plan.
    """
    return _who(_begun(plan).exclude(job__state__in=OVER))


def left(plan: Job) -> dict[str, Left]:
    """``unfinished`` of restores that are over. Not who was written to as a later plan said.

    Nor who lacks nothing but an invitation: that is no plan's to send.
    """
    restores = Job.objects.filter(kind=Job.Kind.RESTORE, pool_id=plan.pool_id)
    ends = restores.values_list("pk", "finished_at")
    over = {number: Left(number, iso(end + SKEW)) for number, end in ends if end}
    return {name: over[number] for name, number in _who(_left(plan)).items() if number in over}


def some_left(plan: Job) -> bool:
    """Whether ``left`` names anybody."""
    return _left(plan).exists()


def _left(plan: Job) -> QuerySet[Item]:
    since = Item.objects.filter(job__kind=Job.Kind.RESTORE, action="update", outcome="updated")
    since = since.exclude(new_sub="").filter(new_sub=OuterRef("new_sub"))
    return _begun(plan).filter(job__state__in=OVER, confirmed=False).exclude(Exists(since))


def _begun(plan: Job) -> QuerySet[Item]:
    begun = Item.objects.filter(job__kind=Job.Kind.RESTORE, job__pool_id=plan.pool_id, action="create")
    begun = begun.filter(intended_at__isnull=False).exclude(job__started_from__job=plan)
    begun = begun.filter(outcome__in=("unknown", "failed"))
    return begun.exclude(reason="gone-since").exclude(NOTHING_DONE)


def _who(rows: QuerySet[Item]) -> dict[str, int]:
    told = rows.values_list("key", "new_sub", "job").iterator()
    return {sub or key: number for key, sub, number in told}


def mails_today() -> int:
    """Invitations that jobs sent through Cognito's own mail since its day began.

    Nobody tells of the application's mails.
    """
    sent = Item.objects.filter(messages__gt=0, mailed_at__gte=mail_day(database_now()))
    sent = sent.exclude(job__in=Job.objects.filter(params__mail=SES))
    return int(sent.aggregate(sum=Sum("messages", default=0))["sum"])


def note_mail(job: Job, facts: PoolFacts, report: JobReport) -> None:
    """Before a job's first mail: what its pool mails through, once and for all where that is Cognito.

    A pool may be switched while a job waits; what went through Cognito today is spent all the same.
    """
    known = job.params.get("mail")
    if known == facts.mail or (known is None and job.items.filter(messages__gt=0).exists()):
        return
    if known in (None, SES):
        job.params = {**job.params, "mail": facts.mail}
        with transaction.atomic():
            report.prove()
            Job.objects.filter(pk=job.pk).update(params=job.params)


def intend(act: Act, job: Job, stored: Plan | None = None, **details: Any) -> None:
    """Committed alone before the first call: no intent, no act. A crash leaves an intent without an end.

    Once for all tries of a job that intend the same.
    """
    of_plan: dict[str, Any] = {"plan": stored.job_id, "digest": stored.digest} if stored else {}
    last = AuditEntry.objects.filter(act=act, job=job.pk).first()
    if last is not None and last.details == {**of_plan, **details}:
        return
    record(
        act,
        actor_id=job.asked_by,
        actor=job.asked_by_name,
        result="intended",
        pool=job.pool_text,
        job=job.pk,
        **of_plan,
        **details,
    )


def of_groups(rows: QuerySet[Item], groups: Sequence[str]) -> list[str]:
    """Keys of who is in one of these groups by the plan, those of the first group first.

    Also of whom a guard keeps out of it: who somebody is does not hang on what they may.
    """
    turn = {name: place for place, name in enumerate(groups)}
    found: list[tuple[int, str]] = []
    rows = rows.exclude(groups=[], withheld=[]).order_by("position")
    for key, into, withheld in rows.values_list("key", "groups", "withheld").iterator():
        if places := [turn[name] for name in (*into, *withheld) if name in turn]:
            found.append((min(places), key))
    return [key for _, key in sorted(found, key=lambda one: one[0])]


def like(item: Item, job: Job, **fields: Any) -> Item:
    """A row of ``job`` about the same person as ``item``, not saved; ``fields`` are its own."""
    same = ("key", "position", "label", "old_sub", "old_username", "email", "new_sub", "new_username")
    return Item(**{"job": job, **{name: getattr(item, name) for name in same}, **fields})


def _restored(subs: Collection[str], rows: QuerySet[Item]) -> dict[str, frozenset[str]]:
    made = known = _made_of(subs, rows)
    asked = set(subs)
    while more := set[str]().union(*known.values()) - asked:  # restored more than once
        asked |= more
        known = known | _made_of(more, rows)
    return {sub: _before(sub, known) for sub in made}


def _made(rows: QuerySet[Item]) -> QuerySet[Item]:
    """Of users whom a restore created. Whoever came first is only mapped, and who was written over, stays."""
    made = rows.filter(job__kind=Job.Kind.RESTORE, action="create", intended_at__isnull=False)
    return made.exclude(new_sub="").exclude(outcome="skipped")


def _made_of(subs: Collection[str], rows: QuerySet[Item]) -> dict[str, set[str]]:
    asked, found = list(subs), dict[str, set[str]]()
    for start in range(0, len(asked), BATCH):
        some = _made(rows).filter(new_sub__in=asked[start : start + BATCH])
        for new, old in some.values_list("new_sub", "key"):
            found.setdefault(new, set()).add(old)
    return found


def _before(sub: str, known: Mapping[str, set[str]]) -> frozenset[str]:
    found, following = set[str](), {sub}
    while following:
        found |= following
        following = set[str]().union(*(known.get(one, ()) for one in following)) - found
    return frozenset(found - {sub})
