"""Which attributes are written, and which stand in the way."""

from __future__ import annotations

from collections.abc import Mapping

from backups.core.plan.line import Terms
from backups.core.snapshot import ADDRESSES, PoolFacts, User

LONGEST = 2048  # characters of an attribute's value, where the schema does not say less


def writable(user: User) -> dict[str, str]:
    """The attributes that a create may write. ``sub``, ``identities`` and ``cognito:*`` are Cognito's own.

    ``*_verified`` is always written beside its address: left out, an update would mail a code.
    """
    written = {
        name: value
        for name, value in user.attributes.items()
        if value and name not in ("sub", "identities") and not name.startswith("cognito:")
    }
    for address in ADDRESSES:
        verified = f"{address}_verified"
        if address in written:
            written[verified] = "true" if user.attributes.get(verified, "").lower() == "true" else "false"
        else:
            written.pop(verified, None)
    return written


def fitting(
    attributes: Mapping[str, str], terms: Terms
) -> tuple[dict[str, str], tuple[str, ...], tuple[str, str] | None]:
    """(what the pool knows, what it does not, (reason, names) of what may not be left out)."""
    unknown = sorted(attributes.keys() - terms.facts.attributes)
    kept = {name: value for name, value in attributes.items() if name not in unknown}
    stay = [name for name in unknown if name not in terms.choices.leave_out]
    return kept, tuple(unknown), ("unknown-attribute", ", ".join(stay)) if stay else None


def misfits(written: Mapping[str, str], facts: PoolFacts) -> tuple[str, str] | None:
    """(reason, names) of the values whose length the pool refuses; None where it takes all of them."""
    if long := sorted(name for name, value in written.items() if len(value) > LONGEST):
        return "too-long", ", ".join(long)
    limits = {name: facts.lengths[name] for name in sorted(written.keys() & facts.lengths.keys())}
    odd = [name for name, (least, most) in limits.items() if not least <= len(written[name]) <= most]
    return ("wrong-length", ", ".join(odd)) if odd else None


def changes_of(
    wanted: Mapping[str, str], live: User, facts: PoolFacts, *, over: bool
) -> tuple[list[tuple[str, str, str]], list[str]]:
    """((field, in the pool, in the backup) of what an update writes, what differs and cannot be written).

    An address and whether it is verified are one field of two parts: the second is only written where the
    first is, or is the same already.
    """
    flags = {f"{address}_verified" for address in ADDRESSES}
    changes, immutable = list[tuple[str, str, str]](), list[str]()
    for name in sorted(wanted.keys() - flags):
        there, value = live.attributes.get(name, ""), wanted[name]
        written = value != there and not (name == "email" and facts.fold(value) == facts.fold(there))
        if written and there and not over:
            continue
        if written and name in facts.immutable:
            immutable.append(name)
            continue
        if written:
            changes.append((name, there, value))
        flag = f"{name}_verified"
        if flag in flags and flag not in facts.immutable:
            is_verified = live.attributes.get(flag, "")
            if (is_verified.lower() or "false") != wanted[flag] and (written or over or not is_verified):
                changes.append((flag, is_verified, wanted[flag]))
    return changes, immutable
