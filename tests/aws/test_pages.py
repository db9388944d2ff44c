"""A page of users as AWS writes it, read as botocore reads it, and every field of it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from botocore.parsers import ResponseParserError
from botocore.session import get_session

from backups.aws import pages
from backups.aws.calling import plain
from backups.engine.ports import Cause, PortError
from tests.build import an_entry
from tests.standin.seed import GIVEN

MODEL = get_session().get_service_model("cognito-idp")


def read(body: bytes, operation: str = "ListUsers", status: int = 200) -> tuple[dict[str, Any], bytes]:
    """(what becomes the answer, what is left for botocore's own parser)."""
    given: dict[str, Any] = {}
    response = {"body": body, "status_code": status, "headers": {}}
    pages.read(MODEL.operation_model(operation), response, given)
    left = response["body"]
    assert isinstance(left, bytes)
    return given, left


def a_page(**more: Any) -> bytes:
    users = [
        {
            **an_entry(f"{name.lower()}@x.io", name=name),
            "UserCreateDate": 1_700_000_000 + number * 86_399.123,
            "UserLastModifiedDate": 1_750_000_000.9996 + number,
        }
        for number, name in enumerate(GIVEN)
    ]
    return orjson.dumps({"Users": users, **more})


@pytest.fixture
def parsed() -> Iterator[Any]:
    from botocore.parsers import create_parser

    def parse(body: bytes, operation: str = "ListUsers") -> dict[str, Any]:
        answer = {"body": body, "status_code": 200, "headers": {}}
        shape = MODEL.operation_model(operation).output_shape
        assert shape is not None
        made = create_parser("json").parse(answer, shape)
        made.pop("ResponseMetadata")
        plained: dict[str, Any] = plain(made)
        return plained

    yield parse


@pytest.mark.parametrize(
    ("operation", "token"), [("ListUsers", "PaginationToken"), ("ListUsersInGroup", "NextToken")]
)
def test_it_is_what_botocore_reads(parsed: Any, operation: str, token: str) -> None:
    body = a_page(**{token: "next"})
    given, left = read(body, operation)
    assert given == parsed(body, operation)
    assert left == b"{}"
    assert plain(given)["Users"] is given["Users"]


def test_a_field_that_no_model_knows_stays() -> None:
    given, _ = read(b'{"Users":[{"Username":"ada","Tomorrow":{"At":1.5}}],"Also":[]}')
    assert given == {"Users": [{"Username": "ada", "Tomorrow": {"At": 1.5}}], "Also": []}


def test_an_empty_page_has_an_empty_list() -> None:
    assert read(b'{"Users":[]}')[0] == {"Users": []}


def test_dates_in_words_are_read_too() -> None:
    given, _ = read(b'{"Users":[{"UserCreateDate":"2026-11-22T02:00:00.250+01:00"}]}')
    assert given["Users"][0]["UserCreateDate"] == "2026-11-22T01:00:00.250Z"


@pytest.mark.parametrize(("operation", "status"), [("DescribeUserPool", 200), ("ListUsers", 400)])
def test_nothing_else_is_touched(operation: str, status: int) -> None:
    assert read(b'{"Users":1}', operation, status) == ({}, b'{"Users":1}')


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"Users":[{',
        b"[]",
        b'"text"',
        b"{}",
        b'{"message":"Not now."}',
        b'{"PaginationToken":"next"}',
        b'{"Users":null}',
        b'{"Users":{}}',
        b'{"Users":["ada"]}',
        b'{"Users":7}',
        b'{"Users":[7]}',
        b'{"Users":[{"UserCreateDate":[]}]}',
        b'{"Users":[{"UserCreateDate":1e30}]}',
        b'{"Users":[{"UserCreateDate":"soon"}]}',
    ],
)
def test_what_is_no_page_is_no_empty_page(body: bytes) -> None:
    with pytest.raises(ResponseParserError):
        read(body)


def test_it_is_an_answer_that_was_lost() -> None:
    from backups.aws.errors import asking

    with pytest.raises(PortError) as error, asking("list"):
        pages.read(SimpleNamespace(name="ListUsers"), {"body": b"?", "status_code": 200}, {})
    assert error.value.cause is Cause.LOST
