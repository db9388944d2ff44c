"""Clients of AWS: one per service and Region and process, each call tried once, always with a time limit.

Endpoints, credentials and profile come from boto3's own environment.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any, Literal, overload

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, IncompleteReadError

from backups.aws import pages
from backups.aws.errors import asking
from backups.core.principal import Caller

if TYPE_CHECKING:
    from mypy_boto3_cognito_identity import CognitoIdentityClient
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient

CONFIG = Config(
    # botocore would repeat throttles behind our back, and writes that are not repeatable too
    retries={"mode": "standard", "total_max_attempts": 1},
    connect_timeout=5,
    read_timeout=30,
    max_pool_connections=32,
    user_agent_extra="cognito-admin",
)

# At DEBUG these log every header, signatures and session tokens included; at INFO they chat.
for _name in ("boto3", "botocore", "urllib3", "s3transfer"):
    logging.getLogger(_name).setLevel(logging.WARNING)

# Sign-in and every page that asks again wait for these: nobody looks at a blank page for half a minute.
QUICK = CONFIG.merge(Config(connect_timeout=3, read_timeout=8))

_lock = threading.Lock()  # a boto3 Session makes clients one at a time; the clients are thread-safe
_session: boto3.Session | None = None
_clients: dict[tuple[str, str], Any] = {}
_callers: dict[str, Caller] = {}


@overload
def client(service: Literal["cognito-idp"], region: str = "") -> CognitoIdentityProviderClient: ...
@overload
def client(service: Literal["cognito-identity"], region: str = "") -> CognitoIdentityClient: ...
@overload
def client(service: Literal["s3"], region: str = "") -> S3Client: ...
@overload
def client(service: Literal["iam"], region: str = "") -> IAMClient: ...
@overload
def client(service: Literal["sts"], region: str = "") -> STSClient: ...


def client(service: str, region: str = "") -> Any:
    """The client of a service in a Region ("": boto3's own default). Making one takes 170 ms, once."""
    global _session  # noqa: PLW0603
    key = (service, region)
    if key not in _clients:
        with _lock:
            if key not in _clients:
                _session = _session or boto3.Session()
                with asking(f"connect to {service}"):
                    made = _session.client(
                        service,  # type: ignore[call-overload]
                        region_name=region or None,
                        config=QUICK if service in ("iam", "sts") else CONFIG,
                    )
                made.meta.events.register("before-parse", _refuse_half_an_answer)
                if service == "cognito-idp":
                    made.meta.events.register("before-parse", pages.read)  # what was not refused above
                _clients[key] = made
    return _clients[key]


class NotAnAnswer(BotoCoreError):
    """What came back is whole, and no answer of the service's: a proxy's page, a redirect."""

    fmt = "what came back is no answer of {service}"


def _refuse_half_an_answer(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    """botocore reads a JSON answer that was cut on its way, or a proxy's page, as an empty answer: a list
    would end there, and a backup be short without a word. Raises IncompleteReadError, NotAnAnswer.
    """
    body, status = response_dict["body"], response_dict["status_code"]
    if not isinstance(body, bytes) or operation_model.http.get("method") == "HEAD":
        return  # a stream counts by itself; HEAD tells the length of what it does not send
    told = int(response_dict["headers"].get("content-length", len(body)))
    if len(body) != told:
        raise IncompleteReadError(actual_bytes=len(body), expected_bytes=told)
    service, shape = operation_model.service_model, operation_model.output_shape
    begins = {
        "json": b"{" if shape is not None and shape.members else b"",
        "query": f"<{operation_model.name}Response".encode(),
    }.get(service.resolved_protocol)
    if begins is None:
        return  # S3, which redirects on purpose; its answers name what they are
    if 300 <= status < 400 or (status == 200 and begins not in body[:200]):
        raise NotAnAnswer(service=service.service_name)


def whoami(region: str = "") -> Caller:
    """Whose credentials we hold: GetCallerIdentity, asked once a process. Raises PortError."""
    if region not in _callers:
        with asking("find out whose credentials these are"):
            answer = client("sts", region).get_caller_identity()
        _callers[region] = Caller(answer["Arn"], answer["UserId"], answer["Account"])
    return _callers[region]


def forget() -> None:
    """Drop every client, as after a fork (sockets are not shared) or a change of environment."""
    global _session, _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _session = None
    _clients.clear()
    _callers.clear()


os.register_at_fork(after_in_child=forget)
