"""Restore: choose, read the plan, confirm. Iva may; a viewer may not; nothing is written by looking."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from backups.core.choices import Choices, Condition, Existing, Guard, How
from backups.core.preflight import Check, State
from backups.models import AuditEntry, Backup, Draft, Job, Plan, Pool
from backups.views import prepare
from tests.web.pages import NAME, POOL_ID, a_backup, a_job, a_plan, a_pool, an_item, enter, reveal, text

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


# --- what comes back ------------------------------------------------------------------------------


def started(client: Client, backup: Backup, **given: Any) -> Draft:
    """Step 1, sent; the draft that it made."""
    response = client.post("/restore/", {"backup": backup.key, "scope": "everything"} | given)
    draft = Draft.objects.get()
    assert response.headers["Location"] == f"/restore/draft/{draft.pk}/how/"
    return draft


def planned(client: Client, draft: Draft, **given: Any) -> Job:
    """Step 2, sent; the job that makes the plan."""
    rightly = {"pool": POOL_ID, "existing": "skip"}
    response = client.post(f"/restore/draft/{draft.pk}/how/", rightly | given)
    job = Job.objects.get(kind="plan")
    assert response.headers["Location"] == f"/restore/{job.pk}/"
    return job


def test_the_suggested_backup_and_the_pool_that_it_names_are_chosen_already(iva: Client) -> None:
    a_pool("biomage-user-pool-case-insensitive-staging", "eu-west-1_sT4g1nGz7")
    a_pool()
    a_backup(name="biomage-user-pool-case-insensitive-staging", suggested=True)
    suggested = a_backup(suggested=True)
    page = iva.get("/restore/").content.decode()
    assert f'<option value="{suggested.key}" selected>' in page
    assert 'value="everything" checked' in page
    how = iva.get(f"/restore/draft/{started(iva, suggested).pk}/how/").content.decode()
    assert f'<option value="{POOL_ID}" selected>' in how
    assert 'value="skip" required checked' in how and 'name="guards" value="enable">' in how


def test_a_backup_in_the_address_is_chosen_however_old(iva: Client) -> None:
    a_backup(suggested=True)
    old = a_backup(11)
    page = iva.get("/restore/", {"backup": old.key}).content.decode()
    assert f'<option value="{old.key}" selected>' in page


def test_a_pool_that_is_gone_is_said_and_cannot_be_chosen(iva: Client) -> None:
    backup = a_backup(suggested=True)
    a_pool(presence=Pool.Presence.GONE)
    assert f"{NAME} ({POOL_ID}) is gone from eu-west-1" in text(iva.get("/restore/"))
    how = text(iva.get(f"/restore/draft/{started(iva, backup).pk}/how/"))
    assert "No pool was found to restore into" in how


def test_planning_starts_a_job_that_reads(iva: Client) -> None:
    a_pool()
    backup = a_backup()
    job = planned(iva, started(iva, backup))
    assert (job.queue, job.params["source"]) == ("read", backup.key)
    assert Choices.of_json(job.params["choices"]) == Choices()
    assert Draft.objects.get().plan == job


def test_a_list_is_typed_or_uploaded_or_both(iva: Client) -> None:
    a_pool()
    file = SimpleUploadedFile("list.csv", "\ufeffbob@uni.example\r\n".encode())
    draft = started(iva, a_backup(), scope="list", users="ada@uni.example, eve", file=file)
    assert Choices.of_json(draft.choices).users == ("ada@uni.example", "bob@uni.example", "eve")
    page = text(iva.get(f"/restore/draft/{draft.pk}/how/"))
    assert "3 named users" in page and "ada@" not in page
    job = planned(iva, draft)
    assert job.params["choices"]["users"] == ["ada@uni.example", "bob@uni.example", "eve"]
    again = iva.get(f"/restore/draft/{draft.pk}/what/").content.decode()
    assert 'value="list" checked' in again and ">ada@uni.example\nbob@uni.example\neve</textarea>" in again


def test_conditions_limit_a_restore_and_are_said_in_words(iva: Client) -> None:
    a_pool()
    row = {"field": ["custom:institution", ""], "how": ["begins", "is"], "value": ["Uni", ""]}
    draft = started(iva, a_backup(), scope="filter", **row)
    assert Choices.of_json(draft.choices).tests == (Condition("custom:institution", How.BEGINS, "Uni"),)
    assert "custom:institution begins with “Uni”" in text(iva.get(f"/restore/draft/{draft.pk}/how/"))


def test_what_was_typed_as_conditions_stays_when_it_is_refused(iva: Client) -> None:
    row = {"field": ["custom:institution"], "how": ["like"], "value": ["Uni"]}
    refused = iva.post("/restore/", {"backup": a_backup().key, "scope": "filter", **row})
    assert refused.status_code == 400
    assert 'value="custom:institution"' in (page := refused.content.decode()) and 'value="Uni"' in page


def test_who_exists_and_every_guard_are_chosen_and_nothing_is_by_itself(iva: Client) -> None:
    a_pool()
    draft = started(iva, a_backup())
    given = {"existing": "overwrite", "guards": ["enable", "newer"], "link": "yes"}
    choices = Choices.of_json(planned(iva, draft, **given).params["choices"])
    assert choices.existing == Existing.OVERWRITE and choices.link
    assert choices.guards == {Guard.ENABLE, Guard.NEWER}
    page = iva.get(f"/restore/draft/{draft.pk}/how/").content.decode()
    assert 'value="overwrite" required checked' in page and 'value="newer" checked' in page


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"scope": "list", "users": " "}, "nobody would be restored"),
        ({"scope": "filter", "field": [""], "how": ["is"], "value": [""]}, "No condition was filled in"),
        ({"scope": "filter", "field": ["a"], "how": ["like"], "value": ["b"]}, "Choose how a is held"),
        ({"scope": "some"}, "Choose what is to come back"),
        ({"backup": ""}, "Choose the backup to restore from"),
        ({"scope": "list", "file": SimpleUploadedFile("l", b"\xff\xfe\x00")}, "no text in UTF-8"),
    ],
)
def test_what_cannot_be_meant_is_said_and_keeps_nothing(iva: Client, given: dict[str, Any], why: str) -> None:
    response = iva.post("/restore/", {"backup": a_backup().key, "scope": "everything"} | given)
    assert response.status_code == 400 and why in text(response)
    assert not Draft.objects.exists()


def test_a_list_has_a_size(iva: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "LARGEST_LIST", 3)
    file = SimpleUploadedFile("list.txt", b"ada@x")
    response = iva.post("/restore/", {"backup": a_backup().key, "scope": "list", "file": file})
    assert response.status_code == 400 and "Restore in parts" in text(response)


@pytest.mark.parametrize(
    ("given", "why", "status"),
    [
        ({"pool": "eu-west-1_no"}, "Choose the pool to restore into", 400),
        ({"existing": ""}, "Choose what is done with users who are in the pool already", 400),
        ({"guards": ["all"]}, "There is no guard called all", 400),
    ],
)
def test_where_and_how_have_to_be_chosen(iva: Client, given: dict[str, Any], why: str, status: int) -> None:
    a_pool()
    draft = started(iva, a_backup())
    response = iva.post(f"/restore/draft/{draft.pk}/how/", {"pool": POOL_ID, "existing": "skip"} | given)
    assert response.status_code == status and why in text(response)
    assert not Job.objects.exists()


def test_an_unreadable_backup_is_refused_with_its_reason(iva: Client) -> None:
    a_pool()
    draft = started(iva, a_backup(state="unreadable", reason="it is cut off in the middle of a user"))
    response = iva.post(f"/restore/draft/{draft.pk}/how/", {"pool": POOL_ID, "existing": "skip"})
    assert response.status_code == 409
    assert "it is cut off in the middle of a user" in text(response)
    assert not Job.objects.exists()


def test_a_draft_waits_for_its_owner_and_for_nobody_else(iva: Client) -> None:
    draft = started(iva, a_backup())
    page = iva.get("/restore/").content.decode()
    assert f'href="/restore/draft/{draft.pk}/how/">Go on with it' in page
    pol = enter("pol", "engineering")
    assert "What you began" not in pol.get("/restore/").content.decode()
    for step in ("what", "how"):
        assert pol.get(f"/restore/draft/{draft.pk}/{step}/").status_code == 404
    Draft.objects.update(changed_at=timezone.now() - timedelta(days=31))
    assert "What you began" not in iva.get("/restore/").content.decode()
    iva.post("/restore/", {"backup": draft.source, "scope": "everything"})
    assert not Draft.objects.filter(pk=draft.pk).exists(), "the old ones go when a new one is begun"


def test_a_draft_whose_plan_was_made_leads_to_it(iva: Client) -> None:
    a_pool()
    job = planned(iva, started(iva, a_backup()))
    assert f'href="/restore/{job.pk}/">Open its plan' in iva.get("/restore/").content.decode()
    draft = Draft.objects.get()
    response = iva.post(
        f"/restore/draft/{draft.pk}/what/", {"backup": draft.source, "scope": "list", "users": "eve"}
    )
    assert response.headers["Location"] == f"/restore/draft/{draft.pk}/how/"
    draft.refresh_from_db()
    assert Choices.of_json(draft.choices).users == ("eve",)


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
    assert "checked" not in page.content.decode().split('id="ways"')[1].split("</form>")[0]


def test_through_ses_no_day_limit_is_claimed(iva: Client) -> None:
    said = text(iva.get(f"/restore/{a_plan(counts={'mail_limit': None}).job_id}/"))
    assert "This pool mails through SES" in said
    assert "at the earliest" not in said


def needing(last: str | None) -> dict[str, Any]:
    return {"needs": {"invite": {"mails": 134, "codes": 0, "last": last, "out": 2}}}


def test_inviting_over_the_limit_takes_days_and_says_until_when(iva: Client) -> None:
    page = iva.get(f"/restore/{a_plan(counts=needing('2027-01-01T09:00:00+00:00')).job_id}/")
    assert "so the last person is back on 1 January 2027 at the earliest." in text(page)
    assert "2 people cannot get in by it at all." in text(page)
    assert 'value="invite" required>' in page.content.decode()


def test_an_invitation_that_would_never_go_out_cannot_be_chosen(iva: Client) -> None:
    plan = a_plan(counts=needing(None))
    page = iva.get(f"/restore/{plan.job_id}/")
    assert "No invitation would ever go out" in text(page)
    assert 'value="invite" required disabled' in page.content.decode()
    assert "no invitation would ever go out" in text(go(iva, plan, messages="invite"))
    assert not Job.objects.filter(kind=Job.Kind.RESTORE).exists()


def test_a_plan_that_may_not_be_started_says_so_on_top_and_has_no_form(iva: Client) -> None:
    why = "This is a backup of staging, and the target is production."
    page = iva.get(f"/restore/{a_plan(refusals=[why]).job_id}/").content.decode()
    assert page.index(why) < page.index("<h1>")
    assert 'id="ways"' not in page


def test_when_nobody_is_missing_there_is_nothing_to_start(iva: Client) -> None:
    page = iva.get(f"/restore/{a_plan(create=0).job_id}/")
    assert "Nothing is missing" in text(page)
    assert 'id="ways"' not in page.content.decode()


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
    said = text(confirming(iva, a_plan()))
    assert f"Create 3 users in {NAME}" in said
    assert "Type production 3 to confirm where and how many" in said
    assert "Silent : 0 mails we send, 121 codes people will need." in said


def confirming(client: Client, plan: Plan, way: str = "silent") -> Any:
    return client.get(f"/restore/{plan.job_id}/confirm/", {"messages": way})


def test_without_a_way_nothing_is_confirmed(iva: Client) -> None:
    plan = a_plan()
    for way in ("", "pigeon"):
        response = confirming(iva, plan, way)
        assert response.status_code == 400
        assert "Choose how people get in again" in text(response) and 'id="ways"' in response.content.decode()


def test_a_plan_that_cannot_be_started_is_not_confirmed(iva: Client) -> None:
    page = confirming(iva, a_plan(refusals=["Another environment."]))
    assert "This plan cannot be started" in text(page) and 'id="confirm"' not in page.content.decode()


def test_what_to_know_of_the_chosen_way_stands_beside_the_button(iva: Client) -> None:
    checks = [
        {
            "code": "a",
            "state": "warn",
            "sentence": "PostConfirmation runs.",
            "remedy": "",
            "ways": ["silent"],
        },
        {"code": "b", "state": "warn", "sentence": "Mails go out.", "remedy": "Wait.", "ways": ["invite"]},
        {"code": "c", "state": "pass", "sentence": "All attributes exist.", "remedy": "", "ways": []},
    ]
    plan = a_plan(checks=checks)
    said = text(iva.get(f"/restore/{plan.job_id}/"))
    for word in ("▲ warn PostConfirmation runs. (silent only)", "✓ pass All attributes exist.", "Wait."):
        assert word in said
    said = text(confirming(iva, plan))
    assert "PostConfirmation runs." in said
    assert "Mails go out." not in said and "All attributes exist." not in said


def test_it_is_tried_with_the_operators_own_users_first(iva: Client, settings: Any) -> None:
    settings.OPERATOR_EMAILS = ["person1@uni.example", "nobody@uni.example"]
    plan = a_plan()
    said = text(confirming(iva, plan))
    assert "Try with 1 user first" in said and "Type production 1 to confirm" in said
    key = plan.job.items.get(email="person1@uni.example").key
    assert go(iva, plan, only=key, typed="production 1").status_code == 302
    job = Job.objects.get(kind=Job.Kind.RESTORE)
    assert job.params["only"] == [key]
    plan.refresh_from_db()
    assert plan.restore is None, "the plan stays for everybody"


def test_the_share_and_who_comes_first_are_the_operators(iva: Client) -> None:
    go(iva, a_plan(), share="0.5", order="changed")
    params = Job.objects.get(kind=Job.Kind.RESTORE).params
    assert (params["share"], params["order"]) == (0.5, "changed")


def test_the_same_plan_is_made_again(iva: Client) -> None:
    a_pool()
    plan = a_plan()
    response = iva.post(f"/restore/{plan.job_id}/again/")
    job = Job.objects.filter(kind=Job.Kind.PLAN).latest("pk")
    assert response.headers["Location"] == f"/restore/{job.pk}/" and job.pk != plan.job_id
    Pool.objects.all().delete()
    assert "was seen in the configured Regions" in text(iva.post(f"/restore/{plan.job_id}/again/"))


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
        ({"share": "all"}, 400, "The share of the quotas is a number"),
        ({"share": "7"}, 400, "between 0.05 and 1"),
        ({"order": "name"}, 400, "Choose who comes first"),
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
    if "reason" not in given and "messages" not in given:
        assert 'value="INC-204 &amp; more"' in page
    if "typed" in given:
        assert f'name="typed" value="{given["typed"]}"' in page
    if "messages" not in given:
        assert 'name="messages" value="silent"' in page
    assert not Job.objects.filter(kind=Job.Kind.RESTORE).exists()


def test_a_refused_plan_cannot_be_started_though_the_form_was_forged(iva: Client) -> None:
    response = go(iva, a_plan(refusals=["Another environment."]))
    assert response.status_code == 409
    assert not Job.objects.filter(kind=Job.Kind.RESTORE).exists()


def test_a_way_that_a_check_stops_is_refused_and_the_others_are_not(iva: Client) -> None:
    stop = Check("sms", State.STOP, "Nobody without a phone gets an invitation.", "", ("invite",))
    plan = a_plan(checks=[stop.as_json()])
    assert "Nobody without a phone" in text(iva.get(f"/restore/{plan.job_id}/"))
    refused = go(iva, plan, messages="invite")
    assert refused.status_code == 409
    assert "Nobody without a phone gets an invitation. Nothing was written." in text(refused)
    assert not Job.objects.filter(kind=Job.Kind.RESTORE).exists()
    assert go(iva, plan, messages="silent").status_code == 302


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
