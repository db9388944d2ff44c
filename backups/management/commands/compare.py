from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from backups import actions
from backups.management import terminal
from backups.runner.sources import LIVE

SHOWN = 50


class Command(terminal.Command):
    help = "Compare two sides: a backup (KEY or a FILE on this host) or a live pool (live:ID|NAME)."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from", dest="from_", metavar="KEY|FILE|live:POOL", help="the older side")
        parser.add_argument("--to", metavar="KEY|FILE|live:POOL", help="the newer side")

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        from_ = self._side(options["from_"], "--from")
        to = self._side(options["to"], "--to")
        job = self.run(actions.start_compare(self.actor, from_, to))
        names = ("only_from", "only_to", "changed", "same")
        if not job.result:
            return {"job": job.pk, "state": job.state, "error": job.sentence}, 1
        for note in job.result["notes"]:
            self.print(note)
        for difference in job.differences.all()[:SHOWN]:
            fields = ", ".join(field["field"] for field in difference.fields)
            self.print(f"{difference.kind:<10} {difference.username} {fields}")
        more = job.differences.count() - SHOWN
        if more > 0:
            self.print(f"… and {more:,} more; the page of job {job.pk} has them all.")
        return {name: job.result[name] for name in names}, terminal.status_of(job)

    def _side(self, named: str | None, what: str) -> str:
        if named is not None and named.startswith(LIVE):
            return LIVE + self.pool(named.removeprefix(LIVE), what).pool_id
        return terminal.source_of(self, named, what)
