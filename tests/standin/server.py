"""HTTP and JSON 1.1 around the operations: faults, quota, model, operation, books.

One process and one event loop: an operation runs from its first line to its last without another
beside it. What is asked while it waits (latency, slow) is answered meanwhile.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from email.utils import formatdate
from itertools import count
from typing import Any, TypeAlias

import orjson

from tests.standin import control, model
from tests.standin.errors import Refused
from tests.standin.faults import AFTER, ANSWERS, UNMAILED, Fault
from tests.standin.operations import load
from tests.standin.state import Call, State

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

TARGETS = (b"AWSCognitoIdentityProviderService.", b"AWSCognitoIdentityService.")
CREDENTIAL = re.compile(rb"Credential=[^/,\s]+/\d{8}/([a-z0-9-]+)/cognito-(?:idp|identity)/aws4_request")
CONTROL = "/_standin/"
_requests = count(1)


class App:
    """The ASGI application of one ``State``."""

    def __init__(
        self, state: State, default_region: str, at_the_end: Callable[[State], None] = lambda state: None
    ) -> None:
        self.state = state
        self.default_region = default_region
        self.at_the_end = at_the_end
        self.operations = load()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        send = self._dated(send)
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if scope["path"].startswith(CONTROL):
            status, answer = control.handle(self.state, scope["path"].removeprefix(CONTROL), body)
            await _answer(send, status, answer, "")
            return
        headers = dict(scope["headers"])
        target = headers.get(b"x-amz-target", b"")
        for prefix in TARGETS:
            target = target.removeprefix(prefix)
        name = target.decode("latin-1")
        fault = self.state.faults.meet(name)
        if fault and fault.kind not in AFTER and not await self._before(fault, receive, send):
            return
        latency = self.state.latency.draw(name)
        if latency:
            await asyncio.sleep(latency / 2)
        status, answer, code = self._do(name, headers, body, fault)
        if latency:
            await asyncio.sleep(latency / 2)
        if fault and fault.kind in AFTER:
            await _after(fault, status, answer, code, receive, send)
        else:
            await _answer(send, status, answer, code)

    def _dated(self, send: Send) -> Send:
        """Every answer says when it was given, as AWS's do: in whole seconds."""

        async def dated(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(self.state.clock.now(), usegmt=True)
                message["headers"] = [*message["headers"], (b"date", date.encode())]
            await send(message)

        return dated

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.at_the_end(self.state)
        await send({"type": "lifespan.shutdown.complete"})

    async def _before(self, fault: Fault, receive: Receive, send: Send) -> bool:
        """What happens instead of the work; True when the work is done all the same."""
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        elif fault.kind == "never":
            await _silence(receive)
        elif fault.kind == "close-before":
            _hang_up(receive)
        if fault.kind == "slow" or fault.kind in UNMAILED:
            return True
        if fault.kind in ANSWERS:
            await _answer(send, *_refusal(ANSWERS[fault.kind]))
        return False

    def _do(
        self, name: str, headers: dict[bytes, bytes], body: bytes, fault: Fault | None
    ) -> tuple[int, bytes, str]:
        """(status, JSON text, the error's code or "")."""
        state, books = self.state, self.state.books
        if name not in self.operations:
            books.unknown[name or "no operation"] += 1
            return _refusal(Refused("UnknownOperationException", ""))
        signed = CREDENTIAL.search(headers.get(b"authorization", b""))
        operation, call = self.operations[name], None
        try:
            asked = orjson.loads(body or b"{}")
            if not isinstance(asked, dict):
                raise Refused("SerializationException", "Start of structure or map found where not expected.")
            if not signed and not model.unsigned(name):
                raise Refused("MissingAuthenticationTokenException", "Missing Authentication Token")
            region = state.region(signed[1].decode() if signed else self._region_of(asked))
            pool = str(asked.get("UserPoolId") or asked.get("ResourceArn") or asked.get("Domain") or "")
            if not region.quotas.take(name, pool):
                books.throttled[name] += 1
                return _refusal(Refused("TooManyRequestsException", "Rate exceeded"))
            call = Call(state, region, name, not signed)
            model.check(name, asked)
            sent = len(books.messages)
            answer = operation.work(call, asked)
            if fault and fault.kind in UNMAILED:
                for message in books.messages[sent:]:
                    message.sent = False
                raise ANSWERS[fault.kind]
        except orjson.JSONDecodeError:
            return _refusal(Refused("SerializationException", "The body is not JSON."))
        except Refused as refused:
            if call:
                self._note(call, refused.code, operation.active)
            return _refusal(refused)
        self._note(call, "", operation.active)
        return 200, answer if isinstance(answer, bytes) else orjson.dumps(answer), ""

    def _note(self, call: Call, code: str, active: bool) -> None:
        books, pool, sub = self.state.books, call.trace.get("pool", ""), call.trace.get("sub", "")
        books.calls.append((call.now, call.operation, pool, sub, code))
        if active and sub:
            month = datetime.fromtimestamp(call.now, UTC).strftime("%Y-%m")
            books.active.setdefault((month, pool), set()).add(sub)

    def _region_of(self, asked: dict[str, Any]) -> str:
        """Of an unsigned call: where its client or its token is from."""
        client = asked.get("ClientId")
        token = str(asked.get("AccessToken") or asked.get("Session") or "")  # both name their pool
        for name, region in self.state.regions.items():
            if client in region.clients or any(pool in token for pool in region.pools):
                return name
        return self.default_region


async def _answer(send: Send, status: int, answer: bytes, code: str) -> None:
    headers = [
        (b"content-type", b"application/x-amz-json-1.1"),
        (b"content-length", str(len(answer)).encode()),
        (b"x-amzn-requestid", b"%032x" % next(_requests)),
    ]
    if code:
        headers.append((b"x-amzn-errortype", code.encode() + b":"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


async def _after(fault: Fault, status: int, answer: bytes, code: str, receive: Receive, send: Send) -> None:
    """The work is done; the answer does not arrive as it should."""
    if fault.kind == "500-after":
        await _answer(send, *_refusal(ANSWERS["500-after"]))
    elif fault.kind == "never-after":
        await _silence(receive)
    elif fault.kind == "close-after":
        _hang_up(receive)
    else:
        length = str(len(answer)).encode()
        start = {"type": "http.response.start", "status": status, "headers": [(b"content-length", length)]}
        await send(start)
        await send({"type": "http.response.body", "body": answer[: len(answer) // 2], "more_body": True})
        _hang_up(receive, flush=True)


def _hang_up(receive: Receive, *, flush: bool = False) -> None:
    """End the connection without an answer. ASGI has no word for it; uvicorn's cycle has the transport."""
    transport = receive.__self__.transport  # type: ignore[attr-defined]
    transport.close() if flush else transport.abort()


async def _silence(receive: Receive) -> None:
    """Until the client gives up."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _refusal(refused: Refused) -> tuple[int, bytes, str]:
    body = orjson.dumps({"__type": refused.code, "message": refused.message})
    return refused.status, body, refused.code
