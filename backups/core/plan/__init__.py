"""What a restore would do, user by user, each with its reason; and what cannot come back.

    backup's users + live pool's index + facts + choices -> Line, Line, Line, …

Who is missing is created. Who is there is left alone, unless the choices say that empty fields are filled or
fields that differ written over; nothing is ever removed. Everybody in scope gets exactly one line.
"""

from backups.core.plan.attributes import LONGEST, writable
from backups.core.plan.counts import NAMES, Counts
from backups.core.plan.everybody import Restored, lines
from backups.core.plan.line import Line, Terms
from backups.core.plan.mails import MAIL_LIMIT, mail_allowed, mail_day, mail_limit
from backups.core.plan.rests_on import digest
from backups.core.plan.single import ENABLED, creation, update
from backups.core.plan.words import REASONS, Action, Messages, sentence

__all__ = [
    "ENABLED",
    "LONGEST",
    "MAIL_LIMIT",
    "NAMES",
    "REASONS",
    "Action",
    "Counts",
    "Line",
    "Messages",
    "Restored",
    "Terms",
    "creation",
    "digest",
    "lines",
    "mail_allowed",
    "mail_day",
    "mail_limit",
    "sentence",
    "update",
    "writable",
]
