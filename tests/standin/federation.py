"""Users who come from an identity provider: they appear by signing in, never by AdminCreateUser [M, X]."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from tests.standin.state import Pool, State
from tests.standin.users import User


def identity(provider: str, user_id: str, kind: str, now: float, *, primary: bool) -> dict[str, Any]:
    """One member of the attribute ``identities``."""
    return {
        "userId": user_id,
        "providerName": provider,
        "providerType": kind,
        "issuer": None,
        "primary": primary,
        "dateCreated": int(now * 1000),
    }


def arrive(
    state: State, pool: Pool, provider: str, user_id: str, attributes: dict[str, str]
) -> dict[str, Any]:
    """A sign-in through ``provider``: the linked user, the one who came before, or a new EXTERNAL_PROVIDER.

    ValueError where somebody native has the name: "User already exists with provider user id." [X]
    """
    now = state.clock.now()
    username = f"{provider}_{user_id}"
    linked = pool.users.by_sub.get(pool.config.get("links", {}).get((provider, user_id), ""))
    known = linked or pool.users.find(username)
    if known and (linked or known.status == "EXTERNAL_PROVIDER"):
        return known.described("Attributes")
    if known:
        raise ValueError("User already exists with provider user id.")
    kind = pool.providers.get(provider, {}).get("ProviderType", provider)
    identities = json.dumps([identity(provider, user_id, kind, now, primary=True)], separators=(",", ":"))
    user = User(
        str(UUID(int=state.dice.getrandbits(128), version=4)),
        username,
        now,
        attributes={"identities": identities, "email_verified": "false", **attributes},
        status="EXTERNAL_PROVIDER",
    )
    pool.users.add(user)
    return user.described("Attributes")
