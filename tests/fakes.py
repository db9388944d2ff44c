"""The ports in memory, with AWS's behaviour: what AWS refuses is refused here.

They pass the same contract tests as the adapters do (tests/contract).

    pool = FakePool()
    pool.add("ada@uni.example", groups=["admins"])
    pool.fail("create_user", Cause.LOST, nth=3, after=True)     # done, and the answer lost
    assert pool.messages.total() == 0
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from backups.core.expiry import Rule
from backups.core.mail import Sender, Ses
from backups.core.sealed import marked
from backups.core.snapshot import Entry, Group, PoolFacts, iso
from backups.engine.ports import (
    Allowance,
    CallThrough,
    Cause,
    Head,
    Outcome,
    PortError,
    Stop,
    Stored,
    Version,
    direct,
    heard,
    never,
)

P = ParamSpec("P")
T = TypeVar("T")
STANDARD_ATTRIBUTES = frozenset(
    """sub name given_name family_name middle_name nickname preferred_username profile picture website
    email email_verified gender birthdate zoneinfo locale phone_number phone_number_verified address
    updated_at""".split()
)
TEAM_ATTRIBUTES = frozenset({"custom:institution", "custom:agreed_terms", "custom:agreed_emails"})
EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
CODES = {
    Cause.THROTTLED: "TooManyRequestsException",
    Cause.LOST: "InternalErrorException",
    Cause.DENIED: "AccessDeniedException",
    Cause.GONE: "ResourceNotFoundException",
    Cause.MISSING: "UserNotFoundException",
    Cause.EXISTS: "UsernameExistsException",
    Cause.REFUSED: "InvalidParameterException",
    Cause.TRIGGER: "UserLambdaValidationException",
    Cause.MAIL_LIMIT: "LimitExceededException",
    Cause.DELIVERY: "CodeDeliveryFailureException",
    Cause.UNSUPPORTED: "UnsupportedOperationException",
}


class FakeClock:
    """Time that moves only when somebody sleeps."""

    def __init__(self, start: datetime = datetime(2026, 11, 22, 1, 0, 0, tzinfo=UTC)) -> None:
        self._now = start
        self._lock = threading.Lock()
        self.slept = 0.0  # seconds, in all

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._now += timedelta(seconds=max(0.0, seconds))
            self.slept += max(0.0, seconds)

    advance = sleep


@dataclass
class _Fault:
    operation: str
    cause: Cause
    first: int
    last: int
    after: bool
    message: str


class Faults:
    """Calls are counted by operation, and can be told to fail before or after their work."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._faults: list[_Fault] = []
        self._lock = threading.RLock()
        self._mailed = threading.local()  # .username: whom this thread's call has mailed

    def fail(
        self,
        operation: str,
        cause: Cause,
        *,
        nth: int = 1,
        times: int = 1,
        after: bool = False,
        message: str = "",
    ) -> None:
        """Of the calls from now on, let the nth and the ``times - 1`` after it fail.

        ``after``: the work is done first, and only the answer fails. operation "*" is any.
        """
        start = (self.calls.total() if operation == "*" else self.calls[operation]) + nth
        self._faults.append(_Fault(operation, cause, start, start + times - 1, after, message))

    @contextmanager
    def _asked(self, operation: str) -> Iterator[None]:
        self._mailed.username = ""
        with self._lock:
            self.calls[operation] += 1
            counts = {operation: self.calls[operation], "*": self.calls.total()}
            due = [f for f in self._faults if f.first <= counts.get(f.operation, 0) <= f.last]
        for fault in due:
            if not fault.after:
                raise self._error(operation, fault)
        with self._lock:
            yield
        for fault in due:
            if fault.after:
                self._after(fault)
                raise self._error(operation, fault)

    def _after(self, fault: _Fault) -> None:
        """What of the work was not done, by the error's own words."""

    @staticmethod
    def _error(operation: str, fault: _Fault) -> PortError:
        text = fault.message or f"Could not {operation.replace('_', ' ')}: {fault.cause.value}."
        return PortError(text, fault.cause, code=CODES.get(fault.cause, ""))


def _no(cause: Cause, text: str, code: str = "") -> PortError:
    return PortError(text, cause, code=code or CODES.get(cause, ""))


def _paced(method: Callable[Concatenate[FakePool, P], T]) -> Callable[Concatenate[FakePool, P], T]:
    """Put through the pool's pace, under the method's own name."""

    @wraps(method)
    def through(pool: FakePool, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return pool.through(method.__name__, lambda: method(pool, *args, **kwargs))

    return through


class FakePool(Faults):
    """A user pool in memory. By default the team's: e-mail as username, no difference by case.

    ``mails_left`` is what is left of the day's limit (None: no limit);
    ``call`` is the pace, ``users`` gives ``page`` users a call;
    ``limit_keeps_user``: an invitation over the limit leaves the user created, which AWS
    does not document; ``unlisted`` holds Usernames that ListUsers does not show yet.
    """

    def __init__(
        self,
        pool_id: str = "eu-west-1_Fake00001",
        name: str = "biomage-user-pool-case-insensitive-production",
        *,
        username_attributes: tuple[str, ...] = ("email",),
        alias_attributes: tuple[str, ...] = (),
        case_sensitive: bool = False,
        attributes: Iterable[str] = STANDARD_ATTRIBUTES | TEAM_ATTRIBUTES,
        required: Iterable[str] = ("name", "email"),
        password_length: int = 8,
        mail: str = "COGNITO_DEFAULT",
        mails_left: int | None = 50,
        limit_keeps_user: bool = True,
        triggers: tuple[str, ...] = ("PostConfirmation",),
        region: str = "eu-west-1",
        account: str = "123456789012",
        tier: str = "ESSENTIALS",
        clock: FakeClock | None = None,
        call: CallThrough = direct,
    ) -> None:
        super().__init__()
        self.clock = clock or FakeClock()
        self.through = call
        self.page = 60
        self.pool_id, self.name, self.region, self.account = pool_id, name, region, account
        self.username_attributes, self.alias_attributes = username_attributes, alias_attributes
        self.case_sensitive, self.password_length = case_sensitive, password_length
        self.attributes, self.required = frozenset(attributes), frozenset(required)
        self.mail, self.mails_left, self.limit_keeps_user = mail, mails_left, limit_keeps_user
        self.triggers, self.tier = triggers, tier
        self.created = iso(self.clock.now())
        self.estimated_users: int | None = None  # None: what is there
        self.gone = False
        self.entries: dict[str, Entry] = {}  # by Username
        self.group_rows: dict[str, Group] = {}  # their members are in .memberships
        self.memberships: dict[str, set[str]] = {}  # group -> Usernames
        self.messages: Counter[str] = Counter()  # mails sent, by Username
        self.passwords: dict[str, str] = {}
        self.unlisted: set[str] = set()
        self.factors: dict[str, tuple[str, ...]] = {}  # Username -> second factors, the preferred one first
        self.active: set[str] = set()  # Usernames that AWS bills as active, for having been read one by one
        self.setting_values: dict[str, Any] = {"user_pool": {"Id": pool_id, "Name": name}, "mfa": {}}
        self.setting_errors: dict[str, str] = {}  # name -> why it cannot be read
        self.immutable: frozenset[str] = frozenset()  # attributes that are written at creation alone
        self.providers: set[str] = set()
        self.links: dict[str, set[tuple[str, str]]] = {}  # Username -> (provider, subject)
        self.keeps_record, self.seen_in = False, set[str]()  # of sign-ins; Usernames that have one

    # for tests: what is there before, and a look at it

    def add(
        self,
        email: str = "",
        *,
        username: str = "",
        sub: str = "",
        status: str = "CONFIRMED",
        enabled: bool = True,
        verified: bool = True,
        groups: Iterable[str] = (),
        created: str = "",
        **attributes: str,
    ) -> Entry:
        """A user who was there before, without a call; custom attributes as ``custom_institution=``."""
        sub = sub or _sub(f"{self.pool_id}/{email}/{username}/{len(self.entries)}")
        username = username or (sub if self.username_attributes else email)
        listed = {key.replace("custom_", "custom:", 1): value for key, value in attributes.items()}
        if email:
            listed |= {"email": email, "email_verified": "true" if verified else "false"}
        entry = self._entry(username, {"sub": sub, **listed}, status, enabled)
        entry["UserCreateDate"] = entry["UserLastModifiedDate"] = created or iso(self.clock.now())
        self.entries[username] = entry
        for group in groups:
            self.group_rows.setdefault(group, Group(group))
            self.memberships.setdefault(group, set()).add(username)
        return copy.deepcopy(entry)

    def remove(self, username: str) -> None:
        """As if somebody had deleted the user."""
        found = self._find(username)["Username"]
        del self.entries[found]
        for members in self.memberships.values():
            members.discard(found)

    def get(self, username: str) -> Entry | None:
        """A look that is no call."""
        try:
            return copy.deepcopy(self._find(username))
        except PortError:
            return None

    # the port

    @_paced
    def facts(self) -> PoolFacts:
        with self._call("facts"):
            known = len(self.entries) if self.estimated_users is None else self.estimated_users
            return PoolFacts(
                pool_id=self.pool_id,
                name=self.name,
                region=self.region,
                account=self.account,
                username_attributes=self.username_attributes,
                alias_attributes=self.alias_attributes,
                case_sensitive=self.case_sensitive,
                mail=self.mail,
                estimated_users=known,
                attributes=self.attributes,
                required=self.required,
                immutable=self.immutable,
                password_length=self.password_length,
                triggers=self.triggers,
                created=self.created,
                tier=self.tier,
                told=iso(self.clock.now()),
            )

    def users(self, prefix: str = "") -> Iterator[Entry]:
        with self._lock:
            listed = [
                copy.deepcopy(entry)
                for name, entry in self.entries.items()
                if name not in self.unlisted and _values(entry)["sub"].startswith(prefix)
            ]
        listed.sort(key=lambda entry: hashlib.sha256(entry["Username"].encode()).digest())

        def page(at: int) -> Callable[[], list[Entry]]:
            def ask() -> list[Entry]:
                with self._call("users"):
                    return listed[at : at + self.page]

            return ask

        for at in range(0, len(listed) or 1, self.page):
            yield from self.through("users", page(at))

    def groups(self, stopping: Callable[[], bool] = never) -> Iterator[Group]:
        through = heard(self.through, stopping)

        def ask() -> list[Group]:
            with self._call("groups"):
                return [replace(row, members=()) for row in self.group_rows.values()]

        yield from through("groups", ask)

    def members(self, group: str, stopping: Callable[[], bool] = never) -> Iterator[str]:
        through = heard(self.through, stopping)

        def ask() -> list[str]:
            with self._call("members"):
                if group not in self.group_rows:
                    raise _no(Cause.GONE, f"The group {group} does not exist.")
                return sorted(self.memberships.get(group, ()))

        yield from through("members", ask)

    def settings(self, stopping: Callable[[], bool] = never) -> Iterator[tuple[str, Any, str]]:
        through = heard(self.through, stopping)

        def read(name: str) -> Callable[[], Any]:
            def ask() -> Any:
                with self._call("settings"):
                    return copy.deepcopy(self.setting_values.get(name))

            return ask

        for name in [*self.setting_values, *(self.setting_errors.keys() - self.setting_values.keys())]:
            if name in self.setting_errors:
                yield name, None, self.setting_errors[name]
                continue
            try:
                yield name, marked(through("settings", read(name))), ""
            except PortError as error:
                yield name, None, str(error)

    @_paced
    def get_user(self, username: str) -> Entry:
        with self._call("get_user"):
            entry = copy.deepcopy(self._find(username))
            self.active.add(entry["Username"])
            if factors := self.factors.get(entry["Username"]):
                entry |= {"UserMFASettingList": [*factors], "PreferredMfaSetting": factors[0]}
            return entry

    @_paced
    def groups_of(self, username: str) -> frozenset[str]:
        with self._call("groups_of"):
            found = self._find(username)["Username"]
            return frozenset(name for name, members in self.memberships.items() if found in members)

    @_paced
    def create_user(self, username: str, attributes: Mapping[str, str], *, invite: bool = False) -> Entry:
        with self._call("create_user"):
            values = dict(attributes)
            self._check_username(username, values)
            self._check_attributes(values, values)
            if self._exists(username, values):
                raise _no(Cause.EXISTS, "User account already exists.")
            if invite and not values.get("email"):
                raise _no(Cause.REFUSED, "No email provided but desired delivery medium was Email.")
            mail_is_spent = invite and self.mails_left == 0
            if mail_is_spent and not self.limit_keeps_user:
                raise self._mail_limit()
            sub = _sub(f"{self.pool_id}/{username}/{self.calls['create_user']}")
            name = sub if self.username_attributes else username
            entry = self._entry(name, {"sub": sub, **values}, "FORCE_CHANGE_PASSWORD", True)
            self.entries[name] = entry
            if invite:
                self._send(name)
            return copy.deepcopy(entry)

    @_paced
    def resend_invitation(self, username: str) -> None:
        with self._call("resend_invitation"):
            if "email" in self.username_attributes and not EMAIL.fullmatch(username):
                # as AdminCreateUser checks it, whose RESEND this is: here the Username is no name
                raise _no(Cause.REFUSED, "Username should be an email.")
            entry = self._find(username)
            if entry["UserStatus"] != "FORCE_CHANGE_PASSWORD":
                raise _no(
                    Cause.REFUSED,
                    f"Resend not possible. {entry['UserStatus']}.",
                    "UnsupportedUserStateException",
                )
            self._send(entry["Username"])

    @_paced
    def set_password(self, username: str, password: str) -> None:
        with self._call("set_password"):
            entry = self._find(username)
            if len(password) < self.password_length:
                raise _no(Cause.REFUSED, "Password not long enough.", "InvalidPasswordException")
            self.passwords[entry["Username"]] = password
            self._touch(entry, UserStatus="CONFIRMED")

    @_paced
    def disable_user(self, username: str) -> None:
        with self._call("disable_user"):
            self._touch(self._find(username), Enabled=False)

    @_paced
    def enable_user(self, username: str) -> None:
        with self._call("enable_user"):
            self._touch(self._find(username), Enabled=True)

    @_paced
    def update_user(self, username: str, attributes: Mapping[str, str]) -> None:
        with self._call("update_user"):
            entry = self._find(username)
            values = _values(entry) | dict(attributes)
            self._check_attributes(dict(attributes), values)
            if frozen := sorted(attributes.keys() & self.immutable):
                raise _no(Cause.REFUSED, f"{', '.join(frozen)}: Attribute cannot be updated.")
            for address in ("email", "phone_number"):
                if address in attributes and f"{address}_verified" not in attributes:
                    values[f"{address}_verified"] = "false"
                    self.messages[entry["Username"]] += 1  # a code
            entry["Attributes"] = [{"Name": name, "Value": value} for name, value in values.items() if value]
            self._touch(entry)

    @_paced
    def delete_user(self, username: str) -> None:
        with self._call("delete_user"):
            self.remove(self._find(username)["Username"])

    @_paced
    def link_user(self, username: str, provider: str, subject: str) -> None:
        with self._call("link_user"):
            entry = self._find(username)
            if provider not in self.providers:
                raise _no(Cause.REFUSED, f"Identity provider {provider} does not exist.")
            links = self.links.setdefault(entry["Username"], set())
            links.add((provider, subject))
            values = _values(entry) | {"identities": identities_of(links)}
            entry["Attributes"] = [{"Name": name, "Value": value} for name, value in values.items()]

    @_paced
    def signed_in(self, username: str) -> bool | None:
        with self._call("signed_in"):
            found = self._find(username)["Username"]
            return found in self.seen_in if self.keeps_record else None

    @_paced
    def create_group(self, group: Group) -> None:
        with self._call("create_group"):
            if not re.fullmatch(r"\S{1,128}", group.name):
                raise _no(Cause.REFUSED, "A group name has 1 to 128 characters and no spaces.")
            if group.name in self.group_rows:
                raise _no(Cause.EXISTS, "A group with the name already exists.", "GroupExistsException")
            self.group_rows[group.name] = group
            self.memberships[group.name] = set()

    @_paced
    def add_to_group(self, username: str, group: str) -> None:
        with self._call("add_to_group"):
            if group not in self.group_rows:
                raise _no(Cause.GONE, "Group not found.")
            found = self._find(username)["Username"]
            if sum(found in members for members in self.memberships.values()) >= 100:
                raise _no(Cause.REFUSED, "A user is in at most 100 groups.", "LimitExceededException")
            self.memberships[group].add(found)

    @_paced
    def remove_from_group(self, username: str, group: str) -> None:
        with self._call("remove_from_group"):
            if group not in self.group_rows:
                raise _no(Cause.GONE, "Group not found.")
            self.memberships[group].discard(self._find(username)["Username"])

    # behind it

    @contextmanager
    def _call(self, operation: str) -> Iterator[None]:
        with self._asked(operation):
            if self.gone:
                raise _no(Cause.GONE, f"User pool {self.pool_id} does not exist.")
            yield

    def _entry(self, username: str, attributes: Mapping[str, str], status: str, enabled: bool) -> Entry:
        now = iso(self.clock.now())
        return {
            "Username": username,
            "Attributes": [{"Name": name, "Value": value} for name, value in attributes.items()],
            "UserCreateDate": now,
            "UserLastModifiedDate": now,
            "Enabled": enabled,
            "UserStatus": status,
        }

    def _touch(self, entry: Entry, **changes: Any) -> None:
        entry.update(changes)
        entry["UserLastModifiedDate"] = iso(self.clock.now())

    def _fold(self, text: str) -> str:
        return text if self.case_sensitive else text.lower()

    def _find(self, username: str) -> Entry:
        """By Username or sub; by e-mail where that is a username, or an alias and verified."""
        if username in self.entries:
            return self.entries[username]
        wanted = self._fold(username)
        for name, entry in self.entries.items():
            values = _values(entry)
            if username == values.get("sub") or wanted == self._fold(name):
                return entry
            if values.get("email") and wanted == self._fold(values["email"]):
                verified = "email" in self.alias_attributes and values.get("email_verified") == "true"
                if "email" in self.username_attributes or verified:
                    return entry
        raise _no(Cause.MISSING, "User does not exist.")

    def _exists(self, username: str, values: Mapping[str, str]) -> bool:
        try:
            self._find(username)
        except PortError:
            pass
        else:
            return True
        if "email" in self.alias_attributes and values.get("email_verified") == "true":
            try:
                self._find(values["email"])
            except PortError:
                return False
            raise _no(Cause.REFUSED, "An account with the email already exists.", "AliasExistsException")
        return False

    def _check_username(self, username: str, values: dict[str, str]) -> None:
        if not re.fullmatch(r"\S{1,128}", username):
            raise _no(Cause.REFUSED, "A Username has 1 to 128 characters and no spaces.")
        if "email" in self.username_attributes:
            if not EMAIL.fullmatch(username):
                raise _no(Cause.REFUSED, "Username should be an email.")
            if self._fold(values.setdefault("email", username)) != self._fold(username):
                raise _no(Cause.REFUSED, "Username and email are different.")
        if "email" in self.alias_attributes and EMAIL.fullmatch(username):
            raise _no(
                Cause.REFUSED,
                "Username cannot be of email format, since user pool is configured for email alias.",
            )

    def _check_attributes(self, values: Mapping[str, str], afterwards: Mapping[str, str]) -> None:
        for name, value in values.items():
            if name == "sub" or name == "identities" or name.startswith("cognito:"):
                raise _no(Cause.REFUSED, f"Cannot set the attribute {name}.")
            if name not in self.attributes:
                raise _no(
                    Cause.REFUSED,
                    f"Attributes did not conform to the schema: {name}: no such attribute in the schema.",
                )
            if len(value) > 2048:
                raise _no(Cause.REFUSED, f"Attributes did not conform to the schema: {name}: too long.")
        for name in ("email", "phone_number"):
            if afterwards.get(f"{name}_verified") == "true" and not afterwards.get(name):
                raise _no(Cause.REFUSED, f"{name} is required to verify/un-verify it.")

    def _after(self, fault: _Fault) -> None:
        mailed = self._mailed.username
        if mailed and fault.cause in (Cause.MAIL_LIMIT, Cause.DELIVERY):
            self.messages[mailed] -= 1  # the error itself says that none went out
            self.messages += Counter()

    def _mail_limit(self) -> PortError:
        return _no(Cause.MAIL_LIMIT, "Exceeded daily email limit for the operation or the account.")

    def _send(self, username: str) -> None:
        if self.mails_left is not None:
            if self.mails_left == 0:
                raise self._mail_limit()
            self.mails_left -= 1
        self.messages[username] += 1
        self._mailed.username = username


def identities_of(links: Iterable[tuple[str, str]]) -> str:
    """The attribute that shows them, (provider, subject) each."""
    return json.dumps([{"userId": subject, "providerName": provider} for provider, subject in sorted(links)])


def _values(entry: Entry) -> dict[str, str]:
    return {attribute["Name"]: attribute["Value"] for attribute in entry["Attributes"]}


def _sub(seed: str) -> str:
    """The same at every run, and never in the order of creation."""
    return str(uuid.UUID(bytes=hashlib.sha256(seed.encode()).digest()[:16], version=4))


@dataclass
class _Version:
    data: bytes
    modified: datetime
    deleted: bool = False


class FakeStore(Faults):
    """A versioned bucket in memory."""

    def __init__(
        self, bucket: str = "biomage-backups-production-123456789012", *, clock: FakeClock | None = None
    ) -> None:
        super().__init__()
        self.bucket = bucket
        self.clock = clock or FakeClock()
        self.objects: dict[str, list[_Version]] = {}
        self.chunk = 1 << 20  # bytes; smaller shows where a reader forgets chunk borders
        self.gone = False
        self.lifecycle: tuple[Rule, ...] = ()
        self.object_lock = False
        self.heads: dict[str, Head] = {}  # by key; any other object tells nothing

    # for tests

    def plant(self, key: str, data: bytes, *, modified: datetime | None = None) -> None:
        """Write whatever was there: a file of another tool, or one changed after it was made."""
        self.objects.setdefault(key, []).append(_Version(data, modified or self.clock.now()))

    def read(self, key: str) -> bytes:
        """A look that is no call."""
        return self._latest(key).data

    def delete(self, key: str) -> None:
        """A delete marker: the older versions stay."""
        self.objects.setdefault(key, []).append(_Version(b"", self.clock.now(), deleted=True))

    @property
    def keys(self) -> list[str]:
        return sorted(key for key, versions in self.objects.items() if not versions[-1].deleted)

    # the port

    def list(self, prefix: str = "", after: str = "") -> Iterator[Stored]:
        with self._call("list"):
            rows = [
                self._stored(key)
                for key in sorted(self.keys, key=str.encode)
                if key.startswith(prefix) and key.encode() > after.encode()
            ]
        yield from rows

    def open(self, key: str) -> Iterator[bytes]:
        with self._call("open"):
            data = self._latest(key).data
        return (data[at : at + self.chunk] for at in range(0, len(data), self.chunk))

    def put(self, key: str, chunks: Iterable[bytes]) -> Stored:
        data = b"".join(chunks)
        with self._call("put"):
            if key in self.keys:
                raise _no(Cause.EXISTS, f"{key} exists already.", "PreconditionFailed")
            self.plant(key, data)
            return self._stored(key)

    def versions(self, key: str) -> int:
        with self._call("versions"):
            return sum(not version.deleted for version in self.objects.get(key, ())) or 1

    def history(self, prefix: str = "") -> Iterator[Version]:
        with self._call("history"):
            keys = sorted((key for key in self.objects if key.startswith(prefix)), key=str.encode)
            rows = [
                Version(key, str(number), one.modified, None if one.deleted else len(one.data))
                for key in keys
                for number, one in reversed([*enumerate(self.objects[key], 1)])
            ]
        yield from rows

    def head(self, key: str) -> Head:
        with self._call("head"):
            self._latest(key)
            return self.heads.get(key, Head())

    def rules(self) -> tuple[Rule, ...]:
        with self._call("rules"):
            return self.lifecycle

    def locks(self) -> bool:
        with self._call("locks"):
            return self.object_lock

    # behind it

    @contextmanager
    def _call(self, operation: str) -> Iterator[None]:
        with self._asked(operation):
            if self.gone:
                raise _no(Cause.GONE, f"The bucket {self.bucket} does not exist.", "NoSuchBucket")
            yield

    def _latest(self, key: str) -> _Version:
        versions = self.objects.get(key)
        if not versions or versions[-1].deleted:
            raise _no(Cause.MISSING, f"{key} does not exist.", "NoSuchKey")
        return versions[-1]

    def _stored(self, key: str) -> Stored:
        version = self._latest(key)
        etag = hashlib.sha256(version.data).hexdigest()[:32]
        return Stored(key, len(version.data), version.modified, etag)


@dataclass
class FakeReport:
    """Keeps what it is told, in order. ``stop_after``: the n-th keep_going still passes, the next stops."""

    stop_after: int | None = None
    why: str = "pause"
    clock: FakeClock = field(default_factory=FakeClock)
    phases: list[tuple[str, int | None]] = field(default_factory=list)
    lines: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    intended: list[tuple[str, ...]] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)  # the last word of each key
    history: list[Outcome] = field(default_factory=list)
    events: list[tuple[str, Any]] = field(default_factory=list)  # all of it: (method's name, what)
    asked: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def phase(self, name: str, total: int | None = None) -> None:
        with self._lock:
            self.phases.append((name, total))
            self.events.append(("phase", name))

    def say(self, kind: str, text: str, **data: Any) -> None:
        with self._lock:
            self.lines.append((kind, text, data))
            self.events.append(("say", text))

    def count(self, **counters: int) -> None:
        with self._lock:
            self.counters.update(counters)

    def intend(self, keys: Sequence[str], step: str = "") -> datetime:
        with self._lock:
            self.intended.append(tuple(keys))
            self.events.append((step or "intend", tuple(keys)))
        return self.clock.now()

    def outcome(self, outcome: Outcome) -> None:
        with self._lock:
            self.outcomes[outcome.key] = outcome
            self.history.append(outcome)
            self.events.append(("outcome", outcome))

    def keep_going(self) -> None:
        with self._lock:
            self.asked += 1
            if self.stop_after is not None and self.asked > self.stop_after:
                raise Stop(self.why)

    def stopping(self) -> bool:
        with self._lock:
            return self.stop_after is not None and self.asked > self.stop_after

    @property
    def text(self) -> str:
        """Every line said, for looking whether something was said at all."""
        return "\n".join(text for _, text, _ in self.lines)


ARN = "arn:aws:iam::123456789012:role/cognito-admin"
DEFAULTS: dict[str, Any] = {  # what UpdateUserPool makes of a setting that it is not given
    "Policies": {"PasswordPolicy": {"MinimumLength": 8, "TemporaryPasswordValidityDays": 7}},
    "DeletionProtection": "INACTIVE",
    "LambdaConfig": {},
    "MfaConfiguration": "OFF",
    "EmailConfiguration": {"EmailSendingAccount": "COGNITO_DEFAULT"},
    "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": False, "UnusedAccountValidityDays": 7},
    "UserPoolTier": "ESSENTIALS",
}
KEPT = ("Id", "Name", "Arn", "CreationDate", "SchemaAttributes", "UsernameAttributes", "AliasAttributes",
        "UsernameConfiguration", "Domain", "EstimatedNumberOfUsers")  # fmt: skip


class FakeAccount(Faults):
    """What IAM, SES and the settings of pools say. A pool that nobody described reads as a plain one.

    ``denies``: IAM actions; ``mail``: what SES says; an update resets what it is not given, as AWS does.
    """

    def __init__(self, region: str = "eu-west-1") -> None:
        super().__init__()
        self.region = region
        self.denies: set[str] = set()
        self.asked: list[tuple[tuple[str, ...], str, str]] = []  # of IAM: actions, resource, principal
        domain = "arn:aws:ses:eu-west-1:123456789012:identity/uni.example"
        self.mail = Ses(True, True, 50_000, 0, (Sender("uni.example", domain, verified=True),))
        self.pools: dict[str, dict[str, Any]] = {}
        self.factors: dict[str, dict[str, Any]] = {}
        self.roles: dict[str, str] = {}
        self.users: Mapping[str, FakePool] = {}  # pools whose users may have what is added to the schema

    def plain(self, pool_id: str, **settings: Any) -> dict[str, Any]:
        """A pool's settings, so that tests may change them."""
        if pool_id not in self.pools:
            told = {
                "Id": pool_id,
                "Name": "team-production",
                "EstimatedNumberOfUsers": 0,
                **DEFAULTS,
                **settings,
            }
            self.pools[pool_id] = self._settled(told)
        return self.pools[pool_id]

    def allowed(self, actions: Sequence[str], resource: str, principal: str = "") -> Allowance:
        with self._asked("allowed"):
            self.asked.append((tuple(actions), resource, principal))
            return Allowance(principal or ARN, frozenset(actions) & self.denies)

    def ses(self) -> Ses:
        with self._asked("ses"):
            return self.mail

    def describe(self, pool_id: str) -> dict[str, Any]:
        with self._asked("describe"):
            return copy.deepcopy(self.plain(pool_id))

    def mfa(self, pool_id: str) -> dict[str, Any]:
        with self._asked("mfa"):
            return copy.deepcopy(self.factors.get(pool_id, {"MfaConfiguration": "OFF"}))

    def role_of(self, pool_id: str) -> str:
        with self._asked("role_of"):
            return self.roles.get(pool_id, "")

    def update(self, pool_id: str, settings: Mapping[str, Any]) -> None:
        with self._asked("update"):
            before = self.plain(pool_id)
            kept = {name: before[name] for name in KEPT if name in before}
            now = {**DEFAULTS, **kept, **settings}
            if "PoolName" in now:
                now["Name"] = now.pop("PoolName")
            policy, admin = (settings.get(name, {}) for name in ("Policies", "AdminCreateUserConfig"))
            days = policy.get("PasswordPolicy", {}).get("TemporaryPasswordValidityDays")
            if days and admin.get("UnusedAccountValidityDays"):
                raise _no(Cause.REFUSED, "Please use TemporaryPasswordValidityDays instead.")
            self.pools[pool_id] = self._settled(now)

    def add_attributes(self, pool_id: str, attributes: Sequence[Mapping[str, Any]]) -> None:
        with self._asked("add_attributes"):
            schema: list[dict[str, Any]] = self.plain(pool_id).setdefault("SchemaAttributes", [])
            there, added = {one["Name"] for one in schema}, list[dict[str, Any]]()
            for one in attributes:
                name = ("dev:" if one.get("DeveloperOnlyAttribute") else "custom:") + one["Name"]
                if name in there:
                    raise _no(Cause.REFUSED, f"{name}: Existing attribute already has name {name}.")
                added.append({"Required": False, "Mutable": True, **one, "Name": name})
            if len(added) > 25 or sum(":" in name for name in there) + len(added) > 50:
                raise _no(Cause.REFUSED, "Too many attributes.")
            schema += added
            if pool := self.users.get(pool_id):
                pool.attributes |= {one["Name"] for one in added}
                pool.immutable |= {one["Name"] for one in added if not one["Mutable"]}

    @staticmethod
    def _settled(told: Mapping[str, Any]) -> dict[str, Any]:
        """A temporary password's days are shown under both of their names."""
        settings = copy.deepcopy(dict(told))
        policy = settings["Policies"].setdefault("PasswordPolicy", {})
        admin = settings["AdminCreateUserConfig"]
        days = policy.get("TemporaryPasswordValidityDays") or admin.get("UnusedAccountValidityDays") or 7
        policy["TemporaryPasswordValidityDays"] = admin["UnusedAccountValidityDays"] = days
        return settings
