"""One side's settings made ready to be compared: no secrets, nothing that moves by itself, things by name.

A thing of a list (an app client, a provider …) is an ``Item``: whose it is, and its values as text.
``match`` finds it on the other side.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backups.core.sealed import MARK, NAMES
from backups.core.setting_words import Leaves, leaves, with_units
from backups.core.snapshot import without_nul

ORDER = (
    *("user_pool", "tags", "mfa", "clients", "client_secrets", "client_sessions", "identity_providers"),
    *(
        "resource_servers",
        "domains",
        "risk",
        "ui",
        "branding",
        "signing_certificate",
        "log_delivery",
        "terms",
    ),
    *("session", "replicas", "identity_pools"),
)
"""As pool.json has them."""
OF_CLIENTS = frozenset({"client_secrets", "client_sessions", "risk", "ui", "branding"})
"""A thing for each client, by its id."""
POOL = "pool"  # the pool's own, among them
LISTS: Mapping[str, tuple[str, str]] = {
    "clients": ("ClientId", "ClientName"),
    "identity_providers": ("ProviderName", ""),
    "resource_servers": ("Identifier", ""),
    "domains": ("Domain", ""),
    "terms": ("TermsId", "TermsName"),
    "replicas": ("RegionName", ""),
    "identity_pools": ("IdentityPoolId", "IdentityPoolName"),
}
"""Setting -> the field of a thing's id, and of its name."""
MADE_IDS = frozenset({"clients", "terms", "identity_pools"})  # by AWS: another pool has others
WITH_SECRETS = frozenset({"clients", "client_secrets", "identity_providers", "identity_pools"})
"""Where AWS has secrets, in clear when somebody else wrote the file: told by their names."""
DAMAGED = "It does not have the form that AWS gives it."

_FORMS: Mapping[str, type] = {
    **dict.fromkeys(("user_pool", "tags", "mfa", "log_delivery", "session", *OF_CLIENTS), dict),
    **dict.fromkeys(LISTS, list),
}
_DATES = frozenset({"UserPoolId", "CreationDate", "LastModifiedDate", "LastModifiedUser"})
_IGNORED: Mapping[str, frozenset[str]] = {
    "user_pool": _DATES | {"Id", "Arn", "Status", "EstimatedNumberOfUsers", "Domain", "CustomDomain"},
    "domains": _DATES | {"AWSAccountId", "S3Bucket", "CloudFrontDistribution", "Version", "Status"},
    "replicas": _DATES | {"Status", "UserPoolArn"},
    "client_sessions": _DATES | {"ClientId"},
    "risk": _DATES | {"ClientId"},
    "ui": _DATES | {"ClientId", "CSSVersion"},
    "branding": _DATES | {"ClientId", "ManagedLoginBrandingId"},
    **dict.fromkeys(("mfa", "clients", "identity_providers", "resource_servers"), _DATES),
    **dict.fromkeys(("log_delivery", "terms", "session", "identity_pools"), _DATES),
}
"""At the top of a setting, or of one thing; core.settings_diff says why."""
_DEEPEST = 40  # levels; what AWS answers has under 15


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One thing of a list."""

    key: str  # the same on both sides, or ""
    other_key: tuple[str, str] | None  # a name that may be the same where the key is not
    id: str
    name: str
    leaves: Leaves


@dataclass(slots=True)
class Side:
    """``name`` is "from" or "to"."""

    name: str
    settings: dict[str, Any]
    whys: dict[str, str]  # setting, or setting/item -> why it is not compared
    secrets: bool  # some were taken out
    another_pool: bool = False  # than the other side's
    clients: dict[str, str] = field(default_factory=dict)  # id -> name
    twins: dict[str, str] = field(default_factory=dict)  # id -> name, of those that the other side has anew

    @classmethod
    def of(cls, name: str, settings: Mapping[str, Any], unread: Mapping[str, str]) -> Side:
        whys = {**unread, **{setting: DAMAGED for setting, value in settings.items() if _too_deep(value)}}
        clean = _Clean()
        kept = clean.settings({name: value for name, value in settings.items() if name not in whys})
        for setting, form in _FORMS.items():
            if setting in kept and not isinstance(kept[setting], form):
                whys[setting] = DAMAGED
                del kept[setting]
        return cls(name, kept, whys, clean.secrets)

    @property
    def pool_id(self) -> str:
        return _as_text(self.settings.get("user_pool", {}).get("Id"))

    def key(self, client: str) -> str:
        """What both sides call this client."""
        return f"\n{self.twins[client]}" if client in self.twins else client

    def unread(self, setting: str) -> dict[str, str]:
        """Item of the setting -> why it could not be read."""
        start = f"{setting}/"
        return {name[len(start) :]: why for name, why in self.whys.items() if name.startswith(start)}

    def values(self, setting: str) -> Leaves:
        """Of a setting that is no list of things."""
        return self._leaves(setting, self.settings[setting])

    def items(self, setting: str) -> list[Item]:
        value = self.settings[setting]
        if setting in OF_CLIENTS:
            return [self._of_client(setting, client, body) for client, body in value.items()]
        return [self._listed(setting, body) for body in value]

    def _of_client(self, setting: str, client: str, body: Any) -> Item:
        key = self.key(client)
        if setting == "client_secrets" and isinstance(body, list):
            body = {"ClientSecrets": body if key == client else f"{len(body)} in all"}
        found = self._leaves(setting, body)
        if client == POOL:
            return Item(POOL, None, "", "", found)
        return Item(key, None, client, self.clients.get(client, ""), found)

    def _listed(self, setting: str, body: Any) -> Item:
        told = body if isinstance(body, dict) else {}
        id_, name, client = (_as_text(told.get(field)) for field in (*LISTS[setting], "ClientId"))
        found = self._leaves(setting, body)
        if setting == "terms":  # a document of each name for every client
            whose = self.clients.get(client) or client
            return Item(id_, (name, self.key(client)), "", f"{name} ({whose})", found)
        return Item(id_, (name, "") if name else None, id_, name, found)

    def _leaves(self, setting: str, body: Any) -> Leaves:
        if isinstance(body, dict) and setting in _IGNORED:
            body = {key: value for key, value in body.items() if not self._ignored(setting, key)}
        if setting == "clients" and isinstance(body, dict):
            body = with_units(body)
        if self.another_pool:
            if setting == "ui" and isinstance(body, dict) and body.get("ImageUrl"):
                body = {**body, "ImageUrl": "a picture, at an address of its own pool"}
            if setting in ("identity_pools", "terms"):
                body = _renamed(body, {self.pool_id: "(this pool)", **self.twins})
        return leaves(body, (setting,))

    def _ignored(self, setting: str, key: str) -> bool:
        if setting == "user_pool" and key.endswith("Failure"):
            return True
        made = self.another_pool and setting in MADE_IDS and key == LISTS[setting][0]
        return made or key in _IGNORED[setting]


def match(a: Sequence[Item], b: Sequence[Item]) -> tuple[list[tuple[Item, Item]], list[Item], list[Item]]:
    """(pairs, only in a, only in b): by key, then by name, each where it is the only one of its side.

    What is left is the same where all of it is the same.
    """
    pairs: list[tuple[Item, Item]] = []
    mine, others = list(a), list(b)
    ways: tuple[Callable[[Item], Any], ...] = (lambda item: item.key or None, lambda item: item.other_key)
    for way in ways:
        here, there = _alone(mine, way), _alone(others, way)
        found = [(here[key], there[key]) for key in here if key in there]
        pairs += found
        taken = {id(item) for pair in found for item in pair}
        mine = [item for item in mine if id(item) not in taken]
        others = [item for item in others if id(item) not in taken]
    alike: dict[Any, list[Item]] = defaultdict(list)
    for item in others:
        alike[_all_of(item)].append(item)
    only = []
    for item in mine:
        if twins := alike[_all_of(item)]:
            pairs.append((item, twins.pop()))
        else:
            only.append(item)
    return pairs, only, [item for items in alike.values() for item in items]


def _alone(items: Sequence[Item], way: Callable[[Item], Any]) -> dict[Any, Item]:
    """By key, those that have it for themselves."""
    counts = Counter(map(way, items))
    return {key: item for item in items if (key := way(item)) is not None and counts[key] == 1}


def _all_of(item: Item) -> Any:
    return item.key, frozenset(item.leaves.items())


class _Clean:
    """The same without its secrets, and without NUL, which PostgreSQL has no room for."""

    def __init__(self) -> None:
        self.secrets = False

    def settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        left = self._without(settings, NAMES)
        return {_plain(name): self._inner(value, _names_in(name)) for name, value in sorted(left.items())}

    def _inner(self, value: Any, names: frozenset[str]) -> Any:
        if isinstance(value, dict):
            left = self._without(value, names)
            return {_plain(key): self._inner(left[key], names) for key in sorted(left)}
        if isinstance(value, list):
            kept = [self._inner(inner, names) for inner in value if not _sealed(inner)]
            self.secrets |= len(kept) < len(value)
            return kept
        return _plain(value)

    def _without(self, value: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
        left = {
            key: inner
            for key, inner in value.items()
            if key not in names and not _sealed(inner) and not (key == MARK and isinstance(inner, str))
        }
        self.secrets |= len(left) < len(value)
        return left


def _names_in(setting: str) -> frozenset[str]:
    """What is secret by its name below this setting. In one that nobody knows, as where there are some;
    in all others a name is what somebody chose: that of a tag.
    """
    return NAMES if setting in WITH_SECRETS or setting not in ORDER else frozenset()


def _plain(value: Any) -> Any:
    return without_nul(value) if isinstance(value, str) else value


def _sealed(value: Any) -> bool:
    """Exactly as ``core.sealed`` opens it: a mark beside something else hides nothing of that."""
    return isinstance(value, dict) and value.keys() == {MARK} and isinstance(value[MARK], str)


def _too_deep(value: Any) -> bool:
    """Asked level by level, before anything goes down into it by calling itself."""
    level = [value]
    for _ in range(_DEEPEST):
        found: list[Any] = []
        for outer in level:
            if isinstance(outer, dict | list):
                found += outer.values() if isinstance(outer, dict) else outer
        level = found
    return bool(level)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """With these names in the place of ids, wherever they stand; the longest id first."""
    ids = sorted(filter(None, names), key=lambda one: (-len(one), one))
    pattern = re.compile("|".join(map(re.escape, ids)))

    def rename(inner: Any) -> Any:
        if isinstance(inner, dict):
            return {rename(key): rename(inner[key]) for key in sorted(inner)}
        if isinstance(inner, list):
            return [rename(item) for item in inner]
        return pattern.sub(lambda found: names[found[0]], inner) if isinstance(inner, str) else inner

    return rename(value) if ids else value


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else ""
