"""How a pool is backed up and watched: decided by people, kept apart from what is only remembered."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from backups.core.snapshot import environment_of


class Policy(models.Model):
    """Of one Region and name: a pool that is made again inherits it under its new id.

    No row: nobody has decided yet, the pool is proposed. Not ``enabled``: somebody decided against it.
    """

    class Mfa(models.TextChoices):
        AUTO = "auto", "where it costs nothing"
        ON = "on", "always"
        OFF = "off", "never"

    region = models.CharField(max_length=32)
    name = models.CharField(max_length=128)
    enabled = models.BooleanField(default=True)
    cron = models.CharField(max_length=100)
    zone = models.CharField(max_length=64, default="UTC")
    shrink_percent = models.PositiveSmallIntegerField(default=5)  # a fall of more is an alarm
    mfa = models.CharField(max_length=4, choices=Mfa, default=Mfa.AUTO)
    next_at = models.DateTimeField(null=True, db_index=True)  # whose UPDATE moves it starts the run
    set_by = models.CharField(max_length=200)
    set_at = models.DateTimeField()
    scheduled_at = models.DateTimeField(null=True)  # when what decides its runs was changed; null: set_at

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["region", "name"], name="one_policy_per_region_and_name")
        ]

    def __str__(self) -> str:
        return f"{self.name} in {self.region}: {self.cron} {self.zone}"

    @property
    def environment(self) -> str:
        return environment_of(self.name)


class Acceptance(models.Model):
    """Somebody accepted that a backup holds fewer users than the one before it: it may be suggested."""

    key = models.CharField(max_length=300, unique=True)
    by = models.CharField(max_length=200)
    by_id = models.CharField(max_length=128)
    at = models.DateTimeField()
    reason = models.TextField()

    def __str__(self) -> str:
        return f"{self.key} accepted by {self.by}"
