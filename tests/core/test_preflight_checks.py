"""Each check of the preflight: when it passes, warns and stops, and for which way of getting in again."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core import preflight
from backups.core.choices import Choices, Existing, Guard
from backups.core.mail import Limit, needs
from backups.core.plan import Action, Counts, Line, Messages
from backups.core.preflight import Check, People, Source, State, Unasked
from backups.core.snapshot import User
from tests.build import POOL, a_user, facts, laws

UNKNOWN = Unasked("AWS said no.")
NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
ALL = ("silent", "invite", "later")
NOBODY = Counts()
SES = facts(mail="DEVELOPER")


def people(number: int = 3, *, groups: tuple[str, ...] = (), **how: Any) -> Counts:
    found = Counts()
    for at in range(number):
        user = a_user(f"p{at}@uni.example", **how)
        found.note(Line(at, user, Action.CREATE, "missing", groups=groups))
    return found


def because(**reasons: int) -> Counts:
    return replace(NOBODY, by_reason={name.replace("_", "-"): number for name, number in reasons.items()})


def one(checks: Iterable[Check], code: str, way: str = "") -> Check:
    [found] = [check for check in checks if check.code == code and (not way or check.holds_for(way))]
    return found


def warned(check: Check, *words: str) -> None:
    assert check.state is State.WARN, check
    assert check.remedy
    for word in words:
        assert word in check.text


def not_asked(check: Check) -> None:
    """A warning that says so, with AWS's own reason."""
    warned(check, "could not be asked", UNKNOWN.why)


# --- what a check is ------------------------------------------------------------------------------------


@laws(100)
@given(
    st.builds(
        Check,
        st.text(max_size=9),
        st.sampled_from(State),
        st.text(max_size=9),
        st.text(max_size=9),
        st.sets(st.sampled_from(ALL)).map(lambda ways: tuple(sorted(ways))),
    )
)
def test_a_check_survives_being_kept(check: Check) -> None:
    assert Check.of_json(check.as_json()) == check
    assert {way for way in ALL if check.holds_for(way)} == (set(check.ways) or set(ALL))


def test_a_stop_of_one_way_stops_that_way_alone() -> None:
    both = [
        Check("replica", State.STOP, "A replica.", "Elsewhere."),
        Check("mail", State.STOP, "No mail.", "", ("invite",)),
    ]
    assert preflight.stops(both) == ["A replica. Elsewhere."]
    assert preflight.stops(both, "silent") == ["A replica. Elsewhere."]
    assert preflight.stops(both, "invite") == ["A replica. Elsewhere.", "No mail."]


# --- the backup -----------------------------------------------------------------------------------------


def test_a_backup_of_ours_for_this_pool_passes_every_question() -> None:
    ours = Source(POOL, "eu-west-1", "123456789012", checked=True, origin="ours", has_groups=True)
    checks = [*preflight.of_target(ours, facts()), *preflight.of_source(ours)]
    assert [check.code for check in checks] == ["same-pool", "origin", "checked", "groups"]
    assert {check.state for check in checks} == {State.PASS}


def test_another_pools_backup_stops_and_the_way_on_is_said() -> None:
    [check] = preflight.of_target(Source("team-staging"), facts())
    assert (check.code, check.state) == ("same-pool", State.STOP)
    assert "forces silent and needs a second person, which this dashboard cannot yet take" in check.remedy


def test_a_file_that_names_no_pool_is_a_doubt() -> None:
    warned(one(preflight.of_target(Source(""), facts()), "same-pool"), "does not say which pool")


# --- what the account may do ----------------------------------------------------------------------------


def test_only_what_this_plan_would_call_is_asked() -> None:
    assert preflight.actions_of(NOBODY, Choices()).keys() == {
        "cognito-idp:DescribeUserPool",
        "cognito-idp:ListUsers",
        "cognito-idp:AdminGetUser",
    }
    guards = frozenset({Guard.ENABLE})
    everything = preflight.actions_of(
        replace(people(groups=("admins",), enabled=False), links=1, replaced=1),
        Choices(Existing.OVERWRITE, guards),
    )
    assert {name.partition(":")[2] for name in everything} == {
        "AdminAddUserToGroup", "AdminCreateUser", "AdminDeleteUser", "AdminDisableUser", "AdminEnableUser",
        "AdminGetUser",
        "AdminLinkProviderForUser", "AdminListGroupsForUser", "AdminSetUserPassword",
        "AdminUpdateUserAttributes", "CreateGroup", "DescribeUserPool", "ListUsers",
    }  # fmt: skip


def test_what_iam_denies_stops_whoever_needs_it() -> None:
    needed = preflight.actions_of(people(groups=("a",)), Choices())
    denied = {"cognito-idp:AdminSetUserPassword", "cognito-idp:CreateGroup", "cognito-idp:AdminCreateUser"}
    checks = preflight.of_actions(needed, ("role/x", denied | {"s3:GetObject"}), can_read=True)
    assert [check.ways for check in checks] == [(), ("silent",)]
    assert "AdminCreateUser, CreateGroup." in checks[0].sentence and "role/x" in checks[0].sentence
    assert "AdminSetUserPassword" in checks[1].sentence and checks[1].state is State.STOP
    [check] = preflight.of_actions(needed, ("role/x", set()), can_read=True)
    assert check.state is State.PASS


def test_what_iam_does_not_tell_is_a_doubt_and_a_denied_reading_is_not() -> None:
    [check] = preflight.of_actions({}, UNKNOWN, can_read=True)
    not_asked(check)
    assert check.sentence.startswith("Reading a user is allowed")
    [check] = preflight.of_actions({}, UNKNOWN, can_read=Unasked("No answer."))
    not_asked(check)
    [check] = preflight.of_actions({}, UNKNOWN, can_read=False)
    assert check.state is State.STOP and "AdminGetUser" in check.sentence


# --- the schema -----------------------------------------------------------------------------------------


def schema(counts: Counts = NOBODY, **changes: Any) -> dict[str, Check]:
    choices = changes.pop("choices", Choices())
    return {check.code: check for check in preflight.of_schema(counts, facts(**changes), choices)}


def test_a_pool_that_fits_passes() -> None:
    assert {check.state for check in schema().values()} == {State.PASS}
    assert list(schema()) == ["attributes", "required", "immutable", "lengths"]


def test_each_misfit_is_counted() -> None:
    unknown = replace(because(unknown_attribute=2), unknown={"custom:x": 2})
    warned(schema(unknown)["attributes"], "2 users cannot", "custom:x (2).", "leave them out")
    warned(schema(because(required_attribute=1))["required"], "1 user cannot", "Give a default")
    warned(schema(because(too_long=2, wrong_length=1))["lengths"], "3 users cannot", "longer or shorter")
    differs = replace(NOBODY, immutable={"custom:badge": 2})
    warned(schema(differs)["immutable"], "at creation only: custom:badge (2).")
    fixed = schema(immutable=frozenset({"sub", "custom:badge"}))["immutable"]
    assert fixed.state is State.PASS and "never again: custom:badge." in fixed.sentence
    out = Choices(leave_out=frozenset({"custom:x"}))
    warned(schema(choices=out)["attributes"], "custom:x")
    warned(schema(replace(NOBODY, left_out={"custom:x": 7}), choices=out)["attributes"], "custom:x (7)")


# --- names ----------------------------------------------------------------------------------------------


def test_how_names_are_taken_is_said() -> None:
    mode = {check.code: check for check in preflight.of_names(NOBODY, facts(), None)}
    assert "new Username" in mode["usernames"].sentence and mode["case"].state is State.PASS
    free = facts(username_attributes=(), alias_attributes=("email",), case_sensitive=True)
    mode = {check.code: check for check in preflight.of_names(because(no_username=1), free, None)}
    warned(mode["usernames"], "email find somebody too", "1 user cannot")
    warned(mode["case"], "Ada@ and ada@ apart")
    phone = facts(username_attributes=("phone_number",))
    assert one(preflight.of_names(NOBODY, phone, None), "usernames").state is State.PASS
    mode = {check.code: check for check in preflight.of_names(because(no_username=3), phone, None)}
    warned(mode["usernames"], "phone number is the username here: nobody is created", "3 users cannot")
    plain = one(preflight.of_names(because(no_email=2), facts(username_attributes=()), None), "usernames")
    warned(plain, "stay as they were", "2 users cannot")


def collide(*emails: str, case_sensitive: bool = False) -> Check:
    pool = facts(case_sensitive=case_sensitive)
    users = [a_user(email, sub=f"sub-{number}") for number, email in enumerate(emails)]
    seen = preflight.learn(lambda: users, pool)
    return one(preflight.of_names(NOBODY, pool, seen), "collisions")


def test_names_that_differ_by_case_are_found_before_the_first_write() -> None:
    warned(collide("Ada@x", "ada@x", "bob@x"), "1 name differs", "cannot both be")
    warned(collide("Ada@x", "aDa@x", "ADA@x"), "2 names differ from another by case")
    warned(collide("Ada@x", "ada@x", case_sensitive=True), "are two people here")


def test_names_that_differ_by_unicode_form_are_found() -> None:
    warned(collide("jos\u00e9@x", "jose\u0301@x"), "1 name differs from another only in how Unicode")
    three = collide("jos\u00e9@x", "jose\u0301@x", "Jos\u00e9@x", "u\u0308@x", "\u00fc@x")
    warned(three, "by case alone", "2 names differ from another only in how Unicode")


def test_the_same_name_twice_is_the_plans_business() -> None:
    assert collide("ada@x", "ada@x", "Bob@x").state is State.PASS
    warned(one(preflight.of_names(because(duplicate=1), facts(), None), "collisions"), "1 user", "it has")
    warned(one(preflight.of_names(because(duplicate=2), facts(), People()), "collisions"), "they have")
    assert one(preflight.of_names(NOBODY, facts(), None), "collisions").state is State.PASS
    warned(
        one(preflight.of_names(because(address_taken=1), facts(), None), "collisions"), "1 user has an e-mail"
    )
    warned(one(preflight.of_names(because(address_taken=2), facts(), People()), "collisions"), "2 users have")


NAMES = st.lists(st.text(st.sampled_from("aAbBeé\u0301\u00c9ßsS"), min_size=1, max_size=3), max_size=8)


@laws(300)
@given(NAMES)
def test_nobody_collides_who_is_told_apart_by_the_strictest_eye(names: list[str]) -> None:
    """The walk that keeps little finds what comparing everybody with everybody finds."""
    users = [a_user(name, sub=str(number)) for number, name in enumerate(names)]

    def strict(name: str) -> str:
        return unicodedata.normalize("NFC", name).casefold()

    groups: dict[str, set[str]] = {}
    for name in names:
        groups.setdefault(strict(name), set()).add(name)
    seen = preflight.learn(lambda: users, facts())
    assert seen.by_case + seen.by_form == sum(len(group) - 1 for group in groups.values())
    forms = sum(
        len(group) - len({unicodedata.normalize("NFC", n) for n in group}) for group in groups.values()
    )
    assert seen.by_form == forms


def test_in_a_pool_of_usernames_these_are_looked_at() -> None:
    users: list[User] = [a_user("a@x", username=name, sub=name) for name in ("Ada", "ada")]
    assert preflight.learn(lambda: users, facts(username_attributes=())).by_case == 1
    assert preflight.learn(lambda: users, facts()).by_case == 0


def test_unverified_addresses_matter_to_a_silent_restore() -> None:
    check = preflight.of_addresses(people(2, verified=False))
    warned(check, "2 users of those created have", "neither sign in")
    assert check.ways == ("silent",)
    warned(preflight.of_addresses(people(1, verified=False)), "1 user of those created has")
    assert preflight.of_addresses(people(2)).state is State.PASS


# --- settings -------------------------------------------------------------------------------------------


EVERY_RULE = dict.fromkeys(("RequireUppercase", "RequireLowercase", "RequireNumbers", "RequireSymbols"), True)


def policy(**rules: Any) -> dict[str, Any]:
    return {"Policies": {"PasswordPolicy": rules}}


@pytest.mark.parametrize(
    ("password", "lacks"),
    [("aaa1-", "a capital"), ("AAA1-", "a small letter"), ("aAA-", "a digit"), ("aA1", "a symbol")],
)
def test_a_password_that_lacks_something_stops_a_silent_restore(password: str, lacks: str) -> None:
    check = preflight.of_password(policy(**EVERY_RULE), password)
    assert (check.state, check.ways) == (State.STOP, ("silent",)) and lacks in check.sentence


def test_a_password_that_is_too_short_stops_and_one_that_fits_passes() -> None:
    assert "12 characters" in preflight.of_password(policy(MinimumLength=12), "aA1-").sentence
    assert preflight.of_password(policy(**EVERY_RULE, MinimumLength=4), "aA1-").state is State.PASS
    assert preflight.of_password({}, "a").state is State.PASS
    not_asked(preflight.of_password(UNKNOWN, "a"))


def recovery(*names: str) -> dict[str, Any]:
    """The first named is asked first, whatever the order in which AWS tells them."""
    told = [{"Priority": place, "Name": name} for place, name in enumerate(names, 1)]
    return {"AccountRecoverySetting": {"RecoveryMechanisms": told[::-1]}}


def test_where_nobody_may_ask_for_a_password_nobody_is_promised_one() -> None:
    check = preflight.of_recovery(recovery("admin_only"), 2_000)
    assert check.state is State.STOP and check.ways == ("silent",)
    assert "2,000 users could not get in" in check.sentence and "Invite people" in check.remedy


@pytest.mark.parametrize(
    ("pool", "state"),
    [
        (recovery("verified_email"), State.PASS),
        (recovery("verified_email", "verified_phone_number"), State.PASS),
        (recovery("verified_phone_number", "verified_email"), State.WARN),
        ({}, State.PASS),
        ({"AccountRecoverySetting": {}}, State.PASS),
    ],
)
def test_how_codes_for_a_password_go_out_is_said(pool: dict[str, Any], state: State) -> None:
    check = preflight.of_recovery(pool, 5)
    assert (check.state, check.ways) == (state, ("silent",))
    not_asked(preflight.of_recovery(UNKNOWN, 5))


def test_second_factors() -> None:
    on: dict[str, Any] = {"MfaConfiguration": "ON"}
    token: dict[str, Any] = {"SoftwareTokenMfaConfiguration": {"Enabled": True}}
    text: dict[str, Any] = {"SmsMfaConfiguration": {}}
    mail: dict[str, Any] = {"EmailMfaConfiguration": {}}
    not_asked(preflight.of_factors(UNKNOWN, None))
    assert preflight.of_factors({"MfaConfiguration": "OFF"}, None).state is State.PASS
    warned(preflight.of_factors({"MfaConfiguration": "OPTIONAL"}, None), "optional", "do not come back")
    warned(preflight.of_factors(on | token | text, None), "set up an authenticator app")
    warned(preflight.of_factors(on | token, None, 1), "1 user comes back without the one of before")
    warned(preflight.of_factors(on | token, None, 2), "2 users come back")
    warned(preflight.of_factors(on | text, None), "Whoever has no phone number cannot sign in")
    warned(preflight.of_factors(on | text, People(without_phone=2)), "2 users of the backup without a phone")
    assert preflight.of_factors(on | text, People()).state is State.PASS
    warned(preflight.of_factors(on | mail, None), "one more mail")
    warned(preflight.of_factors(on, None), "none switched on")


def test_messages_as_the_pool_itself_complains_of_them() -> None:
    [check] = preflight.of_messages(UNKNOWN)
    not_asked(check)
    assert "needs none" in one(preflight.of_messages({}), "sms").sentence
    role = {"SmsConfiguration": {"SnsCallerArn": "arn:role/sms"}}
    assert "arn:role/sms" in one(preflight.of_messages(role), "sms").sentence
    assert "End User" in one(preflight.of_messages({"SmsConfiguration": {"EumsSms": {}}}), "sms").sentence
    failed = preflight.of_messages(
        {"SmsConfigurationFailure": "SNSSandbox", "EmailConfigurationFailure": "No"}
    )
    warned(one(failed, "sms"), "SNSSandbox")
    warned(one(failed, "mail-failure"), "No")


def test_protection_and_replicas() -> None:
    not_asked(preflight.of_protection(UNKNOWN))
    warned(preflight.of_protection({"DeletionProtection": "INACTIVE"}), "one call deletes it")
    assert preflight.of_protection({"DeletionProtection": "ACTIVE"}).state is State.PASS
    not_asked(preflight.of_replica(UNKNOWN, "eu-west-1"))
    assert preflight.of_replica("", "eu-west-1").state is State.PASS
    warned(preflight.of_replica("PRIMARY", "eu-west-1"), "replicated")
    check = preflight.of_replica("SECONDARY", "eu-west-1")
    assert check.state is State.STOP and not check.ways and "eu-west-1" in check.sentence


# --- triggers -------------------------------------------------------------------------------------------


def test_no_trigger_is_said_too() -> None:
    for create in (0, 1):
        [check] = preflight.of_triggers([], create)
        assert check.state is State.PASS


def test_triggers_are_named_for_the_way_in_which_they_run() -> None:
    checks = preflight.of_triggers(["PreSignUp", "PostConfirmation"], 1)
    warned(one(checks, "trigger-PreSignUp", "silent"), "PreSignUp_AdminCreateUser", "veto")
    silent = one(checks, "trigger-PostConfirmation", "silent")
    warned(silent, "forgot password", "grants access", "identity map")
    for way in ("invite", "later"):
        warned(one(checks, "trigger-PostConfirmation", way), "does not run after an invitation", "old sub")


def test_what_writes_or_sends_the_mails_is_named() -> None:
    checks = preflight.of_triggers(["CustomMessage", "CustomEmailSender", "CustomSMSSender"], 1)
    warned(one(checks, "trigger-CustomMessage", "invite"), "writes each invitation")
    warned(one(checks, "trigger-CustomEmailSender", "silent"), "sends each code")
    assert one(checks, "trigger-CustomSMSSender", "later").state is State.PASS


def test_the_others_run_at_sign_in() -> None:
    checks = preflight.of_triggers(["UserMigration", "PreTokenGeneration"], 1)
    warned(one(checks, "trigger-UserMigration"), "before the restore gets there")
    assert one(checks, "trigger-PreTokenGeneration").state is State.PASS


def test_where_nobody_is_created_no_trigger_of_new_people_is_named() -> None:
    of_new = ["PreSignUp", "PostConfirmation", "CustomMessage", "CustomEmailSender", "UserMigration"]
    assert preflight.of_triggers(of_new, 0) == []
    checks = preflight.of_triggers([*of_new, "CustomSMSSender", "PreTokenGeneration"], 0)
    assert [check.code for check in checks] == ["trigger-CustomSMSSender", "trigger-PreTokenGeneration"]


# --- mail, bill and time ----------------------------------------------------------------------------------


def mail(way: str, counts: Counts, limit: Limit, *, ses: bool = False) -> Check:
    found = preflight.of_mail(needs(counts, limit, NOW), limit, SES if ses else facts(), NOW)
    assert [check.ways for check in found] == [(one_way,) for one_way in ALL]
    return one(found, "mail", way)


def test_what_fits_into_today_passes() -> None:
    check = mail("invite", people(40), Limit(50, 0, 10))
    assert check.state is State.PASS
    assert "40 invitations" in check.sentence and "10 of them kept for codes" in check.sentence
    assert mail("silent", people(50), Limit(50, 0, 10)).state is State.PASS


def test_what_does_not_fit_says_the_day_of_the_last_one() -> None:
    warned(mail("invite", people(41), Limit(50, 0, 10)), "23 November 2026, 09:00 UTC", "mail to SES first")
    warned(mail("silent", people(51), Limit(50, 0, 10)), "51 codes", "23 November 2026")
    warned(
        mail("later", people(41), Limit(50, 0, 10)),
        "takes 41 invitations",
        "Begun now, the last",
        "23 November 2026",
    )
    warned(mail("invite", people(2), Limit(10, 9, rolling=True), ses=True), "14:00 UTC", "higher quota")


def test_ses_without_a_limit_passes_and_its_sandbox_stops_invitations() -> None:
    assert "no limit" in mail("invite", people(), Limit(None, rolling=True), ses=True).sentence
    sandbox = Limit(200, rolling=True, sandbox=True)
    assert mail("invite", people(), sandbox, ses=True).state is State.STOP
    warned(mail("silent", people(), sandbox, ses=True), "sandbox", "production access")
    warned(mail("later", people(), sandbox, ses=True), "sandbox")
    for way in ALL:
        nothing = mail(way, NOBODY, sandbox, ses=True)
        assert nothing.state is State.PASS and "sandbox" not in nothing.sentence


def test_a_day_without_a_mail_stops_invitations() -> None:
    assert mail("invite", people(), Limit(50, 0, 50)).state is State.STOP
    warned(mail("silent", people(), Limit(0, rolling=True), ses=True), "ever get a mail")


def test_what_ses_does_not_say_is_a_doubt() -> None:
    check = mail("invite", people(), Limit(None, rolling=True, why=UNKNOWN.why), ses=True)
    not_asked(check)


def test_who_stays_out_is_counted() -> None:
    check = mail("silent", people(1, verified=False), Limit(50, 0, 10))
    assert check.state is State.PASS
    assert "1 user cannot be brought in by any mail of this way" in check.sentence


def test_the_bill() -> None:
    assert preflight.of_billing(NOBODY, facts()).state is State.PASS
    check = preflight.of_billing(people(2), facts(tier="LITE"))
    assert check.state is State.PASS and "2 users as active" in check.sentence
    warned(preflight.of_billing(replace(NOBODY, update=10_000), facts(tier="LITE")), "10,000 users", "Only")
    warned(preflight.of_billing(people(1), facts(tier="PLUS")), "On the tier PLUS each may cost")
    warned(preflight.of_billing(people(1), facts()), "does not tell the pool's tier")


RATES = {"UserCreation": 40.0, "UserAccountRecovery": 24.0, "UserUpdate": 20.0, "UserRead": 96.0,
         "UserResourceRead": 40.0}  # fmt: skip


def took(counts: Counts, *, apart: bool = False) -> dict[str, str]:
    return {check.ways[0]: check.sentence for check in preflight.of_time(counts, RATES, apart=apart)}


def test_the_times_are_those_of_the_operations_page() -> None:
    """docs/operations.md, the table of a share of 0.8."""
    two_thousand, ten_thousand = replace(NOBODY, create=2000), replace(NOBODY, create=10_000)
    assert (
        "84 s" in took(two_thousand)["silent"]
        and "UserAccountRecovery decides" in took(two_thousand)["silent"]
    )
    assert "7 min" in took(ten_thousand)["silent"]
    assert "50 s" in took(two_thousand)["later"] and "UserCreation decides" in took(two_thousand)["later"]
    one_group = replace(ten_thousand, memberships=10_000)
    assert "9 min" in took(one_group)["invite"] and "UserUpdate decides" in took(one_group)["invite"]
    many = replace(NOBODY, create=100_000, invitable=100_000)
    assert "42 min" in took(many)["invite"] and "84 min" in took(many, apart=True)["invite"]


def test_who_is_only_updated_takes_as_long_by_every_way() -> None:
    [check] = preflight.of_time(replace(NOBODY, update=1000), RATES, apart=True)
    assert check.ways == () and check.sentence.startswith("In all: not less than ")
    [check] = preflight.of_time(NOBODY, RATES, apart=True)
    assert check.sentence == "In all: there is nothing to write."


@laws(100)
@given(st.integers(0, 9999), st.integers(0, 9999), st.integers(0, 9999), st.integers(0, 9999))
def test_more_is_never_faster_and_no_category_is_forgotten(
    create: int, memberships: int, disabled: int, update: int
) -> None:
    counts = replace(NOBODY, create=create, memberships=memberships, disabled=disabled, update=update)
    for way in ALL:
        needed = preflight.calls(counts, way, apart=False)
        assert needed.keys() == RATES.keys() and min(needed.values()) >= 0
        more = preflight.calls(replace(counts, create=create + 1), way, apart=False)
        assert all(more[name] >= needed[name] for name in needed)


def test_durations_are_rounded_up_into_words() -> None:
    said = {0.2: "1 s", 89: "89 s", 90: "2 min", 420: "7 min", 5400: "1 h 30 min", 7200: "2 h"}
    assert {seconds: preflight.duration(seconds) for seconds in said} == said
    assert preflight.duration(timedelta(hours=5, seconds=1).total_seconds()) == "5 h 1 min"


def test_another_job_on_this_pool_is_named() -> None:
    assert preflight.of_other_job(None).state is State.PASS
    warned(preflight.of_other_job(7, "restore, running"), "Job 7 (restore, running)", "plan again")


def test_every_way_is_known_to_the_checks() -> None:
    assert {way.value for way in Messages} == set(ALL)
