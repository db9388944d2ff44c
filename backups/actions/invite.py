"""Who is in again after a restore, and invitations for those who are not."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from backups.actions.asking import Actor, Refused, break_glass, reason_of, start
from backups.core.invite import BACKUP, CHANGED, Waiting, in_order, keys_of
from backups.core.lifecycle import ACTIVE, State
from backups.core.snapshot import environment_of
from backups.models import Item, Job, Pool
from backups.models.audit import Act
from backups.runner.invite import invitable, mails_of, never
from backups.runner.ledger import like, of_groups

BATCH = 1000


def read_people(actor: Actor, restore: Job) -> Job:
    """Ask the pool who is in again: a job that only reads. One that is under way is given back."""
    if restore.kind != Job.Kind.RESTORE:
        raise Refused(f"Job {restore.pk} is no restore. Nothing was started.", 404)
    pool = Pool(region=restore.region, pool_id=restore.pool_id, name=restore.pool_name)
    return _read(actor, pool, restore.pk)


def read_waiting(actor: Actor, pool: Pool) -> Job:
    """Ask the pool who waits in FORCE_CHANGE_PASSWORD, whoever made them."""
    return _read(actor, pool, None)


def readings(restore: Job) -> list[Job]:
    """The newest readings of a restore that ended well or are under way, the newest first."""
    rows = Job.objects.filter(kind=Job.Kind.PLAN, params__people=restore.pk)
    return list(rows.filter(state__in=[*ACTIVE, State.DONE]).order_by("-pk")[:2])


def start_invite(
    actor: Actor, reading: Job, *, order: str, first: Sequence[str] = (), typed: str, reason: str
) -> Job:
    """Invite those of a reading who wait. Raises Refused; then nobody was written to.

    ``order``: "backup", "changed" (last changed first), "list" or "groups": those ``first``, by e-mail or by
    the groups that the restore's plan put them into, then the others.
    """
    if "people" not in reading.params or reading.state != State.DONE:
        raise Refused("Read first who waits for an invitation. Nobody was written to.")
    people = {item.key: item for item in invitable(reading)}
    if not people:
        raise Refused("Nobody waits for an invitation who may be written to now. Nobody was written to.")
    waiting = [Waiting(one.key, one.email, one.position, _changed(one)) for one in people.values()]
    wanted = _order(order, waiting, first, reading.params["people"])
    told = reason_of(reason, "whoever asks")
    if typed.strip() != confirmation_of_invite(reading, len(people)):
        raise Refused(
            f"Type {confirmation_of_invite(reading, len(people))} to send. Nobody was written to.", 400
        )
    if why := never(mails_of(reading), len(people)):
        raise Refused(f"{why} Nobody was written to.")
    job = Job(
        kind=Job.Kind.INVITE,
        queue=Job.Queue.WRITE,
        params={"reading": reading.pk, "restore": reading.params["people"], "order": wanted},
        reason=told,
    )
    with transaction.atomic():
        pool = Pool(region=reading.region, pool_id=reading.pool_id, name=reading.pool_name)
        job = start(
            actor,
            job,
            pool,
            Act.INVITE_ASKED,
            restore=reading.params["people"],
            reading=reading.pk,
            invite=len(people),
            order=wanted if isinstance(wanted, str) else f"list of {len(wanted):,}",
            reason=told,
            **break_glass(actor),
        )
        rows = [_row(job, people[one.key], place) for place, one in enumerate(in_order(waiting, wanted))]
        Item.objects.bulk_create(rows, batch_size=BATCH)
    return job


def confirmation_of_invite(reading: Job, number: int) -> str:
    """What has to be typed to send: environment and number, ``production invite 38``."""
    return f"{environment_of(reading.pool_name) or reading.pool_name} invite {number}"


def _read(actor: Actor, pool: Pool, restore: int | None) -> Job:
    params = {"people": restore}
    same = Job.objects.filter(
        kind=Job.Kind.PLAN, pool_id=pool.pool_id, params=params, state__in=ACTIVE
    ).first()
    if same is not None and not actor.terminal:
        return same
    job = Job(kind=Job.Kind.PLAN, queue=Job.Queue.READ, params=params)
    return start(actor, job, pool, Act.PLAN_ASKED, restore=restore or "everybody who waits")


def _order(order: str, waiting: list[Waiting], first: Sequence[str], restore: int | None) -> str | list[str]:
    if order in (BACKUP, CHANGED):
        return order
    if order == "groups":
        return _of_groups(first, {one.key for one in waiting}, restore)
    if order != "list":
        raise Refused(
            "Choose an order: as in the backup, last changed first, a list of e-mails, or groups.", 400
        )
    keys, unknown = keys_of(waiting, first)
    if unknown:
        are = "is" if len(unknown) == 1 else "are"
        raise Refused(
            f"{len(unknown):,} of the e-mails {are} not among those who wait. Nobody was written to.", 400
        )
    if not keys:
        raise Refused("The list of e-mails is empty. Nobody was written to.", 400)
    return keys


def _of_groups(named: Sequence[str], waiting: set[str], restore: int | None) -> list[str]:
    groups = list(filter(None, map(str.strip, named)))
    if not groups:
        raise Refused("Name the groups that come first. Nobody was written to.", 400)
    if restore is None:
        raise Refused("Groups are known of a restore's people only. Give a list. Nobody was written to.", 400)
    if keys := [key for key in of_groups(Item.objects.filter(job=restore), groups) if key in waiting]:
        return keys
    raise Refused("Nobody who waits comes back into one of these groups. Nobody was written to.", 400)


def _changed(item: Item) -> str:
    """Of the backup, else of the pool."""
    dates = [(before or now) for _, now, before in item.changes]
    return dates[0] if dates else ""


def _row(job: Job, item: Item, place: int) -> Item:
    """As a restore leaves who waits for an invitation, so that a cancel closes it in the same way."""
    return like(item, job, position=place, action="invite", outcome="unknown", step="confirmed")
