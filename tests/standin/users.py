"""Users of one pool, a million of them: found by any of their names, listed in an order that varies.

A user's ListUsers entry is kept as the JSON text it is answered with. Who was seeded has nothing else
until somebody touches them: a page is sixty texts joined.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any

import orjson

BUCKETS = 256  # by the first two hex digits of the sub
SUB = attrgetter("sub")


class User:
    __slots__ = (
        "_attributes", "code", "code_until", "created", "devices", "enabled", "events", "groups", "kept",
        "mfa", "modified", "password", "preferred_mfa", "revoked", "secret", "sessions", "status", "sub",
        "temporary_until", "totp", "username",
    )  # fmt: skip

    def __init__(
        self,
        sub: str,
        username: str,
        created: float,
        *,
        attributes: dict[str, str] | None = None,
        entry: bytes | None = None,
        status: str = "FORCE_CHANGE_PASSWORD",
        enabled: bool = True,
    ) -> None:
        """``attributes`` without sub, or the ``entry`` that holds them all."""
        self.sub = sub
        self.username = username
        self.created = created  # seconds since 1970
        self.modified = created
        self.status = status
        self.enabled = enabled
        self._attributes = attributes
        self.kept = entry  # of ``entry``, until something changes
        self.password = ""  # "": nobody can sign in with one
        self.temporary_until = 0.0  # of a temporary password; 0: the password is permanent
        self.groups: dict[str, float] | None = None  # name -> since when
        self.mfa: tuple[str, ...] = ()  # SMS_MFA, SOFTWARE_TOKEN_MFA, EMAIL_OTP
        self.preferred_mfa = ""
        self.totp = False  # a verified software token
        self.secret = ""  # of the software token, in base32
        self.code = ""  # the last code that was sent
        self.code_until = 0.0
        self.devices: list[dict[str, Any]] | None = None
        self.sessions: list[dict[str, Any]] | None = None
        self.events: list[dict[str, Any]] | None = None
        self.revoked = 0.0  # tokens from before this moment are worth nothing

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as a row: a million of them in half the time."""
        return _revived, _row(self)

    @property
    def attributes(self) -> dict[str, str]:
        """Name -> value, without ``sub``. Change it through ``changed``."""
        if self._attributes is None:
            listed = orjson.loads(self.kept or b"{}")["Attributes"]
            self._attributes = {one["Name"]: one["Value"] for one in listed if one["Name"] != "sub"}
        return self._attributes

    def changed(self, now: float, **values: Any) -> None:
        """Set fields (``attributes`` among them) and the date of the last change."""
        _ = self.attributes  # the entry is about to go
        for name, value in values.items():
            setattr(self, "_attributes" if name == "attributes" else name, value)
        self.modified = now
        self.kept = None

    @property
    def entry(self) -> bytes:
        """As ListUsers answers it."""
        if self.kept is None:
            self.kept = orjson.dumps(self.described("Attributes"))
        return self.kept

    def described(self, name: str) -> dict[str, Any]:
        """With the attributes under ``name``: Attributes, or UserAttributes in AdminGetUser."""
        listed = [
            {"Name": key, "Value": value} for key, value in (self.attributes | {"sub": self.sub}).items()
        ]
        return {
            "Username": self.username,
            name: listed,
            "UserCreateDate": round(self.created, 3),
            "UserLastModifiedDate": round(self.modified, 3),
            "Enabled": self.enabled,
            "UserStatus": self.status,
        }


_row = attrgetter(*User.__slots__)


def _revived(*row: Any) -> User:
    user = User.__new__(User)
    for name, value in zip(User.__slots__, row, strict=True):
        setattr(user, name, value)
    return user


class Users:
    """By sub, by every name, and in buckets for listing."""

    def __init__(self, *, fold: bool, usernames: frozenset[str], aliases: frozenset[str]) -> None:
        self.fold = fold  # the pool does not tell case apart
        self.usernames = usernames  # of email, phone_number: what a username must be
        self.aliases = aliases  # of email, phone_number, preferred_username
        self.by_sub: dict[str, User] = {}
        self.names: dict[str, str] = {}  # folded username or e-mail -> sub
        self.alias: dict[tuple[str, str], str] = {}  # (attribute, folded value) -> sub, verified ones only
        self.buckets: list[list[User]] = [[] for _ in range(BUCKETS)]  # each by sub
        self.before: dict[
            str, list[tuple[float, bytes | None]]
        ] = {}  # sub -> (when, what was listed till then)

    def __len__(self) -> int:
        return len(self.by_sub)

    def __iter__(self) -> Iterator[User]:
        return iter(self.by_sub.values())

    def folded(self, name: str) -> str:
        return name.lower() if self.fold else name

    # found

    def find(self, name: str) -> User | None:
        """By username, sub, e-mail in an e-mail pool, or verified alias."""
        key = self.folded(name)
        sub = self.names.get(key) or (name if name in self.by_sub else None)
        if sub is None:
            sub = next((s for kind in self.aliases if (s := self.alias.get((kind, key)))), None)
        return self.by_sub[sub] if sub else None

    def taken(self, name: str) -> bool:
        return self.folded(name) in self.names

    def owner(self, kind: str, value: str) -> User | None:
        """Whose verified alias it is."""
        sub = self.alias.get((kind, self.folded(value)))
        return self.by_sub[sub] if sub else None

    # kept

    def add(self, user: User, *, lag_from: float | None = None) -> None:
        self._note(user.sub, lag_from, None)
        self.by_sub[user.sub] = user
        bisect.insort(self.buckets[int(user.sub[:2], 16)], user, key=SUB)
        self._name(user)

    def seed(self, users: Iterable[User], keys: Iterable[str]) -> None:
        """Many at once; ``keys`` are their folded names, so that no entry has to be read."""
        for user, key in zip(users, keys, strict=True):
            self.by_sub[user.sub] = user
            self.names[key] = user.sub
            self.buckets[int(user.sub[:2], 16)].append(user)
            if self.aliases:
                self._name(user)
        for bucket in self.buckets:
            bucket.sort(key=SUB)

    def remove(self, user: User, *, lag_from: float | None = None) -> None:
        self._note(user.sub, lag_from, user.entry)
        self._unname(user)
        del self.by_sub[user.sub]
        if lag_from is None:  # else once no list is late enough to show it
            self.before.pop(user.sub, None)
            self._unlist(user.sub)

    def change(self, user: User, now: float, *, lag_from: float | None = None, **values: Any) -> None:
        """``User.changed``, with the names kept true and the old entry kept for whoever lists late."""
        self._note(user.sub, lag_from, user.entry)
        renamed = "attributes" in values
        if renamed:
            self._unname(user)
        user.changed(now, **values)
        if renamed:
            self._name(user)

    def _keys(self, user: User) -> Iterator[str]:
        """What it is known by besides its sub; of who came from a provider, Google_1001 and no address."""
        if self.usernames and user.username == user.sub:
            yield from (user.attributes[kind] for kind in self.usernames if kind in user.attributes)
        else:
            yield user.username

    def _name(self, user: User) -> None:
        for key in self._keys(user):
            self.names[self.folded(key)] = user.sub
        for kind in self.aliases:
            value = user.attributes.get(kind)
            verified = kind == "preferred_username" or user.attributes.get(f"{kind}_verified") == "true"
            if value and verified:
                self.alias[kind, self.folded(value)] = user.sub

    def _unname(self, user: User) -> None:
        for key in self._keys(user):
            if self.names.get(self.folded(key)) == user.sub:
                del self.names[self.folded(key)]
        for kind in self.aliases:
            held = (kind, self.folded(user.attributes.get(kind, "")))
            if self.alias.get(held) == user.sub:
                del self.alias[held]

    # listed late

    def _note(self, sub: str, lag_from: float | None, entry: bytes | None) -> None:
        if lag_from is not None:
            self.before.setdefault(sub, []).append((lag_from, entry))

    def seen_at(self, moment: float) -> dict[str, bytes | None]:
        """sub -> what a list that is as old as ``moment`` shows instead of now (None: not there).

        What no list as old as that shows any more is forgotten; at infinity everything is.
        """
        shown: dict[str, bytes | None] = {}
        for sub, changes in list(self.before.items()):
            later = [change for change in changes if change[0] > moment]
            if later:
                shown[sub] = later[0][1]
            else:
                del self.before[sub]
                if sub not in self.by_sub:
                    self._unlist(sub)
        return shown

    def _unlist(self, sub: str) -> None:
        bucket = self.buckets[int(sub[:2], 16)]
        del bucket[bisect.bisect_left(bucket, sub, key=SUB)]
