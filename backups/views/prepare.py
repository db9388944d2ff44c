"""The first two steps of a restore: what comes back, then where and how. Nothing is asked of AWS by them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from backups import access, actions, forms
from backups.core import asked
from backups.core.asked import NotAsked
from backups.core.choices import Choices, Existing, Guard, How
from backups.models import Backup, Draft, Operator, Pool
from backups.templatetags.restoring import ALLOW

ROWS = 3
"""Conditions that the page offers; rows of a draft that has more are all shown."""
KEPT = timedelta(days=30)
SHOWN = 1_000
"""Names of a draft's list that its page writes out; a longer list is counted, and kept without being sent."""
ROW = ("field", "how", "value")
FIELDS = ("group", "status", "enabled", "username", "email", "name")
DECIDED = ("again", "defaults", "leave_out")
"""Choices that the page of an earlier plan asked for, and no step here does."""


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def begin(request: HttpRequest) -> HttpResponse:
    """GET: step 1 for a new restore, and what somebody left lying. POST: keep it as a draft, on to step 2."""
    forms.need(request, access.Action.PLAN)
    if request.method != "POST":
        source = forms.given(request.GET, "backup") or _usual()
        return _what(request, None, source, Choices())
    return _keep(request, Draft(owner=_owner(request), pool_id=forms.given(request.POST, "pool")))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def what(request: HttpRequest, draft: int) -> HttpResponse:
    """Step 1 of a draft."""
    forms.need(request, access.Action.PLAN)
    found = _draft(request, draft)
    if request.method != "POST":
        return _what(request, found, found.source, Choices.of_json(found.choices))
    return _keep(request, found)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def how(request: HttpRequest, draft: int) -> HttpResponse:
    """Step 2 of a draft. POST: make the plan, which only reads."""
    forms.need(request, access.Action.PLAN)
    found = _draft(request, draft)
    before = Choices.of_json(found.choices)
    if request.method != "POST":
        return _how(request, found, found.pool_id or _pool_of(found.source), before)
    pool_id = forms.given(request.POST, "pool")
    pool = Pool.objects.filter(pool_id=pool_id).first()
    try:
        existing, guards = asked.treatment(
            forms.given(request.POST, "existing"), request.POST.getlist("guards")
        )
    except NotAsked as error:
        return _how(request, found, pool_id, before, f"{error} Nothing was planned.", 400)
    choices = Choices.of_json(
        before.as_json()
        | {"existing": existing, "guards": sorted(guards), "link": bool(forms.given(request.POST, "link"))}
    )
    found.pool_id, found.choices = (pool.pool_id if pool else ""), choices.as_json()
    found.save()
    if pool is None:
        return _how(request, found, "", choices, "Choose the pool to restore into. Nothing was planned.", 400)
    try:
        job = actions.plan_restore(actions.actor_of(request), found.source, pool, choices=choices)
    except actions.Refused as refused:
        return _how(request, found, pool_id, choices, str(refused), refused.status)
    found.plan = job
    found.save()
    return HttpResponseRedirect(reverse("plan", args=[job.pk]))


def _owner(request: HttpRequest) -> str:
    return cast(Operator, request.user).unique_id


def _draft(request: HttpRequest, number: int) -> Draft:
    """Everybody's own: what somebody else prepares is theirs to finish."""
    return get_object_or_404(Draft, pk=number, owner=_owner(request))


def _keep(request: HttpRequest, draft: Draft) -> HttpResponse:
    source = forms.given(request.POST, "backup")
    scope = forms.given(request.POST, "scope") or "everything"
    before = Choices.of_json(draft.choices)
    try:
        limits = _limits(request, scope, before)
    except NotAsked as error:
        said = f"{error} Nothing was planned."
        return _what(request, draft if draft.pk else None, source, before, said, 400, request.POST.dict())
    if not source:
        said = "Choose the backup to restore from. Nothing was planned."
        return _what(request, draft if draft.pk else None, "", before, said, 400, request.POST.dict())
    if not (_fits("source", source) and _fits("pool_id", draft.pool_id)):
        said = "No backup and no pool has so long a name. Choose anew. Nothing was planned."
        return _what(request, draft if draft.pk else None, "", before, said, 400, request.POST.dict())
    Draft.objects.filter(changed_at__lt=timezone.now() - KEPT).delete()
    if source != draft.source:  # whoever was said to be the same person was in the other backup
        before = replace(before, again=frozenset())
    draft.source = source
    draft.choices = before.as_json() | {"users": None, "tests": [], "chosen": None} | limits
    draft.save()
    return HttpResponseRedirect(reverse("restore-how", args=[draft.pk]))


def _fits(name: str, value: str) -> bool:
    """Whether a draft can hold it: PostgreSQL refuses what is longer."""
    return len(value) <= (getattr(Draft._meta.get_field(name), "max_length", None) or 0)


def _limits(request: HttpRequest, scope: str, before: Choices) -> dict[str, Any]:
    """Who is in scope, as ``Choices.as_json`` has it. Raises NotAsked."""
    if scope == "everything":
        return {}
    if scope == "list":
        typed = f"{forms.given(request.POST, 'users')}\n{_uploaded(request)}".strip()
        kept = _long(before)
        return {"users": list(asked.names(typed) if typed or not kept else kept)}
    if scope == "filter":
        rows = [request.POST.getlist(name) for name in ROW]
        made = asked.tests(*([text.replace("\0", "") for text in row] for row in rows))
        if not made:
            raise NotAsked("No condition was filled in, so it is not known whom to restore.")
        return {"tests": [[test.field, test.how.value, test.value] for test in made]}
    raise NotAsked("Choose what is to come back.")


def _uploaded(request: HttpRequest) -> str:
    file = request.FILES.get("file")
    if file is None:
        return ""
    if (file.size or 0) > asked.LARGEST_LIST:
        raise NotAsked(f"The list is larger than {asked.LARGEST_LIST // 1_000_000} MB. Restore in parts.")
    try:
        return str(file.read(), "utf-8-sig").replace("\0", "")
    except UnicodeDecodeError:
        said = "The list is no text in UTF-8. Save it as such, one e-mail or Username a line."
        raise NotAsked(said) from None


def _what(
    request: HttpRequest,
    draft: Draft | None,
    source: str,
    choices: Choices,
    refused: str = "",
    status: int = 200,
    typed: dict[str, str] | None = None,
) -> HttpResponse:
    rows = [(test.field, test.how.value, test.value) for test in choices.tests]
    if typed is not None:
        rows = list(zip(*map(request.POST.getlist, ROW), strict=False))
    mine = Draft.objects.filter(owner=_owner(request), changed_at__gte=timezone.now() - KEPT)
    kept = _long(choices)
    context = {
        "draft": draft,
        "pool": forms.given(request.GET, "pool"),
        "groups": forms.backups_to_choose(source),
        "gone": Pool.objects.filter(presence=Pool.Presence.GONE),
        "scope": (typed or {}).get("scope") or _scope(choices),
        "users": (typed or {}).get("users") or ("" if kept else "\n".join(choices.users or ())),
        "kept": len(kept),
        "rows": [*rows, *[("", "is", "")] * max(0, ROWS - len(rows))],
        "hows": [(one.value, asked.HOWS[one]) for one in How],
        "fields": FIELDS,
        "drafts": [] if draft else [(one, forms.side(one.source)) for one in mine[:5]],
        "refused": refused,
    }
    return render(request, "restore/what.html", context, status=status)


def _long(choices: Choices) -> tuple[str, ...]:
    """The list of a draft where it is too long to be written out; () else."""
    return choices.users if choices.users and len(choices.users) > SHOWN else ()


def _scope(choices: Choices) -> str:
    return "list" if choices.users is not None else "filter" if choices.tests else "everything"


def _how(
    request: HttpRequest, draft: Draft, pool: str, choices: Choices, refused: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "draft": draft,
        "source": forms.side(draft.source),
        "limits": asked.in_words(Choices(users=choices.users, tests=choices.tests)),
        "decided": asked.in_words(replace(Choices(), **{name: getattr(choices, name) for name in DECIDED})),
        "pools": forms.pools_to_choose(pool),
        "gone": Pool.objects.filter(presence=Pool.Presence.GONE),
        "existing": choices.existing.value,
        "guards": [guard.value for guard in choices.guards],
        "link": choices.link,
        "ways": [(one.value, *WAYS[one]) for one in Existing],
        "allow": [(one.value, ALLOW[one]) for one in Guard],
        "refused": refused,
    }
    return render(request, "restore/how.html", context, status=status)


WAYS = {
    Existing.SKIP: ("Leave them alone", "Nobody who is in the pool is changed."),
    Existing.FILL: ("Fill empty fields", "What is empty in the pool comes from the backup; the rest stays."),
    Existing.OVERWRITE: (
        "Overwrite",
        "Fields that differ get the backup's value, and memberships that are missing come back. Nothing is "
        "removed.",
    ),
}


def _usual() -> str:
    """Asked for nothing: production's suggested backup."""
    suggested = Backup.objects.filter(suggested=True, state__in=forms.READABLE)
    first = min(suggested, key=lambda one: (one.environment != "production", one.pool_name), default=None)
    return first.key if first else ""


def _pool_of(source: str) -> str:
    """The pool that the backup names, where it stands."""
    backup = Backup.objects.filter(key=source).first()
    if backup is None or not backup.pool_name:
        return ""
    there = Pool.objects.filter(name=backup.pool_name).exclude(presence=Pool.Presence.GONE).first()
    return there.pool_id if there else ""
