"""Our adapter when the line or AWS fails in the middle: never a short list, never a false "not done"."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from backups.aws import session
from backups.aws.cognito import CognitoPool
from backups.core.snapshot import Group
from backups.engine.ports import Cause
from tests.contract.marks import only_standin
from tests.contract.test_pool import fails
from tests.contract.worlds import StandinWorld
from tests.standin.client import Standin

BROKEN = "no other line breaks when it is told to"
PASSWORD = "A-long-Passw0rd!"

CAUSES = {
    # what the line does -> what we may say of it; LOST: whether it was done is not known
    "throttle": Cause.THROTTLED,
    "limit": Cause.REFUSED,
    "500": Cause.LOST,
    "503": Cause.LOST,
    "500-after": Cause.LOST,
    "close-before": Cause.LOST,
    "close-after": Cause.LOST,
    "cut": Cause.LOST,
    "never": Cause.LOST,
    "never-after": Cause.LOST,
}
CALLS: dict[str, Callable[[CognitoPool, str], object]] = {
    "DescribeUserPool": lambda pool, who: pool.facts(),
    "ListUsers": lambda pool, who: list(pool.users()),
    "ListGroups": lambda pool, who: list(pool.groups()),
    "ListUsersInGroup": lambda pool, who: list(pool.groups()),
    "AdminListGroupsForUser": lambda pool, who: pool.groups_of(who),
    "AdminGetUser": lambda pool, who: pool.get_user(who),
    "AdminCreateUser": lambda pool, who: pool.create_user("bob@uni.example", {}),
    "AdminSetUserPassword": lambda pool, who: pool.set_password(who, PASSWORD),
    "AdminDisableUser": lambda pool, who: pool.disable_user(who),
    "CreateGroup": lambda pool, who: pool.create_group(Group("editors")),
    "AdminAddUserToGroup": lambda pool, who: pool.add_to_group(who, "admins"),
}


@pytest.fixture
def pool(world: StandinWorld) -> CognitoPool:
    made = world.pool()
    assert isinstance(made, CognitoPool)
    made.create_user("ada@uni.example", {"email_verified": "true"})
    made.create_group(Group("admins"))
    return made


@pytest.fixture(scope="module")
def impatient() -> Iterator[None]:
    """A test does not wait for half a minute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session.CONFIG, "read_timeout", 0.3)
        session.forget()
        yield
    session.forget()


@only_standin(BROKEN)
@pytest.mark.parametrize("kind", CAUSES)
@pytest.mark.parametrize("operation", CALLS)
def test_a_broken_call_is_an_error_of_the_right_cause(
    impatient: None, pool: CognitoPool, standin: Standin, operation: str, kind: str
) -> None:
    standin.fault(operation, kind)
    error = fails(CAUSES[kind], lambda: CALLS[operation](pool, "ada@uni.example"))
    assert "ada@" not in str(error)
    assert standin.faults() == {f"{operation} {kind}": 1}


@only_standin(BROKEN)
@pytest.mark.parametrize("kind", ["cut", "close-after", "500-after"])
def test_a_list_that_breaks_in_its_middle_never_ends_there(
    pool: CognitoPool, standin: Standin, kind: str
) -> None:
    standin.seed(pool.pool_id, 150)
    standin.knobs(short_pages=0)
    standin.fault("ListUsers", kind, nth=2)
    listed = pool.users()
    assert len([next(listed) for _ in range(60)]) == 60
    fails(Cause.LOST, lambda: next(listed))


@only_standin(BROKEN)
def test_short_pages_and_an_order_that_varies_lose_nobody(pool: CognitoPool, standin: Standin) -> None:
    standin.seed(pool.pool_id, 500)
    standin.knobs(short_pages=0.7)
    first, second = ([entry["Username"] for entry in pool.users()] for _ in range(2))
    assert len(first) == len(set(first)) == 501
    assert set(first) == set(second)
    assert first != second


@only_standin(BROKEN)
def test_a_user_who_came_by_federation_is_read_like_any_other(pool: CognitoPool, standin: Standin) -> None:
    standin.federate(pool.pool_id, "Google", "1001", email="gia@uni.example")
    (gia,) = (entry for entry in pool.users() if entry["UserStatus"] == "EXTERNAL_PROVIDER")
    assert gia["Username"] == "Google_1001"
    assert pool.get_user("Google_1001")["UserStatus"] == "EXTERNAL_PROVIDER"


@only_standin("nobody else has a secondary Region")
def test_a_secondary_region_is_not_written_to(pool: CognitoPool, standin: Standin) -> None:
    standin.secondary(pool.pool_id)
    fails(Cause.UNSUPPORTED, lambda: pool.create_user("bob@uni.example", {}))
    fails(Cause.UNSUPPORTED, lambda: pool.disable_user("ada@uni.example"))
    assert len(list(pool.users())) == 1


@only_standin("nobody else counts mails")
def test_the_days_mails_end_in_a_cause_of_their_own(pool: CognitoPool, standin: Standin) -> None:
    standin.knobs(daily_mails=1)
    pool.create_user("bob@uni.example", {}, invite=True)
    error = fails(Cause.MAIL_LIMIT, lambda: pool.create_user("cat@uni.example", {}, invite=True))
    assert "09:00 UTC" in str(error)
    fails(Cause.MAIL_LIMIT, lambda: pool.resend_invitation("bob@uni.example"))
    standin.clock(forward=86_400)
    pool.resend_invitation("bob@uni.example")
    assert [message["why"] for message in standin.messages()] == ["AdminCreateUser", "RESEND"]


@only_standin("nobody else fails to deliver")
def test_a_mail_that_bounces_has_made_the_user(pool: CognitoPool, standin: Standin) -> None:
    standin.knobs(undeliverable=["bob@"])
    fails(Cause.DELIVERY, lambda: pool.create_user("bob@uni.example", {}, invite=True))
    assert pool.get_user("bob@uni.example")["UserStatus"] == "FORCE_CHANGE_PASSWORD"
