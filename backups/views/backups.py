"""The backups of every pool, and a file from elsewhere."""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from backups import actions, storage
from backups.access import Action
from backups.core.snapshot import ENVIRONMENTS, environment_of
from backups.core.suggested import fell
from backups.engine.ports import PortError
from backups.forms import PAGE, READABLE, given, need
from backups.models import Backup, Catalogue, Deleted, Operator, Pool
from backups.templatetags.words import short, size

FILTERS = ("pool", "from", "to", "state", "checked", "origin", "made_by", "q")
READ_BACK = (("yes", "checked"), ("no", "not checked"))
NEXT, NEWEST = 5, 10
"""Backups that go next, and deleted ones that can be recovered, on the page."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list. ``change`` is against the readable backup of this pool before it."""

    backup: Backup
    short: str  # the pool's name without what all names share, and without its environment
    change: int | None
    fell: bool
    until: storage.Until


@dataclass(frozen=True, slots=True)
class Recoverable:
    """A deleted backup whose versions are still there, and the commands that read them."""

    deleted: Deleted
    commands: list[str]


@dataclass(frozen=True, slots=True)
class Keeping:
    """What the buckets' own rules do to the backups."""

    next: list[Backup]
    nothing_left: list[tuple[str, datetime]]  # pools whose last good backup goes soon
    unknown: list[tuple[str, str]]  # bucket -> why its rules are not known
    recoverable: list[Recoverable]
    deleted: int
    hidden: list[str]  # why it is not known what else was deleted
    kept_why: str  # why the kept copies could not be listed
    off: str  # why nothing can be kept; "" where it can


@never_cache
@require_safe
def backups(request: HttpRequest) -> HttpResponse:
    need(request, Action.SEE)
    return _list(request)


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
    asked = {name: given(params, name) for name in FILTERS}
    asked |= {name: "" for name in ("from", "to") if _day(asked[name]) is None}
    found = _filtered(asked)
    if cursor := params.get("before", ""):
        at, last = _read_cursor(cursor)
        found = found.filter(Q(taken_at__lt=at) | Q(taken_at=at, pk__lt=last))
    rows = list(found.order_by("-taken_at", "-pk")[: PAGE + 1])
    before = _users_before(rows[:PAGE])
    held = Backup.objects.order_by().values_list("pool_name", flat=True).distinct()
    names = sorted(
        {*Pool.objects.values_list("name", flat=True), *held} - {""},
        key=lambda name: (environment_of(name) != "production", name),
    )
    looked = Catalogue.objects.first() or Catalogue()
    account = cast(Operator, request.user).account
    shared = os.path.commonprefix(names).rpartition("-")[0]  # noqa: RUF071 - letter by letter is meant
    context = {
        "rows": [
            _row(
                backup,
                shared,
                before.get(backup.pk),
                storage.until(backup, storage.told_of(backup, account, looked)),
            )
            for backup in rows[:PAGE]
        ],
        "older": _cursor(rows[PAGE - 1]) if len(rows) > PAGE else "",
        "newer": bool(cursor),
        "asked": asked,
        "filtered": any(asked.values()),
        "names": names,
        "states": Backup.State.choices,
        "origins": Backup.Origin.choices,
        "makers": Backup.MadeBy.choices,
        "read_back": READ_BACK,
        "keeping": _keeping(looked, account),
        "total": Backup.objects.count(),
        "bucket": settings.BACKUP_BUCKET.replace("{account}", account),
        "looked": looked,
        "wrong": wrong,
    }
    return render(request, "backups/list.html", context, status=status)


def _filtered(asked: dict[str, str]) -> QuerySet[Backup]:
    found = Backup.objects.select_related("being_made_by").defer("manifest")
    if asked["pool"]:
        found = found.filter(pool_name=asked["pool"])
    for name in ("state", "origin", "made_by"):
        if asked[name]:
            found = found.filter(**{name: asked[name]})
    if asked["checked"]:
        found = found.filter(checked=asked["checked"] == "yes")
    if first := _day(asked["from"]):
        found = found.filter(taken_at__gte=first)
    if last := _day(asked["to"]):
        found = found.filter(taken_at__lte=datetime.combine(last, time.max, UTC))
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


def _users_before(rows: list[Backup]) -> dict[int, int | None]:
    """Of each of these rows the users of the readable backup of its pool before it."""
    before = Backup.objects.filter(
        pool_name=OuterRef("pool_name"),
        state__in=READABLE,
        users__isnull=False,
        taken_at__lt=OuterRef("taken_at"),
    ).exclude(pool_name="")
    mine = Backup.objects.filter(pk__in=[row.pk for row in rows]).order_by()
    users = Subquery(before.order_by("-taken_at").values("users")[:1])
    return dict(mine.annotate(users_before=users).values_list("pk", "users_before"))


def _day(text: str) -> datetime | None:
    """The beginning of a day in UTC; None for what is no day."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        return None


def _keeping(looked: Catalogue, account: str) -> Keeping:
    templates = (settings.BACKUP_BUCKET, settings.REPORTS_BUCKET)
    told = {
        name: storage.known(name, looked)
        for template in filter(None, templates)
        for name in (storage.name_of(template, environment, account) for environment in ENVIRONMENTS)
    }
    newest = list(Deleted.objects.order_by("-deleted_at", "-pk")[:NEWEST])
    asked = {name: one for name, one in told.items() if one.at is not None}
    return Keeping(
        next=storage.going_next(NEXT),
        nothing_left=storage.left_with_nothing(timezone.now()),
        unknown=[(name, one.why) for name, one in asked.items() if one.rules is None],
        recoverable=[Recoverable(one, storage.recover(one, account)) for one in newest],
        deleted=Deleted.objects.count(),
        hidden=[one.hidden_why for one in asked.values() if one.hidden_why],
        kept_why=str(looked.storage.get("kept_why", "")),
        off=_off(told, account),
    )


def _off(told: dict[str, storage.Known], account: str) -> str:
    """Why nothing can be kept out of expiry, by what the bucket told last."""
    if not settings.REPORTS_BUCKET:
        return storage.OFF
    names = (storage.name_of(settings.REPORTS_BUCKET, each, account) for each in ENVIRONMENTS)
    return next((why for name in names if (why := storage.why_not_keep(told[name], name))), "")


def _row(backup: Backup, shared: str, before: int | None, until: storage.Until) -> Row:
    name = short(f"…{backup.pool_name.removeprefix(shared)}" if shared else backup.pool_name)
    name = "" if name == "…-" else name  # nothing is left that the chip does not say
    if before is None or backup.users is None:
        return Row(backup, name, None, False, until)
    return Row(backup, name, backup.users - before, fell(before, backup.users), until)


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
