from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import transaction

from backups.core.chain import Fault, Link, verify
from backups.management import terminal
from backups.models import AuditEntry, AuditHead


class Command(terminal.Command):
    help = "Walk the audit log from its first entry and name every fault of its chain."

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        with transaction.atomic():  # the head and the log as of one moment
            head = AuditHead.objects.select_for_update().get_or_create(pk=1)[0]
            faults = list(verify(_links(), head.seq, head.hash))
            for other in AuditHead.objects.exclude(pk=head.pk):
                faults.append(Fault(other.seq, "a second head names it as the last one; a log has one head"))
        for fault in faults:
            self.print(f"Entry {fault.seq}: {fault.what}.")
        if not faults:
            self.print(
                f"{head.seq:,} entries, each follows from the one before. "
                "An end that was cut together with the head cannot be seen from here."
            )
        found = {
            "entries": head.seq,
            "head": head.hash,
            "faults": [{"seq": fault.seq, "what": fault.what} for fault in faults],
        }
        return found, int(bool(faults))


def _links() -> Iterator[Link]:
    for entry in AuditEntry.objects.order_by("seq").iterator(chunk_size=2000):
        copies = {
            "at": entry.at.isoformat(timespec="microseconds"),
            "act": entry.act,
            "actor_id": entry.actor_id,
            "actor": entry.actor,
            "pool": entry.pool,
            "job": entry.job,
            "result": entry.result,
            "address": entry.address,
        }
        yield Link(entry.seq, entry.body, entry.prev, entry.hash, copies)
