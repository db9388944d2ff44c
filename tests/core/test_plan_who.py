"""Who somebody of the pool is, where a name alone does not say it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from backups.core import plan
from backups.core.choices import Choices, Existing, Guard
from backups.core.plan import Action, Line
from backups.core.plan.finish import Left
from backups.core.seen import fingerprint
from backups.core.snapshot import PoolFacts, User
from tests.build import a_user, facts
from tests.core.test_plan import AFTER, ALIAS_POOL, BEFORE, NAME_POOL, by_us, counted, lines, said

LEFT = Left(7, "2027-01-01T00:00:00.000Z")


def by_google(sub: str, number: str = "7", *, email: str = "ada@x.io", **more: Any) -> User:
    return a_user(email, sub=sub, username=f"Google_{number}", status="EXTERNAL_PROVIDER", **more)


# --- people of a provider ----------------------------------------------------------------------------


@pytest.mark.parametrize("pool", [facts(), NAME_POOL, ALIAS_POOL])
@pytest.mark.parametrize("turned", [False, True])
def test_a_person_s_account_of_a_provider_does_not_keep_their_own_out(pool: PoolFacts, turned: bool) -> None:
    users = [a_user("ada@x.io", sub="1", username="ada"), by_google("2")]
    found = lines(users[::-1] if turned else users, [by_google("2")], pool)
    assert {line.user.sub: (line.action, line.reason) for line in found} == {
        "1": (Action.CREATE, "missing"),
        "2": (Action.SKIP, "exists"),
    }


def test_who_came_back_through_a_provider_is_mapped_and_their_own_account_is_made() -> None:
    users, there = [a_user("ada@x.io", sub="1"), by_google("2")], [by_google("9", created=AFTER)]
    found = lines(users, there)
    assert [(line.action, line.reason) for line in found] == [
        (Action.CREATE, "missing"),
        (Action.SKIP, "exists"),
    ]
    assert found[1].known and found[1].known.sub == "9"


def test_of_a_provider_s_people_only_the_same_one_is_the_same_person() -> None:
    there = [by_google("9", "8", created=AFTER)]
    assert said([by_google("2")], there) == [("skip", "federated")]
    assert said([by_google("2", "a")], [by_google("9", "A", created=BEFORE)]) == [("skip", "federated")]


@pytest.mark.parametrize("name", ["Google_7", "google_7"])
@pytest.mark.parametrize("status", ["", "UNCONFIRMED"])
def test_nobody_is_made_beside_the_account_that_would_have_to_be_linked(name: str, status: str) -> None:
    linked = {"identities": '[{"userId":"7","providerName":"Google"}]'}
    ada = a_user("ada@x.io", sub="1", **linked)
    apart = a_user("ada@x.io", sub="9", username=name, status="EXTERNAL_PROVIDER", created=AFTER)
    began = [a_user("ada@x.io", sub="8", status=status, created=AFTER)] if status else []
    choices = Choices(link=True, guards=frozenset({Guard.REPLACE}))
    [line] = lines([ada], [apart, *began], choices=choices)
    assert (line.action, line.reason, line.detail) == (Action.SKIP, "link-apart", "Google")
    squats = a_user("eve@x.io", sub="9", username=name, created=AFTER)
    assert said([ada], [squats], NAME_POOL, choices=choices) == [("create", "missing-linked")]


@pytest.mark.parametrize("folds", [True, False])
def test_a_native_account_that_has_a_provider_s_name_is_nobody_of_that_provider(folds: bool) -> None:
    pool = replace(NAME_POOL, case_sensitive=not folds)
    squats = a_user("eve@x.io", sub="9", username="Google_7", created=AFTER)
    [line] = lines([by_google("2")], [squats], pool)
    assert (line.action, line.known) == (Action.SKIP, None)


# --- made again by somebody who administers the pool --------------------------------------------------


@pytest.mark.parametrize("verified", [True, False])
def test_who_was_made_again_by_a_tool_registered_nothing_and_may_be_said_to_be_the_same(
    verified: bool,
) -> None:
    asked = [a_user("ada@x.io", sub="1")]
    there = [a_user("ada@x.io", sub="9", created=AFTER, status="FORCE_CHANGE_PASSWORD", verified=verified)]
    [line] = lines(asked, there, choices=Choices(again=frozenset({"2"})))
    assert (line.action, line.reason, line.known) == (Action.SKIP, "made-again", None)
    [line] = lines(asked, there, choices=Choices(again=frozenset({"1"})))
    assert (line.reason, line.known and line.known.sub) == ("exists", "9")


# --- administrators ----------------------------------------------------------------------------------


def test_an_administrator_who_is_missing_and_was_not_chosen_has_a_line_and_nothing_is_done() -> None:
    root, cannot = a_user("root@x.io", sub="1"), a_user("eve@x.io", sub="2", custom_odd="1")
    began = a_user("Bob@x.io", sub="9", created=AFTER, status="UNCONFIRMED")
    found = lines(
        [root, cannot, a_user("bob@x.io", sub="3"), a_user("ada@x.io", sub="4")],
        [began],
        admins=["root@x.io", "eve@x.io", "bob@x.io"],
        choices=Choices(users=("ada@x.io",)),
    )
    assert [(line.user.sub, line.action.value, line.reason, line.first) for line in found] == [
        ("1", "skip", "administrator-missing", True),
        ("2", "skip", "administrator-missing", True),
        ("3", "skip", "unfinished-again", True),
        ("4", "create", "missing", False),
    ]
    for line in found[:3]:
        assert not (line.attributes or line.username or line.unknown or line.held or line.known)


# --- begun by an earlier restore that is over ---------------------------------------------------------


def ended(was: User, now: User, **more: Any) -> Line:
    """The line of whom an earlier restore made, and did not finish."""
    [line] = lines([was], [now], restored=by_us(_9="1"), left={"9": LEFT}, **more)
    return line


@pytest.mark.parametrize("existing", list(Existing))
def test_what_an_earlier_restore_did_not_come_to_is_done_whatever_becomes_of_others(
    existing: Existing,
) -> None:
    was = a_user("ada@x.io", sub="1", enabled=False, given_name="A")
    now = a_user("ada@x.io", sub="9", created=AFTER, given_name="Her own")
    line = ended(
        was,
        now,
        choices=Choices(existing=existing),
        memberships={"1": frozenset({"beta", "in", "root"})},
        members={"9": frozenset({"in"})},
        privileged=frozenset({"root"}),
    )
    assert (line.action, line.reason, line.detail) == (Action.UPDATE, "finish", "Enabled, beta")
    assert (line.changes, line.groups, line.withheld) == (
        (("Enabled", "true", "false"),),
        ("beta",),
        ("root",),
    )
    assert (line.username, line.seen) == (now.username, fingerprint(now)) and line.known


@pytest.mark.parametrize(
    ("groups", "action", "reason"), [({"beta"}, "update", "finish-waits"), ((), "skip", "waits")]
)
def test_who_has_no_password_of_an_earlier_restore_gets_none_and_it_is_said(
    groups: Collection[str], action: str, reason: str
) -> None:
    was = a_user("ada@x.io", sub="1")
    now = a_user("ada@x.io", sub="9", created=AFTER, status="FORCE_CHANGE_PASSWORD")
    line = ended(was, now, memberships={"1": frozenset(groups)})
    assert (line.action, line.reason) == (action, reason) and line.known
    assert "“Who is in again” can invite" in plan.sentence(line.reason, line.detail)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ({}, {}),
        ({"enabled": False}, {"enabled": False, "status": "FORCE_CHANGE_PASSWORD"}),
        ({"enabled": True}, {"enabled": False}),
    ],
)
def test_who_lacks_nothing_that_a_plan_writes_is_in_the_pool(was: Any, now: Any) -> None:
    line = ended(a_user("ada@x.io", sub="1", **was), a_user("ada@x.io", sub="9", created=AFTER, **now))
    assert (line.action, line.reason) == (Action.SKIP, "exists") and line.known


def test_who_lacks_nothing_else_is_written_over_as_chosen_and_kept_out_as_the_guard_says() -> None:
    was, now = a_user("ada@x.io", sub="1", given_name="A"), a_user("ada@x.io", sub="9", created=AFTER)
    root: dict[str, Any] = {"memberships": {"1": frozenset({"root"})}, "privileged": frozenset({"root"})}
    line = ended(was, now, **root)
    assert (line.action, line.reason, line.withheld) == (Action.SKIP, "exists", ("root",))
    over = Choices(existing=Existing.OVERWRITE, guards=frozenset({Guard.NEWER}))
    line = ended(was, now, choices=over)
    assert (line.reason, line.changes) == ("overwrite", (("given_name", "", "A"),))


@pytest.mark.parametrize("existing", list(Existing))
def test_whom_somebody_changed_after_that_restore_needs_the_guard(existing: Existing) -> None:
    """Enabled again, and taken out of a group: neither is undone by a plan of who is missing."""
    was = a_user("ada@x.io", sub="1", enabled=False)
    now = a_user("ada@x.io", sub="9", created=AFTER)
    early = Left(7, "2026-01-01T00:00:00.000Z")
    assert now.modified > early.until
    found: dict[str, Any] = {"memberships": {"1": frozenset({"beta"})}, "left": {"9": early}}
    found |= {"restored": by_us(_9="1")}
    [line] = lines([was], [now], choices=Choices(existing=existing), **found)
    assert (line.action, line.reason, line.held) == (Action.SKIP, "newer-unfinished", Guard.NEWER)
    assert (
        line.known and counted([was], [now], choices=Choices(existing=existing), **found).guards["newer"] == 1
    )
    allowed = Choices(existing=existing, guards=frozenset({Guard.NEWER}))
    [line] = lines([was], [now], choices=allowed, **found)
    assert (line.action, line.groups) == (Action.UPDATE, ("beta",))
    assert line.changes == (("Enabled", "true", "false"),)


def test_who_is_written_over_is_finished_with_it() -> None:
    was = a_user("ada@x.io", sub="1", given_name="A")
    now = a_user("ada@x.io", sub="9", created=AFTER, given_name="Wrong")
    more: dict[str, Any] = {"memberships": {"1": frozenset({"beta"})}}
    line = ended(was, now, choices=Choices(Existing.OVERWRITE, frozenset({Guard.NEWER})), **more)
    assert (line.reason, line.groups) == ("overwrite", ("beta",))
    assert line.changes == (("given_name", "Wrong", "A"),)
    held = ended(was, now, choices=Choices(Existing.OVERWRITE), **more)
    assert (held.reason, held.changes, held.groups) == ("finish", (), ("beta",))


def test_a_restore_that_goes_on_comes_before_one_that_is_over() -> None:
    [line] = lines(
        [a_user("ada@x.io", sub="1")],
        [a_user("ada@x.io", sub="9", created=AFTER)],
        restored=by_us(_9="1"),
        unfinished={"9": 8},
        left={"9": LEFT},
        memberships={"1": frozenset({"beta"})},
    )
    assert (line.action, line.reason, line.detail) == (Action.SKIP, "unfinished", "8")


@pytest.mark.parametrize(
    ("status", "verified", "ticked", "reason"),
    [
        ("CONFIRMED", True, False, "perhaps-made"),
        ("FORCE_CHANGE_PASSWORD", True, False, "perhaps-made"),
        ("FORCE_CHANGE_PASSWORD", False, True, "exists"),
        ("CONFIRMED", True, True, "exists"),
        ("CONFIRMED", False, True, "unfinished"),
        ("UNCONFIRMED", False, True, "unfinished-again"),
    ],
)
def test_of_a_create_whose_answer_never_came_somebody_has_to_say_whether_it_is_them(
    status: str, verified: bool, ticked: bool, reason: str
) -> None:
    there = a_user("ada@x.io", sub="9", created=AFTER, status=status, verified=verified)
    choices = Choices(again=frozenset({"1"} if ticked else ()), existing=Existing.FILL)
    [line] = lines([a_user("ada@x.io", sub="1")], [there], left={"1": LEFT}, choices=choices)
    assert (line.action, line.reason, bool(line.known)) == (Action.SKIP, reason, reason == "exists")
    assert line.detail == ("7" if reason in ("perhaps-made", "unfinished") else "")


def test_who_was_there_before_the_backup_was_made_by_no_restore_of_it() -> None:
    there = a_user("ada@x.io", sub="9", created=BEFORE)
    assert said([a_user("ada@x.io", sub="1")], [there], left={"1": LEFT}) == [("skip", "exists")]
