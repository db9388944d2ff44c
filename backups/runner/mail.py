"""A mail job: one pool's mail switched to SES, or back to Cognito's own; everything else as it was."""

from __future__ import annotations

from typing import Any

import structlog
from django.db import transaction

from backups import wiring
from backups.core.lifecycle import State
from backups.core.mail import SES, identity_of
from backups.core.rewriting import UnknownSetting
from backups.core.snapshot import mask
from backups.engine.ports import Cause, PortError
from backups.engine.switch import Changed, Found, Switched, switch
from backups.models import Job, Pool
from backups.models.audit import Act
from backups.reporting import JobReport
from backups.runner.ledger import intend
from backups.runner.words import Ended, Refusal

log = structlog.get_logger(__name__)
KEPT = "settings_before"
"""In the job's result: every setting as it was read before the writing, for whoever has to mend something."""

UNCHANGED = "No setting of the pool was changed."
UNKNOWN = (
    "Whether the settings were written is not known. Ask for it once more: it tells from the pool. What they "
    "were before stands in this job's result."
)


def switch_mail(job: Job, report: JobReport) -> Ended:
    """``params``: "before" and "wanted" are EmailConfiguration as it was when asked, and as it shall be.

    A job that was cut short goes on: what it had read before the writing is in its result, and it tells from
    the pool itself whether it has written.
    """
    wanted: dict[str, Any] = job.params["wanted"]
    result: dict[str, Any] = dict(job.result)
    earlier = KEPT in result  # a try that may have written before it was cut short

    def keep(found: Found) -> None:
        result[KEPT] = found
        with transaction.atomic():
            report.prove()
            Job.objects.filter(pk=job.pk).update(result=result)
            intend(Act.MAIL_INTENDED, job, to=wanted["EmailSendingAccount"])
        job.result = result

    try:
        done = switch(
            wiring.account_of(job.region),
            job.pool_id,
            report,
            before=job.params["before"],
            wanted=wanted,
            kept=result.get(KEPT),
            keep=keep,
        )
    except Changed:
        raise Refusal(
            "The pool's mail is not what it was when this was asked for. Look at it again. "
            + (UNKNOWN if earlier else "Nothing was written.")
        ) from None
    except UnknownSetting as error:
        raise Refusal(str(error)) from None
    except PortError as error:
        log.warning("mail not switched", job=job.pk, cause=str(error.cause), code=error.code)
        known = not earlier and not (error.cause is Cause.LOST and KEPT in result)
        return Ended(State.FAILED, f"{error} {UNCHANGED if known else UNKNOWN}", result)
    if account := done.mail.get("EmailSendingAccount"):  # the pages need not wait for the next look
        Pool.objects.filter(region=job.region, pool_id=job.pool_id).update(mail=account)
    result |= {"before": job.params["before"], "after": done.mail, "differs": list(done.differs)}
    return _ended(done, wanted, result, job.params["before"])


def so_far(job: Job) -> str:
    """What is still true of a job that ends otherwise than by itself."""
    return UNKNOWN if KEPT in job.result else UNCHANGED


def _ended(done: Switched, wanted: dict[str, Any], result: dict[str, Any], before: dict[str, Any]) -> Ended:
    said = f"This pool sends its mail through {through(wanted)}"
    said += " now" if done.written else " already: nothing was written"
    back = f"The way back: switch its mail to {through(before)} again. Plans made before are to be made anew."
    result["back"] = back
    if done.differs:
        names = ", ".join(done.differs)
        text = (
            f"{said}. Read back, these settings are not what they were or should be: {names}. "
            f"What they were stands in this job's result. {back}"
        )
        return Ended(State.DONE_WITH_FAILURES, text, result)
    if done.unread:
        return Ended(
            State.DONE_WITH_FAILURES,
            f"{said}, but it could not be read back, and so not compared: {done.unread} What the settings "
            f"were stands in this job's result. {back}",
            result,
        )
    if not done.written:
        return Ended(State.DONE, f"{said}.", result)
    return Ended(State.DONE, f"{said}; read back, and every other setting is as it was. {back}", result)


def through(mail: dict[str, Any]) -> str:
    """What an EmailConfiguration sends through, for a page: no address in clear."""
    if mail.get("EmailSendingAccount") != SES:
        return "Cognito (COGNITO_DEFAULT, 50 mails a day for the whole account)"
    return f"SES as {mask(identity_of(str(mail.get('SourceArn', ''))))}"
