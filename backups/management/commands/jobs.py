from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from backups.core.lifecycle import ACTIVE
from backups.management import terminal
from backups.models import Job


class Command(terminal.Command):
    help = "The latest jobs, with their state; --active: only those that are not over."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--active", action="store_true", help="only those that are not over")
        parser.add_argument("--limit", type=int, default=30, help="how many at most (30)")

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        jobs = Job.objects.filter(state__in=ACTIVE) if options["active"] else Job.objects.all()
        rows = list(jobs[: options["limit"]])
        self.table(
            ("JOB", "WHAT", "STATE", "POOL", "BY", "ASKED"),
            [
                (
                    job.pk,
                    job.get_kind_display(),
                    job.get_state_display(),
                    job.pool_name,
                    job.asked_by_name,
                    f"{job.created_at:%Y-%m-%d %H:%M} UTC",
                )
                for job in rows
            ],
        )
        found = [
            {
                "job": job.pk,
                "kind": job.kind,
                "state": job.state,
                "pool": job.pool_name,
                "by": job.asked_by_name,
                "counters": job.counters,
                "sentence": job.sentence,
            }
            for job in rows
        ]
        return {"jobs": found}, 0
