"""What hangs on a pool: MFA, clients, identity providers, domains, tags, imports."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any

import pytest

from tests.contract.marks import differs, worlds
from tests.contract.pools import Aws, Pool, address, refused

NONE = "has no such operation"
NO_SMS = worlds("standin", "moto", "ministack", why="AWS wants a role first that may send by SNS")
NO_SES = worlds("standin", "moto", "ministack", why="AWS wants an SES identity of one's own first")
SES = {
    "EmailSendingAccount": "DEVELOPER",
    "SourceArn": "arn:aws:ses:eu-west-1:123456789012:identity/uni.example",
}
PHONE = {"phone_number": "+4930901820", "phone_number_verified": "true"}


@pytest.fixture
def sms_pool(aws: Aws) -> Pool:
    """MFA by SMS is optional."""
    sms = {
        "SnsCallerArn": aws.world.role(),
        "ExternalId": "contract",
        "SnsRegion": "eu-west-1",
    }
    make = partial(aws.new_pool, MfaConfiguration="OPTIONAL", SmsConfiguration=sms)
    return aws.shared("sms", make)


# MFA


@NO_SMS
@differs(moto="drops it", ministack="drops it")
def test_sms_that_a_pool_was_made_with_is_in_its_mfa_settings(sms_pool: Pool) -> None:
    told = sms_pool.get_user_pool_mfa_config()
    assert told["MfaConfiguration"] == "OPTIONAL"
    assert told.get("SmsMfaConfiguration", {}).get("SmsConfiguration", {}).get("ExternalId") == "contract"


@differs(moto="drops what it does not know")
def test_mfa_settings_are_read_as_they_were_set(aws: Aws) -> None:
    pool = aws.new_pool()
    told: dict[str, Any] = {
        "MfaConfiguration": "OPTIONAL",
        "SoftwareTokenMfaConfiguration": {"Enabled": True},
        "WebAuthnConfiguration": {"RelyingPartyId": "uni.example", "UserVerification": "preferred"},
    }
    pool.set_user_pool_mfa_config(**told)
    assert told.items() <= pool.get_user_pool_mfa_config().items()


@NO_SES
@differs(moto="drops it")
def test_mfa_by_mail_is_read_as_it_was_set(aws: Aws) -> None:
    pool = aws.new_pool(EmailConfiguration=SES)
    told = {"Message": "Your code is {####}", "Subject": "Your code"}
    pool.set_user_pool_mfa_config(MfaConfiguration="OPTIONAL", EmailMfaConfiguration=told)
    assert pool.get_user_pool_mfa_config().get("EmailMfaConfiguration") == told


@differs(ministack="sets it")
def test_nobody_prefers_a_token_that_was_never_registered(aws: Aws) -> None:
    """[M] The secret cannot be exported, so it cannot be restored."""
    pool = aws.new_pool()
    pool.set_user_pool_mfa_config(
        MfaConfiguration="OPTIONAL", SoftwareTokenMfaConfiguration={"Enabled": True}
    )
    made = pool.add(address())["Username"]
    token = {"Enabled": True, "PreferredMfa": True}
    refused(
        "InvalidParameterException",
        lambda: aws.client.admin_set_user_mfa_preference(
            UserPoolId=pool.id, Username=made, SoftwareTokenMfaSettings=token
        ),
    )


@NO_SMS
def test_whoever_has_a_phone_may_prefer_sms(sms_pool: Pool) -> None:
    made = sms_pool.add(address(), PHONE)["Username"]
    sms_pool.admin_set_user_mfa_preference(
        Username=made, SMSMfaSettings={"Enabled": True, "PreferredMfa": True}
    )
    read = sms_pool.read(made)
    assert read["UserMFASettingList"] == ["SMS_MFA"]
    assert read["PreferredMfaSetting"] == "SMS_MFA"


@NO_SMS
@differs(moto="sets it", ministack="sets it")
def test_nobody_without_a_phone_prefers_sms(sms_pool: Pool) -> None:
    """[M]"""
    made = sms_pool.add(address())["Username"]
    told = {"Username": made, "SMSMfaSettings": {"Enabled": True, "PreferredMfa": True}}
    refused("InvalidParameterException", lambda: sms_pool.admin_set_user_mfa_preference(**told))


@NO_SES
@differs(moto="drops it", ministack="drops it")
def test_whoever_has_an_address_may_prefer_mail(aws: Aws) -> None:
    """[M] With the tier ESSENTIALS."""
    pool = aws.new_pool(EmailConfiguration=SES, UserPoolTier="ESSENTIALS")
    pool.set_user_pool_mfa_config(
        MfaConfiguration="OPTIONAL",
        EmailMfaConfiguration={"Message": "Your code is {####}", "Subject": "Your code"},
    )
    made = pool.add(address(), {"email_verified": "true"})["Username"]
    pool.admin_set_user_mfa_preference(
        Username=made, EmailMfaSettings={"Enabled": True, "PreferredMfa": True}
    )
    assert pool.read(made)["UserMFASettingList"] == ["EMAIL_OTP"]


# clients and providers


def test_the_secret_of_a_client_is_read_in_clear(email_pool: Pool) -> None:
    """[M] So a backup leaves it out, or seals it."""
    made = email_pool.create_user_pool_client(ClientName="server", GenerateSecret=True)["UserPoolClient"]
    read = email_pool.describe_user_pool_client(ClientId=made["ClientId"])["UserPoolClient"]
    assert read["ClientSecret"] == made["ClientSecret"] != ""
    assert read["ClientName"] == "server"


def test_a_client_is_read_as_it_was_made(email_pool: Pool) -> None:
    told = {
        "ClientName": "web",
        "ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        "RefreshTokenValidity": 20,
        "CallbackURLs": ["https://uni.example/in"],
        "ReadAttributes": ["email"],
    }
    made = email_pool.create_user_pool_client(**told)["UserPoolClient"]
    read = email_pool.describe_user_pool_client(ClientId=made["ClientId"])["UserPoolClient"]
    assert told.items() <= read.items()
    assert "ClientSecret" not in read


def test_the_secret_of_an_identity_provider_is_read_in_clear(aws: Aws) -> None:
    """[M]"""
    pool = aws.new_pool()
    details = {"client_id": "public", "client_secret": "hush-hush", "authorize_scopes": "email"}
    told = {"ProviderName": "Google", "ProviderType": "Google", "AttributeMapping": {"email": "email"}}
    pool.create_identity_provider(ProviderDetails=details, **told)
    read = pool.describe_identity_provider(ProviderName="Google")["IdentityProvider"]
    assert told.items() <= read.items()
    assert details.items() <= read["ProviderDetails"].items()
    assert [one["ProviderName"] for one in pool.list_identity_providers()["Providers"]] == ["Google"]


def test_a_resource_server_is_read_as_it_was_made(email_pool: Pool) -> None:
    told = {"Identifier": "api", "Name": "api", "Scopes": [{"ScopeName": "read", "ScopeDescription": "Read"}]}
    email_pool.create_resource_server(**told)
    read = email_pool.describe_resource_server(Identifier="api")["ResourceServer"]
    assert told.items() <= read.items()


def test_a_domain_belongs_to_its_pool(aws: Aws) -> None:
    pool, domain = aws.new_pool(), f"contract-{secrets.token_hex(4)}"
    pool.create_user_pool_domain(Domain=domain)
    read = aws.client.describe_user_pool_domain(Domain=domain)["DomainDescription"]
    assert read["UserPoolId"] == pool.id
    assert pool.describe()["Domain"] == domain
    pool.delete_user_pool_domain(Domain=domain)
    assert not pool.describe().get("Domain")


@differs(moto=NONE)
def test_tags_are_read_by_the_arn(aws: Aws) -> None:
    pool = aws.new_pool(UserPoolTags={"team": "data"})
    found = aws.client.list_tags_for_resource(ResourceArn=pool.describe()["Arn"])["Tags"]
    assert found["team"] == "data"


# imports, which the product does not use


@differs(moto=NONE, ministack=NONE)
def test_an_import_has_a_header_of_its_own(email_pool: Pool) -> None:
    """[I]"""
    header = email_pool.get_csv_header()["CSVHeader"]
    assert {"cognito:username", "cognito:mfa_enabled", "email", "email_verified"} <= set(header)


@differs(moto=NONE, ministack=NONE)
def test_an_import_begins_with_an_address_for_its_file(aws: Aws) -> None:
    """[I] Into a pool that verifies an attribute by itself."""
    pool = aws.new_pool(AutoVerifiedAttributes=["email"])
    told = {"JobName": "contract", "CloudWatchLogsRoleArn": aws.world.role()}
    job = pool.create_user_import_job(**told)["UserImportJob"]
    assert job["Status"] == "Created"
    assert job["PreSignedUrl"].startswith("http")
