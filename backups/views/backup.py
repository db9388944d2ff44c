"""One backup: what it holds, what it does not, its users, and its objects to download."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from backups import actions, catalogue
from backups.access import Action
from backups.core import naming
from backups.core.files import Unreadable
from backups.core.snapshot import User
from backups.engine.ports import PortError
from backups.forms import PAGE, given, need
from backups.models import Backup, Pool
from backups.templatetags.context import revealed
from backups.templatetags.words import sentence


@dataclass(frozen=True, slots=True)
class Person:
    """One line of the users' table."""

    user: User
    attributes: list[tuple[str, str]]  # all but those with a column of their own


@dataclass(frozen=True, slots=True)
class People:
    """One stretch of the users. ``found`` is None while the file was not read to its end."""

    rows: list[Person]
    first: int  # 1 for the first match
    after: str  # cursor of the next stretch, "" at the end
    found: int | None
    why: str  # why the users cannot be shown, "" when they are

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1


@never_cache
@require_safe
def backup(request: HttpRequest, backup: str) -> HttpResponse:
    need(request, Action.SEE)
    row = get_object_or_404(Backup, key=backup)
    query = given(request.GET, "q")
    cursor = request.GET.get("after", "")
    after = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 19 else 0
    manifest: dict[str, Any] = row.manifest or {}
    live = (
        Pool.objects.filter(name=row.pool_name, presence=Pool.Presence.THERE).first()
        if row.pool_name
        else None
    )
    context = {
        "backup": row,
        "manifest": manifest,
        "parts": _parts(row),
        "missing": _missing(row),
        "people": _people(row, query, after, clear=revealed(request)),
        "q": query,
        "live": live,
        "here": request.get_full_path(),
    }
    return render(request, "backups/one.html", context)


@require_GET
def download(request: HttpRequest, backup: str, part: str) -> HttpResponseBase:
    need(request, Action.DOWNLOAD)
    row = get_object_or_404(Backup, key=backup)
    if part not in {str(known["name"]) for known in _parts(row)}:
        raise Http404
    try:
        chunks = iter(actions.open_part(actions.actor_of(request), row, part))
        first = next(chunks, b"")  # what is missing or denied is said on a page, not in a cut file
    except (actions.Refused, PortError) as error:
        messages.error(request, f"{part} was not downloaded. {error}")
        return redirect("backup", backup=row.key)
    name = f"{row.key.removeprefix(naming.UPLOADS).replace('/', '.')}.{part}"
    response = StreamingHttpResponse(_stream(first, chunks), content_type="application/json")
    response["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
    response["Cache-Control"] = "no-store"
    return response


async def _stream(first: bytes, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """One chunk at a time: Django would read a plain iterator to its end before it sends the first byte."""
    yield first
    following = sync_to_async(lambda: next(chunks, b""), thread_sensitive=False)
    while chunk := await following():
        yield chunk


def _parts(row: Backup) -> list[dict[str, Any]]:
    """What can be downloaded, with what the manifest says of it."""
    vouched = [dict(part) for part in (row.manifest or {}).get("parts", [])]
    if row.state == Backup.State.INCOMPLETE and not vouched:
        return [{"name": part} for part in naming.PARTS]  # some of them are there
    if not vouched:
        return [{"name": naming.DATA, "size": row.size}]
    return [*vouched, {"name": naming.MANIFEST}, *([{"name": naming.CHECKED}] if row.checked else [])]


def _missing(row: Backup) -> list[str]:
    """What a restore cannot bring back from this backup, a sentence each."""
    always = [
        "Passwords. Nobody can read them out of Cognito; everybody sets a new one.",
        "Second factors: secrets of authenticator apps, passkeys, remembered devices. They are set up again.",
        "Sessions and tokens. Everybody signs in again.",
        "The sub stays in this file, and a restored user gets a new one: the identity map says which.",
    ]
    if row.state == Backup.State.USERS_ONLY:
        always += [
            "Groups and who is in them.",
            "The pool's settings, app clients and identity providers.",
            "A count and a checksum: nothing in it can vouch that it is whole.",
        ]
    always += [
        f"{what[:1].upper()}{what[1:]}: left out on purpose."
        for what in (row.manifest or {}).get("left_out", [])
    ]
    return always


def _people(row: Backup, query: str, after: int, *, clear: bool) -> People:
    """Users of the file in its order, from position ``after`` on, that hold the query in any field.

    ``clear``: e-mails are shown, so they are searched like the rest.
    """
    if not row.readable:
        return People(
            [], 0, "", None, "The users of this backup cannot be shown, because it cannot be trusted."
        )
    needle = query.casefold()
    rows: list[Person] = []
    matched, last = 0, ""
    try:
        for position, user in enumerate(catalogue.users_of(row), 1):
            if needle and not _fits(user, needle, clear=clear):
                continue
            matched += 1
            if position <= after:
                continue
            if len(rows) == PAGE:
                return People(rows, matched - PAGE, last, None if needle else row.users, "")
            rows.append(_person(user))
            last = str(position)
    except (Unreadable, PortError) as error:
        return People([], 0, "", None, f"The users could not be read. {sentence(str(error))}")
    return People(rows, matched - len(rows) + 1, "", matched, "")


_COLUMNS = frozenset({"email", "email_verified", "name"})


def _person(user: User) -> Person:
    return Person(user, sorted((k, v) for k, v in user.attributes.items() if k not in _COLUMNS))


def _fits(user: User, needle: str, *, clear: bool) -> bool:
    """Part of any field; of what holds an e-mail that is masked only the whole, or search would spell it."""
    said = [
        user.username,
        user.status,
        "enabled" if user.enabled else "disabled",
        user.created,
        user.modified,
    ]
    said += [f"{name}={value}" for name, value in user.attributes.items()]
    if clear:
        return needle in "\n".join(said).casefold()
    if needle in "\n".join(text for text in said if "@" not in text).casefold():
        return True
    whole = (user.username, *user.attributes.values())
    return "@" in needle and any(needle == text.casefold() for text in whole)
