"""Who is in again after a restore, on what evidence; and invitations for those who still wait."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from backups import access, actions, forms
from backups.core.evidence import UNDONE, WHY, Word
from backups.core.invite import WAITING
from backups.core.lifecycle import ACTIVE, State
from backups.models import Item, Job, Operator, Pool
from backups.runner.invite import invitable, mails_of, never
from backups.runner.report import deleted
from backups.templatetags.context import revealed

FIELDS = ("order", "reason", "typed")


@never_cache
@require_safe
def people(request: HttpRequest, job: int) -> HttpResponse:
    """``job``: a restore, or a reading of everybody in a pool who waits for an invitation."""
    forms.need(request, access.Action.SEE)
    found = _job(job)
    if found.pk != job:
        return HttpResponseRedirect(reverse("people", args=[found.pk]))
    return _page(request, found, {})


@never_cache
@require_POST
def read_people(request: HttpRequest, job: int) -> HttpResponse:
    """Ask the pool again."""
    forms.need(request, access.Action.PLAN)
    found = _job(job)
    actor = actions.actor_of(request)
    try:
        if found.kind == Job.Kind.RESTORE:
            actions.read_people(actor, found)
            return HttpResponseRedirect(reverse("people", args=[job]))
        pool = get_object_or_404(Pool, region=found.region, pool_id=found.pool_id)
        return HttpResponseRedirect(reverse("people", args=[actions.read_waiting(actor, pool).pk]))
    except actions.Refused as refused:
        messages.error(request, str(refused))
        return HttpResponseRedirect(reverse("people", args=[job]))


@never_cache
@require_POST
def read_waiting(request: HttpRequest) -> HttpResponse:
    """Ask a pool who waits for an invitation, whoever made them."""
    forms.need(request, access.Action.PLAN)
    pool = get_object_or_404(Pool, pool_id=forms.given(request.POST, "pool"))
    try:
        job = actions.read_waiting(actions.actor_of(request), pool)
    except actions.Refused as refused:
        messages.error(request, str(refused))
        return HttpResponseRedirect(reverse("home"))
    return HttpResponseRedirect(reverse("people", args=[job.pk]))


@never_cache
@require_POST
def invite_people(request: HttpRequest, job: int) -> HttpResponse:
    """Invite those who wait, or say why not with the form as it was filled in."""
    forms.need(request, access.Action.RESTORE)
    found = _job(job)
    given = {name: forms.given(request.POST, name) for name in FIELDS}
    first = str(request.POST.get("first", "")).replace("\0", "").splitlines()
    number = forms.given(request.POST, "reading")
    reading, _ = _readings(found)
    if reading is None or str(reading.pk) != number:
        sentence = "The pool was read again since this page was made. Look once more. Nobody was written to."
        return _page(request, found, given, sentence, 409)
    try:
        started = actions.start_invite(actions.actor_of(request), reading, first=first, **given)
    except actions.Refused as refused:
        return _page(request, found, given | {"first": "\n".join(first)}, str(refused), refused.status)
    return HttpResponseRedirect(reverse("job", args=[started.pk]))


def _job(job: int) -> Job:
    alone = Q(kind=Job.Kind.PLAN, params__has_key="people")
    found = get_object_or_404(Job, Q(kind=Job.Kind.RESTORE) | alone, pk=job)
    if found.kind == Job.Kind.PLAN and found.params["people"]:
        return get_object_or_404(Job, pk=found.params["people"], kind=Job.Kind.RESTORE)
    return found


def _readings(job: Job) -> tuple[Job | None, Job | None]:
    """(the newest reading that is finished, the one under way)."""
    newest = actions.readings(job) if job.kind == Job.Kind.RESTORE else [job]
    done = next((one for one in newest if one.state == State.DONE), None)
    return done, next((one for one in newest if not one.over), None)


def _page(
    request: HttpRequest, job: Job, given: dict[str, str], refused: str = "", status: int = 200
) -> HttpResponse:
    reading, busy = _readings(job)
    who = cast(Operator, request.user)
    context: dict[str, Any] = {
        "job": job,
        "of_restore": job.kind == Job.Kind.RESTORE,
        "busy": busy,
        "reading": reading,
        "given": given,
        "refused": refused,
        "may_read": bool(access.can(who, access.Action.PLAN)),
        "may_invite": bool(access.can(who, access.Action.RESTORE)),
        "may_undo": job.kind == Job.Kind.RESTORE and not actions.may_undo(job),
    }
    if reading is not None:
        context |= _of_reading(request, reading)
    return render(request, "people/page.html", context, status=status)


def _of_reading(request: HttpRequest, reading: Job) -> dict[str, Any]:
    counted = reading.result.get("words", {})
    invite = invitable(reading).count()
    pool = {"region": reading.region, "pool_id": reading.pool_id}
    since = reading.items.filter(new_sub__in=deleted(reading.pool_id)).exclude(reason=UNDONE)
    waiting = reading.result.get("waiting", 0) - since.filter(reason__in=WAITING).count()
    limit = mails_of(reading)
    days = reading.result.get("valid_days")
    return {
        "words": [(word.value, int(counted.get(word.value, 0))) for word in Word],
        "ran_out": reading.result.get("ran_out", 0),
        "waiting": waiting,
        "undone_since": since.count(),
        "valid_days": days,
        "read_at": reading.result.get("read_at"),
        "invite": invite,
        "writer": Job.objects.filter(**pool, queue=Job.Queue.WRITE, state__in=ACTIVE).first(),
        "kept_back": waiting - invite,
        "limit": limit,
        "never": never(limit, invite),
        "to_type": actions.confirmation_of_invite(reading, invite),
        "evidence": _evidence(reading),
        **_rows(request, reading),
    }


def _evidence(reading: Job) -> list[tuple[str, str, str, int]]:
    """(word, code, its sentence, how many people), in the order of the words."""
    rows = reading.items.values_list("detail", "reason").annotate(count=Count("id")).order_by("-count")
    order = [word.value for word in Word]
    said = [(word, why, WHY.get(why, why), count) for word, why, count in rows]
    return sorted(said, key=lambda row: order.index(row[0]))


def _rows(request: HttpRequest, reading: Job) -> dict[str, Any]:
    word, why = forms.given(request.GET, "word"), forms.given(request.GET, "why")
    text = forms.given(request.GET, "q")
    rows = Item.objects.filter(job=reading)
    if word in [one.value for one in Word]:
        rows = rows.filter(detail=word)
    if why:
        rows = rows.filter(reason=why)
    if text:
        rows = rows.filter(forms.in_ledger(text, clear=revealed(request)))
    page = forms.page(rows, "position", forms.given(request.GET, "after"), newest_first=False)
    return {
        "rows": page,
        "lines": [(item, WHY.get(item.reason, item.reason), item.reason in WAITING) for item in page.rows],
        "word": word,
        "why": why,
        "text": text,
        "filtered": bool(why or text),
    }
