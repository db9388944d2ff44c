"""A search for the last good backup of a pool: what the catalogue and the index know is not read."""

from __future__ import annotations

from typing import Any

from backups import catalogue, history
from backups.core.history import State as Seen
from backups.core.lastgood import Kind, Rule, about, notes, verdict
from backups.core.lifecycle import ACTIVE, State
from backups.core.matching import Rules
from backups.engine.find import NO_GROUPS, Held, find
from backups.models import Backup, Job, database_now
from backups.reporting import JobReport
from backups.runner.sources import facts_for
from backups.runner.words import Ended

NOT_READ = "it cannot be read"
AHEAD = "it is dated in the future"


def find_last_good(job: Job, report: JobReport) -> Ended:
    rule = Rule.read(job.params["rule"])
    every = Backup.objects.filter(pool_name=job.pool_name).order_by("taken_at", "pk").defer("manifest")
    rows = list(every.exclude(state=Backup.State.INCOMPLETE, being_made_by__state__in=ACTIVE))
    facts = None if rule.kind is Kind.AT_LEAST else facts_for(job.pool_name)
    rules = Rules.of(facts) if facts else None
    seen = _seen(job.pool_name, rule)
    latest = database_now() + catalogue.AHEAD
    held = []
    for row in rows:
        why = (row.reason or NOT_READ) if not row.readable else AHEAD if row.taken_at > latest else ""
        known = None if why else _known(row, rule, rules, seen)
        if rule.kind is Kind.MEMBER and known is None and row.state == Backup.State.USERS_ONLY:
            why = why or NO_GROUPS
        held.append(Held(row.key, f"{row.taken_at:%Y-%m-%d %H:%M} UTC", known, why))
    by_key = {row.key: row for row in rows}
    looked = find(held, rule, rules, lambda key: catalogue.store_of(by_key[key]), report)
    result = about(looked.found, [row.taken_at for row in rows], job.pool_name, looked.why)
    if looked.found.pair:
        good, bad = looked.found.pair
        result |= {
            name: _about(rows[at], looked.users.get(at)) for name, at in (("good", good), ("bad", bad))
        }
        known_as = seen.get(rows[good].key)
        result["who"] = looked.keys.get(good) or (known_as.key if known_as else "")
    return Ended(State.DONE, " ".join([verdict(rule, result), *notes(result)]), result)


def _seen(pool_name: str, rule: Rule) -> dict[str, Seen | None]:
    """What the index knows of the user, by the keys of backups."""
    return history.seen(pool_name, rule.name) if rule.name else {}


def _known(row: Backup, rule: Rule, rules: Rules | None, seen: dict[str, Seen | None]) -> bool | None:
    """Whether the rule holds, where that is known without reading the backup."""
    if rule.kind is Kind.AT_LEAST:
        return None if row.users is None else row.users >= rule.users
    if row.key not in seen:
        return None
    state = seen[row.key]
    if state is None:
        return False
    if not rule.names(state, rules or Rules(False, case_sensitive=False)):
        return None  # the index tells no cases apart, and this pool does
    if rule.kind is Kind.USER:
        return True
    return None if state.groups is None else rule.group in state.groups


def _about(row: Backup, users: int | None) -> dict[str, Any]:
    counted = users if row.users is None else row.users
    return {"key": row.key, "at": row.taken_at.isoformat(), "users": counted}
