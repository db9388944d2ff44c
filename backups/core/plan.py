"""What a restore would do, user by user, each with its reason; and what cannot come back.

    backup's users + live pool's index + facts -> Line, Line, Line, …

A plan only ever adds what is missing. Everybody in the backup gets a line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import orjson

from backups.core.matching import Index, Known, Rules
from backups.core.snapshot import PoolFacts, User

MAIL_LIMIT = 50  # COGNITO_DEFAULT: mails a day, over the whole account, reset at 09:00 UTC


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    SKIP = "skip"
    CANNOT = "cannot"


class Messages(StrEnum):
    """How people get in again."""

    SILENT = "silent"  # nobody is written to; people use "forgot password"
    INVITE = "invite"  # Cognito mails a temporary password
    LATER = "later"  # nobody is written to and nobody can sign in until they are invited


REASONS: dict[str, str] = {
    # create
    "missing": "in the backup, not in the pool",
    # skip
    "exists": "is in the pool",
    "exists-now": "was not in the pool when the plan was made, and is now",
    "registered-again": "registered this address again after the backup was made; left alone",
    "unfinished-again": "began to register this address again and never confirmed it; left alone",
    "federated": "comes back at the next sign-in through {detail}",
    "linked": "signs in through {detail} as well; the link cannot be put back here",
    "unconfirmed": "never finished signing up, can register again",
    "same-name": "somebody in the pool has this name, and nothing says whether it is the same person",
    "unfinished": "was begun by job {detail} and is not finished; go on with that job",
    "duplicate": "has the same e-mail or name as another user of this backup, who comes first",
    # cannot
    "no-email": "has no e-mail, which is the username in this pool",
    "no-username": "has a Username that this pool does not take: {detail}",
    "required-attribute": "lacks {detail}, which this pool requires",
    "unknown-attribute": "has {detail}, which this pool does not know",
    "too-long": "has more than 2,048 characters in {detail}, which Cognito does not take",
    # failed
    "refused": "AWS refused: {detail}",
    "denied": "the dashboard's AWS role may not do this: {detail}",
    "silent": "AWS did not answer: {detail}",
    "throttled": "AWS went on refusing for too many calls: {detail}",
    "mail-limit": "the account exists, but the day's mails are spent: no invitation was sent",
    "not-delivered": "the account exists, but the invitation could not be delivered: {detail}",
    "not-invited": "the account exists, and was not invited",
    "maybe-invited": "the account exists; whether the invitation went out is not known, it is not repeated",
    "other-user": "somebody else holds this e-mail now; left alone",
    "read-back-differs": "was written, but read back differently: {detail}",
}


def sentence(code: str, detail: str = "") -> str:
    """The reason as words. An unknown code shows itself."""
    return REASONS.get(code, code).format(detail=detail or "another provider")


@dataclass(frozen=True, slots=True)
class Line:
    """What the plan holds for one user."""

    position: int  # 0 is the backup's first
    user: User
    action: Action
    reason: str
    detail: str = ""
    username: str = ""  # what a create is called with
    attributes: Mapping[str, str] = field(default_factory=dict)  # what a create writes
    groups: tuple[str, ...] = ()
    known: Known | None = None  # who this person is in the pool, where that is sure
    changes: tuple[tuple[str, str, str], ...] = ()  # of an update: (field, in the pool, in the backup)
    seen: str = ""  # of an update: fingerprint of the user in the pool when this was planned
    withheld: tuple[str, ...] = ()  # privileged groups that the guard keeps this user out of
    links: tuple[tuple[str, str], ...] = ()  # (provider, subject) to link a native user with again
    twin: bool = False  # another entry of this backup has the same key

    @property
    def key(self) -> str:
        """What the ledger calls this line: the user's key, unless another line has it."""
        return f"{self.user.key}#{self.position}" if self.twin else self.user.key


def lines(
    users: Callable[[], Iterable[User]],
    live: Index,
    facts: PoolFacts,
    *,
    taken_at: str = "",
    memberships: Mapping[str, frozenset[str]] | None = None,
    restored: frozenset[str] = frozenset(),
    unfinished: Mapping[str, int] = MappingProxyType({}),
) -> Iterator[Line]:
    """One line for each user of the backup, in its order; ``users`` is walked twice.

    Nobody in the pool is taken for two people of the backup: whose sub it is comes first,
    then the first who has the name; the others are duplicates.
    ``taken_at`` (ISO 8601, UTC) is when the backup was made: who came after it under
    another sub registered again, unless the sub is in ``restored`` (ours, by an earlier job).
    ``unfinished``: a sub of the pool or a key of the backup -> the job that began this user and
    has not come to the end.
    """
    rules = Rules.of(facts)
    owners = {user.key for user in users()}
    seen: dict[str, int] = {}  # key -> what its first entry held
    told: set[str] = set()
    named: set[tuple[str, str]] = set()  # names that are taken once this plan is carried out
    for position, user in enumerate(users()):
        content = hash(orjson.dumps(user.entry))
        if seen.setdefault(user.key, content) != content:
            yield Line(position, user, Action.SKIP, "duplicate", twin=True)
            continue
        if user.key in told:  # the same entry once more: one person, one line
            continue
        told.add(user.key)
        names = {name for name in rules.names(user) if name[0] in _held_once(facts)}
        found, taken = live.find(user), False
        if found and found[1] != "sub" and found[0].sub in owners:
            # It is the name of somebody who is another person of the backup.
            taken, found = found[1] in _held_once(facts), None
        action, reason, detail, known = _decide(user, found, facts, taken_at, restored)
        if found and (job := unfinished.get(found[0].sub) or unfinished.get(user.key)):
            action, reason, detail, known = Action.SKIP, "unfinished", str(job), found[0]
        if action is Action.CREATE and (taken or names & named):
            action, reason = Action.SKIP, "duplicate"
        if action is Action.CREATE or known:
            named |= names
        if known:
            owners.add(known.sub)
        if action is not Action.CREATE:
            yield Line(position, user, action, reason, detail, known=known)
            continue
        yield creation(position, user, facts, memberships)


def creation(
    position: int, user: User, facts: PoolFacts, memberships: Mapping[str, frozenset[str]] | None
) -> Line:
    """The line of a user who is to be created."""
    groups = tuple(sorted((memberships or {}).get(user.username, ())))
    username = user.email if facts.email_is_username else user.username
    return Line(position, user, Action.CREATE, "missing", "", username, writable(user), groups)


def writable(user: User) -> dict[str, str]:
    """The attributes that a create may write. ``sub``, ``identities`` and ``cognito:*`` are Cognito's own.

    ``*_verified`` is always written beside its address: left out, an update would mail a code.
    """
    written = {
        name: value
        for name, value in user.attributes.items()
        if value and name not in ("sub", "identities") and not name.startswith("cognito:")
    }
    for address in ("email", "phone_number"):
        verified = f"{address}_verified"
        if address in written:
            written[verified] = "true" if user.attributes.get(verified, "").lower() == "true" else "false"
        else:
            written.pop(verified, None)
    return written


def _decide(
    user: User, found: tuple[Known, str] | None, facts: PoolFacts, taken_at: str, restored: frozenset[str]
) -> tuple[Action, str, str, Known | None]:
    if found:
        known, how = found
        if how == "sub" or known.sub in restored:
            return Action.SKIP, "exists", "", known
        if not taken_at:
            return Action.SKIP, "same-name", "", None
        if known.created > taken_at:
            again = "unfinished-again" if known.status == "UNCONFIRMED" else "registered-again"
            return Action.SKIP, again, "", None
        return Action.SKIP, "exists", "", known
    provider = _provider(user)
    if user.status == "EXTERNAL_PROVIDER" or (
        provider and user.username.casefold().startswith(provider.casefold() + "_")
    ):
        return Action.SKIP, "federated", provider, None
    if "identities" in user.attributes and provider:
        return Action.SKIP, "linked", provider, None
    if user.status == "UNCONFIRMED":
        return Action.SKIP, "unconfirmed", "", None
    return (*_can_be_created(user, facts), None)


def _held_once(facts: PoolFacts) -> tuple[str, ...]:
    """By which names this pool refuses a second user; elsewhere two people may share an e-mail."""
    unique_email = facts.email_is_username or "email" in facts.alias_attributes
    return ("username", "email") if unique_email else ("username",)


def _can_be_created(user: User, facts: PoolFacts) -> tuple[Action, str, str]:
    if facts.email_is_username and not user.email:
        return Action.CANNOT, "no-email", ""
    name = user.email if facts.email_is_username else user.username
    if any(letter.isspace() for letter in name) or len(name) > 128:
        return Action.CANNOT, "no-username", "it has spaces, or is longer than 128 characters"
    if facts.email_is_username and not all(name.partition("@")):
        return Action.CANNOT, "no-username", "it is no e-mail"
    if not facts.email_is_username and "email" in facts.alias_attributes and "@" in name:
        return Action.CANNOT, "no-username", "it looks like an e-mail, which is an alias here"
    attributes = writable(user)
    missing = sorted(name for name in facts.required if name != "sub" and name not in attributes)
    if missing:
        return Action.CANNOT, "required-attribute", ", ".join(missing)
    if unknown := sorted(attributes.keys() - facts.attributes):
        return Action.CANNOT, "unknown-attribute", ", ".join(unknown)
    if long := sorted(name for name, value in attributes.items() if len(value) > 2048):
        return Action.CANNOT, "too-long", ", ".join(long)
    return Action.CREATE, "missing", ""


def _provider(user: User) -> str:
    """The provider's name from the ``identities`` attribute, else what the Username begins with."""
    text = user.attributes.get("identities", "")
    if text:
        try:
            identities = orjson.loads(text)
        except ValueError:
            return "another provider"
        if isinstance(identities, list) and identities and isinstance(identities[0], dict):
            return str(identities[0].get("providerName") or "another provider")
        return ""
    return user.username.partition("_")[0] if user.status == "EXTERNAL_PROVIDER" else ""


# --- the plan in numbers ---------------------------------------------------------------------


@dataclass(slots=True)
class Counts:
    """A plan in numbers. Folded from its lines, one ``note`` each."""

    create: int = 0
    update: int = 0
    skip: int = 0
    cannot: int = 0
    memberships: int = 0
    disabled: int = 0  # of those created: disabled in the backup, and so again
    unverified: int = 0  # of those created and enabled: e-mail never verified, cannot reset a password
    reset_required: int = 0  # of those created: were RESET_REQUIRED, come back otherwise
    invitable: int = 0  # of those created: enabled, with an e-mail
    resettable: int = 0  # of those created: enabled, with a verified e-mail
    by_reason: dict[str, int] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)  # that somebody comes back into

    def note(self, line: Line) -> None:
        setattr(self, line.action, getattr(self, line.action) + 1)
        self.by_reason[line.reason] = self.by_reason.get(line.reason, 0) + 1
        if line.action is not Action.CREATE:
            return
        user = line.user
        self.memberships += len(line.groups)
        self.groups.update(line.groups)
        self.reset_required += user.status == "RESET_REQUIRED"
        if not user.enabled:
            self.disabled += 1
            return
        self.invitable += bool(user.email)
        self.resettable += bool(user.email and user.email_verified)
        self.unverified += not (user.email and user.email_verified)

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
        return {
            **numbers,
            "groups": len(self.groups),
            "mails": {way.value: self.mails(way) for way in Messages},
            "codes": {way.value: self.codes(way) for way in Messages},
            "mail_limit": mail_limit(facts),
            "mail_allowed": mail_allowed(facts, reserve, sent),
            "mails_today": sent,
            "invite_refused": invite_refused(self.mails(Messages.INVITE), facts, reserve, sent),
        }


def mail_limit(facts: PoolFacts) -> int | None:
    """Mails a day that bind this pool; None where it sends through SES."""
    return MAIL_LIMIT if facts.mail == "COGNITO_DEFAULT" else None


def mail_allowed(facts: PoolFacts, reserve: int, sent: int = 0) -> int | None:
    """What a restore may take of the day: the rest is kept for people who ask for a code."""
    limit = mail_limit(facts)
    return None if limit is None else max(0, limit - reserve - sent)


def invite_refused(mails: int, facts: PoolFacts, reserve: int, sent: int = 0) -> str:
    """Why inviting is not possible here, with both numbers; "" where it is."""
    allowed = mail_allowed(facts, reserve, sent)
    if allowed is None or mails <= allowed:
        return ""
    spent = f", {sent:,} were sent today by restores" if sent else ""
    return (
        f"{mails:,} invitations are more than the {allowed} that a restore may send now: Cognito sends "
        f"{MAIL_LIMIT} mails a day for the whole account, {reserve} are kept for people who ask for a code"
        f"{spent}. Nobody was written to. Choose silent, or move the pool's mail to SES first."
    )


def mail_day(now: datetime) -> datetime:
    """When the present day of mails began: Cognito counts from 09:00 UTC."""
    nine = now.replace(hour=9, minute=0, second=0, microsecond=0)
    return nine if now >= nine else nine - timedelta(days=1)


def digest(source_sha256: str, facts: PoolFacts, choices: Mapping[str, object]) -> str:
    """One hash over what a plan rests on: the backup's bytes, the pool, its settings, the choices."""
    rests_on = {
        "source": source_sha256,
        "pool": [facts.account, facts.region, facts.pool_id],
        "settings": [
            sorted(facts.username_attributes),
            sorted(facts.alias_attributes),
            facts.case_sensitive,
            facts.mail,
            sorted(facts.attributes),
            sorted(facts.required),
            sorted(facts.triggers),
        ],
        "choices": dict(choices),
    }
    return hashlib.sha256(orjson.dumps(rests_on, option=orjson.OPT_SORT_KEYS)).hexdigest()
