"""A plan job: the backup against the live pool as it is now. Writes to no pool.

    what the job was asked -> Choices ┐
    both sides, read whole ───────────┼-> core.plan -> the job's items, their numbers, and the plan's digest
    what earlier restores wrote down ─┘

A restore plans again in the same way, from the params of the plan's job.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Set
from typing import Any

from django.conf import settings
from django.db import transaction

from backups import catalogue, wiring
from backups.core import diff, mail, plan, preflight
from backups.core.choices import Choices, Existing, Guard, Scope
from backups.core.lifecycle import State
from backups.core.matching import Index, Rules
from backups.core.plan import Counts, Line, Terms
from backups.core.snapshot import Group, mask, without_nul
from backups.engine.live import read_pool
from backups.engine.reading import Reading
from backups.models import Item, Job, Plan, database_now
from backups.reporting import JobReport
from backups.runner import chosen, ledger
from backups.runner import preflight as checking
from backups.runner.sources import read_side, source_of, taken_at
from backups.runner.words import Ended

BATCH = 1000
LONGEST = 2_100
"""Of models.Item's label and email; nobody with a longer one is created, so it is cut for the list only."""


def make_plan(job: Job, report: JobReport) -> Ended:
    """Ends ``planned``. The plan's lines are the job's items, and nothing else is written."""
    asked = choices_of(job)
    keys = None if asked.chosen is None else chosen.keys(asked.chosen)
    source_name: str = job.params["source"]
    report.phase("Reading the backup")
    with read_side(source_name, report, "backup", beside=True).reading as backup:
        source = source_of(source_name, backup)
        report.phase("Reading the live pool")
        with read_pool(wiring.pool(job.region, job.pool_id), report, "live") as live:
            assert live.facts is not None
            read_at, facts = database_now(), live.facts
            catalogue.note_pool(facts)
            if not _looks_into_groups(job, asked):
                live.forget_members()
            report.phase("Planning")
            counts = Counts()
            scope = Scope(asked, facts.fold, backup.memberships, keys)
            lines = plan_lines(job, source_name, backup, live, scope)
            Item.objects.filter(job=job).delete()  # an earlier try's, cut short
            _keep(job, lines, counts, report)
            limit = checking.mail_limit(facts, wiring.account_of(job.region))
            checks = checking.run(
                job,
                report,
                source=source,
                facts=facts,
                counts=counts,
                live=live,
                choices=asked,
                limit=limit,
                backup=backup,
            )
            numbers = counts.as_json(facts, settings.MAIL_RESERVE, ledger.mails_today())
            needs = mail.needs(counts, limit, database_now())
            numbers["reasons"] = Item.by_reason(job.pk)
            numbers["seconds"] = checking.seconds(job.region, counts, facts)
            numbers["needs"] = {way.value: need.as_json() for way, need in needs.items()}
            with transaction.atomic():
                Plan.objects.filter(job=job).delete()
                Plan.objects.create(
                    job=job,
                    digest=plan.digest(backup.sha256, facts, choices(job)),
                    source=source_name,
                    source_sha256=backup.sha256,
                    source_pool=source.pool_name,
                    choices=choices(job),
                    counts=_kept(numbers),
                    checks=_kept([check.as_json() for check in checks]),
                    refusals=_kept(preflight.stops(checks)),
                    warnings=_kept(_unmet(scope, asked)),
                    facts={
                        "mail": facts.mail,
                        "case_sensitive": facts.case_sensitive,
                        "username_attributes": list(facts.username_attributes),
                        "groups_to_create": [
                            _kept(g.name) for g in missing_groups(job, backup, live, counts.groups)
                        ],
                        "target_users": live.count,
                        "source_users": backup.count,
                        "triggers": list(facts.triggers),
                        "privileged": _kept(sorted(privileged(backup, live))),
                        "factors_known": backup.factors is not None,
                    },
                    read_at=read_at,
                )
    result = {name: numbers[name] for name in ("create", "update", "skip", "cannot")}
    updates = f"{counts.update:,} to update, " if counts.update else ""
    return Ended(
        State.PLANNED,
        f"{counts.create:,} to create, {updates}{counts.skip:,} to skip, {counts.cannot:,} that cannot be "
        "restored. Nothing was written.",
        result,
    )


def choices_of(job: Job) -> Choices:
    """What a plan's job was asked, as the page and the terminal said it."""
    params = job.params
    if "choices" in params:
        return Choices.of_json(params["choices"])
    return Choices(
        # A plan of an earlier version: it kept nobody out of a group, and its restore keeps its word.
        guards=frozenset({Guard.PRIVILEGED}),
        users=tuple(sorted(set(params["users"]))) if "users" in params else None,
        chosen=params.get("chosen"),
    )


def choices(job: Job) -> dict[str, object]:
    """What the plan rests on besides the backup and the pool; part of its digest."""
    if "choices" in job.params:
        admins = "\n".join(sorted(name.casefold() for name in settings.APPLICATION_ADMIN_EMAILS))
        return choices_of(job).as_json() | {
            "privileged_groups": sorted(settings.PRIVILEGED_GROUPS),
            "administrators": hashlib.sha256(admins.encode()).hexdigest() if admins else "",
        }
    users = sorted(job.params["users"]) if "users" in job.params else None
    chosen_too = {"chosen": job.params["chosen"]} if "chosen" in job.params else {}
    return {"existing": "skip", "users": users, **chosen_too}


def missing_groups(job: Job, backup: Reading, live: Reading, used: Set[str]) -> list[Group]:
    """Groups of the backup that the pool lacks: all of them, or those that the chosen users need."""
    standing, limited = {group.name for group in live.groups or ()}, choices_of(job).limited
    return [
        group
        for group in backup.groups or ()
        if group.name not in standing and (not limited or group.name in used)
    ]


def privileged(backup: Reading, live: Reading) -> frozenset[str]:
    """Groups that nobody is put into unless the guard allows it."""
    return diff.privileged(backup.groups, live.groups) | frozenset(settings.PRIVILEGED_GROUPS)


def terms_of(job: Job, source_name: str, backup: Reading, live: Reading) -> Terms:
    """What decides each line of this plan besides the user. Reads the backup once where it has no date."""
    facts, asked = live.facts, choices_of(job)
    assert facts is not None
    return Terms(
        facts,
        asked,
        taken_at=taken_at(source_name, backup),
        memberships=backup.memberships,
        members=(live.memberships or {}) if _looks_into_groups(job, asked) else {},
        privileged=privileged(backup, live),
        factors=backup.factors or {},
        admins=frozenset(map(facts.fold, settings.APPLICATION_ADMIN_EMAILS)),
    )


def _looks_into_groups(job: Job, asked: Choices) -> bool:
    """Only who is written over, or finished, may be in some of the groups already."""
    return asked.existing is not Existing.SKIP or ledger.some_left(job)


def plan_lines(
    job: Job, source_name: str, backup: Reading, live: Reading, scope: Scope | None = None
) -> Iterator[Line]:
    """The plan of this job, on both sides as they were read; ``scope`` where the caller asks it afterwards.

    Without one, whoever was chosen from a comparison is not asked for again: the job's items name them.
    Nothing is done before the first line is asked for.
    """
    terms = terms_of(job, source_name, backup, live)
    index = Index(Rules.of(terms.facts), at=live.at)
    # Of a live pool everybody has a mark, in the order of the users.
    for (_, place), user in zip(live.marks(), live.users(), strict=True):
        index.add(user, place)
    yield from plan.lines(
        backup.users,
        index,
        terms.facts,
        choices=terms.choices,
        scope=scope,
        taken_at=terms.taken_at,
        memberships=terms.memberships,
        members=terms.members,
        privileged=terms.privileged,
        factors=terms.factors,
        admins=terms.admins,
        restored=ledger.restored_but_by(job),
        unfinished=ledger.unfinished(job),
        left=ledger.left(job),
    )


def _unmet(scope: Scope, asked: Choices) -> list[str]:
    if not (unmet := scope.unmet()):
        return []
    said = "users who were chosen" if asked.users is None else "names that were given"
    some = ", ".join(mask(name) for name in unmet[:5])
    are = "is" if len(unmet) == 1 else "are"
    return [f"{len(unmet):,} of the {said} {are} not in this backup: {some}."]


def _kept(value: Any) -> Any:
    if isinstance(value, str):
        return without_nul(value)
    if isinstance(value, dict):
        return {_kept(name): _kept(inner) for name, inner in value.items()}
    return [_kept(inner) for inner in value] if isinstance(value, list | tuple) else value


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
                label=_kept(user.label)[:LONGEST],
                old_sub=user.sub,
                old_username=user.username,
                email=_kept(user.email)[:LONGEST],
                action=line.action,
                reason=line.reason,
                detail=_kept(line.detail),
                groups=_kept(list(line.groups)),
                changes=_kept([list(change) for change in line.changes]),
                withheld=_kept(list(line.withheld)),
                seen=line.seen,
                removes=line.removes,
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
