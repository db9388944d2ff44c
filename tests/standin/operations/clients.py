"""App clients of a pool, and their secrets."""

from __future__ import annotations

import string
from typing import Any

from tests.standin.errors import Refused, gone, invalid
from tests.standin.operations import Answer, Asked, operation
from tests.standin.operations.kinds import DATES, Kind, One, kind
from tests.standin.state import Call, Pool

LETTERS = string.ascii_lowercase + string.digits
MOST_CLIENTS = 1_000  # of a pool [Q]
MOST_SECRETS = 2  # of a client [M]
OWN_SCOPES = frozenset("phone email openid profile aws.cognito.signin.user.admin".split())
OWN_PROVIDERS = frozenset({"COGNITO"})
# What was not told of a client, as DescribeUserPoolClient shows it. Without ExplicitAuthFlows it shows
# none, and allows refresh tokens, SRP and custom authentication [M].
BARE: dict[str, Any] = {
    "RefreshTokenValidity": 30,
    "AllowedOAuthFlowsUserPoolClient": False,
    "EnableTokenRevocation": True,
    "EnablePropagateAdditionalUserContextData": False,
    "AuthSessionValidity": 3,
}
KEPT = ("UserPoolId", "ClientId", "ClientName", "ClientSecret", "ClientType", *DATES)  # through an update


def _letters(call: Call, count: int) -> str:
    return "".join(call.state.dice.choices(LETTERS, k=count))


# clients


def _new_client(call: Call, pool: Pool, one: One, asked: Asked) -> None:
    if len(pool.clients) >= MOST_CLIENTS:
        raise Refused("LimitExceededException", "Maximum number of clients exceeded.")
    if asked.get("GenerateSecret") and asked.get("ClientSecret"):
        raise invalid("A ClientSecret cannot be provided when GenerateSecret is true.")
    one["ClientId"] = _letters(call, 26)
    if asked.get("GenerateSecret"):
        one["ClientSecret"] = _letters(call, 51)
    one["ClientType"] = "REGULAR"
    _complete(pool, one)
    if "ClientSecret" in one:
        _keep_secret(call, pool, one, one["ClientSecret"])
    call.region.clients[one["ClientId"]] = pool.id


def _changed_client(call: Call, pool: Pool, one: One, asked: Asked) -> None:
    """What is omitted gets its default [M]; only what names the client and its secret stay."""
    for name in one.keys() - asked.keys() - set(KEPT):
        del one[name]
    _complete(pool, one)


def _complete(pool: Pool, one: One) -> None:
    """Defaults, then what AWS refuses of a client. Its errors need what it names to be there before."""
    for name, value in BARE.items():
        one.setdefault(name, value)
    one["RefreshTokenValidity"] = one["RefreshTokenValidity"] or 30  # 0 means the default [M]
    for name, doing in (("ReadAttributes", "read"), ("WriteAttributes", "write")):
        if not set(one.get(name, ())) <= pool.schema.keys():
            raise invalid(f"Invalid {doing} attributes specified while creating a client")
    for provider in one.get("SupportedIdentityProviders", ()):
        if provider not in pool.providers.keys() | OWN_PROVIDERS:
            raise invalid(f"The provider {provider} does not exist for User Pool {pool.id}.")
    _check_oauth(pool, one)
    flows = one.get("ExplicitAuthFlows", ())
    if len({flow.startswith("ALLOW_") for flow in flows}) > 1:
        raise invalid("Flows with and without the prefix ALLOW_ cannot be set together in ExplicitAuthFlows.")
    if one["EnablePropagateAdditionalUserContextData"] and "ClientSecret" not in one:
        raise invalid("EnablePropagateAdditionalUserContextData requires a client secret.")


def _check_oauth(pool: Pool, one: One) -> None:
    flows = set(one.get("AllowedOAuthFlows", ()))
    if "client_credentials" in flows:
        if len(flows) > 1:
            raise Refused(
                "InvalidOAuthFlowException",
                "client_credentials flow can not be selected along with code flow or implicit flow.",
            )
        if "ClientSecret" not in one:
            raise Refused(
                "InvalidOAuthFlowException",
                "client_credentials flow can not be selected if client does not have a client secret.",
            )
    custom = {
        f"{server['Identifier']}/{scope['ScopeName']}"
        for server in pool.servers.values()
        for scope in server["Scopes"]
    }
    missing = set(one.get("AllowedOAuthScopes", ())) - OWN_SCOPES - custom
    if missing:
        raise Refused("ScopeDoesNotExistException", f"The scope {min(missing)} does not exist.")
    redirect = one.get("DefaultRedirectURI")
    if redirect and redirect not in one.get("CallbackURLs", ()):
        raise invalid("DefaultRedirectURI must be one of the CallbackURLs.")


def _forget(call: Call, pool: Pool, one: One) -> None:
    """What hangs on the client goes with it."""
    client = one["ClientId"]
    call.region.clients.pop(client, None)
    for name in ("secrets", "risk", "ui", "client sessions"):
        pool.config.get(name, {}).pop(client, None)
    style = pool.config.get("style of a client", {}).pop(client, None)
    pool.config.get("branding", {}).pop(style, None)
    terms = pool.config.get("terms", {})
    pool.config["terms"] = {key: value for key, value in terms.items() if value["ClientId"] != client}


CLIENTS = kind(
    Kind(
        "UserPoolClient",
        key="ClientId",
        held=lambda pool: pool.clients,
        missing="User pool client {} does not exist.",
        lists="UserPoolClients",
        listed="UserPoolClients",
        brief=("ClientId", "UserPoolId", "ClientName"),
        create=_new_client,
        update=_changed_client,
        delete=_forget,
        listing=lambda asked, one: asked.get("ClientType") in (None, one["ClientType"]),
    )
)

# secrets


def _secrets(pool: Pool, client: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pool.config.setdefault("secrets", {}).setdefault(client, [])
    return found


def _keep_secret(call: Call, pool: Pool, client: One, value: str) -> dict[str, Any]:
    """ClientSecretDescriptorType without the value; its id is of the client and the time [M]."""
    secrets = _secrets(pool, client["ClientId"])
    made = int(call.now)
    while any(one["ClientSecretId"].endswith(f"--{made}") for one in secrets):
        made += 1
    told = {"ClientSecretId": f"{client['ClientId']}--{made}", "ClientSecretCreateDate": round(call.now, 3)}
    secrets.append({**told, "ClientSecretValue": value})
    return told


@operation("AddUserPoolClientSecret")
def add_user_pool_client_secret(call: Call, asked: Asked) -> Answer:
    """The value is answered once, and only when we made it up [M]."""
    pool = call.pool(asked["UserPoolId"], writes=True)
    client = CLIENTS.find(pool, asked["ClientId"])
    if "ClientSecret" not in client:
        raise invalid("A client that was created without a secret cannot have one.")
    if len(_secrets(pool, client["ClientId"])) >= MOST_SECRETS:
        raise Refused("LimitExceededException", f"A client can have {MOST_SECRETS} secrets.")
    if asked.get("ClientSecret"):
        return {"ClientSecretDescriptor": _keep_secret(call, pool, client, asked["ClientSecret"])}
    value = _letters(call, 51)
    return {
        "ClientSecretDescriptor": {
            **_keep_secret(call, pool, client, value),
            "ClientSecretValue": value,
        }
    }


@operation("ListUserPoolClientSecrets")
def list_user_pool_client_secrets(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"])
    secrets = _secrets(pool, CLIENTS.find(pool, asked["ClientId"])["ClientId"])
    shown = [{name: one[name] for name in ("ClientSecretId", "ClientSecretCreateDate")} for one in secrets]
    return {"ClientSecrets": shown}


@operation("DeleteUserPoolClientSecret")
def delete_user_pool_client_secret(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    client = CLIENTS.find(pool, asked["ClientId"])
    secrets = _secrets(pool, client["ClientId"])
    left = [one for one in secrets if one["ClientSecretId"] != asked["ClientSecretId"]]
    if len(left) == len(secrets):
        raise gone(f"Client secret {asked['ClientSecretId']} does not exist.")
    if not left:
        raise invalid("The last secret of a client cannot be deleted.")
    secrets[:] = left
    client["ClientSecret"] = left[0]["ClientSecretValue"]
    return {}
