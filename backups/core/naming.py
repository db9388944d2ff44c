"""Names in the bucket: ``2026-11-22.01-00-00/<pool name>/data.json``. Keys sort by time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DATA, GROUPS, POOL, MANIFEST, CHECKED = (
    "data.json",
    "groups.json",
    "pool.json",
    "manifest.json",
    "checked.json",
)
MFA = "mfa.json"  # second factors of users: only where the pool's policy wants them read
CHECKS = (CHECKED, *(f"checked-{number}.json" for number in range(2, 10)))
"""Nobody writes over one that does not count any more: the next check takes the next name."""
UPLOADED = "uploaded.json"  # beside an upload's data.json: by whom, when, under which name
PARTS = (POOL, GROUPS, DATA)  # that every backup of ours has, in the order in which they are put
OPTIONAL = (MFA,)  # put after them, where there is one; MANIFEST comes last

KNOWN = frozenset({*PARTS, *OPTIONAL, MANIFEST, *CHECKS, UPLOADED})

OWN = "_cognito-admin/"
UPLOADS = OWN + "uploads/"
JOBS = OWN + "jobs/"  # reports of restores; see report_key
KEPT = OWN + "kept/"  # in REPORTS_BUCKET: copies out of expiry, each under its original's whole key

AHEAD = timedelta(minutes=10)
"""A backup whose key lies further in the future than this says nothing of what is the newest."""

_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}\.[0-9]{2}-[0-9]{2}-[0-9]{2}"
# No pool's name is longer (CreateUserPool), or holds what cannot be kept as text.
_KEY = re.compile(rf"(?P<kept>{KEPT}|)(?P<upload>{UPLOADS}|)(?P<time>{_TIME})/(?P<name>[^/\0]{{1,128}})")
_FORMAT = "%Y-%m-%d.%H-%M-%S"


@dataclass(frozen=True, slots=True)
class Key:
    """What a backup's key says. For an upload ``name`` is the file's name, and no pool's."""

    key: str
    taken_at: datetime
    name: str
    upload: bool
    kept: bool = False  # the copy out of expiry, in another bucket

    @property
    def pool_name(self) -> str:
        """ "" for an upload: nothing says which pool it is of."""
        return "" if self.upload else self.name

    @property
    def original(self) -> str:
        """The key that a kept copy was copied from; its own for any other."""
        return self.key.removeprefix(KEPT)


def key_of(taken_at: datetime, name: str, *, upload: bool = False) -> str:
    """The key of a backup: its time in UTC, to the second, and its pool's name."""
    return f"{UPLOADS if upload else ''}{taken_at.astimezone(UTC).strftime(_FORMAT)}/{name}"


def report_key(job: int, at: datetime) -> str:
    """Under which a restore's report of this moment lies.

    The time is in it because a job may end, go on and end again, and because its number is given anew when
    the database was lost.
    """
    return f"{JOBS}{job}/{at.astimezone(UTC).strftime(_FORMAT)}"


def beside_users(key: str) -> frozenset[str]:
    """What may lie under this key where there is no manifest: users alone, and what was said of the file."""
    return frozenset({DATA, UPLOADED, *(CHECKS if key.startswith(KEPT) else ())})


def kept_key(key: str) -> str:
    """Where the copy of a backup lies; a copy is its own."""
    return key if key.startswith(KEPT) else KEPT + key


def parse(key: str) -> Key | None:
    """Read a backup's key as people type it, perhaps with a part's name behind; None for anything else."""
    key = key.strip("/")
    head, _, last = key.rpartition("/")
    return _exactly(key) or (_exactly(head) if last in KNOWN else None)


def split(object_key: str) -> tuple[Key, str] | None:
    """An object's key as (backup, part's name); None for an object that is no part of a backup."""
    head, _, part = object_key.rpartition("/")
    backup = _exactly(head) if part in KNOWN else None
    return (backup, part) if backup else None


def _exactly(key: str) -> Key | None:
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    try:
        day, _, clock = match["time"].partition(".")  # strptime takes 20 times as long
        taken_at = datetime.fromisoformat(f"{day}T{clock.replace('-', ':')}+00:00")
    except ValueError:
        return None
    return Key(key, taken_at, match["name"], bool(match["upload"]), bool(match["kept"]))


def upload_name(file_name: str) -> str:
    """A file's name as it may stand in a key: letters, digits, dot, dash, underscore; never empty."""
    last = file_name.replace("\\", "/").rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("-.")[:100] or "upload"
