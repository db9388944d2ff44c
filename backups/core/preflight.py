"""What stops a restore before it starts, and what a person should know; each a sentence."""

from __future__ import annotations

from dataclasses import dataclass

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


def refusals(source: Source, target: PoolFacts) -> list[str]:
    """Why this backup is not restored into this pool from the page; empty when it may be."""
    if not source.readable:
        return [f"This backup cannot be restored: {source.why_not}. Nothing was written."]
    found = []
    if source.pool_name and source.pool_name != target.name:
        here, there = environment_of(target.name), environment_of(source.pool_name)
        what = f"another environment ({there})" if here != there and there else "another pool"
        found.append(
            f"This backup is of {what}: it was made from {source.pool_name}, and the target "
            f"is {target.name}. Restoring it here needs a second person; that is not offered yet."
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
        found.append(f"This backup was made in {' and '.join(elsewhere)}; the target is elsewhere.")
    return found


def warnings(source: Source) -> list[str]:
    """What to know before starting; none of it stops anything."""
    found = []
    if source.origin == "unknown":
        found.append(
            "Nobody vouches for this file: it was not written by this dashboard, or not sealed with its key. "
            "Whoever can put an object into the bucket can plant a backup."
        )
    elif source.origin == "changed":
        found.append("This backup was changed after it was made. Look at its versions before you trust it.")
    if not source.checked:
        found.append("This backup was never read back and checked against a manifest.")
    if not source.has_groups:
        found.append("This backup holds users only: groups and memberships do not come back from it.")
    return found
