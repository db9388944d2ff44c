"""What was typed for a restore, and what nobody can have meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core import asked
from backups.core.asked import NotAsked
from backups.core.choices import Choices, Condition, Existing, Guard, How
from tests.build import laws

name = st.text("abcdefgh@._-'+ü", min_size=1, max_size=20).filter(
    lambda text: text.strip("'").strip() == text
)


@laws(60)
@given(st.lists(name, min_size=1, max_size=8), st.sampled_from(["\n", "\r\n", ",", "; ", "\t", "\n\n"]))
def test_a_list_is_the_names_in_it_however_it_is_parted(names: list[str], between: str) -> None:
    assert asked.names(between.join(names)) == tuple(sorted(set(names)))
    assert asked.names(between.join(f'"{one}" ' for one in names)) == tuple(sorted(set(names)))


@pytest.mark.parametrize("text", ["", " \n,;\t", "\"\" ''"])
def test_an_empty_list_means_nobody(text: str) -> None:
    with pytest.raises(NotAsked, match="nobody would be restored"):
        asked.names(text)


def test_a_list_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotAsked, match="more than 2,048 characters"):
        asked.names("a" * 2_049)
    monkeypatch.setattr(asked, "MOST_NAMES", 2)
    with pytest.raises(NotAsked, match="holds 3 users; 2 are the most"):
        asked.names("a,b,c")


def test_the_rows_of_a_form_are_conditions_and_an_empty_row_is_none() -> None:
    assert asked.tests(
        ["custom:institution", "", "group"], ["begins", "is", "is"], ["Uni", " ", " admins "]
    ) == (Condition("custom:institution", How.BEGINS, "Uni"), Condition("group", How.IS, "admins"))
    assert asked.tests(["name"], ["is"], [""]) == (Condition("name", How.IS, ""),)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ((["name"], ["is"], []), "not whole"),
        (([""], ["is"], ["x"]), "Which field"),
        (([""], ["is"], ["x" * 9_999]), f"hold “{'x' * 128}…”"),
        ((["name"], ["like"], ["x"]), "Choose how name"),
        ((["name"], ["has"], [""]), "has no text"),
        ((["name"], ["has"], ["x" * 2_049]), "more than 2,048"),
        ((["name"] * 21, ["is"] * 21, ["x"] * 21), "20 conditions are the most"),
    ],
)
def test_what_is_no_condition_is_refused(row: tuple[list[str], list[str], list[str]], why: str) -> None:
    with pytest.raises(NotAsked, match=why):
        asked.tests(*row)


def test_who_exists_and_the_guards() -> None:
    assert asked.treatment("fill", []) == (Existing.FILL, frozenset())
    assert asked.treatment("overwrite", ["newer"]) == (Existing.OVERWRITE, frozenset({Guard.NEWER}))
    with pytest.raises(NotAsked, match="in the pool already"):
        asked.treatment("", [])
    with pytest.raises(NotAsked, match="no guard called all"):
        asked.treatment("skip", ["all"])
    with pytest.raises(NotAsked, match=r"called a{128}…\.$"):
        asked.treatment("skip", ["a" * 1_000_000])


def test_defaults_are_what_was_filled_in() -> None:
    assert asked.defaults({"name": " Unknown ", "locale": ""}) == {"name": "Unknown"}
    with pytest.raises(NotAsked, match="as name has more than"):
        asked.defaults({"name": "x" * 2_049})


@pytest.mark.parametrize("name", ["email", "phone_number", "email_verified", "phone_number_verified"])
def test_nobodys_address_is_guessed(name: str) -> None:
    assert not asked.guessable(name) and asked.guessable("locale") and asked.guessable("custom:email")
    assert asked.defaults({name: " "}) == {}
    with pytest.raises(NotAsked, match=f"address is guessed: {name} cannot"):
        asked.defaults({name: "true"})


@laws(40)
@given(st.lists(name, min_size=1, max_size=8), st.sampled_from(["\n", "\r\n", " \n\n "]))
def test_who_comes_first_keeps_the_order_of_the_lines(names: list[str], between: str) -> None:
    turn = asked.in_turn(between.join(names))
    assert list(turn) == list(dict.fromkeys(line.strip() for line in names))


def test_somebody_has_to_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotAsked, match="Nobody is named"):
        asked.in_turn(" \n\n")
    assert asked.in_turn("a, b\nc\nc") == ("a, b", "c"), "a group may have a comma in its name"
    with pytest.raises(NotAsked, match="3 are named; 2 are the most"):
        asked.in_turn("a\nb\nc", 2)


def test_choices_are_told_in_words() -> None:
    assert asked.in_words(Choices()) == []
    everything = Choices(
        existing=Existing.OVERWRITE,
        guards=frozenset(Guard),
        link=True,
        again=frozenset({"old-1", "old-2"}),
        defaults={"locale": "en", "family_name": "?"},
        leave_out=frozenset({"custom:team", "custom:old"}),
        users=("ada@x.io",),
        tests=(
            Condition("group", How.IS, "admins"),
            Condition("name", How.IS, ""),
            Condition("name", How.LACKS, ""),
        ),
    )
    assert asked.in_words(everything) == [
        "1 named user",
        "group is “admins”",
        "name is empty",
        "name is not empty",
        "who exists: overwrite fields that differ",
        "allowed: re-enable disabled users",
        "allowed: overwrite newer data",
        "allowed: add to privileged groups",
        "allowed: delete unconfirmed sign-ups",
        "users who sign in through a provider too are made, and linked again",
        "2 people with a new account are the same people",
        "where family_name is missing: “?”",
        "where locale is missing: “en”",
        "left out: custom:old, custom:team",
    ]
    one = Choices(again=frozenset({"old-1"}))
    assert asked.in_words(one) == ["1 person with a new account is the same person"]
