"""Who may do what: one question, asked in the view and again in the worker before it acts.

The answer rests on the groups that IAM gave last; ``auth.recheck`` asks IAM anew first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings

from backups.models import Job, Operator


class Action(StrEnum):
    SEE = "see"
    COMPARE = "compare"
    DOWNLOAD = "download"
    REVEAL = "reveal"
    READ_AUDIT = "read-audit"
    BACK_UP = "back-up"
    UPLOAD = "upload"
    KEEP = "keep"
    ACCEPT = "accept"
    SCHEDULE = "schedule"
    PLAN = "plan"
    RESTORE = "restore"
    CANCEL = "cancel"


_LOOKING = frozenset({Action.SEE, Action.COMPARE, Action.READ_AUDIT})
"""What everybody may who is in. Everything else shows people in clear, writes, or stops a write."""

FOR_JOB = {
    Job.Kind.BACKUP: Action.BACK_UP,
    Job.Kind.COMPARE: Action.COMPARE,
    Job.Kind.PLAN: Action.PLAN,
    Job.Kind.RESTORE: Action.RESTORE,
    Job.Kind.KEEP: Action.KEEP,
    Job.Kind.FIND: Action.COMPARE,
    Job.Kind.UNDO: Action.RESTORE,
    Job.Kind.INVITE: Action.RESTORE,
    Job.Kind.MAIL: Action.RESTORE,
    Job.Kind.SCHEMA: Action.RESTORE,
}
"""What it takes to ask for a kind of job, and to have it carried out."""

_WORDS = {
    Action.SEE: "see this",
    Action.COMPARE: "compare backups",
    Action.DOWNLOAD: "download people's data",
    Action.REVEAL: "see e-mails in clear",
    Action.READ_AUDIT: "read the audit log",
    Action.BACK_UP: "make backups",
    Action.UPLOAD: "upload a backup",
    Action.KEEP: "keep backups out of expiry",
    Action.ACCEPT: "accept a backup with fewer users",
    Action.SCHEDULE: "decide when pools are backed up, and test alarms",
    Action.PLAN: "plan a restore",
    Action.RESTORE: "restore",
    Action.CANCEL: "pause, resume or cancel jobs",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """True where allowed; ``why`` is a sentence for the person where not."""

    allowed: bool
    why: str = ""

    def __bool__(self) -> bool:
        return self.allowed


def can(who: Operator, action: Action, what: object = None) -> Decision:
    """May this person do this? ``what`` is the pool, backup or job; no rule depends on it yet.

    An empty list of groups means nobody.
    """
    if who.refused:
        return Decision(False, who.refused)
    groups = frozenset(who.groups)
    if not groups.intersection(settings.LOGIN_GROUPS):
        return Decision(False, _lacks(who, settings.LOGIN_GROUPS, "sign in"))
    if action in _LOOKING or groups.intersection(settings.RESTORE_GROUPS):
        return Decision(True)
    return Decision(False, _lacks(who, settings.RESTORE_GROUPS, _WORDS[action]))


def _lacks(who: Operator, wanted: list[str], words: str) -> str:
    if not wanted:
        return f"Nobody may {words} here: no group is named for it in the settings."
    return (
        f"{who.name} may not {words}: that needs the IAM group {' or '.join(wanted)}. "
        f"Ask {settings.ACCESS_CONTACTS}."
    )
