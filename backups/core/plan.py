"""What a restore would do, user by user, each with its reason; and what cannot come back.

    backup's users + live pool's index + facts + choices -> Line, Line, Line, …

Who is missing is created. Who is there is left alone, unless the choices say that empty fields are filled or
fields that differ written over; nothing is ever removed. Everybody in scope gets exactly one line.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from types import MappingProxyType
from typing import Any

import orjson

from backups.core.choices import EVERYTHING_MISSING, Choices, Existing, Guard, Memberships, Scope
from backups.core.matching import Index, Known, Rules
from backups.core.seen import fingerprint
from backups.core.snapshot import PoolFacts, User, in_utc

MAIL_LIMIT = 50  # COGNITO_DEFAULT: mails a day, over the whole account, reset at 09:00 UTC
LONGEST = 2048  # characters of an attribute's value
ADDRESSES = ("email", "phone_number")
ENABLED = "Enabled"
"""What the state of an account is called among the fields of an update."""
NAMES = 300
"""Names of attributes that the numbers tell, at most: a strange file may have any number of them."""
_ASKED = 1_000  # subs that the ledger is asked about at once


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
    "missing-factor": "in the backup, not in the pool; had a second factor, and comes back without one",
    "missing-linked": "in the backup, not in the pool; linked with {detail} again",
    # update
    "fill": "is in the pool; empty there and filled: {detail}",
    "overwrite": "is in the pool; written over: {detail}",
    "join": "is in the pool, and joins {detail}",
    # skip
    "exists": "is in the pool",
    "exists-now": "was not in the pool when the plan was made, and is now",
    "administrator": "administers the application, which makes this account by itself; mapped, left alone",
    "registered-again": "registered this address again after the backup was made; left alone, unless "
    "somebody says that it is the same person",
    "unverified-again": "registered this address again after the backup was made, and never verified it; "
    "left alone",
    "unfinished-again": "began to register this address again and never confirmed it; left alone. Remove "
    "that account and plan again to create this user",
    "restored-twice": "was created more than once by earlier restores, and nothing says which one it is now",
    "stays-disabled": "is in the pool, disabled, and enabled in the backup; enabling was not allowed",
    "stays-out": "is in the pool; {detail} is privileged, and joining was not allowed",
    "newer": "changed in the pool after the backup was made; left alone",
    "immutable": "is in the pool; {detail} differs, and can be written at creation only",
    "changed-since": "changed in the pool since this was planned, or left it; left alone",
    "federated": "comes back at the next sign-in through {detail}",
    "linked": "signs in through {detail} as well; links are not put back unless that is chosen",
    "link-unknown": "signs in through {detail} as well, and the backup does not say as whom there",
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
    "address-taken": "has an e-mail that somebody else in the pool has by now",
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
    seen: str = ""  # of an update: fingerprint of the user in the pool when this was planned
    withheld: tuple[str, ...] = ()  # privileged groups that the guard keeps this user out of
    links: tuple[tuple[str, str], ...] = ()  # (provider, subject) to link a native user with again
    twin: bool = False  # another entry of this backup has the same key
    first: bool = False  # of the application's administrators, who come before everybody else
    held: Guard | None = None  # what is not done because this guard is off: ENABLE or NEWER
    unknown: tuple[str, ...] = ()  # attributes that the pool does not know: left out, or why it cannot be
    defaults: tuple[str, ...] = ()  # required attributes that a create writes the chosen default of
    immutable: tuple[str, ...] = ()  # attributes that differ, and can be written at creation only
    factors: str = ""  # of a create: the second factors that do not come back, as words

    @property
    def key(self) -> str:
        """What the ledger calls this line: the user's key, unless another line has it."""
        return f"{self.user.key}#{self.position}" if self.twin else self.user.key


Restored = Callable[[Collection[str]], Mapping[str, Collection[str]]]


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


def lines(
    users: Callable[[], Iterable[User]],
    live: Index,
    facts: PoolFacts,
    *,
    choices: Choices = EVERYTHING_MISSING,
    scope: Scope | None = None,
    taken_at: str = "",
    memberships: Memberships | None = None,
    members: Memberships = MappingProxyType({}),
    privileged: frozenset[str] = frozenset(),
    factors: Mapping[str, str] = MappingProxyType({}),
    admins: Iterable[str] = (),
    at: Callable[[int], User] | None = None,
    restored: Restored = lambda subs: {},
    unfinished: Mapping[str, int] = MappingProxyType({}),
) -> Iterator[Line]:
    """One line for each user of the backup who is in scope; ``users`` is walked twice, or three times.

    In the backup's order, but administrators come first: ``Line.first`` says so, ``position`` stays the
    file's. Scope chooses among the lines and changes none of them; of the administrators those who are in
    the pool have a line all the same, which only names them.

    Nobody in the pool is taken for two people of the backup: whose sub it is comes first, then whom a
    restore of ours made of whom, then the first who has the name; the others are duplicates.
    Who came after the backup under another sub registered again, unless a restore of ours made them.

    ``at``: the user of the pool at the place that the index keeps; needed where who exists is written to.
    ``restored``: those of these subs that restores of ours made -> every key the same person had before.
    ``unfinished``: a sub of the pool or a key of the backup -> the job that began this user and has not come
    to the end. The others are as in Terms.
    """
    terms = Terms(
        facts,
        choices=choices,
        taken_at=taken_at,
        memberships=memberships,
        members=members,
        privileged=privileged,
        factors=factors,
        admins=frozenset(map(facts.fold, admins)),
    )
    scope = scope or Scope(choices, facts.fold, memberships)
    return _Planner(users, live, terms, scope, at, restored, unfinished).lines()


def creation(position: int, user: User, terms: Terms) -> Line:
    """The line of a user who is not in the pool: a create, or why there is none."""
    facts, choices = terms.facts, terms.choices
    line = Line(position, user, Action.SKIP, "unconfirmed", first=terms.first(user))
    provider, reason, detail = _provider(user), "missing", ""
    links: tuple[tuple[str, str], ...] = ()
    if user.status == "EXTERNAL_PROVIDER" or (
        provider and user.username.casefold().startswith(provider.casefold() + "_")
    ):
        return replace(line, reason="federated", detail=provider)
    if "identities" in user.attributes and provider:
        if not choices.link:
            return replace(line, reason="linked", detail=provider)
        links, reason, detail = _links(user), "missing-linked", provider
        if not links:
            return replace(line, reason="link-unknown", detail=provider)
    if user.status == "UNCONFIRMED":
        return line
    line = replace(line, action=Action.CANNOT)
    if why := _no_username(user, facts):
        return replace(line, reason=why[0], detail=why[1])
    attributes = writable(user)
    missing = sorted(name for name in facts.required if name != "sub" and name not in attributes)
    defaults = {name: choices.defaults[name] for name in missing if choices.defaults.get(name)}
    for address in ADDRESSES:  # nobody's address is guessed
        defaults.pop(address, None)
    if lacking := [name for name in missing if name not in defaults]:
        return replace(line, reason="required-attribute", detail=", ".join(lacking))
    attributes, unknown, wrong = _fitting(attributes | defaults, terms)
    line = replace(line, unknown=unknown)
    if wrong:
        return replace(line, reason=wrong[0], detail=", ".join(wrong[1]))
    groups, withheld = terms.groups(user)
    factors = terms.factors.get(user.username, "")
    return replace(
        line,
        action=Action.CREATE,
        reason="missing-factor" if factors and not links else reason,
        detail=detail,
        username=user.email if facts.email_is_username else user.username,
        attributes=attributes,
        groups=groups,
        withheld=withheld,
        links=links,
        defaults=tuple(sorted(defaults)),
        factors=factors,
    )


def update(position: int, user: User, known: Known, live: User, reason: str, terms: Terms) -> Line:
    """The line of a user who is ``live`` in the pool, where existing users are filled or written over.

    ``reason`` is that of a skip, where there is nothing to write.
    """
    facts, choices = terms.facts, terms.choices
    over = choices.existing is Existing.OVERWRITE
    line = Line(position, user, Action.SKIP, reason, known=known, first=terms.first(user))
    if live.status == "EXTERNAL_PROVIDER":  # the provider writes over it at every sign-in
        return line
    wanted, unknown, wrong = _fitting(writable(user), terms)
    line = replace(line, unknown=unknown)
    changes, immutable = _changes(wanted, live, facts, over=over)
    if wrong and (wrong[0] == "unknown-attribute" or any(name in wrong[1] for name, _, _ in changes)):
        return replace(line, action=Action.CANNOT, reason=wrong[0], detail=", ".join(wrong[1]))
    held = None
    if over and user.enabled != live.enabled:
        if user.enabled and Guard.ENABLE not in choices.guards:
            held = Guard.ENABLE
        else:
            changes.append((ENABLED, _word(live.enabled), _word(user.enabled)))
    modified = in_utc(live.modified)
    newer = not (modified and modified <= terms.taken_at)  # or nobody knows
    if newer and Guard.NEWER not in choices.guards and any(there for _, there, _ in changes) and over:
        return replace(line, reason="newer", held=Guard.NEWER)
    groups, withheld = terms.groups(user, terms.members.get(known.username, ()))
    line = replace(line, withheld=withheld, held=held, immutable=tuple(immutable))
    if not changes and not groups:
        if immutable:
            return replace(line, reason="immutable", detail=", ".join(immutable))
        if withheld:
            return replace(line, reason="stays-out", detail=", ".join(withheld))
        return replace(line, reason="stays-disabled") if held else line
    names = ", ".join(name for name, _, _ in changes)
    return replace(
        line,
        action=Action.UPDATE,
        reason=choices.existing.value if changes else "join",
        detail=names or ", ".join(groups),
        username=known.username,
        changes=tuple(changes),
        groups=groups,
        seen=fingerprint(live),
    )


class _Planner:
    """Keeps of a million users some 100 MB: of texts their hashes, and whole ones only of who comes twice.

    Two texts of one hash are no harm: it says no more than whose texts are worth keeping.
    """

    def __init__(
        self,
        users: Callable[[], Iterable[User]],
        live: Index,
        terms: Terms,
        scope: Scope,
        at: Callable[[int], User] | None,
        restored: Restored,
        unfinished: Mapping[str, int],
    ) -> None:
        self.users, self.live, self.terms, self.scope = users, live, terms, scope
        self.at, self.restored, self.unfinished = at, restored, unfinished
        self.rules, self.once = Rules.of(terms.facts), _held_once(terms.facts)
        self.ours: set[str] = set()  # subs of the pool that restores of ours made
        self.made: dict[str, tuple[str, ...]] = {}  # what a person was before -> subs of the pool
        self.owned: set[str] = set()  # subs of the pool that are keys of the backup
        self.claimed: set[str] = set()  # subs of the pool that the ledger calls somebody of the backup
        self.last_admin = -1  # position
        self.keys_again: frozenset[int] = frozenset()  # hashes
        self.names_again: frozenset[int] = frozenset()

    def lines(self) -> Iterator[Line]:
        self._ask_the_ledger()
        self._look()
        if self.last_admin >= 0:
            yield from (line for line in self._walk(self.last_admin) if line.first)
        yield from (line for line in self._walk() if not line.first)

    # what has to be known of everybody before anything is said of anybody

    def _ask_the_ledger(self) -> None:
        subs = (known.sub for known in self.live)
        while some := list(islice(subs, _ASKED)):
            for sub, before in self.restored(some).items():
                self.ours.add(sub)
                for key in before:
                    self.made[key] = (*self.made.get(key, ()), sub)

    def _look(self) -> None:
        keys, names = array("q"), array("q")
        for position, user in enumerate(self.users()):
            keys.append(hash(user.key))
            names.extend(hash(name) for name in self._held(user))
            if known := self.live.keyed(user.key):
                self.owned.add(known.sub)
            else:
                self.claimed.update(self.made.get(user.key, ()))
            if self.terms.first(user):
                self.last_admin = position
        self.keys_again, self.names_again = _twice(keys), _twice(names)

    def _held(self, user: User) -> list[tuple[str, str]]:
        """The names by which the pool would refuse a second user."""
        return [name for name in self.rules.names(user) if name[0] in self.once]

    # everybody in turn

    def _walk(self, until: int | None = None) -> Iterator[Line]:
        contents: dict[str, int] = {}  # key that comes more than once -> what its first entry held
        named: set[tuple[str, str]] = set()  # of the names that come more than once: taken by now
        used: set[str] = set()  # subs of the pool that are somebody's by now, otherwise than by the sub
        walk = islice(self.users(), None if until is None else until + 1)
        for position, user in enumerate(walk):
            if hash(user.key) in self.keys_again:
                content = hash(orjson.dumps(user.entry))
                if user.key in contents:
                    if contents[user.key] != content and self.scope.has(user):
                        first = self.terms.first(user)
                        yield Line(position, user, Action.SKIP, "duplicate", twin=True, first=first)
                    continue  # the same entry once more is one person with one line
                contents[user.key] = content
            held = self._held(user)
            taken = [name for name in held if name in named]
            line = self._decided(position, user, used, clash=bool(taken))
            if line.known or line.action is Action.CREATE:
                named.update(name for name in held if hash(name) in self.names_again)
            if line.known:
                used.add(line.known.sub)
            if self.scope.has(user):
                yield self._written_over(line, taken)
            elif line.first and line.known:  # not chosen, and wanted in every map of identities
                yield line

    def _decided(self, position: int, user: User, used: set[str], *, clash: bool) -> Line:
        """A create, or who it is in the pool, or why neither; a user who is there is a skip so far."""
        known, how, taken = self._who(user, used)
        if known is None and how != "twice":
            line = creation(position, user, self.terms)
            if line.action is not Action.CREATE or not (taken or clash):
                return line
        skip = Line(position, user, Action.SKIP, "duplicate", first=self.terms.first(user))
        if known is None:
            return replace(skip, reason="restored-twice") if how == "twice" else skip
        if job := self.unfinished.get(known.sub) or self.unfinished.get(user.key):
            return replace(skip, reason="unfinished", detail=str(job), known=known)
        if how in ("sub", "restore") or known.sub in self.ours:
            return replace(skip, reason="exists", known=known)
        if self.terms.taken_at and known.created <= self.terms.taken_at:
            return replace(skip, reason="exists", known=known)
        if _proven(known) and user.key in self.terms.choices.again:
            return replace(skip, reason="exists", known=known)
        if skip.first and (_invited(known) or _proven(known)):
            return replace(skip, reason="administrator", known=known)
        return replace(skip, reason=_again(known) if self.terms.taken_at else "same-name")

    def _who(self, user: User, used: set[str]) -> tuple[Known | None, str, bool]:
        """(this person in the pool, how that is known, whether the name is another person's there)."""
        if known := self.live.keyed(user.key):
            return known, "sub", False
        made = self.made.get(user.key, ())
        ours = [sub for sub in made if sub not in self.owned and sub not in used]
        if len(ours) > 1:
            return None, "twice", False
        if made:  # that is in the backup too, or was made of more than one: the same person once more
            return self.live.keyed(ours[0]) if ours else None, "restore", not ours
        for how, name in self.rules.names(user):
            known = self.live.named(how, name)
            if known and (known.sub in self.owned or known.sub in self.claimed or known.sub in used):
                return None, "", how in self.once
            if known:
                return known, how, False
        return None, "", False

    def _written_over(self, line: Line, taken: Collection[tuple[str, str]]) -> Line:
        """The same line, or the update that was chosen for who exists; ``taken``: names of others by now."""
        known, terms = line.known, self.terms
        if known is None or line.reason == "unfinished" or terms.choices.existing is Existing.SKIP:
            return line
        if line.reason == "administrator" and not _invited(known):  # may have signed up: mapped, no more
            return line
        if self.at is None:
            raise ValueError("to write over users, the pool's users are read again by their place")
        made = update(line.position, line.user, known, self.at(known.place), line.reason, terms)
        if all(name != "email" for name, _, _ in made.changes):
            return made
        emails = [name for name in self._held(line.user) if name[0] == "email"]
        others = [self.live.named(*name) not in (None, known) or name in taken for name in emails]
        return replace(line, action=Action.CANNOT, reason="address-taken") if any(others) else made


def _twice(hashes: array[int]) -> frozenset[int]:
    """Those that come more than once."""
    ordered = sorted(hashes)
    return frozenset(
        one for one, next_ in zip(ordered, islice(ordered, 1, None), strict=False) if one == next_
    )


def _proven(known: Known) -> bool:
    return known.status == "CONFIRMED" and known.verified


def _invited(known: Known) -> bool:
    """Nobody has this status from signing up: somebody who may administer the pool made the user."""
    return known.status == "FORCE_CHANGE_PASSWORD"


def _again(known: Known) -> str:
    if known.status == "UNCONFIRMED":
        return "unfinished-again"
    return "registered-again" if _proven(known) else "unverified-again"


def writable(user: User) -> dict[str, str]:
    """The attributes that a create may write. ``sub``, ``identities`` and ``cognito:*`` are Cognito's own.

    ``*_verified`` is always written beside its address: left out, an update would mail a code.
    """
    written = {
        name: value
        for name, value in user.attributes.items()
        if value and name not in ("sub", "identities") and not name.startswith("cognito:")
    }
    for address in ADDRESSES:
        verified = f"{address}_verified"
        if address in written:
            written[verified] = "true" if user.attributes.get(verified, "").lower() == "true" else "false"
        else:
            written.pop(verified, None)
    return written


def _fitting(
    attributes: Mapping[str, str], terms: Terms
) -> tuple[dict[str, str], tuple[str, ...], tuple[str, list[str]] | None]:
    """(what the pool takes, what it does not know, (reason, names) of what stands in the way)."""
    unknown = sorted(attributes.keys() - terms.facts.attributes)
    kept = {name: value for name, value in attributes.items() if name not in unknown}
    if stay := [name for name in unknown if name not in terms.choices.leave_out]:
        return kept, tuple(unknown), ("unknown-attribute", stay)
    if long := sorted(name for name, value in kept.items() if len(value) > LONGEST):
        return kept, tuple(unknown), ("too-long", long)
    return kept, tuple(unknown), None


def _changes(
    wanted: Mapping[str, str], live: User, facts: PoolFacts, *, over: bool
) -> tuple[list[tuple[str, str, str]], list[str]]:
    """((field, in the pool, in the backup) of what an update writes, what differs and cannot be written).

    An address and whether it is verified are one field of two parts: the second is only written where the
    first is, or is the same already.
    """
    flags = {f"{address}_verified" for address in ADDRESSES}
    changes, immutable = list[tuple[str, str, str]](), list[str]()
    for name in sorted(wanted.keys() - flags):
        there, value = live.attributes.get(name, ""), wanted[name]
        written = value != there and not (name == "email" and facts.fold(value) == facts.fold(there))
        if written and there and not over:
            continue
        if written and name in facts.immutable:
            immutable.append(name)
            continue
        if written:
            changes.append((name, there, value))
        flag = f"{name}_verified"
        if flag in flags and flag not in facts.immutable:
            is_verified = live.attributes.get(flag, "")
            if (is_verified.lower() or "false") != wanted[flag] and (written or over or not is_verified):
                changes.append((flag, is_verified, wanted[flag]))
    return changes, immutable


def _no_username(user: User, facts: PoolFacts) -> tuple[str, str] | None:
    """(reason, detail) where the pool takes no such Username; None where it does."""
    if facts.email_is_username and not user.email:
        return "no-email", ""
    name = user.email if facts.email_is_username else user.username
    if any(letter.isspace() for letter in name) or len(name) > 128:
        return "no-username", "it has spaces, or is longer than 128 characters"
    if facts.email_is_username and not all(name.partition("@")):
        return "no-username", "it is no e-mail"
    if not facts.email_is_username and "email" in facts.alias_attributes and "@" in name:
        return "no-username", "it looks like an e-mail, which is an alias here"
    return None


def _held_once(facts: PoolFacts) -> tuple[str, ...]:
    """By which names this pool refuses a second user; elsewhere two people may share an e-mail."""
    unique_email = facts.email_is_username or "email" in facts.alias_attributes
    return ("username", "email") if unique_email else ("username",)


def _word(value: bool) -> str:
    return "true" if value else "false"


def _links(user: User) -> tuple[tuple[str, str], ...]:
    """(provider, subject) of each identity, where all of them say so; else ()."""
    links = []
    try:
        identities = orjson.loads(user.attributes["identities"])
    except ValueError:
        return ()
    for identity in identities:
        named = identity if isinstance(identity, dict) else {}
        pair = named.get("providerName"), named.get("userId")
        if not all(isinstance(part, str) and part for part in pair):
            return ()
        links.append((str(pair[0]), str(pair[1])))
    return tuple(links)


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
    withheld: int = 0  # memberships that a guard keeps users out of
    links: int = 0
    factors_lost: int = 0  # of those created: had a second factor, come back without one
    by_reason: dict[str, int] = field(default_factory=dict)
    guards: dict[str, int] = field(default_factory=lambda: dict.fromkeys(map(str, sorted(Guard)), 0))
    """Guard -> users who would be written otherwise, or more, with it allowed."""
    updates: dict[str, int] = field(default_factory=dict)  # field -> users in whom it is written
    unknown: dict[str, int] = field(default_factory=dict)  # attribute -> users who cannot come back for it
    left_out: dict[str, int] = field(default_factory=dict)  # attribute -> users who come back without it
    defaults: dict[str, int] = field(default_factory=dict)  # attribute -> users who get the chosen default
    immutable: dict[str, int] = field(default_factory=dict)  # attribute -> users in whom it differs and stays
    groups: set[str] = field(default_factory=set)  # that somebody comes back into

    def note(self, line: Line) -> None:
        setattr(self, line.action, getattr(self, line.action) + 1)
        _add(self.by_reason, line.reason)
        self.withheld += len(line.withheld)
        self.guards[Guard.PRIVILEGED] += bool(line.withheld)
        if line.held:
            self.guards[line.held] += 1
        _add(self.immutable, *line.immutable)
        if line.reason == "unknown-attribute":
            _add(self.unknown, *line.unknown)
        elif line.action is not Action.SKIP:
            _add(self.left_out, *line.unknown)
        _add(self.updates, *(name for name, _, _ in line.changes))
        self.memberships += len(line.groups)
        self.groups.update(line.groups)
        if line.action is not Action.CREATE:
            return
        user = line.user
        self.links += len(line.links)
        self.factors_lost += bool(line.factors)
        _add(self.defaults, *line.defaults)
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
        for name in ("updates", "unknown", "left_out", "defaults", "immutable"):
            numbers[name] = dict(sorted(numbers[name].items(), key=lambda one: (-one[1], one[0]))[:NAMES])
        return {
            **numbers,
            "groups": len(self.groups),
            "mails": {way.value: self.mails(way) for way in Messages},
            "codes": {way.value: self.codes(way) for way in Messages},
            "mail_limit": mail_limit(facts),
            "mail_allowed": mail_allowed(facts, reserve, sent),
            "mails_today": sent,
        }


def _add(counted: dict[str, int], *names: str) -> None:
    for name in names:
        counted[name] = counted.get(name, 0) + 1


def mail_limit(facts: PoolFacts) -> int | None:
    """Mails a day that bind this pool; None where it sends through SES."""
    return MAIL_LIMIT if facts.mail == "COGNITO_DEFAULT" else None


def mail_allowed(facts: PoolFacts, reserve: int, sent: int = 0) -> int | None:
    """What a restore may take of the day: the rest is kept for people who ask for a code."""
    limit = mail_limit(facts)
    return None if limit is None else max(0, limit - reserve - sent)


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
            # Only what is written over can meet it; a plan of before this was known keeps its digest.
            *([sorted(facts.immutable)] if choices.get("existing") != "skip" else []),
        ],
        "choices": dict(choices),
    }
    return hashlib.sha256(orjson.dumps(rests_on, option=orjson.OPT_SORT_KEYS)).hexdigest()
