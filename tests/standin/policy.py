"""A pool's password policy: what it refuses, and the temporary passwords that Cognito makes up itself [M]."""

from __future__ import annotations

import string
from typing import Any

from tests.standin.errors import Refused
from tests.standin.state import Call, Pool

SYMBOLS = "^$*.[]{}()?-\"!@#%&/\\,><':;|_~`+= "
DAY = 86_400.0
CLASSES = (  # the policy's member, AWS's word for it, the characters
    ("RequireUppercase", "uppercase", string.ascii_uppercase),
    ("RequireLowercase", "lowercase", string.ascii_lowercase),
    ("RequireNumbers", "numeric", string.digits),
    ("RequireSymbols", "symbol", SYMBOLS),
)


def check_password(pool: Pool, password: str) -> None:
    """Raises InvalidPasswordException for the first rule that does not hold."""
    rules = _rules(pool)
    if len(password) < rules.get("MinimumLength", 8):
        raise _refused("Password not long enough")
    for member, word, characters in CLASSES:
        if rules.get(member) and not set(password) & set(characters):
            raise _refused(f"Password must have {word} characters")


def temporary_password(call: Call, pool: Pool) -> str:
    """A random one that the policy accepts; it has one of each class, whether asked for or not."""
    dice = call.state.dice
    picked = [dice.choice(characters.strip()) for _, _, characters in CLASSES]
    picked += call.state.letters(max(8, _rules(pool).get("MinimumLength", 8)) - len(picked))
    dice.shuffle(picked)
    return "".join(picked)


def temporary_until(call: Call, pool: Pool) -> float:
    """When a temporary password that is set now expires, in seconds since 1970; 0 days mean 7 [M]."""
    return call.now + DAY * (_rules(pool).get("TemporaryPasswordValidityDays") or 7)


def _rules(pool: Pool) -> dict[str, Any]:
    found: dict[str, Any] = pool.settings.get("Policies", {}).get("PasswordPolicy", {})
    return found


def _refused(why: str) -> Refused:
    return Refused("InvalidPasswordException", f"Password did not conform with policy: {why}")
