"""Every readable setting of a user pool, one reading each, in the order of pool.json.

Each operation is allowed five times a second and pool (AWS's quotas page). What is
asked of every app client is therefore asked client by client, not operation by
operation: six operations take turns, and a dozen clients throttle nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from backups.aws.calling import PAGE, Cognito, Each, Unread
from backups.aws.identity_pools import NAME as IDENTITY_POOLS
from backups.aws.identity_pools import identity_pools
from backups.core.sealed import marked
from backups.engine.ports import CallThrough, PortError

T = TypeVar("T")
SIZE = 50  # resource servers a page: the service's limit
POOL = "pool"  # the pool's own, beside those of its clients


class PoolSettings:
    """One walk over the settings of one pool. What several of them need is asked once."""

    def __init__(self, region: str, pool_id: str, call: CallThrough) -> None:
        self.region, self.pool_id = region, pool_id
        self._call = call
        self._cognito = Cognito("cognito-idp", region, call)
        self._known: dict[str, Any] = {}

    def read(self) -> Iterator[tuple[str, Any, str]]:
        """As ``UserPool.settings``; an item of a list that could not be read is ``clients/<id>``."""
        for name, read in self._readings():
            unread: Unread = {}
            try:
                value = read(unread)
            except PortError as error:
                yield name, None, str(error)
                continue
            yield name, marked(value), ""
            for item, why in unread.items():
                yield f"{name}/{item}", None, why

    def _readings(self) -> Iterator[tuple[str, Callable[[Unread], Any]]]:
        yield "user_pool", lambda _: self._pool()  # its triggers are LambdaConfig
        yield "tags", self._tags
        yield "mfa", lambda _: self._ask("get_user_pool_mfa_config")
        yield "clients", lambda unread: [*self._of_clients("clients").found(unread).values()]
        yield "client_secrets", lambda unread: self._of_clients("client_secrets").found(unread)
        yield "client_sessions", lambda unread: self._of_clients("client_sessions").found(unread)
        yield "identity_providers", self._providers
        yield "resource_servers", lambda _: self._list("list_resource_servers", "ResourceServers", size=SIZE)
        yield "domains", self._domains
        yield "risk", lambda unread: self._of_clients("risk").found(unread)
        yield "ui", lambda unread: self._of_clients("ui").found(unread)
        yield "branding", lambda unread: self._of_clients("branding").found(unread)
        yield "signing_certificate", lambda _: self._one("get_signing_certificate", "Certificate")
        yield "log_delivery", self._log_delivery
        yield "terms", self._terms
        yield "session", lambda _: self._ask("get_user_pool_session_configuration")
        yield "replicas", lambda _: self._list("list_user_pool_replicas", "UserPoolReplicas", size=None)
        yield IDENTITY_POOLS, self._identity_pools

    # of the pool

    def _pool(self) -> dict[str, Any]:
        return self._once(
            "pool", lambda: self._ask("describe_user_pool", f"describe the pool {self.pool_id}")["UserPool"]
        )

    def _tags(self, _: Unread) -> dict[str, str]:
        """DescribeUserPool gives them as a rule; where it does not, they are asked for by the ARN."""
        pool = self._pool()
        if pool.get("UserPoolTags"):
            return dict(pool["UserPoolTags"])
        answer = self._ask("list_tags_for_resource", UserPoolId=None, ResourceArn=str(pool["Arn"]))
        return dict(answer.get("Tags", {}))

    def _providers(self, unread: Unread) -> list[Any]:
        listed = self._list("list_identity_providers", "Providers")
        read = Each(
            lambda one: self._ask("describe_identity_provider", ProviderName=one)["IdentityProvider"],
            listed=True,
        )
        return [*read.all((str(one["ProviderName"]) for one in listed), unread).values()]

    def _domains(self, unread: Unread) -> list[Any]:
        pool = self._pool()
        read = Each(
            lambda one: self._ask("describe_user_pool_domain", UserPoolId=None, Domain=one).get(
                "DomainDescription", {}
            ),
            listed=True,
        )
        domains = (str(pool[key]) for key in ("Domain", "CustomDomain") if pool.get(key))
        return [*read.all(domains, unread).values()]

    def _log_delivery(self, _: Unread) -> Any:
        return self._one("get_log_delivery_configuration", "LogDeliveryConfiguration")

    def _identity_pools(self, unread: Unread) -> list[Any]:
        return identity_pools(self.region, self.pool_id, self._call, unread)

    def _terms(self, unread: Unread) -> list[Any]:
        listed = self._list("list_terms", "Terms")
        read = Each(lambda one: self._ask("describe_terms", TermsId=one)["Terms"], listed=True)
        return [*read.all((str(one["TermsId"]) for one in listed), unread).values()]

    # of the clients

    def _of_clients(self, setting: str) -> Each:
        """Raises PortError when the clients cannot be listed."""
        return self._once("of clients", self._rounds)[setting]

    def _rounds(self) -> dict[str, Each]:
        """Setting -> what was read of it, for each client by its id; risk and ui are the pool's own too."""
        own = {
            "risk": self._for_one("describe_risk_configuration", "RiskConfiguration"),
            "ui": self._for_one("get_ui_customization", "UICustomization"),
        }
        rounds = {
            "clients": self._for_one("describe_user_pool_client", "UserPoolClient", listed=True),
            "client_secrets": Each(self._secrets),
            "client_sessions": self._for_one("get_user_pool_client_session_configuration", "SSOSession"),
            **own,
            "branding": self._for_one("describe_managed_login_branding_by_client", "ManagedLoginBranding"),
        }
        listed = self._list("list_user_pool_clients", "UserPoolClients")
        for each in own.values():
            each.take(POOL)
        for client in [str(one["ClientId"]) for one in listed]:
            for each in rounds.values():
                each.take(client)
        return rounds

    def _for_one(self, api: str, key: str, *, listed: bool = False) -> Each:
        def read(one: str) -> Any:
            return self._ask(api, ClientId=None if one == POOL else one).get(key, {})

        return Each(read, listed=listed)

    def _secrets(self, client: str) -> list[Any]:
        """Which secrets there are, and since when; AWS never gives their values again."""
        return self._list("list_user_pool_client_secrets", "ClientSecrets", size=None, ClientId=client)

    # asking

    def _one(self, api: str, key: str) -> Any:
        return self._ask(api).get(key, {})

    def _ask(self, api: str, doing: str = "", **parameters: Any) -> dict[str, Any]:
        doing = doing or f"read this setting of {self.pool_id}"
        return self._cognito.ask("settings", doing, api, **{"UserPoolId": self.pool_id, **parameters})

    def _list(self, api: str, listed: str, *, size: int | None = PAGE, **parameters: Any) -> list[Any]:
        doing = f"read this setting of {self.pool_id}"
        given = {"UserPoolId": self.pool_id, "MaxResults": size, **parameters}
        return list(self._cognito.pages("settings", doing, api, listed, **given))

    def _once(self, name: str, read: Callable[[], T]) -> T:
        """The first answer, or the first error, for whoever else needs it."""
        if name not in self._known:
            try:
                self._known[name] = read()
            except PortError as error:
                self._known[name] = error
        found = self._known[name]
        if isinstance(found, PortError):
            raise found
        value: T = found
        return value
