"""How STS and IAM speak: AWS's query protocol, answers in XML, or in JSON where STS is asked for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

VERSIONS = {"sts": "2011-06-15", "iam": "2010-05-08"}
Tree = dict[str, Any]
"""An answer: names to texts, truths, lists (each entry a <member>), trees; None is left out."""


class Refused(Exception):
    """AWS's error: its code, its words and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


@dataclass(frozen=True)
class Request:
    """One request as it came. Header names are lower case; the path is as it was sent, still encoded."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """All values of that name, joined as HTTP joins them; "" when there is none."""
        return ",".join(value for given, value in self.headers if given == name)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def result(service: str, action: str, tree: Tree, request_id: str, *, as_json: bool) -> Answer:
    """An accepted call. Actions of IAM without a result answer with their metadata alone."""
    whole = {f"{action}Result": tree or None, "ResponseMetadata": {"RequestId": request_id}}
    return _answer(200, service, f"{action}Response", whole, request_id, as_json=as_json)


def error(service: str, refused: Refused, request_id: str, *, as_json: bool) -> Answer:
    sender = "Sender" if refused.status < 500 else "Receiver"
    told = {"Type": sender, "Code": refused.code, "Message": refused.message}
    whole = {"Error": told, "RequestId": request_id}
    return _answer(refused.status, service, "ErrorResponse", whole, request_id, as_json=as_json)


def _answer(status: int, service: str, root: str, tree: Tree, request_id: str, *, as_json: bool) -> Answer:
    headers = {"x-amzn-requestid": request_id, "content-type": "text/xml"}
    if as_json:
        headers["content-type"] = "application/json"
        return Answer(status, json.dumps(tree if root == "ErrorResponse" else {root: tree}).encode(), headers)
    space = f"https://{service}.amazonaws.com/doc/{VERSIONS[service]}/"
    return Answer(status, f'<{root} xmlns="{space}">{_xml(tree)}</{root}>\n'.encode(), headers)


def _xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{_xml(one)}</{name}>" for name, one in value.items() if one is not None)
    if isinstance(value, list):
        return "".join(f"<member>{_xml(one)}</member>" for one in value)
    return str(value).lower() if isinstance(value, bool) else escape(str(value))


def moment(at: float) -> str:
    """AWS's date of an answer, from seconds since 1970."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
