"""The audit log: append-only, hash-chained. ``body`` is the exact text that was hashed."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar

from django.db import models, transaction

from backups.core import chain
from backups.core.discreet import discreet
from backups.models.clock import database_now

LONGEST = 2000
"""Characters of one value among an entry's details."""


class Act(StrEnum):
    """Every act by name; dotted, so that a prefix is a search."""

    SIGNED_IN = "session.signed-in"
    SIGN_IN_REFUSED = "session.refused"
    SIGNED_OUT = "session.signed-out"
    SESSION_ENDED = "session.ended"
    BACKUP_ASKED = "backup.asked"
    BACKUP_ENDED = "backup.ended"
    BACKUP_UPLOADED = "backup.uploaded"
    BACKUP_DOWNLOADED = "backup.downloaded"
    BACKUP_CHECKED = "backup.checked"
    BACKUP_KEPT = "backup.kept"
    FALL_ACCEPTED = "backup.fall-accepted"
    KEEP_ASKED = "backup.keep-asked"
    POLICY_SET = "policy.set"
    ALARM_TESTED = "alarm.tested"
    COMPARE_ASKED = "compare.asked"
    COMPARE_ENDED = "compare.ended"
    COMPARISON_DOWNLOADED = "compare.downloaded"
    FIND_ASKED = "find.asked"
    FIND_ENDED = "find.ended"
    HISTORY_READ = "history.read"
    PLAN_ASKED = "plan.asked"
    PLAN_ENDED = "plan.ended"
    PLAN_DOWNLOADED = "plan.downloaded"
    RESTORE_ASKED = "restore.asked"
    RESTORE_INTENDED = "restore.intended"
    RESTORE_ENDED = "restore.ended"
    UNDO_ASKED = "undo.asked"
    UNDO_INTENDED = "undo.intended"
    UNDO_ENDED = "undo.ended"
    INVITE_ASKED = "invite.asked"
    INVITE_ENDED = "invite.ended"
    MAIL_ASKED = "mail.switch-asked"
    MAIL_INTENDED = "mail.switch-intended"
    MAIL_ENDED = "mail.switched"
    SCHEMA_ASKED = "schema.asked"
    SCHEMA_INTENDED = "schema.intended"
    SCHEMA_ENDED = "schema.ended"
    AFTERCARE_TICKED = "aftercare.ticked"
    REPORT_DOWNLOADED = "report.downloaded"
    JOB_PAUSED = "job.pause-asked"
    JOB_CANCELLED = "job.cancel-asked"
    JOB_RESUMED = "job.resumed"
    IDENTITY_MAP_DOWNLOADED = "identity-map.downloaded"
    REVEALED = "personal-data.revealed"
    CATALOGUE_REBUILT = "catalogue.rebuilt"


class AuditHead(models.Model):
    """One row: the last entry's seq and hash. Writers serialise on it."""

    seq = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64, default=chain.START)

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash[:12]}"


class AuditEntry(models.Model):
    """One act. The columns beside ``body`` are copies to filter by; verification compares them."""

    seq = models.BigIntegerField(primary_key=True)
    body = models.TextField()
    prev = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)
    at = models.DateTimeField(db_index=True)
    act = models.CharField(max_length=40, db_index=True)
    actor_id = models.CharField(max_length=128, db_index=True)
    actor = models.CharField(max_length=200)  # the name as it was then: history outlives accounts
    pool = models.CharField(max_length=200, blank=True)
    job = models.BigIntegerField(null=True)
    result = models.CharField(max_length=40)
    address = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ("-seq",)
        indexes: ClassVar = [models.Index(fields=["act", "-seq"]), models.Index(fields=["actor", "-seq"])]

    def __str__(self) -> str:
        return f"{self.seq} {self.act}"

    @property
    def details(self) -> dict[str, Any]:
        details = chain.parse(self.body).get("details", {})
        return details if isinstance(details, dict) else {}


def record(
    act: Act,
    *,
    actor_id: str,
    actor: str,
    result: str = "done",
    address: str = "",
    pool: str = "",
    job: int | None = None,
    **details: object,
) -> AuditEntry:
    """Append one entry, in the caller's transaction where there is one.

    E-mails in the details are masked, and a text that is too long is cut and says so.
    """
    with transaction.atomic():
        head, _ = AuditHead.objects.select_for_update().get_or_create(pk=1)
        at = database_now()
        body = chain.canonical(
            {
                "seq": head.seq + 1,
                "at": at.isoformat(timespec="microseconds"),
                "act": str(act),
                "actor_id": actor_id,
                "actor": actor,
                "result": result,
                "address": address,
                "pool": pool,
                "job": job,
                "details": _fit(details),
            }
        )
        entry = AuditEntry(
            seq=head.seq + 1,
            body=body,
            prev=head.hash,
            hash=chain.digest(head.hash, body),
            at=at,
            act=str(act),
            actor_id=actor_id,
            actor=actor,
            pool=pool,
            job=job,
            result=result,
            address=address,
        )
        entry.save(force_insert=True)
        AuditHead.objects.filter(pk=1).update(seq=entry.seq, hash=entry.hash)
    return entry


def _fit(value: Any) -> Any:
    """Details as they may be kept for ever."""
    if isinstance(value, str):
        cut = value if len(value) <= LONGEST else f"{value[:LONGEST]}… (cut, {len(value):,} characters)"
        return discreet(cut)
    if isinstance(value, dict):
        return {_fit(name): _fit(inner) for name, inner in value.items()}
    return [_fit(inner) for inner in value] if isinstance(value, list | tuple) else value
