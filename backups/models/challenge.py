"""What a browser is asked to sign: ours, short-lived, for one browser session and one try."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models


class Challenge(models.Model):
    nonce = models.CharField(max_length=43, unique=True)  # 256 bits, URL-safe base64
    session_key = models.CharField(max_length=40, db_index=True)  # the anonymous session it was given to
    address = models.CharField(max_length=64)
    amz_date = models.CharField(max_length=16)  # X-Amz-Date: a wrong clock of the laptop does not matter
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    spent_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["address", "issued_at"])]

    def __str__(self) -> str:
        return f"challenge {self.pk}"

    @classmethod
    def issue(cls, session_key: str, address: str, now: datetime, seconds: int) -> Challenge:
        """A new one. What is long over is swept on the way, so the table stays small."""
        cls.objects.filter(expires_at__lt=now - timedelta(hours=1)).delete()
        return cls.objects.create(
            nonce=secrets.token_urlsafe(32),
            session_key=session_key,
            address=address,
            amz_date=now.strftime("%Y%m%dT%H%M%SZ"),
            issued_at=now,
            expires_at=now + timedelta(seconds=seconds),
        )

    @classmethod
    def spend(cls, nonce: str, session_key: str, now: datetime) -> Challenge | None:
        """Use it up. None when it is expired, spent, made up or another browser's.

        One conditional UPDATE decides, so of twenty proofs at once one goes on.
        """
        spent = cls.objects.filter(
            nonce=nonce, session_key=session_key, spent_at=None, expires_at__gt=now
        ).update(spent_at=now)
        return cls.objects.get(nonce=nonce) if spent == 1 else None
