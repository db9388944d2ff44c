"""What is done after a restore, by people: ticked, with a note, and unticked; each an entry."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Count

from backups import access
from backups.actions.asking import LONGEST_REASON, Actor, Refused, may_now, note
from backups.models import Aftercare, Job, database_now
from backups.models.audit import Act
from backups.runner import report
from backups.runner.ledger import NOTHING_DONE
from backups.runner.undo import taken_back, touched

NOTHING = "Nothing was changed."


def aftercare_of(job: Job) -> list[Aftercare]:
    """A restore's list; [] for one that has changed nobody, and for any other job."""
    return report.aftercare_of(job) if job.kind == Job.Kind.RESTORE else []


def tick(actor: Actor, job: Job, positions: list[int], comment: str = "") -> int:
    """Say that these items are done; how many were open until now. Raises Refused."""
    return _set(actor, job, positions, comment, done=True)


def untick(actor: Actor, job: Job, positions: list[int], comment: str = "") -> int:
    """They are open again; the earlier note goes, and stays in the audit log."""
    return _set(actor, job, positions, comment, done=False)


def open_items() -> list[tuple[Job, int]]:
    """(restore, how many of its items are open), the newest first; those with none are left out.

    And those that undos took back whole: nobody is there to be served.
    """
    counted = (
        Aftercare.objects.filter(ticked_at=None).order_by().values_list("job").annotate(number=Count("pk"))
    )
    numbers = dict(counted)
    jobs = Job.objects.filter(pk__in=numbers).order_by("-pk")
    return [(job, numbers[job.pk]) for job in jobs if not _undone(job)]


def _undone(restore: Job) -> bool:
    """Whether nothing of what it wrote, or may have written, stands any more."""
    taken = taken_back(restore)
    wrote = touched(restore).exclude(NOTHING_DONE)
    return taken.exists() and not wrote.exclude(key__in=taken.values("key")).exists()


def _set(actor: Actor, job: Job, positions: list[int], comment: str, *, done: bool) -> int:
    may_now(actor, access.Action.RESTORE)
    comment = " ".join(comment.split())
    if len(comment) > LONGEST_REASON:
        raise Refused(f"The note has more than {LONGEST_REASON} characters. {NOTHING}", 400)
    items = {item.position: item for item in aftercare_of(job)}
    if not positions or not items.keys() >= set(positions):
        raise Refused(f"That is no item of this restore's aftercare. {NOTHING}", 404)
    if any(item.pk is None for item in items.values()):
        report.begin_aftercare(job)
    if done:
        values = {"ticked_at": database_now(), "by": actor.name, "by_id": actor.id, "note": comment}
    else:
        values = {"ticked_at": None, "by": "", "by_id": "", "note": ""}
    changed = 0
    with transaction.atomic():
        for position in sorted(set(positions)):
            # Only from the other state: what somebody else ticked a moment ago keeps their name and note.
            rows = job.aftercare.filter(position=position, ticked_at__isnull=done)
            if not rows.update(**values):
                continue
            changed += 1
            note(
                actor,
                Act.AFTERCARE_TICKED,
                result="done" if done else "open",
                pool=job.pool_text,
                job=job.pk,
                item=items[position].item,
                **({"note": comment} if comment else {}),
            )
    if not changed:
        raise Refused(f"{'Somebody ticked it already' if done else 'It is open already'}. {NOTHING}")
    return changed
