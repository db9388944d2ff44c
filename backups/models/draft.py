"""A restore that somebody is preparing: kept, so that a session's end loses nothing."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Draft(models.Model):
    """The first two steps of a restore; the plan that was made of them is the third."""

    owner = models.CharField(max_length=128)  # unique id of the person
    source = models.CharField(max_length=400)  # a backup's key
    pool_id = models.CharField(max_length=64, blank=True)  # "": not chosen yet
    choices = models.JSONField(default=dict)  # core.choices.Choices
    plan = models.ForeignKey("Job", null=True, on_delete=models.SET_NULL, related_name="+")  # the last one
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-changed_at",)
        indexes: ClassVar = [models.Index(fields=["owner", "changed_at"], name="drafts_of_a_person")]

    def __str__(self) -> str:
        return f"draft {self.pk}"
