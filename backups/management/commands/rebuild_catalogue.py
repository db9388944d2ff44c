from __future__ import annotations

from typing import Any

from backups import actions
from backups.management import terminal
from backups.models import Backup, Catalogue


class Command(terminal.Command):
    help = "Read the whole bucket and make the catalogue of backups anew from it alone."

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        actions.rebuild_catalogue(self.actor)
        counts = {state: Backup.objects.filter(state=state).count() for state in Backup.State.values}
        strangers = Catalogue.row().strangers
        said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        self.print(
            f"{sum(counts.values())} backups ({said or 'none'}); {strangers} other objects in the bucket."
        )
        return {"backups": sum(counts.values()), "states": counts, "other_objects": strangers}, 0
