from __future__ import annotations

import csv
import io
import json

import pytest

from backups.core import identity_map
from backups.core.identity_map import how


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_the_header_comes_first_even_when_nobody_was_restored() -> None:
    assert list(identity_map.lines([])) == ["old_sub,new_sub,old_username,new_username,email,how\n"]


def test_each_user_with_a_new_sub_has_a_line() -> None:
    made = list(identity_map.lines([("old-1", "new-1", "ana", "ana", "ana@uni.example", "created")]))
    assert made[1:] == ["old-1,new-1,ana,ana,ana@uni.example,created\n"]


def test_a_user_who_was_not_created_maps_to_nothing_and_has_no_line() -> None:
    rows = [("old-1", "", "ana", "", "ana@uni.example", "kept")]
    assert len(list(identity_map.lines(rows))) == 1
    assert json.loads("".join(identity_map.as_json({}, rows))) == {"map": []}


def test_a_value_that_a_spreadsheet_would_run_is_still_kept_to_the_letter() -> None:
    row = ("old-1", "new-1", "=1+1", "+4412345", "@sum(a)@uni.example", "created")
    made = "".join(identity_map.lines([row]))
    assert tuple(read(made)[1]) == row


def test_commas_quotes_and_line_ends_survive() -> None:
    row = ("old-1", "new-1", 'a,"b"', "a\nb", "木@uni.example", "kept")
    made = "".join(identity_map.lines([row]))
    assert tuple(read(made)[1]) == row


def test_json_has_what_is_said_of_it_and_each_row_by_name() -> None:
    rows = [(f"old-{n}", f"new-{n}", 'a"b', "a\nb", "木@uni.example", "kept") for n in range(3)]
    made = json.loads("".join(identity_map.as_json({"job": 7}, rows)))
    assert made["job"] == 7
    assert [tuple(row[name] for name in identity_map.HEADER) for row in made["map"]] == rows


@pytest.mark.parametrize(
    ("action", "outcome", "word"),
    [
        ("create", "created", "created"),
        ("create", "failed", "begun"),
        ("create", "unknown", "begun"),
        ("create", "skipped", "kept"),  # was made by somebody else since the plan
        ("skip", "skipped", "kept"),
        ("update", "updated", "kept"),
        ("update", "failed", "kept"),
    ],
)
def test_how_somebody_came_to_an_identity(action: str, outcome: str, word: str) -> None:
    assert how(action, outcome) == word
