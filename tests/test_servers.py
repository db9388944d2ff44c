"""The servers of the tests and the demo end when they should, whatever became of whoever wanted them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import servers

STARTS_ONE = """
import sys, time
from pathlib import Path
from tests import servers
server = servers.valkey(Path(sys.argv[1]))
server.wait()
print("ready", flush=True)
time.sleep(600)
"""


def soon(holds: Callable[[], bool], seconds: float = 15) -> bool:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def processes_of(folder: Path) -> list[int]:
    """Every process whose command line names this folder, from /proc; ourselves not."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if str(folder).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at processes through /proc")
def test_kill_9_of_the_parent_leaves_no_process_behind(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", STARTS_ONE, str(tmp_path)], stdout=subprocess.PIPE, cwd=servers.ROOT
    )
    assert parent.stdout and parent.stdout.readline() == b"ready\n"
    assert len(processes_of(tmp_path)) >= 2
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert soon(lambda: not processes_of(tmp_path))


def test_a_server_that_ignores_its_signal_is_ended_after_its_grace(tmp_path: Path) -> None:
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    deaf = f"import signal, time; {ignore}; print('up', flush=True); time.sleep(600)"
    log = tmp_path / "deaf.log"
    server = servers.start(
        "deaf", [sys.executable, "-c", deaf], tmp_path, answers=lambda: "up" in log.read_text(), grace=0.2
    )
    server.wait()
    assert server.stop() is False
    assert not server.alive


def test_a_server_that_fails_says_why(tmp_path: Path) -> None:
    server = servers.start(
        "broken", [sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path, answers=lambda: False
    )
    with pytest.raises(servers.DidNotStart, match="no such thing"):
        server.wait()


def test_ministack_keeps_users_over_a_clean_stop_and_listens_on_loopback_alone(tmp_path: Path) -> None:
    import boto3

    def made(server: servers.Server) -> list[str]:
        iam = boto3.client(
            "iam",
            endpoint_url=server.url,
            region_name=servers.REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        if not (names := [user["UserName"] for user in iam.list_users()["Users"]]):
            iam.create_user(UserName="iva")
        return names

    with servers.running(servers.ministack(tmp_path, keep=True)) as (server,):
        assert server.url.startswith("http://127.0.0.1:")
        assert made(server) == []
    with servers.running(servers.ministack(tmp_path, keep=True)) as (server,):
        assert made(server) == ["iva"]


def test_a_busy_port_is_replaced() -> None:
    import socket

    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = busy.getsockname()[1]
        assert servers.free_port(taken) not in (0, taken)
    assert servers.free_port(taken) == taken


def test_the_environment_of_the_caller_leads_no_server_astray(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "HTTPS_PROXY", "DATABASE_URL", "SECRET_KEY"):
        monkeypatch.setenv(name, "elsewhere")
    assert "elsewhere" not in servers.plain_environment().values()
