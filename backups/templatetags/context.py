"""What every page knows: where it is, whose account this is, and whether e-mails may be shown."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

REVEAL_SECONDS = 15 * 60
REVEALED_UNTIL = "revealed_until"  # in the session: seconds since 1970

NAV = (
    ("backups", "Backups", ("backup",)),
    ("compare", "Compare", ("comparison",)),
    ("restore", "Restore", ("plan",)),
    ("jobs", "Jobs", ("job",)),
    ("audit", "Audit", ()),
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
    """Whether this session was shown e-mails less than 15 minutes ago."""
    session = getattr(request, "session", None)
    until = session.get(REVEALED_UNTIL, 0) if session is not None else 0
    return isinstance(until, int | float) and timezone.now().timestamp() < until
