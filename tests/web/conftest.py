"""People with real keys in front of the product's pages, and an AWS that verifies what they sign."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from backups import wiring
from backups.aws import session as aws_session
from backups.core.principal import Home, Standing
from backups.engine.ports import Cause, PortError
from backups.models import Operator
from tests import servers
from tests.signing import Key, sign
from tests.web.pages import enter

_numbers = itertools.count(1)


@dataclass
class Person:
    """An IAM user with one access key."""

    name: str
    id: str
    arn: str
    key: Key


@dataclass
class Iam:
    """The account's administrator: what Iva and Pol do in the console."""

    url: str
    client: Any = field(repr=False)

    def person(self, name: str, *groups: str, path: str = "/") -> Person:
        """A new IAM user; the name gets a number, so that no test meets another's person."""
        name = f"{name}-{next(_numbers)}"
        user = self.client.create_user(UserName=name, Path=path)["User"]
        for group in groups:
            self.client.add_user_to_group(UserName=name, GroupName=group)
        key = self.client.create_access_key(UserName=name)["AccessKey"]
        return Person(name, user["UserId"], user["Arn"], Key(key["AccessKeyId"], key["SecretAccessKey"]))

    def temporary(self, person: Person) -> Key:
        """GetSessionToken with the person's own key."""
        given = self.as_person(person, "sts").get_session_token()["Credentials"]
        return Key(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    def as_person(self, person: Person, service: str) -> Any:
        return _boto3(service, self.url, person.key)

    def remove(self, person: Person) -> None:
        """Delete the user and all that hangs on it."""
        for group in self.client.list_groups_for_user(UserName=person.name)["Groups"]:
            self.client.remove_user_from_group(UserName=person.name, GroupName=group["GroupName"])
        for key in self.client.list_access_keys(UserName=person.name)["AccessKeyMetadata"]:
            self.client.delete_access_key(UserName=person.name, AccessKeyId=key["AccessKeyId"])
        self.client.delete_user(UserName=person.name)


def _boto3(service: str, url: str, key: Key) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=url,
        region_name=servers.REGION,
        aws_access_key_id=key.id,
        aws_secret_access_key=key.secret,
        aws_session_token=key.token or None,
    )


@pytest.fixture(scope="session")
def account(ministack: servers.Server) -> Iam:
    """An AWS that verifies signatures, with the groups that the tests name."""
    client = _boto3("iam", ministack.url, Key("test", "test"))
    for group in ("engineering", "others"):
        with contextlib.suppress(client.exceptions.EntityAlreadyExistsException):
            client.create_group(GroupName=group)
    return Iam(ministack.url, client)


@dataclass
class RememberingIam:
    """IAM for the pages' tests: everybody is still as they were at their sign-in, but for ``gone``."""

    gone: set[str] = field(default_factory=set)
    silent: bool = False
    region, host = "eu-west-1", "sts.eu-west-1.amazonaws.com"

    def home(self) -> Home:
        return Home("aws", "123456789012")

    def standing(self, name: str) -> Standing | None:
        if self.silent:
            raise PortError("IAM did not answer.", Cause.UNREACHABLE)
        known = Operator.objects.filter(name=name).first()
        if known is None or name in self.gone:
            return None
        keys, groups = frozenset(known.active_keys), frozenset(known.groups)
        return Standing(known.unique_id, known.arn, keys, frozenset(), groups)


@pytest.fixture(autouse=True)
def remembering_iam(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> RememberingIam:
    """In place of IAM, where a test does not ask for a real one."""
    remembering = RememberingIam()
    if not {"iam", "point_aws_at", "browser"} & set(request.fixturenames):
        monkeypatch.setattr(wiring, "identity", lambda: remembering)
    return remembering


@pytest.fixture
def iva(db: None) -> Client:
    """May do everything."""
    return enter("iva", "engineering")


@pytest.fixture
def viewer(db: None, settings: Settings) -> Client:
    """May look."""
    settings.LOGIN_GROUPS = ["engineering", "viewers"]
    return enter("vera", "viewers")


Point = Callable[[str], None]


@pytest.fixture
def point_aws_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Point]:
    """Sends the product's own AWS calls elsewhere, for this test."""

    def point(url: str) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        aws_session.forget()

    yield point
    aws_session.forget()


@pytest.fixture
def iam(account: Iam, point_aws_at: Point) -> Iam:
    point_aws_at(account.url)
    return account


@dataclass
class Browser:
    """One browser on the sign-in page: it keeps cookies, and sends the page's CSRF token."""

    client: Client = field(default_factory=lambda: Client(enforce_csrf_checks=True))
    token: str = ""

    def open(self, url: str = "/sign-in/") -> HttpResponse:
        response: Any = self.client.get(url)
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', response.content.decode())
        self.token = found[1] if found else self.token
        return response  # type: ignore[no-any-return]

    def post(self, url: str, data: Any = None, **headers: str) -> Any:
        """A form post with the token of the page."""
        return self.client.post(url, {"csrfmiddlewaretoken": self.token, **(data or {})}, headers=headers)

    def send(self, url: str, value: Any) -> Any:
        """A post of JSON, as the page's script does it."""
        return self.client.post(
            url, value, content_type="application/json", headers={"X-CSRFToken": self.token}
        )

    def challenge(self) -> dict[str, str]:
        if not self.token:
            self.open()
        response = self.send("/sign-in/challenge/", {})
        assert response.status_code == 200, response.content
        return response.json()  # type: ignore[no-any-return]

    def prove(self, asked: Mapping[str, str], key: Key, **wrong: Any) -> Any:
        """Sign and send. ``wrong`` goes to the signer: what is signed in place of what was asked."""
        return self.send("/sign-in/proof/", proof(asked, key, **wrong))

    def sign_in(self, key: Key) -> Any:
        return self.prove(self.challenge(), key)

    def is_in(self) -> bool:
        return "_auth_user_id" in self.client.session


def proof(asked: Mapping[str, str], key: Key, **wrong: Any) -> dict[str, str]:
    """What the page sends."""
    sent = {"nonce": asked["nonce"], "keyId": key.id, "signature": sign(asked, key, **wrong)}
    return sent | ({"sessionToken": key.token} if key.token else {})


@pytest.fixture
def browser(db: None) -> Browser:
    return Browser()
