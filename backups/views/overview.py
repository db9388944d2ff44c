"""The overview, and home: what is wrong in one sentence, then each pool with its suggested backup."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from django.conf import settings
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from backups import access, actions, queue, watch
from backups.access import Action
from backups.core.lifecycle import ACTIVE
from backups.core.snapshot import environment_of
from backups.core.suggested import KEPT, fell
from backups.engine.ports import PortError
from backups.forms import given, need
from backups.models import Alarm, Backup, Catalogue, Job, Operator, Pool
from backups.templatetags.words import clock, number, plural
from backups.watch import Standing

LATEST, SHOWN = 8, 5
EMPTIED = 0.5
"""A live pool with fewer than this share of the suggested backup's users is called nearly empty."""
WORST = [*Alarm.Kind.values]
"""Kinds of alarm, worst first."""


@dataclass(frozen=True, slots=True)
class Block:
    """What is said of one name of a pool."""

    name: str
    environment: str
    live: list[Pool]
    last: Pool | None  # the row to name: a live one, else the one that was seen last
    presence: str
    sentence: str
    tone: str
    suggested: Backup | None
    passed_over: list[Backup]  # the newest of them
    passed: int
    held: int
    running: Job | None
    standings: list[Standing]  # one for each Region that has, or is to have, a pool of this name

    @property
    def pool(self) -> Pool | None:
        return self.live[0] if self.live else None

    @property
    def good(self) -> int:
        """So many users at least has a backup that is no fall from the suggested one; 0: not known."""
        users = self.suggested.users if self.suggested else None
        return -(-KEPT * (users or 0) // 100)


@dataclass(frozen=True, slots=True)
class Looks:
    """When AWS last told which pools there are, in every Region of the settings."""

    at: datetime | None  # the oldest of the Regions' last looks; None while one was never looked at
    why: str  # why one of them did not answer, "" when all did


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the page says first; ``suggested`` is the backup that its buttons take."""

    tone: str
    said: str
    more: list[str]
    suggested: Backup | None = None

    @property
    def sentence(self) -> str:
        """The first one of what is said, which is what is wrong."""
        return self.said.partition(". ")[0].removesuffix(".") + "."

    @property
    def rest(self) -> str:
        """What is still true, and what to do."""
        return self.said.partition(". ")[2]


@never_cache
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    need(request, Action.SEE)
    # A worker asks AWS: on the day on which that takes a minute this page is there all the same.
    asking = "asked" not in request.GET and watch.is_old()
    if asking:
        queue.look()
    return _page(request, asking=asking)


@require_POST
def look(request: HttpRequest) -> HttpResponse:
    """For this page and for the list of backups; both say why a look was not answered."""
    need(request, Action.BACK_UP)
    with suppress(PortError):
        actions.look(actions.actor_of(request))
    return redirect("backups" if given(request.POST, "then") == "backups" else "home")


@require_POST
def back_up(request: HttpRequest) -> HttpResponse:
    need(request, Action.BACK_UP)
    pool = get_object_or_404(Pool, pool_id=given(request.POST, "pool"))
    try:
        job = actions.start_backup(actions.actor_of(request), pool)
    except actions.Refused as refused:
        return _page(request, str(refused), refused.status)
    return redirect("job", job=job.pk)


def _page(request: HttpRequest, wrong: str = "", status: int = 200, *, asking: bool = False) -> HttpResponse:
    """The page; after something that did not work, with the sentence that says why."""
    standings: defaultdict[str, list[Standing]] = defaultdict(list)
    for standing in watch.standings():
        standings[standing.name].append(standing)
    names = {*standings, *Backup.objects.order_by().values_list("pool_name", flat=True).distinct()}
    looks = _looks()
    blocks = [_block(name, standings[name], looks) for name in sorted(names - {""}, key=_production_first)]
    who = cast(Operator, request.user)
    looked = Catalogue.objects.first() or Catalogue()
    context = {
        "verdict": _verdict(blocks, looks, looked),
        "blocks": blocks,
        "alarms": Alarm.objects.filter(cleared_at=None),
        "aftercare": actions.open_items()[:SHOWN],
        "latest": Job.objects.order_by("-id")[:LATEST],
        "looks": looks,
        "asking": asking,
        "looked": looked,
        "bucket": settings.BACKUP_BUCKET.replace("{account}", who.account),
        "wrong": wrong,
        "may": {action.value.replace("-", "_"): access.can(who, action).allowed for action in _ASKED},
    }
    return render(request, "overview/page.html", context, status=status)


_ASKED = (Action.BACK_UP, Action.SCHEDULE, Action.PLAN)


def _production_first(name: str) -> tuple[bool, str]:
    return environment_of(name) != "production", name


def _verdict(blocks: list[Block], looks: Looks, looked: Catalogue) -> Verdict:
    """The worst that is known first; "every pool …" only when that was seen of every pool just now."""
    raised = [
        (alarm, standing) for block in blocks for standing in block.standings for alarm in standing.alarms
    ]
    raised.sort(key=lambda pair: (pair[1].environment != "production", WORST.index(pair[0].kind)))
    if raised:
        (worst, standing), rest = raised[0], raised[1:]
        tone = "warn" if worst.kind in (Alarm.Kind.LATE, Alarm.Kind.FEWER) else "bad"
        return Verdict(tone, worst.sentence, [alarm.sentence for alarm, _ in rest], standing.suggested)
    unsure = [block for block in blocks if block.tone in ("bad", "warn")]
    if unsure:
        worst_block = min(unsure, key=lambda block: block.tone != "bad")
        others = [f"{block.name}: {block.sentence}" for block in unsure if block is not worst_block]
        said = f"{worst_block.name}: {worst_block.sentence}"
        return Verdict(worst_block.tone, said, others, worst_block.suggested)
    if looks.at is None or looks.why:
        return Verdict("warn", f"Whether every pool stands is not known. {looks.why}".strip(), [])
    if not blocks:
        return Verdict("warn", f"There is no user pool in {_regions()}, and no backup of one.", [])
    if looked.problem or looked.answered_at is None:
        said = f"Which backups there are is not known: the bucket did not answer. {looked.problem}"
        return Verdict("warn", said.strip(), [])
    if timezone.now() - looked.answered_at > watch.SILENT:
        said = (
            f"Which backups there are was last seen {clock(looked.answered_at)}. Nobody looks at the bucket: "
        )
        return Verdict("warn", f"{said}beat or the workers may be down.", [])
    off = [
        f"{standing.name} is not backed up by itself: {standing.policy.set_by} decided so."
        for block in blocks
        for standing in block.standings
        if standing.off and standing.policy
    ]
    if lacking := [said for block in blocks for said in _lacks(block)]:
        return Verdict("warn", lacking[0], [*lacking[1:], *off])
    kept = [block for block in blocks if not all(standing.off for standing in block.standings)]
    if not kept:
        return Verdict("warn", "No pool is backed up by itself.", off)
    every = "Every pool has" if len(kept) > 1 else f"{kept[0].name} has"
    every = every.replace("pool", "other pool") if off and len(kept) > 1 else every
    return Verdict("good", f"{every} a checked backup younger than its limit.", off)


def _lacks(block: Block) -> Iterable[str]:
    """Why it cannot be said that this pool has a checked backup younger than its limit."""
    for standing in block.standings:
        if standing.off:
            continue
        where = block.name if len(block.standings) == 1 else f"{block.name} in {standing.region}"
        newest = standing.newest
        if newest is None:
            yield f"{where} has no backup that could be restored."
        elif not newest.checked:
            yield f"The newest backup of {where} was never checked: {newest.get_state_display()}."
        if newest and standing.suggested and standing.suggested.taken_at < newest.taken_at:
            when = clock(standing.suggested.taken_at)
            yield f"The newest backup of {where} is passed over; the suggested one is of {when}."
        if standing.held:
            yield f"The next backup of {where} does not begin. {standing.held}"
        elif standing.late_since:
            yield f"The backup of {where} is late since {clock(standing.late_since)}."
        if standing.policy is None:
            yield f"{where} is not backed up by itself yet: nobody has decided when."


def _block(name: str, standings: list[Standing], looks: Looks) -> Block:
    pools = list(Pool.objects.filter(name=name).order_by(F("last_seen_at").desc(nulls_last=True)))
    live = [pool for pool in pools if pool.presence == Pool.Presence.THERE]
    unknown = [pool for pool in pools if pool.presence == Pool.Presence.UNKNOWN]
    last = next(iter([*live, *unknown, *pools]), None)
    backups = Backup.objects.filter(pool_name=name)
    suggested = backups.filter(suggested=True).order_by("-taken_at").first()
    passed = backups.exclude(passed_over="").exclude(being_made_by__state__in=ACTIVE)
    if suggested:
        passed = passed.filter(taken_at__gt=suggested.taken_at)
    pool_ids = [pool.pool_id for pool in pools]
    running = Job.objects.filter(kind=Job.Kind.BACKUP, pool_id__in=pool_ids, state__in=ACTIVE).first()
    presence, said, tone = _presence(looks, last, suggested)
    if standings and all(standing.off and not standing.alarms for standing in standings):
        tone = "idle"  # somebody decided that nobody waits for it
    return Block(
        name=name,
        environment=environment_of(name),
        live=live,
        last=last,
        presence=presence,
        sentence=said,
        tone=tone,
        suggested=suggested,
        passed_over=list(passed.defer("manifest").order_by("-taken_at")[: SHOWN + 1]),
        passed=passed.count(),
        held=backups.count(),
        running=running,
        standings=standings,
    )


def _looks() -> Looks:
    kept = (Catalogue.objects.first() or Catalogue()).regions
    looks = [kept.get(region, {"at": "", "why": ""}) for region in settings.POOL_REGIONS]
    answered = [datetime.fromisoformat(look["at"]) for look in looks if look["at"]]
    told = looks and len(answered) == len(looks)
    return Looks(min(answered) if told else None, next((look["why"] for look in looks if look["why"]), ""))


def _presence(looks: Looks, last: Pool | None, suggested: Backup | None) -> tuple[str, str, str]:
    """(presence, sentence, tone). A pool that nobody answered about is unknown, never gone."""
    if last is None:
        if looks.at is None or looks.why:
            why = looks.why or "Not every Region of the settings has shown a pool yet."
            return "unknown", f"Whether a pool of this name exists is not known. {why}", "warn"
        return "gone", f"No pool of this name in {_regions()} at {clock(looks.at)}.", "bad"
    seen = f"; last seen {clock(last.last_seen_at)}" if last.last_seen_at else ""
    if last.presence == Pool.Presence.GONE:
        at = f" at {clock(last.looked_at)}" if last.looked_at else ""
        return "gone", f"No pool of this name in {last.region}{at}{seen}.", "bad"
    if last.presence == Pool.Presence.UNKNOWN:
        why = last.why_unknown or "The last look got no answer."
        return "unknown", f"Whether it still exists is not known{seen}. {why}", "warn"
    if last.doubt == Pool.Presence.GONE:
        return (
            "unknown",
            f"AWS did not find it at {clock(last.doubted_at)}; it is asked once more{seen}.",
            "warn",
        )
    if last.estimated_users is None:
        return "there", f"In {last.region} at {clock(last.looked_at)}.", "good"
    about = f"About {plural(last.estimated_users, 'user')} in {last.region} at {clock(last.looked_at)}"
    if suggested and suggested.users and fell(suggested.users, last.estimated_users):
        tone = "bad" if last.estimated_users < EMPTIED * suggested.users else "warn"
        return "there", f"{about}; the suggested backup holds {number(suggested.users)}.", tone
    return "there", f"{about}.", "good"


def _regions() -> str:
    return " or ".join(settings.POOL_REGIONS)
