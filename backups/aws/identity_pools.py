"""The identity pools (cognito-identity) of a Region that take a user pool's people in.

They are no part of the user pool: one that is made again has another id, and they still name the old one.
"""

from __future__ import annotations

from typing import Any

from backups.aws.calling import PAGE, Cognito, Each, Unread
from backups.engine.ports import CallThrough, PortError

NAME = "identity_pools"  # of the setting, and of the pace's operation


def identity_pools(region: str, pool_id: str, call: CallThrough, unread: Unread) -> list[dict[str, Any]]:
    """DescribeIdentityPool of each that names the pool, with ``RoleAttachment`` (GetIdentityPoolRoles).

    ``unread`` is told which could not be read. Raises PortError when they cannot even be listed, or none of
    them described.
    """
    cognito = Cognito("cognito-identity", region, call)

    def describe(identity: str) -> dict[str, Any]:
        doing = f"describe the identity pool {identity}"
        return cognito.ask(NAME, doing, "describe_identity_pool", IdentityPoolId=identity)

    def read_roles(identity: str) -> dict[str, Any]:
        doing = f"read the roles of the identity pool {identity}"
        told = cognito.ask(NAME, doing, "get_identity_pool_roles", IdentityPoolId=identity)
        return {"RoleAttachment": {key: told[key] for key in ("Roles", "RoleMappings") if key in told}}

    listing = f"list the identity pools of {region}"
    listed = cognito.pages(NAME, listing, "list_identity_pools", "IdentityPools", MaxResults=PAGE)
    described = Each(describe, listed=True).all((str(one["IdentityPoolId"]) for one in listed), unread)
    found = {identity: told for identity, told in described.items() if names(told, pool_id)}
    of_roles: Unread = {}
    try:
        roles = Each(read_roles, listed=True).all(found, of_roles)
    except PortError as error:
        roles, of_roles = {}, dict.fromkeys(found, str(error))
    unread.update({f"{identity}/roles": why for identity, why in of_roles.items()})
    return [{**told, **roles.get(identity, {})} for identity, told in found.items()]


def names(identity_pool: dict[str, Any], pool_id: str) -> bool:
    """As a user pool (CognitoIdentityProviders), a login provider, or an OpenID Connect provider of IAM.

    Each of them ends in ``cognito-idp.<region>.amazonaws.com/<pool id>``.
    """
    pools = identity_pool.get("CognitoIdentityProviders", [])
    providers = [str(one.get("ProviderName", "")) for one in pools]
    providers += map(str, identity_pool.get("SupportedLoginProviders", {}))
    providers += map(str, identity_pool.get("OpenIdConnectProviderARNs", []))
    return any(
        name.rpartition("/")[2] == pool_id and "cognito-idp." in name.rpartition("/")[0] for name in providers
    )
