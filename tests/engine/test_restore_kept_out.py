"""Groups that cannot be made, and groups of the plan that nobody may be put into any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from backups.core import plan
from backups.core.plan import Action, Messages, Terms
from backups.core.snapshot import Group, User
from backups.engine.ports import Cause, Outcome
from backups.engine.restore import Task, restore
from tests.build import a_user
from tests.fakes import FakePool, FakeReport

SILENT, INVITE = Messages.SILENT, Messages.INVITE
ADA, BOB = a_user("ada@x.io"), a_user("bob@x.io")


def run(
    pool: FakePool, tasks: Sequence[Task] = (), groups: Sequence[Group] = (), messages: Messages = SILENT
) -> tuple[FakeReport, tuple[str, ...]]:
    report = FakeReport(clock=pool.clock)
    return report, restore(pool, tasks, groups, pool.facts(), report, pool.clock, messages=messages)


def task(pool: FakePool, user: User, *kept_out: str, groups: tuple[str, ...] = ()) -> Task:
    line = plan.creation(0, user, Terms(pool.facts()))
    assert line.action is Action.CREATE
    return Task(replace(line, groups=groups), kept_out=kept_out)


def last(report: FakeReport, user: User) -> Outcome:
    told: list[Outcome] = [what for kind, what in report.events if kind == "outcome"]
    return [one for one in told if one.key == user.key][-1]


def test_groups_that_were_not_made_are_named_whoever_is_in_them() -> None:
    pool = FakePool()
    pool.fail("create_group", Cause.DENIED)
    report, unmade = run(pool, [task(pool, ADA)], [Group("one"), Group("two"), Group("three")])
    assert unmade == ("one",) and set(pool.group_rows) == {"two", "three"}
    assert "group one could not be made: " in report.text
    assert last(report, ADA).outcome == "created"


def test_a_group_that_stands_by_now_was_made() -> None:
    pool = FakePool()
    pool.create_group(Group("one"))
    assert run(pool, groups=[Group("one")])[1] == ()
    assert run(pool)[1] == ()


@pytest.mark.parametrize("messages", list(Messages))
@pytest.mark.parametrize("mail", ["DEVELOPER", "COGNITO_DEFAULT"])
def test_whoever_stays_out_of_a_group_of_the_plan_is_not_as_planned(messages: Messages, mail: str) -> None:
    pool = FakePool(mail=mail)
    pool.create_group(Group("beta"))
    tasks = [task(pool, ADA, "admins", "root", groups=("beta",)), task(pool, BOB)]
    report, _ = run(pool, tasks, messages=messages)
    ada, bob = last(report, ADA), last(report, BOB)
    assert (ada.outcome, ada.reason, ada.confirmed) == ("failed", "kept-out", False)
    assert ada.detail == "admins, root"
    assert ada.messages == pool.messages[ada.new_username] == int(messages is INVITE)
    assert ada.new_username in pool.memberships["beta"], "all the rest is in place"
    assert (bob.outcome, bob.confirmed) == ("created", True)
    assert max(pool.messages.values(), default=1) == 1


@pytest.mark.parametrize("operation", ["create_user", "set_password"])
def test_another_failure_keeps_its_reason(operation: str) -> None:
    pool = FakePool()
    pool.fail(operation, Cause.DENIED)
    report, _ = run(pool, [task(pool, ADA, "admins")])
    assert (last(report, ADA).outcome, last(report, ADA).reason) == ("failed", "denied")


def test_nor_is_somebody_failed_whom_nobody_knows_to_have_been_invited() -> None:
    """The reason says that a second mail might go out, and no other may take its place."""
    pool = FakePool(mail="DEVELOPER", mails_left=None)
    begun = task(pool, ADA, "admins")
    entry = pool.create_user(begun.line.username, begun.line.attributes)
    made = Outcome(ADA.key, step="created", new_sub=User.of(entry).sub, new_username=User.of(entry).username)
    report, _ = run(pool, [replace(begun, begun=made, intended=pool.clock.now())], messages=INVITE)
    assert (last(report, ADA).outcome, last(report, ADA).reason) == ("failed", "maybe-invited")
