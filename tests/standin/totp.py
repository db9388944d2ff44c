"""One-time passwords by the clock, RFC 6238: SHA-1, six digits, thirty seconds."""

from __future__ import annotations

import base64
import hashlib
import hmac

from tests.standin.state import Call

STEP = 30


def secret(call: Call) -> str:
    """A new one in base32, as an authenticator wants it."""
    return base64.b32encode(call.state.dice.randbytes(35)).decode()


def code(secret: str, moment: float) -> str:
    counter = int(moment // STEP).to_bytes(8, "big")
    digest = hmac.digest(base64.b32decode(secret), counter, hashlib.sha1)
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at : at + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"


def right(secret: str, given: str, moment: float) -> bool:
    """A step early or late is right too: clocks differ."""
    return any(hmac.compare_digest(code(secret, moment + late * STEP), given) for late in (-1, 0, 1))
