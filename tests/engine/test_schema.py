"""Attributes added to a pool's schema: what is lacking, once; and what a bad moment leaves behind."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core import files
from backups.core.schema import Attribute
from backups.core.snapshot import Manifest, Part
from backups.engine.ports import Cause, PortError, Stop
from backups.engine.schema import Added, add, schema_of_backup, schema_of_pool
from tests.build import laws
from tests.fakes import FakeAccount, FakeReport, FakeStore

POOL = "eu-west-1_Fake00001"
INSTITUTION = Attribute("custom:institution", most="256")
SCORE = Attribute("custom:score", "Number", mutable=False, least="1", most="5")
BOTH = [INSTITUTION, SCORE]
KEY = "2026-11-22.01-00-00/team-production"


class Desk:
    """One account, one pool, and what the job writes down."""

    def __init__(self) -> None:
        self.account = FakeAccount()
        self.begun: list[str] | None = None
        self.report = FakeReport()

    def add(self, *wanted: Attribute) -> Added:
        def begin(names: list[str]) -> None:
            assert self.begun is None and self.account.calls["add_attributes"] == 0
            self.begun = names

        return add(self.account, POOL, self.report, wanted=wanted, begun=self.begun, begin=begin)

    def has(self, *attributes: Attribute) -> None:
        """As if somebody had added them."""
        self.account.add_attributes(POOL, [one.request() for one in attributes])
        self.account.calls.clear()

    @property
    def names(self) -> list[str]:
        """A look that is no call."""
        return [one["Name"] for one in self.account.plain(POOL).get("SchemaAttributes", [])]


def names(*attributes: Attribute) -> tuple[str, ...]:
    return tuple(one.name for one in attributes)


def test_what_is_lacking_is_added_as_it_was() -> None:
    desk = Desk()
    assert desk.add(*BOTH) == Added(names(*BOTH), (), (), ())
    assert list(schema_of_pool(desk.account, POOL).values()) == BOTH
    assert desk.begun == ["custom:institution", "custom:score"]
    assert desk.report.phases[-1] == ("Adding attributes, and reading them back", 2)


def test_what_is_there_is_left_alone() -> None:
    desk = Desk()
    desk.has(SCORE)
    assert desk.add(*BOTH) == Added(("custom:institution",), ("custom:score",), (), ())
    desk.account.calls.clear()
    desk.begun = None
    assert desk.add(*BOTH) == Added((), names(*BOTH), (), ())
    assert desk.account.calls["add_attributes"] == 0 and desk.begun is None


def test_at_most_25_go_into_one_call() -> None:
    desk = Desk()
    many = [Attribute(f"custom:a{number}") for number in range(50)]
    assert desk.add(*many) == Added(names(*many), (), (), ())
    assert desk.account.calls["add_attributes"] == 2


def test_what_does_not_fit_any_more_is_said_and_the_rest_stands() -> None:
    desk = Desk()
    desk.has(*(Attribute(f"custom:b{number}") for number in range(20)))
    many = [Attribute(f"custom:a{number}") for number in range(31)]
    done = desk.add(*many)
    assert (len(done.added), done.lacking) == (25, names(*many[25:]))
    assert done.refused == "Too many attributes." and not done.unread


def test_one_that_is_there_in_another_shape_is_named() -> None:
    desk = Desk()
    desk.has(Attribute("custom:score"))
    assert desk.add(*BOTH) == Added(("custom:institution",), ("custom:score",), (), ("custom:score",))


def test_a_stop_comes_before_anything_is_written() -> None:
    desk = Desk()
    desk.report.stop_after = 0
    with pytest.raises(Stop):
        desk.add(*BOTH)
    assert desk.account.calls["add_attributes"] == 0 and desk.begun is None


def test_a_pool_that_cannot_be_read_is_not_written_to() -> None:
    desk = Desk()
    desk.account.fail("describe", Cause.DENIED)
    with pytest.raises(PortError):
        desk.add(*BOTH)
    assert desk.account.calls["add_attributes"] == 0


@pytest.mark.parametrize("after", [True, False])
def test_a_lost_answer_is_settled_by_reading(after: bool) -> None:
    desk = Desk()
    desk.account.fail("add_attributes", Cause.LOST, after=after, message="Lost.")
    done = desk.add(*BOTH)
    if after:
        assert done == Added(names(*BOTH), (), (), ())
    else:
        assert done == Added((), (), names(*BOTH), (), refused="Lost.")


def test_where_somebody_else_was_faster_the_others_are_added_all_the_same() -> None:
    class Meanwhile(FakeAccount):
        def add_attributes(self, pool_id: str, attributes: object) -> None:
            if not self.calls["add_attributes"]:
                super().add_attributes(pool_id, [SCORE.request()])
            super().add_attributes(pool_id, attributes)  # type: ignore[arg-type]

    desk = Desk()
    desk.account = Meanwhile()
    assert desk.add(*BOTH) == Added(names(*BOTH), (), (), ())


def test_what_cannot_be_read_back_is_not_known() -> None:
    desk = Desk()
    desk.account.fail("describe", Cause.UNREACHABLE, nth=2, message="No connection.")
    assert desk.add(*BOTH) == Added((), (), names(*BOTH), (), unread="No connection.")


def test_what_aws_took_and_does_not_show_is_said() -> None:
    class Slow(FakeAccount):
        def add_attributes(self, pool_id: str, attributes: object) -> None:
            with self._asked("add_attributes"):
                pass

    desk = Desk()
    desk.account = Slow()
    assert desk.add(*BOTH) == Added((), (), names(*BOTH), ())


def test_a_second_try_tells_what_the_first_has_added() -> None:
    desk = Desk()
    desk.account.fail("describe", Cause.LOST, nth=2)
    assert desk.add(*BOTH).unread
    assert desk.add(*BOTH) == Added(names(*BOTH), (), (), ())
    assert desk.account.calls["add_attributes"] == 1


def test_a_second_try_adds_what_the_first_could_not() -> None:
    desk = Desk()
    desk.has(SCORE)
    desk.account.fail("add_attributes", Cause.THROTTLED, message="Too fast.")
    assert desk.add(*BOTH) == Added((), ("custom:score",), ("custom:institution",), (), refused="Too fast.")
    assert desk.add(*BOTH) == Added(("custom:institution",), ("custom:score",), (), ())
    assert desk.begun == ["custom:institution"], "written down once"


@laws(200)
@given(
    wanted=st.sets(st.integers(0, 59), max_size=45),
    there=st.sets(st.integers(60, 64), max_size=5),
    some=st.integers(0, 9),
    operation=st.sampled_from(["add_attributes", "describe"]),
    cause=st.sampled_from(list(Cause)),
    nth=st.integers(1, 4),
    after=st.booleans(),
)
def test_one_bad_moment_is_told_truly_and_a_second_run_ends_it(
    wanted: set[int], there: set[int], some: int, operation: str, cause: Cause, nth: int, after: bool
) -> None:
    """Whatever fails once: what is told as added is there, and asking once more leaves nothing out."""
    desk = Desk()
    asked = [Attribute(f"custom:a{number}") for number in sorted(wanted)]
    before = [*asked[:some], *(Attribute(f"custom:a{number}") for number in there)]
    if before:
        desk.has(*before)
    desk.account.fail(operation, cause, nth=nth, after=after)
    try:
        done = desk.add(*asked)
    except PortError:
        assert desk.account.calls["add_attributes"] == 0, "else somebody would have to be told"
    else:
        now = desk.names
        assert set(done.added) | set(done.before) <= set(now)
        assert set(done.before) == set(names(*asked[:some]))
        assert set(done.added) | set(done.before) | set(done.lacking) == set(names(*asked))
        assert bool(done.lacking) <= bool(done.refused or done.unread)
    desk.account._faults.clear()
    again = desk.add(*asked)
    assert not again.lacking and set(names(*asked)) <= set(desk.names)
    assert set(again.before) == set(names(*asked[:some])), "what the first run added is still its work"


# --- the schema of a backup -----------------------------------------------------------------------------


def a_backup(settings: object, *, key: str = KEY, damaged: bool = False) -> FakeStore:
    store, pool = FakeStore(), orjson.dumps({"settings": settings})
    hashing = files.Hashing(iter([pool]))
    count = len(files.read_settings(hashing))
    part = Part("pool.json", hashing.size + damaged, hashing.sha256, count)
    manifest = Manifest(
        POOL, "team-production", "eu-west-1", "123456789012", "2026-11-22T01:00:00Z", "2026-11-22T01:00:09Z",
        "schedule", "schedule", "cognito-admin 1", 0, 0, 0, (part,),
    )  # fmt: skip
    store.plant(f"{key}/pool.json", pool)
    store.plant(f"{key}/manifest.json", files.write_manifest(manifest))
    return store


def test_a_backup_tells_the_schema_of_its_pool() -> None:
    account = FakeAccount()
    account.add_attributes(POOL, [one.request() for one in BOTH])
    store = a_backup({"user_pool": account.describe(POOL)})
    assert list(schema_of_backup(store, KEY).values()) == BOTH


@pytest.mark.parametrize("settings", [{}, {"user_pool": None}, {"user_pool": {"Id": POOL}}])
def test_a_backup_without_that_setting_tells_none(settings: object) -> None:
    assert schema_of_backup(a_backup(settings), KEY) == {}


def test_a_file_with_users_alone_tells_none() -> None:
    store = FakeStore()
    store.plant(f"{KEY}/data.json", b"[]")
    assert schema_of_backup(store, KEY) == {}


def test_settings_that_were_changed_tell_nothing() -> None:
    with pytest.raises(files.Unreadable, match="changed or damaged"):
        schema_of_backup(a_backup({"user_pool": {}}, damaged=True), KEY)
