"""``python -m tests.standin.iam --port 8411``: STS and IAM on 127.0.0.1, until it is told to stop."""

from __future__ import annotations

import argparse

import uvicorn

from tests.servers import ACCOUNT
from tests.standin.iam.control import ROOT
from tests.standin.iam.server import Standin


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.standin.iam")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--account", default=ACCOUNT)
    given = parser.parse_args()
    app = Standin(given.account, ROOT.id, ROOT.secret)
    uvicorn.run(
        app, host="127.0.0.1", port=given.port, lifespan="off", log_level="warning", access_log=False,
        server_header=False, timeout_graceful_shutdown=1,
    )  # fmt: skip


if __name__ == "__main__":
    main()
