"""A pool in a second Region: the same users, read there and hardly written [M]."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

from tests.standin import paging
from tests.standin.errors import Refused, gone, invalid
from tests.standin.operations import Answer, Asked, operation
from tests.standin.operations.pools import not_in_lite
from tests.standin.state import Call, Pool


@operation("CreateUserPoolReplica")
def create_user_pool_replica(call: Call, asked: Asked) -> Answer:
    """Answered as CREATING, and INACTIVE from then on: the work is done at once."""
    pool, region = call.pool(asked["UserPoolId"], writes=True), asked["RegionName"]
    not_in_lite(pool.settings, "A replica")
    if (pool.settings.get("KeyConfiguration") or {}).get("KeyType") != "CUSTOMER_MANAGED_KEY":
        raise invalid("A replica requires a multi-Region customer managed key.")
    if region == pool.region:
        raise invalid("A replica must be in another Region.")
    if pool.replicas:
        raise Refused("LimitExceededException", "A user pool can have one secondary replica.")
    arn = pool.arn.replace(f":{pool.region}:", f":{region}:")
    made = {"RegionName": region, "Status": "INACTIVE", "Role": "SECONDARY", "UserPoolArn": arn}
    pool.replicas.append(made)
    # Users, groups, schema, clients and the list of replicas are the primary's own.
    call.state.region(region).pools[pool.id] = replace(
        pool,
        region=region,
        arn=arn,
        secondary=True,
        settings=deepcopy(pool.settings),
        tags=dict(asked.get("UserPoolTags") or {}),
    )
    return {"UserPoolReplica": {**made, "Status": "CREATING"}}


@operation("UpdateUserPoolReplica")
def update_user_pool_replica(call: Call, asked: Asked) -> Answer:
    """May be asked for in either Region [M]."""
    replica = _replica(call.pool(asked["UserPoolId"]), asked["RegionName"])
    replica["Status"] = asked["Status"]
    return {"UserPoolReplica": replica}


@operation("ListUserPoolReplicas")
def list_user_pool_replicas(call: Call, asked: Asked) -> Answer:
    """The primary too, once there is a secondary [M]."""
    pool = call.pool(asked["UserPoolId"])
    listed = (
        {one["RegionName"]: one for one in [_primary(call, pool), *pool.replicas]} if pool.replicas else {}
    )
    shown, token = paging.page(call, sorted(listed), asked, limit="", token="NextToken", bound=pool.id)
    return {"UserPoolReplicas": [listed[name] for name in shown], **token}


@operation("DeleteUserPoolReplica")
def delete_user_pool_replica(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    replica = _replica(pool, asked["RegionName"])
    if replica["Status"] != "INACTIVE":
        raise invalid("Only an INACTIVE replica can be deleted.")
    pool.replicas.remove(replica)
    del call.state.region(asked["RegionName"]).pools[pool.id]
    return {"UserPoolReplica": {**replica, "Status": "DELETING"}}


def _replica(pool: Pool, region: str) -> dict[str, Any]:
    for replica in pool.replicas:
        if replica["RegionName"] == region:
            return replica
    raise gone(f"User pool {pool.id} has no replica in {region}.")


def _primary(call: Call, pool: Pool) -> dict[str, Any]:
    """A pool's id begins with the Region in which it was made."""
    region = pool.id.partition("_")[0]
    arn = call.state.region(region).pools[pool.id].arn
    return {"RegionName": region, "Status": "ACTIVE", "Role": "PRIMARY", "UserPoolArn": arn}
