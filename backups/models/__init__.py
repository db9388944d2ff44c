"""Where it lands: the database. The bucket is the truth about backups; jobs, ledger and audit live here."""

from backups.models.aftercare import Aftercare
from backups.models.alarm import Alarm, Delivery, Watchdog
from backups.models.audit import AuditEntry, AuditHead
from backups.models.backup import Backup, Catalogue, Deleted
from backups.models.challenge import Challenge
from backups.models.clock import database_now
from backups.models.difference import Difference
from backups.models.draft import Draft
from backups.models.event import Event
from backups.models.history import IndexedBackup, IndexedPool, Shard
from backups.models.item import Item
from backups.models.job import Job
from backups.models.operator import Operator
from backups.models.plan import Plan
from backups.models.policy import Acceptance, Policy
from backups.models.pool import Pool

__all__ = [
    "Acceptance",
    "Aftercare",
    "Alarm",
    "AuditEntry",
    "AuditHead",
    "Backup",
    "Catalogue",
    "Challenge",
    "Deleted",
    "Delivery",
    "Difference",
    "Draft",
    "Event",
    "IndexedBackup",
    "IndexedPool",
    "Item",
    "Job",
    "Operator",
    "Plan",
    "Policy",
    "Pool",
    "Shard",
    "Watchdog",
    "database_now",
]
