"""A wrong or missing setting is named at start, by id. An error stops it, a warning says what follows."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email

from backups.core import map_sql

APPROVALS = ("never", "overwrite", "always")
LONG_ENOUGH = 50
"""Characters of a SECRET_KEY in production; Django's own check asks for as many."""
SEAL_LONG_ENOUGH = 32
LONGEST_ITEM = 300
"""Characters of an item of aftercare."""
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ACCOUNT = re.compile(r"\d{12}")


@register()
def settings_are_sound(**_: Any) -> list[CheckMessage]:
    return [
        *_wrong(),
        *_keys(),
        *_storage(),
        *_people(),
        *_numbers(),
        *_services(),
        *_alarms(),
        *_after_a_restore(),
        *_strict(),
    ]


def _wrong() -> Iterator[CheckMessage]:
    for name, why in settings.WRONG_SETTINGS.items():
        yield Error(f"{name} {why}.", hint="Its sentence is in .env.example.", id="backups.E020")


def _keys() -> Iterator[CheckMessage]:
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:
        key = ""
    if not key:
        yield Error(
            "SECRET_KEY is not set.",
            hint="Set it to 50 or more random characters; sessions and forms are signed with it.",
            id="backups.E001",
        )
    elif settings.PRODUCTION and (len(key) < LONG_ENOUGH or len(set(key)) < 5):
        yield Error(
            f"SECRET_KEY has {len(key)} characters, or few different ones.",
            hint=f"With PRODUCTION it needs {LONG_ENOUGH} or more random characters.",
            id="backups.E002",
        )
    if not settings.SEAL_KEY:
        yield Warning(
            "SEAL_KEY is not set.",
            hint="Manifests get no seal, so the origin of every backup is unknown: "
            "nobody can tell who made one or whether it was changed.",
            id="backups.W001",
        )
    elif settings.PRODUCTION and len(settings.SEAL_KEY) < SEAL_LONG_ENOUGH:
        yield Error(
            f"SEAL_KEY has {len(settings.SEAL_KEY)} characters.",
            hint=f"With PRODUCTION it needs {SEAL_LONG_ENOUGH} or more random characters.",
            id="backups.E003",
        )


def _storage() -> Iterator[CheckMessage]:
    name = settings.BACKUP_BUCKET.replace("{account}", "123456789012").replace("{environment}", "production")
    if not settings.BACKUP_BUCKET:
        yield Error(
            "BACKUP_BUCKET is empty.", hint="Name the bucket that holds the backups.", id="backups.E004"
        )
    elif not _BUCKET.fullmatch(name):
        yield Error(
            f"BACKUP_BUCKET is no name of a bucket: {settings.BACKUP_BUCKET}",
            hint="Lower-case letters, digits, dots and dashes; {account} and {environment} are filled in.",
            id="backups.E005",
        )
    reports = settings.REPORTS_BUCKET.replace("{account}", "123456789012").replace("{environment}", "staging")
    if reports and not _BUCKET.fullmatch(reports):
        yield Error(
            f"REPORTS_BUCKET is no name of a bucket: {settings.REPORTS_BUCKET}",
            hint="Lower-case letters, digits, dots and dashes; {account} and {environment} are filled in. "
            "Leave it out where nothing is to be kept out of expiry.",
            id="backups.E040",
        )
    if not settings.POOL_REGIONS:
        yield Error(
            "POOL_REGIONS is empty, and so is AWS_REGION.",
            hint="Name the Regions whose user pools are looked after: POOL_REGIONS=eu-west-1",
            id="backups.E006",
        )
    for region in settings.POOL_REGIONS:
        if not _REGION.fullmatch(region):
            yield Error(
                f"POOL_REGIONS names no Region: {region}", hint="For example eu-west-1.", id="backups.E007"
            )
    if settings.AWS_ACCOUNT and not _ACCOUNT.fullmatch(settings.AWS_ACCOUNT):
        yield Error(
            "AWS_ACCOUNT is no account number.",
            hint="Twelve digits, or leave it out: then AWS is asked.",
            id="backups.E008",
        )


def _people() -> Iterator[CheckMessage]:
    if settings.RESTORE_APPROVALS not in APPROVALS:
        yield Error(
            f"RESTORE_APPROVALS is {settings.RESTORE_APPROVALS!r}.",
            hint=f"One of {', '.join(APPROVALS)}.",
            id="backups.E009",
        )
    for number, (name, what) in enumerate(
        (
            ("LOGIN_GROUPS", "sign in"),
            ("RESTORE_GROUPS", "back up, download, plan or start a restore"),
            ("APPROVE_GROUPS", "approve a restore"),
        ),
        2,
    ):
        if not getattr(settings, name):
            yield Warning(
                f"{name} is empty: nobody may {what} here.",
                hint="Name one or more IAM groups. An empty list never means everybody.",
                id=f"backups.W{number:03d}",
            )

    for name in ("APPLICATION_ADMIN_EMAILS", "OPERATOR_EMAILS"):
        if not all(map(_is_mail, getattr(settings, name))):
            yield Error(
                f"{name} holds what is no e-mail address.",
                hint="For example ada@example.org; several are separated by commas.",
                id="backups.E041",
            )


def _numbers() -> Iterator[CheckMessage]:
    if not 0 < settings.QUOTA_SHARE <= 1:
        yield Error(
            f"QUOTA_SHARE is {settings.QUOTA_SHARE}.",
            hint="A share of AWS's quotas, above 0 and at most 1: 0.8 leaves a fifth to the application.",
            id="backups.E010",
        )
    for number, name, least in (
        (11, "MAIL_RESERVE", 0),
        (12, "UPLOAD_LIMIT_MB", 1),
        (13, "LEASE_SECONDS", 3),
        (20, "SWEEP_SECONDS", 1),
        (21, "WATCH_SECONDS", 1),
        (22, "LOOK_SECONDS", 1),
        (14, "TRUSTED_PROXIES", 0),
    ):
        value = getattr(settings, name)
        if value < least:
            yield Error(f"{name} is {value}.", hint=f"It is {least} at least.", id=f"backups.E{number:03d}")


def _services() -> Iterator[CheckMessage]:
    url = urlsplit(settings.REDIS_URL)
    if url.scheme not in ("redis", "rediss", "unix") or not (url.hostname or url.path):
        yield Error(
            "REDIS_URL is no address of a Redis or Valkey server.",
            hint="redis://host:6379/0, rediss:// for TLS, or unix:///path/of/the.sock",
            id="backups.E015",
        )


def _alarms() -> Iterator[CheckMessage]:
    """Addresses are secrets here, so none is shown: not even the part before its path."""
    told = [name for name in ("SLACK_WEBHOOK", "ALARM_WEBHOOK", "ALARM_EMAILS") if getattr(settings, name)]
    for name in ("SLACK_WEBHOOK", "ALARM_WEBHOOK", "HEARTBEAT_URL", "PUBLIC_URL"):
        yield from _address(name, getattr(settings, name))
    if settings.ALARM_WEBHOOK and not _webhook_key(settings.ALARM_WEBHOOK_KEY):
        yield Error(
            "ALARM_WEBHOOK_KEY is not the key that ALARM_WEBHOOK needs.",
            hint="whsec_ and then 24 to 64 random bytes in base64: what is sent is signed with them.",
            id="backups.E032",
        )
    for name, addresses in (("ALARM_EMAILS", settings.ALARM_EMAILS), ("ALARM_FROM", [settings.ALARM_FROM])):
        if any(address and not _is_mail(address) for address in addresses):
            yield Error(
                f"{name} holds what is no e-mail address.",
                hint="For example alarms@example.org; several are separated by commas.",
                id="backups.E033",
            )
    if settings.ALARM_EMAILS:
        for name, is_there in (("EMAIL_URL", settings.EMAIL_HOST), ("ALARM_FROM", settings.ALARM_FROM)):
            if not is_there:
                yield Error(
                    f"ALARM_EMAILS is set and {name} is not.",
                    hint="A mail needs a server (EMAIL_URL) and somebody it is from (ALARM_FROM).",
                    id="backups.E034",
                )
    if told and not settings.PUBLIC_URL:
        yield Warning(
            f"{told[0]} is set and PUBLIC_URL is not.",
            hint="The messages have no link to this dashboard: PUBLIC_URL=https://backups.example.org",
            id="backups.W010",
        )


def _after_a_restore() -> Iterator[CheckMessage]:
    try:
        map_sql.load(settings.IDENTITY_MAP_SQL)
    except map_sql.BadTemplate as error:
        yield Error(
            f"The file that IDENTITY_MAP_SQL names {error}.",
            hint="Mend it, or leave the setting out for the default. Until then there is no SQL of any "
            "identity map: the default is not taken in its place.",
            id="backups.E050",
        )
    if any(len(item) > LONGEST_ITEM for item in settings.AFTERCARE):
        yield Error(
            f"AFTERCARE has an item of more than {LONGEST_ITEM} characters.",
            hint="Items are separated by semicolons; each is one thing that somebody ticks.",
            id="backups.E051",
        )
    if len(set(settings.AFTERCARE)) < len(settings.AFTERCARE):
        yield Error(
            "AFTERCARE names an item twice.",
            hint="Each is ticked on its own; leave the second one out.",
            id="backups.E052",
        )


def _address(name: str, value: str) -> Iterator[CheckMessage]:
    if not value:
        return
    url = _web(value)
    if url is None:
        yield Error(
            f"{name} is no address of a web server.",
            hint="https:// and the name of a host; a user and a password have no place in it.",
            id="backups.E030",
        )
    elif settings.PRODUCTION and url.scheme != "https" and not _loopback(url.hostname or ""):
        yield Error(
            f"{name} is plain http while PRODUCTION is on.",
            hint="Anybody in between could read it, or answer in its place: https://",
            id="backups.E031",
        )


def _web(value: str) -> SplitResult | None:
    """The address in its parts, if it is one of http that can be asked as it stands."""
    try:
        url = urlsplit(value)
        sound = url.hostname and url.port != 0
    except ValueError:  # a port, or an IPv6 address, that is none
        return None
    if not sound or url.scheme not in ("http", "https") or "@" in url.netloc or re.search(r"\s", value):
        return None
    return url


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _webhook_key(key: str) -> bool:
    prefix, _, encoded = key.rpartition("whsec_")
    try:
        return not prefix and key != encoded and 24 <= len(base64.b64decode(encoded, validate=True)) <= 64
    except ValueError:
        return False


def _is_mail(address: str) -> bool:
    try:
        validate_email(address)
    except ValidationError:
        return False
    return True


def _strict() -> Iterator[CheckMessage]:
    """What is comfortable on a laptop and wrong where production is restored."""
    if not settings.PRODUCTION:
        return
    for name in sorted(os.environ):  # boto3's own names: it reads them from the same place
        if name.startswith("AWS_ENDPOINT_URL") and os.environ[name]:
            yield Error(
                f"{name} is set while PRODUCTION is on.",
                hint="With it AWS is somebody else, who could let anybody in. Take it away.",
                id="backups.E016",
            )
    if not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS:
        yield Error(
            "ALLOWED_HOSTS is empty or holds *.",
            hint="Name the host names by which this dashboard is reached.",
            id="backups.E017",
        )
    if not settings.AWS_REGION:
        yield Error(
            "AWS_REGION is not set.",
            hint="Sign-in asks STS in this Region: AWS_REGION=eu-west-1",
            id="backups.E018",
        )
    if not settings.TRUSTED_PROXIES:
        yield Warning(
            "TRUSTED_PROXIES is 0 while PRODUCTION is on.",
            hint="Behind a proxy that ends TLS every page would redirect for ever, and every address in the "
            "audit log would be the proxy's. Say how many proxies of yours stand in front.",
            id="backups.W005",
        )
    plain = not (settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL)
    if settings.EMAIL_HOST_PASSWORD and plain and not _loopback(settings.EMAIL_HOST):
        yield Error(
            "EMAIL_URL sends its password in clear while PRODUCTION is on.",
            hint="smtp+tls:// (STARTTLS) or smtp+ssl:// (TLS from the first byte).",
            id="backups.E035",
        )
    if not any((settings.SLACK_WEBHOOK, settings.ALARM_WEBHOOK, settings.ALARM_EMAILS)):
        yield Warning(
            "Nobody is told of an alarm: neither SLACK_WEBHOOK nor ALARM_EMAILS nor ALARM_WEBHOOK is set.",
            hint="That a pool is gone or a backup late is then only seen by whoever opens the pages.",
            id="backups.W011",
        )
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        if not origin.startswith("https://"):
            yield Error(
                f"CSRF_TRUSTED_ORIGINS holds an origin without https: {origin}",
                hint="Every page of this dashboard is served over https.",
                id="backups.E019",
            )
