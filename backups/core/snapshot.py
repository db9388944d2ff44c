"""What a backup holds: users, groups, memberships, settings, and the manifest that vouches for them.

A user is kept as the entry that ListUsers gave (plain JSON values, dates as
ISO 8601 text), because fields that we do not know today must still be there
on the day of the restore.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

Entry: TypeAlias = dict[str, Any]
"""One user as ListUsers gives it, JSON values only: Username, Attributes, Enabled, UserStatus, dates."""

FORMAT_VERSION = 1
ADDRESSES = ("email", "phone_number")
"""Attributes that have a ``*_verified`` beside them."""
LONGEST_NAME = 128
"""Characters of a Username and of a sub, at most (AdminCreateUser, SchemaAttributeType)."""


class NotAUser(ValueError):
    """An entry that cannot be a user; the message says why, and is fit for a page."""


@dataclass(frozen=True, slots=True)
class User:
    """One user of a backup or of a live pool."""

    entry: Entry
    attributes: Mapping[str, str]

    @classmethod
    def of(cls, entry: object) -> User:
        """Read one entry. Raises NotAUser with the reason."""
        if not isinstance(entry, dict):
            raise NotAUser(f"an entry is {_kind(entry)}, not a user")
        username, listed = entry.get("Username"), entry.get("Attributes", [])
        if not isinstance(username, str) or not username:
            raise NotAUser("an entry has no Username")
        if not isinstance(listed, list):
            raise NotAUser("an entry's Attributes are no list")
        attributes = _plain(listed) or _attributes(listed)
        sub = attributes.get("sub", "")
        if len(username) > LONGEST_NAME or len(sub) > LONGEST_NAME or "\0" in username or "\0" in sub:
            raise NotAUser(_unfit("Username", username) or _unfit("sub", sub))
        if type(entry.get("Enabled", True)) is not bool:
            raise NotAUser("an entry's Enabled is neither true nor false")  # a guess may enable somebody
        return cls(entry, attributes)

    @property
    def username(self) -> str:
        return str(self.entry["Username"])

    @property
    def sub(self) -> str:
        """The pool's own id of this user; "" in a file that lacks it."""
        return self.attributes.get("sub", "")

    @property
    def key(self) -> str:
        """What this user is called in a plan and its ledger: the sub, else the Username."""
        return self.sub or self.username

    @property
    def email(self) -> str:
        return self.attributes.get("email", "")

    @property
    def email_verified(self) -> bool:
        return self.attributes.get("email_verified", "").lower() == "true"

    @property
    def enabled(self) -> bool:
        return self.entry.get("Enabled", True) is not False

    @property
    def status(self) -> str:
        return str(self.entry.get("UserStatus", "UNKNOWN"))

    @property
    def created(self) -> str:
        return str(self.entry.get("UserCreateDate", ""))

    @property
    def modified(self) -> str:
        return str(self.entry.get("UserLastModifiedDate", ""))

    @property
    def label(self) -> str:
        """How a person would name this user: the e-mail, else the Username."""
        return self.email or self.username


@dataclass(frozen=True, slots=True)
class Group:
    """One group of a pool, with the members by Username."""

    name: str
    description: str = ""
    precedence: int | None = None
    role_arn: str = ""
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """What decides how users are matched, created and written to. From DescribeUserPool."""

    pool_id: str
    name: str
    region: str
    account: str
    username_attributes: tuple[str, ...] = ()  # ("email",): e-mail as username
    alias_attributes: tuple[str, ...] = ()
    case_sensitive: bool = True  # UsernameConfiguration; AWS's default where it is absent
    mail: str = "COGNITO_DEFAULT"  # or DEVELOPER: SES, where Cognito's day limit does not bind
    estimated_users: int | None = None
    attributes: frozenset[str] = frozenset()  # names in the schema, custom: prefix and all
    required: frozenset[str] = frozenset()
    immutable: frozenset[str] = frozenset()  # of ``attributes``: written at creation, and never again
    lengths: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Attribute -> (least, most) characters, where the schema names others than Cognito's own."""
    password_length: int = 8
    triggers: tuple[str, ...] = ()
    created: str = ""
    tier: str = ""  # LITE, ESSENTIALS or PLUS, which decides what an active user costs; "" where not told
    told: str = field(default="", compare=False)  # when AWS said so, ISO 8601 by its own clock; "" unknown

    @property
    def email_is_username(self) -> bool:
        return "email" in self.username_attributes

    def fold(self, text: str) -> str:
        """An e-mail or username as this pool tells them apart (NFC; case by the pool's setting)."""
        text = unicodedata.normalize("NFC", text)
        return text if self.case_sensitive else text.lower()


@dataclass(frozen=True, slots=True)
class Part:
    """One object of a backup, as the manifest vouches for it."""

    name: str  # "data.json"
    size: int  # bytes, plain
    sha256: str  # hex, over the plain bytes
    count: int  # users, groups, settings


@dataclass(frozen=True, slots=True)
class Manifest:
    """manifest.json: written last; a backup without it is not one of ours, or not whole."""

    pool_id: str
    pool_name: str
    region: str
    account: str
    started: str  # ISO 8601, UTC
    finished: str
    made_by: str  # who, as text
    trigger: str  # person | schedule | before-restore
    tool: str  # "cognito-admin 0.1.0"
    users: int
    groups: int
    memberships: int
    parts: tuple[Part, ...]
    unread: Mapping[str, str] = field(default_factory=dict)  # setting -> why it could not be read
    left_out: tuple[str, ...] = ()  # what was left out on purpose: "secrets of app clients"
    sealed: tuple[str, ...] = ()  # where in pool.json a sealed secret stands: JSON pointers
    mfa: Mapping[str, int | str] = field(default_factory=dict)  # read, billed_active, why (core.mfa)
    key: str = ""  # the backup's own, so that the HMAC binds it to its place; "" in the oldest ones
    format: int = FORMAT_VERSION
    more: Mapping[str, Any] = field(default_factory=dict)  # fields of a later version, as they came


def environment_of(pool_name: str) -> str:
    """The environment that a pool's name ends in ("production"), or "" when it names none."""
    last = pool_name.rsplit("-", 1)[-1].lower()
    return last if last in ENVIRONMENTS else ""


ENVIRONMENTS = ("production", "staging", "development")


def mask(label: str) -> str:
    """An e-mail as it may be shown to anybody signed in: ``a••••@uni.example``."""
    name, at, domain = label.rpartition("@")
    return f"{name[:1]}••••@{domain}" if at and name else label


def iso(moment: datetime) -> str:
    """UTC with milliseconds and a Z, as JavaScript writes it and as cbr's files have it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def in_utc(text: str) -> str:
    """A time of a user as ``iso`` writes it, fit to be compared as text; "" for what is no time."""
    try:
        moment = datetime.fromisoformat(text)
        return iso(moment.astimezone(UTC)) if moment.tzinfo else ""
    except (ValueError, OverflowError):  # or a time that UTC has no year for
        return ""


def _text(value: object) -> str:
    """An attribute's value. AWS knows text only; other tools may leave true, null or a number."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise NotAUser("an attribute's Value is no text")


def _plain(listed: list[Any]) -> dict[str, str] | None:
    """The attributes where all of them are plain text, as AWS gives them; None: look at each."""
    try:
        found = {attribute["Name"]: attribute["Value"] for attribute in listed}
        "".join(found)  # the quickest way to ask whether all of them are text
        "".join(found.values())
    except (TypeError, KeyError):
        return None
    return None if "" in found else found


def without_nul(text: str) -> str:
    """PostgreSQL keeps no NUL, in a JSON value neither; the sign for it says that there was one."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}")


def _unfit(what: str, text: str) -> str:
    if len(text) > LONGEST_NAME:
        return f"an entry's {what} has {len(text):,} characters; {LONGEST_NAME} is the most"
    return f"an entry's {what} holds a NUL" if "\0" in text else ""


def _attributes(listed: list[Any]) -> dict[str, str]:
    """Whatever other tools wrote. Raises NotAUser."""
    attributes: dict[str, str] = {}
    for attribute in listed:
        name = attribute.get("Name") if isinstance(attribute, dict) else None
        if not isinstance(name, str) or not name:
            raise NotAUser("an attribute has no Name")
        attributes[name] = _text(attribute.get("Value"))
    return attributes


def _kind(value: object) -> str:
    return {list: "a list", str: "text", bool: "a truth value", type(None): "null"}.get(
        type(value), "a number"
    )
