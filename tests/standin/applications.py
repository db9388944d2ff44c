"""App clients: what they may ask for, and whether the caller knows their secret [M]."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

from tests.standin.errors import Refused, gone, invalid, no_user, not_authorized
from tests.standin.state import Call, Pool
from tests.standin.users import User

FLOWS = (
    "ALLOW_REFRESH_TOKEN_AUTH",
    "ALLOW_USER_SRP_AUTH",
    "ALLOW_CUSTOM_AUTH",
)  # of a client that names none
SAME_FLOW = {"ADMIN_NO_SRP_AUTH": "ADMIN_USER_PASSWORD_AUTH", "REFRESH_TOKEN": "REFRESH_TOKEN_AUTH"}
UNITS = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400}
LIVES = {"AccessToken": (1, "hours"), "IdToken": (1, "hours"), "RefreshToken": (30, "days")}  # unless told
VERIFIED = frozenset({"email_verified", "phone_number_verified"})


@dataclass(frozen=True)
class Application:
    pool: Pool
    client: dict[str, Any]  # as DescribeUserPoolClient answers it

    @property
    def id(self) -> str:
        return str(self.client["ClientId"])

    @property
    def tells(self) -> bool:
        """Whether it says that a user does not exist (PreventUserExistenceErrors is LEGACY)."""
        return bool(self.client.get("PreventUserExistenceErrors") != "ENABLED")

    def user(self, call: Call, username: str, message: str = "User does not exist.") -> User | None:
        """None where it may not tell that there is nobody; else UserNotFoundException with ``message``."""
        user = self.pool.users.find(username)
        if user is None:
            if self.tells:
                raise Refused(no_user().code, message)
            return None
        call.trace["sub"] = user.sub
        return user

    def seconds(self, token: str) -> float:
        """How long an AccessToken, IdToken or RefreshToken is good for."""
        default, unit = LIVES[token]
        unit = (self.client.get("TokenValidityUnits") or {}).get(token, unit)
        told = self.client.get(f"{token}Validity")
        return told * UNITS[unit] if told else default * UNITS[LIVES[token][1]]

    # what it may ask for

    def check_flow(self, flow: str) -> None:
        flow = SAME_FLOW.get(flow, flow)
        told = self.client.get("ExplicitAuthFlows") or FLOWS
        legacy = not any(one.startswith("ALLOW_") for one in told)  # names from before 2019
        allowed = {SAME_FLOW.get(one, one) for one in told} if legacy else set(told)
        if legacy and flow == "REFRESH_TOKEN_AUTH":
            return
        if (flow if legacy else f"ALLOW_{flow}") not in allowed:
            subject = "Auth" if flow.startswith("ADMIN_") else flow
            raise invalid(f"{subject} flow not enabled for this client")

    def readable(self, name: str) -> bool:
        """sub always; without ReadAttributes the standard ones."""
        told = self.client.get("ReadAttributes")
        return name == "sub" or (name in told if told else ":" not in name)

    def check_writable(self, names: list[str]) -> None:
        """Without WriteAttributes only the standard ones; whether an address is verified never."""
        told = self.client.get("WriteAttributes")
        if any(name in VERIFIED or (name not in told if told else ":" in name) for name in names):
            raise not_authorized("A client attempted to write unauthorized attribute")

    # whether it is itself

    @property
    def secrets(self) -> list[str]:
        """One, two while they are changed, none of a client that is public."""
        kept = self.pool.config.get("secrets", {}).get(self.id, ())
        return [one["ClientSecretValue"] for one in kept]

    def check_hash(self, username: str, given: str | None) -> None:
        """SECRET_HASH: of the name as it was sent, with the client's id."""
        if not self.secrets and not given:
            return
        if not given:
            raise not_authorized(
                f"Client {self.id} is configured with secret but SECRET_HASH was not received"
            )
        if given not in [secret_hash(username, self.id, secret) for secret in self.secrets]:
            raise not_authorized(f"Unable to verify secret hash for client {self.id}")

    def check_secret(self, given: str | None) -> None:
        if not self.knows(given):
            raise not_authorized(f"Unable to verify secret for client {self.id}")

    def knows(self, given: str | None) -> bool:
        return given in self.secrets if self.secrets else given is None


def secret_hash(username: str, client_id: str, secret: str) -> str:
    digest = hmac.digest(secret.encode(), (username + client_id).encode(), hashlib.sha256)
    return base64.b64encode(digest).decode()


def find(call: Call, client_id: str, *, pool_id: str = "", writes: bool = False) -> Application:
    """Of ``pool_id`` where an administrator names it. Raises ResourceNotFoundException."""
    pool_id = pool_id or call.region.clients.get(client_id, "")
    if not pool_id:
        raise gone(f"User pool client {client_id} does not exist.")
    pool = call.pool(pool_id, writes=writes)
    if client_id not in pool.clients:
        raise gone(f"User pool client {client_id} does not exist.")
    return Application(pool, pool.clients[client_id])
