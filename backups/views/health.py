"""For a load balancer: can this process serve a page now?"""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@login_not_required
@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 with ``database`` "ok", or 503. Nothing else is asked: AWS being silent takes no page away."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"database": "does not answer", "version": settings.VERSION}, status=503)
    return JsonResponse({"database": "ok", "version": settings.VERSION})
