from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from backups import actions
from backups.core.lifecycle import State
from backups.core.undo import sentence
from backups.management import terminal
from backups.models import Job, Plan


class Command(terminal.Command):
    help = (
        "Undo a restore: delete whom it created and who show no sign of use, put back what it changed. "
        "Deletes are for ever. This is break-glass: no group is asked, and the audit log keeps who you are."
    )

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", metavar="JOB", type=int, help="the restore, as `jobs` lists it")
        parser.add_argument("--dry-run", action="store_true", help="plan, show, write nothing")
        parser.add_argument("--yes", metavar="POOLNAME", help="the pool's name")
        parser.add_argument("--reason", metavar="TEXT", help="why, for the audit log")

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        dry = options["dry_run"]
        missing = [f"--{name}" for name in ("yes", "reason") if not options[name]]
        if missing and not dry:
            self.stop(f"{', '.join(missing)} missing. Nothing was written. (--dry-run needs neither.)", 2)
        restore = Job.objects.filter(pk=options["job"]).first()
        if restore is None:
            self.stop(f"There is no job {options['job']}.", 2)
        if not dry and options["yes"] != restore.pool_name:
            self.stop(f"--yes must name the pool: --yes {restore.pool_name}. Nothing was written.", 2)
        planned = self.run(actions.plan_undo(self.actor, restore))
        if planned.state != State.PLANNED:
            return {"job": planned.pk, "state": planned.state, "error": planned.sentence}, 1
        plan = Plan.objects.select_related("job").get(job=planned)
        for reason, count in plan.counts["by_reason"].items():
            self.print(f"{count:>8,}  {sentence(reason, '…')}")
        for text in plan.warnings:
            self.print(text)
        counts = {name: plan.counts[name] for name in ("delete", "put-back", "skip")}
        if dry or not actions.to_undo(plan):  # a script that runs twice is done twice
            return {"job": planned.pk, "state": planned.state} | counts, 0
        job = self.run(
            actions.start_undo(
                self.actor,
                plan,
                digest=plan.digest,
                typed=actions.confirmation_of_undo(plan),
                reason=options["reason"],
            )
        )
        return {"job": job.pk, "state": job.state} | job.result, terminal.status_of(job)
