"""The way in to a job's event stream: who may look, at which job, after which event. The hub goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_GET

from backups import access, forms, hub
from backups.models import Job
from backups.sse import retry

RETRY = 2000
"""Milliseconds that a browser waits before it comes back."""


@require_GET
def job_stream(request: HttpRequest, job: int) -> HttpResponseBase:
    """``?after=`` or Last-Event-ID: the last event that the reader has; the later one counts."""
    forms.need(request, access.Action.SEE)
    after = _after(request)
    if after is None:
        return HttpResponse("after must be the number of an event.", status=400, content_type="text/plain")
    if not Job.objects.filter(pk=job).exists():
        raise Http404
    hub.take_over(request, hub.Watch(job, after, request.session.session_key or ""))
    return StreamingHttpResponse(
        _beginning(),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


def _after(request: HttpRequest) -> int | None:
    given = [value for value in (request.GET.get("after"), request.headers.get("Last-Event-ID")) if value]
    if not all(value.isascii() and value.isdigit() and len(value) < 19 for value in given):
        return None
    return max((int(value) for value in given), default=0)


async def _beginning() -> AsyncIterator[bytes]:
    # The thread of this request ends here, and nobody would close the connection that it has kept.
    await sync_to_async(connections.close_all)()
    yield retry(RETRY)
