"""A pool's settings written whole, against AWS's own description of them."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core.rewriting import FIXED, MOVING, SETTABLE, UnknownSetting, differing, rewritten
from tests.build import laws

MODEL: Any = botocore.session.get_session().get_service_model("cognito-idp")
SPECIAL = {"UserPoolTags", "AdminCreateUserConfig", "Policies"}
VALUES = st.dictionaries(
    st.sampled_from(sorted(SETTABLE | FIXED | MOVING)), st.one_of(st.text(max_size=3), st.booleans())
).map(lambda found: {name: found[name] for name in found if name not in SPECIAL})


def members(operation: str) -> set[str]:
    return set(MODEL.operation_model(operation).input_shape.members)


def test_the_names_are_those_of_aws() -> None:
    """A new one in AWS's model fails here, before a pool that has it is refused."""
    described = MODEL.operation_model("DescribeUserPool").output_shape.members["UserPool"].members
    assert SETTABLE - {"Name"} == members("UpdateUserPool") - {"UserPoolId", "PoolName"}
    assert set(described) == SETTABLE | FIXED | MOVING
    assert not SETTABLE & FIXED and not SETTABLE & MOVING and not FIXED & MOVING


@laws(200)
@given(VALUES, VALUES)
def test_everything_settable_is_written_as_it_was_or_as_it_shall_be(
    described: dict[str, Any], changes: dict[str, Any]
) -> None:
    written = rewritten(described, **changes)
    both = {**described, **changes}
    wanted = {name: value for name, value in both.items() if name in SETTABLE and value != ""}
    wanted = {("PoolName" if name == "Name" else name): value for name, value in wanted.items()}
    assert written == wanted


def test_of_the_two_names_of_a_temporary_passwords_days_the_policys_is_written() -> None:
    admin = {"AllowAdminCreateUserOnly": True, "UnusedAccountValidityDays": 3}
    policy = {"PasswordPolicy": {"MinimumLength": 9, "TemporaryPasswordValidityDays": 3}}
    written = rewritten({"AdminCreateUserConfig": admin, "Policies": policy})
    assert written == {"AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True}, "Policies": policy}
    assert rewritten({"AdminCreateUserConfig": admin}) == {"AdminCreateUserConfig": admin}, "the only name"


def test_awss_own_tags_are_written_by_nobody() -> None:
    tags = {"team": "bio", "aws:cloudformation:stack-name": "pools"}
    assert rewritten({"UserPoolTags": tags}) == {"UserPoolTags": {"team": "bio"}}


def test_what_we_do_not_know_is_not_reset() -> None:
    with pytest.raises(UnknownSetting, match=r"PasskeyColour and Zebra.*Nothing was written"):
        rewritten({"Zebra": 1, "PasskeyColour": "red", "DeletionProtection": "ACTIVE"})


def test_a_setting_that_is_nothing_is_not_given() -> None:
    described = {"LambdaConfig": None, "EmailVerificationMessage": "", "UserPoolTier": "LITE"}
    assert rewritten(described) == {"UserPoolTier": "LITE"}


def test_what_changes_by_itself_is_no_difference() -> None:
    before = {"LastModifiedDate": 1, "EstimatedNumberOfUsers": 4, "Policies": {"a": 1}, "LambdaConfig": {}}
    after = {"LastModifiedDate": 2, "EstimatedNumberOfUsers": 5, "Policies": {"a": 2}}
    assert differing(before, after) == ["Policies"]
    assert differing(before, after, {"Policies"}) == []


@laws(100)
@given(VALUES)
def test_nothing_differs_from_itself(described: dict[str, Any]) -> None:
    assert differing(described, dict(described)) == []
