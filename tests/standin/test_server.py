"""The stand-in itself: what it does with a call before and after the operation, and its own address."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from tests import servers
from tests.servers import Server
from tests.standin.client import Standin
from tests.standin.conftest import connect


def refused(code: str, call: Callable[..., Any], **asked: Any) -> ClientError:
    with pytest.raises(ClientError) as error:
        call(**asked)
    assert error.value.response["Error"]["Code"] == code
    return error.value


def post(server: Server, operation: str, body: bytes, signed: bool = True) -> tuple[int, dict[str, Any]]:
    headers = {"X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}"}
    if signed:
        scope = "Credential=test/20260101/eu-west-1/cognito-idp/aws4_request"
        headers["Authorization"] = f"AWS4-HMAC-SHA256 {scope}"
    request = urllib.request.Request(server.url, data=body, headers=headers)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def create(client: Any, pool: str, name: str = "ada", **more: Any) -> Any:
    return client.admin_create_user(
        UserPoolId=pool, Username=f"{name}@uni.example", **{"MessageAction": "SUPPRESS"} | more
    )


# the protocol


def test_an_operation_that_it_does_not_know_is_refused_and_counted(server: Server, control: Standin) -> None:
    status, answer = post(server, "MakeCoffee", b"{}")
    assert (status, answer["__type"]) == (400, "UnknownOperationException")
    assert control.books()["unknown"] == {"MakeCoffee": 1}


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"Limit": "ten", "UserPoolId": "eu-west-1_Abc"}'])
def test_a_body_that_is_no_request_is_refused(server: Server, control: Standin, body: bytes) -> None:
    status, answer = post(server, "ListUsers", body)
    assert (status, answer["__type"]) == (400, "SerializationException")


def test_an_administrators_call_needs_a_signature(server: Server, control: Standin, pool: str) -> None:
    status, answer = post(server, "ListUsers", json.dumps({"UserPoolId": pool}).encode(), signed=False)
    assert (status, answer["__type"]) == (400, "MissingAuthenticationTokenException")


def test_every_constraint_that_does_not_hold_is_said(client: Any, control: Standin, pool: str) -> None:
    error = refused(
        "InvalidParameterException", client.list_users, UserPoolId=pool, Limit=61, Filter="x" * 257
    )
    said = error.response["Error"]["Message"]
    assert said.startswith("2 validation errors detected: Value '61' at 'limit' failed to satisfy constraint")
    assert "Member must have length less than or equal to 256" in said


def test_a_regions_pools_are_its_own(server: Server, control: Standin, client: Any, pool: str) -> None:
    elsewhere = boto3.client(
        "cognito-idp",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    pages = client.get_paginator("list_user_pools").paginate(MaxResults=60)
    assert pool in [one["Id"] for page in pages for one in page["UserPools"]]
    assert elsewhere.list_user_pools(MaxResults=60)["UserPools"] == []
    refused("ResourceNotFoundException", elsewhere.describe_user_pool, UserPoolId=pool)


def test_an_application_calls_without_a_signature(
    server: Server, control: Standin, client: Any, pool: str
) -> None:
    web = client.create_user_pool_client(UserPoolId=pool, ClientName="web")["UserPoolClient"]["ClientId"]
    anybody = boto3.client(
        "cognito-idp",
        endpoint_url=server.url,
        region_name=servers.REGION,
        config=Config(signature_version=UNSIGNED),
    )
    made = anybody.sign_up(ClientId=web, Username="ada@uni.example", Password="Correct-horse-1")
    assert control.user(pool, "ada@uni.example")["Username"] == made["UserSub"]


# quotas


def test_a_category_gives_a_seconds_worth_and_then_refuses(client: Any, control: Standin, pool: str) -> None:
    control.quotas({"UserRead": 3})
    create(client, pool)
    for _ in range(3):
        client.admin_get_user(UserPoolId=pool, Username="ada@uni.example")
    error = refused(
        "TooManyRequestsException", client.admin_get_user, UserPoolId=pool, Username="ada@uni.example"
    )
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert control.books()["throttled"] == {"AdminGetUser": 1}
    create(client, pool, "bob")  # another category has its own


def test_all_pools_and_operations_of_a_category_drink_from_one_bucket(
    client: Any, control: Standin, make_pool: Callable[..., str]
) -> None:
    one, other = make_pool(), make_pool()
    client.create_group(UserPoolId=one, GroupName="admins")
    control.quotas({"UserList": 2})
    client.list_users(UserPoolId=other)
    client.list_users_in_group(UserPoolId=one, GroupName="admins")
    refused("TooManyRequestsException", client.list_users, UserPoolId=one)


def test_the_application_beside_us_drinks_too(client: Any, control: Standin, pool: str) -> None:
    control.quotas({"UserCreation": 10}, neighbour={"UserCreation": 8})
    create(client, pool, "one")
    create(client, pool, "two")
    refused("TooManyRequestsException", create, client=client, pool=pool, name="three")


def test_an_operation_has_a_bound_of_its_own_in_each_pool(
    client: Any, control: Standin, make_pool: Callable[..., str]
) -> None:
    one, other = make_pool(), make_pool()
    control.quotas(per_pool=2)
    client.list_groups(UserPoolId=one)
    client.list_groups(UserPoolId=one)
    refused("TooManyRequestsException", client.list_groups, UserPoolId=one)
    client.list_groups(UserPoolId=other)
    client.list_identity_providers(UserPoolId=one)


def test_what_was_refused_for_the_quota_was_not_done(client: Any, control: Standin, pool: str) -> None:
    control.quotas({"UserCreation": 1})
    create(client, pool, "one")
    refused("TooManyRequestsException", create, client=client, pool=pool, name="two")
    assert [one["UserStatus"] for one in control.users(pool)] == ["FORCE_CHANGE_PASSWORD"]


# faults


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        ("throttle", "TooManyRequestsException", 400),
        ("limit", "LimitExceededException", 400),
        ("500", "InternalErrorException", 500),
        ("503", "ServiceUnavailableException", 503),
    ],
)
def test_an_error_answer_means_that_nothing_was_done(
    client: Any, control: Standin, pool: str, kind: str, code: str, status: int
) -> None:
    control.fault("AdminCreateUser", kind)
    error = refused(code, create, client=client, pool=pool)
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert control.users(pool) == []
    create(client, pool)


def test_an_answer_may_be_lost_after_the_work(client: Any, control: Standin, pool: str) -> None:
    control.fault("AdminCreateUser", "close-before")
    with pytest.raises(ConnectionClosedError):
        create(client, pool, "never-made")
    control.fault("AdminCreateUser", "close-after")
    with pytest.raises(ConnectionClosedError):
        create(client, pool, "made")
    control.fault("AdminCreateUser", "500-after")
    refused("InternalErrorException", create, client=client, pool=pool, name="made-too")
    emails = {a["Value"] for one in control.users(pool) for a in one["Attributes"] if a["Name"] == "email"}
    assert emails == {"made@uni.example", "made-too@uni.example"}


@pytest.mark.parametrize(("kind", "there"), [("never", 0), ("never-after", 1)])
def test_an_answer_may_never_come(server: Server, control: Standin, pool: str, kind: str, there: int) -> None:
    impatient = connect(server.url).meta.config.merge(Config(read_timeout=0.3))
    client = boto3.client(
        "cognito-idp",
        endpoint_url=server.url,
        region_name=servers.REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=impatient,
    )
    control.fault("AdminCreateUser", kind)
    with pytest.raises(ReadTimeoutError):
        create(client, pool)
    assert len(control.users(pool)) == there


def test_an_answer_may_be_cut_or_slow(server: Server, client: Any, control: Standin, pool: str) -> None:
    control.fault("AdminCreateUser", "cut")
    create(client, pool)  # botocore takes half an answer for an empty one
    assert len(control.users(pool)) == 1
    control.fault("ListUsers", "slow", seconds=0.2)
    begun = time.monotonic()
    client.list_users(UserPoolId=pool)
    assert time.monotonic() - begun >= 0.2


def test_a_fault_waits_for_its_call_and_ends_after_its_times(
    client: Any, control: Standin, pool: str
) -> None:
    control.fault("AdminCreateUser", "500", nth=2, times=2)
    create(client, pool, "one")
    for _ in range(2):
        refused("InternalErrorException", create, client=client, pool=pool, name="two")
    create(client, pool, "two")
    assert control.faults() == {"AdminCreateUser 500": 2}
    control.fault("*", "503", times=-1)
    for _ in range(3):
        refused("ServiceUnavailableException", client.list_users, UserPoolId=pool)
    control.clear_faults()
    client.list_users(UserPoolId=pool)


def test_a_message_that_cannot_be_delivered_leaves_the_user(client: Any, control: Standin, pool: str) -> None:
    control.fault("AdminCreateUser", "delivery")
    refused("CodeDeliveryFailureException", create, client=client, pool=pool)
    assert len(control.users(pool)) == 1


def test_calls_wait_side_by_side(client: Any, control: Standin, pool: str) -> None:
    control.latency(0.2)
    begun = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        for made in [threads.submit(create, client, pool, f"user{n}") for n in range(8)]:
            made.result()
    assert time.monotonic() - begun >= 0.2
    assert len(control.users(pool)) == 8


def test_a_fault_that_does_not_exist_is_told(control: Standin) -> None:
    with pytest.raises(ValueError, match="no such fault: burn"):
        control.fault("ListUsers", "burn")
    with pytest.raises(ValueError, match="no such knob: speed"):
        control.knobs(speed=1)
    with pytest.raises(ValueError, match="no such quota category: Users"):
        control.quotas({"Users": 1})


# books, seed, keeping


def test_the_books_tell_every_call_that_was_let_in(client: Any, control: Standin, pool: str) -> None:
    control.clear_books()
    made = create(client, pool)["User"]["Username"]
    refused("UsernameExistsException", create, client=client, pool=pool)
    client.admin_get_user(UserPoolId=pool, Username=made)
    books = control.books()
    assert books["done"] == {"AdminCreateUser": 1, "AdminGetUser": 1}
    assert books["failed"] == {"AdminCreateUser UsernameExistsException": 1}
    assert books["messages"] == 0
    assert list(books["active"].values()) == [1]
    ((when, operation, in_pool, sub, code),) = control.calls("AdminGetUser")
    assert (operation, in_pool, sub, code) == ("AdminGetUser", pool, made, "")
    assert abs(when - time.time()) < 60


def test_seeded_people_are_users_like_any_other(
    client: Any, control: Standin, make_pool: Callable[..., str]
) -> None:
    schema = [{"Name": "institution", "AttributeDataType": "String", "Mutable": True}]
    pool = make_pool(Schema=schema)
    client.create_group(UserPoolId=pool, GroupName="admins")
    told = control.seed(pool, 500, groups={"admins": 0.1})
    assert told["users"] == 500
    assert client.describe_user_pool(UserPoolId=pool)["UserPool"]["EstimatedNumberOfUsers"] == 500
    listed = [
        u for page in client.get_paginator("list_users").paginate(UserPoolId=pool) for u in page["Users"]
    ]
    assert len({one["Username"] for one in listed}) == 500
    assert {"CONFIRMED", "FORCE_CHANGE_PASSWORD", "RESET_REQUIRED"} == {one["UserStatus"] for one in listed}
    members = client.list_users_in_group(UserPoolId=pool, GroupName="admins")["Users"]
    assert 30 <= len(members) <= 60
    client.admin_update_user_attributes(
        UserPoolId=pool, Username=told["last"], UserAttributes=[{"Name": "name", "Value": "Another"}]
    )
    found = client.list_users(UserPoolId=pool, Filter='name = "Another"')["Users"]
    assert [a["Value"] for a in found[0]["Attributes"] if a["Name"] == "email"] == [told["last"]]
    with pytest.raises(ValueError, match="in the pool already"):
        control.seed(pool, 10)
    assert control.seed(pool, 10, start=500)["users"] == 510


def test_everything_is_there_again_after_a_clean_stop(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    with servers.running(servers.standin(tmp_path, keep=kept)) as (first,):
        client = connect(first.url)
        pool = client.create_user_pool(PoolName="kept")["UserPool"]["Id"]
        Standin(first.url).seed(pool, 50)
        client.admin_create_user(UserPoolId=pool, Username="ada", MessageAction="SUPPRESS")
    with servers.running(servers.standin(tmp_path, keep=kept)) as (second,):
        client = connect(second.url)
        assert client.admin_get_user(UserPoolId=pool, Username="ada")["UserStatus"] == "FORCE_CHANGE_PASSWORD"
        assert len(Standin(second.url).users(pool)) == 51
