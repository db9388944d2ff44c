"""Compare: choose two sides; then what differs, in counts and as sentences."""

from __future__ import annotations

import re
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from backups import access, actions, forms
from backups.core.lifecycle import State
from backups.core.progress import segments
from backups.models import Backup, Difference, Job, Pool
from backups.templatetags.context import revealed

KINDS = ("only_from", "changed", "only_to")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def compare(request: HttpRequest) -> HttpResponse:
    """GET: the two lists. POST: start the comparison."""
    forms.need(request, access.Action.COMPARE)
    if request.method != "POST":
        return _choose(request, forms.given(request.GET, "from"), forms.given(request.GET, "to"))
    from_, to = forms.given(request.POST, "from"), forms.given(request.POST, "to")
    if "swap" in request.POST:
        return _choose(request, to, from_)
    try:
        job = actions.start_compare(actions.actor_of(request), from_, to)
    except actions.Refused as refused:
        return _choose(request, from_, to, str(refused), refused.status)
    return HttpResponseRedirect(reverse("comparison", args=[job.pk]))


@never_cache
@require_safe
def comparison(request: HttpRequest, job: int) -> HttpResponse:
    """The job while it runs; then its result."""
    forms.need(request, access.Action.COMPARE)
    found = get_object_or_404(Job, pk=job, kind=Job.Kind.COMPARE)
    context: dict[str, Any] = {
        "job": found,
        "from": found.params.get("from", ""),
        "to": found.params.get("to", ""),
        "from_words": forms.side(found.params.get("from", "")),
        "to_words": forms.side(found.params.get("to", "")),
    }
    if found.state == State.DONE:
        context |= _result(request, found)
    return render(request, "compare/comparison.html", context)


def _choose(request: HttpRequest, from_: str, to: str, refused: str = "", status: int = 200) -> HttpResponse:
    if not from_ and not to:
        from_, to = _usual()
    context = {
        "from_groups": forms.sides_to_choose(from_),
        "to_groups": forms.sides_to_choose(to),
        "presets": _presets(),
        "refused": refused,
    }
    return render(request, "compare/choose.html", context, status=status)


def _usual() -> tuple[str, str]:
    """What is asked most: production's suggested backup with production as it is now."""
    presets = _presets()
    return (presets[0][1], presets[0][2]) if presets else ("", "")


def _presets() -> list[tuple[str, str, str]]:
    """(words, from, to): for each live pool with a suggested backup, production first."""
    pools = {pool.name: pool for pool in Pool.objects.filter(presence=Pool.Presence.THERE)}
    suggested = Backup.objects.filter(suggested=True, pool_name__in=pools, state__in=forms.READABLE)
    found = sorted(suggested, key=lambda backup: (backup.environment != "production", backup.pool_name))
    return [
        (f"Suggested backup of {b.pool_name} with the live pool", b.key, f"live:{pools[b.pool_name].pool_id}")
        for b in found
    ]


def _holding(text: str, *, clear: bool) -> Q:
    """``forms.holding`` for text that has a line for each value."""
    folded = text.casefold()
    if clear:
        return Q(search__contains=folded)
    around = "" if "@" in folded else "[^\\n@]*"
    return Q(search__regex=f"(^|\\n){around}{re.escape(folded)}{around}(\\n|$)")


def _result(request: HttpRequest, job: Job) -> dict[str, Any]:
    result = job.result
    kind, text = forms.given(request.GET, "kind"), forms.given(request.GET, "q")
    if kind not in KINDS:
        kind = next((name for name in KINDS if result.get(name)), "changed")
    rows = Difference.objects.filter(job=job, kind=kind)
    if text:
        rows = rows.filter(_holding(text, clear=revealed(request)))
    parts = [(name, int(result.get(name, 0))) for name in ("only_from", "changed", "only_to", "same")]
    of_backup = not job.params.get("from", "").startswith("live:")
    missing = parts[0][1] if of_backup and job.params.get("to", "").startswith("live:") else 0
    fields = sorted(result.get("fields", {}).items(), key=lambda field: (-field[1], field[0]))
    return {
        "result": result,
        "segments": segments(parts),
        "parts": parts,
        "fields": fields,
        "identical": not any(result.get(name) for name in KINDS),
        "kind": kind,
        "tabs": [(name, int(result.get(name, 0)), name == kind) for name in KINDS],
        "text": text,
        "rows": forms.page(rows, "id", forms.given(request.GET, "after"), newest_first=False),
        "missing": missing,
    }
