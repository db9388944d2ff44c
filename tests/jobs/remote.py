"""Jobs on a real database, over boto3, with the stand-in as Cognito: all of the way but bucket and worker.

desk.pool()                       an empty pool like the team's; its id
desk.backup() -> desk.plan(key) -> desk.start(plan) -> desk.run(job)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from backups import actions, catalogue, runner, wiring
from backups.aws import session
from backups.aws.cognito import CognitoPool
from backups.core.choices import EVERYTHING_MISSING, Choices
from backups.core.lifecycle import State
from backups.core.snapshot import Entry, PoolFacts
from backups.engine.pace import Pace
from backups.models import Job, Plan, Pool
from tests import servers
from tests.build import a_file
from tests.contract.test_restore_bad_days import SES, Hurried
from tests.contract.worlds import TEAM
from tests.fakes import FakeAccount, FakeStore
from tests.jobs.conftest import IVA
from tests.standin.client import Standin

REGION = servers.REGION
WHY = "INC-204: the pool is gone"


@dataclass
class Desk:
    """Where somebody plans, starts and looks; what AWS holds is seen through ``control``, by no call."""

    control: Standin
    folder: Path
    store: FakeStore = field(default_factory=FakeStore)
    pools: list[str] = field(default_factory=list)
    clock: Hurried = field(default_factory=Hurried)
    account: FakeAccount = field(default_factory=FakeAccount)

    @property
    def cognito(self) -> Any:
        return session.client("cognito-idp", REGION)

    def port(self, pool_id: str, share: float | None = None) -> CognitoPool:
        return CognitoPool(REGION, pool_id, Pace(self.clock, 1.0).call)

    def pool(self, **settings: Any) -> str:
        """A new pool, which the product knows as the last one; its id."""
        told = {
            **TEAM,
            "PoolName": f"team-{len(self.pools)}-production",
            "EmailConfiguration": SES,
            **settings,
        }
        made = self.cognito.create_user_pool(**{name: value for name, value in told.items() if value})
        self.pools.append(str(made["UserPool"]["Id"]))
        catalogue.look_at_pools()
        return self.pools[-1]

    def row(self) -> Pool:
        return Pool.objects.get(pool_id=self.pools[-1])

    def find_pools(self, region: str) -> list[PoolFacts]:
        return [self.port(pool_id).facts() for pool_id in self.pools[-1:]]

    # jobs

    def run(self, job: Job) -> Job:
        runner.run(job.pk)
        job.refresh_from_db()
        return job

    def backup(self) -> str:
        job = self.run(actions.start_backup(IVA, self.row()))
        assert job.state == State.DONE, job.sentence
        return str(job.result["key"])

    def file(self, entries: Iterable[Entry]) -> str:
        """The source that a file of cbr's is, on this host."""
        path = self.folder / f"data-{len(list(self.folder.iterdir()))}.json"
        path.write_bytes(a_file(entries))
        return f"file:{path}"

    def plan(self, source: str, choices: Choices = EVERYTHING_MISSING) -> Plan:
        job = self.run(actions.plan_restore(IVA, source, self.row(), choices=choices))
        assert job.state == State.PLANNED, job.sentence
        return Plan.objects.select_related("job").get(job=job)

    def start(self, plan: Plan, messages: str = "silent") -> Job:
        typed = actions.confirmation(plan)
        return actions.start_restore(
            IVA, plan, messages=messages, digest=plan.digest, typed=typed, reason=WHY
        )

    def undo(self, restore: Job) -> Plan:
        job = self.run(actions.plan_undo(IVA, restore))
        assert job.state == State.PLANNED, job.sentence
        return Plan.objects.select_related("job").get(job=job)

    def start_undo(self, plan: Plan) -> Job:
        typed = actions.confirmation_of_undo(plan)
        return actions.start_undo(IVA, plan, digest=plan.digest, typed=typed, reason=WHY)

    def compare(self, source: str) -> Job:
        job = self.run(actions.start_compare(IVA, source, f"live:{self.pools[-1]}"))
        assert job.state == State.DONE, job.sentence
        return job

    # what AWS holds

    def wipe(self, usernames: Collection[str] | None = None) -> None:
        """These users are deleted, or everybody and every group."""
        pool_id = self.pools[-1]
        for user in self.control.users(pool_id):
            if usernames is None or user["Username"] in usernames:
                self.cognito.admin_delete_user(UserPoolId=pool_id, Username=user["Username"])
        if usernames is None:
            for group in self.cognito.list_groups(UserPoolId=pool_id, Limit=60)["Groups"]:
                self.cognito.delete_group(UserPoolId=pool_id, GroupName=group["GroupName"])

    def standing(self) -> dict[str, dict[str, Any]]:
        """Sub -> the user as they are: ``values`` (attributes by name), Enabled, UserStatus, groups."""
        found = {}
        for user in self.control.users(self.pools[-1]):
            values = {one["Name"]: one["Value"] for one in user["Attributes"]}
            found[values["sub"]] = {**user, "values": values}
        return found

    def sent(self) -> list[str]:
        """To whom messages went out."""
        return [one["to"] for one in self.control.messages() if one["sent"]]


@contextmanager
def impatient(seconds: float) -> Iterator[None]:
    """No answer is waited for longer than that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session.CONFIG, "read_timeout", seconds)
        session.forget()
        yield
    session.forget()


@pytest.fixture(scope="session")
def standin_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    with servers.running(servers.standin(tmp_path_factory.mktemp("standin"))) as (server,):
        yield server


@pytest.fixture
def desk(
    transactional_db: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    standin_server: servers.Server,
) -> Iterator[Desk]:
    control = Standin(standin_server.url)
    control.fresh()
    control.quotas(every=1_000_000)
    desk = Desk(control, tmp_path)
    told: dict[str, Callable[..., object]] = {
        "store": lambda environment="production": desk.store,
        "find_pools": desk.find_pools,
        "pool": lambda region, pool_id, share=None: desk.port(pool_id, share),
        "account_of": lambda region, **how: desk.account,
        "pace": lambda region, share=None: Pace(desk.clock, 1.0),
        "caller": lambda: "arn:aws:iam::123456789012:user/host",
        "clock": lambda: desk.clock,
    }
    for name, work in told.items():
        monkeypatch.setattr(wiring, name, work)
    for name, value in standin_server.env.items():
        monkeypatch.setenv(name, value)
    session.forget()
    yield desk
    control.fresh()
    session.forget()
