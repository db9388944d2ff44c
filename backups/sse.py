"""Server-sent events as bytes: the lines of "9.2.6 Interpreting an event stream" in the HTML standard."""

from __future__ import annotations

import re

_LINE_END = re.compile(r"\r\n|\r|\n")


def frame(event: str, id: int | None, data: str) -> bytes:
    """One event. ``id`` is what a reader says after a reconnect; None leaves the reader's last one alone.

    A line end inside ``data`` starts a new ``data:`` line, so no text can end the event or forge another.
    """
    lines = [f"event: {event}"]
    if id is not None:
        lines.append(f"id: {id}")
    lines += [f"data: {line}" for line in _LINE_END.split(data)]
    return ("\n".join(lines) + "\n\n").encode()


def retry(milliseconds: int) -> bytes:
    """How long a reader waits before it connects again."""
    return f"retry: {milliseconds}\n\n".encode()
