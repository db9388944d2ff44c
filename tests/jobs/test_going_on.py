"""A restore that goes on: who is next, who is tried again, and what may have changed meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from backups import actions, runner
from backups.core.choices import EVERYTHING_MISSING, Choices, Existing, Guard
from backups.core.lifecycle import State
from backups.core.snapshot import Group
from backups.engine import restore as engine
from backups.engine.ports import Cause, Outcome, PortError
from backups.models import Item, Job, Plan
from backups.models.audit import Act, AuditEntry
from backups.reporting import JobReport
from backups.runner.restore import AGAIN
from tests.jobs.conftest import IVA, Account
from tests.jobs.test_restores import Killed, Team, person

ROLE = "arn:aws:iam::123456789012:role/editors"
OVER = Choices(existing=Existing.OVERWRITE, guards=frozenset({Guard.NEWER}))


@pytest.fixture
def team(account: Account) -> Team:
    return Team(account)


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "THREADS", 1)


def row(job: Job, number: int) -> Item:
    return Item.objects.get(job=job, email=person(number))


def refuse(team: Team, *numbers: int) -> list[int]:
    """AWS refuses to create these. Returns who is asked for from now on, in the order of the calls."""
    asked: list[int] = []
    whole = type(team.pool).create_user

    def create_user(username: str, attributes: Any, *, invite: bool = False) -> Any:
        asked.append(int(username.removeprefix("person").partition("@")[0]))
        if asked[-1] in numbers:
            raise PortError("PreSignUp says no.", Cause.REFUSED)
        return whole(team.pool, username, attributes, invite=invite)

    team.pool.create_user = create_user  # type: ignore[method-assign]
    return asked


def die_when(monkeypatch: pytest.MonkeyPatch, at: Callable[[Outcome], bool]) -> None:
    whole = JobReport.outcome

    def outcome(self: JobReport, said: Outcome) -> None:
        if at(said):
            raise Killed
        whole(self, said)

    monkeypatch.setattr(JobReport, "outcome", outcome)


def killed(team: Team, job: Job, at: Callable[[Outcome], bool]) -> Job:
    """The worker is killed in the middle; the next one may take the job."""
    with pytest.MonkeyPatch.context() as patch:
        die_when(patch, at)
        with pytest.raises(Killed):
            runner.run(job.pk)
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    return job


# --- who is next -------------------------------------------------------------------------------------


def fifty(account: Account, **how: Any) -> Team:
    team = Team(account, **how)
    for number in range(12, 50):
        team.pool.add(person(number), name="P")
    team.backup = team.run(actions.start_backup(IVA, account.row(team.pool))).result["key"]
    team.pool.clock.advance(60)
    team.lose(*range(50))
    return team


def places(plan: Plan) -> list[int]:
    """Everybody's number, in the order of the backup."""
    emails = plan.job.items.order_by("position").values_list("email", flat=True)
    return [int(email.removeprefix("person").partition("@")[0]) for email in emails]


@pytest.mark.parametrize("order", ["the backup's", "another"])
def test_nobody_waits_behind_those_whom_aws_refuses_for_ever(
    account: Account, one_by_one: None, order: str
) -> None:
    team = fifty(account)
    plan = team.plan()
    first = places(plan) if order == "the backup's" else places(plan)[::-1]
    keys = "backup" if order == "the backup's" else [team.key(plan, number) for number in first]
    job = team.start(plan, order=keys)
    refuse(team, *first[:25])
    team.run(job)
    assert (job.state, job.items.filter(outcome="").count()) == (State.PAUSED, 30)

    team.run(actions.resume(IVA, job))
    assert job.state == State.PAUSED, "the same twenty once more, now that the others are done"
    assert job.items.filter(outcome="created").count() == 25
    counters = {name: job.counters[name] for name in ("created", "failed", "left", "confirmed")}
    assert counters == {"created": 25, "failed": 25, "left": 0, "confirmed": 25}

    asked = refuse(team, *first[:25])
    team.run(actions.resume(IVA, job, [""]))
    assert (job.state, job.result["created"], job.result["failed"]) == (State.DONE_WITH_FAILURES, 25, 25)
    assert not asked, "who failed is left alone"
    entry = AuditEntry.objects.filter(act=Act.JOB_RESUMED, job=job.pk).latest("pk")
    assert entry.details == {"users": 0, "causes": []}


def test_the_others_alone_are_gone_on_with(account: Account) -> None:
    team = fifty(account)
    plan = team.plan()
    bad = places(plan)[:20]
    refuse(team, *bad)
    job = team.run(team.start(plan, "invite"))
    assert job.state == State.PAUSED
    asked = refuse(team, *bad)
    team.pool.mails_left = 100
    team.run(actions.resume(IVA, job, [""]))
    assert job.state == State.DONE_WITH_FAILURES and not set(asked) & set(bad)
    assert (job.result["created"], job.result["failed"], job.result["messages"]) == (30, 20, 30)


def test_who_failed_comes_last_and_the_order_holds_for_all(team: Team, one_by_one: None) -> None:
    team.lose(*range(6))
    plan = team.plan()
    order = [team.key(plan, number) for number in (5, 2, 4, 0, 3, 1)]
    job = team.start(plan, order=order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backups.engine.invitations.EQUAL_FAILURES", 2)
        refuse(team, 5, 2)
        team.run(job)
    assert (job.state, row(job, 5).outcome, row(job, 4).outcome) == (State.PAUSED, "failed", "")
    asked = refuse(team)
    team.run(actions.resume(IVA, job))
    assert (job.state, job.result["created"]) == (State.DONE, 6), job.sentence
    assert asked == [4, 0, 3, 1, 5, 2]
    assert AGAIN not in job.params
    assert (job.counters["created"], job.counters["failed"], job.counters["left"]) == (6, 0, 0)


@pytest.mark.parametrize("at", ["the first", "the last"])
def test_who_is_to_be_tried_again_is_tried_by_the_next_worker_too(
    team: Team, one_by_one: None, at: str
) -> None:
    team.lose(1, 2, 3)
    job = team.start(team.plan())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backups.engine.invitations.EQUAL_FAILURES", 1)
        first = refuse(team, 1, 2, 3)
        team.run(job)
    bad = first[0]
    refuse(team)
    actions.resume(IVA, job)
    assert (row(job, bad).outcome, row(job, bad).reason) == ("failed", "refused"), "until it is come to"
    stop = row(job, bad).key if at == "the last" else ""
    killed(team, job, lambda said: bool(said.outcome) and (said.key == stop or not stop))
    team.run(job)
    assert (job.state, job.result["created"]) == (State.DONE, 3), job.sentence
    assert len(team.pool.entries) == 12 and job.counters["left"] == 0


def test_a_pool_that_got_users_since_the_first_try_is_backed_up_before_the_next(team: Team) -> None:
    team.lose(*range(12))
    job = team.start(team.plan())
    team.pool.fail("create_user", Cause.DENIED, times=99)
    team.run(job)
    assert (job.state, job.result["failed"]) == (State.DONE_WITH_FAILURES, 12) and "before" not in job.result
    team.pool._faults.clear()
    team.pool.add("new@uni.example", name="New")
    team.run(actions.resume(IVA, job))
    assert (job.state, job.result["created"]) == (State.DONE, 12), job.sentence
    assert job.result["before"]
    intended = AuditEntry.objects.filter(act=Act.RESTORE_INTENDED, job=job.pk)
    assert [entry.details["before"] for entry in intended] == [job.result["before"], ""]


# --- groups ------------------------------------------------------------------------------------------


def with_group(account: Account, group: Group) -> Team:
    """One group more, with nobody in it, that the pool has lost since."""
    team = Team(account)
    team.pool.create_group(group)
    team.backup = team.run(actions.start_backup(IVA, account.row(team.pool))).result["key"]
    del team.pool.group_rows[group.name], team.pool.memberships[group.name]
    team.lose(3)
    return team


def test_a_group_that_could_not_be_made_is_a_failure_that_is_named_and_tried_again(account: Account) -> None:
    team = with_group(account, Group("empty", role_arn=ROLE))
    plan = team.plan()
    assert plan.facts["groups_to_create"] == ["empty"]
    team.pool.fail("create_group", Cause.DENIED)
    job = team.run(team.start(plan))
    assert (job.state, job.result["created"], job.result["failed"]) == (State.DONE_WITH_FAILURES, 1, 0)
    assert "1 group was not made: empty. The log says why; then try again." in job.sentence
    assert job.result["groups_not_made"] == ["empty"]
    ended = AuditEntry.objects.get(act=Act.RESTORE_ENDED, job=job.pk)
    assert (ended.result, ended.details["groups_not_made"]) == ("done_with_failures", ["empty"])

    assert actions.may_resume(job)
    team.run(actions.resume(IVA, job))
    assert (job.state, job.sentence.count("not made")) == (State.DONE, 0), job.sentence
    assert "empty" in team.pool.group_rows and "groups_not_made" not in job.result
    assert not actions.may_resume(job)


def test_an_e_mail_in_a_group_s_name_is_in_no_stored_event(account: Account) -> None:
    team = with_group(account, Group("of-bob@uni.example"))
    team.pool.fail("create_group", Cause.DENIED)
    job = team.run(team.start(team.plan()))
    said = str([event.data for event in job.events.all()])
    assert "group o••••@uni.example could not be made" in said and "bob@" not in said


def test_groups_that_somebody_else_made_meanwhile_are_made(account: Account) -> None:
    team = with_group(account, Group("empty"))
    team.pool.fail("create_group", Cause.EXISTS)
    assert team.run(team.start(team.plan())).state == State.DONE


# --- a group that became privileged, or is so no more ------------------------------------------------


def in_admins(team: Team, number: int) -> bool:
    entry = team.pool.get(person(number))
    assert entry
    return entry["Username"] in team.pool.memberships["admins"]


@pytest.mark.parametrize("messages", ["silent", "invite"])
def test_nobody_is_put_into_a_group_that_got_a_role_since_the_plan(team: Team, messages: str) -> None:
    team.lose(1, 3)
    plan = team.plan()
    team.pool.group_rows["admins"] = Group("admins", role_arn=ROLE)
    job = team.run(team.start(plan, messages))
    assert (job.state, job.result["created"], job.result["confirmed"]) == (State.DONE_WITH_FAILURES, 1, 1)
    one = row(job, 1)
    assert (one.outcome, one.reason, one.confirmed) == ("failed", "kept-out", False)
    assert one.detail == "admins"
    assert one.new_sub and not in_admins(team, 1)
    assert team.run(actions.resume(IVA, job)).state == State.DONE_WITH_FAILURES and not in_admins(team, 1)

    team.pool.group_rows["admins"] = Group("admins")
    team.run(actions.resume(IVA, job))
    assert (job.state, job.result["created"], job.result["confirmed"]) == (State.DONE, 2, 2), job.sentence
    assert in_admins(team, 1)
    assert set(team.pool.messages.values()) == ({1} if messages == "invite" else set())


def test_nor_is_whoever_is_written_over(team: Team) -> None:
    entry = team.pool.get(person(1))
    assert entry
    team.pool.memberships["admins"].discard(entry["Username"])
    plan = team.plan(OVER)
    assert (plan.counts["update"], row(plan.job, 1).groups) == (1, ["admins"])
    team.pool.group_rows["admins"] = Group("admins", role_arn=ROLE)
    job = team.run(team.start(plan))
    assert (job.state, row(job, 1).reason) == (State.DONE_WITH_FAILURES, "kept-out"), job.sentence
    assert not in_admins(team, 1)


def test_many_who_are_kept_out_do_not_stop_the_others(account: Account) -> None:
    team = Team(account)
    for number in range(12, 50):
        team.pool.add(person(number), name="P", groups=["admins"])
    team.backup = team.run(actions.start_backup(IVA, account.row(team.pool))).result["key"]
    team.lose(*range(50))
    plan = team.plan()
    team.pool.group_rows["admins"] = Group("admins", role_arn=ROLE)
    job = team.run(team.start(plan))
    assert (job.state, job.result["created"], job.result["failed"]) == (State.DONE_WITH_FAILURES, 10, 40)
    assert not team.pool.memberships["admins"] & team.pool.entries.keys()


def test_who_was_shown_as_kept_out_stays_out_though_the_group_has_lost_its_role(team: Team) -> None:
    team.pool.group_rows["admins"] = Group("admins", role_arn=ROLE)
    team.lose(1)
    plan = team.plan()
    assert (row(plan.job, 1).groups, row(plan.job, 1).withheld) == ([], ["admins"])
    team.pool.group_rows["admins"] = Group("admins")
    job = team.run(team.start(plan))
    assert (job.state, job.result["created"]) == (State.DONE, 1), job.sentence
    assert not in_admins(team, 1)


def test_with_the_guard_a_role_keeps_nobody_out(team: Team) -> None:
    team.lose(1)
    plan = team.plan(Choices(guards=frozenset({Guard.PRIVILEGED})))
    team.pool.group_rows["admins"] = Group("admins", role_arn=ROLE)
    assert team.run(team.start(plan)).state == State.DONE and in_admins(team, 1)


# --- what may have changed meanwhile -----------------------------------------------------------------


def begun(team: Team, messages: str = "silent", choices: Choices = EVERYTHING_MISSING) -> Job:
    """Three who were lost; the first of them is made, and then the worker was killed."""
    team.lose(1, 2, 3)
    job = team.start(team.plan(choices), messages)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "THREADS", 1)
        patch.setattr(engine, "BATCH", 1)
        killed(team, job, lambda said: bool(said.outcome) or said.step == "groups")
    assert job.items.filter(intended_at__isnull=False).exists() and job.items.filter(outcome="").exists()
    return job


def change(team: Team, what: str, settings: Any) -> None:
    if what == "mail":
        team.pool.mail, team.pool.mails_left = "DEVELOPER", None
    elif what == "schema":
        team.pool.attributes = team.pool.attributes | {"custom:added"}
        team.pool.immutable = frozenset({"custom:added"})
    elif what == "triggers":
        team.pool.triggers = ("PreSignUp",)
    elif what == "administrators":
        settings.APPLICATION_ADMIN_EMAILS = [person(2)]
    else:
        settings.PRIVILEGED_GROUPS = ["others"]


CHANGES = ("mail", "schema", "triggers", "administrators", "privileged groups")


@pytest.mark.parametrize("messages", ["silent", "invite"])
@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("over", [False, True])
def test_who_was_begun_is_finished_whatever_was_switched_since(
    team: Team, settings: Any, what: str, messages: str, over: bool
) -> None:
    job = begun(team, messages, OVER if over else EVERYTHING_MISSING)
    change(team, what, settings)
    team.run(job)
    assert (job.state, job.result["created"]) == (State.DONE, 3), job.sentence
    assert job.result["messages"] == team.pool.messages.total() == 3 * (messages == "invite")
    assert set(team.pool.messages.values()) <= {1} and len(team.pool.entries) == 12


@pytest.mark.parametrize("what", CHANGES)
def test_while_nobody_is_begun_the_same_stops_the_start(team: Team, settings: Any, what: str) -> None:
    team.lose(1)
    plan = team.plan(OVER)
    change(team, what, settings)
    job = team.run(team.start(plan))
    assert job.state == State.FAILED and "Nobody was created or updated. Make a new plan." in job.sentence


def test_an_attribute_that_the_pool_has_learnt_is_left_out_as_planned(account: Account) -> None:
    team = Team(account)
    team.pool.attributes |= {"custom:added"}
    for number in (1, 2, 3):
        team.lose(number)
        team.pool.add(person(number), name=f"Person {number}", custom_added="x")
    team.backup = team.run(actions.start_backup(IVA, account.row(team.pool))).result["key"]
    team.pool.clock.advance(60)
    team.pool.attributes -= {"custom:added"}
    team.lose(1, 2, 3)
    job = team.start(team.plan(Choices(leave_out=frozenset({"custom:added"}))))
    killed(team, job, lambda said: said.step == "password")
    team.pool.attributes |= {"custom:added"}
    team.run(job)
    assert (job.state, job.result["created"], job.result["confirmed"]) == (State.DONE, 3, 3), job.sentence


def test_a_switch_of_the_mail_in_the_middle_writes_to_everybody_once(team: Team) -> None:
    team.lose(1, 2, 4)
    job = team.start(team.plan(), "invite")
    team.pool.mails_left = 1
    assert team.run(job).state == State.WAITING
    actions.cancel(IVA, job)
    team.pool.mail, team.pool.mails_left = "DEVELOPER", None
    job.refresh_from_db()
    team.run(actions.resume(IVA, job))
    assert (job.state, job.result["created"], job.result["messages"]) == (State.DONE, 3, 3), job.sentence
    assert set(team.pool.messages.values()) == {1} and team.pool.messages.total() == 3


def test_who_was_invited_through_ses_waits_for_ses(account: Account) -> None:
    team = Team(account, mail="DEVELOPER", mails_left=None)
    job = begun(team, "invite")
    team.pool.mail, team.pool.mails_left = "COGNITO_DEFAULT", 50
    team.run(job)
    assert job.state == State.PAUSED, job.sentence
    assert "the pool mails through Cognito now." in job.sentence
    assert "Switch the pool's mail back to SES, then resume." in job.sentence
    assert "Make a new plan" not in job.sentence
    team.pool.mail, team.pool.mails_left = "DEVELOPER", None
    team.run(actions.resume(IVA, job))
    assert job.result["messages"] == team.pool.messages.total() and set(team.pool.messages.values()) == {1}


def test_another_backup_stops_also_who_was_begun_and_the_reasons_stay(team: Team, account: Account) -> None:
    team.lose(1, 2, 3)
    job = team.start(team.plan())
    refuse(team, 1, 2)
    team.run(job)
    assert (job.state, job.result["created"]) == (State.DONE_WITH_FAILURES, 1)
    for part in ("manifest.json", "groups.json", "pool.json", "mfa.json", "checked.json"):
        del account.store.objects[f"{team.backup}/{part}"]
    team.run(actions.resume(IVA, job))
    assert job.state == State.PAUSED and "The backup is not what it was" in job.sentence
    failed = job.items.filter(outcome="failed").values_list("reason", "detail")
    assert set(failed) == {("refused", "PreSignUp says no.")} and failed.count() == 2
    actions.cancel(IVA, job)
    assert not job.items.filter(outcome="unknown").exists()


def test_a_resume_that_is_refused_leaves_the_reasons(team: Team) -> None:
    team.lose(1, 2)
    job = team.start(team.plan())
    refuse(team, 1, 2)
    team.run(job)
    team.pool.mail = "DEVELOPER"
    team.run(actions.resume(IVA, job))
    assert job.state == State.FAILED and "Make a new plan" in job.sentence, "nobody was begun"
    assert set(job.items.filter(action="create").values_list("outcome", "reason")) == {("failed", "refused")}


def test_who_fails_after_a_resume_is_not_tried_again_by_itself_the_next_morning(team: Team) -> None:
    """A resume names causes of those who had failed by then; here nobody had."""
    team.lose(1, 2, 4)
    job = team.start(team.plan(), "invite")
    actions.pause(IVA, job)
    job.refresh_from_db()
    job = actions.resume(IVA, job)
    asked, team.pool.mails_left = refuse(team, 1), 1
    assert team.run(job).state == State.WAITING, job.sentence
    assert AGAIN not in job.params and sorted(asked) == [1, 2, 4]
    asked.clear()
    Job.objects.filter(pk=job.pk).update(state=State.QUEUED)
    team.pool.mails_left = 50
    assert team.run(job).state == State.DONE_WITH_FAILURES, job.sentence
    assert not asked
