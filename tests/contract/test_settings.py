"""Every readable setting of a pool, through the adapter: what is saved, and what it costs in calls."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from backups.aws import session
from backups.aws.cognito import CognitoPool
from backups.aws.identity_pools import names
from backups.core.sealed import put_away
from backups.core.settings_diff import diff_settings
from backups.engine.pace import Pace
from backups.wiring import SystemClock
from tests.contract.marks import only_standin, worlds
from tests.contract.worlds import Remote, StandinWorld
from tests.standin.client import Standin

HAS_IDENTITY_POOLS = worlds("standin", "moto", why="ministack is not told to be a cognito-identity")
ALL = [
    "user_pool", "tags", "mfa", "clients", "client_secrets", "client_sessions", "identity_providers",
    "resource_servers", "domains", "risk", "ui", "branding", "signing_certificate", "log_delivery", "terms",
    "session", "replicas", "identity_pools",
]  # fmt: skip
SES = "arn:aws:ses:eu-west-1:123456789012:identity/uni.example"
ROLES = {"authenticated": "arn:aws:iam::111122223333:role/signed-in"}


def read(pool: CognitoPool) -> dict[str, Any]:
    """What could be read, as it is written. Nothing may be unread."""
    found: dict[str, Any] = {}
    for name, value, why in pool.settings():
        assert not why, f"{name}: {why}"
        found[name] = value
    written: dict[str, Any] = json.loads(json.dumps(put_away(found, None)[0]))
    return written


@only_standin("no emulator has every setting")
def test_every_setting_is_read_as_it_was_set(world: StandinWorld, standin: Standin) -> None:
    idp: Any = session.client("cognito-idp", world.region)
    made = idp.create_user_pool(
        PoolName=world.pool_name,
        UserPoolTier="PLUS",
        UserPoolAddOns={"AdvancedSecurityMode": "AUDIT"},
        UserPoolTags={"team": "data"},
        LambdaConfig={"PostConfirmation": "arn:aws:lambda:eu-west-1:111122223333:function:confirmed"},
    )["UserPool"]
    pool = CognitoPool(world.region, made["Id"])
    of_pool = {"UserPoolId": pool.pool_id}
    client = idp.create_user_pool_client(**of_pool, ClientName="web", GenerateSecret=True)["UserPoolClient"]
    of_client = {**of_pool, "ClientId": client["ClientId"]}
    domain = f"saved-{pool.pool_id[-8:].lower()}"
    idp.create_user_pool_domain(**of_pool, Domain=domain)
    idp.set_user_pool_mfa_config(
        **of_pool, MfaConfiguration="OPTIONAL", SoftwareTokenMfaConfiguration={"Enabled": True}
    )
    idp.create_identity_provider(
        **of_pool,
        ProviderName="Google",
        ProviderType="Google",
        ProviderDetails={"client_id": "public", "client_secret": "hush-hush", "authorize_scopes": "email"},
    )
    idp.create_resource_server(**of_pool, Identifier="api", Name="api")
    blocked = {"RiskExceptionConfiguration": {"BlockedIPRangeList": ["10.0.0.0/8"]}}
    idp.set_risk_configuration(**of_pool, **blocked)
    idp.set_risk_configuration(**of_client, **blocked)
    idp.set_ui_customization(**of_client, CSS=".logo-customizable {max-width: 60%;}")
    idp.create_managed_login_branding(**of_client, UseCognitoProvidedValues=True)
    idp.create_terms(
        **of_client,
        TermsName="terms-of-use",
        TermsSource="LINK",
        Enforcement="NONE",
        Links={"cognito:default": "https://uni.example/terms"},
    )

    found = read(pool)
    assert list(found) == ALL
    assert found["user_pool"]["LambdaConfig"]["PostConfirmation"].endswith(":confirmed")
    assert found["user_pool"]["UserPoolTier"] == pool.facts().tier == "PLUS"
    assert found["tags"] == {"team": "data"}
    assert found["mfa"]["SoftwareTokenMfaConfiguration"] == {"Enabled": True}
    assert [one["ClientName"] for one in found["clients"]] == ["web"]
    assert found["client_secrets"][client["ClientId"]][0]["ClientSecretId"]
    assert found["client_sessions"] == {client["ClientId"]: {"MaxValidityMinutes": 60}}
    assert found["identity_providers"][0]["ProviderDetails"]["client_id"] == "public"
    assert found["resource_servers"][0]["Identifier"] == "api"
    assert found["domains"][0]["Domain"] == domain
    assert set(found["risk"]) == {"pool", client["ClientId"]}
    assert found["risk"]["pool"]["RiskExceptionConfiguration"] == blocked["RiskExceptionConfiguration"]
    assert "max-width" in found["ui"][client["ClientId"]]["CSS"]
    assert found["branding"][client["ClientId"]]["UseCognitoProvidedValues"] is True
    assert found["signing_certificate"]
    assert found["log_delivery"]["UserPoolId"] == pool.pool_id
    assert found["terms"][0]["Links"] == {"cognito:default": "https://uni.example/terms"}
    assert found["session"]["UserPoolId"] == pool.pool_id
    assert found["replicas"] == []
    assert found["identity_pools"] == []
    assert "hush-hush" not in json.dumps(found) and client["ClientSecret"] not in json.dumps(found)

    assert diff_settings(found, read(pool), {}, {}).changes == ()
    idp.set_user_pool_mfa_config(**of_pool, MfaConfiguration="OFF")
    idp.add_custom_attributes(
        **of_pool, CustomAttributes=[{"Name": "institution", "AttributeDataType": "String", "Mutable": True}]
    )
    idp.delete_identity_provider(**of_pool, ProviderName="Google")
    idp.update_user_pool_client(**of_client, ClientName="web", ExplicitAuthFlows=["ALLOW_USER_AUTH"])
    told = {
        (one.setting, one.path.partition(".")[0]) for one in diff_settings(found, read(pool), {}, {}).changes
    }
    assert told == {
        ("mfa", "MfaConfiguration"),
        ("mfa", "SoftwareTokenMfaConfiguration"),  # left out of the call: off
        ("user_pool", "SchemaAttributes"),
        ("identity_providers", ""),
        ("clients", "ExplicitAuthFlows"),
    }


@only_standin("no other server here has quotas")
def test_a_dozen_clients_are_read_without_a_throttle(world: StandinWorld, standin: Standin) -> None:
    """Each operation is allowed five times a second and pool; at our default share of AWS's own quotas."""
    pool = world.pool()
    for number in range(12):
        session.client("cognito-idp", world.region).create_user_pool_client(
            UserPoolId=pool.pool_id, ClientName=f"client {number}"
        )
    standin.fresh()
    begun = time.monotonic()
    found = read(CognitoPool(world.region, pool.pool_id, Pace(SystemClock(), 0.8).call))
    assert len(found["clients"]) == 12
    assert standin.books()["throttled"] == {}
    assert time.monotonic() - begun < 30


@only_standin("no other server can be made to deny one operation")
def test_what_is_denied_is_asked_once_and_named_with_its_reason(
    world: StandinWorld, standin: Standin
) -> None:
    pool = world.pool()
    idp = session.client("cognito-idp", world.region)
    clients = [
        idp.create_user_pool_client(UserPoolId=pool.pool_id, ClientName=f"client {number}")["UserPoolClient"]
        for number in range(3)
    ]
    standin.fault("DescribeUserPoolClient", "denied", times=-1)
    standin.fault("GetUICustomization", "500", nth=2)
    unread = {name: why for name, _, why in pool.settings() if why}
    first = sorted(one["ClientId"] for one in clients)
    assert set(unread) == {"clients", *(name for name in unread if name.startswith("ui/"))}
    assert len(unread) == 2 and unread.keys() & {f"ui/{one}" for one in first}
    assert "AccessDenied" in unread["clients"]
    assert standin.faults() == {"DescribeUserPoolClient denied": 1, "GetUICustomization 500": 1}


# identity pools


@HAS_IDENTITY_POOLS
def test_the_identity_pools_that_name_this_pool_are_read_and_no_others(world: Remote) -> None:
    pool, other = world.pool(), world.pool()
    made = {pool_id: identity_pool(world, pool_id) for pool_id in (pool.pool_id, other.pool_id)}
    read = {name: (value, why) for name, value, why in pool.settings() if name.startswith("identity_pools")}
    found, why = read.pop("identity_pools")
    assert why == ""
    assert [one["IdentityPoolId"] for one in found] == [made[pool.pool_id]]
    assert found[0]["CognitoIdentityProviders"][0]["ClientId"] == "web"
    if world.name == "moto":  # it knows no roles, and answers 500
        assert set(read) == {f"identity_pools/{made[pool.pool_id]}/roles"}
    else:
        assert read == {} and found[0]["RoleAttachment"]["Roles"] == ROLES


@only_standin("its pages are as long as asked for")
def test_every_page_of_identity_pools_is_read(
    world: StandinWorld, standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backups.aws.identity_pools.PAGE", 2)
    pool = world.pool()
    made = {identity_pool(world, pool.pool_id) for _ in range(5)}
    (found,) = (value for name, value, _ in pool.settings() if name == "identity_pools")
    assert {one["IdentityPoolId"] for one in found} == made


@only_standin("no other server can be made to fail here")
@pytest.mark.parametrize(
    ("operation", "kind", "unread"),
    [
        ("ListIdentityPools", "denied", "identity_pools"),
        ("DescribeIdentityPool", "denied", "identity_pools"),
        ("DescribeIdentityPool", "500", "identity_pools/{}"),
        ("GetIdentityPoolRoles", "denied", "identity_pools/{}/roles"),
    ],
)
def test_what_of_them_cannot_be_read_is_named(
    world: StandinWorld, standin: Standin, operation: str, kind: str, unread: str
) -> None:
    pool = world.pool()
    made = identity_pool(world, pool.pool_id)
    standin.fault(operation, kind)
    found = {name: why for name, _, why in pool.settings() if why}
    if kind == "500":  # the first that is described: which one it is, is the Region's order
        assert len(found) == 1 and next(iter(found)).startswith("identity_pools/")
    else:
        assert list(found) == [unread.format(made)]


def identity_pool(world: Remote, pool_id: str) -> str:
    """A new one that takes the people of the pool in; its id."""
    identity = session.client("cognito-identity", world.region)
    provider = f"cognito-idp.{world.region}.amazonaws.com/{pool_id}"
    made = identity.create_identity_pool(
        IdentityPoolName="of a test",
        AllowUnauthenticatedIdentities=False,
        CognitoIdentityProviders=[{"ProviderName": provider, "ClientId": "web"}],
    )["IdentityPoolId"]
    if world.name != "moto":
        identity.set_identity_pool_roles(IdentityPoolId=made, Roles=ROLES)
    return made


def test_an_identity_pool_names_a_user_pool_in_three_ways() -> None:
    pool, host = "eu-west-1_AbC", "cognito-idp.eu-west-1.amazonaws.com"
    arn = f"arn:aws:iam::111122223333:oidc-provider/{host}/{pool}"
    assert names({"CognitoIdentityProviders": [{"ProviderName": f"{host}/{pool}"}]}, pool)
    assert names({"SupportedLoginProviders": {f"{host}/{pool}": "web"}}, pool)
    assert names({"OpenIdConnectProviderARNs": [arn]}, pool)
    assert not names({}, pool)
    assert not names({"CognitoIdentityProviders": [{"ProviderName": f"{host}/{pool}d"}]}, pool)
    assert not names({"SupportedLoginProviders": {"accounts.google.com": pool}}, pool)
    assert not names({"SupportedLoginProviders": {f"login.example/{pool}": "x"}}, pool)
