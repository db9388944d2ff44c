"""One person over many backups: the laws of the timeline, what each kind of entry says, and the shards."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core import shards
from backups.core.history import (
    Entry,
    Line,
    Point,
    Sight,
    State,
    Timeline,
    bearing,
    lines,
    nameless,
    person,
    sharing,
)
from backups.core.shards import Shard, TooLarge, bits_for, cut, hash_of, number_of
from backups.core.snapshot import User
from tests.build import a_sub, a_user, laws

DAY = datetime(2026, 11, 1, 1, tzinfo=UTC)


def point(day: int) -> Point:
    return Point(DAY + timedelta(days=day), f"{day:04d}/team")


def state(email: str = "ada@uni.example", groups: Sequence[str] | None = ("users",), **how: object) -> State:
    return State.of(a_user(email, **how), groups)


def sights(*days: State | None, pool_id: str = "eu-west-1_A", first: int = 0) -> list[Sight]:
    return [Sight(point(first + day), () if one is None else (one,), pool_id) for day, one in enumerate(days)]


def told(*days: State | None) -> tuple[Entry, ...]:
    (line,) = lines(sights(*days))
    return line.entries


def brief(entries: Sequence[Entry]) -> list[tuple[str, int | None, int]]:
    """(kind, day before, day), oldest first."""
    return [
        (entry.kind, None if entry.before is None else int(entry.before.key[:4]), int(entry.at.key[:4]))
        for entry in reversed(entries)
    ]


# --- a state ------------------------------------------------------------------------------------------


def test_a_state_is_written_and_read_the_same() -> None:
    for one in (
        state(custom_institution="ETH\nZürich"),
        state(groups=None),
        state(groups=(), enabled=False),
        state(username="ada", sub=""),
    ):
        assert State.read(one.line()) == one
        assert b"\n" not in one.line()


def test_a_state_says_who_it_is_and_leaves_out_what_moves_by_itself() -> None:
    one = state(username="Ada", sub="1", created="2026-01-10T10:00:00+01:00")
    assert (one.key, one.label, one.email) == ("1", "ada@uni.example", "ada@uni.example")
    assert one.names == {"1", "ada", "ada@uni.example"}
    assert one.fields["UserCreateDate"] == "2026-01-10T09:00:00.000Z"
    assert "UserLastModifiedDate" not in one.fields
    nobody = state("", username="Ada", sub="", created="some day")
    assert (nobody.key, nobody.label, nobody.fields["UserCreateDate"]) == ("Ada", "Ada", "some day")
    assert "UserCreateDate" not in state(created="").fields
    assert state(created="2026-01-10T09:00:00Z") == state(created="2026-01-10T10:00:00.000+01:00")


def test_a_name_is_found_however_it_is_spelt_and_the_exact_spelling_wins() -> None:
    small, large = state("x@y.example", username="ada", sub="1"), state("", username="Ada", sub="2")
    assert bearing([small, large], "ADA") == [small, large]
    assert bearing([small, large], " Ada ") == [large]
    assert bearing([small, large], "X@Y.example") == [small]
    assert bearing([state("ju\u0308@x.io")], "J\u00dc@x.io")
    assert bearing([small, large], "bob") == []


# --- what happened ------------------------------------------------------------------------------------


def test_nothing_happened_is_first_seen_and_nothing_else() -> None:
    assert brief(told(state(), state(), state())) == [("first", None, 0)]
    assert brief(told(None, state())) == [("first", 0, 1)]
    assert lines([]) == ()


def test_a_change_is_told_with_the_two_backups_around_it() -> None:
    entries = told(state(), state(), state("bob@uni.example", sub=a_sub("ada@uni.example"), enabled=False))
    assert brief(entries) == [("first", None, 0), ("changed", 1, 2)]
    assert {(change.field, change.old, change.new) for change in entries[0].changes} == {
        ("email", "ada@uni.example", "bob@uni.example"),
        ("Enabled", "true", "false"),
    }


def test_an_attribute_that_comes_or_goes_was_not_there() -> None:
    (added, _) = told(state(), state(custom_institution="ETH"))
    assert [(c.field, c.old, c.new) for c in added.changes] == [("custom:institution", None, "ETH")]


def test_missing_then_back_under_the_same_sub() -> None:
    entries = told(state(), None, None, state(enabled=False))
    assert brief(entries) == [("first", None, 0), ("missing", 0, 1), ("back", 2, 3)]
    assert [change.field for change in entries[0].changes] == ["Enabled"]
    assert entries[1].state == state()


def test_back_under_a_new_identity_says_what_else_is_not_as_before() -> None:
    again = state(sub="new", status="FORCE_CHANGE_PASSWORD", groups=(), created="2026-12-01T00:00:00Z")
    entries = told(state(), None, again)
    assert brief(entries) == [("first", None, 0), ("missing", 0, 1), ("anew", 1, 2)]
    assert [(c.field, c.old, c.new) for c in entries[0].changes] == [("groups", "users", "")]
    assert told(state(), None, replace(again, groups=None))[0].changes == ()


def test_a_new_identity_at_once_is_told_before_the_old_one_is_missed() -> None:
    assert brief(told(state(), state(sub="new"))) == [("first", None, 0), ("anew", 0, 1), ("missing", 0, 1)]


def test_groups_that_a_backup_does_not_know_are_no_change() -> None:
    assert brief(told(state(), state(groups=None), state())) == [("first", None, 0)]
    entries = told(state(), state(groups=None, enabled=False), state(groups=("admins",)))
    assert brief(entries) == [("first", None, 0), ("changed", 0, 1), ("changed", 0, 2), ("changed", 1, 2)]
    by_fields = {change.field: entry for entry in entries for change in entry.changes}
    assert by_fields["groups"].before == point(0)


def test_groups_that_become_known_were_unknown_before() -> None:
    (known, _) = told(state(groups=None), state(groups=()))
    assert [(c.field, c.old, c.new) for c in known.changes] == [("groups", None, "")]


def test_groups_change_while_somebody_is_missing_and_not_known() -> None:
    entries = told(state(), None, state(groups=None), state(groups=("admins",)))
    assert brief(entries) == [("first", None, 0), ("missing", 0, 1), ("back", 1, 2), ("changed", 0, 3)]


def test_several_at_once_are_ambiguous_and_told_each() -> None:
    one, two = state(), state(sub="other")
    (line,) = lines([Sight(point(0), (one,)), Sight(point(1), (one, two)), Sight(point(2), (two,))])
    assert line.ambiguous == (point(1),)
    assert brief(line.entries) == [("first", None, 0), ("anew", 0, 1), ("missing", 1, 2)]
    assert line.there == (two,)


# --- pools of one name --------------------------------------------------------------------------------


def test_a_pool_that_came_after_another_goes_on_with_its_line() -> None:
    old, young = sights(state(), state(), pool_id="A"), sights(state(sub="new"), pool_id="B", first=2)
    (line,) = lines([*young, *old])
    assert (line.pool_id, line.newest) == ("", point(2))
    assert {entry.kind for entry in line.entries} == {"first", "anew", "missing"}


def test_two_pools_of_one_name_at_one_time_are_told_apart_and_what_says_not_which_is_in_no_line() -> None:
    here = [replace(sight, point=point(2 * day)) for day, sight in enumerate(sights(state(), state()))]
    there = [
        Sight(point(2 * day + 1), (), "eu-west-1_B") for day in range(2)
    ]  # never had the user: nobody is missing there
    either = [Sight(point(day), (state(enabled=False, groups=None),)) for day in (9, 8)]
    a, b = lines([*here, *there, *either])
    assert (a.pool_id, brief(a.entries), a.newest) == ("eu-west-1_A", [("first", None, 0)], point(2))
    assert (b.pool_id, brief(b.entries), b.newest) == ("eu-west-1_B", [], point(3))
    assert nameless([*there, *either, *here]) == (point(9), point(8))
    (line,) = lines([*here, *either])
    assert line.newest == point(9), "of one pool there is no doubt"
    assert nameless([*here, *either]) == ()


def test_pools_share_a_name_when_their_times_overlap() -> None:
    days = [DAY + timedelta(days=day) for day in range(6)]
    assert sharing({}) == sharing({"A": (days[0], days[5])}) == ()
    assert sharing({"B": (days[2], days[5]), "A": (days[0], days[1])}) == ()
    assert sharing({"B": (days[1], days[5]), "A": (days[0], days[1])}) == ("A", "B")
    assert sharing({"C": (days[3], days[4]), "B": (days[2], days[5]), "A": (days[0], days[1])}) == (
        "A",
        "B",
        "C",
    )


# --- who it is ----------------------------------------------------------------------------------------


def test_who_stands_beside_the_person_is_somebody_else() -> None:
    ada, bob, again = state(sub="1"), state("bob@uni.example", sub="2"), state(sub="3")
    kept, others = person(
        [Sight(point(0), (ada, bob)), Sight(point(1), (bob,)), Sight(point(2), (again,))], {"1"}
    )
    assert others == 1
    assert [tuple(one.key for one in sight.states) for sight in kept] == [("1",), (), ("3",)]


def test_found_is_whether_anything_is_told() -> None:
    assert not Timeline("ada").found
    assert not Timeline("ada", (Line("", (), point(0), ()),)).found
    assert Timeline("ada", lines(sights(state()))).found


# --- laws ---------------------------------------------------------------------------------------------

states = st.builds(
    lambda sub, email, name, enabled, groups: state(
        email, groups, sub=sub, name=name, enabled=enabled, username=sub
    ),
    st.sampled_from("12"),
    st.sampled_from(["", "ada@x.io", "bob@x.io"]),
    st.sampled_from(["Ada", "Bob"]),
    st.booleans(),
    st.sampled_from([None, (), ("admins",), ("admins", "users")]),
)
histories = st.lists(st.lists(states, max_size=2, unique_by=lambda one: one.key), min_size=1, max_size=12)


def replayed(entries: Sequence[Entry], days: int) -> list[dict[str, dict[str, str | None]]]:
    """Of each backup: key -> fields, from the entries alone."""
    now: dict[str, dict[str, str | None]] = {}
    last: dict[str, dict[str, str | None]] = {}
    found = []
    for day in range(days):
        for entry in (entry for entry in reversed(entries) if entry.at == point(day)):
            if entry.kind == "missing":
                last[entry.key] = now.pop(entry.key)
            elif entry.kind in ("first", "anew"):
                now[entry.key] = dict(entry.state.fields)
                groups = entry.state.groups
                now[entry.key]["groups"] = None if groups is None else ", ".join(groups)
            else:
                fields = now.setdefault(entry.key, dict(last.get(entry.key, {})))
                for change in entry.changes:
                    assert fields.get(change.field) == change.old
                    fields[change.field] = change.new
        found.append({key: dict(fields) for key, fields in now.items()})
    return found


@laws(300)
@given(histories)
def test_the_timeline_replayed_gives_back_the_states(days: list[list[State]]) -> None:
    seen = [Sight(point(day), tuple(some), "A") for day, some in enumerate(days)]
    (line,) = lines(seen)
    again = replayed(line.entries, len(days))
    for day, some in enumerate(days):
        assert again[day].keys() == {one.key for one in some}
        for one in some:
            fields = {name: value for name, value in again[day][one.key].items() if value is not None}
            groups = fields.pop("groups", None)
            assert fields == one.fields
            if one.groups is not None:
                assert groups == ", ".join(one.groups)
    assert line.there == tuple(days[-1])


@laws(100)
@given(histories, st.randoms(use_true_random=False))
def test_the_order_of_insertion_never_matters(days: list[list[State]], chance: random.Random) -> None:
    seen = [Sight(point(day), tuple(some), "AB"[day % 2]) for day, some in enumerate(days)]
    shuffled = list(seen)
    chance.shuffle(shuffled)
    assert lines(shuffled) == lines(seen)


# --- shards -------------------------------------------------------------------------------------------


def pieces(users: Sequence[User], memberships: Mapping[str, frozenset[str]] | None = None) -> list[Shard]:
    return list(cut(zip(users, range(len(users)), strict=True), len(users), users.__getitem__, memberships))


def found(cut_up: Sequence[Shard], name: str) -> list[State]:
    """Who bears a name, read as backups.history does."""
    bits, hashed = (len(cut_up) - 1).bit_length(), hash_of(name)
    keys = {hashed, *cut_up[number_of(hashed, bits)].keys_of(hashed)}
    every = ((key, State.read(line)) for key in sorted(keys) for line in cut_up[number_of(key, bits)].lines)
    return bearing((one for key, one in every if hash_of(one.key) == key), name)


def people(count: int) -> list[User]:
    return [a_user(f"person{number}@uni.example", name=f"Person {number}") for number in range(count)]


def test_everybody_is_found_by_every_name() -> None:
    users = [*people(200), a_user("Zoë@uni.example", username="Zoë", sub="z")]
    cut_up = pieces(users, {"Zoë": frozenset({"admins"})})
    assert len(cut_up) == 16
    for user in users:
        for name in (user.sub, user.username, user.email, user.email.upper()):
            assert [one.key for one in found(cut_up, name)] == [user.key]
    assert found(cut_up, "zoë")[0].groups == ("admins",)
    assert found(cut_up, users[0].sub)[0].groups == ()
    assert found(cut_up, "nobody") == []


def test_two_spellings_of_one_name_are_kept_as_one() -> None:
    (shard,) = pieces([a_user("ada@uni.example", username="Ada@uni.example", sub="")])
    assert shard.names == b""
    assert [one.username for one in found([shard], "ADA@uni.example")] == ["Ada@uni.example"]


def test_an_email_that_several_share_finds_all_of_them() -> None:
    users = [a_user("team@uni.example", username=name, sub=name) for name in ("ada", "bob", "eve")]
    assert {one.key for one in found(pieces(users), "team@uni.example")} == {"ada", "bob", "eve"}
    assert found(pieces(users), "ada")[0].groups is None


@laws(30)
@given(st.integers(0, 80), st.randoms(use_true_random=False))
def test_the_order_of_users_never_matters(count: int, chance: random.Random) -> None:
    users = people(count)
    shuffled = list(users)
    chance.shuffle(shuffled)
    assert [shard.digest for shard in pieces(users)] == [shard.digest for shard in pieces(shuffled)]


def test_who_comes_twice_counts_once_as_they_came_first() -> None:
    twice = [a_user(name="Ada"), a_user(name="Bob")]
    (shard,) = pieces(twice)
    assert [dict(State.read(line).attributes)["name"] for line in shard.lines] == ["Ada"]


def test_one_changed_user_changes_one_shard_and_an_email_three_at_most() -> None:
    users = people(600)
    before = {shard.digest for shard in pieces(users)}
    renamed = [a_user(users[0].email, name="Other"), *users[1:]]
    assert len({shard.digest for shard in pieces(renamed)} - before) == 1
    moved = [a_user("moved@uni.example", sub=users[0].sub, name="Person 0"), *users[1:]]
    assert 1 <= len({shard.digest for shard in pieces(moved)} - before) <= 3


def test_a_shard_is_kept_packed() -> None:
    (shard,) = pieces(people(10))
    assert Shard.unpacked(shard.names, shard.packed()) == shard
    assert len(shard.packed()) < len(shard.users)
    assert pieces([])[0].lines == []


@pytest.mark.parametrize(("users", "bits"), [(0, 0), (15, 0), (16, 1), (10_000, 10), (10**9, 20)])
def test_a_shard_has_some_users(users: int, bits: int) -> None:
    assert bits_for(users) == bits


def test_users_larger_than_any_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "MAX_SHARD", 1000)
    with pytest.raises(TooLarge):
        pieces([a_user(name="x" * 2000)])
