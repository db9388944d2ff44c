"""What users do with their own accounts, by access token."""

from __future__ import annotations

from tests.standin import attributes as rules
from tests.standin import codes, tokens
from tests.standin.errors import Refused, invalid
from tests.standin.operations import Answer, Asked, operation, users
from tests.standin.state import Call


@operation("GetUser", active=True)
def get_user(call: Call, asked: Asked) -> Answer:
    """As far as the client may read."""
    found = tokens.bearer(call, asked["AccessToken"])
    user = found.user
    described = user.described("UserAttributes")
    listed = [one for one in described["UserAttributes"] if found.application.readable(one["Name"])]
    answer = {"Username": user.username, "UserAttributes": listed}
    if user.mfa:
        answer["UserMFASettingList"] = list(user.mfa)
    if user.preferred_mfa:
        answer["PreferredMfaSetting"] = user.preferred_mfa
    return answer


@operation("DeleteUser", active=True)
def delete_user(call: Call, asked: Asked) -> Answer:
    found = tokens.bearer(call, asked["AccessToken"], writes=True)
    users.delete(call, found.pool, found.user)
    return {}


@operation("UpdateUserAttributes", active=True)
def update_user_attributes(call: Call, asked: Asked) -> Answer:
    found = tokens.bearer(call, asked["AccessToken"], writes=True)
    given = rules.named(asked["UserAttributes"])
    found.application.check_writable(list(given))
    return {"CodeDeliveryDetailsList": users.update(call, found.pool, found.user, given)}


@operation("DeleteUserAttributes", active=True)
def delete_user_attributes(call: Call, asked: Asked) -> Answer:
    found = tokens.bearer(call, asked["AccessToken"], writes=True)
    found.application.check_writable(asked["UserAttributeNames"])
    users.delete_attributes(call, found.pool, found.user, asked["UserAttributeNames"])
    return {}


@operation("GetUserAttributeVerificationCode")
def get_user_attribute_verification_code(call: Call, asked: Asked) -> Answer:
    found = tokens.bearer(call, asked["AccessToken"], writes=True)
    kind = _address(found, asked["AttributeName"])
    source = "CustomMessage_VerifyUserAttribute"
    return {"CodeDeliveryDetails": codes.verification(call, found.pool, found.user, kind, source)}


@operation("VerifyUserAttribute", active=True)
def verify_user_attribute(call: Call, asked: Asked) -> Answer:
    found = tokens.bearer(call, asked["AccessToken"], writes=True)
    pool, user = found.pool, found.user
    kind = _address(found, asked["AttributeName"])
    owner = pool.users.owner(kind, user.attributes[kind])
    if owner and owner is not user:
        raise Refused("AliasExistsException", f"An account with the {kind} already exists.")
    codes.take(call, user, asked["Code"])
    call.change(pool, user, attributes={**user.attributes, f"{kind}_verified": "true"})
    return {}


def _address(found: tokens.Bearer, name: str) -> str:
    if name not in ("email", "phone_number"):
        raise invalid(f"Invalid attribute name: {name} cannot be verified.")
    if not found.user.attributes.get(name):
        raise invalid(f"User has no {name}.")
    return name
