"""What differs between the settings of two pool.json, one readable change at a time.

    secrets out, on both sides
    what one side could not read is left out on both, and named
    a setting of the pool's own     value by value            user_pool, tags, mfa, session …
    a list of things                matched, then by value    clients, providers, domains, identity pools …

Things are matched by id, then by a name that only one of each side has: a pool that was made again has
other ids. Values are compared as the text that is shown; the order of a list says nothing (but that of an
identity pool's rules), and what is empty is not there.

Left out, because AWS makes it or it moves by itself: Id, Arn, Status, EstimatedNumberOfUsers and every
…Failure of user_pool, and its Domain and CustomDomain (the domains are a setting); UserPoolId,
CreationDate, LastModifiedDate, LastModifiedUser; AWSAccountId, S3Bucket, CloudFrontDistribution, Version
and Status of a domain; Status and UserPoolArn of a replica; CSSVersion of ui; ManagedLoginBrandingId and
the ResourceId of a picture of branding. Between two pools also what names the pool: ids of clients, terms
and identity pools; the pool's id, and those of its clients, inside identity pools and terms; the address
of a picture of ui; and of a client's secrets all but how many there are. What is told twice (the MFA mode
and the tags in user_pool, SMS in mfa, the messages of verification) is told once where it is the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from backups.core.setting_sides import LISTS, MADE_IDS, OF_CLIENTS, ORDER, POOL, Item, Side, match
from backups.core.setting_words import Leaves, Path, label, only_in_a_new_pool, security, told

NOT_HELD = "This side does not hold it."
WHOSE = "Which app client it belongs to is not known: the app clients could not all be read on both sides."
SECRETS = "Secrets were not compared: a backup holds them sealed or not at all."

_TWICE: Mapping[Path, Path] = {  # what is told elsewhere -> where
    ("user_pool", "MfaConfiguration"): ("mfa", "MfaConfiguration"),
    ("user_pool", "UserPoolTags"): ("tags",),
    ("mfa", "SmsMfaConfiguration", "SmsConfiguration"): ("user_pool", "SmsConfiguration"),
    ("mfa", "SmsMfaConfiguration", "SmsAuthenticationMessage"): ("user_pool", "SmsAuthenticationMessage"),
    ("user_pool", "SmsVerificationMessage"): ("user_pool", "VerificationMessageTemplate", "SmsMessage"),
    ("user_pool", "EmailVerificationMessage"): ("user_pool", "VerificationMessageTemplate", "EmailMessage"),
    ("user_pool", "EmailVerificationSubject"): ("user_pool", "VerificationMessageTemplate", "EmailSubject"),
}
_USUAL: Leaves = {("user_pool", "UsernameConfiguration", "CaseSensitive"): "on"}
"""What AWS does where nothing is said, of what only a new pool can have otherwise (AWS.md, Case)."""
_SAYS: Mapping[str, frozenset[str]] = {
    "clients": frozenset({"ClientType", "ExplicitAuthFlows", "AllowedOAuthFlows", "CallbackURLs"}),
    "identity_providers": frozenset({"ProviderType"}),
    "resource_servers": frozenset({"Name", "Scopes"}),
    "branding": frozenset({"UseCognitoProvidedValues"}),
    "identity_pools": frozenset({"AllowUnauthenticatedIdentities", "RoleAttachment"}),
}
"""What a thing is that only one side has; of a thing of another setting, all of it."""
_MORE = re.compile(r"[\d,]+ more")  # of aws.calling.Each: items that are unread and not named
_ROLES = "/roles"  # of aws.identity_pools: only these are unread


@dataclass(frozen=True, slots=True)
class SettingChange:
    """One value, or one thing of a list that only one side has. ``old`` or ``new`` "": not there."""

    setting: str  # its name in pool.json
    item: str  # whose it is: "web-app (3n4b…)"; "" for the pool's own
    path: str  # below the setting, or below the item: "Policies.PasswordPolicy.MinimumLength"
    label: str
    old: str
    new: str
    kind: str  # only_from | only_to | changed; always changed of a thing that is on both sides
    new_pool: bool  # a pool that stands cannot be made to have what "from" has
    security: str  # a code of core.diff.SECURITY, or ""


@dataclass(frozen=True, slots=True)
class SettingsDiff:
    """All that differs, and how much was compared.

    A value of a setting of the pool's own counts as one, and so does a thing of a list, however much of it
    has changed: ``only_from`` and ``only_to`` are the numbers of their changes, ``changed`` is at most the
    number of its own.
    """

    changes: tuple[SettingChange, ...]  # what touches security first, then as pool.json has it
    same: int
    changed: int
    only_from: int
    only_to: int
    unread: tuple[tuple[str, str, str], ...]  # (setting or setting/item, "from" | "to", why): not compared
    notes: tuple[str, ...]  # sentences

    @property
    def secrets(self) -> bool:
        """Whether there were any, which are not compared."""
        return SECRETS in self.notes


def diff_settings(
    a: Mapping[str, object],
    b: Mapping[str, object],
    unread_a: Mapping[str, str],
    unread_b: Mapping[str, str],
) -> SettingsDiff:
    """``settings`` of two pool.json, and what of each could not be read: setting or setting/item -> why."""
    return _Comparing(Side.of("from", a, unread_a), Side.of("to", b, unread_b)).done()


class _Comparing:
    def __init__(self, a: Side, b: Side) -> None:
        self._a, self._b = a, b
        a.another_pool = b.another_pool = not a.pool_id or a.pool_id != b.pool_id
        self._changes: list[SettingChange] = []
        self._counts: Counter[str] = Counter()
        self._unread: list[tuple[str, str, str]] = []

    def done(self) -> SettingsDiff:
        unread = (self._a.whys.keys() | self._b.whys.keys()) & {*ORDER}
        names = self._a.settings.keys() | self._b.settings.keys() | unread
        order = [*(name for name in ORDER if name in names), *sorted(names - {*ORDER})]
        compared = [name for name in order if self._on_both(name)]
        known = "clients" in compared and self._know_the_clients()
        of_things = [name for name in compared if name in LISTS or name in OF_CLIENTS]
        for name in of_things:
            self._things(name, clients_known=known)
        self._values([name for name in compared if name not in of_things])
        self._changes.sort(
            key=lambda one: (not one.security, order.index(one.setting), one.item, one.path, one.old, one.new)
        )
        return SettingsDiff(
            changes=tuple(self._changes),
            same=self._counts["same"],
            changed=self._counts["changed"],
            only_from=self._counts["only_from"],
            only_to=self._counts["only_to"],
            unread=tuple(self._unread),
            notes=(SECRETS,) if self._a.secrets or self._b.secrets else (),
        )

    def _on_both(self, setting: str) -> bool:
        whys = {
            side.name: side.whys.get(setting) or ("" if setting in side.settings else NOT_HELD)
            for side in (self._a, self._b)
        }
        self._unread += [(setting, name, why) for name, why in whys.items() if why]
        return not any(whys.values())

    # the pool's own

    def _values(self, settings: list[str]) -> None:
        values: dict[Path, tuple[str, str]] = {}
        for setting in settings:
            old, new = self._a.values(setting), self._b.values(setting)
            for path in old.keys() | new.keys():
                usual = _USUAL.get(path, "")
                values[path] = old.get(path, usual), new.get(path, usual)
        for path, (old_text, new_text) in values.items():
            if _told_elsewhere(path, values):
                continue
            kind = "changed" if old_text and new_text else "only_from" if old_text else "only_to"
            if old_text == new_text:
                self._counts["same"] += 1
            else:
                self._counts[kind] += 1
                self._add(kind, path, "", old_text, new_text)

    # things of a list

    def _know_the_clients(self) -> bool:
        """Which client of a is which of b: what hangs on them is matched by it. False: not of all."""
        sides = self._a, self._b
        mine, others = (side.items("clients") for side in sides)
        for side, items in zip(sides, (mine, others), strict=True):
            side.clients = dict(sorted((item.id, item.name) for item in items))
        for name, one, other in sorted((one.name, one.id, other.id) for one, other in match(mine, others)[0]):
            if one != other:
                self._a.twins[one] = self._b.twins[other] = name
        return not any(side.unread("clients") for side in sides)

    def _things(self, setting: str, *, clients_known: bool) -> None:
        a, b = self._a, self._b
        mine, others = a.items(setting), b.items(setting)
        unsure: dict[str, str] = {}  # side -> why nobody can say that something is not there
        if a.another_pool and not clients_known and setting in OF_CLIENTS | {"terms"}:
            unsure = {side.name: WHOSE for side in (a, b)}
        unread = self._not_read(a, setting, others, unsure) | self._not_read(b, setting, mine, unsure)
        pairs, only_mine, only_others = match(
            [item for item in mine if item.key not in unread],
            [item for item in others if item.key not in unread],
        )
        for one, other in pairs:
            known = not {f"{one.id}{_ROLES}", f"{other.id}{_ROLES}"} & unread
            self._thing(setting, one, other, with_roles=known)
        for kind, items, there in (("only_from", only_mine, b), ("only_to", only_others, a)):
            for item in items:
                if there.name in unsure and item.key != POOL:
                    self._unread.append((f"{setting}/{item.id or item.name}", there.name, unsure[there.name]))
                    continue
                self._counts[kind] += 1
                text = _says(setting, item)
                old_new = (text, "") if kind == "only_from" else ("", text)
                self._add(kind, (setting,), _called(item, item), *old_new)

    def _not_read(self, side: Side, setting: str, there: list[Item], unsure: dict[str, str]) -> set[str]:
        """Keys of what this side could not read. What is there under no such key may be the same thing."""
        theirs = {item.key for item in there}
        keys = set()
        for part, why in side.unread(setting).items():
            self._unread.append((f"{setting}/{part}", side.name, why))
            key = side.key(part) if setting in OF_CLIENTS else part
            keys.add(key)
            made = side.another_pool and setting in MADE_IDS and not part.endswith(_ROLES)
            if _MORE.fullmatch(part) or (made and key not in theirs):
                unsure.setdefault(side.name, why)
        return keys

    def _thing(self, setting: str, one: Item, other: Item, *, with_roles: bool) -> None:
        paths = [
            path
            for path in one.leaves.keys() | other.leaves.keys()
            if one.leaves.get(path) != other.leaves.get(path)
            and (with_roles or path[:2] != ("identity_pools", "RoleAttachment"))
        ]
        self._counts["changed" if paths else "same"] += 1
        for path in paths:
            old, new = one.leaves.get(path, ""), other.leaves.get(path, "")
            self._add("changed", path, _called(one, other), old, new)

    def _add(self, kind: str, path: Path, item: str, old: str, new: str) -> None:
        self._changes.append(
            SettingChange(
                setting=path[0],
                item=item,
                path=".".join(path[1:]),
                label=label(path),
                old=old,
                new=new,
                kind=kind,
                new_pool=only_in_a_new_pool(path, only_from=kind == "only_from"),
                security=security(path),
            )
        )


def _told_elsewhere(path: Path, values: Mapping[Path, tuple[str, str]]) -> bool:
    return any(
        path[: len(twice)] == twice and values.get((*there, *path[len(twice) :])) == values[path]
        for twice, there in _TWICE.items()
    )


def _called(one: Item, other: Item) -> str:
    if one.id != other.id:
        return f"{one.name} ({one.id} → {other.id})"
    return f"{one.name} ({one.id})" if one.name and one.id else one.name or one.id


def _says(setting: str, item: Item) -> str:
    """What it is; never "", which would say that it is not there."""
    wanted = _SAYS.get(setting)
    found = {path: text for path, text in item.leaves.items() if wanted is None or {*path[1:2]} & wanted}
    return told(found, 1) or _called(item, item) or label((setting,))
