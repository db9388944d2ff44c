"""Restores, undos and invitations as jobs, over a line and an AWS that fail at every operation in every way.

No false success, no second message, nobody without an outcome; and once the fault is gone, going on or
planning again comes to what the plan said. The engine alone meets the same faults in
tests/contract/test_restore_bad_days.py; here the ledger and the states of jobs are between the tries.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import pytest

from backups import actions
from backups.core.choices import Choices, Existing, Guard
from backups.core.lifecycle import OVER, State
from backups.core.plan import ENABLED, REASONS
from backups.models import Item, Job
from backups.runner.invite import invitable
from tests.jobs.conftest import IVA
from tests.jobs.remote import WHY, Desk, desk, impatient, standin_server
from tests.jobs.test_round import GOOGLE, add

__all__ = ["desk", "standin_server"]  # fixtures

QUICK = (
    "throttle",
    "limit",
    "denied",
    "500",
    "503",
    "500-after",
    "close-before",
    "close-after",
    "cut",
    "slow",
)
SILENT = ("never", "never-after")
REFUSING = ("delivery", "trigger", "trigger-after")
WAIT = 0.5  # seconds for an answer, where one may never come
YEAR = 365 * 86_400.0
CHOICES = Choices(existing=Existing.OVERWRITE, guards=frozenset(Guard), link=True)
FINAL = ("created", "updated", "deleted", "skipped", "failed")
READS = {"DescribeUserPool": 2, "ListUsers": 2, "ListGroups": 1, "ListUsersInGroup": 2}
RESTORE = {
    # what a restore calls -> the number of a later call
    **READS,
    "CreateGroup": 2,
    "AdminDeleteUser": 1,
    "AdminCreateUser": 3,
    "AdminSetUserPassword": 3,
    "AdminDisableUser": 2,
    "AdminEnableUser": 1,
    "AdminUpdateUserAttributes": 2,
    "AdminAddUserToGroup": 3,
    "AdminLinkProviderForUser": 1,
    "AdminGetUser": 5,
    "AdminListGroupsForUser": 2,
}
UNDO = {
    "DescribeUserPool": 1,
    "AdminGetUser": 5,
    "AdminListGroupsForUser": 3,
    "AdminListUserAuthEvents": 1,
    "AdminDeleteUser": 2,
    "AdminUpdateUserAttributes": 2,
    "AdminEnableUser": 1,
    "AdminDisableUser": 1,
    "AdminRemoveUserFromGroup": 2,
}
INVITE = {"DescribeUserPool": 1, "AdminGetUser": 2, "AdminCreateUser": 2}


@pytest.fixture(autouse=True)
def soon_worn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes on for ever is given up after fewer calls; no time passes in either case."""
    monkeypatch.setattr("backups.engine.pace.PATIENCE", 10.0)
    monkeypatch.setattr("backups.engine.pace.GIVE_UP_AFTER", 5.0)


@dataclass
class Day:
    """A pool, its backup, and what has happened to it since: five are lost, and two were changed.

    The address of one who is lost was begun to be registered again, and never confirmed.
    """

    desk: Desk
    key: str = ""

    def begin(self, **settings: Any) -> Day:
        desk = self.desk
        pool_id, cognito = desk.pool(**settings), desk.cognito
        told = {"UserPoolId": pool_id}
        desk.control.clock(forward=-YEAR)
        cognito.create_identity_provider(
            **told, ProviderName="Google", ProviderType="Google", ProviderDetails=GOOGLE
        )
        for name in ("admins", "beta"):
            cognito.create_group(**told, GroupName=name)
        add(desk, "ada@uni.example", name="Ada “Q” 日本", email_verified="true")
        add(desk, "bob@uni.example", name="Bob", email_verified="true")
        add(desk, "cleo@uni.example", name="Cleo", email_verified="false", **{"custom:institution": "ETH"})
        add(desk, "gus@uni.example", name="Gus", email_verified="true")
        add(desk, "hal@uni.example", name="Hal", email_verified="true")
        add(desk, "eve@uni.example", name="Eve", email_verified="true", **{"custom:institution": "MIT"})
        add(desk, "fay@uni.example", name="Fay", email_verified="true")
        for group in ("staff", "choir"):  # these stay
            cognito.create_group(**told, GroupName=group)
            cognito.admin_add_user_to_group(**told, Username="fay@uni.example", GroupName=group)
        for name in ("bob", "fay"):
            cognito.admin_disable_user(**told, Username=f"{name}@uni.example")
        for name in ("ada", "cleo", "eve"):
            for group in ("admins", "beta"):
                cognito.admin_add_user_to_group(**told, Username=f"{name}@uni.example", GroupName=group)
        cognito.admin_link_provider_for_user(
            **told,
            DestinationUser={"ProviderName": "Cognito", "ProviderAttributeValue": "gus@uni.example"},
            SourceUser={
                "ProviderName": "Google",
                "ProviderAttributeName": "Cognito_Subject",
                "ProviderAttributeValue": "1001",
            },
        )
        desk.control.clock(forward=YEAR)
        self.key = desk.backup()
        for name in ("ada", "bob", "cleo", "gus", "hal"):
            cognito.admin_delete_user(**told, Username=f"{name}@uni.example")
        client = cognito.create_user_pool_client(**told, ClientName="ui")["UserPoolClient"]["ClientId"]
        cognito.sign_up(
            ClientId=client,
            Username="hal@uni.example",
            Password="A-long-Passw0rd!",
            UserAttributes=[{"Name": "name", "Value": "Somebody"}],
        )
        for name in ("eve", "fay"):
            attributes = [{"Name": "name", "Value": "Somebody"}]
            cognito.admin_update_user_attributes(
                **told, Username=f"{name}@uni.example", UserAttributes=attributes
            )
        cognito.admin_disable_user(**told, Username="eve@uni.example")
        cognito.admin_enable_user(**told, Username="fay@uni.example")
        for name in ("admins", "beta"):
            cognito.delete_group(**told, GroupName=name)
        desk.control.clear_books()
        return self

    def by_mail(self) -> dict[str, dict[str, Any]]:
        users = [*self.desk.standing().values()]
        found = {user["values"]["email"]: user for user in users}
        assert len(found) == len(users), "somebody was created twice"
        return found

    def content(self) -> dict[str, Any]:
        """Of everybody all but the dates, and but for marks that nobody can unset."""
        return {
            email: (user["values"], user["Enabled"], sorted(user["groups"]))
            for email, user in self.by_mail().items()
        }

    def one_message_each(self) -> Counter[str]:
        sent = Counter(self.desk.sent())
        assert all(number == 1 for number in sent.values()), "a second message"
        return sent

    @contextmanager
    def fault(self, operation: str, kind: str, nth: int, times: int) -> Iterator[None]:
        """``times`` 0: none. What never answers is not waited for as long as usual."""
        if times:
            self.desk.control.fault(operation, kind, nth=nth, times=times, seconds=0.05)
        with impatient(WAIT) if kind in SILENT else nullcontext():
            yield
        self.desk.control.clear_faults()

    def met(self, operation: str, kind: str) -> int:
        return self.desk.control.faults().get(f"{operation} {kind}", 0)


def wrong(item: Item, user: dict[str, Any] | None, way: str) -> list[str]:
    """What is not in place of what the plan said."""
    if user is None:
        return ["missing"]
    found = [name for name, _, new in item.changes if name != ENABLED and user["values"].get(name, "") != new]
    found += [ENABLED] * (user["Enabled"] != item.enabled)
    found += sorted(set(item.groups) - set(user["groups"]))
    if item.action == "create":
        status = "CONFIRMED" if way == "silent" else "FORCE_CHANGE_PASSWORD"
        found += [user["UserStatus"]] * (user["UserStatus"] != status)
        if item.reason == "missing-linked" and len(json.loads(user["values"].get("identities", "[]"))) != 1:
            found.append("links")
    return found


def the_ledger_is_true(day: Day, job: Job, way: str) -> None:
    """Whatever happened."""
    standing, sent = day.by_mail(), day.one_message_each()
    assert way == "invite" or not sent, "a message that nobody chose"
    assert job.state in (State.DONE, State.DONE_WITH_FAILURES, State.PAUSED, State.FAILED), job.sentence
    assert job.sentence and "uni.example" not in job.sentence
    rows = list(job.items.all())
    if job.state == State.FAILED:
        assert not any(row.intended_at for row in rows), "nothing was begun"
    for row in rows:
        user = standing.get(row.email)
        assert row.enabled or not sent[row.email], "a disabled user was written to"
        if row.outcome in ("created", "updated"):
            assert row.confirmed and user and wrong(row, user, way) == [], "a false success"
            assert row.new_sub == user["values"]["sub"]
            due = way == "invite" and row.action == "create" and row.enabled
            assert row.messages == sent[row.email] == int(due)
        elif job.state in OVER - {State.FAILED}:
            assert row.outcome in FINAL, f"{row.label} has no outcome"
            assert row.reason in REASONS
    if job.state == State.DONE:
        assert all(row.outcome in ("created", "updated") for row in rows), "a false success"


def go_on(desk: Desk, job: Job) -> Job:
    for _ in range(3):
        if not actions.may_resume(job):
            break
        desk.run(actions.resume(IVA, job))
    return job


def a_restore(day: Day, operation: str, kind: str, way: str, nth: int, times: int) -> None:
    desk = day.desk
    plan = desk.plan(day.key, CHOICES)
    assert (plan.counts["create"], plan.counts["replaced"], plan.counts["update"]) == (5, 1, 2), plan.counts
    job = desk.start(plan, way)
    met = day.met(operation, kind)
    with day.fault(operation, kind, nth, times):
        desk.run(job)
    assert day.met(operation, kind) > met, "the fault was met"
    the_ledger_is_true(day, job, way)
    if kind == "slow":
        assert job.state == State.DONE, job.sentence
    if job.state == State.FAILED:  # nothing was begun: planned again
        job = desk.run(desk.start(desk.plan(day.key, CHOICES), way))
    go_on(desk, job)
    the_ledger_is_true(day, job, way)
    standing = day.by_mail()
    for row in job.items.all():
        unsure = way == "invite" and row.reason == "maybe-invited"  # never invited once more
        assert row.outcome in ("created", "updated") or unsure, (
            row.label,
            row.outcome,
            row.reason,
            row.detail,
        )
        assert wrong(row, standing.get(row.email), way) == []
    again = desk.plan(day.key, CHOICES)
    assert (again.counts["create"], again.counts["update"]) == (0, 0), "it came to the plan"


def an_undo(day: Day, operation: str, kind: str, nth: int, times: int, *, planning: bool) -> None:
    desk = day.desk
    before = day.content()
    del before["hal@uni.example"]  # nobody can bring that account back
    restore = desk.run(desk.start(desk.plan(day.key, CHOICES)))
    assert restore.state == State.DONE, restore.sentence
    groups = {row.email: row.groups for row in restore.items.filter(action="update")}
    restored = day.content()
    if planning:
        with day.fault(operation, kind, nth, times):
            job = desk.run(actions.plan_undo(IVA, restore))
        assert job.state in (State.PLANNED, State.FAILED), job.sentence
        assert "uni.example" not in job.sentence and day.content() == restored
    plan = desk.undo(restore)
    linked = {"gus@uni.example"}  # signs in otherwise than with a password, and nobody records it
    assert (plan.counts["delete"], plan.counts["put-back"]) == (4, 2), plan.counts
    job = desk.start_undo(plan)
    with day.fault(operation, kind, nth, 0 if planning else times):
        desk.run(job)
    undone(day, job, restored)
    for _ in range(3):
        if job.state in (State.PAUSED, State.WAITING):
            desk.run(actions.resume(IVA, job))
        elif job.state in (State.FAILED, State.DONE_WITH_FAILURES):
            plan = desk.undo(restore)
            if not plan.counts["delete"] + plan.counts["put-back"]:
                break  # what failed was done, and only its answers were lost
            job = desk.run(desk.start_undo(plan))
        undone(day, job, restored)
    else:
        assert job.state == State.DONE, job.sentence
    now = {email: held for email, held in day.content().items() if email not in linked}
    assert now == {email: held for email, held in before.items()}, groups
    assert not desk.sent(), "an undo writes to nobody"


def undone(day: Day, job: Job, restored: dict[str, Any]) -> None:
    now = day.content()
    assert job.state in (State.DONE, State.DONE_WITH_FAILURES, State.PAUSED, State.FAILED), job.sentence
    assert "uni.example" not in job.sentence
    for row in job.items.all():
        if row.outcome == "deleted":
            assert row.email not in now and row.confirmed, "a false success"
        elif row.outcome == "updated":
            values, enabled, groups = now[row.email]
            for name, _, back in row.changes:
                held = str(enabled).lower() if name == ENABLED else values.get(name, "")
                assert held == back, "a false success"
            assert not set(row.groups) & set(groups)
        elif job.state in OVER - {State.FAILED}:
            assert row.outcome in ("skipped", "failed"), f"{row.label} has no outcome"
    assert {email for email in restored if email not in now} <= {
        row.email for row in Item.objects.filter(action="delete")
    }, "somebody was deleted whom nobody meant"


def invitations(day: Day, operation: str, kind: str, nth: int, times: int) -> None:
    desk = day.desk
    restore = desk.run(desk.start(desk.plan(day.key, CHOICES), "later"))
    assert restore.state == State.DONE, restore.sentence
    content = day.content()
    job = ask_them(desk, restore)
    assert job and job.items.count() == 3
    with day.fault(operation, kind, nth, times):
        desk.run(job)
    told(day, job)
    if job.state == State.PAUSED:
        desk.run(actions.resume(IVA, job))
        told(day, job)
    assert job.state in (State.DONE, State.DONE_WITH_FAILURES), job.sentence
    if more := ask_them(desk, restore):  # who failed for a cause that is gone
        told(day, desk.run(more))
    sent, maybe = day.one_message_each(), Item.objects.filter(reason="maybe-invited")
    # one of the others may be in through Google
    due = {f"{name}@uni.example" for name in ("ada", "cleo", "hal")}
    assert due == set(sent) | {row.email for row in maybe}, "everybody was invited, or nobody knows"
    assert day.content() == content, "invitations change nobody"


def ask_them(desk: Desk, restore: Job) -> Job | None:
    reading = desk.run(actions.read_people(IVA, restore))
    assert reading.state == State.DONE, reading.sentence
    if not (number := invitable(reading).count()):
        return None
    typed = actions.confirmation_of_invite(reading, number)
    return actions.start_invite(IVA, reading, order="backup", first=(), typed=typed, reason=WHY)


def told(day: Day, job: Job) -> None:
    sent = day.one_message_each()
    assert "bob@uni.example" not in sent, "a disabled user was written to"
    for row in job.items.all():
        assert row.messages <= sent[row.email], "a false success"
        if job.state in OVER:
            assert row.outcome in ("updated", "skipped", "failed"), f"{row.label} has no outcome"
            assert (row.outcome == "updated") == bool(row.messages)
            assert row.messages == sent[row.email] or row.reason == "maybe-invited"


# --- the matrix -----------------------------------------------------------------------------------

Case = tuple[str, int, int]  # (kind, the number of the first call that it meets, how many it meets)


def turn(number: int, late: int) -> tuple[int, int]:
    """Early or late, once or for ever; of an even number and the next one everything is the other way."""
    return [(1, -1), (late, 1), (late, -1), (1, 1)][number % 4]


def short(name: str, operation: str) -> Iterator[Case]:
    """One fault of an operation, and another one of the next, so that every job meets some of each kind."""
    number, kinds = CASES.index((name, operation)), kinds_of(name, operation)
    yield kinds[number % len(kinds)], *turn(number // 2, JOBS[name][0][operation])


def long(name: str, operation: str) -> Iterator[Case]:
    """Each fault: once early and for ever late, or the other way round; of a restore one of the four.

    All four are asked of the engine's restore in tests/contract/test_restore_bad_days.py.
    """
    late = JOBS[name][0][operation]
    for number, kind in enumerate((*kinds_of(name, operation), *SILENT), CASES.index((name, operation))):
        yield kind, *turn(number, late)
        if not name.startswith("restore"):
            yield kind, *turn(number ^ 1, late)


Work = Callable[[Day, str, str, int, int], None]
JOBS: dict[str, tuple[dict[str, int], Work, dict[str, Any]]] = {
    "restore": (RESTORE, lambda day, o, k, n, t: a_restore(day, o, k, "silent", n, t), {}),
    "restore, inviting": (
        {"AdminCreateUser": 3, "AdminGetUser": 5, "AdminDisableUser": 2, "AdminAddUserToGroup": 3},
        lambda day, o, k, n, t: a_restore(day, o, k, "invite", n, t),
        {},
    ),
    "restore, inviting one by one": (
        {"AdminCreateUser": 6},
        lambda day, o, k, n, t: a_restore(day, o, k, "invite", n, t),
        {"EmailConfiguration": {"EmailSendingAccount": "COGNITO_DEFAULT"}},
    ),
    "undo": (UNDO, lambda day, o, k, n, t: an_undo(day, o, k, n, t, planning=False), {}),
    "undo's plan": (
        {name: UNDO[name] for name in ("DescribeUserPool", "AdminGetUser", "AdminListUserAuthEvents")},
        lambda day, o, k, n, t: an_undo(day, o, k, n, t, planning=True),
        {},
    ),
    "invitations": (INVITE, invitations, {}),
}
CASES = [(name, operation) for name, (operations, _, _) in JOBS.items() for operation in operations]


def each(desk: Desk, name: str, operation: str, cases: Iterator[Case]) -> None:
    _, work, settings = JOBS[name]
    desk.control.knobs(daily_mails=1000)
    for kind, nth, times in cases:
        desk.control.clear_faults()
        Item.objects.update(mailed_at=None)  # each case has a day's mails of its own
        try:
            work(Day(desk).begin(**settings), operation, kind, nth, times)
        except BaseException as error:
            error.add_note(f"{name}: {operation} {kind}, from call {nth} on, {times} times")
            raise


def kinds_of(name: str, operation: str) -> tuple[str, ...]:
    mails = operation == "AdminCreateUser" and ("inviting" in name or name == "invitations")
    return (*QUICK, *REFUSING) if mails else QUICK


@pytest.mark.parametrize(("name", "operation"), CASES)
def test_no_fault_breaks_a_job(desk: Desk, name: str, operation: str) -> None:
    each(desk, name, operation, short(name, operation))


@pytest.mark.parametrize(("name", "operation"), [case for case in CASES if case[1].startswith("AdminC")])
def test_no_silence_breaks_a_job(desk: Desk, name: str, operation: str) -> None:
    each(desk, name, operation, iter([("never", 1, 1), ("never-after", 1, 1)]))


@pytest.mark.parametrize("name", [name for name, operation in CASES if operation == "AdminCreateUser"])
def test_no_trigger_breaks_a_job(desk: Desk, name: str) -> None:
    """Whether it fails before the create or between that and the mail, for one user or for everybody."""
    ways = [(kind, 1, times) for kind in ("trigger", "trigger-after") for times in (1, -1)]
    each(desk, name, "AdminCreateUser", iter(ways))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "operation"), CASES)
def test_no_fault_breaks_a_job_at_any_time(desk: Desk, name: str, operation: str) -> None:
    each(desk, name, operation, long(name, operation))
