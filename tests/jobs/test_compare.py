"""A comparison job on a real database: what it keeps, and what it says of sides that are not whole."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from backups import actions
from backups.core.lifecycle import State
from backups.engine.ports import Cause
from backups.models import Backup, Difference, Job
from backups.runner import differences
from backups.templatetags.comparison import security
from tests.build import a_file, an_entry
from tests.fakes import FakePool
from tests.jobs.conftest import IVA, Account
from tests.jobs.test_runner import run


@pytest.fixture
def team(account: Account) -> FakePool:
    """Six people; the first two are in a group with a role, the third cannot sign in."""
    pool = account.add()
    for number in range(6):
        groups = ["admins"] if number < 2 else ()
        pool.add(f"person{number}@uni.example", name=f"Person {number}", groups=groups, enabled=number != 2)
    admins = pool.group_rows["admins"]
    pool.setting_values["mfa"] = {"MfaConfiguration": "OFF"}
    pool.group_rows["admins"] = type(admins)("admins", "who may", 1, "arn:aws:iam::123456789012:role/admins")
    return pool


def backed_up(account: Account, pool: FakePool) -> Backup:
    job = run(actions.start_backup(IVA, account.row(pool)))
    assert job.state == State.DONE, job.sentence
    return Backup.objects.get(key=job.result["key"])


def compared(from_: str, to: str, **how: Any) -> Job:
    job = run(actions.start_compare(IVA, from_, to, **how))
    assert job.state == State.DONE, job.sentence
    return job


def live(pool: FakePool) -> str:
    return f"live:{pool.pool_id}"


def numbers(job: Job, of: str = "users") -> dict[str, int]:
    """Without those that are zero."""
    return {name: number for name, number in job.result[of].items() if number}


def test_everything_that_differs_is_kept_and_what_is_the_same_is_counted(
    account: Account, team: FakePool
) -> None:
    backup = backed_up(account, team)
    team.remove("person5@uni.example")
    team.add("new@uni.example", name="New")
    team.entries[team.get("person2@uni.example")["Username"]]["Enabled"] = True  # type: ignore[index]
    team.memberships["admins"].add(team.get("person3@uni.example")["Username"])  # type: ignore[index]
    team.setting_values["mfa"] = {"MfaConfiguration": "ON"}
    job = compared(backup.key, live(team))
    expected = {"from": 6, "to": 6, "same": 3, "changed": 2, "only_from": 1, "only_to": 1}
    assert numbers(job) == expected
    assert numbers(job, "groups") == {"same": 1} and numbers(job, "memberships") == {"same": 2, "only_to": 1}
    assert numbers(job, "settings")["changed"] == 1 and job.result["unread"] == []
    assert [code for code, _ in security(job.result)] == ["privileged", "enabled", "mfa"]
    assert job.result["security"] == {"privileged": 1, "enabled": 1, "mfa": 1}
    assert job.result["fields"] == {"Enabled": 1, "groups": 1}
    rows = Difference.objects.filter(job=job)
    assert job.result["listed"] == rows.count() == 5
    assert {(row.of, row.kind, row.label): row.security for row in rows} == {
        ("user", "changed", "person2@uni.example"): "\nenabled\n",
        ("user", "changed", "person3@uni.example"): "\nprivileged\n",
        ("user", "only_from", "person5@uni.example"): "",
        ("user", "only_to", "new@uni.example"): "",
        ("setting", "changed", rows.get(of="setting").label): "\nmfa\n",
    }
    assert rows.get(security="\nenabled\n").names == "\nEnabled\n"
    assert job.result["to"]["live"] and job.result["to"]["pool_id"] == team.pool_id


def test_a_pool_that_is_gone_leaves_the_whole_backup_and_not_a_row(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    team.gone = True
    job = compared(backup.key, live(team))
    assert job.result["whole"] == "from" and job.result["to"]["gone"]
    assert numbers(job) == {"from": 6, "only_from": 6} and numbers(job, "memberships") == {"only_from": 2}
    assert numbers(job, "groups") == {"only_from": 1} and job.result["settings"] is None
    assert Difference.objects.count() == 0
    assert any("does not exist" in note for note in job.result["notes"])


def test_a_pool_that_does_not_answer_is_not_a_pool_that_is_gone(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    team.fail("facts", Cause.DENIED)
    job = run(actions.start_compare(IVA, backup.key, live(team)))
    assert (job.state, job.result) == (State.FAILED, {}) and Difference.objects.count() == 0


def test_users_only_against_a_whole_backup_does_not_know_the_groups(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    key = f"2026-11-20.01-00-00/{team.name}"
    entries = [entry for entry in team.entries.values()]
    account.store.plant(f"{key}/data.json", a_file(entries[:5]))
    actions.rebuild_catalogue(IVA)
    job = compared(key, backup.key)
    assert job.result["groups"] is job.result["memberships"] is job.result["settings"] is None
    assert numbers(job) == {"from": 5, "to": 6, "same": 5, "only_to": 1}
    assert any("unknown" in note for note in job.result["notes"])


def test_whom_a_restore_made_is_the_same_person_and_whoever_registered_again_perhaps_not(
    account: Account, team: FakePool
) -> None:
    backup = backed_up(account, team)
    for number in (4, 5):
        team.remove(f"person{number}@uni.example")
    team.clock.sleep(60)
    team.add("person5@uni.example", name="Person 5", created=_later(backup))
    again = team.add("person4@uni.example", name="Stranger", created=_later(backup))
    job = compared(backup.key, live(team))
    assert numbers(job) == {"from": 6, "to": 6, "same": 4, "again": 2}
    row = Difference.objects.get(label="person4@uni.example")
    assert (row.kind, row.matched_by, row.more["username"]) == ("again", "email", again["Username"])
    assert row.more.keys() == {"sub", "username", "status", "created"}


def _later(backup: Backup) -> str:
    return (backup.taken_at + timedelta(hours=1)).isoformat()


def test_dates_are_compared_on_request(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    for entry in team.entries.values():
        entry["UserLastModifiedDate"] = _later(backup)
    assert numbers(compared(backup.key, live(team)))["same"] == 6
    job = compared(backup.key, live(team), dates=True)
    assert job.result["fields"] == {"UserLastModifiedDate": 6} and job.result["dates"]


def test_a_pool_that_changes_while_it_is_read_is_said_to(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    next(iter(team.entries.values()))["UserLastModifiedDate"] = "2999-01-01T00:00:00.000Z"
    team.memberships["admins"].add("nobody-of-the-list")
    job = compared(backup.key, live(team))
    assert job.result["to"]["changing"] == 1
    assert any("1 person is known to have changed" in note for note in job.result["notes"])
    assert any("in no list of users" in note for note in job.result["notes"])


def test_no_more_rows_than_anybody_reads(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(differences, "LISTED", 3)
    backup = backed_up(account, team)
    for number in range(5):
        team.remove(f"person{number}@uni.example")
    job = compared(backup.key, live(team))
    assert job.result["users"]["only_from"] == 5 and Difference.objects.filter(of="user").count() == 3
    assert any("one by one at most" in note for note in job.result["notes"])


def test_damaged_settings_do_not_hide_the_users(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    whole = b"".join(account.store.open(f"{backup.key}/pool.json"))
    account.store.plant(f"{backup.key}/pool.json", whole.replace(b"MfaConfiguration", b"MfaConfigurati0n"))
    job = compared(backup.key, live(team))
    assert job.result["settings"] is None and numbers(job)["same"] == 6
    [[name, side, why]] = job.result["unread"]
    assert (name, side) == ("pool.json", "from") and "pool.json" in why


def test_two_files_and_no_pool_to_ask(account: Account, tmp_path: Any) -> None:
    for name, sub, email in (("a", "1", "Ada@x.io"), ("b", "2", "ada@x.io")):
        (tmp_path / name).write_bytes(a_file([an_entry(email, sub=sub), an_entry("bob@x.io")]))
    job = compared(f"file:{tmp_path / 'a'}", f"file:{tmp_path / 'b'}")
    assert numbers(job) == {"from": 2, "to": 2, "same": 1, "anew": 1}
    assert any("read off the files" in note for note in job.result["notes"])
