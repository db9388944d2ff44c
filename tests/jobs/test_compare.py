"""A comparison job on a real database: what it keeps, and what it says of sides that are not whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError
from django.utils import timezone

from backups import actions, runner
from backups.core.lifecycle import State
from backups.engine.ports import Cause, PortError
from backups.models import Backup, Difference, Item, Job
from backups.runner import compare as comparing
from backups.runner import differences
from backups.templatetags.comparison import security, verdict
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


def test_of_each_kind_some_are_listed(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(differences, "LISTED", 2)
    backup = backed_up(account, team)
    for number in range(4):
        entry = team.get(f"person{number}@uni.example")
        assert entry
        team.entries[entry["Username"]]["Enabled"] = not entry["Enabled"]
    team.remove("person4@uni.example")
    kinds = compared(backup.key, live(team)).differences.values_list("kind", flat=True)
    assert sorted(kinds) == ["changed", "changed", "only_from"]


def test_a_worker_that_lost_its_lease_lists_nobody(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = backed_up(account, team)
    team.remove("person5@uni.example")
    job = actions.start_compare(IVA, backup.key, live(team))
    settings_of, others = comparing._settings, list[Job | None]()

    def stalled(*given: Any) -> Any:
        if not others:  # it stands still here, its lease runs out, and the next one does all of it
            others.append(None)
            Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=60))
            others[0] = runner.run(job.pk)
        return settings_of(*given)

    monkeypatch.setattr(comparing, "_settings", stalled)
    runner.run(job.pk)
    job.refresh_from_db()
    assert others[0] and others[0].state == State.DONE == job.state
    assert job.result["listed"] == job.differences.count() == 1


def test_a_comparison_that_ends_early_keeps_nobodys_data(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = backed_up(account, team)
    team.remove("person5@uni.example")
    monkeypatch.setattr(differences, "BATCH", 1)

    def broken(*_: Any) -> Any:
        assert Difference.objects.count() == 1
        raise PortError("No.", Cause.UNREACHABLE)

    monkeypatch.setattr(comparing, "_settings", broken)
    job = run(actions.start_compare(IVA, backup.key, live(team)))
    assert job.state == State.FAILED and Difference.objects.count() == 0


def test_of_a_pool_that_is_gone_the_groups_are_no_changes(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    team.gone = True
    job = compared(backup.key, live(team))
    assert (job.result["security"], job.result["listed"]) == ({}, 0)
    assert numbers(job, "groups") == {"only_from": 1} and job.result["to"]["gone"]
    found = verdict(job.result)
    assert found.headline.endswith("The whole backup is only in A: 6 users")
    assert not any("group" in sentence for sentence in found.rest)


def test_of_a_pool_that_was_emptied_changed_groups_are_listed(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    for number in range(6):
        team.remove(f"person{number}@uni.example")
    team.group_rows["admins"] = replace(team.group_rows["admins"], role_arn="arn:aws:iam::1:role/other")
    job = compared(backup.key, live(team))
    assert job.result["whole"] == "from" and job.result["security"] == {"role": 1}
    assert [row.of for row in job.differences.all()] == ["group"]
    assert "1 group differs." in verdict(job.result).rest


def test_settings_that_could_not_be_read_are_not_the_same(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    team.setting_errors["mfa"] = "AccessDeniedException"
    found = verdict(compared(backup.key, live(team)).result)
    assert found.tone == "idle" and found.rest == (
        "Groups, memberships and the pool settings that were compared are the same.",
        "1 pool setting could not be compared.",
    )


def test_whom_our_restores_made_are_matched_by_the_ledger_also_after_two(
    account: Account, team: FakePool
) -> None:
    backup = backed_up(account, team)
    entry = team.get("person5@uni.example")
    assert entry
    old = entry["Username"]  # which is the sub here
    team.remove("person5@uni.example")
    new = team.add("lovelace@uni.example", name="Person 5", created=_later(backup))["Username"]
    for number, (before, after) in enumerate([(old, "in-between"), ("in-between", new)]):
        restore = Job.objects.create(kind=Job.Kind.RESTORE, queue="write", state=State.DONE)
        Item.objects.create(
            job=restore,
            key=before,
            position=number,
            new_sub=after,
            intended_at=timezone.now(),
            action="create",
        )
    row = compared(backup.key, live(team)).differences.get()
    assert (row.kind, row.matched_by, row.more["username"]) == ("anew", "restore", new)


def test_what_no_database_keeps_is_kept_all_the_same(account: Account, team: FakePool) -> None:
    """A NUL, and texts of any length: of files that other tools wrote."""
    backup = backed_up(account, team)
    key = f"2026-11-20.01-00-00/{team.name}"
    odd = an_entry("a" * 3_000 + "@x.io", name="A\0da", created="\0")
    account.store.plant(f"{key}/data.json", a_file([*team.entries.values(), odd, {**odd, "Username": "b"}]))
    actions.rebuild_catalogue(IVA)
    job = compared(key, backup.key)
    row = job.differences.get()
    assert (row.kind, len(row.label)) == ("only_from", 2_100) and "a\N{SYMBOL FOR NULL}da" in row.search
    assert numbers(job)["from"] == job.result["from"]["users"] == 7, "who comes twice is counted once"


def test_what_the_database_refuses_ends_a_job_instead_of_beginning_it_for_ever(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = backed_up(account, team)

    def refused(*_: Any) -> Any:
        raise DataError("invalid byte sequence")

    monkeypatch.setattr(comparing, "_settings", refused)
    job = run(actions.start_compare(IVA, backup.key, live(team)))
    assert job.state == State.FAILED and job.sentence.startswith("The database does not take what was found.")


def test_the_fields_of_a_strange_file_do_not_fill_the_page(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "FIELDS", 2)
    backup = backed_up(account, team)
    entries = [dict(entry) for entry in team.entries.values()]
    for number, entry in enumerate(entries):
        more = [{"Name": f"custom:{n}", "Value": "x"} for n in range(number)]
        entry["Attributes"] = [*entry["Attributes"], *more]
    key = f"2026-11-20.01-00-00/{team.name}"
    account.store.plant(f"{key}/data.json", a_file(entries))
    actions.rebuild_catalogue(IVA)
    assert compared(key, backup.key).result["fields"] == {"custom:0": 5, "custom:1": 4}


def test_a_file_is_compared_on_its_own_host_and_on_no_other(
    account: Account, team: FakePool, tmp_path: Any, sent: list[int]
) -> None:
    backup = backed_up(account, team)
    file = tmp_path / "users.json"
    file.write_bytes(a_file([an_entry("x@uni.example")]))
    job = actions.start_compare(IVA, f"file:{file}", backup.key)
    runner.take(job.pk)
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=60))
    sent.clear()
    runner.sweep()
    job.refresh_from_db()
    assert (job.state, sent) == (State.PAUSED, []) and "on that host, where its file is" in job.sentence


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
