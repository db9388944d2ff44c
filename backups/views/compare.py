"""Compare: choose two sides; then what differs, in counts and as sentences; and what follows from it."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    QueryDict,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from backups import access, actions, forms
from backups.core.choices import Existing
from backups.core.lifecycle import State
from backups.models import Backup, Job, Operator, Pool
from backups.runner.chosen import (
    ALL,
    CHANGED,
    FORM,
    GROUPS,
    KINDS,
    MISSING,
    SETTINGS,
    Chosen,
    can_be_restored,
)
from backups.runner.sources import FILE
from backups.templatetags import comparison as said
from backups.templatetags.context import revealed

FILES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
MOST_FIELDS = 8
FILTERS = ("q", "field", "security")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def compare(request: HttpRequest) -> HttpResponse:
    """GET: the two lists. POST: start the comparison."""
    forms.need(request, access.Action.COMPARE)
    if request.method != "POST":
        return _choose(request, *_asked(request.GET))
    from_, to, dates = _asked(request.POST)
    if "swap" in request.POST:
        return _choose(request, to, from_, dates)
    try:
        job = actions.start_compare(actions.actor_of(request), from_, to, dates=dates)
    except actions.Refused as refused:
        return _choose(request, from_, to, dates, str(refused), refused.status)
    return HttpResponseRedirect(reverse("comparison", args=[job.pk]))


@never_cache
@require_safe
def comparison(request: HttpRequest, job: int) -> HttpResponse:
    """The job while it runs; then its result."""
    forms.need(request, access.Action.COMPARE)
    found = _job(job)
    from_, to = (str(found.params.get(side, "")) for side in ("from", "to"))
    context: dict[str, Any] = {
        "job": found,
        "from": from_,
        "to": to,
        "from_backup": Backup.objects.filter(key=from_).first(),
        "to_backup": Backup.objects.filter(key=to).first(),
        "from_words": forms.side(from_),
        "to_words": forms.side(to),
        "dates": found.params.get("dates", False),
        "may_ask": not (from_ + to).count(FILE),  # a file on the server is compared from a terminal only
    }
    if found.state == State.DONE:
        context["old"] = found.result.get("form") != FORM
        if not context["old"]:
            context |= _result(request, found)
    return render(request, "compare/comparison.html", context)


@never_cache
@require_GET  # HEAD would leave an entry for what nobody got
def differences(request: HttpRequest, job: int, form: str) -> HttpResponse | StreamingHttpResponse:
    """The rows that the filters of the address show, as a file; all of them without."""
    forms.need(request, access.Action.DOWNLOAD)
    found = _job(job)
    if form not in FILES or forms.given(request.GET, "kind") not in ("", *KINDS):
        raise Http404
    try:
        lines = actions.differences(
            actions.actor_of(request), found, _chosen(request, found, request.GET), form
        )
    except actions.Refused as refused:
        messages.error(request, str(refused))
        return HttpResponseRedirect(reverse("comparison", args=[job]))
    return StreamingHttpResponse(
        forms.some_at_a_time(lines),
        content_type=FILES[form],
        headers={"Content-Disposition": f'attachment; filename="comparison-{job}.{form}"'},
    )


@require_POST
def plan_these(request: HttpRequest, job: int) -> HttpResponse:
    """A restore plan for exactly the users whom the filters show."""
    forms.need(request, access.Action.PLAN)
    chosen = _chosen(request, _job(job), request.POST)
    number, treated = forms.given(request.POST, "number"), forms.given(request.POST, "existing")
    existing = Existing(treated) if treated in frozenset(Existing) else Existing.SKIP
    try:
        shown = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0
        plan = actions.plan_chosen(actions.actor_of(request), chosen, shown, existing)
    except actions.Refused as refused:
        messages.error(request, str(refused))
        return HttpResponseRedirect(f"{reverse('comparison', args=[job])}?{urlencode(chosen.filters())}")
    return HttpResponseRedirect(reverse("plan", args=[plan.pk]))


def _job(job: int) -> Job:
    return get_object_or_404(Job, pk=job, kind=Job.Kind.COMPARE)


def _asked(values: QueryDict) -> tuple[str, str, bool]:
    return forms.given(values, "from"), forms.given(values, "to"), bool(forms.given(values, "dates"))


def _chosen(request: HttpRequest, job: Job, values: QueryDict, kind: str = ALL) -> Chosen:
    """What the filters choose; ``kind`` where they name none."""
    named = forms.given(values, "kind")
    q, field, security = (forms.given(values, name)[: forms.LONGEST_SEARCH] for name in FILTERS)
    named = named if named in KINDS else kind
    return Chosen(job.pk, named, q, field, security, clear=revealed(request))


def _choose(
    request: HttpRequest, from_: str, to: str, dates: bool, refused: str = "", status: int = 200
) -> HttpResponse:
    if not from_ and not to:
        from_, to = _usual()
    context = {
        "from_groups": forms.sides_to_choose(from_),
        "to_groups": forms.sides_to_choose(to),
        "dates": dates,
        "presets": _presets(),
        "refused": refused,
    }
    return render(request, "compare/choose.html", context, status=status)


def _usual() -> tuple[str, str]:
    """What is asked most: production's suggested backup with production as it is now."""
    presets = _presets()
    return (presets[0][1], presets[0][2]) if presets else ("", "")


def _presets() -> list[tuple[str, str, str]]:
    """(words, from, to): for each pool with a suggested backup, production first; one that is gone too."""
    known = Pool.objects.filter(presence__in=(Pool.Presence.GONE, Pool.Presence.THERE))
    pools = {pool.name: pool for pool in known.order_by("presence")}  # "gone" first: a successor stands in
    suggested = Backup.objects.filter(suggested=True, pool_name__in=pools, state__in=forms.READABLE)
    found = sorted(suggested, key=lambda backup: (backup.environment != "production", backup.pool_name))
    return [(_words(pools[b.pool_name]), b.key, f"live:{pools[b.pool_name].pool_id}") for b in found]


def _words(pool: Pool) -> str:
    with_ = "the pool, which is gone" if pool.presence == Pool.Presence.GONE else "the live pool"
    return f"Suggested backup of {pool.name} with {with_}"


def _result(request: HttpRequest, job: Job) -> dict[str, Any]:
    result = job.result
    tabs = said.tabs(result)
    narrowed = any(forms.given(request.GET, name) for name in FILTERS)
    listed_kinds = (SETTINGS, GROUPS) if result["whole"] else KINDS[1:]
    first = next((name for name in listed_kinds if tabs[name]), ALL)
    chosen = _chosen(request, job, request.GET, ALL if narrowed else first)
    rows = chosen.rows()
    who = cast(Operator, request.user)
    restorable = can_be_restored(job) and access.can(who, access.Action.PLAN).allowed
    listed = int(result["listed"])
    fields, security = said.fields(result), said.security(result)
    return {
        "result": result,
        "verdict": said.verdict(result),
        "security": security,
        "bars": said.bars(result),
        "unknown": said.unknown(result),
        "unread": said.unread(result),
        "fields": fields[:MOST_FIELDS],
        "more_fields": max(0, len(fields) - MOST_FIELDS),
        "names": _with([name for name, _ in fields], chosen.field),
        "codes": _with([code for code, _ in security], chosen.security),
        "chosen": chosen,
        "filters": urlencode(chosen.filters()),
        "tabs": [
            (name, tabs[name], name == chosen.kind) for name in KINDS if tabs[name] or name == chosen.kind
        ],
        "means": said.MEANS.get(chosen.kind, ""),
        "count": rows.count(),
        "may_download": access.can(who, access.Action.DOWNLOAD).allowed,
        "rows": forms.page(rows, "id", forms.given(request.GET, "after"), newest_first=False),
        "listed": listed,
        "cut": listed < tabs[ALL] and not result["whole"],
        "can_plan": restorable and chosen.kind == MISSING,
        "can_write_over": restorable and chosen.kind == CHANGED,
        "missing": int(result["users"]["only_from"]) if restorable else 0,
        # Where not everybody is listed, whoever is missing is found by the plan itself.
        "plan_all": listed < tabs[ALL],
        "browse": _browse(result),
    }


def _with(names: list[str], chosen: str) -> list[str]:
    """What can be filtered by; what is chosen is among it, whatever it is."""
    return [*names, *([chosen] if chosen and chosen not in names else [])]


def _browse(result: dict[str, Any]) -> str:
    """The key of the backup whose users are all there is, "" where that is no backup here."""
    side = result[result["whole"]] if result["whole"] else {"live": True}
    return str(side["key"]) if not side["live"] and Backup.objects.filter(key=side["key"]).exists() else ""
