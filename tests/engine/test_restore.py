"""A restore against a pool that fails in every way: nobody twice, no mail twice, nothing said too early.

A job here is what the ledger is to a worker: rows that outlive the process, and tasks made from them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core import plan
from backups.core.matching import Index, Rules
from backups.core.plan import REASONS, Action, Line, Messages, Terms
from backups.core.snapshot import Entry, Group, User, iso
from backups.engine import restore as module
from backups.engine.pace import Pace
from backups.engine.ports import Cause, Outcome, PortError, Stop
from backups.engine.restore import NONE_WENT_OUT, Task, restore
from tests.build import a_user, laws, sample, users_of
from tests.fakes import FakePool, FakeReport

T = TypeVar("T")
TAKEN = "2026-11-21T01:00:00.000Z"
SILENT, INVITE, LATER = Messages.SILENT, Messages.INVITE, Messages.LATER
FINAL = {"created", "skipped", "failed"}
PEOPLE = [
    a_user("ada@x.io", name='Ä "Q" \\ 日本'),
    a_user("bob@x.io", enabled=False),
    a_user("eve@x.io", verified=False, custom_institution="MIT"),
    a_user("fay@x.io", status="RESET_REQUIRED"),
]
GROUPS = [
    Group("admins", "who may", 1, members=(PEOPLE[0].username, PEOPLE[1].username)),
    Group("beta", members=(PEOPLE[0].username,)),
]


class Killed(BaseException):
    """kill -9, as far as a test can: no call and no word of this process goes through any more."""


@dataclass
class Death:
    """Dies at the n-th call to AWS, before or after its work; None: lives."""

    at_call: int | None = None
    after: bool = False
    calls: int = 0
    dead: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def call(self, operation: str, do: Callable[[], T], /) -> T:
        with self.lock:
            self.calls += 1
            last = self.calls == self.at_call
        if last and self.after:
            do()
        self.dead = self.dead or last
        self.check()
        return do()

    def check(self) -> None:
        if self.dead:
            raise Killed


@dataclass
class Report(FakeReport):
    """Keeps where it was flushed: told later than that, a word dies with the process."""

    death: Death = field(default_factory=Death)

    def keep_going(self) -> None:
        self.death.check()
        self.events.append(("flush", None))
        super().keep_going()

    def intend(self, keys: Sequence[str], step: str = "") -> datetime:
        self.death.check()
        return super().intend(keys, step)

    def outcome(self, outcome: Outcome) -> None:
        self.death.check()
        super().outcome(outcome)


@dataclass
class Row:
    outcome: Outcome
    intended: datetime | None = None


@dataclass
class Job:
    """One restore job, over any number of processes."""

    pool: FakePool
    users: Sequence[User] = field(default_factory=lambda: list(PEOPLE))
    messages: Messages = SILENT
    groups: Sequence[Group] = field(default_factory=lambda: list(GROUPS))
    rows: dict[str, Row] = field(default_factory=dict)
    report: Report = field(default_factory=Report)
    mails_left: Callable[[], int | None] = lambda: None
    written_to: Callable[[str], bool] = lambda sub: False

    def run(self, report: Report | None = None, *, lose: bool = False) -> Job:
        """As a worker does; what it told is in the rows when it ends, however it ends."""
        self.report = report or Report()
        self.report.clock = self.pool.clock
        facts = self.pool.facts()
        tasks = list(self.tasks())
        missing = [group for group in self.groups if group.name not in self.pool.group_rows]
        alive = self.pool.through
        if self.report.death.at_call:
            self.pool.through = self.report.death.call
        try:
            restore(
                self.pool,
                tasks,
                missing,
                facts,
                self.report,
                self.pool.clock,
                messages=self.messages,
                mails_left=self.mails_left,
                written_to=self.written_to,
            )
        finally:
            self.pool.through = alive
            self._keep(lose)
        return self

    def lines(self) -> Iterator[Line]:
        memberships: dict[str, frozenset[str]] = {}
        for group in self.groups:
            for member in group.members:
                memberships[member] = memberships.get(member, frozenset()) | {group.name}
        facts = self.pool.facts()
        live = Index(Rules.of(facts), map(User.of, self.pool.users()))
        known = {
            row.outcome.new_sub: (key,)
            for key, row in self.rows.items()
            if row.outcome.outcome in ("created", "failed")
        }
        return plan.lines(
            lambda: self.users,
            live,
            facts,
            taken_at=TAKEN,
            memberships=memberships,
            restored=lambda subs: {sub: known[sub] for sub in subs if sub in known},
        )

    def tasks(self) -> Iterator[Task]:
        begins = not self.rows
        for line in self.lines():
            if begins:
                over = "" if line.action is Action.CREATE else "skipped"
                self.rows[line.user.key] = Row(Outcome(line.user.key, over, reason=line.reason * bool(over)))
            row = self.rows[line.user.key]
            if row.outcome.outcome:
                continue
            if row.intended:
                terms = Terms(self.pool.facts(), memberships=self._memberships(line.user))
                again = plan.creation(line.position, line.user, terms)
                begun = replace(row.outcome, outcome="")
                yield Task(again, begun, row.intended)
            elif line.action is Action.CREATE:
                yield Task(line)
            else:
                row.outcome = Outcome(line.user.key, "skipped", reason="exists-now")

    def try_again(self) -> None:
        """As before a resume: of what failed only what AWS said of the mail is remembered."""
        for row in self.rows.values():
            told = row.outcome.reason in NONE_WENT_OUT or row.outcome.reason == "refused"
            if row.outcome.outcome == "failed":
                row.outcome = replace(
                    row.outcome, outcome="", detail="", reason=row.outcome.reason if told else ""
                )

    def planned_groups(self, user: User) -> set[str]:
        return {group.name for group in self.groups if user.username in group.members}

    def _memberships(self, user: User) -> Mapping[str, frozenset[str]]:
        return {user.username: frozenset(self.planned_groups(user))}

    def _keep(self, lose: bool) -> None:
        events = self.report.events
        flushed = max((at for at, (kind, _) in enumerate(events) if kind in ("flush", "intend")), default=-1)
        for at, (kind, what) in enumerate(events):
            if kind == "intend":
                for key in what:
                    self.rows[key].intended = self.pool.clock.now()
            elif kind == "inviting":
                [key] = what
                self.rows[key].outcome = replace(self.rows[key].outcome, step="inviting")
            elif kind == "outcome" and (at <= flushed or not lose):
                self.rows[what.key].outcome = what

    def outcome(self, user: User) -> Outcome:
        return self.rows[user.key].outcome


@pytest.fixture(autouse=True, scope="module")
def small_batches() -> Iterator[None]:
    """Two users a batch: four people see every border between batches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BATCH", 2)
        yield


def a_pool(messages: Messages = SILENT, *, ses: bool = False, pool: FakePool | None = None) -> FakePool:
    pool = pool or FakePool()
    if ses:
        pool.mail, pool.mails_left = "DEVELOPER", None
    pool.clock.advance(86_400)
    return pool


def is_as_planned(job: Job, user: User) -> list[str]:
    """What is wrong with this user in the pool; empty when all is as the plan says."""
    entry = job.pool.get(user.email)
    if entry is None:
        return ["missing"]
    found, wrong = User.of(entry), []
    want = plan.writable(user)
    if {name: value for name, value in found.attributes.items() if name != "sub"} != want:
        wrong.append("attributes")
    if found.enabled != user.enabled:
        wrong.append("enabled")
    if {g for g, members in job.pool.memberships.items() if found.username in members} != job.planned_groups(
        user
    ):
        wrong.append("groups")
    if found.status != ("CONFIRMED" if job.messages is SILENT else "FORCE_CHANGE_PASSWORD"):
        wrong.append(found.status)
    return wrong


def must_hold(job: Job, *, stopped: bool = False) -> None:
    """Whatever happened: these are never broken."""
    pool = job.pool
    names = [pool.facts().fold(User.of(entry).email) for entry in pool.entries.values()]
    assert len(names) == len(set(names)), "somebody was created twice"
    assert all(count == 1 for count in pool.messages.values()), "a mail went out twice"
    if job.messages is not INVITE:
        assert not pool.messages, "a mail that nobody chose"
    for user in job.users:
        outcome = job.outcome(user)
        entry = pool.get(user.email) if user.email else None
        if entry and not user.enabled:
            assert not pool.messages[entry["Username"]], "a disabled user was mailed"
        assert stopped or outcome.outcome in FINAL, f"{user.email} has no outcome"
        if outcome.outcome == "created":
            assert outcome.confirmed and is_as_planned(job, user) == []
            assert entry and outcome.new_sub == User.of(entry).sub
            invited = job.messages is INVITE and user.enabled and bool(user.email)
            assert pool.messages[entry["Username"]] == outcome.messages == int(invited)
        elif outcome.outcome == "failed":
            assert outcome.reason in REASONS and not (outcome.messages > 1)
    assert "@x.io" not in job.report.text.replace("••••@x.io", ""), "an e-mail in clear in the log"


# --- the happy ways --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "ses", "mails"),
    [(SILENT, False, 0), (LATER, False, 0), (INVITE, False, 3), (INVITE, True, 3)],
)
def test_everybody_comes_back_as_planned(messages: Messages, ses: bool, mails: int) -> None:
    job = Job(a_pool(ses=ses), messages=messages).run()
    must_hold(job)
    assert [job.outcome(user).outcome for user in PEOPLE] == ["created"] * 4
    assert job.pool.messages.total() == sum(job.outcome(user).messages for user in PEOPLE) == mails
    assert len(job.pool.passwords) == (4 if messages is SILENT else 0)
    assert set(job.pool.group_rows) == {"admins", "beta"}
    assert job.pool.group_rows["admins"].description == "who may"


def test_what_cbr_wrote_comes_back_into_an_empty_pool() -> None:
    job = Job(a_pool(), users=users_of(sample("cbr-users.json")), groups=[]).run()
    outcomes = [(job.outcome(user).outcome, job.outcome(user).reason) for user in job.users]
    assert outcomes.count(("created", "")) == 5
    assert [reason for outcome, reason in outcomes if outcome == "skipped"] == [
        "no-email",
        "duplicate",
        "linked",
    ]
    bob = job.pool.get("bob@example.org")
    assert bob is not None and bob["Enabled"] is False
    assert all(is_as_planned(job, user) == [] for user in job.users if job.outcome(user).outcome == "created")


def test_where_a_days_limit_binds_everybody_is_there_before_the_first_invitation() -> None:
    job = Job(a_pool(), messages=INVITE)
    order: list[str] = []

    def through(operation: str, do: Callable[[], T], /) -> T:
        order.append(operation)
        return do()

    job.pool.through = through
    job.run()
    assert order.index("resend_invitation") > max(at for at, what in enumerate(order) if what == "groups_of")
    assert order.count("create_user") == 4 and order.count("resend_invitation") == 3
    invited = [what[0] for kind, what in job.report.events if kind == "inviting"]
    assert invited == [PEOPLE[0].key, PEOPLE[2].key, PEOPLE[3].key], "in the plan's order, the disabled never"


def test_through_ses_the_invitation_goes_out_at_creation() -> None:
    job = Job(a_pool(ses=True), messages=INVITE).run()
    assert job.pool.calls["resend_invitation"] == 0 and job.pool.messages.total() == 3


def test_a_disabled_user_is_disabled_before_anything_else_even_when_the_rest_fails() -> None:
    job = Job(a_pool())
    job.pool.fail("set_password", Cause.DENIED, times=99)
    job.run()
    entry = job.pool.get("bob@x.io")
    assert entry is not None and entry["Enabled"] is False
    assert [told.step for told in job.report.history if told.key == PEOPLE[1].key] == [
        "created",
        "disabled",
        "disabled",
    ]
    assert job.outcome(PEOPLE[1]).reason == "denied"


def test_a_row_keeps_the_last_finished_step() -> None:
    job = Job(a_pool(), users=PEOPLE[:1])
    job.pool.fail("groups_of", Cause.DENIED, times=9)
    job.run()
    assert (job.outcome(PEOPLE[0]).step, job.outcome(PEOPLE[0]).outcome) == ("groups", "failed")


def test_a_password_is_random_long_and_of_every_class() -> None:
    job = Job(a_pool(pool=FakePool(password_length=40))).run()
    passwords = list(job.pool.passwords.values())
    assert len(set(passwords)) == 4
    for password in passwords:
        assert len(password) >= 40
        assert any(map(str.islower, password)) and any(map(str.isupper, password))
        assert any(map(str.isdigit, password)) and "-" in password


def test_in_a_pool_of_names_the_username_comes_back() -> None:
    pool = a_pool(pool=FakePool(username_attributes=(), required=()))
    users = [a_user("ada@x.io", username="ada"), a_user("", username="bob")]
    job = Job(pool, users=users, groups=[], messages=INVITE).run()
    assert set(pool.entries) == {"ada", "bob"}
    assert [(job.outcome(user).outcome, job.outcome(user).messages) for user in users] == [
        ("created", 1),
        ("created", 0),
    ]


def test_whoever_came_since_the_plan_is_left_alone() -> None:
    job = Job(a_pool(), users=PEOPLE[:1])
    tasks = list(job.tasks())
    stranger = job.pool.add("Ada@x.io", name="Stranger")
    report = FakeReport()
    restore(job.pool, tasks, [], job.pool.facts(), report, job.pool.clock, messages=SILENT)
    outcome = report.outcomes[PEOPLE[0].key]
    assert (outcome.outcome, outcome.reason, outcome.new_sub) == ("skipped", "exists-now", "")
    assert job.pool.get("ada@x.io") == stranger and not job.pool.passwords


def test_nothing_to_do_is_nothing_done() -> None:
    job = Job(a_pool(), users=[], groups=[]).run()
    assert job.pool.calls.total() == job.pool.calls["facts"] + job.pool.calls["users"]


def test_the_log_is_for_a_person_and_holds_no_address() -> None:
    job = Job(a_pool(ses=True), messages=INVITE).run()
    assert "group admins created" in job.report.text
    assert "a••••@x.io · 2 groups · invited · confirmed" in job.report.text
    assert "b••••@x.io · 1 group · disabled, as in the backup · confirmed" in job.report.text
    assert "ada@x.io" not in job.report.text


# --- groups ----------------------------------------------------------------------------------


def test_a_group_that_somebody_made_meanwhile_will_do() -> None:
    job = Job(a_pool())
    job.pool.fail("create_group", Cause.EXISTS, after=True)
    must_hold(job.run())
    assert job.outcome(PEOPLE[0]).outcome == "created"


def test_a_group_that_cannot_be_made_fails_its_members_and_nobody_else() -> None:
    job = Job(a_pool())
    job.pool.fail("create_group", Cause.DENIED, nth=2)
    must_hold(job.run())
    assert [job.outcome(user).outcome for user in PEOPLE] == ["failed", "created", "created", "created"]
    assert "group beta could not be made: " in job.report.text


# --- a create whose answer was lost ----------------------------------------------------------


@pytest.mark.parametrize("messages", [SILENT, INVITE])
def test_a_lost_create_that_was_done_is_adopted(messages: Messages) -> None:
    job = Job(a_pool(ses=True), messages=messages)
    job.pool.fail("create_user", Cause.LOST, nth=1, after=True)
    must_hold(job.run())
    assert [job.outcome(user).outcome for user in PEOPLE] == ["created"] * 4
    assert job.pool.calls["create_user"] == 4 and "read back: created by this job" in job.report.text


def test_a_lost_create_that_was_not_done_is_repeated() -> None:
    job = Job(a_pool(ses=True), messages=INVITE)
    job.pool.fail("create_user", Cause.LOST, nth=1)
    must_hold(job.run())
    assert [job.outcome(user).outcome for user in PEOPLE] == ["created"] * 4
    assert job.pool.calls["create_user"] == 5


def test_a_create_that_is_lost_again_and_again_is_looked_for_once_more() -> None:
    job = Job(a_pool(), users=PEOPLE[:1])
    job.pool.fail("create_user", Cause.LOST, times=6)
    job.pool.fail("create_user", Cause.LOST, nth=7, after=True)  # the last that 20 s leave room for
    must_hold(job.run())
    assert job.outcome(PEOPLE[0]).outcome == "created"
    never = Job(a_pool(), users=PEOPLE[:1])
    never.pool.fail("create_user", Cause.LOST, times=9)
    must_hold(never.run())
    assert (never.outcome(PEOPLE[0]).outcome, never.outcome(PEOPLE[0]).reason) == ("failed", "silent")
    assert not never.pool.entries


def test_a_lost_create_that_cannot_be_looked_for_is_no_success_and_gets_no_password() -> None:
    job = Job(a_pool(), users=PEOPLE[:1])
    job.pool.fail("create_user", Cause.LOST, after=True)
    job.pool.fail("get_user", Cause.DENIED, times=9)
    must_hold(job.run())
    assert (job.outcome(PEOPLE[0]).outcome, job.outcome(PEOPLE[0]).reason) == ("failed", "denied")
    assert not job.pool.passwords and job.pool.calls["create_user"] == 1


def test_a_lost_create_that_comes_through_late_is_still_ours() -> None:
    class Late(FakePool):
        lost: tuple[str, Mapping[str, str]] | None = None

        def create_user(self, username: str, attributes: Mapping[str, str], *, invite: bool = False) -> Entry:
            if self.lost is None:
                self.lost = username, attributes
                raise PortError("no answer", Cause.LOST)
            if username not in {User.of(entry).email for entry in self.entries.values()}:
                super().create_user(*self.lost, invite=invite)  # between the look and this call
            return super().create_user(username, attributes, invite=invite)

    job = Job(a_pool(pool=Late(), ses=True), users=PEOPLE[:1], messages=INVITE)
    must_hold(job.run())
    assert job.outcome(PEOPLE[0]).outcome == "created" and job.pool.messages.total() == 1


@pytest.mark.parametrize(
    "stranger",
    [
        {"name": "Stranger"},
        {"name": "Ada", "status": "UNCONFIRMED"},
        {"name": "Ada", "created": "2026-11-01T00:00:00.000Z"},
    ],
)
def test_somebody_else_who_took_the_address_meanwhile_is_left_alone(stranger: dict[str, Any]) -> None:
    class Taken(FakePool):
        def create_user(self, username: str, attributes: Mapping[str, str], *, invite: bool = False) -> Entry:
            self.add(username, **stranger)
            raise PortError("no answer", Cause.LOST)

    user = a_user("ada@x.io", name="Ada")
    job = Job(a_pool(pool=Taken()), users=[user], groups=[])
    must_hold(job.run())
    assert (job.outcome(user).outcome, job.outcome(user).reason) == ("skipped", "other-user")
    assert not job.pool.passwords and job.outcome(user).new_sub == ""


@pytest.mark.parametrize(
    ("messages", "ses", "ours"),
    [(SILENT, False, True), (INVITE, True, True), (INVITE, False, False), (LATER, False, False)],
)
def test_who_has_a_password_is_ours_only_where_this_job_could_have_given_it(
    messages: Messages, ses: bool, ours: bool
) -> None:
    class Ready(FakePool):
        def create_user(self, username: str, attributes: Mapping[str, str], *, invite: bool = False) -> Entry:
            made = super().create_user(username, attributes, invite=invite)
            self._touch(self.entries[made["Username"]], UserStatus="CONFIRMED")
            raise PortError("no answer", Cause.LOST)

    job = Job(a_pool(pool=Ready(), ses=ses), users=PEOPLE[:1], messages=messages)
    job.run()
    outcome = job.outcome(PEOPLE[0])
    assert (outcome.outcome == "created") == ours
    assert ours or (outcome.outcome, outcome.reason, outcome.new_sub) == ("skipped", "other-user", "")
    assert not job.pool.passwords and job.pool.calls["resend_invitation"] == 0


@pytest.mark.parametrize(
    ("lost", "step"),
    [(False, ""), (True, "asked")],
)
def test_a_failure_says_whether_a_create_may_have_come_through(lost: bool, step: str) -> None:
    job = Job(a_pool(), users=PEOPLE[:1])
    if lost:
        job.pool.fail("create_user", Cause.LOST, after=True)
        job.pool.fail("get_user", Cause.DENIED, times=9)
    else:
        job.pool.fail("create_user", Cause.DENIED)
    must_hold(job.run())
    assert (job.outcome(PEOPLE[0]).reason, job.outcome(PEOPLE[0]).step) == ("denied", step)


def test_what_an_earlier_try_began_may_have_come_through() -> None:
    job = Job(a_pool(), users=PEOPLE[:1])
    with pytest.raises(Killed):
        job.run(Report(death=Death(3, after=True)))  # two groups, the create
    job.pool.fail("get_user", Cause.DENIED, times=9)
    must_hold(job.run())
    assert (job.outcome(PEOPLE[0]).reason, job.outcome(PEOPLE[0]).step) == ("denied", "asked")


# --- invitations that are refused ------------------------------------------------------------


@pytest.mark.parametrize("keeps", [True, False])
def test_at_creation_an_invitation_over_the_limit_leaves_a_user_and_says_so(keeps: bool) -> None:
    job = Job(a_pool(ses=True), messages=INVITE)
    job.pool.mails_left, job.pool.limit_keeps_user = 1, keeps
    must_hold(job.run())
    found = sorted((job.outcome(user).outcome, job.outcome(user).reason) for user in PEOPLE)
    assert found == [("created", ""), ("created", ""), ("failed", "mail-limit"), ("failed", "mail-limit")]
    assert len(job.pool.entries) == 4 and all(is_as_planned(job, user) == [] for user in PEOPLE)
    assert "answer was lost" not in job.report.text


def test_an_invitation_that_was_not_delivered_is_sent_once_more() -> None:
    """The error itself says that none went out."""
    job = Job(a_pool(ses=True), users=PEOPLE[:1], messages=INVITE)
    job.pool.fail("create_user", Cause.DELIVERY)
    must_hold(job.run())
    assert (job.outcome(PEOPLE[0]).outcome, job.outcome(PEOPLE[0]).reason) == ("created", "")
    assert job.pool.calls["resend_invitation"] == 1


def test_an_invitation_that_is_never_delivered_is_said_with_the_reason() -> None:
    job = Job(a_pool(ses=True), users=PEOPLE[:1], messages=INVITE)
    job.pool.fail("create_user", Cause.DELIVERY)
    job.pool.fail("resend_invitation", Cause.DELIVERY, message="The mailbox does not exist.")
    must_hold(job.run())
    outcome = job.outcome(PEOPLE[0])
    assert (outcome.outcome, outcome.reason) == ("failed", "not-delivered")
    assert outcome.detail == "The mailbox does not exist." and outcome.confirmed
    assert job.pool.calls["resend_invitation"] == 1


def test_when_the_days_mails_are_spent_the_invitations_wait() -> None:
    """Everybody stands; who could not be mailed is neither failed nor mailed twice on another day."""
    job = Job(a_pool(), messages=INVITE)
    job.pool.mails_left = 1
    job.mails_left = lambda: 40
    with pytest.raises(Stop) as stop:
        job.run()
    assert stop.value.why == "mail-limit"
    must_hold(job, stopped=True)
    assert [job.outcome(user).outcome for user in PEOPLE].count("created") == 2  # one of them is disabled
    assert not any(row.outcome.outcome == "failed" for row in job.rows.values())
    looked, joined = job.pool.calls["get_user"], job.pool.calls["add_to_group"]
    job.pool.mails_left = 10
    must_hold(job.run())
    assert all(job.outcome(user).outcome == "created" for user in PEOPLE)
    # What was confirmed yesterday is not gone through again; before each of the two mails there is a look.
    assert (job.pool.calls["get_user"], job.pool.calls["add_to_group"]) == (looked + 2, joined)


def test_before_an_invitation_everybody_is_looked_at_once_more() -> None:
    """It may have waited for days: whoever is in, disabled, gone or another by now is not written to."""
    users = many(6)
    job = Job(a_pool(), users=users, groups=[], messages=INVITE)
    job.mails_left = lambda: 0
    with pytest.raises(Stop):
        job.run()
    ids = {user.email: User.of(job.pool.get(user.email) or {}).username for user in users}
    names = [user.email for user in users]
    job.pool.set_password(names[0], "my own password")
    job.pool.disable_user(names[1])
    job.pool.remove(names[2])
    other = job.pool.entries[ids[names[3]]]
    for pair in other["Attributes"]:
        if pair["Name"] == "sub":
            pair["Value"] = "another"
    job.mails_left = lambda: None
    job.written_to = {User.of(job.pool.entries[ids[names[4]]]).sub}.__contains__
    job.run()  # Job's own law is about people whom nobody touched
    told = [(job.outcome(user).outcome, job.outcome(user).detail) for user in users]
    assert told == [
        ("created", "does not wait for an invitation any more; not written to"),
        ("created", "is disabled; never written to"),
        ("failed", ""),
        ("failed", ""),
        ("created", "another job wrote to them by now; not written to again"),
        ("created", ""),
    ]
    assert job.pool.messages.total() == 1
    left = ["left-out", "left-out", "gone-since", "gone-since", "left-out", ""]
    assert [job.outcome(user).reason for user in users] == left
    for user in users[2:4]:  # no map leads to whom nobody can be any more
        gone = job.outcome(user)
        assert (gone.confirmed, gone.new_sub, gone.new_username, gone.messages) == (False, "", "", 0)


def test_a_look_that_fails_before_an_invitation_is_no_invitation() -> None:
    job = Job(a_pool(), users=PEOPLE[:1], groups=[], messages=INVITE)
    job.mails_left = lambda: 0
    with pytest.raises(Stop):
        job.run()
    job.mails_left = lambda: None
    job.pool.fail("get_user", Cause.LOST)
    must_hold(job.run())
    assert (job.outcome(PEOPLE[0]).outcome, job.outcome(PEOPLE[0]).reason) == ("failed", "silent")
    assert not job.pool.calls["resend_invitation"]


def test_what_is_kept_of_the_days_mails_is_not_spent() -> None:
    job = Job(a_pool(), messages=INVITE)
    left = [2]

    def mails_left() -> int:
        left[0] -= 1
        return left[0]

    job.mails_left = mails_left
    with pytest.raises(Stop) as stop:
        job.run()
    assert stop.value.why == "mail-limit"
    assert job.pool.calls["resend_invitation"] == 1
    must_hold(job, stopped=True)


@pytest.mark.parametrize("at_call", range(4, 8))
def test_a_refused_invitation_is_not_forgotten_by_a_crash(at_call: int) -> None:
    """Two groups, create, look, two memberships: wherever it dies, the one mail that is owed goes out."""
    job = Job(a_pool(ses=True), users=PEOPLE[:1], messages=INVITE)
    job.pool.fail("create_user", Cause.DELIVERY, after=True)
    with pytest.raises(Killed):
        job.run(Report(death=Death(at_call)))
    must_hold(job.run())
    assert (job.outcome(PEOPLE[0]).outcome, job.outcome(PEOPLE[0]).messages) == ("created", 1)
    assert job.pool.calls["resend_invitation"] == 1


@pytest.mark.parametrize("why", ["differs", "trigger"])
def test_a_refused_invitation_is_not_forgotten_by_what_is_read_back(why: str) -> None:
    """Whatever is wrong besides: that no mail went out stays known, and it goes out at the next try."""
    pool = Meddling(**({"groups": {"beta"}} if why == "differs" else {}))
    job = Job(a_pool(ses=True, pool=pool), users=PEOPLE[:1], messages=INVITE)
    if why == "differs":
        job.pool.fail("create_user", Cause.DELIVERY, after=True)
    else:
        job.pool.fail("create_user", Cause.DELIVERY)
        job.pool.fail("create_user", Cause.TRIGGER, nth=2)
    must_hold(job.run())
    outcome = job.outcome(PEOPLE[0])
    assert (outcome.outcome, outcome.reason, outcome.messages) == ("failed", "unsent", 0)
    pool.does.clear()
    job.try_again()
    must_hold(job.run())
    assert job.outcome(PEOPLE[0]).messages == 1


@pytest.mark.parametrize("cause", [Cause.DELIVERY, Cause.MAIL_LIMIT])
@pytest.mark.parametrize("operation", ["get_user", "add_to_group", "groups_of"])
def test_a_refused_invitation_is_not_forgotten_by_a_failure(cause: Cause, operation: str) -> None:
    """No mail went out, and what came next failed: nobody is said to be invited, and one try later is."""
    job = Job(a_pool(ses=True), users=PEOPLE[:1], messages=INVITE)
    job.pool.fail("create_user", cause, after=True)
    job.pool.fail(operation, Cause.DENIED, times=9)
    must_hold(job.run())
    outcome = job.outcome(PEOPLE[0])
    assert (outcome.outcome, outcome.reason, outcome.messages) == ("failed", "unsent", 0)
    assert "denied" in outcome.detail
    job.pool._faults.clear()
    job.try_again()
    must_hold(job.run())
    assert (job.outcome(PEOPLE[0]).outcome, job.outcome(PEOPLE[0]).messages) == ("created", 1)
    assert (job.pool.calls["create_user"], job.pool.calls["resend_invitation"]) == (1, 1)


# --- triggers that fail ----------------------------------------------------------------------


@pytest.mark.parametrize("messages", [SILENT, INVITE])
def test_a_trigger_that_vetoes_creates_nobody_and_is_asked_anew(messages: Messages) -> None:
    job = Job(a_pool(ses=True), users=PEOPLE[:1], messages=messages)
    job.pool.fail("create_user", Cause.TRIGGER, message="PreSignUp failed with error no.")
    must_hold(job.run())
    outcome = job.outcome(PEOPLE[0])
    assert (outcome.outcome, outcome.reason, outcome.step) == ("failed", "refused", "")
    assert outcome.detail == "PreSignUp failed with error no."
    assert not job.pool.entries


def test_whom_a_failing_trigger_leaves_behind_is_ours_and_not_said_to_be_invited() -> None:
    """The one that writes the mail runs when the user stands; nobody knows whether a mail went out."""
    job = Job(a_pool(ses=True), users=PEOPLE[:1], messages=INVITE)
    job.pool.fail("create_user", Cause.TRIGGER, after=True, message="CustomMessage failed with error no.")
    must_hold(job.run())
    outcome = job.outcome(PEOPLE[0])
    assert (outcome.outcome, outcome.reason, outcome.messages) == ("failed", "maybe-invited", 0)
    assert outcome.confirmed and outcome.new_sub and is_as_planned(job, PEOPLE[0]) == []
    assert "CustomMessage failed with error no." in job.report.text
    assert job.pool.calls["create_user"] == 1 and not job.pool.calls["resend_invitation"]


@pytest.mark.parametrize("stands", [True, False])
def test_a_look_that_fails_after_a_trigger_did_is_made_up_for(stands: bool) -> None:
    job = Job(a_pool(ses=True), users=PEOPLE[:1], messages=INVITE)
    job.pool.fail("create_user", Cause.TRIGGER, after=stands)
    job.pool.fail("get_user", Cause.DENIED)
    must_hold(job.run())
    outcome = job.outcome(PEOPLE[0])
    assert (outcome.outcome, outcome.reason, outcome.step) == ("failed", "refused", "asked")
    job.try_again()
    must_hold(job.run())
    outcome = job.outcome(PEOPLE[0])
    told = ("failed", "maybe-invited", 0) if stands else ("created", "", 1)
    assert (outcome.outcome, outcome.reason, outcome.messages) == told
    assert is_as_planned(job, PEOPLE[0]) == []


def test_whom_a_failing_trigger_leaves_behind_of_a_silent_restore_is_created() -> None:
    job = Job(a_pool(), users=PEOPLE[:1])
    job.pool.fail("create_user", Cause.TRIGGER, after=True)
    must_hold(job.run())
    assert (job.outcome(PEOPLE[0]).outcome, job.outcome(PEOPLE[0]).reason) == ("created", "")


def test_a_trigger_that_vetoes_after_a_lost_create_leaves_it_open() -> None:
    job = Job(a_pool(ses=True), users=PEOPLE[:1], messages=INVITE)
    job.pool.fail("create_user", Cause.LOST)
    job.pool.fail("create_user", Cause.TRIGGER, nth=2)
    must_hold(job.run())
    assert (job.outcome(PEOPLE[0]).reason, job.outcome(PEOPLE[0]).step) == ("refused", "asked")


def test_nobody_of_a_batch_is_begun_once_the_job_shall_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause is heard between two users, not only between two batches; the next run goes on with all."""
    monkeypatch.setattr(module, "BATCH", 4)
    monkeypatch.setattr(module, "THREADS", 1)
    job = Job(a_pool(), groups=[])

    class Asked(Report):
        def stopping(self) -> bool:
            if job.pool.calls["create_user"]:
                self.stop_after = 0
            return super().stopping()

    with pytest.raises(Stop):
        job.run(Asked())
    assert job.pool.calls["create_user"] == 1
    must_hold(job, stopped=True)
    must_hold(job.run())
    assert all(job.outcome(user).outcome == "created" for user in PEOPLE)


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (Cause.LOST, "maybe-invited"),
        (Cause.TRIGGER, "maybe-invited"),
        (Cause.MAIL_LIMIT, "mail-limit"),
        (Cause.DELIVERY, "not-delivered"),
        (Cause.REFUSED, "refused"),
    ],
)
@pytest.mark.parametrize("after", [False, True])
def test_an_invitation_is_never_repeated(cause: Cause, reason: str, after: bool) -> None:
    job = Job(a_pool(), users=PEOPLE[:1], messages=INVITE)
    job.pool.fail("resend_invitation", cause, after=after)
    must_hold(job.run())
    assert (job.outcome(PEOPLE[0]).outcome, job.outcome(PEOPLE[0]).reason) == ("failed", reason)
    assert job.pool.calls["resend_invitation"] == 1


# --- read back -------------------------------------------------------------------------------


class Meddling(FakePool):
    """Somebody, or a trigger, does otherwise than was asked."""

    def __init__(self, **does: Any) -> None:
        super().__init__()
        self.does = does

    def get_user(self, username: str) -> Entry:
        entry = super().get_user(username)
        entry.update({key: value for key, value in self.does.items() if key in entry})
        entry["Attributes"] = [
            {**pair, "Value": self.does.get(pair["Name"], pair["Value"])} for pair in entry["Attributes"]
        ]
        return entry

    def groups_of(self, username: str) -> frozenset[str]:
        return super().groups_of(username) - frozenset(self.does.get("groups", ()))


@pytest.mark.parametrize(
    ("does", "messages", "detail"),
    [
        ({"name": "Other"}, SILENT, "name"),
        ({"email_verified": "false", "Enabled": False}, LATER, "email_verified, Enabled"),
        ({"UserStatus": "FORCE_CHANGE_PASSWORD"}, SILENT, "UserStatus is FORCE_CHANGE_PASSWORD"),
        ({"UserStatus": "RESET_REQUIRED"}, LATER, "UserStatus is RESET_REQUIRED"),
        ({"groups": {"beta", "admins"}}, SILENT, "not in group admins, not in group beta"),
    ],
)
def test_what_reads_back_differently_is_no_success(
    does: dict[str, Any], messages: Messages, detail: str
) -> None:
    job = Job(a_pool(pool=Meddling(**does)), users=PEOPLE[:1], messages=messages).run()
    outcome = job.outcome(PEOPLE[0])
    assert (outcome.outcome, outcome.reason, outcome.detail) == ("failed", "read-back-differs", detail)
    assert not outcome.confirmed


def test_whoever_signed_in_between_invitation_and_look_is_created() -> None:
    pool = a_pool(pool=Meddling(UserStatus="CONFIRMED"), ses=True)
    job = Job(pool, users=PEOPLE[:1], messages=INVITE).run()
    assert job.outcome(PEOPLE[0]).outcome == "created"


# --- every call failing with every cause -----------------------------------------------------

OPERATIONS = (
    "create_group",
    "create_user",
    "disable_user",
    "set_password",
    "add_to_group",
    "get_user",
    "groups_of",
    "resend_invitation",
)
NOTHING_WAS_DONE = {Cause.THROTTLED, Cause.UNREACHABLE}  # by these words
CALLED_BY = {"resend_invitation": [(INVITE, False)], "set_password": [(SILENT, False)]}
WAYS = ((SILENT, False), (LATER, False), (INVITE, False), (INVITE, True))


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("cause", list(Cause))
def test_no_failure_breaks_what_must_hold(operation: str, cause: Cause) -> None:
    afters = (False,) if cause in NOTHING_WAS_DONE else (False, True)
    faults = [(1, 1), (2, 1), (1, 10**6)]  # the first call, the second, all
    for (messages, ses), after, (nth, times) in product(CALLED_BY.get(operation, WAYS), afters, faults):
        for paced in (False, True):
            job = Job(a_pool(ses=ses), messages=messages)
            if paced:
                job.pool.through = Pace(job.pool.clock, 0.8).call
            job.pool.fail(operation, cause, nth=nth, times=times, after=after)
            must_hold(job.run())


def test_what_is_safe_to_repeat_is_healed_by_the_pace() -> None:
    for operation in OPERATIONS:
        for cause in (Cause.THROTTLED, Cause.UNREACHABLE):
            job = Job(a_pool(), messages=SILENT)
            job.pool.through = Pace(job.pool.clock, 0.8).call
            job.pool.fail(operation, cause, times=3)
            must_hold(job.run())
            assert all(job.outcome(user).outcome == "created" for user in PEOPLE), (operation, cause)


# --- stopped, killed, taken up again ---------------------------------------------------------


@pytest.mark.parametrize("why", ["pause", "cancel", "lease-lost"])
def test_a_stop_is_heard_between_two_batches_and_those_begun_are_finished(why: str) -> None:
    job = Job(a_pool(), groups=[])
    with pytest.raises(Stop) as stop:
        job.run(Report(stop_after=1, why=why))
    assert stop.value.why == why
    assert [job.outcome(user).outcome for user in PEOPLE] == ["created", "created", "", ""]
    assert len(job.pool.entries) == 2
    must_hold(job, stopped=True)
    must_hold(job.run())
    assert all(job.outcome(user).outcome == "created" for user in PEOPLE)


@pytest.mark.parametrize(("messages", "ses"), WAYS)
def test_paused_at_every_step_it_ends_as_if_it_never_was(messages: Messages, ses: bool) -> None:
    job = Job(a_pool(ses=ses), messages=messages)
    for pauses in range(99):
        try:
            job.run(Report(stop_after=pauses))
            break
        except Stop:
            must_hold(job, stopped=True)
    must_hold(job)
    assert all(job.outcome(user).outcome == "created" for user in PEOPLE)


def resume_after(job: Job, deaths: Sequence[tuple[Death, bool]]) -> Job:
    for death, lose in deaths:
        try:
            job.run(Report(death=death), lose=lose)
        except Killed:
            job.pool.clock.advance(30)
            must_hold(job, stopped=True)
    return job.run()


def ends_as_planned(job: Job) -> None:
    must_hold(job)
    for user in job.users:
        assert is_as_planned(job, user) == []
        outcome = job.outcome(user)
        # Nobody can tell whether a mail went out whose answer died: that is said, never repeated.
        unsure = job.messages is INVITE and (outcome.outcome, outcome.reason) == ("failed", "maybe-invited")
        assert outcome.outcome == "created" or unsure, outcome


@pytest.mark.parametrize("lose", [False, True])
@pytest.mark.parametrize(("messages", "ses"), WAYS)
def test_killed_at_any_call_it_is_finished_by_the_next_worker(
    messages: Messages, ses: bool, lose: bool
) -> None:
    for at_call in range(1, 32):
        for after in (False, True):
            job = Job(a_pool(ses=ses), messages=messages)
            ends_as_planned(resume_after(job, [(Death(at_call, after), lose)]))


@laws(60)
@given(
    way=st.sampled_from(WAYS),
    deaths=st.lists(
        st.tuples(st.builds(Death, st.integers(1, 30), st.booleans()), st.booleans()), max_size=5
    ),
)
def test_killed_again_and_again_it_ends_as_planned(
    way: tuple[Messages, bool], deaths: list[tuple[Death, bool]]
) -> None:
    fresh = [(Death(death.at_call, death.after), lose) for death, lose in deaths]
    ends_as_planned(resume_after(Job(a_pool(ses=way[1]), messages=way[0]), fresh))


def begun(job: Job, user: User, **told: Any) -> None:
    """As an earlier worker left the row of a user whom it had created."""
    entry = job.pool.get(user.email)
    assert entry is not None
    outcome = Outcome(user.key, new_sub=User.of(entry).sub, new_username=entry["Username"], **told)
    job.rows[user.key] = Row(outcome, job.pool.clock.now())


@pytest.mark.parametrize("step", ["created", "password", "groups", "confirmed"])
def test_who_has_a_password_gets_no_second_one(step: str) -> None:
    """Between two workers somebody may have used "forgot password"."""
    ada = a_user("ada@x.io")
    job = Job(a_pool(), users=[ada], groups=[])
    job.pool.add("ada@x.io", name="Ada", status="CONFIRMED")
    begun(job, ada, step=step)
    must_hold(job.run())
    assert job.outcome(ada).outcome == "created" and job.pool.calls["set_password"] == 0


def test_who_was_created_without_a_password_gets_one() -> None:
    ada = a_user("ada@x.io")
    job = Job(a_pool(), users=[ada], groups=[])
    job.pool.add("ada@x.io", name="Ada", status="FORCE_CHANGE_PASSWORD")
    begun(job, ada, step="created")
    must_hold(job.run())
    assert job.outcome(ada).outcome == "created" and job.pool.calls["set_password"] == 1


@pytest.mark.parametrize("status", ["FORCE_CHANGE_PASSWORD", "CONFIRMED"])
@pytest.mark.parametrize("step", ["created", "asked"])
def test_who_was_invited_meanwhile_keeps_the_password_that_was_mailed(step: str, status: str) -> None:
    """Also where the answer to the create was lost, and after the owner has signed in with it."""
    job = Job(a_pool(), users=PEOPLE[:1])
    job.pool.fail("set_password", Cause.DENIED)
    must_hold(job.run())
    ada = job.outcome(PEOPLE[0])
    assert (ada.reason, ada.step) == ("denied", "created")
    job.pool.entries[ada.new_username]["UserStatus"] = status
    job.written_to = {ada.new_sub}.__contains__
    job.try_again()
    if step == "asked":
        forgotten = Outcome(ada.key, step="asked")
        job.rows[ada.key].outcome = forgotten
    job.run()
    told = job.outcome(PEOPLE[0])
    assert (told.outcome, told.reason, told.step, told.new_sub) == (
        *("created", "invited", "confirmed"),
        ada.new_sub,
    )
    assert told.confirmed and not job.pool.passwords and not told.messages
    assert job.pool.entries[ada.new_username]["UserStatus"] == status
    assert all(ada.new_username in members for members in job.pool.memberships.values())


@pytest.mark.parametrize("step", ["inviting", "invited"])
def test_who_may_have_been_invited_is_not_invited_again(step: str) -> None:
    ada = a_user("ada@x.io")
    job = Job(a_pool(), users=[ada], groups=[], messages=INVITE)
    job.pool.add("ada@x.io", name="Ada", status="FORCE_CHANGE_PASSWORD")
    begun(job, ada, step=step, confirmed=True)
    must_hold(job.run())
    assert (job.outcome(ada).outcome, job.outcome(ada).reason) == ("failed", "maybe-invited")
    assert not job.pool.messages


def test_an_intent_of_a_worker_that_died_does_not_make_a_stranger_ours() -> None:
    ada = a_user("ada@x.io")
    job = Job(a_pool(), users=[ada], groups=[])
    job.rows[ada.key] = Row(Outcome(ada.key), job.pool.clock.now())
    created = iso(job.pool.clock.now() - timedelta(minutes=5))
    job.pool.add("ada@x.io", name="Ada", status="CONFIRMED", created=created)
    must_hold(job.run())
    assert job.outcome(ada).reason == "other-user" and not job.pool.passwords


# --- many at once ----------------------------------------------------------------------------


def test_nobody_waits_for_the_slowest_of_a_batch() -> None:
    """Users of later batches are created while one of the first batch is not answered yet."""
    later, pool = threading.Event(), a_pool()
    whole = pool.set_password

    def set_password(username: str, password: str) -> None:
        if username == pool.entries[next(iter(pool.entries))]["Username"]:
            assert later.wait(10), "everybody else waited"
        whole(username, password)

    def through(operation: str, do: Callable[[], T], /) -> T:
        done = do()
        if pool.calls["create_user"] == 9:
            later.set()
        return done

    pool.set_password, pool.through = set_password, through  # type: ignore[method-assign]
    job = Job(pool, users=many(9), groups=[]).run()
    must_hold(job)
    assert [job.outcome(user).outcome for user in job.users] == ["created"] * 9


def test_no_more_are_under_way_than_there_are_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "THREADS", 3)
    busy, most, lock = 0, 0, threading.Lock()

    def through(operation: str, do: Callable[[], T], /) -> T:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        try:
            return do()
        finally:
            with lock:
                busy -= 1

    job = Job(a_pool(), users=many(12), groups=[])
    job.pool.through = through
    must_hold(job.run())
    assert 1 <= most <= 3


def test_intents_are_committed_before_anybody_of_their_batch_is_begun() -> None:
    pool, report, early = a_pool(), Report(), list[str]()
    whole = pool.create_user

    def create_user(username: str, attributes: Mapping[str, str], *, invite: bool = False) -> Entry:
        intended = {key for keys in report.intended for key in keys}
        if a_user(username).key not in intended:
            early.append(username)
        return whole(username, attributes, invite=invite)

    pool.create_user = create_user  # type: ignore[method-assign]
    job = Job(pool, users=many(9), groups=[]).run(report)
    must_hold(job)
    assert early == [] and [len(keys) for keys in report.intended] == [2, 2, 2, 2, 1]


@pytest.mark.parametrize("nth", [1, 31])
def test_failures_that_begin_at_any_time_stop_it_before_the_next_twenty(nth: int) -> None:
    job = Job(a_pool(), users=many(90), groups=[])
    job.pool.fail("set_password", Cause.DENIED, nth=nth, times=10**6)
    with pytest.raises(Stop) as stop:
        job.run()
    assert stop.value.why == "failures"
    failed = [job.outcome(user).outcome for user in job.users].count("failed")
    assert 20 <= failed <= module.THREADS + 20
    must_hold(job, stopped=True)


# --- failures that are not about one user ----------------------------------------------------


def many(count: int) -> list[User]:
    return [a_user(f"u{number}@x.io") for number in range(count)]


def test_twenty_equal_failures_pause_the_job() -> None:
    job = Job(a_pool(), users=many(30), groups=[])
    job.pool.fail("set_password", Cause.DENIED, times=99)
    with pytest.raises(Stop) as stop:
        job.run()
    assert stop.value.why == "failures"
    assert [job.outcome(user).outcome for user in job.users] == ["failed"] * 20 + [""] * 10
    must_hold(job, stopped=True)


def test_twenty_equal_failures_stop_the_invitations_too() -> None:
    job = Job(a_pool(), users=many(30), groups=[], messages=INVITE)
    job.pool.fail("resend_invitation", Cause.MAIL_LIMIT, times=99)
    with pytest.raises(Stop):
        job.run()
    assert job.pool.calls["resend_invitation"] == 20
    job.pool.mails_left = 50
    job.pool._faults.clear()
    must_hold(job.run())
    assert [job.outcome(user).outcome for user in job.users] == ["failed"] * 20 + ["created"] * 10


def test_failures_of_different_kinds_stop_nothing() -> None:
    job = Job(a_pool(), users=many(60), groups=[])
    for nth in range(1, 61):
        cause = (Cause.DENIED, Cause.REFUSED, None)[nth // 15 % 3]
        if cause:
            job.pool.fail("create_user", cause, nth=nth)
    must_hold(job.run())
    assert {job.outcome(user).outcome for user in job.users} == {"created", "failed"}


def test_a_pool_that_is_gone_creates_nobody() -> None:
    job = Job(a_pool(), users=many(3), groups=[])
    tasks = list(job.tasks())
    facts, report = job.pool.facts(), FakeReport()
    job.pool.gone = True
    restore(job.pool, tasks, GROUPS, facts, report, job.pool.clock, messages=SILENT)
    assert {(o.outcome, o.reason) for o in report.outcomes.values()} == {("failed", "refused")}
