"""What was chosen for a plan, as it is kept, and who is in its scope."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core import choices as chosen
from backups.core.choices import EVERYTHING_MISSING, Choices, Condition, Existing, Guard, How, Scope
from tests.build import a_user, facts, laws

texts = st.text(max_size=5)
conditions = st.builds(Condition, texts, st.sampled_from(How), texts)
anything = st.builds(
    Choices,
    existing=st.sampled_from(Existing),
    guards=st.frozensets(st.sampled_from(Guard)),
    users=st.none() | st.lists(texts, unique=True).map(lambda names: tuple(sorted(names))),
    tests=st.lists(conditions, max_size=3).map(tuple),
    chosen=st.none() | st.fixed_dictionaries({"comparison": st.integers(1, 9), "users": st.integers(1, 9)}),
    again=st.frozensets(texts),
    link=st.booleans(),
    defaults=st.dictionaries(texts, texts),
    leave_out=st.frozensets(texts),
)


@laws(150)
@given(anything)
def test_what_is_kept_says_the_same_again(choices: Choices) -> None:
    kept = orjson.loads(orjson.dumps(choices.as_json()))
    assert Choices.of_json(kept) == choices
    assert Choices.of_json(kept).as_json() == kept
    unlimited = choices.users is None and choices.chosen is None and not choices.tests
    assert choices.limited is not unlimited


def test_what_is_not_named_is_as_if_nobody_had_chosen() -> None:
    assert Choices.of_json({}) == EVERYTHING_MISSING
    assert not EVERYTHING_MISSING.limited
    assert not EVERYTHING_MISSING.guards and EVERYTHING_MISSING.existing is Existing.SKIP


ADA = a_user(
    "Ada@x.io", sub="1", given_name="Ju\u0308rg", custom_institution="ETH Zürich", status="RESET_REQUIRED"
)


@pytest.mark.parametrize(
    ("field", "how", "value", "fits"),
    [
        ("email", "is", "ada@X.io", True),
        ("email", "is", "ada", False),
        ("email", "begins", "ADA", True),
        ("email", "begins", "x.io", False),
        ("email", "has", "@x.", True),
        ("email", "has", "@y.", False),
        ("email", "lacks", "@y.", True),
        ("email", "lacks", "@x.", False),
        ("given_name", "is", "jürg", True),
        ("custom:institution", "has", "ZÜRICH", True),
        ("family_name", "is", "", True),
        ("family_name", "lacks", "", True),
        ("family_name", "lacks", "x", True),
        ("family_name", "has", "x", False),
        ("given_name", "is", "", False),
        ("given_name", "lacks", "", False),
        ("username", "is", "1", True),
        ("status", "is", "reset_required", True),
        ("enabled", "is", "true", True),
        ("enabled", "is", "false", False),
        ("group", "is", "Beta", True),
        ("group", "begins", "al", True),
        ("group", "has", "ph", True),
        ("group", "is", "bet", False),
        ("group", "is", "", False),
        ("group", "lacks", "bet", False),
        ("group", "lacks", "gamma", True),
    ],
)
def test_a_condition_on_a_user(field: str, how: str, value: str, fits: bool) -> None:
    assert chosen.holds(Condition(field, How(how), value), ADA, {"alpha", "beta"}) is fits


def test_who_is_in_no_group() -> None:
    for how, value, fits in (("is", "", True), ("lacks", "x", True), ("is", "x", False), ("has", "x", False)):
        assert chosen.holds(Condition("group", How(how), value), ADA) is fits


def test_a_disabled_user_says_so() -> None:
    assert chosen.holds(Condition("enabled", How.IS, "FALSE"), a_user("a@x.io", enabled=False))


def scope(choices: Choices, **more: Any) -> Scope:
    return Scope(choices, facts().fold, **more)


def test_without_a_limit_everybody_is_meant() -> None:
    everybody = scope(EVERYTHING_MISSING)
    assert everybody.has(ADA) and everybody.unmet() == []


def test_names_are_emails_or_usernames_told_apart_as_the_pool_does_it() -> None:
    named = scope(Choices(users=("ADA@x.io", "bob", "eve@x.io")))
    assert named.has(ADA)
    assert named.has(a_user("b@x.io", username="bob"))
    assert not named.has(a_user("c@x.io"))
    assert named.unmet() == ["eve@x.io"]
    strict = Scope(Choices(users=("ADA@x.io",)), facts(case_sensitive=True).fold)
    assert not strict.has(ADA) and strict.unmet() == ["ADA@x.io"]


def test_all_conditions_have_to_hold_beside_the_names() -> None:
    both = Choices(
        users=("ada@x.io", "bob@x.io"),
        tests=(Condition("group", How.IS, "beta"), Condition("enabled", How.IS, "true")),
    )
    limited = scope(both, memberships={"1": frozenset({"beta"}), "2": frozenset({"beta"})})
    assert limited.has(ADA)
    assert not limited.has(a_user("bob@x.io", sub="2", enabled=False))
    assert not limited.has(a_user("eve@x.io", sub="2"))
    assert limited.unmet() == [], "bob is in the backup, and does not fit"


def test_who_was_chosen_one_by_one_is_known_by_the_key() -> None:
    limited = scope(Choices(chosen={}), keys=["1", "gone"])
    assert limited.has(ADA) and not limited.has(a_user("b@x.io", sub="2"))
    assert limited.unmet() == ["gone"]
    assert scope(Choices(chosen={})).has(ADA), "told elsewhere"
