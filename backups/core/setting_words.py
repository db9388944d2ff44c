"""One setting of a pool in a person's words: what it is called, what its value says, what it touches.

A path is the setting's name in pool.json, then the keys that lead to the value:
``("user_pool", "Policies", "PasswordPolicy", "MinimumLength")``. The tables hold what the names of AWS do
not say by themselves; the longest start of a path that a table knows decides. A field that no table knows
is called by its own name, taken apart: what AWS adds tomorrow shows.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, TypeGuard, TypeVar

T = TypeVar("T")
Path: TypeAlias = tuple[str, ...]
Leaves: TypeAlias = dict[Path, str]
"""Path -> what stands there, as text; what is not set is not in it."""

LABELS: Mapping[Path, str] = {
    # what is called by the name of its field needs no line here: only what its name does not say
    ("user_pool",): "",
    ("user_pool", "Name"): "Name of the pool",
    ("user_pool", "Policies", "PasswordPolicy"): "Password policy",
    ("user_pool", "Policies", "PasswordPolicy", "PasswordHistorySize"): "Password policy: past ones refused",
    ("user_pool", "Policies", "PasswordPolicy", "TemporaryPasswordValidityDays"): (
        "Password policy: a temporary password is valid for"
    ),
    ("user_pool", "Policies", "SignInPolicy", "AllowedFirstAuthFactors"): "Sign-in: first factors",
    ("user_pool", "LambdaConfig"): "Trigger",
    ("user_pool", "LambdaConfig", "KMSKeyID"): "Triggers: KMS key",
    ("user_pool", "SchemaAttributes"): "Attribute",
    ("user_pool", "AutoVerifiedAttributes"): "Attributes verified at sign-up",
    ("user_pool", "AliasAttributes"): "Sign-in: aliases of the username",
    ("user_pool", "UsernameAttributes"): "Sign-in: attributes that are the username",
    ("user_pool", "UsernameConfiguration", "CaseSensitive"): "Usernames differ by case",
    ("user_pool", "AdminCreateUserConfig"): "Creating users",
    ("user_pool", "AdminCreateUserConfig", "AllowAdminCreateUserOnly"): "Self sign-up is closed",
    ("user_pool", "AdminCreateUserConfig", "InviteMessageTemplate"): "Invitation message",
    ("user_pool", "AdminCreateUserConfig", "UnusedAccountValidityDays"): "An invitation is valid for",
    ("user_pool", "VerificationMessageTemplate"): "Verification message",
    ("user_pool", "SmsAuthenticationMessage"): "SMS message of sign-in",
    ("user_pool", "SmsVerificationMessage"): "Verification message: SMS message, as older pools have it",
    ("user_pool", "EmailVerificationMessage"): "Verification message: email message, as older pools have it",
    ("user_pool", "EmailVerificationSubject"): "Verification message: email subject, as older pools have it",
    ("user_pool", "UserAttributeUpdateSettings", "AttributesRequireVerificationBeforeUpdate"): (
        "Attributes whose change is verified first"
    ),
    ("user_pool", "MfaConfiguration"): "Multi-factor authentication",
    ("user_pool", "DeviceConfiguration"): "Remembered devices",
    ("user_pool", "DeviceConfiguration", "ChallengeRequiredOnNewDevice"): (
        "Remembered devices: second factor on other devices only"
    ),
    ("user_pool", "DeviceConfiguration", "DeviceOnlyRememberedOnUserPrompt"): (
        "Remembered devices: only where the user says so"
    ),
    ("user_pool", "EmailConfiguration"): "Mail",
    ("user_pool", "EmailConfiguration", "EmailSendingAccount"): "Mail: sent by",
    ("user_pool", "EmailConfiguration", "SourceArn"): "Mail: SES identity",
    ("user_pool", "SmsConfiguration"): "SMS",
    ("user_pool", "UserPoolTags"): "Tag",
    ("user_pool", "UserPoolAddOns"): "Threat protection",
    ("user_pool", "UserPoolAddOns", "AdvancedSecurityMode"): "Threat protection",
    ("user_pool", "UserPoolTier"): "Tier",
    ("user_pool", "AccountRecoverySetting", "RecoveryMechanisms"): "Account recovery",
    ("user_pool", "DcrConfiguration"): "Clients that register themselves",
    ("user_pool", "KeyConfiguration"): "Encryption",
    ("user_pool", "IssuerConfiguration"): "Issuer of tokens",
    ("user_pool", "AcrConfiguration"): "Authentication context",
    ("tags",): "Tag",
    ("mfa",): "Multi-factor authentication",
    ("mfa", "MfaConfiguration"): "Multi-factor authentication",
    ("mfa", "SmsMfaConfiguration"): "Second factor by SMS",
    ("mfa", "SoftwareTokenMfaConfiguration"): "Second factor by authenticator app",
    ("mfa", "SoftwareTokenMfaConfiguration", "Enabled"): "Second factor by authenticator app",
    ("mfa", "EmailMfaConfiguration"): "Second factor by e-mail",
    ("mfa", "WebAuthnConfiguration"): "Passkeys",
    ("clients",): "App client",
    ("clients", "ClientName"): "App client: name",
    ("clients", "ClientId"): "App client: ID",
    ("clients", "ExplicitAuthFlows"): "App client: authentication flows",
    ("clients", "AccessTokenValidity"): "App client: access tokens are valid for",
    ("clients", "IdTokenValidity"): "App client: ID tokens are valid for",
    ("clients", "RefreshTokenValidity"): "App client: refresh tokens are valid for",
    ("clients", "TokenValidityUnits"): "App client: unit of token validity",
    ("clients", "AuthSessionValidity"): "App client: a sign-in under way is valid for",
    ("clients", "ReadAttributes"): "App client: attributes it may read",
    ("clients", "WriteAttributes"): "App client: attributes it may write",
    ("clients", "AllowedOAuthFlowsUserPoolClient"): "App client: uses OAuth",
    ("clients", "PreventUserExistenceErrors"): "App client: hides whether a user exists",
    ("client_secrets",): "App client",
    ("client_secrets", "ClientSecrets"): "App client: secret",
    ("client_sessions",): "Session of an app client",
    ("identity_providers",): "Identity provider",
    ("identity_providers", "ProviderDetails"): "Identity provider: details",
    ("identity_providers", "AttributeMapping"): "Identity provider: mapping of attribute",
    ("identity_providers", "IdpIdentifiers"): "Identity provider: identifiers",
    ("identity_providers", "AcrMapping"): "Identity provider: mapping of authentication context",
    ("resource_servers",): "Resource server",
    ("resource_servers", "Scopes"): "Resource server: scope",
    ("domains",): "Domain",
    ("domains", "CustomDomainConfig", "CertificateArn"): "Domain: certificate",
    ("domains", "ManagedLoginVersion"): "Domain: version of the sign-in pages",
    ("risk",): "Threat protection",
    ("risk", "CompromisedCredentialsRiskConfiguration"): "Threat protection, compromised passwords",
    ("risk", "AccountTakeoverRiskConfiguration"): "Threat protection, account takeover",
    ("risk", "AccountTakeoverRiskConfiguration", "NotifyConfiguration"): "Threat protection, messages",
    ("risk", "RiskExceptionConfiguration"): "Threat protection, exceptions",
    ("ui",): "Look of the sign-in pages (classic)",
    ("branding",): "Look of the sign-in pages",
    ("branding", "Assets"): "Look of the sign-in pages: picture",
    ("signing_certificate",): "Certificate that signs SAML requests",
    ("log_delivery",): "Delivery of logs",
    ("log_delivery", "LogConfigurations"): "Delivery of logs",
    ("terms",): "Terms document",
    ("terms", "Links"): "Terms document: link",
    ("session",): "Sessions",
    ("replicas",): "Replica",
    ("identity_pools",): "Identity pool",
    ("identity_pools", "AllowUnauthenticatedIdentities"): "Identity pool: lets in who has not signed in",
    ("identity_pools", "CognitoIdentityProviders"): "Identity pool: user pool and client",
    ("identity_pools", "SupportedLoginProviders"): "Identity pool: login provider",
    ("identity_pools", "IdentityPoolTags"): "Identity pool: tag",
    ("identity_pools", "RoleAttachment"): "Identity pool",
    ("identity_pools", "RoleAttachment", "Roles"): "Identity pool: role",
    ("identity_pools", "RoleAttachment", "RoleMappings"): "Identity pool: roles by",
}
SECURITY: Mapping[Path, str] = {
    ("user_pool", "LambdaConfig"): "triggers",
    ("user_pool", "MfaConfiguration"): "mfa",
    ("user_pool", "DcrConfiguration"): "clients",
    **{
        ("user_pool", name): "sign-in"
        for name in (
            *("Policies", "DeletionProtection", "AccountRecoverySetting", "UserAttributeUpdateSettings"),
            *("AutoVerifiedAttributes", "UsernameAttributes", "AliasAttributes", "UsernameConfiguration"),
            *("DeviceConfiguration", "UserPoolAddOns"),
        )
    },
    ("user_pool", "AdminCreateUserConfig", "AllowAdminCreateUserOnly"): "sign-in",
    ("mfa",): "mfa",
    ("mfa", "SmsMfaConfiguration", "SmsAuthenticationMessage"): "",
    ("mfa", "EmailMfaConfiguration", "Message"): "",
    ("mfa", "EmailMfaConfiguration", "Subject"): "",
    ("clients",): "clients",
    ("client_secrets",): "clients",
    ("client_sessions",): "clients",
    ("identity_providers",): "providers",
    ("identity_pools",): "providers",
    ("identity_pools", "IdentityPoolTags"): "",
    ("risk",): "sign-in",
    ("risk", "AccountTakeoverRiskConfiguration", "NotifyConfiguration"): "",
}
"""Codes of ``core.diff.SECURITY``; texts and looks have none."""

_NEW_POOL = frozenset({"UsernameAttributes", "AliasAttributes", "UsernameConfiguration", "SchemaAttributes"})
"""In CreateUserPool and not in UpdateUserPool (botocore's model)."""
_ADDED = ("custom:", "dev:")
"""Attributes that AddCustomAttributes makes; none is ever taken away."""

_NAMES = frozenset(
    {"tags", "LambdaConfig", "UserPoolTags", "IdentityPoolTags", "ProviderDetails", "AttributeMapping"}
    | {"AcrMapping", "AcrConfiguration", "SupportedLoginProviders", "Roles", "RoleMappings", "Links"}
)
"""Whose keys are names: they stay as they are."""
_LISTED: Mapping[str, Path] = {
    "SchemaAttributes": ("Name",),
    "RecoveryMechanisms": ("Name",),
    "Scopes": ("ScopeName",),
    "LogConfigurations": ("EventSource",),
    "Assets": ("Category", "ColorMode"),
    "CognitoIdentityProviders": ("ProviderName", "ClientId"),
    "ClientSecrets": ("ClientSecretId",),
}
"""Lists of things with a name: each is one value."""
_VERBATIM = _NAMES | _LISTED.keys()
_IN_ORDER = frozenset({"Rules"})  # of an identity pool: the first that matches counts
_MADE_BY_AWS = frozenset({"ResourceId"})  # of a picture: its bytes are compared
_IS_ON = frozenset({"SmsMfaConfiguration", "EmailMfaConfiguration"})  # by being there, even empty

_UNIT = re.compile(r"(Days|Hours|Minutes|Seconds)$")
_TOKENS = (("AccessToken", "hours"), ("IdToken", "hours"), ("RefreshToken", "days"))
"""The unit where TokenValidityUnits names none: of UserPoolClientType."""
_WORD = re.compile(r"OAuth|[A-Z]{2,}s(?![a-z])|[A-Z]\d+|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_SHORT = frozenset(
    {"acr", "arn", "css", "dcr", "html", "id", "ip", "kms"} | {"mfa", "saml", "ses", "sms", "sns", "uri"}
)


def label(path: Path) -> str:
    """Its name for a reader: ``Password policy: minimum length``."""
    depth, known = _longest(LABELS, path, "")
    rest = _phrase(path, depth)
    if not known:
        return rest[:1].upper() + rest[1:]
    return f"{known}: {rest}" if rest else known


def security(path: Path) -> str:
    """A code of ``core.diff.SECURITY``, or ""."""
    return _longest(SECURITY, path, "")[1]


def only_in_a_new_pool(path: Path, *, only_from: bool) -> bool:
    """Whether a pool that stands cannot be made to have it as ``from`` has it."""
    if path[0] != "user_pool" or path[1:2] == () or path[1] not in _NEW_POOL:
        return False
    return not (only_from and path[1] == "SchemaAttributes" and path[-1].startswith(_ADDED))


def leaves(value: Any, path: Path) -> Leaves:
    """Every value below, as text. What is empty is not there."""
    found: Leaves = {}
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= leaves(inner, (*path, key))
        if path[-1:] and path[-1] in _IS_ON:
            found[path] = "on"
    elif named := _named(value, path[-1] if path else ""):
        found = {(*path, name): text for name, text in named.items()}
    elif text := _text(value, path[-1] if path else ""):
        found[path] = text
    return found


def told(found: Leaves, below: int) -> str:
    """All of them in one text; ``below`` is how many keys of a path need not be said again."""
    phrases = ((_phrase(path, below), text) for path, text in sorted(found.items()))
    return "; ".join(f"{phrase}: {text}" if phrase else text for phrase, text in phrases)


def with_units(client: Mapping[str, Any]) -> dict[str, Any]:
    """An app client whose token validities say their unit."""
    units = client.get("TokenValidityUnits")
    left = dict(units) if isinstance(units, dict) else {}
    done = dict(client)
    for token, usual in _TOKENS:
        if _whole(number := client.get(f"{token}Validity")):
            done[f"{token}Validity"] = _lasting(number, str(left.pop(token, usual)))
    return {**done, "TokenValidityUnits": left} if isinstance(units, dict) else done


def _named(value: Any, key: str) -> dict[str, str]:
    """Name -> what it is, of a list whose things all have a name of their own; else {}."""
    names = _LISTED.get(key)
    if names is None or not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        return {}
    found = {}
    for one in value:
        name = " ".join(filter(None, (_text(one.get(part), part) for part in names)))
        rest = {part: inner for part, inner in one.items() if part not in {*names, *_MADE_BY_AWS}}
        found[name] = told(leaves(rest, ()), 0) or name
    return found if len(found) == len(value) and "" not in found else {}


def _text(value: Any, key: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict):
        return told(leaves(value, ()), 0)
    if isinstance(value, list):
        return _list(value, key)
    if _whole(value) and (unit := "minutes" if key == "AuthSessionValidity" else _unit(key)):
        return _lasting(value, unit)
    if key == "Bytes" and isinstance(value, str):  # a picture, base64
        digest = hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()
        return f"{len(value) * 3 // 4:,} bytes, SHA-256 {digest[:16]}"
    return str(value)


def _list(value: Iterable[Any], key: str) -> str:
    """What AWS treats as a set comes in an order of its own, each once."""
    parts = [(_text(one, ""), isinstance(one, dict | list)) for one in value]
    nested = any(inner for _, inner in parts)
    texts = [text if nested or "," not in text else json.dumps(text, ensure_ascii=False) for text, _ in parts]
    if key in _IN_ORDER:
        texts = [f"{number}. {text}" for number, text in enumerate(texts, start=1)]
    else:
        texts = sorted({text for text in texts if text})
    return (" | " if nested else ", ").join(texts)


def _whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _unit(key: str) -> str:
    found = _UNIT.search(key)
    return found[0].lower() if found else ""


def _lasting(number: int, unit: str) -> str:
    return f"{number:,} {unit.removesuffix('s') if number == 1 else unit}"


def _longest(table: Mapping[Path, T], path: Path, other: T) -> tuple[int, T]:
    """(how much of the path it knows, what it says)."""
    for depth in range(len(path), 0, -1):
        if path[:depth] in table:
            return depth, table[path[:depth]]
    return 0, other


def _phrase(path: Path, start: int) -> str:
    """The keys from there on, in words."""
    keys = enumerate(path[start:], start=start)
    return ", ".join(key if at and path[at - 1] in _VERBATIM else _words(key) for at, key in keys)


def _words(key: str) -> str:
    """``DefaultRedirectURI`` -> ``default redirect URI``; what is no name of AWS's kind stays."""
    if not _KEY.fullmatch(key):
        return key
    return " ".join(_word(word) for word in _WORD.findall(key))


def _word(word: str) -> str:
    if word.lower() in _SHORT:
        return word.upper()
    return word if word == "OAuth" or word[:2].isupper() else word.lower()  # "URLs", "SMS"
