"""A backup job: reserve a key, write, read back. A restore makes one first, in its own job."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from backups import catalogue, history, seal, wiring
from backups.core.lifecycle import State
from backups.engine.backup import backup
from backups.engine.check import check
from backups.engine.ports import Cause, Outcome, PortError, Report, Stop, UserPool
from backups.models import Backup, Job, Policy
from backups.reporting import JobReport
from backups.runner.words import Ended, Refusal

log = structlog.get_logger(__name__)
TRIES = 5
KEPT = "No user pool was changed; what was written is listed as incomplete."


def make_backup(job: Job, report: JobReport) -> Ended:
    """Never resumes a half: a new key each time, the half stays ``incomplete`` and is named so."""
    for left in Backup.objects.filter(being_made_by=job):
        _give_back(left)  # by a process of this job that was killed
    ended = _tried(job, report)
    if ended.state == State.DONE and ended.result:
        _index(Backup.objects.get(key=ended.result["key"]), report)
    return ended


RESUME = "Nothing was restored. Resume when the cause is gone."


def back_up_first(job: Job, report: Report, otherwise: str = RESUME) -> str:
    """Make and check a backup of the pool that this job is about to write to; its key.

    ``otherwise``: what then was not done, and what to do. Raises Refusal where there is no checked one, Stop.
    Its history is indexed later, by the schedule.
    """
    for left in Backup.objects.filter(being_made_by=job):
        _give_back(left)
    asked = copy(job)
    asked.params = {**job.params, "trigger": Backup.MadeBy.BEFORE_RESTORE.value}
    ended = _tried(asked, _Beneath(report))
    if ended.state != State.DONE or not ended.result:
        raise Refusal(
            "Before anything is written to a pool with users in it, that pool is backed up, and this did not "
            f"work: {ended.sentence} {otherwise}"
        )
    return str(ended.result["key"])


def pool_of(job: Job) -> UserPool:
    """At the pace of the share that the job was given, where it was given one."""
    share = job.params.get("share")
    where = job.region, job.pool_id
    return wiring.pool(*where) if share is None else wiring.pool(*where, share)


@dataclass(frozen=True, slots=True)
class _Beneath:
    """The report of a job whose phase and counters are of something else than this backup."""

    _report: Report

    def phase(self, name: str, total: int | None = None) -> None:
        self._report.keep_going()

    def say(self, kind: str, text: str, **data: Any) -> None:
        self._report.say(kind, text, **data)

    def count(self, **counters: int) -> None:
        self._report.count()

    def intend(self, keys: Sequence[str], step: str = "") -> datetime:
        return self._report.intend(keys, step)

    def outcome(self, outcome: Outcome) -> None:
        self._report.outcome(outcome)

    def keep_going(self) -> None:
        self._report.keep_going()

    def stopping(self) -> bool:
        return self._report.stopping()


def _tried(job: Job, report: Report) -> Ended:
    try:
        return _make(job, report)
    except PortError as error:
        log.warning("backup failed", job=job.pk, cause=str(error.cause), code=error.code)
        return Ended(State.FAILED, f"{error} {KEPT}")


def _make(job: Job, report: Report) -> Ended:
    pool, mfa_policy = pool_of(job), _mfa_policy(job)
    _called(job, pool.facts().name, report)
    store = catalogue.store_for(job.pool_name)
    clock = wiring.clock()
    taken_at = clock.now()
    for _ in range(TRIES):
        reserved = catalogue.reserve(job, taken_at)
        try:
            made = backup(
                pool,
                store,
                report,
                clock,
                key=reserved.key,
                made_by=job.asked_by_name,
                trigger=job.params.get("trigger", Backup.MadeBy.PERSON),
                tool=catalogue.tool(),
                seal=seal.seal,
                seal_secret=seal.sealer(reserved.key, job.pool_id),
                mfa_policy=mfa_policy,
            )
            break
        except PortError as error:
            _give_back(reserved)
            if error.cause is not Cause.EXISTS:
                raise
            taken_at = reserved.taken_at + timedelta(seconds=1)
        except BaseException:
            _give_back(reserved)
            raise
    else:
        raise PortError("Every key that was tried is taken in the bucket.", Cause.EXISTS)

    result = {
        "key": reserved.key,
        "pool_id": job.pool_id,
        "users": made.manifest.users,
        "groups": made.manifest.groups,
        "memberships": made.manifest.memberships,
        "state": Backup.State.INCOMPLETE.value,
        "checked": False,
        "seconds": f"{made.seconds:.1f}",
    }
    report.phase("Reading back")
    try:
        found = check(store, reserved.key, report, clock, tool=catalogue.tool(), seal=seal.seal)
        if found.checked:
            Backup.objects.filter(pk=reserved.pk).update(being_made_by=None)
        noted = catalogue.note_read(reserved.key, found)
    except PortError as error:
        log.warning("backup not read back", job=job.pk, cause=str(error.cause), code=error.code)
        result["state"] = _give_back(reserved, "it was written, and could not be read back yet")
        said = f"Written under {reserved.key}, but it could not be read back: {error}"
        return Ended(State.FAILED, said, result)
    except BaseException:
        _give_back(reserved)
        raise
    result |= {"state": noted.state, "checked": noted.checked}
    if not found.checked:
        return Ended(State.FAILED, f"Written, but reading it back did not agree: {found.reason}.", result)
    users = "1 user" if made.manifest.users == 1 else f"{made.manifest.users:,} users"
    return Ended(State.DONE, f"{users} backed up and checked.", result)


def _index(backup: Backup, report: JobReport) -> None:
    """So that its users' history can be read. What fails here is no failure of the backup, which is made."""
    report.phase("Indexing")
    try:
        history.index(backup, report)
    except Stop:
        pass  # the next turn of backups.index takes it up
    except Exception as error:
        log.warning("backup not indexed yet", key=backup.key, error=type(error).__name__)


def _called(job: Job, name: str, report: Report) -> None:
    """A pool may be renamed after the last look: its backup lies under the name that its manifest gives."""
    if name != job.pool_name:
        report.say("note", f"The pool {job.pool_id} is called {name} now; it was {job.pool_name} before.")
        job.pool_name = name
        Job.objects.filter(pk=job.pk).update(pool_name=name)


def _mfa_policy(job: Job) -> str:
    """Of the pool's Region and name; where nobody has decided, as a new policy would have it."""
    policy = Policy.objects.filter(region=job.region, name=job.pool_name).first()
    return policy.mfa if policy else Policy.Mfa.AUTO.value


def _give_back(reserved: Backup, why: str = "it was cut short, and the bucket was not asked since") -> str:
    """What was put stays where it is, and is listed as what it is; where nothing was put, no row stays.

    Returns its state, as far as the bucket tells.
    """
    Backup.objects.filter(pk=reserved.pk).update(being_made_by=None, reason=why)
    try:
        return catalogue.note_one(reserved.key).state
    except Backup.DoesNotExist:
        reserved.delete()
    except PortError:
        pass  # the next look at the bucket tells
    return Backup.State.INCOMPLETE
