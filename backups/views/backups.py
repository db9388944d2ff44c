"""The backups of every pool, and a file from elsewhere."""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from backups import actions
from backups.access import Action
from backups.core.lifecycle import ACTIVE
from backups.core.snapshot import environment_of
from backups.core.suggested import fell
from backups.engine.ports import PortError
from backups.forms import PAGE, READABLE, given, need
from backups.models import Backup, Catalogue, Job, Operator, Pool
from backups.templatetags.words import clock, number, short, size

EMPTIED = 0.5
"""A live pool with fewer than this share of the suggested backup's users is called nearly empty."""


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    need(request, Action.SEE)
    return redirect("backups")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list. ``change`` is against the readable backup of this pool before it."""

    backup: Backup
    short: str  # the pool's name without what all names share, and without its environment
    change: int | None
    fell: bool


@dataclass(frozen=True, slots=True)
class Block:
    """What stands above the list for one name of a pool."""

    name: str
    environment: str
    live: Pool | None
    last: Pool | None  # the row to name: the live one, else the one that was seen last
    presence: str
    sentence: str
    tone: str
    suggested: Backup | None
    passed_over: list[Backup]
    held: int
    running: Job | None


@dataclass(frozen=True, slots=True)
class Looks:
    """When AWS last told which pools there are, in every Region of the settings."""

    at: datetime | None  # the oldest of the Regions' last looks; None while one was never looked at
    why: str  # why one of them did not answer, "" when all did


@never_cache
@require_safe
def backups(request: HttpRequest) -> HttpResponse:
    need(request, Action.SEE)
    return _list(request)


@require_POST
def look(request: HttpRequest) -> HttpResponse:
    need(request, Action.BACK_UP)
    try:
        actions.look(actions.actor_of(request))
    except PortError:
        return _list(request, status=503)  # the page says of every look that was not answered why
    return redirect("backups")


@require_POST
def back_up(request: HttpRequest) -> HttpResponse:
    need(request, Action.BACK_UP)
    pool = get_object_or_404(Pool, pool_id=given(request.POST, "pool"))
    try:
        job = actions.start_backup(actions.actor_of(request), pool)
    except actions.Refused as refused:
        return _list(request, str(refused), refused.status)
    return redirect("job", job=job.pk)


@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    need(request, Action.UPLOAD)
    file = request.FILES.get("file")
    if file is None or not file.name:
        return _list(request, "Choose a .json file first. Nothing was uploaded.", 400)
    if (file.size or 0) > settings.UPLOAD_LIMIT_MB * 1_000_000:
        limit = f"The limit is {settings.UPLOAD_LIMIT_MB} MB (UPLOAD_LIMIT_MB)"
        return _list(request, f"{file.name} has {size(file.size)}. {limit}; nothing was kept.", 413)
    try:
        kept = actions.upload(actions.actor_of(request), file.name, cast(Any, file))
    except actions.Refused as refused:
        return _list(request, str(refused), refused.status)
    except PortError as error:
        return _list(request, f"{file.name} was not kept: the bucket did not take it. {error}", 503)
    messages.success(request, f"{file.name} was uploaded and read. It is kept apart from the pools' backups.")
    return redirect("backup", backup=kept.key)


def _list(request: HttpRequest, wrong: str = "", status: int = 200) -> HttpResponse:
    """The page; after something that did not work, with the sentence that says why."""
    params = request.GET
    asked = {name: given(params, name) for name in ("pool", "state", "q")}
    found = _filtered(asked)
    if cursor := params.get("before", ""):
        at, last = _read_cursor(cursor)
        found = found.filter(Q(taken_at__lt=at) | Q(taken_at=at, pk__lt=last))
    rows = list(found.order_by("-taken_at", "-pk")[: PAGE + 1])
    names = sorted(
        {*Pool.objects.values_list("name", flat=True), *Backup.objects.values_list("pool_name", flat=True)}
        - {""},
        key=lambda name: (environment_of(name) != "production", name),
    )
    looks = _looks()
    shared = os.path.commonprefix(names).rpartition("-")[0]  # noqa: RUF071 - letter by letter is meant
    context = {
        "blocks": [_block(name, looks) for name in names if asked["pool"] in ("", name)],
        "looks": looks,
        "rows": [_row(backup, shared) for backup in rows[:PAGE]],
        "older": _cursor(rows[PAGE - 1]) if len(rows) > PAGE else "",
        "newer": bool(cursor),
        "asked": asked,
        "filtered": any(asked.values()),
        "names": names,
        "states": Backup.State.choices,
        "total": Backup.objects.count(),
        "bucket": settings.BACKUP_BUCKET.replace("{account}", cast(Operator, request.user).account),
        "looked": Catalogue.objects.first() or Catalogue(),
        "wrong": wrong,
    }
    return render(request, "backups/list.html", context, status=status)


def _filtered(asked: dict[str, str]) -> QuerySet[Backup]:
    before = Backup.objects.filter(
        pool_name=OuterRef("pool_name"),
        state__in=READABLE,
        users__isnull=False,
        taken_at__lt=OuterRef("taken_at"),
    ).exclude(pool_name="")
    found = Backup.objects.select_related("being_made_by").annotate(
        users_before=Subquery(before.order_by("-taken_at").values("users")[:1])
    )
    if asked["pool"]:
        found = found.filter(pool_name=asked["pool"])
    if asked["state"]:
        found = found.filter(state=asked["state"])
    for word in asked["q"].split():
        found = found.filter(
            Q(key__icontains=word)
            | Q(pool_id__icontains=word)
            | Q(title__icontains=word)
            | Q(made_by__icontains=word)
            | Q(made_by_who__icontains=word)
            | Q(reason__icontains=word)
            | Q(passed_over__icontains=word)
        )
    return found


def _row(backup: Backup, shared: str) -> Row:
    name = short(f"…{backup.pool_name.removeprefix(shared)}" if shared else backup.pool_name)
    name = "" if name == "…-" else name  # nothing is left that the chip does not say
    before: int | None = getattr(backup, "users_before", None)
    if before is None or backup.users is None:
        return Row(backup, name, None, False)
    return Row(backup, name, backup.users - before, fell(before, backup.users))


def _block(name: str, looks: Looks) -> Block:
    pools = list(Pool.objects.filter(name=name).order_by(F("last_seen_at").desc(nulls_last=True)))
    live = next((pool for pool in pools if pool.presence == Pool.Presence.THERE), None)
    unknown = next((pool for pool in pools if pool.presence == Pool.Presence.UNKNOWN), None)
    last = live or unknown or (pools[0] if pools else None)
    suggested = Backup.objects.filter(pool_name=name, suggested=True).order_by("-taken_at").first()
    passed = Backup.objects.filter(pool_name=name).exclude(passed_over="")
    passed = passed.exclude(being_made_by__state__in=ACTIVE)
    if suggested:
        passed = passed.filter(taken_at__gt=suggested.taken_at)
    pool_ids = [pool.pool_id for pool in pools]
    running = Job.objects.filter(kind=Job.Kind.BACKUP, pool_id__in=pool_ids, state__in=ACTIVE).first()
    presence, said, tone = _presence(looks, last, suggested)
    return Block(
        name=name,
        environment=environment_of(name),
        live=live,
        last=last,
        presence=presence,
        sentence=said,
        tone=tone,
        suggested=suggested,
        passed_over=list(passed.order_by("-taken_at")),
        held=Backup.objects.filter(pool_name=name).count(),
        running=running,
    )


def _looks() -> Looks:
    """The oldest answered list of the configured Regions' pools; None when one of them never answered."""
    kept = (Catalogue.objects.first() or Catalogue()).regions
    looks = [kept.get(region, {"at": "", "why": ""}) for region in settings.POOL_REGIONS]
    answered = [datetime.fromisoformat(look["at"]) for look in looks if look["at"]]
    told = looks and len(answered) == len(looks)
    return Looks(min(answered) if told else None, next((look["why"] for look in looks if look["why"]), ""))


def _presence(looks: Looks, last: Pool | None, suggested: Backup | None) -> tuple[str, str, str]:
    """(presence, sentence, tone). A pool that nobody answered about is unknown, never gone."""
    if last is None:
        if looks.at is None or looks.why:
            why = looks.why or "Not every Region of the settings has shown a pool yet."
            return "unknown", f"Whether a pool of this name exists is not known. {why}", "warn"
        where = " or ".join(settings.POOL_REGIONS)
        return "gone", f"No pool of this name in {where} at {clock(looks.at)}.", "bad"
    seen = f"; last seen {clock(last.last_seen_at)}" if last.last_seen_at else ""
    if last.presence == Pool.Presence.GONE:
        at = f" at {clock(last.looked_at)}" if last.looked_at else ""
        return "gone", f"No pool of this name in {last.region}{at}{seen}.", "bad"
    if last.presence == Pool.Presence.UNKNOWN:
        why = last.why_unknown or "The last look got no answer."
        return "unknown", f"Whether it still exists is not known{seen}. {why}", "warn"
    if last.estimated_users is None:
        return "there", f"In {last.region} at {clock(last.looked_at)}.", "good"
    about = f"About {number(last.estimated_users)} users in {last.region} at {clock(last.looked_at)}"
    if suggested and suggested.users and fell(suggested.users, last.estimated_users):
        tone = "bad" if last.estimated_users < EMPTIED * suggested.users else "warn"
        return "there", f"{about}; the suggested backup holds {number(suggested.users)}.", tone
    return "there", f"{about}.", "good"


def _cursor(backup: Backup) -> str:
    return (
        base64.urlsafe_b64encode(f"{backup.taken_at.isoformat()}|{backup.pk}".encode()).decode().rstrip("=")
    )


def _read_cursor(cursor: str) -> tuple[datetime, int]:
    try:
        at, _, last = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().rpartition("|")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError("a cursor's time has its zone")
        if not 0 <= int(last) < 2**63:
            raise ValueError("a cursor's number is a row's")
        return moment.astimezone(UTC), int(last)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise BadRequest("no such cursor") from error
