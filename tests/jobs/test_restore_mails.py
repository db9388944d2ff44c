"""Restores that invite: what is said of people after days of waiting, and of mails that AWS did not send."""

from __future__ import annotations

import pytest

from backups import actions
from backups.core.lifecycle import State
from backups.engine.ports import Cause
from backups.models import Item, Job
from tests.jobs.conftest import IVA, Account
from tests.jobs.test_restores import Team, person


@pytest.fixture
def team(account: Account) -> Team:
    return Team(account)


def waits(team: Team, *lost: int) -> Job:
    """Everybody is there, and nobody is mailed before the next day."""
    team.lose(*lost)
    team.pool.mails_left = 0
    job = team.run(team.start(team.plan(), "invite"))
    assert job.state == State.WAITING, job.sentence
    return job


def the_next_day(team: Team, job: Job) -> Job:
    team.pool.mails_left = 50
    Job.objects.filter(pk=job.pk).update(state=State.QUEUED, wake_at=None)
    return team.run(job)


@pytest.mark.parametrize("again", [False, True])
def test_who_left_the_pool_while_mails_were_waited_for_is_in_no_map_and_can_be_planned_again(
    team: Team, again: bool
) -> None:
    job = waits(team, 3, 4)
    made = Item.objects.get(job=job, email=person(3))
    assert made.new_sub and made.confirmed
    team.lose(3)
    if again:  # and has registered anew since, with the sub of another account
        team.pool.clock.advance(60)
        team.pool.add(person(3), name="Person 3")
    the_next_day(team, job)
    assert job.state == State.DONE_WITH_FAILURES, job.sentence
    row = Item.objects.get(job=job, email=person(3))
    assert (row.outcome, row.reason, row.confirmed) == ("failed", "gone-since", False)
    assert (row.new_sub, row.new_username, row.messages) == ("", "", 0)
    assert not actions.may_resume(job), "nothing of it is left to do"
    plan = team.plan()
    line = Item.objects.get(job=plan.job, email=person(3))
    assert (line.action, line.reason) == (("skip", "registered-again") if again else ("create", "missing"))
    if not again:
        done = team.run(team.start(plan))
        assert (done.state, done.result["created"]) == (State.DONE, 1), done.sentence


@pytest.fixture
def through_ses(account: Account) -> Team:
    """Invitations go out at creation."""
    team = Team(account, mail="DEVELOPER", mails_left=None)
    team.lose(3)
    return team


@pytest.mark.parametrize("operation", ["get_user", "add_to_group"])
def test_nobody_is_said_to_be_invited_of_whom_aws_said_that_no_mail_went_out(
    account: Account, operation: str
) -> None:
    """Also where the look that follows fails, or a later step does; the mail is still owed, once."""
    team = Team(account, mail="DEVELOPER", mails_left=None)
    team.lose(1)  # who is in a group
    plan = team.plan()
    team.pool.fail("create_user", Cause.DELIVERY, after=True)
    team.pool.fail(operation, Cause.DENIED, times=99)
    job = team.run(team.start(plan, "invite"))
    row = job.items.get(email=person(1))
    assert (row.outcome, row.reason, row.messages) == ("failed", "unsent", 0), row.detail
    team.pool._faults.clear()
    team.run(actions.resume(IVA, job))
    assert (job.state, job.result["created"], job.result["messages"]) == (State.DONE, 1, 1), job.sentence
    assert (team.pool.calls["create_user"], team.pool.calls["resend_invitation"]) == (1, 1)
    assert team.pool.messages.total() == 1


def test_a_create_that_a_trigger_refused_and_nobody_could_look_for_is_looked_for_by_the_next_try(
    through_ses: Team,
) -> None:
    """The user may stand: never left to a new plan, which would take them for somebody who registered."""
    team = through_ses
    plan = team.plan()
    team.pool.fail("create_user", Cause.TRIGGER, after=True)
    team.pool.fail("get_user", Cause.DENIED, times=99)
    job = team.run(team.start(plan, "invite"))
    row = job.items.get(email=person(3))
    assert (row.outcome, row.reason, row.step) == ("failed", "refused", "asked"), row.detail
    team.pool._faults.clear()
    team.run(actions.resume(IVA, job))
    row.refresh_from_db()
    assert (row.outcome, row.reason, row.messages, row.confirmed) == ("failed", "maybe-invited", 0, True)
    assert row.new_sub and not team.pool.calls["resend_invitation"]
    assert not actions.may_resume(job), "it is never repeated by itself"


def test_whom_a_trigger_vetoed_is_created_anew_once_it_does_not(through_ses: Team) -> None:
    team = through_ses
    plan = team.plan()
    team.pool.fail("create_user", Cause.TRIGGER)
    job = team.run(team.start(plan, "invite"))
    assert [row.reason for row in job.items.filter(outcome="failed")] == ["refused"]
    team.run(actions.resume(IVA, job))
    assert (job.state, job.result["created"], job.result["messages"]) == (State.DONE, 1, 1), job.sentence
    assert job.items.get(email=person(3)).reason == ""
