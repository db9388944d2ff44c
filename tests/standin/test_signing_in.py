"""Signing up and signing in, as an application's people do it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.standin.client import Standin
from tests.standin.person import ADA, OTHER, PASSWORD, Application, post, refused

DAY = 86_400.0


@pytest.fixture
def web(client: Any, control: Standin, pool: str) -> Application:
    return Application(client, pool)


def claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return told


# signing up


def test_who_signs_up_is_unconfirmed_until_the_mailed_code_comes_back(
    web: Application, control: Standin
) -> None:
    made = web.sign_up(ADA)
    assert made["CodeDeliveryDetails"]["AttributeName"] == "email"
    user = control.user(web.pool, ADA)
    assert (user["Username"], user["UserStatus"]) == (made["UserSub"], "UNCONFIRMED")
    assert {"Name": "email_verified", "Value": "false"} in user["Attributes"]
    refused("UserNotConfirmedException", web.sign_in, username=ADA)
    refused("CodeMismatchException", web.confirm, username=ADA, code="no")
    web.confirm(ADA, post(control))
    user = control.user(web.pool, ADA)
    assert user["UserStatus"] == "CONFIRMED"
    assert {"Name": "email_verified", "Value": "true"} in user["Attributes"]
    assert web.sign_in(ADA)["TokenType"] == "Bearer"
    said = refused("NotAuthorizedException", web.confirm, username=ADA, code="no")
    assert said == "User cannot be confirmed. Current status is CONFIRMED"


def test_a_code_is_good_for_a_day_and_the_last_one_only(web: Application, control: Standin) -> None:
    web.sign_up(ADA)
    first = post(control)
    web.client.resend_confirmation_code(ClientId=web.id, Username=ADA)
    assert control.books()["messages_by_why"] == {"SignUp": 1, "ResendConfirmationCode": 1}
    refused("CodeMismatchException", web.confirm, username=ADA, code=first)
    control.clock(forward=DAY + 1)
    refused("ExpiredCodeException", web.confirm, username=ADA, code=post(control))


def test_a_code_is_not_sent_again_to_who_is_confirmed(web: Application) -> None:
    web.member()
    resend = web.client.resend_confirmation_code
    said = refused("InvalidParameterException", resend, ClientId=web.id, Username=ADA)
    assert said == "User is already confirmed."
    refused("UserNotFoundException", resend, ClientId=web.id, Username="bob@uni.example")


def test_nobody_can_sign_up_where_only_administrators_create_users(
    client: Any, control: Standin, make_pool: Callable[..., str]
) -> None:
    web = Application(client, make_pool(AdminCreateUserConfig={"AllowAdminCreateUserOnly": True}))
    said = refused("NotAuthorizedException", web.sign_up, username=ADA)
    assert said == "SignUp is not permitted for this user pool"


def test_an_address_signs_up_once_in_whatever_case(web: Application, control: Standin) -> None:
    web.sign_up(ADA)
    refused("UsernameExistsException", web.sign_up, username="ADA@uni.example")
    assert control.books()["messages"] == 1


@pytest.mark.parametrize(
    ("password", "lacks"),
    [
        ("Short-1", "Password not long enough"),
        ("correct-horse-1", "Password must have uppercase characters"),
        ("CORRECT-HORSE-1", "Password must have lowercase characters"),
        ("Correct-horse-", "Password must have numeric characters"),
        ("Correct1horse", "Password must have symbol characters"),
    ],
)
def test_a_password_must_follow_the_policy(web: Application, password: str, lacks: str) -> None:
    said = refused("InvalidPasswordException", web.sign_up, username=ADA, password=password)
    assert said == f"Password did not conform with policy: {lacks}"


def test_who_signs_up_brings_all_required_attributes(
    client: Any, control: Standin, make_pool: Callable[..., str]
) -> None:
    web = Application(client, make_pool(Schema=[{"Name": "name", "Required": True}]))
    said = refused("InvalidParameterException", web.sign_up, username=ADA)
    assert said == "Attributes did not conform to the schema: name: The attribute is required\n"
    web.sign_up(ADA, name="Ada")
    assert control.user(web.pool, ADA)["UserStatus"] == "UNCONFIRMED"


def test_an_application_writes_what_it_may(
    client: Any, control: Standin, make_pool: Callable[..., str]
) -> None:
    schema = [{"Name": "institution", "AttributeDataType": "String", "Mutable": True}]
    pool = make_pool(Schema=schema)
    standard = Application(client, pool)
    refused("NotAuthorizedException", standard.sign_up, username=ADA, **{"custom:institution": "Uni"})
    refused("NotAuthorizedException", standard.sign_up, username=ADA, email_verified="true")
    wider = Application(client, pool, WriteAttributes=["email", "custom:institution"])
    wider.sign_up(ADA, **{"custom:institution": "Uni"})
    assert {"Name": "custom:institution", "Value": "Uni"} in control.user(pool, ADA)["Attributes"]


def test_a_pre_sign_up_function_may_refuse(
    client: Any, control: Standin, make_pool: Callable[..., str]
) -> None:
    arn = "arn:aws:lambda:eu-west-1:111122223333:function:gate"
    web = Application(client, make_pool(LambdaConfig={"PreSignUp": arn, "PostConfirmation": arn}))
    control.knobs(vetoes=["bob@"])
    said = refused("UserLambdaValidationException", web.sign_up, username="bob@uni.example")
    assert said.startswith("PreSignUp failed with error ")
    sub = web.sign_up(ADA)["UserSub"]
    web.confirm(ADA, post(control))
    assert [(source, who) for _, source, _, who in control.triggers()] == [
        ("PreSignUp_SignUp", "bob@uni.example"),
        ("PreSignUp_SignUp", ADA),
        ("PostConfirmation_ConfirmSignUp", sub),
    ]
    assert [user["Username"] for user in control.users(web.pool)] == [sub]


def test_codes_and_invitations_spend_from_the_same_day(web: Application, control: Standin) -> None:
    web.member()
    control.knobs(daily_mails=3)
    web.sign_up("bob@uni.example")
    web.invite("eve@uni.example")
    web.forgot(ADA)
    resend = web.client.resend_confirmation_code
    refused("LimitExceededException", resend, ClientId=web.id, Username="bob@uni.example")
    refused("LimitExceededException", web.forgot, username=ADA)
    refused("LimitExceededException", web.sign_up, username="joe@uni.example")
    assert control.user(web.pool, "joe@uni.example")["UserStatus"] == "UNCONFIRMED"
    assert control.books()["messages"] == 3


def test_an_alias_belongs_to_whoever_proves_it_first(
    client: Any, control: Standin, make_pool: Callable[..., str]
) -> None:
    web = Application(client, make_pool(UsernameAttributes=[], AliasAttributes=["email"]))
    web.sign_up("first", email=ADA)
    web.confirm("first", post(control))
    web.sign_up("second", email=ADA)
    code = post(control)
    refused("AliasExistsException", web.confirm, username="second", code=code)
    web.confirm("second", code, ForceAliasCreation=True)
    assert control.user(web.pool, ADA)["Username"] == "second"
    assert {"Name": "email_verified", "Value": "false"} in control.user(web.pool, "first")["Attributes"]


# the temporary password


def test_the_invited_choose_a_password_at_their_first_sign_in(web: Application, control: Standin) -> None:
    web.invite()
    challenge = web.initiate(ADA, post(control))
    assert challenge["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    assert json.loads(challenge["ChallengeParameters"]["requiredAttributes"]) == []
    assert json.loads(challenge["ChallengeParameters"]["userAttributes"])["email"] == ADA
    refused("InvalidPasswordException", web.respond, challenge=challenge, username=ADA, NEW_PASSWORD="short")
    answer = web.respond(challenge, ADA, NEW_PASSWORD=OTHER)
    assert "AccessToken" in answer["AuthenticationResult"]
    assert control.user(web.pool, ADA)["UserStatus"] == "CONFIRMED"
    web.sign_in(ADA, OTHER)
    refused("NotAuthorizedException", web.respond, challenge=challenge, username=ADA, NEW_PASSWORD=PASSWORD)


def test_a_temporary_password_ends_after_its_days(web: Application, control: Standin) -> None:
    web.invite()
    control.clock(forward=7 * DAY + 60)
    said = refused("NotAuthorizedException", web.initiate, username=ADA, password=post(control))
    assert said == "Temporary password has expired and must be reset by an administrator."
    web.invite(MessageAction="RESEND")
    assert web.initiate(ADA, post(control))["ChallengeName"] == "NEW_PASSWORD_REQUIRED"


def test_the_session_of_a_challenge_ends_after_three_minutes(web: Application, control: Standin) -> None:
    web.invite()
    challenge = web.initiate(ADA, post(control))
    control.clock(forward=200)
    said = refused(
        "NotAuthorizedException", web.respond, challenge=challenge, username=ADA, NEW_PASSWORD=OTHER
    )
    assert said == "Invalid session for the user, session is expired."


def test_what_is_required_and_missing_comes_with_the_new_password(
    client: Any, control: Standin, make_pool: Callable[..., str]
) -> None:
    arn = "arn:aws:lambda:eu-west-1:111122223333:function:claims"
    pool = make_pool(Schema=[{"Name": "name", "Required": True}], LambdaConfig={"PreTokenGeneration": arn})
    web = Application(client, pool)
    web.invite()
    challenge = web.initiate(ADA, post(control))
    assert json.loads(challenge["ChallengeParameters"]["requiredAttributes"]) == ["userAttributes.name"]
    answer = {"challenge": challenge, "username": ADA, "NEW_PASSWORD": OTHER}
    said = refused("InvalidParameterException", web.respond, **answer)
    assert said == "Invalid attributes given, name is missing"
    told = {"userAttributes.name": "Ada", "userAttributes.email": "other@uni.example"}
    said = refused("InvalidParameterException", web.respond, **answer, **told)
    assert said == "Cannot modify an already provided email"
    web.respond(challenge, ADA, NEW_PASSWORD=OTHER, **{"userAttributes.name": "Ada"})
    assert {"Name": "name", "Value": "Ada"} in control.user(pool, ADA)["Attributes"]
    assert [source for _, source, _, _ in control.triggers()] == ["TokenGeneration_NewPasswordChallenge"]


# signing in


def test_a_sign_in_leaves_no_mark(web: Application, control: Standin) -> None:
    web.member()
    before = control.user(web.pool, ADA)
    listed = web.client.list_users(UserPoolId=web.pool)["Users"]
    control.clock(forward=DAY)
    for _ in range(2):
        web.sign_in(ADA)
    assert control.user(web.pool, ADA) == before
    assert web.client.list_users(UserPoolId=web.pool)["Users"] == listed


def test_wrong_names_and_passwords_do_not_sign_in(web: Application) -> None:
    web.member()
    said = refused("NotAuthorizedException", web.sign_in, username=ADA, password="Wrong-horse-1")
    assert said == "Incorrect username or password."
    refused("UserNotFoundException", web.sign_in, username="bob@uni.example")


def test_an_application_may_be_told_not_to_say_who_exists(client: Any, control: Standin, pool: str) -> None:
    web = Application(client, pool, PreventUserExistenceErrors="ENABLED")
    said = refused("NotAuthorizedException", web.sign_in, username=ADA)
    assert said == "Incorrect username or password."
    assert web.forgot(ADA)["CodeDeliveryDetails"]["DeliveryMedium"] == "EMAIL"
    refused("CodeMismatchException", web.reset, username=ADA, code="123456")
    refused("ExpiredCodeException", web.confirm, username=ADA, code="123456")
    web.client.resend_confirmation_code(ClientId=web.id, Username=ADA)
    assert control.messages() == []


def test_the_disabled_do_not_sign_in_and_their_tokens_end(web: Application) -> None:
    web.member()
    token = web.sign_in(ADA)["AccessToken"]
    web.client.admin_disable_user(UserPoolId=web.pool, Username=ADA)
    said = refused("NotAuthorizedException", web.sign_in, username=ADA)
    assert said == "User is disabled."
    refused("NotAuthorizedException", web.client.get_user, AccessToken=token)


def test_an_application_signs_in_by_the_flows_that_it_was_given(
    client: Any, control: Standin, pool: str
) -> None:
    web = Application(client, pool, ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH"])
    web.member()
    said = refused("InvalidParameterException", web.sign_in, username=ADA)
    assert said == "USER_PASSWORD_AUTH flow not enabled for this client"
    told = {"UserPoolId": pool, "ClientId": web.id, "AuthParameters": {"USERNAME": ADA, "PASSWORD": PASSWORD}}
    said = refused(
        "InvalidParameterException", client.admin_initiate_auth, AuthFlow="ADMIN_NO_SRP_AUTH", **told
    )
    assert said == "Auth flow not enabled for this client"
    legacy = Application(client, pool, ExplicitAuthFlows=["ADMIN_NO_SRP_AUTH"])
    told["ClientId"] = legacy.id
    answer = client.admin_initiate_auth(AuthFlow="ADMIN_USER_PASSWORD_AUTH", **told)
    assert "AccessToken" in answer["AuthenticationResult"]
    del told["UserPoolId"]
    refused("InvalidParameterException", client.initiate_auth, AuthFlow="ADMIN_NO_SRP_AUTH", **told)


def test_a_client_with_a_secret_proves_it(client: Any, control: Standin, pool: str) -> None:
    web = Application(client, pool, GenerateSecret=True)
    web.sign_up(ADA)
    web.confirm(ADA, post(control))
    token = web.sign_in(ADA)["RefreshToken"]
    refresh = client.get_tokens_from_refresh_token
    assert refresh(RefreshToken=token, ClientId=web.id, ClientSecret=web.secret)["AuthenticationResult"]
    refused("NotAuthorizedException", refresh, RefreshToken=token, ClientId=web.id)
    web.secret = "x" * 51
    said = refused("NotAuthorizedException", web.sign_in, username=ADA)
    assert said == f"Unable to verify secret hash for client {web.id}"
    web.secret = ""
    said = refused("NotAuthorizedException", web.sign_in, username=ADA)
    assert said == f"Client {web.id} is configured with secret but SECRET_HASH was not received"


def test_a_client_that_does_not_exist_is_not_found(web: Application) -> None:
    web.id = "a" * 26
    refused("ResourceNotFoundException", web.sign_up, username=ADA)
    refused("ResourceNotFoundException", web.sign_in, username=ADA)


def test_who_signs_in_is_billed_as_active_and_who_guesses_is_not(web: Application, control: Standin) -> None:
    web.member()
    control.clear_books()
    refused("NotAuthorizedException", web.sign_in, username=ADA, password="Wrong-horse-1")
    assert control.books()["active"] == {}
    web.sign_in(ADA)
    assert list(control.books()["active"].values()) == [1]


def test_a_secondary_region_signs_people_in_and_changes_nothing(web: Application, control: Standin) -> None:
    web.member()
    control.secondary(web.pool)
    try:
        token = web.sign_in(ADA)["AccessToken"]
        refused("OperationNotEnabledException", web.sign_up, username="bob@uni.example")
        refused("OperationNotEnabledException", web.forgot, username=ADA)
        refused("OperationNotEnabledException", web.client.delete_user, AccessToken=token)
    finally:
        control.secondary(web.pool, False)


# tokens


def test_tokens_can_be_read_as_jwts(web: Application, control: Standin) -> None:
    user = web.member()
    for name in ("readers", "admins"):
        web.client.create_group(UserPoolId=web.pool, GroupName=name)
        web.client.admin_add_user_to_group(UserPoolId=web.pool, Username=ADA, GroupName=name)
    result = web.sign_in(ADA)
    access, identity = claims(result["AccessToken"]), claims(result["IdToken"])
    assert (access["token_use"], identity["token_use"]) == ("access", "id")
    assert access["sub"] == identity["sub"] == user["Username"]
    assert access["cognito:groups"] == ["admins", "readers"]
    assert access["client_id"] == identity["aud"] == web.id
    assert identity["email_verified"] is True
    assert access["exp"] - access["iat"] == result["ExpiresIn"] == 3600
    assert access["iss"].endswith(f".amazonaws.com/{web.pool}")


def test_a_token_that_was_changed_or_is_another_kind_is_refused(web: Application) -> None:
    web.member()
    result = web.sign_in(ADA)
    get = web.client.get_user
    assert get(AccessToken=result["AccessToken"])["Username"]
    for bad in ("x.y.z", result["IdToken"], result["RefreshToken"], result["AccessToken"][:-1] + "_"):
        said = refused("NotAuthorizedException", get, AccessToken=bad)
        assert said == "Invalid Access Token"


def test_a_token_ends_by_the_stand_ins_clock(client: Any, control: Standin, pool: str) -> None:
    units = {"AccessToken": "minutes", "RefreshToken": "hours"}
    web = Application(client, pool, AccessTokenValidity=5, RefreshTokenValidity=1, TokenValidityUnits=units)
    web.member()
    result = web.sign_in(ADA)
    control.clock(forward=310)
    said = refused("NotAuthorizedException", client.get_user, AccessToken=result["AccessToken"])
    assert said == "Access Token has expired"
    renewal = {"REFRESH_TOKEN": result["RefreshToken"]}
    told = {"ClientId": web.id, "AuthFlow": "REFRESH_TOKEN_AUTH", "AuthParameters": renewal}
    fresh = client.initiate_auth(**told)["AuthenticationResult"]
    assert "RefreshToken" not in fresh
    assert client.get_user(AccessToken=fresh["AccessToken"])["Username"]
    control.clock(forward=3600)
    said = refused("NotAuthorizedException", client.initiate_auth, **told)
    assert said == "Refresh Token has expired"


def test_a_global_sign_out_ends_all_tokens_of_before(web: Application) -> None:
    web.member()
    one, other = web.sign_in(ADA), web.sign_in(ADA)
    web.client.global_sign_out(AccessToken=one["AccessToken"])
    said = refused("NotAuthorizedException", web.client.get_user, AccessToken=other["AccessToken"])
    assert said == "Access Token has been revoked"
    again = web.sign_in(ADA)["AccessToken"]
    assert web.client.get_user(AccessToken=again)["Username"]
    web.client.admin_user_global_sign_out(UserPoolId=web.pool, Username=ADA)
    refused("NotAuthorizedException", web.client.get_user, AccessToken=again)


def test_a_refresh_token_that_is_revoked_takes_its_session_with_it(web: Application) -> None:
    web.member()
    one, other = web.sign_in(ADA), web.sign_in(ADA)
    revoke = web.client.revoke_token
    refused("UnsupportedTokenTypeException", revoke, Token=one["AccessToken"], ClientId=web.id)
    revoke(Token=one["RefreshToken"], ClientId=web.id)
    refused("NotAuthorizedException", web.client.get_user, AccessToken=one["AccessToken"])
    assert web.client.get_user(AccessToken=other["AccessToken"])["Username"]


# one's own account


def test_people_change_what_is_theirs(web: Application, control: Standin) -> None:
    web.member()
    token = web.sign_in(ADA)["AccessToken"]
    update = web.client.update_user_attributes
    name = [{"Name": "name", "Value": "Ada"}]
    assert update(AccessToken=token, UserAttributes=name)["CodeDeliveryDetailsList"] == []
    verified = [{"Name": "email_verified", "Value": "true"}]
    refused("NotAuthorizedException", update, AccessToken=token, UserAttributes=verified)
    moved = [{"Name": "email", "Value": "lovelace@uni.example"}]
    details = update(AccessToken=token, UserAttributes=moved)["CodeDeliveryDetailsList"]
    assert [one["AttributeName"] for one in details] == ["email"]
    verify = web.client.verify_user_attribute
    told = {"AccessToken": token, "AttributeName": "email"}
    refused("CodeMismatchException", verify, Code="no", **told)
    web.client.get_user_attribute_verification_code(**told)
    verify(Code=post(control), **told)
    web.client.delete_user_attributes(AccessToken=token, UserAttributeNames=["name"])
    attributes = {
        one["Name"]: one["Value"] for one in web.client.get_user(AccessToken=token)["UserAttributes"]
    }
    assert attributes.keys() == {"sub", "email", "email_verified"}
    assert (attributes["email"], attributes["email_verified"]) == ("lovelace@uni.example", "true")
    assert web.sign_in("lovelace@uni.example")


def test_people_leave(web: Application, control: Standin) -> None:
    web.member()
    token = web.sign_in(ADA)["AccessToken"]
    web.client.delete_user(AccessToken=token)
    assert control.users(web.pool) == []
    refused("UserNotFoundException", web.client.get_user, AccessToken=token)
    web.sign_up(ADA)
