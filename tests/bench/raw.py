"""A client that does nothing but ask: what is measured is the server.

Connections of one thread on uvloop; requests are bytes made beforehand, answers are counted, not parsed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import cast
from urllib.parse import urlsplit

import uvloop

AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=bench/20260101/eu-west-1/cognito-idp/aws4_request"
Follow = Callable[[bytes], bytes | None]


def request(operation: str, body: bytes) -> bytes:
    head = (
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"X-Amz-Target: AWSCognitoIdentityProviderService.{operation}\r\n"
        f"Authorization: {AUTHORIZATION}\r\nContent-Type: application/x-amz-json-1.1\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One request at a time; ``follow`` makes the next from the answer's body, None ends."""

    def __init__(self, first: bytes, follow: Follow, done: asyncio.Future[int]) -> None:
        self.first, self.follow, self.done = first, follow, done
        self.held = bytearray()
        self.wanted = -1  # bytes of head and body together, once the head is there
        self.body_at = 0
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self.first)

    def data_received(self, data: bytes) -> None:
        self.held += data
        if self.wanted < 0:
            end = self.held.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self.held[:end]).lower()
            if not head.startswith(b"http/1.1 200"):
                self._end(RuntimeError(bytes(self.held[:400]).decode(errors="replace")))
                return
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            self.body_at, self.wanted = end + 4, end + 4 + length
        if len(self.held) < self.wanted:
            return
        self.answers += 1
        following = self.follow(bytes(self.held[self.body_at : self.wanted]))
        self.held.clear()
        self.wanted = -1
        if following is None:
            self._end(None)
        else:
            self.transport.write(following)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("closed by the server"))

    def _end(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error) if error else self.done.set_result(self.answers)
        self.transport.close()


def ask(url: str, starts: list[tuple[bytes, Follow]]) -> int:
    """All of them side by side, a connection each, until each follow ends; answers in all."""
    address = urlsplit(url)

    async def main() -> int:
        loop = asyncio.get_running_loop()
        waiting = []
        for first, follow in starts:
            done: asyncio.Future[int] = loop.create_future()
            made = partial(Connection, first, follow, done)
            await loop.create_connection(made, address.hostname or "", address.port or 0)
            waiting.append(done)
        return sum(await asyncio.gather(*waiting))

    return uvloop.run(main())


def each(requests: Iterator[bytes]) -> tuple[bytes, Follow]:
    """A start that sends one after the other until there are no more."""
    return next(requests), lambda body: next(requests, None)
