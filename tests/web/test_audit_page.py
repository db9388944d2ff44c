"""The audit log as it is read: newest first, filtered by the server, the filter in the address."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from backups.models import AuditEntry, AuditHead
from backups.models.audit import Act, record
from tests.web.pages import NAME, enter, text

pytestmark = pytest.mark.django_db


def done(act: Act, actor: str = "iva", **given: object) -> AuditEntry:
    return record(act, actor_id=f"AIDA{actor}", actor=actor, address="10.0.4.7", **given)  # type: ignore[arg-type]


def entries(page: str) -> str:
    """What stands in the table, without the lists to choose from."""
    return page.split("Address", 1)[1] if "Address" in page else ""


def test_the_newest_act_comes_first_in_words_with_its_details(iva: Client) -> None:
    done(Act.BACKUP_ASKED, pool=NAME, job=7)
    done(Act.RESTORE_ASKED, pool=NAME, job=8, messages="silent", reason="INC-204")
    page = entries(text(iva.get("/audit/")))
    assert page.index("asked for a restore") < page.index("asked for a backup")
    assert "messages: silent" in page
    assert "reason: INC-204" in page
    assert "job 8" in page
    assert "10.0.4.7" in page


def test_every_act_has_its_words() -> None:
    from backups.templatetags.jobs import ACTS

    assert set(ACTS) == set(Act)


@pytest.mark.parametrize(
    ("details", "said"),
    [
        ({"source": "2026-11-22.01-00-00/team"}, "asked for a restore plan"),
        ({"undo": 5}, "asked for the plan of an undo"),
        ({"restore": 5}, "asked who is in again"),
        ({"people": 5}, "asked who is in again"),  # as an earlier version called it
        ({"restore": "everybody who waits"}, "asked who is in again"),
    ],
)
def test_what_a_plan_was_asked_for_is_said(iva: Client, details: dict[str, Any], said: str) -> None:
    done(Act.PLAN_ASKED, job=8, **details)
    done(Act.PLAN_ENDED, job=8)
    page = entries(text(iva.get("/audit/")))
    assert f"{said} · job 8" in page
    assert "restore plan ended" not in page and "plan or reading ended · job 8" in page


def test_it_is_filtered_by_person_act_and_pool(iva: Client) -> None:
    done(Act.BACKUP_ASKED, "iva", pool=NAME)
    done(Act.RESTORE_ASKED, "pol", pool="other-staging")
    done(Act.RESTORE_ENDED, "pol", pool="other-staging")
    assert "pol" not in entries(text(iva.get("/audit/", {"person": "iva"})))
    only = entries(text(iva.get("/audit/", {"act": "restore.ended"})))
    assert "restore ended" in only
    assert "asked for a restore" not in only
    prefix = entries(text(iva.get("/audit/", {"act": "restore"})))
    assert "restore.asked" in prefix
    assert "restore.ended" in prefix
    assert "backup.asked" not in prefix
    assert "backup.asked" not in entries(text(iva.get("/audit/", {"pool": "STAGING"})))


def test_a_filter_that_fits_nothing_says_so(iva: Client) -> None:
    assert "No entry fits this filter." in text(iva.get("/audit/", {"person": "nobody"}))


def test_an_empty_log_says_what_its_first_entry_will_be(iva: Client) -> None:
    assert "Signing in is the first entry." in text(iva.get("/audit/"))


def test_older_entries_are_a_cursor_away_and_keep_the_filter(iva: Client) -> None:
    for number in range(55):
        done(Act.BACKUP_ASKED, job=1000 + number)
    first = iva.get("/audit/", {"person": "iva"})
    assert "job 1005" in text(first)
    assert "job 1004" not in text(first)
    assert "?person=iva&amp;before=6" in first.content.decode()
    rest = text(iva.get("/audit/", {"person": "iva", "before": "6"}))
    assert "job 1004" in rest
    assert "Older entries" not in rest


def test_a_cursor_made_up_by_hand_is_the_first_page(iva: Client) -> None:
    done(Act.SIGNED_IN)
    for wrong in ("x", "-1", "9" * 40, "²"):
        assert "signed in" in entries(text(iva.get("/audit/", {"before": wrong})))


def test_what_was_said_at_the_time_is_text_and_never_markup(iva: Client) -> None:
    done(Act.BACKUP_UPLOADED, key="<script>alert(1)</script>")
    assert "<script>alert" not in iva.get("/audit/").content.decode()


def test_a_stranger_reads_nothing() -> None:
    assert Client().get("/audit/").status_code == 302
    assert enter("guest", "others").get("/audit/").status_code == 403


def test_a_nul_in_the_address_finds_nothing_and_breaks_nothing(iva: Client) -> None:
    assert "No entry fits this filter." in text(iva.get("/audit/?person=x%00y&pool=%00&act=%00"))


def test_an_entrys_details_hold_no_e_mail_and_no_book(iva: Client) -> None:
    entry = done(Act.RESTORE_ASKED, reason="for ada@uni.example", who=["bob@uni.example"], said="x" * 5000)
    assert entry.details["reason"] == "for a••••@uni.example"
    assert entry.details["who"] == ["b••••@uni.example"]
    assert entry.details["said"] == "x" * 2000 + "… (cut, 5,000 characters)"
    assert "ada@" not in entry.body


@pytest.mark.parametrize(
    "body", ['{"details":[1]}', '{"details":null}', "{}", '{"details":"x"}', "[" * 100_000]
)
def test_an_entry_with_other_details_is_still_shown(iva: Client, body: str) -> None:
    entry = done(Act.BACKUP_ASKED)
    AuditEntry.objects.update(body=body)
    entry.refresh_from_db()
    assert entry.details == {}
    assert iva.get("/audit/").status_code == 200


def test_a_second_head_is_a_fault() -> None:
    entry, said = done(Act.BACKUP_ASKED), StringIO()
    AuditHead.objects.create(pk=2, seq=7)
    with pytest.raises(SystemExit) as ended:
        call_command("verify_audit_log", stdout=said, stderr=said)
    assert ended.value.code == 1
    assert entry.seq == 1
    assert "Entry 7: a second head" in said.getvalue()
