"""What stops a restore, and what a person should know before it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from backups.core.preflight import Source, refusals, warnings
from tests.build import POOL, facts

OURS = Source(POOL, "eu-west-1", "123456789012", checked=True, origin="ours", has_groups=True)


def source(**changes: Any) -> Source:
    return replace(OURS, **changes)


def test_a_checked_backup_of_this_pool_may_be_restored_without_a_word() -> None:
    assert refusals(OURS, facts()) == [] and warnings(OURS) == []


def test_a_backup_of_another_environment_is_refused_by_both_names() -> None:
    [why] = refusals(source(pool_name="biomage-user-pool-case-insensitive-staging"), facts())
    assert "another environment (staging)" in why and POOL in why and "insensitive-staging" in why


def test_a_backup_of_another_pool_is_refused() -> None:
    for name in ("other-production", "something"):
        [why] = refusals(source(pool_name=name), facts())
        assert "of another pool" in why


def test_another_region_or_account_is_refused_by_name() -> None:
    [why] = refusals(source(region="us-east-1", account="999999999999"), facts())
    assert "Region us-east-1 and account 999999999999" in why


def test_what_a_file_does_not_say_refuses_nothing() -> None:
    assert refusals(Source(""), facts()) == []
    assert refusals(OURS, facts(region="", account="")) == []


def test_what_cannot_be_read_is_refused_before_anything_else() -> None:
    [why] = refusals(source(readable=False, why_not="the file was cut", pool_name="x-staging"), facts())
    assert "the file was cut" in why and "Nothing was written" in why


def test_every_doubt_is_a_sentence() -> None:
    said = warnings(Source(""))
    assert len(said) == 3 and "Nobody vouches" in said[0]
    assert "changed after it was made" in warnings(source(origin="changed"))[0]
    assert "never read back" in warnings(source(checked=False))[0]
    assert "users only" in warnings(source(has_groups=False))[0]
