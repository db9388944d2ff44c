"""A person in front of an application: signs up, signs in, reads the mail.

web = Application(client, pool)
web.sign_up("ada@uni.example")
web.confirm("ada@uni.example", code(control))
tokens = web.sign_in("ada@uni.example")
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.standin.applications import secret_hash
from tests.standin.client import Standin

PASSWORD = "Correct-horse-1"
OTHER = "Another-battery-2"
ADA = "ada@uni.example"
FLOWS = [
    "ALLOW_USER_PASSWORD_AUTH",
    "ALLOW_ADMIN_USER_PASSWORD_AUTH",
    "ALLOW_REFRESH_TOKEN_AUTH",
]


def refused(code: str, call: Callable[..., Any], /, **asked: Any) -> str:
    """AWS's sentence."""
    with pytest.raises(ClientError) as error:
        call(**asked)
    told = error.value.response["Error"]
    assert told["Code"] == code, told
    return str(told["Message"])


def post(control: Standin) -> str:
    """What was in the last message: a code or a temporary password."""
    return str(control.messages()[-1]["secret"])


class Application:
    """An app client of ``pool``, and the calls that it makes for a person."""

    def __init__(self, client: Any, pool: str, **settings: Any) -> None:
        self.client = client
        self.pool = pool
        told = {"UserPoolId": pool, "ClientName": "web", "ExplicitAuthFlows": FLOWS} | settings
        made = client.create_user_pool_client(**told)["UserPoolClient"]
        self.id: str = made["ClientId"]
        self.secret: str = made.get("ClientSecret", "")

    # an administrator's part

    def invite(self, username: str = ADA, **settings: Any) -> dict[str, Any]:
        told = {"DesiredDeliveryMediums": ["EMAIL"], **settings}
        made = self.client.admin_create_user(UserPoolId=self.pool, Username=username, **told)
        return dict(made["User"])

    def member(self, username: str = ADA, **attributes: str) -> dict[str, Any]:
        """Somebody CONFIRMED with PASSWORD and a verified address, made without a message."""
        told = {"email_verified": "true"} | attributes
        listed = [{"Name": key, "Value": value} for key, value in told.items()]
        user = self.invite(username, MessageAction="SUPPRESS", UserAttributes=listed)
        self.set_password(username, PASSWORD, Permanent=True)
        return user

    def set_password(self, username: str, password: str, **settings: Any) -> None:
        told = {"UserPoolId": self.pool, "Username": username, "Password": password}
        self.client.admin_set_user_password(**told, **settings)

    # the person's

    def sign_up(self, username: str, password: str = PASSWORD, **attributes: str) -> Any:
        listed = [{"Name": key, "Value": value} for key, value in attributes.items()]
        told = {"Username": username, "Password": password, "UserAttributes": listed}
        return self.client.sign_up(ClientId=self.id, **told, **self._hash(username))

    def confirm(self, username: str, code: str, **more: Any) -> None:
        told = {"Username": username, "ConfirmationCode": code, **self._hash(username), **more}
        self.client.confirm_sign_up(ClientId=self.id, **told)

    def initiate(self, username: str, password: str = PASSWORD) -> Any:
        parameters = {"USERNAME": username, "PASSWORD": password}
        if self.secret:
            parameters["SECRET_HASH"] = secret_hash(username, self.id, self.secret)
        return self.client.initiate_auth(
            ClientId=self.id, AuthFlow="USER_PASSWORD_AUTH", AuthParameters=parameters
        )

    def sign_in(self, username: str, password: str = PASSWORD) -> dict[str, Any]:
        """AuthenticationResult."""
        answer = self.initiate(username, password)
        assert "AuthenticationResult" in answer, answer
        return dict(answer["AuthenticationResult"])

    def respond(self, challenge: Any, username: str, **responses: str) -> Any:
        return self.client.respond_to_auth_challenge(
            ClientId=self.id,
            ChallengeName=challenge["ChallengeName"],
            Session=challenge["Session"],
            ChallengeResponses={"USERNAME": username, **responses},
        )

    def forgot(self, username: str) -> Any:
        return self.client.forgot_password(ClientId=self.id, Username=username, **self._hash(username))

    def reset(self, username: str, code: str, password: str = OTHER) -> None:
        self.client.confirm_forgot_password(
            ClientId=self.id,
            Username=username,
            ConfirmationCode=code,
            Password=password,
            **self._hash(username),
        )

    def _hash(self, username: str) -> dict[str, str]:
        return {"SecretHash": secret_hash(username, self.id, self.secret)} if self.secret else {}
