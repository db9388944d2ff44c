"""States of a user: which there are, and what may follow what."""

from __future__ import annotations

from functools import partial

import pytest

from tests.contract.marks import differs, sends_mail
from tests.contract.pools import PASSWORD, Aws, Pool, address, refused, username, values

FORGETS = "lets anybody forget it"
VERIFIED = {"email_verified": "true"}


def test_a_permanent_password_confirms(email_pool: Pool) -> None:
    """[M] Without a message, and as often as it is asked."""
    made = email_pool.confirmed(address())
    email_pool.admin_set_user_password(Username=made, Password=PASSWORD, Permanent=True)
    assert email_pool.status(made) == "CONFIRMED"


def test_a_temporary_password_asks_for_another(email_pool: Pool) -> None:
    made = email_pool.confirmed(address())
    email_pool.admin_set_user_password(Username=made, Password=PASSWORD, Permanent=False)
    assert email_pool.status(made) == "FORCE_CHANGE_PASSWORD"


@pytest.mark.parametrize("password", ["Ab1-x", "No-numbers-at-all"])
def test_a_password_keeps_the_policy(email_pool: Pool, password: str) -> None:
    made = email_pool.add(address())["Username"]
    told = {"Username": made, "Password": password, "Permanent": True}
    refused("InvalidPasswordException", lambda: email_pool.admin_set_user_password(**told))
    assert email_pool.status(made) == "FORCE_CHANGE_PASSWORD"


@differs(moto="confirms them", ministack="confirms them")
def test_nobody_is_confirmed_who_has_not_signed_up(email_pool: Pool) -> None:
    """[X]"""
    made = email_pool.add(address())["Username"]
    said = refused("NotAuthorizedException", lambda: email_pool.admin_confirm_sign_up(Username=made))
    assert said == "User cannot be confirmed. Current status is FORCE_CHANGE_PASSWORD"
    assert email_pool.status(made) == "FORCE_CHANGE_PASSWORD"


def test_somebody_disabled_keeps_the_state(email_pool: Pool) -> None:
    made = email_pool.confirmed(address())
    email_pool.admin_disable_user(Username=made)
    read = email_pool.read(made)
    assert (read["Enabled"], read["UserStatus"]) == (False, "CONFIRMED")
    email_pool.admin_enable_user(Username=made)
    assert email_pool.read(made)["Enabled"]


@sends_mail
def test_a_reset_asks_somebody_confirmed_for_a_new_password(email_pool: Pool) -> None:
    """[M] And sends a code."""
    made = email_pool.confirmed(address(), VERIFIED)
    email_pool.admin_reset_user_password(Username=made)
    assert email_pool.status(made) == "RESET_REQUIRED"


@differs(ministack="resets anybody")
def test_nobody_is_reset_who_cannot_be_sent_a_code(email_pool: Pool) -> None:
    made = email_pool.confirmed(address(), {"email_verified": "false"})
    refused(
        "InvalidParameterException|NotAuthorizedException",
        lambda: email_pool.admin_reset_user_password(Username=made),
    )
    assert email_pool.status(made) == "CONFIRMED"


@differs(ministack="resets anybody")
def test_nobody_is_reset_who_never_had_a_password_of_their_own(email_pool: Pool) -> None:
    made = email_pool.add(address(), VERIFIED)["Username"]
    refused(
        "InvalidParameterException|NotAuthorizedException",
        lambda: email_pool.admin_reset_user_password(Username=made),
    )
    assert email_pool.status(made) == "FORCE_CHANGE_PASSWORD"


@sends_mail
@differs(moto="signs them in")
def test_nobody_who_was_reset_signs_in_before_they_set_a_password(email_pool: Pool) -> None:
    """[M]"""
    email = address()
    made = email_pool.confirmed(email, VERIFIED)
    email_pool.admin_reset_user_password(Username=made)
    refused("PasswordResetRequiredException", lambda: email_pool.app().sign_in(email))


def test_somebody_deleted_is_not_there(email_pool: Pool) -> None:
    made = email_pool.add(address())["Username"]
    email_pool.admin_delete_user(Username=made)
    for ask in (email_pool.admin_get_user, email_pool.admin_delete_user, email_pool.admin_disable_user):
        refused("UserNotFoundException", partial(ask, Username=made))


@differs(moto="has no such operation")
def test_a_native_user_is_linked_to_an_identity_elsewhere(aws: Aws) -> None:
    """[M] The user keeps a status of its own, and carries ``identities``."""
    pool = aws.new_pool()
    details = {"client_id": "public", "client_secret": "hush-hush", "authorize_scopes": "email"}
    pool.create_identity_provider(
        ProviderName="Google",
        ProviderType="Google",
        ProviderDetails=details,
        AttributeMapping={"email": "email"},
    )
    made = pool.confirmed(address())
    aws.client.admin_link_provider_for_user(
        UserPoolId=pool.id,
        DestinationUser={"ProviderName": "Cognito", "ProviderAttributeValue": made},
        SourceUser={
            "ProviderName": "Google",
            "ProviderAttributeName": "Cognito_Subject",
            "ProviderAttributeValue": "1234567890",
        },
    )
    read = pool.read(made)
    assert read["UserStatus"] == "CONFIRMED"
    assert "1234567890" in values(read)["identities"]


# as somebody at the application's sign-in page


def test_who_signs_up_is_unconfirmed_until_somebody_confirms_them(username_pool: Pool) -> None:
    name = username()
    username_pool.app().sign_up(name, {"email": address(), "name": "Ada"})
    assert username_pool.status(name) == "UNCONFIRMED"
    username_pool.admin_confirm_sign_up(Username=name)
    assert username_pool.status(name) == "CONFIRMED"


def test_nobody_signs_up_under_a_name_that_is_taken(username_pool: Pool) -> None:
    name = username_pool.add(username())["Username"]
    told = {"email": address(), "name": "Ada"}
    refused("UsernameExistsException", lambda: username_pool.app().sign_up(name, told))


def test_who_has_a_temporary_password_chooses_another_at_the_first_sign_in(email_pool: Pool) -> None:
    email, app = address(), email_pool.app()
    told = {"name": "Ada"}
    made = email_pool.add(email, told, MessageAction="SUPPRESS", TemporaryPassword="Temporary-2026")
    challenge = app.sign_in(email, "Temporary-2026")
    assert challenge["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    signed_in = app.new_password(challenge, made["Username"])
    assert signed_in["AuthenticationResult"]["AccessToken"]
    assert email_pool.status(email) == "CONFIRMED"


def test_a_sign_in_leaves_no_mark_but_what_cognito_leaves(email_pool: Pool) -> None:
    """[M] There is no date of a last sign-in anywhere."""
    email = address()
    email_pool.confirmed(email)
    before = email_pool.read(email)
    assert email_pool.app().sign_in(email)["AuthenticationResult"]["IdToken"]
    after = email_pool.read(email)
    assert after.keys() == before.keys()
    assert values(after) == values(before)
    assert after["UserStatus"] == "CONFIRMED"


def test_a_wrong_password_is_refused(email_pool: Pool) -> None:
    email = address()
    email_pool.confirmed(email)
    refused("NotAuthorizedException", lambda: email_pool.app().sign_in(email, "Not-the-one-2026"))


def test_nobody_disabled_signs_in(email_pool: Pool) -> None:
    email = address()
    made = email_pool.confirmed(email)
    email_pool.admin_disable_user(Username=made)
    refused("NotAuthorizedException", lambda: email_pool.app().sign_in(email))


def test_nobody_unconfirmed_signs_in(username_pool: Pool) -> None:
    name, app = username(), username_pool.app()
    app.sign_up(name, {"email": address(), "name": "Ada"})
    refused("UserNotConfirmedException", lambda: app.sign_in(name))


@differs(moto=FORGETS, ministack=FORGETS)
def test_who_waits_for_the_first_sign_in_cannot_say_that_the_password_is_forgotten(email_pool: Pool) -> None:
    """[X] amplify-js#5251: a pool restored so locked everybody out when the passwords expired."""
    email = address()
    email_pool.add(email, VERIFIED)
    refused("NotAuthorizedException", lambda: email_pool.app().forgot(email))


@differs(moto=FORGETS, ministack=FORGETS)
def test_who_has_no_verified_address_cannot_say_that_the_password_is_forgotten(email_pool: Pool) -> None:
    """[M] So silent people without a verified address can neither sign in nor reset."""
    email = address()
    email_pool.confirmed(email, {"email_verified": "false"})
    refused("InvalidParameterException", lambda: email_pool.app().forgot(email))
