"""How large a request's body may be. Django limits forms, and keeps any file before a view sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from django.conf import settings
from django.urls import reverse

from backups.core.asked import LARGEST_LIST

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

ANY = 3_000_000  # bytes
SIGN_IN = 64_000  # the only pages that a stranger may send something to
AROUND_A_FILE = 1_000_000  # the rest of a form with a file; the view names the limit of the file itself
WORDS = b"This request is larger than anything that is taken here. Nothing was kept."


class Limited:
    """Answers 413 to a body that says that it is too large, and to one that turns out to be."""

    def __init__(self, app: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = limit(scope["path"].removeprefix(scope.get("root_path", "")))
        said = dict(scope["headers"]).get(b"content-length", b"0")
        if said.isdigit() and int(said[:19]) > most:
            await _refuse(send)
            return
        seen, answered = 0, False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            return {"type": "http.disconnect"} if seen > most else message  # Django then stops reading

        async def answering(message: Message) -> None:
            nonlocal answered
            if seen <= most or answered:
                answered = True
                await send(message)

        await self._app(scope, counted, answering)
        if seen > most and not answered:
            await _refuse(send)


def limit(path: str) -> int:
    """Bytes."""
    if path == reverse("upload"):
        return settings.UPLOAD_LIMIT_MB * 1_000_000 + AROUND_A_FILE
    if path == reverse("restore") or path.startswith(reverse("restore") + "draft/"):
        return LARGEST_LIST + AROUND_A_FILE
    return SIGN_IN if path.startswith(reverse("sign-in")) else ANY


async def _refuse(send: Send) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(WORDS)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": WORDS})
