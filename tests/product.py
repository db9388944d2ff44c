"""The whole product over one of the demo's worlds, for tests that need all of it, and for the screens."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backups import seal
from tests import servers
from tests.demo import worlds
from tests.servers import Cloud, Server


@dataclass(frozen=True)
class Product:
    """Pages, worker, beat, on a database of its own. Served until the end of the stack it was given."""

    url: str
    world: worlds.World
    settings: dict[str, str]  # the environment of its processes, for a command in a terminal
    cloud: Cloud  # ``cloud.env``: the account's root
    worker: Server
    start_worker: Callable[[], Server]  # one more, ready; it ends with the product

    def root(self, service: str) -> Any:
        """A boto3 client as the account's root, who may look at everything."""
        return self.cloud.root(service)


def serve(world: str, folder: Path, stack: ExitStack, **settings: str) -> Product:
    """Seed the world and start everything; ``settings`` are added to the environment of its processes.

    Needs SECRET_KEY and SEAL_KEY in our own environment, as tests.settings sets them.
    """
    worlds.filled(folder / "aws", say=lambda line: None)
    cloud = servers.cloud(folder / "aws", keep=True)
    broker = servers.valkey(folder)
    stack.enter_context(servers.running(*cloud.servers, broker))
    with cloud.unlimited():
        made = worlds.seed(world, cloud.env, seal=seal.seal, now=datetime.now(UTC), say=lambda line: None)
    environment = {
        **{key: os.environ[key] for key in ("SECRET_KEY", "SEAL_KEY", "ORIGIN_LATE_CHECK", "NO_PROXY")},
        **cloud.env,
        **made.app,
        **broker.env,
        "DATABASE_URL": servers.database(folder, world),
        "BACKUP_BUCKET": made.bucket,
        "POOL_REGIONS": servers.REGION,
        **settings,
    }
    for command in ("migrate", "rebuild_catalogue"):
        servers.manage(command, environment)
    web, worker, _ = stack.enter_context(
        servers.running(
            servers.web(folder, environment, graceful=1),
            servers.worker(folder, environment, grace=3),
            servers.beat(folder, environment),
        )
    )

    def start_worker() -> Server:
        another = servers.worker(folder / f"worker-{servers.free_port()}", environment, grace=3)
        stack.enter_context(servers.running(another))
        return another

    return Product(web.url, made, environment, cloud, worker, start_worker)
