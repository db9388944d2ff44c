"""What the fakes can do beyond the ports: go wrong when they are told to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backups.core.snapshot import User
from backups.engine.ports import BackupStore, Cause, Clock, Report, Stop, UserPool
from tests.contract.test_pool import fails
from tests.fakes import FakeClock, FakePool, FakeReport, FakeStore


def test_the_fakes_keep_the_ports() -> None:
    pool: UserPool = FakePool()
    store: BackupStore = FakeStore()
    report: Report = FakeReport()
    clock: Clock = FakeClock()
    assert pool and store and report and clock


def test_the_nth_call_fails_before_its_work_or_after_it() -> None:
    pool = FakePool()
    pool.fail("create_user", Cause.UNREACHABLE, nth=2)
    pool.fail("create_user", Cause.LOST, nth=3, after=True)
    pool.create_user("one@uni.example", {})
    fails(Cause.UNREACHABLE, lambda: pool.create_user("two@uni.example", {}))
    fails(Cause.LOST, lambda: pool.create_user("three@uni.example", {}))
    assert sorted(User.of(entry).email for entry in pool.users()) == ["one@uni.example", "three@uni.example"]
    assert pool.calls["create_user"] == 3


def test_a_page_of_users_may_fail_in_the_middle() -> None:
    pool = FakePool()
    for n in range(130):
        pool.add(f"user{n}@uni.example")
    pool.fail("users", Cause.DENIED, nth=2)
    listed = pool.users()
    assert len([next(listed) for _ in range(60)]) == 60
    fails(Cause.DENIED, lambda: next(listed))


def test_mails_are_counted_and_end_at_the_days_limit() -> None:
    pool = FakePool(mails_left=1)
    one = pool.create_user("one@uni.example", {"email": "one@uni.example"}, invite=True)
    fails(Cause.MAIL_LIMIT, lambda: pool.create_user("two@uni.example", {}, invite=True))
    assert pool.get("two@uni.example") is not None
    assert pool.messages == {one["Username"]: 1}
    pool.create_user("three@uni.example", {})
    assert pool.messages.total() == 1


def test_an_invitation_is_sent_again_by_the_address_only() -> None:
    pool = FakePool()
    made = pool.create_user("one@uni.example", {})
    fails(Cause.REFUSED, lambda: pool.resend_invitation(made["Username"]))
    pool.resend_invitation("one@uni.example")


def test_time_moves_by_sleeping() -> None:
    clock = FakeClock()
    before, ticks = clock.now(), clock.monotonic()
    clock.sleep(90)
    assert clock.now() - before == timedelta(seconds=90)
    assert clock.monotonic() - ticks == 90
    assert clock.slept == 90


def test_a_report_stops_after_as_many_steps_as_it_is_told() -> None:
    report = FakeReport(stop_after=2, why="cancel")
    report.keep_going()
    report.keep_going()
    with pytest.raises(Stop) as stopped:
        report.keep_going()
    assert stopped.value.why == "cancel"


def test_an_address_that_stands_may_be_called_verified_without_being_written() -> None:
    pool = FakePool()
    pool.create_user("one@uni.example", {"email": "one@uni.example", "email_verified": "false", "name": "A"})
    pool.update_user("one@uni.example", {"email_verified": "true"})
    assert User.of(pool.get_user("one@uni.example")).email_verified
    assert pool.messages.total() == 0
    fails(Cause.REFUSED, lambda: pool.update_user("one@uni.example", {"phone_number_verified": "true"}))
