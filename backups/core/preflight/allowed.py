"""What the account may do."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from backups.core.choices import Choices, Existing, Guard
from backups.core.plan import ENABLED, Counts
from backups.core.preflight.check import SILENT, Check, Unasked, not_asked, passes, stop, warn
from backups.core.snapshot import Group

POLICY = "the policy “restore” of docs/policies.json"
PASS_ROLE = "iam:PassRole"  # noqa: S105  (no password)
"""Asked of IAM for each role that a group has, not for the pool."""


def actions_of(
    counts: Counts, choices: Choices, groups: Collection[Group] = ()
) -> dict[str, tuple[str, ...]]:
    """IAM action -> the ways that need it, () for all of them; only what this plan would call.

    ``groups``: those that are made first.
    """
    needed: dict[str, tuple[str, ...]] = {"DescribeUserPool": (), "ListUsers": (), "AdminGetUser": ()}
    if counts.create:
        needed |= {"AdminCreateUser": (), "AdminSetUserPassword": (SILENT,)}
    if counts.disabled or ENABLED in counts.updates or choices.existing is Existing.OVERWRITE:
        needed["AdminDisableUser"] = ()
    if counts.memberships:
        needed |= {"AdminAddUserToGroup": (), "AdminListGroupsForUser": ()}
    if counts.groups or groups:
        needed["CreateGroup"] = ()
    if choices.existing is not Existing.SKIP:
        needed["AdminUpdateUserAttributes"] = ()
    if Guard.ENABLE in choices.guards:
        needed["AdminEnableUser"] = ()
    if counts.replaced:
        needed["AdminDeleteUser"] = ()
    if counts.links:
        needed["AdminLinkProviderForUser"] = ()
    return {f"cognito-idp:{name}": ways for name, ways in needed.items()}


def of_actions(
    needed: Mapping[str, tuple[str, ...]],
    told: tuple[str, Collection[str]] | Unasked,
    can_read: bool | Unasked,
) -> list[Check]:
    """``told``: (who was asked about, which of the actions IAM denies them); ``can_read``: a dry call."""
    if isinstance(told, Unasked):
        if can_read is False:
            return [
                stop(
                    "actions",
                    "Our credentials may not read a user (AdminGetUser), so nothing could be confirmed.",
                    f"Give them {POLICY}.",
                )
            ]
        tried = "Reading a user is allowed; the rest" if can_read is True else "What our credentials may do"
        return [not_asked("actions", tried, told)]
    who, denied = told
    found = []
    for ways in sorted({needed[action] for action in denied if action in needed}):
        names = [action.partition(":")[2] for action in sorted(denied) if needed.get(action) == ways]
        found.append(
            stop(
                "actions",
                f"IAM denies {who} what this restore needs: {', '.join(names)}.",
                f"Give it {POLICY}; if writers hold another role, name that one in WRITE_ROLE.",
                *ways,
            )
        )
    return found or [passes("actions", f"IAM allows {who} every action that this restore needs.")]


def of_roles(groups: Collection[Group], told: tuple[str, Collection[str]] | Unasked) -> list[Check]:
    """``groups``: with a role, to be made; ``told``: (who was asked about, the roles they may not pass on).

    Never a stop: AWS does not document for which of Cognito's services a policy has to allow it.
    """
    if isinstance(told, Unasked):
        return [not_asked("roles", f"Whether our credentials may pass on a group's role ({PASS_ROLE})", told)]
    who, denied = told
    if unmade := sorted(group.name for group in groups if group.role_arn in denied):
        names = ", ".join(unmade)
        return [
            warn(
                "roles",
                f"IAM does not let {who} pass on ({PASS_ROLE}) the roles of groups to be made: {names}.",
                f"Cognito may refuse to make them. Give it {POLICY}, or make them yourself first.",
            )
        ]
    return [passes("roles", f"IAM lets {who} make the groups that have a role.")]
