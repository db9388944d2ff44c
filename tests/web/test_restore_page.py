"""Restore: choose, read the plan, confirm. Iva may; a viewer may not; nothing is written by looking."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from backups import forms
from backups.core import asked
from backups.core.choices import Choices, Condition, Existing, Guard, How
from backups.core.preflight import Check, State
from backups.models import AuditEntry, Backup, Draft, Job, Plan, Pool
from cognito_admin.bodies import limit
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
    monkeypatch.setattr(asked, "LARGEST_LIST", 3)
    file = SimpleUploadedFile("list.txt", b"ada@x")
    response = iva.post("/restore/", {"backup": a_backup().key, "scope": "list", "file": file})
    assert response.status_code == 400 and "Restore in parts" in text(response)


def test_as_many_as_a_list_may_hold_are_uploaded_and_never_sent_back(iva: Client) -> None:
    many = "\n".join(f"person{number:06}@university.example" for number in range(asked.MOST_NAMES))
    assert len(many) < asked.LARGEST_LIST < limit("/restore/")
    draft = started(iva, a_backup(), scope="list", file=SimpleUploadedFile("all.txt", many.encode()))
    assert len(Choices.of_json(draft.choices).users or ()) == asked.MOST_NAMES
    address = f"/restore/draft/{draft.pk}/what/"
    page = iva.get(address).content.decode()
    assert "100,000 users are named" in page and "person0" not in page

    step = {"backup": draft.source, "scope": "list"}
    assert iva.post(address, step).status_code == 302, "left empty, they are kept"
    draft.refresh_from_db()
    assert len(Choices.of_json(draft.choices).users or ()) == asked.MOST_NAMES
    iva.post(address, step | {"users": "eve"})
    draft.refresh_from_db()
    assert Choices.of_json(draft.choices).users == ("eve",)
    assert iva.post(address, step).status_code == 400, "whoever empties a short list has named nobody"


def test_a_list_that_is_too_long_to_be_typed_is_sent_the_way_of_a_file(iva: Client) -> None:
    many = "\n".join(f"person{number:06}@university.example" for number in range(asked.MOST_NAMES))
    response = iva.post("/restore/", {"backup": a_backup().key, "scope": "list", "users": many})
    assert response.status_code == 400 and "A long list of users is taken as a file" in text(response)
    assert not Draft.objects.exists()


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


def test_a_name_that_is_too_long_to_be_one_is_refused_and_not_kept(iva: Client) -> None:
    a_pool()
    backup = a_backup()
    for given in ({"backup": "k" * 401}, {"backup": backup.key, "pool": "p" * 65}):
        refused = iva.post("/restore/", {"scope": "everything", **given})
        assert refused.status_code == 400
        assert "Nothing was planned." in text(refused)
    assert not Draft.objects.exists()
    draft = started(iva, backup)
    refused = iva.post(f"/restore/draft/{draft.pk}/how/", {"pool": "p" * 65, "existing": "skip"})
    assert refused.status_code == 400 and "Choose the pool to restore into." in text(refused)
    refused = iva.post(f"/restore/draft/{draft.pk}/what/", {"backup": "k" * 401, "scope": "everything"})
    assert refused.status_code == 400
    draft.refresh_from_db()
    assert (draft.pool_id, draft.source) == ("", backup.key)


def test_a_draft_whose_plan_was_made_leads_to_it(iva: Client) -> None:
    a_pool()
    job = planned(iva, started(iva, a_backup()))
    assert f'href="/restore/{job.pk}/">Open its plan' in iva.get("/restore/").content.decode()
    draft = Draft.objects.get()
    change = f'href="/restore/draft/{draft.pk}/how/"'
    assert f"{change}>Change it" in iva.get("/restore/").content.decode()
    assert change in iva.get(f"/restore/{job.pk}/").content.decode()
    Job.objects.filter(pk=job.pk).update(state="failed")
    assert f"{change}>Choose otherwise" in iva.get(f"/restore/{job.pk}/").content.decode()
    Draft.objects.update(owner="AIDAPOL")
    assert change not in iva.get(f"/restore/{job.pk}/").content.decode(), "it is somebody else's"
    Draft.objects.update(owner="AIDAIVA")
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
    assert f"/restore/{plan.job_id}/?action=skip&amp;reason=federated&amp;detail=Google#users" in (
        page.content.decode()
    )


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
    return {"needs": {"invite": {"mails": 134, "owed": 134, "codes": 0, "last": last, "out": 2}}}


def test_through_ses_it_is_said_when_the_last_person_is_in(iva: Client) -> None:
    ways = {
        "silent": {"mails": 0, "owed": 0, "codes": 121, "last": "2026-12-02T14:00:00+00:00", "out": 0},
        "invite": {"mails": 134, "owed": 134, "codes": 0, "last": "2026-12-05T14:00:00+00:00", "out": 2},
        "later": {"mails": 0, "owed": 0, "codes": 0, "last": "2026-12-24T14:00:00+00:00", "out": 0},
    }
    said = text(iva.get(f"/restore/{a_plan(counts={'mail_limit': None, 'needs': ways}).job_id}/"))
    for day in ("2 December 2026", "5 December 2026"):
        assert f"does not bind it, and the last person is back on {day} at the earliest." in said
    assert "24 December" not in said, "nobody waits for a mail of that way"


def test_where_ses_sends_nothing_no_reserve_is_blamed(iva: Client) -> None:
    never = {"mails": 134, "owed": 134, "codes": 0, "last": None, "out": 0}
    stop = Check("mail", State.STOP, "SES allows 0 mails in 24 hours.", "", ("invite",))
    counts = {"mail_limit": None, "needs": {"invite": never}}
    plan = a_plan(counts=counts, checks=[stop.as_json()])
    page = iva.get(f"/restore/{plan.job_id}/")
    assert "SES allows 0 mails in 24 hours." in text(page) and "MAIL_RESERVE" not in text(page)
    refused = go(iva, plan, messages="invite")
    assert refused.status_code == 409 and "SES allows 0 mails in 24 hours." in text(refused)
    assert not Job.objects.filter(kind=Job.Kind.RESTORE).exists()


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


def test_whoever_a_guard_holds_back_is_not_said_to_be_in_order(iva: Client) -> None:
    plan = a_plan(
        create=0, counts={"held": 1, "guards": {"newer": 1}, "by_reason": {"newer": 1, "linked": 1}}
    )
    an_item(plan.job, 7, action="skip", reason="newer")
    page = iva.get(f"/restore/{plan.job_id}/")
    said = text(page)
    assert "Nothing is missing" not in said
    assert "Nothing would be written 2 users are held back." in said
    assert 'href="#decide">What you can decide</a>' in page.content.decode()
    assert 'id="decide"' in page.content.decode() and 'id="ways"' not in page.content.decode()
    plan.job.params |= {"source": "file:old.json"}
    plan.job.save()
    Plan.objects.filter(pk=plan.pk).update(source="file:old.json", counts=plan.counts | {"by_reason": {}})
    page = iva.get(f"/restore/{plan.job_id}/")
    assert "Nothing would be written 1 user is held back." in text(page)
    assert "#decide" not in page.content.decode(), "nothing is decided about a file on this page"


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


# --- what the plan found, in sentences ------------------------------------------------------------


def lead_to(client: Client, plan: Plan, sentence: str) -> str:
    """The rows that a sentence of the plan's page leads to, as they are read."""
    page = client.get(f"/restore/{plan.job_id}/").content.decode()
    found = re.search(rf'<li>{re.escape(sentence)} <a href="([^"#]+)#users">', page)
    assert found, sentence
    rows = client.get(html.unescape(found[1])).content.decode()
    return rows[rows.index('id="users"') :]


def test_who_does_not_get_in_by_themselves_is_counted_and_listed(iva: Client) -> None:
    counts = {"disabled": 1, "unverified": 1, "invitable": 2, "resettable": 1, "create": 4}
    plan = a_plan(create=4, counts=counts)
    plan.job.items.filter(position=2).update(enabled=False, label="closed")
    said = text(iva.get(f"/restore/{plan.job_id}/"))
    assert "1 person of the 4 who are created is enabled with a verified e-mail" in said
    assert "come in by “forgot password”. 2 people can be invited by mail." in said
    assert "1 person never had the e-mail verified: restored silently, they can neither sign in" in said
    assert "1 of them has no e-mail at all" in said
    plan.job.items.filter(position=0).update(reason="missing-factor-unverified", label="never")
    plan.job.items.filter(position=1).update(reason="missing-unverified", label="helpless")
    plan.counts["by_reason"] = {"missing-unverified": 1, "missing-factor-unverified": 1}
    plan.save(update_fields=["counts"])
    rows = lead_to(
        iva,
        plan,
        "1 person never had the e-mail verified: restored silently, they can neither sign in nor reset their "
        "password by themselves.",
    )
    assert "never" in rows and "helpless" in rows and rows.count("<tr>") == 3
    assert "Only users who cannot sign in by themselves where they are restored silently." in rows
    rows = lead_to(iva, plan, "1 user was disabled, comes back disabled, and is never written to.")
    assert "closed" in rows and rows.count("<tr>") == 2 and "Only users who come back disabled." in rows


def test_what_does_not_come_back_is_counted_and_listed(iva: Client) -> None:
    counts = {"factors_lost": 2, "reset_required": 3, "left_out": {"custom:team": 1}, "withheld": 1}
    plan = a_plan(create=4, counts=counts)
    plan.job.items.filter(position=0).update(reason="missing-factor")
    plan.job.items.filter(position=1).update(reason="missing-factor-unverified")
    plan.job.items.filter(position=3).update(withheld=["root"])
    said = text(iva.get(f"/restore/{plan.job_id}/"))
    assert "3 users had to reset the password before; that mark does not come back." in said
    assert "1 user comes back without custom:team, which this pool does not know." in said
    assert (
        lead_to(iva, plan, "2 users had a second factor, and come back without one.").count(
            "had a second factor, and comes back without one"
        )
        == 2
    )
    rows = lead_to(iva, plan, "1 membership in a privileged group is not put back.")
    assert "not put back: root" in rows and rows.count("<tr>") == 2


@pytest.mark.parametrize(("known", "said"), [(False, True), (True, False)])
def test_a_backup_that_knows_no_second_factors_says_so(iva: Client, known: bool, said: bool) -> None:
    page = text(iva.get(f"/restore/{a_plan(facts={'factors_known': known}).job_id}/"))
    assert ("This backup does not say who had a second factor." in page) is said


def test_an_update_is_shown_field_by_field_and_masked(iva: Client) -> None:
    counts = {"update": 1, "updates": {"email": 1, "name": 1}, "immutable": {"custom:id": 2}}
    plan = a_plan(create=0, counts=counts, choices={})
    changes = [["email", "ada@old.example", "ada@new.example"], ["name", "", "Ada"]]
    an_item(plan.job, 9, action="update", reason="overwrite", detail="email, name", changes=changes)
    page = iva.get(f"/restore/{plan.job_id}/")
    said = text(page)
    assert "update 1" in said and "Go on: confirm" in said
    assert "is in the pool; written over: email, name email a••••@old.example → becomes" in said
    assert "name nothing → becomes Ada" in said
    assert "name is written in 1 user who exists." in said
    assert "custom:id differs in 2 users who exist, and stays: it is written at creation only." in said
    assert "ada@" not in page.content.decode()


def updating(**given: Any) -> Plan:
    """A plan that creates nobody."""
    plan = a_plan(create=0, counts={"update": 1}, **given)
    an_item(plan.job, 9, action="update", reason="overwrite", detail="name")
    return plan


def test_where_nobody_is_created_no_way_back_in_is_chosen(iva: Client) -> None:
    plan = updating()
    page = iva.get(f"/restore/{plan.job_id}/").content.decode()
    form = page.split('id="ways"')[1].split("</form>")[0]
    assert 'type="hidden" name="messages" value="later"' in form and "radio" not in form
    assert "random password" not in page and "Nobody is created, so nobody needs a way to get in" in form
    confirm = iva.get(f"/restore/{plan.job_id}/confirm/")
    said = text(confirm)
    assert "Create" not in said and "Update 1 user" in said and "people will need" not in said
    assert "Passwords stay as they are: nobody is created." in said
    assert 'name="messages" value="later"' in confirm.content.decode()
    again = go(iva, plan, messages="later", typed="production 2")
    assert again.status_code == 400 and "Type production 1 to start." in text(again)
    assert go(iva, plan, messages="later", typed="production 1").status_code == 302
    assert Job.objects.get(kind=Job.Kind.RESTORE).params["messages"] == "later"


def test_where_nobody_is_created_the_servers_command_names_the_way_too(iva: Client) -> None:
    plan = updating(choices=Choices(existing=Existing.OVERWRITE).as_json())
    for page in (iva.get(f"/restore/{plan.job_id}/"), iva.get(f"/restore/{plan.job_id}/confirm/")):
        assert f"--plan {plan.job_id} --messages later --yes" in text(page)
        assert "Go on: confirm" not in text(page)


def test_what_is_written_besides_the_backup_is_told(iva: Client) -> None:
    plan = a_plan(counts={"defaults": {"locale": 1}, "links": 2})
    plan.job.params |= {"choices": Choices(defaults={"locale": "en"}, link=True).as_json()}
    plan.job.save()
    plan.job.items.filter(position=0).update(reason="missing-linked", detail="Google")
    said = text(iva.get(f"/restore/{plan.job_id}/"))
    assert "1 user lacks locale and gets “en”, as chosen." in said
    assert lead_to(iva, plan, "2 links to sign-in providers are made again.").count("with Google again") == 1


def test_a_plan_that_changes_nobody_says_that_nothing_will_be_noticed(iva: Client) -> None:
    said = text(iva.get(f"/restore/{a_plan(create=0).job_id}/"))
    assert "What people will notice Nothing: nobody is created or changed by this plan." in said


def test_a_plan_that_only_finishes_somebody_does_not_say_that_nobody_is_changed(iva: Client) -> None:
    plan = a_plan(create=0, counts={"update": 1})
    said = text(iva.get(f"/restore/{plan.job_id}/"))
    assert "nobody is created or changed" not in said


def test_what_the_plan_rests_on_can_be_read(iva: Client) -> None:
    facts = {
        "username_attributes": ["email"],
        "case_sensitive": False,
        "target_users": 1850,
        "source_users": 2000,
        "triggers": ["PreSignUp"],
        "privileged": ["root"],
    }
    said = text(iva.get(f"/restore/{a_plan(facts=facts, counts={'mails_today': 7}).job_id}/"))
    assert f"2,000 users, SHA-256 {'s' * 64}" in said and "1,850 users when it was read" in said
    assert "The email is the username; capitals make no difference." in said
    assert "50 mails a day for the whole account: 7 sent by restores today, 40 more may go out." in said
    assert "Triggers PreSignUp Privileged groups root" in said and "d" * 64 in said


def test_a_plan_with_more_reasons_than_fit_says_of_how_many_users(
    iva: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "REASONS", 1)
    said = text(iva.get(f"/restore/{a_plan().job_id}/"))
    assert "For other reasons, each of fewer users 2" in said


# --- what can be decided --------------------------------------------------------------------------


def undecided(**given: Any) -> Plan:
    """A plan with somebody for each decision."""
    a_pool()
    counts = {
        "unknown": {"custom:team": 2},
        "guards": {"enable": 0, "newer": 0, "privileged": 3},
        "by_reason": {"linked": 4},
    }
    plan = a_plan(counts=counts | given)
    plan.job.params |= {"choices": Choices(users=("ada",)).as_json()}
    plan.job.save()
    an_item(plan.job, 10, action="skip", reason="registered-again")
    an_item(plan.job, 11, action="skip", reason="made-again")
    an_item(plan.job, 12, action="cannot", reason="required-attribute", detail="locale, phone_number")
    return plan


def test_a_plan_with_nothing_to_decide_asks_nothing(iva: Client) -> None:
    assert 'id="decide"' not in iva.get(f"/restore/{a_plan().job_id}/").content.decode()


def test_what_can_be_decided_is_offered_with_its_count_and_nothing_is_ticked(iva: Client) -> None:
    page = iva.get(f"/restore/{undecided().job_id}/")
    form = page.content.decode().split('id="decide"')[1].split("</form>")[0]
    assert "checked" not in form and 'name="default:locale" value=""' in form
    assert "person10@" not in form and form.count("p••••@uni.example") == 2
    said = text(page)
    assert "Show all 2, each with the reason" in said
    listed = iva.get(page.request["PATH_INFO"], {"only": "again"}).content.decode().split('id="users"')[1]
    assert listed.count("p••••@uni.example") == 2 and "was made again by somebody" in listed
    assert "locale : 1 user cannot come back without it." in said
    assert "phone_number : 1 user cannot come back without it. Nobody’s address is guessed." in said
    assert "leave out custom:team : 2 users cannot come back with it" in said
    assert "named in the settings concerns 3 users" in said
    assert "link them again concerns 4 users" in said


def test_what_was_decided_is_planned_told_and_can_be_taken_back(iva: Client) -> None:
    plan = undecided()
    draft = Draft.objects.create(owner="AIDAIVA", source=plan.source, plan=plan.job)
    form = {
        "decided": "yes",
        "people": ["old-10", "old-1"],
        "default:locale": "en",
        "default:name": "nobody asked",
        "leave_out": ["custom:team"],
        "guards": ["privileged"],
        "link": "yes",
    }
    response = iva.post(f"/restore/{plan.job_id}/again/", form)
    job = Job.objects.filter(kind=Job.Kind.PLAN).latest("pk")
    assert response.headers["Location"] == f"/restore/{job.pk}/"
    chosen = Choices(
        users=("ada",),
        again=frozenset({"old-10"}),
        defaults={"locale": "en"},
        leave_out=frozenset({"custom:team"}),
        guards=frozenset({Guard.PRIVILEGED}),
        link=True,
    )
    assert Choices.of_json(job.params["choices"]) == chosen
    draft.refresh_from_db()
    assert draft.plan == job and Choices.of_json(draft.choices) == chosen
    words = "1 person with a new account is the same person; where locale is missing: “en”; "
    words += "left out: custom:team"
    assert f"Decided on an earlier plan: {words}." in text(iva.get(f"/restore/draft/{draft.pk}/how/"))

    job.state = "planned"
    job.save()
    made = Plan.objects.create(
        job=job,
        digest="e" * 64,
        source=plan.source,
        source_sha256="s",
        choices={},
        counts=plan.counts,
        read_at=timezone.now(),
    )
    an_item(job, 10, action="skip", reason="exists")
    for page in (iva.get(f"/restore/{job.pk}/"), confirming(iva, made)):
        assert words in text(page)
    form_ = iva.get(f"/restore/{job.pk}/").content.decode().split('id="decide"')[1].split("</form>")[0]
    assert form_.count(" checked") == 4 and 'name="default:locale" value="en"' in form_
    assert "said to be the same person" in form_


def test_who_was_the_same_person_in_another_backup_is_forgotten_with_it(iva: Client) -> None:
    old, new = a_backup(1), a_backup()
    choices = Choices(again=frozenset({"old-1"}), leave_out=frozenset({"custom:team"}))
    draft = Draft.objects.create(owner="AIDAIVA", source=old.key, choices=choices.as_json())
    iva.post(f"/restore/draft/{draft.pk}/what/", {"backup": old.key, "scope": "everything"})
    draft.refresh_from_db()
    assert Choices.of_json(draft.choices) == choices
    iva.post(f"/restore/draft/{draft.pk}/what/", {"backup": new.key, "scope": "everything"})
    draft.refresh_from_db()
    assert Choices.of_json(draft.choices) == Choices(leave_out=frozenset({"custom:team"}))


def test_a_default_that_nobody_can_have_meant_is_refused(iva: Client) -> None:
    plan = undecided()
    form = {"decided": "yes", "default:locale": "x" * 2049}
    response = iva.post(f"/restore/{plan.job_id}/again/", form)
    assert response.status_code == 400 and "more than 2,048 characters. Nothing was planned." in text(
        response
    )
    assert Job.objects.filter(kind=Job.Kind.PLAN).count() == 1


def test_what_was_ticked_stays_when_the_next_plan_is_refused(iva: Client) -> None:
    plan = undecided()
    Pool.objects.all().delete()
    response = iva.post(f"/restore/{plan.job_id}/again/", {"decided": "yes", "people": ["old-11"]})
    assert response.status_code == 404 and "was seen in the configured Regions" in text(response)
    page = response.content.decode()
    assert 'aria-current="page">Restore</a>' in page
    assert 'value="old-11" checked' in page and 'value="old-10">' in page
    assert f'href="/restore/{plan.job_id}/?action=all#users"' in page, "its links lead to the plan"


def test_a_viewer_decides_nothing(viewer: Client) -> None:
    plan = undecided()
    assert viewer.post(f"/restore/{plan.job_id}/again/", {"decided": "yes"}).status_code == 403


# --- the plan as a file ---------------------------------------------------------------------------


def lines_of(response: Any) -> str:
    assert response.status_code == 200, response.content
    return b"".join(response).decode()


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_a_plan_is_downloaded_to_the_letter_and_its_download_is_an_entry(iva: Client) -> None:
    plan = a_plan()
    assert "Download the plan as CSV" in text(iva.get(f"/restore/{plan.job_id}/"))
    made = list(csv.DictReader(io.StringIO(lines_of(iva.get(f"/restore/{plan.job_id}/plan.csv")))))
    assert [row["email"] for row in made] == [f"person{number}@uni.example" for number in range(5)]
    assert (made[3]["action"], made[3]["why"]) == ("skip", "comes back at the next sign-in through Google")
    entry = AuditEntry.objects.get(act="plan.downloaded")
    assert (entry.job, entry.details) == (plan.job_id, {"what": "csv", "users": 5})

    found = json.loads(lines_of(iva.get(f"/restore/{plan.job_id}/plan.json")))
    assert (found["digest"], found["counts"], len(found["users"])) == ("d" * 64, plan.counts, 5)
    assert found["users"][0]["old_sub"] == "old-0" and "outcome" not in found["users"][0]


def test_what_there_is_no_file_of_is_not_downloaded(iva: Client, viewer: Client) -> None:
    plan = a_plan()
    assert iva.get(f"/restore/{plan.job_id}/plan.xml").status_code == 404
    assert iva.head(f"/restore/{plan.job_id}/plan.csv").status_code == 405
    assert viewer.get(f"/restore/{plan.job_id}/plan.csv").status_code == 403
    running = a_job(Job.Kind.PLAN, params={"source": plan.source})
    assert iva.get(f"/restore/{running.pk}/plan.csv").status_code == 409
    assert not AuditEntry.objects.exists()


# --- the start ------------------------------------------------------------------------------------


def test_the_button_says_how_many_and_where(iva: Client) -> None:
    said = text(confirming(iva, a_plan()))
    assert f"Create 3 users in {NAME}" in said
    assert "Type production 3 to confirm where and how many" in said
    assert "Silent : 0 mails we send, 121 codes people will need." in said


def confirming(client: Client, plan: Plan, way: str = "silent") -> Any:
    return client.get(f"/restore/{plan.job_id}/confirm/", {"messages": way})


def test_who_was_chosen_from_a_comparison_is_said_once_more(iva: Client) -> None:
    chosen = {"comparison": 7, "kind": "only_from", "users": 3}
    said = text(confirming(iva, a_plan(choices={"chosen": chosen})))
    assert "Only 3 users chosen from comparison 7" in said


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


OVERWRITING = {"existing": "overwrite", "guards": []}
REPLACING = {"existing": "skip", "guards": ["replace"]}


@pytest.mark.parametrize(
    ("policy", "choices"), [("overwrite", OVERWRITING), ("overwrite", REPLACING), ("always", {})]
)
def test_what_needs_a_second_person_is_refused_before_anything_is_typed(
    iva: Client, settings: Any, policy: str, choices: dict[str, Any]
) -> None:
    settings.RESTORE_APPROVALS = policy
    settings.OPERATOR_EMAILS = ["person1@uni.example"]
    plan = a_plan(choices=choices)
    for response in (iva.get(f"/restore/{plan.job_id}/"), confirming(iva, plan)):
        said = text(response)
        assert f"This restore needs a second person here (RESTORE_APPROVALS is {policy})" in said
        assert f"manage.py restore --plan {plan.job_id} --messages" in said and f"--yes {NAME}" in said
        page = response.content.decode()
        assert "Go on: confirm" not in page and 'name="typed"' not in page
        assert "121 codes people will need" in said, "what each way means can still be read"
    for given in ({}, {"try": "name-1", "typed": "production 1"}):
        refused = go(iva, plan, **given)
        assert refused.status_code == 403
        assert "which this dashboard cannot yet take. Nothing was changed." in text(refused)
    assert not Job.objects.filter(kind=Job.Kind.RESTORE).exists()


@pytest.mark.parametrize(("policy", "choices"), [("overwrite", {}), ("never", OVERWRITING)])
def test_what_needs_no_second_person_is_started_by_one(
    iva: Client, settings: Any, policy: str, choices: dict[str, Any]
) -> None:
    settings.RESTORE_APPROVALS = policy
    plan = a_plan(choices=choices)
    assert "second person" not in text(iva.get(f"/restore/{plan.job_id}/"))
    assert go(iva, plan).status_code == 302


def test_who_is_deleted_to_make_way_is_counted_before_the_start_and_in_its_entry(
    iva: Client, settings: Any
) -> None:
    settings.RESTORE_APPROVALS = "never"
    plan = a_plan(choices=REPLACING, counts={"replaced": 2})
    assert "Delete 2 sign-ups that nobody confirmed" in text(confirming(iva, plan))
    go(iva, plan)
    assert AuditEntry.objects.get(act="restore.asked").details["delete"] == 2
    assert "that nobody confirmed" not in text(confirming(iva, a_plan()))


def test_the_share_and_who_comes_first_are_the_operators(iva: Client) -> None:
    go(iva, a_plan(), share="0.5", order="changed")
    params = Job.objects.get(kind=Job.Kind.RESTORE).params
    assert (params["share"], params["order"]) == (0.5, "changed")


def test_the_least_time_is_told_for_each_way_and_for_the_share_that_may_be_chosen(iva: Client) -> None:
    """10,000 passwords at 30 a second, the whole quota, are 334 s; at 0.8 a quarter more."""
    plan = a_plan(counts={"seconds": {"silent": 10_000 / 30, "invite": 200.0, "later": 0.0}})
    ways = text(iva.get(f"/restore/{plan.job_id}/"))
    assert "Not less than 7 min at our share of AWS’s quotas." in ways
    assert "Not less than 5 min at our share" in ways and ways.count("Not less than") == 2
    page = text(confirming(iva, plan))
    assert "0.8, as set · 7 min" in page
    assert "1: nobody else uses these pools now · 6 min" in page
    assert "0.5: leave more to the application · 12 min" in page


def test_planning_again_twice_opens_the_plan_that_is_under_way(iva: Client) -> None:
    a_pool()
    plan = a_plan()
    first, again = (iva.post(f"/restore/{plan.job_id}/again/") for _ in range(2))
    made = Job.objects.get(state="queued")
    assert first.headers["Location"] == again.headers["Location"] == f"/restore/{made.pk}/"
    assert iva.post(f"/restore/{made.pk}/again/").headers["Location"] == f"/restore/{made.pk}/"
    Job.objects.filter(state="queued").update(state="planned")
    assert iva.post(f"/restore/{plan.job_id}/again/").headers["Location"] != f"/restore/{made.pk}/"


def test_groups_or_users_who_come_first_are_named(iva: Client) -> None:
    plan = a_plan()
    plan.job.items.filter(position=1).update(groups=["curators"])
    said = text(confirming(iva, plan))
    assert "Groups in this plan: curators." in said
    refused = go(iva, plan, order="groups", first="beta")
    assert refused.status_code == 400 and "a group called beta" in text(refused)
    page = refused.content.decode()
    assert 'value="groups" checked' in page and ">beta</textarea>" in page
    go(iva, plan, order="groups", first="curators\r\n")
    assert Job.objects.get(kind=Job.Kind.RESTORE).params["order"] == {"groups": ["curators"]}


def test_where_nobody_is_in_a_group_none_is_asked_for(iva: Client) -> None:
    page = confirming(iva, a_plan()).content.decode()
    assert 'name="order" value="backup" checked' in page and 'value="list"' in page
    assert 'value="groups"' not in page


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
