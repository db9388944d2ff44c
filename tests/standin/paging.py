"""Page tokens: opaque, bound to the parameters they were made for, refused when they are not ours [M].

A page may be shorter than its limit while there is more [X]; only a missing token ends a list.
"""

from __future__ import annotations

import base64
import hashlib
from bisect import bisect_right
from typing import Any

import orjson

from tests.standin.errors import invalid
from tests.standin.state import Call

LIMIT = 60
_KEY = b"of this stand-in alone"


def wrap(call: Call, bound: str, cursor: Any) -> str:
    """``bound``: what the next call must repeat."""
    told = orjson.dumps([call.operation, bound, call.now, cursor])
    return base64.urlsafe_b64encode(hashlib.blake2b(told, key=_KEY, digest_size=9).digest() + told).decode()


def unwrap(call: Call, bound: str, token: str) -> Any:
    """The cursor. Raises InvalidParameterException for another's token, a garbled one, one too old."""
    try:
        raw = base64.urlsafe_b64decode(token)
    except ValueError:
        raw = b""
    seal, told = raw[:9], raw[9:]
    if not told or hashlib.blake2b(told, key=_KEY, digest_size=9).digest() != seal:
        raise invalid("Invalid pagination token given.")
    operation, was_bound, made, cursor = orjson.loads(told)
    if (operation, was_bound) != (call.operation, bound):
        raise invalid("Invalid pagination token given. Paging marker is invalid for request.")
    life = call.state.knobs.token_seconds
    if life is not None and call.now - made > life:
        raise invalid("Invalid pagination token given. It has expired.")
    return cursor


def size(call: Call, limit: int | None) -> int:
    """How many this page shows: the limit (none, or 0: 60), at times fewer."""
    wanted = limit or LIMIT
    if (
        wanted > 1
        and call.state.knobs.short_pages
        and call.state.dice.random() < call.state.knobs.short_pages
    ):
        return call.state.dice.randrange(1, wanted)
    return wanted


def page(
    call: Call, names: list[str], asked: dict[str, Any], *, limit: str, token: str, bound: str
) -> tuple[list[str], dict[str, str]]:
    """One page of a sorted list, and ``{token: …}`` when there is more. The cursor is the last name."""
    start = bisect_right(names, unwrap(call, bound, asked[token])) if asked.get(token) else 0
    shown = names[start : start + size(call, asked.get(limit))]
    more = start + len(shown) < len(names)
    return shown, {token: wrap(call, bound, shown[-1])} if more else {}
