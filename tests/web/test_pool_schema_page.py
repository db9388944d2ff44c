"""Attributes that a pool does not know, on their page: shown as they were, confirmed, and planned again."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from backups import catalogue, wiring
from backups.core.lifecycle import State
from backups.core.schema import Attribute
from backups.engine.ports import Cause
from backups.models import AuditEntry, Job, Plan
from backups.runner.schema import BEGUN
from tests.engine.test_schema import a_backup
from tests.fakes import FakeAccount, FakeStore
from tests.web.pages import NAME, POOL_ID, a_job, a_plan, a_pool, text

pytestmark = pytest.mark.django_db
WHY = "the pool was made anew without them"
INSTITUTION = Attribute("custom:institution", most="256")
SCORE = Attribute("custom:score", "Number", mutable=False, least="1", most="5")
BADGE = Attribute("dev:badge")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAccount:
    account = FakeAccount()
    monkeypatch.setattr(wiring, "account_of", lambda region, **how: account)
    return account


@pytest.fixture
def plan(aws: FakeAccount, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """142 users have an institution, one a score; the backup knows what both were."""
    a_pool()
    made = a_plan(counts={"unknown": {"custom:institution": 142, "custom:score": 1}, "cannot": 142})
    keep(made, monkeypatch, INSTITUTION, SCORE)
    return made


def keep(plan: Plan, monkeypatch: pytest.MonkeyPatch, *known: Attribute) -> FakeStore:
    """The plan's backup, of a pool that had these attributes."""
    of_then = FakeAccount()
    of_then.add_attributes(POOL_ID, [one.request() for one in known])
    store = a_backup({"user_pool": of_then.describe(POOL_ID)}, key=plan.source)
    monkeypatch.setattr(catalogue, "store_at", lambda key: store)
    return store


def at(plan: Plan) -> str:
    return f"/restore/{plan.job_id}/schema/"


def go(client: Client, plan: Plan, **given: str) -> Any:
    page: Any = client.get(at(plan))
    shown = page.context["found"].digest if page.context and "found" in page.context else ""
    rightly = {"digest": shown, "typed": "production schema 2", "reason": WHY}
    return client.post(at(plan), {**rightly, **given})


def an_addition(state: str = State.DONE, **given: Any) -> Job:
    attributes = [one.as_json() for one in (INSTITUTION, SCORE)]
    names = {"added": ["custom:institution"], "before": ["custom:score"], "lacking": [], "differs": []}
    ordinary = {"params": {"plan": 7, "attributes": attributes}, "result": {"names": names, "added": 1}}
    return a_job(Job.Kind.SCHEMA, state, **{**ordinary, **given})


def test_it_shows_what_is_lacking_as_the_backup_has_it(iva: Client, plan: Plan) -> None:
    page = text(iva.get(at(plan)))
    assert f"Attributes that {NAME} does not know" in page
    assert "Users of the backup have these attributes, and this pool has no place for them" in page
    assert "custom:institution text of at most 256 characters yes from the backup 142" in page
    assert "custom:score a number from 1 to 5 no: written when a user is created, and never again" in page
    assert "An attribute can never be changed or taken away again." in page
    assert "50 of its own; this one has 0, and would have 2" in page
    assert "only where its ReadAttributes and WriteAttributes name it" in page
    assert "custom:score: only users who are created get a value" in page
    assert "without custom: , which AWS puts before it" in page
    assert "production schema 2" in page and f"Add 2 attributes to {NAME}" in page
    assert "a guess" not in page


def test_one_attribute_is_one(iva: Client, plan: Plan, aws: FakeAccount) -> None:
    aws.add_attributes(POOL_ID, [SCORE.request()])
    page = text(iva.get(at(plan)))
    assert "Users of the backup have this attribute, and this pool has no place for it" in page
    assert "In the pool by now: custom:score ." in page
    assert "production schema 1" in page and f"Add 1 attribute to {NAME}" in page


def test_what_nothing_tells_is_a_guess_and_said_to_be_one(
    iva: Client, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "store_at", lambda key: FakeStore())
    page = text(iva.get(at(plan)))
    assert "custom:score text of at most 2,048 characters yes ▲ a guess 1" in page
    assert "holds no settings of its pool, so nothing says what these attributes were" in page


def test_a_developers_attribute_is_said_to_be_one(iva: Client, plan: Plan) -> None:
    Plan.objects.update(counts=plan.counts | {"unknown": {"dev:badge": 2}})
    assert "dev:badge: for developers only. No app client can write it" in text(iva.get(at(plan)))


def test_they_are_added_by_one_who_types_where_and_how_many(iva: Client, plan: Plan) -> None:
    response = go(iva, plan)
    job = Job.objects.get(kind=Job.Kind.SCHEMA)
    assert response.headers["Location"] == f"/jobs/{job.pk}/"
    assert (job.queue, job.reason, job.params["plan"]) == ("write", WHY, plan.job_id)
    assert [Attribute.of_json(one) for one in job.params["attributes"]] == [INSTITUTION, SCORE]
    assert AuditEntry.objects.get(act="schema.asked").job == job.pk
    assert "Only one may at a time" in text(go(iva, plan))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"typed": "production 2"}, "Type production schema 2 to confirm"),
        ({"reason": "why"}, "Say why in a few words"),
        ({"digest": "0"}, "not what would be added now. Look at it again"),
    ],
)
def test_a_refusal_is_a_sentence_and_keeps_what_was_typed(
    iva: Client, plan: Plan, given: dict[str, str], said: str
) -> None:
    response = go(iva, plan, **given)
    assert response.status_code in (400, 409) and said in text(response)
    form = response.content.decode()
    assert f'name="reason" value="{given.get("reason", WHY)}"' in form
    assert f'name="typed" value="{given.get("typed", "production schema 2")}"' in form
    assert not Job.objects.filter(kind=Job.Kind.SCHEMA).exists()


def test_nobody_adds_what_could_not_be_read(iva: Client, plan: Plan, aws: FakeAccount) -> None:
    aws.fail("describe", Cause.UNREACHABLE, times=3, message="AWS did not answer.")
    page = text(iva.get(at(plan)))
    assert "What would be added is not known. AWS did not answer. Nothing was changed. Look again" in page
    response = go(iva, plan)
    assert response.status_code == 503 and "AWS did not answer." in text(response)


def test_what_cannot_be_added_is_said_in_place_of_the_form(
    iva: Client, plan: Plan, settings: Settings
) -> None:
    settings.RESTORE_APPROVALS = "always"
    page = text(iva.get(at(plan)))
    assert "They cannot be added here Adding attributes to a pool's schema needs a second person" in page
    assert "production schema" not in page
    Plan.objects.update(counts=plan.counts | {"unknown": {"custom:" + "a" * 21: 2}})
    response = iva.get(at(plan))
    assert "more than the 20 characters" in text(response)
    assert "Plan again" not in text(response), "the same choices would lead here again"
    assert f'href="/restore/{plan.job_id}/#decide">Choose what to leave out' in response.content.decode()
    assert 'id="decide"' in iva.get(f"/restore/{plan.job_id}/").content.decode()


def test_nothing_lacking_is_said(iva: Client, plan: Plan, aws: FakeAccount) -> None:
    aws.add_attributes(POOL_ID, [one.request() for one in (INSTITUTION, SCORE)])
    page = text(iva.get(at(plan)))
    assert "There is nothing to add The pool knows every attribute of this plan's users by now" in page
    assert "Plan again" in page


def test_a_viewer_may_not_and_other_jobs_have_no_such_page(viewer: Client, iva: Client, plan: Plan) -> None:
    assert viewer.get(at(plan)).status_code == 403
    assert viewer.post(at(plan)).status_code == 403
    assert iva.get(f"/restore/{a_job(Job.Kind.RESTORE).pk}/schema/").status_code == 404
    assert iva.get(f"/restore/{a_job(Job.Kind.PLAN, 'running').pk}/schema/").status_code == 404
    assert iva.get(f"/restore/{10**30}/schema/").status_code == 404


def test_the_plan_leads_to_it(iva: Client, plan: Plan) -> None:
    assert f'href="{at(plan)}"' in iva.get(f"/restore/{plan.job_id}/").content.decode()
    whole = a_plan()
    assert f'href="{at(whole)}"' not in iva.get(f"/restore/{whole.job_id}/").content.decode()


# --- the job's page -------------------------------------------------------------------------------------


def test_the_jobs_page_says_what_became_of_each_and_plans_again(iva: Client, plan: Plan) -> None:
    job = an_addition(params={"plan": plan.job_id, "attributes": [INSTITUTION.as_json(), SCORE.as_json()]})
    response = iva.get(f"/jobs/{job.pk}/")
    page = text(response)
    assert f"Added 1 attribute to the schema of {NAME}" in page
    assert "custom:institution text of at most 256 characters yes added" in page
    assert "custom:score a number from 1 to 5 no there already" in page
    assert f'action="/restore/{plan.job_id}/again/"' in response.content.decode()
    assert "Plan the restore again" in page


@pytest.mark.parametrize(
    ("state", "result", "title", "became"),
    [
        (State.RUNNING, {}, "Adding 2 attributes to the schema", "not yet"),
        (State.FAILED, {}, "Addition of 2 attributes to the schema", "not added"),
        (State.FAILED, {BEGUN: ["custom:score"]}, "Addition of 2 attributes", "not known"),
        (
            State.FAILED,
            {"names": {"lacking": ["custom:institution", "custom:score"]}, BEGUN: ["custom:score"]},
            "Addition of 2 attributes",
            "not added",
        ),
        (
            State.FAILED,
            {"names": {"lacking": ["custom:score"]}, "unread": "No.", BEGUN: ["custom:score"]},
            "Addition of 2 attributes",
            "not known",
        ),
    ],
)
def test_an_end_that_is_no_success_says_what_is_known(
    iva: Client, state: str, result: dict[str, Any], title: str, became: str
) -> None:
    job = an_addition(state, result=result)
    page = text(iva.get(f"/jobs/{job.pk}/"))
    assert title in page
    assert f"custom:score a number from 1 to 5 no {became}" in page


def test_one_that_is_there_in_another_shape_is_told(iva: Client) -> None:
    names = {"added": [], "before": ["custom:score"], "lacking": [], "differs": ["custom:score"]}
    job = an_addition(State.DONE_WITH_FAILURES, result={"names": names, "added": 0})
    assert "no there already, but otherwise" in text(iva.get(f"/jobs/{job.pk}/"))
