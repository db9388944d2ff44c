"""Somebody at the pages, by plain HTTP: signs in, looks at the bucket, plans, starts, and watches."""

from __future__ import annotations

import html
import http.client
import http.cookiejar
import json
import re
import threading
import urllib.parse
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.signing import Key, sign


class Person:
    """A browser's cookies, and the CSRF token of the last page that had one."""

    def __init__(self, url: str, key: Key) -> None:
        self.url = url
        self._cookies = http.cookiejar.CookieJar()
        self._open = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self._cookies)
        ).open
        self._token = ""
        self.get("/sign-in/")
        asked = json.loads(self._send("/sign-in/challenge/", b"{}")[1])
        proof = {"nonce": asked["nonce"], "keyId": key.id, "signature": sign(asked, key)}
        self._send("/sign-in/proof/", json.dumps(proof).encode())

    def get(self, path: str) -> str:
        return self._ask(urllib.request.Request(self.url + path))[1]

    def post(self, path: str, **fields: str) -> tuple[str, str]:
        """(the address and the text of the page where it leads). Raises HTTPError."""
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": self._token, **fields}).encode()
        return self._ask(urllib.request.Request(self.url + path, body))

    def look(self) -> None:
        """At the bucket and at the pools, now."""
        self.get("/backups/")
        self.post("/backups/look/")

    def plan(self, backup: str, pool_id: str) -> int:
        """Ask for a plan; its number."""
        self.get("/restore/")
        how, _ = self.post("/restore/", backup=backup, scope="everything")
        path = urllib.parse.urlsplit(how).path
        return _number(self.post(path, pool=pool_id, existing="skip")[0])

    def start(self, plan: int, messages: str) -> int:
        """Fill in the form of a plan that is ready, and start; the number of the restore."""
        page = self.get(f"/restore/{plan}/confirm/?messages={messages}")
        found = re.search(r'name="digest" value="(.*?)".*<code class="typed">(.*?)</code>', page, re.DOTALL)
        assert found, "this plan cannot be started"
        digest, typed = map(html.unescape, found.groups())
        told = {"messages": messages, "digest": digest, "typed": typed, "reason": "they are gone"}
        return _number(self.post(f"/restore/{plan}/start/", **told)[0])

    @property
    def cookie(self) -> str:
        return "; ".join(f"{one.name}={one.value}" for one in self._cookies)

    def _send(self, path: str, value: bytes) -> tuple[str, str]:
        headers = {"Content-Type": "application/json", "X-CSRFToken": self._token}
        return self._ask(urllib.request.Request(self.url + path, value, headers))

    def _ask(self, request: urllib.request.Request) -> tuple[str, str]:
        with self._open(request, timeout=60) as answer:
            text = answer.read().decode()
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', text)
        self._token = found[1] if found else self._token
        return answer.url, text


def _number(url: str) -> int:
    found = re.search(r"/(\d+)/$", url)
    assert found, f"led to {url}"
    return int(found[1])


@dataclass
class Watcher:
    """Somebody who has the page of a job open from its beginning to its end, and comes back after each
    interruption with the last event that arrived whole."""

    person: Person
    job: int
    events: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    """(id, kind, data) in the order in which they came."""
    ended: bool = False
    connected: int = 0  # how often

    def __post_init__(self) -> None:
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"watcher of {self.job}", daemon=True)
        self._thread.start()

    def leave(self) -> None:
        self._closed.set()

    def _watch(self) -> None:
        while not self.ended and not self._closed.wait(0.2):
            with suppress(OSError, http.client.HTTPException):
                self._follow()

    def _follow(self) -> None:
        after = self.events[-1][0] if self.events else 0
        connection = http.client.HTTPConnection(urlsplit(self.person.url).netloc, timeout=20)
        try:
            path = f"/jobs/{self.job}/stream?after={after}"
            connection.request("GET", path, headers={"Cookie": self.person.cookie})
            answer = connection.getresponse()
            if answer.status != 200:
                return
            self.connected += 1
            told: dict[str, str] = {}
            while (line := answer.readline()) and not self._closed.is_set():
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    told[name] = value
                    continue
                if "id" in told:
                    self.events.append((int(told["id"]), told["event"], json.loads(told["data"])))
                elif told.get("event") == "end":
                    self.ended = True
                    return
                told = {}
        finally:
            connection.close()
