"""Codes that users get by mail or SMS. The last one that was sent is the only one that is good."""

from __future__ import annotations

from tests.standin import mail, triggers
from tests.standin.errors import Refused, invalid, not_authorized
from tests.standin.state import Call, Pool
from tests.standin.users import User

DAY = 86_400.0
KINDS = {"verified_email": "email", "verified_phone_number": "phone_number"}


def take(call: Call, user: User, code: str) -> None:
    """Spend it. Raises ExpiredCodeException, or CodeMismatchException after which it is still good."""
    if not user.code or call.now > user.code_until:
        raise Refused("ExpiredCodeException", "Invalid code provided, please request a code again.")
    if user.code != code:
        raise Refused("CodeMismatchException", "Invalid verification code provided, please try again.")
    user.code = ""


def verification(call: Call, pool: Pool, user: User, kind: str, source: str) -> dict[str, str]:
    """One to an address that shall be verified: good for a day. ``source``: CustomMessage_…"""
    triggers.fire(call, pool, user.sub, "CustomMessage", source)
    details = mail.code_to(call, pool, user, call.operation, kind)
    user.code_until = call.now + DAY
    return details


def recovery(call: Call, pool: Pool, user: User) -> dict[str, str]:
    """One to the address by which the pool recovers this account."""
    kind = recovery_kind(pool, user)
    triggers.fire(call, pool, user.sub, "CustomMessage", "CustomMessage_ForgotPassword")
    return mail.code_to(call, pool, user, call.operation, kind)


def recovery_kind(pool: Pool, user: User) -> str:
    """email or phone_number: the first verified one by the pool's order. Raises where there is none."""
    setting = pool.settings.get("AccountRecoverySetting") or {}
    mechanisms = sorted(setting.get("RecoveryMechanisms") or (), key=lambda one: one["Priority"])
    if [one["Name"] for one in mechanisms] == ["admin_only"]:
        raise not_authorized("Contact administrator to reset password.")
    for kind in [KINDS[one["Name"]] for one in mechanisms if one["Name"] in KINDS] or KINDS.values():
        if user.attributes.get(kind) and user.attributes.get(f"{kind}_verified") == "true":
            return kind
    raise invalid(
        "Cannot reset password for the user as there is no registered/verified email or phone_number"
    )


def to_verify(pool: Pool, attributes: dict[str, str]) -> str:
    """Which address the pool verifies by itself at sign-up: the telephone first; "" for none."""
    automatic = pool.settings.get("AutoVerifiedAttributes") or ()
    return next((k for k in ("phone_number", "email") if k in automatic and attributes.get(k)), "")


def simulated() -> dict[str, str]:
    """What is said of a code that was sent to nobody (PreventUserExistenceErrors)."""
    return {"Destination": "a***@e***", "DeliveryMedium": "EMAIL", "AttributeName": "email"}
