"""Whether somebody is in again: the words, and that nobody is said to be out who may be in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core.evidence import OURS, SKEW, WHY, Evidence, Left, Ways, Word, evidence, untouched
from backups.core.snapshot import User, iso
from tests.build import a_sub, an_entry, laws

MADE = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
OVER = MADE + timedelta(hours=1)
PASSWORDS, CODES = Ways(), Ways(passwordless=True)
SUB = a_sub("ada@x.io")
SILENT = Left(SUB, password=True, over=OVER)
WAITS = Left(SUB, password=False, over=OVER)


def ada(status: str = "CONFIRMED", modified: timedelta = timedelta(), **how: object) -> User:
    entry = an_entry("ada@x.io", status=status, created=iso(MADE), **how)  # type: ignore[arg-type]
    return User.of(entry | {"UserLastModifiedDate": iso(MADE + modified)})


def told(found: Evidence) -> tuple[str, str]:
    assert found.sentence == WHY[found.why]
    return found.word.value, found.why


FCP = "FORCE_CHANGE_PASSWORD"


def test_the_words_are_those_of_the_pages() -> None:
    assert [word.value for word in Word] == ["in again", "may have signed in", "not yet", "cannot know"]


@pytest.mark.parametrize(
    ("left", "user", "signed_in", "ways", "expected"),
    [
        (WAITS, ada(FCP), None, PASSWORDS, ("not yet", "not-invited")),
        (WAITS, ada("CONFIRMED"), None, PASSWORDS, ("in again", "confirmed")),
        (WAITS, ada(FCP), True, PASSWORDS, ("in again", "recorded")),
        (WAITS, ada(FCP), None, CODES, ("may have signed in", "other-ways")),
        (WAITS, ada(FCP), False, CODES, ("not yet", "not-invited")),
        (WAITS, ada(FCP, identities="[]"), None, PASSWORDS, ("may have signed in", "other-ways")),
        (WAITS, ada("RESET_REQUIRED"), None, PASSWORDS, ("may have signed in", "status")),
        (WAITS, None, None, PASSWORDS, ("cannot know", "not-listed")),
        (Left("x", password=True), ada(), None, PASSWORDS, ("cannot know", "another")),
        (SILENT, ada(modified=OURS), None, PASSWORDS, ("not yet", "unchanged")),
        (SILENT, ada(modified=OURS * 2), None, PASSWORDS, ("may have signed in", "no-bound")),
        (
            Left(SUB, password=True),
            ada(modified=timedelta(days=9)),
            None,
            PASSWORDS,
            ("may have signed in", "no-bound"),
        ),
        (SILENT, ada(modified=timedelta(days=1)), None, PASSWORDS, ("in again", "modified")),
        (SILENT, ada(modified=timedelta(days=1)), False, PASSWORDS, ("may have signed in", "not-recorded")),
        (
            SILENT,
            ada(modified=timedelta(days=1), enabled=False),
            None,
            PASSWORDS,
            ("may have signed in", "disabled-and-modified"),
        ),
        (SILENT, ada(), None, CODES, ("may have signed in", "other-ways")),
    ],
)
def test_what_is_said_on_which_evidence(
    left: Left, user: User | None, signed_in: bool | None, ways: Ways, expected: tuple[str, str]
) -> None:
    assert told(evidence(left, user, signed_in, ways)) == expected


@pytest.mark.parametrize(("left", "status"), [(WAITS, FCP), (SILENT, "CONFIRMED")])
@pytest.mark.parametrize("linked", [True, False])
def test_before_a_delete_a_record_without_a_sign_in_is_no_proof(
    left: Left, status: str, linked: bool
) -> None:
    user, ways = (ada(status, identities="[]"), PASSWORDS) if linked else (ada(status), CODES)
    assert evidence(left, user, False, ways).word is Word.NOT_YET
    surely = evidence(left, user, False, ways, surely=True)
    assert told(surely) == ("may have signed in", "recorded-since")
    assert told(evidence(left, user, None, ways, surely=True)) == ("may have signed in", "other-ways")
    assert evidence(left, ada(status), False, PASSWORDS, surely=True).word is Word.NOT_YET


def test_a_user_without_dates_may_have_signed_in() -> None:
    strange = User.of(ada().entry | {"UserLastModifiedDate": "yesterday"})
    assert told(evidence(SILENT, strange, None, PASSWORDS)) == ("may have signed in", "no-bound")
    naive = User.of(ada().entry | {"UserCreateDate": "2026-11-22T01:00:00"})
    assert not untouched(SILENT, naive)


def test_an_invitation_runs_out_by_the_pools_own_days() -> None:
    invited = Left(SUB, password=False, invited=MADE)
    ways = Ways(valid=timedelta(days=2))
    for passed, expected in ((timedelta(days=1), "waiting"), (timedelta(days=2), "ran-out")):
        assert evidence(invited, ada(FCP), None, ways, MADE + passed).why == expected
    assert evidence(invited, ada(FCP), None, ways).why == "waiting"


def test_what_a_pool_says_about_signing_in() -> None:
    def policies(**found: object) -> dict[str, object]:
        return {"Policies": found}

    assert Ways.of({}) == Ways()
    assert Ways.of({"AdminCreateUserConfig": {"UnusedAccountValidityDays": 3}}).valid == timedelta(days=3)
    assert Ways.of(policies(PasswordPolicy={"TemporaryPasswordValidityDays": 2})).valid == timedelta(days=2)
    assert Ways.of(policies(PasswordPolicy={"TemporaryPasswordValidityDays": 0})).valid == timedelta(days=7)
    factors = {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}
    assert Ways.of(policies(SignInPolicy=factors)).passwordless
    assert not Ways.of(policies(SignInPolicy={"AllowedFirstAuthFactors": ["PASSWORD"]})).passwordless
    # Custom challenges: a sign-in that leaves no trace. Other triggers let nobody in.
    assert Ways.of({"LambdaConfig": {"DefineAuthChallenge": "arn:aws:lambda:1"}}).passwordless
    assert Ways.of(policies() | {"LambdaConfig": {"PreSignUp": "arn:1", "DefineAuthChallenge": ""}}) == Ways()
    assert Ways.of(None).passwordless  # nothing was told: be careful


def test_an_invitation_of_ours_is_our_own_step() -> None:
    invited = MADE + timedelta(days=3)
    left = Left(SUB, password=False, invited=invited)
    assert untouched(left, ada(FCP, modified=timedelta(days=3)))
    assert untouched(left, ada(FCP, modified=timedelta(days=3) + SKEW))
    assert not untouched(left, ada(FCP, modified=timedelta(days=3) + SKEW * 2))


@laws(300)
@given(
    status=st.sampled_from([FCP, "CONFIRMED", "RESET_REQUIRED", "UNCONFIRMED"]),
    password=st.booleans(),
    after=st.timedeltas(timedelta(), timedelta(days=30)),
    signed_in=st.sampled_from([None, True, False]),
    passwordless=st.booleans(),
    over=st.booleans(),
)
def test_not_yet_is_only_said_where_no_way_in_is_left(
    status: str, password: bool, after: timedelta, signed_in: bool | None, passwordless: bool, over: bool
) -> None:
    left = Left(SUB, password, OVER if over else None)
    word = evidence(left, ada(status, after), signed_in, Ways(passwordless=passwordless)).word
    possible = (
        signed_in is True
        or (status == "CONFIRMED" and (not password or after > OURS))
        or (signed_in is None and passwordless)
        or status not in (FCP, "CONFIRMED")
    )
    assert (word is Word.NOT_YET) == (not possible)
