"""What goes wrong when a test says so: per operation and call number, once, some times or for ever.

throttle  limit  denied  500  503  an error answer; nothing was done
close-before                      the connection ends, nothing was done
close-after  500-after            the work is done, the answer lost (or a 500 instead of it)
cut                               the work is done, half of the answer arrives
never  never-after                nothing is done (or it is), and no answer ever comes
slow                              answered after ``seconds``
delivery                          CodeDeliveryFailureException; of AdminCreateUser the user is made
trigger  trigger-after            UserLambdaValidationException; nothing was done, or all but the mail
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.standin.errors import Refused

KINDS = frozenset(
    """throttle limit denied 500 503 500-after close-before close-after cut never never-after slow
    delivery trigger trigger-after""".split()
)
UNMAILED = frozenset({"delivery", "trigger-after"})  # the work is done, and no mail goes out
AFTER = frozenset({"close-after", "500-after", "cut", "never-after"})
ANSWERS = {
    "throttle": Refused("TooManyRequestsException", "Rate exceeded"),
    "limit": Refused("LimitExceededException", "Limit exceeded."),
    "denied": Refused("AccessDeniedException", "The caller is not authorized to perform this operation."),
    "500": Refused("InternalErrorException", "Internal error.", 500),
    "500-after": Refused("InternalErrorException", "Internal error.", 500),
    "503": Refused("ServiceUnavailableException", "Service unavailable.", 503),
    "delivery": Refused("CodeDeliveryFailureException", "The message could not be delivered."),
    "trigger": Refused("UserLambdaValidationException", "PreSignUp failed with error not today."),
    "trigger-after": Refused("UserLambdaValidationException", "CustomMessage failed with error no words."),
}


@dataclass
class Fault:
    kind: str
    operation: str = "*"  # "*": every operation
    nth: int = 0  # the first call it meets, counted per operation from when it was set; 0: the next
    times: int = 1  # -1: for ever
    seconds: float = 0.0  # of slow
    share: float = 1.0  # of the calls that it could meet

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no such fault: {self.kind}; there are {', '.join(sorted(KINDS))}")


@dataclass
class Faults:
    waiting: list[Fault] = field(default_factory=list)
    seen: list[Counter[str]] = field(default_factory=list)  # calls since each was set
    met: Counter[str] = field(default_factory=Counter)  # "operation kind" -> how often
    dice: random.Random = field(default_factory=lambda: random.Random(20))

    def add(self, **told: Any) -> None:
        self.waiting.append(Fault(**told))
        self.seen.append(Counter())

    def clear(self) -> None:
        self.waiting.clear()
        self.seen.clear()

    def meet(self, operation: str) -> Fault | None:
        """The fault of this call, if any; the first that fits, once counted against it."""
        if not self.waiting:
            return None
        found = None
        for fault, seen in zip(self.waiting, self.seen, strict=True):
            if fault.operation not in ("*", operation):
                continue
            seen[operation] += 1
            due = seen[operation] >= fault.nth and fault.times != 0
            if found is None and due and (fault.share >= 1 or self.dice.random() < fault.share):
                fault.times -= fault.times > 0
                found = fault
        if found:
            self.met[f"{operation} {found.kind}"] += 1
        return found


@dataclass
class Latency:
    """Seconds a call takes: ``base``, and when ``spread`` is set a lognormal tail around it."""

    base: float = 0.0
    spread: float = 0.0  # sigma of the logarithm: 0.5 puts p99 at about three times the median
    operations: dict[str, float] = field(default_factory=dict)  # instead of base
    dice: random.Random = field(default_factory=lambda: random.Random(30))

    def draw(self, operation: str) -> float:
        base = self.operations.get(operation, self.base)
        return base * self.dice.lognormvariate(0, self.spread) if base and self.spread else base
