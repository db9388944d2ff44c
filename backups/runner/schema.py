"""A schema job: attributes that a plan's users have, added to the pool that did not know them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import transaction

from backups import wiring
from backups.core.discreet import discreet
from backups.core.lifecycle import State
from backups.core.schema import Attribute
from backups.engine.schema import Added, add
from backups.models import Job
from backups.models.audit import Act
from backups.reporting import JobReport
from backups.runner.ledger import intend
from backups.runner.words import Ended

BEGUN = "begun"
"""In the job's result: the names that were lacking before the first call that writes."""
AGAIN = "Ask for it once more: what is there by then is left as it is."


def add_to_schema(job: Job, report: JobReport) -> Ended:
    """``params``: "plan", the plan's job, and "attributes", each as ``core.schema.Attribute.as_json``.

    A job that was cut short goes on: the pool itself tells what it has.
    """
    wanted = [Attribute.of_json(one) for one in job.params["attributes"]]
    result: dict[str, Any] = dict(job.result)

    def begin(names: list[str]) -> None:
        result[BEGUN] = names
        with transaction.atomic():
            report.prove()
            Job.objects.filter(pk=job.pk).update(result=result)
            intend(Act.SCHEMA_INTENDED, job, attributes=names)
        job.result = result

    account = wiring.account_of(job.region)
    done = add(account, job.pool_id, report, wanted=wanted, begun=result.get(BEGUN), begin=begin)
    result |= {
        "names": {
            "added": done.added,
            "before": done.before,
            "lacking": done.lacking,
            "differs": done.differs,
        },
        "added": len(done.added),
        "before": len(done.before),
        "lacking": len(done.lacking),
        "unread": done.unread,
    }
    return _ended(done, result)


def so_far(job: Job) -> str:
    """What is still true of a job that ends otherwise than by itself."""
    if begun := job.result.get(BEGUN):
        return f"Of {_named(begun)} it is not known which were added; the pool's schema tells. {AGAIN}"
    return "No attribute was added."


def _ended(done: Added, result: dict[str, Any]) -> Ended:
    said = []
    if done.added:
        said.append(f"Added to the schema of this pool, and read back: {_named(done.added)}.")
    if done.before:
        said.append(f"There already, and left as {_it(done.before)}: {_named(done.before)}.")
    if done.differs:
        said.append(f"There, but not as the backup has {_them(done.differs)}: {_named(done.differs)}.")
    if done.lacking:
        said.append(f"{_lacking(done)} {AGAIN}")
    if done.added or done.before:
        said.append("Plan the restore again: plans made before do not know what the pool takes now.")
    failed = State.DONE_WITH_FAILURES if done.added or done.before else State.FAILED
    return Ended(failed if done.lacking or done.differs else State.DONE, " ".join(said), result)


def _lacking(done: Added) -> str:
    names = _named(done.lacking)
    if done.unread:
        return f"Whether {names} {_was(done.lacking)} added is not known: {done.unread}"
    if done.refused:
        return f"Not added: {names}. {done.refused}"
    return f"AWS took {names} and does not show {_them(done.lacking)} yet."


def _named(names: Collection[str]) -> str:
    return discreet(", ".join(names))  # in a strange file an attribute may be called anything


def _it(names: Collection[str]) -> str:
    return "it is" if len(names) == 1 else "they are"


def _them(names: Collection[str]) -> str:
    return "it" if len(names) == 1 else "them"


def _was(names: Collection[str]) -> str:
    return "was" if len(names) == 1 else "were"
