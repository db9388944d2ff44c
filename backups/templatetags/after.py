"""What pages say of a restore besides its outcomes: that it was a trial, and what undos took back of it."""

from __future__ import annotations

from typing import Any

from django import template

from backups.models import Job, Plan
from backups.runner import report as reports

register = template.Library()


@register.inclusion_tag("map/_after.html")
def after(job: Job) -> dict[str, Any]:
    """Nothing for any other job, nor for a restore of everybody that nobody took back."""
    if job.kind != Job.Kind.RESTORE:
        return {}
    return {"trial": reports.trial(job, reports.plan_of(job)), "undos": reports.undos(job)}


@register.simple_tag
def plan_of(job: Job) -> Plan | None:
    """Also of a trial, which does not use up its plan."""
    return reports.plan_of(job) if job.kind == Job.Kind.RESTORE else None


@register.inclusion_tag("restore/_tried.html")
def tried(plan: Plan) -> dict[str, Any]:
    """The trials of a plan."""
    return {"trials": reports.trials(plan)}
