"""Undo on the page: plan it, read it, confirm. A viewer may not, and e-mails are masked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from backups.models import AuditEntry, Job, Plan
from backups.models.audit import Act, record
from tests.web.pages import a_job, an_item, reveal, text

pytestmark = pytest.mark.django_db
WHY = "INC-204: the wrong backup"


def a_restore(**given: Any) -> Job:
    restore = a_job(
        Job.Kind.RESTORE, "done", finished_at=timezone.now(), params={"messages": "silent"}, **given
    )
    an_item(restore, 0, outcome="created", new_sub="new-0", intended_at=timezone.now())
    return restore


def an_undo_plan(delete: int = 2, put_back: int = 1) -> Plan:
    restore = a_restore()
    job = a_job(Job.Kind.PLAN, "planned", params={"undo": restore.pk}, finished_at=timezone.now())
    for number in range(delete):
        an_item(job, number, action="delete", reason="made-by-it", new_sub=f"new-{number}")
    for number in range(delete, delete + put_back):
        changes = [["name", "Ada Lovelace", "A."]]
        an_item(job, number, action="put-back", reason="changed-by-it", changes=changes, groups=["admins"])
    an_item(job, 90, action="skip", reason="in-again", detail="the pool recorded a sign-in")
    an_item(job, 91, action="skip", reason="gone")
    return Plan.objects.create(
        job=job,
        digest="d" * 64,
        source=f"undo:{restore.pk}",
        source_sha256="",
        choices={"undo": restore.pk},
        counts={"delete": delete, "put-back": put_back, "skip": 2, "create": 0, "by_reason": {}},
        read_at=timezone.now(),
    )


def go(client: Client, plan: Plan, **given: str) -> Any:
    rightly = {"digest": plan.digest, "typed": "production undo 3", "reason": WHY}
    return client.post(f"/undo/{plan.job_id}/start/", rightly | given)


def test_planning_an_undo_starts_a_job_that_reads(iva: Client) -> None:
    restore = a_restore()
    response = iva.post(f"/jobs/{restore.pk}/undo/")
    job = Job.objects.get(kind=Job.Kind.PLAN)
    assert response.headers["Location"] == f"/undo/{job.pk}/"
    assert (job.queue, job.params) == ("read", {"undo": restore.pk})
    assert "Undo restore" in text(iva.get(f"/undo/{job.pk}/"))


def test_what_cannot_be_undone_is_said_on_the_jobs_page(iva: Client) -> None:
    restore = a_job(Job.Kind.RESTORE, "running")
    page = text(iva.post(f"/jobs/{restore.pk}/undo/", follow=True))
    assert "is not over" in page
    assert iva.post(f"/jobs/{a_job(Job.Kind.BACKUP).pk}/undo/").status_code == 404


def test_the_plan_shows_the_counts_and_every_users_reason_with_masked_e_mails(iva: Client) -> None:
    plan = an_undo_plan()
    response = iva.get(f"/undo/{plan.job_id}/")
    page = text(response)
    restore = plan.choices["undo"]
    assert f"Undo restore {restore} in" in page and f'href="/jobs/{restore}/"' in response.content.decode()
    assert "Delete : created by the restore, as it left them, and no sign of use 2 users" in page
    assert "Put back : fields and groups that still hold what the restore wrote 1 user" in page
    assert "is in again: the pool recorded a sign-in; left alone" in page
    assert "name, out of group admins" in page
    assert "Ada Lovelace" not in page
    assert "production undo 3" in page
    assert "person0@uni.example" not in response.content.decode()
    assert "p••••@uni.example" in page
    reveal(iva, f"job {plan.job_id}")
    assert "person0@uni.example" in text(iva.get(f"/undo/{plan.job_id}/"))


def test_the_list_is_filtered_by_action_reason_and_words(iva: Client) -> None:
    plan = an_undo_plan()
    for query, users in (
        ("action=delete", 2),
        ("reason=gone", 1),
        ("q=person90@uni.example", 1),
        ("q=new-1", 1),
        ("q=nobody", 0),
        (f"q={'x' * 60_000}", 0),
    ):
        rows = iva.get(f"/undo/{plan.job_id}/?{query}").context["rows"].rows
        assert len(rows) == users, query


def test_a_viewer_may_not(viewer: Client) -> None:
    plan = an_undo_plan()
    assert viewer.get(f"/undo/{plan.job_id}/").status_code == 403
    assert viewer.post(f"/jobs/{plan.choices['undo']}/undo/").status_code == 403
    assert go(viewer, plan).status_code == 403
    assert not Job.objects.filter(kind=Job.Kind.UNDO).exists()


def test_it_starts_only_with_the_plan_the_words_and_a_reason(iva: Client) -> None:
    plan = an_undo_plan()
    for given, said in (
        ({"typed": "production 3"}, "Type production undo 3 to start"),
        ({"digest": "other"}, "not the one that is kept here"),
        ({"reason": ""}, "Say why in a few words"),
    ):
        response = go(iva, plan, **given)
        assert response.status_code in (400, 409)
        assert said in text(response)
    assert not Job.objects.filter(kind=Job.Kind.UNDO).exists()
    response = go(iva, plan)
    job = Job.objects.get(kind=Job.Kind.UNDO)
    assert response.headers["Location"] == f"/jobs/{job.pk}/"
    assert (job.queue, job.reason, job.params["plan"]) == ("write", WHY, plan.pk)
    assert AuditEntry.objects.get(act="undo.asked").job == job.pk
    assert "carried out already" in text(go(iva, plan))


def test_the_page_then_tells_what_came_of_it(iva: Client) -> None:
    plan = an_undo_plan()
    go(iva, plan)
    job = Job.objects.get(kind=Job.Kind.UNDO)
    an_item(job, 0, action="delete", reason="", outcome="deleted", confirmed=True)
    an_item(job, 1, action="delete", reason="changed-since", outcome="skipped")
    page = text(iva.get(f"/undo/{job.pk}/", follow=True))
    assert "Deleted 1 user" in page
    assert "changed after this undo was planned; left alone" in page
    assert "deleted confirmed" in page
    assert iva.get(f"/undo/{job.pk}/").headers["Location"] == f"/undo/{plan.job_id}/"
    assert iva.get(f"/jobs/{job.pk}/").status_code == 200


def test_nothing_to_undo_is_said_and_cannot_be_started(iva: Client) -> None:
    plan = an_undo_plan(0, 0)
    assert "There is nothing to undo" in text(iva.get(f"/undo/{plan.job_id}/"))
    assert "nothing to put back" in text(go(iva, plan, typed="production undo 0"))


def test_planning_twice_opens_the_plan_that_is_under_way(iva: Client) -> None:
    restore = a_restore()
    first, again = (iva.post(f"/jobs/{restore.pk}/undo/") for _ in range(2))
    assert first.headers["Location"] == again.headers["Location"]
    Job.objects.filter(kind=Job.Kind.PLAN).update(state="planned")
    assert iva.post(f"/jobs/{restore.pk}/undo/").headers["Location"] != first.headers["Location"]
    other = a_restore()
    assert iva.post(f"/jobs/{other.pk}/undo/").status_code == 302
    assert Job.objects.filter(kind=Job.Kind.PLAN).count() == 3


def test_what_another_undo_took_back_is_not_undone_again(iva: Client) -> None:
    plan = an_undo_plan()
    restore = plan.choices["undo"]
    undo = a_job(Job.Kind.UNDO, "done", params={"undo": restore, "plan": 0}, result={"deleted": 1})
    an_item(undo, 0, action="delete", outcome="deleted")
    an_item(undo, 1, action="delete", outcome="failed")
    an_item(undo, 2, action="put-back", outcome="updated")
    page = text(iva.get(f"/undo/{plan.job_id}/"))
    assert "Type production undo 3" in page and "nothing left" not in page, "one is left to do"
    undo.items.update(outcome="deleted")
    said = f"All that this plan would take back was taken back already, last by job {undo.pk}."
    response = iva.get(f"/undo/{plan.job_id}/")
    assert f"There is nothing left to undo {said}" in text(response)
    assert 'id="confirm"' not in response.content.decode()
    refused = go(iva, plan)
    assert refused.status_code == 409 and f"{said} Nothing was written." in text(refused)
    assert Job.objects.filter(kind=Job.Kind.UNDO).get() == undo
    other = an_undo_plan()  # of another restore, of people with the same keys
    assert go(iva, other).status_code == 302


@pytest.mark.parametrize(
    ("result", "title"),
    [
        ({"deleted": 0, "updated": 0, "skipped": 3}, "Undo of restore 7 in"),
        ({"deleted": 1, "updated": 0}, "Undid restore 7 in"),
        ({"deleted": 0, "updated": 2}, "Undid restore 7 in"),
    ],
)
def test_an_undo_that_took_nothing_back_undid_nothing(
    iva: Client, result: dict[str, int], title: str
) -> None:
    job = a_job(Job.Kind.UNDO, "done", params={"undo": 7, "plan": 1}, result=result)
    assert title in text(iva.get(f"/jobs/{job.pk}/"))


def test_a_plan_that_was_not_made_is_said(iva: Client) -> None:
    restore = a_restore()
    job = a_job(Job.Kind.PLAN, "failed", params={"undo": restore.pk}, sentence="AWS did not answer.")
    page = text(iva.get(f"/undo/{job.pk}/"))
    assert "There is no plan AWS did not answer. Nothing was written." in page
    assert "There is no plan to start yet" in text(iva.post(f"/undo/{job.pk}/start/"))
    assert iva.get(f"/undo/{a_job(Job.Kind.PLAN, 'planned').pk}/").status_code == 404


def test_whoever_was_not_deleted_keeps_what_was_done_with_the_identity_map(iva: Client) -> None:
    two, one, none = an_undo_plan(), an_undo_plan(delete=1), an_undo_plan(delete=0)
    assert "of these 2 users only" in text(iva.get(f"/undo/{two.job_id}/"))
    assert "of this one user only" in text(iva.get(f"/undo/{one.job_id}/"))
    page = text(iva.get(f"/undo/{none.job_id}/"))
    assert "production undo 1" in page and "identity map" not in page


@pytest.mark.parametrize("policy", ["overwrite", "always"])
@pytest.mark.parametrize("changed", [{"asked_by": "AIDAPOL"}, {"hours": 25}])
def test_an_undo_of_somebody_elses_restore_or_of_an_old_one_needs_a_second_person(
    iva: Client, settings: Settings, policy: str, changed: dict[str, Any]
) -> None:
    plan = an_undo_plan()
    restore = Job.objects.filter(pk=plan.choices["undo"])
    if hours := changed.get("hours"):
        restore.update(created_at=timezone.now() - timedelta(hours=hours))
    else:
        restore.update(**changed)
    settings.RESTORE_APPROVALS = policy
    page = text(iva.get(f"/undo/{plan.job_id}/"))
    assert f"This undo needs a second person here (RESTORE_APPROVALS is {policy})" in page
    assert f"manage.py undo {plan.choices['undo']} --yes" in page and "production undo 3" not in page
    response = go(iva, plan)
    assert response.status_code == 403 and "needs a second person" in text(response)
    assert not Job.objects.filter(kind=Job.Kind.UNDO).exists()
    settings.RESTORE_APPROVALS = "never"
    assert go(iva, plan).status_code == 302


def test_ones_own_restore_of_today_is_undone_by_one(iva: Client, settings: Settings) -> None:
    settings.RESTORE_APPROVALS = "always"
    plan = an_undo_plan()
    assert "second person" not in text(iva.get(f"/undo/{plan.job_id}/"))
    assert go(iva, plan).status_code == 302


@pytest.mark.parametrize(
    ("first", "then", "status"), [("AIDAIVA", "AIDAPOL", 302), ("AIDAPOL", "AIDAIVA", 403)]
)
def test_it_stays_the_restore_of_who_asked_first_whoever_resumed_it(
    iva: Client, settings: Settings, first: str, then: str, status: int
) -> None:
    settings.RESTORE_APPROVALS = "overwrite"
    plan = an_undo_plan()
    restore = Job.objects.get(pk=plan.choices["undo"])
    record(Act.RESTORE_ASKED, actor=first, actor_id=first, job=restore.pk)
    record(Act.JOB_RESUMED, actor=then, actor_id=then, job=restore.pk)
    Job.objects.filter(pk=restore.pk).update(asked_by=then)
    assert go(iva, plan).status_code == status
