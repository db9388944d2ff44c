"""Reveal: e-mails in clear for a reason that stands in the audit log."""

from __future__ import annotations

import pytest
from django.test import Client

from backups.models import AuditEntry, Job
from backups.models.audit import Act
from tests.web.pages import a_backup, a_job, a_plan, reveal, text

pytestmark = pytest.mark.django_db


def test_the_reason_stands_in_the_entry_without_an_e_mail_that_it_holds(iva: Client) -> None:
    what = f"job {a_plan().job_id}"
    given = {"next": "/", "what": what, "reason": "  Ana asked, ana@uni.example,\n ticket 12 "}
    assert iva.post("/reveal/", given).headers["Location"] == "/"
    entry = AuditEntry.objects.get(act=Act.REVEALED)
    assert entry.details["reason"] == "Ana asked, a••••@uni.example, ticket 12"
    assert (entry.actor, entry.details["what"], entry.details["seconds"]) == ("iva", what, 900)


@pytest.mark.parametrize(("reason", "why"), [
    ("", "Say why in a few words"),
    ("ticket 12", "Say why in a few words"),
    ("a b " + "x" * 500, "more than 500 characters"),
])  # fmt: skip
def test_without_a_reason_nothing_is_revealed_and_a_sentence_says_so(
    iva: Client, reason: str, why: str
) -> None:
    plan = a_plan()
    address = f"/restore/{plan.job_id}/"
    given = {"next": address, "what": f"job {plan.job_id}", "reason": reason}
    page = iva.post("/reveal/", given, follow=True)
    assert "No e-mail was revealed." in text(page)
    assert why in text(page)
    assert "person1@uni.example" not in page.content.decode()
    assert "revealed" not in iva.session
    assert not AuditEntry.objects.filter(act=Act.REVEALED).exists()


def test_every_page_that_reveals_asks_why_and_stays_calm_until_it_is_asked(iva: Client) -> None:
    backup = a_backup(suggested=True)
    plan, restore = a_plan(), a_job(Job.Kind.RESTORE, "done")
    for address, what in (
        (f"/restore/{plan.job_id}/", f"job {plan.job_id}"),
        (f"/jobs/{restore.pk}/", f"job {restore.pk}"),
    ):
        page = iva.get(address).content.decode()
        form = page.split('<details class="ask">')[1].split("</details>")[0]
        assert f'name="what" value="{what}"' in form
        assert f'name="next" value="{address}"' in form
        assert 'name="reason" maxlength="500" required' in form
        reveal(iva, what)
        assert "E-mails are shown in clear for up to 15 minutes." in text(iva.get(address))
    assert backup.key not in iva.session["revealed"]


def test_a_viewer_reveals_nothing(viewer: Client) -> None:
    assert reveal(viewer, a_backup().key).status_code == 403
    assert not AuditEntry.objects.exists()


def test_a_stranger_reveals_nothing() -> None:
    assert reveal(Client(), a_backup().key).headers["Location"].startswith("/sign-in/")
    assert not AuditEntry.objects.exists()
