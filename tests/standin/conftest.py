"""One stand-in for the tests of this folder, fresh for each of them but for its pools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests import servers
from tests.servers import Server
from tests.standin.client import Standin

ENOUGH = 1e6  # calls a second: the quotas are out of the way


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with servers.running(servers.standin(tmp_path_factory.mktemp("standin"))) as (one,):
        yield one


@pytest.fixture
def control(server: Server) -> Standin:
    control = Standin(server.url)
    control.fresh()
    control.quotas(every=ENOUGH)
    control.knobs(short_pages=0, empty_pages=0)
    return control


def connect(url: str, **settings: Any) -> Any:
    """A boto3 client that asks once, and waits two seconds."""
    return boto3.client(
        "cognito-idp",
        endpoint_url=url,
        region_name=servers.REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=2, **settings),
    )


@pytest.fixture(scope="session")
def client(server: Server) -> Any:
    return connect(server.url)


@pytest.fixture
def make_pool(client: Any) -> Callable[..., str]:
    """``make_pool(Schema=[…])``: the id of an empty pool like the team's."""

    def make(**settings: Any) -> str:
        told = {
            "PoolName": "of-a-test",
            "UsernameAttributes": ["email"],
            "UsernameConfiguration": {"CaseSensitive": False},
            "AutoVerifiedAttributes": ["email"],
        }
        return str(client.create_user_pool(**told | settings)["UserPool"]["Id"])

    return make


@pytest.fixture
def pool(make_pool: Callable[..., str]) -> str:
    return make_pool()
