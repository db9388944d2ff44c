"""A job from asking to its end, and what survives when its process does not."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from backups import actions, catalogue, runner
from backups.core.lifecycle import State
from backups.engine.ports import Cause, Outcome, PortError, Stop
from backups.models import AuditEntry, Backup, Difference, Event, Item, Job, Plan, Pool
from backups.models.audit import Act
from backups.reporting import JobReport
from tests.fakes import FakePool
from tests.jobs.conftest import IVA, Account


def backed_up(account: Account, pool: FakePool) -> Backup:
    job = actions.start_backup(IVA, account.row(pool))
    runner.run(job.pk)
    job.refresh_from_db()
    assert job.state == State.DONE, job.sentence
    return Backup.objects.get(key=job.result["key"])


def planned(account: Account, backup: Backup, pool: FakePool) -> Plan:
    job = actions.plan_restore(IVA, backup.key, account.row(pool))
    runner.run(job.pk)
    job.refresh_from_db()
    assert job.state == State.PLANNED, job.sentence
    return Plan.objects.get(job=job)


def start(plan: Plan, messages: str = "silent") -> Job:
    return actions.start_restore(
        IVA, plan, messages=messages, digest=plan.digest, typed=actions.confirmation(plan), reason="INC-204"
    )


def run(job: Job) -> Job:
    runner.run(job.pk)
    job.refresh_from_db()
    return job


@pytest.fixture
def team(account: Account) -> FakePool:
    """Twelve people; one disabled, two in a group."""
    pool = account.add()
    for number in range(12):
        pool.add(
            f"person{number}@uni.example",
            name=f"Person {number}",
            enabled=number != 3,
            groups=["admins"] if number in (1, 2) else (),
        )
    return pool


def lose(pool: FakePool, *numbers: int) -> None:
    for number in numbers:
        pool.remove(f"person{number}@uni.example")


# --- each kind ----------------------------------------------------------------------------------------


def test_a_backup_is_made_noted_and_audited(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    assert (backup.state, backup.checked, backup.origin, backup.users) == ("complete", True, "ours", 12)
    assert (backup.groups, backup.memberships, backup.suggested) == (1, 2, True)
    assert [key.rpartition("/")[2] for key in account.store.keys] == [
        "checked.json",
        "data.json",
        "groups.json",
        "manifest.json",
        "mfa.json",
        "pool.json",
    ]
    acts = list(AuditEntry.objects.order_by("seq").values_list("act", "result"))
    assert acts == [(Act.BACKUP_ASKED, "asked"), (Act.BACKUP_ENDED, "done")]


def test_two_backups_of_one_second_have_two_keys(account: Account, team: FakePool) -> None:
    first, second = backed_up(account, team), backed_up(account, team)
    assert first.key != second.key
    assert first.checked and second.checked


def test_a_backup_cut_short_is_incomplete_and_yesterdays_stays(account: Account, team: FakePool) -> None:
    good = backed_up(account, team)
    account.store.fail("put", Cause.DENIED, nth=3)  # data.json
    job = run(actions.start_backup(IVA, account.row(team)))
    assert job.state == State.FAILED
    assert "No user pool was changed" in job.sentence
    half = Backup.objects.exclude(pk=good.pk).get()
    assert (half.state, half.suggested) == ("incomplete", False)
    assert "cut short" in half.reason or "never written" in half.reason
    good.refresh_from_db()
    assert good.suggested


def test_a_comparison_keeps_only_what_differs(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    lose(team, 5)
    team.add("new@uni.example", name="New")
    job = run(actions.start_compare(IVA, backup.key, f"live:{team.pool_id}"))
    assert job.state == State.DONE
    assert [job.result["users"][name] for name in ("only_from", "only_to", "same")] == [1, 1, 11]
    assert set(Difference.objects.values_list("kind", "label")) == {
        ("only_from", "person5@uni.example"),
        ("only_to", "new@uni.example"),
    }


def test_a_restore_does_what_the_plan_said_and_reads_it_back(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    lose(team, 1, 3, 4)
    plan = planned(account, backup, team)
    assert (plan.counts["create"], plan.counts["skip"]) == (3, 9)
    assert plan.refusals == []
    job = run(start(plan))
    assert job.state == State.DONE, job.sentence
    assert job.result == {
        "before": job.result["before"],
        "half_made": 0,
        "created": 3,
        "updated": 0,
        "skipped": 9,
        "failed": 0,
        "confirmed": 3,
        "messages": 0,
        "report": job.result["report"],
        "report_bucket": account.store.bucket,
    }
    there = {email: team.get(email) for email in ("person1@uni.example", "person3@uni.example")}
    assert there["person3@uni.example"]["Enabled"] is False  # type: ignore[index]
    one = there["person1@uni.example"]["Username"]  # type: ignore[index]
    assert one in team.memberships["admins"]
    row = Item.objects.get(job=job, email="person1@uni.example")
    assert (row.outcome, row.step, row.confirmed, row.new_username) == ("created", "confirmed", True, one)
    assert row.old_sub != row.new_sub
    acts = list(AuditEntry.objects.filter(job=job.pk).order_by("seq").values_list("act", flat=True))
    assert acts == [Act.RESTORE_ASKED, Act.RESTORE_INTENDED, Act.RESTORE_ENDED]
    asked = AuditEntry.objects.get(act=Act.RESTORE_ASKED)
    assert asked.details["reason"] == "INC-204"
    assert asked.details["caller"] == "arn:aws:iam::123456789012:user/host"
    assert "uni.example" not in json.dumps(list(AuditEntry.objects.values_list("body", flat=True)))
    assert "person1@" not in json.dumps(list(Event.objects.values_list("data", flat=True)))

    lines = list(actions.identity_map(IVA, job))
    assert len(lines) == 13
    assert f"{row.old_sub},{row.new_sub}," in "".join(lines)


def test_a_second_restore_knows_the_people_of_the_first(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    lose(team, 6)
    run(start(planned(account, backup, team)))
    again = planned(account, backup, team)
    assert again.counts["create"] == 0
    assert again.counts["by_reason"] == {"exists": 12}
    sub = Item.objects.get(job=again.job, email="person6@uni.example").new_sub
    assert sub == Item.objects.get(outcome="created").new_sub, "mapped to who the first restore made"


def test_somebody_who_registered_again_inherits_nothing(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    lose(team, 7)
    later = (backup.taken_at + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    team.add("PERSON7@uni.example", name="Somebody", created=later)
    plan = planned(account, backup, team)
    row = Item.objects.get(job=plan.job, email="person7@uni.example")
    assert (row.action, row.reason, row.new_sub) == ("skip", "registered-again", "")


# --- refused ------------------------------------------------------------------------------------------


def test_nothing_starts_without_the_right_words(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    lose(team, 1, 2)
    plan = planned(account, backup, team)
    good: dict[str, Any] = {
        "messages": "silent",
        "digest": plan.digest,
        "typed": "production 2",
        "reason": "INC-204",
    }
    web = actions.Actor("AIDA", "iva")
    for wrong in ({"messages": "mail"}, {"digest": "0" * 64}, {"typed": "production 3"}, {"reason": "  "}):
        with pytest.raises(actions.Refused):
            actions.start_restore(IVA, plan, **{**good, **wrong})
    with pytest.raises(actions.Refused, match="Choose how people get in again"):
        actions.start_restore(web, plan, **{**good, "messages": "pigeon"})
    assert not Job.objects.filter(kind="restore").exists()
    assert actions.start_restore(IVA, plan, **good).state == State.QUEUED


def test_a_plan_is_started_once_and_a_pool_is_written_by_one_job(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    lose(team, 1)
    one, other = planned(account, backup, team), planned(account, backup, team)
    job = start(one)
    with pytest.raises(actions.Refused, match="carried out already"):
        start(one)
    with pytest.raises(actions.Refused, match=f"Job {job.pk} .* is writing to this pool"):
        start(other)
    run(job)
    assert start(other).pk, "the pool is free again"


def test_a_backup_of_another_pool_is_refused_but_silently_from_a_terminal(
    account: Account, team: FakePool
) -> None:
    backup = backed_up(account, team)
    other = account.add("team-staging")
    plan = planned(account, backup, other)
    assert "another environment (production)" in plan.refusals[0]
    with pytest.raises(actions.Refused, match="another environment"):
        actions.start_restore(
            actions.Actor("AIDA", "iva"),
            plan,
            messages="silent",
            digest=plan.digest,
            typed="staging 12",
            reason="x",
        )
    with pytest.raises(actions.Refused, match="silent only"):
        start(plan, "invite")
    assert run(start(plan)).state == State.DONE
    assert len(other.entries) == 12


def test_invitations_over_the_days_limit_wait_for_the_next_day(account: Account) -> None:
    pool = account.add()
    for number in range(45):
        pool.add(f"person{number}@uni.example", name="P")
    backup = backed_up(account, pool)
    pool.entries.clear()
    plan = planned(account, backup, pool)
    assert plan.counts["needs"]["invite"]["mails"] == 45 and plan.counts["needs"]["invite"]["last"]
    job = run(start(plan, "invite"))
    assert job.state == State.WAITING and len(pool.entries) == 45
    assert sum(pool.messages.values()) == 40


def test_where_all_mails_are_kept_for_codes_nobody_is_invited(account: Account, settings: Any) -> None:
    settings.MAIL_RESERVE = 50
    pool = account.add()
    pool.add("ada@uni.example", name="P")
    backup = backed_up(account, pool)
    pool.entries.clear()
    with pytest.raises(actions.Refused, match="no invitation would ever go out"):
        start(planned(account, backup, pool), "invite")
    assert not pool.entries


@pytest.mark.parametrize("what", ["the backup", "the pool's settings"])
def test_what_the_plan_rests_on_has_changed(account: Account, team: FakePool, what: str) -> None:
    backup = backed_up(account, team)
    lose(team, 1)
    job = start(planned(account, backup, team))
    if what == "the backup":
        for part in ("manifest.json", "groups.json", "pool.json", "mfa.json", "checked.json"):
            del account.store.objects[f"{backup.key}/{part}"]
    else:
        team.mail = "DEVELOPER"
    run(job)
    assert job.state == State.FAILED
    assert "Nobody was created or updated. Make a new plan." in job.sentence
    assert team.get("person1@uni.example") is None


# --- stopping and going on ----------------------------------------------------------------------------


class Killed(BaseException):
    """As good as kill -9: nothing after it runs, but for what the interpreter forces."""


def killed_after(monkeypatch: pytest.MonkeyPatch, outcomes: int) -> None:
    """The process dies when the n-th outcome of a user is told, before it is written."""
    told = 0
    whole = JobReport.outcome

    def outcome(self: JobReport, said: Outcome) -> None:
        nonlocal told
        told += bool(said.outcome)
        if told == outcomes:
            raise Killed
        whole(self, said)

    monkeypatch.setattr(JobReport, "outcome", outcome)


@pytest.mark.parametrize("outcomes", [1, 2, 5])
def test_a_killed_restore_is_taken_up_and_nobody_is_made_twice(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch, sent: list[int], outcomes: int
) -> None:
    backup = backed_up(account, team)
    lose(team, *range(6))
    job = start(planned(account, backup, team))
    with monkeypatch.context() as patch:
        killed_after(patch, outcomes)
        with pytest.raises(Killed):
            runner.run(job.pk)
    job.refresh_from_db()
    assert job.state == State.RUNNING, "a dead process says nothing"
    assert runner.run(job.pk) is None, "its lease still runs"
    assert runner.sweep() == 0

    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert runner.sweep() == 1
    assert sent == [job.pk]
    run(job)
    assert job.state == State.DONE, job.sentence
    assert (job.result["created"], job.result["failed"], job.fence) == (6, 0, 2)
    assert len(team.entries) == 12
    assert not team.messages
    assert Item.objects.filter(job=job, outcome="unknown").count() == 0


def test_who_comes_back_too_late_writes_nothing(account: Account, team: FakePool) -> None:
    job = actions.start_backup(IVA, account.row(team))
    lease = runner.take(job.pk)
    assert lease is not None
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert runner.take(job.pk) is not None
    late = JobReport(lease)
    late.say("note", "I am back")
    with pytest.raises(Stop, match="lease-lost"):
        late.flush()
    assert not lease.renew()
    assert not Event.objects.filter(job=job, kind="line").exists()


def test_pause_and_resume_from_the_ledger(
    account: Account, team: FakePool, sent: list[int], pol: actions.Actor
) -> None:
    backup = backed_up(account, team)
    lose(team, 1, 2)
    job = start(planned(account, backup, team))
    actions.pause(IVA, job)
    assert job.state == State.PAUSED
    assert runner.run(job.pk) is None, "a paused job is nobody's"
    assert actions.resume(pol, job).state == State.QUEUED
    assert sent == [job.pk]
    assert run(job).state == State.DONE
    with pytest.raises(actions.Refused, match="is done"):
        actions.resume(pol, job)
    with pytest.raises(actions.Refused, match="nothing left to cancel"):
        actions.cancel(pol, job)


def test_whoever_resumes_stands_behind_the_job(
    account: Account,
    team: FakePool,
    sent: list[int],
    pol: actions.Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backup = backed_up(account, team)
    lose(team, 1, 2, 4)
    job = start(planned(account, backup, team))
    with monkeypatch.context() as patch:
        killed_after(patch, 2)
        with pytest.raises(Killed):
            runner.run(job.pk)
    Job.objects.filter(pk=job.pk).update(
        asked_by="AIDAGONE", asked_by_name="iva", lease_until=timezone.now() - timedelta(seconds=1)
    )
    run(job)
    assert job.state == State.PAUSED, "who asked has left: nothing more is written for them"
    assert "not known here any more" in job.sentence

    assert actions.resume(pol, job).asked_by_name == "pol"
    assert run(job).state == State.DONE, job.sentence
    resumed = AuditEntry.objects.get(act=Act.JOB_RESUMED, actor="pol")
    assert resumed.details["users"] == 3 and "refused" in resumed.details["causes"]


def test_a_paused_restore_that_is_cancelled_leaves_nobody_waiting_without_a_word(
    account: Account, team: FakePool, pol: actions.Actor
) -> None:
    backup = backed_up(account, team)
    lose(team, 1, 2)
    job = start(planned(account, backup, team), "invite")
    team.mails_left = 0
    assert run(job).state == State.WAITING
    actions.cancel(pol, job)
    rows = Item.objects.filter(job=job, action="create").values_list("outcome", "reason")
    assert set(rows) == {("failed", "not-invited")}
    end = AuditEntry.objects.get(act=Act.RESTORE_ENDED)
    assert (end.result, end.actor, end.job) == ("cancelled", "pol", job.pk)
    assert end.details | {"created": 0, "failed": 2, "skipped": 10, "messages": 0} == end.details
    assert AuditEntry.objects.get(act=Act.JOB_CANCELLED).seq < end.seq


def test_a_pause_is_no_end_and_any_kind_that_is_cancelled_before_it_begins_has_one(
    account: Account, team: FakePool
) -> None:
    job = actions.start_backup(IVA, account.row(team))
    actions.pause(IVA, job)
    assert not AuditEntry.objects.filter(act=Act.BACKUP_ENDED).exists()
    actions.cancel(IVA, job)
    assert AuditEntry.objects.get(act=Act.BACKUP_ENDED).result == "cancelled"


@pytest.mark.parametrize("first", ["the pool does not answer", "the bucket does not answer"])
def test_a_takeover_that_meets_a_silent_aws_stands_still_and_goes_on_later(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    backup = backed_up(account, team)
    lose(team, *range(6))
    job = start(planned(account, backup, team))
    with monkeypatch.context() as patch:
        killed_after(patch, 3)
        with pytest.raises(Killed):
            runner.run(job.pk)
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    if first == "the pool does not answer":
        team.fail("facts", Cause.UNREACHABLE)
    else:
        account.store.fail("list", Cause.UNREACHABLE)
    run(job)
    assert job.state == State.PAUSED, "begun people are never left behind by a failure"
    assert "not known yet" in job.sentence or "unfinished" in job.sentence

    lines = planned(account, backup, team).counts["by_reason"]
    assert lines.get("registered-again", 0) == 0, "nobody whom we created is called a newcomer"
    assert lines["unfinished"] > 0
    assert run(actions.resume(IVA, job)).state == State.DONE
    assert (job.result["created"], job.result["failed"], len(team.entries)) == (6, 0, 12)
    assert {entry["UserStatus"] for entry in team.entries.values()} == {"CONFIRMED"}


def test_who_failed_is_tried_again_when_the_cause_is_gone(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    lose(team, 1, 2, 4)
    team.fail("add_to_group", Cause.DENIED, times=2, message="Not allowed to add a user to a group.")
    job = run(start(planned(account, backup, team)))
    assert (job.state, job.result["created"], job.result["failed"]) == (State.DONE_WITH_FAILURES, 1, 2)
    again = planned(account, backup, team)
    assert again.counts["by_reason"]["finish"] == 2, "a new plan says so, and finishes them"

    run(actions.resume(IVA, job))
    assert (job.state, job.result["created"], job.result["failed"]) == (State.DONE, 3, 0)
    assert job.counters["confirmed"] == 3
    assert len(team.memberships["admins"] & team.entries.keys()) == 2
    with pytest.raises(actions.Refused, match="nothing to go on with"):
        actions.resume(IVA, job)


def test_a_cancel_among_invitations_leaves_everybody_an_outcome_and_a_place_in_the_map(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = backed_up(account, team)
    lose(team, *range(6))
    job = start(planned(account, backup, team), "invite")
    whole = JobReport.keep_going

    def keep_going(self: JobReport) -> None:
        if team.messages.total() == 2:
            Job.objects.filter(pk=job.pk).update(wants="cancel")
        whole(self)

    with monkeypatch.context() as patch:
        patch.setattr(JobReport, "keep_going", keep_going)
        run(job)
    assert job.state == State.CANCELLED
    assert "6 users were created and stay, 3 of them unfinished" in job.sentence
    end = AuditEntry.objects.get(act=Act.RESTORE_ENDED)
    assert end.details | {"created": 3, "failed": 3, "confirmed": 6} == end.details
    assert (job.result["created"], job.result["failed"]) == (3, 3) and job.result["report"]
    rows = Item.objects.filter(job=job, action="create")
    assert set(rows.values_list("outcome", "reason")) >= {("failed", "not-invited")}
    assert not rows.filter(outcome__in=("", "unknown")).exists()
    assert len(list(actions.identity_map(IVA, job))) == 13

    run(actions.resume(IVA, job))
    assert (job.state, job.result["created"]) == (State.DONE, 6)
    assert set(team.messages.values()) == {1}, "nobody was mailed twice"


def test_the_days_mails_are_counted_over_all_restores(account: Account) -> None:
    pool = account.add()
    for number in range(50):
        pool.add(f"person{number}@uni.example", name="P")
    backup = backed_up(account, pool)
    lose(pool, *range(30))
    other = planned(account, backup, pool)
    assert run(start(planned(account, backup, pool), "invite")).result["messages"] == 30
    lose(pool, *range(30, 45))
    plan = planned(account, backup, pool)
    assert (plan.counts["mails_today"], plan.counts["mail_allowed"]) == (30, 10)
    job = run(start(plan, "invite"))
    assert job.state == State.WAITING and sum(pool.messages.values()) == 40
    assert other.restore is None


def test_a_database_that_is_away_for_a_moment_loses_nothing(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = backed_up(account, team)
    lose(team, *range(6))
    job = start(planned(account, backup, team))
    with monkeypatch.context() as patch:
        patch.setattr("backups.reporting._upsert", raise_locked)
        with pytest.raises(OperationalError):
            runner.run(job.pk)
    job.refresh_from_db()
    assert job.state == State.RUNNING
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    run(job)
    assert (job.state, job.result["created"], len(team.entries)) == (State.DONE, 6, 12)


def raise_locked(*_: object) -> None:
    raise OperationalError("database is locked")


def test_a_running_job_is_cancelled_at_its_next_step(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    lose(team, 1)
    job = start(planned(account, backup, team))
    Job.objects.filter(pk=job.pk).update(wants="cancel")
    run(job)
    assert (job.state, job.wants) == (State.CANCELLED, "")
    assert team.get("person1@uni.example") is None
    end = AuditEntry.objects.get(act=Act.RESTORE_ENDED)
    assert end.result == "cancelled"
    assert end.details | {"created": 0, "skipped": 0, "failed": 0} == end.details
    assert start(planned(account, backup, team)), "and the pool is free"


def test_one_users_failure_is_an_outcome_and_the_rest_goes_on(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    lose(team, 1, 2, 4)
    team.fail("set_password", Cause.REFUSED, nth=2, message="Password does not conform to policy.")
    job = run(start(planned(account, backup, team)))
    assert job.state == State.DONE_WITH_FAILURES
    assert (job.result["created"], job.result["failed"]) == (2, 1)
    failed = Item.objects.get(job=job, outcome="failed")
    assert (failed.reason, failed.step, bool(failed.new_sub)) == ("refused", "created", True)
    assert failed.new_sub in "".join(actions.identity_map(IVA, job)), "who was made is in the map"


def test_a_pool_that_vanishes_ends_the_job_in_words(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    lose(team, 1)
    job = start(planned(account, backup, team))
    team.gone = True
    run(job)
    assert job.state == State.FAILED
    assert "does not exist" in job.sentence
    assert "Nobody was created" in job.sentence


# --- catalogue and pools ------------------------------------------------------------------------------


def test_the_catalogue_is_rebuilt_from_the_bucket_alone(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    account.store.plant("2026-01-01.00-00-00/team-production/data.json", b"[\n{")
    account.store.plant("notes.txt", b"hello")
    Backup.objects.all().delete()
    catalogue.look_at_bucket(whole=True)
    assert dict(Backup.objects.values_list("key", "state")) == {
        backup.key: "complete",
        "2026-01-01.00-00-00/team-production": "unreadable",
    }
    assert Backup.objects.get(key=backup.key).checked, "checked survives the loss of the database"


def test_what_is_deleted_in_the_bucket_leaves_the_list_at_the_next_look(
    account: Account, team: FakePool
) -> None:
    backed_up(account, team)
    for key in account.store.keys:
        account.store.delete(key)
    catalogue.look_at_bucket(whole=False)
    assert not Backup.objects.exists()


def test_a_bucket_that_is_silent_changes_nothing(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    account.store.fail("list", Cause.UNREACHABLE)
    with pytest.raises(PortError):
        catalogue.look_at_bucket(whole=True)
    assert Backup.objects.get().key == backup.key


def test_bytes_changed_after_the_check_are_found(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    data = account.store.read(backup.data_key)
    account.store.plant(backup.data_key, data.replace(b"Person 1", b"Person X"))
    checked = actions.check_backup(IVA, Backup.objects.get(pk=backup.pk))
    assert (checked.state, checked.checked) == ("unreadable", False)
    assert "does not agree" in checked.reason
    with pytest.raises(actions.Refused, match="does not agree"):
        actions.plan_restore(IVA, backup.key, account.row(team))


def test_unknown_is_not_gone(account: Account, team: FakePool) -> None:
    account.silent = True
    catalogue.look_at_pools()
    row = account.row(team)
    assert (row.presence, row.why_unknown) == ("unknown", "AWS did not answer.")
    account.silent, team.gone = False, True
    catalogue.look_at_pools()
    assert account.row(team).presence == "unknown", "once is not enough"
    Pool.objects.update(doubted_at=timezone.now() - timedelta(seconds=10))
    catalogue.look_at_pools()
    assert account.row(team).presence == "gone"


def test_the_sweeper_sends_again_what_nobody_took(
    account: Account, team: FakePool, sent: list[int], settings: Any
) -> None:
    web = Job.objects.create(kind="backup", queue="read", asked_by="AIDA", asked_by_name="iva")
    assert runner.sweep() == 0, "a worker has a moment to take it"
    Job.objects.filter(pk=web.pk).update(created_at=timezone.now() - timedelta(seconds=9))
    assert runner.sweep() == 1
    assert sent == [web.pk]
    in_a_terminal = actions.start_backup(IVA, account.row(team))
    Job.objects.filter(pk=in_a_terminal.pk).update(created_at=timezone.now() - timedelta(hours=1))
    Job.objects.filter(pk=web.pk).delete()
    assert runner.sweep() == 1
    assert sent == [web.pk], "a terminal runs its own: no worker is sent"
    in_a_terminal.refresh_from_db()
    assert in_a_terminal.state == State.PAUSED
    assert "the terminal that asked for it went away before it began" in in_a_terminal.sentence


# --- waiting for a day of mails, handing back, trying again ------------------------------------------


def test_a_restore_waits_for_the_next_day_of_mails_and_wakes_by_itself(
    account: Account, team: FakePool, sent: list[int]
) -> None:
    backup = backed_up(account, team)
    lose(team, *range(6))
    job = start(planned(account, backup, team), "invite")
    team.mails_left = 2
    assert run(job).state == State.WAITING
    assert job.wake_at is not None
    assert (job.wake_at.hour, job.wake_at.minute) == (9, 0)
    assert timedelta(0) < job.wake_at - timezone.now() <= timedelta(days=1)
    assert "2 were invited, 3 stand in the pool and wait for their invitation" in job.sentence
    assert restored(job) == {"created": 3, "unknown": 3}, "a disabled one is never invited"
    with pytest.raises(actions.Refused, match="is writing to this pool"):
        start(planned(account, backup, team), "silent")

    assert runner.sweep() == 0, "it is not time yet"
    Job.objects.filter(pk=job.pk).update(wake_at=timezone.now() - timedelta(seconds=1))
    assert runner.sweep() == 1
    assert sent == [job.pk]
    team.mails_left = 50
    assert run(job).state == State.DONE, job.sentence
    assert Job.objects.filter(pk=job.pk, wake_at=None).exists()
    assert team.messages.total() == 5
    assert max(team.messages.values()) == 1
    assert Item.objects.filter(job=job, messages=1).exclude(mailed_at=None).count() == 5
    told = [row.data["state"] for row in Event.objects.filter(job=job, kind="state")]
    assert told == ["queued", "running", "waiting", "queued", "running", "done"]


def test_the_mails_that_are_kept_for_codes_are_not_spent(
    account: Account, team: FakePool, settings: Any
) -> None:
    backup = backed_up(account, team)
    lose(team, *range(6))
    plan = planned(account, backup, team)
    job = start(plan, "invite")
    settings.MAIL_RESERVE = 47
    assert run(job).state == State.WAITING
    assert team.messages.total() == 3


def test_a_worker_that_ends_hands_its_job_back(account: Account, team: FakePool, sent: list[int]) -> None:
    backup = backed_up(account, team)
    lose(team, *range(6))
    job = start(planned(account, backup, team))
    runner.run(job.pk, leaving=lambda: True)
    job.refresh_from_db()
    assert (job.state, job.lease_owner, job.lease_until) == (State.QUEUED, "", None)
    assert "the next one goes on" in job.sentence
    assert sent == [job.pk]
    assert not Item.objects.filter(job=job, intended_at__isnull=False).exists(), "nobody was begun"
    assert run(job).state == State.DONE


def test_only_those_who_failed_for_a_named_cause_are_tried_again(
    account: Account, team: FakePool, pol: actions.Actor
) -> None:
    backup = backed_up(account, team)
    lose(team, 1, 3, 5)  # the first is in a group, the second disabled
    job = start(planned(account, backup, team))
    team.fail("add_to_group", Cause.DENIED)
    team.fail("disable_user", Cause.REFUSED)
    assert run(job).state == State.DONE_WITH_FAILURES
    failed = Item.objects.filter(job=job, outcome="failed")
    assert sorted(failed.values_list("reason", flat=True)) == ["denied", "refused"]
    with pytest.raises(actions.Refused, match="nothing to go on with"):
        actions.resume(pol, job, ["throttled"])
    actions.resume(pol, job, ["denied"])
    assert run(job).state == State.DONE_WITH_FAILURES
    assert list(failed.values_list("reason", flat=True)) == ["refused"]
    actions.resume(pol, job)
    assert run(job).state == State.DONE


def test_an_invitation_that_bounced_is_sent_once_more_when_somebody_asks(
    account: Account, team: FakePool, pol: actions.Actor
) -> None:
    backup = backed_up(account, team)
    lose(team, 4)
    team.mail, team.mails_left = "DEVELOPER", None
    job = start(planned(account, backup, team), "invite")
    team.fail("create_user", Cause.DELIVERY)
    team.fail("resend_invitation", Cause.DELIVERY)
    assert run(job).state == State.DONE_WITH_FAILURES
    assert Item.objects.get(job=job, action="create").reason == "not-delivered"
    actions.resume(pol, job)
    assert run(job).state == State.DONE
    assert list(team.messages.values()) == [1]


def restored(job: Job) -> dict[str, int]:
    """Outcome -> how many of those whom the plan would create."""
    rows = Item.objects.filter(job=job, action="create").values_list("outcome", flat=True)
    return dict(Counter(rows))
