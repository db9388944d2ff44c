"""Sixteen readers of one pool: everybody once, or an error; never a short list."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import islice

import pytest

from backups.core.snapshot import Entry
from backups.engine import lanes as module
from backups.engine.lanes import DIGITS, WORTH, every_user
from backups.engine.ports import Cause, PortError
from tests.fakes import FakePool


@pytest.fixture(scope="module")
def crowd() -> FakePool:
    pool = FakePool()
    for number in range(WORTH + 200):
        pool.add(f"person{number}@x.io")
    return pool


@pytest.fixture
def pool(crowd: FakePool) -> Iterator[FakePool]:
    crowd.calls.clear()
    yield crowd
    crowd._faults.clear()


def names(entries: Iterator[Entry]) -> list[str]:
    return [entry["Username"] for entry in entries]


def lanes_left() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("lane")]


def test_everybody_is_read_once(pool: FakePool) -> None:
    found = names(every_user(pool, WORTH + 200))
    assert len(found) == len(set(found)) == WORTH + 200
    assert set(found) == set(pool.entries)
    assert pool.calls["users"] >= len(DIGITS)


@pytest.mark.parametrize("estimate", [None, 0, WORTH - 1])
def test_a_small_pool_is_one_chain(pool: FakePool, estimate: int | None) -> None:
    assert len(names(every_user(pool, estimate))) == WORTH + 200
    assert pool.calls["users"] == (WORTH + 200) / pool.page


def test_an_estimate_that_is_wrong_loses_nobody() -> None:
    pool = FakePool()
    pool.add("ada@x.io")
    assert len(names(every_user(pool, 1_000_000))) == 1


@pytest.mark.parametrize("nth", [1, 9, 20])
def test_one_lane_that_fails_fails_all_of_them(pool: FakePool, nth: int) -> None:
    pool.fail("users", Cause.DENIED, nth=nth)
    with pytest.raises(PortError) as error:
        names(every_user(pool, WORTH))
    assert error.value.cause is Cause.DENIED
    assert lanes_left() == []


def test_readers_wait_for_whoever_listens_slowly(pool: FakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million users never stand in memory: the queue between them is bounded."""
    monkeypatch.setattr(module, "CHUNK", 5)
    monkeypatch.setattr(pool, "page", 5)
    walk = every_user(pool, WORTH)
    first = next(walk)
    time.sleep(0.3)  # longer than a reader waits before it looks whether it shall stop
    assert pool.calls["users"] < 100, "of 240 pages"
    assert len({first["Username"], *names(walk)}) == WORTH + 200


def test_whoever_stops_listening_ends_the_readers(pool: FakePool) -> None:
    walk = every_user(pool, WORTH)
    assert len(names(islice(walk, 5))) == 5
    walk.close()  # type: ignore[attr-defined]
    assert lanes_left() == []


def test_where_no_such_filter_is_known_one_chain_has_everybody(pool: FakePool) -> None:
    class Plain(FakePool):
        def users(self, prefix: str = "") -> Iterator[Entry]:
            if prefix:
                raise PortError("Cannot search by attribute sub.", Cause.REFUSED)
            yield from pool.users()

    assert len(names(every_user(Plain(), WORTH))) == WORTH + 200
    assert lanes_left() == []


def test_a_refusal_in_the_middle_is_no_end(pool: FakePool) -> None:
    pool.fail("users", Cause.REFUSED, nth=25, times=99)
    pool.page = 10
    try:
        with pytest.raises(PortError):
            names(every_user(pool, WORTH))
    finally:
        pool.page = 60
