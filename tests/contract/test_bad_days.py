"""Our adapters when the line or AWS fails in the middle: never a short list, never a false "not done".

And a whole backup over them: checked, or an error in words and nothing that looks whole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from backups.aws import session
from backups.aws.cognito import CognitoPool
from backups.aws.store import S3Store
from backups.core import files
from backups.core.snapshot import Group
from backups.engine.backup import Made, backup
from backups.engine.check import Found, check
from backups.engine.lanes import WORTH
from backups.engine.live import read_pool
from backups.engine.pace import Pace
from backups.engine.ports import Cause, PortError, Stop, T
from backups.engine.reading import Reading
from backups.wiring import clock
from tests.build import KEY, seal
from tests.contract.marks import only_standin
from tests.contract.test_pool import fails
from tests.contract.worlds import StandinWorld
from tests.fakes import FakeReport
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
    "ListUsersInGroup": lambda pool, who: list(pool.members("admins")),
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


# --- a whole backup ----------------------------------------------------------------------------------

CROWD = WORTH  # users: what is read by lanes
YESTERDAY = KEY.replace("22", "21", 1)


class Day:
    """A pool of a thousand in the stand-in, a bucket in ministack, and yesterday's backup in it."""

    def __init__(self, world: StandinWorld) -> None:
        made, store = world.pool(), world.store()
        assert isinstance(store, S3Store)
        self.store, self.cognito, self.s3 = store, world.client("cognito-idp"), world.client("s3")
        self.pool_id, self.region, self.control = made.pool_id, world.region, world.control
        self.pace = Pace(clock(), 0.8)
        self.asked = 0  # pages of users
        self.meanwhile: Callable[[int], object] = lambda page: None
        """Called before each page, with its number."""
        self.at_members: Callable[[], object] = lambda: None
        """Called once, before the first call for somebody's members."""
        self._lock = threading.Lock()
        self.control.seed(self.pool_id, CROWD)
        self.made(YESTERDAY)
        self.before = self.objects()

    @property
    def pool(self) -> CognitoPool:
        def call(operation: str, do: Callable[[], T], /) -> T:
            if operation == "users":
                with self._lock:
                    self.asked += 1
                    self.meanwhile(self.asked)
            if operation == "members":
                with self._lock:
                    what, self.at_members = self.at_members, lambda: None
                    what()
            return self.pace.call(operation, do)

        return CognitoPool(self.region, self.pool_id, call)

    def made(self, key: str = KEY) -> Made:
        how: dict[str, Any] = {"made_by": "iva", "trigger": "person", "tool": "tests", "seal": seal}
        return backup(self.pool, self.store, FakeReport(), clock(), key=key, **how)

    def grouped(self, *names: str) -> None:
        """Groups with a hundred members each."""
        for number, name in enumerate(names):
            self.cognito.create_group(UserPoolId=self.pool_id, GroupName=name)
            self.control.seed(self.pool_id, 100, start=CROWD + 100 * number, groups={name: 1.0})

    def read(self, report: FakeReport | None = None) -> Reading:
        """The pool for a comparison, memberships and settings included."""
        return read_pool(self.pool, report or FakeReport(), "live", settings=True)

    def checked(self) -> Found:
        return check(self.store, KEY, FakeReport(), clock(), tool="tests", seal=seal)

    def whole(self) -> set[str]:
        """Make one; it is whole, checked, and leaves yesterday's alone. The Usernames in it."""
        made = self.made()
        found = self.checked()
        assert (found.state, found.checked, found.users) == ("complete", True, made.manifest.users)
        listed = [user.username for user in files.read_users(self.store.open(f"{KEY}/data.json"))]
        assert len(listed) == len(set(listed)) == found.users
        assert self.objects().items() >= self.before.items()
        return set(listed)

    def fails(self, cause: Cause, *words: str) -> None:
        """Try one; nothing of it looks whole, nothing is left half sent, yesterday's is as it was."""
        error = fails(cause, self.made)
        assert all(word in str(error) for word in words), error
        found = self.checked()
        assert (found.state, found.checked) == ("incomplete", False) and found.reason
        after = self.objects()
        assert f"{KEY}/data.json" not in after and f"{KEY}/manifest.json" not in after
        assert after.items() >= self.before.items()
        assert not self.s3.list_multipart_uploads(Bucket=self.store.bucket).get("Uploads")

    def objects(self) -> dict[str, tuple[bytes, int]]:
        """Key -> bytes, number of versions."""
        return {
            one.key: (b"".join(self.store.open(one.key)), self.store.versions(one.key))
            for one in self.store.list()
        }

    def users(self) -> set[str]:
        """Everybody's Username, by no call to Cognito."""
        return {user["Username"] for user in self.control.users(self.pool_id)}


@pytest.fixture
def day(world: StandinWorld, standin: Standin, monkeypatch: pytest.MonkeyPatch) -> Day:
    monkeypatch.setattr("backups.aws.store.WAITS", (0.0, 0.0, 0.0))
    return Day(world)


@only_standin(BROKEN)
def test_a_backup_at_three_calls_a_second_is_whole(day: Day, standin: Standin) -> None:
    standin.quotas({"UserList": 3})
    assert day.whole() == day.users()
    assert standin.books()["throttled"]["ListUsers"] > 0
    assert day.pace["UserList"].standing().rate < 24, "it has slowed down"


@only_standin(BROKEN)
@pytest.mark.parametrize("kind", ["cut", "close-before", "close-after", "500", "503"])
def test_a_backup_over_a_line_that_breaks_now_and_then_is_whole(
    day: Day, standin: Standin, kind: str
) -> None:
    standin.fault("ListUsers", kind, times=-1, share=0.15)
    assert day.whole() == day.users()
    assert standin.faults()[f"ListUsers {kind}"] > 0


@only_standin(BROKEN)
def test_a_backup_whose_lane_fails_for_ever_says_who_is_missing(
    day: Day, standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backups.engine.pace.GIVE_UP_AFTER", 1.0)
    standin.fault("ListUsers", "500", nth=12, times=-1)
    day.fails(Cause.LOST, "InternalErrorException", "The list is not whole: users whose sub begins with “")


@only_standin(BROKEN)
def test_a_backup_whose_page_tokens_are_refused_for_a_while_is_whole(day: Day, standin: Standin) -> None:
    standin.knobs(token_seconds=0)

    def refused() -> bool:
        return "InvalidParameterException" in {code for *_, code in standin.calls("ListUsers")}

    day.meanwhile = lambda page: standin.knobs(token_seconds=None) if refused() else None
    assert day.whole() == day.users()
    assert refused()


@only_standin(BROKEN)
def test_a_backup_whose_page_tokens_are_always_refused_fails_and_says_so(day: Day, standin: Standin) -> None:
    standin.knobs(token_seconds=0)
    day.fails(Cause.REFUSED, "also when it was read again 2 times: users whose sub begins with “")


@only_standin(BROKEN)
def test_a_backup_of_a_pool_that_is_deleted_half_way_fails(day: Day) -> None:
    def delete(page: int) -> None:
        if page == 12:
            day.cognito.delete_user_pool(UserPoolId=day.pool_id)

    day.asked, day.meanwhile = 0, delete
    day.fails(Cause.GONE, "does not exist")


@only_standin(BROKEN)
def test_a_backup_while_people_come_and_go_has_everybody_who_stayed(day: Day) -> None:
    there = day.users()
    leaving, come = sorted(there)[::50], set()

    def change(page: int) -> None:
        email = f"new{page}@uni.example"
        made = day.cognito.admin_create_user(
            UserPoolId=day.pool_id,
            Username=email,
            UserAttributes=[{"Name": "email", "Value": email}, {"Name": "name", "Value": "New"}],
            MessageAction="SUPPRESS",
        )
        come.add(made["User"]["Username"])
        if leaving:
            day.cognito.admin_delete_user(UserPoolId=day.pool_id, Username=leaving.pop())

    day.meanwhile = change
    listed = day.whole()
    assert there & day.users() <= listed <= there | come


@only_standin(BROKEN)
def test_members_who_are_throttled_for_ever_are_an_error_that_names_a_group(
    day: Day, standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backups.engine.pace.PATIENCE", 0.5)
    day.grouped("readers")
    standin.fault("ListUsersInGroup", "throttle", times=-1)
    day.fails(Cause.THROTTLED, "list the members of the group readers", "Rate exceeded")
    assert "the group readers" in str(fails(Cause.THROTTLED, day.read))


@only_standin(BROKEN)
@pytest.mark.parametrize("kind", ["cut", "close-after", "500", "throttle"])
def test_members_over_a_line_that_breaks_now_and_then_are_whole(
    day: Day, standin: Standin, kind: str
) -> None:
    names = [f"group-{number}" for number in range(12)]
    day.grouped(*names)
    standin.fault("ListUsersInGroup", kind, times=-1, share=0.3)
    with day.read() as found:
        assert found.groups is not None and [group.name for group in found.groups] == sorted(names)
        assert {len(group.members) for group in found.groups} == {100}
        assert (found.count, found.strangers) == (CROWD + 1200, 0)
    assert standin.faults()[f"ListUsersInGroup {kind}"] > 0


@only_standin(BROKEN)
def test_a_group_that_is_deleted_while_it_is_read_is_left_out_and_the_rest_is_whole(day: Day) -> None:
    day.grouped("leaving", "staying")
    day.at_members = lambda: day.cognito.delete_group(UserPoolId=day.pool_id, GroupName="leaving")
    report = FakeReport()
    with day.read(report) as found:
        assert found.groups is not None
        assert [(group.name, len(group.members)) for group in found.groups] == [("staying", 100)]
    assert "The group leaving was deleted" in report.text


@only_standin(BROKEN)
def test_a_pool_that_is_deleted_while_groups_are_read_is_no_reading(day: Day) -> None:
    day.grouped("readers")
    day.at_members = lambda: day.cognito.delete_user_pool(UserPoolId=day.pool_id)
    fails(Cause.GONE, day.read)


@only_standin(BROKEN)
def test_a_cancel_while_groups_are_read_ends_them_within_a_call(day: Day, standin: Standin) -> None:
    day.grouped(*(f"group-{number}" for number in range(12)))
    standin.latency(ListUsersInGroup=0.3)
    report = FakeReport()

    def cancel() -> None:
        report.stop_after = report.asked

    day.at_members = cancel
    with pytest.raises(Stop):
        day.read(report)
    assert standin.books()["done"]["ListUsersInGroup"] < 24, "two pages a group"
    left = [one.name for one in threading.enumerate() if one.name.startswith(("beside", "groups", "lane"))]
    assert left == []


@only_standin(BROKEN)
def test_who_changes_while_a_pool_is_read_is_counted_by_the_clock_of_aws(day: Day, standin: Standin) -> None:
    standin.clock(forward=86_400)  # ours is a day behind
    changed = sorted(day.users())[::300]

    def change(page: int) -> None:
        for username in changed if page == 1 else ():
            day.cognito.admin_disable_user(UserPoolId=day.pool_id, Username=username)

    day.asked, day.meanwhile = 0, change
    with day.read() as found:
        assert (found.count, found.changing) == (CROWD, len(changed))


@only_standin(BROKEN)
@pytest.mark.parametrize("operation", ["UploadPart", "CompleteMultipartUpload"])
def test_a_bucket_that_denies_the_last_part_keeps_nothing(
    day: Day, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    monkeypatch.setattr("backups.aws.store.PART", 100_000)
    sent: list[int] = []

    def deny(params: dict[str, Any], **_: Any) -> None:
        sent.append(1)
        if operation != "UploadPart" or len(sent) > 3:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "No."}}, operation)

    day.s3.meta.events.register(f"before-call.s3.{operation}", deny)
    try:
        day.fails(Cause.DENIED, "AccessDenied", "data.json")
    finally:
        day.s3.meta.events.unregister(f"before-call.s3.{operation}", deny)


@only_standin(BROKEN)
def test_of_two_backups_under_one_key_one_is_whole_and_the_other_is_told(day: Day) -> None:
    def one(_: int) -> Cause | None:
        try:
            day.made()
        except PortError as error:
            return error.cause
        return None

    with ThreadPoolExecutor(2) as threads:
        told = list(threads.map(one, range(2)))
    assert sorted(map(str, told)) == [str(None), "exists"]
    found = day.checked()
    assert (found.state, found.checked, found.users) == ("complete", True, CROWD)
    assert day.objects().items() >= day.before.items()
