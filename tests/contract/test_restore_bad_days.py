"""A restore over a line and an AWS that fail: no false success, no second message, nobody without a word.

Each operation meets each fault, once and for ever, at the first call and at a later one. Then the fault is
gone, who failed is tried again, as a resume does, and everybody is as planned.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from backups.aws import session
from backups.aws.cognito import CognitoPool
from backups.core import plan
from backups.core.choices import Choices, Existing, Guard
from backups.core.matching import Index, Rules
from backups.core.plan import ENABLED, Action, Line, Messages
from backups.core.snapshot import Entry, Group, User
from backups.engine.pace import Pace
from backups.engine.ports import Outcome, PortError, Stop
from backups.engine.restore import ASKED, NONE_WENT_OUT, Task, restore
from tests.build import an_entry
from tests.contract.marks import only_standin
from tests.contract.worlds import TEAM, StandinWorld
from tests.fakes import FakeReport
from tests.standin.client import Standin

BROKEN = "no other line breaks when it is told to"
GOOGLE = {"client_id": "g", "client_secret": "s", "authorize_scopes": "email"}
CHOICES = Choices(existing=Existing.OVERWRITE, guards=frozenset(Guard), link=True)
SES = {
    "EmailSendingAccount": "DEVELOPER",
    "SourceArn": "arn:aws:ses:eu-west-1:111122223333:identity/uni.example",
}
OPERATIONS = {
    # what a restore calls -> the number of a later call
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
QUICK = ("throttle", "limit", "denied", "500", "503", "500-after", "close-before", "close-after", "cut")
SLOW = ("never", "never-after")
REFUSING = ("delivery", "trigger", "trigger-after")
INVITED = {"AdminCreateUser", "AdminGetUser", "AdminDisableUser", "AdminAddUserToGroup"}


class Hurried:
    """Tells the time, and sleeps without taking any."""

    def __init__(self) -> None:
        self._slept, self._lock = 0.0, threading.Lock()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic() + self._slept

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._slept += seconds


@dataclass
class Told(FakeReport):
    intents: dict[str, datetime] = field(default_factory=dict)

    def intend(self, keys: Any, step: str = "") -> datetime:
        super().intend(keys, step)
        now = datetime.now(UTC)
        if not step:
            self.intents |= dict.fromkeys(keys, now)
        return now


def backed_up() -> list[User]:
    """Who is in the backup; the last two are in the pool as well, otherwise than there.

    The address of the one before them is that of an account which nobody confirmed.
    """
    identities = '[{"userId":"1001","providerName":"Google","providerType":"Google","primary":false}]'
    entries: list[Entry] = [
        an_entry("ada@uni.example", name="Ada “Q” 日本"),
        an_entry("bob@uni.example", enabled=False),
        an_entry("cleo@uni.example", verified=False),
        an_entry("dan@uni.example", status="RESET_REQUIRED", custom_institution="ETH"),
        an_entry("gus@uni.example", identities=identities),
        an_entry("hal@uni.example"),
        an_entry("eve@uni.example", name="Eve", custom_institution="MIT"),
        an_entry("fay@uni.example", name="Fay", enabled=False),
    ]
    return [User.of(entry) for entry in entries]


class Job:
    """One restore, over any number of tries: the rows are what a ledger keeps between them."""

    def __init__(self, world: StandinWorld, messages: Messages) -> None:
        self.control, self.messages, self.clock = world.control, messages, Hurried()
        self.cognito = world.client("cognito-idp")
        self.pool_id = world.create_pool(**TEAM, EmailConfiguration=SES)
        told = {"ProviderName": "Google", "ProviderType": "Google", "ProviderDetails": GOOGLE}
        self.cognito.create_identity_provider(UserPoolId=self.pool_id, **told)
        self.pool = CognitoPool(world.region, self.pool_id, Pace(self.clock, 1.0).call)
        self._stand("eve@uni.example", enabled=False)
        self._stand("fay@uni.example", enabled=True)
        self.taken_at = User.of(self.pool.get_user("fay@uni.example")).created
        self._begin_to_register("hal@uni.example")
        self.users = backed_up()
        self.facts = self.pool.facts()
        self.lines = self._lines()
        assert Counter(line.action for line in self.lines) == {Action.CREATE: 6, Action.UPDATE: 2}
        assert [line.user.email for line in self.lines if line.removes] == ["hal@uni.example"]
        self.rows = {line.key: self._row(line) for line in self.lines}
        self.intents: dict[str, datetime] = {}
        self.missing = [Group("admins"), Group("beta")]

    def _stand(self, email: str, *, enabled: bool) -> None:
        self.pool.create_user(email, {"email": email, "email_verified": "true", "name": "Somebody"})
        self.pool.set_password(email, "A-long-Passw0rd!")
        if not enabled:
            self.pool.disable_user(email)

    def _begin_to_register(self, email: str) -> None:
        made = self.cognito.create_user_pool_client(UserPoolId=self.pool_id, ClientName="ui")
        self.cognito.sign_up(
            ClientId=made["UserPoolClient"]["ClientId"],
            Username=email,
            Password="A-long-Passw0rd!",
            UserAttributes=[{"Name": "name", "Value": "Somebody"}],
        )

    def _lines(self) -> list[Line]:
        live = [User.of(entry) for entry in self.pool.users()]
        index = Index(Rules.of(self.facts))
        for place, user in enumerate(live):
            index.add(user, place)
        groups = {user.username: frozenset({"admins", "beta"}) for user in self.users[::2]}
        told: dict[str, Any] = {"taken_at": self.taken_at, "memberships": groups}
        return list(plan.lines(lambda: self.users, index, self.facts, choices=CHOICES, **told))

    @staticmethod
    def _row(line: Line) -> Outcome:
        known = line.known
        row = Outcome(line.key)
        return replace(row, new_sub=known.sub, new_username=known.username) if known else row

    def run(self) -> Job:
        report, tasks = Told(), list[Task]()
        for line in self.lines:
            row, intended = self.rows[line.key], self.intents.get(line.key)
            if row.outcome in ("created", "updated", "skipped") or row.reason == "maybe-invited":
                continue
            told = row.reason in NONE_WENT_OUT or (row.reason == "refused" and row.step == ASKED)
            reason = row.reason if told else ""
            begun = replace(row, outcome="", reason=reason, detail="")
            tasks.append(Task(line, begun if intended or line.known else None, intended))
        with suppress(Stop):
            restore(self.pool, tasks, self.missing, self.facts, report, self.clock, messages=self.messages)
        self.rows |= report.outcomes
        self.intents |= report.intents
        assert "uni.example" not in report.text.replace("••••@uni.example", "")
        return self

    def standing(self) -> dict[str, dict[str, Any]]:
        """E-mail -> the user as they are, by no call to Cognito."""
        found = self.control.users(self.pool_id)
        by_mail = [({one["Name"]: one["Value"] for one in user["Attributes"]}, user) for user in found]
        mails = [attributes["email"] for attributes, _ in by_mail]
        assert len(mails) == len(set(mails)), "somebody was created twice"
        return {attributes["email"]: {**user, "values": attributes} for attributes, user in by_mail}

    def wrong(self, line: Line, user: dict[str, Any]) -> list[str]:
        values = user["values"]
        wanted = dict(line.attributes) or {name: new for name, _, new in line.changes if name != ENABLED}
        wrong = [name for name, value in wanted.items() if values.get(name, "") != value]
        wrong += [ENABLED] * (user["Enabled"] != line.user.enabled)
        wrong += sorted(set(line.groups) - set(user["groups"]))
        if line.action is Action.CREATE:
            status = "CONFIRMED" if self.messages is Messages.SILENT else "FORCE_CHANGE_PASSWORD"
            wrong += [user["UserStatus"]] * (user["UserStatus"] != status)
        if line.links and len(json.loads(values.get("identities", "[]"))) != len(line.links):
            wrong.append("links")
        return wrong

    def must_hold(self) -> None:
        """Whatever happened."""
        standing = self.standing()
        messages = [one for one in self.control.messages() if one["pool"] == self.pool_id]
        sent = Counter(one["to"] for one in messages if one["sent"])
        assert all(number == 1 for number in sent.values()), "a second message"
        assert self.messages is Messages.INVITE or not sent, "a message that nobody chose"
        for line in self.lines:
            row, user = self.rows[line.key], standing.get(line.user.email)
            assert row.outcome in ("created", "updated", "skipped", "failed"), f"{line.key} has no outcome"
            assert line.user.enabled or not sent[line.user.email], "a disabled user was written to"
            if row.outcome in ("created", "updated"):
                assert user and row.confirmed and self.wrong(line, user) == [], "a false success"
                assert row.new_sub == user["values"]["sub"]
                invited = self.messages is Messages.INVITE and line.action is Action.CREATE
                assert row.messages == sent[line.user.email] == int(invited and line.user.enabled)
            else:
                assert row.reason in plan.REASONS and not (row.outcome == "skipped" and line.known)

    def must_be_whole(self) -> None:
        """As planned; but whoever may have been invited is never invited once more."""
        self.must_hold()
        standing = self.standing()
        for line in self.lines:
            row = self.rows[line.key]
            unsure = self.messages is Messages.INVITE and row.reason == "maybe-invited"
            assert row.outcome in ("created", "updated") or unsure, row
            assert self.wrong(line, standing[line.user.email]) == []


@pytest.fixture(autouse=True)
def soon_worn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes on for ever is given up after fewer calls; no time passes in either case."""
    monkeypatch.setattr("backups.engine.pace.PATIENCE", 10.0)
    monkeypatch.setattr("backups.engine.pace.GIVE_UP_AFTER", 5.0)


@pytest.fixture
def impatient() -> Iterator[None]:
    """A test does not wait for half a minute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session.CONFIG, "read_timeout", 0.3)
        session.forget()
        yield
    session.forget()


def bad_day(world: StandinWorld, standin: Standin, operation: str, kind: str, way: Messages) -> None:
    for late, times in ((False, 1), (True, 1), (False, -1), (True, -1)):
        job = Job(world, way)
        standin.clear_books()
        standin.fault(operation, kind, nth=OPERATIONS[operation] if late else 1, times=times)
        job.run().must_hold()
        assert standin.faults()[f"{operation} {kind}"] > 0, "it was met"
        standin.clear_faults()
        job.run().must_be_whole()
        before = standin.books()["done"]
        job.run()
        assert standin.books()["done"] == before | {"CreateGroup": before.get("CreateGroup", 0)}, (
            "nobody who is finished is touched again"
        )


@only_standin(BROKEN)
@pytest.mark.parametrize("kind", QUICK)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_fault_breaks_a_silent_restore(
    world: StandinWorld, standin: Standin, operation: str, kind: str
) -> None:
    bad_day(world, standin, operation, kind, Messages.SILENT)


@only_standin(BROKEN)
@pytest.mark.parametrize("kind", [*QUICK, *REFUSING])
@pytest.mark.parametrize("operation", sorted(INVITED))
def test_no_fault_sends_a_second_invitation(
    world: StandinWorld, standin: Standin, operation: str, kind: str
) -> None:
    bad_day(world, standin, operation, kind, Messages.INVITE)


@only_standin(BROKEN)
@pytest.mark.slow
@pytest.mark.parametrize("kind", SLOW)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_silence_breaks_a_restore(
    impatient: None, world: StandinWorld, standin: Standin, operation: str, kind: str
) -> None:
    ways = (Messages.SILENT, Messages.INVITE) if operation in INVITED else (Messages.SILENT,)
    for way in ways:
        bad_day(world, standin, operation, kind, way)


@only_standin(BROKEN)
def test_a_pool_that_is_deleted_half_way_is_said_of_everybody(world: StandinWorld, standin: Standin) -> None:
    job = Job(world, Messages.SILENT)
    job.cognito.delete_user_pool(UserPoolId=job.pool_id)
    job.run()
    assert {(row.outcome, row.reason) for row in job.rows.values()} == {("failed", "refused")}
    with pytest.raises(PortError):
        job.pool.facts()


@only_standin(BROKEN)
def test_who_comes_between_the_plan_and_the_create_is_left_alone(
    world: StandinWorld, standin: Standin
) -> None:
    job = Job(world, Messages.INVITE)
    job.pool.create_user("ada@uni.example", {"email": "ada@uni.example", "name": "Stranger"})
    before = standin.user(job.pool_id, "ada@uni.example")
    standin.clear_books()
    job.run()
    ada = job.rows[job.users[0].key]
    assert (ada.outcome, ada.reason, ada.messages) == ("skipped", "exists-now", 0)
    assert standin.user(job.pool_id, "ada@uni.example") == before
    assert {row.outcome for row in job.rows.values()} == {"created", "updated", "skipped"}
