"""What the account may do."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from backups.core.choices import Choices, Existing, Guard
from backups.core.plan import Counts
from backups.core.preflight.check import SILENT, Check, Unasked, not_asked, passes, stop

POLICY = "the policy “restore” of docs/policies.json"


def actions_of(counts: Counts, choices: Choices) -> dict[str, tuple[str, ...]]:
    """IAM action -> the ways that need it, () for all of them; only what this plan would call."""
    needed: dict[str, tuple[str, ...]] = {"DescribeUserPool": (), "ListUsers": (), "AdminGetUser": ()}
    if counts.create:
        needed |= {"AdminCreateUser": (), "AdminSetUserPassword": (SILENT,)}
    if counts.disabled or choices.existing is Existing.OVERWRITE:
        needed["AdminDisableUser"] = ()
    if counts.memberships:
        needed |= {"AdminAddUserToGroup": (), "AdminListGroupsForUser": ()}
    if counts.groups:
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
