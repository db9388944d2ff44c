"""Keep: a backup copied out of expiry, what then stands in the list, and when Keep is off."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from backups import actions, catalogue, runner, seal, storage, wiring
from backups.core.expiry import Rule
from backups.core.lifecycle import State
from backups.engine.ports import Cause, PortError
from backups.models import AuditEntry, Backup, Catalogue, Job
from backups.models.audit import Act
from tests.build import a_backup, a_file, an_entry
from tests.fakes import FakePool, FakeStore
from tests.jobs.conftest import IVA, Account

NAME = "team-production"
KEY = f"2026-11-22.01-00-00/{NAME}"
COPY = f"_cognito-admin/kept/{KEY}"
CBR = f"2026-11-21.01-00-00/{NAME}"


@pytest.fixture
def reports(account: Account, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> FakeStore:
    """A bucket for what is kept, beside the backups'."""
    store = FakeStore("reports")
    settings.REPORTS_BUCKET = "reports"
    monkeypatch.setattr(wiring, "reports_store", lambda environment="production": store)
    return store


@pytest.fixture
def ours(account: Account, monkeypatch: pytest.MonkeyPatch) -> Backup:
    """Sealed by the settings' key, and a file of cbr's of the day before."""
    monkeypatch.setattr("tests.build.seal", seal.seal)
    pool = FakePool(name=NAME)
    pool.add("ada@uni.example", groups=["admins"])
    made = a_backup(account.store, pool, key=KEY)
    assert made.manifest.users == 1
    account.store.plant(f"{CBR}/data.json", a_file([an_entry()]))
    catalogue.look_at_bucket(whole=True)
    return Backup.objects.get(key=KEY)


def run(job: Job) -> Job:
    runner.run(job.pk)
    job.refresh_from_db()
    return job


def kept(backup: Backup) -> Job:
    job = run(actions.start_keep(IVA, backup))
    assert job.state == State.DONE, job.sentence
    return job


def lose(store: FakeStore, key: str) -> None:
    """As a lifecycle rule does it."""
    for one in [one for one in store.keys if one.startswith(f"{key}/")]:
        store.delete(one)


# --- keeping ------------------------------------------------------------------------------------------


def test_a_backup_is_kept_read_back_noted_and_audited(reports: FakeStore, ours: Backup) -> None:
    job = kept(ours)
    ours.refresh_from_db()
    assert ours.kept_as == COPY
    assert f"copied to reports/{COPY}/, read back and found the same." in job.sentence
    assert (job.kind, job.queue, job.result["objects"], job.result["key"]) == ("keep", "read", 4, KEY)
    asked = AuditEntry.objects.get(act=Act.KEEP_ASKED)
    assert asked.details == {"key": KEY, "bucket": "reports"}
    ended = AuditEntry.objects.get(act=Act.BACKUP_KEPT)
    assert (ended.result, ended.details["key"], ended.details["kept_as"]) == ("done", KEY, COPY)
    assert len(ended.details["sha256"]) == 64
    assert f"{COPY}/checked.json" in reports.keys


def test_a_list_of_users_alone_is_kept_with_its_hash(
    account: Account, reports: FakeStore, ours: Backup
) -> None:
    job = kept(Backup.objects.get(key=CBR))
    assert job.sentence.startswith("1 object was copied")
    assert [key.rpartition("/")[2] for key in reports.keys] == ["checked.json", "data.json"]
    note = json.loads(reports.read(f"_cognito-admin/kept/{CBR}/checked.json"))
    assert len(job.result["sha256"]) == 64 and note["sha256"] == job.result["sha256"]
    assert note["size"] == len(account.store.read(f"{CBR}/data.json"))
    again = kept(Backup.objects.get(key=CBR))
    assert (again.result["there_before"], len(reports.keys)) == (1, 2)


def test_keeping_it_again_finds_it_there(reports: FakeStore, ours: Backup) -> None:
    kept(ours)
    before = {key: len(versions) for key, versions in reports.objects.items()}
    assert kept(ours).result["there_before"] == 4
    assert {key: len(versions) for key, versions in reports.objects.items()} == before


def test_a_copy_that_was_cut_short_is_gone_on_with(reports: FakeStore, ours: Backup) -> None:
    reports.fail("put", Cause.DENIED, nth=3, message="Denied.")
    job = run(actions.start_keep(IVA, ours))
    assert job.state == State.FAILED
    assert job.sentence.startswith("Denied. The original is as it was.")
    ours.refresh_from_db()
    assert ours.kept_as == ""
    catalogue.look_at_bucket(whole=False)
    half = Backup.objects.get(key=COPY)
    assert (half.state, half.suggested) == ("incomplete", False)

    assert kept(ours).result["there_before"] == 2
    catalogue.look_at_bucket(whole=False)
    assert not Backup.objects.filter(key=COPY).exists(), "now it is the copy of one that stands"


def test_bytes_that_changed_since_are_not_kept(account: Account, reports: FakeStore, ours: Backup) -> None:
    data = account.store.read(ours.data_key)
    account.store.plant(ours.data_key, data.replace(b"ada", b"eve"))
    job = run(actions.start_keep(IVA, ours))
    assert (job.state, COPY + "/manifest.json" in reports.keys) == (State.FAILED, False)
    assert "data.json is not what its manifest says" in job.sentence


# --- when it is off -----------------------------------------------------------------------------------


def refused(backup: Backup) -> str:
    with pytest.raises(actions.Refused) as told:
        actions.start_keep(IVA, backup)
    assert not Job.objects.exists()
    return str(told.value)


def test_without_a_bucket_it_is_off(ours: Backup) -> None:
    assert "REPORTS_BUCKET names no bucket" in refused(ours)
    assert "REPORTS_BUCKET names no bucket" in storage.keeping("production")


@pytest.mark.parametrize("prefix", ["", "_cognito-admin/", "_cognito-admin/kept/2026"])
def test_where_a_rule_would_eat_the_copy_it_is_off(reports: FakeStore, ours: Backup, prefix: str) -> None:
    reports.lifecycle = (Rule("ninety", prefix, days=90),)
    assert "the lifecycle rule ninety of reports reaches _cognito-admin/kept/" in refused(ours)
    assert "ninety" in storage.keeping("production")
    reports.lifecycle = (Rule("logs", "logs/", days=90),)
    kept(ours)
    assert storage.keeping("production") == ""


def test_a_rule_that_came_after_the_asking_ends_the_job(reports: FakeStore, ours: Backup) -> None:
    job = actions.start_keep(IVA, ours)
    reports.lifecycle = (Rule("ninety", days=90),)
    run(job)
    assert (job.state, reports.keys) == (State.FAILED, [])
    assert "ninety" in job.sentence


def test_rules_that_are_not_told_do_not_stop_it_and_are_said(reports: FakeStore, ours: Backup) -> None:
    reports.fail("rules", Cause.DENIED, times=9, message="Denied.")
    job = kept(ours)
    assert job.sentence.endswith("Whether a rule of that bucket ends the copy is not known. Denied.")


def test_a_bucket_that_does_not_answer_keeps_nothing(reports: FakeStore, ours: Backup) -> None:
    reports.fail("rules", Cause.UNREACHABLE, message="No answer.")
    assert refused(ours) == "No answer. Nothing was kept."


def test_what_cannot_be_used_is_not_kept(account: Account, reports: FakeStore, ours: Backup) -> None:
    account.store.plant(f"2026-11-20.01-00-00/{NAME}/data.json", b"[")
    catalogue.look_at_bucket(whole=True)
    assert "cannot be used" in refused(Backup.objects.get(state="unreadable"))


def test_one_job_keeps_a_backup_at_a_time(reports: FakeStore, ours: Backup) -> None:
    job = actions.start_keep(IVA, ours)
    with pytest.raises(actions.Refused, match=f"Job {job.pk} .* is keeping this backup already"):
        actions.start_keep(IVA, ours)


# --- in the list --------------------------------------------------------------------------------------


def test_a_copy_takes_the_originals_place_when_that_expires(
    account: Account, reports: FakeStore, ours: Backup, settings: Settings
) -> None:
    settings.ORIGIN_LATE_CHECK = True
    reports.clock.advance(40 * 86_400)  # it was copied long after it was made
    kept(ours)
    catalogue.look_at_bucket(whole=True)
    assert not Backup.objects.filter(key=COPY).exists()

    lose(account.store, KEY)
    catalogue.look_at_bucket(whole=True)
    copy = Backup.objects.get(key=COPY)
    assert not Backup.objects.filter(key=KEY).exists()
    assert (copy.pool_name, copy.state, copy.checked, copy.origin) == (NAME, "complete", True, "ours")
    assert (copy.users, copy.taken_at, copy.suggested) == (1, ours.taken_at, True)
    assert [user.email for user in catalogue.users_of(copy)] == ["ada@uni.example"]
    assert catalogue.note_one(COPY) == copy
    assert catalogue.check_one(copy).checked
    with pytest.raises(actions.Refused, match="a kept copy already"):
        actions.start_keep(IVA, copy)


def test_a_kept_copy_is_compared_and_planned_with_like_any_other(
    account: Account, reports: FakeStore, ours: Backup
) -> None:
    kept(ours)
    lose(account.store, KEY)
    catalogue.look_at_bucket(whole=True)
    pool = account.add(NAME)
    pool.add("bob@uni.example")
    compared = run(actions.start_compare(IVA, COPY, f"live:{pool.pool_id}"))
    assert compared.state == State.DONE, compared.sentence
    planned = run(actions.plan_restore(IVA, COPY, account.row(pool)))
    assert planned.state == State.PLANNED, planned.sentence
    assert b"".join(actions.open_part(IVA, Backup.objects.get(key=COPY), "data.json")) == reports.read(
        f"{COPY}/data.json"
    )


def test_kept_copies_are_found_again_from_the_bucket_alone(
    account: Account, reports: FakeStore, ours: Backup
) -> None:
    kept(ours)
    cbr = Backup.objects.get(key=CBR)
    kept(cbr)
    lose(account.store, CBR)
    Backup.objects.all().delete()
    Catalogue.objects.all().delete()
    catalogue.look_at_bucket(whole=True)
    assert dict(Backup.objects.values_list("key", "kept_as")) == {
        KEY: COPY,
        f"_cognito-admin/kept/{CBR}": "",
    }
    assert Backup.objects.get(key__endswith=CBR).made_by == "cbr"


def test_a_kept_upload_stays_an_upload(account: Account, reports: FakeStore) -> None:
    upload = actions.upload(IVA, "old.json", io.BytesIO(a_file([an_entry()])))
    kept(upload)
    lose(account.store, upload.key)
    catalogue.look_at_bucket(whole=True)
    copy = Backup.objects.get()
    assert copy.key == f"_cognito-admin/kept/{upload.key}"
    assert (copy.pool_name, copy.made_by, copy.title, copy.users) == ("", "upload", "old.json", 1)


def test_a_copy_that_goes_leaves_no_note_and_no_row(
    account: Account, reports: FakeStore, ours: Backup
) -> None:
    kept(ours)
    lose(reports, COPY)
    catalogue.look_at_bucket(whole=False)
    ours.refresh_from_db()
    assert ours.kept_as == ""

    kept(ours)
    lose(account.store, KEY)
    catalogue.look_at_bucket(whole=True)
    assert Backup.objects.get(key=COPY).suggested
    lose(reports, COPY)
    catalogue.look_at_bucket(whole=False)
    assert [(row.key, row.suggested) for row in Backup.objects.all()] == [(CBR, True)]


def test_when_the_original_is_spoilt_its_copy_is_a_row_of_its_own(
    account: Account, reports: FakeStore, ours: Backup
) -> None:
    kept(ours)
    account.store.delete(f"{KEY}/groups.json")
    catalogue.look_at_bucket(whole=True)
    assert Backup.objects.get(key=KEY).state == "unreadable"
    assert (Backup.objects.get(key=COPY).state, Backup.objects.get(key=KEY).kept_as) == ("complete", "")


def test_something_else_under_a_copys_key_is_no_copy(
    account: Account, reports: FakeStore, ours: Backup
) -> None:
    other = FakePool(name=NAME)
    other.add("eve@uni.example", groups=["admins"])
    a_backup(reports, other, key=COPY)
    reports.plant(f"_cognito-admin/kept/{CBR}/data.json", a_file([an_entry("eve@uni.example"), an_entry()]))
    catalogue.look_at_bucket(whole=True)
    assert set(Backup.objects.exclude(kept_as="").values_list("key", flat=True)) == set()
    assert Backup.objects.filter(key__startswith="_cognito-admin/kept/").count() == 2


@pytest.mark.parametrize("key", [KEY, CBR])
def test_bytes_that_nobody_read_are_no_kept_copy(
    account: Account, reports: FakeStore, ours: Backup, key: str
) -> None:
    """Sizes, a manifest and the original's own check are anybody's to copy."""
    actions.check_backup(IVA, ours)
    copy = f"_cognito-admin/kept/{key}"
    for name in [name for name in account.store.keys if name.startswith(key)]:
        data = account.store.read(name)
        reports.plant(f"_cognito-admin/kept/{name}", data.replace(b"ada@", b"eve@"))
    catalogue.look_at_bucket(whole=True)
    original, planted = Backup.objects.get(key=key), Backup.objects.get(key=copy)
    assert (original.kept_as, planted.checked) == ("", False)

    job = run(actions.start_keep(IVA, original))
    assert job.state == State.FAILED and "holds other bytes already" in job.sentence
    for name in [name for name in account.store.keys if name.startswith(key)]:
        reports.objects.pop(f"_cognito-admin/kept/{name}")
        reports.plant(f"_cognito-admin/kept/{name}", account.store.read(name))
    catalogue.look_at_bucket(whole=True)
    assert Backup.objects.get(key=key).kept_as == "", "the same bytes, and nobody read them"
    kept(original)
    catalogue.look_at_bucket(whole=True)
    assert Backup.objects.get(key=key).kept_as == copy
    assert not Backup.objects.filter(key=copy).exists()


@pytest.mark.parametrize("key", [KEY, CBR])
def test_a_copy_whose_bytes_were_put_again_is_no_copy_until_it_is_kept_again(
    reports: FakeStore, ours: Backup, key: str
) -> None:
    original = Backup.objects.get(key=key)
    kept(original)
    catalogue.look_at_bucket(whole=False)
    copy = f"_cognito-admin/kept/{key}"
    data = reports.read(f"{copy}/data.json")
    reports.clock.advance(5)
    reports.plant(f"{copy}/data.json", data.replace(b"ada@", b"eve@"))
    catalogue.look_at_bucket(whole=False)
    assert Backup.objects.get(key=key).kept_as == ""
    reports.clock.advance(5)
    reports.plant(f"{copy}/data.json", data)
    kept(original)
    catalogue.look_at_bucket(whole=False)
    assert Backup.objects.get(key=key).kept_as == copy
    assert f"{copy}/checked-2.json" in reports.keys


def test_a_kept_list_of_users_is_read_when_its_original_is_gone(
    account: Account, reports: FakeStore, ours: Backup
) -> None:
    kept(Backup.objects.get(key=CBR))
    lose(account.store, CBR)
    catalogue.look_at_bucket(whole=True)
    copy = Backup.objects.get(key=f"_cognito-admin/kept/{CBR}")
    assert (copy.state, copy.checked, copy.made_by) == ("users-only", False, "cbr")
    assert [user.email for user in catalogue.users_of(copy)] == ["ada@uni.example"]


def test_a_damaged_manifest_under_a_copys_key_is_no_copy(reports: FakeStore, ours: Backup) -> None:
    kept(ours)
    Backup.objects.update(kept_as="")
    reports.plant(f"{COPY}/manifest.json", b"{")
    catalogue.look_at_bucket(whole=True)
    assert Backup.objects.get(key=COPY).state == "unreadable"


def test_a_reports_bucket_that_is_silent_changes_nothing_and_is_said(
    account: Account, reports: FakeStore, ours: Backup
) -> None:
    kept(ours)
    reports.fail("list", Cause.UNREACHABLE, message="No answer.")
    catalogue.look_at_bucket(whole=True)
    ours.refresh_from_db()
    assert (ours.kept_as, storage.kept_why(), Catalogue.row().problem) == (COPY, "No answer.", "")
    catalogue.look_at_bucket(whole=False)
    assert storage.kept_why() == ""


def test_without_the_setting_the_copies_are_out_of_reach(
    reports: FakeStore, ours: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(ours)
    monkeypatch.setattr(wiring, "reports_store", lambda environment="production": None)
    catalogue.look_at_bucket(whole=False)
    ours.refresh_from_db()
    assert ours.kept_as == ""
    with pytest.raises(PortError, match="REPORTS_BUCKET names no bucket"):
        catalogue.store_of(Backup(key=COPY, pool_name=NAME))


def test_the_copy_of_one_that_stands_is_that_one(reports: FakeStore, ours: Backup) -> None:
    kept(ours)
    assert catalogue.note_one(COPY) == ours
    assert catalogue.note_one(f"{COPY}/data.json") == ours


# --- in a terminal ------------------------------------------------------------------------------------


def ask(*command: str) -> tuple[int, dict[str, Any]]:
    out, status = io.StringIO(), 0
    try:
        call_command(*command, "--json", stdout=out, stderr=io.StringIO())
    except SystemExit as end:
        status = int(end.code or 0)
    except CommandError as error:
        status = error.returncode
    return status, json.loads(out.getvalue().splitlines()[-1])


def test_keep_in_a_terminal(reports: FakeStore, ours: Backup) -> None:
    status, found = ask("keep", KEY)
    assert (status, found["kept_as"], found["objects"]) == (0, COPY, 4)
    reports.lifecycle = (Rule("ninety", days=90),)
    status, found = ask("keep", KEY)
    assert status == 1
    assert "ninety" in found["error"]
    assert ask("keep", f"2020-01-01.00-00-00/{NAME}")[0] == 2


def test_the_list_in_a_terminal_says_until_when(account: Account, reports: FakeStore, ours: Backup) -> None:
    kept(ours)
    account.store.lifecycle = (Rule("ninety", days=90),)
    catalogue.look_at_bucket(whole=True)
    out = io.StringIO()
    call_command("backups", stdout=out)
    lines = {line.split()[0]: line for line in out.getvalue().splitlines()}
    assert " kept " in lines[KEY]
    assert " 2027-02-" in lines[CBR]
    found = {row["key"]: row for row in ask("backups")[1]["backups"]}
    assert (found[KEY]["kept_as"], found[CBR]["expires_at"][:8]) == (COPY, "2027-02-")
    account.store.lifecycle = (Rule("ninety", days=90, tags=("a=b",)),)
    catalogue.look_at_bucket(whole=True)
    out = io.StringIO()
    call_command("backups", stdout=out)
    assert " may go 2027-02-" in out.getvalue()
