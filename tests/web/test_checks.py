"""A wrong or missing setting is named at start, by id; every name has its sentence in .env.example."""

from __future__ import annotations

import os
import re
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
