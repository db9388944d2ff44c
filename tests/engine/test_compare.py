"""Two readings compared."""

from __future__ import annotations

import pytest

from backups.core.diff import Counts
from backups.core.matching import Rules
from backups.engine.compare import compare
from backups.engine.ports import Stop
from backups.engine.reading import read_backup, read_pool
from tests.build import KEY, a_backup, a_file, an_entry
from tests.fakes import FakePool, FakeReport, FakeStore


def test_a_backup_and_the_pool_that_drifted_from_it() -> None:
    pool, store, report, counts = FakePool(), FakeStore(), FakeReport(), Counts()
    ada = pool.add("ada@x.io", groups=["admins"])
    pool.add("bob@x.io")
    pool.add("eve@x.io")
    a_backup(store, pool)
    pool.remove("bob@x.io")
    pool.disable_user("eve@x.io")
    pool.memberships["admins"].clear()
    pool.add("new@x.io")
    with read_backup(store, KEY, report, "from") as a, read_pool(pool, report, "to") as b:
        changes = list(compare(a, b, Rules.of(pool.facts()), report, counts))
    found = {(change.kind, change.user.email): change.fields for change in changes}
    assert found == {
        ("only_from", "bob@x.io"): (),
        ("only_to", "new@x.io"): (),
        ("changed", "eve@x.io"): (("Enabled", "true", "false"),),
        ("changed", "ada@x.io"): (("groups", "admins", ""),),
    }
    assert ada["Enabled"] and report.counters == {
        "from": 3,
        "to": 3,
        "only_from": 1,
        "only_to": 1,
        "changed": 2,
        "same": 0,
    }


def test_two_files_and_no_pool_to_ask() -> None:
    store, counts = FakeStore(), Counts()
    store.plant(f"{KEY}/data.json", a_file([an_entry("Ada@x.io", sub="1")]))
    store.plant("2026-11-23.01-00-00/p/data.json", a_file([an_entry("ada@x.io", sub="2")]))
    with (
        read_backup(store, KEY, FakeReport(), "from") as a,
        read_backup(store, "2026-11-23.01-00-00/p", FakeReport(), "to") as b,
    ):
        [change] = compare(a, b, None, FakeReport(), counts)
    assert (change.kind, change.matched_by, counts.new_identity) == ("changed", "email", 1)


def test_a_long_comparison_counts_and_can_be_stopped() -> None:
    store = FakeStore()
    store.plant(f"{KEY}/data.json", a_file(an_entry(f"{n}@x.io") for n in range(1200)))
    store.plant("2026-11-23.01-00-00/p/data.json", a_file([]))
    with (
        read_backup(store, KEY, FakeReport(), "from") as a,
        read_backup(store, "2026-11-23.01-00-00/p", FakeReport(), "to") as b,
    ):
        report = FakeReport()
        assert len(list(compare(a, b, None, report, Counts()))) == 1200 and report.asked == 2
        with pytest.raises(Stop):
            list(compare(a, b, None, FakeReport(stop_after=1), Counts()))
