"""What a comparison found: only what differs."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Difference(models.Model):
    """One user, group or setting that is not the same on both sides.

    kind          of a user: only_from | changed | only_to | anew | again | ambiguous (core.diff.Kind);
                  of a group and a setting: only_from | changed | only_to
    fields        [{"field", "old", "new"}], of what is on both sides; "" is "not there"
    names         the fields' names, a line each, with a line end before the first: "\\nemail\\n"
    security      codes of core.diff.SECURITY in the same form: "\\ndisabled\\nprivileged\\n"
    more          of a user: "sub", "username", "status", "created" of the one on the "to" side, where it is
                  another identity; "side" ("from" or "to") of an ambiguous one;
                  of a setting: "new_pool": true where only a new pool can have it otherwise
    """

    class Of(models.TextChoices):
        USER = "user"
        GROUP = "group"
        SETTING = "setting"

    job = models.ForeignKey("Job", on_delete=models.CASCADE, related_name="differences")
    of = models.CharField(max_length=8, choices=Of, default=Of.USER)
    kind = models.CharField(max_length=10)
    key = models.CharField(max_length=400)  # a user's key; a group's name; where a setting stands
    label = models.CharField(max_length=2100)
    username = models.CharField(max_length=200, blank=True)  # of a setting: whose it is, an app client's name
    matched_by = models.CharField(max_length=10, blank=True)  # sub | restore | email | username
    fields = models.JSONField(default=list)
    names = models.TextField(blank=True)
    security = models.CharField(max_length=120, blank=True)
    more = models.JSONField(default=dict)
    search = models.TextField(blank=True)  # folded text of everything worth finding, a line for each value

    class Meta:
        ordering = ("id",)
        indexes: ClassVar = [models.Index(fields=["job", "of", "kind", "id"], name="differences_of_a_job")]

    def __str__(self) -> str:
        return f"{self.of} {self.kind} {self.key}"
