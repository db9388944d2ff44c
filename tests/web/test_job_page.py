"""Jobs: the list, one job with its log and its outcomes by cause, and what can be asked of it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from backups.models import AuditEntry, Event, Job
from backups.models.audit import Act, record
from backups.templatetags import jobs as tags
from tests.web.pages import NAME, a_backup, a_job, a_line, a_plan, an_item, reveal, text

pytestmark = pytest.mark.django_db


def a_restore(state: str = "running") -> Job:
    """10 users: 4 created, 1 skipped, 1 failed, 4 left."""
    counters = {"total": 10, "created": 4, "skipped": 1, "failed": 1, "left": 4, "confirmed": 4}
    job = a_job(Job.Kind.RESTORE, state, counters=counters, reason="INC-204")
    for number in range(4):
        an_item(
            job, number, outcome="created", new_sub=f"new-{number}", new_username=f"u{number}", confirmed=True
        )
    an_item(job, 4, action="skip", outcome="skipped", reason="federated", detail="Google")
    an_item(job, 5, outcome="failed", reason="refused", detail="a value of five@uni.example is too long")
    return job


# --- the list -------------------------------------------------------------------------------------


def test_the_list_is_newest_first_with_what_each_job_does(iva: Client) -> None:
    a_job(Job.Kind.BACKUP, "done", result={"users": 2000})
    a_restore()
    page = text(iva.get("/jobs/"))
    assert page.index("Restoring users to") < page.index(f"Backed up 2,000 users of {NAME}")


def test_the_list_is_filtered_in_the_address(iva: Client) -> None:
    a_job(Job.Kind.BACKUP, "failed")
    a_restore()
    assert "Backup of" not in text(iva.get("/jobs/", {"kind": "restore"}))
    assert "Restoring" not in text(iva.get("/jobs/", {"state": "trouble"}))
    assert "No job fits this filter." in text(iva.get("/jobs/", {"kind": "compare"}))


def test_an_empty_list_says_what_would_fill_it(iva: Client) -> None:
    assert "Nothing was asked for yet." in text(iva.get("/jobs/"))


def test_a_long_list_costs_no_more_questions(
    iva: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(60):
        a_job(Job.Kind.BACKUP, "done")
    with django_assert_max_num_queries(5):
        page = iva.get("/jobs/")
    assert "Older jobs" in text(page)


# --- one job --------------------------------------------------------------------------------------


def test_a_job_says_who_why_how_far_and_that_the_page_may_be_closed(iva: Client) -> None:
    page = text(iva.get(f"/jobs/{a_restore().pk}/"))
    assert f"Restoring users to {NAME}" in page
    assert "asked by iva" in page
    assert "“INC-204”" in page
    assert "4 created 1 skipped 1 failed 4 left" in page
    assert "1 min 1" in page  # 72 s elapsed, and the time of the test
    assert "You can close this page. The job runs on the server." in page


def test_the_title_has_the_number_that_the_plan_promised(iva: Client) -> None:
    plan = a_plan(create=3)
    plan.restore = a_restore()
    plan.save()
    assert f"Restoring 3 users to {NAME}" in text(iva.get(f"/jobs/{plan.restore.pk}/"))


def test_the_time_left_is_told_from_the_pace_of_this_run_only(iva: Client) -> None:
    job = a_restore()
    job.counters["at_most"] = 24
    job.save()
    now = timezone.now()
    for seconds, kind, created in ((600, "count", 0), (20, "state", 0), (19, "count", 0), (10, "count", 2)):
        counted = {"total": 10, "created": created, "skipped": 0 if seconds > 10 else 1}
        data = counted if kind == "count" else {"state": "running", "text": "Running"}
        Event.objects.create(job=job, at=now - timedelta(seconds=seconds), kind=kind, data=data)
    page = text(iva.get(f"/jobs/{job.pk}/part"))
    # 5 of them in 19 seconds: who is skipped took no time
    assert "0.3 users a second; the quotas allow 24" in page
    assert "left" in page.split("a second")[1]


def test_who_failed_for_a_cause_that_may_be_gone_is_tried_again_by_that_cause(iva: Client) -> None:
    job = a_restore("done_with_failures")
    an_item(job, 6, outcome="failed", reason="denied")
    an_item(job, 7, outcome="failed", reason="maybe-invited")
    page = iva.get(f"/jobs/{job.pk}/").content.decode()
    assert page.count("Try 1 user again") == 2, "a second mail might go out to the third"
    iva.post(f"/jobs/{job.pk}/resume/", {"cause": "denied"})
    job.refresh_from_db()
    assert (job.state, job.params["again"]) == ("queued", ["denied"])
    assert job.items.get(position=6).reason == "denied", "until the job comes to them"


def test_one_try_takes_up_everybody_of_a_reason_whatever_its_detail(iva: Client) -> None:
    job = a_restore("done_with_failures")
    for number in (6, 7, 8):
        an_item(job, number, outcome="failed", reason="refused", detail=f"value {number} is too long")
    page = text(iva.get(f"/jobs/{job.pk}/"))
    assert page.count("Try 4 users again") == 1
    assert page.count("Try ") == 1
    iva.post(f"/jobs/{job.pk}/resume/", {"cause": "refused"})
    job.refresh_from_db()
    assert job.params["again"] == ["refused"]
    assert AuditEntry.objects.get(act="job.resumed").details == {"users": 4, "causes": ["refused"]}


@pytest.mark.parametrize("state", ["paused", "cancelled"])
def test_the_others_are_gone_on_with_alone(iva: Client, state: str) -> None:
    job = a_restore(state)
    an_item(job, 6)
    page = iva.get(f"/jobs/{job.pk}/").content.decode()
    assert "Go on without 1 failed user<" in page
    assert "Who failed before is tried again only when the others are done" in page
    form = page.split("Go on without")[0].rpartition("<form")[2]
    assert '<input type="hidden" name="cause" value="">' in form
    iva.post(f"/jobs/{job.pk}/resume/", {"cause": ""})
    job.refresh_from_db()
    assert (job.state, job.params["again"]) == ("queued", [])
    assert AuditEntry.objects.get(act="job.resumed").details["causes"] == []


def test_where_there_are_no_others_or_nobody_failed_they_are_not_offered(iva: Client) -> None:
    job = a_restore("paused")
    for state, offered in (("paused", True), ("running", False), ("cancelled", False)):
        Job.objects.filter(pk=job.pk).update(state=state)
        assert ("Go on without" in text(iva.get(f"/jobs/{job.pk}/"))) == offered, state
    an_item(job, 6)
    job.items.filter(outcome="failed").update(outcome="")
    assert "Go on without" not in text(iva.get(f"/jobs/{job.pk}/"))


def test_a_group_that_was_not_made_can_be_tried_again(iva: Client) -> None:
    job = a_restore("done_with_failures")
    job.items.filter(outcome="failed").update(outcome="created")
    assert "Try to make" not in text(iva.get(f"/jobs/{job.pk}/"))
    Job.objects.filter(pk=job.pk).update(result={"groups_not_made": ["editors"]})
    assert "Try to make 1 group again" in text(iva.get(f"/jobs/{job.pk}/"))
    iva.post(f"/jobs/{job.pk}/resume/")
    job.refresh_from_db()
    assert job.state == "queued"


@pytest.mark.parametrize("outcome", ["", "unknown"])
def test_no_cause_is_tried_again_where_that_would_go_on_with_others_too(iva: Client, outcome: str) -> None:
    job = a_restore("cancelled")
    for number in range(6, 10):
        an_item(job, number, outcome=outcome)
    page = text(iva.get(f"/jobs/{job.pk}/"))
    assert "Try " not in page
    assert "Go on with 5 unfinished users" in page
    iva.post(f"/jobs/{job.pk}/resume/")
    assert AuditEntry.objects.get(act="job.resumed").details["users"] == 5


def test_a_job_that_was_resumed_says_who_asked_and_who_resumed_it(iva: Client) -> None:
    job = a_restore("paused")
    record(Act.RESTORE_ASKED, actor_id="AIDAANN", actor="ann", job=job.pk)
    record(Act.JOB_PAUSED, actor_id="AIDABEN", actor="ben", job=job.pk)
    iva.post(f"/jobs/{job.pk}/resume/")
    page = text(iva.get(f"/jobs/{job.pk}/"))
    assert "asked by ann" in page and "“INC-204” · resumed by iva" in page
    assert re.search(
        r"Asked by ann, .*: “INC-204”\. Resumed by iva, ", text(iva.get(f"/jobs/{job.pk}/report/"))
    )
    Job.objects.filter(pk=job.pk).update(state="paused")
    iva.post(f"/jobs/{job.pk}/resume/")
    assert "resumed 2 times, last by iva" in text(iva.get(f"/jobs/{job.pk}/"))


@pytest.mark.parametrize(
    ("counts", "before", "after"),
    [
        ({"created": 3, "updated": 0}, "Restoring 3 users to", "Restored 3 users to"),
        ({"created": 0, "updated": 140}, "Restoring 140 users to", "Updated 140 users in"),
        ({"created": 1, "updated": 2}, "Restoring 3 users to", f"Restored 1 user to {NAME} and updated 2"),
    ],
)
def test_who_is_updated_counts_in_the_title(counts: dict[str, int], before: str, after: str) -> None:
    plan = a_plan(create=counts["created"], counts={"update": counts["updated"]})
    plan.restore = a_restore()
    plan.save()
    assert tags.in_words(plan.restore).startswith(before)
    plan.restore.state, plan.restore.result = "done", counts
    assert tags.in_words(plan.restore).startswith(after)


def test_only_what_goes_user_by_user_promises_to_finish_users_first(iva: Client) -> None:
    finished = "Asked to cancel: users already begun are finished first."
    for kind in (Job.Kind.RESTORE, Job.Kind.BACKUP):
        job = a_job(kind, wants="cancel", pool_id=f"eu-west-1_{kind}")
        page = text(iva.get(f"/jobs/{job.pk}/part"))
        assert (finished in page) == (kind == Job.Kind.RESTORE)
        assert ("Asked to cancel: it ends at its next step." in page) == (kind == Job.Kind.BACKUP)


def test_the_list_of_users_has_a_name_for_whom_it_is_read_to(iva: Client) -> None:
    page = iva.get(f"/jobs/{a_restore('done').pk}/").content.decode()
    assert 'id="users" aria-labelledby="users-title"' in page
    assert '<h2 id="users-title">Users of this restore' in page


def test_a_job_that_runs_offers_no_second_try(iva: Client) -> None:
    assert "Try 1 user again" not in text(iva.get(f"/jobs/{a_restore().pk}/"))


def test_a_job_that_waits_says_until_when_and_that_it_goes_on_by_itself(iva: Client) -> None:
    job = a_restore("waiting")
    Job.objects.filter(pk=job.pk).update(sentence="Waits until 24 November, 09:00 UTC: the mails are spent.")
    page = text(iva.get(f"/jobs/{job.pk}/"))
    assert "Waits until 24 November, 09:00 UTC" in page
    assert "You can close this page." in page and "runs on the server" not in page
    assert "Pause this restore" in page and "Resume this restore" in page


def test_outcomes_are_told_by_cause_and_lead_to_their_users(iva: Client) -> None:
    job = a_restore()
    page = iva.get(f"/jobs/{job.pk}/")
    assert "comes back at the next sign-in through Google 1 user" in text(page)
    assert "AWS refused: a value of f••••@uni.example is too long 1 user" in text(page)
    assert f"/jobs/{job.pk}/?outcome=failed&amp;reason=refused#users" in page.content.decode()
    users = text(iva.get(f"/jobs/{job.pk}/", {"outcome": "failed", "reason": "refused"})).split("Users of")[1]
    assert users.count("p••••@uni.example") == 1


def test_an_account_that_made_way_is_named(iva: Client) -> None:
    job = a_restore()
    job.items.filter(position=2).update(removes="began-9")
    users = text(iva.get(f"/jobs/{job.pk}/", {"outcome": "created"})).split("Users of")[1]
    assert users.count("the account that nobody confirmed, began-9 , is not in the pool any more") == 1


def test_why_whoever_was_created_was_left_as_they_are_is_said(iva: Client) -> None:
    job = a_restore()
    job.items.filter(position=2).update(reason="invited", removes="began-9")
    users = text(iva.get(f"/jobs/{job.pk}/", {"outcome": "created"})).split("Users of")[1]
    assert (
        "another job invited this user meanwhile, or may have, so no password was set over the one that was "
        "mailed; the account that nobody confirmed, began-9 , is not in the pool any more"
    ) in users


def test_the_log_replays_everything_newest_first_and_without_e_mails(iva: Client) -> None:
    job = a_restore()
    Event.objects.create(
        job=job, at=timezone.now(), kind="phase", data={"phase": "Users, passwords", "total": 10}
    )
    a_line(job, "ana@uni.example · confirmed", "created")
    page = iva.get(f"/jobs/{job.pk}/").content.decode()
    log = page.split('id="log"')[1]
    assert log.index("a••••@uni.example · confirmed") < log.index("Users, passwords")
    assert "ana@" not in page


def test_what_was_not_told_line_by_line_is_counted(iva: Client) -> None:
    job = a_restore()
    data = {"lines": [{"kind": "note", "text": "one"}], "more": 37}
    Event.objects.create(job=job, at=timezone.now(), kind="line", data=data)
    assert "and 37 lines more in the same moment" in text(iva.get(f"/jobs/{job.pk}/"))


def test_a_log_line_is_text_and_never_markup(iva: Client) -> None:
    job = a_restore()
    a_line(job, "<script>alert(1)</script>")
    assert "<script>alert" not in iva.get(f"/jobs/{job.pk}/").content.decode()


def test_a_very_long_log_is_read_page_by_page(iva: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "LOG_EVENTS", 2)
    job = a_job(Job.Kind.BACKUP)
    lines = [a_line(job, f"line-{number}") for number in range(5)]
    first = iva.get(f"/jobs/{job.pk}/").content.decode()
    assert "line-4" in first
    assert "line-2" not in first
    earlier = iva.get(f"/jobs/{job.pk}/", {"before": lines[3].pk}).content.decode()
    assert "line-2" in earlier
    assert 'id="follow"' not in earlier


def test_the_page_follows_from_the_last_line_that_it_shows(iva: Client) -> None:
    job = a_restore()
    last = a_line(job, "the last")
    assert f'data-after="{last.pk}"' in iva.get(f"/jobs/{job.pk}/").content.decode()


def test_a_job_that_is_over_is_not_followed_and_offers_what_comes_next(iva: Client) -> None:
    plan = a_plan()
    plan.restore = a_restore("done_with_failures")
    plan.save()
    Job.objects.filter(pk=plan.restore.pk).update(params={"plan": plan.pk})
    page = iva.get(f"/jobs/{plan.restore.pk}/")
    assert 'id="follow"' not in page.content.decode()
    assert "Download identity map" in text(page)
    assert "Compare again" in text(page)
    assert "Cancel" not in text(page)


def test_a_backup_that_is_done_leads_to_it(iva: Client) -> None:
    backup = a_backup()
    job = a_job(Job.Kind.BACKUP, "done", result={"key": backup.key, "users": 2000})
    page = iva.get(f"/jobs/{job.pk}/")
    assert f'href="/backups/{backup.key}/"' in page.content.decode()


def test_the_live_part_is_the_same_as_on_the_page(iva: Client) -> None:
    job = a_restore()
    part = text(iva.get(f"/jobs/{job.pk}/part"))
    assert "4 created 1 skipped 1 failed 4 left" in part
    assert "Pause this restore" in part
    assert "Sign out" not in part


# --- asking ---------------------------------------------------------------------------------------


def test_a_running_restore_is_asked_to_pause_and_says_so(iva: Client) -> None:
    job = a_restore()
    page = iva.post(f"/jobs/{job.pk}/pause/", follow=True)
    job.refresh_from_db()
    assert job.wants == "pause"
    assert "Asked to pause: users already begun are finished first." in text(page)
    assert AuditEntry.objects.get(act="job.pause-asked").job == job.pk


def test_a_paused_job_can_be_resumed_or_cancelled(iva: Client) -> None:
    job = a_restore("paused")
    page = text(iva.get(f"/jobs/{job.pk}/"))
    assert "Resume this restore" in page
    assert "Pause this restore" not in page
    iva.post(f"/jobs/{job.pk}/resume/")
    job.refresh_from_db()
    assert job.state == "queued"


def test_a_cancel_says_before_what_is_kept(iva: Client) -> None:
    job = a_restore()
    page = text(iva.get(f"/jobs/{job.pk}/"))
    assert "Users created so far will stay in the pool" in page
    assert "Nothing is taken back." in page
    iva.post(f"/jobs/{job.pk}/cancel/")
    job.refresh_from_db()
    assert job.wants == "cancel"


def test_a_job_that_is_over_cannot_be_cancelled_and_the_page_says_why(iva: Client) -> None:
    job = a_restore("done")
    assert "There is nothing left to cancel." in text(iva.post(f"/jobs/{job.pk}/cancel/", follow=True))


@pytest.mark.parametrize("verb", ["pause", "cancel", "resume"])
def test_nothing_is_asked_by_a_get_nor_by_a_viewer(viewer: Client, verb: str) -> None:
    job = a_restore()
    assert viewer.get(f"/jobs/{job.pk}/{verb}/").status_code == 405
    assert viewer.post(f"/jobs/{job.pk}/{verb}/").status_code == 403
    job.refresh_from_db()
    assert job.wants == ""


# --- the identity map -----------------------------------------------------------------------------


def test_the_identity_map_is_a_csv_file_and_its_download_an_entry(iva: Client) -> None:
    job = a_restore("done")
    response = iva.get(f"/jobs/{job.pk}/identity-map.csv")
    lines = b"".join(response).decode().splitlines()
    assert lines[0] == "old_sub,new_sub,old_username,new_username,email,how"
    assert lines[1] == "old-0,new-0,name-0,u0,person0@uni.example,created"
    assert len(lines) == 5
    assert response.headers["Content-Disposition"].startswith("attachment;")
    assert AuditEntry.objects.get(act="identity-map.downloaded").job == job.pk


def test_asking_for_the_identity_maps_headers_leaves_no_entry(iva: Client) -> None:
    assert iva.head(f"/jobs/{a_restore('done').pk}/identity-map.csv").status_code == 405
    assert not AuditEntry.objects.exists()


def test_the_users_of_a_restore_are_not_spelt_out_by_the_search(iva: Client) -> None:
    job = a_restore("done")

    def found(query: str) -> int:
        return len(iva.get(f"/jobs/{job.pk}/", {"q": query}).context["rows"].rows)

    assert [found(text) for text in ("person1", "person1@", "person1@uni.example", "name-1")] == [0, 0, 1, 1]
    reveal(iva, f"job {job.pk}")
    assert found("person1@") == 1


def test_a_job_without_an_identity_map_says_so(iva: Client) -> None:
    page = iva.get(f"/jobs/{a_job(Job.Kind.BACKUP).pk}/identity-map.csv", follow=True)
    assert "is no restore, so it has no identity map" in text(page)


def test_a_viewer_gets_no_identity_map(viewer: Client) -> None:
    assert viewer.get(f"/jobs/{a_restore('done').pk}/identity-map.csv").status_code == 403
    assert not AuditEntry.objects.exists()


def test_a_viewer_may_look(viewer: Client) -> None:
    assert viewer.get(f"/jobs/{a_restore().pk}/").status_code == 200


def test_no_such_job(iva: Client) -> None:
    assert iva.get("/jobs/999/").status_code == 404
    assert iva.get("/jobs/999/part").status_code == 404


def test_who_may_only_look_is_offered_nothing_else_about_a_restore(iva: Client, viewer: Client) -> None:
    over = a_restore("done_with_failures")
    going = a_restore()
    address = f"/jobs/{over.pk}/"
    hers = text(iva.get(f"/jobs/{going.pk}/")) + text(iva.get(address))
    theirs = text(viewer.get(f"/jobs/{going.pk}/")) + text(viewer.get(address))
    for words in (
        *("Pause this restore", "Cancel…", "Go on with", "Download identity map", "import its columns"),
        *("Plan an undo of this restore", "Reveal e-mails"),
    ):
        assert words in hers, words
        assert words not in theirs, words
    for words in ("Identity map", "Aftercare", "Report", "Who is in again", "Users of this restore"):
        assert words in theirs, "to look is allowed"
    part = viewer.get(f"/jobs/{over.pk}/part").content.decode()
    assert "Who is in again" in part and "<form" not in part


def test_who_may_only_look_is_not_offered_another_try(iva: Client, viewer: Client) -> None:
    job = a_restore("done_with_failures")
    job.items.filter(outcome="").delete()
    assert "Try 1 user again" in text(iva.get(f"/jobs/{job.pk}/"))
    said = text(viewer.get(f"/jobs/{job.pk}/"))
    assert "Not done, by cause" in said and "again" not in said.split("Not done, by cause")[1].split("Log")[0]


@pytest.mark.parametrize(
    ("kind", "state", "params", "words"),
    [
        ("plan", "planned", {}, "Read the plan"),
        ("plan", "planned", {"undo": 4}, "Read the plan"),
        ("undo", "done", {"undo": 4}, "Read what came of whom"),
        ("schema", "failed", {"plan": 4, "attributes": []}, "Plan the restore again"),
        ("schema", "failed", {"plan": 4, "attributes": []}, "Open the plan that lacked"),
    ],
)
def test_no_way_leads_where_who_may_only_look_is_turned_away(
    iva: Client, viewer: Client, kind: str, state: str, params: dict[str, object], words: str
) -> None:
    address = f"/jobs/{a_job(kind, state, params=params).pk}/"
    assert words in text(iva.get(address))
    assert words not in text(viewer.get(address))
