"""A pool's mail switched, with everything else as it was; and what a bad moment leaves behind."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from backups.core.mail import email_settings
from backups.core.rewriting import UnknownSetting
from backups.engine.ports import Cause, PortError, Stop
from backups.engine.switch import MAIL, Changed, Found, Switched, switch
from tests.fakes import FakeAccount, FakeReport

POOL = "eu-west-1_Fake00001"
BEFORE = {"EmailSendingAccount": "COGNITO_DEFAULT"}
WANTED = email_settings(BEFORE, FakeAccount().mail.senders[0].arn, "no-reply@uni.example")
OWN = {  # nothing of it is the default
    "Policies": {"PasswordPolicy": {"MinimumLength": 14, "TemporaryPasswordValidityDays": 30}},
    "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True, "UnusedAccountValidityDays": 30},
    "DeletionProtection": "ACTIVE",
    "LambdaConfig": {"PostConfirmation": "arn:aws:lambda:eu-west-1:123456789012:function:register"},
    "UserPoolTags": {"team": "bio"},
    "UserPoolTier": "LITE",
    "MfaConfiguration": "OPTIONAL",
}


class Desk:
    """One account, one pool, and what the job keeps."""

    def __init__(self, **settings: Any) -> None:
        self.account = FakeAccount()
        self.account.plain(POOL, **{**OWN, **settings})
        self.kept: Found | None = None
        self.report = FakeReport()

    def switch(self, wanted: dict[str, Any] = WANTED, before: dict[str, Any] = BEFORE) -> Switched:
        def keep(found: Found) -> None:
            self.kept = copy.deepcopy(found)

        return switch(
            self.account, POOL, self.report, before=before, wanted=wanted, kept=self.kept, keep=keep
        )

    @property
    def settings(self) -> dict[str, Any]:
        return self.account.describe(POOL)


def test_the_mail_goes_through_ses_and_all_else_stays() -> None:
    desk = Desk()
    before = desk.settings
    assert desk.switch() == Switched(WANTED, (), written=True)
    assert desk.settings == {**before, MAIL: WANTED}
    assert desk.kept is not None and desk.kept["user_pool"] == before
    assert [name for name, _ in desk.report.phases][1] == "Writing all settings"


def test_the_way_back_is_the_same_way() -> None:
    desk = Desk()
    before = desk.settings
    desk.switch()
    desk.kept = None
    desk.switch(wanted=BEFORE, before=WANTED)
    assert desk.settings == before


def test_what_is_so_already_is_not_written() -> None:
    desk = Desk(EmailConfiguration=WANTED)
    assert desk.switch() == Switched(WANTED, (), written=False)
    assert desk.account.calls["update"] == 0


def test_a_mail_that_somebody_else_has_changed_is_left_alone() -> None:
    desk = Desk(EmailConfiguration={"EmailSendingAccount": "DEVELOPER", "SourceArn": "another"})
    with pytest.raises(Changed):
        desk.switch()
    assert desk.account.calls["update"] == 0


def test_a_setting_that_we_do_not_know_is_not_reset() -> None:
    desk = Desk(Zebra=1)
    with pytest.raises(UnknownSetting):
        desk.switch()
    assert desk.account.calls["update"] == 0 and desk.kept is None


def test_a_stop_comes_before_the_writing() -> None:
    desk = Desk()
    desk.report.stop_after = 0
    with pytest.raises(Stop):
        desk.switch()
    assert desk.account.calls["update"] == 0


def test_a_lost_answer_is_settled_by_reading() -> None:
    desk = Desk()
    desk.account.fail("update", Cause.LOST, after=True)
    assert desk.switch() == Switched(WANTED, (), written=True)


def test_a_lost_answer_that_was_not_done_is_said() -> None:
    desk = Desk()
    desk.account.fail("update", Cause.LOST)
    with pytest.raises(PortError) as told:
        desk.switch()
    assert told.value.cause is Cause.LOST and desk.settings[MAIL] == BEFORE


def test_a_lost_answer_and_no_reading_is_not_known() -> None:
    desk = Desk()
    desk.account.fail("update", Cause.LOST, after=True)
    desk.account.fail("describe", Cause.UNREACHABLE, nth=2)
    with pytest.raises(PortError) as told:
        desk.switch()
    assert told.value.cause is Cause.LOST


def test_a_refusal_changes_nothing() -> None:
    desk = Desk()
    desk.account.fail("update", Cause.REFUSED)
    with pytest.raises(PortError) as told:
        desk.switch()
    assert told.value.cause is Cause.REFUSED and desk.settings[MAIL] == BEFORE


def test_what_was_written_and_cannot_be_read_back_is_said() -> None:
    desk = Desk()
    desk.account.fail("mfa", Cause.DENIED, nth=2, message="Denied.")
    assert desk.switch() == Switched(WANTED, (), written=True, unread="Denied.")
    assert desk.settings[MAIL] == WANTED


def test_a_try_that_died_after_the_writing_is_compared_with_what_it_kept() -> None:
    desk = Desk()
    desk.account.fail("describe", Cause.LOST, nth=2)
    assert desk.switch().unread
    assert desk.switch() == Switched(WANTED, (), written=True)
    assert desk.account.calls["update"] == 1


class Careless(FakeAccount):
    """AWS on a day when a setting does not survive the writing."""

    def update(self, pool_id: str, settings: Any) -> None:
        super().update(pool_id, {name: value for name, value in settings.items() if name != "UserPoolTags"})
        self.factors[pool_id] = {"MfaConfiguration": "ON"}
        self.pools[pool_id][MAIL]["From"] = "somebody@else.example"


def test_what_does_not_survive_is_named() -> None:
    desk = Desk()
    desk.account = Careless()
    desk.account.plain(POOL, **OWN)
    assert desk.switch().differs == (MAIL, "UserPoolTags", "mfa.MfaConfiguration")
