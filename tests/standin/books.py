"""What was done and what was sent, so that a test can say: 2,003 created, 0 messages, none twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Message:
    """One that left Cognito, or was lost on the way because the day's limit was reached (``sent`` False)."""

    at: float
    pool: str
    sub: str
    to: str
    medium: str  # EMAIL or SMS
    why: str  # AdminCreateUser, RESEND, ForgotPassword, SignUp, ResendConfirmationCode, …
    secret: str  # the temporary password or the code
    sent: bool = True


@dataclass
class Books:
    calls: list[tuple[float, str, str, str, str]] = field(default_factory=list)
    """(when, operation, pool, sub, "" or the error's code) of every call that was let in."""
    messages: list[Message] = field(default_factory=list)
    triggers: list[tuple[float, str, str, str]] = field(default_factory=list)
    """(when, trigger source, pool, sub)."""
    throttled: Counter[str] = field(default_factory=Counter)  # operation -> calls that the quota refused
    unknown: Counter[str] = field(default_factory=Counter)  # operation -> calls of what is not here
    active: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """(month, pool) -> subs that AWS bills as active users."""

    def counted(self) -> dict[str, Any]:
        """The sums: what most tests ask for."""
        done: Counter[str] = Counter()
        failed: Counter[str] = Counter()
        for _, operation, _, _, code in self.calls:
            if code:
                failed[f"{operation} {code}"] += 1
            else:
                done[operation] += 1
        sent = [message for message in self.messages if message.sent]
        return {
            "done": dict(done),
            "failed": dict(failed),
            "throttled": dict(self.throttled),
            "unknown": dict(self.unknown),
            "messages": len(sent),
            "dropped": len(self.messages) - len(sent),
            "messages_by_why": dict(Counter(message.why for message in sent)),
            "most_to_one": max(Counter(message.sub for message in sent).values(), default=0),
            "active": {f"{month} {pool}": len(subs) for (month, pool), subs in self.active.items()},
        }

    def sent(self) -> list[dict[str, Any]]:
        return [asdict(message) for message in self.messages]

    def clear(self) -> None:
        self.calls.clear()
        self.messages.clear()
        self.triggers.clear()
        self.throttled.clear()
        self.unknown.clear()
        self.active.clear()
