"""A restore's map and report: made from the ledger, and put into the bucket when a worker lets go of it.

    ledger -> map rows -> CSV, JSON, SQL
    plan, ledger, map, aftercare, audit log -> one zip
    _cognito-admin/jobs/<id>/<time>/   identity-map.csv, .json, .sql, then report.zip

In the bucket they are read without us: on the day our database is gone too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Case, Count, Exists, IntegerField, OuterRef, Q, QuerySet, Value, When

from backups import storage, wiring
from backups.core import identity_map as mapping
from backups.core import map_sql, naming
from backups.core import report as written
from backups.core.choices import Choices
from backups.core.lifecycle import ACTIVE, WORDS, State
from backups.core.snapshot import User, iso
from backups.engine.ports import BackupStore, Cause, PortError
from backups.models import Aftercare, AuditEntry, Item, Job, Plan, database_now
from backups.models.audit import Act
from backups.runner.words import Ended

log = structlog.get_logger(__name__)
ZIP = "report.zip"
MAP = "identity-map"
CHUNK = 2000
ASKED = tuple(act for act in Act if act.endswith("asked") and not act.startswith("job."))
"""Acts that begin a job, each with the entry that the job's row was written with."""
HALF_MADE = "half_made"
"""Of a restore's result: users whom it created and did not finish, as of its last end or pause."""
TRIES = 5  # seconds in a row that may be somebody else's


# --- the identity map ---------------------------------------------------------------------------------


def mapped(job: Job) -> QuerySet[Item]:
    """Who has an identity in the pool: whom this restore made, and who was there and kept it.

    Whom an undo deleted again has none: access moved to such a sub would be lost.
    """
    # Of NOT IN and some 100,000 subs PostgreSQL makes no hash, and looks through all of them each time.
    gone = deleted(job.pool_id).filter(new_sub=OuterRef("new_sub"))
    return job.items.exclude(new_sub="").exclude(Exists(gone))


def half_made(job: Job) -> QuerySet[Item]:
    """Whom this restore created and did not come to the end with; they stand in the pool."""
    return mapped(job).filter(action="create").exclude(outcome__in=("created", "skipped"))


def undone(job: Job) -> QuerySet[Item]:
    """Of this restore's rows those whom an undo deleted: its own, or that of a restore which made them."""
    return job.items.filter(new_sub__in=deleted(job.pool_id))


def undos(job: Job) -> Any:
    """Undos of this restore that changed somebody or are under way: a QuerySet of jobs, each with its numbers
    of users ``deleted``, ``put_back`` and ``left_alone``."""
    rows = Job.objects.filter(kind=Job.Kind.UNDO, params__undo=job.pk)
    counted = rows.annotate(
        deleted=Count("items", filter=Q(items__outcome="deleted")),
        put_back=Count("items", filter=Q(items__outcome="updated")),
        left_alone=Count("items", filter=Q(items__outcome__in=("skipped", "failed"))),
    )
    return counted.filter(Q(deleted__gt=0) | Q(put_back__gt=0) | Q(state__in=sorted(ACTIVE))).order_by("pk")


def deleted(pool_id: str) -> QuerySet[Item, Any]:
    """Subs that undos deleted in this pool. Cognito gives none of them again."""
    undos = Item.objects.filter(job__kind=Job.Kind.UNDO, job__pool_id=pool_id)
    return undos.filter(outcome="deleted").exclude(new_sub="").values("new_sub")


def rows_of(job: Job) -> Iterator[mapping.Row]:
    """The map, the application's admins first, then in the backup's order."""
    first = Case(When(_is_admin(), then=Value(0)), default=Value(1), output_field=IntegerField())
    columns = (*mapping.HEADER[:5], "action", "outcome")
    for *names, action, outcome in (
        mapped(job).order_by(first, "position").values_list(*columns).iterator(chunk_size=CHUNK)
    ):
        old_sub, new_sub, old_username, new_username, email = names
        yield old_sub, new_sub, old_username, new_username, email, mapping.how(action, outcome).value


def admins_without(job: Job) -> list[str]:
    """E-mails of APPLICATION_ADMIN_EMAILS that the map lacks; the application is not whole without them."""
    there = {email.casefold() for email in mapped(job).filter(_is_admin()).values_list("email", flat=True)}
    return [email for email in admins() if email.casefold() not in there]


def admins() -> list[str]:
    told: list[str] = settings.APPLICATION_ADMIN_EMAILS
    return told


def _is_admin() -> Q:
    found = Q(pk__in=())
    for email in admins():
        found |= Q(email__iexact=email)
    return found


def as_csv(job: Job) -> Iterator[str]:
    return mapping.lines(rows_of(job))


def as_json(job: Job) -> Iterator[str]:
    head = {"job": job.pk, "pool": job.pool_id, "pool_name": job.pool_name, "region": job.region}
    return mapping.as_json({**head, "made_at": iso(database_now()), **_lacking(job)}, rows_of(job))


def _lacking(job: Job) -> dict[str, Any]:
    return {"admins_without_identity": found} if (found := admins_without(job)) else {}


def as_sql(job: Job) -> Iterator[str]:
    """Raises map_sql.BadTemplate or map_sql.Unwritable now, and not in the middle."""
    template = map_sql.load(settings.IDENTITY_MAP_SQL)
    for row in rows_of(job):
        for value in row:
            map_sql.literal(value)
    return template.fill(rows_of(job), job=job.pk, made_at=iso(database_now()))


def why_no_sql(job: Job, error: Exception) -> str:
    """A sentence about an error of ``as_sql``."""
    if isinstance(error, map_sql.BadTemplate):
        return f"There is no SQL: the template that IDENTITY_MAP_SQL names {error}."
    return f"There is no SQL. {error} CSV and JSON hold the map to the letter."


FORMS = {"csv": as_csv, "json": as_json, "sql": as_sql}


def find_admins(job: Job) -> None:
    """The application makes its own admins again: whoever holds such an address now is that admin.

    Only where the pool says that the address is verified and the account confirmed or its administrator's:
    anybody may have signed up with it in the meantime. One account is one row's, or the script would refuse
    the map: neither a federated account of the same person nor a second one takes it. Raises PortError.
    """
    without = job.items.filter(_is_admin(), new_sub="", outcome="skipped")
    for item in without.exclude(reason__in=("federated", "duplicate")).order_by("position"):
        try:
            found = User.of(wiring.pool(job.region, job.pool_id).get_user(item.email))
        except PortError as error:
            if error.cause is Cause.MISSING:
                continue
            raise
        same = found.email.casefold() == item.email.casefold() and found.email_verified
        if not same or found.status not in ("CONFIRMED", "FORCE_CHANGE_PASSWORD") or not found.sub:
            continue
        if not job.items.filter(new_sub=found.sub).exists():
            changed = {"new_sub": found.sub, "new_username": found.username}
            job.items.filter(pk=item.pk, new_sub="").update(**changed)


# --- aftercare ----------------------------------------------------------------------------------------


def aftercare_of(job: Job) -> list[Aftercare]:
    """The job's own list; the settings', not saved, where a restore has changed somebody and has none yet."""
    if items := list(job.aftercare.all()):
        return items
    if not job.items.filter(intended_at__isnull=False).exists():
        return []
    return [Aftercare(job=job, position=place, item=item) for place, item in enumerate(settings.AFTERCARE)]


def begin_aftercare(job: Job) -> None:
    """The settings' list becomes this job's own, once."""
    with transaction.atomic():
        Job.objects.select_for_update().get(pk=job.pk)
        Aftercare.objects.bulk_create(item for item in aftercare_of(job) if item.pk is None)


# --- the report ---------------------------------------------------------------------------------------


def plan_of(job: Job) -> Plan | None:
    """Also of a restore of a few users, which does not use up its plan."""
    return Plan.objects.select_related("job").filter(pk=job.params.get("plan")).first()


def trials(plan: Plan) -> QuerySet[Job]:
    """Restores of a few users of this plan."""
    of_plan = Job.objects.filter(kind=Job.Kind.RESTORE, params__plan=plan.pk, params__has_key="only")
    return of_plan.order_by("pk")


def trial(job: Job, plan: Plan | None) -> str:
    """With how many of its plan's users it was tried, a sentence; "" for a restore of everybody."""
    if "only" not in job.params:
        return ""
    number = len(job.params["only"])
    users = "1 user" if number == 1 else f"{number:,} users"
    if plan is None:
        return f"This is a trial with {users}."
    whole = int(plan.counts["create"]) + int(plan.counts.get("update", 0))
    return f"This is a trial with {users} of the {whole:,} whom its plan writes."


def archive(job: Job) -> Iterator[bytes]:
    """The report as a zip, in chunks."""
    plan = plan_of(job)
    parts: dict[str, Iterable[str]] = {}
    if plan is not None:
        parts["plan.json"] = written.one(_plan(plan))
    parts["choices.json"] = written.one(_choices(job, plan))
    if plan is not None and plan.checks:
        parts["preflight.json"] = written.one({"checks": plan.checks})
    parts["approvals.json"] = written.one(_approvals(job, plan))
    parts["ledger.csv"] = written.ledger_csv(map(written.ledger_row, _ledger(job)))
    parts["ledger.json"] = written.listed({"job": job.pk}, "users", map(written.ledger_row, _ledger(job)))
    parts["confirmation.json"] = _confirmation(job)
    parts["identity-map.csv"] = as_csv(job)
    parts["identity-map.json"] = as_json(job)
    left_out = ""
    try:
        parts["identity-map.sql"] = as_sql(job)
    except (map_sql.BadTemplate, map_sql.Unwritable) as error:
        left_out = why_no_sql(job, error)
    parts["aftercare.json"] = written.one({"items": list(map(_item, aftercare_of(job)))})
    parts["audit.json"] = written.listed({"job": job.pk}, "entries", _entries(job, plan))
    now = database_now()
    words = WORDS.get(State(job.state), job.state)
    said = " ".join(filter(None, (trial(job, plan), left_out)))
    readme = written.readme(job.pk, job.pool_text, words, iso(now), list(parts), said)
    return written.zipped([(written.README, [readme]), *parts.items()], now)


def totals(job: Job) -> dict[str, int]:
    """What became of everybody, counted in the ledger: each outcome, and what was read back."""
    ends = {name: name for name in ("created", "updated", "skipped", "failed")}
    counted = job.items.aggregate(
        users=Count("pk"),
        **{
            name: Count("pk", filter=Q(outcome=outcome))
            for name, outcome in {**ends, "not_finished": "unknown", "not_begun": ""}.items()
        },
        confirmed=Count("pk", filter=Q(confirmed=True)),
    )
    return {name: int(number) for name, number in counted.items()}


def asked_first(job: Job) -> AuditEntry | None:
    """Of who asked for the job; its row names whoever resumed it last."""
    return AuditEntry.objects.filter(act__in=ASKED, job=job.pk).order_by("seq").first()


def resumes(job: Job) -> list[AuditEntry]:
    """Of everybody who resumed it, in order."""
    return list(AuditEntry.objects.filter(act=Act.JOB_RESUMED, job=job.pk).order_by("seq"))


def entries_of(job: Job, plan: Plan | None) -> QuerySet[AuditEntry]:
    undos = Job.objects.filter(params__undo=job.pk).values_list("pk", flat=True)
    jobs = [job.pk, *([plan.job_id] if plan else []), *undos]
    return AuditEntry.objects.filter(job__in=jobs).order_by("seq")


def planned(plan: Plan, form: str) -> Iterator[str]:
    """Every line of a plan, ``form`` csv or json; in JSON with all that the plan rests on and counted."""
    names = [*(name for name in written.PLANNED if name != "why"), "detail"]
    items = plan.job.items.order_by("position").values(*names).iterator(chunk_size=CHUNK)
    rows = (written.ledger_row(item, written.PLANNED) for item in items)
    if form == "csv":
        return written.ledger_csv(rows, written.PLANNED)
    return written.listed({**_plan(plan), "choices": plan.choices, "checks": plan.checks}, "users", rows)


def _plan(plan: Plan) -> dict[str, Any]:
    names = ("digest", "source", "source_sha256", "source_pool", "counts", "refusals", "warnings", "facts")
    told = {name: getattr(plan, name) for name in names}
    return {"job": plan.job_id, "pool": plan.job.pool_text, "read_at": plan.read_at, **told}


def _choices(job: Job, plan: Plan | None) -> dict[str, Any]:
    first = asked_first(job)
    return {
        "restore": job.pk,
        "asked_by": first.actor if first else job.asked_by_name,
        "asked_by_id": first.actor_id if first else job.asked_by,
        "asked_at": first.at if first else job.created_at,
        "reason": job.reason,
        "resumed": [
            {"by": entry.actor, "by_id": entry.actor_id, "at": entry.at, **entry.details}
            for entry in resumes(job)
        ],
        "asked_for": job.params,
        "plan": plan.choices if plan else None,
    }


def _approvals(job: Job, plan: Plan | None) -> dict[str, Any]:
    first = asked_first(job)
    return written.approvals(
        settings.RESTORE_APPROVALS,
        Choices.of_json(plan.choices) if plan else None,
        terminal=bool(first and first.details.get("break_glass")),
    )


def _ledger(job: Job, only: Q | None = None) -> Iterator[dict[str, Any]]:
    names = [*(name for name in written.LEDGER if name != "why"), "detail"]
    rows = job.items.filter(only) if only is not None else job.items.all()
    yield from rows.order_by("position").values(*names).iterator(chunk_size=CHUNK)


def _confirmation(job: Job) -> Iterator[str]:
    head = {
        "job": job.pk,
        "state": job.state,
        "sentence": job.sentence,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "totals": totals(job),
        "created_not_finished": half_made(job).count(),
        "undos": list(undos(job).values("pk", "state", "deleted", "put_back", "left_alone")),
    }
    reached = Q(outcome="skipped") | Q(outcome__in=("created", "updated"), confirmed=True)
    return written.listed(head, "not_as_planned", map(written.ledger_row, _ledger(job, ~reached)))


def _item(item: Aftercare) -> dict[str, Any]:
    return {
        "item": item.item,
        "ticked_at": item.ticked_at,
        "by": item.by,
        "by_id": item.by_id,
        "note": item.note,
    }


def _entries(job: Job, plan: Plan | None) -> Iterator[Mapping[str, Any]]:
    yield from entries_of(job, plan).values("seq", "prev", "hash", "body").iterator(chunk_size=CHUNK)


# --- in the bucket ------------------------------------------------------------------------------------


def keep_report(job: Job, ended: Ended) -> Ended:
    """Map and report into the bucket as of this end, or of this pause; where they lie is in the result.

    An undo puts those anew whose map it has changed. What goes wrong is said in the job's sentence and spoils
    nothing else: users stand where they stand.
    """
    if ended.state == State.QUEUED or not job.items.exists():
        return ended
    if job.kind == Job.Kind.UNDO:
        return replace(ended, sentence=" ".join([ended.sentence, *_anew(job)]))
    if job.kind != Job.Kind.RESTORE:
        return ended
    said: list[str] = []
    begin_aftercare(job)
    try:
        find_admins(job)
    except PortError as error:
        log.warning("admins not looked up", job=job.pk, cause=str(error.cause))
        said.append(f"Whether the application's own admins are back was not told. {error}")
    told = copy(job)
    told.state, told.sentence = ended.state, ended.sentence
    kept, why = _keep(told)
    result = {**(ended.result if ended.result is not None else job.result), **kept}
    result[HALF_MADE] = half_made(job).count()
    said += [why] if why else []
    return replace(ended, sentence=" ".join([ended.sentence, *said]).strip(), result=result)


def _anew(undo: Job) -> Iterator[str]:
    """Maps in the bucket that have whom this undo deleted are followed by new ones; where none is, and why.

    Whichever restore they are of: who was made by one is in the map of those that found them there.
    """
    deleted = undo.items.filter(outcome="deleted").exclude(new_sub="").values("new_sub")
    restores = Job.objects.filter(kind=Job.Kind.RESTORE, pool_id=undo.pool_id, result__has_key="report")
    with_them = Item.objects.filter(new_sub__in=deleted).values("job")
    for restore in restores.filter(pk__in=with_them).order_by("pk"):
        kept, why = _keep(restore)
        if why:
            yield f"In the bucket the map of restore {restore.pk} still has whom this undo deleted. {why}"
        else:
            Job.objects.filter(pk=restore.pk).update(result={**restore.result, **kept})


def _keep(job: Job) -> tuple[dict[str, str], str]:
    """(where map and report of a restore lie now, "") or ({}, why they do not: a sentence)."""
    try:
        store = _store(job)
        return {"report": _put(store, job), "report_bucket": store.bucket}, ""
    except PortError as error:
        log.warning("report not written", job=job.pk, cause=str(error.cause), code=error.code)
        return {}, f"The report was not written to the bucket; its page has it. {error}"
    except DatabaseError:
        raise  # nothing can be written down now, and the end neither
    except Exception as error:  # a report that fails must not take the end with it
        log.exception("report not written", job=job.pk)
        return {}, f"The report could not be made ({type(error).__name__})."


def _store(job: Job) -> BackupStore:
    """Where no rule ends objects, if there is such a bucket."""
    place = storage.place_for(job.pool_name)
    return wiring.reports_store(place) or wiring.store(place)


def _put(store: BackupStore, job: Job) -> str:
    """The map first: on a bad day it is what is needed. Returns the key they lie under. Raises PortError."""
    at = database_now()
    for _ in range(TRIES):
        key = naming.report_key(job.pk, at)
        try:
            store.put(f"{key}/{MAP}.csv", _bytes(as_csv(job)))
            break
        except PortError as error:
            if error.cause is not Cause.EXISTS:
                raise
            at += timedelta(seconds=1)
    else:
        raise PortError(f"Other reports lie under {key} and the seconds before it.", Cause.EXISTS)
    store.put(f"{key}/{MAP}.json", _bytes(as_json(job)))
    try:
        script = as_sql(job)
    except (map_sql.BadTemplate, map_sql.Unwritable) as error:
        log.warning("no SQL of the map", job=job.pk, error=type(error).__name__)  # the report says why
    else:
        store.put(f"{key}/{MAP}.sql", _bytes(script))
    store.put(f"{key}/{ZIP}", archive(job))
    return key


def _bytes(pieces: Iterable[str]) -> Iterator[bytes]:
    """Not one chunk for each line."""
    some: list[str] = []
    for piece in pieces:
        some.append(piece)
        if len(some) == CHUNK:
            yield "".join(some).encode()
            some.clear()
    yield "".join(some).encode()
