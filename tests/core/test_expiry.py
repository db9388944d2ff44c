"""Lifecycle rules: when S3 ends an object, and what cannot be told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core.expiry import NEVER, Expiry, Rule, eats, expiry, nothing_left, rule_of, rules_of
from tests.build import laws

KEY = "2026-11-22.01-00-00/p/data.json"
AT = datetime(2026, 11, 22, 1, 0, 9, tzinfo=UTC)
NINETY = Rule("ninety", days=90)


def day(month: int, of: int, year: int = 2026) -> datetime:
    return datetime(year, month, of, tzinfo=UTC)


def of(*rules: Rule, key: str = KEY, size: int | None = 100, modified: datetime = AT) -> Expiry:
    return expiry(rules, [(key, size)], modified)


def said(**rule: Any) -> dict[str, Any]:
    """One rule as S3 gives it."""
    return {"ID": "r", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 90}} | rule


# --- the moment ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modified", "goes"),
    [
        (AT, day(11, 26)),
        (datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC), day(11, 26)),
        (day(11, 22), day(11, 25)),
        (datetime(2026, 11, 23, 1, 0, tzinfo=timezone(timedelta(hours=2))), day(11, 26)),
    ],
)
def test_days_are_rounded_up_to_the_next_midnight_utc(modified: datetime, goes: datetime) -> None:
    assert of(Rule("three", days=3), modified=modified) == Expiry(goes, "three")


def test_a_date_holds_for_what_was_there_and_for_what_comes_after() -> None:
    dated = Rule("dated", date=day(12, 24))
    assert of(dated).at == day(12, 24)
    assert of(dated, modified=datetime(2027, 1, 2, 12, tzinfo=UTC)).at == day(1, 3, 2027)


def test_the_first_of_several_rules_ends_it() -> None:
    assert of(NINETY, Rule("thirty", days=30), Rule("year", days=365)) == Expiry(day(12, 23), "thirty")
    assert of(Rule("both", days=30, date=day(11, 30))).at == day(11, 30)


def test_without_a_rule_it_stays() -> None:
    assert of() == NEVER
    assert NEVER.first is None
    assert of(Rule("neither")) == NEVER


@laws(100)
@given(modified=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)), days=st.integers(1, 4000))
def test_it_goes_at_a_midnight_less_than_a_day_late(modified: datetime, days: int) -> None:
    modified = modified.replace(tzinfo=UTC)
    at = of(Rule("r", days=days), modified=modified).at
    assert at is not None
    assert (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0)
    assert timedelta(0) <= at - modified - timedelta(days=days) < timedelta(days=1)


# --- the filter ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "size", "holds"),
    [
        (Rule("r", prefix="2026-11", days=1), 100, True),
        (Rule("r", prefix="logs/", days=1), 100, False),
        (Rule("r", over=99, days=1), 100, True),
        (Rule("r", over=100, days=1), 100, False),
        (Rule("r", under=101, days=1), 100, True),
        (Rule("r", under=100, days=1), 100, False),
        (Rule("r", over=1, under=100, days=1), 50, True),
        (Rule("r", over=1, days=1), None, None),
        (Rule("r", under=1, days=1), None, None),
        (Rule("r", days=1), None, True),
        (Rule("r", tags=("a=b",), days=1), 100, None),
        (Rule("r", tags=("a=b",), over=100, days=1), 100, False),
        (Rule("r", prefix="logs/", tags=("a=b",), days=1), 100, False),
    ],
)
def test_what_a_filter_takes(rule: Rule, size: int | None, holds: bool | None) -> None:
    assert rule.holds(KEY, size) is holds
    found = of(rule, size=size)
    assert (found.at is not None, found.may is not None) == (holds is True, holds is None)


def test_a_rule_that_may_hold_is_named_only_where_it_would_be_the_first() -> None:
    tagged = Rule("tagged", days=30, tags=("short=yes",))
    found = of(NINETY, tagged)
    assert found == Expiry(day(2, 21, 2027), "ninety", day(12, 23), "tagged")
    assert found.first == day(12, 23)
    assert of(Rule("ten", days=10), tagged) == Expiry(day(12, 3), "ten")
    assert of(tagged, Rule("other", days=20, tags=("x=y",))) == Expiry(None, "", day(12, 13), "other")


def test_a_backup_goes_with_the_first_of_its_objects() -> None:
    objects = [("t/p/pool.json", 10), ("t/p/data.json", 5000)]
    assert expiry([Rule("large", over=1000, days=1)], objects, AT).at == day(11, 24)
    assert expiry([Rule("larger", over=9000, days=1)], objects, AT) == NEVER


# --- as S3 says it ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configuration", "rule"),
    [
        (said(), Rule("r", days=90)),
        (said(Filter={"Prefix": "a/"}), Rule("r", "a/", 90)),
        (said(Filter={"Prefix": ""}, Prefix="b/"), Rule("r", "b/", 90)),
        ({"Status": "Enabled", "Prefix": "a/", "Expiration": {"Days": 1}}, Rule("rule 1", "a/", 1)),
        (said(Filter={"Tag": {"Key": "k", "Value": "v"}}), Rule("r", days=90, tags=("k=v",))),
        (said(Filter={"ObjectSizeGreaterThan": 5}), Rule("r", days=90, over=5)),
        (
            said(
                Filter={
                    "And": {
                        "Prefix": "a/",
                        "Tags": [{"Key": "k", "Value": "v"}, {"Key": "l", "Value": ""}],
                        "ObjectSizeGreaterThan": 0,
                        "ObjectSizeLessThan": 9,
                    }
                }
            ),
            Rule("r", "a/", 90, None, 0, 9, ("k=v", "l=")),
        ),
        (said(Expiration={"Date": datetime(2026, 12, 24)}), Rule("r", date=day(12, 24))),
        (said(Expiration={"Date": "2026-12-24T00:00:00+00:00"}), Rule("r", date=day(12, 24))),
    ],
)
def test_a_rule_is_read_as_s3_says_it_and_kept_as_json(configuration: dict[str, Any], rule: Rule) -> None:
    assert rules_of([configuration]) == (rule,)
    assert rule_of(orjson.loads(orjson.dumps(rule.as_json()))) == rule


@pytest.mark.parametrize(
    "configuration",
    [
        said(Status="Disabled"),
        said(Expiration={"ExpiredObjectDeleteMarker": True}),
        {
            "ID": "r",
            "Status": "Enabled",
            "Filter": {},
            "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}],
        },
        {"ID": "r", "Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        {"ID": "r", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
    ],
)
def test_a_rule_that_ends_no_current_object_is_none(configuration: dict[str, Any]) -> None:
    assert rules_of([configuration]) == ()


# --- what it means for us -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prefix", ["", "_cognito-admin/", "_cognito-admin/kept/", "_cognito-admin/kept/2026"]
)
def test_a_rule_that_reaches_below_a_prefix_eats_it(prefix: str) -> None:
    rule = Rule("r", prefix, 90)
    assert eats([Rule("other", "logs/", 1), rule], "_cognito-admin/kept/") == rule
    assert eats([Rule("r", prefix, 90, tags=("k=v",))], "_cognito-admin/kept/"), "what may is enough"


def test_other_prefixes_are_let_be() -> None:
    assert eats([Rule("r", "2026", 1), Rule("s", "_cognito-admin/jobs/", 1)], "_cognito-admin/kept/") is None


def test_it_is_warned_when_the_last_good_one_goes_soon() -> None:
    assert not nothing_left(None, AT)
    assert not nothing_left(AT + timedelta(days=15), AT)
    assert nothing_left(AT + timedelta(days=14), AT)
    assert nothing_left(AT - timedelta(days=1), AT)
