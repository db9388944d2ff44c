"""How values are said: a number, a size, a time and how long ago, an e-mail that is not for everybody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.template import Context, Template
from django.utils import timezone as clock

from backups.core.lifecycle import State
from backups.models import Backup, Pool
from backups.templatetags import words


def test_no_number_is_not_zero() -> None:
    assert [words.number(value) for value in (0, 1234, 2_000_000, None, "")] == [
        "0",
        "1,234",
        "2,000,000",
        "–",
        "–",
    ]


def test_a_change_has_its_sign() -> None:
    assert [words.change(value) for value in (12, -1800, 0, None)] == ["+12", "−1,800", "±0", ""]


def test_one_is_one() -> None:
    assert [words.plural(count, "user") for count in (0, 1, 2014)] == ["0 users", "1 user", "2,014 users"]
    assert words.plural(2, "entry,entries") == "2 entries"


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_321_447, "1.3 MB"),
        (673_000_000, "673.0 MB"),
        (None, "–"),
    ],
)
def test_a_size(count: int | None, said: str) -> None:
    assert words.size(count) == said


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=3, seconds=1), "3 min ago"),
        (timedelta(hours=18, seconds=1), "18 h ago"),
        (timedelta(hours=47, seconds=1), "47 h ago"),
        (timedelta(days=7, seconds=1), "7 d ago"),
        (timedelta(minutes=-3, seconds=-30), "in 3 min"),
    ],
)
def test_how_long_ago(before: timedelta, said: str) -> None:
    assert words.ago(clock.now() - before) == said


def test_a_time_is_absolute_with_its_zone_whatever_zone_it_came_in() -> None:
    at = datetime(2026, 11, 22, 2, 0, tzinfo=timezone(timedelta(hours=1)))
    assert words.moment(at) == "2026-11-22 01:00 UTC"
    assert words.moment("2026-11-22T01:00:00.000Z") == "2026-11-22 01:00 UTC"
    assert words.when(at).startswith('<time datetime="2026-11-22T01:00:00+00:00">2026-11-22 01:00 UTC')


EARLY, LATE = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00"  # which UTC has no year for


@pytest.mark.parametrize(
    "nothing", [None, "", "yesterday", "2026-13-40", EARLY, LATE, datetime.fromisoformat(EARLY)]
)
def test_what_is_no_time_is_not_made_into_one(nothing: datetime | str | None) -> None:
    assert (words.moment(nothing), words.ago(nothing), words.when(nothing)) == ("–", "", "never")


def test_emails_are_masked_wherever_they_stand() -> None:
    assert words.masked("zoë@uni.example") == "z••••@uni.example"
    said = words.masked('[{"userId":"a.b+c@x.example","providerName":"Google"}] and d@y.example, too')
    assert said == '[{"userId":"a••••@x.example","providerName":"Google"}] and d••••@y.example, too'
    assert words.masked("d@y.example", True) == "d@y.example"
    assert words.masked("0000-1111") == "0000-1111"


def test_every_state_has_a_sign_and_a_word_beside_its_colour() -> None:
    for word in [*Backup.State, *Backup.Origin, *State, *Pool.Presence]:
        tone, sign, said = words.look(word)
        assert tone and sign and said, word
        assert word in words.LOOKS, word


def test_a_reason_becomes_a_sentence() -> None:
    assert words.sentence("the file is empty") == "The file is empty."
    assert words.sentence("Done.") == "Done."
    assert words.sentence("") == ""


def test_a_value_from_outside_cannot_write_markup() -> None:
    page = Template("{{ value|masked }}{{ value|sentence }}{% include '_state.html' with state=value %}")
    assert "<script>" not in page.render(Context({"value": "<script>alert(1)</script>"}))


def test_a_pool_is_said_with_name_environment_and_id() -> None:
    pool = Pool(name="biomage-production", pool_id="eu-west-1_abc", region="eu-west-1")
    backup = Backup(pool_name="lab-staging", pool_id="", taken_at=datetime(2026, 1, 1, tzinfo=UTC))
    page = Template("{% include '_pool.html' with of=one %}")
    said = page.render(Context({"one": pool}))
    assert all(word in said for word in ("biomage-production", "PRODUCTION", "solid", "eu-west-1_abc"))
    said = page.render(Context({"one": backup}))
    assert "lab-staging" in said
    assert "solid" not in said


def test_a_very_long_value_is_masked_in_one_reading() -> None:
    long = "x" * 400_000  # from each of its letters it would be read for minutes
    assert words.masked(long) == long
    assert words.masked(f"{long}@uni.example") == "x••••@uni.example"
    assert words.masked("ada@uni.example, <bob@uni.example>") == "a••••@uni.example, <b••••@uni.example>"
