"""The backup, and where it goes."""

from __future__ import annotations

from dataclasses import dataclass

from backups.core.preflight.check import Check, State, of_state, passes, stop, stops, warn
from backups.core.snapshot import PoolFacts, environment_of


@dataclass(frozen=True, slots=True)
class Source:
    """A backup, as far as it says what it is. ``pool_name`` is "" for an upload or a plain file."""

    pool_name: str
    region: str = ""
    account: str = ""
    readable: bool = True
    why_not: str = ""
    checked: bool = False
    origin: str = "unknown"  # ours | unknown | changed
    has_groups: bool = False


def of_target(source: Source, target: PoolFacts) -> list[Check]:
    """Whether this backup may go into this pool."""
    if not source.readable:
        return [stop("readable", f"This backup cannot be restored: {source.why_not}. Nothing was written.")]
    found = []
    remedy = (
        "Restoring it here forces silent and needs a second person, which this dashboard cannot yet take."
    )
    if source.pool_name and source.pool_name != target.name:
        here, there = environment_of(target.name), environment_of(source.pool_name)
        what = f"another environment ({there})" if here != there and there else "another pool"
        found.append(
            stop(
                "same-pool",
                f"This backup is of {what}: it was made from {source.pool_name}, and the target "
                f"is {target.name}.",
                remedy,
            )
        )
    elsewhere = [
        f"{name} {value}"
        for name, value, own in (
            ("Region", source.region, target.region),
            ("account", source.account, target.account),
        )
        if value and own and value != own
    ]
    if elsewhere:
        made = f"This backup was made in {' and '.join(elsewhere)}; the target is elsewhere."
        found.append(stop("same-place", made, remedy))
    if not found and source.pool_name:
        found.append(passes("same-pool", f"This backup is of a pool of this name: {target.name}."))
    elif not found:
        found.append(
            warn(
                "same-pool",
                "This file does not say which pool it is of.",
                "Make sure that it is of this one.",
            )
        )
    return found


def of_source(source: Source) -> list[Check]:
    """How far this backup can be trusted."""
    found = []
    if source.origin == "unknown":
        found.append(
            warn(
                "origin",
                "Nobody vouches for this file: it was not written by this dashboard, or not sealed with its "
                "key.",
                "Whoever can put an object into the bucket can plant a backup.",
            )
        )
    elif source.origin == "changed":
        found.append(
            warn(
                "origin",
                "This backup was changed after it was made.",
                "Look at its versions before you trust it.",
            )
        )
    else:
        found.append(passes("origin", "This dashboard wrote the backup, and its seal holds."))
    if source.checked:
        found.append(passes("checked", "The backup was read back and is what its manifest says."))
    else:
        found.append(warn("checked", "This backup was never read back and checked against a manifest."))
    if source.has_groups:
        found.append(passes("groups", "The backup holds groups and memberships."))
    else:
        found.append(
            warn(
                "groups",
                "This backup holds users only: groups and memberships do not come back from it.",
            )
        )
    return found


def refusals(source: Source, target: PoolFacts) -> list[str]:
    """Why this backup is not restored into this pool from the page; empty when it may be."""
    return stops(of_target(source, target))


def warnings(source: Source) -> list[str]:
    """What to know before starting; none of it stops anything."""
    return [check.text for check in of_state(of_source(source), State.WARN)]
