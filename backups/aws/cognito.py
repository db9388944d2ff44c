"""A user pool, through the Cognito API: the port ``UserPool``.

Every call goes through the pace that the pool was given, and is named for it
(the keys of ``engine.pace.CATEGORY``). Pages end at a missing token only: AWS
may give a short or empty page with more to come.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from backups.aws.errors import asking, translate
from backups.aws.session import client
from backups.core.snapshot import Entry, Group, PoolFacts, iso
from backups.engine.ports import CallThrough, Cause, PortError, direct

PAGE = 60  # users, groups, clients a page: the service's limit
STANDARD_ATTRIBUTES = frozenset(
    # Every pool has them (OpenID Connect's, and sub); AWS lists them all, moto only those set at creation.
    """address birthdate email email_verified family_name gender given_name locale middle_name name
    nickname phone_number phone_number_verified picture preferred_username profile sub updated_at
    website zoneinfo""".split()  # noqa: SIM905
)
SECRETS = frozenset(
    # of clients and of identity providers' details, as AWS answers them in clear
    {"ClientSecret", "client_secret", "private_key"}
)

Unread: TypeAlias = dict[str, str]
"""Name of one item of a list -> why it could not be read."""


class CognitoPool:
    """One pool of one Region. Nothing is asked before the first method."""

    def __init__(self, region: str, pool_id: str, call: CallThrough = direct) -> None:
        self.region = region
        self.pool_id = pool_id
        self._through = call

    # reading

    def facts(self) -> PoolFacts:
        pool = self._describe("facts")
        schema = pool.get("SchemaAttributes", [])
        names = frozenset(str(attribute["Name"]) for attribute in schema)
        # sub counts as required on AWS, but nobody can give it
        required = frozenset(str(a["Name"]) for a in schema if a.get("Required")) - {"sub"}
        triggers = (
            name for name, value in pool.get("LambdaConfig", {}).items() if value and name != "KMSKeyID"
        )
        return PoolFacts(
            pool_id=self.pool_id,
            name=str(pool.get("Name", "")),
            region=self.region,
            account=str(pool.get("Arn", "")).partition(":userpool/")[0].rpartition(":")[2],
            username_attributes=tuple(pool.get("UsernameAttributes", ())),
            alias_attributes=tuple(pool.get("AliasAttributes", ())),
            case_sensitive=pool.get("UsernameConfiguration", {}).get("CaseSensitive", True) is not False,
            mail=str(pool.get("EmailConfiguration", {}).get("EmailSendingAccount") or "COGNITO_DEFAULT"),
            estimated_users=pool.get("EstimatedNumberOfUsers"),
            attributes=names | STANDARD_ATTRIBUTES,
            required=required,
            password_length=int(pool.get("Policies", {}).get("PasswordPolicy", {}).get("MinimumLength", 8)),
            triggers=tuple(sorted(triggers)),
            created=str(pool.get("CreationDate", "")),
        )

    def users(self, prefix: str = "") -> Iterator[Entry]:
        doing = f"list the users of {self.pool_id}"
        only = f'sub ^= "{prefix}"' if prefix else None
        return self._pages(
            "users", doing, "list_users", "Users", marker="PaginationToken", Limit=PAGE, Filter=only
        )

    def groups(self) -> Iterator[Group]:
        doing = f"list the groups of {self.pool_id}"
        for group in self._pages("groups", doing, "list_groups", "Groups", Limit=PAGE):
            name = str(group["GroupName"])
            doing = f"list the members of the group {name} of {self.pool_id}"
            members = self._pages(
                "members", doing, "list_users_in_group", "Users", Limit=PAGE, GroupName=name
            )
            yield Group(
                name=name,
                description=str(group.get("Description", "")),
                precedence=group.get("Precedence"),
                role_arn=str(group.get("RoleArn", "")),
                members=tuple(dict.fromkeys(str(member["Username"]) for member in members)),
            )

    def settings(self) -> Iterator[tuple[str, Any, str]]:
        """By the names of ``_settings``; an item of a list that could not be read is ``clients/<id>``."""
        for name, read in self._settings():
            unread: Unread = {}
            try:
                value = read(unread)
            except PortError as error:
                yield name, None, str(error)
                continue
            yield name, _without_secrets(value), ""
            for item, why in unread.items():
                yield f"{name}/{item}", None, why

    def get_user(self, username: str) -> Entry:
        answer = self._ask("get_user", f"read a user of {self.pool_id}", "admin_get_user", Username=username)
        answer["Attributes"] = answer.pop("UserAttributes", [])
        return answer

    def groups_of(self, username: str) -> frozenset[str]:
        doing = f"list the groups of a user of {self.pool_id}"
        pages = self._pages(
            "groups_of", doing, "admin_list_groups_for_user", "Groups", Limit=PAGE, Username=username
        )
        return frozenset(str(group["GroupName"]) for group in pages)

    # writing

    def create_user(self, username: str, attributes: Mapping[str, str], *, invite: bool = False) -> Entry:
        # Without a medium AWS means SMS; suppressed, none is needed.
        how: dict[str, Any] = (
            {"DesiredDeliveryMediums": ["EMAIL"]} if invite else {"MessageAction": "SUPPRESS"}
        )
        answer = self._ask(
            "create_user",
            f"create a user in {self.pool_id}",
            "admin_create_user",
            Username=username,
            UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
            **how,
        )
        user: Entry = answer["User"]
        return user

    def resend_invitation(self, username: str) -> None:
        # In an e-mail pool the e-mail: AdminCreateUser checks the name before it looks for the user.
        self._ask(
            "resend_invitation",
            f"invite a user of {self.pool_id}",
            "admin_create_user",
            Username=username,
            MessageAction="RESEND",
            DesiredDeliveryMediums=["EMAIL"],
        )

    def set_password(self, username: str, password: str) -> None:
        self._ask(
            "set_password",
            f"set the password of a user of {self.pool_id}",
            "admin_set_user_password",
            Username=username,
            Password=password,
            Permanent=True,
        )

    def disable_user(self, username: str) -> None:
        self._ask(
            "disable_user", f"disable a user of {self.pool_id}", "admin_disable_user", Username=username
        )

    def create_group(self, group: Group) -> None:
        self._ask(
            "create_group",
            f"create the group {group.name} in {self.pool_id}",
            "create_group",
            GroupName=group.name,
            Description=group.description or None,
            Precedence=group.precedence,
            RoleArn=group.role_arn or None,
        )

    def add_to_group(self, username: str, group: str) -> None:
        self._ask(
            "add_to_group",
            f"add a user of {self.pool_id} to the group {group}",
            "admin_add_user_to_group",
            Username=username,
            GroupName=group,
        )

    # the settings, one reading each; it notes in its argument which items it could not read

    def _settings(self) -> Iterator[tuple[str, Callable[[Unread], Any]]]:
        """In the order of pool.json. Tags and triggers are in ``user_pool``."""
        yield "user_pool", lambda _: self._describe("settings")
        yield "mfa", lambda _: self._setting("get_user_pool_mfa_config")
        yield "clients", self._clients
        yield "identity_providers", self._providers
        yield "resource_servers", lambda _: self._list("list_resource_servers", "ResourceServers", size=50)
        yield "domains", self._domains
        yield "risk", self._for_pool_and_clients("describe_risk_configuration", "RiskConfiguration")
        yield "ui", self._for_pool_and_clients("get_ui_customization", "UICustomization")
        yield "branding", self._branding
        yield "signing_certificate", self._one("get_signing_certificate", "Certificate")
        yield "log_delivery", self._one("get_log_delivery_configuration", "LogDeliveryConfiguration")
        yield "terms", self._terms
        yield "session", lambda _: self._setting("get_user_pool_session_configuration")
        yield "replicas", lambda _: self._list("list_user_pool_replicas", "UserPoolReplicas", size=None)

    def _one(self, api: str, key: str) -> Callable[[Unread], Any]:
        return lambda _: self._setting(api).get(key, {})

    def _clients(self, unread: Unread) -> list[Any]:
        return list(
            _each(
                self._client_ids(),
                lambda one: self._setting("describe_user_pool_client", ClientId=one)["UserPoolClient"],
                unread,
            ).values()
        )

    def _providers(self, unread: Unread) -> list[Any]:
        listed = self._list("list_identity_providers", "Providers")
        return list(
            _each(
                [str(provider["ProviderName"]) for provider in listed],
                lambda one: self._setting("describe_identity_provider", ProviderName=one)["IdentityProvider"],
                unread,
            ).values()
        )

    def _domains(self, unread: Unread) -> list[Any]:
        pool = self._describe("settings")
        return list(
            _each(
                [str(pool[key]) for key in ("Domain", "CustomDomain") if pool.get(key)],
                lambda one: self._setting("describe_user_pool_domain", UserPoolId=None, Domain=one).get(
                    "DomainDescription", {}
                ),
                unread,
            ).values()
        )

    def _terms(self, unread: Unread) -> list[Any]:
        listed = self._list("list_terms", "Terms")
        return list(
            _each(
                [str(terms["TermsId"]) for terms in listed],
                lambda one: self._setting("describe_terms", TermsId=one)["Terms"],
                unread,
            ).values()
        )

    def _for_pool_and_clients(self, api: str, key: str) -> Callable[[Unread], Any]:
        """``{"pool": …, "<client id>": …}``; what is not set is left out."""

        def read(unread: Unread) -> dict[str, Any]:
            return _each(
                ["pool", *self._client_ids()],
                lambda one: self._setting(api, ClientId=None if one == "pool" else one).get(key, {}),
                unread,
            )

        return read

    def _branding(self, unread: Unread) -> dict[str, Any]:
        return _each(
            self._client_ids(),
            lambda one: self._setting("describe_managed_login_branding_by_client", ClientId=one).get(
                "ManagedLoginBranding", {}
            ),
            unread,
        )

    def _client_ids(self) -> list[str]:
        return [str(one["ClientId"]) for one in self._list("list_user_pool_clients", "UserPoolClients")]

    def _list(self, api: str, listed: str, *, size: int | None = PAGE) -> list[Any]:
        return list(self._pages("settings", self._reading, api, listed, MaxResults=size))

    def _setting(self, api: str, **parameters: Any) -> dict[str, Any]:
        return self._ask("settings", self._reading, api, **parameters)

    # asking

    @property
    def _reading(self) -> str:
        return f"read this setting of {self.pool_id}"

    def _describe(self, operation: str) -> dict[str, Any]:
        answer = self._ask(operation, f"describe the pool {self.pool_id}", "describe_user_pool")
        pool: dict[str, Any] = answer["UserPool"]
        return pool

    def _pages(
        self,
        operation: str,
        doing: str,
        api: str,
        listed: str,
        *,
        marker: str = "NextToken",
        **parameters: Any,
    ) -> Iterator[dict[str, Any]]:
        while True:
            answer = self._ask(operation, doing, api, **parameters)
            yield from answer.get(listed, [])
            if not answer.get(marker):
                return
            parameters[marker] = answer[marker]

    def _ask(self, operation: str, doing: str, api: str, **parameters: Any) -> dict[str, Any]:
        """One call, at the pool's pace. A parameter that is None is not sent; the answer is JSON values."""
        given = {"UserPoolId": self.pool_id, **parameters}
        given = {name: value for name, value in given.items() if value is not None}

        def once() -> dict[str, Any] | PortError:
            with asking(doing):
                method = getattr(client("cognito-idp", self.region), api)
                try:
                    answer: dict[str, Any] = _plain(method(**given))
                except ClientError as error:
                    if operation == "settings" and error.response.get("Error", {}).get("Code") == "500":
                        # No answer of Cognito's own: the pace would go on asking for something that
                        # this place may not even know, and a setting is worth a line, not the wait.
                        return translate(error, doing)
                    raise
            answer.pop("ResponseMetadata", None)
            return answer

        answer = self._through(operation, once)
        if isinstance(answer, PortError):
            raise answer
        return answer


def list_pools(region: str, call: CallThrough = direct) -> Iterator[tuple[str, str]]:
    """(id, name) of every pool of a Region, every page."""
    parameters: dict[str, Any] = {"MaxResults": PAGE}

    def once() -> Any:
        with asking(f"list the user pools of {region}"):
            return client("cognito-idp", region).list_user_pools(**parameters)

    while True:
        answer = call("facts", once)
        for pool in answer.get("UserPools", []):
            yield str(pool["Id"]), str(pool.get("Name", ""))
        if not answer.get("NextToken"):
            return
        parameters["NextToken"] = answer["NextToken"]


def _each(names: Iterable[str], read: Callable[[str], Any], unread: Unread) -> dict[str, Any]:
    """What could be read, by name. What does not exist is left out; what else fails is noted.

    Raises what would fail for every one of them: a permission, an operation not there.
    """
    found: dict[str, Any] = {}
    for name in names:
        try:
            value = read(name)
        except PortError as error:
            if error.cause in (Cause.DENIED, Cause.UNSUPPORTED):
                raise
            if error.cause is not Cause.GONE:
                unread[name] = str(error)
            continue
        if value:
            found[name] = value
    return found


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_secrets(item) for name, item in value.items() if name not in SECRETS}
    return [_without_secrets(item) for item in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """JSON values only: dates as UTC text, bytes (logos) as base64."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return iso(value.astimezone(UTC))
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
