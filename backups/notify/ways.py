"""The ways to tell people: Slack, e-mail, any webhook. One try each, with short timeouts; an answer in words.

Addresses are secrets: nothing that comes out of here holds more of one than its host.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import make_msgid
from urllib.parse import unquote, urlsplit

import orjson
import urllib3
from django.conf import settings
from django.core import mail
from urllib3 import exceptions

from backups.core.discreet import discreet
from backups.core.snapshot import iso
from backups.models import Delivery
from backups.notify.words import Message

CONNECT = 3.0
READ = 10.0
LONGEST = 30
"""Seconds that anybody waits for one message: a dripping answer evades the shorter limits of its parts."""
FIRST_BYTES = 2048
FIRST_WORDS = 160
AGENT = "cognito-admin"


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether the message was taken, and what was said to it: "200 ok", or why there is no answer."""

    taken: bool
    said: str


@dataclass(frozen=True, slots=True)
class Way:
    channel: Delivery.Channel
    missing: Callable[[], tuple[str, ...]]
    where: Callable[[], str]
    send: Callable[[Message], Answer]


def configured() -> list[Way]:
    return [way for way in ALL if not way.missing()]


def send(channel: str, message: Message) -> Answer:
    """Raises nothing that the network or the other side can cause."""
    way = next(way for way in ALL if way.channel == channel)
    if missing := way.missing():
        return Answer(False, f"{' and '.join(missing)} not set in this worker")
    return way.send(message)


def beat() -> Answer:
    return _ask("GET", settings.HEARTBEAT_URL)


# --- Slack -----------------------------------------------------------------------------------


def _slack(message: Message) -> Answer:
    """An incoming webhook. Its three control characters are escaped, nothing else is: Slack's own rule."""
    text = message.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _ask("POST", settings.SLACK_WEBHOOK, orjson.dumps({"text": text}))


# --- any webhook -----------------------------------------------------------------------------


def _webhook(message: Message) -> Answer:
    """Signed after the Standard Webhooks specification 1.0: HMAC-SHA256 over id, time and body."""
    body = orjson.dumps(
        {
            "type": message.type,
            "timestamp": iso(message.at),
            "data": {
                "kind": message.kind,
                "pool": message.pool,
                "region": message.region,
                "environment": message.environment,
                "sentence": message.sentence,
                "url": message.url,
            },
        }
    )
    now = str(int(time.time()))
    signed = hmac.new(_key(), f"{message.id}.{now}.".encode() + body, hashlib.sha256).digest()
    headers = {
        "webhook-id": message.id,
        "webhook-timestamp": now,
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }
    return _ask("POST", settings.ALARM_WEBHOOK, body, headers)


def _key() -> bytes:
    """Its shape was checked at start."""
    return base64.b64decode(settings.ALARM_WEBHOOK_KEY.removeprefix("whsec_"))


# --- e-mail ----------------------------------------------------------------------------------


def _mail(message: Message) -> Answer:
    """One mail to each, over one connection. Taken when the server took one; who was refused is counted."""
    refused: list[str] = []
    took = 0
    try:
        with mail.get_connection() as connection:
            for address in settings.ALARM_EMAILS:
                one = mail.EmailMessage(
                    subject=message.title,
                    body=message.text,
                    from_email=settings.ALARM_FROM,
                    to=[address],
                    connection=connection,
                    headers={
                        "Message-ID": make_msgid(message.id, "cognito-admin.invalid"),
                        "Auto-Submitted": "auto-generated",  # RFC 3834: no answer from who is on holiday
                    },
                )
                try:
                    took += one.send()
                except smtplib.SMTPResponseException as error:
                    refused.append(_smtp(error.smtp_code, error.smtp_error))
                except smtplib.SMTPRecipientsRefused as error:
                    refused += [_smtp(code, said) for code, said in error.recipients.values()]
    except (OSError, smtplib.SMTPException) as error:  # the server as a whole, or the line to it
        refused.append(_no_mail(error))
    count = len(settings.ALARM_EMAILS)
    if took == count and not refused:
        return Answer(True, f"the mail server took {count if count > 1 else 'it'}")
    said = "; ".join(dict.fromkeys(refused)) or "the mail server took none"
    return Answer(took > 0, _short(f"the mail server took {took} of {count}: {said}" if took else said))


def _smtp(code: int, said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return f"{code} {text}"


def _no_mail(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return _smtp(error.smtp_code, error.smtp_error)
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "the mail server closed the connection"
    if isinstance(error, smtplib.SMTPException):
        return f"the mail server cannot do what is asked of it ({type(error).__name__})"
    return _no_line(error)


# --- http ------------------------------------------------------------------------------------


def _ask(
    method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """One request: not repeated, no redirect followed, the certificate verified. 2xx is taken."""
    told = {"User-Agent": AGENT, "Accept": "*/*", "Connection": "close", **(headers or {})}
    if body is not None:
        told["Content-Type"] = "application/json"
    try:
        with urllib3.PoolManager(1, cert_reqs="CERT_REQUIRED") as http:
            response = http.request(
                method,
                url,
                body=body,
                headers=told,
                timeout=urllib3.Timeout(connect=CONNECT, read=READ),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                words = _first_words(response)
            finally:
                response.close()
    except (exceptions.HTTPError, OSError, ValueError) as error:
        return Answer(False, _no_answer(error))
    taken = 200 <= response.status < 300
    if 300 <= response.status < 400:
        words = "it points elsewhere, and that is not followed"
    said = f"{response.status} {_without(url, words or response.reason or '')}".strip()
    return Answer(taken, _short(said))


def _first_words(response: urllib3.BaseHTTPResponse) -> str:
    """Of the body, without markup; "" where it has none, or does not come."""
    try:
        first = response.read1(FIRST_BYTES)
    except (exceptions.HTTPError, OSError):
        return ""  # the status is an answer without it
    return re.sub(r"<[^>]*>", " ", first.decode(errors="replace"))


def _no_answer(error: Exception) -> str:
    if isinstance(error, exceptions.ProtocolError):
        return "the connection was closed before there was an answer"
    if isinstance(error, exceptions.NameResolutionError):
        return "no connection: the name of its host is not known"
    if isinstance(error, exceptions.NewConnectionError):
        return "no connection: it was refused, or there is no way to the host"
    if isinstance(error, exceptions.ConnectTimeoutError):
        return f"no connection within {CONNECT:.0f} s"
    if isinstance(error, exceptions.ReadTimeoutError):
        return f"connected, and no answer within {READ:.0f} s"
    cause = error.args[0] if error.args else None
    if isinstance(error, exceptions.SSLError) and isinstance(cause, OSError):
        return _no_line(cause)
    return _no_line(error)


def _no_line(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not hold: {error.verify_message}"
    if isinstance(error, ssl.SSLError | exceptions.SSLError):
        return "no TLS connection was made with it"
    if isinstance(error, TimeoutError):
        return f"no answer within {READ:.0f} s"
    if isinstance(error, socket.gaierror):
        return "no connection: the name of its host is not known"
    if isinstance(error, ConnectionRefusedError):
        return "no connection: it was refused"
    return f"no connection ({type(error).__name__})"


def _without(url: str, text: str) -> str:
    """The text without a word that holds a part of the address: error pages like to repeat it."""
    address = urlsplit(url)
    parts = {part for part in re.split(r"[/?&=;]", f"{address.path}?{address.query}") if len(part) >= 4}
    parts |= {unquote(part) for part in parts}
    words = text.split()
    return " ".join("…" if any(part in word for part in parts) else word for word in words)


def _short(text: str) -> str:
    printable = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    cut = printable if len(printable) <= FIRST_WORDS else f"{printable[: FIRST_WORDS - 1]}…"
    return discreet(cut)


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _people() -> str:
    count = len(settings.ALARM_EMAILS)
    return f"{count} {'address' if count == 1 else 'addresses'} through {settings.EMAIL_HOST}"


def _unset(*names: str) -> tuple[str, ...]:
    return tuple(name for name in names if not getattr(settings, name))


def _unset_mail() -> tuple[str, ...]:
    missing = _unset("ALARM_EMAILS", "ALARM_FROM")
    return missing if settings.EMAIL_HOST else (*missing, "EMAIL_URL")


ALL = (
    Way(
        Delivery.Channel.SLACK, lambda: _unset("SLACK_WEBHOOK"), lambda: _host(settings.SLACK_WEBHOOK), _slack
    ),
    Way(Delivery.Channel.MAIL, _unset_mail, _people, _mail),
    Way(
        Delivery.Channel.WEBHOOK,
        lambda: _unset("ALARM_WEBHOOK", "ALARM_WEBHOOK_KEY"),
        lambda: _host(settings.ALARM_WEBHOOK),
        _webhook,
    ),
)
"""In the order in which they are shown."""
