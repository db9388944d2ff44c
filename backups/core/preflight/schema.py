"""Whether what the users have fits what the pool knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backups.core.choices import Choices
from backups.core.plan import LONGEST, Counts
from backups.core.preflight.check import Check, Unasked, count, not_asked, passes, warn
from backups.core.preflight.people import People
from backups.core.snapshot import PoolFacts


def lengths_of(pool: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Attribute -> (least, most) characters, where DescribeUserPool names others than Cognito's own."""
    found = {}
    for attribute in pool.get("SchemaAttributes", ()):
        limits = attribute.get("StringAttributeConstraints") or {}
        least, most = int(limits.get("MinLength") or 0), int(limits.get("MaxLength") or LONGEST)
        if (least > 1 or most < LONGEST) and attribute.get("Name") != "sub":
            found[str(attribute.get("Name", ""))] = (least, most)
    return found


def of_schema(counts: Counts, facts: PoolFacts, choices: Choices, people: People | None) -> list[Check]:
    found = []
    unknown = counts.by_reason.get("unknown-attribute", 0)
    if unknown:
        found.append(
            warn(
                "attributes",
                f"{count(unknown)} cannot be restored for attributes that this pool does not know: "
                f"{_named(counts.unknown)}.",
                "Add them to the pool's schema (they never go again), or leave them out, and plan again.",
            )
        )
    elif choices.leave_out:
        names = _named(counts.left_out) or ", ".join(sorted(choices.leave_out))
        found.append(warn("attributes", f"Left out, as chosen: {names}.", "These values do not come back."))
    else:
        found.append(passes("attributes", "The pool knows every attribute of whoever is created."))
    if lacking := counts.by_reason.get("required-attribute", 0):
        found.append(
            warn(
                "required",
                f"{count(lacking)} cannot be restored: they lack an attribute that this pool requires.",
                "Give a default for it, and plan again.",
            )
        )
    else:
        found.append(passes("required", "Nobody who is created lacks an attribute that this pool requires."))
    if counts.immutable:
        found.append(
            warn(
                "immutable",
                f"Differs in users who exist, and is written at creation only: {_named(counts.immutable)}.",
                "They keep what they have there.",
            )
        )
    elif fixed := sorted(facts.immutable - {"sub"}):
        found.append(
            passes("immutable", f"Written when a user is created, and never again: {', '.join(fixed)}.")
        )
    else:
        found.append(passes("immutable", "Every attribute of this pool can be corrected later."))
    long = counts.by_reason.get("too-long", 0)
    if people is not None and people.misfits:
        found.append(
            warn(
                "lengths",
                f"Values of the backup do not fit the pool's schema in length: {_named(people.misfits)}.",
                "Cognito refuses these users; everybody else is restored.",
            )
        )
    elif long:
        found.append(
            warn(
                "lengths",
                f"{count(long)} cannot be restored: a value has more than 2,048 characters.",
                "Everybody else is restored.",
            )
        )
    elif people is None or people.misfits is None:
        nobody = Unasked("Nothing has more than 2,048 characters; the schema's own limits were not read.")
        found.append(not_asked("lengths", "Whether every value fits the pool's schema", nobody))
    else:
        found.append(passes("lengths", "Every value fits the lengths of the pool's schema."))
    return found


def _named(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({number:,})" for name, number in sorted(counted.items()))
