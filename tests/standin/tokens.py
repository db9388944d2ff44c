"""Access, ID and refresh tokens: shaped like AWS's, so that a client can read what is in them.

    <header>.<claims>.<pool id>-<seal>

Nobody but us can check the seal: there are no public keys here. It names the pool in clear because an
application's call says of nothing else to which Region it goes. A session is what one sign-in made; all
its tokens die with it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import UUID

import orjson

from tests.standin import applications, triggers
from tests.standin.applications import Application
from tests.standin.errors import Refused, no_user, not_authorized
from tests.standin.state import Call, Pool
from tests.standin.users import User

SCOPE = "aws.cognito.signin.user.admin"
SESSIONS = 20  # that a user has at once, where they are tracked and nothing else is told [M]
NAMES = {"access": "Access Token", "refresh": "Refresh Token"}


@dataclass(frozen=True)
class Bearer:
    """Whose token it was."""

    application: Application
    user: User
    session: dict[str, Any]

    @property
    def pool(self) -> Pool:
        return self.application.pool


# given out


def sign_in(call: Call, application: Application, user: User, source: str) -> dict[str, Any]:
    """AuthenticationResult of a new session. ``source`` of PreTokenGeneration: TokenGeneration_…"""
    session = _session(call, application, user)
    result = _result(call, application, user, session, source)
    until = session["until"]
    result["RefreshToken"] = _sealed(call, application.pool, user, session, "refresh", {}, until)
    device = application.pool.settings.get("DeviceConfiguration")
    if device:
        key = f"{application.pool.region}_{_uuid(call)}"
        result["NewDeviceMetadata"] = {"DeviceKey": key, "DeviceGroupKey": f"-{call.state.letters(8)}"}
        session["device"] = key
    return result


def renew(call: Call, bearer: Bearer) -> dict[str, Any]:
    """AuthenticationResult for a refresh token: no other refresh token, the session goes on."""
    bearer.session["LastActiveDate"] = call.now
    source = "TokenGeneration_RefreshTokens"
    return _result(call, bearer.application, bearer.user, bearer.session, source)


def _session(call: Call, application: Application, user: User) -> dict[str, Any]:
    """A new one, with a place made for it where sessions are counted."""
    now, pool = call.now, application.pool
    letters = call.state.letters(25).lower()
    session = {
        "SessionId": f"tkn{letters}",
        "SessionType": "TOKEN",
        "ClientId": application.id,
        "CreateDate": now,
        "LastActiveDate": now,
        "LastIPAddress": "127.0.0.1",
        "until": now + application.seconds("RefreshToken"),
        "secret": call.state.letters(43),
        "tracked": tracked(pool),
        "revoked": False,
    }
    if tracked(pool):
        most = pool.config["session"].get("TokenSession", {}).get("MaxPerUser", SESSIONS)
        for oldest in sorted(live(call, user), key=lambda one: one["LastActiveDate"])[: -most + 1 or None]:
            oldest["revoked"] = True
    user.sessions = [one for one in user.sessions or () if one["until"] > now] + [session]
    return session


def tracked(pool: Pool) -> bool:
    """Whether its sessions can be listed and ended one by one."""
    return bool((pool.config.get("session") or {}).get("UserSessionTracking") == "ENABLED")


def live(call: Call, user: User) -> list[dict[str, Any]]:
    """Of the tracked ones, those whose tokens are still good."""
    return [
        one
        for one in user.sessions or ()
        if one["tracked"] and not _over(one, user) and one["until"] > call.now
    ]


def _over(session: dict[str, Any], user: User) -> bool:
    return bool(session["revoked"] or session["CreateDate"] <= user.revoked)


def _result(
    call: Call, application: Application, user: User, session: dict[str, Any], source: str
) -> dict[str, Any]:
    pool, now = application.pool, call.now
    names = ("PreTokenGeneration", "PreTokenGenerationConfig")  # an old one and a new one for the same
    triggers.fire(call, pool, user.sub, next((one for one in names if pool.trigger(one)), ""), source)
    groups = {"cognito:groups": sorted(user.groups)} if user.groups else {}
    about = {
        name: value == "true" if name in applications.VERIFIED else value
        for name, value in user.attributes.items()
        if application.readable(name)
    }
    ours: dict[str, Any] = {**groups, "auth_time": int(session["CreateDate"]), "event_id": _uuid(call)}
    identity = {**about, **ours, "aud": application.id, "cognito:username": user.username}
    access = {**ours, "client_id": application.id, "scope": SCOPE, "username": user.username}
    life = application.seconds("AccessToken")
    until = now + application.seconds("IdToken")
    return {
        "AccessToken": _sealed(call, pool, user, session, "access", access, now + life),
        "IdToken": _sealed(call, pool, user, session, "id", identity, until),
        "ExpiresIn": int(life),
        "TokenType": "Bearer",
    }


def _sealed(
    call: Call,
    pool: Pool,
    user: User,
    session: dict[str, Any],
    use: str,
    claims: dict[str, Any],
    until: float,
) -> str:
    told = {
        **claims,
        "sub": user.sub,
        "iss": f"https://cognito-idp.{pool.region}.amazonaws.com/{pool.id}",
        "origin_jti": session["SessionId"],
        "token_use": use,
        "exp": int(until),
        "iat": int(call.now),
        "jti": _uuid(call),
    }
    body = f"{_coded({'kid': 'standin', 'alg': 'none'})}.{_coded(told)}"
    return f"{body}.{_seal(pool, session, body)}"


def _seal(pool: Pool, session: dict[str, Any], body: str) -> str:
    """A multiple of four characters, so that who takes it for base64 can read it."""
    digest = hashlib.blake2b(body.encode(), key=session["secret"].encode(), digest_size=24).hexdigest()
    return f"{pool.id}-{digest}"[: -((len(pool.id) + 1) % 4) or None]


def _coded(told: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(told)).decode().rstrip("=")


def _uuid(call: Call) -> str:
    return str(UUID(int=call.state.dice.getrandbits(128), version=4))


# and taken back


def bearer(call: Call, token: str, use: str = "access", *, writes: bool = False) -> Bearer:
    """Who shows it. Raises NotAuthorizedException for one that is no good, as AWS words it.

    UserNotFoundException when the user is gone, PasswordResetRequiredException when an administrator
    has reset the password since.
    """
    body, _, seal = token.rpartition(".")
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(body.partition(".")[2] + "=="))
        pool_id, sub = claims["iss"].rpartition("/")[2], claims["sub"]
    except (ValueError, KeyError, TypeError):
        _bad(use)
    if pool_id not in call.region.pools or claims["token_use"] != use:
        _bad(use)
    pool = call.pool(pool_id, writes=writes)
    user = pool.users.by_sub.get(sub)
    if user is None:
        raise no_user()
    call.trace["sub"] = sub
    session = next((one for one in user.sessions or () if one["SessionId"] == claims["origin_jti"]), None)
    if session is None or not hmac.compare_digest(_seal(pool, session, body), seal):
        _bad(use)
    if _over(session, user):
        raise not_authorized(f"{NAMES[use]} has been revoked")
    if call.now > claims["exp"]:
        raise not_authorized(f"{NAMES[use]} has expired")
    if not user.enabled:
        raise not_authorized("User is disabled.")
    if user.status == "RESET_REQUIRED":
        raise Refused("PasswordResetRequiredException", "Password reset required for the user")
    application = applications.find(call, session["ClientId"], pool_id=pool.id)
    return Bearer(application, user, session)


def _bad(use: str) -> NoReturn:
    raise not_authorized(f"Invalid {NAMES[use]}")


def person(call: Call, asked: dict[str, Any], *, writes: bool = False) -> tuple[Pool, User]:
    """Whom a call is about: named by an administrator, or the one whose access token it is."""
    if "AccessToken" in asked:
        found = bearer(call, asked["AccessToken"], writes=writes)
        return found.pool, found.user
    pool = call.pool(asked["UserPoolId"], writes=writes)
    return pool, call.user(pool, asked["Username"])
