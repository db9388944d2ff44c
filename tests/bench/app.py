"""The product's Celery application where no quota binds: ``celery -A tests.bench.app``.

For measuring what a process can do by itself, as nowhere on AWS.
"""

from __future__ import annotations

from typing import cast

from backups.engine import pace
from cognito_admin.celery import app

__all__ = ["app"]

quotas = cast(dict[str, float], pace.QUOTAS)
quotas.update(dict.fromkeys(quotas, 1e6))
