"""When S3's own lifecycle rules end an object. The dashboard deletes nothing; these rules do.

    rules (GetBucketLifecycleConfiguration) + key, size, LastModified -> Expiry

What a rule's filter asks and we do not know (tags; a size that nothing says) makes it a "may", never a
guess. S3 counts Days from the object's LastModified and rounds up to the next midnight UTC; where several
rules hold the first one ends it; the removal itself may come later than its moment. In a bucket with
versions the current version only goes behind a delete marker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

SOON = timedelta(days=14)
"""How long before the last good backup of a pool goes it is warned of."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One enabled rule that ends current objects: ``days`` after they were written, or on a ``date``."""

    id: str
    prefix: str = ""  # of the whole key
    days: int | None = None
    date: datetime | None = None
    over: int | None = None  # ObjectSizeGreaterThan, bytes
    under: int | None = None  # ObjectSizeLessThan
    tags: tuple[str, ...] = ()  # "name=value": the object must have them all

    def as_json(self) -> dict[str, Any]:
        """Plain values, without what is empty; ``rule_of`` reads them back."""
        given = {name: value for name, value in asdict(self).items() if value not in (None, "", ())}
        return {**given, "id": self.id, **({"date": self.date.isoformat()} if self.date else {})}

    def holds(self, key: str, size: int | None) -> bool | None:
        """Whether its filter takes this object; None where that cannot be told."""
        if not key.startswith(self.prefix):
            return False
        if size is None:
            unknown = self.over is not None or self.under is not None
        else:
            unknown = False
            if (self.over is not None and size <= self.over) or (
                self.under is not None and size >= self.under
            ):
                return False
        return None if unknown or self.tags else True

    def moment(self, modified: datetime) -> datetime | None:
        """From when on S3 may end an object of this LastModified."""
        moments = []
        if self.days is not None:
            moments.append(_midnight(modified + timedelta(days=self.days)))
        if self.date is not None:  # it goes on to hold for what is written after its date
            moments.append(max(self.date, _midnight(modified)))
        return min(moments, default=None)


@dataclass(frozen=True, slots=True)
class Expiry:
    """``at``: from then on it goes. ``may``: from then on it may go, earlier than that. None: not at all."""

    at: datetime | None = None
    rule: str = ""  # whose moment ``at`` is
    may: datetime | None = None
    may_rule: str = ""

    @property
    def first(self) -> datetime | None:
        return self.may or self.at


NEVER = Expiry()


def rule_of(said: Mapping[str, Any]) -> Rule:
    """From ``Rule.as_json``."""
    date = said.get("date")
    return Rule(
        id=said["id"],
        prefix=said.get("prefix", ""),
        days=said.get("days"),
        date=datetime.fromisoformat(date) if date else None,
        over=said.get("over"),
        under=said.get("under"),
        tags=tuple(said.get("tags", ())),
    )


def rules_of(configuration: Iterable[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """From the Rules of GetBucketLifecycleConfiguration: those that are enabled and end current objects."""
    found = []
    for number, said in enumerate(configuration, 1):
        ends = said.get("Expiration", {})
        if said.get("Status") != "Enabled" or not {"Days", "Date"} & ends.keys():
            continue  # transitions, older versions, lone delete markers, uploads that were given up
        given = said.get("Filter", {})
        given = {**given, **given.get("And", {})}
        tags = [*given.get("Tags", ()), *([given["Tag"]] if "Tag" in given else ())]
        date = ends.get("Date")
        found.append(
            Rule(
                id=said.get("ID") or f"rule {number}",
                prefix=given.get("Prefix") or said.get("Prefix") or "",  # the second is how it once was
                days=ends.get("Days"),
                date=_aware(date) if date else None,
                over=given.get("ObjectSizeGreaterThan"),
                under=given.get("ObjectSizeLessThan"),
                tags=tuple(f"{tag['Key']}={tag['Value']}" for tag in tags),
            )
        )
    return tuple(found)


def expiry(rules: Iterable[Rule], objects: Iterable[tuple[str, int | None]], modified: datetime) -> Expiry:
    """Of a backup: when the first of its objects (key, bytes) goes. ``modified``: of the oldest of them."""
    objects = list(objects)
    sure: tuple[datetime, str] | None = None
    may: tuple[datetime, str] | None = None
    for rule in rules:
        answers = {rule.holds(key, size) for key, size in objects}
        at = rule.moment(modified)
        if at is None or not answers - {False}:
            continue
        if True in answers:
            sure = min(sure or (at, rule.id), (at, rule.id))
        else:
            may = min(may or (at, rule.id), (at, rule.id))
    if may and sure and may[0] >= sure[0]:
        may = None
    return Expiry(*(sure or (None, "")), *(may or (None, "")))


def eats(rules: Iterable[Rule], prefix: str) -> Rule | None:
    """A rule that would end some object below ``prefix``, now or one day; one that may counts."""
    return next((rule for rule in rules if _meet(rule.prefix, prefix)), None)


def nothing_left(goes: datetime | None, now: datetime, *, within: timedelta = SOON) -> bool:
    """Whether to warn: ``goes`` is when the last good backup of a pool goes; None: one stays."""
    return goes is not None and goes <= now + within


def _meet(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _midnight(at: datetime) -> datetime:
    """The next midnight UTC; a midnight is its own, as the earlier answer is the safe one."""
    at = at.astimezone(UTC)
    day = datetime.combine(at.date(), time(), UTC)
    return day if day == at else day + timedelta(days=1)


def _aware(date: datetime | str) -> datetime:
    at = datetime.fromisoformat(date) if isinstance(date, str) else date
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
