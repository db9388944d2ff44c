"""What a message says, the same over every channel: what is wrong, what is still true, what to do, and where.

No e-mail of anybody is in it, whatever a sentence or a name had in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from django.conf import settings
from django.urls import reverse

from backups.core.discreet import discreet
from backups.core.snapshot import environment_of
from backups.models import Alarm, Delivery


@dataclass(frozen=True, slots=True)
class Message:
    """Everything that a channel needs; each puts it into its own form."""

    id: str  # the same at every try, so that a receiver knows a message that comes twice
    type: str  # alarm.raised | alarm.cleared | alarm.test
    at: datetime  # when it happened, not when it is sent
    title: str
    lines: tuple[str, ...]
    kind: str
    pool: str
    region: str
    environment: str
    sentence: str
    url: str

    @property
    def text(self) -> str:
        return "\n".join([*self.lines, *([self.url] if self.url else [])])


def message(delivery: Delivery) -> Message:
    """Of a row whose ``alarm`` is loaded; asks no database."""
    alarm = delivery.alarm
    return _test(delivery) if alarm is None else _of(delivery, alarm)


def _of(delivery: Delivery, alarm: Alarm) -> Message:
    what = Alarm.Kind(alarm.kind).label
    environment = environment_of(alarm.pool_name)
    place = f"{alarm.pool_name} ({alarm.pool_id})" if alarm.pool_id else alarm.pool_name
    place = f"{place} in {alarm.region}" if alarm.region else place
    since = f"Since {_moment(alarm.raised_at)}."
    at, sentence, before = alarm.raised_at, alarm.sentence, ""
    if delivery.what == Delivery.What.CLEARED and alarm.cleared_at:
        at, sentence, before = alarm.cleared_at, alarm.cleared_why, "over: "
        since = f"It began {_moment(alarm.raised_at)} and was over {_moment(alarm.cleared_at)}."
    where = f"{environment.upper() if environment == 'production' else environment} · " if environment else ""
    title = f"{where}{before}{what} · {alarm.pool_name}"
    lines = (f"{where}{before}{what} · {place}", sentence, since)
    return Message(
        id=_id(delivery),
        type=f"alarm.{delivery.what}",
        at=at,
        title=discreet(" ".join(title.split())),  # a subject is one line
        lines=tuple(discreet(line) for line in lines if line),
        kind=str(alarm.kind),
        pool=discreet(alarm.pool_name),
        region=alarm.region,
        environment=environment,
        sentence=discreet(sentence),
        url=_link(f"{reverse('backups')}?pool={quote(alarm.pool_name)}"),
    )


def _test(delivery: Delivery) -> Message:
    who = f" {discreet(delivery.asked_by)} asked for it." if delivery.asked_by else ""
    sentence = (
        f"This is a test of the alarms of Cognito backups.{who} Nothing is wrong, and nothing is to be done."
    )
    return Message(
        id=_id(delivery),
        type="alarm.test",
        at=delivery.created_at,
        title="A test of the alarms of Cognito backups",
        lines=(sentence,),
        kind="",
        pool="",
        region="",
        environment="",
        sentence=sentence,
        url=_link(reverse("settings")),
    )


def _id(delivery: Delivery) -> str:
    """Unique over databases that are made anew, too."""
    return f"alarm-{delivery.pk}-{int(delivery.created_at.timestamp() * 1_000_000):x}"


def _link(path: str) -> str:
    return f"{settings.PUBLIC_URL}{path}" if settings.PUBLIC_URL else ""


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
