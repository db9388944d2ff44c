"""A job that ends failed tells the audit log what became of everybody, as one that ends otherwise does."""

from __future__ import annotations

from typing import Any

import pytest

from backups import actions, runner
from backups.core.lifecycle import State
from backups.models import AuditEntry, Backup, Job, Plan
from backups.runner.invite import invitable
from tests.jobs.conftest import IVA, Account

NONE = {"deleted": 0, "updated": 0, "skipped": 0, "failed": 0, "confirmed": 0}
NUMBERS = {
    "restore": {"total": 0, "created": 0, "updated": 0, "skipped": 0, "failed": 0, "messages": 0},
    "undo": NONE,
    "invite": {"messages": 0, "updated": 0, "skipped": 0, "failed": 0},
}


def run(job: Job) -> Job:
    runner.run(job.pk)
    job.refresh_from_db()
    return job


def asked(account: Account, kind: str) -> Job:
    """Such a job, not yet run."""
    pool = account.add()
    pool.add("ada@uni.example", name="Ada")
    pool.add("bob@uni.example", name="Bob")
    backup = Backup.objects.get(key=run(actions.start_backup(IVA, account.row(pool))).result["key"])
    pool.remove("ada@uni.example")
    plan = Plan.objects.get(job=run(actions.plan_restore(IVA, backup.key, account.row(pool))))
    told: dict[str, Any] = {
        "digest": plan.digest,
        "typed": actions.confirmation(plan),
        "reason": "INC-204: they are gone",
    }
    restore = actions.start_restore(IVA, plan, messages="later", **told)
    if kind == "restore":
        return restore
    assert run(restore).state == State.DONE, restore.sentence
    if kind == "undo":
        plan = Plan.objects.get(job=run(actions.plan_undo(IVA, restore)))
        told |= {"digest": plan.digest, "typed": actions.confirmation_of_undo(plan)}
        return actions.start_undo(IVA, plan, **told)
    reading = run(actions.read_people(IVA, restore))
    typed = actions.confirmation_of_invite(reading, invitable(reading).count())
    return actions.start_invite(IVA, reading, order="backup", first=(), typed=typed, reason=told["reason"])


@pytest.mark.parametrize("kind", ["restore", "undo", "invite"])
def test_a_job_that_failed_has_its_totals_in_the_audit_log(account: Account, kind: str) -> None:
    job = asked(account, kind)
    Job.objects.filter(pk=job.pk).update(asked_by="AIDAGONE")
    assert run(job).state == State.FAILED
    assert "not known here any more" in job.sentence
    end = AuditEntry.objects.get(act=f"{kind}.ended", job=job.pk)
    assert (end.result, end.details) == ("failed", end.details | NUMBERS[kind])
    assert job.result == end.details
