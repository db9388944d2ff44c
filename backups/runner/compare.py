"""A comparison job: read both sides whole, keep what differs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from backups.core.diff import Change, Counts
from backups.core.lifecycle import State
from backups.core.matching import Rules
from backups.engine.compare import compare
from backups.models import Difference, Job, database_now
from backups.reporting import JobReport
from backups.runner.sources import LIVE, Side, facts_for, read_side
from backups.runner.words import Ended


def compare_sides(job: Job, report: JobReport) -> Ended:
    Difference.objects.filter(job=job).delete()  # an earlier try's, cut short
    report.phase("Reading from")
    a = read_side(job.params["from"], report, "read_from")
    a_read = database_now()
    with a.reading:
        report.phase("Reading to")
        b = read_side(job.params["to"], report, "read_to")
        b_read = database_now()
        with b.reading:
            facts = b.reading.facts or a.reading.facts or facts_for(a.pool_name, b.pool_name)
            counts = Counts()
            changes = compare(a.reading, b.reading, Rules.of(facts) if facts else None, report, counts)
            _keep(job, changes)
            notes = _notes(a, b, counts, known=facts is not None)
            result = {
                "from": _about(a, a_read.isoformat()),
                "to": _about(b, b_read.isoformat()),
                "only_from": counts.only_from,
                "only_to": counts.only_to,
                "changed": counts.changed,
                "same": counts.same,
                "new_identity": counts.new_identity,
                "fields": dict(sorted(counts.fields.items(), key=lambda item: -item[1])),
                "notes": notes,
            }
    return Ended(
        State.DONE,
        f"{counts.only_from:,} only in the first, {counts.only_to:,} only in the second, "
        f"{counts.changed:,} changed, {counts.same:,} the same.",
        result,
    )


def _keep(job: Job, changes: Iterable[Change]) -> None:
    rows: list[Difference] = []
    for change in changes:
        user = change.user
        fields = [{"field": name, "old": old, "new": new} for name, old, new in change.fields]
        words = [user.label, user.username, *user.attributes.values()]
        words += [text for _, old, new in change.fields for text in (old, new)]
        rows.append(
            Difference(
                job=job,
                kind=change.kind,
                key=user.key,
                label=user.label,
                username=user.username,
                matched_by=change.matched_by,
                fields=fields,
                search="\n".join(dict.fromkeys(words)).casefold(),
            )
        )
        if len(rows) == 1000:
            Difference.objects.bulk_create(rows)
            rows.clear()
    Difference.objects.bulk_create(rows)


def _about(side: Side, read_at: str) -> dict[str, Any]:
    return {
        "key": side.name,
        "live": side.name.startswith(LIVE),
        "label": side.label,
        "pool_name": side.pool_name,
        "read_at": read_at,
        "users": side.reading.count,
        "groups": None if side.reading.groups is None else len(side.reading.groups),
    }


def _notes(a: Side, b: Side, counts: Counts, *, known: bool) -> list[str]:
    notes = ["Dates are not compared: they move by themselves."]
    if a.reading.groups is None or b.reading.groups is None:
        notes.append("Memberships are unknown: at least one side holds users only.")
    if counts.new_identity:
        notes.append(
            f"{counts.new_identity:,} people are on both sides under another sub: "
            "they were made anew, and that is not counted as a change."
        )
    if not known:
        notes.append("No live pool says how it tells users apart; that was read off the files.")
    return notes
