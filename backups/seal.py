"""What SEAL_KEY does: the HMAC over a manifest and a check, and the sealing of secrets in pool.json.

The HMAC tells whether a backup is ours. The secrets of app clients and identity
providers are encrypted with AES-256-GCM under a key of their own, derived from
SEAL_KEY: whoever can read the bucket cannot read them, and none can be moved to
another backup, pool or place. docs/format.md has the bytes.
"""

from __future__ import annotations

import base64
import os
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from backups.core import naming
from backups.core.files import hmac_of
from backups.core.sealed import Transform

SECRETS = "cognito-admin secrets v1"
FIRST = "v1:"  # how it was sealed; a change of it is another version
NONCE, TAG = 12, 16  # bytes, of AES-GCM


class CannotOpen(ValueError):
    """A sealed secret stays sealed; the message says why and what to do, and is fit for a page."""


def seal(data: bytes) -> str:
    """HMAC-SHA256 as hex; "" without a key."""
    key: str = settings.SEAL_KEY
    return hmac_of(_key(key), data) if key else ""


def sealer(backup: str, pool_id: str) -> Transform | None:
    """Seals the secrets of one backup (its key in the bucket) of one pool; None where they are left out."""
    key: str = settings.SEAL_KEY
    if not key or not settings.SEAL_SECRETS:
        return None

    def put(text: str, place: str) -> str:
        nonce = os.urandom(NONCE)
        sealed = AESGCM(_secrets_key(key)).encrypt(nonce, text.encode(), _where(backup, pool_id, place))
        return FIRST + base64.b64encode(nonce + sealed).decode()

    return put


def opener(backup: str, pool_id: str) -> Transform:
    """Opens what ``sealer`` sealed for the same backup and pool. Raises CannotOpen."""
    key: str = settings.SEAL_KEY

    def take(sealed: str, place: str) -> str:
        if not key:
            raise CannotOpen(
                f"The secret at {place} stays sealed: SEAL_KEY is not set. Set it as it was when the backup "
                "was made."
            )
        if not sealed.startswith(FIRST):
            raise CannotOpen(
                f"The secret at {place} stays sealed: it was sealed in a way that this program does not know."
            )
        try:
            data = base64.b64decode(sealed.removeprefix(FIRST), validate=True)
            if len(data) < NONCE + TAG:
                raise ValueError
        except ValueError:
            raise CannotOpen(f"The secret at {place} stays sealed: its text is cut or damaged.") from None
        try:
            opened = AESGCM(_secrets_key(key)).decrypt(
                data[:NONCE], data[NONCE:], _where(backup, pool_id, place)
            )
        except InvalidTag:
            raise CannotOpen(
                f"The secret at {place} stays sealed: SEAL_KEY is not the one of this backup, or the secret "
                "was changed or moved here from elsewhere. Set the key as it was when the backup was made, "
                "or enter the secret by hand."
            ) from None
        return opened.decode()

    return take


def _key(key: str) -> bytes:
    return f"cognito-admin manifest v1\n{key}".encode()


@cache
def _secrets_key(key: str) -> bytes:
    """The HMAC's key is another one: what is learnt of one of them says nothing of the other."""
    return HKDF(SHA256(), length=32, salt=None, info=SECRETS.encode()).derive(key.encode())


def _where(backup: str, pool_id: str, place: str) -> bytes:
    """A kept copy is the same backup: its own place in the bucket is not in it."""
    return "\0".join((SECRETS, backup.removeprefix(naming.KEPT), pool_id, place)).encode()
