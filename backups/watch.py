"""What happens by itself: pools are looked at, due backups begin, and what is wrong is said.

    tick()        look, if the last one is old -> start what is due -> judge -> heartbeat   (each half minute)
    look_twice()  the second look at whatever is in doubt                                   (each ten seconds)
    judge()       every pool's standing -> alarms raised, alarms cleared; the same at each call

A policy belongs to a Region and a name: a pool that is made again under that name inherits it.
What is not known raises nothing and clears nothing. Time is the database's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from backups import actions, catalogue, notify, schedule
from backups.core import falls, naming
from backups.core.lifecycle import State
from backups.core.snapshot import environment_of
from backups.models import Alarm, Backup, Catalogue, Job, Policy, Pool, database_now

log = structlog.get_logger(__name__)
Kind = Alarm.Kind
UNDER_WAY = (State.QUEUED, State.RUNNING, State.WAITING)
"""Of a backup: no second one beside it. A paused one waits for a person and holds nobody up."""
SILENT = timedelta(minutes=15)
"""A bucket that has not answered for so long may hold more than is known."""
_OURS = (Backup.MadeBy.PERSON, Backup.MadeBy.SCHEDULE, Backup.MadeBy.BEFORE_RESTORE)
_FIRST = {Pool.Presence.THERE: 0, Pool.Presence.UNKNOWN: 1, Pool.Presence.GONE: 2}


def tick() -> None:
    """One round. The watchdog outside hears of it when it reached its end, and nothing of it failed."""
    look_if_old(settings.LOOK_SECONDS)
    _, begun = _start_due()
    if judge() and begun:
        notify.heartbeat()


# --- looking ---------------------------------------------------------------------------------


def look_if_old(seconds: float = 30) -> bool:
    """Look at the pools when the last look began longer ago; True: it was done here, and is over.

    Whose UPDATE moves the time looks; whoever comes meanwhile has what is known already.
    """
    Catalogue.row()
    if not _old(seconds).update(pools_asked_at=database_now()):
        return False
    catalogue.look_at_pools()
    return True


def is_old(seconds: float = 30) -> bool:
    """Whether ``look_if_old`` would look now."""
    Catalogue.row()
    return _old(seconds).exists()


def _old(seconds: float) -> QuerySet[Catalogue]:
    before = database_now() - timedelta(seconds=seconds)
    return Catalogue.objects.filter(Q(pools_asked_at=None) | Q(pools_asked_at__lt=before), pk=1)


def look_twice() -> int:
    """Ask again about every pool that is in doubt for ten seconds; how many are settled by it."""
    seen = database_now() - falls.SECOND_LOOK
    doubtful = Pool.objects.exclude(doubt="").filter(doubted_at__lte=seen, region__in=settings.POOL_REGIONS)
    settled = 0
    for pool in doubtful.order_by("looked_at", "pk"):
        again = catalogue.look_again(pool.region, pool.pool_id)
        if again is not None and again.presence == Pool.Presence.UNKNOWN:
            break  # no answer: the others would wait for theirs as long, and it is last the next time
        settled += again is None or not again.doubt
    if settled:
        judge()
    return settled


# --- starting --------------------------------------------------------------------------------


def start_due() -> list[Job]:
    """Begin the backups whose time has come; what was missed meanwhile is one backup, not many."""
    return _start_due()[0]


def _start_due() -> tuple[list[Job], bool]:
    """The jobs, and whether none failed to begin: one that does is left due, and the others begin."""
    now = database_now()
    jobs: list[Job] = []
    well = True
    for policy in Policy.objects.filter(enabled=True, next_at__lte=now).order_by("next_at", "pk"):
        try:
            jobs += _start(policy, now)
        except Exception:  # whatever it was, the others go on and this one is tried again
            log.exception("a backup that is due was not begun", pool=policy.name, region=policy.region)
            well = False
    return jobs, well


def _start(policy: Policy, now: datetime) -> list[Job]:
    pools = list(Pool.objects.filter(region=policy.region, name=policy.name))
    live = [pool for pool in pools if pool.presence == Pool.Presence.THERE]
    if _held(policy.region, pools):
        return []
    try:
        following = schedule.next_runs(policy.cron, policy.zone, now, 1)[0]
    except (ValueError, IndexError) as error:
        log.error("a schedule cannot be read", pool=policy.name, region=policy.region, error=str(error))
        return []
    with transaction.atomic():
        mine = Policy.objects.filter(
            pk=policy.pk, enabled=True, next_at=policy.next_at, cron=policy.cron, zone=policy.zone
        )
        if not mine.update(next_at=following):
            return []  # another beat was faster, or somebody decided anew
        if not live:
            log.warning("no backup was begun, the pool is gone", pool=policy.name, region=policy.region)
        return [actions.start_scheduled(pool) for pool in live if not _under_way(pool)]


def _under_way(pool: Pool) -> bool:
    jobs = Job.objects.filter(kind=Job.Kind.BACKUP, region=pool.region, pool_id=pool.pool_id)
    return jobs.filter(state__in=UNDER_WAY).exists()


def _held(region: str, pools: Iterable[Pool]) -> str:
    """Why a backup that is due does not begin until that is over; "" when nothing holds it."""
    if region not in settings.POOL_REGIONS:
        return f"{region} is not among the Regions of the settings (POOL_REGIONS)."
    presences = {pool.presence for pool in pools}
    if Pool.Presence.THERE in presences:
        return ""
    if Pool.Presence.UNKNOWN in presences:
        why = next(pool.why_unknown for pool in pools if pool.presence == Pool.Presence.UNKNOWN)
        return f"Whether the pool still exists is not known. {why}".strip()
    return "" if presences else "No pool of this name was seen yet."


# --- how things stand ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """How the pools of one Region and name are backed up, and what is wrong with that."""

    region: str
    name: str
    pools: tuple[Pool, ...]  # those that are there first, then unknown, then gone
    policy: Policy | None  # None: nobody has decided yet
    cron: str  # the policy's, else the one that is proposed
    zone: str
    words: str
    runs: tuple[datetime, ...]  # the next three; none where backups are off
    next_at: datetime | None  # of the policy; in the past: due, and held
    held: str  # why a due one does not begin
    suggested: Backup | None
    newest: Backup | None  # the newest readable one, cbr's too
    late_at: datetime | None  # when it is late, or was; None where nothing is expected
    late_since: datetime | None
    alarms: tuple[Alarm, ...]  # open ones

    @property
    def environment(self) -> str:
        return environment_of(self.name)

    @property
    def proposed(self) -> bool:
        return self.policy is None

    @property
    def off(self) -> bool:
        return self.policy is not None and not self.policy.enabled

    @property
    def live(self) -> tuple[Pool, ...]:
        return tuple(pool for pool in self.pools if pool.presence == Pool.Presence.THERE)

    @property
    def twins(self) -> tuple[str, ...]:
        """Ids of the pools that share the name; none where it names one pool."""
        ids = tuple(pool.pool_id for pool in self.live)
        return ids if len(ids) > 1 else ()

    @property
    def by_cbr(self) -> bool:
        """Whether the newest backup is the old workflow's."""
        return self.newest is not None and self.newest.made_by == Backup.MadeBy.CBR


def standings() -> list[Standing]:
    """Every Region and name that has a pool or a policy; production first."""
    now = database_now()
    pools, policies, alarms = _by_place()
    places = sorted({*pools, *policies}, key=_production_first)
    return [_standing(at, pools[at], policies.get(at), alarms[at], now) for at in places]


def twins() -> list[tuple[str, str, tuple[str, ...]]]:
    """(Region, name, ids) of pools that share a name: the application looks its pool up by name."""
    there = Pool.objects.filter(presence=Pool.Presence.THERE, region__in=settings.POOL_REGIONS)
    ids: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for region, name, pool_id in there.order_by("region", "name", "pool_id").values_list(
        "region", "name", "pool_id"
    ):
        ids[region, name].append(pool_id)
    return [(*at, tuple(found)) for at, found in ids.items() if len(found) > 1]


_Place = tuple[str, str]
"""A Region and a name."""


def _production_first(at: _Place) -> tuple[bool, str, str]:
    return environment_of(at[1]) != "production", at[1], at[0]


def _by_place() -> tuple[dict[_Place, list[Pool]], dict[_Place, Policy], dict[_Place, list[Alarm]]]:
    pools: defaultdict[_Place, list[Pool]] = defaultdict(list)
    for pool in Pool.objects.filter(region__in=settings.POOL_REGIONS).exclude(name=""):
        pools[pool.region, pool.name].append(pool)
    alarms: defaultdict[_Place, list[Alarm]] = defaultdict(list)
    for alarm in Alarm.objects.filter(cleared_at=None):
        alarms[alarm.region, alarm.pool_name].append(alarm)
    return pools, {(policy.region, policy.name): policy for policy in Policy.objects.all()}, alarms


def _standing(
    at: _Place, pools: list[Pool], policy: Policy | None, alarms: list[Alarm], now: datetime
) -> Standing:
    region, name = at
    pools.sort(key=lambda pool: (_FIRST[Pool.Presence(pool.presence)], pool.pool_id))
    suggested, newest = catalogue.suggested(region, name), _newest(region, name, now)
    if policy:
        cron, zone = policy.cron, policy.zone
    else:
        told = [pool.estimated_users for pool in pools if pool.presence != Pool.Presence.GONE]
        users = max((number for number in told if number is not None), default=None)
        cron, zone = schedule.default(region, name, users), "UTC"
    expected = policy is not None and policy.enabled
    held = _held(region, pools) if policy and policy.next_at and policy.next_at <= now else ""
    late_at, runs = None, []
    try:
        if policy and expected:
            since = policy.scheduled_at or policy.set_at
            late_at = schedule.late_at(cron, zone, newest.taken_at if newest else None, since)
        if expected or policy is None:
            runs = schedule.next_runs(cron, zone, now)
    except ValueError as error:  # the host knows the zone no more
        held = f"Its schedule cannot be read: {error}"
    return Standing(
        region=region,
        name=name,
        pools=tuple(pools),
        policy=policy,
        cron=cron,
        zone=zone,
        words=schedule.words(cron, zone),
        runs=tuple(runs),
        next_at=policy.next_at if policy and expected else None,
        held=held,
        suggested=suggested,
        newest=newest,
        late_at=late_at,
        late_since=late_at if late_at and late_at <= now else None,
        alarms=tuple(alarms),
    )


def _held_backups(region: str, name: str) -> Q:
    """cbr's name no Region, and count for each."""
    return Q(pool_name=name, region__in=(region, ""))


def _newest(region: str, name: str, now: datetime) -> Backup | None:
    return _readable(region, name, now).order_by("-taken_at", "-pk").first()


def _readable(region: str, name: str, now: datetime) -> QuerySet[Backup]:
    held = Backup.objects.filter(_held_backups(region, name), state__in=catalogue.READABLE)
    return held.filter(taken_at__lte=now + naming.AHEAD)


# --- judging ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Found:
    """What was found of one standing; a kind that is in neither is not decided."""

    wrong: dict[Kind, tuple[str, str]] = field(default_factory=dict)  # the sentence, and the pool's id
    right: dict[Kind, str] = field(default_factory=dict)  # why it is none, or none any more


def judge() -> bool:
    """Raise and clear alarms as things stand, and doubt what one look alone saw. Asks only the database.

    True: every standing was judged. One that cannot be does not keep the others from it.
    """
    now, well = database_now(), True
    pools, policies, alarms = _by_place()
    places = {at for at in {*pools, *policies} if at[0] in settings.POOL_REGIONS}
    for at in sorted(places, key=_production_first):
        try:
            _judge(_standing(at, pools[at], policies.get(at), alarms[at], now), now)
        except Exception:  # whatever it was, the alarms of the others are not held up by it
            log.exception("how a pool stands was not judged", pool=at[1], region=at[0])
            well = False
    for alarm in Alarm.objects.filter(cleared_at=None).exclude(region=""):
        if (alarm.region, alarm.pool_name) not in places:
            why = "Pools of its Region are not looked after any more (POOL_REGIONS)."
            notify.clear(Kind(alarm.kind), region=alarm.region, pool_name=alarm.pool_name, why=why)
    return well


def _judge(standing: Standing, now: datetime) -> None:
    found = _found(standing, now)
    place = {"region": standing.region, "pool_name": standing.name}
    for kind, (sentence, pool_id) in found.wrong.items():
        notify.raise_alarm(kind, **place, pool_id=pool_id, sentence=sentence)
    raised = {alarm.kind for alarm in standing.alarms}
    for kind, why in found.right.items():
        if kind in raised:
            notify.clear(kind, **place, why=why)


def _found(standing: Standing, now: datetime) -> _Found:
    found = _Found()
    _judge_presence(standing, found, now)
    _judge_number(standing, found, now)
    if standing.policy and standing.off:  # no backup is expected; the pool is watched all the same
        why = f"{standing.policy.set_by} decided that it is not backed up by itself."
        found.right |= dict.fromkeys((Kind.FAILED, Kind.LATE, Kind.UNREADABLE), why)
        return found
    _judge_jobs(standing, found)
    _judge_reading(standing, found, now)
    _judge_age(standing, found, now)
    return found


def _judge_presence(standing: Standing, found: _Found, now: datetime) -> None:
    """No pool of the name is left, or one of two whose backups are the ones that count."""
    gone, beside = _gone(standing, now), ""
    if standing.live:
        beside = f" {standing.live[0].pool_id}, which was there before that, still bears its name."
    elif any(pool.presence != Pool.Presence.GONE for pool in standing.pools):
        return
    if gone is None:
        if standing.live:
            found.right[Kind.GONE] = f"A pool of this name is there: {standing.live[0].pool_id}."
        return
    if (
        standing.policy
        and standing.off
        and (not gone.last_seen_at or standing.policy.set_at > gone.last_seen_at)
    ):
        found.right[Kind.GONE] = (
            f"{standing.policy.set_by} decided after {gone.pool_id} was last seen that it is not backed up."
        )
        return
    if standing.policy is None and standing.newest is None:
        return  # nobody waits for it: made for a while, and deleted again
    seen = f", last seen {_clock(gone.last_seen_at)}" if gone.last_seen_at else ""
    found.wrong[Kind.GONE] = (
        f"{standing.name} ({gone.pool_id}) no longer exists in {standing.region}{seen}; "
        f"AWS said so twice.{beside} {_remedy(standing)}",
        gone.pool_id,
    )


def _gone(standing: Standing, now: datetime) -> Pool | None:
    """The pool that is missing: the last one of its name, or a twin of those that are there.

    A twin is missed while the suggested backup is of it, or the newest one of ours. A pool that is first
    seen after it went is its successor, and ends that.
    """
    gone = [pool for pool in standing.pools if pool.presence == Pool.Presence.GONE]
    if gone and standing.live:
        ours = _readable(standing.region, standing.name, now).filter(made_by__in=_OURS)
        newest = ours.order_by("-taken_at", "-pk").first()
        made = {backup.pool_id for backup in (standing.suggested, newest) if backup}
        gone = [
            pool
            for pool in gone
            if pool.pool_id in made and all(catalogue.beside(live, pool) for live in standing.live)
        ]
    return max(
        gone, key=lambda pool: (pool.last_seen_at is not None, pool.last_seen_at, pool.pk), default=None
    )


def _judge_number(standing: Standing, found: _Found, now: datetime) -> None:
    """By what the newest backup holds, and by AWS's estimate where no second look is due."""
    here = [pool for pool in standing.pools if pool.presence != Pool.Presence.GONE]
    if not here:
        if standing.pools:
            gone = "The pool is gone, which is an alarm of its own."
            found.right |= {Kind.EMPTIED: gone, Kind.FEWER: gone}
        return
    percent = standing.policy.shrink_percent if standing.policy else catalogue.SHRINK_PERCENT
    known = bool(standing.live) and not any(
        pool.doubt or pool.estimated_users is None for pool in standing.live
    )
    fell: dict[str, tuple[str, str]] = {}
    for pool in here:
        held = catalogue.measured_from(standing.region, standing.name, pool)
        newer = _newer(standing, pool, held, now) if held else None
        if held and newer and (kind := falls.fallen(held.users, newer.users, percent)):
            fell[kind] = (
                f"The backup of {standing.name} of {_clock(newer.taken_at)} holds {_users(newer.users)}; "
                f"the suggested one before it, of {_clock(held.taken_at)}, holds {held.users:,}. "
                f"{_remedy(standing)} If so few are right, accept the newer backup on its page.",
                newer.pool_id or pool.pool_id,
            )
        if not known or pool.presence != Pool.Presence.THERE:
            continue
        before = pool.estimated_before if held is None else held.users
        kind = falls.fallen(before, pool.estimated_users, percent)
        if kind and not pool.fell:
            # It is a fall since another backup is suggested: one look saw this number, a second one is due.
            doubt = {"doubt": kind, "doubted_at": pool.looked_at}
            Pool.objects.filter(pk=pool.pk, doubt="", looked_at=pool.looked_at).update(**doubt)
            known = False
        elif kind:
            had = f"it had about {before:,} before"
            if held is not None:
                had = f"its suggested backup of {_clock(held.taken_at)} holds {before:,}"
            fell[kind] = (
                f"{standing.name} ({pool.pool_id}) has about {_users(pool.estimated_users)}; {had}. "
                f"The number is AWS's estimate, seen {_clock(pool.last_seen_at)}. {_remedy(standing)}",
                pool.pool_id,
            )
    _decide_number(standing, found, fell, known=known)


def _decide_number(
    standing: Standing, found: _Found, fell: dict[str, tuple[str, str]], *, known: bool
) -> None:
    """One alarm of the two, the worse; while the estimate is not ``known`` nothing ends."""
    if Kind.EMPTIED in fell:
        found.wrong[Kind.EMPTIED] = fell[Kind.EMPTIED]
        found.right[Kind.FEWER] = "It is emptied, which is an alarm of its own."
        return
    if Kind.FEWER in fell and (known or Kind.EMPTIED not in {alarm.kind for alarm in standing.alarms}):
        found.wrong[Kind.FEWER] = fell[Kind.FEWER]
    if known:
        about = ", ".join(_users(pool.estimated_users) for pool in standing.live)
        over = (Kind.EMPTIED,) if fell else (Kind.EMPTIED, Kind.FEWER)
        found.right |= dict.fromkeys(over, f"It has about {about} now, by AWS's estimate.")


def _newer(standing: Standing, pool: Pool, held: Backup, now: datetime) -> Backup | None:
    """The newest readable backup after ``held``, to be counted; of twins only what names this pool."""
    twins = [other for other in standing.pools if other != pool and catalogue.beside(pool, other)]
    newer = _readable(standing.region, standing.name, now).filter(taken_at__gt=held.taken_at)
    newer = newer.exclude(made_by=Backup.MadeBy.BEFORE_RESTORE)
    if twins:
        newer = newer.exclude(pool_id__in=["", *(twin.pool_id for twin in twins)])
    return newer.order_by("-taken_at", "-pk").first()


def _judge_jobs(standing: Standing, found: _Found) -> None:
    """The last backup of each pool that ended by itself; where there is none, nothing is decided."""
    over = (State.DONE, State.FAILED)
    jobs = Job.objects.filter(kind=Job.Kind.BACKUP, region=standing.region, state__in=over)
    here = [pool for pool in standing.pools if pool.presence != Pool.Presence.GONE]
    last = [jobs.filter(pool_id=pool.pool_id).order_by("-finished_at", "-pk").first() for pool in here]
    ended = [job for job in last if job is not None]
    failed = next((job for job in ended if job.state == State.FAILED), None)
    if failed is not None:
        found.wrong[Kind.FAILED] = (
            f"The last backup of {standing.name} ({failed.pool_id}) failed at {_clock(failed.finished_at)}: "
            f"{failed.sentence} {_newest_words(standing)}",
            failed.pool_id,
        )
    elif ended:
        newest = max(ended, key=lambda job: job.pk)
        found.right[Kind.FAILED] = f"A backup was made and checked at {_clock(newest.finished_at)}."


def _judge_reading(standing: Standing, found: _Found, now: datetime) -> None:
    """The newest backup of ours that was finished. One that was cut short is its job's failure."""
    held = Backup.objects.filter(
        _held_backups(standing.region, standing.name), made_by__in=_OURS, being_made_by=None
    )
    held = held.exclude(state=Backup.State.INCOMPLETE).filter(taken_at__lte=now + naming.AHEAD)
    newest = held.order_by("-taken_at", "-pk").first()
    if newest is None:
        found.right[Kind.UNREADABLE] = "There is no backup any more that cannot be read."
    elif why := _unreadable(newest):
        found.wrong[Kind.UNREADABLE] = (
            f"The newest backup of {standing.name}, {newest.key}, cannot be trusted: {why}. "
            f"{_newest_words(standing)}",
            newest.pool_id,
        )
    else:
        found.right[Kind.UNREADABLE] = f"The newest backup, {newest.key}, can be read."


def _unreadable(backup: Backup) -> str:
    if backup.state == Backup.State.UNREADABLE:
        return backup.reason.rstrip(".") or "it cannot be read"
    if backup.checked:
        return ""
    made_it = Job.objects.filter(kind=Job.Kind.BACKUP, state=State.FAILED, result__key=backup.key).first()
    return f"it did not pass its check when job {made_it.pk} read it back" if made_it else ""


def _judge_age(standing: Standing, found: _Found, now: datetime) -> None:
    if standing.policy is None:
        found.right[Kind.LATE] = "Nobody has decided when it is backed up, so nothing is expected."
    elif standing.late_since:
        found.wrong[Kind.LATE] = (
            f"The backup of {standing.name} in {standing.region} is late since "
            f"{_clock(standing.late_since)}. It is made {standing.words}. "
            f"{_newest_words(standing)}{_silence(now)}",
            standing.pools[0].pool_id if standing.pools else "",
        )
    elif standing.late_at:
        found.right[Kind.LATE] = _newest_words(standing)


def _remedy(standing: Standing) -> str:
    if standing.suggested is None:
        return "No backup of it can be suggested; look at the list of backups."
    users = _users(standing.suggested.users)
    return f"Suggested backup: {_clock(standing.suggested.taken_at)}, {users}. Prepare restore from it."


def _newest_words(standing: Standing) -> str:
    newest = standing.newest
    if newest is None:
        return "There is no readable backup of it."
    by = ", by cbr" if standing.by_cbr else ""
    return f"The newest readable backup is of {_clock(newest.taken_at)}{by}, {_users(newest.users)}."


def _silence(now: datetime) -> str:
    answered = Catalogue.row().answered_at
    if answered is not None and now - answered <= SILENT:
        return ""
    since = f"since {_clock(answered)}" if answered else "yet"
    return f" The bucket has not answered {since}, so a newer one may lie there."


def _users(count: int | None) -> str:
    if count is None:
        return "an unknown number of users"
    return "1 user" if count == 1 else f"{count:,} users"


def _clock(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "an unknown time"
