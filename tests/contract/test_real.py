"""The suite against AWS keeps to what is its own: ministack plays AWS here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from backups.aws import session
from backups.aws.cognito import list_pools
from tests import servers
from tests.contract import real
from tests.contract.conftest import environment
from tests.contract.pools import Aws, address
from tests.contract.real import Asked, RealAws, Refused
from tests.servers import ACCOUNT, REGION, ROOT, Server

SETTINGS = {"CONTRACT_AWS_ACCOUNT": ACCOUNT, "CONTRACT_AWS_REGION": REGION}
TAGS = {real.TAG: real.TAGGED}


@pytest.fixture(autouse=True)
def account(own_ministack: Server) -> Iterator[Server]:
    """An account of AWS, with boto3's environment for it."""
    with environment(own_ministack.env):
        yield own_ministack


@pytest.fixture
def cognito() -> Any:
    return session.client("cognito-idp", REGION)


def aws(**settings: str) -> RealAws:
    return RealAws(Asked.of({**SETTINGS, **settings}))


def everything() -> set[str]:
    """The names of all pools, buckets and roles."""
    buckets = session.client("s3", REGION).list_buckets()["Buckets"]
    roles = session.client("iam", REGION).list_roles()["Roles"]
    return {
        *(pool_id for pool_id, _ in list_pools(REGION)),
        *(one["Name"] for one in buckets),
        *(one["RoleName"] for one in roles),
    }


def command(account: Server, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """What `make contract-aws` runs."""
    return subprocess.run(
        [sys.executable, "-m", "tests.contract", "-q", *arguments],
        cwd=ROOT,
        env={**servers.plain_environment(), **account.env, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


# what it refuses


@pytest.mark.parametrize("missing", SETTINGS)
def test_account_and_region_must_be_named(missing: str) -> None:
    with pytest.raises(Refused, match=missing):
        aws(**{missing: ""})


def test_the_command_says_what_is_missing_and_asks_nothing(account: Server) -> None:
    done = command(account, CONTRACT_AWS_REGION=REGION)
    assert done.returncode == 2
    assert done.stderr.startswith("CONTRACT_AWS_ACCOUNT must name the account")


def test_credentials_of_another_account_are_refused() -> None:
    with pytest.raises(Refused, match=f"of the account {ACCOUNT}; CONTRACT_AWS_ACCOUNT is 999988887777"):
        aws(CONTRACT_AWS_ACCOUNT="999988887777")


def test_the_command_ends_at_the_first_word_of_another_account(account: Server) -> None:
    settings = {**SETTINGS, "CONTRACT_AWS_ACCOUNT": "999988887777"}
    done = command(account, "-k", "test_a_group_is_made_once", **settings)
    assert done.returncode == 2
    assert f"These credentials are of the account {ACCOUNT}" in done.stdout + done.stderr


def test_a_pool_without_the_tag_is_refused_and_left_alone(cognito: Any) -> None:
    made = cognito.create_user_pool(PoolName="production", UserPoolTags={"team": "data"})["UserPool"]["Id"]
    with pytest.raises(Refused, match=f"pool {made} has no tag cognito-admin=contract"):
        aws(CONTRACT_AWS_POOL=made)
    assert made in everything()
    cognito.delete_user_pool(UserPoolId=made)


def test_a_given_pool_must_be_empty(cognito: Any) -> None:
    made = cognito.create_user_pool(PoolName="given", UserPoolTags=TAGS)["UserPool"]["Id"]
    cognito.admin_create_user(UserPoolId=made, Username="ada", MessageAction="SUPPRESS")
    with pytest.raises(Refused, match="is not empty: it has Users"):
        aws(CONTRACT_AWS_POOL=made)
    cognito.delete_user_pool(UserPoolId=made)


def test_a_pool_that_loses_the_tag_is_neither_used_nor_deleted(cognito: Any) -> None:
    world = aws()
    rules = Aws(world)
    pool, other = rules.pool("email"), rules.pool("username")
    arn = pool.describe()["Arn"]
    cognito.untag_resource(ResourceArn=arn, TagKeys=[real.TAG])
    with pytest.raises(Refused):
        rules.pool("email")
    with pytest.raises(RuntimeError, match=f"{pool.id}.* has no tag"):
        world.close()
    left = everything()
    assert pool.id in left
    assert other.id not in left
    cognito.delete_user_pool(UserPoolId=pool.id)


# what it makes


def test_all_that_it_makes_is_named_tagged_and_deleted() -> None:
    before = everything()
    world = aws()
    pool = Aws(world).new_pool(DeletionProtection="ACTIVE")
    pool.create_user_pool_domain(Domain="contract-of-test")
    store = world.store()
    store.put("key", [b"one"])
    world.overwrite(store, "key", b"two")
    world.delete(store, "key")
    role = world.role().rpartition("/")[2]
    described = pool.describe()
    assert described["UserPoolTags"] == TAGS
    for name in (described["Name"], store.bucket, role):
        assert name.startswith("cognito-admin-contract-")
    assert everything() - before == {pool.id, store.bucket, role}
    world.close()
    assert everything() == before


def test_what_comes_to_be_in_a_given_pool_is_deleted_and_the_pool_stays(cognito: Any) -> None:
    made = cognito.create_user_pool(PoolName="given", UserPoolTags=TAGS, UsernameAttributes=["email"])[
        "UserPool"
    ]["Id"]
    world = aws(CONTRACT_AWS_POOL=made)
    pool = Aws(world).pool("email")
    assert pool.id == made
    pool.add(address())
    pool.create_group(GroupName="admins")
    pool.app()
    world.close()
    assert list(world.contents(made)) == []
    cognito.delete_user_pool(UserPoolId=made)


def test_the_command_leaves_nothing_behind(account: Server) -> None:
    before = everything()
    chosen = "test_a_group_is_made_once or group_of_the_same_name or test_a_username_has_no_spaces"
    done = command(account, "-k", chosen, **SETTINGS)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 passed" in done.stdout and "1 failed" in done.stdout  # ministack takes spaces, and is no AWS
    assert "no_spaces[aws]" in done.stdout
    assert everything() == before


@pytest.mark.parametrize(
    ("setting", "mark"), [("CONTRACT_AWS_MAIL", "sends_mail"), ("CONTRACT_AWS_MANY", "many")]
)
def test_mail_and_many_users_are_asked_for(request: pytest.FixtureRequest, setting: str, mark: str) -> None:
    item = request.node
    assert aws_allows(item)
    item.add_marker(mark)
    assert not aws_allows(item)
    assert aws_allows(item, **{setting: "1"})


def aws_allows(item: pytest.Item, **settings: str) -> bool:
    return Asked.of({**SETTINGS, **settings}).allows(item)
