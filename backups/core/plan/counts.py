"""A plan in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from backups.core.choices import Guard
from backups.core.plan.line import Line
from backups.core.plan.mails import mail_allowed, mail_limit
from backups.core.plan.words import Action, Messages
from backups.core.snapshot import PoolFacts

NAMES = 300
"""Names of attributes that the numbers tell, at most: a strange file may have any number of them."""


@dataclass(slots=True)
class Counts:
    """A plan in numbers. Folded from its lines, one ``note`` each."""

    create: int = 0
    update: int = 0
    skip: int = 0
    cannot: int = 0
    memberships: int = 0
    disabled: int = 0  # of those created: disabled in the backup, and so again
    unverified: int = 0  # of those created and enabled: no verified e-mail, nor a provider to sign in through
    reset_required: int = 0  # of those created: were RESET_REQUIRED, come back otherwise
    invitable: int = 0  # of those created: enabled, with an e-mail
    resettable: int = 0  # of those created: enabled, with a verified e-mail
    withheld: int = 0  # memberships that a guard keeps users out of
    held: int = 0  # users of whom a guard, or more than one, holds something back
    links: int = 0
    replaced: int = 0  # of those created: an account that nobody confirmed is deleted first
    factors_lost: int = 0  # of those created: had a second factor, come back without one
    by_reason: dict[str, int] = field(default_factory=dict)
    guards: dict[str, int] = field(default_factory=lambda: dict.fromkeys(map(str, sorted(Guard)), 0))
    """Guard -> users who would be written otherwise, or more, with it allowed."""
    updates: dict[str, int] = field(default_factory=dict)  # field -> users in whom it is written
    unknown: dict[str, int] = field(default_factory=dict)  # attribute -> users who cannot come back for it
    left_out: dict[str, int] = field(default_factory=dict)  # attribute -> users who come back without it
    defaults: dict[str, int] = field(default_factory=dict)  # attribute -> users who get the chosen default
    immutable: dict[str, int] = field(default_factory=dict)  # attribute -> users in whom it differs and stays
    groups: set[str] = field(default_factory=set)  # that somebody comes back into

    def note(self, line: Line) -> None:
        setattr(self, line.action, getattr(self, line.action) + 1)
        _add(self.by_reason, line.reason)
        self.withheld += len(line.withheld)
        self.guards[Guard.PRIVILEGED] += bool(line.withheld)
        self.held += bool(line.held or line.withheld)
        if line.held:
            self.guards[line.held] += 1
        _add(self.immutable, *line.immutable)
        if line.reason == "unknown-attribute":
            _add(self.unknown, *line.unknown)
        elif line.action is not Action.SKIP:
            _add(self.left_out, *line.unknown)
        _add(self.updates, *(name for name, _, _ in line.changes))
        self.memberships += len(line.groups)
        self.groups.update(line.groups)
        if line.action is not Action.CREATE:
            return
        user = line.user
        self.links += len(line.links)
        self.replaced += bool(line.removes)
        self.factors_lost += bool(line.factors)
        _add(self.defaults, *line.defaults)
        self.reset_required += user.status == "RESET_REQUIRED"
        if not user.enabled:
            self.disabled += 1
            return
        self.invitable += bool(user.email)
        self.resettable += bool(user.email and user.email_verified)
        self.unverified += not (line.links or (user.email and user.email_verified))

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> Counts:
        """Of a stored plan; of the groups it keeps the number only."""
        names = {one.name for one in fields(cls)} - {"groups"}
        return cls(**{name: value for name, value in told.items() if name in names})

    def mails(self, messages: str) -> int:
        """Mails that the restore itself sends."""
        return self.invitable if messages == Messages.INVITE else 0

    def codes(self, messages: str) -> int:
        """Codes that people will ask for before they are in again."""
        return self.resettable if messages == Messages.SILENT else 0

    def as_json(self, facts: PoolFacts, reserve: int, sent: int = 0) -> dict[str, Any]:
        """For the stored plan: the numbers, and each way's mails and codes against the day's limit.

        ``reserve``: mails of the day that are kept for codes; ``sent``: those that restores sent today.
        """
        numbers = {name: value for name, value in asdict(self).items() if name != "groups"}
        for name in ("updates", "unknown", "left_out", "defaults", "immutable"):
            numbers[name] = dict(sorted(numbers[name].items(), key=lambda one: (-one[1], one[0]))[:NAMES])
        return {
            **numbers,
            "groups": len(self.groups),
            "mails": {way.value: self.mails(way) for way in Messages},
            "codes": {way.value: self.codes(way) for way in Messages},
            "mail_limit": mail_limit(facts),
            "mail_allowed": mail_allowed(facts, reserve, sent),
            "mails_today": sent,
        }


def _add(counted: dict[str, int], *names: str) -> None:
    for name in names:
        counted[name] = counted.get(name, 0) + 1
