"""The form that asks for the last good backup, wherever it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

from backups import history
from backups.core.lastgood import LONGEST_GROUP, LONGEST_NAME, MOST, Kind
from backups.core.snapshot import environment_of
from backups.models import Backup, Pool

register = template.Library()
FIELDS = ("pool", "rule", "user", "users", "group", "member")

# kind of a run of backups -> (tone, sign, word)
RUNS = {
    "good-read": ("good", "✓", "good, read"),
    "good-known": ("good", "✓", "good, known without reading"),
    "bad-read": ("bad", "■", "not good, read"),
    "bad-known": ("bad", "■", "not good, known without reading"),
    "silent": ("idle", "○", "not read, not known"),
    "over": ("warn", "▲", "cannot tell"),
}


@register.inclusion_tag("find/_form.html", takes_context=True)
def find_form(
    context: template.Context, asked: Mapping[str, str] | None = None, *, main: bool = False
) -> dict[str, Any]:
    """``asked``: what is filled in, by the names of FIELDS; ``main``: its button is the page's first."""
    given = dict.fromkeys(FIELDS, "") | dict(asked or {})
    names = {*Pool.objects.values_list("name", flat=True)}
    names |= {*Backup.objects.order_by().values_list("pool_name", flat=True).distinct()}
    sharing = history.sharing()
    pools = [
        one
        for name in sorted(names - {""}, key=lambda name: (environment_of(name) != "production", name))
        for one in [(id_, f"{name} ({id_})") for id_ in sharing.get(name, ())] or [(name, name)]
    ]
    return {
        "csrf_token": context.get("csrf_token"),
        "asked": given | {"rule": given["rule"] or Kind.USER.value},
        "main": main,
        "pools": pools,
        "only": pools[0][0] if len(pools) == 1 else "",
        "most": MOST,
        "longest_name": LONGEST_NAME,
        "longest_group": LONGEST_GROUP,
    }


@register.filter
def run(kind: str) -> tuple[str, str, str]:
    """(tone, sign, word) of a run of backups."""
    return RUNS.get(kind, ("idle", "○", kind))
