"""Signing in with a password, and what may be asked on the way: a new password, a second factor.

A sign-in leaves no mark on the user: no date, no status, nothing that a list shows. Only a temporary
password that is replaced does, and authentication events and sessions where the pool keeps them.
"""

from __future__ import annotations

import hmac
from typing import Any

import orjson

from tests.standin import applications, codes, events, mail, policy, tokens, totp, triggers
from tests.standin import attributes as rules
from tests.standin.applications import SAME_FLOW, Application
from tests.standin.errors import Refused, invalid, no_user, not_authorized
from tests.standin.operations import Answer, Asked, operation
from tests.standin.state import Call, Challenge, Pool
from tests.standin.users import User

INCORRECT = "Incorrect username or password."
PREFIX = "userAttributes."  # of the attributes that come with a new password
CODES = {  # challenge -> the member that answers it
    "SMS_MFA": "SMS_MFA_CODE",
    "EMAIL_OTP": "EMAIL_OTP_CODE",
    "SOFTWARE_TOKEN_MFA": "SOFTWARE_TOKEN_MFA_CODE",
}


# asked for


@operation("AdminInitiateAuth", active=True)
def admin_initiate_auth(call: Call, asked: Asked) -> Answer:
    application = applications.find(call, asked["ClientId"], pool_id=asked["UserPoolId"])
    flow = str(SAME_FLOW.get(asked["AuthFlow"], asked["AuthFlow"]))
    if flow == "USER_PASSWORD_AUTH":
        raise invalid("Initiate Auth method not supported.")
    return _initiate(call, application, flow, asked)


@operation("InitiateAuth", active=True)
def initiate_auth(call: Call, asked: Asked) -> Answer:
    application = applications.find(call, asked["ClientId"])
    flow = str(SAME_FLOW.get(asked["AuthFlow"], asked["AuthFlow"]))
    if flow == "ADMIN_USER_PASSWORD_AUTH":
        raise invalid("Initiate Auth method not supported.")
    return _initiate(call, application, flow, asked)


def _initiate(call: Call, application: Application, flow: str, asked: Asked) -> Answer:
    application.check_flow(flow)
    told = asked.get("AuthParameters") or {}
    if flow == "REFRESH_TOKEN_AUTH":
        found = tokens.bearer(call, _needed(told, "REFRESH_TOKEN"), "refresh")
        application.check_hash(told.get("USERNAME", found.user.username), told.get("SECRET_HASH"))
        return refreshed(call, application, found)
    if flow not in ("USER_PASSWORD_AUTH", "ADMIN_USER_PASSWORD_AUTH"):
        raise Refused("UnsupportedOperationException", f"{flow} is not spoken here.")
    username, password = _needed(told, "USERNAME"), _needed(told, "PASSWORD")
    application.check_hash(username, told.get("SECRET_HASH"))
    user = _who(call, application, username, password)
    if user.status == "FORCE_CHANGE_PASSWORD":
        if call.now > user.temporary_until:
            raise not_authorized("Temporary password has expired and must be reset by an administrator.")
        return _new_password_required(call, application, user)
    return _second_factor(call, application, user, "TokenGeneration_Authentication")


def _who(call: Call, application: Application, username: str, password: str) -> User:
    """Whoever knows the password. A user is billed as active, and noted in the books, from then on."""
    pool = application.pool
    user = pool.users.find(username)
    if user is None:
        raise no_user() if application.tells else not_authorized(INCORRECT)
    triggers.fire(call, pool, user.sub, "PreAuthentication", "PreAuthentication_Authentication")
    reset = user.status == "RESET_REQUIRED"  # there is no password to compare with
    known = bool(user.password) and hmac.compare_digest(user.password.encode(), password.encode())
    if not known and not reset:
        events.note(call, pool, user, "SignIn", "Fail")
        raise not_authorized(INCORRECT)
    call.trace["sub"] = user.sub
    if not user.enabled:
        raise not_authorized("User is disabled.")
    if reset:
        raise Refused("PasswordResetRequiredException", "Password reset required for the user")
    if user.status == "UNCONFIRMED":
        raise Refused("UserNotConfirmedException", "User is not confirmed.")
    return user


def refreshed(call: Call, application: Application, found: tokens.Bearer) -> Answer:
    if found.application.id != application.id:
        raise not_authorized("Invalid Refresh Token")
    return {"ChallengeParameters": {}, "AuthenticationResult": tokens.renew(call, found)}


def _needed(told: dict[str, str], name: str) -> str:
    if not told.get(name):
        raise invalid(f"Missing required parameter {name}")
    return told[name]


# challenges


def _challenge(
    call: Call, application: Application, user: User, name: str, parameters: dict[str, str]
) -> dict[str, Any]:
    pool = application.pool
    session = f"{pool.id}.{call.state.letters(60)}"  # names its pool as a token does
    minutes = application.client.get("AuthSessionValidity") or 3
    until = call.now + 60 * minutes
    call.state.challenges[session] = Challenge(name, pool.id, application.id, user.sub, until)
    events.note(call, pool, user, "SignIn", "InProgress")
    return {
        "ChallengeName": name,
        "Session": session,
        "ChallengeParameters": {"USER_ID_FOR_SRP": user.username, **parameters},
    }


def _new_password_required(call: Call, application: Application, user: User) -> Answer:
    attributes = {name: value for name, value in user.attributes.items() if application.readable(name)}
    parameters = {
        "requiredAttributes": orjson.dumps(
            [PREFIX + name for name in _missing(application.pool, user.attributes)]
        ).decode(),
        "userAttributes": orjson.dumps(attributes).decode(),
    }
    return _challenge(call, application, user, "NEW_PASSWORD_REQUIRED", parameters)


def _missing(pool: Pool, attributes: dict[str, str]) -> list[str]:
    required = (name for name, told in pool.schema.items() if told.get("Required") and name != "sub")
    return [name for name in required if not attributes.get(name)]


def _second_factor(call: Call, application: Application, user: User, source: str) -> Answer:
    """Ask for one where the user has it, or let the user in. Of several the preferred one, or the first."""
    pool = application.pool
    mode = pool.settings.get("MfaConfiguration", "OFF")
    name = "" if mode == "OFF" else user.preferred_mfa or next(iter(user.mfa), "")
    if mode == "ON" and not name:
        by_sms = pool.settings.get("SmsConfiguration") and user.attributes.get("phone_number")
        name = "SMS_MFA" if by_sms else "MFA_SETUP"
    if not name:
        return _signed_in(call, application, user, source)
    parameters = {}
    if name == "MFA_SETUP":
        parameters = {"MFAS_CAN_SETUP": '["SOFTWARE_TOKEN_MFA"]'}
    elif name != "SOFTWARE_TOKEN_MFA":
        triggers.fire(call, pool, user.sub, "CustomMessage", "CustomMessage_Authentication")
        kind = "phone_number" if name == "SMS_MFA" else "email"
        details = mail.code_to(call, pool, user, name, kind)
        parameters = {
            "CODE_DELIVERY_DELIVERY_MEDIUM": details["DeliveryMedium"],
            "CODE_DELIVERY_DESTINATION": details["Destination"],
        }
    return _challenge(call, application, user, name, parameters)


def _signed_in(call: Call, application: Application, user: User, source: str) -> Answer:
    pool = application.pool
    events.note(call, pool, user, "SignIn")
    result = tokens.sign_in(call, application, user, source)
    triggers.fire(call, pool, user.sub, "PostAuthentication", "PostAuthentication_Authentication")
    return {"ChallengeParameters": {}, "AuthenticationResult": result}


# answered


@operation("AdminRespondToAuthChallenge", active=True)
def admin_respond_to_auth_challenge(call: Call, asked: Asked) -> Answer:
    return _respond(call, applications.find(call, asked["ClientId"], pool_id=asked["UserPoolId"]), asked)


@operation("RespondToAuthChallenge", active=True)
def respond_to_auth_challenge(call: Call, asked: Asked) -> Answer:
    return _respond(call, applications.find(call, asked["ClientId"]), asked)


def _respond(call: Call, application: Application, asked: Asked) -> Answer:
    """A wrong answer may be corrected; a right one uses up its session."""
    told = asked.get("ChallengeResponses") or {}
    session = asked.get("Session") or ""
    if not session:
        raise invalid("Missing required parameter Session")
    user = challenged(call, application, session, asked["ChallengeName"])
    application.check_hash(_needed(told, "USERNAME"), told.get("SECRET_HASH"))
    if application.pool.users.find(told["USERNAME"]) is not user:
        raise not_authorized("Invalid session for the user.")
    if not user.enabled:
        raise not_authorized("User is disabled.")
    if asked["ChallengeName"] == "NEW_PASSWORD_REQUIRED":
        _new_password(call, application, user, told)
        del call.state.challenges[session]
        return _second_factor(call, application, user, "TokenGeneration_NewPasswordChallenge")
    if asked["ChallengeName"] == "MFA_SETUP":
        if not user.totp:
            raise invalid("User has not verified software token mfa")
        user.mfa, user.preferred_mfa = ("SOFTWARE_TOKEN_MFA",), "SOFTWARE_TOKEN_MFA"
    else:
        _check_code(call, user, asked["ChallengeName"], told)
    del call.state.challenges[session]
    return _signed_in(call, application, user, "TokenGeneration_Authentication")


def challenged(call: Call, application: Application | None, session: str, name: str) -> User:
    """Who was asked this, by this application or (None) by any."""
    challenge = call.state.challenges.get(session)
    if challenge is None or call.now > challenge.until:
        call.state.challenges.pop(session, None)
        raise not_authorized("Invalid session for the user, session is expired.")
    pool = call.pool(challenge.pool)
    if challenge.name != name or (application and application.id != challenge.client):
        raise not_authorized("Invalid session for the user.")
    user = pool.users.by_sub.get(challenge.sub)
    if user is None:
        raise no_user()
    call.trace["sub"] = user.sub
    return user


def _check_code(call: Call, user: User, name: str, told: dict[str, str]) -> None:
    given = _needed(told, CODES.get(name, "ANSWER"))
    if name == "SOFTWARE_TOKEN_MFA":
        if not totp.right(user.secret, given, call.now):
            raise Refused("CodeMismatchException", "Invalid code received for user")
    else:
        codes.take(call, user, given)


def _new_password(call: Call, application: Application, user: User, told: dict[str, str]) -> None:
    """The one change that a sign-in makes: FORCE_CHANGE_PASSWORD becomes CONFIRMED."""
    pool = call.pool(application.pool.id, writes=True)
    policy.check_password(pool, _needed(told, "NEW_PASSWORD"))
    given = {name.removeprefix(PREFIX): value for name, value in told.items() if name.startswith(PREFIX)}
    for kind in ("email", "phone_number"):
        if kind in given and user.attributes.get(kind):
            raise invalid(f"Cannot modify an already provided {kind}")
    application.check_writable(list(given))
    rules.check(pool, given, creating=False)
    attributes = {**user.attributes, **given}
    for name in _missing(pool, attributes):
        raise invalid(f"Invalid attributes given, {name} is missing")
    values = {"attributes": attributes} if given else {}
    call.change(pool, user, status="CONFIRMED", password=told["NEW_PASSWORD"], temporary_until=0.0, **values)
