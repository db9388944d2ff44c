"""A comparison job: read both sides whole, keep what differs.

A, B -> users, by marks      ┐
        groups, by name      ├-> rows of who and what differs; the numbers of all in the job's result
        settings, by leaf    ┘
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from backups.core import diff, naming
from backups.core.diff import Choices, Counts, Kind
from backups.core.lifecycle import State
from backups.core.matching import Rules
from backups.core.preflight import count
from backups.core.settings_diff import diff_settings
from backups.core.snapshot import iso
from backups.engine.compare import compare
from backups.models import Job, database_now
from backups.reporting import JobReport
from backups.runner import ledger
from backups.runner.chosen import FORM
from backups.runner.differences import LISTED, Kept
from backups.runner.sources import LIVE, Side, facts_for, read_side, taken_at
from backups.runner.words import Ended

FIELDS = 300
"""Names of fields that a result tells."""


def compare_sides(job: Job, report: JobReport) -> Ended:
    a_read = database_now()
    report.phase("Reading from")
    a = read_side(job.params["from"], report, "read_from", beside=True)
    with a.reading:
        b_read = database_now()
        report.phase("Reading to")
        b = read_side(job.params["to"], report, "read_to", beside=True)
        with b.reading, Kept(job, report) as keep:
            result = _compared(job, report, keep, a, b, (a_read, b_read))
    return Ended(State.DONE, _sentence(result), result)


def _compared(
    job: Job, report: JobReport, keep: Kept, a: Side, b: Side, read_at: tuple[datetime, datetime]
) -> dict[str, Any]:
    facts = b.reading.facts or a.reading.facts or facts_for(a.pool_name, b.pool_name)
    counts, dates = Counts(), bool(job.params.get("dates"))
    choices = Choices(
        Rules.of(facts) if facts else _guessed(a, b),
        dates=dates,
        privileged=diff.privileged(a.reading.groups, b.reading.groups),
        restored=ledger.restored,
    )
    taken = (_taken(a, read_at[0]), _taken(b, read_at[1]))
    keep.users(compare(a.reading, b.reading, choices, report, counts, taken=taken))
    groups = _groups(a, b, keep, counts)
    settings, unread = _settings(a, b, keep, counts)
    return {
        "form": FORM,
        "from": _about(a, read_at[0], counts.from_users),
        "to": _about(b, read_at[1], counts.to_users),
        "users": {
            "from": counts.from_users,
            "to": counts.to_users,
            "same": counts.same,
            **{kind.value: getattr(counts, kind.value) for kind in Kind if kind is not Kind.AMBIGUOUS},
            "ambiguous_from": counts.ambiguous_from,
            "ambiguous_to": counts.ambiguous_to,
        },
        "groups": groups,
        "memberships": None if groups is None else _memberships(counts),
        "settings": settings,
        "unread": unread,
        "fields": _most(counts.fields),
        "security": counts.security,
        "listed": keep.listed,
        "whole": counts.whole,
        "dates": dates,
        "notes": _notes(a, b, counts, keep, known=facts is not None, dates=dates),
    }


def _groups(a: Side, b: Side, keep: Kept, counts: Counts) -> dict[str, int] | None:
    if a.reading.groups is None or b.reading.groups is None:
        return None
    changes, same = diff.diff_groups(a.reading.groups, b.reading.groups)
    if not (a.gone or b.gone):  # groups go with their pool; that is one sentence, and no change of theirs
        keep.groups(changes)
        for change in changes:
            _count(counts, change.security)
    kinds = [change.kind for change in changes]
    told = {kind.value: kinds.count(kind) for kind in (Kind.CHANGED, Kind.ONLY_FROM, Kind.ONLY_TO)}
    return {"same": same, **told}


def _memberships(counts: Counts) -> dict[str, int]:
    same = counts.memberships_same
    return {
        "same": same,
        "only_from": counts.memberships_from - same,
        "only_to": counts.memberships_to - same,
    }


def _settings(
    a: Side, b: Side, keep: Kept, counts: Counts
) -> tuple[dict[str, int] | None, list[tuple[str, str, str]]]:
    """(numbers, or None where a side has no settings at all; what was not compared: setting, side, why)."""
    unread = [(name, side, why) for side, one in (("from", a), ("to", b)) for name, why in _damaged(one)]
    if a.reading.settings is None or b.reading.settings is None:
        return None, unread
    found = diff_settings(a.reading.settings, b.reading.settings, a.reading.unread, b.reading.unread)
    keep.secrets = found.secrets
    keep.settings(found.changes)
    for change in found.changes:
        _count(counts, [change.security] if change.security else [])
    told = {name: getattr(found, name) for name in ("same", "changed", "only_from", "only_to")}
    return told, [*unread, *found.unread]


def _damaged(side: Side) -> Iterator[tuple[str, str]]:
    """Files of a backup that were not as its manifest says."""
    for name in (naming.POOL, naming.MFA):
        if why := side.reading.unread.pop(name, ""):
            yield name, why


def _count(counts: Counts, codes: Iterable[str]) -> None:
    for code in codes:
        counts.security[code] = counts.security.get(code, 0) + 1


def _guessed(a: Side, b: Side) -> Rules:
    """By whichever side has anybody; no pool is there to be asked."""
    return Rules.guess((a if a.reading.count else b).reading.users())


def _taken(side: Side, read_at: datetime) -> str:
    return iso(read_at) if side.name.startswith(LIVE) else taken_at(side.name, side.reading)


def _most(fields: Mapping[str, int]) -> dict[str, int]:
    """The fields that changed most; a strange file may have any number of names."""
    return dict(sorted(fields.items(), key=lambda field: (-field[1], field[0]))[:FIELDS])


def _about(side: Side, read_at: datetime, users: int) -> dict[str, Any]:
    reading = side.reading
    return {
        "key": side.name,
        "live": side.name.startswith(LIVE),
        "label": side.label,
        "pool_name": side.pool_name,
        "pool_id": side.pool_id,
        "read_at": read_at.isoformat(),
        "users": users,
        "groups": None if reading.groups is None else len(reading.groups),
        "gone": side.gone,
        "changing": reading.changing,
    }


def _sentence(result: dict[str, Any]) -> str:
    users = result["users"]
    told = [f"{users['only_from']:,} only in the first", f"{users['only_to']:,} only in the second"]
    told += [f"{users['changed']:,} changed", f"{users['same']:,} the same"]
    if others := users["anew"] + users["again"]:
        told.insert(3, f"{others:,} under another sub")
    if ambiguous := users["ambiguous_from"] + users["ambiguous_to"]:
        told.insert(-1, f"{ambiguous:,} ambiguous")
    return f"{', '.join(told)}."


def _notes(a: Side, b: Side, counts: Counts, keep: Kept, *, known: bool, dates: bool) -> list[str]:
    notes = [] if dates else ["Dates are not compared: UserLastModifiedDate moves by itself."]
    for side in (a, b):
        notes += _about_a_live_one(side)
    if a.reading.groups is None or b.reading.groups is None:
        notes.append("Groups and memberships are unknown: at least one side holds users only.")
    if (a.reading.factors is None) != (b.reading.factors is None):
        notes.append("Second factors of users are not compared: only one side knows them.")
    if counts.anew:
        notes.append(
            f"{_people(counts.anew)} on both sides under another sub: made anew, and the new sub, Username "
            "and status are no change."
        )
    if counts.again:
        notes.append(
            f"{_people(counts.again)} there under an address that was registered again after the other side "
            "was taken, by no restore that this database knows: perhaps the same person, perhaps not."
        )
    if counts.ambiguous_from or counts.ambiguous_to:
        notes.append("Some names fit more than one user: nobody is matched by them, and they are listed.")
    twice = a.reading.count - counts.from_users + b.reading.count - counts.to_users
    if twice:
        notes.append(f"{count(twice, 'entry came', 'entries came')} twice in a list; each counts once.")
    if not known:
        notes.append("No live pool says how it tells users apart; that was read off the files.")
    if keep.secrets:
        notes.append("Secrets of app clients and identity providers are not compared.")
    if keep.cut:
        notes.append(f"{LISTED:,} users of a kind are listed one by one at most; the numbers are of all.")
    return notes


def _about_a_live_one(side: Side) -> Iterator[str]:
    reading = side.reading
    if side.gone:
        yield f"AWS says that the pool {side.pool_name} ({side.pool_id}) does not exist."
    if reading.changing:
        yield (
            f"{_people(reading.changing)} known to have changed while {side.pool_name} was read: "
            "what is said of them may be from before or after."
        )
    if reading.strangers:
        members = count(reading.strangers, "member of a group was", "members of groups were")
        yield (
            f"{members} in no list of users of {side.pool_name}: it "
            "changed while it was read, or AWS's lists lag."
        )


def _people(number: int) -> str:
    return "1 person is" if number == 1 else f"{number:,} people are"
