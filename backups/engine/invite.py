"""Inviting people who wait in FORCE_CHANGE_PASSWORD, once more or for the first time.

    for each, in the operator's order:  keep going? -> is a mail left? -> read: still waiting? -> intend
                                        -> invitation -> outcome

Each once: an invitation whose answer was lost is not repeated, and who signed in or was disabled since is
left alone. When the day's mails are spent the others wait: Stop("mail-limit"), nobody failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from backups.core.snapshot import PoolFacts, User, mask
from backups.engine.invitations import Failures, may_not
from backups.engine.ports import Cause, Outcome, PortError, Report, Stop, UserPool
from backups.engine.steps import REASON, why_uninvited

BATCH = 100


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to invite, as the ledger has them."""

    key: str
    label: str
    sub: str
    username: str
    step: str = ""  # "inviting": an earlier try was about to, and did not come back
    lately: bool = False  # was invited within a day by another job


def invite_again(
    pool: UserPool,
    people: Iterable[Person],
    facts: PoolFacts,
    report: Report,
    *,
    mails_left: Callable[[], int | None],
) -> None:
    """Raises Stop. ``mails_left``: how many may still go out today; None where no limit is known."""
    failures = Failures()
    for batch in _batches(people):
        report.keep_going()
        report.intend([person.key for person in batch if not person.step])
        for person in batch:
            report.keep_going()
            left = mails_left()
            if left is not None and left <= 0:
                raise Stop("mail-limit")
            outcome = _invited(pool, person, facts, report)
            if outcome.reason == "mail-limit" and left is not None:
                report.outcome(_state(person, step="confirmed"))
                raise Stop("mail-limit")
            report.outcome(outcome)
            said = "invited" if outcome.messages else outcome.outcome
            report.say(said, mask(person.label), reason=outcome.reason)
            report.count()
            failures.note(outcome)
            failures.stop_if_hopeless()


def _invited(pool: UserPool, person: Person, facts: PoolFacts, report: Report) -> Outcome:
    if person.step == "inviting":  # a second mail might go out
        return _state(person, "failed", "maybe-invited")
    if person.lately:
        return _state(person, "skipped", "invited-lately")
    try:
        user = User.of(pool.get_user(person.username))
    except PortError as error:
        if error.cause is Cause.MISSING:
            return _state(person, "skipped", "gone")
        return _state(person, "failed", REASON.get(error.cause, "refused"), str(error))
    if why := may_not(user, person.sub):
        return _state(person, "skipped", why)
    report.intend([person.key], "inviting")
    try:
        pool.resend_invitation(user.email if facts.email_is_username else user.username)
    except PortError as error:
        return _state(person, "failed", why_uninvited(error), str(error))
    return Outcome(
        person.key, "updated", "invited", new_sub=person.sub, new_username=person.username, messages=1
    )


def _state(
    person: Person, outcome: str = "", reason: str = "", detail: str = "", step: str = "confirmed"
) -> Outcome:
    step = "inviting" if reason == "maybe-invited" else step
    return Outcome(
        person.key, outcome, step, reason, detail, new_sub=person.sub, new_username=person.username
    )


def _batches(people: Iterable[Person]) -> Iterator[list[Person]]:
    walk = iter(people)
    while batch := list(islice(walk, BATCH)):
        yield batch
