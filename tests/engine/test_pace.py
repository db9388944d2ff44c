"""Never faster than the share, slower as soon as AWS says so, and nothing done twice."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.engine.pace import (
    ADJUSTABLE,
    CATEGORY,
    GIVE_UP_AFTER,
    NOT_REPEATABLE,
    PATIENCE,
    QUOTAS,
    STEP,
    Bucket,
    Pace,
    Standing,
)
from backups.engine.ports import Cause, PortError
from tests.build import laws
from tests.fakes import FakeClock, FakePool

READS = "get_user"
LIMIT = QUOTAS[CATEGORY[READS]]


class Watched(FakeClock):
    """Knows its longest sleep, in seconds."""

    longest = 0.0

    def sleep(self, seconds: float) -> None:
        self.longest = max(self.longest, seconds)
        super().sleep(seconds)


def times(bucket: Bucket, clock: FakeClock, calls: int) -> list[float]:
    found = []
    for _ in range(calls):
        while wait := bucket.take():
            clock.sleep(wait)
        found.append(clock.monotonic())
    return found


def busiest_second(moments: list[float]) -> int:
    return max(sum(start <= at < start + 1 - 1e-6 for at in moments) for start in moments)


@laws(40)
@given(
    limit=st.sampled_from([0.25, 1, 4, 12, 20, 24, 40]) | st.floats(1, 60),
    pauses=st.lists(st.floats(0, 3), max_size=6),
    busy=st.integers(1, 40),
    throttled=st.booleans(),
)
def test_no_second_ever_holds_more_than_the_share(
    limit: float, pauses: list[float], busy: int, throttled: bool
) -> None:
    clock = FakeClock()
    bucket = Bucket(limit, clock)
    moments = times(bucket, clock, busy)
    for pause in pauses:
        clock.advance(pause)
        if throttled:
            bucket.slow_down()
        moments += times(bucket, clock, busy)
    assert busiest_second(moments) <= max(1, limit + 1e-9)  # as near as a float can be


def test_the_share_is_used_to_the_full() -> None:
    clock = FakeClock()
    moments = times(Bucket(24, clock), clock, 240)
    assert moments[-1] - moments[0] == pytest.approx(10, rel=0.02)


def test_each_category_has_its_own_share() -> None:
    pace = Pace(FakeClock(), 0.5)
    halves = {name: Standing(quota / 2, quota / 2, 0) for name, quota in QUOTAS.items()}
    assert pace.standing() == halves
    assert set(CATEGORY.values()) == set(QUOTAS) - {"LimitManagement"}
    assert set(QUOTAS) > ADJUSTABLE


def test_a_bucket_that_is_not_taken_from_goes_on_refusing() -> None:
    clock = FakeClock()
    bucket = Bucket(4, clock)
    assert bucket.take() == 0
    assert [bucket.take(), bucket.take()] == [pytest.approx(0.25), pytest.approx(0.25)]
    clock.advance(0.25)
    assert bucket.take() == 0


def test_no_sleep_is_long_however_small_the_share() -> None:
    clock = Watched()
    pace = Pace(clock, 0.01)
    for _ in range(3):
        pace.call("facts", lambda: None)
    assert clock.slept == pytest.approx(2 / 0.15) and clock.longest == STEP


def test_a_throttled_call_is_asked_again_and_the_pace_slows_once_a_second() -> None:
    clock = FakeClock()
    pool, pace = FakePool(clock=clock), Pace(clock, 1.0)
    pool.add("ada@x.io")
    pool.fail("get_user", Cause.THROTTLED, times=3)
    assert pace.call(READS, lambda: pool.get_user("ada@x.io"))["Enabled"]
    standing = pace.standing()[CATEGORY[READS]]
    assert (standing.limit, standing.throttled) == (LIMIT, 3)
    assert standing.rate == pytest.approx(LIMIT * 0.85, rel=0.01)


def test_it_comes_back_by_one_call_a_second_and_no_further_than_the_share() -> None:
    clock = FakeClock()
    bucket = Bucket(40, clock)
    for _ in range(3):
        bucket.slow_down()
        clock.advance(1)
    slow = bucket.rate
    assert slow < 40 * 0.9
    times(bucket, clock, 1)
    for _ in range(4):
        clock.advance(1)
        times(bucket, clock, 1)
    assert slow + 3 < bucket.rate < slow + 6
    clock.advance(60)
    times(bucket, clock, 1)
    assert bucket.rate == 40


@pytest.mark.parametrize("limit", [0.2, 0.5, 40])
def test_throttles_never_stop_it_altogether_nor_lift_a_small_share(limit: float) -> None:
    clock = FakeClock()
    bucket = Bucket(limit, clock)
    for _ in range(60):
        bucket.slow_down()
        assert min(limit, 0.5) <= bucket.rate <= limit
        clock.advance(1)


def test_nothing_but_throttles_is_given_up_in_the_end() -> None:
    clock = FakeClock()
    pool, pace = FakePool(clock=clock), Pace(clock, 1.0)
    pool.fail("create_user", Cause.THROTTLED, times=10**6)
    with pytest.raises(PortError) as error:
        pace.call("create_user", lambda: pool.create_user("ada@x.io", {}))
    assert error.value.cause is Cause.THROTTLED and PATIENCE <= clock.slept < PATIENCE + 5
    assert pool.entries == {}


@pytest.mark.parametrize("operation", sorted(set(CATEGORY) - NOT_REPEATABLE))
@pytest.mark.parametrize("cause", [Cause.LOST, Cause.UNREACHABLE])
def test_what_may_be_repeated_is_repeated_for_some_seconds(operation: str, cause: Cause) -> None:
    clock, asked = FakeClock(), 0

    def do() -> str:
        nonlocal asked
        asked += 1
        if asked < 4:
            raise PortError("no answer", cause)
        return "done"

    assert Pace(clock, 0.8).call(operation, do) == "done"
    asked = -(10**6)
    started = clock.monotonic()
    with pytest.raises(PortError):
        Pace(clock, 0.8).call(operation, do)
    assert GIVE_UP_AFTER <= clock.monotonic() - started < GIVE_UP_AFTER + 6


@pytest.mark.parametrize("operation", sorted(NOT_REPEATABLE))
def test_a_second_act_is_never_made_of_a_lost_answer(operation: str) -> None:
    clock, asked = FakeClock(), 0

    def do(cause: Cause) -> None:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise PortError("no answer", cause)

    with pytest.raises(PortError):
        Pace(clock, 0.8).call(operation, lambda: do(Cause.LOST))
    assert asked == 1
    Pace(clock, 0.8).call(operation, lambda: do(Cause.UNREACHABLE))  # no connection: nothing was done
    assert asked == 3


@pytest.mark.parametrize("cause", sorted(set(Cause) - {Cause.THROTTLED, Cause.LOST, Cause.UNREACHABLE}))
def test_an_answer_is_an_answer(cause: Cause) -> None:
    pool = FakePool()
    pool.fail("get_user", cause)
    with pytest.raises(PortError) as error:
        Pace(pool.clock, 0.8).call(READS, lambda: pool.get_user("ada@x.io"))
    assert error.value.cause is cause and pool.calls["get_user"] == 1


def test_patience_begins_with_the_first_failure_of_its_kind() -> None:
    clock, causes = FakeClock(), [*[Cause.THROTTLED] * 40, Cause.LOST]

    def do() -> str:
        if not causes:
            return "done"
        clock.advance(2)
        raise PortError("", causes.pop(0))

    assert Pace(clock, 0.8).call(READS, do) == "done"  # 80 s of throttles are no 20 s of silence


def test_threads_share_one_pace() -> None:
    clock = FakeClock()
    pace = Pace(clock, 0.8)
    threads = [
        threading.Thread(target=lambda: [pace.call(READS, lambda: None) for _ in range(50)]) for _ in range(4)
    ]
    began = clock.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.monotonic() - began >= (200 - LIMIT * 0.8) / (LIMIT * 0.8)


# --- what AWS allows today ----------------------------------------------------------------------------


def quota_of(**values: float | PortError) -> tuple[Callable[[str], float], list[str]]:
    """A GetProvisionedLimit, and the categories that it was asked for."""
    asked: list[str] = []

    def live(category: str) -> float:
        asked.append(category)
        value = values[category]
        if isinstance(value, PortError):
            raise value
        return value

    return live, asked


def test_a_bigger_quota_is_asked_for_once_before_the_first_call_of_its_category() -> None:
    live, asked = quota_of(UserRead=400)
    pace = Pace(FakeClock(), 0.5, live=live)
    assert asked == [] and pace.standing()["UserRead"].limit == 60
    for _ in range(3):
        pace.call("get_user", lambda: None)
    assert asked == ["UserRead"] and pace.standing()["UserRead"].limit == 200


@pytest.mark.parametrize("cause", sorted(Cause))
def test_whatever_goes_wrong_with_that_question_fails_no_call(cause: Cause) -> None:
    live, asked = quota_of(UserCreation=PortError("", cause))
    pace = Pace(FakeClock(), 0.5, live=live)
    assert [pace.call("create_user", lambda: "made") for _ in range(2)] == ["made", "made"]
    assert asked == ["UserCreation"] and pace.standing()["UserCreation"].limit == 25


def test_only_what_can_be_bought_is_asked_for() -> None:
    live, asked = quota_of()
    pace = Pace(FakeClock(), 0.5, live=live)
    for operation in sorted(name for name, category in CATEGORY.items() if category not in ADJUSTABLE):
        pace.call(operation, lambda: None)
    assert asked == []


def test_that_question_is_asked_once_a_second_at_most_and_no_call_waits_for_it() -> None:
    clock = FakeClock()
    live, asked = quota_of(UserRead=400, UserCreation=400)
    pace = Pace(clock, 1.0, live=live)
    pace.call("get_user", lambda: None)
    pace.call("create_user", lambda: None)
    assert asked == ["UserRead"] and clock.slept == 0
    clock.advance(1)
    pace.call("create_user", lambda: None)
    assert asked == ["UserRead", "UserCreation"] and clock.slept == 1


def test_buckets_may_be_elsewhere() -> None:
    class Far(Bucket):
        """Of all processes."""

    made: list[tuple[str, float]] = []

    def bucket(category: str, limit: float) -> Far:
        made.append((category, limit))
        return Far(limit, clock)

    clock = FakeClock()
    live, _ = quota_of(UserRead=200)
    pace = Pace(clock, 0.5, {"UserRead": 100, "LimitManagement": 1}, bucket=bucket, live=live)
    pace.call("get_user", lambda: None)
    assert made == [("UserRead", 50), ("LimitManagement", 0.5), ("UserRead", 100)]
    assert isinstance(pace["UserRead"], Far)
