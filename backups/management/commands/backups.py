from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from backups import catalogue, storage
from backups.management import terminal
from backups.models import Backup


class Command(terminal.Command):
    help = "The backups in the bucket, newest first; the suggested one of each pool is marked."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--pool", help="only of this pool, by name")
        parser.add_argument("--limit", type=int, default=50, help="how many at most (50)")

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        catalogue.look_at_bucket(whole=catalogue.whole_look_is_due())
        found = Backup.objects.filter(pool_name=options["pool"]) if options["pool"] else Backup.objects.all()
        rows = list(found[: options["limit"]])
        self.table(
            ("KEY", "USERS", "STATE", "CHECKED", "ORIGIN", "KEPT UNTIL", ""),
            [
                (
                    backup.key,
                    "" if backup.users is None else f"{backup.users:,}",
                    backup.state,
                    "yes" if backup.checked else "no",
                    backup.origin,
                    _until(backup),
                    "<- suggested" if backup.suggested else _why(backup),
                )
                for backup in rows
            ],
        )
        return {"backups": [terminal.backup_row(backup) for backup in rows]}, 0


def _until(backup: Backup) -> str:
    until = storage.until(backup, storage.known(catalogue.store_of(backup).bucket))
    if until.at is not None:
        return f"{'may go ' if until.word == 'may' else ''}{until.at:%Y-%m-%d}"
    return {"kept": "kept", "stays": "no rule"}.get(until.word, "not known")


def _why(backup: Backup) -> str:
    return (
        backup.reason if not backup.readable else backup.passed_over and f"passed over: {backup.passed_over}"
    )
