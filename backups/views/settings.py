"""Settings: when each pool is backed up and what is an alarm, and who is told of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast
from urllib.parse import urlsplit

from django.conf import settings as configured
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from backups import access, actions, notify, schedule
from backups.access import Action
from backups.core import mfa
from backups.core.progress import span
from backups.core.snapshot import environment_of
from backups.forms import given, need
from backups.models import Alarm, Delivery, Operator, Policy, Pool, Watchdog
from backups.models.audit import Act

FRESH = timedelta(minutes=1)
"""How long the page asks by itself what has become of a test."""
OVER = {  # how a channel is said to be told: the button, and the sentence after it
    Delivery.Channel.SLACK: "to Slack",
    Delivery.Channel.MAIL: "by e-mail",
    Delivery.Channel.WEBHOOK: "to the webhook",
}


@dataclass(frozen=True, slots=True)
class Form:
    """What stands in the fields: as it is set, as it is proposed, or as somebody typed it."""

    enabled: bool
    cron: str
    zone: str
    shrink_percent: str
    mfa: str


@dataclass(frozen=True, slots=True)
class Row:
    """One name of a pool in one Region, however many pools bear it, and how it is backed up."""

    number: int  # on this page, for its form's own names
    region: str
    name: str
    pools: list[Pool]  # all but those that are gone
    policy: Policy | None  # None: nobody has decided yet
    state: tuple[str, str, str]  # tone, sign, word
    words: str
    runs: list[datetime]
    late: str  # how old the newest backup may be
    shrink_percent: int
    mfa: str
    form: Form
    open: bool  # somebody typed into it, and it was refused
    first: bool = False  # of those that nobody has decided about: its button is the page's primary one

    @property
    def environment(self) -> str:
        return environment_of(self.name)


@dataclass(frozen=True, slots=True)
class Told:
    """A channel with the last message that went, or goes, through it."""

    channel: notify.Channel
    state: tuple[str, str, str]
    what: str
    over: str  # "to Slack"


@never_cache
@require_safe
def settings(request: HttpRequest) -> HttpResponse:
    need(request, Action.SEE)
    return _page(request)


@require_POST
def set_policy(request: HttpRequest) -> HttpResponse:
    need(request, Action.SCHEDULE)
    region, name = given(request.POST, "region"), given(request.POST, "name")
    if (region, name) not in _known():
        raise Http404
    typed = Form(
        enabled=given(request.POST, "enabled") == "yes",
        cron=given(request.POST, "cron"),
        zone=given(request.POST, "zone"),
        shrink_percent=given(request.POST, "shrink_percent"),
        mfa=given(request.POST, "mfa"),
    )
    try:
        policy = actions.set_policy(
            actions.actor_of(request),
            region=region,
            name=name,
            enabled=typed.enabled,
            cron=typed.cron,
            zone=typed.zone,
            shrink_percent=_percent(typed.shrink_percent),
            mfa=typed.mfa,
        )
    except actions.Refused as refused:
        return _page(request, str(refused), refused.status, {(region, name): typed})
    if policy.enabled:
        said = f"{name} in {region} is backed up {schedule.words(policy.cron, policy.zone)}."
    else:
        said = f"{name} in {region} is not backed up by itself from now on. Its backups stay."
    messages.success(request, said)
    return redirect("settings")


@require_POST
def send_test(request: HttpRequest) -> HttpResponse:
    need(request, Action.SCHEDULE)
    asked = given(request.POST, "channel")
    channel = next((known for known in notify.channels() if known.channel == asked), None)
    if channel is None:
        raise Http404
    if not channel.configured:
        return _page(request, f"Nothing was sent: {_unset(channel)}.", 409)
    if _on_its_way(channel.test):
        return _page(request, "A test is on its way already. Nothing more was sent.", 409)
    actor = actions.actor_of(request)
    with transaction.atomic():
        actions.note(actor, Act.ALARM_TESTED, channel=channel.channel.value)
        notify.test(channel.channel, asked_by=actor.name)
    messages.info(request, f"A test goes out {OVER[channel.channel]}. Its answer comes into the table below.")
    return redirect(f"{reverse('settings')}#notifications")


def _page(
    request: HttpRequest, wrong: str = "", status: int = 200, typed: dict[tuple[str, str], Form] | None = None
) -> HttpResponse:
    """The page; after something that did not work, with the sentence that says why and what was typed."""
    may = access.can(cast(Operator, request.user), Action.SCHEDULE)
    channels = [_told(channel) for channel in notify.channels()]
    context = {
        "rows": _rows(typed or {}),
        "channels": channels,
        "nobody": not any(told.channel.configured for told in channels),
        "asks_again": any(_on_its_way(told.channel.test) for told in channels),
        "watchdog": Watchdog.objects.first() or Watchdog(),
        "watchdog_host": urlsplit(configured.HEARTBEAT_URL).hostname or "",
        "public_url": configured.PUBLIC_URL,
        "mfa_choices": Policy.Mfa.choices,
        "may": may.allowed,
        "may_not": may.why,
        "wrong": wrong,
    }
    return render(request, "settings/page.html", context, status=status)


# --- pools -----------------------------------------------------------------------------------


def _known() -> list[tuple[str, str]]:
    """(Region, name) of every pool that is there or may be, of every policy, and of every open alarm.

    An alarm of a gone pool that nobody decided about ends by a policy. Production first.
    """
    live = Pool.objects.exclude(presence=Pool.Presence.GONE).exclude(name="")
    alarms = Alarm.objects.filter(cleared_at=None).exclude(region="").exclude(pool_name="")
    known = {*live.values_list("region", "name"), *Policy.objects.values_list("region", "name")}
    known |= {*alarms.values_list("region", "pool_name")}
    return sorted(known, key=lambda at: (environment_of(at[1]) != "production", at[1], at[0]))


def _rows(typed: dict[tuple[str, str], Form]) -> list[Row]:
    rows = [_row(number, at, typed) for number, at in enumerate(_known(), 1)]
    first = next((row.number for row in rows if row.policy is None), 0)
    return [replace(row, first=True) if row.number == first else row for row in rows]


def _row(number: int, at: tuple[str, str], typed: dict[tuple[str, str], Form]) -> Row:
    region, name = at
    policy = Policy.objects.filter(region=region, name=name).first()
    pools = list(Pool.objects.filter(region=region, name=name).exclude(presence=Pool.Presence.GONE))
    proposed = policy or Policy(
        region=region,
        name=name,
        cron=schedule.default(region, name, max((pool.estimated_users or 0 for pool in pools), default=0)),
    )
    off = policy is not None and not policy.enabled
    state = ("warn", "▲", "proposed") if policy is None else ("good", "✓", "on")
    return Row(
        number=number,
        region=region,
        name=name,
        pools=pools,
        policy=policy,
        state=("idle", "○", "off") if off else state,
        words=schedule.words(proposed.cron, proposed.zone),
        runs=[] if off else _runs(proposed),
        late="" if off else _late(proposed),
        shrink_percent=proposed.shrink_percent,
        mfa=" ".join(_mfa(proposed, pools)),
        form=typed.get(at)
        or Form(
            enabled=not off,
            cron=proposed.cron,
            zone=proposed.zone,
            shrink_percent=str(proposed.shrink_percent),
            mfa=proposed.mfa,
        ),
        open=at in typed,
    )


def _runs(policy: Policy) -> list[datetime]:
    try:
        return schedule.next_runs(policy.cron, policy.zone, timezone.now())
    except ValueError:  # a zone that this host does not know
        return []


def _late(policy: Policy) -> str:
    try:
        gap = schedule.period(policy.cron, policy.zone, timezone.now())
    except ValueError:
        return ""
    return span((gap + schedule.grace(gap)).total_seconds())


def _mfa(policy: Policy, pools: list[Pool]) -> Iterable[str]:
    """Of each pool of this name, whether its users' factors are read and what AWS counts for that."""
    for pool in pools:
        of = f"{pool.pool_id}: " if len(pools) > 1 else ""
        if pool.estimated_users is None:
            yield f"{of}The number of its users is not known yet."
        elif why := mfa.why_not(policy.mfa, pool.estimated_users, pool.tier):
            yield f"{of}Not read: {why}."
        else:
            yield f"{of}{mfa.estimate(pool.estimated_users, pool.tier)}"


def _percent(typed: str) -> int:
    """0, which is refused with a sentence, for what is no number of at most three digits."""
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= 3 else 0


# --- notifications ---------------------------------------------------------------------------


def _told(channel: notify.Channel) -> Told:
    return Told(channel, _how_it_went(channel.last), _what(channel.last), OVER[channel.channel])


def _how_it_went(last: Delivery | None) -> tuple[str, str, str]:
    if last is None:
        return "idle", "○", "nothing was sent yet"
    if last.delivered_at:
        return "good", "✓", "taken"
    if last.due_at is None:
        return ("bad", "■", "given up") if last.tries else ("idle", "○", "not sent")
    return ("warn", "▲", "not taken yet") if last.tries else ("busy", "●", "on its way")


def _what(last: Delivery | None) -> str:
    if last is None:
        return ""
    if last.alarm is None:
        return f"a test, asked for by {last.asked_by}" if last.asked_by else "a test"
    of = f"{Alarm.Kind(last.alarm.kind).label}, {last.alarm.pool_name}"
    return f"over: {of}" if last.what == Delivery.What.CLEARED else of


def _on_its_way(test: Delivery | None) -> bool:
    """Asked for a moment ago, and no answer yet."""
    return test is not None and timezone.now() - test.created_at < FRESH


def _unset(channel: notify.Channel) -> str:
    return f"{' and '.join(channel.missing)} {'is' if len(channel.missing) == 1 else 'are'} not set"
