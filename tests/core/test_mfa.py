"""Whether second factors are read, and what AWS counts and costs then."""

from __future__ import annotations

import pytest

from backups.core.mfa import FREE, estimate, why_not


@pytest.mark.parametrize(
    ("policy", "users", "tier", "read"),
    [
        ("auto", FREE - 1, "LITE", True),
        ("auto", 0, "ESSENTIALS", True),
        ("auto", FREE, "ESSENTIALS", False),
        ("auto", 10, "PLUS", False),
        ("auto", 10, "", False),
        ("on", 1_000_000, "PLUS", True),
        ("on", 10, "", True),
        ("off", 10, "LITE", False),
    ],
)
def test_they_are_read_where_it_costs_nothing_or_somebody_wants_it(
    policy: str, users: int, tier: str, read: bool
) -> None:
    assert (why_not(policy, users, tier) == "") is read


@pytest.mark.parametrize(
    ("policy", "users", "tier", "says"),
    [
        ("off", 10, "LITE", "the policy of this pool is not to read them"),
        ("auto", 12_000, "LITE", "with 12,000 users it could pass the 10,000 active users"),
        ("auto", 10, "PLUS", "on the tier PLUS every active user may cost"),
        ("auto", 10, "", "where AWS does not tell the tier"),
    ],
)
def test_why_not_is_said(policy: str, users: int, tier: str, says: str) -> None:
    assert says in why_not(policy, users, tier)


@pytest.mark.parametrize(
    ("users", "tier", "says"),
    [
        (2_003, "ESSENTIALS", "up to 2,003 users as active in each month with a backup, within the 10,000"),
        (20_000, "LITE", "more than the 10,000 of the account that are free on the tier LITE"),
        (1_000, "PLUS", "and on the tier PLUS each may cost"),
        (7, "", "with a backup, and each may cost"),
    ],
)
def test_the_estimate_says_how_many_are_counted_and_whether_they_are_free(
    users: int, tier: str, says: str
) -> None:
    assert says in estimate(users, tier)
