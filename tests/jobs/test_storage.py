"""What a whole look learns of the buckets' own keeping, and how it stays fast and alive with many objects."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from backups import bucket, catalogue, storage, wiring
from backups.core import naming
from backups.core.expiry import Rule
from backups.engine.ports import Cause, Head, PortError, Stored
from backups.models import Backup, Catalogue, Deleted, Job
from tests.build import a_backup, a_file, an_entry, seal
from tests.fakes import FakePool, FakeStore
from tests.jobs.conftest import Account

NAME = "team-production"
USERS = a_file([an_entry()])
BUCKET = "biomage-backups-production-123456789012"


def key_of(day: int, name: str = NAME) -> str:
    return f"2026-01-{day:02d}.00-00-00/{name}"


def midnight(month: int, day: int) -> datetime:
    return datetime(2026, month, day, tzinfo=UTC)


@pytest.fixture
def store(account: Account) -> FakeStore:
    """Three files of cbr's, written when their keys say."""
    for day in (1, 2, 3):
        at = datetime(2026, 1, day, 0, 0, 5, tzinfo=UTC)
        account.store.plant(f"{key_of(day)}/data.json", USERS, modified=at)
    return account.store


def expiries() -> dict[str, tuple[datetime | None, datetime | None]]:
    rows = Backup.objects.values_list("key", "expires_at", "may_expire_at")
    return {key: (sure, may) for key, sure, may in rows}


# --- expiry -------------------------------------------------------------------------------------------


def test_when_a_backup_goes_is_kept_with_it(store: FakeStore) -> None:
    store.lifecycle = (Rule("ninety", days=90), Rule("short", "2026-01-01", days=30, tags=("a=b",)))
    catalogue.look_at_bucket(whole=True)
    assert expiries() == {
        key_of(1): (midnight(4, 2), midnight(2, 1)),
        key_of(2): (midnight(4, 3), None),
        key_of(3): (midnight(4, 4), None),
    }
    told = storage.known(BUCKET)
    assert (told.rules, told.lock, told.why) == (store.lifecycle, False, "")


def test_rules_that_change_change_what_is_known_and_read_nothing_again(store: FakeStore) -> None:
    store.lifecycle = (Rule("ninety", days=90),)
    catalogue.look_at_bucket(whole=True)
    opened, headed = store.calls["open"], store.calls["head"]
    store.lifecycle = ()
    catalogue.look_at_bucket(whole=False)
    assert expiries()[key_of(1)][0], "rules are asked for with the whole look"
    catalogue.look_at_bucket(whole=True)
    assert set(expiries().values()) == {(None, None)}
    assert (store.calls["open"], store.calls["head"]) == (opened, headed)


def test_a_new_backup_gets_its_end_from_the_rules_that_are_known(store: FakeStore) -> None:
    store.lifecycle = (Rule("ninety", days=90),)
    catalogue.look_at_bucket(whole=True)
    asked = store.calls["rules"]
    store.plant(f"{key_of(4)}/data.json", USERS, modified=datetime(2026, 1, 4, 9, tzinfo=UTC))
    catalogue.look_at_bucket(whole=False)
    assert (expiries()[key_of(4)], store.calls["rules"]) == ((midnight(4, 5), None), asked)


def test_rules_that_are_not_told_are_not_known(store: FakeStore) -> None:
    store.fail("rules", Cause.DENIED, message="Denied.")
    store.fail("locks", Cause.UNSUPPORTED)
    catalogue.look_at_bucket(whole=True)
    told = storage.known(BUCKET)
    assert (told.rules, told.why, told.lock) == (None, "Denied.", None)
    row = Backup.objects.get(key=key_of(1))
    assert (row.expires_at, row.modified_at) == (None, datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC))
    assert storage.until(row, told) == storage.Until("unknown", why="Denied.")


@pytest.mark.parametrize("operation", ["rules", "locks", "history"])
def test_a_bucket_that_does_not_answer_such_a_question_did_not_answer(
    store: FakeStore, operation: str
) -> None:
    store.fail(operation, Cause.UNREACHABLE, message="No answer.")
    with pytest.raises(PortError):
        catalogue.look_at_bucket(whole=True)
    row = Catalogue.row()
    assert (row.problem, row.whole_at, row.whole_begun_at) == ("No answer.", None, None)


def test_expiry_counts_from_the_oldest_part_and_not_from_a_later_check(account: Account) -> None:
    store = account.store
    store.lifecycle = (Rule("ninety", days=90),)
    pool = FakePool(name=NAME, clock=store.clock)
    a_backup(store, pool, key=key_of(1))
    made = store.clock.now()
    store.clock.advance(86_400 * 20)
    store.plant(f"{key_of(1)}/checked.json", b"{}")
    catalogue.look_at_bucket(whole=True)
    assert Backup.objects.get().modified_at == made


# --- one HeadObject each --------------------------------------------------------------------------------


def test_encryption_and_lock_are_asked_once_for_each_backup(store: FakeStore) -> None:
    until = datetime(2030, 1, 1, tzinfo=UTC)
    store.heads[f"{key_of(2)}/data.json"] = Head("aws:kms arn:aws:kms:key", "COMPLIANCE", until)
    for whole in (True, True, False):
        catalogue.look_at_bucket(whole=whole)
    assert store.calls["head"] == 3
    row = Backup.objects.get(key=key_of(2))
    assert (row.encryption, row.lock, row.locked_until) == ("aws:kms arn:aws:kms:key", "COMPLIANCE", until)
    assert Backup.objects.get(key=key_of(1)).encryption == ""

    store.plant(f"{key_of(2)}/data.json", USERS + b" ")
    catalogue.look_at_bucket(whole=True)
    assert store.calls["head"] == 4


def test_an_object_that_tells_nothing_of_itself_is_a_backup_all_the_same(store: FakeStore) -> None:
    store.fail("head", Cause.DENIED)
    catalogue.look_at_bucket(whole=True)
    assert set(Backup.objects.values_list("state", "encryption")) == {("users-only", "")}
    store.plant(f"{key_of(4)}/data.json", USERS)
    store.fail("head", Cause.UNREACHABLE)
    with pytest.raises(PortError):
        catalogue.look_at_bucket(whole=True)


# --- what was deleted -----------------------------------------------------------------------------------


def test_a_deleted_backup_can_be_recovered_from_its_newest_versions(store: FakeStore) -> None:
    store.plant(f"{key_of(1)}/data.json", USERS + b"\n")
    store.clock.advance(60)
    store.delete(f"{key_of(1)}/data.json")
    catalogue.look_at_bucket(whole=True)
    found = Deleted.objects.get()
    assert (found.key, found.pool_name, found.deleted_at) == (key_of(1), NAME, store.clock.now())
    assert found.parts == [{"name": "data.json", "version": "2", "size": len(USERS) + 1, "marker": "3"}]
    assert not Backup.objects.filter(key=key_of(1)).exists()
    assert storage.recover(found, "123456789012") == [
        f"aws s3api get-object --bucket {BUCKET} --key {key_of(1)}/data.json --version-id 2 data.json"
    ]


def test_every_part_that_is_hidden_is_named_and_one_that_stands_is_not(account: Account) -> None:
    a_backup(account.store, FakePool(name=NAME), key=key_of(1))
    for part in ("manifest.json", "groups.json"):
        account.store.delete(f"{key_of(1)}/{part}")
    account.store.delete(f"{key_of(1)}/checked.json")  # a marker over nothing
    catalogue.look_at_bucket(whole=True)
    assert [part["name"] for part in Deleted.objects.get().parts] == ["groups.json", "manifest.json"]
    assert Backup.objects.get().state == "incomplete"


def test_what_is_no_backup_or_lacks_no_vital_part_is_not_called_deleted(store: FakeStore) -> None:
    store.plant(f"{key_of(1)}/checked.json", b"{}")
    for key in (f"{key_of(1)}/checked.json", "notes/a.txt", f"{naming.OWN}jobs/1.json"):
        store.plant(key, b"{}")
        store.delete(key)
    catalogue.look_at_bucket(whole=True)
    assert not Deleted.objects.exists()


def test_a_deleted_upload_names_no_pool(account: Account) -> None:
    key = f"{naming.UPLOADS}2026-01-01.00-00-00/my file's.json"
    account.store.plant(f"{key}/data.json", USERS)
    account.store.delete(f"{key}/data.json")
    catalogue.look_at_bucket(whole=True)
    found = Deleted.objects.get()
    assert (found.pool_name, found.key) == ("", key)
    (command,) = storage.recover(found, "123456789012")
    assert """'_cognito-admin/uploads/2026-01-01.00-00-00/my file'"'"'s.json/data.json'""" in command


def test_what_comes_back_or_is_ended_for_good_leaves_the_list(store: FakeStore) -> None:
    for day in (1, 2):
        store.delete(f"{key_of(day)}/data.json")
    catalogue.look_at_bucket(whole=True)
    assert Deleted.objects.count() == 2
    store.objects[f"{key_of(1)}/data.json"].pop()  # the marker is taken away
    del store.objects[f"{key_of(2)}/data.json"]  # a rule ended the older versions too
    catalogue.look_at_bucket(whole=True)
    assert not Deleted.objects.exists()
    assert Backup.objects.filter(key=key_of(1)).exists()


def test_versions_that_are_not_told_are_unknown_and_not_none(store: FakeStore) -> None:
    store.delete(f"{key_of(1)}/data.json")
    catalogue.look_at_bucket(whole=True)
    store.fail("history", Cause.DENIED)
    catalogue.look_at_bucket(whole=True)
    assert Deleted.objects.count() == 1, "what was known stays"
    assert "s3:ListBucketVersions" in storage.known(BUCKET).hidden_why


def test_many_deleted_backups_are_written_in_batches(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "ROWS", 7)
    for number in range(20):
        key = f"2026-01-01.00-00-{number:02d}/{NAME}/data.json"
        account.store.plant(key, USERS)
        account.store.delete(key)
    catalogue.look_at_bucket(whole=True)
    assert Deleted.objects.count() == 20
    account.store.objects.clear()
    catalogue.look_at_bucket(whole=True)
    assert Deleted.objects.count() == 0


def test_versions_are_not_asked_for_again_object_by_object(account: Account) -> None:
    a_backup(account.store, FakePool(name=NAME), key=key_of(1))
    a_backup(account.store, FakePool(name=NAME), key=key_of(2))
    data = account.store.read(f"{key_of(2)}/data.json")
    account.store.plant(f"{key_of(2)}/data.json", data)
    monkey = Backup.objects  # what is sealed is asked for its versions
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backups.seal.seal", seal)
        patch.setattr("backups.engine.check.LATE", timedelta(days=9999))
        catalogue.look_at_bucket(whole=True)
    assert account.store.calls["versions"] == 0
    assert dict(monkey.values_list("key", "origin")) == {key_of(1): "ours", key_of(2): "changed"}


# --- many objects, odd objects, two looks at once -------------------------------------------------------


def test_other_prefixes_and_strangers_files_are_counted_wherever_they_sort(store: FakeStore) -> None:
    for key in ("0/first.txt", f"{key_of(1)}/notes.txt", "zebra.txt", f"{naming.OWN}jobs/7.json"):
        store.plant(key, b"x")
    catalogue.look_at_bucket(whole=True)
    assert Catalogue.row().strangers == 3
    assert Backup.objects.count() == 3


def test_many_backups_are_read_side_by_side_with_a_handful_of_queries(
    account: Account, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    at_once: set[int] = set()
    real = FakeStore.open

    def open_(self: FakeStore, key: str) -> Any:
        at_once.add(threading.get_ident())
        return real(self, key)

    monkeypatch.setattr(FakeStore, "open", open_)
    for number in range(300):
        account.store.plant(f"2026-01-01.{number // 60:02d}-{number % 60:02d}-00/{NAME}/data.json", USERS)
    with django_assert_max_num_queries(60):
        catalogue.look_at_bucket(whole=True)
    assert Backup.objects.count() == 300
    assert len(at_once) > 1
    with django_assert_max_num_queries(46):
        catalogue.look_at_bucket(whole=True)


def test_a_bucket_that_falls_silent_in_the_middle_ends_the_look(account: Account) -> None:
    for number in range(60):
        account.store.plant(f"2026-01-01.00-00-{number:02d}/{NAME}/data.json", USERS)
    account.store.fail("open", Cause.UNREACHABLE, nth=20, times=999)
    with pytest.raises(PortError):
        catalogue.look_at_bucket(whole=True)
    assert account.store.calls["open"] < 60
    assert Catalogue.row().whole_begun_at is None


def test_a_backup_that_was_finished_after_its_page_was_listed_is_no_half(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = account.store
    store.plant(f"{key_of(1)}/pool.json", b"{}")
    job = Job.objects.create(kind="backup", queue="read", state="done", pool_name=NAME)
    Backup.objects.create(
        key=key_of(1), pool_name=NAME, taken_at=midnight(1, 1), state="complete", made_by="person",
        being_made_by=job, fingerprint="of what the job put",
    )  # fmt: skip
    listed = [*store.list()]
    store.objects.clear()
    a_backup(store, FakePool(name=NAME), key=key_of(1))
    old = {naming.split(one.key)[1]: one for one in listed}  # type: ignore[index]
    name = naming.parse(key_of(1))
    assert name is not None
    bucket.note(store, storage.Known(), [(name, old)])
    assert Backup.objects.get().state == "complete"


def test_a_backup_that_went_while_it_was_looked_at_keeps_its_row_until_the_next_look(
    store: FakeStore,
) -> None:
    catalogue.look_at_bucket(whole=True)
    name = naming.parse(key_of(1))
    assert name is not None
    gone = Stored(f"{key_of(1)}/data.json", 1, timezone.now(), "another")
    store.delete(f"{key_of(1)}/data.json")
    bucket.note(store, storage.Known(), [(name, {"data.json": gone})])
    assert Backup.objects.get(key=key_of(1)).state == "users-only"


def test_a_young_backup_that_the_listing_missed_is_asked_for(account: Account) -> None:
    key = naming.key_of(timezone.now(), NAME)
    account.store.plant(f"{key}/data.json", USERS)
    catalogue.look_at_bucket(whole=True)
    account.store.objects[f"{naming.OWN}hidden"] = account.store.objects.pop(f"{key}/data.json")
    real, account.store.objects[f"{key}/data.json"] = account.store.list, account.store.objects[
        f"{naming.OWN}hidden"
    ]  # fmt: skip

    def late(prefix: str = "", after: str = "") -> Any:
        return (one for one in real(prefix, after) if prefix == f"{key}/")

    account.store.list = late  # type: ignore[method-assign]
    catalogue.look_at_bucket(whole=True)
    assert Backup.objects.filter(key=key).exists()


def test_while_the_first_whole_look_goes_on_nobody_else_looks(store: FakeStore) -> None:
    Catalogue.row()
    Catalogue.objects.update(whole_begun_at=timezone.now())
    assert not catalogue.whole_look_is_due()
    catalogue.look_at_bucket(whole=False)
    assert store.calls["list"] == 0
    Catalogue.objects.update(whole_begun_at=timezone.now() - timedelta(minutes=11))
    assert catalogue.whole_look_is_due(), "the one who looked was killed"
    catalogue.look_at_bucket(whole=True)
    assert not catalogue.whole_look_is_due()
    Catalogue.objects.update(whole_begun_at=timezone.now())
    store.plant(f"{key_of(4)}/data.json", USERS)
    catalogue.look_at_bucket(whole=False)
    assert Backup.objects.count() == 4, "a daily one disturbs nobody"


def test_a_minutes_look_does_not_undo_a_whole_one(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = bucket.look_at

    def overtaken(environment: str, *, whole: bool) -> int:
        if not whole:
            catalogue.look_at_bucket(whole=True)
        return real(environment, whole=whole)

    monkeypatch.setattr(bucket, "look_at", overtaken)
    store.plant("a.txt", b"x")
    catalogue.look_at_bucket(whole=False)
    row = Catalogue.row()
    assert (row.strangers, row.whole_at is not None) == (1, True)


def test_each_environment_may_have_a_bucket_of_its_own(
    account: Account, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.BACKUP_BUCKET = "backups-{environment}"
    stores = {name: FakeStore(f"backups-{name}") for name in ("production", "staging", "development")}
    monkeypatch.setattr(wiring, "store", lambda environment="production": stores[environment])
    held = {
        "production": ("team-production", "other"),
        "staging": ("team-staging", "STAGING"),
        "development": ("a-b-Development",),
    }
    for environment, names in held.items():
        stores[environment].lifecycle = (Rule(environment, days=30),)
        for name in names:
            stores[environment].plant(f"{key_of(1, name)}/data.json", USERS)
    catalogue.look_at_bucket(whole=True)
    assert Backup.objects.count() == 5
    assert {name: storage.known(f"backups-{name}").rules for name in stores} == {
        name: (Rule(name, days=30),) for name in stores
    }
    for row in Backup.objects.all():
        assert catalogue.store_of(row) is stores[row.environment or "production"]
    for environment, names in held.items():
        stores[environment].delete(f"{key_of(1, names[-1])}/data.json")
        catalogue.look_at_bucket(whole=True)
        assert not Backup.objects.filter(pool_name=names[-1]).exists()
    assert set(Deleted.objects.values_list("pool_name", flat=True)) == {names[-1] for names in held.values()}
    assert Backup.objects.count() == 2


# --- what is said of it ---------------------------------------------------------------------------------


def test_the_last_good_one_that_goes_soon_is_warned_of(store: FakeStore) -> None:
    now = timezone.now()
    catalogue.look_at_bucket(whole=True)
    Backup.objects.update(expires_at=now + timedelta(days=9))
    assert [name for name, _ in storage.left_with_nothing(now)] == [NAME]
    newest = Backup.objects.filter(key=key_of(3))
    newest.update(expires_at=now + timedelta(days=40))
    assert storage.left_with_nothing(now) == []
    newest.update(may_expire_at=now + timedelta(days=2))
    assert storage.left_with_nothing(now) != [], "one that may go is no comfort"
    newest.update(state="unreadable", expires_at=None, may_expire_at=None)
    assert storage.left_with_nothing(now) != [], "nor is one that cannot be read"
    newest.update(state="complete")
    assert storage.left_with_nothing(now) == [], "one that no rule ends stays"
    newest.update(expires_at=now, kept_as="_cognito-admin/kept/x")
    assert storage.left_with_nothing(now) == [], "so does one that is kept"


def test_what_goes_next_leaves_out_what_is_kept_or_stays(store: FakeStore) -> None:
    now = timezone.now()
    catalogue.look_at_bucket(whole=True)
    assert storage.going_next(5) == []
    Backup.objects.filter(key=key_of(1)).update(expires_at=now + timedelta(days=3))
    Backup.objects.filter(key=key_of(2)).update(may_expire_at=now + timedelta(days=1))
    Backup.objects.filter(key=key_of(3)).update(expires_at=now, kept_as="_cognito-admin/kept/x")
    assert [row.key for row in storage.going_next(5)] == [key_of(2), key_of(1)]
