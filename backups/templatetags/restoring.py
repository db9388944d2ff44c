"""The steps of a restore."""

from __future__ import annotations

from django import template

register = template.Library()
STEPS = ((1, "What"), (2, "Where and how"), (3, "Preflight"), (4, "Confirm"))


@register.inclusion_tag("restore/_steps.html")
def steps(step: int) -> dict[str, object]:
    return {"steps": STEPS, "step": step}
