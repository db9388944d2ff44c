"""What a kind of job gives back to the runner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended: its state, a sentence, and the result where there is one."""

    state: str
    sentence: str
    result: dict[str, Any] | None = None
    wake_at: datetime | None = None  # of one that waits


class Refusal(Exception):
    """The job must not go on; the message says why and what is still true."""


def users_were(number: int) -> str:
    return "1 user was" if number == 1 else f"{number:,} users were"
