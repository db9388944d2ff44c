"""Event rows are the feed of a job's page: durable, replayable, the primary key is the SSE id."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Event(models.Model):
    """Rows of one job are written under that job's row lock, so ids grow in the order of commits."""

    job = models.ForeignKey("Job", on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField()
    kind = models.CharField(max_length=20)  # state | phase | count | line
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ("id",)
        indexes: ClassVar = [models.Index(fields=["job", "id"])]

    def __str__(self) -> str:
        return f"event {self.pk} of job {self.job_id}"
