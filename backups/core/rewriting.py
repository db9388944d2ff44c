"""A pool's settings written whole: UpdateUserPool resets every setting that it is not given.

DescribeUserPool + changes -> what UpdateUserPool has to be given
DescribeUserPool before, and after -> the names of what is not as it was
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

SETTABLE = frozenset(  # of UpdateUserPool, by the names of DescribeUserPool; PoolName is Name there
    """AccountRecoverySetting AcrConfiguration AdminCreateUserConfig AutoVerifiedAttributes DcrConfiguration
    DeletionProtection DeviceConfiguration EmailConfiguration EmailVerificationMessage
    EmailVerificationSubject IssuerConfiguration KeyConfiguration LambdaConfig MfaConfiguration Name Policies
    SmsAuthenticationMessage SmsConfiguration SmsVerificationMessage UserAttributeUpdateSettings
    UserPoolAddOns UserPoolTags UserPoolTier VerificationMessageTemplate""".split()  # noqa: SIM905
)
FIXED = frozenset(  # told by DescribeUserPool and set in other ways, or never
    """AliasAttributes Arn CreationDate CustomDomain Domain Id SchemaAttributes UsernameAttributes
    UsernameConfiguration""".split()  # noqa: SIM905
)
MOVING = frozenset(  # told by DescribeUserPool, and changing by itself
    """EmailConfigurationFailure EstimatedNumberOfUsers LastModifiedDate SmsConfigurationFailure
    Status""".split()  # noqa: SIM905
)


class UnknownSetting(ValueError):
    """The pool has a setting that we do not know, and so would reset; the message names it."""


def rewritten(described: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Every settable setting as ``described`` has it, but for ``changes``. Raises UnknownSetting."""
    if unknown := sorted(described.keys() - SETTABLE - FIXED - MOVING):
        raise UnknownSetting(
            f"The pool has {' and '.join(unknown)}, which this version does not know how to write back: AWS "
            "would reset it. Nothing was written."
        )
    given = {
        name: value
        for name, value in {**described, **changes}.items()
        if name in SETTABLE and value not in (None, "")  # an empty text is one that nobody has set
    }
    if "Name" in given:
        given["PoolName"] = given.pop("Name")
    if "UserPoolTags" in given:  # AWS's own can be set by nobody, and are refused
        tags = given["UserPoolTags"].items()
        given["UserPoolTags"] = {name: value for name, value in tags if not name.startswith("aws:")}
    if "AdminCreateUserConfig" in given:
        # A temporary password's days have two names. AWS shows both and takes one; the policy's is the one
        # to use, and the pools that have no policy of their own keep theirs.
        days = given.get("Policies", {}).get("PasswordPolicy", {}).get("TemporaryPasswordValidityDays")
        config = given["AdminCreateUserConfig"].items()
        given["AdminCreateUserConfig"] = {
            name: value for name, value in config if name != "UnusedAccountValidityDays" or not days
        }
    return given


def differing(
    before: Mapping[str, Any], after: Mapping[str, Any], besides: Collection[str] = ()
) -> list[str]:
    """Names of settings that are not as they were, sorted; ``besides`` were meant to change."""
    names = (before.keys() | after.keys()) - MOVING - set(besides)
    return sorted(name for name in names if (before.get(name) or None) != (after.get(name) or None))
