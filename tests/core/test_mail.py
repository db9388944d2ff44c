"""What mail allows: what each way needs, and the date on which the last person gets in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import getaddresses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core.mail import Limit, Sender, Ses, email_settings, fits, identity_of, limit_of, needs
from backups.core.plan import MAIL_LIMIT, Action, Counts, Line, Messages, mail_day
from tests.build import a_user, facts, laws

NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
NINE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DOMAIN = "arn:aws:ses:eu-west-1:123456789012:identity/uni.example"
ADDRESS = "arn:aws:ses:eu-west-1:123456789012:identity/no-reply@uni.example"
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))
LIMITS = st.builds(
    lambda day, sent, reserve, rolling: Limit(day, sent, min(reserve, day), rolling=rolling),
    st.integers(0, 60),
    st.integers(0, 80),
    st.integers(0, 70),
    st.booleans(),
)


def ses(**changes: Any) -> Ses:
    return Ses(**{"production": True, "sending": True, "quota": 1000, "sent": 0, **changes})


def counts(people: int = 0, *, unverified: int = 0, disabled: int = 0, without_email: int = 0) -> Counts:
    found = Counts()
    for number in range(people + unverified + disabled + without_email):
        email = "" if number >= people + unverified + disabled else f"p{number}@uni.example"
        user = a_user(
            email,
            username=f"p{number}",
            verified=number < people,
            enabled=not people + unverified <= number < people + unverified + disabled,
        )
        found.note(Line(number, user, Action.CREATE, "missing"))
    return found


# --- what binds ---------------------------------------------------------------------------------------


def test_cognitos_own_mail_is_fifty_a_day_and_a_reserve_is_for_codes() -> None:
    limit = limit_of(facts(), None, "", reserve=10, sent=15)
    assert (limit.day, limit.ours, limit.codes, limit.rolling) == (MAIL_LIMIT, 25, 35, False)


def test_ses_binds_by_its_quota_and_by_what_it_sent() -> None:
    through = facts(mail="DEVELOPER")
    limit = limit_of(through, ses(quota=200, sent=50), "", reserve=10, sent=99)
    assert (limit.day, limit.ours, limit.codes, limit.rolling) == (200, 150, 150, True)
    assert limit_of(through, ses(quota=None), "", reserve=10, sent=0).ours is None
    assert limit_of(through, ses(sending=False), "", reserve=10, sent=0).ours == 0
    assert limit_of(through, ses(production=False), "", reserve=10, sent=0).sandbox


def test_what_ses_does_not_say_is_unknown_with_its_reason() -> None:
    limit = limit_of(facts(mail="DEVELOPER"), None, "Denied.", reserve=10, sent=0)
    assert (limit.day, limit.why) == (None, "Denied.")


# --- when the last one is in ----------------------------------------------------------------------------


def test_two_thousand_invitations_at_forty_a_day_take_fifty_days() -> None:
    limit = Limit(50, 0, 10)
    assert limit.last(2000, NOW, ours=True) == NINE + timedelta(days=49)
    assert limit.last(2000, NOW, ours=False) == NINE + timedelta(days=39)
    assert limit.last(40, NOW, ours=True) == NOW


def test_what_was_sent_today_is_missing_today_alone() -> None:
    assert Limit(50, 50, 10).last(1, NOW, ours=True) == NINE + timedelta(days=1)
    assert Limit(50, 70, 10).last(40, NOW, ours=True) == NINE + timedelta(days=1)


def test_a_reserve_of_everything_lets_no_invitation_go_and_every_code() -> None:
    assert Limit(50, 0, 50).last(1, NOW, ours=True) is None
    assert Limit(50, 0, 50).last(1, NOW, ours=False) == NOW


def test_ses_counts_the_day_before_each_mail() -> None:
    assert Limit(200, 150, rolling=True).last(51, NOW, ours=True) == NOW + timedelta(days=1)


@laws(300)
@given(LIMITS, st.integers(0, 400), MOMENTS, st.booleans())
def test_the_date_is_that_of_sending_day_by_day(limit: Limit, mails: int, now: datetime, ours: bool) -> None:
    """The formula against somebody who sends what each day allows and looks at the calendar."""
    assert limit.day is not None
    left = mails
    moment, room = now, limit.ours if ours else limit.codes
    assert room is not None
    each = limit.day - (limit.reserve if ours else 0)
    for _ in range(mails + 2):
        left -= min(left, room)
        if not left:
            break
        moment = moment + timedelta(days=1) if limit.rolling else mail_day(moment) + timedelta(days=1)
        room = each
    assert limit.last(mails, now, ours=ours) == (moment if not left else None)


@laws(200)
@given(LIMITS, st.integers(0, 400), st.integers(0, 50), MOMENTS, st.booleans())
def test_more_mails_are_never_sooner(limit: Limit, mails: int, more: int, now: datetime, ours: bool) -> None:
    some, all_of_them = limit.last(mails, now, ours=ours), limit.last(mails + more, now, ours=ours)
    assert some is None or some >= now
    assert all_of_them is None or (some is not None and some <= all_of_them)


@laws(200)
@given(LIMITS)
def test_a_restore_never_takes_what_is_kept_for_codes(limit: Limit) -> None:
    assert limit.ours is not None and limit.codes is not None and limit.day is not None
    assert 0 <= limit.ours <= limit.codes <= limit.day
    assert not limit.ours or limit.day - limit.sent - limit.ours >= limit.reserve


# --- what each way needs --------------------------------------------------------------------------------


def test_each_way_says_its_mails_its_codes_and_who_stays_out() -> None:
    found = needs(counts(100, unverified=20, disabled=5, without_email=3), Limit(50, 0, 10), NOW)
    silent, invite, later = (found[way] for way in (Messages.SILENT, Messages.INVITE, Messages.LATER))
    assert (silent.mails, silent.codes, silent.out) == (0, 100, 23)
    assert (invite.mails, invite.codes, invite.out) == (120, 0, 3)
    assert (later.mails, later.owed, later.codes, later.out) == (0, 120, 0, 3)
    assert silent.last == NINE + timedelta(days=1)
    assert invite.last == later.last == NINE + timedelta(days=2)
    assert (invite.mails_now, invite.codes_now) == (40, 50)
    assert invite.as_json()["last"] == "2026-11-24T09:00:00+00:00"


def test_who_never_gets_in_has_no_date() -> None:
    found = needs(counts(1), Limit(0, 0), NOW)
    assert found[Messages.INVITE].as_json()["last"] is None


@laws(100)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 9), st.integers(0, 9), LIMITS)
def test_everybody_who_is_enabled_has_a_mail_or_stays_out(
    verified: int, unverified: int, disabled: int, without: int, limit: Limit
) -> None:
    people = counts(verified, unverified=unverified, disabled=disabled, without_email=without)
    for way, need in needs(people, limit, NOW).items():
        assert need.mails == (need.owed if way is Messages.INVITE else 0)
        assert need.owed + need.codes + need.out == people.create - people.disabled


# --- the setting ----------------------------------------------------------------------------------------


def test_a_switch_keeps_where_answers_go() -> None:
    before = {"EmailSendingAccount": "COGNITO_DEFAULT", "ReplyToEmailAddress": "help@uni.example", "From": ""}
    assert email_settings(before, DOMAIN, "Biomage <no-reply@uni.example>") == {
        "EmailSendingAccount": "DEVELOPER",
        "ReplyToEmailAddress": "help@uni.example",
        "SourceArn": DOMAIN,
        "From": "Biomage <no-reply@uni.example>",
    }


def test_the_way_back_leaves_nothing_of_ses() -> None:
    before = email_settings({"ConfigurationSet": "mine"}, ADDRESS)
    assert before == {"EmailSendingAccount": "DEVELOPER", "SourceArn": ADDRESS, "ConfigurationSet": "mine"}
    assert email_settings(before) == {"EmailSendingAccount": "COGNITO_DEFAULT"}


def test_a_sender_that_does_not_fit_is_told() -> None:
    with pytest.raises(ValueError, match=r"no address of uni\.example"):
        email_settings({}, DOMAIN, "no-reply@elsewhere.example")
    with pytest.raises(ValueError, match="is a domain"):
        email_settings({}, DOMAIN)
    assert "From" not in email_settings({}, ADDRESS)


@pytest.mark.parametrize(
    "sender",
    [
        "a@uni.example, b@evil.example",
        "Biomage <no@uni.example> x",
        "a@uni.example b@uni.example",
        "Biomage <no reply@uni.example>",
        "Team: no@uni.example;",
        "Biomage",
        " ",
    ],
)
def test_a_sender_is_one_address(sender: str) -> None:
    with pytest.raises(ValueError, match="one address"):
        email_settings({}, DOMAIN, sender)


@pytest.mark.parametrize(
    "sender", ["Biomage\r\nBcc: x@uni.example <no@uni.example>", "no@uni.exämple", "a\0@b"]
)
def test_a_sender_holds_what_a_header_can(sender: str) -> None:
    with pytest.raises(ValueError, match=r"plain letters|control characters"):
        email_settings({}, DOMAIN, sender)


@pytest.mark.parametrize(
    ("sender", "kept"),
    [
        ("no@uni.example", "no@uni.example"),
        (" <no@uni.example> ", "no@uni.example"),
        ("(Biomage) no@uni.example", "Biomage <no@uni.example>"),
        ('"Uni, Example" <no@uni.example>', '"Uni, Example" <no@uni.example>'),
        ("Uni. Example <no@uni.example>", '"Uni. Example" <no@uni.example>'),
        ("Bé <no@uni.example>", "=?utf-8?b?QsOp?= <no@uni.example>"),
        ("=?utf-8?b?QsOp?= <no@uni.example>", "=?utf-8?b?QsOp?= <no@uni.example>"),
        ('" " <no@uni.example>', "no@uni.example"),
    ],
)
def test_a_sender_is_written_as_a_header_wants_it(sender: str, kept: str) -> None:
    assert email_settings({}, DOMAIN, sender)["From"] == kept


@laws(300)
@given(st.text(max_size=40), st.text('ab@,;:<>()"\\ .é\n', max_size=40))
def test_whatever_passes_as_a_sender_is_one_address_that_fits(name: str, rest: str) -> None:
    for sender in (f"{name} <no@uni.example>{rest}", f"{rest}{name}@uni.example", f"{rest} <no@uni.example>"):
        try:
            settings = email_settings({}, DOMAIN, sender)
        except ValueError:
            continue
        ((_, address),) = getaddresses([settings["From"]])
        assert fits(address, "uni.example") and settings["From"].isascii() and settings["From"].isprintable()
        assert email_settings({}, DOMAIN, settings["From"]) == settings, "written again it stays"


def test_a_domain_sends_for_what_is_below_it_and_an_address_for_itself() -> None:
    assert fits("a@uni.example", "Uni.Example") and fits("a@mail.uni.example", "uni.example")
    assert fits("No-Reply@uni.example", "no-reply@uni.example")
    assert not fits("other@uni.example", "no-reply@uni.example")
    assert not fits("a@notuni.example", "uni.example") and not fits("uni.example", "uni.example")
    assert not fits("", "uni.example")


def test_an_identity_is_what_its_arn_ends_in() -> None:
    assert identity_of(Sender("uni.example", DOMAIN, verified=True).arn) == "uni.example"
