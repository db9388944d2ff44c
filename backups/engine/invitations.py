"""Invitations one by one; what is said of a user; when failures are not a single user's any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from backups.core.invite import sentence
from backups.core.plan import Line
from backups.core.snapshot import PoolFacts, User, mask
from backups.engine.ports import Cause, Outcome, PortError, Report, Stop, UserPool
from backups.engine.steps import REASON, left, why_uninvited

EQUAL_FAILURES = 20  # in a row: something is wrong that is not one user's


class Failures:
    """Stops a job whose failures are not about single users."""

    def __init__(self) -> None:
        self.reason, self.in_a_row, self.went_well = "", 0, False

    def note(self, outcome: Outcome) -> None:
        if outcome.outcome != "failed":
            self.in_a_row, self.went_well = 0, True
            return
        self.in_a_row = self.in_a_row + 1 if outcome.reason == self.reason else 1
        self.reason = outcome.reason

    def room(self, most: int) -> int:
        """How many users may be under way at once: while nothing goes well, no more than may yet fail.

        0: it is hopeless.
        """
        if self.went_well and not self.in_a_row:
            return most
        return min(most, EQUAL_FAILURES - self.in_a_row)

    def stop_if_hopeless(self) -> None:
        if self.in_a_row >= EQUAL_FAILURES:
            raise Stop("failures")


def invite(
    pool: UserPool,
    waiting: Sequence[tuple[Line, Outcome]],
    facts: PoolFacts,
    report: Report,
    mails_left: Callable[[], int | None],
    written_to: Callable[[str], bool],
    settled: Callable[[Line, Outcome], Outcome],
) -> None:
    """One by one in this order, each once. Raises Stop("mail-limit") with the rest still waiting.

    A restore may have waited for days, so everybody is looked at once more. ``written_to``: whether another
    job invited whoever has this sub; their temporary password is not to stop working. ``settled``: the
    outcome as it is told in the end.
    """
    report.phase("Invitations", len(waiting))
    failures = Failures()
    for line, state in waiting:
        report.keep_going()
        left = mails_left()
        if left is not None and left <= 0:
            raise Stop("mail-limit")
        outcome = _invited(pool, line, state, facts, report, written_to)
        if outcome.reason == "mail-limit" and left is not None:
            report.outcome(replace(state, step="confirmed"))
            raise Stop("mail-limit")
        failures.note(outcome)
        outcome = settled(line, outcome)
        report.outcome(outcome)
        tell(report, line, outcome)
        report.count()
        failures.stop_if_hopeless()


def may_not(user: User, sub: str) -> str:
    """Why this user, asked for as whoever has ``sub``, is not to be written to; "" where they are."""
    if user.sub != sub:
        return "other-user"
    if user.status != "FORCE_CHANGE_PASSWORD":
        return "signed-in"
    if not user.enabled:
        return "disabled"
    return "" if user.email else "no-email"


def _invited(
    pool: UserPool,
    line: Line,
    state: Outcome,
    facts: PoolFacts,
    report: Report,
    written_to: Callable[[str], bool],
) -> Outcome:
    if written_to(state.new_sub):
        return _left_out(state, "invited-since")
    try:
        user = User.of(pool.get_user(state.new_username))
    except PortError as error:
        if error.cause is Cause.MISSING:
            return left(state)
        return _failed(state, REASON.get(error.cause, "refused"), error)
    if why := may_not(user, state.new_sub):
        return left(state) if why == "other-user" else _left_out(state, why)
    report.intend([line.key], "inviting")
    try:
        pool.resend_invitation(user.email if facts.email_is_username else line.username)
    except PortError as error:
        return _failed(state, why_uninvited(error), error)
    return replace(state, step="invited", messages=1, outcome="created", reason="", detail="")


def _failed(state: Outcome, reason: str, error: PortError) -> Outcome:
    return replace(state, step="confirmed", outcome="failed", reason=reason, detail=str(error))


def _left_out(state: Outcome, why: str) -> Outcome:
    """The restore did its part of them, and somebody the rest."""
    return replace(state, step="confirmed", outcome="created", reason="left-out", detail=sentence(why))


def tell(report: Report, line: Line, outcome: Outcome) -> None:
    """One line of the log, for a person: whom it is about is masked."""
    extra = []
    if outcome.outcome in ("created", "updated"):
        extra += _some(len(line.changes), "field") + _some(len(line.groups), "group")
    if outcome.outcome == "created":
        extra += _some(len(line.links), "link")
        extra += ["disabled, as in the backup"] * (not line.user.enabled)
        extra += ["invited"] * bool(outcome.messages)
    if outcome.outcome in ("created", "updated"):
        extra += ["confirmed"]
    report.say(
        outcome.outcome or "created",
        " · ".join([mask(line.user.label), *extra]),
        reason=outcome.reason,
    )


def _some(count: int, what: str) -> list[str]:
    return [f"{count} {what}{'s' * (count > 1)}"] * bool(count)
