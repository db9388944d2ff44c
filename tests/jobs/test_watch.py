"""What happens by itself: looks, due backups, alarms. AWS and the bucket are in memory."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils import timezone
from pytest_django import Settings

from backups import actions, catalogue, notify, runner, tasks, watch, wiring
from backups.core.falls import SECOND_LOOK
from backups.core.lifecycle import State
from backups.core.snapshot import PoolFacts
from backups.engine.pace import Pace
from backups.engine.ports import Cause, PortError
from backups.models import Acceptance, Alarm, AuditEntry, Backup, Catalogue, Job, Policy, Pool
from backups.models.audit import Act
from tests.build import a_file, an_entry
from tests.fakes import FakeClock, FakePool
from tests.jobs.conftest import IVA, Account

NAME = "team-production"
REGION = "eu-west-1"


@pytest.fixture
def team(account: Account, sent: list[int]) -> FakePool:
    """A hundred people, by AWS's estimate. Jobs are not sent anywhere."""
    pool = account.add(NAME)
    for number in range(4):
        pool.add(f"person{number}@uni.example", name=f"Person {number}")
    pool.estimated_users = 100
    watch.look_if_old(0)
    return pool


@pytest.fixture(autouse=True)
def beats(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """How often the watchdog outside was told."""
    told: list[str] = []
    monkeypatch.setattr(notify, "heartbeat", lambda: told.append("beat"))
    yield told


def decide(**changes: Any) -> Policy:
    wanted: dict[str, Any] = {
        **{"region": REGION, "name": NAME, "enabled": True, "cron": "17 * * * *", "zone": "UTC"},
        **{"shrink_percent": 5, "mfa": "auto"},
        **changes,
    }
    return actions.set_policy(IVA, **wanted)


def make_due(**changes: Any) -> Policy:
    policy = decide(**changes)
    Policy.objects.update(next_at=timezone.now() - timedelta(seconds=1))
    policy.refresh_from_db()
    return policy


def decided_long_ago() -> None:
    """The policies' first run, and the grace after it, are over."""
    Policy.objects.update(scheduled_at=timezone.now() - timedelta(days=30))


def goes(pool: FakePool) -> None:
    """It is deleted, and AWS says so twice."""
    pool.gone = True
    for _ in range(2):
        look()
        ten_seconds_pass()
    watch.judge()


def next_run() -> datetime:
    at = Policy.objects.get().next_at
    assert at is not None
    return at


def held(users: int, *, age: timedelta = timedelta(minutes=5), **changes: Any) -> Backup:
    """A backup of ours in the catalogue."""
    taken_at = timezone.now() - age
    row: dict[str, Any] = {
        **{"key": f"{taken_at:%Y-%m-%d.%H-%M-%S}/{NAME}", "pool_name": NAME, "region": REGION},
        **{"taken_at": taken_at, "state": "complete", "checked": True, "origin": "ours"},
        **{"made_by": "schedule", "users": users, "fingerprint": "x"},
        **changes,
    }
    backup = Backup.objects.create(**row)
    catalogue.weigh(NAME)
    backup.refresh_from_db()
    return backup


def ten_seconds_pass() -> None:
    """For what is in doubt."""
    for pool in Pool.objects.exclude(doubt=""):
        pool.doubted_at = (pool.doubted_at or timezone.now()) - SECOND_LOOK
        pool.save(update_fields=["doubted_at"])


def look() -> None:
    watch.look_if_old(0)


def opened() -> dict[str, str]:
    """Kind -> sentence of the open alarms."""
    return dict(Alarm.objects.filter(cleared_at=None).values_list("kind", "sentence"))


def row(pool: FakePool) -> Pool:
    return Pool.objects.get(pool_id=pool.pool_id)


# --- policies -----------------------------------------------------------------------------------------


def test_a_policy_is_set_audited_and_due_at_its_next_run(team: FakePool) -> None:
    policy = decide()
    assert policy.next_at is not None
    assert policy.next_at.minute == 17
    assert timedelta(0) < policy.next_at - timezone.now() <= timedelta(hours=1)
    policy = decide(cron=" 40  2 * * * ", zone="Europe/Berlin")
    assert (policy.cron, policy.zone, policy.set_by) == ("40 2 * * *", "Europe/Berlin", IVA.name)
    entry, first = AuditEntry.objects.filter(act=Act.POLICY_SET)
    assert first.details["old"] is None
    assert entry.pool == NAME
    assert entry.details["old"]["cron"] == "17 * * * *"
    assert entry.details["new"] == {
        **{"enabled": True, "cron": "40 2 * * *", "zone": "Europe/Berlin"},
        **{"shrink_percent": 5, "mfa": "auto"},
    }
    assert decide(enabled=False).next_at is None


@pytest.mark.parametrize(
    ("changes", "said", "status"),
    [
        ({"cron": "* * * * *"}, "every minute", 400),
        ({"cron": "soon"}, "soon is no schedule", 400),
        ({"zone": "Mars/Phobos"}, "is no time zone", 400),
        ({"shrink_percent": 0}, "from 1 to 99 percent", 400),
        ({"shrink_percent": 100}, "from 1 to 99 percent", 400),
        ({"mfa": "perhaps"}, "are read auto, on or off", 400),
        ({"name": "nobody-production"}, "No pool nobody-production was seen in eu-west-1", 404),
        ({"region": "eu-north-1"}, "was seen in eu-north-1", 404),
    ],
)
def test_what_cannot_be_a_policy_changes_nothing(
    team: FakePool, changes: dict[str, Any], said: str, status: int
) -> None:
    with pytest.raises(actions.Refused, match=said) as refused:
        decide(**changes)
    assert refused.value.status == status
    assert not Policy.objects.exists()
    assert not AuditEntry.objects.filter(act=Act.POLICY_SET).exists()


def test_only_who_may_decides(team: FakePool, pol: actions.Actor, settings: Settings) -> None:
    how: dict[str, Any] = {"region": REGION, "name": NAME, "zone": "UTC", "shrink_percent": 5, "mfa": "on"}
    assert actions.set_policy(pol, enabled=True, cron="17 * * * *", **how).mfa == "on"
    settings.RESTORE_GROUPS = ["others"]
    with pytest.raises(actions.Refused, match="may not decide when pools are backed up"):
        actions.set_policy(pol, enabled=False, cron="17 * * * *", **how)
    assert Policy.objects.get().enabled


def test_a_change_that_is_not_of_the_time_leaves_what_is_due_due(team: FakePool) -> None:
    due = make_due().next_at
    assert decide(shrink_percent=20).next_at == due
    assert decide(cron="18 * * * *").next_at != due


def test_a_schedule_that_this_host_cannot_read_can_be_switched_off(team: FakePool) -> None:
    make_due()
    Policy.objects.update(zone="Mars/Phobos")
    assert watch.start_due() == []
    (standing,) = watch.standings()
    assert standing.held.startswith("Its schedule cannot be read: Mars/Phobos is no time zone")
    with pytest.raises(actions.Refused, match="is no time zone"):
        decide(zone="Mars/Phobos")
    assert not decide(zone="Mars/Phobos", enabled=False).enabled


# --- what is due --------------------------------------------------------------------------------------


def test_a_due_backup_begins_once_and_nobody_is_asked_about(
    account: Account, team: FakePool, sent: list[int]
) -> None:
    make_due()
    (job,) = watch.start_due()
    assert watch.start_due() == [], "the next beat finds the next run"
    assert next_run() > timezone.now()
    assert sent == [job.pk]
    assert (job.asked_by_name, job.pool_id, job.queue) == ("the schedule", team.pool_id, "read")

    runner.run(job.pk)
    job.refresh_from_db()
    assert job.state == State.DONE, job.sentence
    backup = Backup.objects.get()
    assert (backup.made_by, backup.made_by_who, backup.state) == ("schedule", "the schedule", "complete")
    acts = AuditEntry.objects.filter(job=job.pk).order_by("seq").values_list("act", "actor", "result")
    assert list(acts) == [
        (Act.BACKUP_ASKED, "the schedule", "asked"),
        (Act.BACKUP_ENDED, "the schedule", "done"),
    ]


def test_the_schedule_may_back_up_and_nothing_else(team: FakePool) -> None:
    job = Job.objects.create(
        kind="plan", queue="read", asked_by=runner.SCHEDULE, asked_by_name="the schedule"
    )
    runner.run(job.pk)
    job.refresh_from_db()
    assert (job.state, "is not known here any more" in job.sentence) == (State.FAILED, True)


def test_runs_missed_while_down_are_one(team: FakePool) -> None:
    decide()
    Policy.objects.update(next_at=timezone.now() - timedelta(days=3))
    assert len(watch.start_due()) == 1
    assert watch.start_due() == []


def test_two_beats_at_once_start_one(team: FakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one has read the row before the first one moves it."""
    policy = make_due()
    stale = Policy.objects.get()
    assert len(watch._start(policy, timezone.now())) == 1
    assert watch._start(stale, timezone.now()) == []
    assert Job.objects.count() == 1


def test_whoever_decided_anew_meanwhile_wins(team: FakePool) -> None:
    stale = make_due()
    decide(enabled=False)
    assert watch._start(stale, timezone.now()) == []
    assert Policy.objects.get().next_at is None


def test_what_is_switched_off_proposed_or_not_due_yet_does_not_begin(team: FakePool) -> None:
    assert watch.start_due() == [], "proposed"
    decide()
    assert watch.start_due() == [], "not due yet"
    make_due(enabled=False)
    assert watch.start_due() == [], "switched off"


@pytest.mark.parametrize(
    ("state", "begun"), [("queued", 0), ("running", 0), ("paused", 1), ("done", 1), ("failed", 1)]
)
def test_no_second_backup_beside_one_that_is_under_way(team: FakePool, state: str, begun: int) -> None:
    Job.objects.create(kind="backup", queue="read", state=state, region=REGION, pool_id=team.pool_id)
    Job.objects.create(kind="backup", queue="read", state="queued", region=REGION, pool_id="another")
    make_due()
    assert len(watch.start_due()) == begun
    assert next_run() > timezone.now(), "it is done for this time"


def test_a_pool_of_which_nothing_is_known_keeps_its_run_until_aws_answers(
    account: Account, team: FakePool
) -> None:
    make_due()
    account.silent = True
    look()
    assert watch.start_due() == []
    (standing,) = watch.standings()
    assert standing.held == "Whether the pool still exists is not known. AWS did not answer."
    account.silent = False
    look()
    assert len(watch.start_due()) == 1
    assert watch.standings()[0].held == ""


def test_a_gone_pool_is_not_backed_up_and_its_successor_is(account: Account, team: FakePool) -> None:
    make_due()
    team.gone = True
    for _ in range(2):
        look()
        ten_seconds_pass()
    assert watch.start_due() == []
    assert next_run() > timezone.now()

    successor = account.add(NAME)
    Policy.objects.update(next_at=timezone.now() - timedelta(seconds=1))
    (job,) = watch.start_due()
    assert job.pool_id == successor.pool_id, "the policy is of the name, not of the id"


def test_a_region_that_is_not_looked_after_holds_its_policies(team: FakePool, settings: Settings) -> None:
    make_due()
    settings.POOL_REGIONS = ["eu-central-1"]
    assert watch.start_due() == []
    (standing,) = watch.standings()
    assert (standing.pools, "POOL_REGIONS" in standing.held) == ((), True)


def test_a_policy_whose_pool_was_never_seen_waits(team: FakePool) -> None:
    make_due()
    Pool.objects.all().delete()
    assert watch.start_due() == []
    assert watch.standings()[0].held == "No pool of this name was seen yet."


def test_two_pools_of_one_name_are_both_backed_up_and_named(account: Account, team: FakePool) -> None:
    twin = account.add(NAME)
    other = account.add("team-staging")
    make_due()
    assert {job.pool_id for job in watch.start_due()} == {team.pool_id, twin.pool_id}
    assert watch.twins() == [(REGION, NAME, (team.pool_id, twin.pool_id))]
    twins = {standing.name: standing.twins for standing in watch.standings()}
    assert twins == {NAME: (team.pool_id, twin.pool_id), other.name: ()}


# --- looking ------------------------------------------------------------------------------------------


def test_a_look_is_taken_when_the_last_one_is_old(account: Account, team: FakePool) -> None:
    calls = team.calls["facts"]
    assert not watch.look_if_old(30)
    assert team.calls["facts"] == calls
    Catalogue.objects.update(pools_asked_at=timezone.now() - timedelta(seconds=31))
    assert watch.look_if_old(30)
    assert not watch.look_if_old(30)
    assert team.calls["facts"] == calls + 1


def test_a_page_that_opens_during_a_look_does_not_look_too(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, looked = account.find_pools, []

    def slowly(region: str) -> list[PoolFacts]:
        looked.append(watch.look_if_old(30))
        return find(region)

    monkeypatch.setattr(wiring, "find_pools", slowly)
    Catalogue.objects.update(pools_asked_at=timezone.now() - timedelta(hours=1))
    assert watch.look_if_old(30)
    assert looked == [False]


def test_pages_that_open_at_once_look_once(account: Account, team: FakePool) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("the tests' SQLite is in memory, where threads lock each other out")
    Catalogue.objects.update(pools_asked_at=timezone.now() - timedelta(hours=1))
    calls, start, looked = team.calls["facts"], threading.Barrier(4), []

    def open_page() -> None:
        start.wait()
        looked.append(watch.look_if_old(30))
        connections.close_all()

    pages = [threading.Thread(target=open_page) for _ in range(4)]
    for page in pages:
        page.start()
    for page in pages:
        page.join()
    assert sorted(looked) == [False, False, False, True]
    assert team.calls["facts"] == calls + 1


def test_gone_is_what_aws_says_twice_ten_seconds_apart(account: Account, team: FakePool) -> None:
    held(100)
    team.gone = True
    look()
    assert (row(team).presence, row(team).doubt) == ("unknown", "gone")
    assert "it is asked a second time" in row(team).why_unknown
    look()
    assert row(team).presence == "unknown", "too soon"
    assert watch.look_twice() == 0, "too soon for the sweeper, too"
    ten_seconds_pass()
    assert watch.look_twice() == 1
    assert (row(team).presence, row(team).doubt, row(team).why_unknown) == ("gone", "", "")
    assert "no longer exists in eu-west-1" in opened()["gone"]
    asked = team.calls["facts"]
    look()
    assert team.calls["facts"] == asked, "an id that is gone does not come back"


def test_a_pool_that_is_not_listed_and_can_be_described_is_there(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "find_pools", lambda region: [])
    look()
    assert (row(team).presence, row(team).doubt) == ("there", "")


def test_a_doubt_ends_when_the_pool_answers(account: Account, team: FakePool) -> None:
    team.gone = True
    look()
    team.gone = False
    ten_seconds_pass()
    assert watch.look_twice() == 1
    assert (row(team).presence, row(team).doubt) == ("there", "")
    assert opened() == {}


@pytest.mark.parametrize("cause", sorted(set(Cause) - {Cause.GONE}))
def test_any_other_answer_is_unknown(account: Account, team: FakePool, cause: Cause) -> None:
    team.gone = True
    look()
    ten_seconds_pass()
    team.fail("facts", cause, message="No answer.")
    assert watch.look_twice() == 0
    assert (row(team).presence, row(team).why_unknown) == ("unknown", "No answer.")
    assert opened() == {}
    assert watch.look_twice() == 1, "asked again at the next sweep"
    assert row(team).presence == "gone"


def test_one_that_does_not_answer_does_not_keep_the_others_waiting_for_ever(
    account: Account, team: FakePool
) -> None:
    other = account.add("team-staging")
    team.gone = other.gone = True
    look()
    ten_seconds_pass()
    team.fail("facts", Cause.DENIED, times=99)
    watch.look_twice()
    watch.look_twice()
    assert (row(team).presence, row(other).presence) == ("unknown", "gone")


def test_a_region_that_is_silent_makes_nothing_gone_and_nothing_come_back(
    account: Account, team: FakePool
) -> None:
    old = Pool.objects.create(region=REGION, pool_id="eu-west-1_Old", name=NAME, presence="gone")
    account.silent = True
    look()
    old.refresh_from_db()
    assert (row(team).presence, old.presence) == ("unknown", "gone")


def test_a_pool_that_may_not_be_described_leaves_the_others_known(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = wiring.Untold("eu-west-1_Denied", "denied-staging", PortError("Denied.", Cause.DENIED))
    found: list[PoolFacts | wiring.Untold] = [denied, team.facts()]
    monkeypatch.setattr(wiring, "find_pools", lambda region: found)
    look()
    assert row(team).presence == "there"
    other = Pool.objects.get(pool_id="eu-west-1_Denied")
    assert (other.name, other.presence, other.why_unknown) == ("denied-staging", "unknown", "Denied.")
    assert Catalogue.row().regions[REGION]["why"] == ""


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> tuple[Pace, dict[str, FakePool]]:
    """A Region as the wiring asks it: its pools in memory, at a pace whose clock moves by itself."""
    pools = {f"eu-west-1_{number}": FakePool(f"eu-west-1_{number}", f"pool-{number}") for number in range(3)}
    pace = Pace(FakeClock(), 0.8)

    def one(region: str, pool_id: str, call: Any) -> FakePool:
        pools[pool_id].through = call
        return pools[pool_id]

    def every(region: str, call: Any) -> Iterator[tuple[str, str]]:
        call("facts", lambda: None)
        yield from ((pool.pool_id, pool.name) for pool in pools.values())

    monkeypatch.setattr(wiring, "pace", lambda region: pace)
    monkeypatch.setattr(wiring, "CognitoPool", one)
    monkeypatch.setattr(wiring, "list_pools", every)
    return pace, pools


def test_a_look_keeps_to_the_pace(region: tuple[Pace, dict[str, FakePool]]) -> None:
    pace, pools = region
    began = pace.clock.monotonic()
    assert [facts.pool_id for facts in wiring.find_pools("eu-west-1")] == list(pools)
    assert pace.clock.monotonic() - began == pytest.approx(3 / 12, abs=0.05), "4 calls at 12 a second"


def test_a_look_waits_out_throttles_for_ten_seconds_and_not_for_ever(
    region: tuple[Pace, dict[str, FakePool]],
) -> None:
    pace, pools = region
    pools["eu-west-1_1"].fail("facts", Cause.THROTTLED, times=3)
    assert len(wiring.find_pools("eu-west-1")) == 3
    assert pace.standing()["UserPoolRead"].throttled == 3
    began = pace.clock.monotonic()
    pools["eu-west-1_1"].fail("facts", Cause.THROTTLED, times=10_000)
    with pytest.raises(PortError) as error:
        wiring.find_pools("eu-west-1")
    assert error.value.cause is Cause.THROTTLED
    assert 10 <= pace.clock.monotonic() - began < 15


def test_the_patience_with_throttles_is_not_spent_by_our_own_pace(
    region: tuple[Pace, dict[str, FakePool]],
) -> None:
    pace, pools = region
    many = {f"eu-west-1_{number:03}": FakePool(f"eu-west-1_{number:03}", "p") for number in range(200)}
    pools |= many
    pools["eu-west-1_000"].fail("facts", Cause.THROTTLED)
    pools["eu-west-1_199"].fail("facts", Cause.THROTTLED, times=3)
    began = pace.clock.monotonic()
    assert len(wiring.find_pools("eu-west-1")) == 203
    assert pace.clock.monotonic() - began > wiring.LOOK_PATIENCE


@pytest.mark.parametrize("cause", sorted(set(Cause) - {Cause.GONE, Cause.UNREACHABLE, Cause.THROTTLED}))
def test_one_pool_that_cannot_be_described_does_not_blind_its_region(
    region: tuple[Pace, dict[str, FakePool]], cause: Cause
) -> None:
    _, pools = region
    pools["eu-west-1_1"].fail("facts", cause, message="Not this one.")
    first, untold, last = wiring.find_pools("eu-west-1")
    assert isinstance(untold, wiring.Untold)
    assert str(untold.error) == "Not this one."
    assert (first.pool_id, last.pool_id) == ("eu-west-1_0", "eu-west-1_2")


def test_of_a_list_one_may_be_deleted_or_denied_and_no_answer_is_no_list(
    region: tuple[Pace, dict[str, FakePool]],
) -> None:
    _, pools = region
    pools["eu-west-1_0"].gone = True
    pools["eu-west-1_1"].fail("facts", Cause.DENIED, message="Denied.")
    untold, told = wiring.find_pools("eu-west-1")
    assert isinstance(untold, wiring.Untold)
    assert (untold.pool_id, untold.name, str(untold.error)) == ("eu-west-1_1", "pool-1", "Denied.")
    assert told.pool_id == "eu-west-1_2"
    pools["eu-west-1_2"].fail("facts", Cause.UNREACHABLE)
    with pytest.raises(PortError):
        wiring.find_pools("eu-west-1")


# --- fewer users --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimate", "kind"), [(0, "emptied"), (3, "emptied"), (49, "emptied"), (50, "fewer"), (94, "fewer")]
)
def test_a_fall_is_an_alarm_after_a_second_look(team: FakePool, estimate: int, kind: str) -> None:
    held(100)
    team.estimated_users = estimate
    look()
    watch.judge()
    assert opened() == {}, "one look is a doubt"
    ten_seconds_pass()
    assert watch.look_twice() == 1
    assert list(opened()) == [kind]
    said = opened()[kind]
    assert f"has about {estimate}" in said
    assert "holds 100" in said
    assert "AWS's estimate" in said
    assert "Suggested backup:" in said

    look()
    watch.judge()
    assert list(opened()) == [kind], "and it stays so"
    assert Alarm.objects.count() == 1
    assert row(team).doubt == "", "what is settled is not doubted again"

    team.estimated_users = 100
    look()
    watch.judge()
    assert opened() == {}
    assert "about 100 users now" in Alarm.objects.get().cleared_why


@pytest.mark.parametrize(("users", "kind"), [(0, "emptied"), (49, "emptied"), (50, "fewer"), (94, "fewer")])
def test_a_backup_that_holds_fewer_is_an_alarm_at_once(team: FakePool, users: int, kind: str) -> None:
    """AWS's estimate may be hours old: what was counted is not."""
    suggested = held(100, age=timedelta(hours=2))
    fewer = held(users, age=timedelta(hours=1))
    watch.judge()
    assert list(opened()) == [kind]
    said = opened()[kind]
    assert f"The backup of {NAME} of {fewer.taken_at:%Y-%m-%d %H:%M} UTC holds {users} users" in said
    assert f"of {suggested.taken_at:%Y-%m-%d %H:%M} UTC, holds 100" in said
    look()
    watch.judge()
    assert list(opened()) == [kind], "an estimate that is fine does not end it"
    held(100, age=timedelta(minutes=1), made_by="before-restore")
    watch.judge()
    assert list(opened()) == [kind], "neither does one made just before a restore"
    held(98)
    watch.judge()
    assert opened() == {}
    assert "about 100 users now" in Alarm.objects.get().cleared_why


def test_a_backup_that_holds_fewer_counts_where_the_estimate_is_not_known(team: FakePool) -> None:
    decide(shrink_percent=30)
    held(100, age=timedelta(hours=2))
    held(75, age=timedelta(hours=1))
    watch.judge()
    assert opened() == {}, "it may fall so far"
    held(60)
    Pool.objects.update(presence="unknown", estimated_users=None)
    watch.judge()
    assert list(opened()) == ["fewer"]
    held(3, age=timedelta(minutes=10))
    watch.judge()
    assert list(opened()) == ["fewer"], "the newest one counts"
    held(3, age=timedelta(0))
    watch.judge()
    assert list(opened()) == ["emptied"]
    held(60, age=-timedelta(minutes=1))
    watch.judge()
    assert list(opened()) == ["emptied"], "what is not known ends nothing"


def test_a_number_that_comes_back_within_ten_seconds_is_none(team: FakePool) -> None:
    held(100)
    team.estimated_users = 3
    look()
    team.estimated_users = 100
    ten_seconds_pass()
    assert watch.look_twice() == 1
    assert opened() == {}


def test_a_backup_that_is_found_later_makes_a_doubt_and_no_alarm_yet(team: FakePool) -> None:
    """As when the catalogue is rebuilt after the pools were looked at."""
    team.estimated_users = 90
    held(2000)
    watch.judge()
    assert opened() == {}
    assert row(team).doubt == "emptied"
    assert watch.look_twice() == 0, "that look is not ten seconds old"
    ten_seconds_pass()
    assert watch.look_twice() == 1
    assert "has about 90 users" in opened()["emptied"]


def test_fewer_becomes_emptied_and_is_one_alarm_at_a_time(team: FakePool) -> None:
    held(100)
    for estimate, kind in ((80, "fewer"), (10, "emptied"), (90, "fewer")):
        team.estimated_users = estimate
        look()
        ten_seconds_pass()
        watch.look_twice()
        assert list(opened()) == [kind]


def test_without_a_backup_the_estimate_before_counts(team: FakePool) -> None:
    assert row(team).estimated_before == 100
    team.estimated_users = 10
    look()
    ten_seconds_pass()
    watch.look_twice()
    assert "it had about 100 before" in opened()["emptied"]
    look()
    watch.judge()
    assert list(opened()) == ["emptied"], "the new number does not become the usual one by itself"
    assert row(team).estimated_before == 100


def test_the_policy_says_how_far_it_may_fall(team: FakePool) -> None:
    held(100)
    decide(shrink_percent=30)
    for estimate, kinds in ((75, []), (69, ["fewer"])):
        team.estimated_users = estimate
        look()
        ten_seconds_pass()
        watch.look_twice()
        watch.judge()
        assert list(opened()) == kinds


def test_an_estimate_that_is_not_told_decides_nothing(team: FakePool) -> None:
    held(100)
    team.estimated_users = 3
    look()
    ten_seconds_pass()
    watch.look_twice()
    Pool.objects.update(estimated_users=None)
    watch.judge()
    assert list(opened()) == ["emptied"]


def test_a_gone_pool_is_gone_and_not_emptied_and_its_successor_ends_it(
    account: Account, team: FakePool
) -> None:
    held(100)
    team.estimated_users = 3
    look()
    ten_seconds_pass()
    watch.look_twice()
    team.gone = True
    for _ in range(2):
        look()
        ten_seconds_pass()
    watch.judge()
    assert list(opened()) == ["gone"]
    assert Alarm.objects.get(kind="gone").pool_id == team.pool_id
    successor = account.add(NAME)
    successor.estimated_users = 100
    look()
    watch.judge()
    assert opened() == {}
    assert successor.pool_id in Alarm.objects.get(kind="gone").cleared_why


def test_a_pool_of_one_day_that_nobody_waits_for_goes_without_an_alarm(
    account: Account, team: FakePool
) -> None:
    held(100, state="incomplete", checked=False)
    goes(team)
    assert row(team).presence == "gone"
    assert opened() == {}
    decide()
    watch.judge()
    assert list(opened()) == ["gone"], "somebody decided that it is backed up"


def test_a_gone_pool_whose_last_backup_expires_stays_an_alarm(account: Account, team: FakePool) -> None:
    held(100)
    goes(team)
    Backup.objects.all().delete()
    watch.judge()
    assert list(opened()) == ["gone"]


def test_a_pool_that_was_deleted_on_purpose_is_said_to_be_by_its_policy(
    account: Account, team: FakePool
) -> None:
    held(100)
    decide(enabled=False)
    look()
    goes(team)
    assert list(opened()) == ["gone"], "it was decided while the pool stood"
    decide(enabled=False)
    watch.judge()
    assert opened() == {}
    assert "decided after eu-west-1_Fake0 was last seen" in Alarm.objects.get().cleared_why
    decide()
    watch.judge()
    assert list(opened()) == ["gone"]


def test_a_twin_that_goes_is_missed_though_the_other_stands(account: Account, team: FakePool) -> None:
    stale = account.add(NAME)
    stale.estimated_users = 10
    held(10, age=timedelta(hours=2), pool_id=stale.pool_id)
    held(100, age=timedelta(hours=1), pool_id=team.pool_id)
    look()
    watch.judge()
    assert opened() == {}, "each is measured from its own"
    goes(team)
    assert list(opened()) == ["gone"]
    assert "eu-west-1_Fake0) no longer exists" in opened()["gone"]
    assert "eu-west-1_Fake1, which was there before that, still bears its name" in opened()["gone"]
    successor = account.add(NAME)
    successor.estimated_users = 100
    look()
    watch.judge()
    assert opened() == {}, "it was made again"


def test_a_stale_twin_that_goes_is_not_missed(account: Account, team: FakePool) -> None:
    stale = account.add(NAME)
    held(10, age=timedelta(hours=2), pool_id=stale.pool_id)
    held(100, age=timedelta(hours=1), pool_id=team.pool_id)
    goes(stale)
    assert row(stale).presence == "gone"
    assert opened() == {}


def test_each_of_two_twins_is_measured_from_its_own_backups(account: Account, team: FakePool) -> None:
    twin = account.add(NAME)
    twin.estimated_users = 1000
    held(100, age=timedelta(hours=2), pool_id=team.pool_id)
    held(1000, age=timedelta(hours=1), pool_id=twin.pool_id)
    held(99, age=timedelta(minutes=50), pool_id=team.pool_id)
    look()
    watch.judge()
    assert (opened(), row(team).doubt) == ({}, "")
    team.estimated_users = 3
    look()
    ten_seconds_pass()
    watch.look_twice()
    assert f"({team.pool_id}) has about 3 users" in opened()["emptied"]
    team.estimated_users = 100
    look()
    watch.judge()
    assert opened() == {}
    held(3, age=timedelta(minutes=10), pool_id=team.pool_id)
    watch.judge()
    assert "holds 3 users" in opened()["emptied"], "and so is what they hold"
    Pool.objects.filter(pool_id=twin.pool_id).update(fell="", estimated_before=1000)
    Backup.objects.filter(pool_id=team.pool_id).delete()
    watch.judge()
    assert opened() == {}, "without a backup of its own by its estimate before"


def test_a_successor_is_measured_from_the_backup_of_the_pool_before_it(
    account: Account, team: FakePool
) -> None:
    held(100, pool_id=team.pool_id)
    goes(team)
    successor = account.add(NAME)
    successor.estimated_users = 3
    look()
    ten_seconds_pass()
    watch.look_twice()
    assert list(opened()) == ["emptied"]
    held(3, age=timedelta(0), pool_id=successor.pool_id)
    look()
    watch.judge()
    assert list(opened()) == ["emptied"], "its own backup is no better"


def test_to_credentials_of_another_account_no_pool_is_gone(
    account: Account, team: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    held(100)
    make_due()
    monkeypatch.setattr(wiring, "caller", lambda: "arn:aws:iam::999988887777:user/host")
    goes(team)
    assert (row(team).presence, row(team).doubt, opened()) == ("unknown", "", {})
    said = "Our credentials are of account 999988887777, this pool is of 123456789012."
    assert row(team).why_unknown == said
    assert watch.start_due() == []
    assert said in watch.standings()[0].held
    assert next_run() < timezone.now(), "it is held, not lost"

    def silent() -> str:
        raise PortError("STS did not answer.", Cause.UNREACHABLE)

    monkeypatch.setattr(wiring, "caller", silent)
    goes(team)
    assert row(team).presence == "gone", "where that is not told, what AWS says twice holds"


def test_what_is_not_known_clears_nothing(account: Account, team: FakePool) -> None:
    held(100)
    team.gone = True
    for _ in range(2):
        look()
        ten_seconds_pass()
    watch.judge()
    Pool.objects.update(presence="unknown")
    watch.judge()
    assert list(opened()) == ["gone"]


def test_a_pool_that_is_not_backed_up_by_itself_is_watched_all_the_same(team: FakePool) -> None:
    decide()
    held(100, age=timedelta(days=3))
    decided_long_ago()
    watch.judge()
    assert list(opened()) == ["late"]
    decide(enabled=False)
    team.estimated_users = 3
    look()
    ten_seconds_pass()
    watch.look_twice()
    assert list(opened()) == ["emptied"]
    assert "decided that it is not backed up by itself" in Alarm.objects.get(kind="late").cleared_why
    goes(team)
    assert list(opened()) == ["gone"]


def test_alarms_of_a_region_that_is_not_looked_after_end(team: FakePool, settings: Settings) -> None:
    held(100)
    Pool.objects.update(presence="gone")
    watch.judge()
    assert list(opened()) == ["gone"]
    settings.POOL_REGIONS = ["eu-central-1"]
    watch.judge()
    assert opened() == {}


# --- late, failed, unreadable -------------------------------------------------------------------------


def test_a_backup_is_late_after_its_period_and_grace(team: FakePool) -> None:
    held(100, age=timedelta(minutes=89))
    watch.judge()
    assert opened() == {}, "nothing is expected where nobody decided"
    decide()
    decided_long_ago()
    watch.judge()
    assert opened() == {}
    Backup.objects.update(taken_at=timezone.now() - timedelta(minutes=91))
    watch.judge()
    said = opened()["late"]
    (standing,) = watch.standings()
    assert standing.late_since is not None
    assert f"is late since {standing.late_since:%Y-%m-%d %H:%M} UTC" in said
    assert "It is made every hour at :17." in said
    assert "The bucket has not answered yet" in said
    Catalogue.objects.update(answered_at=timezone.now())
    watch.judge()
    assert "The bucket" not in opened()["late"]
    Catalogue.objects.update(answered_at=timezone.now() - timedelta(hours=1))
    watch.judge()
    assert "The bucket has not answered since" in opened()["late"]
    assert Alarm.objects.count() == 1
    held(100)
    watch.judge()
    assert opened() == {}


def test_a_file_of_cbrs_counts_and_is_labelled(team: FakePool) -> None:
    decide(cron="0 1 * * 0")
    held(100, age=timedelta(days=5), region="", made_by="cbr", state="users-only", checked=False)
    (standing,) = watch.standings()
    assert (standing.by_cbr, standing.late_since) == (True, None)
    Backup.objects.update(taken_at=timezone.now() - timedelta(days=8))
    decided_long_ago()
    watch.judge()
    assert ", by cbr, 100 users." in opened()["late"]


def test_what_cannot_be_read_another_regions_or_from_the_future_does_not_count(team: FakePool) -> None:
    decide()
    decided_long_ago()
    held(100, age=timedelta(hours=3))
    held(100, age=timedelta(minutes=1), state="incomplete", checked=False)
    held(100, age=timedelta(minutes=2), region="eu-central-1")
    held(100, age=-timedelta(days=400), made_by="cbr", region="", state="users-only")
    watch.judge()
    assert "late" in opened()


def test_a_schedule_that_was_just_changed_is_not_late_at_once(team: FakePool) -> None:
    decide(cron="40 2 * * 0")
    held(100, age=timedelta(days=6))
    decide()
    watch.judge()
    assert opened() == {}
    changed = Policy.objects.get().scheduled_at
    assert decide(shrink_percent=20, mfa="off").scheduled_at == changed
    assert decide(zone="Europe/Berlin").scheduled_at != changed
    decided_long_ago()
    watch.judge()
    assert list(opened()) == ["late"]


def test_a_backup_from_the_future_is_passed_over_and_says_nothing(team: FakePool) -> None:
    suggested = held(100)
    ahead = held(3, age=-timedelta(minutes=11))
    assert (ahead.suggested, ahead.passed_over) == (False, "dated in the future")
    assert catalogue.suggested(REGION, NAME) == suggested
    with pytest.raises(actions.Refused, match="not passed over for holding fewer users"):
        actions.accept_fall(IVA, ahead, "because I say so")
    Backup.objects.filter(pk=ahead.pk).update(state="unreadable", reason="it was cut")
    watch.judge()
    assert opened() == {}


def test_a_policy_of_a_region_that_is_not_looked_after_raises_nothing(
    team: FakePool, settings: Settings
) -> None:
    decide()
    decided_long_ago()
    watch.judge()
    assert list(opened()) == ["late"]
    settings.POOL_REGIONS = ["eu-central-1"]
    for _ in range(2):
        watch.judge()
        assert opened() == {}
    assert "not looked after any more (POOL_REGIONS)" in Alarm.objects.get().cleared_why


def test_without_any_backup_the_first_run_may_be_late(team: FakePool) -> None:
    decide()
    watch.judge()
    assert opened() == {}
    Policy.objects.update(scheduled_at=timezone.now() - timedelta(hours=2))
    watch.judge()
    assert "There is no readable backup of it." in opened()["late"]


def test_a_failed_backup_is_an_alarm_until_one_succeeds(account: Account, team: FakePool) -> None:
    account.store.fail("put", Cause.DENIED, nth=3, message="Denied.")
    make_due()
    (job,) = watch.start_due()
    runner.run(job.pk)
    watch.judge()
    assert "Denied." in opened()["failed"]
    cancelled = actions.start_backup(IVA, row(team))
    actions.cancel(IVA, cancelled)
    watch.judge()
    assert "failed" in opened(), "one that a person ended says nothing"
    team.estimated_users = None
    runner.run(actions.start_backup(IVA, row(team)).pk)
    watch.judge()
    assert "failed" not in opened()
    assert "made and checked" in Alarm.objects.get(kind="failed").cleared_why


def test_a_newest_backup_of_ours_that_cannot_be_read_is_an_alarm(account: Account, team: FakePool) -> None:
    runner.run(actions.start_backup(IVA, row(team)).pk)
    backup = Backup.objects.get()
    watch.judge()
    assert "unreadable" not in opened()
    data = account.store.read(f"{backup.key}/data.json")
    account.store.plant(f"{backup.key}/data.json", data.replace(b"person1", b"personX"))
    assert actions.check_backup(IVA, backup).state == "unreadable"
    watch.judge()
    assert f"{backup.key}, cannot be trusted" in opened()["unreadable"]
    assert "There is no readable backup of it." in opened()["unreadable"]
    held(4, age=timedelta(seconds=-30))
    watch.judge()
    assert "unreadable" not in opened()


def test_one_that_did_not_pass_its_check_is_not_trusted(team: FakePool) -> None:
    backup = held(100, checked=False)
    watch.judge()
    assert "unreadable" not in opened(), "it was not checked yet"
    Job.objects.create(
        kind="backup", queue="read", state="failed", region=REGION, pool_id="x", result={"key": backup.key}
    )
    watch.judge()
    assert "did not pass its check" in opened()["unreadable"]
    Backup.objects.all().delete()
    watch.judge()
    assert "unreadable" not in opened()


# --- the suggested backup, and falls that are accepted ------------------------------------------------


def test_an_accepted_fall_is_suggested_audited_and_ends_the_alarm(team: FakePool) -> None:
    held(100, age=timedelta(hours=2))
    fewer = held(60)
    team.estimated_users = 60
    look()
    ten_seconds_pass()
    watch.look_twice()
    assert list(opened()) == ["fewer"]
    assert fewer.passed_over == "60 users, a fall of 40 % from 100"

    accepted = actions.accept_fall(IVA, fewer, "  the summer  school is over ")
    assert (accepted.suggested, accepted.passed_over) == (True, "")
    assert Acceptance.objects.get().reason == "the summer school is over"
    entry = AuditEntry.objects.get(act=Act.FALL_ACCEPTED)
    assert entry.details["key"] == fewer.key
    assert entry.details["fall"] == "60 users, a fall of 40 % from 100"
    assert entry.details["reason"] == "the summer school is over"
    watch.judge()
    assert opened() == {}
    assert held(58, age=timedelta(seconds=1)).suggested, "what follows is measured from there"


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "incomplete"},
        {"made_by": "before-restore"},
        {"users": 99},
        {"users": None},
    ],
)
def test_only_a_fall_can_be_accepted(team: FakePool, changes: dict[str, Any]) -> None:
    held(100, age=timedelta(hours=2))
    backup = held(**{"users": 3, **changes})
    with pytest.raises(actions.Refused, match="not passed over for holding fewer users"):
        actions.accept_fall(IVA, backup, "because I say so")
    assert not Acceptance.objects.exists()


@pytest.mark.parametrize("reason", ["", "   ", "yes please", "x" * 80, "why " * 200])
def test_accepting_needs_a_reason_that_says_something(team: FakePool, reason: str) -> None:
    held(100, age=timedelta(hours=2))
    fewer = held(3)
    with pytest.raises(actions.Refused) as refused:
        actions.accept_fall(IVA, fewer, reason)
    assert refused.value.status == 400
    assert not Acceptance.objects.exists()


def test_only_who_may_accepts(team: FakePool, pol: actions.Actor, settings: Settings) -> None:
    held(100, age=timedelta(hours=2))
    fewer = held(3)
    settings.RESTORE_GROUPS = ["others"]
    with pytest.raises(actions.Refused, match="may not accept a backup with fewer users"):
        actions.accept_fall(pol, fewer, "they all left us")


def test_only_pools_of_which_something_was_read_are_weighed_again(account: Account, team: FakePool) -> None:
    account.store.plant("2026-01-03.00-00-00/team-production/data.json", a_file([an_entry()]))
    catalogue.look_at_bucket(whole=True)
    assert Backup.objects.get().suggested
    assert not Backup.objects.filter(weighed=False).exists()
    Backup.objects.update(suggested=False)
    catalogue.look_at_bucket(whole=False)
    assert not Backup.objects.get().suggested, "nothing changed, so nothing was weighed"
    account.store.plant("2026-01-04.00-00-00/team-production/data.json", a_file([an_entry()]))
    catalogue.look_at_bucket(whole=False)
    assert Backup.objects.get(suggested=True).taken_at.day == 4
    Backup.objects.update(suggested=False)
    catalogue.look_at_bucket(whole=True)
    assert Backup.objects.filter(suggested=True).exists(), "once a day everything is"


def test_one_name_in_two_regions_is_two_rows_of_backups(team: FakePool) -> None:
    there = held(2000, age=timedelta(hours=3), region="eu-central-1")
    old = held(90, age=timedelta(hours=2), region="", made_by="cbr", state="users-only")
    here = held(100)
    assert (here.suggested, here.passed_over) == (True, "")
    there.refresh_from_db()
    assert there.suggested, "no small pool of another Region takes its place"
    assert catalogue.suggested(REGION, NAME) == here
    assert catalogue.suggested("eu-central-1", NAME) in (there, old)


def test_weighing_reads_few_columns_of_many_backups(team: FakePool) -> None:
    start = timezone.now() - timedelta(days=90)
    rows = (
        Backup(
            key=f"{number}/{NAME}",
            pool_name=NAME,
            region=REGION,
            taken_at=start + timedelta(minutes=number),
            state="complete",
            made_by="schedule",
            users=1000 + number // 100,
            fingerprint="x",
            weighed=True,
        )
        for number in range(5000)
    )
    Backup.objects.bulk_create(rows, batch_size=1000)
    held(1050, age=timedelta(minutes=1))
    asked: list[str] = []
    with connection.execute_wrapper(_counting(asked)):
        catalogue._suggest()
    assert len(asked) == 1, "nothing to weigh is one question"
    Backup.objects.filter(key=f"4999/{NAME}").update(weighed=False)
    asked.clear()
    with connection.execute_wrapper(_counting(asked)):
        catalogue._suggest()
    assert len(asked) < 10
    assert not any("manifest" in sql for sql in asked)


def _counting(asked: list[str]) -> Any:
    def run(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append(sql)
        return execute(sql, params, many, context)

    return run


# --- the whole of it ----------------------------------------------------------------------------------


def test_a_round_looks_starts_judges_and_tells_the_watchdog(
    account: Account, team: FakePool, beats: list[str]
) -> None:
    make_due()
    Catalogue.objects.update(pools_asked_at=None)
    calls = team.calls["facts"]
    tasks.look_and_judge()
    assert (team.calls["facts"], Job.objects.count(), beats) == (calls + 1, 1, ["beat"])
    tasks.look_and_judge()
    assert (team.calls["facts"], Job.objects.count(), beats) == (calls + 1, 1, ["beat", "beat"])


def test_a_round_that_does_not_reach_its_end_is_not_told(
    team: FakePool, beats: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(watch, "judge", broken)
    with pytest.raises(RuntimeError):
        watch.tick()
    assert beats == []


def test_one_that_fails_does_not_keep_the_others_from_their_backups_and_alarms(
    account: Account, team: FakePool, beats: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = account.add("team-staging")
    make_due()
    make_due(name=other.name)
    decided_long_ago()
    start, number = actions.start_scheduled, watch._judge_number

    def start_one(pool: Pool) -> Job:
        if pool.name == NAME:
            raise RuntimeError("out of order")
        return start(pool)

    def judge_one(standing: watch.Standing, *more: Any) -> None:
        if standing.name == NAME:
            raise RuntimeError("out of order")
        number(standing, *more)

    monkeypatch.setattr(actions, "start_scheduled", start_one)
    watch.tick()
    assert [job.pool_name for job in Job.objects.all()] == ["team-staging"]
    assert beats == []
    monkeypatch.setattr(actions, "start_scheduled", start)
    Job.objects.all().delete()
    Alarm.objects.all().delete()
    monkeypatch.setattr(watch, "_judge_number", judge_one)
    watch.tick()
    assert [job.pool_name for job in Job.objects.all()] == [NAME], "it stayed due"
    assert list(Alarm.objects.values_list("pool_name", flat=True)) == ["team-staging"]
    assert beats == []
    monkeypatch.setattr(watch, "_judge_number", number)
    watch.tick()
    assert beats == ["beat"]


def test_the_sweep_takes_the_second_look(account: Account, team: FakePool) -> None:
    held(100)
    team.gone = True
    look()
    ten_seconds_pass()
    tasks.sweep()
    assert list(opened()) == ["gone"]


def test_standings_tell_everything_of_one_name(account: Account, team: FakePool) -> None:
    account.add("other-staging")
    suggested = held(100)
    make_due()
    Pool.objects.create(region=REGION, pool_id="eu-west-1_Old", name=NAME, presence="gone")
    mine, other = watch.standings()
    assert (mine.name, mine.environment, mine.words) == (NAME, "production", "every hour at :17")
    assert [pool.presence for pool in mine.pools] == ["there", "gone"]
    assert (mine.suggested, mine.newest, mine.by_cbr) == (suggested, suggested, False)
    assert (mine.proposed, mine.off, len(mine.runs)) == (False, False, 3)
    assert mine.next_at is not None
    assert (other.name, other.proposed, other.policy, other.next_at) == ("other-staging", True, None, None)
    assert (other.words.startswith("every hour at :"), len(other.runs)) == (True, 3)
    decide(enabled=False)
    mine = watch.standings()[0]
    assert (mine.off, mine.runs, mine.next_at, mine.late_at) == (True, (), None, None)


def test_a_large_pool_is_proposed_a_daily_backup(team: FakePool) -> None:
    Pool.objects.update(estimated_users=60_000)
    assert watch.standings()[0].words.startswith("every day at")


# --- in a terminal ------------------------------------------------------------------------------------


def ask(*command: str) -> tuple[int, dict[str, Any], str]:
    """A command in this process: (exit status, its JSON, what a reader sees)."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command("schedule", *command, "--json", stdout=out, stderr=err)
    except SystemExit as end:
        status = int(end.code or 0)
    except CommandError as error:
        status = error.returncode
    return status, json.loads(out.getvalue().splitlines()[-1]), err.getvalue()


def test_the_list_names_what_is_proposed(account: Account, team: FakePool) -> None:
    account.add("team-staging")
    status, found, said = ask()
    assert status == 0
    assert [(pool["name"], pool["state"]) for pool in found["pools"]] == [
        (NAME, "proposed"),
        ("team-staging", "proposed"),
    ]
    assert all(len(pool["next_runs"]) == 3 for pool in found["pools"])
    assert "proposed: every hour at :" in said
    assert not Policy.objects.exists()


def test_a_policy_is_decided_in_a_terminal(team: FakePool) -> None:
    status, found, said = ask(NAME, "--cron", "40 2 * * *", "--zone", "Europe/Berlin", "--shrink", "10")
    (pool,) = found["pools"]
    assert (status, pool["state"], pool["words"]) == (0, "on", "every day at 02:40 Europe/Berlin")
    assert (pool["shrink_percent"], pool["mfa"], pool["ids"]) == (10, "auto", [team.pool_id])
    assert "every day at 02:40 Europe/Berlin" in said
    status, found, said = ask(team.pool_id, "--mfa", "on")
    assert (found["pools"][0]["cron"], found["pools"][0]["mfa"]) == ("40 2 * * *", "on")
    status, found, said = ask(NAME, "--off")
    assert (found["pools"][0]["state"], found["pools"][0]["next_runs"]) == ("off", [])
    assert "off (every day at 02:40 Europe/Berlin)" in said
    status, found, _ = ask(NAME, "--on")
    assert found["pools"][0]["state"] == "on"
    assert AuditEntry.objects.filter(act=Act.POLICY_SET).count() == 4


def test_what_is_proposed_is_started_only_when_somebody_says_so(team: FakePool) -> None:
    status, found, _ = ask(NAME, "--shrink", "10")
    assert (status, "Nobody has decided yet" in found["error"]) == (2, True)
    assert not Policy.objects.exists()
    proposed = watch.standings()[0].cron
    assert ask(NAME, "--on")[0] == 0
    assert Policy.objects.get().cron == proposed


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["nobody"], "No pool nobody was seen in the configured Regions."),
        ([NAME, "--region", "eu-north-1"], "No pool team-production was seen in eu-north-1."),
        (["--off"], "POOL is missing"),
        ([NAME, "--cron", "soon"], "soon is no schedule"),
        ([NAME, "--cron", "17 * * * *", "--zone", "Mars"], "Mars is no time zone"),
    ],
)
def test_wrong_use_is_said_and_changes_nothing(team: FakePool, command: list[str], said: str) -> None:
    status, found, _ = ask(*command)
    assert (status, said in found["error"]) == (2, True), found
    assert not Policy.objects.exists()


def test_a_name_in_two_regions_needs_its_region(team: FakePool, settings: Settings) -> None:
    settings.POOL_REGIONS = [REGION, "eu-central-1"]
    Pool.objects.create(region="eu-central-1", pool_id="eu-central-1_X", name=NAME, presence="there")
    status, found, _ = ask(NAME, "--on")
    assert (status, "add --region" in found["error"]) == (2, True)
    assert ask(NAME, "--region", "eu-central-1", "--on")[0] == 0
    assert Policy.objects.get().region == "eu-central-1"


def test_what_is_wrong_is_in_the_list_too(account: Account, team: FakePool) -> None:
    make_due()
    decided_long_ago()
    held(100, age=timedelta(hours=5), region="", made_by="cbr", state="users-only")
    account.add(NAME).estimated_users = 100
    look()
    watch.judge()
    _, found, said = ask()
    (pool,) = found["pools"]
    assert pool["alarms"] == ["late"]
    assert pool["late_since"] is not None
    assert (pool["newest_made_by"], len(pool["twins"])) == ("cbr", 2)
    assert "share this name" in said
    assert " by cbr" in said
    assert "backup late" in said
    Pool.objects.update(presence="unknown", why_unknown="AWS did not answer.")
    assert "a backup is due and waits. Whether the pool still exists is not known." in ask()[2]
