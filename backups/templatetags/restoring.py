"""A restore's steps, and what its plan says: sentences, each with its count and a way to the users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import template

from backups.core import asked
from backups.core.choices import Choices, Existing, Guard
from backups.models import Backup, Plan
from backups.runner import decide
from backups.templatetags.words import number

register = template.Library()
STEPS = ((1, "What"), (2, "Where and how"), (3, "Preflight"), (4, "Confirm"))
ALLOW = {
    Guard.ENABLE: "re-enable users who are disabled in the pool",
    Guard.PRIVILEGED: "put users into privileged groups: those with an IAM role, or named in the settings",
    Guard.NEWER: "fill or overwrite users who were changed after the backup was made",
    Guard.REPLACE: "delete accounts that somebody began to register under a user’s address and never "
    "confirmed, and create the user",
}
"""What each guard allows, as the pages ask for it."""


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence of a plan; ``rows`` is the query of the page's list that shows who is meant."""

    text: str
    rows: str = ""


@register.inclusion_tag("restore/_steps.html")
def steps(step: int) -> dict[str, object]:
    return {"steps": STEPS, "step": step}


@register.inclusion_tag("restore/_decide.html", takes_context=True)
def decisions(context: template.Context, plan: Plan, ticked: Choices | None) -> dict[str, Any]:
    """What can be decided about a plan. ``ticked``: as the form was sent; None: as the plan was made."""
    found = decide.found(plan)
    chosen = decide.before(plan.job) if ticked is None else ticked
    return {
        "plan": plan,
        "found": found,
        "same": [(one, one.key in chosen.again) for one in found.same],
        "again": [(one, one.key in chosen.again) for one in found.again],
        "all_again": len(found.again) + found.others_again,
        "lacking": [(one, chosen.defaults.get(one.name, "")) for one in found.lacking],
        "unknown": [(one, one.name in chosen.leave_out) for one in found.unknown],
        "guards": [(guard, ALLOW[guard], users, guard in chosen.guards) for guard, users in found.guards],
        "link": chosen.link,
        "writes_over": chosen.existing is not Existing.SKIP,
        "csrf_token": context.get("csrf_token"),
        "revealed": context.get("revealed"),
    }


@register.inclusion_tag("restore/_notices.html")
def notices(plan: Plan, source: Backup | None) -> dict[str, Any]:
    """What will not come back, who cannot sign in without help, and what is written in who exists."""
    return {
        "plan": plan,
        "lost": list(_lost(plan, source)),
        "outside": list(_outside(plan.counts)),
        "written": list(_written(plan)),
        "create": plan.counts.get("create", 0),
        "update": plan.counts.get("update", 0),
        "may_reset": plan.counts.get("resettable"),
        "may_invite": plan.counts.get("invitable", 0),
    }


@register.inclusion_tag("restore/_rests.html")
def rests(plan: Plan) -> dict[str, Any]:
    """What decided the plan, in words."""
    facts = plan.facts
    return {"plan": plan, "facts": facts, "counts": plan.counts, "triggers": facts.get("triggers", ())}


@register.filter
def chosen_in_words(plan: Plan) -> str:
    """What was chosen for a plan, parted by semicolons; "" where that is everything missing and no more."""
    return "; ".join(asked.in_words(decide.before(plan.job)))


def _lost(plan: Plan, source: Backup | None) -> Iterator[Said]:
    counts, facts = plan.counts, plan.facts
    if counts.get("create"):
        yield Said(
            "Whoever is created gets a new sub, and the old password does not work any more. After the "
            "restore the identity map says which old sub became which."
        )
        yield Said("They set up second factors by app, passkeys and remembered devices again.")
    if users := counts.get("factors_lost"):
        had = _many(users, "user had a second factor, and comes", "users had a second factor, and come")
        yield Said(f"{had} back without one.", "only=factor")
    elif counts.get("create") and facts.get("factors_known") is False:
        yield Said("This backup does not say who had a second factor.")
    if users := counts.get("reset_required"):
        had = _many(users, "user", "users")
        yield Said(f"{had} had to reset the password before; that mark does not come back.")
    for name, users in counts.get("left_out", {}).items():
        come = _many(users, "user comes", "users come")
        yield Said(f"{come} back without {name}, which this pool does not know.")
    if withheld := counts.get("withheld"):
        are = _many(withheld, "membership in a privileged group is", "memberships in privileged groups are")
        yield Said(f"{are} not put back.", "only=withheld")
    if source and source.groups is None:
        yield Said("This backup holds users only: groups and memberships do not come back from it.")


def _outside(counts: Mapping[str, Any]) -> Iterator[Said]:
    """Of those who are created."""
    create, disabled = int(counts.get("create", 0)), int(counts.get("disabled", 0))
    if users := counts.get("unverified"):
        never = _many(users, "person", "people")
        marked = any(reason.endswith("-unverified") for reason in counts.get("by_reason", ()))
        yield Said(
            f"{never} never had the e-mail verified: restored silently, they can neither sign in nor reset "
            "their password by themselves.",
            "only=unverified" if marked else "",  # a plan of before there was such a reason names nobody
        )
    without = create - disabled - int(counts.get("invitable", create - disabled))
    if without > 0:
        have = _many(without, "of them has", "of them have")
        yield Said(f"{have} no e-mail at all: neither an invitation nor a code comes by mail.")
    if disabled:
        were = _many(disabled, "user was disabled, comes", "users were disabled, come")
        are = "is" if disabled == 1 else "are"
        yield Said(f"{were} back disabled, and {are} never written to.", "only=disabled")


def _written(plan: Plan) -> Iterator[Said]:
    """What is not in the backup as it is written, or not in the pool as it stays."""
    counts, defaults = plan.counts, decide.before(plan.job).defaults
    for name, users in counts.get("updates", {}).items():
        exist = _many(users, "user who exists", "users who exist")
        yield Said(f"{name} is written in {exist}.", "action=update")
    for name, users in counts.get("immutable", {}).items():
        exist = _many(users, "user who exists", "users who exist")
        yield Said(f"{name} differs in {exist}, and stays: it is written at creation only.")
    for name, users in counts.get("defaults", {}).items():
        get = _many(users, "user lacks", "users lack")
        they = "gets" if users == 1 else "get"
        yield Said(f"{get} {name} and {they} “{defaults.get(name, '')}”, as chosen.")
    if users := counts.get("replaced"):
        are = _many(users, "account that nobody confirmed is", "accounts that nobody confirmed are")
        yield Said(f"{are} deleted to make way; no undo brings them back.", "reason=replaced")
    if links := counts.get("links"):
        are = _many(links, "link to a sign-in provider is", "links to sign-in providers are")
        yield Said(f"{are} made again.", "reason=missing-linked")


def _many(count: int, one: str, more: str) -> str:
    return f"{number(count)} {one if count == 1 else more}"
