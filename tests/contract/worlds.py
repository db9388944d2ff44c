"""Where the suite runs: the fakes in memory, and every server that boto3 can be pointed at."""

from __future__ import annotations

import itertools
import json
from typing import Any, Protocol

from backups.aws import session
from backups.aws.cognito import CognitoPool
from backups.aws.store import S3Store
from backups.core.expiry import rules_of
from backups.engine.ports import BackupStore, UserPool
from tests import servers
from tests.fakes import FakePool, FakeStore
from tests.standin.client import Standin

NAME = "biomage-user-pool-case-insensitive-production"
SCHEMA = [
    {"Name": "name", "AttributeDataType": "String", "Required": True, "Mutable": True},
    {"Name": "email", "AttributeDataType": "String", "Required": True, "Mutable": True},
    {"Name": "institution", "AttributeDataType": "String", "Mutable": True},
    {"Name": "agreed_terms", "AttributeDataType": "String", "Mutable": True},
]
TEAM = {
    "UsernameAttributes": ["email"],
    "UsernameConfiguration": {"CaseSensitive": False},
    "AutoVerifiedAttributes": ["email"],
    "Policies": {"PasswordPolicy": {"MinimumLength": 10}},
    "Schema": SCHEMA,
}


class World(Protocol):
    name: str
    region: str
    pool_name: str

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

    def lifecycle(self, store: BackupStore, *rules: dict[str, Any]) -> None:
        """The bucket's rules, as PutBucketLifecycleConfiguration wants them."""


class Fakes:
    name = "fakes"
    region = servers.REGION
    pool_name = NAME

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

    def lifecycle(self, store: BackupStore, *rules: dict[str, Any]) -> None:
        assert isinstance(store, FakeStore)
        store.lifecycle = rules_of(rules)


class Remote:
    """A server, through the adapters; which one is in boto3's environment."""

    pool_name = NAME
    given_pool = ""  # an e-mail pool that was there before, for the rules

    def __init__(self, name: str, region: str = servers.REGION) -> None:
        self.name = name
        self.region = region
        self._numbers = itertools.count(1)

    def client(self, service: str) -> Any:
        return session.client(service, self.region)  # type: ignore[call-overload]

    # pools

    def create_pool(self, **settings: Any) -> str:
        """CreateUserPool; its id."""
        made = self.client("cognito-idp").create_user_pool(**{"PoolName": self.pool_name, **settings})
        return str(made["UserPool"]["Id"])

    def check_pool(self, pool_id: str) -> None:
        """Whether it may be used; here every pool is ours."""

    def pool(self) -> CognitoPool:
        return CognitoPool(self.region, self.create_pool(**TEAM))

    def no_pool(self) -> CognitoPool:
        return CognitoPool(self.region, f"{self.region}_Nothing01")

    def role(self) -> str:
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "cognito-idp.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        made = self.client("iam").create_role(
            RoleName=self.fresh("group"),
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )
        return str(made["Role"]["Arn"])

    # buckets

    def store(self) -> S3Store:
        store = self.no_store()
        s3 = self.client("s3")
        s3.create_bucket(Bucket=store.bucket, CreateBucketConfiguration={"LocationConstraint": self.region})
        s3.put_bucket_versioning(Bucket=store.bucket, VersioningConfiguration={"Status": "Enabled"})
        return store

    def no_store(self) -> S3Store:
        return S3Store(self.fresh("backups-of-test"), region=self.region)

    def delete(self, store: BackupStore, key: str) -> None:
        self.client("s3").delete_object(Bucket=store.bucket, Key=key)

    def overwrite(self, store: BackupStore, key: str, data: bytes) -> None:
        self.client("s3").put_object(Bucket=store.bucket, Key=key, Body=data)

    def lifecycle(self, store: BackupStore, *rules: dict[str, Any]) -> None:
        self.client("s3").put_bucket_lifecycle_configuration(
            Bucket=store.bucket, LifecycleConfiguration={"Rules": list(rules)}
        )

    def fresh(self, name: str) -> str:
        """A name that nothing has yet."""
        return f"{name}-{self.name}-{next(self._numbers)}"


class StandinWorld(Remote):
    """The stand-in for Cognito, and ministack for the rest; its quotas are out of the way."""

    def __init__(self, control: Standin) -> None:
        super().__init__("standin")
        self.control = control
        self.calm()

    def calm(self) -> None:
        self.control.fresh()
        self.control.quotas(every=1_000_000)
