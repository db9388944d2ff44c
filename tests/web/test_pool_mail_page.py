"""A pool's mail on its page: what it goes through, what SES allows, the switch and the way back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from backups import wiring
from backups.core.lifecycle import State
from backups.core.mail import Sender, email_settings
from backups.engine.ports import Cause
from backups.models import AuditEntry, Job, Pool
from backups.runner.mail import KEPT
from tests.fakes import FakeAccount
from tests.web.pages import NAME, POOL_ID, a_job, a_plan, a_pool, text

pytestmark = pytest.mark.django_db
ADDRESS = f"/pools/eu-west-1/{POOL_ID}/mail/"
WHY = "invitations go out today"
SENDER = "Biomage <no-reply@uni.example>"
BEFORE = {"EmailSendingAccount": "COGNITO_DEFAULT"}
ARN = "arn:aws:ses:eu-west-1:123456789012:identity/uni.example"
AFTER = email_settings(BEFORE, ARN, SENDER)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAccount:
    account = FakeAccount()
    monkeypatch.setattr(wiring, "account_of", lambda region, **how: account)
    return account


@pytest.fixture
def pool(aws: FakeAccount, settings: Settings) -> Pool:
    settings.RESTORE_APPROVALS = "never"
    return a_pool(estimated_users=2014)


def go(client: Client, **given: str) -> Any:
    rightly = {"to": "ses", "identity": "uni.example", "sender": SENDER, "typed": "production SES"}
    return client.post(ADDRESS, {**rightly, "reason": WHY, **given})


def a_switch(state: str = State.DONE, **given: Any) -> Job:
    result = {"before": BEFORE, "after": AFTER, "differs": []}
    params = {"before": BEFORE, "wanted": AFTER}
    return a_job(Job.Kind.MAIL, state, **{"params": params, "result": result, **given})


# --- what it says ---------------------------------------------------------------------------------------


def test_it_says_what_the_mail_goes_through_and_what_follows_for_a_day(
    iva: Client, pool: Pool, aws: FakeAccount
) -> None:
    aws.mail = replace(aws.mail, sent=120)
    page = text(iva.get(ADDRESS))
    assert f"Mail of {NAME}" in page
    assert "Goes through Cognito (COGNITO_DEFAULT, 50 mails a day for the whole account)" in page
    assert "Through Cognito, as now 50 mails a day for the whole account" in page
    assert "10 of them are kept for codes" in page
    assert "50 mails can go out now 40 of them may be invitations" in page
    assert "One mail for each of about 2,014 users: the last one goes out on" in page
    assert "Through SES 50,000 mails in any 24 hours; 120 went out in the last 24." in page
    assert "49,880 mails can go out now One mail for each" in page
    assert "One mail for each of about 2,014 users: all of them can go out now." in page
    assert "Sending ✓ on Access ✓ production Identity uni.example ✓ verified" in page


def test_one_user_is_one_user(iva: Client, pool: Pool, aws: FakeAccount) -> None:
    Pool.objects.update(estimated_users=1)
    aws.mail = replace(aws.mail, quota=1, sent=0)
    page = text(iva.get(ADDRESS))
    assert "1 mail in any 24 hours" in page and "1 mail can go out now" in page
    assert "about 1 user: all of them" in page


def test_a_pool_through_ses_says_so_without_an_address_in_clear(
    iva: Client, pool: Pool, aws: FakeAccount
) -> None:
    aws.plain(POOL_ID)["EmailConfiguration"] = {**AFTER, "ReplyToEmailAddress": "help@uni.example"}
    response = iva.get(ADDRESS)
    page = text(response)
    assert "Goes through SES as uni.example Sender" in page and "Answers go to h••••@uni.example" in page
    assert "Through SES, as now" in page
    assert "help@uni.example" not in response.content.decode()
    assert "Switch it back to Cognito’s own mail" in page and "production COGNITO" in page


def test_a_pool_that_cannot_be_asked_is_not_known(iva: Client, pool: Pool, aws: FakeAccount) -> None:
    aws.fail("describe", Cause.UNREACHABLE, message="AWS did not answer.")
    page = text(iva.get(ADDRESS))
    assert "is not known. AWS did not answer. Nothing was changed. Look again" in page
    assert "production SES" not in page


def test_a_ses_that_cannot_be_asked_leaves_the_rest(iva: Client, pool: Pool, aws: FakeAccount) -> None:
    aws.fail("ses", Cause.DENIED, message="Denied.")
    page = text(iva.get(ADDRESS))
    assert "Not known: SES did not say. Denied." in page
    assert "Denied. Without that nobody knows whether a mail would arrive." in page
    assert "production SES" not in page


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"production": False}, "▲ sandbox"),
        ({"production": False}, "mails reach verified addresses alone, so hardly any user would get one"),
        ({"sending": False}, "■ paused by AWS"),
        ({"sending": False}, "AWS has paused the sending of SES in this account and Region"),
        ({"quota": None}, "SES sets this account no limit. One mail for each of about 2,014 users: all of"),
        ({"senders": ()}, "No identity: no domain and no address was made known to SES here."),
        ({"senders": ()}, "SES has no verified identity in eu-west-1."),
    ],
)
def test_what_ses_does_not_allow_is_said(
    iva: Client, pool: Pool, aws: FakeAccount, told: dict[str, Any], said: str
) -> None:
    aws.mail = replace(aws.mail, **told)
    page = text(iva.get(ADDRESS))
    assert said in page
    if "quota" not in told:
        assert "production SES" not in page, "there is nothing to switch to"


def test_an_identity_that_is_not_verified_is_listed_and_not_offered(
    iva: Client, pool: Pool, aws: FakeAccount
) -> None:
    other = Sender("other@uni.example", ARN.replace("uni.example", "other@uni.example"), verified=False)
    aws.mail = replace(aws.mail, senders=(*aws.mail.senders, other))
    response = iva.get(ADDRESS)
    assert "Identity other@uni.example ▲ not verified" in text(response)
    assert '<option value="other@uni.example"' not in response.content.decode()


def test_a_pool_that_is_not_known_is_not_found(iva: Client, pool: Pool) -> None:
    assert iva.get("/pools/eu-west-1/eu-west-1_Nothing/mail/").status_code == 404
    assert iva.get(f"/pools/us-east-1/{POOL_ID}/mail/").status_code == 404
    assert iva.get(f"/pools/eu-west-1/{POOL_ID}%00/mail/").status_code == 404


# --- the switch -----------------------------------------------------------------------------------------


def test_it_is_switched_by_one_who_types_where_and_whereto(iva: Client, pool: Pool) -> None:
    response = go(iva)
    job = Job.objects.get()
    assert response.headers["Location"] == f"/jobs/{job.pk}/"
    assert (job.kind, job.queue, job.reason) == (Job.Kind.MAIL, "write", WHY)
    assert job.params == {"before": BEFORE, "wanted": AFTER}
    assert AuditEntry.objects.get(act="mail.switch-asked").job == job.pk
    page = text(iva.get(ADDRESS))
    assert f"Its mail is being switched: job {job.pk}" in page
    assert "production SES" not in page, "not twice at once"
    assert "Only one may at a time" in text(go(iva))


def test_the_way_back_is_the_same_way(iva: Client, pool: Pool, aws: FakeAccount) -> None:
    aws.plain(POOL_ID)["EmailConfiguration"] = AFTER
    assert go(iva, to="cognito", typed="production COGNITO").status_code == 302
    assert Job.objects.get().params["wanted"] == BEFORE


@pytest.mark.parametrize(
    ("given", "said", "status"),
    [
        ({"typed": "production"}, "Type production SES to switch.", 400),
        ({"reason": "why"}, "Say why in a few words", 400),
        ({"sender": ""}, "say which address of it the mails come from", 400),
        ({"sender": "a@else.example"}, "no address of uni.example", 400),
        ({"identity": "else.example"}, "no identity of this name", 404),
        ({"identity": ""}, "Choose what the mails shall come from.", 400),
        ({"to": ""}, "Choose what the mails shall come from.", 400),
        ({"to": "cognito", "typed": "production COGNITO"}, "goes through Cognito", 409),
    ],
)
def test_a_refusal_is_a_sentence_and_keeps_what_was_typed(
    iva: Client, pool: Pool, given: dict[str, str], said: str, status: int
) -> None:
    response = go(iva, **given)
    page = text(response)
    assert response.status_code == status and said in page
    assert not Job.objects.exists()
    if given.get("to", "ses") == "ses" and "typed" not in given:
        form = response.content.decode()
        assert 'value="production SES"' in form
        for name in ("sender", "reason"):
            kept = given.get(name, {"sender": "Biomage &lt;no-reply@uni.example&gt;", "reason": WHY}[name])
            assert f'name="{name}" value="{kept}"' in form, name


def test_a_viewer_looks_and_does_not_switch(viewer: Client, pool: Pool, aws: FakeAccount) -> None:
    address = Sender("no-reply@uni.example", ARN, verified=True)
    aws.mail = replace(aws.mail, senders=(address,))
    response = viewer.get(ADDRESS)
    assert "vera may not restore" in text(response) and "production SES" not in text(response)
    assert "no-reply@uni.example" not in response.content.decode()
    assert go(viewer).status_code == 403
    assert not Job.objects.exists()


def test_where_a_second_person_is_wanted_it_says_so_and_shows_the_terminal(
    iva: Client, pool: Pool, settings: Settings
) -> None:
    settings.RESTORE_APPROVALS = "overwrite"
    page = text(iva.get(ADDRESS))
    assert "needs a second person here (RESTORE_APPROVALS is overwrite), which this dashboard cannot" in page
    assert f"manage.py switch_mail --pool {POOL_ID}" in page
    assert "production SES" not in page
    response = go(iva)
    assert response.status_code == 403 and "needs a second person" in text(response)
    assert not Job.objects.exists()


# --- the job's page -------------------------------------------------------------------------------------


def test_the_jobs_page_shows_before_and_after_and_the_way_back(iva: Client, pool: Pool) -> None:
    job = a_switch()
    response = iva.get(f"/jobs/{job.pk}/")
    page = text(response)
    assert f"Switched the mail of {NAME} to SES" in page
    assert "Goes through Cognito SES SES" in page
    assert "Identity of SES – uni.example uni.example" in page
    assert "n••••@uni.example" in page and "no-reply@uni.example" not in response.content.decode()
    assert f'href="{ADDRESS}?back={job.pk}#back"' in response.content.decode()
    assert "Switch it back…" in page and "Every setting as it was read" not in page


def test_the_way_back_to_another_identity_is_filled_in(iva: Client, pool: Pool, aws: FakeAccount) -> None:
    job = a_switch(
        params={"before": AFTER, "wanted": BEFORE}, result={"before": AFTER, "after": BEFORE, "differs": []}
    )
    back = f"{ADDRESS}?back={job.pk}"
    assert f'href="{back}#switch"' in iva.get(f"/jobs/{job.pk}/").content.decode()
    form = iva.get(back).content.decode()
    assert '<option value="uni.example" selected>' in form
    assert 'value="Biomage &lt;no-reply@uni.example&gt;"' in form
    for strange in ("0", "no", "9" * 30, str(a_plan().job_id)):
        assert " selected>" not in iva.get(f"{ADDRESS}?back={strange}").content.decode()


def test_while_it_runs_it_shows_what_was_asked(iva: Client, pool: Pool) -> None:
    page = text(iva.get(f"/jobs/{a_switch(State.RUNNING, result={}).pk}/"))
    assert f"Switching the mail of {NAME} to SES" in page
    assert "Setting Before Asked for Goes through Cognito SES" in page and "Read back" not in page
    assert "the writing takes a moment" in page


def test_where_something_differs_every_setting_of_before_is_there(iva: Client, pool: Pool) -> None:
    kept = {"user_pool": {"Id": POOL_ID, "EmailConfiguration": {"From": "ada@uni.example"}}, "mfa": {}}
    job = a_switch(State.DONE_WITH_FAILURES, result={KEPT: kept, "after": AFTER, "differs": ["Policies"]})
    response = iva.get(f"/jobs/{job.pk}/")
    assert "Every setting as it was read before the writing" in text(response)
    assert "a••••@uni.example" in text(response) and "ada@uni.example" not in response.content.decode()
    failed = a_switch(State.FAILED, result={KEPT: kept})
    assert "Look at this pool’s mail" in text(iva.get(f"/jobs/{failed.pk}/"))


# --- the ways to it -------------------------------------------------------------------------------------


def test_the_overview_the_settings_and_the_plan_lead_to_it(iva: Client, pool: Pool) -> None:
    link = f'href="{ADDRESS}"'
    plan = f"/restore/{a_plan().job_id}/"
    for page in ("/?asked=1", "/settings/", plan):
        assert link in iva.get(page).content.decode(), page
    assert "Cognito, 50 a day for the whole account" not in text(iva.get("/?asked=1")), "nobody asked yet"
    Pool.objects.update(mail="COGNITO_DEFAULT")
    assert "Its mail goes through Cognito, 50 a day for the whole account." in text(iva.get("/?asked=1"))
    Pool.objects.update(mail="DEVELOPER")
    assert "Its mail goes through SES." in text(iva.get("/?asked=1"))
    of_ses = a_plan(counts={"mail_limit": None})
    assert link not in iva.get(f"/restore/{of_ses.job_id}/").content.decode(), "it is there already"


def test_the_terminal_is_told_for_the_way_back_that_was_asked_for(
    iva: Client, pool: Pool, aws: FakeAccount, settings: Settings
) -> None:
    settings.RESTORE_APPROVALS = "overwrite"
    to_ses = a_switch()
    response = iva.get(f"{ADDRESS}?back={to_ses.pk}")
    page = text(response)
    assert f"manage.py switch_mail --pool {POOL_ID} --to cognito --yes {NAME} --reason TEXT" in page
    assert "--sender" not in page and 'id="back"' in response.content.decode()
    to_cognito = a_switch(params={"before": AFTER, "wanted": BEFORE})
    response = iva.get(f"{ADDRESS}?back={to_cognito.pk}")
    assert f"--to uni.example --sender '{SENDER}' --yes {NAME}" in text(response)
    assert 'id="switch"' in response.content.decode()
    assert f"--to IDENTITY --sender ADDRESS --yes {NAME}" in text(iva.get(ADDRESS))
