"""The page of a plan of many: what it opens with was counted when the plan was made."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from backups.models import Plan
from tests.web.pages import a_plan, text

pytestmark = pytest.mark.django_db
COUNTING = "GROUP BY 1, 2, 3"


def opened(client: Client, plan: Plan) -> tuple[str, list[str]]:
    with CaptureQueriesContext(connection) as asked:
        said = text(client.get(reverse("plan", args=[plan.job_id])))
    return said, [one["sql"] for one in asked.captured_queries]


def test_reasons_that_were_kept_are_not_counted_again(iva: Client) -> None:
    reasons = [["create", "missing", "", 475_000], ["cannot", "unknown-attribute", "custom:badge", 1_999]]
    counts = {"create": 475_000, "cannot": 2_000, "skip": 0, "reasons": reasons}
    said, asked = opened(iva, a_plan(counts=counts))
    assert "Create : in the backup, not in the pool 475,000 users" in said
    assert "Cannot : has custom:badge, which this pool does not know 1,999 users" in said
    assert "For other reasons, each of fewer users 1" in said
    assert not [sql for sql in asked if COUNTING in sql]


def test_of_a_plan_of_an_earlier_version_the_ledger_is_counted(iva: Client) -> None:
    said, asked = opened(iva, a_plan())
    assert [sql for sql in asked if COUNTING in sql]
    assert "Create : in the backup, not in the pool 3 users" in said
