"""The last two steps of a restore: the plan with its checks, then the confirmation. Only that one writes."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from backups import access, actions, forms
from backups.core import plan as plans
from backups.core.lifecycle import State
from backups.models import Backup, Item, Job, Plan
from backups.templatetags.context import revealed

ACTIONS = ("create", "update", "skip", "cannot")
FIELDS = ("messages", "reason", "typed", "share", "order")
CHOOSE = "Choose how people get in again: silent, invite or later. Nothing was written."
NEVER = "No invitation would ever go out: all mails of a day are kept for codes (MAIL_RESERVE)."
WAYS = {
    "silent": "We write to nobody. Each user gets a random password that nobody knows; people come back with "
    "“forgot password”, which mails them a code.",
    "invite": "Cognito mails each enabled user a temporary password, to be changed at the first sign-in.",
    "later": "We write to nobody, and nobody can sign in or reset a password until they are invited, which "
    "the restore’s own page offers.",
}


@never_cache
@require_safe
def plan(request: HttpRequest, job: int) -> HttpResponse:
    """The plan, and the form that starts it."""
    forms.need(request, access.Action.PLAN)
    return _plan(request, _job(job))


@never_cache
@require_safe
def confirm(request: HttpRequest, job: int) -> HttpResponse:
    """The last step: what was chosen, why, and the number typed."""
    forms.need(request, access.Action.PLAN)
    return _confirm(request, _job(job), forms.given(request.GET, "messages"), {})


@never_cache
@require_POST
def start_restore(request: HttpRequest, job: int) -> HttpResponse:
    """Start what the plan says, or say why not with the form as it was filled in."""
    forms.need(request, access.Action.RESTORE)
    found = _job(job)
    given = {name: forms.given(request.POST, name) for name in FIELDS}
    made = Plan.objects.filter(job=found).first()
    if made is None:
        return _plan(request, found, "There is no plan to start yet. Nothing was written.", 409)
    only = [key.replace("\0", "") for key in request.POST.getlist("only")]
    try:
        started = actions.start_restore(
            actions.actor_of(request),
            made,
            messages=given["messages"],
            reason=given["reason"],
            typed=given["typed"],
            digest=forms.given(request.POST, "digest"),
            share=_share(given["share"]),
            order=given["order"] or "backup",
            only=only or None,
        )
    except actions.Refused as refused:
        return _confirm(request, found, given["messages"], given, str(refused), refused.status)
    return HttpResponseRedirect(reverse("job", args=[started.pk]))


@require_POST
def plan_again(request: HttpRequest, job: int) -> HttpResponse:
    """The same plan once more: whoever was chosen for it is chosen again."""
    forms.need(request, access.Action.PLAN)
    before = _job(job)
    try:
        made = actions.plan_again(actions.actor_of(request), before)
    except actions.Refused as refused:
        return _plan(request, before, str(refused), refused.status)
    return HttpResponseRedirect(reverse("plan", args=[made.pk]))


def _share(typed: str) -> float | None:
    """Raises Refused; None: as set."""
    try:
        return float(typed) if typed else None
    except ValueError:
        raise actions.Refused("The share of the quotas is a number. Nothing was written.", 400) from None


def _job(job: int) -> Job:
    plans = Job.objects.select_related("plan", "plan__restore").filter(kind=Job.Kind.PLAN)
    return get_object_or_404(plans.exclude(params__has_any_keys=["undo", "people"]), pk=job)


def _plan(request: HttpRequest, job: Job, refused: str = "", status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {"job": job, "refused": refused}
    made = _made(job)
    if made is not None:
        context |= _of_plan(request, job, made)
    return render(request, "restore/plan.html", context, status=status)


def _made(job: Job) -> Plan | None:
    made = Plan.objects.select_related("restore").filter(job=job).first()
    return made if job.state == State.PLANNED else None


def _confirm(
    request: HttpRequest,
    job: Job,
    messages: str,
    given: dict[str, str],
    refused: str = "",
    status: int = 200,
) -> HttpResponse:
    made = _made(job)
    ways = {way["name"]: way for way in _ways(made)} if made else {}
    if made is None or not _can_start(made) or messages not in ways:
        said = refused or ("" if made is None or not _can_start(made) else CHOOSE)
        return _plan(request, job, said, status if refused else 400 if said else 200)
    proposed = actions.proposed(made)
    context = {
        "job": job,
        "plan": made,
        "source": Backup.objects.filter(key=made.source).first(),
        "counts": made.counts,
        "way": ways[messages],
        "warned": [
            check
            for check in made.checks
            if check["state"] == "warn" and (not check["ways"] or messages in check["ways"])
        ],
        "proposed": proposed,
        "try_type": actions.confirmation(made, proposed) if proposed else "",
        "to_type": actions.confirmation(made),
        "share": settings.QUOTA_SHARE,
        "given": given,
        "refused": refused,
    }
    return render(request, "restore/confirm.html", context, status=status)


def _of_plan(request: HttpRequest, job: Job, made: Plan) -> dict[str, Any]:
    counts = made.counts
    create = int(counts.get("create", 0))
    return {
        "plan": made,
        "source": Backup.objects.filter(key=made.source).first(),
        "counts": counts,
        "create": create,
        "wanting": [check for state in ("stop", "warn") for check in made.checks if check["state"] == state],
        "passed": [check for check in made.checks if check["state"] == "pass"],
        "ways": _ways(made),
        "picked": forms.given(request.GET, "messages"),
        "limit": counts.get("mail_limit"),
        "can_start": _can_start(made),
        "by_reason": list(_by_reason(job)),
        **_lines(request, job, "create" if create else "all"),
    }


def _can_start(made: Plan) -> bool:
    writes = int(made.counts.get("create", 0)) + int(made.counts.get("update", 0))
    return bool(writes and not made.refusals and made.restore_id is None)


def _ways(made: Plan) -> list[dict[str, Any]]:
    """How people get in again: what each way takes, and when the last of them is in."""
    return [_way(made, name) for name in WAYS]


def _way(made: Plan, name: str) -> dict[str, Any]:
    counts = made.counts
    mails, codes = counts.get("mails", {}).get(name, 0), counts.get("codes", {}).get(name, 0)
    limit, need = counts.get("mail_limit"), counts.get("needs", {}).get(name, {})
    never = name == "invite" and need and not need.get("last")
    return {
        "name": name,
        "words": WAYS[name],
        "mails": mails,
        "codes": codes,
        "days": -(-(mails + codes) // limit) if limit else 0,
        "last": need.get("last"),
        "out": need.get("out", 0),
        "refused": NEVER if never else actions.stopped(made, name),
    }


def _by_reason(job: Job) -> list[tuple[str, str, str, int]]:
    """(action, reason's code, its sentence, how many users), what is created first."""
    said = [
        (action, code, plans.sentence(code, detail) if code else "", count)
        for action, code, detail, count in forms.by_reason(job)
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
