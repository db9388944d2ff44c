"""Signing in: a signature that STS verifies, a person whom IAM knows, and everything that is neither."""

from __future__ import annotations

import http.client
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from backups import wiring
from backups.models import AuditEntry, Challenge, Operator
from tests import servers
from tests.signing import BODY, Key
from tests.web.conftest import Browser, Iam, Point, proof

PROOF = "/sign-in/proof/"


def refused(response: Any, status: int, code: str) -> str:
    """The sentence of a refusal, after looking at the rest of it."""
    said = response.json()
    assert (response.status_code, said["ok"], said["code"]) == (status, False, code)
    assert said["message"].endswith(".")
    return str(said["message"])


# --- let in ---------------------------------------------------------------------------------------


def test_a_member_signs_in_and_is_known_by_the_unique_id(iam: Iam, browser: Browser) -> None:
    iva = iam.person("iva", "engineering", path="/people/")
    response = browser.sign_in(iva.key)
    assert response.json() == {"ok": True, "next": "/"}
    operator = Operator.objects.get()
    assert (operator.unique_id, operator.name, operator.arn) == (iva.id, iva.name, iva.arn)
    assert operator.groups == ["engineering"]
    assert browser.is_in()
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.actor_id, entry.result) == ("session.signed-in", iva.id, "done")


def test_a_temporary_key_of_a_member_signs_in_as_the_same_person(iam: Iam, browser: Browser) -> None:
    iva = iam.person("iva", "engineering")
    assert browser.sign_in(iam.temporary(iva)).json()["ok"]
    assert Operator.objects.get().unique_id == iva.id


def test_neither_the_secret_nor_the_token_is_kept_or_logged(
    iam: Iam, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = iam.temporary(iam.person("iva", "engineering"))
    assert browser.sign_in(key).json()["ok"]
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        kept = ""
        for table in tables:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608
            kept += repr(cursor.fetchall())
    for secret in (key.secret, key.token):
        assert secret not in kept
        assert secret not in caplog.text


# --- the signature --------------------------------------------------------------------------------

WRONG: dict[str, dict[str, Any]] = {
    "signed for another server id": {"serverId": "another-dashboard"},
    "without the server-id header": {"headers": {"x-cognito-admin-server-id": None}},
    "without the nonce header": {"headers": {"x-cognito-admin-nonce": None}},
    "for another nonce": {"nonce": "A" * 43},
    "another action": {"body": "Action=GetSessionToken&Version=2011-06-15"},
    "a second action": {"body": BODY + "&Action=GetSessionToken"},
    "as GET with a query": {"method": "GET", "query": BODY, "body": ""},
    "another path": {"path": "/other"},
    "another host": {"host": "sts.example.org"},
    "the global host": {"host": "sts.amazonaws.com"},
    "another region": {"region": "us-east-1"},
    "another service": {"service": "iam"},
    "an extra x-amz header": {"headers": {"x-amz-extra": "1"}},
    "accept json": {"headers": {"accept": "application/json"}},
    "a date of the client's own": {"date": "20200101T000000Z"},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_signature_over_anything_else_is_refused(wrong: dict[str, Any], iam: Iam, browser: Browser) -> None:
    iva = iam.person("iva", "engineering")
    refused(browser.prove(browser.challenge(), iva.key, **wrong), 403, "signature-does-not-match")
    assert not browser.is_in()
    assert AuditEntry.objects.get().act == "session.refused"


def test_a_wrong_secret_is_refused(iam: Iam, browser: Browser) -> None:
    iva = iam.person("iva", "engineering")
    sentence = refused(browser.sign_in(Key(iva.key.id, "not-the-secret")), 403, "signature-does-not-match")
    assert "secret" in sentence


def test_an_unknown_key_is_refused(iam: Iam, browser: Browser) -> None:
    refused(browser.sign_in(Key("AKIAUNKNOWNUNKNOWN00", "secret")), 403, "invalid-client-token-id")


def test_a_key_id_swapped_for_a_colleagues_is_refused(iam: Iam, browser: Browser) -> None:
    iva, mallory = iam.person("iva", "engineering"), iam.person("mallory", "engineering")
    sent = proof(asked := browser.challenge(), mallory.key) | {"keyId": iva.key.id}
    assert asked["nonce"] == sent["nonce"]
    refused(browser.send(PROOF, sent), 403, "signature-does-not-match")


def test_an_inactive_key_is_refused(iam: Iam, browser: Browser) -> None:
    iva = iam.person("iva", "engineering")
    iam.client.update_access_key(UserName=iva.name, AccessKeyId=iva.key.id, Status="Inactive")
    refused(browser.sign_in(iva.key), 403, "invalid-client-token-id")


def test_a_deleted_key_is_refused(iam: Iam, browser: Browser) -> None:
    iva = iam.person("iva", "engineering")
    iam.client.delete_access_key(UserName=iva.name, AccessKeyId=iva.key.id)
    refused(browser.sign_in(iva.key), 403, "invalid-client-token-id")


# --- replay ---------------------------------------------------------------------------------------


@pytest.fixture
def deaf(point_aws_at: Point) -> Callable[[], None]:
    """From here on nobody answers for AWS: what still gets a refusal asked nobody."""
    return lambda: point_aws_at("http://127.0.0.1:9")


def test_the_same_proof_twice_is_refused_without_asking_sts(
    iam: Iam, browser: Browser, deaf: Callable[[], None]
) -> None:
    iva = iam.person("iva", "engineering")
    sent = proof(browser.challenge(), iva.key)
    before = browser.client.cookies["session"].value
    assert browser.send(PROOF, sent).json()["ok"]
    browser.client.cookies["session"] = before
    browser.open()
    deaf()
    refused(browser.send(PROOF, sent), 403, "challenge")


def test_a_proof_is_spent_by_a_failed_try(iam: Iam, browser: Browser) -> None:
    iva = iam.person("iva", "engineering")
    asked = browser.challenge()
    refused(browser.prove(asked, Key(iva.key.id, "typo")), 403, "signature-does-not-match")
    refused(browser.prove(asked, iva.key), 403, "challenge")


def test_a_proof_from_another_browser_is_refused(
    iam: Iam, browser: Browser, deaf: Callable[[], None]
) -> None:
    """Also the other way round: an attacker cannot sign a victim's browser in as the attacker."""
    sent = proof(browser.challenge(), iam.person("mallory", "engineering").key)
    victim = Browser()
    victim.challenge()
    deaf()
    refused(victim.send(PROOF, sent), 403, "challenge")
    assert not victim.is_in()


def test_an_expired_challenge_is_refused(iam: Iam, browser: Browser, deaf: Callable[[], None]) -> None:
    iva = iam.person("iva", "engineering")
    asked = browser.challenge()
    row = Challenge.objects.get(nonce=asked["nonce"])
    assert row.expires_at - row.issued_at == timedelta(seconds=120)
    Challenge.objects.update(expires_at=timezone.now())
    deaf()
    refused(browser.prove(asked, iva.key), 403, "challenge")


def test_a_challenge_that_nobody_gave_is_refused(
    iam: Iam, browser: Browser, deaf: Callable[[], None]
) -> None:
    iva = iam.person("iva", "engineering")
    asked = browser.challenge() | {"nonce": "x" * 43}
    deaf()
    refused(browser.prove(asked, iva.key), 403, "challenge")


def test_a_browser_without_a_challenge_is_refused(iam: Iam, browser: Browser) -> None:
    asked = browser.challenge()
    stranger = Browser()
    stranger.open()
    refused(stranger.prove(asked, iam.person("iva", "engineering").key), 403, "challenge")


def test_a_nonce_is_given_once_and_cannot_be_guessed(iam: Iam, browser: Browser) -> None:
    nonces = {browser.challenge()["nonce"] for _ in range(8)}
    assert len(nonces) == 8
    assert all(len(nonce) == 43 for nonce in nonces)


def test_old_challenges_are_swept(iam: Iam, browser: Browser) -> None:
    browser.challenge()
    Challenge.objects.update(expires_at=timezone.now() - timedelta(hours=2))
    browser.challenge()
    assert Challenge.objects.count() == 1


def test_too_many_challenges_are_refused_until_a_minute_has_gone_by(
    iam: Iam, browser: Browser, settings: Settings
) -> None:
    settings.CHALLENGES_PER_MINUTE = 2
    iva = iam.person("iva", "engineering")
    browser.challenge()
    browser.challenge()
    for _ in range(3):
        response = browser.send("/sign-in/challenge/", {})
        refused(response, 429, "too-many")
        assert response.headers["Retry-After"] == "60"
    Challenge.objects.update(issued_at=timezone.now() - timedelta(minutes=1))
    assert browser.sign_in(iva.key).json()["ok"]


def test_a_forged_forwarded_address_does_not_lift_the_limit(
    iam: Iam, browser: Browser, settings: Settings
) -> None:
    settings.CHALLENGES_PER_MINUTE = 1
    browser.challenge()
    other = Browser()
    other.open()
    response = other.client.post(
        "/sign-in/challenge/",
        {},
        content_type="application/json",
        headers={"X-CSRFToken": other.token, "X-Forwarded-For": "203.0.113.9"},
    )
    refused(response, 429, "too-many")


def test_behind_one_proxy_the_last_forwarded_address_counts(
    iam: Iam, browser: Browser, settings: Settings
) -> None:
    settings.TRUSTED_PROXIES = 1
    browser.open()
    browser.client.post(
        "/sign-in/challenge/",
        {},
        content_type="application/json",
        headers={"X-CSRFToken": browser.token, "X-Forwarded-For": "198.51.100.1, 203.0.113.9"},
    )
    assert Challenge.objects.get().address == "203.0.113.9"


# --- the form -------------------------------------------------------------------------------------

SIGNATURE = "0" * 64
NONCE = "n" * 43
GOOD = {"nonce": NONCE, "keyId": "AKIAABCDEFGHIJKLMNOP", "signature": SIGNATURE}
MALFORMED: dict[str, Any] = {
    "a line end in the key id": GOOD | {"keyId": "AKIAABCDEF\r\nX-Evil: 1"},
    "a newline after the key id": GOOD | {"keyId": "AKIAABCDEFGHIJKLMNOP\n"},
    "unicode digits in the key id": GOOD | {"keyId": "AKIA١٢٣٤٥٦٧٨٩٠١٢٣٤٥٦"},
    "the scope in the key id": GOOD | {"keyId": "AKIAABCDEFGHIJKLMNOP/20261122/us-east-1/sts/aws4_request"},
    "a key id too long": GOOD | {"keyId": "AKIA" + "A" * 200},
    "a list for the key id": GOOD | {"keyId": ["AKIAABCDEFGHIJKLMNOP"]},
    "a key id in root's style": GOOD | {"keyId": "111122223333"},
    "a line end in the signature": GOOD | {"signature": "0" * 62 + "\r\n"},
    "a newline after the signature": GOOD | {"signature": SIGNATURE + "\n"},
    "capitals in the signature": GOOD | {"signature": "A" * 64},
    "parameters in the signature": GOOD | {"signature": SIGNATURE + ", SignedHeaders=host"},
    "a number for the signature": GOOD | {"signature": 0},
    "a line end in the token": GOOD | {"sessionToken": "a" * 20 + "\r\nX-Evil: 1"},
    "a token too long": GOOD | {"keyId": "ASIAABCDEFGHIJKLMNOP", "sessionToken": "a" * 6001},
    "an empty token": GOOD | {"sessionToken": ""},
    "a null token": GOOD | {"sessionToken": None},
    "a url": GOOD | {"url": "https://sts.example.org/"},
    "headers": GOOD | {"headers": {"host": "sts.example.org"}},
    "a date": GOOD | {"date": "20261122T010000Z"},
    "no nonce": {name: GOOD[name] for name in ("keyId", "signature")},
    "another nonce's length": GOOD | {"nonce": "short"},
    "an array": [GOOD],
    "a text": "sign me in",
    "null": None,
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_the_page_never_sends_is_refused(sent: Any, browser: Browser) -> None:
    browser.open()
    refused(browser.client.post(
        PROOF, json.dumps(sent), content_type="application/json", headers={"X-CSRFToken": browser.token}
    ), 400, "malformed")  # fmt: skip
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b" ",
        b"keyId=AKIA",
        b"{",
        b"\xff\xfe{}",
        b"[" * 8000,
        b"1" * 8000,
        json.dumps(GOOD).replace('"keyId"', '"keyId": "AKIAOTHEROTHEROTHER0", "keyId"', 1).encode(),
    ],
    ids=["empty", "a form", "cut", "no utf-8", "deep", "a long number", "a name twice"],
)
def test_what_is_not_json_is_refused(body: bytes, browser: Browser) -> None:
    browser.open()
    response = browser.client.post(
        PROOF, body, content_type="application/json", headers={"X-CSRFToken": browser.token}
    )
    refused(response, 400, "malformed")


def test_a_long_body_is_refused(browser: Browser) -> None:
    browser.open()
    refused(browser.send(PROOF, GOOD | {"more": "x" * 9000}), 413, "too-long")


@pytest.mark.parametrize(
    "kind",
    ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "text/json"],
)
def test_anything_but_json_is_refused(kind: str, browser: Browser) -> None:
    browser.open()
    response = browser.client.post(
        PROOF, json.dumps(GOOD), content_type=kind, headers={"X-CSRFToken": browser.token}
    )
    refused(response, 415, "not-json")


def test_a_long_lived_key_with_a_token_is_refused(browser: Browser) -> None:
    browser.open()
    refused(browser.send(PROOF, GOOD | {"sessionToken": "a" * 20}), 400, "token-extra")


def test_a_temporary_key_without_its_token_is_refused(browser: Browser) -> None:
    browser.open()
    refused(browser.send(PROOF, GOOD | {"keyId": "ASIAABCDEFGHIJKLMNOP"}), 400, "token-missing")


def test_a_malformed_try_spends_nothing(iam: Iam, browser: Browser) -> None:
    iva = iam.person("iva", "engineering")
    sent = proof(browser.challenge(), iva.key)
    browser.send(PROOF, sent | {"keyId": sent["keyId"] + "\n"})
    assert browser.send(PROOF, sent).json()["ok"]


@pytest.mark.parametrize("url", ["/sign-in/challenge/", PROOF, "/sign-out/"])
def test_nothing_of_it_goes_by_get(url: str, browser: Browser) -> None:
    assert browser.client.get(url).status_code == 405


@pytest.mark.parametrize("url", ["/sign-in/challenge/", PROOF, "/sign-out/"])
def test_nothing_of_it_goes_without_a_csrf_token(url: str, browser: Browser) -> None:
    assert browser.client.post(url, GOOD, content_type="application/json").status_code == 403
    assert not Challenge.objects.exists()


def test_the_form_itself_takes_no_post(browser: Browser) -> None:
    """Without its script the page sends nothing: the fields have no name, and nobody is there."""
    page = browser.open().content.decode()
    assert browser.post("/sign-in/").status_code == 405
    fields = [
        line for line in page.split("<") if line.startswith("input") and "csrfmiddlewaretoken" not in line
    ]
    assert len(fields) == 3
    assert not any("name=" in line for line in fields)
    assert "disabled" in next(
        line for line in page.split("<") if line.startswith("button") and 'id="go"' in line
    )


def test_the_page_names_the_group_the_account_and_whom_to_ask(
    iam: Iam, browser: Browser, settings: Settings
) -> None:
    settings.LOGIN_GROUPS = ["engineering", "on-call"]
    page = browser.open().content.decode()
    for words in ("engineering", "on-call", "111122223333", "Iva or Pol"):
        assert words in page


def test_the_page_stands_while_aws_is_silent(browser: Browser, point_aws_at: Point) -> None:
    point_aws_at("http://127.0.0.1:9")
    assert browser.open().status_code == 200


def test_the_page_cannot_be_framed_or_stored(browser: Browser) -> None:
    headers = browser.open().headers
    assert headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "no-store" in headers["Cache-Control"]


# --- groups ---------------------------------------------------------------------------------------


def test_who_is_not_in_the_group_is_told_who_they_are_and_whom_to_ask(iam: Iam, browser: Browser) -> None:
    guest = iam.person("guest", "others")
    sentence = refused(browser.sign_in(guest.key), 403, "not-in-group")
    for words in (guest.name, "111122223333", "engineering", "Iva or Pol"):
        assert words in sentence
    assert not browser.is_in()
    assert not Operator.objects.exists()
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.actor_id, entry.result) == ("session.refused", guest.id, "not-in-group")


def test_who_is_in_no_group_is_refused(iam: Iam, browser: Browser) -> None:
    refused(browser.sign_in(iam.person("guest").key), 403, "not-in-group")


def test_an_empty_list_of_groups_lets_nobody_in(iam: Iam, browser: Browser, settings: Settings) -> None:
    settings.LOGIN_GROUPS = []
    refused(browser.sign_in(iam.person("iva", "engineering").key), 403, "not-in-group")


def test_the_case_of_a_group_counts(iam: Iam, browser: Browser, settings: Settings) -> None:
    settings.LOGIN_GROUPS = ["Engineering"]
    refused(browser.sign_in(iam.person("iva", "engineering").key), 403, "not-in-group")


def test_a_key_that_aws_found_in_public_is_refused(iam: Iam, browser: Browser) -> None:
    iva = iam.person("iva", "engineering")
    iam.client.attach_user_policy(
        UserName=iva.name, PolicyArn="arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"
    )
    refused(browser.sign_in(iva.key), 403, "quarantined")


def test_iam_down_is_nobodys_fault_and_no_refusal(
    iam: Iam, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    iva = iam.person("iva", "engineering")
    monkeypatch.setenv("AWS_ENDPOINT_URL_IAM", "http://127.0.0.1:9")
    sentence = refused(browser.sign_in(iva.key), 503, "no-answer")
    assert "Nothing is wrong with your account" in sentence
    assert not AuditEntry.objects.exists()


def test_credentials_of_ours_that_may_not_ask_iam_are_named(
    iam: Iam, browser: Browser, monkeypatch: pytest.MonkeyPatch, point_aws_at: Point
) -> None:
    powerless = iam.person("app")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", powerless.key.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", powerless.key.secret)
    point_aws_at(iam.url)
    response = browser.sign_in(iam.person("iva", "engineering").key)
    refused(response, 503, "no-answer")
    assert "policy" in response.json()["detail"]


# --- the answer -----------------------------------------------------------------------------------

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
ARN = "arn:aws:iam::111122223333:user/iva"
USER_ID = "AIDAIVAIVAIVAIVAIVA1"
KEY = Key("AKIAIVAIVAIVAIVAIVA1", "secret")


def identity_xml(
    arn: str = ARN, user_id: str = USER_ID, account: str = "111122223333", result: str = ""
) -> str:
    result = result or f"<Arn>{arn}</Arn><UserId>{user_id}</UserId><Account>{account}</Account>"
    return (
        f'<GetCallerIdentityResponse xmlns="{NAMESPACE}"><GetCallerIdentityResult>{result}'
        "</GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>"
        "</GetCallerIdentityResponse>"
    )


@dataclass
class Standin:
    """STS and IAM, saying what the test says. Our own credentials are always told the truth."""

    status: int = 200
    kind: str = "text/xml"
    body: str | bytes = field(default_factory=identity_xml)
    headers: dict[str, str] = field(default_factory=dict)
    user: tuple[str, str] = (USER_ID, ARN)
    pages: list[list[str]] = field(default_factory=lambda: [["engineering"]])
    asked: list[dict[str, str]] = field(default_factory=list)  # headers of every proof that arrived
    url: str = ""

    def iam(self, action: str, marker: str) -> str:
        user_id, arn = self.user
        if action == "GetUser":
            result = (
                f"<User><Path>/</Path><UserName>iva</UserName><UserId>{user_id}</UserId><Arn>{arn}</Arn>"
                "<CreateDate>2026-11-22T00:00:00Z</CreateDate></User>"
            )
        elif action == "ListAccessKeys":
            result = (
                f"<AccessKeyMetadata><member><AccessKeyId>{KEY.id}</AccessKeyId><Status>Active</Status>"
                "</member></AccessKeyMetadata><IsTruncated>false</IsTruncated>"
            )
        elif action == "ListAttachedUserPolicies":
            result = "<AttachedPolicies/><IsTruncated>false</IsTruncated>"
        else:
            page = int(marker or 0)
            groups = "".join(f"<member><GroupName>{name}</GroupName></member>" for name in self.pages[page])
            more = page + 1 < len(self.pages)
            result = f"<Groups>{groups}</Groups><IsTruncated>{str(more).lower()}</IsTruncated>"
            result += f"<Marker>{page + 1}</Marker>" if more else ""
        space = "https://iam.amazonaws.com/doc/2010-05-08/"
        return (
            f'<{action}Response xmlns="{space}"><{action}Result>{result}</{action}Result></{action}Response>'
        )


@pytest.fixture
def standin(point_aws_at: Point) -> Iterator[Standin]:
    says = Standin()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            action = form["Action"][0]
            if action != "GetCallerIdentity":
                self.say(200, "text/xml", says.iam(action, form.get("Marker", [""])[0]).encode(), {})
            elif "x-cognito-admin-nonce" not in self.headers:
                self.say(200, "text/xml", identity_xml("arn:aws:iam::111122223333:user/app").encode(), {})
            else:
                says.asked.append({name.lower(): value for name, value in self.headers.items()})
                body = says.body.encode() if isinstance(says.body, str) else says.body
                self.say(says.status, says.kind, body, says.headers)

        def say(self, status: int, kind: str, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    says.url = f"http://127.0.0.1:{server.server_port}"
    point_aws_at(says.url)
    yield says
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_request_that_sts_sees_is_the_servers_own(standin: Standin, browser: Browser) -> None:
    asked = browser.challenge()
    assert browser.prove(asked, KEY).json()["ok"]
    (headers,) = standin.asked
    assert headers["host"] == "sts.eu-west-1.amazonaws.com"
    assert headers["x-amz-date"] == asked["date"]
    assert headers["x-cognito-admin-nonce"] == asked["nonce"]
    assert headers["authorization"].startswith(
        f"AWS4-HMAC-SHA256 Credential={KEY.id}/{asked['date'][:8]}/eu-west-1/sts/aws4_request, SignedHeaders="
        "content-type;host;x-amz-date;x-cognito-admin-nonce;x-cognito-admin-server-id, Signature="
    )
    assert set(headers) == {
        "host", "content-type", "content-length", "x-amz-date", "x-cognito-admin-nonce",
        "x-cognito-admin-server-id", "authorization",
    }  # fmt: skip


def test_a_group_on_the_second_page_lets_in(standin: Standin, browser: Browser) -> None:
    standin.pages = [["a", "b"], ["c", "engineering"], ["d"]]
    assert browser.sign_in(KEY).json()["ok"]
    assert Operator.objects.get().groups == ["a", "b", "c", "d", "engineering"]


ANSWERS: dict[str, dict[str, Any]] = {
    "json": {"kind": "application/json", "body": json.dumps({"Arn": ARN})},
    "json that holds xml": {"kind": "application/json", "body": identity_xml()},
    "two results": {
        "body": identity_xml().replace("<ResponseMetadata>", f"<GetCallerIdentityResult><Arn>{ARN}</Arn>"
        "</GetCallerIdentityResult><ResponseMetadata>")
    },
    "two arns": {"body": identity_xml(result=f"<Arn>{ARN}</Arn><Arn>{ARN}</Arn><UserId>{USER_ID}</UserId>"
        "<Account>111122223333</Account>")},
    "an arn inside an arn": {"body": identity_xml(arn=f"<Arn>{ARN}</Arn>")},
    "an arn outside the result": {
        "body": identity_xml(result=f"<UserId>{USER_ID}</UserId><Account>111122223333</Account>").replace(
            "<RequestId>1</RequestId>", f"<Arn>{ARN}</Arn>")
    },
    "a second arn outside the result": {"body": identity_xml().replace("<RequestId>1</RequestId>",
        "<Arn>arn:aws:iam::111122223333:user/pol</Arn>")},
    "no arn": {"body": identity_xml(result=f"<UserId>{USER_ID}</UserId><Account>111122223333</Account>")},
    "an empty arn": {"body": identity_xml(arn="")},
    "another root": {"body": identity_xml().replace("GetCallerIdentityResponse", "GetSessionTokenResponse")},
    "another namespace": {"body": identity_xml().replace("2011-06-15", "2012-06-15")},
    "no namespace": {"body": identity_xml().replace(f' xmlns="{NAMESPACE}"', "")},
    "an entity": {"body": '<!DOCTYPE x [<!ENTITY e "iva">]>' + identity_xml(arn=ARN.replace("iva", "&e;"))},
    "a comment in the arn": {"body": identity_xml(arn=ARN + "<!-- -->-other")},
    "an instruction in the arn": {"body": identity_xml(arn=ARN + "<?x?>-other")},
    "cdata": {"body": identity_xml(arn=f"<![CDATA[{ARN}]]>")},
    "good xml under another type": {"kind": "text/html"},
    "good xml under xhtml": {"kind": "application/xml"},
    "another charset": {"kind": "text/xml; charset=utf-16"},
    "no utf-8": {"body": identity_xml().encode("utf-16")},
    "packed": {"headers": {"Content-Encoding": "gzip"}},
    "a redirect": {"status": 302, "headers": {"Location": "/elsewhere"}},
    "a permanent redirect": {"status": 308, "headers": {"Location": "/elsewhere"}},
    "status 201": {"status": 201},
    "status 500": {"status": 500},
    "200 with an error": {
        "body": "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code></Error></ErrorResponse>"},
    "huge": {"body": identity_xml() + " " * 70_000},
    "empty": {"body": ""},
    "cut": {"body": identity_xml()[:-20]},
    "throttled": {"status": 400,
        "body": "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>"},
}  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_that_is_not_exactly_stss_lets_nobody_in(
    answer: dict[str, Any], standin: Standin, browser: Browser
) -> None:
    asked = browser.challenge()
    for name, value in answer.items():
        setattr(standin, name, value)
    sentence = refused(browser.prove(asked, KEY), 503, "no-answer")
    assert "Nothing is wrong with your account" in sentence
    assert not browser.is_in()
    assert len(standin.asked) == 1  # never followed, never repeated


def test_sts_down_is_nobodys_fault(browser: Browser, iam: Iam, deaf: Callable[[], None]) -> None:
    asked = browser.challenge()
    wiring.identity().home()
    deaf()
    sentence = refused(browser.prove(asked, KEY), 503, "no-answer")
    assert "Nothing is wrong with your account" in sentence


PRINCIPALS: dict[str, tuple[str, dict[str, Any]]] = {
    "root": ("root", {"body": identity_xml("arn:aws:iam::111122223333:root", "111122223333")}),
    "federated": (
        "federated",
        {"body": identity_xml("arn:aws:sts::111122223333:federated-user/iva", "111122223333:iva")},
    ),
    "a role": (
        "role",
        {
            "body": identity_xml(
                "arn:aws:sts::111122223333:assumed-role/admin/iva", "AROAADMINADMINADMIN1:iva"
            )
        },
    ),
    "the same name in another account": (
        "other-account",
        {"body": identity_xml("arn:aws:iam::999988887777:user/iva", account="999988887777")},
    ),
    "another partition": ("other-account", {"body": identity_xml("arn:aws-cn:iam::111122223333:user/iva")}),
    "a newline after the arn": ("unclear", {"body": identity_xml(ARN + "\n")}),
    "a user deleted and made again": ("made-again", {"user": ("AIDAIVAIVAIVAIVAIVA2", ARN)}),
    "a user moved to another path": ("moved", {"user": (USER_ID, ARN.replace("/iva", "/left/iva"))}),
}


@pytest.mark.parametrize(("code", "answer"), PRINCIPALS.values(), ids=PRINCIPALS.keys())
def test_who_is_no_person_of_this_account_is_refused(
    code: str, answer: dict[str, Any], standin: Standin, browser: Browser
) -> None:
    asked = browser.challenge()
    for name, value in answer.items():
        setattr(standin, name, value)
    refused(browser.prove(asked, KEY), 403, code)
    assert not browser.is_in()


def test_a_wrong_account_is_told_both_numbers(standin: Standin, browser: Browser) -> None:
    standin.body = identity_xml("arn:aws:iam::999988887777:user/iva", account="999988887777")
    sentence = refused(browser.sign_in(KEY), 403, "other-account")
    assert "999988887777" in sentence
    assert "111122223333" in sentence


def test_in_production_only_awss_own_sts_is_asked(
    standin: Standin, browser: Browser, settings: Settings
) -> None:
    asked = browser.challenge()
    settings.PRODUCTION = True
    response = browser.prove(asked, KEY)
    refused(response, 503, "no-answer")
    assert "AWS_ENDPOINT_URL" in response.json()["detail"]
    assert not standin.asked


# --- where to go afterwards -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "goes"),
    [
        ("/jobs/7/", "/jobs/7/"),
        ("/backups/?pool=a%26b", "/backups/?pool=a%26b"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("http:///evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_next_never_leads_to_another_host(wanted: str, goes: str, standin: Standin, browser: Browser) -> None:
    asked = browser.challenge()
    response = browser.client.post(
        PROOF,
        proof(asked, KEY),
        query_params={"next": wanted},
        content_type="application/json",
        headers={"X-CSRFToken": browser.token},
    )
    assert response.json() == {"ok": True, "next": goes}


def test_of_twenty_proofs_at_once_one_gets_in(standin: Standin, tmp_path: Path) -> None:
    """On the product's own server and a database on disk, where twenty are really at once."""
    env = {
        **servers.aws_env(standin.url, "test", "test"),
        "DATABASE_URL": f"sqlite:///{tmp_path}/race.sqlite3",
        "SECRET_KEY": "a-key-of-this-test-alone",
        "POOL_REGIONS": servers.REGION,
    }
    migrate = [sys.executable, str(servers.ROOT / "manage.py"), "migrate", "--verbosity", "0"]
    subprocess.run(migrate, check=True, env={**servers.plain_environment(), **env})
    with servers.running(servers.web(tmp_path, env)) as (web,), ThreadPoolExecutor(20) as pool:

        def ask(path: str, value: Any = None, cookies: str = "", token: str = "") -> tuple[Message, str]:
            connection = http.client.HTTPConnection(urlsplit(web.url).netloc, timeout=60)
            try:
                headers = {"Content-Type": "application/json", "Cookie": cookies, "X-CSRFToken": token}
                connection.request("GET" if value is None else "POST", path, json.dumps(value), headers)
                answer = connection.getresponse()
                return answer.headers, answer.read().decode()
            finally:
                connection.close()

        def cookies_of(headers: Message) -> str:
            return "; ".join(cookie.partition(";")[0] for cookie in headers.get_all("Set-Cookie", []))

        headers, page = ask("/sign-in/")
        cookies, token = (
            cookies_of(headers),
            page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0],
        )
        headers, asked = ask("/sign-in/challenge/", {}, cookies, token)
        cookies += "; " + cookies_of(headers)
        sent = proof(json.loads(asked), KEY)
        together = threading.Barrier(20)

        def send(_: int) -> str:
            together.wait()
            return str(json.loads(ask(PROOF, sent, cookies, token)[1]).get("code", "in"))

        codes = sorted(pool.map(send, range(20)))
    assert codes == ["challenge"] * 19 + ["in"]
    assert len(standin.asked) == 1
