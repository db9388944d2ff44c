"""Restore: choose, read the plan, confirm. Iva may; a viewer may not; nothing is written by looking."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from backups.models import AuditEntry, Job, Plan, Pool
from tests.web.pages import NAME, POOL_ID, a_backup, a_job, a_plan, a_pool, an_item, reveal, text

pytestmark = pytest.mark.django_db


def go(client: Client, plan: Plan, **given: str) -> Any:
    """Fill in the form rightly, but for what is given, and send it."""
    rightly = {
        "messages": "silent",
        "reason": "pool deleted, INC-204",
        "typed": "production 3",
        "digest": plan.digest,
    }
    return client.post(f"/restore/{plan.job_id}/start/", rightly | given)


# --- choosing -------------------------------------------------------------------------------------


def test_the_suggested_backup_and_the_pool_that_it_names_are_chosen_already(iva: Client) -> None:
    a_pool("biomage-user-pool-case-insensitive-staging", "eu-west-1_sT4g1nGz7")
    a_pool()
    a_backup(name="biomage-user-pool-case-insensitive-staging", suggested=True)
    suggested = a_backup(suggested=True)
    page = iva.get("/restore/").content.decode()
    assert f'<option value="{suggested.key}" selected>' in page
    assert f'<option value="{POOL_ID}" selected>' in page


def test_a_backup_in_the_address_is_chosen_however_old(iva: Client) -> None:
    a_pool()
    a_backup(suggested=True)
    old = a_backup(11)
    assert (
        f'<option value="{old.key}" selected>' in iva.get("/restore/", {"backup": old.key}).content.decode()
    )


def test_a_pool_that_is_gone_is_said_and_cannot_be_chosen(iva: Client) -> None:
    a_backup(suggested=True)
    a_pool(presence=Pool.Presence.GONE)
    page = text(iva.get("/restore/"))
    assert f"{NAME} ({POOL_ID}) is gone from eu-west-1" in page
    assert "No pool was found to restore into" in page


def test_planning_starts_a_job_that_reads(iva: Client) -> None:
    a_pool()
    backup = a_backup()
    response = iva.post("/restore/", {"backup": backup.key, "pool": POOL_ID})
    job = Job.objects.get()
    assert response.headers["Location"] == f"/restore/{job.pk}/"
    assert (job.kind, job.queue, job.params["source"]) == ("plan", "read", backup.key)


def test_an_unreadable_backup_is_refused_with_its_reason(iva: Client) -> None:
    a_pool()
    cut = a_backup(state="unreadable", reason="it is cut off in the middle of a user")
    response = iva.post("/restore/", {"backup": cut.key, "pool": POOL_ID})
    assert response.status_code == 409
    assert "it is cut off in the middle of a user" in text(response)
    assert not Job.objects.exists()


def test_an_unknown_pool_is_refused(iva: Client) -> None:
    response = iva.post("/restore/", {"backup": a_backup().key, "pool": "eu-west-1_no"})
    assert response.status_code == 400
    assert "Nothing was planned and nothing was written." in text(response)


# --- the plan -------------------------------------------------------------------------------------


def test_the_plan_counts_every_reason_and_links_to_its_users(iva: Client) -> None:
    plan = a_plan()
    page = iva.get(f"/restore/{plan.job_id}/")
    said = text(page)
    assert "Create : in the backup, not in the pool 3" in said
    assert "Skip : comes back at the next sign-in through Google 1" in said
    assert "Groups made first, because the pool lacks them: curators" in said
    assert "?action=skip&amp;reason=federated#users" in page.content.decode()


def test_what_cannot_come_back_is_told_before_anything_starts(iva: Client) -> None:
    said = text(iva.get(f"/restore/{a_plan(counts={'unverified': 45}).job_id}/"))
    assert "and the old password does not work any more." in said
    assert "They set up second factors by app, passkeys and remembered devices again." in said
    assert "45 people never had the e-mail verified" in said


def test_both_ways_have_their_two_numbers_against_the_days_limit_and_none_is_chosen(iva: Client) -> None:
    page = iva.get(f"/restore/{a_plan().job_id}/")
    said = text(page)
    assert "0 mails we send 121 codes people will need" in said
    assert "134 mails we send 0 codes people will need" in said
    assert "Cognito sends 50 mails a day for the whole account" in said
    assert "so the last person is back on day 3 at the earliest" in said
    assert "checked" not in page.content.decode().split('id="confirm"')[1].split("</form>")[0]


def test_through_ses_no_day_limit_is_claimed(iva: Client) -> None:
    said = text(iva.get(f"/restore/{a_plan(counts={'mail_limit': None}).job_id}/"))
    assert "This pool mails through SES" in said
    assert "at the earliest" not in said


def test_inviting_over_the_limit_cannot_be_chosen_and_says_why(iva: Client) -> None:
    why = "134 invitations are more than the 40 that a restore may send a day."
    page = iva.get(f"/restore/{a_plan(counts={'invite_refused': why}).job_id}/")
    assert why in text(page)
    assert 'value="invite" required disabled' in page.content.decode()


def test_a_plan_that_may_not_be_started_says_so_on_top_and_has_no_form(iva: Client) -> None:
    why = "This is a backup of staging, and the target is production."
    page = iva.get(f"/restore/{a_plan(refusals=[why]).job_id}/").content.decode()
    assert page.index(why) < page.index("<h1>")
    assert 'id="confirm"' not in page


def test_when_nobody_is_missing_there_is_nothing_to_start(iva: Client) -> None:
    page = iva.get(f"/restore/{a_plan(create=0).job_id}/")
    assert "Nothing is missing" in text(page)
    assert 'id="confirm"' not in page.content.decode()


def test_the_users_of_a_plan_are_filtered_and_searched_by_the_server(iva: Client) -> None:
    plan = a_plan()
    address = f"/restore/{plan.job_id}/"
    assert text(iva.get(address, {"action": "skip"})).count("p••••@uni.example") == 2
    assert text(iva.get(address, {"reason": "federated"})).count("p••••@uni.example") == 1
    assert text(iva.get(address, {"q": "PERSON2@uni.example"})).count("p••••@uni.example") == 1
    for part in ("person2", "PERSON2@", "uni.example"):  # it would spell out what is masked
        assert "Nobody in this plan fits." in text(iva.get(address, {"q": part}))
    reveal(iva, f"job {plan.job_id}")
    assert "person2@uni.example" in text(iva.get(address, {"q": "PERSON2@"}))
    assert "Nobody in this plan fits." in text(iva.get(address, {"q": "nobody"}))


def test_a_long_plan_goes_on_where_the_page_ended(iva: Client) -> None:
    plan = a_plan(create=0)
    for number in range(100, 160):
        an_item(plan.job, number, label=f"row-{number}")
    first = iva.get(f"/restore/{plan.job_id}/").content.decode()
    assert "row-147" in first
    assert "row-148" not in first
    assert "row-148" in iva.get(f"/restore/{plan.job_id}/", {"after": "147"}).content.decode()


def test_while_the_plan_is_made_the_page_follows_it(iva: Client) -> None:
    job = a_job(Job.Kind.PLAN, params={"source": a_backup().key}, counters={"live": 840})
    page = iva.get(f"/restore/{job.pk}/")
    assert "840 read from the live pool" in text(page)
    assert 'data-reload="yes"' in page.content.decode()


def test_a_plan_that_failed_says_why_and_that_nothing_was_written(iva: Client) -> None:
    job = a_job(Job.Kind.PLAN, "failed", params={"source": a_backup().key}, sentence="The pool is gone.")
    said = text(iva.get(f"/restore/{job.pk}/"))
    assert "The pool is gone. Nothing was written." in said
    assert "Plan again" in said


# --- the start ------------------------------------------------------------------------------------


def test_the_button_says_how_many_and_where(iva: Client) -> None:
    said = text(iva.get(f"/restore/{a_plan().job_id}/"))
    assert f"Create 3 users in {NAME}" in said
    assert "Type production 3 to confirm where and how many" in said


def test_a_plan_rightly_confirmed_becomes_a_restore(iva: Client) -> None:
    plan = a_plan()
    response = go(iva, plan)
    job = Job.objects.get(kind=Job.Kind.RESTORE)
    assert response.headers["Location"] == f"/jobs/{job.pk}/"
    assert (job.params["messages"], job.reason) == ("silent", "pool deleted, INC-204")
    entry = AuditEntry.objects.get(act="restore.asked")
    assert (entry.actor, entry.job) == ("iva", job.pk)


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({"typed": "production 2003"}, 400, "Type production 3 to start."),
        ({"typed": "staging 3"}, 400, "Type production 3 to start."),
        ({"reason": "  "}, 400, "Say why"),
        ({"messages": ""}, 400, "Choose how people get in again"),
        ({"messages": "later"}, 400, "the command line does"),
        ({"digest": "e" * 64}, 409, "not the one that is kept here"),
    ],
)
def test_what_is_wrong_is_said_and_the_form_keeps_what_was_filled_in(
    iva: Client, given: dict[str, str], status: int, said: str
) -> None:
    response = go(iva, a_plan(), **{"reason": "INC-204 & more"} | given)
    assert response.status_code == status
    assert said in text(response)
    page = response.content.decode()
    if "reason" not in given:
        assert 'value="INC-204 &amp; more"' in page
    if "typed" in given:
        assert f'name="typed" value="{given["typed"]}"' in page
    if "messages" not in given:
        assert 'value="silent" required checked' in page
    assert not Job.objects.filter(kind=Job.Kind.RESTORE).exists()


def test_an_invitation_over_the_limit_is_refused_though_the_form_was_forged(iva: Client) -> None:
    plan = a_plan(counts={"invite_refused": "134 invitations are more than 40."})
    response = go(iva, plan, messages="invite")
    assert response.status_code == 409
    assert "134 invitations are more than 40." in text(response)
    assert not Job.objects.filter(kind=Job.Kind.RESTORE).exists()


def test_a_refused_plan_cannot_be_started_though_the_form_was_forged(iva: Client) -> None:
    response = go(iva, a_plan(refusals=["Another environment."]))
    assert response.status_code == 409
    assert not Job.objects.filter(kind=Job.Kind.RESTORE).exists()


def test_a_plan_is_started_once(iva: Client) -> None:
    plan = a_plan()
    go(iva, plan)
    Job.objects.filter(kind=Job.Kind.RESTORE).update(state="done", finished_at=timezone.now())
    assert go(iva, plan).status_code == 409
    assert Job.objects.filter(kind=Job.Kind.RESTORE).count() == 1
    assert "This plan was started" in text(iva.get(f"/restore/{plan.job_id}/"))


def test_a_restore_is_never_started_by_a_get(iva: Client) -> None:
    plan = a_plan()
    response = iva.get(f"/restore/{plan.job_id}/start/", {"messages": "silent", "typed": "production 3"})
    assert response.status_code == 405
    assert not Job.objects.filter(kind=Job.Kind.RESTORE).exists()


def test_without_the_pages_own_token_nothing_starts(iva: Client) -> None:
    plan = a_plan()
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = iva.cookies
    assert go(strict, plan).status_code == 403
    assert not Job.objects.filter(kind=Job.Kind.RESTORE).exists()


def test_a_viewer_may_neither_plan_nor_restore(viewer: Client) -> None:
    plan = a_plan()
    assert viewer.get("/restore/").status_code == 403
    assert go(viewer, plan).status_code == 403
    assert not Job.objects.filter(kind=Job.Kind.RESTORE).exists()
