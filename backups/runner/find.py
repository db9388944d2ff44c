"""A search for the last good backup of a pool: what the catalogue and the index know is not read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Q

from backups import catalogue, history, wiring
from backups.core import naming
from backups.core.history import State as Seen
from backups.core.lastgood import AHEAD, Kind, Rule, about, notes, verdict, which_pool
from backups.core.lifecycle import ACTIVE, State
from backups.core.matching import Rules
from backups.engine.find import NO_GROUPS, Held, Looked, find
from backups.engine.ports import PortError
from backups.models import Backup, Job, Pool, database_now
from backups.reporting import JobReport
from backups.runner.sources import facts_for
from backups.runner.words import Ended, Refusal

NOT_READ = "it cannot be read"
WHOSE = "it does not say of which pool it is"


def find_last_good(job: Job, report: JobReport) -> Ended:
    """Of a job with a pool's id the backups of that pool alone, otherwise all under the pool's name."""
    rule = Rule.read(job.params["rule"])
    if not job.pool_id and (pool_ids := history.sharing(job.pool_name).get(job.pool_name)):
        raise Refusal(f"{which_pool(job.pool_name, pool_ids)} Nothing was read.")
    whose = Q(pool_id__in=(job.pool_id, "")) if job.pool_id else Q()
    every = Backup.objects.filter(whose, pool_name=job.pool_name).order_by("taken_at", "pk")
    every = every.exclude(state=Backup.State.INCOMPLETE, being_made_by__state__in=ACTIVE)
    rows = list(every.defer("manifest"))
    rules = None if rule.kind is Kind.AT_LEAST else _rules(job)
    seen = _seen(job.pool_name, rule)
    latest = database_now() + naming.AHEAD
    held = []
    for row in rows:
        why = (row.reason or NOT_READ) if not row.readable else AHEAD if row.taken_at > latest else ""
        why = why or (WHOSE if job.pool_id and not row.pool_id else "")
        known = None if why else _known(row, rule, rules, seen)
        if rule.kind is Kind.MEMBER and known is None and row.state == Backup.State.USERS_ONLY:
            why = why or NO_GROUPS
        held.append(Held(row.key, f"{row.taken_at:%Y-%m-%d %H:%M} UTC", known, why))
    by_key = {row.key: row for row in rows}
    looked = find(held, rule, rules, lambda key: catalogue.store_of(by_key[key]), report)
    result = about(looked.found, [row.taken_at for row in rows], job.pool_text, looked.why)
    if looked.found.pair:
        good, bad = looked.found.pair
        result |= {
            name: _about(rows[at], looked.users.get(at)) for name, at in (("good", good), ("bad", bad))
        }
        result["who"] = next(iter(_keys(good, rows, rule, rules, seen, looked)), "")
    told = (place for place, answer in enumerate(looked.found.answers) if answer)
    result["subs"] = len(set().union(*(_keys(place, rows, rule, rules, seen, looked) for place in told)))
    return Ended(State.DONE, " ".join([verdict(rule, result), *notes(result)]), result)


def _rules(job: Job) -> Rules | None:
    """How the pool tells its users apart; None where no live one says so."""
    if not job.pool_id:
        facts = facts_for(job.pool_name)
        return Rules.of(facts) if facts else None
    pool = Pool.objects.filter(pool_id=job.pool_id, presence=Pool.Presence.THERE).first()
    try:
        return Rules.of(wiring.pool(pool.region, pool.pool_id).facts()) if pool else None
    except PortError:
        return None


def _seen(pool_name: str, rule: Rule) -> dict[str, tuple[Seen, ...]]:
    """Whom the index knows by the rule's name, by the keys of backups."""
    return history.seen(pool_name, rule.name) if rule.name else {}


def _named(states: Iterable[Seen], rule: Rule, rules: Rules | None) -> list[Seen]:
    """Whom the rule means; of a member those who are in the group, as far as groups are known."""
    how = rules or Rules(False, case_sensitive=False)  # the index tells no cases apart, and a pool may
    named = [state for state in states if rule.names(state, how)]
    if rule.kind is Kind.USER:
        return named
    return [state for state in named if state.groups is None or rule.group in state.groups]


def _keys(
    place: int,
    rows: Sequence[Backup],
    rule: Rule,
    rules: Rules | None,
    seen: Mapping[str, tuple[Seen, ...]],
    looked: Looked,
) -> list[str]:
    """Whom the rule means in one backup, by ``User.key``; of one that was read the first of them."""
    if place in looked.keys:
        return [looked.keys[place]]
    return [state.key for state in _named(seen.get(rows[place].key, ()), rule, rules)]


def _known(row: Backup, rule: Rule, rules: Rules | None, seen: dict[str, tuple[Seen, ...]]) -> bool | None:
    """Whether the rule holds, where that is known without reading the backup."""
    if rule.kind is Kind.AT_LEAST:
        # What was counted by reading; the number of a manifest is no more than its word.
        read = row.state == Backup.State.USERS_ONLY or (row.checked and row.origin == Backup.Origin.OURS)
        return row.users >= rule.users if read and row.users is not None else None
    if row.key not in seen:
        return None
    named = _named(seen[row.key], rule, rules)
    if rule.kind is Kind.MEMBER and any(state.groups is None for state in named):
        return None
    return bool(named)


def _about(row: Backup, users: int | None) -> dict[str, Any]:
    counted = users if row.users is None else row.users
    return {"key": row.key, "at": row.taken_at.isoformat(), "users": counted, "pool_id": row.pool_id}
