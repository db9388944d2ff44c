"""Which user on one side is which user on the other.

By ``sub`` first. Then, in pools with the e-mail as username, by e-mail, verified
or not (such a pool refuses any duplicate); in others by Username, then by
verified e-mail. Letters are told apart as the pool does it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from sys import intern

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
        return text if self.case_sensitive else text.casefold()

    def names(self, user: User) -> tuple[tuple[str, str], ...]:
        """(how, name) by which this user can be found where the sub does not: the surest first."""
        email = self.fold(user.email)
        if self.email_is_username:
            return (("email", email),) if email else ()
        found = [("username", self.fold(user.username))]
        if email and user.email_verified:
            found.append(("email", email))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Known:
    """What the index keeps of one user."""

    sub: str
    username: str
    created: str
    status: str
    verified: bool
    place: int = -1  # where the whole user is read again: the side's own affair; -1: nowhere


class Index:
    """One side, findable by sub and by name. About 600 bytes a user."""

    def __init__(self, rules: Rules, users: Iterable[User] = ()) -> None:
        self.rules = rules
        self._by_key: dict[str, Known] = {}
        self._by_name: dict[str, dict[str, Known]] = {"email": {}, "username": {}}
        for user in users:
            self.add(user)

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[Known]:
        return iter(self._by_key.values())

    def add(self, user: User, place: int = -1) -> None:
        """A user who comes twice (a list may repeat itself) counts once."""
        if user.key in self._by_key:
            return
        # Where the sub is the Username too, and of the few statuses there are, one text is enough.
        username = user.sub if user.username == user.sub else user.username
        known = Known(user.sub, username, user.created, intern(user.status), user.email_verified, place)
        self._by_key[user.key] = known
        for how, name in self.rules.names(user):
            self._by_name[how].setdefault(name, known)

    def keyed(self, key: str) -> Known | None:
        """Who has this sub; in a side without subs, this Username."""
        return self._by_key.get(key)

    def named(self, how: str, name: str) -> Known | None:
        """The first who has this name, as ``Rules.names`` gives it."""
        return self._by_name[how].get(name)

    def find(self, user: User) -> tuple[Known, str] | None:
        """(the same person here, "sub" | "email" | "username"), or None."""
        if known := self.keyed(user.key):
            return known, "sub"
        for how, name in self.rules.names(user):
            if known := self.named(how, name):
                return known, how
        return None
