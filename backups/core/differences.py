"""What a comparison found, as files: CSV for a spreadsheet, JSON for a program. Line by line.

A spreadsheet runs a cell that begins with = + - @, a tab or a line end, and people choose
their own names: in CSV such a value gets a ' in front, which a spreadsheet shows as text.
Where a spreadsheet parts cells at a semicolon or a tab, as in most of Europe, our quotes do
not hold a value together: behind each of them, and each line end, the ' comes again.
That file is for reading. JSON is to the letter, and is what a program should take.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

HEADER = (
    *("of", "kind", "key", "label", "username", "matched_by", "changes", "security"),
    *("new_sub", "new_username", "new_status", "new_created", "side", "needs_new_pool"),
)
_RUN = re.compile(r"""^(?=[=+\-@\t\r\n])|(?<=[;\t\r\n])(?=[" ]*[=+\-@\t\r])""")
"""Where a cell begins that would be run; the quotes and spaces before it may be taken away."""

Row = Mapping[str, Any]
"""of, kind, key, label, username, matched_by, fields, security, more: as ``models.Difference`` has them."""


def as_csv(rows: Iterable[Row]) -> Iterator[str]:
    """The header, then a record for each row, ended by CR LF as RFC 4180 says.

    Everything that changed of one user, group or setting is in one cell, a line for each field.
    """
    yield _record(HEADER)
    for row in rows:
        more = row["more"]
        changes = "\n".join(
            f"{one['field']}: {_or_nothing(one['old'])} → {_or_nothing(one['new'])}" for one in row["fields"]
        )
        yield _record(
            (
                *(row[name] for name in HEADER[:6]),
                changes,
                ", ".join(_codes(row)),
                *(more.get(name, "") for name in ("sub", "username", "status", "created", "side")),
                "yes" if more.get("new_pool") else "",
            )
        )


def as_json(head: Mapping[str, Any], rows: Iterable[Row]) -> Iterator[str]:
    """One object: what ``head`` has (the counts, what was filtered by), then ``rows``, one a line."""
    yield f'{orjson.dumps(head).decode()[:-1]},"rows":['
    between = "\n"
    for row in rows:
        values = {name: row[name] for name in (*HEADER[:6], "fields")}
        yield between + orjson.dumps({**values, "security": _codes(row), "more": row["more"]}).decode()
        between = ",\n"
    yield "\n]}\n"


def _codes(row: Row) -> list[str]:
    return str(row["security"]).split()


def _or_nothing(text: str) -> str:
    return text or "(nothing)"


def _record(values: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerow(_RUN.sub("'", value) for value in values)
    return buffer.getvalue()
