"""A job's page leads to its undo, and to who is in again; and says of each what it is."""

from __future__ import annotations

import pytest
from django.test import Client

from backups.models import Job
from tests.web.pages import a_job, text
from tests.web.test_people_page import a_reading, a_restore
from tests.web.test_undo_page import an_undo_plan, go

pytestmark = pytest.mark.django_db


def test_a_restores_page_leads_to_its_undo_and_back(iva: Client) -> None:
    plan = an_undo_plan()
    go(iva, plan)
    undo = Job.objects.get(kind=Job.Kind.UNDO)
    restore = undo.params["undo"]
    for job, said, link in (
        (restore, "Plan an undo of this restore", f"/people/{restore}/"),
        (plan.job_id, f"Undo plan of restore {restore} in", f"/undo/{plan.job_id}/"),
        (undo.pk, f"Undoing restore {restore} in", f"/undo/{undo.pk}/"),
    ):
        page = iva.get(f"/jobs/{job}/")
        assert said in text(page)
        assert link in page.content.decode()
    assert "Pause this undo of a restore" in text(iva.get(f"/jobs/{undo.pk}/"))
    assert iva.get(f"/restore/{plan.job_id}/").status_code == 404  # it is no plan of a restore


def test_a_reading_and_invitations_lead_to_who_is_in_again(iva: Client) -> None:
    restore = a_restore()
    reading = a_reading(restore)
    page = iva.get(f"/jobs/{reading.pk}/")
    assert f"Who is in again after restore {restore.pk}" in text(page)
    assert f"/people/{reading.pk}/" in page.content.decode()
    invited = a_job(
        Job.Kind.INVITE, "done", params={"reading": reading.pk}, counters={"messages": 3, "total": 3}
    )
    assert "Invited 3 people in" in text(iva.get(f"/jobs/{invited.pk}/"))
