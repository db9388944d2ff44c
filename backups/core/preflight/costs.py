"""What a restore costs: the bill, the time, and who else is writing."""

from __future__ import annotations

from collections.abc import Mapping

from backups.core import mfa as active_users
from backups.core.plan import Counts
from backups.core.preflight.check import INVITE, LATER, SILENT, Check, count, passes, warn
from backups.core.snapshot import PoolFacts


def of_billing(counts: Counts, facts: PoolFacts) -> Check:
    touched = counts.create + counts.update
    told = f"AWS counts {count(touched)} as active this month: whoever is created or changed."
    if not touched:
        return passes("billing", "Nobody is created or changed, so AWS counts nobody as active for it.")
    if facts.tier not in active_users.FREE_TIERS:
        named = f"On the tier {facts.tier}" if facts.tier else "AWS does not tell the pool's tier;"
        return warn("billing", f"{told} {named} each may cost.", "Look at AWS's prices before you start.")
    free = f"{active_users.FREE:,} of the account are free on the tier {facts.tier}"
    if touched < active_users.FREE:
        return passes("billing", f"{told} {free}, those of the application included.")
    return warn("billing", f"{told} Only {free}.", "Look at AWS's prices before you start.")


def calls(counts: Counts, way: str, *, apart: bool) -> dict[str, int]:
    """Calls by quota category; ``apart``: invitations are a call of their own after the creating."""
    invited = counts.mails(way) if apart else 0
    return {
        "UserCreation": counts.create + invited,
        "UserAccountRecovery": counts.create if way == SILENT else 0,
        "UserUpdate": counts.memberships + counts.disabled + counts.update + counts.links,
        "UserRead": counts.create + counts.update,
        "UserResourceRead": min(counts.memberships, counts.create + counts.update),
    }


def least(counts: Counts, way: str, rates: Mapping[str, float], *, apart: bool) -> tuple[float, str]:
    """(seconds that a restore takes at the least, the category that decides); ``rates`` as in ``of_time``."""
    return max((number / rates[name], name) for name, number in calls(counts, way, apart=apart).items())


def of_time(counts: Counts, rates: Mapping[str, float], *, apart: bool) -> list[Check]:
    """``rates``: calls a second of each category that we allow ourselves. The slowest category decides.

    One check for all ways where nobody is created.
    """
    found = []
    for way in (SILENT, INVITE, LATER) if counts.create else ("",):
        seconds, slowest = least(counts, way, rates, apart=apart)
        needed = calls(counts, way, apart=apart)[slowest]
        text = (
            f"not less than {duration(seconds)} at our share of AWS's quotas; "
            f"{slowest} decides, {needed:,} calls at {rates[slowest]:g} a second."
            if seconds
            else "there is nothing to write."
        )
        found.append(passes("time", f"{way.capitalize() or 'In all'}: {text}", *filter(None, [way])))
    return found


def duration(seconds: float) -> str:
    """In words, rounded up: "1 s", "7 min", "2 h 5 min"."""
    whole = -int(-seconds // 1)
    if whole < 90:
        return f"{whole} s"
    minutes = -(-whole // 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")


def of_other_job(number: int | None, words: str = "") -> Check:
    """``number``: the job that is writing to this pool now; ``words``: what it is."""
    if number is None:
        return passes("other-job", "No other job is writing to this pool.")
    return warn(
        "other-job",
        f"Job {number} ({words}) is writing to this pool: what it changes is not in this plan.",
        "Only one job writes to a pool at a time. Wait until it is over, and plan again.",
    )
