from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from backups import actions
from backups.management import terminal
from backups.models import Job


class Command(terminal.Command):
    help = "Old to new identity of everybody whom a restore created or found in the pool."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", metavar="JOB", type=int, help="the restore's number")
        parser.add_argument("--csv", action="store_true", help="CSV on stdout (the default)")
        parser.add_argument("--form", choices=["csv", "json", "sql"], help="on stdout in this form")

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        job = Job.objects.filter(pk=options["job"]).first()
        if job is None:
            self.stop(f"There is no job {options['job']}.", 2)
        pieces = actions.identity_map(self.actor, job, options["form"] or "csv")
        if not self.as_json or options["csv"] or options["form"]:
            for piece in pieces:
                self.stdout.write(piece, ending="")
        return {"job": job.pk, "identities": job.items.exclude(new_sub="").count()}, 0
