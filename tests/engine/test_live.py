"""A live pool read whole for a comparison or a plan, or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import IO

import orjson
import pytest

from backups.core.snapshot import Entry, Group, PoolFacts
from backups.engine import beside, reading
from backups.engine.lanes import WORTH
from backups.engine.live import read_pool
from backups.engine.pace import PATIENCE, Pace
from backups.engine.ports import Cause, PortError, Stop, T, never
from tests.fakes import FakeClock, FakePool, FakeReport


@pytest.fixture
def pool() -> FakePool:
    pool = FakePool()
    pool.add("ada@x.io", groups=["beta", "admins"])
    pool.add("bob@x.io", groups=["beta"])
    return pool


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    ours = ("lane", "beside", "groups")
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(ours)]


@pytest.fixture
def spooled(monkeypatch: pytest.MonkeyPatch) -> list[IO[bytes]]:
    """The temporary files, which hold personal data: they have no name, and are gone when they are closed."""
    files: list[IO[bytes]] = []
    spool = reading._spool

    def noted() -> IO[bytes]:
        files.append(spool())
        return files[-1]

    monkeypatch.setattr(reading, "_spool", noted)
    return files


def when(pool: FakePool, operation: str, nth: int, what: Callable[[], object]) -> None:
    """It happens just before the nth call of this operation from now on."""
    asked, lock = pool.through, threading.RLock()
    at = pool.calls[operation] + nth

    def through(name: str, do: Callable[[], T], /) -> T:
        with lock:
            if name == operation and pool.calls[name] + 1 == at:
                what()
            return asked(name, do)

    pool.through = through


def test_users_and_groups_are_read_and_counted(pool: FakePool) -> None:
    report = FakeReport()
    with read_pool(pool, report, "live") as found:
        assert (found.count, found.label, found.facts) == (2, f"live:{pool.pool_id}", pool.facts())
        assert {user.username for user in found.users()} == set(pool.entries)
        assert found.groups is not None and [group.name for group in found.groups] == ["admins", "beta"]
        assert {group.name: set(group.members) for group in found.groups} == pool.memberships
        assert (found.settings, found.unread) == (None, {})
    assert report.counters == {"live": 2, "groups": 2, "memberships": 3}
    assert pool.calls["settings"] == 0


def test_without_groups_memberships_are_not_known(pool: FakePool) -> None:
    with read_pool(pool, FakeReport(), "live", groups=False) as found:
        assert found.groups is None and found.memberships is None
    assert pool.calls["groups"] == pool.calls["members"] == 0


def test_settings_come_without_their_secrets_and_with_what_could_not_be_read(pool: FakePool) -> None:
    pool.setting_values["clients"] = [{"ClientName": "web", "ClientSecret": "not-to-be-told"}]
    pool.setting_errors["domain"] = "AWS said no."
    with read_pool(pool, FakeReport(), "live", settings=True) as found:
        assert found.settings == {
            "user_pool": {"Id": pool.pool_id, "Name": pool.name},
            "mfa": {},
            "clients": [{"ClientName": "web"}],
        }
        assert found.unread == {"domain": "AWS said no."}
    assert "not-to-be-told" not in orjson.dumps(found.settings).decode()


def test_groups_and_settings_are_read_while_the_users_stream_by(pool: FakePool) -> None:
    """Each of the three waits until the other two have begun."""
    begun = threading.Barrier(3, timeout=10)
    asked = pool.through

    def through(name: str, do: Callable[[], T], /) -> T:
        if name in ("users", "groups", "settings") and not pool.calls[name]:
            begun.wait()
        return asked(name, do)

    pool.through = through
    del pool.setting_values["mfa"]
    with read_pool(pool, FakeReport(), "live", settings=True) as found:
        assert found.count == 2 and found.groups and found.settings


def test_a_user_whom_the_list_repeats_is_one_user(pool: FakePool) -> None:
    class Repeating(FakePool):
        def users(self, prefix: str = "") -> Iterator[Entry]:
            yield from pool.users()
            yield from pool.users()

    with read_pool(Repeating(), FakeReport(), "live") as found:
        assert found.count == len(list(found.users())) == 2


def test_a_large_pool_is_counted_while_it_is_read_and_can_be_stopped(spooled: list[IO[bytes]]) -> None:
    pool = FakePool()
    for number in range(130):
        pool.add(f"{number}@x.io")
    report = FakeReport()
    with read_pool(pool, report, "live") as found:
        assert (found.count, report.counters["live"]) == (130, 130) and report.asked >= 2
    with pytest.raises(Stop):
        read_pool(pool, FakeReport(stop_after=1), "live")
    assert len(spooled) == 4 and all(file.closed for file in spooled)


# --- bad days ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["facts", "users", "groups", "members"])
def test_a_pool_that_does_not_answer_is_not_read_by_halves(
    pool: FakePool, operation: str, spooled: list[IO[bytes]]
) -> None:
    pool.fail(operation, Cause.DENIED)
    with pytest.raises(PortError):
        read_pool(pool, FakeReport(), "live", settings=True)
    assert all(file.closed for file in spooled)


def test_a_setting_that_does_not_answer_is_named_and_ends_nothing(pool: FakePool) -> None:
    pool.fail("settings", Cause.DENIED)
    with read_pool(pool, FakeReport(), "live", settings=True) as found:
        assert found.settings == {"mfa": {}}
        assert found.unread == {"user_pool": "Could not settings: denied."}


@pytest.mark.parametrize("operation", ["users", "members", "settings"])
def test_a_pool_that_is_deleted_while_it_is_read_is_gone(
    pool: FakePool, operation: str, spooled: list[IO[bytes]]
) -> None:
    when(pool, operation, 1, lambda: setattr(pool, "gone", True))
    with pytest.raises(PortError) as error:
        read_pool(pool, FakeReport(), "live", settings=True)
    assert error.value.cause is Cause.GONE
    assert all(file.closed for file in spooled)


def test_a_pool_that_is_deleted_behind_its_last_page_is_gone_too(pool: FakePool) -> None:
    when(pool, "facts", 2, lambda: setattr(pool, "gone", True))
    with pytest.raises(PortError) as error:
        read_pool(pool, FakeReport(), "live", groups=False)
    assert error.value.cause is Cause.GONE and pool.calls["users"] == 1


def test_a_group_that_is_deleted_while_it_is_read_is_left_out_and_noted(pool: FakePool) -> None:
    when(pool, "members", 1, lambda: pool.group_rows.pop("beta"))
    report = FakeReport()
    with read_pool(pool, report, "live") as found:
        assert found.groups is not None and [group.name for group in found.groups] == ["admins"]
    assert report.text == "The group beta was deleted while the pool was read. It is left out."
    assert report.counters == {"live": 2, "groups": 1, "memberships": 1}


def test_members_who_are_throttled_for_ever_are_an_error(pool: FakePool, spooled: list[IO[bytes]]) -> None:
    clock = FakeClock()
    pool.through = Pace(clock, 0.8).call
    pool.fail("members", Cause.THROTTLED, times=10**9)
    with pytest.raises(PortError) as error:
        read_pool(pool, FakeReport(), "live")
    assert error.value.cause is Cause.THROTTLED and clock.slept >= PATIENCE
    assert all(file.closed for file in spooled)


def test_a_cancel_is_heard_while_only_groups_are_waited_for(
    pool: FakePool, monkeypatch: pytest.MonkeyPatch, spooled: list[IO[bytes]]
) -> None:
    monkeypatch.setattr(beside, "TICK", 0.01)

    class Endless(FakePool):
        def members(self, group: str, stopping: Callable[[], bool] = never) -> Iterator[str]:
            while True:
                yield from super().members(group, stopping)
                time.sleep(0.001)

    pool.__class__ = Endless
    with pytest.raises(Stop):
        read_pool(pool, FakeReport(stop_after=3), "live")
    assert all(file.closed for file in spooled)


# --- a pool that changes meanwhile -------------------------------------------------------------------


def test_a_pool_that_stands_still_has_nobody_changing(pool: FakePool) -> None:
    with read_pool(pool, FakeReport(), "live") as found:
        assert (found.changing, found.strangers) == (0, 0)


def test_who_changes_or_comes_while_it_is_read_is_counted() -> None:
    pool = FakePool()
    for number in range(WORTH):
        pool.add(f"{number}@x.io")
    username = next(iter(pool.entries))

    def change() -> None:
        pool.clock.advance(1)
        pool._touch(pool.entries[username], Enabled=False)
        pool.add("new@x.io")

    class Changing(FakePool):
        def users(self, prefix: str = "") -> Iterator[Entry]:
            with self._lock:
                if len(self.entries) == WORTH:
                    change()
            return super().users(prefix)

    pool.__class__ = Changing
    with read_pool(pool, FakeReport(), "live") as found:
        assert (found.count, found.changing) == (WORTH + 1, 2)


def test_where_aws_does_not_tell_its_time_nobody_is_called_changing(pool: FakePool) -> None:
    class Timeless(FakePool):
        def facts(self) -> PoolFacts:
            return PoolFacts(self.pool_id, self.name, self.region, self.account)

    pool.__class__ = Timeless
    with read_pool(pool, FakeReport(), "live") as found:
        assert (found.count, found.changing) == (2, 0)


def test_members_who_are_in_no_list_of_users_are_counted_once(pool: FakePool) -> None:
    late = pool.add("eve@x.io", groups=["beta", "admins"])["Username"]
    pool.unlisted.add(late)  # ListUsers lags behind
    pool.memberships["beta"].add("deleted-meanwhile")
    with read_pool(pool, FakeReport(), "live") as found:
        assert (found.count, found.strangers) == (2, 2)
        assert (
            found.groups is not None
            and Group("beta", members=(*sorted(pool.memberships["beta"]),)) in found.groups
        )
