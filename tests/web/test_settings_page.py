"""The settings: when pools are backed up, and who is told of an alarm."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from backups import notify, queue
from backups.models import Alarm, AuditEntry, Delivery, Policy, Pool, Watchdog, database_now
from backups.notify import ways
from tests.web.pages import NAME, POOL_ID, a_pool, enter, text

pytestmark = pytest.mark.django_db

AT = {"region": "eu-west-1", "name": NAME}


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    times: list[int] = []
    monkeypatch.setattr(queue, "_wake_deliveries", lambda: times.append(1))
    return times


@pytest.fixture
def told(settings: Settings) -> Settings:
    """Slack and a webhook are set up, with secrets in their addresses; mail is not."""
    settings.SLACK_WEBHOOK = "https://hooks.slack.com/services/T0TEAM/hush-hush"
    settings.ALARM_WEBHOOK = "https://hooks.example.org/hush-hush?token=hush"
    settings.ALARM_WEBHOOK_KEY = "whsec_" + "aHVz" * 8
    settings.HEARTBEAT_URL = "https://watchdog.example.org/hush-hush"
    settings.PUBLIC_URL = "https://backups.example.org"
    return settings


def a_policy(**given: Any) -> Policy:
    ordinary = {"cron": "17 * * * *", "set_by": "pol", "set_at": datetime(2026, 11, 20, 9, 0, tzinfo=UTC)}
    return Policy.objects.create(**AT | ordinary | given)


def a_delivery(**given: Any) -> Delivery:
    now = database_now()
    ordinary = {"channel": "slack", "what": "test", "asked_by": "pol", "created_at": now, "due_at": now}
    return Delivery.objects.create(**ordinary | given)


def a_form(**given: str) -> dict[str, str]:
    return {
        **AT,
        "enabled": "yes",
        "cron": "40 2 * * *",
        "zone": "UTC",
        "shrink_percent": "5",
        "mfa": "auto",
    } | given


def section(page: str, begin: str, end: str = "Cognito backups 0") -> str:
    return page.split(begin, 1)[1].split(end, 1)[0]


# --- pools -----------------------------------------------------------------------------------


def test_a_policy_is_shown_in_words_with_its_next_runs(iva: Client) -> None:
    a_pool()
    a_policy(cron="40 2 * * *", zone="Europe/Berlin", shrink_percent=8, mfa="off")
    page = text(iva.get("/settings/"))
    row = section(page, "Second factors Set", "Late after :")
    assert f"{NAME} PRODUCTION eu-west-1 · {POOL_ID}" in row
    assert "✓ on" in row
    assert "every day at 02:40 Europe/Berlin" in row
    assert len(re.findall(r"20\d\d-\d\d-\d\d 0[01]:40 UTC · in ", row)) == 3
    assert "over 8 %" in row
    assert "never Not read: the policy of this pool is not to read them." in row
    assert "by pol 2026-11-20 09:00 UTC" in row


def test_late_after_is_the_period_and_its_grace(iva: Client) -> None:
    a_pool()
    a_policy()
    assert "1 h 30 min" in section(text(iva.get("/settings/")), "Set", "Late after :")
    Policy.objects.update(cron="40 2 * * 0")
    assert "7 d 6 h" in section(text(iva.get("/settings/")), "Set", "Late after :")


def test_a_new_pool_is_proposed_with_the_default_and_started_by_one_button(iva: Client) -> None:
    a_pool()
    response = iva.get("/settings/")
    page = text(response)
    assert "▲ proposed" in page
    assert "nobody has decided yet" in page
    assert "Start these backups" in page
    form = response.content.decode().split('class="do left"', 1)[1].split("</form>", 1)[0]
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
    fields.pop("csrfmiddlewaretoken", None)
    assert Policy.objects.count() == 0
    answer = iva.post("/settings/policy/", fields)
    assert answer.status_code == 302
    policy = Policy.objects.get()
    assert (policy.region, policy.name, policy.enabled, policy.set_by) == ("eu-west-1", NAME, True, "iva")
    assert re.fullmatch(r"\d+ \* \* \* \*", policy.cron)
    assert policy.next_at is not None
    after = text(iva.get("/settings/"))
    assert f"{NAME} in eu-west-1 is backed up every hour at" in after
    assert "Start these backups" not in after
    entry = AuditEntry.objects.get(act="policy.set")
    assert (entry.actor, NAME in entry.pool) == ("iva", True)


def test_a_policy_is_changed_and_switched_off(iva: Client) -> None:
    a_pool()
    a_policy()
    iva.post("/settings/policy/", a_form(shrink_percent="20", mfa="on"))
    policy = Policy.objects.get()
    assert (policy.cron, policy.shrink_percent, policy.mfa, policy.set_by) == ("40 2 * * *", 20, "on", "iva")
    iva.post("/settings/policy/", a_form(enabled="no"))
    page = text(iva.get("/settings/"))
    assert "is not backed up by itself from now on. Its backups stay." in page
    assert "○ off not by itself; it was every day at 02:40 UTC – over 5 %" in page
    assert not Policy.objects.get().enabled


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"cron": "every night"}, "every night is no schedule"),
        ({"cron": "* * * * *"}, "would start backups every minute"),
        ({"cron": "0 0 30 2 *"}, "0 0 30 2 * "),
        ({"cron": ""}, "Nothing is no schedule."),
        ({"zone": "Atlantis"}, "Atlantis is no time zone."),
        ({"shrink_percent": "0"}, "Nothing was changed."),
        ({"shrink_percent": "a lot"}, "Nothing was changed."),
        ({"shrink_percent": "²"}, "Nothing was changed."),
        ({"shrink_percent": "9999999"}, "Nothing was changed."),
        ({"mfa": "perhaps"}, "Nothing was changed."),
    ],
)
def test_what_is_refused_is_said_and_what_was_typed_is_kept(
    iva: Client, typed: dict[str, str], said: str
) -> None:
    a_pool()
    a_pool("other-staging", "eu-west-1_Other")
    a_policy()
    response = iva.post("/settings/policy/", a_form(**typed))
    assert response.status_code == 400
    page = response.content.decode()
    assert said in text(response)
    assert page.count("<details open>") == 1
    for name, value in typed.items():
        assert name == "mfa" or f'name="{name}" value="{value}"' in page
    kept = Policy.objects.get()
    assert (kept.cron, kept.set_by) == ("17 * * * *", "pol")
    assert "every hour at :17" in text(response)  # the row says what holds, the form what was typed


def test_typed_markup_is_text(iva: Client) -> None:
    a_pool()
    page = iva.post("/settings/policy/", a_form(cron='"><script>alert(1)</script>')).content.decode()
    assert "<script>alert" not in page


def test_pools_of_one_name_share_a_policy_and_are_told_apart(iva: Client) -> None:
    a_pool()
    a_pool(pool_id="eu-west-1_Twin", estimated_users=20, tier="ESSENTIALS")
    a_pool(pool_id="us-east-1_Far", region="us-east-1")
    a_pool(pool_id="eu-west-1_Old", presence=Pool.Presence.GONE)
    page = text(iva.get("/settings/"))
    assert "eu-west-1_Twin" in page
    assert "eu-west-1_Old" not in page
    assert "2 pools bear this name" in page
    assert page.count("▲ proposed") == 2
    assert "eu-west-1_Twin: AWS counts up to 20 users as active" in page


def test_a_policy_outlives_its_pool_and_a_gone_pool_is_not_proposed(iva: Client) -> None:
    a_pool(presence=Pool.Presence.GONE)
    a_pool("other-staging", "eu-west-1_Gone", presence=Pool.Presence.GONE)
    a_policy()
    page = text(iva.get("/settings/"))
    assert "no pool of this name is known there now" in page
    assert "other-staging" not in page


def test_a_gone_pool_with_an_open_alarm_can_be_decided_about(iva: Client) -> None:
    now = database_now()
    a_pool(presence=Pool.Presence.GONE)
    alarm = Alarm.objects.create(
        kind="gone", region="eu-west-1", pool_name=NAME, sentence="s", raised_at=now, seen_at=now
    )
    page = text(iva.get("/settings/"))
    assert NAME in page
    assert "Was this pool deleted on purpose?" in page
    assert iva.post("/settings/policy/", a_form(enabled="no")).status_code == 302
    assert "○ off" in text(iva.get("/settings/"))
    Policy.objects.all().delete()
    Alarm.objects.filter(pk=alarm.pk).update(cleared_at=now)
    assert NAME not in text(iva.get("/settings/"))


def test_off_is_said_to_be_watched_still(iva: Client) -> None:
    a_pool()
    page = text(iva.get("/settings/"))
    assert "Do not back it up by itself: it is still watched" in page
    assert "deleted on purpose" not in page


def test_a_large_pool_is_proposed_daily(iva: Client) -> None:
    a_pool(estimated_users=60_000)
    assert "every day at" in section(text(iva.get("/settings/")), "▲ proposed", "Late after :")


def test_a_pool_whose_size_is_not_known_says_so(iva: Client) -> None:
    a_pool(estimated_users=None)
    assert "The number of its users is not known yet." in text(iva.get("/settings/"))


def test_a_zone_that_this_host_does_not_know_breaks_no_page(iva: Client) -> None:
    a_pool()
    a_policy(zone="Mars/Olympus")
    response = iva.get("/settings/")
    assert response.status_code == 200
    assert "every hour at :17 Mars/Olympus" in text(response)


def test_without_pools_it_says_that_none_is_known(iva: Client) -> None:
    assert "No pool is known yet" in text(iva.get("/settings/"))


def test_a_pool_that_nobody_has_seen_has_no_policy(iva: Client) -> None:
    a_pool()
    assert iva.post("/settings/policy/", a_form(name="made-up")).status_code == 404
    assert iva.post("/settings/policy/", a_form(region="us-east-1")).status_code == 404
    assert iva.post("/settings/policy/", {}).status_code == 404
    assert Policy.objects.count() == 0


# --- notifications ---------------------------------------------------------------------------


def test_what_is_not_set_up_names_its_setting(iva: Client) -> None:
    page = section(text(iva.get("/settings/")), "Notifications")
    assert "Nobody is told of an alarm" in page
    for name in (
        "SLACK_WEBHOOK",
        "ALARM_EMAILS",
        "ALARM_FROM",
        "EMAIL_URL",
        "ALARM_WEBHOOK_KEY",
        "HEARTBEAT_URL",
    ):
        assert name in page
    assert "Send test" not in page


def test_addresses_are_shown_by_their_host_alone(iva: Client, told: Settings) -> None:
    Watchdog.objects.create(called_at=database_now(), answer="500 … failed")
    response = iva.get("/settings/")
    page = section(text(response), "Notifications")
    for host in ("hooks.slack.com", "hooks.example.org", "watchdog.example.org"):
        assert host in page
    assert "hush" not in response.content.decode()
    assert "aHVz" not in response.content.decode()
    assert "500 … failed. It has taken none yet." in page
    assert "Nobody is told" not in page


def test_messages_without_a_link_are_said_to_be(iva: Client, told: Settings) -> None:
    assert "have no link" not in text(iva.get("/settings/"))
    told.PUBLIC_URL = ""
    assert "The messages have no link to this dashboard: PUBLIC_URL is not set." in text(
        iva.get("/settings/")
    )


def test_a_test_is_sent_with_its_entry_and_its_answer_comes_into_the_table(
    iva: Client,
    told: Settings,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
    woken: list[int],
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = iva.post("/settings/test/", {"channel": "slack"})
    assert answer["Location"] == "/settings/#notifications"
    assert woken == [1]
    row = Delivery.objects.get()
    assert (row.channel, row.what, row.asked_by) == ("slack", "test", "iva")
    entry = AuditEntry.objects.get(act="alarm.tested")
    assert (entry.actor, entry.details) == ("iva", {"channel": "slack"})
    waiting = iva.get("/settings/")
    assert "● on its way" in text(waiting)
    assert 'hx-trigger="load delay:1s"' in waiting.content.decode()
    monkeypatch.setattr(ways, "_ask", lambda *_: ways.Answer(False, "404 no_service"))
    notify.deliver_due()
    after = iva.get("/settings/")
    page = section(text(after), "Notifications")
    assert "a test, asked for by iva" in page
    assert "■ given up" in page
    assert "404 no_service" in page
    assert "hx-trigger" not in after.content.decode()


def test_no_entry_without_its_message(iva: Client, told: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Delivery:
        raise ZeroDivisionError

    monkeypatch.setattr(notify, "test", fail)
    with pytest.raises(ZeroDivisionError):
        iva.post("/settings/test/", {"channel": "slack"})
    assert AuditEntry.objects.filter(act="alarm.tested").count() == 0


def test_a_second_test_waits_for_the_first(iva: Client, told: Settings) -> None:
    a_delivery()
    response = iva.post("/settings/test/", {"channel": "slack"})
    assert response.status_code == 409
    assert "A test is on its way already." in text(response)
    assert Delivery.objects.count() == 1
    assert iva.post("/settings/test/", {"channel": "webhook"}).status_code == 302


def test_an_alarm_after_a_test_does_not_end_the_waiting_for_its_answer(iva: Client, told: Settings) -> None:
    a_delivery()
    notify.raise_alarm(
        Alarm.Kind.EMPTIED, region="eu-west-1", pool_name="staging", sentence="Nobody is there."
    )
    waiting = iva.get("/settings/")
    assert "pool emptied" in section(text(waiting), "Notifications")
    assert 'hx-trigger="load delay:1s"' in waiting.content.decode()
    assert iva.post("/settings/test/", {"channel": "slack"}).status_code == 409


def test_a_test_that_no_worker_took_for_a_minute_may_be_sent_again(iva: Client, told: Settings) -> None:
    a_delivery(created_at=database_now() - timedelta(minutes=2))
    assert "hx-trigger" not in iva.get("/settings/").content.decode()
    assert iva.post("/settings/test/", {"channel": "slack"}).status_code == 302


def test_nothing_is_sent_to_what_is_not_set_up(iva: Client, told: Settings) -> None:
    response = iva.post("/settings/test/", {"channel": "mail"})
    assert response.status_code == 409
    assert "Nothing was sent: ALARM_EMAILS and ALARM_FROM and EMAIL_URL are not set." in text(response)
    assert Delivery.objects.count() == AuditEntry.objects.filter(act="alarm.tested").count() == 0
    assert iva.post("/settings/test/", {"channel": "pigeon"}).status_code == 404
    assert iva.post("/settings/test/").status_code == 404


def test_what_was_last_told_and_what_comes_of_it(iva: Client, told: Settings) -> None:
    now = database_now()
    alarm = Alarm.objects.create(
        kind="gone", region="eu-west-1", pool_name=NAME, sentence="s", raised_at=now, seen_at=now
    )
    row = a_delivery(
        what="raised", alarm=alarm, tries=2, answer="500 no", due_at=now + timedelta(minutes=9.5)
    )
    a_delivery(
        channel="webhook", what="cleared", alarm=alarm, tries=1, delivered_at=now, due_at=None, answer="200"
    )
    page = section(text(iva.get("/settings/")), "Notifications")
    assert f"pool gone, {NAME}" in page
    assert "▲ not taken yet next try" in page
    assert "in 9 min" in page
    assert "500 no (2 tries)" in page
    assert f"over: pool gone, {NAME}" in page
    assert "✓ taken" in page
    Delivery.objects.filter(pk=row.pk).update(due_at=None)
    assert "■ given up" in text(iva.get("/settings/"))
    Delivery.objects.filter(pk=row.pk).update(tries=0)
    assert "○ not sent" in text(iva.get("/settings/"))


def test_the_heartbeat_says_when_it_was_last_taken(iva: Client, told: Settings) -> None:
    assert "It was not called yet." in text(iva.get("/settings/"))
    now = database_now()
    Watchdog.objects.create(called_at=now, answered_at=now, answer="200 ok")
    assert "200 ok. Cognito" in text(iva.get("/settings/"))
    Watchdog.objects.update(answered_at=now - timedelta(hours=5), answer="500 no")
    assert re.search(r"500 no\. It last took a call 20\S+ \S+ UTC · 5 h ago", text(iva.get("/settings/")))


# --- who -------------------------------------------------------------------------------------


def test_a_viewer_sees_everything_and_has_no_button(viewer: Client, told: Settings) -> None:
    a_pool()
    a_policy()
    response = viewer.get("/settings/")
    page = text(response)
    assert "every hour at :17" in page
    assert "hooks.slack.com" in page
    assert "vera may not decide when pools are backed up, and test alarms" in page
    main = response.content.decode().split("<main", 1)[1]
    assert "<form" not in main
    assert "<button" not in main
    assert viewer.post("/settings/policy/", a_form()).status_code == 403
    assert viewer.post("/settings/test/", {"channel": "slack"}).status_code == 403
    assert (Policy.objects.get().set_by, Delivery.objects.count()) == ("pol", 0)


def test_a_stranger_sees_nothing() -> None:
    for client, status in ((Client(), 302), (enter("guest", "others"), 403)):
        assert client.get("/settings/").status_code == status
        assert client.post("/settings/test/", {"channel": "slack"}).status_code == status
        assert client.post("/settings/policy/", a_form()).status_code == status


def test_acts_are_posts(iva: Client) -> None:
    assert iva.get("/settings/policy/").status_code == 405
    assert iva.get("/settings/test/").status_code == 405
    assert iva.post("/settings/").status_code == 405


def test_the_page_is_in_the_navigation(iva: Client) -> None:
    assert '<a href="/settings/" aria-current="page">Settings</a>' in iva.get("/settings/").content.decode()
