"""How many invitations a job may send now, asked while they go out, and when it goes on after they are spent.

Cognito's own mails of a day are counted here, because nobody else does, and are given anew at 09:00 UTC. SES
is asked for its own: they come back one by one, 24 hours after each, so the job looks again every hour.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from backups import wiring
from backups.core.mail import SES
from backups.core.plan import mail_allowed, mail_day
from backups.core.snapshot import PoolFacts
from backups.models import Job, database_now
from backups.reporting import JobReport
from backups.runner.ledger import mails_today
from backups.runner.preflight import mail_limit

ASKED_FOR = 60.0
"""Seconds that SES's answer holds; what was taken of it meanwhile is counted."""
AGAIN = timedelta(hours=1)
AFTERWARDS = "invited_afterwards"


class Mails:
    """Of one job and one pool. Used by one thread."""

    def __init__(self, job: Job, facts: PoolFacts) -> None:
        self._facts, self._account, self._clock = facts, wiring.account_of(job.region), wiring.clock()
        self._ours: int | None = None
        self._taken, self._asked_at = 0, float("-inf")

    def left(self) -> int | None:
        """``now``, before one more mail: of what SES told, that one is taken."""
        left = self.now()
        self._taken += 1
        return left

    def now(self) -> int | None:
        """How many may go out now; None where no limit is known."""
        if self._facts.mail != SES:
            return mail_allowed(self._facts, settings.MAIL_RESERVE, mails_today())
        now = self._clock.monotonic()
        if now - self._asked_at >= ASKED_FOR:
            limit = mail_limit(self._facts, self._account)
            # Where SES sends nothing at all, waiting is of no use: the mails themselves say so.
            self._ours, self._taken, self._asked_at = (limit.ours if limit.day else None), 0, now
        return None if self._ours is None else max(0, self._ours - self._taken)


def invited_afterwards(job: Job, mails: Mails, number: int, report: JobReport) -> bool:
    """Whether everybody is created before the first of so many invitations goes out.

    So it is where they cannot all go out now. Found out once: who was created with a mail, or without one,
    is known by it when the job goes on.
    """
    if AFTERWARDS not in job.params:
        left = None if job.items.filter(intended_at__isnull=False).exists() else mails.now()
        job.params = {**job.params, AFTERWARDS: left is not None and left < number}
        with transaction.atomic():
            report.prove()
            Job.objects.filter(pk=job.pk).update(params=job.params)
    return bool(job.params[AFTERWARDS])


def spent(job: Job) -> tuple[datetime, str]:
    """(when the job goes on by itself, why it waits until then)."""
    now = database_now()
    if job.params.get("mail") == SES:
        wake_at, whose = now + AGAIN, "what SES lets out in 24 hours is spent. It looks again every hour."
    else:
        wake_at, whose = mail_day(now) + timedelta(days=1), "the account's mails of today are spent."
    return wake_at, f"Waits until {wake_at:%-d %B, %H:%M} UTC: {whose}"
