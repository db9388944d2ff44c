"""What a backup is, by a look and by reading every byte."""

from __future__ import annotations

import hashlib
import tempfile
import tracemalloc
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from backups.core.files import read_manifest, signed_bytes, write_checked, write_manifest
from backups.core.naming import CHECKS, PARTS, UPLOADS, kept_key
from backups.engine.check import EVERY, Found, check, look
from backups.engine.ports import Cause, PortError, Stop
from backups.engine.reading import parts_of
from tests.build import KEY, POOL, a_backup, a_file, an_entry, sample, seal
from tests.fakes import FakePool, FakeReport, FakeStore


@pytest.fixture
def store() -> FakeStore:
    pool, store = FakePool(), FakeStore()
    pool.add("ada@x.io", groups=["admins"])
    pool.add("bob@x.io")
    a_backup(store, pool)
    return store


def seen(store: FakeStore, *, late_check: bool = True) -> Found:
    return look(store, KEY, parts_of(store, KEY), FakeReport(), seal, late_check=late_check)


def checked(store: FakeStore, report: FakeReport | None = None) -> Found:
    return check(store, KEY, report or FakeReport(), store.clock, tool="tests", seal=seal)


def overwrite(store: FakeStore, part: str, data: bytes) -> None:
    """The same key, no second version: whoever did this owns the bucket."""
    store.objects[f"{KEY}/{part}"].clear()
    store.plant(f"{KEY}/{part}", data)


def reseal(store: FakeStore, **changes: object) -> None:
    manifest, _ = read_manifest([store.read(f"{KEY}/manifest.json")])
    manifest = replace(manifest, **changes)  # type: ignore[arg-type]
    overwrite(store, "manifest.json", write_manifest(manifest, seal(signed_bytes(manifest))))


# --- a look ----------------------------------------------------------------------------------


def test_a_backup_of_ours_is_complete_and_not_yet_checked(store: FakeStore) -> None:
    found = seen(store)
    assert (found.state, found.checked, found.origin, found.reason) == ("complete", False, "ours", "")
    assert (found.users, found.groups, found.memberships) == (2, 1, 1)
    assert store.calls["open"] == 1, "a look reads the manifest and nothing else"


def test_cbrs_file_is_users_only_and_of_unknown_origin() -> None:
    store = FakeStore()
    store.plant(f"{KEY}/data.json", sample("cbr-users.json"))
    for found in (seen(store), checked(store)):
        assert (found.state, found.users, found.checked, found.origin) == ("users-only", 8, False, "unknown")
        assert "no groups" in found.reason and found.groups is None
    assert store.keys == [f"{KEY}/data.json"]


@pytest.mark.parametrize(
    ("data", "why"), [(b"", "empty"), (b"{}", "no JSON array"), (sample("cbr-users.json")[:900], "cut")]
)
def test_a_users_file_that_is_damaged_is_unreadable_with_its_reason(data: bytes, why: str) -> None:
    store = FakeStore()
    store.plant(f"{KEY}/data.json", data)
    assert seen(store).state == checked(store).state == "unreadable"
    assert why in seen(store).reason


@pytest.mark.parametrize("part", ["pool.json", "groups.json", "checked.json"])
def test_without_a_manifest_it_is_incomplete(store: FakeStore, part: str) -> None:
    alone = FakeStore()
    alone.plant(f"{KEY}/{part}", b"{}")
    assert seen(alone).state == checked(alone).state == "incomplete"
    alone.plant(f"{KEY}/data.json", sample("cbr-users.json"))
    assert seen(alone).state == "incomplete" and "cut short" in seen(alone).reason


def test_nothing_at_all_is_incomplete_with_a_reason() -> None:
    assert checked(FakeStore()).reason == "its data.json and its manifest were never written"


@pytest.mark.parametrize("part", ["pool.json", "groups.json", "data.json"])
def test_a_look_finds_a_part_that_is_missing_or_of_another_size(store: FakeStore, part: str) -> None:
    whole = store.read(f"{KEY}/{part}")
    store.plant(f"{KEY}/{part}", whole + b" ")
    assert seen(store).state == "unreadable" and f"{part} has" in seen(store).reason
    store.delete(f"{KEY}/{part}")
    assert seen(store) == checked(store)
    assert seen(store).reason == f"{part} is missing: it was changed after it was made"


def test_a_manifest_that_is_damaged_makes_it_unreadable(store: FakeStore) -> None:
    overwrite(store, "manifest.json", store.read(f"{KEY}/manifest.json")[:-20])
    assert seen(store).state == "unreadable" and seen(store).reason.startswith("manifest.json: ")


def test_a_manifest_that_names_nothing_vouches_for_nothing(store: FakeStore) -> None:
    reseal(store, parts=())
    found = seen(store)
    assert found.state == "unreadable"
    assert found.reason == "its manifest does not name pool.json, groups.json, data.json"


@pytest.mark.parametrize("operation", ["list", "open", "versions"])
def test_a_bucket_that_does_not_answer_is_no_finding(store: FakeStore, operation: str) -> None:
    store.fail(operation, Cause.UNREACHABLE)
    with pytest.raises(PortError):
        seen(store)


# --- origin ----------------------------------------------------------------------------------


def test_another_key_or_none_is_unknown(store: FakeStore) -> None:
    manifest, _ = read_manifest([store.read(f"{KEY}/manifest.json")])
    for hmac in ("", "0" * 64):
        overwrite(store, "manifest.json", write_manifest(manifest, hmac))
        assert (seen(store).state, seen(store).origin) == ("complete", "unknown")


def test_a_second_version_is_a_change(store: FakeStore) -> None:
    store.plant(f"{KEY}/data.json", store.read(f"{KEY}/data.json"))
    assert seen(store).origin == checked(store).origin == "changed"


def test_an_object_much_younger_than_its_manifest_is_a_change_unless_that_is_switched_off(
    store: FakeStore,
) -> None:
    data = store.read(f"{KEY}/data.json")
    store.objects[f"{KEY}/data.json"].clear()
    store.plant(f"{KEY}/data.json", data, modified=store.clock.now() + timedelta(hours=2))
    assert seen(store).origin == "changed"
    assert seen(store, late_check=False).origin == "ours"


# --- reading everything back -----------------------------------------------------------------


def test_what_agrees_is_checked_and_stays_so_in_the_bucket(store: FakeStore) -> None:
    found = checked(store)
    assert (found.state, found.checked, found.origin, found.users) == ("complete", True, "ours", 2)
    document = orjson.loads(store.read(f"{KEY}/checked.json"))
    assert (document["users"], document["groups"], document["memberships"]) == (2, 1, 1)
    assert seen(store).checked
    assert checked(store).checked and store.calls["put"] == 5, "it is written once"


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("pool.json", b"eu-west-1", b"eu-east-1"),
        ("groups.json", b"admins", b"Admins"),
        ("data.json", b"ada@x.io", b"eve@x.io"),
    ],
)
def test_bytes_that_changed_behind_the_manifest_are_found(
    store: FakeStore, part: str, old: bytes, new: bytes
) -> None:
    data = store.read(f"{KEY}/{part}")
    assert old in data
    overwrite(store, part, data.replace(old, new))
    assert seen(store).state == "complete", "the sizes agree: only reading finds it"
    found = checked(store)
    assert found.state == "unreadable" and not found.checked and part in found.reason
    assert f"{KEY}/checked.json" not in store.keys


@pytest.mark.parametrize("part", ["pool.json", "groups.json", "data.json"])
def test_bytes_that_are_no_json_any_more_are_found(store: FakeStore, part: str) -> None:
    overwrite(store, part, b"x" * len(store.read(f"{KEY}/{part}")))
    assert checked(store).state == "unreadable"


def test_one_change_that_was_sealed_with_our_key_is_still_counted(store: FakeStore) -> None:
    manifest, _ = read_manifest([store.read(f"{KEY}/manifest.json")])
    reseal(store, parts=tuple(replace(part, count=part.count + 1) for part in manifest.parts))
    assert checked(store).state == "unreadable"


def test_checked_is_bound_to_the_manifest(store: FakeStore) -> None:
    checked(store)
    reseal(store, made_by="somebody")
    assert seen(store).state == "complete" and not seen(store).checked


@pytest.mark.parametrize("data", [b"", b"no json", b"[]", b"{}", b'{"manifest_sha256": 7}'])
def test_a_checked_json_of_another_kind_is_worth_nothing(store: FakeStore, data: bytes) -> None:
    store.plant(f"{KEY}/checked.json", data)
    assert not seen(store).checked
    assert checked(store).checked, "reading everything back is"


@pytest.mark.parametrize("part", ["pool.json", "groups.json", "data.json", "manifest.json"])
def test_bytes_that_are_younger_than_the_check_were_not_checked(store: FakeStore, part: str) -> None:
    checked(store)
    overwrite(store, part, store.read(f"{KEY}/{part}"))
    assert seen(store).checked, "put in the same second, as the check itself may be"
    store.clock.advance(1)
    overwrite(store, part, store.read(f"{KEY}/{part}"))
    assert not seen(store).checked
    assert checked(store).checked, "reading everything back is"


def test_somebody_else_checking_at_the_same_time_is_the_same_fact(store: FakeStore) -> None:
    store.fail("put", Cause.EXISTS)
    assert checked(store).checked
    store.fail("put", Cause.DENIED)
    with pytest.raises(PortError):
        checked(store)


def test_a_member_whom_the_list_lacks_is_said_and_no_fault() -> None:
    pool, store, report = FakePool(), FakeStore(), FakeReport()
    late = pool.add("late@x.io", groups=["beta"])
    pool.unlisted.add(late["Username"])
    a_backup(store, pool)
    assert checked(store, report).checked
    assert "1 group member is not among the users" in report.text


def test_a_foreign_file_is_never_checked() -> None:
    store = FakeStore()
    store.plant(f"{KEY}/data.json", a_file([an_entry()]))
    assert not checked(store).checked and store.keys == [f"{KEY}/data.json"]


def moved_to(store: FakeStore, key: str) -> Found:
    for part in parts_of(store, KEY):
        store.plant(f"{key}/{part}", store.read(f"{KEY}/{part}"))
    return look(store, key, parts_of(store, key), FakeReport(), seal)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("moved", [f"2027-01-01.00-00-00/{POOL}", "2026-11-22.01-00-00/another-pool"])
def test_a_sealed_backup_copied_under_another_key_is_not_what_it_says(
    store: FakeStore, moved: str, named: bool
) -> None:
    if not named:
        reseal(store, key="")  # as the oldest manifests are
    found = moved_to(store, moved)
    assert (found.state, found.origin, found.users) == ("complete", "changed", 2)


def test_a_manifest_that_names_no_key_may_lie_within_the_hour(store: FakeStore) -> None:
    reseal(store, key="")
    assert seen(store).origin == moved_to(store, f"2026-11-22.01-50-00/{POOL}").origin == "ours"


def test_bytes_beside_a_copied_manifest_and_check_are_neither_ours_nor_checked(store: FakeStore) -> None:
    """Whoever may put objects needs no key to copy a sealed manifest and a sealed check."""
    checked(store)
    key = f"2026-11-22.01-50-00/{POOL}"
    data = store.read(f"{KEY}/data.json")
    store.plant(f"{key}/data.json", data.replace(b"ada@x.io", b"eve@x.io"))
    for part in (*PARTS[:2], "manifest.json", "checked.json"):
        store.plant(f"{key}/{part}", store.read(f"{KEY}/{part}"))
    found = look(store, key, parts_of(store, key), FakeReport(), seal)
    assert (found.state, found.checked, found.origin) == ("complete", False, "changed")
    found = check(store, key, FakeReport(), store.clock, tool="tests", seal=seal)
    assert (found.state, found.checked, found.origin) == ("unreadable", False, "changed")


def test_a_kept_copy_is_ours_by_its_originals_key_and_checked_by_a_check_of_its_own(store: FakeStore) -> None:
    checked(store)
    copy = kept_key(KEY)
    found = moved_to(store, copy)
    assert (found.origin, found.checked) == ("ours", False)
    assert check(store, copy, FakeReport(), store.clock, tool="tests", seal=seal).checked
    assert look(store, copy, parts_of(store, copy), FakeReport(), seal).checked
    assert f"{copy}/checked-2.json" in store.keys


@pytest.mark.parametrize("kept", [False, True])
def test_a_sealed_backup_among_the_uploads_is_unknown_and_never_checked(store: FakeStore, kept: bool) -> None:
    checked(store)
    key = UPLOADS + KEY
    key = kept_key(key) if kept else key
    found = moved_to(store, key)
    assert (found.state, found.checked, found.origin) == ("complete", False, "unknown")
    before = store.keys
    found = check(store, key, FakeReport(), store.clock, tool="tests", seal=seal)
    assert (found.checked, found.origin, store.keys) == (False, "unknown", before)
    assert "among the uploads" in found.reason


def test_a_key_that_nobody_knows_is_no_place_of_ours(store: FakeStore) -> None:
    assert moved_to(store, "elsewhere").origin == "changed"


# --- whose check it is -------------------------------------------------------------------------------


def no_key(data: bytes) -> str:
    return ""


def said(store: FakeStore, **changes: object) -> dict[str, object]:
    manifest = hashlib.sha256(store.read(f"{KEY}/manifest.json")).hexdigest()
    return {"key": KEY, "manifest_sha256": manifest, **changes}


def test_a_check_without_our_seal_counts_for_nothing_and_one_is_written_beside_it(store: FakeStore) -> None:
    older = {key: value for key, value in said(store).items() if key != "key"}
    for data in (orjson.dumps(older), orjson.dumps({**said(store), "hmac_sha256": "ä"})):
        overwrite_or_put(store, "checked.json", data)
        assert not seen(store).checked
    assert checked(store).checked and seen(store).checked
    assert f"{KEY}/checked-2.json" in store.keys
    puts = store.calls["put"]
    assert checked(store).checked and store.calls["put"] == puts


def overwrite_or_put(store: FakeStore, part: str, data: bytes) -> None:
    store.objects.pop(f"{KEY}/{part}", None)
    store.plant(f"{KEY}/{part}", data)


def test_where_there_is_no_key_a_check_counts_as_it_always_did(store: FakeStore) -> None:
    def looked() -> Found:
        return look(store, KEY, parts_of(store, KEY), FakeReport(), no_key)

    for agrees, changes in ((True, {}), (False, {"key": "elsewhere"}), (False, {"manifest_sha256": "0"})):
        overwrite_or_put(store, "checked.json", write_checked(said(store, **changes), no_key))
        assert (looked().checked, looked().origin) == (agrees, "unknown")
    older = {key: value for key, value in said(store).items() if key != "key"}
    overwrite_or_put(store, "checked.json", orjson.dumps(older))
    assert looked().checked and not seen(store).checked


@pytest.mark.parametrize("changes", [{"key": "elsewhere"}, {"key": None}, {"manifest_sha256": "0"}])
def test_a_check_of_ours_that_is_of_something_else_does_not_count(
    store: FakeStore, changes: dict[str, object]
) -> None:
    store.plant(f"{KEY}/checked.json", write_checked(said(store, **changes), seal))
    assert not seen(store).checked
    overwrite_or_put(store, "checked.json", write_checked(said(store), seal))
    assert seen(store).checked


def test_a_check_that_is_nested_without_end_is_worth_nothing(store: FakeStore) -> None:
    store.plant(f"{KEY}/checked.json", b'{"a":' + b"[" * 300 + b"]" * 300 + b"}")
    assert not seen(store).checked


def test_where_every_name_is_taken_the_check_is_still_told(store: FakeStore) -> None:
    for name in CHECKS:
        store.plant(f"{KEY}/{name}", b"{}")
    puts = store.calls["put"]
    assert checked(store).checked and not seen(store).checked
    assert store.calls["put"] == puts


def test_what_does_not_agree_behind_a_seal_was_changed_and_else_is_unknown(store: FakeStore) -> None:
    data = store.read(f"{KEY}/data.json").replace(b"ada@x.io", b"eve@x.io")
    overwrite(store, "data.json", data)
    found = checked(store)
    assert (found.origin, found.manifest is None) == ("changed", False)
    found = check(store, KEY, FakeReport(), store.clock, tool="tests", seal=no_key)
    assert (found.state, found.origin) == ("unreadable", "unknown")


# --- one pass ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", ["users", "groups", "memberships"])
def test_numbers_that_the_parts_do_not_have_are_found(store: FakeStore, changed: str) -> None:
    reseal(store, **{changed: 7})
    assert seen(store).state == "complete", "a look trusts the manifest"
    assert checked(store).reason == (
        "its parts have other numbers of users, groups or memberships than it says"
    )


def test_every_part_is_read_once_and_nothing_is_spooled(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    seen(store)
    looks = store.calls["open"]
    assert checked(store).checked
    # another look, the three parts, and the manifest that checked.json is bound to
    assert store.calls["open"] == 2 * looks + len(PARTS) + 1


def test_an_entry_that_is_no_user_is_found_behind_a_seal_that_holds(store: FakeStore) -> None:
    data = store.read(f"{KEY}/data.json").replace(b'"Enabled":true', b'"Enabled":1   ', 1)
    overwrite(store, "data.json", data)
    manifest, _ = read_manifest([store.read(f"{KEY}/manifest.json")])
    sha = hashlib.sha256(data).hexdigest()
    reseal(
        store,
        parts=tuple(
            replace(part, sha256=sha) if part.name == "data.json" else part for part in manifest.parts
        ),
    )
    found = checked(store)
    assert found.state == "unreadable" and found.reason.startswith("entry ")


def test_the_check_of_many_users_tells_how_far_it_is_and_can_be_stopped() -> None:
    pool, store = FakePool(), FakeStore()
    for number in range(2 * EVERY + 5):
        pool.add(f"{number}@x.io")
    a_backup(store, pool)
    report = FakeReport()
    assert checked(store, report).checked and report.counters == {"users": 2 * EVERY + 5}
    store.delete(f"{KEY}/checked.json")
    with pytest.raises(Stop):
        checked(store, FakeReport(stop_after=1))
    assert f"{KEY}/checked.json" not in store.keys


def test_a_long_list_of_users_alone_can_be_stopped() -> None:
    store = FakeStore()
    store.plant(f"{KEY}/data.json", a_file(an_entry(f"{n}@x.io") for n in range(EVERY)))
    assert seen(store).users == EVERY
    with pytest.raises(Stop):
        look(store, KEY, parts_of(store, KEY), FakeReport(stop_after=0), seal)


def test_memory_is_bounded_by_the_memberships_and_not_by_the_users() -> None:
    pool, store = FakePool(), FakeStore()
    pool.add("ada@x.io", groups=["admins"])
    a_backup(store, pool)
    data = a_file(
        [*pool.users(), *(an_entry(f"{n}@x.io", sub=f"{n:032}", name="n" * 900) for n in range(20_000))]
    )
    overwrite(store, "data.json", data)
    manifest, _ = read_manifest([store.read(f"{KEY}/manifest.json")])
    sha = hashlib.sha256(data).hexdigest()
    parts = [
        replace(part, sha256=sha, size=len(data), count=20_001) if part.name == "data.json" else part
        for part in manifest.parts
    ]
    reseal(store, users=20_001, parts=tuple(parts))
    tracemalloc.start()
    assert checked(store).users == 20_001
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < len(data) / 4, "bytes"


def test_second_factors_are_read_back_too() -> None:
    pool, store = FakePool(), FakeStore()
    ada = pool.add("ada@x.io")
    pool.factors[ada["Username"]] = ("SOFTWARE_TOKEN_MFA",)
    a_backup(store, pool, mfa_policy="on")
    data = store.read(f"{KEY}/mfa.json")
    overwrite(store, "mfa.json", data.replace(b"SOFTWARE", b"hardware"))
    assert checked(store).reason.startswith("mfa.json does not agree")
    overwrite(store, "mfa.json", data)
    assert checked(store).checked


def test_a_manifest_that_is_swapped_while_the_rest_is_read_is_not_vouched_for(store: FakeStore) -> None:
    class Swapping(FakeReport):
        def count(self, **counters: int) -> None:
            if counters.get("users") == 2:
                reseal(store, made_by="somebody else")
            super().count(**counters)

    found = checked(store, Swapping())
    assert (found.state, found.checked) == ("unreadable", False)
    assert found.reason == "its manifest was changed while the rest was read"
    assert f"{KEY}/checked.json" not in store.keys
