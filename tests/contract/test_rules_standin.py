"""What only a server that can be told to shows: lags, throttles, lost answers, mail that is spent."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from backups.aws import session
from tests import servers
from tests.contract.marks import only_standin
from tests.contract.pools import PASSWORD, Aws, Pool, address, refused, username, values
from tests.standin.client import Standin

DAY = 86_400.0
INVITE: dict[str, Any] = {"DesiredDeliveryMediums": ["EMAIL"]}
RESEND: dict[str, Any] = {"DesiredDeliveryMediums": ["EMAIL"], "MessageAction": "RESEND"}
VERIFIED = {"email_verified": "true"}
WRITES = "AWS does so now and then, the emulators never"
CLOCK = "nobody else's clock can be moved"
MAIL = "nobody else sends mail, or counts it"
BILL = "AWS says it on the bill only"
QUOTA = "the emulators never throttle, and AWS's own quotas are shared with whatever runs beside"
BROKEN = "no other line breaks when it is told to"
TRIGGER = "a pool elsewhere needs a function of ours"


def secret(standin: Standin, to: str) -> str:
    """The code or the temporary password of the last message to somebody."""
    return str([one["secret"] for one in standin.messages() if one["to"] == to][-1])


def sent(standin: Standin, **like: str) -> int:
    return sum(like.items() <= one.items() for one in standin.messages() if one["sent"])


# lists


@only_standin(WRITES)
def test_a_page_may_be_short_although_more_users_come(crowd: Pool, standin: Standin) -> None:
    """[M, X aws-sdk-js-v3#7071] Only a missing token ends a list."""
    standin.knobs(short_pages=1.0)
    pages = crowd.pages(Limit=20)
    assert all(len(page) < 20 for page in pages[:-1])
    assert sum(map(len, pages)) == 65


@only_standin(WRITES)
def test_a_page_may_be_empty_although_more_users_come(crowd: Pool, standin: Standin) -> None:
    """[M] Where a filter is set."""
    standin.knobs(empty_pages=0.7, short_pages=0.5)
    pages = crowd.pages(Limit=5, Filter='status = "Enabled"')
    assert [] in pages[:-1]
    assert sum(map(len, pages)) == 60


@only_standin(WRITES)
@pytest.mark.parametrize("listing", ["list_groups", "list_users_in_group"])
def test_a_page_of_groups_or_of_members_may_be_short(aws: Aws, standin: Standin, listing: str) -> None:
    """[M] As with users: there is more where a token is."""
    pool = aws.new_pool("username")
    for n in range(8):
        pool.create_group(GroupName=f"group{n}")
        pool.admin_add_user_to_group(Username=pool.add(f"user{n}")["Username"], GroupName="group0")
    standin.knobs(short_pages=1.0)
    told: dict[str, Any] = {} if listing == "list_groups" else {"GroupName": "group0"}
    answer = getattr(pool, listing)(Limit=4, **told)
    assert len(answer.get("Groups", answer.get("Users"))) < 4
    assert answer["NextToken"]


@only_standin("the order of AWS's lists is AWS's; the emulators keep one")
def test_two_lists_may_come_in_two_orders(crowd: Pool, standin: Standin) -> None:
    """[M]"""
    orders = {tuple(user["Username"] for user in crowd.listed()) for _ in range(4)}
    assert len(orders) > 1


@only_standin("how long AWS's lists lag nobody can set; the emulators' never do")
def test_a_list_lags_behind_while_one_user_is_read_as_it_is(aws: Aws, standin: Standin) -> None:
    """[M] ListUsers is eventually consistent: one user is verified by AdminGetUser."""
    pool = aws.new_pool("username")
    for name in ("deleted", "disabled"):
        pool.add(name)
    standin.knobs(lag=60)
    pool.add("made")
    pool.admin_disable_user(Username="disabled")
    pool.admin_delete_user(Username="deleted")
    assert {user["Username"]: user["Enabled"] for user in pool.listed()} == {
        "deleted": True,
        "disabled": True,
    }
    assert pool.read("made")["Enabled"]
    assert not pool.read("disabled")["Enabled"]
    refused("UserNotFoundException", lambda: pool.read("deleted"))
    standin.clock(forward=61)
    assert {user["Username"]: user["Enabled"] for user in pool.listed()} == {"made": True, "disabled": False}


# quotas


@only_standin(QUOTA)
def test_a_category_that_is_spent_refuses_all_its_operations_and_no_others(
    email_pool: Pool, standin: Standin
) -> None:
    """[Q] HTTP 400, and nothing is done."""
    email, app = address(), email_pool.app()
    standin.quotas({"UserCreation": 0})
    with pytest.raises(ClientError) as caught:
        email_pool.add(email)
    told = caught.value.response
    assert told["Error"]["Code"] == "TooManyRequestsException"
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 400
    refused("TooManyRequestsException", lambda: app.sign_up(email, {"name": "Ada"}))
    refused("TooManyRequestsException", lambda: email_pool.admin_confirm_sign_up(Username=email))
    refused("UserNotFoundException", lambda: email_pool.read(email))
    assert standin.books()["throttled"] == {"AdminCreateUser": 1, "AdminConfirmSignUp": 1, "SignUp": 1}


@only_standin(QUOTA)
def test_what_the_application_takes_of_a_quota_is_not_there_for_us(
    email_pool: Pool, standin: Standin
) -> None:
    """[Q] Per account and Region, all pools and callers together."""
    made = email_pool.add(address())["Username"]
    standin.quotas({"UserRead": 120}, neighbour={"UserRead": 120})
    email_pool.read(made)  # the one that was left
    refused("TooManyRequestsException", lambda: email_pool.read(made))


@only_standin(QUOTA)
def test_an_operation_on_the_resources_of_a_pool_has_a_bound_of_its_own(aws: Aws, standin: Standin) -> None:
    """[Q] 5 a second of each operation in each pool; users are not such a resource."""
    pool = aws.new_pool("username")
    standin.quotas(per_pool=0)
    refused("TooManyRequestsException", lambda: pool.create_group(GroupName="admins"))
    assert pool.add(username())["Enabled"]


@only_standin("no emulator has the operation")
def test_the_limit_of_an_adjustable_category_can_be_read(aws: Aws, standin: Standin) -> None:
    """[M, Q]"""
    standin.fresh()
    definition = {"LimitClass": "API_CATEGORY", "Attributes": {"Category": "UserCreation"}}
    limit = aws.client.get_provisioned_limit(LimitDefinition=definition)["Limit"]
    assert (limit["ProvisionedLimitValue"], limit["FreeLimitValue"]) == (50, 50)


# mail


@only_standin(MAIL)
@pytest.mark.parametrize("left_behind", [True, False])
def test_the_51st_mail_of_a_day_is_refused(aws: Aws, standin: Standin, left_behind: bool) -> None:
    """[Q, X cbr#46] Of all pools together. Whether the user is left behind AWS does not say."""
    standin.knobs(left_behind=left_behind)
    one, other = aws.new_pool(), aws.new_pool()
    for pool in (one, other) * 25:
        pool.add(address(), **INVITE)
    email = address("last")
    said = refused("LimitExceededException", lambda: one.add(email, **INVITE))
    assert said.startswith("Exceeded daily email limit for the operation or the account.")
    if left_behind:
        assert one.status(email) == "FORCE_CHANGE_PASSWORD"
    else:
        refused("UserNotFoundException", lambda: one.read(email))
    assert standin.books()["messages"] == 50


@only_standin(MAIL)
def test_every_kind_of_mail_spends_from_the_same_day(aws: Aws, standin: Standin) -> None:
    """[Q] A restore's invitations take the application's "forgot password" away."""
    standin.knobs(daily_mails=4)
    pool = aws.new_pool(AutoVerifiedAttributes=["email"])
    app, email, new = pool.app(), address(), address("new")
    pool.confirmed(email, VERIFIED)
    app.forgot(email)
    app.sign_up(new, {"name": "New"})
    app.client.resend_confirmation_code(ClientId=app.id, Username=new)
    pool.add(address(), **INVITE)
    refused("LimitExceededException", lambda: app.forgot(email))
    refused("LimitExceededException", lambda: pool.admin_reset_user_password(Username=email))
    reasons = {"ForgotPassword": 1, "SignUp": 1, "ResendConfirmationCode": 1, "AdminCreateUser": 1}
    assert standin.books()["messages_by_why"] == reasons


@only_standin(MAIL)
def test_a_mail_over_the_limit_may_be_dropped_without_a_word(email_pool: Pool, standin: Standin) -> None:
    """[?] AWS does not say whether it refuses or drops: both are safe."""
    standin.knobs(daily_mails=0, over_the_limit="drop")
    assert email_pool.add(address(), **INVITE)["UserStatus"] == "FORCE_CHANGE_PASSWORD"
    books = standin.books()
    assert (books["messages"], books["dropped"]) == (0, 1)


@only_standin(CLOCK)
def test_the_mail_day_ends_at_nine_utc(email_pool: Pool, standin: Standin) -> None:
    """[Q]"""
    standin.knobs(daily_mails=1)
    standin.clock(to=datetime(2030, 1, 1, 8, 58, tzinfo=UTC).timestamp())
    email_pool.add(address(), **INVITE)
    refused("LimitExceededException", lambda: email_pool.add(address(), **INVITE))
    standin.clock(forward=180)
    assert email_pool.add(address(), **INVITE)["Enabled"]


@only_standin(MAIL)
def test_a_pool_with_ses_of_its_own_has_no_such_limit(aws: Aws, standin: Standin) -> None:
    """[Q]"""
    standin.knobs(daily_mails=0)
    ses = {"EmailSendingAccount": "DEVELOPER", "SourceArn": "arn:aws:ses:eu-west-1:1:identity/uni.example"}
    pool = aws.new_pool(EmailConfiguration=ses)
    assert pool.add(address(), **INVITE)["Enabled"]
    assert standin.books()["messages"] == 1


@only_standin(MAIL)
def test_nothing_is_sent_in_silence(email_pool: Pool, standin: Standin) -> None:
    """[M] Neither by SUPPRESS nor by a permanent password, disabling, attributes or groups."""
    made = email_pool.confirmed(address(), VERIFIED)
    group = username("group")
    email_pool.create_group(GroupName=group)
    email_pool.admin_add_user_to_group(Username=made, GroupName=group)
    email_pool.update(made, {"given_name": "Ada"})
    email_pool.admin_disable_user(Username=made)
    assert standin.books()["messages"] == 0


@only_standin("nobody else can be told which address bounces")
def test_a_mail_that_cannot_be_delivered_leaves_the_user(email_pool: Pool, standin: Standin) -> None:
    """[X boto3#3524, aws-sdk#438] The call fails, and the user is there."""
    standin.knobs(undeliverable=["bounces"])
    email = address("bounces")
    refused("CodeDeliveryFailureException", lambda: email_pool.add(email, **INVITE))
    assert email_pool.status(email) == "FORCE_CHANGE_PASSWORD"
    refused("UsernameExistsException", lambda: email_pool.add(email, **INVITE))
    assert standin.books()["messages"] == 0


@only_standin(MAIL)
@pytest.mark.parametrize(("verified", "mails"), [("true", 0), ("false", 1)])
def test_an_address_that_changes_is_mailed_unless_it_is_called_verified(
    aws: Aws, standin: Standin, verified: str, mails: int
) -> None:
    """[M] So a restore always writes email_verified beside email."""
    pool = aws.new_pool("username", AutoVerifiedAttributes=["email"])
    made = pool.confirmed(username(), {"email": address(), **VERIFIED})
    new = address("new")
    pool.update(made, {"email": new, "email_verified": verified})
    assert values(pool.read(made))["email_verified"] == verified
    assert sent(standin, to=new) == mails


@only_standin("a code goes to a mailbox, which nobody here can read")
def test_who_forgot_the_password_sets_another_by_the_code_that_was_mailed(
    email_pool: Pool, standin: Standin
) -> None:
    email, app = address(), email_pool.app()
    email_pool.confirmed(email, VERIFIED)
    app.forgot(email)
    confirm: dict[str, Any] = {"ClientId": app.id, "Username": email, "Password": "Another-one-2026"}
    code = secret(standin, email)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    refused(
        "CodeMismatchException",
        lambda: app.client.confirm_forgot_password(ConfirmationCode=wrong, **confirm),
    )
    app.client.confirm_forgot_password(ConfirmationCode=code, **confirm)
    assert app.sign_in(email, "Another-one-2026")["AuthenticationResult"]
    refused("NotAuthorizedException", lambda: app.sign_in(email))


@only_standin(CLOCK)
def test_a_temporary_password_expires_and_is_renewed_by_another_invitation(
    email_pool: Pool, standin: Standin
) -> None:
    """[M, X amplify-js#5251] After 7 days; until then nobody invited can forget it either."""
    email, app = address(), email_pool.app()
    email_pool.add(email, {"name": "Ada", **VERIFIED}, **INVITE)
    old = secret(standin, email)
    assert app.sign_in(email, old)["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    standin.clock(forward=8 * DAY)
    refused("NotAuthorizedException", lambda: app.sign_in(email, old))
    refused("NotAuthorizedException", lambda: app.forgot(email))
    email_pool.add(email, **RESEND)
    new = secret(standin, email)
    assert new != old
    assert app.sign_in(email, new)["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    standin.clock(forward=6 * DAY)
    assert app.sign_in(email, new)["ChallengeName"] == "NEW_PASSWORD_REQUIRED"


# triggers


@pytest.fixture
def watched(aws: Aws) -> Pool:
    """A pool with a function before signing up and one after confirming."""
    function = "arn:aws:lambda:eu-west-1:111122223333:function:watch"
    return aws.new_pool(LambdaConfig={"PreSignUp": function, "PostConfirmation": function})


@only_standin(TRIGGER)
def test_a_function_before_signing_up_can_refuse_a_user(watched: Pool, standin: Standin) -> None:
    """[T] PreSignUp_AdminCreateUser: it can veto a restore."""
    standin.knobs(vetoes=["unwanted"])
    email = address("unwanted")
    refused("UserLambdaValidationException", lambda: watched.add(email))
    refused("UserNotFoundException", lambda: watched.read(email))
    assert watched.add(address())["Enabled"]
    assert {source for _, source, _, _ in standin.triggers()} == {"PreSignUp_AdminCreateUser"}


@only_standin(TRIGGER)
def test_a_function_after_confirming_is_not_run_for_users_of_an_administrator(
    watched: Pool, standin: Standin
) -> None:
    """[T, X amplify-cli#13127] It is, once they set a password by "forgot password"."""
    email, app = address(), watched.app()
    watched.confirmed(email, VERIFIED)
    assert "PostConfirmation" not in {source.partition("_")[0] for _, source, _, _ in standin.triggers()}
    app.forgot(email)
    app.client.confirm_forgot_password(
        ClientId=app.id, Username=email, Password=PASSWORD, ConfirmationCode=secret(standin, email)
    )
    assert "PostConfirmation_ConfirmForgotPassword" in {source for _, source, _, _ in standin.triggers()}


# who is billed as active


def active(standin: Standin, pool: Pool) -> int:
    return sum(count for name, count in standin.books()["active"].items() if name.endswith(pool.id))


@only_standin(BILL)
def test_who_is_read_changed_or_made_is_an_active_user(aws: Aws, standin: Standin) -> None:
    """[M, Q, G] Once a month, whatever else is done."""
    pool = aws.new_pool()
    who = [pool.add(address(), VERIFIED)["Username"] for _ in range(5)]
    assert active(standin, pool) == 5
    standin.clear_books()
    pool.create_group(GroupName="admins")
    pool.read(who[0])
    pool.update(who[1], {"given_name": "Ada"})
    pool.admin_add_user_to_group(Username=who[2], GroupName="admins")
    pool.admin_set_user_password(Username=who[3], Password=PASSWORD, Permanent=True)
    pool.admin_disable_user(Username=who[4])
    pool.read(who[4])
    assert active(standin, pool) == 5


@only_standin(BILL)
def test_who_is_listed_or_reset_is_no_active_user(aws: Aws, standin: Standin) -> None:
    """[M, Q] So a backup costs nothing, and one with MFA details does."""
    pool = aws.new_pool()
    made = pool.confirmed(address(), VERIFIED)
    pool.create_group(GroupName="admins")
    pool.admin_add_user_to_group(Username=made, GroupName="admins")
    standin.clear_books()
    assert len(pool.listed()) == 1
    assert len(pool.list_users_in_group(GroupName="admins")["Users"]) == 1
    pool.admin_reset_user_password(Username=made)
    assert active(standin, pool) == 0


# who came through an identity provider


@only_standin("no API makes such users: somebody has to sign in at the provider")
def test_who_came_through_a_provider_is_listed_and_cannot_be_made(
    username_pool: Pool, standin: Standin
) -> None:
    """[M, X cbr#38]"""
    came = standin.federate(username_pool.id, "Google", username("1234567890"), email=address())
    (listed,) = (one for one in username_pool.listed() if one["Username"] == came["Username"])
    assert listed["Username"].startswith("Google_")
    assert listed["UserStatus"] == "EXTERNAL_PROVIDER"
    assert json.loads(values(listed)["identities"])[0]["providerName"] == "Google"
    refused("UsernameExistsException", lambda: username_pool.add(came["Username"]))


@only_standin("no API makes such users: somebody has to sign in at the provider")
def test_a_password_makes_a_native_user_of_who_came_through_a_provider(
    username_pool: Pool, standin: Standin
) -> None:
    """[M] So never set one."""
    came = standin.federate(username_pool.id, "Google", username("1234567890"), email=address())["Username"]
    username_pool.admin_set_user_password(Username=came, Password=PASSWORD, Permanent=True)
    assert username_pool.status(came) == "CONFIRMED"


@only_standin("no API makes such users: somebody has to sign in at the provider")
def test_who_squats_on_the_name_locks_the_person_out(username_pool: Pool, standin: Standin) -> None:
    """[X agentcore#425] Why users of a provider are never created."""
    number = username("1234567890")
    username_pool.add(f"Google_{number}")
    with pytest.raises(ValueError, match="User already exists with provider user id"):
        standin.federate(username_pool.id, "Google", number, email=address())


# a second Region


@only_standin("no emulator has replicas, and AWS takes hours and money for one")
def test_a_replica_is_read_and_not_written(aws: Aws, standin: Standin) -> None:
    """[M]"""
    pool = aws.new_pool()
    made = pool.confirmed(address(), VERIFIED)
    standin.secondary(pool.id)
    refused("OperationNotEnabledException", lambda: pool.add(address()))
    refused("OperationNotEnabledException", lambda: pool.update(made, {"given_name": "Ada"}))
    refused("OperationNotEnabledException", lambda: pool.create_group(GroupName="admins"))
    assert pool.status(made) == "CONFIRMED"
    assert len(pool.listed()) == 1


# what goes wrong on the way


@pytest.fixture
def impatient(email_pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """The e-mail pool, through a client of the product's that waits half a second."""
    monkeypatch.setattr(session, "CONFIG", session.CONFIG.merge(Config(read_timeout=0.5)))
    session.forget()
    yield Pool(session.client("cognito-idp", servers.REGION), email_pool.id)
    session.forget()


@only_standin(BROKEN)
@pytest.mark.parametrize(
    ("kind", "code", "done"),
    [
        ("throttle", "TooManyRequestsException", False),
        ("limit", "LimitExceededException", False),
        ("500", "InternalErrorException", False),
        ("500-after", "InternalErrorException", True),
        ("503", "ServiceUnavailableException", False),
    ],
)
def test_an_error_of_the_service_does_not_say_whether_the_work_was_done(
    email_pool: Pool, standin: Standin, kind: str, code: str, done: bool
) -> None:
    """[X] After a 5xx the user may be there."""
    email = address()
    standin.fault("AdminCreateUser", kind)
    refused(code, lambda: email_pool.add(email))
    assert bool([one for one in standin.users(email_pool.id) if values(one)["email"] == email]) is done


@only_standin(BROKEN)
@pytest.mark.parametrize(
    ("kind", "done"),
    [("close-before", False), ("close-after", True), ("cut", True), ("never", False), ("never-after", True)],
)
def test_an_answer_that_is_lost_does_not_say_whether_the_work_was_done(
    impatient: Pool, standin: Standin, kind: str, done: bool
) -> None:
    """[P] And to ask again would say that the user exists, which hides that it was us."""
    email = address()
    standin.fault("AdminCreateUser", kind)
    with pytest.raises(BotoCoreError):
        impatient.add(email)
    if done:
        refused("UsernameExistsException", lambda: impatient.add(email))
    else:
        assert impatient.add(email)["Enabled"]


@only_standin(BROKEN)
def test_only_the_call_that_was_named_goes_wrong(email_pool: Pool, standin: Standin) -> None:
    standin.fault("AdminCreateUser", "throttle", nth=2)
    email_pool.add(address())
    refused("TooManyRequestsException", lambda: email_pool.add(address()))
    email_pool.add(address())
    assert standin.faults() == {"AdminCreateUser throttle": 1}


@only_standin("boto3 asks for nothing that it does not know")
def test_an_operation_that_there_is_not_is_refused_and_counted(standin: Standin) -> None:
    request = urllib.request.Request(
        standin.url,
        data=b"{}",
        headers={"X-Amz-Target": "AWSCognitoIdentityProviderService.AdminReadMinds"},
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
    assert caught.value.code == 400
    assert json.loads(caught.value.read())["__type"] == "UnknownOperationException"
    assert standin.books()["unknown"] == {"AdminReadMinds": 1}


# the books


@only_standin("only its own books say what a server has done")
def test_every_call_and_every_message_is_in_the_books(aws: Aws, standin: Standin) -> None:
    pool = aws.new_pool()
    standin.clear_books()
    quiet = [pool.add(address())["Username"] for _ in range(3)]
    loud = pool.add(address(), **INVITE)
    email = values(loud)["email"]
    refused("UsernameExistsException", lambda: pool.add(email, **INVITE))
    books = standin.books()
    assert books["done"] == {"AdminCreateUser": 4}
    assert books["failed"] == {"AdminCreateUser UsernameExistsException": 1}
    assert (books["messages"], books["most_to_one"]) == (1, 1)
    assert sent(standin, to=email, why="AdminCreateUser", medium="EMAIL") == 1
    made = [(pool_id, sub) for _, _, pool_id, sub, code in standin.calls("AdminCreateUser") if not code]
    assert made == [(pool.id, sub) for sub in [*quiet, loud["Username"]]]
