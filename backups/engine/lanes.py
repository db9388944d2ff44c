"""Every user of a pool, by sixteen readers side by side: one for each first digit of a ``sub``.

    sub ^= "0" ─┐
    sub ^= "1" ─┤-> a bounded queue of chunks -> one iterator, in no order
    …           ┘

They share the pool's own pace, so the quota is the same; side by side they reach it although each
page takes a while. Any lane's failure ends all of them: a list is whole, or it is an error.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import islice

from backups.core.snapshot import Entry
from backups.engine.ports import Cause, PortError, UserPool

DIGITS = "0123456789abcdef"
WORTH = 1_000
"""Users from which lanes pay: below, sixteen first pages cost more calls than one chain has."""
CHUNK = 60  # a page


def every_user(pool: UserPool, estimate: int | None) -> Iterator[Entry]:
    """As ``UserPool.users``; ``estimate`` is AWS's own count. Raises PortError.

    Whoever stops listening ends the readers with it.
    """
    if estimate is None or estimate < WORTH:
        yield from pool.users()
        return
    chunks: queue.Queue[list[Entry] | BaseException | None] = queue.Queue(2 * len(DIGITS))
    stop = threading.Event()

    def put(chunk: list[Entry] | BaseException | None) -> None:
        while not stop.is_set():
            try:
                chunks.put(chunk, timeout=0.2)
                return
            except queue.Full:
                continue

    def read(digit: str) -> None:
        try:
            walk = iter(pool.users(digit))
            while not stop.is_set() and (chunk := list(islice(walk, CHUNK))):
                put(chunk)
            put(None)
        except BaseException as error:  # told to whoever listens, in their own thread
            put(error)

    with ThreadPoolExecutor(len(DIGITS), thread_name_prefix="lane") as threads:
        lanes = [threads.submit(read, digit) for digit in DIGITS]
        try:
            over, begun = 0, False
            while over < len(lanes):
                chunk = chunks.get()
                if isinstance(chunk, PortError) and chunk.cause is Cause.REFUSED and not begun:
                    break  # a place that knows no such filter has one chain all the same
                if isinstance(chunk, BaseException):
                    raise chunk
                if chunk is None:
                    over += 1
                else:
                    begun = True
                    yield from chunk
            else:
                return
        finally:
            stop.set()
            wait(lanes)
    yield from pool.users()
