"""Updates and links of a restore: what somebody confirmed is written, and nobody's later word is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, TypeVar

import pytest

from backups.core import plan
from backups.core.choices import Choices, Existing, Guard
from backups.core.matching import Index, Rules
from backups.core.plan import REASONS, Action, Line, Messages, Terms
from backups.core.seen import fingerprint
from backups.core.snapshot import Entry, Group, User
from backups.engine.pace import Pace
from backups.engine.ports import Cause, Outcome, PortError
from backups.engine.restore import Task, restore
from tests.build import a_user
from tests.engine.test_restore import Death, Killed, Report, Row, a_pool
from tests.fakes import FakePool

T = TypeVar("T")
EVERYTHING = Choices(existing=Existing.OVERWRITE, guards=frozenset(Guard), link=True)
LATER = "2026-12-31T01:00:00.000Z"
BACKUP = [
    a_user("ada@x.io", sub="ada", name="Ada", custom_institution="MIT"),
    a_user("bob@x.io", sub="bob", name="Bob", enabled=False),
    a_user("cleo@x.io", sub="cleo", name="Cleo"),
    a_user("dan@x.io", sub="dan", name="Dan", verified=False),
]
GROUPS = [Group("admins", members=("ada", "dan")), Group("beta", members=("cleo",))]


def drifted() -> FakePool:
    """The four, not as the backup has them."""
    pool = a_pool()
    pool.add("ada@x.io", sub="ada", name="Somebody", custom_institution="ETH")
    pool.add("bob@x.io", sub="bob", name="Bob")
    pool.add("cleo@x.io", sub="cleo", name="Cleo", enabled=False)
    pool.add("dan@new.io", sub="dan", name="Dan", groups=["beta"])
    pool.add("eve@x.io", sub="eve", name="Eve")
    pool.clock.advance(3600)
    return pool


@dataclass
class Job:
    """One restore that updates, over any number of processes; its lines are made once, as in a ledger."""

    pool: FakePool
    users: Sequence[User] = field(default_factory=lambda: list(BACKUP))
    groups: Sequence[Group] = field(default_factory=lambda: list(GROUPS))
    lines: list[Line] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    report: Report = field(default_factory=Report)

    def __post_init__(self) -> None:
        facts, memberships = self.pool.facts(), dict[str, frozenset[str]]()
        for group in self.groups:
            for member in group.members:
                memberships[member] = memberships.get(member, frozenset()) | {group.name}
        live = [User.of(entry) for entry in self.pool.users()]
        index = Index(Rules.of(facts))
        for place, user in enumerate(live):
            index.add(user, place)
        members = {
            name: frozenset(group for group, names in self.pool.memberships.items() if name in names)
            for name in self.pool.entries
        }
        self.lines = list(
            plan.lines(
                lambda: self.users,
                index,
                facts,
                choices=EVERYTHING,
                taken_at=LATER,
                memberships=memberships,
                members=members,
            )
        )
        for line in self.lines:
            assert line.known
            self.rows[line.key] = Row(
                Outcome(line.key, new_sub=line.known.sub, new_username=line.known.username)
            )
        self.pool.calls.clear()

    def tasks(self) -> list[Task]:
        return [
            Task(line, row.outcome, row.intended)
            for line in self.lines
            if (row := self.rows[line.key]).outcome.outcome in ("", "failed")
        ]

    def run(self, death: Death | None = None, *, lose: bool = False) -> Job:
        self.report = Report(death=death or Death())
        self.report.clock = self.pool.clock
        for row in self.rows.values():
            if row.outcome.outcome == "failed":  # tried again, as a resume does
                row.outcome = replace(row.outcome, outcome="", reason="", detail="")
        missing = [group for group in self.groups if group.name not in self.pool.group_rows]
        alive = self.pool.through
        if death:
            self.pool.through = death.call
        try:
            restore(
                self.pool,
                self.tasks(),
                missing,
                self.pool_facts(alive),
                self.report,
                self.pool.clock,
                messages=Messages.SILENT,
            )
        finally:
            self.pool.through = alive
            self._keep(lose)
        return self

    def pool_facts(self, alive: Any) -> Any:
        through, self.pool.through = self.pool.through, alive
        try:
            return self.pool.facts()
        finally:
            self.pool.through = through

    def _keep(self, lose: bool) -> None:
        events = self.report.events
        flushed = max((at for at, (kind, _) in enumerate(events) if kind in ("flush", "intend")), default=-1)
        for at, (kind, what) in enumerate(events):
            if kind == "intend":
                for key in what:
                    self.rows[key].intended = self.pool.clock.now()
            elif kind == "outcome" and (at <= flushed or not lose):
                self.rows[what.key].outcome = what

    def outcome(self, key: str) -> Outcome:
        return self.rows[key].outcome

    def wrong(self, line: Line) -> list[str]:
        """What is not in place in the pool of what the plan said of this user."""
        entry = self.pool.get(line.username)
        if entry is None:
            return ["missing"]
        user = User.of(entry)
        wrong = [
            name
            for name, _, new in line.changes
            if (str(user.enabled).lower() if name == plan.ENABLED else user.attributes.get(name, "")) != new
        ]
        return wrong + [name for name in line.groups if user.username not in self.pool.memberships[name]]

    def must_hold(self) -> None:
        assert not self.pool.messages, "an update mails nobody"
        assert "@x.io" not in self.report.text.replace("••••@x.io", "")
        for line in self.lines:
            outcome = self.outcome(line.key)
            assert outcome.outcome in ("updated", "skipped", "failed"), f"{line.key} has no outcome"
            if outcome.outcome == "updated":
                assert outcome.confirmed and self.wrong(line) == []
                assert (outcome.new_sub, outcome.new_username) == (line.key, line.key)
            else:
                assert outcome.reason in REASONS and not outcome.confirmed


def values(pool: FakePool, key: str) -> Mapping[str, str]:
    entry = pool.get(key)
    assert entry is not None
    return User.of(entry).attributes


def test_everybody_is_as_in_the_backup_and_nothing_else_is_touched() -> None:
    pool = drifted()
    eve = pool.get("eve")
    job = Job(pool).run()
    job.must_hold()
    assert [job.outcome(user.key).outcome for user in BACKUP] == ["updated"] * 4
    assert [User.of(pool.entries[user.key]).enabled for user in BACKUP] == [True, False, True, True]
    assert values(pool, "ada")["name"] == "Ada" and values(pool, "ada")["custom:institution"] == "MIT"
    assert (values(pool, "dan")["email"], values(pool, "dan")["email_verified"]) == ("dan@x.io", "false")
    assert pool.memberships == {"beta": {"dan", "cleo"}, "admins": {"ada", "dan"}}, "nobody leaves a group"
    assert pool.get("eve") == eve and not pool.passwords and not pool.calls["create_user"]
    assert "a••••@x.io · 2 fields · 1 group · confirmed" in job.report.text


def test_whoever_is_to_be_disabled_is_so_before_anything_else() -> None:
    pool, order = drifted(), list[str]()
    pool.entries["bob"]["Attributes"].append({"Name": "nickname", "Value": "B"})
    job = Job(pool, users=[a_user("bob@x.io", sub="bob", name="Bob", nickname="Bobby", enabled=False)])

    def through(operation: str, do: Callable[[], T], /) -> T:
        order.append(operation)
        return do()

    pool.through = through
    job.run()
    assert [name for name in order if name in ("disable_user", "update_user", "enable_user")] == [
        "disable_user",
        "update_user",
    ]
    assert [told.step for told in job.report.history] == ["disabled", "attributes", "confirmed"]


def meddle(pool: FakePool, key: str, **does: Any) -> None:
    pool._touch(pool.entries[key], **{name: value for name, value in does.items() if name == "Enabled"})
    for pair in pool.entries[key]["Attributes"]:
        pair["Value"] = does.get(pair["Name"], pair["Value"])


@pytest.mark.parametrize("does", [{"name": "Ms Somebody"}, {"Enabled": False}, {}])
def test_who_changed_since_the_plan_is_held_back_and_the_others_are_not(does: dict[str, Any]) -> None:
    pool = drifted()
    job = Job(pool)
    meddle(pool, "ada", **does)
    before = pool.get("ada")
    job.run().must_hold()
    outcome = job.outcome("ada")
    assert (outcome.outcome, outcome.reason) == ("skipped", "changed-since")
    assert pool.get("ada") == before and "ada" not in pool.memberships["admins"]
    assert [job.outcome(user.key).outcome for user in BACKUP[1:]] == ["updated"] * 3


def identity(outcome: Outcome) -> tuple[str, str, str, str]:
    return outcome.outcome, outcome.reason, outcome.new_sub, outcome.new_username


def test_who_left_the_pool_since_the_plan_has_no_identity_there() -> None:
    pool = drifted()
    job = Job(pool)
    pool.remove("ada")
    job.run().must_hold()
    assert identity(job.outcome("ada")) == ("failed", "gone-since", "", "")
    assert pool.get("ada") is None


@pytest.mark.parametrize(
    ("unheard", "ends"),
    [(False, ("failed", "gone-since", "", "")), (True, ("failed", "refused", "ada", "ada"))],
)
def test_who_leaves_the_pool_in_the_middle_has_none_either(
    unheard: bool, ends: tuple[str, str, str, str]
) -> None:
    """Unless it cannot be asked whether they did."""
    pool = drifted()
    job = Job(pool)

    def leaves(operation: str, do: Callable[[], T], /) -> T:
        if operation == "update_user" and pool.entries.get("ada"):
            pool.remove("ada")
            pool.fail("get_user", Cause.DENIED, times=99 * unheard)
        return do()

    pool.through = leaves
    job.users, job.lines = job.users[:1], [line for line in job.lines if line.key == "ada"]
    job.run()
    assert identity(job.outcome("ada")) == ends


def test_another_who_took_the_username_since_the_plan_is_nobody_s_identity() -> None:
    pool = drifted()
    job = Job(pool)
    pool.remove("ada")
    pool.add("ada@x.io", username="ada", sub="another", name="Somebody")
    before = pool.get("ada")
    job.run().must_hold()
    assert identity(job.outcome("ada")) == ("failed", "gone-since", "", "")
    assert pool.get("ada") == before


def test_who_changed_while_the_job_stood_still_is_held_back_too() -> None:
    pool = drifted()
    job = Job(pool)
    job.rows["ada"].intended = pool.clock.now()  # by a worker that died before its first call
    meddle(pool, "ada", name="Ms Somebody")
    job.run().must_hold()
    assert job.outcome("ada").reason == "changed-since"


def test_a_third_hand_between_two_workers_is_held_back() -> None:
    """One of our fields is written, and another holds what neither the plan saw nor the backup has."""
    pool = drifted()
    job = Job(pool)
    job.rows["ada"].intended = pool.clock.now()
    meddle(pool, "ada", name="Ada", **{"custom:institution": "CERN"})
    job.run().must_hold()
    assert job.outcome("ada").reason == "changed-since"
    assert values(pool, "ada")["custom:institution"] == "CERN"


class Forgetful(FakePool):
    """Says that it did what it did not."""

    def update_user(self, username: str, attributes: Mapping[str, str]) -> None:
        self.calls["update_user"] += 1

    def enable_user(self, username: str) -> None:
        self.calls["enable_user"] += 1

    def add_to_group(self, username: str, group: str) -> None:
        self.calls["add_to_group"] += 1


def test_what_reads_back_differently_is_no_success() -> None:
    pool = drifted()
    job = Job(pool)
    pool.__class__ = Forgetful
    job.run().must_hold()
    ada, cleo = job.outcome("ada"), job.outcome("cleo")
    assert (ada.outcome, ada.reason) == ("failed", "read-back-differs")
    assert ada.detail == "custom:institution, name, not in group admins"
    assert cleo.detail == "Enabled, not in group beta"


OPERATIONS = (
    "get_user",
    "update_user",
    "disable_user",
    "enable_user",
    "add_to_group",
    "groups_of",
    "create_group",
)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("cause", list(Cause))
def test_no_failure_breaks_what_must_hold_and_a_second_try_ends_as_planned(
    operation: str, cause: Cause
) -> None:
    afters = (False,) if cause in (Cause.THROTTLED, Cause.UNREACHABLE) else (False, True)
    for after, (nth, times), paced in product(afters, [(1, 1), (3, 1), (1, 10**6)], (False, True)):
        job = Job(drifted())
        if paced:
            job.pool.through = Pace(job.pool.clock, 0.8).call
        job.pool.fail(operation, cause, nth=nth, times=times, after=after)
        job.run().must_hold()
        job.pool._faults.clear()
        job.run().must_hold()
        gone = cause is Cause.MISSING and operation == "get_user"  # then it said that nobody was there
        for line in job.lines:
            assert job.outcome(line.key).outcome == "updated" or gone, (line.key, job.outcome(line.key))


@pytest.mark.parametrize("lose", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_call_it_is_finished_by_the_next_worker(after: bool, lose: bool) -> None:
    for at_call in range(1, 25):
        job = Job(drifted())
        try:
            job.run(Death(at_call, after), lose=lose)
        except Killed:
            job.pool.clock.advance(30)
        job.run().must_hold()
        for line in job.lines:
            assert job.outcome(line.key).outcome == "updated", (at_call, line.key, job.outcome(line.key))


def test_an_address_is_never_written_without_whether_it_is_verified() -> None:
    """Left out, Cognito would call it unverified and mail a code."""
    line = replace(
        Job(drifted()).lines[3], changes=(("email", "dan@new.io", "dan@x.io"),), groups=(), username="dan"
    )
    pool = drifted()
    entry = pool.get("dan")
    assert entry is not None
    restore(
        pool,
        [Task(replace(line, seen=fingerprint(User.of(entry))))],
        [],
        pool.facts(),
        Report(),
        pool.clock,
        messages=Messages.SILENT,
    )
    assert not pool.messages and values(pool, "dan")["email_verified"] == "false"


# --- links -----------------------------------------------------------------------------------


def linked(pool: FakePool) -> Line:
    """The line of a native user who signs in through Google as well."""
    identities = '[{"userId":"1001","providerName":"Google","providerType":"Google","primary":false}]'
    user = a_user("gus@x.io", identities=identities)
    line = plan.creation(0, user, Terms(pool.facts(), EVERYTHING))
    assert (line.action, line.links) == (Action.CREATE, (("Google", "1001"),))
    return line


def carried_out(pool: FakePool, task: Task) -> Outcome:
    report = Report()
    report.clock = pool.clock
    restore(pool, [task], [], pool.facts(), report, pool.clock, messages=Messages.SILENT)
    return report.outcomes[task.line.key]


def test_a_native_user_who_was_linked_is_made_and_linked_again() -> None:
    pool = a_pool()
    pool.providers.add("Google")
    outcome = carried_out(pool, Task(linked(pool)))
    assert (outcome.outcome, outcome.step, outcome.confirmed) == ("created", "confirmed", True)
    assert pool.links == {outcome.new_username: {("Google", "1001")}}


def test_a_link_that_is_refused_leaves_the_user_and_says_so_and_is_made_by_the_next_try() -> None:
    pool = a_pool()
    line = linked(pool)
    outcome = carried_out(pool, Task(line))
    assert (outcome.outcome, outcome.reason, outcome.step) == ("failed", "refused", "password")
    assert "Google" in outcome.detail and pool.get("gus@x.io")
    pool.providers.add("Google")
    begun = replace(outcome, outcome="", reason="", detail="")
    again = carried_out(pool, Task(line, begun, pool.clock.now()))
    assert again.outcome == "created" and pool.links == {outcome.new_username: {("Google", "1001")}}
    assert pool.calls["set_password"] == 1, "whoever is in has a password of their own by now"


class Mixed(FakePool):
    """Takes every link, and keeps none, or that of somebody else."""

    def link_user(self, username: str, provider: str, subject: str) -> None:
        if provider == "Google":
            super().link_user(username, provider, "another")


def test_a_link_that_does_not_read_back_is_no_success() -> None:
    pool = a_pool(pool=Mixed())
    pool.providers.add("Google")
    line = replace(linked(pool), links=(("Google", "1001"), ("Okta", "ü")))
    outcome = carried_out(pool, Task(line))
    assert (outcome.outcome, outcome.reason, outcome.confirmed) == ("failed", "read-back-differs", False)
    assert outcome.detail == "not linked with Google, not linked with Okta"


class Once(FakePool):
    """Refuses a link that stands."""

    def link_user(self, username: str, provider: str, subject: str) -> None:
        if (provider, subject) in self.links.get(User.of(self.get_user(username)).username, ()):
            raise PortError("SourceUser is already linked to DestinationUser", Cause.REFUSED)
        super().link_user(username, provider, subject)


def test_a_link_whose_answer_was_lost_is_made_once_and_the_user_is_whole() -> None:
    pool = a_pool(pool=Once())
    pool.providers.add("Google")
    line = linked(pool)
    pool.fail("link_user", Cause.LOST, after=True)
    first = carried_out(pool, Task(line))
    assert (first.outcome, first.reason) == ("failed", "silent"), "without the pace nothing is asked again"
    begun = replace(first, outcome="", reason="", detail="")
    assert carried_out(pool, Task(line, begun, pool.clock.now())).outcome == "created"
    assert pool.links == {first.new_username: {("Google", "1001")}}


@pytest.mark.parametrize("cause", [Cause.LOST, Cause.DENIED, Cause.THROTTLED])
def test_a_link_that_fails_is_no_success(cause: Cause) -> None:
    pool = a_pool()
    pool.providers.add("Google")
    pool.fail("link_user", cause, times=99)
    assert carried_out(pool, Task(linked(pool))).outcome == "failed"
    assert not pool.links


def test_who_was_linked_before_a_crash_gets_no_second_password() -> None:
    pool = a_pool()
    pool.providers.add("Google")
    line = linked(pool)
    first = carried_out(pool, Task(line))
    begun = replace(first, outcome="", step="linked", confirmed=False)
    assert carried_out(pool, Task(line, begun, pool.clock.now())).outcome == "created"
    assert pool.calls["set_password"] == 1


class Gone(FakePool):
    """Answers nothing any more."""

    def get_user(self, username: str) -> Entry:
        raise PortError("The pool is gone.", Cause.GONE)


def test_a_pool_that_is_gone_updates_nobody_and_keeps_who_they_are() -> None:
    pool = drifted()
    job = Job(pool)
    pool.__class__ = Gone
    job.run().must_hold()
    assert {(row.outcome.outcome, row.outcome.reason) for row in job.rows.values()} == {("failed", "refused")}
    assert [row.outcome.new_sub for row in job.rows.values()] == ["ada", "bob", "cleo", "dan"]
