"""All processes together keep to the share: with Redis, without it, and when it comes and goes."""

from __future__ import annotations

import os
import socket
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.test import override_settings
from structlog.testing import capture_logs

from backups import pacing, wiring
from backups.aws import limits, session
from backups.aws.cognito import CognitoPool
from backups.engine.pace import QUOTAS, STEP, Pace, Standing
from backups.engine.ports import Cause, PortError
from backups.pacing import RETRY, Shared
from tests import servers
from tests.build import an_email_pool
from tests.fakes import FakeClock
from tests.servers import Server
from tests.standin.client import Standin
from tests.standin.conftest import connect

CLOCK = wiring.SystemClock()
LIMIT = 40.0  # of the processes that really call, in calls a second
THREADS = 2  # of each of them


@pytest.fixture
def account() -> str:
    """Nobody else's, so that each test has buckets of its own."""
    return uuid4().hex


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    """A Valkey that may be broken."""
    with servers.running(servers.valkey(tmp_path)) as (server,):
        yield server
        server.stop()


@pytest.fixture
def process(broker: Server, account: str) -> Callable[[], Shared]:
    """``process()``: what one process of ours has of them all."""
    return lambda: Shared(pacing.connect(broker.url), account, "eu-west-1", CLOCK)


@pytest.fixture
def keys(broker: Server, account: str) -> Callable[[], dict[str, int]]:
    """This account's keys, without what all have in front, with the seconds that each has left."""
    client = pacing.connect(broker.url)
    front = f"pace:{{{account}:eu-west-1}}:"

    def look() -> dict[str, int]:
        found: Any = client.keys(front.replace("{", "\\{") + "*")
        return {key.decode().removeprefix(front): int(client.ttl(key)) for key in found}

    return look


def until(what: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


# --- one bucket for all -------------------------------------------------------------------------------


def test_what_one_process_took_the_other_does_not_get(process: Callable[[], Shared]) -> None:
    one, other = process().bucket("UserRead", 0.25), process().bucket("UserRead", 0.25)
    assert one.take() == 0
    assert 0 < other.take() <= STEP
    assert 0 < one.take() <= STEP


@pytest.mark.parametrize("limit", [0.5, 7.5, 40])
def test_no_second_of_the_servers_clock_holds_more_than_the_share(
    broker: Server, account: str, process: Callable[[], Shared], limit: float
) -> None:
    client, key = pacing.connect(broker.url), f"pace:{{{account}:eu-west-1}}:UserRead:calls"
    buckets = [process().bucket("UserRead", limit) for _ in range(3)]
    made: list[float] = []
    began = time.monotonic()
    while (at := time.monotonic() - began) < 2.4:
        if 0.5 < at < 0.8:  # something to save up
            time.sleep(0.3)
        for bucket in buckets:
            if bucket.take() == 0:
                made.append(float(client.lindex(key, 0) or 0))
    assert busiest_second(made) <= max(1, int(limit))
    assert len(made) > limit  # in more than two seconds


def test_categories_regions_and_accounts_have_nothing_to_do_with_each_other(broker: Server) -> None:
    def take(account: str, region: str, category: str) -> float:
        return Shared(pacing.connect(broker.url), account, region, CLOCK).bucket(category, 0.25).take()

    here, there = uuid4().hex, uuid4().hex
    for where in ((here, "eu-west-1"), (here, "eu-central-1"), (there, "eu-west-1")):
        for category in ("UserRead", "UserUpdate"):
            assert take(*where, category) == 0
            assert take(*where, category) > 0


def test_a_throttle_of_one_slows_all_and_many_in_a_second_slow_once(
    broker: Server, account: str, process: Callable[[], Shared]
) -> None:
    one, other = process().bucket("UserRead", 40), process().bucket("UserRead", 40)
    assert one.take() == 0
    assert one.standing() == other.standing() == Standing(40, 40, 0)
    one.slow_down()
    other.slow_down()
    other.slow_down()
    assert one.standing() == other.standing() == Standing(34, 40, 3)
    assert one.take() > 0  # nothing that was saved up is left

    def comes_back() -> bool:
        return not one.take() and other.standing().rate > 34

    until(comes_back)
    assert other.standing().rate < 40
    key = f"pace:{{{account}:eu-west-1}}:UserRead"
    pacing.connect(broker.url).hset(key, mapping={"rate": 39.999, "at": 0})
    other.take()
    assert one.standing() == Standing(40, 40, 3)  # and no further


@pytest.mark.parametrize(("limit", "least"), [(40.0, 0.5), (0.2, 0.2)])
def test_throttles_never_stop_it_altogether(
    broker: Server, account: str, process: Callable[[], Shared], limit: float, least: float
) -> None:
    bucket = process().bucket("UserRead", limit)
    bucket.slow_down()
    key = f"pace:{{{account}:eu-west-1}}:UserRead"
    pacing.connect(broker.url).hset(key, mapping={"rate": least, "slowed": 0, "at": 2**33})
    bucket.slow_down()
    assert bucket.standing() == Standing(least, limit, 2)


def test_where_shares_differ_the_smallest_holds_for_all_while_it_calls(process: Callable[[], Shared]) -> None:
    careful, bold = process().bucket("UserRead", 1), process().bucket("UserRead", 40)
    assert careful.take() == 0
    assert bold.take() > 0
    assert bold.standing() == careful.standing() == Standing(1, 1, 0)
    until(lambda: bool(bold.take() + 1) and bold.standing().limit == 40)
    assert bold.standing().rate == 40  # at once: AWS has throttled nobody
    careful.take()
    assert bold.standing() == Standing(1, 1, 0)


def test_nothing_of_it_stays_in_redis(
    process: Callable[[], Shared], keys: Callable[[], dict[str, int]]
) -> None:
    bucket = process().bucket("UserRead", 40)
    bucket.take()
    bucket.slow_down()
    left = keys()
    assert left.keys() == {"UserRead", "UserRead:calls", "processes"}
    assert 0 < left["UserRead:calls"] <= 2 and 0 < left["processes"] <= 60 and 0 < left["UserRead"] <= 3600


def test_a_redis_that_forgot_the_scripts_is_told_them_again(
    broker: Server, process: Callable[[], Shared]
) -> None:
    bucket = process().bucket("UserRead", 40)
    bucket.take()
    pacing.connect(broker.url).script_flush()
    with capture_logs() as logged:
        until(lambda: bucket.take() == 0)
        bucket.slow_down()
    assert logged == [] and bucket.standing().throttled == 1


def test_threads_that_wait_do_not_all_ask(broker: Server, process: Callable[[], Shared]) -> None:
    pace = Pace(CLOCK, 1.0, {"UserRead": 20}, bucket=process().bucket)
    client = pacing.connect(broker.url)
    client.config_resetstat()
    threads = [
        threading.Thread(target=lambda: [pace.call("get_user", lambda: None) for _ in range(3)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked: Any = client.info("commandstats")
    assert asked["cmdstat_evalsha"]["calls"] < 24 * 8


# --- without Redis ------------------------------------------------------------------------------------


def rate_of(bucket: pacing.SharedBucket, clock: FakeClock, seconds: float = 10) -> float:
    """Calls a second that it lets through, by a clock that moves when somebody sleeps."""
    end, calls = clock.monotonic() + seconds, 0
    while clock.monotonic() < end:
        if wait := bucket.take():
            clock.sleep(wait)
        else:
            calls += 1
    return calls / seconds


def ask_for_a_password(client: redis.Redis) -> None:
    client.config_set("requirepass", "x")
    client.close()  # who is in stays in


BROKEN: dict[str, Callable[[redis.Redis], object]] = {
    "stopped": lambda client: client.shutdown(nosave=True),
    "read-only": lambda client: client.replicaof("127.0.0.1", 9),
    "full": lambda client: client.config_set("maxmemory", 1),
    "of a password": ask_for_a_password,
    "without the verbs": lambda client: client.acl_setuser("default", commands=["-evalsha", "-hmget"]),
    "silent": lambda client: client.client_pause(60_000),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_redis_that_is_away_is_said_once_and_never_raised(own: Server, account: str, how: str) -> None:
    clock = FakeClock()
    client = pacing.connect(own.url)
    shared = Shared(client, account, "eu-west-1", clock)
    bucket = shared.bucket("UserRead", 40)
    assert bucket.take() == 0
    BROKEN[how](client)
    with capture_logs() as logged:
        assert 38 < rate_of(bucket, clock) <= 40.2
        assert bucket.standing() == Standing(40, 40, 0)
        bucket.slow_down()
        assert bucket.standing() == Standing(34, 40, 1)
    assert [(line["log_level"], line["event"]) for line in logged] == [
        ("warning", "Redis away, the pace is not shared")
    ]
    if how == "silent":
        own.kill()  # it would not even end


def test_a_redis_that_never_was_there(account: str) -> None:
    clock = FakeClock()
    for url in ("redis://127.0.0.1:9/0", "redis://nowhere.invalid/0", "unix:///nowhere/valkey.sock"):
        bucket = Shared(pacing.connect(url), account, "eu-west-1", clock).bucket("UserRead", 40)
        assert bucket.standing() == Standing(40, 40, 0)
        assert 38 < rate_of(bucket, clock) <= 40.2


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"*-7\r\n", b"$3\r\nabcdef\r\n"]
)
def test_something_else_at_the_address_of_redis(account: str, answer: bytes) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def talk() -> None:
            while True:
                try:
                    peer, _ = listening.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(1000)
                    peer.sendall(answer)

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        url = f"redis://127.0.0.1:{listening.getsockname()[1]}/0"
        clock = FakeClock()
        bucket = Shared(pacing.connect(url), account, "eu-west-1", clock).bucket("UserRead", 40)
        assert bucket.take() == 0
        bucket.slow_down()
        assert bucket.standing() == Standing(34, 40, 1)
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_alone_each_takes_its_part_of_the_share_and_no_more_than_all_had(own: Server, account: str) -> None:
    clocks = [FakeClock() for _ in range(4)]
    all_four = [Shared(pacing.connect(own.url), account, "eu-west-1", clock) for clock in clocks]
    buckets = [shared.bucket("UserRead", 40) for shared in all_four]
    for bucket in [*buckets, *buckets]:
        bucket.take()
    for clock in clocks:
        clock.advance(1)
    buckets[0].take()  # who took before the others came knows of them at the next call
    own.kill()
    assert all_four[0].seen == 4
    assert 9.5 < rate_of(buckets[0], clocks[0]) <= 10.2
    assert 9.5 < rate_of(buckets[3], clocks[3]) <= 10.2

    lonely = Shared(pacing.connect(own.url), account, "eu-west-1", clocks[0])
    assert 39 < rate_of(lonely.bucket("UserRead", 40), clocks[0]) <= 40.2  # it never met the others


def test_what_was_slow_before_redis_went_is_slow_alone(own: Server, account: str) -> None:
    clock = FakeClock()
    bucket = Shared(pacing.connect(own.url), account, "eu-west-1", clock).bucket("UserRead", 40)
    bucket.take()
    bucket.slow_down()
    own.kill()
    clock.advance(1)
    bucket.take()
    assert 34 <= bucket.standing().rate < 36


def test_it_is_looked_for_every_few_seconds_and_shared_again_in_parts_at_first(
    tmp_path: Path, account: str
) -> None:
    clock, other_clock = FakeClock(), FakeClock()
    with servers.running(servers.valkey(tmp_path)) as (server,):
        one = Shared(pacing.connect(server.url), account, "eu-west-1", clock).bucket("UserRead", 40)
        other = Shared(pacing.connect(server.url), account, "eu-west-1", other_clock).bucket("UserRead", 40)
        for bucket in (one, other):
            bucket.take()
            bucket.slow_down()
        clock.advance(1)
        one.take()  # knows of the other by now
        server.kill()
    clock.advance(1)
    with capture_logs() as logged:
        one.take()
        with servers.running(servers.valkey(tmp_path)) as (server,):
            client = pacing.connect(server.url)
            clock.advance(RETRY - 0.1)
            one.take()
            assert client.dbsize() == 0
            clock.advance(0.1)
            assert one.take() == 0
            parts = f"pace:{{{account}:eu-west-1}}:parts"
            assert float(client.get(parts) or 0) == 2 and 0 < int(client.pttl(parts)) <= 5000
            assert one.standing() == Standing(40, 40, 0)  # it came back empty
            assert other.take() == 0 or other.take() <= STEP
    assert [line["event"] for line in logged] == [
        "Redis away, the pace is not shared",
        "Redis is back, the pace is shared again",
    ]


# --- real processes, real calls -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def cognito(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    with servers.running(servers.standin(tmp_path_factory.mktemp("standin"))) as (server,):
        yield Standin(server.url)


@pytest.fixture
def pool_id(cognito: Standin) -> str:
    cognito.fresh()
    pool = an_email_pool(connect(cognito.url), "paced")
    cognito.seed(pool, 1)
    return pool


def call_for(seconds: float, redis_url: str, account: str, pool_id: str, username: str, share: float) -> None:
    """One process: reads one user from some threads, as fast as it may."""
    shared = Shared(pacing.connect(redis_url), account, "eu-west-1", CLOCK)
    pace = Pace(CLOCK, share, {"UserRead": LIMIT}, bucket=shared.bucket)
    pool = CognitoPool("eu-west-1", pool_id, pace.call)
    end = time.monotonic() + seconds

    def go_on() -> None:
        while time.monotonic() < end:
            pool.get_user(username)

    threads = [threading.Thread(target=go_on) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def calling(
    cognito: Standin, pool_id: str, account: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Sequence[BaseProcess]]:
    """``calling(4, redis_url, seconds=3)``: so many processes that call, started and not waited for."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", cognito.url)
    username = cognito.users(pool_id)[0]["Username"]

    def start(count: int, url: str, *, seconds: float, share: float = 1.0) -> Sequence[BaseProcess]:
        told = (seconds, url, account, pool_id, username, share)
        processes = [get_context("spawn").Process(target=call_for, args=told) for _ in range(count)]
        for process in processes:
            process.start()
        return processes

    return start


def ended(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.join(60)
        assert process.exitcode == 0


def moments(cognito: Standin) -> list[float]:
    """When each call reached Cognito, in order."""
    return sorted(when for when, *_ in cognito.calls("AdminGetUser"))


def busiest_second(times: list[float]) -> int:
    return max(bisect_left(times, start + 1) - at for at, start in enumerate(times))


@pytest.mark.parametrize("count", [2, 4])
def test_processes_together_keep_to_the_quota(
    cognito: Standin, broker: Server, calling: Callable[..., Sequence[BaseProcess]], count: int
) -> None:
    cognito.quotas({"UserRead": LIMIT})
    ended(calling(count, broker.url, seconds=3))
    times = moments(cognito)
    # What leaves within a second may arrive within less: what was on its way, one call a thread at most.
    assert busiest_second(times) <= LIMIT + THREADS * count
    assert len(times) > LIMIT * (times[-1] - times[0]) * 0.4
    assert cognito.books()["throttled"].get("AdminGetUser", 0) <= 5


def test_a_quota_that_is_smaller_than_told_slows_all_of_them(
    cognito: Standin, broker: Server, account: str, calling: Callable[..., Sequence[BaseProcess]]
) -> None:
    cognito.quotas({"UserRead": LIMIT}, neighbour={"UserRead": LIMIT / 2})  # the application takes half
    ended(calling(2, broker.url, seconds=4))
    times, throttled = moments(cognito), cognito.books()["throttled"]["AdminGetUser"]
    standing = Shared(pacing.connect(broker.url), account, "eu-west-1", CLOCK).standing("UserRead", LIMIT)
    assert standing and standing.rate < LIMIT * 0.8 and standing.throttled == throttled
    assert throttled < len(times) / 2


def test_redis_may_be_killed_and_come_back_empty_in_the_middle(
    cognito: Standin, tmp_path: Path, calling: Callable[..., Sequence[BaseProcess]]
) -> None:
    cognito.quotas({"UserRead": 1e6})
    with servers.running(servers.valkey(tmp_path)) as (server,):
        processes = calling(3, server.url, seconds=10)
        until(lambda: len(moments(cognito)) > LIMIT * 1.5, 30)
        server.kill()
        away = time.time()
    until(lambda: time.time() > away + 2, 30)
    with servers.running(servers.valkey(tmp_path)) as (server,):
        back = time.time()
        ended(processes)
        client = pacing.connect(server.url)
        taken_part: Any = client.keys("pace:*:processes")
        assert client.zcard(taken_part[0]) == 3
    times = moments(cognito)
    alone = [when for when in times if away <= when < back]
    assert busiest_second(times) <= LIMIT * 1.5
    assert len(alone) > LIMIT


# --- wiring -------------------------------------------------------------------------------------------


@pytest.fixture
def aws(cognito: Standin, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standin]:
    """The stand-in is this process's Cognito."""
    cognito.fresh()
    monkeypatch.setenv("AWS_ENDPOINT_URL", cognito.url)
    session.forget()
    yield cognito
    session.forget()


def test_a_region_has_one_pace_and_all_processes_share_it(broker: Server, account: str) -> None:
    with override_settings(AWS_ACCOUNT=account, QUOTA_SHARE=0.5, REDIS_URL=broker.url):
        pace = wiring.pace("eu-west-1")
        assert pace is wiring.pace("eu-west-1") and pace is not wiring.pace("eu-central-1")
        pace.call("users", lambda: None)
        pace["UserList"].slow_down()
        wiring._pace.cache_clear()  # as another process
        standing = wiring.pace("eu-west-1").standing()
    assert standing.keys() == QUOTAS.keys()
    assert standing["UserList"] == Standing(15 * 0.85, 15, 1) and standing["UserUpdate"] == Standing(
        12.5, 12.5, 0
    )


def test_an_account_that_nobody_names_has_a_pace_of_this_process() -> None:
    with override_settings(AWS_ACCOUNT=""), capture_logs() as logged:
        wiring._pace.cache_clear()
        for _ in range(2):
            assert wiring.pace("eu-west-1").call("users", lambda: "read") == "read"
    assert [line["event"] for line in logged] == ["the account is not known, the pace is not shared"]


def test_a_child_process_has_a_pace_of_its_own() -> None:
    with override_settings(AWS_ACCOUNT="1"):
        here = wiring.pace("eu-west-1")
        child = os.fork()
        if child == 0:
            os._exit(wiring.pace("eu-west-1") is here)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_quota_that_was_raised_is_used(aws: Standin, broker: Server, account: str) -> None:
    aws.quotas({"UserRead": 500})
    with override_settings(AWS_ACCOUNT=account, REDIS_URL=broker.url):
        pace = wiring.pace("eu-west-1")
        pace.call("get_user", lambda: None)
        assert pace.standing()["UserRead"] == Standing(400, 400, 0)
        pace.call("get_user", lambda: None)
    assert aws.books()["done"] == {"GetProvisionedLimit": 1}


def test_the_quota_of_a_category_as_it_is_today(aws: Standin) -> None:
    aws.quotas({"UserCreation": 75, "LimitManagement": 100})
    assert limits.quota("eu-west-1", "UserCreation") == 75
    with pytest.raises(PortError, match="Could not read the quota of UserUpdate in eu-west-1") as error:
        limits.quota("eu-west-1", "UserUpdate")
    assert error.value.cause is Cause.GONE
    aws.quotas({"UserCreation": 0})
    with pytest.raises(PortError, match="AWS named none") as error:
        limits.quota("eu-west-1", "UserCreation")
    assert error.value.cause is Cause.UNSUPPORTED


def test_a_place_that_has_no_such_question_leaves_the_table(
    ministack: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ministack.env.items():
        monkeypatch.setenv(name, value)
    session.forget()
    pace = Pace(CLOCK, 1.0, live=lambda category: limits.quota("eu-west-1", category))
    assert pace.call("get_user", lambda: "read") == "read"
    assert pace.standing()["UserRead"].limit == QUOTAS["UserRead"]
    session.forget()
