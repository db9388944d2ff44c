"""What a person may ask for. Each act leaves its entry in the audit log, in the same transaction.

A view or a command calls one of these and shows what it gives back, or the
sentence of Refused. Nothing here waits for AWS longer than one look.
"""

from __future__ import annotations

from backups.actions.asking import AT_ONCE, THE_SCHEDULE, Actor, Refused, actor_of, note
from backups.actions.backing import (
    accept_fall,
    check_backup,
    look,
    open_part,
    rebuild_catalogue,
    set_policy,
    start_backup,
    start_keep,
    start_scheduled,
    upload,
)
from backups.actions.comparing import (
    differences,
    read_history,
    rebuild_history,
    reveal,
    start_compare,
    start_find,
)
from backups.actions.restoring import (
    confirmation,
    identity_map,
    plan_again,
    plan_chosen,
    plan_restore,
    start_restore,
)
from backups.actions.running import cancel, may_resume, pause, resume

__all__ = [
    "AT_ONCE",
    "THE_SCHEDULE",
    "Actor",
    "Refused",
    "accept_fall",
    "actor_of",
    "cancel",
    "check_backup",
    "confirmation",
    "differences",
    "identity_map",
    "look",
    "may_resume",
    "note",
    "open_part",
    "pause",
    "plan_again",
    "plan_chosen",
    "plan_restore",
    "read_history",
    "rebuild_catalogue",
    "rebuild_history",
    "resume",
    "reveal",
    "set_policy",
    "start_backup",
    "start_compare",
    "start_find",
    "start_keep",
    "start_restore",
    "start_scheduled",
    "upload",
]
