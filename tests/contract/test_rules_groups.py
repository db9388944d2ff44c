"""Groups: what they keep, who is in them, and their pages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.marks import differs, many
from tests.contract.pools import CROWD, Aws, Pool, refused, username

ANY_NUMBER = "takes any number"


@pytest.fixture
def pool(username_pool: Pool) -> Pool:
    return username_pool


def group(pool: Pool, **told: Any) -> str:
    """The name of a new one."""
    made = pool.create_group(GroupName=username("group"), **told)
    return str(made["Group"]["GroupName"])


def groups_of(pool: Pool, name: str, **how: Any) -> list[str]:
    found = []
    while True:
        answer = pool.admin_list_groups_for_user(Username=name, **how)
        found += [one["GroupName"] for one in answer["Groups"]]
        if not answer.get("NextToken"):
            return found
        how["NextToken"] = answer["NextToken"]


def members(pool: Pool, name: str, **how: Any) -> list[str]:
    found = []
    while True:
        answer = pool.list_users_in_group(GroupName=name, **how)
        found += [one["Username"] for one in answer["Users"]]
        if not answer.get("NextToken"):
            return found
        how["NextToken"] = answer["NextToken"]


def test_a_group_is_read_as_it_was_made(aws: Aws, pool: Pool) -> None:
    told = {"Description": "They may", "Precedence": 3, "RoleArn": aws.world.role()}
    name = group(pool, **told)
    read = pool.get_group(GroupName=name)["Group"]
    assert told.items() <= read.items()
    assert read["CreationDate"] <= read["LastModifiedDate"]


@differs(ministack="gives it the precedence 0, which is the highest")
def test_a_group_without_a_precedence_has_none(pool: Pool) -> None:
    assert "Precedence" not in pool.get_group(GroupName=group(pool))["Group"]


def test_a_group_is_made_once(pool: Pool) -> None:
    name = group(pool)
    refused("GroupExistsException", lambda: pool.create_group(GroupName=name))


def test_somebody_may_be_added_again(pool: Pool) -> None:
    """[M]"""
    name, who = group(pool), pool.add(username())["Username"]
    for _ in range(2):
        pool.admin_add_user_to_group(Username=who, GroupName=name)
    assert members(pool, name) == [who]
    assert groups_of(pool, who) == [name]


def test_nobody_is_added_to_a_group_that_is_not_there(pool: Pool) -> None:
    told = {"Username": pool.add(username())["Username"], "GroupName": "nothing-like-it"}
    refused("ResourceNotFoundException", lambda: pool.admin_add_user_to_group(**told))


def test_nobody_is_added_who_is_not_there(pool: Pool) -> None:
    told = {"Username": username("nobody"), "GroupName": group(pool)}
    refused("UserNotFoundException", lambda: pool.admin_add_user_to_group(**told))


def test_nobody_has_groups_who_is_not_there(pool: Pool) -> None:
    refused("UserNotFoundException", lambda: groups_of(pool, username("nobody")))


def test_who_is_deleted_is_in_no_group(pool: Pool) -> None:
    name = group(pool)
    stays, gone = (pool.add(username())["Username"] for _ in range(2))
    for who in (stays, gone):
        pool.admin_add_user_to_group(Username=who, GroupName=name)
    pool.admin_delete_user(Username=gone)
    assert members(pool, name) == [stays]


def test_a_group_that_is_deleted_has_no_members(pool: Pool) -> None:
    name, who = group(pool), pool.add(username())["Username"]
    pool.admin_add_user_to_group(Username=who, GroupName=name)
    pool.delete_group(GroupName=name)
    assert groups_of(pool, who) == []
    refused("ResourceNotFoundException", lambda: members(pool, name))


@pytest.mark.parametrize("operation", ["list_groups", "list_users_in_group", "admin_list_groups_for_user"])
@differs(moto=ANY_NUMBER, ministack=ANY_NUMBER)
def test_a_page_holds_at_most_60(pool: Pool, operation: str) -> None:
    """[M] A user may be in 100 groups: a page of them is not all."""
    told = {
        "list_groups": {},
        "list_users_in_group": {"GroupName": group(pool)},
        "admin_list_groups_for_user": {"Username": pool.add(username())["Username"]},
    }[operation]
    refused("InvalidParameterException", lambda: getattr(pool, operation)(Limit=61, **told))


@many(CROWD)
def test_every_member_is_on_one_page(aws: Aws) -> None:
    pool = aws.new_pool("username")
    name = group(pool)
    added = {pool.add(f"user{n:03d}")["Username"] for n in range(CROWD)}
    for who in added:
        pool.admin_add_user_to_group(Username=who, GroupName=name)
    found = aws.settled(lambda: members(pool, name, Limit=60), CROWD)
    assert len(found) == CROWD
    assert set(found) == added


def test_every_group_is_on_one_page(aws: Aws) -> None:
    pool = aws.new_pool("username")
    made = {group(pool) for _ in range(5)}
    listed, told = [], {"Limit": 2}
    while True:
        answer = pool.list_groups(**told)
        assert len(answer["Groups"]) <= 2
        listed += [one["GroupName"] for one in answer["Groups"]]
        if not answer.get("NextToken"):
            break
        told["NextToken"] = answer["NextToken"]
    assert sorted(listed) == sorted(made)


@differs(moto="knows no limit", ministack="knows no limit")
def test_somebody_is_in_at_most_100_groups(aws: Aws) -> None:
    """[Q]"""
    pool = aws.new_pool("username")
    who = pool.add(username())["Username"]
    names = [group(pool) for _ in range(101)]
    for name in names[:100]:
        pool.admin_add_user_to_group(Username=who, GroupName=name)
    refused(
        "LimitExceededException|InvalidParameterException",
        lambda: pool.admin_add_user_to_group(Username=who, GroupName=names[100]),
    )
    assert sorted(groups_of(pool, who, Limit=60)) == sorted(names[:100])
