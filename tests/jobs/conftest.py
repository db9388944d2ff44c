"""Jobs on a real database, with a pool and a bucket in memory in place of AWS."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from django.utils import timezone

from backups import actions, catalogue, queue, wiring
from backups.core.snapshot import PoolFacts
from backups.engine.ports import Cause, PortError
from backups.models import Operator, Pool
from tests.fakes import FakeAccount, FakeClock, FakePool, FakeStore
from tests.web.conftest import RememberingIam

IVA = actions.Actor("terminal:iva@host", "iva@host", terminal=True)


@dataclass
class Account:
    """What the product sees of AWS."""

    store: FakeStore = field(default_factory=FakeStore)
    pools: dict[str, FakePool] = field(default_factory=dict)
    aws: FakeAccount = field(default_factory=FakeAccount)  # IAM, SES, and the settings of pools
    silent: bool = False

    def add(self, name: str = "team-production", **how: object) -> FakePool:
        # Its clock and the database's agree, as AWS's and ours do to the minute.
        clock = FakeClock(timezone.now())
        pool = FakePool(f"eu-west-1_Fake{len(self.pools)}", name, clock=clock, **how)  # type: ignore[arg-type]
        self.pools[pool.pool_id] = pool
        catalogue.look_at_pools()
        return pool

    def find_pools(self, region: str) -> list[PoolFacts]:
        if self.silent:
            raise PortError("AWS did not answer.", Cause.UNREACHABLE)
        return [pool.facts() for pool in self.pools.values() if not pool.gone]

    def row(self, pool: FakePool) -> Pool:
        return Pool.objects.get(pool_id=pool.pool_id)


@pytest.fixture
def account(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Account:
    account = Account()
    monkeypatch.setattr(wiring, "store", lambda environment="production": account.store)
    monkeypatch.setattr(wiring, "find_pools", account.find_pools)
    monkeypatch.setattr(wiring, "pool", lambda region, pool_id: account.pools[pool_id])
    monkeypatch.setattr(wiring, "account_of", lambda region, **how: account.aws)
    monkeypatch.setattr(wiring, "caller", lambda: "arn:aws:iam::123456789012:user/host")
    monkeypatch.setattr(wiring, "clock", FakeClock)
    return account


@pytest.fixture
def pol(account: Account, monkeypatch: pytest.MonkeyPatch) -> actions.Actor:
    """Somebody on the page, whom IAM still knows."""
    monkeypatch.setattr(wiring, "identity", RememberingIam)
    Operator.objects.create(
        unique_id="AIDAPOL",
        name="pol",
        account="123456789012",
        groups=["engineering"],
        active_keys=["AKIAPOL"],
    )
    return actions.Actor("AIDAPOL", "pol", key_id="AKIAPOL")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of the jobs that were sent to a worker."""
    ids: list[int] = []
    monkeypatch.setattr(queue, "_send", lambda job_id, name: ids.append(job_id))
    return ids
