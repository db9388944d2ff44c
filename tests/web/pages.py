"""Rows and people for the tests of pages: say only what matters, the rest is ordinary."""

from __future__ import annotations

import html
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from backups.models import Backup, Event, Item, Job, Operator, Plan, Pool

NAME = "biomage-user-pool-case-insensitive-production"
POOL_ID = "eu-west-1_pR0d9xKq2"
NIGHT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)


def enter(name: str, *groups: str) -> Client:
    """A browser in which this person is signed in, IAM having answered a moment ago."""
    operator = Operator.objects.create(
        unique_id=f"AIDA{name.upper()}",
        name=name,
        account="123456789012",
        groups=list(groups),
        active_keys=["AKIAEXAMPLE"],
        last_checked_at=timezone.now(),
    )
    client = Client()
    client.force_login(operator, backend="backups.auth.OperatorBackend")
    session = client.session
    session["key_id"] = "AKIAEXAMPLE"
    session["signed_in_at"] = session["seen_at"] = time.time()
    session.save()
    return client


def reveal(client: Client, what: str, to: str = "/") -> Any:
    """Reveal the e-mails of a backup or a job, with a reason as the page asks for one."""
    return client.post("/reveal/", {"next": to, "what": what, "reason": "a person asked about themselves"})


def text(response: Any) -> str:
    """The page as it is read: without tags, with single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())


def a_pool(name: str = NAME, pool_id: str = POOL_ID, **given: Any) -> Pool:
    ordinary = {"region": "eu-west-1", "presence": Pool.Presence.THERE, "estimated_users": 1850}
    return Pool.objects.create(name=name, pool_id=pool_id, **ordinary | given)


def a_backup(weeks: int = 0, name: str = NAME, **given: Any) -> Backup:
    """A whole, checked one of ours, so many weeks before the last."""
    taken_at = NIGHT - timedelta(weeks=weeks)
    ordinary: dict[str, Any] = {
        "key": f"{taken_at:%Y-%m-%d.%H-%M-%S}/{name}",
        "pool_name": name,
        "taken_at": taken_at,
        "state": Backup.State.COMPLETE,
        "checked": True,
        "origin": Backup.Origin.OURS,
        "made_by": Backup.MadeBy.SCHEDULE,
        "users": 2000,
        "groups": 6,
        "memberships": 2400,
        "fingerprint": "f",
    }
    return Backup.objects.create(**ordinary | given)


def a_job(kind: str, state: str = "running", **given: Any) -> Job:
    ordinary: dict[str, Any] = {
        "queue": Job.Queue.WRITE if kind == Job.Kind.RESTORE else Job.Queue.READ,
        "region": "eu-west-1",
        "pool_id": POOL_ID,
        "pool_name": NAME,
        "asked_by": "AIDAIVA",
        "asked_by_name": "iva",
        "started_at": timezone.now() - timedelta(seconds=72),
    }
    return Job.objects.create(kind=kind, state=state, **ordinary | given)


def a_line(job: Job, said: str, kind: str = "note") -> Event:
    """A row of the feed with one log line in it."""
    data = {"lines": [{"kind": kind, "text": said}], "more": 0}
    return Event.objects.create(job=job, at=timezone.now(), kind="line", data=data)


def an_item(job: Job, number: int, **given: Any) -> Item:
    """A planned line, or a row of the ledger."""
    email = f"person{number}@uni.example"
    ordinary: dict[str, Any] = {
        "key": f"old-{number}",
        "position": number,
        "label": email,
        "old_sub": f"old-{number}",
        "old_username": f"name-{number}",
        "email": email,
        "action": "create",
        "reason": "missing",
    }
    return Item.objects.create(job=job, **ordinary | given)


def a_plan(create: int = 3, **given: Any) -> Plan:
    """A finished plan of production's backup onto production, mailing by COGNITO_DEFAULT."""
    source = Backup.objects.filter(suggested=True).first() or a_backup(suggested=True)
    job = a_job(Job.Kind.PLAN, "planned", params={"source": source.key}, finished_at=timezone.now())
    counts: dict[str, Any] = {
        "create": create,
        "skip": 2,
        "cannot": 0,
        "update": 0,
        "groups": 1,
        "memberships": 2,
        "disabled": 1,
        "unverified": 0,
        "reset_required": 0,
        "by_reason": {"missing": create, "exists": 2},
        "mails": {"silent": 0, "invite": 134, "later": 0},
        "codes": {"silent": 121, "invite": 0, "later": 0},
        "mail_limit": 50,
        "mail_allowed": 40,
    }
    ordinary: dict[str, Any] = {
        "digest": "d" * 64,
        "source": source.key,
        "source_sha256": "s" * 64,
        "source_pool": NAME,
        "choices": {},
        "refusals": [],
        "warnings": [],
        "facts": {"mail": "COGNITO_DEFAULT", "groups_to_create": ["curators"]},
        "read_at": timezone.now(),
    }
    counts |= given.pop("counts", {})
    plan = Plan.objects.create(job=job, counts=counts, **ordinary | given)
    for number in range(create):
        an_item(job, number)
    an_item(job, create, action="skip", reason="federated", detail="Google")
    an_item(job, create + 1, action="skip", reason="exists")
    return plan
