"""What somebody typed or ticked for a restore -> Choices; what cannot be meant is refused with a sentence."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from backups.core.choices import Choices, Condition, Existing, Guard, How
from backups.core.snapshot import ADDRESSES

MOST_NAMES, LONGEST_NAME = 100_000, 2_048
LONGEST_SAID = 128  # what Cognito lets a Username or a group be called
LARGEST_LIST = 10_000_000
"""Bytes of an uploaded list of names."""
MOST_TESTS, LONGEST_VALUE = 20, 2_048
_BETWEEN = re.compile(r"[\r\n;,\t]+")
_QUOTES = "\"'<>"


class NotAsked(ValueError):
    """What was typed cannot be meant; the message says why, and is fit for a page."""


def names(text: str) -> tuple[str, ...]:
    """E-mails or Usernames, one a line or parted by commas or semicolons; quotes around them mean nothing.

    Each once, sorted. Raises NotAsked for none, for too many, and for one that is too long.
    """
    found = {name for part in _BETWEEN.split(text) if (name := part.strip().strip(_QUOTES).strip())}
    if not found:
        raise NotAsked("The list of users is empty, so nobody would be restored.")
    if len(found) > MOST_NAMES:
        raise NotAsked(f"The list holds {len(found):,} users; {MOST_NAMES:,} are the most. Restore in parts.")
    if any(len(name) > LONGEST_NAME for name in found):
        raise NotAsked(f"A name in the list has more than {LONGEST_NAME:,} characters: is it parted rightly?")
    return tuple(sorted(found))


def in_turn(text: str, most: int = MOST_NAMES) -> tuple[str, ...]:
    """Users or groups that are named, one a line, each once, in their order. Raises NotAsked."""
    found = tuple(dict.fromkeys(name for line in text.splitlines() if (name := line.strip())))
    if not found:
        raise NotAsked("Nobody is named who comes first.")
    if len(found) > most:
        raise NotAsked(f"{len(found):,} are named; {most:,} are the most.")
    return found


def short(text: str) -> str:
    """What somebody typed, as a sentence can repeat it."""
    return text if len(text) <= LONGEST_SAID else f"{text[:LONGEST_SAID]}…"


def tests(fields: Sequence[str], hows: Sequence[str], values: Sequence[str]) -> tuple[Condition, ...]:
    """The rows of a form, one of each sequence a row; a row without a field is none. Raises NotAsked."""
    if not len(fields) == len(hows) == len(values):
        raise NotAsked("A condition is not whole: choose a field, how it is held, and a text.")
    made = []
    for typed, how, text in zip(fields, hows, values, strict=True):
        field, value = typed.strip(), text.strip()
        if not field and not value:
            continue
        if not field:
            raise NotAsked(f"Which field is to hold “{short(value)}”? Nothing was planned.")
        if how not in frozenset(How):
            raise NotAsked(f"Choose how {short(field)} is held against the text.")
        if not value and how not in (How.IS, How.LACKS):
            raise NotAsked(f"The condition on {short(field)} has no text.")
        if max(len(field), len(value)) > LONGEST_VALUE:
            raise NotAsked(f"A condition has more than {LONGEST_VALUE:,} characters.")
        made.append(Condition(field, How(how), value))
    if len(made) > MOST_TESTS:
        raise NotAsked(f"{MOST_TESTS} conditions are the most.")
    return tuple(made)


def treatment(existing: str, guards: Collection[str]) -> tuple[Existing, frozenset[Guard]]:
    """What is done with users who are there. Raises NotAsked."""
    if existing not in frozenset(Existing):
        raise NotAsked("Choose what is done with users who are in the pool already.")
    if unknown := set(guards) - frozenset(Guard):
        raise NotAsked(f"There is no guard called {short(', '.join(sorted(unknown)))}.")
    return Existing(existing), frozenset(map(Guard, guards))


def guessable(name: str) -> bool:
    """Whether a default may be written for a required attribute: nobody's address is guessed."""
    return name.removesuffix("_verified") not in ADDRESSES


def defaults(typed: Mapping[str, str]) -> dict[str, str]:
    """Required attribute -> what is written for who lacks it; an empty one is none. Raises NotAsked."""
    given = {name: value.strip() for name, value in typed.items() if value.strip()}
    if addresses := sorted(name for name in given if not guessable(name)):
        raise NotAsked(f"Nobody's address is guessed: {', '.join(addresses)} cannot have a default.")
    if long := [name for name, value in given.items() if len(value) > LONGEST_VALUE]:
        raise NotAsked(f"What is to be written as {long[0]} has more than {LONGEST_VALUE:,} characters.")
    return given


def in_words(choices: Choices) -> list[str]:
    """What was chosen besides "everything missing", a sentence's part each; [] for that alone."""
    told = []
    if choices.users is not None:
        told.append(f"{len(choices.users):,} named user{'s' * (len(choices.users) != 1)}")
    told += [_said(test) for test in choices.tests]
    if choices.existing is not Existing.SKIP:
        told.append(f"who exists: {_EXISTING[choices.existing]}")
    told += [f"allowed: {_GUARDS[guard]}" for guard in sorted(choices.guards)]
    if choices.link:
        told.append("users who sign in through a provider too are made, and linked again")
    if number := len(choices.again):
        one, same = ("person", "is the same person") if number == 1 else ("people", "are the same people")
        told.append(f"{number:,} {one} with a new account {same}")
    told += [f"where {name} is missing: “{value}”" for name, value in sorted(choices.defaults.items())]
    if choices.leave_out:
        told.append(f"left out: {', '.join(sorted(choices.leave_out))}")
    return told


_EXISTING = {Existing.FILL: "fill empty fields", Existing.OVERWRITE: "overwrite fields that differ"}
_GUARDS = {
    Guard.ENABLE: "re-enable disabled users",
    Guard.PRIVILEGED: "add to privileged groups",
    Guard.NEWER: "overwrite newer data",
    Guard.REPLACE: "delete unconfirmed sign-ups",
}
HOWS = {How.IS: "is", How.BEGINS: "begins with", How.HAS: "holds", How.LACKS: "does not hold"}


def _said(test: Condition) -> str:
    if not test.value:
        return f"{test.field} is {'not ' * (test.how is How.LACKS)}empty"
    return f"{test.field} {HOWS[test.how]} “{test.value}”"
