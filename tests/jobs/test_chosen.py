"""A restore of exactly those users whom a comparison showed: nobody more, nobody fewer."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from pytest_django import Settings

from backups import actions, runner
from backups.core.choices import Choices, Existing, Guard
from backups.core.lifecycle import State
from backups.core.snapshot import User
from backups.models import AuditEntry, Backup, Difference, Job, Plan
from backups.models.audit import Act
from backups.runner import decide
from backups.runner.chosen import Chosen
from tests.fakes import FakePool
from tests.jobs.conftest import IVA, Account

MISSING = (2, 3, 4, 5, 6)


def run(job: Job) -> Job:
    runner.run(job.pk)
    job.refresh_from_db()
    return job


@pytest.fixture
def team(account: Account) -> FakePool:
    """Twelve people, of whom two are in groups; since the backup five are gone, one who admins among them."""
    pool = account.add()
    groups = {1: ["curators"], 2: ["admins"]}
    for number in range(12):
        pool.add(f"person{number}@uni.example", name=f"Person {number}", groups=groups.get(number, ()))
    job = run(actions.start_backup(IVA, account.row(pool)))
    assert job.state == State.DONE, job.sentence
    for number in MISSING:
        pool.remove(f"person{number}@uni.example")
    return pool


def compared(account: Account, team: FakePool) -> Job:
    job = run(actions.start_compare(IVA, Backup.objects.get().key, f"live:{team.pool_id}"))
    assert job.state == State.DONE, job.sentence
    assert job.differences.filter(kind="only_from").count() == len(MISSING)
    return job


def planned(chosen: Chosen, shown: int) -> Plan:
    job = run(actions.plan_chosen(IVA, chosen, shown))
    assert job.state == State.PLANNED, job.sentence
    return Plan.objects.get(job=job)


def people(numbers: Iterable[int]) -> set[str]:
    return {f"person{number}@uni.example" for number in numbers}


def test_the_plan_holds_exactly_those_who_were_missing_then(account: Account, team: FakePool) -> None:
    comparison = compared(account, team)
    team.remove("person9@uni.example")  # gone since: not among those whom somebody saw
    team.add("person4@uni.example", name="Person 4")  # back since
    plan = planned(Chosen(comparison.pk, "only_from"), 5)
    lines = set(plan.job.items.values_list("label", "action"))
    assert {label for label, _ in lines} == people(MISSING)
    assert {label for label, action in lines if action == "create"} == people((2, 3, 5, 6))
    assert plan.choices["chosen"]["users"] == 5
    assert plan.choices["chosen"]["comparison"] == comparison.pk
    assert plan.warnings == []


def test_filters_choose_and_only_the_groups_of_the_chosen_are_made(account: Account, team: FakePool) -> None:
    comparison = compared(account, team)
    team.group_rows.clear()
    team.memberships.clear()
    everything = run(actions.plan_restore(IVA, comparison.params["from"], account.row(team)))
    assert everything.plan.facts["groups_to_create"] == ["admins", "curators"]
    one = planned(Chosen(comparison.pk, "only_from", q="PERSON2@uni.example"), 1)
    assert [item.label for item in one.job.items.all()] == ["person2@uni.example"]
    assert one.facts["groups_to_create"] == ["admins"]
    other = planned(Chosen(comparison.pk, "only_from", q="person3@uni.example"), 1)
    assert other.facts["groups_to_create"] == []
    assert len({everything.plan.digest, one.digest, other.digest}) == 3


def test_the_restore_plans_again_and_finds_the_same_even_without_the_comparison(
    account: Account, team: FakePool
) -> None:
    comparison = compared(account, team)
    plan = planned(Chosen(comparison.pk, "only_from", q="person", clear=True), 5)
    comparison.delete()
    job = run(
        actions.start_restore(
            IVA,
            plan,
            messages="silent",
            digest=plan.digest,
            typed=actions.confirmation(plan),
            reason="these five were deleted",
        )
    )
    assert job.state == State.DONE, job.sentence
    assert set(job.items.filter(outcome="created").values_list("label", flat=True)) == people(MISSING)


def test_exactly_those_who_changed_are_written_over(
    account: Account, team: FakePool, settings: Settings
) -> None:
    settings.RESTORE_APPROVALS = "never"
    for number in (7, 8):
        team.update_user(team._find(f"person{number}@uni.example")["Username"], {"name": "Somebody"})
    comparison = compared(account, team)
    chosen = Chosen(comparison.pk, "changed", field="name")
    with pytest.raises(actions.Refused, match="choose whether empty fields are filled"):
        actions.plan_chosen(IVA, chosen, 2)
    team.update_user(team._find("person9@uni.example")["Username"], {"name": "Changed since"})
    job = run(actions.plan_chosen(IVA, chosen, 2, Existing.OVERWRITE))
    plan = Plan.objects.get(job=job)
    assert set(job.items.values_list("label", "action", "reason")) == {
        ("person7@uni.example", "skip", "newer"),
        ("person8@uni.example", "skip", "newer"),
    }
    allowed = decide.decided(plan, guards=[Guard.NEWER])
    job = run(actions.plan_again(IVA, job, allowed))
    plan = Plan.objects.get(job=job)
    assert set(job.items.values_list("label", "action")) == {
        ("person7@uni.example", "update"),
        ("person8@uni.example", "update"),
    }
    job = run(
        actions.start_restore(
            IVA,
            plan,
            messages="silent",
            digest=plan.digest,
            typed=actions.confirmation(plan),
            reason="these two were overwritten by mistake",
        )
    )
    assert (job.state, job.result["updated"]) == (State.DONE, 2), job.sentence
    names = [name_of(team, number) for number in (7, 8, 9)]
    assert names == ["Person 7", "Person 8", "Changed since"]


def name_of(pool: FakePool, number: int) -> str:
    return User.of(pool.get_user(f"person{number}@uni.example")).attributes["name"]


def test_rows_that_are_not_what_they_were_end_the_plan_before_anything_is_read(
    account: Account, team: FakePool
) -> None:
    comparison = compared(account, team)
    job = actions.plan_chosen(IVA, Chosen(comparison.pk, "only_from"), 5)
    Difference.objects.filter(label="person2@uni.example").delete()
    run(job)
    assert job.state == State.FAILED
    assert f"Comparison {comparison.pk} lists 4 of these users, and 5 were chosen" in job.sentence
    assert not Plan.objects.exists()
    assert job.counters == {}


def test_who_is_not_in_the_backup_any_more_is_counted(account: Account, team: FakePool) -> None:
    comparison = compared(account, team)
    Difference.objects.filter(label="person2@uni.example").update(key="somebody-else")
    plan = planned(Chosen(comparison.pk, "only_from"), 5)
    assert plan.job.items.count() == 4
    assert plan.warnings == ["1 of the users who were chosen is not in this backup: somebody-else."]


def test_a_choice_of_another_backup_is_refused(account: Account, team: FakePool) -> None:
    comparison = compared(account, team)
    second = run(actions.start_backup(IVA, account.row(team)))
    with pytest.raises(actions.Refused, match="it is of another backup"):
        actions.plan_restore(
            IVA,
            second.result["key"],
            account.row(team),
            choices=Choices(chosen=Chosen(comparison.pk, "only_from").params(5)),
        )
    assert not AuditEntry.objects.filter(act=Act.PLAN_ASKED).exists()


def test_planning_again_keeps_a_list_of_names_too(account: Account, team: FakePool) -> None:
    key = Backup.objects.get().key
    named = Choices(users=("person2@uni.example",))
    first = run(actions.plan_restore(IVA, key, account.row(team), choices=named))
    again = run(actions.plan_again(IVA, first))
    assert again.params == first.params
    assert [item.label for item in again.items.all()] == ["person2@uni.example"]


def test_a_plan_whose_pool_was_never_seen_here_is_not_made_again(account: Account, team: FakePool) -> None:
    first = run(actions.plan_restore(IVA, Backup.objects.get().key, account.row(team)))
    account.row(team).delete()
    with pytest.raises(actions.Refused, match="was seen in the configured Regions"):
        actions.plan_again(IVA, first)
