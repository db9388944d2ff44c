"""Eight readers of the groups: all of them with all their members, as listed, or an error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from backups.core.snapshot import Group
from backups.engine.groups import READERS, every_group
from backups.engine.pace import PATIENCE, Pace
from backups.engine.ports import Cause, PortError, Stop, T, never
from tests.fakes import FakeClock, FakePool

MANY = 3 * READERS
NAMES = [f"group-{number * 7 % MANY}" for number in range(MANY)]  # in no order of their own


@pytest.fixture
def pool() -> FakePool:
    pool = FakePool()
    for number, name in enumerate(NAMES):
        pool.create_group(Group(name, f"the {number}th", number))
    for number in range(10):
        pool.add(f"{number}@x.io", groups=NAMES[number : number + 3])
    pool.calls.clear()
    return pool


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("groups")]


def test_every_group_comes_as_it_is_listed_with_its_members(pool: FakePool) -> None:
    groups, deleted = every_group(pool)
    assert [(group.name, group.description, group.precedence) for group in groups] == [
        (name, f"the {number}th", number) for number, name in enumerate(NAMES)
    ]
    assert {group.name: set(group.members) for group in groups} == pool.memberships
    assert deleted == [] and pool.calls == {"groups": 1, "members": MANY}


def test_a_member_who_is_listed_twice_is_one() -> None:
    class Repeating(FakePool):
        def members(self, group: str, stopping: Callable[[], bool] = never) -> Iterator[str]:
            yield from super().members(group, stopping)
            yield from super().members(group, stopping)

    pool = Repeating()
    username = pool.add("ada@x.io", groups=["admins"])["Username"]
    assert every_group(pool) == ([Group("admins", members=(username,))], [])


def test_a_pool_without_groups_has_none() -> None:
    assert every_group(FakePool()) == ([], [])


def test_readers_work_side_by_side_and_no_more_of_them_than_eight(pool: FakePool) -> None:
    together, lock, inside, most = threading.Barrier(READERS, timeout=10), threading.Lock(), 0, 0

    def through(operation: str, do: Callable[[], T], /) -> T:
        nonlocal inside, most
        if operation != "members":
            return do()
        with lock:
            inside += 1
            most = max(most, inside)
        together.wait()  # passes when eight are here
        with lock:
            inside -= 1
        return do()

    pool.through = through
    assert len(every_group(pool)[0]) == MANY
    assert most == READERS


def test_members_are_read_while_the_list_of_groups_goes_on() -> None:
    asked = threading.Event()

    class Long(FakePool):
        def groups(self, stopping: Callable[[], bool] = never) -> Iterator[Group]:
            first, *others = super().groups(stopping)
            yield first
            assert asked.wait(10)
            yield from others

        def members(self, group: str, stopping: Callable[[], bool] = never) -> Iterator[str]:
            asked.set()
            return super().members(group, stopping)

    pool = Long()
    pool.add("ada@x.io", groups=["admins", "beta"])
    assert [group.name for group in every_group(pool)[0]] == ["admins", "beta"]


def endless(pool: FakePool, longest: str, begun: threading.Event) -> None:
    """This group has one page after the other."""
    members = pool.members

    def more(group: str, stopping: Callable[[], bool] = never) -> Iterator[str]:
        while group == longest:
            yield from members(group, stopping)
            begun.set()
            time.sleep(0.001)
        yield from members(group, stopping)

    pool.members = more  # type: ignore[method-assign]


def test_the_first_failure_ends_all_of_them_and_is_told_whole(pool: FakePool) -> None:
    begun = threading.Event()
    endless(pool, NAMES[0], begun)
    members = pool.members

    def failing(group: str, stopping: Callable[[], bool] = never) -> Iterator[str]:
        if group == NAMES[3]:
            assert begun.wait(10)
            raise PortError(f"Could not list the members of the group {group}.", Cause.DENIED, code="No")
        return members(group, stopping)

    pool.members = failing  # type: ignore[method-assign]
    with pytest.raises(PortError, match=f"members of the group {NAMES[3]}") as error:
        every_group(pool)
    assert (error.value.cause, error.value.code) == (Cause.DENIED, "No")


def test_after_a_failure_nobody_else_is_asked_for(pool: FakePool) -> None:
    for number in range(1000):
        pool.create_group(Group(f"more-{number}"))
    pool.fail("members", Cause.DENIED, nth=5)
    with pytest.raises(PortError) as error:
        every_group(pool)
    assert error.value.cause is Cause.DENIED
    assert pool.calls["members"] < 1000


def test_a_list_of_groups_that_breaks_ends_the_readers_too() -> None:
    begun = threading.Event()

    class Broken(FakePool):
        def groups(self, stopping: Callable[[], bool] = never) -> Iterator[Group]:
            yield from super().groups(stopping)
            assert begun.wait(10)
            raise PortError("Could not list the groups.", Cause.LOST)

    pool = Broken()
    pool.add("ada@x.io", groups=["admins"])
    endless(pool, "admins", begun)
    with pytest.raises(PortError, match="list the groups"):
        every_group(pool)


def test_a_stop_is_heard_within_the_pages_of_a_group(pool: FakePool) -> None:
    begun = threading.Event()
    endless(pool, NAMES[0], begun)
    with pytest.raises(Stop):
        every_group(pool, begun.is_set)


def test_throttles_without_end_are_an_error_and_a_stop_is_heard_between_them(pool: FakePool) -> None:
    clock = FakeClock()
    pool.through = Pace(clock, 0.8).call
    pool.fail("members", Cause.THROTTLED, times=10**9)
    with pytest.raises(PortError) as error:
        every_group(pool)
    assert error.value.cause is Cause.THROTTLED and clock.slept >= PATIENCE
    asked = pool.calls["members"]
    with pytest.raises(Stop):
        every_group(pool, lambda: pool.calls["members"] > asked)
    assert pool.calls["members"] <= asked + READERS


def deleting(pool: FakePool, what: Callable[[], object]) -> None:
    """It happens when the first list of members is asked for."""
    asked, lock = pool.through, threading.Lock()

    def through(operation: str, do: Callable[[], T], /) -> T:
        with lock:
            if operation == "members" and not pool.calls["members"]:
                what()
            return asked(operation, do)

    pool.through = through


def test_groups_that_are_deleted_while_they_are_read_are_left_out_by_name(pool: FakePool) -> None:
    deleting(pool, lambda: [pool.group_rows.pop(name) for name in NAMES[3:5]])
    groups, deleted = every_group(pool)
    assert [group.name for group in groups] == NAMES[:3] + NAMES[5:]
    assert deleted == NAMES[3:5] and pool.calls["facts"] == 2


def test_a_pool_that_is_deleted_while_they_are_read_is_gone(pool: FakePool) -> None:
    deleting(pool, lambda: setattr(pool, "gone", True))
    with pytest.raises(PortError, match=pool.pool_id) as error:
        every_group(pool)
    assert error.value.cause is Cause.GONE


def test_where_it_cannot_be_told_which_of_them_is_gone_it_is_an_error(pool: FakePool) -> None:
    deleting(pool, pool.group_rows.clear)
    pool.fail("facts", Cause.DENIED)
    with pytest.raises(PortError) as error:
        every_group(pool)
    assert error.value.cause is Cause.DENIED
