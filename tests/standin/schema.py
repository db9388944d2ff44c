"""The attributes of a user pool: those that each pool has, and its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from tests.standin.errors import invalid


def _attribute(name: str, kind: str = "String", **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "Name": name,
        "AttributeDataType": kind,
        "DeveloperOnlyAttribute": False,
        "Mutable": True,
        "Required": False,
    }
    if kind == "String":
        told["StringAttributeConstraints"] = {"MinLength": "0", "MaxLength": "2048"}
    return told | more


STANDARD = [
    _attribute("sub", Mutable=False, Required=True,
               StringAttributeConstraints={"MinLength": "1", "MaxLength": "2048"}),
    *map(_attribute, """name given_name family_name middle_name nickname preferred_username profile picture
                        website email""".split()),
    _attribute("email_verified", "Boolean"),
    _attribute("gender"),
    _attribute("birthdate", StringAttributeConstraints={"MinLength": "10", "MaxLength": "10"}),
    _attribute("zoneinfo"),
    _attribute("locale"),
    _attribute("phone_number"),
    _attribute("phone_number_verified", "Boolean"),
    _attribute("address"),
    _attribute("updated_at", "Number", NumberAttributeConstraints={"MinValue": "0"}),
]  # fmt: skip
MOST_CUSTOM = 50


def schema_of(told: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The standard attributes, changed as told, and the custom ones: name -> SchemaAttributeType."""
    schema = {one["Name"]: deepcopy(one) for one in STANDARD}
    own = []
    for one in told:
        standard = schema.get(one.get("Name", ""))
        if standard is None:
            own.append(one)
        elif (
            one.get("DeveloperOnlyAttribute")
            or one.get("AttributeDataType", standard["AttributeDataType"]) != standard["AttributeDataType"]
        ):
            raise invalid(
                "You can not change AttributeDataType or set developerOnlyAttribute for standard schema "
                f"attribute {one['Name']}"
            )
        else:
            standard.update(one)
    add_custom(schema, own)
    return schema


def add_custom(schema: dict[str, dict[str, Any]], told: Iterable[Mapping[str, Any]]) -> None:
    """All of them or none."""
    fresh: dict[str, dict[str, Any]] = {}
    for one in told:
        if one.get("Required"):
            raise invalid("Required custom attributes are not supported currently.")
        if not one.get("Name") or not one.get("AttributeDataType"):
            raise invalid("A custom attribute needs a Name and an AttributeDataType.")
        prefix = "dev:custom:" if one.get("DeveloperOnlyAttribute") else "custom:"
        name, kind = prefix + one["Name"], one["AttributeDataType"]
        if name in schema or name in fresh:
            raise invalid(f"{name}: Existing attribute already has name {name}.")
        limits: dict[str, Any] = {f"{kind}AttributeConstraints": {}} if kind in ("String", "Number") else {}
        fresh[name] = {**_attribute(name, kind), **limits, **one, "Name": name}
    if sum("custom:" in name for name in schema) + len(fresh) > MOST_CUSTOM:
        raise invalid(f"A user pool can have at most {MOST_CUSTOM} custom attributes.")
    schema.update(fresh)
