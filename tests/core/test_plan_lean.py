"""A plan of many: in little memory the same lines as with everybody in plain dicts."""

from __future__ import annotations

import tracemalloc
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core import plan
from backups.core.choices import Choices, Existing, Guard
from backups.core.matching import Index, Rules
from backups.core.plan import Line, everybody
from backups.core.plan.finish import Left
from backups.core.snapshot import PoolFacts, User
from tests.build import a_user, facts, laws

TAKEN = "2026-11-22T01:00:00.000Z"
DATES = ("2026-11-20T00:00:00.000Z", "2026-11-23T00:00:00.000Z")
POOLS = (
    facts(),
    facts(case_sensitive=True),
    facts(username_attributes=(), required=frozenset()),
    facts(username_attributes=(), alias_attributes=("email",), required=frozenset()),
)


class Plain(Index):
    """The obvious way: everybody in a list, every key and every name in a dict."""

    def __init__(self, rules: Rules, users: Collection[User]) -> None:
        self.listed: list[User] = []
        self.keys: dict[str, int] = {}
        self.names: dict[tuple[str, str], int] = {}
        super().__init__(rules, users)

    def __len__(self) -> int:
        return len(self.listed)

    def add(self, user: User, place: int = -1) -> None:
        if user.key not in self.keys:
            self.keys[user.key] = number = len(self.listed)
            self.listed.append(user)
            for name in self.rules.names(user):
                self.names.setdefault(name, number)

    def keyed(self, key: str) -> int | None:
        return self.keys.get(key)

    def named(self, how: str, name: str) -> int | None:
        return self.names.get((how, name))

    def user(self, number: int) -> User:
        return self.listed[number]


def somebody(
    sub: str, email: str, username: str, verified: bool, created: str, status: str, more: dict[str, str]
) -> User:
    name, of = username or sub or "x", {"name": "Ada"} | more
    return a_user(email, sub=sub, username=name, verified=verified, created=created, status=status, **of)


SUBS = st.sampled_from("123456")
UNTIL = st.sampled_from(["", "9999-12-31T00:00:00.000Z"])  # everybody changed later; nobody did
some = st.builds(
    somebody,
    st.sampled_from(["", *"123456"]),
    st.sampled_from(["", "ada@x.io", "Ada@x.io", "bob@x.io", "b\u00f6b@x.io", "bo\u0308b@x.io"]),
    st.sampled_from(["", "1", "ada", "Ada", "bob"]),
    st.booleans(),
    st.sampled_from(DATES),
    st.sampled_from(["CONFIRMED", "UNCONFIRMED", "FORCE_CHANGE_PASSWORD", "EXTERNAL_PROVIDER"]),
    st.sampled_from([{}, {"given_name": "A"}, {"name": ""}, {"custom_z": "1"}, {"identities": "[{}]"}]),
)
choices = st.builds(
    Choices,
    existing=st.sampled_from(Existing),
    guards=st.frozensets(st.sampled_from(Guard)),
    again=st.frozensets(SUBS),
    users=st.none() | st.just(("ada@x.io", "bob")),
)


@laws(300)
@given(
    backup=st.lists(some, max_size=7),
    live=st.lists(some, max_size=6),
    pool=st.sampled_from(POOLS),
    made=st.dictionaries(SUBS, st.lists(SUBS, min_size=1, unique=True)),
    unfinished=st.dictionaries(SUBS, st.integers(1, 3), max_size=2),
    left=st.dictionaries(SUBS, st.builds(Left, st.integers(4, 6), UNTIL), max_size=2),
    choices=choices,
    taken_at=st.sampled_from([TAKEN, ""]),
    admins=st.sampled_from([(), ("Ada@x.io",)]),
)
def test_the_lean_way_and_the_plain_way_give_the_same_lines(
    backup: list[User],
    live: list[User],
    pool: PoolFacts,
    made: dict[str, list[str]],
    unfinished: dict[str, int],
    left: dict[str, Left],
    choices: Choices,
    taken_at: str,
    admins: tuple[str, ...],
) -> None:
    def planned(index: Index) -> list[Line]:
        more: dict[str, Any] = {"choices": choices, "taken_at": taken_at, "admins": admins}
        return list(
            plan.lines(
                lambda: iter(backup),
                index,
                pool,
                restored=lambda subs: {sub: made[sub] for sub in subs if sub in made},
                unfinished=unfinished,
                left=left,
                **more,
            )
        )

    rules = Rules.of(pool)
    places = {number * 97: orjson.dumps(user.entry) for number, user in enumerate(live)}
    lean = Index(rules, at=lambda place: User.of(orjson.loads(places[place])))
    for place, user in zip(places, live, strict=True):
        lean.add(user, place)
    assert planned(lean) == planned(Index(rules, live)) == planned(Plain(rules, live))


def test_who_comes_twice_is_found_in_turns_too(monkeypatch: pytest.MonkeyPatch) -> None:
    users = [a_user(f"{number % 60}@x.io", sub=str(number)) for number in range(90)]

    def said() -> list[tuple[str, str]]:
        lines = plan.lines(lambda: iter(users), Index(Rules.of(facts())), facts())
        return [(line.key, line.reason) for line in lines]

    at_once = said()
    assert [reason for _, reason in at_once] == ["missing"] * 60 + ["duplicate"] * 30
    monkeypatch.setattr(everybody, "_PART", 7)
    assert said() == at_once


def test_memory_grows_by_few_bytes_a_user() -> None:
    """A user's own entry takes some 2,000 bytes in memory, and the four texts that matter 400."""
    number = 20_000

    def person(place: int) -> User:
        return a_user(f"person{place}@uni.example", sub=f"{place:032x}")

    def planned() -> int:
        index = Index(Rules.of(facts()), at=person)
        for place in range(number):
            index.add(person(place), place)
        lines = plan.lines(lambda: map(person, range(number)), index, facts(), taken_at=TAKEN)
        return sum(line.reason == "exists" for line in lines)

    tracemalloc.start()
    try:
        assert planned() == number
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200 * number


@pytest.mark.parametrize("existing", [Existing.FILL, Existing.OVERWRITE])
def test_who_is_written_over_is_read_again(existing: Existing) -> None:
    was, now = a_user(sub="1", given_name="A"), a_user(sub="1", given_name="")
    index = Index(Rules.of(facts()), at={7: now}.__getitem__)
    index.add(a_user(sub="1"), 7)
    choices = replace(Choices(), existing=existing, guards=frozenset(Guard))
    [line] = plan.lines(lambda: [was], index, facts(), choices=choices)
    assert line.changes == (("given_name", "", "A"),)
