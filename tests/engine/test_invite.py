"""Invitations: each once, nobody who is in or disabled, and no more a day than there are mails."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core.invite import sentence
from backups.core.snapshot import User
from backups.engine.invite import Person, invite_again
from backups.engine.ports import Cause, Outcome, Stop
from tests.build import laws
from tests.fakes import FakePool, FakeReport


def waiting(pool: FakePool, email: str, enabled: bool = True, **changes: str) -> Person:
    username = email if pool.username_attributes else email.partition("@")[0]
    entry = pool.create_user(username, {"name": "Ada", "email": email, "email_verified": "true"} | changes)
    user = User.of(entry)
    if not enabled:
        pool.disable_user(user.username)
    return Person(f"old-{email}", email, user.sub, user.username)


def sent(
    pool: FakePool,
    *people: Person,
    report: FakeReport | None = None,
    left: Callable[[], int | None] = lambda: None,
) -> dict[str, Outcome]:
    report = report or FakeReport()
    invite_again(pool, people, pool.facts(), report, mails_left=left)
    return report.outcomes


def mails(pool: FakePool) -> int:
    return pool.messages.total()


@pytest.mark.parametrize(
    "pool", [FakePool(), FakePool(username_attributes=(), required=())], ids=["e-mail", "name"]
)
def test_who_waits_is_invited_by_the_name_that_this_pool_takes(pool: FakePool) -> None:
    report = FakeReport()
    (outcome,) = sent(pool, waiting(pool, "ada@x.io"), report=report).values()
    assert (outcome.outcome, outcome.step, outcome.messages) == ("updated", "invited", 1)
    assert mails(pool) == 1
    assert "ada@x.io" not in report.text
    intents = [event for event in report.events if event[0] in ("intend", "inviting")]
    assert intents == [("intend", ("old-ada@x.io",)), ("inviting", ("old-ada@x.io",))]


def test_nobody_else_is_written_to() -> None:
    pool = FakePool()
    ada, bob, eve = (waiting(pool, f"{name}@x.io") for name in ("ada", "bob", "eve"))
    pool.set_password("ada@x.io", "my own password")
    pool.remove("eve@x.io")
    off = waiting(pool, "off@x.io", enabled=False)
    lately = replace(waiting(pool, "lately@x.io"), lately=True)
    begun = replace(waiting(pool, "begun@x.io"), step="inviting")
    outcomes = sent(pool, ada, replace(bob, sub="another"), eve, off, lately, begun)
    assert {key[4:-5]: (one.outcome, one.reason) for key, one in outcomes.items()} == {
        "ada": ("skipped", "signed-in"),
        "bob": ("skipped", "other-user"),
        "eve": ("skipped", "gone"),
        "off": ("skipped", "disabled"),
        "lately": ("skipped", "invited-lately"),
        "begun": ("failed", "maybe-invited"),
    }
    assert mails(pool) == 0
    assert all(sentence(one.reason) != one.reason for one in outcomes.values())
    assert outcomes["old-begun@x.io"].step == "inviting"


def test_who_has_no_e_mail_is_not_invited() -> None:
    pool = FakePool(username_attributes=(), required=())
    entry = pool.create_user("ada", {"name": "Ada"})
    ada = Person("old-ada", "ada", User.of(entry).sub, "ada")
    assert sent(pool, ada)["old-ada"].reason == "no-email"


def test_the_days_limit_waits_and_fails_nobody() -> None:
    pool = FakePool(mails_left=50)
    people = [waiting(pool, f"p{n}@x.io") for n in range(5)]
    report = FakeReport()
    with pytest.raises(Stop) as stopped:
        sent(pool, *people, report=report, left=lambda: 3 - mails(pool))
    assert (stopped.value.why, mails(pool)) == ("mail-limit", 3)
    assert {one.outcome for one in report.outcomes.values()} == {"updated"}
    sent(pool, *people[3:])
    assert set(pool.messages.values()) == {1}


def test_a_limit_that_aws_tells_waits_too_but_where_none_is_known_it_is_a_failure() -> None:
    pool = FakePool(mails_left=1)
    people = [waiting(pool, "ada@x.io"), waiting(pool, "bob@x.io")]
    report = FakeReport()
    with pytest.raises(Stop):
        sent(pool, *people, report=report, left=lambda: 40)
    waits = report.outcomes["old-bob@x.io"]
    assert (waits.outcome, waits.step) == ("", "confirmed")
    assert sent(pool, people[1])["old-bob@x.io"].reason == "mail-limit"


@pytest.mark.parametrize(
    ("cause", "reason"), [(Cause.LOST, "maybe-invited"), (Cause.DELIVERY, "not-delivered")]
)
def test_an_answer_that_was_lost_is_not_asked_for_again(cause: Cause, reason: str) -> None:
    pool = FakePool()
    pool.fail("resend_invitation", cause, after=True)
    (outcome,) = sent(pool, waiting(pool, "ada@x.io")).values()
    assert (outcome.outcome, outcome.reason) == ("failed", reason)
    assert pool.calls["resend_invitation"] == 1


def test_a_look_that_fails_is_that_persons_failure_and_twenty_stop_the_job() -> None:
    pool = FakePool()
    people = [waiting(pool, f"p{n}@x.io") for n in range(30)]
    pool.fail("get_user", Cause.DENIED, times=30)
    report = FakeReport()
    with pytest.raises(Stop) as stopped:
        sent(pool, *people, report=report)
    assert (stopped.value.why, len(report.outcomes)) == ("failures", 20)
    assert {one.reason for one in report.outcomes.values()} == {"denied"}


@laws(60)
@given(
    st.integers(1, 8),
    st.integers(1, 12),
    st.sampled_from(list(Cause)),
    st.sampled_from(["get_user", "resend_invitation"]),
    st.booleans(),
    st.one_of(st.none(), st.integers(1, 12)),
)
def test_nobody_gets_two_mails_whatever_fails_and_however_often_it_goes_on(
    people: int, nth: int, cause: Cause, operation: str, after: bool, stop: int | None
) -> None:
    pool = FakePool(mails_left=None)
    them = [waiting(pool, f"p{n}@x.io") for n in range(people)]
    pool.fail(operation, cause, nth=nth, after=after)
    outcomes: dict[str, Outcome] = {}
    steps: dict[str, str] = {}
    for stops in (stop, None, None):
        report = FakeReport(stop_after=stops)
        left = [
            replace(one, step="inviting" if steps.get(one.key) == "inviting" else "")
            for one in them
            if not (one.key in outcomes and outcomes[one.key].outcome)
        ]
        with suppress(Stop):
            sent(pool, *left, report=report)
        outcomes |= report.outcomes
        steps = {key: event for event, keys in report.events if event == "inviting" for key in keys}
    assert outcomes.keys() == {one.key for one in them}
    assert all(one.outcome for one in outcomes.values())
    assert max(pool.messages.values(), default=0) <= 1
