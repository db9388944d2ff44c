"""Servers that a test asks for by name. Each process of a run has its own, started when first asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backups import seal
from tests import servers
from tests.demo import worlds
from tests.servers import Server


def pytest_configure() -> None:
    """Nothing between us and 127.0.0.1, whatever the shell says of proxies."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"


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


@dataclass(frozen=True)
class Product:
    """The whole product over one of the demo's worlds: pages, worker, beat, on a database of its own."""

    url: str
    world: worlds.World
    settings: dict[str, str]  # the environment of its processes, for a command in a terminal
    aws: Server  # ``aws.env``: the account's root
    worker: Server


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Product]]:
    """``product("emptied")``: that world, made and served at the first call, the same at later ones.

    On SQLite, or on the server of DATABASE_URL in a database of its own.
    """
    made: dict[str, Product] = {}
    with ExitStack() as stack:

        def give(name: str) -> Product:
            if name not in made:
                made[name] = _product(name, tmp_path_factory.mktemp(name), stack)
            return made[name]

        yield give


def _product(name: str, folder: Path, stack: ExitStack) -> Product:
    worlds.filled(folder / "aws", say=lambda line: None)
    aws, broker = stack.enter_context(
        servers.running(servers.ministack(folder / "aws", keep=True), servers.valkey(folder))
    )
    world = worlds.seed(name, aws.env, seal=seal.seal, now=datetime.now(UTC), say=lambda line: None)
    settings = {
        **{key: os.environ[key] for key in ("SECRET_KEY", "SEAL_KEY", "ORIGIN_LATE_CHECK", "NO_PROXY")},
        **servers.aws_env(aws.url, world.app["AWS_ACCESS_KEY_ID"], world.app["AWS_SECRET_ACCESS_KEY"]),
        **broker.env,
        "DATABASE_URL": servers.database(folder, name),
        "BACKUP_BUCKET": world.bucket,
        "POOL_REGIONS": servers.REGION,
    }
    for command in ("migrate", "rebuild_catalogue"):
        servers.manage(command, settings)
    web, worker, _ = stack.enter_context(
        servers.running(
            servers.web(folder, settings, graceful=1),
            servers.worker(folder, settings, grace=3),
            servers.beat(folder, settings),
        )
    )
    return Product(web.url, world, settings, aws, worker)
