"""The peer of the event stream: Django's own way, each watcher asking the database by itself.

    python -m uvicorn --factory tests.bench.naive:application

The same settings, middleware, rows and frames as the product's; a StreamingHttpResponse for as long as
somebody watches, and one look a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path

from backups.sse import frame, retry


def application() -> Any:
    made = get_asgi_application()
    settings.ROOT_URLCONF = __name__
    return made


async def watch(request: HttpRequest, job: int) -> StreamingHttpResponse:
    return StreamingHttpResponse(rows(job), content_type="text/event-stream")


async def rows(job: int) -> AsyncIterator[bytes]:
    from backups.hub import _data
    from backups.models import Event, Job

    after = 0
    yield retry(2000)
    while True:
        over = await Job.objects.filter(pk=job, state="done").aexists()
        async for row in Event.objects.filter(job=job, pk__gt=after).order_by("pk"):
            yield frame(row.kind, row.pk, _data(row))
            after = row.pk
        if over:
            return
        await asyncio.sleep(1)


urlpatterns = [path("jobs/<int:job>/stream", watch)]
