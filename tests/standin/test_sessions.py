"""What a pool can be told to keep of a sign-in: sessions and authentication events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.standin.client import Standin
from tests.standin.person import ADA, Application, refused


@pytest.fixture
def web(client: Any, control: Standin, pool: str) -> Application:
    web = Application(client, pool)
    web.member()
    return web


def track(web: Application, most: int = 20) -> None:
    told = {"UserSessionTracking": "ENABLED", "TokenSession": {"MaxPerUser": most}}
    web.client.set_user_pool_session_configuration(UserPoolId=web.pool, **told)


def listed(web: Application) -> list[dict[str, Any]]:
    told = web.client.admin_list_user_sessions(UserPoolId=web.pool, Username=ADA)
    return list(told["Sessions"])


def test_sessions_are_listed_only_where_they_are_tracked(web: Application) -> None:
    web.sign_in(ADA)
    refused("InvalidParameterException", listed, web=web)
    track(web)
    assert listed(web) == []  # those from before are not known
    web.sign_in(ADA)
    (one,) = listed(web)
    assert (one["SessionType"], one["ClientId"]) == ("TOKEN", web.id)
    assert one["CreateDate"] == one["LastActiveDate"]


def test_a_session_that_is_revoked_takes_its_tokens_with_it(web: Application) -> None:
    track(web)
    here, there = web.sign_in(ADA)["AccessToken"], web.sign_in(ADA)["AccessToken"]
    sessions = web.client.list_user_sessions(AccessToken=here)["Sessions"]
    (current,) = [one["SessionId"] for one in sessions if one["IsCurrentSession"]]
    (other,) = [one["SessionId"] for one in sessions if not one["IsCurrentSession"]]
    revoke = web.client.revoke_user_session
    refused("InvalidParameterException", revoke, AccessToken=here, SessionId=current)
    revoke(AccessToken=here, SessionId=other)
    refused("NotAuthorizedException", web.client.get_user, AccessToken=there)
    assert web.client.get_user(AccessToken=here)["Username"]
    told = {"UserPoolId": web.pool, "Username": ADA}
    refused("ResourceNotFoundException", web.client.admin_revoke_user_session, SessionId=other, **told)
    web.client.admin_revoke_user_session(SessionId=current, **told)
    assert listed(web) == []


def test_one_session_too_many_ends_the_least_recently_used(web: Application) -> None:
    track(web, most=2)
    results = [web.sign_in(ADA) for _ in range(2)]
    renewal = {"ClientId": web.id, "RefreshToken": results[0]["RefreshToken"]}
    web.client.get_tokens_from_refresh_token(**renewal)
    results.append(web.sign_in(ADA))
    assert len(listed(web)) == 2
    refused("NotAuthorizedException", web.client.get_user, AccessToken=results[1]["AccessToken"])
    for kept in (results[0], results[2]):
        assert web.client.get_user(AccessToken=kept["AccessToken"])["Username"]


def test_events_are_kept_only_with_threat_protection(web: Application) -> None:
    events = web.client.admin_list_user_auth_events
    refused("UserPoolAddOnNotEnabledException", events, UserPoolId=web.pool, Username=ADA)


def test_events_tell_who_signed_in_and_who_tried(
    client: Any, control: Standin, make_pool: Callable[..., str]
) -> None:
    protection = {"UserPoolTier": "PLUS", "UserPoolAddOns": {"AdvancedSecurityMode": "AUDIT"}}
    web = Application(client, make_pool(**protection))
    web.member()
    before = control.user(web.pool, ADA)
    refused("NotAuthorizedException", web.sign_in, username=ADA, password="Wrong-horse-1")
    web.sign_in(ADA)
    web.forgot(ADA)
    pages = client.get_paginator("admin_list_user_auth_events").paginate(
        UserPoolId=web.pool, Username=ADA, PaginationConfig={"PageSize": 2}
    )
    events = [event for page in pages for event in page["AuthEvents"]]
    assert [(event["EventType"], event["EventResponse"]) for event in events] == [
        ("ForgotPassword", "InProgress"),
        ("SignIn", "Pass"),
        ("SignIn", "Fail"),
    ]
    assert control.user(web.pool, ADA)["UserLastModifiedDate"] == before["UserLastModifiedDate"]
