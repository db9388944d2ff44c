"""What every store does: the promises of ``BackupStore``, in memory and over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from backups.engine.ports import BackupStore, Cause, PortError
from tests.contract.marks import worlds
from tests.contract.test_pool import fails
from tests.contract.worlds import World

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
