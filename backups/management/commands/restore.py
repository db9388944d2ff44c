from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from backups import actions
from backups.core.choices import Choices
from backups.core.lifecycle import State
from backups.core.plan import Messages, sentence
from backups.management import terminal
from backups.models import Job, Plan


class Command(terminal.Command):
    help = (
        "Restore into a user pool what it lacks of a backup. This is break-glass: no group is asked, "
        "and the audit log keeps who you are on this host and in AWS, and why."
    )

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--backup", metavar="KEY|FILE", help="a backup's key, or a file on this host")
        parser.add_argument("--to", metavar="POOL", help="the target, by id or name")
        parser.add_argument(
            "--plan", metavar="JOB", type=int, help="in place of both: a plan that was made on the page"
        )
        parser.add_argument(
            "--messages", choices=[way.value for way in Messages], help="how people get in again"
        )
        parser.add_argument("--users", metavar="FILE", help="only these: one e-mail or Username a line")
        parser.add_argument("--dry-run", action="store_true", help="plan, show, write nothing")
        parser.add_argument("--yes", metavar="POOLNAME", help="the target's name once more")
        parser.add_argument("--reason", metavar="TEXT", help="why, for the audit log")

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        dry = options["dry_run"]
        if not dry:
            self._refuse_early(options)
        planned = self._read(options) if options["plan"] is not None else self._planned(options)
        if planned.state != State.PLANNED:
            return {"job": planned.pk, "state": planned.state, "error": planned.sentence}, 1
        plan = Plan.objects.select_related("job").get(job=planned)
        self._show(plan, options["messages"])
        counts = plan.counts
        if dry:
            return _planned(planned, counts, options["messages"])
        job = actions.start_restore(
            self.actor,
            plan,
            messages=options["messages"],
            digest=plan.digest,
            typed=actions.confirmation(plan),
            reason=options["reason"],
        )
        job = self.run(job)
        return _result(job), terminal.status_of(job)

    def _planned(self, options: dict[str, Any]) -> Job:
        users = self._users(options["users"])
        source = terminal.source_of(self, options["backup"], "--backup")
        pool = self.pool(options["to"], "--to")
        self._name_target(options, pool.name)
        choices = Choices(users=None if users is None else tuple(sorted(set(users))))
        return self.run(actions.plan_restore(self.actor, source, pool, choices=choices))

    def _read(self, options: dict[str, Any]) -> Job:
        """The plan's job, as it was chosen on the page; nothing of it is chosen anew."""
        if besides := [f"--{name}" for name in ("backup", "to", "users") if options[name]]:
            self.stop(f"--plan says all of {', '.join(besides)} already. Nothing was written.", 2)
        number = options["plan"]
        plans = Job.objects.filter(kind=Job.Kind.PLAN).exclude(params__has_any_keys=["undo", "people"])
        planned = plans.filter(pk=number).first()
        if planned is None:
            self.stop(f"Job {number} is no plan of a restore. Nothing was written.", 2)
        self._name_target(options, planned.pool_name)
        return planned

    def _name_target(self, options: dict[str, Any], name: str) -> None:
        if not options["dry_run"] and options["yes"] != name:
            self.stop(f"--yes must name the target: --yes {name}. Nothing was written.", 2)

    def _refuse_early(self, options: dict[str, Any]) -> None:
        missing = [f"--{name}" for name in ("messages", "yes", "reason") if not options[name]]
        if missing:
            self.stop(
                f"{', '.join(missing)} missing. Nothing was written. (--dry-run needs none of them.)", 2
            )

    def _users(self, path: str | None) -> list[str] | None:
        if path is None:
            return None
        try:
            lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            self.stop(f"{path} cannot be read: {error}. Nothing was written.", 2)
        return [line.strip() for line in lines if line.strip()]

    def _show(self, plan: Plan, messages: str | None) -> None:
        counts = plan.counts
        for reason, count in counts["by_reason"].items():
            self.print(f"{count:>8,}  {sentence(reason, '…')}")
        self.print(f"{counts['groups']} groups, {counts['memberships']:,} memberships come back.")
        limit = counts["mail_limit"]
        against = f", of {limit} mails a day for the whole account" if limit else ""
        for way in [messages] if messages else counts["mails"]:
            self.print(
                f"{way}: {counts['mails'][way]:,} mails sent, {counts['codes'][way]:,} codes needed{against}."
            )
        for text in [*plan.refusals, *plan.warnings]:
            self.print(text)


def _planned(job: Job, counts: dict[str, Any], messages: str | None) -> tuple[dict[str, Any], int]:
    found = {
        "job": job.pk,
        "state": State.PLANNED,
        "created": counts["create"],
        "updated": counts["update"],
        "skipped": counts["skip"] + counts["cannot"],
        "failed": 0,
        "messages": counts["mails"][messages or Messages.SILENT],
        "confirmed": 0,
    }
    return found, 0


def _result(job: Job) -> dict[str, Any]:
    names = ("created", "updated", "skipped", "failed", "messages", "confirmed")
    counted = job.result or job.counters
    return {"job": job.pk, "state": job.state} | {name: counted.get(name, 0) for name in names}
