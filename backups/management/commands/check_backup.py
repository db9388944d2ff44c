from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from backups import actions
from backups.management import terminal


class Command(terminal.Command):
    help = "Read a backup back from the bucket, whole, and recompute what its manifest says."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "key", metavar="KEY", nargs="?", help="<time>/<pool name>, with or without /data.json"
        )

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        backup = actions.check_backup(self.actor, self.backup(options["key"], "KEY"))
        what = "agrees with its manifest" if backup.checked else backup.reason
        self.print(f"{backup.key}: {backup.get_state_display()}, {what}.")
        found = {
            "key": backup.key,
            "state": backup.state,
            "checked": backup.checked,
            "users": backup.users or 0,
            "reason": backup.reason,
        }
        return found, int(not backup.readable)
