"""Where it lands: the database. The bucket is the truth about backups; jobs, ledger and audit live here."""

from backups.models.audit import AuditEntry, AuditHead
from backups.models.backup import Backup, Catalogue
from backups.models.challenge import Challenge
from backups.models.clock import database_now
from backups.models.difference import Difference
from backups.models.event import Event
from backups.models.item import Item
from backups.models.job import Job
from backups.models.operator import Operator
from backups.models.plan import Plan
from backups.models.pool import Pool

__all__ = [
    "AuditEntry",
    "AuditHead",
    "Backup",
    "Catalogue",
    "Challenge",
    "Difference",
    "Event",
    "Item",
    "Job",
    "Operator",
    "Plan",
    "Pool",
    "database_now",
]
