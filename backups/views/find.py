"""Find the last good backup: a rule is given, a job looks, the page shows where it ceased to hold."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from backups import access, actions, forms
from backups.core import lastgood
from backups.core.lifecycle import State
from backups.core.progress import segments
from backups.models import Backup, Job
from backups.templatetags.context import revealed
from backups.templatetags.find import FIELDS


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def find(request: HttpRequest) -> HttpResponse:
    """GET: the form, perhaps filled in by a link. POST: start the search."""
    forms.need(request, access.Action.COMPARE)
    if request.method != "POST":
        return render(
            request, "find/ask.html", {"asked": {name: forms.given(request.GET, name) for name in FIELDS}}
        )
    asked = {name: forms.given(request.POST, name) for name in FIELDS}
    name = asked["member" if asked["rule"] == lastgood.Kind.MEMBER else "user"]
    try:
        job = actions.start_find(
            actions.actor_of(request),
            asked["pool"],
            asked["rule"],
            name=name,
            group=asked["group"],
            users=asked["users"],
        )
    except actions.Refused as refused:
        context = {"asked": asked, "refused": str(refused)}
        return render(request, "find/ask.html", context, status=refused.status)
    return HttpResponseRedirect(reverse("found", args=[job.pk]))


@never_cache
@require_safe
def found(request: HttpRequest, job: int) -> HttpResponse:
    """The job while it runs; then what it found."""
    forms.need(request, access.Action.COMPARE)
    search = get_object_or_404(Job, pk=job, kind=Job.Kind.FIND)
    rule, shown = lastgood.Rule.read(search.params["rule"]), revealed(request)
    context: dict[str, Any] = {"job": search, "rule": rule, "words": rule.words(revealed=shown)}
    if search.state == State.DONE:
        context |= _result(search, rule, shown=shown)
    return render(request, "find/found.html", context)


def _result(job: Job, rule: lastgood.Rule, *, shown: bool) -> dict[str, Any]:
    result = job.result
    runs = result["runs"][::-1]  # the oldest first, as time goes
    parts = [("silent", result["earlier"]), *((run["kind"], run["count"]) for run in runs)]
    pair = [result[side] for side in ("good", "bad") if side in result]
    there = Backup.objects.in_bulk([one["key"] for one in pair], field_name="key")
    who = result.get("who") or rule.name
    still = "warn" if result.get("newer") or result.get("subs", 0) > 1 else "good"
    return {
        "result": result,
        "verdict": lastgood.verdict(rule, result, revealed=shown),
        "notes": lastgood.notes(result),
        "tone": {"found": "bad", "everywhere": still, "came": still}.get(result["answer"], "idle"),
        "segments": segments(parts),
        "runs": runs,
        "pair": [(one, there.get(one["key"])) for one in pair],
        "two_pools": lastgood.two_pools(result),
        "stand": bool(pair) and len(there) == len(pair),
        # An address is seen by more than the page's reader: no e-mail goes into one while it is masked.
        "who": who if shown or "@" not in who else "",
    }
