"""Mail is the narrow place of a restore: how much each way needs, what may go out, when the last is in.

    counts of a plan + what the pool sends through -> Need of silent, invite, later

Cognito's own mail (COGNITO_DEFAULT) is 50 a day for the whole account, "forgot password" included, from
09:00 UTC to 09:00 UTC. SES counts the 24 hours before each mail. A date says when the last person can be in
at the earliest: if nobody else needs a mail, and everybody asks for theirs as soon as there is one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import formataddr, getaddresses
from typing import Any

from backups.core.plan import MAIL_LIMIT, Counts, Messages, mail_day
from backups.core.snapshot import PoolFacts

COGNITO, SES = "COGNITO_DEFAULT", "DEVELOPER"  # EmailSendingAccount
DAY = timedelta(days=1)
_ADDRESS = re.compile(r"""[^\s@,;:<>()\[\]"\\]+@[^\s@,;:<>()\[\]"\\]+""")


@dataclass(frozen=True, slots=True)
class Sender:
    """One identity of SES: a domain or an address that mails may come from."""

    name: str  # "uni.example" or "no-reply@uni.example"
    arn: str
    verified: bool  # mails may come from it now


@dataclass(frozen=True, slots=True)
class Ses:
    """What SES of one account and Region allows."""

    production: bool  # False: the sandbox, where mails reach verified addresses alone
    sending: bool  # False: AWS has paused this account
    quota: int | None  # mails in 24 hours; None: no limit
    sent: int  # of those, in the last 24 hours
    senders: tuple[Sender, ...] = ()


@dataclass(frozen=True, slots=True)
class Limit:
    """What binds the mails of one pool."""

    day: int | None  # mails in 24 hours; None: none that we know of
    sent: int = 0  # of those, gone out already: by restores, or what SES says
    reserve: int = 0  # kept for people who ask for a code: a restore's own mails leave them alone
    rolling: bool = False  # SES: the 24 hours before each mail
    sandbox: bool = False
    why: str = ""  # why it is not known

    @property
    def ours(self) -> int | None:
        """Mails that a restore may send now."""
        return None if self.day is None else max(0, self.day - self.reserve - self.sent)

    @property
    def codes(self) -> int | None:
        """Codes that people may be sent now: the reserve is theirs."""
        return None if self.day is None else max(0, self.day - self.sent)

    def last(self, mails: int, now: datetime, *, ours: bool) -> datetime | None:
        """When the last of so many can have gone out; None: never."""
        left = self.ours if ours else self.codes
        if left is None or self.day is None or mails <= left:
            return now
        each = self.day - (self.reserve if ours else 0)
        if each <= 0:
            return None
        turns = -(-(mails - left) // each)
        return (now if self.rolling else mail_day(now)) + turns * DAY


def limit_of(facts: PoolFacts, ses: Ses | None, why: str, *, reserve: int, sent: int) -> Limit:
    """``ses``: what SES says, or ``why`` it did not; ``sent``: mails of restores in this day of Cognito's."""
    if facts.mail != SES:
        return Limit(MAIL_LIMIT, sent, min(reserve, MAIL_LIMIT))
    if ses is None:
        return Limit(None, rolling=True, why=why)
    day = 0 if not ses.sending else ses.quota
    return Limit(day, ses.sent, rolling=True, sandbox=not ses.production)


@dataclass(frozen=True, slots=True)
class Need:
    """What one way of getting in again takes."""

    way: Messages
    mails: int  # that we send
    owed: int  # that have to be sent before everybody is in: of *later* by the invitations to come
    codes: int  # that people will ask for before they are in
    mails_now: int | None  # of ours that may go out now; None: no limit is known
    codes_now: int | None
    last: datetime | None  # when the last of them can be in; None: never by itself
    out: int  # of those created and enabled: no mail of this way brings them in

    def as_json(self) -> dict[str, Any]:
        return {
            "mails": self.mails,
            "owed": self.owed,
            "codes": self.codes,
            "mails_now": self.mails_now,
            "codes_now": self.codes_now,
            "last": self.last.isoformat() if self.last else None,
            "out": self.out,
        }


def needs(counts: Counts, limit: Limit, now: datetime) -> dict[Messages, Need]:
    """Of each way. For *later* the date is that of inviting everybody now."""
    enabled = counts.create - counts.disabled
    found = {}
    for way in Messages:
        mails, codes = counts.mails(way), counts.codes(way)
        owed = 0 if way is Messages.SILENT else counts.invitable
        if way is Messages.SILENT:
            last, out = limit.last(codes, now, ours=False), enabled - counts.resettable
        else:
            last, out = limit.last(owed, now, ours=True), enabled - owed
        found[way] = Need(way, mails, owed, codes, limit.ours, limit.codes, last, out)
    return found


# --- the pool's own setting -------------------------------------------------------------------------


def email_settings(before: Mapping[str, Any], arn: str = "", sender: str = "") -> dict[str, Any]:
    """EmailConfiguration that sends through the SES identity ``arn``; without one, through Cognito itself.

    The reply-to address stays, and so does SES's configuration set. Raises ValueError with a sentence where
    ``sender`` ("Biomage <no-reply@uni.example>") is not one address, or does not fit the identity.
    """
    kept = {"ReplyToEmailAddress"} | ({"ConfigurationSet"} if arn else set())
    settings = {name: value for name, value in before.items() if name in kept and value}
    if not arn:
        return {**settings, "EmailSendingAccount": COGNITO}
    settings |= {"EmailSendingAccount": SES, "SourceArn": arn}
    identity = identity_of(arn)
    if not sender:
        if "@" not in identity:
            raise ValueError(f"{identity} is a domain: say which address of it the mails come from.")
        return settings
    name, address = _one_address(sender)
    if not fits(address, identity):
        raise ValueError(f"The sender is no address of {identity}, so SES would not send as it.")
    return settings | {"From": formataddr((name, address))}


def _one_address(sender: str) -> tuple[str, str]:
    """(name, address) of a sender that is exactly this. Raises ValueError: what a mail's reader would take
    for two addresses, or for another one, is not guessed at."""
    sender = sender.strip()
    if not sender.isprintable():
        raise ValueError("The sender holds control characters, which no mail can have in its head.")
    found = getaddresses([sender])
    name, address = found[0] if len(found) == 1 else ("", "")
    if not address.isascii():
        raise ValueError("The address of the sender is written in plain letters (ASCII) only.")
    if not _ADDRESS.fullmatch(address) or not sender.endswith((address, f"<{address}>")):
        raise ValueError("The sender is not one address: write it as Name <no-reply@its.domain>.")
    return name.strip(), address


def identity_of(arn: str) -> str:
    """The domain or address of an SES identity's ARN."""
    return arn.partition(":identity/")[2]


def fits(address: str, identity: str) -> bool:
    """Whether SES lets an identity send as this address: itself, or its domain and what is below it."""
    name, at, domain = address.casefold().rpartition("@")
    identity = identity.casefold()
    if not (name and at and domain):
        return False
    return address.casefold() == identity or domain == identity or domain.endswith(f".{identity}")
