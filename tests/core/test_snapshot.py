"""What an entry must be to be a user, and what a user says of himself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from backups.core.snapshot import NotAUser, User, environment_of, iso, mask
from tests.build import a_user, an_entry, facts


def test_a_user_is_named_by_sub_and_called_by_email() -> None:
    user = a_user("ada@uni.example", sub="s-1", status="RESET_REQUIRED", created="2026-01-10T09:00:00.000Z")
    assert (user.key, user.sub, user.label, user.email) == (
        "s-1",
        "s-1",
        "ada@uni.example",
        "ada@uni.example",
    )
    assert (user.status, user.email_verified, user.enabled) == ("RESET_REQUIRED", True, True)
    assert user.created == user.modified == "2026-01-10T09:00:00.000Z"


def test_without_sub_and_email_the_username_has_to_do() -> None:
    user = User.of({"Username": "ada"})
    assert (user.key, user.label, user.sub, user.email) == ("ada", "ada", "", "")
    assert (user.status, user.enabled, user.email_verified) == ("UNKNOWN", True, False)
    assert (user.created, user.modified) == ("", "")


def test_fields_that_nobody_knows_are_kept_as_they_came() -> None:
    entry = {**an_entry(), "Invented2031": {"deep": [1, None]}}
    assert User.of(entry).entry is entry


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ([], "an entry is a list"),
        ("ada", "an entry is text"),
        (True, "an entry is a truth value"),
        (None, "an entry is null"),
        (7, "an entry is a number"),
        (1.5, "an entry is a number"),
        ({}, "no Username"),
        ({"Username": ""}, "no Username"),
        ({"Username": 7}, "no Username"),
        ({"Username": "ada", "Attributes": None}, "no list"),
        ({"Username": "ada", "Attributes": {"Name": "sub"}}, "no list"),
        ({"Username": "ada", "Attributes": ["sub"]}, "no Name"),
        ({"Username": "ada", "Attributes": [{"Value": "x"}]}, "no Name"),
        ({"Username": "ada", "Attributes": [{"Name": ""}]}, "no Name"),
        ({"Username": "ada", "Attributes": [{"Name": "name", "Value": []}]}, "no text"),
        ({"Username": "a" * 129}, "Username has 129 characters; 128 is the most"),
        ({"Username": "a\0"}, "Username holds a NUL"),
        ({"Username": "ada", "Attributes": [{"Name": "sub", "Value": "1" * 129}]}, "sub has 129 characters"),
        ({"Username": "ada", "Enabled": "false"}, "neither true nor false"),
        ({"Username": "ada", "Enabled": None}, "neither true nor false"),
    ],
)
def test_what_is_no_user_says_why(entry: Any, why: str) -> None:
    with pytest.raises(NotAUser, match=why):
        User.of(entry)


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (None, ""), (7, "7"), (1.5, "1.5"), ("x", "x")]
)
def test_a_value_that_another_tool_left_as_json_is_read_as_text(value: object, text: str) -> None:
    entry = {"Username": "ada", "Attributes": [{"Name": "custom:agreed_terms", "Value": value}]}
    assert User.of(entry).attributes["custom:agreed_terms"] == text


def test_a_pool_tells_names_apart_by_its_own_setting() -> None:
    composed, decomposed = "J\u00fcrg@x.ch", "Ju\u0308rg@x.ch"
    assert facts(case_sensitive=True).fold(composed) == facts(case_sensitive=True).fold(decomposed)
    assert facts(case_sensitive=True).fold("Eve") != facts(case_sensitive=True).fold("eve")
    folded = facts(case_sensitive=False).fold
    assert folded("Straße") == folded("straße") != folded("strasse"), "two addresses, for all AWS says"
    assert facts().email_is_username and not facts(username_attributes=()).email_is_username


@pytest.mark.parametrize(
    ("pool", "environment"),
    [("app-production", "production"), ("app-STAGING", "staging"), ("app-test", ""), ("", "")],
)
def test_the_environment_is_the_last_word_of_a_pools_name(pool: str, environment: str) -> None:
    assert environment_of(pool) == environment


@pytest.mark.parametrize(
    ("label", "masked"), [("ada@uni.example", "a••••@uni.example"), ("ada", "ada"), ("@uni", "@uni")]
)
def test_an_email_is_masked(label: str, masked: str) -> None:
    assert mask(label) == masked


def test_time_is_written_as_cbr_has_it() -> None:
    assert iso(datetime(2026, 11, 22, 1, 2, 3, 45_678, tzinfo=UTC)) == "2026-11-22T01:02:03.045Z"
