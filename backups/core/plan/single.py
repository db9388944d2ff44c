"""The line of one user: made anew, or written over."""

from __future__ import annotations

from functools import partial

from backups.core.choices import Existing, Guard
from backups.core.matching import Known
from backups.core.plan.attributes import changes_of, fitting, misfits, writable
from backups.core.plan.line import Line, Terms
from backups.core.plan.names import links_of, no_username, provider_of
from backups.core.plan.words import Action
from backups.core.seen import fingerprint
from backups.core.snapshot import ADDRESSES, User, in_utc

ENABLED = "Enabled"
"""What the state of an account is called among the fields of an update."""


def creation(position: int, user: User, terms: Terms) -> Line:
    """The line of a user who is not in the pool: a create, or why there is none."""
    facts, choices = terms.facts, terms.choices
    line = partial(Line, position, user, first=terms.first(user))
    provider, reason, detail = provider_of(user), "missing", ""
    links: tuple[tuple[str, str], ...] = ()
    if user.status == "EXTERNAL_PROVIDER" or (
        provider and user.username.casefold().startswith(provider.casefold() + "_")
    ):
        return line(Action.SKIP, "federated", provider)
    if "identities" in user.attributes and provider:
        if not choices.link:
            return line(Action.SKIP, "linked", provider)
        links, reason, detail = links_of(user), "missing-linked", provider
        if not links:
            return line(Action.SKIP, "link-unknown", provider)
    if user.status == "UNCONFIRMED":
        return line(Action.SKIP, "unconfirmed")
    if why := no_username(user, facts):
        return line(Action.CANNOT, *why)
    attributes = writable(user)
    missing = sorted(name for name in facts.required if name != "sub" and name not in attributes)
    defaults = {name: choices.defaults[name] for name in missing if choices.defaults.get(name)}
    for address in ADDRESSES:  # nobody's address is guessed
        defaults.pop(address, None)
    if lacking := [name for name in missing if name not in defaults]:
        return line(Action.CANNOT, "required-attribute", ", ".join(lacking))
    attributes, unknown, wrong = fitting(attributes | defaults, terms)
    if wrong := wrong or misfits(attributes, facts):
        return line(Action.CANNOT, *wrong, unknown=unknown)
    groups, withheld = terms.groups(user)
    factors = terms.factors.get(user.username, "")
    if not links:
        alone = user.enabled and not (user.email and user.email_verified)
        reason += "-factor" * bool(factors) + "-unverified" * alone
    return line(
        Action.CREATE,
        reason,
        detail,
        username=user.email if facts.email_is_username else user.username,
        attributes=attributes,
        groups=groups,
        withheld=withheld,
        links=links,
        unknown=unknown,
        defaults=tuple(sorted(defaults)),
        factors=factors,
    )


def update(position: int, user: User, known: Known, live: User, reason: str, terms: Terms) -> Line:
    """The line of a user who is ``live`` in the pool, where existing users are filled or written over.

    ``reason`` is that of a skip, where there is nothing to write.
    """
    facts, choices = terms.facts, terms.choices
    over = choices.existing is Existing.OVERWRITE
    line = partial(Line, position, user, known=known, first=terms.first(user))
    if live.status == "EXTERNAL_PROVIDER":  # the provider writes over it at every sign-in
        return line(Action.SKIP, reason)
    wanted, unknown, wrong = fitting(writable(user), terms)
    changes, immutable = changes_of(wanted, live, facts, over=over)
    if wrong := wrong or misfits({name: value for name, _, value in changes}, facts):
        return line(Action.CANNOT, *wrong, unknown=unknown)
    held = None
    if over and user.enabled != live.enabled:
        if user.enabled and Guard.ENABLE not in choices.guards:
            held = Guard.ENABLE
        else:
            changes.append((ENABLED, _word(live.enabled), _word(user.enabled)))
    # Filling writes fields that are empty in the pool, and no memberships.
    groups, withheld = terms.groups(user, terms.members.get(known.username, ())) if over else ((), ())
    modified = in_utc(live.modified)
    newer = not (modified and modified <= terms.taken_at)  # or nobody knows
    # What is empty by now may have been emptied on purpose, and who is in no group taken out of it.
    if newer and Guard.NEWER not in choices.guards and (changes or groups):
        return line(Action.SKIP, "newer", unknown=unknown, held=Guard.NEWER)
    line = partial(line, unknown=unknown, withheld=withheld, held=held, immutable=tuple(immutable))
    if not changes and not groups:
        if immutable:
            return line(Action.SKIP, "immutable", ", ".join(immutable))
        if withheld:
            return line(Action.SKIP, "stays-out", ", ".join(withheld))
        return line(Action.SKIP, "stays-disabled" if held else reason)
    return line(
        Action.UPDATE,
        choices.existing.value if changes else "join",
        ", ".join(name for name, _, _ in changes) or ", ".join(groups),
        username=known.username,
        changes=tuple(changes),
        groups=groups,
        seen=fingerprint(live),
    )


def _word(value: bool) -> str:
    return "true" if value else "false"
