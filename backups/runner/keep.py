"""A keep job: one backup copied out of expiry, and read back there."""

from __future__ import annotations

import structlog

from backups import bucket, catalogue, seal, storage, wiring
from backups.core import naming
from backups.core.files import Unreadable
from backups.core.lifecycle import State
from backups.engine.keep import keep
from backups.engine.ports import PortError
from backups.models import Backup, Job
from backups.reporting import JobReport
from backups.runner.sources import parse
from backups.runner.words import Ended, Refusal

log = structlog.get_logger(__name__)
STAYS = "The original is as it was. What was copied so far stays: keeping it again goes on from there."


def keep_copy(job: Job, report: JobReport) -> Ended:
    """Goes on where an earlier try ended. Raises Refusal where nothing would keep the copy."""
    key = parse(job.params["key"])
    copy = naming.kept_key(key.key)
    try:
        target = bucket.kept_store_for(key.pool_name)
        told = storage.refresh(target)
        if why := storage.why_not_keep(told, target.bucket):
            raise Refusal(why)
        copied = keep(
            catalogue.store_at(key),
            key.key,
            target,
            copy,
            report,
            wiring.clock(),
            tool=catalogue.tool(),
            seal=seal.seal,
        )
    except (PortError, Unreadable) as error:
        log.warning("backup not kept", job=job.pk, error=type(error).__name__)
        said = str(error) if isinstance(error, PortError) else f"It was not kept: {error}."
        return Ended(State.FAILED, f"{said} {STAYS}")
    Backup.objects.filter(key=key.key).update(kept_as=copy)
    objects = "1 object was" if copied.objects == 1 else f"{copied.objects} objects were"
    sentence = f"{objects} copied to {target.bucket}/{copy}/, read back and found the same."
    if told.rules is None:
        sentence += f" Whether a rule of that bucket ends the copy is not known. {told.why}"
    result = {
        "key": key.key,
        "kept_as": copy,
        "objects": copied.objects,
        "bytes": copied.size,
        "there_before": copied.there_before,
        "sha256": copied.sha256,
    }
    return Ended(State.DONE, sentence, result)
