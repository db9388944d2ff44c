"""Alarms, and telling people of them.

    raise_alarm(…)  -> the alarm's row, and one row for each message to send, in one transaction
    deliver_due()   -> claims a message (a conditional UPDATE), sends it, writes down what was answered
    clear(…)        -> the alarm is over, and whoever was told is told so

Raising and clearing wait for nobody: the sending is a task of its own, and what fails is tried again
for a day. A message may arrive twice (an answer that was lost), never not at all without saying so.
"""

from __future__ import annotations

import queue as handovers
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F

from backups import queue
from backups.models import Alarm, Delivery, Watchdog, database_now
from backups.notify import ways, words
from backups.notify.ways import Answer

log = structlog.get_logger(__name__)

PAUSES = (30, 120, 600, 1800, 7200)
"""Seconds after the first failure, the second and so on; the last one from then on."""
GIVEN_UP = timedelta(days=1)
CLAIMED = timedelta(seconds=90)
"""How long a message is its worker's alone. Longer than anybody is waited for, see ``ways.LONGEST``."""


# --- alarms ----------------------------------------------------------------------------------


def raise_alarm(kind: Alarm.Kind, *, region: str, pool_name: str, pool_id: str = "", sentence: str) -> Alarm:
    """The open alarm of this kind and pool: new, it is told to every channel; old, it is brought up to date.

    ``sentence``: what is wrong, what is still true, and what to do.
    """
    while True:
        with transaction.atomic():
            now = database_now()
            open_ones = Alarm.objects.filter(kind=kind, region=region, pool_name=pool_name, cleared_at=None)
            found: dict[str, object] = {"sentence": sentence, "seen_at": now}
            if open_ones.update(**found | ({"pool_id": pool_id} if pool_id else {})):
                if (known := open_ones.first()) is not None:
                    return known
                continue  # it was cleared in between
            try:
                with transaction.atomic():
                    alarm = Alarm.objects.create(
                        kind=kind,
                        region=region,
                        pool_name=pool_name,
                        pool_id=pool_id,
                        sentence=sentence,
                        raised_at=now,
                        seen_at=now,
                    )
            except IntegrityError:
                continue  # another process found the same a moment ago
            _tell([way.channel for way in ways.configured()], Delivery.What.RAISED, alarm, now)
            log.warning("alarm", kind=str(kind), pool=pool_name, region=region)
            return alarm


def clear(kind: Alarm.Kind, *, region: str, pool_name: str, why: str) -> bool:
    """The open alarm of this kind is over; False when there is none.

    Channels that were to be told of it are told of its end. What was not told yet is not told any more:
    the message of its end says both.
    """
    with transaction.atomic():
        now = database_now()
        open_ones = Alarm.objects.filter(kind=kind, region=region, pool_name=pool_name, cleared_at=None)
        alarm = open_ones.select_for_update().first()
        if alarm is None or not open_ones.filter(pk=alarm.pk).update(cleared_at=now, cleared_why=why):
            return False
        told = alarm.deliveries.filter(what=Delivery.What.RAISED)
        channels = list(told.order_by("id").values_list("channel", flat=True))
        told.filter(due_at__isnull=False).update(
            due_at=None, answer="not sent: it was over before; the next message says both"
        )
        still = {way.channel for way in ways.configured()}
        _tell([name for name in channels if name in still], Delivery.What.CLEARED, alarm, now)
        log.info("alarm is over", kind=str(kind), pool=pool_name, region=region)
    return True


def test(channel: Delivery.Channel, *, asked_by: str) -> Delivery:
    """A message that says it is a test. Sent once: whoever asked looks at the answer."""
    with transaction.atomic():
        (made,) = _tell([channel], Delivery.What.TEST, None, database_now(), asked_by)
    return made


def _tell(
    channels: Sequence[str], what: Delivery.What, alarm: Alarm | None, now: datetime, asked_by: str = ""
) -> list[Delivery]:
    """The rows first; a worker is woken when they are committed, and beat asks every half minute anyway."""
    made = [
        Delivery.objects.create(
            channel=channel, what=what, alarm=alarm, asked_by=asked_by, created_at=now, due_at=now
        )
        for channel in channels
    ]
    if made:
        queue.wake_deliveries()
    return made


# --- sending ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Claim:
    """A message that is ours until ``until``. ``tries`` counts this one."""

    delivery: Delivery
    until: datetime
    tries: int


def deliver_due() -> int:
    """Send what is due, each channel beside the others; how many messages were taken.

    A channel whose message was not taken is left alone until the next call: the others do not wait for it,
    and neither does a worker for all that would hang in it.
    """
    answers: handovers.SimpleQueue[tuple[_Claim, Answer]] = handovers.SimpleQueue()
    waiting: dict[int, tuple[_Claim, float]] = {}  # and until when, by time.monotonic
    sent = 0

    def go_on(channel: str) -> None:
        if (claim := _claim(channel)) is not None:
            waiting[claim.delivery.pk] = (claim, time.monotonic() + ways.LONGEST)
            # A daemon: who drips an answer for ever holds neither us up nor the end of the process.
            threading.Thread(target=_send, args=(claim, answers), daemon=True).start()

    for channel in Delivery.Channel.values:
        go_on(channel)
    while waiting:
        first, until = min(waiting.values(), key=lambda pair: pair[1])
        try:
            claim, answer = answers.get(timeout=max(0.0, until - time.monotonic()))
        except handovers.Empty:
            claim, answer = first, Answer(False, f"no whole answer within {ways.LONGEST} s")
        if waiting.pop(claim.delivery.pk, None) is None:
            continue  # it answered after all, when nobody waited any more
        _write_down(claim, answer)
        if answer.taken:
            sent += 1
            go_on(claim.delivery.channel)
    return sent


def _claim(channel: str) -> _Claim | None:
    """The longest due message of a channel, if no other worker takes it at this moment."""
    now = database_now()
    until = now + CLAIMED
    for delivery in _due(channel, now):
        mine = Delivery.objects.filter(pk=delivery.pk, due_at=delivery.due_at, tries=delivery.tries)
        if mine.update(due_at=until, tries=F("tries") + 1):
            return _Claim(delivery, until, delivery.tries + 1)
    return None


def _due(channel: str, now: datetime) -> Iterable[Delivery]:
    due = Delivery.objects.filter(channel=channel, due_at__lte=now, delivered_at=None)
    return due.select_related("alarm").order_by("due_at", "id")


def _send(claim: _Claim, answers: handovers.SimpleQueue[tuple[_Claim, Answer]]) -> None:
    """In a thread of its own, without the database."""
    try:
        answer = ways.send(claim.delivery.channel, words.message(claim.delivery))
    except Exception as error:  # whatever it was, the others go on and this one is tried again
        log.exception("not sent", channel=claim.delivery.channel)
        answer = Answer(False, f"the dashboard itself failed ({type(error).__name__})")
    answers.put((claim, answer))


def _write_down(claim: _Claim, answer: Answer) -> None:
    """What came of it, unless the message was withdrawn or claimed by somebody else meanwhile."""
    now = database_now()
    delivery = claim.delivery
    row = Delivery.objects.filter(pk=delivery.pk, tries=claim.tries, delivered_at=None)
    about = {"channel": delivery.channel, "what": delivery.what, "tries": claim.tries}
    if answer.taken:
        row.update(delivered_at=now, due_at=None, answer=answer.said)
        log.info("told", **about)
        return
    again = now + timedelta(seconds=PAUSES[min(claim.tries, len(PAUSES)) - 1])
    over = delivery.what == Delivery.What.TEST or again > delivery.created_at + GIVEN_UP
    row.filter(due_at=claim.until).update(due_at=None if over else again, answer=answer.said)
    if over:
        log.error("not told, and given up", answer=answer.said, **about)
    else:
        log.warning("not told, and tried again", answer=answer.said, **about)


# --- what there is ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to tell people. ``where`` is what may be shown of its address: a host, or how many people."""

    channel: Delivery.Channel
    missing: tuple[str, ...]  # the settings that would configure it; none: it is
    where: str
    last: Delivery | None
    test: Delivery | None  # the last test that has no answer yet; an alarm may have come after it
    waiting: int  # messages that are still to be sent, or to be sent again

    @property
    def configured(self) -> bool:
        return not self.missing


def channels() -> list[Channel]:
    """Every way there is, configured or not, in a fixed order."""
    return [_channel(way) for way in ways.ALL]


def _channel(way: ways.Way) -> Channel:
    sent = Delivery.objects.filter(channel=way.channel)
    waiting = sent.filter(delivered_at=None, due_at__isnull=False)
    return Channel(
        channel=way.channel,
        missing=way.missing(),
        where="" if way.missing() else way.where(),
        last=sent.select_related("alarm").first(),
        test=waiting.filter(what=Delivery.What.TEST).first(),
        waiting=waiting.count(),
    )


# --- the watchdog outside --------------------------------------------------------------------


def heartbeat() -> None:
    """Tell the watchdog outside that a round of looks is done. Never raises."""
    if not settings.HEARTBEAT_URL:
        return
    answer = ways.beat()
    try:
        now = database_now()
        told: dict[str, object] = {"called_at": now, "answer": answer.said}
        Watchdog.objects.update_or_create(
            pk=1, defaults=told | ({"answered_at": now} if answer.taken else {})
        )
    except DatabaseError as error:
        log.warning("heartbeat not written down", error=type(error).__name__)
    if not answer.taken:
        log.warning("heartbeat not taken", answer=answer.said)
