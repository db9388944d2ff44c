"""``make bench-standin``: how fast the stand-in is, beside one boto3 process asking the same of it.

The client must be what gets measured, so the stand-in has to be well ahead of any client of ours:
>= 5,000 ListUsers pages a second, >= 3,000 AdminCreateUser a second, a million users within 15 s.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests import servers
from tests.bench.raw import Follow, ask, each, request
from tests.standin.client import Standin

MARK = b'"PaginationToken":"'


def pages(pool: str, prefix: str) -> tuple[bytes, Follow]:
    """A chain of ListUsers for the subs that begin with ``prefix``."""

    def page(token: str = "") -> bytes:
        asked = {"UserPoolId": pool, "Limit": 60, "Filter": f'sub ^= "{prefix}"'}
        return request(
            "ListUsers", json.dumps(asked | ({"PaginationToken": token} if token else {})).encode()
        )

    def follow(body: bytes) -> bytes | None:
        at = body.rfind(MARK)
        return None if at < 0 else page(body[at + len(MARK) : body.rfind(b'"')].decode())

    return page(), follow


def creations(pool: str, numbers: range) -> Iterator[bytes]:
    for number in numbers:
        mail = f"new-{number}@uni.example"
        attributes = [
            {"Name": "email", "Value": mail},
            {"Name": "email_verified", "Value": "true"},
            {"Name": "name", "Value": f"New {number}"},
        ]
        asked = {
            "UserPoolId": pool,
            "Username": mail,
            "UserAttributes": attributes,
            "MessageAction": "SUPPRESS",
        }
        yield request("AdminCreateUser", json.dumps(asked).encode())


def timed(work: Callable[[], int]) -> tuple[int, float]:
    begun = time.perf_counter()
    done = work()
    return done, time.perf_counter() - begun


def line(what: str, count: int, seconds: float, per: str) -> float:
    print(f"{what:<58} {count:>9,} in {seconds:6.2f} s {count / seconds:>9,.0f} {per}/s", flush=True)
    return count / seconds


def run(users: int, created: int) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="ca-") as folder,
        servers.running(servers.standin(Path(folder))) as (server,),
    ):
        cognito = Standin(server.url)
        cognito.quotas(every=1e9)
        cognito.knobs(short_pages=0, empty_pages=0)
        client: Any = boto3.client(
            "cognito-idp",
            endpoint_url=server.url,
            region_name=servers.REGION,
            aws_access_key_id="bench",
            aws_secret_access_key="bench",
            config=Config(max_pool_connections=16, read_timeout=120),
        )

        def pool() -> str:
            made = client.create_user_pool(
                PoolName="bench",
                UsernameAttributes=["email"],
                UsernameConfiguration={"CaseSensitive": False},
                Schema=[{"Name": "institution", "AttributeDataType": "String", "Mutable": True}],
            )
            return str(made["UserPool"]["Id"])

        filled, empty = pool(), pool()
        line("seed", *timed(lambda: int(cognito.seed(filled, users)["users"])), "users")
        lanes = [pages(filled, prefix) for prefix in "0123456789abcdef"]
        first = line(
            "ListUsers, 60 a page, raw client, 16 chains", *timed(lambda: ask(server.url, lanes)), "pages"
        )
        lanes = [pages(filled, prefix) for prefix in "0123456789abcdef"]
        line("  the same again", *timed(lambda: ask(server.url, lanes)), "pages")
        parts = [each(creations(empty, range(lane, created, 16))) for lane in range(16)]
        line("AdminCreateUser, raw client, 16 connections", *timed(lambda: ask(server.url, parts)), "users")

        def listed(prefix: str) -> int:
            pages = client.get_paginator("list_users").paginate(
                UserPoolId=filled, Limit=60, Filter=f'sub ^= "{prefix}"'
            )
            return sum(1 for _ in pages)

        def by_boto3() -> int:
            with ThreadPoolExecutor(4) as threads:
                return sum(threads.map(listed, [f"0{n:x}" for n in range(16)]))

        peer = line("ListUsers, one boto3 process, 4 threads", *timed(by_boto3), "pages")
        print(f"the stand-in is {first / peer:.0f} times as fast as one boto3 process can ask", flush=True)
        print(f"memory of the stand-in: {resident(server):,.0f} MB")


def resident(server: servers.Server) -> float:
    """MB of the server's process (the keeper's child)."""
    keeper = server.keeper.pid
    child = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()[0]
    status = Path(f"/proc/{child}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.standin", description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--created", type=int, default=30_000)
    told = parser.parse_args()
    run(told.users, told.created)


if __name__ == "__main__":
    main()
