"""What a user is called, and through whom they sign in."""

from __future__ import annotations

import orjson

from backups.core.snapshot import PoolFacts, User


def no_username(user: User, facts: PoolFacts) -> tuple[str, str] | None:
    """(reason, detail) where the pool takes no such Username; None where it does."""
    if facts.username_attributes and not facts.email_is_username:
        return "no-username", "it takes phone numbers, and nobody is created by one"
    if facts.email_is_username and not user.email:
        return "no-email", ""
    name = user.email if facts.email_is_username else user.username
    if any(letter.isspace() for letter in name) or len(name) > 128:
        return "no-username", "it has spaces, or is longer than 128 characters"
    if facts.email_is_username and not all(name.partition("@")):
        return "no-username", "it is no e-mail"
    if not facts.email_is_username and "email" in facts.alias_attributes and "@" in name:
        return "no-username", "it looks like an e-mail, which is an alias here"
    return None


def held_once(facts: PoolFacts) -> tuple[str, ...]:
    """By which names this pool refuses a second user; elsewhere two people may share an e-mail."""
    unique_email = facts.email_is_username or "email" in facts.alias_attributes
    return ("username", "email") if unique_email else ("username",)


def links_of(user: User) -> tuple[tuple[str, str], ...]:
    """(provider, subject) of each identity, where all of them say so; else ()."""
    links = []
    try:
        identities = orjson.loads(user.attributes["identities"])
    except ValueError:
        return ()
    for identity in identities:
        named = identity if isinstance(identity, dict) else {}
        pair = named.get("providerName"), named.get("userId")
        if not all(isinstance(part, str) and part for part in pair):
            return ()
        links.append((str(pair[0]), str(pair[1])))
    return tuple(links)


def provider_of(user: User) -> str:
    """The provider's name from the ``identities`` attribute, else what the Username begins with."""
    text = user.attributes.get("identities", "")
    if text:
        try:
            identities = orjson.loads(text)
        except ValueError:
            return "another provider"
        if isinstance(identities, list) and identities and isinstance(identities[0], dict):
            return str(identities[0].get("providerName") or "another provider")
        return ""
    return user.username.partition("_")[0] if user.status == "EXTERNAL_PROVIDER" else ""
