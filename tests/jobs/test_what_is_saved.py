"""What a backup job saves by the pool's policy and this host's keys, and where a secret never is."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from django.apps import apps
from django.core import serializers
from django.utils import timezone
from pytest_django import Settings

from backups import actions, catalogue, runner, seal
from backups.core.files import read_settings
from backups.core.sealed import opened
from backups.engine.ports import Cause, Stored
from backups.models import Backup, Policy
from tests.fakes import FakePool
from tests.jobs.conftest import IVA, Account

HUSH = "hush-hush-8f3a"


@pytest.fixture
def team(account: Account) -> FakePool:
    """Seven people; two have a second factor. A client and a provider with secrets."""
    pool = account.add()
    names = [pool.add(f"person{number}@uni.example")["Username"] for number in range(7)]
    pool.factors = {names[1]: ("SOFTWARE_TOKEN_MFA",), names[4]: ("SMS_MFA", "EMAIL_OTP")}
    pool.setting_values |= {
        "clients": [{"ClientId": "web", "ClientSecret": f"{HUSH}-client"}],
        "identity_providers": [{"ProviderDetails": {"client_id": "public", "client_secret": f"{HUSH}-idp"}}],
    }
    return pool


@dataclass
class Made:
    """A backup, and what its manifest says in the catalogue."""

    row: Backup
    said: dict[str, Any]


def backed_up(account: Account, pool: FakePool) -> Made:
    job = actions.start_backup(IVA, account.row(pool))
    runner.run(job.pk)
    job.refresh_from_db()
    assert job.state == "done", job.sentence
    row = Backup.objects.get(key=job.result["key"])
    assert row.manifest
    return Made(row, row.manifest)


def decide(pool: FakePool, mfa: str) -> None:
    Policy.objects.create(
        region=pool.region, name=pool.name, cron="7 * * * *", mfa=mfa, set_by="iva", set_at=timezone.now()
    )


# --- second factors ---------------------------------------------------------------------------


def test_where_nobody_decided_they_are_read_while_that_is_free(account: Account, team: FakePool) -> None:
    backup = backed_up(account, team)
    assert backup.row.checked and backup.row.origin == "ours"
    assert backup.said["mfa"] == {"read": 7, "billed_active": 7}
    assert team.active == set(team.entries)
    assert len(orjson.loads(account.store.read(f"{backup.row.key}/mfa.json"))) == 2


def test_on_a_tier_without_a_free_allowance_somebody_has_to_decide(account: Account, team: FakePool) -> None:
    team.tier = "PLUS"
    assert "tier PLUS" in backed_up(account, team).said["mfa"]["why"]
    assert team.calls["get_user"] == 0
    decide(team, "on")
    assert backed_up(account, team).said["mfa"] == {"read": 7, "billed_active": 7}


def test_the_policy_of_another_region_is_another_pools(account: Account, team: FakePool) -> None:
    decide(team, "off")
    Policy.objects.update(region="us-east-1")
    assert backed_up(account, team).said["mfa"]["read"] == 7


def test_a_policy_against_it_bills_nobody(account: Account, team: FakePool) -> None:
    decide(team, "off")
    backup = backed_up(account, team)
    assert backup.said["mfa"]["billed_active"] == 0 and team.calls["get_user"] == 0
    assert f"{backup.row.key}/mfa.json" not in account.store.keys


def test_where_it_is_not_allowed_the_backup_is_whole_and_says_so(account: Account, team: FakePool) -> None:
    team.fail("get_user", Cause.DENIED, times=100)
    backup = backed_up(account, team)
    assert backup.row.checked and backup.row.state == "complete"
    assert list(backup.said["unread"]) == ["second factors of users"]


# --- secrets ----------------------------------------------------------------------------------


def everything_in_the_database() -> str:
    return "".join(serializers.serialize("json", model._default_manager.all()) for model in apps.get_models())


def test_a_secret_is_sealed_and_nowhere_in_clear(
    account: Account, team: FakePool, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    backup = backed_up(account, team)
    assert len(backup.said["sealed"]) == 2 and backup.said["left_out"] == []
    said = capfd.readouterr()
    places = {
        "the database": everything_in_the_database(),
        "the log": caplog.text + said.out + said.err,
        "the bucket": "".join(account.store.read(key).decode() for key in account.store.keys),
    }
    for place, text in places.items():
        assert text and HUSH not in text, place
    assert backup.row.key in places["the database"]

    settings = read_settings([account.store.read(f"{backup.row.key}/pool.json")])
    clear = opened(settings, backup.said["sealed"], seal.opener(backup.row.key, backup.row.pool_id))
    assert clear["clients"] == team.setting_values["clients"]
    assert clear["identity_providers"] == team.setting_values["identity_providers"]


@pytest.mark.parametrize("how", [{"SEAL_KEY": ""}, {"SEAL_SECRETS": False}])
def test_without_the_key_or_the_wish_secrets_are_left_out_and_it_is_said(
    account: Account, team: FakePool, settings: Settings, how: dict[str, object]
) -> None:
    for name, value in how.items():
        setattr(settings, name, value)
    backup = backed_up(account, team)
    assert backup.said["left_out"] == ["secrets of app clients", "secrets of identity providers"]
    assert backup.said["sealed"] == []
    assert HUSH not in "".join(account.store.read(key).decode() for key in account.store.keys)


def test_a_failure_between_reading_and_sealing_shows_no_secret(
    account: Account, team: FakePool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(text: str, place: str) -> str:
        raise RuntimeError("the cipher is not there")

    monkeypatch.setattr(seal, "sealer", lambda backup, pool_id: broken)
    job = actions.start_backup(IVA, account.row(team))
    runner.run(job.pk)
    job.refresh_from_db()
    assert job.state == "failed"
    assert HUSH not in everything_in_the_database() + caplog.text


def test_a_backup_whose_bytes_do_not_agree_is_never_called_complete(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sizes agree: only what the check found tells, and it stands until the objects change."""
    put = account.store.put

    def bent(key: str, chunks: Iterable[bytes]) -> Stored:
        return put(key, [b"".join(chunks).replace(b"person0@", b"nobody0@")])

    with monkeypatch.context() as patch:
        patch.setattr(account.store, "put", bent)
        job = actions.start_backup(IVA, account.row(team))
        runner.run(job.pk)
    job.refresh_from_db()
    assert job.state == "failed" and "reading it back did not agree" in job.sentence
    assert (job.result["state"], job.result["checked"]) == ("unreadable", False)
    for _ in range(2):
        row = Backup.objects.get(key=job.result["key"])
        assert (row.state, row.checked, row.suggested) == ("unreadable", False, False)
        assert row.being_made_by is None
        assert "data.json does not agree" in row.reason and row.manifest is not None and row.users is None
        catalogue.look_at_bucket(whole=True)
    data = account.store.read(row.data_key)
    account.store.plant(row.data_key, data.replace(b"nobody0@", b"person0@"))
    catalogue.look_at_bucket(whole=True)
    row.refresh_from_db()
    assert (row.state, row.checked, row.origin) == ("complete", False, "changed")


def test_what_a_check_found_stands_although_everything_of_it_went_meanwhile(
    account: Account, team: FakePool
) -> None:
    row = backed_up(account, team).row
    for key in list(account.store.keys):
        account.store.delete(key)
    checked = catalogue.check_one(row)
    assert (checked.state, checked.checked, checked.users) == ("incomplete", False, None)


def test_a_pool_that_was_renamed_since_the_last_look_is_backed_up_under_its_name(
    account: Account, team: FakePool
) -> None:
    row = account.row(team)
    team.name = "renamed-production"
    job = actions.start_backup(IVA, row)
    runner.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.pool_name) == ("done", "renamed-production")
    backup = Backup.objects.get(key=job.result["key"])
    assert (backup.pool_name, backup.origin, backup.checked) == ("renamed-production", "ours", True)
    assert job.result["key"].endswith("/renamed-production")
