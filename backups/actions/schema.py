"""Attributes that a plan's users have and its pool does not know: what they were, and adding them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backups import catalogue, wiring
from backups.actions.approving import need_no_second, unapproved
from backups.actions.asking import Actor, Refused, break_glass, reason_of, start
from backups.core import naming
from backups.core.files import Unreadable
from backups.core.lifecycle import State
from backups.core.schema import MOST, Attribute, custom, fingerprint, wanted
from backups.core.snapshot import environment_of
from backups.engine.ports import PortError
from backups.engine.schema import schema_of_backup, schema_of_pool
from backups.models import Job, Plan, Pool
from backups.models.audit import Act

UNTOUCHED = "Nothing was changed."
WHAT = "Adding attributes to a pool's schema"
GUESSED = "The backup holds no settings of its pool, so nothing says what these attributes were"
UNTOLD = "The backup's own schema does not name all of them, so nothing says what the others were"


@dataclass(frozen=True, slots=True)
class Lacking:
    """One attribute that the pool does not know now."""

    attribute: Attribute
    users: int  # who cannot come back for it


@dataclass(frozen=True, slots=True)
class Schema:
    """What a plan's users have and the pool lacks, with what it has."""

    lacking: tuple[Lacking, ...]
    known: tuple[str, ...]  # were lacking when it was planned, and are there now
    own: int  # custom attributes that the pool has
    why_guessed: str  # why types are guessed, "" where none is

    @property
    def attributes(self) -> list[Attribute]:
        return [one.attribute for one in self.lacking]

    @property
    def digest(self) -> str:
        return fingerprint(self.attributes)

    @property
    def refused(self) -> str:
        """Why nothing can be added; "" where it may be."""
        if not self.lacking:
            return "The pool knows every attribute of this plan's users by now: there is nothing to add."
        if whys := [one.why_not for one in self.attributes if one.why_not]:
            return f"{' '.join(whys)} Leave out what cannot be added, and plan again."
        if self.own + len(self.lacking) > MOST:
            return (
                f"AWS allows a pool {MOST} custom attributes. This one has {self.own}, and "
                f"{len(self.lacking)} more do not fit: leave some of them out, and plan again."
            )
        return unapproved(WHAT, overwrites=False)


def lacked(plan: Plan) -> dict[str, int]:
    """Attribute -> users who cannot come back for it, the most first; none that is chosen to be left out."""
    left_out = plan.choices.get("leave_out", ())
    counted: Mapping[str, int] = plan.counts.get("unknown", {})
    ordered = sorted(counted.items(), key=lambda one: (-one[1], one[0]))  # no database keeps their order
    return {name: users for name, users in ordered if name not in left_out}


def schema_of(plan: Plan) -> Schema:
    """One look at the pool and at the backup. Raises PortError when one of them does not answer."""
    names, job = lacked(plan), plan.job
    there = schema_of_pool(wiring.account_of(job.region, briefly=True), job.pool_id)
    known = tuple(name for name in names if name in there)
    backup, why = _of_backup(plan)
    lacking = tuple(
        Lacking(attribute, names[attribute.name])
        for attribute in wanted([name for name in names if name not in there], backup)
    )
    guessed = any(one.attribute.guessed for one in lacking)
    return Schema(lacking, known, custom(there), (why or UNTOLD) if guessed else "")


def schema_confirmation(plan: Plan, found: Schema) -> str:
    """What has to be typed: environment and number of attributes, ``production schema 3``."""
    name = plan.job.pool_name
    return f"{environment_of(name) or name} schema {len(found.lacking)}"


def add_to_schema(actor: Actor, plan: Plan, *, digest: str, typed: str, reason: str) -> Job:
    """Add all that the plan's pool lacks; ``digest`` is of what somebody was shown.

    Raises Refused; then nothing was changed. A job of the write queue: nothing else may write meanwhile.
    """
    if plan.job.state != State.PLANNED:
        raise Refused(f"This plan is not finished. {UNTOUCHED}")
    need_no_second(actor, WHAT, overwrites=False)
    reason = reason_of(reason, "whoever asks why the schema has grown")
    try:
        found = schema_of(plan)
    except PortError as error:
        raise Refused(f"{error} {UNTOUCHED}", 503) from None
    if found.refused:
        raise Refused(f"{found.refused} {UNTOUCHED}")
    if digest != found.digest:
        raise Refused(f"What your page showed is not what would be added now. Look at it again. {UNTOUCHED}")
    if typed.strip() != (text := schema_confirmation(plan, found)):
        raise Refused(f"Type {text} to confirm where and how many. {UNTOUCHED}", 400)
    job = Job(
        kind=Job.Kind.SCHEMA,
        queue=Job.Queue.WRITE,
        params={"plan": plan.job_id, "attributes": [one.as_json() for one in found.attributes]},
        reason=reason,
    )
    of = plan.job
    return start(
        actor,
        job,
        Pool(region=of.region, pool_id=of.pool_id, name=of.pool_name),
        Act.SCHEMA_ASKED,
        plan=plan.job_id,
        attributes=[f"{one.name}, {one.words}" for one in found.attributes],
        reason=reason,
        **break_glass(actor),
    )


def _of_backup(plan: Plan) -> tuple[dict[str, Attribute], str]:
    """(name -> attribute, why it says nothing). Raises PortError: what can be known is never guessed."""
    key = naming.parse(plan.source)
    if key is None:
        return {}, GUESSED
    try:
        backup = schema_of_backup(catalogue.store_at(key), key.key)
    except Unreadable as error:
        return {}, f"The settings in the backup cannot be trusted ({error}), so nothing says what they were"
    return backup, "" if backup else GUESSED
