"""Attributes of a pool's schema: what a backup's users have, what the pool lacks, and how it is added.

    the backup's DescribeUserPool + names that the pool lacks -> Attribute, … -> AddCustomAttributes

None of them can be changed or taken away again, so nothing is added whose type nobody was shown. A file that
holds users only says nothing of types: text, which may be written again, is a guess and is called one.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from backups.core.plan import LONGEST

MOST = 50  # custom attributes of a pool
AT_ONCE = 25  # of one AddCustomAttributes
LONGEST_NAME = 20  # characters, without the prefix
DEV, CUSTOM = "dev:", "custom:"
STRING, NUMBER = "String", "Number"
KINDS = (STRING, NUMBER, "DateTime", "Boolean")
LIMITS = {STRING: ("MinLength", "MaxLength"), NUMBER: ("MinValue", "MaxValue")}
_LIMIT = re.compile(r"-?[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One custom attribute, as it is or shall be. ``least`` and ``most``: of a text its characters."""

    name: str  # with the prefix that AWS gives it: custom:institution, dev:badge
    kind: str = STRING
    mutable: bool = True
    least: str = ""  # "" where nothing is said
    most: str = ""
    guessed: bool = False  # nothing says what it was: this is what it would be

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Attribute:
        """From a SchemaAttributeType, which a planted backup may have written: what is odd is left out."""
        kind = described.get("AttributeDataType")
        if kind not in KINDS:
            return cls(str(described.get("Name", "")), guessed=True)
        told = described.get(f"{kind}AttributeConstraints")
        limits = told if isinstance(told, Mapping) else {}
        least, most = (_number(limits.get(name)) for name in LIMITS.get(kind, ("", "")))
        mutable = described.get("Mutable", True) is not False
        return cls(str(described.get("Name", "")), kind, mutable, least, most)

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Attribute:
        return cls(**values)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def developer_only(self) -> bool:
        return self.name.startswith(DEV)

    @property
    def bare(self) -> str:
        """Its name for AddCustomAttributes: the prefix is AWS's."""
        return self.name.removeprefix(DEV).removeprefix(CUSTOM)

    def request(self) -> dict[str, Any]:
        """As AddCustomAttributes takes it."""
        asked: dict[str, Any] = {
            "Name": self.bare,
            "AttributeDataType": self.kind,
            "Mutable": self.mutable,
        }
        if self.developer_only:
            asked["DeveloperOnlyAttribute"] = True
        given = zip(LIMITS.get(self.kind, ()), (self.least, self.most), strict=False)
        if limits := {name: value for name, value in given if value}:
            asked[f"{self.kind}AttributeConstraints"] = limits
        return asked

    def same(self, other: Attribute) -> bool:
        """Whether both take the same values; of a text "no limit" is that of every attribute."""
        return self._takes() == other._takes()

    def _takes(self) -> tuple[object, ...]:
        if self.kind == STRING:
            return self.kind, self.mutable, int(self.least or 0), int(self.most or LONGEST)
        return self.kind, self.mutable, self.least, self.most

    @property
    def words(self) -> str:
        """What it takes, for a page: "text of at most 256 characters"."""
        if self.kind == STRING:
            return _text(int(self.least or 0), int(self.most or LONGEST))
        if self.kind == NUMBER:
            limits = [f"{word} {value}" for word, value in (("from", self.least), ("to", self.most)) if value]
            return " ".join(["a number", *limits])
        return "a date and time" if self.kind == "DateTime" else "true or false"

    @property
    def why_not(self) -> str:
        """Why AWS would not take it as a new one; "" where it may."""
        if not self.name.startswith((CUSTOM, DEV)):
            return f"{self.name} is no custom attribute, and AWS adds no others."
        if not self.bare or any(unicodedata.category(letter)[0] not in "LMSNP" for letter in self.bare):
            return f"{self.name} has a space or a sign that AWS does not take in a name."
        if len(self.bare) > LONGEST_NAME:
            return f"{self.name} has more than the {LONGEST_NAME} characters that AWS takes in a name."
        return ""


def described(schema: object) -> dict[str, Attribute]:
    """Name -> attribute, of DescribeUserPool's SchemaAttributes; {} for what is no such list."""
    listed = schema if isinstance(schema, list) else []
    found = [Attribute.of(one) for one in listed if isinstance(one, Mapping)]
    return {attribute.name: attribute for attribute in found}


def lengths_of(schema: object) -> dict[str, tuple[int, int]]:
    """Attribute -> (least, most) characters, where SchemaAttributes name others than those of every text."""
    texts = [one for one in described(schema).values() if one.kind == STRING]
    limits = {one.name: (int(one.least or 0), int(one.most or LONGEST)) for one in texts}
    return {name: (least, most) for name, (least, most) in limits.items() if least > 1 or most < LONGEST}


def wanted(names: Iterable[str], backup: Mapping[str, Attribute]) -> list[Attribute]:
    """What these attributes were, by the backup's own schema; one that it does not know is a guess."""
    return [backup.get(name, Attribute(name, guessed=True)) for name in names]


def custom(pool: Iterable[str]) -> int:
    """How many of a pool's attributes count as its own, of which it may have MOST."""
    return sum(name.startswith((CUSTOM, DEV)) for name in pool)


def fingerprint(attributes: Sequence[Attribute]) -> str:
    """So that what is added is what somebody was shown."""
    return hashlib.sha256(orjson.dumps([one.as_json() for one in attributes])).hexdigest()


def _text(least: int, most: int) -> str:
    characters = f"{most:,} character{'' if most == 1 else 's'}"
    return f"text of {least:,} to {characters}" if least else f"text of at most {characters}"


def _number(value: object) -> str:
    """A limit as AWS writes it, "" for anything else."""
    text = str(value)
    return text if _LIMIT.fullmatch(text) else ""
