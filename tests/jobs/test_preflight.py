"""The preflight of a plan: what it asks of AWS and the database, in which order, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from backups import runner
from backups.core.choices import Choices
from backups.core.lifecycle import State as JobState
from backups.core.plan import Action, Counts, Line
from backups.core.preflight import Check, Source, State, stops
from backups.engine.ports import Cause, Stop
from backups.engine.reading import Reading, gathered
from backups.models import Event, Item, Job, Plan
from backups.reporting import JobReport
from backups.runner import preflight
from tests.build import a_user, an_entry
from tests.fakes import ARN, FakePool, FakeReport
from tests.jobs.conftest import Account

WRITES = (
    "create_user", "resend_invitation", "set_password", "disable_user", "enable_user", "update_user",
    "delete_user", "link_user", "create_group", "add_to_group", "remove_from_group", "add_attributes",
)  # fmt: skip
ORDER = [
    "same-pool", "origin", "checked", "groups", "other-job", "actions", "attributes", "required", "immutable",
    "lengths", "usernames", "case", "collisions", "unverified", "password", "recovery", "mfa", "sms",
    "trigger-PostConfirmation", "trigger-PostConfirmation", "mail", "mail", "mail", "billing", "time", "time",
    "time", "replica", "protection",
]  # fmt: skip


class Desk:
    """A plan's job of a pool, and what the plan has learned so far."""

    def __init__(self, account: Account, **how: Any) -> None:
        self.account = account
        self.pool: FakePool = account.add(**how)
        self.job = Job.objects.create(
            kind=Job.Kind.PLAN,
            queue=Job.Queue.READ,
            region=self.pool.region,
            pool_id=self.pool.pool_id,
            pool_name=self.pool.name,
        )
        self.source = Source(
            self.pool.name, self.pool.region, self.pool.account, checked=True, origin="ours", has_groups=True
        )
        self.counts = Counts()
        self.report = FakeReport()
        self.live = Reading.nothing("live")
        self.backup: Reading | None = None

    def run(self, **changes: Any) -> list[Check]:
        report = changes.pop("report", self.report)
        given: dict[str, Any] = {
            "source": self.source,
            "facts": self.pool.facts(),
            "counts": self.counts,
            "live": self.live,
            "choices": Choices(),
            "backup": self.backup,
        }
        return preflight.run(self.job, report, **{**given, **changes})

    def people(self, number: int) -> None:
        for at in range(number):
            self.counts.note(Line(at, a_user(f"p{at}@uni.example"), Action.CREATE, "missing"))

    def one(self, code: str, way: str = "silent", **changes: Any) -> Check:
        [found] = [check for check in self.run(**changes) if check.code == code and check.holds_for(way)]
        return found


@pytest.fixture
def desk(account: Account) -> Iterator[Desk]:
    desk = Desk(account)
    with closing(desk.live) as _:
        yield desk


def test_every_check_is_there_in_the_order_of_the_page_and_told_as_it_finishes(desk: Desk) -> None:
    desk.people(1)
    checks = desk.run()
    assert [check.code for check in checks] == ORDER
    told = [(data["code"], text) for kind, text, data in desk.report.lines if kind == "check"]
    assert told == [(check.code, check.sentence) for check in checks]
    states = [check.state for check in checks]
    counted = [states.count(state) for state in (State.STOP, State.WARN, State.PASS)]
    said = f"{len(checks)} checks: {counted[0]} stop, {counted[1]} to know, {counted[2]} pass"
    assert desk.report.lines[-1][1] == said


def test_where_nobody_is_created_nothing_is_asked_about_getting_in_again(desk: Desk) -> None:
    desk.counts.note(Line(0, a_user("a@uni.example"), Action.UPDATE, "overwrite"))
    checks = desk.run()
    left_out = {"unverified", "password", "recovery", "mfa", "trigger-PostConfirmation", "mail"}
    expected = dict.fromkeys(code for code in ORDER if code not in left_out)
    assert [check.code for check in checks] == [*expected]
    assert not [check for check in checks if check.ways], "whatever is chosen, it is the same"


def test_each_check_is_an_event_of_the_job_without_an_address(desk: Desk) -> None:
    desk.people(60)
    lease = runner.take(desk.job.pk)
    assert lease is not None
    report = JobReport(lease)
    checks = desk.run(report=report)
    report.flush()
    rows = Event.objects.filter(job=desk.job).values_list("data", flat=True)
    lines = [line for data in rows for line in data.get("lines", []) if line["kind"] == "check"]
    assert [(line["code"], line["state"]) for line in lines] == [(c.code, c.state.value) for c in checks]
    assert {"remedy", "ways", "text"} <= lines[0].keys()
    assert "@uni.example" not in str(lines)


def test_it_writes_to_no_pool(desk: Desk) -> None:
    desk.people(3)
    desk.account.aws.fail("allowed", Cause.DENIED, times=9)
    desk.run()
    assert not [name for name in WRITES if desk.pool.calls[name]]
    assert desk.account.aws.calls["update"] == 0 and desk.pool.messages.total() == 0
    assert not desk.pool.active, "a name that nobody has is billed to nobody"


def test_a_stop_is_heard_between_two_checks(desk: Desk) -> None:
    desk.report.stop_after = 3
    with pytest.raises(Stop):
        desk.run()
    assert len([1 for kind, _, _ in desk.report.lines if kind == "check"]) == 3


def test_whatever_aws_does_not_tell_is_a_warning_and_never_a_stop(desk: Desk) -> None:
    """Everything that is asked fails, each for its own cause."""
    desk.people(3)
    desk.pool.mail = "DEVELOPER"
    for cause in (Cause.DENIED, Cause.UNSUPPORTED, Cause.LOST, Cause.THROTTLED):
        desk.account.aws = type(desk.account.aws)()
        desk.account.aws.fail("*", cause, times=99, message="Not told.")
        doubts = {check.code for check in desk.run() if "Not told." in check.text}
        assert doubts == {"actions", "password", "recovery", "mfa", "sms", "mail", "replica", "protection"}
        for check in desk.run():
            assert check.state is State.WARN or check.code not in doubts, check
        assert stops(desk.run()) == []


# --- the account ------------------------------------------------------------------------------------------


def test_iam_is_asked_about_this_plans_actions_on_this_pool(desk: Desk) -> None:
    desk.people(1)
    desk.account.aws.denies = {"cognito-idp:AdminCreateUser"}
    check = desk.one("actions")
    assert check.state is State.STOP and ARN in check.sentence
    [(actions, resource, principal)] = desk.account.aws.asked
    assert "cognito-idp:AdminSetUserPassword" in actions and principal == ""
    assert resource == f"arn:aws:cognito-idp:eu-west-1:123456789012:userpool/{desk.pool.pool_id}"


def test_where_writers_hold_another_role_that_one_is_asked_about(desk: Desk, settings: Any) -> None:
    settings.WRITE_ROLE = "arn:aws:iam::123456789012:role/writer"
    assert "role/writer" in desk.one("actions").sentence


@pytest.mark.parametrize(
    ("cause", "state", "words"),
    [
        (None, State.WARN, "Reading a user is allowed"),
        (Cause.DENIED, State.STOP, "may not read a user"),
        (Cause.UNREACHABLE, State.WARN, "What our credentials may do could not be asked"),
    ],
)
def test_without_iam_a_dry_call_says_what_it_can(
    desk: Desk, cause: Cause | None, state: State, words: str
) -> None:
    desk.account.aws.fail("allowed", Cause.DENIED, message="No SimulatePrincipalPolicy.")
    if cause:
        desk.pool.fail("get_user", cause)
    check = desk.one("actions")
    assert check.state is state and words in check.sentence


# --- what is learned where --------------------------------------------------------------------------------


def test_settings_that_were_read_with_the_pool_are_not_asked_for_again(desk: Desk) -> None:
    desk.live.settings = {
        "user_pool": {"DeletionProtection": "ACTIVE"},
        "mfa": {"MfaConfiguration": "ON", "SmsMfaConfiguration": {}},
    }
    desk.people(1)
    assert desk.one("protection").state is State.PASS
    assert "by SMS alone" in desk.one("mfa").sentence
    assert desk.account.aws.calls["describe"] == desk.account.aws.calls["mfa"] == 0


def test_settings_that_were_not_are(desk: Desk) -> None:
    desk.account.aws.plain(desk.pool.pool_id, DeletionProtection="ACTIVE")
    desk.account.aws.roles[desk.pool.pool_id] = "SECONDARY"
    assert desk.one("protection").state is State.PASS
    assert desk.one("replica").state is State.STOP
    assert "secondary replica" in stops(desk.run())[0]


def test_the_backups_people_are_looked_at_where_they_are_given(desk: Desk) -> None:
    with gathered("backup", desk.pool.facts()) as backup:
        for email in ("Ada@uni.example", "ada@uni.example", "bob@uni.example"):
            backup.keep(an_entry(email, sub=email, name="Adaline"))
    with backup:
        desk.backup = backup
        assert "1 name differs" in desk.one("collisions").sentence
    desk.backup = None
    assert desk.one("collisions").state is State.PASS


def test_the_random_passwords_are_held_against_the_pools_policy(desk: Desk) -> None:
    desk.people(1)
    everything = {f"Require{kind}": True for kind in ("Uppercase", "Lowercase", "Numbers", "Symbols")}
    desk.account.aws.plain(
        desk.pool.pool_id, Policies={"PasswordPolicy": {"MinimumLength": 20, **everything}}
    )
    assert desk.one("password").state is State.PASS


# --- mail -------------------------------------------------------------------------------------------------


def sent(desk: Desk, mails: int) -> None:
    """An earlier restore's invitations of today."""
    earlier = Job.objects.create(kind=Job.Kind.RESTORE, queue=Job.Queue.WRITE, state=JobState.DONE)
    Item.objects.create(job=earlier, key="a", position=0, messages=mails, mailed_at=timezone.now())


def test_mail_counts_what_restores_sent_today(desk: Desk) -> None:
    desk.people(40)
    assert desk.one("mail", "invite").state is State.PASS
    sent(desk, 1)
    check = desk.one("mail", "invite")
    assert check.state is State.WARN and "restores have sent 1 today" in check.sentence
    assert "The last person is in on" in check.sentence


def test_mail_through_ses_is_what_ses_says(desk: Desk) -> None:
    desk.people(40)
    desk.pool.mail = "DEVELOPER"
    sent(desk, 50)
    check = desk.one("mail", "invite")
    assert check.state is State.PASS and "50,000 mails in 24 hours" in check.sentence
    desk.account.aws.mail = replace(desk.account.aws.mail, production=False)
    assert desk.one("mail", "invite").state is State.STOP
    assert stops(desk.run()) == [] and len(stops(desk.run(), "invite")) == 1


# --- the rest -----------------------------------------------------------------------------------------------


def test_a_backup_that_cannot_be_read_is_all_there_is_to_say(desk: Desk) -> None:
    [check] = desk.run(source=Source("", readable=False, why_not="the file was cut"))
    assert (check.code, check.state) == ("readable", State.STOP)
    assert not desk.account.aws.calls


def test_another_writing_job_on_this_pool_is_named(desk: Desk) -> None:
    other = Job.objects.create(
        kind=Job.Kind.RESTORE,
        queue=Job.Queue.WRITE,
        state=JobState.RUNNING,
        region=desk.job.region,
        pool_id=desk.job.pool_id,
    )
    check = desk.one("other-job")
    assert check.state is State.WARN and f"Job {other.pk} (restore, running)" in check.sentence
    Job.objects.filter(pk=other.pk).update(pool_id="eu-west-1_Another00")
    assert desk.one("other-job").state is State.PASS


def test_a_plan_keeps_its_checks(desk: Desk) -> None:
    checks = desk.run()
    plan = Plan.objects.create(
        job=desk.job,
        digest="d",
        source="s",
        source_sha256="h",
        choices={},
        counts={},
        read_at=timezone.now(),
        checks=[check.as_json() for check in checks],
    )
    plan.refresh_from_db()
    assert [Check.of_json(values) for values in plan.checks] == checks
