"""What a user looked like when somebody decided about them, to tell whether they changed since."""

from __future__ import annotations

import hashlib

import orjson

from backups.core.snapshot import User, in_utc


def fingerprint(user: User) -> str:
    """64 hex digits over all that an update could write over, and when it was changed last.

    The same from a list of users as from a look at one of them; groups are not in it.
    """
    held = [
        user.username,
        sorted(user.attributes.items()),
        user.enabled,
        user.status,
        in_utc(user.modified),
    ]
    return hashlib.sha256(orjson.dumps(held)).hexdigest()
