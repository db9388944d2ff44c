"""The demo's worlds, as far as they are decided before any AWS is asked."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from backups.core import files
from backups.core.snapshot import Entry
from tests.demo.people import WEEKS, Cast, Person, production, staging
from tests.demo.worlds import cbr_file, sunday

CASTS = [production, staging]


@pytest.mark.parametrize("make", CASTS)
def test_everybody_is_the_same_at_every_seeding(make: Callable[[], Cast]) -> None:
    assert make() == make()


@pytest.mark.parametrize("make", CASTS)
def test_nobody_shares_an_address_not_even_folded(make: Callable[[], Cast]) -> None:
    cast = make()
    everybody = [*cast.people, *cast.drift.newcomers]
    assert len({person.email.casefold() for person in everybody}) == len(everybody)
    assert all(person.email.isascii() for person in everybody)


def test_production_grows_to_2000_and_never_falls_by_a_twentieth() -> None:
    sizes = [len(production().at(week)) for week in range(WEEKS)]
    assert sizes[-1] == 2000
    assert all(later > 0.95 * earlier for earlier, later in itertools.pairwise(sizes))


def test_production_lacks_150_and_each_of_them_can_be_created_again() -> None:
    cast = production()
    missing = [person for person in cast.at(WEEKS - 1) if person.number in cast.drift.missing]
    assert len(missing) == 150
    assert not any(person.provider or person.status == "UNCONFIRMED" for person in missing)
    assert any(not person.enabled for person in missing)
    assert any(not person.verified for person in missing)
    assert any(person.groups for person in missing)


def test_production_has_every_kind_of_user() -> None:
    last = production().at(WEEKS - 1)
    assert {person.status for person in last} == {"CONFIRMED", "FORCE_CHANGE_PASSWORD", "UNCONFIRMED"}
    assert sum(bool(person.provider) for person in last) >= 5
    assert sum(not person.enabled for person in last) >= 20
    names = "".join(person.name for person in last)
    for letter in ("é", "花", "🧬", '"', "\\", "’"):
        assert letter in names


def test_staging_falls_from_300_to_120_in_its_last_backup() -> None:
    sizes = [len(staging().at(week)) for week in range(WEEKS)]
    assert sizes[-2:] == [300, 120]


@pytest.mark.parametrize("make", CASTS)
def test_every_week_somebody_joins_and_somebody_changes(make: Callable[[], Cast]) -> None:
    cast = make()
    for week in range(1, WEEKS - 1):
        before = {person.number: person for person in cast.at(week - 1)}
        now = cast.at(week)
        assert any(person.number not in before for person in now)
        assert any(before.get(person.number, person) != person for person in now)


@pytest.mark.parametrize("day", range(8))
def test_backups_are_of_the_last_twelve_sundays(day: int) -> None:
    now = datetime(2026, 11, 22, 0, 59, tzinfo=UTC) + timedelta(days=day)
    taken = [sunday(now, week) for week in range(WEEKS)]
    assert all(moment.weekday() == 6 and moment.hour == 1 for moment in taken)
    assert timedelta(0) <= now - taken[-1] < timedelta(days=7)
    assert {later - earlier for earlier, later in itertools.pairwise(taken)} == {timedelta(days=7)}


def test_an_older_backup_is_as_cbr_writes_it() -> None:
    sample = (Path(__file__).parent.parent / "samples" / "cbr-users.json").read_bytes()
    entries: list[Entry] = orjson.loads(sample)
    assert cbr_file(entries) == sample
    assert [user.username for user in files.read_users([sample])] == [entry["Username"] for entry in entries]


def test_a_person_is_shown_as_they_were() -> None:
    changed = next(p for p in production().people if p.before and p.before[0].what == "name")
    then: Person = changed.at(changed.before[0].week - 1)
    assert then.name == changed.before[0].old != changed.name
    assert changed.at(changed.before[0].week).name == changed.name
