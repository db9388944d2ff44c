"""Cron expressions: which are taken, how they are said, and which runs follow, on the odd days too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups import schedule
from tests.build import laws

BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    """``2026-03-29 01:00``, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def runs(cron: str, zone: str, after: str, count: int = 3) -> list[str]:
    return [f"{run:%d %H:%M}" for run in schedule.next_runs(cron, zone, at(after), count)]


# --- what is taken ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cron",
    ["17 * * * *", "*/15 * * * *", "0,30 0-6 * * *", "40 2 * * *", "0 1 * * 0", "0 1 * * SUN", "0 1 L * *"],
)
def test_a_schedule_is_taken(cron: str) -> None:
    schedule.check(cron, BERLIN)


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("", "Nothing is no schedule. Five fields are needed"),
        ("17 * * *", r"17 \* \* \* is no schedule. Five fields are needed"),
        ("0 17 * * * *", "is no schedule. Five fields"),  # seconds would be a sixth
        ("61 * * * *", r"61 \* \* \* \* is no schedule \(bad minute\)"),
        ("@daily", "Five fields"),
        ("0 0 31 2 *", "bad day-of-month"),
        ("0 0 29 2 MON#5,TUE#9", "bad day-of-week"),
        (f"{','.join(['0'] * 60)} * * * *", "127 characters; 100 is the most"),
        ("* * * * *", "every minute. 15 minutes have to lie between"),
        ("*/14 * * * *", "4 minutes after one another"),
        ("0,50 * * * *", "10 minutes after one another"),
        ("0,59 0,23 * * *", "every minute"),
    ],
)
def test_what_is_no_schedule_is_said_in_a_sentence(cron: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        schedule.check(cron, "UTC")


def test_the_last_minute_of_one_hour_alone_is_not_often() -> None:
    schedule.check("0,59 4 * * *", "UTC")
    schedule.check("0,59 4,6 * * *", "UTC")


def test_a_day_that_never_comes_is_no_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule.check("0 0 29 2 MON#5", "UTC")  # once in a generation, but it comes
    monkeypatch.setattr(schedule, "next_runs", lambda *_: [])
    with pytest.raises(ValueError, match="never comes"):
        schedule.check("0 0 29 2 *", "UTC")


@pytest.mark.parametrize("zone", ["Mars/Phobos", "", "Europe", "../../etc/passwd", "a\0b", "europe berlin"])
def test_what_is_no_zone_is_said_in_a_sentence(zone: str) -> None:
    with pytest.raises(ValueError, match="is no time zone"):
        schedule.check("17 * * * *", zone)
    with pytest.raises(ValueError, match="Name one as in Europe/Berlin, or UTC"):
        schedule.next_runs("17 * * * *", zone, at("2026-01-01"))


def test_runs_of_what_is_no_schedule_are_refused_too() -> None:
    with pytest.raises(ValueError, match="bad minute"):
        schedule.next_runs("x * * * *", "UTC", at("2026-01-01"))


# --- how it is said -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cron", "zone", "said"),
    [
        ("17 * * * *", "UTC", "every hour at :17"),
        ("17 * * * *", "Asia/Kolkata", "every hour at :17 Asia/Kolkata"),
        ("*/15 * * * *", "UTC", "every hour at :00, :15, :30 and :45"),
        ("40 2 * * *", BERLIN, "every day at 02:40 Europe/Berlin"),
        ("17 */6 * * *", "UTC", "every day at 00:17, 06:17, 12:17 and 18:17 UTC"),
        ("0 1 * * 0", "UTC", "Sundays at 01:00 UTC"),
        ("0 1 * * 7", "UTC", "Sundays at 01:00 UTC"),
        ("0 9 * * MON,THU", "UTC", "Mondays and Thursdays at 09:00 UTC"),
        ("0 9 * * 1-5", "UTC", "Monday to Friday at 09:00 UTC"),
        ("0 9 * * 1,2,5", "UTC", "Mondays, Tuesdays and Fridays at 09:00 UTC"),
        ("0 1 1 * *", "UTC", "on day 1 of each month at 01:00 UTC"),
        ("0 1 1,15 * *", "UTC", "on day 1 and 15 of each month at 01:00 UTC"),
        # the rest is told as it stands, and said to be an expression
        ("0 1 L * *", "UTC", "by the expression 0 1 L * *, in the time of UTC"),
        ("0 1 * * 5#2", "UTC", "by the expression 0 1 * * 5#2, in the time of UTC"),
        ("0 1 * 2 *", BERLIN, "by the expression 0 1 * 2 *, in the time of Europe/Berlin"),
        ("10 0-8 * * *", "UTC", "by the expression 10 0-8 * * *, in the time of UTC"),
        ("0 1 1 * 1", "UTC", "by the expression 0 1 1 * 1, in the time of UTC"),  # the 1st, and Mondays
        ("0 1 1-31 * 1", "UTC", "by the expression 0 1 1-31 * 1, in the time of UTC"),  # every day
        ("0 1 1-20 * *", "UTC", "by the expression 0 1 1-20 * *, in the time of UTC"),
        ("nonsense", "UTC", "by the expression nonsense, in the time of UTC"),
    ],
)
def test_a_schedule_in_words(cron: str, zone: str, said: str) -> None:
    assert schedule.words(cron, zone) == said


# --- which runs follow --------------------------------------------------------------------------------


def test_runs_are_later_than_the_moment_and_in_utc() -> None:
    assert runs("17 * * * *", "UTC", "2026-11-22 14:17") == ["22 15:17", "22 16:17", "22 17:17"]
    assert runs("0 1 * * 0", "UTC", "2026-11-22 00:59") == ["22 01:00", "29 01:00", "06 01:00"]
    assert runs("40 2 * * *", BERLIN, "2026-11-22 12:00", 1) == ["23 01:40"]
    assert schedule.next_runs("17 * * * *", BERLIN, at("2026-11-22 14:17"))[0].tzinfo is UTC


def test_when_the_clocks_go_forward() -> None:
    """Berlin, 29 March 2026: 02:00 is 03:00, at 01:00 UTC."""
    day = "2026-03-28 22:00"
    assert runs("40 2 * * *", BERLIN, day) == ["29 01:00", "30 00:40", "31 00:40"]  # at the first real minute
    assert runs("0,30 1-3 * * *", BERLIN, day, 4) == ["29 00:00", "29 00:30", "29 01:00", "29 01:30"]
    assert runs("17 * * * *", BERLIN, "2026-03-29 00:00") == ["29 00:17", "29 01:17", "29 02:17"]
    assert runs("40 2 * * *", BERLIN, "2026-03-29 01:00", 1) == ["30 00:40"], "not once more at 03:40"


def test_when_the_clocks_go_back() -> None:
    """Berlin, 25 October 2026: 03:00 is 02:00 again, at 01:00 UTC."""
    day = "2026-10-24 22:00"
    assert runs("40 2 * * *", BERLIN, day) == [
        "25 00:40",
        "26 01:40",
        "27 01:40",
    ]  # once, though it comes twice
    assert runs("40 2 * * *", BERLIN, "2026-10-25 00:40", 1) == ["26 01:40"]
    assert runs("40 2 * * *", BERLIN, "2026-10-25 01:10", 1) == ["26 01:40"], "at 02:10, the second time"
    assert runs("17 * * * *", BERLIN, "2026-10-24 23:30") == ["25 00:17", "25 01:17", "25 02:17"]


@laws(60)
@given(
    cron=st.sampled_from(
        ["17 * * * *", "*/30 * * * *", "40 2 * * *", "0,30 1-3 * * *", "30 3 * * 0", "5 */2 * * *"]
    ),
    zone=st.sampled_from([BERLIN, "UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    minute=st.integers(0, 525_600),
)
def test_runs_only_go_forward_and_none_is_left_out(cron: str, zone: str, minute: int) -> None:
    start = at("2026-01-01") + timedelta(minutes=minute)
    first = schedule.next_runs(cron, zone, start, 8)
    assert first == sorted(set(first))
    assert first[0] > start
    for earlier, later in pairwise(first):
        assert schedule.next_runs(cron, zone, earlier, 1) == [later]
        assert schedule.period(cron, zone, earlier) == later - earlier
        assert schedule.period(cron, zone, later - timedelta(minutes=1)) == later - earlier


# --- when one is late ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cron", "grace"),
    [
        ("*/15 * * * *", timedelta(minutes=30)),
        ("17 * * * *", timedelta(minutes=30)),
        ("40 2 * * *", timedelta(days=1) / 28),
        ("0 1 * * 0", timedelta(hours=6)),
        ("0 1 1 * *", timedelta(hours=6)),
    ],
)
def test_grace_is_a_part_of_the_period_within_bounds(cron: str, grace: timedelta) -> None:
    assert schedule.grace(schedule.period(cron, "UTC", at("2026-11-22 12:00"))) == grace


def test_late_is_a_period_and_its_grace_after_the_newest() -> None:
    set_at = at("2026-11-01")
    assert schedule.late_at("17 * * * *", "UTC", at("2026-11-22 14:17"), set_at) == at("2026-11-22 15:47")
    assert schedule.late_at("0 1 * * 0", "UTC", at("2026-11-22 01:00"), set_at) == at("2026-11-29 07:00")
    # one made by hand in between counts from when it was made
    assert schedule.late_at("0 1 * * 0", "UTC", at("2026-11-24 10:00"), set_at) == at("2026-12-01 16:00")


def test_a_weekend_without_runs_is_not_late() -> None:
    """Weekdays at nine: after Friday's the next one is due on Monday."""
    late = schedule.late_at("0 9 * * 1-5", "UTC", at("2026-11-20 09:00"), at("2026-11-01"))
    assert at("2026-11-23 09:30") < late < at("2026-11-23 12:00")
    late = schedule.late_at("0 9 * * 1-5", "UTC", at("2026-11-19 09:00"), at("2026-11-01"))
    assert at("2026-11-20 09:30") < late < at("2026-11-20 10:00"), (
        "Friday's was missed, and it is said on Friday"
    )


def test_without_any_backup_the_first_one_due_may_be_late() -> None:
    assert schedule.late_at("0 1 * * 0", "UTC", None, at("2026-11-24 10:00")) == at("2026-11-29 07:00")


def test_a_schedule_that_was_just_changed_has_until_its_own_first_run() -> None:
    """Daily until now and hourly from 12:00 on: the backup of 02:40 is not late at once."""
    newest, changed = at("2026-11-22 02:40"), at("2026-11-22 12:00")
    assert schedule.late_at("17 * * * *", "UTC", newest, changed) == at("2026-11-22 12:47")
    assert schedule.late_at("17 * * * *", "UTC", at("2026-11-22 12:17"), changed) == at("2026-11-22 13:47")


# --- what is proposed ---------------------------------------------------------------------------------


def test_large_pools_are_proposed_daily_and_others_hourly() -> None:
    for users, words in ((None, "every hour"), (50_000, "every hour"), (50_001, "every day")):
        assert schedule.words(schedule.default("eu-west-1", "team", users), "UTC").startswith(words)


@laws(300)
@given(name=st.text(max_size=40), users=st.sampled_from([0, 10**6]))
def test_every_pool_has_a_time_of_its_own_that_stays(name: str, users: int) -> None:
    cron = schedule.default("eu-west-1", name, users)
    assert cron == schedule.default("eu-west-1", name, users)
    schedule.check(cron, "UTC")
    for run in schedule.next_runs(cron, "UTC", at("2026-11-21 23:00"), 24):
        assert not (run.weekday() == 6 and (run.hour, run.minute) == (1, 0)), "the old workflow's"
        assert users == 0 or run.hour != 1


def test_proposed_times_are_spread() -> None:
    minutes = {schedule.default("eu-west-1", f"pool-{number}", 10).split()[0] for number in range(400)}
    hours = {schedule.default("eu-west-1", f"pool-{number}", 10**6).split()[1] for number in range(400)}
    assert (len(minutes), len(hours)) == (55, 23)
