from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from backups import actions
from backups.management import terminal
from backups.models import Job


class Command(terminal.Command):
    help = "Cancel a job: what is done stays done, nothing more is begun."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", metavar="JOB", type=int, help="its number, as `jobs` lists it")

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        job = Job.objects.filter(pk=options["job"]).first()
        if job is None:
            self.stop(f"There is no job {options['job']}.", 2)
        job = actions.cancel(self.actor, job)
        ends = " It ends at its next step." if not job.over else ""
        self.print(f"Job {job.pk}: {job.get_state_display()}.{ends}")
        return {"job": job.pk, "state": job.state}, 0
