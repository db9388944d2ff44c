"""Identity pools (cognito-identity), as far as a backup reads them, and how a test makes one.

They are of a Region and belong to no user pool; AWS checks nothing of what they name.
"""

from __future__ import annotations

from uuid import UUID

from tests.standin.errors import gone, invalid
from tests.standin.operations import Answer, Asked, operation
from tests.standin.state import Call

ROLES = "Roles", "RoleMappings"


def _find(call: Call, asked: Asked) -> Asked:
    found = call.region.identity_pools.get(asked["IdentityPoolId"])
    if found is None:
        raise gone(f"IdentityPool '{asked['IdentityPoolId']}' not found.")
    return found


def _told(pool: Asked, *names: str) -> Asked:
    """Without its roles, which have an operation of their own."""
    return {name: value for name, value in pool.items() if (name in names if names else name not in ROLES)}


@operation("CreateIdentityPool")
def create_identity_pool(call: Call, asked: Asked) -> Answer:
    pool_id = f"{call.region.name}:{UUID(int=call.state.dice.getrandbits(128), version=4)}"
    call.region.identity_pools[pool_id] = {"IdentityPoolId": pool_id, "IdentityPoolTags": {}, **asked}
    return _told(call.region.identity_pools[pool_id])


@operation("SetIdentityPoolRoles")
def set_identity_pool_roles(call: Call, asked: Asked) -> Answer:
    _find(call, asked).update(_told(asked, *ROLES))
    return {}


@operation("DescribeIdentityPool")
def describe_identity_pool(call: Call, asked: Asked) -> Answer:
    return _told(_find(call, asked))


@operation("GetIdentityPoolRoles")
def get_identity_pool_roles(call: Call, asked: Asked) -> Answer:
    return _told(_find(call, asked), "IdentityPoolId", *ROLES)


@operation("ListIdentityPools")
def list_identity_pools(call: Call, asked: Asked) -> Answer:
    ids, token = sorted(call.region.identity_pools), asked.get("NextToken", "")
    if token and token not in ids:
        raise invalid("Invalid next token")
    page = ids[ids.index(token) if token else 0 :]
    more = page[asked["MaxResults"] :]
    listed = [
        _told(call.region.identity_pools[one], "IdentityPoolId", "IdentityPoolName")
        for one in page[: asked["MaxResults"]]
    ]
    return {"IdentityPools": listed, **({"NextToken": more[0]} if more else {})}
