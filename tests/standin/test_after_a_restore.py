"""An undo and invitations through boto3, on a Cognito where people really sign in, reset and wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from backups.aws import session
from backups.aws.cognito import CognitoPool
from backups.core.evidence import Left, Ways, evidence
from backups.core.snapshot import User
from backups.core.undo import Touched, What
from backups.engine.invite import Person, invite_again
from backups.engine.undo import Task, undo, verdicts, ways_of
from tests import servers
from tests.fakes import FakeReport
from tests.servers import Server
from tests.standin.client import Standin
from tests.standin.person import OTHER, Application, post, refused

HOUR = 3600.0
Made = Callable[..., Touched]


@pytest.fixture
def pool(
    server: Server, make_pool: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[CognitoPool]:
    for name, value in {**server.env, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(name, value)
    session.forget()
    yield CognitoPool(servers.REGION, make_pool())
    session.forget()


@pytest.fixture
def web(client: Any, pool: CognitoPool) -> Application:
    return Application(client, pool.pool_id)


def made(
    pool: CognitoPool, control: Standin, email: str, *, silent: bool = True, invite: bool = False
) -> Touched:
    """As a restore leaves somebody."""
    attributes = {"name": "Ada", "email": email, "email_verified": "true"}
    user = User.of(pool.create_user(email, attributes, invite=invite))
    if silent:
        pool.set_password(user.username, "Nobody-knows-1-this")
    over = datetime.fromisoformat(User.of(pool.get_user(email)).modified)
    left = Left(user.sub, silent, over + timedelta(minutes=1), over if invite else None)
    return Touched(email, user.username, left, create=True, finished=True, written=attributes)


def carried_out(pool: CognitoPool, *touched: Touched) -> dict[str, str]:
    """What became of everybody: the outcome, or why the plan leaves them alone."""
    found = list(verdicts(pool, touched, FakeReport(), ways_of(pool)))
    tasks = [
        Task(one.key, one.key, verdict.what, one.left.sub, one.username, verdict.seen)
        for one, verdict in found
        if verdict.what is What.DELETE
    ]
    report = FakeReport()
    undo(pool, tasks, report)
    became = {one.key: verdict.reason for one, verdict in found}
    return became | {key: one.outcome for key, one in report.outcomes.items()}


def test_who_reset_the_password_or_signed_in_stays_and_the_others_go(
    pool: CognitoPool, web: Application, control: Standin
) -> None:
    ada, bob = (made(pool, control, f"{name}@x.io") for name in ("ada", "bob"))
    eve, fay = (made(pool, control, f"{name}@x.io", silent=False, invite=True) for name in ("eve", "fay"))
    eves = next(one["secret"] for one in control.messages() if "eve" in str(one))
    control.clock(forward=HOUR)
    web.forgot("ada@x.io")
    web.reset("ada@x.io", post(control))
    challenge = web.initiate("eve@x.io", str(eves))
    web.respond(challenge, "eve@x.io", NEW_PASSWORD=OTHER)
    assert carried_out(pool, ada, bob, eve, fay) == {
        "ada@x.io": "in-again",
        "bob@x.io": "deleted",
        "eve@x.io": "in-again",
        "fay@x.io": "deleted",
    }
    assert {User.of(entry).email for entry in pool.users()} == {"ada@x.io", "eve@x.io"}
    assert carried_out(pool, ada, bob, eve, fay)["bob@x.io"] == "gone"


def test_what_people_changed_keeps_them(pool: CognitoPool, client: Any, control: Standin) -> None:
    ada, bob = (made(pool, control, f"{name}@x.io") for name in ("ada", "bob"))
    client.create_group(UserPoolId=pool.pool_id, GroupName="admins")
    pool.add_to_group(ada.username, "admins")
    pool.update_user(bob.username, {"name": "Mine"})
    assert carried_out(pool, ada, bob) == {"ada@x.io": "groups", "bob@x.io": "attributes"}


def test_a_delete_whose_answer_is_lost_is_settled(pool: CognitoPool, control: Standin) -> None:
    ada = made(pool, control, "ada@x.io")
    control.fault("AdminDeleteUser", "close-after", times=1)
    assert carried_out(pool, ada) == {"ada@x.io": "deleted"}
    assert list(pool.users()) == []


def test_a_passwordless_pool_leaves_everybody_alone(
    server: Server, make_pool: Callable[..., str], pool: CognitoPool, control: Standin
) -> None:
    policies = {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}}
    open_pool = CognitoPool(servers.REGION, make_pool(Policies=policies))
    ada = made(open_pool, control, "ada@x.io")
    assert carried_out(open_pool, ada) == {"ada@x.io": "may-have"}


def test_who_waits_is_invited_once_and_can_sign_in_with_the_new_password(
    pool: CognitoPool, web: Application, control: Standin
) -> None:
    ada = made(pool, control, "ada@x.io", silent=False)
    bob = made(pool, control, "bob@x.io")
    control.clock(forward=8 * 24 * HOUR)  # the temporary password ran out, and nobody knows it
    people = [Person(one.key, one.key, one.left.sub, one.username) for one in (ada, bob)]
    report = FakeReport()
    before = len(control.messages())
    invite_again(pool, people, pool.facts(), report, mails_left=lambda: 40)
    assert {key: one.reason for key, one in report.outcomes.items()} == {
        "ada@x.io": "",
        "bob@x.io": "signed-in",
    }
    assert len(control.messages()) == before + 1
    assert web.initiate("ada@x.io", post(control))["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    told = evidence(ada.left, User.of(pool.get_user("ada@x.io")), None, Ways())
    assert told.word.value == "not yet"


def test_whether_somebody_signed_in_is_only_known_with_threat_protection(
    client: Any, make_pool: Callable[..., str], pool: CognitoPool, web: Application, control: Standin
) -> None:
    protected = {"UserPoolTier": "PLUS", "UserPoolAddOns": {"AdvancedSecurityMode": "AUDIT"}}
    watched = CognitoPool(servers.REGION, make_pool(**protected))
    for own in (pool, watched):
        ada = made(own, control, "ada@x.io", silent=False, invite=True)
        assert own.signed_in(ada.username) is (None if own is pool else False)
        secret = next(one["secret"] for one in reversed(control.messages()) if "ada" in str(one))
        app = web if own is pool else Application(client, own.pool_id)
        app.respond(app.initiate("ada@x.io", str(secret)), "ada@x.io", NEW_PASSWORD=OTHER)
        assert own.signed_in(ada.username) is (None if own is pool else True)


def test_a_sign_in_is_found_behind_a_page_of_wrong_passwords(
    client: Any, make_pool: Callable[..., str], pool: CognitoPool, control: Standin
) -> None:
    """AWS tells the latest first, and 60 a call."""
    protected = {"UserPoolTier": "PLUS", "UserPoolAddOns": {"AdvancedSecurityMode": "AUDIT"}}
    watched = CognitoPool(servers.REGION, make_pool(**protected))
    web = Application(client, watched.pool_id)
    ada, bob = (made(watched, control, f"{name}@x.io") for name in ("ada", "bob"))
    watched.set_password(ada.username, OTHER)
    web.sign_in("ada@x.io", OTHER)
    for name in ("ada", "bob"):
        for _ in range(61):
            refused("NotAuthorizedException", web.sign_in, username=f"{name}@x.io", password="Wrong-horse-1")
    assert watched.signed_in(ada.username) is True
    assert watched.signed_in(bob.username) is False
