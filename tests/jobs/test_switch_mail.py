"""Switch this pool's mail to SES: asked, confirmed, carried out, read back, and the way back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backups import actions, runner
from backups.core.lifecycle import State
from backups.engine.ports import Cause, Stop
from backups.models import AuditEntry, Event, Job, Pool, database_now
from backups.models.audit import Act
from backups.runner.mail import KEPT
from tests.fakes import DEFAULTS, FakePool
from tests.jobs.conftest import IVA, Account

REASON = "invitations go out today"
SENDER = "Biomage <no-reply@uni.example>"
THROUGH_SES = {
    "EmailSendingAccount": "DEVELOPER",
    "SourceArn": "arn:aws:ses:eu-west-1:123456789012:identity/uni.example",
    "From": SENDER,
}


@pytest.fixture
def pool(account: Account) -> FakePool:
    made = account.add()
    account.aws.plain(
        made.pool_id,
        DeletionProtection="ACTIVE",
        LambdaConfig={"PreSignUp": "arn:1"},
        UserPoolTags={"a": "b"},
    )
    return made


def row(pool: FakePool) -> Pool:
    return Pool.objects.get(pool_id=pool.pool_id)


def ask(pool: FakePool, actor: actions.Actor = IVA, **changes: Any) -> Job:
    given = {"identity": "uni.example", "sender": SENDER, "typed": "production SES", "reason": REASON}
    return actions.switch_mail(actor, row(pool), **{**given, **changes})


def run(job: Job) -> Job:
    runner.run(job.pk)
    job.refresh_from_db()
    return job


def back(pool: FakePool) -> Job:
    return ask(pool, identity="", sender="", typed="production COGNITO")


# --- the switch -----------------------------------------------------------------------------------------


def test_a_pools_mail_goes_through_ses_and_all_else_is_as_it_was(account: Account, pool: FakePool) -> None:
    before = account.aws.describe(pool.pool_id)
    job = run(ask(pool))
    assert job.state == State.DONE, job.sentence
    assert account.aws.describe(pool.pool_id) == {**before, "EmailConfiguration": THROUGH_SES}
    assert "through SES as uni.example now; read back, and every other setting is as it was." in job.sentence
    assert "The way back: switch its mail to Cognito (COGNITO_DEFAULT" in job.sentence
    assert job.result["before"] == DEFAULTS["EmailConfiguration"]
    assert job.result["after"] == THROUGH_SES and job.result["differs"] == []
    assert job.result[KEPT]["user_pool"] == before


def test_the_overview_knows_it_at_once(pool: FakePool) -> None:
    run(ask(pool))
    assert row(pool).mail == "DEVELOPER", "not only after the next look"
    run(back(pool))
    assert row(pool).mail == "COGNITO_DEFAULT"


def test_the_way_back_restores_every_setting(account: Account, pool: FakePool) -> None:
    before = account.aws.describe(pool.pool_id)
    run(ask(pool))
    job = run(back(pool))
    assert job.state == State.DONE, job.sentence
    assert account.aws.describe(pool.pool_id) == before
    assert "through Cognito" in job.sentence and "switch its mail to SES as uni.example" in job.sentence


def test_it_is_a_writing_job_that_says_who_why_and_where_to(pool: FakePool) -> None:
    job = run(ask(pool))
    assert (job.kind, job.queue, job.reason) == (Job.Kind.MAIL, Job.Queue.WRITE, REASON)
    asked, ended = (AuditEntry.objects.get(act=act) for act in (Act.MAIL_ASKED, Act.MAIL_ENDED))
    assert asked.details["reason"] == REASON and asked.details["identity"] == "uni.example"
    assert (asked.details["from"], asked.details["to"]) == ("COGNITO_DEFAULT", "DEVELOPER")
    assert asked.pool == job.pool_text and ended.result == "done"


def test_no_address_is_in_the_log_or_the_audit_entries(account: Account, pool: FakePool) -> None:
    address = "no-reply@uni.example"
    [sender] = account.aws.mail.senders
    arn = sender.arn.replace("uni.example", address)
    account.aws.mail = replace(account.aws.mail, senders=(replace(sender, name=address, arn=arn),))
    job = run(ask(pool, identity=address))
    assert job.state == State.DONE and "n••••@uni.example" in job.sentence
    assert not AuditEntry.objects.filter(body__contains=address).exists()
    assert address not in str(list(Event.objects.values_list("data", flat=True)))


def test_two_writing_jobs_are_never_under_way_at_once(pool: FakePool) -> None:
    ask(pool)
    with pytest.raises(actions.Refused, match="Only one may at a time"):
        ask(pool)


def test_whoever_may_not_restore_may_not_switch(pool: FakePool, pol: actions.Actor, settings: Any) -> None:
    settings.RESTORE_GROUPS, settings.RESTORE_APPROVALS = ["admins"], "never"
    with pytest.raises(actions.Refused, match="may not restore"):
        ask(pool, pol)
    assert not Job.objects.exists()


@pytest.mark.parametrize("policy", ["overwrite", "always"])
def test_where_a_second_person_is_wanted_nobody_switches_alone(
    account: Account, pool: FakePool, pol: actions.Actor, settings: Any, policy: str
) -> None:
    settings.RESTORE_APPROVALS = policy
    with pytest.raises(actions.Refused, match="needs a second person here"):
        ask(pool, pol)
    assert not Job.objects.exists() and account.aws.calls.total() == 0
    assert "needs a second person" in actions.switching_refused()


def test_where_none_is_wanted_one_person_switches(pool: FakePool, pol: actions.Actor, settings: Any) -> None:
    settings.RESTORE_APPROVALS = "never"
    assert run(ask(pool, pol)).state == State.DONE
    assert actions.switching_refused() == ""


def test_the_intent_is_written_down_before_the_writing(account: Account, pool: FakePool) -> None:
    job = ask(pool)
    account.aws.fail("update", Cause.DENIED)
    run(job)
    acts = list(AuditEntry.objects.filter(job=job.pk).order_by("seq").values_list("act", "result"))
    assert acts == [
        (Act.MAIL_ASKED, "asked"),
        (Act.MAIL_INTENDED, "intended"),
        (Act.MAIL_ENDED, "failed"),
    ]


def test_a_job_that_breaks_after_the_writing_says_that_it_is_not_known(
    account: Account, pool: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(pool_id: str, given: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(account.aws, "update", broken)
    job = run(ask(pool))
    assert job.state == State.FAILED and "Whether the settings were written is not known" in job.sentence


def test_the_two_ways_are_told_with_what_may_go_out(account: Account, pool: FakePool) -> None:
    account.aws.mail = replace(account.aws.mail, sent=120)
    of = row(pool)
    of.estimated_users = 2_000
    cognito, ses = actions.mail_days(of, actions.mail_of(of))
    assert (cognito.limit.ours, cognito.limit.codes, cognito.at_once) == (40, 50, False)
    assert cognito.last is not None and (cognito.last - database_now()).days in (48, 49), "40 a day"
    assert (ses.limit.ours, ses.users, ses.at_once) == (49_880, 2_000, True)
    account.aws.fail("ses", Cause.DENIED, message="Denied.")
    _, ses = actions.mail_days(of, actions.mail_of(of))
    assert (ses.users, ses.at_once, ses.limit.why) == (None, False, "Denied.")


# --- what is refused before a job is there --------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"typed": "production"}, "Type production SES"),
        ({"reason": "why"}, "Say why"),
        ({"identity": "else.example"}, "no identity of this name"),
        ({"sender": ""}, "say which address"),
        ({"sender": "a@else.example"}, "no address of uni.example"),
    ],
)
def test_a_wrong_question_changes_nothing(
    account: Account, pool: FakePool, given: dict[str, Any], why: str
) -> None:
    with pytest.raises(actions.Refused, match=why):
        ask(pool, **given)
    assert not Job.objects.exists() and account.aws.calls["update"] == 0


@pytest.mark.parametrize(
    ("told", "why"),
    [({"production": False}, "sandbox"), ({"sending": False}, "paused"), ({"senders": ()}, "no identity")],
)
def test_a_ses_that_would_deliver_nothing_is_not_switched_to(
    account: Account, pool: FakePool, told: dict[str, Any], why: str
) -> None:
    account.aws.mail = replace(account.aws.mail, **told)
    with pytest.raises(actions.Refused, match=why):
        ask(pool)
    assert not Job.objects.exists()


def test_an_identity_that_is_not_verified_is_not_switched_to(account: Account, pool: FakePool) -> None:
    [sender] = account.aws.mail.senders
    account.aws.mail = replace(account.aws.mail, senders=(replace(sender, verified=False),))
    with pytest.raises(actions.Refused, match="not verified"):
        ask(pool)


def test_without_ses_nobody_is_switched_to_it_and_anybody_back(account: Account, pool: FakePool) -> None:
    run(ask(pool))
    account.aws.fail("ses", Cause.DENIED, times=9, message="Denied.")
    with pytest.raises(actions.Refused, match=r"Denied\. Without that"):
        ask(pool, sender="no-reply@uni.example")
    assert run(back(pool)).state == State.DONE


def test_a_pool_that_is_not_described_is_not_switched(account: Account, pool: FakePool) -> None:
    account.aws.fail("describe", Cause.GONE, message="Gone.")
    with pytest.raises(actions.Refused, match=r"Gone\. Nothing was changed"):
        ask(pool)


def test_what_is_so_already_is_not_asked_for(account: Account, pool: FakePool) -> None:
    run(ask(pool))
    with pytest.raises(actions.Refused, match="already"):
        ask(pool)


def test_the_page_sees_what_there_is_to_choose_from(account: Account, pool: FakePool) -> None:
    found = actions.mail_of(row(pool))
    assert not found.through_ses and found.text.startswith("Cognito")
    assert found.ses is not None and [one.name for one in found.ses.senders] == ["uni.example"]
    account.aws.fail("ses", Cause.UNSUPPORTED, message="Not here.")
    assert actions.mail_of(row(pool)).why == "Not here."
    run(ask(pool))
    assert actions.mail_of(row(pool)).through_ses


# --- bad days -------------------------------------------------------------------------------------------


def test_a_mail_that_changed_since_is_left_alone(account: Account, pool: FakePool) -> None:
    job = ask(pool)
    account.aws.pools[pool.pool_id]["EmailConfiguration"] = {"EmailSendingAccount": "DEVELOPER", "From": "x"}
    job = run(job)
    assert (job.state, account.aws.calls["update"]) == (State.FAILED, 0)
    assert "not what it was when this was asked for" in job.sentence and "Nothing was written" in job.sentence


def test_what_somebody_else_has_done_meanwhile_is_not_done_again(account: Account, pool: FakePool) -> None:
    job = ask(pool)
    account.aws.pools[pool.pool_id]["EmailConfiguration"] = job.params["wanted"]
    job = run(job)
    assert (job.state, account.aws.calls["update"]) == (State.DONE, 0)
    assert job.sentence.endswith("already: nothing was written.")


def test_a_setting_that_we_do_not_know_stops_it(account: Account, pool: FakePool) -> None:
    account.aws.pools[pool.pool_id]["Zebra"] = "striped"
    job = run(ask(pool))
    assert job.state == State.FAILED and "Zebra" in job.sentence and account.aws.calls["update"] == 0


def test_a_denial_is_told_and_nothing_is_changed(account: Account, pool: FakePool) -> None:
    account.aws.fail("update", Cause.DENIED, message="Denied.")
    job = run(ask(pool))
    assert job.state == State.FAILED and job.sentence == "Denied. No setting of the pool was changed."


def test_an_answer_that_stays_lost_is_not_known_and_what_was_is_kept(
    account: Account, pool: FakePool
) -> None:
    account.aws.fail("update", Cause.LOST, message="Lost.")
    job = run(ask(pool))
    assert job.state == State.FAILED and "not known" in job.sentence
    assert job.result[KEPT]["user_pool"]["DeletionProtection"] == "ACTIVE"


def test_what_cannot_be_read_back_is_no_success(account: Account, pool: FakePool) -> None:
    job = ask(pool)
    account.aws.fail("describe", Cause.UNREACHABLE, nth=2, message="No connection.")
    job = run(job)
    assert job.state == State.DONE_WITH_FAILURES
    assert "could not be read back, and so not compared: No connection." in job.sentence


def test_a_setting_that_did_not_survive_is_named(
    account: Account, pool: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = account.aws.update
    monkeypatch.setattr(
        account.aws,
        "update",
        lambda pool_id, given: update(pool_id, {n: v for n, v in given.items() if n != "UserPoolTags"}),
    )
    job = run(ask(pool))
    assert job.state == State.DONE_WITH_FAILURES
    assert job.result["differs"] == ["UserPoolTags"] and "should be: UserPoolTags." in job.sentence


def test_a_worker_that_died_after_the_writing_is_followed_by_one_that_compares(
    account: Account, pool: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = account.aws.update

    def and_die(pool_id: str, given: Any) -> None:
        update(pool_id, given)
        raise Stop("lease-lost")

    job = ask(pool)
    with monkeypatch.context() as patch:
        patch.setattr(account.aws, "update", and_die)
        job = run(job)
    assert job.state == State.RUNNING, "as a process leaves it that was killed"
    Job.objects.filter(pk=job.pk).update(lease_until=None, state=State.QUEUED)
    job = run(job)
    assert job.state == State.DONE and "every other setting is as it was" in job.sentence
    assert account.aws.calls["update"] == 1


def test_after_a_try_that_may_have_written_a_refusal_does_not_say_that_nothing_was(
    account: Account, pool: FakePool
) -> None:
    job = ask(pool)
    Job.objects.filter(pk=job.pk).update(result={KEPT: {"user_pool": {}, "mfa": {}}})
    account.aws.fail("describe", Cause.DENIED, message="Denied.")
    assert "Whether the settings were written is not known" in run(job).sentence
