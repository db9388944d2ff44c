from __future__ import annotations

import csv
import io

from backups.core import identity_map


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_the_header_comes_first_even_when_nobody_was_restored() -> None:
    assert list(identity_map.lines([])) == ["old_sub,new_sub,old_username,new_username,email\n"]


def test_each_user_with_a_new_sub_has_a_line() -> None:
    made = list(identity_map.lines([("old-1", "new-1", "ana", "ana", "ana@uni.example")]))
    assert made[1:] == ["old-1,new-1,ana,ana,ana@uni.example\n"]


def test_a_user_who_was_not_created_maps_to_nothing_and_has_no_line() -> None:
    assert len(list(identity_map.lines([("old-1", "", "ana", "", "ana@uni.example")]))) == 1


def test_a_value_that_a_spreadsheet_would_run_is_still_kept_to_the_letter() -> None:
    row = ("old-1", "new-1", "=1+1", "+4412345", "@sum(a)@uni.example")
    made = "".join(identity_map.lines([row]))
    assert tuple(read(made)[1]) == row


def test_commas_quotes_and_line_ends_survive() -> None:
    row = ("old-1", "new-1", 'a,"b"', "a\nb", "木@uni.example")
    made = "".join(identity_map.lines([row]))
    assert tuple(read(made)[1]) == row
