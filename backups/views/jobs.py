"""Jobs: the list, one job with its log, its live part alone, and what a person may ask of it."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from backups import access, actions, forms
from backups.core.lifecycle import ACTIVE, OVER, State
from backups.models import Item, Job
from backups.runner.restore import RETRIED
from backups.templatetags.context import revealed

STATES = {
    "active": ("Not over", Q(state__in=sorted(ACTIVE))),
    "over": ("Over", Q(state__in=sorted(OVER))),
    "trouble": ("Failed, or with failures", Q(state__in=[State.FAILED, State.DONE_WITH_FAILURES])),
}
OUTCOMES = ("created", "updated", "skipped", "failed", "unknown")


@never_cache
@require_safe
def jobs(request: HttpRequest) -> HttpResponse:
    """Newest first."""
    forms.need(request, access.Action.SEE)
    found = Job.objects.select_related("started_from")
    kind, state = forms.given(request.GET, "kind"), forms.given(request.GET, "state")
    if kind in Job.Kind.values:
        found = found.filter(kind=kind)
    if state in STATES:
        found = found.filter(STATES[state][1])
    page = forms.page(found, "id", forms.given(request.GET, "before"), newest_first=True)
    context = {
        "page": page,
        "kinds": [(value, label, value == kind) for value, label in Job.Kind.choices],
        "states": [(value, label, value == state) for value, (label, _) in STATES.items()],
        "filtered": bool(kind or state),
    }
    return render(request, "jobs/list.html", context)


@never_cache
@require_safe
def job(request: HttpRequest, job: int) -> HttpResponse:
    """One job: its part that moves, its log, and for a restore its users by outcome."""
    forms.need(request, access.Action.SEE)
    found = get_object_or_404(Job.objects.select_related("started_from", "plan"), pk=job)
    context = {"job": found, "before": forms.given(request.GET, "before"), **_ledger(request, found)}
    return render(request, "jobs/job.html", context)


@never_cache
@require_safe
def job_part(request: HttpRequest, job: int) -> HttpResponse:
    """What moves on a job's page, without the page."""
    forms.need(request, access.Action.SEE)
    found = get_object_or_404(Job.objects.select_related("started_from", "plan"), pk=job)
    return render(request, "jobs/part.html", {"job": found})


@require_POST
def pause_job(request: HttpRequest, job: int) -> HttpResponse:
    """Stand still after the users already begun."""
    return _ask(request, job, actions.pause)


@require_POST
def cancel_job(request: HttpRequest, job: int) -> HttpResponse:
    """End it after the users already begun; what was made stays."""
    return _ask(request, job, actions.cancel)


@require_POST
def resume_job(request: HttpRequest, job: int) -> HttpResponse:
    """Go on from the ledger; of those who failed, with those of the causes that are named, or with all.

    An empty cause is nobody's: who failed is left alone, and the others are gone on with.
    """
    causes = request.POST.getlist("cause") or RETRIED
    return _ask(request, job, lambda actor, found: actions.resume(actor, found, causes))


def _ask(request: HttpRequest, job: int, verb: Callable[[actions.Actor, Job], Job]) -> HttpResponse:
    forms.need(request, access.Action.CANCEL)
    found = get_object_or_404(Job, pk=job)
    try:
        verb(actions.actor_of(request), found)
    except actions.Refused as refused:
        messages.error(request, str(refused))
    return HttpResponseRedirect(reverse("job", args=[job]))


def _ledger(request: HttpRequest, job: Job) -> dict[str, object]:
    """A restore's users: by outcome, by cause, by search."""
    if job.kind != Job.Kind.RESTORE:
        return {}
    outcome, reason = forms.given(request.GET, "outcome"), forms.given(request.GET, "reason")
    text = forms.given(request.GET, "q")
    rows = Item.objects.filter(job=job)
    if outcome in OUTCOMES:
        rows = rows.filter(outcome=outcome)
    if reason:
        rows = rows.filter(reason=reason)
    if text:
        rows = rows.filter(forms.in_ledger(text, clear=revealed(request)))
    return {
        "rows": forms.page(rows, "position", forms.given(request.GET, "after"), newest_first=False),
        "outcomes": [
            (name, int(job.counters.get(name, 0)), name == outcome)
            for name in OUTCOMES
            if job.counters.get(name) or name == outcome
        ],
        "outcome": outcome,
        "reason": reason,
        "text": text,
        "filtered": bool(outcome or reason or text),
    }
