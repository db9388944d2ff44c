"""Finding the last good backup in a bucket: what is read, what is stepped over, what ends it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backups.core import naming
from backups.core.lastgood import Rule
from backups.core.matching import Rules
from backups.engine.find import NO_GROUPS, Held, Looked, find
from backups.engine.ports import Cause, PortError, Stop
from tests.build import a_backup, a_file, an_entry
from tests.fakes import FakePool, FakeReport, FakeStore

ADA = Rule.of("user", name="ADA@x.io")
ADMIN = Rule.of("member", name="ada@x.io", group="admins")
POOL = Rules(email_is_username=True, case_sensitive=False)


def key(day: int) -> str:
    return naming.key_of(datetime(2026, 1, 1, 1, tzinfo=UTC) + timedelta(days=day), "p")


def cbr(store: FakeStore, there: Sequence[bool]) -> list[Held]:
    """A day each, cbr's: with ada and without."""
    for day, with_her in enumerate(there):
        people = [an_entry("bob@x.io"), *([an_entry("ada@x.io")] if with_her else [])]
        store.plant(f"{key(day)}/data.json", a_file(people))
    return [Held(key(day), f"day {day}") for day in range(len(there))]


def ours(store: FakeStore, *groups: Sequence[str]) -> list[Held]:
    """A day each, ours: the groups that ada is in."""
    for day, names in enumerate(groups):
        pool = FakePool()
        pool.add("bob@x.io", groups=["admins", "beta"])
        pool.add("ada@x.io", sub="sub-of-ada", groups=names)
        a_backup(store, pool, key=key(day))
    return [Held(key(day), f"day {day}") for day in range(len(groups))]


def look(
    store: FakeStore,
    held: Sequence[Held],
    rule: Rule = ADA,
    rules: Rules | None = POOL,
    report: FakeReport | None = None,
) -> Looked:
    return find(held, rule, rules, lambda name: store, report or FakeReport())


def opened(store: FakeStore) -> int:
    return store.calls["open"]


def test_a_user_who_went_is_found_with_few_reads_and_without_a_name_in_the_log() -> None:
    store, report = FakeStore(), FakeReport()
    looked = look(store, cbr(store, [day < 23 for day in range(40)]), report=report)
    assert looked.found.pair == (22, 23)
    assert len(looked.found.asked) == opened(store) <= 6
    assert looked.keys.keys() == {place for place in looked.found.asked if place < 23}
    assert looked.users[23] == 1
    assert report.counters["backups_read"] == len(looked.found.asked)
    assert report.counters["backups_known"] == 0
    assert {f"day {place}: {'good' if place < 23 else 'not good'}" for place in looked.found.asked} == {
        text for _, text, _ in report.lines
    }
    assert "ada" not in report.text.casefold()


def test_what_is_known_is_not_read() -> None:
    store = FakeStore()
    held = [Held(key(day), f"day {day}", known=day < 3) for day in range(6)]
    report = FakeReport()
    assert look(store, held, report=report).found.pair == (2, 3)
    assert (opened(store), report.counters["backups_known"]) == (0, 6)


def test_without_a_pool_to_ask_names_are_folded_as_the_files_show() -> None:
    store = FakeStore()
    held = cbr(store, [True, False])
    assert look(store, held, rules=None).found.pair == (0, 1)
    exact = Rules(email_is_username=True, case_sensitive=True)
    assert look(store, held, rules=exact).found.answer == "nowhere"


def test_a_number_of_users_is_counted() -> None:
    store = FakeStore()
    held = cbr(store, [True, True, False])
    looked = look(store, held, Rule.of("at-least", users="2"))
    assert (looked.found.pair, looked.users[2]) == ((1, 2), 1)
    assert looked.keys == {}


def test_a_member_of_a_group_is_looked_for_in_that_group_alone() -> None:
    store = FakeStore()
    held = ours(store, ["admins", "beta"], ["admins"], ["beta"], [])
    looked = look(store, held, ADMIN)
    assert looked.found.pair == (1, 2)
    assert looked.keys[1] == "sub-of-ada"
    assert look(store, held, Rule.of("member", name="ada@x.io", group="Admins")).found.answer == "nowhere"
    assert look(store, held, Rule.of("member", name="eve@x.io", group="admins")).found.answer == "nowhere"


def test_a_backup_of_users_only_cannot_tell_of_groups() -> None:
    store = FakeStore()
    held = ours(store, ["admins"], ["admins"], [])
    for part in ("groups.json", "manifest.json", "pool.json"):
        store.delete(f"{key(1)}/{part}")
    report = FakeReport()
    looked = look(store, held, ADMIN, report=report)
    assert (looked.found.pair, looked.why) == ((0, 2), {1: NO_GROUPS})
    assert f"day 1: stepped over, {NO_GROUPS}" in report.text
    told = [held[0], Held(key(1), "day 1", why=NO_GROUPS), held[2]]
    before = opened(store)
    assert look(store, told, ADMIN).why == {1: NO_GROUPS}
    assert opened(store) - before == 6, "manifest, users and groups of the other two"


def cut(store: FakeStore) -> None:
    data = store.read(f"{key(1)}/data.json")
    store.plant(f"{key(1)}/data.json", data[:-9])


def denied(store: FakeStore) -> None:
    store.fail("open", Cause.DENIED, message="S3 denied it.")


def went(store: FakeStore) -> None:
    store.delete(f"{key(1)}/data.json")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [(cut, "cut"), (denied, "S3 denied it."), (went, "there is no such backup in the bucket")],
)
def test_one_that_cannot_be_read_is_stepped_over_and_named(
    spoil: Callable[[FakeStore], None], why: str
) -> None:
    store = FakeStore()
    held = cbr(store, [True, True, False])
    spoil(store)
    looked = look(store, held)
    assert looked.found.pair == (0, 2)
    assert why in looked.why[1]


def test_a_bucket_that_does_not_answer_ends_the_search() -> None:
    store = FakeStore()
    held = cbr(store, [True, False, False])
    store.fail("open", Cause.UNREACHABLE, message="No answer.")
    with pytest.raises(PortError, match="No answer"):
        look(store, held)


def test_it_is_asked_before_each_read_whether_to_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = FakeStore()
    with pytest.raises(Stop):
        look(store, cbr(store, [True] * 9), report=FakeReport(stop_after=2))
    assert opened(store) == 1
    assert not [*tmp_path.iterdir()], "what was read is gone with it"


def test_a_pool_without_backups_has_no_answer() -> None:
    assert look(FakeStore(), []).found.answer == "none"
