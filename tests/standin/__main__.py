"""``python -m tests.standin``: one stand-in on 127.0.0.1, until it is told to stop."""

from __future__ import annotations

import argparse
import gc
import pickle
from pathlib import Path

import uvicorn

from tests.standin.server import App
from tests.standin.state import State


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.standin", description=__doc__)
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--account", default="111122223333")
    parser.add_argument("--region", default="eu-west-1", help="of unsigned calls that name no client")
    parser.add_argument("--keep", type=Path, help="read everything from this file, write it down at the end")
    told = parser.parse_args()
    state = State(told.account)
    if told.keep and told.keep.is_file():
        gc.disable()  # a million users are no garbage
        with told.keep.open("rb") as file:
            state = pickle.load(file)  # noqa: S301 - our own, written below
        gc.enable()
        gc.freeze()

    def keep(state: State) -> None:
        if told.keep:
            part = told.keep.with_suffix(".part")
            gc.disable()
            with part.open("wb") as file:
                pickle.dump(state, file, protocol=pickle.HIGHEST_PROTOCOL)
            part.replace(told.keep)

    gc.set_threshold(50_000, 20, 100)  # what a request leaves is mostly freed by counting references
    uvicorn.run(
        App(state, told.region, keep),
        host="127.0.0.1",
        port=told.port,
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,  # the stand-in has a clock of its own
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
