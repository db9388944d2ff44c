"""Two readings compared; and what a restore of what was missing leaves to be said."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core import plan
from backups.core.diff import Change, Choices, Counts, Kind
from backups.core.matching import Index, Rules
from backups.core.plan import Action, Messages
from backups.engine.compare import compare
from backups.engine.live import read_pool
from backups.engine.ports import Stop
from backups.engine.reading import read_backup
from backups.engine.restore import Task, restore
from tests.build import KEY, a_backup, a_file, an_entry, laws
from tests.fakes import FakePool, FakeReport, FakeStore

OTHER = "2026-11-23.01-00-00/p"
RULES = Rules(email_is_username=True, case_sensitive=False)


def drifted(
    store: FakeStore,
    pool: FakePool,
    report: FakeReport | None = None,
    made: Mapping[str, str] = MappingProxyType({}),
) -> tuple[list[Change], Counts]:
    """The backup under KEY with the pool as it is now."""
    report, counts = report or FakeReport(), Counts()
    choices = Choices(
        Rules.of(pool.facts()), restored=lambda subs: {sub: (made[sub],) for sub in subs if sub in made}
    )
    with read_backup(store, KEY, report, "from") as a, read_pool(pool, report, "to") as b:
        return list(compare(a, b, choices, report, counts)), counts


def test_a_backup_and_the_pool_that_drifted_from_it() -> None:
    pool, store, report = FakePool(), FakeStore(), FakeReport()
    ada = pool.add("ada@x.io", groups=["admins"])
    pool.add("bob@x.io")
    pool.add("eve@x.io")
    a_backup(store, pool)
    pool.remove("bob@x.io")
    pool.disable_user("eve@x.io")
    pool.memberships["admins"].clear()
    pool.add("new@x.io")
    changes, counts = drifted(store, pool, report)
    assert {(change.kind, change.user.email): change.fields for change in changes} == {
        (Kind.ONLY_FROM, "bob@x.io"): (),
        (Kind.ONLY_TO, "new@x.io"): (),
        (Kind.CHANGED, "eve@x.io"): (("Enabled", "true", "false"),),
        (Kind.CHANGED, "ada@x.io"): (("groups", "admins", ""),),
    }
    assert (counts.memberships_from, counts.memberships_to, counts.memberships_same) == (1, 0, 0)
    told = {name: report.counters[name] for name in ("only_from", "only_to", "changed", "same")}
    assert ada["Enabled"] and told == {"only_from": 1, "only_to": 1, "changed": 2, "same": 0}


def test_second_factors_are_compared_where_both_backups_know_them() -> None:
    pool, store = FakePool(), FakeStore()
    ada = pool.add("ada@x.io")
    pool.factors[ada["Username"]] = ("SOFTWARE_TOKEN_MFA", "SMS_MFA")
    a_backup(store, pool, mfa_policy="on")
    pool.factors.clear()
    a_backup(store, pool, key=OTHER, mfa_policy="on")
    with (
        read_backup(store, KEY, FakeReport(), "from", beside=True) as a,
        read_backup(store, OTHER, FakeReport(), "to", beside=True) as b,
    ):
        [change] = compare(a, b, Choices(RULES), FakeReport(), Counts())
    assert change.fields == (("second factors", "SMS_MFA, SOFTWARE_TOKEN_MFA (preferred)", ""),)


def test_a_long_comparison_counts_and_can_be_stopped() -> None:
    store = FakeStore()
    store.plant(f"{KEY}/data.json", a_file(an_entry(f"{n}@x.io") for n in range(1200)))
    store.plant(f"{OTHER}/data.json", a_file([an_entry("b@x.io")]))
    with (
        read_backup(store, KEY, FakeReport(), "from") as a,
        read_backup(store, OTHER, FakeReport(), "to") as b,
    ):
        report = FakeReport()
        assert len(list(compare(a, b, Choices(RULES), report, Counts()))) == 1201 and report.asked == 6
        with pytest.raises(Stop):
            list(compare(a, b, Choices(RULES), FakeReport(stop_after=1), Counts()))


person = st.fixed_dictionaries(
    {
        "enabled": st.booleans(),
        "verified": st.booleans(),
        "status": st.sampled_from(["CONFIRMED", "UNCONFIRMED", "FORCE_CHANGE_PASSWORD"]),
        "groups": st.lists(st.sampled_from(["admins", "beta"]), unique=True),
        "fate": st.sampled_from(["stays", "goes", "changes", "registers again"]),
        "institution": st.sampled_from(["MIT", ""]),
    }
)


@laws(60)
@given(st.lists(person, min_size=1, max_size=8), st.sampled_from(list(Messages)))
def test_restored_from_a_comparison_only_what_cannot_come_back_differs(
    people: list[dict[str, object]], way: Messages
) -> None:
    pool, store = FakePool(mail="DEVELOPER", mails_left=None), FakeStore()
    pool.add("somebody@x.io")
    for number, one in enumerate(people):
        told = {name: one[name] for name in ("enabled", "verified", "status", "groups")}
        pool.add(f"{number}@x.io", name=f"N{number}", custom_institution=str(one["institution"]), **told)  # type: ignore[arg-type]
    a_backup(store, pool)
    pool.clock.sleep(3600)
    taken_at = "2026-11-22T01:00:00.000Z"
    for number, one in enumerate(people):
        if one["fate"] in ("goes", "registers again"):
            pool.remove(f"{number}@x.io")
        if one["fate"] == "registers again":
            pool.add(f"{number}@x.io", name="stranger")
        if one["fate"] == "changes":
            pool.get(f"{number}@x.io")
            pool.disable_user(f"{number}@x.io")

    before, counted = drifted(store, pool)
    missing = {change.user.key for change in before if change.kind is Kind.ONLY_FROM}
    facts = pool.facts()
    with read_backup(store, KEY, FakeReport(), "x") as a, read_pool(pool, FakeReport(), "y") as b:
        lines = [
            line
            for line in plan.lines(
                a.users,
                Index(Rules.of(facts), b.users()),
                facts,
                taken_at=taken_at,
                memberships=a.memberships,
            )
            if line.key in missing
        ]
        groups = [group for group in a.groups or () if group.name not in pool.group_rows]
    report = FakeReport(clock=pool.clock)
    tasks = [Task(line) for line in lines if line.action is Action.CREATE]
    restore(pool, tasks, groups, facts, report, pool.clock, messages=way, mails_left=lambda: None)
    made = {done.new_sub: key for key, done in report.outcomes.items() if done.outcome == "created"}

    after, _ = drifted(store, pool, made=made)
    by_kind = {kind: {c.user.key: c for c in after if c.kind is kind} for kind in Kind}
    cannot = {line.key for line in lines if line.action is not Action.CREATE}
    assert by_kind[Kind.ONLY_FROM].keys() == cannot
    assert {c.user.key: c.fields for c in before if c.kind is Kind.CHANGED} == {
        key: change.fields for key, change in by_kind[Kind.CHANGED].items()
    }
    back = {key: c for key, c in by_kind[Kind.ANEW].items() if c.other and c.other.sub in made}
    assert back.keys() == missing - cannot
    assert all(change.fields == () for change in back.values())
    assert len(by_kind[Kind.ONLY_TO]) == counted.only_to
