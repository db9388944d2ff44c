"""Find the last good backup: the form, what is refused, and the page of what was found."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from backups import history
from backups.core.lastgood import Rule, about, search
from backups.models import AuditEntry, Backup, Event, Job
from backups.models.audit import Act
from tests.web.pages import NAME, NIGHT, a_backup, a_job, a_pool, enter, reveal, text

pytestmark = pytest.mark.django_db
ADA = "ada@uni.example"
ASKED = {"pool": NAME, "rule": "user", "user": ADA}


def day(number: int) -> datetime:
    return NIGHT - timedelta(days=30 - number)


def a_search(truth: list[bool | None], rule: Rule | None = None, *, state: str = "done", **given: Any) -> Job:
    """A search over a backup a day, that was read where it had to be; the pair is in the catalogue."""
    rule = rule or Rule.of("user", name=ADA)
    known = given.pop("known", [None] * len(truth))
    found = search(known, [], lambda place: truth[place])
    result = about(
        found, [day(place) for place in range(len(truth))], NAME, dict.fromkeys(found.over, "it was cut")
    )
    for side, place in zip(("good", "bad"), found.pair or (), strict=False):
        row = a_backup(
            key=f"{day(place):%Y-%m-%d.%H-%M-%S}/{NAME}",
            taken_at=day(place),
            users=300 if side == "good" else 120,
        )
        result[side] = {"key": row.key, "at": row.taken_at.isoformat(), "users": row.users}
    params = {"pool_name": NAME, "rule": rule.params}
    done = (
        {"result": result | given.pop("result", {}), "finished_at": timezone.now()} if state == "done" else {}
    )
    return a_job(Job.Kind.FIND, state, pool_id="", params=params, **done | given)


# --- asking -------------------------------------------------------------------------------------------


def test_the_form_stands_on_the_compare_page_and_on_a_page_of_its_own(iva: Client) -> None:
    a_pool()
    a_backup(1, name="other-staging")
    for page in (iva.get("/compare/"), iva.get("/find/")):
        said = page.content.decode()
        assert 'action="/find/"' in said
        assert said.index(f"<option>{NAME}</option>") < said.index("<option>other-staging</option>")
        assert '<a href="/compare/" aria-current="page">Compare</a>' in said


def test_a_link_fills_the_form_in(iva: Client) -> None:
    a_pool()
    a_backup(1, name="other-staging")
    page = iva.get("/find/", {"pool": "other-staging", "rule": "at-least", "users": "285"}).content.decode()
    assert "<option selected>other-staging</option>" in page
    assert 'value="at-least" checked' in page
    assert 'name="users" value="285"' in page


def test_the_overview_leads_there_where_a_newer_backup_is_passed_over(iva: Client) -> None:
    a_pool()
    a_backup(1, suggested=True, users=301)
    a_backup(passed_over="120 users, a fall of 60 % from 301")
    page = iva.get("/").content.decode()
    assert (
        f'<a href="/find/?pool={NAME}&amp;rule=at-least&amp;users=286">Find the last good backup</a>' in page
    )
    Backup.objects.update(passed_over="")
    assert "Find the last good backup" not in text(iva.get("/"))


def test_asking_starts_a_job_and_leads_to_its_page(
    iva: Client, django_capture_on_commit_callbacks: Any
) -> None:
    a_backup()
    with django_capture_on_commit_callbacks():
        answer = iva.post("/find/", ASKED)
    job = Job.objects.get()
    assert answer.headers["Location"] == f"/find/{job.pk}/"
    assert job.params["rule"] == Rule.of("user", name=ADA).params
    entry = AuditEntry.objects.get(act=Act.FIND_ASKED)
    assert (entry.actor, entry.details["rule"]) == ("iva", "a••••@uni.example is there")


def test_each_rule_takes_its_own_fields(iva: Client) -> None:
    a_backup()
    everything = {**ASKED, "users": "12", "group": "admins", "member": "bob"}
    for rule in ("user", "at-least", "member"):
        assert iva.post("/find/", {**everything, "rule": rule}).status_code == 302
    rules = [Rule.read(job.params["rule"]) for job in Job.objects.order_by("pk")]
    assert rules == [
        Rule.of("user", name=ADA),
        Rule.of("at-least", users="12"),
        Rule.of("member", name="bob", group="admins"),
    ]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({**ASKED, "user": "\0 "}, "Name the user by e-mail, Username or sub."),
        ({**ASKED, "rule": "at-least", "users": "1.5"}, "The number of users is a whole number from 1 to"),
        (
            {**ASKED, "rule": "at-least", "users": "1000000001"},
            "The number of users is a whole number from 1 to",
        ),
        ({**ASKED, "rule": "all"}, "Choose what a good backup has"),
        ({**ASKED, "pool": "elsewhere"}, "No pool elsewhere is known here, nor a backup of one."),
        ({}, "Choose what a good backup has"),
    ],
)
def test_what_is_no_rule_is_refused_and_starts_nothing(iva: Client, asked: dict[str, str], why: str) -> None:
    a_backup()
    answer = iva.post("/find/", asked)
    assert answer.status_code == 400
    assert why in text(answer)
    assert "Nothing was started." in text(answer)
    assert not Job.objects.exists()


def test_a_viewer_may_look_and_a_guest_may_not(viewer: Client) -> None:
    a_backup()
    assert viewer.post("/find/", ASKED).status_code == 302
    job = Job.objects.get()
    guest = enter("guest", "others")
    assert guest.get("/find/").status_code == guest.get(f"/find/{job.pk}/").status_code == 403
    assert guest.post("/find/", ASKED).status_code == 403
    assert Job.objects.count() == 1
    assert Client().get("/find/").headers["Location"].startswith("/sign-in/")


# --- the page -----------------------------------------------------------------------------------------


def test_while_it_runs_the_page_says_how_far_it_is_and_follows(iva: Client) -> None:
    job = a_search([], state="running", counters={"backups_read": 3, "backups_known": 12})
    page = iva.get(f"/find/{job.pk}/")
    assert "3 backups read 12 known without reading" in text(page)
    assert f'data-stream="/jobs/{job.pk}/stream"' in page.content.decode()
    assert "Good is a••••@uni.example is there" in text(page)


def test_the_pair_is_shown_with_one_click_to_its_comparison_and_to_the_restore(iva: Client) -> None:
    job = a_search([place < 11 for place in range(20)])
    page = iva.get(f"/find/{job.pk}/")
    said, source = text(page), page.content.decode()
    assert (
        "a••••@uni.example is in the backup of 2026-11-02 01:00 UTC "
        "and no longer in that of 2026-11-03 01:00 UTC." in said
    )
    assert "✓ last good 2026-11-02 01:00 UTC" in said
    assert "■ first not good 2026-11-03 01:00 UTC" in said
    good, bad = job.result["good"]["key"], job.result["bad"]["key"]
    assert f'name="from" value="{good}"' in source
    assert f'name="to" value="{bad}"' in source
    assert "Compare these two" in said
    assert f'href="/restore/?backup={good.replace("/", "%2F")}"' in source
    answer = iva.post("/compare/", {"from": good, "to": bad})
    assert answer.headers["Location"] == f"/compare/{Job.objects.get(kind='compare').pk}/"


def test_every_backup_is_in_a_stretch_with_a_sign_and_a_word(iva: Client) -> None:
    job = a_search([True, True, None, False, False, False], known=[True, None, None, None, False, None])
    said = text(iva.get(f"/find/{job.pk}/"))
    for words in (
        "✓ good, known without reading 2026-10-23 01:00 UTC 1 backup",
        "✓ good, read 2026-10-24 01:00 UTC 1 backup",
        "▲ cannot tell 2026-10-25 01:00 UTC 1 backup",
        "■ not good, known without reading 2026-10-27 01:00 UTC 1 backup",
        "○ not read, not known 2026-10-28 01:00 UTC 1 backup",
        "2026-10-25 01:00 UTC: it was cut",
        "Between these two lies 1 backup that cannot tell.",
    ):
        assert words in said


def test_changes_there_and_back_are_all_listed(iva: Client) -> None:
    job = a_search([True, False, True, False], known=[True, False, True, False])
    said = text(iva.get(f"/find/{job.pk}/"))
    assert "The answer changes 3 times between backups; the newest fall is shown." in said
    assert said.count("not good any more between") == 2
    assert "✓ became good between 2026-10-24 01:00 UTC and 2026-10-25 01:00 UTC" in said


def test_what_newer_backups_cannot_tell_takes_the_good_from_the_verdict(iva: Client) -> None:
    page = iva.get(f"/find/{a_search([True, True, None]).pk}/")
    assert "still good in the newest that can tell, of 2026-10-24 01:00 UTC; 1 newer cannot tell." in text(
        page
    )
    assert 'class="verdict said warn"' in page.content.decode()
    came = iva.get(f"/find/{a_search([False, True, None], known=[False, True, None]).pk}/")
    assert 'class="verdict said warn"' in came.content.decode()
    whole = iva.get(f"/find/{a_search([True, True]).pk}/")
    assert 'class="verdict said good"' in whole.content.decode()


def test_pools_of_one_name_at_one_time_are_chosen_by_id_and_the_name_alone_is_refused(iva: Client) -> None:
    for weeks, pool_id in enumerate(("eu-west-1_A", "eu-west-1_B", "eu-west-1_A")):
        a_backup(weeks, pool_id=pool_id, region="eu-west-1")
    page = iva.get("/find/", {"pool": "eu-west-1_B"}).content.decode()
    assert f'<option value="eu-west-1_A">{NAME} (eu-west-1_A)</option>' in page
    assert f'<option value="eu-west-1_B" selected>{NAME} (eu-west-1_B)</option>' in page
    assert f">{NAME}</option>" not in page
    answer = iva.post("/find/", ASKED)
    assert answer.status_code == 400
    assert f"2 pools bear the name {NAME} at the same time: eu-west-1_A and eu-west-1_B." in text(answer)
    assert iva.post("/find/", {**ASKED, "pool": "eu-west-1_B"}).status_code == 302
    job = Job.objects.get()
    assert (job.pool_name, job.pool_id, job.region) == (NAME, "eu-west-1_B", "eu-west-1")
    page = iva.get(f"/find/{job.pk}/").content.decode()
    assert "<code>eu-west-1_B</code>" in page
    assert 'href="/find/?pool=eu-west-1_B&amp;rule=user"' in page


def test_the_pair_says_both_ids_where_a_pool_was_made_again_between_them(iva: Client) -> None:
    job = a_search([True, False])
    assert "<code>eu-west-1_" not in iva.get(f"/find/{job.pk}/").content.decode()
    good, bad = (
        job.result[side] | {"pool_id": f"eu-west-1_{name}"} for side, name in (("good", "A"), ("bad", "B"))
    )
    Job.objects.filter(pk=job.pk).update(result=job.result | {"good": good, "bad": bad})
    said = text(iva.get(f"/find/{job.pk}/"))
    assert re.search("last good 2026-10-23 01:00 UTC [^✓■]* pool eu-west-1_A [^■]* 300 ", said)
    assert re.search("first not good 2026-10-24 01:00 UTC [^✓■]* pool eu-west-1_B [^■]* 120 ", said)


@pytest.mark.parametrize(
    ("truth", "verdict"),
    [
        ([True, True], "still good in the newest, of 2026-10-24 01:00 UTC"),
        ([False, False], "not even in the oldest, of 2026-10-23 01:00 UTC"),
        ([None], "can tell."),
        ([], "There is no backup of"),
    ],
)
def test_an_answer_without_a_pair_is_said(iva: Client, truth: list[bool | None], verdict: str) -> None:
    page = text(iva.get(f"/find/{a_search(truth).pk}/"))
    assert verdict in page
    assert "Compare these two" not in page
    assert "Around the change" not in page


def test_one_that_has_left_the_bucket_since_is_said_and_not_offered(iva: Client) -> None:
    job = a_search([True, False])
    Backup.objects.filter(key=job.result["good"]["key"]).delete()
    said = text(iva.get(f"/find/{job.pk}/"))
    assert "not in the bucket any more" in said
    assert "One of the two has left the bucket since, so they cannot be compared." in said
    assert "Compare these two" not in said


def test_the_name_is_masked_everywhere_until_it_is_revealed(iva: Client) -> None:
    job = a_search([True, False])
    Event.objects.create(job=job, at=timezone.now(), kind="line", data={"lines": [], "more": 0})
    for address in (f"/find/{job.pk}/", f"/jobs/{job.pk}/", "/jobs/", "/"):
        page = iva.get(address).content.decode()
        assert "a••••@uni.example" in page
        assert "ada@" not in page
    reveal(iva, f"job {job.pk}")
    assert f"{ADA} is in the backup of" in text(iva.get(f"/find/{job.pk}/"))
    assert "ada@" not in iva.get("/jobs/").content.decode()


def test_the_users_history_is_a_link_by_the_sub_and_by_an_e_mail_only_when_revealed(iva: Client) -> None:
    assert history.seen(NAME, ADA) == {}
    job = a_search([True, False], result={"who": "sub-of-ada"})
    link = f'href="/history/?pool={NAME}&amp;user='
    assert f'{link}sub-of-ada"' in iva.get(f"/find/{job.pk}/").content.decode()
    Job.objects.filter(pk=job.pk).update(result=job.result | {"who": ""})
    assert link not in iva.get(f"/find/{job.pk}/").content.decode()
    reveal(iva, f"job {job.pk}")
    assert f'{link}ada%40uni.example"' in iva.get(f"/find/{job.pk}/").content.decode()
    count = a_search([True, True], Rule.of("at-least", users="2"))
    assert link not in iva.get(f"/find/{count.pk}/").content.decode()


def test_the_jobs_page_names_it_and_leads_to_what_was_found(iva: Client) -> None:
    job = a_search([True, True])
    page = iva.get(f"/jobs/{job.pk}/")
    assert f"Last good backup of {NAME}: a••••@uni.example is there" in text(page)
    assert f'href="/find/{job.pk}/"' in page.content.decode()
    assert "Looking for the last good backup of" in text(
        iva.get(f"/jobs/{a_search([], state='running').pk}/")
    )


def test_a_search_that_failed_says_why(iva: Client) -> None:
    job = a_search([], state="failed", sentence="S3 did not answer. Nothing was changed.")
    assert "There is no result S3 did not answer." in text(iva.get(f"/find/{job.pk}/"))


def test_another_kind_of_job_is_no_search(iva: Client) -> None:
    assert iva.get(f"/find/{a_job(Job.Kind.BACKUP).pk}/").status_code == 404
