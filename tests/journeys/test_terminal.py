"""The verbs in a terminal, as an operator types them on the host while the web is down.

Every command is a process of its own, with nothing but a database, AWS and the four
settings that are needed; no broker and no web runs.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.build import an_email_pool
from tests.servers import ROOT, Cloud

SAMPLE = ROOT / "tests" / "samples" / "cbr-users.json"
BUCKET = "terminal-backups"
INTO_GUARDED = ["restore", "--backup", str(SAMPLE), "--to", "guarded-staging"]


@dataclass
class Host:
    """An operator's shell."""

    env: dict[str, str]
    folder: Path
    cloud: Cloud

    def run(self, *command: str, **env: str) -> tuple[int, dict[str, Any], str]:
        """(exit status, the JSON of the last line, everything on stderr)."""
        done = subprocess.run(
            [sys.executable, "manage.py", *command, "--json"],
            cwd=ROOT,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        last = (done.stdout.strip().splitlines() or ["{}"])[-1]
        return done.returncode, json.loads(last) if last.startswith("{") else {}, done.stderr

    def aws(self, service: str) -> Any:
        return self.cloud.root(service)

    def make_pool(self, name: str, people: int = 0) -> str:
        idp = self.aws("cognito-idp")
        pool_id = an_email_pool(idp, name)
        with self.cloud.unlimited():
            for number in range(people):
                attributes = {"email": f"person{number}@uni.example", "name": f"Person {number}"}
                idp.admin_create_user(
                    UserPoolId=pool_id,
                    Username=attributes["email"],
                    MessageAction="SUPPRESS",
                    UserAttributes=[{"Name": n, "Value": v} for n, v in attributes.items()],
                )
        return pool_id

    def users(self, pool_id: str) -> dict[str, dict[str, Any]]:
        pages = self.aws("cognito-idp").get_paginator("list_users").paginate(UserPoolId=pool_id)
        found = {}
        for page in pages:
            for user in page["Users"]:
                values = {a["Name"]: a["Value"] for a in user["Attributes"]}
                found[values["email"]] = {**user, "values": values}
        return found


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("terminal")
    cloud = servers.cloud(folder)
    with servers.running(*cloud.servers):
        env = {
            **servers.plain_environment(),
            **cloud.env,
            "DATABASE_URL": f"sqlite:///{folder}/app.sqlite3",
            "SECRET_KEY": "a-key-of-this-test",
            "SEAL_KEY": "a-seal-of-this-test",
            "BACKUP_BUCKET": BUCKET,
            "POOL_REGIONS": servers.REGION,
            "AWS_REGION": servers.REGION,
            "REDIS_URL": "redis://127.0.0.1:9/0",  # nobody there
        }
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True, timeout=120
        )
        host = Host(env, folder, cloud)
        host.aws("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": servers.REGION}
        )
        yield host


def test_a_backup_is_made_checked_and_compared(host: Host) -> None:
    pool_id = host.make_pool("team-production", people=7)
    idp = host.aws("cognito-idp")
    idp.create_group(UserPoolId=pool_id, GroupName="admins")
    idp.admin_add_user_to_group(UserPoolId=pool_id, Username="person1@uni.example", GroupName="admins")

    status, made, _ = host.run("backup", "--pool", "team-production")
    assert status == 0
    assert set(made) == {"key", "pool_id", "users", "groups", "state", "checked", "seconds"}
    assert (made["pool_id"], made["users"], made["groups"]) == (pool_id, 7, 1)
    assert (made["state"], made["checked"]) == ("complete", True)
    assert re.fullmatch(r"\d+\.\d", json.dumps(made["seconds"]))

    status, checked, _ = host.run("check_backup", made["key"] + "/data.json")
    assert status == 0
    assert checked == {
        "key": made["key"],
        "state": "complete",
        "checked": True,
        "users": 7,
        "reason": "",
    }

    idp.admin_delete_user(UserPoolId=pool_id, Username="person2@uni.example")
    idp.admin_update_user_attributes(
        UserPoolId=pool_id,
        Username="person3@uni.example",
        UserAttributes=[{"Name": "name", "Value": "Somebody Else"}],
    )
    status, compared, said = host.run("compare", "--from", made["key"], "--to", f"live:{pool_id}")
    assert status == 0
    counted = {name: compared["users"][name] for name in ("only_from", "only_to", "changed", "same")}
    assert counted == {"only_from": 1, "only_to": 0, "changed": 1, "same": 5}
    assert (compared["form"], compared["to"]["pool_id"], compared["dates"]) == (2, pool_id, False)
    assert "1 user of the backup is missing in the live pool" in said

    status, restored, _ = host.run(
        "restore", "--backup", made["key"], "--to", pool_id,
        "--messages", "silent", "--yes", "team-production", "--reason", "somebody was deleted",
    )  # fmt: skip
    assert status == 0
    assert restored.pop("job") > 0
    assert restored == {
        "state": "done",
        "created": 1,
        "updated": 0,
        "skipped": 6,
        "failed": 0,
        "messages": 0,
        "confirmed": 1,
    }
    assert host.users(pool_id)["person2@uni.example"]["UserStatus"] == "CONFIRMED"


def test_cbrs_file_goes_into_an_empty_pool(host: Host) -> None:
    pool_id = host.make_pool("drill-staging")
    restore = ("restore", "--backup", str(SAMPLE), "--to", "drill-staging", "--messages", "silent")

    status, planned, _ = host.run(*restore, "--dry-run")
    assert (status, planned["state"], planned["created"], planned["skipped"]) == (0, "planned", 5, 3)
    assert host.users(pool_id) == {}, "a dry run writes nothing"

    go = (*restore, "--yes", "drill-staging", "--reason", "drill")
    status, restored, _ = host.run(*go)
    assert status == 0
    assert (restored["state"], restored["created"], restored["skipped"]) == ("done", 5, 3)
    assert (restored["failed"], restored["messages"], restored["confirmed"]) == (0, 0, 5)
    users = host.users(pool_id)
    assert set(users) == {
        "alice@example.org",
        "bob@example.org",
        "carol@example.org",
        "eve@example.org",
        "unverified@example.org",
    }
    assert {email for email, user in users.items() if not user["Enabled"]} == {"bob@example.org"}
    alice = users["alice@example.org"]["values"]
    assert alice["name"] == 'Älice Ünï "Q" \\ 日本'
    assert alice["custom:institution"] == "Harvard"
    assert alice["email_verified"] == "true"
    assert users["unverified@example.org"]["values"]["email_verified"] == "false"

    done = subprocess.run(
        [sys.executable, "manage.py", "identity_map", str(restored["job"]), "--csv"],
        cwd=ROOT, env=host.env, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[0] == "old_sub,new_sub,old_username,new_username,email,how"
    old = "45369ff1-bd34-471b-be31-14b7785a9727"
    assert f"{old},{alice['sub']},{old},{alice['sub']},alice@example.org,created" in lines
    assert len(lines) == 6

    status, again, _ = host.run(*go)
    assert (status, again["state"], again["created"], again["skipped"]) == (0, "done", 0, 8)


def test_only_the_listed_users(host: Host) -> None:
    pool_id = host.make_pool("listed-staging")
    listed = host.folder / "people.txt"
    restore = (
        "restore", "--backup", str(SAMPLE), "--to", pool_id, "--messages", "silent",
        "--users", str(listed), "--yes", "listed-staging", "--reason", "two people asked",
    )  # fmt: skip
    listed.write_text("\n")
    status, refused, _ = host.run(*restore)
    assert status == 2, "an empty list is nobody, never everybody"
    assert "empty" in refused["error"]

    listed.write_text("ALICE@example.org\n\nbbda3a9a-7114-49e9-9381-608c5434146f\nnobody@example.org\n")
    status, restored, said = host.run(*restore)
    assert (status, restored["created"], restored["skipped"]) == (0, 2, 0)
    assert set(host.users(pool_id)) == {"alice@example.org", "eve@example.org"}
    assert "1 of the names that were given is not in this backup" in said
    assert "nobody@example.org" not in said


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["backup", "--pool", "no-such-pool"], 2, "No pool no-such-pool stands"),
        (["check_backup", "nonsense"], 2, "nonsense is no backup's key"),
        (["check_backup", "2026-01-01.00-00-00/nobody"], 2, "is not in terminal-backups"),
        (INTO_GUARDED, 2, "--messages, --yes, --reason"),
        (
            [*INTO_GUARDED, "--messages", "silent", "--yes", "another", "--reason", "x"],
            2,
            "--yes must name the target: --yes guarded-staging",
        ),
        (
            [*INTO_GUARDED, "--messages", "invite", "--yes", "guarded-staging", "--reason", "x"],
            1,
            "silent only",
        ),
        (["restore", "--backup", "/no/such.json", "--dry-run"], 2, "neither a backup's key nor a file"),
        (["resume", "4711"], 2, "There is no job 4711"),
    ],
)
def test_wrong_use_says_what_is_wrong(host: Host, arguments: list[str], status: int, says: str) -> None:
    if "guarded-staging" in arguments and not any(
        pool["Name"] == "guarded-staging"
        for pool in host.aws("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    ):
        host.make_pool("guarded-staging")
    got, found, said = host.run(*arguments)
    assert got == status
    assert says in found["error"]
    assert says in said


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file is empty"),
        (b"{}", "no JSON array of users"),
        (b'[\n{"Username":"a","Attributes":[]}\n,\n{"Usern', "cut or damaged"),
        (b"[1, 2]", "entry 1: an entry is a number"),
    ],
)
def test_a_damaged_backup_is_listed_with_its_reason_and_never_restored(
    host: Host, content: bytes, why: str
) -> None:
    name = f"damaged-{abs(hash(content)) % 10_000}-staging"
    pool_id = host.make_pool(name)
    key = f"2026-01-02.03-04-05/{name}"
    host.aws("s3").put_object(Bucket=BUCKET, Key=f"{key}/data.json", Body=content)
    status, checked, _ = host.run("check_backup", key)
    assert (status, checked["state"], checked["users"]) == (1, "unreadable", 0)
    assert why in checked["reason"]
    status, refused, _ = host.run(
        "restore", "--backup", key, "--to", pool_id,
        "--messages", "silent", "--yes", name, "--reason", "x",
    )  # fmt: skip
    assert status == 1
    assert why in refused["error"]
    assert host.users(pool_id) == {}
    _, listed, _ = host.run("backups", "--pool", name)
    assert [row["state"] for row in listed["backups"]] == ["unreadable"]


def test_when_aws_is_silent_one_sentence_says_so(host: Host) -> None:
    nobody = f"http://127.0.0.1:{servers.free_port()}"
    away = {name: nobody for name in host.env if name.startswith("AWS_ENDPOINT_URL")}
    for command in (["pools"], ["backups"], ["backup", "--pool", "team-production"]):
        status, _, said = host.run(*command, **away)
        assert status == 1
        assert "Nothing was done" in said or "nothing was done" in said


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DATABASE_URL", "nonsense", "DATABASE_URL is no address of a database"),
        ("LEASE_SECONDS", "abc", "LEASE_SECONDS is no whole number"),
        ("PRODUCTION", "perhaps", "PRODUCTION is neither true nor false"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL is no level"),
    ],
)
def test_a_wrong_setting_is_one_sentence(host: Host, name: str, value: str, says: str) -> None:
    status, found, said = host.run("pools", **{name: value})
    assert status == 1
    assert says in found["error"] and says in said
    assert value not in said, "what is wrong may hold a password"


def test_without_a_seal_key_the_origin_is_unknown(host: Host) -> None:
    host.make_pool("unsealed-staging", people=1)
    status, made, _ = host.run("backup", "--pool", "unsealed-staging", SEAL_KEY="")
    assert (status, made["checked"]) == (0, True)
    _, listed, _ = host.run("backups", "--pool", "unsealed-staging")
    assert [row["origin"] for row in listed["backups"]] == ["unknown"]


def test_ctrl_c_pauses_and_resume_goes_on(host: Host) -> None:
    pool_id = host.make_pool("long-staging")
    file = host.folder / "long.json"
    entries = [
        {
            "Username": f"0000-{number}",
            "Attributes": [
                {"Name": "sub", "Value": f"0000-{number}"},
                {"Name": "email", "Value": f"person{number}@uni.example"},
                {"Name": "email_verified", "Value": "true"},
                {"Name": "name", "Value": f"Person {number}"},
            ],
            "Enabled": True,
            "UserStatus": "CONFIRMED",
        }
        for number in range(260)
    ]
    file.write_text(json.dumps(entries))
    process = subprocess.Popen(
        [sys.executable, "manage.py", "restore", "--backup", str(file), "--to", pool_id,
         "--messages", "silent", "--yes", "long-staging", "--reason", "x", "--json"],
        cwd=ROOT, env=host.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not host.users(pool_id) and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    stopped = json.loads(out.strip().splitlines()[-1])
    assert process.returncode == 1, err
    assert stopped["state"] == "paused"
    there = host.users(pool_id)
    assert 0 < len(there) < 260
    assert all(user["UserStatus"] == "CONFIRMED" for user in there.values()), "whoever was begun is finished"

    status, resumed, _ = host.run("resume", str(stopped["job"]))
    assert (status, resumed["state"]) == (0, "done")
    assert len(host.users(pool_id)) == 260
    assert "260 created and read back" in resumed["sentence"]


def test_the_audit_log_holds_it_all_and_shows_a_change(host: Host) -> None:
    host.make_pool("audited-staging")
    host.run(
        "restore", "--backup", str(SAMPLE), "--to", "audited-staging",
        "--messages", "silent", "--yes", "audited-staging", "--reason", "drill",
    )  # fmt: skip
    status, verified, _ = host.run("verify_audit_log")
    assert (status, verified["faults"]) == (0, [])
    assert verified["entries"] >= 5
    database = sqlite3.connect(host.env["DATABASE_URL"].removeprefix("sqlite:///"))
    bodies = [json.loads(body) for (body,) in database.execute("SELECT body FROM backups_auditentry")]
    asked = [body for body in bodies if body["act"] == "restore.asked"]
    assert asked and all(body["details"]["break_glass"] for body in asked)
    assert all(":root" in body["details"]["caller"] for body in asked)
    assert all(body["actor_id"].startswith("terminal:") for body in asked)
    assert "example.org" not in json.dumps(bodies), "no e-mail in an entry"

    changed = host.folder / "changed.sqlite3"
    database.execute("VACUUM INTO ?", (os.fspath(changed),))
    copy = sqlite3.connect(changed)
    copy.execute("UPDATE backups_auditentry SET body = replace(body, 'seq', 'seQ') WHERE seq = 2")
    copy.commit()
    status, verified, _ = host.run("verify_audit_log", DATABASE_URL=f"sqlite:///{changed}")
    assert status == 1
    assert verified["faults"][0] == {"seq": 2, "what": "its text was changed after it was written"}
