"""What a restore leaves behind: map and report in the bucket and as files, and the list of aftercare."""

from __future__ import annotations

import csv
import io
import json
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings

from backups import actions, catalogue, runner, wiring
from backups.core.chain import START, digest
from backups.core.lifecycle import State
from backups.core.report import PARTS, README
from backups.engine.ports import Cause, PortError
from backups.models import Aftercare, AuditEntry, Backup, Catalogue, Item, Job, Plan
from backups.runner import report
from tests.fakes import FakePool, FakeStore
from tests.jobs.conftest import IVA, Account

FILES = ["identity-map.csv", "identity-map.json", "identity-map.sql", "report.zip"]


@pytest.fixture
def team(account: Account) -> FakePool:
    """Six people, backed up; then two of them are gone."""
    pool = account.add()
    for number in range(6):
        pool.add(f"person{number}@uni.example", name=f"Person {number}")
    return pool


def run(job: Job) -> Job:
    runner.run(job.pk)
    job.refresh_from_db()
    return job


def backed_up(account: Account, pool: FakePool) -> Backup:
    job = run(actions.start_backup(IVA, account.row(pool)))
    assert job.state == State.DONE, job.sentence
    return Backup.objects.get(key=job.result["key"])


def lose(pool: FakePool, *numbers: int) -> None:
    for number in numbers:
        pool.delete_user(f"person{number}@uni.example")


def a_restore(
    account: Account,
    backup: Backup,
    pool: FakePool,
    only: list[str] | None = None,
    actor: actions.Actor = IVA,
) -> Job:
    """Asked for, not yet run; ``only``: e-mails of those whom it is tried with first."""
    planned = run(actions.plan_restore(IVA, backup.key, account.row(pool)))
    plan = Plan.objects.get(job=planned)
    keys = None if only is None else list(planned.items.filter(email__in=only).values_list("key", flat=True))
    typed = actions.confirmation(plan, keys)
    return actions.start_restore(
        actor, plan, messages="silent", digest=plan.digest, typed=typed, reason="INC-204", only=keys
    )


def an_undo(plan: Plan) -> Job:
    typed = actions.confirmation_of_undo(plan)
    return actions.start_undo(IVA, plan, digest=plan.digest, typed=typed, reason="it was the wrong backup")


@pytest.fixture
def restored(account: Account, team: FakePool) -> Job:
    backup = backed_up(account, team)
    lose(team, 1, 4)
    job = run(a_restore(account, backup, team))
    assert job.state == State.DONE, job.sentence
    return job


def kept(store: FakeStore) -> list[str]:
    return [stored.key for stored in store.list("_cognito-admin/jobs/")]


def read(store: FakeStore, key: str) -> bytes:
    return b"".join(store.open(key))


def opened(data: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(data))


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


# --- the map --------------------------------------------------------------------------------------


def test_the_map_has_whom_the_restore_made_and_whom_it_found(restored: Job, team: FakePool) -> None:
    made = rows("".join(actions.identity_map(IVA, restored)))
    assert len(made) == 6
    subs = {entry["Username"] for entry in team.users()}
    for row in made:
        number = int(row["email"][len("person")])
        assert row["new_sub"] in subs
        assert (row["how"] == "created") == (number in (1, 4)) == (row["old_sub"] != row["new_sub"])


@pytest.mark.parametrize("form", ["csv", "json", "sql"])
def test_each_file_of_the_map_leaves_an_entry_that_names_its_form(restored: Job, form: str) -> None:
    made = "".join(actions.identity_map(IVA, restored, form))
    assert "person1@uni.example" in made
    entry = AuditEntry.objects.get(act="identity-map.downloaded")
    assert (entry.job, entry.details) == (restored.pk, {"what": form, "users": 6})


def test_a_broken_template_is_a_refusal_and_never_the_default(
    restored: Job, settings: Settings, tmp_path: Path
) -> None:
    settings.IDENTITY_MAP_SQL = str(tmp_path / "none.sql")
    with pytest.raises(actions.Refused, match="IDENTITY_MAP_SQL names cannot be read"):
        actions.identity_map(IVA, restored, "sql")
    assert not AuditEntry.objects.filter(act="identity-map.downloaded").exists()
    parts = opened(b"".join(actions.report(IVA, restored)))
    assert "identity-map.sql" not in parts.namelist()
    assert "There is no SQL: the template that IDENTITY_MAP_SQL names" in parts.read(README).decode()


def test_the_teams_own_template_is_used(restored: Job, settings: Settings, tmp_path: Path) -> None:
    own = tmp_path / "own.sql"
    own.write_text("-- ours, {{ job }}\nINSERT INTO ours VALUES {{ rows }};\n")
    settings.IDENTITY_MAP_SQL = str(own)
    made = "".join(actions.identity_map(IVA, restored, "sql"))
    assert made.startswith(f"-- ours, {restored.pk}\nINSERT INTO ours VALUES \n  (")


def test_a_value_that_postgresql_cannot_hold_is_a_refusal_without_the_value(restored: Job) -> None:
    item = restored.items.get(email="person1@uni.example")
    item.old_username = "half\ud800"  # what a database may hold is wider than PostgreSQL's text
    rows_of = report.rows_of
    row = ("old", "new", item.old_username, "", "person1@uni.example", "created")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "rows_of", lambda job: iter([*rows_of(job), row]))
        with pytest.raises(actions.Refused, match="half a character") as refused:
            actions.identity_map(IVA, restored, "sql")
    assert "person1" not in str(refused.value)


def test_only_a_restore_has_a_map_and_a_report(account: Account, team: FakePool) -> None:
    job = run(actions.start_backup(IVA, account.row(team)))
    for ask in (actions.identity_map, actions.report):
        with pytest.raises(actions.Refused, match="is no restore"):
            ask(IVA, job)
    assert actions.aftercare_of(job) == []


def test_a_terminal_gets_every_form(restored: Job, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("identity_map", str(restored.pk))
    assert len(capsys.readouterr().out.splitlines()) == 7
    call_command("identity_map", str(restored.pk), "--form", "sql")
    assert capsys.readouterr().out.rstrip().endswith("COMMIT;")
    call_command("identity_map", str(restored.pk), "--json")
    assert json.loads(capsys.readouterr().out) == {"job": restored.pk, "identities": 6}


def test_whom_an_undo_deleted_is_not_in_the_map_any_more(restored: Job, team: FakePool) -> None:
    """Access that was moved to a sub which nobody has would be lost."""
    made = run(actions.plan_undo(IVA, restored))
    plan = Plan.objects.get(job=made)
    assert run(an_undo(plan)).state == State.DONE
    assert {row["email"] for row in rows("".join(actions.identity_map(IVA, restored)))} == {
        f"person{number}@uni.example" for number in (0, 2, 3, 5)
    }
    parts = opened(b"".join(actions.report(IVA, restored)))
    acts = {json.loads(entry["body"])["act"] for entry in json.loads(parts.read("audit.json"))["entries"]}
    assert {"undo.asked", "undo.ended"} <= acts
    assert len(json.loads(parts.read("ledger.json"))["users"]) == 6


def test_whom_an_undo_of_the_trial_deleted_is_not_in_the_map_of_everybody_either(
    account: Account, team: FakePool
) -> None:
    backup = backed_up(account, team)
    lose(team, 1, 4)
    trial = run(a_restore(account, backup, team, only=[ADMIN]))
    whole = run(a_restore(account, backup, team))
    assert [job.result["created"] for job in (trial, whole)] == [1, 1]
    assert ADMIN in {row["email"] for row in rows("".join(actions.identity_map(IVA, whole)))}
    run(an_undo(Plan.objects.get(job=run(actions.plan_undo(IVA, trial)))))
    assert team.get(ADMIN) is None
    for job, mapped in ((trial, 0), (whole, 5)):
        made = rows("".join(actions.identity_map(IVA, job)))
        assert (len(made), ADMIN in str(made)) == (mapped, False)
        assert [item.email for item in report.undone(job)] == [ADMIN]


def test_an_undo_puts_every_map_that_it_changes_into_the_bucket_anew(
    account: Account, team: FakePool
) -> None:
    """They are read without us: a sub in them that nobody has would take somebody's access away."""
    backup = backed_up(account, team)
    lose(team, 1)
    before = run(a_restore(account, backup, team))
    lose(team, 4)
    trial = run(a_restore(account, backup, team, only=["person4@uni.example"]))
    whole = run(a_restore(account, backup, team))
    assert whole.state == State.DONE, whole.sentence
    restores, old = (before, trial, whole), {}
    for job in restores:
        old[job.pk] = job.result
    run(an_undo(Plan.objects.get(job=run(actions.plan_undo(IVA, trial)))))
    for job in restores:
        job.refresh_from_db()
        changed = job != before  # nobody of its map was deleted
        assert (job.result["report"] != old[job.pk]["report"]) == changed
        assert {**job.result, "report": ""} == {**old[job.pk], "report": ""}
        newest = max(key for key in kept(account.store) if f"/jobs/{job.pk}/" in key).rpartition("/")[0]
        assert newest == job.result["report"]
        assert [key for key in kept(account.store) if newest in key] == [f"{newest}/{name}" for name in FILES]
        if changed:
            for form in ("csv", "json", "sql"):
                assert b"person4@" not in read(account.store, f"{newest}/identity-map.{form}")


def test_an_undo_says_which_map_in_the_bucket_is_old(
    restored: Job, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, put = restored.result, account.store.put

    def no_report(key: str, chunks: Any) -> Any:
        if key.startswith("_cognito-admin/jobs/"):
            raise PortError("The bucket does not take it.", Cause.DENIED)
        return put(key, chunks)

    monkeypatch.setattr(account.store, "put", no_report)
    undo = run(an_undo(Plan.objects.get(job=run(actions.plan_undo(IVA, restored)))))
    assert undo.state == State.DONE and "2 users deleted" in undo.sentence
    assert f"In the bucket the map of restore {restored.pk} still has whom this undo deleted" in undo.sentence
    assert "The bucket does not take it." in undo.sentence
    restored.refresh_from_db()
    assert restored.result == told


# --- the application's admins ---------------------------------------------------------------------


ADMIN = "person1@uni.example"


def registered_again(account: Account, team: FakePool, **how: Any) -> Job:
    """A restore of a pool in which the admin's address is there again, under another sub."""
    backup = backed_up(account, team)
    lose(team, 1, 4)
    team.clock.advance(3600)
    team.add(ADMIN, name="The application", **how)
    return run(a_restore(account, backup, team))


def test_an_admin_whom_the_application_made_again_is_in_the_map_and_first(
    account: Account, team: FakePool, settings: Settings
) -> None:
    settings.APPLICATION_ADMIN_EMAILS = ["PERSON1@uni.example"]
    job = registered_again(account, team)
    first = rows("".join(actions.identity_map(IVA, job)))[0]
    assert first["email"] == ADMIN
    assert first["new_sub"] == team.get_user(ADMIN)["Username"] != first["old_sub"]
    assert first["how"] == "kept"
    assert report.admins_without(job) == []


def test_an_admin_whom_the_application_makes_after_the_restore_is_in_the_next_map(
    account: Account, team: FakePool, settings: Settings
) -> None:
    settings.APPLICATION_ADMIN_EMAILS = [ADMIN]
    job = registered_again(account, team, verified=False)
    assert report.admins_without(job) == [ADMIN]
    team.delete_user(ADMIN)
    team.add(ADMIN, name="The application", status="FORCE_CHANGE_PASSWORD")
    assert ADMIN in "".join(actions.identity_map(IVA, job, "sql"))
    assert report.admins_without(job) == []


def test_a_map_is_given_while_aws_is_silent(account: Account, team: FakePool, settings: Settings) -> None:
    settings.APPLICATION_ADMIN_EMAILS = [ADMIN]
    job = registered_again(account, team, verified=False)
    team.fail("get_user", Cause.UNREACHABLE, times=9)
    assert len(rows("".join(actions.identity_map(IVA, job)))) == 5


@pytest.mark.parametrize("how", [{"status": "UNCONFIRMED", "verified": False}, {"verified": False}])
def test_who_only_took_the_admins_address_does_not_become_the_admin(
    account: Account, team: FakePool, settings: Settings, how: dict[str, Any]
) -> None:
    settings.APPLICATION_ADMIN_EMAILS = [ADMIN, "admin@uni.example"]
    job = registered_again(account, team, **how)
    assert ADMIN not in {row["email"] for row in rows("".join(actions.identity_map(IVA, job)))}
    assert report.admins_without(job) == [ADMIN, "admin@uni.example"]
    told = json.loads("".join(actions.identity_map(IVA, job, "json")))
    assert told["admins_without_identity"] == [ADMIN, "admin@uni.example"]


def test_an_admin_who_has_a_google_account_too_is_in_the_map_once(
    account: Account, team: FakePool, settings: Settings
) -> None:
    """Two old subs of one new sub stop the script: "The identity map is not one to one"."""
    settings.APPLICATION_ADMIN_EMAILS = [ADMIN]
    team.add(ADMIN, username="Google_1", status="EXTERNAL_PROVIDER", name="Person 1")
    backup = backed_up(account, team)
    team.remove("Google_1")
    job = run(a_restore(account, backup, team))
    assert set(job.items.filter(email=ADMIN).values_list("reason", flat=True)) == {"exists", "federated"}
    made = rows("".join(actions.identity_map(IVA, job)))
    assert [row["new_sub"] for row in made if row["email"] == ADMIN] == [team.get_user(ADMIN)["Username"]]
    assert len({row["new_sub"] for row in made}) == len(made)
    assert report.admins_without(job) == []


@pytest.mark.parametrize("reason", ["federated", "duplicate"])
def test_only_the_admins_own_row_gets_the_account_that_the_application_made(
    account: Account, team: FakePool, settings: Settings, reason: str
) -> None:
    settings.APPLICATION_ADMIN_EMAILS = [ADMIN]
    job = registered_again(account, team, verified=False)
    own = job.items.get(email=ADMIN)
    Item.objects.create(  # before it in the backup's file
        **{"job": job, "key": "Google_1", "position": -1, "label": ADMIN, "email": ADMIN},
        **{"old_username": "Google_1", "action": "skip", "outcome": "skipped", "reason": reason},
    )
    team.delete_user(ADMIN)
    team.add(ADMIN, name="The application", status="FORCE_CHANGE_PASSWORD")
    made = [row for row in rows("".join(actions.identity_map(IVA, job))) if row["email"] == ADMIN]
    assert [row["old_sub"] for row in made] == [own.old_sub]


def test_somebody_else_who_registered_again_is_not_in_the_map(account: Account, team: FakePool) -> None:
    job = registered_again(account, team)
    assert ADMIN not in {row["email"] for row in rows("".join(actions.identity_map(IVA, job)))}


# --- in the bucket --------------------------------------------------------------------------------


def test_map_and_report_lie_in_the_bucket_when_a_restore_ends(account: Account, restored: Job) -> None:
    key = restored.result["report"]
    assert key.startswith(f"_cognito-admin/jobs/{restored.pk}/")
    assert kept(account.store) == [f"{key}/{name}" for name in FILES]
    assert restored.result["report_bucket"] == account.store.bucket
    assert "@" not in "".join(kept(account.store))
    made = rows(read(account.store, f"{key}/identity-map.csv").decode())
    assert {row["email"] for row in made} == {f"person{n}@uni.example" for n in range(6)}
    parts = opened(read(account.store, f"{key}/report.zip"))
    assert parts.testzip() is None
    assert parts.read("identity-map.csv") == read(account.store, f"{key}/identity-map.csv")


def test_it_is_no_part_of_any_backup_and_no_strangers_file(account: Account, restored: Job) -> None:
    backups = set(Backup.objects.values_list("key", flat=True))
    catalogue.look_at_bucket(whole=True)
    assert set(Backup.objects.values_list("key", flat=True)) == backups
    assert Catalogue.row().strangers == 0


def test_it_goes_where_nothing_expires_if_there_is_such_a_bucket(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = FakeStore()
    monkeypatch.setattr(wiring, "reports_store", lambda environment="production": reports)
    backup = backed_up(account, team)
    lose(team, 1)
    job = run(a_restore(account, backup, team))
    assert len(kept(reports)) == 4
    assert kept(account.store) == []
    assert job.result["report"]


def test_a_resumed_restore_writes_again_and_what_was_written_stays(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    lose(team, 1, 4)
    team.fail("set_password", Cause.REFUSED, times=1)
    job = run(a_restore(account, backup, team))
    assert job.state == State.DONE_WITH_FAILURES
    first = job.result["report"]
    before = {key: read(account.store, key) for key in kept(account.store)}
    told = json.loads(opened(before[f"{first}/report.zip"]).read("confirmation.json"))
    assert [row["reason"] for row in told["not_as_planned"]] == ["refused"]
    assert (told["created_not_finished"], told["undos"], job.result["half_made"]) == (1, [], 1)
    job = run(actions.resume(IVA, job))
    assert (job.state, job.result["half_made"]) == (State.DONE, 0)
    assert job.result["report"] != first
    assert {key: read(account.store, key) for key in before} == before
    again = opened(read(account.store, f"{job.result['report']}/report.zip"))
    assert json.loads(again.read("confirmation.json"))["not_as_planned"] == []


def test_a_pause_leaves_a_map_too(account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the day our database is lost as well, whoever was created by then is known."""
    backup = backed_up(account, team)
    lose(team, 1, 4)
    job = a_restore(account, backup, team)
    ctrl_c, create = threading.Event(), team.create_user

    def create_and_stop(*told: Any, **how: Any) -> Any:
        ctrl_c.set()
        return create(*told, **how)

    monkeypatch.setattr(team, "create_user", create_and_stop)
    runner.run(job.pk, interrupted=ctrl_c)
    job.refresh_from_db()
    assert job.state == State.PAUSED
    assert job.result["report"]
    assert job.aftercare.exists()


def test_a_bucket_that_takes_no_report_spoils_no_restore_and_is_said(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = backed_up(account, team)
    lose(team, 1)
    job = a_restore(account, backup, team)
    put = account.store.put

    def only_backups(key: str, chunks: Any) -> Any:
        if key.startswith("_cognito-admin/jobs/"):
            raise PortError("The bucket does not take it.", Cause.DENIED)
        return put(key, chunks)

    monkeypatch.setattr(account.store, "put", only_backups)
    run(job)
    assert job.state == State.DONE
    assert "The report was not written to the bucket; its page has it." in job.sentence
    assert "report" not in job.result
    assert "person1@uni.example" in "".join(actions.identity_map(IVA, job))


def test_a_report_that_breaks_spoils_no_restore(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(job: Job) -> Any:
        raise KeyError(ADMIN)

    backup = backed_up(account, team)
    lose(team, 1)
    job = a_restore(account, backup, team)
    monkeypatch.setattr(report, "archive", broken)
    run(job)
    assert job.state == State.DONE
    assert job.sentence.endswith("The report could not be made (KeyError).")


def test_aws_that_does_not_tell_of_the_admins_is_said(
    account: Account, team: FakePool, settings: Settings
) -> None:
    settings.APPLICATION_ADMIN_EMAILS = [ADMIN]
    asked = team.get_user

    def silent(username: str) -> Any:
        if username == ADMIN:
            team.fail("get_user", Cause.UNREACHABLE)
        return asked(username)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(team, "get_user", silent)
        job = registered_again(account, team, verified=False)
    assert job.state == State.DONE
    assert "Whether the application's own admins are back was not told." in job.sentence
    assert report.admins_without(job) == [ADMIN]
    assert job.result["report"], "the others' map is written all the same"


def test_what_lies_in_the_bucket_is_read_without_our_database(account: Account, restored: Job) -> None:
    """As docs/format.md says: list the jobs, take the newest time, read."""
    number = restored.pk
    Job.objects.all().delete()
    AuditEntry.objects.all().delete()
    newest = max(key.rpartition("/")[0] for key in kept(account.store) if key.split("/")[2] == str(number))
    told = json.loads(read(account.store, f"{newest}/identity-map.json"))
    assert (told["job"], told["pool_name"], len(told["map"])) == (number, "team-production", 6)
    parts = opened(read(account.store, f"{newest}/report.zip"))
    assert json.loads(parts.read("confirmation.json"))["state"] == "done"
    assert f"Restore job {number} into team-production" in parts.read(README).decode()


# --- the report -----------------------------------------------------------------------------------


def test_the_report_says_what_was_planned_chosen_done_and_read_back(restored: Job) -> None:
    parts = opened(b"".join(actions.report(IVA, restored)))
    names = [README, *(name for name in PARTS if name in parts.namelist())]
    assert parts.namelist() == names
    assert set(PARTS) - set(names) <= {"preflight.json"}
    plan = Plan.objects.get(pk=restored.params["plan"])
    assert json.loads(parts.read("plan.json"))["digest"] == plan.digest
    choices = json.loads(parts.read("choices.json"))
    assert (choices["reason"], choices["asked_by"]) == ("INC-204", IVA.name)
    assert choices["asked_for"]["messages"] == "silent"
    assert choices["plan"] == plan.choices
    ledger = json.loads(parts.read("ledger.json"))["users"]
    assert [row["position"] for row in ledger] == sorted(range(6))
    assert len(rows(parts.read("ledger.csv").decode())) == 6
    confirmation = json.loads(parts.read("confirmation.json"))
    assert confirmation["totals"] | {"users": 6, "created": 2, "skipped": 4} == confirmation["totals"]
    assert confirmation["not_as_planned"] == []
    assert f"Restore job {restored.pk} into team-production" in parts.read(README).decode()


def test_who_resumed_a_restore_is_not_told_as_whoever_asked_for_it(
    account: Account, team: FakePool, pol: actions.Actor
) -> None:
    backup = backed_up(account, team)
    lose(team, 1, 4)
    job = a_restore(account, backup, team)
    actions.pause(IVA, job)
    job = run(actions.resume(pol, job))
    assert (job.state, job.asked_by_name) == (State.DONE, "pol")
    choices = json.loads(opened(b"".join(actions.report(IVA, job))).read("choices.json"))
    assert (choices["asked_by"], choices["asked_by_id"], choices["reason"]) == (IVA.name, IVA.id, "INC-204")
    resumed = choices["resumed"]
    assert [(one["by"], one["by_id"]) for one in resumed] == [("pol", pol.id)]
    assert choices["asked_at"] < resumed[0]["at"]


@pytest.mark.parametrize("policy", ["never", "overwrite", "always"])
def test_the_report_says_who_had_to_say_yes(
    account: Account, team: FakePool, pol: actions.Actor, settings: Settings, policy: str
) -> None:
    backup = backed_up(account, team)
    lose(team, 1)
    of_a_terminal = run(a_restore(account, backup, team))
    lose(team, 1)
    settings.RESTORE_APPROVALS = "overwrite"
    of_a_page = run(a_restore(account, backup, team, actor=pol))
    settings.RESTORE_APPROVALS = policy
    for job, terminal in ((of_a_terminal, True), (of_a_page, False)):
        told = json.loads(opened(b"".join(actions.report(IVA, job))).read("approvals.json"))
        needed = policy == "always" and not terminal
        assert told == {"policy": policy, "terminal": terminal, "needed": needed, "approvals": []}


def test_the_audit_extract_can_be_verified_by_itself(restored: Job) -> None:
    parts = opened(b"".join(actions.report(IVA, restored)))
    entries = json.loads(parts.read("audit.json"))["entries"]
    acts = [json.loads(entry["body"])["act"] for entry in entries]
    assert acts == [
        *("plan.asked", "plan.ended", "restore.asked", "restore.intended", "restore.ended"),
        "report.downloaded",
    ]
    assert all(digest(entry["prev"] or START, entry["body"]) == entry["hash"] for entry in entries)
    assert "person1@uni.example" not in parts.read("audit.json").decode()


def test_a_report_without_its_plan_still_tells_the_rest(restored: Job) -> None:
    Plan.objects.all().delete()
    parts = opened(b"".join(actions.report(IVA, restored)))
    assert "plan.json" not in parts.namelist()
    assert json.loads(parts.read("choices.json"))["plan"] is None


def test_the_report_names_nobody_in_its_names(restored: Job) -> None:
    parts = opened(b"".join(actions.report(IVA, restored)))
    assert "@" not in "".join(parts.namelist())


# --- aftercare ------------------------------------------------------------------------------------


def test_a_restore_begins_with_the_settings_list_and_keeps_it(restored: Job, settings: Settings) -> None:
    items = [item.item for item in actions.aftercare_of(restored)]
    assert items == settings.AFTERCARE
    settings.AFTERCARE = ["Something new"]
    assert [item.item for item in actions.aftercare_of(restored)] == items
    assert actions.open_items() == [(restored, len(items))]


def test_a_tick_says_who_when_and_why_in_the_list_the_log_and_the_report(restored: Job) -> None:
    assert actions.tick(IVA, restored, [0], "  two rows were left,  see ada@uni.example ") == 1
    item = restored.aftercare.get(position=0)
    assert (item.by, item.by_id, item.note) == (IVA.name, IVA.id, "two rows were left, see ada@uni.example")
    assert item.ticked_at is not None
    entry = AuditEntry.objects.get(act="aftercare.ticked")
    assert (entry.result, entry.job, entry.details["item"]) == ("done", restored.pk, item.item)
    assert "ada@uni.example" not in entry.body
    told = json.loads(opened(b"".join(actions.report(IVA, restored))).read("aftercare.json"))["items"]
    assert (told[0]["by"], told[1]["ticked_at"]) == (IVA.name, None)


def test_a_tick_is_taken_back_and_both_stay_in_the_log(restored: Job) -> None:
    actions.tick(IVA, restored, [0, 1], "done")
    assert actions.untick(IVA, restored, [1]) == 1
    item = restored.aftercare.get(position=1)
    assert (item.ticked_at, item.by, item.by_id, item.note) == (None, "", "", "")
    results = (
        AuditEntry.objects.filter(act="aftercare.ticked").order_by("seq").values_list("result", flat=True)
    )
    assert list(results) == ["done", "done", "open"]


def test_all_ticked_is_off_the_list_of_open_ones(restored: Job) -> None:
    everything = [item.position for item in actions.aftercare_of(restored)]
    assert actions.tick(IVA, restored, everything) == len(everything)
    assert actions.open_items() == []


def test_who_ticks_second_changes_nothing(restored: Job) -> None:
    actions.tick(IVA, restored, [0], "mine")
    pol = actions.Actor("terminal:pol@host", "pol@host", terminal=True)
    with pytest.raises(actions.Refused, match="Somebody ticked it already"):
        actions.tick(pol, restored, [0], "mine too")
    with pytest.raises(actions.Refused, match="open already"):
        actions.untick(pol, restored, [1])
    assert restored.aftercare.get(position=0).note == "mine"
    assert actions.tick(pol, restored, [0, 1]) == 1, "what was open is ticked"


@pytest.mark.parametrize(
    ("positions", "note", "said"),
    [([99], "", "no item"), ([], "", "no item"), ([0], "x" * 501, "more than 500")],
)
def test_what_is_no_item_is_refused(restored: Job, positions: list[int], note: str, said: str) -> None:
    with pytest.raises(actions.Refused, match=said):
        actions.tick(IVA, restored, positions, note)
    assert not Aftercare.objects.exclude(ticked_at=None).exists()


def test_a_restore_that_changed_nobody_needs_no_aftercare(account: Account, team: FakePool) -> None:
    job = run(a_restore(account, backed_up(account, team), team))
    assert job.state == State.DONE
    assert actions.aftercare_of(job) == []
    assert actions.open_items() == []
    assert job.result["report"], "there is a report all the same"


def test_a_restore_from_before_there_were_lists_gets_one_at_the_first_tick(restored: Job) -> None:
    Aftercare.objects.all().delete()
    assert len(actions.aftercare_of(restored)) == 7
    assert actions.open_items() == [], "nobody is told of a restore of long ago"
    assert actions.tick(IVA, restored, [2]) == 1
    assert actions.open_items() == [(restored, 6)]
