"""Signing in and out. The browser signs a request with the person's key; the secret never comes here."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from backups import auth, wiring
from backups.core.principal import Refused
from backups.engine.ports import PortError

NOTHING_WRONG = "AWS did not answer, so nobody can be signed in just now. Nothing is wrong with your account."


@login_not_required
@never_cache
@require_GET
def sign_in(request: HttpRequest) -> HttpResponse:
    """The one card. Says why the last session ended, where one did."""
    next_url = _next(request)
    if request.user.is_authenticated:
        return HttpResponseRedirect(next_url)
    try:
        account = wiring.identity().home().account
    except PortError:
        account = ""  # the page stands without it; signing in will say what is wrong
    why = request.session.pop("why", "") if "why" in request.session else ""
    context = {
        "account": account,
        "groups": settings.LOGIN_GROUPS,
        "contacts": settings.ACCESS_CONTACTS,
        "why": why,
        "next": next_url,
    }
    return render(request, "session/sign_in.html", context)


@login_not_required
@never_cache
@require_POST
def challenge(request: HttpRequest) -> JsonResponse:
    """{nonce, date, region, host, serverId}: what the page has to sign within two minutes."""
    try:
        return JsonResponse(auth.challenge(request))
    except auth.TooMany:
        refused = Refused("too-many", "There were very many tries from here. Wait a minute, then try again.")
        response = _refusal(refused, 429)
        response["Retry-After"] = "60"
        return response


@login_not_required
@never_cache
@require_POST
def proof(request: HttpRequest) -> JsonResponse:
    """Four values in, {ok, next} or {ok, code, message, detail} out."""
    if request.content_type != "application/json":
        return _refusal(
            Refused("not-json", "That is no sign-in: only this page's own script can send one."), 415
        )
    body = request.read(auth.LONGEST_PROOF + 1)
    if len(body) > auth.LONGEST_PROOF:
        return _refusal(Refused("too-long", "That is no sign-in: the request is too long."), 413)
    try:
        answer = auth.read_answer(body)
    except Refused as refused:
        return _refusal(refused, 400)
    try:
        auth.prove(request, answer)
    except Refused as refused:
        return _refusal(refused, 403)
    except PortError as error:
        return _refusal(Refused("no-answer", NOTHING_WRONG), 503, detail=str(error))
    return JsonResponse({"ok": True, "next": _next(request)})


@login_not_required
@never_cache
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Jobs go on: they run on the server."""
    auth.sign_out(request)
    request.session["why"] = "Signed out. Jobs that were started go on: they run on the server."
    return HttpResponseRedirect(reverse(settings.LOGIN_URL), status=303)


def _refusal(refused: Refused, status: int, detail: str = "") -> JsonResponse:
    return JsonResponse(
        {"ok": False, "code": refused.code, "message": refused.message, "detail": detail}, status=status
    )


def _next(request: HttpRequest) -> str:
    """Where to go afterwards: a page of this site, or home."""
    wanted = request.GET.get("next", "")
    if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
        return wanted
    return resolve_url(settings.LOGIN_REDIRECT_URL)
