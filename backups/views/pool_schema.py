"""Attributes that a plan's users have and its pool does not know: what they were, and adding them."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from backups import access, actions, forms
from backups.core.lifecycle import State
from backups.core.schema import MOST
from backups.engine.ports import PortError
from backups.models import Backup, Job, Operator, Plan

FIELDS = ("digest", "reason", "typed")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def pool_schema(request: HttpRequest, job: int) -> HttpResponse:
    """``job`` is the plan's. GET: what would be added. POST: add it."""
    forms.need(request, access.Action.RESTORE if request.method == "POST" else access.Action.PLAN)
    made = Plan.objects.select_related("job").filter(job__kind=Job.Kind.PLAN, job__state=State.PLANNED)
    plan = get_object_or_404(made, job__pk=job)  # the bare relation breaks on a number that no row has
    if request.method != "POST":
        return _page(request, plan, {})
    given = {name: forms.given(request.POST, name) for name in FIELDS}
    try:
        started = actions.add_to_schema(actions.actor_of(request), plan, **given)
    except actions.Refused as refused:
        return _page(request, plan, given, str(refused), refused.status)
    return HttpResponseRedirect(reverse("job", args=[started.pk]))


def _page(
    request: HttpRequest, plan: Plan, given: dict[str, str], refused: str = "", status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {
        "plan": plan,
        "job": plan.job,
        "source": Backup.objects.filter(key=plan.source).first(),
        "may": access.can(cast(Operator, request.user), access.Action.RESTORE),
        "most": MOST,
        "given": given,
        "refused": refused,
    }
    try:
        found = actions.schema_of(plan)
    except PortError as error:
        return render(request, "pools/schema.html", context | {"why": str(error)}, status=status)
    attributes = found.attributes
    context |= {
        "found": found,
        "many": len(attributes),
        "then": found.own + len(attributes),
        "fixed": [one.name for one in attributes if not one.mutable],
        "developers": [one.name for one in attributes if one.developer_only],
        "to_type": actions.schema_confirmation(plan, found),
    }
    return render(request, "pools/schema.html", context, status=status)
