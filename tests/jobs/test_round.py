"""Backup, wipe, plan, restore, compare, all of it as jobs: a pool of 150 of all sorts, over boto3.

The law itself is stated in tests/engine/test_round.py over any pool; here the same is asked of the
database's rows and of a Cognito that refuses what AWS refuses.
"""

from __future__ import annotations

from typing import Any

import pytest

from backups.core.choices import Choices, Existing, Guard
from backups.core.lifecycle import State
from backups.models import Item
from tests.jobs.remote import Desk, desk, standin_server

__all__ = ["desk", "standin_server"]  # fixtures

CROWD = 120
YEAR = 365 * 86_400.0
GOOGLE = {"client_id": "g", "client_secret": "s", "authorize_scopes": "email"}
NAMES = ["Ada “Q” \\ 日本", "e\u0301 é", "\N{PARTY POPPER}", "<b>&amp;", "' OR 1=1 --", "a\nb", "Ünï"]


def settle(desk: Desk) -> None:
    """A year ago."""
    pool_id, cognito = desk.pool(), desk.cognito
    desk.control.clock(forward=-YEAR)
    told = {"UserPoolId": pool_id}
    for name in ("Google", "Facebook"):
        cognito.create_identity_provider(
            **told, ProviderName=name, ProviderType=name, ProviderDetails=GOOGLE | {"api_version": "v1"}
        )
    cognito.create_group(**told, GroupName="admins", Description="who may", Precedence=0)
    cognito.create_group(**told, GroupName="beta")
    cognito.create_group(**told, GroupName="日本", Precedence=7)
    cognito.create_group(
        **told, GroupName="roots", RoleArn="arn:aws:iam::123456789012:role/roots", Precedence=1
    )
    desk.control.seed(pool_id, CROWD, disabled=0.05, groups={"admins": 0.1, "beta": 0.5, "roots": 0.03})
    for number, name in enumerate(NAMES):
        email = f"Odd.{number}@Uni.Example"
        add(desk, email, name=name, **{"custom:institution": name, "email_verified": "true"})
        cognito.admin_add_user_to_group(**told, Username=email, GroupName="日本")
    for number in range(4):
        add(desk, f"unverified{number}@uni.example", name="U", email_verified="false")
    add(desk, "phone@uni.example", name="P", phone_number="+46701", phone_number_verified="true")
    add(desk, "phone2@uni.example", name="P", phone_number="+46702")
    add(desk, "terms@uni.example", name="T", **{"custom:agreed_terms": "true"})
    add(desk, "linked@uni.example", name="L", email_verified="true")
    cognito.admin_link_provider_for_user(
        **told,
        DestinationUser={"ProviderName": "Cognito", "ProviderAttributeValue": "linked@uni.example"},
        SourceUser={
            "ProviderName": "Google",
            "ProviderAttributeName": "Cognito_Subject",
            "ProviderAttributeValue": "1001",
        },
    )
    for number in range(5):
        desk.control.federate(pool_id, "Facebook", f"200{number}", email=f"fb{number}@uni.example", name="F")
    client = cognito.create_user_pool_client(**told, ClientName="ui")["UserPoolClient"]["ClientId"]
    for number in range(4):
        cognito.sign_up(
            ClientId=client,
            Username=f"signing{number}@uni.example",
            Password="A-long-Passw0rd!",
            UserAttributes=[{"Name": "name", "Value": "S"}],
        )
    desk.control.clock(forward=YEAR)
    desk.control.clear_books()


def add(desk: Desk, email: str, **attributes: str) -> None:
    listed = [{"Name": name, "Value": value} for name, value in {"email": email, **attributes}.items()]
    told = {"UserPoolId": desk.pools[-1], "Username": email}
    desk.cognito.admin_create_user(**told, UserAttributes=listed, MessageAction="SUPPRESS")
    desk.cognito.admin_set_user_password(**told, Password="A-long-Passw0rd!", Permanent=True)


WAYS = {
    "silent": Choices(guards=frozenset(Guard), link=True),
    "invite": Choices(guards=frozenset(Guard)),
    "later": Choices(link=True),
}


@pytest.mark.parametrize("way", WAYS)
def test_after_a_wipe_everybody_comes_back_but_whom_the_plan_named(desk: Desk, way: str) -> None:
    settle(desk)
    was = desk.standing()
    assert len(was) > 140
    key = desk.backup()
    desk.wipe()
    assert desk.standing() == {}
    choices = WAYS[way]
    plan = desk.plan(key, choices)
    said = {item.key: item for item in Item.objects.filter(job=plan.job)}
    assert said.keys() == was.keys(), "everybody has a line"
    left = [item for item in said.values() if item.action != "create"]
    reasons = {"federated", "unconfirmed"} | (set() if choices.link else {"linked"})
    assert {item.reason for item in left} == reasons
    job = desk.run(desk.start(plan, way))
    assert job.state == State.DONE, job.sentence
    assert job.result["created"] == plan.counts["create"] == len(was) - len(left)

    compared = desk.compare(key)
    users = compared.result["users"]
    assert (users["anew"], users["only_from"]) == (plan.counts["create"], len(left))
    assert [users[name] for name in ("changed", "only_to", "again", "ambiguous_from", "ambiguous_to")] == [
        0
    ] * 5
    assert compared.result["groups"] == {"same": 4, "changed": 0, "only_from": 0, "only_to": 0}
    seen = set()
    for row in compared.differences.filter(of="user"):
        line = said[row.key]
        seen.add(row.key)
        assert (row.kind, row.matched_by) == (
            ("anew", "restore") if line.action == "create" else ("only_from", "")
        )
        told = {field["field"]: (field["old"], field["new"]) for field in row.fields}
        if line.action != "create":
            continue
        expected = told_by(line, was[row.key], linked=choices.link)
        assert told.keys() == expected, (line, told)
    assert seen == was.keys()

    again = desk.plan(key, choices)
    assert (again.counts["create"], again.counts["update"]) == (0, 0)
    due = [user["values"]["email"] for user in was.values() if way == "invite" and user["Enabled"]]
    made = {item.email for item in said.values() if item.action == "create"}
    assert sorted(desk.sent()) == sorted(email for email in due if email in made)


def told_by(line: Item, user: dict[str, Any], *, linked: bool) -> set[str]:
    """Fields that a comparison shows of who was created: what the plan said, and nothing else."""
    fields = {"groups"} if line.withheld else set()
    return fields | ({"identities"} if linked and "identities" in user["values"] else set())


@pytest.mark.parametrize("existing", [Existing.FILL, Existing.OVERWRITE])
def test_after_half_a_wipe_and_edits_the_rest_is_filled_or_written_over(
    desk: Desk, existing: Existing
) -> None:
    settle(desk)
    was = desk.standing()
    key = desk.backup()
    crowd = sorted(sub for sub, user in was.items() if "@uni-" in user["values"].get("email", ""))
    gone, edited = crowd[:40], crowd[40:70]
    desk.wipe(gone)
    for number, sub in enumerate(edited):
        told = {"UserPoolId": desk.pools[-1], "Username": sub}
        value = "" if number % 3 == 0 else "Somewhere else"
        attributes = [{"Name": "custom:institution", "Value": value}, {"Name": "name", "Value": "Other"}]
        desk.cognito.admin_update_user_attributes(**told, UserAttributes=attributes)
        if number % 5 == 0:
            desk.cognito.admin_disable_user(**told)
    before = desk.standing()
    choices = Choices(existing=existing, guards=frozenset(Guard))
    plan = desk.plan(key, choices)
    job = desk.run(desk.start(plan))
    assert job.state == State.DONE, job.sentence
    assert job.result["created"] == plan.counts["create"] == len(gone)
    assert job.result["updated"] == plan.counts["update"] > 5
    updates = {item.key: item for item in Item.objects.filter(job=plan.job, action="update")}
    assert updates.keys() <= set(edited)
    now = desk.standing()
    for sub, user in before.items():
        if sub not in updates:
            assert now[sub] == user, "nobody else is touched"
    rows = {row.key: row for row in desk.compare(key).differences.filter(of="user")}
    for sub in edited:
        changed = {field["field"] for field in rows[sub].fields} if sub in rows else set()
        if existing is Existing.OVERWRITE:
            assert changed == set()
        else:
            filled = (
                {name for name, there, _ in updates[sub].changes if not there} if sub in updates else set()
            )
            assert changed <= {"custom:institution", "name", "Enabled"} - filled
    assert {row.kind for key, row in rows.items() if key in gone} == {"anew"}
    assert desk.sent() == []
    again = desk.plan(key, choices)
    assert (again.counts["create"], again.counts["update"]) == (0, 0)
