"""What people are called in this pool, and which of them can be written to."""

from __future__ import annotations

from backups.core.plan import Counts
from backups.core.preflight.check import SILENT, Check, count, passes, warn
from backups.core.preflight.people import People
from backups.core.snapshot import PoolFacts


def of_names(counts: Counts, facts: PoolFacts, people: People | None) -> list[Check]:
    found = []
    bad = counts.by_reason.get("no-email", 0) + counts.by_reason.get("no-username", 0)
    if facts.email_is_username:
        mode = "The e-mail is the username here; every user gets a new Username, which is the new sub."
    elif facts.username_attributes:
        mode = "A phone number is the username here: nobody is created by one. Who exists can be updated."
    elif facts.alias_attributes:
        mode = f"Usernames stay as they were; {' and '.join(facts.alias_attributes)} find somebody too."
    else:
        mode = "Usernames stay as they were."
    if bad:
        cannot = f"{count(bad)} cannot be restored: the pool takes no such username."
        found.append(warn("usernames", f"{mode} {cannot}", "Everybody else is restored."))
    else:
        found.append(passes("usernames", mode))
    if facts.case_sensitive:
        found.append(
            warn(
                "case",
                "This pool tells Ada@ and ada@ apart: whoever writes their name otherwise is somebody else.",
                "It cannot be changed later; a new pool can be made without it.",
            )
        )
    else:
        found.append(passes("case", "This pool does not tell capitals from small letters."))
    found.append(_collisions(counts, facts, people))
    return found


def _collisions(counts: Counts, facts: PoolFacts, people: People | None) -> Check:
    duplicates = counts.by_reason.get("duplicate", 0)
    told = []
    if duplicates:
        one = "it has" if duplicates == 1 else "they have"
        told.append(
            f"{count(duplicates)} of the backup stay out: {one} the name of another, who comes first."
        )
    if taken := counts.by_reason.get("address-taken", 0):
        have = "has" if taken == 1 else "have"
        told.append(f"{count(taken)} {have} an e-mail that somebody else in the pool has by now.")
    if people is None:
        if told:
            return warn("collisions", " ".join(told), _LOOK)
        return passes("collisions", "No two users of the backup have the same name in this pool.")
    if people.by_case:
        differ = "differ" if people.by_case > 1 else "differs"
        where = "are two people here" if facts.case_sensitive else "cannot both be in this pool"
        told.append(f"{count(people.by_case, 'name')} {differ} from another by case alone; such {where}.")
    if people.by_form:
        differ = "differ" if people.by_form > 1 else "differs"
        told.append(
            f"{count(people.by_form, 'name')} {differ} from another only in how Unicode writes its letters; "
            "what Cognito makes of that is not documented."
        )
    if told:
        return warn("collisions", " ".join(told), _LOOK)
    return passes("collisions", "No two names of the backup differ only by case or by their Unicode form.")


_LOOK = "Look at these users in the plan before you start."


def of_addresses(counts: Counts) -> Check:
    if not counts.unverified:
        return passes(
            "unverified", "Whoever is created and enabled has a verified e-mail, or a sign-in provider."
        )
    return warn(
        "unverified",
        f"{count(counts.unverified)} of those created {'has' if counts.unverified == 1 else 'have'} no "
        "verified e-mail: Cognito sends no code there, so they can neither sign in nor reset a password.",
        "Invite them, or verify their address by hand once they are back.",
        SILENT,
    )
