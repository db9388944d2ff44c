"""Users and their identities at other providers: linked, and parted again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.standin.client import Standin
from tests.standin.person import ADA, Application, refused

GOOGLE = {"client_id": "g", "client_secret": "s", "authorize_scopes": "email"}


@pytest.fixture
def web(client: Any, control: Standin, make_pool: Callable[..., str]) -> Application:
    """Of a pool whose users may come from Google too."""
    pool = make_pool()
    told = {"ProviderName": "Google", "ProviderType": "Google", "ProviderDetails": GOOGLE}
    client.create_identity_provider(UserPoolId=pool, **told)
    return Application(client, pool)


def link(web: Application, source: str, **more: str) -> None:
    local = {"ProviderName": "Cognito", "ProviderAttributeValue": ADA}
    told = {"ProviderName": "Google", "ProviderAttributeName": "Cognito_Subject"} | more
    web.client.admin_link_provider_for_user(
        UserPoolId=web.pool, DestinationUser=local, SourceUser={**told, "ProviderAttributeValue": source}
    )


def part(web: Application, provider: str, value: str) -> None:
    told = {"ProviderName": provider, "ProviderAttributeName": "Cognito_Subject"}
    web.client.admin_disable_provider_for_user(
        UserPoolId=web.pool, User={**told, "ProviderAttributeValue": value}
    )


def identities(control: Standin, web: Application) -> list[dict[str, Any]]:
    attributes = {one["Name"]: one["Value"] for one in control.user(web.pool, ADA)["Attributes"]}
    return list(json.loads(attributes.get("identities", "[]")))


def test_who_is_linked_comes_in_as_the_local_user(web: Application, control: Standin) -> None:
    sub = web.member()["Username"]
    link(web, "1001")
    (one,) = identities(control, web)
    assert (one["providerName"], one["providerType"], one["userId"]) == ("Google", "Google", "1001")
    assert not one["primary"]
    arrived = control.federate(web.pool, "Google", "1001", email=ADA)
    assert arrived["Username"] == sub
    assert len(control.users(web.pool)) == 1


def test_a_link_needs_a_user_a_provider_and_its_subject(web: Application) -> None:
    refused("UserNotFoundException", link, web=web, source="1001")
    web.member()
    refused("ResourceNotFoundException", link, web=web, source="1001", ProviderName="Okta")
    refused("InvalidParameterException", link, web=web, source="1001", ProviderName="Cognito")
    refused("InvalidParameterException", link, web=web, source="1001", ProviderAttributeName="email")


def test_who_has_come_in_before_is_not_merged(web: Application, control: Standin) -> None:
    web.member()
    control.federate(web.pool, "Google", "1001", email="ada@google.example")
    said = refused("InvalidParameterException", link, web=web, source="1001")
    assert said.startswith("Merging is not currently supported")
    assert identities(control, web) == []


def test_a_user_has_five_links_at_most(web: Application, control: Standin) -> None:
    web.member()
    for number in range(5):
        link(web, f"100{number}")
    refused("InvalidParameterException", link, web=web, source="1001")
    refused("LimitExceededException", link, web=web, source="1005")
    assert len(identities(control, web)) == 5


def test_who_is_parted_is_somebody_new_the_next_time(web: Application, control: Standin) -> None:
    web.member()
    link(web, "1001")
    part(web, "Google", "1001")
    assert identities(control, web) == []
    refused("UserNotFoundException", part, web=web, provider="Google", value="1001")
    assert control.federate(web.pool, "Google", "1001")["UserStatus"] == "EXTERNAL_PROVIDER"


def test_a_local_user_can_be_kept_from_using_the_password(web: Application) -> None:
    web.member()
    part(web, "Cognito", ADA)
    refused("NotAuthorizedException", web.sign_in, username=ADA)
