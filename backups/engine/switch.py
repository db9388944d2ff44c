"""Switching what a pool sends its mail through, with every other setting kept.

    read -> is the mail as it was when asked? -> keep what was read -> write all -> read -> compare

UpdateUserPool resets whatever it is not given, so everything is given. AWS has no condition on it: who
changes another setting in the second between the reading and the writing is written over, and whoever does
so afterwards shows as a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from backups.core.rewriting import differing, rewritten
from backups.engine.ports import Account, Cause, PortError, Report

MAIL = "EmailConfiguration"
Found = dict[str, Any]
"""The settings as they were read before: {"user_pool": DescribeUserPool's, "mfa": GetUserPoolMfaConfig's}."""


class Changed(Exception):
    """The pool's mail is neither what it was nor what it shall be."""


@dataclass(frozen=True, slots=True)
class Switched:
    """How the pool reads now."""

    mail: dict[str, Any]  # EmailConfiguration
    differs: tuple[str, ...]  # names of settings that are not as they were, and were to stay
    written: bool  # False: it was so already, and nothing was written
    unread: str = ""  # why it could not be read back, and so not compared


def switch(
    account: Account,
    pool_id: str,
    report: Report,
    *,
    before: Mapping[str, Any],
    wanted: Mapping[str, Any],
    kept: Found | None,
    keep: Callable[[Found], None],
) -> Switched:
    """``before`` and ``wanted`` are values of EmailConfiguration; ``kept`` is what an earlier try kept by
    ``keep``, which must last when it returns.

    Raises Changed and UnknownSetting, when nothing was written; Stop only before the writing; PortError:
    LOST when it is not known whether this call has written, else it has not.
    """
    report.phase("Reading the pool's settings")
    found = _read(account, pool_id)
    mail = found["user_pool"].get(MAIL, {})
    if _same(mail, wanted):
        return _compared(found, kept, wanted, written=kept is not None)
    if not _same(mail, before):
        raise Changed
    settings = rewritten(found["user_pool"], **{MAIL: dict(wanted)})
    keep(found)
    report.keep_going()
    report.phase("Writing all settings")
    lost: PortError | None = None
    try:
        account.update(pool_id, settings)
    except PortError as error:
        if error.cause is not Cause.LOST:
            raise
        lost = error  # what is read now tells whether it was done
    report.phase("Reading back and comparing")
    try:
        now = _read(account, pool_id)
    except PortError as error:
        if lost:
            raise lost from error
        return Switched(dict(wanted), (), written=True, unread=str(error))
    if lost and not _same(now["user_pool"].get(MAIL, {}), wanted):
        raise lost
    return _compared(now, found, wanted, written=True)


def _read(account: Account, pool_id: str) -> Found:
    return {"user_pool": account.describe(pool_id), "mfa": account.mfa(pool_id)}


def _compared(now: Found, before: Found | None, wanted: Mapping[str, Any], *, written: bool) -> Switched:
    mail = dict(now["user_pool"].get(MAIL, {}))
    names = [] if _same(mail, wanted) else [MAIL]
    if before is not None:
        names += differing(before["user_pool"], now["user_pool"], {MAIL})
        names += [f"mfa.{name}" for name in differing(before["mfa"], now["mfa"])]
    return Switched(mail, tuple(names), written)


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two values of EmailConfiguration say the same; what is empty is as if it were not there."""
    return {name: value for name, value in one.items() if value} == {
        name: value for name, value in other.items() if value
    }
