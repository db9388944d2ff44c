"""``manage.py switch_mail``: what it tells, the switch, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from backups.core.mail import Sender
from backups.models import AuditEntry, Job
from backups.models.audit import Act
from tests.fakes import DEFAULTS, FakePool
from tests.jobs.conftest import Account

pytestmark = pytest.mark.django_db(transaction=True)
WHY = "invitations go out today"
SENDER = "no-reply@uni.example"


@pytest.fixture
def pool(account: Account) -> FakePool:
    return account.add()


def command(*more: str) -> tuple[str, dict[str, Any]]:
    """(what it says, what a program gets)."""
    out, err = StringIO(), StringIO()
    call_command("switch_mail", "--pool", "team-production", *more, "--json", stdout=out, stderr=err)
    return err.getvalue(), json.loads(out.getvalue())


def rightly(**changes: str) -> list[str]:
    given = {"to": "uni.example", "sender": SENDER, "yes": "team-production", "reason": WHY} | changes
    return [text for name, value in given.items() if value for text in (f"--{name}", value)]


def test_without_a_target_it_only_tells(account: Account, pool: FakePool) -> None:
    other = Sender("other.example", "arn:2", verified=False)
    account.aws.mail = replace(account.aws.mail, production=False, senders=(*account.aws.mail.senders, other))
    said, told = command()
    assert "its mail goes through Cognito (COGNITO_DEFAULT" in said
    assert "uni.example  verified\n" in said and "other.example  not verified\n" in said
    assert "nothing would arrive: SES is in its sandbox" in said
    assert told["identities"] == ["uni.example"] and told["mail"] == DEFAULTS["EmailConfiguration"]
    assert not Job.objects.exists()


def test_it_switches_and_back_as_break_glass(account: Account, pool: FakePool, settings: Any) -> None:
    settings.RESTORE_APPROVALS = "always"
    _, told = command(*rightly())
    assert told["state"] == "done" and told["after"]["From"] == SENDER
    entry = AuditEntry.objects.get(act=Act.MAIL_ASKED)
    assert entry.details["break_glass"] and entry.details["reason"] == WHY
    _, told = command(*rightly(to="cognito"))
    assert told["after"] == DEFAULTS["EmailConfiguration"]
    assert account.aws.describe(pool.pool_id)["EmailConfiguration"] == DEFAULTS["EmailConfiguration"]


@pytest.mark.parametrize(
    ("given", "said", "status"),
    [
        ({"yes": ""}, "--yes missing. Nothing was changed.", 2),
        ({"reason": "", "yes": ""}, "--yes, --reason missing.", 2),
        ({"yes": "else"}, "--yes must name the pool: --yes team-production.", 2),
        ({"reason": "why"}, "Say why", 2),
        ({"to": "else.example"}, "no identity of this name", 2),
        ({"sender": ""}, "say which address", 2),
    ],
)
def test_a_wrong_question_changes_nothing(
    account: Account, pool: FakePool, given: dict[str, str], said: str, status: int
) -> None:
    with pytest.raises(CommandError, match=said) as stopped:
        command(*rightly(**given))
    assert stopped.value.returncode == status
    assert not Job.objects.exists() and account.aws.calls["update"] == 0


def test_a_job_that_failed_is_a_status(account: Account, pool: FakePool) -> None:
    account.aws.pools[pool.pool_id] = {**account.aws.plain(pool.pool_id), "Zebra": 1}
    with pytest.raises(SystemExit) as stopped:
        command(*rightly())
    assert stopped.value.code == 1 and Job.objects.get().state == "failed"
