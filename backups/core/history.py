"""One person over many backups: what they looked like in each, folded into what happened between which two.

    sights (a backup, and the states of the person in it) -> lines -> entries, newest first

A state is what a backup says of a user, but for UserLastModifiedDate, which moves by itself. Groups are
None where a backup does not know them: that is never a change. A person is followed by ``sub``; another
``sub`` is a new identity, and what differs from the one before it is told with it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

import orjson

from backups.core.snapshot import User, in_utc

GROUPS = "groups"
OF_THE_IDENTITY = frozenset({"Username", "UserStatus", "UserCreateDate"})
"""New with every identity: shown with it, and no change by themselves."""


@dataclass(frozen=True, slots=True)
class State:
    """What one user looked like in one backup."""

    sub: str  # "" in a file that lacks it
    username: str
    enabled: bool
    status: str
    created: str  # ISO 8601, UTC; as it came where it is no time
    attributes: tuple[tuple[str, str], ...]  # sorted; without the sub, and without empty ones
    groups: tuple[str, ...] | None  # sorted; None: that backup does not know

    @classmethod
    def of(cls, user: User, groups: Collection[str] | None) -> State:
        given = ((name, value) for name, value in user.attributes.items() if value and name != "sub")
        known = None if groups is None else tuple(sorted(groups))
        created = in_utc(user.created) or user.created
        return cls(user.sub, user.username, user.enabled, user.status, created, tuple(sorted(given)), known)

    @classmethod
    def read(cls, line: bytes) -> State:
        """What ``line`` wrote."""
        sub, username, enabled, status, created, groups, attributes = orjson.loads(line)
        known = None if groups is None else tuple(groups)
        return cls(sub, username or sub, enabled, status, created, tuple(attributes.items()), known)

    def line(self) -> bytes:
        """JSON in one line: the same state, the same bytes."""
        username = "" if self.username == self.sub else self.username
        attributes = dict(self.attributes)
        return orjson.dumps(
            [self.sub, username, self.enabled, self.status, self.created, self.groups, attributes]
        )

    @property
    def key(self) -> str:
        """As User.key."""
        return self.sub or self.username

    @property
    def email(self) -> str:
        return dict(self.attributes).get("email", "")

    @property
    def label(self) -> str:
        return self.email or self.username

    @property
    def names(self) -> frozenset[str]:
        """By which somebody may ask, folded."""
        return frozenset(folded(name) for name in (self.sub, self.username, self.email) if name)

    @property
    def fields(self) -> dict[str, str]:
        """Everything but the sub and the groups, as text, where there is one."""
        enabled = "true" if self.enabled else "false"
        known = {"Username": self.username, "Enabled": enabled, "UserStatus": self.status}
        known |= {"UserCreateDate": self.created} if self.created else {}
        return {**known, **dict(self.attributes)}


def folded(name: str) -> str:
    """One spelling for all: NFC, without difference by case, whatever the pool does."""
    return unicodedata.normalize("NFC", name.strip()).casefold()


def bearing(states: Iterable[State], asked: str) -> list[State]:
    """Who bears this name; where several do and some spell it exactly so, those."""
    found = [state for state in states if folded(asked) in state.names]
    exact = [state for state in found if asked.strip() in (state.sub, state.username, state.email)]
    return exact or found


# --- what happened ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """One backup."""

    at: datetime
    key: str


@dataclass(frozen=True, slots=True)
class Sight:
    """The person in one backup: as a rule one state, or none."""

    point: Point
    states: tuple[State, ...]
    pool_id: str = ""  # "" where the backup does not say


@dataclass(frozen=True, slots=True)
class Change:
    """One field; None is "not there", and of groups "not known"."""

    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened after the backup ``before`` and not later than the backup ``at``."""

    kind: str  # first | changed | missing | back | anew
    key: str  # of the identity: its sub
    before: Point | None  # None: it was so in the first backup already
    at: Point
    state: State  # as it is from then on; of "missing" as it was last
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """What backups say that can be read one after the other: those of one pool and its successors."""

    pool_id: str  # "" where there is one line only
    entries: tuple[Entry, ...]  # newest first
    newest: Point
    there: tuple[State, ...]  # in the newest
    ambiguous: tuple[Point, ...] = ()  # backups that hold several identities of the person at once
    newer: int = 0  # backups taken after ``newest`` that are not read, and may be of this line


@dataclass(frozen=True, slots=True)
class Timeline:
    """A person's history as far as it can be read."""

    asked: str
    lines: tuple[Line, ...] = ()
    backups: int = 0  # that were read for it
    others: int = 0  # users who bore one of the names at another time, and stand beside this one
    too_many: int = 0  # so many bear the name that nobody is followed
    waiting: int = 0  # readable backups that are not indexed yet
    waiting_from: datetime | None = None  # when the oldest and the newest of them were taken
    waiting_to: datetime | None = None
    skipped: tuple[tuple[str, str], ...] = ()  # (key of a backup that could not be indexed, why)
    nameless: tuple[Point, ...] = ()  # backups that fit into no line: see ``nameless``; newest first

    @property
    def found(self) -> bool:
        return any(line.entries for line in self.lines)


def person(sights: Iterable[Sight], first: Collection[str]) -> tuple[list[Sight], int]:
    """The sights of one person: ``first`` are the keys that bear the asked name, others share one of theirs.

    Whoever stands beside one of ``first`` in some backup is somebody else: left out and counted.
    """
    seen = list(sights)
    strangers: set[str] = set()
    for sight in seen:
        keys = {state.key for state in sight.states}
        if not keys.isdisjoint(first):
            strangers |= keys.difference(first)
    kept = [
        replace(sight, states=tuple(state for state in sight.states if state.key not in strangers))
        for sight in seen
    ]
    return kept, len(strangers)


def sharing(spans: Mapping[str, tuple[datetime, datetime]]) -> tuple[str, ...]:
    """Ids of the pools that bear one name at the same time; () where each came when the one before was gone.

    ``spans``: id -> when the first and the last backup was taken that names it.
    """
    apart = all(before[1] < after[0] for before, after in pairwise(sorted(spans.values())))
    return () if apart else tuple(sorted(spans))


def lines(sights: Iterable[Sight]) -> tuple[Line, ...]:
    """What happened, in any order of the sights.

    Two pools that bear one name at the same time are told apart by their ids: a backup of one says nothing
    of the other's users, and one without an id says nothing of either. A pool that came after another has
    gone goes on with its line.
    """
    ordered = sorted(sights, key=lambda sight: sight.point)
    if pool_ids := _told_apart(ordered):
        return tuple(
            _line(pool_id, [sight for sight in ordered if sight.pool_id == pool_id]) for pool_id in pool_ids
        )
    return (_line("", ordered),) if ordered else ()


def nameless(sights: Iterable[Sight]) -> tuple[Point, ...]:
    """Backups that do not say which of several pools they are of, and so are in no line; newest first."""
    seen = list(sights)
    if not _told_apart(seen):
        return ()
    return tuple(sorted((sight.point for sight in seen if not sight.pool_id), reverse=True))


def _told_apart(sights: Iterable[Sight]) -> tuple[str, ...]:
    spans: dict[str, tuple[datetime, datetime]] = {}
    for pool_id, at in ((sight.pool_id, sight.point.at) for sight in sights if sight.pool_id):
        first, last = spans.get(pool_id, (at, at))
        spans[pool_id] = min(first, at), max(last, at)
    return sharing(spans)


@dataclass(slots=True)
class _Track:
    """One identity while the sights are walked."""

    state: State
    point: Point  # where it was seen last
    groups: tuple[str, ...] | None = None  # as known last
    groups_at: Point | None = None
    there: bool = True


def _line(pool_id: str, sights: Sequence[Sight]) -> Line:
    tracks: dict[str, _Track] = {}
    entries: list[Entry] = []
    previous: Point | None = None
    for sight in sights:
        here = {state.key: state for state in sight.states}
        for key in sorted(here):
            entries += _seen(tracks, here[key], previous, sight.point)
        for key, track in sorted(tracks.items()):
            if track.there and key not in here:
                track.there = False
                entries.append(Entry("missing", key, track.point, sight.point, track.state))
        previous = sight.point
    return Line(
        pool_id,
        tuple(reversed(entries)),
        sights[-1].point,
        sights[-1].states,
        tuple(sight.point for sight in sights if len({state.key for state in sight.states}) > 1),
    )


def _seen(tracks: dict[str, _Track], state: State, previous: Point | None, point: Point) -> list[Entry]:
    """What it tells that this state is seen here."""
    track = tracks.get(state.key)
    if track is None:
        others = sorted(tracks.items(), key=lambda item: (item[1].point, item[0]))
        tracks[state.key] = _Track(state, point, state.groups, None if state.groups is None else point)
        if not others:
            return [Entry("first", state.key, previous, point, state)]
        other = others[-1][1]
        changes = _changes(other.state.fields, state.fields, OF_THE_IDENTITY)
        if None not in (other.groups, state.groups):
            changes += _groups(other.groups, state.groups)
        return [Entry("anew", state.key, previous, point, state, changes)]

    changes = _changes(track.state.fields, state.fields)
    groups = () if state.groups is None else _groups(track.groups, state.groups)
    entries: list[Entry] = []
    if groups and track.groups_at not in (None, track.point):
        # Backups in between do not know: it happened somewhere in all that time.
        entries.append(Entry("changed", state.key, track.groups_at, point, state, groups))
        groups = ()
    if not track.there:
        entries.append(Entry("back", state.key, previous, point, state, changes + groups))
    elif changes or groups:
        entries.append(Entry("changed", state.key, track.point, point, state, changes + groups))
    track.state, track.point, track.there = state, point, True
    if state.groups is not None:
        track.groups, track.groups_at = state.groups, point
    return entries


def _changes(old: Mapping[str, str], new: Mapping[str, str], but: Collection[str] = ()) -> tuple[Change, ...]:
    names = [*old, *(name for name in new if name not in old)]
    return tuple(
        Change(name, old.get(name), new.get(name))
        for name in names
        if name not in but and old.get(name) != new.get(name)
    )


def _groups(old: tuple[str, ...] | None, new: tuple[str, ...] | None) -> tuple[Change, ...]:
    return () if old == new else (Change(GROUPS, _joined(old), _joined(new)),)


def _joined(groups: tuple[str, ...] | None) -> str | None:
    return None if groups is None else ", ".join(groups)
