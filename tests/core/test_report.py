"""A report's parts, and the zip that is never whole in memory."""

from __future__ import annotations

import csv
import io
import json
import random
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core import naming, report
from backups.core.choices import Choices, Existing, Guard
from tests.build import laws

OVERWRITE = Choices(existing=Existing.OVERWRITE)
AT = datetime(2026, 11, 23, 15, 30, 11, tzinfo=UTC)


def an_item(**given: Any) -> dict[str, Any]:
    ordinary: dict[str, Any] = {
        "position": 0,
        "email": "ada@uni.example",
        "old_username": "ada",
        "old_sub": "old-0",
        "new_username": "ada",
        "new_sub": "new-0",
        "action": "create",
        "outcome": "created",
        "reason": "",
        "detail": "",
        "step": "confirmed",
        "enabled": True,
        "groups": ["admins"],
        "withheld": [],
        "changes": [],
        "removes": "",
        "messages": 1,
        "confirmed": True,
        "intended_at": AT,
    }
    return ordinary | given


def opened(chunks: Iterator[bytes]) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(chunks)))


def test_a_row_says_why_in_words() -> None:
    row = report.ledger_row(an_item(outcome="failed", reason="refused", detail="too long"))
    assert row["why"] == "AWS refused: too long"
    assert tuple(row) == report.LEDGER
    assert report.ledger_row(an_item())["why"] == ""


def test_a_plans_line_has_what_is_known_before_anything_is_written() -> None:
    row = report.ledger_row(an_item(reason="missing"), report.PLANNED)
    assert tuple(row) == report.PLANNED and row["why"] == "in the backup, not in the pool"
    assert not {"outcome", "step", "messages", "confirmed", "intended_at"} & row.keys()
    header, line = csv.reader(io.StringIO("".join(report.ledger_csv([row], report.PLANNED))))
    assert tuple(header) == report.PLANNED and line[1] == "ada@uni.example"


def test_the_ledger_is_read_by_a_spreadsheet_and_runs_nothing_there() -> None:
    rows = [report.ledger_row(an_item(email="=cmd()", intended_at=None))]
    header, row = csv.reader(io.StringIO("".join(report.ledger_csv(rows))))
    assert tuple(header) == report.LEDGER
    told = dict(zip(header, row, strict=True))
    assert told["email"] == "'=cmd()"
    assert (told["groups"], told["enabled"], told["intended_at"]) == ('["admins"]', "true", "")


def test_json_is_to_the_letter() -> None:
    rows = [report.ledger_row(an_item(position=n, email="=cmd()")) for n in range(2)]
    made = json.loads("".join(report.listed({"job": 7}, "users", rows)))
    assert (made["job"], [row["position"] for row in made["users"]]) == (7, [0, 1])
    assert made["users"][0]["email"] == "=cmd()"
    assert made["users"][0]["intended_at"] == "2026-11-23T15:30:11+00:00"


def test_nobody_is_an_empty_list() -> None:
    assert json.loads("".join(report.listed({}, "users", []))) == {"users": []}


def test_one_object_is_laid_out_for_a_reader() -> None:
    assert "".join(report.one({"a": {"b": 1}})) == '{\n  "a": {\n    "b": 1\n  }\n}\n'


@pytest.mark.parametrize(
    ("policy", "choices", "needed"),
    [
        ("never", OVERWRITE, False),
        ("overwrite", Choices(), False),
        ("overwrite", Choices(existing=Existing.FILL), True),
        ("overwrite", OVERWRITE, True),
        ("overwrite", Choices(guards=frozenset({Guard.ENABLE, Guard.REPLACE})), True),
        ("overwrite", Choices(guards=frozenset({Guard.NEWER})), True),
        ("overwrite", Choices(guards=frozenset({Guard.ENABLE, Guard.PRIVILEGED})), False),
        ("overwrite", None, None),  # the plan is not kept any more
        ("always", Choices(), True),
        ("always", None, True),
    ],
)
def test_it_says_whether_a_second_person_had_to_say_yes(
    policy: str, choices: Choices | None, needed: bool | None
) -> None:
    told = report.approvals(policy, choices, terminal=False)
    assert told == {"policy": policy, "terminal": False, "needed": needed, "approvals": []}
    assert report.approvals(policy, choices, terminal=True)["needed"] is False, "nobody else is asked there"


def test_the_readme_says_of_each_part_what_it_is_and_why_one_is_missing() -> None:
    whole = report.readme(7, "team-production", "done", "now", list(report.PARTS), "")
    assert "Restore job 7 into team-production: done." in whole
    assert all(f"{name} " in whole and what in whole for name, what in report.PARTS.items())
    less = report.readme(7, "team-production", "done", "now", ["plan.json"], "There is no SQL.")
    assert "There is no SQL.\n" in less
    assert "identity-map.sql" not in less


@laws(40)
@given(st.dictionaries(st.text("abc/.", min_size=1), st.lists(st.text()), max_size=4))
def test_a_zip_holds_what_was_put_in(parts: dict[str, list[str]]) -> None:
    with opened(report.zipped(parts.items(), AT)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == list(parts)
        for (name, pieces), info in zip(parts.items(), archive.infolist(), strict=True):
            assert archive.read(name).decode() == "".join(pieces)
            assert info.date_time == (2026, 11, 23, 15, 30, 10)  # zip counts by two seconds


def test_a_time_that_zip_does_not_know_is_its_first_one() -> None:
    before = datetime(1970, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    with opened(report.zipped([("a", ["b"])], before)) as archive:
        assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)


def test_a_large_part_is_given_away_while_it_is_made() -> None:
    """Nothing is read ahead, and no chunk grows with the part."""
    rng, told = random.Random(7), 0

    def pieces() -> Iterator[str]:
        nonlocal told
        for _ in range(400):
            told += 1
            yield rng.randbytes(1 << 12).hex()

    chunks = report.zipped([("large.json", pieces())], AT)
    first = next(chunks)
    assert told < 40
    rest = list(chunks)
    assert told == 400
    assert max(map(len, [first, *rest])) < 3 * report.PIECE


def test_a_report_has_a_place_of_its_own_that_is_no_backups() -> None:
    later = AT.astimezone(timezone(timedelta(hours=2))) + timedelta(seconds=1)
    first, second = naming.report_key(7, AT), naming.report_key(7, later)
    assert (first, second) == (
        "_cognito-admin/jobs/7/2026-11-23.15-30-11",
        "_cognito-admin/jobs/7/2026-11-23.15-30-12",
    )
    assert naming.split(f"{first}/report.zip") is None
    assert naming.split(f"{first}/data.json") is None, "not even by a name that backups have"
    assert naming.parse(first) is None
