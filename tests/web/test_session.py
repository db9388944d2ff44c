"""A session: who it belongs to, how long it lasts, and what ends it. Who may do what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone
from pytest_django import Settings

from backups import auth
from backups.access import Action, can
from backups.core.principal import Refused
from backups.engine.ports import PortError
from backups.models import AuditEntry, Operator
from tests.web.conftest import Browser, Iam, Person, Point

OPEN = {"sign-in", "sign-in-challenge", "sign-in-proof", "sign-out", "health"}
"""Every address that a stranger may ask for."""
SAMPLES: dict[str, Any] = {
    "job": 1,
    "backup": "2026-11-22.01-00-00/biomage-user-pool-case-insensitive-production",
    "part": "data.json",
    "form": "csv",
    "draft": 1,
    "region": "eu-west-1",
    "pool_id": "eu-west-1_Prod00000",
}


@pytest.fixture
def iva(iam: Iam) -> Person:
    return iam.person("iva", "engineering")


@pytest.fixture
def signed_in(iam: Iam, iva: Person, browser: Browser) -> Browser:
    assert browser.sign_in(iva.key).json()["ok"]
    browser.open("/audit/")
    return browser


def later(browser: Browser, seconds: int, *fields: str) -> None:
    """As if the session's clocks had begun so much earlier."""
    session = browser.client.session
    for name in fields:
        session[name] -= seconds
    session.save()


def asked_ago(seconds: int) -> None:
    """As if IAM had last answered so long ago."""
    Operator.objects.update(last_checked_at=timezone.now() - timedelta(seconds=seconds))


def ended(browser: Browser, *words: str) -> None:
    """The session is over, the next page says why, and an entry stands."""
    response = browser.client.get("/audit/")
    assert response.status_code == 302
    assert response.headers["Location"] == "/sign-in/?next=%2Faudit%2F"
    assert not browser.is_in()
    page = browser.open(response.headers["Location"]).content.decode()
    for word in words:
        assert word in page
    assert AuditEntry.objects.filter(act="session.ended").count() == 1


def urls() -> list[tuple[str, str]]:
    """(name, path) of every address of the product."""
    found = []
    for pattern in get_resolver("backups.urls").url_patterns:
        assert isinstance(pattern, URLPattern)
        assert pattern.name
        wanted = {name: SAMPLES[name] for name in pattern.pattern.converters}
        found.append((pattern.name, reverse(pattern.name, kwargs=wanted)))
    return found


# --- who gets where -------------------------------------------------------------------------------


@pytest.mark.django_db
def test_every_address_needs_sign_in_unless_listed() -> None:
    stranger = Client()
    for name, path in urls():
        response = stranger.get(path)
        to_sign_in = response.status_code == 302 and response.headers["Location"].startswith(
            "/sign-in/?next="
        )
        assert to_sign_in == (name not in OPEN), name


@pytest.mark.django_db
def test_every_unsafe_address_needs_sign_in_unless_listed() -> None:
    stranger = Client()
    for name, path in urls():
        if name not in OPEN:
            response = stranger.post(path)
            assert (response.status_code, response.headers["Location"][:9]) == (302, "/sign-in/"), name


def test_every_unsafe_address_needs_a_csrf_token(signed_in: Browser) -> None:
    for name, path in urls():
        assert signed_in.client.post(path).status_code == 403, name


def test_a_cookie_set_before_sign_in_is_dead_after(iam: Iam, iva: Person, browser: Browser) -> None:
    asked = browser.challenge()
    planted = browser.client.cookies["session"].value
    assert browser.prove(asked, iva.key).json()["ok"]
    assert browser.client.cookies["session"].value != planted
    attacker = Client()
    attacker.cookies["session"] = planted
    assert attacker.get("/audit/").status_code == 302


def test_the_cookie_is_for_this_host_and_for_no_script(signed_in: Browser) -> None:
    cookie = signed_in.client.cookies["session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["domain"], cookie["path"]) == (
        True,
        "Lax",
        "",
        "/",
    )


def test_signing_out_ends_the_session_and_says_so(signed_in: Browser, iva: Person) -> None:
    cookie = signed_in.client.cookies["session"].value
    response = signed_in.post("/sign-out/")
    assert (response.status_code, response.headers["Location"]) == (303, "/sign-in/")
    assert "Signed out" in signed_in.open().content.decode()
    assert AuditEntry.objects.filter(act="session.signed-out", actor_id=iva.id).count() == 1
    replay = Client()
    replay.cookies["session"] = cookie
    assert replay.get("/audit/").status_code == 302


def test_signing_out_twice_is_no_error(signed_in: Browser) -> None:
    signed_in.post("/sign-out/")
    signed_in.open()
    assert signed_in.post("/sign-out/").status_code == 303
    assert AuditEntry.objects.filter(act="session.signed-out").count() == 1


def test_who_is_signed_in_is_sent_on_from_the_sign_in_page(signed_in: Browser) -> None:
    response = signed_in.client.get("/sign-in/?next=/audit/")
    assert (response.status_code, response.headers["Location"]) == (302, "/audit/")


# --- time -----------------------------------------------------------------------------------------


def test_idle_for_half_an_hour_ends_the_session(signed_in: Browser) -> None:
    later(signed_in, 30 * 60 + 5, "seen_at")
    ended(signed_in, "30 minutes")


def test_a_request_of_a_person_starts_the_idle_clock_anew(signed_in: Browser) -> None:
    later(signed_in, 29 * 60, "seen_at")
    assert signed_in.client.get("/audit/").status_code == 200
    later(signed_in, 29 * 60, "seen_at")
    assert signed_in.client.get("/audit/").status_code == 200


@pytest.mark.parametrize("name", ["job-stream", "job-part"])
def test_streams_and_polls_do_not(name: str, signed_in: Browser) -> None:
    later(signed_in, 29 * 60, "seen_at")
    before = signed_in.client.session["seen_at"]
    signed_in.client.get(reverse(name, kwargs={"job": 1}))
    assert signed_in.client.session["seen_at"] == before


def test_a_poll_after_the_end_is_told_so(signed_in: Browser) -> None:
    later(signed_in, 30 * 60 + 5, "seen_at")
    response = signed_in.client.get(reverse("job-part", kwargs={"job": 1}), headers={"HX-Request": "true"})
    assert (response.status_code, response.headers["HX-Redirect"]) == (401, "/sign-in/")


def test_after_eight_hours_it_ends_in_any_case(signed_in: Browser) -> None:
    later(signed_in, 8 * 3600 + 5, "signed_in_at")
    ended(signed_in, "8 hours")


# --- IAM, asked again -----------------------------------------------------------------------------


def test_within_two_minutes_iam_is_not_asked(signed_in: Browser, point_aws_at: Point) -> None:
    point_aws_at("http://127.0.0.1:9")
    asked_ago(115)
    assert signed_in.client.get("/audit/").status_code == 200
    assert Operator.objects.get().unanswered_at is None


def test_after_two_minutes_iam_is_asked_and_its_answer_kept(
    iam: Iam, signed_in: Browser, iva: Person
) -> None:
    iam.client.add_user_to_group(UserName=iva.name, GroupName="others")
    asked_ago(125)
    assert signed_in.client.get("/audit/").status_code == 200
    operator = Operator.objects.get()
    assert operator.groups == ["engineering", "others"]
    assert operator.last_checked_at
    assert timezone.now() - operator.last_checked_at < timedelta(seconds=60)


def test_leaving_the_group_ends_the_session(iam: Iam, signed_in: Browser, iva: Person) -> None:
    iam.client.remove_user_from_group(UserName=iva.name, GroupName="engineering")
    asked_ago(125)
    ended(signed_in, "not in the IAM group engineering", "Iva or Pol")


def test_switching_off_the_key_ends_the_session(iam: Iam, signed_in: Browser, iva: Person) -> None:
    iam.client.update_access_key(UserName=iva.name, AccessKeyId=iva.key.id, Status="Inactive")
    asked_ago(125)
    ended(signed_in, iva.key.id[-4:], "switched off")


def test_deleting_the_key_ends_the_session(iam: Iam, signed_in: Browser, iva: Person) -> None:
    iam.client.delete_access_key(UserName=iva.name, AccessKeyId=iva.key.id)
    asked_ago(125)
    ended(signed_in, iva.key.id[-4:])


def test_a_key_ends_only_the_sessions_that_it_opened(iam: Iam, signed_in: Browser, iva: Person) -> None:
    other = Browser()
    assert other.sign_in(iam.temporary(iva)).json()["ok"]
    iam.client.update_access_key(UserName=iva.name, AccessKeyId=iva.key.id, Status="Inactive")
    asked_ago(125)
    assert other.client.get("/audit/").status_code == 200
    ended(signed_in, "switched off")


def test_a_quarantined_user_is_put_out(iam: Iam, signed_in: Browser, iva: Person) -> None:
    iam.client.attach_user_policy(
        UserName=iva.name, PolicyArn="arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV2"
    )
    asked_ago(125)
    ended(signed_in, "compromised")


def test_a_deleted_user_is_put_out(iam: Iam, signed_in: Browser, iva: Person) -> None:
    iam.remove(iva)
    asked_ago(125)
    ended(signed_in, "no longer exists")


def test_a_user_deleted_and_made_again_is_somebody_else(iam: Iam, signed_in: Browser, iva: Person) -> None:
    iam.remove(iva)
    iam.client.create_user(UserName=iva.name)
    iam.client.add_user_to_group(UserName=iva.name, GroupName="engineering")
    asked_ago(125)
    ended(signed_in, "somebody else")


def test_whoever_comes_back_opens_no_old_session(iam: Iam, signed_in: Browser, iva: Person) -> None:
    iam.client.remove_user_from_group(UserName=iva.name, GroupName="engineering")
    with pytest.raises(Refused):
        auth.recheck(Operator.objects.get())
    iam.client.add_user_to_group(UserName=iva.name, GroupName="engineering")
    again = Browser()
    assert again.sign_in(iva.key).json()["ok"]
    assert again.client.get("/audit/").status_code == 200
    assert auth.still_in(signed_in.client.cookies["session"].value) == "Signed out."
    assert signed_in.client.get("/audit/").status_code == 302


def test_a_write_after_leaving_the_group_is_not_done(iam: Iam, signed_in: Browser, iva: Person) -> None:
    iam.client.remove_user_from_group(UserName=iva.name, GroupName="engineering")
    asked_ago(125)
    response = signed_in.post("/backups/start/")
    assert (response.status_code, response.headers["Location"]) == (303, "/sign-in/")


# --- IAM, silent ----------------------------------------------------------------------------------


def test_while_iam_is_silent_pages_are_read_and_nothing_is_written(
    iam: Iam, signed_in: Browser, point_aws_at: Point
) -> None:
    point_aws_at("http://127.0.0.1:9")
    asked_ago(125)
    assert signed_in.client.get("/audit/").status_code == 200
    response = signed_in.post("/backups/start/")
    assert response.status_code == 503
    assert "Nothing is wrong with your account" in response.content.decode()
    point_aws_at(iam.url)
    Operator.objects.update(unanswered_at=timezone.now() - timedelta(seconds=11))
    assert signed_in.client.get("/audit/").status_code == 200
    assert signed_in.is_in()


def test_after_ten_minutes_of_silence_nothing_is_read_either(signed_in: Browser, point_aws_at: Point) -> None:
    point_aws_at("http://127.0.0.1:9")
    asked_ago(605)
    response = signed_in.client.get("/audit/")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "60"
    assert signed_in.is_in()


def test_a_silent_iam_is_asked_once_in_ten_seconds(iam: Iam, signed_in: Browser, point_aws_at: Point) -> None:
    point_aws_at("http://127.0.0.1:9")
    asked_ago(125)
    signed_in.client.get("/audit/")
    in_vain = Operator.objects.get().unanswered_at
    assert in_vain
    point_aws_at(iam.url)
    signed_in.client.get("/audit/")
    assert Operator.objects.get().unanswered_at == in_vain


def test_signing_out_works_while_iam_is_silent(signed_in: Browser, point_aws_at: Point) -> None:
    point_aws_at("http://127.0.0.1:9")
    asked_ago(605)
    assert signed_in.post("/sign-out/").status_code == 303
    assert not signed_in.is_in()


# --- asked by an act, a worker, a stream ----------------------------------------------------------


def test_an_act_asks_iam_whatever_was_stored(iam: Iam, signed_in: Browser, iva: Person) -> None:
    operator = Operator.objects.get()
    auth.recheck(operator)
    iam.client.remove_user_from_group(UserName=iva.name, GroupName="engineering")
    assert can(operator, Action.RESTORE)
    with pytest.raises(Refused):
        auth.recheck(operator)
    assert not can(operator, Action.RESTORE)
    assert not can(Operator.objects.get(), Action.SEE)


def test_an_act_asks_about_the_key_of_its_session(iam: Iam, signed_in: Browser, iva: Person) -> None:
    iam.client.update_access_key(UserName=iva.name, AccessKeyId=iva.key.id, Status="Inactive")
    operator = Operator.objects.get()
    auth.recheck(operator)  # a worker, which has no key
    operator.key_id = iva.key.id
    with pytest.raises(Refused, match="switched off"):
        auth.recheck(operator)


def test_an_act_while_iam_is_silent_changes_nothing_about_the_person(
    signed_in: Browser, point_aws_at: Point
) -> None:
    point_aws_at("http://127.0.0.1:9")
    operator = Operator.objects.get()
    with pytest.raises(PortError):
        auth.recheck(operator)
    assert Operator.objects.get().groups == ["engineering"]
    assert Operator.objects.get().is_active


def test_a_stream_goes_on_while_its_session_stands(signed_in: Browser) -> None:
    assert auth.still_in(signed_in.client.cookies["session"].value) == ""


def test_a_stream_ends_when_its_person_signs_out_elsewhere(signed_in: Browser) -> None:
    key = signed_in.client.cookies["session"].value
    signed_in.post("/sign-out/")
    assert auth.still_in(key) == "Signed out."


def test_a_stream_ends_when_its_person_leaves_the_group(iam: Iam, signed_in: Browser, iva: Person) -> None:
    iam.client.remove_user_from_group(UserName=iva.name, GroupName="engineering")
    assert auth.still_in(signed_in.client.cookies["session"].value) == ""
    asked_ago(125)
    assert "not in the IAM group" in auth.still_in(signed_in.client.cookies["session"].value)


def test_a_stream_ends_when_nobody_is_there(signed_in: Browser) -> None:
    later(signed_in, 30 * 60 + 5, "seen_at")
    assert "30 minutes" in auth.still_in(signed_in.client.cookies["session"].value)


@pytest.mark.django_db
def test_a_stream_without_a_session_ends() -> None:
    assert auth.still_in("no-such-session-00000000000000000") == "Signed out."


# --- who may do what ------------------------------------------------------------------------------

LOOKING = {Action.SEE, Action.COMPARE, Action.READ_AUDIT}


@pytest.mark.parametrize("action", Action)
def test_who_may_restore_may_do_everything(action: Action, settings: Settings) -> None:
    settings.LOGIN_GROUPS, settings.RESTORE_GROUPS = ["viewers", "restorers"], ["restorers"]
    assert can(Operator(name="iva", groups=["restorers"]), action)


@pytest.mark.parametrize("action", Action)
def test_who_may_only_look_changes_nothing_and_sees_nobody_in_clear(
    action: Action, settings: Settings
) -> None:
    settings.LOGIN_GROUPS, settings.RESTORE_GROUPS = ["viewers", "restorers"], ["restorers"]
    decision = can(Operator(name="pol", groups=["viewers"]), action)
    assert decision.allowed == (action in LOOKING)
    assert decision.allowed or ("restorers" in decision.why and "Iva or Pol" in decision.why)


@pytest.mark.parametrize("action", Action)
def test_who_may_restore_and_not_sign_in_may_nothing(action: Action, settings: Settings) -> None:
    settings.LOGIN_GROUPS, settings.RESTORE_GROUPS = ["viewers"], ["restorers"]
    assert not can(Operator(name="iva", groups=["restorers"]), action)


@pytest.mark.parametrize("action", Action)
def test_an_empty_list_means_nobody(action: Action, settings: Settings) -> None:
    everybody = Operator(name="iva", groups=["engineering", ""])
    settings.RESTORE_GROUPS = []
    assert can(everybody, action).allowed == (action in LOOKING)
    settings.LOGIN_GROUPS = []
    assert not can(everybody, action)


def test_who_was_refused_may_nothing_and_is_told_why() -> None:
    decision = can(
        Operator(name="iva", groups=["engineering"], refused="The IAM user iva is gone."), Action.SEE
    )
    assert (decision.allowed, decision.why) == (False, "The IAM user iva is gone.")
