"""The laws of comparing, and what a change is."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core.diff import Change, Counts, Memberships, Side, diff
from backups.core.matching import Rules
from backups.core.snapshot import User
from tests.build import a_user, laws

EMAIL_POOL = Rules(email_is_username=True, case_sensitive=False)
NAME_POOL = Rules(email_is_username=False, case_sensitive=True)


def side(users: Sequence[User], memberships: Memberships | None = None) -> Side:
    return Side(lambda: iter(users), memberships)


def walk(a: Sequence[User], b: Sequence[User], rules: Rules = EMAIL_POOL) -> tuple[list[Change], Counts]:
    counts = Counts()
    return list(diff(side(a), side(b), rules, counts)), counts


users = st.builds(
    lambda sub, email, username, name, enabled, verified: a_user(
        email, sub=sub, username=username or sub, name=name, enabled=enabled, verified=verified
    ),
    st.sampled_from("12345678"),
    st.sampled_from(["", "ada@x.io", "Ada@x.io", "bob@x.io", "j\u00fc@x.io", "ju\u0308@x.io"]),
    st.sampled_from(["", "ada", "Ada", "bob"]),
    st.sampled_from(["Ada", "Bob"]),
    st.booleans(),
    st.booleans(),
)
sides = st.lists(users, max_size=6, unique_by=lambda user: user.key)
rules = st.sampled_from([EMAIL_POOL, NAME_POOL, Rules(True, True), Rules(False, False)])


def told(changes: Sequence[Change]) -> set[tuple[object, ...]]:
    return {(c.kind, c.user.key, c.matched_by, frozenset(c.fields)) for c in changes}


@laws(50)
@given(a=sides, rules=rules)
def test_nothing_differs_from_itself(a: list[User], rules: Rules) -> None:
    changes, counts = walk(a, [*a, *a], rules)
    assert changes == []
    assert (counts.same, counts.from_users, counts.to_users) == (len(a), len(a), len(a))


@laws(70)
@given(a=sides, b=sides, rules=rules)
def test_the_other_way_round_is_the_mirror(a: list[User], b: list[User], rules: Rules) -> None:
    there, forth = walk(a, b, rules)
    back, mirrored = walk(b, a, rules)
    kinds = {"only_from": "only_to", "only_to": "only_from", "changed": "changed"}

    def one(change: Change, *, mirror: bool) -> tuple[object, ...]:
        fields = frozenset((f, new, old) if mirror else (f, old, new) for f, old, new in change.fields)
        who = "" if change.kind == "changed" else change.user.key  # a change is told of "from" only
        return (kinds[change.kind] if mirror else change.kind, who, change.matched_by, fields)

    assert Counter(one(c, mirror=True) for c in back) == Counter(one(c, mirror=False) for c in there)
    assert (forth.same, forth.changed, forth.new_identity) == (
        mirrored.same,
        mirrored.changed,
        mirrored.new_identity,
    )


@laws(70)
@given(a=sides, b=sides, rules=rules, seed=st.integers(0, 99))
def test_order_never_matters(a: list[User], b: list[User], rules: Rules, seed: int) -> None:
    shuffled_a, shuffled_b = a[:], b[:]
    random.Random(seed).shuffle(shuffled_a)
    random.Random(seed + 1).shuffle(shuffled_b)
    assert told(walk(a, b, rules)[0]) == told(walk(shuffled_a, shuffled_b, rules)[0])


@laws(50)
@given(a=sides, b=sides, rules=rules)
def test_everybody_is_counted_once(a: list[User], b: list[User], rules: Rules) -> None:
    changes, counts = walk(a, b, rules)
    assert counts.from_users == counts.same + counts.changed + counts.only_from == len(a)
    assert counts.to_users == counts.same + counts.changed + counts.only_to == len(b)
    assert counts.only_from + counts.only_to + counts.changed == len(changes)


def test_a_change_says_field_old_and_new() -> None:
    old = a_user("ada@x.io", name="Ada", custom_institution="MIT", status="CONFIRMED")
    new = a_user("ada@x.io", name="Ada L.", status="RESET_REQUIRED", enabled=False)
    changes, counts = walk([old], [new])
    assert [(c.kind, c.matched_by) for c in changes] == [("changed", "sub")]
    assert set(changes[0].fields) == {
        ("name", "Ada", "Ada L."),
        ("custom:institution", "MIT", ""),
        ("UserStatus", "CONFIRMED", "RESET_REQUIRED"),
        ("Enabled", "true", "false"),
    }
    assert counts.fields["name"] == 1


def test_dates_and_an_empty_attribute_are_no_change() -> None:
    old, new = a_user("ada@x.io", created="2020-01-01T00:00:00Z"), a_user("ada@x.io")
    new.entry["Attributes"].append({"Name": "custom:institution", "Value": ""})
    assert walk([old], [User.of(new.entry)])[0] == []


def test_the_same_person_under_another_sub_is_the_same_with_a_new_identity() -> None:
    old = a_user("ada@x.io", sub="1", status="CONFIRMED")
    new = a_user("ada@x.io", sub="2", status="FORCE_CHANGE_PASSWORD")
    changes, counts = walk([old], [new])
    assert changes == [] and (counts.same, counts.new_identity) == (1, 1)


def test_an_email_in_another_case_is_the_same_person_where_the_pool_folds() -> None:
    changes, counts = walk([a_user("Ada@x.io", sub="1")], [a_user("ada@x.io", sub="2")])
    assert [c.fields for c in changes] == [(("email", "Ada@x.io", "ada@x.io"),)]
    assert (changes[0].matched_by, counts.new_identity) == ("email", 1)
    strict, counts = walk([a_user("Ada@x.io", sub="1")], [a_user("ada@x.io", sub="2")], Rules(True, True))
    assert [c.kind for c in strict] == ["only_from", "only_to"] and counts.new_identity == 0


@pytest.mark.parametrize("turned", [False, True])
def test_the_username_is_surer_than_the_email_whoever_comes_first(turned: bool) -> None:
    by_email = a_user("bob@x.io", sub="1", username="ada")
    by_name = a_user("other@x.io", sub="2", username="bob")
    there = a_user("bob@x.io", sub="9", username="bob")
    a = [by_name, by_email] if turned else [by_email, by_name]
    changes, _ = walk(a, [there], NAME_POOL)
    assert {(c.kind, c.user.sub, c.matched_by) for c in changes} == {
        ("changed", "2", "username"),
        ("only_from", "1", ""),
    }


def test_groups_count_only_where_both_sides_know_them() -> None:
    ada, bob = a_user("ada@x.io"), a_user("bob@x.io")
    old = {ada.username: frozenset({"beta", "admins"})}
    counts = Counts()
    [change] = diff(side([ada, bob], old), side([ada, bob], {}), EMAIL_POOL, counts)
    assert change.fields == (("groups", "admins, beta", ""),) and counts.same == 1
    assert list(diff(side([ada], old), side([ada]), EMAIL_POOL, Counts())) == []


def test_only_from_comes_in_its_order_and_only_to_behind() -> None:
    a = [a_user(f"a{n}@x.io") for n in range(5)]
    b = [a_user(f"b{n}@x.io") for n in range(3)]
    changes, _ = walk(a, b)
    assert [c.user for c in changes] == [*a, *b]
