"""Old sub -> new sub: what the application's database needs after a restore. As CSV and as JSON.

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
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeAlias

import orjson

HEADER = ("old_sub", "new_sub", "old_username", "new_username", "email", "how")

Row: TypeAlias = tuple[str, str, str, str, str, str]
"""old_sub, new_sub, old_username, new_username, email, how."""


class How(StrEnum):
    """How somebody came to the new identity."""

    CREATED = "created"  # by this restore, all of it
    BEGUN = "begun"  # by this restore, which did not come to the end with this user
    KEPT = "kept"  # was in the pool, and keeps the identity that is there


def how(action: str, outcome: str) -> How:
    """Of a user in the ledger who has a new sub: the planned ``action`` and what became of it."""
    if action != "create" or outcome == "skipped":
        return How.KEPT
    return How.CREATED if outcome == "created" else How.BEGUN


def lines(rows: Iterable[Row]) -> Iterator[str]:
    """The header, then a line for each row that has a new sub: without one there is nothing to map to.

    Each ends in "\\n"; what holds a comma, a quote or a line end is quoted as RFC 4180 says.
    """
    yield _line(HEADER)
    for row in rows:
        if row[1]:
            yield _line(row)


def as_json(head: Mapping[str, Any], rows: Iterable[Row]) -> Iterator[str]:
    """One object: what ``head`` has, then ``map``: an object for each row with a new sub, one a line."""
    yield orjson.dumps({**head, "map": []}).decode()[:-2]
    between = "\n"
    for row in rows:
        if row[1]:
            yield between + orjson.dumps(dict(zip(HEADER, row, strict=True))).decode()
            between = ",\n"
    yield "\n]}\n"


def _line(row: Row) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(row)
    return buffer.getvalue()
