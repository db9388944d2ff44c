"""Undoing a restore: look at everybody whom it wrote to, and later take back what may be taken back.

    plan:    each user: read (and the groups, and the pool's record) -> core.undo.decide
    carry out, for each batch:   keep going? -> intend (committed) -> for each user, in a thread:
                      read once more: still as planned? -> delete, or fields -> enabled -> groups
                      -> read back -> outcome

Whoever changed since the plan is held back. A delete whose answer was lost is settled by reading back; a
put-back that was cut short goes on with what still holds the restore's value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

from backups.core.evidence import Ways
from backups.core.snapshot import ADDRESSES, User, mask
from backups.core.undo import ENABLED, Found, Touched, Verdict, What, decide, held, mark, truth
from backups.engine.invitations import Failures
from backups.engine.ports import Cause, Outcome, PortError, Report, UserPool
from backups.engine.steps import REASON

T = TypeVar("T")
BATCH = 100
THREADS = 16


@dataclass(frozen=True, slots=True)
class Task:
    """One user to take back. ``begun``: an earlier try may have done it, or some of it."""

    key: str
    label: str
    what: What  # DELETE or PUT_BACK
    sub: str
    username: str
    seen: str
    changes: tuple[tuple[str, str, str], ...] = ()  # (field, what it holds, what is put back)
    groups: tuple[str, ...] = ()
    detail: str = ""  # of the plan: what is left alone
    begun: bool = False


def ways_of(pool: UserPool) -> Ways:
    """How people sign in here, from DescribeUserPool; the careful answer where it does not tell."""
    for name, value, _ in pool.settings():
        if name == "user_pool":
            return Ways.of(value)
    return Ways.of(None)


def verdicts(
    pool: UserPool, touched: Iterable[Touched], report: Report, ways: Ways
) -> Iterator[tuple[Touched, Verdict]]:
    """In the order given; nothing is written. Raises PortError, Stop: half of a plan is none."""
    eyes = Eyes(pool)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="undo") as threads:
        for batch in _batches(touched):
            report.keep_going()
            yield from threads.map(lambda one: (one, decide(one, eyes.look(one), ways)), batch)


def undo(pool: UserPool, tasks: Iterable[Task], report: Report) -> None:
    """Carry out an undo's plan. Raises Stop. One user's failure never stops the others."""
    steps, failures = _Steps(pool, report), Failures()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="undo") as threads:
        for batch in _batches(tasks):
            report.keep_going()
            report.intend([task.key for task in batch if not task.begun])
            futures = {threads.submit(steps.run, task): task for task in batch}
            for future in as_completed(futures):
                outcome = future.result()
                if outcome is None:
                    continue  # asked to stop before this one was begun
                report.outcome(outcome)
                report.say(outcome.outcome, mask(futures[future].label), reason=outcome.reason)
                report.count()
                failures.note(outcome)
            report.keep_going()
            failures.stop_if_hopeless()


class Eyes:
    """Reads users one by one, and no more of them than is needed. Thread-safe."""

    def __init__(self, pool: UserPool) -> None:
        self._pool, self._record = pool, Record(pool)

    def look(self, touched: Touched) -> Found | None:
        """None: not there, or there was no reason to ask."""
        if touched.undone or not touched.username:
            return None
        return self.found(
            touched.username, groups=touched.create or bool(touched.groups), record=touched.create
        )

    def found(self, username: str, *, groups: bool, record: bool) -> Found | None:
        try:
            user = User.of(self._pool.get_user(username))
            return Found(
                user,
                self._pool.groups_of(username) if groups else frozenset(),
                self._record.of(username) if record else None,
            )
        except PortError as error:
            if error.cause is Cause.MISSING:
                return None
            raise


class Record:
    """The pool's own record of sign-ins, asked for as long as it keeps one that we may read. Thread-safe."""

    def __init__(self, pool: UserPool) -> None:
        self._pool, self._kept = pool, True

    def of(self, username: str) -> bool | None:
        """As ``UserPool.signed_in``; for somebody whom the pool has just answered for."""
        if not self._kept:
            return None
        try:
            told = self._pool.signed_in(username)
        except PortError as error:
            # The pool answered a moment ago, so what does not exist is the record.
            if error.cause not in (Cause.DENIED, Cause.GONE):
                raise
            told = None
        self._kept = told is not None
        return told


class _Steps:
    """The steps of one user. Called from several threads."""

    def __init__(self, pool: UserPool, report: Report) -> None:
        self.pool, self.report, self.eyes = pool, report, Eyes(pool)

    def run(self, task: Task) -> Outcome | None:
        """None: not begun, we shall stop."""
        if self.report.stopping():
            return None
        state = Outcome(task.key, new_sub=task.sub, new_username=task.username, detail=task.detail)
        try:
            if task.what is What.DELETE:
                return self._delete(task, state)
            return self._put_back(task, state)
        except PortError as error:
            reason = REASON.get(error.cause, "refused")
            return replace(state, outcome="failed", reason=reason, detail=str(error))

    def _delete(self, task: Task, state: Outcome) -> Outcome:
        found = self.eyes.found(task.username, groups=True, record=True)
        if found is None:
            return (
                self._removed(state) if task.begun else replace(state, outcome="skipped", reason="gone-now")
            )
        if mark(found) != task.seen:
            return replace(state, outcome="skipped", reason="changed-since")
        try:
            self.pool.delete_user(task.username)
        except PortError as error:
            if error.cause not in (Cause.MISSING, Cause.LOST):
                raise
        # An answer that was lost, or that somebody is not there, is no proof: a look is.
        if self.eyes.found(task.username, groups=False, record=False) is not None:
            return replace(state, outcome="failed", reason="silent", detail="the user is still there")
        return self._removed(state)

    def _removed(self, state: Outcome) -> Outcome:
        return replace(state, outcome="deleted", step="removed", confirmed=True)

    def _put_back(self, task: Task, state: Outcome) -> Outcome:
        found = self.eyes.found(task.username, groups=bool(task.groups), record=False)
        if found is None:
            return replace(state, outcome="skipped", reason="gone-now")
        fields = [name for name, _, _ in task.changes]
        same = mark(found, fields, task.groups) == task.seen
        if not same and not (task.begun and _ours(task, found)):
            return replace(state, outcome="skipped", reason="changed-since")
        for step in self._write(task, found):
            state = replace(state, step=step)
            self.report.outcome(state)
        found = self.eyes.found(task.username, groups=bool(task.groups), record=False)
        differs = _differing(task, found)
        if differs:
            return replace(state, outcome="failed", reason="read-back-differs", detail=", ".join(differs))
        return replace(state, outcome="updated", confirmed=True)

    def _write(self, task: Task, found: Found) -> Iterator[str]:
        to_do = {name: back for name, now, back in task.changes if held(found.user, name) == now}
        enabled = to_do.pop(ENABLED, None)
        if enabled == truth(False):
            self.pool.disable_user(task.username)
            yield "disabled"
        if to_do:
            self.pool.update_user(task.username, _beside(to_do, found.user))
            yield "attributes"
        if enabled == truth(True):
            self.pool.enable_user(task.username)
            yield "enabled"
        for group in sorted(found.groups.intersection(task.groups)):
            self.pool.remove_from_group(task.username, group)
        if task.groups:
            yield "groups"


def _ours(task: Task, found: Found) -> bool:
    """Whether everything is as the restore left it or as an earlier try of this undo put it back."""
    return found.user.sub == task.sub and all(
        held(found.user, name) in (now, back) for name, now, back in task.changes
    )


def _differing(task: Task, found: Found | None) -> list[str]:
    if found is None:
        return ["the user is gone"]
    differs = [name for name, _, back in task.changes if held(found.user, name) != back]
    return differs + [f"still in group {name}" for name in task.groups if name in found.groups]


def _beside(attributes: dict[str, str], user: User) -> dict[str, str]:
    """An address goes with its ``*_verified``: left out, Cognito would call it unverified and mail a code."""
    for address in ADDRESSES:
        verified = f"{address}_verified"
        if address in attributes and verified not in attributes:
            stays = bool(attributes[address]) and user.attributes.get(verified, "") == "true"
            attributes = {**attributes, verified: truth(stays)}
    return attributes


def _batches(things: Iterable[T]) -> Iterator[list[T]]:
    walk = iter(things)
    while batch := list(islice(walk, BATCH)):
        yield batch
