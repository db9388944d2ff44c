"""The map's SQL in a real PostgreSQL, on tables like the application's: twice, with conflicts, hostile."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import Connection

from backups.core.identity_map import Row
from backups.core.map_sql import Template, Unwritable, literal, load
from tests import servers
from tests.build import a_sub, laws

TABLES = """
CREATE TYPE access_role AS ENUM ('owner', 'admin', 'explorer');
CREATE TABLE user_access (
  user_id uuid, experiment_id uuid, access_role access_role NOT NULL, PRIMARY KEY (user_id, experiment_id)
);
CREATE TABLE invite_access (
  user_email varchar(255), experiment_id uuid, access_role access_role NOT NULL,
  PRIMARY KEY (user_email, experiment_id)
);
"""


def old(name: str) -> str:
    return a_sub(f"old {name}")


def new(name: str) -> str:
    return a_sub(f"new {name}")


def experiment_of(name: str) -> str:
    return a_sub(f"experiment {name}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.running(servers.postgres(tmp_path_factory.mktemp("pg"))) as (server,):
        yield server.url


@pytest.fixture
def application(server: str) -> Iterator[Connection[Any]]:
    """The application's database, new for each test."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            "DROP TABLE IF EXISTS user_access, invite_access; DROP TYPE IF EXISTS access_role;"
        )
        connection.execute(TABLES)
        yield connection


def became(name: str, how: str = "created", **given: str) -> Row:
    email = f"{name}@uni.example"
    ordinary = {
        "old_sub": old(name),
        "new_sub": new(name),
        "old": old(name),
        "new": new(name),
        "email": email,
    }
    told = ordinary | given
    return told["old_sub"], told["new_sub"], told["old"], told["new"], told["email"], how


def access(connection: Connection[Any], who: str, experiment: str, role: str = "explorer") -> None:
    connection.execute(
        "INSERT INTO user_access VALUES (%s, %s, %s::access_role)", (who, experiment_of(experiment), role)
    )


def invite(connection: Connection[Any], email: str, experiment: str, role: str = "explorer") -> None:
    connection.execute(
        "INSERT INTO invite_access VALUES (%s, %s, %s::access_role)", (email, experiment_of(experiment), role)
    )


def script(rows: Sequence[Row]) -> str:
    return "".join(load("").fill(rows, job=7, made_at="2026-11-23T15:00:00.000Z"))


def run(connection: Connection[Any], rows: Sequence[Row]) -> list[list[tuple[Any, ...]]]:
    """What its SELECTs print: access that was left, invitations that were left."""
    cursor = connection.execute(script(rows).encode())
    printed = []
    while True:
        if cursor.description and (cursor.statusmessage or "").startswith("SELECT"):
            printed.append(cursor.fetchall())
        if not cursor.nextset():
            return printed


def held(connection: Connection[Any]) -> set[tuple[str, str, str]]:
    rows = connection.execute("SELECT user_id::text, experiment_id::text, access_role::text FROM user_access")
    return set(rows.fetchall())


def invited(connection: Connection[Any]) -> set[tuple[str, str]]:
    rows = connection.execute("SELECT user_email, access_role::text FROM invite_access")
    return set(rows.fetchall())


def test_people_come_back_to_what_was_theirs_and_a_second_run_changes_nothing(
    application: Connection[Any],
) -> None:
    access(application, old("ana"), "one", "owner")
    access(application, old("ana"), "two")
    access(application, old("ben"), "one")
    access(application, old("cay"), "one")  # was not restored
    rows = [became("ana"), became("ben", old_sub=old("ben").upper())]
    left = (old("cay"), experiment_of("one"), "explorer")
    after = {
        (new("ana"), experiment_of("one"), "owner"),
        (new("ana"), experiment_of("two"), "explorer"),
        (new("ben"), experiment_of("one"), "explorer"),
        left,
    }
    for _ in range(2):
        assert run(application, rows) == [[], []]
        assert held(application) == after


def test_who_has_the_experiment_by_the_new_sub_keeps_that_and_the_old_row_is_printed(
    application: Connection[Any],
) -> None:
    access(application, old("ana"), "one", "owner")
    access(application, old("ana"), "two")
    access(application, new("ana"), "one")
    for _ in range(2):
        [left, _invitations] = run(application, [became("ana")])
        assert [(str(row[1]), str(row[2]), row[4], row[5]) for row in left] == [
            (old("ana"), new("ana"), "owner", "explorer")
        ]
        assert held(application) == {
            (old("ana"), experiment_of("one"), "owner"),
            (new("ana"), experiment_of("one"), "explorer"),
            (new("ana"), experiment_of("two"), "explorer"),
        }


def test_who_kept_the_identity_is_not_touched(application: Connection[Any]) -> None:
    access(application, old("ana"), "one")
    invite(application, "ana@uni.example", "two")
    before = held(application), invited(application)
    assert run(application, [became("ana", "kept", new_sub=old("ana"))]) == [[], []]
    assert (held(application), invited(application)) == before


def test_invitations_of_people_who_are_back_become_access(application: Connection[Any]) -> None:
    invite(application, "Ana@Uni.example", "one")
    invite(application, "ana@uni.example", "two", "admin")
    invite(application, "somebody@uni.example", "one")
    for _ in range(2):
        assert run(application, [became("ana")]) == [[], []]
        assert held(application) == {
            (new("ana"), experiment_of("one"), "explorer"),
            (new("ana"), experiment_of("two"), "admin"),
        }
        assert invited(application) == {("somebody@uni.example", "explorer")}


def test_an_invitation_to_what_somebody_has_in_another_role_is_left_and_printed(
    application: Connection[Any],
) -> None:
    access(application, old("ana"), "one", "owner")
    invite(application, "ana@uni.example", "one", "explorer")
    for _ in range(2):
        [_access, left] = run(application, [became("ana")])
        assert [(str(row[1]), row[3], row[4]) for row in left] == [(new("ana"), "explorer", "owner")]
        assert held(application) == {(new("ana"), experiment_of("one"), "owner")}
        assert invited(application) == {("ana@uni.example", "explorer")}


def test_an_invitation_to_an_address_that_two_people_bear_is_nobodys(application: Connection[Any]) -> None:
    invite(application, "ana@uni.example", "one")
    rows = [became("ana"), became("ben", email="ANA@uni.example")]
    assert run(application, rows) == [[], []]
    assert (held(application), invited(application)) == (set(), {("ana@uni.example", "explorer")})


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([became("ana"), became("ben", new_sub=new("ana"))], "not one to one"),
        ([became("ana"), became("ben", old_sub=old("ana"))], "not one to one"),
        ([became("ana"), became("ben", old_sub=new("ana"))], "not one to one"),  # a second run would go on
        ([became("ana"), became("ben", new_sub="no sub")], "invalid input syntax"),
    ],
)
def test_a_map_that_would_mix_people_up_changes_nothing(
    application: Connection[Any], rows: list[Row], why: str
) -> None:
    access(application, old("ana"), "one")
    with pytest.raises(psycopg.Error, match=why):
        run(application, rows)
    application.execute("ROLLBACK")
    assert held(application) == {(old("ana"), experiment_of("one"), "explorer")}


def test_an_old_sub_that_is_none_of_the_tables_says_nothing(application: Connection[Any]) -> None:
    access(application, old("ana"), "one")
    rows = [became("ana", old_sub="from another tool"), became("ben", old_sub="")]
    assert run(application, rows) == [[], []]
    assert held(application) == {(old("ana"), experiment_of("one"), "explorer")}


def test_nobody_at_all_is_a_script_that_runs(application: Connection[Any]) -> None:
    assert run(application, []) == [[], []]


def test_a_script_that_was_cut_changes_nothing(application: Connection[Any], server: str) -> None:
    access(application, old("ana"), "one")
    other = psycopg.connect(server, autocommit=True)
    other.execute(script([became("ana")]).rpartition("COMMIT")[0].encode())
    other.close()  # as psql does at the end of a file
    assert held(application) == {(old("ana"), experiment_of("one"), "explorer")}


HOSTILE = [
    "'); DROP TABLE user_access; --",
    "\\'); DROP TABLE user_access; --",
    "\\",
    "\\\\'",
    "a\nb\r\n\\! id\n",
    "$$; DROP TABLE user_access; $$",
    "E'\\x27",
    "/* -- */ :name :'name' %s {{ rows }}",
    "\u202e\u2028木\U0001f984",
    "\x01\x1f\x7f",
]


@pytest.mark.parametrize("strings", ["on", "off"])
@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_are_values(application: Connection[Any], value: str, strings: str) -> None:
    """Whatever the server's settings are for backslashes."""
    application.execute(
        f"SET standard_conforming_strings = {strings}; SET escape_string_warning = off".encode()
    )
    access(application, old("ana"), "one")
    rows = [became("ana", old=value, new=value, email=value), became("ben", old_sub=value)]
    for _ in range(2):
        assert run(application, rows) == [[], []]
        assert held(application) == {(new("ana"), experiment_of("one"), "explorer")}


def test_a_nul_is_refused_before_anything_is_written() -> None:
    with pytest.raises(Unwritable, match="NUL"):
        script([became("ana", email="a\0b")])


def test_any_text_comes_back_from_postgresql_as_it_was(application: Connection[Any]) -> None:
    application.execute("CREATE TEMPORARY TABLE t (a text, b text, c text, d text, e text, f text)")
    template = Template.of("INSERT INTO t VALUES {{ rows }};\n")
    texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))

    @laws(60)
    @given(st.lists(texts, min_size=6, max_size=6))
    def law(values: list[str]) -> None:
        values[1] = values[1] or "new"
        row: Any = tuple(values)
        application.execute("".join(template.fill([row], job=1, made_at="now")).encode())
        assert application.execute("SELECT * FROM t").fetchall() == [row]
        application.execute("DELETE FROM t")

    law()


def test_literals_are_what_postgresql_itself_would_quote(application: Connection[Any]) -> None:
    """Of what needs no escape; its own function gives the second opinion."""
    for value in ("plain", "it's", "", "木"):
        [told] = application.execute("SELECT quote_literal(%s)", (value,)).fetchone() or ("",)
        assert literal(value) == told


def test_ten_thousand_people_are_one_transaction(application: Connection[Any]) -> None:
    names = [uuid.UUID(int=n).hex for n in range(10_000)]
    for name in names[:50]:
        access(application, old(name), "one")
    run(application, [became(name) for name in names])
    assert {row[0] for row in held(application)} == {new(name) for name in names[:50]}
