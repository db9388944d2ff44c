"""The suite against AWS itself, by hand, in pools and buckets that it makes and deletes.

    CONTRACT_AWS_ACCOUNT=123456789012 CONTRACT_AWS_REGION=eu-west-1 make contract-aws

Credentials come from boto3's own chain. CONTRACT_AWS_MAIL=1 adds the tests that send mail (each
spends some of the account's 50 a day), CONTRACT_AWS_MANY=1 those that make many users.
CONTRACT_AWS_POOL is a pool to use as the rules' e-mail pool; what comes to be in it is deleted too.
Whatever is touched bears the tag cognito-admin=contract, or is refused. A run that was killed leaves
things behind that are named cognito-admin-contract-… and bear that tag.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from backups.aws import session
from backups.aws.cognito import CognitoPool
from backups.aws.store import S3Store
from backups.engine.ports import PortError, T
from tests.contract.worlds import Remote

TAG, TAGGED = "cognito-admin", "contract"
PREFIX = "cognito-admin-contract"
LAG = 2.0  # seconds


class Refused(Exception):
    """Nothing was touched; the sentence says what is missing."""


@dataclass(frozen=True)
class Asked:
    """What a person has asked for, in the environment."""

    account: str
    region: str
    pool: str
    mail: bool
    many: bool
    env: Mapping[str, str]  # boto3's

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Asked:
        account, region = environ.get("CONTRACT_AWS_ACCOUNT", ""), environ.get("CONTRACT_AWS_REGION", "")
        if not re.fullmatch(r"\d{12}", account):
            raise Refused("CONTRACT_AWS_ACCOUNT must name the account in which pools may be made: 12 digits.")
        if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region):
            raise Refused("CONTRACT_AWS_REGION must name the Region in which pools may be made.")
        return cls(
            account,
            region,
            environ.get("CONTRACT_AWS_POOL", ""),
            environ.get("CONTRACT_AWS_MAIL") == "1",
            environ.get("CONTRACT_AWS_MANY") == "1",
            {name: value for name, value in environ.items() if name.startswith("AWS_")},
        )

    def allows(self, item: pytest.Item) -> bool:
        mail, many = item.get_closest_marker("sends_mail"), item.get_closest_marker("many")
        return (self.mail or not mail) and (self.many or not many)


asked: Asked | None = None  # set by main alone: a setting in a shell never sends `make test` to AWS

# What can be in a pool: list, its key, what is deleted, by which name, as which parameter.
CONTENTS = (
    ("list_users", "Users", "admin_delete_user", "Username", "Username"),
    ("list_groups", "Groups", "delete_group", "GroupName", "GroupName"),
    ("list_user_pool_clients", "UserPoolClients", "delete_user_pool_client", "ClientId", "ClientId"),
    ("list_identity_providers", "Providers", "delete_identity_provider", "ProviderName", "ProviderName"),
    ("list_resource_servers", "ResourceServers", "delete_resource_server", "Identifier", "Identifier"),
)


class RealAws(Remote):
    """One account and Region; ``close`` deletes all that was made.

    Raises Refused before it touches a thing.
    """

    def __init__(self, asked: Asked) -> None:
        super().__init__("aws", asked.region)
        try:
            account = session.whoami(asked.region).account
        except PortError as error:
            raise Refused(str(error)) from error
        if account != asked.account:
            raise Refused(
                f"These credentials are of the account {account}; CONTRACT_AWS_ACCOUNT is {asked.account}."
            )
        self.pool_name = f"{PREFIX}-{secrets.token_hex(4)}"
        self.deletions: list[tuple[str, Callable[[], None]]] = []
        self.given_pool = asked.pool
        if asked.pool:
            self.check_pool(asked.pool)
            if inside := sorted({key for key, _, _ in self.contents(asked.pool)}):
                raise Refused(f"The pool {asked.pool} is not empty: it has {', '.join(inside)}.")
            self.deletions.append((asked.pool, partial(self._empty_pool, asked.pool)))

    def fresh(self, name: str) -> str:
        return f"{self.pool_name}-{next(self._numbers)}"

    # pools

    def pool(self) -> CognitoPool:
        return CognitoPool(self.region, super().pool().pool_id, _settled)

    def create_pool(self, **settings: Any) -> str:
        settings["UserPoolTags"] = {**settings.get("UserPoolTags", {}), TAG: TAGGED}
        pool_id = super().create_pool(**settings)
        self.deletions.append((pool_id, lambda: self._delete_pool(pool_id)))
        return pool_id

    def check_pool(self, pool_id: str) -> None:
        tags = (
            self.client("cognito-idp").describe_user_pool(UserPoolId=pool_id)["UserPool"].get("UserPoolTags")
        )
        self._check(f"pool {pool_id}", tags or {})

    def contents(self, pool_id: str) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        """(what kind, its name, delete it) of all that is in a pool."""
        cognito = self.client("cognito-idp")
        for listing, key, deleting, name, parameter in CONTENTS:
            for page in cognito.get_paginator(listing).paginate(UserPoolId=pool_id):
                for one in page[key]:
                    told = {"UserPoolId": pool_id, parameter: one[name]}
                    yield key, one[name], partial(getattr(cognito, deleting), **told)

    def _empty_pool(self, pool_id: str) -> None:
        self.check_pool(pool_id)
        for _, _, delete in list(self.contents(pool_id)):
            delete()

    def _delete_pool(self, pool_id: str) -> None:
        self.check_pool(pool_id)
        cognito = self.client("cognito-idp")
        pool = cognito.describe_user_pool(UserPoolId=pool_id)["UserPool"]
        if pool.get("Domain"):
            cognito.delete_user_pool_domain(UserPoolId=pool_id, Domain=pool["Domain"])
        if pool.get("DeletionProtection") == "ACTIVE":
            cognito.update_user_pool(UserPoolId=pool_id, DeletionProtection="INACTIVE")
        cognito.delete_user_pool(UserPoolId=pool_id)

    # what else

    def role(self) -> str:
        arn = super().role()
        name = arn.rpartition("/")[2]
        self.client("iam").tag_role(RoleName=name, Tags=[{"Key": TAG, "Value": TAGGED}])
        self.deletions.append((arn, lambda: self._delete_role(name)))
        return arn

    def _delete_role(self, name: str) -> None:
        iam = self.client("iam")
        tags = iam.list_role_tags(RoleName=name)["Tags"]
        self._check(f"role {name}", {tag["Key"]: tag["Value"] for tag in tags})
        iam.delete_role(RoleName=name)

    def store(self) -> S3Store:
        store = super().store()
        tags = {"TagSet": [{"Key": TAG, "Value": TAGGED}]}
        self.client("s3").put_bucket_tagging(Bucket=store.bucket, Tagging=tags)
        self.deletions.append((store.bucket, lambda: self._delete_bucket(store.bucket)))
        return store

    def _delete_bucket(self, bucket: str) -> None:
        s3 = self.client("s3")
        tags = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
        self._check(f"bucket {bucket}", {tag["Key"]: tag["Value"] for tag in tags})
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                s3.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
        s3.delete_bucket(Bucket=bucket)

    # the end

    @staticmethod
    def _check(what: str, tags: Mapping[str, str]) -> None:
        if tags.get(TAG) != TAGGED:
            raise Refused(f"The {what} has no tag {TAG}={TAGGED}: only what bears it is used or deleted.")

    def close(self) -> None:
        """Delete all that was made, the last first. Raises with what it had to leave."""
        left = []
        for what, delete in reversed(self.deletions):
            try:
                delete()
            except (BotoCoreError, ClientError, Refused) as error:
                if getattr(error, "response", {}).get("Error", {}).get("Code") != "ResourceNotFoundException":
                    left.append(f"{what}: {error}")
        self.deletions.clear()
        if left:
            raise RuntimeError("these could not be deleted:\n" + "\n".join(left))


def _settled(operation: str, do: Callable[[], T]) -> T:
    """Lists lag behind writes, by how much AWS does not say."""
    if operation in ("users", "groups", "members"):
        time.sleep(LAG)
    return do()


@contextmanager
def throwaway(asked: Asked) -> Iterator[RealAws]:
    """AWS for a run. Unlike the product, this one lets botocore repeat what was throttled."""
    with pytest.MonkeyPatch.context() as patch:
        patient = Config(retries={"mode": "standard", "total_max_attempts": 8})
        patch.setattr(session, "CONFIG", session.CONFIG.merge(patient))
        try:
            aws = RealAws(asked)
        except Refused as error:
            pytest.exit(str(error), returncode=2)
        try:
            yield aws
        finally:
            aws.close()


def main() -> int:
    global asked  # noqa: PLW0603
    try:
        asked = Asked.of(os.environ)
    except Refused as error:
        print(error, file=sys.stderr)
        return 2
    # In this process, because the settings of the tests replace AWS's environment by one that leads nowhere.
    return int(pytest.main(["tests/contract", "-m", "aws", *sys.argv[1:]]))
