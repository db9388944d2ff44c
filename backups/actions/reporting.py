"""What a restore leaves behind for others: its plan, who became whom, and its report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from backups import access
from backups.actions.asking import Actor, Refused, may_now, note
from backups.core.map_sql import BadTemplate, Unwritable
from backups.engine.ports import PortError
from backups.models import Job, Plan
from backups.models.audit import Act
from backups.runner import report as reports


def identity_map(actor: Actor, job: Job, form: str = "csv") -> Iterator[str]:
    """Old to new identity of everybody whom a restore created or found; ``form`` is csv, json or sql.

    Pieces of text; the entry comes first. Raises Refused, also where there can be no SQL.
    """
    _restore(job, "identity map")
    may_now(actor, access.Action.DOWNLOAD)
    _find_admins(job)
    try:
        pieces = reports.FORMS[form](job)
    except (BadTemplate, Unwritable) as error:
        raise Refused(reports.why_no_sql(job, error)) from None
    users = reports.mapped(job).count()
    note(actor, Act.IDENTITY_MAP_DOWNLOADED, pool=job.pool_name, job=job.pk, what=form, users=users)
    return pieces


def planned(actor: Actor, plan: Plan, form: str) -> Iterator[str]:
    """Every line of a plan as pieces of a file, ``form`` csv or json; the entry comes first."""
    may_now(actor, access.Action.DOWNLOAD)
    users = plan.job.items.count()
    note(actor, Act.PLAN_DOWNLOADED, pool=plan.job.pool_text, job=plan.job_id, what=form, users=users)
    return reports.planned(plan, form)


def report(actor: Actor, job: Job) -> Iterator[bytes]:
    """A restore's report as a zip, in chunks; the entry comes first, and is in it. Raises Refused."""
    _restore(job, "report")
    may_now(actor, access.Action.DOWNLOAD)
    _find_admins(job)
    note(actor, Act.REPORT_DOWNLOADED, pool=job.pool_text, job=job.pk)
    return reports.archive(job)


def _find_admins(job: Job) -> None:
    """The application makes its admins when it is restarted, which is after the restore."""
    if job.over:
        with suppress(PortError):  # the page names who is missing
            reports.find_admins(job)


def _restore(job: Job, what: str) -> None:
    if job.kind != Job.Kind.RESTORE:
        raise Refused(f"Job {job.pk} is no restore, so it has no {what}.", 404)
