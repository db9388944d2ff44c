"""When something is refused or breaks: what happened, what is still true, what to do. No setting is shown."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied, RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    too_large = isinstance(exception, RequestDataTooBig | TooManyFieldsSent)
    return render(request, "errors/bad_request.html", {"too_large": too_large}, status=400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """The sentence of a PermissionDenied is ours and meant for the person; another exception's is not."""
    said = str(exception) if isinstance(exception, PermissionDenied) else ""
    return render(request, "errors/forbidden.html", {"sentence": said}, status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "errors/not_found.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Without the request: who is signed in stands in the database, which may be what broke."""
    return HttpResponse(render_to_string("errors/server_error.html"), status=500)


@login_not_required
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "errors/csrf_failure.html", status=403)
