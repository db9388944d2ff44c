"""People who register by themselves, and the code that proves their address."""

from __future__ import annotations

from tests.standin import applications, codes, events, policy, triggers
from tests.standin import attributes as rules
from tests.standin.errors import Refused, invalid, not_authorized
from tests.standin.operations import Answer, Asked, operation
from tests.standin.operations.passwords import check_unconfirmed
from tests.standin.operations.users import new_user
from tests.standin.state import Call, Pool

NOBODY = "Username/client id combination not found."
EXPIRED = "Invalid code provided, please request a code again."


@operation("SignUp", active=True)
def sign_up(call: Call, asked: Asked) -> Answer:
    """UNCONFIRMED until the code comes back. Who cannot be mailed is left in the pool."""
    application = applications.find(call, asked["ClientId"], writes=True)
    pool, username = application.pool, asked["Username"]
    application.check_hash(username, asked.get("SecretHash"))
    if (pool.settings.get("AdminCreateUserConfig") or {}).get("AllowAdminCreateUserOnly"):
        raise not_authorized("SignUp is not permitted for this user pool")
    if not asked.get("Password"):
        raise invalid("Password is required.")
    policy.check_password(pool, asked["Password"])
    given = rules.named(asked.get("UserAttributes"))
    application.check_writable(list(given))
    user = new_user(call, pool, username, given, creating_for="SignUp")
    _check_required(pool, user.attributes)
    triggers.presignup(call, pool, username, "PreSignUp_SignUp")
    for kind in ("email", "phone_number"):
        if user.attributes.get(kind):
            user.attributes[f"{kind}_verified"] = "false"
    user.password = asked["Password"]
    call.trace["sub"] = user.sub
    pool.users.add(user, lag_from=call.lag_from)
    events.note(call, pool, user, "SignUp", "InProgress")
    answer: dict[str, object] = {"UserConfirmed": False, "UserSub": user.sub}
    kind = codes.to_verify(pool, user.attributes)
    if kind:
        answer["CodeDeliveryDetails"] = codes.verification(call, pool, user, kind, "CustomMessage_SignUp")
    return answer


def _check_required(pool: Pool, attributes: dict[str, str]) -> None:
    """Unlike AdminCreateUser, who registers must bring them all."""
    missing = [
        f"{name}: The attribute is required\n"
        for name, told in pool.schema.items()
        if told.get("Required") and name != "sub" and not attributes.get(name)
    ]
    if missing:
        raise invalid("Attributes did not conform to the schema: " + "".join(missing))


@operation("ConfirmSignUp", active=True)
def confirm_sign_up(call: Call, asked: Asked) -> Answer:
    application = applications.find(call, asked["ClientId"], writes=True)
    pool = application.pool
    application.check_hash(asked["Username"], asked.get("SecretHash"))
    user = application.user(call, asked["Username"], NOBODY)
    if user is None:
        raise Refused("ExpiredCodeException", EXPIRED)
    check_unconfirmed(user)
    if not user.enabled:
        raise not_authorized("User is disabled.")
    kind = codes.to_verify(pool, user.attributes)
    if not kind:
        raise Refused("ExpiredCodeException", EXPIRED)
    owner = pool.users.owner(kind, user.attributes.get(kind, ""))
    if owner and owner is not user and not asked.get("ForceAliasCreation"):
        raise Refused("AliasExistsException", f"An account with the {kind} already exists.")
    codes.take(call, user, asked["ConfirmationCode"])
    if owner and owner is not user:
        call.change(pool, owner, attributes={**owner.attributes, f"{kind}_verified": "false"})
    call.change(pool, user, status="CONFIRMED", attributes={**user.attributes, f"{kind}_verified": "true"})
    triggers.fire(call, pool, user.sub, "PostConfirmation", "PostConfirmation_ConfirmSignUp")
    events.note(call, pool, user, "SignUp")
    return {}


@operation("ResendConfirmationCode")
def resend_confirmation_code(call: Call, asked: Asked) -> Answer:
    application = applications.find(call, asked["ClientId"], writes=True)
    pool = application.pool
    application.check_hash(asked["Username"], asked.get("SecretHash"))
    user = application.user(call, asked["Username"], NOBODY)
    if user is None or (not user.enabled and not application.tells):
        return {"CodeDeliveryDetails": codes.simulated()}
    if not user.enabled:
        raise not_authorized("User is disabled.")
    if user.status != "UNCONFIRMED":
        raise invalid("User is already confirmed.")
    kind = codes.to_verify(pool, user.attributes)
    if not kind:
        raise not_authorized("Auto verification not turned on.")
    details = codes.verification(call, pool, user, kind, "CustomMessage_ResendCode")
    events.note(call, pool, user, "ResendCode", "InProgress")
    return {"CodeDeliveryDetails": details}
