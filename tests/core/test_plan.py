"""What a restore would do, person by person, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core import plan
from backups.core.choices import Choices, Condition, Existing, Guard, How
from backups.core.matching import Index, Rules
from backups.core.plan import REASONS, Action, Counts, Line, Messages
from backups.core.seen import fingerprint
from backups.core.snapshot import PoolFacts, User
from tests.build import a_user, facts, laws, sample, users_of

TAKEN = "2026-11-22T01:00:00.000Z"
BEFORE, AFTER = "2026-11-20T00:00:00.000Z", "2026-11-23T00:00:00.000Z"
NAME_POOL = facts(username_attributes=(), required=frozenset())
PHONE_POOL = facts(username_attributes=("phone_number",), required=frozenset())
ALIAS_POOL = facts(username_attributes=(), alias_attributes=("email",), required=frozenset())


def lines(
    users: Sequence[User],
    live: Sequence[User] = (),
    pool: PoolFacts | None = None,
    *,
    taken_at: str = TAKEN,
    **more: Any,
) -> list[Line]:
    pool = pool or facts()
    index = Index(Rules.of(pool), live)
    return list(plan.lines(lambda: iter(users), index, pool, taken_at=taken_at, **more))


def by_us(**made: str) -> Any:
    """A ledger in which restores of ours made one sub of another, ``_9="1"``, or of several, ``_9="1 2"``."""
    ledger = {sub.lstrip("_"): before.split() for sub, before in made.items()}
    return lambda subs: {sub: ledger[sub] for sub in subs if sub in ledger}


def said(*args: Any, **kwargs: Any) -> list[tuple[str, str]]:
    return [(line.action.value, line.reason) for line in lines(*args, **kwargs)]


def counted(users: Sequence[User], *args: Any, **kwargs: Any) -> Counts:
    counts = Counts()
    for line in lines(users, *args, **kwargs):
        counts.note(line)
    return counts


# --- who comes back --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cbr-users.json", "cbr-users-cognitolocal.json", "mifi-users.json"])
def test_what_the_old_tools_wrote_into_an_empty_pool(name: str) -> None:
    found = lines(users_of(sample(name)))
    assert [(line.user.email or "-", line.action.value, line.reason) for line in found] == [
        ("alice@example.org", "create", "missing"),
        ("bob@example.org", "create", "missing"),
        ("carol@example.org", "create", "missing"),
        ("-", "cannot", "no-email"),
        ("eve@example.org", "create", "missing"),
        ("Eve@Example.org", "skip", "duplicate"),
        ("goog@example.org", "skip", "linked"),
        ("unverified@example.org", "create", "missing-unverified"),
    ]
    assert found[6].detail == "Google" and [line.position for line in found] == list(range(8))
    assert found[0].username == "alice@example.org"
    assert found[0].attributes == {
        "name": 'Älice Ünï "Q" \\ 日本',
        "custom:institution": "Harvard",
        "custom:agreed_terms": "true",
        "custom:agreed_emails": "false",
        "email": "alice@example.org",
        "email_verified": "true",
    }
    assert found[7].attributes["email_verified"] == "false"


def test_whoever_is_there_is_left_alone_and_mapped() -> None:
    [line] = lines([a_user("ada@x.io", sub="1")], [a_user("other@x.io", sub="1")])
    assert (line.action, line.reason) == (Action.SKIP, "exists") and line.known and line.known.sub == "1"


def test_in_a_file_without_subs_the_username_is_the_key() -> None:
    user = a_user("ada@x.io", sub="", username="1")
    [line] = lines([user], [a_user("ada@x.io", sub="1")])
    assert line.reason == "exists" and line.known and line.known.sub == "1"


def test_groups_come_with_the_user() -> None:
    ada, bob = a_user("ada@x.io"), a_user("bob@x.io")
    found = lines([ada, bob], memberships={ada.username: frozenset({"beta", "admins"})})
    assert [line.groups for line in found] == [("admins", "beta"), ()]


def test_an_entry_that_comes_twice_is_one_person() -> None:
    assert said([a_user("ada@x.io"), a_user("ada@x.io")]) == [("create", "missing")]


@pytest.mark.parametrize(
    ("user", "action", "reason", "detail"),
    [
        (a_user("a@x.io", status="EXTERNAL_PROVIDER", username="Google_7"), "skip", "federated", "Google"),
        (
            a_user(
                "a@x.io", status="CONFIRMED", username="google_7", identities='[{"providerName":"Google"}]'
            ),
            "skip",
            "federated",
            "Google",
        ),
        (a_user("a@x.io", identities='[{"providerName":"Okta"}]'), "skip", "linked", "Okta"),
        (a_user("a@x.io", identities="[{}]"), "skip", "linked", "another provider"),
        (a_user("a@x.io", identities="{no json"), "skip", "linked", "another provider"),
        (a_user("a@x.io", identities="[]"), "create", "missing", ""),
        (a_user("a@x.io", identities='["x"]'), "create", "missing", ""),
        (a_user("a@x.io", status="UNCONFIRMED"), "skip", "unconfirmed", ""),
        (a_user("a@x.io", status="RESET_REQUIRED"), "create", "missing", ""),
        (a_user("a@x.io", enabled=False), "create", "missing", ""),
        (a_user("", username="x"), "cannot", "no-email", ""),
        (a_user("a@x.io", name=""), "cannot", "required-attribute", "name"),
        (
            a_user("a@x.io", **{"custom_z": "1", "custom_a": "2"}),
            "cannot",
            "unknown-attribute",
            "custom:a, custom:z",
        ),
        (a_user("a@x.io", **{"dev:custom:a": "1"}), "cannot", "unknown-attribute", "dev:custom:a"),
        (a_user("a@x.io", custom_institution="MIT"), "create", "missing", ""),
    ],
)
def test_each_kind_of_person(user: User, action: str, reason: str, detail: str) -> None:
    [line] = lines([user])
    assert (line.action, line.reason, line.detail) == (action, reason, detail)


def test_the_sub_is_required_of_nobody() -> None:
    assert said([a_user("a@x.io")], pool=facts(required=frozenset({"sub", "email"}))) == [
        ("create", "missing")
    ]


@pytest.mark.parametrize(
    ("user", "pool", "reason"),
    [
        (a_user("", username="ada b"), NAME_POOL, "no-username"),
        (a_user("", username="ada@x.io"), ALIAS_POOL, "no-username"),
        (a_user("", username="ada@x.io"), NAME_POOL, "missing-unverified"),
        (a_user("ada@x.io", username="ada"), ALIAS_POOL, "missing"),
        (a_user("ada@x.io", phone_number="+49301"), PHONE_POOL, "no-username"),
    ],
)
def test_a_username_must_be_one_that_the_pool_takes(user: User, pool: PoolFacts, reason: str) -> None:
    [line] = lines([user], pool=pool)
    assert line.reason == reason
    assert line.username == ("" if reason == "no-username" else user.username)


def test_in_a_pool_of_phone_numbers_who_exists_is_written_over() -> None:
    was, now = a_user("a@x.io", sub="1", given_name="A"), a_user("a@x.io", sub="1")
    assert changed(was, now, FILL, pool=PHONE_POOL) == {"given_name": ("", "A")}
    both = facts(username_attributes=("phone_number", "email"))
    assert said([was], pool=both) == [("create", "missing")], "by the e-mail"


# --- what is written -------------------------------------------------------------------------


def test_what_is_cognitos_own_is_never_written() -> None:
    user = a_user("a@x.io", identities="[]", **{"cognito:mfa_enabled": "true"})
    assert plan.writable(user) == {"name": "Ada", "email": "a@x.io", "email_verified": "true"}


def test_verified_is_always_written_beside_its_address_and_never_alone() -> None:
    user = a_user("a@x.io", verified=False, phone_number="+41", given_name="A")
    assert plan.writable(user)["email_verified"] == "false"
    assert plan.writable(user)["phone_number_verified"] == "false"
    alone = a_user("", username="ada", phone_number_verified="true", email_verified="true")
    assert plan.writable(alone) == {"name": "Ada"}


def test_only_true_is_verified() -> None:
    for value, written in (("TRUE", "true"), ("yes", "false"), ("1", "false")):
        user = User.of(
            {
                "Username": "a",
                "Attributes": [
                    {"Name": "email", "Value": "a@x.io"},
                    {"Name": "email_verified", "Value": value},
                ],
            }
        )
        assert plan.writable(user)["email_verified"] == written
        assert user.email_verified is (written == "true")


# --- who is mapped to whom -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason"), [("CONFIRMED", "registered-again"), ("UNCONFIRMED", "unfinished-again")]
)
def test_whoever_registered_again_is_never_mapped(status: str, reason: str) -> None:
    newcomer = a_user("Ada@x.io", sub="9", created=AFTER, status=status)
    [line] = lines([a_user("ada@x.io", sub="1")], [newcomer], choices=Choices(again=frozenset({"2"})))
    assert (line.action, line.reason, line.known) == (Action.SKIP, reason, None)


def test_who_was_restored_by_an_earlier_job_is_mapped() -> None:
    again = a_user("ada@x.io", sub="9", created=AFTER)
    [line] = lines([a_user("ada@x.io", sub="1")], [again], restored=by_us(_9="1"))
    assert line.reason == "exists" and line.known and line.known.sub == "9"


def test_who_was_there_before_the_backup_is_mapped_by_name() -> None:
    [line] = lines([a_user("ada@x.io", sub="1")], [a_user("ada@x.io", sub="9", created=BEFORE)])
    assert line.reason == "exists" and line.known and line.known.sub == "9"


def test_without_a_time_a_name_alone_makes_nobody_the_same_person() -> None:
    there = a_user("ada@x.io", sub="9", created=AFTER)
    asked = [a_user("ada@x.io", sub="1")]
    (line,) = lines(asked, [there], taken_at="")
    assert (line.reason, line.known) == ("same-name", None)
    (line,) = lines(asked, [there], taken_at="", restored=by_us(_9="1"))
    assert (line.reason, line.known and line.known.sub) == ("exists", "9")


def test_whom_an_earlier_job_began_and_did_not_finish_is_said() -> None:
    asked, there = [a_user("ada@x.io", sub="1")], a_user("ada@x.io", sub="9", created=AFTER)
    for unfinished, known in ({"9": 7}, "9"), ({"1": 7}, ""):
        (line,) = lines(asked, [there], unfinished=unfinished)
        assert (line.action, line.reason, line.detail) == ("skip", "unfinished", "7")
        assert (line.known.sub if line.known else "") == known, "who it is, only where that job made them"
        assert plan.sentence(line.reason, line.detail) == (
            "was begun by job 7 and is not finished; go on with that job"
        )
    (line,) = lines(asked, [], unfinished={"1": 7})
    assert line.action == "create", "nobody is there: there is nothing to go on with"


@pytest.mark.parametrize("existing", list(Existing))
def test_a_stranger_who_has_the_address_is_nobody_whom_a_job_began(existing: Existing) -> None:
    stranger = a_user("ada@x.io", sub="9", created=AFTER, name="Stranger")
    (line,) = lines(
        [a_user("ada@x.io", sub="1")], [stranger], unfinished={"1": 7}, choices=Choices(existing=existing)
    )
    assert (line.action, line.known, line.changes) == (Action.SKIP, None, ())


def test_who_came_back_otherwise_was_not_begun_by_the_job_that_failed() -> None:
    asked, there = [a_user("ada@x.io", sub="1")], a_user("ada@x.io", sub="9", created=AFTER)
    (line,) = lines(asked, [there], unfinished={"1": 7}, restored=by_us(_9="1"))
    assert (line.reason, line.known and line.known.sub) == ("exists", "9")
    (line,) = lines(asked, [there], unfinished={"9": 8, "1": 7}, restored=by_us(_9="1"))
    assert (line.reason, line.detail) == ("unfinished", "8"), "that job made this very account"


def test_two_entries_of_one_key_are_two_lines_unless_they_are_the_same() -> None:
    ada, twin = a_user("ada@x.io", sub="1"), a_user("bob@x.io", sub="1")
    found = lines([ada, ada, twin, ada], [])
    assert [(line.key, line.action, line.reason) for line in found] == [
        ("1", "create", "missing"),
        ("1#2", "skip", "duplicate"),
    ]


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        (a_user("a" * 125 + "@x.io"), "no-username"),
        (a_user("ada b@x.io"), "no-username"),
        (a_user("no at sign"), "no-username"),
        (a_user("ada"), "no-username"),
        (a_user("ada@x.io", foo="1"), "unknown-attribute"),
        (a_user("ada@x.io", profile="x" * 2049), "too-long"),
    ],
)
def test_what_aws_would_surely_refuse_is_planned_so(user: User, reason: str) -> None:
    assert said([user]) == [("cannot", reason)]


def test_a_value_whose_length_the_pool_refuses_is_planned_so() -> None:
    pool = facts(lengths={"custom:institution": (2, 5), "birthdate": (10, 10)})

    def told(**values: str) -> tuple[str, str]:
        [line] = lines([a_user("ada@x.io", **values)], pool=pool)
        return line.reason, line.detail

    assert told(custom_institution="12345", birthdate="1815-12-10")[0] == "missing"
    assert told(custom_institution="12")[0] == told()[0] == "missing"
    assert told(custom_institution="123456") == ("wrong-length", "custom:institution")
    assert told(custom_institution="1", birthdate="1815") == ("wrong-length", "birthdate, custom:institution")
    assert told(custom_institution="1", profile="x" * 2049) == ("too-long", "profile")
    short = Choices(defaults={"name": "?"})
    [line] = lines([a_user("ada@x.io", name="")], pool=facts(lengths={"name": (2, 5)}), choices=short)
    assert (line.action, line.reason, line.detail) == (Action.CANNOT, "wrong-length", "name")


def test_a_newcomer_by_sub_came_while_the_backup_was_read() -> None:
    late = a_user("ada@x.io", sub="1", created=AFTER)
    assert said([late], [late]) == [("skip", "exists")]


@pytest.mark.parametrize("turned", [False, True])
def test_the_owner_of_a_sub_comes_before_who_has_his_name(turned: bool) -> None:
    owner, other = a_user("ada@x.io", sub="1"), a_user("Ada@x.io", sub="2")
    users = [other, owner] if turned else [owner, other]
    reasons = {line.user.sub: line.reason for line in lines(users, [owner])}
    assert reasons == {"1": "exists", "2": "duplicate"}


def test_the_second_of_one_name_is_a_duplicate_of_who_is_there() -> None:
    there = a_user("ada@x.io", sub="9", created=BEFORE)
    found = lines([a_user("ada@x.io", sub="1"), a_user("Ada@x.io", sub="2")], [there])
    assert [line.reason for line in found] == ["exists", "duplicate"] and found[1].known is None


def test_two_people_who_share_an_email_both_come_back_where_the_pool_allows_it() -> None:
    users = [
        a_user("family@x.io", sub="1", username="ada"),
        a_user("family@x.io", sub="2", username="bob"),
    ]
    assert said(users, pool=NAME_POOL) == [("create", "missing")] * 2
    assert said(users, [users[0]], pool=NAME_POOL) == [("skip", "exists"), ("create", "missing")]
    assert said(users, pool=ALIAS_POOL) == [("create", "missing"), ("skip", "duplicate")]
    assert said(users, [users[0]], pool=ALIAS_POOL) == [("skip", "exists"), ("skip", "duplicate")]


def test_one_who_is_there_is_not_two_people_by_name_and_by_email() -> None:
    there = a_user("new@x.io", sub="9", username="ada", created=BEFORE)
    by_name, by_email = (
        a_user("old@x.io", sub="1", username="ada"),
        a_user("new@x.io", sub="2", username="bob"),
    )
    found = lines([by_name, by_email], [there], pool=NAME_POOL)
    assert [line.known.sub if line.known else None for line in found] == ["9", None]


some = st.builds(
    lambda sub, email, username, verified, created, status: a_user(
        email, sub=sub, username=username or sub or "x", verified=verified, created=created, status=status
    ),
    st.sampled_from(["", *"123456"]),
    st.sampled_from(["", "ada@x.io", "Ada@x.io", "bob@x.io", "b\u00f6b@x.io"]),
    st.sampled_from(["", "1", "ada", "Ada", "bob"]),
    st.booleans(),
    st.sampled_from([BEFORE, AFTER]),
    st.sampled_from(["CONFIRMED", "UNCONFIRMED", "FORCE_CHANGE_PASSWORD"]),
)


@laws(120)
@given(
    backup=st.lists(some, max_size=6),
    live=st.lists(some.filter(lambda user: user.sub != ""), max_size=4, unique_by=lambda user: user.sub),
    pool=st.sampled_from([facts(), NAME_POOL, ALIAS_POOL, facts(case_sensitive=True)]),
    made=st.dictionaries(st.sampled_from("123456"), st.sampled_from("123456").map(list)),
)
def test_laws_of_every_plan(
    backup: list[User], live: list[User], pool: PoolFacts, made: dict[str, list[str]]
) -> None:
    def restored(subs: Collection[str]) -> dict[str, list[str]]:
        return {sub: made[sub] for sub in subs if sub in made}

    found = lines(backup, live, pool, restored=restored)
    assert [line.user.key for line in found if not line.twin] == list(dict.fromkeys(u.key for u in backup))
    assert len({line.key for line in found}) == len(found), "a line without a row of its own"
    mapped = [line.known.sub for line in found if line.known]
    assert len(mapped) == len(set(mapped)), "one person of the pool for two of the backup"
    for line in found:
        assert line.reason in REASONS
        newcomer = line.known and line.known.created > TAKEN and line.known.sub not in made
        assert not newcomer or line.known is None or line.known.sub == line.user.key
        assert (line.action is Action.CREATE) == bool(line.username)
    names = [pool.fold(line.username) for line in found if line.action is Action.CREATE]
    assert len(names) == len(set(names)), "a name that is created twice"


# --- whom restores of ours made ----------------------------------------------------------------------


def test_whom_we_made_is_known_under_a_new_address_and_after_two_restores() -> None:
    ada = a_user("ada@x.io", sub="1")
    moved = a_user("new@x.io", sub="9", created=AFTER)
    [line] = lines([ada], [moved], restored=by_us(_9="1"))
    assert line.reason == "exists" and line.known and line.known.sub == "9"
    [line] = lines([ada], [moved], restored=by_us(_9="5 1"))
    assert line.reason == "exists" and line.known and line.known.sub == "9", "made of who was made of 1"


def test_the_ledger_comes_before_a_name_and_a_sub_before_the_ledger() -> None:
    ada, moved = a_user("ada@x.io", sub="1"), a_user("new@x.io", sub="9", created=AFTER)
    stranger = a_user("ada@x.io", sub="7", created=AFTER)
    [line] = lines([ada], [stranger, moved], restored=by_us(_9="1"))
    assert line.known and line.known.sub == "9", "not the stranger who has the address now"
    [line] = lines([ada], [ada, moved], restored=by_us(_9="1"))
    assert line.known and line.known.sub == "1"


@pytest.mark.parametrize("turned", [False, True])
def test_whom_we_made_of_another_is_not_had_by_name(turned: bool) -> None:
    """9 was made of 1 and has the address of 2 by now."""
    users = [a_user("ada@x.io", sub="1"), a_user("bob@x.io", sub="2")]
    there = a_user("bob@x.io", sub="9", created=AFTER)
    found = {
        line.user.sub: line
        for line in lines(users[::-1] if turned else users, [there], restored=by_us(_9="1"))
    }
    assert found["1"].known and found["1"].known.sub == "9"
    assert (found["2"].reason, found["2"].known) == ("duplicate", None)


def test_who_was_made_twice_is_nobody_s_guess() -> None:
    twice = [a_user("a@x.io", sub="8", created=AFTER), a_user("b@x.io", sub="9", created=AFTER)]
    [line] = lines([a_user("ada@x.io", sub="1")], twice, restored=by_us(_8="1", _9="1"))
    assert (line.action, line.reason, line.known) == (Action.SKIP, "restored-twice", None)


@pytest.mark.parametrize("turned", [False, True])
def test_who_is_in_the_backup_before_and_after_a_restore_is_one_person(turned: bool) -> None:
    users = [a_user("ada@x.io", sub="1"), a_user("moved@x.io", sub="9")]
    found = lines(users[::-1] if turned else users, [users[1]], restored=by_us(_9="1"))
    assert {line.user.sub: line.reason for line in found} == {"1": "duplicate", "9": "exists"}
    found = lines([*users[:1], a_user("a@x.io", sub="2")], [users[1]], restored=by_us(_9="1 2"))
    assert [line.reason for line in found] == ["exists", "duplicate"], "9 was made of one of them"


def test_many_are_asked_about_in_parts() -> None:
    asked: list[int] = []

    def restored(subs: Collection[str]) -> dict[str, list[str]]:
        asked.append(len(subs))
        return {}

    lines([], [a_user(f"{number}@x.io") for number in range(2001)], restored=restored)
    assert asked == [1000, 1000, 1]


# --- registered again, and the application's administrators ------------------------------------------


@pytest.mark.parametrize(
    ("status", "verified", "ticked", "reason"),
    [
        ("CONFIRMED", True, True, "exists"),
        ("CONFIRMED", True, False, "registered-again"),
        ("CONFIRMED", False, True, "unverified-again"),
        ("UNCONFIRMED", True, True, "unfinished-again"),
        ("UNCONFIRMED", False, True, "unfinished-again"),
    ],
)
def test_only_who_is_proven_and_ticked_is_the_same_person(
    status: str, verified: bool, ticked: bool, reason: str
) -> None:
    newcomer = a_user("ada@x.io", sub="9", created=AFTER, status=status, verified=verified)
    choices = Choices(again=frozenset({"1"} if ticked else ()), existing=Existing.FILL)
    [line] = lines([a_user("ada@x.io", sub="1")], [newcomer], choices=choices)
    assert (line.action, line.reason, bool(line.known)) == (Action.SKIP, reason, reason == "exists")


def test_an_account_that_nobody_confirmed_makes_way_where_that_was_allowed() -> None:
    ada, began = a_user("ada@x.io", sub="1"), a_user("Ada@x.io", sub="9", created=AFTER, status="UNCONFIRMED")
    [line] = lines([ada], [began])
    assert (line.held, line.removes) == (Guard.REPLACE, "")
    allowed = Choices(guards=frozenset({Guard.REPLACE}))
    [line] = lines([ada], [began], choices=allowed)
    assert (line.action, line.reason, line.known) == (Action.CREATE, "replaced", None)
    assert (line.removes, line.seen) == (began.username, fingerprint(began))
    assert counted([ada], [began], choices=allowed).replaced == 1


@pytest.mark.parametrize(
    ("people", "status", "created", "reasons"),
    [
        ([a_user("ada@x.io", sub="1")], "CONFIRMED", AFTER, ["registered-again"]),
        ([a_user("ada@x.io", sub="1")], "UNCONFIRMED", BEFORE, ["exists"]),
        ([a_user("ada@x.io", sub="9")], "UNCONFIRMED", AFTER, ["exists"]),
        ([a_user("ada@x.io", sub="1", status="UNCONFIRMED")], "UNCONFIRMED", AFTER, ["unconfirmed"]),
        (
            [a_user("ada@x.io", sub="1"), a_user("ADA@x.io", sub="2")],
            "UNCONFIRMED",
            AFTER,
            ["replaced", "unfinished-again"],
        ),
    ],
)
def test_nobody_else_makes_way(people: list[User], status: str, created: str, reasons: list[str]) -> None:
    there = a_user("ada@x.io", sub="9", created=created, status=status)
    found = list(lines(people, [there], choices=Choices(guards=frozenset({Guard.REPLACE}))))
    assert [line.reason for line in found] == reasons


@pytest.mark.parametrize("pool", [facts(), NAME_POOL])
def test_of_another_unicode_form_nobody_is_deleted(pool: PoolFacts) -> None:
    """Whether Cognito takes both forms is not known; where it does, another account may have this one."""
    ada = a_user("é@x.io", sub="1", username="é")
    began = a_user("e\u0301@x.io", sub="9", username="e\u0301", created=AFTER, status="UNCONFIRMED")
    [line] = lines([ada], [began], pool, choices=Choices(guards=frozenset({Guard.REPLACE})))
    assert (line.action, line.reason, line.removes) == (Action.SKIP, "same-name", "")


def test_a_tick_does_where_nobody_knows_when_the_backup_was_made() -> None:
    asked, there = [a_user("ada@x.io", sub="1")], [a_user("ada@x.io", sub="9")]
    choices = Choices(again=frozenset({"1"}))
    assert said(asked, there, taken_at="") == [("skip", "same-name")]
    assert said(asked, there, taken_at="", choices=choices) == [("skip", "exists")]


def test_administrators_come_first_and_are_always_mapped() -> None:
    users = [a_user(f"{name}@x.io", sub=name) for name in ("ada", "bob", "Root", "eve")]
    there = a_user("root@x.io", sub="9", created=AFTER, status="FORCE_CHANGE_PASSWORD")
    found = lines(users, [there], admins=["ROOT@x.io", "eve@x.io", "nobody@x.io"])
    assert [(line.position, line.reason, line.first) for line in found] == [
        (2, "administrator", True),
        (3, "missing", True),
        (0, "missing", False),
        (1, "missing", False),
    ]
    assert found[0].known and found[0].known.sub == "9"
    assert [line.position for line in lines(users, admins=["nobody@x.io"])] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("status", "verified", "created", "reason"),
    [
        ("CONFIRMED", True, AFTER, "administrator"),
        ("CONFIRMED", False, AFTER, "unverified-again"),
        ("UNCONFIRMED", False, AFTER, "unfinished-again"),
        ("CONFIRMED", True, BEFORE, "exists"),
    ],
)
def test_nobody_becomes_an_administrator_by_signing_up(
    status: str, verified: bool, created: str, reason: str
) -> None:
    there = a_user("root@x.io", sub="9", created=created, status=status, verified=verified)
    [line] = lines([a_user("root@x.io", sub="1")], [there], admins=["root@x.io"])
    assert (line.reason, bool(line.known)) == (reason, reason in ("administrator", "exists"))


@pytest.mark.parametrize(
    ("status", "ticked", "action"),
    [
        ("FORCE_CHANGE_PASSWORD", False, "update"),
        ("CONFIRMED", False, "skip"),
        ("CONFIRMED", True, "update"),
    ],
)
def test_an_administrator_who_may_have_signed_up_is_written_over_only_when_ticked(
    status: str, ticked: bool, action: str
) -> None:
    was = a_user("root@x.io", sub="1", given_name="R")
    there = a_user("root@x.io", sub="9", created=AFTER, status=status)
    choices = replace(FILL, guards=frozenset({Guard.NEWER}), again=frozenset({"1"} if ticked else ()))
    [line] = lines([was], [there], admins=["root@x.io"], choices=choices)
    assert line.action == action and line.known and line.known.sub == "9"


def test_an_administrator_who_is_out_of_scope_is_only_named() -> None:
    users = [
        a_user("root@x.io", sub="1", given_name="R"),
        a_user("ada@x.io", sub="2"),
        a_user("b@x.io", sub="3"),
    ]
    there = [a_user("root@x.io", sub="9", created=BEFORE)]
    choices = Choices(users=("ada@x.io",), existing=Existing.OVERWRITE, guards=frozenset(Guard))
    found = lines(users, there, admins=["root@x.io"], choices=choices)
    assert [(line.user.sub, line.action.value, line.changes) for line in found] == [
        ("1", "skip", ()),
        ("2", "create", ()),
    ]
    found = lines(users, admins=["root@x.io"], choices=choices)
    assert [(line.user.sub, line.action.value) for line in found] == [("1", "skip"), ("2", "create")]


def test_an_administrator_s_twin_has_a_line_too() -> None:
    users = [a_user("root@x.io", sub="1"), a_user("root@x.io", sub="1", name="Other")]
    found = lines(users, admins=["root@x.io"])
    assert [(line.key, line.reason, line.first) for line in found] == [
        ("1", "missing", True),
        ("1#1", "duplicate", True),
    ]


# --- what is created, as it was chosen ---------------------------------------------------------------

LINKED = '[{"providerName":"Okta","userId":"o-1"},{"providerName":"Google","userId":"77"}]'


def test_a_linked_user_is_made_and_linked_again_where_that_is_chosen() -> None:
    user = a_user("a@x.io", identities=LINKED)
    [line] = lines([user], choices=Choices(link=True))
    assert (line.action, line.reason, line.detail) == (Action.CREATE, "missing-linked", "Okta")
    assert line.links == (("Okta", "o-1"), ("Google", "77"))
    assert "identities" not in line.attributes


@pytest.mark.parametrize(
    "identities",
    [
        "{no json",
        "[{}]",
        '[{"providerName":"Okta"}]',
        '[{"providerName":"Okta","userId":7}]',
        '[{"providerName":"Okta","userId":"1"},7]',
    ],
)
def test_a_link_that_the_backup_does_not_hold_whole_is_not_made(identities: str) -> None:
    [line] = lines([a_user("a@x.io", identities=identities)], choices=Choices(link=True))
    assert (line.action, line.reason, line.links) == (Action.SKIP, "link-unknown", ())


def test_a_federated_user_is_not_made_by_linking() -> None:
    user = a_user("a@x.io", status="EXTERNAL_PROVIDER", username="Okta_7", identities=LINKED)
    assert said([user], choices=Choices(link=True)) == [("skip", "federated")]


def test_a_default_is_written_where_a_required_attribute_is_missing() -> None:
    pool = facts(required=frozenset({"name", "email", "custom:institution", "phone_number"}))
    user = a_user("a@x.io", name="", phone_number="+41")
    choices = Choices(defaults={"custom:institution": "none", "email": "x@x.io", "phone_number": "+1"})
    [line] = lines([user], pool=pool, choices=choices)
    assert (line.reason, line.detail) == ("required-attribute", "name")
    choices = replace(choices, defaults={**choices.defaults, "name": "Unknown"})
    [line] = lines([user], pool=pool, choices=choices)
    assert line.action is Action.CREATE and line.defaults == ("custom:institution", "name")
    assert line.attributes["name"] == "Unknown" and line.attributes["phone_number"] == "+41"
    [line] = lines([a_user("a@x.io")], pool=pool, choices=choices)
    assert (line.reason, line.detail) == ("required-attribute", "phone_number"), "nobody's address is guessed"


def test_what_the_pool_does_not_know_is_left_out_where_that_is_chosen() -> None:
    user = a_user("a@x.io", custom_a="1", custom_b="2", custom_institution="MIT")
    some = Choices(leave_out=frozenset({"custom:a", "custom:institution"}))
    [line] = lines([user], choices=some)
    assert (line.action, line.detail, line.unknown) == (Action.CANNOT, "custom:b", ("custom:a", "custom:b"))
    [line] = lines([user], choices=Choices(leave_out=some.leave_out | {"custom:b"}))
    assert line.action is Action.CREATE and line.unknown == ("custom:a", "custom:b")
    assert line.attributes.keys() == {"name", "email", "email_verified", "custom:institution"}


def test_privileged_groups_are_withheld_unless_they_are_allowed() -> None:
    user = a_user("a@x.io")
    of: dict[str, Any] = {
        "memberships": {user.username: frozenset({"root", "beta"})},
        "privileged": frozenset({"root"}),
    }
    [line] = lines([user], **of)
    assert (line.groups, line.withheld) == (("beta",), ("root",))
    [line] = lines([user], **of, choices=Choices(guards=frozenset({Guard.PRIVILEGED})))
    assert (line.groups, line.withheld) == (("beta", "root"), ())


def test_who_cannot_sign_in_without_help_is_said_of_each() -> None:
    users = [
        a_user("a@x.io", sub="1", verified=False),
        a_user("b@x.io", sub="2", verified=False),
        a_user("c@x.io", sub="3", verified=False, enabled=False),
        a_user("d@x.io", sub="4", verified=False, identities=LINKED),
        a_user("e@x.io", sub="5"),
    ]
    factors = {"2": "SMS_MFA", "5": "SMS_MFA"}
    found = lines(users, choices=Choices(link=True), factors=factors)
    assert [line.reason for line in found] == [
        "missing-unverified",
        "missing-factor-unverified",
        "missing",  # disabled: nobody expects to sign in
        "missing-linked",  # through the provider
        "missing-factor",
    ]
    assert counted(users, choices=Choices(link=True), factors=factors).unverified == 2
    [line] = lines([a_user("", username="ada")], pool=NAME_POOL)
    assert line.reason == "missing-unverified", "nobody's code comes without an e-mail"


def test_who_had_a_second_factor_comes_back_without_one() -> None:
    users = [a_user("a@x.io"), a_user("b@x.io"), a_user("c@x.io", identities=LINKED)]
    had = {users[0].username: "SOFTWARE_TOKEN_MFA (preferred)", users[2].username: "SMS_MFA"}
    found = lines(users, factors=had, choices=Choices(link=True))
    assert [line.reason for line in found] == ["missing-factor", "missing", "missing-linked"]
    assert [line.factors for line in found] == [had[users[0].username], "", "SMS_MFA"]


# --- who is written over -----------------------------------------------------------------------------

FILL = Choices(existing=Existing.FILL)
OVER = Choices(existing=Existing.OVERWRITE)
ALL = replace(OVER, guards=frozenset(Guard))


def changed(user: User, live: User, choices: Choices, **more: Any) -> dict[str, tuple[str, str]]:
    [line] = lines([user], [live], choices=choices, **more)
    assert (line.action is Action.UPDATE) == bool(line.changes or line.groups)
    return {name: (there, new) for name, there, new in line.changes}


def test_empty_fields_are_filled_and_nothing_else() -> None:
    was = a_user("ada@x.io", sub="1", name="Ada", given_name="A", custom_institution="MIT", enabled=False)
    now = a_user("ada@x.io", sub="1", name="Ada L.", family_name="L")
    assert changed(was, now, FILL) == {"given_name": ("", "A"), "custom:institution": ("", "MIT")}


def test_fields_that_differ_are_written_over_and_what_the_backup_lacks_stays() -> None:
    was = a_user("ada@x.io", sub="1", name="Ada", given_name="A")
    now = a_user("ada@x.io", sub="1", name="Ada L.", family_name="L", created=BEFORE)
    assert changed(was, now, OVER) == {"name": ("Ada L.", "Ada"), "given_name": ("", "A")}


def test_an_update_says_what_it_writes_to_whom_and_what_they_looked_like() -> None:
    was, now = a_user("ada@x.io", sub="1", given_name="A"), a_user("ada@x.io", sub="9", username="9")
    [line] = lines([was], [now], choices=FILL)
    assert (line.action, line.reason, line.detail) == (Action.UPDATE, "fill", "given_name")
    assert line.username == "9" and line.known and line.known.sub == "9"
    assert line.seen == fingerprint(now) and not line.attributes
    assert plan.sentence(line.reason, line.detail) == "is in the pool; empty there and filled: given_name"


def test_an_address_and_its_flag_go_together() -> None:
    was = a_user("old@x.io", sub="1")
    assert changed(was, a_user("new@x.io", sub="1"), FILL) == {}
    unproven = a_user("new@x.io", sub="1", verified=False)
    assert changed(was, unproven, FILL) == {}, "what is filled must not prove another address"
    assert changed(was, unproven, OVER) == {
        "email": ("new@x.io", "old@x.io"),
        "email_verified": ("false", "true"),
    }
    assert changed(was, a_user("new@x.io", sub="1"), OVER) == {"email": ("new@x.io", "old@x.io")}
    assert changed(was, a_user("", sub="1"), FILL) == {
        "email": ("", "old@x.io"),
        "email_verified": ("", "true"),
    }
    untold = User.of(
        {**was.entry, "Attributes": [{"Name": "sub", "Value": "1"}, {"Name": "email", "Value": "old@x.io"}]}
    )
    assert changed(was, untold, FILL) == {"name": ("", "Ada"), "email_verified": ("", "true")}
    off = a_user("old@x.io", sub="1", verified=False)
    assert changed(off, untold, OVER) == {"name": ("", "Ada")}, "not told and false are the same"
    assert changed(was, off, FILL) == {}, "false is no empty field"
    assert changed(was, off, OVER) == {"email_verified": ("false", "true")}


def test_an_address_in_other_letters_is_the_same_where_the_pool_says_so() -> None:
    was, now = a_user("Ada@x.io", sub="1"), a_user("ada@x.io", sub="1")
    assert changed(was, now, OVER) == {}
    assert changed(was, now, OVER, pool=facts(case_sensitive=True)) == {"email": ("ada@x.io", "Ada@x.io")}


@pytest.mark.parametrize("pool", [facts(), ALIAS_POOL])
def test_an_address_that_somebody_else_has_by_now_is_not_written(pool: PoolFacts) -> None:
    was = a_user("ada@x.io", sub="1", username="ada")
    there = [a_user("new@x.io", sub="1", username="ada"), a_user("ada@x.io", sub="7", username="eve")]
    [line] = lines([was], there, pool, choices=OVER)
    assert (line.action, line.reason, line.changes) == (Action.CANNOT, "address-taken", ())
    assert line.known and line.known.sub == "1"
    [line] = lines([was], there, NAME_POOL, choices=OVER)
    assert line.action is Action.UPDATE, "two people may share an e-mail there"


def test_an_address_that_a_create_of_this_plan_takes_is_not_written() -> None:
    first, was = a_user("ada@x.io", sub="2"), a_user("ada@x.io", sub="1")
    now = a_user("new@x.io", sub="1")
    assert said([first, was], [now], choices=OVER) == [("create", "missing"), ("cannot", "address-taken")]
    assert said([was, first], [now], choices=OVER) == [("update", "overwrite"), ("skip", "duplicate")]


def test_what_is_written_at_creation_only_is_named_and_left() -> None:
    pool = facts(immutable=frozenset({"custom:institution", "email_verified"}))
    was = a_user("a@x.io", sub="1", custom_institution="MIT", given_name="A")
    now = a_user("a@x.io", sub="1", custom_institution="ETH", verified=False)
    [line] = lines([was], [now], pool, choices=OVER)
    assert [name for name, _, _ in line.changes] == ["given_name"]
    assert line.immutable == ("custom:institution",)
    [line] = lines([a_user("a@x.io", sub="1", custom_institution="MIT")], [now], pool, choices=OVER)
    assert (line.action, line.reason, line.detail) == (Action.SKIP, "immutable", "custom:institution")


def test_disabling_needs_no_guard_and_enabling_does() -> None:
    on, off = a_user("a@x.io", sub="1"), a_user("a@x.io", sub="1", enabled=False)
    assert changed(off, on, OVER) == {"Enabled": ("true", "false")}
    assert changed(off, on, FILL) == changed(on, off, FILL) == {}
    [line] = lines([on], [off], choices=OVER)
    assert (line.action, line.reason, line.held) == (Action.SKIP, "stays-disabled", Guard.ENABLE)
    allowed = replace(OVER, guards=frozenset({Guard.ENABLE}))
    assert changed(on, off, allowed) == {"Enabled": ("false", "true")}


@pytest.mark.parametrize("choices", [FILL, OVER])
def test_who_changed_since_is_written_to_only_where_that_is_allowed(choices: Choices) -> None:
    was = a_user("a@x.io", sub="1", given_name="A")
    there = a_user("a@x.io", sub="1", name="Ada L.", created=AFTER)
    emptied = a_user("a@x.io", sub="1", created=AFTER)
    for live, taken in ((there, TAKEN), (emptied, TAKEN)):
        [line] = lines([was], [live], choices=choices, taken_at=taken)
        assert (line.action, line.reason, line.held) == (Action.SKIP, "newer", Guard.NEWER)
        assert counted([was], [live], choices=choices, taken_at=taken).guards[Guard.NEWER] == 1
    allowed = replace(choices, guards=frozenset({Guard.NEWER}))
    over = {"name": ("Ada L.", "Ada")} if choices is OVER else {}
    assert changed(was, there, allowed) == {"given_name": ("", "A"), **over}
    [line] = lines([was], [a_user("a@x.io", sub="1", created="")], choices=choices)
    assert line.reason == "newer", "cannot know"
    [line] = lines([was], [a_user("a@x.io", sub="1")], choices=choices, taken_at="")
    assert line.reason == "newer", "cannot know either"
    [line] = lines([was], [a_user("a@x.io", sub="1", given_name="A", created=AFTER)], choices=choices)
    assert (line.reason, line.held) == ("exists", None), "nothing would be written"


def test_who_changed_since_joins_no_group_unless_that_is_allowed() -> None:
    was, now = a_user("a@x.io", sub="1"), a_user("a@x.io", sub="1", created=AFTER)
    of: dict[str, Any] = {"memberships": {"1": frozenset({"beta"})}}
    [line] = lines([was], [now], **of, choices=OVER)
    assert (line.action, line.reason, line.held, line.groups) == (Action.SKIP, "newer", Guard.NEWER, ())
    [line] = lines([was], [now], **of, choices=replace(OVER, guards=frozenset({Guard.NEWER})))
    assert (line.action, line.reason, line.groups) == (Action.UPDATE, "join", ("beta",))


def test_groups_are_joined_and_never_left() -> None:
    user = a_user("a@x.io", sub="1")
    of: dict[str, Any] = {
        "memberships": {"1": frozenset({"beta", "root"})},
        "members": {"1": frozenset({"gamma"})},
    }
    assert said([user], [user], **of) == [("skip", "exists")]
    [line] = lines([user], [user], **of, choices=OVER)
    assert (line.action, line.reason, line.groups) == (Action.UPDATE, "join", ("beta", "root"))
    of = {**of, "privileged": frozenset({"root"})}
    [line] = lines([user], [user], **of, choices=OVER)
    assert (line.groups, line.withheld) == (("beta",), ("root",))
    of = {**of, "members": {"1": frozenset({"beta"})}}
    [line] = lines([user], [user], **of, choices=OVER)
    assert (line.action, line.reason, line.detail) == (Action.SKIP, "stays-out", "root")


def test_where_empty_fields_are_filled_nobody_gains_a_group() -> None:
    was, now = a_user("a@x.io", sub="1", given_name="A"), a_user("a@x.io", sub="1")
    of: dict[str, Any] = {
        "memberships": {"1": frozenset({"beta", "root"})},
        "privileged": frozenset({"root"}),
        "choices": FILL,
    }
    [line] = lines([was], [now], **of)
    assert (line.action, line.reason, line.groups, line.withheld) == (Action.UPDATE, "fill", (), ())
    [line] = lines([now], [now], **of)
    assert (line.action, line.reason, line.withheld) == (Action.SKIP, "exists", ())


def test_what_stands_in_the_way_of_an_update() -> None:
    now = a_user("a@x.io", sub="1", profile="x" * 2048)
    long = a_user("a@x.io", sub="1", profile="x" * 2049)
    [line] = lines([long], [now], choices=OVER)
    assert (line.action, line.reason, line.detail) == (Action.CANNOT, "too-long", "profile")
    assert said([long], [now], choices=FILL) == [("skip", "exists")], "nothing is written there"
    pool = facts(lengths={"custom:institution": (2, 5)})
    short = a_user("a@x.io", sub="1", custom_institution="1", given_name="A")
    [line] = lines([short], [now], pool, choices=FILL)
    assert (line.action, line.reason, line.detail) == (Action.CANNOT, "wrong-length", "custom:institution")
    held = a_user("a@x.io", sub="1", custom_institution="ETH")
    assert changed(short, held, FILL, pool=pool) == {"given_name": ("", "A")}, "that one is not written"
    strange = a_user("a@x.io", sub="1", custom_x="1", given_name="A")
    [line] = lines([strange], [now], choices=FILL)
    assert (line.action, line.reason, line.detail) == (Action.CANNOT, "unknown-attribute", "custom:x")
    some = replace(FILL, leave_out=frozenset({"custom:x"}))
    assert changed(strange, now, some) == {"given_name": ("", "A")}


def test_who_signs_in_through_a_provider_is_the_provider_s_to_write() -> None:
    was = a_user("a@x.io", sub="1", username="Okta_1", status="EXTERNAL_PROVIDER", given_name="A")
    now = a_user("a@x.io", sub="1", username="Okta_1", status="EXTERNAL_PROVIDER")
    assert said([was], [now], choices=ALL) == [("skip", "exists")]


def test_whom_another_job_has_begun_is_not_written_over() -> None:
    was, now = a_user("a@x.io", sub="1", given_name="A"), a_user("a@x.io", sub="9", created=AFTER)
    assert said([was], [now], choices=ALL, unfinished={"9": 7}) == [("skip", "unfinished")]


# --- laws of what is chosen --------------------------------------------------------------------------

names = st.sampled_from(["", "a", "b", "é"])
pairs = st.fixed_dictionaries(
    {
        "there": st.sampled_from(["no", "same", "anew", "again", "ours"]),
        "was": st.tuples(names, names, names, st.booleans(), st.booleans()),
        "now": st.tuples(names, names, names, st.booleans(), st.booleans()),
        "moved": st.booleans(),
        "groups": st.sets(st.sampled_from(["beta", "root"])),
        "in": st.sets(st.sampled_from(["beta", "root"])),
        "status": st.sampled_from(["CONFIRMED", "UNCONFIRMED", "RESET_REQUIRED"]),
    }
)
choosing = st.builds(
    Choices,
    existing=st.sampled_from(Existing),
    guards=st.sets(st.sampled_from(Guard)).map(frozenset),
    again=st.sets(st.sampled_from(["k0", "k1", "k2"])).map(frozenset),
    leave_out=st.sampled_from([frozenset[str](), frozenset({"custom:odd"})]),
    tests=st.sampled_from(
        [(), (Condition("given_name", How.LACKS, "a"),), (Condition("group", How.IS, "root"),)]
    ),
)


class World:
    """Some people in the backup and in the pool, each with a name of their own."""

    def __init__(self, people: list[dict[str, Any]]) -> None:
        self.backup, self.live = list[User](), list[User]()
        self.groups, self.members = dict[str, frozenset[str]](), dict[str, frozenset[str]]()
        self.made: dict[str, list[str]] = {}
        for number, one in enumerate(people):
            email, key = f"p{number}@x.io", f"k{number}"
            given, family, odd, enabled, verified = one["was"]
            more = {"given_name": given, "family_name": family, "custom_odd": odd}
            self.backup.append(
                a_user(email, sub=key, enabled=enabled, verified=verified, status=one["status"], **more)
            )
            self.groups[key] = frozenset(one["groups"])
            if one["there"] == "no":
                continue
            given, family, _, enabled, verified = one["now"]
            sub = key if one["there"] == "same" else f"s{number}"
            if one["there"] == "ours":
                self.made[sub] = [key]
            address = f"q{number}@x.io" if one["moved"] else email
            created = AFTER if one["there"] in ("again", "ours") else BEFORE
            self.live.append(
                a_user(
                    address,
                    sub=sub,
                    enabled=enabled,
                    verified=verified,
                    created=created,
                    given_name=given,
                    family_name=family,
                )
            )
            self.members[sub] = frozenset(one["in"])

    def lines(self, choices: Choices) -> list[Line]:
        return lines(
            self.backup,
            self.live,
            choices=choices,
            memberships=self.groups,
            members=self.members,
            privileged=frozenset({"root"}),
            restored=lambda subs: {sub: self.made[sub] for sub in subs if sub in self.made},
        )

    def carry_out(self, found: list[Line]) -> None:
        """What a restore would do; whoever it creates is in its ledger."""
        for line in found:
            if line.action is Action.CREATE:
                sub = f"n{line.user.sub}"
                state = {"Enabled": str(line.user.enabled)}
                blank = a_user("", sub=sub, name="", created=AFTER)
                self.live.append(written(blank, {**line.attributes, **state}))
                self.made[sub], self.members[sub] = [line.user.key], frozenset(line.groups)
            elif line.action is Action.UPDATE:
                place = next(n for n, user in enumerate(self.live) if user.username == line.username)
                values = {name: new for name, _, new in line.changes}
                self.live[place] = written(self.live[place], values)
                sub = self.live[place].username
                self.members[sub] = self.members.get(sub, frozenset()) | set(line.groups)


def written(user: User, given: Mapping[str, str]) -> User:
    values = dict(given)
    enabled = values.pop("Enabled", str(user.enabled)).lower() == "true"
    attributes = {**user.attributes, **values}
    listed = [{"Name": name, "Value": value} for name, value in attributes.items()]
    return User.of({**user.entry, "Attributes": listed, "Enabled": enabled, "UserLastModifiedDate": AFTER})


@laws(150)
@given(st.lists(pairs, max_size=3), choosing)
def test_everybody_in_scope_has_one_line_and_who_is_skipped_nothing_else(
    people: list[dict[str, Any]], choices: Choices
) -> None:
    world = World(people)
    found = world.lines(choices)
    everybody = {line.key: line for line in world.lines(replace(choices, tests=()))}
    assert everybody.keys() == {user.key for user in world.backup}
    assert [line.key for line in found] == [
        key for key in everybody if any(line.key == key for line in found)
    ]
    for line in found:
        assert line == everybody[line.key], "scope chooses lines and changes none"
        assert line.reason in REASONS
        if line.action in (Action.SKIP, Action.CANNOT):
            assert not (line.attributes or line.changes or line.groups or line.links or line.username)
        if Guard.PRIVILEGED not in choices.guards:
            assert "root" not in line.groups
        if line.action is Action.UPDATE:
            assert choices.existing is not Existing.SKIP and line.known and line.seen
            assert line.changes or line.groups


@laws(150)
@given(st.lists(pairs, max_size=3), choosing)
def test_what_is_filled_was_empty_and_nothing_is_ever_emptied(
    people: list[dict[str, Any]], choices: Choices
) -> None:
    world = World(people)
    for line in world.lines(choices):
        assert all(new for _, _, new in line.changes)
        assert all(there != new for _, there, new in line.changes)
        if choices.existing is Existing.FILL:
            assert all(there == "" for _, there, _ in line.changes)


@laws(150)
@given(st.lists(pairs, max_size=3), choosing)
def test_carried_out_the_plan_has_nothing_left_to_write(
    people: list[dict[str, Any]], choices: Choices
) -> None:
    world = World(people)
    world.carry_out(world.lines(choices))
    left = [line for line in world.lines(choices) if line.action in (Action.CREATE, Action.UPDATE)]
    assert left == []


@laws(100)
@given(st.lists(pairs, max_size=3), choosing, st.randoms())
def test_the_order_of_the_users_means_nothing(
    people: list[dict[str, Any]], choices: Choices, chance: Any
) -> None:
    world = World(people)
    before = {line.key: replace(line, position=0, known=None) for line in world.lines(choices)}
    chance.shuffle(world.backup)
    chance.shuffle(world.live)
    assert {line.key: replace(line, position=0, known=None) for line in world.lines(choices)} == before


# --- numbers ---------------------------------------------------------------------------------


def test_the_numbers_of_a_plan() -> None:
    users = [
        a_user("a@x.io"),
        a_user("b@x.io", verified=False),
        a_user("c@x.io", enabled=False),
        a_user("d@x.io", status="RESET_REQUIRED"),
        a_user("e@x.io", status="UNCONFIRMED"),
        a_user("", username="f"),
        a_user("g@x.io"),
    ]
    member = {users[0].username: frozenset({"beta", "admins"}), users[3].username: frozenset({"beta"})}
    counts = counted(users, [users[6]], memberships=member)
    assert (counts.create, counts.skip, counts.cannot, counts.update) == (4, 2, 1, 0)
    assert (counts.disabled, counts.unverified, counts.reset_required) == (1, 1, 1)
    assert (counts.memberships, counts.groups) == (3, {"admins", "beta"})
    assert counts.by_reason == {
        **{"missing": 3, "missing-unverified": 1},
        **{"unconfirmed": 1, "no-email": 1, "exists": 1},
    }
    # The disabled are in no number of messages.
    assert [counts.mails(way) for way in Messages] == [0, 3, 0]
    assert [counts.codes(way) for way in Messages] == [2, 0, 0]


def test_the_numbers_of_what_is_chosen() -> None:
    pool = facts(immutable=frozenset({"custom:agreed_terms"}))
    users = [
        a_user("a@x.io", sub="1", custom_institution="MIT", custom_agreed_terms="true"),
        a_user("b@x.io", sub="2"),
        a_user("c@x.io", sub="3", name="Changed"),
        a_user("d@x.io", sub="4", custom_odd="1"),
        a_user("e@x.io", sub="5", custom_even="1"),
        a_user("f@x.io", sub="6", name="", identities=LINKED),
        a_user("g@x.io", sub="7"),
    ]
    live = [
        a_user("a@x.io", sub="1", custom_agreed_terms="false"),
        a_user("b@x.io", sub="2", enabled=False),
        a_user("c@x.io", sub="3", created=AFTER),
        a_user("g@x.io", sub="7", custom_institution="MIT"),
    ]
    choices = replace(OVER, link=True, defaults={"name": "?"}, leave_out=frozenset({"custom:odd"}))
    counts = counted(
        users,
        live,
        pool,
        choices=choices,
        memberships={
            **{"1": frozenset({"beta"}), "2": frozenset({"root"})},
            **{"4": frozenset({"root", "beta"}), "7": frozenset({"root"})},
        },
        members={"1": frozenset({"gamma"})},
        privileged=frozenset({"root"}),
        factors={"4": "SMS_MFA", "1": "SMS_MFA"},
    )
    assert (counts.create, counts.update, counts.skip, counts.cannot) == (2, 1, 3, 1)
    numbers = counts.as_json(pool, 10)
    assert numbers["updates"] == {"custom:institution": 1}
    assert numbers["guards"] == {"enable": 1, "newer": 1, "privileged": 3, "replace": 0}
    assert numbers["held"] == 4, "whom two guards hold back is one user"
    assert (numbers["withheld"], numbers["memberships"], numbers["groups"]) == (3, 2, 1)
    assert (numbers["factors_lost"], numbers["links"]) == (1, 2)
    assert (numbers["left_out"], numbers["unknown"]) == ({"custom:odd": 1}, {"custom:even": 1})
    assert (numbers["defaults"], numbers["immutable"]) == ({"name": 1}, {"custom:agreed_terms": 1})
    assert numbers["invitable"] == 2, "who is written over is in no number of messages"


def test_nothing_is_left_out_of_who_is_skipped() -> None:
    user = a_user("a@x.io", custom_odd="1")
    counts = counted([user], [a_user("a@x.io")], choices=replace(OVER, leave_out=frozenset({"custom:odd"})))
    assert (counts.skip, counts.left_out) == (1, {})


def test_strange_names_of_attributes_do_not_fill_the_numbers() -> None:
    strange = a_user("a@x.io", **{f"custom_{number:03}": "1" for number in range(400)})
    numbers = counted([strange]).as_json(facts(), 10)
    assert len(numbers["unknown"]) == plan.NAMES and "custom:000" in numbers["unknown"]


def test_somebody_without_an_email_is_neither_invited_nor_sent_a_code() -> None:
    counts = counted([a_user("", username="ada")], pool=NAME_POOL)
    assert (counts.create, counts.invitable, counts.resettable, counts.unverified) == (1, 0, 0, 1)


def test_the_stored_numbers_hold_each_way_against_the_days_limit() -> None:
    counts = counted([a_user("a@x.io"), a_user("b@x.io")])
    numbers = counts.as_json(facts(), 10)
    assert numbers["mails"] == {"silent": 0, "invite": 2, "later": 0}
    assert numbers["codes"] == {"silent": 2, "invite": 0, "later": 0}
    assert (numbers["mail_limit"], numbers["mail_allowed"]) == (50, 40)
    assert (numbers["create"], numbers["groups"]) == (2, 0)
    assert Counts.of_json(numbers) == counts, "nobody is in a group here"


def test_the_day_of_mails_begins_at_nine() -> None:
    assert plan.mail_day(datetime(2026, 11, 22, 8, 59, tzinfo=UTC)) == datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert plan.mail_day(datetime(2026, 11, 22, 9, 0, tzinfo=UTC)) == datetime(2026, 11, 22, 9, tzinfo=UTC)


def test_where_ses_sends_no_limit_binds() -> None:
    ses = facts(mail="DEVELOPER")
    assert plan.mail_limit(ses) is None and plan.mail_allowed(ses, 10) is None


def test_every_reason_is_a_sentence() -> None:
    assert plan.sentence("federated", "Google") == "comes back at the next sign-in through Google"
    assert (
        plan.sentence("linked")
        == "signs in through another provider as well; links are not put back unless that is chosen"
    )
    assert plan.sentence("refused", "{odd} text") == "AWS refused: {odd} text"
    assert plan.sentence("invented") == "invented"


# --- the digest ------------------------------------------------------------------------------


def test_the_digest_changes_with_everything_that_a_plan_rests_on() -> None:
    base: dict[str, Any] = {"pool": facts(), "source": "a" * 64, "choices": {"existing": "skip"}}

    def digest(**changes: Any) -> str:
        wanted = {**base, **changes}
        return plan.digest(wanted["source"], wanted["pool"], wanted["choices"])

    others = [
        digest(source="b" * 64),
        digest(choices={"existing": "skip", "users": ["ada"]}),
        *(
            digest(pool=facts(**change))
            for change in (
                {"pool_id": "eu-west-1_Other"},
                {"region": "us-east-1"},
                {"account": "9"},
                {"username_attributes": ()},
                {"alias_attributes": ("email",)},
                {"case_sensitive": True},
                {"mail": "DEVELOPER"},
                {"attributes": frozenset({"email"})},
                {"required": frozenset({"email"})},
                {"triggers": ("PreSignUp",)},
            )
        ),
        digest(choices=(fill := {"existing": "fill"})),
        digest(choices=fill, pool=facts(immutable=frozenset({"custom:institution"}))),
        digest(choices=fill | {"guards": ["privileged"]}),
    ]
    assert len({digest(), *others}) == len(others) + 1


def test_the_digest_does_not_change_with_what_moves_by_itself() -> None:
    pool = facts(estimated_users=7)
    assert plan.digest("a", pool, {}) == plan.digest("a", replace(pool, estimated_users=8), {})
