"""Where two rules meet: lists that lag and users who go, limits and who is left, aliases by force."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.standin.client import Standin
from tests.standin.conftest import connect
from tests.standin.person import refused
from tests.standin.quotas import Bucket, Quotas
from tests.standin.seed import address
from tests.standin.state import Group

SILENT: dict[str, Any] = {"MessageAction": "SUPPRESS"}
INVITE: dict[str, Any] = {"DesiredDeliveryMediums": ["EMAIL"]}
MakePool = Callable[..., str]


def add(client: Any, pool: str, *names: str, **told: Any) -> None:
    for name in names:
        client.admin_create_user(UserPoolId=pool, Username=name, **(told or SILENT))


def named(*names: str) -> list[str]:
    return [f"{name}@uni.example" for name in names]


def attributes(**told: str) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in told.items()]


def listed(client: Any, pool: str) -> set[str]:
    pages = client.get_paginator("list_users").paginate(UserPoolId=pool)
    return {
        next(one["Value"] for one in user["Attributes"] if one["Name"] == "email")
        for page in pages
        for user in page["Users"]
    }


# lists that lag


def test_whoever_could_not_be_mailed_and_is_not_left_behind_takes_nobody_off_a_late_list(
    client: Any, control: Standin, pool: str
) -> None:
    there = named(*map(str, range(40)))
    add(client, pool, *there)
    control.clock(forward=60)
    control.knobs(lag=30, daily_mails=0, left_behind=False)
    for name in named(*(f"not-{n}" for n in range(20))):
        refused("LimitExceededException", client.admin_create_user, UserPoolId=pool, Username=name, **INVITE)
    assert control.books()["active"].popitem()[1] == 40
    control.clock(forward=60)
    assert listed(client, pool) == set(there)


def test_whoever_is_deleted_after_the_lists_stopped_to_lag_takes_nobody_along(
    client: Any, control: Standin, pool: str
) -> None:
    control.knobs(lag=30)
    add(client, pool, *named("ada", "bob"))
    control.knobs(lag=0)
    client.admin_delete_user(UserPoolId=pool, Username="ada@uni.example")
    assert listed(client, pool) == {"bob@uni.example"}


def test_a_clock_that_goes_back_leaves_nobody_out_of_a_list_that_is_not_late(
    client: Any, control: Standin, pool: str
) -> None:
    control.clock(forward=86_400)
    control.knobs(lag=30)
    add(client, pool, "ada@uni.example")
    client.create_group(UserPoolId=pool, GroupName="readers")
    client.admin_add_user_to_group(UserPoolId=pool, Username="ada@uni.example", GroupName="readers")
    control.clock(forward=-86_400)
    control.knobs(lag=0)
    assert listed(client, pool) == {"ada@uni.example"}
    assert len(client.list_users_in_group(UserPoolId=pool, GroupName="readers")["Users"]) == 1


def test_members_who_left_or_were_deleted_are_on_a_late_list_of_their_group(
    client: Any, control: Standin, pool: str
) -> None:
    group = {"UserPoolId": pool, "GroupName": "readers"}
    client.create_group(**group)
    add(client, pool, *named("ada", "bob", "eve", "new"))
    for name in named("ada", "bob", "eve"):
        client.admin_add_user_to_group(Username=name, **group)
    control.clock(forward=60)
    control.knobs(lag=30)
    client.admin_delete_user(UserPoolId=pool, Username="ada@uni.example")
    client.admin_remove_user_from_group(Username="bob@uni.example", **group)
    client.admin_add_user_to_group(Username="new@uni.example", **group)
    assert members(client, group) == set(named("ada", "bob", "eve"))
    control.clock(forward=60)
    assert members(client, group) == set(named("eve", "new"))


def members(client: Any, group: dict[str, str]) -> set[str]:
    """Two a page."""
    pages = client.get_paginator("list_users_in_group").paginate(**group, Limit=2)
    users = [user for page in pages for user in page["Users"]]
    found = [one["Value"] for user in users for one in user["Attributes"] if one["Name"] == "email"]
    assert len(found) == len(set(found))
    return set(found)


def test_who_leaves_a_group_and_comes_back_is_in_it_once() -> None:
    group = Group("readers", 0, 0)
    group.add("a", 1)
    group.remove("a", lag_from=10)
    assert list(group.seen_at(5, "")) == ["a"]
    group.add("a", 12)
    assert list(group.seen_at(11, "")) == []
    assert list(group.seen_at(13, "")) == ["a"]
    group.remove("a", lag_from=None)
    assert (list(group.seen_at(14, "")), group.order) == ([], [])


# mail


@pytest.mark.parametrize("left_behind", [True, False])
@pytest.mark.parametrize("mode", ["refuse", "drop"])
def test_at_nine_the_day_begins_and_a_clock_that_goes_back_gives_no_second_one(
    client: Any, control: Standin, pool: str, mode: str, left_behind: bool
) -> None:
    control.knobs(daily_mails=1, over_the_limit=mode, left_behind=left_behind)
    nine = datetime(2030, 1, 1, 9, tzinfo=UTC).timestamp()
    for number, moment in enumerate([nine - 30, nine - 20, nine, nine + 1, nine - 10]):
        control.clock(to=moment)
        told = {"UserPoolId": pool, "Username": f"{number}@uni.example", **INVITE}
        if mode == "refuse" and number not in (0, 2):
            refused("LimitExceededException", client.admin_create_user, **told)
        else:
            client.admin_create_user(**told)
    assert control.books()["messages"] == 2
    assert len(control.users(pool)) == (2 if mode == "refuse" and not left_behind else 5)


def test_there_are_two_ways_over_the_limit(control: Standin) -> None:
    with pytest.raises(ValueError, match="refuse or drop"):
        control.knobs(over_the_limit="explode")


def test_a_delivery_that_fails_is_no_message_that_was_sent(client: Any, control: Standin, pool: str) -> None:
    control.fault("AdminCreateUser", "delivery")
    told = {"UserPoolId": pool, "Username": "ada@uni.example", **INVITE}
    refused("CodeDeliveryFailureException", client.admin_create_user, **told)
    assert control.books()["messages"] == 0
    assert len(control.users(pool)) == 1


# names


def test_a_phone_number_is_a_name_only_where_it_may_be_a_username(client: Any, make_pool: MakePool) -> None:
    phone = attributes(phone_number="+441234")
    by_mail, by_both = make_pool(), make_pool(UsernameAttributes=["email", "phone_number"])
    for name in named("ada", "bob"):
        add(client, by_mail, name, UserAttributes=phone, **SILENT)
    refused("UserNotFoundException", client.admin_get_user, UserPoolId=by_mail, Username="+441234")
    add(client, by_both, "+441234")
    told = {"UserPoolId": by_both, "Username": "ada@uni.example", "UserAttributes": phone, **SILENT}
    refused("UsernameExistsException", client.admin_create_user, **told)


def test_a_refused_user_takes_no_alias_by_force(client: Any, control: Standin, make_pool: MakePool) -> None:
    pool = make_pool(
        UsernameAttributes=[],
        AliasAttributes=["email", "preferred_username"],
        LambdaConfig={"PreSignUp": "arn:aws:lambda:eu-west-1:111122223333:function:watch"},
    )
    control.knobs(vetoes=["unwanted"])
    address = {"email": "ada@uni.example", "email_verified": "true"}
    add(client, pool, "ada", UserAttributes=attributes(**address, preferred_username="a"), **SILENT)
    told: dict[str, Any] = {"UserPoolId": pool, "ForceAliasCreation": True, **SILENT}
    taken = attributes(**address, preferred_username="A")
    refused("AliasExistsException", client.admin_create_user, Username="b", UserAttributes=taken, **told)
    refused(
        "UserLambdaValidationException",
        client.admin_create_user,
        Username="unwanted",
        UserAttributes=attributes(**address),
        **told,
    )
    assert client.admin_get_user(UserPoolId=pool, Username="ada@uni.example")["Username"] == "ada"


# seeding


def test_nobody_is_seeded_over_somebody_else(client: Any, control: Standin, pool: str) -> None:
    control.seed(pool, 5, start=50)
    with pytest.raises(ValueError, match="in the pool already"):
        control.seed(pool, 100)
    with pytest.raises(ValueError, match="at least 1"):
        control.seed(pool, 0)
    assert len(listed(client, pool)) == 5


# quotas


def test_half_a_call_a_second_is_one_in_two_seconds() -> None:
    bucket = Bucket(0.5)
    assert (bucket.take(), bucket.take()) == (True, False)
    bucket.at -= 2
    assert (bucket.take(), bucket.take()) == (True, False)


def test_a_bucket_kept_from_before_a_restart_of_the_machine_goes_on() -> None:
    bucket = Bucket(2, tokens=1.0, at=time.monotonic() + 10_000)
    assert bucket.take()


def test_a_neighbour_who_wants_more_than_there_is_leaves_one_call_and_no_more() -> None:
    bucket = Bucket(25, neighbour=40)
    assert (bucket.take(), bucket.take()) == (True, False)
    bucket.at -= 60
    assert not bucket.take()


def test_a_call_that_the_category_refuses_costs_nothing_of_the_pools_own_bound() -> None:
    quotas = Quotas(rates={"UserPoolResourceUpdate": 0.0}, per_pool=1.0)
    assert not quotas.take("CreateGroup", "a")
    quotas.buckets.pop(("UserPoolResourceUpdate",))
    quotas.rates["UserPoolResourceUpdate"] = 15.0
    assert quotas.take("CreateGroup", "a")


def test_the_tags_of_two_pools_have_two_bounds(client: Any, control: Standin, make_pool: MakePool) -> None:
    arns = [client.describe_user_pool(UserPoolId=make_pool())["UserPool"]["Arn"] for _ in range(2)]
    control.quotas(every=1e6, per_pool=0.001)
    for arn in arns:
        client.list_tags_for_resource(ResourceArn=arn)
    refused("TooManyRequestsException", client.list_tags_for_resource, ResourceArn=arns[0])


# kept


def test_who_is_kept_comes_back_as_they_were(tmp_path: Path) -> None:
    keep = tmp_path / "kept"
    with servers.running(servers.standin(tmp_path, keep=keep)) as (one,):
        client, its = connect(one.url), Standin(one.url)
        pool = client.create_user_pool(PoolName="kept", UsernameAttributes=["email"])["UserPool"]["Id"]
        client.create_group(UserPoolId=pool, GroupName="readers")
        its.seed(pool, 200, groups={"readers": 0.5})
        its.knobs(lag=30)
        add(client, pool, "ada@uni.example", **INVITE)
        client.admin_delete_user(UserPoolId=pool, Username=address(7))
        before = (its.users(pool), its.user(pool, "ada@uni.example"), its.messages(), its.calls())
    with servers.running(servers.standin(tmp_path, keep=keep)) as (one,):
        client, its = connect(one.url), Standin(one.url)
        assert (its.users(pool), its.user(pool, "ada@uni.example"), its.messages(), its.calls()) == before
        its.quotas(every=1e6)
        its.clock(forward=60)
        assert "ada@uni.example" in listed(client, pool)
        assert address(7) not in listed(client, pool)
        assert members(client, {"UserPoolId": pool, "GroupName": "readers"})


def test_an_update_of_branding_names_the_pool_and_the_style(client: Any, control: Standin, pool: str) -> None:
    refused("InvalidParameterException", client.update_managed_login_branding)
    refused("InvalidParameterException", client.update_managed_login_branding, UserPoolId=pool)
