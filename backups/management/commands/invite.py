from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from backups import actions
from backups.core.lifecycle import State
from backups.management import terminal
from backups.models import Job, Pool
from backups.runner.invite import invitable, mails_allowed


class Command(terminal.Command):
    help = (
        "Invite people who wait in FORCE_CHANGE_PASSWORD: those of a restore, or everybody of a pool. "
        "Each gets one mail with a new temporary password; nobody is written to twice within a day."
    )

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", metavar="JOB", type=int, nargs="?", help="a restore, as `jobs` lists it")
        parser.add_argument("--pool", metavar="POOL", help="everybody of this pool, by id or name")
        parser.add_argument(
            "--order", choices=["backup", "changed"], default="backup", help="who comes first"
        )
        parser.add_argument("--first", metavar="FILE", help="these come first: one e-mail a line")
        parser.add_argument("--dry-run", action="store_true", help="read, show, write to nobody")
        parser.add_argument("--yes", metavar="POOLNAME", help="the pool's name")
        parser.add_argument("--reason", metavar="TEXT", help="why, for the audit log")

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        dry = options["dry_run"]
        if (options["job"] is None) == (options["pool"] is None):
            self.stop("Name a restore's JOB or a --pool, one of them. Nobody was written to.", 2)
        missing = [f"--{name}" for name in ("yes", "reason") if not options[name]]
        if missing and not dry:
            self.stop(f"{', '.join(missing)} missing. Nobody was written to. (--dry-run needs neither.)", 2)
        emails = self._emails(options["first"])
        restore, pool = self._whom(options)
        if not dry and options["yes"] != pool.name:
            self.stop(f"--yes must name the pool: --yes {pool.name}. Nobody was written to.", 2)
        if restore is None:
            reading = self.run(actions.read_waiting(self.actor, pool))
        else:
            reading = self.run(actions.read_people(self.actor, restore))
        if reading.state != State.DONE:
            return {"job": reading.pk, "state": reading.state, "error": reading.sentence}, 1
        number, allowed = invitable(reading).count(), mails_allowed(reading)
        today = "no day's limit binds this pool" if allowed is None else f"{allowed:,} may go out today"
        self.print(f"{number:,} mails; {today}.")
        if dry or not number:  # a script that runs twice is done twice
            return {"job": reading.pk, "state": reading.state, "invite": number}, 0
        job = self.run(
            actions.start_invite(
                self.actor,
                reading,
                order="list" if emails else options["order"],
                first=emails,
                typed=actions.confirmation_of_invite(reading, number),
                reason=options["reason"],
            )
        )
        return {"job": job.pk, "state": job.state} | job.result, terminal.status_of(job)

    def _whom(self, options: dict[str, Any]) -> tuple[Job | None, Pool]:
        if options["pool"] is not None:
            return None, self.pool(options["pool"])
        restore = Job.objects.filter(pk=options["job"]).first()
        if restore is None:
            self.stop(f"There is no job {options['job']}.", 2)
        return restore, Pool(region=restore.region, pool_id=restore.pool_id, name=restore.pool_name)

    def _emails(self, path: str | None) -> list[str]:
        if path is None:
            return []
        try:
            lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            self.stop(f"{path} cannot be read: {error}. Nobody was written to.", 2)
        return [line.strip() for line in lines if line.strip()]
