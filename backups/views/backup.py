"""One backup: what it holds, what it does not, its users, and its objects to download."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST, require_safe

from backups import access, actions, catalogue, storage
from backups.access import Action
from backups.core import naming
from backups.core.files import Unreadable
from backups.core.snapshot import User
from backups.engine.ports import PortError
from backups.forms import PAGE, given, need
from backups.models import Acceptance, Backup, Catalogue, Operator, Pool
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
    return _page(request, get_object_or_404(Backup, key=backup))


def _page(
    request: HttpRequest, row: Backup, wrong: str = "", reason: str = "", status: int = 200
) -> HttpResponse:
    """The page; after a fall that was not accepted, with the sentence that says why."""
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
        "factors": _factors(manifest),
        "people": _people(row, query, after, clear=revealed(request)),
        "q": query,
        "live": live,
        **_keeping(row, cast(Operator, request.user).account),
    }
    may_accept = access.can(cast(Operator, request.user), Action.ACCEPT).allowed and catalogue.fell(row)
    context |= {
        "may_accept": may_accept,
        "accepted": Acceptance.objects.filter(key=row.key.removeprefix(naming.KEPT)).first(),
        "wrong": wrong,
        "reason": reason,
    }
    return render(request, "backups/one.html", context, status=status)


@require_POST
def accept_fall(request: HttpRequest, backup: str) -> HttpResponse:
    need(request, Action.ACCEPT)
    row = get_object_or_404(Backup, key=backup)
    reason = given(request.POST, "reason")
    try:
        actions.accept_fall(actions.actor_of(request), row, reason)
    except actions.Refused as refused:
        return _page(request, row, str(refused), reason, refused.status)
    return redirect("backup", backup=row.key)


@require_POST
def keep(request: HttpRequest, backup: str) -> HttpResponse:
    need(request, Action.KEEP)
    row = get_object_or_404(Backup, key=backup)
    try:
        job = actions.start_keep(actions.actor_of(request), row)
    except actions.Refused as refused:
        messages.error(request, str(refused))
        return redirect("backup", backup=row.key)
    return redirect("job", job=job.pk)


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
    name = f"{row.key.removeprefix(naming.KEPT).removeprefix(naming.UPLOADS).replace('/', '.')}.{part}"
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
        return [{"name": part} for part in (*naming.PARTS, *naming.OPTIONAL)]  # some of them are there
    if not vouched:
        return [{"name": naming.DATA, "size": row.size}]
    return [*vouched, {"name": naming.MANIFEST}, *([{"name": naming.CHECKED}] if row.checked else [])]


def _keeping(row: Backup, account: str) -> dict[str, Any]:
    """How its bucket keeps it, and the name of the bucket that would keep it for good; "" where none does."""
    looked = Catalogue.objects.first() or Catalogue()
    place = storage.place_for(row.pool_name)
    copy = row.key.startswith(naming.KEPT)
    told = storage.told_of(row, account, looked)
    reports = storage.name_of(settings.REPORTS_BUCKET, place, account)
    off = not reports or storage.why_not_keep(storage.known(reports, looked), reports)
    lock = (
        row.lock
        or {
            True: "None was told; S3 tells a lock only to whoever has s3:GetObjectRetention.",
            False: "None: the bucket has no Object Lock.",
            None: "Not known: the bucket did not tell whether it has one.",
        }[told.lock]
    )
    return {
        "until": storage.until(row, told),
        "lock": lock,
        "may_keep": reports if row.readable and not (off or copy or row.kept_as) else "",
    }


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
    if why := (row.manifest or {}).get("mfa", {}).get("why"):
        always.append(sentence(f"Which second factors users have: {why}"))
    always += [
        f"{what[:1].upper()}{what[1:]}: left out on purpose."
        for what in (row.manifest or {}).get("left_out", [])
    ]
    return always


def _factors(manifest: dict[str, Any]) -> str:
    """What was read of users' second factors, and whom AWS bills for it; "" where nobody was asked about."""
    told: dict[str, int] = manifest.get("mfa", {})
    billed = told.get("billed_active", 0)
    if not billed:
        return ""
    users = "1 user" if billed == 1 else f"{billed:,} users"
    counted = f"AWS counts {'this user' if billed == 1 else f'these {users}'} as active in that month."
    if not told.get("read"):
        return f"Not in it: reading them ended after {users}. {counted}"
    have = next((part["count"] for part in manifest.get("parts", []) if part["name"] == naming.MFA), 0)
    return f"Second factors of {users}, of whom {have:,} have one. {counted}"


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
