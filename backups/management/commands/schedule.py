from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from backups import actions, watch
from backups.management import terminal
from backups.models import Policy
from backups.watch import Standing

_CHANGES = ("cron", "zone", "shrink", "mfa", "switch")


class Command(terminal.Command):
    help = "When each pool is backed up by itself, and the next three runs; with options: decide it for one."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("pool", nargs="?", metavar="POOL", help="its name or id; without one, all")
        parser.add_argument("--region", help="its Region, where pools of several bear the name")
        parser.add_argument("--cron", metavar="EXPRESSION", help="five fields, as in '17 * * * *'")
        parser.add_argument("--zone", help="a time zone, as in Europe/Berlin (UTC)")
        parser.add_argument("--shrink", type=int, metavar="PERCENT", help="a fall of more is an alarm (5)")
        parser.add_argument("--mfa", choices=Policy.Mfa.values, help="whether second factors are read (auto)")
        switch = parser.add_mutually_exclusive_group()
        switch.add_argument("--on", dest="switch", action="store_const", const=True, help="start it")
        switch.add_argument("--off", dest="switch", action="store_const", const=False, help="stop it")

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        watch.look_if_old(settings.LOOK_SECONDS)
        asked, changes = options["pool"], {name: options[name] for name in _CHANGES}
        standings = watch.standings()
        if asked is not None:
            standings = [self._one(standings, asked, options["region"])]
        elif any(value is not None for value in changes.values()):
            self.stop("POOL is missing: its name or id.", 2)
        if any(value is not None for value in changes.values()):
            at = self._decide(standings[0], **changes)
            standings = [one for one in watch.standings() if (one.region, one.name) == at]
        self._show(standings)
        return {"pools": [_row(standing) for standing in standings]}, 0

    def _one(self, standings: list[Standing], asked: str, region: str | None) -> Standing:
        found = [
            one
            for one in standings
            if (one.name == asked or asked in {pool.pool_id for pool in one.pools})
            and region in (None, one.region)
        ]
        if not found:
            self.stop(f"No pool {asked} was seen in {region or 'the configured Regions'}.", 2)
        if len(found) > 1:
            regions = ", ".join(one.region for one in found)
            self.stop(f"{asked} names pools of several Regions ({regions}): add --region.", 2)
        return found[0]

    def _decide(
        self,
        standing: Standing,
        *,
        cron: str | None,
        zone: str | None,
        shrink: int | None,
        mfa: str | None,
        switch: bool | None,
    ) -> tuple[str, str]:
        policy = standing.policy
        if policy is None and cron is None and switch is None:
            self.stop(
                f"Nobody has decided yet when {standing.name} is backed up. Start it as it is proposed "
                f"({standing.words}) with --on, say when with --cron, or decide against it with --off.",
                2,
            )
        policy = policy or Policy(cron=standing.cron, zone=standing.zone)
        decided = actions.set_policy(
            self.actor,
            region=standing.region,
            name=standing.name,
            enabled=policy.enabled if switch is None else switch,
            cron=policy.cron if cron is None else cron,
            zone=policy.zone if zone is None else zone,
            shrink_percent=policy.shrink_percent if shrink is None else shrink,
            mfa=policy.mfa if mfa is None else mfa,
        )
        return decided.region, decided.name

    def _show(self, standings: list[Standing]) -> None:
        self.table(
            ("POOL", "REGION", "BACKED UP", "NEXT RUNS (UTC)", "NEWEST BACKUP (UTC)", "WRONG"),
            [
                (
                    standing.name,
                    standing.region,
                    _words(standing),
                    ", ".join(f"{run:%Y-%m-%d %H:%M}" for run in standing.runs),
                    _newest(standing),
                    ", ".join(alarm.get_kind_display() for alarm in standing.alarms),
                )
                for standing in standings
            ],
        )
        for standing in standings:
            if standing.held:
                self.print(f"{standing.name}: a backup is due and waits. {standing.held}")
            if standing.twins:
                ids = " and ".join(standing.twins)
                self.print(
                    f"{standing.name}: {ids} share this name, and the application looks its pool up by "
                    "name. Both are backed up; rename or delete the one that is not meant."
                )


def _words(standing: Standing) -> str:
    if standing.proposed:
        return f"proposed: {standing.words}"
    return f"off ({standing.words})" if standing.off else standing.words


def _newest(standing: Standing) -> str:
    if standing.newest is None:
        return "none"
    by = " by cbr" if standing.by_cbr else ""
    return f"{standing.newest.taken_at:%Y-%m-%d %H:%M}{by}"


def _row(standing: Standing) -> dict[str, Any]:
    policy = standing.policy
    return {
        "name": standing.name,
        "region": standing.region,
        "ids": [pool.pool_id for pool in standing.live],
        "state": "proposed" if standing.proposed else "off" if standing.off else "on",
        "cron": standing.cron,
        "zone": standing.zone,
        "words": standing.words,
        "next_runs": [run.isoformat() for run in standing.runs],
        "shrink_percent": policy.shrink_percent if policy else None,
        "mfa": policy.mfa if policy else None,
        "newest": standing.newest.key if standing.newest else None,
        "newest_made_by": standing.newest.made_by if standing.newest else None,
        "suggested": standing.suggested.key if standing.suggested else None,
        "late_since": standing.late_since.isoformat() if standing.late_since else None,
        "held": standing.held,
        "twins": list(standing.twins),
        "alarms": [alarm.kind for alarm in standing.alarms],
    }
