"""What a list is when it is not whole: deleted under our hands, failing for ever, or no list at all."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest

from backups.aws import calling, session
from backups.aws.calling import DELETED, Each, Unread
from backups.aws.cognito import CognitoPool, list_pools
from backups.engine.pace import Pace
from backups.engine.ports import Cause, PortError, Stop, UserPool
from tests.fakes import FakeClock
from tests.servers import aws_env

REGION, POOL = "eu-west-1", "eu-west-1_AbCdEfGhI"
WHY = "Could not read it."
Answer = Callable[[dict[str, Any]], dict[str, Any]]


class Refusal(Exception):
    """(AWS's code, HTTP status) in place of an answer."""


class Service:
    """Answers an operation as it is told to, and counts; one that it was not told of, it does not know."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.answers: dict[str, Answer] = {}

    def answer(self, operation: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.asked[operation] += 1
        try:
            if operation not in self.answers:
                raise Refusal("UnknownOperationException", 400)
            return 200, self.answers[operation](asked)
        except Refusal as refusal:
            code, status = refusal.args
            return status, {"__type": code, "message": "No."}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    made = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, told = made.answer(self.headers["X-Amz-Target"].rpartition(".")[2], asked)
            body = orjson.dumps(told)
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    for name, value in aws_env(f"http://127.0.0.1:{server.server_port}", "AKIATEST", "test").items():
        monkeypatch.setenv(name, value)
    session.forget()
    yield made
    session.forget()
    server.shutdown()
    server.server_close()


def refuse(code: str, status: int = 400) -> Answer:
    def answer(_: dict[str, Any]) -> dict[str, Any]:
        raise Refusal(code, status)

    return answer


def clients(service: Service, number: int) -> list[str]:
    """A pool with so many app clients; their ids."""
    ids = [f"client{n}" for n in range(number)]
    listed = [{"ClientId": one} for one in ids]
    service.answers["ListUserPoolClients"] = lambda _: {"UserPoolClients": listed}
    service.answers["DescribeUserPoolClient"] = lambda asked: {
        "UserPoolClient": {"ClientId": asked["ClientId"]}
    }
    return ids


def settings(pool: CognitoPool, name: str) -> tuple[Any, dict[str, str]]:
    """(a setting's value, what of it is unread)."""
    value, unread = None, {}
    for one, given, why in pool.settings():
        if why and one.partition("/")[0] == name:
            unread[one] = why
        elif one == name:
            value = given
    return value, unread


# deleted while it is read


def test_a_client_that_is_deleted_while_it_is_read_is_named(service: Service) -> None:
    first, gone, last = clients(service, 3)
    usual = service.answers["DescribeUserPoolClient"]

    def describe(asked: dict[str, Any]) -> dict[str, Any]:
        if asked["ClientId"] == gone:
            raise Refusal("ResourceNotFoundException", 400)
        return usual(asked)

    service.answers["DescribeUserPoolClient"] = describe
    value, unread = settings(CognitoPool(REGION, POOL), "clients")
    assert value == [{"ClientId": first}, {"ClientId": last}]
    assert unread == {f"clients/{gone}": DELETED}


def test_a_setting_that_a_client_never_had_is_no_loss(service: Service) -> None:
    clients(service, 3)
    service.answers["DescribeManagedLoginBrandingByClient"] = refuse("ResourceNotFoundException")
    assert settings(CognitoPool(REGION, POOL), "branding") == ({}, {})


def test_a_domain_that_is_deleted_is_described_as_nothing(service: Service) -> None:
    pool = {"Id": POOL, "Arn": f"arn:{POOL}", "Domain": "of-the-pool"}
    service.answers["DescribeUserPool"] = lambda _: {"UserPool": pool}
    service.answers["DescribeUserPoolDomain"] = lambda _: {"DomainDescription": {}}
    assert settings(CognitoPool(REGION, POOL), "domains") == ([], {"domains/of-the-pool": DELETED})


def test_an_identity_pool_that_is_deleted_is_named_and_so_are_its_roles(service: Service) -> None:
    ids = ["eu-west-1:gone", "eu-west-1:ours", "eu-west-1:theirs"]
    ours = {"ProviderName": f"cognito-idp.{REGION}.amazonaws.com/{POOL}"}

    def describe(asked: dict[str, Any]) -> dict[str, Any]:
        if asked["IdentityPoolId"] == ids[0]:
            raise Refusal("ResourceNotFoundException", 400)
        of = [ours] if asked["IdentityPoolId"] == ids[1] else []
        return {"IdentityPoolId": asked["IdentityPoolId"], "CognitoIdentityProviders": of}

    service.answers["ListIdentityPools"] = lambda _: {
        "IdentityPools": [{"IdentityPoolId": one} for one in ids]
    }
    service.answers["DescribeIdentityPool"] = describe
    service.answers["GetIdentityPoolRoles"] = refuse("ResourceNotFoundException")
    value, unread = settings(CognitoPool(REGION, POOL), "identity_pools")
    assert [one["IdentityPoolId"] for one in value] == ids[1:2]
    assert unread == {f"identity_pools/{ids[0]}": DELETED, f"identity_pools/{ids[1]}/roles": DELETED}


# what fails for ever


@pytest.mark.parametrize(
    ("code", "status"), [("InternalErrorException", 500), ("TooManyRequestsException", 400)]
)
def test_of_many_clients_two_are_waited_for(service: Service, code: str, status: int) -> None:
    first, second, *_ = clients(service, 50)
    service.answers["GetUICustomization"] = lambda asked: (
        {"UICustomization": {}} if "ClientId" not in asked else refuse(code, status)(asked)
    )
    clock = FakeClock()
    pool = CognitoPool(REGION, POOL, Pace(clock, 0.8).call)
    value, unread = settings(pool, "ui")
    assert value == {}
    assert list(unread) == [f"ui/{first}", f"ui/{second}", "ui/48 more"]
    assert code in unread["ui/48 more"] and unread["ui/48 more"].startswith("They were not read either. ")
    assert service.asked["DescribeUserPoolClient"] == 50, "what does answer is read"


def reading(*failures: Cause | None) -> tuple[Each, list[str]]:
    """(of items named by their number, who fail so; the names that were asked for)."""
    asked: list[str] = []

    def read(name: str) -> str:
        asked.append(name)
        cause = failures[int(name)]
        if cause:
            raise PortError(WHY, cause)
        return f"value {name}"

    return Each(read), asked


def test_one_that_answers_between_them_begins_the_count_again() -> None:
    each, asked = reading(
        Cause.LOST, None, Cause.UNREACHABLE, Cause.REFUSED, Cause.THROTTLED, Cause.LOST, None
    )
    unread: Unread = {}
    assert each.all([str(n) for n in range(7)], unread) == {"1": "value 1"}
    assert asked == ["0", "1", "2", "3", "4", "5"]
    assert unread == {
        **dict.fromkeys(["0", "2", "3", "4", "5"], WHY),
        "1 more": f"They were not read either. {WHY}",
    }


def test_a_manifest_stays_small_whatever_is_refused() -> None:
    each, asked = reading(*[Cause.REFUSED] * 1234)
    unread: Unread = {}
    assert each.all(map(str, range(1234)), unread) == {}
    assert len(asked) == 1234 and len(unread) == calling.NAMED + 1
    assert unread["1,134 more"] == f"They were not read either. {WHY}"


def test_what_fails_for_all_is_asked_once() -> None:
    each, asked = reading(None, Cause.DENIED, None)
    with pytest.raises(PortError):
        each.all(["0", "1", "2"], {})
    assert asked == ["0", "1"]


# asked to stop


@pytest.mark.parametrize("operation", ["DescribeUserPoolClient", "ListUserPoolClients"])
def test_a_stop_is_heard_before_the_next_call(service: Service, operation: str) -> None:
    clients(service, 50)
    with pytest.raises(Stop):
        list(CognitoPool(REGION, POOL).settings(lambda: service.asked[operation] > 0))
    assert service.asked[operation] == 1


def test_a_stop_is_heard_between_two_tries_of_one_call(service: Service) -> None:
    service.answers["DescribeUserPool"] = refuse("TooManyRequestsException")
    pool = CognitoPool(REGION, POOL, Pace(FakeClock(), 0.8).call)
    with pytest.raises(Stop):
        list(pool.settings(lambda: service.asked.total() > 0))
    assert service.asked == {"DescribeUserPool": 1}


def test_a_stop_is_heard_within_the_pages_of_a_group(service: Service) -> None:
    service.answers["ListUsersInGroup"] = lambda _: {"Users": [{"Username": "ada"}], "NextToken": "more"}
    with pytest.raises(Stop):
        list(CognitoPool(REGION, POOL).members("all", lambda: service.asked["ListUsersInGroup"] == 2))
    assert service.asked == {"ListUsersInGroup": 2}


def test_a_stop_is_heard_within_the_pages_of_groups(service: Service) -> None:
    service.answers["ListGroups"] = lambda _: {"Groups": [{"GroupName": "all"}], "NextToken": "more"}
    with pytest.raises(Stop):
        list(CognitoPool(REGION, POOL).groups(lambda: service.asked["ListGroups"] == 2))
    assert service.asked == {"ListGroups": 2}


# an answer that is no page

LISTS: dict[str, Callable[[UserPool], object]] = {
    "ListUsers": lambda pool: list(pool.users()),
    "ListGroups": lambda pool: list(pool.groups()),
    "ListUsersInGroup": lambda pool: list(pool.members("all")),
    "AdminListGroupsForUser": lambda pool: pool.groups_of("ada"),
    "ListUserPools": lambda _: list(list_pools(REGION)),
}


@pytest.mark.parametrize("operation", LISTS)
@pytest.mark.parametrize("body", [{}, {"message": "Not now."}, {"NextToken": "more"}])
def test_an_answer_without_its_list_ends_no_list(
    service: Service, operation: str, body: dict[str, Any]
) -> None:
    service.answers[operation] = lambda _: body
    with pytest.raises(PortError) as error:
        LISTS[operation](CognitoPool(REGION, POOL))
    assert error.value.cause is Cause.LOST


def test_an_empty_list_is_one(service: Service) -> None:
    service.answers |= {
        "ListUsers": lambda _: {"Users": []},
        "ListGroups": lambda _: {"Groups": []},
        "ListUsersInGroup": lambda _: {"Users": []},
        "AdminListGroupsForUser": lambda _: {"Groups": []},
        "ListUserPools": lambda _: {"UserPools": []},
    }
    pool = CognitoPool(REGION, POOL)
    assert [LISTS[operation](pool) for operation in LISTS] == [[], [], [], frozenset(), []]


@pytest.mark.parametrize(
    ("date", "told"),
    [("Mon, 23 Nov 2026 11:49:32 GMT", "2026-11-23T11:49:32.000Z"), ("yesterday", ""), ("", "")],
)
def test_facts_tell_when_they_were_given_where_the_answer_does(date: str, told: str) -> None:
    head = {"HTTPHeaders": {"date": date} if date else {}}
    assert calling._date(head) == told


def test_a_list_of_settings_may_leave_out_what_is_empty(service: Service) -> None:
    service.answers["ListResourceServers"] = lambda _: {}
    assert settings(CognitoPool(REGION, POOL), "resource_servers") == ([], {})
