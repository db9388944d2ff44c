"""Attributes of a schema: read, said in words, and asked for as they were."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core.schema import (
    KINDS,
    MOST,
    NUMBER,
    STRING,
    Attribute,
    custom,
    described,
    fingerprint,
    lengths_of,
    wanted,
)
from tests.build import laws

NAMES = st.text("abcdefgh_", min_size=1, max_size=20)
ATTRIBUTES = st.builds(
    Attribute,
    st.builds(str.__add__, st.sampled_from(["custom:", "dev:"]), NAMES),
    st.sampled_from(KINDS),
    st.booleans(),
)
LIMITED = st.builds(
    Attribute,
    NAMES.map("custom:{}".format),
    st.sampled_from([STRING, NUMBER]),
    st.booleans(),
    st.integers(0, 99).map(str),
    st.integers(100, 2048).map(str),
)


def a_description(**more: Any) -> dict[str, Any]:
    """As DescribeUserPool has one."""
    return {
        "Name": "custom:institution",
        "AttributeDataType": "String",
        "DeveloperOnlyAttribute": False,
        "Mutable": True,
        "Required": False,
        "StringAttributeConstraints": {"MinLength": "0", "MaxLength": "256"},
    } | more


@laws(200)
@given(st.one_of(ATTRIBUTES, LIMITED))
def test_what_is_asked_for_is_described_as_it_was(attribute: Attribute) -> None:
    """AddCustomAttributes -> DescribeUserPool -> the same attribute, but for the prefix, which is AWS's."""
    asked = attribute.request()
    prefix = "dev:" if asked.get("DeveloperOnlyAttribute") else "custom:"
    assert Attribute.of({**asked, "Name": prefix + asked["Name"]}) == attribute
    assert not attribute.why_not
    assert attribute.same(attribute)
    assert Attribute.of_json(attribute.as_json()) == attribute


def test_a_description_is_read() -> None:
    assert Attribute.of(a_description()) == Attribute("custom:institution", STRING, True, "0", "256")
    assert Attribute.of(a_description(Mutable=False)).mutable is False
    score = a_description(AttributeDataType="Number", NumberAttributeConstraints={"MaxValue": "5"})
    assert Attribute.of(score) == Attribute("custom:institution", NUMBER, True, "", "5")


@pytest.mark.parametrize(
    ("odd", "read"),
    [
        ({"AttributeDataType": "Secret"}, Attribute("custom:institution", guessed=True)),
        ({"AttributeDataType": ["String"]}, Attribute("custom:institution", guessed=True)),
        ({"StringAttributeConstraints": "long"}, Attribute("custom:institution")),
        (
            {"StringAttributeConstraints": {"MinLength": "9" * 5000, "MaxLength": "٣"}},
            Attribute("custom:institution"),
        ),
        (
            {"StringAttributeConstraints": {"MinLength": True, "MaxLength": 7}},
            Attribute("custom:institution", most="7"),
        ),
    ],
)
def test_what_is_odd_in_a_planted_backup_is_left_out(odd: dict[str, Any], read: Attribute) -> None:
    assert Attribute.of(a_description(**odd)) == read


def test_a_schema_is_read_by_name_and_anything_else_is_none() -> None:
    assert [*described([a_description(), "no attribute", a_description(Name="email")])] == [
        "custom:institution",
        "email",
    ]
    assert described(None) == described("SchemaAttributes") == {}


def test_lengths_are_those_that_are_not_of_every_text() -> None:
    told = [
        a_description(Name="name", StringAttributeConstraints={"MinLength": "2", "MaxLength": "5"}),
        a_description(Name="locale", StringAttributeConstraints={"MinLength": "10"}),
        a_description(Name="sub", StringAttributeConstraints={"MinLength": "1", "MaxLength": "2048"}),
        a_description(Name="email", StringAttributeConstraints={}),
        a_description(
            Name="updated_at", AttributeDataType="Number", StringAttributeConstraints={"MinLength": "9"}
        ),
    ]
    assert lengths_of(told) == {"name": (2, 5), "locale": (10, 2048)}
    assert lengths_of(None) == {}


def test_what_the_backup_does_not_know_is_a_guess() -> None:
    known = described([a_description(Mutable=False)])
    institution, badge = wanted(["custom:institution", "custom:badge"], known)
    assert not institution.guessed and not institution.mutable
    assert badge == Attribute("custom:badge", STRING, True, guessed=True)
    assert badge.request() == {"Name": "badge", "AttributeDataType": "String", "Mutable": True}


def test_a_developers_attribute_is_asked_for_as_one() -> None:
    for name in ("dev:badge", "dev:custom:badge"):
        asked = Attribute(name).request()
        assert (asked["Name"], asked["DeveloperOnlyAttribute"]) == ("badge", True)
    assert Attribute("dev:badge").developer_only and not Attribute("custom:badge").developer_only


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        (Attribute("custom:a"), "text of at most 2,048 characters"),
        (Attribute("custom:a", least="0", most="1"), "text of at most 1 character"),
        (Attribute("custom:a", least="3", most="256"), "text of 3 to 256 characters"),
        (Attribute("custom:a", NUMBER), "a number"),
        (Attribute("custom:a", NUMBER, least="-1"), "a number from -1"),
        (Attribute("custom:a", NUMBER, least="1", most="5"), "a number from 1 to 5"),
        (Attribute("custom:a", "DateTime"), "a date and time"),
        (Attribute("custom:a", "Boolean"), "true or false"),
    ],
)
def test_what_it_takes_is_said(attribute: Attribute, words: str) -> None:
    assert attribute.words == words


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("custom:" + "a" * 20, ""),
        ("custom:Straße_№1", ""),
        ("custom:" + "a" * 21, "more than the 20 characters"),
        ("custom:two words", "a space or a sign"),
        ("custom:", "a space or a sign"),
        ("custom:a\n", "a space or a sign"),
        ("shoe_size", "no custom attribute"),
    ],
)
def test_a_name_that_aws_would_not_take_is_said(name: str, why: str) -> None:
    said = Attribute(name).why_not
    assert why in said and bool(said) == bool(why)


def test_no_limit_is_the_limit_of_every_attribute() -> None:
    plain = Attribute("custom:a")
    assert plain.same(Attribute("custom:a", least="0", most="2048", guessed=True))
    assert not plain.same(Attribute("custom:a", most="256"))
    assert not plain.same(Attribute("custom:a", mutable=False))
    assert not plain.same(Attribute("custom:a", NUMBER))
    assert not Attribute("custom:a", NUMBER).same(Attribute("custom:a", NUMBER, most="5"))


def test_its_own_attributes_are_counted_against_the_fifty() -> None:
    assert custom(["email", "custom:a", "dev:b", "dev:custom:c"]) == 3
    assert MOST == 50


@laws(50)
@given(st.lists(LIMITED, max_size=3), st.lists(LIMITED, max_size=3))
def test_the_same_attributes_have_the_same_fingerprint(
    some: list[Attribute], others: list[Attribute]
) -> None:
    assert (fingerprint(some) == fingerprint(others)) == (some == others)
