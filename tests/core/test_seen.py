"""Whether somebody changed since they were looked at."""

from __future__ import annotations

from typing import Any

import pytest

from backups.core.seen import fingerprint
from backups.core.snapshot import User
from tests.build import an_entry

ADA: dict[str, Any] = {"custom_institution": "MIT"}


def test_a_list_and_a_look_at_one_user_tell_the_same() -> None:
    listed = an_entry(**ADA)
    looked = {
        **listed,
        "Attributes": listed["Attributes"][::-1],
        "UserMFASettingList": ["SOFTWARE_TOKEN_MFA"],
    }
    looked["UserLastModifiedDate"] = "2026-01-10T10:00:00.000+01:00"
    assert fingerprint(User.of(listed)) == fingerprint(User.of(looked))
    assert len(fingerprint(User.of(listed))) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Eve"},
        {"enabled": False},
        {"status": "RESET_REQUIRED"},
        {"verified": False},
        {"nickname": "a"},
    ],
)
def test_whatever_an_update_could_write_over_shows(change: dict[str, Any]) -> None:
    assert fingerprint(User.of(an_entry(**ADA))) != fingerprint(User.of(an_entry(**ADA | change)))


def test_a_change_that_was_taken_back_shows_by_its_time() -> None:
    later = {**an_entry(**ADA), "UserLastModifiedDate": "2026-01-11T09:00:00.000Z"}
    assert fingerprint(User.of(an_entry(**ADA))) != fingerprint(User.of(later))
