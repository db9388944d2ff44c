"""Who is in again, and invitations for those who are not, on a real database."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from backups import actions, runner
from backups.core.lifecycle import State
from backups.core.snapshot import Group, User
from backups.engine.ports import Cause
from backups.models import AuditEntry, Backup, Item, Job, Plan
from backups.models.audit import Act
from backups.runner.invite import invitable, mails_allowed
from backups.runner.ledger import mails_today
from tests.fakes import FakePool
from tests.jobs.conftest import IVA, Account
from tests.jobs.test_undo import command, lose, run
from tests.jobs.test_undo import planned as undo_planned
from tests.jobs.test_undo import start as undo

WHY = "INC-204: people wait"
PEOPLE = 8


@pytest.fixture
def team(account: Account) -> FakePool:
    """Eight people, the last of whom changed last; person 3 is disabled."""
    pool = account.add()
    for number in range(PEOPLE):
        entry = pool.add(f"person{number}@uni.example", name=f"Person {number}", enabled=number != 3)
        pool.entries[entry["Username"]]["UserLastModifiedDate"] = f"2026-01-0{number + 1}T00:00:00.000Z"
    return pool


@pytest.fixture
def backup(account: Account, team: FakePool) -> Backup:
    return Backup.objects.get(key=run(actions.start_backup(IVA, account.row(team))).result["key"])


def restored(account: Account, backup: Backup, pool: FakePool, messages: str = "later") -> Job:
    """Everybody is lost and comes back."""
    lose(pool, *range(PEOPLE))
    plan = Plan.objects.get(job=run(actions.plan_restore(IVA, backup.key, account.row(pool))))
    typed = actions.confirmation(plan)
    job = actions.start_restore(
        IVA, plan, messages=messages, digest=plan.digest, typed=typed, reason="INC-204: pool gone"
    )
    assert run(job).state == State.DONE, job.sentence
    return job


def read(restore: Job) -> Job:
    job = run(actions.read_people(IVA, restore))
    assert job.state == State.DONE, job.sentence
    return job


def told(reading: Job) -> dict[str, tuple[str, str]]:
    return {item.email[:7]: (item.detail, item.reason) for item in reading.items.all()}


def start(reading: Job, order: str = "backup", first: tuple[str, ...] = ()) -> Job:
    typed = actions.confirmation_of_invite(reading, invitable(reading).count())
    return actions.start_invite(IVA, reading, order=order, first=first, typed=typed, reason=WHY)


def email_of(pool: FakePool, username: str) -> str:
    return User.of(pool.entries[username]).email[:7]


def mailed(pool: FakePool) -> list[str]:
    """In the order in which they were written to."""
    return [email_of(pool, username) for username in pool.messages]


# --- who is in again ------------------------------------------------------------------------------


def test_whom_an_undo_deleted_is_told_so_and_not_invited(
    account: Account, team: FakePool, backup: Backup
) -> None:
    restore = restored(account, backup, team)
    before = read(restore)
    team.set_password("person1@uni.example", "my own password")
    assert run(undo(undo_planned(restore))).state == State.DONE
    assert [item.email[:7] for item in invitable(before)] == ["person1"], "who stands, as read then"
    reading = read(restore)
    assert told(reading) == {
        f"person{number}": ("in again", "confirmed") if number == 1 else ("not yet", "undone")
        for number in range(PEOPLE)
    }
    assert (reading.result["waiting"], invitable(reading).count()) == (0, 0)


def test_who_asked_who_is_in_again_after_which_restore_is_in_the_audit_log(
    account: Account, team: FakePool, backup: Backup
) -> None:
    restore = restored(account, backup, team)
    [entry] = AuditEntry.objects.filter(job=read(restore).pk, act=Act.PLAN_ASKED)
    assert entry.details == {"restore": restore.pk}


def test_people_who_wait_and_people_who_are_in(account: Account, team: FakePool, backup: Backup) -> None:
    restore = restored(account, backup, team)
    team.set_password("person1@uni.example", "my own password")
    team.keeps_record = True
    team.seen_in = {User.of(team.get("person2@uni.example") or {}).username}
    lose(team, 4)
    looks = team.calls["get_user"]
    reading = read(restore)
    assert told(reading) == {
        "person0": ("not yet", "not-invited"),
        "person1": ("in again", "confirmed"),
        "person2": ("in again", "recorded"),
        "person3": ("not yet", "not-invited"),
        "person4": ("cannot know", "not-listed"),
        "person5": ("not yet", "not-invited"),
        "person6": ("not yet", "not-invited"),
        "person7": ("not yet", "not-invited"),
    }
    assert reading.result["words"] == {
        "in again": 2,
        "may have signed in": 0,
        "not yet": 5,
        "cannot know": 1,
    }
    assert (reading.result["waiting"], invitable(reading).count()) == (5, 4)  # one of them is disabled
    assert team.calls["get_user"] == looks  # that would bill them as active
    assert team.messages.total() == 0
    assert reading.sentence == "2 in again, 5 not yet, 1 cannot know. Nothing was written."


def test_a_silent_restore_is_told_by_dates(account: Account, team: FakePool, backup: Backup) -> None:
    restore = restored(account, backup, team, "silent")
    assert set(told(read(restore)).values()) == {("not yet", "unchanged")}
    team.clock.advance(3600)
    team.set_password("person1@uni.example", "my own password")
    assert told(read(restore))["person1"] == ("in again", "modified")
    team.fail("signed_in", Cause.DENIED)
    assert told(read(restore))["person1"] == ("in again", "modified")


def test_an_invitation_that_ran_out(account: Account, team: FakePool, backup: Backup) -> None:
    restore = restored(account, backup, team, "invite")
    team.setting_values["user_pool"] = {"Policies": {"PasswordPolicy": {"TemporaryPasswordValidityDays": 2}}}
    long_ago = timezone.now() - timedelta(days=2, minutes=1)
    restore.items.filter(email="person5@uni.example").update(mailed_at=long_ago)
    reading = read(restore)
    assert told(reading)["person5"] == ("not yet", "ran-out")
    assert told(reading)["person6"] == ("not yet", "waiting")
    assert (reading.result["ran_out"], reading.result["valid_days"]) == (1, 2)
    assert [item.email[:7] for item in invitable(reading)] == ["person5"]  # the others were mailed today


def test_a_pool_can_be_read_without_a_restore(account: Account, team: FakePool) -> None:
    team.create_user("new@uni.example", {"name": "New", "email": "new@uni.example"})
    reading = run(actions.read_waiting(IVA, account.row(team)))
    assert [(item.email, item.reason) for item in reading.items.all()] == [("new@uni.example", "not-invited")]
    assert reading.params["people"] is None


def test_a_reading_needs_a_restore(
    account: Account, team: FakePool, backup: Backup, pol: actions.Actor
) -> None:
    job = Job.objects.get(kind=Job.Kind.BACKUP)
    with pytest.raises(actions.Refused, match="is no restore"):
        actions.read_people(IVA, job)
    restore = restored(account, backup, team)
    first = actions.read_people(pol, restore)
    assert actions.read_people(pol, restore) == first  # a second click opens it
    Job.objects.filter(pk=first.pk).update(params={"people": 99999})
    assert "There is no restore 99999" in run(first).sentence


# --- invitations ----------------------------------------------------------------------------------


def test_everybody_who_waits_is_invited_once_in_the_operators_order(
    account: Account, team: FakePool, backup: Backup
) -> None:
    reading = read(restored(account, backup, team))
    job = run(start(reading, "list", ("person6@uni.example", "PERSON2@uni.example")))
    assert job.state == State.DONE, job.sentence
    assert job.sentence == "7 invited, 0 skipped, 0 failed."
    order = mailed(team)
    assert order[:2] == ["person6", "person2"]
    assert sorted(order) == ["person0", "person1", "person2", "person4", "person5", "person6", "person7"]
    assert set(team.messages.values()) == {1}
    assert (job.params["restore"], job.queue) == (reading.params["people"], "write")
    acts = AuditEntry.objects.filter(act__startswith="invite").order_by("seq").values_list("act", "result")
    assert list(acts) == [(Act.INVITE_ASKED, "asked"), (Act.INVITE_ENDED, "done")]
    assert "uni.example" not in "".join(AuditEntry.objects.values_list("body", flat=True))


def test_last_changed_first_is_said_by_the_backup(account: Account, team: FakePool, backup: Backup) -> None:
    run(start(read(restored(account, backup, team)), "changed"))
    assert mailed(team) == ["person7", "person6", "person5", "person4", "person2", "person1", "person0"]


def test_nobody_is_written_to_twice_within_a_day(account: Account, team: FakePool, backup: Backup) -> None:
    restore = restored(account, backup, team)
    reading = read(restore)
    run(start(reading))
    with pytest.raises(actions.Refused, match="Nobody waits"):
        start(reading)
    again = read(restore)
    assert invitable(again).count() == 0
    Item.objects.filter(messages__gt=0).update(mailed_at=timezone.now() - timedelta(hours=25))
    assert invitable(read(restore)).count() == 7


def test_who_was_about_to_be_written_to_counts_too(account: Account, team: FakePool, backup: Backup) -> None:
    restore = restored(account, backup, team)
    team.fail("resend_invitation", Cause.LOST, nth=1, after=True)
    job = run(start(read(restore)))
    assert (job.state, job.result["failed"]) == (State.DONE_WITH_FAILURES, 1)
    assert job.items.get(outcome="failed").reason == "maybe-invited"
    assert invitable(read(restore)).count() == 0


def test_whoever_signed_in_meanwhile_is_left_alone(account: Account, team: FakePool, backup: Backup) -> None:
    job = start(read(restored(account, backup, team)))
    team.set_password("person0@uni.example", "my own password")
    team.disable_user("person1@uni.example")
    run(job)
    outcomes = Counter(job.items.values_list("outcome", "reason"))
    assert outcomes == {("updated", ""): 5, ("skipped", "signed-in"): 1, ("skipped", "disabled"): 1}


def test_the_days_limit_waits_for_nine_and_goes_on(
    account: Account, team: FakePool, backup: Backup, monkeypatch: pytest.MonkeyPatch, sent: list[int]
) -> None:
    monkeypatch.setattr("backups.runner.mails.settings.MAIL_RESERVE", 47)  # three a day
    reading = read(restored(account, backup, team))
    assert mails_allowed(reading) == 3
    job = run(start(reading))
    assert job.state == State.WAITING
    assert job.wake_at is not None
    assert (job.wake_at.hour, job.wake_at.minute) == (9, 0)
    assert "3 were invited, 4 still wait for their invitation" in job.sentence
    assert team.messages.total() == 3
    Item.objects.filter(messages__gt=0).update(mailed_at=timezone.now() - timedelta(days=1, hours=1))
    Job.objects.filter(pk=job.pk).update(wake_at=timezone.now() - timedelta(minutes=1))
    runner.sweep()
    assert sent[-1] == job.pk
    run(job)
    assert job.state == State.WAITING
    assert (team.messages.total(), set(team.messages.values())) == (6, {1})
    actions.cancel(IVA, job)
    job.refresh_from_db()
    assert (job.state, job.items.filter(outcome="failed", reason="not-invited").count()) == (
        State.CANCELLED,
        1,
    )


def test_what_goes_through_ses_takes_nothing_of_cognitos_day(
    account: Account, team: FakePool, backup: Backup
) -> None:
    reading = read(restored(account, backup, team))
    team.mail = "DEVELOPER"
    job = run(start(reading))
    assert (job.result["messages"], job.params["mail"], mails_today()) == (7, "DEVELOPER", 0)
    again = restored(account, backup, team, "invite")
    assert (again.params["mail"], team.messages.total(), mails_today()) == ("DEVELOPER", 14, 0)
    team.mail = "COGNITO_DEFAULT"
    third = restored(account, backup, team, "invite")
    assert (third.params["mail"], mails_today()) == ("COGNITO_DEFAULT", 7)
    Job.objects.filter(pk=job.pk).update(params={"reading": reading.pk})  # of before there was such a note
    assert mails_today() == 14


def test_a_job_that_began_with_cognitos_mail_counts_when_the_pool_is_switched(
    account: Account, team: FakePool, backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = read(restored(account, backup, team))
    monkeypatch.setattr("backups.runner.mails.settings.MAIL_RESERVE", 47)  # three a day
    job = run(start(reading))
    assert (job.state, mails_today()) == (State.WAITING, 3)
    team.mail = "DEVELOPER"
    Job.objects.filter(pk=job.pk).update(wake_at=timezone.now() - timedelta(minutes=1))
    runner.sweep()
    assert (run(job).state, team.messages.total(), mails_today()) == (State.DONE, 7, 7)


def test_a_restore_that_goes_on_writes_to_nobody_whom_an_invite_job_wrote_to(
    account: Account, team: FakePool, backup: Backup
) -> None:
    lose(team, *range(PEOPLE))
    plan = Plan.objects.get(job=run(actions.plan_restore(IVA, backup.key, account.row(team))))
    typed = actions.confirmation(plan)
    restore = actions.start_restore(
        IVA, plan, messages="invite", digest=plan.digest, typed=typed, reason="INC-204: pool gone"
    )
    team.mails_left = 2
    assert run(restore).state == State.WAITING
    actions.cancel(IVA, restore)
    team.mails_left = None
    invited = run(start(read(restore)))
    assert (invited.result["messages"], team.messages.total()) == (5, 7)
    run(actions.resume(IVA, restore))
    assert (restore.state, team.messages.total(), set(team.messages.values())) == (State.DONE, 7, {1})
    rows = restore.items.filter(action="create", reason="left-out")
    assert set(rows.values_list("outcome", "detail")) == {
        ("created", "another job wrote to them by now; not written to again")
    }
    assert rows.count() == 5


def test_a_silent_restore_that_goes_on_sets_no_password_over_one_that_was_mailed(
    account: Account, team: FakePool, backup: Backup
) -> None:
    lose(team, *range(PEOPLE))
    plan = Plan.objects.get(job=run(actions.plan_restore(IVA, backup.key, account.row(team))))
    typed = actions.confirmation(plan)
    restore = actions.start_restore(
        IVA, plan, messages="silent", digest=plan.digest, typed=typed, reason="INC-204: pool gone"
    )
    team.fail("set_password", Cause.DENIED, times=PEOPLE)
    assert run(restore).result["failed"] == PEOPLE
    assert run(start(read(restore))).result["messages"] == 7  # the disabled one is never written to
    team.clock.advance(5)
    [first] = [entry for entry in team.entries.values() if email_of(team, entry["Username"]) == "person0"]
    team._touch(first, UserStatus="CONFIRMED")  # signed in with what was mailed

    run(actions.resume(IVA, restore))
    assert (restore.state, restore.result["created"], restore.result["confirmed"]) == (State.DONE, 8, 8)
    assert team.calls["set_password"] == PEOPLE + 1 and set(team.messages.values()) == {1}
    rows = restore.items.filter(reason="invited")
    assert set(rows.values_list("outcome", "messages")) == {("created", 0)} and rows.count() == 7
    waits = {f"person{number}": ("not yet", "waiting") for number in range(PEOPLE)}
    signed_in, silent = ("in again", "confirmed"), ("not yet", "unchanged")
    assert told(read(restore)) == waits | {"person0": signed_in, "person3": silent}
    undo = Plan.objects.get(job=run(actions.plan_undo(IVA, restore)))
    assert undo.counts["by_reason"] == {"made-by-it": 7, "in-again": 1}


def test_a_pool_that_mails_through_ses_has_that_limit(
    account: Account, team: FakePool, backup: Backup
) -> None:
    team.mail = "DEVELOPER"
    account.row(team)
    reading = read(restored(account, backup, team))
    from backups import catalogue

    catalogue.look_at_pools()
    assert mails_allowed(reading) == 50_000


def test_a_pause_keeps_the_place_and_a_cancel_closes_it(
    account: Account, team: FakePool, backup: Backup
) -> None:
    reading = read(restored(account, backup, team))
    job = start(reading)
    Job.objects.filter(pk=job.pk).update(wants="pause")
    run(job)
    assert (job.state, job.sentence) == (
        State.PAUSED,
        "0 were invited, 7 still wait for their invitation.",
    )
    run(actions.resume(IVA, job))
    assert (job.state, team.messages.total()) == (State.DONE, 7)
    Item.objects.filter(messages__gt=0).update(mailed_at=timezone.now() - timedelta(hours=25))
    again = start(read(Job.objects.get(pk=reading.params["people"])))
    Job.objects.filter(pk=again.pk).update(wants="cancel")
    run(again)
    assert (again.state, again.items.filter(reason="not-invited").count()) == (State.CANCELLED, 7)
    assert again.sentence == "0 were invited; the others were not written to."


def test_a_pool_that_does_not_answer_and_failure_after_failure_stand_still(
    account: Account, team: FakePool, backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = start(read(restored(account, backup, team)))
    team.fail("facts", Cause.UNREACHABLE)
    assert run(job).state == State.PAUSED
    monkeypatch.setattr("backups.engine.invitations.EQUAL_FAILURES", 3)
    team.fail("resend_invitation", Cause.DENIED, times=99)
    run(actions.resume(IVA, job))
    assert (job.state, job.items.filter(outcome="failed").count()) == (State.PAUSED, 3)
    assert "same cause" in job.sentence
    team._faults.clear()
    run(actions.resume(IVA, job))
    assert (job.state, team.messages.total()) == (State.DONE, 7)


def test_members_of_the_groups_that_somebody_names_come_first(
    account: Account, team: FakePool, backup: Backup
) -> None:
    for group, numbers in {"curators": (6, 2), "admins": (5, 2)}.items():
        team.group_rows[group] = Group(group)
        team.memberships[group] = {
            User.of(team.get(f"person{one}@uni.example") or {}).username for one in numbers
        }
    backup = Backup.objects.get(key=run(actions.start_backup(IVA, account.row(team))).result["key"])
    reading = read(restored(account, backup, team))
    run(start(reading, "groups", ("curators", "", "admins")))
    assert mailed(team)[:4] == ["person2", "person6", "person5", "person0"]


def test_of_a_pool_as_a_whole_nobody_s_groups_are_known(account: Account, team: FakePool) -> None:
    team.entries[User.of(team.get("person1@uni.example") or {}).username]["UserStatus"] = (
        "FORCE_CHANGE_PASSWORD"
    )
    reading = run(actions.read_waiting(IVA, account.row(team)))
    with pytest.raises(actions.Refused, match="known of a restore's people only"):
        start(reading, "groups", ("admins",))


def test_what_cannot_be_started_says_why(account: Account, team: FakePool, backup: Backup) -> None:
    restore = restored(account, backup, team)
    reading = read(restore)

    def refused(said: str, **given: object) -> None:
        rightly = {"order": "backup", "typed": "production invite 7", "reason": WHY}
        with pytest.raises(actions.Refused, match=said):
            actions.start_invite(IVA, reading, **rightly | given)  # type: ignore[arg-type]

    refused("Type production invite 7", typed="production 7")
    refused("few words", reason="so")
    refused("Choose an order", order="")
    refused("1 of the e-mails is not among", order="list", first=["who@uni.example"])
    refused("2 of the e-mails are not among", order="list", first=["who@uni.example", "x"])
    refused("list of e-mails is empty", order="list", first=[" "])
    refused("Name the groups", order="groups", first=[" "])
    refused("Nobody who waits comes back into one of these", order="groups", first=["nobody"])
    with pytest.raises(actions.Refused, match="Read first"):
        actions.start_invite(IVA, restore, order="backup", typed="", reason=WHY)
    assert not Job.objects.filter(kind=Job.Kind.INVITE).exists()


def test_an_undo_after_invitations_still_knows_our_own_steps(
    account: Account, team: FakePool, backup: Backup
) -> None:
    restore = restored(account, backup, team)
    team.clock.advance(30)  # an invitation moves UserLastModifiedDate on AWS
    run(start(read(restore)))
    for entry in team.entries.values():
        team._touch(entry)
    plan = Plan.objects.get(job=run(actions.plan_undo(IVA, restore)))
    assert plan.counts["delete"] == 7  # the disabled one was touched by nobody of ours
    assert plan.counts["by_reason"] == {"made-by-it": 7, "changed-later": 1}


def test_the_command_reads_shows_and_invites(
    account: Account, team: FakePool, backup: Backup, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    number = str(restored(account, backup, team).pk)
    capsys.readouterr()
    dry = command(capsys, "invite", number, "--dry-run")
    assert (dry["state"], dry["invite"], team.messages.total()) == ("done", 7, 0)
    assert "one of them" in command(capsys, "invite", "--dry-run", status=2)["error"]
    assert "missing" in command(capsys, "invite", number, status=2)["error"]
    assert "There is no job" in command(capsys, "invite", "99999", "--dry-run", status=2)["error"]
    yes = ("--yes", team.name, "--reason", WHY)
    assert (
        "--yes must name"
        in command(capsys, "invite", number, "--yes", "x", "--reason", WHY, status=2)["error"]
    )
    missing = command(capsys, "invite", number, "--first", str(tmp_path / "no"), *yes, status=2)
    assert "cannot be read" in missing["error"]
    first = tmp_path / "first"
    first.write_text("person5@uni.example\n\n")
    done = command(capsys, "invite", number, "--first", str(first), *yes)
    assert (done["state"], done["messages"], mailed(team)[0]) == ("done", 7, "person5")
    again = command(capsys, "invite", "--pool", team.name, *yes)
    assert again["invite"] == 0


def test_the_command_does_not_call_it_done_while_people_wait(
    account: Account,
    team: FakePool,
    backup: Backup,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    restore = restored(account, backup, team)
    monkeypatch.setattr("backups.runner.mails.settings.MAIL_RESERVE", 47)  # three a day
    with pytest.raises(SystemExit) as ended:
        call_command("invite", str(restore.pk), "--yes", team.name, "--reason", WHY, "--json")
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (ended.value.code, found["state"], team.messages.total()) == (1, "waiting", 3)
