"""The page of one user's history. Iva may do everything, a viewer may look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from backups import catalogue, history, seal, wiring
from backups.models import AuditEntry, Shard
from backups.models.audit import Act
from tests.build import a_backup, a_file, a_sub, an_entry
from tests.fakes import FakePool, FakeStore
from tests.web.pages import reveal, text

pytestmark = pytest.mark.django_db

POOL = "biomage-user-pool-case-insensitive-production"
STAGING = "biomage-user-pool-case-insensitive-staging"
FIRST = datetime(2026, 11, 1, 1, tzinfo=UTC)
ADA, MOVED = "ada@uni.example", "lovelace@other.example"


def key_of(day: int, pool: str = POOL) -> str:
    return f"{FIRST + timedelta(days=day):%Y-%m-%d.%H-%M-%S}/{pool}"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> FakeStore:
    store = FakeStore()
    monkeypatch.setattr(wiring, "store", lambda environment="production": store)
    return store


@pytest.fixture
def three(store: FakeStore) -> FakeStore:
    """Ada, Ada under another address and disabled, and Ada no more; somebody stays."""
    bob = an_entry("bob@uni.example")
    days = ([an_entry(ADA), bob], [an_entry(MOVED, sub=a_sub(ADA), enabled=False), bob], [bob])
    for day, people in enumerate(days):
        store.plant(f"{key_of(day)}/data.json", a_file(people))
    catalogue.look_at_bucket(whole=True)
    return store


def ask(client: Client, user: str = ADA, pool: str = POOL) -> str:
    response = client.get("/history/", {"pool": pool, "user": user})
    assert response.status_code == 200
    return text(response)


def test_a_history_is_told_in_sentences_with_both_backups(three: FakeStore, viewer: Client) -> None:
    history.work()
    response = viewer.get("/history/", {"pool": POOL, "user": ADA})
    page, code = text(response), response.content.decode()
    assert (
        "Missing since the backup of 2026-11-03 01:00 UTC Last seen in that of 2026-11-02 01:00 UTC" in page
    )
    assert "missing Not in it; last seen in the backup of 2026-11-02 01:00 UTC" in page
    assert "Changed since the backup of 2026-11-01 01:00 UTC" in page
    assert "email a••••@uni.example → became l••••@other.example" in page
    assert "Enabled true → became false" in page
    assert page.index("missing Not") < page.index("Changed since") < page.index("Seen first")
    for day in range(3):
        assert f'href="/backups/{key_of(day)}/"' in code
    name = POOL
    first, second = (key_of(day).replace("/", "%2F") for day in range(2))
    assert f'href="/compare/?from={first}&amp;to={second}"' in code
    assert MOVED not in code
    assert name in code


def test_somebody_who_is_still_there_is_said_so(three: FakeStore, viewer: Client) -> None:
    history.work()
    page = ask(viewer, a_sub("bob@uni.example"))
    assert "There in the newest indexed backup" in page
    assert "b••••@uni.example, CONFIRMED, enabled" in page
    assert "Seen first; no older backup is indexed" in page


def test_addresses_are_shown_once_they_were_revealed(three: FakeStore, iva: Client) -> None:
    history.work()
    assert reveal(iva, f"pool {POOL}", "/history/").status_code == 302
    assert f"email {ADA} → became {MOVED}" in ask(iva)
    assert reveal(iva, "pool no-such").status_code == 404


def test_each_look_is_in_the_audit_log_without_the_address(three: FakeStore, viewer: Client) -> None:
    viewer.get("/history/")
    viewer.get("/history/", {"pool": POOL})
    viewer.get("/history/", {"user": ADA, "pool": "no-such"})
    assert not AuditEntry.objects.filter(act=Act.HISTORY_READ).exists()
    ask(viewer)
    entry = AuditEntry.objects.get(act=Act.HISTORY_READ)
    assert (entry.actor, entry.pool, entry.details["user"]) == ("vera", POOL, "a••••@uni.example")
    assert ADA not in entry.body


def test_nothing_indexed_is_not_nobody_found(three: FakeStore, viewer: Client) -> None:
    page = ask(viewer)
    assert "No backup of this pool is indexed yet" in page
    assert "manage.py history --rebuild" in page
    assert "3 readable backups of this pool are not indexed yet" in page
    assert "In none of" not in page


def test_what_is_not_told_is_said(three: FakeStore, viewer: Client) -> None:
    history.work()
    assert "In none of 3 indexed backups" in ask(viewer, "nobody@uni.example")
    three.plant(f"{key_of(9)}/data.json", a_file([an_entry(ADA)]))
    catalogue.look_at_bucket(whole=True)
    assert "1 readable backup of this pool is not indexed yet and not read here: that of 2026-11-10" in ask(
        viewer
    )


@pytest.mark.parametrize("asked", [ADA, "bob@uni.example"])
def test_a_newer_backup_that_is_not_read_is_in_the_first_sentence_and_nothing_is_red_or_green(
    three: FakeStore, viewer: Client, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    history.work()
    tone = "bad" if asked == ADA else "good"
    response = viewer.get("/history/", {"pool": POOL, "user": asked})
    assert f'class="verdict {tone}"' in response.content.decode()
    assert "newer backup" not in text(response)
    three.plant(f"{key_of(9)}/data.json", a_file([an_entry(ADA)]))
    catalogue.look_at_bucket(whole=True)
    for indexed in (False, True):  # it waits; then it cannot be used
        if indexed:
            monkeypatch.setattr("backups.core.shards.MAX_SHARD", 10)
            assert history.work() == 1
        response = viewer.get("/history/", {"pool": POOL, "user": asked})
        page = response.content.decode()
        assert (
            "1 newer backup is not read here , so it may be otherwise by now: see what this does not tell"
            in text(response)
        )
        assert 'class="verdict warn"' in page
        assert 'class="verdict good"' not in page
        assert 'class="verdict bad"' not in page
        assert 'id="gaps"' in page


def test_of_two_pools_of_one_name_what_says_not_which_is_left_out_and_named(
    three: FakeStore, viewer: Client
) -> None:
    for day, pool_id in ((4, "eu-west-1_A"), (5, "eu-west-1_B"), (6, "eu-west-1_A")):
        pool = FakePool(pool_id, POOL)
        if pool_id == "eu-west-1_A":
            pool.add(ADA)
        a_backup(three, pool, key=key_of(day), seal=seal.seal)
    catalogue.look_at_bucket(whole=True)
    history.work()
    page = ask(viewer)
    assert "There in the newest indexed backup of eu-west-1_A" in page
    assert "missing Not" not in page
    assert (
        "3 backups do not say of which of the pools of this name they are, so they are left out: "
        "2026-11-03 01:00 UTC , 2026-11-02 01:00 UTC , 2026-11-01 01:00 UTC ." in page
    )
    assert "Read from 3 indexed backups" in page


def test_a_name_that_many_bear_is_not_followed(store: FakeStore, viewer: Client) -> None:
    shared = [an_entry("team@uni.example", username=f"user{n}", sub=f"sub{n}") for n in range(30)]
    store.plant(f"{key_of(0)}/data.json", a_file(shared))
    catalogue.look_at_bucket(whole=True)
    history.work()
    assert "30 users bear this name" in ask(viewer, "team@uni.example")


def test_two_of_one_name_are_said_to_be_ambiguous(store: FakeStore, viewer: Client) -> None:
    twins = [an_entry("", username="Ada", sub="1"), an_entry("", username="ada", sub="2")]
    store.plant(f"{key_of(0)}/data.json", a_file(twins))
    catalogue.look_at_bucket(whole=True)
    history.work()
    page = ask(viewer, "ADA")
    assert "1 backup holds more than one user of this name" in page
    assert "new identity" in page


def test_a_backup_that_cannot_be_used_is_named(
    three: FakeStore, viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backups.core.shards.MAX_SHARD", 10)
    history.work()
    assert not Shard.objects.exists()
    assert f"{key_of(0)} is left out, because it cannot be trusted: it holds users larger" in ask(viewer)


def test_the_pool_is_chosen_where_there_are_several(three: FakeStore, viewer: Client) -> None:
    three.plant(f"{key_of(0, STAGING)}/data.json", a_file([an_entry(ADA)]))
    catalogue.look_at_bucket(whole=True)
    page = viewer.get("/history/").content.decode()
    assert page.index(f'value="{POOL}"') < page.index(f'value="{STAGING}"'), "production first"
    assert "Choose a pool" in page
    assert "No readable backup is of a pool called no-such" in ask(viewer, pool="no-such")


def test_without_a_backup_there_is_nothing_to_choose(viewer: Client) -> None:
    assert "There is no readable backup of a pool yet" in text(viewer.get("/history/"))


def test_a_backups_page_leads_to_the_history_of_each_user(three: FakeStore, viewer: Client) -> None:
    code = viewer.get(f"/backups/{key_of(0)}/").content.decode()
    assert f'href="/history/?pool={POOL}&amp;user={a_sub(ADA)}"' in code
    assert f'href="/history/?pool={POOL}"' in code


def test_strangers_sign_in_first(client: Client) -> None:
    assert client.get("/history/", {"pool": POOL, "user": ADA}).status_code == 302
