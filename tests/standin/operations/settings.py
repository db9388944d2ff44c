"""What is set of a pool beside UpdateUserPool: MFA, risk, looks, logs, sessions; and its certificate."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from tests.standin.errors import Refused, invalid
from tests.standin.operations import Answer, Asked, operation
from tests.standin.operations.clients import CLIENTS
from tests.standin.operations.pools import not_in_lite
from tests.standin.state import Call, Pool

# multi-factor authentication: what DescribeUserPool shows too is in the pool's settings alone

FACTORS = ("SoftwareTokenMfaConfiguration", "EmailMfaConfiguration", "WebAuthnConfiguration")
SMS = "SmsMfaConfiguration"


def mfa(pool: Pool) -> dict[str, Any]:
    """GetUserPoolMfaConfig. Until SetUserPoolMfaConfig is called, MFA of a pool is SMS or nothing [M]."""
    settings, told = pool.settings, pool.config.get("mfa")
    by_sms = settings["MfaConfiguration"] != "OFF" if told is None else SMS in told
    sms = {
        name: settings[name] for name in ("SmsAuthenticationMessage", "SmsConfiguration") if name in settings
    }
    return {
        "MfaConfiguration": settings["MfaConfiguration"],
        **({SMS: sms} if by_sms and "SmsConfiguration" in sms else {}),
        **{name: told[name] for name in FACTORS if told and name in told},
    }


@operation("GetUserPoolMfaConfig")
def get_user_pool_mfa_config(call: Call, asked: Asked) -> Answer:
    return mfa(call.pool(asked["UserPoolId"]))


@operation("SetUserPoolMfaConfig")
def set_user_pool_mfa_config(call: Call, asked: Asked) -> Answer:
    """The factors that are asked for are all there are; AWS does not say what becomes of the others."""
    pool = call.pool(asked["UserPoolId"], writes=True)
    told = {name: asked[name] for name in (SMS, *FACTORS) if asked.get(name) is not None}
    sms = told.get(SMS, {})
    configured = sms.get("SmsConfiguration") or pool.settings.get("SmsConfiguration")
    if SMS in told and not configured:
        raise invalid("SMS configuration is required for SMS MFA.")
    if "EmailMfaConfiguration" in told:
        not_in_lite(pool.settings, "Email MFA")
        if not pool.own_mail:
            raise invalid("Email MFA requires an email configuration with Amazon SES (DEVELOPER).")
    wanted = asked.get("MfaConfiguration") or pool.settings["MfaConfiguration"]
    token = told.get("SoftwareTokenMfaConfiguration", {}).get("Enabled")
    if wanted != "OFF" and not (SMS in told or "EmailMfaConfiguration" in told or token):
        raise invalid(f"At least one factor is required when MfaConfiguration is {wanted}.")
    pool.settings["MfaConfiguration"] = wanted
    pool.settings |= {name: value for name, value in sms.items() if value}
    pool.config["mfa"] = told
    pool.modified = call.now
    return mfa(pool)


# of the pool, or of one client: both are in a dict by client, the pool's own under ""


def _held(pool: Pool, name: str) -> dict[str, Any]:
    held: dict[str, Any] = pool.config.setdefault(name, {})
    return held


def _client(pool: Pool, asked: Asked) -> dict[str, str]:
    """Whose setting it is, as it is answered. Raises ResourceNotFoundException."""
    client = asked.get("ClientId")
    if not client or client == "ALL":
        return {}
    return {"ClientId": str(CLIENTS.find(pool, client)["ClientId"])}


RISKS = (
    "CompromisedCredentialsRiskConfiguration",
    "AccountTakeoverRiskConfiguration",
    "RiskExceptionConfiguration",
)


def _guarded(pool: Pool) -> Pool:
    """Threat protection must be on, for reading too: AWS declares the error of both operations [M]."""
    if (pool.settings.get("UserPoolAddOns") or {}).get("AdvancedSecurityMode", "OFF") == "OFF":
        raise Refused(
            "UserPoolAddOnNotEnabledException", "Threat protection is not enabled for the user pool."
        )
    return pool


@operation("DescribeRiskConfiguration")
def describe_risk_configuration(call: Call, asked: Asked) -> Answer:
    pool = _guarded(call.pool(asked["UserPoolId"]))
    client = _client(pool, asked)
    told = _held(pool, "risk").get(client.get("ClientId", ""), {})
    return {"RiskConfiguration": {"UserPoolId": pool.id, **client, **told}}


@operation("SetRiskConfiguration")
def set_risk_configuration(call: Call, asked: Asked) -> Answer:
    """With none of the configurations it is the pool's default again [M]."""
    pool = _guarded(call.pool(asked["UserPoolId"], writes=True))
    client = _client(pool, asked)
    told = {name: asked[name] for name in RISKS if asked.get(name) is not None}
    if told:
        told["LastModifiedDate"] = round(call.now, 3)
    _held(pool, "risk")[client.get("ClientId", "")] = told
    return {"RiskConfiguration": {"UserPoolId": pool.id, **client, **told}}


@operation("GetUICustomization")
def get_ui_customization(call: Call, asked: Asked) -> Answer:
    """The client's; where it has none, that of ALL; where there is none, an empty shape [M]."""
    pool = call.pool(asked["UserPoolId"])
    held = _held(pool, "ui")
    return {"UICustomization": held.get(_client(pool, asked).get("ClientId", ""), held.get("", {}))}


@operation("SetUICustomization")
def set_ui_customization(call: Call, asked: Asked) -> Answer:
    """The pool must have a domain [M]."""
    pool = call.pool(asked["UserPoolId"], writes=True)
    client = _client(pool, asked)
    if not pool.config.get("domains"):
        raise invalid("There has to be an existing domain associated with this user pool")
    held, key, now = _held(pool, "ui"), client.get("ClientId", ""), round(call.now, 3)
    told = {
        "UserPoolId": pool.id,
        "ClientId": key or "ALL",
        "CSSVersion": datetime.fromtimestamp(now, UTC).strftime("%Y%m%d%H%M%S"),
        "CreationDate": held.get(key, {}).get("CreationDate", now),
        "LastModifiedDate": now,
    }
    if asked.get("CSS"):
        told["CSS"] = asked["CSS"]
    if asked.get("ImageFile"):
        told["ImageUrl"] = (
            f"https://d1234567890.cloudfront.net/{pool.id}/{key or 'ALL'}/{now:.0f}/assets/images/image.jpg"
        )
    held[key] = told
    return {"UICustomization": told}


@operation("GetUserPoolClientSessionConfiguration")
def get_user_pool_client_session_configuration(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"])
    client = _client(pool, asked)
    told = _held(pool, "client sessions").get(client["ClientId"], {"MaxValidityMinutes": 60})
    return {"UserPoolId": pool.id, **client, "SSOSession": told}


@operation("SetUserPoolClientSessionConfiguration")
def set_user_pool_client_session_configuration(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    client = _client(pool, asked)
    not_in_lite(pool.settings, "Session tracking")
    if sessions(pool)["UserSessionTracking"] != "ENABLED":
        raise invalid("Session tracking is not enabled for the user pool.")
    _held(pool, "client sessions")[client["ClientId"]] = asked["SSOSession"]
    return {"UserPoolId": pool.id, **client, "SSOSession": asked["SSOSession"]}


# of the pool alone


def sessions(pool: Pool) -> dict[str, Any]:
    """Without the pool's id; the defaults are AWS's [M]."""
    bare = {"UserSessionTracking": "DISABLED", "TokenSession": {"MaxPerUser": 20}}
    told: dict[str, Any] = pool.config.get("session", bare)
    return told


@operation("GetUserPoolSessionConfiguration")
def get_user_pool_session_configuration(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"])
    return {"UserPoolId": pool.id, **sessions(pool)}


@operation("SetUserPoolSessionConfiguration")
def set_user_pool_session_configuration(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    not_in_lite(pool.settings, "Session tracking")
    pool.config["session"] = {name: asked[name] for name in ("UserSessionTracking", "TokenSession")}
    return {"UserPoolId": pool.id, **sessions(pool)}


@operation("GetLogDeliveryConfiguration")
def get_log_delivery_configuration(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"])
    return {
        "LogDeliveryConfiguration": {"UserPoolId": pool.id, "LogConfigurations": pool.config.get("logs", [])}
    }


@operation("SetLogDeliveryConfiguration")
def set_log_delivery_configuration(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    told = asked["LogConfigurations"]
    if (
        any(one["EventSource"] == "userAuthEvents" for one in told)
        and pool.settings["UserPoolTier"] != "PLUS"
    ):
        raise Refused("FeatureUnavailableInTierException", "userAuthEvents requires the Plus feature plan.")
    pool.config["logs"] = told
    return {"LogDeliveryConfiguration": {"UserPoolId": pool.id, "LogConfigurations": told}}


@operation("GetSigningCertificate")
def get_signing_certificate(call: Call, asked: Asked) -> Answer:
    """Base64, and the pool's own; nothing was signed with it."""
    pool = call.pool(asked["UserPoolId"])
    return {"Certificate": base64.b64encode(f"a certificate of {pool.id} ".encode() * 20).decode()}
