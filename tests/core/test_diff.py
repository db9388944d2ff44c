"""The laws of comparing, and what a change is."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core import diff as module
from backups.core.diff import MARK, Change, Choices, Counts, Kind, Memberships, Side, diff, diff_groups, mark
from backups.core.matching import Rules
from backups.core.snapshot import Group, User, in_utc
from tests.build import a_user, laws

EMAIL_POOL = Choices(Rules(email_is_username=True, case_sensitive=False))
NAME_POOL = Choices(Rules(email_is_username=False, case_sensitive=True))
TAKEN = "2026-06-01T00:00:00.000Z"
LATER = "2026-07-01T00:00:00.000Z"


def side(
    users: Sequence[User],
    memberships: Memberships | None = None,
    factors: Mapping[str, str] | None = None,
    taken_at: str = "",
) -> Side:
    """Everybody once, as a reading has it."""
    once = list({user.key: user for user in reversed(users)}.values())[::-1]
    marks = [MARK.unpack(mark(orjson.dumps(user.entry), place)) for place, user in enumerate(once)]

    def named(names: Collection[str]) -> Iterator[tuple[str, int]]:
        return ((user.username, place) for place, user in enumerate(once) if user.username in names)

    return Side(len(once), lambda: iter(marks), once.__getitem__, named, memberships, factors, taken_at)


def walk(
    a: Side | Sequence[User], b: Side | Sequence[User], choices: Choices = EMAIL_POOL
) -> tuple[list[Change], Counts]:
    counts = Counts()
    one, two = (given if isinstance(given, Side) else side(given) for given in (a, b))
    return list(diff(one, two, choices, counts)), counts


users = st.builds(
    lambda sub, email, username, name, enabled, verified, created: a_user(
        email,
        sub=sub,
        username=username or sub,
        name=name,
        enabled=enabled,
        verified=verified,
        created=created,
    ),
    st.sampled_from("12345678"),
    st.sampled_from(["", "ada@x.io", "Ada@x.io", "bob@x.io", "j\u00fc@x.io", "ju\u0308@x.io"]),
    st.sampled_from(["", "ada", "Ada", "bob"]),
    st.sampled_from(["Ada", "Bob"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([TAKEN, LATER]),
)
people = st.lists(users, min_size=1, max_size=6, unique_by=lambda user: user.key)
names = st.dictionaries(
    st.sampled_from([*"12345678", "ada", "Ada", "bob"]),
    st.frozensets(st.sampled_from(["admins", "beta"]), min_size=1),
)
sides = st.builds(side, people, st.none() | names, st.none() | st.just({"ada": "SMS_MFA"}), st.just(TAKEN))
choices = st.builds(
    lambda rules, dates, made: Choices(
        rules,
        dates=dates,
        privileged=frozenset({"admins"}),
        restored=lambda subs: {sub: made[sub] for sub in subs if sub in made},
    ),
    st.builds(Rules, st.booleans(), st.booleans()),
    st.booleans(),
    st.dictionaries(
        st.sampled_from("12345678"),
        st.lists(st.sampled_from("12345678"), unique=True, max_size=2),
        max_size=4,
    ),
)


def users_of(one: Side) -> list[User]:
    return [one.at(place) for place in range(one.size)]


def told(changes: Sequence[Change]) -> Counter[tuple[object, ...]]:
    return Counter(
        (c.kind, c.side, c.user.key, c.other and c.other.key, c.matched_by, frozenset(c.fields), c.security)
        for c in changes
    )


@laws(70)
@given(a=sides, choices=choices)
def test_nothing_differs_from_itself(a: Side, choices: Choices) -> None:
    changes, counts = walk(a, side([*users_of(a), *users_of(a)], a.memberships, a.factors), choices)
    assert changes == []
    assert (counts.same, counts.from_users, counts.to_users) == (a.size, a.size, a.size)
    assert counts.memberships_from == counts.memberships_to == counts.memberships_same


@laws(150)
@given(a=sides, b=sides, choices=choices)
def test_the_other_way_round_is_the_mirror(a: Side, b: Side, choices: Choices) -> None:
    there, forth = walk(a, b, choices)
    back, mirrored = walk(b, a, choices)
    kinds = {Kind.ONLY_FROM: Kind.ONLY_TO, Kind.ONLY_TO: Kind.ONLY_FROM}

    def seen(change: Change, *, mirror: bool) -> tuple[object, ...]:
        fields = frozenset((f, new, old) if mirror else (f, old, new) for f, old, new in change.fields)
        pair = (change.user.key, change.other.key) if change.other else (change.user.key,)
        kind = kinds.get(change.kind, change.kind) if mirror else change.kind
        return kind, frozenset(pair), change.matched_by, fields

    assert Counter(seen(c, mirror=True) for c in back) == Counter(seen(c, mirror=False) for c in there)
    assert forth == replace(
        mirrored,
        from_users=mirrored.to_users,
        to_users=mirrored.from_users,
        only_from=mirrored.only_to,
        only_to=mirrored.only_from,
        ambiguous_from=mirrored.ambiguous_to,
        ambiguous_to=mirrored.ambiguous_from,
        memberships_from=mirrored.memberships_to,
        memberships_to=mirrored.memberships_from,
        security=forth.security,
    )


@laws(70)
@given(a=sides, b=sides, choices=choices, seed=st.integers(0, 99))
def test_order_never_matters(a: Side, b: Side, choices: Choices, seed: int) -> None:
    def shuffled(one: Side, seed: int) -> Side:
        order = users_of(one)
        random.Random(seed).shuffle(order)
        return side(order, one.memberships, one.factors, one.taken_at)

    mine, counts = walk(a, b, choices)
    theirs, recounted = walk(shuffled(a, seed), shuffled(b, seed + 1), choices)
    assert told(mine) == told(theirs) and counts == recounted


@laws(100)
@given(a=sides, b=sides, choices=choices)
def test_everybody_is_counted_once(a: Side, b: Side, choices: Choices) -> None:
    changes, n = walk(a, b, choices)
    both = n.same + n.changed + n.anew + n.again
    assert n.from_users == both + n.only_from + n.ambiguous_from == a.size
    assert n.to_users == both + n.only_to + n.ambiguous_to == b.size
    assert len(changes) == n.from_users + n.to_users - both - n.same
    assert 0 <= n.memberships_same <= min(n.memberships_from, n.memberships_to)


@laws(50)
@given(a=people, b=people, choices=choices, part=st.integers(1, 3))
def test_taking_the_users_in_turns_changes_nothing(
    a: list[User], b: list[User], choices: Choices, part: int
) -> None:
    whole, counts = walk(a, b, choices)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PART", part)
        parts, recounted = walk(a, b, choices)
    assert told(whole) == told(parts) and counts == recounted


def test_a_change_says_field_old_and_new() -> None:
    old = a_user("ada@x.io", name="Ada", custom_institution="MIT", status="CONFIRMED")
    new = a_user("ada@x.io", name="Ada L.", status="RESET_REQUIRED", enabled=False)
    [change], counts = walk([old], [new])
    assert (change.kind, change.matched_by, change.other) == (Kind.CHANGED, "sub", new)
    assert set(change.fields) == {
        ("name", "Ada", "Ada L."),
        ("custom:institution", "MIT", ""),
        ("UserStatus", "CONFIRMED", "RESET_REQUIRED"),
        ("Enabled", "true", "false"),
    }
    assert counts.fields["name"] == 1 and counts.security == {"disabled": 1}


def test_dates_and_an_empty_attribute_are_no_change() -> None:
    old, new = a_user("ada@x.io", created="2020-01-01T00:00:00Z"), a_user("ada@x.io")
    new.entry["Attributes"].append({"Name": "custom:institution", "Value": ""})
    new = User.of(new.entry)
    assert walk([old], [new])[0] == []
    [change], _ = walk([old], [new], replace(EMAIL_POOL, dates=True))
    assert change.fields[0][0] == "UserCreateDate"
    assert change.fields[0][1:] == ("2020-01-01T00:00:00.000Z", in_utc(new.created))


def test_an_address_without_a_flag_is_one_that_was_never_verified() -> None:
    never, silent = a_user("ada@x.io", verified=False), a_user("ada@x.io", verified=False)
    flag = [one for one in silent.entry["Attributes"] if one["Name"] == "email_verified"]
    silent = User.of(silent.entry | {"Attributes": [o for o in silent.entry["Attributes"] if o not in flag]})
    assert flag and walk([silent], [never])[0] == walk([never], [silent])[0] == []
    [change], _ = walk([silent], [a_user("ada@x.io")])
    assert change.fields == (("email_verified", "false", "true"),)


def test_a_field_that_nobody_knows_today_is_compared_too() -> None:
    old, new = a_user("ada@x.io"), a_user("ada@x.io")
    new = User.of(new.entry | {"RiskLevel": "HIGH", "Passkeys": [{"b": 1, "a": 2}], "MFAOptions": []})
    [change], _ = walk([old], [new])
    assert change.fields == (("RiskLevel", "", "HIGH"), ("Passkeys", "", '[{"a":2,"b":1}]'))


def test_the_same_person_under_another_sub_is_shown_and_no_change() -> None:
    old = a_user("ada@x.io", sub="1", status="CONFIRMED")
    new = a_user("ada@x.io", sub="2", status="FORCE_CHANGE_PASSWORD", created=LATER)
    [change], counts = walk([old], [new], replace(EMAIL_POOL, dates=True))
    assert (change.kind, change.matched_by, change.fields) == (Kind.ANEW, "email", ())
    assert change.other == new and (counts.anew, counts.same, counts.changed) == (1, 0, 0)


@pytest.mark.parametrize(
    ("created", "restored", "kind"),
    [
        (LATER, frozenset(), Kind.AGAIN),
        (LATER, frozenset({"2"}), Kind.ANEW),
        ("2026-05-01T02:00:00+02:00", frozenset(), Kind.ANEW),
        ("some day", frozenset(), Kind.ANEW),
    ],
)
def test_who_registered_after_the_backup_is_told_apart_from_whom_a_restore_made(
    created: str, restored: Collection[str], kind: Kind
) -> None:
    old, new = a_user("ada@x.io", sub="1"), a_user("ada@x.io", sub="2", created=created)
    choices = replace(EMAIL_POOL, restored=lambda subs: {sub: ("?",) for sub in subs if sub in restored})
    [change], counts = walk(side([old], taken_at=TAKEN), side([new], taken_at=LATER), choices)
    assert (change.kind, change.other) == (kind, new) and getattr(counts, kind.value) == 1
    [change], _ = walk(side([new], taken_at=LATER), side([old], taken_at=TAKEN), choices)
    assert change.kind == kind


@pytest.mark.parametrize("status", ["FORCE_CHANGE_PASSWORD", "RESET_REQUIRED"])
def test_nobody_is_said_to_have_registered_who_was_invited_or_imported(status: str) -> None:
    old, new = a_user("ada@x.io", sub="1"), a_user("ada@x.io", sub="2", created=LATER, status=status)
    [change], _ = walk(side([old], taken_at=TAKEN), side([new], taken_at=LATER))
    assert change.kind == Kind.ANEW


def ledger(*made: tuple[str, *tuple[str, ...]]) -> Choices:
    """(new sub, what the same person was before): what restores of ours wrote down."""
    known = {new: before for new, *before in made}
    return replace(EMAIL_POOL, restored=lambda subs: {sub: known[sub] for sub in subs if sub in known})


@pytest.mark.parametrize("turned", [False, True])
def test_whom_a_restore_made_is_the_same_person_whatever_the_name_is_now(turned: bool) -> None:
    before = [a_user("ada@x.io", sub="1"), a_user("bob@x.io", sub="2"), a_user("bob@x.io", sub="3")]
    after = [
        a_user("lovelace@x.io", sub="7", created=LATER),  # restored twice, and has a new address
        a_user("bob@x.io", sub="8", created=LATER),
        a_user("bob@x.io", sub="9", created=LATER),
    ]
    a, b = side(before, taken_at=TAKEN), side(after, taken_at=LATER)
    changes, counts = walk(*((b, a) if turned else (a, b)), ledger(("7", "5", "1"), ("8", "3"), ("9", "2")))
    met = {frozenset((c.user.sub, c.other.sub)): (c.kind, c.matched_by) for c in changes if c.other}
    assert met == dict.fromkeys(map(frozenset, ["17", "38", "29"]), (Kind.ANEW, "restore"))
    assert counts.anew == 3 and counts.ambiguous_from == counts.ambiguous_to == 0


def test_where_restores_made_two_out_of_one_the_name_decides() -> None:
    a = [a_user("ada@x.io", sub="1")]
    b = [a_user("ada@x.io", sub="2"), a_user("other@x.io", sub="3")]
    changes, _ = walk(a, b, ledger(("2", "1"), ("3", "1")))
    assert {(c.kind, c.user.sub, c.matched_by) for c in changes} == {
        (Kind.ANEW, "1", "email"),
        (Kind.ONLY_TO, "3", ""),
    }


def test_an_email_in_another_case_is_the_same_person_where_the_pool_folds() -> None:
    [change], _ = walk([a_user("Ada@x.io", sub="1")], [a_user("ada@x.io", sub="2")])
    assert (change.fields, change.matched_by) == ((("email", "Ada@x.io", "ada@x.io"),), "email")
    strict, _ = walk([a_user("Ada@x.io", sub="1")], [a_user("ada@x.io", sub="2")], Choices(Rules(True, True)))
    assert [c.kind for c in strict] == [Kind.ONLY_FROM, Kind.ONLY_TO]


def test_a_name_that_fits_two_matches_nobody() -> None:
    a = [a_user("Ada@x.io", sub="1"), a_user("ada@x.io", sub="2"), a_user("bob@x.io", sub="3")]
    changes, counts = walk(a, [a_user("ada@x.io", sub="9"), a_user("bob@x.io", sub="3")])
    assert [(c.kind, c.side, c.user.sub, c.matched_by) for c in changes] == [
        (Kind.AMBIGUOUS, "from", "1", "email"),
        (Kind.AMBIGUOUS, "from", "2", "email"),
        (Kind.AMBIGUOUS, "to", "9", "email"),
    ]
    assert (counts.ambiguous_from, counts.ambiguous_to, counts.same) == (2, 1, 1)


@pytest.mark.parametrize("turned", [False, True])
def test_the_username_is_surer_than_the_email_whoever_comes_first(turned: bool) -> None:
    by_email = a_user("bob@x.io", sub="1", username="ada")
    by_name = a_user("other@x.io", sub="2", username="bob")
    there = a_user("bob@x.io", sub="9", username="bob")
    a = [by_name, by_email] if turned else [by_email, by_name]
    changes, _ = walk(a, [there], NAME_POOL)
    assert {(c.kind, c.user.sub, c.matched_by) for c in changes} == {
        (Kind.ANEW, "2", "username"),
        (Kind.ONLY_FROM, "1", ""),
    }


def test_groups_count_only_where_both_sides_know_them() -> None:
    ada, bob = a_user("ada@x.io"), a_user("bob@x.io")
    old = {ada.username: frozenset({"beta", "admins"}), bob.username: frozenset({"beta"})}
    [change], counts = walk(side([ada, bob], old), side([ada, bob], {bob.username: frozenset({"beta"})}))
    assert change.fields == (("groups", "admins, beta", ""),) and counts.same == 1
    assert (counts.memberships_from, counts.memberships_to, counts.memberships_same) == (3, 1, 1)
    assert walk(side([ada], old), side([ada]))[0] == []


def test_memberships_follow_the_person_and_not_the_name() -> None:
    """Another person under a Username is not in that person's groups; the same one elsewhere is."""
    here, there = a_user("ada@x.io", sub="1"), a_user("ada@x.io", sub="2")
    beta = frozenset({"beta"})
    _, counts = walk(side([here], {"1": beta}), side([there], {"2": beta}))
    assert (counts.anew, counts.memberships_same) == (1, 1)
    old, new = a_user("old@x.io", sub="1", username="ada"), a_user("new@x.io", sub="2", username="ada")
    _, counts = walk(
        side([old], {"ada": beta}, taken_at=TAKEN),
        side([replace_created(new)], {"ada": beta}, taken_at=LATER),
        NAME_POOL,
    )
    assert (counts.again, counts.memberships_same) == (1, 0)


def replace_created(user: User) -> User:
    return User.of(user.entry | {"UserCreateDate": LATER})


def test_second_factors_count_only_where_both_sides_know_them() -> None:
    ada = a_user("ada@x.io")
    [change], counts = walk(side([ada], factors={ada.username: "SMS_MFA"}), side([ada], factors={}))
    assert (change.fields, change.security) == ((("second factors", "SMS_MFA", ""),), ("factors",))
    assert counts.security == {"factors": 1}
    assert walk(side([ada], factors={ada.username: "SMS_MFA"}), side([ada]))[0] == []


def test_what_touches_security_is_told_with_the_user() -> None:
    choices = replace(EMAIL_POOL, privileged=frozenset({"admins"}))
    up, down, came = a_user("up@x.io"), a_user("down@x.io"), a_user("came@x.io")
    moved, off = a_user("moved@x.io", sub="m"), a_user("off@x.io", enabled=False)
    a = side([up, down, moved, off], {down.username: frozenset({"admins"})})
    b = side(
        [up, down, came, a_user("elsewhere@x.io", sub="m"), a_user("off@x.io")],
        {up.username: frozenset({"admins"}), came.username: frozenset({"admins"})},
    )
    changes, counts = walk(a, b, choices)
    assert {c.user.label: c.security for c in changes} == {
        "up@x.io": ("privileged",),
        "down@x.io": ("unprivileged",),
        "came@x.io": ("privileged",),
        "moved@x.io": ("contact",),
        "off@x.io": ("enabled",),
    }
    assert counts.security["privileged"] == 2


@pytest.mark.parametrize("turned", [False, True])
def test_where_one_side_is_empty_the_other_is_all_there_is(turned: bool) -> None:
    a, b = side([a_user("ada@x.io"), a_user("bob@x.io")]), side([])
    changes, counts = walk(b, a) if turned else walk(a, b)
    assert changes == [] and counts.whole == ("to" if turned else "from")
    assert (counts.only_from, counts.only_to) == ((0, 2) if turned else (2, 0))
    assert walk(b, b)[1] == Counts()


def test_the_order_is_that_of_the_sides_kind_by_kind() -> None:
    a = [*(a_user(f"a{n}@x.io") for n in range(5)), a_user("same@x.io", name="old")]
    b = [*(a_user(f"b{n}@x.io") for n in range(3)), a_user("same@x.io", name="new")]
    changes, _ = walk(a, b)
    assert [c.user for c in changes] == [a[5], *a[:5], *b[:3]]


def test_a_long_walk_asks_whether_to_go_on() -> None:
    asked = []
    a, b = [a_user(f"{n}@x.io") for n in range(1500)], [a_user("b@x.io")]
    list(diff(side(a), side(b), EMAIL_POOL, Counts(), lambda: asked.append(1)))
    assert len(asked) == 6  # 1,500 subs, ledger, names and rows, and one there as often


def test_groups_differ_by_name_and_by_what_they_are() -> None:
    a = [Group("admins", "all", 1, "arn:role/a"), Group("beta", members=("1",)), Group("old")]
    b = [Group("new", role_arn="arn:role/n"), Group("beta"), Group("admins", "", None, "arn:role/b")]
    changes, same = diff_groups(a, b)
    assert [(c.kind, c.group.name, c.fields, c.security) for c in changes] == [
        (
            Kind.CHANGED,
            "admins",
            (("description", "all", ""), ("precedence", "1", ""), ("IAM role", "arn:role/a", "arn:role/b")),
            ("role",),
        ),
        (Kind.ONLY_TO, "new", (), ("role",)),
        (Kind.ONLY_FROM, "old", (), ()),
    ]
    assert same == 1
    assert diff_groups([Group("x", "a")], [Group("x", "b")])[0][0].security == ()
    assert module.privileged(a, None) == {"admins"}
