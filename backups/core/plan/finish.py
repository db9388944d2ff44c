"""What an earlier restore did not come to, of somebody whom it created."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from backups.core.choices import Guard
from backups.core.matching import Known
from backups.core.plan.line import Line, Terms
from backups.core.plan.single import ENABLED
from backups.core.plan.words import Action
from backups.core.seen import fingerprint
from backups.core.snapshot import User, in_utc


class Left(NamedTuple):
    """A restore that is over and left somebody unfinished."""

    job: int
    until: str  # what changed later was not its work: ISO 8601, UTC


def finished(line: Line, known: Known, live: User, left: Left, terms: Terms) -> Line:
    """An update that ends what an earlier restore, which is over, began; else a skip that says what lacks.

    Whatever becomes of users who exist: disabled as in the backup, and into the groups. Their attributes came
    with the create, so another value is by now the user's own. Nobody gets a password or a message: what
    is lacking there is said. Whom somebody changed after that restore, may be by enabling them or taking
    them out of a group, is held to the same guard as everybody else.
    """
    user = line.user
    changes = ((ENABLED, "true", "false"),) if live.enabled and not user.enabled else ()
    groups, withheld = terms.groups(user, terms.members.get(known.username, ()))
    waits = user.enabled and live.enabled and live.status == "FORCE_CHANGE_PASSWORD" and bool(live.email)
    if not changes and not groups:
        return replace(line, reason="waits" if waits else line.reason, withheld=withheld)
    modified = in_utc(live.modified)
    if not (modified and modified <= left.until) and Guard.NEWER not in terms.choices.guards:
        return replace(line, reason="newer-unfinished", withheld=withheld, held=Guard.NEWER)
    return replace(
        line,
        action=Action.UPDATE,
        reason="finish-waits" if waits else "finish",
        detail=", ".join([*(name for name, _, _ in changes), *groups]),
        username=known.username,
        changes=changes,
        groups=groups,
        withheld=withheld,
        seen=fingerprint(live),
    )
