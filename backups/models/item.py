"""The ledger: one row per user of a plan or a restore."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

REASONS = 50
"""Reasons that are counted one by one; a page tells the others together."""


class Item(models.Model):
    """A planned line (``action``, ``reason``) and, in a restore, what became of it (``outcome``)."""

    # Every index but one begins with the job: one of its own would only make a million rows slower to write.
    job = models.ForeignKey("Job", on_delete=models.CASCADE, related_name="items", db_index=False)
    key = models.CharField(max_length=200)  # core.snapshot.User.key of the backup's user
    position = models.BigIntegerField()  # place in the backup's file
    label = models.CharField(max_length=2100)  # the e-mail, else the Username; masked where it is shown
    old_sub = models.CharField(max_length=128, blank=True)
    old_username = models.CharField(max_length=200)
    email = models.CharField(max_length=2100, blank=True)
    action = models.CharField(max_length=8)  # create | update | skip | cannot; of an undo: delete | put-back
    reason = models.CharField(max_length=40, blank=True)  # code of core.plan.REASONS
    detail = models.TextField(blank=True)
    groups = models.JSONField(default=list)  # group names the plan puts this user into
    enabled = models.BooleanField(default=True)
    changes = models.JSONField(default=list)  # of an update: [field, in the pool, in the backup]
    withheld = models.JSONField(default=list)  # names of privileged groups that a guard keeps the user out of
    seen = models.CharField(max_length=64, blank=True)  # core.plan.Line.seen
    removes = models.CharField(max_length=200, blank=True)  # core.plan.Line.removes
    outcome = models.CharField(max_length=8, blank=True)  # created updated deleted skipped failed | unknown
    step = models.CharField(max_length=12, blank=True)  # the last finished step
    new_sub = models.CharField(max_length=128, blank=True)
    new_username = models.CharField(max_length=200, blank=True)
    messages = models.IntegerField(default=0)
    confirmed = models.BooleanField(default=False)
    intended_at = models.DateTimeField(null=True)  # committed before the first call for this user
    mailed_at = models.DateTimeField(null=True)  # when the first message was told to have gone out

    class Meta:
        ordering = ("position",)
        constraints: ClassVar = [models.UniqueConstraint(fields=["job", "key"], name="one_row_per_user")]
        indexes: ClassVar = [
            models.Index(fields=["job", "position"]),
            models.Index(fields=["job", "action", "position"], name="lines_of_an_action"),
            models.Index(fields=["job", "reason", "position"], name="lines_of_a_reason"),
            models.Index(fields=["job", "outcome", "reason"]),
            models.Index(fields=["new_sub"], name="whom_a_restore_made"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}:{self.key}"

    @classmethod
    def by_reason(cls, job: int, most: int = REASONS) -> list[tuple[str, str, str, int]]:
        """(action, reason's code, detail, how many users) of a job's ledger, the most first.

        Of a million rows it takes a second or more: a plan counts once, and keeps it.
        """
        rows = cls.objects.filter(job=job).values_list("action", "reason", "detail")
        return list(rows.annotate(count=models.Count("id")).order_by("-count")[:most])
