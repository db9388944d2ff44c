"""IAM: what sign-in reads, and what an administrator does. Quotas are AWS's fixed ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from tests.standin.iam import policy
from tests.standin.iam.actions import NAME, PATH, Action, Call
from tests.standin.iam.state import SSO_PATH, AccessKey, Document, Entity, Group, Role, User, named, unique_id
from tests.standin.iam.wire import Refused, Tree, moment

E = TypeVar("E", User, Group, Role)


def create(call: Call, kind: type[E], held: dict[str, E], prefix: str) -> E:
    """A new user, group or role. Names differ by more than case."""
    title = kind.__name__
    name, path = call.text(f"{title}Name", NAME), call.text("Path", PATH, "/")
    _check_free(held, title, name)
    base = call.account.arn(title.lower())
    return held.setdefault(name, kind(name, path, unique_id(prefix), base, call.state.now()))


def create_role(call: Call, *, by_identity_center: bool = False) -> Tree:
    if call.text("Path", PATH, "/").startswith(SSO_PATH) != by_identity_center:
        raise Refused("InvalidInput", f"The path {SSO_PATH} is for roles of IAM Identity Center alone.")
    trust = _trust(call, "AssumeRolePolicyDocument")
    longest = call.number("MaxSessionDuration", 3600, 43200, 3600)
    made = create(call, Role, call.account.roles, "AROA")
    made.trust, made.longest = trust, longest
    return _role(call, made)


def update_user(call: Call) -> Tree:
    user, held = call.named("user"), call.account.users
    name, path = call.text("NewUserName", NAME, user.name), call.text("NewPath", PATH, user.path)
    if name != user.name:
        _check_free(held, "User", name)
    del held[user.name]
    user.name, user.path = name, path
    held[name] = user
    return {}


def delete_user(call: Call) -> Tree:
    user: User = call.named("user")
    left = {
        "delete access keys": user.keys,
        "remove user from groups": call.account.groups_of(user),
        "detach all policies": user.attached,
        "delete policies": user.policies,
        "delete MFA device": user.mfa,
    }
    return _delete(call.account.users, user, left)


def delete_role(call: Call) -> Tree:
    role: Role = call.named("role")
    return _delete(
        call.account.roles, role, {"detach all policies": role.attached, "delete policies": role.policies}
    )


def update_assume_role_policy(call: Call) -> Tree:
    call.named("role").trust = _trust(call, "PolicyDocument")
    return {}


def create_access_key(call: Call) -> Tree:
    user, key = call.user(), AccessKey.new("AKIA", call.state.now())
    _check_quota("AccessKeysPerUser", 2, len(user.keys))
    user.keys[key.id] = key
    return {"AccessKey": {**_key(user, key), "SecretAccessKey": key.secret}}


def update_access_key(call: Call) -> Tree:
    key: AccessKey = named(call.user().keys, "Access Key", call.text("AccessKeyId"))
    key.status = call.text("Status", "Active|Inactive")
    return {}


def delete_access_key(call: Call) -> Tree:
    del call.user().keys[named(call.user().keys, "Access Key", call.text("AccessKeyId")).id]
    return {}


def add_user_to_group(call: Call) -> Tree:
    group, user = call.named("group"), call.named("user")
    if user.id not in group.members:
        _check_quota("GroupsPerUser", 10, len(call.account.groups_of(user)))
    group.members.add(user.id)
    return {}


def remove_user_from_group(call: Call) -> Tree:
    call.named("group").members.discard(call.named("user").id)
    return {}


def simulate_principal_policy(call: Call) -> Tree:
    """What the policies of a user, a group or a role decide; their own alone, as AWS simulates them."""
    arn, account = call.text("PolicySourceArn"), call.account
    held: list[User | Group | Role] = [
        *account.users.values(), *account.groups.values(), *account.roles.values()
    ]  # fmt: skip
    actor = next((one for one in held if one.arn == arn), None)
    if actor is None:
        raise Refused("NoSuchEntity", f"The entity {arn} cannot be found.", 404)
    speak = [actor, *account.groups_of(actor)] if isinstance(actor, User) else [actor]
    documents = [document for one in speak for document in one.policies.values()]
    decided = {True: "allowed", False: "explicitDeny", None: "implicitDeny"}
    results = [
        {
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": decided[policy.allows(documents, action, resource, _context(call))],
        }
        for action in _members(call, "ActionNames")
        for resource in _members(call, "ResourceArns") or ["*"]
    ]
    return call.page("EvaluationResults", results)


def _context(call: Call) -> dict[str, str]:
    """The condition keys that the caller gives, of one value each."""
    entry = "ContextEntries.member.{}."
    numbers = range(1, 1 + sum(one.endswith(".ContextKeyName") for one in call.params))
    return {
        call.text(entry.format(number) + "ContextKeyName").lower(): call.text(
            entry.format(number) + "ContextKeyValues.member.1"
        )
        for number in numbers
    }


def _members(call: Call, name: str) -> list[str]:
    numbers = range(1, 1 + sum(one.startswith(f"{name}.member.") for one in call.params))
    return [call.text(f"{name}.member.{number}") for number in numbers]


def mfa_devices(call: Call) -> list[Tree]:
    user = call.user()
    dated = {"UserName": user.name, "EnableDate": moment(user.created)}
    return [{**dated, "SerialNumber": serial} for serial in user.mfa]


def _pages(listed: str, entries: Callable[[Call], list[Any]]) -> Action:
    return lambda call: call.page(listed, entries(call))


def _policies(kind: str) -> dict[str, Action]:
    """The actions that IAM has once for each of users, groups and roles."""
    title = kind.title()

    def put(call: Call) -> Tree:
        document = policy.parse(call.text("PolicyDocument"), trust=False)
        call.named(kind).policies[call.text("PolicyName", NAME)] = document
        return {}

    def delete(call: Call) -> Tree:
        held: dict[str, Any] = call.named(kind).policies
        named(held, f"{kind} policy", call.text("PolicyName"))
        del held[call.text("PolicyName")]
        return {}

    def attach(call: Call) -> Tree:
        arn = call.text("PolicyArn", r".{20,2048}")
        name = arn.rpartition("/")[2]
        if arn != f"arn:{call.account.partition}:iam::aws:policy/{name}":
            raise Refused("NoSuchEntity", f"Policy {arn} does not exist or is not attachable.", 404)
        call.named(kind).attached[arn] = name
        return {}

    def attached(call: Call) -> list[Tree]:
        return [
            {"PolicyName": name, "PolicyArn": arn} for arn, name in sorted(call.named(kind).attached.items())
        ]

    return {
        f"Put{title}Policy": put,
        f"Delete{title}Policy": delete,
        f"Attach{title}Policy": attach,
        f"List{title}Policies": _pages("PolicyNames", lambda call: sorted(call.named(kind).policies)),
        f"ListAttached{title}Policies": _pages("AttachedPolicies", attached),
    }


ACTIONS: dict[str, Action] = {
    "CreateUser": lambda call: {"User": _shown(create(call, User, call.account.users, "AIDA"))},
    "GetUser": lambda call: {"User": _shown(call.user())},
    "ListUsers": _pages("Users", lambda call: _shown_all(call.account.users.values())),
    "UpdateUser": update_user,
    "DeleteUser": delete_user,
    "ListMFADevices": _pages("MFADevices", mfa_devices),
    "CreateAccessKey": create_access_key,
    "ListAccessKeys": _pages("AccessKeyMetadata", lambda call: _keys(call.user())),
    "UpdateAccessKey": update_access_key,
    "DeleteAccessKey": delete_access_key,
    "CreateGroup": lambda call: {"Group": _shown(create(call, Group, call.account.groups, "AGPA"))},
    "ListGroups": _pages("Groups", lambda call: _shown_all(call.account.groups.values())),
    "ListGroupsForUser": _pages(
        "Groups", lambda call: _shown_all(call.account.groups_of(call.named("user")))
    ),
    "AddUserToGroup": add_user_to_group,
    "RemoveUserFromGroup": remove_user_from_group,
    "CreateRole": create_role,
    "GetRole": lambda call: _role(call, call.named("role")),
    "UpdateAssumeRolePolicy": update_assume_role_policy,
    "DeleteRole": delete_role,
    "SimulatePrincipalPolicy": simulate_principal_policy,
    **_policies("user"),
    **_policies("group"),
    **_policies("role"),
}


def _shown(one: Entity) -> Tree:
    kind = type(one).__name__
    names = {"Path": one.path, f"{kind}Name": one.name, f"{kind}Id": one.id}
    return {**names, "Arn": one.arn, "CreateDate": moment(one.created)}


def _shown_all(entities: Iterable[Entity]) -> list[Tree]:
    return [_shown(one) for one in sorted(entities, key=lambda one: one.name)]


def _key(user: User, key: AccessKey) -> Tree:
    names = {"UserName": user.name, "AccessKeyId": key.id}
    return {**names, "Status": key.status, "CreateDate": moment(key.created)}


def _keys(user: User) -> list[Tree]:
    return [_key(user, key) for key in user.keys.values()]


def _trust(call: Call, parameter: str) -> Document:
    """As IAM keeps it: users and roles by id, so that one made again under its name is nobody."""
    ids = {one.arn: one.id for one in call.state.actors()}

    def keep(name: str) -> str:
        if name not in ids and (":user/" in name or ":role/" in name):
            raise Refused("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{name}"')
        return ids.get(name, name)

    return policy.renamed(policy.parse(call.text(parameter), trust=True), keep)


def _role(call: Call, role: Role) -> Tree:
    """Its trust policy with the ARNs of now; who is gone stays as an id. Encoded as in a URL."""
    arns = {one.id: one.arn for one in call.state.actors()}
    document = json.dumps(policy.renamed(role.trust, lambda name: arns.get(name, name)))
    trust = {"AssumeRolePolicyDocument": quote(document, safe=""), "MaxSessionDuration": role.longest}
    return {"Role": {**_shown(role), **trust}}


def _delete(held: dict[str, Any], one: Entity, left: Mapping[str, object]) -> Tree:
    for first, things in left.items():
        if things:
            raise Refused("DeleteConflict", f"Cannot delete entity, must {first} first.", 409)
    del held[one.name]
    return {}


def _check_free(held: Iterable[str], kind: str, name: str) -> None:
    if name.casefold() in (one.casefold() for one in held):
        raise Refused("EntityAlreadyExists", f"{kind} with name {name} already exists.", 409)


def _check_quota(name: str, most: int, have: int) -> None:
    if have >= most:
        raise Refused("LimitExceeded", f"Cannot exceed quota for {name}: {most}", 409)
