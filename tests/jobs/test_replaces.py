"""Somebody began to register a missing user's address and never confirmed it: from the plan to the ledger."""

from __future__ import annotations

from typing import Any

import pytest

from backups.core.choices import Choices, Guard
from backups.core.lifecycle import State
from backups.models import Item
from backups.models.audit import Act, AuditEntry
from backups.runner import decide
from tests.jobs.conftest import Account
from tests.jobs.test_restores import Team, person

ALLOWED = Choices(guards=frozenset({Guard.REPLACE}))


@pytest.fixture
def team(account: Account) -> Team:
    """Two are missing, and the address of one of them was begun to be registered."""
    team = Team(account)
    team.lose(3, 4)
    team.pool.clock.advance(3600)
    team.pool.add(person(3), status="UNCONFIRMED", verified=False)
    return team


def holder(team: Team, number: int) -> dict[str, Any]:
    entry = team.pool.get(person(number))
    assert entry is not None
    return entry


def test_it_is_left_alone_and_counted_until_somebody_allows_it(team: Team) -> None:
    plan = team.plan()
    assert (plan.counts["create"], plan.counts["guards"]["replace"]) == (1, 1)
    assert (Guard.REPLACE, 1) in decide.found(plan).guards
    assert decide.decided(plan, guards=["replace"]).guards == {Guard.REPLACE}
    job = team.run(team.start(plan))
    assert job.state == State.DONE and holder(team, 3)["UserStatus"] == "UNCONFIRMED"


def test_allowed_it_is_deleted_and_the_user_comes_back(team: Team) -> None:
    began = holder(team, 3)["Username"]
    plan = team.plan(ALLOWED)
    assert (plan.counts["create"], plan.counts["replaced"]) == (2, 1)
    job = team.run(team.start(plan))
    assert (job.state, job.result["created"]) == (State.DONE, 2), job.sentence
    assert holder(team, 3)["UserStatus"] == "CONFIRMED"
    row = Item.objects.get(job=job, email=person(3))
    assert (row.removes, row.outcome) == (began, "created") and row.new_username != began
    intended = AuditEntry.objects.get(act=Act.RESTORE_INTENDED, job=job.pk)
    assert (intended.details["create"], intended.details["delete"]) == (2, 1)
    kept = team.account.store.read(f"{job.result['before']}/data.json")
    assert began.encode() in kept, "the account as it was"


def test_who_confirms_between_plan_and_restore_stays(team: Team) -> None:
    plan = team.plan(ALLOWED)
    team.pool.set_password(holder(team, 3)["Username"], "A-password-of-their-own-1")
    there = holder(team, 3)
    job = team.run(team.start(plan))
    assert holder(team, 3) == there
    row = Item.objects.get(job=job, email=person(3))
    assert (row.outcome, row.reason, row.new_sub) == ("skipped", "unverified-again", "")


def test_whoever_begins_after_the_plan_was_made_is_not_deleted(team: Team) -> None:
    plan = team.plan(ALLOWED)
    team.pool.add(person(4), status="UNCONFIRMED", verified=False)
    there = holder(team, 4)
    job = team.run(team.start(plan))
    assert holder(team, 4) == there
    assert Item.objects.get(job=job, email=person(4)).outcome == "skipped"
