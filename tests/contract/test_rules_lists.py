"""ListUsers: pages, tokens, and what an entry says."""

from __future__ import annotations

import pytest

from tests.contract.marks import differs, many
from tests.contract.pools import CROWD, Aws, Pool, address, refused

ANY_NUMBER = "takes any number"
ENTRY = {
    "Username", "Attributes", "UserCreateDate", "UserLastModifiedDate", "Enabled", "UserStatus", "MFAOptions",
}  # fmt: skip
EVERYBODY = {f"user{n:03d}" for n in range(CROWD)}

pytestmark = many(CROWD)


def test_a_page_has_at_most_60_and_a_token_when_there_are_more(crowd: Pool) -> None:
    """[M] It may be shorter: only a missing token ends the list."""
    answer = crowd.list_users()
    assert len(answer["Users"]) <= 60 < CROWD
    assert answer["PaginationToken"]


@differs(moto=ANY_NUMBER, ministack=ANY_NUMBER)
def test_nobody_may_ask_for_more_than_60(crowd: Pool) -> None:
    """[M]"""
    refused("InvalidParameterException", lambda: crowd.list_users(Limit=61))


def test_a_limit_of_0_is_taken(crowd: Pool) -> None:
    """[M] The least that is allowed; how many come is not said."""
    assert len(crowd.list_users(Limit=0)["Users"]) <= 60


@pytest.mark.parametrize("limit", [7, 60])
def test_everybody_is_on_one_page_and_nobody_on_two(crowd: Pool, limit: int) -> None:
    """[M] A single chain of pages never repeats."""
    pages = crowd.pages(Limit=limit)
    assert max(len(page) for page in pages) <= limit
    listed = [user["Username"] for page in pages for user in page]
    assert len(listed) == len(set(listed))
    assert set(listed) == EVERYBODY


@differs(moto="goes on with the other filter", ministack="goes on with the other filter")
def test_a_token_is_for_the_parameters_it_was_given_for(crowd: Pool) -> None:
    """[X] aws-sdk-js#3705"""
    token = crowd.list_users(Limit=10, Filter='username ^= "user"')["PaginationToken"]
    other = {"Limit": 10, "Filter": 'username ^= "user0"', "PaginationToken": token}
    refused("InvalidParameterException", lambda: crowd.list_users(**other))


@differs(moto="says InvalidToken", ministack="begins again at the first page")
def test_a_token_that_is_none_is_refused(crowd: Pool) -> None:
    refused("InvalidParameterException", lambda: crowd.list_users(PaginationToken="no-token"))


@differs(moto="refuses the token when the next user was deleted")
def test_a_list_goes_on_when_people_on_it_are_deleted(aws: Aws) -> None:
    """Whom it misses or repeats then AWS does not say."""
    pool = aws.new_pool("username")
    everybody = {pool.add(f"user{n}")["Username"] for n in range(8)}
    aws.settled(pool.listed, 8)
    first = pool.list_users(Limit=3)
    shown = {user["Username"] for user in first["Users"]}
    for name in sorted(everybody - shown)[:-1]:
        pool.admin_delete_user(Username=name)
    rest = pool.pages(Limit=3, PaginationToken=first["PaginationToken"])
    assert {user["Username"] for page in rest for user in page} <= everybody - shown


def test_an_entry_says_nothing_of_groups_or_mfa(crowd: Pool) -> None:
    """[M, X] aws-sdk#176: both are asked for by user."""
    for user in crowd.listed(Limit=60):
        assert user.keys() <= ENTRY
        assert user.keys() >= ENTRY - {"MFAOptions"}


@differs(moto="leaves it out", ministack="leaves it out")
def test_to_ask_for_an_attribute_that_somebody_lacks_is_an_error(crowd: Pool) -> None:
    """[M] AttributesToGet: never in a backup."""
    refused("InvalidParameterException", lambda: crowd.pages(AttributesToGet=["given_name"]))


def test_somebody_is_listed_with_what_was_given(aws: Aws) -> None:
    pool, email = aws.new_pool(), address()
    pool.add(email, {"custom:institution": "Uni", "email_verified": "true"})
    (user,) = aws.settled(pool.listed, 1)
    told = {one["Name"]: one["Value"] for one in user["Attributes"]}
    assert told == {
        "sub": user["Username"],
        "email": email,
        "email_verified": "true",
        "custom:institution": "Uni",
    }


def test_somebody_deleted_is_not_listed(aws: Aws) -> None:
    pool = aws.new_pool()
    gone, stays = (pool.add(address())["Username"] for _ in range(2))
    pool.admin_delete_user(Username=gone)
    assert [user["Username"] for user in aws.settled(pool.listed, 1)] == [stays]
