"""Whether users' second factors are read with a backup, and what that makes AWS count.

ListUsers does not tell them. AdminGetUser does, one call a user, and AWS counts
everybody it is asked about as active in that calendar month, once.
"""

from __future__ import annotations

FREE = 10_000
"""Active users a month that cost nothing on the tiers LITE and ESSENTIALS: of the whole account."""
FREE_TIERS = ("LITE", "ESSENTIALS")


def why_not(policy: str, users: int, tier: str) -> str:
    """Why they are not read; "" when they are. ``policy``: auto, on or off (models.Policy.Mfa)."""
    if policy == "on":
        return ""
    if policy != "auto":
        return "the policy of this pool is not to read them"
    if tier not in FREE_TIERS:
        named = f"on the tier {tier}" if tier else "where AWS does not tell the tier"
        return f"{named} every active user may cost; they are read once the policy of this pool says so"
    if users >= FREE:
        return (
            f"with {users:,} users it could pass the {FREE:,} active users a month that are free; "
            "they are read once the policy of this pool says so"
        )
    return ""


def estimate(users: int, tier: str) -> str:
    """What reading them makes AWS count, in a sentence; its prices change, and stand on its own page."""
    counted = f"AWS counts up to {users:,} users as active in each month with a backup"
    if tier not in FREE_TIERS:
        named = f"on the tier {tier} " if tier else ""
        return f"{counted}, and {named}each may cost; those who are active anyway cost nothing more."
    if users < FREE:
        return f"{counted}, within the {FREE:,} of the account that are free on the tier {tier}."
    return (
        f"{counted}: more than the {FREE:,} of the account that are free on the tier {tier}. "
        "Those who are active anyway cost nothing more."
    )
