"""Which rows of a comparison are meant: those that a page's filters show, no more and no fewer.

The page, its downloads and a plan for "exactly these users" all ask here, so that they agree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Q, QuerySet

from backups.core.lifecycle import State
from backups.models import Difference, Job
from backups.runner.sources import FILE, LIVE
from backups.runner.words import Refusal

FORM = 2
"""Of a comparison's result, as it is written and shown today."""
ALL, MISSING, CHANGED, GROUPS, SETTINGS = "all", "only_from", "changed", "groups", "settings"
USERS = (MISSING, CHANGED, "only_to", "anew", "again", "ambiguous")
KINDS = (ALL, *USERS, GROUPS, SETTINGS)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rows of one comparison. "" is no limit."""

    comparison: int
    kind: str = ALL  # one of KINDS
    q: str = ""  # in any value, whatever the case
    field: str = ""  # that changed
    security: str = ""  # a code of core.diff.SECURITY
    clear: bool = False  # e-mails were shown, so parts of them are found

    def rows(self) -> QuerySet[Difference]:
        rows = Difference.objects.filter(job=self.comparison)
        if self.kind in USERS:
            rows = rows.filter(of=Difference.Of.USER, kind=self.kind)
        elif self.kind != ALL:
            rows = rows.filter(of=Difference.Of.GROUP if self.kind == GROUPS else Difference.Of.SETTING)
        if self.field:
            rows = rows.filter(names__contains=f"\n{self.field}\n")
        if self.security:
            rows = rows.filter(security__contains=f"\n{self.security}\n")
        return rows.filter(_holding(self.q, clear=self.clear)) if self.q else rows

    @property
    def filtered(self) -> bool:
        return bool(self.q or self.field or self.security)

    def filters(self) -> dict[str, str]:
        """As an address has them, without what limits nothing."""
        named = {"kind": self.kind, "q": self.q, "field": self.field, "security": self.security}
        return {name: value for name, value in named.items() if value}

    def params(self, users: int) -> dict[str, Any]:
        """For a plan's job: what was chosen, and how many users that were."""
        return {**asdict(self), "users": users}


def of_params(params: Mapping[str, Any]) -> Chosen:
    return Chosen(**{name: value for name, value in params.items() if name != "users"})


def can_be_restored(comparison: Job) -> bool:
    """Whether users of A can be planned: who is missing comes back, who changed is written over.

    From a backup of the bucket, into a live pool.
    """
    from_, to = str(comparison.params.get("from", "")), str(comparison.params.get("to", ""))
    done = comparison.kind == Job.Kind.COMPARE and comparison.state == State.DONE
    known = done and comparison.result.get("form") == FORM
    return known and not from_.startswith((LIVE, FILE)) and to.startswith(LIVE)


def keys(params: Mapping[str, Any]) -> frozenset[str]:
    """The keys that were chosen, ``core.snapshot.User.key`` of the backup. Raises Refusal.

    Read from the rows that are kept: when they are not what they were, nobody knows who was meant.
    """
    chosen, number = of_params(params), int(params["users"])
    rows = list(chosen.rows().values_list("key", flat=True))
    if len(rows) != number:
        raise Refusal(
            f"Comparison {chosen.comparison} lists {len(rows):,} of these users, and {number:,} were chosen: "
            "it is not what it was. Compare again and choose anew. Nothing was written."
        )
    return frozenset(rows)


def _holding(text: str, *, clear: bool) -> Q:
    """``forms.holding`` for text that has a line for each value.

    The pattern asks first whether the line is free of an "@", then for the text: asked the other way
    round, a long line with an "@" would be read again from each place that fits.
    """
    folded = text.casefold()
    holds = Q(search__contains=folded)
    if clear:
        return holds
    line = re.escape(folded)
    if "@" not in folded:
        line = rf"(?=[^\n@]*(\n|$))[^\n]*{line}[^\n@]*"
    return holds & Q(search__regex=rf"(^|\n){line}(\n|$)")
