"""Rows of a comparison, written as they come: models.Difference says what is in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType

from django.db import DatabaseError, transaction

from backups.core.diff import Change, GroupChange, Kind
from backups.core.settings_diff import SettingChange
from backups.core.snapshot import without_nul
from backups.engine.ports import Stop
from backups.models import Difference, Job
from backups.reporting import JobReport

LISTED = 100_000
"""Users of a kind who are listed one by one; the numbers are of all of them."""
BATCH = 1_000
MOST = 1 << 23
"""Characters of rows that are held before they are written."""
LONGEST_LABEL, LONGEST_NAME, LONGEST_KEY = 2_100, 200, 400
"""Of models.Difference; what other tools wrote may be longer, and is cut for the list only."""


class Kept:
    """Rows, written as they come, each time with a proof that the job is still ours.

    A context manager: an earlier try's rows go when it begins, and its own where it does not end well.
    """

    def __init__(self, job: Job, report: JobReport) -> None:
        self._job, self._report, self._rows, self._size = job, report, list[Difference](), 0
        self.listed = 0
        self.cut = False  # more users differ than are listed
        self.secrets = False  # some were found among the settings, and not compared

    def __enter__(self) -> Kept:
        self._drop()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
            return
        with suppress(Stop, DatabaseError):  # whoever has the job now drops them
            self._drop()

    def users(self, changes: Iterable[Change]) -> None:
        told: Counter[Kind] = Counter()
        for change in changes:
            told[change.kind] += 1
            if told[change.kind] <= LISTED:
                self._add(self._of_user(change))
            else:
                self.cut = True

    def groups(self, changes: Iterable[GroupChange]) -> None:
        for change in changes:
            group, fields = change.group, _as_rows(change.fields)
            about = [group.name, group.description, group.role_arn]
            self._add(
                Difference(
                    job=self._job,
                    of=Difference.Of.GROUP,
                    kind=change.kind.value,
                    key=group.name,
                    label=group.name,
                    fields=fields,
                    names=_lines(one["field"] for one in fields),
                    security=_lines(change.security),
                    search=_searched(about, fields),
                )
            )

    def settings(self, changes: Iterable[SettingChange]) -> None:
        for change in changes:
            fields = [{"field": change.label, "old": change.old, "new": change.new}]
            self._add(
                Difference(
                    job=self._job,
                    of=Difference.Of.SETTING,
                    kind=change.kind,
                    key=f"{change.setting}/{change.item}/{change.path}",
                    label=change.label,
                    username=change.item or "",
                    fields=fields,
                    names=_lines([change.label]),
                    security=_lines([change.security] if change.security else []),
                    more={"new_pool": True} if change.new_pool else {},
                    search=_searched([change.setting, change.item, change.path], fields),
                )
            )

    def _flush(self) -> None:
        with transaction.atomic():
            self._report.prove()
            Difference.objects.bulk_create(self._rows)
        self._rows.clear()
        self._size = 0

    def _drop(self) -> None:
        with transaction.atomic():
            self._report.prove()
            Difference.objects.filter(job=self._job).delete()

    def _of_user(self, change: Change) -> Difference:
        user, other, fields = change.user, change.other, _as_rows(change.fields)
        more: dict[str, str] = {}
        values = [user.label, user.username, *user.attributes.values()]
        if other is not None and change.kind is not Kind.CHANGED:
            more = {"sub": other.sub, "username": other.username, "status": other.status}
            more["created"] = other.created
            values += [other.sub, other.username, other.label]
        if change.kind is Kind.AMBIGUOUS:
            more = {"side": change.side}
        return Difference(
            job=self._job,
            kind=change.kind.value,
            key=user.key,
            label=user.label,
            username=user.username,
            matched_by=change.matched_by,
            fields=fields,
            names=_lines(one["field"] for one in fields),
            security=_lines(change.security),
            more=more,
            search=_searched(values, fields),
        )

    def _add(self, row: Difference) -> None:
        row.key, row.label = without_nul(row.key)[:LONGEST_KEY], without_nul(row.label)[:LONGEST_LABEL]
        row.username = without_nul(row.username)[:LONGEST_NAME]
        row.names, row.search = without_nul(row.names), without_nul(row.search)
        row.more = {
            name: without_nul(value) if isinstance(value, str) else value for name, value in row.more.items()
        }
        self._rows.append(row)
        self.listed += 1
        self._size += len(row.search)
        if len(self._rows) == BATCH or self._size > MOST:
            self._flush()


def _as_rows(fields: Iterable[tuple[str, str, str]]) -> list[dict[str, str]]:
    return [
        {"field": without_nul(name), "old": without_nul(old), "new": without_nul(new)}
        for name, old, new in fields
    ]


def _lines(texts: Iterable[str]) -> str:
    """Each in a line of its own, with a line end before the first; "" for none."""
    found = "".join(f"{text}\n" for text in texts)
    return f"\n{found}" if found else ""


def _searched(values: Iterable[str], fields: Iterable[dict[str, str]]) -> str:
    words = [*values, *(one[side] for one in fields for side in ("old", "new"))]
    return "\n".join(dict.fromkeys(filter(None, words))).casefold()
