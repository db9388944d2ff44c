"""The map as SQL: templates that can be used and that cannot, and values that stay values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core.map_sql import DEFAULT, LONGEST, ROWS, BadTemplate, Template, Unwritable, literal, load
from tests.build import laws

ROW = ("old-1", "new-1", "ana", "ana", "ana@uni.example", "created")
SMALL = "begin {{ job }}\ninsert {{rows}};\nend -- {{ made_at }}\n"


def fill(template: str, *rows: tuple[str, str, str, str, str, str]) -> str:
    return "".join(Template.of(template).fill(rows, job=7, made_at="2026-11-23T15:00:00.000Z"))


def value_of(written: str) -> str:
    """What PostgreSQL reads, by its own rules for '…' and E'…'."""
    if written.startswith("'"):
        inner = written[1:-1]
        assert "\\" not in inner
        assert "'" not in inner.replace("''", "")
        return inner.replace("''", "'")
    assert written.startswith("E'")
    pieces = re.findall(r"\\\\|\\u[0-9a-f]{4}|''|[^\\']", written[2:-1], re.DOTALL)
    assert "".join(pieces) == written[2:-1], "a quote or a backslash stands alone"
    read = {"\\\\": "\\", "''": "'"}
    return "".join(read.get(p) or (chr(int(p[2:], 16)) if p.startswith("\\u") else p) for p in pieces)


# --- templates ------------------------------------------------------------------------------------


def test_the_line_with_the_rows_is_written_with_them() -> None:
    assert fill(SMALL, ROW) == (
        "begin 7\ninsert \n  ('old-1', 'new-1', 'ana', 'ana', 'ana@uni.example', 'created');\n"
        "end -- 2026-11-23T15:00:00.000Z\n"
    )


def test_where_there_is_nobody_the_line_is_left_out() -> None:
    assert fill(SMALL) == "begin 7\nend -- 2026-11-23T15:00:00.000Z\n"
    assert fill(SMALL, ("old-1", "", "", "", "", "kept")) == fill(SMALL)


def test_many_users_are_several_statements() -> None:
    script = fill(SMALL, *[ROW] * (2 * ROWS + 1))
    assert script.count("insert") == 3
    assert script.count("'old-1'") == 2 * ROWS + 1


def test_a_row_that_looks_like_a_name_of_the_template_is_a_value() -> None:
    row = ("{{ job }}", "new", "{{ rows }}", "", "", "kept")
    assert "('{{ job }}', 'new', '{{ rows }}', '', '', 'kept')" in fill(SMALL, row)


def test_braces_of_an_array_are_no_name() -> None:
    assert "'{{1,2},{3,4}}'" in fill("select '{{1,2},{3,4}}';\n{{ rows }}\n")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("select 1;\n", "{{ rows }} 0 times"),
        ("{{ rows }}\n{{ rows }}\n", "{{ rows }} 2 times"),
        ("{{ rows }} {{ rows }}\n", "{{ rows }} 2 times"),
        ("{{ rows }}\n{{ map }}\n", "{{ map }}"),
    ],
)
def test_a_broken_template_is_named(template: str, said: str) -> None:
    with pytest.raises(BadTemplate, match=re.escape(said)):
        Template.of(template)


def test_no_path_is_the_default() -> None:
    assert load("") == Template.of(DEFAULT)


def test_a_template_of_ones_own_is_read_from_its_file(tmp_path: Path) -> None:
    own = tmp_path / "own.sql"
    own.write_text(SMALL)
    assert load(str(own)) == Template.of(SMALL)


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"\xff\xfe", "UTF-8"), (b"{{ rows }}" + b" " * LONGEST, "larger than"), (b"", "0 times")],
)
def test_a_file_that_is_no_template_never_becomes_the_default(tmp_path: Path, data: bytes, said: str) -> None:
    own = tmp_path / "own.sql"
    own.write_bytes(data)
    with pytest.raises(BadTemplate, match=said):
        load(str(own))


@pytest.mark.parametrize(
    ("path", "said"),
    [("/nowhere/own.sql", "No such file"), ("/", "Is a directory"), ("a\0b", "it is no path")],
)
def test_a_file_that_cannot_be_read_is_named(path: str, said: str) -> None:
    with pytest.raises(BadTemplate, match=said):
        load(path)


# --- values ---------------------------------------------------------------------------------------


@laws(400)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_literal_is_one_line_and_reads_as_the_value(value: str) -> None:
    written = literal(value)
    assert value_of(written) == value
    assert not re.search(r"[\x00-\x1f\x7f\u202e\u2028]", written)


@laws(200)
@given(st.text("\\'E\n\"$;-/*u0{}"))
def test_no_value_ends_its_quotes(value: str) -> None:
    assert value_of(literal(value)) == value


@pytest.mark.parametrize(("value", "said"), [("a\0b", "NUL"), ("a\ud800", "surrogate")])
def test_what_no_text_of_postgresql_holds_is_refused_without_being_shown(value: str, said: str) -> None:
    with pytest.raises(Unwritable, match=said) as refused:
        fill(SMALL, ("old", "new", "", "", value, "kept"))
    assert value not in str(refused.value)
