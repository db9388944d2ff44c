"""Which user on one side is which user on the other.

By ``sub`` first. Then, in pools with the e-mail as username, by e-mail, verified
or not (such a pool refuses any duplicate); in others by Username, then by
verified e-mail. Letters are told apart as the pool does it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

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


class Index:
    """One side, findable by sub and by name. About 500 bytes a user."""

    def __init__(self, rules: Rules, users: Iterable[User] = ()) -> None:
        self.rules = rules
        self._by_sub: dict[str, Known] = {}
        self._by_name: dict[tuple[str, str], Known] = {}
        for user in users:
            self.add(user)

    def __len__(self) -> int:
        return len(self._by_sub)

    def add(self, user: User) -> None:
        """A user who comes twice (a list may repeat itself) counts once."""
        if user.key in self._by_sub:
            return
        known = Known(user.sub, user.username, user.created, user.status, user.email_verified)
        self._by_sub[user.key] = known
        for name in self.rules.names(user):
            self._by_name.setdefault(name, known)

    def find(self, user: User) -> tuple[Known, str] | None:
        """(the same person here, "sub" | "email" | "username"), or None."""
        if known := self._by_sub.get(user.key):
            return known, "sub"
        for how, name in self.rules.names(user):
            if known := self._by_name.get((how, name)):
                return known, how
        return None
