"""One suite, several worlds: the fakes in memory, the stand-in, moto, ministack, and AWS when it is named.

Port level: ``world`` is each of them in turn, and tests speak our ports. Rule level: ``aws`` is
each world that boto3 can speak to, and tests speak boto3 (test_rules_*.py). Where a world does not do
what AWS does, the test is marked so (marks.py) and must fail there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from backups.aws import session
from tests import servers
from tests.contract import marks, real
from tests.contract.pools import Aws, Pool
from tests.contract.worlds import Fakes, Remote, StandinWorld, World
from tests.servers import Server
from tests.standin.client import Standin


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for a world is asked in each of its worlds; in AWS alone when that is asked for."""
    if "world" not in metafunc.fixturenames:
        return
    usual = marks.RULES if "aws" in metafunc.fixturenames else marks.PORTS
    asked = marks.worlds_of(metafunc.definition, usual)
    names = [name for name in asked if (name == "aws") == bool(real.asked)]
    metafunc.parametrize("world", names, indirect=True, scope="package")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = []
    for item in items:
        if "served" in getattr(item, "fixturenames", ()) and not marks.world_of(item):
            item.add_marker(marks.only_standin("policy variables, MFA, partitions and faults of STS and IAM"))
        marks.expect(item)
        if real.asked and marks.world_of(item) == "aws":
            item.add_marker(pytest.mark.aws)
            if not real.asked.allows(item):
                left_out.append(item)
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def own_ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Ours alone, for its own world and for what the stand-in's world has beside Cognito."""
    with servers.running(servers.ministack(tmp_path_factory.mktemp("ministack"))) as (server,):
        yield server


@contextmanager
def environment(env: Mapping[str, str]) -> Iterator[None]:
    """boto3's environment is this and nothing else; the clients of before are forgotten."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in env.items():
            patch.setenv(name, value)
        session.forget()
        yield
    session.forget()


@pytest.fixture(scope="package")  # its environment must not be that of other folders' tests
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    name = request.param
    if name == "fakes":
        yield Fakes()
    elif name == "aws":
        assert real.asked
        with environment(real.asked.env), real.throwaway(real.asked) as aws:
            yield aws
    elif name == "ministack":
        with environment(request.getfixturevalue("own_ministack").env):
            yield Remote(name)
    elif name == "standin":
        beside = request.getfixturevalue("own_ministack")
        with (
            servers.running(servers.standin(tmp_path_factory.mktemp(name))) as (server,),
            environment({**beside.env, **server.env}),
        ):
            yield StandinWorld(Standin(server.url))
    elif name == "moto":
        with (
            servers.running(servers.moto(tmp_path_factory.mktemp(name))) as (server,),
            environment(server.env),
        ):
            yield Remote(name)


@pytest.fixture
def standin(world: StandinWorld) -> Iterator[Standin]:
    """The stand-in's control; afterwards it is as before, but for its pools."""
    yield world.control
    world.calm()


@pytest.fixture(scope="package")
def aws(world: Remote) -> Aws:
    return Aws(world)


@pytest.fixture
def email_pool(aws: Aws) -> Pool:
    """The e-mail is the username, in any case of letters: like the application's."""
    return aws.pool("email")


@pytest.fixture
def case_pool(aws: Aws) -> Pool:
    """The e-mail is the username, and case of letters matters."""
    return aws.pool("email by case")


@pytest.fixture
def username_pool(aws: Aws) -> Pool:
    """Usernames are free, and case of letters matters."""
    return aws.pool("username")


@pytest.fixture
def alias_pool(aws: Aws) -> Pool:
    """Usernames are free; a verified e-mail finds somebody too."""
    return aws.pool("alias")


@pytest.fixture
def crowd(aws: Aws) -> Pool:
    """65 people whom nobody changes (pools.crowd)."""
    return aws.pool("crowd")
