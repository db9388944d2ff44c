"""A restore is tried with a few people first: who they are is typed on the page of the confirmation."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from backups.models import AuditEntry, Job, Plan
from tests.web.pages import a_job, a_plan, an_item, text

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
    assert "Type production and how many users these are" in said


def test_the_operators_who_are_in_the_plan_stand_in_the_field(iva: Client, settings: Any) -> None:
    settings.OPERATOR_EMAILS = ["Person1@uni.example", "nobody@uni.example"]
    plan = a_plan()
    page = confirming(iva, plan)
    assert field(page) == "person1@uni.example"
    assert "Type production and how many users these are, production 1 as it stands" in text(page)
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
    assert refused.status_code == 400 and "1,001 are named; 1,000 are the most." in text(refused)


def test_more_names_than_a_try_has_are_counted_and_not_looked_for(iva: Client) -> None:
    names = "\n".join(f"name-{number}" for number in range(120_000))
    refused = attempt(iva, a_plan(), names, "production 120000")
    assert refused.status_code == 400
    assert "120,000 are named; 1,000 are the most. Nothing was written." in text(refused)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"try": "A" * 1_000_000}, "restored by this plan: {}… (number 1). Nothing was written."),
        (
            {"order": "list", "first": "A" * 1_000_000},
            "restored by this plan: {}… (number 1). Nothing was written.",
        ),
        ({"order": "groups", "first": "A" * 1_000_000}, "into a group called {}…. Nothing was written."),
        (
            {"order": "groups", "first": "a\nb\nc\nd\ne\nf\ng"},
            "called a, b, c, d, e or 2 more that you named. Nothing was written.",
        ),
    ],
)
def test_a_refusal_repeats_as_much_as_can_be_a_name(iva: Client, given: dict[str, str], said: str) -> None:
    plan = a_plan()
    sent = {"messages": "silent", "reason": "a first try", "digest": plan.digest, "typed": "production 3"}
    refused = iva.post(f"/restore/{plan.job_id}/start/", sent | given)
    assert refused.status_code == 400 and said.format("A" * 128) in text(refused)


def test_a_name_that_two_users_of_the_plan_have_means_both(iva: Client) -> None:
    plan = a_plan()
    plan.job.items.filter(position__lt=2).update(email="same@uni.example")
    refused = attempt(iva, plan, "same@uni.example", "production 1")
    assert refused.status_code == 400 and "Type production 2 to start." in text(refused)
    assert "Type production and how many users these are, production 2 as it stands" in text(refused)
    attempt(iva, plan, "same@uni.example", "production 2")
    assert tried().params["only"] == ["old-0", "old-1"]


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


def finished(plan: Plan, *numbers: int, outcome: str = "created") -> Job:
    """A trial of these users that is over."""
    params = {"plan": plan.pk, "messages": "silent", "only": [f"old-{number}" for number in numbers]}
    job = a_job(Job.Kind.RESTORE, "done", params=params)
    for number in numbers:
        an_item(job, number, outcome=outcome, new_sub=f"new-{number}", intended_at=timezone.now())
    return job


def test_a_plan_says_with_whom_it_was_tried(iva: Client) -> None:
    plan = a_plan()
    for page in (iva.get(f"/restore/{plan.job_id}/"), confirming(iva, plan)):
        assert "Tried with" not in text(page)
    first, second = finished(plan, 0), finished(plan, 1, 2, outcome="failed")
    finished(a_plan(), 0)
    for page in (iva.get(f"/restore/{plan.job_id}/"), confirming(iva, plan)):
        assert f"Tried with 1 user: job {first.pk} , done; 2 users: job {second.pk} , done." in text(page)
        assert "Who is in the pool by now is left alone" in text(page)


def test_nobody_is_tried_twice_who_was_finished_and_still_stands(iva: Client) -> None:
    plan = a_plan()
    trial = finished(plan, 0)
    refused = attempt(iva, plan, "person0@uni.example", "production 1")
    assert refused.status_code == 409
    assert (
        f"Whom you named was restored by a trial already, last by job {trial.pk}. Name others, or start the "
        "plan for everybody. Nothing was written."
    ) in text(refused)
    assert Job.objects.filter(kind=Job.Kind.RESTORE).count() == 1
    undo = a_job(Job.Kind.UNDO, "done", params={"undo": trial.pk})
    an_item(undo, 0, action="delete", outcome="deleted", new_sub="new-0")
    assert attempt(iva, plan, "person0@uni.example", "production 1").status_code == 200
    assert Job.objects.filter(kind=Job.Kind.RESTORE).count() == 2


@pytest.mark.parametrize(("outcome", "names"), [("failed", "name-0"), ("created", "name-0\nname-1")])
def test_who_failed_at_a_trial_or_was_not_in_it_may_be_tried(iva: Client, outcome: str, names: str) -> None:
    plan = a_plan()
    finished(plan, 0, outcome=outcome)
    attempt(iva, plan, names, f"production {len(names.split())}")
    assert Job.objects.filter(kind=Job.Kind.RESTORE).count() == 2


def test_the_audit_log_counts_those_of_the_trial_and_not_of_the_plan(iva: Client) -> None:
    plan = a_plan(create=2, counts={"update": 2, "replaced": 1})
    for number in (7, 8):
        an_item(plan.job, number, action="update", reason="overwrite")
    plan.job.items.filter(key="old-1").update(removes="squatter")
    attempt(iva, plan, "name-0\nname-8", "production 2")
    told = AuditEntry.objects.get(act="restore.asked").details
    assert (told["create"], told["update"], told["delete"], told["only"]) == (1, 1, 0, 2)
