"""A copy out of expiry is the original, byte for byte, or it is not called kept."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from backups.core import files, naming
from backups.engine.check import look
from backups.engine.keep import Copied, keep
from backups.engine.ports import Cause, PortError, Stop
from backups.engine.reading import parts_of
from tests.build import KEY, a_backup, a_file, an_entry, seal
from tests.fakes import FakePool, FakeReport, FakeStore

COPY = f"_cognito-admin/kept/{KEY}"


@pytest.fixture
def source() -> FakeStore:
    pool, store = FakePool(), FakeStore()
    pool.add("ada@x.io", groups=["admins"])
    pool.add("bob@x.io")
    a_backup(store, pool)
    return store


@pytest.fixture
def target() -> FakeStore:
    return FakeStore("reports")


def kept(source: FakeStore, target: FakeStore, report: FakeReport | None = None) -> Copied:
    return keep(
        source,
        KEY,
        target,
        COPY,
        report or FakeReport(),
        source.clock,
        tool="cognito-admin tests",
        seal=seal,
    )


def test_every_part_is_copied_with_the_manifest_last_and_read_back(
    source: FakeStore, target: FakeStore
) -> None:
    source.chunk = 7
    report = FakeReport()
    made = kept(source, target, report)
    names = [key.removeprefix(f"{COPY}/") for key in target.objects]
    assert names == [*naming.PARTS, "manifest.json", "checked.json"]
    for name in names[:-1]:
        assert target.read(f"{COPY}/{name}") == source.read(f"{KEY}/{name}")
    data = source.read(f"{KEY}/data.json")
    assert made == Copied(
        4, sum(len(source.read(key)) for key in source.keys), hashlib.sha256(data).hexdigest(), 0
    )
    assert [name for name, _ in report.phases] == ["Copying", "Reading the copy back"]
    assert report.counters["objects"] == 4


def test_a_copy_is_ours_and_checked_however_late_it_was_made(source: FakeStore, target: FakeStore) -> None:
    target.clock.advance(86_400 * 80)
    source.clock.advance(86_400 * 80)
    kept(source, target)
    found = look(target, COPY, parts_of(target, COPY), FakeReport(), seal)
    assert (found.state, found.checked, found.origin) == ("complete", True, "ours")
    target.plant(f"{COPY}/data.json", target.read(f"{COPY}/data.json"))
    found = look(target, COPY, parts_of(target, COPY), FakeReport(), seal)
    assert found.origin == "changed", "but not one that was written over"


def test_an_optional_part_is_copied_too(target: FakeStore) -> None:
    pool, source = FakePool(), FakeStore()
    pool.add("ada@x.io")
    a_backup(source, pool, mfa_policy="on")
    assert kept(source, target).objects == 5
    assert target.read(f"{COPY}/mfa.json") == source.read(f"{KEY}/mfa.json")


def test_a_part_that_its_manifest_does_not_vouch_for_never_stands(
    source: FakeStore, target: FakeStore
) -> None:
    data = source.read(f"{KEY}/data.json")
    source.plant(f"{KEY}/data.json", data.replace(b"ada", b"eve"))
    with pytest.raises(files.Unreadable, match=r"data\.json is not what its manifest says"):
        kept(source, target)
    assert [key.removeprefix(f"{COPY}/") for key in target.keys] == ["groups.json", "pool.json"]


def test_a_manifest_that_names_too_little_is_not_kept(source: FakeStore, target: FakeStore) -> None:
    manifest, _ = files.read_manifest([source.read(f"{KEY}/manifest.json")])
    source.plant(
        f"{KEY}/manifest.json", files.write_manifest(replace(manifest, parts=manifest.parts[:1]), "")
    )
    with pytest.raises(files.Unreadable, match=r"does not name groups\.json, data\.json"):
        kept(source, target)
    assert target.keys == []


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
def test_an_interrupted_copy_goes_on_where_it_ended(source: FakeStore, target: FakeStore, nth: int) -> None:
    target.fail("put", Cause.UNREACHABLE, nth=nth)
    with pytest.raises(PortError):
        kept(source, target)
    before = len(target.keys)
    assert before == nth - 1
    made = kept(source, target)
    assert (made.objects, made.there_before) == (4, before)
    assert kept(source, target).there_before == 4
    assert all(len(versions) == 1 for versions in target.objects.values()), "nothing is written twice"


def test_other_bytes_under_the_copys_key_stay_and_are_told(source: FakeStore, target: FakeStore) -> None:
    target.plant(f"{COPY}/groups.json", b"something else")
    with pytest.raises(PortError, match="holds other bytes already") as error:
        kept(source, target)
    assert error.value.cause is Cause.EXISTS
    assert target.read(f"{COPY}/groups.json") == b"something else"
    assert f"{COPY}/manifest.json" not in target.keys


def test_two_who_keep_it_at_once_leave_one_copy(source: FakeStore, target: FakeStore) -> None:
    class Slow(FakeStore):
        """Somebody else's copy stands by the time that ours is put."""

        def list(self, prefix: str = "", after: str = "") -> object:  # type: ignore[override]
            rows = [*super().list(prefix, after)]
            if not rows:
                kept(source, self.other)
            return iter(rows)

        other: FakeStore

    slow = Slow("reports")
    slow.other, slow.other.objects = target, slow.objects
    assert kept(source, slow).there_before == 4


def test_a_manifest_that_came_out_otherwise_is_not_kept(source: FakeStore, target: FakeStore) -> None:
    class Lying(FakeStore):
        def open(self, key: str) -> object:  # type: ignore[override]
            return iter([b"[\n]\n"]) if key == f"{COPY}/data.json" else super().open(key)

    with pytest.raises(files.Unreadable, match="the copy does not agree with its manifest"):
        kept(source, Lying("reports"))


@pytest.mark.parametrize("beside", [(), ("uploaded.json",)])
def test_a_list_of_users_alone_is_kept_as_it_is(target: FakeStore, beside: tuple[str, ...]) -> None:
    source = FakeStore()
    data = a_file([an_entry()])
    source.plant(f"{KEY}/data.json", data)
    for name in beside:
        source.plant(f"{KEY}/{name}", b'{"by": "iva"}')
    made = kept(source, target)
    assert made.sha256 == hashlib.sha256(data).hexdigest()
    assert [key.removeprefix(f"{COPY}/") for key in target.objects] == [*beside, "data.json", "checked.json"]
    assert kept(source, target).there_before == 1 + len(beside)


def test_a_list_of_users_whose_copy_differs_is_told(target: FakeStore) -> None:
    class Lying(FakeStore):
        def open(self, key: str) -> object:  # type: ignore[override]
            return iter([b"[]"])

    source = FakeStore()
    source.plant(f"{KEY}/data.json", a_file([an_entry()]))
    with pytest.raises(files.Unreadable, match=r"the copy's data\.json is not"):
        kept(source, Lying("reports"))


def test_without_users_there_is_nothing_to_keep(source: FakeStore, target: FakeStore) -> None:
    source.delete(f"{KEY}/data.json")
    with pytest.raises(files.Unreadable, match=r"no data\.json"):
        kept(source, target)
    assert target.keys == []


def test_a_denied_write_is_told(source: FakeStore, target: FakeStore) -> None:
    target.fail("put", Cause.DENIED)
    with pytest.raises(PortError) as error:
        kept(source, target)
    assert error.value.cause is Cause.DENIED


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_a_stop_leaves_what_can_be_gone_on_with(source: FakeStore, target: FakeStore, steps: int) -> None:
    with pytest.raises(Stop):
        kept(source, target, FakeReport(stop_after=steps))
    assert f"{COPY}/manifest.json" not in target.keys
    kept(source, target)
    assert f"{COPY}/checked.json" in target.keys


def test_a_long_comparison_with_what_stands_can_be_stopped(source: FakeStore, target: FakeStore) -> None:
    kept(source, target)
    target.chunk = 5
    with pytest.raises(Stop):
        kept(source, target, FakeReport(stop_after=3))
