"""Attributes that a plan's users have and the pool does not know: asked, confirmed, added, planned again."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest

from backups import actions, runner
from backups.core.choices import Choices
from backups.core.lifecycle import State
from backups.engine.ports import Cause, Stop
from backups.models import AuditEntry, Backup, Event, Job, Plan
from backups.models.audit import Act
from backups.runner.schema import BEGUN
from tests.fakes import STANDARD_ATTRIBUTES, FakePool
from tests.jobs.conftest import IVA, Account

REASON = "the pool was made anew without them"
SHAPES: list[dict[str, Any]] = [
    {"Name": "badge", "AttributeDataType": "String", "Mutable": False, "DeveloperOnlyAttribute": True},
    {"Name": "institution", "AttributeDataType": "String", "Mutable": True,
     "StringAttributeConstraints": {"MinLength": "0", "MaxLength": "256"}},
    {"Name": "score", "AttributeDataType": "Number", "Mutable": True,
     "NumberAttributeConstraints": {"MinValue": "1", "MaxValue": "5"}},
]  # fmt: skip
NAMES = ["dev:badge", "custom:institution", "custom:score"]


def run(job: Job) -> Job:
    runner.run(job.pk)
    job.refresh_from_db()
    return job


def planned(account: Account, pool: FakePool, source: str = "", **choices: Any) -> Plan:
    key = source or Backup.objects.filter(made_by="person").latest("taken_at", "pk").key
    job = run(actions.plan_restore(IVA, key, account.row(pool), choices=Choices(**choices)))
    assert job.state == State.PLANNED, job.sentence
    return Plan.objects.select_related("job").get(job=job)


@pytest.fixture
def pool(account: Account) -> FakePool:
    """Three people whose attributes the pool of today does not know, and a backup of when it did."""
    made = account.add(attributes=STANDARD_ATTRIBUTES)
    account.aws.users = account.pools
    account.aws.add_attributes(made.pool_id, SHAPES)
    made.setting_values["user_pool"] = account.aws.describe(made.pool_id)
    for number in range(3):
        person = made.add(f"person{number}@uni.example", name="P", custom_institution="Uni", custom_score="3")
        if number:
            person_there = made.entries[person["Username"]]
            person_there["Attributes"].append({"Name": "dev:badge", "Value": f"b{number}"})
    assert run(actions.start_backup(IVA, account.row(made))).state == State.DONE
    made.entries.clear()
    made.attributes, made.immutable = STANDARD_ATTRIBUTES, frozenset()
    account.aws.pools[made.pool_id]["SchemaAttributes"] = []
    account.aws.calls.clear()
    return made


def ask(plan: Plan, actor: actions.Actor = IVA, **changes: Any) -> Job:
    found = actions.schema_of(plan)
    given = {"digest": found.digest, "typed": "production schema 3", "reason": REASON}
    return actions.add_to_schema(actor, plan, **{**given, **changes})


def schema(account: Account, pool: FakePool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = account.aws.describe(pool.pool_id)["SchemaAttributes"]
    return found


# --- the addition ---------------------------------------------------------------------------------------


def test_what_is_lacking_is_added_as_it_was_and_the_plan_restores_everybody(
    account: Account, pool: FakePool
) -> None:
    before = copy.deepcopy(pool.attributes)
    plan = planned(account, pool)
    assert (plan.counts["create"], plan.counts["cannot"]) == (0, 3)
    job = run(ask(plan))
    assert job.state == State.DONE, job.sentence
    added = {one["Name"]: one for one in schema(account, pool)}
    assert added["custom:score"]["NumberAttributeConstraints"] == {"MinValue": "1", "MaxValue": "5"}
    assert added["custom:institution"]["StringAttributeConstraints"]["MaxLength"] == "256"
    assert added["dev:badge"]["DeveloperOnlyAttribute"] and not added["dev:badge"]["Mutable"]
    assert pool.attributes - before == set(NAMES)
    assert "Added to the schema of this pool, and read back: custom:institution, custom:score" in job.sentence
    assert "Plan the restore again" in job.sentence
    again = run(actions.plan_again(IVA, plan.job))
    assert (again.result["create"], again.result["cannot"]) == (3, 0)


def test_it_is_a_writing_job_that_says_who_why_and_what(account: Account, pool: FakePool) -> None:
    job = run(ask(planned(account, pool)))
    assert (job.kind, job.queue, job.reason) == (Job.Kind.SCHEMA, Job.Queue.WRITE, REASON)
    entries = {entry.act: entry for entry in AuditEntry.objects.filter(job=job.pk)}
    assert list(entries) == [Act.SCHEMA_ENDED, Act.SCHEMA_INTENDED, Act.SCHEMA_ASKED]
    asked, intended, ended = (entries[act] for act in reversed(entries))
    assert "custom:score, a number from 1 to 5" in asked.details["attributes"]
    assert asked.details["reason"] == REASON and asked.details["break_glass"]
    assert sorted(intended.details["attributes"]) == sorted(NAMES)
    assert (ended.result, ended.details["added"], ended.pool) == ("done", 3, job.pool_text)


def test_asked_for_twice_it_is_added_once(account: Account, pool: FakePool) -> None:
    plan = planned(account, pool)
    job = ask(plan)
    twin = Job.objects.get(pk=job.pk)
    run(job)
    assert account.aws.calls["add_attributes"] == 1
    twin.pk, twin.state = None, State.QUEUED
    twin.save(force_insert=True)
    twin = run(twin)
    assert twin.state == State.DONE and twin.sentence.startswith("There already, and left as they are: ")
    assert account.aws.calls["add_attributes"] == 1
    assert not AuditEntry.objects.filter(act=Act.SCHEMA_INTENDED, job=twin.pk).exists()
    with pytest.raises(actions.Refused, match="there is nothing to add"):
        ask(plan)


def test_a_plan_knows_what_the_pool_takes_by_now(account: Account, pool: FakePool) -> None:
    plan = planned(account, pool)
    account.aws.add_attributes(pool.pool_id, SHAPES[:2])
    found = actions.schema_of(plan)
    assert set(found.known) == {"dev:badge", "custom:institution"}
    assert [(one.attribute.name, one.users) for one in found.lacking] == [("custom:score", 3)]
    assert run(ask(plan, typed="production schema 1")).state == State.DONE


def test_what_was_chosen_to_be_left_out_is_not_added(account: Account, pool: FakePool) -> None:
    plan = planned(account, pool, leave_out=frozenset({"custom:score"}))
    assert actions.lacked(plan) == {"custom:institution": 3, "dev:badge": 2}
    run(ask(plan, typed="production schema 2"))
    assert pool.attributes.isdisjoint({"custom:score"})


def test_a_file_with_users_alone_makes_guesses_and_says_so(
    account: Account, pool: FakePool, tmp_path: Any
) -> None:
    entries = [account.store.read(key) for key in account.store.keys if key.endswith("/data.json")]
    path = tmp_path / "data.json"
    path.write_bytes(entries[0])
    plan = planned(account, pool, f"file:{path}")
    found = actions.schema_of(plan)
    assert "holds no settings of its pool" in found.why_guessed
    assert all(one.guessed and one.mutable and one.kind == "String" for one in found.attributes)
    assert run(ask(plan)).state == State.DONE


def test_settings_that_were_changed_are_not_trusted(account: Account, pool: FakePool) -> None:
    plan = planned(account, pool)
    [key] = [key for key in account.store.keys if key.endswith("/pool.json")]
    account.store.plant(key, orjson.dumps({"settings": {"user_pool": {}}}))
    found = actions.schema_of(plan)
    assert "cannot be trusted (pool.json does not agree with the manifest" in found.why_guessed
    assert all(one.guessed for one in found.attributes)


def test_a_schema_that_names_some_of_them_is_believed_for_those(account: Account, pool: FakePool) -> None:
    plan = planned(account, pool)
    Plan.objects.filter(pk=plan.pk).update(
        counts=plan.counts | {"unknown": {"custom:score": 3, "custom:x": 1}}
    )
    plan.refresh_from_db()
    found = actions.schema_of(plan)
    assert [one.guessed for one in found.attributes] == [False, True]
    assert "does not name all of them" in found.why_guessed


# --- what is refused before a job is there --------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "why", "status"),
    [
        ({"typed": "production 3"}, "Type production schema 3", 400),
        ({"reason": "why"}, "Say why", 400),
        ({"digest": "0" * 64}, "not what would be added now", 409),
    ],
)
def test_a_wrong_question_changes_nothing(
    account: Account, pool: FakePool, given: dict[str, Any], why: str, status: int
) -> None:
    plan = planned(account, pool)
    with pytest.raises(actions.Refused, match=why) as refused:
        ask(plan, **given)
    assert refused.value.status == status
    assert not Job.objects.filter(kind=Job.Kind.SCHEMA).exists()
    assert account.aws.calls["add_attributes"] == 0


def test_what_nobody_could_read_is_never_guessed(account: Account, pool: FakePool) -> None:
    plan = planned(account, pool)
    account.store.fail("list", Cause.UNREACHABLE, message="S3 did not answer.")
    with pytest.raises(actions.Refused, match=r"S3 did not answer\. Nothing was changed") as refused:
        actions.add_to_schema(IVA, plan, digest="", typed="production schema 3", reason=REASON)
    assert refused.value.status == 503
    account.aws.fail("describe", Cause.DENIED, message="Denied.")
    with pytest.raises(actions.Refused, match="Denied"):
        actions.add_to_schema(IVA, plan, digest="", typed="production schema 3", reason=REASON)


def test_more_than_a_pool_takes_is_refused(account: Account, pool: FakePool) -> None:
    plan = planned(account, pool)
    many = [{"Name": f"a{number}", "AttributeDataType": "String"} for number in range(48)]
    account.aws.add_attributes(pool.pool_id, many[:25])
    account.aws.add_attributes(pool.pool_id, many[25:])
    with pytest.raises(actions.Refused, match="This one has 48, and 3 more do not fit"):
        ask(plan)


def test_a_name_that_aws_does_not_take_is_refused(account: Account, pool: FakePool) -> None:
    plan = planned(account, pool)
    unknown = {"shoe_size": 1, "custom:institution": 3}
    Plan.objects.filter(pk=plan.pk).update(counts=plan.counts | {"unknown": unknown})
    plan.refresh_from_db()
    with pytest.raises(actions.Refused, match="shoe_size is no custom attribute"):
        ask(plan, typed="production schema 2")


def test_a_plan_that_is_not_finished_is_refused(account: Account, pool: FakePool) -> None:
    plan = planned(account, pool)
    Job.objects.filter(pk=plan.job_id).update(state=State.RUNNING)
    with pytest.raises(actions.Refused, match="not finished"):
        ask(Plan.objects.select_related("job").get(pk=plan.pk))


def test_whoever_may_not_restore_may_not_add(
    account: Account, pool: FakePool, pol: actions.Actor, settings: Any
) -> None:
    settings.RESTORE_GROUPS = ["admins"]
    plan = planned(account, pool)
    with pytest.raises(actions.Refused, match="may not restore"):
        ask(plan, pol)


def test_one_person_adds_unless_everything_wants_a_second(
    account: Account, pool: FakePool, pol: actions.Actor, settings: Any
) -> None:
    plan = planned(account, pool)
    settings.RESTORE_APPROVALS = "always"
    assert "needs a second person" in actions.schema_of(plan).refused
    with pytest.raises(actions.Refused, match="needs a second person"):
        ask(plan, pol)
    settings.RESTORE_APPROVALS = "overwrite"
    assert run(ask(plan, pol)).state == State.DONE


# --- bad days -------------------------------------------------------------------------------------------


def test_a_denial_says_that_nothing_was_added(account: Account, pool: FakePool) -> None:
    job = ask(planned(account, pool))
    account.aws.fail("add_attributes", Cause.DENIED, message="Denied.")
    job = run(job)
    assert job.state == State.FAILED
    assert job.sentence.startswith("Not added: ") and "Denied." in job.sentence
    assert job.result["names"]["added"] == [] and sorted(job.result["names"]["lacking"]) == sorted(NAMES)


def test_a_pool_that_cannot_be_read_is_not_written_to(account: Account, pool: FakePool) -> None:
    job = ask(planned(account, pool))
    account.aws.fail("describe", Cause.THROTTLED, message="Too many requests.")
    job = run(job)
    assert job.state == State.FAILED and job.sentence == "Too many requests. No attribute was added."


def test_half_of_it_says_what_was_added_and_what_not(account: Account, pool: FakePool) -> None:
    plan = planned(account, pool)
    unknown = {f"custom:a{number}": 1 for number in range(10, 40)}
    Plan.objects.filter(pk=plan.pk).update(counts=plan.counts | {"unknown": unknown})
    plan.refresh_from_db()
    job = ask(plan, typed="production schema 30")
    account.aws.fail("add_attributes", Cause.REFUSED, nth=2, message="A user import job is in progress.")
    job = run(job)
    assert job.state == State.DONE_WITH_FAILURES
    assert (job.result["added"], job.result["lacking"]) == (25, 5)
    assert "Not added: custom:a35, " in job.sentence and "import job is in progress" in job.sentence
    assert "what is there by then is left as it is" in job.sentence


def test_what_cannot_be_read_back_is_not_known(account: Account, pool: FakePool) -> None:
    job = ask(planned(account, pool))
    account.aws.fail("describe", Cause.UNREACHABLE, nth=2, message="No connection.")
    job = run(job)
    assert job.state == State.FAILED
    assert "were added is not known: No connection." in job.sentence


def test_what_aws_does_not_show_yet_is_no_success(
    account: Account, pool: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ask(planned(account, pool))
    monkeypatch.setattr(account.aws, "add_attributes", lambda pool_id, given: None)
    job = run(job)
    assert job.state == State.FAILED and "and does not show them yet" in job.sentence


def test_one_that_somebody_made_otherwise_meanwhile_is_named(account: Account, pool: FakePool) -> None:
    job = ask(planned(account, pool))
    account.aws.add_attributes(pool.pool_id, [{"Name": "score", "AttributeDataType": "String"}])
    job = run(job)
    assert job.state == State.DONE_WITH_FAILURES
    assert "There, but not as the backup has it: custom:score." in job.sentence
    assert "There already, and left as it is: custom:score." in job.sentence


def test_a_worker_that_died_is_followed_by_one_that_adds_the_rest(
    account: Account, pool: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = account.aws.add_attributes

    def and_die(pool_id: str, given: Any) -> None:
        add(pool_id, given[:1])
        raise Stop("lease-lost")

    job = ask(planned(account, pool))
    with monkeypatch.context() as patch:
        patch.setattr(account.aws, "add_attributes", and_die)
        job = run(job)
    assert job.state == State.RUNNING, "as a process leaves it that was killed"
    assert sorted(job.result[BEGUN]) == sorted(NAMES)
    Job.objects.filter(pk=job.pk).update(lease_until=None, state=State.QUEUED)
    job = run(job)
    assert job.state == State.DONE and sorted(job.result["names"]["added"]) == sorted(NAMES)
    assert AuditEntry.objects.filter(act=Act.SCHEMA_INTENDED, job=job.pk).count() == 1


def test_a_job_that_breaks_half_way_says_that_it_is_not_known(
    account: Account, pool: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(pool_id: str, given: Any) -> None:
        raise RuntimeError

    job = ask(planned(account, pool))
    monkeypatch.setattr(account.aws, "add_attributes", broken)
    job = run(job)
    assert job.state == State.FAILED and "it is not known which were added" in job.sentence


def test_a_cancel_before_the_writing_adds_nothing(account: Account, pool: FakePool) -> None:
    job = ask(planned(account, pool))
    Job.objects.filter(pk=job.pk).update(wants="cancel")
    job = run(job)
    assert (job.state, job.sentence) == (State.CANCELLED, "No attribute was added.")
    assert account.aws.calls["add_attributes"] == 0


def test_no_address_is_in_the_log_or_the_audit_entries(account: Account, pool: FakePool) -> None:
    plan = planned(account, pool)
    name = "custom:ada@uni.example"
    Plan.objects.filter(pk=plan.pk).update(counts=plan.counts | {"unknown": {name: 1}})
    plan.refresh_from_db()
    job = run(ask(plan, typed="production schema 1"))
    assert not AuditEntry.objects.filter(body__contains="ada@uni.example").exists()
    assert "ada@uni.example" not in str(list(Event.objects.filter(job=job).values_list("data", flat=True)))
