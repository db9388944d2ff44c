"""A file full of mistakes: each has an outcome with its reason, and everybody else comes back."""

from __future__ import annotations

from typing import Any

import pytest

from backups import catalogue, seal
from backups.core import plan as planning
from backups.core.choices import Choices
from backups.core.lifecycle import State
from backups.core.snapshot import Entry, Group
from backups.models import Item
from tests.build import a_backup, an_entry
from tests.contract.worlds import SCHEMA
from tests.fakes import FakePool
from tests.jobs.remote import Desk, desk, standin_server

__all__ = ["desk", "standin_server"]  # fixtures

STRICT = [
    *SCHEMA,
    {
        "Name": "badge",
        "AttributeDataType": "String",
        "Mutable": True,
        "StringAttributeConstraints": {"MinLength": "2", "MaxLength": "5"},
    },
    {"Name": "grade", "AttributeDataType": "Number", "Mutable": True},
]
AT = "@uni.example"


def person(who: str, sub: str = "", **told: Any) -> Entry:
    return an_entry(f"{who}{AT}" if who else "", sub=sub or f"sub-{who}", **told)


def strange() -> list[tuple[Entry, str, str]]:
    """(entry, what becomes of it, its reason) in the order of the file."""
    return [
        (person("ada"), "created", ""),
        (person("Ada", "2"), "skipped", "duplicate"),  # by case, and the pool does not tell them apart
        (person("ada", "3"), "skipped", "duplicate"),
        (person("ren\u00e9"), "created", ""),
        (person("rene\u0301", "5"), "skipped", "duplicate"),  # the same letters in another form
        (person("REN\u00c9", "6"), "skipped", "duplicate"),
        (person("twin", "7"), "created", ""),
        (person("twin", "7"), "", ""),  # the very same entry once more: one person
        (person("twins", "7"), "skipped", "duplicate"),  # another one under the same sub
        (person("", "8", username="8"), "skipped", "no-email"),
        (person("long", name="x" * 2049), "skipped", "too-long"),
        (person("badge", custom_badge="123456"), "skipped", "wrong-length"),
        (person("short", custom_badge="1"), "skipped", "wrong-length"),
        (person("born", birthdate="1815"), "skipped", "wrong-length"),
        (person("grade", custom_grade="first"), "failed", "refused"),
        (person("graded", custom_grade="1.5", custom_badge="12345"), "created", ""),
        (person("stranger", custom_strange="1"), "skipped", "unknown-attribute"),
        (person("nameless", name=""), "skipped", "required-attribute"),
        (person("phone", phone_number="070-123"), "failed", "refused"),
        (an_entry("nobody", sub="9"), "skipped", "no-username"),
        (an_entry("a b@uni.example", sub="10"), "skipped", "no-username"),
        (an_entry("@uni.example", sub="11"), "skipped", "no-username"),
        (an_entry("a" * 120 + AT, sub="12"), "skipped", "no-username"),
        (an_entry("dotless@uni", sub="13"), "failed", "refused"),
        (an_entry("dots@uni..example", sub="14"), "failed", "refused"),
        (person("odd", status="NEVER_SEEN"), "created", ""),
        (person("bob", enabled=False), "created", ""),
        (person("eve", verified=False), "created", ""),
    ]


def test_each_mistake_has_its_reason_and_the_others_come_back(desk: Desk) -> None:
    desk.pool(Schema=STRICT)
    told = strange()
    plan = desk.plan(desk.file(entry for entry, _, _ in told))
    said = {line.key: line.reason for line in Item.objects.filter(job=plan.job)}
    job = desk.run(desk.start(plan))
    assert job.state == State.DONE_WITH_FAILURES, job.sentence
    rows = {row.position: row for row in Item.objects.filter(job=job)}
    for position, (entry, outcome, reason) in enumerate(told):
        if not outcome:
            assert position not in rows
            continue
        row = rows.pop(position)
        assert (row.outcome, row.reason) == (outcome, reason), entry
        if outcome == "skipped":
            assert said[row.key] == reason, "and the plan had said so"
        if outcome == "failed":
            assert said[row.key] == "missing" and row.detail, "in AWS's own words"
        if outcome != "created":
            assert planning.sentence(row.reason, row.detail) != row.reason
    assert rows == {}
    came = {user["values"]["email"] for user in desk.standing().values()}
    due = {row.email for row in Item.objects.filter(job=job, outcome="created")}
    assert came == due and len(came) == sum(outcome == "created" for _, outcome, _ in told)
    assert desk.sent() == []
    assert AT not in "".join(str(event.data) for event in job.events.all()).replace(f"••••{AT}", "")


def test_what_the_pool_does_not_know_is_left_out_where_that_is_chosen(desk: Desk) -> None:
    desk.pool(Schema=STRICT)
    told = [entry for entry, _, reason in strange() if reason in ("unknown-attribute", "required-attribute")]
    choices = Choices(leave_out=frozenset({"custom:strange"}), defaults={"name": "Somebody"})
    plan = desk.plan(desk.file(told), choices)
    assert plan.counts["left_out"] == {"custom:strange": 1} and plan.counts["defaults"] == {"name": 1}
    job = desk.run(desk.start(plan))
    assert (job.state, job.result["created"]) == (State.DONE, 2), job.sentence
    standing = {user["values"]["email"]: user["values"] for user in desk.standing().values()}
    assert "custom:strange" not in standing[f"stranger{AT}"]
    assert standing[f"nameless{AT}"]["name"] == "Somebody"


@pytest.mark.parametrize("case_sensitive", [False, True])
def test_usernames_that_collide_in_a_pool_of_names(desk: Desk, case_sensitive: bool) -> None:
    desk.pool(
        UsernameAttributes=None,
        AliasAttributes=["email"],
        AutoVerifiedAttributes=None,
        UsernameConfiguration={"CaseSensitive": case_sensitive},
    )
    by_case = ("created", "") if case_sensitive else ("skipped", "duplicate")
    told = [
        (an_entry(f"a{AT}", username="ada", sub="1"), "created", ""),
        (an_entry(f"b{AT}", username="Ada", sub="2"), *by_case),
        (an_entry(f"c{AT}", username="ada", sub="3"), "skipped", "duplicate"),
        (an_entry(f"d{AT}", username="ren\u00e9", sub="4"), "created", ""),
        (an_entry(f"e{AT}", username="rene\u0301", sub="5"), "skipped", "duplicate"),
        # a verified address has one owner
        (an_entry(f"a{AT}", username="other", sub="6"), "skipped", "duplicate"),
        (an_entry(f"a{AT}", username="third", sub="7", verified=False), "created", ""),
        (an_entry(f"f{AT}", username="a b", sub="8"), "skipped", "no-username"),
        (an_entry(f"g{AT}", username=f"g{AT}", sub="9"), "skipped", "no-username"),
        (an_entry("", username="Google_12", sub="10", status="EXTERNAL_PROVIDER"), "skipped", "federated"),
        (an_entry("no mail", username="h", sub="11"), "failed", "refused"),
    ]  # fmt: skip
    plan = desk.plan(desk.file(entry for entry, _, _ in told))
    job = desk.run(desk.start(plan))
    assert job.state == State.DONE_WITH_FAILURES, job.sentence
    rows = {row.key: (row.outcome, row.reason) for row in Item.objects.filter(job=job)}
    assert rows == {str(number): (outcome, reason) for number, (_, outcome, reason) in enumerate(told, 1)}
    assert len(desk.standing()) == sum(outcome == "created" for _, outcome, _ in told)


def test_a_group_that_no_pool_takes_fails_its_members_and_nobody_else(desk: Desk) -> None:
    pool_id = desk.pool()
    facts = desk.port(pool_id).facts()
    backed_up = FakePool(pool_id, facts.name, account=facts.account)
    for number in range(6):
        groups = {1: ["not allowed"], 2: ["admins", "not allowed"], 3: ["admins"]}.get(number, [])
        backed_up.add(f"person{number}{AT}", name="P", groups=groups, created="2026-01-10T09:00:00.000Z")
    backed_up.group_rows["x" * 129] = Group("x" * 129)
    key = f"2026-11-22.01-00-00/{facts.name}"
    a_backup(desk.store, backed_up, key=key, seal=seal.seal)
    catalogue.note_one(key)
    job = desk.run(desk.start(desk.plan(key)))
    assert job.state == State.DONE_WITH_FAILURES, job.sentence
    told = {row.email[:7]: (row.outcome, row.reason) for row in Item.objects.filter(job=job)}
    failed = {f"person{number}": ("failed", "refused") for number in (1, 2)}
    assert told == {f"person{number}": ("created", "") for number in range(6)} | failed
    inside = {user["values"]["email"][:7]: user["groups"] for user in desk.standing().values()}
    assert len(inside) == 6 and [*inside["person2"]] == [*inside["person3"]] == ["admins"]
