"""A plan's job: what was chosen, on a real ledger, and what the restore makes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from backups import actions, runner
from backups.core.choices import Choices, Condition, Existing, Guard, How
from backups.core.lifecycle import State
from backups.core.plan.finish import Left
from backups.core.seen import fingerprint
from backups.core.snapshot import Group, User, iso
from backups.models import AuditEntry, Backup, Item, Job, Plan, Pool
from backups.models.audit import Act
from backups.runner import ledger
from tests.fakes import FakePool
from tests.jobs.conftest import IVA, Account

FILL, OVER = Choices(existing=Existing.FILL), Choices(existing=Existing.OVERWRITE)


def run(job: Job) -> Job:
    runner.run(job.pk)
    job.refresh_from_db()
    return job


def planned(account: Account, pool: FakePool, choices: Choices | None = None, **more: Any) -> Plan:
    choices = choices or Choices(**more)
    key = Backup.objects.filter(made_by="person").latest("taken_at", "pk").key
    job = run(actions.plan_restore(IVA, key, account.row(pool), choices=choices))
    assert job.state == State.PLANNED, job.sentence
    return Plan.objects.get(job=job)


def restored(plan: Plan) -> Job:
    job = actions.start_restore(
        IVA, plan, messages="silent", digest=plan.digest, typed=actions.confirmation(plan), reason="INC-204"
    )
    return run(job)


def line(plan: Plan, number: int) -> Item:
    return Item.objects.get(job=plan.job, email=f"person{number}@uni.example")


@pytest.fixture
def team(account: Account) -> FakePool:
    """Six people and a backup of them; 1 is in a group with a role, 2 in one without, 3 disabled."""
    pool = account.add()
    pool.group_rows["root"] = Group("root", role_arn="arn:aws:iam::123456789012:role/root")
    groups = {1: ["root", "beta"], 2: ["beta"]}
    for number in range(6):
        pool.add(
            f"person{number}@uni.example",
            name=f"Person {number}",
            given_name="P",
            enabled=number != 3,
            groups=groups.get(number, ()),
            created="2026-01-10T09:00:00.000Z",
        )
    job = run(actions.start_backup(IVA, account.row(pool)))
    assert job.state == State.DONE, job.sentence
    return pool


def lose(pool: FakePool, *numbers: int) -> None:
    for number in numbers:
        pool.remove(f"person{number}@uni.example")


def change(pool: FakePool, number: int, **values: str) -> None:
    """As if it had been so before the backup was made."""
    entry = pool.entries[pool._find(f"person{number}@uni.example")["Username"]]
    kept = {one["Name"]: one["Value"] for one in entry["Attributes"]} | values
    entry["Attributes"] = [{"Name": name, "Value": value} for name, value in kept.items() if value]


def test_what_was_chosen_is_the_plan_s_and_a_restore_starts_from_it(account: Account, team: FakePool) -> None:
    change(team, 0, given_name="")
    change(team, 4, name="Somebody")
    plan = planned(account, team, FILL)
    assert plan.job.params["choices"] == FILL.as_json()
    assert plan.choices["existing"] == "fill"
    filled = line(plan, 0)
    assert (filled.action, filled.reason, filled.detail) == ("update", "fill", "given_name")
    assert filled.changes == [["given_name", "", "P"]]
    there = User.of(team.get("person0@uni.example") or {})
    assert (filled.new_sub, filled.new_username, filled.seen) == (
        there.sub,
        there.username,
        fingerprint(there),
    )
    assert (line(plan, 4).action, line(plan, 4).changes) == ("skip", [])
    assert plan.counts["update"] == plan.counts["updates"]["given_name"] == 1
    assert "1 to update" in plan.job.sentence
    assert planned(account, team, OVER).digest != plan.digest


def test_what_the_page_opens_with_is_counted_once_and_kept(account: Account, team: FakePool) -> None:
    change(team, 0, given_name="")
    lose(team, 1, 2, 3)
    plan = planned(account, team, FILL)
    kept = {(action, reason, detail): users for action, reason, detail, users in plan.counts["reasons"]}
    assert kept == {
        ("create", "missing", ""): 3,
        ("skip", "exists", ""): 2,
        ("update", "fill", "given_name"): 1,
    }
    assert plan.counts["reasons"][0][3] == 3, "the most first"
    assert [*map(tuple, plan.counts["reasons"])] == Item.by_reason(plan.job_id)


def test_overwriting_and_its_guards_are_counted(account: Account, team: FakePool) -> None:
    change(team, 4, name="Somebody")
    team.entries[team._find("person5@uni.example")["Username"]]["Enabled"] = False
    team.memberships["root"].clear()
    later = Backup.objects.get().taken_at + timedelta(hours=1)
    change(team, 0, name="Newer")
    team.entries[team._find("person0@uni.example")["Username"]]["UserLastModifiedDate"] = iso(later)
    plan = planned(account, team, OVER)
    assert plan.counts["guards"] == {"enable": 1, "newer": 1, "privileged": 1, "replace": 0}
    assert plan.counts["withheld"] == 1
    assert line(plan, 1).withheld == ["root"]
    assert {number: line(plan, number).reason for number in range(6)} == {
        0: "newer",
        1: "stays-out",
        2: "exists",
        3: "exists",
        4: "overwrite",
        5: "stays-disabled",
    }
    allowed = planned(account, team, replace(OVER, guards=frozenset(Guard)))
    assert allowed.counts["guards"] == dict.fromkeys(sorted(Guard), 0)
    assert line(allowed, 1).groups == ["root"]
    assert line(allowed, 5).changes == [["Enabled", "false", "true"]]


def test_a_group_with_a_role_is_not_joined_by_who_is_created(account: Account, team: FakePool) -> None:
    lose(team, 1, 2)
    plan = planned(account, team)
    assert (line(plan, 1).groups, line(plan, 1).withheld) == (["beta"], ["root"])
    assert (plan.counts["memberships"], plan.counts["withheld"]) == (2, 1)
    assert plan.facts["privileged"] == ["root"]
    job = restored(plan)
    assert job.state == State.DONE, job.sentence
    assert team.memberships["root"] == set() and len(team.memberships["beta"]) == 2


def test_a_group_that_the_settings_name_is_privileged_too(
    account: Account, team: FakePool, settings: Any
) -> None:
    lose(team, 1, 2)
    before = planned(account, team)
    settings.PRIVILEGED_GROUPS = ["beta"]
    plan = planned(account, team)
    assert (line(plan, 2).groups, line(plan, 2).withheld) == ([], ["beta"])
    stopped = restored(before)
    assert stopped.state == State.FAILED, "a guard that is another one by now stops the start"
    assert "Make a new plan" in stopped.sentence and len(team.entries) == 4


@pytest.mark.parametrize(
    ("choices", "numbers"),
    [
        (Choices(tests=(Condition("group", How.IS, "beta"),)), {1, 2}),
        (Choices(tests=(Condition("enabled", How.IS, "false"),)), {3}),
        (Choices(tests=(Condition("name", How.HAS, "person 4"),)), {4}),
        (Choices(users=("PERSON5@uni.example", "person0@uni.example", "nobody@uni.example")), {0, 5}),
    ],
)
def test_only_who_is_in_scope_has_a_line(
    account: Account, team: FakePool, choices: Choices, numbers: set[int]
) -> None:
    lose(team, *range(6))
    team.group_rows.clear()
    plan = planned(account, team, choices)
    assert set(plan.job.items.values_list("email", flat=True)) == {f"person{n}@uni.example" for n in numbers}
    assert plan.facts["groups_to_create"] == (["beta"] if numbers == {1, 2} else [])
    missed = "1 of the names that were given is not in this backup: n••••@uni.example."
    assert plan.warnings == ([missed] if choices.users else [])
    job = restored(plan)
    assert (job.state, job.result["created"], len(team.entries)) == (State.DONE, len(numbers), len(numbers))


def test_who_has_a_second_factor_in_the_backup_comes_back_without_one(
    account: Account, team: FakePool
) -> None:
    Backup.objects.all().delete()
    team.factors[team._find("person1@uni.example")["Username"]] = ("SOFTWARE_TOKEN_MFA",)
    assert run(actions.start_backup(IVA, account.row(team))).state == State.DONE
    lose(team, 1, 2)
    plan = planned(account, team)
    assert (line(plan, 1).reason, line(plan, 2).reason) == ("missing-factor", "missing")
    assert plan.counts["factors_lost"] == 1 and plan.facts["factors_known"] is True


def test_whom_we_restored_is_known_under_a_new_address_and_after_a_second_restore(
    account: Account, team: FakePool
) -> None:
    lose(team, 1)
    assert restored(planned(account, team)).state == State.DONE
    first = Item.objects.get(outcome="created").new_sub
    change(team, 1, email="moved@uni.example")
    plan = planned(account, team)
    assert (line(plan, 1).reason, line(plan, 1).new_sub) == ("exists", first)

    # A backup of the pool as it is now, and the same person lost once more.
    second = run(actions.start_backup(IVA, account.row(team)))
    team.remove("moved@uni.example")
    again = run(actions.plan_restore(IVA, second.result["key"], account.row(team)))
    assert restored(Plan.objects.get(job=again)).state == State.DONE
    newest = Item.objects.filter(outcome="created").latest("pk").new_sub
    assert newest != first
    assert ledger.restored([newest]) == {newest: {first, line(plan, 1).key}}
    plan_of_first = run(
        actions.plan_restore(IVA, Backup.objects.earliest("taken_at", "pk").key, account.row(team))
    )
    row = Item.objects.get(job=plan_of_first, email="person1@uni.example")
    assert (row.reason, row.new_sub) == ("exists", newest)


def test_who_came_first_was_not_made_by_us(account: Account, team: FakePool) -> None:
    job = Job.objects.create(
        kind="restore", queue="write", pool_id=team.pool_id, asked_by="x", asked_by_name="x"
    )
    when = Backup.objects.get().taken_at
    rows = [("a", "created", "create"), ("b", "failed", "create"), ("c", "skipped", "create")]
    rows += [("d", "updated", "update"), ("e", "unknown", "create")]
    for position, (sub, outcome, action) in enumerate(rows):
        Item.objects.create(
            job=job, key=f"old-{sub}", position=position, label=sub, action=action, outcome=outcome,
            new_sub=sub, intended_at=when,
        )  # fmt: skip
    Item.objects.create(job=job, key="old-f", position=9, label="f", action="create", new_sub="f")
    assert ledger.restored("abcdef") == {sub: {f"old-{sub}"} for sub in "abe"}
    plan, another = Job(pk=0, pool_id=team.pool_id), Job(pk=0, pool_id="another")
    began = {"b": job.pk, "e": job.pk}
    assert (ledger.unfinished(plan), ledger.left(plan)) == (began, {})
    assert (ledger.unfinished(another), ledger.left(another)) == ({}, {})
    over = Left(job.pk, iso(when + timedelta(minutes=1)))
    for state in (State.CANCELLED, State.FAILED, State.DONE_WITH_FAILURES):
        Job.objects.filter(pk=job.pk).update(state=state, finished_at=when)
        assert (ledger.unfinished(plan), ledger.left(plan)) == ({}, dict.fromkeys("be", over))
        assert ledger.some_left(plan) and not ledger.some_left(another)
    refused = {"outcome": "failed", "reason": "refused", "new_sub": ""}
    for change in ({"confirmed": True}, refused, {"reason": "gone-since"}):
        with transaction.atomic():
            Item.objects.filter(job=job, key="old-e").update(**change)
            assert ledger.left(plan) == {"b": over}, "whole, or never made"
            transaction.set_rollback(True)
    later = Job.objects.create(
        kind="restore", queue="write", pool_id=team.pool_id, asked_by="x", asked_by_name="x"
    )
    row = {"job": later, "label": "x", "action": "update", "intended_at": when}
    Item.objects.create(**row, key="old-b", position=0, new_sub="b", outcome="failed")
    Item.objects.create(**row, key="old-e", position=1, new_sub="e", outcome="updated")
    Item.objects.filter(job=job, key="old-b").update(new_sub="")
    assert ledger.left(plan) == {"old-b": over}, "who was finished since is left no more"


def test_a_ledger_without_anybody_is_asked_once(
    account: Account, team: FakePool, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        asked = ledger.restored_but_by(Job(pk=0, pool_id=team.pool_id))
        assert asked(["1"]) == asked(["2"]) == {}


def test_the_application_s_administrator_comes_first_and_is_mapped(
    account: Account, team: FakePool, settings: Any
) -> None:
    settings.APPLICATION_ADMIN_EMAILS = ["Person4@uni.example"]
    lose(team, 2, 4, 5)
    later = iso(Backup.objects.get().taken_at + timedelta(hours=1))
    made = team.add("person4@uni.example", name="Admin", status="FORCE_CHANGE_PASSWORD", created=later)
    plan = planned(account, team, users=("person2@uni.example",))
    rows = plan.job.items.order_by("pk").values_list("email", "reason", "new_sub")
    assert list(rows) == [
        ("person4@uni.example", "administrator", made["Username"]),
        ("person2@uni.example", "missing", ""),
    ]
    assert "person4" not in json.dumps(plan.choices).lower()
    job = restored(plan)
    assert job.state == State.DONE and job.result["created"] == 1
    assert job.items.get(email="person4@uni.example").new_sub == made["Username"]


def test_the_audit_log_says_what_was_chosen_and_names_nobody(account: Account, team: FakePool) -> None:
    choices = Choices(
        existing=Existing.OVERWRITE,
        guards=frozenset({Guard.ENABLE}),
        users=("person1@uni.example", "person2@uni.example"),
        tests=(Condition("email", How.IS, "person1@uni.example"),),
        again=frozenset({"k"}),
        link=True,
        defaults={"name": "person1@uni.example"},
        leave_out=frozenset({"custom:x"}),
    )
    planned(account, team, choices)
    entry = AuditEntry.objects.filter(act=Act.PLAN_ASKED).latest("seq")
    text = json.dumps(entry.details)
    assert "uni.example" not in text
    told = {name: entry.details[name] for name in ("existing", "guards", "named", "tests", "again", "link")}
    assert told == {
        "existing": "overwrite",
        "guards": ["enable"],
        "named": 2,
        "tests": ["email is"],
        "again": 1,
        "link": True,
    }
    assert (entry.details["defaults"], entry.details["leave_out"]) == (["name"], ["custom:x"])
    planned(account, team)
    plain = AuditEntry.objects.filter(act=Act.PLAN_ASKED).latest("seq")
    assert "existing" not in plain.details and "guards" not in plain.details


def test_an_empty_list_is_refused(account: Account, team: FakePool) -> None:
    with pytest.raises(actions.Refused, match="The list of users is empty"):
        planned(account, team, users=())


def test_planning_again_keeps_every_choice(account: Account, team: FakePool) -> None:
    choices = replace(OVER, guards=frozenset({Guard.NEWER}), leave_out=frozenset({"custom:x"}))
    first = planned(account, team, choices).job
    again = run(actions.plan_again(IVA, first))
    assert again.params == first.params


def test_the_same_plan_is_made_once_at_a_time(
    account: Account, team: FakePool, pol: actions.Actor, sent: list[int]
) -> None:
    key, row = Backup.objects.get().key, account.row(team)
    choices = replace(OVER, users=("b@x.io", "a@x.io"), guards=frozenset(Guard), defaults={"name": "?"})

    def ask(pool: Pool = row, who: actions.Actor = pol, **other: Any) -> Job:
        return actions.plan_restore(who, key, pool, choices=replace(choices, **other))

    first = ask()
    assert ask() == first == actions.plan_again(pol, first)
    assert sent == [first.pk] and AuditEntry.objects.filter(act=Act.PLAN_ASKED).count() == 1
    others = {ask(pool=account.row(account.add("team-staging"))), ask(existing=Existing.FILL), ask(who=IVA)}
    assert len({first, *others}) == 4, "of another pool, of other choices, and a terminal makes its own"
    Job.objects.filter(pk=first.pk).update(state=State.PLANNED)
    assert ask() not in {first, *others}, "the pool has changed since"


def test_a_plan_of_an_earlier_version_is_read_and_carried_out_as_it_was(
    account: Account, team: FakePool
) -> None:
    lose(team, 1, 2)
    job = actions.plan_restore(IVA, Backup.objects.get().key, account.row(team))
    old = {"source": job.params["source"], "users": ["person1@uni.example"]}
    Job.objects.filter(pk=job.pk).update(params=old)
    run(job)
    plan = Plan.objects.get(job=job)
    assert plan.choices == {"existing": "skip", "users": ["person1@uni.example"]}
    assert (line(plan, 1).groups, line(plan, 1).withheld) == (["beta", "root"], [])
    again = run(actions.plan_again(IVA, job))
    assert again.params["choices"] == Choices(users=("person1@uni.example",)).as_json()
    assert line(again.plan, 1).withheld == ["root"]
    assert restored(plan).state == State.DONE
    assert len(team.memberships["root"]) == 1
