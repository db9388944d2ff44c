"""An account that somebody began to register and never confirmed makes way for the user; nobody else does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backups.core import plan
from backups.core.choices import Choices, Guard
from backups.core.matching import Index, Rules
from backups.core.plan import Line, Messages, Terms
from backups.core.snapshot import User
from backups.engine.pace import Pace
from backups.engine.ports import Cause, Outcome
from backups.engine.restore import Task, restore
from tests.build import a_user
from tests.fakes import FakePool, FakeReport

ADA = a_user("ada@x.io", name="Ada")
TAKEN = "2026-11-21T01:00:00.000Z"
AFTER = "2026-11-21T09:00:00.000Z"


@pytest.fixture
def pool() -> FakePool:
    pool = FakePool()
    pool.clock.advance(86_400)
    pool.add("Ada@x.io", status="UNCONFIRMED", verified=False, created=AFTER)
    return pool


def planned(pool: FakePool) -> Line:
    facts = pool.facts()
    live = Index(Rules.of(facts), map(User.of, pool.users()))
    choices = Choices(guards=frozenset({Guard.REPLACE}))
    [line] = plan.lines(lambda: [ADA], live, facts, taken_at=TAKEN, choices=choices)
    assert line.reason == "replaced"
    return line


def carry_out(pool: FakePool, task: Task) -> Outcome:
    report = FakeReport(clock=pool.clock)
    restore(pool, [task], [], pool.facts(), report, pool.clock, messages=Messages.SILENT)
    return report.outcomes[ADA.key]


def test_the_account_is_deleted_and_the_user_created(pool: FakePool) -> None:
    line = planned(pool)
    outcome = carry_out(pool, Task(line))
    assert outcome.outcome == "created" and outcome.confirmed
    [entry] = map(User.of, pool.users())
    assert (entry.username, entry.attributes["name"]) == (outcome.new_username, "Ada")
    assert outcome.new_username != line.removes
    assert pool.calls["delete_user"] == pool.calls["create_user"] == 1


@pytest.mark.parametrize("does", ["confirms", "verifies"])
def test_who_goes_on_to_register_meanwhile_stays(pool: FakePool, does: str) -> None:
    line = planned(pool)
    entry = pool.entries[line.removes]
    if does == "confirms":
        pool.set_password(line.removes, "A-password-of-their-own-1")
    else:
        pool.update_user(line.removes, {"email": "ada@x.io", "email_verified": "true"})
    outcome = carry_out(pool, Task(line))
    assert (outcome.outcome, outcome.reason) == ("skipped", "changed-since")
    assert pool.entries == {line.removes: entry} and not pool.calls["delete_user"]


@pytest.mark.parametrize("begun", [False, True])
def test_a_create_that_fails_after_the_delete_says_what_is_gone(pool: FakePool, begun: bool) -> None:
    """Also where an earlier worker deleted it, and died."""
    line, intended = planned(pool), pool.clock.now()
    if begun:
        pool.remove(line.removes)
    pool.fail("create_user", Cause.REFUSED, times=99)
    outcome = carry_out(pool, Task(line, Outcome(ADA.key) if begun else None, intended))
    assert (outcome.outcome, outcome.reason) == ("failed", "refused") and not pool.entries
    assert "The account that nobody had confirmed is not there any more." in outcome.detail


def test_a_create_that_fails_beside_an_account_that_stands_says_nothing_of_it(pool: FakePool) -> None:
    line, intended = planned(pool), pool.clock.now()
    pool.update_user(line.removes, {"email": "ada@x.io", "email_verified": "true"})
    pool.fail("create_user", Cause.REFUSED, times=99)
    outcome = carry_out(pool, Task(line, Outcome(ADA.key), intended))
    assert outcome.outcome and "not there any more" not in outcome.detail


def test_who_gave_up_meanwhile_is_no_hindrance(pool: FakePool) -> None:
    line = planned(pool)
    pool.remove(line.removes)
    assert carry_out(pool, Task(line)).outcome == "created"
    assert not pool.calls["delete_user"]


@pytest.mark.parametrize("paced", [False, True])
def test_a_delete_whose_answer_is_lost_is_looked_for(pool: FakePool, paced: bool) -> None:
    """Paced it is asked again first, and then there is nobody to delete."""
    if paced:
        pool.through = Pace(pool.clock, 0.8).call
    pool.fail("delete_user", Cause.LOST, after=True)
    assert carry_out(pool, Task(planned(pool))).outcome == "created"
    assert pool.calls["delete_user"] == 1 + paced


@pytest.mark.parametrize(("cause", "reason"), [(Cause.LOST, "silent"), (Cause.DENIED, "denied")])
def test_a_delete_that_was_not_done_creates_nobody(pool: FakePool, cause: Cause, reason: str) -> None:
    pool.fail("delete_user", cause, times=99)
    line = planned(pool)
    outcome = carry_out(pool, Task(line))
    assert (outcome.outcome, outcome.reason) == ("failed", reason)
    assert [*pool.entries] == [line.removes] and not pool.calls["create_user"]


@pytest.mark.parametrize("operation", ["get_user", "delete_user", "create_user"])
@pytest.mark.parametrize("after", [False, True])
def test_what_an_earlier_worker_began_is_finished(pool: FakePool, operation: str, after: bool) -> None:
    line, intended = planned(pool), pool.clock.now()
    pool.fail(operation, Cause.DENIED, after=after)  # whatever ends it, the row says that it was begun
    carry_out(pool, Task(line))
    again = plan.creation(0, ADA, Terms(pool.facts()))
    again = replace(again, removes=line.removes, seen=line.seen)
    outcome = carry_out(pool, Task(again, Outcome(ADA.key), intended))
    assert outcome.outcome == "created"
    assert len(pool.entries) == 1 and line.removes not in pool.entries
    assert pool.calls["delete_user"] == 1 + (operation == "delete_user" and not after)


def test_somebody_else_who_took_the_name_after_the_delete_is_left_alone(pool: FakePool) -> None:
    line, intended = planned(pool), pool.clock.now()
    pool.remove(line.removes)
    stranger = pool.add("ada@x.io", username=line.removes, name="Another Ada")
    again = replace(plan.creation(0, ADA, Terms(pool.facts())), removes=line.removes, seen=line.seen)
    outcome = carry_out(pool, Task(again, Outcome(ADA.key), intended))
    assert (outcome.outcome, outcome.reason) == ("skipped", "other-user")
    assert pool.entries == {line.removes: stranger} and not pool.calls["delete_user"]


def test_a_pool_that_is_slow_to_notice_the_delete_is_asked_again(pool: FakePool) -> None:
    pool.fail("create_user", Cause.EXISTS)
    assert carry_out(pool, Task(planned(pool))).outcome == "created"
