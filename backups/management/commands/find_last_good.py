from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from backups import actions, catalogue
from backups.core.lastgood import Kind, Rule, notes, two_pools, verdict
from backups.management import terminal
from backups.templatetags.words import plural


class Command(terminal.Command):
    help = (
        "Find the last good backup of a pool, and the first one after it that is not good. As few backups "
        "as possible are read; the pool itself is not asked, so it may be gone."
    )

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--pool",
            required=True,
            metavar="NAME|ID",
            help="the pool's name; or its id, where several bear the name",
        )
        parser.add_argument(
            "--user", default="", metavar="X", help="good: this e-mail, Username or sub is there"
        )
        parser.add_argument("--at-least", default="", metavar="N", help="good: so many users are there")
        parser.add_argument(
            "--group", default="", metavar="G", help="good: with --member, who is in this group"
        )
        parser.add_argument("--member", default="", metavar="X", help="an e-mail, Username or sub")

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        user, users, group, member = (options[name] for name in ("user", "at_least", "group", "member"))
        given = [
            kind
            for kind, wanted in ((Kind.USER, user), (Kind.AT_LEAST, users), (Kind.MEMBER, group or member))
            if wanted
        ]
        if len(given) != 1:
            self.stop("Give one of --user, --at-least, or --group with --member. Nothing was started.", 2)
        catalogue.look_at_bucket(whole=False)
        asked = {"name": user or member, "group": group, "users": users}
        job = self.run(actions.start_find(self.actor, options["pool"], given[0], **asked))
        told = {"job": job.pk, "state": job.state}
        if not job.result:
            return {**told, "error": job.sentence}, 1
        names = (
            "answer",
            "good",
            "bad",
            "backups",
            "read",
            "known",
            "silent",
            "newer",
            "flips",
            "changes",
            "stepped_over",
        )
        found = {name: job.result.get(name) for name in names}
        rule = Rule.read(job.params["rule"])
        for side, backup in (("Last good", found["good"]), ("First not good", found["bad"])):
            if backup:
                of = f", of {backup['pool_id']}" if two_pools(job.result) else ""
                self.print(f"{side}: {backup['key']}, {plural(backup['users'], 'user')}{of}")
        return {
            **told,
            "verdict": verdict(rule, job.result),
            "notes": notes(job.result),
            **found,
        }, terminal.status_of(job)
