"""A backup job: reserve a key, write, read back."""

from __future__ import annotations

from datetime import timedelta

from backups import catalogue, seal, wiring
from backups.core.lifecycle import State
from backups.engine.backup import backup
from backups.engine.check import check
from backups.engine.ports import Cause, PortError
from backups.models import Backup, Job
from backups.reporting import JobReport
from backups.runner.words import Ended

TRIES = 5


def make_backup(job: Job, report: JobReport) -> Ended:
    """Never resumes a half: a new key each time, the half stays ``incomplete`` and is named so."""
    store = catalogue.store_for(job.pool_name)
    pool = wiring.pool(job.region, job.pool_id)
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

    report.phase("Reading back")
    found = check(store, reserved.key, report, clock, tool=catalogue.tool(), seal_holds=seal.holds)
    Backup.objects.filter(pk=reserved.pk).update(being_made_by=None)
    noted = catalogue.note_one(reserved.key)
    result = {
        "key": reserved.key,
        "pool_id": job.pool_id,
        "users": made.manifest.users,
        "groups": made.manifest.groups,
        "memberships": made.manifest.memberships,
        "state": noted.state,
        "checked": noted.checked,
        "seconds": f"{made.seconds:.1f}",
    }
    if not found.checked:
        return Ended(State.FAILED, f"Written, but reading it back did not agree: {found.reason}.", result)
    return Ended(State.DONE, f"{made.manifest.users:,} users backed up and checked.", result)


def _give_back(reserved: Backup) -> None:
    """What was put stays where it is and is shown as incomplete; where nothing was put, no row stays."""
    Backup.objects.filter(pk=reserved.pk).update(being_made_by=None)
    try:
        catalogue.note_one(reserved.key)
    except Backup.DoesNotExist:
        reserved.delete()
    except PortError:
        pass  # the next look at the bucket tells
