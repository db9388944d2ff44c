"""What every store does: the promises of ``BackupStore``, in memory and over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from backups.aws.store import S3Store
from backups.core.expiry import Rule
from backups.engine.ports import BackupStore, Cause, Head, PortError
from tests.contract.marks import differs, worlds
from tests.contract.test_pool import fails
from tests.contract.worlds import Remote, World

pytestmark = worlds("fakes", "moto", "ministack", "aws", why="the stand-in is a Cognito only: no S3")
MB = 1024 * 1024
KEY = "2026-11-22.01-00-00/biomage-user-pool-case-insensitive-production/data.json"


@pytest.fixture
def store(world: World) -> BackupStore:
    return world.store()


def read(store: BackupStore, key: str = KEY) -> bytes:
    return b"".join(store.open(key))


def bytes_of(size: int) -> bytes:
    return (hashlib.sha256(b"some bytes").digest() * (size // 32 + 1))[:size]


def chunks_of(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("size", [0, 1, 5 * MB, 8 * MB, 8 * MB + 1, 20 * MB])
def test_what_is_put_is_what_is_read(store: BackupStore, size: int) -> None:
    data = bytes_of(size)
    stored = store.put(KEY, chunks_of(data, 700_001))
    assert (stored.key, stored.size) == (KEY, size)
    assert abs(stored.modified - datetime.now(UTC)) < timedelta(days=3650)
    assert [(one.key, one.size, one.etag) for one in store.list()] == [(KEY, size, stored.etag)]
    assert hashlib.sha256(read(store)).digest() == hashlib.sha256(data).digest()


def test_a_chunk_may_be_larger_than_a_part(store: BackupStore) -> None:
    data = bytes_of(17 * MB)
    assert store.put(KEY, [data]).size == 17 * MB
    assert read(store) == data


def test_chunks_are_at_most_a_mebibyte(store: BackupStore) -> None:
    store.put(KEY, [bytes_of(3 * MB + 5)])
    sizes = [len(chunk) for chunk in store.open(KEY)]
    assert sum(sizes) == 3 * MB + 5
    assert max(sizes) <= MB


@pytest.mark.parametrize("size", [10, 9 * MB])
def test_a_key_is_written_once(store: BackupStore, size: int) -> None:
    store.put(KEY, [b"the first"])
    fails(Cause.EXISTS, lambda: store.put(KEY, [bytes_of(size)]))
    assert read(store) == b"the first"
    assert store.versions(KEY) == 1


def test_of_two_writers_at_once_one_is_told(store: BackupStore) -> None:
    def write(text: bytes) -> Cause | None:
        try:
            store.put(KEY, [text])
        except PortError as error:
            return error.cause
        return None

    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(write, (b"%d" % n for n in range(8))))
    assert told.count(None) == 1
    assert told.count(Cause.EXISTS) == 7
    assert read(store) == b"%d" % told.index(None)


@pytest.mark.parametrize("before", [100, 20 * MB])
def test_nothing_stays_when_the_source_fails(store: BackupStore, before: int) -> None:
    def source() -> Iterator[bytes]:
        yield bytes_of(before)
        raise OSError("the source broke")

    with pytest.raises(OSError, match="the source broke"):
        store.put(KEY, source())
    assert list(store.list()) == []
    fails(Cause.MISSING, lambda: store.open(KEY))


def test_what_is_missing_is_missing_before_the_first_chunk(store: BackupStore) -> None:
    error = fails(Cause.MISSING, lambda: store.open("nothing"))
    assert error.code == "NoSuchKey"


def test_a_bucket_that_does_not_exist_is_gone(world: World) -> None:
    store = world.no_store()
    fails(Cause.GONE, lambda: list(store.list()))
    fails(Cause.GONE, lambda: store.open(KEY))
    fails(Cause.GONE, lambda: store.put(KEY, [b"x"]))


def test_keys_come_in_order_from_after_a_key_and_below_a_prefix(store: BackupStore) -> None:
    for key in ("b/1", "a/2", "a/10", "a/Z", "ä/1", "a!/1"):
        store.put(key, [b"x"])
    assert [one.key for one in store.list()] == ["a!/1", "a/10", "a/2", "a/Z", "b/1", "ä/1"]
    assert [one.key for one in store.list("a/")] == ["a/10", "a/2", "a/Z"]
    assert [one.key for one in store.list("a/", after="a/10")] == ["a/2", "a/Z"]
    assert [one.key for one in store.list(after="a/2")] == ["a/Z", "b/1", "ä/1"]
    assert list(store.list("c/")) == []


def test_every_page_of_keys_is_listed(store: BackupStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backups.aws.store.PAGE", 10)
    keys = [f"2026/{n:02d}" for n in range(23)]
    for key in keys:
        store.put(key, [b"x"])
    assert [one.key for one in store.list()] == keys
    assert [one.key for one in store.list(after="2026/01")] == keys[2:]


def test_a_change_after_the_writing_shows_in_the_versions(world: World, store: BackupStore) -> None:
    first = store.put(KEY, [b"ours"])
    store.put(KEY + ".other", [b"a longer key of the same beginning"])
    assert store.versions(KEY) == 1
    world.overwrite(store, KEY, b"somebody else's")
    assert store.versions(KEY) == 2
    assert read(store) == b"somebody else's"
    assert next(one.etag for one in store.list(KEY)) != first.etag


def test_a_deleted_key_is_missing_and_may_be_written_again(world: World, store: BackupStore) -> None:
    store.put(KEY, [b"the first"])
    world.delete(store, KEY)
    assert list(store.list()) == []
    fails(Cause.MISSING, lambda: store.open(KEY))
    store.put(KEY, [b"the second"])
    assert read(store) == b"the second"
    assert store.versions(KEY) == 2


def test_two_readers_do_not_disturb_each_other(store: BackupStore) -> None:
    data = bytes_of(2 * MB)
    store.put(KEY, [data])
    one, other = store.open(KEY), store.open(KEY)
    assert next(one) == next(other)
    assert len(b"".join(one)) == len(b"".join(other)) == MB


# --- what the bucket tells of its own keeping -----------------------------------------------------------


def told(store: BackupStore, prefix: str = "") -> list[tuple[str, int | None]]:
    return [(one.key, one.size) for one in store.history(prefix)]


def test_the_history_has_every_version_and_marker_the_newest_first(world: World, store: BackupStore) -> None:
    store.put("a/1", [b"one"])
    world.overwrite(store, "a/1", b"three")
    store.put("a/2", [b"x"])
    world.delete(store, "a/2")
    store.put("b/1", [b"yy"])
    world.delete(store, "b/1")
    store.put("b/1", [b"zzzz"])
    assert told(store)[:5] == [("a/1", 5), ("a/1", 3), ("a/2", None), ("a/2", 1), ("b/1", 4)]
    assert {*told(store)[5:]} == {("b/1", None), ("b/1", 2)}
    assert told(store, "a/") == told(store)[:4]
    assert told(store, "c/") == []
    ids = [one.id for one in store.history()]
    assert all(ids) and len({*zip([one.key for one in store.history()], ids, strict=True)}) == 7


@pytest.mark.parametrize("page", [1, 3])
def test_every_page_of_the_history_is_listed(
    world: World, store: BackupStore, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr("backups.aws.storage.PAGE", page)
    for key in ("a", "b", "ä"):
        store.put(key, [b"1"])
        world.overwrite(store, key, b"22")
        world.delete(store, key)
    assert told(store) == [(key, size) for key in ("a", "b", "ä") for size in (None, 2, 1)]


def test_a_head_is_of_what_stands(world: World, store: BackupStore) -> None:
    store.put(KEY, [b"x"])
    found = store.head(KEY)
    assert (found.lock, found.locked_until) == ("", None)
    world.delete(store, KEY)
    fails(Cause.MISSING, lambda: store.head(KEY))


def test_a_bucket_without_rules_has_none(store: BackupStore) -> None:
    assert store.rules() == ()


def test_a_bucket_without_object_lock_has_none(store: BackupStore) -> None:
    assert store.locks() is False


@differs(ministack="adds a size of 0 to a rule's filter")
def test_rules_that_end_objects_are_told_as_they_were_put(world: World, store: BackupStore) -> None:
    world.lifecycle(
        store,
        {"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 90}},
        {"ID": "off", "Status": "Disabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}},
        {
            "ID": "narrow",
            "Status": "Enabled",
            "Filter": {
                "And": {
                    "Prefix": "2026",
                    "Tags": [{"Key": "a", "Value": "b"}],
                }
            },
            "Expiration": {"Days": 7},
        },
        {
            "ID": "old",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
        },
    )
    assert sorted(store.rules(), key=lambda rule: rule.id) == [
        Rule("all", days=90),
        Rule("narrow", "2026", 7, tags=("a=b",)),
    ]


@differs(moto="drops the sizes of a rule's filter")
def test_a_rule_may_ask_for_sizes_and_a_date(world: World, store: BackupStore) -> None:
    world.lifecycle(
        store,
        {
            "ID": "large",
            "Status": "Enabled",
            "Filter": {"ObjectSizeGreaterThan": 500},
            "Expiration": {"Date": datetime(2030, 1, 1, tzinfo=UTC)},
        },
    )
    assert store.rules() == (Rule("large", over=500, date=datetime(2030, 1, 1, tzinfo=UTC)),)


def test_what_a_bucket_that_does_not_exist_tells_is_gone(world: World) -> None:
    store = world.no_store()
    fails(Cause.GONE, lambda: list(store.history()))
    fails(Cause.GONE, store.rules)
    fails(Cause.GONE, store.locks)


@worlds(
    "moto", "ministack", why="a locked object would outlive the test's bucket, and the fakes have no adapter"
)
def test_a_locked_and_encrypted_object_says_so(world: Remote) -> None:
    bucket, until = world.fresh("locked"), datetime(2035, 1, 1, tzinfo=UTC)
    s3 = world.client("s3")
    s3.create_bucket(
        Bucket=bucket,
        ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": world.region},
    )
    s3.put_object(
        Bucket=bucket,
        Key=KEY,
        Body=b"x",
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId="arn:aws:kms:eu-west-1:123456789012:key/1",
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=until,
    )
    store = S3Store(bucket, region=world.region)
    assert store.locks() is True
    assert store.head(KEY) == Head("aws:kms arn:aws:kms:eu-west-1:123456789012:key/1", "GOVERNANCE", until)
