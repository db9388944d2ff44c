"""The identity pools (cognito-identity) of a Region that take a user pool's people in.

They are no part of the user pool: one that is made again has another id, and they still name the old one.
"""

from __future__ import annotations

from typing import Any

from backups.aws.calling import PAGE, Cognito, Unread
from backups.engine.ports import CallThrough, Cause, PortError

NAME = "identity_pools"  # of the setting, and of the pace's operation


def identity_pools(region: str, pool_id: str, call: CallThrough, unread: Unread) -> list[dict[str, Any]]:
    """DescribeIdentityPool of each that names the pool, with ``RoleAttachment`` (GetIdentityPoolRoles).

    ``unread`` is told which could not be read. Raises PortError when they cannot even be listed, or none of
    them described.
    """
    cognito = Cognito("cognito-identity", region, call)
    listing = f"list the identity pools of {region}"
    found = []
    for listed in cognito.pages(NAME, listing, "list_identity_pools", "IdentityPools", MaxResults=PAGE):
        identity = str(listed["IdentityPoolId"])
        doing = f"describe the identity pool {identity}"
        try:
            told = cognito.ask(NAME, doing, "describe_identity_pool", IdentityPoolId=identity)
        except PortError as error:
            if error.cause in (Cause.DENIED, Cause.UNSUPPORTED):
                raise
            if error.cause is not Cause.GONE:
                unread[identity] = str(error)
            continue
        if not names(told, pool_id):
            continue
        doing = f"read the roles of the identity pool {identity}"
        try:
            roles = cognito.ask(NAME, doing, "get_identity_pool_roles", IdentityPoolId=identity)
            told["RoleAttachment"] = {key: roles[key] for key in ("Roles", "RoleMappings") if key in roles}
        except PortError as error:
            unread[f"{identity}/roles"] = str(error)
        found.append(told)
    return found


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
