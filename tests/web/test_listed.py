"""What a search or the next stretch of a list found is said aloud, beside the part that is swapped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from backups import forms
from backups.models import Job
from tests.web.pages import a_job, a_plan, an_item

pytestmark = pytest.mark.django_db
TEMPLATES = Path(__file__).resolve().parents[2] / "templates"


def aloud(response: Any) -> str:
    page = response.content.decode()
    found = re.search(r'<p id="listed" class="hidden" role="status">([^<]*)</p>', page)
    assert found and page.index('id="listed"') < page.index('id="users"'), "it is no part of what is swapped"
    return found[1]


def test_how_many_are_listed_is_said_for_each_search_and_stretch(
    iva: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = a_plan(create=1)
    address = f"/restore/{plan.job_id}/"
    assert aloud(iva.get(address, {"action": "all"})) == "3 users are listed, to the end."
    assert aloud(iva.get(address, {"action": "create"})) == "1 user is listed, to the end."
    assert aloud(iva.get(address, {"q": "nobody"})) == "Nothing is listed."
    monkeypatch.setattr(forms.page, "__kwdefaults__", {"size": 2})
    assert aloud(iva.get(address, {"action": "all"})) == "2 users are listed, and more follow."
    assert aloud(iva.get(address, {"action": "all", "after": "1"})) == "1 user is listed, to the end."


def test_the_users_of_a_restore_are_said_too(iva: Client) -> None:
    job = a_job(Job.Kind.RESTORE, "done")
    an_item(job, 0, outcome="created")
    assert aloud(iva.get(f"/jobs/{job.pk}/")) == "1 user is listed, to the end."


def test_every_list_that_is_swapped_says_what_it_found() -> None:
    lists = [path for path in TEMPLATES.rglob("*.html") if 'role="search" hx-boost' in path.read_text()]
    assert len(lists) >= 6
    for path in lists:
        written = path.read_text()
        assert '{% include "_listed.html"' in written, path
        section = re.search(r"<section [^>]*hx-select=[^>]*>", written)
        assert section and 'hx-select-oob="#listed:innerHTML"' in section[0], path
        assert "aria-labelledby=" in section[0], path
