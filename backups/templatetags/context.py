"""What every page knows: where it is, whose account this is, and whether e-mails may be shown."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from backups.access import Action, can
from backups.models import Operator

REVEAL_SECONDS = 15 * 60
REVEALED = "revealed"  # in the session: {subject: until when, seconds since 1970}

NAV = (
    ("home", "Overview", ("look", "back-up")),
    ("backups", "Backups", ("backup",)),
    ("compare", "Compare", ("comparison", "history", "find", "found")),
    (
        "restore",
        "Restore",
        (
            "plan",
            "restore-what",
            "restore-how",
            "confirm-restore",
            "start-restore",
            "plan-again",
            "plan-schema",
        ),
    ),
    ("jobs", "Jobs", ("job", "map", "aftercare", "report", "undo", "people")),
    ("audit", "Audit", ()),
    ("settings", "Settings", ("set-policy", "send-test", "pool-mail")),
)


def site(request: HttpRequest) -> dict[str, Any]:
    """For base.html. Asks no service and, for a stranger, no database."""
    match = request.resolver_match
    here = match.url_name if match else ""
    return {
        "nav": [
            {"name": name, "label": label, "here": here == name or here in more} for name, label, more in NAV
        ],
        "account": settings.AWS_ACCOUNT,
        "regions": settings.POOL_REGIONS,
        "version": settings.VERSION,
        "revealed": revealed(request),
    }


def revealed(request: HttpRequest) -> bool:
    """Whether the e-mails of this page's backup, job or pool were revealed here less than 15 minutes ago."""
    session, subject = getattr(request, "session", None), subject_of(request)
    if session is None or not subject:
        return False
    until = session.get(REVEALED, {}).get(subject, 0)
    shown = isinstance(until, int | float) and timezone.now().timestamp() < until
    return shown and bool(can(cast(Operator, request.user), Action.REVEAL))  # a right that may be lost


def subject_of(request: HttpRequest) -> str:
    """Whose users a page shows: a backup's key, "job 12", or "pool <name>"; "" for a page of none of them."""
    match = request.resolver_match
    named = match.kwargs if match else {}
    if match and match.url_name == "history":
        return f"pool {request.GET.get('pool', '')}"
    if "job" in named:
        return f"job {named['job']}"
    return str(named.get("backup", ""))
