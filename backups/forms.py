"""What a request asks of a page: whether it may, what there is to choose from, which stretch of a list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar, cast

from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, QueryDict

from backups import access
from backups.models import Backup, Item, Job, Operator, Pool
from backups.models.item import REASONS
from backups.templatetags.words import moment, number, plural

PAGE = 50
LINES = 500
LISTED = 500
"""Backups in one list to choose from; older ones are chosen from their own page."""
LONGEST_SEARCH = 2_048
"""Characters, as many as a value has in Cognito. SQLite refuses to look for a text of 50,000 bytes."""

READABLE = (Backup.State.COMPLETE, Backup.State.USERS_ONLY)
Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Option:
    value: str  # a backup's key, or "live:<pool id>"
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Group:
    label: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One stretch of a list. ``next`` is the cursor of the following one, "" at the end."""

    rows: list[Row]
    next: str


def need(request: HttpRequest, action: access.Action) -> None:
    """The first line of a view: go on, or the 403 page with the sentence that says whom to ask."""
    may = access.can(cast(Operator, request.user), action)
    if not may:
        raise PermissionDenied(may.why)


def given(values: QueryDict, name: str) -> str:
    """A value of the address or of a form, bare of spaces around it and of NUL, which PostgreSQL refuses."""
    return str(values.get(name, "")).replace("\0", "").strip()


def holding(text: str, *fields: str, clear: bool) -> Q:
    """Rows in which one of the fields holds the text.

    Unless e-mails are shown (``clear``), a field with one is found only by the whole of it: search
    would spell out letter by letter what the page masks.
    """
    found, text = Q(), text[:LONGEST_SEARCH]
    for name in fields:
        holds = Q(**{f"{name}__icontains": text})
        whole = Q(**{f"{name}__iexact": text})
        found |= holds if clear else (holds & ~Q(**{f"{name}__contains": "@"})) | whole
    return found


def in_ledger(text: str, *, clear: bool) -> Q:
    """Rows of a ledger in which a name holds the text, or a sub is it."""
    names = holding(text, "label", "old_username", "new_username", clear=clear)
    return names | Q(old_sub=text) | Q(new_sub=text)


def by_reason(job: Job) -> list[tuple[str, str, str, int]]:
    """(action, reason's code, detail, how many users) of a job's ledger, the most first."""
    return Item.by_reason(job.pk, REASONS)


def page(rows: QuerySet[Row], field: str, cursor: str, *, newest_first: bool, size: int = PAGE) -> Page[Row]:
    """``rows`` by ``field`` (whole numbers, unique among them) from the cursor on.

    A cursor that is no number is none: it can only come from an address edited by hand.
    """
    if cursor.isascii() and cursor.isdigit() and len(cursor) < 19:
        rows = rows.filter(**{f"{field}__{'lt' if newest_first else 'gt'}": int(cursor)})
    found = list(rows.order_by(f"-{field}" if newest_first else field)[: size + 1])
    return Page(found[:size], str(getattr(found[size - 1], field)) if len(found) > size else "")


async def some_at_a_time(lines: Iterator[str]) -> AsyncIterator[str]:
    """A file for a download: Django would read a plain iterator to its end before it sends the first byte.

    On the request's own thread, which is where the lines' database connection is.
    """
    following = sync_to_async(lambda: "".join(islice(lines, LINES)))
    while some := await following():
        yield some


def backups_to_choose(chosen: str) -> list[Group]:
    """Every readable backup: suggested ones first, then newest first. ``chosen`` is in it, however old."""
    readable = Backup.objects.filter(state__in=READABLE)
    suggested = list(readable.filter(suggested=True).order_by("pool_name"))
    others = list(readable.filter(suggested=False)[:LISTED])
    listed = {backup.key for backup in (*suggested, *others)}
    if chosen and chosen not in listed:
        others += readable.filter(key=chosen)
    return _groups(
        ("Suggested", (_backup(backup, chosen) for backup in suggested)),
        ("Other backups", (_backup(backup, chosen) for backup in others)),
    )


def sides_to_choose(chosen: str) -> list[Group]:
    """What can be compared: the suggested backups, the live pools, then every other readable backup.

    A pool that is gone is among them: compared with it, the whole backup is what is missing.
    """
    groups = backups_to_choose(chosen)
    gone: list[Option] = []
    live: list[Option] = []
    for pool in Pool.objects.all():
        value = f"live:{pool.pool_id}"
        listed = gone if pool.presence == Pool.Presence.GONE else live
        listed.append(Option(value, _pool(pool), value == chosen))
    pools = _groups(("Live pools", live), ("Pools that are gone", gone))
    first = 1 if groups and groups[0].label == "Suggested" else 0
    return [*groups[:first], *pools, *groups[first:]]


def pools_to_choose(chosen: str) -> list[Option]:
    """The pools that can be restored into; one that did not answer the last look is among them."""
    pools = Pool.objects.exclude(presence=Pool.Presence.GONE)
    return [Option(pool.pool_id, _pool(pool), pool.pool_id == chosen) for pool in pools]


def side(value: str) -> str:
    """A side of a comparison in words: "live pool …", or a backup's time and pool."""
    if value.startswith("live:"):
        pool = Pool.objects.filter(pool_id=value[5:]).first()
        return f"the live pool {pool.name} ({pool.pool_id})" if pool else f"the live pool {value[5:]}"
    backup = Backup.objects.filter(key=value).first()
    if backup is None:
        return f"the backup {value}"
    of = backup.pool_name or backup.title or "a pool that it does not name"
    return f"the backup of {moment(backup.taken_at)} of {of}"


def _groups(*groups: tuple[str, Iterable[Option]]) -> list[Group]:
    made = [Group(label, tuple(options)) for label, options in groups]
    return [group for group in made if group.options]


def _backup(backup: Backup, chosen: str) -> Option:
    said = [
        moment(backup.taken_at),
        backup.pool_name or backup.title or "no pool named",
        plural(backup.users, "user"),
        "checked" if backup.checked else "not checked",
    ]
    if backup.state == Backup.State.USERS_ONLY:
        said.insert(3, "users only")
    if backup.passed_over:
        said.append(f"passed over: {backup.passed_over}")
    return Option(backup.key, " · ".join(said), backup.key == chosen)


def _pool(pool: Pool) -> str:
    said = f"{pool.name} ({pool.pool_id})"
    if pool.presence == Pool.Presence.UNKNOWN:
        return f"{said} · did not answer the last look"
    return said if pool.estimated_users is None else f"{said} · about {number(pool.estimated_users)} users"
