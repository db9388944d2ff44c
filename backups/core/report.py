"""A restore's report: its parts as texts, and all of them as one zip that is never whole in memory.

rows -> JSON and CSV, a line at a time -> zipped() -> chunks for a download, or for the bucket
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from backups.core.choices import Choices
from backups.core.differences import _record as spreadsheet
from backups.core.plan import sentence

README = "README.txt"
PIECE = 1 << 16  # bytes of a zip that are given away together

PARTS: dict[str, str] = {
    "plan.json": "what was going to be done when somebody looked at it: the backup and its hash, numbers, "
    "refusals and warnings, and the digest over all that the plan rests on",
    "choices.json": "what somebody chose: who is in scope, what becomes of users who exist, the guards, "
    "messages; who asked for the restore, when and why, and who resumed it",
    "preflight.json": "the checks before the start, each with its answer and its remedy",
    "approvals.json": "whether a second person had to say yes, by RESTORE_APPROVALS as it was when this "
    "report was made, and who did. Nobody else is asked at a terminal",
    "ledger.csv": "one line for each user whom the restore was about: what was planned, what became of it "
    "and why. For a spreadsheet: a ' stands before whatever one would run",
    "ledger.json": "the same to the letter, for a program",
    "confirmation.json": "how the restore stands: state, numbers, what undos took back, and everybody who is "
    "not as planned",
    "identity-map.csv": "which old sub became which new one, to the letter: import its columns as text",
    "identity-map.json": "the same for a program",
    "identity-map.sql": "the same as a script for the application's database, in one transaction",
    "aftercare.json": "what was to be done afterwards, and who ticked it when",
    "audit.json": "the entries of the audit log about this restore, its plan and its undos, in order. The "
    "hash of an entry is SHA-256 over audit-v1, a newline, prev, a newline and body",
}
"""Every part that a report may have, in the order in which they lie in it: name -> what it is."""

LEDGER = (
    *(
        "position",
        "email",
        "old_username",
        "old_sub",
        "new_username",
        "new_sub",
        "action",
        "outcome",
        "reason",
    ),
    *("why", "step", "enabled", "groups", "withheld", "changes", "removes", "messages", "confirmed"),
    "intended_at",
)
"""Columns of the ledger. ``why`` is the reason's sentence."""

PLANNED = (
    *("position", "email", "old_username", "old_sub", "new_username", "new_sub", "action", "reason", "why"),
    *("enabled", "groups", "withheld", "changes", "removes"),
)
"""Columns of a plan's lines: those of the ledger that are known before anything is written."""


def ledger_row(item: Mapping[str, Any], columns: Sequence[str] = LEDGER) -> dict[str, Any]:
    """A row of the ledger, with these columns but ``why``, and with the reason's ``detail``."""
    reason = str(item["reason"])
    why = sentence(reason, str(item["detail"])) if reason else ""
    return {name: why if name == "why" else item[name] for name in columns}


def ledger_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = LEDGER) -> Iterator[str]:
    """For a spreadsheet, as core.differences writes one. Lists are JSON in their cell."""
    yield spreadsheet(columns)
    for row in rows:
        yield spreadsheet(_cell(row[name]) for name in columns)


def listed(head: Mapping[str, Any], name: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """One JSON object: what ``head`` has, then the list ``name``, a row on a line. Times are ISO 8601."""
    yield orjson.dumps({**head, name: []}).decode()[:-2]
    between = "\n"
    for row in rows:
        yield between + orjson.dumps(row).decode()
        between = ",\n"
    yield "\n]}\n"


def one(value: Mapping[str, Any]) -> Iterator[str]:
    """One JSON object for a reader."""
    yield orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"


def approvals(policy: str, choices: Choices | None, *, terminal: bool) -> dict[str, Any]:
    """RESTORE_APPROVALS, whether a restore needs a second person by it, and who they were: nobody so far.

    ``choices``: of its plan; None where that is not kept, then it may not be known. ``terminal``: whether it
    was started from there, where nobody else is asked.
    """
    needed: bool | None = policy == "always"
    if policy == "overwrite":
        needed = choices.writes_over if choices else None
    return {"policy": policy, "terminal": terminal, "needed": not terminal and needed, "approvals": []}


def readme(job: int, pool: str, state: str, made_at: str, parts: Sequence[str], left_out: str) -> str:
    """What each of these parts is. ``left_out``: sentences about who or what is not in here, or ""."""
    width = max(map(len, parts))
    lines = [
        f"Restore job {job} into {pool}: {state}.",
        f"Made {made_at}. What happened after that is not in here; make the report again to see it.",
        "It holds personal data of everybody whom the restore was about. Keep it as you keep the backups.",
        "",
        *(f"{name:<{width}}  {PARTS[name]}" for name in parts),
        *([""] if left_out else []),
        *([left_out] if left_out else []),
        "",
        "Texts are UTF-8, times are UTC. Nothing here needs the dashboard to be read.",
    ]
    return "\n".join(lines) + "\n"


def zipped(parts: Iterable[tuple[str, Iterable[str]]], at: datetime) -> Iterator[bytes]:
    """A zip of these (name, pieces of text), each read when its turn comes; in chunks, as they are made."""
    out = _Out()
    when = max(at.astimezone(UTC), datetime(1980, 1, 1, tzinfo=UTC)).timetuple()[:6]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, pieces in parts:
            info = zipfile.ZipInfo(name, (when[0], when[1], when[2], when[3], when[4], when[5]))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            with archive.open(info, "w", force_zip64=True) as part:  # how large it gets is not known yet
                for piece in pieces:
                    part.write(piece.encode())
                    if out.size >= PIECE:
                        yield out.taken()
    yield out.taken()


class _Out(io.RawIOBase):
    """What a ZipFile writes, until it is taken. Cannot seek, so that sizes come after each part."""

    def __init__(self) -> None:
        super().__init__()
        self._chunks: list[bytes] = []
        self.size = 0

    def write(self, chunk: Any, /) -> int:
        data = bytes(chunk)
        self._chunks.append(data)
        self.size += len(data)
        return len(data)

    def taken(self) -> bytes:
        chunks, self._chunks, self.size = self._chunks, [], 0
        return b"".join(chunks)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return orjson.dumps(value).decode().strip('"')
