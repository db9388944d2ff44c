"""One restore that is disturbed: how far it is, who has it, and what must be true of it at the end."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from backups.core.lifecycle import OVER
from tests.chaos import world
from tests.chaos.person import Watcher
from tests.chaos.stage import Stage, parsed, soon
from tests.servers import Server

WORK = ("created", "updated", "skipped", "failed")


@dataclass
class Restore:
    """From the plan on; ``start`` presses the button."""

    stage: Stage
    name: str  # of the case, and of its pool
    dice: random.Random
    messages: str = "invite"
    job: int = 0
    takeovers: list[float] = field(default_factory=list)  # seconds from a death to the next owner

    def __post_init__(self) -> None:
        scale = self.stage.scale
        self.began = time.monotonic()
        self.world = world.missing(self.stage.cloud, self.name, scale.users)
        iva = self.stage.iva
        iva.look()
        self.plan = iva.plan(self.world.key, self.world.pool_id)
        soon(lambda: self._of(self.plan, "state") == "planned", "the plan", 20 + scale.users / 100)

    def start(self) -> None:
        self.job = self.stage.iva.start(self.plan, self.messages)
        self.watcher = Watcher(self.stage.iva, self.job)

    def close(self) -> None:
        """Whatever became of it: nobody watches it any more, it does not stay open, and its pool goes."""
        if self.job:
            self.watcher.leave()
            if self.state not in OVER:
                with suppress(OSError):
                    self.stage.iva.post(f"/jobs/{self.job}/cancel/")
        self.stage.cloud.root("cognito-idp").delete_user_pool(UserPoolId=self.world.pool_id)

    # --- while it runs ---

    @property
    def created(self) -> int:
        """By the ledger."""
        return int(self._one("SELECT count(*) FROM backups_item WHERE job_id = ? AND outcome = 'created'"))

    @property
    def fence(self) -> int:
        """How many owners it has had."""
        return int(self._of(self.job, "fence"))

    @property
    def state(self) -> str:
        return str(self._of(self.job, "state"))

    @property
    def phase(self) -> str:
        return str(self._of(self.job, "phase"))

    @property
    def seconds_left(self) -> float:
        """Of its lease; below zero when it has run out."""
        until = self._of(self.job, "lease_until")
        if isinstance(until, str):
            until = datetime.fromisoformat(until).replace(tzinfo=UTC)
        return float((until - datetime.now(UTC)).total_seconds())

    def somewhere(self, low: float = 0.1, high: float = 0.7) -> None:
        """Wait until a drawn share of its users is created."""
        self.until(self.dice.uniform(low, high))

    def until(self, share: float) -> None:
        there = share * len(self.world.planned)
        scale = self.stage.scale
        soon(lambda: self.created >= there, f"{there:.0f} users created", scale.undisturbed + scale.takeover)

    def watched(self, times: int) -> None:
        """Wait until its watcher has come to the stream so many times."""
        soon(lambda: self.watcher.connected == times, "the watcher to be there", 10)

    @property
    def process(self) -> int:
        """The id of the process that runs it now."""
        soon(
            lambda: bool(self._of(self.job, "lease_owner")), "somebody to have it", self.stage.scale.takeover
        )
        return int(str(self._of(self.job, "lease_owner")).split(":")[1])

    @property
    def worker(self) -> Server:
        """The worker that runs it now."""
        process = self.process
        return next(one for one in self.stage.workers if process in one.processes)

    def hang(self, server: Server, *, writing: bool = False) -> float:
        """Stop all processes of the worker that runs it, as a machine that is suspended; when that was.

        At a moment when it holds the job's row locked, or else at one when it does not.
        """
        for _ in range(300):
            server.send(signal.SIGSTOP)
            moment = time.monotonic()
            time.sleep(0.02)  # what it had asked of PostgreSQL is answered by now
            if self.stage.database.held(self.job) is writing:
                return moment
            server.send(signal.SIGCONT)
            time.sleep(self.dice.uniform(0, 0.02))
        raise AssertionError("not once in 300 tries it was caught so")

    def taken_over(self, since: float, fence: int) -> None:
        """Somebody else has it, within a lease and two sweeps ``since`` (as ``time.monotonic`` counts)."""
        limit = self.stage.scale.takeover
        left = max(0.1, since + 2 * limit - time.monotonic())  # the figure is worth more than a "too late"
        soon(lambda: self.fence > fence, "somebody to take it over", left)
        self.takeovers.append(time.monotonic() - since)
        assert self.takeovers[-1] <= limit, (
            f"taken over after {self.takeovers[-1]:.1f} s, {limit:.1f} allowed"
        )

    # --- at the end ---

    def finish(self, handed_back: int = 0) -> None:
        """Wait for its end, and look at everything. ``handed_back``: how often an owner gave it up."""
        scale = self.stage.scale
        soon(lambda: self.watcher.ended, "the stream's end", scale.undisturbed + 2 * scale.takeover)
        assert self.state == "done", self._one("SELECT sentence FROM backups_job WHERE id = ?")
        assert (self._of(self.job, "lease_owner"), self._of(self.job, "lease_until")) == ("", None)
        ledger = self._ledger()
        self._everybody_has_one_outcome(ledger)
        self._everybody_was_created_once(ledger)
        self._everybody_is_as_planned()
        self._nobody_was_written_to_twice(ledger)
        self._the_feed_is_whole(ledger)
        states = [data["state"] for _, kind, data in self.watcher.events if kind == "state"]
        assert Counter(states) == Counter(queued=1 + handed_back, running=self.fence, done=1)
        assert (states[0], states[-1]) == ("queued", "done")

    def _ledger(self) -> dict[str, dict[str, Any]]:
        columns = ("email", "outcome", "reason", "new_sub", "messages", "confirmed")
        asked = f"SELECT {', '.join(columns)} FROM backups_item WHERE job_id = ?"  # noqa: S608
        rows = [dict(zip(columns, row, strict=True)) for row in self.stage.database.rows(asked, self.job)]
        assert len(rows) == len(self.world.people)
        return {row["email"]: row for row in rows}

    def _everybody_has_one_outcome(self, ledger: dict[str, dict[str, Any]]) -> None:
        assert ledger.keys() == self.world.people.keys()
        for email, row in ledger.items():
            expected = "created" if email in self.world.planned else "skipped"
            assert row["outcome"] == expected, row
            assert bool(row["confirmed"]) == (expected == "created"), row

    def _everybody_was_created_once(self, ledger: dict[str, dict[str, Any]]) -> None:
        pool = self.world.pool_id
        calls = self.stage.standin.calls("AdminCreateUser")
        accepted = Counter(sub for _, _, at, sub, code in calls if at == pool and not code)
        there = {user["email"]: user["sub"] for user in self._pool()}
        new = {email: there[email] for email in self.world.planned}
        assert {sub: n for sub, n in accepted.items() if n > 1} == {}
        assert accepted.keys() == set(there.values())
        assert new == {email: ledger[email]["new_sub"] for email in self.world.planned}
        assert len(there) == len(self.world.planned) + world.THERE

    def _everybody_is_as_planned(self) -> None:
        there = {user["email"]: user for user in self._pool()}
        status = "CONFIRMED" if self.messages == "silent" else "FORCE_CHANGE_PASSWORD"
        for email in self.world.planned:
            person = self.world.people[email]
            stands = {name: there[email][name] for name in ("name", "enabled", "status", "groups")}
            assert stands == {
                "name": person.attributes["name"],
                "enabled": person.enabled,
                "status": status,
                "groups": self.world.groups[email],
            }, email

    def _nobody_was_written_to_twice(self, ledger: dict[str, dict[str, Any]]) -> None:
        told = self.stage.standin.messages()
        sent = Counter(one["to"] for one in told if one["pool"] == self.world.pool_id and one["sent"])
        assert {to: n for to, n in sent.items() if n > 1} == {}
        assert sent.keys() == (self.world.invited if self.messages == "invite" else set())
        assert sent == Counter({email: row["messages"] for email, row in ledger.items() if row["messages"]})

    def _the_feed_is_whole(self, ledger: dict[str, dict[str, Any]]) -> None:
        rows = self.stage.database.rows(
            "SELECT id, kind, data FROM backups_event WHERE job_id = ? ORDER BY id", self.job
        )
        assert [event[:2] for event in self.watcher.events] == [row[:2] for row in rows]
        late = Watcher(self.stage.iva, self.job)
        soon(lambda: late.ended, "the end of a stream that was opened late", 20)
        assert late.events == self.watcher.events
        counts = [parsed(data) for _, kind, data in rows if kind == "count"]
        counts = [one for one in counts if one.get("total")]
        for one in counts:
            assert one["total"] == sum(one.get(name, 0) for name in WORK) + one["left"], one
        created = [one["created"] for one in counts]
        assert created == sorted(created), "nobody who was created is forgotten"
        outcomes = Counter(row["outcome"] for row in ledger.values())
        last = counts[-1]
        assert {name: last.get(name, 0) for name in WORK} == {name: outcomes[name] for name in WORK}
        assert last["messages"] == sum(row["messages"] for row in ledger.values())
        ended = self._one("SELECT count(*) FROM backups_auditentry WHERE act = 'restore.ended' AND job = ?")
        assert ended == 1

    def _pool(self) -> list[dict[str, Any]]:
        """Everybody who is in the pool now, by the stand-in's own word."""
        found = []
        for user in self.stage.standin.users(self.world.pool_id):
            values = {one["Name"]: one["Value"] for one in user["Attributes"]}
            found.append(
                {
                    "email": values["email"],
                    "sub": values["sub"],
                    "name": values["name"],
                    "enabled": user["Enabled"],
                    "status": user["UserStatus"],
                    "groups": frozenset(user["groups"]),
                }
            )
        assert len({one["email"] for one in found}) == len(found)
        return found

    # --- how ---

    def _of(self, job: int, column: str) -> Any:
        asked = f"SELECT {column} FROM backups_job WHERE id = ?"  # noqa: S608 - a column's name
        return self.stage.database.rows(asked, job)[0][0]

    def _one(self, sql: str) -> Any:
        return self.stage.database.rows(sql, self.job)[0][0]
