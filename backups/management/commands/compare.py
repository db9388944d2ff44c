from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from backups import actions
from backups.core.discreet import discreet
from backups.management import terminal
from backups.models import Difference, Job
from backups.runner.sources import LIVE
from backups.templatetags import comparison
from backups.templatetags.words import moment

SHOWN = 50
"""Lines of each: users, groups, settings."""
LONGEST = 60
"""Characters of a value on a line."""


class Command(terminal.Command):
    help = "Compare two sides: a backup (KEY or a FILE on this host) or a live pool (live:ID|NAME)."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from", dest="from_", metavar="KEY|FILE|live:POOL", help="the older side, A")
        parser.add_argument("--to", metavar="KEY|FILE|live:POOL", help="the newer side, B")
        parser.add_argument("--dates", action="store_true", help="compare users' dates too")

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        from_ = self._side(options["from_"], "--from")
        to = self._side(options["to"], "--to")
        job = self.run(actions.start_compare(self.actor, from_, to, dates=options["dates"]))
        if not job.result:
            return {"job": job.pk, "state": job.state, "error": job.sentence}, 1
        self._show(job)
        return {"job": job.pk, **job.result}, terminal.status_of(job)

    def _show(self, job: Job) -> None:
        result = job.result
        for side, name in comparison.SIDES.items():
            self.print(f"{name}: {result[side]['label']}, read {moment(result[side]['read_at'])}")
        verdict = comparison.verdict(result)
        for sentence in (verdict.headline, *verdict.rest, *result["notes"], *comparison.unread(result)):
            self.print(sentence)
        for _, sentence in comparison.security(result):
            self.print(f"security: {sentence}")
        for of in (Difference.Of.SETTING, Difference.Of.GROUP, Difference.Of.USER):
            rows = job.differences.filter(of=of).order_by("pk")
            for row in rows[:SHOWN]:
                self.print(_line(row))
            more = rows.count() - SHOWN
            if more > 0:
                self.print(f"… and {more:,} more {of}s; the page of job {job.pk} has them all.")

    def _side(self, named: str | None, what: str) -> str:
        if named is not None and named.startswith(LIVE):
            return LIVE + self.pool(named.removeprefix(LIVE), what, gone=True).pool_id
        return terminal.source_of(self, named, what)


def _line(row: Difference) -> str:
    """A user by Username with the fields that changed; a group or a setting from old to new."""
    kind = comparison.WORDS[row.kind]
    if row.of == Difference.Of.USER:
        said = ", ".join(field["field"] for field in row.fields)
        return f"{kind:<16} {row.username} {said}".rstrip()
    whose = f" of {row.username}" if row.username else ""
    changes = "; ".join(_change(row, field) for field in row.fields)
    new_pool = " (needs a new pool)" if row.more.get("new_pool") else ""
    return f"{kind:<16} {row.of} {row.label}{whose}{': ' if changes else ''}{changes}{new_pool}"


def _change(row: Difference, field: dict[str, str]) -> str:
    named = "" if row.of == Difference.Of.SETTING else f"{field['field']} "
    return f"{named}{_cut(field['old'])} → {_cut(field['new'])}"


def _cut(value: str) -> str:
    said = " ".join(discreet(value).split()) or "nothing"
    return said if len(said) <= LONGEST else f"{said[:LONGEST]}…"
