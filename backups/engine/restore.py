"""Carrying out a plan: one user's steps after another, many users at once.

    groups that are missing
    for each batch:   keep going? -> intend (committed) -> for each user, in a thread:
                      engine.steps: create or update, step by step -> read back -> outcome
    then, where people are invited one by one:
                      keep going? -> read: still waiting? -> intend -> invitation -> outcome

The users under way are at different steps, so creates, passwords, group changes and looks go on side by
side, each at the pace of its own quota, and the slowest of these alone decides how fast it goes: there are
enough of them to keep it busy while the others are answered. The next batch is intended while the last
users of the one before are still under way.

Every step may be repeated but two: a create whose answer was lost is settled by
reading back before anything else, and an invitation is never sent twice, but where
the error itself says that none went out. When the day's mails are spent the
invitations wait: Stop("mail-limit"), everybody created, nobody failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import datetime
from itertools import islice

from backups.core.plan import Line, Messages, mail_limit
from backups.core.snapshot import Group, PoolFacts
from backups.engine.invitations import Failures, invite, tell
from backups.engine.ports import Cause, Clock, Outcome, PortError, Report, UserPool
from backups.engine.steps import ASKED, NONE_WENT_OUT, Steps, Task

__all__ = ["ASKED", "NONE_WENT_OUT", "Task", "restore"]

BATCH = 100
THREADS = 32
"""Users under way. The widest way is five calls a user at 25 users a second: 25 of them at 200 ms a call."""


def restore(
    pool: UserPool,
    tasks: Iterable[Task],
    groups: Sequence[Group],
    facts: PoolFacts,
    report: Report,
    clock: Clock,
    *,
    messages: Messages,
    afterwards: bool = False,
    mails_left: Callable[[], int | None] = lambda: None,
    written_to: Callable[[str], bool] = lambda sub: False,
) -> tuple[str, ...]:
    """Carry out a plan's creates and updates; the names of the groups that could not be made. Raises Stop.

    Tasks come in the order in which people are to be invited. One user's failure is an outcome and never
    stops the others. ``afterwards``: nobody is invited before everybody is there, as always where Cognito
    itself mails; the same for every try of a job. ``mails_left``: how many invitations may still go out now;
    None where no limit is known. ``written_to``: whether another job invited whoever has this sub; asked by
    several threads.
    """
    unmade = _groups(pool, groups, report)
    # Cognito's own mail has a day's limit: everybody is there before the first invitation is spent.
    invited = messages is Messages.INVITE
    at_creation = invited and mail_limit(facts) is None and not afterwards
    report.phase("Users, passwords, memberships")
    finish = not invited or at_creation
    steps = Steps(pool, facts, report, clock, messages, at_creation, written_to, finish=finish)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="restore") as threads:
        flow = _Flow(threads, steps, report)
        try:
            for batch in _batches(tasks):
                flow.make_room()
                report.keep_going()
                now = report.intend([task.line.key for task in batch if task.intended is None])
                for task in batch:
                    flow.make_room()
                    flow.begin(task, task.intended or now)
        finally:
            flow.end()  # who was begun is finished, whatever ends it
    report.keep_going()
    flow.failures.stop_if_hopeless()
    if flow.to_invite:
        waiting = [flow.to_invite[place] for place in sorted(flow.to_invite)]  # threads end in any order
        kept_out = {task.line.key: task for task, _ in waiting if task.kept_out}

        def settled(line: Line, outcome: Outcome) -> Outcome:
            return _without(kept_out[line.key], outcome) if line.key in kept_out else outcome

        lines = [(task.line, state) for task, state in waiting]
        invite(pool, lines, facts, report, mails_left, written_to, settled)
    return unmade


class _Flow:
    """Who is under way, and what becomes of them. Used by one thread."""

    def __init__(self, threads: ThreadPoolExecutor, steps: Steps, report: Report) -> None:
        self._threads, self._steps, self._report = threads, steps, report
        self._under_way: dict[Future[Outcome], tuple[int, Task]] = {}
        self._begun = 0
        self.failures = Failures()
        self.to_invite: dict[int, tuple[Task, Outcome]] = {}  # by place in the order of tasks

    def make_room(self) -> None:
        """Return when one more may be begun. Raises Stop when nobody more shall be."""
        while len(self._under_way) >= self.failures.room(THREADS):
            self.failures.stop_if_hopeless()
            self._take_up()
        if self._report.stopping():
            self.end()
            self._report.keep_going()

    def begin(self, task: Task, intended: datetime) -> None:
        future = self._threads.submit(self._steps.run, task, intended)
        self._under_way[future] = (self._begun, task)
        self._begun += 1

    def end(self) -> None:
        """Return when nobody is under way."""
        while self._under_way:
            self._take_up()

    def _take_up(self) -> None:
        """The outcomes of those who ended, at least one."""
        ended, _ = wait(self._under_way, return_when=FIRST_COMPLETED)
        for future in ended:
            place, task = self._under_way.pop(future)
            ended_so = future.result()
            outcome = _without(task, ended_so)
            self._report.outcome(outcome)
            tell(self._report, task.line, outcome)
            self._report.count()
            self.failures.note(ended_so)  # who is kept out of a group is no sign that the next would fail
            if not outcome.outcome:
                self.to_invite[place] = (task, outcome)


def _without(task: Task, outcome: Outcome) -> Outcome:
    """Who is not put into a group of the plan is not as planned, whatever else is in place.

    Whoever waits for an invitation gets it before that is said.
    """
    if not task.kept_out or not outcome.confirmed or outcome.outcome not in ("created", "updated"):
        return outcome
    detail = ", ".join(task.kept_out)
    # The step is the one from which a later try goes on, when the group is open again.
    failed = replace(outcome, outcome="failed", step="groups", confirmed=False)
    return replace(failed, reason="kept-out", detail=detail)


def _groups(pool: UserPool, groups: Sequence[Group], report: Report) -> tuple[str, ...]:
    """Names of those that could not be made."""
    unmade: list[str] = []
    if groups:
        report.phase("Groups", len(groups))
    for group in groups:
        report.keep_going()
        try:
            pool.create_group(group)
            report.say("note", f"group {group.name} created")
        except PortError as error:
            if error.cause is not Cause.EXISTS:
                # Its members say so too, each with an outcome of their own; it may have none.
                unmade.append(group.name)
                report.say("note", f"group {group.name} could not be made: {error}")
    return tuple(unmade)


def _batches(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    walk = iter(tasks)
    while batch := list(islice(walk, BATCH)):
        yield batch
