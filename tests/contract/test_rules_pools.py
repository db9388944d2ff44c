"""A pool: what it keeps of what it was told, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.marks import differs
from tests.contract.pools import Aws, refused

STANDARD = set(
    """address birthdate email email_verified family_name gender given_name locale middle_name name nickname
    phone_number phone_number_verified picture preferred_username profile sub updated_at website
    zoneinfo""".split()
)
TOLD: dict[str, Any] = {
    "Policies": {"PasswordPolicy": {"MinimumLength": 12, "RequireNumbers": True}},
    "AutoVerifiedAttributes": ["email"],
    "EmailVerificationSubject": "Your code",
    "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True},
    "UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": ["email"]},
    "AccountRecoverySetting": {"RecoveryMechanisms": [{"Priority": 1, "Name": "verified_email"}]},
    "UsernameConfiguration": {"CaseSensitive": False},
    "UsernameAttributes": ["email"],
    "UserPoolTags": {"team": "data"},
    "UserPoolTier": "LITE",
}


def contains(whole: Any, part: Any) -> bool:
    """AWS adds what was left out, at any depth."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            name in whole and contains(whole[name], value) for name, value in part.items()
        )
    return bool(whole == part)


@pytest.mark.parametrize("setting", TOLD)
def test_a_pool_is_described_as_it_was_made(aws: Aws, setting: str) -> None:
    pool = aws.shared("told", lambda: aws.new_pool("email", **TOLD))
    assert contains(pool.describe().get(setting), TOLD[setting])


def test_a_pool_has_an_arn_its_dates_and_an_estimate_of_its_users(aws: Aws) -> None:
    described = aws.pool("email").describe()
    assert described["Arn"].endswith(f":userpool/{described['Id']}")
    assert described["CreationDate"] <= described["LastModifiedDate"]
    assert described["EstimatedNumberOfUsers"] >= 0


@differs(moto="lists only the attributes that the pool was made with")
def test_every_standard_attribute_is_in_the_schema_and_nobody_can_give_a_sub(aws: Aws) -> None:
    schema = {one["Name"]: one for one in aws.pool("email").describe()["SchemaAttributes"]}
    assert schema.keys() >= STANDARD
    assert schema["sub"]["Required"] and not schema["sub"]["Mutable"]
    assert not schema["custom:badge"]["Mutable"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("EmailConfiguration", {"EmailSendingAccount": "COGNITO_DEFAULT"}),
        ("AdminCreateUserConfig", {"AllowAdminCreateUserOnly": False}),
        ("MfaConfiguration", "OFF"),
        ("Policies", {"PasswordPolicy": {"MinimumLength": 8}}),
        pytest.param("UserPoolTier", "ESSENTIALS", marks=differs(moto="has no tiers")),
        pytest.param("DeletionProtection", "INACTIVE", marks=differs(moto="does not show it")),
        pytest.param(
            "VerificationMessageTemplate",
            {"DefaultEmailOption": "CONFIRM_WITH_CODE"},
            marks=differs(ministack="does not show it"),
        ),
    ],
)
def test_what_was_not_said_has_a_default(aws: Aws, setting: str, value: Any) -> None:
    assert contains(aws.pool("bare").describe().get(setting), value)


@differs(moto="deletes it", ministack="deletes it")
def test_a_protected_pool_is_not_deleted(aws: Aws) -> None:
    pool = aws.new_pool(DeletionProtection="ACTIVE")
    refused("InvalidParameterException", pool.delete_user_pool)
    assert pool.describe()["Id"] == pool.id


@differs(ministack="keeps what the update left out")
def test_what_an_update_leaves_out_goes_back_to_its_default(aws: Aws) -> None:
    """[M] of UpdateUserPool: so a restore of settings reads, merges and writes all."""
    pool = aws.new_pool(AutoVerifiedAttributes=["email"], EmailVerificationSubject="Keep me")
    pool.update_user_pool(Policies={"PasswordPolicy": {"MinimumLength": 14}})
    described = pool.describe()
    assert described["Policies"]["PasswordPolicy"]["MinimumLength"] == 14
    assert not described.get("AutoVerifiedAttributes")
    assert described.get("EmailVerificationSubject") != "Keep me"


@differs(moto="makes a pool of usernames of it")
def test_an_update_cannot_change_who_somebody_is(aws: Aws) -> None:
    """[M] UsernameAttributes, UsernameConfiguration and the schema are in Create and not in Update."""
    pool = aws.new_pool()
    pool.update_user_pool(Policies={"PasswordPolicy": {"MinimumLength": 14}})
    described = pool.describe()
    assert described.get("UsernameAttributes") == ["email"]
    assert described.get("UsernameConfiguration") == {"CaseSensitive": False}
    assert "custom:badge" in {one["Name"] for one in described["SchemaAttributes"]}


def test_a_pool_that_does_not_exist_is_not_found(aws: Aws) -> None:
    nothing = f"{aws.world.region}_Nothing01"
    refused("ResourceNotFoundException", lambda: aws.client.describe_user_pool(UserPoolId=nothing))
    refused("ResourceNotFoundException", lambda: aws.client.list_users(UserPoolId=nothing))


@differs(moto="takes any number", ministack="takes any number")
def test_a_page_of_pools_holds_at_most_60(aws: Aws) -> None:
    refused("InvalidParameterException", lambda: aws.client.list_user_pools(MaxResults=61))


def test_every_pool_is_on_one_of_the_pages(aws: Aws) -> None:
    made = {aws.pool("email").id, aws.pool("username").id}
    listed: list[str] = []
    told: dict[str, Any] = {"MaxResults": 1}
    while made - set(listed):
        answer = aws.client.list_user_pools(**told)
        listed += [one["Id"] for one in answer["UserPools"]]
        assert len(answer["UserPools"]) <= 1
        assert made <= set(listed) or answer.get("NextToken")
        told["NextToken"] = answer.get("NextToken")
    assert len(listed) == len(set(listed))
