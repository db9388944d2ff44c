"""Who somebody is: usernames, addresses and aliases, and the case of their letters."""

from __future__ import annotations

import re

import pytest
from botocore.exceptions import ClientError

from tests.contract.marks import differs
from tests.contract.pools import Aws, Pool, address, refused, username, values

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BY_CASE = "tells them apart by case in a pool that must not"

# the e-mail is the username


def test_an_address_is_replaced_by_an_identity_that_the_pool_gives(email_pool: Pool) -> None:
    """[M, D23] Username is the sub, and the e-mail is filled in."""
    email = address()
    made = email_pool.add(email)
    assert UUID.fullmatch(made["Username"])
    assert values(made)["sub"] == made["Username"]
    assert values(made)["email"] == email


def test_username_and_email_of_such_a_pool_are_never_two_addresses(email_pool: Pool) -> None:
    """Refused or overridden: AWS does not say which."""
    email, other = address(), address("other")
    try:
        made = email_pool.add(email, {"email": other})
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidParameterException"
        refused("UserNotFoundException", lambda: email_pool.read(email))
    else:
        assert values(made)["email"] == email


def test_an_old_username_is_no_address(email_pool: Pool) -> None:
    """[X] So the Username of a backup cannot be replayed."""
    refused("InvalidParameterException", lambda: email_pool.add("45369ff1-bd34-471b-be31-14b7785a9727"))


@pytest.mark.parametrize("name", ["ada", "ada@", "@uni.example", "ada lovelace@uni.example"])
def test_what_is_no_address_is_no_username_there(email_pool: Pool, name: str) -> None:
    refused("InvalidParameterException", lambda: email_pool.add(name))


def test_an_address_belongs_to_one_user(email_pool: Pool) -> None:
    email = address()
    email_pool.add(email)
    refused("UsernameExistsException", lambda: email_pool.add(email))


@differs(moto=BY_CASE, ministack=BY_CASE)
def test_an_address_belongs_to_one_user_in_any_case_of_letters(email_pool: Pool) -> None:
    """[D23]"""
    email = address()
    email_pool.add(email)
    refused("UsernameExistsException", lambda: email_pool.add(email.upper()))


@differs(moto=BY_CASE, ministack=BY_CASE)
def test_somebody_is_found_by_the_address_in_any_case_of_letters(email_pool: Pool) -> None:
    email = address()
    made = email_pool.add(email)
    assert email_pool.read(email.upper())["Username"] == made["Username"]


def test_where_case_matters_the_same_letters_are_two_people(case_pool: Pool) -> None:
    email = address()
    one, other = case_pool.add(email), case_pool.add(email.upper())
    assert one["Username"] != other["Username"]
    assert case_pool.read(email.upper())["Username"] == other["Username"]


def test_case_matters_in_a_pool_that_was_not_told(aws: Aws) -> None:
    """[D23] The API's default; the console's is the other."""
    pool = aws.new_pool("bare", UsernameAttributes=["email"])
    pool.add("ada@uni.example")
    assert pool.add("Ada@uni.example")["Enabled"]


def test_an_address_with_a_plus_is_somebody_else(email_pool: Pool) -> None:
    email = address()
    email_pool.add(email)
    email_pool.add(email.replace("@", "+two@"))


def test_an_address_that_was_deleted_comes_back_as_somebody_else(email_pool: Pool) -> None:
    """[G] A sub is never given again."""
    email = address()
    old = email_pool.add(email)
    email_pool.admin_delete_user(Username=old["Username"])
    new = email_pool.add(email)
    assert values(new)["sub"] != values(old)["sub"]


# usernames are free


def test_a_username_belongs_to_one_user(username_pool: Pool) -> None:
    name = username()
    assert username_pool.add(name)["Username"] == name
    refused("UsernameExistsException", lambda: username_pool.add(name))


@differs(moto=BY_CASE, ministack=BY_CASE)
def test_a_username_belongs_to_one_user_in_any_case_of_letters(alias_pool: Pool) -> None:
    name = username()
    alias_pool.add(name)
    refused("UsernameExistsException", lambda: alias_pool.add(name.upper()))


@differs(moto="takes any length", ministack="takes any length")
def test_a_username_has_at_most_128_characters(username_pool: Pool) -> None:
    """[M]"""
    longest = username("a" * 120).ljust(128, "a")
    assert username_pool.add(longest)["Username"] == longest
    refused("InvalidParameterException", lambda: username_pool.add(longest + "a"))


@differs(moto="takes spaces", ministack="takes spaces")
def test_a_username_has_no_spaces(username_pool: Pool) -> None:
    """[M]"""
    refused("InvalidParameterException", lambda: username_pool.add("Ada Lovelace"))


def test_a_username_may_have_letters_of_any_script(username_pool: Pool) -> None:
    """[M] ``[\\p{L}\\p{M}\\p{S}\\p{N}\\p{P}]+``"""
    name = username("日本-Ωλ-é")
    assert username_pool.add(name)["Username"] == name
    assert username_pool.read(name)["Username"] == name


@differs(moto="finds usernames only")
def test_somebody_is_found_by_the_sub_too(username_pool: Pool) -> None:
    """[M]"""
    made = username_pool.add(username())
    assert username_pool.read(values(made)["sub"])["Username"] == made["Username"]


def test_the_username_of_a_federated_user_may_be_taken_by_a_native_one(username_pool: Pool) -> None:
    """[X] Who then signs in through the provider is told that the user exists: never create such a name."""
    name = username("google_1234567890")
    assert username_pool.add(name)["UserStatus"] == "FORCE_CHANGE_PASSWORD"


# a verified e-mail is an alias


@differs(moto="takes an address", ministack="takes an address")
def test_a_username_does_not_look_like_an_alias(alias_pool: Pool) -> None:
    """[D23]"""
    said = refused("InvalidParameterException", lambda: alias_pool.add(address()))
    assert "email" in said


@differs(moto="finds usernames only")
def test_somebody_is_found_by_a_verified_address(alias_pool: Pool) -> None:
    name, email = username(), address()
    alias_pool.add(name, {"email": email, "email_verified": "true"})
    assert alias_pool.read(email)["Username"] == name


def test_nobody_is_found_by_an_address_that_was_not_verified(alias_pool: Pool) -> None:
    """[D23]"""
    name, email = username(), address()
    alias_pool.add(name, {"email": email, "email_verified": "false"})
    refused("UserNotFoundException", lambda: alias_pool.read(email))


@differs(moto="lets two people own an alias", ministack="lets two people own an alias")
def test_a_verified_address_has_one_owner(alias_pool: Pool) -> None:
    """[D23]"""
    verified = {"email": address(), "email_verified": "true"}
    alias_pool.add(username(), verified)
    refused("AliasExistsException", lambda: alias_pool.add(username(), verified))


def test_an_address_that_is_not_verified_may_belong_to_anybody(alias_pool: Pool) -> None:
    email = address()
    alias_pool.add(username(), {"email": email, "email_verified": "true"})
    assert alias_pool.add(username(), {"email": email, "email_verified": "false"})["Enabled"]


@differs(moto="lets two people own an alias", ministack="lets two people own an alias")
def test_an_alias_taken_by_force_is_taken_from_its_owner(alias_pool: Pool) -> None:
    """[M] ForceAliasCreation: never in a restore."""
    old, new, email = username("old"), username("new"), address()
    verified = {"email": email, "email_verified": "true"}
    alias_pool.add(old, verified)
    alias_pool.add(new, verified, MessageAction="SUPPRESS", ForceAliasCreation=True)
    assert alias_pool.read(email)["Username"] == new
    assert values(alias_pool.read(old)).get("email_verified") == "false"
