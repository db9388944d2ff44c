"""Passwords that administrators set and reset, and that people forget and change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.standin.client import Standin
from tests.standin.person import ADA, OTHER, PASSWORD, Application, post, refused

DAY = 86_400.0
ARN = "arn:aws:lambda:eu-west-1:111122223333:function:post"
NOT_NOW = "User password cannot be reset in the current state."


@pytest.fixture
def web(client: Any, control: Standin, pool: str) -> Application:
    return Application(client, pool)


def reset(web: Application, username: str = ADA) -> None:
    web.client.admin_reset_user_password(UserPoolId=web.pool, Username=username)


# an administrator sets one


def test_a_permanent_password_confirms_and_sends_nothing(web: Application, control: Standin) -> None:
    web.invite(MessageAction="SUPPRESS")
    web.set_password(ADA, PASSWORD, Permanent=True)
    assert control.user(web.pool, ADA)["UserStatus"] == "CONFIRMED"
    assert control.messages() == []
    assert web.sign_in(ADA)


def test_a_permanent_password_makes_a_federated_user_a_confirmed_one(
    web: Application, control: Standin
) -> None:
    control.federate(web.pool, "Google", "1001", email=ADA)
    web.set_password("Google_1001", PASSWORD, Permanent=True)
    assert control.user(web.pool, "Google_1001")["UserStatus"] == "CONFIRMED"


def test_a_temporary_password_must_be_changed_within_its_days(
    client: Any, control: Standin, make_pool: Callable[..., str]
) -> None:
    policy = {"PasswordPolicy": {"MinimumLength": 8, "TemporaryPasswordValidityDays": 2}}
    web = Application(client, make_pool(Policies=policy))
    web.member()
    web.set_password(ADA, OTHER)
    assert control.user(web.pool, ADA)["UserStatus"] == "FORCE_CHANGE_PASSWORD"
    control.clock(forward=DAY)
    assert web.initiate(ADA, OTHER)["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    control.clock(forward=DAY + 60)
    refused("NotAuthorizedException", web.initiate, username=ADA, password=OTHER)


def test_a_set_password_must_follow_the_policy(web: Application) -> None:
    web.invite(MessageAction="SUPPRESS")
    refused("InvalidPasswordException", web.set_password, username=ADA, password="password")


def test_setting_a_password_bills_an_active_user_and_resetting_it_does_not(
    web: Application, control: Standin
) -> None:
    web.member()
    control.clear_books()
    reset(web)
    assert control.books()["active"] == {}
    web.set_password(ADA, OTHER, Permanent=True)
    assert list(control.books()["active"].values()) == [1]


def test_an_administrator_confirms_only_who_signed_up(
    client: Any, control: Standin, make_pool: Callable[..., str]
) -> None:
    web = Application(client, make_pool(LambdaConfig={"PostConfirmation": ARN}))
    web.invite(MessageAction="SUPPRESS")
    confirm = client.admin_confirm_sign_up
    said = refused("NotAuthorizedException", confirm, UserPoolId=web.pool, Username=ADA)
    assert said == "User cannot be confirmed. Current status is FORCE_CHANGE_PASSWORD"
    assert control.triggers() == []
    sub = web.sign_up("bob@uni.example")["UserSub"]
    confirm(UserPoolId=web.pool, Username="bob@uni.example")
    assert control.user(web.pool, sub)["UserStatus"] == "CONFIRMED"
    assert [(one[1], one[3]) for one in control.triggers()] == [("PostConfirmation_ConfirmSignUp", sub)]


# an administrator resets one


def test_a_reset_sends_a_code_and_ends_the_password(web: Application, control: Standin) -> None:
    web.member()
    reset(web)
    assert control.user(web.pool, ADA)["UserStatus"] == "RESET_REQUIRED"
    refused("PasswordResetRequiredException", web.sign_in, username=ADA)
    assert control.books()["messages_by_why"] == {"AdminResetUserPassword": 1}
    web.reset(ADA, post(control))
    assert control.user(web.pool, ADA)["UserStatus"] == "CONFIRMED"
    assert web.sign_in(ADA, OTHER)


def test_only_the_confirmed_and_enabled_with_a_verified_address_are_reset(
    web: Application, control: Standin
) -> None:
    web.invite("new@uni.example", MessageAction="SUPPRESS")
    assert refused("NotAuthorizedException", reset, web=web, username="new@uni.example") == NOT_NOW
    web.member("lost@uni.example", email_verified="false")
    said = refused("InvalidParameterException", reset, web=web, username="lost@uni.example")
    assert "no registered/verified email or phone_number" in said
    web.member()
    web.client.admin_disable_user(UserPoolId=web.pool, Username=ADA)
    assert refused("NotAuthorizedException", reset, web=web) == "User is disabled."
    assert control.messages() == []
    assert control.user(web.pool, "lost@uni.example")["UserStatus"] == "CONFIRMED"


# people forget


def test_who_forgot_proves_the_address_and_the_application_hears_of_it(
    client: Any, control: Standin, make_pool: Callable[..., str]
) -> None:
    web = Application(client, make_pool(LambdaConfig={"PostConfirmation": ARN}))
    sub = web.member()["Username"]
    details = web.forgot(ADA)["CodeDeliveryDetails"]
    assert details == {"Destination": "a***@u***", "DeliveryMedium": "EMAIL", "AttributeName": "email"}
    code = post(control)
    refused("InvalidPasswordException", web.reset, username=ADA, code=code, password="short")
    refused("CodeMismatchException", web.reset, username=ADA, code="no")
    web.reset(ADA, code)
    assert web.sign_in(ADA, OTHER)
    refused("ExpiredCodeException", web.reset, username=ADA, code=code)
    assert [(one[1], one[3]) for one in control.triggers()] == [
        ("PostConfirmation_ConfirmForgotPassword", sub)
    ]


def test_a_code_to_recover_is_good_for_an_hour(web: Application, control: Standin) -> None:
    web.member()
    web.forgot(ADA)
    control.clock(forward=3_601)
    refused("ExpiredCodeException", web.reset, username=ADA, code=post(control))


def test_who_was_never_confirmed_or_proved_no_address_cannot_recover(
    web: Application, control: Standin
) -> None:
    web.invite("new@uni.example", MessageAction="SUPPRESS")
    assert refused("NotAuthorizedException", web.forgot, username="new@uni.example") == NOT_NOW
    web.member("lost@uni.example", email_verified="false")
    refused("InvalidParameterException", web.forgot, username="lost@uni.example")
    web.sign_up("bob@uni.example")
    refused("InvalidParameterException", web.forgot, username="bob@uni.example")
    refused("InvalidParameterException", web.reset, username="bob@uni.example", code=post(control))
    control.federate(web.pool, "Google", "1001", email=ADA, email_verified="true")
    assert refused("NotAuthorizedException", web.forgot, username="Google_1001") == NOT_NOW
    web.member()
    web.client.admin_disable_user(UserPoolId=web.pool, Username=ADA)
    assert refused("NotAuthorizedException", web.forgot, username=ADA) == "User is disabled."
    refused("UserNotFoundException", web.forgot, username="nobody@uni.example")
    assert control.books()["messages_by_why"] == {"SignUp": 1}


def test_a_pool_may_leave_recovery_to_its_administrators(
    client: Any, control: Standin, make_pool: Callable[..., str]
) -> None:
    admins = {"RecoveryMechanisms": [{"Priority": 1, "Name": "admin_only"}]}
    web = Application(client, make_pool(AccountRecoverySetting=admins))
    web.member()
    said = refused("NotAuthorizedException", web.forgot, username=ADA)
    assert said == "Contact administrator to reset password."


def test_the_code_goes_where_the_pool_says_first(
    client: Any, control: Standin, make_pool: Callable[..., str]
) -> None:
    mechanisms = [
        {"Priority": 2, "Name": "verified_email"},
        {"Priority": 1, "Name": "verified_phone_number"},
    ]
    web = Application(client, make_pool(AccountRecoverySetting={"RecoveryMechanisms": mechanisms}))
    web.member(phone_number="+4411234567", phone_number_verified="true")
    assert web.forgot(ADA)["CodeDeliveryDetails"]["DeliveryMedium"] == "SMS"
    web.member("bob@uni.example")
    assert web.forgot("bob@uni.example")["CodeDeliveryDetails"]["DeliveryMedium"] == "EMAIL"


def test_a_code_that_cannot_be_delivered_is_said_and_changes_nothing(
    web: Application, control: Standin
) -> None:
    web.member()
    control.knobs(undeliverable=["@uni.example"])
    refused("CodeDeliveryFailureException", web.forgot, username=ADA)
    assert control.user(web.pool, ADA)["UserStatus"] == "CONFIRMED"
    assert control.messages() == []


# people change


def test_who_knows_the_password_changes_it(web: Application) -> None:
    web.member()
    token = web.sign_in(ADA)["AccessToken"]
    change = web.client.change_password
    told = {"AccessToken": token, "ProposedPassword": OTHER}
    refused("NotAuthorizedException", change, PreviousPassword="Wrong-horse-1", **told)
    change(PreviousPassword=PASSWORD, **told)
    assert web.sign_in(ADA, OTHER)
    refused("NotAuthorizedException", web.sign_in, username=ADA)
