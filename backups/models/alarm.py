"""What is wrong with a pool's backups, and whom it was told to."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q


class Alarm(models.Model):
    """One thing that is wrong, from the moment it was found until it was over. At most one open of a kind."""

    class Kind(models.TextChoices):
        GONE = "gone", "pool gone"
        EMPTIED = "emptied", "pool emptied"
        FEWER = "fewer", "fewer users"
        FAILED = "failed", "backup failed"
        LATE = "late", "backup late"
        UNREADABLE = "unreadable", "backup unreadable"

    kind = models.CharField(max_length=12, choices=Kind)
    region = models.CharField(max_length=32, blank=True)
    pool_name = models.CharField(max_length=128)
    pool_id = models.CharField(max_length=64, blank=True)
    sentence = models.TextField()  # what is wrong and what is still true, as of ``seen_at``
    raised_at = models.DateTimeField(db_index=True)
    seen_at = models.DateTimeField()  # the last time it was found to be so
    cleared_at = models.DateTimeField(null=True)
    cleared_why = models.TextField(blank=True)

    class Meta:
        ordering = ("-raised_at", "-id")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "region", "pool_name"],
                condition=Q(cleared_at=None),
                name="one_open_alarm_of_a_kind",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pool_name}"


class Delivery(models.Model):
    """One message to one channel: the row first, then the sending, tried again until it is over."""

    class Channel(models.TextChoices):
        SLACK = "slack", "Slack"
        MAIL = "mail", "e-mail"
        WEBHOOK = "webhook", "webhook"

    class What(models.TextChoices):
        RAISED = "raised"
        CLEARED = "cleared"
        TEST = "test"

    channel = models.CharField(max_length=8, choices=Channel)
    what = models.CharField(max_length=8, choices=What)
    alarm = models.ForeignKey(Alarm, null=True, on_delete=models.CASCADE, related_name="deliveries")
    asked_by = models.CharField(max_length=200, blank=True)  # of a test
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, db_index=True)  # the next try; null: over
    tries = models.PositiveSmallIntegerField(default=0)
    delivered_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=300, blank=True)  # of the last try: "200 ok", or why there is none

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.what} to {self.channel}"


class Watchdog(models.Model):
    """One row: the last call of HEARTBEAT_URL, by which a watchdog outside learns that we are alive."""

    called_at = models.DateTimeField(null=True)  # the last call, answered or not
    answered_at = models.DateTimeField(null=True)  # the last one that was answered with 2xx
    answer = models.CharField(max_length=300, blank=True)  # of the last call: "200 OK", or why there is none

    def __str__(self) -> str:
        return f"called at {self.called_at}"

    @classmethod
    def row(cls) -> Watchdog:
        return cls.objects.get_or_create(pk=1)[0]
