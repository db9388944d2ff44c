"""Keys in the bucket, there and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core import naming
from tests.build import laws

TAKEN = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)


def test_a_key_is_its_time_and_its_pool() -> None:
    assert naming.key_of(TAKEN, "users-production") == "2026-11-22.01-02-03/users-production"
    assert naming.key_of(TAKEN.astimezone(timezone(timedelta(hours=5))), "p") == "2026-11-22.01-02-03/p"
    assert naming.parse("2026-11-22.01-02-03/p") == naming.Key("2026-11-22.01-02-03/p", TAKEN, "p", False)


def test_an_upload_names_no_pool() -> None:
    key = naming.key_of(TAKEN, "data.json", upload=True)
    assert key == "_cognito-admin/uploads/2026-11-22.01-02-03/data.json"
    found = naming.parse(key + "/data.json")
    assert found is not None and found.upload and found.name == "data.json" and found.key == key


def test_an_upload_may_be_called_like_a_part() -> None:
    key = "_cognito-admin/uploads/2026-11-22.01-02-03/data.json"
    found = naming.parse(key)
    assert found is not None and (found.key, found.name) == (key, "data.json")


@pytest.mark.parametrize("part", sorted(naming.KNOWN))
def test_a_part_belongs_to_its_backup(part: str) -> None:
    key = naming.parse("2026-11-22.01-02-03/p")
    assert naming.split(f"2026-11-22.01-02-03/p/{part}") == (key, part)
    assert naming.parse(f"2026-11-22.01-02-03/p/{part}") == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "p",
        "data.json",
        "2026-11-22/p",
        "2026-13-22.01-02-03/p",
        "2026-11-22.25-02-03/p",
        "2026-11-22.01-02-03",
        "2026-11-22.01-02-03/p/q",
        "2026-11-22.01-02-03/p/q/data.json",
        "2026-11-22.01-02-03/" + "p" * 129,
        "2026-11-22.01-02-03/p\0",
        "x2026-11-22.01-02-03/p",
        "_cognito-admin/jobs/2026-11-22.01-02-03/p",
        "٢٠٢٦-11-22.01-02-03/p",
    ],
)
def test_anything_else_is_no_backup(key: str) -> None:
    assert naming.parse(key) is None


@pytest.mark.parametrize(
    "key",
    [
        "2026-11-22.01-02-03/p/notes.txt",
        "2026-11-22.01-02-03/p",
        "README.md",
        "x/data.json",
        "2026-11-22.01-02-03/p/manifest.json/data.json",
        "2026-11-22.01-02-03/p//data.json",
        "/2026-11-22.01-02-03/p/data.json",
    ],
)
def test_an_object_that_is_no_part_belongs_to_no_backup(key: str) -> None:
    assert naming.split(key) is None


@laws(50)
@given(moments=st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1)), min_size=2, max_size=5))
def test_keys_sort_by_time(moments: list[datetime]) -> None:
    times = [moment.replace(microsecond=0, tzinfo=UTC) for moment in moments]
    keys = [naming.key_of(moment, "p") for moment in times]
    assert sorted(keys) == [naming.key_of(moment, "p") for moment in sorted(times)]
    assert [found.taken_at for key in keys if (found := naming.parse(key))] == times


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("data.json", "data.json"),
        (r"C:\Users\iva\my users (1).json", "my-users-1-.json"),
        ("../../etc/passwd", "passwd"),
        ("Füße.json", "F-e.json"),
        ("...", "upload"),
        ("", "upload"),
        ("a" * 300, "a" * 100),
    ],
)
def test_a_file_name_cannot_reach_elsewhere(given_: str, kept: str) -> None:
    assert naming.upload_name(given_) == kept


@pytest.mark.parametrize(
    ("original", "upload", "pool_name"),
    [
        ("2026-11-22.01-02-03/p", False, "p"),
        ("_cognito-admin/uploads/2026-11-22.01-02-03/data.json", True, ""),
    ],
)
def test_a_kept_copy_has_its_originals_key_below_a_prefix(
    original: str, upload: bool, pool_name: str
) -> None:
    key = naming.kept_key(original)
    assert key == f"_cognito-admin/kept/{original}"
    assert naming.kept_key(key) == key
    found = naming.parse(f"{key}/manifest.json")
    assert found is not None
    assert (found.key, found.kept, found.upload, found.taken_at) == (key, True, upload, TAKEN)
    assert (found.original, found.pool_name) == (original, pool_name)
    plain = naming.parse(original)
    assert plain is not None and (plain.kept, plain.original) == (False, original)


@pytest.mark.parametrize(
    "key",
    [
        "_cognito-admin/kept/p",
        "_cognito-admin/kept/_cognito-admin/kept/2026-11-22.01-02-03/p",
        "_cognito-admin/uploads/_cognito-admin/kept/2026-11-22.01-02-03/p",
    ],
)
def test_prefixes_in_another_order_are_no_backups(key: str) -> None:
    assert naming.parse(key) is None
