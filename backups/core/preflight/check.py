"""One question before the first write, and its answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from backups.core.plan import Messages

SILENT, INVITE, LATER = (Messages.SILENT.value, Messages.INVITE.value, Messages.LATER.value)


class State(StrEnum):
    PASS = "pass"  # noqa: S105  (no password)
    WARN = "warn"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Check:
    """One question before the first write, and its answer."""

    code: str
    state: State
    sentence: str
    remedy: str = ""  # what to do, or what follows from it
    ways: tuple[str, ...] = ()  # for which of silent, invite, later it holds; () for all

    def holds_for(self, way: str) -> bool:
        return not self.ways or way in self.ways

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "state": self.state.value,
            "sentence": self.sentence,
            "remedy": self.remedy,
            "ways": list(self.ways),
        }

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Check:
        return cls(
            values["code"],
            State(values["state"]),
            values["sentence"],
            values.get("remedy", ""),
            tuple(values.get("ways", ())),
        )

    @property
    def text(self) -> str:
        """The sentence, and what to do."""
        return f"{self.sentence} {self.remedy}".strip()


@dataclass(frozen=True, slots=True)
class Unasked:
    """Something that could not be asked; ``why`` is a sentence."""

    why: str


def stops(checks: Iterable[Check], way: str = "") -> list[str]:
    """Why nothing may start; of a ``way`` what stops that one too, else what stops all of them."""
    return [
        check.text
        for check in checks
        if check.state is State.STOP and (check.holds_for(way) if way else not check.ways)
    ]


def of_state(checks: Iterable[Check], state: State) -> list[Check]:
    return [check for check in checks if check.state is state]


def passes(code: str, sentence: str, *ways: str) -> Check:
    return Check(code, State.PASS, sentence, "", ways)


def warn(code: str, sentence: str, remedy: str = "", *ways: str) -> Check:
    return Check(code, State.WARN, sentence, remedy, ways)


def stop(code: str, sentence: str, remedy: str = "", *ways: str) -> Check:
    return Check(code, State.STOP, sentence, remedy, ways)


def not_asked(code: str, what: str, why: Unasked, *ways: str) -> Check:
    return warn(code, f"{what} could not be asked.", why.why, *ways)


def count(number: int, one: str = "user", many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
