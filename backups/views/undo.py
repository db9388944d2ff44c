"""Undo of a restore: plan it, read the plan, confirm. Nothing is written before the last step."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from backups import access, actions, forms
from backups.core import undo as words
from backups.core.lifecycle import State
from backups.core.undo import What
from backups.models import Item, Job, Plan
from backups.templatetags.context import revealed

FIELDS = ("reason", "typed")
ORDER = [what.value for what in What]
OUTCOMES = ("deleted", "updated", "skipped", "failed", "unknown")


@never_cache
@require_POST
def plan_undo(request: HttpRequest, job: int) -> HttpResponse:
    """Plan the undo of restore ``job``: a job that only reads."""
    forms.need(request, access.Action.PLAN)
    restore = get_object_or_404(Job, pk=job, kind=Job.Kind.RESTORE)
    try:
        planned = actions.plan_undo(actions.actor_of(request), restore)
    except actions.Refused as refused:
        messages.error(request, str(refused))
        return HttpResponseRedirect(reverse("job", args=[job]))
    return HttpResponseRedirect(reverse("undo", args=[planned.pk]))


@never_cache
@require_safe
def undo(request: HttpRequest, job: int) -> HttpResponse:
    """The plan with everybody's reason, the form that starts it, and then what came of it."""
    forms.need(request, access.Action.PLAN)
    found = _job(job)
    if found.pk != job:
        return HttpResponseRedirect(reverse("undo", args=[found.pk]))
    return _page(request, found, {})


@never_cache
@require_POST
def start_undo(request: HttpRequest, job: int) -> HttpResponse:
    """Start what the plan says, or say why not with the form as it was filled in."""
    forms.need(request, access.Action.RESTORE)
    found = _job(job)
    given = {name: forms.given(request.POST, name) for name in FIELDS}
    plan = Plan.objects.select_related("job").filter(job=found).first()
    if plan is None:
        return _page(request, found, given, "There is no plan to start yet. Nothing was written.", 409)
    try:
        started = actions.start_undo(
            actions.actor_of(request), plan, digest=forms.given(request.POST, "digest"), **given
        )
    except actions.Refused as refused:
        return _page(request, found, given, str(refused), refused.status)
    return HttpResponseRedirect(reverse("job", args=[started.pk]))


def _job(job: int) -> Job:
    """The plan; an undo's own number leads to its plan as well."""
    found = get_object_or_404(Job, pk=job, kind__in=(Job.Kind.PLAN, Job.Kind.UNDO), params__has_key="undo")
    if found.kind == Job.Kind.UNDO:
        return get_object_or_404(Job, plan__pk=found.params["plan"])
    return found


def _page(
    request: HttpRequest, job: Job, given: dict[str, str], refused: str = "", status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {"job": job, "given": given, "refused": refused, "number": job.params["undo"]}
    plan = Plan.objects.select_related("job", "restore").filter(job=job).first()
    if plan is not None and job.state == State.PLANNED:
        context |= _of_plan(request, plan)
    return render(request, "undo/plan.html", context, status=status)


def _of_plan(request: HttpRequest, plan: Plan) -> dict[str, Any]:
    done = plan.restore
    todo = actions.to_undo(plan)
    return {
        "plan": plan,
        "delete": plan.counts["delete"],
        "put_back": plan.counts["put-back"],
        "skip": plan.counts["skip"],
        "todo": todo,
        "to_type": actions.confirmation_of_undo(plan),
        "can_start": bool(todo and done is None),
        "taken_back": actions.undone_already(plan),
        "not_alone": actions.undoing_refused(actions.actor_of(request), plan),
        "done": done,
        "outcomes": _outcomes(done) if done else [],
        "by_reason": _by_reason(done or plan.job),
        **_rows(request, done or plan.job),
    }


def _outcomes(job: Job) -> list[tuple[str, int]]:
    counted = dict(job.items.values_list("outcome").annotate(Count("id")).order_by())
    return [(name, counted[name]) for name in OUTCOMES if name in counted]


def _by_reason(job: Job) -> list[tuple[str, str, str, int]]:
    """(action, code, its sentence, how many users), what is written first."""
    said = [
        (what, code, words.sentence(code, detail), count)
        for what, code, detail, count in forms.by_reason(job)
        if code
    ]
    return sorted(said, key=lambda row: ORDER.index(row[0]))


def _rows(request: HttpRequest, job: Job) -> dict[str, Any]:
    action, reason = forms.given(request.GET, "action"), forms.given(request.GET, "reason")
    text = forms.given(request.GET, "q")
    rows = Item.objects.filter(job=job)
    if action in ORDER:
        rows = rows.filter(action=action)
    if reason:
        rows = rows.filter(reason=reason)
    if text:
        rows = rows.filter(forms.in_ledger(text, clear=revealed(request)))
    page = forms.page(rows, "position", forms.given(request.GET, "after"), newest_first=False)
    return {
        "rows": page,
        "lines": [(item, _said(item), _fields(item)) for item in page.rows],
        "action": action,
        "reason": reason,
        "text": text,
        "filtered": bool(reason or text),
    }


def _said(item: Item) -> str:
    return words.sentence(item.reason, item.detail) if item.reason else ""


def _fields(item: Item) -> str:
    """What is put back, by name: the values are people's data."""
    named = [str(change[0]) for change in item.changes]
    return ", ".join([*named, *(f"out of group {name}" for name in item.groups)])
