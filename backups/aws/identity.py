"""Who somebody is. STS verifies a signature that we never could; IAM says what stands behind it.

The request that STS sees is written here, from the server's own values and the four that
came from outside. A client has no say in method, host, path, body, date or header names.
"""

from __future__ import annotations

import http.client
import re
import ssl
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree  # what it is given has passed _text(): no declarations, no entities

from backups.aws import session
from backups.aws.errors import asking
from backups.core.principal import Caller, Home, Standing
from backups.engine.ports import Cause, PortError, Proof

BODY = b"Action=GetCallerIdentity&Version=2011-06-15"
CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
NONCE_HEADER = "x-cognito-admin-nonce"
SERVER_HEADER = "x-cognito-admin-server-id"
NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
LONGEST_ANSWER = 64 * 1024  # bytes; a real one has about 500
TIMEOUT = 5  # seconds, to connect and for each read
_CODE = re.compile(r"[A-Za-z.]{1,64}")


class AwsIdentity:
    """backups.engine.ports.Identity on STS and IAM."""

    def __init__(self, region: str, *, production: bool) -> None:
        """``production`` refuses any endpoint but AWS's own for STS."""
        self.region = region
        self.host = f"sts.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")
        self._production = production

    def home(self) -> Home:
        ours = session.whoami(self.region)
        return Home(ours.arn.split(":")[1], ours.account)

    def caller(self, proof: Proof) -> Caller:
        headers = {
            "content-type": CONTENT_TYPE,
            "host": self.host,
            "x-amz-date": proof.date,
            NONCE_HEADER: proof.nonce,
            SERVER_HEADER: proof.server_id,
        }
        if proof.token:
            headers["x-amz-security-token"] = proof.token
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={proof.key_id}/{proof.date[:8]}/{self.region}/sts/aws4_request, "
            f"SignedHeaders={';'.join(sorted(headers))}, Signature={proof.signature}"
        )
        status, kind, coding, body = self._post(headers)
        text = _text(kind, coding, body)
        if status == 200:
            return _caller(text)
        code = _error_code(text)
        if "Signature expired" in text or "Signature not yet current" in text:
            # We wrote the date ourselves: the person has signed what we asked for.
            raise _unclear("it says that this server's clock is wrong")
        if 400 <= status < 500 and code and code not in ("Throttling", "RequestLimitExceeded"):
            raise PortError(f"STS did not accept the signature ({code}).", Cause.REFUSED, code=code)
        raise _unclear(f"STS answered with HTTP status {status}")

    def standing(self, name: str) -> Standing | None:
        iam = session.client("iam", self.region)
        try:
            with asking("ask IAM about this person"):
                user = iam.get_user(UserName=name)["User"]
                keys = iam.get_paginator("list_access_keys").paginate(UserName=name)
                policies = iam.get_paginator("list_attached_user_policies").paginate(UserName=name)
                groups = iam.get_paginator("list_groups_for_user").paginate(UserName=name)
                return Standing(
                    unique_id=user["UserId"],
                    arn=user["Arn"],
                    active_keys=_names(keys, "AccessKeyMetadata", "AccessKeyId", Status="Active"),
                    policies=_names(policies, "AttachedPolicies", "PolicyName"),
                    groups=_names(groups, "Groups", "GroupName"),
                )
        except PortError as error:
            if error.code == "NoSuchEntity":
                return None
            raise

    def _post(self, headers: dict[str, str]) -> tuple[int, str, str, bytes]:
        """(status, content type, content encoding, body).

        http.client follows no redirect, and knows no proxy and no netrc.
        """
        connection = self._connection()
        try:
            try:
                connection.connect()
            except OSError as error:
                raise PortError(
                    "STS cannot be reached from this server.", Cause.UNREACHABLE, code=type(error).__name__
                ) from error
            connection.putrequest("POST", "/", skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.putheader("content-length", str(len(BODY)))
            connection.endheaders(BODY)
            answer = connection.getresponse()
            body = answer.read(LONGEST_ANSWER + 1)
            return (
                answer.status,
                answer.headers.get("content-type", ""),
                answer.headers.get("content-encoding", ""),
                body,
            )
        except (OSError, http.client.HTTPException) as error:
            raise PortError(
                "STS did not answer in time, or not with an answer.", Cause.LOST, code=type(error).__name__
            ) from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        """To AWS's own endpoint, or to the one that boto3's environment names."""
        endpoint = urlsplit(session.client("sts", self.region).meta.endpoint_url)
        if self._production and (endpoint.scheme, endpoint.netloc) != ("https", self.host):
            raise PortError(
                f"Sign-in asks {self.host} only while PRODUCTION is on: "
                "unset AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_STS.",
                Cause.UNREACHABLE,
                code="ForeignEndpoint",
            )
        if endpoint.scheme == "https":
            return http.client.HTTPSConnection(
                endpoint.hostname or "", endpoint.port, timeout=TIMEOUT, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(endpoint.hostname or "", endpoint.port, timeout=TIMEOUT)


# --- reading STS's answer -------------------------------------------------------------------------


def _text(kind: str, coding: str, body: bytes) -> str:
    """The XML as text. Raises LOST unless it is exactly of the sort that STS sends."""
    media, _, parameters = (part.strip().lower() for part in kind.partition(";"))
    if media != "text/xml" or parameters.replace('"', "") not in ("", "charset=utf-8"):
        raise _unclear("the answer is no XML")
    if coding.lower() not in ("", "identity"):
        raise _unclear("the answer is packed")
    if len(body) > LONGEST_ANSWER:
        raise _unclear("the answer is too long")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unclear("the answer is no UTF-8") from error
    # Comments, CDATA, declarations and instructions could hide where a value ends.
    if "<!" in text or "<?" in text[1:]:
        raise _unclear("the answer holds more than plain elements")
    return text


def _caller(text: str) -> Caller:
    root = _root(text)
    if root.tag != f"{{{NAMESPACE}}}GetCallerIdentityResponse":
        raise _unclear("the answer is to another question")
    results = root.findall(f"{{{NAMESPACE}}}GetCallerIdentityResult")
    if len(results) != 1 or any(
        _local(child) not in ("GetCallerIdentityResult", "ResponseMetadata") for child in root
    ):
        raise _unclear("the answer has not exactly one result")
    values: dict[str, str] = {}
    for name in ("Arn", "UserId", "Account"):
        found = [element for element in root.iter() if _local(element) == name]
        inside = results[0].findall(f"{{{NAMESPACE}}}{name}")
        if len(found) != 1 or len(inside) != 1 or len(found[0]) or found[0].attrib or not found[0].text:
            raise _unclear(f"the answer has not exactly one {name}")
        values[name] = found[0].text
    return Caller(values["Arn"], values["UserId"], values["Account"])


def _error_code(text: str) -> str:
    """The one Code of an ErrorResponse, or ""."""
    root = _root(text)
    codes = [element.text or "" for element in root.iter() if _local(element) == "Code"]
    return (
        codes[0] if _local(root) == "ErrorResponse" and len(codes) == 1 and _CODE.fullmatch(codes[0]) else ""
    )


def _root(text: str) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(text)  # noqa: S314  (no entities: _text refuses every declaration)
    except ElementTree.ParseError as error:
        raise _unclear("the answer is no XML") from error


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _unclear(why: str) -> PortError:
    return PortError(f"STS did not answer as it should: {why}.", Cause.LOST, code="UnclearAnswer")


def _names(pages: Iterable[Any], listed: str, name: str, **wanted: str) -> frozenset[str]:
    """One field of every entry on every page, of the entries that have the wanted values."""
    return frozenset(
        entry[name]
        for page in pages
        for entry in page.get(listed, [])
        if all(entry.get(key) == value for key, value in wanted.items())
    )
