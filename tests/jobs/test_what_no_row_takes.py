"""Values that a row of the database does not take: the plan is whole all the same, and so is the restore."""

from __future__ import annotations

from typing import Any

import pytest

from backups import actions, runner
from backups.core import plan as planning
from backups.core.choices import EVERYTHING_MISSING, Choices, Existing, Guard
from backups.core.lifecycle import State
from backups.models import Backup, Job, Plan
from tests.fakes import FakePool
from tests.jobs.conftest import IVA, Account


def run(job: Job) -> Job:
    runner.run(job.pk)
    job.refresh_from_db()
    return job


def backed_up(account: Account, pool: FakePool) -> Backup:
    job = run(actions.start_backup(IVA, account.row(pool)))
    assert job.state == State.DONE, job.sentence
    return Backup.objects.get(key=job.result["key"])


def planned(account: Account, pool: FakePool, backup: Backup, choices: Choices = EVERYTHING_MISSING) -> Plan:
    job = run(actions.plan_restore(IVA, backup.key, account.row(pool), choices=choices))
    assert job.state == State.PLANNED, job.sentence
    return Plan.objects.get(job=job)


@pytest.fixture
def names(account: Account) -> FakePool:
    """A pool of Usernames, where an e-mail is an attribute like any other."""
    return account.add(username_attributes=())


@pytest.mark.parametrize(
    ("email", "action", "reason"),
    [
        ("x" * 3_000 + "@uni.example", "cannot", "too-long"),
        ("nul\0@uni.example", "create", "missing"),  # whether AWS takes it, AWS says
    ],
)
def test_an_e_mail_that_no_row_takes_ends_no_plan(
    account: Account, names: FakePool, email: str, action: str, reason: str
) -> None:
    names.add(email, username="odd", name="Odd")
    names.add("ann@uni.example", username="ann", name="Ann")
    backup = backed_up(account, names)
    names.remove("odd")
    names.remove("ann")
    plan = planned(account, names, backup)
    row = plan.job.items.get(old_username="odd")
    assert (row.action, row.reason) == (action, reason)
    assert len(row.email) <= 2_100 and "\0" not in row.email + row.label
    assert "{" not in planning.sentence(row.reason, row.detail)
    assert plan.job.items.get(old_username="ann").action == "create"
    job = run(
        actions.start_restore(
            IVA,
            plan,
            messages="silent",
            digest=plan.digest,
            typed=actions.confirmation(plan),
            reason="INC-204",
        )
    )
    assert job.items.get(old_username="ann").outcome == "created", job.sentence
    assert job.items.get(old_username="odd").outcome in ("created", "skipped", "failed")


def test_nor_does_a_nul_in_what_is_written_over_in_a_group_or_in_a_name(
    account: Account, names: FakePool
) -> None:
    names.add("eve@uni.example", username="eve", name="E\0ve")
    odd: dict[str, Any] = {"custom_o\0dd": "1"}
    names.add("odd@uni.example", username="odd", name="Odd", **odd)
    names.add("ann@uni.example", username="ann", name="Ann", groups=["g\0"])
    backup = backed_up(account, names)
    names.remove("odd")
    names.remove("ann")
    names.group_rows.clear()
    names.update_user("eve", {"name": "Eve"})
    choices = Choices(existing=Existing.OVERWRITE, guards=frozenset({Guard.NEWER}))
    plan = planned(account, names, backup, choices)
    rows = {row.old_username: row for row in plan.job.items.all()}
    assert {name: row.action for name, row in rows.items()} == {
        "eve": "update",
        "odd": "cannot",
        "ann": "create",
    }
    assert rows["eve"].changes == [["name", "Eve", "E␀ve"]]
    assert (rows["odd"].reason, rows["odd"].detail) == ("unknown-attribute", "custom:o␀dd")
    assert rows["ann"].groups == ["g␀"]
    assert plan.facts["groups_to_create"] == ["g␀"]
