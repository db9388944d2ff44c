"""Who is who: by sub, then by the name that the pool itself goes by."""

from __future__ import annotations

import pytest

from backups.core.matching import Index, Rules
from backups.core.snapshot import User
from tests.build import a_user, facts

EMAIL_POOL = Rules(email_is_username=True, case_sensitive=False)
NAME_POOL = Rules(email_is_username=False, case_sensitive=True)


def found(index: Index, user: User) -> tuple[str, str] | None:
    """(sub, how) of the first answer, the surest name first."""
    if (number := index.keyed(user.key)) is not None:
        return index.known(number).sub, "sub"
    for how, name in index.rules.names(user):
        if (number := index.named(how, name)) is not None:
            return index.known(number).sub, how
    return None


def test_the_sub_is_surer_than_any_name() -> None:
    index = Index(EMAIL_POOL, [a_user("ada@x.io", sub="1"), a_user("bob@x.io", sub="2")])
    assert found(index, a_user("bob@x.io", sub="1")) == ("1", "sub")
    assert len(index) == 2


@pytest.mark.parametrize("verified", [True, False])
def test_in_an_email_pool_the_email_will_do_verified_or_not(verified: bool) -> None:
    index = Index(EMAIL_POOL, [a_user("Ada@x.io", sub="1", verified=verified)])
    assert found(index, a_user("ada@X.io", sub="9", verified=not verified)) == ("1", "email")
    assert found(index, a_user("eve@x.io", sub="9")) is None
    assert found(index, a_user("", sub="9", username="Ada")) is None


def test_in_other_pools_the_username_comes_before_a_verified_email() -> None:
    index = Index(
        NAME_POOL,
        [a_user("a@x.io", sub="1", username="ada"), a_user("b@x.io", sub="2", username="bob")],
    )
    assert found(index, a_user("b@x.io", sub="9", username="ada")) == ("1", "username")
    assert found(index, a_user("b@x.io", sub="9", username="new")) == ("2", "email")
    assert found(index, a_user("b@x.io", sub="9", username="new", verified=False)) is None
    assert found(index, a_user("", sub="9", username="Ada")) is None


def test_an_unverified_email_names_nobody_in_other_pools() -> None:
    index = Index(NAME_POOL, [a_user("a@x.io", sub="1", username="ada", verified=False)])
    assert found(index, a_user("a@x.io", sub="9", username="eve")) is None


@pytest.mark.parametrize("rules", [EMAIL_POOL, NAME_POOL])
def test_who_comes_from_a_provider_goes_by_the_username_to_the_letter(rules: Rules) -> None:
    google = a_user("ada@x.io", sub="1", username="Google_a", status="EXTERNAL_PROVIDER")
    index = Index(rules, [google])
    assert found(index, a_user("ada@x.io", sub="9", username="ada")) is None
    for username, whom in (("Google_a", ("1", "username")), ("Google_A", None)):
        other = a_user("new@x.io", sub="9", username=username, status="EXTERNAL_PROVIDER")
        assert found(index, other) == whom


def test_case_is_what_the_pool_says_it_is() -> None:
    strict = Index(Rules(True, case_sensitive=True), [a_user("Ada@x.io", sub="1")])
    assert found(strict, a_user("ada@x.io", sub="9")) is None
    assert found(strict, a_user("Ada@x.io", sub="9")) == ("1", "email")


def test_two_ways_to_write_an_umlaut_are_one_name() -> None:
    index = Index(Rules(True, case_sensitive=True), [a_user("J\u00fcrg@x.io", sub="1")])
    assert found(index, a_user("Ju\u0308rg@x.io", sub="9")) == ("1", "email")


def test_a_user_who_is_listed_twice_counts_once() -> None:
    index = Index(EMAIL_POOL, [a_user("ada@x.io", sub="1"), a_user("new@x.io", sub="1")])
    assert len(index) == 1
    assert found(index, a_user("new@x.io", sub="9")) is None


def test_the_rules_come_from_the_pool_or_are_guessed_from_a_file() -> None:
    assert Rules.of(facts()) == EMAIL_POOL
    assert Rules.of(facts(username_attributes=(), case_sensitive=True)) == NAME_POOL
    assert Rules.guess([a_user("ada@x.io")]).email_is_username
    assert not Rules.guess([a_user("ada@x.io"), a_user("bob@x.io", username="bob")]).email_is_username
    assert not Rules.guess([]).email_is_username
