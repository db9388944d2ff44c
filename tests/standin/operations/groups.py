"""Groups and who is in them."""

from __future__ import annotations

from itertools import islice
from typing import Any

import orjson

from tests.standin import paging
from tests.standin.errors import Refused, gone
from tests.standin.operations import Answer, Asked, operation
from tests.standin.state import Call, Group, Pool

GROUPS_OF_A_USER = 100  # [Q]
GROUPS_OF_A_POOL = 10_000  # [Q]


def _described(pool: Pool, group: Group) -> dict[str, Any]:
    answer = {
        "GroupName": group.name,
        "UserPoolId": pool.id,
        "Description": group.description,
        "Precedence": group.precedence,
        "RoleArn": group.role_arn,
        "CreationDate": round(group.created, 3),
        "LastModifiedDate": round(group.modified, 3),
    }
    return {name: value for name, value in answer.items() if value is not None}


def _group(pool: Pool, name: str) -> Group:
    if name not in pool.groups:
        raise gone("Group not found.")
    return pool.groups[name]


@operation("CreateGroup")
def create_group(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    name = asked["GroupName"]
    if name in pool.groups:
        raise Refused("GroupExistsException", "A group with the name already exists.")
    if len(pool.groups) >= GROUPS_OF_A_POOL:
        raise Refused("LimitExceededException", "Maximum number of groups exceeded.")
    group = Group(
        name, call.now, call.now, asked.get("Description"), asked.get("Precedence"), asked.get("RoleArn")
    )
    pool.groups[name] = group
    return {"Group": _described(pool, group)}


@operation("GetGroup")
def get_group(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"])
    return {"Group": _described(pool, _group(pool, asked["GroupName"]))}


@operation("UpdateGroup")
def update_group(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    group = _group(pool, asked["GroupName"])
    group.description = asked.get("Description", group.description)
    group.precedence = asked.get("Precedence", group.precedence)
    group.role_arn = asked.get("RoleArn", group.role_arn)
    group.modified = call.now
    return {"Group": _described(pool, group)}


@operation("DeleteGroup")
def delete_group(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    group = _group(pool, asked["GroupName"])
    for sub in group.members:
        (pool.users.by_sub[sub].groups or {}).pop(group.name, None)
    del pool.groups[group.name]
    return {}


@operation("ListGroups")
def list_groups(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"])
    names = sorted(pool.groups)
    page, token = paging.page(call, names, asked, limit="Limit", token="NextToken", bound=pool.id)
    return {"Groups": [_described(pool, pool.groups[name]) for name in page], **token}


@operation("AdminAddUserToGroup", active=True)
def admin_add_user_to_group(call: Call, asked: Asked) -> Answer:
    """Again is no error. Whether it changes UserLastModifiedDate AWS does not say: here it does not."""
    pool = call.pool(asked["UserPoolId"], writes=True)
    user = call.user(pool, asked["Username"])
    group = _group(pool, asked["GroupName"])
    held = user.groups or {}
    if group.name not in held and len(held) >= GROUPS_OF_A_USER:
        raise Refused("LimitExceededException", "Maximum number of groups per user exceeded.")
    user.groups = {**held, group.name: held.get(group.name, call.now)}
    group.add(user.sub, call.now)
    return {}


@operation("AdminRemoveUserFromGroup", active=True)
def admin_remove_user_from_group(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    user = call.user(pool, asked["Username"])
    group = _group(pool, asked["GroupName"])
    (user.groups or {}).pop(group.name, None)
    group.remove(user.sub, lag_from=call.lag_from)
    return {}


@operation("AdminListGroupsForUser")
def admin_list_groups_for_user(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"])
    user = call.user(pool, asked["Username"])
    names = sorted(user.groups or {})
    bound = f"{pool.id} {user.sub}"
    page, token = paging.page(call, names, asked, limit="Limit", token="NextToken", bound=bound)
    return {"Groups": [_described(pool, pool.groups[name]) for name in page], **token}


@operation("ListUsersInGroup")
def list_users_in_group(call: Call, asked: Asked) -> Answer:
    """As late as ListUsers."""
    pool = call.pool(asked["UserPoolId"])
    group = _group(pool, asked["GroupName"])
    late = pool.users.seen_at(call.seen) if pool.users.before else {}
    bound = f"{pool.id} {group.name}"
    after = paging.unwrap(call, bound, asked["NextToken"]) if asked.get("NextToken") else ""
    size = paging.size(call, asked.get("Limit"))
    seen = list(islice(group.seen_at(call.seen, after), size + 1))  # one more tells whether there is more
    entries = [
        late[sub] if sub in late else pool.users.by_sub[sub].entry
        for sub in seen[:size]
        if sub in late or sub in pool.users.by_sub
    ]
    token = {"NextToken": paging.wrap(call, bound, seen[size - 1])} if len(seen) > size else {}
    more = b"," + orjson.dumps(token)[1:-1] if token else b""
    return b'{"Users":[' + b",".join(entry for entry in entries if entry) + b"]" + more + b"}"
