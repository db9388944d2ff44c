"""The users of one backup, cut into small pieces that mostly stay the same from one backup to the next.

    hash of a user's key (User.key), its first bits -> the number of a shard: some 8 to 15 users, a line each
    hash of any other name of theirs, its first bits -> the number of a shard: name's hash -> key's hash

What a shard holds depends on its users alone, not on their order, so that the same users give the same
bytes: two backups an hour apart share all shards but those of who changed. Who changes under the same names
touches one shard; the names, most of which never change, lie in the same shards and point at keys, not at
states. Held in memory are 24 bytes a user; the users themselves one shard at a time.
"""

from __future__ import annotations

import hashlib
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from backups.core.history import State, folded
from backups.core.snapshot import User

USERS = 8
"""Of a shard at least, on average. Fewer make a backup's list longer, more make each change cost more:
16 take 40 % more room at 20 changes a backup, and longer to look through."""
MAX_BITS = 20
MAX_SHARD = 64 * 1024 * 1024
"""Bytes of a shard's users. AWS's have kilobytes; whoever plants more does not get our memory."""
_HASH = 8  # bytes
_NAME = 2 * _HASH


class TooLarge(ValueError):
    """Users as no pool has them; the message says so, and is fit for a page."""


def hash_of(name: str) -> int:
    """Of a key or another name, as anybody may spell it."""
    text = folded(name).encode(errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=_HASH).digest())


def bits_for(users: int) -> int:
    """How many first bits of a hash name the shard, in a backup of so many users."""
    return min(MAX_BITS, max(0, (users // USERS).bit_length() - 1))


def number_of(hashed: int, bits: int) -> int:
    return hashed >> (8 * _HASH - bits)


@dataclass(frozen=True)
class Shard:
    """One piece. ``names``: pairs of hashes, sorted; ``users``: lines of State, sorted."""

    names: bytes
    users: bytes

    @property
    def digest(self) -> bytes:
        sized = len(self.names).to_bytes(_HASH) + self.names + self.users
        return hashlib.blake2b(sized, digest_size=16).digest()

    def packed(self) -> bytes:
        """The users as they are kept."""
        return zlib.compress(self.users, 6)

    @classmethod
    def unpacked(cls, names: bytes, users: bytes) -> Shard:
        return cls(names, zlib.decompress(users))

    @cached_property
    def lines(self) -> list[bytes]:
        return self.users.splitlines()

    def keys_of(self, hashed: int) -> Iterator[int]:
        """Hashes of the keys of who bears the name with this hash."""
        wanted = hashed.to_bytes(_HASH)
        pairs = range(0, len(self.names), _NAME)
        for at in pairs[bisect_left(pairs, wanted, key=lambda at: self.names[at : at + _HASH]) :]:
            if self.names[at : at + _HASH] != wanted:
                return
            yield int.from_bytes(self.names[at + _HASH : at + _NAME])


def cut(
    users: Iterable[tuple[User, int]],
    count: int,
    at: Callable[[int], User],
    memberships: Mapping[str, frozenset[str]] | None,
) -> Iterator[Shard]:
    """Every shard, by number. ``users`` come with the place under which ``at`` gives them again.

    A user who comes twice counts once, as they came first. Raises TooLarge.
    """
    bits = bits_for(count)
    places = [bytearray() for _ in range(1 << bits)]
    names = [bytearray() for _ in range(1 << bits)]
    for user, place in users:
        key = hash_of(user.key)
        places[number_of(key, bits)] += place.to_bytes(_HASH)
        for name in {user.username, user.email, user.key} - {user.key, ""}:
            hashed = hash_of(name)
            if hashed != key:
                names[number_of(hashed, bits)] += hashed.to_bytes(_HASH) + key.to_bytes(_HASH)
    for number, listed in enumerate(places):
        found: dict[str, bytes] = {}
        size = 0
        for start in range(0, len(listed), _HASH):
            user = at(int.from_bytes(listed[start : start + _HASH]))
            if user.key in found:
                continue
            groups = None if memberships is None else memberships.get(user.username, frozenset())
            line = State.of(user, groups).line()
            size += len(line)
            if size > MAX_SHARD:
                raise TooLarge("it holds users larger than any that a pool has")
            found[user.key] = line
        pairs = names[number]
        told = sorted({bytes(pairs[start : start + _NAME]) for start in range(0, len(pairs), _NAME)})
        yield Shard(b"".join(told), b"\n".join(sorted(found.values())))
