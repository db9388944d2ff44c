"""What a plan asks of IAM where groups are to be made."""

from __future__ import annotations

from typing import Any

import pytest

from backups.core.choices import Choices, Condition, How
from backups.core.snapshot import Group
from backups.engine.ports import Cause
from backups.models import Plan
from tests.jobs.conftest import Account
from tests.jobs.test_going_on import ROLE, with_group

PASS = "iam:PassRole"


def roles(plan: Plan) -> list[tuple[str, str]]:
    return [(one["state"], one["sentence"]) for one in plan.checks if one["code"] == "roles"]


def test_the_role_of_a_group_to_be_made_is_asked_about(account: Account) -> None:
    team = with_group(account, Group("empty", role_arn=ROLE))
    account.aws.denies = {PASS}
    [(state, sentence)] = roles(team.plan())
    assert state == "warn" and sentence.endswith("to be made: empty.")
    assert account.aws.asked[-1] == ((PASS,), ROLE, "")
    assert "cognito-idp:CreateGroup" in account.aws.asked[0][0]
    assert not any(PASS in actions for actions, resource, _ in account.aws.asked if resource != ROLE)
    account.aws.denies = set()
    assert [state for state, _ in roles(team.plan())] == ["pass"]


def test_what_iam_does_not_tell_of_roles_is_a_doubt(account: Account) -> None:
    team = with_group(account, Group("empty", role_arn=ROLE))
    account.aws.fail("allowed", Cause.DENIED, times=99, message="Not told.")
    [(state, sentence)] = roles(team.plan())
    assert state == "warn" and "could not be asked" in sentence


@pytest.mark.parametrize(
    ("group", "choices"),
    [
        (Group("empty"), Choices()),
        (Group("empty", role_arn=ROLE), Choices(tests=(Condition("group", How.IS, "admins"),))),
    ],
)
def test_where_no_group_with_a_role_is_made_nothing_is_asked(
    account: Account, group: Group, choices: Any
) -> None:
    team = with_group(account, group)
    assert roles(team.plan(choices)) == []


def test_nor_where_it_stands(account: Account) -> None:
    team = with_group(account, Group("empty", role_arn=ROLE))
    team.pool.create_group(Group("empty", role_arn=ROLE))
    assert roles(team.plan()) == []
