"""Compare: two sides are chosen, a job reads them, and the page says what differs. A viewer may, too."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from backups.models import Difference, Job, Pool
from tests.web.pages import NAME, POOL_ID, a_backup, a_job, a_pool, enter, text

pytestmark = pytest.mark.django_db
LIVE = f"live:{POOL_ID}"


def a_comparison(**result: Any) -> Job:
    backup = a_backup(suggested=True)
    found = {"only_from": 2, "only_to": 0, "changed": 1, "same": 1997, "fields": {"email": 1}, "notes": []}
    sides = {
        "from": {"key": backup.key, "read_at": "2026-11-22T14:02:00+00:00", "users": 2000},
        "to": {"key": LIVE, "read_at": "2026-11-22T14:02:05+00:00", "users": 1998},
    }
    job = a_job(
        Job.Kind.COMPARE,
        "done",
        params={"from": backup.key, "to": LIVE},
        result=sides | found | result,
    )
    for number in range(2):
        email = f"person{number}@uni.example"
        Difference.objects.create(
            job=job, kind="only_from", key=f"s{number}", label=email, username=f"u{number}", search=email
        )
    Difference.objects.create(
        job=job,
        kind="changed",
        key="s9",
        label="zoe@uni.example",
        username="u9",
        matched_by="email",
        fields=[{"field": "email", "old": "zoe@uni.example", "new": "zoe@lab.example"}],
        search="zoe@uni.example\nzoe@lab.example",
    )
    return job


# --- choosing -------------------------------------------------------------------------------------


def test_the_suggested_backup_and_its_live_pool_are_chosen_already(iva: Client) -> None:
    a_pool()
    suggested, older = a_backup(suggested=True), a_backup(1)
    page = iva.get("/compare/").content.decode()
    assert f'<option value="{suggested.key}" selected>' in page
    assert f'<option value="{LIVE}" selected>' in page
    assert page.index("Suggested") < page.index("Live pools") < page.index(older.key)


def test_an_address_chooses_both_sides(iva: Client) -> None:
    newer, older = a_backup(), a_backup(1)
    page = iva.get("/compare/", {"from": older.key, "to": newer.key}).content.decode()
    assert f'<option value="{older.key}" selected>' in page
    assert f'<option value="{newer.key}" selected>' in page


def test_a_backup_that_cannot_be_read_cannot_be_chosen(iva: Client) -> None:
    a_backup(state="incomplete", reason="no manifest")
    cut = a_backup(1, state="unreadable", reason="not JSON")
    page = iva.get("/compare/")
    assert cut.key not in page.content.decode()
    assert "no readable backup" in text(page)


def test_a_pool_that_is_gone_is_no_live_pool(iva: Client) -> None:
    a_pool(presence=Pool.Presence.GONE)
    a_backup(suggested=True)
    assert LIVE not in iva.get("/compare/").content.decode()


def test_comparing_starts_a_job_and_opens_its_page(iva: Client) -> None:
    a_pool()
    backup = a_backup()
    response = iva.post("/compare/", {"from": backup.key, "to": LIVE})
    job = Job.objects.get()
    assert response.headers["Location"] == f"/compare/{job.pk}/"
    assert (job.kind, job.params) == ("compare", {"from": backup.key, "to": LIVE})


def test_swapping_starts_nothing(iva: Client) -> None:
    newer, older = a_backup(), a_backup(1)
    page = iva.post("/compare/", {"from": newer.key, "to": older.key, "swap": "yes"}).content.decode()
    assert page.index(f'<option value="{older.key}" selected>') < page.index(
        f'<option value="{newer.key}" selected>'
    )
    assert not Job.objects.exists()


def test_a_refusal_keeps_what_was_chosen(iva: Client) -> None:
    backup = a_backup()
    response = iva.post("/compare/", {"from": backup.key, "to": backup.key})
    assert response.status_code == 400
    assert "Both sides are the same" in text(response)
    assert f'<option value="{backup.key}" selected>' in response.content.decode()
    assert not Job.objects.exists()


def test_a_viewer_may_compare(viewer: Client) -> None:
    newer, older = a_backup(), a_backup(1)
    assert viewer.post("/compare/", {"from": older.key, "to": newer.key}).status_code == 302


# --- the result -----------------------------------------------------------------------------------


def test_while_it_runs_the_page_says_how_far_it_is(iva: Client) -> None:
    a_pool()
    backup = a_backup()
    job = a_job(
        Job.Kind.COMPARE,
        params={"from": backup.key, "to": LIVE},
        counters={"read_from": 2000, "read_to": 840},
    )
    page = iva.get(f"/compare/{job.pk}/")
    assert "840 read on the second side" in text(page)
    assert "You can close this page. The job runs on the server." in text(page)
    assert f'data-stream="/jobs/{job.pk}/stream"' in page.content.decode()


def test_the_verdict_has_every_number_and_always_that_of_the_same(iva: Client) -> None:
    page = text(iva.get(f"/compare/{a_comparison().pk}/"))
    assert "2 users only in A, 1 changed, 1,997 the same" in page
    assert "2 only in A 1 changed 0 only in B 1,997 the same" in page
    assert "Plan a restore of 2 users" in page
    assert "2026-11-22 14:02 UTC" in page


def test_two_equal_sides_are_said_to_be_equal(iva: Client) -> None:
    job = a_comparison(only_from=0, changed=0, same=2000, fields={})
    page = text(iva.get(f"/compare/{job.pk}/"))
    assert "Both sides hold the same 2,000 users" in page
    assert "Plan a restore" not in page


def test_a_change_is_a_sentence_from_old_to_new_with_its_e_mails_masked(iva: Client) -> None:
    page = iva.get(f"/compare/{a_comparison().pk}/", {"kind": "changed"})
    assert "email z••••@uni.example → became z••••@lab.example" in text(page)
    assert "new identity · matched by email" in text(page)
    assert "zoe@" not in page.content.decode()


def test_after_a_reveal_the_e_mails_are_there_and_the_reveal_is_an_entry(iva: Client) -> None:
    job = a_comparison()
    address = f"/compare/{job.pk}/?kind=changed"
    page = iva.post("/reveal/", {"next": address, "what": f"job {job.pk}"}, follow=True)
    assert "zoe@uni.example → became zoe@lab.example" in text(page)


def test_the_search_is_the_servers_and_knows_no_case(iva: Client) -> None:
    page = text(iva.get(f"/compare/{a_comparison().pk}/", {"kind": "only_from", "q": "PERSON1@uni.example"}))
    assert page.count("p••••@uni.example") == 1
    assert "u1" in page


def test_the_search_does_not_spell_out_what_is_masked(iva: Client) -> None:
    job = a_comparison()
    Difference.objects.filter(username="u1").update(search="person1@uni.example\nu1 (x)\neth zürich")

    def found(query: str) -> int:
        page = iva.get(f"/compare/{job.pk}/", {"kind": "only_from", "q": query})
        return len(page.context["rows"].rows)

    parts = ("person1", "person1@", "uni.example", "@")
    assert [found(part) for part in parts] == [0, 0, 0, 0]
    assert [found(whole) for whole in ("U1 (", "zürich", "person1@uni.example")] == [1, 1, 1]
    iva.post("/reveal/", {"next": "/", "what": f"job {job.pk}"})
    assert [found(part) for part in parts] == [1, 1, 2, 2]


def test_a_long_list_goes_on_where_the_page_ended(iva: Client) -> None:
    job = a_comparison(only_from=62)
    for number in range(60):
        Difference.objects.create(
            job=job, kind="only_from", key=f"m{number}", label=f"more-{number}", username=f"more-{number}"
        )
    first = iva.get(f"/compare/{job.pk}/", {"kind": "only_from"}).content.decode()
    assert "more-47" in first
    assert "more-48" not in first
    cursor = str(Difference.objects.get(label="more-47").pk)
    assert f"after={cursor}" in first
    rest = text(iva.get(f"/compare/{job.pk}/", {"kind": "only_from", "after": cursor}))
    assert "more-48" in rest
    assert "more-59" in rest
    assert "Next users" not in rest


def test_a_comparison_that_failed_says_why_and_offers_to_try_again(iva: Client) -> None:
    backup = a_backup()
    job = a_job(
        Job.Kind.COMPARE,
        "failed",
        params={"from": backup.key, "to": LIVE},
        sentence="AWS did not answer (ListUsers).",
    )
    page = text(iva.get(f"/compare/{job.pk}/"))
    assert "AWS did not answer (ListUsers)." in page
    assert "Compare again" in page


def test_another_kind_of_job_is_no_comparison(iva: Client) -> None:
    assert iva.get(f"/compare/{a_job(Job.Kind.BACKUP).pk}/").status_code == 404


def test_a_stranger_is_sent_to_the_sign_in_page() -> None:
    assert Client().get("/compare/").headers["Location"].startswith("/sign-in/")


def test_nobody_outside_the_groups_sees_it() -> None:
    assert enter("guest", "others").get("/compare/").status_code == 403
    assert NAME not in text(enter("guest-2", "others").get("/compare/"))
