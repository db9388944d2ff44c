from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from backups import actions, catalogue
from backups.core.history import Change, Entry, Line, Point, Timeline
from backups.core.snapshot import mask
from backups.management import terminal
from backups.models import Backup
from backups.templatetags.words import plural

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
        return asdict(timeline), 0 if timeline.backups or timeline.too_many else 1

    def _rebuild(self, pool: str) -> tuple[dict[str, Any], int]:
        catalogue.look_at_bucket(whole=True)
        if pool:
            self._must_be(pool)
        made = actions.rebuild_history(self.actor, pool)
        out = made.left_out
        every = f" of {plural(made.indexed + len(out), 'backup')}" if out else ""
        what = f"{made.indexed:,}{every}" if out else plural(made.indexed, "backup")
        self.print(f"{what} indexed{f' of {pool}' if pool else ''}.")
        for key, why in out:
            self.print(f"{key} is left out: {why}")
        if made.waiting:
            self.print(
                f"{plural(made.waiting, 'backup')} left out {'waits' if made.waiting == 1 else 'wait'} to be "
                "taken up again, within minutes while a worker and beat run."
            )
        return {"indexed": made.indexed, "left_out": dict(out)}, 1 if out else 0

    def _must_be(self, pool: str) -> None:
        if not Backup.objects.filter(pool_name=pool).exists():
            self.stop(f"No backup of a pool called {pool} is in the bucket.", 2)

    def _show(self, timeline: Timeline) -> None:
        if timeline.too_many:
            self.print(f"{timeline.too_many} users bear this name. Ask by Username or sub.")
        elif not timeline.backups:
            self.print(
                "No backup of this pool is indexed yet. That says nothing of the user. Backups are indexed "
                "by themselves while a worker and beat run; history --rebuild does it at once."
            )
        elif not timeline.found:
            self.print(f"In none of {plural(timeline.backups, 'indexed backup')}.")
        for line in timeline.lines:
            if line.pool_id:
                self.print(f"{line.pool_id}:")
            self._show_line(line)
        if timeline.waiting:
            are = "is" if timeline.waiting == 1 else "are"
            self.print(f"{plural(timeline.waiting, 'backup')} {are} not indexed yet, and not read here.")
        for point in timeline.nameless:
            self.print(f"{point.key} is left out: it does not say of which of these pools it is.")
        for key, why in timeline.skipped:
            self.print(f"{key} is left out: {why}")

    def _show_line(self, line: Line) -> None:
        there = "is" if line.there else "is not"
        newer = f"; {plural(line.newer, 'newer backup')} not read" if line.newer else ""
        self.print(f"{_clock(line.newest)}  {there} in the newest indexed backup{newer}")
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
