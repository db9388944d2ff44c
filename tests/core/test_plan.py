"""What a restore would do, person by person, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core import plan
from backups.core.matching import Index, Rules
from backups.core.plan import REASONS, Action, Counts, Line, Messages
from backups.core.snapshot import PoolFacts, User
from tests.build import a_user, facts, laws, sample, users_of

TAKEN = "2026-11-22T01:00:00.000Z"
BEFORE, AFTER = "2026-11-20T00:00:00.000Z", "2026-11-23T00:00:00.000Z"
NAME_POOL = facts(username_attributes=(), required=frozenset())
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
    return list(plan.lines(lambda: iter(users), Index(Rules.of(pool), live), pool, taken_at=taken_at, **more))


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
        ("unverified@example.org", "create", "missing"),
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
        (a_user("", username="ada@x.io"), NAME_POOL, "missing"),
        (a_user("ada@x.io", username="ada"), ALIAS_POOL, "missing"),
    ],
)
def test_a_username_must_be_one_that_the_pool_takes(user: User, pool: PoolFacts, reason: str) -> None:
    [line] = lines([user], pool=pool)
    assert line.reason == reason
    assert line.username == ("" if reason == "no-username" else user.username)


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
    [line] = lines([a_user("ada@x.io", sub="1")], [newcomer])
    assert (line.action, line.reason, line.known) == (Action.SKIP, reason, None)


def test_who_was_restored_by_an_earlier_job_is_mapped() -> None:
    again = a_user("ada@x.io", sub="9", created=AFTER)
    [line] = lines([a_user("ada@x.io", sub="1")], [again], restored=frozenset({"9"}))
    assert line.reason == "exists" and line.known and line.known.sub == "9"


def test_who_was_there_before_the_backup_is_mapped_by_name() -> None:
    [line] = lines([a_user("ada@x.io", sub="1")], [a_user("ada@x.io", sub="9", created=BEFORE)])
    assert line.reason == "exists" and line.known and line.known.sub == "9"


def test_without_a_time_a_name_alone_makes_nobody_the_same_person() -> None:
    there = a_user("ada@x.io", sub="9", created=AFTER)
    asked = [a_user("ada@x.io", sub="1")]
    (line,) = lines(asked, [there], taken_at="")
    assert (line.reason, line.known) == ("same-name", None)
    (line,) = lines(asked, [there], taken_at="", restored=frozenset({"9"}))
    assert (line.reason, line.known and line.known.sub) == ("exists", "9")


def test_whom_an_earlier_job_began_and_did_not_finish_is_said() -> None:
    asked, there = [a_user("ada@x.io", sub="1")], a_user("ada@x.io", sub="9", created=AFTER)
    for unfinished in ({"9": 7}, {"1": 7}):
        (line,) = lines(asked, [there], unfinished=unfinished)
        assert (line.action, line.reason, line.detail) == ("skip", "unfinished", "7")
        assert plan.sentence(line.reason, line.detail) == (
            "was begun by job 7 and is not finished; go on with that job"
        )
    (line,) = lines(asked, [], unfinished={"1": 7})
    assert line.action == "create", "nobody is there: there is nothing to go on with"


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
    restored=st.sets(st.sampled_from("123456")),
)
def test_laws_of_every_plan(
    backup: list[User], live: list[User], pool: PoolFacts, restored: set[str]
) -> None:
    found = lines(backup, live, pool, restored=frozenset(restored))
    assert [line.user.key for line in found if not line.twin] == list(dict.fromkeys(u.key for u in backup))
    assert len({line.key for line in found}) == len(found), "a line without a row of its own"
    mapped = [line.known.sub for line in found if line.known]
    assert len(mapped) == len(set(mapped)), "one person of the pool for two of the backup"
    for line in found:
        assert line.reason in REASONS
        newcomer = line.known and line.known.created > TAKEN and line.known.sub not in restored
        assert not newcomer or line.known is None or line.known.sub == line.user.key
        assert (line.action is Action.CREATE) == bool(line.username)
    names = [pool.fold(line.username) for line in found if line.action is Action.CREATE]
    assert len(names) == len(set(names)), "a name that is created twice"


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
    assert counts.by_reason == {"missing": 4, "unconfirmed": 1, "no-email": 1, "exists": 1}
    # The disabled are in no number of messages.
    assert [counts.mails(way) for way in Messages] == [0, 3, 0]
    assert [counts.codes(way) for way in Messages] == [2, 0, 0]


def test_somebody_without_an_email_is_neither_invited_nor_sent_a_code() -> None:
    counts = counted([a_user("", username="ada")], pool=NAME_POOL)
    assert (counts.create, counts.invitable, counts.resettable, counts.unverified) == (1, 0, 0, 1)


def test_the_stored_numbers_hold_each_way_against_the_days_limit() -> None:
    counts = counted([a_user("a@x.io"), a_user("b@x.io")])
    numbers = counts.as_json(facts(), 10)
    assert numbers["mails"] == {"silent": 0, "invite": 2, "later": 0}
    assert numbers["codes"] == {"silent": 2, "invite": 0, "later": 0}
    assert (numbers["mail_limit"], numbers["mail_allowed"], numbers["invite_refused"]) == (50, 40, "")
    assert (numbers["create"], numbers["groups"]) == (2, 0)


def test_more_invitations_than_a_day_has_are_refused_with_both_numbers() -> None:
    why = plan.invite_refused(41, facts(), 10)
    assert (
        "41 invitations" in why and "the 40 that" in why and "50 mails a day" in why and "10 are kept" in why
    )
    assert plan.invite_refused(40, facts(), 10) == ""
    assert plan.invite_refused(1, facts(), 60) != ""
    assert plan.invite_refused(15, facts(), 10, sent=25) == ""
    assert "the 15 that" in plan.invite_refused(16, facts(), 10, sent=25)
    assert "25 were sent today" in plan.invite_refused(16, facts(), 10, sent=25)


def test_the_day_of_mails_begins_at_nine() -> None:
    assert plan.mail_day(datetime(2026, 11, 22, 8, 59, tzinfo=UTC)) == datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert plan.mail_day(datetime(2026, 11, 22, 9, 0, tzinfo=UTC)) == datetime(2026, 11, 22, 9, tzinfo=UTC)


def test_where_ses_sends_no_limit_binds() -> None:
    ses = facts(mail="DEVELOPER")
    assert plan.mail_limit(ses) is None and plan.mail_allowed(ses, 10) is None
    assert plan.invite_refused(10**6, ses, 10) == ""


def test_every_reason_is_a_sentence() -> None:
    assert plan.sentence("federated", "Google") == "comes back at the next sign-in through Google"
    assert (
        plan.sentence("linked")
        == "signs in through another provider as well; the link cannot be put back here"
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
    ]
    assert len({digest(), *others}) == len(others) + 1


def test_the_digest_does_not_change_with_what_moves_by_itself() -> None:
    pool = facts(estimated_users=7)
    assert plan.digest("a", pool, {}) == plan.digest("a", replace(pool, estimated_users=8), {})
