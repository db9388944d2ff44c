"""Attributes of a user against the pool's schema [M, P]."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from tests.standin.errors import invalid
from tests.standin.state import Pool

OF_THE_SERVICE = frozenset({"sub", "identities"})
EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
PHONE = re.compile(r"\+[0-9]{1,15}")
NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]+)?")


def named(listed: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """``[{"Name": …, "Value": …}]`` as a dict; a missing value is empty."""
    return {one["Name"]: one.get("Value") or "" for one in listed or ()}


def check(pool: Pool, given: Mapping[str, str], *, creating: bool) -> None:
    """Raises InvalidParameterException: unknown, the service's own, immutable after creation, malformed."""
    for name in given:
        if name in OF_THE_SERVICE or name.startswith("cognito:"):
            raise invalid(f"Cannot modify the non-mutable attribute {name}")  # of identities: [X]
    problems = [
        f"{name}: {problem}"
        for name, value in given.items()
        if (problem := _problem(pool, name, value, creating))
    ]
    if problems:
        raise invalid("Attributes did not conform to the schema: " + "\n".join(problems) + "\n")
    if given.get("email") and not EMAIL.fullmatch(given["email"]):
        raise invalid("Invalid email address format.")
    if given.get("phone_number") and not PHONE.fullmatch(given["phone_number"]):
        raise invalid("Invalid phone number format.")


def check_verified(attributes: Mapping[str, str]) -> None:
    """What is called verified must be there. ``attributes``: as they would be afterwards."""
    for kind in ("email", "phone_number"):
        if attributes.get(f"{kind}_verified") == "true" and not attributes.get(kind):
            raise invalid(f"{kind}_verified cannot be true without {kind}.")


def _problem(pool: Pool, name: str, value: str, creating: bool) -> str:
    told = pool.schema.get(name)
    if told is None:
        return "Attribute does not exist in the schema."
    if not creating and not told.get("Mutable", True):
        return "Attribute cannot be updated."
    kind = told["AttributeDataType"]
    if not value:
        return ""
    if kind == "String":
        limits = told.get("StringAttributeConstraints") or {}
        if len(value) > int(limits.get("MaxLength") or 2048):
            return f"String must be no longer than {limits['MaxLength']} characters"
        if len(value) < int(limits.get("MinLength") or 0):
            return f"String must be at least {limits['MinLength']} characters"
    elif kind == "Number":
        if not NUMBER.fullmatch(value):
            return "Attribute is not a number"
        limits = told.get("NumberAttributeConstraints") or {}
        low, high = limits.get("MinValue"), limits.get("MaxValue")
        if (low and float(value) < float(low)) or (high and float(value) > float(high)):
            return "Number is outside of its range"
    elif kind == "Boolean" and value.lower() not in ("true", "false"):
        return "Attribute is not a boolean"
    return ""
