"""The index of users over all backups: made from the bucket alone, gone with its objects."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from backups import actions, catalogue, history, runner, seal, tasks
from backups.core.shards import Shard as Users
from backups.core.snapshot import Entry
from backups.engine import reading
from backups.engine.ports import Cause, PortError, Stop
from backups.models import AuditEntry, Backup, IndexedBackup, IndexedPool, Shard
from backups.models.audit import Act
from backups.reporting import JobReport
from tests.build import a_backup, a_file, a_sub, an_entry
from tests.fakes import FakePool, FakeStore
from tests.jobs.conftest import IVA, Account

POOL = "team-production"
FIRST = datetime(2026, 11, 1, 1, tzinfo=UTC)
ADA = "ada@uni.example"


@pytest.fixture
def store(account: Account) -> FakeStore:
    return account.store


def key_of(day: int, pool: str = POOL) -> str:
    return f"{FIRST + timedelta(days=day):%Y-%m-%d.%H-%M-%S}/{pool}"


def plant(store: FakeStore, day: int, *people: Entry, pool: str = POOL) -> str:
    """A file of cbr's."""
    key = key_of(day, pool)
    store.plant(f"{key}/data.json", a_file(people))
    return key


def look_and_index() -> int:
    catalogue.look_at_bucket(whole=True)
    return history.work()


def held() -> tuple[Any, ...]:
    """The index as it reads, without the numbers that the database gives."""
    lists = {
        row.backup.key: [bytes(Shard.objects.get(pk=pk).digest) for pk in history._numbers(row.shards)]
        for row in IndexedBackup.objects.select_related("backup")
    }
    shards = {
        (shard.pool.name, bytes(shard.digest), bytes(shard.names), bytes(shard.users))
        for shard in Shard.objects.select_related("pool")
    }
    return lists, shards


def entries(asked: str, pool: str = POOL) -> list[tuple[str, str | None, str]]:
    """(kind, backup before, backup), newest first."""
    timeline = history.history(pool, asked)
    return [
        (entry.kind, entry.before.key if entry.before else None, entry.at.key)
        for line in timeline.lines
        for entry in line.entries
    ]


def people(count: int = 40) -> list[Entry]:
    return [an_entry(f"person{number}@uni.example") for number in range(count)]


# --- reading ------------------------------------------------------------------------------------------


def test_who_bears_a_name_is_told_for_every_indexed_backup(store: FakeStore) -> None:
    one, two, three = (
        plant(store, 0, *people()),
        plant(store, 1, *people(), an_entry(ADA)),
        plant(store, 2, *people(), an_entry(ADA, enabled=False)),
    )
    assert look_and_index() == 3
    for name in (ADA, "ADA@uni.example", a_sub(ADA)):
        seen = history.seen(POOL, name)
        assert {key: [state.enabled for state in states] for key, states in seen.items()} == {
            one: [],
            two: [True],
            three: [False],
        }
    assert set(history.seen(POOL, "nobody@uni.example").values()) == {()}
    assert history.seen("another-pool", ADA) == {}


def test_an_email_that_changed_is_followed_from_either_side(store: FakeStore) -> None:
    old = plant(store, 0, *people(), an_entry(ADA))
    new = plant(store, 1, *people(), an_entry("ada@other.example", sub=a_sub(ADA)))
    look_and_index()
    assert history.seen(POOL, ADA)[new] == ()
    for asked in (ADA, "ada@other.example", a_sub(ADA)):
        assert entries(asked) == [("changed", old, new), ("first", None, old)]
        ((line,), told) = history.history(POOL, asked).lines, line_changes(asked)
        assert told == [("email", ADA, "ada@other.example")]
        assert line.there[0].email == "ada@other.example"


def line_changes(asked: str) -> list[tuple[str, str | None, str | None]]:
    (line,) = history.history(POOL, asked).lines
    return [(change.field, change.old, change.new) for change in line.entries[0].changes]


def test_missing_since_and_back_under_a_new_identity_with_the_new_email(store: FakeStore) -> None:
    keys = [
        plant(store, 0, an_entry(ADA)),
        plant(store, 1, an_entry("ada@other.example", sub=a_sub(ADA))),
        plant(store, 2, *people(3)),
        plant(store, 3, an_entry("ada@other.example", sub="another")),
    ]
    look_and_index()
    assert entries(ADA) == [
        ("anew", keys[2], keys[3]),
        ("missing", keys[1], keys[2]),
        ("changed", keys[0], keys[1]),
        ("first", None, keys[0]),
    ]


def test_whoever_took_the_address_later_is_somebody_else(store: FakeStore) -> None:
    plant(store, 0, an_entry(ADA))
    plant(store, 1, an_entry("ada@other.example", sub=a_sub(ADA)), an_entry(ADA, sub="stranger"))
    look_and_index()
    timeline = history.history(POOL, a_sub(ADA))
    assert timeline.others == 1
    assert {entry.key for line in timeline.lines for entry in line.entries} == {a_sub(ADA)}


def test_a_name_that_two_bear_at_once_is_ambiguous(store: FakeStore) -> None:
    key = plant(store, 0, an_entry("", username="Ada", sub="1"), an_entry("", username="ada", sub="2"))
    look_and_index()
    (line,) = history.history(POOL, "ADA").lines
    assert [point.key for point in line.ambiguous] == [key]
    assert entries("ADA") == [("anew", None, key), ("first", None, key)]
    assert [state.sub for state in history.seen(POOL, "Ada")[key]] == ["1", "2"]


def test_an_email_that_too_many_share_follows_nobody_and_is_still_seen(store: FakeStore) -> None:
    shared = [an_entry("team@uni.example", username=f"user{n}", sub=f"sub{n}") for n in range(50)]
    key = plant(store, 0, *shared)
    look_and_index()
    timeline = history.history(POOL, "team@uni.example")
    assert (timeline.too_many, timeline.lines) == (50, ())
    assert len(history.seen(POOL, "team@uni.example")[key]) == 50
    assert [state.sub for state in history.seen(POOL, "user49")[key]] == ["sub49"]


def test_a_name_that_a_crowd_bears_is_left_to_reading(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "SHARED", 3)
    for day, many in enumerate((3, 4)):
        plant(store, day, *(an_entry("team@uni.example", username=f"u{n}", sub=f"s{n}") for n in range(many)))
        look_and_index()
        assert bool(history.seen(POOL, "team@uni.example")) == (many == 3)


def test_what_is_dated_in_the_future_says_nothing_and_is_named(store: FakeStore) -> None:
    ada = an_entry("ada@uni.example")
    plant(store, 0, ada)
    ahead = plant(store, 40_000, an_entry("bob@uni.example"))
    catalogue.look_at_bucket(whole=True)
    for indexed in (0, 2):
        timeline = history.history(POOL, "ada@uni.example")
        assert (ahead, "it is dated in the future") in timeline.skipped
        assert timeline.waiting == (0 if indexed else 1)
        history.work()
    [line] = history.history(POOL, "ada@uni.example").lines
    assert line.there and line.newer == 0


def test_groups_are_unknown_in_a_file_of_cbrs_and_never_removed(account: Account) -> None:
    pool = account.add()
    pool.add(ADA, groups=["admins"])
    (entry,) = pool.users()
    sub = entry["Username"]
    a_backup(account.store, pool, key=key_of(0), seal=seal.seal)
    plant(account.store, 1, entry)
    a_backup(account.store, pool, key=key_of(2), seal=seal.seal)
    assert look_and_index() == 3
    seen = history.seen(POOL, ADA)
    assert [state.groups for day in range(3) for state in seen[key_of(day)]] == [
        ("admins",),
        None,
        ("admins",),
    ]
    assert entries(sub) == [("first", None, key_of(0))]


def test_pools_do_not_mix(store: FakeStore) -> None:
    plant(store, 0, an_entry(ADA))
    plant(store, 1, *people(2), pool="team-staging")
    look_and_index()
    assert entries(ADA, "team-staging") == []
    assert set(history.seen("team-staging", ADA)) == {key_of(1, "team-staging")}
    assert Shard.objects.filter(pool__name=POOL).count() == 1


# --- making -------------------------------------------------------------------------------------------


def test_backups_share_what_did_not_change(store: FakeStore) -> None:
    many = people(400)
    plant(store, 0, *many)
    look_and_index()
    shards = Shard.objects.count()
    plant(store, 1, *many)
    plant(store, 2, an_entry("person0@uni.example", enabled=False), *many[1:])
    look_and_index()
    assert IndexedBackup.objects.count() == 3
    assert Shard.objects.count() == shards + 1


def test_the_newest_is_indexed_first_and_no_more_than_there_is_time_for(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [plant(store, day, an_entry(ADA)) for day in range(3)]
    catalogue.look_at_bucket(whole=True)
    honest = history.index

    def slow(backup: Backup) -> bool:
        time.sleep(0.3)
        return honest(backup)

    monkeypatch.setattr(history, "index", slow)
    assert history.work(0.3) == 1
    assert list(history.seen(POOL, ADA)) == [keys[2]]
    timeline = history.history(POOL, ADA)
    assert (timeline.backups, timeline.waiting) == (1, 2)
    assert (timeline.waiting_from, timeline.waiting_to) == (FIRST, FIRST + timedelta(days=1))


def kept(text: str) -> bool:
    """Whether the database still holds this of anybody."""
    every = (Users.unpacked(bytes(one.names), bytes(one.users)) for one in Shard.objects.all())
    return any(text.encode() in one.users for one in every)


def test_the_rows_go_with_their_object(store: FakeStore) -> None:
    plant(store, 0, an_entry(ADA), *people())
    plant(store, 1, *people())
    look_and_index()
    assert kept(ADA)
    store.delete(f"{key_of(0)}/data.json")
    catalogue.look_at_bucket(whole=True)
    assert set(history.seen(POOL, ADA).values()) == {()}
    assert not kept(ADA)
    assert IndexedBackup.objects.count() == 1
    store.delete(f"{key_of(1)}/data.json")
    catalogue.look_at_bucket(whole=True)
    assert not IndexedBackup.objects.exists()
    assert not Shard.objects.exists()


def test_the_index_is_the_same_when_it_is_made_again_in_another_order(store: FakeStore) -> None:
    many = people(100)
    for day in range(4):
        plant(store, day, *many[day:], an_entry(ADA, name=f"Ada {day}"))
    plant(store, 5, *people(3), pool="team-staging")
    catalogue.look_at_bucket(whole=True)
    for backup in Backup.objects.order_by("taken_at"):
        assert history.index(backup)
    before = held()
    assert history.rebuild() == history.Rebuilt(5)
    assert held() == before
    assert history.rebuild(POOL) == history.Rebuilt(4)
    assert held() == before


def test_objects_that_changed_are_indexed_again(store: FakeStore) -> None:
    key = plant(store, 0, an_entry(ADA))
    look_and_index()
    store.plant(f"{key}/data.json", a_file([*people(2), an_entry(ADA, enabled=False)]))
    catalogue.look_at_bucket(whole=True)
    assert history.seen(POOL, ADA) == {}
    assert history.history(POOL, ADA).waiting == 1
    assert history.work() == 1
    assert entries(ADA) == [("first", None, key)]
    (state,) = history.seen(POOL, ADA)[key]
    assert not state.enabled
    history.forget()
    assert Shard.objects.count() == 1, "what the old bytes said is gone"


def test_a_damaged_backup_is_left_out_and_said(account: Account) -> None:
    pool = account.add()
    pool.add(ADA)
    a_backup(account.store, pool, key=key_of(0), seal=seal.seal)
    plant(account.store, 1, an_entry(ADA))
    data = account.store.read(f"{key_of(0)}/data.json")
    account.store.objects[f"{key_of(0)}/data.json"][-1].data = data.replace(b"ada@", b"eve@")
    assert look_and_index() == 2
    timeline = history.history(POOL, ADA)
    ((key, why),) = timeline.skipped
    assert key == key_of(0)
    assert "does not agree with the manifest" in why
    assert (timeline.backups, timeline.waiting) == (1, 0)
    assert history.work() == 0, "it is not read again until it changes"


def test_a_backup_that_became_unreadable_says_nothing_any_more(store: FakeStore) -> None:
    key = plant(store, 0, an_entry(ADA))
    look_and_index()
    store.plant(f"{key}/data.json", b"[ no JSON")
    catalogue.look_at_bucket(whole=True)
    assert Backup.objects.get(key=key).state == "unreadable"
    assert not IndexedBackup.objects.exists()
    assert not Shard.objects.exists()


def test_users_larger_than_any_leave_nothing_behind(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backups.core.shards.MAX_SHARD", 5000)
    monkeypatch.setattr(history, "TOGETHER", 1)
    plant(store, 0, *people(200), an_entry(ADA, custom_institution="x" * 6000))
    look_and_index()
    assert "larger than any" in IndexedBackup.objects.get().why
    history.forget()
    assert not Shard.objects.exists()


@pytest.mark.parametrize(("cause", "made"), [(Cause.DENIED, 1), (Cause.UNREACHABLE, 0)])
def test_an_object_that_is_not_given_is_asked_for_again(store: FakeStore, cause: Cause, made: int) -> None:
    plant(store, 0, an_entry(ADA))
    plant(store, 1, an_entry(ADA))
    catalogue.look_at_bucket(whole=True)
    store.fail("open", cause)
    assert history.work() == made
    assert history.work() == 2 - made
    assert len(history.seen(POOL, ADA)) == 2


def test_one_that_fails_for_no_known_reason_does_not_hold_up_the_others(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, odd = plant(store, 0, an_entry(ADA)), plant(store, 1, an_entry(ADA))
    catalogue.look_at_bucket(whole=True)
    honest = history.index

    def fail(backup: Backup) -> bool:
        if backup.key == odd:
            raise KeyError(odd)
        return honest(backup)

    monkeypatch.setattr(history, "index", fail)
    assert history.work() == 1
    assert list(history.seen(POOL, ADA)) == [old]


def test_uploads_are_of_no_pool(store: FakeStore) -> None:
    store.plant("_cognito-admin/uploads/2026-11-01.01-00-00/file.json/data.json", a_file([an_entry(ADA)]))
    assert look_and_index() == 0
    assert not history.index(Backup.objects.get())


# --- whose turn it is ---------------------------------------------------------------------------------


def test_two_at_once_do_not_double(store: FakeStore) -> None:
    plant(store, 0, an_entry(ADA))
    catalogue.look_at_bucket(whole=True)
    with history._turn(POOL) as turn:
        assert turn is not None
        assert history.work() == 0
        assert not history.index(Backup.objects.get())
    assert history.work() == 1


def test_a_turn_that_ran_out_is_taken_over_and_what_was_left_is_swept(store: FakeStore) -> None:
    plant(store, 0, an_entry(ADA))
    look_and_index()
    pool = IndexedPool.objects.get()
    Shard.objects.create(pool=pool, digest=b"of a killed one.", names=b"", users=b"")
    IndexedPool.objects.update(owner="killed", until=Now() - timedelta(seconds=1))
    plant(store, 1, an_entry(ADA))
    assert look_and_index() == 1
    history.forget()
    assert Shard.objects.count() == 1
    assert entries(ADA) == [("first", None, key_of(0))]


def test_who_lost_the_turn_writes_nothing_more(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(store, 0, an_entry(ADA))
    catalogue.look_at_bucket(whole=True)
    honest = reading.read_backup

    def slow(*args: Any, **how: Any) -> Any:
        IndexedPool.objects.update(owner="another")
        return honest(*args, **how)

    monkeypatch.setattr(history, "read_backup", slow)
    assert not history.index(Backup.objects.get())
    assert not Shard.objects.exists()
    assert IndexedPool.objects.get().owner == "another"


def test_a_backup_that_goes_while_it_is_indexed_leaves_nothing(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(store, 0, an_entry(ADA))
    catalogue.look_at_bucket(whole=True)
    backup, honest = Backup.objects.get(), reading.read_backup

    def slow(*args: Any, **how: Any) -> Any:
        Backup.objects.all().delete()
        return honest(*args, **how)

    monkeypatch.setattr(history, "read_backup", slow)
    assert not history.index(backup)
    history.forget()
    assert not Shard.objects.exists()


# --- made again from the bucket -----------------------------------------------------------------------


def test_one_object_that_is_not_given_leaves_the_others_indexed_and_is_named(store: FakeStore) -> None:
    keys = [plant(store, day, an_entry(ADA)) for day in range(4)]
    look_and_index()
    store.fail("open", Cause.DENIED, message="S3 denied it.")
    status, told, said = command("--rebuild", "--pool", POOL)
    assert (status, told) == (1, {"indexed": 3, "left_out": {keys[3]: "S3 denied it."}})
    assert f"3 of 4 backups indexed of {POOL}." in said
    assert f"{keys[3]} is left out: S3 denied it." in said
    assert "1 backup left out waits to be taken up again" in said
    assert set(history.seen(POOL, ADA)) == set(keys[:3])
    assert AuditEntry.objects.get(act=Act.CATALOGUE_REBUILT).details == {"indexed": 3, "left_out": 1}
    assert history.work() == 1


def test_a_bucket_that_answers_no_more_ends_a_rebuild_and_what_is_left_is_named(store: FakeStore) -> None:
    keys = [plant(store, day, an_entry(ADA)) for day in range(3)]
    catalogue.look_at_bucket(whole=True)
    store.fail("open", Cause.UNREACHABLE, message="S3 did not answer.")
    opened = store.calls["open"]
    made = history.rebuild(POOL)
    assert made.left_out == tuple((key, "S3 did not answer.") for key in reversed(keys))
    assert (made.indexed, made.waiting, store.calls["open"] - opened) == (0, 3, 1)
    assert history.rebuild(POOL) == history.Rebuilt(3)


def test_whatever_fails_in_one_backup_a_rebuild_goes_on(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, odd = plant(store, 0, an_entry(ADA)), plant(store, 1, an_entry(ADA))
    catalogue.look_at_bucket(whole=True)
    honest = history.index

    def fail(backup: Backup) -> bool:
        if backup.key == odd:
            raise KeyError(ADA)
        return honest(backup)

    monkeypatch.setattr(history, "index", fail)
    assert history.rebuild() == history.Rebuilt(1, ((odd, "The dashboard itself failed (KeyError)."),), 1)
    assert list(history.seen(POOL, ADA)) == [old]


def test_a_damaged_backup_is_named_by_a_rebuild_and_not_counted(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = plant(store, 0, an_entry(ADA))
    monkeypatch.setattr("backups.core.shards.MAX_SHARD", 10)
    status, told, said = command("--rebuild")
    assert (status, told["indexed"]) == (1, 0)
    assert "larger than any" in told["left_out"][key]
    assert "0 of 1 backup indexed." in said
    assert "taken up again" not in said


def busy(monkeypatch: pytest.MonkeyPatch, key: str, times: int) -> None:
    """Somebody else has the turn of the pool, so many times that this backup is to be indexed."""
    honest, left = history.index, [times]

    def index(backup: Backup) -> bool:
        if backup.key == key and left[0]:
            left[0] -= 1
            return False
        return honest(backup)

    monkeypatch.setattr(history, "index", index)


def test_a_rebuild_waits_for_a_pool_whose_turn_somebody_else_has(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [plant(store, day, an_entry(ADA)) for day in range(3)]
    busy(monkeypatch, keys[1], 2)
    assert command("--rebuild")[:2] == (0, {"indexed": 3, "left_out": {}})


def test_a_pool_that_stays_busy_is_said_and_the_rebuild_is_not_whole(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [plant(store, day, an_entry(ADA)) for day in range(3)]
    busy(monkeypatch, keys[1], 1000)
    monkeypatch.setattr(history, "PATIENCE", 0.5)
    status, told, said = command("--rebuild")
    assert (status, told) == (1, {"indexed": 2, "left_out": {keys[1]: history.BUSY}})
    assert f"{keys[1]} is left out: Somebody else has the turn of its pool." in said


# --- two pools of one name ----------------------------------------------------------------------------


def test_backups_without_an_id_are_kept_out_of_the_lines_of_two_pools_and_named(account: Account) -> None:
    for day in range(4):
        pool = FakePool("eu-west-1_One" if day % 2 == 0 else "eu-central-1_Two", POOL)
        pool.add(ADA if day % 2 == 0 else "bob@uni.example")
        a_backup(account.store, pool, key=key_of(day), seal=seal.seal)
    nameless = plant(account.store, 4, an_entry("carl@uni.example"))
    look_and_index()
    timeline = history.history(POOL, ADA)
    assert [line.pool_id for line in timeline.lines] == ["eu-central-1_Two", "eu-west-1_One"]
    assert entries(ADA) == [("first", None, key_of(0))], "nobody is missing in a backup of another pool"
    assert [point.key for point in timeline.nameless] == [nameless]
    assert timeline.backups == 4
    assert [line.newer for line in timeline.lines] == [1, 1]
    status, _, said = command("--pool", POOL, "--user", ADA)
    assert status == 0
    assert f"{nameless} is left out: it does not say of which of these pools it is." in said
    assert "is in the newest indexed backup; 1 newer backup not read" in said


def test_names_that_pools_share_at_one_time_are_known_and_successors_are_not_among_them(
    account: Account,
) -> None:
    for day, pool_id, name in (
        (0, "eu-west-1_A", POOL),
        (1, "eu-west-1_B", POOL),
        (2, "eu-west-1_A", POOL),
        (0, "eu-west-1_C", "team-staging"),
        (1, "eu-west-1_D", "team-staging"),
    ):
        a_backup(account.store, FakePool(pool_id, name), key=key_of(day, name), seal=seal.seal)
    plant(account.store, 5)
    catalogue.look_at_bucket(whole=True)
    assert history.sharing() == {POOL: ("eu-west-1_A", "eu-west-1_B")}
    assert history.sharing(POOL) == history.sharing()
    assert history.sharing("team-staging") == {}


# --- newer than what is told --------------------------------------------------------------------------


def test_newer_backups_that_wait_or_were_left_out_are_counted(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(store, 1, an_entry(ADA))
    look_and_index()
    plant(store, 0, an_entry(ADA))
    plant(store, 2, an_entry(ADA))
    catalogue.look_at_bucket(whole=True)
    (line,) = history.history(POOL, ADA).lines
    assert line.newer == 1, "what waits and is older takes nothing from what is said"
    with monkeypatch.context() as patch:
        patch.setattr("backups.core.shards.MAX_SHARD", 10)
        assert history.work() == 2
    timeline = history.history(POOL, ADA)
    assert (timeline.lines[0].newer, len(timeline.skipped), timeline.waiting) == (1, 2, 0)


# --- where it is made, and read -----------------------------------------------------------------------


def test_a_backup_is_indexed_when_it_was_checked(account: Account) -> None:
    pool = account.add()
    pool.add(ADA)
    job = actions.start_backup(IVA, account.row(pool))
    runner.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.sentence) == ("done", "1 user backed up and checked.")
    assert [key for key, states in history.seen(POOL, ADA).items() if states] == [job.result["key"]]
    assert "Indexing" in [event.data.get("phase") for event in job.events.filter(kind="phase")]
    catalogue.look_at_bucket(whole=True)
    assert history.work() == 0, "the row is as it was when it was indexed"


@pytest.mark.parametrize(
    "error", [PortError("The bucket went.", Cause.UNREACHABLE), Stop("cancel"), KeyError("x")]
)
def test_an_index_that_fails_fails_no_backup(
    account: Account, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    pool = account.add()
    pool.add(ADA)

    def fail(backup: Backup, report: JobReport) -> bool:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(history, "index", fail)
        job = actions.start_backup(IVA, account.row(pool))
        runner.run(job.pk)
    job.refresh_from_db()
    assert job.state == "done"
    assert history.seen(POOL, ADA) == {}
    tasks.index()
    assert len(history.seen(POOL, ADA)) == 1


def command(*args: str) -> tuple[int, Any, str]:
    """(exit status, the JSON, what is written for a reader)."""
    out, said, status = StringIO(), StringIO(), 0
    try:
        call_command("history", *args, "--json", stdout=out, stderr=said)
    except SystemExit as end:
        status = int(end.code or 0)
    except CommandError as error:
        status = error.returncode
    return status, json.loads(out.getvalue().splitlines()[-1]), said.getvalue()


def test_the_command_tells_a_history_and_leaves_an_entry_without_the_address(store: FakeStore) -> None:
    plant(store, 0, an_entry(ADA))
    plant(store, 1, an_entry("ada@other.example", sub=a_sub(ADA)))
    plant(store, 2, *people(2))
    look_and_index()
    status, told, said = command("--pool", POOL, "--user", ADA)
    assert status == 0
    assert [entry["kind"] for entry in told["lines"][0]["entries"]] == ["missing", "changed", "first"]
    assert "email: a••••@uni.example -> a••••@other.example" in said
    assert "is not in the newest indexed backup" in said
    assert ADA not in said
    entry = AuditEntry.objects.get(act=Act.HISTORY_READ)
    assert (entry.pool, entry.details["user"]) == (POOL, "a••••@uni.example")
    assert ADA not in entry.body


def test_the_command_makes_the_index_anew(store: FakeStore) -> None:
    plant(store, 0, an_entry(ADA))
    look_and_index()
    Shard.objects.all().delete()
    status, told, said = command("--rebuild", "--pool", POOL)
    assert (status, told) == (0, {"indexed": 1, "left_out": {}})
    assert f"1 backup indexed of {POOL}." in said
    assert command("--rebuild")[1] == told
    assert entries(ADA) == [("first", None, key_of(0))]
    assert AuditEntry.objects.filter(act=Act.CATALOGUE_REBUILT).count() == 2


def test_nothing_indexed_is_not_nobody_found_in_a_terminal(store: FakeStore) -> None:
    plant(store, 0, an_entry(ADA))
    catalogue.look_at_bucket(whole=True)
    status, told, said = command("--pool", POOL, "--user", ADA)
    assert (status, told["backups"]) == (1, 0)
    assert "No backup of this pool is indexed yet. That says nothing of the user." in said
    assert "In none of" not in said
    history.work()
    status, _, said = command("--pool", POOL, "--user", "nobody@uni.example")
    assert status == 0
    assert "In none of 1 indexed backup." in said


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--pool", POOL),
        ("--user", ADA),
        ("--pool", "no-such", "--user", ADA),
        ("--rebuild", "--user", ADA),
    ],
)
def test_wrong_use_of_the_command_is_said(store: FakeStore, args: tuple[str, ...]) -> None:
    plant(store, 0, an_entry(ADA))
    status, told, _ = command(*args)
    assert status == 2
    assert told["error"]
