"""Who is in again, on the page; and the form that invites those who are not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from backups import wiring
from backups.engine.ports import Cause
from backups.models import Item, Job
from tests.fakes import FakeAccount
from tests.web.pages import NAME, a_job, a_pool, an_item, reveal, text

pytestmark = pytest.mark.django_db
WHY = "INC-204: people wait"


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> FakeAccount:
    """What SES says."""
    account = FakeAccount()
    monkeypatch.setattr(wiring, "account_of", lambda region, **how: account)
    return account


def a_restore() -> Job:
    return a_job(Job.Kind.RESTORE, "done", finished_at=timezone.now(), params={"messages": "later"})


def a_reading(restore: Job | None, waiting: int = 3) -> Job:
    words = {"in again": 1, "may have signed in": 1, "not yet": waiting, "cannot know": 0}
    job = a_job(
        Job.Kind.PLAN,
        "done",
        params={"people": restore.pk if restore else None},
        result={
            "read_at": timezone.now().isoformat(),
            "valid_days": 7,
            "words": words,
            "ran_out": 1,
            "waiting": waiting,
        },
        finished_at=timezone.now(),
    )
    a_row(job, 90, "in again", "confirmed")
    a_row(job, 91, "may have signed in", "no-bound")
    for number in range(waiting):
        a_row(job, number, "not yet", "ran-out" if number == 0 else "not-invited")
    return job


def a_row(job: Job, number: int, word: str, why: str, **given: Any) -> Item:
    dates = [["UserLastModifiedDate", "", f"2026-01-0{number % 9 + 1}"]]
    return an_item(
        job, number, action="look", detail=word, reason=why, new_sub=f"new-{number}", changes=dates, **given
    )


def go(client: Client, restore: Job, reading: Job, **given: str) -> Any:
    rightly = {"reading": str(reading.pk), "order": "backup", "typed": "production invite 3", "reason": WHY}
    return client.post(f"/people/{restore.pk}/invite/", rightly | given)


def test_a_restore_that_was_not_looked_at_offers_to_read(iva: Client) -> None:
    restore = a_restore()
    assert "The pool was not read yet" in text(iva.get(f"/people/{restore.pk}/"))
    response = iva.post(f"/people/{restore.pk}/read/")
    job = Job.objects.get(kind=Job.Kind.PLAN)
    assert response.headers["Location"] == f"/people/{restore.pk}/"
    assert (job.queue, job.params) == ("read", {"people": restore.pk})
    page = text(iva.get(f"/people/{restore.pk}/"))
    assert f"The pool is being read: job {job.pk}" in page
    assert "Read again" not in page


def test_words_evidence_and_people_are_told_with_masked_e_mails(iva: Client) -> None:
    restore = a_restore()
    a_reading(restore)
    response = iva.get(f"/people/{restore.pk}/")
    page = text(response)
    for said in (
        "In again 1 person",
        "May have signed in 1 person",
        "Not yet 3 people",
        "Cannot know 0 people",
        "Invitation ran out, after 7 days 1 person",
        "FORCE_CHANGE_PASSWORD became CONFIRMED",
        "Read again",
        "Invite 3 people",
    ):
        assert said in page, said
    assert "person0@uni.example" not in response.content.decode()
    reveal(iva, f"job {restore.pk}")
    assert "person0@uni.example" in text(iva.get(f"/people/{restore.pk}/"))


def test_the_list_is_filtered(iva: Client) -> None:
    restore = a_restore()
    a_reading(restore)
    for query, people in (("word=not yet", 3), ("why=ran-out", 1), ("q=new-1", 1), ("word=x", 5)):
        assert len(iva.get(f"/people/{restore.pk}/?{query}").context["rows"].rows) == people, query


def test_those_who_wait_are_invited_with_the_number_that_was_shown(iva: Client) -> None:
    restore = a_restore()
    reading = a_reading(restore)
    page = text(iva.get(f"/people/{restore.pk}/"))
    assert "3 mails, each with a new temporary password" in page
    assert "Today 40 mails may still go out" in page
    response = go(iva, restore, reading, order="changed")
    job = Job.objects.get(kind=Job.Kind.INVITE)
    assert response.headers["Location"] == f"/jobs/{job.pk}/"
    assert (job.queue, job.params["order"], job.items.count()) == ("write", "changed", 3)
    assert list(job.items.values_list("new_sub", flat=True)) == ["new-2", "new-1", "new-0"]
    assert iva.get(f"/jobs/{job.pk}/").status_code == 200


def test_what_is_wrong_is_said_with_the_form_as_it_was_filled_in(iva: Client) -> None:
    restore = a_restore()
    reading = a_reading(restore)
    response = go(iva, restore, reading, typed="production 3")
    assert response.status_code == 400
    assert "Type production invite 3 to send. Nobody was written to." in text(response)
    response = go(iva, restore, reading, order="list", first="who@uni.example")
    assert "not among those who wait" in text(response)
    newer = a_reading(restore)
    response = go(iva, restore, reading)
    assert (response.status_code, "read again since" in text(response)) == (409, True)
    assert go(iva, restore, newer).status_code == 302


def test_who_was_invited_today_is_left_out(iva: Client) -> None:
    restore = a_restore()
    a_reading(restore, 2)
    an_item(restore, 0, new_sub="new-0", messages=1, mailed_at=timezone.now() - timedelta(hours=2))
    page = text(iva.get(f"/people/{restore.pk}/"))
    assert "Invite 1 person who waits" in page
    assert "1 person who waits too is left out" in page
    an_item(restore, 1, new_sub="new-1", messages=1, mailed_at=timezone.now())
    page = text(iva.get(f"/people/{restore.pk}/"))
    assert "When the pool was read, 2 people had not set a password of their own yet." in page
    assert "Nobody of them may be written to now: disabled, without an e-mail, or invited less" in page
    assert "wait for an invitation" not in page, "they were invited, and it is still valid"


def test_whom_an_undo_deleted_is_not_invited_and_the_page_says_why(iva: Client) -> None:
    restore = a_restore()
    reading = a_reading(restore, 2)
    undo = a_job(Job.Kind.UNDO, "done", params={"undo": restore.pk})
    an_item(undo, 0, action="delete", outcome="deleted", new_sub="new-0")
    page = text(iva.get(f"/people/{restore.pk}/"))
    assert f"Undone by job {undo.pk} : 1 user deleted." in page
    assert "1 person of those below was deleted again by an undo since the pool was read" in page
    assert "Invite 1 person who waits" in page and "left out" not in page
    an_item(undo, 1, action="delete", outcome="deleted", new_sub="new-1")
    page = text(iva.get(f"/people/{restore.pk}/"))
    assert "2 people of those below were deleted again by an undo" in page and "waits for" not in page
    assert go(iva, restore, reading, typed="production invite 2").status_code == 409
    assert not Job.objects.filter(kind=Job.Kind.INVITE).exists()


def test_a_pool_is_read_without_a_restore(iva: Client, account: FakeAccount) -> None:
    pool = a_pool(mail="DEVELOPER")
    response = iva.post("/people/", {"pool": pool.pool_id})
    job = Job.objects.get(kind=Job.Kind.PLAN)
    assert response.headers["Location"] == f"/people/{job.pk}/"
    job.delete()
    reading = a_reading(None)
    page = text(iva.get(f"/people/{reading.pk}/"))
    assert f"Who waits for an invitation in {NAME}" in page
    assert "This pool mails through SES, which lets 50,000 mails more go out now" in page
    account.mail = replace(account.mail, quota=None)
    assert "through SES, which sets no limit" in text(iva.get(f"/people/{reading.pk}/"))
    account.fail("ses", Cause.DENIED, message="Not allowed to ask SES.")
    page = text(iva.get(f"/people/{reading.pk}/"))
    assert "how many mails it may send is not known: Not allowed to ask SES." in page
    again = iva.post(f"/people/{reading.pk}/read/").headers["Location"]
    assert again != f"/people/{reading.pk}/"
    assert go(iva, reading, reading).status_code == 302


@pytest.mark.parametrize("state", ["paused", "waiting", "running"])
def test_while_a_job_has_the_pool_nobody_can_be_invited_and_the_page_says_what_to_do(
    iva: Client, state: str
) -> None:
    restore = a_job(Job.Kind.RESTORE, state, params={"messages": "silent"})
    reading = a_reading(restore)
    page = text(iva.get(f"/people/{restore.pk}/"))
    assert f"3 people wait for an invitation. Job {restore.pk} ({state}) has this pool to itself" in page
    assert "Invite 3 people" not in page
    assert go(iva, restore, reading).status_code == 409
    Job.objects.filter(pk=restore.pk).update(state="cancelled")
    assert "Invite 3 people" in text(iva.get(f"/people/{restore.pk}/"))
    Job.objects.filter(pk=restore.pk).update(state=state, pool_id="eu-west-1_another")
    assert "Invite 3 people" in text(iva.get(f"/people/{restore.pk}/"))


@pytest.mark.parametrize(
    ("mail", "changes", "reserve", "said"),
    [
        ("COGNITO_DEFAULT", {}, 50, "All mails of a day are kept for people who ask for a code"),
        ("DEVELOPER", {"production": False}, 10, "SES is in its sandbox"),
        ("DEVELOPER", {"sending": False}, 10, "SES sends no mails for this account now"),
    ],
)
def test_invitations_that_would_never_go_out_are_not_started(
    iva: Client,
    account: FakeAccount,
    settings: Settings,
    mail: str,
    changes: dict[str, Any],
    reserve: int,
    said: str,
) -> None:
    settings.MAIL_RESERVE = reserve
    a_pool(mail=mail)
    account.mail = replace(account.mail, **changes)
    restore = a_restore()
    reading = a_reading(restore)
    page = text(iva.get(f"/people/{restore.pk}/"))
    assert said in page
    assert "Invite 3 people" not in page
    response = go(iva, restore, reading)
    assert (response.status_code, "Nobody was written to." in text(response)) == (409, True)
    assert not Job.objects.filter(kind=Job.Kind.INVITE).exists()


def test_a_reading_of_a_restore_leads_to_the_restores_page(iva: Client) -> None:
    restore = a_restore()
    reading = a_reading(restore)
    assert iva.get(f"/people/{reading.pk}/").headers["Location"] == f"/people/{restore.pk}/"
    assert iva.get(f"/people/{a_job(Job.Kind.BACKUP).pk}/").status_code == 404


def test_a_viewer_may_look_and_no_more(viewer: Client) -> None:
    restore = a_restore()
    reading = a_reading(restore)
    page = viewer.get(f"/people/{restore.pk}/")
    assert "Not yet 3 people" in text(page)
    for button in ("Read again", "Invite 3 people", "Plan an undo"):
        assert button not in text(page)
    assert viewer.post(f"/people/{restore.pk}/read/").status_code == 403
    assert viewer.post("/people/", {"pool": "x"}).status_code == 403
    assert go(viewer, restore, reading).status_code == 403
    assert not Job.objects.filter(kind=Job.Kind.INVITE).exists()
