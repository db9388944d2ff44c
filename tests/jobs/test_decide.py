"""What a plan found and somebody decided: from the first plan to what the next restore makes of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from backups import actions, runner
from backups.core.asked import NotAsked
from backups.core.choices import Choices, Existing, Guard
from backups.core.lifecycle import State
from backups.core.snapshot import Group
from backups.models import AuditEntry, Item, Job, Plan
from backups.models.audit import Act
from backups.runner import decide
from backups.runner.decide import Attribute, Person, decided, found
from tests.jobs.conftest import IVA, Account


def person(number: int) -> str:
    return f"person{number}@uni.example"


def run(job: Job) -> Job:
    runner.run(job.pk)
    job.refresh_from_db()
    return job


class Team:
    """Eight people and a backup of them; then the pool was made again, and some registered again."""

    def __init__(self, account: Account) -> None:
        self.account, self.pool = account, account.add()
        self.pool.group_rows["root"] = Group("root", role_arn="arn:aws:iam::123456789012:role/root")
        for number in range(8):
            groups = ["root"] if number == 1 else ()
            locale = "" if number else "de"
            self.pool.add(person(number), name=f"Person {number}", groups=groups, locale=locale)
        job = run(actions.start_backup(IVA, account.row(self.pool)))
        assert job.state == State.DONE, job.sentence
        self.backup = job.result["key"]
        self.pool.clock.advance(60)

    def lose(self, *numbers: int) -> None:
        for number in numbers:
            self.pool.remove(person(number))

    def register_again(self, *numbers: int) -> None:
        self.lose(*numbers)
        for number in numbers:
            self.pool.add(person(number), name=f"Anew {number}")
        self.pool.clock.advance(60)

    def plan(self, choices: Choices | None = None) -> Plan:
        asked = choices or Choices()
        return self.done(actions.plan_restore(IVA, self.backup, self.account.row(self.pool), choices=asked))

    def again(self, plan: Plan, **ticked: Any) -> Plan:
        return self.done(actions.plan_again(IVA, plan.job, decided(plan, **ticked)))

    def done(self, job: Job) -> Plan:
        assert run(job).state == State.PLANNED, job.sentence
        return Plan.objects.get(job=job)

    def key(self, plan: Plan, number: int) -> str:
        return line(plan, number).key


def line(plan: Plan, number: int) -> Item:
    return Item.objects.get(job=plan.job, email=person(number))


def labels(people: Collection[Person]) -> list[str]:
    return [one.label for one in people]


@pytest.fixture
def team(account: Account) -> Team:
    return Team(account)


def test_where_everything_is_plain_there_is_nothing_to_decide(team: Team) -> None:
    team.lose(2)
    assert not found(team.plan())


def test_who_registered_again_is_matched_after_a_tick_and_stands_in_the_map(team: Team) -> None:
    team.register_again(3, 4)
    team.lose(5)
    first = team.plan()
    assert line(first, 3).reason == "registered-again" and not line(first, 3).new_sub
    assert labels(found(first).again) == [person(3), person(4)]

    plan = team.again(first, people=[team.key(first, 3), "somebody"])
    assert plan.digest != first.digest
    there = team.pool.get(person(3))
    assert there and line(plan, 3).new_username == there["Username"]
    assert (line(plan, 3).reason, line(plan, 4).reason) == ("exists", "registered-again")
    assert (labels(found(plan).same), labels(found(plan).again)) == ([person(3)], [person(4)])
    entry = AuditEntry.objects.get(act=Act.PLAN_ASKED, job=plan.job_id)
    assert entry.details["again"] == 1 and person(3) not in entry.body

    ended = run(
        actions.start_restore(
            IVA,
            plan,
            messages="silent",
            digest=plan.digest,
            typed=actions.confirmation(plan),
            reason="INC-204",
        )
    )
    assert (ended.state, ended.result["created"]) == (State.DONE, 1)
    assert Item.objects.get(job=ended, email=person(3)).new_username == there["Username"]
    assert not Item.objects.get(job=ended, email=person(4)).new_sub
    kept = team.pool.get(person(3))
    assert kept == there, "a tick maps; who exists is skipped"


def test_a_tick_is_taken_back(team: Team) -> None:
    team.register_again(3)
    first = team.plan()
    plan = team.again(team.again(first, people=[team.key(first, 3)]))
    assert line(plan, 3).reason == "registered-again"
    assert decide.before(plan.job).again == frozenset()


def test_who_was_made_again_by_a_tool_is_mapped_after_a_tick_and_gets_no_message(team: Team) -> None:
    team.lose(3, 4)
    team.pool.add(person(3), name="Anew", status="FORCE_CHANGE_PASSWORD")
    first = team.plan()
    assert line(first, 3).reason == "made-again"
    assert labels(found(first).again) == [person(3)]
    plan = team.again(first, people=[team.key(first, 3)])
    there = team.pool.get(person(3))
    assert there and (line(plan, 3).reason, line(plan, 3).new_username) == ("exists", there["Username"])


def test_those_who_are_not_listed_are_ticked_together(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide, "LISTED", 2)
    team.register_again(2, 3, 4, 5, 6)
    first = team.plan()
    keys = list(first.job.items.filter(reason="registered-again").values_list("key", flat=True))
    assert [one.key for one in found(first).again] == keys[:2] and found(first).others_again == 3
    some = team.again(first, people=keys[:1], others=["again"])
    reasons = dict(some.job.items.values_list("key", "reason"))
    assert [reasons[key] for key in keys] == ["exists", "registered-again", "exists", "exists", "exists"]
    chosen = decide.before(some.job).again
    assert chosen == {*keys} - {keys[1]}
    listed = {one.key for one in found(some).same}
    assert len(listed) == 2 and listed < chosen and found(some).others_same == 2
    assert decided(some, people=listed, others=["same"]).again == chosen
    assert decided(some, people=listed).again == listed
    assert decided(some, others=["same"]).again == chosen - listed


def test_a_required_attribute_that_is_lacking_gets_a_default(team: Team) -> None:
    team.pool.required |= {"locale", "phone_number"}
    team.lose(0, 2, 3)
    first = team.plan()
    assert found(first).lacking == (Attribute("locale", 2),)
    assert found(first).addresses == (Attribute("phone_number", 3),)
    team.pool.required -= {"phone_number"}
    first = team.plan()
    plan = team.again(
        first, defaults={"locale": " en ", "family_name": "not asked for", "phone_number": "+1"}
    )
    assert decide.before(plan.job).defaults == {"locale": "en"}
    assert {line(plan, number).action for number in (0, 2, 3)} == {"create"}
    assert found(plan).lacking == (Attribute("locale", 2),), "it can be taken back, or be another"
    with pytest.raises(NotAsked, match="more than 2,048 characters"):
        decided(plan, defaults={"locale": "x" * 2_049})
    assert decided(plan).defaults == {}


def test_what_the_pool_does_not_know_is_left_out(team: Team) -> None:
    team.pool.attributes -= {"locale"}
    team.lose(0, 2)
    first = team.plan()
    assert found(first).unknown == (Attribute("locale", 1),)
    assert decided(first, leave_out=["name"]).leave_out == frozenset(), "nothing else can be lost by it"
    plan = team.again(first, leave_out=["locale"])
    assert (line(plan, 0).action, plan.counts["left_out"]) == ("create", {"locale": 1})
    assert found(plan).unknown == (Attribute("locale", 1),)


def test_a_guard_is_offered_where_it_holds_somebody_back(team: Team) -> None:
    team.lose(1, 2)
    first = team.plan()
    assert found(first).guards == ((Guard.PRIVILEGED, 1),)
    assert decided(first, guards=["newer", "all"]).guards == frozenset()
    plan = team.again(first, guards=["privileged"])
    assert line(plan, 1).groups == ["root"] and found(plan).guards == ((Guard.PRIVILEGED, 0),)
    assert decided(plan).guards == frozenset()


def test_users_who_sign_in_through_a_provider_too_are_linked_where_somebody_says_so(team: Team) -> None:
    team.lose(2)
    first = team.plan()
    assert found(first).linked is None and not decided(first, link=True).link
    Plan.objects.filter(pk=first.pk).update(counts=first.counts | {"by_reason": {"linked": 3}})
    first.refresh_from_db()
    assert found(first).linked == 3 and decided(first, link=True).link
    plan = team.done(actions.plan_again(IVA, first.job, decided(first, link=True)))
    assert found(plan).linked == 0 and not decided(plan).link


def test_everything_else_that_was_chosen_stays(team: Team) -> None:
    team.register_again(3)
    chosen = Choices(existing=Existing.FILL, users=(person(3), person(4)))
    first = team.plan(chosen)
    key = team.key(first, 3)
    assert decided(first, people=[key]) == replace(chosen, again=frozenset({key}))


def test_a_plan_of_an_earlier_version_begins_with_no_guard(team: Team) -> None:
    team.lose(2)
    plan = team.plan()
    Job.objects.filter(pk=plan.job_id).update(params={"source": team.backup})
    plan.refresh_from_db()
    assert decide.before(plan.job) == Choices()
