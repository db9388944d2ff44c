"""What a restore was going to do when somebody looked at it."""

from __future__ import annotations

from django.db import models


class Plan(models.Model):
    """A plan's frame; its lines are the items of its job. A restore takes a plan's id, no loose flags."""

    job = models.OneToOneField("Job", on_delete=models.CASCADE, related_name="plan")
    digest = models.CharField(max_length=64)  # over backup, pool, choices: core.plan.digest
    source = models.CharField(max_length=400)  # a backup's key, or "file:/path" from a terminal
    source_sha256 = models.CharField(max_length=64)  # of the users' bytes that were planned on
    source_pool = models.CharField(max_length=128, blank=True)
    choices = models.JSONField()  # core.plan.Choices
    counts = models.JSONField()  # core.plan.Counts
    refusals = models.JSONField(default=list)  # sentences: why this plan cannot be started here
    warnings = models.JSONField(default=list)
    checks = models.JSONField(default=list)  # core.preflight.Check.as_json, in the order they were asked
    facts = models.JSONField(default=dict)  # what decided it: mail, case, username attributes, groups
    read_at = models.DateTimeField()  # when the live pool was read
    restore = models.OneToOneField("Job", null=True, on_delete=models.SET_NULL, related_name="started_from")

    def __str__(self) -> str:
        return f"plan of job {self.job_id}"
