"""After a restore: the identity map, the list of aftercare and the report, and what the overview says."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from backups.checks import settings_are_sound
from backups.models import Aftercare, AuditEntry, Job, Plan
from tests.web.pages import NAME, a_backup, a_job, a_plan, a_pool, an_item, reveal, text

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]


def a_restore(state: str = "done", people: int = 4, **given: Any) -> Job:
    """``people`` created, one who kept the identity, one who is not in the pool."""
    plan = a_plan()
    params = {"plan": plan.pk, "messages": "silent", "source": plan.source}
    job = a_job(Job.Kind.RESTORE, state, params=params, reason="INC-204", **given)
    for number in range(people):
        an_item(
            job,
            number,
            outcome="created",
            new_sub=f"new-{number}",
            new_username=f"new-{number}",
            confirmed=True,
            intended_at=timezone.now(),
        )
    kept = {"action": "skip", "outcome": "skipped", "reason": "exists"}
    an_item(job, people, new_sub=f"old-{people}", new_username=f"name-{people}", **kept)
    an_item(job, people + 1, action="skip", outcome="skipped", reason="federated", detail="Google")
    return job


def with_aftercare(job: Job, *items: str) -> Job:
    for position, item in enumerate(items or ("Run the SQL", "Restart the API")):
        Aftercare.objects.create(job=job, position=position, item=item)
    return job


# --- the identity map -----------------------------------------------------------------------------


def test_the_map_says_who_became_whom_and_how(iva: Client) -> None:
    page = text(iva.get(f"/jobs/{a_restore().pk}/identity-map/"))
    assert (
        "5 users have an identity in the pool: 4 created by this restore, 1 who was there and keeps it."
        in page
    )
    assert "p••••@uni.example" in page
    assert "person0@uni.example" not in page
    assert "old-0 new-0 created by this restore" in page
    assert "the same was in the pool, keeps that identity" in page
    assert "person5" not in page and "old-5" not in page, "who is not in the pool is in no map"


def test_e_mails_are_shown_when_they_were_revealed(iva: Client) -> None:
    job = a_restore()
    reveal(iva, f"job {job.pk}")
    assert "person0@uni.example" in text(iva.get(f"/jobs/{job.pk}/identity-map/"))


@pytest.mark.parametrize(
    ("query", "found"),
    [("person1", 0), ("person1@uni.example", 1), ("old-2", 1), ("new-2", 1), ("name-3", 1), ("nobody", 0)],
)
def test_the_map_is_searched_and_spells_nobody_out(iva: Client, query: str, found: int) -> None:
    response = iva.get(f"/jobs/{a_restore().pk}/identity-map/", {"q": query})
    assert len(response.context["rows"]) == found
    if not found:
        assert "Nobody in this map fits." in text(response)


def test_fifty_at_a_time(iva: Client) -> None:
    job = a_restore(people=60)
    first = iva.get(f"/jobs/{job.pk}/identity-map/")
    assert len(first.context["rows"]) == 50
    rest = iva.get(f"/jobs/{job.pk}/identity-map/", {"after": first.context["next"]})
    assert len(rest.context["rows"]) == 11
    assert rest.context["next"] == ""


def test_an_empty_map_says_why(iva: Client) -> None:
    job = a_job(Job.Kind.RESTORE, "failed")
    page = text(iva.get(f"/jobs/{job.pk}/identity-map/"))
    assert "This restore has created or found nobody, so there is nothing to map." in page
    assert "Download" not in page.partition("Who became whom")[0]


def test_an_admin_of_the_application_who_is_missing_is_named(iva: Client, settings: Settings) -> None:
    settings.APPLICATION_ADMIN_EMAILS = ["person0@uni.example", "admin@uni.example"]
    page = text(iva.get(f"/jobs/{a_restore().pk}/identity-map/"))
    assert (
        "Not in this map, though the application needs it ( APPLICATION_ADMIN_EMAILS ): a••••@uni.example"
        in page
    )


@pytest.mark.parametrize(
    ("form", "kind", "begins"),
    [
        ("csv", "text/csv", "old_sub,"),
        ("json", "application/json", "{"),
        ("sql", "application/sql", "-- The"),
    ],
)
def test_each_form_is_a_file_and_an_entry(iva: Client, form: str, kind: str, begins: str) -> None:
    job = a_restore()
    response = iva.get(f"/jobs/{job.pk}/identity-map.{form}")
    content = b"".join(response).decode()
    assert content.startswith(begins)
    assert "person3@uni.example" in content
    assert response.headers["Content-Type"].startswith(kind)
    assert (
        response.headers["Content-Disposition"] == f'attachment; filename="identity-map-job-{job.pk}.{form}"'
    )
    entry = AuditEntry.objects.get(act="identity-map.downloaded")
    assert (entry.job, entry.details["what"]) == (job.pk, form)


def test_sql_that_cannot_be_made_is_said_on_the_page(iva: Client, settings: Settings) -> None:
    settings.IDENTITY_MAP_SQL = "/nowhere/own.sql"
    page = text(iva.get(f"/jobs/{a_restore().pk}/identity-map.sql", follow=True))
    assert "There is no SQL: the template that IDENTITY_MAP_SQL names cannot be read: No such file" in page
    assert not AuditEntry.objects.exists()


def test_another_form_is_not_there_and_headers_leave_no_entry(iva: Client) -> None:
    job = a_restore()
    assert iva.get(f"/jobs/{job.pk}/identity-map.xml").status_code == 404
    assert iva.head(f"/jobs/{job.pk}/identity-map.json").status_code == 405
    assert not AuditEntry.objects.exists()


# --- aftercare ------------------------------------------------------------------------------------


def test_the_list_is_ticked_with_a_note_and_opened_again(iva: Client) -> None:
    job = with_aftercare(a_restore())
    address = f"/jobs/{job.pk}/aftercare/"
    assert "2 items of 2 are open." in text(iva.get(address))
    page = text(iva.post(address, {"item": "0", "note": "told ada@uni.example"}, follow=True))
    assert "1 item of 2 is open." in page
    assert "iva, " in page and "“told a••••@uni.example”" in page
    page = text(iva.post(address, {"item": "0", "open": "yes"}, follow=True))
    assert "2 items of 2 are open." in page
    acts = AuditEntry.objects.filter(act="aftercare.ticked").order_by("seq")
    assert [(entry.result, entry.actor) for entry in acts] == [("done", "iva"), ("open", "iva")]


def test_all_of_it_is_ticked_at_once(iva: Client) -> None:
    job = with_aftercare(a_restore())
    page = iva.post(
        f"/jobs/{job.pk}/aftercare/", {"item": ["0", "1"], "note": "a try with five"}, follow=True
    )
    assert "All of it is done." in text(page)
    assert AuditEntry.objects.filter(act="aftercare.ticked").count() == 2


@pytest.mark.parametrize("item", ["7", "x", "", "999999999999"])
def test_what_is_no_item_is_said(iva: Client, item: str) -> None:
    job = with_aftercare(a_restore())
    page = text(iva.post(f"/jobs/{job.pk}/aftercare/", {"item": item}, follow=True))
    assert "That is no item of this restore's aftercare. Nothing was changed." in page


def test_a_viewer_sees_the_list_and_ticks_nothing(viewer: Client) -> None:
    job = with_aftercare(a_restore())
    response = viewer.get(f"/jobs/{job.pk}/aftercare/")
    assert "Run the SQL" in text(response)
    assert b"<button" not in response.content.partition(b"What is to be done")[2].partition(b"</ul>")[0]
    assert viewer.post(f"/jobs/{job.pk}/aftercare/", {"item": "0"}).status_code == 403
    assert not Aftercare.objects.exclude(ticked_at=None).exists()


def test_looking_writes_nothing(iva: Client, settings: Settings) -> None:
    job = a_restore()
    page = text(iva.get(f"/jobs/{job.pk}/aftercare/"))
    assert settings.AFTERCARE[0] in page
    assert not Aftercare.objects.exists()


@pytest.mark.parametrize(
    ("messages", "said"),
    [("silent", "Forgot password"), ("invite", "temporary password"), ("later", "until then")],
)
def test_there_is_a_text_for_users_by_the_way_that_was_chosen(iva: Client, messages: str, said: str) -> None:
    job = a_restore()
    job.params = {**job.params, "messages": messages}
    job.save()
    assert said in text(iva.get(f"/jobs/{job.pk}/aftercare/"))


SERVED = "The users are in the pool again"
ANEW = "We had to make your account anew"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("running", "Running: 3 of 5 users are finished so far."),
        ("cancelled", "Cancelled: 3 of 5 users are finished."),
        ("failed", "Failed: 3 of 5 users are finished."),
        ("done_with_failures", "Done with failures: 3 of 5 users are finished."),
    ],
)
def test_how_far_a_restore_came_is_said_where_it_is_not_done(iva: Client, state: str, said: str) -> None:
    job = with_aftercare(a_restore(state, people=3))
    for number in (90, 91):
        an_item(job, number, outcome="failed" if state != "running" else "")
    page = text(iva.get(f"/jobs/{job.pk}/aftercare/"))
    assert said in page and SERVED not in page
    assert "2 items of 2 are open." in page
    Job.objects.filter(pk=job.pk).update(state="done")
    assert SERVED in text(iva.get(f"/jobs/{job.pk}/aftercare/"))


def an_undo_of(restore: Job, *deleted: int, state: str = "done") -> Job:
    undo = a_job(Job.Kind.UNDO, state, queue="write", params={"plan": 1, "undo": restore.pk})
    for number in deleted:
        an_item(undo, number, action="delete", outcome="deleted", new_sub=f"new-{number}")
    return undo


def test_an_undone_restore_is_said_to_be_and_has_no_text_for_whom_it_deleted(iva: Client) -> None:
    job = with_aftercare(a_restore(people=2))
    undo = an_undo_of(job, 0, state="done_with_failures")
    a_job(Job.Kind.UNDO, "done", params={"plan": 2, "undo": job.pk + 1000})
    page = text(iva.get(f"/jobs/{job.pk}/aftercare/"))
    assert SERVED not in page
    assert f"Undone by job {undo.pk} : 1 user deleted." in page
    assert ANEW in page, "one of them is there"
    an_item(undo, 1, action="delete", outcome="deleted", new_sub="new-1")
    page = text(iva.get(f"/jobs/{job.pk}/aftercare/"))
    assert f"Undone by job {undo.pk} : 2 users deleted." in page and ANEW not in page


def test_every_page_of_an_undone_restore_says_so_in_one_line(iva: Client) -> None:
    job = a_restore(people=3)
    an_undo_of(job, state="cancelled")
    undo = an_undo_of(job, 0)
    an_item(undo, 1, action="put-back", outcome="updated", new_sub="new-1")
    an_item(undo, 2, action="skip", outcome="skipped", new_sub="new-2")
    said = f"Undone by job {undo.pk} : 1 user deleted, 1 user put back, 1 user left alone."
    for address in ("", "identity-map/", "aftercare/", "report/"):
        assert text(iva.get(f"/jobs/{job.pk}/{address}")).count("ndone by job") == 1, "not by who did nothing"
        assert said in text(iva.get(f"/jobs/{job.pk}/{address}")), address
    assert said in text(iva.get(f"/people/{job.pk}/"))
    page = text(iva.get(f"/jobs/{job.pk}/report/"))
    assert "Deleted again by an undo, and not in the identity map 1 In the identity map 3" in page
    Job.objects.filter(pk=undo.pk).update(state="running")
    assert f"Being undone by job {undo.pk} , so far: 1 user deleted" in text(iva.get(f"/jobs/{job.pk}/"))
    assert "Undone" not in text(iva.get(f"/jobs/{undo.pk}/"))


def test_who_was_created_and_not_finished_stands_in_the_pool_and_every_page_says_so(iva: Client) -> None:
    job = with_aftercare(a_restore("paused", people=0, queue="write"))
    for number in (10, 11):
        an_item(job, number, outcome="failed", reason="denied", step="created", new_sub=f"new-{number}")
    an_item(job, 12, outcome="unknown", step="created", new_sub="new-12")
    an_item(job, 13)
    said = "Paused: 0 of 4 users are finished so far; 3 more stand in the pool unfinished."
    assert said in text(iva.get(f"/jobs/{job.pk}/aftercare/"))
    assert "3 created by this restore (3 of them not finished), 1 who" in text(
        iva.get(f"/jobs/{job.pk}/identity-map/")
    )
    assert "Created, not finished 3" in text(iva.get(f"/jobs/{job.pk}/report/"))
    an_undo_of(job, 10, 11)
    assert "Created, not finished 1" in text(iva.get(f"/jobs/{job.pk}/report/"))


def test_the_title_counts_who_is_not_finished(iva: Client) -> None:
    a_pool()
    with_aftercare(a_restore("done_with_failures", people=0, result={"created": 0, "half_made": 3}))
    assert f"Restored 0 users to {NAME}, 3 more not finished" in text(iva.get("/?asked=1"))


def test_the_overview_leaves_out_what_was_taken_back_whole(iva: Client) -> None:
    a_pool()
    job = with_aftercare(a_restore(people=2, result={"created": 2}))
    an_item(job, 20, outcome="failed", reason="denied", intended_at=timezone.now())
    undo = an_undo_of(job, 0)
    assert "Restored, and not served yet" in text(iva.get("/?asked=1")), "one of them stands"
    an_item(undo, 1, action="delete", outcome="deleted", new_sub="new-1")
    assert "Restored, and not served yet" not in text(iva.get("/?asked=1"))
    an_item(job, 21, outcome="unknown", intended_at=timezone.now())
    assert "Restored, and not served yet" in text(iva.get("/?asked=1")), "of one nobody knows"


def test_a_trial_is_called_one_wherever_it_is_told_of(iva: Client) -> None:
    a_pool()
    job = with_aftercare(a_restore(people=1, result={"created": 1}))
    Job.objects.filter(pk=job.pk).update(params={**job.params, "only": ["old-0"]})
    plan = Plan.objects.get(pk=job.params["plan"])
    back = f'href="/restore/{plan.job_id}/"'
    page = iva.get(f"/jobs/{job.pk}/")
    assert f"Restored 1 user to {NAME}, as a trial" in text(page)
    assert back in page.content.decode() and "Back to the plan" in text(page)
    assert f"?from={plan.source.replace('/', '%2F')}" in page.content.decode(), "it can be compared again"
    for address in ("", "aftercare/", "report/", "identity-map/"):
        page = iva.get(f"/jobs/{job.pk}/{address}")
        assert "This is a trial with 1 user of the 3 whom its plan writes." in text(page)
    assert "The users of the trial are in the pool again" in text(iva.get(f"/jobs/{job.pk}/aftercare/"))
    assert f"Restored 1 user to {NAME}, as a trial 2 items of aftercare" in text(iva.get("/?asked=1"))
    archive = zipfile.ZipFile(io.BytesIO(b"".join(iva.get(f"/jobs/{job.pk}/report.zip"))))
    assert "This is a trial with 1 user of the 3 whom its plan writes." in archive.read("README.txt").decode()
    Job.objects.filter(pk=job.pk).update(state="running")
    assert f"Restoring 1 user to {NAME}, as a trial" in text(iva.get(f"/jobs/{job.pk}/"))
    Plan.objects.all().delete()
    said = text(iva.get(f"/jobs/{job.pk}/"))
    assert "This is a trial with 1 user." in said and "Back to the plan" not in said


def test_who_was_only_updated_is_not_told_of_a_new_account(iva: Client) -> None:
    job = a_restore(people=0)
    an_item(job, 50, action="update", outcome="updated", confirmed=True, intended_at=timezone.now())
    page = text(iva.get(f"/jobs/{with_aftercare(job).pk}/aftercare/"))
    assert SERVED in page and ANEW not in page


def test_a_restore_that_changed_nobody_has_none(iva: Client) -> None:
    page = text(iva.get(f"/jobs/{a_restore(people=0).pk}/aftercare/"))
    assert "This restore has changed nobody, so there is nothing to do after it." in page


def test_the_overview_names_what_is_open_until_it_is_ticked(iva: Client) -> None:
    a_pool()
    job = with_aftercare(a_restore(result={"created": 4}))
    page = text(iva.get("/?asked=1"))
    assert "Restored, and not served yet" in page
    assert f"Restored 4 users to {NAME} 2 items of aftercare are open" in page
    iva.post(f"/jobs/{job.pk}/aftercare/", {"item": ["0", "1"]})
    assert "not served yet" not in text(iva.get("/?asked=1"))


# --- the report -----------------------------------------------------------------------------------


def test_the_report_is_a_page(iva: Client) -> None:
    job = with_aftercare(
        a_restore(result={"report": "_cognito-admin/jobs/7/x", "report_bucket": "the-bucket"})
    )
    page = text(iva.get(f"/jobs/{job.pk}/report/"))
    assert "“INC-204”" in page
    assert "Created 4" in page and "Skipped 2" in page
    assert "Read back as planned, of 4 created or updated 4" in page
    assert "In the identity map 5" in page
    assert "the-bucket/_cognito-admin/jobs/7/x/" in page
    assert "Run the SQL ▲ open" in page
    assert "@uni.example" not in page


def test_the_report_of_a_restore_whose_plan_is_gone_is_a_page_too(iva: Client) -> None:
    page = text(iva.get(f"/jobs/{a_job(Job.Kind.RESTORE, 'failed').pk}/report/"))
    assert "Its plan is not kept here any more." in page
    assert "It is not in the bucket" in page


def test_people_who_were_chosen_are_counted_on_the_page_and_not_named(iva: Client) -> None:
    job = a_restore()
    plan = job.params["plan"]
    Plan.objects.filter(pk=plan).update(
        choices={
            "existing": "fill",
            "users": ["ada@uni.example"],
            "defaults": {"name": "x"},
            "link": True,
            "chosen": {"comparison": 12},
            "guards": ["newer"],
        }
    )
    page = text(iva.get(f"/jobs/{job.pk}/report/"))
    assert "Users who exist fill People who were named 1 Chosen from comparison 12" in page
    assert "Guards that were lifted newer Linked to their provider again yes" in page
    assert "Defaults for required attributes name" in page


def test_the_report_is_one_zip_and_an_entry(iva: Client) -> None:
    job = a_restore()
    response = iva.get(f"/jobs/{job.pk}/report.zip")
    assert response.headers["Content-Type"] == "application/zip"
    assert response.headers["Content-Disposition"] == f'attachment; filename="report-job-{job.pk}.zip"'
    archive = zipfile.ZipFile(io.BytesIO(b"".join(response)))
    assert archive.testzip() is None
    assert len(json.loads(archive.read("ledger.json"))["users"]) == 6
    assert AuditEntry.objects.get(act="report.downloaded").job == job.pk


@pytest.mark.parametrize("address", ["report.zip", "identity-map.sql"])
def test_a_viewer_downloads_nothing_of_it(viewer: Client, address: str) -> None:
    assert viewer.get(f"/jobs/{a_restore().pk}/{address}").status_code == 403
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("address", ["identity-map/", "report/", "aftercare/"])
def test_a_viewer_may_look_and_another_job_has_no_such_page(viewer: Client, address: str) -> None:
    job = a_restore()
    page = viewer.get(f"/jobs/{job.pk}/{address}")
    assert page.status_code == 200
    assert "Download" not in text(page)
    assert viewer.get(f"/jobs/{a_job(Job.Kind.BACKUP, 'done').pk}/{address}").status_code == 404


def test_a_backup_has_no_report_to_download(iva: Client) -> None:
    a_backup()
    page = iva.get(f"/jobs/{a_job(Job.Kind.BACKUP, 'done').pk}/report.zip", follow=True)
    assert "is no restore, so it has no report." in text(page)


def test_a_finished_restores_page_leads_to_all_three(iva: Client) -> None:
    done, running = a_restore(), a_job(Job.Kind.RESTORE, "running", pool_id="eu-west-1_Other")
    for address in ("identity-map/", "aftercare/", "report/"):
        assert f'href="/jobs/{done.pk}/{address}"' in iva.get(f"/jobs/{done.pk}/").content.decode()
        assert f'href="/jobs/{running.pk}/{address}"' not in iva.get(f"/jobs/{running.pk}/").content.decode()


# --- the settings ---------------------------------------------------------------------------------


def ids() -> set[str]:
    return {message.id.removeprefix("backups.") for message in settings_are_sound() if message.id}


def test_the_default_template_and_list_are_sound(settings: Settings) -> None:
    assert settings.IDENTITY_MAP_SQL == ""
    assert len(settings.AFTERCARE) == 7
    assert not ids() & {"E050", "E051", "E052"}


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read: No such file"), ("SELECT 1;", "0 times"), ("{{ rows }} {{ x }}", "{{ x }}")],
)
def test_a_template_that_is_missing_or_broken_is_named_at_start(
    settings: Settings, tmp_path: Path, content: str | None, said: str
) -> None:
    own = tmp_path / "own.sql"
    if content is not None:
        own.write_text(content)
    settings.IDENTITY_MAP_SQL = str(own)
    [error] = [message for message in settings_are_sound() if message.id == "backups.E050"]
    assert said in error.msg
    assert error.is_serious()


@pytest.mark.parametrize(("items", "id"), [(["x" * 301], "E051"), (["one", "one"], "E052")])
def test_a_list_that_cannot_be_ticked_is_named_at_start(
    settings: Settings, items: list[str], id: str
) -> None:
    settings.AFTERCARE = items
    assert id in ids()


@pytest.mark.parametrize(
    ("told", "items"), [("Tell Iva; restart, then look ;;", ["Tell Iva", "restart, then look"]), ("", None)]
)
def test_the_list_is_read_from_the_environment(
    told: str, items: list[str] | None, settings: Settings
) -> None:
    code = "from tests import settings; print('\\n'.join(settings.AFTERCARE))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "AFTERCARE": told},
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout.splitlines() == (items or settings.AFTERCARE)
