"""What Cognito itself sends of one day."""

from __future__ import annotations

from datetime import datetime, timedelta

from backups.core.snapshot import PoolFacts

MAIL_LIMIT = 50  # COGNITO_DEFAULT: mails a day, over the whole account, reset at 09:00 UTC


def mail_limit(facts: PoolFacts) -> int | None:
    """Mails a day that bind this pool; None where it sends through SES."""
    return MAIL_LIMIT if facts.mail == "COGNITO_DEFAULT" else None


def mail_allowed(facts: PoolFacts, reserve: int, sent: int = 0) -> int | None:
    """What a restore may take of the day: the rest is kept for people who ask for a code."""
    limit = mail_limit(facts)
    return None if limit is None else max(0, limit - reserve - sent)


def mail_day(now: datetime) -> datetime:
    """When the present day of mails began: Cognito counts from 09:00 UTC."""
    nine = now.replace(hour=9, minute=0, second=0, microsecond=0)
    return nine if now >= nine else nine - timedelta(days=1)
