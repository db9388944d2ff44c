"""Parameters against botocore's own service model: what boto3 does not check itself, the service does.

AWS's words for it: "2 validation errors detected: Value '61' at 'limit' failed to satisfy constraint:
Member must have value less than or equal to 60; …". Values of sensitive shapes are not quoted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import botocore.session
import regex
from botocore.model import OperationModel, ServiceModel, Shape

from tests.standin.errors import Refused, invalid

Found: TypeAlias = Callable[[str, Any, list[str]], None]
"""(path, value, problems to add to); raises Refused where JSON itself has the wrong type."""

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "double": (int, float),
    "float": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float, str),
    "blob": (str,),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
}


@cache
def service() -> ServiceModel:
    return botocore.session.get_session().get_service_model("cognito-idp")


@cache
def identity() -> ServiceModel:
    return botocore.session.get_session().get_service_model("cognito-identity")


@cache
def operations() -> frozenset[str]:
    """All that AWS has (141 in botocore 1.44)."""
    return frozenset(service().operation_names)


def _model(operation: str) -> OperationModel:
    """No name is in both services."""
    return (service() if operation in operations() else identity()).operation_model(operation)


@cache
def unsigned(operation: str) -> bool:
    """May be called without a signature: an application's own calls."""
    return _model(operation).auth_type == "none"


def check(operation: str, parameters: Any) -> None:
    """Raises Refused with every constraint that does not hold."""
    problems: list[str] = []
    _checker(operation)("", parameters, problems)
    if problems:
        errors = "error" if len(problems) == 1 else "errors"
        raise invalid(f"{len(problems)} validation {errors} detected: {'; '.join(problems)}")


@cache
def _checker(operation: str) -> Found:
    shape = _model(operation).input_shape
    return _for(shape) if shape is not None else lambda path, value, problems: None


@cache
def _for(shape: Shape) -> Found:
    kind, told = shape.type_name, shape.metadata
    types = TYPES[kind]
    low, high, options = told.get("min"), told.get("max"), told.get("enum")
    # The model's pattern of a domain has no dot; a domain of one's own has (AWS's own example).
    text = told.get("pattern") if shape.name != "DomainType" else r"[a-z0-9](?:[a-z0-9.\-]{0,61}[a-z0-9])?"
    pattern = regex.compile(text) if text else None
    sensitive = bool(told.get("sensitive"))
    inner = _inner(shape)

    def check(path: str, value: Any, problems: list[str]) -> None:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise Refused("SerializationException", f"{path or 'The body'} is not of the type {kind}.")

        def fails(constraint: str) -> None:
            quoted = "Value at" if sensitive or kind in ("list", "map") else f"Value '{value}' at"
            problems.append(f"{quoted} '{path}' failed to satisfy constraint: Member must {constraint}")

        if kind in ("integer", "long", "double", "float"):
            if high is not None and value > high:
                fails(f"have value less than or equal to {high}")
            if low is not None and value < low:
                fails(f"have value greater than or equal to {low}")
        elif isinstance(value, (str, list, dict)):
            if high is not None and len(value) > high:
                fails(f"have length less than or equal to {high}")
            if low is not None and len(value) < low:
                fails(f"have length greater than or equal to {low}")
            if pattern and not pattern.fullmatch(str(value)):
                fails(f"satisfy regular expression pattern: {text}")
            if options and value not in options:
                fails(f"satisfy enum value set: [{', '.join(options)}]")
        if inner:
            inner(path, value, problems)

    return check


def _inner(shape: Any) -> Found | None:
    if shape.type_name == "structure":
        return _members(shape)
    if shape.type_name == "list":

        def each(path: str, value: Any, problems: list[str]) -> None:
            one = _for(shape.member)
            for number, item in enumerate(value, 1):
                one(f"{path}.{number}.member", item, problems)

        return each
    if shape.type_name == "map":

        def values(path: str, value: Any, problems: list[str]) -> None:
            one, of_key = _for(shape.value), _for(shape.key)
            for key, item in value.items():
                of_key(path, key, problems)
                one(f"{path}.{key}", item, problems)

        return values
    return None


def _members(shape: Any) -> Found:
    required = tuple(shape.required_members)
    known = {name: (member, _spelled(name)) for name, member in shape.members.items()}

    def check(path: str, value: Any, problems: list[str]) -> None:
        dot = f"{path}." if path else ""
        for name in required:
            if value.get(name) is None:
                problems.append(
                    f"Value null at '{dot}{_spelled(name)}' failed to satisfy constraint: "
                    "Member must not be null"
                )
        for name, item in value.items():  # unknown members are ignored, as AWS does
            if name in known and item is not None:
                member, spelled = known[name]
                _for(member)(dot + spelled, item, problems)

    return check


def _spelled(name: str) -> str:
    return name[:1].lower() + name[1:]
