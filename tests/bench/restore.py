"""``make bench-restore``: a restore as a worker carries it out, beside the npm cbr in the same run.

    stand-in (AWS's default quotas, mail through SES, 30 ms a call) <-- worker, an empty pool each time

A real Celery worker with Valkey and SQLite. Users a second from the first write to the last outcome. Of
10,000 users, wanted: with all of the quota and without groups >= 45 when inviting (the quota allows 50)
and >= 27 when silent (30); with one group each all of it within 7.5 minutes (the quota allows 6:40); with
0.8 of it >= 36 and >= 21.5; at most 1 % of our calls throttled, and none of those of an application that
makes 5 ForgotPassword and 2 SignUp a second meanwhile, at 0.8. cbr restores 20 users. Figures are
printed, never asserted; the usual 1,000 users are a quick look.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tests import servers
from tests.bench.backup import BUCKET, CBR, NODE, PACKAGES, Bench
from tests.build import an_email_pool
from tests.servers import Server
from tests.standin.seed import address

if TYPE_CHECKING:  # models need Django's settings, which the bench makes
    from backups.models import Job

NAME = "bench-production"
GROUPS = 10
LATENCY = 0.03
THEIRS = 20  # users
WRITES = frozenset({"AdminCreateUser", "CreateGroup"})
PARTS = ("invite", "silent", "grouped", "invite-0.8", "silent-0.8", "beside-invite", "beside-silent")


@dataclass(frozen=True)
class Ours:
    users: int
    seconds: float  # from the first write to the end of the job, which is after the last outcome
    calls: int  # in that time, throttled ones too
    throttled: int
    planned: float  # s: the plan, once both sides were read

    @property
    def rate(self) -> float:
        return self.users / self.seconds


class Restores(Bench):
    """Backups of people whose pool is gone, and empty pools of the same name to restore them into."""

    def backup_of(self, users: int, worker: Server, *, groups: int = 0) -> str:
        """Its key."""
        pool = self.empty()
        told: dict[str, Any] = {}
        idp = self.cloud.root("cognito-idp")
        for number in range(max(1, groups)):
            if groups:
                idp.create_group(UserPoolId=pool, GroupName=f"group-{number}")
                told = {"groups": {f"group-{number}": 1.0}}
            each = users // max(1, groups)
            self.standin.seed(pool, each, start=number * each, status="CONFIRMED", **told)
        row = {"params": {"trigger": "person"}}
        job = self.ends("backup", "read", "done", worker, pool, **row)
        idp.delete_user_pool(UserPoolId=pool)
        return str(job.result["key"])

    def empty(self) -> str:
        """The id of a new pool that sends through SES; no quota is left in force."""
        self.standin.quotas(every=1e9)
        idp = self.cloud.root("cognito-idp")
        pool = an_email_pool(idp, NAME)
        idp.update_user_pool(
            UserPoolId=pool,
            EmailConfiguration={
                "EmailSendingAccount": "DEVELOPER",
                "SourceArn": f"arn:aws:ses:{servers.REGION}:{servers.ACCOUNT}:identity/bench.example",
            },
        )
        return pool

    def ends(self, kind: str, queue: str, as_: str, worker: Server, pool: str, **row: Any) -> Job:
        """A job from its row to its end. Raises RuntimeError when it ends otherwise."""
        from django.db import transaction

        from backups import queue as queues
        from backups.models import Job, Plan

        asked = {"queue": queue, "asked_by": "terminal:bench", "asked_by_name": "bench", "pool_id": pool}
        with transaction.atomic():
            job = Job.objects.create(kind=kind, region=servers.REGION, pool_name=NAME, **asked, **row)
            if kind == "restore":
                Plan.objects.filter(pk=job.params["plan"]).update(restore=job)
            queues.send(job)
        while not job.over and job.state != "paused":
            time.sleep(0.2)
            job.refresh_from_db()
            if "raised unexpected" in (said := worker.log.read_text(errors="replace")):
                raise RuntimeError(said[-3000:])
        if job.state != as_:
            raise RuntimeError(f"{job.state}: {job.sentence}")
        return job

    def restore(
        self, key: str, messages: str, share: float, worker: Server, beside: Application | None
    ) -> Ours:
        """Raises RuntimeError when it is not done, or not everybody is created."""
        from backups.models import Event, Plan

        pool = self.empty()
        planned = self.ends("plan", "read", "planned", worker, pool, params={"source": key})
        plan = Plan.objects.get(job=planned)
        self.calm(LATENCY)
        params = {"plan": plan.pk, "messages": messages, "source": key, "share": share}
        with beside or nullcontext():
            job = self.ends("restore", "write", "done", worker, pool, params=params)
        if job.result["created"] != plan.counts["create"]:
            raise RuntimeError(f"{job.result} of {plan.counts}")
        begun = Event.objects.get(job=planned, kind="phase", data__phase="Planning").at
        calls = [call for call in self.standin.calls() if call[2] == pool]
        first = min(when for when, operation, *_ in calls if operation in WRITES)
        assert planned.finished_at and job.finished_at
        # Those of the application are counted where they are made.
        throttled = sum(self.standin.books()["throttled"].values()) - (beside.throttled if beside else 0)
        self.cloud.root("cognito-idp").delete_user_pool(UserPoolId=pool)
        return Ours(
            users=job.result["created"],
            seconds=job.finished_at.timestamp() - first,
            calls=len([call for call in calls if call[0] >= first]) + throttled,
            throttled=throttled,
            planned=(planned.finished_at - begun).total_seconds(),
        )

    def cbr_restore(self, key: str) -> float:
        """Users a second of cbr's own restore, as it comes from npm. Raises RuntimeError when it gave up."""
        pool = self.empty()
        s3 = self.cloud.root("s3")
        data = json.loads(s3.get_object(Bucket=BUCKET, Key=f"{key}/data.json")["Body"].read())
        file = self.folder / "cbr.json"
        file.write_text(json.dumps(data[:THEIRS]))
        self.calm(LATENCY)
        env = {
            **servers.plain_environment(),
            **servers.aws_env(self.standin.url, "test", "test"),
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": self.standin.url,
        }
        command = [str(NODE), str(CBR), "restore", pool, str(file), "A-long-Passw0rd!"]
        ran = subprocess.run(command, cwd=PACKAGES, env=env, stdout=subprocess.PIPE, check=True)
        said = json.loads(ran.stdout)
        at = [when for when, *_ in self.standin.calls("AdminCreateUser")]
        if said["failures"] or len(at) != THEIRS:
            raise RuntimeError(f"cbr: {said}")
        return (len(at) - 1) / (at[-1] - at[0])


class Application:
    """What lives beside us and drinks from the same quotas: 5 ForgotPassword and 2 SignUp a second."""

    def __init__(self, bench: Restores) -> None:
        self.idp = bench.cloud.root("cognito-idp")
        pool = bench.empty()
        bench.standin.seed(pool, 500, status="CONFIRMED", verified=1.0, disabled=0.0)
        made = self.idp.create_user_pool_client(UserPoolId=pool, ClientName="app")
        self.client = made["UserPoolClient"]["ClientId"]
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.stop = threading.Event()
        self.threads: list[threading.Thread] = []

    @property
    def throttled(self) -> int:
        return self.failed["TooManyRequestsException"]

    def __enter__(self) -> None:
        for name, each, act in (("ForgotPassword", 0.2, self._forgets), ("SignUp", 0.5, self._signs_up)):
            thread = threading.Thread(target=self._every, args=(name, each, act), name=name)
            self.threads.append(thread)
            thread.start()

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _every(self, name: str, seconds: float, act: Callable[[int], object]) -> None:
        next_at, number = time.monotonic(), 0
        while not self.stop.wait(max(0.0, next_at - time.monotonic())):
            next_at, number = next_at + seconds, number + 1
            try:
                act(number)
                self.done[name] += 1
            except ClientError as error:
                self.failed[error.response["Error"]["Code"]] += 1

    def _forgets(self, number: int) -> None:
        self.idp.forgot_password(ClientId=self.client, Username=address(number % 500))

    def _signs_up(self, number: int) -> None:
        mail = f"new{number}@app.example"
        given = [{"Name": "email", "Value": mail}, {"Name": "name", "Value": "New"}]
        self.idp.sign_up(
            ClientId=self.client, Username=mail, Password="A-long-Passw0rd!", UserAttributes=given
        )


def measured(bench: Restores, parts: list[str], users: int) -> str:
    """Prints a line for each part; the key of a backup for cbr."""
    with bench.worker(0.8) as worker:
        plain = bench.backup_of(users, worker)
        in_groups = bench.backup_of(users, worker, groups=GROUPS) if "grouped" in parts else ""
        for part in parts:
            way = "silent" if "silent" in part or part == "grouped" else "invite"
            share = 0.8 if "0.8" in part or "beside" in part else 1.0
            beside = Application(bench) if "beside" in part else None
            ours = bench.restore(in_groups if part == "grouped" else plain, way, share, worker, beside)
            cells = [
                f"{ours.rate:.1f}",
                f"{ours.seconds:.0f}",
                f"{10_000 / ours.rate / 60:.1f}",
                f"{100 * ours.throttled / ours.calls:.2f}",
                f"{ours.planned:.1f}",
            ]
            row = f"{part}, share {share:.1f}"
            print(f"{row:<26}" + "".join(f"{cell:>13}" for cell in cells), flush=True)
            if beside:
                print(f"  beside it: {dict(beside.done)}, refused: {dict(beside.failed)}", flush=True)
    return plain


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.restore", description=__doc__)
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="these parts alone")
    parser.add_argument("--no-peer", dest="peer", action="store_false")
    told = parser.parse_args()
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    print(f"{cores} cores, load {load:.1f} before it began; Python {sys.version.split()[0]}", flush=True)
    heads = ("users/s", "seconds", "10,000: min", "throttled %", "plan s")
    print(f"\n{f'{told.users:,} users, 30 ms':<26}" + "".join(f"{head:>13}" for head in heads), flush=True)
    with ExitStack() as stack:
        bench = Restores(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ca-"))), stack)
        key = measured(bench, told.only, told.users)
        if told.peer:
            print(f"{f'cbr, {THEIRS} users':<26}{bench.cbr_restore(key):>13.2f}", flush=True)


if __name__ == "__main__":
    main()
