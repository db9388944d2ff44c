"""When a file from elsewhere was made: the last date in it that is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.engine.reading import read_file
from backups.runner import sources
from backups.runner.sources import FILE
from tests.build import a_file, an_entry
from tests.fakes import FakeReport


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("dates", "taken_at"),
    [
        (["2026-01-10T09:00:00.000Z", "2026-01-11T01:00:00+02:00"], "2026-01-10T23:00:00.000Z"),
        (["2026-01-10T09:00:00.000Z", "2999-01-01T00:00:00Z"], "2026-01-10T09:00:00.000Z"),
        (["soon", "2026-01-10T09:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00"], ""),
    ],
)
def test_it_is_the_last_date_before_today(tmp_path: Path, dates: list[str], taken_at: str) -> None:
    path = tmp_path / "users.json"
    path.write_bytes(a_file(an_entry(f"{n}@x.io", created=date) for n, date in enumerate(dates)))
    with read_file(str(path), FakeReport(), "backup") as reading:
        assert sources.taken_at(f"{FILE}{path}", reading) == taken_at
