from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from backups import actions
from backups.management import terminal


class Command(terminal.Command):
    help = "Copy a backup into REPORTS_BUCKET, out of expiry, and read it back there."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("key", metavar="KEY", nargs="?", help="the backup; asked for when it is missing")

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        job = self.run(actions.start_keep(self.actor, self.backup(options["key"], "KEY")))
        found = {"job": job.pk, **job.result}
        status = terminal.status_of(job)
        return ({**found, "error": job.sentence} if status else found), status
