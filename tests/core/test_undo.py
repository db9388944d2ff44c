"""What an undo may take back: only what is surely the restore's, and nobody's by now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core.evidence import OURS, Left, Ways
from backups.core.snapshot import User, iso
from backups.core.undo import Found, Touched, Verdict, What, decide, mark, sentence
from tests.build import a_sub, an_entry, laws

MADE = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
OVER = MADE + timedelta(hours=1)
SUB = a_sub("ada@x.io")
WRITTEN = {"name": "Ada", "email": "ada@x.io", "email_verified": "true"}
SILENT = Touched(
    "old-ada",
    SUB,
    Left(SUB, password=True, over=OVER),
    create=True,
    finished=True,
    groups=frozenset({"admins"}),
    written=WRITTEN,
)
WAITS = replace(SILENT, left=Left(SUB, password=False, over=OVER))
UPDATE = Touched(
    "old-ada",
    SUB,
    Left(SUB, password=True, over=OVER),
    create=False,
    finished=True,
    groups=frozenset({"admins"}),
    changes=(("name", "A.", "Ada"), ("Enabled", "false", "true"), ("email_verified", "", "true")),
)
FCP = "FORCE_CHANGE_PASSWORD"


def ada(status: str = "CONFIRMED", after: timedelta = OURS, **how: Any) -> User:
    entry = an_entry("ada@x.io", status=status, created=iso(MADE), **how)
    return User.of(entry | {"UserLastModifiedDate": iso(MADE + after)})


def there(user: User | None = None, groups: set[str] | None = None, signed_in: bool | None = None) -> Found:
    return Found(user or ada(), frozenset({"admins"} if groups is None else groups), signed_in)


def why(touched: Touched, found: Found | None, ways: Ways | None = None) -> tuple[str, str]:
    verdict = decide(touched, found, ways or Ways())
    assert sentence(verdict.reason, verdict.detail)
    return verdict.what.value, verdict.reason


def test_who_is_as_the_restore_left_them_is_deleted() -> None:
    assert why(SILENT, there()) == ("delete", "made-by-it")
    assert why(WAITS, there(ada(FCP))) == ("delete", "made-by-it")
    assert decide(SILENT, there(), Ways()).seen == mark(there())


@pytest.mark.parametrize(
    ("touched", "found", "reason"),
    [
        (replace(SILENT, undone=True), there(), "undone"),
        (replace(SILENT, left=Left("", password=True)), there(), "not-created"),
        (SILENT, None, "gone"),
        (replace(SILENT, left=Left("other", password=True)), there(), "other-user"),
        (SILENT, there(ada(after=timedelta(days=1))), "in-again"),
        (SILENT, there(signed_in=True), "in-again"),
        (WAITS, there(ada("CONFIRMED")), "in-again"),
        (SILENT, there(ada(after=OURS * 2)), "may-have"),
        (SILENT, there(ada("RESET_REQUIRED")), "status"),
        (SILENT, there(ada(FCP)), "status"),
        (WAITS, there(ada(FCP, after=OURS * 2)), "changed-later"),
        (replace(SILENT, written=None), there(), "no-written"),
        (SILENT, there(ada(custom_institution="MIT")), "attributes"),
        (SILENT, there(ada(name="")), "attributes"),
        (SILENT, there(ada(enabled=False)), "enabled"),
        (SILENT, there(groups=set()), "groups"),
        (SILENT, there(groups={"admins", "beta"}), "groups"),
    ],
)
def test_everybody_else_is_left_alone_with_the_reason(
    touched: Touched, found: Found | None, reason: str
) -> None:
    assert why(touched, found) == ("skip", reason)


def test_other_ways_in_count_as_used_where_nobody_records_them() -> None:
    assert why(SILENT, there(), Ways(passwordless=True)) == ("skip", "may-have")
    assert why(SILENT, there(signed_in=False)) == ("delete", "made-by-it")


@pytest.mark.parametrize("signed_in", [None, False])
@pytest.mark.parametrize("touched", [SILENT, WAITS])
def test_a_record_without_a_sign_in_is_no_proof_where_other_ways_leave_no_trace(
    touched: Touched, signed_in: bool | None
) -> None:
    """The pool may have begun to record after the sign-in."""
    status = "CONFIRMED" if touched is SILENT else FCP
    found = there(ada(status), signed_in=signed_in)
    assert why(touched, found) == ("delete", "made-by-it")
    linked = there(ada(status, identities="[]"), signed_in=signed_in)
    assert why(touched, linked) == why(touched, found, Ways(passwordless=True)) == ("skip", "may-have")
    told = decide(touched, linked, Ways())
    assert ("record" in told.detail) and ("keeps no record" in told.detail) == (signed_in is None)


def test_whom_the_restore_did_not_finish_lacks_steps_and_is_deleted_all_the_same() -> None:
    half = replace(SILENT, finished=False, enabled=False)
    assert why(half, there(ada(FCP), groups=set())) == ("delete", "made-by-it")
    assert why(half, there(ada(FCP), groups={"beta"})) == ("skip", "groups")
    assert why(replace(half, enabled=True), there(ada(enabled=False))) == ("skip", "enabled")


def test_only_fields_that_hold_the_restores_value_are_put_back() -> None:
    verdict = decide(UPDATE, there(), Ways())
    assert verdict == Verdict(
        What.PUT_BACK,
        "changed-by-it",
        "",
        (("name", "Ada", "A."), ("Enabled", "true", "false"), ("email_verified", "true", "false")),
        ("admins",),
        verdict.seen,
    )
    verdict = decide(UPDATE, there(ada(name="Countess"), groups=set()), Ways())
    assert (verdict.reason, verdict.detail, verdict.groups) == ("some-changed", "name, group admins", ())
    assert [name for name, _, _ in verdict.changes] == ["Enabled", "email_verified"]


def test_an_update_that_holds_nothing_is_left_alone() -> None:
    user = ada(name="Countess", enabled=False, verified=False)
    assert why(UPDATE, there(user, groups=set())) == ("skip", "nothing-holds")


HALF = replace(UPDATE, finished=False, unheard=True)
BEFORE: dict[str, Any] = {"name": "A.", "enabled": False, "verified": False}


def test_of_an_update_that_did_not_end_what_it_wrote_is_put_back() -> None:
    verdict = decide(HALF, there(), Ways())
    assert (verdict.what, verdict.reason, verdict.detail) == (What.PUT_BACK, "begun-by-it", "")
    assert [name for name, _, _ in verdict.changes] == ["name", "Enabled", "email_verified"]
    assert verdict.groups == ("admins",)
    half = there(ada(enabled=False), groups=set())  # what it did not come to is as it was, and not listed
    verdict = decide(HALF, half, Ways())
    assert (verdict.what, verdict.reason, verdict.detail) == (What.PUT_BACK, "begun-by-it", "")
    assert [name for name, _, _ in verdict.changes] == ["name", "email_verified"]


def test_an_update_that_wrote_nothing_has_nothing_to_be_put_back() -> None:
    assert why(HALF, there(ada(**BEFORE), groups=set())) == ("skip", "not-updated")
    assert why(HALF, there(ada(**BEFORE | {"name": "Countess"}), groups=set())) == ("skip", "not-updated")


def test_of_an_update_that_did_not_end_what_changed_since_is_named_and_left() -> None:
    verdict = decide(HALF, there(ada(name="Countess")), Ways())
    assert (verdict.what, verdict.reason, verdict.detail) == (What.PUT_BACK, "some-changed", "name")


@pytest.mark.parametrize("user", [ada(), ada(**BEFORE)], ids=["as it would have written", "as before"])
def test_an_update_that_was_refused_wrote_nothing_whoever_did_the_same_by_hand(user: User) -> None:
    refused = replace(HALF, unheard=False)
    found = there(user, groups={"admins"} if user.enabled else set())
    assert why(refused, found) == ("skip", "unsure" if user.enabled else "not-updated")
    verdict = decide(replace(refused, step="attributes"), found, Ways())  # this one was told of
    assert "Enabled" not in [name for name, _, _ in verdict.changes]
    assert verdict.groups == ()


LATER = timedelta(hours=2)  # than the restore's end


@pytest.mark.parametrize(
    ("step", "enable", "back", "groups"),
    [
        ("", True, [], ()),
        ("disabled", False, ["Enabled"], ()),
        ("attributes", True, ["name"], ()),
        ("attributes", False, ["name", "Enabled"], ()),
        ("enabled", True, ["name", "Enabled"], ()),
        ("groups", True, ["name", "Enabled"], ("admins",)),
    ],
)
def test_once_somebody_changed_it_only_steps_that_were_told_are_known_to_be_the_restores(
    step: str, enable: bool, back: list[str], groups: tuple[str, ...]
) -> None:
    state = ("false", "true") if enable else ("true", "false")
    touched = replace(HALF, step=step, changes=(("name", "A.", "Ada"), ("Enabled", *state)))
    verdict = decide(touched, there(ada(after=LATER, enabled=enable)), Ways())
    assert ([name for name, _, _ in verdict.changes], verdict.groups) == (back, groups)
    if not back:
        assert (verdict.what, verdict.reason) == (What.SKIP, "unsure")
    elif step != "groups":
        assert (verdict.what, verdict.reason) == (What.PUT_BACK, "some-changed")
        assert "group admins" in verdict.detail


@pytest.mark.parametrize("over", [None, OVER])
def test_where_nobody_knows_when_it_was_changed_it_may_be_later(over: datetime | None) -> None:
    touched = replace(HALF, left=Left(SUB, password=True, over=over))
    user = User.of(ada().entry | {"UserLastModifiedDate": "" if over else iso(MADE)})
    assert why(touched, there(user)) == ("skip", "unsure")


def test_the_mark_of_a_put_back_is_of_its_fields_alone() -> None:
    fields, groups = ["name"], ["admins"]
    before = mark(there(), fields, groups)
    assert mark(there(ada(custom_institution="MIT", after=OURS * 9)), fields, groups) == before
    assert mark(there(ada(name="B")), fields, groups) != before
    assert mark(there(groups=set()), fields, groups) != before
    assert mark(there(ada(after=OURS * 9))) != mark(there())


CHANGES = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["CONFIRMED", FCP, "RESET_REQUIRED"]),
        "name": st.sampled_from(["Ada", "B", ""]),
        "enabled": st.booleans(),
        "after": st.sampled_from([timedelta(), OURS, OURS * 2, timedelta(days=2)]),
        "groups": st.sampled_from([set(), {"admins"}, {"admins", "beta"}]),
        "signed_in": st.sampled_from([None, True, False]),
    }
)


@laws(400)
@given(CHANGES, st.booleans())
def test_whoever_changed_or_signed_in_is_never_deleted(how: dict[str, Any], silent: bool) -> None:
    user = ada(how["status"], how["after"], name=how["name"], enabled=how["enabled"])
    touched = SILENT if silent else WAITS
    left_as = "CONFIRMED" if silent else FCP
    changed = (
        how["status"] != left_as
        or how["name"] != "Ada"
        or not how["enabled"]
        or how["after"] > OURS
        or how["groups"] != {"admins"}
        or how["signed_in"] is True
    )
    verdict = decide(touched, there(user, how["groups"], how["signed_in"]), Ways())
    assert (verdict.what is What.DELETE) == (not changed)
