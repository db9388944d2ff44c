"""The engine's Report -> event rows, ledger rows, heartbeat, and "should I stop?".

Everything is written in one transaction that first proves that the lease is still
ours (owner and fence, in the WHERE of an UPDATE): a worker that was stopped and
came back too late writes nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from backups.core.discreet import discreet
from backups.core.lifecycle import WORDS, State
from backups.core.snapshot import without_nul
from backups.engine.ports import Outcome, Stop
from backups.models import Event, Item, Job, database_now
from backups.queue import bell

log = structlog.get_logger(__name__)
FLUSH_SECONDS = 0.25  # at most four events a second
LINES_AT_ONCE = 200  # a line beyond that is counted, not told


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a job: proven anew with every write."""

    job_id: int
    owner: str
    fence: int

    def renew(self) -> bool:
        """False when somebody else has the job now."""
        changed = Job.objects.filter(
            pk=self.job_id, lease_owner=self.owner, fence=self.fence, state=State.RUNNING
        ).update(lease_until=Now() + timedelta(seconds=settings.LEASE_SECONDS))
        return changed == 1


@dataclass
class JobReport:
    """One job's report. ``say`` and ``outcome`` may be called from any thread."""

    lease: Lease
    interrupted: threading.Event = field(default_factory=threading.Event)  # Ctrl-C in a terminal
    leaving: Callable[[], bool] = lambda: False  # this worker shall stop: another one goes on
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _lines: list[dict[str, Any]] = field(default_factory=list)
    _events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _counters: dict[str, int] = field(default_factory=dict)
    _outcomes: dict[str, Outcome] = field(default_factory=dict)
    _told: dict[str, int] = field(default_factory=dict)
    _flushed_at: float = 0.0
    _wants: str = ""
    _phase: str | None = None

    def phase(self, name: str, total: int | None = None) -> None:
        with self._lock:
            self._phase = name
            self._events.append(("phase", {"phase": name, "total": total}))
        self.flush()

    def say(self, kind: str, text: str, **data: Any) -> None:
        with self._lock:
            # What a backup holds may be named here.
            self._lines.append({"kind": kind, "text": discreet(without_nul(text)), **data})

    def count(self, **counters: int) -> None:
        with self._lock:
            self._counters.update(counters)
        if time.monotonic() - self._flushed_at >= FLUSH_SECONDS:
            self.flush()

    def intend(self, keys: Sequence[str], step: str = "") -> datetime:
        with transaction.atomic():
            self.prove()
            now = database_now()
            rows = Item.objects.filter(job_id=self.lease.job_id, key__in=keys)
            if step:
                rows.update(step=step)
            else:
                rows.update(outcome="unknown", intended_at=now)
        return now

    def outcome(self, outcome: Outcome) -> None:
        with self._lock:
            self._outcomes[outcome.key] = outcome
            if outcome.outcome:
                self._tally(outcome)

    def keep_going(self) -> None:
        if time.monotonic() - self._flushed_at >= FLUSH_SECONDS or self._outcomes:
            self.flush()
        self._wants = self._wanted()
        if self.interrupted.is_set():
            raise Stop("pause")
        if self._wants:
            raise Stop(self._wants)
        if self.leaving():
            raise Stop("hand-back")

    def stopping(self) -> bool:
        return bool(self._wants) or self.interrupted.is_set() or self.leaving()

    def start_counting(self, counters: dict[str, int]) -> None:
        """Where the counters stand when a job goes on."""
        self._counters.update(counters)

    def flush(self) -> None:
        """Write everything told so far. Raises Stop("lease-lost")."""
        with self._lock:
            lines, self._lines = self._lines, []
            events, self._events = self._events, []
            outcomes, self._outcomes = self._outcomes, {}
            counters, phase = dict(self._counters), self._phase
            self._flushed_at = time.monotonic()
        rows = list(events)
        if lines:
            rows.append(("line", _folded(lines)))
        if self._told != counters:
            rows.append(("count", counters))
        try:
            with transaction.atomic():
                self.prove(counters=counters, phase=phase)
                now, self._wants = database_now(), self._wanted()
                if outcomes:
                    _upsert(self.lease.job_id, outcomes.values(), now)
                Event.objects.bulk_create(
                    [Event(job_id=self.lease.job_id, at=now, kind=kind, data=data) for kind, data in rows]
                )
        except DatabaseError:
            with self._lock:  # told again by the next flush; what came since is the later word
                self._lines[:0], self._events[:0] = lines, events
                self._outcomes = outcomes | self._outcomes
            raise
        self._told = counters
        if rows:
            bell(self.lease.job_id)

    def _wanted(self) -> str:
        return Job.objects.filter(pk=self.lease.job_id).values_list("wants", flat=True).first() or ""

    def prove(self, *, counters: dict[str, int] | None = None, phase: str | None = None) -> None:
        """Within a transaction, before what it writes. Raises Stop (lease-lost)."""
        values: dict[str, Any] = {"lease_until": Now() + timedelta(seconds=settings.LEASE_SECONDS)}
        if counters is not None:
            values["counters"] = counters
        if phase is not None:
            values["phase"] = phase
        lease = self.lease
        mine = Job.objects.filter(
            pk=lease.job_id, lease_owner=lease.owner, fence=lease.fence, state=State.RUNNING
        )
        if mine.update(**values) != 1:
            raise Stop("lease-lost")

    def _tally(self, outcome: Outcome) -> None:
        counters = self._counters
        counters[outcome.outcome] = counters.get(outcome.outcome, 0) + 1
        counters["confirmed"] = counters.get("confirmed", 0) + int(outcome.confirmed)
        counters["messages"] = counters.get("messages", 0) + outcome.messages
        counters["left"] = max(0, counters.get("left", 0) - 1)


class Heartbeat:
    """Renews a lease from a thread, so that a slow page of users does not lose the job."""

    def __init__(self, lease: Lease) -> None:
        self._lease, self._stop = lease, threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        try:
            while not self._stop.wait(settings.LEASE_SECONDS / 3):
                try:
                    if not self._lease.renew():
                        return  # the next write of the report finds out and stops
                except Exception as error:
                    log.warning("heartbeat failed", job=self._lease.job_id, error=type(error).__name__)
        finally:
            connection.close()


def announce(job_id: int, state: str, text: str = "") -> None:
    """A job's change of state as an event; in the transaction that changes it."""
    Event.objects.create(
        job_id=job_id,
        at=database_now(),
        kind="state",
        data={"state": state, "text": discreet(text) or WORDS.get(state, state)},
    )
    transaction.on_commit(lambda: bell(job_id))


def _upsert(job_id: int, outcomes: Collection[Outcome], now: datetime) -> None:
    rows = [
        Item(
            job_id=job_id,
            key=outcome.key,
            position=0,
            outcome=outcome.outcome or "unknown",
            step=outcome.step,
            reason=outcome.reason,
            detail=outcome.detail,
            new_sub=outcome.new_sub,
            new_username=outcome.new_username,
            messages=outcome.messages,
            confirmed=outcome.confirmed,
        )
        for outcome in outcomes
    ]
    Item.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["job", "key"],
        update_fields=[
            "outcome",
            "step",
            "reason",
            "detail",
            "new_sub",
            "new_username",
            "messages",
            "confirmed",
        ],
        batch_size=500,
    )
    if mailed := [outcome.key for outcome in outcomes if outcome.messages]:
        Item.objects.filter(job_id=job_id, key__in=mailed, mailed_at=None).update(mailed_at=now)


def _folded(lines: list[dict[str, Any]]) -> dict[str, Any]:
    shown = lines[:LINES_AT_ONCE]
    return {"lines": shown, "more": len(lines) - len(shown)}
