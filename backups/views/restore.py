"""The last two steps of a restore: the plan with its checks, then the confirmation. Only that one writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST, require_safe

from backups import access, actions, forms
from backups.core import plan as plans
from backups.core.asked import NotAsked
from backups.core.choices import Choices
from backups.core.lifecycle import State
from backups.core.preflight import duration
from backups.models import Backup, Draft, Item, Job, Operator, Plan
from backups.runner import decide
from backups.runner.plan import choices_of
from backups.runner.sources import FILE
from backups.templatetags.context import revealed

WRITES = ("create", "update")
ACTIONS = (*WRITES, "skip", "cannot")
ONLY = {
    "disabled": ("users who come back disabled", Q(action="create", enabled=False)),
    "factor": ("users who had a second factor", Q(reason__startswith="missing-factor")),
    "unverified": (
        "users who cannot sign in by themselves where they are restored silently",
        Q(reason__startswith="missing", reason__endswith="-unverified"),
    ),
    "again": ("users of whom somebody may say that they are the same", Q(reason__in=decide.MAY_BE_SAID)),
    "withheld": ("users who are kept out of privileged groups", ~Q(withheld=[])),
}
"""What the list of users can be narrowed to besides a reason: in words, and as a filter."""
DEFAULT = "default:"
FILES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
FIELDS = ("messages", "reason", "typed", "share", "order", "first")
NAMED = "try"
"""The field for whom to try it with; where a form has it, nobody else is written to."""
SHARES = (
    ("1.0", 1.0, ": nobody else uses these pools now"),
    ("0.5", 0.5, ": leave more to the application"),
)
CHOOSE = "Choose how people get in again: silent, invite or later. Nothing was written."
NEVER = "No invitation would ever go out: all mails of a day are kept for codes (MAIL_RESERVE)."
WAYS = {
    "silent": "We write to nobody. Each user gets a random password that nobody knows; people come back with "
    "“forgot password”, which mails them a code.",
    "invite": "Cognito mails each enabled user a temporary password, to be changed at the first sign-in.",
    "later": "We write to nobody, and nobody can sign in or reset a password until they are invited, which "
    "the restore’s own page offers.",
}
ONLY_WAY = "later"
"""Of who is only updated: nobody gets a password or a message, whatever is chosen."""


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
    only: list[str] | None = None
    try:
        if NAMED in request.POST:
            given[NAMED] = forms.given(request.POST, NAMED)
            only = actions.named(made, given[NAMED])
        started = actions.start_restore(
            actions.actor_of(request),
            made,
            messages=given["messages"],
            reason=given["reason"],
            typed=given["typed"],
            digest=forms.given(request.POST, "digest"),
            share=_share(given["share"]),
            order=given["order"] or "backup",
            first=str(request.POST.get("first", "")).replace("\0", ""),
            only=only,
        )
    except actions.Refused as refused:
        return _confirm(request, found, given["messages"], given, str(refused), refused.status, only)
    return HttpResponseRedirect(reverse("job", args=[started.pk]))


@never_cache
@require_GET  # HEAD would leave an entry for what nobody got
def download(request: HttpRequest, job: int, form: str) -> HttpResponse | StreamingHttpResponse:
    """Every line of the plan as a file."""
    forms.need(request, access.Action.DOWNLOAD)
    found = _job(job)
    made = _made(found)
    if form not in FILES:
        raise Http404
    if made is None:
        return _plan(request, found, "There is no plan to download yet.", 409)
    try:
        lines = actions.planned(actions.actor_of(request), made, form)
    except actions.Refused as refused:
        return _plan(request, found, str(refused), refused.status)
    return StreamingHttpResponse(
        forms.some_at_a_time(lines),
        content_type=FILES[form],
        headers={"Content-Disposition": f'attachment; filename="plan-{job}.{form}"'},
    )


@require_POST
def plan_again(request: HttpRequest, job: int) -> HttpResponse:
    """The same plan once more, with what was decided on its page: whoever was chosen is chosen again."""
    forms.need(request, access.Action.PLAN)
    before = _job(job)
    choices = None
    try:
        choices = _decided(request, before)
        made = actions.plan_again(actions.actor_of(request), before, choices)
    except NotAsked as error:
        return _plan(request, before, f"{error} Nothing was planned.", 400)
    except actions.Refused as refused:
        return _plan(request, before, str(refused), refused.status, choices)
    mine = Draft.objects.filter(plan=before, owner=cast(Operator, request.user).unique_id)
    mine.update(plan=made, choices=made.params["choices"])
    return HttpResponseRedirect(reverse("plan", args=[made.pk]))


def _decided(request: HttpRequest, job: Job) -> Choices | None:
    """What was ticked on the plan's page; None where nothing was asked. Raises NotAsked."""
    made = _made(job)
    if made is None or not forms.given(request.POST, "decided"):
        return None
    return decide.decided(
        made,
        people=request.POST.getlist("people"),
        others=request.POST.getlist("others"),
        defaults={
            name.removeprefix(DEFAULT): forms.given(request.POST, name)
            for name in request.POST
            if name.startswith(DEFAULT)
        },
        leave_out=request.POST.getlist("leave_out"),
        guards=request.POST.getlist("guards"),
        link=bool(forms.given(request.POST, "link")),
    )


def _share(typed: str) -> float | None:
    """Raises Refused; None: as set."""
    try:
        return float(typed) if typed else None
    except ValueError:
        raise actions.Refused("The share of the quotas is a number. Nothing was written.", 400) from None


def _job(job: int) -> Job:
    plans = Job.objects.select_related("plan", "plan__restore").filter(kind=Job.Kind.PLAN)
    return get_object_or_404(plans.exclude(params__has_any_keys=["undo", "people"]), pk=job)


def _plan(
    request: HttpRequest, job: Job, refused: str = "", status: int = 200, ticked: Choices | None = None
) -> HttpResponse:
    """``ticked``: what somebody decided, where the next plan was refused; None: as this one was made."""
    mine = Draft.objects.filter(plan=job, owner=cast(Operator, request.user).unique_id)
    context: dict[str, Any] = {"job": job, "refused": refused, "ticked": ticked, "draft": mine.first()}
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
    only: list[str] | None = None,
) -> HttpResponse:
    """``given``: as the form was sent, and ``only`` of whom; {} and None for a new one."""
    made = _made(job)
    ways = {way["name"]: way for way in _ways(made)} if made else {}
    if made is not None and not made.counts["create"]:
        messages = ONLY_WAY
    if made is None or not _can_start(made) or messages not in ways:
        said = refused or ("" if made is None or not _can_start(made) else CHOOSE)
        return _plan(request, job, said, status if refused else 400 if said else 200)
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
        "to_type": actions.confirmation(made),
        "groups": actions.groups_of(made),
        "shares": [
            (typed, f"{share:g}{words}", _at_least(made.counts, messages, share))
            for typed, share, words in (("", settings.QUOTA_SHARE, ", as set"), *SHARES)
        ],
        "not_alone": actions.starting_refused(made),
        "given": {} if NAMED in given else given,
        "trial": _trial(made, given if NAMED in given else {}, only),
        "refused": refused,
    }
    return render(request, "restore/confirm.html", context, status=status)


def _trial(made: Plan, given: dict[str, str], only: list[str] | None) -> dict[str, Any] | None:
    """The form that tries the plan with a few; None where it writes one user, who would be everybody."""
    if _writes(made) < 2:
        return None
    if not given:
        proposed = actions.proposed(made)
        given, only = {NAMED: "\n".join(proposed.values())}, list(proposed)
    return {
        "given": given,
        "names": given[NAMED],
        "place": actions.confirmation(made).rpartition(" ")[0],
        "to_type": actions.confirmation(made, only) if only else "",
    }


def _of_plan(request: HttpRequest, job: Job, made: Plan) -> dict[str, Any]:
    counts, ways = made.counts, _ways(made)
    by_reason = _by_reason(made)
    planned = sum(int(counts.get(name, 0)) for name in ACTIONS)
    return {
        "plan": made,
        "source": Backup.objects.filter(key=made.source).first(),
        "counts": counts,
        "writes": _writes(made),
        "held": int(counts.get("held", 0)) + int(counts.get("by_reason", {}).get("linked", 0)),
        "limited": choices_of(job).limited,
        "tabs": [(name, int(counts.get(name, 0))) for name in ACTIONS],
        "may_download": bool(access.can(cast(Operator, request.user), access.Action.DOWNLOAD)),
        "may_again": not made.source.startswith(FILE),
        "wanting": [check for state in ("stop", "warn") for check in made.checks if check["state"] == state],
        "passed": [check for check in made.checks if check["state"] == "pass"],
        "ways": ways,
        "way": None if counts["create"] else ways[0],
        "picked": forms.given(request.GET, "messages"),
        "limit": counts.get("mail_limit"),
        "can_start": _can_start(made),
        "not_alone": actions.starting_refused(made),
        "by_reason": by_reason,
        "other_reasons": max(0, planned - sum(row[2] for row in by_reason)),
        **_lines(request, job, next((name for name in WRITES if counts.get(name)), "all")),
    }


def _writes(made: Plan) -> int:
    return sum(int(made.counts.get(name, 0)) for name in WRITES)


def _can_start(made: Plan) -> bool:
    return bool(_writes(made) and not made.refusals and made.restore_id is None)


def _ways(made: Plan) -> list[dict[str, Any]]:
    """How people get in again: what each way takes, and when the last of them is in.

    Where nobody is created the one is left that does nothing about it.
    """
    return [_way(made, name) for name in (WAYS if made.counts["create"] else (ONLY_WAY,))]


def _at_least(counts: Mapping[str, Any], way: str, share: float) -> str:
    """The least time at this share of the quotas, in words; "" where an older plan does not say."""
    whole = counts.get("seconds", {}).get(way)
    return duration(whole / share) if whole else ""


def _way(made: Plan, name: str) -> dict[str, Any]:
    counts = made.counts
    mails, codes = counts.get("mails", {}).get(name, 0), counts.get("codes", {}).get(name, 0)
    limit, need = counts.get("mail_limit"), counts.get("needs", {}).get(name, {})
    never = limit and name == "invite" and need and not need.get("last")  # of SES, a check says it
    return {
        "name": name,
        "words": WAYS[name],
        "mails": mails,
        "codes": codes,
        "days": -(-(mails + codes) // limit) if limit else 0,
        "last": need.get("last") if need.get("owed") or need.get("codes") else None,
        "out": need.get("out", 0),
        "time": _at_least(counts, name, settings.QUOTA_SHARE),
        "refused": NEVER if never else actions.stopped(made, name),
    }


def _by_reason(made: Plan) -> list[tuple[str, str, int, str]]:
    """(action, the reason's sentence, how many users, the query that lists them), what is created first."""
    said = []
    for action, code, detail, count in made.counts.get("reasons") or forms.by_reason(made.job):
        rows = {"action": action, "reason": code, "detail": detail}
        query = urlencode({name: value for name, value in rows.items() if value})
        said.append((action, plans.sentence(code, detail) if code else "", count, query))
    return sorted(said, key=lambda row: ACTIONS.index(row[0]))


def _lines(request: HttpRequest, job: Job, first: str) -> dict[str, Any]:
    """``first``: the tab that is open before anybody chose one: who is written to matters most."""
    reason, detail, only, text = (
        forms.given(request.GET, name) for name in ("reason", "detail", "only", "q")
    )
    narrowed = bool(reason or detail or only in ONLY or text)
    action = forms.given(request.GET, "action") or ("all" if narrowed else first)
    rows = Item.objects.filter(job=job)
    if action in ACTIONS:
        rows = rows.filter(action=action)
    if reason:
        rows = rows.filter(reason=reason)
    if detail:
        rows = rows.filter(detail=detail)
    words, wanted = ONLY.get(only, ("", Q()))
    rows = rows.filter(wanted)
    if text:
        holds = forms.holding(text, "label", "old_username", clear=revealed(request))
        rows = rows.filter(holds | Q(old_sub=text))
    kept = {"reason": reason, "detail": detail, "only": only if words else ""}
    return {
        "rows": forms.page(rows, "position", forms.given(request.GET, "after"), newest_first=False),
        "action": action,
        "kept": [(name, value) for name, value in kept.items() if value],
        "only": words,
        "text": text,
        "filtered": narrowed,
    }
