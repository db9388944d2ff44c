"""Restore what is missing: choose, read the plan, confirm. Nothing is written before the last step."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from backups import access, actions, forms
from backups.core import plan as plans
from backups.core.lifecycle import State
from backups.models import Backup, Item, Job, Plan, Pool
from backups.templatetags.context import revealed

ACTIONS = ("create", "update", "skip", "cannot")
MOST_REASONS = 50
FIELDS = ("messages", "reason", "typed")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def restore(request: HttpRequest) -> HttpResponse:
    """GET: which backup, into which pool. POST: make the plan, which only reads."""
    forms.need(request, access.Action.PLAN)
    if request.method != "POST":
        return _choose(request, forms.given(request.GET, "backup"), forms.given(request.GET, "pool"))
    if "again" in request.POST:
        return _again(request, forms.given(request.POST, "again"))
    source, pool_id = forms.given(request.POST, "backup"), forms.given(request.POST, "pool")
    pool = Pool.objects.filter(pool_id=pool_id).first()
    if pool is None:
        sentence = "Choose the pool to restore into. Nothing was planned and nothing was written."
        return _choose(request, source, "", sentence, 400)
    try:
        job = actions.plan_restore(actions.actor_of(request), source, pool)
    except actions.Refused as refused:
        return _choose(request, source, pool_id, str(refused), refused.status)
    return HttpResponseRedirect(reverse("plan", args=[job.pk]))


@never_cache
@require_safe
def plan(request: HttpRequest, job: int) -> HttpResponse:
    """The plan, and the form that starts it."""
    forms.need(request, access.Action.PLAN)
    return _plan(request, _job(job), {})


@never_cache
@require_POST
def start_restore(request: HttpRequest, job: int) -> HttpResponse:
    """Start what the plan says, or say why not with the form as it was filled in."""
    forms.need(request, access.Action.RESTORE)
    found = _job(job)
    given = {name: forms.given(request.POST, name) for name in FIELDS}
    made = Plan.objects.filter(job=found).first()
    if made is None:
        return _plan(request, found, given, "There is no plan to start yet. Nothing was written.", 409)
    try:
        started = actions.start_restore(
            actions.actor_of(request), made, digest=forms.given(request.POST, "digest"), **given
        )
    except actions.Refused as refused:
        return _plan(request, found, given, str(refused), refused.status)
    return HttpResponseRedirect(reverse("job", args=[started.pk]))


def _again(request: HttpRequest, number: str) -> HttpResponse:
    """The same plan once more: whoever was chosen for it is chosen again."""
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        raise Http404
    before = _job(int(number))
    try:
        job = actions.plan_again(actions.actor_of(request), before)
    except actions.Refused as refused:
        return _choose(request, before.params["source"], before.pool_id, str(refused), refused.status)
    return HttpResponseRedirect(reverse("plan", args=[job.pk]))


def _job(job: int) -> Job:
    return get_object_or_404(Job.objects.select_related("plan", "plan__restore"), pk=job, kind=Job.Kind.PLAN)


def _choose(
    request: HttpRequest, backup: str, pool: str, refused: str = "", status: int = 200
) -> HttpResponse:
    """Asked for nothing: production's suggested backup. Into the pool that the backup names."""
    if not backup:
        suggested = Backup.objects.filter(suggested=True, state__in=forms.READABLE)
        first = min(suggested, key=lambda one: (one.environment != "production", one.pool_name), default=None)
        backup = first.key if first else ""
    chosen = Backup.objects.filter(key=backup).first()
    if not pool and chosen and chosen.pool_name:
        there = Pool.objects.filter(name=chosen.pool_name).exclude(presence=Pool.Presence.GONE).first()
        pool = there.pool_id if there else ""
    context = {
        "groups": forms.backups_to_choose(backup),
        "pools": forms.pools_to_choose(pool),
        "gone": Pool.objects.filter(presence=Pool.Presence.GONE),
        "chosen": chosen,
        "refused": refused,
    }
    return render(request, "restore/choose.html", context, status=status)


def _plan(
    request: HttpRequest, job: Job, given: dict[str, str], refused: str = "", status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {"job": job, "given": given, "refused": refused}
    made = Plan.objects.select_related("restore").filter(job=job).first()
    if made is not None and job.state == State.PLANNED:
        context |= _of_plan(request, job, made)
    return render(request, "restore/plan.html", context, status=status)


def _of_plan(request: HttpRequest, job: Job, made: Plan) -> dict[str, Any]:
    counts = made.counts
    create = int(counts.get("create", 0))
    return {
        "plan": made,
        "source": Backup.objects.filter(key=made.source).first(),
        "counts": counts,
        "create": create,
        "ways": [_way(counts, "silent", ""), _way(counts, "invite", counts.get("invite_refused", ""))],
        "limit": counts.get("mail_limit"),
        "to_type": actions.confirmation(made),
        "can_start": bool(create and not made.refusals and made.restore is None),
        "by_reason": list(_by_reason(job)),
        **_lines(request, job, "create" if create else "all"),
    }


def _way(counts: dict[str, Any], name: str, refused: str) -> dict[str, Any]:
    """One way to get people in again: its two numbers, and the days that the limit makes of them."""
    mails, codes = counts.get("mails", {}).get(name, 0), counts.get("codes", {}).get(name, 0)
    limit = counts.get("mail_limit")
    days = -(-(mails + codes) // limit) if limit else 0
    return {"name": name, "mails": mails, "codes": codes, "days": days, "refused": refused}


def _by_reason(job: Job) -> list[tuple[str, str, str, int]]:
    """(action, reason's code, its sentence, how many users), what is created first."""
    rows = (
        Item.objects.filter(job=job)
        .values_list("action", "reason", "detail")
        .annotate(count=Count("id"))
        .order_by("-count")[:MOST_REASONS]
    )
    said = [
        (action, code, plans.sentence(code, detail) if code else "", count)
        for action, code, detail, count in rows
    ]
    return sorted(said, key=lambda row: ACTIONS.index(row[0]))


def _lines(request: HttpRequest, job: Job, first: str) -> dict[str, Any]:
    """``first``: the tab that is open before anybody chose one: who is created matters most."""
    reason, text = forms.given(request.GET, "reason"), forms.given(request.GET, "q")
    action = forms.given(request.GET, "action") or ("all" if reason or text else first)
    rows = Item.objects.filter(job=job)
    if action in ACTIONS:
        rows = rows.filter(action=action)
    if reason:
        rows = rows.filter(reason=reason)
    if text:
        words = forms.holding(text, "label", "old_username", clear=revealed(request))
        rows = rows.filter(words | Q(old_sub=text))
    return {
        "rows": forms.page(rows, "position", forms.given(request.GET, "after"), newest_first=False),
        "action": action,
        "reason": reason,
        "text": text,
        "filtered": bool(reason or text),
    }
