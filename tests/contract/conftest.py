"""One suite, three worlds: the fakes in memory, moto, and ministack with its signatures verified.

``world`` is each of them in turn. Where one does not do what AWS does, the test says so by
name with ``differs``: it runs all the same, is expected to fail, and tells when it no longer does.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from backups.aws import session
from backups.aws.cognito import CognitoPool
from backups.aws.store import S3Store
from backups.engine.ports import BackupStore, UserPool
from tests import servers
from tests.fakes import FakePool, FakeStore

NAME = "biomage-user-pool-case-insensitive-production"
SCHEMA = [
    {"Name": "name", "AttributeDataType": "String", "Required": True, "Mutable": True},
    {"Name": "email", "AttributeDataType": "String", "Required": True, "Mutable": True},
    {"Name": "institution", "AttributeDataType": "String", "Mutable": True},
    {"Name": "agreed_terms", "AttributeDataType": "String", "Mutable": True},
]
_numbers = itertools.count(1)


class World(Protocol):
    name: str

    def pool(self) -> UserPool:
        """An empty pool as the team's: e-mail as username, no difference by case."""

    def no_pool(self) -> UserPool:
        """One that does not exist."""

    def role(self) -> str:
        """The ARN of a role that a group may have."""

    def store(self) -> BackupStore:
        """An empty, versioned bucket."""

    def no_store(self) -> BackupStore:
        """One that does not exist."""

    def delete(self, store: BackupStore, key: str) -> None:
        """A delete marker over the object."""

    def overwrite(self, store: BackupStore, key: str, data: bytes) -> None:
        """What anybody with a key of the account can do."""


class Fakes:
    name = "fakes"

    def pool(self) -> UserPool:
        return FakePool(name=NAME)

    def no_pool(self) -> UserPool:
        pool = FakePool(name=NAME)
        pool.gone = True
        return pool

    def role(self) -> str:
        return "arn:aws:iam::123456789012:role/admins"

    def store(self) -> BackupStore:
        return FakeStore()

    def no_store(self) -> BackupStore:
        store = FakeStore()
        store.gone = True
        return store

    def delete(self, store: BackupStore, key: str) -> None:
        assert isinstance(store, FakeStore)
        store.delete(key)

    def overwrite(self, store: BackupStore, key: str, data: bytes) -> None:
        assert isinstance(store, FakeStore)
        store.plant(key, data)


class Emulator:
    """moto or ministack, through the adapters."""

    region = servers.REGION

    def __init__(self, name: str) -> None:
        self.name = name

    def pool(self) -> CognitoPool:
        made = session.client("cognito-idp", self.region).create_user_pool(
            PoolName=NAME,
            UsernameAttributes=["email"],
            UsernameConfiguration={"CaseSensitive": False},
            AutoVerifiedAttributes=["email"],
            Policies={"PasswordPolicy": {"MinimumLength": 10}},
            Schema=SCHEMA,  # type: ignore[arg-type]
        )
        return CognitoPool(self.region, made["UserPool"]["Id"])

    def no_pool(self) -> CognitoPool:
        return CognitoPool(self.region, f"{self.region}_Nothing01")

    def role(self) -> str:
        iam = session.client("iam", self.region)
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "cognito-idp.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        made = iam.create_role(
            RoleName=f"group-{next(_numbers)}",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )
        return made["Role"]["Arn"]

    def store(self) -> S3Store:
        store = self.no_store()
        s3 = session.client("s3", self.region)
        s3.create_bucket(Bucket=store.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        s3.put_bucket_versioning(Bucket=store.bucket, VersioningConfiguration={"Status": "Enabled"})
        return store

    def no_store(self) -> S3Store:
        return S3Store(f"backups-of-test-{next(_numbers)}", region=self.region)

    def delete(self, store: BackupStore, key: str) -> None:
        session.client("s3", self.region).delete_object(Bucket=store.bucket, Key=key)

    def overwrite(self, store: BackupStore, key: str, data: bytes) -> None:
        session.client("s3", self.region).put_object(Bucket=store.bucket, Key=key, Body=data)


@pytest.fixture(scope="session", params=["fakes", "moto", "ministack"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if request.param == "fakes":
        yield Fakes()
        return
    folder = tmp_path_factory.mktemp(request.param)
    server = servers.moto(folder) if request.param == "moto" else servers.ministack(folder)
    with servers.running(server), pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in server.env.items():
            patch.setenv(name, value)
        session.forget()
        yield Emulator(request.param)
    session.forget()


@pytest.fixture
def differs(request: pytest.FixtureRequest, world: World) -> Callable[..., None]:
    """``differs("moto", "ministack", why="…")``: there this test must fail; elsewhere it must pass."""

    def note(*names: str, why: str) -> None:
        if world.name in names:
            request.applymarker(pytest.mark.xfail(strict=True, reason=f"{world.name} {why}; AWS does not"))

    return note
