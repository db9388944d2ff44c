"""What each way of getting in again takes of the mails of a day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from backups.core.mail import COGNITO, SES, Limit, Need
from backups.core.plan import Messages
from backups.core.preflight.check import INVITE, LATER, Check, State, count, passes, stop, warn
from backups.core.snapshot import PoolFacts


def of_mail(needs: Mapping[Messages, Need], limit: Limit, facts: PoolFacts, now: datetime) -> list[Check]:
    return [_mail(needs[way], limit, facts, now) for way in Messages]


def _mail(need: Need, limit: Limit, facts: PoolFacts, now: datetime) -> Check:
    way = need.way.value
    what = _of_way(need)
    if not (need.owed or need.codes):
        return passes("mail", what, way)
    if limit.why:
        unknown = f"{what} What SES allows could not be asked."
        return warn("mail", unknown, limit.why, way)
    through = "SES" if facts.mail == SES else f"Cognito ({COGNITO})"
    binds = _binds(limit, facts)
    if limit.sandbox:
        sandbox = f"{what} SES is in its sandbox here: mails reach verified addresses alone."
        remedy = "Ask AWS for production access to SES first."
        return stop("mail", sandbox, remedy, way) if way == INVITE else warn("mail", sandbox, remedy, way)
    if need.last is None:
        never = f"{what} {binds} Nobody but the first would ever get a mail."
        remedy = "Lower MAIL_RESERVE, or switch this pool's mail to SES."
        return stop("mail", never, remedy, way) if way == INVITE else warn("mail", never, remedy, way)
    if need.last <= now:
        return Check(
            "mail", State.PASS, f"{what} {binds} All of them can go out through {through} now.", "", (way,)
        )
    when = "Begun now, the" if way == LATER else "The"
    return warn(
        "mail",
        f"{what} {binds} {when} last person is in on {need.last:%-d %B %Y, %H:%M} UTC, at the earliest.",
        "Switch this pool's mail to SES first."
        if facts.mail != SES
        else "Ask AWS for a higher quota of SES.",
        way,
    )


def _of_way(need: Need) -> str:
    out = ""
    if need.out:
        out = f" {count(need.out)} cannot be brought in by any mail of this way."
    if need.way is Messages.SILENT:
        return f"Silent: we send no mail, and people need {count(need.codes, 'code')} in all.{out}"
    if need.way is Messages.INVITE:
        return f"Invite: we send {count(need.mails, 'invitation')}, and people need no code.{out}"
    invitations = count(need.owed, "invitation")
    return f"Later: no mail goes out, and nobody gets in before being invited; that takes {invitations}.{out}"


def _binds(limit: Limit, facts: PoolFacts) -> str:
    if limit.day is None:
        return "SES sets this account no limit."
    if facts.mail == SES:
        return f"SES allows {count(limit.day, 'mail')} in 24 hours; {limit.sent:,} went out in the last 24."
    return (
        f"Cognito sends {count(limit.day, 'mail')} a day for the whole account, {limit.reserve:,} of them "
        f"kept for codes; restores have sent {limit.sent:,} today."
    )
