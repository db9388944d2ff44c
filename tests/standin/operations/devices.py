"""Second factors and remembered devices."""

from __future__ import annotations

from typing import Any

from tests.standin import paging, tokens, totp
from tests.standin.errors import Refused, gone, invalid, not_authorized
from tests.standin.operations import Answer, Asked, operation
from tests.standin.operations.signing_in import challenged
from tests.standin.state import Call, Pool
from tests.standin.users import User

FACTORS = {  # in the request -> in what is answered
    "SMSMfaSettings": "SMS_MFA",
    "SoftwareTokenMfaSettings": "SOFTWARE_TOKEN_MFA",
    "EmailMfaSettings": "EMAIL_OTP",
}
NO_SUCH_DEVICE = "Device does not exist."


# factors


@operation("SetUserMFAPreference")
@operation("AdminSetUserMFAPreference")
def set_user_mfa_preference(call: Call, asked: Asked) -> Answer:
    """What is not told stays. Enabled needs an address, or a token that was verified [M, P]."""
    pool, user = tokens.person(call, asked, writes=True)
    told = {factor: asked[member] for member, factor in FACTORS.items() if asked.get(member)}
    for factor, setting in told.items():
        if setting.get("Enabled"):
            _check_has(pool, user, factor)
        elif setting.get("PreferredMfa"):
            raise invalid(f"{factor} cannot be preferred without being enabled.")
    preferred = [factor for factor, setting in told.items() if setting.get("PreferredMfa")]
    if len(preferred) > 1:
        raise invalid("Only one factor can be set as preferred.")
    user.mfa = tuple(
        factor
        for factor in FACTORS.values()
        if (told[factor].get("Enabled", False) if factor in told else factor in user.mfa)
    )
    kept = user.preferred_mfa if user.preferred_mfa in user.mfa and user.preferred_mfa not in told else ""
    user.preferred_mfa = preferred[0] if preferred else kept
    return {}


def _check_has(pool: Pool, user: User, factor: str) -> None:
    if factor == "SOFTWARE_TOKEN_MFA" and not user.totp:
        raise invalid("User has not verified software token mfa")
    if factor == "SMS_MFA" and not user.attributes.get("phone_number"):
        raise invalid("User does not have delivery config set to turn on SMS_MFA")
    if factor == "EMAIL_OTP":
        if pool.settings.get("UserPoolTier") == "LITE":
            raise invalid("Email MFA is not available in the Lite feature plan.")
        if not user.attributes.get("email"):
            raise invalid("User does not have delivery config set to turn on EMAIL_OTP")


@operation("SetUserSettings")
@operation("AdminSetUserSettings")
def set_user_settings(call: Call, asked: Asked) -> Answer:
    """The old way to set SMS as the second factor; nothing else can be told by it [M]."""
    pool, user = tokens.person(call, asked, writes=True)
    if asked["MFAOptions"]:
        _check_has(pool, user, "SMS_MFA")
    others = tuple(factor for factor in user.mfa if factor != "SMS_MFA")
    user.mfa = ("SMS_MFA", *others) if asked["MFAOptions"] else others
    user.preferred_mfa = user.preferred_mfa if user.preferred_mfa in user.mfa else ""
    return {}


@operation("GetUserAuthFactors", active=True)
@operation("AdminGetUserAuthFactors")
def get_user_auth_factors(call: Call, asked: Asked) -> Answer:
    pool, user = tokens.person(call, asked)
    first = (pool.settings.get("Policies") or {}).get("SignInPolicy") or {}
    allowed = first.get("AllowedFirstAuthFactors") or ["PASSWORD"]
    has = {
        "PASSWORD": bool(user.password),
        "EMAIL_OTP": user.attributes.get("email_verified") == "true",
        "SMS_OTP": user.attributes.get("phone_number_verified") == "true",
    }
    answer: dict[str, Any] = {
        "Username": user.username,
        "UserMFASettingList": list(user.mfa),
        "ConfiguredUserAuthFactors": [factor for factor in allowed if has.get(factor)],
    }
    if user.preferred_mfa:
        answer["PreferredMfaSetting"] = user.preferred_mfa
    return answer


# software tokens


@operation("AssociateSoftwareToken")
def associate_software_token(call: Call, asked: Asked) -> Answer:
    """A new secret; the old one is gone, and nothing is verified until its code comes back."""
    pool, user, session = _authenticator(call, asked)
    if not (pool.config.get("mfa") or {}).get("SoftwareTokenMfaConfiguration", {}).get("Enabled"):
        raise Refused(
            "SoftwareTokenMFANotFoundException", "Software Token MFA has not been enabled by the userPool."
        )
    user.secret, user.totp = totp.secret(call), False
    return {"SecretCode": user.secret, **session}


@operation("VerifySoftwareToken")
def verify_software_token(call: Call, asked: Asked) -> Answer:
    """A preference is a call of its own."""
    _, user, session = _authenticator(call, asked)
    if not user.secret:
        raise Refused("SoftwareTokenMFANotFoundException", "Software Token MFA is not associated.")
    if not totp.right(user.secret, asked["UserCode"], call.now):
        raise Refused("EnableSoftwareTokenMFAException", "Code mismatch")
    user.totp = True
    return {"Status": "SUCCESS", **session}


def _authenticator(call: Call, asked: Asked) -> tuple[Pool, User, dict[str, str]]:
    """By access token, or by the session of the challenge MFA_SETUP."""
    if bool(asked.get("AccessToken")) == bool(asked.get("Session")):
        raise invalid("Exactly one of AccessToken and Session is required.")
    if asked.get("AccessToken"):
        found = tokens.bearer(call, asked["AccessToken"], writes=True)
        return found.pool, found.user, {}
    user = challenged(call, None, asked["Session"], "MFA_SETUP")
    pool = call.pool(call.state.challenges[asked["Session"]].pool, writes=True)
    return pool, user, {"Session": asked["Session"]}


@operation("AdminDeleteSoftwareToken")
def admin_delete_software_token(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    user = call.user(pool, asked["Username"])
    if not user.totp:
        raise invalid("User has not verified software token mfa")
    user.secret, user.totp = "", False
    user.mfa = tuple(factor for factor in user.mfa if factor != "SOFTWARE_TOKEN_MFA")
    user.preferred_mfa = user.preferred_mfa if user.preferred_mfa in user.mfa else ""
    return {}


# devices


@operation("ConfirmDevice")
def confirm_device(call: Call, asked: Asked) -> Answer:
    """Remember the device that a sign-in was told of (NewDeviceMetadata)."""
    found = tokens.bearer(call, asked["AccessToken"], writes=True)
    told = found.pool.settings.get("DeviceConfiguration")
    if not told:
        raise Refused(
            "InvalidUserPoolConfigurationException", "Devices are not remembered in this user pool."
        )
    if found.session.get("device") != asked["DeviceKey"]:
        raise not_authorized("Invalid device key given.")
    ask = bool(told.get("DeviceOnlyRememberedOnUserPrompt"))
    moment = round(call.now, 3)
    attributes = {
        "device_status": "valid",
        "device_name": asked.get("DeviceName", ""),
        "dev:device_remembered_status": "not_remembered" if ask else "remembered",
        "last_ip_used": "127.0.0.1",
    }
    device = {
        "DeviceKey": asked["DeviceKey"],
        "DeviceAttributes": [{"Name": name, "Value": value} for name, value in attributes.items()],
        "DeviceCreateDate": moment,
        "DeviceLastModifiedDate": moment,
        "DeviceLastAuthenticatedDate": moment,
    }
    known = [one for one in found.user.devices or () if one["DeviceKey"] != asked["DeviceKey"]]
    found.user.devices = [*known, device]
    return {"UserConfirmationNecessary": ask}


@operation("ListDevices")
@operation("AdminListDevices")
def list_devices(call: Call, asked: Asked) -> Answer:
    pool, user = tokens.person(call, asked)
    held = {one["DeviceKey"]: one for one in user.devices or ()}
    bound = f"{pool.id} {user.sub}"
    page, token = paging.page(call, sorted(held), asked, limit="Limit", token="PaginationToken", bound=bound)
    return {"Devices": [held[key] for key in page], **token}


@operation("GetDevice")
@operation("AdminGetDevice")
def get_device(call: Call, asked: Asked) -> Answer:
    _, user = tokens.person(call, asked)
    return {"Device": _device(user, asked["DeviceKey"])}


@operation("ForgetDevice")
@operation("AdminForgetDevice")
def forget_device(call: Call, asked: Asked) -> Answer:
    _, user = tokens.person(call, asked, writes=True)
    gone_one = _device(user, asked["DeviceKey"])
    user.devices = [one for one in user.devices or () if one is not gone_one]
    return {}


@operation("UpdateDeviceStatus")
@operation("AdminUpdateDeviceStatus")
def update_device_status(call: Call, asked: Asked) -> Answer:
    _, user = tokens.person(call, asked, writes=True)
    device = _device(user, asked["DeviceKey"])
    for one in device["DeviceAttributes"]:
        if one["Name"] == "dev:device_remembered_status":
            one["Value"] = asked.get("DeviceRememberedStatus") or one["Value"]
    device["DeviceLastModifiedDate"] = round(call.now, 3)
    return {}


def _device(user: User, key: str) -> dict[str, Any]:
    for device in user.devices or ():
        if device["DeviceKey"] == key:
            return device
    raise gone(NO_SUCH_DEVICE)
