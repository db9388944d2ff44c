"""What a person may ask for. Each act leaves its entry in the audit log, in the same transaction.

A view or a command calls one of these and shows what it gives back, or the
sentence of Refused. Nothing here waits for AWS longer than one look.
"""

from __future__ import annotations

from backups.actions.aftercare import aftercare_of, open_items, tick, untick
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
from backups.actions.invite import (
    confirmation_of_invite,
    read_people,
    read_waiting,
    readings,
    start_invite,
)
from backups.actions.mail import (
    PoolMail,
    mail_confirmation,
    mail_days,
    mail_of,
    switch_mail,
    switching_refused,
)
from backups.actions.reporting import identity_map, planned, report
from backups.actions.restoring import (
    confirmation,
    groups_of,
    named,
    plan_again,
    plan_chosen,
    plan_restore,
    proposed,
    start_restore,
    starting_refused,
    stopped,
)
from backups.actions.running import cancel, may_resume, pause, resume
from backups.actions.schema import Schema, add_to_schema, lacked, schema_confirmation, schema_of
from backups.actions.undo import (
    confirmation_of_undo,
    may_undo,
    plan_undo,
    start_undo,
    to_undo,
    undoing_refused,
    undone_already,
)

__all__ = [
    "AT_ONCE",
    "THE_SCHEDULE",
    "Actor",
    "PoolMail",
    "Refused",
    "Schema",
    "accept_fall",
    "actor_of",
    "add_to_schema",
    "aftercare_of",
    "cancel",
    "check_backup",
    "confirmation",
    "confirmation_of_invite",
    "confirmation_of_undo",
    "differences",
    "groups_of",
    "identity_map",
    "lacked",
    "look",
    "mail_confirmation",
    "mail_days",
    "mail_of",
    "may_resume",
    "may_undo",
    "named",
    "note",
    "open_items",
    "open_part",
    "pause",
    "plan_again",
    "plan_chosen",
    "plan_restore",
    "plan_undo",
    "planned",
    "proposed",
    "read_history",
    "read_people",
    "read_waiting",
    "readings",
    "rebuild_catalogue",
    "rebuild_history",
    "report",
    "resume",
    "reveal",
    "schema_confirmation",
    "schema_of",
    "set_policy",
    "start_backup",
    "start_compare",
    "start_find",
    "start_invite",
    "start_keep",
    "start_restore",
    "start_scheduled",
    "start_undo",
    "starting_refused",
    "stopped",
    "switch_mail",
    "switching_refused",
    "tick",
    "to_undo",
    "undoing_refused",
    "undone_already",
    "untick",
    "upload",
]
