"""Every user of a pool once, by sixteen readers side by side, each for the subs of one beginning.

    sub ^= "0" ─┐
    sub ^= "1" ─┤-> a bounded queue of chunks -> one iterator, in no order
    …           ┘

They share the pool's own pace, so the quota is the same; side by side they reach it although each
page takes a while. A lane that AWS refuses in its middle (a page token that it no longer takes) is
read again from its beginning; any other failure ends all of them: a list is whole, or it is an error.

A large pool has more lanes than readers: who is done takes the next one, so that nobody waits for the
slowest, and what tells users apart is forgotten with its lane.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Collection, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import islice, product

from backups.core.snapshot import Entry, User
from backups.engine.ports import Cause, PortError, UserPool

DIGITS = "0123456789abcdef"
READERS = 16
WORTH = 1_000
"""Users from which lanes pay: below, sixteen first pages cost more calls than one chain has."""
LANE = 32_000
"""Users a lane has at most, roughly: its last page is half empty, which is 1.5 % of a lane of 2,000."""
AGAIN = 2  # times that a lane is read once more from its beginning
CHUNK = 60  # a page
LEAD = 2  # chunks
LOOK = 0.2  # seconds between two looks whether anybody still listens
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Seen:
    """Who came already, told apart exactly: some 80 bytes for a sub as AWS writes them. Thread-safe."""

    def __init__(self) -> None:
        self._keys: set[int | str] = set()
        self._lock = threading.Lock()

    def add(self, key: str) -> bool:
        """False when it was there."""
        small = int(key.replace("-", ""), 16) if _UUID.fullmatch(key) else key
        with self._lock:
            before = len(self._keys)
            self._keys.add(small)
            return len(self._keys) > before


class _Abreast:
    """Who is ahead waits for the slowest. A pace gives its calls to whoever comes first, and the last pages
    of a lane that fell behind would be read alone, one after the other: a second or more at 200 ms each.
    """

    def __init__(self) -> None:
        self._chunks = dict.fromkeys(range(READERS), 0)
        self._changed = threading.Condition()
        self._over = False

    def step(self, me: int) -> None:
        """One chunk more; returns when that is not more than LEAD ahead of anybody."""
        with self._changed:
            self._chunks[me] += 1
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._over or self._chunks[me] - min(self._chunks.values()) <= LEAD
            )

    def leave(self, me: int) -> None:
        with self._changed:
            del self._chunks[me]
            self._changed.notify_all()

    def end(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._over = True
            self._changed.notify_all()


def every_user(pool: UserPool, estimate: int | None) -> Generator[Entry, None, None]:
    """As ``UserPool.users``, but everybody once; ``estimate`` is AWS's own count. Raises PortError.

    Whoever stops listening closes it, and the readers with it.
    """
    if estimate is None or estimate < WORTH:
        yield from _lane(pool, "", {""}, Seen())
        return
    prefixes = beginnings(estimate)
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for prefix in prefixes:
        waiting.put(prefix)
    chunks: queue.Queue[list[Entry] | BaseException | None] = queue.Queue(2 * READERS)
    stop, others, abreast = threading.Event(), Seen(), _Abreast()

    def put(chunk: list[Entry] | BaseException | None) -> None:
        while not stop.is_set():
            try:
                chunks.put(chunk, timeout=LOOK)
                return
            except queue.Full:
                continue

    def read(me: int) -> None:
        try:
            while not stop.is_set():
                walk = _lane(pool, waiting.get_nowait(), prefixes, others)
                while not stop.is_set() and (chunk := list(islice(walk, CHUNK))):
                    put(chunk)
                    abreast.step(me)
        except queue.Empty:
            put(None)
        except BaseException as error:  # told to whoever listens, in their own thread
            put(error)
        finally:
            abreast.leave(me)

    with ThreadPoolExecutor(READERS, thread_name_prefix="lane") as threads:
        readers = [threads.submit(read, number) for number in range(READERS)]
        try:
            over, begun = 0, False
            while over < len(readers):
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
            abreast.end()
            wait(readers)
    yield from _lane(pool, "", {""}, Seen())


def beginnings(estimate: int) -> frozenset[str]:
    """One digit, or as many as it takes for lanes of at most ``LANE`` users."""
    digits = 1
    while estimate > LANE * len(DIGITS) ** digits:
        digits += 1
    return frozenset(map("".join, product(DIGITS, repeat=digits)))


def _lane(pool: UserPool, prefix: str, lanes: Collection[str], others: Seen) -> Iterator[Entry]:
    """Who begins with ``prefix``, once. ``others`` knows whoever is in none of the ``lanes``."""
    seen, again = Seen(), AGAIN
    while True:
        try:
            for entry in pool.users(prefix):
                user = User.of(entry)
                begins = user.sub[: len(prefix)]
                if begins == prefix:
                    fresh = seen.add(user.key)
                else:  # somebody of another lane, where a place looks at no filter
                    fresh = begins not in lanes and others.add(user.key)
                if fresh:
                    yield entry
            return
        except PortError as error:
            if error.cause is not Cause.REFUSED or not again:
                raise _not_whole(error, prefix) from None
            again -= 1


def _not_whole(error: PortError, prefix: str) -> PortError:
    missing = f"users whose sub begins with “{prefix}” are missing" if prefix else "users are missing"
    again = f", also when it was read again {AGAIN} times" if error.cause is Cause.REFUSED else ""
    return PortError(f"{error} The list is not whole{again}: {missing}.", error.cause, code=error.code)
