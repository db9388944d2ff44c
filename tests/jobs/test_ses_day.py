"""What SES lets out in 24 hours is spent in the middle of a job: it waits, and goes on by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from backups import runner
from backups.core.lifecycle import State
from backups.engine.ports import Cause
from backups.models import Item, Job, database_now
from backups.runner.mails import AFTERWARDS, AGAIN, ASKED_FOR
from tests.fakes import FakeClock
from tests.jobs.conftest import Account
from tests.jobs.test_restores import Team, person


@pytest.fixture
def team(account: Account) -> Team:
    return Team(account, mail="DEVELOPER")


@pytest.fixture
def ses(account: Account, team: Team, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Give SES so many mails in 24 hours, of which 10 are gone; what the pool sends goes of it too."""
    plain = account.aws.ses

    def allow(quota: int) -> None:
        monkeypatch.setattr(
            account.aws, "ses", lambda: replace(plain(), quota=quota, sent=10 + team.pool.messages.total())
        )

    return allow


def wake(team: Team, job: Job) -> Job:
    Job.objects.filter(pk=job.pk).update(wake_at=timezone.now() - timedelta(minutes=1))
    runner.sweep()
    return team.run(job)


def test_where_all_may_go_out_each_is_invited_at_creation(team: Team, ses: Callable[[int], None]) -> None:
    ses(13)
    team.lose(1, 2, 3)
    job = team.run(team.start(team.plan(), "invite"))
    assert (job.state, job.result["messages"], job.params[AFTERWARDS]) == (State.DONE, 3, False)
    assert not team.pool.calls["resend_invitation"]


def test_where_they_may_not_everybody_is_there_before_the_first_is_invited(
    team: Team, ses: Callable[[int], None]
) -> None:
    ses(12)
    team.lose(1, 2, 3, 4)
    job = team.run(team.start(team.plan(), "invite"))
    assert job.state == State.WAITING and team.there() == set(range(12))
    assert team.pool.messages.total() == 2
    assert "what SES lets out in 24 hours is spent. It looks again every hour." in job.sentence
    assert "2 were invited, 2 stand in the pool and wait for their invitation." in job.sentence
    assert job.wake_at and timedelta(0) < job.wake_at - database_now() <= AGAIN

    assert wake(team, job).state == State.WAITING, "nothing came back yet"
    assert team.pool.messages.total() == 2
    ses(500)
    assert wake(team, job).state == State.DONE, job.sentence
    assert set(team.pool.messages.values()) == {1} and team.pool.messages.total() == 4
    assert job.params[AFTERWARDS], "as it began"


def test_how_a_job_began_holds_when_ses_says_otherwise_later(team: Team, ses: Callable[[int], None]) -> None:
    """A create whose answer was lost is known by whether it was to mail."""
    ses(500)
    team.lose(1, 2)
    team.pool.fail("create_user", Cause.LOST, after=True)
    team.pool.fail("get_user", Cause.DENIED, times=99)
    job = team.run(team.start(team.plan(), "invite"))
    team.pool._faults.clear()
    ses(10)
    Item.objects.filter(job=job, outcome="failed").update(outcome="unknown")
    Job.objects.filter(pk=job.pk).update(state=State.QUEUED)
    team.run(job)
    assert not job.params[AFTERWARDS]
    assert set(team.pool.messages.values()) == {1}, "nobody twice"


def test_mails_of_others_are_noticed_within_a_minute(
    team: Team, ses: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    monkeypatch.setattr("backups.wiring.clock", lambda: clock)
    ses(12)
    team.lose(1, 2, 3)
    plan = team.plan()
    resend = team.pool.resend_invitation

    def slow(username: str) -> None:
        resend(username)
        ses(11)  # somebody else took one
        clock.advance(ASKED_FOR)

    monkeypatch.setattr(team.pool, "resend_invitation", slow)
    job = team.run(team.start(plan, "invite"))
    assert job.state == State.WAITING and team.pool.messages.total() == 1


@pytest.mark.parametrize("says", ["nothing", "paused"])
def test_where_ses_does_not_tell_or_sends_nothing_nobody_waits_for_it(
    account: Account, team: Team, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    team.lose(1)
    plan = team.plan()
    if says == "nothing":
        account.aws.fail("ses", Cause.DENIED, times=99)
    else:
        account.aws.mail = replace(account.aws.mail, sending=False)
        team.pool.fail("create_user", Cause.DELIVERY, after=True, times=99)
        team.pool.fail("resend_invitation", Cause.DELIVERY, times=99)
    job = team.run(team.start(plan, "invite"))
    row = Item.objects.get(job=job, email=person(1))
    if says == "nothing":
        assert (job.state, row.messages) == (State.DONE, 1)
    else:
        assert (job.state, row.reason) == (State.DONE_WITH_FAILURES, "not-delivered")
