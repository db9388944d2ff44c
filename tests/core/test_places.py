"""Where somebody is found again: as a dict of lists would say it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backups.core import places
from backups.core.places import Places
from tests.build import laws

texts = st.text(max_size=3) | st.sampled_from(["ada@x.io", "\ud800", "a" * 5_000])


@laws(200)
@given(st.lists(st.tuples(texts, st.integers(0, 2**32 - 1), st.booleans())), texts)
def test_it_finds_what_a_dict_of_lists_would_find(entries: list[tuple[str, int, bool]], another: str) -> None:
    found, plain = Places(), dict[str, list[int]]()
    for text, number, only_first in entries:
        if only_first:
            assert found.add_first(text, number) is (text not in plain)
            plain.setdefault(text, [number])
        else:
            found.add(text, number)
            plain.setdefault(text, []).append(number)
    for text in (*plain, another):
        assert found.every(text) == plain.get(text, [])
        assert found.first(text) == next(iter(plain.get(text, [])), None)


def test_many_are_kept_in_little_and_found_whole() -> None:
    found = Places()
    for number in range(20_000):
        found.add(f"person{number}@uni.example", number)
    assert all(found.first(f"person{number}@uni.example") == number for number in range(0, 20_000, 97))
    assert sum(map(len, found._heaps)) == 20_000 * 20
    assert sum(bool(heap) for heap in found._heaps) > places._HEAPS * 0.9, "they share the heaps"
