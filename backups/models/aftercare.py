"""What is to be done after a restore, by people, outside of this dashboard."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Aftercare(models.Model):
    """One item of a restore's list, as the settings had it that day: later changes leave it alone."""

    job = models.ForeignKey("Job", on_delete=models.CASCADE, related_name="aftercare")
    position = models.IntegerField()
    item = models.CharField(max_length=300)  # the sentence, as people read it
    ticked_at = models.DateTimeField(null=True)  # None: open
    by = models.CharField(max_length=200, blank=True)  # the name as it was then
    by_id = models.CharField(max_length=128, blank=True)
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("position",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "position"], name="one_item_per_place"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["job"], condition=models.Q(ticked_at=None), name="open_aftercare"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}:{self.position}"
