"""Invitations: who is sent one, and when Cognito refuses before it sends anything."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.marks import differs, sends_mail
from tests.contract.pools import Aws, Pool, address, refused, username

SENDS = "invites nobody, and says nothing"
EMAIL = ["EMAIL"]
RESEND: dict[str, Any] = {"MessageAction": "RESEND", "DesiredDeliveryMediums": EMAIL}


def test_somebody_made_in_silence_needs_no_way_to_be_reached(username_pool: Pool) -> None:
    """[M] SUPPRESS"""
    assert username_pool.add(username())["UserStatus"] == "FORCE_CHANGE_PASSWORD"


@differs(moto=SENDS, ministack=SENDS)
def test_an_invitation_goes_by_sms_unless_another_way_is_named(username_pool: Pool) -> None:
    """[M, X] And a pool without SMS refuses it."""
    name, told = username(), [{"Name": "email", "Value": address()}]
    said = refused(
        "InvalidParameterException",
        lambda: username_pool.admin_create_user(Username=name, UserAttributes=told),
    )
    assert said == "User pool does not have SMS configuration to send messages."
    refused("UserNotFoundException", lambda: username_pool.read(name))


@differs(moto=SENDS, ministack=SENDS)
def test_an_invitation_by_mail_needs_an_address(username_pool: Pool) -> None:
    """[X]"""
    name = username()
    said = refused("InvalidParameterException", lambda: username_pool.add(name, DesiredDeliveryMediums=EMAIL))
    assert "No email provided but desired delivery medium was Email" in said
    refused("UserNotFoundException", lambda: username_pool.read(name))


@sends_mail
def test_somebody_invited_waits_with_a_temporary_password(email_pool: Pool) -> None:
    made = email_pool.add(address(), DesiredDeliveryMediums=EMAIL)
    assert made["UserStatus"] == "FORCE_CHANGE_PASSWORD"


@sends_mail
def test_an_invitation_may_be_sent_again(email_pool: Pool) -> None:
    email = address()
    made = email_pool.add(email, DesiredDeliveryMediums=EMAIL)
    email_pool.add(email, **RESEND)
    assert email_pool.read(email)["Username"] == made["Username"]
    assert email_pool.status(email) == "FORCE_CHANGE_PASSWORD"


@sends_mail
def test_somebody_made_in_silence_may_be_invited_later(email_pool: Pool) -> None:
    """[M] RESEND sends a first one too."""
    email = address()
    email_pool.add(email)
    email_pool.add(email, **RESEND)
    assert email_pool.status(email) == "FORCE_CHANGE_PASSWORD"


@pytest.mark.parametrize("kind", ["email", "username"])
def test_nobody_is_invited_again_who_is_not_there(aws: Aws, kind: str) -> None:
    refused("UserNotFoundException", lambda: aws.pool(kind).add(address("nobody"), **RESEND))


@differs(moto="invites them", ministack="invites them")
def test_nobody_with_a_password_of_their_own_is_invited_again(email_pool: Pool) -> None:
    """[M]"""
    email = address()
    email_pool.confirmed(email)
    refused("UnsupportedUserStateException", lambda: email_pool.add(email, **RESEND))
    assert email_pool.status(email) == "CONFIRMED"


@differs(moto="takes any")
@pytest.mark.parametrize("password", ["Ab1-x", "No-numbers-at-all"])
def test_a_temporary_password_keeps_the_policy(email_pool: Pool, password: str) -> None:
    email = address()
    refused(
        "InvalidPasswordException",
        lambda: email_pool.add(email, MessageAction="SUPPRESS", TemporaryPassword=password),
    )
    refused("UserNotFoundException", lambda: email_pool.read(email))
