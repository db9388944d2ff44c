"""What a rule needs: boto3's own client, bound to pools of each kind, and people to put into them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import pytest
from botocore.exceptions import ClientError

from tests.contract.worlds import Remote

T = TypeVar("T")
PASSWORD = "Long-enough-2026"
KINDS: dict[str, dict[str, Any]] = {
    "email": {"UsernameAttributes": ["email"], "UsernameConfiguration": {"CaseSensitive": False}},
    "email by case": {"UsernameAttributes": ["email"], "UsernameConfiguration": {"CaseSensitive": True}},
    "username": {"UsernameConfiguration": {"CaseSensitive": True}},
    "bare": {},
    "alias": {"AliasAttributes": ["email"], "UsernameConfiguration": {"CaseSensitive": False}},
}
COMMON: dict[str, Any] = {
    "Policies": {"PasswordPolicy": {"MinimumLength": 10, "RequireNumbers": True}},
    "Schema": [
        {"Name": "email", "AttributeDataType": "String", "Mutable": True},
        {"Name": "name", "AttributeDataType": "String", "Mutable": True, "Required": True},
        {"Name": "institution", "AttributeDataType": "String", "Mutable": True},
        {"Name": "badge", "AttributeDataType": "String", "Mutable": False},
        {
            "Name": "short",
            "AttributeDataType": "String",
            "Mutable": True,
            "StringAttributeConstraints": {"MaxLength": "10"},
        },
    ],
}
FLOWS = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
_numbers = itertools.count(1)


def address(name: str = "ada") -> str:
    """An address that nobody has yet; nothing is delivered to it anywhere (RFC 2606)."""
    return f"{name}-{next(_numbers)}@uni.example"


def username(name: str = "ada") -> str:
    return f"{name}-{next(_numbers)}"


def refused(code: str, do: Callable[[], Any]) -> str:
    """The message with which AWS refuses; ``code`` may be several, with ``|`` between."""
    with pytest.raises(ClientError) as caught:
        do()
    error = caught.value.response["Error"]
    assert error["Code"] in code.split("|"), f"{error['Code']} instead of {code}: {error['Message']}"
    return error["Message"]


def values(user: Mapping[str, Any]) -> dict[str, str]:
    """The attributes of a user, in the shape of ListUsers or of AdminGetUser."""
    given = user.get("Attributes", user.get("UserAttributes", []))
    return {one["Name"]: one.get("Value", "") for one in given}


def pairs(attributes: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in attributes.items()]


class Pool:
    """Every operation of boto3's client that takes a UserPoolId, for one pool.

    ``pool.admin_get_user(Username="ada")``
    """

    def __init__(self, client: Any, pool_id: str) -> None:
        self.client = client
        self.id = pool_id

    def __getattr__(self, operation: str) -> Any:
        return partial(getattr(self.client, operation), UserPoolId=self.id)

    def add(self, username: str, attributes: Mapping[str, str] | None = None, **how: Any) -> dict[str, Any]:
        """AdminCreateUser without a message, unless ``how`` says otherwise; the User of its answer."""
        how = how or {"MessageAction": "SUPPRESS"}
        made = self.admin_create_user(Username=username, UserAttributes=pairs(attributes or {}), **how)
        user: dict[str, Any] = made["User"]
        return user

    def confirmed(self, username: str, attributes: Mapping[str, str] | None = None) -> str:
        """The Username of somebody with ``PASSWORD``."""
        made = str(self.add(username, attributes)["Username"])
        self.admin_set_user_password(Username=made, Password=PASSWORD, Permanent=True)
        return made

    def read(self, username: str) -> dict[str, Any]:
        found: dict[str, Any] = self.admin_get_user(Username=username)
        return found

    def status(self, username: str) -> str:
        return str(self.read(username)["UserStatus"])

    def update(self, username: str, attributes: Mapping[str, str]) -> None:
        self.admin_update_user_attributes(Username=username, UserAttributes=pairs(attributes))

    def describe(self) -> dict[str, Any]:
        found: dict[str, Any] = self.describe_user_pool()["UserPool"]
        return found

    def app(self) -> App:
        """An app client that may sign people in with a password."""
        made = self.create_user_pool_client(ClientName="web", ExplicitAuthFlows=FLOWS)
        return App(self.client, made["UserPoolClient"]["ClientId"])

    def pages(self, **how: Any) -> list[list[dict[str, Any]]]:
        """ListUsers to the end: its pages."""
        found = []
        while True:
            answer = self.list_users(**how)
            found.append(answer["Users"])
            if not answer.get("PaginationToken"):
                return found
            how["PaginationToken"] = answer["PaginationToken"]

    def listed(self, **how: Any) -> list[dict[str, Any]]:
        return [user for page in self.pages(**how) for user in page]

    def found(self, filter: str) -> set[str]:
        """The Usernames that ListUsers finds."""
        return {user["Username"] for user in self.listed(Filter=filter)}


class App:
    """What somebody at the application's sign-in page can ask; no credentials of AWS."""

    def __init__(self, client: Any, client_id: str) -> None:
        self.client = client
        self.id = client_id

    def sign_up(self, username: str, attributes: Mapping[str, str] | None = None) -> Any:
        return self.client.sign_up(
            ClientId=self.id, Username=username, Password=PASSWORD, UserAttributes=pairs(attributes or {})
        )

    def sign_in(self, username: str, password: str = PASSWORD) -> Any:
        return self.client.initiate_auth(
            ClientId=self.id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": username, "PASSWORD": password},
        )

    def new_password(self, challenge: Any, username: str, password: str = PASSWORD) -> Any:
        return self.client.respond_to_auth_challenge(
            ClientId=self.id,
            ChallengeName="NEW_PASSWORD_REQUIRED",
            Session=challenge["Session"],
            ChallengeResponses={"USERNAME": username, "NEW_PASSWORD": password},
        )

    def forgot(self, username: str) -> Any:
        return self.client.forgot_password(ClientId=self.id, Username=username)


class Aws:
    """The world of a rule. Pools are shared between rules, so each rule brings people of its own."""

    def __init__(self, world: Remote) -> None:
        self.world = world
        self.client = world.client("cognito-idp")
        self._shared: dict[str, Pool] = {}

    def pool(self, kind: str) -> Pool:
        """The one of this kind that rules share: of ``KINDS``, or "crowd"."""
        if kind == "crowd":
            return self.shared("crowd", lambda: crowd(self.new_pool("username")))
        if kind == "email" and self.world.given_pool:
            return self.shared("email", lambda: Pool(self.client, self.world.given_pool))
        return self.shared(kind, lambda: self.new_pool(kind))

    def shared(self, name: str, make: Callable[[], Pool]) -> Pool:
        """The pool of this name, made when it is first asked for."""
        if name not in self._shared:
            self._shared[name] = make()
        self.world.check_pool(self._shared[name].id)
        return self._shared[name]

    def new_pool(self, kind: str = "email", **settings: Any) -> Pool:
        """One that nobody else uses; ``settings`` are CreateUserPool's."""
        common = {} if kind == "bare" else COMMON
        return Pool(self.client, self.world.create_pool(**{**common, **KINDS[kind], **settings}))

    def settled(self, ask: Callable[[], list[T]], count: int) -> list[T]:
        """What a list says once it has caught up: it shows so many, or a minute is over."""
        eventually(lambda: len(ask()) == count)
        return ask()


CROWD = 65  # more than a page
DISABLED = 5
CONFIRMED = 10


def crowd(pool: Pool) -> Pool:
    """``user000`` to ``user064``: the first 5 disabled, the next 10 confirmed, the last with a quote in it.

    Every second one has a given name. Returns when the list shows them all: it lags on AWS.
    """
    for n in range(CROWD):
        name = f"user{n:03d}"
        told = {"email": f"{name}@uni.example", "name": 'Ada "Q"' if n == CROWD - 1 else "Ada"}
        pool.add(name, told | ({"given_name": "Ada"} if n % 2 else {}))
        if n < DISABLED:
            pool.admin_disable_user(Username=name)
        elif n < DISABLED + CONFIRMED:
            pool.admin_set_user_password(Username=name, Password=PASSWORD, Permanent=True)

    def whole() -> bool:
        users = pool.listed()
        off = sum(not user["Enabled"] for user in users)
        confirmed = sum(user["UserStatus"] == "CONFIRMED" for user in users)
        return (len(users), off, confirmed) == (CROWD, DISABLED, CONFIRMED)

    eventually(whole)
    return pool


def eventually(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Ask again until it holds: ListUsers lags on AWS, by how much is not said."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"the list does not show it after {seconds:.0f} s"
        time.sleep(0.5)
