"""The audit log's hash chain: canonical text, hash, verification.

    hash = SHA-256("audit-v1\\n" + previous hash + "\\n" + body)

The body is kept as the exact text that was hashed and never serialised again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

START = "0" * 64


def canonical(entry: Mapping[str, object]) -> str:
    """One line of JSON: sorted keys, no spaces, no floats. Raises TypeError for anything else."""
    _refuse_floats(entry)
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def parse(body: str) -> dict[str, Any]:
    """A body's fields; {} when the text is no JSON object (verification names that fault)."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def digest(prev: str, body: str) -> str:
    return hashlib.sha256(f"audit-v1\n{prev}\n{body}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Link:
    """One entry as it is stored; ``copies`` are the columns that must agree with the body."""

    seq: int
    body: str
    prev: str
    hash: str
    copies: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Fault:
    seq: int
    what: str


def verify(links: Iterable[Link], head_seq: int, head_hash: str) -> Iterator[Fault]:
    """Walk everything, oldest first, and name every fault; silence means that the chain holds.

    What it cannot see: entries cut from the end together with the head, or everything
    written anew. That takes an anchor outside of the database.
    """
    expected_seq, prev = 1, START
    for link in links:
        if link.seq != expected_seq:
            yield Fault(link.seq, f"entry {expected_seq} is missing")
        if link.prev != prev and link.seq == expected_seq:
            yield Fault(link.seq, "it does not follow from the entry before it")
        if digest(link.prev, link.body) != link.hash:
            yield Fault(link.seq, "its text was changed after it was written")
        fields = parse(link.body)
        if fields.get("seq") != link.seq:
            yield Fault(link.seq, "its text carries another number")
        for name, value in link.copies.items():
            if fields.get(name) != value:
                yield Fault(link.seq, f"its column {name} disagrees with its text")
        expected_seq, prev = link.seq + 1, link.hash
    if (expected_seq - 1, prev) != (head_seq, head_hash):
        yield Fault(head_seq, f"the head says {head_seq} entries, the log ends at {expected_seq - 1}")


def _refuse_floats(value: object) -> None:
    if isinstance(value, float):
        raise TypeError("an audit entry holds no floats")
    if isinstance(value, Mapping):
        for inner in value.values():
            _refuse_floats(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _refuse_floats(inner)
