from __future__ import annotations

from typing import Any

from backups import catalogue
from backups.management import terminal
from backups.models import Pool


class Command(terminal.Command):
    help = "The user pools of the configured Regions, as AWS lists them now."

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        catalogue.look_at_pools()
        pools = list(Pool.objects.all())
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
        for why in sorted({pool.why_unknown for pool in pools if pool.why_unknown}):
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
        unknown = any(pool.presence == Pool.Presence.UNKNOWN for pool in pools)
        return {"pools": rows}, int(unknown)
