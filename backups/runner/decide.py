"""What a plan found that somebody can decide, and the choices that follow from it.

    a finished plan -> Found: people, attributes, guards, each with its count -> a form of the plan's page
    what was ticked there -> Choices -> the next plan

Nothing is decided by itself: whatever is not ticked stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from django.db.models import Count, QuerySet

from backups.core import asked
from backups.core.choices import Choices, Guard
from backups.core.plan import Action
from backups.models import Item, Job, Plan
from backups.runner.plan import choices_of

LISTED = 50
"""People who are listed one by one; the others are ticked together."""
AGAIN, SAME = "again", "same"
"""The others of those who registered or were made again, and of those who are said to be the same already."""


MAY_BE_SAID = ("registered-again", "made-again", "perhaps-made")
"""Why somebody is left alone who may be said to be the same person."""


@dataclass(frozen=True, slots=True)
class Person:
    key: str
    label: str  # the e-mail, else the Username


@dataclass(frozen=True, slots=True)
class Attribute:
    name: str
    users: int  # whom it keeps out; of what is decided already, who comes back by it


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to decide about one plan."""

    same: tuple[Person, ...]  # said to be the same person already
    others_same: int
    again: tuple[Person, ...]  # registered again, confirmed and verified, or were made again by somebody
    others_again: int
    lacking: tuple[Attribute, ...]  # required by the pool, and a default may be written
    addresses: tuple[Attribute, ...]  # required by the pool, and never guessed
    unknown: tuple[Attribute, ...]  # not in the pool's schema
    guards: tuple[tuple[Guard, int], ...]  # users who would be written otherwise; 0 where it is allowed
    linked: int | None  # users who sign in through a provider too; None: it makes no difference

    def __bool__(self) -> bool:
        people = self.same or self.again
        attributes = self.lacking or self.addresses or self.unknown
        return bool(people or attributes or self.guards or self.linked is not None)


def before(plan: Job) -> Choices:
    """What was chosen for a plan's job, as the next one begins with."""
    choices = choices_of(plan)
    if "choices" not in plan.params:  # of an earlier version, where nobody was asked about a guard
        return replace(choices, guards=frozenset())
    return choices


def found(plan: Plan) -> Found:
    """Of a finished plan. What was decided for it is among it, so that it can be taken back."""
    chosen, counts, items = before(plan.job), plan.counts, plan.job.items
    listed = sorted(chosen.again)[:LISTED]
    labels = dict(items.filter(key__in=listed).values_list("key", "label"))
    again = _again(plan).values_list("key", "label")
    lacking = _lacking(plan) | {name: counts.get("defaults", {}).get(name, 0) for name in chosen.defaults}
    unknown = {name: 0 for name in chosen.leave_out} | counts.get("left_out", {}) | counts.get("unknown", {})
    held = {guard: int(counts.get("guards", {}).get(guard.value, 0)) for guard in Guard}
    linked = int(counts.get("by_reason", {}).get("linked", 0))
    return Found(
        same=tuple(Person(key, labels.get(key, key)) for key in listed),
        others_same=len(chosen.again) - len(listed),
        again=tuple(Person(key, label) for key, label in again[:LISTED]),
        others_again=max(0, again.count() - LISTED),
        lacking=_attributes({name: users for name, users in lacking.items() if asked.guessable(name)}),
        addresses=_attributes({name: users for name, users in lacking.items() if not asked.guessable(name)}),
        unknown=_attributes(unknown),
        guards=tuple((guard, number) for guard, number in held.items() if number or guard in chosen.guards),
        linked=linked if linked or chosen.link else None,
    )


def decided(
    plan: Plan,
    *,
    people: Collection[str] = (),
    others: Collection[str] = (),
    defaults: Mapping[str, str] | None = None,
    leave_out: Collection[str] = (),
    guards: Collection[str] = (),
    link: bool = False,
) -> Choices:
    """The plan's own choices with these in their place. What it did not offer is no choice.

    ``people``: keys; ``others``: AGAIN or SAME for all whom the page did not list. Raises asked.NotAsked.
    """
    chosen, offered = before(plan.job), found(plan)
    again = {person.key for person in (*offered.same, *offered.again)}.intersection(people)
    if SAME in others:
        again |= chosen.again.difference(person.key for person in offered.same)
    if AGAIN in others:
        again.update(_again(plan).values_list("key", flat=True)[LISTED:])
    values = {one.name: (defaults or {}).get(one.name, "") for one in offered.lacking}
    return replace(
        chosen,
        again=frozenset(again),
        defaults=asked.defaults(values),
        leave_out=frozenset(one.name for one in offered.unknown if one.name in leave_out),
        guards=frozenset(guard for guard, _ in offered.guards if guard in guards),
        link=link and offered.linked is not None,
    )


def _again(plan: Plan) -> QuerySet[Item]:
    return plan.job.items.filter(action=Action.SKIP, reason__in=MAY_BE_SAID).order_by("position")


def _lacking(plan: Plan) -> dict[str, int]:
    """Required attribute -> users who cannot come back without it."""
    rows = plan.job.items.filter(action=Action.CANNOT, reason="required-attribute").order_by()
    counted: dict[str, int] = {}
    for names, users in rows.values_list("detail").annotate(count=Count("id")):
        for name in names.split(", "):
            counted[name] = counted.get(name, 0) + users
    return counted


def _attributes(counted: Mapping[str, int]) -> tuple[Attribute, ...]:
    return tuple(Attribute(name, counted[name]) for name in sorted(counted))
