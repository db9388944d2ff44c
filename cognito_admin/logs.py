"""What a log line may say of an exception: its type and where, never its message.

Messages quote values: a database names the row that it refused, with the e-mail in it.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, MutableMapping
from typing import Any

from backups.core.discreet import discreet

MOST_FRAMES = 40  # of each exception, the innermost ones
MOST_CAUSES = 5


def without_messages(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog's processor: ``exc_info`` becomes ``exception`` and ``frames``; e-mails are masked."""
    given = event.pop("exc_info", None)
    if given is True:
        given = sys.exc_info()
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        causes = list(_causes(error))
        for cause in causes:
            for said in filter(None, (repr(cause), str(cause))):  # Celery puts it into the line as well
                event["event"] = str(event.get("event", "")).replace(said, type(cause).__name__)
        event["exception"] = " from ".join(_name(cause) for cause in causes)
        event["frames"] = [frame for cause in causes for frame in _frames(cause)]
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = discreet(value)
    return event


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception, what it was raised from, and so on."""
    found: BaseException | None = error
    for _ in range(MOST_CAUSES):
        if found is None:
            return
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _name(error: BaseException) -> str:
    kind = type(error)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _frames(error: BaseException) -> list[str]:
    """``file:line function``, the innermost last."""
    walked = traceback.walk_tb(error.__traceback__)
    frames = [f"{at.f_code.co_filename}:{line} {at.f_code.co_name}" for at, line in walked]
    return frames[-MOST_FRAMES:]
