"""What is left of a sign-in: tokens to renew or revoke, sessions and events where the pool keeps them."""

from __future__ import annotations

from typing import Any

from tests.standin import applications, events, paging, tokens
from tests.standin.errors import Refused, gone, invalid
from tests.standin.operations import Answer, Asked, operation
from tests.standin.operations.signing_in import refreshed
from tests.standin.state import Call, Pool
from tests.standin.users import User

SHOWN = ("SessionId", "SessionType", "ClientId", "CreateDate", "LastActiveDate", "LastIPAddress")


# tokens


@operation("GetTokensFromRefreshToken", active=True)
def get_tokens_from_refresh_token(call: Call, asked: Asked) -> Answer:
    application = applications.find(call, asked["ClientId"])
    application.check_secret(asked.get("ClientSecret"))
    found = tokens.bearer(call, asked["RefreshToken"], "refresh")
    answer = refreshed(call, application, found)
    assert isinstance(answer, dict)
    return {"AuthenticationResult": answer["AuthenticationResult"]}


@operation("RevokeToken")
def revoke_token(call: Call, asked: Asked) -> Answer:
    """A refresh token, and with it all that came of the same sign-in."""
    application = applications.find(call, asked["ClientId"])
    if not application.knows(asked.get("ClientSecret")):
        raise Refused("UnauthorizedException", "Invalid client secret.")
    if application.client.get("EnableTokenRevocation") is False:
        raise Refused("UnsupportedOperationException", "Token revocation is not enabled for this client.")
    try:
        found = tokens.bearer(call, asked["Token"], "refresh")
    except Refused as refused:
        if refused.message == "Invalid Refresh Token":
            raise Refused("UnsupportedTokenTypeException", "Only refresh tokens can be revoked.") from None
        raise
    if found.application.id != application.id:
        raise Refused("UnauthorizedException", "The token is another client's.")
    found.session["revoked"] = True
    return {}


@operation("GlobalSignOut")
@operation("AdminUserGlobalSignOut")
def global_sign_out(call: Call, asked: Asked) -> Answer:
    _, user = tokens.person(call, asked)
    user.revoked = call.now
    return {}


# sessions


@operation("AdminListUserSessions")
def admin_list_user_sessions(call: Call, asked: Asked) -> Answer:
    """All of them at once; those that began while nothing was tracked are not there."""
    pool = call.pool(asked["UserPoolId"])
    user = call.user(pool, asked["Username"])
    return {"Sessions": [_described(one) for one in _sessions(call, pool, user)]}


@operation("ListUserSessions")
def list_user_sessions(call: Call, asked: Asked) -> Answer:
    found = tokens.bearer(call, asked["AccessToken"])
    listed = _sessions(call, found.pool, found.user)
    return {"Sessions": [{**_described(one), "IsCurrentSession": one is found.session} for one in listed]}


@operation("AdminRevokeUserSession")
def admin_revoke_user_session(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"])
    user = call.user(pool, asked["Username"])
    _revoke(_sessions(call, pool, user), asked["SessionId"])
    return {}


@operation("RevokeUserSession")
def revoke_user_session(call: Call, asked: Asked) -> Answer:
    found = tokens.bearer(call, asked["AccessToken"])
    if asked["SessionId"] == found.session["SessionId"]:
        raise invalid("The current session cannot be revoked.")
    _revoke(_sessions(call, found.pool, found.user), asked["SessionId"])
    return {}


def _sessions(call: Call, pool: Pool, user: User) -> list[dict[str, Any]]:
    if not tokens.tracked(pool):
        raise invalid("Session tracking is not enabled for this user pool.")
    return tokens.live(call, user)


def _described(session: dict[str, Any]) -> dict[str, Any]:
    return {name: session[name] for name in SHOWN}


def _revoke(sessions: list[dict[str, Any]], session_id: str) -> None:
    for session in sessions:
        if session["SessionId"] == session_id:
            session["revoked"] = True
            return
    raise gone("Session does not exist.")


# events


@operation("AdminListUserAuthEvents")
def admin_list_user_auth_events(call: Call, asked: Asked) -> Answer:
    """The latest first."""
    pool = call.pool(asked["UserPoolId"])
    user = call.user(pool, asked["Username"])
    if not events.kept(pool):
        raise Refused(
            "UserPoolAddOnNotEnabledException", "Threat protection is not enabled for the user pool."
        )
    noted = user.events or []
    names = [f"{10**9 - number:010d}" for number in range(len(noted) - 1, -1, -1)]
    bound = f"{pool.id} {user.sub}"
    page, token = paging.page(call, names, asked, limit="MaxResults", token="NextToken", bound=bound)
    return {"AuthEvents": [noted[10**9 - int(name)] for name in page], **token}
