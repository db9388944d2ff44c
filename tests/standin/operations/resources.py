"""Identity providers, resource servers, terms and branding of a pool."""

from __future__ import annotations

from uuid import UUID

from tests.standin.errors import Refused, gone, invalid
from tests.standin.operations import Answer, Asked, operation
from tests.standin.operations.clients import CLIENTS
from tests.standin.operations.kinds import DATES, Kind, One, kind
from tests.standin.state import Call, Pool


def _uuid(call: Call) -> str:
    return str(UUID(int=call.state.dice.getrandbits(128), version=4))


# identity providers


def _new_provider(call: Call, pool: Pool, one: One, asked: Asked) -> None:
    if one["ProviderName"] in pool.providers:
        raise Refused(
            "DuplicateProviderException", f"A provider with the name {one['ProviderName']} already exists."
        )
    _identifiers(call, pool, one, asked)


def _identifiers(call: Call, pool: Pool, one: One, asked: Asked) -> None:
    """Of all providers of a pool, only one answers to an identifier."""
    for name, other in pool.providers.items():
        shared = set(other.get("IdpIdentifiers", ())) & set(one.get("IdpIdentifiers", ()))
        if name != one["ProviderName"] and shared:
            raise Refused("DuplicateProviderException", f"{min(shared)} is an identifier of {name}.")
    one.setdefault("IdpIdentifiers", [])
    if one["ProviderType"] != "SAML":
        one.setdefault("AttributeMapping", {"username": "sub"})


kind(
    Kind(
        "IdentityProvider",
        key="ProviderName",
        held=lambda pool: pool.providers,
        missing="Identity provider {} does not exist.",
        lists="IdentityProviders",
        listed="Providers",
        brief=("ProviderName", "ProviderType", *DATES),
        create=_new_provider,
        update=_identifiers,
    )
)


@operation("GetIdentityProviderByIdentifier")
def get_identity_provider_by_identifier(call: Call, asked: Asked) -> Answer:
    for provider in call.pool(asked["UserPoolId"]).providers.values():
        if asked["IdpIdentifier"] in provider["IdpIdentifiers"]:
            return {"IdentityProvider": provider}
    raise gone(f"Identity provider {asked['IdpIdentifier']} does not exist.")


# resource servers


def _new_server(call: Call, pool: Pool, one: One, asked: Asked) -> None:
    if one["Identifier"] in pool.servers:
        raise invalid(f"{one['Identifier']} already exists in user pool {pool.id}.")
    one.setdefault("Scopes", [])


def _scopes(call: Call, pool: Pool, one: One, asked: Asked) -> None:
    one["Scopes"] = asked.get("Scopes") or []  # what is omitted gets its default [M]


kind(
    Kind(
        "ResourceServer",
        key="Identifier",
        held=lambda pool: pool.servers,
        missing="Resource server {} does not exist.",
        lists="ResourceServers",
        listed="ResourceServers",
        create=_new_server,
        update=_scopes,
    )
)


# terms and branding: both belong to a client


def _new_terms(call: Call, pool: Pool, one: One, asked: Asked) -> None:
    CLIENTS.find(pool, asked["ClientId"])
    one["TermsId"] = _uuid(call)
    one.setdefault("Links", {})
    _own_name(call, pool, one, asked)


def _own_name(call: Call, pool: Pool, one: One, asked: Asked) -> None:
    for other in TERMS.held(pool).values():
        same = all(other[name] == one[name] for name in ("ClientId", "TermsName"))
        if same and other["TermsId"] != one["TermsId"]:
            raise Refused("TermsExistsException", f"The client has terms of the name {one['TermsName']}.")


TERMS = kind(
    Kind(
        "Terms",
        key="TermsId",
        held=lambda pool: pool.config.setdefault("terms", {}),
        missing="Terms {} do not exist.",
        lists="Terms",
        listed="Terms",
        brief=("TermsId", "TermsName", "Enforcement", *DATES),
        create=_new_terms,
        update=_own_name,
    )
)


@operation("DescribeTermsByClient")
def describe_terms_by_client(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"])
    CLIENTS.find(pool, asked["ClientId"])
    for terms in TERMS.held(pool).values():
        if (terms["ClientId"], terms["TermsName"]) == (asked["ClientId"], asked["TermsName"]):
            return {"Terms": terms}
    raise gone(TERMS.missing.format(asked["TermsName"]))


def _new_branding(call: Call, pool: Pool, one: One, asked: Asked) -> None:
    CLIENTS.find(pool, asked["ClientId"])
    styles = pool.config.setdefault("style of a client", {})
    if asked["ClientId"] in styles:
        raise Refused("ManagedLoginBrandingExistsException", "The client has a managed login branding style.")
    _style(call, pool, one, asked)
    styles[asked["ClientId"]] = one["ManagedLoginBrandingId"] = _uuid(call)


def _style(call: Call, pool: Pool, one: One, asked: Asked) -> None:
    """Cognito's own values, or ours: what is not told of ours stays as it was [M]."""
    own = asked.get("Settings") is not None or asked.get("Assets") is not None
    if asked.get("UseCognitoProvidedValues"):
        if own:
            raise invalid("Settings and Assets must be omitted when UseCognitoProvidedValues is true.")
        one.pop("Settings", None)
        one.pop("Assets", None)
    one["UseCognitoProvidedValues"] = not own and one.get("UseCognitoProvidedValues", False)


def _no_style(call: Call, pool: Pool, one: One) -> None:
    styles = pool.config["style of a client"]
    pool.config["style of a client"] = {
        client: style for client, style in styles.items() if style != one["ManagedLoginBrandingId"]
    }


BRANDING = kind(
    Kind(
        "ManagedLoginBranding",
        key="ManagedLoginBrandingId",
        held=lambda pool: pool.config.setdefault("branding", {}),
        missing="Managed login branding {} does not exist.",
        create=_new_branding,
        update=_style,
        delete=_no_style,
    )
)


@operation("DescribeManagedLoginBrandingByClient")
def describe_managed_login_branding_by_client(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"])
    CLIENTS.find(pool, asked["ClientId"])
    style = pool.config.get("style of a client", {}).get(asked["ClientId"], "")
    return {"ManagedLoginBranding": BRANDING.find(pool, style)}
