"""A backup on a bad day: whole and checked, or Failed with a sentence; yesterday's is not touched."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from backups import actions, runner
from backups.core import files, naming
from backups.core.lifecycle import State
from backups.core.snapshot import Entry
from backups.engine.lanes import WORTH
from backups.engine.pace import Bucket, Pace
from backups.engine.ports import CallThrough, Cause, PortError, T
from backups.models import Backup, Job
from tests.fakes import FakeClock, FakePool
from tests.jobs.conftest import IVA, Account

USERS = WORTH + 200
HALF = "No user pool was changed; what was written is listed as incomplete."


@dataclass
class Day:
    """A pool of a thousand, its backup of yesterday, and what the bucket held then."""

    account: Account
    pool: FakePool
    yesterday: Backup = field(init=False)
    before: dict[str, bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.yesterday = self.whole(self.backup())
        self.before = {key: self.account.store.read(key) for key in self.account.store.keys}
        self.pool.calls.clear()

    def backup(self) -> Job:
        job = actions.start_backup(IVA, self.account.row(self.pool))
        runner.run(job.pk)
        job.refresh_from_db()
        return job

    def whole(self, job: Job) -> Backup:
        assert job.state == State.DONE, job.sentence
        made = Backup.objects.get(key=job.result["key"])
        assert (made.state, made.checked, made.origin) == ("complete", True, "ours")
        return made

    def users(self, backup: Backup) -> list[str]:
        data = self.account.store.read(f"{backup.key}/{naming.DATA}")
        return [user.username for user in files.read_users([data])]

    def failed(self, job: Job, *words: str) -> None:
        """It says so, nothing that was written looks whole, and yesterday's is there to the byte."""
        assert job.state == State.FAILED
        for word in words:
            assert word in job.sentence
        assert "@" not in job.sentence
        written = {key.rpartition("/")[2] for key in self.account.store.keys if key not in self.before}
        assert not written & {naming.MANIFEST, naming.CHECKED}
        for made in Backup.objects.exclude(pk=self.yesterday.pk):
            assert (made.state, made.checked, made.suggested) == ("incomplete", False, False)
        self.untouched()

    def untouched(self) -> None:
        assert {key: self.account.store.read(key) for key in self.before} == self.before
        assert all(self.account.store.versions(key) == 1 for key in self.before)
        self.yesterday.refresh_from_db()
        assert (self.yesterday.state, self.yesterday.checked) == ("complete", True)


@pytest.fixture
def day(account: Account) -> Day:
    pool = account.add()
    for number in range(USERS):
        pool.add(f"person{number}@uni.example", groups=["staff"] if number % 100 == 7 else ())
    return Day(account, pool)


def paced(clock: FakeClock, quota: float = 1e6) -> CallThrough:
    """The pace of the product over an AWS that allows so many calls a second of each operation."""
    pace, allowed, lock = Pace(clock, 0.8), dict[str, Bucket](), threading.Lock()

    def call(operation: str, do: Callable[[], T], /) -> T:
        def asked() -> T:
            with lock:
                refused = allowed.setdefault(operation, Bucket(quota, clock)).take() > 0
            if refused:
                raise PortError("Rate exceeded.", Cause.THROTTLED)
            return do()

        return pace.call(operation, asked)

    return call


def test_three_calls_a_second_are_slow_and_enough(day: Day) -> None:
    clock = FakeClock()
    day.pool.through = paced(clock, quota=3)
    made = day.whole(day.backup())
    assert sorted(day.users(made)) == sorted(day.pool.entries)
    assert clock.slept > USERS / 60 / 3, "seconds"
    day.untouched()


@pytest.mark.parametrize("cause", [Cause.LOST, Cause.UNREACHABLE])
def test_a_connection_that_is_lost_for_a_moment_costs_nobody(day: Day, cause: Cause) -> None:
    day.pool.through = paced(FakeClock())
    day.pool.fail("users", cause, nth=9, times=6)
    day.pool.fail("members", cause, times=2)
    made = day.whole(day.backup())
    assert sorted(day.users(made)) == sorted(day.pool.entries)
    day.untouched()


class Broken(FakePool):
    """Of its lanes one ends at an error for ever, behind its first page."""

    cause = Cause.LOST

    def users(self, prefix: str = "") -> Iterator[Entry]:
        def fail() -> None:
            raise PortError(f"Could not list the users of {self.pool_id}.", self.cause)

        walk = super().users(prefix)
        if prefix.startswith("7"):
            yield next(walk)
            self.through("users", fail)
        yield from walk


@pytest.mark.parametrize("cause", [Cause.LOST, Cause.UNREACHABLE, Cause.THROTTLED, Cause.DENIED])
def test_a_lane_that_fails_for_ever_is_named(day: Day, cause: Cause) -> None:
    day.pool.__class__ = Broken
    day.pool.cause = cause  # type: ignore[attr-defined]
    clock = FakeClock()
    day.pool.through = paced(clock)
    day.failed(day.backup(), "The list is not whole: users whose sub begins with “7” are missing.", HALF)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lane")]
    assert (clock.slept > 5) == (cause is not Cause.DENIED), "it is asked for again, and not for ever"


def test_a_page_token_that_is_refused_begins_its_lane_anew(day: Day) -> None:
    """Sixteen first pages, then the token: whoever came already comes once all the same."""
    day.pool.page = 10
    day.pool.fail("users", Cause.REFUSED, nth=60)
    day.pool.fail("users", Cause.REFUSED, nth=90)
    made = day.whole(day.backup())
    assert sorted(day.users(made)) == sorted(day.pool.entries)
    assert day.pool.calls["users"] > USERS / 10 + 2
    day.untouched()


def test_a_page_token_that_is_always_refused_fails_and_says_so(day: Day) -> None:
    day.pool.__class__ = Broken
    day.pool.cause = Cause.REFUSED  # type: ignore[attr-defined]
    said = "The list is not whole, also when it was read again 2 times: users whose sub begins with “7”"
    day.failed(day.backup(), said, HALF)


def test_a_pool_that_is_deleted_half_way_fails(day: Day) -> None:
    asked = day.pool.through

    def through(operation: str, do: Callable[[], T], /) -> T:
        day.pool.gone = day.pool.gone or day.pool.calls["users"] > 12
        return asked(operation, do)

    day.pool.through = through
    day.failed(day.backup(), "does not exist", HALF)


@pytest.mark.parametrize("part", naming.PARTS)
def test_a_bucket_that_refuses_a_part_fails_the_backup(day: Day, part: str) -> None:
    day.account.store.fail("put", Cause.DENIED, nth=1 + naming.PARTS.index(part))
    day.failed(day.backup(), "Could not put: denied.", HALF)


def test_a_bucket_that_refuses_the_manifest_fails_the_backup(day: Day) -> None:
    day.account.store.fail("put", Cause.DENIED, nth=1 + len(naming.PARTS))
    day.failed(day.backup(), "Could not put: denied.", HALF)


def test_without_room_for_temporary_files_it_is_made_and_checked_all_the_same(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    day.whole(day.backup())
    day.untouched()


def test_who_comes_and_goes_meanwhile_harms_nobody_else(day: Day) -> None:
    there, asked, lock = set(day.pool.entries), day.pool.through, threading.Lock()
    leaving, come = sorted(there)[::10], set[str]()

    def through(operation: str, do: Callable[[], T], /) -> T:
        if operation == "users":
            with lock, day.pool._lock:
                come.add(day.pool.add(f"new{len(come)}@uni.example")["Username"])
                if leaving:
                    day.pool.remove(leaving.pop())
        return asked(operation, do)

    day.pool.through = through
    made = day.whole(day.backup())
    listed = day.users(made)
    assert len(listed) == len(set(listed)) == made.users
    assert come and there & set(day.pool.entries) <= set(listed) <= there | come
    day.untouched()


def test_of_two_backups_in_one_second_each_has_a_key_of_its_own(day: Day) -> None:
    first, second = day.whole(day.backup()), day.whole(day.backup())
    assert len({day.yesterday.key, first.key, second.key}) == 3
    day.untouched()


def test_a_key_that_somebody_else_has_taken_is_left_to_them(day: Day) -> None:
    """Of another installation, whose rows we do not see: the bucket itself refuses."""
    Backup.objects.all().delete()
    made = Backup.objects.get(key=day.backup().result["key"])
    assert made.key != day.yesterday.key and made.checked
    assert {key: day.account.store.read(key) for key in day.before} == day.before
