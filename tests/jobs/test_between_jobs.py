"""People who come and go between a plan, its restore, a second restore and another try of the first."""

from __future__ import annotations

from typing import Any

import pytest

from backups import actions
from backups.core.choices import Choices, Existing, Guard
from backups.core.lifecycle import State
from backups.engine import restore as engine
from backups.engine.ports import Cause, Outcome
from backups.models import Item, Job
from backups.reporting import JobReport
from backups.runner import decide, ledger
from tests.jobs.conftest import IVA, Account
from tests.jobs.test_restores import OVER, Killed, Team, person


@pytest.fixture
def team(account: Account) -> Team:
    return Team(account)


def row(job: Job, number: int) -> Item:
    return Item.objects.get(job=job, email=person(number))


def sub(team: Team, number: int) -> str:
    entry = team.pool.get(person(number))
    assert entry is not None
    return str(entry["Username"])


def registers(team: Team, number: int, **how: Any) -> None:
    """Somebody takes the address, long after the backup."""
    team.pool.clock.advance(3600)
    team.pool.add(person(number), **how)


def try_again(team: Team, job: Job) -> Job:
    return team.run(actions.resume(IVA, job))


# --- begun by another job ----------------------------------------------------------------------------


def test_a_stranger_is_nobody_whom_a_failed_create_was_for(team: Team) -> None:
    team.lose(1)
    team.pool.fail("create_user", Cause.LOST, times=99)
    failed = team.run(team.start(team.plan()))
    assert (failed.state, row(failed, 1).new_sub) == (State.DONE_WITH_FAILURES, "")
    team.pool._faults.clear()
    registers(team, 1, name="Stranger")
    line = row(team.plan().job, 1)
    assert (line.action, line.reason, line.detail) == ("skip", "perhaps-made", str(failed.pk))
    assert (line.new_sub, line.new_username) == ("", "")
    job = team.run(team.start(team.plan()))
    assert row(job, 1).new_sub == ""
    assert sub(team, 1) not in "".join(actions.identity_map(IVA, job))


def test_whom_another_restore_made_meanwhile_is_in_the_pool(team: Team) -> None:
    team.lose(1)
    before = team.plan()
    team.pool.fail("create_user", Cause.LOST, times=99)
    team.run(team.start(before))
    team.pool._faults.clear()
    other = team.run(team.start(team.plan()))
    assert row(other, 1).outcome == "created", other.sentence
    line = row(team.plan().job, 1)
    assert (line.reason, line.new_sub) == ("exists", sub(team, 1))


def test_who_was_intended_and_never_submitted_is_not_begun(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "THREADS", 1)
    team.lose(*range(6))
    job = team.start(team.plan())
    whole = JobReport.outcome

    def outcome(self: JobReport, said: Outcome) -> None:
        whole(self, said)
        if said.outcome:
            Job.objects.filter(pk=job.pk).update(wants="cancel")
            self.flush()

    with monkeypatch.context() as patch:
        patch.setattr(JobReport, "outcome", outcome)
        team.run(job)
    made = job.items.filter(outcome="created").count()
    assert job.state == State.CANCELLED and 0 < made < 6, job.sentence
    assert "not known" not in job.sentence
    left = job.items.filter(action="create").exclude(outcome="created")
    assert set(left.values_list("outcome", "intended_at", "step")) == {("", None, "")}
    assert ledger.unfinished(Job(pk=0, pool_id=team.pool.pool_id)) == {}
    assert team.plan().counts["create"] == 6 - made
    try_again(team, job)
    assert (job.state, job.result["created"]) == (State.DONE, 6), job.sentence
    assert len(team.pool.entries) == 12


def test_what_an_earlier_worker_left_unknown_stays_so_over_a_pause(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    team.lose(1, 2)
    job = team.start(team.plan())
    with monkeypatch.context() as patch:
        patch.setattr(JobReport, "outcome", killed)
        with pytest.raises(Killed):
            team.run(job)
    begun = list(job.items.filter(outcome="unknown").values_list("key", "intended_at"))
    assert len(begun) == 2
    Job.objects.filter(pk=job.pk).update(state=State.QUEUED, lease_until=None, wants="pause")
    team.run(job)
    assert job.state == State.PAUSED
    assert list(job.items.filter(outcome="unknown").values_list("key", "intended_at")) == begun
    try_again(team, job)
    assert (job.state, job.result["created"]) == (State.DONE, 2), job.sentence


def killed(*_: object) -> None:
    raise Killed


def test_somebody_may_say_that_a_create_without_an_answer_made_who_is_there(team: Team) -> None:
    team.lose(1)
    team.pool.fail("create_user", Cause.LOST, after=True)
    team.pool.fail("get_user", Cause.DENIED, times=99)
    team.run(team.start(team.plan()))
    team.pool._faults.clear()
    first = team.plan()
    assert [one.key for one in decide.found(first).again] == [team.key(first, 1)]
    choices = decide.decided(first, people=[team.key(first, 1)])
    line = row(team.plan(choices).job, 1)
    assert (line.reason, line.new_sub) == ("exists", sub(team, 1))


def test_whom_a_restore_that_is_over_left_unfinished_a_new_plan_finishes(team: Team) -> None:
    team.lose(1, 2, 4)
    team.pool.fail("add_to_group", Cause.DENIED, times=2)
    first = team.run(team.start(team.plan()))
    assert (first.state, first.result["failed"]) == (State.DONE_WITH_FAILURES, 2), first.sentence
    made, kept = team.pool.calls["create_user"], dict(team.pool.passwords)
    assert not team.pool.memberships["admins"] & {sub(team, 1), sub(team, 2)}

    plan = team.plan()
    line = row(plan.job, 1)
    assert (line.action, line.reason, line.detail) == ("update", "finish", "admins")
    assert (line.new_sub, plan.counts["create"], plan.counts["update"]) == (sub(team, 1), 0, 2)
    job = team.run(team.start(plan))
    assert (job.state, job.result["updated"]) == (State.DONE, 2), job.sentence
    assert team.pool.memberships["admins"] >= {sub(team, 1), sub(team, 2)}
    assert (team.pool.calls["create_user"], team.pool.passwords) == (made, kept)
    assert not team.pool.messages.total()
    assert sub(team, 1) in "".join(actions.identity_map(IVA, job))

    again = team.plan()
    assert (row(again.job, 1).reason, again.counts["update"]) == ("exists", 0)
    assert try_again(team, first).state == State.DONE, "and who goes on with the first does no harm"


def test_whom_a_trial_left_unfinished_nobody_calls_done(team: Team) -> None:
    team.lose(1, 3)
    plan = team.plan()
    team.pool.fail("add_to_group", Cause.DENIED)
    tried = team.run(team.start(plan, only=[team.key(plan, 1)]))
    assert tried.state == State.DONE_WITH_FAILURES, tried.sentence
    job = team.run(team.start(plan))
    left = row(job, 1)
    assert (left.outcome, left.reason, left.new_sub) == ("failed", "left-unfinished", sub(team, 1))
    assert (job.state, row(job, 3).outcome) == (State.DONE_WITH_FAILURES, "created"), job.sentence
    assert try_again(team, tried).state == State.DONE
    assert sub(team, 1) in team.pool.memberships["admins"]


def test_a_plan_of_who_is_missing_undoes_nothing_that_somebody_did_after_a_cancelled_restore(
    team: Team,
) -> None:
    """Both were whole, one but for an invitation; then one was enabled again, and one left a group."""
    team.pool.disable_user(sub(team, 4))
    team.backup = team.run(actions.start_backup(IVA, team.account.row(team.pool))).result["key"]
    team.lose(1, 4)
    team.pool.mails_left = 0
    first = team.run(team.start(team.plan(), "invite"))
    assert row(first, 1).confirmed and row(first, 4).confirmed, first.sentence
    team.run(actions.cancel(IVA, first))
    team.pool.enable_user(sub(team, 4))
    team.pool.remove_from_group(sub(team, 1), "admins")
    plan = team.plan()
    assert (plan.counts["create"], plan.counts["update"]) == (0, 0)
    assert {row(plan.job, number).reason for number in (1, 4)} == {"exists"}


def test_who_is_in_the_groups_by_now_joins_none_of_them_again(team: Team) -> None:
    team.lose(1)
    team.pool.fail("groups_of", Cause.DENIED, times=99)
    first = team.run(team.start(team.plan()))
    assert (first.state, row(first, 1).outcome) == (State.DONE_WITH_FAILURES, "failed"), first.sentence
    team.pool._faults.clear()
    line = row(team.plan().job, 1)
    assert (line.action, line.reason, line.new_sub) == ("skip", "exists", sub(team, 1))


def test_who_was_to_be_disabled_again_is_and_nobody_gets_a_password_by_being_finished(team: Team) -> None:
    team.pool.disable_user(sub(team, 4))
    team.backup = team.run(actions.start_backup(IVA, team.account.row(team.pool))).result["key"]
    team.lose(1, 4, 5)
    team.pool.fail("disable_user", Cause.DENIED)
    team.pool.fail("set_password", Cause.DENIED, times=2)
    first = team.start(team.plan())
    team.run(first)
    assert first.result["failed"] == 3, first.sentence

    plan = team.plan()
    found = {number: (row(plan.job, number).action, row(plan.job, number).reason) for number in (1, 4, 5)}
    assert found == {1: ("update", "finish-waits"), 4: ("update", "finish"), 5: ("skip", "waits")}
    job = team.run(team.start(plan, "invite"))
    assert (job.state, job.result["updated"]) == (State.DONE, 2), job.sentence
    entry = team.pool.get(person(4))
    assert entry and entry["Enabled"] is False
    assert not team.pool.passwords and not team.pool.messages.total()
    assert row(job, 5).new_sub == sub(team, 5)


# --- gone since the plan -----------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["backup", "changed"])
def test_who_existed_in_the_plan_and_is_gone_makes_no_success(team: Team, order: str) -> None:
    team.lose(1)
    plan = team.plan()
    dead = [sub(team, number) for number in (4, 5, 6)]
    team.lose(4, 5, 6)
    job = team.run(team.start(plan, order=order))
    assert job.state == State.DONE_WITH_FAILURES
    assert (job.result["created"], job.result["skipped"], job.result["failed"]) == (1, 8, 3), job.sentence
    assert (job.counters["skipped"], job.counters["failed"], job.counters["left"]) == (8, 3, 0)
    for number in (4, 5, 6):
        gone = row(job, number)
        assert (gone.outcome, gone.reason, gone.new_sub, gone.new_username) == (
            "failed",
            "gone-since",
            "",
            "",
        )
    mapped = "".join(actions.identity_map(IVA, job)).splitlines()[1:]
    assert len(mapped) == 9 and not any(line.split(",")[1] in dead for line in mapped)
    with pytest.raises(actions.Refused, match="nothing to go on with"):
        actions.resume(IVA, job)

    again = team.run(team.start(team.plan()))
    assert (again.state, again.result["created"]) == (State.DONE, 3), again.sentence


def test_who_is_gone_is_noticed_where_nobody_is_to_be_written(team: Team) -> None:
    plan = team.plan()
    team.lose(4)
    job = team.run(team.start(plan))
    assert (job.state, job.result["failed"]) == (State.DONE_WITH_FAILURES, 1)
    assert "before" not in job.result and not team.pool.calls["create_user"]


def test_who_is_missing_and_no_part_of_a_try_is_no_failure_of_it(team: Team) -> None:
    team.lose(1, 2)
    plan = team.plan()
    job = team.run(team.start(plan, only=[team.key(plan, 1)]))
    assert (job.state, job.result["created"], job.result["failed"]) == (State.DONE, 1, 0)


# --- another try after another job -------------------------------------------------------------------


@pytest.mark.parametrize("cause", [Cause.REFUSED, Cause.DENIED, Cause.THROTTLED])
def test_whom_another_job_invited_gets_no_password_from_a_second_try(team: Team, cause: Cause) -> None:
    team.lose(1, 2)
    team.pool.fail("create_user", cause, times=99)
    first = team.run(team.start(team.plan()))
    assert first.items.filter(outcome="failed", new_sub="").count() == 2
    team.pool._faults.clear()
    other = team.run(team.start(team.plan(), "invite"))
    assert other.result["messages"] == 2, other.sentence
    try_again(team, first)
    assert (first.state, first.result["created"], first.result["skipped"]) == (State.DONE, 0, 12)
    assert (row(first, 1).reason, row(first, 1).new_sub) == ("exists-now", sub(team, 1))
    assert not team.pool.passwords and team.pool.messages.total() == 2


@pytest.mark.parametrize("existing", list(Existing))
def test_nor_where_it_was_not_known_what_became_of_the_create(team: Team, existing: Existing) -> None:
    team.lose(1, 2)
    plan = team.plan(Choices(existing=existing, guards=frozenset({Guard.NEWER})))
    team.pool.fail("create_user", Cause.LOST, times=99)
    first = team.run(team.start(plan))
    assert first.items.filter(outcome="failed", reason="silent", new_sub="").count() == 2
    team.pool._faults.clear()
    team.run(team.start(team.plan(), "invite"))
    change = team.pool.entries[sub(team, 1)]
    change["Attributes"] = [one for one in change["Attributes"] if one["Name"] != "name"]
    team.pool._touch(change)
    try_again(team, first)
    assert (first.state, first.result["created"]) == (State.DONE, 0), first.sentence
    assert (row(first, 1).reason, row(first, 1).new_sub) == ("exists-now", sub(team, 1))
    assert not team.pool.passwords and team.pool.messages.total() == 2
    made = ledger.restored([sub(team, 1)])
    assert made == {sub(team, 1): {row(first, 1).key}}
    assert row(first, 1).intended_at is None, "this job did nothing to them"


def test_a_create_that_came_through_and_could_not_be_looked_for_is_still_ours(team: Team) -> None:
    team.lose(1)
    team.pool.fail("create_user", Cause.LOST, after=True)
    team.pool.fail("get_user", Cause.DENIED, times=99)
    job = team.run(team.start(team.plan()))
    assert (row(job, 1).outcome, row(job, 1).reason, row(job, 1).new_sub) == ("failed", "denied", "")
    assert try_again(team, job).state == State.DONE_WITH_FAILURES, "and once more"
    team.pool._faults.clear()
    try_again(team, job)
    assert (job.state, job.result["created"], row(job, 1).new_sub) == (State.DONE, 1, sub(team, 1))
    assert len(team.pool.passwords) == 1 and len(team.pool.entries) == 12


def test_an_administrator_whose_create_was_lost_is_still_ours(team: Team, settings: Any) -> None:
    settings.APPLICATION_ADMIN_EMAILS = [person(1)]
    team.lose(1)
    team.pool.fail("create_user", Cause.LOST, after=True)
    team.pool.fail("get_user", Cause.DENIED, times=99)
    job = team.run(team.start(team.plan()))
    team.pool._faults.clear()
    try_again(team, job)
    assert (job.state, job.result["created"]) == (State.DONE, 1), job.sentence


def test_an_administrator_who_was_not_chosen_is_in_the_map_once_the_application_makes_them(
    team: Team, settings: Any
) -> None:
    settings.APPLICATION_ADMIN_EMAILS = [person(1)]
    team.lose(1, 2)
    job = team.run(team.start(team.plan(Choices(users=(person(2),)))))
    admin = row(job, 1)
    assert (admin.outcome, admin.reason, admin.new_sub) == ("skipped", "administrator-missing", "")
    assert (job.state, job.result["created"]) == (State.DONE, 1), job.sentence
    team.pool.add(person(1), status="FORCE_CHANGE_PASSWORD")
    assert f"{admin.old_sub},{sub(team, 1)}," in "".join(actions.identity_map(IVA, job))


# --- when the start is stopped -----------------------------------------------------------------------


def test_those_who_wait_for_their_invitation_were_written(team: Team) -> None:
    team.lose(1, 2, 4)
    job = team.start(team.plan(), "invite")
    team.pool.mails_left = 1
    assert team.run(job).state == State.WAITING
    team.pool.case_sensitive = True  # another pool, as it were
    try_again(team, job)
    assert job.state == State.PAUSED
    assert "3 users were created and stay, 2 of them unfinished." in job.sentence
    assert "2 of them wait for an invitation: cancel this job" in job.sentence
    assert "“Who is in again”" in job.sentence and "Nothing was written" not in job.sentence

    actions.cancel(IVA, job)
    waiting = job.items.filter(outcome="failed", reason="not-invited")
    assert job.state == State.CANCELLED and waiting.count() == 2, "as that sentence promises"


def test_those_who_were_updated_were_written(team: Team) -> None:
    entry = team.pool.entries[sub(team, 5)]
    for one in entry["Attributes"]:
        if one["Name"] == "name":
            one["Value"] = "Somebody"
    team.lose(1)
    plan = team.plan(OVER)
    team.pool.fail("create_user", Cause.REFUSED)
    job = team.run(team.start(plan))
    assert (job.state, job.result["updated"]) == (State.DONE_WITH_FAILURES, 1), job.sentence
    team.pool.case_sensitive = True  # another pool, as it were
    try_again(team, job)
    assert "Nobody was created; 1 user was updated or begun." in job.sentence
