"""Pools that were seen in the configured Regions, with the last look at each."""

from __future__ import annotations

from django.db import models

from backups.core.snapshot import environment_of


class Pool(models.Model):
    """One user pool, live or gone. Its id names it; its name may come back with another id."""

    class Presence(models.TextChoices):
        THERE = "there", "there"
        GONE = "gone", "gone"
        UNKNOWN = "unknown", "unknown"  # the last look got no answer: not the same as gone

    region = models.CharField(max_length=32)
    pool_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=128, db_index=True)
    account = models.CharField(max_length=12, blank=True)
    presence = models.CharField(max_length=8, choices=Presence, default=Presence.UNKNOWN)
    estimated_users = models.BigIntegerField(null=True)  # AWS's estimate, as of last_seen_at
    mail = models.CharField(max_length=32, blank=True)  # COGNITO_DEFAULT | DEVELOPER (SES)
    looked_at = models.DateTimeField(null=True)  # the last look, answered or not
    first_seen_at = models.DateTimeField(null=True)  # the look that found its id; null: not known
    last_seen_at = models.DateTimeField(null=True)  # the last look that found it
    tier = models.CharField(max_length=16, blank=True)  # LITE | ESSENTIALS | PLUS
    estimated_before = models.BigIntegerField(null=True)  # the last one that was no fall
    fell = models.CharField(max_length=8, blank=True)  # how its number fell, once two looks saw it
    doubt = models.CharField(max_length=8, blank=True)  # what the last look saw and a second one must confirm
    doubted_at = models.DateTimeField(null=True)
    why_unknown = models.TextField(blank=True)

    class Meta:
        ordering = ("name", "region", "pool_id")

    def __str__(self) -> str:
        return f"{self.name} ({self.pool_id})"

    @property
    def environment(self) -> str:
        return environment_of(self.name)
