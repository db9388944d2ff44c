"""The order of invitations is the operator's, and nobody is lost by it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backups.core.invite import BACKUP, CHANGED, REASONS, Waiting, in_order, keys_of, sentence
from tests.build import laws

ADA = Waiting("a", "Ada@x.io", 2, "2026-01-01")
BOB = Waiting("b", "bob@x.io", 0, "2026-03-01")
EVE = Waiting("e", "eve@x.io", 1, "")
ALL = [ADA, BOB, EVE]


def test_the_three_orders() -> None:
    assert in_order(ALL, BACKUP) == [BOB, EVE, ADA]
    assert in_order(ALL, CHANGED) == [BOB, ADA, EVE]
    assert in_order(ALL, ["a", "e"]) == [ADA, EVE, BOB]


def test_a_list_of_e_mails_is_read_as_people_write_them() -> None:
    assert keys_of(ALL, [" ada@X.io ", "", "bob@x.io", "ADA@x.io", "who@x.io"]) == (["a", "b"], ["who@x.io"])


def test_every_reason_has_its_sentence() -> None:
    assert sentence("disabled") == REASONS["disabled"]
    assert "AWS refused: no" in sentence("refused", "no")


@laws(200)
@given(
    st.lists(st.sampled_from("abcdefgh"), unique=True),
    st.lists(st.sampled_from("abcdefghxyz"), max_size=12),
)
def test_whatever_the_order_everybody_comes_once_and_the_listed_first(
    keys: list[str], order: list[str]
) -> None:
    people = [Waiting(key, f"{key}@x.io", place, "") for place, key in enumerate(keys)]
    found = [one.key for one in in_order(people, order)]
    listed = [key for key in dict.fromkeys(order) if key in keys]
    assert found == listed + [key for key in keys if key not in listed]
