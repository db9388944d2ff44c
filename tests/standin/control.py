"""The stand-in's own address, ``/_standin/<verb>``: JSON in, JSON out. ``client.Standin`` speaks it.

A verb is a function of this module that takes the state and the members of the body; what it cannot do
is a ValueError, answered with 400 and its sentence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from math import inf
from typing import Any

import orjson

from tests.standin import federation, seed
from tests.standin.faults import Faults, Latency
from tests.standin.quotas import DEFAULTS, Quotas
from tests.standin.state import Knobs, State

VERBS: dict[str, Callable[..., Any]] = {}


def handle(state: State, verb: str, body: bytes) -> tuple[int, bytes]:
    try:
        if verb not in VERBS:
            raise ValueError(f"no such verb: {verb}; there are {', '.join(sorted(VERBS))}")
        told = VERBS[verb](state, **orjson.loads(body or b"{}"))
        return 200, orjson.dumps(told, option=orjson.OPT_NON_STR_KEYS)
    except (ValueError, TypeError, KeyError) as error:
        return 400, orjson.dumps({"message": f"{type(error).__name__}: {error}"})


def verb(work: Callable[..., Any]) -> Callable[..., Any]:
    VERBS[work.__name__] = work
    return work


@verb
def health(state: State) -> str:
    return "ok"


@verb
def books(state: State) -> dict[str, Any]:
    return state.books.counted()


@verb
def calls(state: State, operation: str = "") -> list[Any]:
    return [call for call in state.books.calls if operation in ("", call[1])]


@verb
def messages(state: State) -> list[Any]:
    return state.books.sent()


@verb
def triggers(state: State) -> list[Any]:
    return list(state.books.triggers)


@verb
def clear_books(state: State) -> None:
    state.books.clear()


@verb
def knobs(state: State, **values: Any) -> dict[str, Any]:
    """Set some, answer all."""
    unknown = values.keys() - {field.name for field in dataclasses.fields(Knobs)}
    if unknown:
        raise ValueError(f"no such knob: {', '.join(sorted(unknown))}")
    if values.get("over_the_limit", "refuse") not in ("refuse", "drop"):
        raise ValueError("over_the_limit is refuse or drop")
    for name, value in values.items():
        setattr(state.knobs, name, value)
    return dataclasses.asdict(state.knobs)


@verb
def clock(state: State, forward: float = 0.0, to: float | None = None) -> float:
    """Move it by seconds, or to a moment (seconds since 1970); answers what it says now."""
    state.clock.offset += forward if to is None else to - state.clock.now()
    return state.clock.now()


@verb
def fault(state: State, **told: Any) -> None:
    state.faults.add(**told)


@verb
def faults(state: State) -> dict[str, int]:
    """What was met so far."""
    return dict(state.faults.met)


@verb
def clear_faults(state: State) -> None:
    state.faults.clear()


@verb
def latency(
    state: State, base: float = 0.0, spread: float = 0.0, operations: dict[str, float] | None = None
) -> None:
    state.latency = Latency(base, spread, operations or {})


@verb
def quotas(
    state: State,
    region: str,
    rates: dict[str, float] | None = None,
    every: float | None = None,
    neighbour: dict[str, float] | None = None,
    per_pool: float | None = None,
) -> dict[str, float]:
    """Calls a second by category; ``every`` sets them all, the bound per pool and operation too."""
    held = state.region(region).quotas
    if every is not None:
        rates = dict.fromkeys(DEFAULTS, every) | (rates or {})
        per_pool = every if per_pool is None else per_pool
    held.set(rates or {}, neighbour or {}, per_pool)
    return held.rates


@verb
def fresh(state: State) -> None:
    """As it was started, but for its pools: knobs, clock, faults, latency, quotas, books, mail day."""
    state.knobs, state.faults, state.latency = Knobs(), Faults(), Latency()
    state.clock.offset = 0.0
    state.mails.clear()
    state.books.clear()
    for region in state.regions.values():
        region.quotas = Quotas()
        for pool in region.pools.values():
            pool.users.seen_at(inf)


@verb
def seed_users(state: State, region: str, pool: str, count: int, **told: Any) -> dict[str, Any]:
    """Fill a pool with people who do not exist; see ``seed.fill``."""
    return seed.fill(state, _pool(state, region, pool), count, **told)


@verb
def federate(
    state: State, region: str, pool: str, provider: str, user_id: str, attributes: dict[str, str]
) -> dict[str, Any]:
    """Somebody signs in through an identity provider: no API makes such users."""
    return federation.arrive(state, _pool(state, region, pool), provider, user_id, attributes)


@verb
def user(state: State, region: str, pool: str, username: str) -> dict[str, Any]:
    """All that is known of one user: no call, no active user, nothing late."""
    found = _pool(state, region, pool).users.find(username)
    if found is None:
        raise ValueError("no such user")
    return {
        **found.described("Attributes"),
        "groups": sorted(found.groups or {}),
        "password": found.password,
        "temporary_until": found.temporary_until,
        "code": found.code,
        "mfa": list(found.mfa),
    }


@verb
def users(state: State, region: str, pool: str) -> list[Any]:
    """Everybody, as they are now."""
    return [
        {**one.described("Attributes"), "groups": sorted(one.groups or {})}
        for one in _pool(state, region, pool).users
    ]


@verb
def secondary(state: State, region: str, pool: str, is_secondary: bool = True) -> None:
    """Make the pool a replica's secondary Region: it refuses every write [M]."""
    _pool(state, region, pool).secondary = is_secondary


def _pool(state: State, region: str, pool: str) -> Any:
    try:
        return state.region(region).pools[pool]
    except KeyError:
        raise ValueError(f"no such pool: {pool}") from None
