"""One user of a plan, and what decides about them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from backups.core.choices import EVERYTHING_MISSING, Choices, Guard, Memberships
from backups.core.matching import Known
from backups.core.plan.words import Action
from backups.core.snapshot import PoolFacts, User


@dataclass(frozen=True, slots=True)
class Line:
    """What the plan holds for one user. Of a skip and a cannot nothing is written."""

    position: int  # 0 is the backup's first
    user: User
    action: Action
    reason: str
    detail: str = ""
    username: str = ""  # what a create is called with, and an update written to
    attributes: Mapping[str, str] = field(default_factory=dict)  # what a create writes
    groups: tuple[str, ...] = ()  # that a create or an update puts the user into
    known: Known | None = None  # who this person is in the pool, where that is sure
    changes: tuple[tuple[str, str, str], ...] = ()  # of an update: (field, in the pool, in the backup)
    seen: str = ""  # fingerprint of whom an update writes over, or a create deletes, when this was planned
    removes: str = ""  # Username of the unconfirmed account that a create deletes first
    withheld: tuple[str, ...] = ()  # privileged groups that the guard keeps this user out of
    links: tuple[tuple[str, str], ...] = ()  # (provider, subject) to link a native user with again
    twin: bool = False  # another entry of this backup has the same key
    first: bool = False  # of the application's administrators, who come before everybody else
    held: Guard | None = None  # what is not done because this guard is off; not of PRIVILEGED
    unknown: tuple[str, ...] = ()  # attributes that the pool does not know: left out, or why it cannot be
    defaults: tuple[str, ...] = ()  # required attributes that a create writes the chosen default of
    immutable: tuple[str, ...] = ()  # attributes that differ, and can be written at creation only
    factors: str = ""  # of a create: the second factors that do not come back, as words

    @property
    def key(self) -> str:
        """What the ledger calls this line: the user's key, unless another line has it."""
        return f"{self.user.key}#{self.position}" if self.twin else self.user.key


@dataclass(frozen=True, slots=True)
class Terms:
    """What decides a line besides the two users themselves."""

    facts: PoolFacts
    choices: Choices = EVERYTHING_MISSING
    taken_at: str = ""  # when the backup was made: ISO 8601, UTC; "" where nobody knows
    memberships: Memberships | None = None  # of the backup; None: it does not know
    members: Memberships = field(default_factory=dict)  # of the pool
    privileged: frozenset[str] = frozenset()  # groups with an IAM role on either side, or set apart
    factors: Mapping[str, str] = field(default_factory=dict)  # Username in the backup -> as words
    admins: frozenset[str] = frozenset()  # e-mails of the application's administrators, folded

    def first(self, user: User) -> bool:
        return bool(self.admins) and self.facts.fold(user.email) in self.admins

    def groups(self, user: User, there: Collection[str] = ()) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(groups to join, groups withheld) of who is in ``there`` already."""
        names = sorted((self.memberships or {}).get(user.username, frozenset()).difference(there))
        if Guard.PRIVILEGED in self.choices.guards:
            return tuple(names), ()
        withheld = tuple(name for name in names if name in self.privileged)
        return tuple(name for name in names if name not in self.privileged), withheld
