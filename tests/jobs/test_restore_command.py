"""``manage.py restore --plan``: a plan of the page, carried out where nobody else is asked."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from pytest_django import Settings

from backups import actions
from backups.core.choices import Choices, Existing
from backups.core.lifecycle import State
from backups.core.snapshot import User
from backups.management import terminal
from backups.models import AuditEntry, Backup, Job, Plan
from backups.models.audit import Act
from backups.runner import run
from tests.fakes import FakePool
from tests.jobs.conftest import IVA, Account

pytestmark = pytest.mark.django_db(transaction=True)
ADA = "ada@uni.example"


@pytest.fixture
def team(account: Account) -> FakePool:
    pool = account.add()
    pool.add(ADA, name="Ada")
    pool.add("bob@uni.example", name="Bob")
    return pool


@pytest.fixture
def plan(account: Account, team: FakePool, pol: actions.Actor, sent: list[int]) -> Plan:
    """Pol's: who differs is overwritten."""
    backup = actions.start_backup(IVA, account.row(team))
    run(backup.pk)
    backup.refresh_from_db()
    source = Backup.objects.get(key=backup.result["key"])
    team.update_user(ADA, {"name": "Eve"})
    choices = Choices(existing=Existing.OVERWRITE, guards=frozenset({"newer"}))  # type: ignore[arg-type]
    job = actions.plan_restore(pol, source.key, account.row(team), choices=choices)
    run(job.pk)
    job.refresh_from_db()
    assert job.state == State.PLANNED, job.sentence
    return Plan.objects.select_related("job").get(job=job)


def name(pool: FakePool) -> str:
    return {user.email: user for user in map(User.of, pool.entries.values())}[ADA].attributes["name"]


def command(*more: str, status: int = 0) -> dict[str, Any]:
    out = StringIO()
    try:
        call_command("restore", *more, "--json", stdout=out, stderr=StringIO())
    except SystemExit as ended:
        assert ended.code == status
    except CommandError as error:
        assert error.returncode == status
    found: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return found


def rightly(made: Plan, **changes: str) -> list[str]:
    given = {
        "plan": str(made.job_id),
        "messages": "silent",
        "yes": "team-production",
        "reason": "INC-204: a script",
    }
    return [text for name, value in (given | changes).items() if value for text in (f"--{name}", value)]


def test_what_the_page_refuses_for_want_of_a_second_person_goes_from_a_terminal(
    team: FakePool, plan: Plan, pol: actions.Actor, settings: Settings
) -> None:
    settings.RESTORE_APPROVALS = "overwrite"
    with pytest.raises(actions.Refused, match="needs a second person"):
        actions.start_restore(
            pol,
            plan,
            messages="silent",
            digest=plan.digest,
            typed=actions.confirmation(plan),
            reason="INC-204: a script",
        )
    assert not AuditEntry.objects.filter(act=Act.RESTORE_ASKED).exists()
    assert name(team) == "Eve"
    assert command(*rightly(plan))["updated"] == 1
    assert name(team) == "Ada"
    entry = AuditEntry.objects.get(act=Act.RESTORE_ASKED)
    assert (entry.details["break_glass"], entry.details["digest"]) == (True, plan.digest)


def test_a_dry_run_of_it_writes_nothing(team: FakePool, plan: Plan) -> None:
    dry = command("--plan", str(plan.job_id), "--dry-run")
    assert dry["job"] == plan.job_id
    assert name(team) == "Eve" and not Job.objects.filter(kind=Job.Kind.RESTORE).exists()


def test_what_is_no_plan_or_not_this_pool_is_refused(team: FakePool, plan: Plan) -> None:
    undo = Job.objects.create(kind=Job.Kind.PLAN, state=State.PLANNED, params={"undo": 1})
    for changes, said in (
        ({"yes": "team-staging"}, "--yes must name the target: --yes team-production"),
        ({"plan": str(undo.pk)}, "is no plan of a restore"),
        ({"plan": "99999"}, "is no plan of a restore"),
        ({"to": team.pool_id}, "--plan says all of --to already"),
        ({"reason": ""}, "--reason missing"),
    ):
        assert said in command(*rightly(plan, **changes), status=2)["error"]
    assert name(team) == "Eve" and not Job.objects.filter(kind=Job.Kind.RESTORE).exists()


def test_a_database_that_does_not_answer_for_a_moment_ends_no_log(plan: Plan) -> None:
    def silent(*asked: Any) -> Any:
        raise OperationalError("database table is locked")

    with connection.execute_wrapper(silent):
        assert terminal._events(plan.job, 0) == []
    told = terminal._events(plan.job, 0)
    assert told and terminal._events(plan.job, told[0].pk) == told[1:]
