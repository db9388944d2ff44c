"""Which user on one side is which user on the other.

By ``sub`` first. Then, in pools with the e-mail as username, by e-mail, verified
or not (such a pool refuses any duplicate); in others by Username, then by
verified e-mail. Letters are told apart as the pool does it.

Who comes from a provider (EXTERNAL_PROVIDER) holds no e-mail: a pool takes a native user with the same one.
They go by their Username alone, which is the provider's own, capitals and all.
"""

from __future__ import annotations

import unicodedata
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from backups.core.places import Places
from backups.core.snapshot import PoolFacts, User


@dataclass(frozen=True, slots=True)
class Rules:
    """How a pool tells its users apart."""

    email_is_username: bool
    case_sensitive: bool

    @classmethod
    def of(cls, facts: PoolFacts) -> Rules:
        return cls(facts.email_is_username, facts.case_sensitive)

    @classmethod
    def guess(cls, users: Iterable[User]) -> Rules:
        """For two files and no pool to ask: Username = sub is the mark of an e-mail pool.

        Case is folded: two spellings of an address are one person more often than two.
        """
        sample = list(islice(users, 100))
        return cls(bool(sample) and all(user.username == user.sub for user in sample), case_sensitive=False)

    def fold(self, text: str) -> str:
        text = unicodedata.normalize("NFC", text)
        return text if self.case_sensitive else text.lower()

    def names(self, user: User) -> tuple[tuple[str, str], ...]:
        """(how, name) by which this user can be found where the sub does not: the surest first."""
        if user.status == "EXTERNAL_PROVIDER":
            return (("username", user.username),)
        email = self.fold(user.email)
        if self.email_is_username:
            return (("email", email),) if email else ()
        found = [("username", self.fold(user.username))]
        if email and user.email_verified:
            found.append(("email", email))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Known:
    """What decides about somebody who is there."""

    sub: str
    username: str
    created: str
    status: str
    verified: bool
    number: int = -1  # in the index


class Index:
    """One side, findable by sub and by name; its users are numbered from 0 on, as they were added.

    Where ``at`` reads a user again by the place that came with them, some 70 bytes a user are kept in a pool
    with e-mail as username, and 100 in others. Without it the users themselves are kept.
    """

    def __init__(
        self, rules: Rules, users: Iterable[User] = (), *, at: Callable[[int], User] | None = None
    ) -> None:
        self.rules, self._at = rules, at
        self._held: list[User] = []
        self._places = array("q")
        self._keys = Places()
        self._names = {"email": Places(), "username": Places()}
        for user in users:
            self.add(user)

    def __len__(self) -> int:
        return len(self._places)

    def add(self, user: User, place: int = -1) -> None:
        """A user who comes twice (a list may repeat itself) counts once."""
        number = len(self._places)
        if not self._keys.add_first(user.key, number):
            return
        self._places.append(place)
        if self._at is None:
            self._held.append(user)
        for how, name in self.rules.names(user):
            self._names[how].add_first(name, number)

    def keyed(self, key: str) -> int | None:
        """The number of who has this sub; in a side without subs, this Username."""
        return self._keys.first(key)

    def named(self, how: str, name: str) -> int | None:
        """The number of the first who has this name, as ``Rules.names`` gives it."""
        return self._names[how].first(name)

    def user(self, number: int) -> User:
        return self._at(self._places[number]) if self._at else self._held[number]

    def known(self, number: int) -> Known:
        user = self.user(number)
        return Known(user.sub, user.username, user.created, user.status, user.email_verified, number)
