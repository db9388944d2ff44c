"""Alarms and their messages: who is told, what, how often, and what a server that misbehaves does to it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import os
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import IntegrityError, transaction
from pytest_django import Settings

from backups import notify, queue, tasks
from backups.models import Alarm, Delivery, Watchdog, database_now
from backups.notify import ways, words
from tests import servers
from tests.web.pages import NAME

pytestmark = pytest.mark.django_db(transaction=True)

KEY = b"a key of these tests, 32 bytes.."
WAKE = queue._wake_deliveries
GONE = Alarm.Kind.GONE
SENTENCE = "The pool is gone. The backup of 01:00 UTC holds 2,014 users; prepare a restore."


@dataclass
class Asked:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Slack, a webhook and a watchdog: answers one after another, the last one for ever."""

    answers: list[tuple[int, str] | str] = field(default_factory=lambda: [(200, "ok")])
    asked: list[Asked] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)  # ends what hangs
    slow: float = 0.0
    url: str = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.asked.append(Asked(self.path, headers, body))
            answer = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
            time.sleep(receiver.slow)
            if answer == "close":
                self.connection.shutdown(socket.SHUT_RDWR)
            elif answer == "hang":
                receiver.release.wait(30)
            elif answer == "drip":
                self.drip()
            else:
                assert not isinstance(answer, str)
                self.say(*answer)

        do_POST = do_GET

        def say(self, status: int, text: str) -> None:
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{receiver.url}/elsewhere")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def drip(self) -> None:
            """A header every 50 ms, each well within any limit on one read."""
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not receiver.release.wait(0.05):
                try:
                    self.wfile.write(b"X-More: 1\r\n")
                except OSError:
                    return

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    yield receiver
    receiver.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One for every time that a worker would have been woken: there is no broker here."""
    times: list[int] = []
    monkeypatch.setattr(queue, "_wake_deliveries", lambda: times.append(1))
    return times


@pytest.fixture
def own_certificate(tmp_path: Path) -> Iterator[str]:
    """The address of a TLS server on this machine whose certificate is signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "own.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in life, in tenths of its seconds."""
    monkeypatch.setattr(ways, "CONNECT", 0.3)
    monkeypatch.setattr(ways, "READ", 0.5)
    monkeypatch.setattr(ways, "LONGEST", 2)


@pytest.fixture
def slack(settings: Settings, receiver: Receiver) -> Receiver:
    settings.SLACK_WEBHOOK = f"{receiver.url}/services/T0TEAM/B0HOOK/sEcReTsEcReT"
    settings.PUBLIC_URL = "https://backups.example.org"
    return receiver


@pytest.fixture
def webhook(settings: Settings, receiver: Receiver) -> Receiver:
    settings.ALARM_WEBHOOK = f"{receiver.url}/hook?token=tOkEnToKeN"
    settings.ALARM_WEBHOOK_KEY = f"whsec_{base64.b64encode(KEY).decode()}"
    settings.PUBLIC_URL = "https://backups.example.org"
    return receiver


@pytest.fixture
def mailed(settings: Settings) -> list[Any]:
    """Django's own outbox."""
    settings.ALARM_EMAILS = ["iva@team.example", "pol@team.example"]
    settings.ALARM_FROM = "alarms@team.example"
    settings.EMAIL_HOST = "mail.team.example"
    return mail.outbox


def raise_one(kind: Alarm.Kind = GONE, sentence: str = SENTENCE, **given: str) -> Alarm:
    place = {"region": "eu-west-1", "pool_name": NAME, "pool_id": "eu-west-1_pR0d9xKq2"} | given
    return notify.raise_alarm(kind, sentence=sentence, **place)


def clear_one(why: str = "It is back, with 2,014 users.") -> bool:
    return notify.clear(GONE, region="eu-west-1", pool_name=NAME, why=why)


def only() -> Delivery:
    return Delivery.objects.get()


def later(seconds: float) -> None:
    """So much time has gone by, for the messages that there are."""
    for delivery in Delivery.objects.all():
        delivery.created_at -= timedelta(seconds=seconds)
        if delivery.due_at:
            delivery.due_at -= timedelta(seconds=seconds)
        delivery.save()


def about(moment: datetime | None, seconds: float) -> bool:
    """Whether that is so many seconds from now."""
    assert moment is not None
    return abs((moment - database_now()).total_seconds() - seconds) < 5


# --- alarms ----------------------------------------------------------------------------------


def test_an_alarm_is_told_once_when_it_begins_and_once_when_it_ends(slack: Receiver) -> None:
    first = raise_one()
    assert notify.deliver_due() == 1
    again = raise_one(sentence="Still gone.")
    assert again.pk == first.pk
    assert (again.sentence, again.raised_at) == ("Still gone.", first.raised_at)
    assert again.seen_at >= first.seen_at
    assert notify.deliver_due() == 0
    assert clear_one()
    assert notify.deliver_due() == 1
    assert not clear_one()
    assert notify.deliver_due() == 0
    assert len(slack.asked) == 2
    ended = Alarm.objects.get()
    assert (ended.cleared_at is not None, ended.cleared_why) == (True, "It is back, with 2,014 users.")


def test_what_came_back_is_another_alarm(slack: Receiver) -> None:
    raise_one()
    clear_one()
    raise_one()
    assert Alarm.objects.count() == 2
    assert Alarm.objects.filter(cleared_at=None).count() == 1


def test_each_kind_pool_and_region_has_an_alarm_of_its_own(slack: Receiver) -> None:
    raise_one()
    raise_one(Alarm.Kind.LATE)
    raise_one(region="us-east-1")
    raise_one(pool_name="other")
    assert Alarm.objects.filter(cleared_at=None).count() == Delivery.objects.count() == 4
    assert clear_one()
    assert Alarm.objects.filter(cleared_at=None).count() == 3


def test_a_successor_of_the_pool_is_named(slack: Receiver) -> None:
    raise_one()
    assert raise_one(pool_id="eu-west-1_New").pool_id == "eu-west-1_New"
    assert raise_one(pool_id="").pool_id == "eu-west-1_New"


def test_without_a_channel_there_is_an_alarm_and_no_message(woken: list[int]) -> None:
    raise_one()
    clear_one()
    assert Delivery.objects.count() == 0
    assert woken == []
    assert notify.deliver_due() == 0


def test_rows_and_wake_up_come_with_the_callers_transaction_or_not_at_all(
    slack: Receiver, woken: list[int]
) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        raise_one()
        raise ZeroDivisionError
    assert (Alarm.objects.count(), Delivery.objects.count(), woken) == (0, 0, [])
    with transaction.atomic():
        raise_one()
        assert woken == []
    assert (Delivery.objects.count(), woken) == (1, [1])


def test_who_finds_the_same_a_moment_later_keeps_the_first_ones_alarm(
    slack: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one's row appears between our look and our insert, which the constraint then refuses."""
    create, firsts = Alarm.objects.create, []

    def refused(**given: Any) -> Alarm:
        firsts.append(given | {"sentence": "Seen by the other."})
        monkeypatch.setattr(Alarm.objects, "create", create)
        raise IntegrityError("one_open_alarm_of_a_kind")

    def now() -> datetime:
        if firsts and not Alarm.objects.exists():
            create(**firsts[0])
        return database_now()

    monkeypatch.setattr(Alarm.objects, "create", refused)
    monkeypatch.setattr(notify, "database_now", now)
    assert raise_one().pk == Alarm.objects.get().pk
    assert Alarm.objects.get().sentence == SENTENCE
    assert Delivery.objects.count() == 0  # the other one told them
    with pytest.raises(IntegrityError):
        create(**firsts[0])


def test_who_was_not_told_yet_gets_one_message_about_both(slack: Receiver, quick: None) -> None:
    slack.answers = [(503, "down"), (200, "ok")]
    raise_one()
    notify.deliver_due()
    clear_one()
    assert notify.deliver_due() == 1
    later(7 * 24 * 3600)
    assert notify.deliver_due() == 0
    raised, cleared = Delivery.objects.order_by("id")
    assert raised.due_at is None
    assert raised.answer == "not sent: it was over before; the next message says both"
    assert cleared.delivered_at
    assert "over: pool gone" in slack.asked[-1].json["text"]
    assert "It began " in slack.asked[-1].json["text"]


def test_only_channels_that_were_to_be_told_are_told_of_the_end(
    slack: Receiver, mailed: list[Any], settings: Settings
) -> None:
    emails, settings.ALARM_EMAILS = settings.ALARM_EMAILS, []
    raise_one()
    settings.ALARM_EMAILS = emails
    clear_one()
    assert set(Delivery.objects.values_list("channel", flat=True)) == {"slack"}
    raise_one()
    settings.SLACK_WEBHOOK = ""
    clear_one()
    ends = Delivery.objects.filter(what="cleared").order_by("id").values_list("channel", flat=True)
    assert list(ends) == ["slack", "mail"]


# --- what is said ----------------------------------------------------------------------------


def test_slack_gets_plain_text_with_what_is_wrong_and_the_link(slack: Receiver) -> None:
    raise_one(sentence="About 3 < 40 users & <!channel> of ada@uni.example.")
    notify.deliver_due()
    (asked,) = slack.asked
    assert asked.path == "/services/T0TEAM/B0HOOK/sEcReTsEcReT"
    assert asked.headers["content-type"] == "application/json"
    alarm = Alarm.objects.get()
    assert asked.json == {
        "text": f"PRODUCTION · pool gone · {NAME} (eu-west-1_pR0d9xKq2) in eu-west-1\n"
        "About 3 &lt; 40 users &amp; &lt;!channel&gt; of a••••@uni.example.\n"
        f"Since {alarm.raised_at:%Y-%m-%d %H:%M} UTC.\n"
        f"https://backups.example.org/backups/?pool={NAME}"
    }


def test_the_webhook_is_signed_after_the_specification_and_keeps_its_id(webhook: Receiver) -> None:
    webhook.answers = [(500, "oh"), (200, "fine")]
    raise_one(Alarm.Kind.FEWER, pool_name="team-staging")
    notify.deliver_due()
    Delivery.objects.update(due_at=database_now())
    notify.deliver_due()
    first, second = webhook.asked
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    for asked in webhook.asked:
        signed = f"{asked.headers['webhook-id']}.{asked.headers['webhook-timestamp']}.".encode() + asked.body
        made = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        assert asked.headers["webhook-signature"] == f"v1,{made}"
        assert abs(time.time() - int(asked.headers["webhook-timestamp"])) < 30
        assert "." not in asked.headers["webhook-id"]
    alarm = Alarm.objects.get()
    told = second.json
    since = datetime.fromisoformat(told.pop("timestamp")) - alarm.raised_at
    assert abs(since) <= timedelta(milliseconds=1)
    assert told == {
        "type": "alarm.raised",
        "data": {
            "kind": "fewer",
            "pool": "team-staging",
            "region": "eu-west-1",
            "environment": "staging",
            "sentence": SENTENCE,
            "url": "https://backups.example.org/backups/?pool=team-staging",
        },
    }


def test_the_end_says_why_it_is_over(webhook: Receiver) -> None:
    raise_one()
    notify.deliver_due()
    clear_one()
    notify.deliver_due()
    told = webhook.asked[-1].json
    assert told["type"] == "alarm.cleared"
    assert told["data"]["sentence"] == "It is back, with 2,014 users."
    assert webhook.asked[0].headers["webhook-id"] != webhook.asked[1].headers["webhook-id"]


def test_mail_goes_to_each_alone(mailed: list[Any], settings: Settings) -> None:
    settings.PUBLIC_URL = ""
    raise_one(pool_name=f"{NAME}\nBcc: x")
    assert notify.deliver_due() == 1
    assert [message.to for message in mailed] == [["iva@team.example"], ["pol@team.example"]]
    first = mailed[0]
    assert first.subject == f"PRODUCTION · pool gone · {NAME} Bcc: x" or "Bcc: x" in first.subject
    assert "\n" not in first.subject
    assert first.from_email == "alarms@team.example"
    assert SENTENCE in first.body
    assert "http" not in first.body
    headers = first.message()
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["Message-ID"] != mailed[1].message()["Message-ID"]
    assert only().answer == "the mail server took 2"


def test_no_message_holds_an_e_mail_of_anybody(slack: Receiver, webhook: Receiver, mailed: list[Any]) -> None:
    raise_one(sentence="AWS refused ada@uni.example.", pool_name="of-ada@uni.example")
    notify.test(Delivery.Channel.SLACK, asked_by="iva@uni.example")
    notify.deliver_due()
    clear_one()
    said = b" ".join(asked.body for asked in slack.asked).decode()
    said += " ".join(f"{message.subject} {message.body}" for message in mailed)
    assert "ada@" not in said
    assert "iva@uni" not in said
    assert "••••@uni.example" in said


def test_a_test_says_that_it_is_one(slack: Receiver, webhook: Receiver, woken: list[int]) -> None:
    notify.test(Delivery.Channel.WEBHOOK, asked_by="iva")
    assert woken == [1]
    assert notify.deliver_due() == 1
    (asked,) = slack.asked
    assert asked.json["type"] == "alarm.test"
    assert asked.json["data"]["sentence"].startswith(
        "This is a test of the alarms of Cognito backups. iva asked"
    )
    assert asked.json["data"]["url"] == "https://backups.example.org/settings/"


# --- answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, "ok"), "200 ok"),
        ((204, ""), "204 No Content"),
        ((404, "no_service"), "404 no_service"),
        ((500, "<html><body><h1>Oh  no</h1>\x00\x07</body></html>"), "500 Oh no"),
        ((403, "x" * 500), "403 " + "x" * 155 + "…"),
        ((400, "ada@uni.example is unknown"), "400 a••••@uni.example is unknown"),
        ((404, "Cannot POST /services/T0TEAM/B0HOOK/sEcReTsEcReT here"), "404 Cannot POST … here"),
        ((302, ""), "302 it points elsewhere, and that is not followed"),
        ("close", "the connection was closed before there was an answer"),
        ("hang", "connected, and no answer within 0 s"),
        ("drip", "no whole answer within 2 s"),
    ],
)
def test_an_answer_is_kept_in_its_first_words(
    slack: Receiver, quick: None, answer: tuple[int, str] | str, said: str
) -> None:
    slack.answers = [answer]
    raise_one()
    taken = answer in ((200, "ok"), (204, ""))
    began = time.monotonic()
    assert notify.deliver_due() == taken
    assert time.monotonic() - began < 5
    kept = only()
    assert kept.answer == said
    assert bool(kept.delivered_at) is taken
    assert (kept.due_at is None) is taken
    assert len(slack.asked) == 1  # nothing was repeated and nothing followed


def test_a_secret_in_the_query_is_not_kept_either(webhook: Receiver) -> None:
    webhook.answers = [(401, "token tOkEnToKeN is wrong; see /hook?token=tOkEnToKeN")]
    raise_one()
    notify.deliver_due()
    assert only().answer == "401 … … is wrong; see …"


def test_nobody_there(slack: Receiver, settings: Settings, quick: None) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.SLACK_WEBHOOK = f"http://127.0.0.1:{free.getsockname()[1]}/secret"
        raise_one()
        notify.deliver_due()
    assert only().answer == "no connection: it was refused, or there is no way to the host"
    assert about(only().due_at, 30)


def test_a_server_without_tls_gets_nothing(slack: Receiver, settings: Settings, quick: None) -> None:
    settings.SLACK_WEBHOOK = settings.SLACK_WEBHOOK.replace("http:", "https:")
    raise_one()
    notify.deliver_due()
    assert only().answer == "no TLS connection was made with it"
    assert slack.asked == []


def test_a_certificate_that_nobody_vouches_for_is_refused(
    settings: Settings, quick: None, own_certificate: str
) -> None:
    settings.SLACK_WEBHOOK = f"{own_certificate}/secret"
    raise_one()
    notify.deliver_due()
    assert only().answer.startswith("its certificate does not hold: ")
    assert "secret" not in only().answer


# --- again and again -------------------------------------------------------------------------


def test_a_failure_is_tried_again_later_and_later_and_given_up_after_a_day(slack: Receiver) -> None:
    slack.answers = [(500, "no")]
    raise_one()
    pauses = [30, 120, 600, 1800, *[7200] * 11]
    for tries, pause in enumerate(pauses, 1):
        assert notify.deliver_due() == 0
        kept = only()
        assert kept.tries == tries
        assert about(kept.due_at, pause), f"after try {tries}"
        assert notify.deliver_due() == 0  # not before its time
        later(pause + 1)
    assert len(slack.asked) == len(pauses)
    notify.deliver_due()
    kept = only()
    assert (kept.due_at, kept.delivered_at, kept.answer) == (None, None, "500 no")
    later(24 * 3600)
    notify.deliver_due()
    assert len(slack.asked) == len(pauses) + 1


def test_what_failed_goes_through_when_the_other_side_is_back(slack: Receiver) -> None:
    slack.answers = [(500, "no"), (200, "ok")]
    raise_one()
    notify.deliver_due()
    later(31)
    assert notify.deliver_due() == 1
    assert (only().tries, only().answer, only().due_at) == (2, "200 ok", None)


def test_a_test_is_tried_once(slack: Receiver) -> None:
    slack.answers = [(404, "no_service")]
    notify.test(Delivery.Channel.SLACK, asked_by="iva")
    notify.deliver_due()
    assert (only().due_at, only().tries, only().answer) == (None, 1, "404 no_service")


def test_a_worker_without_the_setting_says_so_and_leaves_it_to_others(
    slack: Receiver, settings: Settings
) -> None:
    raise_one()
    settings.SLACK_WEBHOOK = ""
    notify.deliver_due()
    assert only().answer == "SLACK_WEBHOOK not set in this worker"
    assert about(only().due_at, 30)


def test_what_nobody_foresaw_is_a_failure_like_any_other(
    slack: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Delivery) -> words.Message:
        raise LookupError("ada@uni.example")

    monkeypatch.setattr(words, "message", fail)
    raise_one()
    assert notify.deliver_due() == 0
    assert only().answer == "the dashboard itself failed (LookupError)"
    assert about(only().due_at, 30)


def test_a_channel_that_hangs_holds_no_other_up(slack: Receiver, mailed: list[Any], quick: None) -> None:
    slack.answers = ["hang"]
    for number in range(5):
        raise_one(pool_name=f"pool-{number}")
    began = time.monotonic()
    assert notify.deliver_due() == 5
    assert time.monotonic() - began < 2
    assert len(mailed) == 10
    assert len(slack.asked) == 1  # one that hangs is enough for this time
    assert Delivery.objects.filter(channel="slack", tries=0).count() == 4


def test_whoever_waits_longest_is_told_first(slack: Receiver) -> None:
    for number in range(3):
        raise_one(pool_name=f"pool-{number}")
    assert notify.deliver_due() == 3
    assert [f"pool-{n}" in asked.json["text"] for n, asked in enumerate(slack.asked)] == [True] * 3


def test_two_workers_never_claim_one_message(slack: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    raise_one()
    slow = Delivery.objects.select_related("alarm").get()  # read before the other one claims it
    assert notify._claim("slack") is not None
    monkeypatch.setattr(notify, "_due", lambda channel, now: [slow])
    assert notify._claim("slack") is None


AT_ONCE = """
import os, sys, time
import django
django.setup()
from backups import notify, queue
from backups.models import Alarm
queue._wake_deliveries = lambda: None
print("ready", flush=True)
sys.stdin.readline()
for number in range(6):
    place = {"region": "eu-west-1", "pool_name": f"pool-{number}"}
    notify.raise_alarm(Alarm.Kind.GONE, sentence=f"Seen by {os.getpid()}.", **place)
time.sleep(1)
print(notify.deliver_due())
"""


def test_processes_that_find_the_same_at_once_tell_it_once(slack: Receiver, tmp_path: Path) -> None:
    """Three of them, on a database of their own: six alarms, six messages."""
    slack.slow = 0.05
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "cognito_admin.settings",
        "DATABASE_URL": servers.database(tmp_path, "alarms"),
        "SLACK_WEBHOOK": f"{slack.url}/secret",
        "LOG_LEVEL": "ERROR",
    }
    servers.manage("migrate", env)
    command = [sys.executable, "-c", AT_ONCE]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with ExitStack() as stack:
        three = [
            stack.enter_context(subprocess.Popen(command, env=env, cwd=servers.ROOT, **pipes)) for _ in "123"
        ]
        assert [one.stdout.readline() for one in three if one.stdout] == ["ready\n"] * 3
        for one in three:
            assert one.stdin
            one.stdin.write("go\n")
            one.stdin.flush()
        told = [one.communicate(timeout=60)[0] for one in three]
    assert sum(int(line) for line in told) == 6
    texts = [asked.json["text"] for asked in slack.asked]
    assert len(texts) == len(set(texts)) == 6


def test_a_message_of_a_worker_that_died_is_sent_by_the_next_one(slack: Receiver) -> None:
    raise_one()
    assert notify._claim("slack") is not None  # and the worker is gone
    assert notify.deliver_due() == 0
    later(notify.CLAIMED.total_seconds() + 1)
    assert notify.deliver_due() == 1
    assert len(slack.asked) == 1


def test_who_comes_back_too_late_writes_nothing(slack: Receiver) -> None:
    raise_one()
    late = notify._claim("slack")
    assert late is not None
    later(notify.CLAIMED.total_seconds() + 1)
    notify.deliver_due()
    notify._write_down(late, ways.Answer(False, "no answer"))
    assert (only().answer, only().tries) == ("200 ok", 2)


def test_a_message_that_was_withdrawn_in_flight_is_not_tried_again(slack: Receiver) -> None:
    raise_one()
    claim = notify._claim("slack")
    assert claim is not None
    clear_one()
    notify._write_down(claim, ways.Answer(False, "no answer"))
    raised = Delivery.objects.get(what="raised")
    assert (raised.due_at, raised.answer[:9]) == (None, "not sent:")


# --- mail servers ----------------------------------------------------------------------------


class Refusing(EmailBackend):
    """Takes mail for Iva alone."""

    def send_messages(self, messages: Any) -> int:
        for message in messages:
            if message.to == ["pol@team.example"]:
                raise smtplib.SMTPRecipientsRefused({"pol@team.example": (550, b"pol@team.example left")})
        return super().send_messages(messages)


class Locked(EmailBackend):
    def open(self) -> None:
        raise smtplib.SMTPAuthenticationError(535, b"5.7.8 bad credentials")


class Closed(EmailBackend):
    def open(self) -> None:
        raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")


class Silent(EmailBackend):
    def open(self) -> None:
        raise TimeoutError("timed out")


class Unable(EmailBackend):
    def open(self) -> None:
        raise smtplib.SMTPNotSupportedError("STARTTLS extension not supported by server.")


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        (Locked, "535 5.7.8 bad credentials"),
        (Closed, "the mail server closed the connection"),
        (Silent, "no answer within 10 s"),
        (Unable, "the mail server cannot do what is asked of it (SMTPNotSupportedError)"),
    ],
)
def test_a_mail_server_that_takes_nothing(
    mailed: list[Any], settings: Settings, backend: type[EmailBackend], said: str
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.{backend.__name__}"
    raise_one()
    assert notify.deliver_due() == 0
    assert only().answer == said
    assert about(only().due_at, 30)


def test_who_was_refused_is_counted_and_the_others_are_not_written_to_twice(
    mailed: list[Any], settings: Settings
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"
    raise_one()
    assert notify.deliver_due() == 1
    assert only().answer == "the mail server took 1 of 2: 550 p••••@team.example left"
    assert only().delivered_at
    assert len(mailed) == 1
    settings.ALARM_EMAILS = ["pol@team.example"]
    raise_one(pool_name="other")
    assert notify.deliver_due() == 0
    assert Delivery.objects.filter(answer="550 p••••@team.example left", delivered_at=None).count() == 1


def test_a_real_mail_server_that_is_not_there(mailed: list[Any], settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.EMAIL_HOST, settings.EMAIL_PORT = free.getsockname()
        raise_one()
        notify.deliver_due()
    assert only().answer == "no connection: it was refused"


# --- what there is ---------------------------------------------------------------------------


def test_channels_name_what_is_missing_and_show_no_secret(
    slack: Receiver, mailed: list[Any], settings: Settings
) -> None:
    settings.ALARM_FROM = ""
    settings.ALARM_WEBHOOK = "https://hooks.example.org/secret"
    settings.SLACK_WEBHOOK = "https://hooks.slack.com/services/secret"
    first, second, third = notify.channels()
    assert (first.channel, first.configured, first.where) == ("slack", True, "hooks.slack.com")
    assert (second.channel, second.missing, second.where) == ("mail", ("ALARM_FROM",), "")
    assert (third.channel, third.missing) == ("webhook", ("ALARM_WEBHOOK_KEY",))
    settings.ALARM_FROM = "alarms@team.example"
    assert notify.channels()[1].where == "2 addresses through mail.team.example"
    settings.EMAIL_HOST = ""
    settings.ALARM_EMAILS = []
    assert notify.channels()[1].missing == ("ALARM_EMAILS", "EMAIL_URL")


def test_channels_tell_the_last_message_and_how_many_wait(slack: Receiver) -> None:
    raise_one()
    raise_one(pool_name="other")
    slack.answers = [(500, "no")]
    notify.deliver_due()
    told = notify.channels()[0]
    assert told.waiting == 2
    assert told.last is not None
    assert told.last.alarm is not None
    assert told.last.alarm.pool_name == "other"


# --- the watchdog ----------------------------------------------------------------------------


def test_the_watchdog_is_called_and_its_answer_kept(settings: Settings, receiver: Receiver) -> None:
    notify.heartbeat()
    assert Watchdog.objects.count() == 0
    settings.HEARTBEAT_URL = f"{receiver.url}/ping/sEcReT"
    notify.heartbeat()
    assert receiver.asked[0].path == "/ping/sEcReT"
    kept = Watchdog.objects.get()
    assert (kept.answer, kept.called_at) == ("200 ok", kept.answered_at)
    receiver.answers = [(500, "sEcReT failed")]
    notify.heartbeat()
    after = Watchdog.objects.get()
    assert after.answer == "500 … failed"
    assert after.answered_at == kept.answered_at
    assert after.called_at is not None
    assert after.called_at > (kept.called_at or after.called_at)


def test_the_watchdogs_silence_is_no_error(settings: Settings, receiver: Receiver, quick: None) -> None:
    receiver.answers = ["hang"]
    settings.HEARTBEAT_URL = receiver.url
    notify.heartbeat()
    assert Watchdog.objects.get().answer == "connected, and no answer within 0 s"
    assert Watchdog.objects.get().answered_at is None


# --- the task --------------------------------------------------------------------------------


def test_the_task_sends_what_is_due(slack: Receiver) -> None:
    raise_one()
    tasks.deliver()
    assert only().delivered_at


def test_a_broker_that_is_away_costs_no_alarm(slack: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_wake_deliveries", WAKE)  # nobody listens where the tests' broker would be
    raise_one()
    assert notify.deliver_due() == 1
