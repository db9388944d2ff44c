"""A pool's mail: what it goes through, and the switch to SES or back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from backups import wiring
from backups.actions.asking import Actor, Refused, break_glass, reason_of, start
from backups.core.mail import COGNITO, SES, Ses, email_settings
from backups.core.snapshot import environment_of
from backups.engine.ports import PortError
from backups.engine.switch import MAIL
from backups.models import Job, Pool
from backups.models.audit import Act
from backups.runner.mail import through

UNTOUCHED = "Nothing was changed."


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


def mail_of(pool: Pool) -> PoolMail:
    """One look at the pool and at SES. Raises PortError when the pool is not described."""
    account = wiring.account_of(pool.region, briefly=True)
    settings = account.describe(pool.pool_id).get(MAIL, {})
    try:
        return PoolMail(settings, account.ses(), text=through(settings))
    except PortError as error:
        return PoolMail(settings, None, str(error), through(settings))


def mail_confirmation(pool: Pool, *, to_ses: bool) -> str:
    """What has to be typed to switch: environment and where to, ``production SES``."""
    return f"{environment_of(pool.name) or pool.name} {'SES' if to_ses else 'COGNITO'}"


def switch_mail(actor: Actor, pool: Pool, *, identity: str, sender: str = "", typed: str, reason: str) -> Job:
    """Send this pool's mail through the SES identity of that name; ``identity`` "": through Cognito itself.

    Raises Refused; then nothing was changed. A job of the write queue: nothing else may write meanwhile.
    """
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


def _arn(found: PoolMail, identity: str) -> str:
    """Of an identity that can send. Raises Refused."""
    ses = found.ses
    if ses is None:
        raise Refused(f"{found.why} Without that nobody knows whether a mail would arrive. {UNTOUCHED}", 503)
    if not ses.sending:
        raise Refused(f"AWS has paused the sending of SES in this account and Region. {UNTOUCHED}")
    if not ses.production:
        raise Refused(
            "SES is in its sandbox here: codes and invitations would reach verified addresses alone. Ask AWS "
            f"for production access first. {UNTOUCHED}"
        )
    sender = next((one for one in ses.senders if one.name == identity), None)
    if sender is None:
        raise Refused(f"SES has no identity of this name in the pool's Region. {UNTOUCHED}", 404)
    if not sender.verified:
        raise Refused(f"SES has not verified this identity, so nothing could be sent. {UNTOUCHED}")
    return sender.arn
