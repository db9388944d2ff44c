"""A search for the last good backup as a job: what the catalogue and the index know is not read."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from backups import actions, catalogue, history, runner, seal
from backups.core import naming
from backups.core.lifecycle import State
from backups.engine.ports import Cause
from backups.models import AuditEntry, Backup, Event, Job
from backups.models.audit import Act
from tests.build import a_backup, a_file, an_entry
from tests.fakes import FakePool, FakeStore
from tests.jobs.conftest import IVA, Account

NAME = "team-production"
ONE, TWO = "eu-west-1_One", "eu-central-1_Two"
ADA = "ada@uni.example"


def key(day: int) -> str:
    return naming.key_of(datetime(2026, 6, 1, 1, tzinfo=UTC) + timedelta(days=day), NAME)


def days(account: Account, there: Sequence[bool]) -> None:
    """A backup of cbr's a day, with Ada and without; the catalogue knows them."""
    for day, with_her in enumerate(there):
        people = [an_entry("bob@uni.example"), *([an_entry(ADA)] if with_her else [])]
        account.store.plant(f"{key(day)}/data.json", a_file(people))
    catalogue.look_at_bucket(whole=True)


def ours(account: Account, monkeypatch: pytest.MonkeyPatch, *groups: Sequence[str]) -> None:
    """One of ours a day: the groups that Ada is in."""
    monkeypatch.setattr("tests.build.seal", seal.seal)
    for day, names in enumerate(groups):
        pool = FakePool(name=NAME)
        pool.add("bob@uni.example", groups=["admins"])
        pool.add(ADA, sub="sub-of-ada", groups=names)
        a_backup(account.store, pool, key=key(day))
    catalogue.look_at_bucket(whole=True)


def run(job: Job) -> Job:
    runner.run(job.pk)
    job.refresh_from_db()
    return job


def found(kind: str = "user", **asked: str) -> Job:
    asked = asked or {"name": ADA}
    job = run(actions.start_find(IVA, NAME, kind, **asked))
    assert job.state == State.DONE, job.sentence
    return job


def reads(store: FakeStore) -> int:
    return store.calls["open"]


def pair(job: Job) -> list[str]:
    return [job.result[side]["key"] for side in ("good", "bad")]


def test_the_pair_is_found_told_and_audited_with_the_name_masked(account: Account) -> None:
    days(account, [day < 11 for day in range(20)])
    before = reads(account.store)
    job = found()
    assert pair(job) == [key(10), key(11)]
    assert reads(account.store) - before == job.result["read"] <= 5
    assert job.sentence.startswith(
        "a••••@uni.example is in the backup of 2026-06-11 01:00 UTC "
        "and no longer in that of 2026-06-12 01:00 UTC."
    )
    assert (job.kind, job.queue, job.pool_name, job.pool_id) == ("find", "read", NAME, "")
    assert job.result["who"] == an_entry(ADA)["Username"]
    asked, ended = (AuditEntry.objects.get(act=act) for act in (Act.FIND_ASKED, Act.FIND_ENDED))
    assert (asked.result, asked.pool, asked.details["rule"]) == ("asked", NAME, "a••••@uni.example is there")
    assert (ended.result, ended.details["read"], ended.details["backups"]) == ("done", job.result["read"], 20)
    told = " ".join(json.dumps(data) for data in Event.objects.values_list("data", flat=True))
    assert "ada@" not in told + asked.body + ended.body + job.sentence + json.dumps(job.result)


def test_numbers_of_the_catalogue_are_not_read_and_one_that_lacks_it_is(account: Account) -> None:
    days(account, [True, True, False, False])
    before = reads(account.store)
    job = found("at-least", users="2")
    assert (pair(job), reads(account.store) - before) == ([key(1), key(2)], 0)
    assert (job.result["known"], job.result["read"], job.result["good"]["users"]) == (4, 0, 2)
    Backup.objects.filter(key__in=[key(1), key(2)]).update(users=None)
    job = found("at-least", users="2")
    assert (pair(job), job.result["known"], job.result["read"]) == ([key(1), key(2)], 2, 2)
    assert [job.result[side]["users"] for side in ("good", "bad")] == [2, 1], "counted as they were read"


def test_a_manifests_own_number_is_not_believed_before_it_was_read_back(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours(account, monkeypatch, ["a"], ["a"], ["a"])
    whole = account.store.read(f"{key(1)}/data.json")
    account.store.plant(f"{key(1)}/data.json", b"x" * len(whole))
    catalogue.look_at_bucket(whole=True)
    before = reads(account.store)
    job = found("at-least", users="2")
    assert reads(account.store) > before and job.result["answer"] == "everywhere"
    assert [at for at, _ in job.result["stepped_over"]] == ["2026-06-02T01:00:00+00:00"]


def test_another_user_under_the_same_address_is_told(account: Account) -> None:
    for day, sub in enumerate(["old", "old", "new"]):
        account.store.plant(f"{key(day)}/data.json", a_file([an_entry(ADA, sub=sub)]))
    catalogue.look_at_bucket(whole=True)
    for row in Backup.objects.all():
        assert history.index(row)
    job = found()
    assert (job.result["answer"], job.result["subs"]) == ("everywhere", 2)
    assert "It was not always the same user: 2 subs bore this name." in job.sentence
    assert "not always" not in found(name="old").sentence


def test_what_the_index_knows_is_not_read(account: Account) -> None:
    days(account, [day < 5 for day in range(8)])
    for row in Backup.objects.all():
        assert history.index(row)
    before = reads(account.store)
    job = found()
    assert (pair(job), job.result["known"], reads(account.store) - before) == ([key(4), key(5)], 8, 0)
    assert job.result["who"] == an_entry(ADA)["Username"]
    assert found(name="nobody@uni.example").result["answer"] == "nowhere"
    assert reads(account.store) == before


def test_flips_are_seen_in_the_index_and_the_newest_fall_is_offered(account: Account) -> None:
    days(account, [True, False, True, True, False])
    for row in Backup.objects.exclude(key=key(3)):
        assert history.index(row)
    before = reads(account.store)
    job = found()
    assert (pair(job), reads(account.store) - before) == ([key(3), key(4)], 1)
    assert (job.result["flips"], job.result["known"], job.result["read"]) == (3, 4, 1)
    assert "The answer changes 3 times between backups; the newest fall is shown." in job.sentence


def test_members_of_groups_come_from_the_index_where_it_knows_groups(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours(account, monkeypatch, ["admins"], ["admins"], [])
    account.store.plant(f"{key(3)}/data.json", a_file([an_entry(ADA)]))
    account.store.plant(f"{key(4)}/data.json", a_file([an_entry("bob@uni.example")]))
    catalogue.look_at_bucket(whole=True)
    asked = {"name": ADA, "group": "admins"}
    job = found("member", **asked)
    assert pair(job) == [key(1), key(2)]
    assert [at for at, _ in job.result["stepped_over"]] == [
        "2026-06-05T01:00:00+00:00",
        "2026-06-04T01:00:00+00:00",
    ]
    assert "users only" in job.result["stepped_over"][0][1]
    for row in Backup.objects.all():
        assert history.index(row)
    before = reads(account.store)
    job = found("member", **asked)
    assert (pair(job), reads(account.store) - before, job.result["who"]) == (
        [key(1), key(2)],
        0,
        "sub-of-ada",
    )
    assert (job.result["known"], job.result["over"]) == (4, 1), "who is not there is in no group either"


def test_of_several_who_bear_a_name_one_in_the_group_is_enough_with_the_index_and_without(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.build.seal", seal.seal)
    for day in range(4):
        pool = FakePool(name=NAME)
        pool.add(ADA, sub="native", groups=["admins"] if day < 2 else [])
        pool.entries["Google_1"] = an_entry(
            ADA, sub="a-federated", username="Google_1", status="EXTERNAL_PROVIDER"
        )
        a_backup(account.store, pool, key=key(day))
    catalogue.look_at_bucket(whole=True)
    asked = {"name": ADA, "group": "admins"}
    without = found("member", **asked)
    for row in Backup.objects.all():
        assert history.index(row)
    before = reads(account.store)
    known = found("member", **asked)
    assert (pair(known), known.result["who"]) == (pair(without), without.result["who"])
    assert (pair(known), known.result["who"]) == ([key(1), key(2)], "native")
    assert reads(account.store) == before
    assert found().result["answer"] == "everywhere"


@pytest.mark.parametrize(("case_sensitive", "answer"), [(True, "found"), (False, "everywhere")])
def test_of_two_spellings_the_index_gives_the_answer_of_the_files(
    account: Account, case_sensitive: bool, answer: str
) -> None:
    account.add(NAME, case_sensitive=case_sensitive)
    small, large = an_entry("", username="ada", sub="2"), an_entry("", username="Ada", sub="1")
    for day, people in enumerate(([small, large], [small])):
        account.store.plant(f"{key(day)}/data.json", a_file(people))
    catalogue.look_at_bucket(whole=True)
    read = found(name="Ada")
    history.rebuild(NAME)
    known = found(name="Ada")
    assert (known.result["answer"], known.result["read"], known.result["known"]) == (answer, 0, 2)
    assert (read.result["answer"], read.result["known"]) == (answer, 0)


def test_a_pool_that_tells_cases_apart_is_asked_and_the_index_is_not_believed(account: Account) -> None:
    account.add(NAME, case_sensitive=True)
    days(account, [True, False])
    for row in Backup.objects.all():
        assert history.index(row)
    assert found(name=ADA.upper()).result["answer"] == "nowhere"
    assert pair(found()) == [key(0), key(1)]


def test_what_cannot_be_used_is_named_and_the_future_and_what_is_being_made_are_left_out(
    account: Account,
) -> None:
    days(account, [True, False])
    account.store.plant(f"2026-06-01.13-00-00/{NAME}/data.json", b"[")
    account.store.plant(f"2036-06-01.13-00-00/{NAME}/data.json", a_file([an_entry(ADA)]))
    catalogue.look_at_bucket(whole=True)
    pool = account.add(NAME)
    making = actions.start_backup(IVA, account.row(pool))
    catalogue.reserve(making, datetime(2026, 6, 3, tzinfo=UTC))
    job = found()
    assert pair(job) == [key(0), key(1)]
    assert job.result["backups"] == 4
    assert job.result["stepped_over"][0][1] == "it is dated in the future"
    assert "Between these two lies 1 backup that cannot tell." in job.sentence


def two_pools(account: Account, monkeypatch: pytest.MonkeyPatch, *days: str) -> None:
    """A backup a day, of the pool ONE (Ada is in it), TWO (she never was), or of neither ("")."""
    monkeypatch.setattr("tests.build.seal", seal.seal)
    for day, pool_id in enumerate(days):
        if not pool_id:
            account.store.plant(f"{key(day)}/data.json", a_file([an_entry("carl@uni.example")]))
            continue
        pool = FakePool(pool_id, NAME)
        pool.add("bob@uni.example")
        if pool_id == ONE:
            pool.add(ADA)
        a_backup(account.store, pool, key=key(day))
    catalogue.look_at_bucket(whole=True)


@pytest.mark.parametrize("indexed", [False, True])
def test_of_two_pools_that_bear_a_name_at_once_a_search_is_about_one(
    account: Account, monkeypatch: pytest.MonkeyPatch, indexed: bool
) -> None:
    two_pools(account, monkeypatch, ONE, TWO, "", ONE, TWO, "")
    if indexed:
        history.rebuild()
    with pytest.raises(actions.Refused) as refused:
        actions.start_find(IVA, NAME, "user", name=ADA)
    assert str(refused.value) == (
        f"2 pools bear the name {NAME} at the same time: {TWO} and {ONE}. The backups of one say nothing of "
        "another: name the pool by its id. Nothing was started."
    )
    assert (refused.value.status, Job.objects.count()) == (400, 0)

    one = run(actions.start_find(IVA, ONE, "user", name=ADA))
    assert (one.pool_name, one.pool_id, one.result["answer"]) == (NAME, ONE, "everywhere")
    assert (one.result["backups"], one.result["over"]) == (4, 2)
    assert {why for _, why in one.result["stepped_over"]} == {"it does not say of which pool it is"}
    assert "still good in the newest that can tell, of 2026-06-04 01:00 UTC; 1 newer cannot tell." in (
        one.sentence
    )
    two = run(actions.start_find(IVA, TWO, "user", name=ADA))
    assert (two.result["answer"], two.result["backups"]) == ("nowhere", 4)
    assert AuditEntry.objects.filter(act=Act.FIND_ASKED).latest("pk").pool == f"{NAME} ({TWO})"
    assert command("--pool", ONE, "--user", ADA)["answer"] == "everywhere"
    with pytest.raises(CommandError) as ended:
        command("--pool", NAME, "--user", ADA)
    assert ended.value.returncode == 2


def test_a_second_pool_that_shows_while_a_search_waits_fails_it(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_pools(account, monkeypatch, ONE, ONE, TWO)
    job = actions.start_find(IVA, NAME, "user", name=ADA)
    a_backup(account.store, FakePool(ONE, NAME), key=key(3))
    catalogue.look_at_bucket(whole=True)
    job = run(job)
    assert (job.state, job.result) == (State.FAILED, {})
    assert job.sentence.endswith("name the pool by its id. Nothing was read.")


def test_a_pool_made_again_under_its_name_stays_one_search_and_the_pair_says_both_ids(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_pools(account, monkeypatch, ONE, "", ONE, TWO, TWO)
    Backup.objects.filter(key=key(1)).delete()
    job = found()
    assert pair(job) == [key(2), key(3)]
    assert [job.result[side]["pool_id"] for side in ("good", "bad")] == [ONE, TWO]
    note = f"The two are of pools made one after the other under this name: {ONE} and then {TWO}."
    assert note in job.sentence
    said = command("--pool", NAME, "--user", ADA)["stderr"]
    assert f"Last good: {key(2)}, 2 users, of {ONE}" in said
    assert f"First not good: {key(3)}, 1 user, of {TWO}" in said


@pytest.mark.parametrize(
    ("case_sensitive", "error", "answer"),
    [(True, False, "nowhere"), (False, False, "everywhere"), (True, True, "everywhere")],
)
def test_the_pool_of_the_id_says_how_it_tells_users_apart_and_without_an_answer_cases_are_folded(
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
    case_sensitive: bool,
    error: bool,
    answer: str,
) -> None:
    other = account.add(NAME, case_sensitive=not case_sensitive)
    pool = account.add(NAME, case_sensitive=case_sensitive)
    monkeypatch.setattr("tests.build.seal", seal.seal)
    pool.add(ADA)
    other.add(ADA)
    for day, each in enumerate((pool, other, pool)):
        a_backup(account.store, each, key=key(day))
    catalogue.look_at_bucket(whole=True)
    if error:
        pool.fail("facts", Cause.UNREACHABLE)
    job = run(actions.start_find(IVA, pool.pool_id, "user", name=ADA.upper()))
    assert job.result["answer"] == answer


def test_a_live_pool_without_a_backup_may_be_named_by_its_id(account: Account) -> None:
    pool = account.add(NAME)
    job = run(actions.start_find(IVA, account.row(pool).pool_id, "user", name=ADA))
    assert (job.pool_name, job.sentence) == (NAME, f"There is no backup of {NAME} ({pool.pool_id}).")


def test_nothing_to_look_at_is_an_answer(account: Account) -> None:
    account.add(NAME)
    job = found()
    assert (job.result["answer"], job.sentence) == ("none", f"There is no backup of {NAME}.")


def test_a_bucket_that_does_not_answer_fails_the_job_and_says_what_is_true(account: Account) -> None:
    days(account, [True, False])
    account.store.fail("open", Cause.UNREACHABLE, message="S3 did not answer.")
    job = run(actions.start_find(IVA, NAME, "user", name=ADA))
    assert (job.state, job.result) == (State.FAILED, {})
    assert job.sentence == "S3 did not answer. Nothing was changed; ask again when AWS answers."


@pytest.mark.parametrize(
    ("pool", "kind", "asked", "why"),
    [
        (NAME, "at-least", {"users": "0"}, "a whole number from 1 to 1,000,000,000"),
        (NAME, "user", {"name": " "}, "Name the user"),
        ("elsewhere", "user", {"name": ADA}, "No pool elsewhere is known here"),
        ("", "user", {"name": ADA}, "Choose a pool"),
    ],
)
def test_what_is_no_rule_or_no_pool_starts_nothing(
    account: Account, pool: str, kind: str, asked: dict[str, str], why: str
) -> None:
    days(account, [True])
    account.store.plant(
        "_cognito-admin/uploads/2026-06-01.13-00-00/x.json/data.json", a_file([an_entry(ADA)])
    )
    catalogue.look_at_bucket(whole=True)
    assert Backup.objects.filter(pool_name="").exists()
    with pytest.raises(actions.Refused, match=why) as refused:
        actions.start_find(IVA, pool, kind, **asked)
    assert (refused.value.status, Job.objects.count()) == (400, 0)
    assert str(refused.value).endswith("Nothing was started.")


# --- in a terminal ------------------------------------------------------------------------------------


def command(*arguments: str) -> dict[str, Any]:
    out, err = io.StringIO(), io.StringIO()
    call_command("find_last_good", *arguments, "--json", stdout=out, stderr=err)
    told: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return told | {"stderr": err.getvalue()}


def test_the_same_in_a_terminal(account: Account) -> None:
    days(account, [True, True, False])
    told = command("--pool", NAME, "--user", ADA)
    assert (told["good"]["key"], told["bad"]["key"], told["answer"]) == (key(1), key(2), "found")
    assert told["verdict"].startswith("a••••@uni.example is in the backup of 2026-06-02")
    assert f"Last good: {key(1)}, 2 users" in told["stderr"]
    assert command("--pool", NAME, "--at-least", "3")["answer"] == "nowhere"
    assert command("--pool", NAME, "--group", "admins", "--member", ADA)["answer"] == "untold"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--user", ADA, "--at-least", "2"],
        ["--group", "admins"],
        ["--member", ADA],
        ["--at-least", "many"],
    ],
)
def test_wrong_use_ends_with_2(account: Account, arguments: list[str]) -> None:
    days(account, [True])
    with pytest.raises(CommandError) as ended:
        command("--pool", NAME, *arguments)
    assert ended.value.returncode == 2
    assert not Job.objects.exists()


def test_a_search_that_fails_ends_with_1(account: Account) -> None:
    days(account, [True, False])
    account.store.fail("open", Cause.UNREACHABLE, message="S3 did not answer.")
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(
            "find_last_good", "--pool", NAME, "--user", ADA, "--json", stdout=out, stderr=io.StringIO()
        )
    assert ended.value.code == 1
    assert json.loads(out.getvalue())["error"].startswith("S3 did not answer.")
