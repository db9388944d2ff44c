"""Who is signing in: what STS and IAM say of keys, sessions, roles and groups

On the stand-in for STS and IAM (tests/standin/iam) and, where it can be asked, on ministack.
"""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from backups.aws import identity as aws_identity
from backups.aws import session
from backups.aws.identity import AwsIdentity
from backups.core.principal import Caller, Refused, Standing, judge, who
from backups.engine.ports import Cause, Proof
from tests import servers
from tests.contract.marks import differs
from tests.contract.test_pool import fails
from tests.signing import Key, sign
from tests.standin.iam import control
from tests.standin.iam.control import Control, People, Person
from tests.standin.iam.signature import Scope, signature
from tests.standin.iam.wire import Request

OTHER = "444455556666"


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    with servers.running(control.start(tmp_path_factory.mktemp("standin-iam"))) as (server,):
        yield Control(server.url, control.ROOT)


@pytest.fixture
def standin(served: Control) -> Control:
    """The stand-in, empty but for the root of its account."""
    served.ask("reset")
    return served


@pytest.fixture(params=["standin", "ministack"])
def aws(request: pytest.FixtureRequest) -> People:
    if request.param == "standin":
        found: Control = request.getfixturevalue("standin")
        return found
    server: servers.Server = request.getfixturevalue("own_ministack")
    return People(server.url, Key("test", "test"))


Ours = Callable[..., AwsIdentity]


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ours]:
    """The product's own adapter, with the key of a user who may read IAM and nothing else."""

    def make(people: People, *may: str) -> AwsIdentity:
        app = people.person("app")
        people.allow(app, *(may or ("iam:Get*", "iam:List*")))
        for name, value in servers.aws_env(people.url, app.key.id, app.key.secret).items():
            monkeypatch.setenv(name, value)
        session.forget()
        return AwsIdentity(people.region, production=False)

    yield make
    session.forget()


@pytest.fixture
def identity(aws: People, ours: Ours) -> AwsIdentity:
    return ours(aws)


def prove(identity: AwsIdentity, key: Key, **wrong: Any) -> Caller:
    """What the page signs and the server sends on. ``wrong``: signed in place of what was asked."""
    date = wrong.pop("asked_at", time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    asked = {"nonce": "n" * 43, "date": date, "serverId": "dashboard"}
    asked |= {"region": identity.region, "host": identity.host}
    made = sign(asked, key, **wrong)
    return identity.caller(Proof(asked["nonce"], date, "dashboard", key.id, made, key.token))


def refused(identity: AwsIdentity, key: Key, **wrong: Any) -> str:
    """The code with which STS does not accept this."""
    return fails(Cause.REFUSED, lambda: prove(identity, key, **wrong)).code


def known(identity: AwsIdentity, person: Person) -> Standing:
    found = identity.standing(person.name)
    assert found
    return found


def out(identity: AwsIdentity, key: Key) -> str:
    """Why the one who signed is not let in."""
    with pytest.raises(Refused) as caught:
        who(prove(identity, key), identity.home())
    return caught.value.code


def not_in(identity: AwsIdentity, person: Person, key: Key) -> str:
    principal = who(Caller(person.arn, person.id, identity.home().account), identity.home())
    with pytest.raises(Refused) as caught:
        judge(
            principal,
            identity.standing(person.name),
            key_id=key.id,
            login_groups=["engineering"],
            contacts="Iva",
        )
    return caught.value.code


def error(do: Callable[[], object]) -> tuple[str, int, str]:
    """(code, HTTP status, message) of what boto3 raises."""
    with pytest.raises(ClientError) as caught:
        do()
    told = caught.value.response
    return told["Error"]["Code"], told["ResponseMetadata"]["HTTPStatusCode"], told["Error"]["Message"]


# --- a person --------------------------------------------------------------------------------------


def test_our_own_account_is_told_by_sts(identity: AwsIdentity, aws: People) -> None:
    home = identity.home()
    assert (home.partition, home.account) == ("aws", aws.account)


def test_a_user_is_known_by_arn_with_its_path_by_unique_id_and_by_account(
    aws: People, identity: AwsIdentity
) -> None:
    iva = aws.person("iva", path="/people/uk/")
    assert iva.id.startswith("AIDA")
    assert iva.arn == f"arn:aws:iam::{aws.account}:user/people/uk/{iva.name}"
    assert prove(identity, iva.key) == Caller(iva.arn, iva.id, aws.account)


def test_a_temporary_key_is_the_same_person(aws: People, identity: AwsIdentity) -> None:
    iva = aws.person("iva", path="/people/")
    key = aws.session(iva)
    assert key.id.startswith("ASIA")
    assert prove(identity, key) == Caller(iva.arn, iva.id, aws.account)


def test_the_standing_of_a_user_is_keys_groups_and_policies(aws: People, identity: AwsIdentity) -> None:
    iva = aws.person("iva", "engineering", "on-call", path="/people/")
    assert known(identity, iva) == Standing(
        iva.id, iva.arn, frozenset({iva.key.id}), frozenset(), frozenset({"engineering", "on-call"})
    )


def test_nobody_of_that_name_has_no_standing(identity: AwsIdentity) -> None:
    assert identity.standing("nobody") is None


def test_a_user_deleted_and_made_again_has_another_id_and_a_dead_key(
    aws: People, identity: AwsIdentity
) -> None:
    iva = aws.person("iva", "engineering")
    temporary = aws.session(iva)
    aws.remove(iva.name)
    assert refused(identity, iva.key) == "InvalidClientTokenId"
    aws.client("iam").create_user(UserName=iva.name)
    again = known(identity, iva)
    assert (again.arn, again.groups) == (iva.arn, frozenset())
    assert again.unique_id != iva.id
    assert not_in(identity, iva, temporary) == "made-again"


@differs(ministack="lets a session outlive its user")
def test_a_session_ends_with_the_user_who_opened_it(aws: People, identity: AwsIdentity) -> None:
    iva = aws.person("iva")
    temporary = aws.session(iva)
    aws.remove(iva.name)
    assert refused(identity, temporary) == "InvalidClientTokenId"


@differs(ministack="does not know UpdateUser")
def test_a_user_moved_to_another_path_has_another_arn_and_the_same_id(
    aws: People, identity: AwsIdentity
) -> None:
    iva = aws.person("iva", "engineering")
    aws.client("iam").update_user(UserName=iva.name, NewPath="/left/")
    assert prove(identity, iva.key).arn == f"arn:aws:iam::{aws.account}:user/left/{iva.name}"
    assert known(identity, iva).unique_id == iva.id
    assert not_in(identity, iva, iva.key) == "moved"


def test_a_key_that_is_switched_off_signs_nothing_and_stands_no_longer(
    aws: People, identity: AwsIdentity
) -> None:
    iva = aws.person("iva", "engineering")
    iam = aws.client("iam")
    iam.update_access_key(UserName=iva.name, AccessKeyId=iva.key.id, Status="Inactive")
    assert refused(identity, iva.key) == "InvalidClientTokenId"
    assert known(identity, iva).active_keys == frozenset()
    assert not_in(identity, iva, iva.key) == "key-inactive"
    iam.update_access_key(UserName=iva.name, AccessKeyId=iva.key.id, Status="Active")
    assert prove(identity, iva.key).user_id == iva.id


def test_the_policy_of_a_key_found_in_public_is_seen(aws: People, identity: AwsIdentity) -> None:
    iva = aws.person("iva", "engineering")
    arn = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"
    aws.client("iam").attach_user_policy(UserName=iva.name, PolicyArn=arn)
    assert known(identity, iva).policies == frozenset({"AWSCompromisedKeyQuarantineV3"})
    assert not_in(identity, iva, iva.key) == "quarantined"


def test_without_a_policy_of_ours_iam_tells_nothing(aws: People, ours: Ours) -> None:
    iva = aws.person("iva")
    identity = ours(aws, "s3:GetObject")
    assert fails(Cause.DENIED, lambda: identity.standing(iva.name)).code == "AccessDenied"
    assert prove(identity, iva.key).user_id == iva.id  # which needs none


def test_with_policies_off_everybody_may_read_iam(standin: Control, ours: Ours) -> None:
    iva, identity = standin.person("iva"), ours(standin, "s3:GetObject")
    standin.settings(policies=False)
    assert known(identity, iva).unique_id == iva.id


def test_a_policy_that_names_one_user_tells_of_no_other(aws: People, ours: Ours) -> None:
    iva, pol = aws.person("iva"), aws.person("pol")
    identity = ours(aws, "s3:GetObject")
    app = prove(identity, session_key()).arn.rpartition("/")[2]
    statement = {"Effect": "Allow", "Action": ["iam:Get*", "iam:List*"], "Resource": iva.arn}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.client("iam").put_user_policy(UserName=app, PolicyName="may", PolicyDocument=document)
    assert known(identity, iva).unique_id == iva.id
    fails(Cause.DENIED, lambda: identity.standing(pol.name))


def session_key() -> Key:
    """Our own key, as boto3 finds it."""
    return Key(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])


# --- nobody whom we let in --------------------------------------------------------------------------


def test_a_role_is_no_person_by_itself(aws: People, identity: AwsIdentity) -> None:
    iva = aws.person("iva")
    aws.allow(iva, "sts:AssumeRole")
    arn = aws.role("admin", trust(aws))
    key = assume(aws, iva.key, arn, "anything")
    caller = prove(identity, key)
    role = aws.client("iam").get_role(RoleName=arn.rpartition("/")[2])["Role"]
    assert role["RoleId"].startswith("AROA")
    name = arn.rpartition("/")[2]
    assert caller.arn == f"arn:aws:sts::{aws.account}:assumed-role/{name}/anything"
    assert caller.user_id == f"{role['RoleId']}:anything"
    assert out(identity, key) == "role"


def test_root_is_told_apart(aws: People, identity: AwsIdentity) -> None:
    key = aws.root
    assert prove(identity, key) == Caller(f"arn:aws:iam::{aws.account}:root", aws.account, aws.account)
    assert out(identity, key) == "root"


def test_a_federated_user_is_told_apart(aws: People, identity: AwsIdentity) -> None:
    iva = aws.person("iva")
    aws.allow(iva, "sts:GetFederationToken")
    key = control.key_of(aws.client("sts", iva.key).get_federation_token(Name="iva"))
    caller = prove(identity, key)
    assert caller.arn == f"arn:aws:sts::{aws.account}:federated-user/iva"
    assert caller.user_id == f"{aws.account}:iva"
    assert out(identity, key) == "federated"


def test_the_same_name_in_another_account_is_somebody_else(standin: Control, ours: Ours) -> None:
    identity, there = ours(standin), standin.elsewhere(OTHER, "eu-west-1")
    iva = there.person("iva", "engineering")
    assert prove(identity, iva.key) == Caller(f"arn:aws:iam::{OTHER}:user/{iva.name}", iva.id, OTHER)
    assert out(identity, iva.key) == "other-account"
    assert standin.client("sts").get_access_key_info(AccessKeyId=iva.key.id)["Account"] == OTHER


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_another_partition_has_its_own_arns_and_no_key_of_ours(
    region: str, partition: str, standin: Control, ours: Ours
) -> None:
    there = standin.elsewhere(OTHER, region)
    iva, pol = there.person("iva", "engineering"), standin.person("pol")
    assert refused(ours(standin), iva.key) == "InvalidClientTokenId"
    identity = ours(there)
    assert identity.home().partition == partition
    assert prove(identity, iva.key).arn == f"arn:{partition}:iam::{OTHER}:user/{iva.name}"
    assert known(identity, iva).groups == {"engineering"}
    assert refused(identity, pol.key) == "InvalidClientTokenId"


# --- the signature ----------------------------------------------------------------------------------

WRONG: dict[str, dict[str, Any]] = {
    "another server id": {"serverId": "another-dashboard"},
    "no server id": {"headers": {"x-cognito-admin-server-id": None}},
    "another nonce": {"nonce": "A" * 43},
    "another action": {"body": "Action=GetSessionToken&Version=2011-06-15"},
    "as GET": {"method": "GET", "query": "Action=GetCallerIdentity&Version=2011-06-15", "body": ""},
    "another path": {"path": "/other"},
    "another host": {"host": "sts.example.org"},
    "another region": {"region": "us-east-1"},
    "another service": {"service": "iam"},
    "a header more": {"headers": {"x-amz-extra": "1"}},
    "a date of its own": {"date": "20200101T000000Z"},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_signature_over_anything_else_is_not_accepted(
    wrong: dict[str, Any], aws: People, identity: AwsIdentity
) -> None:
    assert refused(identity, aws.person("iva").key, **wrong) == "SignatureDoesNotMatch"


def test_a_secret_or_a_key_id_of_somebody_else_is_not_accepted(aws: People, identity: AwsIdentity) -> None:
    iva, mallory = aws.person("iva"), aws.person("mallory")
    assert refused(identity, Key(iva.key.id, mallory.key.secret)) == "SignatureDoesNotMatch"
    assert refused(identity, Key("AKIAUNKNOWNUNKNOWN00", iva.key.secret)) == "InvalidClientTokenId"


def test_a_temporary_key_needs_its_own_token(aws: People, identity: AwsIdentity) -> None:
    one, other = (aws.session(aws.person(name)) for name in ("iva", "pol"))
    assert refused(identity, Key(one.id, one.secret)) == "InvalidClientTokenId"
    assert refused(identity, Key(one.id, one.secret, other.token)) == "InvalidClientTokenId"


def test_a_session_that_is_over_is_told_as_such(standin: Control, ours: Ours) -> None:
    identity = ours(standin)
    key = standin.session(standin.person("iva"), DurationSeconds=900)
    standin.settings(window=3600, clock=890)
    assert prove(identity, key)
    standin.settings(clock=901)
    assert refused(identity, key) == "ExpiredToken"


@pytest.mark.parametrize("side", [-1, 1], ids=["late", "early"])
def test_a_date_more_than_fifteen_minutes_off_is_not_accepted(
    side: int, aws: People, identity: AwsIdentity
) -> None:
    """What STS allows, and more than a proof of ours is good for: the server's own limit is what counts.

    The date is the server's: nobody's signature is wrong when it is refused.
    """
    iva = aws.person("iva")
    assert prove(identity, iva.key, asked_at=minutes_off(side * 14))
    error = fails(Cause.LOST, lambda: prove(identity, iva.key, asked_at=minutes_off(side * 16)))
    assert "this server's clock is wrong" in str(error), "the person has signed what we asked for"


def minutes_off(minutes: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + minutes * 60))


@pytest.mark.parametrize(("clock", "words"), [(400, "Signature expired: "), (-400, "not yet current: ")])
def test_a_clock_that_is_wrong_is_told_by_aws_in_words(clock: int, words: str, standin: Control) -> None:
    standin.settings(clock=clock, window=300)
    code, status, said = error(standin.client("sts").get_caller_identity)
    assert (code, status) == ("SignatureDoesNotMatch", 403)
    assert words in said
    assert said.endswith(" 5 min.)")


def test_what_is_not_signed_is_not_answered(standin: Control) -> None:
    body = "Action=GetCallerIdentity&Version=2011-06-15"
    assert raw(standin, body, {})[0::2] == (403, "MissingAuthenticationToken")
    cut = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20261122/eu-west-1/sts/aws4_request"}
    assert raw(standin, body, cut)[0::2] == (400, "IncompleteSignature")


def raw(aws: People, body: str, headers: dict[str, str]) -> tuple[int, str, str]:
    """(status, content type, error code) of a request without a client of AWS."""
    connection = http.client.HTTPConnection(urlsplit(aws.url).netloc, timeout=10)
    headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    connection.request("POST", "/", body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    code = text.partition("<Code>")[2].partition("</Code>")[0]
    return answer.status, answer.headers["content-type"], code


def test_the_standin_computes_what_aws_computed() -> None:
    """Two examples that AWS printed with their signatures: its test suite's first, IAM's ListUsers."""
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    date = "20150830T123600Z"
    vanilla = Request("GET", "/", "", [("host", "example.amazonaws.com"), ("x-amz-date", date)], b"")
    scope = Scope("AKIDEXAMPLE", "20150830", "us-east-1", "service")
    made = signature(vanilla, ["host", "x-amz-date"], date, scope, secret)
    assert made == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    kind = ("content-type", "application/x-www-form-urlencoded; charset=utf-8")
    headers = [kind, ("host", "iam.amazonaws.com"), ("x-amz-date", date)]
    users = Request("GET", "/", "Action=ListUsers&Version=2010-05-08", headers, b"")
    scope = Scope("AKIDEXAMPLE", "20150830", "us-east-1", "iam")
    made = signature(users, ["content-type", "host", "x-amz-date"], date, scope, secret)
    assert made == "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"


# --- every page -------------------------------------------------------------------------------------


def test_a_group_on_the_second_page_is_found(standin: Control, ours: Ours) -> None:
    groups = {f"group-{number}" for number in range(7)} | {"zulu"}
    iva = standin.person("iva", *sorted(groups))
    second = standin.client("iam").create_access_key(UserName=iva.name)["AccessKey"]["AccessKeyId"]
    for name in ("AWSCompromisedKeyQuarantineV2", "IAMReadOnlyAccess", "ReadOnlyAccess"):
        arn = f"arn:aws:iam::aws:policy/{name}"
        standin.client("iam").attach_user_policy(UserName=iva.name, PolicyArn=arn)
    identity = ours(standin)
    standin.settings(page_size=1)
    standing = known(identity, iva)
    assert standing.groups == groups
    assert standing.active_keys == {iva.key.id, second}
    assert "AWSCompromisedKeyQuarantineV2" in standing.policies
    assert len(standin.books("ListGroupsForUser")) == 8


@differs(ministack="gives every list whole, whatever MaxItems says")
def test_a_list_is_cut_at_max_items_and_goes_on_from_its_marker(aws: People) -> None:
    iam = aws.client("iam")
    iva = aws.person("iva", "first", "second", "third")
    one = iam.list_groups_for_user(UserName=iva.name, MaxItems=2)
    assert one["IsTruncated"]
    rest = iam.list_groups_for_user(UserName=iva.name, MaxItems=2, Marker=one["Marker"])
    assert not rest["IsTruncated"]
    names = [group["GroupName"] for page in (one, rest) for group in page["Groups"]]
    assert sorted(names) == ["first", "second", "third"]


def test_a_list_of_more_than_a_hundred_has_a_second_page(standin: Control) -> None:
    iam = standin.client("iam")
    for number in range(101):
        iam.create_group(GroupName=f"group-{number:03}")
    pages = list(iam.get_paginator("list_groups").paginate())
    assert [len(page["Groups"]) for page in pages] == [100, 1]


def test_a_marker_is_good_for_its_own_list_only(standin: Control) -> None:
    iam = standin.client("iam")
    iva, pol = standin.person("iva", "a", "b"), standin.person("pol", "a", "b")
    marker = iam.list_groups_for_user(UserName=iva.name, MaxItems=1)["Marker"]
    code, status, _ = error(lambda: iam.list_groups_for_user(UserName=pol.name, Marker=marker))
    assert (code, status) == ("ValidationError", 400)


@differs(ministack="puts a user into any number of groups")
def test_nobody_is_in_more_than_ten_groups(aws: People) -> None:
    iva = aws.person("iva", *(f"group-{number}" for number in range(10)))
    iam = aws.client("iam")
    iam.create_group(GroupName=f"one-more-{iva.name}")
    code, status, _ = error(
        lambda: iam.add_user_to_group(UserName=iva.name, GroupName=f"one-more-{iva.name}")
    )
    assert (code, status) == ("LimitExceeded", 409)


# --- a role that proves a person --------------------------------------------------------------------

OWN_NAME = {"StringEquals": {"sts:RoleSessionName": "${aws:username}"}}
MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


def trust(aws: People, *conditions: dict[str, Any], effect: str = "Allow", **rest: Any) -> dict[str, Any]:
    """One statement of a trust policy, for everybody of the account whose own policy lets them."""
    whole = {"Effect": effect, "Principal": {"AWS": f"arn:aws:iam::{aws.account}:root"}}
    merged = {operator: tests for one in conditions for operator, tests in one.items()}
    return {**whole, "Action": "sts:AssumeRole", "Condition": merged, **rest}


def assume(aws: People, key: Key, role: str, name: str, **rest: Any) -> Key:
    answer = aws.client("sts", key).assume_role(RoleArn=role, RoleSessionName=name, **rest)
    return control.key_of(answer)


def denied(do: Callable[[], object]) -> bool:
    code, status, _ = error(do)
    return (code, status) == ("AccessDenied", 403)


@pytest.fixture
def login(aws: People) -> str:
    """The ``dashboard-login`` role: no permissions, its trust policy forces the caller's name and MFA."""
    return aws.role("dashboard-login", trust(aws, OWN_NAME, MFA))


@pytest.fixture
def iva(aws: People) -> Person:
    return may_assume(aws, "iva")


def may_assume(aws: People, name: str) -> Person:
    made = aws.person(name, "engineering", path="/people/")
    aws.allow(made, "sts:AssumeRole", "sts:SetSourceIdentity")
    return made


def with_mfa(aws: People, person: Person) -> Key:
    """GetSessionToken with a code. ministack takes any."""
    any_code = {"SerialNumber": f"arn:aws:iam::{aws.account}:mfa/{person.name}", "TokenCode": "123456"}
    return aws.session(person, **(aws.mfa(person) if isinstance(aws, Control) else any_code))


@differs(ministack="expands no policy variable and knows no MFA")
def test_the_login_role_is_had_with_ones_own_name_and_mfa(
    aws: People, identity: AwsIdentity, login: str, iva: Person
) -> None:
    key = assume(aws, with_mfa(aws, iva), login, iva.name)
    caller = prove(identity, key)
    role = aws.client("iam").get_role(RoleName=login.rpartition("/")[2])["Role"]
    assert caller.arn == f"arn:aws:sts::{aws.account}:assumed-role/{role['RoleName']}/{iva.name}"
    assert caller.user_id == f"{role['RoleId']}:{iva.name}"
    assert caller.account == identity.home().account
    assert denied(aws.client("iam", key).get_user), "its credentials can do nothing else"


def test_the_login_role_is_not_had_under_another_name(aws: People, login: str, iva: Person) -> None:
    pol = may_assume(aws, "pol")
    key = with_mfa(aws, iva)
    for name in (pol.name, iva.name.upper(), f"{iva.name}-"):
        assert denied(lambda name=name: assume(aws, key, login, name))  # type: ignore[misc]


def test_the_login_role_is_not_had_without_mfa(aws: People, login: str, iva: Person) -> None:
    assert denied(lambda: assume(aws, iva.key, login, iva.name))
    assert denied(lambda: assume(aws, aws.session(iva), login, iva.name))


def test_a_code_may_be_given_to_assume_role_itself(standin: Control, ours: Ours) -> None:
    login, iva = standin.role("login", trust(standin, OWN_NAME, MFA)), may_assume(standin, "iva")
    key = assume(standin, iva.key, login, iva.name, **standin.mfa(iva))
    assert prove(ours(standin), key).arn.endswith(f"/{iva.name}")


def test_the_login_role_is_not_had_by_whoever_has_no_user_name(standin: Control) -> None:
    """A role may call its session as it likes, a federated user is called as somebody liked."""
    iva = may_assume(standin, "iva")
    standin.allow(iva, "sts:*")
    login = standin.role("login", trust(standin, OWN_NAME))
    admin = standin.role("admin", trust(standin))
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    standin.client("iam").put_role_policy(
        RoleName=admin.rpartition("/")[2],
        PolicyName="all",
        PolicyDocument=json.dumps({"Statement": statement}),
    )
    as_admin = assume(standin, iva.key, admin, iva.name)
    assert standin.client("iam", as_admin).list_users()["Users"], "it may do everything"
    assert denied(lambda: assume(standin, as_admin, login, iva.name))
    federated = control.key_of(standin.client("sts", iva.key).get_federation_token(Name=iva.name))
    assert denied(lambda: assume(standin, federated, login, iva.name))
    words = error(lambda: assume(standin, standin.root, login, iva.name))
    assert words == ("AccessDenied", 403, "Roles may not be assumed by root accounts.")


def test_a_role_that_trusts_nobody_who_asks_is_not_had(aws: People, iva: Person, login: str) -> None:
    service = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    assert denied(lambda: assume(aws, iva.key, aws.role("machine", service), iva.name))
    nowhere = login.replace("dashboard-login", "nowhere")
    assert denied(lambda: assume(aws, iva.key, nowhere, iva.name))


def test_a_trust_in_the_account_leaves_it_to_the_callers_own_policy(aws: People) -> None:
    guest, role = aws.person("guest", "visitors"), aws.role("open", trust(aws))
    assert denied(lambda: assume(aws, guest.key, role, guest.name))
    statement = {"Effect": "Allow", "Action": "sts:Assume*", "Resource": role}
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam = aws.client("iam")
    iam.put_group_policy(GroupName="visitors", PolicyName="may", PolicyDocument=document)
    assert assume(aws, guest.key, role, guest.name)
    statement["Effect"] = "Deny"
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.put_user_policy(UserName=guest.name, PolicyName="may-not", PolicyDocument=document)
    assert denied(lambda: assume(aws, guest.key, role, guest.name))


@differs(ministack="wants a policy of the user as well")
def test_a_trust_in_one_user_is_enough_for_that_user(aws: People) -> None:
    iva, pol = aws.person("iva"), may_assume(aws, "pol")
    role = aws.role("ivas", trust(aws, Principal={"AWS": iva.arn}))
    assert assume(aws, iva.key, role, iva.name).id.startswith("ASIA")
    assert denied(lambda: assume(aws, pol.key, role, pol.name))


@differs(ministack="keeps the name in the trust policy, not the unique id")
def test_a_trust_in_a_user_is_not_in_another_one_made_under_that_name(aws: People) -> None:
    iva = aws.person("iva")
    role = aws.role("ivas", trust(aws, Principal={"AWS": iva.arn}))
    aws.remove(iva.name)
    iam = aws.client("iam")
    iam.create_user(UserName=iva.name)
    made = iam.create_access_key(UserName=iva.name)["AccessKey"]
    again = Key(made["AccessKeyId"], made["SecretAccessKey"])
    assert denied(lambda: assume(aws, again, role, iva.name))
    shown = iam.get_role(RoleName=role.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
    assert shown["Statement"][0]["Principal"] == {"AWS": iva.id}


def test_the_trust_policy_is_read_as_it_was_written(aws: People, login: str) -> None:
    role = aws.client("iam").get_role(RoleName=login.rpartition("/")[2])["Role"]
    assert role["AssumeRolePolicyDocument"] == {
        "Version": "2012-10-17",
        "Statement": [trust(aws, OWN_NAME, MFA)],
    }
    assert role["Path"] == "/"
    loose = {"Version": "2012-10-17", "Statement": [trust(aws)]}
    aws.client("iam").update_assume_role_policy(RoleName=role["RoleName"], PolicyDocument=json.dumps(loose))
    role = aws.client("iam").get_role(RoleName=role["RoleName"])["Role"]
    assert role["AssumeRolePolicyDocument"] == loose


@pytest.mark.parametrize(
    "wrong",
    [
        "no json",
        "{}",
        {"Effect": "Perhaps"},
        {"Principal": {"AWS": "arn:aws:iam::111122223333:user/nobody"}},
        {"Condition": {"StringIs": {"aws:username": "iva"}}},
        {"Condition": {"NumericLessThan": {"aws:MultiFactorAuthAge": "900"}}},
        {"NotPrincipal": {"AWS": "*"}},
        {"Resource": "*"},
    ],
    ids=str,
)
def test_a_trust_policy_that_is_none_or_not_understood_here_is_refused(wrong: Any, standin: Control) -> None:
    whole = {
        "Version": "2012-10-17",
        "Statement": trust(standin) | (wrong if isinstance(wrong, dict) else {}),
    }
    document = wrong if isinstance(wrong, str) else json.dumps(whole)
    iam = standin.client("iam")
    code, status, _ = error(lambda: iam.create_role(RoleName="role", AssumeRolePolicyDocument=document))
    assert (code, status) == ("MalformedPolicyDocument", 400)


@pytest.mark.parametrize(
    ("statements", "long_lived", "session", "mfa"),
    [
        # A long-lived key has no aws:MultiFactorAuthPresent at all; IfExists then says nothing.
        ([({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, "Allow")], False, False, True),
        ([({"BoolIfExists": {"aws:MultiFactorAuthPresent": "true"}}, "Allow")], True, False, True),
        ([({"Null": {"aws:MultiFactorAuthPresent": "false"}}, "Allow")], False, True, True),
        ([({}, "Allow"), ({"Bool": {"aws:MultiFactorAuthPresent": "false"}}, "Deny")], True, False, True),
        ([({}, "Allow"), ({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}, "Deny")],
         False, False, True),
    ],
    ids=["bool", "bool if exists", "null", "deny bool", "deny bool if exists"],
)  # fmt: skip
def test_a_condition_on_mfa_means_what_it_means_on_aws(
    statements: list[tuple[dict[str, Any], str]], long_lived: bool, session: bool, mfa: bool, standin: Control
) -> None:
    iva = may_assume(standin, "iva")
    role = standin.role("role", *(trust(standin, one, effect=effect) for one, effect in statements))

    def had(key: Key) -> bool:
        try:
            return bool(assume(standin, key, role, iva.name))
        except ClientError:
            return False

    found = (had(iva.key), had(standin.session(iva)), had(with_mfa(standin, iva)))
    assert found == (long_lived, session, mfa)


@pytest.mark.parametrize(
    ("wanted", "version", "own", "other"),
    [
        ({"StringEquals": {"sts:RoleSessionName": "${aws:username}"}}, "2012-10-17", True, False),
        ({"StringLike": {"STS:rolesessionname": ["nobody", "${AWS:UserName}"]}}, "2012-10-17", True, False),
        ({"StringLike": {"sts:RoleSessionName": "*"}}, "2012-10-17", True, True),
        ({"StringEquals": {"sts:RoleSessionName": "*"}}, "2012-10-17", False, False),
        # In the older language a variable is plain text.
        ({"StringEquals": {"sts:RoleSessionName": "${aws:username}"}}, "2008-10-17", False, False),
        ({"StringNotEquals": {"sts:RoleSessionName": "${aws:username}"}}, "2012-10-17", False, True),
        ({"StringEquals": {"sts:RoleSessionName": "${aws:nothing}"}}, "2012-10-17", False, False),
    ],
)
def test_a_condition_on_the_session_name_means_what_it_means_on_aws(
    wanted: dict[str, Any], version: str, own: bool, other: bool, standin: Control
) -> None:
    iva = may_assume(standin, "iva")
    role = standin.role("role", trust(standin, wanted), version=version)
    for name, expected in ((iva.name, own), ("pol", other)):
        if expected:
            assert assume(standin, iva.key, role, name)
        else:
            assert denied(lambda name=name: assume(standin, iva.key, role, name))  # type: ignore[misc]


@differs(ministack="takes any name, that of a variable too")
def test_a_session_has_a_plain_name(aws: People) -> None:
    iva = may_assume(aws, "iva")
    role = aws.role("role", trust(aws))
    for name in ("i", "iva/pol", "iva pol", "ivä", "x" * 65, "iva\n", "${aws:username}", "*"):
        code, status, _ = error(lambda name=name: assume(aws, iva.key, role, name))  # type: ignore[misc]
        assert (code, status) == ("ValidationError", 400), name


def test_a_wrong_used_or_foreign_code_gives_no_session(standin: Control) -> None:
    iva, pol = standin.person("iva"), standin.person("pol")
    mine, theirs = standin.mfa(iva), standin.mfa(pol)
    wrong = {**mine, "TokenCode": "000000" if mine["TokenCode"] != "000000" else "000001"}
    for given in (theirs, wrong, {"TokenCode": mine["TokenCode"]}, {"SerialNumber": mine["SerialNumber"]}):
        assert denied(lambda given=given: standin.session(iva, **given))  # type: ignore[misc]
    assert standin.session(iva, **mine)
    assert denied(lambda: standin.session(iva, **mine))
    listed = standin.client("iam").list_mfa_devices(UserName=iva.name)["MFADevices"]
    assert [one["SerialNumber"] for one in listed] == [mine["SerialNumber"]]


def test_a_source_identity_needs_its_own_permission_and_stays(standin: Control) -> None:
    iva = may_assume(standin, "iva")
    both = ["sts:AssumeRole", "sts:SetSourceIdentity"]
    last = standin.role("last", trust(standin, Action=both))
    plain = standin.role("plain", trust(standin))
    first = standin.role("first", trust(standin, Action=both))
    statement = {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}
    standin.client("iam").put_role_policy(
        RoleName=first.rpartition("/")[2],
        PolicyName="go",
        PolicyDocument=json.dumps({"Statement": statement}),
    )
    assert denied(lambda: assume(standin, iva.key, plain, "run", SourceIdentity=iva.name))
    key = assume(standin, iva.key, first, "run", SourceIdentity=iva.name)
    sts = standin.client("sts", key)
    assert sts.assume_role(RoleArn=last, RoleSessionName="run")["SourceIdentity"] == iva.name
    assert denied(lambda: assume(standin, key, last, "run", SourceIdentity="pol"))
    assert denied(lambda: assume(standin, key, plain, "run"))


def test_a_session_of_a_role_has_its_longest_time(standin: Control) -> None:
    iva = may_assume(standin, "iva")
    role = standin.role("role", trust(standin))
    with_session = standin.session(iva)
    standin.client("iam").get_role(RoleName=role.rpartition("/")[2])
    for key, words in ((iva.key, "MaxSessionDuration"), (with_session, "role chaining")):
        code, _, said = error(
            lambda key=key: assume(standin, key, role, "run", DurationSeconds=7200)  # type: ignore[misc]
        )
        assert code == "ValidationError"
        assert words in said


def test_a_session_without_mfa_may_not_ask_iam_and_none_gives_another(standin: Control) -> None:
    """Our own credentials must not be such a session: IAM then says that it does not know them."""
    iva = standin.person("iva")
    standin.allow(iva, "iam:*", "sts:*")
    plain, strong = standin.session(iva), with_mfa(standin, iva)
    assert error(standin.client("iam", plain).get_user)[:2] == ("InvalidClientTokenId", 403)
    assert standin.client("iam", strong).get_user()["User"]["UserName"] == iva.name
    for key in (plain, strong):
        code, status, words = error(standin.client("sts", key).get_session_token)
        assert (code, status, words) == (
            "AccessDenied",
            403,
            "Cannot call GetSessionToken with session credentials",
        )


@differs(ministack="lets a session outlive its role")
def test_a_role_deleted_and_made_again_is_another_one(
    aws: People, identity: AwsIdentity, iva: Person
) -> None:
    role = aws.role("admin", trust(aws))
    key = assume(aws, iva.key, role, "run")
    before = prove(identity, key)
    iam, name = aws.client("iam"), role.rpartition("/")[2]
    iam.delete_role(RoleName=name)
    document = json.dumps({"Version": "2012-10-17", "Statement": trust(aws)})
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
    assert refused(identity, key) == "InvalidClientTokenId"
    after = prove(identity, assume(aws, iva.key, role, "run"))
    assert (after.arn, after.account) == (before.arn, before.account)
    assert after.user_id != before.user_id


def test_a_role_of_identity_center_has_a_path_that_nobody_else_can_use(standin: Control, ours: Ours) -> None:
    identity = ours(standin)
    name, reserved = "AWSReservedSSO_Engineer_0123456789abcdef", "/aws-reserved/sso.amazonaws.com/"
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": trust(standin, Principal={"Federated": "x"})}
    )
    iam = standin.client("iam")
    code, status, _ = error(
        lambda: iam.create_role(RoleName=name, Path=reserved, AssumeRolePolicyDocument=document)
    )
    assert (code, status) == ("InvalidInput", 400)
    standin.ask("sso-role", account=standin.account, name=name, region="eu-west-1", trust=document)
    assert iam.get_role(RoleName=name)["Role"]["Path"] == f"{reserved}eu-west-1/"
    key = standin.role_session(name, "iva@uni.example")
    assert prove(identity, key).arn.endswith(f":assumed-role/{name}/iva@uni.example"), "the path is not in it"
    assert out(identity, key) == "role"


# --- AWS that does not answer as it should ----------------------------------------------------------

FAULTS = ["throttle", "500", "503", "hang", "cut", "html", "redirect", "json"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test does not wait for five seconds."""
    monkeypatch.setattr(aws_identity, "TIMEOUT", 0.5)
    monkeypatch.setattr(session, "QUICK", session.QUICK.merge(Config(read_timeout=0.5)))


@pytest.mark.parametrize("kind", FAULTS)
def test_an_answer_that_is_none_tells_nothing_of_who_signed(
    kind: str, standin: Control, ours: Ours, impatient: None
) -> None:
    iva, identity = standin.person("iva"), ours(standin)
    identity.home()
    standin.fault(kind, "GetCallerIdentity", key=iva.key.id)
    before = len(standin.books("GetCallerIdentity"))
    fails(Cause.LOST, lambda: prove(identity, iva.key))
    assert len(standin.books("GetCallerIdentity")) == before + 1, "never followed, never repeated"
    assert prove(identity, iva.key).user_id == iva.id


@pytest.mark.parametrize("kind", FAULTS)
def test_an_answer_that_is_none_tells_nothing_of_a_persons_standing(
    kind: str, standin: Control, ours: Ours, impatient: None
) -> None:
    iva, identity = standin.person("iva", "engineering"), ours(standin)
    for action in ("GetUser", "ListAccessKeys", "ListAttachedUserPolicies", "ListGroupsForUser"):
        standin.fault(kind, action)
        cause = Cause.THROTTLED if kind == "throttle" else Cause.LOST
        fails(cause, lambda: identity.standing(iva.name))
    assert known(identity, iva).groups == {"engineering"}


def test_a_persons_key_is_told_apart_from_ours_in_a_fault(standin: Control, ours: Ours) -> None:
    iva, pol, identity = standin.person("iva"), standin.person("pol"), ours(standin)
    standin.fault("503", key=iva.key.id, times=0)
    fails(Cause.LOST, lambda: prove(identity, iva.key))
    fails(Cause.LOST, lambda: prove(identity, iva.key))
    assert prove(identity, pol.key).user_id == pol.id
    standin.ask("mend")
    assert prove(identity, iva.key).user_id == iva.id


def test_any_answer_can_be_put_into_stss_mouth(standin: Control, ours: Ours) -> None:
    """What real STS never says, such as an ARN that disagrees with its account."""
    iva, identity = standin.person("iva"), ours(standin)
    said = f"<Arn>{iva.arn}</Arn><UserId>{iva.id}</UserId><Account>{OTHER}</Account>"
    space = "https://sts.amazonaws.com/doc/2011-06-15/"
    said = f"<GetCallerIdentityResult>{said}</GetCallerIdentityResult>"
    body = f'<GetCallerIdentityResponse xmlns="{space}">{said}</GetCallerIdentityResponse>'
    standin.fault("answer", key=iva.key.id, body=body)
    assert prove(identity, iva.key) == Caller(iva.arn, iva.id, OTHER)


def test_sts_speaks_json_to_whoever_asks_for_it(standin: Control) -> None:
    body = "Action=GetCallerIdentity&Version=2011-06-15"
    status, kind, _ = raw(standin, body, {"Accept": "application/json"})
    assert (status, kind) == (403, "application/json")


def test_the_books_tell_every_call_and_what_became_of_it(standin: Control, ours: Ours) -> None:
    iva, identity = standin.person("iva"), ours(standin)
    prove(identity, iva.key)
    refused(identity, Key(iva.key.id, "typo"))
    good, bad = (
        one for one in standin.books("GetCallerIdentity") if "x-cognito-admin-nonce" in one["headers"]
    )
    assert (good["arn"], good["code"], bad["code"]) == (iva.arn, "", "SignatureDoesNotMatch")
    assert good["headers"]["host"] == "sts.eu-west-1.amazonaws.com"
    assert set(good["headers"]) == {
        "host", "content-type", "content-length", "x-amz-date", "x-cognito-admin-nonce",
        "x-cognito-admin-server-id", "authorization",
    }  # fmt: skip
    assert not any(iva.key.secret in json.dumps(entry) for entry in standin.books())
