"""A body that is too large is answered 413, by what it says of itself and by what it turns out to be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pytest_django import Settings

from cognito_admin.bodies import Limited, limit


def answer(path: str, chunks: list[bytes], said: int | None = None) -> tuple[int, int]:
    """(status, bytes that reached the application, which reads to the end and answers 200)."""
    waiting, sent, reached = list(chunks), [], 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal reached
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            reached += len(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Any:
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [] if said is None else [(b"content-length", str(said).encode())]
    scope = {"type": "http", "path": path, "root_path": "", "headers": headers}
    asyncio.run(Limited(app)(scope, receive, send))
    return next(message["status"] for message in sent if "status" in message), reached


def test_only_an_upload_may_be_large(settings: Settings) -> None:
    settings.UPLOAD_LIMIT_MB = 200
    assert limit("/backups/upload/") == 201_000_000
    assert limit("/backups/look/") == limit("/nowhere") == 3_000_000
    assert limit("/restore/") == limit("/restore/draft/7/what/") == 11_000_000, "a list of users"
    assert limit("/restore/7/start/") == 3_000_000
    assert limit("/sign-in/") == limit("/sign-in/proof/") == 64_000


@pytest.mark.parametrize(("path", "most"), [("/sign-in/proof/", 64_000), ("/jobs/", 3_000_000)])
def test_a_body_that_says_that_it_is_too_large_is_not_read(path: str, most: int) -> None:
    assert answer(path, [b"x"], said=most) == (200, 1)
    assert answer(path, [b"x"], said=most + 1) == (413, 0)
    assert answer(path, [b"x"], said=10**40) == (413, 0)


def test_a_body_that_does_not_say_is_counted() -> None:
    assert answer("/sign-in/", [b"x" * 32_000] * 2) == (200, 64_000)
    assert answer("/sign-in/", [b"x" * 32_000, b"x" * 32_001, b"x"]) == (413, 32_000)
    assert answer("/sign-in/", [b"x" * 32_000] * 4, said=5) == (413, 64_000)
