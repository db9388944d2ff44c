"""The gate: who is let in, for how long, and whether they still may be.

challenge -> the browser signs it -> prove() -> STS says who, IAM says which groups
-> core.principal decides -> a session, an audit entry
every request -> SessionMiddleware: too old? idle? still a member? -> go on, or end the session
every act -> recheck(): IAM is asked now, whatever was stored
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any, cast
from urllib.parse import urlencode

import structlog
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, login, logout
from django.contrib.auth.backends import BaseBackend
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone

from backups import wiring
from backups.core.principal import Principal, Refused, Standing, judge, who
from backups.engine.ports import Cause, PortError, Proof
from backups.models import Challenge, Operator
from backups.models.audit import Act, record

log = structlog.get_logger(__name__)

LONGEST_PROOF = 8 * 1024  # bytes; a session token takes up to about 4,000
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_SHAPES = {
    "nonce": re.compile(r"[A-Za-z0-9_-]{43}"),
    "keyId": re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{12,124}"),
    "signature": re.compile(r"[0-9a-f]{64}"),
    "sessionToken": re.compile(r"[A-Za-z0-9+/=_-]{16,6000}"),
}
_NOTHING_WRONG = "Nothing is wrong with your account: try again in a minute."
_STS_SAYS = {
    "SignatureDoesNotMatch": "The secret access key does not belong to this access key id. "
    "Check both, and try again.",
    "InvalidClientTokenId": "AWS does not know this access key, or it is switched off, or the session token "
    "belongs to another key. Check them, and try again.",
    "ExpiredToken": "This session token has expired. Get new temporary credentials, and try again.",
    "ExpiredTokenException": "This session token has expired. Get new temporary credentials, and try again.",
}


# --- the challenge --------------------------------------------------------------------------------


class TooMany(Exception):
    """More challenges were asked for than is reasonable. Asking again later helps."""


def challenge(request: HttpRequest) -> dict[str, str]:
    """What the browser has to sign, bound to this browser's session. Raises TooMany."""
    now = timezone.now()
    address = address_of(request)
    key = request.session.session_key
    lately = Challenge.objects.filter(issued_at__gt=now - timedelta(minutes=1))
    limit: int = settings.CHALLENGES_PER_MINUTE
    # A refused request leaves no row, so waiting helps. Never per access key: that would lock others out.
    if lately.filter(Q(address=address) | Q(session_key=key or "-")).count() >= limit:
        raise TooMany
    if key is None:
        request.session.create()
        key = cast(str, request.session.session_key)
    identity = wiring.identity()
    made = Challenge.issue(key, address, now, settings.CHALLENGE_SECONDS)
    return {
        "nonce": made.nonce,
        "date": made.amz_date,
        "region": identity.region,
        "host": identity.host,
        "serverId": settings.SERVER_ID,
    }


@dataclass(frozen=True, slots=True)
class Answer:
    """The four values that a browser may send, each of the right shape."""

    nonce: str
    key_id: str
    signature: str
    token: str = ""


def read_answer(body: bytes) -> Answer:
    """Read the JSON of a proof. Raises Refused for anything that is not exactly those four values."""
    try:
        given = json.loads(body.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Refused(
            "malformed", "That is no sign-in: the request is not the JSON that this page sends."
        ) from error
    if not isinstance(given, dict) or not {"nonce", "keyId", "signature"} <= given.keys() <= _SHAPES.keys():
        raise Refused(
            "malformed", "That is no sign-in: exactly nonce, keyId, signature and sessionToken are taken."
        )
    for name, value in given.items():
        if not isinstance(value, str) or not _SHAPES[name].fullmatch(value):
            raise Refused("malformed", _shape_sentence(name))
    temporary = given["keyId"].startswith("ASIA")
    if temporary and "sessionToken" not in given:
        raise Refused(
            "token-missing", "Keys that start with ASIA are temporary: they need their session token too."
        )
    if not temporary and "sessionToken" in given:
        raise Refused(
            "token-extra", "Keys that start with AKIA have no session token: leave that field empty."
        )
    return Answer(given["nonce"], given["keyId"], given["signature"], given.get("sessionToken", ""))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON with a name twice has two readers that disagree."""
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name comes twice")
    return dict(pairs)


def _shape_sentence(name: str) -> str:
    return {
        "keyId": "That is no access key id: one starts with AKIA or ASIA, then capital letters and digits.",
        "sessionToken": "That is no session token: copy it whole, without spaces or line ends.",
    }.get(name, "That is no sign-in: a value is not of the form that this page sends.")


# --- the proof ------------------------------------------------------------------------------------


def prove(request: HttpRequest, answer: Answer) -> Operator:
    """Sign in. Raises Refused with the sentence for the person, PortError when AWS did not answer.

    The challenge is spent before STS is asked, so a proof is good for one try, whatever comes of it.
    """
    spent = Challenge.spend(answer.nonce, request.session.session_key or "", timezone.now())
    if spent is None:
        raise Refused(
            "challenge",
            "This sign-in took more than two minutes, was used already, or was begun in another browser. "
            "Try again.",
        )
    identity = wiring.identity()
    principal: Principal | None = None
    try:
        home = identity.home()
        caller = identity.caller(
            Proof(
                answer.nonce,
                spent.amz_date,
                settings.SERVER_ID,
                answer.key_id,
                answer.signature,
                answer.token,
            )
        )
        principal = who(caller, home)
        standing = identity.standing(principal.name)
        _judge(principal, standing, answer.key_id)
    except PortError as error:
        if error.cause is not Cause.REFUSED:
            log.warning("sign-in could not be decided", cause=str(error.cause), code=error.code)
            raise
        refused = Refused(
            _code(error.code),
            _STS_SAYS.get(error.code, f"AWS did not accept the signature ({error.code}). Try again."),
        )
        _record_refusal(request, answer, principal, refused)
        raise refused from error
    except Refused as refused:
        _record_refusal(request, answer, principal, refused)
        raise
    if standing is None:  # judge() has refused it already
        raise AssertionError("nobody is let in without standing")
    with transaction.atomic():
        operator = Operator.objects.filter(unique_id=principal.unique_id).first()
        operator = operator or Operator(unique_id=principal.unique_id)
        if operator.refused:  # back again: what was open when they were put out stays closed
            operator.session_epoch += 1
        operator.name, operator.arn, operator.account = principal.name, principal.arn, principal.account
        operator.refused = ""
        for name, value in _stored(standing).items():
            setattr(operator, name, value)
        operator.save()
        login(
            request, operator, backend="backups.auth.OperatorBackend"
        )  # a new session id, the old one is dead
        now = int(time.time())
        request.session["signed_in_at"] = now
        request.session["seen_at"] = now
        request.session["key_id"] = answer.key_id
        record(
            Act.SIGNED_IN,
            actor_id=operator.unique_id,
            actor=operator.name,
            address=address_of(request),
            key=answer.key_id,
        )
    return operator


def sign_out(request: HttpRequest) -> None:
    """End this session; its cookie is worth nothing afterwards."""
    operator = _operator(request)
    if operator is not None:
        record(Act.SIGNED_OUT, actor_id=operator.unique_id, actor=operator.name, address=address_of(request))
    logout(request)


def recheck(operator: Operator) -> None:
    """Ask IAM now, whatever was stored: before every act, and at every wake of a job.

    Raises Refused when this person may no longer be in, PortError when IAM did not answer
    (then nothing about the person has changed). ``operator.key_id`` is judged too where there is one.
    """
    principal = Principal(operator.unique_id, operator.name, operator.arn, operator.account)
    try:
        standing = wiring.identity().standing(operator.name)
    except PortError:
        operator.unanswered_at = timezone.now()
        Operator.objects.filter(pk=operator.pk).update(unanswered_at=operator.unanswered_at)
        raise
    changed: dict[str, Any] = _stored(standing) if standing else {"groups": [], "active_keys": []}
    refused: Refused | None = None
    try:
        _judge(principal, standing, "")
    except Refused as error:
        refused = error
    changed |= {"last_checked_at": timezone.now(), "refused": refused.message if refused else ""}
    Operator.objects.filter(pk=operator.pk).update(**changed)
    for name, value in changed.items():
        setattr(operator, name, value)
    if refused:
        raise refused
    # A key that was switched off ends the sessions it opened, and no others.
    _judge(principal, standing, operator.key_id)


def _judge(principal: Principal, standing: Standing | None, key_id: str) -> None:
    judge(
        principal,
        standing,
        key_id=key_id,
        login_groups=settings.LOGIN_GROUPS,
        contacts=settings.ACCESS_CONTACTS,
    )


def _stored(standing: Standing) -> dict[str, Any]:
    return {
        "groups": sorted(standing.groups),
        "active_keys": sorted(standing.active_keys),
        "last_checked_at": timezone.now(),
    }


def _code(code: str) -> str:
    """STS's SignatureDoesNotMatch as our signature-does-not-match."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", code).lower()


def _record_refusal(
    request: HttpRequest, answer: Answer, principal: Principal | None, refused: Refused
) -> None:
    """Only a proof that reached STS is an entry: challenges are limited, so the log cannot be flooded."""
    record(
        Act.SIGN_IN_REFUSED,
        actor_id=principal.unique_id if principal else "",
        actor=principal.name if principal else "unknown",
        result=refused.code[:40],
        address=address_of(request),
        key=answer.key_id,
    )


# --- the session ----------------------------------------------------------------------------------


class OperatorBackend(BaseBackend):
    """Finds the person of a session. It authenticates nobody: only ``prove`` does."""

    def get_user(self, user_id: Any) -> Operator | None:
        return Operator.objects.filter(pk=user_id).first()


class SessionMiddleware:
    """Ends a session that is idle, old, or whose person IAM no longer lets in.

    Stands after Django's AuthenticationMiddleware and before LoginRequiredMiddleware.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        operator = _operator(request)
        if operator is None:
            return self.get_response(request)
        try:
            silent = _still(request.session, operator)
        except Refused as ended:
            return self._end(request, operator, ended)
        if (
            silent
            and (request.method not in SAFE_METHODS or _too_silent(operator))
            and not _is_sign_out(request)
        ):
            return _unavailable(request, operator)
        if not _is_background(request):
            now = int(time.time())
            if now - request.session["seen_at"] >= 15:  # not a write for every picture and part of a page
                request.session["seen_at"] = now
        return self.get_response(request)

    def _end(self, request: HttpRequest, operator: Operator, ended: Refused) -> HttpResponse:
        end_session(request, operator, ended)
        why = ended.message
        url = reverse(settings.LOGIN_URL)
        if (
            request.method in SAFE_METHODS
            and not _is_background(request)
            and "HX-Request" not in request.headers
        ):
            return HttpResponseRedirect(f"{url}?{urlencode({'next': request.get_full_path()})}")
        if "HX-Request" in request.headers:  # htmx follows this one whatever the status is
            return HttpResponse(why, status=401, content_type="text/plain", headers={"HX-Redirect": url})
        if request.method not in SAFE_METHODS:
            return HttpResponseRedirect(url, status=303)
        return HttpResponse(why, status=401, content_type="text/plain")


def still_in(session_key: str) -> str:
    """For a stream, between two messages: "" while its session stands, else why it ended.

    Reads the session anew (it may have been signed out elsewhere) and asks IAM when that is due.
    """
    store = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    operator = Operator.objects.filter(pk=store.get(SESSION_KEY) or 0).first()
    if operator is None or store.get(HASH_SESSION_KEY) != operator.get_session_auth_hash():
        return "Signed out."
    try:
        silent = _still(store, operator)
    except Refused as ended:
        return ended.message
    return _silence() if silent and _too_silent(operator) else ""


def end_session(request: HttpRequest, operator: Operator, ended: Refused) -> None:
    """End it, leave an entry, and keep the sentence for the sign-in page."""
    record(
        Act.SESSION_ENDED,
        actor_id=operator.unique_id,
        actor=operator.name,
        address=address_of(request),
        result=ended.code[:40],
    )
    logout(request)
    request.session["why"] = ended.message


def _still(session: Any, operator: Operator) -> bool:
    """Raises Refused when the session is over. True when IAM was due to be asked and did not answer."""
    now = time.time()
    operator.key_id = str(session.get("key_id", ""))
    if not operator.key_id or now - session.get("signed_in_at", 0) > settings.SESSION_ABSOLUTE_SECONDS:
        raise Refused(
            "absolute",
            f"You were signed in for {settings.SESSION_ABSOLUTE_SECONDS // 3600} hours. Sign in again.",
        )
    if now - session.get("seen_at", 0) > settings.SESSION_IDLE_SECONDS:
        raise Refused(
            "idle", f"Nothing happened here for {settings.SESSION_IDLE_SECONDS // 60} minutes. Sign in again."
        )
    if operator.refused:  # another session of this person, or a worker, has asked already
        raise Refused("refused", operator.refused)
    silent = False
    if operator.last_checked_at is None or _age(operator.last_checked_at) > settings.IAM_RECHECK_SECONDS:
        # While IAM is silent every page would wait for it: ask once in ten seconds.
        silent = operator.unanswered_at is not None and _age(operator.unanswered_at) < 10
        if not silent:
            try:
                recheck(operator)
            except PortError as error:
                log.warning("IAM did not answer when asked again", cause=str(error.cause), code=error.code)
                silent = True
    if operator.key_id.startswith("AKIA") and operator.key_id not in operator.active_keys:
        raise Refused(
            "key-inactive", f"The access key ending in {operator.key_id[-4:]} was switched off or deleted."
        )
    return silent


def _age(moment: datetime) -> float:
    return (timezone.now() - moment).total_seconds()


def _too_silent(operator: Operator) -> bool:
    return operator.last_checked_at is None or _age(operator.last_checked_at) > settings.IAM_SILENT_SECONDS


def _silence() -> str:
    return (
        "IAM does not answer, so this dashboard cannot tell who may do what. Running jobs are not touched. "
        + _NOTHING_WRONG
    )


def _unavailable(request: HttpRequest, operator: Operator) -> HttpResponse:
    """503: nothing was written. Reading goes on for some minutes, writing does not."""
    reading = not _too_silent(operator)
    sentence = _silence()
    context = {"sentence": sentence, "reading": reading}
    response = render(request, "session/unavailable.html", context, status=503)
    response["Retry-After"] = "60"
    return response


def _is_sign_out(request: HttpRequest) -> bool:
    return request.path == reverse("sign-out")


def _is_background(request: HttpRequest) -> bool:
    """A stream or a poll: the page asks by itself, so nobody is there because of it."""
    try:
        return resolve(request.path_info).url_name in settings.IDLE_EXEMPT_URL_NAMES
    except Resolver404:
        return False


def _operator(request: HttpRequest) -> Operator | None:
    user = request.user
    return user if user.is_authenticated else None


# --- where a request comes from -------------------------------------------------------------------


def address_of(request: HttpRequest) -> str:
    """The client's address. X-Forwarded-For is believed for TRUSTED_PROXIES hops, counted from the end."""
    hops: int = settings.TRUSTED_PROXIES
    if hops < 0:
        raise ImproperlyConfigured("TRUSTED_PROXIES counts proxies, it cannot be negative")
    address = str(request.META.get("REMOTE_ADDR", ""))
    if hops:
        forwarded = [
            part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()
        ]
        if len(forwarded) >= hops:
            address = forwarded[-hops]
    return re.sub(r"[^0-9A-Fa-f.:]", "?", address)[:64]
