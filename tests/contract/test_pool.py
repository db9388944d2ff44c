"""What every user pool does: the promises of ``UserPool``, in memory and over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from backups.core.snapshot import Entry, Group, User
from backups.engine.ports import Cause, PortError, UserPool
from tests.contract.marks import differs, many, sends_mail
from tests.contract.worlds import World

PASSWORD = "Long-enough-2026"
BY_CASE = "tells addresses apart by case in a pool that must not"
INVITES_ANYBODY = "invites people who have a password of their own"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def pool(world: World) -> UserPool:
    return world.pool()


def fails(cause: Cause, do: Callable[[], object]) -> PortError:
    with pytest.raises(PortError) as caught:
        do()
    assert caught.value.cause is cause, caught.value
    return caught.value


def ada(pool: UserPool, email: str = "ada@uni.example") -> Entry:
    return pool.create_user(
        email, {"email": email, "email_verified": "true", "name": "Ada “Q” 日本", "custom:institution": "Uni"}
    )


# who the pool is


def test_facts_tell_how_the_pool_treats_its_users(world: World, pool: UserPool) -> None:
    facts = pool.facts()
    assert facts.name == world.pool_name
    assert facts.email_is_username
    assert not facts.case_sensitive
    assert facts.region == world.region
    assert re.fullmatch(r"\d{12}", facts.account)
    assert facts.mail == "COGNITO_DEFAULT"
    assert {"sub", "email", "email_verified", "custom:institution"} <= facts.attributes
    assert facts.required == {"name", "email"}
    assert facts.password_length >= 8
    assert facts.created.endswith("Z")
    assert facts.told.endswith(".000Z") and facts.told[:10] >= facts.created[:10]


def test_a_pool_that_does_not_exist_is_gone(world: World) -> None:
    pool = world.no_pool()
    fails(Cause.GONE, pool.facts)
    fails(Cause.GONE, lambda: list(pool.users()))
    fails(Cause.GONE, lambda: list(pool.groups()))
    fails(Cause.GONE, lambda: list(pool.members("admins")))
    fails(Cause.GONE, lambda: pool.create_user("ada@uni.example", {}))


# users


def test_a_new_user_has_an_identity_that_the_pool_gives(pool: UserPool) -> None:
    made = User.of(ada(pool))
    assert UUID.fullmatch(made.sub)
    assert made.username == made.sub
    assert made.email == "ada@uni.example"
    assert made.email_verified
    assert made.attributes["name"] == "Ada “Q” 日本"
    assert made.attributes["custom:institution"] == "Uni"
    assert made.status == "FORCE_CHANGE_PASSWORD"
    assert made.enabled


def test_a_user_is_read_in_the_shape_in_which_it_is_listed(pool: UserPool) -> None:
    made = User.of(ada(pool))
    (listed,) = map(User.of, pool.users())
    read = User.of(pool.get_user(made.username))
    assert read.attributes == listed.attributes
    for name in ("Username", "Enabled", "UserStatus", "UserCreateDate"):
        assert read.entry[name] == listed.entry[name]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", listed.created)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", listed.modified)


def test_a_user_is_found_by_the_address(pool: UserPool) -> None:
    made = ada(pool)
    assert pool.get_user("ada@uni.example")["Username"] == made["Username"]


def test_the_same_address_exists_already(pool: UserPool) -> None:
    ada(pool)
    fails(Cause.EXISTS, lambda: ada(pool))
    assert len(list(pool.users())) == 1


@differs(moto=BY_CASE, ministack=BY_CASE)
def test_an_address_that_differs_only_by_case_exists_already(pool: UserPool) -> None:
    ada(pool)
    fails(Cause.EXISTS, lambda: ada(pool, "Ada@Uni.example"))


def test_an_address_with_a_plus_is_somebody_else(pool: UserPool) -> None:
    ada(pool)
    ada(pool, "ada+two@uni.example")
    assert len(list(pool.users())) == 2


def test_an_old_username_is_no_username_here(pool: UserPool) -> None:
    fails(Cause.REFUSED, lambda: pool.create_user("45369ff1-bd34-471b-be31-14b7785a9727", {"name": "A"}))


@differs(moto="replaces a given sub and says nothing")
def test_nobody_can_bring_a_sub_of_their_own(pool: UserPool) -> None:
    given = {"email": "ada@uni.example", "sub": "45369ff1-bd34-471b-be31-14b7785a9727"}
    fails(Cause.REFUSED, lambda: pool.create_user("ada@uni.example", given))


@differs(moto="takes any attribute", ministack="takes any attribute")
@pytest.mark.parametrize("name", ["custom:nothing_like_it", "identities", "cognito:user_status"])
def test_an_attribute_that_is_not_the_pools_is_refused(pool: UserPool, name: str) -> None:
    fails(
        Cause.REFUSED, lambda: pool.create_user("ada@uni.example", {"email": "ada@uni.example", name: "[]"})
    )


def test_somebody_who_is_not_there_is_missing(pool: UserPool) -> None:
    pool.create_group(Group("admins"))
    nobody = "nobody@uni.example"
    fails(Cause.MISSING, lambda: pool.get_user(nobody))
    fails(Cause.MISSING, lambda: pool.groups_of(nobody))
    fails(Cause.MISSING, lambda: pool.set_password(nobody, PASSWORD))
    fails(Cause.MISSING, lambda: pool.disable_user(nobody))
    fails(Cause.MISSING, lambda: pool.add_to_group(nobody, "admins"))
    fails(Cause.MISSING, lambda: pool.resend_invitation(nobody))


def test_no_error_says_an_address_in_clear(pool: UserPool) -> None:
    ada(pool)
    for error in (
        fails(Cause.EXISTS, lambda: ada(pool)),
        fails(Cause.MISSING, lambda: pool.get_user("nobody@uni.example")),
    ):
        assert not re.search(r"\w@uni\.example", str(error))


@many(125)
def test_every_page_of_users_is_read(pool: UserPool) -> None:
    made = {ada(pool, f"user{n}@uni.example")["Username"] for n in range(125)}
    assert {entry["Username"] for entry in pool.users()} == made


def test_an_empty_pool_has_no_users_and_no_groups(pool: UserPool) -> None:
    assert list(pool.users()) == []
    assert list(pool.groups()) == []


# passwords, invitations, disabling


def test_a_permanent_password_confirms_and_may_be_set_again(pool: UserPool) -> None:
    username = ada(pool)["Username"]
    pool.set_password(username, PASSWORD)
    pool.set_password(username, PASSWORD)
    assert pool.get_user(username)["UserStatus"] == "CONFIRMED"


def test_a_password_shorter_than_the_policy_is_refused(pool: UserPool) -> None:
    username = ada(pool)["Username"]
    error = fails(Cause.REFUSED, lambda: pool.set_password(username, "Ab1-x"))
    assert error.code == "InvalidPasswordException"
    assert pool.get_user(username)["UserStatus"] == "FORCE_CHANGE_PASSWORD"


def test_a_disabled_user_is_still_listed_and_may_be_disabled_again(pool: UserPool) -> None:
    username = ada(pool)["Username"]
    pool.disable_user(username)
    pool.disable_user(username)
    (listed,) = pool.users()
    assert listed["Enabled"] is False
    assert pool.get_user(username)["Enabled"] is False


@sends_mail
def test_somebody_invited_waits_for_the_first_sign_in(pool: UserPool) -> None:
    attributes = {"email": "ada@uni.example", "email_verified": "true", "name": "Ada"}
    made = pool.create_user("ada@uni.example", attributes, invite=True)
    pool.resend_invitation("ada@uni.example")
    assert pool.get_user(made["Username"])["UserStatus"] == "FORCE_CHANGE_PASSWORD"


@differs(moto=INVITES_ANYBODY, ministack=INVITES_ANYBODY)
def test_somebody_confirmed_is_not_invited_again(pool: UserPool) -> None:
    username = ada(pool)["Username"]
    pool.set_password(username, PASSWORD)
    error = fails(Cause.REFUSED, lambda: pool.resend_invitation("ada@uni.example"))
    assert error.code == "UnsupportedUserStateException"


# groups


@many(65)
def test_groups_are_read_with_all_their_members(world: World, pool: UserPool) -> None:
    role = world.role()
    pool.create_group(Group("admins", "They may", 3, role))
    pool.create_group(Group("empty"))
    members = {ada(pool, f"user{n}@uni.example")["Username"] for n in range(65)}
    for username in members:
        pool.add_to_group(username, "admins")
    found = {group.name: group for group in pool.groups()}
    assert found.keys() == {"admins", "empty"}
    assert sorted(pool.members("admins")) == sorted(members)
    assert list(pool.members("empty")) == []
    assert found["admins"].description == "They may"
    assert found["admins"].precedence == 3
    assert found["admins"].role_arn == role
    assert (found["empty"].description, found["empty"].role_arn) == ("", "")
    assert not found["admins"].members, "they are read by themselves"


@differs(ministack="gives such a group the precedence 0, which is the highest")
def test_a_group_without_a_precedence_has_none(pool: UserPool) -> None:
    pool.create_group(Group("plain"))
    assert list(pool.groups()) == [Group("plain")]


def test_every_group_and_every_page_of_somebodys_groups_is_read(pool: UserPool) -> None:
    username = ada(pool)["Username"]
    names = {f"group-{n}" for n in range(65)}
    for name in sorted(names):
        pool.create_group(Group(name))
        pool.add_to_group(username, name)
    assert pool.groups_of(username) == names
    assert {group.name for group in pool.groups()} == names


def test_a_group_of_the_same_name_exists_already(pool: UserPool) -> None:
    pool.create_group(Group("admins"))
    fails(Cause.EXISTS, lambda: pool.create_group(Group("admins")))


def test_a_user_may_be_added_to_a_group_again(pool: UserPool) -> None:
    username = ada(pool)["Username"]
    pool.create_group(Group("admins"))
    pool.add_to_group(username, "admins")
    pool.add_to_group(username, "admins")
    assert pool.groups_of(username) == {"admins"}
    assert list(pool.members("admins")) == [username]


def test_a_group_that_does_not_exist_is_gone(pool: UserPool) -> None:
    username = ada(pool)["Username"]
    fails(Cause.GONE, lambda: pool.add_to_group(username, "nothing"))
    assert "nothing" in str(fails(Cause.GONE, lambda: list(pool.members("nothing"))))


# settings


def test_settings_that_cannot_be_read_say_why_and_never_raise(pool: UserPool) -> None:
    read = list(pool.settings())
    assert "user_pool" in {name for name, _, why in read if not why}
    assert "mfa" in {name for name, _, why in read if not why}
    assert all(value is None for _, value, why in read if why)


def test_the_settings_of_a_pool_that_is_gone_each_say_so(world: World) -> None:
    read = list(world.no_pool().settings())
    assert read
    assert "user_pool" in {name for name, value, why in read if why and value is None}
