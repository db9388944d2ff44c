"""What AWS makes, describes, changes, lists and deletes in one way: one ``Kind`` each, one row of a table.

    kind(Kind("ResourceServer", key="Identifier", held=lambda pool: pool.servers, …))

registers CreateResourceServer, DescribeResourceServer, UpdateResourceServer, DeleteResourceServer and
ListResourceServers, those of them that AWS has. What is kept of a request is what the answer's shape has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from tests.standin import model, paging
from tests.standin.errors import gone, invalid
from tests.standin.operations import Answer, Asked, operation
from tests.standin.state import Call, Pool

One: TypeAlias = dict[str, Any]
DATES = ("CreationDate", "LastModifiedDate")


def _as_asked(call: Call, pool: Pool, one: One, asked: Asked) -> None:
    """Nothing to add and nothing to refuse."""


def _no_trace(call: Call, pool: Pool, one: One) -> None:
    """Nothing else goes with it."""


@dataclass(frozen=True)
class Kind:
    """``create`` and ``update`` complete what will be kept, or raise ``Refused``; nothing is kept then."""

    name: str  # in the names of its operations
    key: str  # the member that says which one
    held: Callable[[Pool], dict[str, One]]
    missing: str  # AWS's sentence when there is none; {} is the key
    lists: str = ""  # List<lists>
    listed: str = ""  # the member of a list's answer
    brief: tuple[str, ...] = ()  # what a list shows of one; nothing said: all
    token: str = "NextToken"
    create: Callable[[Call, Pool, One, Asked], None] = _as_asked
    update: Callable[[Call, Pool, One, Asked], None] = _as_asked
    delete: Callable[[Call, Pool, One], None] = _no_trace
    listing: Callable[[Asked, One], bool] = lambda asked, one: True

    def find(self, pool: Pool, key: str) -> One:
        """Raises ResourceNotFoundException."""
        if key not in self.held(pool):
            raise gone(self.missing.format(key))
        return self.held(pool)[key]

    def of(self, asked: Asked) -> One:
        """What of a request is kept."""
        return {name: asked[name] for name in members(self.name) if asked.get(name) is not None}


def members(name: str) -> frozenset[str]:
    """Of the structure that ``Create<name>`` answers."""
    shape: Any = model.service().operation_model(f"Create{name}").output_shape
    (answer,) = shape.members.values()
    return frozenset(answer.members)


def kind(one: Kind) -> Kind:
    """Register its operations."""
    verbs = {
        f"Create{one.name}": _create,
        f"Describe{one.name}": _describe,
        f"Update{one.name}": _update,
        f"Delete{one.name}": _delete,
        f"List{one.lists}": _list,
    }
    for name, work in verbs.items():
        if name in model.operations():
            operation(name)(partial(work, one))
    return one


def _answer(kind: Kind, one: One) -> Answer:
    return {kind.name: one}


def _create(kind: Kind, call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    one = kind.of(asked) | {name: round(call.now, 3) for name in DATES if name in members(kind.name)}
    kind.create(call, pool, one, asked)
    kind.held(pool)[one[kind.key]] = one
    return _answer(kind, one)


def _describe(kind: Kind, call: Call, asked: Asked) -> Answer:
    return _answer(kind, kind.find(call.pool(asked["UserPoolId"]), asked[kind.key]))


def _update(kind: Kind, call: Call, asked: Asked) -> Answer:
    """``update`` sees the new one, with all that was not asked for as it was."""
    for name in ("UserPoolId", kind.key):
        if not asked.get(name):  # the model of UpdateManagedLoginBranding requires neither
            raise invalid(f"{name} is required.")
    pool = call.pool(asked["UserPoolId"], writes=True)
    one = kind.find(pool, asked[kind.key]) | kind.of(asked)
    kind.update(call, pool, one, asked)
    if "LastModifiedDate" in one:
        one["LastModifiedDate"] = round(call.now, 3)
    kind.held(pool)[asked[kind.key]] = one
    return _answer(kind, one)


def _delete(kind: Kind, call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    kind.delete(call, pool, kind.find(pool, asked[kind.key]))
    del kind.held(pool)[asked[kind.key]]
    return {}


def _list(kind: Kind, call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"])
    held = {key: one for key, one in kind.held(pool).items() if kind.listing(asked, one)}
    shown, token = paging.page(call, sorted(held), asked, limit="MaxResults", token=kind.token, bound=pool.id)
    briefs = [
        {name: held[key][name] for name in kind.brief or held[key] if name in held[key]} for key in shown
    ]
    return {kind.listed: briefs, **token}
