"""What the commands share: output, asking from a list, running a job in this process.

A command prints for a reader; with ``--json`` the last line of stdout is one JSON
object, alone. Exit status: 0 done, planned, nothing wrong found; 1 anything else
that ran; 2 wrong use.
"""

from __future__ import annotations

import getpass
import json
import signal
import socket
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import structlog
from django.conf import settings
from django.core import checks
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from tqdm import tqdm

from backups import actions, catalogue, runner
from backups.core import naming
from backups.core.lifecycle import State
from backups.engine.ports import PortError
from backups.models import Backup, Event, Job, Pool

log = structlog.get_logger(__name__)
T = TypeVar("T")
WENT_WELL = frozenset({State.DONE, State.PLANNED})


class Command(BaseCommand):
    """A verb for a terminal. Subclasses write ``arguments`` and ``act``."""

    requires_system_checks = ()  # a host where the web is broken must still be able to restore

    def arguments(self, parser: ArgumentParser) -> None:
        """What the verb takes, besides ``--json``."""

    def act(self, **options: Any) -> tuple[dict[str, Any], int]:
        """Do it: (what ``--json`` prints, exit status)."""
        raise NotImplementedError

    def add_arguments(self, parser: ArgumentParser) -> None:
        self.arguments(parser)
        parser.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        self.as_json: bool = options.pop("json")
        if settings.WRONG_SETTINGS:
            said = " ".join(f"{name} {why}." for name, why in settings.WRONG_SETTINGS.items())
            self.stop(f"{said} Nothing was done.", 1)
        for message in checks.run_checks():
            if message.is_serious(checks.WARNING):
                self.stderr.write(f"{message.id}: {message.msg}")
        try:
            found, status = self.act(**options)
        except actions.Refused as refused:
            self.stop(str(refused), 2 if refused.status in (400, 404) else 1)
        except PortError as error:
            self.stop(str(error), 1)
        except DatabaseError as error:
            said = str(error).strip().splitlines()[0]
            self.stop(f"The database cannot be used: {said}. Is it up, and migrated (manage.py migrate)?", 1)
        except CommandError:
            raise
        except Exception as error:  # a sentence for what nobody thought of; --traceback shows the rest
            log.warning("command failed", error=type(error).__name__)
            self.stop(f"The command itself failed ({type(error).__name__}: {error}).", 1)
        if self.as_json:
            self.stdout.write(json.dumps(found, ensure_ascii=False, default=str))
        sys.exit(status) if status else None

    def stop(self, sentence: str, status: int) -> NoReturn:
        if self.as_json:
            self.stdout.write(json.dumps({"error": sentence}, ensure_ascii=False))
        raise CommandError(sentence, returncode=status)

    def print(self, text: str = "") -> None:
        """For the reader; with ``--json`` it goes to stderr, so that stdout stays a machine's."""
        (self.stderr if self.as_json else self.stdout).write(
            text, self.style.NOTICE if self.as_json else None
        )

    def table(self, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        cells = [list(map(str, row)) for row in rows]
        widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
        for row in [list(head), *cells]:
            self.print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    # --- who, and which ---

    @property
    def actor(self) -> actions.Actor:
        """The host's user: a write from a terminal is break-glass, and is in the audit log as such."""
        name = f"{getpass.getuser()}@{socket.gethostname()}"
        return actions.Actor(runner.TERMINAL + name, name, terminal=True)

    def pool(self, named: str | None, what: str = "--pool", *, gone: bool = False) -> Pool:
        """By id or name, in the configured Regions as AWS lists them now; asked for when it is missing.

        Where AWS does not list them, a pool is asked by its id, and one that was seen earlier will do.
        ``gone``: where none stands, one that is gone will do too.
        """
        silent = catalogue.look_at_pools()
        if silent and named and "_" in named:  # as every id has
            catalogue.look_at_pool(named)
        here = Pool.objects.filter(region__in=settings.POOL_REGIONS)
        pools = list(here.exclude(presence=Pool.Presence.GONE))
        found = [pool for pool in pools if named in (pool.pool_id, pool.name)]
        if gone and not found:
            found = [pool for pool in here if named in (pool.pool_id, pool.name)]
        if silent and not (found if named else pools):
            self.stop(f"AWS did not list the pools: {' '.join(silent.values())}", 1)
        if named is None:
            if not pools:
                self.stop("No pool stands in the configured Regions (POOL_REGIONS).", 1)
            return self.choose(what, pools, str)
        if len(found) > 1:
            ids = ", ".join(pool.pool_id for pool in found)
            self.stop(f"Several pools are called {named}: name one by its id ({ids}).", 2)
        if not found:
            self.stop(f"No pool {named} stands in the configured Regions.", 2)
        return found[0]

    def backup(self, key: str | None, what: str = "--backup") -> Backup:
        """By key, read from the bucket now; asked for when it is missing."""
        if key is None:
            catalogue.look_at_bucket(whole=False)
            readable = [b for b in Backup.objects.order_by("-suggested", "-taken_at")[:40] if b.readable]
            if not readable:
                self.stop("There is no readable backup in the bucket.", 1)
            return self.choose(what, readable, _backup_line)
        try:
            return catalogue.note_one(key)
        except Backup.DoesNotExist as error:
            self.stop(str(error), 2)

    def choose(self, what: str, things: Sequence[T], text: Callable[[T], str]) -> T:
        if not sys.stdin.isatty():
            self.stop(f"{what} is missing.", 2)
        for number, thing in enumerate(things, 1):
            self.stderr.write(f"{number:>3}  {text(thing)}")
        answer = input(f"{what}, a number from 1 to {len(things)}: ").strip()
        if not answer.isdigit() or not 1 <= int(answer) <= len(things):
            self.stop(f"{answer or 'Nothing'} is none of them. Nothing was done.", 2)
        return things[int(answer) - 1]

    # --- jobs ---

    def run(self, job: Job) -> Job:
        """Run it here, showing its progress; Ctrl-C pauses at the next step, a second one ends at once."""
        interrupted = threading.Event()
        with _ctrl_c(interrupted), _following(job, sys.stderr.isatty()):
            done = runner.run(job.pk, interrupted=interrupted)
        job.refresh_from_db()
        if done is None:
            self.print(f"Job {job.pk} is run by another process.")
        if job.sentence:
            state = job.get_state_display()
            said = job.sentence if job.sentence.startswith(state) else f"{state}. {job.sentence}"
            self.print(f"Job {job.pk}: {said}")
        if job.state == State.PAUSED:
            self.print(f"Go on with: manage.py resume {job.pk}")
        return job


def status_of(job: Job) -> int:
    return 0 if job.state in WENT_WELL else 1


def source_of(command: Command, named: str | None, what: str) -> str:
    """A KEY or a FILE on this host, as jobs name it: a key, or ``file:/path``."""
    if named is not None and naming.parse(named) is None:
        path = Path(named).resolve()
        if not path.is_file():
            command.stop(f"{named} is neither a backup's key nor a file on this host.", 2)
        return f"file:{path}"
    return command.backup(named, what).key


def backup_row(backup: Backup) -> dict[str, Any]:
    return {
        "key": backup.key,
        "pool": backup.pool_name,
        "taken_at": backup.taken_at.isoformat(),
        "state": backup.state,
        "checked": backup.checked,
        "origin": backup.origin,
        "users": backup.users,
        "groups": backup.groups,
        "suggested": backup.suggested,
        "passed_over": backup.passed_over,
        "reason": backup.reason,
        "kept_as": backup.kept_as,
        "expires_at": backup.expires_at.isoformat() if backup.expires_at else None,
        "may_expire_at": backup.may_expire_at.isoformat() if backup.may_expire_at else None,
    }


def _backup_line(backup: Backup) -> str:
    marks = ["suggested"] * backup.suggested + [backup.state]
    return f"{backup.key}  {backup.users:,} users  {', '.join(marks)}"


@contextmanager
def _ctrl_c(interrupted: threading.Event) -> Iterator[None]:
    def ask(*_: object) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()
        sys.stderr.write("\nPausing at the next step…\n")

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _following(job: Job, terminal: bool) -> Iterator[None]:
    """The job's event rows on stderr: a progress bar on a terminal, plain lines elsewhere."""
    stop = threading.Event()
    thread = threading.Thread(target=_follow, args=(job, terminal, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _follow(job: Job, terminal: bool, stop: threading.Event) -> None:
    seen = 0
    bar = tqdm(total=None, unit="user", file=sys.stderr, disable=not terminal, leave=False)
    over = False
    while not over:
        over = stop.wait(0.3)
        for event in _events(job, seen):
            seen = event.pk
            if event.kind == "phase":
                bar.set_description(event.data["phase"])
                if not terminal:
                    sys.stderr.write(f"{event.at:%H:%M:%S} {event.data['phase']}\n")
            elif event.kind == "count":
                _move(bar, event.data)
    bar.close()
    connection.close()


def _events(job: Job, seen: int) -> list[Event]:
    """What came since; nothing where the database does not answer now, for the next look has it."""
    try:
        return list(Event.objects.filter(job=job, pk__gt=seen))
    except DatabaseError:
        connection.close()
        return []


def _move(bar: Any, counters: dict[str, int]) -> None:
    if counters.get("total"):
        bar.total = counters["total"]
        bar.n = counters["total"] - counters.get("left", 0)
    else:
        bar.n = counters.get("users") or counters.get("read_to") or counters.get("live") or bar.n
    bar.refresh()
