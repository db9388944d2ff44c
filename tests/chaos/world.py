"""A small AWS for one restore after another: people in IAM, a bucket, and for each case a pool and a backup.

The pools send by SES, so that invitations go out when a user is created and every one is in the
stand-in's books.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from backups import seal
from backups.core import naming
from backups.core.snapshot import User
from backups.engine.backup import backup
from backups.engine.check import check
from tests import servers
from tests.fakes import FakeClock, FakePool, FakeReport, FakeStore
from tests.servers import Cloud
from tests.signing import Key

BUCKET = "chaos-backups"
GROUPS = ("admins", "staff")
THERE = 5  # users who are in the pool already
TOOL = "cognito-admin tests"


@dataclass(frozen=True)
class Missing:
    """A pool, and the backup of it whose people are not there any more."""

    pool_id: str
    key: str  # of the backup
    people: Mapping[str, User]  # e-mail -> everybody in the backup
    groups: Mapping[str, frozenset[str]]  # e-mail -> groups
    planned: frozenset[str]  # the e-mails of those who can come back

    @property
    def invited(self) -> frozenset[str]:
        """Who is written to where people are invited: a disabled one never."""
        return frozenset(email for email in self.planned if self.people[email].enabled)


def settle(cloud: Cloud) -> Key:
    """Make the bucket, and the person who will ask; their key."""
    cloud.root("s3").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": servers.REGION}
    )
    iam = cloud.root("iam")
    iam.create_group(GroupName="engineering")
    iam.create_user(UserName="iva")
    iam.add_user_to_group(GroupName="engineering", UserName="iva")
    made = iam.create_access_key(UserName="iva")["AccessKey"]
    return Key(made["AccessKeyId"], made["SecretAccessKey"])


def missing(cloud: Cloud, name: str, count: int) -> Missing:
    """A new pool ``name``, nearly empty, and a whole backup of ours of ``count`` people."""
    aws = cloud.root("cognito-idp")
    pool_id = _pool(aws, name)
    yesterday = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    clock = FakeClock(yesterday)
    then = FakePool(pool_id, name, account=servers.ACCOUNT, mail="DEVELOPER", clock=clock)
    for number in range(count):
        then.add(
            f"person-{number:04}@{name}.example",
            name=f"Zoë {number}",
            enabled=number % 25 != 7,
            status="UNCONFIRMED" if number % 50 == 13 else "CONFIRMED",
            groups=[group for n, group in enumerate(GROUPS) if number % 12 == n],
            created="2026-01-10T09:00:00.000Z",
        )
    users = [User.of(entry) for entry in then.entries.values()]
    for user in users[:THERE]:
        given = [{"Name": n, "Value": v} for n, v in user.attributes.items() if n != "sub"]
        aws.admin_create_user(
            UserPoolId=pool_id, Username=user.email, UserAttributes=given, MessageAction="SUPPRESS"
        )
    key = naming.key_of(yesterday, name)
    _write(cloud, then, key, clock)
    return Missing(
        pool_id,
        key,
        {user.email: user for user in users},
        {
            user.email: frozenset(group for group, who in then.memberships.items() if user.username in who)
            for user in users
        },
        frozenset(user.email for user in users[THERE:] if user.status != "UNCONFIRMED"),
    )


def _pool(aws: Any, name: str) -> str:
    attribute = {"AttributeDataType": "String", "Mutable": True, "Required": True}
    made = aws.create_user_pool(
        PoolName=name,
        UsernameAttributes=["email"],
        UsernameConfiguration={"CaseSensitive": False},
        EmailConfiguration={
            "EmailSendingAccount": "DEVELOPER",
            "SourceArn": f"arn:aws:ses:{servers.REGION}:{servers.ACCOUNT}:identity/mail.example",
        },
        Schema=[{"Name": "email", **attribute}, {"Name": "name", **attribute}],
    )
    return str(made["UserPool"]["Id"])


def _write(cloud: Cloud, then: FakePool, key: str, clock: FakeClock) -> None:
    """The engine's own backup of the pool as it was then, sealed and checked."""
    shelf = FakeStore(BUCKET, clock=clock)
    backup(
        then, shelf, FakeReport(), clock, key=key, seal=seal.seal, made_by="schedule", trigger="schedule",
        tool=TOOL,
    )  # fmt: skip
    check(shelf, key, FakeReport(), clock, tool=TOOL, seal=seal.seal)
    s3 = cloud.root("s3")
    for name in shelf.keys:
        s3.put_object(Bucket=BUCKET, Key=name, Body=shelf.read(name))
