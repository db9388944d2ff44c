"""What an undo of a restore may do to one user, and why it leaves everybody else alone.

    what the restore wrote + the user as asked for now -> delete | put-back | skip, with its reason

Deletes are for ever, so whatever is not known counts as used. Fields are put back where they still hold
what the restore wrote; what somebody changed since is theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import orjson

from backups.core import evidence, plan
from backups.core.evidence import Left, Ways, Word
from backups.core.snapshot import User

ENABLED = "Enabled"
"""The one field of a change that is no attribute; it holds "true" or "false"."""


class What(StrEnum):
    DELETE = "delete"
    PUT_BACK = "put-back"
    SKIP = "skip"


REASONS: Mapping[str, str] = {
    # delete, put-back
    "made-by-it": "created by the restore, as it left them, and no sign of use",
    "changed-by-it": "holds what the restore wrote",
    "begun-by-it": "holds what the restore began to write and did not finish",
    "some-changed": "holds some of what the restore wrote; changed since and left alone: {detail}",
    # skip
    "undone": "was undone already",
    "not-created": "was not created as far as the restore knows; whoever stands there is left alone",
    "not-updated": "the restore did not finish updating this user, and nothing of it is there; left alone",
    "unsure": "the restore did not finish updating this user, and nothing tells its changes from those of "
    "others; left alone",
    "gone": "is not in the pool any more",
    "other-user": "somebody else holds this Username now; left alone",
    "in-again": "is in again: {detail}; left alone",
    "may-have": "may have signed in: {detail}; left alone",
    "changed-later": "changed later than the restore’s own steps explain; left alone",
    "no-written": "what the restore wrote cannot be read any more, so a change would not be seen; left alone",
    "status": "has the status {detail} by now; left alone",
    "attributes": "was changed since: {detail}; left alone",
    "enabled": "was enabled or disabled since; left alone",
    "groups": "is in other groups than the restore put them into; left alone",
    "nothing-holds": "holds nothing any more of what the restore wrote; left alone",
    # when it is carried out
    "changed-since": "changed after this undo was planned; left alone",
    "gone-now": "was in the pool when the undo was planned, and is not any more",
}


def sentence(code: str, detail: str = "") -> str:
    """The reason as words; codes that restores have too are theirs."""
    return REASONS[code].format(detail=detail) if code in REASONS else plan.sentence(code, detail)


@dataclass(frozen=True, slots=True)
class Touched:
    """One user whom a restore wrote to, as its ledger has them."""

    key: str
    username: str  # in the pool; "" where the ledger does not know
    left: Left
    create: bool  # else it was an update
    finished: bool  # the restore came to this user's end
    enabled: bool = True  # of a create
    groups: frozenset[str] = frozenset()  # that the restore put them into
    written: Mapping[str, str] | None = None  # attributes of a create; None: not known any more
    changes: tuple[tuple[str, str, str], ...] = ()  # of an update: (field, before, what was written)
    step: str = ""  # of an update: the last one that it finished
    unheard: bool = False  # of an update: it may have written more than the steps that it told of
    undone: bool = False  # by an earlier undo of the same restore


@dataclass(frozen=True, slots=True)
class Found:
    """A user as AWS answered a moment ago."""

    user: User
    groups: frozenset[str] = frozenset()
    signed_in: bool | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    what: What
    reason: str  # a code of REASONS
    detail: str = ""
    changes: tuple[tuple[str, str, str], ...] = ()  # (field, what it holds, what is put back)
    groups: tuple[str, ...] = ()  # of a put-back: taken out of these
    seen: str = ""  # ``mark`` when this was decided


def decide(touched: Touched, found: Found | None, ways: Ways) -> Verdict:
    if touched.undone:
        return _skip("undone")
    if touched.create and not touched.left.sub:
        return _skip("not-created")
    if found is None:
        return _skip("gone")
    if found.user.sub != touched.left.sub:
        return _skip("other-user")
    return _created(touched, found, ways) if touched.create else _updated(touched, found)


def _created(touched: Touched, found: Found, ways: Ways) -> Verdict:
    user, left = found.user, touched.left
    told = evidence.evidence(left, user, found.signed_in, ways, surely=True)
    if told.why == "status":
        return _skip("status", user.status)
    if told.word is not Word.NOT_YET:
        return _skip("in-again" if told.word is Word.IN_AGAIN else "may-have", told.sentence)
    if not evidence.untouched(left, user):
        return _skip("changed-later")
    if touched.finished and left.password and user.status != "CONFIRMED":
        return _skip("status", user.status)
    if touched.written is None:
        return _skip("no-written")
    if names := sorted(_differing(touched.written, user)):
        return _skip("attributes", ", ".join(names))
    if user.enabled != touched.enabled and (touched.finished or not user.enabled):
        return _skip("enabled")
    if found.groups != touched.groups and (touched.finished or not found.groups <= touched.groups):
        return _skip("groups")
    return Verdict(What.DELETE, "made-by-it", seen=mark(found))


def _updated(touched: Touched, found: Found) -> Verdict:
    user = found.user
    ours = touched if touched.finished else _begun(touched, user)
    holds = [change for change in ours.changes if held(user, change[0]) == change[2]]
    groups = tuple(sorted(ours.groups & found.groups))
    if not holds and not groups:
        return _skip("nothing-holds" if touched.finished else _why_nothing(touched, found))
    kept = {name for name, _, _ in holds}
    # What an update did not come to is as it was before, and no one's change.
    left_alone = [
        name
        for name, before, _ in touched.changes
        if name not in kept and (touched.finished or held(user, name) != before)
    ]
    others = (
        touched.groups - found.groups if touched.finished else touched.groups & found.groups - ours.groups
    )
    left_alone += sorted(f"group {name}" for name in others)
    back = tuple((name, written, before or _nothing(name)) for name, before, written in holds)
    return Verdict(
        What.PUT_BACK,
        "some-changed" if left_alone else "changed-by-it" if touched.finished else "begun-by-it",
        ", ".join(left_alone),
        back,
        groups,
        mark(found, kept, groups),
    )


def _begun(touched: Touched, user: User) -> Touched:
    """Of an update that did not come to its end: what it may have written, and nobody else.

    Where a write of it may be out, it read the user before, and all was as planned; so whatever holds its
    value now is its own, as long as nothing changed after it was over. Else only steps that it told of are
    known: where Cognito refused the look or the first write, the same was done by somebody's hand.
    """
    if touched.step == "groups" or (touched.unheard and evidence.settled(touched.left, user)):
        return touched
    written = tuple(
        change for change in touched.changes if touched.step in _WRITTEN_AT[_kind(change[0], change[2])]
    )
    return replace(touched, changes=written, groups=frozenset())


_WRITTEN_AT: Mapping[str, frozenset[str]] = {
    # what of a user -> the last steps after which it is written (engine.steps: in this order)
    "disabled": frozenset({"disabled", "attributes", "enabled"}),
    "attributes": frozenset({"attributes", "enabled"}),
    "enabled": frozenset({"enabled"}),
}


def _kind(field: str, written: str) -> str:
    if field != ENABLED:
        return "attributes"
    return "enabled" if written == truth(True) else "disabled"


def _why_nothing(touched: Touched, found: Found) -> str:
    there = any(held(found.user, name) == written for name, _, written in touched.changes)
    return "unsure" if there or touched.groups & found.groups else "not-updated"


def held(user: User, field: str) -> str:
    """What the user holds in a field of a change; "" for an attribute that is not there."""
    return truth(user.enabled) if field == ENABLED else user.attributes.get(field, "")


def mark(found: Found, fields: Iterable[str] | None = None, groups: Iterable[str] = ()) -> str:
    """One hash over the user: all of it, or these fields and whether they are in these groups."""
    user = found.user
    if fields is None:
        whole: list[Any] = [user.status, user.enabled, user.modified, sorted(user.attributes.items())]
        content: list[Any] = [user.sub, whole, sorted(found.groups), found.signed_in]
    else:
        content = [user.sub, [[name, held(user, name)] for name in sorted(fields)]]
        content += [[name, name in found.groups] for name in sorted(groups)]
    return hashlib.sha256(orjson.dumps(content)).hexdigest()


def _skip(reason: str, detail: str = "") -> Verdict:
    return Verdict(What.SKIP, reason, detail)


def _differing(written: Mapping[str, str], user: User) -> set[str]:
    """Names of attributes that are not as they were written; Cognito's own are no one's change."""
    theirs = {
        name: text
        for name, text in user.attributes.items()
        if text and name != "sub" and not name.startswith("cognito:")
    }
    return {name for name in written.keys() | theirs.keys() if written.get(name, "") != theirs.get(name, "")}


def _nothing(field: str) -> str:
    """What is put back where nothing was: a mark that was never set is false, as nobody can unset it."""
    return truth(False) if field.endswith("_verified") else ""


def truth(value: bool) -> str:
    return "true" if value else "false"
