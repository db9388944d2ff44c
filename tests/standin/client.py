"""The control of a running stand-in, for tests: what goes wrong, what time it is, what was done.

cognito = Standin(server.url)
cognito.quotas(every=100_000)
cognito.fault("AdminCreateUser", "close-after", nth=3)
assert cognito.books()["messages"] == 0
"""

# mypy: disable-error-code="no-any-return"
# What comes back is JSON; its type is the verb's own.

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

REGION = "eu-west-1"


class Standin:
    """Every method is one verb of ``control``. Raises ValueError with its sentence."""

    def __init__(self, url: str, region: str = REGION) -> None:
        self.url = url
        self.region = region

    # what is true of it

    def knobs(self, **values: Any) -> dict[str, Any]:
        """See ``state.Knobs``."""
        return self._do("knobs", **values)

    def quotas(
        self,
        rates: dict[str, float] | None = None,
        *,
        every: float | None = None,
        neighbour: dict[str, float] | None = None,
        per_pool: float | None = None,
    ) -> dict[str, float]:
        """Calls a second by category; ``neighbour`` is what the application beside us takes of them."""
        told = {"rates": rates, "every": every, "neighbour": neighbour, "per_pool": per_pool}
        return self._do("quotas", region=self.region, **told)

    def latency(self, base: float = 0.0, spread: float = 0.0, **operations: float) -> None:
        self._do("latency", base=base, spread=spread, operations=operations)

    def clock(self, *, forward: float = 0.0, to: float | None = None) -> float:
        """Seconds since 1970 by its clock, after it was moved."""
        return self._do("clock", forward=forward, to=to)

    def fault(
        self,
        operation: str,
        kind: str,
        *,
        nth: int = 0,
        times: int = 1,
        seconds: float = 0.0,
        share: float = 1.0,
    ) -> None:
        """See ``faults``; ``times`` -1 is for ever."""
        told = {"nth": nth, "times": times, "seconds": seconds, "share": share}
        self._do("fault", operation=operation, kind=kind, **told)

    def faults(self) -> dict[str, int]:
        """What was met so far: "AdminCreateUser close-after" -> how often."""
        return self._do("faults")

    def clear_faults(self) -> None:
        self._do("clear_faults")

    def fresh(self) -> None:
        """As it was started, but for its pools."""
        self._do("fresh")

    # who is in it

    def seed(self, pool: str, count: int, **told: Any) -> dict[str, Any]:
        """See ``seed.fill``."""
        return self._do("seed_users", region=self.region, pool=pool, count=count, **told)

    def federate(self, pool: str, provider: str, user_id: str, **attributes: str) -> dict[str, Any]:
        """Somebody signs in through an identity provider."""
        told = {"provider": provider, "user_id": user_id, "attributes": attributes}
        return self._do("federate", region=self.region, pool=pool, **told)

    def user(self, pool: str, username: str) -> dict[str, Any]:
        """Everything about one, passwords and codes too, without a call to Cognito."""
        return self._do("user", region=self.region, pool=pool, username=username)

    def users(self, pool: str) -> list[dict[str, Any]]:
        return self._do("users", region=self.region, pool=pool)

    def secondary(self, pool: str, is_secondary: bool = True) -> None:
        self._do("secondary", region=self.region, pool=pool, is_secondary=is_secondary)

    # the books

    def books(self) -> dict[str, Any]:
        """The sums: done, failed, throttled, unknown, messages, most_to_one, active."""
        return self._do("books")

    def calls(self, operation: str = "") -> list[tuple[float, str, str, str, str]]:
        """(when, operation, pool, sub, error code or "") of every call that was let in."""
        return [
            (when, name, pool, sub, code)
            for when, name, pool, sub, code in self._do("calls", operation=operation)
        ]

    def messages(self) -> list[dict[str, Any]]:
        return self._do("messages")

    def triggers(self) -> list[tuple[float, str, str, str]]:
        return [(when, source, pool, sub) for when, source, pool, sub in self._do("triggers")]

    def clear_books(self) -> None:
        self._do("clear_books")

    def _do(self, verb: str, **told: Any) -> Any:
        request = urllib.request.Request(
            f"{self.url}/_standin/{verb}", data=json.dumps(told).encode(), method="POST"
        )
        try:
            with _direct.open(request, timeout=120) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise ValueError(json.loads(error.read())["message"]) from None


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # nothing between us and 127.0.0.1
