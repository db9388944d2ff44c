"""Finding the last good backup: what is known is not read, the rest is bisected.

    held, oldest first -> core.lastgood.search -> read one whole -> does the rule hold in it? -> …

One that cannot be read, or cannot tell (users only, and groups are asked about), is stepped over and named.
A bucket that does not answer ends the search: that says nothing of any backup.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from backups.core.files import Unreadable
from backups.core.lastgood import Found, Kind, Rule, search
from backups.core.matching import Rules
from backups.engine.ports import BackupStore, Cause, PortError, Report
from backups.engine.reading import Reading, read_backup

OF_ONE = frozenset({Cause.DENIED, Cause.MISSING, Cause.REFUSED})
"""What says something of one object; any other cause is the bucket's, or ours."""
NO_GROUPS = "it holds users only, so it does not tell who is in which group"


@dataclass(frozen=True, slots=True)
class Held:
    """One backup of the pool."""

    key: str
    label: str  # for the log
    known: bool | None = None  # whether the rule holds, where that is known without reading
    why: str = ""  # why it cannot tell; "" where it may


@dataclass(slots=True)
class Looked:
    """What a search found."""

    found: Found
    why: dict[int, str] = field(default_factory=dict)  # place -> why it was stepped over
    users: dict[int, int] = field(default_factory=dict)  # place -> how many it holds, of those that were read
    keys: dict[int, str] = field(default_factory=dict)  # place -> User.key of whom the rule names


def find(
    held: Sequence[Held],
    rule: Rule,
    rules: Rules | None,
    store_of: Callable[[str], BackupStore],
    report: Report,
) -> Looked:
    """``held``: oldest first. ``rules``: how the pool tells users apart; None: read off each backup.

    Raises PortError where the bucket does not answer, Stop.
    """
    looked = Looked(Found((), (), frozenset(), None))
    looked.why = {place: one.why for place, one in enumerate(held) if one.known is None and one.why}
    read = 0

    def ask(place: int) -> bool | None:
        nonlocal read
        one = held[place]
        report.keep_going()
        try:
            with read_backup(store_of(one.key), one.key, report, "users") as reading:
                answer = _holds(reading, rule, rules, looked, place)
        except Unreadable as error:
            looked.why[place] = str(error)
        except PortError as error:
            if error.cause not in OF_ONE:
                raise
            looked.why[place] = str(error)
        else:
            if answer is not None:
                read += 1
                report.count(backups_read=read)
                report.say("note", f"{one.label}: {'good' if answer else 'not good'}")
                return answer
            looked.why[place] = NO_GROUPS
        report.say("note", f"{one.label}: stepped over, {looked.why[place]}")
        return None

    report.phase("Looking for the last good backup", len(held))
    report.count(backups_known=sum(one.known is not None for one in held), backups_read=0)
    looked.found = search([one.known for one in held], [*looked.why], ask)
    return looked


def _holds(reading: Reading, rule: Rule, rules: Rules | None, looked: Looked, place: int) -> bool | None:
    """None: this backup does not know its groups."""
    looked.users[place] = reading.count
    if rule.kind is Kind.AT_LEAST:
        return reading.count >= rule.users
    if rule.kind is Kind.MEMBER and reading.groups is None:
        return None
    members: frozenset[str] | None = None
    if rule.kind is Kind.MEMBER:
        named = (group for group in reading.groups or () if group.name == rule.group)
        members = frozenset(name for group in named for name in group.members)
    how, key = rules or Rules.guess(reading.users()), ""
    for user in reading.users():
        if rule.names(user, how) and (members is None or user.username in members):
            key = min(key or user.key, user.key)
    if key:
        looked.keys[place] = key
    return bool(key)
