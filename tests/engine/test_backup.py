"""A backup is whole when its manifest stands, and not a moment before."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from backups.core import files, naming
from backups.core.snapshot import Entry
from backups.engine.check import Found, look
from backups.engine.ports import Cause, PortError, Stop
from backups.engine.reading import parts_of
from tests.build import KEY, a_backup, seal
from tests.fakes import FakePool, FakeReport, FakeStore


@pytest.fixture
def pool() -> FakePool:
    pool = FakePool()
    pool.add("ada@x.io", groups=["beta", "admins"])
    pool.add("bob@x.io", enabled=False)
    return pool


def seen(store: FakeStore) -> Found:
    return look(store, KEY, parts_of(store, KEY), FakeReport(), seal)


def test_the_manifest_is_written_last_and_vouches_for_the_rest(pool: FakePool) -> None:
    store = FakeStore()
    made = a_backup(store, pool)
    assert list(store.objects) == [
        f"{KEY}/{name}" for name in (*naming.PARTS[:2], "data.json", "manifest.json")
    ]
    manifest, hmac = files.read_manifest([store.read(f"{KEY}/manifest.json")])
    assert manifest == made.manifest and hmac == seal(files.signed_bytes(manifest))
    assert (manifest.users, manifest.groups, manifest.memberships) == (2, 2, 2)
    assert {part.name: part.count for part in manifest.parts} == {
        "pool.json": 2,
        "groups.json": 2,
        "data.json": 2,
    }
    assert (manifest.made_by, manifest.trigger, manifest.format) == ("iva", "person", 1)
    assert seen(store).state == "complete"


def test_data_json_is_the_pool_in_cbrs_format(pool: FakePool) -> None:
    store = FakeStore()
    a_backup(store, pool)
    data = store.read(f"{KEY}/data.json")
    assert data.startswith(b"[\n{") and data.endswith(b"}\n]\n")
    assert [user.entry for user in files.read_users([data])] == list(pool.users())


def test_a_backup_of_an_empty_pool_is_a_backup() -> None:
    store = FakeStore()
    assert a_backup(store, FakePool()).manifest.users == 0
    assert seen(store).state == "complete"


def test_a_user_whom_the_list_repeats_is_written_once(pool: FakePool) -> None:
    class Repeating(FakePool):
        def users(self, prefix: str = "") -> Iterator[Entry]:
            yield from pool.users()
            yield from pool.users()

    store = FakeStore()
    assert a_backup(store, Repeating()).manifest.users == 2
    assert len(orjson.loads(store.read(f"{KEY}/data.json"))) == 2


def test_a_setting_that_cannot_be_read_is_named_and_the_backup_is_complete(pool: FakePool) -> None:
    pool.setting_errors["mfa"] = "Not allowed: GetUserPoolMfaConfig."
    store = FakeStore()
    manifest = a_backup(store, pool).manifest
    assert manifest.unread == {"mfa": "Not allowed: GetUserPoolMfaConfig."}
    assert list(files.read_settings([store.read(f"{KEY}/pool.json")])) == ["user_pool"]
    assert seen(store).state == "complete"


@pytest.mark.parametrize("operation", ["facts", "groups", "members", "users"])
def test_what_cannot_be_left_out_fails_the_backup(pool: FakePool, operation: str) -> None:
    store = FakeStore()
    pool.fail(operation, Cause.DENIED)
    with pytest.raises(PortError) as error:
        a_backup(store, pool)
    assert error.value.cause is Cause.DENIED
    assert f"{KEY}/manifest.json" not in store.keys and f"{KEY}/data.json" not in store.keys


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
@pytest.mark.parametrize("after", [False, True])
def test_cut_short_at_any_put_it_never_looks_whole(pool: FakePool, nth: int, after: bool) -> None:
    store = FakeStore()
    store.fail("put", Cause.LOST, nth=nth, after=after)
    with pytest.raises(PortError):
        a_backup(store, pool)
    whole = nth == 4 and after  # the manifest stands, only the answer was lost
    assert seen(store).state == ("complete" if whole else "incomplete")
    assert whole or seen(store).reason


@pytest.mark.parametrize("stop_after", [0, 1, 2, 3, 4])
def test_stopped_anywhere_it_never_looks_whole(stop_after: int) -> None:
    pool, store = FakePool(), FakeStore()
    for number in range(130):
        pool.add(f"{number}@x.io")
    with pytest.raises(Stop):
        a_backup(store, pool, report=FakeReport(stop_after=stop_after))
    assert f"{KEY}/manifest.json" not in store.keys
    assert seen(store).state == "incomplete"


def test_a_key_that_is_taken_is_left_alone(pool: FakePool) -> None:
    store = FakeStore()
    a_backup(store, pool)
    before = {key: store.read(key) for key in store.keys}
    pool.add("eve@x.io")
    with pytest.raises(PortError) as error:
        a_backup(store, pool)
    assert error.value.cause is Cause.EXISTS
    assert {key: store.read(key) for key in store.keys} == before


def test_it_tells_what_it_does(pool: FakePool) -> None:
    report = FakeReport()
    pool.estimated_users = 7
    a_backup(FakeStore(), pool, report=report)
    assert [name for name, _ in report.phases] == ["Users, groups and settings"]
    assert report.counters == {"groups": 2, "memberships": 2, "users": 2}
    assert "2 users, 2 groups, 2 memberships written" in report.text
    assert "AWS estimates 7 users; the list gave 2" in report.text and "x.io" not in report.text


def test_an_estimate_that_agrees_needs_no_words(pool: FakePool) -> None:
    report = FakeReport()
    a_backup(FakeStore(), pool, report=report)
    assert "estimates" not in report.text


def test_it_takes_as_long_as_it_takes(pool: FakePool) -> None:
    store = FakeStore()
    pool.through = lambda operation, do: (store.clock.advance(0.5), do())[1]
    made = a_backup(store, pool)
    assert made.seconds > 1
    assert made.manifest.started < made.manifest.finished


# --- secrets ---------------------------------------------------------------------------------


@pytest.fixture
def secretive(pool: FakePool) -> FakePool:
    pool.setting_values |= {
        "clients": [{"ClientId": "a"}, {"ClientId": "b", "ClientSecret": "hush-hush"}],
        "identity_providers": [{"ProviderDetails": {"client_secret": "hush-hush-too"}}],
    }
    return pool


def test_without_a_seal_for_them_secrets_are_left_out_and_it_is_said(secretive: FakePool) -> None:
    store = FakeStore()
    manifest = a_backup(store, secretive).manifest
    assert manifest.left_out == ("secrets of app clients", "secrets of identity providers")
    assert manifest.sealed == ()
    assert all(b"hush" not in store.read(key) for key in store.keys)


def test_a_pool_without_secrets_has_none_left_out(pool: FakePool) -> None:
    assert a_backup(FakeStore(), pool).manifest.left_out == ()


def test_with_a_seal_each_secret_stands_sealed_in_its_place(secretive: FakePool) -> None:
    store = FakeStore()
    manifest = a_backup(store, secretive, seal_secret=lambda text, place: f"v1:{len(text)}{place}").manifest
    place = "/settings/clients/1/ClientSecret"
    assert manifest.sealed == (place, "/settings/identity_providers/0/ProviderDetails/client_secret")
    assert manifest.left_out == ()
    read = files.read_settings([store.read(f"{KEY}/pool.json")])
    assert read["clients"][1] == {"ClientId": "b", "ClientSecret": {"$sealed": f"v1:9{place}"}}
    assert all(b"hush" not in store.read(key) for key in store.keys)
    assert seen(store).origin == "ours"
