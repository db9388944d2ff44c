"""Filters of ListUsers: one attribute, ``=`` or ``^=``, a value in double quotes."""

from __future__ import annotations

import pytest

from tests.contract.marks import differs, many
from tests.contract.pools import CONFIRMED, CROWD, DISABLED, Pool, refused

EVERYBODY = {f"user{n:03d}" for n in range(CROWD)}
IGNORES = "lists everybody"

pytestmark = many(CROWD)


def test_no_filter_and_an_empty_one_find_everybody(crowd: Pool) -> None:
    assert crowd.found("") == EVERYBODY


@pytest.mark.parametrize("filter", ['username = "user007"', 'username="user007"'])
def test_somebody_is_found_by_the_username(crowd: Pool, filter: str) -> None:
    assert crowd.found(filter) == {"user007"}


def test_a_username_is_found_in_its_own_case_only(crowd: Pool) -> None:
    """[M]"""
    assert crowd.found('username = "User007"') == set()


def test_a_prefix_finds_whoever_begins_so(crowd: Pool) -> None:
    assert crowd.found('username ^= "user01"') == {f"user{n:03d}" for n in range(10, 20)}
    assert crowd.found('email ^= "user064@"') == {"user064"}


def test_the_prefixes_of_sub_divide_everybody(crowd: Pool) -> None:
    """[M, S] Sixteen lists side by side are one list."""
    shares = [crowd.found(f'sub ^= "{digit}"') for digit in "0123456789abcdef"]
    assert set().union(*shares) == EVERYBODY
    assert sum(map(len, shares)) == CROWD


@differs(ministack=IGNORES)
def test_a_status_is_found(crowd: Pool) -> None:
    assert len(crowd.found('cognito:user_status = "CONFIRMED"')) == CONFIRMED


@differs(moto="finds nobody", ministack=IGNORES)
def test_a_status_is_found_in_any_case_of_letters(crowd: Pool) -> None:
    """[M]"""
    assert len(crowd.found('cognito:user_status = "confirmed"')) == CONFIRMED


@pytest.mark.parametrize(("value", "count"), [("Enabled", CROWD - DISABLED), ("Disabled", DISABLED)])
def test_who_is_enabled_or_disabled_is_found(crowd: Pool, value: str, count: int) -> None:
    assert len(crowd.found(f'status = "{value}"')) == count


@differs(moto="finds nobody", ministack="finds nobody")
def test_a_quote_in_a_value_has_a_backslash_before_it(crowd: Pool) -> None:
    """[M]"""
    assert crowd.found(r'name = "Ada \"Q\""') == {f"user{CROWD - 1:03d}"}


@pytest.mark.parametrize(
    "filter",
    [
        pytest.param('custom:institution = "x"', marks=differs(ministack="takes it")),
        pytest.param('email_verified = "true"', marks=differs(ministack="takes it")),
        pytest.param('nickname = "x"', marks=differs(ministack="takes it")),
        pytest.param('UserCreateDate = "x"', marks=differs(ministack="takes it")),
        pytest.param('username != "user007"', marks=differs(ministack="takes it")),
        pytest.param(
            'username = "user007" and email = "x"', marks=differs(moto="takes it", ministack="takes it")
        ),
    ],
)
def test_what_cannot_be_searched_is_refused(crowd: Pool, filter: str) -> None:
    """[M] Custom attributes never, and one attribute at a time."""
    refused("InvalidParameterException", lambda: crowd.found(filter))


@differs(moto="takes any length", ministack="takes any length")
def test_a_filter_has_at_most_256_characters(crowd: Pool) -> None:
    """[M]"""
    refused("InvalidParameterException", lambda: crowd.found(f'username = "{"x" * 256}"'))
