"""A wrong or missing setting is named at start, by id; every name has its sentence in .env.example."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from backups.checks import settings_are_sound

ROOT = Path(__file__).resolve().parents[2]
LONG = "a-long-key-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJ"


def ids() -> set[str]:
    return {message.id.removeprefix("backups.") for message in settings_are_sound() if message.id}


@pytest.fixture
def sound(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A host on which nothing is to be said."""
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]:
        monkeypatch.delenv(name)
    settings.SECRET_KEY = settings.SEAL_KEY = LONG
    settings.POOL_REGIONS = ["eu-west-1"]
    settings.AWS_REGION = "eu-west-1"
    settings.REDIS_URL = "redis://127.0.0.1:6379/0"
    settings.ALLOWED_HOSTS = ["backups.example.org"]
    yield settings


@pytest.fixture
def strict(sound: Settings) -> Settings:
    sound.PRODUCTION = True
    sound.TRUSTED_PROXIES = 1
    sound.SLACK_WEBHOOK = "https://hooks.slack.com/services/T0/B0/hush-hush"
    sound.PUBLIC_URL = "https://backups.example.org"
    return sound


def test_a_sound_host_has_nothing_to_say(strict: Settings) -> None:
    assert ids() == set()


@pytest.mark.parametrize(
    ("name", "value", "id"),
    [
        ("SECRET_KEY", "", "E001"),
        ("SEAL_KEY", "", "W001"),
        ("BACKUP_BUCKET", "", "E004"),
        ("BACKUP_BUCKET", "Backups_Of/{account}", "E005"),
        ("BACKUP_BUCKET", "backups-{user}", "E005"),
        ("REPORTS_BUCKET", "Reports", "E040"),
        ("REPORTS_BUCKET", "reports-{user}", "E040"),
        ("POOL_REGIONS", [], "E006"),
        ("POOL_REGIONS", ["eu-west-1", "Ireland"], "E007"),
        ("AWS_ACCOUNT", "12345", "E008"),
        ("RESTORE_APPROVALS", "sometimes", "E009"),
        ("RESTORE_APPROVALS", "", "E009"),
        ("QUOTA_SHARE", 0.0, "E010"),
        ("QUOTA_SHARE", 1.01, "E010"),
        ("QUOTA_SHARE", -0.5, "E010"),
        ("QUOTA_SHARE", float("nan"), "E010"),
        ("MAIL_RESERVE", -1, "E011"),
        ("UPLOAD_LIMIT_MB", 0, "E012"),
        ("LEASE_SECONDS", 1, "E013"),
        ("TRUSTED_PROXIES", -1, "E014"),
        ("REDIS_URL", "", "E015"),
        ("REDIS_URL", "127.0.0.1:6379", "E015"),
        ("REDIS_URL", "http://127.0.0.1:6379", "E015"),
        ("LOGIN_GROUPS", [], "W002"),
        ("RESTORE_GROUPS", [], "W003"),
        ("APPROVE_GROUPS", [], "W004"),
    ],
)
def test_a_wrong_setting_is_named(sound: Settings, name: str, value: Any, id: str) -> None:
    setattr(sound, name, value)
    assert ids() == {id}
    assert any(name in message.msg for message in settings_are_sound())


@pytest.mark.parametrize(
    ("name", "value", "id"),
    [
        ("SECRET_KEY", "short", "E002"),
        ("SECRET_KEY", "a" * 80, "E002"),
        ("SEAL_KEY", "short", "E003"),
        ("ALLOWED_HOSTS", ["*"], "E017"),
        ("ALLOWED_HOSTS", [], "E017"),
        ("AWS_REGION", "", "E018"),
        ("TRUSTED_PROXIES", 0, "W005"),
        ("CSRF_TRUSTED_ORIGINS", ["http://backups.example.org"], "E019"),
    ],
)
def test_production_is_strict_and_a_laptop_is_not(strict: Settings, name: str, value: Any, id: str) -> None:
    setattr(strict, name, value)
    assert ids() == {id}
    strict.PRODUCTION = False
    assert ids() == set()


ALARMS: list[tuple[dict[str, Any], str]] = [
    ({"SLACK_WEBHOOK": "hooks.slack.com/services/hush-hush"}, "E030"),
    ({"SLACK_WEBHOOK": "ftp://hooks.slack.com/hush-hush"}, "E030"),
    ({"SLACK_WEBHOOK": "https:///hush-hush"}, "E030"),
    ({"SLACK_WEBHOOK": "https://h:port/hush-hush"}, "E030"),
    ({"SLACK_WEBHOOK": "https://h/hush\nhush"}, "E030"),
    ({"HEARTBEAT_URL": "https://iva:hush-hush@h/"}, "E030"),
    ({"PUBLIC_URL": "backups.example.org"}, "E030"),
    ({"HEARTBEAT_URL": "http://h/hush-hush"}, "E031"),
    ({"SLACK_WEBHOOK": "http://hooks.slack.com/hush-hush"}, "E031"),
    ({"ALARM_WEBHOOK": "https://h/x"}, "E032"),
    ({"ALARM_WEBHOOK": "https://h/x", "ALARM_WEBHOOK_KEY": "whsec_aHVzaC1odXNo"}, "E032"),
    ({"ALARM_WEBHOOK": "https://h/x", "ALARM_WEBHOOK_KEY": "whsec_" + "?" * 44}, "E032"),
    ({"ALARM_WEBHOOK": "https://h/x", "ALARM_WEBHOOK_KEY": "aHVzaC1odXNo" * 4}, "E032"),
    ({"ALARM_EMAILS": ["alarms"], "ALARM_FROM": "a@h.example", "EMAIL_HOST": "h"}, "E033"),
    ({"ALARM_EMAILS": ["a@h.example"], "ALARM_FROM": "nobody", "EMAIL_HOST": "h"}, "E033"),
    ({"APPLICATION_ADMIN_EMAILS": ["ada@h.example", "root"]}, "E041"),
    ({"OPERATOR_EMAILS": ["iva"]}, "E041"),
    ({"ALARM_EMAILS": ["a@h.example"], "ALARM_FROM": "a@h.example"}, "E034"),
    ({"ALARM_EMAILS": ["a@h.example"], "EMAIL_HOST": "h"}, "E034"),
    ({"EMAIL_HOST": "mail.example.org", "EMAIL_HOST_PASSWORD": "hush-hush"}, "E035"),
    ({"PUBLIC_URL": ""}, "W010"),
    ({"SLACK_WEBHOOK": ""}, "W011"),
]


@pytest.mark.parametrize(("given", "id"), ALARMS)
def test_wrong_addresses_of_alarms_are_named_and_never_shown(
    strict: Settings, given: dict[str, Any], id: str
) -> None:
    for name, value in given.items():
        setattr(strict, name, value)
    assert ids() == {id}
    said = " ".join(f"{message.msg} {message.hint}" for message in settings_are_sound())
    assert "hush" not in said
    assert any(name in said for name in given) or "EMAIL_URL" in said


@pytest.mark.parametrize(
    "given",
    [
        {"HEARTBEAT_URL": "http://127.0.0.1:8080/beat", "SLACK_WEBHOOK": "http://[::1]:8080/"},
        {"ALARM_WEBHOOK": "https://h.example/hook?who=us", "ALARM_WEBHOOK_KEY": "whsec_" + "aHVz" * 8},
        {"ALARM_EMAILS": ["a@h.example", "b@h.example"], "ALARM_FROM": "c@h.example", "EMAIL_HOST": "h"},
        {"EMAIL_HOST": "h", "EMAIL_HOST_PASSWORD": "p", "EMAIL_USE_TLS": True},
        {"EMAIL_HOST": "localhost", "EMAIL_HOST_PASSWORD": "p"},
    ],
)
def test_right_addresses_of_alarms_are_accepted(strict: Settings, given: dict[str, Any]) -> None:
    for name, value in given.items():
        setattr(strict, name, value)
    assert ids() == set()


def test_a_laptop_tells_its_alarms_to_nobody_and_is_not_told_so(sound: Settings) -> None:
    sound.HEARTBEAT_URL = "http://h.example/beat"
    assert ids() == set()


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("", "", 25),
        ("smtp://mail.example.org", "mail.example.org", 25),
        ("smtp+tls://u%40x:p%23@mail.example.org", "mail.example.org", 587),
        ("smtp+ssl://mail.example.org", "mail.example.org", 465),
        ("smtp+ssl://mail.example.org:2465", "mail.example.org", 2465),
        ("smtp://mail.example.org:port", "", 25),
        ("smtp://", "", 25),
        ("http://mail.example.org", "", 25),
    ],
)
def test_the_address_of_a_mail_server_is_read_or_named(url: str, host: str, port: int) -> None:
    code = (
        "import json, cognito_admin.settings as s; "
        "print(json.dumps([s.EMAIL_HOST, s.EMAIL_PORT, s.EMAIL_HOST_USER, list(s.WRONG_SETTINGS)]))"
    )
    env = {**os.environ, "EMAIL_URL": url}
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    wrong = ["EMAIL_URL"] if url and not host else []
    assert json.loads(told.stdout) == [host, port, "u@x" if "%40" in url else "", wrong]


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_S3"])
def test_production_speaks_to_no_other_aws(
    strict: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:4566")
    assert ids() == {"E016"}
    strict.PRODUCTION = False
    assert ids() == set()


@pytest.mark.parametrize("url", ["redis://h", "rediss://:secret@h:6380/1", "unix:///tmp/v.sock"])
def test_every_way_to_a_broker_is_accepted(sound: Settings, url: str) -> None:
    sound.REDIS_URL = url
    assert ids() == set()


def test_a_value_that_cannot_be_read_is_named(sound: Settings) -> None:
    sound.WRONG_SETTINGS = {"LEASE_SECONDS": "is no whole number", "DATABASE_URL": "is no address"}
    assert ids() == {"E020"}
    said = [message.msg for message in settings_are_sound()]
    assert said == ["LEASE_SECONDS is no whole number.", "DATABASE_URL is no address."]


def test_no_message_holds_a_secret(strict: Settings) -> None:
    strict.SECRET_KEY = strict.SEAL_KEY = "hush-hush"
    strict.REDIS_URL = "http://:hush-hush@broker"
    said = " ".join(f"{message.msg} {message.hint}" for message in settings_are_sound())
    assert "hush-hush" not in said


def test_every_name_that_is_read_has_its_sentence() -> None:
    read = set(re.findall(r'env(?:\.\w+)?\(\s*"([A-Z_]+)"', (ROOT / "cognito_admin/settings.py").read_text()))
    lines = (ROOT / ".env.example").read_text().splitlines()
    explained = set()
    for number, line in enumerate(lines):
        if found := re.match(r"(?:# )?([A-Z][A-Z_]+)=", line):
            above = [text for text in reversed(lines[:number]) if not re.match(r"(# )?[A-Z_]+=", text)]
            assert above[0].startswith("# "), f"{found[1]} has no sentence"
            explained.add(found[1])
    assert read
    assert read - explained == set()
