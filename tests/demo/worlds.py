"""Make one of the demo's worlds true in an AWS: pools, users, groups, IAM people, backups in the bucket.

    filled   two pools with everybody who was ever there: the slow half, the same in every world and
             on every day, so the emulator's own files are kept in var/filled and copied
    seed     IAM people, the bucket -> read everybody back -> write the backups from that
             -> delete who is gone, apply what changed since the last backup

Subs and Usernames are the pool's own, so the backups are built from what was read back; only dates
and the values of earlier weeks are made up. Everything is relative to ``now``.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import boto3
from botocore.config import Config

from backups.core import naming
from backups.core.snapshot import Entry, Group, PoolFacts, iso
from backups.engine.backup import Seal, backup
from backups.engine.check import check
from backups.engine.ports import Clock, UserPool, never
from tests import servers
from tests.demo.marks import digest, sources
from tests.demo.people import WEEKS, Cast, Person, production, staging
from tests.fakes import FakeClock, FakeReport, FakeStore

BUCKET = "biomage-backups-production-{account}"
FIRST_OF_OURS = 7  # the older backups are cbr's, from this one on they are in our format
KEPT = servers.ROOT / "var" / "filled"
Say = Callable[[str], None]
Keys = dict[str, str]  # AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY


@dataclass(frozen=True)
class World:
    """What was made, for whoever wants to sign in or look."""

    name: str
    bucket: str
    pools: dict[str, str]  # environment -> pool id; a pool that is gone is not in it
    people: dict[str, Keys]  # iva, pol, guest
    app: Keys  # the IAM user under which the product runs


def filled(folder: Path, *, cognito: str = "", say: Say = print) -> None:
    """Make ``folder`` the home of a ``servers.cloud`` in which both pools stand, with everybody in them."""
    cognito = cognito or servers.chosen_cognito()
    folder.mkdir(parents=True, exist_ok=True)
    kept = KEPT / f"{cognito}-{digest(*sources(cognito))[:16]}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (kept / "whole").is_file():
            for older in KEPT.glob(f"{cognito}-*"):
                shutil.rmtree(older)
            cloud = servers.cloud(kept, cognito=cognito, keep=True)
            with servers.running(*cloud.servers), cloud.unlimited():
                maker = _Maker(cloud.env, lambda data: "", datetime.now(UTC))
                for each in (production(), staging()):
                    say(f"Creating the {len(each.people):,} users of {each.pool_name} ...")
                    _Pool.create(maker, each)
            if not all([server.stop() for server in cloud.servers]):
                raise servers.DidNotStart("the AWS did not write its state down; try again")
            (kept / "whole").touch()
        shutil.copytree(kept, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.log", "whole"))


def seed(name: str, aws: Mapping[str, str], *, seal: Seal, now: datetime, say: Say = print) -> World:
    """``aws``: boto3's environment as the root of a ``filled`` account, best without limits.

    ``seal``: an HMAC, as hex.
    """
    maker = _Maker(aws, seal, now)
    bucket = maker.make_bucket()
    people, app = maker.make_iam(bucket)
    pools: dict[str, str] = {}
    for each in (production(), staging()):
        say(f"Writing {WEEKS} backups of {each.pool_name} ...")
        pool = _Pool(maker, each)
        pool.read()
        gone = name == "day-one" and each.environment == "production"
        pool.write_backups(bucket, first_of_ours=WEEKS if name == "day-one" else FIRST_OF_OURS)
        if gone:
            pool.delete()
        elif name == "emptied" and each.environment == "production":
            pool.empty(bucket)
        else:
            pool.drift()
        if not gone:
            pools[each.environment] = pool.id
    maker.spoil(bucket, staging().pool_name)
    return World(name, bucket, pools, people, app)


def sunday(now: datetime, week: int) -> datetime:
    """When the backup of ``week`` ran: Sundays at 01:00 UTC, the last one before ``now``."""
    last = now.astimezone(UTC).replace(hour=1, minute=0, second=0, microsecond=0)
    last -= timedelta(days=(last.weekday() + 1) % 7)
    last -= timedelta(days=7 if last > now else 0)
    return last - timedelta(weeks=WEEKS - 1 - week)


def cbr_file(entries: Iterable[Entry]) -> bytes:
    """As cbr writes it: JSONStream's separators, and JavaScript's way with JSON."""
    lines = [json.dumps(entry, ensure_ascii=False, separators=(",", ":")) for entry in entries]
    return ("[\n" + "\n,\n".join(lines) + "\n]\n").encode()


class _Maker:
    def __init__(self, aws: Mapping[str, str], seal: Seal, now: datetime) -> None:
        self.seal, self.now, self.environment = seal, now, dict(aws)
        session = boto3.Session(
            aws["AWS_ACCESS_KEY_ID"], aws["AWS_SECRET_ACCESS_KEY"], region_name=aws["AWS_REGION"]
        )
        config = Config(max_pool_connections=16, retries={"mode": "standard", "total_max_attempts": 2})
        self.region = aws["AWS_REGION"]
        url = aws["AWS_ENDPOINT_URL"]
        cognito = aws.get("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", url)
        self.s3: Any = session.client("s3", endpoint_url=url, config=config)
        self.iam: Any = session.client("iam", endpoint_url=url, config=config)
        self.cognito: Any = session.client("cognito-idp", endpoint_url=cognito, config=config)
        self.account: str = session.client("sts", endpoint_url=url, config=config).get_caller_identity()[
            "Account"
        ]

    def each(self, work: Callable[[Any], Any], items: Iterable[Any]) -> None:
        """Side by side, and never two for one user."""
        with ThreadPoolExecutor(8) as threads:
            for _ in threads.map(work, items):
                pass

    def make_bucket(self) -> str:
        bucket = BUCKET.format(account=self.account)
        self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": self.region})
        self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        return bucket

    def make_iam(self, bucket: str) -> tuple[dict[str, Keys], Keys]:
        self.iam.create_group(GroupName="engineering")
        people = {name: self._user(name) for name in ("iva", "pol", "guest")}
        for name in ("iva", "pol"):
            self.iam.add_user_to_group(GroupName="engineering", UserName=name)
        app = self._user("cognito-admin")
        values = {"account": self.account, "region": self.region, "bucket": bucket}
        values["reports_bucket"] = bucket  # there is no other one, and nothing of ours is kept
        text = (servers.ROOT / "docs" / "policies.json").read_text()
        for name, value in values.items():
            text = text.replace("${" + name + "}", value)
        for name, policy in json.loads(text).items():
            self.iam.put_user_policy(
                UserName="cognito-admin", PolicyName=name, PolicyDocument=json.dumps(policy)
            )
        return people, app

    def _user(self, name: str) -> Keys:
        self.iam.create_user(UserName=name)
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def put(self, bucket: str, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=bucket, Key=key, Body=body)

    def spoil(self, bucket: str, pool_name: str) -> None:
        """What every old bucket has: one file that was cut, and something that is no backup."""
        whole = f"{naming.key_of(sunday(self.now, 5) + START, pool_name)}/{naming.DATA}"
        data = self.s3.get_object(Bucket=bucket, Key=whole)["Body"].read()
        by_hand = naming.key_of(
            sunday(self.now, 5) + timedelta(days=3, hours=13, minutes=27, seconds=41), pool_name
        )
        self.put(bucket, f"{by_hand}/{naming.DATA}", data[: len(data) * 3 // 5])
        self.put(bucket, "notes/runbook.txt", b"cbr restore: ask Iva or Pol first.\n")


class _Pool:
    """A pool that stands already."""

    def __init__(self, maker: _Maker, who: Cast) -> None:
        self.maker, self.cast, self.aws = maker, who, maker.cognito
        pools = self.aws.list_user_pools(MaxResults=60)["UserPools"]
        self.id: str = next(pool["Id"] for pool in pools if pool["Name"] == who.pool_name)
        clients = self.aws.list_user_pool_clients(UserPoolId=self.id)["UserPoolClients"]
        self.client: str = clients[0]["ClientId"]
        self.entries: dict[int, Entry] = {}  # person's number -> as ListUsers gave it

    @classmethod
    def create(cls, maker: _Maker, who: Cast) -> None:
        """With its groups, and everybody as of the last backup they are in."""
        made = maker.cognito.create_user_pool(
            PoolName=who.pool_name,
            UsernameAttributes=["email"],
            UsernameConfiguration={"CaseSensitive": False},
            AutoVerifiedAttributes=["email"],
            DeletionProtection="ACTIVE",
            MfaConfiguration="OFF",
            EmailConfiguration={"EmailSendingAccount": "COGNITO_DEFAULT"},
            AccountRecoverySetting={"RecoveryMechanisms": [{"Priority": 1, "Name": "verified_email"}]},
            Policies={
                "PasswordPolicy": {
                    "MinimumLength": 8,
                    "RequireUppercase": True,
                    "RequireLowercase": True,
                    "RequireNumbers": True,
                    "RequireSymbols": True,
                    "TemporaryPasswordValidityDays": 7,
                }
            },
            Schema=[
                {"Name": "name", "AttributeDataType": "String", "Required": True, "Mutable": True},
                {"Name": "email", "AttributeDataType": "String", "Required": True, "Mutable": True},
                *(
                    {"Name": name, "AttributeDataType": "String", "Required": False, "Mutable": True}
                    for name in CUSTOM
                ),
            ],
            UserPoolTags={"environment": who.environment},
        )["UserPool"]
        maker.cognito.create_user_pool_client(
            UserPoolId=made["Id"],
            ClientName=f"biomage-cellenics-{who.environment}",
            ExplicitAuthFlows=FLOWS,
            WriteAttributes=WRITES,
        )
        maker.cognito.create_identity_provider(
            UserPoolId=made["Id"],
            ProviderName="Google",
            ProviderType="Google",
            ProviderDetails={
                "client_id": "demo",
                "client_secret": "demo",
                "authorize_scopes": "openid email",
            },
        )
        for name, description, precedence in who.groups:
            maker.cognito.create_group(
                UserPoolId=made["Id"], GroupName=name, Description=description, Precedence=precedence
            )
        cls(maker, who)._create(who.people)

    def read(self) -> None:
        by_email = {p.email: p.number for p in self.cast.people}
        for page in self.aws.get_paginator("list_users").paginate(UserPoolId=self.id):
            for user in page["Users"]:
                email = next(a["Value"] for a in user["Attributes"] if a["Name"] == "email")
                self.entries[by_email[email]] = user

    def _create(self, people: Iterable[Person]) -> None:
        """One at a time (ministack cannot look two e-mails up at once); what follows side by side."""
        with ThreadPoolExecutor(6) as threads:
            steps = [threads.submit(self._settle, p, self._register(p)) for p in people]
        for step in steps:
            step.result()

    def _register(self, person: Person) -> str:
        attributes = [{"Name": name, "Value": value} for name, value in _attributes(person).items()]
        if person.status == "UNCONFIRMED":
            attributes = [a for a in attributes if a["Name"] != "email_verified"]
            answer = self.aws.sign_up(
                ClientId=self.client, Username=person.email, Password=PASSWORD, UserAttributes=attributes
            )
            # Cognito shows such a user's email_verified as false; this emulator leaves it out.
            self.aws.admin_update_user_attributes(
                UserPoolId=self.id,
                Username=answer["UserSub"],
                UserAttributes=[{"Name": "email_verified", "Value": "false"}],
            )
            return str(answer["UserSub"])
        answer = self.aws.admin_create_user(
            UserPoolId=self.id, Username=person.email, UserAttributes=attributes, MessageAction="SUPPRESS"
        )
        return str(answer["User"]["Username"])

    def _settle(self, person: Person, username: str) -> None:
        who = {"UserPoolId": self.id, "Username": username}
        if person.status == "CONFIRMED":
            self.aws.admin_set_user_password(**who, Password=PASSWORD, Permanent=True)
        if person.provider:
            user_id = str(100_000_000_000 + person.number * 7_919)
            self.aws.admin_link_provider_for_user(
                UserPoolId=self.id,
                DestinationUser={"ProviderName": "Cognito", "ProviderAttributeValue": username},
                SourceUser={
                    "ProviderName": person.provider,
                    "ProviderAttributeName": "Cognito_Subject",
                    "ProviderAttributeValue": user_id,
                },
            )
        if not person.enabled:
            self.aws.admin_disable_user(**who)
        for group in sorted(person.groups):
            self.aws.admin_add_user_to_group(**who, GroupName=group)

    # --- backups ---------------------------------------------------------------------------------

    def write_backups(self, bucket: str, *, first_of_ours: int) -> None:
        def write(week: int) -> None:
            at = sunday(self.maker.now, week)
            people = self.cast.at(week)
            if week < first_of_ours:
                key = naming.key_of(at + START, self.cast.pool_name)
                self.maker.put(bucket, f"{key}/{naming.DATA}", cbr_file(self.entries_at(people, week)))
            else:
                self.write_ours(bucket, at, people, week)

        self.maker.each(write, range(WEEKS))

    def write_ours(self, bucket: str, at: datetime, people: list[Person], week: int) -> None:
        """In our format, sealed and checked: the engine's own backup, of the pool as it was then."""
        key = naming.key_of(at, self.cast.pool_name)
        shelf, clock, report, seal = FakeStore(bucket), FakeClock(at), FakeReport(), self.maker.seal
        pool = cast(UserPool, _PoolThen(self, people, week, clock))
        made_by: dict[str, Any] = {"made_by": "schedule", "trigger": "schedule", "tool": TOOL}
        backup(pool, shelf, report, clock, key=key, seal=seal, **made_by)
        check(shelf, key, report, clock, tool=TOOL, seal=seal)
        for part in (*naming.PARTS, naming.MANIFEST, naming.CHECKED):
            self.maker.put(bucket, f"{key}/{part}", shelf.read(f"{key}/{part}"))

    @cached_property
    def settings(self) -> list[tuple[str, Any, str]]:
        """As the product reads them, before anything drifts."""
        command = [sys.executable, "-m", "tests.demo.settings", self.maker.region, self.id]
        environment = {**servers.plain_environment(), **self.maker.environment}
        read = subprocess.run(command, cwd=servers.ROOT, env=environment, stdout=subprocess.PIPE, check=True)
        return [(name, value, why) for name, value, why in json.loads(read.stdout)]

    def username(self, person: Person) -> str:
        return str(self.entries[person.number]["Username"])

    def entries_at(self, people: list[Person], week: int) -> Iterator[Entry]:
        for person in people:
            entry = dict(self.entries[person.number])
            values = _attributes(person)
            given = {a["Name"]: a["Value"] for a in entry["Attributes"]}
            values |= {name: given[name] for name in ("identities", "sub") if name in given}
            entry["Attributes"] = [{"Name": name, "Value": value} for name, value in values.items()]
            joined = sunday(self.maker.now, person.joined) - _some(person, days=6)
            if person.joined == 0:
                joined -= timedelta(days=(person.number * 37) % 900)
            changed = [change.week for change in person.before if change.week <= week]
            touched = sunday(self.maker.now, max(changed)) - _some(person, days=5) if changed else joined
            entry["UserCreateDate"] = iso(joined)
            entry["UserLastModifiedDate"] = iso(touched + _some(person, days=0))
            entry["Enabled"] = person.enabled
            yield entry

    # --- what happened since -----------------------------------------------------------------------

    def drift(self) -> None:
        stays = {p.number for p in self.cast.stays}
        self.maker.each(self._delete, [p for p in self.cast.people if p.number not in stays])
        self.maker.each(self._change, self.cast.drift.now)
        self._create(self.cast.drift.newcomers)
        self.aws.update_user_pool_client(  # somebody let passwords be sent in clear
            UserPoolId=self.id,
            ClientId=self.client,
            WriteAttributes=WRITES,  # what is not named is reset
            ExplicitAuthFlows=[*FLOWS, "ALLOW_USER_PASSWORD_AUTH"],
        )

    def empty(self, bucket: str) -> None:
        """Three are left, and a backup of those three is the newest object."""
        kept = [p for p in self.cast.stays if p.status == "CONFIRMED" and p.enabled][:3]
        numbers = {p.number for p in kept}
        self.maker.each(self._delete, [p for p in self.cast.people if p.number not in numbers])
        at = self.maker.now.astimezone(UTC).replace(microsecond=0) - timedelta(hours=2)
        self.write_ours(bucket, at, kept, WEEKS - 1)

    def delete(self) -> None:
        self.aws.update_user_pool(UserPoolId=self.id, DeletionProtection="INACTIVE")
        self.aws.delete_user_pool(UserPoolId=self.id)

    def _delete(self, person: Person) -> None:
        self.aws.admin_delete_user(UserPoolId=self.id, Username=self.username(person))

    def _change(self, person: Person) -> None:
        was, username = self.cast.people[person.number], self.username(person)
        if (wanted := _attributes(person)) != _attributes(was):
            attributes = [
                {"Name": n, "Value": wanted[n]} for n in ("name", "custom:institution") if n in wanted
            ]
            self.aws.admin_update_user_attributes(
                UserPoolId=self.id, Username=username, UserAttributes=attributes
            )
        if person.enabled != was.enabled:
            act = self.aws.admin_enable_user if person.enabled else self.aws.admin_disable_user
            act(UserPoolId=self.id, Username=username)
        for group in sorted(person.groups ^ was.groups):
            joins = group in person.groups
            member = self.aws.admin_add_user_to_group if joins else self.aws.admin_remove_user_from_group
            member(UserPoolId=self.id, Username=username, GroupName=group)


class _PoolThen:
    """The reading half of a pool, as it was at one of its backups."""

    def __init__(self, pool: _Pool, people: list[Person], week: int, clock: Clock) -> None:
        self.pool, self.people, self.week, self.clock = pool, people, week, clock

    def facts(self) -> PoolFacts:
        maker = self.pool.maker
        return PoolFacts(self.pool.id, self.pool.cast.pool_name, maker.region, maker.account)

    def users(self, prefix: str = "") -> Iterator[Entry]:
        self.clock.sleep(2 + len(self.people) / 400)
        return self.pool.entries_at(self.people, self.week)

    def groups(self, stopping: Callable[[], bool] = never) -> Iterator[Group]:
        for name, description, precedence in self.pool.cast.groups:
            yield Group(name, description, precedence)

    def members(self, group: str, stopping: Callable[[], bool] = never) -> Iterator[str]:
        return (self.pool.username(person) for person in self.people if group in person.groups)

    def settings(self, stopping: Callable[[], bool] = never) -> Iterator[tuple[str, Any, str]]:
        yield from self.pool.settings


START = timedelta(seconds=3)  # from cbr's schedule to the name that it gave
TOOL = "cognito-admin 0.1.0"
CUSTOM = ("institution", "agreed_terms", "agreed_emails")
FLOWS = ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
WRITES = ["name", "email", *(f"custom:{name}" for name in CUSTOM)]
PASSWORD = "Demo-only-1!"  # of people who do not exist


def _attributes(person: Person) -> dict[str, str]:
    attributes = {
        "name": person.name,
        "custom:institution": person.institution,
        "custom:agreed_terms": "true" if person.terms else "false",
        "custom:agreed_emails": "true" if person.emails else "false",
        "email": person.email,
        "email_verified": "true" if person.verified else "false",
    }
    return {name: value for name, value in attributes.items() if value}


def _some(person: Person, *, days: int) -> timedelta:
    """A moment within ``days``, of this person's own."""
    spread = (person.number * 48_271) % 86_400_000
    return timedelta(days=(person.number * 7) % (days + 1) if days else 0, milliseconds=spread % 43_200_000)
