"""What the account allows and sends, and the settings of a pool as a whole: the port ``Account``.

SES and IAM are ministack's wherever something answers for them: no server here denies what SES's sandbox
denies, and none sends a mail.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from backups.aws import account as account_module
from backups.aws import session
from backups.aws.account import AwsAccount
from backups.core.mail import email_settings
from backups.core.rewriting import differing, rewritten
from backups.core.schema import Attribute, custom
from backups.engine.ports import Account, Allowance, Cause, PortError
from backups.engine.schema import Added, add, schema_of_pool
from backups.engine.switch import MAIL, switch
from tests import servers
from tests.contract.marks import differs, only_standin, worlds
from tests.contract.test_pool import fails
from tests.contract.worlds import Fakes, Remote, StandinWorld, World
from tests.fakes import FakeAccount, FakeReport
from tests.signing import Key
from tests.standin.client import Standin
from tests.standin.iam import control
from tests.standin.iam.control import Control, People

EVERYWHERE = worlds("fakes", "standin", "moto", "ministack", why="the throw-away account has no SES identity")
only_ministack = worlds("ministack", why="no other server here can be told to be in SES's sandbox")
HAS_SES = worlds("standin", "ministack", why="moto has no GetAccount of SES, and the fakes no SES")
ROLE = "arn:aws:iam::111122223333:role/sms"
SES = "arn:aws:ses:eu-west-1:123456789012:identity/uni.example"
OWN: dict[str, Any] = {  # nothing of it is AWS's default
    "UsernameAttributes": ["email"],
    "UsernameConfiguration": {"CaseSensitive": False},
    "Policies": {"PasswordPolicy": {"MinimumLength": 14, "TemporaryPasswordValidityDays": 30}},
    "AutoVerifiedAttributes": ["email"],
    "AdminCreateUserConfig": {
        "AllowAdminCreateUserOnly": True,
        "InviteMessageTemplate": {"EmailSubject": "Come in", "EmailMessage": "{username} {####}"},
    },
    "EmailVerificationSubject": "Your code",
    "UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": ["email"]},
    "AccountRecoverySetting": {"RecoveryMechanisms": [{"Priority": 1, "Name": "verified_email"}]},
    "UserPoolTags": {"team": "data"},
    "UserPoolTier": "LITE",
    "DeletionProtection": "ACTIVE",
}
MORE: dict[str, Any] = {
    "LambdaConfig": {"PostConfirmation": "arn:aws:lambda:eu-west-1:111122223333:function:confirmed"},
    "SmsConfiguration": {"SnsCallerArn": ROLE, "ExternalId": "here"},
    "MfaConfiguration": "OPTIONAL",
    "DeviceConfiguration": {"ChallengeRequiredOnNewDevice": True, "DeviceOnlyRememberedOnUserPrompt": True},
    "SmsVerificationMessage": "Code {####}",
    "SmsAuthenticationMessage": "Now {####}",
}


def an_account(world: World) -> Account:
    return FakeAccount() if isinstance(world, Fakes) else AwsAccount(world.region)


def a_pool(world: World, account: Account, **settings: Any) -> str:
    if isinstance(account, FakeAccount):
        account.plain("eu-west-1_Fake00001", **settings)
        return "eu-west-1_Fake00001"
    assert isinstance(world, Remote)
    return world.create_pool(**settings)


def through_ses(account: Account, pool: str, *, back: bool = False) -> tuple[str, ...]:
    """Names of the settings that did not stay."""
    before = account.describe(pool).get(MAIL, {})
    wanted = email_settings(before) if back else email_settings(before, SES, "no-reply@uni.example")
    done = switch(
        account, pool, FakeReport(), before=before, wanted=wanted, kept=None, keep=lambda found: None
    )
    assert done.mail == wanted and done.written
    return done.differs


def added(account: Account, pool: str, *wanted: Attribute) -> Added:
    return add(account, pool, FakeReport(), wanted=wanted, begun=None, begin=lambda names: None)


# --- the settings of a pool -------------------------------------------------------------------------------


@EVERYWHERE
@differs(moto="makes a pool of usernames of it")
def test_the_mail_of_a_pool_is_switched_and_nothing_else_changes(world: World) -> None:
    account = an_account(world)
    pool = a_pool(world, account, **OWN)
    before = account.describe(pool)
    assert through_ses(account, pool) == ()
    assert differing(before, account.describe(pool), {MAIL}) == []
    assert account.describe(pool)[MAIL]["EmailSendingAccount"] == "DEVELOPER"
    assert through_ses(account, pool, back=True) == ()
    assert differing(before, account.describe(pool)) == []


@only_standin("no emulator keeps every setting of a pool")
def test_no_setting_at_all_is_lost(world: StandinWorld, standin: Standin) -> None:
    account = AwsAccount(world.region)
    pool = world.create_pool(**OWN, **MORE)
    session.client("cognito-idp", world.region).set_user_pool_mfa_config(
        UserPoolId=pool,
        MfaConfiguration="OPTIONAL",
        SmsMfaConfiguration={"SmsConfiguration": {"SnsCallerArn": ROLE, "ExternalId": "here"}},
        SoftwareTokenMfaConfiguration={"Enabled": True},
    )
    before = account.describe(pool)
    assert {name for name in (*OWN, *MORE) if not before.get(name)} == set()
    assert through_ses(account, pool) == ()
    after = account.describe(pool)
    changing = (MAIL, "LastModifiedDate")
    assert {n: v for n, v in after.items() if n not in changing} == {
        n: v for n, v in before.items() if n not in changing
    }


@only_standin("ministack keeps what an update leaves out, and moto wipes more than AWS does")
def test_writing_the_mail_alone_would_have_reset_the_rest(world: StandinWorld, standin: Standin) -> None:
    """So that the test above cannot pass for nothing."""
    account = AwsAccount(world.region)
    pool = world.create_pool(**OWN, **MORE)
    before = account.describe(pool)
    wanted = email_settings(before[MAIL], SES, "no-reply@uni.example")
    account.update(pool, {MAIL: wanted})
    lost = differing(before, account.describe(pool), {MAIL})
    assert {"AdminCreateUserConfig", "DeletionProtection", "LambdaConfig", "Policies"} <= set(lost)
    assert "UserPoolTier" in lost and "UserPoolTags" in lost


@only_standin("no other server refuses both names of a temporary password's days")
def test_what_was_read_cannot_be_written_as_it_is(world: StandinWorld, standin: Standin) -> None:
    account = AwsAccount(world.region)
    pool = world.create_pool(**OWN)
    described = account.describe(pool)
    settings = rewritten(described)
    both = {**settings, "AdminCreateUserConfig": described["AdminCreateUserConfig"]}
    fails(Cause.REFUSED, lambda: account.update(pool, both))
    account.update(pool, settings)
    assert differing(described, account.describe(pool)) == []


@only_standin("no other server loses an answer after the work")
@pytest.mark.parametrize("kind", ["500-after", "close-after", "cut"])
def test_a_lost_answer_is_settled_by_reading(world: StandinWorld, standin: Standin, kind: str) -> None:
    account = AwsAccount(world.region)
    pool = world.create_pool(**OWN)
    standin.fault("UpdateUserPool", kind)
    assert through_ses(account, pool) == ()


@only_standin("no emulator knows replicas")
def test_a_replica_is_known_by_its_role(world: StandinWorld, standin: Standin) -> None:
    key = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1"
    pool = world.create_pool(KeyConfiguration={"KeyType": "CUSTOMER_MANAGED_KEY", "KmsKeyArn": key})
    assert AwsAccount(world.region).role_of(pool) == ""
    idp: Any = session.client("cognito-idp", world.region)
    idp.create_user_pool_replica(UserPoolId=pool, RegionName="us-east-1")
    assert AwsAccount(world.region).role_of(pool) == "PRIMARY"
    assert AwsAccount("us-east-1").role_of(pool) == "SECONDARY"


@worlds("moto", "ministack", why="the stand-in knows replicas")
def test_what_a_place_does_not_know_is_said(world: Remote) -> None:
    pool = world.create_pool()
    with pytest.raises(PortError):
        AwsAccount(world.region).role_of(pool)


@EVERYWHERE
def test_attributes_are_added_as_they_are_asked_for(world: World) -> None:
    account = an_account(world)
    pool = a_pool(world, account, UsernameAttributes=["email"])
    wanted = [
        Attribute("custom:institution", least="0", most="256"),
        Attribute("custom:score", "Number", mutable=False, least="1", most="5"),
        Attribute("custom:member", "Boolean"),
        Attribute("custom:since", "DateTime"),
    ]
    assert added(account, pool, *wanted).added == tuple(one.name for one in wanted)
    there = schema_of_pool(account, pool)
    assert [there[one.name].same(one) for one in wanted] == [True] * len(wanted)
    assert added(account, pool, *wanted).before == tuple(one.name for one in wanted)


@worlds("fakes", "standin", why="no emulator refuses one of these")
def test_attributes_that_are_there_or_do_not_fit_are_refused_as_a_whole(world: World) -> None:
    account = an_account(world)
    pool = a_pool(world, account, UsernameAttributes=["email"])
    many = [Attribute(f"custom:a{number}").request() for number in range(51)]
    account.add_attributes(pool, many[:1])
    fails(Cause.REFUSED, lambda: account.add_attributes(pool, many[:2]))
    fails(Cause.REFUSED, lambda: account.add_attributes(pool, many[1:27]))
    account.add_attributes(pool, many[1:26])
    account.add_attributes(pool, many[26:50])
    fails(Cause.REFUSED, lambda: account.add_attributes(pool, many[50:]))
    assert custom(schema_of_pool(account, pool)) == 50


@only_standin("no other server loses an answer after the work")
@pytest.mark.parametrize("kind", ["500-after", "close-after", "cut"])
def test_attributes_whose_answer_was_lost_are_read_back(
    world: StandinWorld, standin: Standin, kind: str
) -> None:
    account = AwsAccount(world.region)
    pool = world.create_pool(**OWN)
    standin.fault("AddCustomAttributes", kind)
    assert added(account, pool, Attribute("custom:institution")).added == ("custom:institution",)


@EVERYWHERE
def test_second_factors_are_told(world: World) -> None:
    account = an_account(world)
    assert account.mfa(a_pool(world, account))["MfaConfiguration"] == "OFF"


@worlds("standin", "moto", "ministack", why="the fakes describe whatever is asked for")
def test_a_pool_that_does_not_exist_is_gone(world: Remote) -> None:
    account, nothing = AwsAccount(world.region), f"{world.region}_Nothing01"
    fails(Cause.GONE, lambda: account.describe(nothing))
    fails(Cause.GONE, lambda: account.mfa(nothing))
    fails(Cause.GONE, lambda: account.update(nothing, {}))


# --- SES and IAM --------------------------------------------------------------------------------------------


@HAS_SES
def test_ses_tells_its_quota_and_who_may_send(world: Remote) -> None:
    ses: Any = cast(Any, session.client)("sesv2", world.region)
    name = world.fresh("mail") + ".example"
    ses.create_email_identity(EmailIdentity=name)
    found = AwsAccount(world.region).ses()
    assert found.production and found.sending and found.sent == 0
    assert found.quota == 50_000
    [sender] = [one for one in found.senders if one.name == name]
    assert sender.verified and sender.arn.endswith(f":identity/{name}")
    assert sender.arn.startswith(f"arn:aws:ses:{world.region}:")


@worlds("moto", why="the others know GetAccount")
def test_a_ses_that_does_not_answer_is_not_known(world: Remote) -> None:
    with pytest.raises(PortError) as told:
        AwsAccount(world.region).ses()
    assert told.value.cause in (Cause.UNSUPPORTED, Cause.LOST, Cause.MISSING, Cause.REFUSED)


@only_ministack
def test_a_sandbox_and_many_identities_are_told(world: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_module, "PAGE", 1)
    ses: Any = cast(Any, session.client)("sesv2", world.region)
    names = {world.fresh("many") + ".example" for _ in range(3)}
    for name in names:
        ses.create_email_identity(EmailIdentity=name)
    details = {"MailType": "TRANSACTIONAL", "WebsiteURL": "https://uni.example"}
    ses.put_account_details(**details, ProductionAccessEnabled=False)
    try:
        found = AwsAccount(world.region).ses()
    finally:
        ses.put_account_details(**details, ProductionAccessEnabled=True)
    assert not found.production and names <= {one.name for one in found.senders}


# --- what we may, by IAM ------------------------------------------------------------------------------------

POOL = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_AbCdEfGhI"
READ, CREATE = "cognito-idp:AdminGetUser", "cognito-idp:AdminCreateUser"
PASS = "iam:PassRole"


@pytest.fixture(scope="module")
def iam_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    with servers.running(control.start(tmp_path_factory.mktemp("standin-iam"))) as (server,):
        yield Control(server.url, control.ROOT)


@pytest.fixture(params=["standin", "ministack"])
def people(request: pytest.FixtureRequest) -> People:
    """An account of IAM and its administrator."""
    if request.param == "standin":
        found: Control = request.getfixturevalue("iam_server")
        found.ask("reset")
        return found
    return People(request.getfixturevalue("own_ministack").url, Key("test", "test"))


Ours = Callable[[People, Key], AwsAccount]


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ours]:
    """The adapter, with these credentials."""

    def make(people: People, key: Key) -> AwsAccount:
        for name, value in servers.aws_env(people.url, key.id, key.secret).items():
            monkeypatch.setenv(name, value)
        if key.token:
            monkeypatch.setenv("AWS_SESSION_TOKEN", key.token)
        session.forget()
        return AwsAccount(people.region)

    yield make
    session.forget()


def may(resource: str, *actions: str) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_our_own_user_is_asked_about_with_its_groups(people: People, ours: Ours) -> None:
    app = people.person("app")
    people.allow(app, "iam:SimulatePrincipalPolicy", READ)
    told = ours(people, app.key).allowed([READ, CREATE], POOL)
    assert told == Allowance(app.arn, frozenset({CREATE}))


def test_what_is_allowed_on_one_pool_is_not_on_another(people: People, ours: Ours) -> None:
    app = people.person("app")
    people.allow(app, "iam:SimulatePrincipalPolicy")
    iam = people.client("iam")
    iam.put_user_policy(UserName=app.name, PolicyName="here", PolicyDocument=may(POOL, READ))
    account = ours(people, app.key)
    assert account.allowed([READ], POOL).denied == frozenset()
    assert account.allowed([READ], POOL[:-1] + "X").denied == {READ}


@pytest.mark.parametrize("service", ["as documented", "cognito-idp", "lambda"])
def test_a_role_may_be_passed_on_where_a_policy_names_cognito(
    iam_server: Control, ours: Ours, service: str
) -> None:
    iam_server.ask("reset")
    app = iam_server.person("app")
    iam_server.allow(app, "iam:SimulatePrincipalPolicy")
    policy = json.loads((servers.ROOT / "docs" / "policies.json").read_text())["restore"]
    [statement] = [one for one in policy["Statement"] if one["Action"] == [PASS]]
    statement["Resource"] = statement["Resource"].replace("${account}", servers.ACCOUNT)
    if service != "as documented":
        statement["Condition"]["StringEquals"]["iam:PassedToService"] = f"{service}.amazonaws.com"
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam_server.client("iam").put_user_policy(UserName=app.name, PolicyName="pass", PolicyDocument=document)
    account = ours(iam_server, app.key)
    role = f"arn:aws:iam::{servers.ACCOUNT}:role/editors"
    assert account.allowed([PASS], role).denied == ({PASS} if service == "lambda" else frozenset())
    assert account.allowed([PASS], POOL).denied == {PASS}, "a pool is no role"


def test_more_actions_than_one_question_holds(
    people: People, ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_module, "AT_ONCE", 2)
    app = people.person("app")
    people.allow(app, "iam:SimulatePrincipalPolicy", READ)
    assert ours(people, app.key).allowed([READ, CREATE, "s3:GetObject"], POOL).denied == {
        CREATE,
        "s3:GetObject",
    }


def test_short_pages_are_followed(iam_server: Control, ours: Ours) -> None:
    iam_server.ask("reset")
    iam_server.settings(page_size=1)
    app = iam_server.person("app")
    iam_server.allow(app, "iam:SimulatePrincipalPolicy", READ)
    assert ours(iam_server, app.key).allowed([READ, CREATE], POOL).denied == {CREATE}


def test_of_a_roles_session_the_role_is_asked_about_with_its_path(iam_server: Control, ours: Ours) -> None:
    iam_server.ask("reset")
    iam = iam_server.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": servers.ACCOUNT}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="writer", Path="/tools/", AssumeRolePolicyDocument=document)["Role"][
        "Arn"
    ]
    both = may("*", "iam:SimulatePrincipalPolicy", "iam:GetRole", CREATE)
    iam.put_role_policy(RoleName="writer", PolicyName="may", PolicyDocument=both)
    told = ours(iam_server, iam_server.role_session("writer", "worker-1")).allowed([READ, CREATE], POOL)
    assert told == Allowance(role, frozenset({READ}))
    assert role.endswith(":role/tools/writer")


def test_whoever_may_not_ask_is_told_so(iam_server: Control, ours: Ours) -> None:
    iam_server.ask("reset")
    app = iam_server.person("app")
    iam_server.allow(app, READ)
    error = fails(Cause.DENIED, lambda: ours(iam_server, app.key).allowed([READ], POOL))
    assert app.name in str(error)


def test_of_root_credentials_nothing_is_simulated(people: People, ours: Ours) -> None:
    fails(Cause.UNSUPPORTED, lambda: ours(people, people.root).allowed([READ], POOL))
