"""Values for tests: say only what matters, the rest is a plain user of the team's pool.

a_user("ada@uni.example", enabled=False)
a_backup(store, FakePool with people in it)  ->  a whole backup of ours in that store
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings

from backups.core import files
from backups.core.snapshot import Entry, Manifest, Part, PoolFacts, User
from backups.engine.backup import Made, backup
from tests.fakes import STANDARD_ATTRIBUTES, TEAM_ATTRIBUTES, FakePool, FakeReport, FakeStore

SAMPLES = Path(__file__).parent / "samples"
POOL = "biomage-user-pool-case-insensitive-production"
KEY = f"2026-11-22.01-00-00/{POOL}"
SEAL_KEY = b"a key for tests"


def laws(examples: int) -> settings:
    """Hypothesis without a stop-watch and without a folder of its own: a busy machine is no failure."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


def a_sub(seed: str) -> str:
    """The same for the same seed, so that a failing test names the same people again."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, seed))


def an_entry(
    email: str = "ada@uni.example",
    *,
    sub: str | None = None,
    username: str | None = None,
    status: str = "CONFIRMED",
    enabled: bool = True,
    verified: bool = True,
    created: str = "2026-01-10T09:00:00.000Z",
    **attributes: str,
) -> Entry:
    """One ListUsers entry; custom attributes as ``custom_institution=``; an attribute "" is left out."""
    sub = a_sub(email or username or "nobody") if sub is None else sub
    given = {"name": "Ada", **{key.replace("custom_", "custom:", 1): v for key, v in attributes.items()}}
    if email:
        given |= {"email": email, "email_verified": "true" if verified else "false"}
    given["sub"] = sub
    return {
        "Username": username or sub,
        "Attributes": [{"Name": name, "Value": value} for name, value in given.items() if value],
        "UserCreateDate": created,
        "UserLastModifiedDate": created,
        "Enabled": enabled,
        "UserStatus": status,
    }


def a_user(email: str = "ada@uni.example", **wanted: Any) -> User:
    """``an_entry`` as a User."""
    return User.of(an_entry(email, **wanted))


def facts(**changes: Any) -> PoolFacts:
    """The team's pool: e-mail as username, no difference by case."""
    usual = PoolFacts(
        pool_id="eu-west-1_Fake00001",
        name=POOL,
        region="eu-west-1",
        account="123456789012",
        username_attributes=("email",),
        case_sensitive=False,
        attributes=STANDARD_ATTRIBUTES | TEAM_ATTRIBUTES,
        required=frozenset({"name", "email"}),
    )
    return replace(usual, **changes)


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def users_of(data: bytes) -> list[User]:
    return list(files.read_users([data]))


def a_file(entries: Iterable[Entry]) -> bytes:
    """data.json as cbr writes it."""
    return b"".join(files.write_users(entries))


def a_manifest(**changes: Any) -> Manifest:
    usual = Manifest(
        pool_id="eu-west-1_Fake00001",
        pool_name=POOL,
        region="eu-west-1",
        account="123456789012",
        started="2026-11-22T01:00:00.000Z",
        finished="2026-11-22T01:00:09.000Z",
        made_by="iva",
        trigger="person",
        tool="cognito-admin tests",
        users=2,
        groups=1,
        memberships=1,
        parts=(Part("pool.json", 10, "a" * 64, 2), Part("groups.json", 20, "b" * 64, 1)),
        unread={"mfa": "denied"},
        left_out=("secrets of app clients",),
    )
    return replace(usual, **changes)


def seal(data: bytes) -> str:
    return files.hmac_of(SEAL_KEY, data)


def a_backup(
    store: FakeStore, pool: FakePool, *, key: str = KEY, report: FakeReport | None = None, **how: Any
) -> Made:
    """A whole backup of ours, written by the engine, not yet read back; ``how`` is passed on."""
    return backup(
        pool,
        store,
        report or FakeReport(),
        store.clock,
        key=key,
        made_by="iva",
        trigger="person",
        tool="cognito-admin tests",
        **{"seal": seal, **how},
    )


def an_email_pool(idp: Any, name: str) -> str:
    """The id of a new, empty pool like the application's, in the AWS of ``idp``: any case of letters."""
    schema = [
        {"Name": attribute, "AttributeDataType": "String", "Mutable": True, "Required": required}
        for attribute, required in (
            ("email", True),
            ("name", True),
            ("institution", False),
            ("agreed_terms", False),
            ("agreed_emails", False),
        )
    ]
    made = idp.create_user_pool(
        PoolName=name,
        UsernameAttributes=["email"],
        UsernameConfiguration={"CaseSensitive": False},
        Schema=schema,
    )
    return str(made["UserPool"]["Id"])
