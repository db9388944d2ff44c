"""People who signed in, as IAM last described them. There is no password here, and no permission table."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils.crypto import salted_hmac


class OperatorManager(BaseUserManager["Operator"]):
    pass


class Operator(AbstractBaseUser):
    """One IAM user, by unique id. Groups and keys are IAM's, as it was last asked.

    ``refused`` is "" while this person may be in, else the sentence that says why not.
    """

    password = None  # type: ignore[assignment]  # Django's way to leave the column out

    unique_id = models.CharField(max_length=128, unique=True)  # AIDA…: a name can be somebody else's tomorrow
    name = models.CharField(max_length=64)
    arn = models.CharField(max_length=2048)
    account = models.CharField(max_length=12)
    groups = models.JSONField(default=list)
    active_keys = models.JSONField(default=list)  # access key ids, which are no secret
    last_checked_at = models.DateTimeField(null=True)  # when IAM last answered about this person
    unanswered_at = models.DateTimeField(null=True)  # when IAM was last asked in vain
    refused = models.TextField(blank=True)
    session_epoch = models.IntegerField(default=0)  # sessions of an earlier one are dead

    USERNAME_FIELD = "unique_id"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[OperatorManager] = OperatorManager()

    key_id: str = ""
    """The access key of the session that asks; "" in a worker. Set by the session's middleware, no column."""

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """Whether the last answer of IAM lets this person be in."""
        return not self.refused

    def get_session_auth_hash(self) -> str:
        """Ties a session to this person and epoch, where Django would take the password."""
        value = f"{self.unique_id}:{self.session_epoch}"
        return salted_hmac("backups.operator.session", value, algorithm="sha256").hexdigest()
