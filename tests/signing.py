"""A person's half of signing in: the signature that the page makes, and every way to make it wrong.

Written from AWS's description of Signature Version 4, and shared with nothing in the product.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

BODY = "Action=GetCallerIdentity&Version=2011-06-15"


@dataclass(frozen=True)
class Key:
    """An access key, as IAM gave it."""

    id: str
    secret: str
    token: str = ""


def sign(
    asked: Mapping[str, str],
    key: Key,
    *,
    method: str = "POST",
    path: str = "/",
    query: str = "",
    body: str = BODY,
    service: str = "sts",
    headers: Mapping[str, str | None] | None = None,
    **instead: str,
) -> str:
    """The signature over what the server asked for. ``instead`` replaces what it asked (nonce, date, host,
    region, serverId); ``headers`` adds one, or takes one away with None."""
    asked = {**asked, **instead}
    signed: dict[str, str | None] = {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "host": asked["host"],
        "x-amz-date": asked["date"],
        "x-cognito-admin-nonce": asked["nonce"],
        "x-cognito-admin-server-id": asked["serverId"],
        "x-amz-security-token": key.token or None,
        **(headers or {}),
    }
    kept = sorted((name, value) for name, value in signed.items() if value is not None)
    request = "\n".join(
        [
            method,
            path,
            query,
            "".join(f"{name}:{value}\n" for name, value in kept),
            ";".join(name for name, _ in kept),
            hashlib.sha256(body.encode()).hexdigest(),
        ]
    )
    day = asked["date"][:8]
    scope = (day, asked["region"], service, "aws4_request")
    text = "\n".join(
        ["AWS4-HMAC-SHA256", asked["date"], "/".join(scope), hashlib.sha256(request.encode()).hexdigest()]
    )
    derived = ("AWS4" + key.secret).encode()
    for step in scope:
        derived = hmac.digest(derived, step.encode(), "sha256")
    return hmac.new(derived, text.encode(), "sha256").hexdigest()
