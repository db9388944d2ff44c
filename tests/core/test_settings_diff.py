"""The laws of comparing settings, what counts as a difference, and how it reads."""

from __future__ import annotations

import copy
import random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core import diff
from backups.core.sealed import MARK, NAMES, marked, put_away
from backups.core.setting_sides import DAMAGED, ORDER
from backups.core.setting_words import SECURITY
from backups.core.settings_diff import NOT_HELD, SECRETS, WHOSE, SettingChange, SettingsDiff, diff_settings
from tests.build import laws
from tests.fakes import FakePool

HUSH = "hush-hush"
REGION = "eu-west-1"
LAMBDA = "arn:aws:lambda:eu-west-1:111122223333:function:"
ROLE = "arn:aws:iam::111122223333:role/"


def a_pool(pool_id: str = "eu-west-1_AAAAAAAAA", client: str = "1webweb") -> dict[str, Any]:
    """The settings of one pool as pool.json has them; of another pool where the ids are others."""
    names = f"cognito-idp.{REGION}.amazonaws.com/{pool_id}"
    of_client = {"UserPoolId": pool_id, "ClientId": client}
    dates = {"CreationDate": f"2026-01-01 {pool_id}", "LastModifiedDate": f"2026-02-01 {pool_id}"}
    sms = {"SnsCallerArn": f"{ROLE}sms", "ExternalId": "x", "SnsRegion": REGION}
    return {
        "user_pool": {
            "Id": pool_id,
            "Name": "production",
            "Arn": f"arn:aws:cognito-idp:{REGION}:111122223333:userpool/{pool_id}",
            "Status": "Enabled",
            "EstimatedNumberOfUsers": len(pool_id),
            "SmsConfigurationFailure": f"SNSSandbox {pool_id}",
            "Domain": f"sign-in-{client}",
            **dates,
            "Policies": {"PasswordPolicy": {"MinimumLength": 8, "TemporaryPasswordValidityDays": 7}},
            "LambdaConfig": {
                "PostConfirmation": f"{LAMBDA}confirmed",
                "PreTokenGenerationConfig": {"LambdaVersion": "V2_0", "LambdaArn": f"{LAMBDA}token"},
            },
            "SchemaAttributes": [
                an_attribute("email", Required=True),
                an_attribute("custom:institution"),
            ],
            "AutoVerifiedAttributes": ["email"],
            "UsernameAttributes": ["email"],
            "UsernameConfiguration": {"CaseSensitive": False},
            "AdminCreateUserConfig": {
                "AllowAdminCreateUserOnly": False,
                "InviteMessageTemplate": {"EmailMessage": "Welcome, {username}: {####}"},
            },
            "EmailVerificationMessage": "Your code is {####}",
            "VerificationMessageTemplate": {"EmailMessage": "Your code is {####}"},
            "MfaConfiguration": "OPTIONAL",
            "SmsConfiguration": sms,
            "UserPoolTags": {"team": "data"},
            "DeletionProtection": "ACTIVE",
            "AccountRecoverySetting": {"RecoveryMechanisms": [{"Name": "verified_email", "Priority": 1}]},
            "UserPoolTier": "ESSENTIALS",
        },
        "tags": {"team": "data"},
        "mfa": {
            "MfaConfiguration": "OPTIONAL",
            "SoftwareTokenMfaConfiguration": {"Enabled": True},
            "SmsMfaConfiguration": {"SmsConfiguration": sms},
        },
        "clients": [
            {
                **of_client,
                **dates,
                "ClientName": "web-app",
                "ClientSecret": {MARK: f"v1:{HUSH}{client}"},
                "AccessTokenValidity": 60,
                "RefreshTokenValidity": 30,
                "TokenValidityUnits": {"AccessToken": "minutes"},
                "CallbackURLs": ["https://b.example", "https://a.example"],
                "ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
            }
        ],
        "client_secrets": {client: [{"ClientSecretId": f"s{client}", "ClientSecretCreateDate": client}]},
        "client_sessions": {client: {"MaxValidityMinutes": 60}},
        "identity_providers": [
            {
                "UserPoolId": pool_id,
                "ProviderName": "Google",
                "ProviderType": "Google",
                "ProviderDetails": {"client_id": "public", "client_secret": {MARK: f"v1:{HUSH}"}},
                "AttributeMapping": {"email": "email"},
            }
        ],
        "resource_servers": [
            {
                "UserPoolId": pool_id,
                "Identifier": "api",
                "Name": "api",
                "Scopes": [
                    {"ScopeName": "read", "ScopeDescription": "Read"},
                    {"ScopeName": "write", "ScopeDescription": "Write"},
                ],
            }
        ],
        "domains": [{"Domain": "sign-in.uni.example", "Version": pool_id, "ManagedLoginVersion": 1}],
        "risk": {"pool": {"RiskExceptionConfiguration": {"BlockedIPRangeList": ["::/0"]}}},
        "ui": {client: {**of_client, "CSS": ".logo {}", "ImageUrl": f"https://cdn.example/{pool_id}"}},
        "branding": {client: {"ManagedLoginBrandingId": client, "UseCognitoProvidedValues": True}},
        "signing_certificate": "MIIC",
        "log_delivery": {
            "UserPoolId": pool_id,
            "LogConfigurations": [{"LogLevel": "ERROR", "EventSource": "userNotification"}],
        },
        "terms": [
            {**of_client, "TermsId": client, "TermsName": "terms-of-use", "Links": {"en": "https://x"}}
        ],
        "session": {"UserPoolId": pool_id, "UserSessionTracking": "ENABLED"},
        "replicas": [{"RegionName": "eu-north-1", "Role": "SECONDARY", "UserPoolArn": pool_id}],
        "identity_pools": [
            {
                "IdentityPoolId": f"{REGION}:{client}",
                "IdentityPoolName": "people",
                "AllowUnauthenticatedIdentities": False,
                "CognitoIdentityProviders": [{"ProviderName": names, "ClientId": client}],
                "RoleAttachment": {
                    "Roles": {"authenticated": f"{ROLE}signed-in"},
                    "RoleMappings": {
                        f"{names}:{client}": {
                            "Type": "Rules",
                            "RulesConfiguration": {"Rules": [a_rule("admin"), a_rule("beta")]},
                        }
                    },
                },
            }
        ],
    }


def an_attribute(name: str, **more: Any) -> dict[str, Any]:
    return {"Name": name, "AttributeDataType": "String", "Mutable": True, "Required": False, **more}


def a_rule(value: str) -> dict[str, str]:
    return {"Claim": "role", "MatchType": "Equals", "Value": value, "RoleARN": f"{ROLE}{value}"}


def compared(a: Any, b: Any, unread_a: Any = None, unread_b: Any = None) -> SettingsDiff:
    return diff_settings(a, b, unread_a or {}, unread_b or {})


def only(a: Any, b: Any) -> SettingChange:
    (change,) = compared(a, b).changes
    return change


# --- laws ---------------------------------------------------------------------------------------

plain = st.none() | st.booleans() | st.integers(-3, 99) | st.floats(allow_nan=False) | st.text(max_size=6)
keys = st.sampled_from(
    [
        *(
            "Id",
            "Name",
            "ClientId",
            "ClientName",
            "TermsName",
            "ProviderName",
            "Scopes",
            "ScopeName",
            "Rules",
        ),
        *("Bytes", "Domain", "SchemaAttributes", "TokenValidityUnits", "AccessToken", "AccessTokenValidity"),
        *(
            "pool",
            "ImageUrl",
            "LambdaConfig",
            "CaseSensitive",
            "UsernameConfiguration",
            "EmailMfaConfiguration",
        ),
        *("RoleAttachment", "IdentityPoolId", MARK, *sorted(NAMES)),
    ]
) | st.text(max_size=4)
json_values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)
ids = st.sampled_from(["", "1", "2", "3"])
things = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(
            ("ClientId", "ProviderName", "Identifier", "Domain", "TermsId", "IdentityPoolId"), ids
        ),
        **dict.fromkeys(("ClientName", "TermsName", "IdentityPoolName"), st.sampled_from(["web", "app"])),
        "Scopes": st.lists(st.fixed_dictionaries({"ScopeName": ids, "ScopeDescription": ids}), max_size=2),
        "CallbackURLs": st.lists(st.sampled_from(["x", "y", "z,"]), max_size=3),
        "Rest": json_values,
    },
)
lists = st.lists(things | json_values, max_size=4)
by_client = st.dictionaries(st.sampled_from(["pool", "1", "2"]), json_values, max_size=3)
strange = st.dictionaries(st.sampled_from(ORDER) | keys, json_values, max_size=5)
likely = st.fixed_dictionaries(
    {},
    optional={
        "user_pool": st.fixed_dictionaries({"Id": ids, "LambdaConfig": json_values, "Rest": json_values}),
        **dict.fromkeys(("clients", "terms", "identity_pools", "identity_providers"), lists),
        **dict.fromkeys(("client_secrets", "risk", "ui"), by_client),
    },
)
settings = strange | likely
unread = st.dictionaries(
    st.sampled_from([*ORDER, "clients/1", "clients/2 more", "risk/1", "terms/3", "identity_pools/1/roles"]),
    st.just("denied"),
    max_size=2,
)


@laws(70)
@given(a=settings, whys=unread)
def test_nothing_differs_from_itself(a: dict[str, Any], whys: dict[str, str]) -> None:
    found = compared(a, copy.deepcopy(a), whys, whys)
    assert found.changes == ()
    assert (found.changed, found.only_from, found.only_to) == (0, 0, 0)


@laws(70)
@given(a=settings, b=settings, unread_a=unread, unread_b=unread)
def test_the_other_way_round_is_the_mirror(
    a: dict[str, Any], b: dict[str, Any], unread_a: dict[str, str], unread_b: dict[str, str]
) -> None:
    there, back = compared(a, b, unread_a, unread_b), compared(b, a, unread_b, unread_a)
    kinds = {"only_from": "only_to", "only_to": "only_from", "changed": "changed"}
    sides = {"from": "to", "to": "from"}
    assert sorted(
        (kinds[c.kind], c.setting, c.path, c.label, c.new, c.old, c.security) for c in back.changes
    ) == (sorted((c.kind, c.setting, c.path, c.label, c.old, c.new, c.security) for c in there.changes))
    assert (there.same, there.changed, there.only_from) == (back.same, back.changed, back.only_to)
    assert sorted((name, sides[side], why) for name, side, why in back.unread) == sorted(there.unread)
    assert there.notes == back.notes


@laws(70)
@given(a=settings, b=settings)
def test_the_numbers_are_those_of_the_changes(a: dict[str, Any], b: dict[str, Any]) -> None:
    found = compared(a, b)
    kinds = [change.kind for change in found.changes]
    assert (found.only_from, found.only_to) == (kinds.count("only_from"), kinds.count("only_to"))
    assert found.changed <= kinds.count("changed")
    assert bool(found.changed) == ("changed" in kinds)
    for change in found.changes:
        assert change.old != change.new
        assert change.kind == "changed" or bool(change.old) == (change.kind == "only_from")
        assert "\0" not in repr(change)
    assert [not change.security for change in found.changes] == sorted(not c.security for c in found.changes)


def shuffled(value: Any, dice: random.Random) -> Any:
    """Every object and every list in another order; but for the rules, which have one."""
    if isinstance(value, dict):
        pairs = [(key, inner if key == "Rules" else shuffled(inner, dice)) for key, inner in value.items()]
        dice.shuffle(pairs)
        return dict(pairs)
    if isinstance(value, list):
        found = [shuffled(inner, dice) for inner in value]
        dice.shuffle(found)
        return found
    return value


@laws(70)
@given(a=settings, b=settings, seed=st.integers(0, 99))
def test_order_never_matters(a: dict[str, Any], b: dict[str, Any], seed: int) -> None:
    dice = random.Random(seed)
    there, again = compared(a, b), compared(shuffled(a, dice), shuffled(b, dice))
    assert set(there.changes) == set(again.changes)
    assert (there.same, there.changed) == (again.same, again.changed)
    assert compared(a, shuffled(a, dice)).changes == ()


WITHOUT_SECRETS = frozenset(ORDER) - {"clients", "client_secrets", "identity_providers", "identity_pools"}


@laws(50)
@given(a=settings, b=settings, name=st.sampled_from(sorted(NAMES)), seed=st.integers(0, 99))
def test_nothing_of_a_secret_is_ever_told(a: Any, b: Any, name: str, seed: int) -> None:
    """Sealed, in clear or half of it damaged: planted into every object and list there is.

    In clear, and under its name, where AWS has secrets, and in settings that nobody knows.
    """
    dice = random.Random(seed)

    def plant(value: Any, *, clear: bool = True) -> Any:
        secret = dice.choice([f"{HUSH}-{dice.random()}", {MARK: HUSH}, [HUSH, {"x": HUSH}]])
        if isinstance(value, dict):
            return {
                name: secret if clear else {MARK: HUSH},
                "Other": {MARK: HUSH},
                **{key: plant(inner, clear=clear) for key, inner in value.items()},
            }
        if isinstance(value, list):
            return [*(plant(inner, clear=clear) for inner in value), {MARK: HUSH, "more": 1}]
        return value

    def planted_into(all_of_it: Any) -> Any:
        each = {key: plant(value, clear=key not in WITHOUT_SECRETS) for key, value in all_of_it.items()}
        return {**each, name: HUSH, "Other": {MARK: HUSH}}

    planted = compared(planted_into(a), planted_into(b))
    assert HUSH not in repr(planted)
    assert planted.secrets and planted.notes == (SECRETS,)


def test_with_and_without_its_secrets_a_pool_is_the_same() -> None:
    clear = a_pool()
    clear["clients"][0]["ClientSecret"] = HUSH
    clear["client_secrets"]["1webweb"][0]["ClientSecretValue"] = HUSH
    left_out, _, _ = put_away(marked(clear), None)
    found = compared(a_pool(), left_out)
    assert found.changes == () and found.secrets
    assert not compared({"tags": {}}, {"tags": {}}).secrets


@pytest.mark.parametrize("setting", [*sorted({*ORDER} - WITHOUT_SECRETS), "of tomorrow"])
def test_a_secret_in_clear_is_not_told_at_any_depth(setting: str) -> None:
    told = {"ClientId": "1", "ProviderName": "1", "IdentityPoolId": "1", "At": [{"client_secret": HUSH}]}
    pool: dict[str, Any] = {"user_pool": {"Id": "the same"}}
    of_clients = setting == "client_secrets"
    found = compared(
        {**pool, setting: {"1": told} if of_clients else [told]}, {**pool, setting: {} if of_clients else []}
    )
    assert found.changes and found.secrets and HUSH not in repr(found)


def test_a_tag_may_be_called_what_a_secret_is_called() -> None:
    change = only({"tags": {"ClientSecret": "none"}}, {"tags": {"ClientSecret": "in the vault"}})
    assert (change.path, change.old, change.new) == ("ClientSecret", "none", "in the vault")


@pytest.mark.parametrize("mark", ["v1:x", 1, {"PostConfirmation": "arn:new"}])
def test_a_mark_beside_a_setting_does_not_hide_it(mark: Any) -> None:
    """What is sealed holds its mark and nothing else: so a restore asks for it."""
    forged = {"LambdaConfig": {MARK: mark, "PreSignUp": "arn:new"}}
    found = compared({"user_pool": {"LambdaConfig": {"PreSignUp": "arn:old"}}}, {"user_pool": forged})
    assert ("LambdaConfig.PreSignUp", "arn:old", "arn:new") in {(c.path, c.old, c.new) for c in found.changes}
    assert "v1:x" not in repr(found)


def test_a_mark_over_what_is_no_text_hides_nothing() -> None:
    forged = {"LambdaConfig": {MARK: {"PreSignUp": "arn:new"}}}
    found = compared({"user_pool": {}}, {"user_pool": forged})
    assert [change.new for change in found.changes] == ["arn:new"]


# --- the same pool, and the same again -----------------------------------------------------------


def test_a_pool_that_was_made_again_differs_in_nothing() -> None:
    found = compared(a_pool(), a_pool("eu-west-1_BBBBBBBBB", "2appapp"))
    assert found.changes == () and found.unread == ()
    assert found.same == compared(a_pool(), a_pool()).same > 30


def test_what_differs_in_every_setting_of_a_real_pool_is_told_where_it_stands() -> None:
    """One change to each of the 18 settings, and each is told."""
    new = a_pool()
    new["user_pool"]["DeletionProtection"] = "INACTIVE"
    new["tags"] = new["user_pool"]["UserPoolTags"] = {"team": "web"}
    new["mfa"]["SoftwareTokenMfaConfiguration"]["Enabled"] = False
    new["clients"][0]["CallbackURLs"] = ["https://b.example", "https://evil.example"]
    new["client_secrets"]["1webweb"].append({"ClientSecretId": "s2", "ClientSecretCreateDate": "2026-05-05"})
    new["client_sessions"]["1webweb"]["MaxValidityMinutes"] = 1440
    new["identity_providers"][0]["AttributeMapping"] |= {"name": "given_name"}
    new["resource_servers"][0]["Scopes"] = [{"ScopeName": "read", "ScopeDescription": "Read"}]
    new["domains"][0]["ManagedLoginVersion"] = 2
    new["risk"]["pool"]["RiskExceptionConfiguration"]["BlockedIPRangeList"] = []
    new["ui"]["1webweb"]["CSS"] = ".logo {color: red}"
    new["branding"]["1webweb"]["Assets"] = [
        {"Category": "FORM_LOGO", "ColorMode": "DARK", "Bytes": "iVBORw0K", "ResourceId": "made"}
    ]
    new["signing_certificate"] = "MIID"
    new["log_delivery"]["LogConfigurations"][0]["LogLevel"] = "INFO"
    new["terms"][0]["Links"]["en"] = "https://y"
    new["session"]["UserSessionTracking"] = "DISABLED"
    new["replicas"][0]["Role"] = "PRIMARY"
    new["identity_pools"][0]["RoleAttachment"]["Roles"]["authenticated"] = f"{ROLE}admin"

    found = compared(a_pool(), new)
    web = "web-app (1webweb)"
    told = [(c.setting, c.item, c.path, c.label, c.old, c.new, c.security) for c in found.changes]
    assert told == [
        ("user_pool", "", "DeletionProtection", "Deletion protection", "ACTIVE", "INACTIVE", "sign-in"),
        (
            *("mfa", "", "SoftwareTokenMfaConfiguration.Enabled", "Second factor by authenticator app"),
            *("on", "off", "mfa"),
        ),
        (
            *("clients", web, "CallbackURLs", "App client: callback URLs"),
            *("https://a.example, https://b.example", "https://b.example, https://evil.example", "clients"),
        ),
        (
            *("client_secrets", web, "ClientSecrets.s2", "App client: secret: s2"),
            *("", "client secret create date: 2026-05-05", "clients"),
        ),
        (
            *("client_sessions", web, "MaxValidityMinutes", "Session of an app client: max validity minutes"),
            *("60 minutes", "1,440 minutes", "clients"),
        ),
        (
            *("identity_providers", "Google", "AttributeMapping.name"),
            *("Identity provider: mapping of attribute: name", "", "given_name", "providers"),
        ),
        (
            *("risk", "", "RiskExceptionConfiguration.BlockedIPRangeList"),
            *("Threat protection, exceptions: blocked IP range list", "::/0", "", "sign-in"),
        ),
        (
            *("identity_pools", f"people ({REGION}:1webweb)", "RoleAttachment.Roles.authenticated"),
            *("Identity pool: role: authenticated", f"{ROLE}signed-in", f"{ROLE}admin", "providers"),
        ),
        ("tags", "", "team", "Tag: team", "data", "web", ""),
        (
            *("resource_servers", "api", "Scopes.write", "Resource server: scope: write"),
            *("scope description: Write", "", ""),
        ),
        (
            *(
                "domains",
                "sign-in.uni.example",
                "ManagedLoginVersion",
                "Domain: version of the sign-in pages",
            ),
            *("1", "2", ""),
        ),
        (
            *("ui", web, "CSS", "Look of the sign-in pages (classic): CSS"),
            *(".logo {}", ".logo {color: red}", ""),
        ),
        (
            *("branding", web, "Assets.FORM_LOGO DARK", "Look of the sign-in pages: picture: FORM_LOGO DARK"),
            *("", "bytes: 6 bytes, SHA-256 2f38bf1155248aa8", ""),
        ),
        ("signing_certificate", "", "", "Certificate that signs SAML requests", "MIIC", "MIID", ""),
        (
            *("log_delivery", "", "LogConfigurations.userNotification", "Delivery of logs: userNotification"),
            *("log level: ERROR", "log level: INFO", ""),
        ),
        (
            *("terms", "terms-of-use (web-app)", "Links.en", "Terms document: link: en"),
            *("https://x", "https://y", ""),
        ),
        ("session", "", "UserSessionTracking", "Sessions: user session tracking", "ENABLED", "DISABLED", ""),
        ("replicas", "eu-north-1", "Role", "Replica: role", "SECONDARY", "PRIMARY", ""),
    ]
    assert {change.setting for change in found.changes} == {*ORDER}
    assert not any(change.new_pool for change in found.changes)
    assert (found.changed, found.only_from, found.only_to) == (18, 0, 0)


def test_codes_are_those_that_a_comparison_knows() -> None:
    assert {*SECURITY.values()} - {""} <= {*diff.SECURITY}


# --- values --------------------------------------------------------------------------------------


def pool(**settings: Any) -> dict[str, Any]:
    return {"user_pool": {"Id": "p", **settings}}


@pytest.mark.parametrize(
    ("old", "new", "label", "texts", "security"),
    [
        (
            {"Policies": {"PasswordPolicy": {"MinimumLength": 8}}},
            {"Policies": {"PasswordPolicy": {"MinimumLength": 6}}},
            *("Password policy: minimum length", ("8", "6"), "sign-in"),
        ),
        (
            {"Policies": {"PasswordPolicy": {"TemporaryPasswordValidityDays": 7}}},
            {"Policies": {"PasswordPolicy": {"TemporaryPasswordValidityDays": 1}}},
            *("Password policy: a temporary password is valid for", ("7 days", "1 day"), "sign-in"),
        ),
        (
            {"AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True}},
            {"AdminCreateUserConfig": {"AllowAdminCreateUserOnly": False}},
            *("Self sign-up is closed", ("on", "off"), "sign-in"),
        ),
        (
            {"AdminCreateUserConfig": {"InviteMessageTemplate": {"EmailMessage": "Hello,\n{####}"}}},
            {"AdminCreateUserConfig": {"InviteMessageTemplate": {"EmailMessage": "Bye"}}},
            *("Invitation message: email message", ("Hello,\n{####}", "Bye"), ""),
        ),
        (
            {"LambdaConfig": {"PostConfirmation": "f"}},
            {"LambdaConfig": {}},
            *("Trigger: PostConfirmation", ("f", ""), "triggers"),
        ),
        (
            {"LambdaConfig": {"CustomEmailSender": {"LambdaArn": "f"}}},
            {"LambdaConfig": {"CustomEmailSender": {"LambdaArn": "g"}}},
            *("Trigger: CustomEmailSender, lambda ARN", ("f", "g"), "triggers"),
        ),
        (
            {"AccountRecoverySetting": {"RecoveryMechanisms": [{"Name": "admin_only", "Priority": 1}]}},
            {},
            *("Account recovery: admin_only", ("priority: 1", ""), "sign-in"),
        ),
        (
            {"EmailConfiguration": {"ReplyToEmailAddress": "it@uni.example"}},
            {"EmailConfiguration": {"ReplyToEmailAddress": None}},
            *("Mail: reply to email address", ("it@uni.example", ""), ""),
        ),
        ({}, {"FutureThing": {"DeepSSOLevel2": [1.5]}}, "Future thing, deep SSO level 2", ("", "1.5"), ""),
        ({}, {"snake_thing": True}, "Snake thing", ("", "on"), ""),
        ({}, {"a:b": "c"}, "A:b", ("", "c"), ""),
    ],
)
def test_a_value_has_a_name_in_words(
    old: dict[str, Any], new: dict[str, Any], label: str, texts: tuple[str, str], security: str
) -> None:
    change = only(pool(**old), pool(**new))
    assert (change.label, (change.old, change.new), change.security) == (label, texts, security)
    assert change.kind == ("changed" if all(texts) else "only_from" if texts[0] else "only_to")
    assert (change.setting, change.item, change.new_pool) == ("user_pool", "", False)


def test_a_setting_that_nobody_knows_yet_shows() -> None:
    change = only({"passkey_policy": [{"B": 1}, {"A": [2, [3]]}]}, {"passkey_policy": []})
    assert (change.setting, change.path, change.label) == ("passkey_policy", "", "Passkey policy")
    assert change.old == "A: 2 | 3 | B: 1"
    assert only({"new": {"Level": 1}}, {"new": {"Level": 2}}).label == "New, level"


def test_a_list_is_a_set_and_its_parts_cannot_be_mistaken() -> None:
    assert compared(pool(X=["b", "a", "a"]), pool(X=["a", "b"])).changes == ()
    assert (only(pool(X=["a, b"]), pool(X=["a", "b"])).old, only(pool(X=["a, b"]), pool()).new) == (
        '"a, b"',
        "",
    )


def test_empty_is_not_there() -> None:
    found = compared(pool(A=[], B={}, C="", D=None, E=[None], F={"G": []}), pool())
    assert found.changes == () and found.same == 0


def test_a_second_factor_by_email_is_there_without_a_word_of_its_own() -> None:
    change = only({"mfa": {}}, {"mfa": {"EmailMfaConfiguration": {}}})
    assert (change.label, change.old, change.new, change.security) == (
        "Second factor by e-mail",
        "",
        "on",
        "mfa",
    )


@pytest.mark.parametrize(
    ("client", "told"),
    [
        ({"AccessTokenValidity": 5, "TokenValidityUnits": {"AccessToken": "minutes"}}, "5 minutes"),
        ({"AccessTokenValidity": 1, "TokenValidityUnits": {"AccessToken": "days"}}, "1 day"),
        ({"AccessTokenValidity": 5, "TokenValidityUnits": {}}, "5 hours"),
        ({"AccessTokenValidity": 5, "TokenValidityUnits": None}, "5 hours"),
        ({"RefreshTokenValidity": 5}, "5 days"),
        ({"IdTokenValidity": True}, "on"),
        ({"TokenValidityUnits": {"IdToken": "hours"}}, "hours"),
        ({"AuthSessionValidity": 3}, "3 minutes"),
        ({"RefreshTokenRotation": {"RetryGracePeriodSeconds": 1}}, "1 second"),
    ],
)
def test_durations_say_their_unit(client: dict[str, Any], told: str) -> None:
    change = only({"clients": [{"ClientId": "1", **client}]}, {"clients": [{"ClientId": "1"}]})
    assert (change.old, change.new, change.kind) == (told, "", "changed")


def test_what_is_told_twice_is_told_once() -> None:
    old, new = a_pool(), a_pool()
    new["user_pool"]["MfaConfiguration"] = new["mfa"]["MfaConfiguration"] = "ON"
    new["user_pool"]["EmailVerificationMessage"] = "{####}"
    new["user_pool"]["VerificationMessageTemplate"]["EmailMessage"] = "{####}"
    assert [(c.setting, c.path) for c in compared(old, new).changes] == [
        ("mfa", "MfaConfiguration"),
        ("user_pool", "VerificationMessageTemplate.EmailMessage"),
    ]
    alone = compared(old, new, {"mfa": "denied"}).changes  # then user_pool is all there is to be told by
    assert [(c.setting, c.path, c.security) for c in alone][:1] == [("user_pool", "MfaConfiguration", "mfa")]
    del new["user_pool"]["EmailVerificationMessage"]
    assert "EmailVerificationMessage" in {c.path for c in compared(old, new).changes}, "not the same: told"


# --- what needs a new pool ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "path", "new_pool"),
    [
        ({"UsernameAttributes": ["email"]}, {}, "UsernameAttributes", True),
        ({}, {"AliasAttributes": ["email"]}, "AliasAttributes", True),
        (
            {"UsernameConfiguration": {"CaseSensitive": False}},
            {},
            "UsernameConfiguration.CaseSensitive",
            True,
        ),
        (
            {"SchemaAttributes": [an_attribute("custom:x", Mutable=False)]},
            {"SchemaAttributes": [an_attribute("custom:x")]},
            *("SchemaAttributes.custom:x", True),
        ),
        ({"SchemaAttributes": [an_attribute("custom:x")]}, {}, "SchemaAttributes.custom:x", False),
        ({"SchemaAttributes": [an_attribute("dev:x")]}, {}, "SchemaAttributes.dev:x", False),
        ({}, {"SchemaAttributes": [an_attribute("custom:x")]}, "SchemaAttributes.custom:x", True),
        ({"SchemaAttributes": [an_attribute("email")]}, {}, "SchemaAttributes.email", True),
        ({"SchemaAttributes": ["damaged"]}, {}, "SchemaAttributes", True),
        ({"MfaConfiguration": "ON"}, {}, "MfaConfiguration", False),
    ],
)
def test_what_only_a_new_pool_can_have_otherwise_is_marked(
    old: dict[str, Any], new: dict[str, Any], path: str, new_pool: bool
) -> None:
    change = only(pool(**old), pool(**new))
    assert (change.path, change.new_pool) == (path, new_pool)


def test_a_pool_that_does_not_say_it_tells_names_apart_by_case() -> None:
    said = pool(UsernameConfiguration={"CaseSensitive": True})
    assert compared(said, pool()).changes == ()
    change = only(pool(UsernameConfiguration={"CaseSensitive": False}), pool())
    assert (change.old, change.new, change.label) == ("off", "on", "Usernames differ by case")


def test_an_attribute_says_what_it_is() -> None:
    long = {"StringAttributeConstraints": {"MaxLength": "99"}}
    change = only(
        pool(SchemaAttributes=[an_attribute("email"), an_attribute("custom:x", **long)]),
        pool(SchemaAttributes=[an_attribute("email")]),
    )
    assert (change.label, change.kind) == ("Attribute: custom:x", "only_from")
    assert change.old == (
        "attribute data type: String; mutable: on; required: off; "
        "string attribute constraints, max length: 99"
    )


# --- things of a list -----------------------------------------------------------------------------


def clients(*pairs: tuple[str, str], pool_id: str = "one", **more: Any) -> dict[str, Any]:
    listed = [{"ClientId": id_, "ClientName": name, **more} for id_, name in pairs]
    return {"user_pool": {"Id": pool_id}, "clients": listed}


def test_a_thing_on_one_side_is_one_change_with_what_it_is() -> None:
    old, new = a_pool(), a_pool()
    new |= {
        name: type(old[name])() for name in ("clients", "client_secrets", "client_sessions", "risk", "ui")
    }
    new |= {name: [] for name in ("identity_providers", "domains", "replicas", "identity_pools")}
    new["resource_servers"].append({"Identifier": "", "Name": None})
    found = compared(old, new)
    assert (found.only_from, found.only_to, found.changed) == (9, 1, 0)
    told = {change.setting: change for change in found.changes}
    assert {(change.path, change.new) for change in found.changes if change.kind == "only_from"} == {("", "")}
    assert told["clients"].item == "web-app (1webweb)"
    assert told["clients"].old == (
        "callback URLs: https://a.example, https://b.example; "
        "explicit auth flows: ALLOW_REFRESH_TOKEN_AUTH, ALLOW_USER_SRP_AUTH"
    )
    assert (told["identity_providers"].item, told["identity_providers"].old) == (
        "Google",
        "provider type: Google",
    )
    assert (told["risk"].item, told["risk"].old) == (
        "",
        "risk exception configuration, blocked IP range list: ::/0",
    )
    assert (told["replicas"].item, told["replicas"].old) == (
        "eu-north-1",
        "region name: eu-north-1; role: SECONDARY",
    )
    assert told["identity_pools"].old.startswith(
        "allow unauthenticated identities: off; role attachment, role"
    )
    assert (told["resource_servers"].kind, told["resource_servers"].new) == ("only_to", "Resource server")


def test_a_thing_counts_once_however_much_of_it_changed() -> None:
    found = compared(clients(("1", "web"), A=1, B=1, C=1), clients(("1", "web"), A=2, B=2, C=1))
    assert (found.changed, found.same, [change.path for change in found.changes]) == (1, 0, ["A", "B"])


def test_a_client_is_matched_by_id_before_its_name() -> None:
    change = only(clients(("1", "web"), ("2", "app")), clients(("1", "app 1"), ("2", "app")))
    assert (change.item, change.path, change.old, change.new) == ("web (1)", "ClientName", "web", "app 1")


def test_in_the_same_pool_a_client_that_was_made_again_has_another_id_and_it_is_told() -> None:
    old = {
        **clients(("1", "web")),
        "risk": {"1": {"X": 1}},
        "client_secrets": {"1": [{"ClientSecretId": "a"}]},
    }
    new = {**clients(("2", "web")), "risk": {"2": {"X": 2}}, "client_secrets": {"2": []}}
    told = [(c.setting, c.item, c.path, c.old, c.new) for c in compared(old, new).changes]
    assert told == [
        ("clients", "web (1 → 2)", "ClientId", "1", "2"),
        ("client_secrets", "web (1 → 2)", "ClientSecrets", "1 in all", "0 in all"),
        ("risk", "web (1 → 2)", "X", "1", "2"),
    ]


def test_in_another_pool_it_is_the_same_client_with_what_hangs_on_it() -> None:
    old, new = a_pool(), a_pool("eu-west-1_BBBBBBBBB", "2appapp")
    new["ui"]["2appapp"]["CSS"] = ""
    new["terms"][0]["Links"] = {}
    new["client_secrets"]["2appapp"] *= 2
    new["identity_pools"][0]["CognitoIdentityProviders"][0]["ServerSideTokenCheck"] = True
    provider = f"cognito-idp.{REGION}.amazonaws.com/(this pool) web-app"
    assert [(c.setting, c.item, c.path, c.new) for c in compared(old, new).changes] == [
        ("client_secrets", "web-app (1webweb → 2appapp)", "ClientSecrets", "2 in all"),
        (
            *("identity_pools", f"people ({REGION}:1webweb → {REGION}:2appapp)"),
            *(f"CognitoIdentityProviders.{provider}", "server side token check: on"),
        ),
        ("ui", "web-app (1webweb → 2appapp)", "CSS", ""),
        ("terms", "terms-of-use (web-app)", "Links.en", ""),
    ]


def test_a_name_that_two_have_matches_nobody() -> None:
    found = compared(clients(("1", "web"), ("2", "web")), clients(("3", "web")))
    assert (found.only_from, found.only_to) == (2, 1)


def test_a_damaged_list_that_names_an_id_twice_has_no_order_either() -> None:
    old, new = clients(("1", "web"), ("1", "app")), clients(("2", "web"), ("3", "app"))
    old["risk"], new["risk"] = {"1": {"X": 1}}, {"2": {"X": 1}, "3": {"X": 2}}
    found = compared(old, new)
    for side in (old, new):
        side["clients"].reverse()
    assert compared(old, new) == found


def test_things_without_a_name_of_their_own_are_the_same_where_all_is() -> None:
    found = compared({"clients": [7, {}, {"A": 1}, {"A": 1}]}, {"clients": [{"A": 1}, 7, {}, None]})
    assert (found.same, found.only_from, found.only_to) == (3, 1, 1)
    assert [(c.kind, c.old, c.new) for c in found.changes] == [
        ("only_to", "", "App client"),
        ("only_from", "App client", ""),
    ]


def test_the_rules_of_an_identity_pool_have_an_order() -> None:
    old, new = a_pool(), a_pool()
    mapping = next(iter(new["identity_pools"][0]["RoleAttachment"]["RoleMappings"].values()))
    mapping["RulesConfiguration"]["Rules"].reverse()
    change = only(old, new)
    assert change.label.endswith("1webweb, rules configuration, rules") and change.security == "providers"
    assert change.old.startswith("1. claim: role; match type: Equals; role ARN: ")
    assert " | 2. claim: role" in change.old and change.old.index("admin") < change.old.index("beta")


# --- what cannot be compared ----------------------------------------------------------------------


def test_what_one_side_could_not_read_is_neither_there_nor_gone() -> None:
    old, new = a_pool(), a_pool()
    del new["mfa"], new["risk"]
    new["domains"] = []
    found = compared(
        old, new, {"tags": "denied", "risk": "denied too", "session/x": "odd"}, {"mfa": "no answer"}
    )
    assert [change.setting for change in found.changes] == ["domains"]
    assert found.unread == (
        ("tags", "from", "denied"),
        ("mfa", "to", "no answer"),
        ("risk", "from", "denied too"),
        ("risk", "to", NOT_HELD),
    )


def test_a_setting_that_an_older_backup_lacks_is_not_compared_and_one_that_both_lack_is_not_named() -> None:
    found = compared(
        {"tags": {}}, {"tags": {}, "session": {}, "later": 1}, {"second factors of users": "why"}
    )
    assert found.changes == ()
    assert found.unread == (("session", "from", NOT_HELD), ("later", "from", NOT_HELD))
    both = compared({}, {}, {"tags": "denied"}, {"tags": "denied"})
    assert both.unread == (("tags", "from", "denied"), ("tags", "to", "denied"))


def test_an_item_that_one_side_could_not_read_is_left_out_on_both() -> None:
    old, new = clients(("1", "web"), ("2", "app")), clients(("2", "app"))
    found = compared(new, old, {"clients/1": "deleted"})
    assert (found.changes, found.same) == ((), 1)
    assert found.unread == (("clients/1", "from", "deleted"),)
    third = clients(("2", "app"), ("3", "third"))
    assert [c.item for c in compared(new, third, {"clients/1": "no"}).changes] == ["third (3)"], (
        "certainly another"
    )


def test_what_may_be_an_unread_one_under_another_id_is_not_told_as_missing() -> None:
    """Of a pool that was made again, nobody knows what the unread client was called."""
    old, new = clients(("1", "web")), clients(("8", "web"), ("9", "app"), pool_id="another")
    old["terms"] = new["terms"] = [{"TermsId": "", "TermsName": "privacy", "ClientId": "9"}]
    new["risk"] = {"9": {"X": 1}, "pool": {"X": 1}}
    old["risk"] = {}
    found = compared(old, new, {"clients/2": "no answer"})
    assert [(c.setting, c.item, c.kind) for c in found.changes] == [("risk", "", "only_to")]
    assert found.unread == (
        ("clients/2", "from", "no answer"),
        ("clients/9", "from", "no answer"),
        ("risk/9", "from", WHOSE),
    )


def test_of_clients_that_are_not_known_nothing_is_told_between_two_pools() -> None:
    old, new = a_pool(), a_pool("eu-west-1_BBBBBBBBB", "2appapp")
    found = compared(old, new, {"clients": "denied"})
    assert {change.setting for change in found.changes} == {"identity_pools"}  # the client's id is all it has
    assert ("clients", "from", "denied") in found.unread
    hanging = {name.partition("/")[0] for name, _, why in found.unread if why == WHOSE}
    assert hanging == {"client_secrets", "client_sessions", "ui", "branding", "terms"}


def test_where_more_are_unread_than_are_named_nothing_is_told_as_missing() -> None:
    many = {"identity_providers": [{"ProviderName": "Google"}, {"ProviderName": "Okta"}]}
    found = compared(many, {"identity_providers": []}, {}, {"identity_providers/1,998 more": "tired"})
    assert found.changes == ()
    assert found.unread == (
        ("identity_providers/1,998 more", "to", "tired"),
        ("identity_providers/Google", "to", "tired"),
        ("identity_providers/Okta", "to", "tired"),
    )


def test_an_identity_pool_whose_roles_are_unread_is_compared_without_them() -> None:
    old, new = a_pool(), a_pool()
    del new["identity_pools"][0]["RoleAttachment"]
    new["identity_pools"][0]["AllowUnauthenticatedIdentities"] = True
    found = compared(old, new, {}, {f"identity_pools/{REGION}:1webweb/roles": "denied"})
    assert [change.path for change in found.changes] == ["AllowUnauthenticatedIdentities"]
    assert found.unread == ((f"identity_pools/{REGION}:1webweb/roles", "to", "denied"),)


@pytest.mark.parametrize(
    ("setting", "value"), [("clients", {}), ("user_pool", []), ("risk", None), ("tags", "x")]
)
def test_a_setting_of_another_form_is_damaged_and_not_gone(setting: str, value: Any) -> None:
    found = compared({setting: value}, {setting: a_pool()[setting]})
    assert (found.changes, found.unread) == ((), ((setting, "from", DAMAGED),))


def test_what_is_nested_without_end_is_damaged() -> None:
    deep = orjson.loads(b"[" * 1000 + b"]" * 1000)
    found = compared({"mfa": {"X": deep}, "odd": deep}, {"mfa": {}, "odd": 1})
    assert found.unread == (("mfa", "from", DAMAGED), ("odd", "from", DAMAGED))


# --- real readings --------------------------------------------------------------------------------


def test_what_a_pool_gives_is_compared_as_it_is_kept() -> None:
    def read(pool: FakePool) -> tuple[dict[str, Any], dict[str, str]]:
        given = list(pool.settings())
        kept = {name: value for name, value, why in given if not why}
        return put_away(kept, None)[0], {name: why for name, _, why in given if why}

    pool = FakePool()
    pool.setting_values["clients"] = [{"ClientId": "1", "ClientName": "web", "ClientSecret": HUSH}]
    pool.setting_errors["tags"] = "denied"
    before, unread = read(pool)
    pool.setting_values["mfa"] = {"MfaConfiguration": "ON"}
    pool.setting_values["clients"] = []
    after, unread_now = read(pool)
    found = compared(before, after, unread, unread_now)
    assert [(c.setting, c.item, c.kind, c.old, c.new) for c in found.changes] == [
        ("mfa", "", "only_to", "", "ON"),
        ("clients", "web (1)", "only_from", "web (1)", ""),
    ]
    assert found.unread == (("tags", "from", "denied"), ("tags", "to", "denied"))
