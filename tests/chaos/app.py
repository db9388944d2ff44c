"""The product's Celery application on a host that is not well: ``celery -A tests.chaos.app``.

CHAOS_CLOCK   seconds by which this host's clock is ahead of everybody else's
CHAOS_PAGES   a file with the number of pages that the SQLite database may have here; read before each
              statement, so that a full disk may get room again; a file beside it, with ``full`` as its
              suffix, says that this was met

The signatures to AWS still have the right time: with another one AWS refuses every call, and nothing
would be tried here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from celery.signals import celeryd_init

from cognito_admin.celery import app

__all__ = ["app"]


@celeryd_init.connect
def fall_ill(**_: Any) -> None:
    """Django is set up by now, and no child was forked yet."""
    if ahead := float(os.environ.get("CHAOS_CLOCK", "0")):
        _mistake_the_time(timedelta(seconds=ahead))
    if pages := os.environ.get("CHAOS_PAGES"):
        _fill_the_disk(Path(pages))


def _mistake_the_time(ahead: timedelta) -> None:
    from django.utils import timezone

    from backups import wiring

    def now(*_: object) -> datetime:
        return datetime.now(UTC) + ahead

    timezone.now = now
    wiring.SystemClock.now = now  # type: ignore[assignment, method-assign]


def _fill_the_disk(pages: Path) -> None:
    from django.db import OperationalError
    from django.db.backends.signals import connection_created

    def bound(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        connection = context["connection"].connection
        # Fewer than there are now is as many as there are now.
        connection.execute(f"PRAGMA max_page_count = {int(pages.read_text())}")
        try:
            return execute(sql, params, many, context)
        except OperationalError as error:
            if "full" in str(error):
                pages.with_suffix(".full").touch()
            raise

    def begin(connection: Any, **_: Any) -> None:
        connection.execute_wrappers.append(bound)

    connection_created.connect(begin, weak=False)
