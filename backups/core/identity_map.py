"""Old sub -> new sub, as CSV: what the application's database needs after a restore.

The values are kept to the letter. A spreadsheet runs a cell that begins with = + - @,
and the usual remedy is a quote in front of it. Every column here is a sub, a Username
or an e-mail, and all of them are keys that somebody joins on: a quoted one would match
nobody, and that person would come back to an empty account without a word. Quoting the
field does not help either (a spreadsheet looks behind the quotes). So nothing is
neutralised; the page that offers the file says to import its columns as text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import TypeAlias

HEADER = ("old_sub", "new_sub", "old_username", "new_username", "email")

Row: TypeAlias = tuple[str, str, str, str, str]
"""old_sub, new_sub, old_username, new_username, email."""


def lines(rows: Iterable[Row]) -> Iterator[str]:
    """The header, then a line for each row that has a new sub: without one there is nothing to map to.

    Each ends in "\\n"; what holds a comma, a quote or a line end is quoted as RFC 4180 says.
    """
    yield _line(HEADER)
    for row in rows:
        if row[1]:
            yield _line(row)


def _line(row: Row) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(row)
    return buffer.getvalue()
