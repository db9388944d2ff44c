"""What hangs on a pool: clients, providers, servers, domains, MFA, risk, looks, terms, sessions, jobs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.standin.client import Standin
from tests.standin.test_pools import IDENTITY, ROLE, described, refused

pytestmark = pytest.mark.usefixtures("control")

MakePool = Callable[..., str]
NO_CLIENT = "nosuchclientnosuchclientno"
GOOGLE = {
    "ProviderName": "Google",
    "ProviderType": "Google",
    "ProviderDetails": {
        "client_id": "of-google",
        "client_secret": "hush",
        "authorize_scopes": "openid email",
    },
}
PLUS = {"UserPoolTier": "PLUS", "UserPoolAddOns": {"AdvancedSecurityMode": "AUDIT"}}
BLOCK = {"Actions": {"EventAction": "BLOCK"}}
SES = {"EmailConfiguration": {"EmailSendingAccount": "DEVELOPER", "SourceArn": IDENTITY}}


class Held:
    """Every operation of one pool."""

    def __init__(self, client: Any, pool: str) -> None:
        self.client = client
        self.id = pool

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        asked = getattr(self.client, operation)
        return lambda **told: asked(UserPoolId=self.id, **told)

    def app(self, **told: Any) -> dict[str, Any]:
        """A new app client, as described."""
        made = self.create_user_pool_client(ClientName="web", **told)["UserPoolClient"]
        found: dict[str, Any] = self.describe_user_pool_client(ClientId=made["ClientId"])["UserPoolClient"]
        assert found == made
        return found


@pytest.fixture
def held(client: Any, pool: str) -> Held:
    return Held(client, pool)


# clients


def test_a_client_has_the_defaults_of_aws(held: Held) -> None:
    app = held.app()
    assert re.fullmatch(r"[a-z0-9]{26}", app["ClientId"])
    assert app["RefreshTokenValidity"] == 30
    assert app["AuthSessionValidity"] == 3
    assert app["EnableTokenRevocation"]
    assert not app["AllowedOAuthFlowsUserPoolClient"]
    assert app["ClientType"] == "REGULAR"
    assert not app.keys() & {"ClientSecret", "ExplicitAuthFlows", "CallbackURLs", "ReadAttributes"}


def test_a_client_may_have_a_secret(held: Held) -> None:
    assert re.fullmatch(r"[a-z0-9]{51}", held.app(GenerateSecret=True)["ClientSecret"])
    assert held.app(ClientSecret="x" * 24)["ClientSecret"] == "x" * 24
    both = {"ClientName": "web", "GenerateSecret": True, "ClientSecret": "x" * 24}
    refused("InvalidParameterException", held.create_user_pool_client, **both)


def test_an_update_of_a_client_resets_whatever_it_does_not_name(held: Held) -> None:
    app = held.app(
        GenerateSecret=True,
        RefreshTokenValidity=5,
        CallbackURLs=["https://uni.example/back"],
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"],
        EnableTokenRevocation=False,
    )
    held.update_user_pool_client(ClientId=app["ClientId"], IdTokenValidity=2)
    after = held.describe_user_pool_client(ClientId=app["ClientId"])["UserPoolClient"]
    assert after["IdTokenValidity"] == 2
    assert after["RefreshTokenValidity"] == 30
    assert after["EnableTokenRevocation"]
    assert not after.keys() & {"CallbackURLs", "ExplicitAuthFlows"}
    for name in ("ClientId", "ClientName", "ClientSecret", "CreationDate"):
        assert after[name] == app[name]


@pytest.mark.parametrize(
    ("code", "settings"),
    [
        ("InvalidParameterException", {"ReadAttributes": ["custom:nothing"]}),
        ("InvalidParameterException", {"WriteAttributes": ["custom:nothing"]}),
        ("InvalidParameterException", {"SupportedIdentityProviders": ["COGNITO", "Google"]}),
        ("InvalidParameterException", {"DefaultRedirectURI": "https://uni.example/"}),
        ("InvalidParameterException", {"ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH", "USER_PASSWORD_AUTH"]}),
        ("InvalidParameterException", {"EnablePropagateAdditionalUserContextData": True}),
        ("ScopeDoesNotExistException", {"AllowedOAuthScopes": ["openid", "data/read"]}),
        ("InvalidOAuthFlowException", {"AllowedOAuthFlows": ["client_credentials"]}),
        (
            "InvalidOAuthFlowException",
            {"AllowedOAuthFlows": ["code", "client_credentials"], "GenerateSecret": True},
        ),
    ],
)
def test_what_a_client_names_must_be_there_before_it(held: Held, code: str, settings: dict[str, Any]) -> None:
    refused(code, held.create_user_pool_client, ClientName="web", **settings)
    assert held.list_user_pool_clients()["UserPoolClients"] == []


def test_a_client_may_name_what_is_there(held: Held) -> None:
    held.create_identity_provider(**GOOGLE)
    scopes = [{"ScopeName": "read", "ScopeDescription": "read it"}]
    held.create_resource_server(Identifier="data", Name="Data", Scopes=scopes)
    told = {
        "SupportedIdentityProviders": ["COGNITO", "Google"],
        "AllowedOAuthScopes": ["openid", "data/read"],
        "AllowedOAuthFlows": ["code"],
        "CallbackURLs": ["https://uni.example/"],
        "DefaultRedirectURI": "https://uni.example/",
        "ReadAttributes": ["email", "name"],
    }
    assert told.items() <= held.app(**told).items()


def test_clients_are_listed_in_pages(held: Held) -> None:
    made = {held.app()["ClientId"] for _ in range(3)}
    first = held.list_user_pool_clients(MaxResults=2)
    rest = held.list_user_pool_clients(MaxResults=2, NextToken=first["NextToken"])
    shown = first["UserPoolClients"] + rest["UserPoolClients"]
    assert {one["ClientId"] for one in shown} == made
    assert shown[0].keys() == {"ClientId", "UserPoolId", "ClientName"}
    assert "NextToken" not in rest
    assert held.list_user_pool_clients(ClientType="DCR")["UserPoolClients"] == []
    refused("InvalidParameterException", held.list_user_pool_clients, MaxResults=61)


def test_a_client_takes_with_it_what_hangs_on_it(held: Held) -> None:
    app = {"ClientId": held.app()["ClientId"]}
    links = {"cognito:default": "https://uni.example/terms"}
    terms = {"TermsName": "terms-of-use", "TermsSource": "LINK", "Enforcement": "NONE", "Links": links}
    held.create_terms(**app, **terms)
    style = held.create_managed_login_branding(**app, UseCognitoProvidedValues=True)["ManagedLoginBranding"]
    held.delete_user_pool_client(**app)
    assert held.list_terms()["Terms"] == []
    branding = {"ManagedLoginBrandingId": style["ManagedLoginBrandingId"]}
    refused("ResourceNotFoundException", held.describe_managed_login_branding, **branding)
    refused("ResourceNotFoundException", held.describe_user_pool_client, **app)
    refused("ResourceNotFoundException", held.delete_user_pool_client, **app)


# secrets


def test_a_client_has_two_secrets_at_most_and_no_list_tells_them(held: Held) -> None:
    app = held.app(GenerateSecret=True)
    client = {"ClientId": app["ClientId"]}
    made = held.add_user_pool_client_secret(**client)["ClientSecretDescriptor"]
    assert re.fullmatch(r"[a-z0-9]{51}", made["ClientSecretValue"])
    refused("LimitExceededException", held.add_user_pool_client_secret, **client)
    listed = held.list_user_pool_client_secrets(**client)["ClientSecrets"]
    assert [one.keys() for one in listed] == [{"ClientSecretId", "ClientSecretCreateDate"}] * 2
    first, second = (one["ClientSecretId"] for one in listed)
    assert second == made["ClientSecretId"]
    held.delete_user_pool_client_secret(**client, ClientSecretId=first)
    after = held.describe_user_pool_client(**client)["UserPoolClient"]
    assert after["ClientSecret"] == made["ClientSecretValue"]
    refused("ResourceNotFoundException", held.delete_user_pool_client_secret, **client, ClientSecretId=first)
    refused("InvalidParameterException", held.delete_user_pool_client_secret, **client, ClientSecretId=second)


def test_a_secret_that_we_bring_is_not_answered(held: Held) -> None:
    app = {"ClientId": held.app(GenerateSecret=True)["ClientId"]}
    made = held.add_user_pool_client_secret(**app, ClientSecret="y" * 30)["ClientSecretDescriptor"]
    assert made.keys() == {"ClientSecretId", "ClientSecretCreateDate"}


def test_a_public_client_has_no_secrets(held: Held) -> None:
    app = {"ClientId": held.app()["ClientId"]}
    refused("InvalidParameterException", held.add_user_pool_client_secret, **app)
    assert held.list_user_pool_client_secrets(**app)["ClientSecrets"] == []
    refused("ResourceNotFoundException", held.list_user_pool_client_secrets, ClientId=NO_CLIENT)


# identity providers and resource servers


def test_an_identity_provider_is_described_with_its_secret(held: Held) -> None:
    held.create_identity_provider(**GOOGLE, IdpIdentifiers=["uni.example"])
    found = held.describe_identity_provider(ProviderName="Google")["IdentityProvider"]
    assert found["ProviderDetails"] == GOOGLE["ProviderDetails"]
    assert found["AttributeMapping"] == {"username": "sub"}
    assert held.get_identity_provider_by_identifier(IdpIdentifier="uni.example")["IdentityProvider"] == found
    (listed,) = held.list_identity_providers()["Providers"]
    assert listed.keys() == {"ProviderName", "ProviderType", "CreationDate", "LastModifiedDate"}
    refused("DuplicateProviderException", held.create_identity_provider, **GOOGLE)
    refused("ResourceNotFoundException", held.get_identity_provider_by_identifier, IdpIdentifier="else")


def test_an_identifier_leads_to_one_provider(held: Held) -> None:
    held.create_identity_provider(**GOOGLE, IdpIdentifiers=["uni.example"])
    saml = {
        "ProviderName": "Uni",
        "ProviderType": "SAML",
        "ProviderDetails": {"MetadataURL": "https://uni.example"},
    }
    create = held.create_identity_provider
    refused("DuplicateProviderException", create, **saml, IdpIdentifiers=["uni.example"])
    assert "AttributeMapping" not in create(**saml)["IdentityProvider"]


def test_an_identity_provider_is_changed_and_deleted(held: Held) -> None:
    held.create_identity_provider(**GOOGLE, IdpIdentifiers=["uni.example"])
    google = {"ProviderName": "Google"}
    details = GOOGLE["ProviderDetails"] | {"client_secret": "new"}  # type: ignore[operator]
    held.update_identity_provider(**google, ProviderDetails=details)
    found = held.describe_identity_provider(**google)["IdentityProvider"]
    assert found["ProviderDetails"] == details
    assert found["IdpIdentifiers"] == ["uni.example"]
    held.delete_identity_provider(**google)
    for call in (
        held.describe_identity_provider,
        held.update_identity_provider,
        held.delete_identity_provider,
    ):
        refused("ResourceNotFoundException", call, **google)


def test_resource_servers(held: Held) -> None:
    scopes = [{"ScopeName": "read", "ScopeDescription": "read it"}]
    server = {"Identifier": "https://data.uni.example", "Name": "Data"}
    made = held.create_resource_server(**server, Scopes=scopes)["ResourceServer"]
    assert made == {"UserPoolId": held.id, **server, "Scopes": scopes}
    assert held.list_resource_servers(MaxResults=50)["ResourceServers"] == [made]
    refused("InvalidParameterException", held.create_resource_server, **server)
    refused("InvalidParameterException", held.list_resource_servers, MaxResults=51)
    held.update_resource_server(**server | {"Name": "Data 2"})
    after = held.describe_resource_server(Identifier=server["Identifier"])["ResourceServer"]
    assert (after["Name"], after["Scopes"]) == ("Data 2", [])
    held.delete_resource_server(Identifier=server["Identifier"])
    refused("ResourceNotFoundException", held.describe_resource_server, Identifier=server["Identifier"])


# domains


@pytest.fixture
def domain(held: Held) -> str:
    return f"uni-{held.id[-9:].lower()}"


def test_a_domain_is_seen_with_its_pool(client: Any, held: Held, domain: str) -> None:
    assert client.describe_user_pool_domain(Domain=domain)["DomainDescription"] == {}
    assert held.create_user_pool_domain(Domain=domain)["ManagedLoginVersion"] == 1
    found = client.describe_user_pool_domain(Domain=domain)["DomainDescription"]
    assert (found["UserPoolId"], found["AWSAccountId"]) == (held.id, "111122223333")
    assert (found["Status"], found["ManagedLoginVersion"]) == ("ACTIVE", 1)
    assert described(client, held.id)["Domain"] == domain
    held.update_user_pool_domain(Domain=domain, ManagedLoginVersion=2)
    found = client.describe_user_pool_domain(Domain=domain)["DomainDescription"]
    assert found["ManagedLoginVersion"] == 2
    held.delete_user_pool_domain(Domain=domain)
    assert client.describe_user_pool_domain(Domain=domain)["DomainDescription"] == {}
    assert "Domain" not in described(client, held.id)
    refused("ResourceNotFoundException", held.delete_user_pool_domain, Domain=domain)


def test_a_domain_is_of_one_pool_and_a_pool_has_one(
    client: Any, held: Held, domain: str, make_pool: MakePool
) -> None:
    held.create_user_pool_domain(Domain=domain)
    other = Held(client, make_pool())
    told = refused("InvalidParameterException", other.create_user_pool_domain, Domain=domain)
    assert "already associated" in told
    refused("InvalidParameterException", held.create_user_pool_domain, Domain=f"{domain}-2")
    refused("InvalidParameterException", other.create_user_pool_domain, Domain="my-cognito")
    refused("ResourceNotFoundException", other.delete_user_pool_domain, Domain=domain)


def test_a_name_of_ones_own_comes_with_a_certificate(client: Any, held: Held, domain: str) -> None:
    held.create_user_pool_domain(Domain=domain)
    own = {"CertificateArn": "arn:aws:acm:us-east-1:111122223333:certificate/0123"}
    made = held.create_user_pool_domain(Domain=f"{domain}-own", CustomDomainConfig=own)
    assert made["CloudFrontDomain"].endswith(".cloudfront.net")
    found = described(client, held.id)
    assert (found["Domain"], found["CustomDomain"]) == (domain, f"{domain}-own")
    refused("InvalidParameterException", held.update_user_pool_domain, Domain=domain, CustomDomainConfig=own)


# multi-factor authentication


def test_mfa_is_off_until_it_is_set(client: Any, held: Held, make_pool: MakePool) -> None:
    def read(one: Held) -> dict[str, Any]:
        answer = one.get_user_pool_mfa_config()
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    assert read(held) == {"MfaConfiguration": "OFF"}
    by_sms = make_pool(MfaConfiguration="OPTIONAL", SmsConfiguration={"SnsCallerArn": ROLE})
    assert read(Held(client, by_sms)) == {
        "MfaConfiguration": "OPTIONAL",
        "SmsMfaConfiguration": {"SmsConfiguration": {"SnsCallerArn": ROLE}},
    }


def test_every_factor_is_kept_and_mfa_is_one_setting(client: Any, make_pool: MakePool) -> None:
    held = Held(client, make_pool(**SES))
    told = {
        "MfaConfiguration": "OPTIONAL",
        "SmsMfaConfiguration": {
            "SmsAuthenticationMessage": "{####} it is",
            "SmsConfiguration": {"SnsCallerArn": ROLE, "ExternalId": "one"},
        },
        "SoftwareTokenMfaConfiguration": {"Enabled": True},
        "EmailMfaConfiguration": {"Message": "Code: {####}", "Subject": "Your code"},
        "WebAuthnConfiguration": {"RelyingPartyId": "uni.example", "UserVerification": "preferred"},
    }
    assert told.items() <= held.set_user_pool_mfa_config(**told).items()
    assert told.items() <= held.get_user_pool_mfa_config().items()
    pool = described(client, held.id)
    assert pool["MfaConfiguration"] == "OPTIONAL"
    assert pool["SmsConfiguration"] == {"SnsCallerArn": ROLE, "ExternalId": "one"}
    assert pool["SmsAuthenticationMessage"] == "{####} it is"
    held.update_user_pool(MfaConfiguration="OPTIONAL", **SES)
    after = held.get_user_pool_mfa_config()
    assert after["SoftwareTokenMfaConfiguration"] == {"Enabled": True}
    assert "SmsMfaConfiguration" not in after
    held.update_user_pool()
    assert held.get_user_pool_mfa_config()["MfaConfiguration"] == "OFF"


@pytest.mark.parametrize(
    ("code", "settings", "told"),
    [
        ("InvalidParameterException", {}, {"SmsMfaConfiguration": {}}),
        ("InvalidParameterException", {}, {"MfaConfiguration": "ON"}),
        (
            "InvalidParameterException",
            {},
            {"MfaConfiguration": "ON", "SoftwareTokenMfaConfiguration": {"Enabled": False}},
        ),
        ("InvalidParameterException", {}, {"EmailMfaConfiguration": {}}),
        ("FeatureUnavailableInTierException", {"UserPoolTier": "LITE", **SES}, {"EmailMfaConfiguration": {}}),
    ],
)
def test_factors_that_cannot_work(
    client: Any, make_pool: MakePool, code: str, settings: dict[str, Any], told: dict[str, Any]
) -> None:
    held = Held(client, make_pool(**settings))
    refused(code, held.set_user_pool_mfa_config, **told)
    assert held.get_user_pool_mfa_config()["MfaConfiguration"] == "OFF"


# risk, looks, logs, sessions, certificate


def test_risk_needs_threat_protection(held: Held) -> None:
    for call in (held.describe_risk_configuration, held.set_risk_configuration):
        refused("UserPoolAddOnNotEnabledException", call)


def test_risk_is_of_the_pool_or_of_a_client(client: Any, make_pool: MakePool) -> None:
    held = Held(client, make_pool(**PLUS))
    app = {"ClientId": held.app()["ClientId"]}
    own = {"UserPoolId": held.id}
    assert held.describe_risk_configuration()["RiskConfiguration"] == own
    held.set_risk_configuration(CompromisedCredentialsRiskConfiguration=BLOCK)
    blocked = {"BlockedIPRangeList": ["192.0.2.0/24"]}
    held.set_risk_configuration(**app, RiskExceptionConfiguration=blocked)
    of_pool = held.describe_risk_configuration()["RiskConfiguration"]
    of_client = held.describe_risk_configuration(**app)["RiskConfiguration"]
    assert of_pool["CompromisedCredentialsRiskConfiguration"] == BLOCK
    assert (of_client["ClientId"], of_client["RiskExceptionConfiguration"]) == (app["ClientId"], blocked)
    assert "CompromisedCredentialsRiskConfiguration" not in of_client
    held.set_risk_configuration()
    assert held.describe_risk_configuration()["RiskConfiguration"] == own
    refused("ResourceNotFoundException", held.describe_risk_configuration, ClientId=NO_CLIENT)


def test_looks_need_a_domain_and_a_client_has_those_of_all(held: Held, domain: str) -> None:
    app = {"ClientId": held.app()["ClientId"]}
    css = ".banner-customizable {background-color: teal;}"
    assert held.get_ui_customization()["UICustomization"] == {}
    assert "existing domain" in refused("InvalidParameterException", held.set_ui_customization, CSS=css)
    held.create_user_pool_domain(Domain=domain)
    of_all = held.set_ui_customization(CSS=css)["UICustomization"]
    assert (of_all["ClientId"], of_all["CSS"]) == ("ALL", css)
    assert held.get_ui_customization(**app)["UICustomization"] == of_all
    own = held.set_ui_customization(**app, ImageFile=b"a picture")["UICustomization"]
    assert own["ImageUrl"].startswith("https://")
    assert held.get_ui_customization(**app)["UICustomization"] == own
    assert held.get_ui_customization()["UICustomization"] == of_all


def test_managed_login_branding_is_one_to_a_client(held: Held) -> None:
    app = {"ClientId": held.app()["ClientId"]}
    find = held.describe_managed_login_branding_by_client
    refused("ResourceNotFoundException", find, **app)
    logo = {"Category": "FORM_LOGO", "ColorMode": "LIGHT", "Extension": "SVG", "Bytes": b"<svg/>"}
    made = held.create_managed_login_branding(**app, Settings={"look": {"bold": True}}, Assets=[logo])
    style = made["ManagedLoginBranding"]
    assert (style["Settings"], style["Assets"]) == ({"look": {"bold": True}}, [logo])
    assert not style["UseCognitoProvidedValues"]
    key = {"ManagedLoginBrandingId": style["ManagedLoginBrandingId"]}
    assert find(**app)["ManagedLoginBranding"] == style
    assert held.describe_managed_login_branding(**key)["ManagedLoginBranding"] == style
    refused("ManagedLoginBrandingExistsException", held.create_managed_login_branding, **app)
    held.update_managed_login_branding(**key, Settings={"look": {}})
    after = find(**app)["ManagedLoginBranding"]
    assert (after["Settings"], after["Assets"]) == ({"look": {}}, [logo])
    update = held.update_managed_login_branding
    refused("InvalidParameterException", update, **key, UseCognitoProvidedValues=True, Settings={})
    update(**key, UseCognitoProvidedValues=True)
    assert not find(**app)["ManagedLoginBranding"].keys() & {"Settings", "Assets"}
    held.delete_managed_login_branding(**key)
    refused("ResourceNotFoundException", find, **app)
    held.create_managed_login_branding(**app, UseCognitoProvidedValues=True)


def test_terms_are_one_of_a_name_to_a_client(held: Held) -> None:
    app = {"ClientId": held.app()["ClientId"]}
    links = {"cognito:default": "https://uni.example/terms"}
    told = {"TermsName": "terms-of-use", "TermsSource": "LINK", "Enforcement": "NONE", "Links": links}
    made = held.create_terms(**app, **told)["Terms"]
    refused("TermsExistsException", held.create_terms, **app, **told)
    refused("ResourceNotFoundException", held.create_terms, ClientId=NO_CLIENT, **told)
    (listed,) = held.list_terms(MaxResults=60)["Terms"]
    assert listed.keys() == {"TermsId", "TermsName", "Enforcement", "CreationDate", "LastModifiedDate"}
    key = {"TermsId": made["TermsId"]}
    assert held.describe_terms(**key)["Terms"] == made
    assert held.describe_terms_by_client(**app, TermsName="terms-of-use")["Terms"] == made
    other = held.create_terms(**app, **told | {"TermsName": "privacy-policy"})["Terms"]
    update = held.update_terms
    refused("TermsExistsException", update, TermsId=other["TermsId"], TermsName="terms-of-use")
    new = {"cognito:default": "https://uni.example/new"}
    assert update(**key, Links=new)["Terms"]["Links"] == new
    held.delete_terms(**key)
    refused("ResourceNotFoundException", held.describe_terms, **key)
    refused("ResourceNotFoundException", held.describe_terms_by_client, **app, TermsName="terms-of-use")


def test_logs(client: Any, make_pool: MakePool) -> None:
    group = {"LogGroupArn": "arn:aws:logs:eu-west-1:111122223333:log-group:cognito"}
    errors = {"LogLevel": "ERROR", "EventSource": "userNotification", "CloudWatchLogsConfiguration": group}
    events = {"LogLevel": "INFO", "EventSource": "userAuthEvents", "CloudWatchLogsConfiguration": group}
    held, plus = Held(client, make_pool()), Held(client, make_pool(**PLUS))
    read = held.get_log_delivery_configuration
    assert read()["LogDeliveryConfiguration"] == {"UserPoolId": held.id, "LogConfigurations": []}
    held.set_log_delivery_configuration(LogConfigurations=[errors])
    assert read()["LogDeliveryConfiguration"]["LogConfigurations"] == [errors]
    write = held.set_log_delivery_configuration
    refused("FeatureUnavailableInTierException", write, LogConfigurations=[errors, events])
    plus.set_log_delivery_configuration(LogConfigurations=[errors, events])
    told = plus.get_log_delivery_configuration()["LogDeliveryConfiguration"]
    assert told["LogConfigurations"] == [errors, events]


def test_sessions_are_tracked_when_the_pool_says_so(client: Any, held: Held, make_pool: MakePool) -> None:
    app = {"ClientId": held.app()["ClientId"]}
    on = {"UserSessionTracking": "ENABLED", "TokenSession": {"MaxPerUser": 5}}
    day = {"SSOSession": {"MaxValidityMinutes": 1440}}
    bare = held.get_user_pool_session_configuration()
    assert (bare["UserSessionTracking"], bare["TokenSession"]) == ("DISABLED", {"MaxPerUser": 20})
    of_client = held.get_user_pool_client_session_configuration
    assert of_client(**app)["SSOSession"] == {"MaxValidityMinutes": 60}
    refused("InvalidParameterException", held.set_user_pool_client_session_configuration, **app, **day)
    held.set_user_pool_session_configuration(**on)
    assert on.items() <= held.get_user_pool_session_configuration().items()
    held.set_user_pool_client_session_configuration(**app, **day)
    assert of_client(**app)["SSOSession"] == day["SSOSession"]
    refused("ResourceNotFoundException", of_client, ClientId=NO_CLIENT)
    lite = Held(client, make_pool(UserPoolTier="LITE"))
    refused("FeatureUnavailableInTierException", lite.set_user_pool_session_configuration, **on)


def test_each_pool_signs_with_its_own_certificate(client: Any, held: Held, make_pool: MakePool) -> None:
    other = Held(client, make_pool())
    certificates = {one.get_signing_certificate()["Certificate"] for one in (held, held, other)}
    assert len(certificates) == 2


# import jobs

JOB = {"JobName": "all", "CloudWatchLogsRoleArn": ROLE}


def test_the_header_of_a_csv_file_names_every_attribute(client: Any, make_pool: MakePool) -> None:
    held = Held(client, make_pool(Schema=[{"Name": "institution", "AttributeDataType": "String"}]))
    header = held.get_csv_header()["CSVHeader"]
    assert {"cognito:username", "cognito:mfa_enabled", "email", "custom:institution"} <= set(header)
    assert "sub" not in header


def test_an_import_job_runs_until_it_is_stopped_and_nothing_beside_it(
    client: Any, held: Held, make_pool: MakePool
) -> None:
    job = held.create_user_import_job(**JOB)["UserImportJob"]
    assert job["Status"] == "Created"
    assert job["PreSignedUrl"].startswith("http://127.0.0.1:9/")
    key = {"JobId": job["JobId"]}
    assert held.start_user_import_job(**key)["UserImportJob"]["Status"] == "Pending"
    for call, told in (
        (held.update_user_pool, {}),
        (held.delete_user_pool, {}),
        (held.add_custom_attributes, {"CustomAttributes": [{"Name": "x", "AttributeDataType": "String"}]}),
    ):
        refused("UserImportInProgressException", call, **told)
    other = Held(client, make_pool())
    second = other.create_user_import_job(**JOB)["UserImportJob"]
    refused("PreconditionNotMetException", other.start_user_import_job, JobId=second["JobId"])
    refused("PreconditionNotMetException", held.start_user_import_job, **key)
    held.stop_user_import_job(**key)
    found = held.describe_user_import_job(**key)["UserImportJob"]
    assert (found["Status"], found.keys() >= {"StartDate", "CompletionDate"}) == ("Stopped", True)
    refused("PreconditionNotMetException", held.stop_user_import_job, **key)
    held.delete_user_pool()


def test_import_jobs_are_listed_in_pages(held: Held) -> None:
    made = {held.create_user_import_job(**JOB)["UserImportJob"]["JobId"] for _ in range(3)}
    first = held.list_user_import_jobs(MaxResults=2)
    rest = held.list_user_import_jobs(MaxResults=2, PaginationToken=first["PaginationToken"])
    assert {one["JobId"] for one in first["UserImportJobs"] + rest["UserImportJobs"]} == made
    refused("ResourceNotFoundException", held.describe_user_import_job, JobId="import-nothing")


# a secondary Region


def test_a_secondary_region_describes_and_refuses(held: Held, control: Standin) -> None:
    app = {"ClientId": held.app()["ClientId"]}
    control.secondary(held.id)
    assert held.describe_user_pool_client(**app)["UserPoolClient"]["ClientId"] == app["ClientId"]
    for call, told in (
        (held.create_user_pool_client, {"ClientName": "web"}),
        (held.update_user_pool_client, app),
        (held.delete_user_pool_client, app),
        (held.create_identity_provider, GOOGLE),
        (held.create_user_pool_domain, {"Domain": "uni"}),
        (held.set_user_pool_mfa_config, {"MfaConfiguration": "OFF"}),
        (held.set_log_delivery_configuration, {"LogConfigurations": []}),
        (held.create_user_import_job, JOB),
    ):
        refused("OperationNotEnabledException", call, **told)
