"""The backups of every pool, one backup, and a file from elsewhere. Iva may restore, a viewer may look."""

from __future__ import annotations

import base64
import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import F
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from backups import wiring
from backups.core.lifecycle import State
from backups.core.snapshot import PoolFacts
from backups.engine.ports import Cause, PortError
from backups.models import Acceptance, AuditEntry, Backup, Job, Pool
from backups.models.audit import Act
from tests.fakes import FakePool, FakeStore
from tests.web.conftest import RememberingIam
from tests.web.pages import enter, reveal

pytestmark = pytest.mark.django_db

NAME = "biomage-user-pool-case-insensitive-production"
STAGING = "biomage-user-pool-case-insensitive-staging"
NOW = datetime(2026, 11, 22, 14, 2, tzinfo=UTC)


class Account:
    """What the product sees of AWS: one bucket, and the pools of a Region (or why they are not told)."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.pools: list[PoolFacts] = []
        self.silent: PortError | None = None

    def find_pools(self, region: str) -> list[PoolFacts]:
        if self.silent:
            raise self.silent
        return self.pools

    def described(self, region: str, pool_id: str) -> FakePool:
        """Asked by its id: one that is not listed does not exist."""
        pool = FakePool(pool_id)
        pool.gone = all(facts.pool_id != pool_id for facts in self.pools)
        return pool

    def pool(self, name: str = NAME, users: int = 2) -> None:
        self.pools.append(
            PoolFacts(f"eu-west-1_{name[-8:]}", name, "eu-west-1", "123456789012", estimated_users=users)
        )

    def backup(self, days: int, users: int, name: str = NAME) -> str:
        """A file of cbr's, so many days old."""
        key = f"{NOW - timedelta(days=days):%Y-%m-%d.%H-%M-%S}/{name}"
        self.store.plant(f"{key}/data.json", orjson.dumps([user(number) for number in range(users)]))
        return key


def user(number: int) -> dict[str, Any]:
    sub = f"00000000-0000-4000-8000-{number:012d}"
    attributes = {"sub": sub, "email": f"person{number}@uni.example", "email_verified": "true"}
    attributes |= {"name": f"Zoë {number}", "custom:institution": "ETH Zürich" if number % 2 else "KIT"}
    return {
        "Username": sub,
        "Attributes": [{"Name": name, "Value": value} for name, value in attributes.items()],
        "Enabled": number != 3,
        "UserStatus": "CONFIRMED",
        "UserCreateDate": "2025-01-02T03:04:05.678Z",
        "UserLastModifiedDate": "2025-01-02T03:04:05.678Z",
    }


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    account = Account()
    monkeypatch.setattr(wiring, "store", lambda environment="production": account.store)
    monkeypatch.setattr(wiring, "find_pools", account.find_pools)
    monkeypatch.setattr(wiring, "pool", account.described)
    return account


def text(response: Any) -> str:
    """The page as it is read: without tags, with single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())


def look(client: Client) -> str:
    """Ask bucket and pools anew, then read the overview and the list."""
    response = client.post("/backups/look/", follow=True)
    assert response.status_code == 200
    return f"{text(response)} {text(client.get('/backups/'))}"


# --- the list -------------------------------------------------------------------------------------


def test_the_list_names_what_was_found_newest_first(account: Account, iva: Client) -> None:
    account.pool(users=40)
    account.backup(8, 38)
    account.backup(1, 40)
    page = look(iva)
    assert f"{NAME} PRODUCTION" in page
    assert "2 backups in" in page
    assert "Suggested backup: 2026-11-21 14:02 UTC" in page
    assert page.index("2026-11-21 14:02", page.index("All backups")) < page.rindex("2026-11-14 14:02")
    assert "40 +2" in page
    assert "users only" in page
    assert "not checked" in page
    assert "Compare with live pool" in page
    assert "Prepare restore" in page
    assert "Back up now" in page


def test_looking_again_leads_back_to_where_it_was_asked(account: Account, iva: Client) -> None:
    assert iva.post("/backups/look/").headers["Location"] == "/"
    assert iva.post("/backups/look/", {"then": "backups"}).headers["Location"] == "/backups/"
    assert iva.post("/backups/look/", {"then": "//elsewhere.example"}).headers["Location"] == "/"


def test_a_backup_that_fell_is_named_and_passed_over(account: Account, iva: Client) -> None:
    account.pool(users=3)
    account.backup(8, 40)
    account.backup(1, 3)
    page = look(iva)
    assert "Suggested backup: 2026-11-14 14:02 UTC" in page
    assert "2026-11-21 14:02 UTC : 3 users, a fall of 92 % from 40" in page
    assert "About 3 users" in page
    assert "the suggested backup holds 40" in page


def test_a_pool_that_is_gone_is_said_to_be_gone_where_and_when(account: Account, iva: Client) -> None:
    account.pool()
    account.pool(STAGING)
    account.backup(1, 40)
    look(iva)
    del account.pools[0]
    page = look(iva)
    assert "No pool of this name" not in page, "once is a doubt"
    Pool.objects.filter(name=NAME).update(doubted_at=F("doubted_at") - timedelta(seconds=10))
    page = look(iva)
    assert "No pool of this name in eu-west-1 at" in page
    assert "last seen" in page
    assert "Prepare restore" in page


def test_a_pool_that_was_never_seen_but_has_a_backup_is_gone_too(account: Account, iva: Client) -> None:
    account.pool(STAGING)
    account.backup(1, 40)
    assert "No pool of this name in eu-west-1 at" in look(iva)


def test_no_answer_about_pools_is_unknown_and_not_gone(account: Account, iva: Client) -> None:
    account.pool()
    account.backup(1, 40)
    look(iva)
    account.silent = PortError("Cognito in eu-west-1 did not answer.", Cause.UNREACHABLE)
    page = look(iva)
    assert "Whether it still exists is not known" in page
    assert "Cognito in eu-west-1 did not answer." in page
    assert "No pool of this name" not in page


def test_a_bucket_that_does_not_answer_keeps_what_was_listed(account: Account, iva: Client) -> None:
    account.backup(1, 40)
    look(iva)
    account.store.gone = True
    page = look(iva)
    assert "The bucket did not answer the last look" in page
    assert "What is listed here is what was there before" in page
    assert "2026-11-21 14:02" in page


def test_a_bucket_that_was_never_read_is_not_called_empty(iva: Client) -> None:
    page = text(iva.get("/backups/"))
    assert "has not answered yet" in page
    assert "does not mean that it is empty" in page


def test_an_empty_bucket_is_called_empty(account: Account, iva: Client) -> None:
    assert "The bucket holds no backup yet." in look(iva)


def test_a_cut_file_is_listed_with_its_reason(account: Account, iva: Client) -> None:
    account.store.plant(f"2026-11-20.01-00-00/{NAME}/data.json", b'[{"Username": "a"')
    look(iva)
    backup = Backup.objects.get()
    assert backup.state == Backup.State.UNREADABLE
    page = text(iva.get("/backups/"))
    assert "unreadable" in page
    assert backup.reason[1:].rstrip(".") in page


def test_the_list_is_read_in_pages_of_fifty(iva: Client) -> None:
    for number in range(120):
        row(taken_at=NOW - timedelta(hours=number))
    seen: list[str] = []
    url = "/backups/"
    for rows in (50, 50, 20):
        response = iva.get(url)
        keys = [line.backup.key for line in response.context["rows"]]
        assert len(keys) == rows
        seen += keys
        url = f"/backups/?before={response.context['older']}"
    assert len(set(seen)) == 120
    assert seen == sorted(seen, reverse=True)
    assert response.context["older"] == ""


def test_a_page_of_the_list_is_a_few_queries(
    iva: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(60):
        row(taken_at=NOW - timedelta(hours=number))
    with django_assert_max_num_queries(25):
        iva.get("/backups/")


@pytest.mark.parametrize(
    "cursor", ["x", "%00", "MjAyNi0xMS0yMnwx", "4pyT", "MjAyNi0xMS0yMlQxMjowMDowMCswMDowMHx4"]
)
def test_a_cursor_that_was_made_up_is_refused_calmly(iva: Client, cursor: str) -> None:
    response = iva.get(f"/backups/?before={cursor}")
    assert response.status_code == 400
    assert "Nothing was done" in text(response)


def test_filters_stand_in_the_address(iva: Client) -> None:
    kept = row(taken_at=NOW, made_by_who="iva")
    row(taken_at=NOW - timedelta(days=1), pool_name=STAGING, state="users-only")
    row(taken_at=NOW - timedelta(days=2), state="unreadable")

    def keys(query: str) -> list[str]:
        return [line.backup.key for line in iva.get(f"/backups/?{query}").context["rows"]]

    assert keys(f"pool={NAME}&state=complete") == [kept.key]
    assert keys("q=IVA+2026-11-22") == [kept.key]
    assert keys("q=nothing-of-this-kind") == []
    assert "No backup fits this filter" in text(iva.get("/backups/?q=nothing-of-this-kind"))


def test_a_change_is_against_the_readable_backup_of_the_same_pool_before(iva: Client) -> None:
    row(taken_at=NOW - timedelta(days=3), users=100)
    row(taken_at=NOW - timedelta(days=2), users=7, pool_name=STAGING)
    row(taken_at=NOW - timedelta(days=1), users=None, state="unreadable")
    row(taken_at=NOW, users=90)
    newest = iva.get("/backups/?pool=" + NAME).context["rows"][0]
    assert (newest.change, newest.fell) == (-10, True)


def test_pools_with_like_names_can_be_told_apart_in_the_list(iva: Client) -> None:
    row(taken_at=NOW, pool_name="lab-a-production")
    row(taken_at=NOW, pool_name="lab-b-production")
    assert {line.short for line in iva.get("/backups/").context["rows"]} == {"…-a-", "…-b-"}


# --- asking ---------------------------------------------------------------------------------------


def test_back_up_now_is_a_job_with_its_entry(account: Account, iva: Client) -> None:
    account.pool()
    look(iva)
    pool = Pool.objects.get()
    response = iva.post("/backups/start/", {"pool": pool.pool_id})
    job = Job.objects.get()
    assert response.headers["Location"] == f"/jobs/{job.pk}/"
    assert (job.kind, job.pool_id, job.asked_by_name) == ("backup", pool.pool_id, "iva")
    assert AuditEntry.objects.filter(act=Act.BACKUP_ASKED, actor="iva").count() == 1
    assert f"Being backed up: job {job.pk}" in text(iva.get("/"))


def test_who_left_the_group_a_second_ago_starts_nothing(
    account: Account, iva: Client, remembering_iam: RememberingIam
) -> None:
    account.pool()
    look(iva)
    asked = {"pool": Pool.objects.get().pool_id}
    remembering_iam.silent = True
    response = iva.post("/backups/start/", asked)
    assert response.status_code == 503
    assert "Nothing was started." in text(response)

    remembering_iam.silent = False
    remembering_iam.gone.add("iva")
    response = iva.post("/backups/start/", asked)
    assert response.status_code == 403
    assert "Nothing was started." in text(response)
    assert not Job.objects.exists()
    assert iva.get("/backups/").status_code == 302, "and the session is over"


def test_a_viewer_sees_but_may_not_back_up_upload_download_or_reveal(
    account: Account, viewer: Client
) -> None:
    account.pool()
    key = account.backup(1, 3)
    look(enter("iva", "engineering"))
    assert "Suggested backup" in text(viewer.get("/"))
    pool = Pool.objects.get()
    for response in (
        viewer.post("/backups/look/"),
        viewer.post("/backups/start/", {"pool": pool.pool_id}),
        viewer.post("/backups/upload/", {"file": SimpleUploadedFile("a.json", b"[]")}),
        viewer.get(f"/backups/{key}/download/data.json"),
        viewer.post("/reveal/", {"next": "/backups/"}),
    ):
        assert response.status_code == 403
        page = text(response)
        assert "vera may not" in page
        assert "Ask Iva or Pol" in page
    assert not Job.objects.exists()


def test_a_stranger_is_sent_to_sign_in() -> None:
    for path in ("/", "/backups/", f"/backups/2026-11-22.01-00-00/{NAME}/"):
        assert Client().get(path).headers["Location"].startswith("/sign-in/")


def test_asking_by_get_does_nothing(iva: Client) -> None:
    for path in ("/backups/start/", "/backups/upload/", "/backups/look/", "/reveal/"):
        assert iva.get(path).status_code == 405


# --- a file from elsewhere ------------------------------------------------------------------------


def test_an_uploaded_file_is_kept_apart_with_who_and_when(account: Account, iva: Client) -> None:
    file = SimpleUploadedFile("cbr users.json", orjson.dumps([user(1), user(2)]))
    response = iva.post("/backups/upload/", {"file": file}, follow=True)
    backup = Backup.objects.get()
    assert backup.key.startswith("_cognito-admin/uploads/")
    assert (backup.users, backup.origin, backup.made_by_who) == (2, "unknown", "iva")
    page = text(response)
    assert "Uploaded file cbr users.json ; it names no pool" in page
    assert "Prepare restore" in page
    assert AuditEntry.objects.filter(act=Act.BACKUP_UPLOADED).count() == 1


@pytest.mark.parametrize("data", [b"", b"{}", b'[{"Username": "a"', b"no json", b"[1, 2]"])
def test_a_file_that_is_no_backup_is_refused_and_not_kept(account: Account, iva: Client, data: bytes) -> None:
    response = iva.post("/backups/upload/", {"file": SimpleUploadedFile("a.json", data)})
    assert response.status_code == 400
    assert "a.json" in text(response)
    assert account.store.keys == []
    assert not Backup.objects.exists()


def test_no_file_is_said_to_be_no_file(account: Account, iva: Client) -> None:
    response = iva.post("/backups/upload/")
    assert response.status_code == 400
    assert "Choose a .json file first" in text(response)


def test_a_file_over_the_limit_is_refused_with_both_numbers(
    account: Account, iva: Client, settings: Settings
) -> None:
    settings.UPLOAD_LIMIT_MB = 1
    response = iva.post("/backups/upload/", {"file": SimpleUploadedFile("a.json", b" " * 1_500_000)})
    assert response.status_code == 413
    assert "a.json has 1.5 MB. The limit is 1 MB" in text(response)
    assert account.store.keys == []


def test_a_bucket_that_takes_no_file_is_said_so(account: Account, iva: Client) -> None:
    account.store.gone = True
    file = SimpleUploadedFile("a.json", orjson.dumps([user(1)]))
    response = iva.post("/backups/upload/", {"file": file})
    assert response.status_code == 503
    assert "a.json was not kept" in text(response)


# --- one backup -----------------------------------------------------------------------------------


def test_one_backup_says_what_it_holds_and_what_it_lacks(account: Account, iva: Client) -> None:
    key = account.backup(1, 3)
    look(iva)
    page = text(iva.get(f"/backups/{key}/"))
    assert "3 users" in page
    assert "Passwords." in page
    assert "passkeys" in page
    assert "Groups and who is in them." in page
    assert "nothing proves who made it" in page
    assert "There is no manifest to check against" in page
    assert "1 to 3 of 3 users" in page


def test_a_complete_backup_shows_its_manifest(account: Account, iva: Client) -> None:
    parts = [{"name": "data.json", "size": 1204, "sha256": "ab" * 32, "count": 3}]
    manifest = {
        "parts": parts,
        "unread": {"risk configuration": "not allowed"},
        "left_out": ["client secrets"],
    }
    backup = row(taken_at=NOW, checked=True, origin="ours", manifest=manifest, groups=2, memberships=5)
    page = text(iva.get(f"/backups/{backup.key}/"))
    assert "ab" * 32 in page
    assert "risk configuration : not allowed" in page
    assert "Client secrets: left out on purpose." in page
    assert "2 groups 5 memberships" in page
    assert "Download manifest.json" in page
    assert "Groups and who is in them." not in page
    assert "The users could not be read." in page  # its objects are not in the bucket any more


@pytest.mark.parametrize(
    ("checked", "origin", "says", "silent"),
    [
        (
            True,
            "ours",
            "the bytes were read back and agree with it. No object is known",
            "The manifest is ours",
        ),
        (False, "ours", "The manifest is ours: its seal holds for this very place. Whether", "agree with it"),
        (
            True,
            "changed",
            "it was sealed for another place, or an object was changed",
            "The manifest is ours",
        ),
    ],
)
def test_the_origin_claims_no_more_than_was_read(
    account: Account, iva: Client, checked: bool, origin: str, says: str, silent: str
) -> None:
    page = text(iva.get(f"/backups/{row(taken_at=NOW, checked=checked, origin=origin).key}/"))
    assert says in page and silent not in page


SEALED = "/settings/clients/0/ClientSecret"


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ({}, ()),
        (
            {"mfa": {"read": 2003, "billed_active": 2003}},
            ("2,003 users, of whom 41 have one", "AWS counts these 2,003 users as active in that month"),
        ),
        ({"mfa": {"read": 1, "billed_active": 1}}, ("1 user, of whom", "counts this user as active")),
        (
            {"mfa": {"read": 0, "billed_active": 70}},
            ("Not in it: reading them ended after 70 users. AWS counts these 70 users as active",),
        ),
        (
            {"mfa": {"read": 0, "billed_active": 0, "why": "on the tier PLUS every active user may cost"}},
            ("Which second factors users have: on the tier PLUS every active user may cost.",),
        ),
        ({"sealed": [SEALED]}, ("1 secret of app clients and identity providers is in pool.json , sealed",)),
        ({"sealed": [SEALED] * 3}, ("3 secrets of app clients and identity providers are in pool.json",)),
    ],
)
def test_second_factors_and_sealed_secrets_are_said(
    account: Account, iva: Client, manifest: dict[str, Any], says: tuple[str, ...]
) -> None:
    parts = [{"name": "mfa.json", "size": 1204, "sha256": "ab" * 32, "count": 41}]
    backup = row(taken_at=NOW, manifest={"parts": parts, **manifest})
    page = text(iva.get(f"/backups/{backup.key}/"))
    assert "Download mfa.json" in page
    for sentence in says:
        assert sentence in page
    assert ("as active" in page) is any("as active" in sentence for sentence in says)
    assert ("sealed" in page) is ("sealed" in manifest)


def test_a_backup_that_cannot_be_read_offers_neither_compare_nor_restore(
    account: Account, iva: Client
) -> None:
    account.store.plant(f"2026-11-20.01-00-00/{NAME}/data.json", b'[{"Username": "a"')
    look(iva)
    page = text(iva.get(f"/backups/2026-11-20.01-00-00/{NAME}/"))
    assert "It cannot be compared or restored" in page
    assert "Prepare restore" not in page
    assert "Download data.json" in page


def test_emails_are_masked_until_they_are_revealed_which_is_audited(account: Account, iva: Client) -> None:
    key = account.backup(1, 3)
    look(iva)
    url = f"/backups/{key}/"
    before = iva.get(url).content.decode()
    assert "person1@uni.example" not in before
    assert "p••••@uni.example" in before
    response = reveal(iva, key, url)
    assert response.headers["Location"] == url
    assert "person1@uni.example" in iva.get(url).content.decode()
    entry = AuditEntry.objects.get(act=Act.REVEALED)
    assert entry.actor == "iva"
    assert entry.details["what"] == key
    assert "person1@uni.example" not in entry.body


def test_what_was_revealed_is_masked_again_after_fifteen_minutes(account: Account, iva: Client) -> None:
    key = account.backup(1, 3)
    look(iva)
    reveal(iva, key)
    session = iva.session
    session["revealed"] = {what: until - 15 * 60 - 1 for what, until in session["revealed"].items()}
    session.save()
    assert "person1@uni.example" not in iva.get(f"/backups/{key}/").content.decode()


def test_what_was_revealed_of_one_backup_is_masked_on_anothers_page(account: Account, iva: Client) -> None:
    shown, other = account.backup(1, 3), account.backup(2, 3)
    look(iva)
    reveal(iva, shown)
    assert "person1@uni.example" in iva.get(f"/backups/{shown}/").content.decode()
    assert "person1@uni.example" not in iva.get(f"/backups/{other}/").content.decode()


def test_who_may_no_longer_reveal_is_shown_nothing_more(
    account: Account, iva: Client, settings: Settings
) -> None:
    key = account.backup(1, 3)
    look(iva)
    reveal(iva, key)
    settings.RESTORE_GROUPS = ["others"]
    assert "person1@uni.example" not in iva.get(f"/backups/{key}/").content.decode()


@pytest.mark.parametrize("what", ["", "everything", "job 12", "job", "job 1e3", "job \u0661", "a\0b"])
def test_only_what_there_is_can_be_revealed(iva: Client, what: str) -> None:
    assert reveal(iva, what).status_code == 404
    assert not AuditEntry.objects.filter(act=Act.REVEALED).exists()


@pytest.mark.parametrize(
    "target", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)"]
)
def test_reveal_never_leads_to_another_site(iva: Client, target: str) -> None:
    key = row(taken_at=NOW).key
    assert reveal(iva, key, target).headers["Location"] == "/backups/"


def test_users_are_searched_in_every_field(account: Account, iva: Client) -> None:
    key = account.backup(1, 6)
    look(iva)

    def found(query: str) -> list[str]:
        people = iva.get(f"/backups/{key}/", {"q": query}).context["people"]
        return [person.user.email.partition("@")[0] for person in people.rows]

    assert found("eth zürich") == ["person1", "person3", "person5"]
    assert found("custom:institution=kit") == ["person0", "person2", "person4"]
    assert found("disabled") == ["person3"]
    assert found("PERSON4@uni.example") == ["person4"]
    assert found("00000000-0000-4000-8000-000000000002") == ["person2"]
    assert "No user of this backup fits “zzz”" in text(iva.get(f"/backups/{key}/?q=zzz"))


def test_search_does_not_spell_out_what_is_masked(account: Account, iva: Client) -> None:
    key = account.backup(1, 6)
    look(iva)

    def found(query: str) -> int:
        return len(iva.get(f"/backups/{key}/", {"q": query}).context["people"].rows)

    assert "found only when written whole" in text(iva.get(f"/backups/{key}/"))
    parts = ("person", "person4@", "email=person4", "uni.example", "@")
    assert [found(part) for part in parts] == [0] * 5
    reveal(iva, key)
    assert [found(part) for part in parts] == [6, 1, 1, 6, 6]


def test_users_are_read_in_pages_of_fifty_without_a_gap(account: Account, iva: Client) -> None:
    key = account.backup(1, 120)
    look(iva)
    seen: list[str] = []
    after = ""
    for rows in (50, 50, 20):
        people = iva.get(f"/backups/{key}/", {"q": "zoë", "after": after}).context["people"]
        assert len(people.rows) == rows
        assert people.first == len(seen) + 1
        seen += [person.user.username for person in people.rows]
        after = people.after
    assert seen == [user(number)["Username"] for number in range(120)]
    assert (people.found, after) == (120, "")


def test_a_backup_that_vanished_from_the_bucket_says_so_and_shows_the_rest(
    account: Account, iva: Client
) -> None:
    key = account.backup(1, 3)
    look(iva)
    account.store.delete(f"{key}/data.json")
    response = iva.get(f"/backups/{key}/")
    assert response.status_code == 200
    assert "The users could not be read." in text(response)
    assert key in text(response)


def test_an_unknown_backup_is_a_calm_page(iva: Client) -> None:
    response = iva.get(f"/backups/2020-01-01.00-00-00/{NAME}/")
    assert response.status_code == 404
    assert "may have expired" in text(response)


@pytest.mark.filterwarnings(
    "ignore:StreamingHttpResponse must consume"
)  # the test's client is no ASGI server
def test_a_download_is_the_objects_bytes_and_leaves_an_entry(account: Account, iva: Client) -> None:
    key = account.backup(1, 3)
    look(iva)
    account.store.chunk = 100  # so that there is more than one
    response: Any = iva.get(f"/backups/{key}/download/data.json")
    assert b"".join(response) == account.store.read(f"{key}/data.json")
    assert key.replace("/", ".") in response.headers["Content-Disposition"]
    assert AuditEntry.objects.get(act=Act.BACKUP_DOWNLOADED).details["part"] == "data.json"


def test_asking_for_a_downloads_headers_leaves_no_entry(account: Account, iva: Client) -> None:
    key = account.backup(1, 3)
    look(iva)
    assert iva.head(f"/backups/{key}/download/data.json").status_code == 405
    assert not AuditEntry.objects.filter(act=Act.BACKUP_DOWNLOADED).exists()


def test_a_download_of_something_missing_is_a_sentence_and_no_broken_file(
    account: Account, iva: Client
) -> None:
    key = account.backup(1, 3)
    look(iva)
    account.store.delete(f"{key}/data.json")
    page = text(iva.get(f"/backups/{key}/download/data.json", follow=True))
    assert "data.json was not downloaded" in page
    assert iva.get(f"/backups/{key}/download/secrets.txt").status_code == 404


@pytest.mark.parametrize(
    "cursor",
    ["0001-01-01T00:00:00+23:59|1", "9999-12-31T23:59:59-23:59|1", "2026-11-22|1", "2026-11-22T00:00:00Z|x",
     f"2026-11-22T00:00:00Z|{2**63}", "2026-11-22T00:00:00Z|-1", ""],
)  # fmt: skip
def test_a_cursor_made_up_by_hand_is_a_calm_page(iva: Client, cursor: str) -> None:
    made_up = base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("=") or "!"
    assert iva.get("/backups/", {"before": made_up}).status_code == 400


def test_a_backup_being_made_is_called_so(iva: Client) -> None:
    job = Job.objects.create(kind="backup", queue="read", state=State.RUNNING, asked_by_name="iva")
    row(taken_at=NOW, state="incomplete", reason="being made", being_made_by=job)
    assert f"being made: job {job.pk}" in text(iva.get("/backups/"))
    Job.objects.update(state=State.FAILED)
    assert f"Job {job.pk} ended without finishing it." in text(iva.get("/backups/"))


def row(**values: Any) -> Backup:
    """A line of the catalogue, as a look at the bucket would have left it."""
    name = values.setdefault("pool_name", NAME)
    given = {
        "key": f"{values['taken_at']:%Y-%m-%d.%H-%M-%S}/{name}",
        "state": "complete",
        "made_by": "person",
        "users": 100,
        "size": 1000,
        "fingerprint": "x",
    }
    return Backup.objects.create(**(given | values))


@pytest.mark.parametrize("name", ["pool", "state", "q"])
def test_a_nul_in_the_address_is_left_out(account: Account, iva: Client, name: str) -> None:
    assert iva.get("/backups/", {name: "\0"}).status_code == 200
    assert iva.get("/backups/", {name: "a\0b"}).status_code == 200


def test_a_nul_in_a_form_is_left_out(account: Account, iva: Client) -> None:
    assert iva.post("/backups/start/", {"pool": "eu-west-1_\0"}).status_code == 404
    assert iva.post("/reveal/", {"what": "\0"}).status_code == 404
    assert iva.get("/backups/2026-11-22.01-00-00/p%00/").status_code == 404


# --- a fall that is right -------------------------------------------------------------------------


def a_fall(account: Account, iva: Client) -> Backup:
    account.backup(8, 40)
    key = account.backup(1, 3)
    look(iva)
    return Backup.objects.get(key=key)


def test_a_fall_is_accepted_with_a_reason_and_then_suggested(account: Account, iva: Client) -> None:
    fallen = a_fall(account, iva)
    assert "So few users are right" in text(iva.get(f"/backups/{fallen.key}/"))
    page = text(
        iva.post(f"/backups/{fallen.key}/accept/", {"reason": "The course ended, they left."}, follow=True)
    )
    assert "iva accepted that it holds so few users" in page
    assert "The course ended, they left." in page
    assert "So few users are right" not in page
    assert Backup.objects.get(suggested=True) == fallen
    entry = AuditEntry.objects.get(act=Act.FALL_ACCEPTED)
    assert entry.details["key"] == fallen.key


def test_a_fall_is_not_accepted_without_a_reason_and_what_was_typed_stays(
    account: Account, iva: Client
) -> None:
    fallen = a_fall(account, iva)
    response = iva.post(f"/backups/{fallen.key}/accept/", {"reason": "ok"})
    assert response.status_code == 400
    page = response.content.decode()
    assert "Say why in a few words" in page
    assert 'value="ok"' in page
    assert not Backup.objects.filter(key=fallen.key, suggested=True).exists()
    assert not AuditEntry.objects.filter(act=Act.FALL_ACCEPTED).exists()


def test_only_a_fall_can_be_accepted_and_only_by_whoever_may_restore(
    account: Account, iva: Client, viewer: Client
) -> None:
    fallen = a_fall(account, iva)
    good = Backup.objects.get(suggested=True)
    assert "So few users are right" not in text(iva.get(f"/backups/{good.key}/"))
    reason = {"reason": "The course ended, they left."}
    assert iva.post(f"/backups/{good.key}/accept/", reason).status_code == 409
    assert viewer.post(f"/backups/{fallen.key}/accept/", reason).status_code == 403
    assert "So few users are right" not in text(viewer.get(f"/backups/{fallen.key}/"))
    assert iva.get(f"/backups/{fallen.key}/accept/").status_code == 405


def test_the_fall_of_a_kept_copy_is_accepted_for_the_backup_that_it_is_a_copy_of(
    account: Account, iva: Client
) -> None:
    fallen = a_fall(account, iva)
    original, fallen.key = fallen.key, f"_cognito-admin/kept/{fallen.key}"
    fallen.save()
    for _ in range(2):  # somebody else may have been faster
        response = iva.post(f"/backups/{fallen.key}/accept/", {"reason": "The course ended, they left."})
        assert response.status_code in (302, 409)
    assert Acceptance.objects.get().key == original
    assert Backup.objects.get(suggested=True) == fallen
