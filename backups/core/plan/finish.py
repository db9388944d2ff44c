"""What an earlier restore did not come to, of somebody whom it created."""

from __future__ import annotations

from dataclasses import replace

from backups.core.matching import Known
from backups.core.plan.line import Line, Terms
from backups.core.plan.single import ENABLED
from backups.core.plan.words import Action
from backups.core.seen import fingerprint
from backups.core.snapshot import User


def finished(line: Line, known: Known, live: User, terms: Terms) -> Line:
    """An update that ends what an earlier restore, which is over, began; else a skip that says what lacks.

    Whatever becomes of users who exist: disabled as in the backup, and into the groups. Their attributes came
    with the create, so another value is by now the user's own. Nobody gets a password or a message: what
    is lacking there is said.
    """
    user = line.user
    changes = ((ENABLED, "true", "false"),) if live.enabled and not user.enabled else ()
    groups, withheld = terms.groups(user, terms.members.get(known.username, ()))
    waits = user.enabled and live.enabled and live.status == "FORCE_CHANGE_PASSWORD" and bool(live.email)
    if not changes and not groups:
        return replace(line, reason="waits" if waits else line.reason, withheld=withheld)
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
