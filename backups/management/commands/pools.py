from __future__ import annotations

from typing import Any

from django.conf import settings

from backups import catalogue
from backups.management import terminal
from backups.models import Pool


class Command(terminal.Command):
    help = "The user pools of the configured Regions, as AWS lists them now."

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        silent = catalogue.look_at_pools()
        pools = list(Pool.objects.filter(region__in=settings.POOL_REGIONS))
        self.table(
            ("POOL", "ID", "REGION", "STANDS", "USERS (ABOUT)"),
            [
                (
                    pool.name,
                    pool.pool_id,
                    pool.region,
                    pool.presence,
                    "" if pool.estimated_users is None else pool.estimated_users,
                )
                for pool in pools
            ],
        )
        for why in silent.values():
            self.print(why)
        rows = [
            {
                "id": pool.pool_id,
                "name": pool.name,
                "region": pool.region,
                "presence": pool.presence,
                "estimated_users": pool.estimated_users,
            }
            for pool in pools
        ]
        if silent:
            return {"pools": rows, "error": f"AWS did not list the pools: {' '.join(silent.values())}"}, 1
        return {"pools": rows}, 0
