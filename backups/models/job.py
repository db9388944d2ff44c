"""Jobs: the row is the truth, a message only carries its id."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from backups.core.lifecycle import ACTIVE, OVER, WORDS, State
from backups.core.snapshot import environment_of


class Job(models.Model):
    """One act that takes time. Written by people (asking) and by the lease's owner (doing)."""

    class Kind(models.TextChoices):
        BACKUP = "backup", "Backup"
        COMPARE = "compare", "Comparison"
        PLAN = "plan", "Restore plan"
        RESTORE = "restore", "Restore"
        KEEP = "keep", "Kept copy"
        FIND = "find", "Search for the last good backup"
        UNDO = "undo", "Undo of a restore"
        INVITE = "invite", "Invitations"
        MAIL = "mail", "Switch of a pool's mail"
        SCHEMA = "schema", "Addition to a pool's schema"

    class Queue(models.TextChoices):
        READ = "read"
        WRITE = "write"

    kind = models.CharField(max_length=16, choices=Kind)
    queue = models.CharField(max_length=8, choices=Queue)
    state = models.CharField(
        max_length=20, default=State.QUEUED, db_index=True, choices=[(s.value, WORDS[s]) for s in State]
    )
    region = models.CharField(max_length=32, blank=True)
    pool_id = models.CharField(max_length=64, blank=True, db_index=True)
    pool_name = models.CharField(max_length=128, blank=True)
    params = models.JSONField(default=dict)  # what was asked; never changes
    result = models.JSONField(default=dict)  # what came of it
    counters = models.JSONField(default=dict)
    phase = models.CharField(max_length=80, blank=True)
    sentence = models.TextField(blank=True)  # how it ended, or why it stands still
    reason = models.TextField(blank=True)  # why the person asked for it
    asked_by = models.CharField(max_length=128)  # unique id (AIDA…), or "terminal:<host user>"
    asked_by_name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    queued_at = models.DateTimeField(null=True)  # when a message was last sent for it
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    wants = models.CharField(max_length=8, blank=True)  # "pause" | "cancel": asked, not yet done
    lease_owner = models.CharField(max_length=128, blank=True)
    lease_until = models.DateTimeField(null=True)  # by the database's clock
    fence = models.BigIntegerField(default=0)  # grows with every new owner
    wake_at = models.DateTimeField(null=True)  # of a waiting job: when the sweeper sends it again

    class Meta:
        ordering = ("-id",)
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["region", "pool_id"],
                condition=Q(queue="write", state__in=sorted(ACTIVE)),
                name="one_writing_job_per_pool",
            )
        ]

    def __str__(self) -> str:
        return f"job {self.pk}"

    @property
    def over(self) -> bool:
        return self.state in OVER

    @property
    def pool_text(self) -> str:
        """Name and id, as the audit log names a pool."""
        return f"{self.pool_name} ({self.pool_id})" if self.pool_id else self.pool_name

    @property
    def environment(self) -> str:
        return environment_of(self.pool_name)
