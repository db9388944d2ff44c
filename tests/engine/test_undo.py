"""An undo against a pool that fails: nobody deleted who is in use, nothing said before it was read back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core import plan
from backups.core import undo as core
from backups.core.choices import Choices, Existing, Guard
from backups.core.evidence import OURS, Left, Ways
from backups.core.matching import Index, Rules
from backups.core.plan import Action, Line, Messages
from backups.core.snapshot import Group, User
from backups.core.undo import Touched, What, sentence
from backups.engine.ports import Cause, Outcome, PortError, Stop
from backups.engine.restore import Task as RestoreTask
from backups.engine.restore import restore
from backups.engine.undo import Task, undo, verdicts, ways_of
from tests.build import a_user, laws
from tests.fakes import FakePool, FakeReport


def made(pool: FakePool, email: str, *, silent: bool = True, groups: Iterable[str] = ()) -> Touched:
    """Created as a restore does it, and what its ledger has."""
    attributes = {"name": "Ada", "email": email, "email_verified": "true"}
    user = User.of(pool.create_user(email, attributes))
    if silent:
        pool.set_password(user.username, "a password nobody knows")
    for group in groups:
        pool.add_to_group(user.username, group)
    left = Left(user.sub, silent, pool.clock.now() + timedelta(minutes=10))
    return Touched(
        f"old-{email}",
        user.username,
        left,
        create=True,
        finished=True,
        groups=frozenset(groups),
        written=attributes,
    )


def updated(pool: FakePool, email: str) -> Touched:
    """Somebody who was there before, and was written over."""
    user = User.of(pool.add(email, name="A.", enabled=False, phone_number="", custom_institution="MIT"))
    pool.update_user(user.username, {"name": "Ada", "phone_number": "+4670", "phone_number_verified": "true"})
    pool.enable_user(user.username)
    pool.add_to_group(user.username, "admins")
    return Touched(
        f"old-{email}",
        user.username,
        Left(user.sub, password=True),
        create=False,
        finished=True,
        groups=frozenset({"admins"}),
        changes=(("name", "A.", "Ada"), ("phone_number", "", "+4670"), (core.ENABLED, "false", "true")),
    )


@pytest.fixture
def pool() -> FakePool:
    return a_pool()


def a_pool() -> FakePool:
    pool = FakePool()
    pool.add("boss@x.io", groups=["admins"])
    return pool


def planned(pool: FakePool, *touched: Touched, report: FakeReport | None = None) -> list[Task]:
    found = verdicts(pool, touched, report or FakeReport(), ways_of(pool))
    return [
        Task(
            one.key,
            one.key.removeprefix("old-"),
            verdict.what,
            one.left.sub,
            one.username,
            verdict.seen,
            verdict.changes,
            verdict.groups,
            verdict.detail,
        )
        for one, verdict in found
        if verdict.what is not What.SKIP
    ]


def done(pool: FakePool, tasks: list[Task], report: FakeReport | None = None) -> dict[str, Outcome]:
    report = report or FakeReport()
    undo(pool, tasks, report)
    return report.outcomes


def world(pool: FakePool) -> Any:
    """All but the dates, which move by themselves."""
    entries = {
        name: {**entry, "UserLastModifiedDate": ""} | {"Attributes": _sorted(entry)}
        for name, entry in pool.entries.items()
    }
    return entries, {name: set(members) for name, members in pool.memberships.items()}


def _sorted(entry: dict[str, Any]) -> list[Any]:
    return sorted((one["Name"], one["Value"]) for one in entry["Attributes"])


# --- the plan -------------------------------------------------------------------------------------


def test_a_plan_reads_and_writes_nothing(pool: FakePool) -> None:
    touched = [made(pool, "ada@x.io", groups=["admins"]), updated(pool, "eve@x.io")]
    before = world(pool)
    found = list(verdicts(pool, touched, FakeReport(), ways_of(pool)))
    assert [(one.key, verdict.what) for one, verdict in found] == [
        ("old-ada@x.io", What.DELETE),
        ("old-eve@x.io", What.PUT_BACK),
    ]
    assert world(pool) == before
    assert pool.messages.total() == 0


def test_whoever_is_gone_or_was_undone_is_not_asked_for(pool: FakePool) -> None:
    ada, bob = made(pool, "ada@x.io"), made(pool, "bob@x.io")
    pool.remove(ada.username)
    calls = pool.calls["get_user"]
    found = verdicts(pool, [ada, replace(bob, undone=True)], FakeReport(), Ways())
    assert [verdict.reason for _, verdict in found] == ["gone", "undone"]
    assert pool.calls["get_user"] == calls + 1


def test_an_error_of_the_pool_is_no_plan(pool: FakePool) -> None:
    pool.fail("get_user", Cause.THROTTLED)
    with pytest.raises(PortError):
        planned(pool, made(pool, "ada@x.io"))
    pool.fail("signed_in", Cause.THROTTLED)
    with pytest.raises(PortError):
        planned(pool, made(pool, "bob@x.io"))


def test_the_record_of_sign_ins_is_asked_for_as_long_as_there_is_one(pool: FakePool) -> None:
    people = [made(pool, f"p{n}@x.io") for n in range(300)]
    assert len(planned(pool, *people)) == 300
    assert pool.calls["signed_in"] <= 16  # the first batch's threads at most
    pool.keeps_record, pool.seen_in = True, {people[7].username}
    assert len(planned(pool, *people)) == 299


@pytest.mark.parametrize("cause", [Cause.DENIED, Cause.GONE])  # GONE: threat protection is off
def test_a_record_that_we_may_not_read_or_that_is_not_there_is_none(pool: FakePool, cause: Cause) -> None:
    pool.fail("signed_in", cause)
    assert len(planned(pool, made(pool, "ada@x.io"))) == 1


def test_ways_in_come_from_the_pool_or_are_not_known(pool: FakePool) -> None:
    assert not ways_of(pool).passwordless
    factors = {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}}
    pool.setting_values = {"tags": {}, "user_pool": {"Policies": factors}}
    assert ways_of(pool).passwordless
    pool.setting_values = {}
    assert ways_of(pool).passwordless  # nothing was told


# --- carried out ----------------------------------------------------------------------------------


def test_an_undo_right_after_a_restore_leaves_the_pool_as_it_was(pool: FakePool) -> None:
    eve = User.of(pool.add("eve@x.io", name="A.", enabled=False))
    before = world(pool)
    pool.update_user(eve.username, {"name": "Ada"})
    pool.enable_user(eve.username)
    pool.add_to_group(eve.username, "admins")
    touched = Touched(
        "old-eve",
        eve.username,
        Left(eve.sub, password=True),
        create=False,
        finished=True,
        groups=frozenset({"admins"}),
        changes=(("name", "A.", "Ada"), (core.ENABLED, "false", "true")),
    )
    report = FakeReport()
    outcomes = done(pool, planned(pool, made(pool, "ada@x.io", groups=["admins"]), touched), report)
    assert {key: (one.outcome, one.step, one.confirmed) for key, one in outcomes.items()} == {
        "old-ada@x.io": ("deleted", "removed", True),
        "old-eve": ("updated", "groups", True),
    }
    assert world(pool) == before
    assert "ada@x.io" not in report.text


def test_a_put_back_enables_disables_and_mails_no_code(pool: FakePool) -> None:
    disabled = User.of(pool.add("bob@x.io", name="Bob"))
    pool.disable_user(disabled.username)
    bob = Touched(
        "old-bob",
        disabled.username,
        Left(disabled.sub, password=True),
        create=False,
        finished=True,
        changes=((core.ENABLED, "true", "false"),),
    )
    outcomes = done(pool, planned(pool, updated(pool, "eve@x.io"), bob))
    assert {one.outcome for one in outcomes.values()} == {"updated"}
    eve = User.of(pool.get_user("eve@x.io"))
    assert (eve.attributes["name"], eve.enabled) == ("A.", False)
    assert "phone_number" not in eve.attributes
    assert User.of(pool.get_user("bob@x.io")).enabled
    assert pool.messages.total() == 0


def test_whoever_changed_since_the_plan_is_held_back(pool: FakePool) -> None:
    tasks = planned(pool, made(pool, "ada@x.io"), made(pool, "bob@x.io"), updated(pool, "eve@x.io"))
    tasks += planned(pool, updated(pool, "fay@x.io"))
    pool.clock.advance(60)
    pool.set_password("ada@x.io", "my own password")  # "forgot password"
    pool.remove("bob@x.io")
    pool.update_user("eve@x.io", {"name": "Eve"})
    pool.remove("fay@x.io")
    outcomes = done(pool, tasks)
    assert {key: (one.outcome, one.reason) for key, one in outcomes.items()} == {
        "old-ada@x.io": ("skipped", "changed-since"),
        "old-bob@x.io": ("skipped", "gone-now"),
        "old-eve@x.io": ("skipped", "changed-since"),
        "old-fay@x.io": ("skipped", "gone-now"),
    }
    assert all(sentence(one.reason) for one in outcomes.values())
    assert pool.get("ada@x.io")
    assert not pool.calls["delete_user"]


@pytest.mark.parametrize("after", [True, False])
def test_a_delete_whose_answer_was_lost_is_settled_by_a_look(pool: FakePool, after: bool) -> None:
    tasks = planned(pool, made(pool, "ada@x.io"))
    pool.fail("delete_user", Cause.LOST, after=after)
    (outcome,) = done(pool, tasks).values()
    assert bool(pool.get("ada@x.io")) == (not after)
    expected = ("deleted", "") if after else ("failed", "silent")
    assert (outcome.outcome, outcome.reason) == expected


def test_a_delete_that_meets_nobody_is_done_and_any_other_error_is_told(pool: FakePool) -> None:
    tasks = planned(pool, made(pool, "ada@x.io"), made(pool, "bob@x.io"))
    pool.fail("delete_user", Cause.DENIED, times=1)
    outcomes = done(pool, tasks)
    failed = [one for one in outcomes.values() if one.outcome == "failed"]
    assert [(one.reason, one.new_sub in {task.sub for task in tasks}) for one in failed] == [("denied", True)]
    assert sum(one.outcome == "deleted" for one in outcomes.values()) == 1


def test_a_killed_undo_goes_on_where_it_was(pool: FakePool) -> None:
    tasks = planned(pool, made(pool, "ada@x.io"), made(pool, "bob@x.io"), updated(pool, "eve@x.io"))
    again = [replace(task, begun=True) for task in tasks]
    pool.delete_user("ada@x.io")  # done, and the worker died before it said so
    pool.disable_user("eve@x.io")
    report = FakeReport()
    outcomes = done(pool, again, report)
    assert {key: one.outcome for key, one in outcomes.items()} == {
        "old-ada@x.io": "deleted",
        "old-bob@x.io": "deleted",
        "old-eve@x.io": "updated",
    }
    assert report.intended == [()]  # they were intended before


def test_a_killed_put_back_still_leaves_alone_what_somebody_changed(pool: FakePool) -> None:
    (task,) = planned(pool, updated(pool, "eve@x.io"))
    pool.update_user("eve@x.io", {"name": "Eve"})
    (outcome,) = done(pool, [replace(task, begun=True)]).values()
    assert (outcome.outcome, outcome.reason) == ("skipped", "changed-since")


class Forgetful(FakePool):
    """Says yes to an update, and keeps nothing of it."""

    forgets = gone_after = False

    def update_user(self, username: str, attributes: Any) -> None:
        if self.gone_after:
            self.remove(username)
        elif not self.forgets:
            super().update_user(username, attributes)

    def remove_from_group(self, username: str, group: str) -> None:
        if not self.forgets:
            super().remove_from_group(username, group)


def test_what_reads_back_otherwise_is_a_failure_that_names_it() -> None:
    pool = Forgetful()
    pool.add("boss@x.io", groups=["admins"])
    tasks = planned(pool, updated(pool, "eve@x.io"))
    pool.forgets = True
    (outcome,) = done(pool, tasks).values()
    assert (outcome.outcome, outcome.reason) == ("failed", "read-back-differs")
    assert outcome.detail == "name, phone_number, still in group admins"
    pool.forgets = False
    fay = replace(updated(pool, "fay@x.io"), groups=frozenset(), changes=(("name", "A.", "Ada"),))
    pool.gone_after = True
    (outcome,) = done(pool, planned(pool, fay)).values()
    assert (outcome.outcome, outcome.step, outcome.detail) == ("failed", "attributes", "the user is gone")


def test_a_user_put_back_to_no_address_is_not_verified(pool: FakePool) -> None:
    user = User.of(pool.add("ada@x.io", name="Ada"))
    pool.update_user(user.username, {"phone_number": "+1", "phone_number_verified": "false"})
    one = Touched(
        "old-ada",
        user.username,
        Left(user.sub, password=True),
        create=False,
        finished=True,
        changes=(("phone_number", "+46", "+1"), ("phone_number_verified", "", "false")),
    )
    (outcome,) = done(pool, planned(pool, one)).values()
    assert outcome.outcome == "updated"
    assert User.of(pool.get_user("ada@x.io")).attributes["phone_number"] == "+46"


def test_a_pause_stops_before_the_next_user_and_loses_nobody(pool: FakePool) -> None:
    tasks = planned(pool, *(made(pool, f"p{n}@x.io") for n in range(250)))
    report = FakeReport(stop_after=1)
    with pytest.raises(Stop):
        undo(pool, tasks, report)
    assert 0 <= len(report.outcomes) <= 100
    left = [task for task in tasks if task.key not in report.outcomes]
    begun = {key for keys in report.intended for key in keys}
    done(pool, [replace(task, begun=task.key in begun) for task in left])
    assert len(pool.entries) == 1


class Paused(FakeReport):
    """Somebody asks to stop while the first users are under way."""

    def stopping(self) -> bool:
        return len(self.outcomes) >= 3


def test_whoever_was_not_begun_when_somebody_asked_to_stop_is_not_begun(pool: FakePool) -> None:
    tasks = planned(pool, *(made(pool, f"p{n}@x.io") for n in range(90)))
    report = Paused()
    undo(pool, tasks, report)
    assert 3 <= len(report.outcomes) < 90
    assert len(pool.entries) == 1 + 90 - len(report.outcomes)


def test_equal_failures_stop_the_job(pool: FakePool) -> None:
    tasks = planned(pool, *(made(pool, f"p{n}@x.io") for n in range(120)))
    pool.fail("delete_user", Cause.DENIED, times=500)
    with pytest.raises(Stop) as stopped:
        undo(pool, tasks, FakeReport())
    assert stopped.value.why == "failures"
    assert pool.calls["delete_user"] == 100


# --- laws -----------------------------------------------------------------------------------------

WHAT_PEOPLE_DO = st.sampled_from(["nothing", "sign-in", "rename", "join", "disable", "leave"])


def act(pool: FakePool, username: str, what: str) -> None:
    """After the restore; people take their time."""
    if what == "sign-in":
        pool.set_password(username, "my own password")
    elif what == "rename":
        pool.update_user(username, {"name": "Mine"})
    elif what == "join":
        pool.add_to_group(username, "admins")
    elif what == "disable":
        pool.disable_user(username)
    elif what == "leave":
        pool.remove(username)


@laws(60)
@given(
    st.lists(st.tuples(WHAT_PEOPLE_DO, WHAT_PEOPLE_DO, st.booleans()), min_size=1, max_size=6),
    st.sampled_from([None, "get_user", "delete_user", "groups_of"]),
    st.booleans(),
)
def test_whoever_changed_or_signed_in_is_never_deleted_and_twice_is_once(
    people: list[tuple[str, str, bool]], faulty: str | None, after: bool
) -> None:
    pool = a_pool()
    before = world(pool)
    touched = [made(pool, f"p{n}@x.io", silent=one[2]) for n, one in enumerate(people)]
    pool.clock.advance(OURS.total_seconds() + 5)
    for one, (first, _, _) in zip(touched, people, strict=True):
        act(pool, one.username, first)
    tasks = planned(pool, *touched)
    pool.clock.advance(5)
    for one, (first, second, _) in zip(touched, people, strict=True):
        if first != "leave":
            act(pool, one.username, second)
    used = {
        one.username
        for one, (first, second, _) in zip(touched, people, strict=True)
        if (first, second) != ("nothing", "nothing") and "leave" not in (first, second)
    }
    if faulty:
        pool.fail(faulty, Cause.LOST, after=after)
    done(pool, tasks)
    assert used <= pool.entries.keys()
    pool._faults.clear()
    # Once more converges; after that there is nothing left to do.
    done(pool, planned(pool, *touched))
    assert used <= pool.entries.keys()
    assert planned(pool, *touched) == []
    if not used:
        assert world(pool) == before


PERSON = st.fixed_dictionaries(
    {
        "there": st.sampled_from(
            [None, {}, {"name": "Other"}, {"custom_institution": "KTH"}, {"enabled": False}]
        ),
        "enabled": st.booleans(),
        "institution": st.sampled_from(["", "MIT"]),
        "groups": st.sets(st.sampled_from(["admins", "beta"])),
        "in": st.sets(st.sampled_from(["admins", "beta"])),
        "changes": st.booleans(),  # after the restore
    }
)


@laws(40)
@given(
    st.lists(PERSON, min_size=1, max_size=6), st.sampled_from(list(Existing)), st.sampled_from(list(Messages))
)
def test_right_after_a_restore_the_pool_is_as_it_was_but_for_what_is_listed(
    people: list[dict[str, Any]], existing: Existing, messages: Messages
) -> None:
    pool, backup, memberships = settled(people)
    before = world(pool)
    report, facts = FakeReport(clock=pool.clock), pool.facts()
    lines = planned_restore(pool, backup, memberships, existing)
    restore(pool, map(RestoreTask, lines), [], facts, report, pool.clock, messages=messages)
    touched = [touched_by(line, report.outcomes[line.key], messages, pool) for line in lines]
    pool.clock.advance(OURS.total_seconds() + 5)
    listed = set()
    for one, person in zip(touched, (people[line.position] for line in lines), strict=True):
        if person["changes"]:
            pool.update_user(one.username, {"name": "Mine", "custom:institution": "Mine"})
            listed.add(one.username)
    done(pool, planned(pool, *touched))
    now = world(pool)
    for one in (before, now):  # whoever changed is listed, and is not what the law is about
        for name in listed:
            one[0].pop(name, None)
            for members in one[1].values():
                members.discard(name)
    assert now == before
    assert {one.username for one in touched if one.create and one.username in listed} <= pool.entries.keys()
    assert planned(pool, *touched) == []


@laws(120)
@given(
    st.lists(PERSON, min_size=1, max_size=5),
    st.sampled_from(list(Existing)),
    st.sampled_from(list(Messages)),
    st.sampled_from(
        """create_user set_password disable_user enable_user update_user add_to_group get_user
        groups_of""".split()
    ),
    st.sampled_from(
        [(Cause.DENIED, False), (Cause.LOST, False), (Cause.LOST, True), (Cause.THROTTLED, False)]
    ),
    st.integers(1, 6),
    st.sampled_from([1, 3, 999]),
)
def test_right_after_a_restore_that_failed_the_pool_is_as_it_was_but_for_what_is_listed(
    people: list[dict[str, Any]],
    existing: Existing,
    messages: Messages,
    operation: str,
    fault: tuple[Cause, bool],
    nth: int,
    times: int,
) -> None:
    pool, backup, memberships = settled(people)
    before = by_mail(pool)
    report, facts = FakeReport(clock=pool.clock), pool.facts()
    lines = planned_restore(pool, backup, memberships, existing)
    pool.fail(operation, fault[0], after=fault[1], nth=nth, times=times)
    restore(pool, map(RestoreTask, lines), [], facts, report, pool.clock, messages=messages)
    pool._faults.clear()
    touched = [touched_by(line, report.outcomes[line.key], messages, pool) for line in lines]
    pool.clock.advance(OURS.total_seconds() + 5)
    told = list(verdicts(pool, touched, FakeReport(), ways_of(pool)))
    # Of several groups one may be joined and the next refused: no step tells of the first, so it is listed.
    refused = operation == "add_to_group" and fault[0] is not Cause.LOST
    in_part = [not one.create and refused and len(one.groups) > 1 for one, _ in told]
    for (one, verdict), partly in zip(told, in_part, strict=True):
        listed_alone = verdict.reason in ("unsure", "some-changed")
        assert one.create or partly or not listed_alone, "nobody changed anything"
    done(pool, planned(pool, *touched))
    now = by_mail(pool)
    # Of who was created by steps that took longer than ours do, nobody can say that they are unused.
    listed = {
        f"p{line.position}@x.io"
        for line, (one, verdict), partly in zip(lines, told, in_part, strict=True)
        if partly or (one.create and verdict.what is What.SKIP)
    }
    for emails in (now, before):
        for email in listed:
            emails.pop(email, None)
    assert now == before
    assert planned(pool, *touched) == []


def settled(people: list[dict[str, Any]]) -> tuple[FakePool, list[User], dict[str, frozenset[str]]]:
    """(the pool as it is before a restore, the backup's users, their groups)."""
    pool, backup, memberships = FakePool(mail="DEVELOPER", mails_left=None), list[User](), {}
    pool.group_rows = {name: Group(name) for name in ("admins", "beta")}
    pool.memberships = {"admins": set(), "beta": set()}
    for number, person in enumerate(people):
        email = f"p{number}@x.io"
        how = {"enabled": person["enabled"], "custom_institution": person["institution"]}
        user = a_user(email, **how)
        backup.append(user)
        memberships[user.username] = frozenset(person["groups"])
        if person["there"] is not None:
            pool.add(email, sub=user.sub, groups=person["in"], **{"name": "Ada"} | person["there"])
    return pool, backup, memberships


def by_mail(pool: FakePool) -> dict[str, Any]:
    """E-mail -> what they hold, enabled, status, groups."""
    users = [User.of(entry) for entry in pool.entries.values()]
    return {
        user.email: (
            {name: value for name, value in user.attributes.items() if value},
            user.enabled,
            user.status,
            {name for name, members in pool.memberships.items() if user.username in members},
        )
        for user in users
    }


def planned_restore(
    pool: FakePool, backup: list[User], memberships: dict[str, frozenset[str]], existing: Existing
) -> list[Line]:
    """The lines that write, with every guard off its hook."""
    facts, there = pool.facts(), [User.of(entry) for entry in pool.users()]
    index = Index(Rules.of(facts))
    for place, user in enumerate(there):
        index.add(user, place)
    members = {
        user.username: frozenset(name for name, who in pool.memberships.items() if user.username in who)
        for user in there
    }
    lines = plan.lines(
        lambda: iter(backup),
        index,
        facts,
        choices=Choices(existing=existing, guards=frozenset(Guard)),
        taken_at="2026-11-21T01:00:00.000Z",
        memberships=memberships,
        members=members,
    )
    return [line for line in lines if line.action in (Action.CREATE, Action.UPDATE)]


def touched_by(line: Line, outcome: Outcome, messages: Messages, pool: FakePool) -> Touched:
    """As the runner makes it of the ledger's row."""
    on = line.user.enabled
    return Touched(
        line.key,
        outcome.new_username,
        Left(outcome.new_sub, messages is Messages.SILENT, pool.clock.now(), _mailed(outcome, pool)),
        create=line.action is Action.CREATE,
        finished=outcome.outcome in ("created", "updated"),
        enabled=on,
        groups=frozenset(line.groups),
        written=line.attributes if line.action is Action.CREATE else None,
        changes=tuple(
            (name, core.truth(not on), core.truth(on)) if name == core.ENABLED else (name, old, new)
            for name, old, new in line.changes
        ),
        step="" if line.action is Action.CREATE else outcome.step,
        unheard=outcome.outcome == "unknown" or outcome.reason in ("silent", "read-back-differs"),
    )


def _mailed(outcome: Outcome, pool: FakePool) -> datetime | None:
    return pool.clock.now() if outcome.messages else None
