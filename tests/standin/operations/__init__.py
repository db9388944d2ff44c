"""What the stand-in can do, by AWS's names. A module of this package registers its operations::

    @operation("AdminGetUser", active=True)
    def admin_get_user(call: Call, asked: Asked) -> Answer: ...

``asked`` has passed the model: types, lengths, patterns and required members hold. An operation returns
the answer as a dict, or as JSON text; it raises ``Refused``, and what it did before that stays done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

from tests.standin.state import Call

Asked: TypeAlias = dict[str, Any]
Answer: TypeAlias = dict[str, Any] | bytes
Work: TypeAlias = Callable[[Call, Asked], Answer]


@dataclass(frozen=True)
class Operation:
    work: Work
    active: bool  # bills the user whom it names as active this month [Q]


OPERATIONS: dict[str, Operation] = {}
MODULES = (
    "pools", "clients", "resources", "settings", "domains", "imports", "limits", "replicas",
    "users", "listing", "groups", "passwords", "signing_up", "signing_in", "sessions",
    "account", "devices", "linking", "identity_pools",
)  # fmt: skip


def operation(name: str, *, active: bool = False) -> Callable[[Work], Work]:
    def register(work: Work) -> Work:
        OPERATIONS[name] = Operation(work, active)
        return work

    return register


def load() -> dict[str, Operation]:
    for module in MODULES:
        import_module(f"{__name__}.{module}")
    return OPERATIONS
