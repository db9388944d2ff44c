"""The audit log: who did what, when, to which pool. Newest first; the address holds the filter."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from backups import access, forms
from backups.models import AuditEntry
from backups.models.audit import Act


@never_cache
@require_safe
def audit(request: HttpRequest) -> HttpResponse:
    """``person`` is a name as it was then, ``act`` an act or the part of its name before the dot."""
    forms.need(request, access.Action.READ_AUDIT)
    person, act, pool = (forms.given(request.GET, name) for name in ("person", "act", "pool"))
    entries = AuditEntry.objects.all()
    if person:
        entries = entries.filter(actor=person)
    if act:
        entries = entries.filter(act=act) if "." in act else entries.filter(act__startswith=f"{act}.")
    if pool:
        entries = entries.filter(pool__icontains=pool)
    context = {
        "page": forms.page(entries, "seq", forms.given(request.GET, "before"), newest_first=True),
        "people": AuditEntry.objects.order_by("actor").values_list("actor", flat=True).distinct(),
        "acts": _acts(),
        "person": person,
        "act": act,
        "pool": pool,
        "filtered": bool(person or act or pool),
    }
    return render(request, "audit/list.html", context)


def _acts() -> list[tuple[str, list[str]]]:
    """Every act by the part before its dot."""
    groups: dict[str, list[str]] = {}
    for known in Act:
        groups.setdefault(known.value.partition(".")[0], []).append(known.value)
    return list(groups.items())
