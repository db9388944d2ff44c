"""User pools: their settings, their schema and their tags."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from tests.standin import model, paging
from tests.standin.errors import Refused, gone, invalid
from tests.standin.operations import Answer, Asked, operation
from tests.standin.schema import add_custom, schema_of
from tests.standin.state import Call, Pool
from tests.standin.users import Users

# settings

IMMUTABLE = ("UsernameAttributes", "AliasAttributes", "UsernameConfiguration")  # in Create, not in Update [M]
REGIONAL = frozenset({"EmailConfiguration", "SmsConfiguration", "LambdaConfig"})  # a replica has its own [M]
_CREATE: Any = model.service().operation_model("CreateUserPool").input_shape
SETTINGS = frozenset(_CREATE.members) - {"PoolName", "Schema", "UserPoolTags"}
MESSAGES = {  # the old name of a text and its place in VerificationMessageTemplate: one text, shown at both
    "EmailVerificationMessage": "EmailMessage",
    "EmailVerificationSubject": "EmailSubject",
    "SmsVerificationMessage": "SmsMessage",
}
BARE: dict[str, Any] = {  # what a pool has of which only the name was told
    "Policies": {
        "PasswordPolicy": {
            "MinimumLength": 8,
            "RequireUppercase": True,
            "RequireLowercase": True,
            "RequireNumbers": True,
            "RequireSymbols": True,
        },
        "SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD"]},
    },
    "DeletionProtection": "INACTIVE",
    "LambdaConfig": {},
    "VerificationMessageTemplate": {"DefaultEmailOption": "CONFIRM_WITH_CODE"},
    "UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": []},
    "MfaConfiguration": "OFF",
    "EmailConfiguration": {"EmailSendingAccount": "COGNITO_DEFAULT"},
    "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": False},
    "AccountRecoverySetting": {
        "RecoveryMechanisms": [
            {"Priority": 1, "Name": "verified_email"},
            {"Priority": 2, "Name": "verified_phone_number"},
        ]
    },
    "UserPoolTier": "ESSENTIALS",
    "AcrConfiguration": {f"Level{n}": {"AcrValue": f"urn:cognito:loa:{n}"} for n in range(1, 5)},
}
# Within a password policy that was told, a rule that was not told is off.
PASSWORD = {"MinimumLength": 8} | dict.fromkeys(
    ("RequireUppercase", "RequireLowercase", "RequireNumbers", "RequireSymbols"), False
)
VALID_DAYS = 7  # of a temporary password; 0 means this too [M]


def settled(asked: Asked) -> dict[str, Any]:
    """All settings of a pool: what is asked for, and AWS's default for whatever is not.

    Raises InvalidParameterException and FeatureUnavailableInTierException.
    """
    told = {name: value for name, value in asked.items() if name in SETTINGS and value is not None}
    settings = deepcopy(BARE) | told
    for name in ("Policies", "VerificationMessageTemplate", "EmailConfiguration", "AdminCreateUserConfig",
                 "AcrConfiguration"):  # fmt: skip
        settings[name] = deepcopy(BARE[name]) | settings[name]
    _password_days(settings, told)
    for old, new in MESSAGES.items():
        text = settings["VerificationMessageTemplate"].get(new) or settings.get(old)
        if text:
            settings[old] = settings["VerificationMessageTemplate"][new] = text
    email = settings["EmailConfiguration"]
    if email["EmailSendingAccount"] == "DEVELOPER" and not email.get("SourceArn"):
        raise invalid("SourceArn is required when EmailSendingAccount is DEVELOPER.")
    _check_tier(settings)
    return settings


def _password_days(settings: dict[str, Any], told: Mapping[str, Any]) -> None:
    """A temporary password's days have two names; AWS shows both and takes one.

    Who writes back what DescribeUserPool answered is refused for that [X aws-sdk-js#3817].
    """
    given = (told.get("Policies") or {}).get("PasswordPolicy")
    policy = settings["Policies"]["PasswordPolicy"] if given is None else PASSWORD | given
    days, unused = policy.get("TemporaryPasswordValidityDays"), "UnusedAccountValidityDays"
    admin = settings["AdminCreateUserConfig"]
    if days and admin.get(unused):
        raise invalid(f"Please use TemporaryPasswordValidityDays in PasswordPolicy instead of {unused}")
    policy["TemporaryPasswordValidityDays"] = admin[unused] = days or admin.get(unused) or VALID_DAYS
    settings["Policies"]["PasswordPolicy"] = policy


def _check_tier(settings: Mapping[str, Any]) -> None:
    security = (settings.get("UserPoolAddOns") or {}).get("AdvancedSecurityMode", "OFF")
    if security != "OFF" and settings["UserPoolTier"] != "PLUS":
        raise Refused(
            "FeatureUnavailableInTierException", "Threat protection requires the Plus feature plan."
        )
    first = settings["Policies"]["SignInPolicy"].get("AllowedFirstAuthFactors", [])
    if set(first) - {"PASSWORD"}:
        not_in_lite(settings, "Passwordless sign-in")


def not_in_lite(settings: Mapping[str, Any], feature: str) -> None:
    """Raises FeatureUnavailableInTierException."""
    if settings["UserPoolTier"] == "LITE":
        raise Refused("FeatureUnavailableInTierException", f"{feature} requires the Essentials feature plan.")


def _check_mfa(settings: Mapping[str, Any], factors: Mapping[str, Any]) -> None:
    """MFA without any way to do it. ``factors``: what SetUserPoolMfaConfig was told of the pool."""
    token = factors.get("SoftwareTokenMfaConfiguration", {}).get("Enabled")
    possible = settings.get("SmsConfiguration") or token or "EmailMfaConfiguration" in factors
    if settings["MfaConfiguration"] != "OFF" and not possible:
        raise invalid("SMS configuration is required when MFA is required/optional.")


# schema


@operation("AddCustomAttributes")
def add_custom_attributes(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    not_importing(pool)
    add_custom(pool.schema, asked["CustomAttributes"])
    pool.modified = call.now
    return {}


IMPORTING = frozenset({"Pending", "InProgress", "Stopping"})  # the states of a job that is under way


def not_importing(pool: Pool) -> None:
    """Raises UserImportInProgressException [I]."""
    if any(job["Status"] in IMPORTING for job in pool.config.get("imports", {}).values()):
        raise Refused("UserImportInProgressException", "A user import job is in progress.")


# pools


def described(pool: Pool) -> dict[str, Any]:
    """UserPoolType."""
    domains = {
        "CustomDomain" if told.get("CustomDomainConfig") else "Domain": name
        for name, told in pool.config.get("domains", {}).items()
    }
    tags = {"UserPoolTags": pool.tags} if pool.tags else {}
    return {
        "Id": pool.id,
        "Arn": pool.arn,
        "CreationDate": round(pool.created, 3),
        "LastModifiedDate": round(pool.modified, 3),
        "EstimatedNumberOfUsers": len(pool.users),
        "SchemaAttributes": list(pool.schema.values()),
        **pool.settings,
        **domains,
        **tags,
    }


@operation("CreateUserPool")
def create_user_pool(call: Call, asked: Asked) -> Answer:
    if asked.get("UsernameAttributes") and asked.get("AliasAttributes"):
        raise invalid("Only one of the aliasAttributes or usernameAttributes can be set in a user pool.")
    settings = {"Name": asked["PoolName"], **settled(asked)}
    _check_mfa(settings, {})
    users = Users(
        fold=(settings.get("UsernameConfiguration") or {}).get("CaseSensitive") is False,
        usernames=frozenset(settings.get("UsernameAttributes") or ()),
        aliases=frozenset(settings.get("AliasAttributes") or ()),
    )
    pool_id = f"{call.region.name}_{call.state.letters(9)}"
    pool = Pool(
        pool_id,
        call.region.name,
        _arn(call, call.region.name, pool_id),
        call.now,
        call.now,
        settings,
        users,
        schema_of(asked.get("Schema") or ()),
        tags=dict(asked.get("UserPoolTags") or {}),
    )
    call.region.pools[pool_id] = pool
    call.trace["pool"] = pool_id
    return {"UserPool": described(pool)}


def _arn(call: Call, region: str, pool_id: str) -> str:
    return f"arn:aws:cognito-idp:{region}:{call.state.account}:userpool/{pool_id}"


@operation("DescribeUserPool")
def describe_user_pool(call: Call, asked: Asked) -> Answer:
    return {"UserPool": described(call.pool(asked["UserPoolId"]))}


@operation("UpdateUserPool")
def update_user_pool(call: Call, asked: Asked) -> Answer:
    """What is omitted gets its default, tags too [M]; only the name and what is immutable stay."""
    pool = call.pool(asked["UserPoolId"])
    not_importing(pool)
    settings = {"Name": asked.get("PoolName") or pool.settings["Name"], **settled(asked)}
    for name in IMMUTABLE:
        settings.pop(name, None)
        if name in pool.settings:
            settings[name] = pool.settings[name]
    _check_mfa(settings, pool.config.get("mfa", {}))
    if pool.secondary and _shared(settings) != _shared(pool.settings):
        raise Refused(
            "OperationNotEnabledException", "UpdateUserPool is not supported in secondary replica regions."
        )
    pool.settings = settings
    pool.tags = dict(asked.get("UserPoolTags") or {})
    pool.modified = call.now
    return {}


def _shared(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Without what a secondary replica may have of its own."""
    return {name: value for name, value in settings.items() if name not in REGIONAL}


@operation("DeleteUserPool")
def delete_user_pool(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    not_importing(pool)
    if pool.settings["DeletionProtection"] == "ACTIVE":
        raise invalid(
            "The user pool cannot be deleted because deletion protection is activated. "
            "Deletion protection must be inactivated first."
        )
    if pool.config.get("domains"):
        raise invalid("User pool cannot be deleted. It has a domain configured that should be deleted first.")
    if pool.replicas:
        raise invalid("User pool cannot be deleted. It has a replica that should be deleted first.")
    for client in pool.clients:
        call.region.clients.pop(client, None)
    del call.region.pools[pool.id]
    return {}


@operation("ListUserPools")
def list_user_pools(call: Call, asked: Asked) -> Answer:
    pools = call.region.pools
    shown, token = paging.page(call, sorted(pools), asked, limit="MaxResults", token="NextToken", bound="")
    listed = [
        {
            "Id": pool.id,
            "Name": pool.settings["Name"],
            "LambdaConfig": pool.settings["LambdaConfig"],
            "CreationDate": round(pool.created, 3),
            "LastModifiedDate": round(pool.modified, 3),
            **({"ReplicaRegions": [one["RegionName"] for one in pool.replicas]} if pool.replicas else {}),
        }
        for pool in (pools[name] for name in shown)
    ]
    return {"UserPools": listed, **token}


# tags


def _tagged(call: Call, asked: Asked) -> Pool:
    pool_id = asked["ResourceArn"].rpartition("/")[2]
    pool = call.region.pools.get(pool_id)
    if pool is None or pool.arn != asked["ResourceArn"]:
        raise gone(f"Resource {asked['ResourceArn']} does not exist.")
    call.trace["pool"] = pool_id
    return pool


@operation("TagResource")
def tag_resource(call: Call, asked: Asked) -> Answer:
    pool = _tagged(call, asked)
    tags = pool.tags | asked["Tags"]
    if len(tags) > 50:
        raise invalid("A user pool can have at most 50 tags.")
    pool.tags = tags
    return {}


@operation("UntagResource")
def untag_resource(call: Call, asked: Asked) -> Answer:
    pool = _tagged(call, asked)
    pool.tags = {key: value for key, value in pool.tags.items() if key not in asked["TagKeys"]}
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(call: Call, asked: Asked) -> Answer:
    return {"Tags": _tagged(call, asked).tags}
