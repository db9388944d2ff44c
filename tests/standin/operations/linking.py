"""Users of this pool and their identities elsewhere: linked, and parted again [M]."""

from __future__ import annotations

from typing import Any

import orjson

from tests.standin import federation
from tests.standin.errors import Refused, gone, invalid, no_user
from tests.standin.operations import Answer, Asked, operation
from tests.standin.state import Call, Pool
from tests.standin.users import User

LOCAL = "Cognito"  # as a provider's name: the pool itself
SUBJECT = "Cognito_Subject"  # the only attribute by which a social identity is known
SOCIAL = frozenset({"Facebook", "Google", "LoginWithAmazon", "SignInWithApple"})
LINKS = 5  # of one user [M]
MERGING = (
    "Merging is not currently supported, provide a SourceUser that has not been signed up in order to link"
)


@operation("AdminLinkProviderForUser")
def admin_link_provider_for_user(call: Call, asked: Asked) -> Answer:
    """``identities`` of the destination gets one more. Who has signed in as the source is not merged [X]."""
    pool = call.pool(asked["UserPoolId"], writes=True)
    user = _destination(call, pool, asked["DestinationUser"])
    provider, value = _named(asked["SourceUser"], "SourceUser")
    kind = _kind(pool, provider)
    if kind in SOCIAL and asked["SourceUser"].get("ProviderAttributeName") != SUBJECT:
        raise invalid(f"ProviderAttributeName of a {kind} user must be {SUBJECT}.")
    identities = held(user)
    if any((one["providerName"], one["userId"]) == (provider, value) for one in identities):
        raise invalid("SourceUser is already linked to DestinationUser")
    if pool.users.find(f"{provider}_{value}") or _linked(pool, provider, value):
        raise invalid(MERGING)
    if sum(not one["primary"] for one in identities) >= LINKS:
        raise Refused("LimitExceededException", f"A user can have at most {LINKS} linked identities.")
    made = federation.identity(provider, value, kind, call.now, primary=False)
    _write(call, pool, user, [*identities, made])
    pool.config.setdefault("links", {})[provider, value] = user.sub
    return {}


@operation("AdminDisableProviderForUser")
def admin_disable_provider_for_user(call: Call, asked: Asked) -> Answer:
    """A linked identity is parted from its user; a local user (Cognito) can use the password no more."""
    pool = call.pool(asked["UserPoolId"], writes=True)
    provider, value = _named(asked["User"], "User")
    name = asked["User"].get("ProviderAttributeName")
    if provider == LOCAL:
        if name != SUBJECT:
            raise invalid(f"ProviderAttributeName of a local user must be {SUBJECT}.")
        call.user(pool, value).password = ""
        return {}
    kind = _kind(pool, provider)
    if kind in SOCIAL and name != SUBJECT:
        raise invalid(f"ProviderAttributeName of a {kind} user must be {SUBJECT}.")
    user = _linked(pool, provider, value)
    if user is None:
        raise no_user()
    call.trace["sub"] = user.sub
    kept = [one for one in held(user) if (one["providerName"], one["userId"]) != (provider, value)]
    _write(call, pool, user, kept)
    del pool.config["links"][provider, value]
    return {}


def held(user: User) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(user.attributes.get("identities", "[]"))
    return found


def _destination(call: Call, pool: Pool, told: dict[str, str]) -> User:
    """A local user by username, a federated one by provider and its id there."""
    provider, value = _named(told, "DestinationUser")
    user = call.user(pool, value if provider == LOCAL else f"{provider}_{value}")
    if (user.status == "EXTERNAL_PROVIDER") == (provider == LOCAL):
        raise no_user()
    return user


def _named(told: dict[str, str], whose: str) -> tuple[str, str]:
    provider, value = told.get("ProviderName"), told.get("ProviderAttributeValue")
    if not provider or not value:
        raise invalid(f"{whose} needs a ProviderName and a ProviderAttributeValue.")
    return provider, value


def _kind(pool: Pool, provider: str) -> str:
    if provider == LOCAL:
        raise invalid("SourceUser must be a user of an identity provider.")
    if provider not in pool.providers:
        raise gone(f"Identity provider {provider} does not exist.")
    return str(pool.providers[provider]["ProviderType"])


def _linked(pool: Pool, provider: str, value: str) -> User | None:
    """Whose identity it is, without a look at everybody; a user who was deleted has none."""
    sub = pool.config.get("links", {}).get((provider, value), "")
    return pool.users.by_sub.get(sub)


def _write(call: Call, pool: Pool, user: User, identities: list[dict[str, Any]]) -> None:
    others = {name: value for name, value in user.attributes.items() if name != "identities"}
    told = {"identities": orjson.dumps(identities).decode()} if identities else {}
    call.change(pool, user, attributes={**told, **others})
