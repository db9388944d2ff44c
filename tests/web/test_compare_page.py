"""Compare: two sides are chosen, a job reads them, and the page says what differs. A viewer may, too."""

from __future__ import annotations

import csv
import io
import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backups.actions import AT_ONCE
from backups.models import AuditEntry, Difference, Job, Plan, Pool
from backups.models.audit import Act
from tests.web.pages import NAME, POOL_ID, a_backup, a_job, a_pool, enter, reveal, text

pytestmark = pytest.mark.django_db
LIVE = f"live:{POOL_ID}"
USERS = ("from", "to", "same", "changed", "only_from", "only_to", "anew", "again")


def a_side(key: str, **given: Any) -> dict[str, Any]:
    """What a result says about a side."""
    ordinary = {
        "key": key,
        "live": key.startswith("live:"),
        "label": key,
        "pool_name": NAME,
        "pool_id": POOL_ID,
        "read_at": (timezone.now() - timedelta(minutes=3, seconds=5)).isoformat(),
        "users": 2000,
        "groups": 6,
        "gone": False,
        "changing": 0,
    }
    return ordinary | given


def a_result(from_: dict[str, Any], to: dict[str, Any], **given: Any) -> dict[str, Any]:
    """Two equal sides, but for what is given; ``users`` is laid over the usual counts."""
    none = {"same": 0, "changed": 0, "only_from": 0, "only_to": 0}
    users = dict.fromkeys((*USERS, "ambiguous_from", "ambiguous_to"), 0)
    ordinary = {
        "form": 2,
        "from": from_,
        "to": to,
        "users": users | {"from": 2000, "to": 2000, "same": 2000} | given.pop("users", {}),
        "groups": none | {"same": 6},
        "memberships": {"same": 2400, "only_from": 0, "only_to": 0},
        "settings": none | {"same": 40},
        "unread": [],
        "fields": {},
        "security": {},
        "listed": 0,
        "whole": "",
        "dates": False,
        "notes": ["Dates are not compared: UserLastModifiedDate moves by itself."],
    }
    return ordinary | given


def a_job_with(result: dict[str, Any]) -> Job:
    sides = {side: result[side]["key"] for side in ("from", "to")}
    return a_job(Job.Kind.COMPARE, "done", params=sides, result=result, finished_at=timezone.now())


def equal_sides(**given: Any) -> Job:
    """A backup against its live pool, without rows."""
    backup = a_backup(suggested=True)
    return a_job_with(a_result(a_side(backup.key), a_side(LIVE), **given))


def a_row(job: Job, kind: str, key: str, label: str = "", **given: Any) -> Difference:
    fields = given.pop("fields", [])
    changed = [{"field": name, "old": old, "new": new} for name, old, new in fields]
    names = "".join(f"{name}\n" for name, _, _ in fields)
    security = "".join(f"{code}\n" for code in given.pop("security", ()))
    label = label or f"{key}@uni.example"
    words = [
        label,
        key,
        *(value for _, *values in fields for value in values),
        *given.get("more", {}).values(),
    ]
    ordinary = {
        "username": key,
        "fields": changed,
        "names": names and f"\n{names}",
        "security": security and f"\n{security}",
        "search": "\n".join(str(word) for word in words).casefold(),
    }
    return Difference.objects.create(job=job, kind=kind, key=key, label=label, **ordinary | given)


def a_comparison(**given: Any) -> Job:
    """Two people are missing, one changed, and there is one of everything else that can differ."""
    users = {"only_from": 2, "changed": 1, "only_to": 1, "anew": 1, "again": 1, "same": 1994}
    users |= {"ambiguous_from": 1, "to": 1998}
    job = equal_sides(
        **{
            "users": users,
            "groups": {"same": 5, "changed": 1, "only_from": 0, "only_to": 0},
            "memberships": {"same": 2390, "only_from": 3, "only_to": 2},
            "settings": {"same": 38, "changed": 1, "only_from": 1, "only_to": 0},
            "fields": {"email": 1, "custom:institution": 1},
            "security": {"enabled": 1, "role": 1, "triggers": 2},
            "listed": 10,
            **given,
        }
    )
    for number in range(2):
        a_row(job, "only_from", f"u{number}", f"person{number}@uni.example")
    a_row(
        job,
        "changed",
        "u9",
        "zoe@uni.example",
        matched_by="sub",
        fields=[("email", "zoe@uni.example", "zoe@lab.example"), ("custom:institution", "", "Lab")],
        security=["enabled"],
    )
    a_row(job, "only_to", "u10", "new@uni.example")
    other = {"username": "made-2", "status": "FORCE_CHANGE_PASSWORD", "created": "2026-11-22T09:00:00.000Z"}
    a_row(job, "anew", "old-11", "eva@uni.example", matched_by="email", more={"sub": "made-2", **other})
    a_row(job, "again", "old-12", "max@uni.example", matched_by="email", more={"sub": "their-3", **other})
    a_row(job, "ambiguous", "old-13", "two@uni.example", matched_by="email", more={"side": "from"})
    group, setting = Difference.Of.GROUP, Difference.Of.SETTING
    role = [("IAM role", "", "arn:aws:iam::123456789012:role/root")]
    a_row(job, "changed", "admins", "admins", of=group, username="", fields=role, security=["role"])
    trigger, case = "Lambda: PostConfirmation", "Case sensitive"
    a_row(
        job, "only_from", "lambda", trigger, of=setting, username="", fields=[(trigger, "arn:one", "")],
        security=["triggers"],
    )  # fmt: skip
    a_row(
        job, "changed", "case", case, of=setting, username="web", fields=[(case, "false", "true")],
        more={"new_pool": True},
    )  # fmt: skip
    return job


def found(client: Client, job: Job, **filters: str) -> list[str]:
    """The keys of the rows that the page lists."""
    return [row.key for row in client.get(f"/compare/{job.pk}/", filters).context["rows"].rows]


# --- choosing -------------------------------------------------------------------------------------


def test_the_suggested_backup_and_its_live_pool_are_chosen_already(iva: Client) -> None:
    a_pool()
    suggested, older = a_backup(suggested=True), a_backup(1)
    page = iva.get("/compare/").content.decode()
    assert f'<option value="{suggested.key}" selected>' in page
    assert f'<option value="{LIVE}" selected>' in page
    assert page.index("Suggested") < page.index("Live pools") < page.index(older.key)


def test_an_address_chooses_both_sides_and_the_dates(iva: Client) -> None:
    newer, older = a_backup(), a_backup(1)
    page = iva.get("/compare/", {"from": older.key, "to": newer.key, "dates": "yes"}).content.decode()
    assert f'<option value="{older.key}" selected>' in page
    assert f'<option value="{newer.key}" selected>' in page
    assert 'name="dates" value="yes" checked' in page
    assert 'name="dates" value="yes" checked' not in iva.get("/compare/").content.decode()


def test_a_backup_that_cannot_be_read_cannot_be_chosen(iva: Client) -> None:
    a_backup(state="incomplete", reason="no manifest")
    cut = a_backup(1, state="unreadable", reason="not JSON")
    page = iva.get("/compare/")
    assert cut.key not in page.content.decode()
    assert "no readable backup" in text(page)


def test_a_pool_that_is_gone_can_be_compared_and_is_called_so(iva: Client) -> None:
    a_pool(presence=Pool.Presence.GONE)
    backup = a_backup(suggested=True)
    page = iva.get("/compare/").content.decode()
    assert "Live pools" not in page
    assert page.index("Pools that are gone") < page.index(f'<option value="{LIVE}"')
    assert iva.post("/compare/", {"from": backup.key, "to": LIVE}).status_code == 302
    assert Job.objects.get().params == {"from": backup.key, "to": LIVE}


def test_comparing_starts_a_job_and_opens_its_page(iva: Client) -> None:
    a_pool()
    backup = a_backup()
    response = iva.post("/compare/", {"from": backup.key, "to": LIVE})
    job = Job.objects.get()
    assert response.headers["Location"] == f"/compare/{job.pk}/"
    assert (job.kind, job.params) == ("compare", {"from": backup.key, "to": LIVE})


def test_asking_again_opens_what_is_under_way_and_nobody_fills_the_queue(iva: Client) -> None:
    a_pool()
    backup = a_backup()
    first, again = (iva.post("/compare/", {"from": backup.key, "to": LIVE}) for _ in range(2))
    assert first.headers["Location"] == again.headers["Location"] and Job.objects.count() == 1
    for week in range(1, AT_ONCE):
        iva.post("/compare/", {"from": backup.key, "to": a_backup(week).key})
    refused = iva.post("/compare/", {"from": LIVE, "to": backup.key})
    assert "You have 5 comparisons and searches under way" in refused.content.decode()
    assert Job.objects.count() == AT_ONCE
    Job.objects.update(state="done")
    assert iva.post("/compare/", {"from": LIVE, "to": backup.key}).status_code == 302


def test_a_comparison_of_a_file_goes_on_at_a_terminal_only(iva: Client) -> None:
    job = Job.objects.create(
        kind="compare", queue="read", state="paused", params={"from": "file:/x.json", "to": a_backup().key}
    )
    page = text(iva.post(f"/jobs/{job.pk}/resume/", follow=True))
    assert "Resume it on that host, where its file is." in page
    job.refresh_from_db()
    assert job.state == "paused"


def test_each_side_says_whose_backup_it_is(iva: Client) -> None:
    ours, theirs = a_backup(), a_backup(1, origin="changed", checked=False)
    page = text(iva.get(f"/compare/{a_job_with(a_result(a_side(ours.key), a_side(theirs.key))).pk}/"))
    first, second = page.split("B, to", 1)
    assert "origin ours" in first and "not checked" not in first
    assert "changed after it was made" in second and "not checked" in second


def test_a_pool_that_is_gone_is_chosen_first_and_is_no_less_production(iva: Client) -> None:
    a_pool(presence=Pool.Presence.GONE)
    a_pool("team-staging", "eu-west-1_Staging01")
    backup, _ = a_backup(suggested=True), a_backup(name="team-staging", suggested=True)
    page = iva.get("/compare/").content.decode()
    assert f'<option value="{backup.key}" selected>' in page and f'<option value="{LIVE}" selected>' in page
    assert f"Suggested backup of {NAME} with the pool, which is gone" in page


def test_dates_are_compared_when_they_are_asked_for_and_the_entry_says_so(iva: Client) -> None:
    newer, older = a_backup(), a_backup(1)
    iva.post("/compare/", {"from": older.key, "to": newer.key, "dates": "yes"})
    assert Job.objects.get().params == {"from": older.key, "to": newer.key, "dates": True}
    assert AuditEntry.objects.get(act=Act.COMPARE_ASKED).details["dates"] is True


def test_swapping_starts_nothing_and_keeps_the_dates(iva: Client) -> None:
    newer, older = a_backup(), a_backup(1)
    given = {"from": newer.key, "to": older.key, "dates": "yes", "swap": "yes"}
    page = iva.post("/compare/", given).content.decode()
    assert page.index(f'<option value="{older.key}" selected>') < page.index(
        f'<option value="{newer.key}" selected>'
    )
    assert 'name="dates" value="yes" checked' in page
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


# --- the verdict ----------------------------------------------------------------------------------


def verdict(client: Client, job: Job) -> str:
    """The first part below the two sides, as it is read."""
    response = client.get(f"/compare/{job.pk}/")
    part = response.content.partition(b'<section class="verdict')[2].partition(b"</section>")[0]
    response.content = part.partition(b">")[2]
    return text(response)


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


def test_who_is_missing_comes_first_and_every_number_is_said_with_that_of_the_same(iva: Client) -> None:
    said = verdict(iva, a_comparison())
    assert said.startswith("2 users of the backup are missing in the live pool")
    assert (
        "Users: 2 only in A, 1 changed, 1 only in B, 1 new identity, 1 registered again, 1 ambiguous, "
        "1,994 the same." in said
    )
    assert "1 group, 5 memberships and 2 pool settings differ." in said
    assert "Plan a restore of these 2 users" in said


def test_two_backups_are_told_apart_by_number(iva: Client) -> None:
    sides = [a_side(a_backup(weeks).key) for weeks in (1, 0)]
    job = a_job_with(a_result(*sides, users={"only_from": 1, "same": 1999}, listed=1))
    said = verdict(iva, job)
    assert said.startswith("Users: 1 only in A, 1,999 the same")
    assert "Plan a restore" not in said


def test_two_equal_sides_are_said_to_be_equal(iva: Client) -> None:
    job = equal_sides()
    said = verdict(iva, job)
    assert said.startswith("Both sides hold the same 2,000 users")
    assert "Groups, memberships and pool settings are the same." in said
    page = iva.get(f"/compare/{job.pk}/").content.decode()
    assert "Plan a restore" not in page
    assert 'id="rows"' not in page
    assert "verdict good" in page


def test_the_same_users_under_other_settings_are_not_said_to_be_equal(iva: Client) -> None:
    settings = {"same": 39, "changed": 1, "only_from": 0, "only_to": 0}
    job = equal_sides(settings=settings, listed=1)
    assert "1 pool setting differs." in verdict(iva, job)
    assert "verdict idle" in iva.get(f"/compare/{job.pk}/").content.decode()


def test_groups_that_one_side_does_not_know_are_unknown_and_not_removed(iva: Client) -> None:
    job = equal_sides(groups=None, memberships=None, settings=None)
    said = verdict(iva, job)
    assert "Groups, memberships and pool settings were not compared: at least one side does not know" in said
    page = iva.get(f"/compare/{job.pk}/")
    assert "Groups, memberships, pool settings: not known on at least one side, so not" in text(page)
    assert "verdict idle" in page.content.decode()


@pytest.mark.parametrize("gone", [True, False])
def test_the_whole_backup_missing_is_one_sentence_and_a_way_to_its_users(iva: Client, gone: bool) -> None:
    backup = a_backup(suggested=True)
    sides = a_side(backup.key, users=2014), a_side(LIVE, users=0, gone=gone)
    users = {"from": 2014, "to": 0, "only_from": 2014, "same": 0}
    job = a_job_with(a_result(*sides, users=users, whole="from"))
    said = verdict(iva, job)
    why = "gone" if gone else "empty"
    assert said.startswith(f"The live pool {NAME} is {why}. The whole backup is only in A: 2,014 users")
    assert "Plan a restore of 2,014 users" in said
    page = iva.get(f"/compare/{job.pk}/").content.decode()
    assert f'<a href="/backups/{backup.key}/#people">' in page
    assert f'<a class="btn main" href="/restore/?backup={backup.key.replace("/", "%2F")}">' in page
    assert 'id="rows"' not in page


def test_settings_are_listed_even_when_all_users_are_gone(iva: Client) -> None:
    sides = a_side(a_backup().key, users=5), a_side(LIVE, users=0, gone=True)
    users = {"from": 5, "to": 0, "only_from": 5, "same": 0}
    settings = {"same": 1, "changed": 1, "only_from": 0, "only_to": 0}
    job = a_job_with(a_result(*sides, users=users, whole="from", settings=settings, listed=1))
    job.result["groups"]["only_from"] = 2
    job.save()
    assert verdict(iva, job).count("differ") == 1
    assert "1 pool setting differs." in verdict(iva, job)
    a_row(job, "changed", "mail", "Mail", of="setting", fields=[("Mail", "SES", "Cognito")])
    assert found(iva, job) == ["mail"]
    page = text(iva.get(f"/compare/{job.pk}/", {"kind": "only_from"}))
    assert "They are all there is on that side, so they are not listed one by one." in page


def test_a_pool_against_an_empty_backup_offers_nothing_to_restore(iva: Client) -> None:
    sides = a_side(a_backup().key, users=0), a_side(LIVE, users=7)
    users = {"from": 0, "to": 7, "only_to": 7, "same": 0}
    said = verdict(iva, a_job_with(a_result(*sides, users=users, whole="to")))
    assert said == f"The backup {NAME} is empty. The whole live pool is only in B: 7 users"


def test_two_empty_sides_are_no_loss(iva: Client) -> None:
    sides = a_side(a_backup().key, users=0), a_side(LIVE, users=0)
    job = a_job_with(a_result(*sides, users={"from": 0, "to": 0, "same": 0}))
    assert verdict(iva, job).startswith("Neither side holds a user")


def test_a_side_that_changed_while_it_was_read_is_said_on_top(iva: Client) -> None:
    backup = a_backup()
    job = a_job_with(a_result(a_side(backup.key), a_side(LIVE, changing=12)))
    assert "12 users of B changed while it was read: read again" in verdict(iva, job)
    assert "▲ changed while it was read" in text(iva.get(f"/compare/{job.pk}/"))


def test_a_result_of_an_earlier_version_is_said_to_be_one_and_compared_again(iva: Client) -> None:
    a_pool()
    backup = a_backup()
    params = {"from": backup.key, "to": LIVE, "dates": True}
    job = a_job(Job.Kind.COMPARE, "done", params=params, result={"only_from": 2, "same": 5, "notes": []})
    page = iva.get(f"/compare/{job.pk}/")
    assert "An earlier version made this comparison" in text(page)
    assert "Compare again" in text(page)
    assert f'<input type="hidden" name="from" value="{backup.key}">' in page.content.decode()
    assert '<input type="hidden" name="dates" value="yes">' in page.content.decode()


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


# --- read again, swap -----------------------------------------------------------------------------


def test_the_age_of_the_live_reading_is_shown(iva: Client) -> None:
    page = text(iva.get(f"/compare/{equal_sides().pk}/"))
    assert "live, read" in page
    assert "· 3 min ago" in page


def forms_to_compare(page: str) -> dict[str, dict[str, str]]:
    """Button -> what its form sends."""
    sent: dict[str, dict[str, str]] = {}
    for rest in page.split('<form method="post" action="/compare/"')[1:]:
        form = rest.split("</form>")[0]
        fields = [part.split('"') for part in form.split('<input type="hidden" name="')[1:]]
        values = {part[0]: part[2] for part in fields if part[0] != "csrfmiddlewaretoken"}
        sent[form.split("<button")[1].partition(">")[2].partition("<")[0]] = values
    return sent


def test_reading_again_and_swapping_ask_for_the_same_sides_and_options(iva: Client) -> None:
    a_pool()
    job = equal_sides()
    job.params = {**job.params, "dates": True}
    job.save()
    asked = forms_to_compare(iva.get(f"/compare/{job.pk}/").content.decode())
    key = job.params["from"]
    assert asked["Read again"] == {"from": key, "to": LIVE, "dates": "yes"}
    assert asked["Swap A and B"] == {"from": LIVE, "to": key, "dates": "yes"}
    iva.post("/compare/", asked["Read again"])
    assert Job.objects.latest("pk").params == job.params


def test_a_file_on_the_server_is_not_asked_for_from_a_page(iva: Client) -> None:
    job = a_job_with(a_result(a_side("file:/tmp/users.json"), a_side(LIVE), users={"only_from": 1}, listed=1))
    page = text(iva.get(f"/compare/{job.pk}/"))
    assert "Read again" not in page
    assert "Plan a restore" not in page


# --- what touches security, bars, fields ----------------------------------------------------------


def test_what_touches_security_is_on_top_and_leads_to_its_rows(iva: Client) -> None:
    job = a_comparison()
    page = iva.get(f"/compare/{job.pk}/")
    said = text(page)
    assert "1 user disabled in A and enabled in B" in said
    assert "1 group whose IAM role differs" in said
    assert "2 settings among the Lambda triggers" in said
    assert said.index("What touches security") < said.index("How much is the same")
    assert 'href="?kind=all&amp;security=role#rows"' in page.content.decode()
    assert found(iva, job, kind="all", security="role") == ["admins"]
    assert found(iva, job, kind="all", security="enabled") == ["u9"]
    assert found(iva, job, security="triggers") == ["lambda"]


def test_a_code_that_is_not_known_here_is_shown_as_it_is(iva: Client) -> None:
    job = equal_sides(security={"moonlight": 3})
    assert "3 users: moonlight" in text(iva.get(f"/compare/{job.pk}/"))


def test_the_bars_say_in_words_what_they_show_always_with_the_same(iva: Client) -> None:
    said = text(iva.get(f"/compare/{a_comparison().pk}/"))
    assert (
        "Users 2 only in A 1 changed 1 only in B 1 new identity 1 registered again 1 ambiguous "
        "1,994 the same" in said
    )
    assert "Groups 0 only in A 1 changed 0 only in B 5 the same" in said
    assert "Memberships 3 only in A 2 only in B 2,390 the same" in said
    assert "Pool settings 1 only in A 1 changed 0 only in B 38 the same" in said


def test_a_field_leads_to_the_rows_in_which_it_changed(iva: Client) -> None:
    job = a_comparison()
    page = iva.get(f"/compare/{job.pk}/").content.decode()
    assert 'href="?kind=all&amp;field=custom%3Ainstitution#rows"' in page
    assert found(iva, job, field="custom:institution") == ["u9"]
    assert found(iva, job, field="institution") == []


def test_only_the_first_fields_are_named(iva: Client) -> None:
    fields = {f"custom:{number}": 20 - number for number in range(11)}
    page = text(iva.get(f"/compare/{equal_sides(fields=fields).pk}/"))
    assert "custom:7 13 users" in page
    assert "custom:8 12 users" not in page
    assert "and 3 other fields" in page


def test_what_was_not_compared_is_said_with_the_reason(iva: Client) -> None:
    unread = [["logs", "to", "AWS denied it"], ["ui", "from", "Not held."], ["risk", "from", "Not held."]]
    job = equal_sides(unread=unread)
    page = text(iva.get(f"/compare/{job.pk}/"))
    assert "Not compared: logs. In B: AWS denied it." in page
    assert "Not compared: ui and risk. In A: Not held." in page
    assert "Dates are not compared: UserLastModifiedDate moves by itself." in page


# --- the rows -------------------------------------------------------------------------------------


def test_each_tab_has_its_number_and_its_rows(iva: Client) -> None:
    job = a_comparison()
    tabs = text(iva.get(f"/compare/{job.pk}/"))
    assert (
        "all 10 only in A 2 changed 1 only in B 1 new identity 1 registered again 1 ambiguous 1 groups 1 "
        "pool settings 2" in tabs
    )
    assert found(iva, job) == ["u0", "u1"]
    assert {
        kind: found(iva, job, kind=kind) for kind in ("changed", "only_to", "anew", "again", "ambiguous")
    } == {
        "changed": ["u9"],
        "only_to": ["u10"],
        "anew": ["old-11"],
        "again": ["old-12"],
        "ambiguous": ["old-13"],
    }
    assert found(iva, job, kind="groups") == ["admins"]
    assert found(iva, job, kind="settings") == ["lambda", "case"]
    assert len(found(iva, job, kind="all")) == 10
    assert found(iva, job, kind="nonsense") == ["u0", "u1"]


def test_a_change_is_a_sentence_from_old_to_new_with_its_e_mails_masked(iva: Client) -> None:
    page = iva.get(f"/compare/{a_comparison().pk}/", {"kind": "changed"})
    assert "email z••••@uni.example → became z••••@lab.example" in text(page)
    assert "custom:institution nothing → became Lab" in text(page)
    assert "▲ security: enabled" in text(page)
    assert "zoe@" not in page.content.decode()


def test_a_new_identity_shows_both_and_how_they_were_matched_and_no_change(iva: Client) -> None:
    page = text(iva.get(f"/compare/{a_comparison().pk}/", {"kind": "anew"}))
    assert "A sub old-11 , Username old-11 B sub made-2 , Username made-2 , FORCE_CHANGE_PASSWORD" in page
    assert "made 2026-11-22 09:00 UTC" in page
    assert "Matched by email" in page
    assert "are new with every identity and count as no change" in page


def test_who_registered_again_or_is_ambiguous_is_said_with_what_it_means_for_a_restore(iva: Client) -> None:
    job = a_comparison()
    again = text(iva.get(f"/compare/{job.pk}/", {"kind": "again"}))
    assert "A restore leaves them alone, and they inherit nothing" in again
    ambiguous = text(iva.get(f"/compare/{job.pk}/", {"kind": "ambiguous"}))
    assert "so nobody was matched" in ambiguous
    assert "In A: sub old-13 , Username old-13 ; the email fits more than one." in ambiguous


def test_settings_are_a_readable_difference_and_say_whose_and_what_needs_a_new_pool(iva: Client) -> None:
    page = text(iva.get(f"/compare/{a_comparison().pk}/", {"kind": "settings"}))
    assert "Lambda: PostConfirmation only in A ▲ security: triggers arn:one → became nothing" in page
    assert "Case sensitive of web changed ▲ needs a new pool false → became true" in page


def test_a_long_value_is_folded_away(iva: Client) -> None:
    job = equal_sides(settings={"same": 1, "changed": 1, "only_from": 0, "only_to": 0}, listed=1)
    mail = "Hello {username}, " * 30
    a_row(job, "changed", "mail", "Invitation mail", of="setting", fields=[("Invitation mail", mail, "Hi")])
    page = iva.get(f"/compare/{job.pk}/").content.decode()
    folded = page.split('<details class="long">')[1].split("</details>")[0]
    assert mail in folded
    assert "540 characters" in folded


def test_the_search_is_the_servers_and_knows_no_case(iva: Client) -> None:
    page = text(iva.get(f"/compare/{a_comparison().pk}/", {"kind": "only_from", "q": "PERSON1@uni.example"}))
    assert page.count("p••••@uni.example") == 1
    assert "u1" in page


def test_the_search_does_not_spell_out_what_is_masked(iva: Client) -> None:
    job = a_comparison()
    Difference.objects.filter(key="u1").update(search="person1@uni.example\nu1 (x)\neth zürich")

    def counted(query: str) -> int:
        return len(found(iva, job, kind="only_from", q=query))

    parts = ("person1", "person1@", "uni.example", "@")
    assert [counted(part) for part in parts] == [0, 0, 0, 0]
    assert [counted(whole) for whole in ("U1 (", "zürich", "person1@uni.example")] == [1, 1, 1]
    reveal(iva, f"job {job.pk}")
    assert [counted(part) for part in parts] == [1, 1, 2, 2]


@pytest.mark.parametrize("query", ["other\nperson1", "other\nperson1@uni", "uni.example\nother", "e\no"])
def test_the_search_does_not_spell_it_out_from_another_line_either(iva: Client, query: str) -> None:
    job = a_comparison()
    Difference.objects.filter(key="u1").update(search="another\nperson1@uni.example\nother things")
    assert found(iva, job, kind="only_from", q=query) == []
    Difference.objects.filter(key="u1").update(search="another\nother things\nperson1@uni.example")
    assert len(found(iva, job, kind="only_from", q="r\nother th")) == 1


@pytest.mark.parametrize("value", ["a" * 200_000 + "@x", "a" * 200_000, "@" * 200_000, "a@" * 100_000])
def test_the_search_reads_a_long_value_once(iva: Client, value: str) -> None:
    job = a_comparison()
    Difference.objects.filter(key="u1").update(search=f"{value}\nu1")
    started = time.monotonic()
    assert len(found(iva, job, kind="only_from", q="a")) == ("@" not in value)
    found(iva, job, kind="only_from", q="aa" * 20)
    found(iva, job, kind="only_from", q="a" * 20 + "b")
    assert time.monotonic() - started < 5  # from each of its letters it would be minutes


def test_after_a_reveal_the_e_mails_are_there_and_the_reveal_is_an_entry(iva: Client) -> None:
    job = a_comparison()
    reveal(iva, f"job {job.pk}")
    page = iva.get(f"/compare/{job.pk}/", {"kind": "changed"})
    assert "zoe@uni.example → became zoe@lab.example" in text(page)
    assert AuditEntry.objects.get(act=Act.REVEALED).details["what"] == f"job {job.pk}"


def test_filters_that_fit_nothing_say_so_and_can_be_left(iva: Client) -> None:
    job = a_comparison()
    page = iva.get(f"/compare/{job.pk}/", {"kind": "changed", "q": "nobody"})
    assert "Nothing here fits the filter." in text(page)
    assert f'href="/compare/{job.pk}/?kind=changed#rows">Show all' in page.content.decode()


def test_a_kind_of_which_there_is_nothing_says_so(iva: Client) -> None:
    job = equal_sides(users={"only_to": 1}, listed=1)
    assert "Nothing of this kind differs." in text(iva.get(f"/compare/{job.pk}/", {"kind": "again"}))


def test_a_filter_of_the_address_stands_in_the_form_whatever_it_is(iva: Client) -> None:
    page = iva.get(
        f"/compare/{a_comparison().pk}/", {"field": "custom:gone", "security": "x"}
    ).content.decode()
    assert '<option value="custom:gone" selected>' in page
    assert '<option value="x" selected>' in page


def test_a_long_list_goes_on_where_the_page_ended_and_keeps_its_filters(iva: Client) -> None:
    job = a_comparison(users={"only_from": 62}, listed=70)
    for number in range(60):
        a_row(job, "only_from", f"m{number}", f"more-{number}")
    first = iva.get(f"/compare/{job.pk}/", {"kind": "only_from", "q": "more-"}).content.decode()
    assert "more-49" in first
    assert "more-50" not in first
    cursor = str(Difference.objects.get(label="more-49").pk)
    assert f'href="?kind=only_from&amp;q=more-&amp;after={cursor}#rows"' in first
    rest = text(iva.get(f"/compare/{job.pk}/", {"kind": "only_from", "q": "more-", "after": cursor}))
    assert "more-50" in rest
    assert "more-59" in rest
    assert "Next users" not in rest


def test_when_not_everything_is_listed_the_page_says_how_much_is(iva: Client) -> None:
    job = a_comparison(users={"only_from": 300_000}, listed=200_000)
    page = text(iva.get(f"/compare/{job.pk}/"))
    assert "200,000 differences are listed here, the first ones of each kind." in page
    assert "Plan a restore of 300,000 users" in page  # of everything missing, which the plan finds itself
    assert "Plan a restore of these 2 users" in page  # of those who are listed


def test_the_page_asks_the_database_as_often_for_fifty_rows_as_for_two(iva: Client) -> None:
    job = a_comparison()
    with CaptureQueriesContext(connection) as few:
        iva.get(f"/compare/{job.pk}/", {"kind": "only_from"})
    for number in range(60):
        a_row(job, "only_from", f"m{number}", f"more-{number}")
    with CaptureQueriesContext(connection) as many:
        iva.get(f"/compare/{job.pk}/", {"kind": "only_from"})
    assert len(many) == len(few) < 15


# --- downloads ------------------------------------------------------------------------------------


def lines_of(response: Any) -> str:
    assert response.status_code == 200
    return b"".join(response).decode()


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_the_csv_holds_every_row_and_its_download_is_an_entry(iva: Client) -> None:
    job = a_comparison()
    response = iva.get(f"/compare/{job.pk}/differences.csv")
    rows = list(csv.DictReader(io.StringIO(lines_of(response), newline="")))
    assert len(rows) == 10
    assert rows[0]["label"] == "person0@uni.example"
    assert response.headers["Content-Disposition"] == f'attachment; filename="comparison-{job.pk}.csv"'
    entry = AuditEntry.objects.get(act=Act.COMPARISON_DOWNLOADED)
    assert (entry.actor, entry.job) == ("iva", job.pk)
    assert (entry.details["what"], entry.details["rows"]) == ("csv", 10)


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_the_json_has_the_counts_at_its_head_and_the_rows_of_the_filters(iva: Client) -> None:
    job = a_comparison()
    address = f"/compare/{job.pk}/differences.json"
    made = json.loads(lines_of(iva.get(address, {"kind": "changed", "field": "email"})))
    assert made["result"] == job.result
    assert (made["filters"], made["rows_in_file"]) == ({"kind": "changed", "field": "email"}, 1)
    assert [row["key"] for row in made["rows"]] == ["u9"]
    details = AuditEntry.objects.get(act=Act.COMPARISON_DOWNLOADED).details
    assert (details["filters"], details["rows"]) == (made["filters"], 1)


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_a_download_is_what_the_page_shows_and_its_entry_masks_what_was_searched(iva: Client) -> None:
    job = a_comparison()
    filters = {"kind": "only_from", "q": "person1@uni.example"}
    page = iva.get(f"/compare/{job.pk}/", filters).content.decode()
    link = f"/compare/{job.pk}/differences.csv?kind=only_from&amp;q=person1%40uni.example"
    assert f'href="{link}" download>Download CSV of 1 row</a>' in page
    made = lines_of(iva.get(link.replace("&amp;", "&")))
    assert "person1@uni.example" in made
    assert "person0@uni.example" not in made
    entry = AuditEntry.objects.get(act=Act.COMPARISON_DOWNLOADED)
    assert "person1@" not in entry.body


def test_the_search_of_a_download_does_not_spell_out_what_is_masked_either(iva: Client) -> None:
    job = a_comparison()
    iva.get(f"/compare/{job.pk}/differences.csv", {"q": "person1"})
    reveal(iva, f"job {job.pk}")
    iva.get(f"/compare/{job.pk}/differences.csv", {"q": "person1"})
    told = AuditEntry.objects.filter(act=Act.COMPARISON_DOWNLOADED).order_by("seq")
    assert [entry.details["rows"] for entry in told] == [0, 1]


def test_the_buttons_say_how_many_rows(iva: Client) -> None:
    page = text(iva.get(f"/compare/{a_comparison().pk}/", {"kind": "all"}))
    assert "Download CSV of 10 rows" in page
    assert "Download JSON of 10 rows" in page


@pytest.mark.parametrize("what", ["differences.xml", "differences.csv?kind=nonsense"])
def test_what_there_is_not_is_not_downloaded(iva: Client, what: str) -> None:
    assert iva.get(f"/compare/{a_comparison().pk}/{what}").status_code == 404
    assert not AuditEntry.objects.exists()


def test_what_has_no_result_is_not_downloaded(iva: Client) -> None:
    job = a_job(Job.Kind.COMPARE, "failed", params={"from": a_backup().key, "to": LIVE})
    page = iva.get(f"/compare/{job.pk}/differences.json", follow=True)
    assert "has no result to download" in text(page)
    assert not AuditEntry.objects.exists()


def test_asking_for_a_downloads_headers_leaves_no_entry(iva: Client) -> None:
    assert iva.head(f"/compare/{a_comparison().pk}/differences.csv").status_code == 405
    assert not AuditEntry.objects.exists()


# --- a restore of exactly these -------------------------------------------------------------------


def test_a_plan_of_those_who_are_shown_is_a_job_with_the_choice(iva: Client) -> None:
    a_pool()
    job = a_comparison()
    response = iva.post(f"/compare/{job.pk}/plan/", {"kind": "only_from", "number": "2"})
    plan = Job.objects.latest("pk")
    assert response.headers["Location"] == f"/restore/{plan.pk}/"
    assert (plan.kind, plan.pool_id, plan.params["source"]) == ("plan", POOL_ID, job.params["from"])
    assert plan.params["choices"]["chosen"] == {
        "comparison": job.pk,
        "kind": "only_from",
        "q": "",
        "field": "",
        "security": "",
        "clear": False,
        "users": 2,
    }
    told = AuditEntry.objects.get(act=Act.PLAN_ASKED).details["chosen"]
    assert told == {"comparison": job.pk, "kind": "only_from", "users": 2}
    said = text(iva.get(f"/restore/{plan.pk}/"))
    assert f"Only 2 users chosen from comparison {job.pk} ." in said


def test_filters_choose_fewer_and_the_plans_page_says_which(iva: Client) -> None:
    a_pool()
    job = a_comparison()
    filters = {"kind": "only_from", "q": "person1@uni.example"}
    page = iva.get(f"/compare/{job.pk}/", filters).content.decode()
    assert "Plan a restore of this user" in page
    assert "Plan a restore of these 2 users" in page
    iva.post(f"/compare/{job.pk}/plan/", {**filters, "field": "", "security": "", "number": "1"})
    plan = Job.objects.latest("pk")
    chosen = plan.params["choices"]["chosen"]
    assert (chosen["q"], chosen["users"]) == ("person1@uni.example", 1)
    planned = iva.get(f"/restore/{plan.pk}/")
    assert "Only 1 user chosen from comparison" in text(planned)
    assert "holding “p••••@uni.example”" in text(planned)
    assert "person1@" not in planned.content.decode()


@pytest.mark.parametrize(
    ("existing", "said"),
    [("overwrite", "overwrite fields that differ"), ("fill", "fill empty fields")],
)
def test_who_changed_is_planned_to_be_written_over_as_somebody_says(
    iva: Client, existing: str, said: str
) -> None:
    a_pool()
    job = a_comparison()
    page = iva.get(f"/compare/{job.pk}/", {"kind": "changed", "field": "email"}).content.decode()
    form = page.split(f'action="/compare/{job.pk}/plan/"')[-1].split("</form>")[0]
    assert 'name="kind" value="changed"' in form and 'name="field" value="email"' in form
    assert "Plan to overwrite what differs in this user" in form
    assert "Plan to fill empty fields of this user" in form and "Plan a restore of" not in form
    sent = {"kind": "changed", "q": "", "field": "email", "security": "", "number": "1"}
    response = iva.post(f"/compare/{job.pk}/plan/", sent | {"existing": existing})
    plan = Job.objects.get(kind=Job.Kind.PLAN)
    assert response.headers["Location"] == f"/restore/{plan.pk}/"
    choices = plan.params["choices"]
    assert (choices["existing"], choices["guards"]) == (existing, []), "every guard is off"
    assert (choices["chosen"]["kind"], choices["chosen"]["users"]) == ("changed", 1)
    told = AuditEntry.objects.get(act=Act.PLAN_ASKED).details
    assert (told["existing"], told["chosen"]["kind"]) == (existing, "changed")

    Job.objects.filter(pk=plan.pk).update(state="failed")
    iva.post(f"/restore/{plan.pk}/again/")
    assert Job.objects.latest("pk").params == plan.params, "planned again, they are written over again"
    Job.objects.exclude(pk=plan.pk).filter(kind=Job.Kind.PLAN).delete()
    a_plan_of(plan)
    assert f"who exists: {said}" in text(iva.get(f"/restore/{plan.pk}/"))


def a_plan_of(job: Job) -> None:
    """As if the worker had made it, with nobody in it."""
    Job.objects.filter(pk=job.pk).update(state="planned")
    Plan.objects.create(
        job=job, digest="d", source="b", source_sha256="s", choices={}, read_at=timezone.now(),
        counts={"create": 0, "update": 0, "skip": 0, "cannot": 0, "groups": 0, "memberships": 0},
    )  # fmt: skip


@pytest.mark.parametrize("existing", [{}, {"existing": "skip"}, {"existing": "all"}])
def test_who_changed_is_not_planned_while_nobody_says_how(iva: Client, existing: dict[str, str]) -> None:
    a_pool()
    job = a_comparison()
    page = iva.post(f"/compare/{job.pk}/plan/", {"kind": "changed", "number": "1"} | existing, follow=True)
    assert "Who changed is in the pool: choose whether empty fields are filled" in text(page)
    assert not Job.objects.filter(kind=Job.Kind.PLAN).exists()


@pytest.mark.parametrize("kind", ["only_to", "anew", "again", "ambiguous", "all", "groups"])
def test_other_kinds_are_not_planned(iva: Client, kind: str) -> None:
    job = a_comparison()
    page = iva.get(f"/compare/{job.pk}/", {"kind": kind})
    assert "Plan a restore of this" not in text(page) and "Plan to " not in text(page)
    a_pool()
    sent = {"kind": kind, "number": "1", "existing": "overwrite"}
    page = iva.post(f"/compare/{job.pk}/plan/", sent, follow=True)
    assert "The page showed 1, and 0 fit by now" in text(page)
    assert not Job.objects.filter(kind=Job.Kind.PLAN).exists()


@pytest.mark.parametrize("number", ["3", "0", "", "x", "9" * 30])
def test_another_number_than_was_shown_starts_nothing(iva: Client, number: str) -> None:
    a_pool()
    job = a_comparison()
    page = iva.post(f"/compare/{job.pk}/plan/", {"kind": "only_from", "number": number}, follow=True)
    assert "and 2 fit by now" in text(page)
    assert page.redirect_chain == [(f"/compare/{job.pk}/?kind=only_from", 302)]
    assert not Job.objects.filter(kind=Job.Kind.PLAN).exists()


def test_a_comparison_that_is_not_done_or_of_two_backups_plans_nothing(iva: Client) -> None:
    a_pool()
    newer, older = a_backup(), a_backup(1)
    running = a_job(Job.Kind.COMPARE, params={"from": older.key, "to": LIVE})
    files = a_job_with(a_result(a_side(older.key), a_side(newer.key), users={"only_from": 1}, listed=1))
    for job in (running, files):
        page = iva.post(f"/compare/{job.pk}/plan/", {"kind": "only_from", "number": "1"}, follow=True)
        assert "from a finished comparison of a backup with a live pool. Nothing was started." in text(page)
    assert not Job.objects.filter(kind=Job.Kind.PLAN).exists()


def test_a_comparison_whose_rows_are_gone_plans_nothing(iva: Client) -> None:
    a_pool()
    job = a_comparison()
    Difference.objects.filter(job=job).delete()
    page = iva.post(f"/compare/{job.pk}/plan/", {"kind": "only_from", "number": "0"}, follow=True)
    assert "Nobody who is missing or changed was chosen" in text(page)
    assert not Job.objects.filter(kind=Job.Kind.PLAN).exists()


@pytest.mark.parametrize("name", ["q", "field", "security"])
def test_a_text_of_a_megabyte_is_looked_for_as_far_as_a_value_goes(iva: Client, name: str) -> None:
    a_pool()
    job = a_comparison()
    sent = {"kind": "only_from", "number": "2", name: "x" * 1_000_000}
    refused = iva.post(f"/compare/{job.pk}/plan/", sent)
    assert len(refused.headers["Location"]) < 2_200
    page = iva.get(refused.headers["Location"])
    assert page.status_code == 200 and "The page showed 2, and 0 fit by now" in text(page)
    assert not Job.objects.filter(kind=Job.Kind.PLAN).exists()
    assert iva.get(f"/compare/{job.pk}/", sent).status_code == 200


def test_planning_again_chooses_the_same_again(iva: Client) -> None:
    a_pool()
    job = a_comparison()
    iva.post(f"/compare/{job.pk}/plan/", {"kind": "only_from", "number": "2"})
    first = Job.objects.latest("pk")
    Job.objects.filter(pk=first.pk).update(state="failed")
    page = iva.get(f"/restore/{first.pk}/").content.decode()
    assert f'action="/restore/{first.pk}/again/"' in page
    iva.post(f"/restore/{first.pk}/again/")
    again = Job.objects.latest("pk")
    assert again.pk > first.pk
    assert again.params == first.params
    number = job.pk
    job.delete()
    response = iva.post(f"/restore/{first.pk}/again/")
    assert response.status_code == 409
    assert f"Comparison {number} is not there any more" in text(response)


def test_only_a_plan_that_there_is_is_planned_again(iva: Client) -> None:
    assert iva.post("/restore/4711/again/").status_code == 404


# --- who may --------------------------------------------------------------------------------------


def test_a_viewer_sees_the_result_and_may_neither_download_nor_plan(viewer: Client) -> None:
    job = a_comparison()
    assert "2 users of the backup are missing" in text(viewer.get(f"/compare/{job.pk}/"))
    assert viewer.get(f"/compare/{job.pk}/differences.csv").status_code == 403
    assert viewer.post(f"/compare/{job.pk}/plan/", {"kind": "only_from", "number": "2"}).status_code == 403
    assert not AuditEntry.objects.exists()


def test_a_viewer_is_offered_neither(iva: Client, viewer: Client) -> None:
    address = f"/compare/{a_comparison().pk}/"
    for kind, words in (
        ("only_from", ("Plan a restore of", "Download CSV", "Download JSON", "A download holds", "Reveal")),
        ("changed", ("Plan to fill", "Plan to overwrite", "Download CSV")),
    ):
        hers, theirs = (text(one.get(address, {"kind": kind})) for one in (iva, viewer))
        for word in words:
            assert word in hers and word not in theirs, word
        assert "What differs" in theirs and "Read again" in theirs


def test_another_kind_of_job_is_no_comparison(iva: Client) -> None:
    job = a_job(Job.Kind.BACKUP)
    assert iva.get(f"/compare/{job.pk}/").status_code == 404
    assert iva.get(f"/compare/{job.pk}/differences.csv").status_code == 404
    assert iva.post(f"/compare/{job.pk}/plan/").status_code == 404


def test_a_stranger_is_sent_to_the_sign_in_page() -> None:
    job = a_comparison()
    for address in ("/compare/", f"/compare/{job.pk}/", f"/compare/{job.pk}/differences.csv"):
        assert Client().get(address).headers["Location"].startswith("/sign-in/")
    assert Client().post(f"/compare/{job.pk}/plan/").headers["Location"].startswith("/sign-in/")


def test_nobody_outside_the_groups_sees_it() -> None:
    assert enter("guest", "others").get("/compare/").status_code == 403
    assert NAME not in text(enter("guest-2", "others").get(f"/compare/{a_comparison().pk}/"))
