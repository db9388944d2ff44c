"""``manage.py compare``: what a person in a terminal reads, and what a program gets."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import pytest
from django.core.management import call_command

from backups import actions, runner
from backups.engine.ports import Cause
from backups.models import Backup, Job
from tests.fakes import FakePool
from tests.jobs.conftest import IVA, Account


@pytest.fixture
def team(account: Account) -> FakePool:
    """Sixty people and a backup of them; since then two are gone, one is new, and a group has a role."""
    pool = account.add()
    for number in range(60):
        pool.add(
            f"person{number}@uni.example", name=f"Person {number}", groups=["admins"] if not number else ()
        )
    job = actions.start_backup(IVA, account.row(pool))
    runner.run(job.pk)
    for number in (3, 4):
        pool.remove(f"person{number}@uni.example")
    pool.add("new@uni.example", name="New")
    pool.group_rows["admins"] = replace(
        pool.group_rows["admins"], role_arn="arn:aws:iam::123456789012:role/root"
    )
    return pool


def compare(team: FakePool, *more: str, out: StringIO | None = None) -> tuple[str, str]:
    """(stdout, stderr)."""
    out, err = out or StringIO(), StringIO()
    sides = ("--from", Backup.objects.get().key, "--to", f"live:{team.name}")
    call_command("compare", *sides, *more, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_verdict_comes_first_then_security_groups_and_users(team: FakePool) -> None:
    said, _ = compare(team)
    lines = said.splitlines()
    assert "2 users of the backup are missing in the live pool" in lines
    assert "Users: 2 only in A, 1 only in B, 58 the same." in lines
    assert "security: 1 group whose IAM role differs" in lines
    role = "changed          group admins: IAM role nothing → arn:aws:iam::123456789012:role/root"
    assert role in lines
    assert sum(line.startswith("only in A") for line in lines) == 2
    assert said.index("missing in the live pool") < said.index("security:") < said.index("group admins")
    assert "person3@uni.example" not in said


def test_the_json_is_the_whole_result_alone_on_stdout(team: FakePool) -> None:
    out, err = compare(team, "--json")
    result = json.loads(out)
    job = Job.objects.get(kind=Job.Kind.COMPARE)
    assert result == {"job": job.pk, **job.result}
    assert (result["users"]["only_from"], result["groups"]["changed"], result["dates"]) == (2, 1, False)
    assert "missing in the live pool" in err


def test_dates_are_compared_when_they_are_asked_for(team: FakePool) -> None:
    out, _ = compare(team, "--dates", "--json")
    assert json.loads(out)["dates"] is True
    assert Job.objects.get(kind=Job.Kind.COMPARE).params["dates"] is True


def test_a_long_list_is_cut_and_says_where_the_rest_is(team: FakePool) -> None:
    for number in range(5, 60):
        team.remove(f"person{number}@uni.example")
    said, _ = compare(team)
    job = Job.objects.get(kind=Job.Kind.COMPARE)
    assert f"… and 8 more users; the page of job {job.pk} has them all." in said


def test_a_comparison_that_fails_ends_with_1_and_says_why(account: Account, team: FakePool) -> None:
    team.fail("users", Cause.DENIED)
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        compare(team, "--json", out=out)
    assert ended.value.code == 1
    answer = json.loads(out.getvalue())
    assert answer["state"] == "failed"
    assert "Nothing was changed." in answer["error"]
