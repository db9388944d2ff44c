"""One side read whole, or not at all."""

from __future__ import annotations

import errno
import gzip
import tempfile
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import orjson
import pytest

from backups.core.files import Hashing, Unreadable, read_manifest, signed_bytes, write_manifest
from backups.engine import reading as module
from backups.engine.live import read_pool
from backups.engine.ports import Cause, PortError, Stop
from backups.engine.reading import read_backup, read_file
from tests.build import KEY, a_backup, a_file, an_entry, sample, seal
from tests.fakes import FakePool, FakeReport, FakeStore


@pytest.fixture
def pool() -> FakePool:
    pool = FakePool()
    pool.add("ada@x.io", groups=["admins", "beta"])
    pool.add("bob@x.io", groups=["beta"])
    return pool


@pytest.fixture
def store(pool: FakePool) -> FakeStore:
    store = FakeStore()
    a_backup(store, pool)
    return store


@pytest.fixture
def spooled(monkeypatch: pytest.MonkeyPatch) -> list[IO[bytes]]:
    """The temporary files, which hold personal data: they have no name, and are gone when they are closed."""
    files: list[IO[bytes]] = []
    spool = module._spool

    def noted() -> IO[bytes]:
        files.append(spool())
        return files[-1]

    monkeypatch.setattr(module, "_spool", noted)
    return files


def test_people_of_the_same_groups_share_one_set_which_is_made_once(store: FakeStore, pool: FakePool) -> None:
    for number in range(50):
        pool.add(f"{number}@x.io", groups=["admins", "beta"] if number % 2 else ["beta"])
    with read_pool(pool, FakeReport(), "live") as reading:
        memberships = reading.memberships
        assert memberships is not None and len(memberships) == 52
        for name, groups in memberships.items():
            assert groups == pool.groups_of(name)
        assert len({id(groups) for groups in memberships.values()}) == 2
        assert reading.memberships is memberships
        assert reading.groups
        reading.groups = reading.groups[:1]
        assert reading.memberships != memberships


def test_who_is_in_a_group_can_be_forgotten_and_the_groups_stay(pool: FakePool) -> None:
    with read_pool(pool, FakeReport(), "live") as reading:
        assert reading.memberships
        reading.forget_members()
        assert [(group.name, group.members) for group in reading.groups or ()] == [
            ("admins", ()),
            ("beta", ()),
        ]
        assert reading.memberships == {}
    with read_pool(pool, FakeReport(), "live", groups=False) as reading:
        reading.forget_members()
        assert reading.groups is None and reading.memberships is None


def change(store: FakeStore, part: str, data: bytes) -> None:
    store.plant(f"{KEY}/{part}", data)


def test_a_backup_of_ours_is_read_with_groups_and_manifest(store: FakeStore, pool: FakePool) -> None:
    report = FakeReport()
    with read_backup(store, KEY, report, "backup") as reading:
        assert {user.email for user in reading.users()} == {"ada@x.io", "bob@x.io"}
        assert (reading.label, reading.count, report.counters) == (KEY, 2, {"backup": 2})
        assert reading.manifest is not None and reading.manifest.users == 2
        memberships = reading.memberships
        assert memberships is not None
        assert sorted(memberships.values(), key=len) == [{"beta"}, {"admins", "beta"}]
        assert len(reading.sha256) == 64


def test_a_side_may_be_walked_twice_at_once(store: FakeStore) -> None:
    with read_backup(store, KEY, FakeReport(), "backup") as reading:
        both = list(zip(reading.users(), reading.users(), strict=True))
    assert len(both) == 2 and all(a == b for a, b in both)


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_a_walk_gives_everybody_whole_wherever_a_piece_of_the_file_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    path = tmp_path / "users.json"
    path.write_bytes(a_file([an_entry("a@x.io"), an_entry("b@x.io", name="\r \u2028"), an_entry("c@x.io")]))
    with read_file(str(path), FakeReport(), "backup") as reading:
        monkeypatch.setattr(module, "CHUNK", chunk)
        everybody = list(reading.users())
        assert [user.email for user in everybody] == ["a@x.io", "b@x.io", "c@x.io"]
        places = dict(reading.named({user.username for user in everybody}))
        assert [reading.at(places[user.username]) for user in everybody] == everybody


def test_its_temporary_files_go_with_it(store: FakeStore, spooled: list[IO[bytes]]) -> None:
    with read_backup(store, KEY, FakeReport(), "backup"):
        assert len(spooled) == 2 and not any(file.closed for file in spooled)
    assert all(file.closed for file in spooled)


def test_a_process_that_is_killed_leaves_no_file(
    store: FakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a side is held its users are in files that have no name in any folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with read_backup(store, KEY, FakeReport(), "backup") as reading:
        assert len(list(reading.users())) == 2
        assert list(tmp_path.iterdir()) == []


def test_a_list_of_users_alone_knows_no_groups(spooled: list[IO[bytes]]) -> None:
    store = FakeStore()
    store.plant(f"{KEY}/data.json", sample("cbr-users.json"))
    with read_backup(store, KEY, FakeReport(), "backup") as reading:
        assert (reading.count, reading.groups, reading.memberships, reading.manifest) == (8, None, None, None)


def test_an_upload_is_users_alone() -> None:
    store = FakeStore()
    key = "_cognito-admin/uploads/2026-11-22.01-00-00/users.json"
    store.plant(f"{key}/data.json", gzip.compress(sample("cbr-users.json")))
    store.plant(f"{key}/uploaded.json", b"{}")
    with read_backup(store, key, FakeReport(), "backup") as reading:
        assert reading.count == 8


def test_what_lies_beside_a_backup_is_not_looked_at(store: FakeStore) -> None:
    store.plant(f"{KEY}/notes.txt", b"?")
    store.plant(f"{KEY}/old/manifest.json", b"?")
    store.plant(f"{KEY}-2/data.json", b"?")
    with read_backup(store, KEY, FakeReport(), "backup") as reading:
        assert reading.count == 2
    assert set(module.parts_of(store, KEY)) == {"data.json", "groups.json", "pool.json", "manifest.json"}


def test_the_hash_is_over_users_and_groups(pool: FakePool) -> None:
    def sha(**changes: object) -> str:
        store = FakeStore()
        a_backup(store, pool)
        with read_backup(store, KEY, FakeReport(), "backup") as reading:
            return reading.sha256

    first = sha()
    assert sha() == first
    pool.memberships["beta"].clear()
    second = sha()
    pool.remove("bob@x.io")
    assert len({first, second, sha()}) == 3


@pytest.mark.parametrize("part", ["data.json", "groups.json", "pool.json"])
def test_a_part_that_its_manifest_names_must_be_there(store: FakeStore, part: str) -> None:
    store.delete(f"{KEY}/{part}")
    with pytest.raises(Unreadable, match=f"{part} is missing, and its manifest names it"):
        read_backup(store, KEY, FakeReport(), "backup")


@pytest.mark.parametrize("left", ["pool.json", "groups.json", "checked.json"])
def test_without_a_manifest_other_parts_say_that_it_is_not_whole(store: FakeStore, left: str) -> None:
    store = FakeStore()
    store.plant(f"{KEY}/data.json", sample("cbr-users.json"))
    store.plant(f"{KEY}/{left}", b"{}")
    with pytest.raises(Unreadable, match="its manifest was never written"):
        read_backup(store, KEY, FakeReport(), "backup")


def test_nothing_there_and_no_users_there_are_two_things() -> None:
    store = FakeStore()
    with pytest.raises(Unreadable, match="no such backup"):
        read_backup(store, KEY, FakeReport(), "backup")
    store.plant(f"{KEY}/uploaded.json", b"{}")
    with pytest.raises(Unreadable, match=r"it has no data\.json"):
        read_backup(store, KEY, FakeReport(), "backup")


def test_a_user_more_or_less_than_the_manifest_says_is_found(
    store: FakeStore, spooled: list[IO[bytes]]
) -> None:
    change(store, "data.json", a_file([an_entry("eve@x.io"), an_entry("bob@x.io")]))
    with pytest.raises(Unreadable, match=r"data\.json does not agree with the manifest"):
        read_backup(store, KEY, FakeReport(), "backup")
    assert spooled and all(file.closed for file in spooled)


def test_a_membership_more_than_the_manifest_says_is_found(store: FakeStore) -> None:
    groups = orjson.loads(store.read(f"{KEY}/groups.json"))
    groups["groups"][0]["Members"].append("eve")
    change(store, "groups.json", orjson.dumps(groups))
    with pytest.raises(Unreadable, match=r"groups\.json does not agree"):
        read_backup(store, KEY, FakeReport(), "backup")


def test_a_manifest_must_name_what_is_read(store: FakeStore) -> None:
    manifest, _ = read_manifest([store.read(f"{KEY}/manifest.json")])
    parts = tuple(part for part in manifest.parts if part.name != "data.json")
    change(store, "manifest.json", write_manifest(replace(manifest, parts=parts)))
    with pytest.raises(Unreadable, match=r"does not name data\.json"):
        read_backup(store, KEY, FakeReport(), "backup")


@pytest.mark.parametrize("operation", ["list", "open"])
def test_a_bucket_that_does_not_answer_says_nothing_about_the_backup(
    store: FakeStore, operation: str
) -> None:
    store.fail(operation, Cause.UNREACHABLE)
    with pytest.raises(PortError) as error:
        read_backup(store, KEY, FakeReport(), "backup")
    assert error.value.cause is Cause.UNREACHABLE


def test_a_long_reading_can_be_stopped(spooled: list[IO[bytes]]) -> None:
    store = FakeStore()
    store.plant(f"{KEY}/data.json", a_file(an_entry(f"{n}@x.io") for n in range(2500)))
    report = FakeReport()
    with read_backup(store, KEY, report, "backup") as reading:
        assert reading.count == 2500 and report.asked == 3
    with pytest.raises(Stop):
        read_backup(store, KEY, FakeReport(stop_after=1), "backup")
    assert all(file.closed for file in spooled)


def test_huge_entries_are_held_few_at_a_time(tmp_path: Path) -> None:
    """Forty users of a megabyte each, which gzip makes a few kilobytes of."""
    people = [an_entry(f"{n}@x.io", name="a" * (1 << 20)) for n in range(40)]
    path = tmp_path / "users.json.gz"
    path.write_bytes(gzip.compress(a_file(people), 1))
    del people
    report = FakeReport()
    tracemalloc.start()
    with read_file(str(path), report, "backup") as reading:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (reading.count, report.asked) == (40, 5)
        assert peak < 64 << 20


def test_huge_entries_that_a_seal_vouches_for_are_held_few_at_a_time_too(pool: FakePool) -> None:
    for number in range(20):
        pool.add(f"{number}@x.io", name="a" * (1 << 20))
    store, report = FakeStore(), FakeReport()
    a_backup(store, pool)
    with read_backup(store, KEY, report, "backup", seal=seal) as reading:
        assert (reading.count, report.asked) == (22, 3)
        assert len(list(reading.users())) == len(list(reading.marks())) == 22


# --- a plain file ----------------------------------------------------------------------------


def test_a_file_on_this_host_is_read(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    path.write_bytes(sample("cbr-users.json"))
    with read_file(str(path), FakeReport(), "backup") as reading:
        assert (reading.count, reading.groups, reading.label) == (8, None, str(path))
        assert len(reading.sha256) == 64


def test_a_file_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="No such file"):
        read_file(str(tmp_path / "none.json"), FakeReport(), "backup")
    with pytest.raises(Unreadable, match="directory"):
        read_file(str(tmp_path), FakeReport(), "backup")


def test_a_cut_file_leaves_nothing_behind(tmp_path: Path, spooled: list[IO[bytes]]) -> None:
    path = tmp_path / "users.json"
    path.write_bytes(sample("cbr-users.json")[:-3])
    with pytest.raises(Unreadable, match="cut"):
        read_file(str(path), FakeReport(), "backup")
    assert spooled and all(file.closed for file in spooled)


# --- as a comparison takes it ------------------------------------------------------------------------


def of_everybody(reading: module.Reading) -> list[str]:
    return [reading.at(place).email for _, place in reading.marks()]


@pytest.mark.parametrize("policy", ["on", "off"])
def test_a_sealed_backup_is_read_as_an_unsealed_one_is(pool: FakePool, policy: str) -> None:
    store = FakeStore()
    pool.add("eve@x.io", name='Line\nend, \u2028 and \\ "quotes"')
    a_backup(store, pool, mfa_policy=policy)
    with (
        read_backup(store, KEY, FakeReport(), "backup", beside=True, seal=seal) as sealed,
        read_backup(store, KEY, FakeReport(), "backup", beside=True) as looked_into,
    ):
        assert list(sealed.marks()) == list(looked_into.marks())
        assert of_everybody(sealed) == of_everybody(looked_into) == [user.email for user in sealed.users()]
        assert sealed.sha256 == looked_into.sha256 and sealed.count == looked_into.count == 3
        assert sealed.settings == looked_into.settings != {}
        assert (sealed.factors is None) == (policy == "off")
        username = next(user.username for user in sealed.users() if user.email == "ada@x.io")
        [(name, place)] = sealed.named({username, "nobody"})
        assert name == username and sealed.at(place).email == "ada@x.io"


def test_a_seal_vouches_for_the_bytes_and_not_for_what_changed_them(store: FakeStore) -> None:
    change(store, "data.json", a_file([an_entry("eve@x.io")]))
    with pytest.raises(Unreadable, match="changed or damaged"):
        read_backup(store, KEY, FakeReport(), "backup", seal=seal)


def test_a_sealed_line_that_is_no_user_is_found_when_somebody_looks(store: FakeStore) -> None:
    """Of a version of ours that wrote what this one does not take."""
    data = Hashing([a_file([{**an_entry(username='a "b"'), "Enabled": "yes"}])])
    change(store, "data.json", b"".join(data))
    manifest, _ = read_manifest([store.read(f"{KEY}/manifest.json")])
    parts = tuple(
        replace(part, size=data.size, sha256=data.sha256, count=1) if part.name == "data.json" else part
        for part in manifest.parts
    )
    manifest_of(store, KEY, parts=parts)
    with read_backup(store, KEY, FakeReport(), "backup", seal=seal) as reading:
        [(_, place)] = reading.marks()
        with pytest.raises(Unreadable, match="no user"):
            reading.at(place)
        with pytest.raises(Unreadable, match="no user"):
            list(reading.named({"ada"}))


def manifest_of(store: FakeStore, place: str, /, **changes: Any) -> None:
    """Changed, and sealed again."""
    manifest, _ = read_manifest([store.read(f"{place}/manifest.json")])
    manifest = replace(manifest, **changes)
    store.plant(f"{place}/manifest.json", write_manifest(manifest, seal(signed_bytes(manifest))))


@pytest.mark.parametrize(
    ("place", "sealed_for", "trusted"),
    [
        (KEY, KEY, True),
        (KEY, "", True),  # the oldest manifests do not name their place
        (f"_cognito-admin/kept/{KEY}", KEY, True),
        (KEY, "2026-11-01.01-00-00/another-pool", False),
        (f"_cognito-admin/kept/{KEY}", "2026-11-01.01-00-00/another-pool", False),
        ("elsewhere/users", "elsewhere/users", True),
        ("elsewhere/users", KEY, False),
    ],
)
def test_a_seal_vouches_for_the_place_that_its_manifest_names(
    pool: FakePool, monkeypatch: pytest.MonkeyPatch, place: str, sealed_for: str, trusted: bool
) -> None:
    """One that was copied elsewhere is read as a stranger's: each entry is looked into."""
    store, looked = FakeStore(), list[str]()
    look_into = module._look_into
    a_backup(store, pool, key=place)
    manifest_of(store, place, key=sealed_for)

    def noted(reading: module.Reading, *rest: Any, **how: Any) -> None:
        looked.append(reading.label)
        look_into(reading, *rest, **how)

    monkeypatch.setattr(module, "_look_into", noted)
    with read_backup(store, place, FakeReport(), "backup", seal=seal) as reading:
        assert reading.count == 2 and (looked == []) == trusted


def test_a_user_longer_than_most_is_found_whole(store: FakeStore) -> None:
    change(store, "data.json", a_file([an_entry("a@x.io"), an_entry("b@x.io", name="B" * 40_000)]))
    store.delete(f"{KEY}/manifest.json")
    for part in ("groups.json", "pool.json"):
        store.delete(f"{KEY}/{part}")
    with read_backup(store, KEY, FakeReport(), "backup") as reading:
        places = [place for _, place in reading.marks()]
        assert [len(reading.at(place).attributes["name"]) for place in places] == [3, 40_000]


def test_whoever_comes_twice_has_one_mark(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    ada = an_entry("ada@x.io")
    file.write_bytes(a_file([ada, an_entry("bob@x.io"), {**ada, "Enabled": False}]))
    with read_file(str(file), FakeReport(), "backup") as reading:
        assert of_everybody(reading) == ["ada@x.io", "bob@x.io"] and reading.count == 3
        [(_, place)] = reading.named({ada["Username"]})
        assert reading.at(place).enabled


def test_nothing_is_a_side_too() -> None:
    with module.Reading.nothing("gone") as reading:
        assert (list(reading.users()), list(reading.marks()), reading.memberships) == ([], [], {})


@pytest.mark.parametrize(
    ("part", "lost"),
    [("pool.json", "settings"), ("mfa.json", "factors")],
)
def test_damage_beside_the_users_is_told_and_ends_nothing(pool: FakePool, part: str, lost: str) -> None:
    store = FakeStore()
    a_backup(store, pool, mfa_policy="on")
    change(store, part, b"{}")
    with read_backup(store, KEY, FakeReport(), "backup", beside=True, seal=seal) as reading:
        assert reading.count == 2 and list(reading.unread) == [part]
        assert getattr(reading, lost) is None


# --- no room on this host ----------------------------------------------------------------------------


class Full:
    """A temporary file on a full disk: it takes what fits its buffer, and refuses at the end, or at once."""

    name = "/nowhere"

    def __init__(self, *, at_once: bool) -> None:
        self.at_once, self.closed = at_once, False

    def write(self, data: bytes) -> None:
        if self.at_once:
            self.flush()

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        self.closed = True
        self.flush()


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("side", ["backup", "file", "pool"])
def test_a_full_disk_is_the_hosts_fault_and_not_the_backups(
    pool: FakePool,
    store: FakeStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    side: str,
    at_once: bool,
) -> None:
    file = tmp_path / "users.json"
    file.write_bytes(sample("cbr-users.json"))
    full = Full(at_once=at_once)
    monkeypatch.setattr(module, "_spool", lambda: full)
    monkeypatch.setattr(tempfile, "tempdir", "/var/full")
    with pytest.raises(PortError) as found:
        if side == "backup":
            read_backup(store, KEY, FakeReport(), "backup")
        elif side == "file":
            read_file(str(file), FakeReport(), "backup")
        else:
            read_pool(pool, FakeReport(), "live")
    assert str(found.value).startswith(
        "There is no room in /var/full: No space left on device. Nothing was done"
    )
    assert found.value.cause is Cause.NO_ROOM and full.closed


def test_without_any_folder_for_temporary_files_it_says_so(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [])
    with pytest.raises(PortError, match="There is no room in the folder for temporary files"):
        read_backup(store, KEY, FakeReport(), "backup")
