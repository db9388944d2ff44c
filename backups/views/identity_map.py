"""Who became whom: the identity map of a restore, as a page and as files."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from backups import access, actions, forms
from backups.core.identity_map import How, how
from backups.models import Item, Job
from backups.runner import report
from backups.templatetags.context import revealed

FILES = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "sql": "application/sql; charset=utf-8",
}
WORDS = {
    How.CREATED: "created by this restore",
    How.BEGUN: "created by this restore, not finished",
    How.KEPT: "was in the pool, keeps that identity",
}


@never_cache
@require_safe
def identity_map(request: HttpRequest, job: int) -> HttpResponse:
    """Fifty at a time, searched by e-mail, username or a whole sub."""
    forms.need(request, access.Action.SEE)
    found = get_object_or_404(Job, pk=job, kind=Job.Kind.RESTORE)
    text = forms.given(request.GET, "q")
    rows = report.mapped(found)
    counts = rows.aggregate(
        all=Count("pk"), created=Count("pk", filter=~Q(outcome="skipped") & Q(action="create"))
    )
    if text:
        rows = rows.filter(forms.in_ledger(text, clear=revealed(request)))
    page = forms.page(rows, "position", forms.given(request.GET, "after"), newest_first=False)
    context = {
        "job": found,
        "rows": [_row(item) for item in page.rows],
        "next": page.next,
        "text": text,
        "undone": report.undone(found).count(),
        "mapped": counts["all"],
        "created": counts["created"],
        "half_made": report.half_made(found).count(),
        "kept": counts["all"] - counts["created"],
        "without": report.admins_without(found),
        "may_download": access.can(request.user, access.Action.DOWNLOAD).allowed,  # type: ignore[arg-type]
    }
    return render(request, "map/page.html", context)


@never_cache
@require_GET  # HEAD would leave an entry for what nobody got
def download(request: HttpRequest, job: int, form: str) -> HttpResponse | StreamingHttpResponse:
    """The map as a file; so far, while the restore still runs."""
    forms.need(request, access.Action.DOWNLOAD)
    found = get_object_or_404(Job, pk=job)
    if form not in FILES:
        raise Http404
    try:
        pieces = actions.identity_map(actions.actor_of(request), found, form)
    except actions.Refused as refused:
        messages.error(request, str(refused))
        there = "map" if found.kind == Job.Kind.RESTORE else "job"
        return HttpResponseRedirect(reverse(there, args=[job]))
    return StreamingHttpResponse(
        forms.some_at_a_time(pieces),
        content_type=FILES[form],
        headers={"Content-Disposition": f'attachment; filename="identity-map-job-{job}.{form}"'},
    )


def _row(item: Item) -> dict[str, Any]:
    became = how(item.action, item.outcome)
    return {"item": item, "how": WORDS[became], "same": item.old_sub == item.new_sub}
