"""The server: STS and IAM at one address, and a second address that only tests know.

POST /                    STS and IAM, told apart by the scope of the signature
POST /_standin/<word>     JSON in, JSON out: ``Standin.do_<word>``
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from tests.standin.iam import iam, sts
from tests.standin.iam.actions import Call, authorize
from tests.standin.iam.signature import claimed, partition, verify
from tests.standin.iam.state import SSO_PATH, AccessKey, Account, Caller, State, named
from tests.standin.iam.wire import VERSIONS, Answer, Refused, Request, Tree, error, result

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
HANG = 60  # seconds; every client of ours gives up before
INSTEAD = {
    "html": Answer(200, b"<html><body>Sign in to the network</body></html>", {"content-type": "text/html"}),
    "redirect": Answer(302, b"", {"location": "http://127.0.0.1:9/elsewhere"}),
}
ERRORS = {
    "throttle": Refused("Throttling", "Rate exceeded"),
    "500": Refused("InternalFailure", "The request processing has failed because of an unknown error.", 500),
    "503": Refused(
        "ServiceUnavailable", "The request has failed due to a temporary failure of the server.", 503
    ),
}
KINDS = {*ERRORS, *INSTEAD, "answer", "cut", "json", "hang"}


@dataclass
class Fault:
    """What goes wrong. Nothing is done then, but for "cut" and "json", where only the answer suffers."""

    kind: str  # of KINDS; "answer" says the last three fields, word for word
    action: str = "*"
    key: str = ""  # only for what this access key id claims to have signed; "": for all
    times: int = 1  # 0: for ever
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "text/xml"})
    body: str = ""


class Standin:
    """One ASGI application, all of it in memory. A call is done before the next one is read."""

    def __init__(self, account: str, key: str, secret: str) -> None:
        self.first = (account, key, secret)
        self.do_reset()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        request = await _read(scope, receive)
        if request.path.startswith("/_standin/"):
            await _send(send, self._control(request))
            return
        parameters, signer = _parameters(request), claimed(request)
        service = signer.service if signer and signer.service in VERSIONS else "sts"
        call = {"service": service, "action": parameters.get("Action", ""), "parameters": parameters}
        entry: Tree = {
            **call,
            "headers": dict(request.headers),
            "at": self.state.now(),
            "arn": "",
            "code": "",
        }
        self.books.append(entry)
        fault = self._fault(entry["action"], signer.key_id if signer else "")
        if fault.kind == "hang":
            entry["code"] = fault.kind
            await asyncio.wait([asyncio.ensure_future(receive())], timeout=HANG)
            return
        await _send(send, self._answer(request, entry, fault), cut=fault.kind == "cut")

    def _fault(self, action: str, key_id: str) -> Fault:
        for fault in self.faults:
            if fault.action in ("*", action) and fault.key in ("", key_id):
                fault.times -= 1
                if fault.times == 0:
                    self.faults.remove(fault)
                return fault
        return Fault("none")

    def _answer(self, request: Request, entry: Tree, fault: Fault) -> Answer:
        """What became of the call is in its entry of the books: ``arn`` who signed, ``code`` the error."""
        if fault.kind in ("answer", *INSTEAD):
            entry["code"] = fault.kind
            return INSTEAD.get(fault.kind) or Answer(fault.status, fault.body.encode(), fault.headers)
        service, action, request_id = entry["service"], entry["action"], str(uuid.uuid4())
        asked = service == "sts" and request.header("accept") == "application/json"
        as_json = asked or fault.kind == "json"
        try:
            if fault.kind in ERRORS:
                raise ERRORS[fault.kind]
            caller = verify(request, self.state)
            entry["arn"] = caller.arn
            tree = self._do(request, Call(self.state, caller, action, entry["parameters"]), service)
            return result(service, action, tree, request_id, as_json=as_json)
        except Refused as refused:
            entry["code"] = refused.code
            return error(service, refused, request_id, as_json=as_json)

    def _do(self, request: Request, call: Call, service: str) -> Tree:
        given = parse_qsl(request.query, True) + parse_qsl(request.body.decode("latin-1"), True)
        if request.path != "/" or len(given) != len(call.params):
            raise Refused("MalformedQueryString", "The query string contains a syntax error.", 404)
        actions = sts.ACTIONS if service == "sts" else iam.ACTIONS
        version = call.params.get("Version", "NO_VERSION_SPECIFIED")
        if call.action not in actions or version != VERSIONS[service]:
            raise Refused("InvalidAction", f"Could not find operation {call.action} for version {version}")
        sts.check_session(call, service)
        if service == "iam":
            authorize(call, service)
        return actions[call.action](call)

    # --- the control address -----------------------------------------------------------------------

    def _control(self, request: Request) -> Answer:
        word = request.path.removeprefix("/_standin/").replace("-", "_")
        given = json.loads(request.body or b"{}")
        try:
            status, told = 200, getattr(self, f"do_{word}")(**given)
        except (Refused, AttributeError, KeyError, TypeError, ValueError) as wrong:
            status, told = 400, repr(wrong)
        return Answer(status, json.dumps(told).encode(), {"content-type": "application/json"})

    def do_health(self) -> bool:
        return True

    def do_books(self) -> list[Tree]:
        return self.books

    def do_reset(self) -> None:
        """As at the start: one account with its root, no faults, empty books."""
        account, key, secret = self.first
        self.state = State({account: Account(account, "aws", root={key: AccessKey(key, secret, 0)})})
        self.faults: list[Fault] = []
        self.books: list[Tree] = []

    def do_settings(self, **changed: Any) -> Tree:
        """Sets those given (names of state.Settings); tells all."""
        self.state.settings = replace(self.state.settings, **changed)
        return asdict(self.state.settings)

    def do_fault(self, **fault: Any) -> None:
        made = Fault(**fault)
        if made.kind not in KINDS:
            raise ValueError(made.kind)
        self.faults.append(made)

    def do_mend(self) -> None:
        self.faults.clear()

    def do_account(self, account: str, region: str) -> Tree:
        """Another account of that Region's partition; a new root key each time."""
        held = self.state.accounts.setdefault(account, Account(account, partition(region)))
        key = AccessKey.new("AKIA", self.state.now())
        held.root[key.id] = key
        return {"AccessKeyId": key.id, "SecretAccessKey": key.secret}

    def do_mfa_device(self, account: str, user: str) -> str:
        """A device for the user; its serial number."""
        held = self.state.accounts[account]
        serial = held.arn(f"mfa/{user}")
        named(held.users, "user", user).mfa.setdefault(serial, set())
        return serial

    def do_mfa_code(self, account: str, user: str, serial: str) -> str:
        """The device's next code: good once, and until it is used."""
        codes: set[str] = named(self.state.accounts[account].users, "user", user).mfa[serial]
        code = f"{uuid.uuid4().int % 1_000_000:06}"
        codes.add(code)
        return code

    def do_sso_role(self, account: str, name: str, region: str, trust: str) -> Tree:
        """What Identity Center makes for a permission set: a role at a path that nobody else may use."""
        path = f"{SSO_PATH}{region}/"
        parameters = {"RoleName": name, "Path": path, "AssumeRolePolicyDocument": trust}
        return iam.create_role(self._as_root(account, parameters), by_identity_center=True)

    def do_role_session(self, account: str, role: str, session: str) -> Tree:
        """Credentials of a role without asking its trust policy, as Identity Center gives them."""
        call = self._as_root(account, {})
        return sts.role_session(call, named(call.account.roles, "role", role), session)

    def _as_root(self, account: str, parameters: dict[str, str]) -> Call:
        held = self.state.accounts[account]
        root = Caller(held, "root", held.arn("root"), held.id, AccessKey.new("AKIA", 0))
        return Call(self.state, root, "", parameters)


def _parameters(request: Request) -> dict[str, str]:
    """Of the query and of the form. One that comes twice is refused later, by their number."""
    return dict(parse_qsl(f"{request.query}&{request.body.decode('latin-1')}", keep_blank_values=True))


async def _read(scope: dict[str, Any], receive: Receive) -> Request:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = [(name.decode().lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    return Request(scope["method"], scope["raw_path"].decode(), scope["query_string"].decode(), headers, body)


async def _send(send: Send, answer: Answer, *, cut: bool = False) -> None:
    headers = {"content-length": str(len(answer.body)), **answer.headers}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    body = answer.body[: len(answer.body) // 2] if cut else answer.body
    await send({"type": "http.response.body", "body": body, "more_body": cut})  # left open: uvicorn hangs up
