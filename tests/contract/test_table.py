"""The page that says who passes what is made from the marks."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.contract.marks import many
from tests.contract.table import Row, Table
from tests.servers import ROOT, plain_environment


def test_the_page_says_what_the_marks_say() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract.table", "--check"],
        cwd=ROOT,
        env=plain_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_line_says_yes_no_and_why_or_that_it_cannot_be_asked() -> None:
    row = Row("A rule", {"standin": "", "moto": "takes a | for a comma"})
    assert row.line(["standin", "moto", "fakes"]) == r"| A rule | yes | no: takes a \| for a comma | – |"


@pytest.mark.parametrize(
    ("cells", "only", "here_only"),
    [
        ({"standin": "", "moto": "x", "ministack": "y", "fakes": ""}, "", True),
        ({"standin": "", "moto": "x", "ministack": ""}, "", False),
        ({"standin": "z", "moto": "x", "ministack": "y"}, "", False),
        ({"standin": ""}, "no other can lag", True),
        ({"moto": "x", "ministack": "y", "fakes": ""}, "", False),
    ],
)
def test_what_no_emulator_shows_is_proved_against_the_standin_only(
    cells: dict[str, str], only: str, here_only: bool
) -> None:
    assert Row("A rule", cells, only).proved_here_only is here_only


def test_a_table_has_a_column_for_each_world_that_is_asked() -> None:
    lines = list(Table("Title", [Row("A rule", {"standin": "", "moto": ""})], {"why not": None}).text())
    assert lines[2] == "| rule | stand-in | moto |"
    assert "–: why not." in lines


def test_one_test_makes_a_bounded_number_of_users() -> None:
    with pytest.raises(AssertionError):
        many(100_000)
