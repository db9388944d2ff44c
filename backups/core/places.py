"""Where somebody is found again by a name or a key: some 23 bytes for each, however long the text.

Of a text its digest is kept, of 16 bytes, and beside it a number of four: what it stands for is the
caller's affair. Two texts of one digest do not happen, nor does a digest that begins in the middle of
another entry; so a place is found by one search in a few kilobytes.
"""

from __future__ import annotations

import hashlib
import struct

_BLAKE = hashlib.blake2b
_ENTRY = struct.Struct("<16sI")
_HEAPS = 4_096  # of a million entries each has some 5 KB


class Places:
    """Text -> numbers below 2**32, in the order in which they came."""

    __slots__ = ("_heaps",)

    def __init__(self) -> None:
        self._heaps = [bytearray() for _ in range(_HEAPS)]

    def add(self, text: str, number: int) -> None:
        digest, heap = self._of(text)
        heap += _ENTRY.pack(digest, number)

    def add_first(self, text: str, number: int) -> bool:
        """False where the text has a number already, and keeps it."""
        digest, heap = self._of(text)
        if digest in heap:
            return False
        heap += _ENTRY.pack(digest, number)
        return True

    def first(self, text: str) -> int | None:
        digest, heap = self._of(text)
        at = heap.find(digest)
        return None if at < 0 else _number(heap, at)

    def every(self, text: str) -> list[int]:
        digest, heap = self._of(text)
        found, at = list[int](), heap.find(digest)
        while at >= 0:
            found.append(_number(heap, at))
            at = heap.find(digest, at + _ENTRY.size)
        return found

    def _of(self, text: str) -> tuple[bytes, bytearray]:
        digest = _BLAKE(text.encode(errors="surrogatepass"), digest_size=16).digest()
        return digest, self._heaps[(digest[0] << 4) | (digest[1] >> 4)]


def _number(heap: bytearray, at: int) -> int:
    return int.from_bytes(heap[at + 16 : at + _ENTRY.size], "little")
