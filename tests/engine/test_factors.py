"""Second factors of users: read once each, several at once, whole or not at all."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from backups.core import files
from backups.core.snapshot import Entry
from backups.engine import factors
from backups.engine.check import check
from backups.engine.factors import Factors
from backups.engine.ports import Cause, PortError, Stop
from tests.build import KEY, a_backup, seal
from tests.fakes import FakePool, FakeReport, FakeStore


@pytest.fixture
def pool() -> FakePool:
    """A hundred and thirty people; every tenth has a second factor."""
    pool = FakePool()
    for number in range(130):
        name = pool.add(f"{number}@x.io")["Username"]
        if number % 10 == 0:
            pool.factors[name] = ("SOFTWARE_TOKEN_MFA", "SMS_MFA") if number else ("EMAIL_OTP",)
    return pool


def read(
    pool: FakePool, names: Sequence[str], report: FakeReport | None = None
) -> tuple[list[Entry], Factors]:
    found = Factors(pool, names, report or FakeReport())
    return list(found), found


def test_who_has_any_is_told_in_order_and_everybody_is_billed(pool: FakePool) -> None:
    names = list(pool.entries)
    entries, found = read(pool, names)
    assert [entry["Username"] for entry in entries] == names[::10]
    assert entries[0] == {
        "Username": names[0],
        "UserMFASettingList": ["EMAIL_OTP"],
        "PreferredMfaSetting": "EMAIL_OTP",
    }
    assert (found.read, found.count, found.failed) == (130, 13, None)
    assert pool.active == set(names) and pool.calls["get_user"] == 130


def test_somebody_who_was_deleted_meanwhile_is_no_error_and_not_billed(pool: FakePool) -> None:
    names = list(pool.entries)
    pool.remove(names[0])
    entries, found = read(pool, names)
    assert (len(entries), found.read, found.count) == (12, 129, 12)


def test_of_nobody_nothing_is_asked() -> None:
    pool = FakePool()
    assert read(pool, [])[0] == [] and pool.calls["get_user"] == 0


def test_several_are_asked_at_once_and_never_more_than_may_wait(pool: FakePool) -> None:
    names, at_once = list(pool.entries), threading.Barrier(factors.THREADS, timeout=10)
    begun = iter(range(factors.THREADS))

    def call(operation: str, do):  # type: ignore[no-untyped-def]
        if next(begun, None) is not None:
            at_once.wait()  # nobody goes on before the last of them has come
        return do()

    pool.through = call
    walk = iter(Factors(pool, names, FakeReport()))
    next(walk)
    assert pool.calls["get_user"] <= factors.AHEAD
    walk.close()  # type: ignore[attr-defined]
    assert pool.calls["get_user"] < 130, "who stops listening ends the asking"


def test_the_first_failure_ends_it_and_says_why(pool: FakePool) -> None:
    pool.fail("get_user", Cause.DENIED, nth=1, times=1_000)
    found = Factors(pool, list(pool.entries), FakeReport())
    with pytest.raises(PortError) as raised:
        list(found)
    assert raised.value is found.failed
    assert found.failed.cause is Cause.DENIED and found.read == 0
    assert pool.calls["get_user"] <= factors.AHEAD


def test_what_was_billed_before_a_failure_is_counted(pool: FakePool) -> None:
    pool.fail("get_user", Cause.LOST, nth=70)
    found = Factors(pool, list(pool.entries), FakeReport())
    with pytest.raises(PortError):
        list(found)
    assert found.read == len(pool.active) >= 69 - factors.AHEAD


def test_it_stops_where_it_is_told_to(pool: FakePool) -> None:
    found = Factors(pool, list(pool.entries), FakeReport(stop_after=1))
    with pytest.raises(Stop):
        list(found)
    assert found.failed is None and 60 <= found.read < 130


# --- in a backup ------------------------------------------------------------------------------


def test_a_backup_holds_them_in_a_part_of_their_own(pool: FakePool) -> None:
    store, report = FakeStore(), FakeReport()
    made = a_backup(store, pool, report=report, mfa_policy="auto")
    assert list(store.objects)[-2:] == [f"{KEY}/mfa.json", f"{KEY}/manifest.json"]
    assert made.manifest.parts[-1].name == "mfa.json" and made.manifest.parts[-1].count == 13
    assert made.manifest.mfa == {"read": 130, "billed_active": 130}
    assert b"MFA" not in store.read(f"{KEY}/data.json"), "data.json is cbr's to the letter"
    told = {name: preferred for name, _, preferred in files.read_mfa([store.read(f"{KEY}/mfa.json")])}
    assert told == {name: used[0] for name, used in pool.factors.items()}
    assert ("Second factors", 130) in report.phases
    assert "130 users read; AWS counts them as active" in report.text
    assert check(store, KEY, FakeReport(), store.clock, tool="tests", seal=seal).checked


@pytest.mark.parametrize(
    ("policy", "tier", "says"),
    [("off", "LITE", "not to read them"), ("auto", "PLUS", "on the tier PLUS"), ("auto", "", "not tell")],
)
def test_where_they_are_not_wanted_nobody_is_billed_and_it_is_said(
    pool: FakePool, policy: str, tier: str, says: str
) -> None:
    store, pool.tier = FakeStore(), tier
    manifest = a_backup(store, pool, mfa_policy=policy).manifest
    assert manifest.mfa["billed_active"] == 0 and says in str(manifest.mfa["why"])
    assert pool.calls["get_user"] == 0 and f"{KEY}/mfa.json" not in store.keys
    assert manifest.unread == {}


@pytest.mark.parametrize("nth", [1, 100])
def test_where_aws_does_not_let_us_the_backup_is_complete_without_them(pool: FakePool, nth: int) -> None:
    store, report = FakeStore(), FakeReport()
    pool.fail("get_user", Cause.DENIED, nth=nth, times=1_000, message="Not allowed: AdminGetUser.")
    manifest = a_backup(store, pool, report=report, mfa_policy="on").manifest
    assert manifest.unread == {"second factors of users": "Not allowed: AdminGetUser."}
    assert manifest.mfa == {"read": 0, "billed_active": len(pool.active)}
    assert f"{KEY}/mfa.json" not in store.keys and "Not allowed" in report.text
    assert check(store, KEY, FakeReport(), store.clock, tool="tests", seal=seal).checked


def test_a_bucket_that_does_not_take_them_fails_the_backup(pool: FakePool) -> None:
    store = FakeStore()
    store.fail("put", Cause.DENIED, nth=4)
    with pytest.raises(PortError):
        a_backup(store, pool, mfa_policy="on")
    assert f"{KEY}/manifest.json" not in store.keys


def test_they_are_read_back_like_every_other_part(pool: FakePool) -> None:
    store = FakeStore()
    a_backup(store, pool, mfa_policy="on")
    whole = store.read(f"{KEY}/mfa.json")
    for damaged in (whole.replace(b"SMS_MFA", b"SMS-MFA"), whole[:-3] + b" \n ", b"x" * len(whole)):
        store.objects[f"{KEY}/mfa.json"].clear()
        store.plant(f"{KEY}/mfa.json", damaged)
        found = check(store, KEY, FakeReport(), store.clock, tool="tests", seal=seal)
        assert found.state == "unreadable"
    store.delete(f"{KEY}/mfa.json")
    found = check(store, KEY, FakeReport(), store.clock, tool="tests", seal=seal)
    assert found.reason.startswith("mfa.json is missing")
