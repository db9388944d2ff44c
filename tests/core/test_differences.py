from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from backups.core import differences

HEAD = {"form": 2}


def a_row(**given: Any) -> dict[str, Any]:
    ordinary = {
        "of": "user",
        "kind": "changed",
        "key": "sub-1",
        "label": "ana@uni.example",
        "username": "ana",
        "matched_by": "sub",
        "fields": [],
        "security": "",
        "more": {},
    }
    return ordinary | given


def read(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """As a program reads the CSV."""
    return list(csv.DictReader(io.StringIO("".join(differences.as_csv(rows)), newline="")))


def test_the_header_comes_first_even_when_nothing_differs() -> None:
    assert list(differences.as_csv([])) == [",".join(f'"{name}"' for name in differences.HEADER) + "\r\n"]


def test_each_row_is_one_record_with_a_line_for_each_change() -> None:
    fields = [{"field": "email", "old": "a@x", "new": "b@x"}, {"field": "name", "old": "", "new": "Ana, A."}]
    (found,) = read([a_row(fields=fields, security="\ndisabled\nprivileged\n")])
    assert found["changes"] == "email: a@x → b@x\nname: (nothing) → Ana, A."
    assert found["security"] == "disabled, privileged"
    assert (found["new_sub"], found["needs_new_pool"]) == ("", "")


def test_another_identity_a_side_and_a_new_pool_have_their_columns() -> None:
    more = {"sub": "s2", "username": "u2", "status": "CONFIRMED", "created": "2026-11-22", "side": "to"}
    first, second = read([a_row(kind="anew", more=more), a_row(of="setting", more={"new_pool": True})])
    assert [first[f"new_{name}"] for name in ("sub", "username", "status", "created")] == [
        "s2",
        "u2",
        "CONFIRMED",
        "2026-11-22",
    ]
    assert (first["side"], second["needs_new_pool"]) == ("to", "yes")


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_what_a_spreadsheet_would_run_is_text_in_csv_and_to_the_letter_in_json(begins: str) -> None:
    label = f"{begins}1+1"
    assert read([a_row(label=label)])[0]["label"] == f"'{label}"
    (row,) = json.loads("".join(differences.as_json(HEAD, [a_row(label=label)])))["rows"]
    assert row["label"] == label


@pytest.mark.parametrize("separator", [";", "\t", "\n", "\r", "\r\n", ";;", '; "', ';"'])
@pytest.mark.parametrize("begins", ["=", "+", "-", "@"])
def test_what_begins_a_cell_where_another_character_parts_them_is_text_too(
    separator: str, begins: str
) -> None:
    """A spreadsheet in most of Europe parts the cells at a semicolon, and none there holds a formula."""
    label, name = f"x{separator}{begins}HYPERLINK(1)", f"y{separator}{begins}1"
    row = a_row(label=label, fields=[{"field": name, "old": "", "new": label}])
    for delimiter in ",;\t":
        made = io.StringIO("".join(differences.as_csv([row])), newline="")
        cells = [cell for record in csv.reader(made, delimiter=delimiter) for cell in record]
        lines = [line for cell in cells for line in cell.splitlines()]
        assert not [line for line in lines if line.lstrip(' "').startswith(begins)]
    (told,) = json.loads("".join(differences.as_json(HEAD, [row])))["rows"]
    assert (told["label"], told["fields"][0]["field"]) == (label, name)


def test_an_ordinary_semicolon_or_line_end_stays() -> None:
    label = "a;b; c\nd - e = f, -g"
    assert read([a_row(label=label)])[0]["label"] == label


def test_every_cell_is_in_quotes() -> None:
    _, record = differences.as_csv([a_row(label='Ana "A." D')])
    assert record == '"user","changed","sub-1","Ana ""A."" D","ana","sub"' + ',""' * 8 + "\r\n"


def test_json_has_the_counts_at_its_head_and_a_row_a_line() -> None:
    rows = [a_row(security="\nmfa\n", more={"side": "from"}), a_row(key="sub-2")]
    text = "".join(differences.as_json(HEAD | {"result": {"users": 3}}, rows))
    made = json.loads(text)
    assert (made["form"], made["result"], [row["key"] for row in made["rows"]]) == (
        2,
        {"users": 3},
        ["sub-1", "sub-2"],
    )
    assert (made["rows"][0]["security"], made["rows"][0]["more"]) == (["mfa"], {"side": "from"})
    assert len(text.splitlines()) == 4


def test_json_without_rows_is_whole() -> None:
    assert json.loads("".join(differences.as_json(HEAD, []))) == {"form": 2, "rows": []}
