"""One user over all backups of a pool: what changed between which two, missing since when."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from backups import access, actions, forms
from backups.models import Backup

LONGEST = 2048
"""Characters of what is asked for; no attribute of a user has more."""


@never_cache
@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """Whoever names a user asks for personal data: each such look has its entry in the audit log."""
    forms.need(request, access.Action.COMPARE)
    pools = _pools()
    asked = forms.given(request.GET, "user")[:LONGEST]
    pool = forms.given(request.GET, "pool") or (pools[0] if len(pools) == 1 else "")
    context: dict[str, Any] = {"pools": pools, "pool": pool, "asked": asked, "known": pool in pools}
    context["subject"] = f"pool {pool}"
    if asked and pool in pools:
        context["timeline"] = actions.read_history(actions.actor_of(request), pool, asked)
    return render(request, "history/page.html", context)


def _pools() -> list[str]:
    """Names of pools that have a readable backup, production first."""
    names = Backup.objects.filter(state__in=forms.READABLE).exclude(pool_name="").order_by()
    found = names.values_list("pool_name", flat=True).distinct()
    return sorted(found, key=lambda name: (not name.lower().endswith("production"), name))
