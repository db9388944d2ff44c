"""A restore job beyond its users: what is kept first, who comes first, who is tried first, at which pace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from backups import actions, runner, wiring
from backups.core import naming
from backups.core.choices import EVERYTHING_MISSING, Choices, Existing, Guard
from backups.core.lifecycle import State
from backups.core.snapshot import Group, User
from backups.engine import restore as engine
from backups.engine.pace import Pace
from backups.engine.ports import CallThrough, Cause, Outcome
from backups.models import Backup, Event, Item, Job, Plan
from backups.models.audit import Act, AuditEntry
from backups.reporting import JobReport
from backups.runner import backup as backing
from backups.runner import restore as restoring
from tests.fakes import FakeClock, FakePool
from tests.jobs.conftest import IVA, Account

OVER = Choices(existing=Existing.OVERWRITE, guards=frozenset(Guard))
FIRST = "Backing up the pool first"


def person(number: int) -> str:
    return f"person{number}@uni.example"


class Team:
    """Twelve people, their backup, and a pool that has changed since."""

    def __init__(self, account: Account, **how: Any) -> None:
        self.account, self.pool = account, account.add(**how)
        for number in range(12):
            self.pool.add(
                person(number), name=f"Person {number}", groups=["admins"] if number in (1, 2) else ()
            )
        self.backup = self.run(actions.start_backup(IVA, account.row(self.pool))).result["key"]
        self.pool.clock.advance(60)

    def lose(self, *numbers: int) -> None:
        for number in numbers:
            self.pool.remove(person(number))

    def run(self, job: Job) -> Job:
        runner.run(job.pk)
        job.refresh_from_db()
        return job

    def plan(self, choices: Choices = EVERYTHING_MISSING) -> Plan:
        job = self.run(actions.plan_restore(IVA, self.backup, self.account.row(self.pool), choices=choices))
        assert job.state == State.PLANNED, job.sentence
        return Plan.objects.get(job=job)

    def start(self, plan: Plan, messages: str = "silent", **how: Any) -> Job:
        typed = actions.confirmation(plan, how.get("only"))
        asked = {"digest": plan.digest, "typed": typed, "reason": "INC-204"}
        return actions.start_restore(IVA, plan, messages=messages, **(asked | how))

    def key(self, plan: Plan, number: int) -> str:
        return Item.objects.get(job=plan.job, email=person(number)).key

    def there(self) -> set[int]:
        return {number for number in range(12) if self.pool.get(person(number))}


@pytest.fixture
def team(account: Account) -> Team:
    return Team(account)


def phases(job: Job) -> list[str]:
    told = Event.objects.filter(job=job, kind="phase").order_by("pk").values_list("data", flat=True)
    return [data["phase"] for data in told]


# --- what is kept first ------------------------------------------------------------------------------


def test_a_pool_with_users_is_backed_up_before_anything_is_written_to_it(team: Team) -> None:
    team.lose(1, 2, 3)
    listed: list[int] = []
    put = team.account.store.put

    def counted(key: str, chunks: Any) -> Any:
        listed.append(team.pool.calls["create_user"] + team.pool.calls["create_group"])
        return put(key, chunks)

    team.account.store.put = counted  # type: ignore[method-assign]
    job = team.run(team.start(team.plan()))
    assert (job.state, job.result["created"]) == (State.DONE, 3), job.sentence
    made = Backup.objects.get(key=job.result["before"])
    assert (made.made_by, made.checked, made.users, made.state) == ("before-restore", True, 9, "complete")
    assert made.being_made_by is None
    told = phases(job)
    assert (
        told.index("Reading the live pool") < told.index(FIRST) < told.index("Users, passwords, memberships")
    )
    assert "Second factors" not in told and "Reading back" not in told, "it is one phase of this job"
    assert listed[0] == 0, "put before the first write"
    intended = AuditEntry.objects.get(act=Act.RESTORE_INTENDED, job=job.pk)
    assert intended.details["before"] == made.key


def test_an_empty_pool_has_nothing_to_back_up(team: Team) -> None:
    team.lose(*range(12))
    job = team.run(team.start(team.plan()))
    assert (job.state, job.result["created"]) == (State.DONE, 12)
    assert "before" not in job.result and FIRST not in phases(job)
    assert Backup.objects.count() == 1


def test_a_restore_that_writes_to_nobody_backs_up_nothing(team: Team) -> None:
    job = team.run(team.start(team.plan()))
    assert (job.state, job.result["skipped"]) == (State.DONE, 12)
    assert "before" not in job.result and Backup.objects.count() == 1


def test_without_that_backup_nothing_is_written_and_a_resume_makes_it(team: Team) -> None:
    team.lose(1, 2)
    plan = team.plan()
    team.account.store.fail("put", Cause.DENIED)
    job = team.run(team.start(plan))
    assert job.state == State.FAILED
    assert "that pool is backed up, and this did not work: Could not put: denied." in job.sentence
    assert "Nothing was restored" in job.sentence and "@" not in job.sentence
    assert not team.pool.calls["create_user"] and not team.pool.calls["create_group"]
    assert not AuditEntry.objects.filter(act=Act.RESTORE_INTENDED).exists()
    assert Backup.objects.filter(made_by="before-restore", checked=True).count() == 0

    job = team.run(actions.resume(IVA, job))
    assert (job.state, job.result["created"]) == (State.DONE, 2), job.sentence
    assert Backup.objects.get(key=job.result["before"]).checked


def test_a_backup_that_reads_back_differently_stops_the_restore(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    team.lose(1)
    plan = team.plan()
    team.account.store.fail("open", Cause.LOST, nth=6, times=99)
    job = team.start(plan)
    monkeypatch.setattr(restoring, "back_up_first", cut(team, backing.back_up_first))
    team.run(job)
    assert job.state == State.FAILED and "Nothing was restored" in job.sentence
    assert not team.pool.calls["create_user"]


def cut(team: Team, whole: Callable[..., str]) -> Callable[..., str]:
    """The bucket gives nothing back from here on."""

    def first(*args: Any) -> str:
        team.account.store.fail("open", Cause.LOST, times=99)
        return whole(*args)

    team.account.store._faults.clear()
    return first


class Killed(BaseException):
    pass


def die_at(monkeypatch: pytest.MonkeyPatch, at: Callable[[Outcome], bool]) -> None:
    whole = JobReport.outcome

    def outcome(self: JobReport, said: Outcome) -> None:
        if at(said):
            raise Killed
        whole(self, said)

    monkeypatch.setattr(JobReport, "outcome", outcome)


def test_it_is_made_once_whoever_takes_the_job_up(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    team.lose(1, 2, 3)
    job = team.start(team.plan())
    with monkeypatch.context() as patch:
        die_at(patch, lambda said: bool(said.outcome))
        with pytest.raises(Killed):
            runner.run(job.pk)
    job.refresh_from_db()
    before = job.result["before"]
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    job = team.run(job)
    assert (job.state, job.result["before"], job.result["created"]) == (State.DONE, before, 3)
    assert Backup.objects.filter(made_by="before-restore").count() == 1
    assert phases(job).count(FIRST) == 1


def test_a_pause_does_not_make_it_again(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "THREADS", 1)
    team.lose(1, 2, 3)
    job = team.start(team.plan())
    whole = JobReport.outcome

    def outcome(self: JobReport, said: Outcome) -> None:
        whole(self, said)
        if said.outcome:
            self.interrupted.set()  # Ctrl-C

    with monkeypatch.context() as patch:
        patch.setattr(JobReport, "outcome", outcome)
        team.run(job)
    assert (job.state, job.items.filter(outcome="created").count()) == (State.PAUSED, 1), job.sentence
    before = job.result["before"]
    team.run(actions.resume(IVA, job))
    assert (job.state, job.result["created"], job.result["before"]) == (State.DONE, 3, before)
    assert Backup.objects.filter(made_by="before-restore").count() == 1


def test_a_worker_that_dies_while_it_is_made_leaves_a_half_that_is_called_so(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    team.lose(1)
    job = team.start(team.plan())
    put = team.account.store.put

    def dies(key: str, chunks: Any) -> Any:
        if key.endswith(naming.DATA):
            raise Killed
        return put(key, chunks)

    with monkeypatch.context() as patch:
        patch.setattr(team.account.store, "put", dies)
        with pytest.raises(Killed):
            runner.run(job.pk)
    assert not team.pool.calls["create_user"]
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    job = team.run(job)
    assert (job.state, job.result["created"]) == (State.DONE, 1), job.sentence
    made = {one.key: one.state for one in Backup.objects.filter(made_by="before-restore")}
    assert made.pop(job.result["before"]) == "complete"
    assert set(made.values()) <= {"incomplete"}
    assert not Backup.objects.exclude(being_made_by=None).exists()


# --- who is tried first ------------------------------------------------------------------------------


def test_some_are_tried_first_and_the_plan_is_still_there_for_the_others(team: Team) -> None:
    team.lose(1, 2, 3, 4, 5)
    team.pool.group_rows.clear()
    team.pool.memberships.clear()
    plan = team.plan()
    only = [team.key(plan, 3), team.key(plan, 4), team.key(plan, 3)]
    assert actions.confirmation(plan, only) == "production 2"
    job = team.run(team.start(plan, only=only))
    assert (job.state, job.result["created"], job.result["skipped"]) == (State.DONE, 2, 0), job.sentence
    assert team.there() == {0, 3, 4, *range(6, 12)}
    assert not team.pool.group_rows, "a group comes with its first member"
    plan.refresh_from_db()
    assert plan.restore is None

    rest = team.run(team.start(plan))
    assert (rest.state, rest.result["created"], rest.result["skipped"]) == (State.DONE, 3, 9), rest.sentence
    row = Item.objects.get(job=rest, email=person(3))
    made = Item.objects.get(job=job, email=person(3))
    assert (row.outcome, row.reason, row.new_sub) == ("skipped", "exists-now", made.new_sub)
    assert team.there() == set(range(12)) and set(team.pool.group_rows) == {"admins"}
    assert len(team.pool.entries) == 12


def test_whom_the_trial_wrote_over_is_left_alone_and_the_reason_names_it(team: Team) -> None:
    plan = written_over(team)
    trial = team.run(team.start(plan, only=[team.key(plan, 5)]))
    assert (trial.state, trial.result["updated"]) == (State.DONE, 1), trial.sentence
    team.pool.clock.advance(5)
    team.pool.update_user(person(6), {"name": "Their own"})
    job = team.run(team.start(plan))
    rows = {number: Item.objects.get(job=job, email=person(number)) for number in (5, 6)}
    assert {row.outcome for row in rows.values()} == {"skipped"}
    assert (rows[5].reason, rows[5].detail, rows[6].reason) == ("tried", str(trial.pk), "changed-since")


def test_a_try_that_was_killed_goes_on_from_its_ledger(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    team.lose(1, 2, 3)
    plan = team.plan()
    job = team.start(plan, only=[team.key(plan, 1), team.key(plan, 2)])
    with monkeypatch.context() as patch:
        die_at(patch, lambda said: said.step == "password")
        with pytest.raises(Killed):
            runner.run(job.pk)
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    job = team.run(job)
    assert (job.state, job.result["created"], job.result["failed"]) == (State.DONE, 2, 0), job.sentence
    assert team.there() == set(range(12)) - {3} and len(team.pool.entries) == 11


def test_who_is_no_line_of_the_plan_is_no_one_to_try_it_with(team: Team) -> None:
    team.lose(1, 2)
    plan = team.plan()
    for wrong in ([], ["nobody"], [team.key(plan, 1), team.key(plan, 5)]):
        with pytest.raises(actions.Refused):
            team.start(plan, only=wrong)
    with pytest.raises(actions.Refused, match="Type production 1 to start"):
        team.start(plan, only=[team.key(plan, 1)], typed="production 2")
    with pytest.raises(actions.Refused, match="1,000 users at most"):
        team.start(plan, only=[str(number) for number in range(1001)])
    assert not Job.objects.filter(kind=Job.Kind.RESTORE).exists()
    team.run(team.start(plan))
    with pytest.raises(actions.Refused, match="carried out already"):
        team.start(plan, only=[team.key(plan, 1)])


def test_the_operators_own_are_proposed(team: Team, settings: Any) -> None:
    team.lose(1, 2)
    settings.OPERATOR_EMAILS = ["Person2@uni.example", person(5), "iva@uni.example"]
    plan = team.plan()
    assert actions.proposed(plan) == {team.key(plan, 2): person(2)}, "who stands needs no restore"
    settings.OPERATOR_EMAILS = []
    assert actions.proposed(plan) == {}


# --- who comes first ---------------------------------------------------------------------------------


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "THREADS", 1)


def in_order(team: Team, job: Job) -> list[int]:
    """Who was made, in the order in which the calls came."""
    made: list[str] = []
    whole = team.pool.create_user

    def create_user(username: str, attributes: Any, *, invite: bool = False) -> Any:
        made.append(username)
        return whole(username, attributes, invite=invite)

    team.pool.create_user = create_user  # type: ignore[method-assign]
    team.run(job)
    assert job.state == State.DONE, job.sentence
    return [int(name.removeprefix("person").partition("@")[0]) for name in made]


@pytest.mark.parametrize("ahead", [2, 20_000])
@pytest.mark.parametrize("at_once", [3, 1000])
@pytest.mark.parametrize("messages", ["invite", "silent"])
def test_the_order_is_the_operators(
    team: Team,
    one_by_one: None,
    monkeypatch: pytest.MonkeyPatch,
    ahead: int,
    at_once: int,
    messages: str,
) -> None:
    monkeypatch.setattr(restoring, "AHEAD", ahead)
    monkeypatch.setattr(restoring, "AT_ONCE", at_once)
    team.lose(1, 2, 4, 6, 7, 9)
    plan = team.plan()
    order = [team.key(plan, number) for number in (7, 2, 9)]
    assert in_order(team, team.start(plan, messages, order=order))[:3] == [7, 2, 9]
    assert team.there() == set(range(12))


@pytest.mark.parametrize("ahead", [2, 20_000])
def test_who_changed_last_comes_first(
    account: Account, one_by_one: None, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    monkeypatch.setattr(restoring, "AHEAD", ahead)
    team = Team(account)
    for number in (8, 3, 5, 10):
        team.pool.clock.advance(60)
        entry = team.pool.get(person(number))
        assert entry
        team.pool._touch(team.pool.entries[entry["Username"]])
    team.backup = team.run(actions.start_backup(IVA, account.row(team.pool))).result["key"]
    team.pool.clock.advance(60)
    team.lose(3, 4, 5, 8, 10)
    assert in_order(team, team.start(team.plan(), order="changed")) == [10, 5, 3, 8, 4]


@pytest.mark.parametrize("order", ["backup", "changed"])
def test_administrators_of_the_application_come_first_whatever_the_order(
    team: Team, one_by_one: None, settings: Any, order: str
) -> None:
    settings.APPLICATION_ADMIN_EMAILS = ["PERSON9@uni.example", person(0)]
    team.lose(*range(6), 9)
    made = in_order(team, team.start(team.plan(), order=order))
    assert set(made[:2]) == {0, 9} and set(made) == {*range(6), 9}


def test_whom_somebody_names_comes_first_by_e_mail_or_username(team: Team, one_by_one: None) -> None:
    team.lose(*range(6))
    plan = team.plan()
    username = Item.objects.get(job=plan.job, email=person(1)).old_username
    first = f"{person(4).upper()}\n\n{username}\n{person(4)}"
    job = team.start(plan, order="list", first=first)
    assert AuditEntry.objects.get(act=Act.RESTORE_ASKED, job=job.pk).details["order"] == "2 first"
    made = in_order(team, job)
    assert made[:2] == [4, 1] and set(made) == set(range(6))


def test_the_users_of_a_group_come_first_also_of_one_that_they_stay_out_of(
    account: Account, one_by_one: None
) -> None:
    team = Team(account)
    team.pool.create_group(Group("root", role_arn="arn:aws:iam::123456789012:role/root"))
    team.pool.create_group(Group("beta"))
    for name, *numbers in (("root", 3), ("beta", 5, 3)):
        for number in numbers:
            entry = team.pool.get(person(number))
            assert entry
            team.pool.add_to_group(entry["Username"], name)
    team.backup = team.run(actions.start_backup(IVA, account.row(team.pool))).result["key"]
    team.lose(*range(6))
    plan = team.plan()
    assert actions.groups_of(plan) == ["admins", "beta", "root"]
    job = team.start(plan, order="groups", first="root\nadmins\n")
    asked = AuditEntry.objects.get(act=Act.RESTORE_ASKED, job=job.pk)
    assert asked.details["order"] == "groups first: root, admins"
    made = in_order(team, job)
    assert made[0] == 3 and set(made[1:3]) == {1, 2} and set(made) == set(range(6))


def test_invitations_that_wait_keep_their_order(team: Team, one_by_one: None) -> None:
    team.lose(1, 2, 3, 4)
    plan = team.plan()
    order = [team.key(plan, number) for number in (4, 2)]
    team.pool.mails_left = 1
    job = team.run(team.start(plan, "invite", order=order))
    assert job.state == State.WAITING
    mailed = Item.objects.filter(job=job, messages=1)
    assert [item.email for item in mailed] == [person(4)]
    team.pool.mails_left = 1
    Job.objects.filter(pk=job.pk).update(state=State.QUEUED, wake_at=None)
    team.run(job)
    assert {item.email for item in mailed.all()} == {person(4), person(2)}
    assert set(team.pool.messages.values()) == {1}


def test_what_is_no_order_is_refused(team: Team) -> None:
    team.lose(1)
    plan = team.plan()
    for words, first, said in (
        ("list", " \n", "Nobody is named who comes first"),
        ("list", f"{person(1)}\n{person(5)}", "1 of those who come first is not restored .*: p••••@"),
        ("groups", "beta\nadmins", "comes back into a group called beta"),
    ):
        with pytest.raises(actions.Refused, match=said):
            team.start(plan, order=words, first=first)
    for wrong in ("alphabet", ["nobody"], [team.key(plan, 5)]):
        with pytest.raises(actions.Refused):
            team.start(plan, order=wrong)


# --- at which pace -----------------------------------------------------------------------------------


def test_a_job_has_the_share_of_the_quotas_that_was_chosen(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    team.lose(3)
    plan, asked = team.plan(), list[float | None]()

    def pool(region: str, pool_id: str, share: float | None = None) -> FakePool:
        asked.append(share)
        return team.pool

    def pace(region: str, share: float | None = None) -> Pace:
        asked.append(share)
        return Pace(FakeClock(), share or 0.8)

    monkeypatch.setattr(wiring, "pool", pool)
    monkeypatch.setattr(wiring, "pace", pace)
    job = team.run(team.start(plan, share=0.5))
    assert job.state == State.DONE, job.sentence
    assert asked == [0.5, 0.5, 0.5], "the restore, the backup before it, and what the page is told"
    assert job.counters["at_most"] == 15, "half of the passwords' 30"
    for wrong in (0.0, 0.01, 1.01, -1.0, float("nan")):
        with pytest.raises(actions.Refused):
            team.start(team.plan(), share=wrong)


def test_what_the_quotas_allow_is_of_all_steps(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group each: 20 users a second get theirs at a share of 0.8, though 24 would get a password."""
    monkeypatch.setattr(wiring, "pace", lambda region, share=None: Pace(FakeClock(), share or 0.8))
    team.lose(1, 2)
    plan = team.plan()
    assert plan.counts["memberships"] == 2
    assert plan.counts["seconds"]["silent"] == pytest.approx(2 / 25), "with all of the quotas"
    assert team.run(team.start(plan)).counters["at_most"] == 20


def test_a_share_of_ones_own_is_another_pace() -> None:
    half, usual = wiring.pace("eu-west-1", 0.5), wiring.pace("eu-west-1")
    assert half["UserCreation"].standing().limit == 25
    assert usual["UserCreation"].standing().limit == 40
    assert wiring.pace("eu-west-1", 0.5) is half


# --- updates -----------------------------------------------------------------------------------------


def written_over(team: Team, *missing: int) -> Plan:
    """Two who were changed since the backup, one who is missing, and more of these."""
    for number in (5, 6):
        found = team.pool.get(person(number))
        assert found
        team.pool.update_user(found["Username"], {"name": "Somebody"})
    team.pool.disable_user(person(6))
    team.lose(7, *missing)
    plan = team.plan(OVER)
    assert (plan.counts["create"], plan.counts["update"]) == (1 + len(missing), 2), plan.counts
    return plan


def name_of(team: Team, number: int) -> str:
    found = team.pool.get(person(number))
    assert found
    return User.of(found).attributes["name"]


def test_who_exists_is_written_over_and_read_back(team: Team) -> None:
    plan = written_over(team)
    assert actions.confirmation(plan) == "production 3"
    job = team.run(team.start(plan))
    assert job.state == State.DONE, job.sentence
    assert "1 created and read back, 2 updated and read back" in job.sentence
    assert (job.result["updated"], job.result["confirmed"], job.result["messages"]) == (2, 3, 0)
    assert [name_of(team, number) for number in (5, 6)] == ["Person 5", "Person 6"]
    entry = team.pool.get(person(6))
    assert entry and entry["Enabled"]
    row = Item.objects.get(job=job, email=person(5))
    assert (row.outcome, row.step, row.new_username) == ("updated", "confirmed", row.old_username)


def test_who_changed_since_the_plan_is_held_back_and_keeps_their_place_in_the_map(team: Team) -> None:
    plan = written_over(team)
    team.pool.clock.advance(5)
    team.pool.update_user(person(5), {"name": "Their own"})
    job = team.run(team.start(plan))
    assert (job.state, job.result["updated"], job.result["skipped"]) == (State.DONE, 1, 10), job.sentence
    row = Item.objects.get(job=job, email=person(5))
    assert (row.outcome, row.reason) == ("skipped", "changed-since") and row.new_sub == row.old_sub
    assert name_of(team, 5) == "Their own"


@pytest.mark.parametrize("step", ["attributes", "enabled"])
def test_an_update_whose_worker_died_is_finished_by_the_next(
    team: Team, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    job = team.start(written_over(team))
    with monkeypatch.context() as patch:
        die_at(patch, lambda said: said.step == step)
        with pytest.raises(Killed):
            runner.run(job.pk)
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    job = team.run(job)
    assert (job.state, job.result["updated"], job.result["created"]) == (State.DONE, 2, 1), job.sentence
    assert [name_of(team, number) for number in (5, 6)] == ["Person 5", "Person 6"]
    assert Item.objects.filter(job=job, outcome="unknown").count() == 0


def test_an_update_that_failed_is_tried_again(team: Team) -> None:
    plan = written_over(team)
    team.pool.fail("update_user", Cause.DENIED, times=2)
    job = team.run(team.start(plan))
    assert (job.state, job.result["failed"]) == (State.DONE_WITH_FAILURES, 2)
    team.run(actions.resume(IVA, job))
    assert (job.state, job.result["updated"]) == (State.DONE, 2), job.sentence
    assert [name_of(team, number) for number in (5, 6)] == ["Person 5", "Person 6"]


# --- a bad day ---------------------------------------------------------------------------------------


def paced(clock: FakeClock) -> CallThrough:
    return Pace(clock, 0.8).call


WRITES = (
    "create_user",
    "set_password",
    "add_to_group",
    "update_user",
    "enable_user",
    "get_user",
    "groups_of",
)


@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize("cause", [Cause.THROTTLED, Cause.LOST, Cause.UNREACHABLE, Cause.DENIED])
@pytest.mark.parametrize("for_ever", [False, True])
@pytest.mark.parametrize("nth", [1, 3])
def test_every_user_has_an_outcome_and_a_second_try_comes_to_the_plan(
    team: Team, operation: str, cause: Cause, for_ever: bool, nth: int
) -> None:
    plan = written_over(team, 1, 2)
    team.pool.through = paced(FakeClock())
    team.pool.fail(operation, cause, nth=nth, times=10**6 if for_ever else 1)
    job = team.run(team.start(plan))
    assert job.state in (State.DONE, State.DONE_WITH_FAILURES), job.sentence
    assert not Item.objects.filter(job=job, outcome__in=("", "unknown")).exists()
    assert (job.state == State.DONE) == (not Item.objects.filter(job=job, outcome="failed").exists())
    if for_ever and job.items.filter(outcome="failed").exists():
        team.pool._faults.clear()
        team.run(actions.resume(IVA, job))
    if job.state == State.DONE_WITH_FAILURES:
        team.run(actions.resume(IVA, job))
    assert (job.state, job.result["created"], job.result["updated"]) == (State.DONE, 3, 2), job.sentence
    assert team.there() == set(range(12)) and len(team.pool.entries) == 12
    assert len(team.pool.memberships["admins"] & team.pool.entries.keys()) == 2
    assert not team.pool.messages


def test_twenty_equal_failures_in_a_row_stand_still_and_say_so(account: Account) -> None:
    team = Team(account)
    for number in range(12, 60):
        team.pool.add(person(number), name="P")
    team.backup = team.run(actions.start_backup(IVA, account.row(team.pool))).result["key"]
    team.lose(*range(60))
    plan = team.plan()
    team.pool.fail("set_password", Cause.DENIED, times=10**6)
    job = team.run(team.start(plan))
    assert job.state == State.PAUSED
    assert "User after user failed for the same cause, so it stands still" in job.sentence
    assert job.items.filter(outcome="failed", reason="denied").count() == 20
    team.pool._faults.clear()
    team.run(actions.resume(IVA, job))
    assert (job.state, job.result["created"]) == (State.DONE, 60), job.sentence
    assert len(team.pool.entries) == 60
