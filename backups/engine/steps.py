"""The steps of one user, in their order, each told when it is done.

    a create   look, where an earlier try may have made it -> delete the unconfirmed account that has the
               name, where that was allowed -> create -> disable -> password -> groups -> links -> read back
    an update  read: still as planned? -> disable -> attributes -> enable -> groups -> read back

Every step may be repeated but the create: one whose answer was lost is settled by reading back before
anything else. What an update would write over is held back where somebody changed it since the plan.
"""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from backups.core.plan import ENABLED, Action, Line, Messages, writable
from backups.core.seen import fingerprint
from backups.core.snapshot import ADDRESSES, Entry, PoolFacts, User, mask
from backups.engine.ports import Cause, Clock, Outcome, PortError, Report, UserPool

SKEW = timedelta(minutes=1)  # between AWS's clock and the database's
SETTLE_FOR = 20.0  # seconds of asking after a create that was not answered
BEFORE_LOOK = 0.5  # seconds before the first look, doubled for each that follows, at most 5
NONE_WENT_OUT = frozenset({"mail-limit", "not-delivered", "unsent"})
"""Reasons that a later try goes by: AWS said that no mail went out, so that one invitation is still owed."""
REASON: Mapping[Cause, str] = {
    Cause.THROTTLED: "throttled",
    Cause.LOST: "silent",
    Cause.UNREACHABLE: "silent",
    Cause.DENIED: "denied",
    Cause.MAIL_LIMIT: "mail-limit",
    Cause.DELIVERY: "not-delivered",
}
ASKED = "asked"
"""The step of a create that may have come through, though nobody has seen the user yet."""
INVITED = "invited"
"""The reason of whom another job invited meanwhile: a password of ours would end the one that was mailed."""
GONE = "The account that nobody had confirmed is not there any more."
_PASSWORD_IS_SET = frozenset({"password", "groups", "linked", "confirmed"})


@dataclass(frozen=True, slots=True)
class Task:
    """One user to create or to update.

    ``begun`` is the ledger's row of an earlier try, and ``intended`` when that was intended. ``kept_out``:
    groups of the plan that nobody may be put into any more. ``tried``: the job that tried the plan with this
    user and wrote what it says; 0 where none did.
    """

    line: Line
    begun: Outcome | None = None
    intended: datetime | None = None
    kept_out: tuple[str, ...] = ()
    tried: int = 0


class Steps:
    """The steps of one user. Called from several threads; holds nothing that changes."""

    def __init__(
        self,
        pool: UserPool,
        facts: PoolFacts,
        report: Report,
        clock: Clock,
        messages: Messages,
        at_creation: bool,
        written_to: Callable[[str], bool],
        *,
        finish: bool,
    ) -> None:
        self.pool, self.facts, self.report, self.clock = pool, facts, report, clock
        self.messages, self.at_creation, self.finish = messages, at_creation, finish
        self.written_to = written_to

    def run(self, task: Task, intended: datetime) -> Outcome:
        """The user's outcome; "" in it when only the invitation is left."""
        work = self._update if task.line.action is Action.UPDATE else self._restore
        return work(task, intended)

    # a create

    def _restore(self, task: Task, intended: datetime) -> Outcome:
        line = task.line
        state = task.begun or Outcome(line.key)
        try:
            if state.step in ("inviting", "invited"):
                # Begun by an earlier try that did not come back: a second mail might go out.
                return replace(state, outcome="failed", reason="maybe-invited")
            if state.confirmed:
                return state  # everything stands since an earlier try: only the invitation is left
            if not state.new_username:
                if begun := task.begun is not None:
                    state = replace(state, step=ASKED)
                free = bool(line.removes) and self._make_way(line)
                # Of an earlier try: who stands there may be whom it created. The create's own look tells.
                if line.removes and not free and not begun:
                    return replace(state, outcome="skipped", reason="changed-since")
                # Where one was just deleted, "exists" may be the pool being slow to notice: a look tells.
                state = self._create(line, state, intended, asked_before=begun or bool(line.removes))
                if state.outcome:
                    return replace(state, detail=f"{state.detail} {GONE}".strip()) if free else state
                self.report.outcome(state)
            elif self._is_in(state):
                state = replace(state, step="password")
            if self.messages is Messages.SILENT and self.written_to(state.new_sub):
                state = replace(state, reason=INVITED, detail="")
            for step in self._complete(line, state):
                state = replace(state, step=step)
                self.report.outcome(state)
            return self._settle(line, state)
        except PortError as error:
            return _failed(state, error)

    def _make_way(self, line: Line) -> bool:
        """Delete the account that nobody confirmed; False where one stands there that is not as planned."""
        if (entry := self._look(line.removes)) is None:
            return True
        user = User.of(entry)
        if user.status != "UNCONFIRMED" or fingerprint(user) != line.seen:
            return False
        try:
            self.pool.delete_user(line.removes)
        except PortError as error:
            # Missing: nobody to delete any more, may be by a call whose answer was lost.
            if error.cause not in (Cause.LOST, Cause.MISSING) or self._look(line.removes) is not None:
                raise
        self.report.say("note", f"{mask(line.user.label)}: the account that nobody confirmed was deleted")
        return True

    def _is_in(self, state: Outcome) -> bool:
        """Whether an earlier try set the password and died; its owner may have changed it since."""
        if self.messages is not Messages.SILENT or state.step in _PASSWORD_IS_SET:
            return False
        return User.of(self.pool.get_user(state.new_username)).status == "CONFIRMED"

    def _sets_password(self, state: Outcome) -> bool:
        return self.messages is Messages.SILENT and state.reason != INVITED

    def _complete(self, line: Line, state: Outcome) -> Iterator[str]:
        """Do what remains after the create, and name each step when it is done."""
        name = state.new_username
        if not line.user.enabled:
            self.pool.disable_user(name)
            yield "disabled"
        if self._sets_password(state):
            if state.step not in _PASSWORD_IS_SET:
                self.pool.set_password(name, password(self.facts.password_length))
            yield "password"
        yield from self._join(line, name)
        for provider, subject in line.links:
            self._link(name, provider, subject)
        if line.links:
            yield "linked"

    def _link(self, name: str, provider: str, subject: str) -> None:
        """A link that an earlier call made, whose answer was lost, may be refused now: a look tells."""
        try:
            self.pool.link_user(name, provider, subject)
        except PortError as error:
            if error.cause not in (Cause.REFUSED, Cause.EXISTS):
                raise
            if (provider, subject) not in _identities(User.of(self.pool.get_user(name))):
                raise

    def _join(self, line: Line, name: str) -> Iterator[str]:
        for group in line.groups:
            self.pool.add_to_group(name, group)
        if line.groups:
            yield "groups"

    def _settle(self, line: Line, state: Outcome) -> Outcome:
        """The outcome, from what is read back; "" in it when only the invitation is left."""
        differs = self._read_back(line, state)
        if differs:
            return fail(state, "read-back-differs", differs)
        state = replace(state, step="confirmed", confirmed=True)
        waits = line.user.enabled and bool(line.user.email)  # for an invitation, where people are invited
        if self.at_creation and waits and not state.messages:
            if state.reason in NONE_WENT_OUT:
                return state  # the error itself says so: once more, when everybody is there
            return replace(state, outcome="failed", reason="maybe-invited")
        if self.finish or not waits or state.messages:
            return replace(state, outcome="created")
        return state

    def _create(self, line: Line, state: Outcome, intended: datetime, *, asked_before: bool) -> Outcome:
        invite = self.at_creation and line.user.enabled and bool(line.user.email)
        invite = invite and state.reason not in NONE_WENT_OUT
        wait, until = BEFORE_LOOK, self.clock.monotonic() + SETTLE_FOR
        try:
            while self.clock.monotonic() < until:
                if asked_before and (entry := self._look(line.username)):
                    return self._adopt(line, state, entry, intended, invite)
                try:
                    entry = self.pool.create_user(line.username, line.attributes, invite=invite)
                except PortError as error:
                    if error.cause is Cause.EXISTS and not asked_before:
                        return self._came_first(line, state)
                    if error.cause in (Cause.MAIL_LIMIT, Cause.DELIVERY):
                        # The error itself says that no mail went out; the user may stand or not.
                        state = replace(state, step=ASKED, reason=REASON[error.cause], detail=str(error))
                        invite = False
                        self.report.outcome(state)  # whoever goes on from here is to know it too
                    elif error.cause is Cause.TRIGGER:
                        return self._triggered(line, state, intended, error, asked_before)
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
        except PortError as error:
            # Whatever it failed for: a create that was asked may have come through, or still come.
            return _failed(replace(state, step=ASKED if asked_before else ""), error)

    def _triggered(
        self, line: Line, state: Outcome, intended: datetime, error: PortError, asked_before: bool
    ) -> Outcome:
        """One trigger runs before the create, others write the mail after it: a look tells who stands."""
        self.report.say("note", f"{mask(line.user.label)}: {error}")
        state = fail(replace(state, step=ASKED), "refused", str(error))
        try:
            entry = self._look(line.username)
        except PortError:
            return state
        if entry is None:
            return state if asked_before else replace(state, step="")
        return self._adopt(line, state, entry, intended, invite=False)

    def _came_first(self, line: Line, state: Outcome) -> Outcome:
        """Somebody of this name came since the plan: left alone; nothing says that it is the same person."""
        return replace(state, outcome="skipped", reason="exists-now")

    def _adopt(self, line: Line, state: Outcome, entry: Entry, intended: datetime, invite: bool) -> Outcome:
        """Is the user who stands there the one that this job meant to create?"""
        user = User.of(entry)
        # Nobody has a password whom this job gave none, nor invited when it created them.
        statuses = {"FORCE_CHANGE_PASSWORD"}
        if self.messages is Messages.SILENT or self.at_creation:
            statuses.add("CONFIRMED")
        ours = (
            user.status in statuses
            and datetime.fromisoformat(user.created) >= intended - SKEW
            and all(user.attributes.get(name) == value for name, value in line.attributes.items())
        )
        if not ours:
            return Outcome(line.key, outcome="skipped", reason="other-user")
        if lost := not state.reason:
            self.report.say(
                "note", f"{mask(line.user.label)}: the answer was lost, read back: created by this job"
            )
        state = replace(_made(state, entry), messages=int(invite and lost))
        return replace(state, step="password") if user.status == "CONFIRMED" else state

    def _look(self, username: str) -> Entry | None:
        try:
            return self.pool.get_user(username)
        except PortError as error:
            if error.cause is Cause.MISSING:
                return None
            raise

    def _read_back(self, line: Line, state: Outcome) -> str:
        """What differs from the plan, as words; "" when all of it is in place."""
        user = User.of(self.pool.get_user(state.new_username))
        differs = _unlike(user, line.attributes)
        if user.enabled != line.user.enabled:
            differs.append(ENABLED)
        # Somebody who was invited may have signed in by now, which makes him CONFIRMED.
        if user.status != "CONFIRMED" and (
            self._sets_password(state) or user.status != "FORCE_CHANGE_PASSWORD"
        ):
            differs.append(f"UserStatus is {user.status}")
        stand = _identities(user) if line.links else ()
        differs += [f"not linked with {link[0]}" for link in line.links if link not in stand]
        return ", ".join([*differs, *self._not_in(line, state.new_username)])

    def _not_in(self, line: Line, username: str) -> list[str]:
        missing = set(line.groups) - self.pool.groups_of(username) if line.groups else set[str]()
        return [f"not in group {name}" for name in sorted(missing)]

    # an update

    def _update(self, task: Task, _: datetime) -> Outcome:
        line = task.line
        state = task.begun or Outcome(line.key)
        if not state.new_username:
            state = replace(state, new_username=line.username, new_sub=line.known.sub if line.known else "")
        change = _Change.of(line)
        try:
            entry = self._look(state.new_username)
            if entry is None or User.of(entry).sub != state.new_sub:
                return left(state)
            if not change.fits(line, User.of(entry), begun=task.intended is not None):
                state = replace(state, outcome="skipped", reason="changed-since")
                return replace(state, reason="tried", detail=str(task.tried)) if task.tried else state
            for step in self._write(line, change, state.new_username):
                state = replace(state, step=step)
                self.report.outcome(state)
            user = User.of(self.pool.get_user(state.new_username))
            differs = _unlike(user, change.attributes)
            if change.enabled not in (None, user.enabled):
                differs.append(ENABLED)
            if differs := [*differs, *self._not_in(line, state.new_username)]:
                detail = ", ".join(differs)
                return replace(state, outcome="failed", reason="read-back-differs", detail=detail)
            return replace(state, outcome="updated", step="confirmed", confirmed=True)
        except PortError as error:
            gone = error.cause is Cause.MISSING and self._is_gone(state.new_username)
            return left(state) if gone else _failed(state, error)

    def _is_gone(self, username: str) -> bool:
        try:
            return self._look(username) is None
        except PortError:
            return False

    def _write(self, line: Line, change: _Change, name: str) -> Iterator[str]:
        if change.enabled is False:
            self.pool.disable_user(name)
            yield "disabled"
        if change.attributes:
            self.pool.update_user(name, change.attributes)
            yield "attributes"
        if change.enabled:
            self.pool.enable_user(name)
            yield "enabled"
        yield from self._join(line, name)


@dataclass(frozen=True, slots=True)
class _Change:
    """What an update writes."""

    attributes: Mapping[str, str]
    enabled: bool | None  # None: stays as it is

    @classmethod
    def of(cls, line: Line) -> _Change:
        changes = {name: new for name, _, new in line.changes}
        enabled = line.user.enabled if changes.pop(ENABLED, None) is not None else None
        for address in ADDRESSES:
            if address in changes:  # left out, Cognito would call it unverified and mail a code
                verified = f"{address}_verified"
                changes.setdefault(verified, writable(line.user).get(verified, "false"))
        return cls(changes, enabled)

    def fits(self, line: Line, user: User, *, begun: bool) -> bool:
        """Whether nobody but this job changed the user since it was planned."""
        if fingerprint(user) == line.seen:
            return True
        # Of an earlier try that died in its middle: all is as it was or as we write it, and some of it ours.
        were = {name: old for name, old, _ in line.changes if name != ENABLED}
        now = {name: user.attributes.get(name, "") for name in were}
        ours = any(now[name] == self.attributes[name] for name in were) or (
            self.enabled is not None and user.enabled == self.enabled
        )
        return begun and ours and all(now[name] in (were[name], self.attributes[name]) for name in were)


def fail(state: Outcome, reason: str, detail: str) -> Outcome:
    """A failure; that an invitation is still owed is not forgotten over it."""
    owed = state.reason in NONE_WENT_OUT
    return replace(state, outcome="failed", reason="unsent" if owed else reason, detail=detail)


def _failed(state: Outcome, error: PortError) -> Outcome:
    return fail(state, REASON.get(error.cause, "refused"), str(error))


def why_uninvited(error: PortError) -> str:
    """The reason of an invitation that failed; where the mail may be out all the same, it says so."""
    if error.cause in (Cause.LOST, Cause.TRIGGER):  # one trigger sends the mail itself
        return "maybe-invited"
    return REASON.get(error.cause, "refused")


def left(state: Outcome) -> Outcome:
    """Nobody there is whom the plan saw, or whom this job made: no identity is kept."""
    gone = replace(state, new_sub="", new_username="", confirmed=False)
    return replace(gone, outcome="failed", reason="gone-since", detail="")


def _made(state: Outcome, entry: Entry) -> Outcome:
    user = User.of(entry)
    if state.reason not in NONE_WENT_OUT:
        state = replace(state, reason="", detail="")
    return replace(state, outcome="", step="created", new_sub=user.sub, new_username=user.username)


def _identities(user: User) -> set[tuple[str, str]]:
    """(provider, subject) of each that the user is linked with."""
    return {
        (str(one.get("providerName")), str(one.get("userId")))
        for one in json.loads(user.attributes.get("identities") or "[]")
    }


def _unlike(user: User, wanted: Mapping[str, str]) -> list[str]:
    return [name for name, value in wanted.items() if user.attributes.get(name, "") != value]


def password(length: int) -> str:
    """A random permanent password that nobody knows, of every class that a policy can ask for."""
    letters = string.ascii_letters + string.digits
    return "aA1-" + "".join(secrets.choice(letters) for _ in range(max(length, 32)))
