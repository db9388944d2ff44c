"""The audit chain: every fault is named, and silence means that it holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backups.core.chain import START, Link, canonical, digest, parse, verify


def a_chain(length: int = 4) -> list[Link]:
    links: list[Link] = []
    prev = START
    for seq in range(1, length + 1):
        body = canonical({"seq": seq, "act": "backup.started", "who": "iva", "ok": True, "n": None})
        links.append(Link(seq, body, prev, digest(prev, body), {"act": "backup.started", "who": "iva"}))
        prev = links[-1].hash
    return links


def faults(
    links: list[Link], head_seq: int | None = None, head_hash: str | None = None
) -> list[tuple[int, str]]:
    whole = a_chain()
    head = whole[-1]
    found = verify(links, head.seq if head_seq is None else head_seq, head_hash or head.hash)
    return [(fault.seq, fault.what) for fault in found]


def test_a_chain_that_holds_says_nothing() -> None:
    assert faults(a_chain()) == []
    assert list(verify([], 0, START)) == []


def test_a_missing_entry_is_named() -> None:
    chain = a_chain()
    assert faults([chain[0], *chain[2:]]) == [(3, "entry 2 is missing")]
    assert faults(chain[1:]) == [(2, "entry 1 is missing")]


def test_an_entry_cut_from_the_end_is_seen_by_the_head() -> None:
    assert faults(a_chain()[:-1]) == [(4, "the head says 4 entries, the log ends at 3")]
    assert faults([]) == [(4, "the head says 4 entries, the log ends at 0")]


def test_a_head_of_another_hash_is_seen() -> None:
    assert faults(a_chain(), head_hash="f" * 64) == [(4, "the head says 4 entries, the log ends at 4")]


def test_a_changed_text_is_named() -> None:
    chain = a_chain()
    chain[1] = replace(chain[1], body=chain[1].body.replace("iva", "pol"))
    assert faults(chain) == [
        (2, "its text was changed after it was written"),
        (2, "its column who disagrees with its text"),
    ]


def test_a_text_that_is_hashed_anew_breaks_the_next_link() -> None:
    chain = a_chain()
    body = chain[1].body.replace("iva", "pol")
    chain[1] = replace(chain[1], body=body, hash=digest(chain[1].prev, body), copies={"who": "pol"})
    assert faults(chain) == [(3, "it does not follow from the entry before it")]


def test_a_changed_column_is_named() -> None:
    chain = a_chain()
    chain[2] = replace(chain[2], copies={"who": "pol", "act": "backup.started"})
    assert faults(chain) == [(3, "its column who disagrees with its text")]


def test_two_entries_that_changed_places_are_named() -> None:
    chain = a_chain()
    chain[1], chain[2] = replace(chain[2], seq=2), replace(chain[1], seq=3)
    whats = [what for _, what in faults(chain)]
    assert "it does not follow from the entry before it" in whats
    assert "its text carries another number" in whats


@pytest.mark.parametrize("body", ["", "no json", "[1]", '"text"', "null", "[" * 100_000])
def test_a_text_that_is_no_entry_is_a_fault_and_no_crash(body: str) -> None:
    assert parse(body) == {}
    chain = a_chain()
    chain[0] = replace(chain[0], body=body)
    assert (1, "its text was changed after it was written") in faults(chain)


def test_one_text_for_one_entry() -> None:
    assert canonical({"b": 1, "a": ["ä", {"d": None, "c": True}]}) == '{"a":["ä",{"c":true,"d":null}],"b":1}'


@pytest.mark.parametrize(
    "entry", [{"a": 1.0}, {"a": [{"b": float("nan")}]}, {"a": (1, 2.5)}, {"a": {1, 2}}, {"a": b"x"}]
)
def test_what_has_no_one_text_is_refused(entry: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        canonical(entry)
