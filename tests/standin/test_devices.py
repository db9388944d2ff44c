"""Second factors and remembered devices."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.standin import totp
from tests.standin.client import Standin
from tests.standin.person import ADA, OTHER, Application, post, refused

PHONE = "+4411234567"
SMS = {"SnsCallerArn": "arn:aws:iam::111122223333:role/sms", "ExternalId": "x"}
ON = {"Enabled": True}
PREFERRED = {"Enabled": True, "PreferredMfa": True}


@pytest.fixture
def web(client: Any, control: Standin, make_pool: Callable[..., str]) -> Application:
    """Of a pool where a second factor is optional."""
    pool = make_pool(SmsConfiguration=SMS)
    client.set_user_pool_mfa_config(
        UserPoolId=pool,
        MfaConfiguration="OPTIONAL",
        SmsMfaConfiguration={"SmsConfiguration": SMS},
        SoftwareTokenMfaConfiguration=ON,
    )
    return Application(client, pool)


def prefer(web: Application, **settings: Any) -> None:
    web.client.admin_set_user_mfa_preference(UserPoolId=web.pool, Username=ADA, **settings)


def factors(web: Application) -> tuple[list[str], str]:
    user = web.client.admin_get_user(UserPoolId=web.pool, Username=ADA)
    return user.get("UserMFASettingList", []), user.get("PreferredMfaSetting", "")


def verify_token(web: Application, token: str) -> str:
    """The secret of a software token that is verified now."""
    secret: str = web.client.associate_software_token(AccessToken=token)["SecretCode"]
    code = totp.code(secret, time.time())
    assert web.client.verify_software_token(AccessToken=token, UserCode=code)["Status"] == "SUCCESS"
    return secret


@pytest.mark.parametrize(
    ("moment", "code"), [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")]
)
def test_one_time_passwords_are_those_of_the_standard(moment: int, code: str) -> None:
    """RFC 6238, appendix B, of which ours are the last six digits."""
    assert totp.code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", moment) == code


def test_a_factor_needs_what_it_is_sent_to(web: Application) -> None:
    web.member()
    refused("InvalidParameterException", prefer, web=web, SMSMfaSettings=ON)
    said = refused("InvalidParameterException", prefer, web=web, SoftwareTokenMfaSettings=ON)
    assert said == "User has not verified software token mfa"
    refused("InvalidParameterException", prefer, web=web, SMSMfaSettings={"PreferredMfa": True})
    assert factors(web) == ([], "")


def test_mail_as_a_factor_needs_more_than_the_lite_plan(
    client: Any, control: Standin, make_pool: Callable[..., str]
) -> None:
    lite = Application(client, make_pool(UserPoolTier="LITE"))
    lite.member()
    refused("InvalidParameterException", prefer, web=lite, EmailMfaSettings=ON)
    more = Application(client, make_pool())
    more.member()
    prefer(more, EmailMfaSettings=ON)
    assert factors(more) == (["EMAIL_OTP"], "")


def test_factors_that_are_not_told_stay(web: Application) -> None:
    web.member(phone_number=PHONE)
    prefer(web, SMSMfaSettings=PREFERRED)
    prefer(web, EmailMfaSettings=ON)
    assert factors(web) == (["SMS_MFA", "EMAIL_OTP"], "SMS_MFA")
    both = {"SMSMfaSettings": PREFERRED, "EmailMfaSettings": PREFERRED}
    refused("InvalidParameterException", prefer, web=web, **both)
    prefer(web, SMSMfaSettings={"Enabled": False})
    assert factors(web) == (["EMAIL_OTP"], "")
    options = [{"DeliveryMedium": "SMS", "AttributeName": "phone_number"}]
    web.client.admin_set_user_settings(UserPoolId=web.pool, Username=ADA, MFAOptions=options)
    assert factors(web) == (["SMS_MFA", "EMAIL_OTP"], "")


def test_a_software_token_is_verified_by_its_code_and_then_asked_for(web: Application) -> None:
    web.member()
    token = web.sign_in(ADA)["AccessToken"]
    secret = verify_token(web, token)
    prefer(web, SoftwareTokenMfaSettings=PREFERRED)
    told = web.client.admin_get_user_auth_factors(UserPoolId=web.pool, Username=ADA)
    assert told["UserMFASettingList"] == ["SOFTWARE_TOKEN_MFA"]
    assert told["ConfiguredUserAuthFactors"] == ["PASSWORD"]
    challenge = web.initiate(ADA)
    assert challenge["ChallengeName"] == "SOFTWARE_TOKEN_MFA"
    wrong = f"{(int(totp.code(secret, time.time())) + 1) % 1_000_000:06d}"
    answer = {"challenge": challenge, "username": ADA}
    refused("CodeMismatchException", web.respond, SOFTWARE_TOKEN_MFA_CODE=wrong, **answer)
    code = totp.code(secret, time.time())
    assert web.respond(SOFTWARE_TOKEN_MFA_CODE=code, **answer)["AuthenticationResult"]
    web.client.admin_delete_software_token(UserPoolId=web.pool, Username=ADA)
    assert factors(web) == ([], "")
    assert web.sign_in(ADA)


def test_a_software_token_needs_a_pool_that_takes_them(client: Any, control: Standin, pool: str) -> None:
    web = Application(client, pool)
    web.member()
    token = web.sign_in(ADA)["AccessToken"]
    associate = client.associate_software_token
    refused("SoftwareTokenMFANotFoundException", associate, AccessToken=token)


def test_a_code_by_sms_is_asked_for(web: Application, control: Standin) -> None:
    web.member(phone_number=PHONE)
    prefer(web, SMSMfaSettings=ON)
    challenge = web.initiate(ADA)
    assert challenge["ChallengeName"] == "SMS_MFA"
    assert challenge["ChallengeParameters"]["CODE_DELIVERY_DESTINATION"] == "+*******4567"
    refused("CodeMismatchException", web.respond, challenge=challenge, username=ADA, SMS_MFA_CODE="no")
    assert web.respond(challenge, ADA, SMS_MFA_CODE=post(control))["AuthenticationResult"]
    assert [(message["medium"], message["to"]) for message in control.messages()] == [("SMS", PHONE)]


def test_where_a_second_factor_is_required_it_is_set_up_on_the_way_in(
    client: Any, control: Standin, make_pool: Callable[..., str]
) -> None:
    pool = make_pool()
    told = {"MfaConfiguration": "ON", "SoftwareTokenMfaConfiguration": ON}
    client.set_user_pool_mfa_config(UserPoolId=pool, **told)
    web = Application(client, pool)
    web.invite()
    challenge = web.respond(web.initiate(ADA, post(control)), ADA, NEW_PASSWORD=OTHER)
    assert challenge["ChallengeName"] == "MFA_SETUP"
    refused("InvalidParameterException", web.respond, challenge=challenge, username=ADA)
    given = client.associate_software_token(Session=challenge["Session"])
    code = totp.code(given["SecretCode"], time.time())
    client.verify_software_token(Session=given["Session"], UserCode=code)
    assert web.respond(challenge, ADA)["AuthenticationResult"]
    assert factors(web) == (["SOFTWARE_TOKEN_MFA"], "SOFTWARE_TOKEN_MFA")


def test_devices_are_remembered_listed_and_forgotten(
    client: Any, control: Standin, make_pool: Callable[..., str]
) -> None:
    pool = make_pool(DeviceConfiguration={"DeviceOnlyRememberedOnUserPrompt": True})
    web = Application(client, pool)
    web.member()
    keys = []
    for _ in range(3):
        result = web.sign_in(ADA)
        told = {"AccessToken": result["AccessToken"], "DeviceKey": result["NewDeviceMetadata"]["DeviceKey"]}
        assert client.confirm_device(DeviceName="phone", **told)["UserConfirmationNecessary"]
        keys.append(told["DeviceKey"])
    admin = {"UserPoolId": pool, "Username": ADA}
    page = client.admin_list_devices(Limit=2, **admin)
    rest = client.admin_list_devices(Limit=2, PaginationToken=page["PaginationToken"], **admin)
    assert [one["DeviceKey"] for one in page["Devices"] + rest["Devices"]] == sorted(keys)
    assert "PaginationToken" not in rest
    one = {"DeviceKey": keys[0], **admin}
    client.admin_update_device_status(DeviceRememberedStatus="remembered", **one)
    attributes = client.admin_get_device(**one)["Device"]["DeviceAttributes"]
    assert {"Name": "dev:device_remembered_status", "Value": "remembered"} in attributes
    client.admin_forget_device(**one)
    refused("ResourceNotFoundException", client.admin_get_device, **one)
    assert len(client.list_devices(AccessToken=result["AccessToken"])["Devices"]) == 2
