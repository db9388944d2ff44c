"""Signature Version 4, verified, and the one who signed.

Written from AWS's page "Create a signed AWS API request"; shares nothing with the product, and nothing
with the signer of the tests. Only the Authorization header counts: a signature in the query is none here.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

from tests.standin.iam.state import Caller, State
from tests.standin.iam.wire import Refused, Request

ALGORITHM = "AWS4-HMAC-SHA256"
_HOST = re.compile(r"(?P<service>sts|iam)(\.(?P<region>[a-z]+(-[a-z]+)+-\d))?\.amazonaws\.com(\.cn)?(:443)?")
_DATE = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Scope:
    """Of the Credential: AKIA…/20261122/eu-west-1/sts/aws4_request."""

    key_id: str
    day: str
    region: str
    service: str


def claimed(request: Request) -> Scope | None:
    """Whose signature it says it is, unverified; None when it says nothing readable."""
    try:
        return _read(request)[0]
    except Refused:
        return None


def verify(request: Request, state: State) -> Caller:
    """Who signed. Raises Refused in AWS's words."""
    scope, names, given = _read(request)
    date = request.header("x-amz-date")
    if not re.fullmatch(r"[0-9]{8}T[0-9]{6}Z", date):
        text = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        raise Refused("IncompleteSignature", text)
    _check_scope(request, scope, date)
    caller = state.caller(scope.key_id)
    if caller is None or caller.key.status != "Active" or caller.account.partition != partition(scope.region):
        raise invalid_token()
    _check_date(date, state)
    sent = {name for name, _ in request.headers}
    must = {"host"} | {name for name in sent if name.startswith("x-amz-")}
    if not must <= set(names) <= sent:
        unsigned = sorted(must - set(names)) or sorted(set(names) - sent)
        raise _mismatch(f"'{unsigned[0]}' must be a 'SignedHeader' in the AWS Authorization.")
    if signature(request, names, date, scope, caller.key.secret) != given:
        raise _mismatch(
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method."
        )
    token = request.header("x-amz-security-token")
    if token != (caller.session.token if caller.session else ""):
        raise invalid_token()
    if caller.session and caller.session.expires <= state.now():
        raise Refused("ExpiredToken", "The security token included in the request is expired", 403)
    return caller


def signature(request: Request, names: Sequence[str], date: str, scope: Scope, secret: str) -> str:
    """What the signature must be: lower case hex."""
    query = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in parse_qsl(request.query, True))
    headers = ((name, " ".join(request.header(name).split())) for name in names)
    canonical = "\n".join(
        (
            request.method,
            quote(request.path, safe="/-_.~"),  # encoded once more than it was sent, as for all but S3
            "&".join(f"{name}={value}" for name, value in query),
            "".join(f"{name}:{value}\n" for name, value in headers),
            ";".join(names),
            hashlib.sha256(request.body).hexdigest(),
        )
    )
    steps = (scope.day, scope.region, scope.service, "aws4_request")
    to_sign = "\n".join((ALGORITHM, date, "/".join(steps), hashlib.sha256(canonical.encode()).hexdigest()))
    key = b"AWS4" + secret.encode()
    for step in steps:
        key = hmac.digest(key, step.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def invalid_token() -> Refused:
    return Refused("InvalidClientTokenId", "The security token included in the request is invalid.", 403)


def _read(request: Request) -> tuple[Scope, list[str], str]:
    header = request.header("authorization")
    if not header:
        raise Refused("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    algorithm, _, rest = header.partition(" ")
    pairs = [pair.strip().partition("=") for pair in rest.split(",")]
    parts = {name: value for name, _, value in pairs}
    credential = parts.get("Credential", "").split("/")
    names = parts.get("SignedHeaders", "").split(";")
    whole = len(pairs) == 3 and parts.keys() == {"Credential", "SignedHeaders", "Signature"}
    if algorithm != ALGORITHM or not whole or len(credential) != 5 or credential[4] != "aws4_request":
        raise Refused("IncompleteSignature", "Authorization header requires 'Credential', 'SignedHeaders' "
                      "and 'Signature' parameters of AWS4-HMAC-SHA256.")  # fmt: skip
    if names != sorted(set(names)) or any(name != name.lower() for name in names):
        raise Refused("IncompleteSignature", "SignedHeaders are not in order, or not in lower case.")
    return Scope(*credential[:4]), names, parts["Signature"]


def _check_scope(request: Request, scope: Scope, date: str) -> None:
    """On a host of AWS's the scope is the host's; elsewhere any Region, and either service, will do."""
    host = _HOST.fullmatch(request.header("host"))
    service = host["service"] if host else scope.service if scope.service in ("sts", "iam") else "sts"
    region = (host["region"] or "us-east-1") if host else scope.region
    if scope.region != region:
        raise _mismatch(f"Credential should be scoped to a valid region, not '{scope.region}'. ")
    if scope.service != service:
        raise _mismatch(f"Credential should be scoped to correct service: '{service}'. ")
    if scope.day != date[:8]:
        raise _mismatch(f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date "
                        f"from HTTP: '{scope.day}' != '{date[:8]}', from '{date}'.")  # fmt: skip


def _check_date(date: str, state: State) -> None:
    """AWS's pages say five minutes; STS and IAM name fifteen in their own words ("… - 15 min.")."""
    now, window = datetime.fromtimestamp(state.now(), UTC), timedelta(seconds=state.settings.window)
    clock, minutes = now.strftime(_DATE), f"{state.settings.window / 60:.0f} min."
    # dates of this form sort as texts
    if date < (edge := (now - window).strftime(_DATE)):
        raise _mismatch(f"Signature expired: {date} is now earlier than {edge} ({clock} - {minutes})")
    if date > (edge := (now + window).strftime(_DATE)):
        raise _mismatch(f"Signature not yet current: {date} is still later than {edge} ({clock} + {minutes})")


def partition(region: str) -> str:
    """No partition knows the keys of another."""
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _mismatch(message: str) -> Refused:
    return Refused("SignatureDoesNotMatch", message, 403)
