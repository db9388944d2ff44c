"""What stops a restore before it starts, and what a person should know; each a check with its remedy.

    what was learned of backup, pool and account -> Check, Check, Check, …

Everything here decides and asks nothing. What could not be asked is an ``Unasked``, and its check a warning
that says so: never a stop, never a pass. A check that holds for some ways of getting in again names them.
"""

from backups.core.preflight.allowed import PASS_ROLE, POLICY, actions_of, of_actions, of_roles
from backups.core.preflight.check import INVITE, LATER, SILENT, Check, State, Unasked, count, of_state, stops
from backups.core.preflight.costs import calls, duration, least, of_billing, of_other_job, of_time
from backups.core.preflight.mails import of_mail
from backups.core.preflight.names import of_addresses, of_names
from backups.core.preflight.people import People, learn
from backups.core.preflight.schema import of_schema
from backups.core.preflight.settings import (
    of_factors,
    of_messages,
    of_password,
    of_protection,
    of_recovery,
    of_replica,
)
from backups.core.preflight.source import Source, of_source, of_target, refusals, warnings
from backups.core.preflight.triggers import of_triggers

__all__ = [
    "INVITE",
    "LATER",
    "PASS_ROLE",
    "POLICY",
    "SILENT",
    "Check",
    "People",
    "Source",
    "State",
    "Unasked",
    "actions_of",
    "calls",
    "count",
    "duration",
    "learn",
    "least",
    "of_actions",
    "of_addresses",
    "of_billing",
    "of_factors",
    "of_mail",
    "of_messages",
    "of_names",
    "of_other_job",
    "of_password",
    "of_protection",
    "of_recovery",
    "of_replica",
    "of_roles",
    "of_schema",
    "of_source",
    "of_state",
    "of_target",
    "of_time",
    "of_triggers",
    "refusals",
    "stops",
    "warnings",
]
