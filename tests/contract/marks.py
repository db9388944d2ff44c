"""Where a test runs, and where it must fail: readable when the tests are collected, before any server starts.

    @differs(moto="takes any length", ministack="takes any length")
    @worlds("moto", "ministack", why="S3 of the stand-in's world is ministack's")
    @only_standin("no other server can be told to lag")

A world that ``differs`` runs the test all the same and must fail it: a mark that no longer holds fails
the run. The reasons go on after the world's name, and stand in docs/emulators.md.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from backups.engine.ports import PortError

EMULATORS = ("standin", "moto", "ministack")
PORTS = ("fakes", *EMULATORS, "aws")  # tests of our own ports
RULES = (*EMULATORS, "aws")  # tests that speak boto3
WORLD_PARAMETERS = ("world", "aws")  # fixtures whose parameter is a world
MOST_USERS = 150  # that one test may make: on AWS each is a call of 50 a second, and an active user
REGISTERED = (
    "differs(**why): per world, what it does instead of what AWS does; the test must fail there",
    "worlds(*names, why): the only worlds in which this can be asked",
    "only_standin(why): nobody else can be made to show it",
    "sends_mail: on AWS only with CONTRACT_AWS_MAIL=1",
    f"many(users): makes so many users, at most {MOST_USERS}; on AWS only with CONTRACT_AWS_MANY=1",
    "aws: runs against a real, throw-away pool (make contract-aws)",
)

sends_mail = pytest.mark.sends_mail


def differs(**why: str) -> pytest.MarkDecorator:
    """World -> what it does instead, as the end of a sentence that begins with its name."""
    return pytest.mark.differs(**why)


def worlds(*names: str, why: str) -> pytest.MarkDecorator:
    return pytest.mark.worlds(*names, why=why)


def only_standin(why: str) -> pytest.MarkDecorator:
    return pytest.mark.only_standin(why)


def many(users: int) -> pytest.MarkDecorator:
    assert users <= MOST_USERS
    return pytest.mark.many(users)


def worlds_of(definition: pytest.Item, usual: tuple[str, ...]) -> tuple[str, ...]:
    """The worlds in which a test is asked, in our order."""
    if definition.get_closest_marker("only_standin"):
        return ("standin",)
    mark = definition.get_closest_marker("worlds")
    return tuple(name for name in usual if mark is None or name in mark.args)


def world_of(item: pytest.Item) -> str:
    """The world that this item is asked in; "" when it is asked in none."""
    if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
        for name in WORLD_PARAMETERS:
            if isinstance(found := item.callspec.params.get(name), str):
                return found
    return "standin" if item.get_closest_marker("only_standin") else ""


def reasons(item: pytest.Item, world: str) -> Iterator[str]:
    """Why the test must fail in this world; none when it must pass."""
    for mark in item.iter_markers("differs"):
        if world in mark.kwargs:
            yield str(mark.kwargs[world])


def expect(item: pytest.Item) -> None:
    """Turn the reasons of its world into a strict xfail. A mistake in the test itself is none."""
    world = world_of(item)
    for why in reasons(item, world):
        raised = (AssertionError, pytest.fail.Exception, ClientError, PortError)
        item.add_marker(pytest.mark.xfail(strict=True, raises=raised, reason=f"{world} {why}"))
