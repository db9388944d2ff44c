from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from backups import actions
from backups.management import terminal


class Command(terminal.Command):
    help = "Back up a user pool into the bucket, and read it back."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--pool", metavar="ID|NAME", help="the user pool")

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        job = self.run(actions.start_backup(self.actor, self.pool(options["pool"])))
        known = {"pool_id": job.pool_id, **job.result}
        if "seconds" in known:
            known["seconds"] = float(known["seconds"])
        names = ("key", "pool_id", "users", "groups", "state", "checked", "seconds")
        found = {name: known[name] for name in names if name in known}
        if status := terminal.status_of(job):
            found |= {"job": job.pk, "error": job.sentence}
        return found, status
