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
        result = job.result
        names = ("key", "pool_id", "users", "groups", "state", "checked")
        if not result:
            return {"job": job.pk, "state": job.state, "error": job.sentence}, 1
        found = {name: result[name] for name in names} | {"seconds": float(result["seconds"])}
        return found, terminal.status_of(job)
