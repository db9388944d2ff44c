"""Sixteen readers of one pool: everybody once, or an error; never a short list."""

from __future__ import annotations

import threading
import time
import tracemalloc
import uuid
from collections.abc import Iterator
from itertools import islice

import pytest

from backups.core.snapshot import Entry, User
from backups.engine import lanes as module
from backups.engine.lanes import DIGITS, LANE, LEAD, WORTH, Seen, beginnings, every_user
from backups.engine.ports import Cause, PortError
from tests.build import a_sub, an_entry
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
    monkeypatch.setattr(module, "LOOK", 0.01)
    monkeypatch.setattr(pool, "page", 5)
    walk = every_user(pool, WORTH)
    first = next(walk)
    time.sleep(0.3)  # longer than a reader waits before it looks whether it shall stop
    assert pool.calls["users"] < 100, "of 240 pages"
    assert len({first["Username"], *names(walk)}) == WORTH + 200


def test_whoever_stops_listening_ends_the_readers(pool: FakePool) -> None:
    walk = every_user(pool, WORTH)
    assert len(names(islice(walk, 5))) == 5
    walk.close()
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


# --- everybody once ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimate", "lanes"), [(WORTH, 16), (LANE * 16, 16), (LANE * 16 + 1, 256), (LANE * 256 + 1, 4096)]
)
def test_a_lane_has_so_many_users_at_most(estimate: int, lanes: int) -> None:
    prefixes = beginnings(estimate)
    assert len(prefixes) == lanes
    assert len({len(prefix) for prefix in prefixes}) == 1 and set("".join(prefixes)) == set(DIGITS)


def test_more_lanes_than_readers_lose_nobody(pool: FakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LANE", 10)
    found = names(every_user(pool, WORTH))
    assert len(found) == WORTH + 200 and set(found) == set(pool.entries)
    assert pool.calls["users"] >= 256


@pytest.mark.parametrize("estimate", [0, WORTH])
def test_a_user_whom_a_chain_repeats_is_given_once(pool: FakePool, estimate: int) -> None:
    class Repeating(FakePool):
        def users(self, prefix: str = "") -> Iterator[Entry]:
            yield from pool.users(prefix)
            yield from pool.users(prefix)

    found = names(every_user(Repeating(), estimate))
    assert len(found) == WORTH + 200 and set(found) == set(pool.entries)


def test_a_place_that_looks_at_no_filter_gives_everybody_once(pool: FakePool) -> None:
    class Deaf(FakePool):
        def users(self, prefix: str = "") -> Iterator[Entry]:
            return pool.users()

    found = names(every_user(Deaf(), WORTH))
    assert len(found) == WORTH + 200 and set(found) == set(pool.entries)


def test_somebody_of_no_lane_is_given_once() -> None:
    """A sub in another spelling, or none: whoever lists them, and how often, they are one user each."""

    class Odd(FakePool):
        def users(self, prefix: str = "") -> Iterator[Entry]:
            yield an_entry("ada@x.io", sub="ABCDEF")
            yield an_entry("", username="bob", sub="")
            yield an_entry("eve@x.io", sub="0-not-a-uuid") if prefix in ("", "0") else an_entry(sub="G")

    assert sorted(User.of(entry).key for entry in every_user(Odd(), WORTH)) == [
        "0-not-a-uuid",
        "ABCDEF",
        "G",
        "bob",
    ]


@pytest.mark.parametrize("nth", [3, 18, 25])
def test_a_lane_that_is_refused_in_its_middle_is_read_again(
    pool: FakePool, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    monkeypatch.setattr(pool, "page", 10)
    pool.fail("users", Cause.REFUSED, nth=nth)
    found = names(every_user(pool, WORTH))
    assert len(found) == WORTH + 200 and set(found) == set(pool.entries)


@pytest.mark.parametrize(
    ("estimate", "said"),
    [
        (0, "The list is not whole, also when it was read again 2 times: users are missing."),
        (WORTH, "The list is not whole, also when it was read again 2 times: users whose sub begins with “"),
    ],
)
def test_a_list_that_is_refused_again_and_again_says_what_is_missing(
    pool: FakePool, monkeypatch: pytest.MonkeyPatch, estimate: int, said: str
) -> None:
    monkeypatch.setattr(pool, "page", 10)
    pool.fail("users", Cause.REFUSED, nth=100, times=999)  # by then some lane was read to its end
    with pytest.raises(PortError) as error:
        names(every_user(pool, estimate))
    assert error.value.cause is Cause.REFUSED and error.value.code == "InvalidParameterException"
    assert said in str(error.value)


def test_keys_are_told_apart_exactly() -> None:
    seen = Seen()
    keys = [a_sub("ada"), a_sub("ada").upper(), a_sub("ada").replace("-", ""), f" {a_sub('ada')}", "ada", ""]
    assert [seen.add(key) for key in keys] == [True] * len(keys)
    assert [seen.add(key) for key in keys] == [False] * len(keys)


def test_a_hundred_thousand_subs_take_ten_megabytes() -> None:
    subs = [str(uuid.uuid4()) for _ in range(100_000)]
    tracemalloc.start()
    seen = Seen()
    assert all([seen.add(sub) for sub in subs])
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 10 * 1024 * 1024


def test_nobody_runs_ahead_of_the_slowest(pool: FakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lanes of 75 at 5 a page: while the seventh stands still the others stop, and all come to their end."""
    monkeypatch.setattr(pool, "page", 5)
    monkeypatch.setattr(module, "CHUNK", 5)
    still, at = threading.Event(), {}

    class Slow(FakePool):
        def users(self, prefix: str = "") -> Iterator[Entry]:
            for number, entry in enumerate(pool.users(prefix)):
                if prefix == "7" and number == 10:
                    still.wait()
                at[prefix] = number
                yield entry

    walk = every_user(Slow(), WORTH)
    found = names(islice(walk, 200))
    time.sleep(0.3)
    assert max(at.values()) <= 5 * (2 + LEAD + 2), "its own two chunks, the lead, the one in hand"
    still.set()
    assert len({*found, *names(walk)}) == WORTH + 200
