"""Invitations: those whom somebody chose, in their order, as many a day as the account's mails allow."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Q, QuerySet, Sum

from backups import wiring
from backups.core.invite import LATELY, WAITING
from backups.core.lifecycle import State
from backups.core.mail import COGNITO, Limit
from backups.core.preflight import count
from backups.core.snapshot import PoolFacts
from backups.engine.invite import Person, invite_again
from backups.engine.ports import PortError, Stop
from backups.models import Item, Job, Pool, database_now
from backups.reporting import JobReport
from backups.runner.ledger import note_mail
from backups.runner.mails import Mails, spent
from backups.runner.preflight import mail_limit
from backups.runner.report import deleted
from backups.runner.undo import chunks
from backups.runner.words import Ended

BEGUN = Q(step="inviting") | Q(reason="maybe-invited")
"""Of a row: an invitation may be out that nobody answered for."""


def invitable(reading: Job) -> QuerySet[Item]:
    """Who of those that were read may be invited now: enabled, with an e-mail, not written to lately.

    And deleted by no undo since.
    """
    waiting = reading.items.filter(reason__in=WAITING, enabled=True).exclude(email="").exclude(new_sub="")
    there = waiting.exclude(new_sub__in=deleted(reading.pool_id))
    return there.exclude(new_sub__in=lately(reading.pool_id)).order_by("position", "pk")


def lately(pool_id: str, but: Job | None = None) -> QuerySet[Item, str]:
    """Subs of a pool whom a job wrote to within a day, or was about to."""
    since = database_now() - LATELY
    # Intents of a restore are long before its mails, so its end counts as well.
    then = Q(intended_at__gte=since) | Q(job__finished_at__gte=since)
    wrote = Q(messages__gt=0, mailed_at__gte=since) | (BEGUN & then)
    rows = Item.objects.filter(wrote, job__pool_id=pool_id).exclude(new_sub="")
    if but is not None:
        rows = rows.exclude(job=but)
    return rows.values_list("new_sub", flat=True)


def written_to(job: Job) -> frozenset[str]:
    """Subs whom later jobs invited, or were about to. While ``job`` runs no other one writes to its pool."""
    later = Item.objects.filter(job__gt=job.pk, job__pool_id=job.pool_id).exclude(new_sub="")
    return frozenset(later.filter(Q(messages__gt=0) | BEGUN).values_list("new_sub", flat=True))


def mails_of(reading: Job) -> Limit:
    """What binds the pool's mail now. By the last look at the pool; where it uses SES, SES is asked."""
    pool = Pool.objects.filter(pool_id=reading.pool_id).first()
    mail = (pool.mail if pool is not None else "") or COGNITO
    facts = PoolFacts(reading.pool_id, reading.pool_name, reading.region, "", mail=mail)
    return mail_limit(facts, wiring.account_of(reading.region, briefly=True))


def mails_allowed(reading: Job) -> int | None:
    """How many invitations may go out now; None where no limit is known."""
    return mails_of(reading).ours


def never(limit: Limit, mails: int) -> str:
    """Why so many invitations would never all arrive, however long a job waits; "" where they may."""
    if limit.sandbox:
        return (
            "SES is in its sandbox here: invitations would reach verified addresses alone. Ask AWS for "
            "production access first."
        )
    if limit.last(mails, database_now(), ours=True) is not None:
        return ""
    if limit.rolling:
        return "SES sends no mails for this account now: AWS has paused it, or its quota is 0."
    return (
        "All mails of a day are kept for people who ask for a code (MAIL_RESERVE), so no invitation would "
        "ever go out. Lower it, or move the pool’s mail to SES first."
    )


def send_invitations(job: Job, report: JobReport) -> Ended:
    try:
        pool = wiring.pool(job.region, job.pool_id)
        facts = pool.facts()
        note_mail(job, facts, report)
        report.start_counting(_counters(job))
        report.phase("Invitations", _pending(job).count())
        invite_again(
            pool,
            _people(job),
            facts,
            report,
            mails_left=Mails(job, facts).left,
        )
        report.flush()
    except Stop as stop:
        return _stopped(job, report, stop)
    except PortError as error:
        report.flush()
        return Ended(State.PAUSED, f"{error} {so_far(job)}")
    counted = totals(job)
    words = f"{counted['messages']:,} invited, {counted['skipped']:,} skipped, {counted['failed']:,} failed."
    return Ended(State.DONE_WITH_FAILURES if counted["failed"] else State.DONE, words, counted)


def totals(job: Job) -> dict[str, int]:
    """What became of everybody, counted in the ledger."""
    outcomes = ("updated", "skipped", "failed")
    counted = job.items.aggregate(
        messages=Sum("messages", default=0),
        **{name: Count("pk", filter=Q(outcome=name)) for name in outcomes},
    )
    return {name: int(value) for name, value in counted.items()}


def so_far(job: Job) -> str:
    sent, wait = count(totals(job)["messages"], "was", "were"), _pending(job).count()
    return f"{sent} invited, {count(wait, 'still waits', 'still wait')} for their invitation."


def _stopped(job: Job, report: JobReport, stop: Stop) -> Ended:
    if stop.why in ("lease-lost", "hand-back"):
        raise stop
    report.flush()
    words = so_far(job)
    if stop.why == "mail-limit":
        wake_at, why = spent(job)
        return Ended(State.WAITING, f"{why} {words} It goes on by itself.", wake_at=wake_at)
    if stop.why == "cancel":
        _pending(job).update(outcome="skipped", reason="not-invited")
        return Ended(
            State.CANCELLED, f"{words.partition(',')[0]}; the others were not written to.", totals(job)
        )
    if stop.why == "failures":
        why = "User after user failed for the same cause, so it stands still. Look at the cause, then resume."
        return Ended(State.PAUSED, f"{why} {words}")
    return Ended(State.PAUSED, words)


def _pending(job: Job) -> QuerySet[Item]:
    return job.items.filter(outcome__in=("", "unknown"))


def _counters(job: Job) -> dict[str, int]:
    counted, total = totals(job), job.items.count()
    over = sum(counted[name] for name in ("updated", "skipped", "failed"))
    return {**counted, "total": total, "left": total - over}


def _people(job: Job) -> Iterator[Person]:
    for items in chunks(_pending(job).order_by("position", "pk")):
        written_to = set(lately(job.pool_id, job).filter(new_sub__in=[item.new_sub for item in items]))
        for item in items:
            step = item.step if item.step == "inviting" else ""
            yield Person(
                item.key, item.label, item.new_sub, item.new_username, step, item.new_sub in written_to
            )
