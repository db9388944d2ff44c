"""A plan job: the backup against the live pool as it is now. Writes to no pool."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet, Sum

from backups import catalogue, wiring
from backups.core import plan, preflight
from backups.core.lifecycle import State
from backups.core.matching import Index, Rules
from backups.core.plan import Counts, Line
from backups.core.snapshot import Group, PoolFacts, User, mask
from backups.engine.live import read_pool
from backups.engine.reading import Reading
from backups.models import Item, Job, Plan, database_now
from backups.reporting import JobReport
from backups.runner import chosen
from backups.runner.sources import read_side, source_of, taken_at
from backups.runner.words import Ended

BATCH = 1000


def make_plan(job: Job, report: JobReport) -> Ended:
    """Ends ``planned``. The plan's lines are the job's items, and nothing else is written."""
    keys = chosen.keys(job.params["chosen"]) if "chosen" in job.params else None
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
            wanted = _Wanted(job, facts, keys)
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
    users = sorted(job.params["users"]) if "users" in job.params else None
    chosen_too = {"chosen": job.params["chosen"]} if "chosen" in job.params else {}
    return {"existing": "skip", "users": users, **chosen_too}


def missing_groups(job: Job, backup: Reading, live: Reading, used: Set[str]) -> list[Group]:
    """Groups of the backup that the pool lacks: all of them, or those that the chosen users need."""
    standing = {group.name for group in live.groups or ()}
    limited = not {"users", "chosen"}.isdisjoint(job.params)
    return [
        group
        for group in backup.groups or ()
        if group.name not in standing and (not limited or group.name in used)
    ]


def plan_lines(job: Job, source_name: str, backup: Reading, live: Reading) -> Iterator[Line]:
    assert live.facts is not None
    return plan.lines(
        backup.users,
        Index(Rules.of(live.facts), live.users()),
        live.facts,
        taken_at=taken_at(source_name, backup),
        memberships=backup.memberships,
        restored=_restored(job),
        unfinished=_unfinished(job),
    )


def mails_today() -> int:
    """Invitations that restores sent since the day of mails began; nobody tells of other mails."""
    since = plan.mail_day(database_now())
    sent = Item.objects.filter(messages__gt=0, mailed_at__gte=since)
    return int(sent.aggregate(sum=Sum("messages", default=0))["sum"])


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
    """The people a restore was limited to, by e-mail or Username, or by ``keys``; everybody where not."""

    def __init__(self, job: Job, facts: PoolFacts, keys: Set[str] | None) -> None:
        self._names: Callable[[User], Set[str]] = lambda user: {
            facts.fold(user.email),
            facts.fold(user.username),
        }
        self._wanted: dict[str, str] | None = None  # as it is looked for -> as it was said
        self._said = "names that were given"
        if "users" in job.params:
            self._wanted = {facts.fold(name): name for name in job.params["users"]}
        elif keys is not None:
            self._wanted, self._names = {key: key for key in keys}, lambda user: {user.key}
            self._said = "users who were chosen"
        self._met: set[str] = set()

    def has(self, line: Line) -> bool:
        if self._wanted is None:
            return True
        met = self._names(line.user) & self._wanted.keys()
        self._met |= met
        return bool(met)

    def warnings(self) -> list[str]:
        unmet = [said for name, said in (self._wanted or {}).items() if name not in self._met]
        if not unmet:
            return []
        some = ", ".join(mask(name) for name in sorted(unmet)[:5])
        return [f"{len(unmet):,} of the {self._said} are not in this backup: {some}."]


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
