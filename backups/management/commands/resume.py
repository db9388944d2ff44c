from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now

from backups import actions
from backups.core.lifecycle import State
from backups.management import terminal
from backups.models import Job
from backups.models.audit import Act
from backups.runner.restore import RETRIED


class Command(terminal.Command):
    help = "Go on with a job in this process: one that is paused, or one whose process went away."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", metavar="JOB", type=int, help="its number, as `jobs` lists it")
        parser.add_argument(
            "--cause",
            action="append",
            choices=sorted(RETRIED),
            help="of those who failed, try only these again; may be given more than once",
        )

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        job = Job.objects.filter(pk=options["job"]).first()
        if job is None:
            self.stop(f"There is no job {options['job']}.", 2)
        left_alone = Q(state=State.QUEUED) | Q(state=State.RUNNING, lease_until__lt=Now())
        if Job.objects.filter(left_alone, pk=job.pk).exists():
            actions.note(self.actor, Act.JOB_RESUMED, pool=job.pool_text, job=job.pk)
        else:
            job = actions.resume(self.actor, job, options["cause"] or RETRIED)
        job = self.run(job)
        return {"job": job.pk, "state": job.state, "sentence": job.sentence}, terminal.status_of(job)
