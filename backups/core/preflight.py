"""What stops a restore before it starts, and what a person should know; each a check with its remedy.

    what was learned of backup, pool and account -> Check, Check, Check, …

Everything here decides and asks nothing. What could not be asked is an ``Unasked``, and its check a warning
that says so: never a stop, never a pass. A check that holds for some ways of getting in again names them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from backups.core import mfa as active_users
from backups.core.choices import Choices, Existing, Guard
from backups.core.mail import COGNITO, SES, Limit, Need
from backups.core.plan import Counts, Messages
from backups.core.snapshot import PoolFacts, User, environment_of

SILENT, INVITE, LATER = (Messages.SILENT.value, Messages.INVITE.value, Messages.LATER.value)
POLICY = "the policy “restore” of docs/policies.json"


LONGEST = 2048
"""Characters of an attribute's value, at most: what the plan itself looks at."""


class State(StrEnum):
    PASS = "pass"  # noqa: S105  (no password)
    WARN = "warn"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Check:
    """One question before the first write, and its answer."""

    code: str
    state: State
    sentence: str
    remedy: str = ""  # what to do, or what follows from it
    ways: tuple[str, ...] = ()  # for which of silent, invite, later it holds; () for all

    def holds_for(self, way: str) -> bool:
        return not self.ways or way in self.ways

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "state": self.state.value,
            "sentence": self.sentence,
            "remedy": self.remedy,
            "ways": list(self.ways),
        }

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Check:
        return cls(
            values["code"],
            State(values["state"]),
            values["sentence"],
            values.get("remedy", ""),
            tuple(values.get("ways", ())),
        )

    @property
    def text(self) -> str:
        """The sentence, and what to do."""
        return f"{self.sentence} {self.remedy}".strip()


@dataclass(frozen=True, slots=True)
class Unasked:
    """Something that could not be asked; ``why`` is a sentence."""

    why: str


def stops(checks: Iterable[Check], way: str = "") -> list[str]:
    """Why nothing may start; of a ``way`` what stops that one too, else what stops all of them."""
    return [
        check.text
        for check in checks
        if check.state is State.STOP and (check.holds_for(way) if way else not check.ways)
    ]


def of_state(checks: Iterable[Check], state: State) -> list[Check]:
    return [check for check in checks if check.state is state]


def _pass(code: str, sentence: str, *ways: str) -> Check:
    return Check(code, State.PASS, sentence, "", ways)


def _warn(code: str, sentence: str, remedy: str = "", *ways: str) -> Check:
    return Check(code, State.WARN, sentence, remedy, ways)


def _stop(code: str, sentence: str, remedy: str = "", *ways: str) -> Check:
    return Check(code, State.STOP, sentence, remedy, ways)


def _not_asked(code: str, what: str, why: Unasked, *ways: str) -> Check:
    return _warn(code, f"{what} could not be asked.", why.why, *ways)


def count(number: int, one: str = "user", many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


# --- the backup and where it goes -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """A backup, as far as it says what it is. ``pool_name`` is "" for an upload or a plain file."""

    pool_name: str
    region: str = ""
    account: str = ""
    readable: bool = True
    why_not: str = ""
    checked: bool = False
    origin: str = "unknown"  # ours | unknown | changed
    has_groups: bool = False


def of_target(source: Source, target: PoolFacts) -> list[Check]:
    """Whether this backup may go into this pool."""
    if not source.readable:
        return [_stop("readable", f"This backup cannot be restored: {source.why_not}. Nothing was written.")]
    found = []
    remedy = (
        "Restoring it here forces silent and needs a second person, which this dashboard cannot yet take."
    )
    if source.pool_name and source.pool_name != target.name:
        here, there = environment_of(target.name), environment_of(source.pool_name)
        what = f"another environment ({there})" if here != there and there else "another pool"
        found.append(
            _stop(
                "same-pool",
                f"This backup is of {what}: it was made from {source.pool_name}, and the target "
                f"is {target.name}.",
                remedy,
            )
        )
    elsewhere = [
        f"{name} {value}"
        for name, value, own in (
            ("Region", source.region, target.region),
            ("account", source.account, target.account),
        )
        if value and own and value != own
    ]
    if elsewhere:
        made = f"This backup was made in {' and '.join(elsewhere)}; the target is elsewhere."
        found.append(_stop("same-place", made, remedy))
    if not found and source.pool_name:
        found.append(_pass("same-pool", f"This backup is of a pool of this name: {target.name}."))
    elif not found:
        found.append(
            _warn(
                "same-pool",
                "This file does not say which pool it is of.",
                "Make sure that it is of this one.",
            )
        )
    return found


def of_source(source: Source) -> list[Check]:
    """How far this backup can be trusted."""
    found = []
    if source.origin == "unknown":
        found.append(
            _warn(
                "origin",
                "Nobody vouches for this file: it was not written by this dashboard, or not sealed with its "
                "key.",
                "Whoever can put an object into the bucket can plant a backup.",
            )
        )
    elif source.origin == "changed":
        found.append(
            _warn(
                "origin",
                "This backup was changed after it was made.",
                "Look at its versions before you trust it.",
            )
        )
    else:
        found.append(_pass("origin", "This dashboard wrote the backup, and its seal holds."))
    if source.checked:
        found.append(_pass("checked", "The backup was read back and is what its manifest says."))
    else:
        found.append(_warn("checked", "This backup was never read back and checked against a manifest."))
    if source.has_groups:
        found.append(_pass("groups", "The backup holds groups and memberships."))
    else:
        found.append(
            _warn(
                "groups",
                "This backup holds users only: groups and memberships do not come back from it.",
            )
        )
    return found


def refusals(source: Source, target: PoolFacts) -> list[str]:
    """Why this backup is not restored into this pool from the page; empty when it may be."""
    return stops(of_target(source, target))


def warnings(source: Source) -> list[str]:
    """What to know before starting; none of it stops anything."""
    return [check.text for check in of_state(of_source(source), State.WARN)]


# --- what the account may do ------------------------------------------------------------------------


def actions_of(counts: Counts, choices: Choices) -> dict[str, tuple[str, ...]]:
    """IAM action -> the ways that need it, () for all of them; only what this plan would call."""
    needed: dict[str, tuple[str, ...]] = {"DescribeUserPool": (), "ListUsers": (), "AdminGetUser": ()}
    if counts.create:
        needed |= {"AdminCreateUser": (), "AdminSetUserPassword": (SILENT,)}
    if counts.disabled or choices.existing is Existing.OVERWRITE:
        needed["AdminDisableUser"] = ()
    if counts.memberships:
        needed |= {"AdminAddUserToGroup": (), "AdminListGroupsForUser": ()}
    if counts.groups:
        needed["CreateGroup"] = ()
    if choices.existing is not Existing.SKIP:
        needed["AdminUpdateUserAttributes"] = ()
    if Guard.ENABLE in choices.guards:
        needed["AdminEnableUser"] = ()
    if counts.links:
        needed["AdminLinkProviderForUser"] = ()
    return {f"cognito-idp:{name}": ways for name, ways in needed.items()}


def of_actions(
    needed: Mapping[str, tuple[str, ...]],
    told: tuple[str, Collection[str]] | Unasked,
    can_read: bool | Unasked,
) -> list[Check]:
    """``told``: (who was asked about, which of the actions IAM denies them); ``can_read``: a dry call."""
    if isinstance(told, Unasked):
        if can_read is False:
            return [
                _stop(
                    "actions",
                    "Our credentials may not read a user (AdminGetUser), so nothing could be confirmed.",
                    f"Give them {POLICY}.",
                )
            ]
        tried = "Reading a user is allowed; the rest" if can_read is True else "What our credentials may do"
        return [_not_asked("actions", tried, told)]
    who, denied = told
    found = []
    for ways in sorted({needed[action] for action in denied if action in needed}):
        names = [action.partition(":")[2] for action in sorted(denied) if needed.get(action) == ways]
        found.append(
            _stop(
                "actions",
                f"IAM denies {who} what this restore needs: {', '.join(names)}.",
                f"Give it {POLICY}; if writers hold another role, name that one in WRITE_ROLE.",
                *ways,
            )
        )
    return found or [_pass("actions", f"IAM allows {who} every action that this restore needs.")]


# --- the schema ---------------------------------------------------------------------------------------


def lengths_of(pool: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Attribute -> (least, most) characters, where DescribeUserPool names others than Cognito's own."""
    found = {}
    for attribute in pool.get("SchemaAttributes", ()):
        limits = attribute.get("StringAttributeConstraints") or {}
        least, most = int(limits.get("MinLength") or 0), int(limits.get("MaxLength") or LONGEST)
        if (least > 1 or most < LONGEST) and attribute.get("Name") != "sub":
            found[str(attribute.get("Name", ""))] = (least, most)
    return found


def of_schema(counts: Counts, facts: PoolFacts, choices: Choices, people: People | None) -> list[Check]:
    found = []
    unknown = counts.by_reason.get("unknown-attribute", 0)
    if unknown:
        found.append(
            _warn(
                "attributes",
                f"{count(unknown)} cannot be restored for attributes that this pool does not know: "
                f"{_named(counts.unknown)}.",
                "Add them to the pool's schema (they never go again), or leave them out, and plan again.",
            )
        )
    elif choices.leave_out:
        names = _named(counts.left_out) or ", ".join(sorted(choices.leave_out))
        found.append(_warn("attributes", f"Left out, as chosen: {names}.", "These values do not come back."))
    else:
        found.append(_pass("attributes", "The pool knows every attribute of whoever is created."))
    if lacking := counts.by_reason.get("required-attribute", 0):
        found.append(
            _warn(
                "required",
                f"{count(lacking)} cannot be restored: they lack an attribute that this pool requires.",
                "Give a default for it, and plan again.",
            )
        )
    else:
        found.append(_pass("required", "Nobody who is created lacks an attribute that this pool requires."))
    if counts.immutable:
        found.append(
            _warn(
                "immutable",
                f"Differs in users who exist, and is written at creation only: {_named(counts.immutable)}.",
                "They keep what they have there.",
            )
        )
    elif fixed := sorted(facts.immutable - {"sub"}):
        found.append(
            _pass("immutable", f"Written when a user is created, and never again: {', '.join(fixed)}.")
        )
    else:
        found.append(_pass("immutable", "Every attribute of this pool can be corrected later."))
    long = counts.by_reason.get("too-long", 0)
    if people is not None and people.misfits:
        found.append(
            _warn(
                "lengths",
                f"Values of the backup do not fit the pool's schema in length: {_named(people.misfits)}.",
                "Cognito refuses these users; everybody else is restored.",
            )
        )
    elif long:
        found.append(
            _warn(
                "lengths",
                f"{count(long)} cannot be restored: a value has more than 2,048 characters.",
                "Everybody else is restored.",
            )
        )
    elif people is None or people.misfits is None:
        nobody = Unasked("Nothing has more than 2,048 characters; the schema's own limits were not read.")
        found.append(_not_asked("lengths", "Whether every value fits the pool's schema", nobody))
    else:
        found.append(_pass("lengths", "Every value fits the lengths of the pool's schema."))
    return found


def _named(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({number:,})" for name, number in sorted(counted.items()))


# --- names --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class People:
    """What is learned by walking over the backup's users."""

    by_case: int = 0  # users who differ from another one by nothing but the case of letters
    by_form: int = 0  # … by nothing but Unicode's form of them
    without_phone: int = 0
    misfits: dict[str, int] | None = (
        None  # attribute -> values outside its lengths; None: these are not known
    )


def learn(
    users: Callable[[], Iterable[User]], facts: PoolFacts, lengths: Mapping[str, tuple[int, int]] | None
) -> People:
    """Two walks, and a third where names clash. What is kept are two numbers for each name with capitals or
    accents, not the names.

    ``lengths``: of ``lengths_of``; None where the schema could not be read.
    """
    people, misfits = People(), dict[str, int]()
    odd: dict[int, int] = {}  # how a name reads to the strictest eye -> how it was spelled first
    clash: set[int] = set()
    for user in users():
        name = _name(user, facts)
        folded = _folded(name)
        if folded != name and odd.setdefault(hash(folded), hash(name)) != hash(name):
            clash.add(hash(folded))
        people.without_phone += not user.attributes.get("phone_number")
        for attribute, (least, most) in (lengths or {}).items():
            value = user.attributes.get(attribute)
            if value and not least <= len(value) <= most:
                misfits[attribute] = misfits.get(attribute, 0) + 1
    people.misfits = None if lengths is None else misfits
    if odd:
        plain = (name for user in users() if (name := _name(user, facts)) == _folded(name))
        clash.update(key for name in plain if (key := hash(name)) in odd)
    spellings: dict[str, set[str]] = {}
    for user in users() if clash else ():
        name = _name(user, facts)
        if hash(folded := _folded(name)) in clash:
            spellings.setdefault(folded, set()).add(name)
    for spelled in spellings.values():
        forms = {unicodedata.normalize("NFC", name) for name in spelled}
        people.by_form += len(spelled) - len(forms)
        people.by_case += len(forms) - 1
    return people


def _name(user: User, facts: PoolFacts) -> str:
    return user.email if facts.email_is_username else user.username


def _folded(name: str) -> str:
    return name if name.isascii() and name == name.lower() else unicodedata.normalize("NFC", name).casefold()


def of_names(counts: Counts, facts: PoolFacts, people: People | None) -> list[Check]:
    found = []
    bad = counts.by_reason.get("no-email", 0) + counts.by_reason.get("no-username", 0)
    if facts.email_is_username:
        mode = "The e-mail is the username here; every user gets a new Username, which is the new sub."
    elif facts.alias_attributes:
        mode = f"Usernames stay as they were; {' and '.join(facts.alias_attributes)} find somebody too."
    else:
        mode = "Usernames stay as they were."
    if bad:
        cannot = f"{count(bad)} cannot be restored: the pool takes no such username."
        found.append(_warn("usernames", f"{mode} {cannot}", "Everybody else is restored."))
    else:
        found.append(_pass("usernames", mode))
    if facts.case_sensitive:
        found.append(
            _warn(
                "case",
                "This pool tells Ada@ and ada@ apart: whoever writes their name otherwise is somebody else.",
                "It cannot be changed later; a new pool can be made without it.",
            )
        )
    else:
        found.append(_pass("case", "This pool does not tell capitals from small letters."))
    found.append(_collisions(counts, facts, people))
    return found


def _collisions(counts: Counts, facts: PoolFacts, people: People | None) -> Check:
    duplicates = counts.by_reason.get("duplicate", 0)
    told = []
    if duplicates:
        one = "it has" if duplicates == 1 else "they have"
        told.append(
            f"{count(duplicates)} of the backup stay out: {one} the name of another, who comes first."
        )
    if taken := counts.by_reason.get("address-taken", 0):
        have = "has" if taken == 1 else "have"
        told.append(f"{count(taken)} {have} an e-mail that somebody else in the pool has by now.")
    if people is None:
        if told:
            return _warn("collisions", " ".join(told), _LOOK)
        return _pass("collisions", "No two users of the backup have the same name in this pool.")
    if people.by_case:
        differ = "differ" if people.by_case > 1 else "differs"
        where = "are two people here" if facts.case_sensitive else "cannot both be in this pool"
        told.append(f"{count(people.by_case, 'name')} {differ} from another by case alone; such {where}.")
    if people.by_form:
        differ = "differ" if people.by_form > 1 else "differs"
        told.append(
            f"{count(people.by_form, 'name')} {differ} from another only in how Unicode writes its letters; "
            "what Cognito makes of that is not documented."
        )
    if told:
        return _warn("collisions", " ".join(told), _LOOK)
    return _pass("collisions", "No two names of the backup differ only by case or by their Unicode form.")


_LOOK = "Look at these users in the plan before you start."


def of_addresses(counts: Counts) -> Check:
    if not counts.unverified:
        return _pass("unverified", "Everybody who is created and enabled has a verified e-mail.")
    return _warn(
        "unverified",
        f"{count(counts.unverified)} of those created {'has' if counts.unverified == 1 else 'have'} no "
        "verified e-mail: Cognito sends no code there, so they can neither sign in nor reset a password.",
        "Invite them, or verify their address by hand once they are back.",
        SILENT,
    )


# --- the pool's settings ------------------------------------------------------------------------------


def of_password(pool: Mapping[str, Any] | Unasked, password: str) -> Check:
    """``password``: one of those that a silent restore sets."""
    if isinstance(pool, Unasked):
        return _not_asked("password", "The pool's password policy", pool, SILENT)
    policy = pool.get("Policies", {}).get("PasswordPolicy", {})
    lacks = [
        words
        for name, words, fits in (
            ("RequireUppercase", "a capital", str.isupper),
            ("RequireLowercase", "a small letter", str.islower),
            ("RequireNumbers", "a digit", str.isdigit),
            ("RequireSymbols", "a symbol", lambda letter: not letter.isalnum()),
        )
        if policy.get(name) and not any(map(fits, password))
    ]
    least = int(policy.get("MinimumLength") or 0)
    if len(password) < least:
        lacks.append(f"{least} characters")
    if lacks:
        return _stop(
            "password",
            f"The random passwords of a silent restore lack {' and '.join(lacks)}, which the policy wants.",
            "Choose another way, or relax the policy until everybody is back.",
            SILENT,
        )
    return _pass("password", "The random passwords of a silent restore fit the pool's policy.", SILENT)


def of_factors(mfa: Mapping[str, Any] | Unasked, people: People | None, lost: int = 0) -> Check:
    """``lost``: of those created, who had a second factor and come back without one."""
    if isinstance(mfa, Unasked):
        return _not_asked("mfa", "How the pool asks for a second factor", mfa)
    required = mfa.get("MfaConfiguration") == "ON"
    token = bool((mfa.get("SoftwareTokenMfaConfiguration") or {}).get("Enabled"))
    mail, text = "EmailMfaConfiguration" in mfa, "SmsMfaConfiguration" in mfa
    gone = "Authenticator apps and passkeys do not come back: whoever had one sets it up again."
    if lost:
        gone += f" {count(lost)} {'comes' if lost == 1 else 'come'} back without the one of before."
    if not required:
        if mfa.get("MfaConfiguration") == "OPTIONAL":
            return _warn("mfa", f"A second factor is optional here. {gone}", "Tell people to expect it.")
        return _pass("mfa", "This pool asks for no second factor.")
    if token:
        return _warn(
            "mfa",
            f"This pool requires a second factor. {gone}",
            "Everybody is asked to set up an authenticator app at the first sign-in.",
        )
    if text and not mail:
        who = (
            "Whoever has no phone number"
            if people is None
            else f"{count(people.without_phone)} of the backup without a phone number"
        )
        if people is not None and not people.without_phone:
            return _pass(
                "mfa", "This pool requires a second factor by SMS, and everybody has a phone number."
            )
        return _warn(
            "mfa",
            f"This pool requires a second factor, by SMS alone. {who} cannot sign in.",
            "Let the pool accept an authenticator app too, before people come back.",
        )
    if mail:
        return _warn(
            "mfa",
            "This pool requires a second factor, by e-mail: each sign-in costs one more mail.",
            "Count these mails in; they are not in the dates here.",
        )
    return _warn(
        "mfa",
        "This pool requires a second factor and has none switched on: nobody could sign in.",
        "Switch one on before people come back.",
    )


def of_messages(pool: Mapping[str, Any] | Unasked) -> list[Check]:
    """SMS and e-mail, as DescribeUserPool itself complains of them."""
    if isinstance(pool, Unasked):
        return [_not_asked("sms", "The pool's role for SMS", pool)]
    found = []
    sms = pool.get("SmsConfiguration") or {}
    role = str(sms.get("SnsCallerArn", "")) or ("AWS End User Messaging" if sms else "")
    if failed := str(pool.get("SmsConfigurationFailure", "")):
        found.append(
            _warn("sms", f"Cognito cannot send SMS from this pool: {failed}.", "Mend its SMS settings.")
        )
    elif role:
        found.append(_pass("sms", f"SMS go out through {role}; a restore sends none."))
    else:
        found.append(_pass("sms", "This pool sends no SMS, and a restore needs none."))
    if failed := str(pool.get("EmailConfigurationFailure", "")):
        found.append(
            _warn(
                "mail-failure",
                f"Cognito cannot send e-mail from this pool: {failed}.",
                "Mend its e-mail settings.",
            )
        )
    return found


def of_protection(pool: Mapping[str, Any] | Unasked) -> Check:
    if isinstance(pool, Unasked):
        return _not_asked("protection", "Whether the pool is protected from deletion", pool)
    if pool.get("DeletionProtection") == "ACTIVE":
        return _pass("protection", "The pool is protected from deletion.")
    return _warn(
        "protection",
        "The pool is not protected from deletion: one call deletes it with everybody in it.",
        "Switch deletion protection on before the first user is back.",
    )


def of_replica(role: str | Unasked, region: str) -> Check:
    """``role``: PRIMARY, SECONDARY, or "" for a pool without replicas."""
    if isinstance(role, Unasked):
        return _not_asked("replica", "Whether this is the primary copy of the pool", role)
    if role == "SECONDARY":
        return _stop(
            "replica",
            f"In {region} this pool is a secondary replica: no user can be created in it.",
            "Restore into the primary's Region, or make this one the primary first.",
        )
    if role:
        return _warn(
            "replica",
            "This pool is replicated to another Region: what a restore writes is written there too.",
            "That is as it should be; a replica is no backup.",
        )
    return _pass("replica", "This pool has no replica in another Region.")


# --- triggers -----------------------------------------------------------------------------------------


def of_triggers(triggers: Collection[str]) -> list[Check]:
    """Which functions of the application run, for which way; ``triggers`` as LambdaConfig names them."""
    found = [check for name in sorted(triggers) for check in _trigger(name)]
    return found or [_pass("triggers", "This pool has no triggers: no function of the application runs.")]


def _trigger(name: str) -> Iterator[Check]:
    code = f"trigger-{name}"
    if name == "PreSignUp":
        yield _warn(
            code,
            "PreSignUp runs for every user who is created (PreSignUp_AdminCreateUser), and may veto.",
            "Make sure that it lets people in whom it has never seen, and answers within 5 seconds.",
        )
    elif name == "PostConfirmation":
        yield _warn(
            code,
            "PostConfirmation does not run after an invitation. An application that grants access there "
            "grants none to people who come back so, and what it granted before hangs on the old sub.",
            "Apply the identity map in the application's tables.",
            INVITE,
            LATER,
        )
        yield _warn(
            code,
            "PostConfirmation runs when somebody has used “forgot password”, once for each person and with "
            "the new sub. An application that grants access there does so then, as to somebody new.",
            "Apply the identity map before people come back, so that they do not start with nothing.",
            SILENT,
        )
    elif name in ("CustomMessage", "CustomEmailSender"):
        does = "writes" if name == "CustomMessage" else "sends"
        yield _warn(
            code,
            f"{name} {does} each invitation ({name}_AdminCreateUser): where it fails, none goes out.",
            "Try it with a few users first.",
            INVITE,
            LATER,
        )
        yield _warn(
            code,
            f"{name} {does} each code of “forgot password” ({name}_ForgotPassword).",
            "Try it with a few users first.",
            SILENT,
        )
    elif name == "CustomSMSSender":
        yield _pass(code, "CustomSMSSender runs for SMS alone, and a restore sends none.")
    elif name == "UserMigration":
        yield _warn(
            code,
            "UserMigration makes users by itself when people whom the pool does not know sign in or reset "
            "their password: somebody may exist before the restore gets there.",
            "Such users are skipped, and stand in the identity map with the identity they have.",
        )
    else:
        yield _pass(code, f"{name} does not run while users are restored; it runs at sign-in as ever.")


# --- mail, bill and time --------------------------------------------------------------------------------


def of_mail(needs: Mapping[Messages, Need], limit: Limit, facts: PoolFacts, now: datetime) -> list[Check]:
    return [_mail(needs[way], limit, facts, now) for way in Messages]


def _mail(need: Need, limit: Limit, facts: PoolFacts, now: datetime) -> Check:
    way = need.way.value
    what = _of_way(need)
    if not (need.owed or need.codes):
        return _pass("mail", what, way)
    if limit.why:
        unknown = f"{what} What SES allows could not be asked."
        return _warn("mail", unknown, limit.why, way)
    through = "SES" if facts.mail == SES else f"Cognito ({COGNITO})"
    binds = _binds(limit, facts)
    if limit.sandbox:
        sandbox = f"{what} SES is in its sandbox here: mails reach verified addresses alone."
        remedy = "Ask AWS for production access to SES first."
        return _stop("mail", sandbox, remedy, way) if way == INVITE else _warn("mail", sandbox, remedy, way)
    if need.last is None:
        never = f"{what} {binds} Nobody but the first would ever get a mail."
        remedy = "Lower MAIL_RESERVE, or switch this pool's mail to SES."
        return _stop("mail", never, remedy, way) if way == INVITE else _warn("mail", never, remedy, way)
    if need.last <= now:
        return Check(
            "mail", State.PASS, f"{what} {binds} All of them can go out through {through} now.", "", (way,)
        )
    when = "Begun now, the" if way == LATER else "The"
    return _warn(
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


def of_billing(counts: Counts, facts: PoolFacts) -> Check:
    touched = counts.create + counts.update
    told = f"AWS counts {count(touched)} as active this month: whoever is created or changed."
    if not touched:
        return _pass("billing", "Nobody is created or changed, so AWS counts nobody as active for it.")
    if facts.tier not in active_users.FREE_TIERS:
        named = f"On the tier {facts.tier}" if facts.tier else "AWS does not tell the pool's tier;"
        return _warn("billing", f"{told} {named} each may cost.", "Look at AWS's prices before you start.")
    free = f"{active_users.FREE:,} of the account are free on the tier {facts.tier}"
    if touched < active_users.FREE:
        return _pass("billing", f"{told} {free}, those of the application included.")
    return _warn("billing", f"{told} Only {free}.", "Look at AWS's prices before you start.")


def calls(counts: Counts, way: str, *, apart: bool) -> dict[str, int]:
    """Calls by quota category; ``apart``: invitations are a call of their own after the creating."""
    invited = counts.mails(way) if apart else 0
    return {
        "UserCreation": counts.create + invited,
        "UserAccountRecovery": counts.create if way == SILENT else 0,
        "UserUpdate": counts.memberships + counts.disabled + counts.update + counts.links,
        "UserRead": counts.create + counts.update,
        "UserResourceRead": min(counts.memberships, counts.create + counts.update),
    }


def of_time(counts: Counts, rates: Mapping[str, float], *, apart: bool) -> list[Check]:
    """``rates``: calls a second of each category that we allow ourselves. The slowest category decides."""
    found = []
    for way in (SILENT, INVITE, LATER):
        needed = calls(counts, way, apart=apart)
        seconds, slowest = max((number / rates[name], name) for name, number in needed.items())
        text = (
            f"{way.capitalize()}: not less than {duration(seconds)} at our share of AWS's quotas; "
            f"{slowest} decides, {needed[slowest]:,} calls at {rates[slowest]:g} a second."
        )
        found.append(
            _pass("time", text if seconds else f"{way.capitalize()}: there is nothing to write.", way)
        )
    return found


def duration(seconds: float) -> str:
    """In words, rounded up: "1 s", "7 min", "2 h 5 min"."""
    whole = -int(-seconds // 1)
    if whole < 90:
        return f"{whole} s"
    minutes = -(-whole // 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")


def of_other_job(number: int | None, words: str = "") -> Check:
    """``number``: the job that is writing to this pool now; ``words``: what it is."""
    if number is None:
        return _pass("other-job", "No other job is writing to this pool.")
    return _warn(
        "other-job",
        f"Job {number} ({words}) is writing to this pool: what it changes is not in this plan.",
        "Only one job writes to a pool at a time. Wait until it is over, and plan again.",
    )
