from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from backups import actions
from backups.management import terminal
from backups.models import Pool

COGNITO = "cognito"


class Command(terminal.Command):
    help = (
        "Send a pool's mail through an identity of SES, or through Cognito itself again. Without --to it "
        "only tells. This is break-glass: nobody else is asked, and the audit log keeps who you are."
    )

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--pool", metavar="POOL", help="by id or name; asked for when it is missing")
        parser.add_argument(
            "--to", metavar="IDENTITY", help=f"a verified domain or address of SES, or {COGNITO}"
        )
        parser.add_argument(
            "--sender", metavar="ADDRESS", default="", help="as people see it; a domain needs one"
        )
        parser.add_argument("--yes", metavar="POOLNAME", help="the pool's name")
        parser.add_argument("--reason", metavar="TEXT", help="why, for the audit log")

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        to = options["to"]
        missing = [f"--{name}" for name in ("yes", "reason") if not options[name]]
        if to and missing:
            self.stop(
                f"{', '.join(missing)} missing. Nothing was changed. (Without --to neither is needed.)", 2
            )
        pool = self.pool(options["pool"])
        if not to:
            return self._told(pool), 0
        if options["yes"] != pool.name:
            self.stop(f"--yes must name the pool: --yes {pool.name}. Nothing was changed.", 2)
        identity = "" if to == COGNITO else to
        job = self.run(
            actions.switch_mail(
                self.actor,
                pool,
                identity=identity,
                sender=options["sender"] if identity else "",
                typed=actions.mail_confirmation(pool, to_ses=bool(identity)),
                reason=options["reason"],
            )
        )
        told = {name: job.result[name] for name in ("before", "after", "differs") if name in job.result}
        return {"job": job.pk, "state": job.state, **told}, terminal.status_of(job)

    def _told(self, pool: Pool) -> dict[str, Any]:
        mail = actions.mail_of(pool)
        self.print(f"{pool}: its mail goes through {mail.text}.")
        if mail.ses_refused:
            self.print(f"Through SES nothing would arrive: {mail.ses_refused}")
        for one in mail.ses.senders if mail.ses else ():
            self.print(f"{one.name}  {'verified' if one.verified else 'not verified'}")
        return {
            "pool": pool.pool_id,
            "mail": mail.settings,
            "ses": mail.ses_refused or "usable",
            "identities": [one.name for one in mail.senders],
        }
