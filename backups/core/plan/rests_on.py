"""What a plan rests on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import orjson

from backups.core.snapshot import PoolFacts


def digest(source_sha256: str, facts: PoolFacts, choices: Mapping[str, object]) -> str:
    """One hash over what a plan rests on: the backup's bytes, the pool, its settings, the choices."""
    rests_on = {
        "source": source_sha256,
        "pool": [facts.account, facts.region, facts.pool_id],
        "settings": [
            sorted(facts.username_attributes),
            sorted(facts.alias_attributes),
            facts.case_sensitive,
            facts.mail,
            sorted(facts.attributes),
            sorted(facts.required),
            sorted(facts.triggers),
            # Only what is written over can meet it; a plan of before this was known keeps its digest.
            *([sorted(facts.immutable)] if choices.get("existing") != "skip" else []),
        ],
        "choices": dict(choices),
    }
    return hashlib.sha256(orjson.dumps(rests_on, option=orjson.OPT_SORT_KEYS)).hexdigest()
