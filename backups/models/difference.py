"""What a comparison found: only what differs."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Difference(models.Model):
    job = models.ForeignKey("Job", on_delete=models.CASCADE, related_name="differences")
    kind = models.CharField(max_length=10)  # only_from | only_to | changed
    key = models.CharField(max_length=200)
    label = models.CharField(max_length=2100)
    username = models.CharField(max_length=200)
    matched_by = models.CharField(max_length=10, blank=True)  # sub | email | username
    fields = models.JSONField(default=list)  # [{"field", "old", "new"}] of a changed user
    search = models.TextField(blank=True)  # folded text of everything worth finding

    class Meta:
        ordering = ("id",)
        indexes: ClassVar = [models.Index(fields=["job", "kind", "id"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"
