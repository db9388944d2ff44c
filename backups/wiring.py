"""Settings to adapters: the one place where the engine's ports meet AWS.

Everything here is cheap to call again: clients are kept per process, and what
AWS answered about ourselves is asked once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import TypeVar

import structlog
from django.conf import settings

from backups import pacing
from backups.aws import limits, session
from backups.aws.account import AwsAccount
from backups.aws.cognito import CognitoPool, list_pools
from backups.aws.identity import AwsIdentity
from backups.aws.store import S3Store
from backups.core.snapshot import PoolFacts
from backups.engine.pace import CATEGORY, STEP, Pace
from backups.engine.ports import (
    Account,
    BackupStore,
    CallThrough,
    Cause,
    Clock,
    Identity,
    PortError,
    UserPool,
)

log = structlog.get_logger(__name__)
T = TypeVar("T")
LOOK_PATIENCE = 10.0  # seconds that a look at the pools of a Region is held up by throttles, in all


class SystemClock:
    """The real one."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))


def clock() -> Clock:
    return SystemClock()


def account() -> str:
    """Our account's number: the setting, else what STS says of our credentials. Raises PortError."""
    told: str = settings.AWS_ACCOUNT
    return told or session.whoami(_region()).account


def caller() -> str:
    """The ARN of our own credentials, for audit entries. Raises PortError."""
    return session.whoami(_region()).arn


def account_of_ours() -> str:
    """The account that our credentials are of, whatever the setting says; "" while STS does not tell."""
    try:
        return caller().split(":")[4]
    except PortError:
        return ""


def store(environment: str = "production") -> BackupStore:
    """The bucket of BACKUP_BUCKET. Raises PortError when the account has to be asked for and is not told."""
    return _bucket(settings.BACKUP_BUCKET, environment)


def reports_store(environment: str = "production") -> BackupStore | None:
    """The bucket of REPORTS_BUCKET, None where none is set. Raises PortError as ``store`` does."""
    return _bucket(settings.REPORTS_BUCKET, environment) if settings.REPORTS_BUCKET else None


def _bucket(name: str, environment: str) -> BackupStore:
    if "{account}" in name:
        name = name.replace("{account}", account())
    return S3Store(name.replace("{environment}", environment), region=_region())


def pool(region: str, pool_id: str, share: float | None = None) -> UserPool:
    """One pool, at the pace of all our processes; nothing is asked yet."""
    return CognitoPool(region, pool_id, pace(region, share).call)


def account_of(region: str, *, briefly: bool = False) -> Account:
    """What our account allows in a Region, and its pools' settings; nothing is asked yet.

    ``briefly``: for a page that waits, as ``find_pools``.
    """
    return AwsAccount(region, _briefly(pace(region)) if briefly else pace(region).call)


def pace(region: str, share: float | None = None) -> Pace:
    """One for all pools of a Region: its quotas are the account's, and all processes of ours share them.

    ``share`` of the quotas, where a job has one of its own: while several are asked for, the smallest holds.
    """
    try:
        number = account()
    except PortError:
        number = ""
    return _pace(region, number, settings.QUOTA_SHARE if share is None else share, settings.REDIS_URL)


@cache
def _pace(region: str, account: str, share: float, redis_url: str) -> Pace:
    live = partial(limits.quota, region)
    if not account:
        log.warning("the account is not known, the pace is not shared", region=region)
        return Pace(clock(), share, live=live)
    shared = pacing.Shared(pacing.connect(redis_url), account, region, clock())
    return Pace(clock(), share, bucket=shared.bucket, live=live)


os.register_at_fork(after_in_child=_pace.cache_clear)  # neither sockets nor locks are a child's


@dataclass(frozen=True, slots=True)
class Untold:
    """A pool that is listed, and that AWS did not describe to us: it refuses, or breaks at this one."""

    pool_id: str
    name: str
    error: PortError


def find_pools(region: str) -> list[PoolFacts | Untold]:
    """Every pool of a Region, described. Raises PortError; a pool deleted in between is left out.

    At the pace of all our processes, and for a page that waits: throttles alone are asked again, for
    LOOK_PATIENCE seconds in all. What our own pace takes does not count: it is longer the more pools there
    are. An error at one pool is that pool's; no answer at all, or throttles without end, are the Region's.
    """
    call = _briefly(pace(region))
    found: list[PoolFacts | Untold] = []
    for pool_id, name in list_pools(region, call):
        try:
            found.append(CognitoPool(region, pool_id, call).facts())
        except PortError as error:
            if error.cause in (Cause.UNREACHABLE, Cause.THROTTLED):
                raise
            if error.cause is not Cause.GONE:
                found.append(Untold(pool_id, name, error))
    return found


def _briefly(pace: Pace) -> CallThrough:
    clock, left = pace.clock, LOOK_PATIENCE

    def call(operation: str, do: Callable[[], T], /) -> T:
        nonlocal left
        bucket = pace[CATEGORY[operation]]
        throttled_at: float | None = None
        while True:
            while wait := bucket.take():
                clock.sleep(min(wait, STEP))
            try:
                answer = do()
            except PortError as error:
                if error.cause is not Cause.THROTTLED:
                    raise
                bucket.slow_down()
                throttled_at = clock.monotonic() if throttled_at is None else throttled_at
                if clock.monotonic() - throttled_at > left:
                    raise
            else:
                left -= 0 if throttled_at is None else clock.monotonic() - throttled_at
                return answer

    return call


def _region() -> str:
    region: str = settings.AWS_REGION
    return region


def identity() -> Identity:
    """STS and IAM, for sign-in and for asking again."""
    return AwsIdentity(_region(), production=settings.PRODUCTION)
