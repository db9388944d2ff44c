"""``make demo``: start everything, seed when needed, print the address, stop everything.

var/demo/<world>/   ministack/ (the AWS), app.sqlite3, world.json, logs; <world>-standin with --standin
    clean           there only while nothing runs and the last run ended well: ministack writes
                    users and keys down when it stops, so without it they are made again
    lock            held by us and by the keepers of our servers: free when the last one has ended
var/demo/env        for a terminal: `. var/demo/env`
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import secrets
import shlex
import shutil
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from tests import servers
from tests.demo.marks import digest, sources
from tests.servers import ROOT, Cloud, DidNotStart, Server

HOME = ROOT / "var" / "demo"
ABOUT = {
    "default": "production lacks 150 of its 2,000 users; staging fell from 300 to 120",
    "day-one": "cbr's files only, and the production pool is gone",
    "emptied": "the production pool stands with 3 users, and a backup of those 3 is the newest",
}
ROLES = {
    "iva": "in the group engineering: may restore",
    "pol": "in the group engineering: may restore",
    "guest": "in no group: is told why not, and whom to ask",
}


class Stopped(BaseException):
    """Somebody asked us to stop. No Exception: a client in the middle of a call must not repeat it."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description="The product on this machine.")
    parser.add_argument("--world", choices=list(ABOUT), default="default")
    parser.add_argument("--reset", action="store_true", help="throw away what the last runs left, and start")
    parser.add_argument(
        "--standin", action="store_true", help="Cognito as strict and as slow as AWS: quotas, 50 mails a day"
    )
    arguments = parser.parse_args()
    demo = Demo(arguments.world, "standin" if arguments.standin else "ministack")
    asked = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if not asked.is_set():
            asked.set()
            raise Stopped

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        demo.take_lock()
        demo.start(reset=arguments.reset)
        demo.watch()
    except Stopped:
        if not demo.running:
            say("Stopped.")
    except DidNotStart as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    finally:
        asked.set()  # one Ctrl-C is enough; a second would leave things half stopped
        demo.stop()
    return 0


class Demo:
    def __init__(self, world: str, cognito: str) -> None:
        self.world = world
        self.cognito = cognito
        self.home = HOME / (world if cognito == "ministack" else f"{world}-{cognito}")
        self.running: dict[str, Server] = {}
        self.parent = os.getppid()
        self.started = time.monotonic()

    # --- start -------------------------------------------------------------------------------------

    def take_lock(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        told = False
        for _ in range(80):  # the servers of a run that was killed need a few seconds to end
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                servers.held.append(lock)
                return
            if not told:
                say("Waiting for the last run to end ...")
                told = True
            time.sleep(0.1)
        raise DidNotStart(f"The demo (world {self.world}) is running already, in another terminal.")

    def start(self, *, reset: bool) -> None:
        whole = (self.home / "world.json").is_file()
        if whole and not reset:
            if not (self.home / "clean").is_file():
                say("The last run did not end cleanly, so its AWS is not whole: seeding again.")
                whole = False
            elif json.loads((self.home / "world.json").read_text())["made_by"] != self.fingerprint():
                say("The demo's people have changed since the last run: seeding again.")
                whole = False
        if reset or not whole:
            for path in self.home.iterdir():
                if path.name != "lock":
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            whole = False
        (self.home / "clean").unlink(missing_ok=True)
        (self.home / "ministack").mkdir(exist_ok=True)

        say(f"World {self.world}: {ABOUT[self.world]}.")
        migrating = self.migrate()
        if not whole:
            self.fill()
        cloud = servers.cloud(
            self.home / "ministack", cognito=self.cognito, keep=True, port=port(4566, "The AWS")
        )
        for server in cloud.servers:
            self.run(server)
        broker = self.run(servers.valkey(self.home))
        broker.wait()
        if not whole:
            self.seed(cloud)
        world = json.loads((self.home / "world.json").read_text())
        settings = self.settings(cloud, world)
        write_env(settings)
        finish(migrating)
        if not whole:
            say("Reading the bucket into the catalogue ...")
            finish(self.manage("rebuild_catalogue", settings))
        web = self.run(servers.web(self.home, settings, port=port(8000, "The page"), graceful=1))
        self.run(servers.worker(self.home, settings, grace=2))
        self.run(servers.beat(self.home, settings))
        for server in self.running.values():
            server.wait()
        self.greet(web.url, world)

    def run(self, server: Server) -> Server:
        self.running[server.name] = server
        return server

    def migrate(self) -> Job | None:
        """Only when the migrations are not those of the last run: the answer is known otherwise."""
        mark, now = self.home / "migrated", digest(*(ROOT / "backups" / "migrations").glob("*.py"))
        if mark.is_file() and mark.read_text() == now and self.database.is_file():
            return None
        say("Migrating the database ...")
        job = self.manage("migrate", {**self.keys(), **self.places})
        job.done = lambda: mark.write_text(now)
        return job

    # What seeds is imported where it is needed: a second start has no half second for boto3 and Django.

    def fill(self) -> None:
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
        from tests.demo import worlds

        say("Seeding (the first time on a machine takes a minute or so) ...")
        worlds.filled(self.home / "ministack", cognito=self.cognito, say=lambda line: say(f"  {line}"))

    def seed(self, cloud: Cloud) -> None:
        from django.conf import settings

        from backups import seal
        from tests.demo import worlds

        for server in cloud.servers:
            server.wait()
        settings.configure(SEAL_KEY=self.keys()["SEAL_KEY"])
        with cloud.unlimited():
            world = worlds.seed(
                self.world,
                cloud.env,
                seal=seal.seal,
                now=datetime.now(UTC),
                say=lambda line: say(f"  {line}"),
            )
        told: dict[str, Any] = {
            "made_by": self.fingerprint(),
            "bucket": world.bucket,
            "app": world.app,
            "people": world.people,
        }
        private(self.home / "world.json", json.dumps(told, indent=2))

    # --- settings ------------------------------------------------------------------------------------

    @property
    def database(self) -> Path:
        return self.home / "app.sqlite3"

    @property
    def places(self) -> dict[str, str]:
        return {
            "DATABASE_URL": f"sqlite:///{self.database}",
            "PRODUCTION": "false",
            "AWS_REGION": servers.REGION,
        }

    def keys(self) -> dict[str, str]:
        path = HOME / "keys.json"
        if not path.is_file():
            private(
                path, json.dumps({name: secrets.token_urlsafe(48) for name in ("SECRET_KEY", "SEAL_KEY")})
            )
        kept: dict[str, str] = json.loads(path.read_text())
        return kept

    def settings(self, cloud: Cloud, world: dict[str, Any]) -> dict[str, str]:
        """The product's whole environment: an IAM user of its own, never the account's root."""
        app = world["app"]
        return {
            **cloud.env,
            **app,
            **self.keys(),
            **self.places,
            **self.running["valkey"].env,
            "BACKUP_BUCKET": world["bucket"],
            "POOL_REGIONS": servers.REGION,
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            # The objects of twelve weeks were put today: when they were put says nothing here.
            "ORIGIN_LATE_CHECK": "false",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def fingerprint(self) -> str:
        return digest(*sources(self.cognito), ROOT / "docs" / "policies.json")

    def manage(self, command: str, settings: dict[str, str]) -> Job:
        return Job(command, self.home / f"{command}.log", {**servers.plain_environment(), **settings})

    # --- while it runs, and the end --------------------------------------------------------------------

    def greet(self, url: str, world: dict[str, Any]) -> None:
        people = world["people"]
        lines = [f"Ready after {time.monotonic() - self.started:.1f} s.", "", f"  {url}/", ""]
        lines.append("Sign in with the key of one of these; they mean nothing outside this machine:")
        for name, keys in people.items():
            lines.append(
                f"  {name:6} {keys['AWS_ACCESS_KEY_ID']}  {keys['AWS_SECRET_ACCESS_KEY']}  {ROLES[name]}"
            )
        lines += [
            "",
            f"In a terminal: . {shown(HOME / 'env')} && {shown(Path(sys.executable))} manage.py pools",
            "Ctrl-C stops everything and keeps what was done; `make demo-reset` starts over.",
        ]
        print("\n".join(lines), flush=True)

    def watch(self) -> None:
        """Until somebody stops us, or make, which started us, is gone."""
        while os.getppid() == self.parent or "MAKELEVEL" not in os.environ:
            for server in self.running.values():
                if not server.alive:
                    server.wait(0)
                    raise DidNotStart(f"{server.name} ended by itself; its log is {server.log}.")
            time.sleep(0.3)

    def stop(self) -> None:
        if not self.running:
            return
        say("Stopping ...")
        last = [self.running.pop(name) for name in ("ministack", "standin", "valkey") if name in self.running]
        for server in self.running.values():
            server.ask_to_stop()
        for server in self.running.values():
            server.stop()
        for server in last:
            server.ask_to_stop()
        clean = all([server.stop() for server in last])
        if clean and (self.home / "world.json").is_file():
            (self.home / "clean").touch()
            say("Stopped; the next start goes on from here.")
        else:
            say("Stopped; the next start will seed again.")


class Job:
    """A management command, running beside us."""

    def __init__(self, command: str, log: Path, env: dict[str, str]) -> None:
        self.log, self.command = log, command
        self.done: Any = lambda: None
        self.server = servers.start(
            command, [sys.executable, "manage.py", command], log.parent, answers=lambda: False, settings=env
        )


def finish(job: Job | None) -> None:
    if job is None:
        return
    if job.server.keeper.wait() != 0:
        raise DidNotStart(
            f"manage.py {job.command} failed; the end of {job.log}:\n{job.log.read_text()[-3000:]}"
        )
    job.done()


def port(wanted: int, what: str) -> int:
    found = servers.free_port(wanted)
    if found != wanted:
        say(f"{what}: port {wanted} is busy, {found} is taken instead.")
    return found


def write_env(settings: dict[str, str]) -> None:
    """What a shell needs to be the app; profiles and tokens of its own would win over the keys."""
    lines = ["unset AWS_PROFILE AWS_SESSION_TOKEN AWS_DEFAULT_PROFILE"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(settings.items())]
    private(HOME / "env", "\n".join(lines) + "\n")


def private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def shown(path: Path) -> str:
    return os.path.relpath(path, Path.cwd())


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
