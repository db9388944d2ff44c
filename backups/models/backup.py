"""The catalogue: a cache of the bucket, rebuilt from it at any time."""

from __future__ import annotations

from django.db import models

from backups.core.snapshot import environment_of


class Backup(models.Model):
    """One backup in the bucket, as it was last read."""

    class State(models.TextChoices):
        COMPLETE = "complete", "complete"
        USERS_ONLY = "users-only", "users only"
        INCOMPLETE = "incomplete", "incomplete"
        UNREADABLE = "unreadable", "unreadable"

    class Origin(models.TextChoices):
        OURS = "ours", "ours"
        UNKNOWN = "unknown", "unknown"
        CHANGED = "changed", "changed after it was made"

    class MadeBy(models.TextChoices):
        PERSON = "person", "a person"
        SCHEDULE = "schedule", "schedule"
        BEFORE_RESTORE = "before-restore", "before a restore"
        CBR = "cbr", "cbr"
        UPLOAD = "upload", "uploaded"

    key = models.CharField(max_length=300, unique=True)  # "<time>/<pool name>", no slash at the end
    pool_name = models.CharField(max_length=128, db_index=True, blank=True)  # "" for an upload
    pool_id = models.CharField(max_length=64, blank=True)
    region = models.CharField(max_length=32, blank=True)
    taken_at = models.DateTimeField(db_index=True)
    state = models.CharField(max_length=12, choices=State)
    checked = models.BooleanField(default=False)
    origin = models.CharField(max_length=8, choices=Origin, default=Origin.UNKNOWN)
    made_by = models.CharField(max_length=16, choices=MadeBy)
    made_by_who = models.CharField(max_length=200, blank=True)
    title = models.CharField(max_length=255, blank=True)  # an upload's file name
    users = models.BigIntegerField(null=True)  # null: could not be counted
    groups = models.BigIntegerField(null=True)  # null: not in this backup
    memberships = models.BigIntegerField(null=True)
    size = models.BigIntegerField(default=0)  # bytes, all parts
    reason = models.TextField(blank=True)  # why the state is what it is, a sentence
    manifest = models.JSONField(null=True)
    fingerprint = models.CharField(max_length=64)  # over keys, sizes and etags: when it changes, read again
    suggested = models.BooleanField(default=False)
    passed_over = models.CharField(max_length=200, blank=True)  # why it is newer and yet not suggested
    weighed = models.BooleanField(default=False)  # the suggestion of its pool knows it as it is
    modified_at = models.DateTimeField(null=True)  # of its oldest object: expiry counts from there
    expires_at = models.DateTimeField(null=True, db_index=True)  # by core.expiry; null: no rule, or not known
    may_expire_at = models.DateTimeField(null=True)  # earlier, by a rule whose filter we cannot decide
    encryption = models.CharField(max_length=200, blank=True)  # "aws:kms arn:…"; "" where it is not told
    lock = models.CharField(max_length=12, blank=True)  # Object Lock's mode, "" for none or not told
    locked_until = models.DateTimeField(null=True)
    kept_as = models.CharField(max_length=340, blank=True)  # the copy out of expiry: its prefix there
    being_made_by = models.ForeignKey("Job", null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("-taken_at", "-id")
        indexes = (
            models.Index(fields=["-taken_at", "-id"]),
            models.Index(fields=["pool_name", "-taken_at"], name="backups_of_a_pool"),
            models.Index(fields=["pool_name"], condition=models.Q(weighed=False), name="not_weighed"),
        )

    def __str__(self) -> str:
        return self.key

    @property
    def readable(self) -> bool:
        return self.state in (self.State.COMPLETE, self.State.USERS_ONLY)

    @property
    def environment(self) -> str:
        return environment_of(self.pool_name)

    @property
    def data_key(self) -> str:
        """The object that holds the users."""
        return f"{self.key}/data.json"


class Deleted(models.Model):
    """A backup behind delete markers: its versions are still there, until the bucket's rules end them."""

    key = models.CharField(max_length=300, unique=True)
    pool_name = models.CharField(max_length=128, db_index=True)
    taken_at = models.DateTimeField(db_index=True)
    deleted_at = models.DateTimeField()
    # [{"name": "data.json", "version": "…", "size": bytes, "marker": "…"}], newest version each
    parts = models.JSONField()

    class Meta:
        ordering = ("-taken_at", "-id")

    def __str__(self) -> str:
        return self.key


class Catalogue(models.Model):
    """One row: the last look at the bucket."""

    looked_at = models.DateTimeField(null=True)  # the last look, answered or not
    answered_at = models.DateTimeField(null=True)  # the last one that the bucket answered
    whole_at = models.DateTimeField(null=True)  # the last one over every object
    whole_begun_at = models.DateTimeField(null=True)  # of one under way; moves while it goes on
    strangers = models.IntegerField(default=0)  # objects that are no part of any backup, at whole_at
    problem = models.TextField(blank=True)  # why the last look was not answered
    storage = models.JSONField(default=dict)  # bucket -> backups.storage.Known: its rules, or why not known
    regions = models.JSONField(
        default=dict
    )  # Region -> {"at": of its last answered list, "why": it has none since}
    pools_asked_at = models.DateTimeField(null=True)  # whose UPDATE moves it looks at the pools

    def __str__(self) -> str:
        return f"looked at {self.looked_at}"

    @classmethod
    def row(cls) -> Catalogue:
        return cls.objects.get_or_create(pk=1)[0]
