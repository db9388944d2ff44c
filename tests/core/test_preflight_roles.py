"""Groups with a role that are to be made: what IAM says of passing the role on."""

from __future__ import annotations

from backups.core import preflight
from backups.core.choices import Choices
from backups.core.plan import Counts
from backups.core.preflight import State, Unasked
from backups.core.snapshot import Group

EDITORS, ROOT = Group("editors", role_arn="arn:role/editors"), Group("root", role_arn="arn:role/root")


def test_what_is_not_to_be_passed_on_is_named_and_stops_nothing() -> None:
    [check] = preflight.of_roles([ROOT, EDITORS], ("user/app", {"arn:role/root", "arn:role/editors"}))
    assert (check.code, check.state) == ("roles", State.WARN)
    assert "user/app" in check.sentence and check.sentence.endswith("to be made: editors, root.")
    assert "the policy “restore” of docs/policies.json" in check.remedy
    [check] = preflight.of_roles([ROOT, EDITORS], ("user/app", {"arn:role/root"}))
    assert check.sentence.endswith("to be made: root.")


def test_what_may_be_passed_on_passes() -> None:
    [check] = preflight.of_roles([ROOT, EDITORS], ("user/app", set()))
    assert (check.state, check.remedy) == (State.PASS, "")


def test_what_iam_does_not_tell_is_a_doubt() -> None:
    [check] = preflight.of_roles([ROOT], Unasked("No answer."))
    assert (check.state, check.remedy) == (State.WARN, "No answer.")
    assert "iam:PassRole) could not be asked." in check.sentence


def test_a_group_without_members_is_made_too() -> None:
    assert "cognito-idp:CreateGroup" not in preflight.actions_of(Counts(), Choices())
    assert "cognito-idp:CreateGroup" in preflight.actions_of(Counts(), Choices(), [Group("empty")])
