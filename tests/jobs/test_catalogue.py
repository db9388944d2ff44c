"""The catalogue under one odd object, a backup that is not read back, and pools that AWS does not list."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from backups import actions, catalogue, runner
from backups.core.files import read_manifest, write_manifest
from backups.core.lifecycle import State
from backups.engine.ports import Cause, PortError, Stop
from backups.management import terminal
from backups.models import Backup, Catalogue, Job, Pool
from backups.reporting import JobReport
from backups.runner.words import Ended
from tests.build import a_backup, a_file, an_entry
from tests.fakes import FakePool, FakeStore
from tests.jobs.conftest import IVA, Account

GOOD = "2026-01-03.00-00-00/team-production"


@pytest.fixture
def team(account: Account) -> FakePool:
    pool = account.add()
    for number in range(3):
        pool.add(f"person{number}@uni.example", name=f"Person {number}")
    return pool


@pytest.fixture
def store(account: Account) -> FakeStore:
    """A file of cbr's, younger than what the tests put beside it."""
    account.store.plant(f"{GOOD}/data.json", a_file([an_entry()]))
    return account.store


def run(job: Job) -> Job:
    runner.run(job.pk)
    job.refresh_from_db()
    return job


def ask(*command: str) -> tuple[int, dict[str, Any]]:
    """A command in this process: (exit status, its JSON)."""
    out, status = io.StringIO(), 0
    try:
        call_command(*command, "--json", stdout=out, stderr=io.StringIO())
    except SystemExit as end:
        status = int(end.code or 0)
    except CommandError as error:
        status = error.returncode
    return status, json.loads(out.getvalue().splitlines()[-1])


# --- one object never stops the look ------------------------------------------------------------------


@pytest.mark.parametrize("cause", [Cause.DENIED, Cause.MISSING, Cause.REFUSED])
def test_an_object_that_cannot_be_read_is_a_row_and_the_look_goes_on(store: FakeStore, cause: Cause) -> None:
    odd = "2026-01-02.00-00-00/team-production"
    store.plant(f"{odd}/data.json", a_file([an_entry()]))
    store.fail("open", cause, message="AWS does not give it.")
    catalogue.look_at_bucket(whole=True)
    row = Backup.objects.get(key=odd)
    assert (row.state, row.reason) == ("unreadable", "AWS does not give it.")
    assert Backup.objects.get(key=GOOD).state == "users-only"

    catalogue.look_at_bucket(whole=True)
    row.refresh_from_db()
    assert row.state == "users-only", "it is asked again at the next look"


def test_a_backup_that_was_deleted_today_is_forgotten_at_the_next_minutes_look(store: FakeStore) -> None:
    old, young = "2025-01-02.00-00-00/team-production", "2026-01-02.00-00-00/team-production"
    for key in (old, young):
        store.plant(f"{key}/data.json", a_file([an_entry()]))
    catalogue.look_at_bucket(whole=True)
    store.delete(f"{GOOD}/data.json")
    store.delete(f"{old}/data.json")
    catalogue.look_at_bucket(whole=False)
    assert not Backup.objects.filter(key=GOOD).exists()
    assert Backup.objects.get(suggested=True).key == young
    assert Backup.objects.filter(key=old).exists(), "what is not listed is not said to be gone"
    catalogue.look_at_bucket(whole=True)
    assert not Backup.objects.filter(key=old).exists()


def test_a_key_of_tomorrow_does_not_hide_the_backups_of_today(store: FakeStore) -> None:
    store.plant("2099-01-01.00-00-00/team-production/data.json", a_file([an_entry()]))
    catalogue.look_at_bucket(whole=True)
    today = "2026-01-04.00-00-00/team-production"
    store.plant(f"{today}/data.json", a_file([an_entry()]))
    catalogue.look_at_bucket(whole=False)
    assert Backup.objects.filter(key=today).exists()


@pytest.mark.parametrize("cause", [Cause.UNREACHABLE, Cause.GONE, Cause.LOST, Cause.NO_ROOM])
def test_a_bucket_that_does_not_answer_makes_no_backup_unreadable(store: FakeStore, cause: Cause) -> None:
    store.fail("open", cause)
    with pytest.raises(PortError):
        catalogue.look_at_bucket(whole=True)
    assert not Backup.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"made_by": "x" * 201},
        {"pool_id": "x" * 65},
        {"made_by": "a\0b"},
        {"unread": {"mfa": "a\0b"}},
        {"users": 2**63},
        {"groups": -1},
        {"started": "yesterday"},
        {"finished": "2026-01-02T00:00:00"},
    ],
)
def test_a_manifest_beyond_all_bounds_is_unreadable(store: FakeStore, changes: dict[str, Any]) -> None:
    odd = "2026-01-02.00-00-00/team-production"
    a_backup(store, FakePool(), key=odd)
    manifest, _ = read_manifest([store.read(f"{odd}/manifest.json")])
    store.plant(f"{odd}/manifest.json", write_manifest(replace(manifest, **changes)))
    catalogue.look_at_bucket(whole=True)
    row = Backup.objects.get(key=odd)
    assert (row.state, row.reason) == (
        "unreadable",
        "manifest.json: manifest.json is not as its format says",
    )
    assert Backup.objects.filter(key=GOOD).exists()


@pytest.mark.parametrize("trigger", ["by the moon", "upload", "cbr"])
def test_a_trigger_that_nobody_knows_is_a_person(store: FakeStore, trigger: str) -> None:
    odd = "2026-01-02.00-00-00/team-production"
    a_backup(store, FakePool(), key=odd)
    manifest, _ = read_manifest([store.read(f"{odd}/manifest.json")])
    store.plant(f"{odd}/manifest.json", write_manifest(replace(manifest, trigger=trigger)))
    catalogue.look_at_bucket(whole=True)
    assert Backup.objects.get(key=odd).made_by == "person"


def test_what_the_database_does_not_take_is_unreadable(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Backup.objects.bulk_create
    other = "2026-01-02.00-00-00/team-production"
    a_backup(store, FakePool(name="team-production"), key=other)

    def narrow(rows: list[Backup], **how: Any) -> Any:
        if any(row.users for row in rows):
            raise ValueError("this value does not fit")
        return real(rows, **how)

    monkeypatch.setattr(Backup.objects, "bulk_create", narrow)
    catalogue.look_at_bucket(whole=True)
    assert Backup.objects.get(key=other).state == "complete", "the others of its batch are as they are"
    row = Backup.objects.get(key=GOOD)
    assert (row.state, row.users, row.made_by) == ("unreadable", None, "cbr")
    assert "longer or larger" in row.reason


@pytest.mark.parametrize("name", ["x" * 129, "nul\0-production"])
def test_a_key_that_no_pool_gives_is_a_stranger(store: FakeStore, name: str) -> None:
    store.plant(f"2026-01-02.00-00-00/{name}/data.json", a_file([an_entry()]))
    catalogue.look_at_bucket(whole=True)
    assert Catalogue.row().strangers == 1
    assert [backup.key for backup in Backup.objects.all()] == [GOOD]


def test_an_object_under_a_parts_name_does_not_spoil_the_backup(store: FakeStore) -> None:
    store.plant(f"{GOOD}/manifest.json/data.json", b"nonsense")
    store.plant(f"{GOOD}//data.json", b"nonsense")
    catalogue.look_at_bucket(whole=True)
    assert Catalogue.row().strangers == 2
    assert Backup.objects.get(key=GOOD).state == catalogue.note_one(GOOD).state == "users-only"


# --- a backup that is not read back -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "nth", "state"), [("open", 2, "unreadable"), ("list", 1, "incomplete")]
)
def test_a_backup_that_cannot_be_read_back_names_its_key(
    account: Account, team: FakePool, operation: str, nth: int, state: str
) -> None:
    # The first object that is opened is data.json, for the second factors of its users.
    account.store.fail(operation, Cause.DENIED, nth=nth, times=9, message="Denied.")
    job = run(actions.start_backup(IVA, account.row(team)))
    row = Backup.objects.get()
    assert job.state == State.FAILED
    assert job.sentence == f"Written under {row.key}, but it could not be read back: Denied."
    assert job.result == {
        "key": row.key,
        "pool_id": team.pool_id,
        "users": 3,
        "groups": 0,
        "memberships": 0,
        "state": state,
        "checked": False,
        "seconds": "0.0",
    }
    assert (row.state, row.being_made_by) == (state, None)
    assert "being made" not in row.reason
    Backup.objects.all().delete()
    account.store.calls["open"] = account.store.calls["list"] = 99
    assert catalogue.note_one(job.result["key"]).state == "complete"


def test_a_backup_that_fails_says_what_was_changed(account: Account, team: FakePool) -> None:
    account.store.fail("put", Cause.DENIED, nth=3, message="Denied.")
    job = run(actions.start_backup(IVA, account.row(team)))
    assert job.sentence == "Denied. No user pool was changed; what was written is listed as incomplete."
    assert (Backup.objects.get().state, Backup.objects.get().being_made_by) == ("incomplete", None)


def test_while_the_bucket_is_silent_the_half_says_so(account: Account, team: FakePool) -> None:
    account.store.fail("put", Cause.UNREACHABLE, nth=3)
    account.store.fail("list", Cause.UNREACHABLE, times=9)
    run(actions.start_backup(IVA, account.row(team)))
    row = Backup.objects.get()
    assert (row.state, row.being_made_by) == ("incomplete", None)
    assert row.reason == "it was cut short, and the bucket was not asked since"


def test_a_backup_stopped_while_it_is_read_back_is_given_back(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise Stop("cancel")

    monkeypatch.setattr("backups.runner.backup.check", stop)
    job = run(actions.start_backup(IVA, account.row(team)))
    assert job.state == State.CANCELLED
    row = Backup.objects.get()
    assert (row.state, row.being_made_by, row.checked) == ("complete", None, False)


def test_what_a_killed_process_of_the_job_left_is_given_back(account: Account, team: FakePool) -> None:
    job = actions.start_backup(IVA, account.row(team))
    left = catalogue.reserve(job, job.created_at)
    account.store.plant(f"{left.key}/pool.json", b"{}")
    assert run(job).state == State.DONE
    left.refresh_from_db()
    assert (left.state, left.being_made_by) == ("incomplete", None)
    assert "never written" in left.reason


def test_reading_everything_back_counts_where_an_older_checked_json_stands(
    account: Account, team: FakePool
) -> None:
    key = run(actions.start_backup(IVA, account.row(team))).result["key"]
    account.store.clock.advance(60)
    account.store.plant(f"{key}/data.json", account.store.read(f"{key}/data.json"))
    catalogue.look_at_bucket(whole=True)
    Backup.objects.filter(key=key).update(fingerprint="")
    row = catalogue.note_one(key)
    assert not row.checked, "its bytes are younger than the check"
    assert catalogue.check_one(row).checked
    catalogue.look_at_bucket(whole=True)
    assert Backup.objects.get(key=key).checked


# --- in a terminal ------------------------------------------------------------------------------------


def test_a_failed_backup_prints_what_is_known(account: Account, team: FakePool) -> None:
    account.store.fail("open", Cause.DENIED, nth=2, times=9, message="Denied.")
    status, found = ask("backup", "--pool", "team-production")
    assert status == 1
    assert set(found) == {
        *("key", "pool_id", "users", "groups", "state", "checked", "seconds"),
        *("job", "error"),
    }
    assert (found["users"], found["checked"], found["seconds"]) == (3, False, 0.0)
    assert "could not be read back" in found["error"]
    team.gone = True
    account.silent = True
    status, found = ask("backup", "--pool", "team-production")
    assert status == 1
    assert set(found) == {"pool_id", "job", "error"}


def test_a_pool_that_is_not_listed_is_asked_by_its_id(account: Account, team: FakePool) -> None:
    account.silent = True
    Pool.objects.all().delete()
    status, found = ask("backup", "--pool", "team-production")
    assert (status, found["error"]) == (1, "AWS did not list the pools: AWS did not answer.")
    status, found = ask("backup", "--pool", team.pool_id)
    assert (status, found["users"]) == (0, 3)

    team.gone = True
    status, found = ask("backup", "--pool", team.pool_id)
    assert (status, found["error"]) == (1, "AWS did not list the pools: AWS did not answer.")
    assert Pool.objects.get().presence == Pool.Presence.GONE


def test_a_pool_that_was_seen_before_will_do_while_aws_does_not_list(
    account: Account, team: FakePool
) -> None:
    account.silent = True
    status, found = ask("backup", "--pool", "team-production")
    assert (status, found["pool_id"]) == (0, team.pool_id)


def test_pools_are_those_of_the_settings(account: Account, team: FakePool, settings: Settings) -> None:
    Pool.objects.create(region="eu-central-1", pool_id="eu-central-1_Old", name="old", presence="there")
    status, found = ask("pools")
    assert (status, [row["id"] for row in found["pools"]]) == (0, [team.pool_id])
    account.silent = True
    Pool.objects.all().delete()
    status, found = ask("pools")
    assert (status, found["pools"]) == (1, [])
    assert found["error"] == "AWS did not list the pools: AWS did not answer."


def test_whatever_fails_is_one_sentence(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(catalogue, "look_at_pools", broken)
    status, found = ask("pools")
    assert (status, found["error"]) == (1, "The command itself failed (RuntimeError: out of order).")


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("Paused. Nobody was created.", "Job {}: Paused. Nobody was created."),
        ("Paused: look at it.", "Job {}: Paused: look at it."),
        ("Denied.", "Job {}: Paused. Denied."),
    ],
)
def test_a_jobs_end_is_said_once(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch, sentence: str, said: str
) -> None:
    job = actions.start_backup(IVA, account.row(team))

    def pause(job: Job, report: JobReport) -> Any:
        return Ended(State.PAUSED, sentence)

    monkeypatch.setattr(runner, "WORK", {Job.Kind.BACKUP: pause})
    out = io.StringIO()
    command = terminal.Command(stdout=out)
    command.as_json = False
    command.run(job)
    assert out.getvalue().splitlines()[0] == said.format(job.pk)
