"""An undo from asking to its end, on a real database."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from backups import actions, runner
from backups.core.choices import Choices, Existing, Guard
from backups.core.lifecycle import State
from backups.core.snapshot import User
from backups.engine.ports import Cause
from backups.models import AuditEntry, Backup, Item, Job, Plan
from backups.models.audit import Act
from tests.fakes import FakePool
from tests.jobs.conftest import IVA, Account

WHY = "INC-204: the wrong backup"
MISSING = Choices()
OVER = Choices(existing=Existing.OVERWRITE, guards=frozenset(Guard))
ADA, BOB = "person1@uni.example", "person0@uni.example"


def run(job: Job) -> Job:
    runner.run(job.pk)
    job.refresh_from_db()
    return job


def lose(pool: FakePool, *numbers: int) -> None:
    for number in numbers:
        pool.remove(f"person{number}@uni.example")


@pytest.fixture
def team(account: Account) -> FakePool:
    """Eight people; one disabled, two in a group."""
    pool = account.add()
    for number in range(8):
        groups = ["admins"] if number in (1, 2) else ()
        name = f"Person {number}"
        pool.add(f"person{number}@uni.example", name=name, enabled=number != 3, groups=groups)
    return pool


@pytest.fixture
def backup(account: Account, team: FakePool) -> Backup:
    job = run(actions.start_backup(IVA, account.row(team)))
    return Backup.objects.get(key=job.result["key"])


def restored(
    account: Account, backup: Backup, pool: FakePool, messages: str = "silent", choices: Choices = MISSING
) -> Job:
    planned = run(actions.plan_restore(IVA, backup.key, account.row(pool), choices=choices))
    assert planned.state == State.PLANNED, planned.sentence
    plan = Plan.objects.get(job=planned)
    typed = actions.confirmation(plan)
    job = run(
        actions.start_restore(
            IVA, plan, messages=messages, digest=plan.digest, typed=typed, reason="INC-204: gone"
        )
    )
    assert job.state == State.DONE, job.sentence
    return job


def planned(restore: Job) -> Plan:
    job = run(actions.plan_undo(IVA, restore))
    assert job.state == State.PLANNED, job.sentence
    return Plan.objects.select_related("job").get(job=job)


def start(plan: Plan, **given: str) -> Job:
    rightly = {"digest": plan.digest, "typed": actions.confirmation_of_undo(plan), "reason": WHY}
    return actions.start_undo(IVA, plan, **rightly | given)


def emails(pool: FakePool) -> set[str]:
    return {User.of(entry).email for entry in pool.entries.values()}


def lines(plan: Plan) -> dict[str, tuple[str, str]]:
    return {item.email[:7]: (item.action, item.reason) for item in Item.objects.filter(job=plan.job)}


def test_an_undo_right_after_a_restore_leaves_the_pool_as_it_was(
    account: Account, team: FakePool, backup: Backup
) -> None:
    lose(team, 1, 3, 4)
    before = emails(team), {name: set(who) for name, who in team.memberships.items()}
    restore = restored(account, backup, team)
    plan = planned(restore)
    assert [plan.counts[name] for name in ("delete", "put-back", "skip")] == [3, 0, 0]
    job = run(start(plan))
    assert job.state == State.DONE, job.sentence
    assert job.sentence.startswith("3 users deleted, 0 users put back, all read back. 0 left alone")
    assert (emails(team), {name: set(who) for name, who in team.memberships.items()}) == before
    assert {(item.outcome, item.step, item.confirmed) for item in job.items.all()} == {
        ("deleted", "removed", True)
    }
    acts = list(
        AuditEntry.objects.filter(act__startswith="undo").order_by("seq").values_list("act", "result")
    )
    assert acts == [(Act.UNDO_ASKED, "asked"), (Act.UNDO_INTENDED, "intended"), (Act.UNDO_ENDED, "done")]
    assert "uni.example" not in "".join(AuditEntry.objects.values_list("body", flat=True))


def test_the_pool_is_backed_up_and_checked_before_anything_is_taken_back(
    account: Account, team: FakePool, backup: Backup
) -> None:
    lose(team, 1)
    team.update_user(BOB, {"name": "Somebody"})
    restore = restored(account, backup, team, choices=OVER)
    there = emails(team)
    job = run(start(planned(restore)))
    assert (job.state, job.result["deleted"], job.result["updated"]) == (State.DONE, 1, 1), job.sentence
    made = Backup.objects.get(key=job.result["before"])
    assert (made.made_by, made.checked, made.state) == ("before-restore", True, "complete")
    users = json.loads(b"".join(account.store.open(made.data_key)))
    assert {User.of(entry).email for entry in users} == there, "with whom the undo deleted"
    assert job.sentence.endswith(f" The pool as it was before is kept: {made.key}.")
    intended = AuditEntry.objects.get(act=Act.UNDO_INTENDED)
    assert intended.details["before"] == made.key
    assert "before" not in AuditEntry.objects.get(act=Act.UNDO_ENDED).details
    assert f"the pool as it was is kept: {made.key}" in str([event.data for event in job.events.all()])


@pytest.mark.parametrize("fault", ["put", "open"])
def test_without_a_checked_backup_nothing_is_taken_back(
    account: Account, team: FakePool, backup: Backup, fault: str
) -> None:
    lose(team, 1)
    job = start(planned(restored(account, backup, team)))
    there = emails(team)
    account.store.fail(fault, Cause.DENIED, times=99)
    run(job)
    assert (job.state, emails(team)) == (State.FAILED, there)
    assert "Nothing was deleted or put back. Plan the undo anew when the cause is gone." in job.sentence
    assert not AuditEntry.objects.filter(act=Act.UNDO_INTENDED).exists()
    end = AuditEntry.objects.get(act=Act.UNDO_ENDED)
    assert end.result == "failed"
    assert end.details | {"deleted": 0, "updated": 0, "skipped": 0, "failed": 0} == end.details
    account.store._faults.clear()
    assert run(start(planned(Job.objects.get(pk=job.params["undo"])))).state == State.DONE


def test_an_undo_that_goes_on_keeps_the_backup_of_before_it_began(
    account: Account, team: FakePool, backup: Backup
) -> None:
    lose(team, 1, 2, 4)
    job = start(planned(restored(account, backup, team)))
    made = Backup.objects.count()
    real = team.delete_user

    def paused(username: str) -> None:
        Job.objects.filter(pk=job.pk).update(wants="pause")
        real(username)

    team.delete_user = paused  # type: ignore[method-assign]
    run(job)
    assert job.state == State.PAUSED, job.sentence
    key = job.result["before"]
    team.delete_user = real  # type: ignore[method-assign]
    run(actions.resume(IVA, job))
    assert (job.state, job.result["before"], job.result["deleted"]) == (State.DONE, key, 3)
    assert Backup.objects.count() == made + 1


def test_who_is_used_changed_or_gone_stays_and_is_listed_with_the_reason(
    account: Account, team: FakePool, backup: Backup
) -> None:
    lose(team, 1, 2, 4, 5, 6)
    restore = restored(account, backup, team)
    team.clock.advance(3600)
    team.set_password("person1@uni.example", "my own password")  # "forgot password"
    team.add_to_group("person4@uni.example", "admins")
    lose(team, 5)
    plan = planned(restore)
    assert lines(plan) == {
        "person1": ("skip", "in-again"),
        "person2": ("delete", "made-by-it"),
        "person4": ("skip", "groups"),
        "person5": ("skip", "gone"),
        "person6": ("delete", "made-by-it"),
    }
    team.update_user("person6@uni.example", {"name": "Six"})  # after the plan was made
    job = run(start(plan))
    assert (job.state, job.result["deleted"], job.result["skipped"]) == (State.DONE, 1, 4)
    assert job.items.get(email="person6@uni.example").reason == "changed-since"
    assert emails(team) == {f"person{n}@uni.example" for n in (0, 1, 3, 4, 6, 7)}


def test_people_who_wait_for_an_invitation_are_deleted_and_those_who_signed_in_are_not(
    account: Account, team: FakePool, backup: Backup
) -> None:
    lose(team, 1, 2)
    restore = restored(account, backup, team, "invite")
    team.set_password("person1@uni.example", "my own password")  # the change at the first sign-in
    assert lines(planned(restore)) == {
        "person1": ("skip", "in-again"),
        "person2": ("delete", "made-by-it"),
    }


def test_undone_twice_does_nothing_the_second_time(account: Account, team: FakePool, backup: Backup) -> None:
    lose(team, 1, 3)
    restore = restored(account, backup, team)
    run(start(planned(restore)))
    again = planned(restore)
    assert lines(again) == {"person1": ("skip", "undone"), "person3": ("skip", "undone")}
    with pytest.raises(actions.Refused, match="nothing to put back"):
        start(again)


def test_what_a_restore_wrote_over_is_put_back(account: Account, team: FakePool, backup: Backup) -> None:
    ada, bob = "person1@uni.example", "person0@uni.example"
    team.update_user(ada, {"name": "Somebody", "custom:institution": "KTH"})
    team.remove_from_group(ada, "admins")
    team.disable_user(bob)
    lose(team, 7)
    before = {email: team.get(email) for email in (ada, bob)}
    restore = restored(
        account, backup, team, choices=Choices(existing=Existing.OVERWRITE, guards=frozenset(Guard))
    )
    assert restore.result["updated"] == 2
    assert User.of(team.get(ada)).attributes["name"] == "Person 1"
    plan = planned(restore)
    assert lines(plan) == {
        "person0": ("put-back", "changed-by-it"),
        "person1": ("put-back", "changed-by-it"),
        "person7": ("delete", "made-by-it"),
    }
    job = run(start(plan))
    assert (job.state, job.result["updated"], job.result["deleted"]) == (State.DONE, 2, 1), job.sentence
    for email, entry in before.items():
        now = User.of(team.get(email))
        assert (dict(now.attributes), now.enabled) == (
            dict(User.of(entry).attributes),
            User.of(entry).enabled,
        )
    assert team.groups_of(ada) == frozenset()


def test_only_fields_that_the_restore_changed_are_put_back(
    account: Account, team: FakePool, backup: Backup
) -> None:
    """The ledger of a restore that updated: what it wrote is Item.changes."""
    lose(team, 7)
    restore = restored(account, backup, team)
    row = restore.items.get(email="person0@uni.example")
    user = team.get("person0@uni.example")
    assert user is not None
    team.update_user("person0@uni.example", {"name": "Written", "custom:institution": "MIT"})
    Item.objects.filter(pk=row.pk).update(
        action="update",
        outcome="updated",
        intended_at=restore.started_at,
        new_sub=User.of(user).sub,
        new_username=user["Username"],
        changes=[["name", "Person 0", "Written"], ["custom:institution", "", "MIT"]],
        confirmed=True,
    )
    team.update_user("person0@uni.example", {"custom:institution": "KTH"})
    plan = planned(restore)
    assert lines(plan)["person0"] == ("put-back", "some-changed")
    assert actions.confirmation_of_undo(plan) == "production undo 2"
    job = run(start(plan))
    assert (job.state, job.result["updated"], job.result["deleted"]) == (State.DONE, 1, 1)
    now = User.of(team.get("person0@uni.example"))
    assert (now.attributes["name"], now.attributes["custom:institution"]) == ("Person 0", "KTH")


def standing(pool: FakePool, *emails: str) -> dict[str, Any]:
    """All that an update may write, but for marks of addresses that nobody can unset."""
    users = {email: User.of(pool.get(email)) for email in emails}
    return {
        email: (dict(user.attributes), user.enabled, pool.groups_of(email)) for email, user in users.items()
    }


def cut_short(account: Account, backup: Backup, pool: FakePool, messages: str = "silent") -> Job:
    """A restore over what changed that did not come to everybody's end."""
    plan = Plan.objects.get(job=run(actions.plan_restore(IVA, backup.key, account.row(pool), choices=OVER)))
    asked: dict[str, Any] = {"digest": plan.digest, "typed": actions.confirmation(plan)}
    job = run(actions.start_restore(IVA, plan, messages=messages, reason="INC-204: gone", **asked))
    assert job.state == State.DONE_WITH_FAILURES, job.sentence
    return job


@pytest.mark.parametrize(
    ("operation", "cause", "after"),
    [
        ("update_user", Cause.LOST, True),
        ("enable_user", Cause.DENIED, False),
        ("add_to_group", Cause.DENIED, False),
        ("add_to_group", Cause.LOST, True),
        ("groups_of", Cause.THROTTLED, False),
    ],
)
def test_what_an_update_wrote_before_it_failed_is_put_back(
    account: Account, team: FakePool, backup: Backup, operation: str, cause: Cause, after: bool
) -> None:
    team.update_user(ADA, {"name": "Somebody", "custom:institution": "KTH"})
    team.remove_from_group(ADA, "admins")
    team.disable_user(ADA)
    before = standing(team, ADA)
    team.clock.advance(60)
    team.fail(operation, cause, after=after, times=99)
    restore = cut_short(account, backup, team)
    team._faults.clear()
    assert standing(team, ADA) != before, "some of it was written"
    plan = planned(restore)
    assert lines(plan) == {"person1": ("put-back", "begun-by-it")}
    job = run(start(plan))
    assert (job.state, job.result["updated"]) == (State.DONE, 1), job.sentence
    assert standing(team, ADA) == before


def test_an_update_that_wrote_nothing_is_listed_and_nobody_is_touched(
    account: Account, team: FakePool, backup: Backup
) -> None:
    team.update_user(ADA, {"name": "Somebody"})
    team.fail("update_user", Cause.DENIED, times=99)
    before = standing(team, ADA)
    assert lines(planned(cut_short(account, backup, team))) == {"person1": ("skip", "not-updated")}
    assert standing(team, ADA) == before


@pytest.mark.parametrize(
    ("operation", "cause"),
    [
        ("disable_user", Cause.DENIED),
        ("disable_user", Cause.THROTTLED),
        ("disable_user", Cause.REFUSED),
        ("get_user", Cause.DENIED),
    ],
)
def test_what_somebody_did_by_hand_after_an_update_was_refused_stays(
    account: Account, team: FakePool, backup: Backup, operation: str, cause: Cause
) -> None:
    team.disable_user(ADA)
    disabled = Backup.objects.get(key=run(actions.start_backup(IVA, account.row(team))).result["key"])
    team.enable_user(ADA)
    team.clock.advance(60)
    team.fail(operation, cause, times=99)
    restore = cut_short(account, disabled, team)
    team._faults.clear()
    team.disable_user(ADA)  # in the console, before the job is closed
    assert lines(planned(restore)) == {"person1": ("skip", "unsure")}


def test_who_changed_after_an_update_that_failed_keeps_what_nobody_can_tell_apart(
    account: Account, team: FakePool, backup: Backup
) -> None:
    for email in (ADA, BOB):
        team.update_user(email, {"name": "Somebody"})
    team.remove_from_group(ADA, "admins")
    team.fail("update_user", Cause.LOST, after=True, times=2)
    team.fail("add_to_group", Cause.DENIED, times=99)
    restore = cut_short(account, backup, team)
    team._faults.clear()
    steps = dict(restore.items.filter(outcome="failed").values_list("email", "step"))
    assert steps == {ADA: "", BOB: ""}
    run(actions.resume(IVA, restore))
    assert restore.items.get(email=ADA).outcome == "updated"
    Item.objects.filter(job=restore, email=ADA).update(outcome="failed", step="attributes")
    Item.objects.filter(job=restore, email=BOB).update(outcome="failed", step="")
    team.clock.advance(3600)
    for email in (ADA, BOB):
        team.update_user(email, {"custom:institution": "KTH"})
    assert lines(planned(restore)) == {"person0": ("skip", "unsure"), "person1": ("put-back", "some-changed")}


def test_an_update_held_back_in_its_middle_is_not_forgotten(
    account: Account, team: FakePool, backup: Backup
) -> None:
    team.update_user(ADA, {"name": "Somebody"})
    team.remove_from_group(ADA, "admins")
    team.fail("add_to_group", Cause.DENIED, times=99)
    restore = cut_short(account, backup, team)
    team._faults.clear()
    team.update_user(ADA, {"custom:institution": "KTH", "name": "Their own"})  # before it is tried again
    run(actions.resume(IVA, restore))
    row = restore.items.get(email=ADA)
    assert (row.outcome, row.reason, row.step) == ("skipped", "changed-since", "attributes")
    assert lines(planned(restore)) == {"person1": ("skip", "not-updated")}


@pytest.mark.parametrize("messages", ["silent", "invite", "later"])
@pytest.mark.parametrize(
    ("operation", "cause", "after"),
    [
        ("create_user", Cause.LOST, True),
        ("set_password", Cause.DENIED, False),
        ("set_password", Cause.LOST, True),
        ("disable_user", Cause.DENIED, False),
        ("disable_user", Cause.LOST, True),
        ("add_to_group", Cause.DENIED, False),
        ("add_to_group", Cause.LOST, True),
        ("get_user", Cause.DENIED, False),
        ("groups_of", Cause.DENIED, False),
        ("resend_invitation", Cause.DENIED, False),
        ("resend_invitation", Cause.LOST, True),
    ],
)
def test_who_was_created_and_not_finished_is_deleted_again(
    account: Account,
    team: FakePool,
    backup: Backup,
    messages: str,
    operation: str,
    cause: Cause,
    after: bool,
) -> None:
    lose(team, 1, 3, 4)
    before = emails(team)
    team.fail(operation, cause, after=after, times=99)
    plan = Plan.objects.get(job=run(actions.plan_restore(IVA, backup.key, account.row(team))))
    asked: dict[str, Any] = {"digest": plan.digest, "typed": actions.confirmation(plan)}
    restore = run(actions.start_restore(IVA, plan, messages=messages, reason="INC-204: gone", **asked))
    assert restore.state in (State.DONE, State.DONE_WITH_FAILURES), restore.sentence
    team._faults.clear()
    undo = planned(restore)
    told = lines(undo)
    assert set(told) == {"person1", "person3", "person4"}
    assert {reason for _, reason in told.values()} <= {"made-by-it", "not-created"}
    unknown = {item.email for item in Item.objects.filter(job=undo.job, reason="not-created")}
    if undo.counts["delete"]:
        assert run(start(undo)).state == State.DONE
    assert emails(team) - unknown == before


def test_without_the_backup_nobody_is_deleted(account: Account, team: FakePool, backup: Backup) -> None:
    lose(team, 1)
    restore = restored(account, backup, team)
    account.store.delete(f"{backup.key}/data.json")
    plan = planned(restore)
    assert lines(plan) == {"person1": ("skip", "no-written")}
    assert "cannot be read any more" in plan.warnings[0]


def test_a_backup_that_changed_tells_nothing(account: Account, team: FakePool, backup: Backup) -> None:
    lose(team, 1)
    restore = restored(account, backup, team)
    Plan.objects.filter(restore=restore).update(source_sha256="another")
    plan = planned(restore)
    assert (lines(plan)["person1"], plan.warnings) == (
        ("skip", "no-written"),
        ["The backup is not the one that was restored: its bytes changed."],
    )
    Plan.objects.filter(restore=restore).delete()
    assert "not kept any more" in planned(restore).warnings[0]


def test_what_cannot_be_started_says_why(account: Account, team: FakePool, backup: Backup) -> None:
    lose(team, 1)
    restore = restored(account, backup, team)
    plan = planned(restore)
    for given, said in (
        ({"digest": "other"}, "not the one that is kept"),
        ({"typed": "production 1"}, "Type production undo 1"),
        ({"reason": "why"}, "few words"),
    ):
        with pytest.raises(actions.Refused, match=said):
            start(plan, **given)
    other = Plan.objects.get(restore=restore)
    with pytest.raises(actions.Refused, match="plan of a restore"):
        actions.start_undo(IVA, other, digest=other.digest, typed="", reason=WHY)
    with pytest.raises(actions.Refused, match="Nobody is missing"):
        actions.start_restore(  # an undo's plan is nothing to restore
            actions.Actor("x", "x"), plan, messages="silent", digest=plan.digest, typed="", reason=WHY
        )
    job = start(plan)
    with pytest.raises(actions.Refused, match="carried out already"):
        start(plan)
    assert Plan.objects.get(pk=plan.pk).restore == job
    for wrong, said in ((plan.job, "is no restore"), (job, "is no restore")):
        with pytest.raises(actions.Refused, match=said):
            actions.plan_undo(IVA, wrong)
    actions.cancel(IVA, job)
    Job.objects.filter(pk=restore.pk).update(state=State.PAUSED)
    restore.refresh_from_db()
    with pytest.raises(actions.Refused, match="not over"):
        actions.plan_undo(IVA, restore)


def test_a_second_plan_of_the_same_undo_is_not_carried_out_where_the_first_one_did_it(
    account: Account, team: FakePool, backup: Backup
) -> None:
    lose(team, 1, 2)
    restore = restored(account, backup, team)
    first, second = planned(restore), planned(restore)
    team.fail("delete_user", Cause.DENIED, times=1)
    undo = run(start(first))
    assert undo.state == State.DONE_WITH_FAILURES and not actions.undone_already(second), "one is left"
    again = run(start(second))
    assert (again.state, again.result["deleted"]) == (State.DONE, 1)
    for plan in (first, second):
        with pytest.raises(actions.Refused, match=f"taken back already, last by job {again.pk}. Nothing was"):
            start(plan)
    with pytest.raises(actions.Refused, match="nobody to delete"):
        start(planned(restore))


def test_an_undo_whose_restore_goes_on_again_is_not_started(
    account: Account, team: FakePool, backup: Backup
) -> None:
    lose(team, 1)
    restore = restored(account, backup, team)
    plan = planned(restore)
    Job.objects.filter(pk=restore.pk).update(state=State.PAUSED)
    with pytest.raises(actions.Refused, match="goes on by now"):
        start(plan)


def test_a_paused_undo_keeps_its_place_and_goes_on(
    account: Account, team: FakePool, backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(team, 1, 2, 4)
    restore = restored(account, backup, team)
    job = start(planned(restore))
    team.fail("delete_user", Cause.DENIED, times=3)
    run(job)
    assert (job.state, job.result["failed"]) == (State.DONE_WITH_FAILURES, 3)
    team.fail("get_user", Cause.GONE, times=99)
    again = start(planned_without_faults(team, restore))
    Job.objects.filter(pk=again.pk).update(wants="pause")
    run(again)
    assert (again.state, again.sentence) == (State.PAUSED, "Nobody was deleted and nothing was put back.")
    run(actions.resume(IVA, again))
    assert (again.state, emails(team)) == (
        State.DONE,
        {f"person{n}@uni.example" for n in (0, 3, 5, 6, 7)},
    )


def planned_without_faults(pool: FakePool, restore: Job) -> Plan:
    pool._faults.clear()
    return planned(restore)


def test_a_cancelled_undo_says_what_is_gone(account: Account, team: FakePool, backup: Backup) -> None:
    lose(team, 1)
    job = start(planned(restored(account, backup, team)))
    Job.objects.filter(pk=job.pk).update(wants="cancel")
    run(job)
    assert (job.state, emails(team)) == (State.CANCELLED, {f"person{n}@uni.example" for n in range(8)})
    assert "cannot come back by itself" in job.sentence


def test_a_pool_that_does_not_answer_pauses_what_has_begun(
    account: Account, team: FakePool, backup: Backup
) -> None:
    lose(team, 1)
    job = start(planned(restored(account, backup, team)))
    team.fail("facts", Cause.UNREACHABLE)
    run(job)
    assert job.state == State.FAILED
    assert "Nobody was deleted" in job.sentence
    end = AuditEntry.objects.get(act=Act.UNDO_ENDED)
    assert end.details | {"deleted": 0, "updated": 0, "skipped": 0, "failed": 0} == end.details


def test_a_worker_that_was_killed_is_followed_by_another(
    account: Account, team: FakePool, backup: Backup
) -> None:
    lose(team, 1, 2)
    job = start(planned(restored(account, backup, team)))
    real = team.delete_user

    def die(username: str) -> None:
        real(username)
        raise KeyboardInterrupt

    team.delete_user = die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        runner.run(job.pk)
    team.delete_user = real  # type: ignore[method-assign]
    Job.objects.filter(pk=job.pk).update(lease_until=None, state=State.QUEUED)
    run(job)
    assert (job.state, job.result["deleted"]) == (State.DONE, 2)
    assert AuditEntry.objects.filter(act=Act.UNDO_INTENDED).count() == 1


def command(capsys: pytest.CaptureFixture[str], *args: str, status: int = 0) -> dict[str, Any]:
    try:
        call_command(*args, "--json")
    except SystemExit as ended:
        assert ended.code == status
    except CommandError as error:
        assert error.returncode == status
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def test_the_command_plans_shows_and_undoes(
    account: Account, team: FakePool, backup: Backup, capsys: pytest.CaptureFixture[str]
) -> None:
    lose(team, 1, 2)
    number = str(restored(account, backup, team).pk)
    capsys.readouterr()
    dry = command(capsys, "undo", number, "--dry-run")
    assert (dry["state"], dry["delete"], len(team.entries)) == ("planned", 2, 8)
    assert "missing" in command(capsys, "undo", number, status=2)["error"]
    wrong = command(capsys, "undo", number, "--yes", "other", "--reason", WHY, status=2)
    assert "--yes must name the pool" in wrong["error"]
    assert "There is no job" in command(capsys, "undo", "99999", "--dry-run", status=2)["error"]
    done = command(capsys, "undo", number, "--yes", team.name, "--reason", WHY)
    assert (done["state"], done["deleted"], len(team.entries)) == ("done", 2, 6)
    again = command(capsys, "undo", number, "--yes", team.name, "--reason", WHY)
    assert (again["state"], again["delete"]) == ("planned", 0)
