"""A plan's page while it is made: each check stands there as soon as it is answered, with its remedy."""

from __future__ import annotations

from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone

from backups.models import Event, Job
from tests.web.pages import a_backup, a_job, text

pytestmark = pytest.mark.django_db


def a_running_plan() -> Job:
    return a_job(Job.Kind.PLAN, params={"source": a_backup().key}, counters={"live": 840})


def checked(job: Job, sentence: str, state: str, **more: Any) -> Event:
    line = {"kind": "check", "text": sentence, "code": "mail", "state": state, **more}
    return Event.objects.create(job=job, at=timezone.now(), kind="line", data={"lines": [line], "more": 0})


def test_checks_that_are_answered_are_shown_while_the_plan_is_made(iva: Client) -> None:
    job = a_running_plan()
    checked(job, "Deletion protection is on.", "pass")
    checked(job, "The pool mails through Cognito.", "warn", remedy="Switch it to SES.", ways=["invite"])
    last = checked(job, "eve@uni.example is twice in it.", "stop", remedy="Take another backup.")
    response = iva.get(f"/restore/{job.pk}/")
    said = text(response)
    for line in (
        "check: pass Deletion protection is on.",
        "check: warn The pool mails through Cognito. (invite only) Switch it to SES.",
        "check: stop e••••@uni.example is twice in it. Take another backup.",
    ):
        assert line in said
    page = response.content.decode()
    assert page.count('id="follow"') == 1 and 'data-reload="yes"' in page
    assert f'data-after="{last.pk}"' in page, "the stream goes on from what is shown"


def test_a_check_comes_through_the_stream_as_it_stands_in_the_log() -> None:
    event = checked(a_running_plan(), "The pool mails through Cognito.", "warn", remedy="Switch it to SES.")
    line = render_to_string("jobs/_line.html", {"event": event})
    assert "<b>check: warn</b> The pool mails through Cognito. Switch it to SES.</li>" in line


def test_the_log_of_the_job_says_how_a_check_ended(iva: Client) -> None:
    job = a_job(Job.Kind.PLAN, "failed", params={"source": a_backup().key}, finished_at=timezone.now())
    checked(job, "AdminCreateUser is denied.", "stop", remedy="Allow it to the worker.", ways=[])
    assert "check: stop AdminCreateUser is denied. Allow it to the worker." in text(
        iva.get(f"/jobs/{job.pk}/")
    )
    page = iva.get(f"/restore/{job.pk}/").content.decode()
    assert 'id="follow"' not in page, "what is over is not followed"
