"""Settings and groups beside the users: put in their order, and data.json never without them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from backups.core.snapshot import Group
from backups.engine import beside as module
from backups.engine.beside import Beside
from backups.engine.groups import READERS
from backups.engine.ports import Cause, PortError, Stop, Stored, T
from tests.build import KEY, a_backup
from tests.fakes import FakePool, FakeReport, FakeStore


@pytest.fixture
def pool() -> FakePool:
    pool = FakePool()
    for number in range(130):
        pool.add(f"{number}@x.io", groups=["beta", "admins"] if number < 3 else ())
    return pool


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("beside")]


def slow(pool: FakePool, operation: str, until: Callable[[], bool]) -> None:
    """Calls of this operation wait until it holds."""

    def through(name: str, do: Callable[[], T], /) -> T:
        while name == operation and not until():
            time.sleep(0.01)
        return do()

    pool.through = through


def test_users_do_not_wait_for_settings_and_are_not_there_before_them(
    pool: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK", 0.01)
    slow(pool, "settings", lambda: pool.calls["users"] == 3)
    store = FakeStore()
    assert a_backup(store, pool).manifest.users == 130
    assert list(store.objects) == [
        f"{KEY}/{name}" for name in ("pool.json", "groups.json", "data.json", "manifest.json")
    ]


def test_groups_do_not_wait_for_settings_and_come_after_them(pool: FakePool) -> None:
    slow(pool, "settings", lambda: pool.calls["members"] == 2)
    store = FakeStore()
    assert a_backup(store, pool).manifest.memberships == 6
    assert [key.rpartition("/")[2] for key in store.objects][:2] == ["pool.json", "groups.json"]


def test_what_fails_beside_ends_the_users_early(pool: FakePool) -> None:
    pool.fail("groups", Cause.DENIED)
    asked = pool.users

    def users(prefix: str = "") -> Iterator[Any]:
        for entry in asked(prefix):
            time.sleep(0.002)
            yield entry

    store, report = FakeStore(), FakeReport()
    pool.users = users  # type: ignore[method-assign]
    with pytest.raises(PortError):
        a_backup(store, pool, report=report)
    assert report.counters["users"] < 130
    assert {key.rpartition("/")[2] for key in store.objects} <= {"pool.json"}


def test_a_failure_is_told_before_what_is_to_be_put_first(pool: FakePool) -> None:
    left = threading.Event()
    slow(pool, "settings", left.is_set)
    pool.fail("groups", Cause.DENIED)
    with pytest.raises(PortError), Beside(pool, FakeReport(), lambda read: None, lambda read: None) as beside:
        try:
            beside.finish()
        finally:
            left.set()


def test_what_is_put_nowhere_is_not_read(pool: FakePool) -> None:
    with Beside(pool, FakeReport(), None, None) as beside:
        beside.finish()
    assert pool.calls["settings"] == pool.calls["groups"] == 0


def test_a_group_that_is_deleted_meanwhile_is_left_out_and_told(pool: FakePool) -> None:
    def through(name: str, do: Callable[[], T], /) -> T:
        answer = do()
        if name == "groups":
            del pool.group_rows["beta"]
        return answer

    pool.through = through
    report = FakeReport()
    made = a_backup(FakeStore(), pool, report=report)
    assert (made.manifest.groups, made.manifest.memberships) == (1, 3)
    assert "The group beta was deleted while the pool was read. It is left out." in report.text


def test_a_stop_ends_the_waiting(pool: FakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK", 0.01)
    report = FakeReport(stop_after=20)
    slow(pool, "settings", report.stopping)
    with pytest.raises(Stop):
        a_backup(FakeStore(), pool, report=report)


@pytest.mark.parametrize("operation", ["settings", "members"])
def test_whoever_leaves_early_reads_no_further(pool: FakePool, operation: str) -> None:
    begun, left = threading.Event(), threading.Event()

    def through(name: str, do: Callable[[], T], /) -> T:
        answer = do()
        if name == operation:
            begun.set()
            left.wait()
        return answer

    for number in range(2 * READERS):
        pool.create_group(Group(f"group-{number}"))
    pool.through = through
    groups: list[Group] = []
    with Beside(pool, FakeReport(), lambda read: None, groups.extend) as beside:
        begun.wait()
        beside._stop.set()
        left.set()
    assert pool.calls[operation] <= (READERS if operation == "members" else 1) and groups == []


@pytest.mark.parametrize("operation", ["settings", "members"])
def test_a_cancel_is_heard_within_one_call_of_a_long_setting(pool: FakePool, operation: str) -> None:
    """One setting may be thousands of calls, each of them failing for as long as the pace is patient."""
    begun, tries = threading.Event(), 1000

    def through(name: str, do: Callable[[], T], /) -> T:
        for _ in range(tries if name == operation else 0):  # as the pace does, which asks again
            do()
            begun.set()
            time.sleep(0.01)
        return do()

    pool.through = through
    with pytest.raises(Stop), Beside(pool, FakeReport(), lambda read: None, lambda read: None):
        assert begun.wait(10)
        raise Stop("cancel")
    assert 0 < pool.calls[operation] < tries


def test_a_pool_that_is_deleted_while_it_is_read_is_no_backup(pool: FakePool) -> None:
    class Store(FakeStore):
        def put(self, key: str, chunks: Iterable[bytes]) -> Stored:
            stored = super().put(key, chunks)
            pool.gone = key.endswith("data.json")
            return stored

    store = Store()
    with pytest.raises(PortError) as error:
        a_backup(store, pool)
    assert error.value.cause is Cause.GONE
    assert not any(key.endswith("manifest.json") for key in store.objects)
