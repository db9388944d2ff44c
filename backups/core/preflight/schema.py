"""Whether what the users have fits what the pool knows."""

from __future__ import annotations

from collections.abc import Mapping

from backups.core.choices import Choices
from backups.core.plan import Counts
from backups.core.preflight.check import Check, count, passes, warn
from backups.core.snapshot import PoolFacts


def of_schema(counts: Counts, facts: PoolFacts, choices: Choices) -> list[Check]:
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
    if misfits := counts.by_reason.get("too-long", 0) + counts.by_reason.get("wrong-length", 0):
        found.append(
            warn(
                "lengths",
                f"{count(misfits)} cannot be restored: a value is longer or shorter than this pool takes.",
                "The plan names the attribute; everybody else is restored.",
            )
        )
    else:
        found.append(passes("lengths", "Every value that is written fits the lengths of the pool's schema."))
    return found


def _named(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({number:,})" for name, number in sorted(counted.items()))
