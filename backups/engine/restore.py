"""Restoring what a plan says is missing, one user's steps after another, several users at once.

    groups that are missing
    for each batch:   keep going? -> intend (committed) -> for each user, in a thread:
                      create -> disable -> password -> groups -> read back -> outcome
    then, where people are invited one by one:  keep going? -> intend -> invitation -> outcome

Every step may be repeated but two: a create whose answer was lost is settled by
reading back before anything else, and an invitation is never sent twice, but where
the error itself says that none went out. When the day's mails are spent the
invitations wait: Stop("mail-limit"), everybody created, nobody failed.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from backups.core.plan import Line, Messages, mail_limit
from backups.core.snapshot import Entry, Group, PoolFacts, User, mask
from backups.engine.ports import Cause, Clock, Outcome, PortError, Report, Stop, UserPool

BATCH = 100
THREADS = 8
EQUAL_FAILURES = 20  # in a row: something is wrong that is not one user's
SKEW = timedelta(minutes=1)  # between AWS's clock and the database's
SETTLE_FOR = 20.0  # seconds of asking after a create that was not answered
BEFORE_LOOK = 0.5  # seconds before the first look, doubled for each that follows, at most 5
_PASSWORD_IS_SET = frozenset({"password", "groups", "confirmed"})


@dataclass(frozen=True, slots=True)
class Task:
    """One user to create; ``begun`` is the ledger's row of an earlier try, with when it was intended."""

    line: Line
    begun: Outcome | None = None
    intended: datetime | None = None


def restore(
    pool: UserPool,
    tasks: Iterable[Task],
    groups: Sequence[Group],
    facts: PoolFacts,
    report: Report,
    clock: Clock,
    *,
    messages: Messages,
    mails_left: Callable[[], int | None] = lambda: None,
) -> None:
    """Carry out a plan's creates. Raises Stop, and PortError where not one user could be touched.

    One user's failure is an outcome and never stops the others. ``mails_left``: how many invitations
    may still go out today; None where no limit is known.
    """
    _groups(pool, groups, report)
    # Cognito's own mail has a day's limit: everybody is there before the first invitation is spent.
    at_creation = messages is Messages.INVITE and mail_limit(facts) is None
    afterwards = messages is Messages.INVITE and not at_creation
    report.phase("Users, passwords, memberships")
    to_invite: list[tuple[Line, Outcome]] = []
    failures = _Failures()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="restore") as threads:
        for batch in _batches(tasks):
            report.keep_going()
            now = report.intend([task.line.user.key for task in batch if task.begun is None])
            steps = _Steps(pool, facts, report, clock, messages, at_creation, finish=not afterwards)
            futures = {threads.submit(steps.run, task, task.intended or now): task for task in batch}
            for future in as_completed(futures):
                task, outcome = futures[future], future.result()
                if outcome is None:
                    continue  # asked to stop before this one was begun
                report.outcome(outcome)
                _tell(report, task.line, outcome)
                report.count()
                failures.note(outcome)
                if not outcome.outcome:
                    to_invite.append((task.line, outcome))
            report.keep_going()
            failures.stop_if_hopeless()
    if to_invite:
        to_invite.sort(key=lambda pair: pair[0].position)  # threads end in any order
        _invite(pool, to_invite, report, mails_left if afterwards else lambda: None)


class _Steps:
    """The steps of one user. Called from several threads; holds nothing that changes."""

    def __init__(
        self,
        pool: UserPool,
        facts: PoolFacts,
        report: Report,
        clock: Clock,
        messages: Messages,
        at_creation: bool,
        *,
        finish: bool,
    ) -> None:
        self.pool, self.facts, self.report, self.clock = pool, facts, report, clock
        self.messages, self.at_creation, self.finish = messages, at_creation, finish

    def run(self, task: Task, intended: datetime) -> Outcome | None:
        """The user's outcome; "" in it when only the invitation is left. None: not begun, we shall stop."""
        if self.report.stopping():
            return None
        line = task.line
        state = task.begun or Outcome(line.user.key)
        try:
            if state.step in ("inviting", "invited"):
                # Begun by an earlier try that did not come back: a second mail might go out.
                return replace(state, outcome="failed", reason="maybe-invited")
            if state.confirmed:
                return state  # everything stands since an earlier try: only the invitation is left
            if not state.new_username:
                state = self._create(line, intended, asked_before=task.begun is not None)
                if state.outcome:
                    return state
                self.report.outcome(state)
            elif self._is_in(state):
                state = replace(state, step="password")
            for step in self._complete(line, state):
                state = replace(state, step=step)
                self.report.outcome(state)
            return self._settle(line, state)
        except PortError as error:
            return replace(
                state, outcome="failed", reason=_REASON.get(error.cause, "refused"), detail=str(error)
            )

    def _is_in(self, state: Outcome) -> bool:
        """Whether an earlier try set the password and died; its owner may have changed it since."""
        if self.messages is not Messages.SILENT or state.step in _PASSWORD_IS_SET:
            return False
        return User.of(self.pool.get_user(state.new_username)).status == "CONFIRMED"

    def _complete(self, line: Line, state: Outcome) -> Iterator[str]:
        """Do what remains after the create, and name each step when it is done."""
        name = state.new_username
        if not line.user.enabled:
            self.pool.disable_user(name)
            yield "disabled"
        if self.messages is Messages.SILENT:
            if state.step not in _PASSWORD_IS_SET:
                self.pool.set_password(name, _password(self.facts.password_length))
            yield "password"
        for group in line.groups:
            self.pool.add_to_group(name, group)
        if line.groups:
            yield "groups"

    def _settle(self, line: Line, state: Outcome) -> Outcome:
        """The outcome, from what is read back; "" in it when only the invitation is left."""
        differs = self._read_back(line, state.new_username)
        if differs:
            return replace(state, outcome="failed", reason="read-back-differs", detail=differs)
        state = replace(state, step="confirmed", confirmed=True)
        waits = line.user.enabled and bool(line.user.email)  # for an invitation, where people are invited
        if self.at_creation and waits and not state.messages:
            if state.reason in NONE_WENT_OUT:
                return state  # the error itself says so: once more, when everybody is there
            return replace(state, outcome="failed", reason="maybe-invited")
        if self.finish or not waits:
            return replace(state, outcome="created")
        return state

    def _create(self, line: Line, intended: datetime, *, asked_before: bool) -> Outcome:
        invite = self.at_creation and line.user.enabled and bool(line.user.email)
        state, wait = Outcome(line.user.key), BEFORE_LOOK
        until = self.clock.monotonic() + SETTLE_FOR
        while self.clock.monotonic() < until:
            if asked_before and (entry := self._look(line.username)):
                return self._adopt(line, state, entry, intended, invite)
            try:
                entry = self.pool.create_user(line.username, line.attributes, invite=invite)
            except PortError as error:
                if error.cause is Cause.EXISTS and not asked_before:
                    return replace(state, outcome="skipped", reason="exists-now")
                if error.cause in (Cause.MAIL_LIMIT, Cause.DELIVERY):
                    # The error itself says that no mail went out; the user may stand or not.
                    state = replace(state, reason=_REASON[error.cause], detail=str(error))
                    invite = False
                elif error.cause not in (Cause.LOST, Cause.EXISTS):
                    raise
                # EXISTS now: a lost create came through after all. The look that comes next settles it.
                asked_before = True
                self.clock.sleep(wait)
                wait = min(5.0, wait * 2)
                continue
            return replace(_made(state, entry), messages=int(invite))
        if entry := self._look(line.username):
            return self._adopt(line, state, entry, intended, invite)
        raise PortError("The answer to the create was lost again and again.", Cause.LOST)

    def _adopt(self, line: Line, state: Outcome, entry: Entry, intended: datetime, invite: bool) -> Outcome:
        """Is the user who stands there the one that this job meant to create?"""
        user = User.of(entry)
        ours = (
            user.status in ("FORCE_CHANGE_PASSWORD", "CONFIRMED")
            and _moment(user.created) >= intended - SKEW
            and all(user.attributes.get(name) == value for name, value in line.attributes.items())
        )
        if not ours:
            return Outcome(line.user.key, outcome="skipped", reason="other-user")
        if not state.reason:
            self.report.say(
                "note", f"{mask(line.user.label)}: the answer was lost, read back: created by this job"
            )
        state = replace(_made(state, entry), messages=int(invite))
        return replace(state, step="password") if user.status == "CONFIRMED" else state

    def _look(self, username: str) -> Entry | None:
        try:
            return self.pool.get_user(username)
        except PortError as error:
            if error.cause is Cause.MISSING:
                return None
            raise

    def _read_back(self, line: Line, username: str) -> str:
        """What differs from the plan, as words; "" when all of it is in place."""
        user = User.of(self.pool.get_user(username))
        differs = [name for name, value in line.attributes.items() if user.attributes.get(name, "") != value]
        if user.enabled != line.user.enabled:
            differs.append("Enabled")
        # Somebody invited at creation may have signed in by now, which makes him CONFIRMED.
        if user.status != "CONFIRMED" and (
            self.messages is Messages.SILENT or user.status != "FORCE_CHANGE_PASSWORD"
        ):
            differs.append(f"UserStatus is {user.status}")
        if line.groups:
            missing = set(line.groups) - self.pool.groups_of(username)
            differs += [f"not in group {name}" for name in sorted(missing)]
        return ", ".join(differs)


def _invite(
    pool: UserPool,
    waiting: Sequence[tuple[Line, Outcome]],
    report: Report,
    mails_left: Callable[[], int | None],
) -> None:
    """One by one, each once. Raises Stop("mail-limit") with the rest still waiting."""
    report.phase("Invitations", len(waiting))
    failures = _Failures()
    for line, state in waiting:
        report.keep_going()
        left = mails_left()
        if left is not None and left <= 0:
            raise Stop("mail-limit")
        report.intend([line.user.key], "inviting")
        try:
            pool.resend_invitation(line.username)
            outcome = replace(state, step="invited", messages=1, outcome="created", reason="", detail="")
        except PortError as error:
            if error.cause is Cause.MAIL_LIMIT and left is not None:
                report.outcome(replace(state, step="confirmed"))
                raise Stop("mail-limit") from None
            reason = "maybe-invited" if error.cause is Cause.LOST else _REASON.get(error.cause, "refused")
            outcome = replace(state, step="confirmed", outcome="failed", reason=reason, detail=str(error))
        report.outcome(outcome)
        _tell(report, line, outcome)
        report.count()
        failures.note(outcome)
        failures.stop_if_hopeless()


def _groups(pool: UserPool, groups: Sequence[Group], report: Report) -> None:
    if not groups:
        return
    report.phase("Groups", len(groups))
    for group in groups:
        report.keep_going()
        try:
            pool.create_group(group)
            report.say("note", f"group {group.name} created")
        except PortError as error:
            if error.cause is not Cause.EXISTS:
                # Its members will say so, each with an outcome of their own.
                report.say("note", f"group {group.name} could not be made sure of: {error}")


class _Failures:
    """Stops a job whose failures are not about single users."""

    def __init__(self) -> None:
        self.reason, self.in_a_row = "", 0

    def note(self, outcome: Outcome) -> None:
        if outcome.outcome != "failed":
            self.in_a_row = 0
            return
        self.in_a_row = self.in_a_row + 1 if outcome.reason == self.reason else 1
        self.reason = outcome.reason

    def stop_if_hopeless(self) -> None:
        if self.in_a_row >= EQUAL_FAILURES:
            raise Stop("failures")


NONE_WENT_OUT = frozenset({"mail-limit", "not-delivered"})
_REASON: Mapping[Cause, str] = {
    Cause.THROTTLED: "throttled",
    Cause.LOST: "silent",
    Cause.UNREACHABLE: "silent",
    Cause.DENIED: "denied",
    Cause.MAIL_LIMIT: "mail-limit",
    Cause.DELIVERY: "not-delivered",
}


def _made(state: Outcome, entry: Entry) -> Outcome:
    user = User.of(entry)
    return replace(state, step="created", new_sub=user.sub, new_username=user.username)


def _tell(report: Report, line: Line, outcome: Outcome) -> None:
    extra = []
    if outcome.outcome == "created":
        count = len(line.groups)
        extra += [f"{count} group{'s' * (count > 1)}"] * bool(count)
        extra += ["disabled, as in the backup"] * (not line.user.enabled)
        extra += ["invited"] * bool(outcome.messages) + ["confirmed"]
    report.say(
        outcome.outcome or "created",
        " · ".join([mask(line.user.label), *extra]),
        reason=outcome.reason,
    )


def _password(length: int) -> str:
    """A random permanent password that nobody knows, of every class that a policy can ask for."""
    letters = string.ascii_letters + string.digits
    return "aA1-" + "".join(secrets.choice(letters) for _ in range(max(length, 32)))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _batches(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    walk = iter(tasks)
    while batch := list(islice(walk, BATCH)):
        yield batch
