from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from backups import actions, catalogue
from backups.core.history import Change, Entry, Line, Point, Timeline
from backups.core.snapshot import mask
from backups.management import terminal
from backups.models import Backup

WORDS = {
    "first": "first seen",
    "changed": "changed",
    "missing": "missing",
    "back": "back under the same sub",
    "anew": "there under a new identity",
}


class Command(terminal.Command):
    help = "One user over all backups of a pool; or with --rebuild the index that this is read from, anew."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--pool", metavar="NAME", help="the pool's name, as its backups have it")
        parser.add_argument("--user", help="an e-mail, a Username or a sub")
        parser.add_argument(
            "--rebuild", action="store_true", help="drop the index, of --pool or all, and make it anew"
        )

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        pool, user = options["pool"] or "", options["user"] or ""
        if options["rebuild"]:
            if user:
                self.stop("--user and --rebuild do not go together: rebuild first, then ask.", 2)
            return self._rebuild(pool)
        catalogue.look_at_bucket(whole=catalogue.whole_look_is_due())
        if not pool or not user:
            self.stop(f"{'--user' if pool else '--pool'} is missing.", 2)
        self._must_be(pool)
        timeline = actions.read_history(self.actor, pool, user)
        self._show(timeline)
        return asdict(timeline), 0

    def _rebuild(self, pool: str) -> tuple[dict[str, Any], int]:
        catalogue.look_at_bucket(whole=True)
        if pool:
            self._must_be(pool)
        made = actions.rebuild_history(self.actor, pool)
        self.print(f"{made:,} backups indexed{f' of {pool}' if pool else ''}.")
        return {"indexed": made}, 0

    def _must_be(self, pool: str) -> None:
        if not Backup.objects.filter(pool_name=pool).exists():
            self.stop(f"No backup of a pool called {pool} is in the bucket.", 2)

    def _show(self, timeline: Timeline) -> None:
        if timeline.too_many:
            self.print(f"{timeline.too_many} users bear this name. Ask by Username or sub.")
        elif not timeline.found:
            self.print(f"In none of {timeline.backups:,} indexed backups.")
        for line in timeline.lines:
            if line.pool_id:
                self.print(f"{line.pool_id}:")
            self._show_line(line)
        if timeline.waiting:
            self.print(f"{timeline.waiting:,} backups are not indexed yet, and not read here.")
        for key, why in timeline.skipped:
            self.print(f"{key} is left out: {why}")

    def _show_line(self, line: Line) -> None:
        there = "is" if line.there else "is not"
        self.print(f"{_clock(line.newest)}  {there} in the newest indexed backup")
        for entry in line.entries:
            self.print(f"{_when(entry)}  {WORDS[entry.kind]} ({entry.key})")
            for change in entry.changes:
                old, new = _value(change, change.old), _value(change, change.new)
                self.print(f"    {change.field}: {old} -> {new}")


def _when(entry: Entry) -> str:
    return _clock(entry.at) if entry.before is None else f"{_clock(entry.before)} to {_clock(entry.at)}"


def _clock(point: Point) -> str:
    return f"{point.at:%Y-%m-%d %H:%M:%S}"


def _value(change: Change, value: str | None) -> str:
    if value is None:
        return "unknown" if change.field == "groups" else "nothing"
    return mask(value) if value else "none"
