"""Who else has to say yes. No second person can be taken yet: until then, what needs one is refused."""

from __future__ import annotations

from django.conf import settings

from backups.actions.asking import Actor, Refused


def unapproved(what: str, *, overwrites: bool) -> str:
    """Why ``what`` is not for one person alone, by RESTORE_APPROVALS; "" where it is."""
    policy: str = settings.RESTORE_APPROVALS
    if policy == "never" or (policy == "overwrite" and not overwrites):
        return ""
    return (
        f"{what} needs a second person here (RESTORE_APPROVALS is {policy}), which this dashboard cannot yet "
        "take."
    )


def need_no_second(actor: Actor, what: str, *, overwrites: bool) -> None:
    """Raises Refused. A terminal is break-glass: nobody else is asked there."""
    if not actor.terminal and (why := unapproved(what, overwrites=overwrites)):
        raise Refused(f"{why} Nothing was changed.", 403)
