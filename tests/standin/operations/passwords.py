"""Passwords: set by an administrator, forgotten, changed; and what that makes of a user's status."""

from __future__ import annotations

from tests.standin import applications, codes, events, policy, tokens, triggers
from tests.standin.errors import Refused, not_authorized
from tests.standin.operations import Answer, Asked, operation
from tests.standin.state import Call
from tests.standin.users import User

NOT_NOW = "User password cannot be reset in the current state."
RECOVERS = ("CONFIRMED", "RESET_REQUIRED", "UNCONFIRMED")  # by "forgot password", given a verified address


# by an administrator


@operation("AdminSetUserPassword", active=True)
def admin_set_user_password(call: Call, asked: Asked) -> Answer:
    """A permanent one confirms whoever it is, somebody from an identity provider too [M]."""
    pool = call.pool(asked["UserPoolId"], writes=True)
    user = call.user(pool, asked["Username"])
    password = asked["Password"]
    policy.check_password(pool, password)
    if asked.get("Permanent"):
        call.change(pool, user, status="CONFIRMED", password=password, temporary_until=0.0)
    else:
        until = policy.temporary_until(call, pool)
        call.change(pool, user, status="FORCE_CHANGE_PASSWORD", password=password, temporary_until=until)
    return {}


@operation("AdminResetUserPassword")
def admin_reset_user_password(call: Call, asked: Asked) -> Answer:
    """The status changes although the code may not be sent: "sets …, and sends" [M]."""
    pool = call.pool(asked["UserPoolId"], writes=True)
    user = call.user(pool, asked["Username"])
    _check_enabled(user)
    if user.status not in ("CONFIRMED", "RESET_REQUIRED"):
        raise not_authorized(NOT_NOW)
    codes.recovery_kind(pool, user)
    call.change(pool, user, status="RESET_REQUIRED")
    codes.recovery(call, pool, user)
    return {}


@operation("AdminConfirmSignUp", active=True)
def admin_confirm_sign_up(call: Call, asked: Asked) -> Answer:
    """Only of somebody who signed up. No address becomes verified by it."""
    pool = call.pool(asked["UserPoolId"], writes=True)
    user = call.user(pool, asked["Username"])
    check_unconfirmed(user)
    call.change(pool, user, status="CONFIRMED")
    triggers.fire(call, pool, user.sub, "PostConfirmation", "PostConfirmation_ConfirmSignUp")
    return {}


def check_unconfirmed(user: User) -> None:
    if user.status != "UNCONFIRMED":
        raise not_authorized(f"User cannot be confirmed. Current status is {user.status}")


def _check_enabled(user: User) -> None:
    if not user.enabled:
        raise not_authorized("User is disabled.")


# by the user


@operation("ForgotPassword")
def forgot_password(call: Call, asked: Asked) -> Answer:
    """Who still has a temporary password cannot forget it [X]."""
    application = applications.find(call, asked["ClientId"], writes=True)
    application.check_hash(asked["Username"], asked.get("SecretHash"))
    user = application.user(call, asked["Username"], "Username/client id combination not found.")
    if user is None:
        return {"CodeDeliveryDetails": codes.simulated()}
    if user.status not in RECOVERS:
        raise not_authorized(NOT_NOW)
    try:
        _check_enabled(user)
        codes.recovery_kind(application.pool, user)
    except Refused:
        if application.tells:
            raise
        return {"CodeDeliveryDetails": codes.simulated()}
    details = codes.recovery(call, application.pool, user)
    events.note(call, application.pool, user, "ForgotPassword", "InProgress")
    return {"CodeDeliveryDetails": details}


@operation("ConfirmForgotPassword", active=True)
def confirm_forgot_password(call: Call, asked: Asked) -> Answer:
    """Confirms the user, and PostConfirmation runs, which it does not when an administrator confirms [T]."""
    application = applications.find(call, asked["ClientId"], writes=True)
    application.check_hash(asked["Username"], asked.get("SecretHash"))
    user = application.user(call, asked["Username"], "Username/client id combination not found.")
    if user is None:
        raise Refused("CodeMismatchException", "Invalid verification code provided, please try again.")
    pool = application.pool
    _check_enabled(user)
    if user.status not in RECOVERS:
        raise not_authorized(NOT_NOW)
    policy.check_password(pool, asked["Password"])
    if user.status == "UNCONFIRMED":
        codes.recovery_kind(pool, user)  # the code that it has is the one of signing up
    codes.take(call, user, asked["ConfirmationCode"])
    call.change(pool, user, status="CONFIRMED", password=asked["Password"], temporary_until=0.0)
    triggers.fire(call, pool, user.sub, "PostConfirmation", "PostConfirmation_ConfirmForgotPassword")
    events.note(call, pool, user, "ForgotPassword")
    return {}


@operation("ChangePassword", active=True)
def change_password(call: Call, asked: Asked) -> Answer:
    found = tokens.bearer(call, asked["AccessToken"], writes=True)
    if found.user.password != asked.get("PreviousPassword", ""):
        raise not_authorized("Incorrect username or password.")
    policy.check_password(found.pool, asked["ProposedPassword"])
    call.change(found.pool, found.user, password=asked["ProposedPassword"], temporary_until=0.0)
    events.note(call, found.pool, found.user, "PasswordChange")
    return {}
