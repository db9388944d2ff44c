"""Looking: comparisons, the last good backup, one user's history, e-mails in clear."""

from __future__ import annotations

from collections.abc import Iterator

from backups import access, history
from backups.actions.asking import (
    Actor,
    Refused,
    canonical,
    may_now,
    note,
    reason_of,
    side,
    start,
    under_way,
)
from backups.core import differences as differing
from backups.core.history import Timeline
from backups.core.lastgood import BadRule, Rule, which_pool
from backups.core.lifecycle import State
from backups.history import Rebuilt
from backups.models import Backup, Job, Pool
from backups.models.audit import Act
from backups.runner import chosen as choosing
from backups.runner.chosen import Chosen


def start_compare(actor: Actor, from_: str, to: str, *, dates: bool = False) -> Job:
    """``from_`` and ``to``: a backup's key, ``live:<pool id>``; from a terminal also ``file:<path>``.

    ``dates``: users' dates are compared as well.
    """
    sides = [side(actor, name) for name in (from_, to)]
    from_, to = (canonical(name, side) for name, side in zip((from_, to), sides, strict=True))
    if from_ == to:
        raise Refused("Both sides are the same. Choose two different ones.", 400)
    pool = next((side for side in reversed(sides) if isinstance(side, Pool)), None)
    with_dates = {"dates": True} if dates else {}
    params = {"from": from_, "to": to, **with_dates}
    if job := under_way(actor, Job.Kind.COMPARE, params):
        return job
    job = Job(kind=Job.Kind.COMPARE, queue=Job.Queue.READ, params=params)
    if pool is None:
        job.pool_name = next(
            (side.pool_name for side in sides if isinstance(side, Backup) and side.pool_name), ""
        )
    return start(actor, job, pool, Act.COMPARE_ASKED, source=from_, target=to, **with_dates)


def start_find(actor: Actor, pool: str, kind: str, **asked: str) -> Job:
    """Find the last good backup of a pool; ``kind`` and ``asked`` as core.lastgood.Rule.of takes them.

    ``pool``: a name; or an id, and then the search is about the backups of this one alone.
    """
    try:
        rule = Rule.of(kind, **asked)
    except BadRule as error:
        raise Refused(f"{error} Nothing was started.", 400) from None
    if not pool:
        raise Refused("Choose a pool. Nothing was started.", 400)
    of: dict[str, str]
    if Pool.objects.filter(name=pool).exists() or Backup.objects.filter(pool_name=pool).exists():
        of = {"pool_name": pool}
        if pool_ids := history.sharing(pool).get(pool):
            raise Refused(f"{which_pool(pool, pool_ids)} Nothing was started.", 400)
    elif backup := Backup.objects.filter(pool_id=pool).exclude(pool_name="").first():
        of = {"pool_name": backup.pool_name, "pool_id": pool, "region": backup.region}
    elif live := Pool.objects.filter(pool_id=pool).first():
        of = {"pool_name": live.name, "pool_id": pool, "region": live.region}
    else:
        raise Refused(f"No pool {pool} is known here, nor a backup of one. Nothing was started.", 400)
    params = {**of, "rule": rule.params}
    if job := under_way(actor, Job.Kind.FIND, params):
        return job
    job = Job(kind=Job.Kind.FIND, queue=Job.Queue.READ, params=params, **of)
    return start(actor, job, None, Act.FIND_ASKED, rule=rule.words())


def differences(actor: Actor, job: Job, chosen: Chosen, form: str) -> Iterator[str]:
    """These rows of a comparison as lines of a file, ``form`` csv or json; the entry comes first."""
    if job.state != State.DONE or job.result.get("form") != choosing.FORM:
        raise Refused(f"Job {job.pk} has no result to download. Compare again.")
    may_now(actor, access.Action.DOWNLOAD)
    rows = chosen.rows()
    number = rows.count()
    note(
        actor,
        Act.COMPARISON_DOWNLOADED,
        pool=job.pool_text,
        job=job.pk,
        what=form,
        rows=number,
        filters=chosen.filters(),
    )
    values = rows.order_by("pk").values(*differing.HEADER[:6], "fields", "security", "more").iterator()
    if form == "csv":
        return differing.as_csv(values)
    head = {"comparison": job.pk, "filters": chosen.filters(), "rows_in_file": number, "result": job.result}
    return differing.as_json(head, values)


def read_history(actor: Actor, pool_name: str, asked: str) -> Timeline:
    """One person over all backups of a pool. Who asks for whom is in the audit log each time, masked."""
    timeline = history.history(pool_name, asked)
    note(actor, Act.HISTORY_READ, pool=pool_name, user=asked, found=timeline.found)
    return timeline


def rebuild_history(actor: Actor, pool_name: str) -> Rebuilt:
    """The index of users anew from the bucket, of one pool or ("") of all."""
    made = history.rebuild(pool_name)
    left_out = len(made.left_out)
    note(actor, Act.CATALOGUE_REBUILT, pool=pool_name, indexed=made.indexed, left_out=left_out)
    return made


def reveal(actor: Actor, what: str, reason: str, seconds: int) -> None:
    """Say in the audit log who sees e-mails in clear, of what, for how long and why."""
    reason = reason_of(reason, "whoever asks who has seen these e-mails")
    note(actor, Act.REVEALED, what=what, seconds=seconds, reason=reason)
