"""Rows of a comparison, written as they come: models.Difference says what is in them."""

from __future__ import annotations

from collections.abc import Iterable

from backups.core.diff import Change, GroupChange, Kind
from backups.core.settings_diff import SettingChange
from backups.models import Difference, Job

LISTED = 200_000
"""Users who are listed one by one; the numbers are of all of them."""
BATCH = 1_000
LONGEST_LABEL, LONGEST_WHOSE, LONGEST_KEY = 2_100, 200, 400


class Kept:
    """Rows, written as they come. Nothing is listed where one side is empty: the other is all there is."""

    def __init__(self, job: Job) -> None:
        self._job, self._rows = job, list[Difference]()
        self.listed = 0
        self.cut = False  # more users differ than are listed
        self.secrets = False  # some were found among the settings, and not compared

    def users(self, changes: Iterable[Change]) -> None:
        told = 0
        for change in changes:
            told += 1
            if told <= LISTED:
                self._add(self._of_user(change))
        self.cut = told > LISTED

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
                    key=f"{change.setting}/{change.item}/{change.path}"[:LONGEST_KEY],
                    label=change.label[:LONGEST_LABEL],
                    username=(change.item or "")[:LONGEST_WHOSE],
                    fields=fields,
                    names=_lines([change.label]),
                    security=_lines([change.security] if change.security else []),
                    more={"new_pool": True} if change.new_pool else {},
                    search=_searched([change.setting, change.item, change.path], fields),
                )
            )

    def flush(self) -> None:
        Difference.objects.bulk_create(self._rows)
        self._rows.clear()

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
        self._rows.append(row)
        self.listed += 1
        if len(self._rows) == BATCH:
            self.flush()


def _as_rows(fields: Iterable[tuple[str, str, str]]) -> list[dict[str, str]]:
    return [{"field": name, "old": old, "new": new} for name, old, new in fields]


def _lines(texts: Iterable[str]) -> str:
    """Each in a line of its own, with a line end before the first; "" for none."""
    found = "".join(f"{text}\n" for text in texts)
    return f"\n{found}" if found else ""


def _searched(values: Iterable[str], fields: Iterable[dict[str, str]]) -> str:
    words = [*values, *(one[side] for one in fields for side in ("old", "new"))]
    return "\n".join(dict.fromkeys(filter(None, words))).casefold()
