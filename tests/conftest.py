"""Servers that a test asks for by name. Each process of a run has its own, started when first asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests import servers
from tests.contract import marks
from tests.product import Product, serve
from tests.servers import Server


def pytest_configure(config: pytest.Config) -> None:
    """Nothing between us and 127.0.0.1, whatever the shell says of proxies."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    for line in marks.REGISTERED:  # a conftest further down is read too late for that
        config.addinivalue_line("markers", line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What touches the database is known by its fixtures too, so that ``-m django_db`` finds it all."""
    for item in items:
        names: set[str] = set(getattr(item, "fixturenames", ()))
        if names & {"db", "transactional_db"} and item.get_closest_marker("django_db") is None:
            item.add_marker(pytest.mark.django_db(transaction="transactional_db" in names))


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Valkey; its address as redis-py wants it is ``broker.url``."""
    with servers.running(servers.valkey(tmp_path_factory.mktemp("valkey"))) as (server,):
        yield server


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An empty AWS that verifies signatures; ``ministack.env`` is boto3's environment as its root."""
    with servers.running(servers.ministack(tmp_path_factory.mktemp("ministack"))) as (server,):
        yield server


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Product]]:
    """``product("emptied")``: that world, made and served at the first call, the same at later ones.

    ``product("emptied", LEASE_SECONDS="3")`` is another one, with that setting.
    On SQLite, or on the server of DATABASE_URL in a database of its own.
    """
    made: dict[tuple[str, ...], Product] = {}
    with ExitStack() as stack:

        def give(name: str, **settings: str) -> Product:
            key = (name, *(f"{k}={v}" for k, v in sorted(settings.items())))
            if key not in made:
                made[key] = serve(name, tmp_path_factory.mktemp(name), stack, **settings)
            return made[key]

        yield give
