"""What is learned by walking over the users of a backup."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from backups.core.snapshot import PoolFacts, User


@dataclass(slots=True)
class People:
    """What is learned by walking over the backup's users."""

    by_case: int = 0  # users who differ from another one by nothing but the case of letters
    by_form: int = 0  # … by nothing but Unicode's form of them
    without_phone: int = 0


def learn(users: Callable[[], Iterable[User]], facts: PoolFacts) -> People:
    """Two walks, and a third where names clash. What is kept are two numbers for each name with capitals or
    accents, not the names.
    """
    people = People()
    odd: dict[int, int] = {}  # how a name reads to the strictest eye -> how it was spelled first
    clash: set[int] = set()
    for user in users():
        name = _name(user, facts)
        folded = _folded(name)
        if folded != name and odd.setdefault(hash(folded), hash(name)) != hash(name):
            clash.add(hash(folded))
        people.without_phone += not user.attributes.get("phone_number")
    if odd:
        plain = (name for user in users() if (name := _name(user, facts)) == _folded(name))
        clash.update(key for name in plain if (key := hash(name)) in odd)
    spellings: dict[str, set[str]] = {}
    for user in users() if clash else ():
        name = _name(user, facts)
        if hash(folded := _folded(name)) in clash:
            spellings.setdefault(folded, set()).add(name)
    for spelled in spellings.values():
        forms = {unicodedata.normalize("NFC", name) for name in spelled}
        people.by_form += len(spelled) - len(forms)
        people.by_case += len(forms) - 1
    return people


def _name(user: User, facts: PoolFacts) -> str:
    return user.email if facts.email_is_username else user.username


def _folded(name: str) -> str:
    return name if name.isascii() and name == name.lower() else unicodedata.normalize("NFC", name).casefold()
