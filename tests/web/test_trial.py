"""A restore is tried with a few people first: who they are is typed on the page of the confirmation."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from backups.models import AuditEntry, Job, Plan
from tests.web.pages import a_plan, an_item, text

pytestmark = pytest.mark.django_db


def confirming(client: Client, plan: Plan) -> Any:
    return client.get(f"/restore/{plan.job_id}/confirm/", {"messages": "silent"})


def field(response: Any) -> str:
    """What stands in the field for whom to try it with."""
    found = re.search(r'<textarea name="try"[^>]*>([^<]*)</textarea>', response.content.decode())
    assert found
    return found[1]


def attempt(client: Client, plan: Plan, names: str, typed: str, **given: str) -> Any:
    sent = {"messages": "silent", "reason": "a first try", "digest": plan.digest}
    return client.post(
        f"/restore/{plan.job_id}/start/", sent | {"try": names, "typed": typed} | given, follow=True
    )


def tried() -> Job:
    return Job.objects.get(kind=Job.Kind.RESTORE)


def test_a_try_is_offered_where_nobody_is_named_in_the_settings(iva: Client) -> None:
    page = confirming(iva, a_plan())
    said = text(page)
    assert "Try with up to 5 users first" in said and "1,000 are the most" in said
    assert field(page) == ""
    assert "Type production and how many you named" in said


def test_the_operators_who_are_in_the_plan_stand_in_the_field(iva: Client, settings: Any) -> None:
    settings.OPERATOR_EMAILS = ["Person1@uni.example", "nobody@uni.example"]
    plan = a_plan()
    page = confirming(iva, plan)
    assert field(page) == "person1@uni.example"
    assert "Type production and how many you named, production 1 as it stands" in text(page)
    attempt(iva, plan, field(page), "production 1")
    assert tried().params["only"] == ["old-1"]
    plan.refresh_from_db()
    assert plan.restore is None, "the plan stays for everybody"


def test_five_of_the_operators_are_enough_to_begin_with(iva: Client, settings: Any) -> None:
    settings.OPERATOR_EMAILS = [f"person{number}@uni.example" for number in range(9)]
    page = confirming(iva, a_plan(create=8))
    assert field(page).split() == [f"person{number}@uni.example" for number in range(5)]
    assert "production 5 as it stands" in text(page)


def test_whoever_is_named_is_tried_by_e_mail_or_username_and_nobody_else(iva: Client) -> None:
    plan = a_plan()
    attempt(iva, plan, "\r\n NAME-2 \r\nperson0@uni.example\r\nPERSON0@uni.example\r\n", "production 2")
    assert sorted(tried().params["only"]) == ["old-0", "old-2"]
    entry = AuditEntry.objects.get(act="restore.asked")
    assert entry.details["only"] == 2 and "person0" not in str(entry.details)


def test_who_is_not_in_the_plan_is_said_and_what_was_typed_stays(iva: Client) -> None:
    plan = a_plan()
    refused = attempt(iva, plan, "person0@uni.example\nperson4@uni.example\neve", "production 3")
    assert refused.status_code == 400
    said = text(refused)
    assert (
        "2 of those you named are not restored by this plan: p••••@uni.example (number 2), eve (number 3). "
        "Nothing was written."
    ) in said
    assert field(refused) == "person0@uni.example\nperson4@uni.example\neve"
    page = refused.content.decode()
    assert page.count('value="production 3"') == 1, "in the form that was sent"
    assert page.count('value="a first try"') == 1
    refused = attempt(iva, plan, "eve", "production 1")
    assert "1 of those you named is not restored by this plan: eve (number 1)." in text(refused)
    assert not Job.objects.filter(kind=Job.Kind.RESTORE).exists()


def test_an_empty_field_tries_it_with_nobody_and_never_with_everybody(iva: Client) -> None:
    plan = a_plan()
    for names in ("", " \r\n\0 "):
        refused = attempt(iva, plan, names, "production 3")
        assert refused.status_code == 400 and "Choose whom to try it with." in text(refused)
    assert not Job.objects.filter(kind=Job.Kind.RESTORE).exists()


def test_the_number_that_is_typed_is_of_those_who_are_named(iva: Client) -> None:
    plan = a_plan()
    refused = attempt(iva, plan, "person0@uni.example", "production 3")
    assert refused.status_code == 400 and "Type production 1 to start." in text(refused)
    assert "production 1 as it stands" in text(refused)
    assert not Job.objects.filter(kind=Job.Kind.RESTORE).exists()


def test_a_try_has_a_size(iva: Client) -> None:
    plan = a_plan(create=0)
    for number in range(1001):
        an_item(plan.job, number + 10)
    Plan.objects.update(counts=plan.counts | {"create": 1001})
    names = "\n".join(f"name-{number + 10}" for number in range(1001))
    refused = attempt(iva, plan, names, "production 1001")
    assert refused.status_code == 400 and "Try it with 1,000 users at most." in text(refused)


def test_who_stands_in_the_pool_is_tried_and_updated_like_everybody(iva: Client) -> None:
    plan = a_plan(create=0, counts={"update": 2})
    for number in (7, 8):
        an_item(plan.job, number, action="update", reason="overwrite", detail="name")
    said = text(confirming(iva, plan))
    assert "Update 2 users in" in said and "Create 0 users and" not in said
    attempt(iva, plan, "person8@uni.example", "production 1")
    assert tried().params["only"] == ["old-8"]


def test_with_one_user_there_is_nothing_to_try_first(iva: Client) -> None:
    page = confirming(iva, a_plan(create=1)).content.decode()
    assert 'name="try"' not in page and 'id="confirm"' in page
