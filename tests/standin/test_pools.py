"""User pools: settings and their defaults, schema, tags, limits, replicas."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.servers import Server
from tests.standin.client import Standin

pytestmark = pytest.mark.usefixtures("control")

MakePool = Callable[..., str]
ELSEWHERE = "eu-central-1"
ROLE = "arn:aws:iam::111122223333:role/cognito-sms"
IDENTITY = "arn:aws:ses:eu-west-1:111122223333:identity/uni.example"
KEY = {
    "KeyType": "CUSTOMER_MANAGED_KEY",
    "KmsKeyArn": "arn:aws:kms:eu-west-1:111122223333:key/mrk-0123456789abcdef",
}


def refused(code: str, call: Callable[..., Any], **asked: Any) -> str:
    """The message with which it is refused."""
    with pytest.raises(ClientError) as error:
        call(**asked)
    told = error.value.response["Error"]
    assert told["Code"] == code, told["Message"]
    return str(told["Message"])


def described(client: Any, pool: str) -> dict[str, Any]:
    found: dict[str, Any] = client.describe_user_pool(UserPoolId=pool)["UserPool"]
    return found


def schema(client: Any, pool: str) -> dict[str, dict[str, Any]]:
    return {one["Name"]: one for one in described(client, pool)["SchemaAttributes"]}


def listed(client: Any, size: int) -> list[dict[str, Any]]:
    """All pools of the Region, in pages of ``size``."""
    pages = client.get_paginator("list_user_pools").paginate(PaginationConfig={"PageSize": size})
    return [one for page in pages for one in page["UserPools"]]


@pytest.fixture
def bare(client: Any) -> str:
    """A pool of which only the name was told."""
    return str(client.create_user_pool(PoolName="bare")["UserPool"]["Id"])


# what a pool is


def test_a_bare_pool_has_the_defaults_of_aws(client: Any, bare: str) -> None:
    found = described(client, bare)
    assert found["Name"] == "bare"
    assert re.fullmatch(r"eu-west-1_[A-Za-z0-9]{9}", found["Id"])
    assert found["Arn"] == f"arn:aws:cognito-idp:eu-west-1:111122223333:userpool/{bare}"
    assert found["Policies"] == {
        "PasswordPolicy": {
            "MinimumLength": 8,
            "RequireUppercase": True,
            "RequireLowercase": True,
            "RequireNumbers": True,
            "RequireSymbols": True,
            "TemporaryPasswordValidityDays": 7,
        },
        "SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD"]},
    }
    assert found["AdminCreateUserConfig"] == {
        "AllowAdminCreateUserOnly": False,
        "UnusedAccountValidityDays": 7,
    }
    assert found["EmailConfiguration"] == {"EmailSendingAccount": "COGNITO_DEFAULT"}
    assert found["VerificationMessageTemplate"] == {"DefaultEmailOption": "CONFIRM_WITH_CODE"}
    assert found["LambdaConfig"] == {}
    assert (found["MfaConfiguration"], found["DeletionProtection"]) == ("OFF", "INACTIVE")
    assert found["UserPoolTier"] == "ESSENTIALS"
    assert found["EstimatedNumberOfUsers"] == 0
    assert not found.keys() & {"UserPoolTags", "UsernameConfiguration", "Domain", "SmsConfiguration"}


def test_within_a_password_policy_a_rule_that_is_not_told_is_off(client: Any, make_pool: MakePool) -> None:
    pool = make_pool(Policies={"PasswordPolicy": {"MinimumLength": 12, "RequireNumbers": True}})
    policy = described(client, pool)["Policies"]["PasswordPolicy"]
    assert (policy["MinimumLength"], policy["RequireNumbers"], policy["RequireSymbols"]) == (12, True, False)


def test_one_text_has_an_old_name_and_a_new_one(client: Any, make_pool: MakePool) -> None:
    pool = make_pool(
        EmailVerificationSubject="Your code", VerificationMessageTemplate={"SmsMessage": "{####}!"}
    )
    found = described(client, pool)
    assert found["VerificationMessageTemplate"]["EmailSubject"] == "Your code"
    assert found["SmsVerificationMessage"] == "{####}!"


def test_the_estimate_is_the_number_of_users(client: Any, pool: str, control: Standin) -> None:
    control.seed(pool, 3)
    assert described(client, pool)["EstimatedNumberOfUsers"] == 3


@pytest.mark.parametrize(
    ("sensitive", "same"), [({"UsernameConfiguration": {"CaseSensitive": False}}, True), ({}, False)]
)
def test_a_pool_tells_case_apart_unless_told_otherwise(
    client: Any, sensitive: dict[str, Any], same: bool
) -> None:
    pool = client.create_user_pool(PoolName="case", **sensitive)["UserPool"]["Id"]
    create = {"UserPoolId": pool, "MessageAction": "SUPPRESS"}
    client.admin_create_user(Username="Ada", **create)
    if same:
        refused("UsernameExistsException", client.admin_create_user, Username="ADA", **create)
    else:
        assert client.admin_create_user(Username="ADA", **create)["User"]["Username"] == "ADA"


# what AWS refuses


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"UsernameAttributes": ["email"], "AliasAttributes": ["email"]}, "Only one of the aliasAttributes"),
        ({"EmailConfiguration": {"EmailSendingAccount": "DEVELOPER"}}, "SourceArn"),
        ({"MfaConfiguration": "OPTIONAL"}, "SMS configuration is required"),
        ({"Policies": {"PasswordPolicy": {"MinimumLength": 100}}}, "less than or equal to 99"),
        ({"LambdaConfig": {"PreSignUp": "not an address of a function"}}, "lambdaConfig.preSignUp"),
        (
            {
                "Policies": {"PasswordPolicy": {"TemporaryPasswordValidityDays": 7}},
                "AdminCreateUserConfig": {"UnusedAccountValidityDays": 7},
            },
            "Please use TemporaryPasswordValidityDays",
        ),
    ],
)
def test_settings_that_cannot_be(client: Any, settings: dict[str, Any], words: str) -> None:
    told = refused("InvalidParameterException", client.create_user_pool, PoolName="never", **settings)
    assert words in told
    assert "never" not in {one["Name"] for one in listed(client, size=60)}


@pytest.mark.parametrize(
    "settings",
    [
        {"UserPoolAddOns": {"AdvancedSecurityMode": "ENFORCED"}},
        {
            "UserPoolTier": "LITE",
            "Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}},
        },
    ],
)
def test_a_feature_needs_its_plan(client: Any, settings: dict[str, Any]) -> None:
    refused("FeatureUnavailableInTierException", client.create_user_pool, PoolName="cheap", **settings)
    assert client.create_user_pool(PoolName="dear", **settings | {"UserPoolTier": "PLUS"})["UserPool"]


def test_a_pool_that_is_not_there(client: Any) -> None:
    told = refused("ResourceNotFoundException", client.describe_user_pool, UserPoolId="eu-west-1_Nothing01")
    assert told == "User pool eu-west-1_Nothing01 does not exist."


# schema


def test_a_schema_has_every_standard_attribute(client: Any, bare: str) -> None:
    found = schema(client, bare)
    assert len(found) == 20
    assert found["sub"] == {
        "Name": "sub",
        "AttributeDataType": "String",
        "DeveloperOnlyAttribute": False,
        "Mutable": False,
        "Required": True,
        "StringAttributeConstraints": {"MinLength": "1", "MaxLength": "2048"},
    }
    assert found["email_verified"]["AttributeDataType"] == "Boolean"
    assert found["updated_at"]["NumberAttributeConstraints"] == {"MinValue": "0"}
    assert found["birthdate"]["StringAttributeConstraints"] == {"MinLength": "10", "MaxLength": "10"}
    assert not any(one["Required"] for name, one in found.items() if name != "sub")


def test_a_schema_changes_standard_attributes_and_adds_others(client: Any, make_pool: MakePool) -> None:
    pool = make_pool(
        Schema=[
            {"Name": "name", "Required": True, "Mutable": False},
            {"Name": "institution", "AttributeDataType": "String"},
            {"Name": "age", "AttributeDataType": "Number", "DeveloperOnlyAttribute": True, "Mutable": False},
        ]
    )
    found = schema(client, pool)
    assert (found["name"]["Required"], found["name"]["Mutable"]) == (True, False)
    assert found["custom:institution"]["Mutable"]
    assert found["custom:institution"]["StringAttributeConstraints"] == {}
    assert found["dev:custom:age"]["DeveloperOnlyAttribute"]
    assert not found["dev:custom:age"]["Mutable"]


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        ({"Name": "x", "AttributeDataType": "String", "Required": True}, "Required custom attributes"),
        ({"Name": "email", "AttributeDataType": "Number"}, "can not change AttributeDataType"),
        ({"Name": "x"}, "AttributeDataType"),
    ],
)
def test_attributes_that_cannot_be(make_pool: MakePool, attribute: dict[str, Any], words: str) -> None:
    assert words in refused("InvalidParameterException", make_pool, Schema=[attribute])


def test_attributes_can_be_added_but_not_twice_and_no_more_than_fifty(client: Any, pool: str) -> None:
    def add(*names: str) -> None:
        told = [{"Name": name, "AttributeDataType": "String"} for name in names]
        client.add_custom_attributes(UserPoolId=pool, CustomAttributes=told)

    add("one")
    assert "custom:one" in schema(client, pool)
    with pytest.raises(ClientError, match="Existing attribute already has name custom:one"):
        add("two", "one")
    assert "custom:two" not in schema(client, pool)
    add(*(f"a{n}" for n in range(25)))
    with pytest.raises(ClientError, match="at most 50"):
        add(*(f"b{n}" for n in range(25)))
    add(*(f"b{n}" for n in range(24)))
    assert sum(name.startswith("custom:") for name in schema(client, pool)) == 50


# changed


def test_an_update_resets_whatever_it_does_not_name(client: Any, make_pool: MakePool) -> None:
    pool = make_pool(
        DeletionProtection="ACTIVE",
        Policies={"PasswordPolicy": {"MinimumLength": 20}},
        EmailConfiguration={"EmailSendingAccount": "DEVELOPER", "SourceArn": IDENTITY},
        LambdaConfig={"PreSignUp": "arn:aws:lambda:eu-west-1:111122223333:function:check"},
        UserPoolTags={"team": "bio"},
        MfaConfiguration="OPTIONAL",
        SmsConfiguration={"SnsCallerArn": ROLE},
    )
    client.update_user_pool(UserPoolId=pool, AutoVerifiedAttributes=["email"])
    found = described(client, pool)
    assert found["AutoVerifiedAttributes"] == ["email"]
    assert found["DeletionProtection"] == "INACTIVE"
    assert found["Policies"]["PasswordPolicy"]["MinimumLength"] == 8
    assert found["EmailConfiguration"] == {"EmailSendingAccount": "COGNITO_DEFAULT"}
    assert found["LambdaConfig"] == {}
    assert found["MfaConfiguration"] == "OFF"
    assert not found.keys() & {"UserPoolTags", "SmsConfiguration"}


def test_an_update_leaves_what_cannot_be_changed(client: Any, make_pool: MakePool) -> None:
    pool = make_pool(Schema=[{"Name": "institution", "AttributeDataType": "String"}])
    before = described(client, pool)
    client.update_user_pool(UserPoolId=pool)
    after = described(client, pool)
    for name in ("Name", "UsernameAttributes", "UsernameConfiguration", "SchemaAttributes", "CreationDate"):
        assert after[name] == before[name]
    assert after["LastModifiedDate"] > before["LastModifiedDate"]
    client.update_user_pool(UserPoolId=pool, PoolName="renamed")
    assert described(client, pool)["Name"] == "renamed"


def test_an_update_that_is_refused_changes_nothing(client: Any, make_pool: MakePool) -> None:
    pool = make_pool(UserPoolTags={"team": "bio"})
    before = described(client, pool)
    refused("InvalidParameterException", client.update_user_pool, UserPoolId=pool, MfaConfiguration="ON")
    assert described(client, pool) == before


def test_what_describe_answers_cannot_be_written_back_as_it_is(client: Any, pool: str) -> None:
    found = described(client, pool)
    whole = {name: found[name] for name in ("Policies", "AdminCreateUserConfig")}
    told = refused("InvalidParameterException", client.update_user_pool, UserPoolId=pool, **whole)
    assert "instead of UnusedAccountValidityDays" in told
    del whole["AdminCreateUserConfig"]["UnusedAccountValidityDays"]
    client.update_user_pool(UserPoolId=pool, **whole)
    assert described(client, pool)["Policies"] == found["Policies"]


# deleted


def test_a_pool_can_be_deleted(client: Any, pool: str) -> None:
    client.delete_user_pool(UserPoolId=pool)
    refused("ResourceNotFoundException", client.describe_user_pool, UserPoolId=pool)
    refused("ResourceNotFoundException", client.delete_user_pool, UserPoolId=pool)


def test_a_protected_pool_cannot_be_deleted(client: Any, make_pool: MakePool) -> None:
    pool = make_pool(DeletionProtection="ACTIVE")
    told = refused("InvalidParameterException", client.delete_user_pool, UserPoolId=pool)
    assert "deletion protection is activated" in told
    client.update_user_pool(UserPoolId=pool, DeletionProtection="INACTIVE")
    client.delete_user_pool(UserPoolId=pool)


def test_a_pool_with_a_domain_cannot_be_deleted(client: Any, pool: str) -> None:
    domain = {"UserPoolId": pool, "Domain": f"d-{pool[-9:].lower()}"}
    client.create_user_pool_domain(**domain)
    assert "domain" in refused("InvalidParameterException", client.delete_user_pool, UserPoolId=pool)
    client.delete_user_pool_domain(**domain)
    client.delete_user_pool(UserPoolId=pool)


# listed


def test_pools_are_listed_in_pages(client: Any, make_pool: MakePool) -> None:
    made = {make_pool() for _ in range(3)}
    found = listed(client, size=1)
    ids = [one["Id"] for one in found]
    assert made <= set(ids)
    assert len(ids) == len(set(ids))
    assert found[0].keys() == {"Id", "Name", "LambdaConfig", "CreationDate", "LastModifiedDate"}
    refused("InvalidParameterException", client.list_user_pools, MaxResults=61)
    refused("InvalidParameterException", client.list_user_pools, MaxResults=1, NextToken="made-up")


def test_pools_of_another_region_are_not_listed(client: Any, pool: str, elsewhere: Any) -> None:
    assert pool in {one["Id"] for one in listed(client, size=60)}
    assert pool not in {one["Id"] for one in listed(elsewhere, size=60)}
    refused("ResourceNotFoundException", elsewhere.describe_user_pool, UserPoolId=pool)


# tags


def test_tags_are_added_changed_and_taken_away(client: Any, make_pool: MakePool) -> None:
    pool = make_pool(UserPoolTags={"team": "bio"})
    arn = described(client, pool)["Arn"]
    client.tag_resource(ResourceArn=arn, Tags={"team": "chem", "env": "test"})
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"team": "chem", "env": "test"}
    client.untag_resource(ResourceArn=arn, TagKeys=["team", "nothing"])
    assert described(client, pool)["UserPoolTags"] == {"env": "test"}
    with pytest.raises(ClientError, match="at most 50 tags"):
        client.tag_resource(ResourceArn=arn, Tags={str(n): "" for n in range(50)})
    other = arn.replace(pool, "eu-west-1_Nothing01")
    refused("ResourceNotFoundException", client.list_tags_for_resource, ResourceArn=other)


# limits


def limit_of(category: str) -> dict[str, Any]:
    return {"LimitClass": "API_CATEGORY", "Attributes": {"Category": category}}


def test_an_adjustable_limit_can_be_read(client: Any, control: Standin) -> None:
    control.quotas({"UserCreation": 80})
    limit = client.get_provisioned_limit(LimitDefinition=limit_of("UserCreation"))["Limit"]
    assert limit == {
        "LimitDefinition": limit_of("UserCreation"),
        "ProvisionedLimitValue": 80,
        "FreeLimitValue": 50,
    }


def test_a_limit_can_be_raised_between_its_default_and_the_accounts_quota(
    client: Any, control: Standin
) -> None:
    update = client.update_provisioned_limit
    told = update(LimitDefinition=limit_of("UserRead"), RequestedLimitValue=200)["Limit"]
    assert (told["ProvisionedLimitValue"], told["FreeLimitValue"]) == (200, 120)
    assert control.quotas()["UserRead"] == 200
    low = {"LimitDefinition": limit_of("UserRead"), "RequestedLimitValue": 119}
    refused("InvalidParameterException", update, **low)
    refused("ServiceQuotaExceededException", update, **low | {"RequestedLimitValue": 100_000})
    assert control.quotas()["UserRead"] == 200


def test_only_adjustable_categories_have_a_limit(client: Any) -> None:
    read = client.get_provisioned_limit
    refused("ResourceNotFoundException", read, LimitDefinition=limit_of("UserUpdate"))
    refused("ResourceNotFoundException", read, LimitDefinition=limit_of("Coffee"))
    nothing = {"LimitClass": "API_CATEGORY", "Attributes": {}}
    refused("InvalidParameterException", read, LimitDefinition=nothing)


# replicas


@pytest.fixture
def elsewhere(server: Server, control: Standin) -> Any:
    """A client of another Region, whose quotas are out of the way too."""
    Standin(server.url, ELSEWHERE).quotas(every=1e6)
    return boto3.client(
        "cognito-idp",
        endpoint_url=server.url,
        region_name=ELSEWHERE,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture
def replicated(client: Any, make_pool: MakePool) -> str:
    pool = make_pool(KeyConfiguration=KEY)
    made = client.create_user_pool_replica(UserPoolId=pool, RegionName=ELSEWHERE)["UserPoolReplica"]
    assert (made["Status"], made["Role"]) == ("CREATING", "SECONDARY")
    return pool


def test_a_replica_has_the_same_users(client: Any, replicated: str, elsewhere: Any) -> None:
    made = client.admin_create_user(
        UserPoolId=replicated, Username="ada@uni.example", MessageAction="SUPPRESS"
    )["User"]
    there = elsewhere.admin_get_user(UserPoolId=replicated, Username="ada@uni.example")
    assert there["Username"] == made["Username"]
    assert f":{ELSEWHERE}:" in described(elsewhere, replicated)["Arn"]
    replicas = client.list_user_pool_replicas(UserPoolId=replicated)["UserPoolReplicas"]
    assert {one["RegionName"]: (one["Role"], one["Status"]) for one in replicas} == {
        "eu-west-1": ("PRIMARY", "ACTIVE"),
        ELSEWHERE: ("SECONDARY", "INACTIVE"),
    }
    assert elsewhere.list_user_pool_replicas(UserPoolId=replicated)["UserPoolReplicas"] == replicas


def test_a_secondary_region_refuses_writes(client: Any, replicated: str, elsewhere: Any) -> None:
    told = refused(
        "OperationNotEnabledException",
        elsewhere.add_custom_attributes,
        UserPoolId=replicated,
        CustomAttributes=[{"Name": "x", "AttributeDataType": "String"}],
    )
    assert told == "AddCustomAttributes is not supported in secondary replica regions."
    for write in (elsewhere.delete_user_pool, elsewhere.delete_user_pool_replica):
        more = {"RegionName": ELSEWHERE} if write == elsewhere.delete_user_pool_replica else {}
        refused("OperationNotEnabledException", write, UserPoolId=replicated, **more)


def test_a_secondary_region_has_its_own_mail_functions_and_tags(
    client: Any, replicated: str, elsewhere: Any
) -> None:
    found = described(client, replicated)
    shared = {name: found[name] for name in ("AutoVerifiedAttributes", "KeyConfiguration")}
    own = {"EmailConfiguration": {"EmailSendingAccount": "DEVELOPER", "SourceArn": IDENTITY}}
    elsewhere.update_user_pool(UserPoolId=replicated, UserPoolTags={"where": "there"}, **shared, **own)
    assert described(elsewhere, replicated)["EmailConfiguration"] == own["EmailConfiguration"]
    assert described(elsewhere, replicated)["UserPoolTags"] == {"where": "there"}
    assert described(client, replicated)["EmailConfiguration"] == found["EmailConfiguration"]
    refused(
        "OperationNotEnabledException",
        elsewhere.update_user_pool,
        UserPoolId=replicated,
        **shared | {"DeletionProtection": "ACTIVE"},
    )


def test_a_replica_is_deleted_before_its_pool(client: Any, replicated: str, elsewhere: Any) -> None:
    replica = {"UserPoolId": replicated, "RegionName": ELSEWHERE}
    refused("InvalidParameterException", client.delete_user_pool, UserPoolId=replicated)
    elsewhere.update_user_pool_replica(**replica, Status="ACTIVE")
    assert "INACTIVE" in refused("InvalidParameterException", client.delete_user_pool_replica, **replica)
    client.update_user_pool_replica(**replica, Status="INACTIVE")
    assert client.delete_user_pool_replica(**replica)["UserPoolReplica"]["Status"] == "DELETING"
    refused("ResourceNotFoundException", elsewhere.describe_user_pool, UserPoolId=replicated)
    refused("ResourceNotFoundException", client.delete_user_pool_replica, **replica)
    assert client.list_user_pool_replicas(UserPoolId=replicated)["UserPoolReplicas"] == []
    client.delete_user_pool(UserPoolId=replicated)


def test_what_a_replica_needs(client: Any, make_pool: MakePool, replicated: str) -> None:
    create = client.create_user_pool_replica
    lite = make_pool(UserPoolTier="LITE", KeyConfiguration=KEY)
    refused("FeatureUnavailableInTierException", create, UserPoolId=lite, RegionName=ELSEWHERE)
    refused("InvalidParameterException", create, UserPoolId=make_pool(), RegionName=ELSEWHERE)
    keyed = make_pool(KeyConfiguration=KEY)
    refused("InvalidParameterException", create, UserPoolId=keyed, RegionName="eu-west-1")
    refused("LimitExceededException", create, UserPoolId=replicated, RegionName="eu-north-1")
