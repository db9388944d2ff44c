"""What the pages say of the buckets' own keeping: kept until, what goes next, what was deleted; and Keep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from backups import storage, wiring
from backups.core.expiry import Rule
from backups.models import AuditEntry, Backup, Catalogue, Deleted, Job
from backups.models.audit import Act
from tests.fakes import FakeStore
from tests.web.pages import NAME, NIGHT, a_backup, a_job, text

pytestmark = pytest.mark.django_db
BUCKET = "biomage-backups-production-123456789012"


def told(bucket: str = BUCKET, **what: Any) -> None:
    """As the last whole look left it."""
    usual: dict[str, Any] = {"rules": (), "lock": False}
    known = storage.Known(at=timezone.now(), **usual | what)
    storage.remember({bucket: known})
    Catalogue.objects.update(whole_at=timezone.now(), answered_at=timezone.now())


def listed(client: Client, query: str = "") -> list[str]:
    return [row.backup.key for row in client.get(f"/backups/?{query}").context["rows"]]


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> FakeStore:
    store = FakeStore("reports")
    settings.REPORTS_BUCKET = "reports"
    monkeypatch.setattr(wiring, "reports_store", lambda environment="production": store)
    return store


# --- filters ------------------------------------------------------------------------------------------


def test_every_filter_narrows_the_list_and_stands_in_the_address(iva: Client) -> None:
    plain = a_backup(0)
    cbr = a_backup(
        1, state="users-only", checked=False, origin="unknown", made_by="cbr", groups=None, memberships=None
    )
    changed = a_backup(2, origin="changed", made_by="person", made_by_who="pol")
    for query, keys in (
        ("checked=no", [cbr.key]),
        ("checked=yes", [plain.key, changed.key]),
        ("origin=changed", [changed.key]),
        ("made_by=cbr", [cbr.key]),
        ("state=users-only&origin=unknown", [cbr.key]),
        ("from=2026-11-15&to=2026-11-15", [cbr.key]),
        ("from=2026-11-16", [plain.key]),
        ("to=2026-11-08", [changed.key]),
        ("q=pol&made_by=person", [changed.key]),
        ("made_by=cbr&checked=yes", []),
    ):
        assert listed(iva, query) == keys, query
    page = iva.get("/backups/?from=2026-11-15&checked=no&origin=unknown&made_by=cbr").content.decode()
    for chosen in (
        'value="2026-11-15"',
        'value="no" selected',
        'value="unknown" selected',
        'value="cbr" selected',
    ):
        assert chosen in page
    assert "Show all" in page


@pytest.mark.parametrize("query", ["from=yesterday", "to=2026-13-01", "from=\0", "to=0001-01-01T00"])
def test_a_date_that_is_none_is_no_filter(iva: Client, query: str) -> None:
    one = a_backup()
    assert listed(iva, query) == [one.key]


@pytest.mark.parametrize("query", ["checked=maybe", "origin=moon", "made_by=nobody", "to=0001-01-01"])
def test_what_no_backup_is_finds_none(iva: Client, query: str) -> None:
    a_backup(checked=True)
    assert listed(iva, query) == []


def test_the_end_of_time_is_a_date_like_any_other(iva: Client) -> None:
    one = a_backup()
    assert listed(iva, "to=9999-12-31") == [one.key]


def test_the_cursor_goes_on_within_the_filter(iva: Client) -> None:
    for number in range(70):
        at = NIGHT - timedelta(hours=number)
        a_backup(key=f"{at:%Y-%m-%d.%H-%M-%S}/{NAME}", taken_at=at, checked=bool(number % 2))
    first = iva.get("/backups/?checked=yes&from=2026-11-19")
    assert (len(first.context["rows"]), first.context["older"]) == (35, "")
    first = iva.get("/backups/?origin=ours")
    assert len(listed(iva, f"origin=ours&before={first.context['older']}")) == 20
    assert f"origin=ours&amp;before={first.context['older']}" in first.content.decode()


# --- kept until ---------------------------------------------------------------------------------------


def test_kept_until_is_told_where_the_rules_are_and_never_guessed(iva: Client, settings: Settings) -> None:
    a_backup(modified_at=NIGHT)
    (row,) = iva.get("/backups/").context["rows"]
    assert row.until.word == "unknown"
    assert "Not known. The bucket was not asked for its rules yet." in text(
        iva.get(f"/backups/{row.backup.key}/")
    )

    told(rules=None, why="Denied: no policy for it.")
    page = text(iva.get("/backups/"))
    assert f"When backups in {BUCKET} expire is not known. Denied: no policy for it." in page
    told()
    assert "stays" in text(iva.get("/backups/"))
    told(rules=(Rule("ninety", days=90),))
    Backup.objects.update(expires_at=datetime(2027, 2, 21, tzinfo=UTC))
    assert "2027-02-21" in text(iva.get("/backups/"))
    assert "2027-02-21 00:00 UTC" in text(iva.get(f"/backups/{row.backup.key}/"))
    Backup.objects.update(may_expire_at=datetime(2026, 12, 1, tzinfo=UTC))
    assert "may go 2026-12-01" in text(iva.get("/backups/"))
    page = text(iva.get(f"/backups/{row.backup.key}/"))
    assert "by a rule whose filter asks for tags or sizes" in page
    assert "else 2027-02-21 00:00 UTC" in page


@pytest.mark.parametrize(
    ("lock", "known", "said"),
    [
        ("COMPLIANCE", True, "COMPLIANCE until 2030-01-01 00:00 UTC"),
        ("", True, "None was told; S3 tells a lock only to whoever has s3:GetObjectRetention."),
        ("", False, "None: the bucket has no Object Lock."),
        ("", None, "Not known: the bucket did not tell whether it has one."),
    ],
)
def test_lock_and_encryption_are_shown_or_called_not_known(
    iva: Client, lock: str, known: bool | None, said: str
) -> None:
    told(lock=known)
    until = datetime(2030, 1, 1, tzinfo=UTC) if lock else None
    one = a_backup(lock=lock, locked_until=until, encryption="aws:kms arn:aws:kms:k" if lock else "")
    page = text(iva.get(f"/backups/{one.key}/"))
    assert said in page
    assert ("aws:kms arn:aws:kms:k" if lock else "Not known: S3 did not tell.") in page


def test_what_goes_next_is_named_and_nothing_good_left_is_warned_of(iva: Client) -> None:
    now = timezone.now()
    told(rules=(Rule("ninety", days=90),))
    a_backup(0, expires_at=now + timedelta(days=5))
    a_backup(1, expires_at=now + timedelta(days=2))
    page = text(iva.get("/backups/"))
    assert f"Of {NAME} nothing good will be left" in page
    ends = page[page.index("What the bucket's rules delete next") :]
    assert ends.index("2026-11-15 01:00 UTC") < ends.index("2026-11-22 01:00 UTC")
    assert "the dashboard deletes nothing" in ends
    a_backup(2, expires_at=now + timedelta(days=80))
    assert "nothing good will be left" not in text(iva.get("/backups/"))


def test_without_rules_nothing_is_said_to_go(iva: Client) -> None:
    assert "The rules were not asked for yet." in text(iva.get("/backups/"))
    told()
    assert "No rule that is known ends a backup." in text(iva.get("/backups/"))


# --- deleted ------------------------------------------------------------------------------------------


def test_deleted_backups_are_counted_and_the_newest_can_be_fetched(iva: Client) -> None:
    assert "Deleted, and can still be recovered" not in text(iva.get("/backups/"))
    for number in range(12):
        at = NIGHT - timedelta(days=number)
        Deleted.objects.create(
            key=f"{at:%Y-%m-%d.%H-%M-%S}/{NAME}",
            pool_name=NAME,
            taken_at=at,
            deleted_at=at + timedelta(days=90),
            parts=[{"name": "data.json", "version": f"v{number}", "size": 1, "marker": "m"}],
        )
    page = text(iva.get("/backups/"))
    assert "12 backups lie behind delete markers" in page
    assert "The newest 10:" in page
    command = (
        f"aws s3api get-object --bucket {BUCKET} --key 2026-11-22.01-00-00/{NAME}/data.json --version-id v0"
    )
    assert command in page
    assert "--version-id v9 " in page and "--version-id v10 " not in page
    assert "delete-object" not in page


def test_versions_that_are_not_told_are_not_called_none(iva: Client) -> None:
    told(hidden_why="The bucket does not tell its versions.")
    assert "The bucket does not tell its versions." in text(iva.get("/backups/"))


# --- keep ---------------------------------------------------------------------------------------------


def test_keep_is_a_job_with_its_entry(iva: Client, reports: FakeStore) -> None:
    told("reports")
    one = a_backup()
    page = text(iva.get(f"/backups/{one.key}/"))
    assert "Keep 1 backup in reports" in page
    response = iva.post(f"/backups/{one.key}/keep/")
    job = Job.objects.get()
    assert response.headers["Location"] == f"/jobs/{job.pk}/"
    assert (job.kind, job.params) == ("keep", {"key": one.key})
    assert AuditEntry.objects.get(act=Act.KEEP_ASKED).actor == "iva"
    page = text(iva.get(f"/jobs/{job.pk}/"))
    assert f"Keeping a backup of {NAME} out of expiry" in page
    assert "Open this backup" in page


def test_where_keep_is_off_the_page_says_why(iva: Client, settings: Settings) -> None:
    one = a_backup()
    assert "REPORTS_BUCKET names no bucket" in text(iva.get("/backups/"))
    settings.REPORTS_BUCKET = "reports"
    told("reports", rules=(Rule("ninety", days=90),))
    assert "the lifecycle rule ninety of reports reaches _cognito-admin/kept/" in text(iva.get("/backups/"))
    assert "Keep 1 backup" not in text(iva.get(f"/backups/{one.key}/"))


def test_keep_that_is_refused_is_said_on_the_backups_page(iva: Client) -> None:
    one = a_backup()
    page = text(iva.post(f"/backups/{one.key}/keep/", follow=True))
    assert "Nothing can be kept out of expiry here: REPORTS_BUCKET names no bucket." in page
    assert not Job.objects.exists()


def test_a_viewer_may_not_keep_and_a_link_does_nothing(
    iva: Client, viewer: Client, reports: FakeStore
) -> None:
    one = a_backup()
    response = viewer.post(f"/backups/{one.key}/keep/")
    assert response.status_code == 403
    assert "vera may not keep backups out of expiry" in text(response)
    assert iva.get(f"/backups/{one.key}/keep/").status_code == 405
    assert not Job.objects.exists()


def test_a_kept_backup_and_a_kept_copy_say_so(iva: Client, settings: Settings) -> None:
    settings.REPORTS_BUCKET = "reports"
    told(rules=(Rule("ninety", days=90),))
    told("reports")
    one = a_backup(modified_at=NIGHT, expires_at=NIGHT + timedelta(days=91))
    Backup.objects.filter(pk=one.pk).update(kept_as=f"_cognito-admin/kept/{one.key}")
    page = text(iva.get(f"/backups/{one.key}/"))
    assert f"A copy lies out of expiry, under _cognito-admin/kept/{one.key}" in page
    assert "Keep 1 backup" not in page

    copy = a_backup(1, modified_at=NIGHT)
    copy.key = f"_cognito-admin/kept/{copy.key}"
    copy.save()
    page = text(iva.get(f"/backups/{copy.key}/"))
    assert "This is the copy that somebody kept" in page
    assert "Keep 1 backup" not in page
    assert [row.until.word for row in iva.get("/backups/").context["rows"]] == ["kept", "kept"]
    assert "The kept copies could not be listed" not in text(iva.get("/backups/"))
    storage.remember({}, kept_why="No answer.")
    assert "The kept copies could not be listed at the last look. No answer." in text(iva.get("/backups/"))


def test_the_end_of_a_keep_job_is_told_in_words(iva: Client) -> None:
    one = a_backup()
    job = a_job("keep", "done", params={"key": one.key}, result={"key": one.key}, queue="read")
    page = text(iva.get(f"/jobs/{job.pk}/"))
    assert f"Kept a backup of {NAME}" in page


def test_a_list_with_all_of_it_is_a_few_queries(
    iva: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    told(rules=(Rule("ninety", days=90),))
    for week in range(60):
        a_backup(week, modified_at=NIGHT, expires_at=NIGHT + timedelta(days=90))
    with django_assert_max_num_queries(30):
        iva.get("/backups/?checked=yes")
