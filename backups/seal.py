"""The HMAC over a manifest: whether a backup is ours. Without SEAL_KEY nothing is."""

from __future__ import annotations

import hmac

from django.conf import settings

from backups.core.files import hmac_of


def seal(data: bytes) -> str:
    """HMAC-SHA256 as hex; "" without a key."""
    key: str = settings.SEAL_KEY
    return hmac_of(_key(key), data) if key else ""


def holds(data: bytes, seal: str) -> bool:
    """Whether ``seal`` is ours over ``data``."""
    key: str = settings.SEAL_KEY
    return bool(key and seal) and hmac.compare_digest(hmac_of(_key(key), data), seal)


def _key(key: str) -> bytes:
    return f"cognito-admin manifest v1\n{key}".encode()
