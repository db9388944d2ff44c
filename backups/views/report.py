"""A restore's report, for whoever asks afterwards: a page, and one zip."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from backups import access, actions, forms
from backups.core import plan as plans
from backups.core.report import PARTS
from backups.models import Backup, Job
from backups.runner import report as reports
from backups.templatetags.words import number

ENTRIES = 200
"""Of the audit log on the page; the zip has all of them."""
CHOICES = {
    "existing": "Users who exist",
    "users": "People who were named",
    "tests": "Conditions",
    "chosen": "Chosen from comparison",
    "again": "Registered again, said to be the same",
    "guards": "Guards that were lifted",
    "link": "Linked to their provider again",
    "defaults": "Defaults for required attributes",
    "leave_out": "Attributes left out",
}
"""Names of core.choices.Choices, in words."""


@never_cache
@require_safe
def report(request: HttpRequest, job: int) -> HttpResponse:
    forms.need(request, access.Action.SEE)
    found = get_object_or_404(Job, pk=job, kind=Job.Kind.RESTORE)
    plan = reports.plan_of(found)
    totals = reports.totals(found)
    entries = list(reports.entries_of(found, plan)[: ENTRIES + 1])
    context = {
        "job": found,
        "plan": plan,
        "source": Backup.objects.filter(key=plan.source).first() if plan else None,
        "planned": [(name, plan.counts.get(name, 0)) for name in plans.Action] if plan else [],
        "choices": _choices(plan.choices) if plan else [],
        "messages_way": found.params.get("messages", ""),
        "totals": totals,
        "reached": totals["created"] + totals["updated"],
        "half_made": reports.half_made(found).count(),
        "undone": reports.undone(found).count(),
        "mapped": reports.mapped(found).count(),
        "items": actions.aftercare_of(found),
        "entries": entries[:ENTRIES],
        "more_entries": len(entries) > ENTRIES,
        "key": found.result.get("report", ""),
        "bucket": found.result.get("report_bucket", ""),
        "parts": PARTS.items(),
        "may_download": access.can(request.user, access.Action.DOWNLOAD).allowed,  # type: ignore[arg-type]
    }
    return render(request, "map/report.html", context)


@never_cache
@require_GET  # HEAD would leave an entry for what nobody got
def download(request: HttpRequest, job: int) -> HttpResponse | StreamingHttpResponse:
    """The zip; so far, while the restore still runs."""
    forms.need(request, access.Action.DOWNLOAD)
    found = get_object_or_404(Job, pk=job)
    try:
        chunks = actions.report(actions.actor_of(request), found)
    except actions.Refused as refused:
        messages.error(request, str(refused))
        return HttpResponseRedirect(reverse("job", args=[job]))
    return StreamingHttpResponse(
        _stream(chunks),
        content_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="report-job-{job}.zip"'},
    )


async def _stream(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """As forms.some_at_a_time: on the request's own thread, where the rows' database connection is."""
    following = sync_to_async(lambda: next(chunks, b""))
    while chunk := await following():
        yield chunk


def _choices(choices: dict[str, Any]) -> list[tuple[str, str]]:
    """What was chosen, in words; people and conditions are counted: the zip has them."""
    said: list[tuple[str, str]] = []
    for name, words in CHOICES.items():
        value = choices.get(name)
        if not value:
            continue
        if name in ("users", "tests", "again"):
            said.append((words, number(len(value))))
        elif name == "chosen":
            said.append((words, str(value.get("comparison", ""))))
        elif isinstance(value, list | dict):
            said.append((words, ", ".join(sorted(map(str, value)))))
        else:
            said.append((words, "yes" if value is True else str(value)))
    return said
