"""What is looked at before a restore may start: asked of AWS and the database, decided by core.preflight.

Part of a plan's job: it writes to no pool, and each check is told as soon as it is there.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from django.conf import settings

from backups import wiring
from backups.core import preflight
from backups.core.choices import Choices
from backups.core.lifecycle import ACTIVE
from backups.core.mail import SES, Limit, Ses, limit_of, needs
from backups.core.plan import Counts
from backups.core.preflight import Check, Source, State, Unasked
from backups.core.snapshot import Group, PoolFacts
from backups.engine.ports import Account, Cause, PortError, Report
from backups.engine.reading import Reading
from backups.engine.steps import password
from backups.models import Job, database_now
from backups.runner.ledger import mails_today

T = TypeVar("T")


def run(
    job: Job,
    report: Report,
    *,
    source: Source,
    facts: PoolFacts,
    counts: Counts,
    live: Reading,
    choices: Choices,
    limit: Limit | None = None,
    backup: Reading | None = None,
) -> list[Check]:
    """Every check, in the order of the page. Raises Stop; what AWS does not tell is a check that says so.

    ``limit``: ``mail_limit``, where somebody has asked for it already.
    ``backup`` is walked over twice, for names; without it these checks say what they did not see.
    """
    report.phase("Checking before the start")
    found: list[Check] = []
    for check in _Asking(job, source, facts, counts, live, choices, limit, backup).checks():
        report.keep_going()
        found.append(check)
        report.say(
            "check",
            check.sentence,
            code=check.code,
            state=check.state.value,
            remedy=check.remedy,
            ways=list(check.ways),
        )
        report.count()
    stops = len(preflight.of_state(found, State.STOP))
    warns = len(preflight.of_state(found, State.WARN))
    report.say(
        "note", f"{len(found)} checks: {stops} stop, {warns} to know, {len(found) - stops - warns} pass"
    )
    return found


class _Asking:
    """One preflight. What several checks need is asked once."""

    def __init__(
        self,
        job: Job,
        source: Source,
        facts: PoolFacts,
        counts: Counts,
        live: Reading,
        choices: Choices,
        limit: Limit | None,
        backup: Reading | None,
    ) -> None:
        self.job, self.source, self.facts, self.counts = job, source, facts, counts
        self.live, self.choices, self.limit, self.backup = live, choices, limit, backup
        self.account: Account = wiring.account_of(job.region)

    def checks(self) -> Iterator[Check]:
        facts, counts = self.facts, self.counts
        yield from preflight.of_target(self.source, facts)
        if not self.source.readable:
            return
        yield from preflight.of_source(self.source)
        yield self._other_job()
        yield from self._actions()
        pool = self._setting("user_pool", self.account.describe)
        people = None if self.backup is None else preflight.learn(self.backup.users, facts)
        yield from preflight.of_schema(counts, facts, self.choices)
        yield from preflight.of_names(counts, facts, people)
        if counts.create:  # nobody else has to get in again
            yield preflight.of_addresses(counts)
            yield preflight.of_password(pool, password(facts.password_length))
            yield preflight.of_recovery(pool, counts.create)
            mfa = self._setting("mfa", self.account.mfa)
            yield preflight.of_factors(mfa, people, counts.factors_lost)
        yield from preflight.of_messages(pool)
        yield from preflight.of_triggers(facts.triggers, counts.create)
        if counts.create:
            now = database_now()
            limit = self.limit or mail_limit(facts, self.account)
            yield from preflight.of_mail(needs(counts, limit, now), limit, facts, now)
        yield preflight.of_billing(counts, facts)
        yield from preflight.of_time(counts, rates(self.job.region), apart=facts.mail != SES)
        yield preflight.of_replica(_told(lambda: self.account.role_of(facts.pool_id)), facts.region)
        yield preflight.of_protection(pool)

    def _setting(self, name: str, ask: Callable[[str], dict[str, Any]]) -> dict[str, Any] | Unasked:
        """Of the reading of the live pool, where that has its settings."""
        known = (self.live.settings or {}).get(name)
        return known if isinstance(known, dict) else _told(lambda: ask(self.facts.pool_id))

    def _actions(self) -> list[Check]:
        groups = self._groups()
        needed = preflight.actions_of(self.counts, self.choices, groups)
        partition = "aws-cn" if self.facts.region.startswith("cn-") else "aws"
        place = f"arn:{partition}:cognito-idp:{self.facts.region}:{self.facts.account}"
        arn = f"{place}:userpool/{self.facts.pool_id}"
        told = _told(lambda: self.account.allowed([*needed], arn, settings.WRITE_ROLE))
        if isinstance(told, Unasked):
            return [*preflight.of_actions(needed, told, self._can_read()), *self._roles(groups)]
        found = preflight.of_actions(needed, (told.principal, told.denied), can_read=True)
        return [*found, *self._roles(groups)]

    def _groups(self) -> list[Group]:
        """Those that the restore would make first."""
        standing = {group.name for group in self.live.groups or ()}
        missing = [
            one for one in (self.backup.groups if self.backup else None) or () if one.name not in standing
        ]
        return [one for one in missing if not self.choices.limited or one.name in self.counts.groups]

    def _roles(self, groups: Iterable[Group]) -> list[Check]:
        """Of each role that a new group would have."""
        having = [group for group in groups if group.role_arn]
        if not having:
            return []

        def ask() -> tuple[str, set[str]]:
            who, denied = "", set[str]()
            for role in sorted({group.role_arn for group in having}):
                told = self.account.allowed([preflight.PASS_ROLE], role, who or settings.WRITE_ROLE)
                who = told.principal
                denied |= {role} if told.denied else set()
            return who, denied

        return preflight.of_roles(having, _told(ask))

    def _can_read(self) -> bool | Unasked:
        """A dry call: AdminGetUser of a name that nobody has, which is billed to nobody."""
        nobody = f"{uuid.uuid4()}@nobody.invalid"
        try:
            wiring.pool(self.job.region, self.facts.pool_id).get_user(nobody)
        except PortError as error:
            if error.cause is Cause.DENIED:
                return False
            if error.cause is not Cause.MISSING:
                return Unasked(str(error))
        return True

    def _other_job(self) -> Check:
        writing = Job.objects.filter(
            region=self.job.region, pool_id=self.job.pool_id, queue=Job.Queue.WRITE, state__in=ACTIVE
        ).exclude(pk=self.job.pk)
        other = writing.first()
        if other is None:
            return preflight.of_other_job(None)
        words = f"{other.get_kind_display()}, {other.get_state_display()}".lower()
        return preflight.of_other_job(other.pk, words)


def rates(region: str, share: float | None = None) -> dict[str, float]:
    """Calls a second of each category that we allow ourselves in a Region."""
    return {name: one.limit for name, one in wiring.pace(region, share).standing().items()}


def seconds(region: str, counts: Counts, facts: PoolFacts) -> dict[str, float]:
    """Way -> what a restore takes at the least if it had all of AWS's quotas."""
    ours, apart = rates(region), facts.mail != SES
    ways = (preflight.SILENT, preflight.INVITE, preflight.LATER)
    return {way: preflight.least(counts, way, ours, apart=apart)[0] * settings.QUOTA_SHARE for way in ways}


def mail_limit(facts: PoolFacts, account: Account) -> Limit:
    """What binds the pool's mail now; of SES what SES says."""
    ses: Ses | Unasked | None = _told(account.ses) if facts.mail == SES else None
    if isinstance(ses, Unasked):
        return limit_of(facts, None, ses.why, reserve=settings.MAIL_RESERVE, sent=0)
    return limit_of(facts, ses, "", reserve=settings.MAIL_RESERVE, sent=mails_today())


def _told(ask: Callable[[], T]) -> T | Unasked:
    try:
        return ask()
    except PortError as error:
        return Unasked(str(error))
