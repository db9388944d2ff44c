"""The one clock that every worker and every page shares: the database's."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connection

_NOW = {
    "sqlite": "SELECT STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')",
    "postgresql": "SELECT STATEMENT_TIMESTAMP()",
}


def database_now() -> datetime:
    """Aware, UTC. Leases, intents, events and entries go by it: a host's own clock may be wrong."""
    with connection.cursor() as cursor:
        cursor.execute(_NOW[connection.vendor])
        (told,) = cursor.fetchone()
    return told if isinstance(told, datetime) else datetime.fromisoformat(told).replace(tzinfo=UTC)
