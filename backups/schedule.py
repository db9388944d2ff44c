"""When a pool is backed up: a cron expression in a time zone, in words, and the runs that follow from it.

    check("17 * * * *", "UTC")                 ValueError with a sentence, or nothing
    words("40 2 * * *", "Europe/Berlin")       "every day at 02:40 Europe/Berlin"
    next_runs(cron, zone, after)               the next three, UTC
    late_at(cron, zone, newest, since)         when the backup after this one is overdue

On the days of a change of clocks it is as in Debian's cron: a time of day that does
not exist is taken at the first minute that does, one that comes twice is taken once,
and what runs every hour runs every hour of the real day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

LEAST = 15
"""Minutes between two runs at least: a whole backup reads every user, at the application's expense."""
LONGEST = 100
"""Characters of an expression; the column's."""
SHORT_GRACE, LONG_GRACE = timedelta(minutes=30), timedelta(hours=6)
HOURLY_UP_TO = 50_000
"""Users. Above, a backup takes long enough that one a day is proposed."""
_SHAPE = "Five fields are needed: minute, hour, day of month, month, day of week, as in 17 * * * *."
_FAR = timedelta(hours=3)  # more than any change of clocks moves them
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_FEW = 6
"""Times of a day that are still told one by one."""


def check(cron: str, zone: str) -> None:
    """Raises ValueError, with a sentence for whoever typed it."""
    _zone(zone)
    parsed = _parse(cron)
    gap = _shortest(parsed)
    if gap < LEAST:
        often = "every minute" if gap == 1 else f"{gap} minutes after one another"
        raise ValueError(
            f"{cron} would start backups {often}. {LEAST} minutes have to lie between two of them."
        )
    if not next_runs(cron, zone, datetime.now(UTC), 1):
        raise ValueError(f"{cron} never comes: there is no such day.")


def next_runs(cron: str, zone: str, after: datetime, count: int = 3) -> list[datetime]:
    """The first ``count`` runs later than ``after``, UTC; fewer where no more come. Raises ValueError."""
    runs: list[datetime] = []
    for run in _runs(cron, zone, after - _FAR):
        if run > after and (not runs or run > runs[-1]):
            runs.append(run)
        if len(runs) == count:
            break
    return runs


def period(cron: str, zone: str, at: datetime) -> timedelta:
    """From the last run that was due at ``at`` to the next one. Raises ValueError."""
    before = next(run for run in _runs(cron, zone, at + _FAR, back=True) if run <= at)
    return next_runs(cron, zone, at, 1)[0] - before


def grace(period: timedelta) -> timedelta:
    """How long a backup may be overdue before it is late: 6 h for a weekly one, 30 min for an hourly one."""
    return min(LONG_GRACE, max(SHORT_GRACE, period / 28))


def late_at(cron: str, zone: str, newest: datetime | None, since: datetime) -> datetime:
    """When the backup that follows ``newest`` is late: never before the first one due after ``since``.

    ``since``: when this schedule was decided; until its first run nothing was asked of it. Raises ValueError.
    """
    first = next_runs(cron, zone, since, 1)[0] + grace(period(cron, zone, since))
    if newest is None:
        return first
    gap = period(cron, zone, newest)
    return max(first, newest + gap + grace(gap))


def default(region: str, name: str, users: int | None) -> str:
    """The expression that is proposed for a pool, in UTC: each has a minute of its own, always the same.

    The old workflow ran at 01:00 on Sundays; minutes and hours keep clear of it.
    """
    number = int.from_bytes(hashlib.sha256(f"{region}/{name}".encode()).digest()[:8], "big")
    minute = 5 + number % 55
    if users is None or users <= HOURLY_UP_TO:
        return f"{minute} * * * *"
    hour = (2 + number // 55 % 23) % 24  # any but 1
    return f"{minute} {hour} * * *"


def words(cron: str, zone: str) -> str:
    """In plain English where it is plain; else the expression itself, and said to be one."""
    return _plainly(cron, zone) or f"by the expression {cron}, in the time of {zone}"


# --- how -------------------------------------------------------------------------------------


def _plainly(cron: str, zone: str) -> str:
    try:
        parsed = _parse(cron)
    except ValueError:
        return ""
    minutes, hours = sorted(parsed.minutes), sorted(parsed.hours)
    days, every_month = parsed.days, len(parsed.months) == 12
    weekdays = sorted({day % 7 for day in parsed.weekdays if isinstance(day, int)})
    if not every_month or any(not isinstance(day, int) for day in parsed.weekdays) or min(days) < 0:
        return ""  # LW, L, 5#2: rare, and a sentence about them helps nobody
    every_day, every_weekday = len(days) == 31, len(weekdays) == 7
    if every_day and every_weekday and len(hours) == 24:
        at = _listed([f":{minute:02d}" for minute in minutes])
        return f"every hour at {at}" if zone == "UTC" else f"every hour at {at} {zone}"
    times = [f"{hour:02d}:{minute:02d}" for hour in hours for minute in minutes]
    if len(times) > _FEW:
        return ""
    at = f"at {_listed(times)} {zone}"
    if every_day and every_weekday:
        return f"every day {at}"
    if every_day and parsed.day_and:
        return f"{_weekdays(weekdays)} {at}"
    if every_weekday and parsed.day_and and len(days) <= _FEW:
        return f"on day {_listed([str(day) for day in sorted(days)])} of each month {at}"
    return ""


def _weekdays(days: list[int]) -> str:
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1:
        return f"{_DAYS[days[0]]} to {_DAYS[days[-1]]}"
    return _listed([f"{_DAYS[day]}s" for day in days])


def _listed(things: list[str]) -> str:
    return things[0] if len(things) == 1 else f"{', '.join(things[:-1])} and {things[-1]}"


def _runs(cron: str, zone: str, start: datetime, *, back: bool = False) -> Iterator[datetime]:
    """From some hours before ``start`` on; near a change of clocks not always in order, so look at each."""
    try:
        runs = CronSim(cron, start.astimezone(_zone(zone)), reverse=back)
    except CronSimError as error:
        raise ValueError(_no_schedule(cron, error)) from None
    for run in runs:
        yield run.astimezone(UTC)


@lru_cache
def _parse(cron: str) -> CronSim:
    if len(cron) > LONGEST:
        raise ValueError(f"This expression has {len(cron):,} characters; {LONGEST} is the most.")
    if len(cron.split()) != 5:
        raise ValueError(f"{cron or 'Nothing'} is no schedule. {_SHAPE}")
    try:
        return CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(_no_schedule(cron, error)) from None


def _no_schedule(cron: str, error: CronSimError) -> str:
    return f"{cron} is no schedule ({str(error).lower()}). {_SHAPE}"


def _shortest(parsed: CronSim) -> int:
    """Minutes between two runs, at the least."""
    minutes, hours = sorted(parsed.minutes), parsed.hours
    gaps = [later - earlier for earlier, later in pairwise(minutes)]
    if any((hour + 1) % 24 in hours for hour in hours):
        gaps.append(60 + minutes[0] - minutes[-1])
    return min(gaps, default=60)


def _zone(zone: str) -> ZoneInfo:
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError):  # no such name, no name at all, a folder
        raise ValueError(
            f"{zone or 'Nothing'} is no time zone. Name one as in Europe/Berlin, or UTC."
        ) from None
