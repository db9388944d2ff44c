"""What only the adapters can get wrong: secrets, lost answers, parts that stay behind."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError
from django.test import override_settings

from backups import wiring
from backups.aws import session
from backups.aws.cognito import CognitoPool, list_pools
from backups.aws.store import S3Store
from backups.core.sealed import put_away
from backups.core.snapshot import Group
from backups.engine.ports import Cause, PortError, T
from tests.contract.marks import worlds
from tests.contract.test_pool import fails
from tests.contract.worlds import Remote

pytestmark = worlds(
    "standin", "moto", "ministack", why="the fakes have no adapter, and nobody cuts the line to AWS"
)
in_s3 = worlds("moto", "ministack", why="the stand-in is a Cognito only: no S3")
MB = 1024 * 1024


class Line:
    """The way to AWS, cut where a test says so: botocore's own events, before or after the real call."""

    def __init__(self, service: str, region: str) -> None:
        self.events = session.client(service, region).meta.events  # type: ignore[call-overload]
        self.registered: list[tuple[str, Callable[..., None]]] = []

    def cut(self, operation: str, *, after: bool, times: int = 1) -> None:
        left = [times]

        def handler(**_: Any) -> None:
            if left[0]:
                left[0] -= 1
                if after:
                    raise ConnectionClosedError(endpoint_url="http://127.0.0.1")
                raise EndpointConnectionError(endpoint_url="http://127.0.0.1")

        event = f"{'after-call' if after else 'before-call'}.{operation}"
        self.events.register(event, handler)
        self.registered.append((event, handler))

    def answer(self, operation: str, code: str, *, times: int = 1) -> None:
        """Instead of the real call: what only AWS says, and no emulator."""
        left = [times]

        def handler(**_: Any) -> None:
            if left[0]:
                left[0] -= 1
                raise ClientError({"Error": {"Code": code, "Message": "No."}}, operation.rpartition(".")[2])

        self.events.register(f"before-call.{operation}", handler)
        self.registered.append((f"before-call.{operation}", handler))

    def watch(self, operation: str) -> list[dict[str, Any]]:
        """The parameters of every call from now on."""
        seen: list[dict[str, Any]] = []

        def handler(params: dict[str, Any], **_: Any) -> None:
            seen.append(dict(params))

        event = f"provide-client-params.{operation}"
        self.events.register(event, handler)
        self.registered.append((event, handler))
        return seen

    def mend(self) -> None:
        for event, handler in self.registered:
            self.events.unregister(event, handler)


@pytest.fixture
def s3(world: Remote) -> Iterator[Line]:
    line = Line("s3", world.region)
    yield line
    line.mend()


@pytest.fixture
def cognito(world: Remote) -> Iterator[Line]:
    line = Line("cognito-idp", world.region)
    yield line
    line.mend()


@pytest.fixture
def store(world: Remote, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    monkeypatch.setattr("backups.aws.store.WAITS", (0.0, 0.0, 0.0))
    return world.store()


@pytest.fixture
def pool(world: Remote) -> CognitoPool:
    return world.pool()


def uploads(store: S3Store) -> list[Any]:
    s3 = session.client("s3", "eu-west-1")
    return list(s3.list_multipart_uploads(Bucket=store.bucket).get("Uploads", []))


# the store


@in_s3
@pytest.mark.parametrize(("operation", "size"), [("PutObject", 10), ("CompleteMultipartUpload", 9 * MB)])
def test_a_write_whose_answer_was_lost_is_found_to_be_ours(
    store: S3Store, s3: Line, operation: str, size: int
) -> None:
    s3.cut(f"s3.{operation}", after=True)
    assert store.put("key", [b"x" * size]).size == size
    assert store.versions("key") == 1
    assert uploads(store) == []


@in_s3
def test_a_lost_write_that_another_one_has_won_is_told(store: S3Store, s3: Line) -> None:
    store.put("key", [b"theirs"])
    s3.cut("s3.PutObject", after=True)
    fails(Cause.EXISTS, lambda: store.put("key", [b"ours"]))
    assert b"".join(store.open("key")) == b"theirs"


@in_s3
@pytest.mark.parametrize(
    "operation", ["UploadPart", "CreateMultipartUpload", "HeadObject", "CompleteMultipartUpload"]
)
@pytest.mark.parametrize("after", [False, True])
def test_a_call_that_breaks_is_made_again(store: S3Store, s3: Line, operation: str, after: bool) -> None:
    s3.cut(f"s3.{operation}", after=after)
    assert store.put("key", [b"x" * 9 * MB]).size == 9 * MB
    assert len(b"".join(store.open("key"))) == 9 * MB


@in_s3
def test_a_line_that_stays_broken_is_told_and_leaves_nothing(store: S3Store, s3: Line) -> None:
    s3.cut("s3.UploadPart", after=False, times=1000)
    error = fails(Cause.UNREACHABLE, lambda: store.put("key", [b"x" * 20 * MB]))
    assert "nothing was done" in str(error)
    assert uploads(store) == []
    assert list(store.list()) == []


@in_s3
@pytest.mark.parametrize(("operation", "size"), [("PutObject", 10), ("CompleteMultipartUpload", 9 * MB)])
def test_a_conflict_with_another_writer_is_asked_again(
    store: S3Store, s3: Line, operation: str, size: int
) -> None:
    s3.answer(f"s3.{operation}", "ConditionalRequestConflict", times=2)
    assert store.put("key", [b"x" * size]).size == size


@in_s3
def test_an_upload_that_a_conflict_has_ended_says_that_the_key_is_taken(store: S3Store, s3: Line) -> None:
    # botocore asks the handlers in the order in which they came
    s3.answer("s3.CompleteMultipartUpload", "ConditionalRequestConflict")
    s3.answer("s3.CompleteMultipartUpload", "NoSuchUpload")
    error = fails(Cause.EXISTS, lambda: store.put("key", [b"x" * 9 * MB]))
    assert "another one is writing it" in str(error)


@in_s3
def test_a_bucket_that_does_not_tell_its_versions_has_one(store: S3Store, s3: Line) -> None:
    s3.answer("s3.ListObjectVersions", "AccessDenied")
    assert store.versions("key") == 1


@in_s3
def test_no_part_stays_behind_when_the_source_breaks_or_the_key_is_taken(store: S3Store) -> None:
    def source() -> Iterator[bytes]:
        yield b"x" * 20 * MB
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put("key", source())
    store.put("key", [b"x"])
    fails(Cause.EXISTS, lambda: store.put("key", [b"x" * 9 * MB]))
    assert uploads(store) == []


@in_s3
def test_at_most_two_parts_are_read_ahead_of_the_sending(store: S3Store, s3: Line) -> None:
    sent = s3.watch("s3.UploadPart")
    ahead = []

    def source() -> Iterator[bytes]:
        for number in range(6):
            ahead.append(number - len(sent))
            yield b"x" * 8 * MB

    store.put("key", source())
    assert max(ahead) <= 2


# the pool


def test_settings_hold_secrets_that_nobody_writes_by_mistake(world: Remote, pool: CognitoPool) -> None:
    aws = session.client("cognito-idp", world.region)
    client = aws.create_user_pool_client(UserPoolId=pool.pool_id, ClientName="web", GenerateSecret=True)
    aws.create_identity_provider(
        UserPoolId=pool.pool_id,
        ProviderName="Uni",
        ProviderType="OIDC",
        ProviderDetails={
            "client_id": "public",
            "client_secret": "hush-hush",
            "oidc_issuer": "https://uni.example",
        },
        AttributeMapping={"email": "email"},
    )
    aws.create_resource_server(UserPoolId=pool.pool_id, Identifier="api", Name="api")
    read = {name: value for name, value, why in pool.settings() if not why}
    secrets = [client["UserPoolClient"]["ClientSecret"], "hush-hush"]
    assert not any(secret in repr(read) for secret in secrets)
    assert read["clients"][0]["ClientSecret"].reveal() == secrets[0]
    text = json.dumps(put_away(read, None)[0])  # JSON values only, or this raises
    assert not any(secret in text for secret in secrets)
    sealed = put_away(read, lambda secret, _: secret.upper())[1]
    assert sealed == (
        "/settings/clients/0/ClientSecret",
        "/settings/identity_providers/0/ProviderDetails/client_secret",
    )
    assert [one["ClientName"] for one in read["clients"]] == ["web"]
    assert read["identity_providers"][0]["ProviderDetails"]["client_id"] == "public"
    assert [one["Identifier"] for one in read["resource_servers"]] == ["api"]
    assert read["user_pool"]["Id"] == pool.pool_id


@worlds("moto", "ministack", why="the stand-in has every setting")
def test_a_setting_that_is_not_here_says_so_without_a_page_of_html(pool: CognitoPool) -> None:
    unread = {name: why for name, _, why in pool.settings() if why}
    assert "session" in unread
    assert all("<" not in why and why.startswith("Could not ") for why in unread.values())


def test_a_restore_that_is_silent_asks_cognito_to_be(pool: CognitoPool, cognito: Line) -> None:
    sent = cognito.watch("cognito-identity-provider.AdminCreateUser")
    pool.create_user("ada@uni.example", {"email": "ada@uni.example"})
    pool.create_user("bob@uni.example", {"email": "bob@uni.example"}, invite=True)
    pool.resend_invitation("bob@uni.example")
    asked = [(one.get("MessageAction"), one.get("DesiredDeliveryMediums")) for one in sent]
    assert asked == [("SUPPRESS", None), (None, ["EMAIL"]), ("RESEND", ["EMAIL"])]
    assert not any("TemporaryPassword" in one or "ForceAliasCreation" in one for one in sent)


def test_a_create_whose_answer_was_lost_is_made_once(pool: CognitoPool, cognito: Line) -> None:
    cognito.cut("cognito-identity-provider.AdminCreateUser", after=True)
    error = fails(Cause.LOST, lambda: pool.create_user("ada@uni.example", {"email": "ada@uni.example"}))
    assert "not known" in str(error)
    assert len(list(pool.users())) == 1


def test_every_call_goes_through_the_pace_under_its_name(world: Remote) -> None:
    named: list[str] = []

    def call(operation: str, do: Callable[[], T]) -> T:
        named.append(operation)
        return do()

    pool = CognitoPool(world.region, world.pool().pool_id, call)
    pool.facts()
    for n in range(61):
        pool.create_user(f"user{n}@uni.example", {})
    assert named == ["facts"] + ["create_user"] * 61
    named.clear()
    list(pool.users())
    assert named == ["users"] * 2
    named.clear()
    list(pool.groups())
    assert named == ["groups"]
    named.clear()
    pool.create_group(Group("admins"))
    list(pool.members("admins"))
    assert named == ["create_group", "members"]
    named.clear()
    list(pool.settings())
    assert set(named) == {"settings", "identity_pools"}


def test_every_pool_of_a_region_is_found(world: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backups.aws.cognito.PAGE", 2)
    made = {world.pool().pool_id for _ in range(5)}
    listed = dict(list_pools(world.region))
    assert made <= listed.keys()
    assert listed[made.pop()] == world.pool_name


# wiring


def test_the_wiring_knows_whose_credentials_these_are(world: Remote) -> None:
    with override_settings(AWS_ACCOUNT="", BACKUP_BUCKET="backups-{environment}-{account}"):
        account = wiring.account()
        assert len(account) == 12
        assert f":{account}:" in wiring.caller()
        assert wiring.store("staging").bucket == f"backups-staging-{account}"
    with override_settings(AWS_ACCOUNT="999988887777"):
        assert wiring.account() == "999988887777"


def test_the_wiring_finds_pools_with_their_facts(world: Remote, pool: CognitoPool) -> None:
    found = {facts.pool_id: facts for facts in wiring.find_pools(world.region)}
    assert found[pool.pool_id] == pool.facts()
    assert wiring.pool(world.region, pool.pool_id).facts() == pool.facts()


def test_debug_logs_hold_neither_signatures_nor_addresses(pool: CognitoPool) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        pool.create_user("ada@uni.example", {"email": "ada@uni.example"})
        with pytest.raises(PortError):
            pool.create_user("ada@uni.example", {"email": "ada@uni.example"})
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    assert "Signature" not in stream.getvalue()
    assert "ada@" not in stream.getvalue()
