"""Many browsers that watch one job: a process of its own, so that what is measured is the server.

    python -m tests.bench.watchers URL COUNT FOLDER

FOLDER/cookies holds a session's key a line. Says ``ready`` once every stream is open, ends when every
stream has, and leaves in FOLDER/came what came: which watcher, the event's id, when (monotonic, ns).
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from array import array
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop

AT_ONCE = 8  # that many are let in side by side; all at once would measure the door
ID = re.compile(rb"^id: (\d+)$", re.MULTILINE)


class Watcher(asyncio.Protocol):
    def __init__(self, number: int, request: bytes, got: array[int], loop: asyncio.AbstractEventLoop) -> None:
        self.number, self.request, self.got = number, request, got
        self.open: asyncio.Future[None] = loop.create_future()
        self.over: asyncio.Future[None] = loop.create_future()
        self.rest = b""  # a line that has not come whole

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self.request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        whole, end, self.rest = (self.rest + data).rpartition(b"\n")
        if not self.open.done() and b"retry: " in whole:
            self.open.set_result(None)
        for id in ID.findall(whole + end):
            self.got.extend((self.number, int(id), now))

    def connection_lost(self, error: Exception | None) -> None:
        for waiting in (self.open, self.over):
            if not waiting.done():
                waiting.set_result(None)


def request(url: str, cookie: str) -> bytes:
    """What a browser sends, word for word as long."""
    address = urlsplit(url)
    return (
        f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: keep-alive\r\n"
        'sec-ch-ua-platform: "Linux"\r\nCache-Control: no-cache\r\n'
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/142.0.0.0 Safari/537.36\r\nAccept: text/event-stream\r\nSec-Fetch-Site: same-origin\r\n"
        f"Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nReferer: {url}\r\n"
        "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\n"
        f"Cookie: session={cookie}\r\n\r\n"
    ).encode()


async def watch(url: str, cookies: list[str]) -> array[int]:
    loop, address, got = asyncio.get_running_loop(), urlsplit(url), array("q")
    door, watchers = asyncio.Semaphore(AT_ONCE), []

    async def enter(number: int, cookie: str) -> None:
        async with door:
            watcher = Watcher(number, request(url, cookie), got, loop)
            watchers.append(watcher)
            await loop.create_connection(lambda: watcher, address.hostname or "", address.port or 0)
            await watcher.open

    await asyncio.gather(*(enter(number, cookie) for number, cookie in enumerate(cookies)))
    print("ready", flush=True)
    await asyncio.gather(*(watcher.over for watcher in watchers))
    return got


def main() -> None:
    url, count, folder = sys.argv[1:]
    cookies = Path(folder, "cookies").read_text().split()[: int(count)]
    Path(folder, "came").write_bytes(uvloop.run(watch(url, cookies)).tobytes())


if __name__ == "__main__":
    main()
