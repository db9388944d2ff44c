"""What the accounts hold, in memory. Names, ids and ARNs are AWS's: "IAM identifiers" in its user guide."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.standin.iam.wire import Refused

Document = dict[str, Any]
SSO_PATH = "/aws-reserved/sso.amazonaws.com/"


def unique_id(prefix: str) -> str:
    """AIDA user, AROA role, AGPA group, AKIA and ASIA keys: never given twice."""
    letters = (secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(20 - len(prefix)))
    return prefix + "".join(letters)


@dataclass
class AccessKey:
    id: str
    secret: str
    created: float
    status: str = "Active"

    @classmethod
    def new(cls, prefix: str, now: float) -> AccessKey:
        return cls(unique_id(prefix), base64.b64encode(secrets.token_bytes(30)).decode(), now)


@dataclass
class Entity:
    """What a user, a group and a role have in common. ``base``: "arn:aws:iam::111122223333:user"."""

    name: str
    path: str
    id: str
    base: str
    created: float
    policies: dict[str, Document] = field(default_factory=dict)  # inline, by name
    attached: dict[str, str] = field(default_factory=dict)  # managed: ARN to name

    @property
    def arn(self) -> str:
        return f"{self.base}{self.path}{self.name}"


@dataclass
class User(Entity):
    keys: dict[str, AccessKey] = field(default_factory=dict)
    mfa: dict[str, set[str]] = field(default_factory=dict)  # serial number to codes that are still good


@dataclass
class Role(Entity):
    trust: Document = field(default_factory=dict)  # users and roles in it by id, as IAM keeps them
    longest: int = 3600  # MaxSessionDuration, seconds


@dataclass
class Group(Entity):
    members: set[str] = field(default_factory=set)  # ids of users


@dataclass(frozen=True)
class Session:
    """Temporary credentials. They die with their owner, not with the key that asked for them."""

    key: AccessKey
    token: str
    expires: float
    kind: str  # "root" | "user" | "role" | "federated"
    owner: str  # id of the user or role; "" for the root
    name: str = ""  # of a role's session, of a federated user
    mfa: bool | None = None
    source_identity: str = ""


@dataclass(frozen=True)
class Caller:
    """Who signed. ``arn`` and ``user_id`` are what GetCallerIdentity says."""

    account: Account
    kind: str  # as Session's
    arn: str
    user_id: str
    key: AccessKey
    actor: User | Role | None = None
    session: Session | None = None  # None: a long-lived key

    @property
    def owner(self) -> str:
        return self.actor.id if self.actor else ""


@dataclass
class Account:
    id: str
    partition: str
    root: dict[str, AccessKey] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)  # by access key id

    def arn(self, rest: str, service: str = "iam") -> str:
        return f"arn:{self.partition}:{service}::{self.id}:{rest}"

    def groups_of(self, actor: Entity) -> list[Group]:
        return [group for group in self.groups.values() if actor.id in group.members]

    def open(self, now: float, seconds: float, **rest: Any) -> Session:
        """New temporary credentials; ``rest`` as Session's fields."""
        token = base64.b64encode(secrets.token_bytes(270)).decode()
        session = Session(AccessKey.new("ASIA", now), token, now + seconds, **rest)
        self.sessions[session.key.id] = session
        return session

    def caller(self, key_id: str) -> Caller | None:
        """Who has that access key, whatever its status; None when nobody has."""
        if key := self.root.get(key_id):
            return Caller(self, "root", self.arn("root"), self.id, key)
        for user in self.users.values():
            if key := user.keys.get(key_id):
                return Caller(self, "user", user.arn, user.id, key, user)
        return self._session(self.sessions[key_id]) if key_id in self.sessions else None

    def _session(self, session: Session) -> Caller | None:
        actors: list[User | Role] = [*self.users.values(), *self.roles.values()]
        owner = next((one for one in actors if one.id == session.owner), None)
        if owner is None and session.owner:
            return None
        arn, user_id = (owner.arn, owner.id) if owner else (self.arn("root"), self.id)
        if session.kind == "role" and owner:
            arn, user_id = (
                self.arn(f"assumed-role/{owner.name}/{session.name}", "sts"),
                f"{owner.id}:{session.name}",
            )
        if session.kind == "federated":
            arn, user_id = self.arn(f"federated-user/{session.name}", "sts"), f"{self.id}:{session.name}"
            owner = None
        return Caller(self, session.kind, arn, user_id, session.key, owner, session)


@dataclass
class Settings:
    """What a test may turn while the server runs."""

    clock: float = 0  # seconds that this AWS is ahead of the machine
    window: float = 900  # seconds that a signature's date may be off: see signature.py
    page_size: int = 100  # AWS's default; it may always give fewer
    policies: bool = True  # False: everybody may do everything (trust policies still hold)


@dataclass
class State:
    accounts: dict[str, Account] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)

    def now(self) -> float:
        return time.time() + self.settings.clock

    def caller(self, key_id: str) -> Caller | None:
        found = (account.caller(key_id) for account in self.accounts.values())
        return next((caller for caller in found if caller), None)

    def actors(self) -> Iterator[User | Role]:
        for account in self.accounts.values():
            yield from account.users.values()
            yield from account.roles.values()


def named(held: dict[str, Any], kind: str, name: str) -> Any:
    """One of them. Raises NoSuchEntity in IAM's words."""
    if name not in held:
        raise Refused("NoSuchEntity", f"The {kind} with name {name} cannot be found.", 404)
    return held[name]
