"""Attributes: which a user may have, how long they are, and which can change."""

from __future__ import annotations

import time

import pytest

from tests.contract.marks import differs
from tests.contract.pools import Pool, address, refused, username, values

SUB = "45369ff1-bd34-471b-be31-14b7785a9727"
ANY = "takes any attribute"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("sub", SUB, marks=differs(moto="replaces it and says nothing")),
        pytest.param("identities", "[]", marks=differs(moto=ANY, ministack=ANY)),
        pytest.param("cognito:user_status", "CONFIRMED", marks=differs(moto=ANY, ministack=ANY)),
    ],
)
def test_what_belongs_to_the_service_cannot_be_given(email_pool: Pool, name: str, value: str) -> None:
    """[G, inf] So sub, identities and cognito:* are taken out of a backup before it is restored."""
    email = address()
    refused("InvalidParameterException", lambda: email_pool.add(email, {name: value}))
    refused("UserNotFoundException", lambda: email_pool.read(email))


@differs(moto=ANY, ministack=ANY)
def test_an_attribute_that_is_not_in_the_schema_is_refused(email_pool: Pool) -> None:
    said = refused("InvalidParameterException", lambda: email_pool.add(address(), {"custom:nope": "x"}))
    assert "Attributes did not conform to the schema" in said


@differs(moto="takes any length", ministack="takes any length")
def test_a_custom_attribute_is_as_long_as_its_schema_allows(email_pool: Pool) -> None:
    email_pool.add(address(), {"custom:short": "x" * 10})
    refused("InvalidParameterException", lambda: email_pool.add(address(), {"custom:short": "x" * 11}))


@differs(moto="takes any length", ministack="takes any length")
def test_a_value_has_at_most_2048_characters(email_pool: Pool) -> None:
    """[M]"""
    email_pool.add(address(), {"nickname": "x" * 2048})
    refused("InvalidParameterException", lambda: email_pool.add(address(), {"nickname": "x" * 2049}))


def test_an_administrator_may_leave_a_required_attribute_out(email_pool: Pool) -> None:
    """[M, D23] The user is asked for it at the first sign-in."""
    assert "name" not in values(email_pool.add(address()))


def test_an_immutable_attribute_is_set_at_creation(email_pool: Pool) -> None:
    made = email_pool.add(address(), {"custom:badge": "7"})
    assert values(email_pool.read(made["Username"]))["custom:badge"] == "7"


@differs(moto="changes it", ministack="changes it")
def test_an_immutable_attribute_is_not_changed_afterwards(email_pool: Pool) -> None:
    """[M] So an existing user cannot be brought back whole."""
    made = email_pool.add(address(), {"custom:badge": "7"})["Username"]
    change = {"custom:badge": "8"}
    refused("InvalidParameterException|NotAuthorizedException", lambda: email_pool.update(made, change))
    assert values(email_pool.read(made))["custom:badge"] == "7"


@differs(moto="takes anything", ministack="takes anything")
@pytest.mark.parametrize("number", ["12345", "+49 30 1234", "call me"])
def test_a_phone_number_has_a_plus_and_digits(email_pool: Pool, number: str) -> None:
    said = refused("InvalidParameterException", lambda: email_pool.add(address(), {"phone_number": number}))
    assert "phone number" in said


@differs(moto="takes it", ministack="takes it")
def test_an_address_that_is_not_there_is_not_verified(username_pool: Pool) -> None:
    refused("InvalidParameterException", lambda: username_pool.add(username(), {"email_verified": "true"}))


@pytest.mark.parametrize("verified", ["true", "false"])
def test_an_address_is_verified_as_the_administrator_says(email_pool: Pool, verified: str) -> None:
    """[M]"""
    made = email_pool.add(address(), {"email_verified": verified})
    assert values(email_pool.read(made["Username"]))["email_verified"] == verified


@differs(moto="overwrites it", ministack="overwrites it")
def test_a_sub_never_changes(email_pool: Pool) -> None:
    """[G]"""
    made = email_pool.add(address())["Username"]
    refused("InvalidParameterException", lambda: email_pool.update(made, {"sub": SUB}))
    assert values(email_pool.read(made))["sub"] == made


@differs(moto=ANY, ministack=ANY)
def test_no_attribute_comes_into_being_by_an_update(email_pool: Pool) -> None:
    made = email_pool.add(address())["Username"]
    refused("InvalidParameterException", lambda: email_pool.update(made, {"custom:nope": "x"}))


@differs(moto="keeps it, empty", ministack="keeps it, empty")
def test_an_empty_value_takes_an_attribute_away(email_pool: Pool) -> None:
    made = email_pool.add(address(), {"given_name": "Ada"})["Username"]
    email_pool.update(made, {"given_name": ""})
    assert "given_name" not in values(email_pool.read(made))


@differs(ministack="has no such operation")
def test_an_attribute_is_taken_away_by_name(email_pool: Pool) -> None:
    made = email_pool.add(address(), {"given_name": "Ada"})["Username"]
    email_pool.admin_delete_user_attributes(Username=made, UserAttributeNames=["given_name"])
    assert "given_name" not in values(email_pool.read(made))


def test_an_update_changes_the_date_of_the_last_change_only(email_pool: Pool) -> None:
    made = email_pool.add(address())
    time.sleep(0.01)  # dates have milliseconds
    email_pool.update(made["Username"], {"given_name": "Ada"})
    read = email_pool.read(made["Username"])
    assert read["UserCreateDate"] == made["UserCreateDate"]
    assert read["UserLastModifiedDate"] > made["UserLastModifiedDate"]


def test_a_user_is_as_old_as_the_call_that_made_it(email_pool: Pool) -> None:
    """[G] The dates of a backup cannot be brought back."""
    one, other = (email_pool.add(address()) for _ in range(2))
    assert other["UserCreateDate"] >= one["UserCreateDate"]
    assert other["UserLastModifiedDate"] == other["UserCreateDate"]


def test_text_of_any_script_comes_back_as_it_was(email_pool: Pool) -> None:
    told = {"name": "Ada “Q” 日本", "custom:institution": "Universität Zürich"}
    made = email_pool.add(address(), told)
    assert told.items() <= values(email_pool.read(made["Username"])).items()
