"""A pool's mail: what it goes through, and the switch to SES or back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings

from backups import wiring
from backups.actions.approving import need_no_second, unapproved
from backups.actions.asking import Actor, Refused, break_glass, reason_of, start
from backups.core.mail import COGNITO, SES, Limit, Sender, Ses, email_settings, limit_of
from backups.core.snapshot import PoolFacts, environment_of
from backups.engine.ports import PortError
from backups.engine.switch import MAIL
from backups.models import Job, Pool, database_now
from backups.models.audit import Act
from backups.runner.ledger import mails_today
from backups.runner.mail import through

UNTOUCHED = "Nothing was changed."
WHAT = "Switching a pool's mail"


@dataclass(frozen=True, slots=True)
class PoolMail:
    """What a pool's mail goes through now, and what SES would allow."""

    settings: dict[str, Any]  # EmailConfiguration
    ses: Ses | None = None
    why: str = ""  # why SES is not known
    text: str = field(default="")  # what it goes through, for a page

    @property
    def through_ses(self) -> bool:
        return self.settings.get("EmailSendingAccount") == SES

    @property
    def senders(self) -> list[Sender]:
        """Identities that mails may come from."""
        return [one for one in self.ses.senders if one.verified] if self.ses else []

    @property
    def ses_refused(self) -> str:
        """Why a mail through SES would not arrive; "" where it may."""
        if self.ses is None:
            return f"{self.why} Without that nobody knows whether a mail would arrive."
        if not self.ses.sending:
            return "AWS has paused the sending of SES in this account and Region."
        if not self.ses.production:
            return (
                "SES is in its sandbox here: codes and invitations would reach verified addresses alone. Ask "
                "AWS for production access first."
            )
        return ""


@dataclass(frozen=True, slots=True)
class MailDay:
    """What may go out through one of the two, and how long one mail for everybody of the pool takes."""

    limit: Limit
    users: int | None  # of the pool, by AWS's estimate; None: not known, or mails reach few of them
    last: datetime | None  # of one mail for each of them, at the earliest; None: never

    @property
    def at_once(self) -> bool:
        """Whether all of these mails can go out now."""
        return self.users is not None and (self.limit.ours is None or self.users <= self.limit.ours)


def mail_of(pool: Pool) -> PoolMail:
    """One look at the pool and at SES. Raises PortError when the pool is not described."""
    account = wiring.account_of(pool.region, briefly=True)
    settings = account.describe(pool.pool_id).get(MAIL, {})
    try:
        return PoolMail(settings, account.ses(), text=through(settings))
    except PortError as error:
        return PoolMail(settings, None, str(error), through(settings))


def mail_days(pool: Pool, found: PoolMail) -> tuple[MailDay, MailDay]:
    """(through Cognito, through SES). Asks nobody."""
    facts = PoolFacts(pool.pool_id, pool.name, pool.region, pool.account)
    through_ses = PoolFacts(pool.pool_id, pool.name, pool.region, pool.account, mail=SES)
    reserve = settings.MAIL_RESERVE
    return (
        _day(pool, limit_of(facts, None, "", reserve=reserve, sent=mails_today())),
        _day(pool, limit_of(through_ses, found.ses, found.why, reserve=reserve, sent=0)),
    )


def switching_refused() -> str:
    """Why nobody may switch a pool's mail on the page, "" where somebody may."""
    return unapproved(WHAT, overwrites=True)


def mail_confirmation(pool: Pool, *, to_ses: bool) -> str:
    """What has to be typed to switch: environment and where to, ``production SES``."""
    return f"{environment_of(pool.name) or pool.name} {'SES' if to_ses else 'COGNITO'}"


def switch_mail(actor: Actor, pool: Pool, *, identity: str, sender: str = "", typed: str, reason: str) -> Job:
    """Send this pool's mail through the SES identity of that name; ``identity`` "": through Cognito itself.

    Raises Refused; then nothing was changed. A job of the write queue: nothing else may write meanwhile.
    """
    need_no_second(actor, WHAT, overwrites=True)
    reason = reason_of(reason, "whoever asks why the mail was switched")
    if typed.strip() != (text := mail_confirmation(pool, to_ses=bool(identity))):
        raise Refused(f"Type {text} to switch. {UNTOUCHED}", 400)
    try:
        found = mail_of(pool)
    except PortError as error:
        raise Refused(f"{error} {UNTOUCHED}", 503) from None
    arn = _arn(found, identity) if identity else ""
    try:
        wanted = email_settings(found.settings, arn, " ".join(sender.split()))
    except ValueError as error:
        raise Refused(f"{error} {UNTOUCHED}", 400) from None
    if wanted == {name: value for name, value in found.settings.items() if value}:
        raise Refused(f"This pool's mail goes through {through(wanted)} already. {UNTOUCHED}")
    job = Job(
        kind=Job.Kind.MAIL,
        queue=Job.Queue.WRITE,
        params={"before": found.settings, "wanted": wanted},
        reason=reason,
    )
    return start(
        actor,
        job,
        Pool(region=pool.region, pool_id=pool.pool_id, name=pool.name),
        Act.MAIL_ASKED,
        **{"from": found.settings.get("EmailSendingAccount", COGNITO), "to": wanted["EmailSendingAccount"]},
        identity=identity,
        reason=reason,
        **break_glass(actor),
    )


def _day(pool: Pool, limit: Limit) -> MailDay:
    users = None if limit.why or limit.sandbox else pool.estimated_users
    return MailDay(limit, users, limit.last(users or 0, database_now(), ours=True))


def _arn(found: PoolMail, identity: str) -> str:
    """Of an identity that can send. Raises Refused."""
    if found.ses is None or found.ses_refused:
        raise Refused(f"{found.ses_refused} {UNTOUCHED}", 503 if found.ses is None else 409)
    sender = next((one for one in found.ses.senders if one.name == identity), None)
    if sender is None:
        raise Refused(f"SES has no identity of this name in the pool's Region. {UNTOUCHED}", 404)
    if not sender.verified:
        raise Refused(f"SES has not verified this identity, so nothing could be sent. {UNTOUCHED}")
    return sender.arn
