"""The overview: what is wrong in one sentence, then each pool. Iva may restore, a viewer may look."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from backups import queue, tasks, wiring
from backups.core.snapshot import PoolFacts
from backups.engine.ports import Cause, PortError
from backups.models import Alarm, Backup, Catalogue, Job, Policy, Pool
from tests.web.pages import NAME, POOL_ID, a_backup, a_pool, text

pytestmark = pytest.mark.django_db

STAGING = "biomage-user-pool-case-insensitive-staging"
FINE = "has a checked backup younger than its limit."


@pytest.fixture(autouse=True)
def looked(settings: Settings) -> Catalogue:
    """Bucket and pools were looked at a moment ago, so that opening the page asks nobody."""
    settings.POOL_REGIONS = ["eu-west-1"]
    now = timezone.now()
    row = Catalogue.row()
    row.looked_at = row.answered_at = row.pools_asked_at = now
    row.regions = {"eu-west-1": {"at": now.isoformat(), "why": ""}}
    row.save()
    return row


def a_policy(name: str = NAME, **given: Any) -> Policy:
    now = timezone.now()
    ordinary = {"cron": "17 * * * *", "next_at": now + timedelta(minutes=9), "set_by": "pol", "set_at": now}
    return Policy.objects.create(region="eu-west-1", name=name, **ordinary | given)


def a_fresh_backup(name: str = NAME, **given: Any) -> Backup:
    taken_at = timezone.now() - timedelta(minutes=20)
    ordinary: dict[str, Any] = {
        "key": f"{taken_at:%Y-%m-%d.%H-%M-%S}/{name}",
        "taken_at": taken_at,
        "suggested": True,
    }
    ordinary |= {"region": "eu-west-1", "users": 1850}
    return a_backup(name=name, **ordinary | given)


def an_alarm(kind: Alarm.Kind, sentence: str, name: str = NAME) -> Alarm:
    now = timezone.now()
    return Alarm.objects.create(
        kind=kind, region="eu-west-1", pool_name=name, sentence=sentence, raised_at=now, seen_at=now
    )


# --- the sentence ---------------------------------------------------------------------------------


def test_all_is_well_is_said_of_one_pool_by_its_name(iva: Client) -> None:
    a_pool()
    a_policy()
    a_fresh_backup()
    assert f"{NAME} {FINE}" in text(iva.get("/"))


def test_all_is_well_is_said_of_every_pool_and_of_those_that_nobody_waits_for(iva: Client) -> None:
    for name, pool_id in ((NAME, POOL_ID), (STAGING, "eu-west-1_sT4g1nGz7")):
        a_pool(name, pool_id)
        a_policy(name)
        a_fresh_backup(name)
    assert f"Every pool {FINE}" in text(iva.get("/"))
    a_pool("scratch", "eu-west-1_scratch01")
    a_policy("scratch", enabled=False)
    assert f"Every other pool {FINE}" in text(iva.get("/"))
    assert "scratch is not backed up by itself: pol decided so." in text(iva.get("/"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"checked": False}, "was never checked: complete."),
        ({"checked": False, "state": "users-only", "made_by": "cbr"}, "was never checked: users only."),
        ({"taken_at": timezone.now() - timedelta(hours=9)}, "is late since"),
        ({"state": "unreadable", "suggested": False}, "has no backup that could be restored."),
    ],
)
def test_it_is_never_said_of_a_backup_that_is_late_or_unchecked_or_no_backup(
    iva: Client, given: dict[str, Any], said: str
) -> None:
    a_pool()
    a_policy(set_at=timezone.now() - timedelta(days=9))
    a_fresh_backup(**given)
    page = text(iva.get("/"))
    assert FINE not in page
    assert said in page


def test_a_pool_that_nobody_decided_about_is_said_and_proposed(iva: Client, viewer: Client) -> None:
    a_pool()
    a_fresh_backup()
    page = text(iva.get("/"))
    assert f"{NAME} is not backed up by itself yet: nobody has decided when." in page
    assert "Proposed is every hour at :" in page
    assert "Decide when" in page
    assert "Decide when" not in text(viewer.get("/"))


def test_the_worst_alarm_comes_first_and_its_restore_is_one_click_away(iva: Client) -> None:
    a_pool(presence=Pool.Presence.GONE)
    a_policy()
    backup = a_fresh_backup()
    an_alarm(Alarm.Kind.LATE, "staging is 9 h late.", STAGING)
    a_pool(STAGING, "eu-west-1_sT4g1nGz7")
    a_policy(STAGING)
    an_alarm(Alarm.Kind.GONE, f"{NAME} no longer exists in eu-west-1.")
    response = iva.get("/")
    page = text(response)
    assert page.index(f"{NAME} no longer exists") < page.index("staging is 9 h late.")
    assert "Browse the suggested backup Prepare restore" in page
    assert (
        f'class="btn main" href="/restore/?backup={backup.key.replace("/", "%2F")}"'
        in response.content.decode()
    )


def test_production_comes_first_and_the_button_takes_the_backup_of_the_alarms_own_pool(iva: Client) -> None:
    a_pool()
    a_policy()
    backup = a_fresh_backup()
    other = a_fresh_backup(region="us-east-1", key=f"2026-11-22.03-00-00/{NAME}", users=7)
    a_pool("throwaway", "eu-west-1_throwaway", presence=Pool.Presence.GONE)
    an_alarm(Alarm.Kind.GONE, "throwaway no longer exists.", "throwaway")
    an_alarm(Alarm.Kind.EMPTIED, f"{NAME} has about 3 users.")
    page = iva.get("/").content.decode()
    assert page.index(f"{NAME} has about 3 users.") < page.index("throwaway no longer exists.")
    main = page[page.index('class="btn main"') :]
    assert backup.key.replace("/", "%2F") in main[:200]
    assert other.key.replace("/", "%2F") not in main[:200]


def test_a_suggested_backup_that_is_not_the_newest_is_said(iva: Client) -> None:
    a_pool()
    a_policy()
    a_fresh_backup(suggested=False, users=1000, passed_over="1,000 users, a fall of 46 % from 1,850")
    a_fresh_backup(key=f"2026-11-22.03-00-00/{NAME}", taken_at=timezone.now() - timedelta(days=1))
    page = text(iva.get("/"))
    assert f"The newest backup of {NAME} is passed over; the suggested one is of" in page
    assert FINE not in page


def test_alarms_are_listed_with_since_when(iva: Client) -> None:
    a_pool()
    an_alarm(Alarm.Kind.EMPTIED, f"{NAME} has about 40 users; it had 1,850.")
    page = text(iva.get("/"))
    assert "pool emptied" in page
    assert "since" in page
    Alarm.objects.update(cleared_at=timezone.now())
    assert "None is open." in text(iva.get("/"))


def test_what_is_not_known_is_never_called_fine(iva: Client, looked: Catalogue) -> None:
    a_pool()
    a_policy()
    a_fresh_backup()
    Catalogue.objects.update(answered_at=timezone.now() - timedelta(days=2))
    page = text(iva.get("/"))
    assert "Nobody looks at the bucket" in page
    assert FINE not in page
    Catalogue.objects.update(regions={"eu-west-1": {"at": "", "why": "AWS did not answer."}})
    assert "Whether every pool stands is not known. AWS did not answer." in text(iva.get("/"))
    looked.problem = "AWS denied it."
    looked.save()
    page = text(iva.get("/"))
    assert "Which backups there are is not known" in page
    assert FINE not in page


def test_a_pool_in_doubt_is_asked_about_once_more_and_not_yet_gone(iva: Client) -> None:
    a_pool(doubt="gone", doubted_at=timezone.now())
    a_policy()
    a_fresh_backup()
    page = text(iva.get("/"))
    assert "it is asked once more" in page
    assert FINE not in page


def test_without_pools_and_backups_it_says_so(iva: Client) -> None:
    page = text(iva.get("/"))
    assert "There is no user pool in eu-west-1, and no backup of one." in page
    assert "No pool is known yet" in page


def test_no_pool_at_all_is_backed_up(iva: Client) -> None:
    a_pool()
    a_policy(enabled=False)
    page = text(iva.get("/"))
    assert "No pool is backed up by itself." in page
    assert "pol decided so" in page


# --- the pools ------------------------------------------------------------------------------------


def test_a_pool_has_its_estimate_its_suggested_backup_and_its_next_run(iva: Client) -> None:
    a_pool()
    a_policy()
    backup = a_fresh_backup()
    page = text(iva.get("/"))
    assert f"{NAME} PRODUCTION {POOL_ID}" in page
    assert "About 1,850 users in eu-west-1 at" in page
    assert f"Suggested backup: {backup.taken_at:%Y-%m-%d %H:%M} UTC" in page
    assert "every hour at :17" in page
    assert "Back up now" in page


def test_two_pools_of_one_name_are_warned_about_and_each_can_be_backed_up(iva: Client) -> None:
    a_pool()
    a_pool(pool_id="eu-west-1_second001")
    page = text(iva.get("/"))
    assert "2 pools have this name" in page
    assert f"Back up now: {POOL_ID}" in page
    assert "Back up now: eu-west-1_second001" in page


def test_a_schedule_waits_for_the_pool_that_is_gone(iva: Client) -> None:
    a_pool(presence=Pool.Presence.GONE)
    a_policy()
    a_fresh_backup()
    assert "It waits for a pool of this name." in text(iva.get("/"))


def test_the_latest_jobs_are_there(iva: Client) -> None:
    Job.objects.create(
        kind="backup", queue="read", pool_name=NAME, asked_by="schedule", asked_by_name="the schedule"
    )
    assert "the schedule" in text(iva.get("/"))


def test_a_viewer_sees_it_all_and_has_no_buttons(viewer: Client) -> None:
    a_pool()
    a_policy()
    a_fresh_backup()
    page = text(viewer.get("/"))
    assert f"{NAME} {FINE}" in page
    for button in ("Back up now", "Look again", "Prepare restore"):
        assert button not in page


def test_it_asks_the_database_a_number_of_times_that_does_not_grow_with_the_backups(
    iva: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    a_pool()
    a_policy()
    a_fresh_backup()
    for week in range(1, 40):
        a_backup(week)
    with django_assert_max_num_queries(30):
        iva.get("/")


# --- looking --------------------------------------------------------------------------------------


def test_opening_it_asks_a_worker_for_a_look_when_the_last_one_is_old_and_waits_for_nobody(
    iva: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def find_pools(region: str) -> list[PoolFacts]:
        asked.append(region)
        return [PoolFacts(POOL_ID, NAME, region, "123456789012", estimated_users=7)]

    monkeypatch.setattr(wiring, "find_pools", find_pools)
    monkeypatch.setattr(queue, "look", lambda: told.append("look"))
    told: list[str] = []
    assert "AWS is being asked" not in text(iva.get("/"))
    assert told == [], "the last look is a moment old"
    Catalogue.objects.update(pools_asked_at=timezone.now() - timedelta(seconds=31))
    page = iva.get("/")
    assert "AWS is being asked how they are now." in text(page)
    assert 'hx-get="/?asked=1"' in page.content.decode()
    assert (told, asked) == (["look"], [])

    tasks.look_at_pools()
    assert asked == ["eu-west-1"]
    page = iva.get("/?asked=1")
    assert "About 7 users" in text(page)
    assert "AWS is being asked" not in text(page)
    tasks.look_at_pools()
    assert asked == ["eu-west-1"], "one look is enough for whoever opens it now"


def test_a_look_that_is_not_answered_leaves_what_was_known(
    iva: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_pools(region: str) -> list[PoolFacts]:
        raise PortError("AWS did not answer.", Cause.UNREACHABLE)

    monkeypatch.setattr(wiring, "find_pools", find_pools)
    a_pool(last_seen_at=timezone.now())
    a_fresh_backup()
    Catalogue.objects.update(pools_asked_at=None)
    tasks.look_at_pools()
    page = text(iva.get("/"))
    assert "Whether it still exists is not known; last seen" in page
    assert "AWS did not answer." in page
    assert "Suggested backup" in page
