"""For tests: the server itself, the people of an account, and what the stand-in alone can be told.

``People`` works on any AWS that gives us its root; ``Control`` adds this one's own address.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from tests import servers
from tests.signing import Key

ROOT = Key("AKIASTANDINSROOT2222", "the-secret-of-the-root-of-the-stand-in")
_numbers = itertools.count(1)


def start(folder: Path, *, account: str = servers.ACCOUNT, port: int = 0) -> servers.Server:
    """The stand-in as a process; ``env`` is boto3's environment as its root."""
    port = port or servers.free_port()
    url = f"http://127.0.0.1:{port}"
    control = Control(url, ROOT, account)

    def answers() -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return bool(control.ask("health"))
        return False

    command = [sys.executable, "-m", "tests.standin.iam", "--port", str(port), "--account", account]
    env = servers.aws_env(url, ROOT.id, ROOT.secret)
    return servers.start("standin-iam", command, folder, url=url, answers=answers, env=env)


@dataclass
class Person:
    """An IAM user with one access key."""

    name: str
    id: str
    arn: str
    key: Key


@dataclass
class People:
    """An account and its administrator: what somebody does in the console."""

    url: str
    root: Key
    account: str = servers.ACCOUNT
    region: str = servers.REGION
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)

    def client(self, service: str, key: Key | None = None) -> Any:
        """boto3 with this key (the root's by default): each call once, wrong parameters and all."""
        key = key or self.root
        if (service, key.id) not in self._clients:
            self._clients[service, key.id] = boto3.client(
                service,  # type: ignore[call-overload]
                endpoint_url=self.url,
                region_name=self.region,
                aws_access_key_id=key.id,
                aws_secret_access_key=key.secret,
                aws_session_token=key.token or None,
                config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
            )
        return self._clients[service, key.id]

    def person(self, name: str, *groups: str, path: str = "/") -> Person:
        """A new user; its name gets a number, so that no test meets another's. Groups: made when missing."""
        iam, name = self.client("iam"), f"{name}-{next(_numbers)}"
        user = iam.create_user(UserName=name, Path=path)["User"]
        for group in groups:
            with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
                iam.create_group(GroupName=group)
            iam.add_user_to_group(UserName=name, GroupName=group)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Person(name, user["UserId"], user["Arn"], Key(key["AccessKeyId"], key["SecretAccessKey"]))

    def allow(self, person: Person, *actions: str) -> None:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.client("iam").put_user_policy(UserName=person.name, PolicyName="may", PolicyDocument=document)

    def role(self, name: str, *statements: dict[str, Any], version: str = "2012-10-17") -> str:
        """A role with this trust policy; its ARN. The name gets a number."""
        document = json.dumps({"Version": version, "Statement": list(statements)})
        name = f"{name}-{next(_numbers)}"
        made = self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
        return str(made["Role"]["Arn"])

    def session(self, person: Person, **asked: Any) -> Key:
        """GetSessionToken with the person's own key."""
        return key_of(self.client("sts", person.key).get_session_token(**asked))

    def remove(self, name: str) -> None:
        """Delete a user and all that hangs on it."""
        iam = self.client("iam")
        for group in iam.list_groups_for_user(UserName=name)["Groups"]:
            iam.remove_user_from_group(UserName=name, GroupName=group["GroupName"])
        for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        for policy in iam.list_user_policies(UserName=name)["PolicyNames"]:
            iam.delete_user_policy(UserName=name, PolicyName=policy)
        iam.delete_user(UserName=name)


class Control(People):
    """The stand-in's own address."""

    def ask(self, word: str, **given: Any) -> Any:
        """One of server.Standin's ``do_…``. Raises ValueError with the server's reason."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        try:
            connection.request("POST", f"/_standin/{word}", json.dumps(given))
            answer = connection.getresponse()
            told = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(f"{word}: {told}")
        return told

    def settings(self, **changed: Any) -> dict[str, Any]:
        """state.Settings: clock, window, page_size, policies."""
        return dict(self.ask("settings", **changed))

    def fault(self, kind: str, action: str = "*", **rest: Any) -> None:
        """server.Fault: key, times (0: for ever), and for "answer" status, headers, body."""
        self.ask("fault", kind=kind, action=action, **rest)

    def books(self, action: str = "") -> list[dict[str, Any]]:
        """What was asked since the start or ``reset``: service, action, parameters, headers, at, arn, and
        code: "" when it was accepted."""
        return [entry for entry in self.ask("books") if action in ("", entry["action"])]

    def elsewhere(self, account: str, region: str) -> Control:
        """Another account on the same server, as its root."""
        key = self.ask("account", account=account, region=region)
        return Control(self.url, Key(key["AccessKeyId"], key["SecretAccessKey"]), account, region)

    def device(self, person: Person) -> str:
        """An MFA device for the person; its serial number."""
        return str(self.ask("mfa-device", account=self.account, user=person.name))

    def code(self, person: Person, serial: str) -> str:
        """What the device shows now: good once."""
        return str(self.ask("mfa-code", account=self.account, user=person.name, serial=serial))

    def mfa(self, person: Person) -> dict[str, str]:
        """A new device and its code, as GetSessionToken and AssumeRole want them."""
        serial = self.device(person)
        return {"SerialNumber": serial, "TokenCode": self.code(person, serial)}

    def role_session(self, role: str, session: str) -> Key:
        """Credentials of a role without its trust policy, as Identity Center gives them."""
        return key_of(self.ask("role-session", account=self.account, role=role, session=session))


def key_of(answer: Any) -> Key:
    """Of any answer of STS with Credentials."""
    given = answer["Credentials"]
    return Key(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
