"""A plan job: the backup against the live pool as it is now. Writes to no pool."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from datetime import UTC, datetime

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet, Sum

from backups import catalogue, wiring
from backups.core import plan, preflight
from backups.core.lifecycle import State
from backups.core.matching import Index, Rules
from backups.core.plan import Counts, Line
from backups.core.snapshot import Group, PoolFacts, iso, mask
from backups.engine.reading import Reading, read_pool
from backups.models import Item, Job, Plan, database_now
from backups.reporting import JobReport
from backups.runner.sources import FILE, parse, read_side, source_of
from backups.runner.words import Ended

BATCH = 1000


def make_plan(job: Job, report: JobReport) -> Ended:
    """Ends ``planned``. The plan's lines are the job's items, and nothing else is written."""
    source_name: str = job.params["source"]
    report.phase("Reading the backup")
    with read_side(source_name, report, "backup").reading as backup:
        source = source_of(source_name, backup)
        report.phase("Reading the live pool")
        with read_pool(wiring.pool(job.region, job.pool_id), report, "live") as live:
            assert live.facts is not None
            read_at, facts = database_now(), live.facts
            catalogue.note_pool(facts)
            report.phase("Planning")
            counts = Counts()
            lines = plan_lines(job, source_name, backup, live)
            wanted = _Wanted(job, facts)
            Item.objects.filter(job=job).delete()  # an earlier try's, cut short
            _keep(job, filter(wanted.has, lines), counts, report)
            numbers = counts.as_json(facts, settings.MAIL_RESERVE, mails_today())
            with transaction.atomic():
                Plan.objects.filter(job=job).delete()
                Plan.objects.create(
                    job=job,
                    digest=plan.digest(backup.sha256, facts, choices(job)),
                    source=source_name,
                    source_sha256=backup.sha256,
                    source_pool=source.pool_name,
                    choices=choices(job),
                    counts=numbers,
                    refusals=preflight.refusals(source, facts),
                    warnings=preflight.warnings(source) + wanted.warnings(),
                    facts={
                        "mail": facts.mail,
                        "case_sensitive": facts.case_sensitive,
                        "username_attributes": list(facts.username_attributes),
                        "groups_to_create": [
                            g.name for g in missing_groups(job, backup, live, counts.groups)
                        ],
                        "target_users": live.count,
                        "source_users": backup.count,
                        "triggers": list(facts.triggers),
                    },
                    read_at=read_at,
                )
    result = {name: numbers[name] for name in ("create", "update", "skip", "cannot")}
    return Ended(
        State.PLANNED,
        f"{counts.create:,} to create, {counts.skip:,} to skip, {counts.cannot:,} that cannot be restored. "
        "Nothing was written.",
        result,
    )


def choices(job: Job) -> dict[str, object]:
    """What the plan rests on besides the backup and the pool; part of its digest."""
    return {"existing": "skip", "users": sorted(job.params["users"]) if "users" in job.params else None}


def missing_groups(job: Job, backup: Reading, live: Reading, used: Set[str]) -> list[Group]:
    """Groups of the backup that the pool lacks: all of them, or those that the chosen users need."""
    standing = {group.name for group in live.groups or ()}
    return [
        group
        for group in backup.groups or ()
        if group.name not in standing and ("users" not in job.params or group.name in used)
    ]


def plan_lines(job: Job, source_name: str, backup: Reading, live: Reading) -> Iterator[Line]:
    assert live.facts is not None
    return plan.lines(
        backup.users,
        Index(Rules.of(live.facts), live.users()),
        live.facts,
        taken_at=_taken_at(source_name, backup),
        memberships=backup.memberships,
        restored=_restored(job),
        unfinished=_unfinished(job),
    )


def mails_today() -> int:
    """Invitations that restores sent since the day of mails began; nobody tells of other mails."""
    since = plan.mail_day(database_now())
    sent = Item.objects.filter(messages__gt=0, mailed_at__gte=since)
    return int(sent.aggregate(sum=Sum("messages", default=0))["sum"])


def _taken_at(source_name: str, backup: Reading) -> str:
    """When the backup was made, as comparable text; "" where nobody knows.

    A file from elsewhere does not say: the last time that anybody in it was made or changed will do.
    """
    if not source_name.startswith(FILE) and not (key := parse(source_name)).upload:
        return iso(key.taken_at)
    now = iso(database_now())
    dates = (_date(text) for user in backup.users() for text in (user.created, user.modified))
    return max((date for date in dates if date <= now), default="")


def _date(text: str) -> str:
    """As comparable text; "" for what is no date."""
    try:
        date = datetime.fromisoformat(text)
        return iso(date.astimezone(UTC)) if date.tzinfo else ""
    except (ValueError, OverflowError):  # or a time that UTC has no year for
        return ""


def _restored(job: Job) -> frozenset[str]:
    """Subs that earlier restores into this pool made: they are the people of the backup."""
    return frozenset(_begun(job).exclude(new_sub="").values_list("new_sub", flat=True))


def _unfinished(job: Job) -> dict[str, int]:
    """Whom an earlier restore began and did not finish: sub in the pool, or key in the backup -> that job."""
    rows = _begun(job).filter(outcome__in=("unknown", "failed"))
    return {sub or key: number for key, sub, number in rows.values_list("key", "new_sub", "job")}


def _begun(job: Job) -> QuerySet[Item]:
    """Whom restores into this pool began to create; not the restore that this very plan was made for."""
    into = Item.objects.filter(job__kind=Job.Kind.RESTORE, job__pool_id=job.pool_id)
    return into.filter(intended_at__isnull=False).exclude(job__started_from__job=job)


class _Wanted:
    """The people a restore was limited to, by e-mail or Username; everybody where it was not."""

    def __init__(self, job: Job, facts: PoolFacts) -> None:
        self._fold = facts.fold
        self._named = (
            {facts.fold(name): name for name in job.params["users"]} if "users" in job.params else None
        )
        self._met: set[str] = set()

    def has(self, line: Line) -> bool:
        if self._named is None:
            return True
        met = {self._fold(line.user.email), self._fold(line.user.username)} & self._named.keys()
        self._met |= met
        return bool(met)

    def warnings(self) -> list[str]:
        unmet = [self._named[name] for name in (self._named or {}).keys() - self._met] if self._named else []
        if not unmet:
            return []
        some = ", ".join(mask(name) for name in sorted(unmet)[:5])
        return [f"{len(unmet):,} of the names that were given are not in this backup: {some}."]


def _keep(job: Job, lines: Iterable[Line], counts: Counts, report: JobReport) -> None:
    rows: list[Item] = []
    for line in lines:
        user = line.user
        counts.note(line)
        rows.append(
            Item(
                job=job,
                key=line.key,
                position=line.position,
                label=user.label,
                old_sub=user.sub,
                old_username=user.username,
                email=user.email,
                action=line.action,
                reason=line.reason,
                detail=line.detail,
                groups=list(line.groups),
                enabled=user.enabled,
                new_sub=line.known.sub if line.known else "",
                new_username=line.known.username if line.known else "",
            )
        )
        if len(rows) == BATCH:
            report.keep_going()
            Item.objects.bulk_create(rows)
            rows.clear()
    Item.objects.bulk_create(rows)
