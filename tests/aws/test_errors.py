"""What AWS says, and what the engine makes of it: a table."""

from __future__ import annotations

import pytest
from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from backups.aws.errors import CODES, asking, discreet, translate
from backups.engine.ports import Cause, PortError


def answer(code: str, message: str = "No.", status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "AdminCreateUser",
    )


@pytest.mark.parametrize(
    ("code", "status", "cause"),
    [
        ("TooManyRequestsException", 400, Cause.THROTTLED),
        ("SlowDown", 503, Cause.THROTTLED),
        ("ConditionalRequestConflict", 409, Cause.THROTTLED),
        ("InternalErrorException", 500, Cause.LOST),
        ("ServiceUnavailable", 503, Cause.LOST),
        ("500", 500, Cause.LOST),
        ("SomethingNewException", 502, Cause.LOST),
        ("AccessDeniedException", 400, Cause.DENIED),
        ("ExpiredTokenException", 400, Cause.DENIED),
        ("InvalidToken", 400, Cause.DENIED),
        ("403", 403, Cause.DENIED),
        ("ResourceNotFoundException", 400, Cause.GONE),
        ("NoSuchBucket", 404, Cause.GONE),
        ("UserNotFoundException", 400, Cause.MISSING),
        ("NoSuchKey", 404, Cause.MISSING),
        ("404", 404, Cause.MISSING),
        ("UsernameExistsException", 400, Cause.EXISTS),
        ("GroupExistsException", 400, Cause.EXISTS),
        ("PreconditionFailed", 412, Cause.EXISTS),
        ("CodeDeliveryFailureException", 400, Cause.DELIVERY),
        ("OperationNotEnabledException", 400, Cause.UNSUPPORTED),
        ("InvalidAction", 400, Cause.UNSUPPORTED),
        ("NotImplemented", 501, Cause.UNSUPPORTED),
        ("UserLambdaValidationException", 400, Cause.TRIGGER),
        ("NotAuthorizedException", 400, Cause.REFUSED),
        ("InvalidPasswordException", 400, Cause.REFUSED),
        ("SomethingNewException", 400, Cause.REFUSED),
        ("SomethingNewException", 429, Cause.THROTTLED),
    ],
)
def test_an_answer_has_a_cause(code: str, status: int, cause: Cause) -> None:
    error = translate(answer(code, status=status), "create a user")
    assert error.cause is cause
    assert error.code == code


def test_only_a_limit_of_mails_is_the_mail_limit() -> None:
    spent = "Exceeded daily email limit for the operation or the account."
    assert translate(answer("LimitExceededException", spent), "invite").cause is Cause.MAIL_LIMIT
    many = "The number of groups exceeds the limit."
    assert translate(answer("LimitExceededException", many), "create a group").cause is Cause.REFUSED


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (boto.EndpointConnectionError(endpoint_url="https://x"), Cause.UNREACHABLE),
        (boto.ConnectTimeoutError(endpoint_url="https://x"), Cause.UNREACHABLE),
        (boto.ProxyConnectionError(proxy_url="http://x"), Cause.UNREACHABLE),
        (
            boto.SSLError(endpoint_url="https://x", error=OSError("CERTIFICATE_VERIFY_FAILED")),
            Cause.UNREACHABLE,
        ),
        (boto.SSLError(endpoint_url="https://x", error=OSError("read")), Cause.LOST),
        (boto.ReadTimeoutError(endpoint_url="https://x"), Cause.LOST),
        (boto.ConnectionClosedError(endpoint_url="https://x"), Cause.LOST),
        (boto.HTTPClientError(error="reset"), Cause.LOST),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), Cause.LOST),
        (boto.NoCredentialsError(), Cause.DENIED),
        (boto.PartialCredentialsError(provider="env", cred_var="secret"), Cause.DENIED),
        (boto.CredentialRetrievalError(provider="x", error_msg="no"), Cause.DENIED),
        (boto.ProfileNotFound(profile="x"), Cause.DENIED),
        (boto.NoRegionError(), Cause.REFUSED),
        (boto.ParamValidationError(report="Invalid length for parameter Username"), Cause.REFUSED),
    ],
)
def test_a_call_without_an_answer_has_a_cause(error: BotoCoreError, cause: Cause) -> None:
    assert translate(error, "list the users").cause is cause


def test_the_sentence_says_what_was_being_done_what_aws_said_and_what_is_still_true() -> None:
    said = str(translate(answer("TooManyRequestsException", "Rate exceeded"), "list the users of P"))
    assert said == (
        "Could not list the users of P: AWS said “Rate exceeded” (TooManyRequestsException). "
        "Nothing was done; it can be asked again in a while."
    )
    closed = str(translate(boto.ReadTimeoutError(endpoint_url="https://x/"), "create a user in P"))
    assert closed.startswith("Could not create a user in P: Read timeout on endpoint URL")
    assert closed.endswith("Whether it was done is not known.")


def test_a_page_of_html_is_not_quoted() -> None:
    said = str(translate(answer("500", "<!doctype html>\n<title>500</title>", 500), "read this setting"))
    assert said == "Could not read this setting: AWS answered 500. Whether it was done is not known."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("User ada.l+x@uni.example exists", "User a••••@uni.example exists"),
        ("'Älice@uni.example'", "'Ä••••@uni.example'"),
        (
            "1 validation error detected: Value 'hunter2' at 'password' failed",
            "1 validation error detected: Value at 'password' failed",
        ),
        (
            "arn:aws:sts::1:assumed-role/r/ada@uni.example is",
            "arn:aws:sts::1:assumed-role/r/a••••@uni.example is",
        ),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_no_address_and_no_value_is_quoted(text: str, shown: str) -> None:
    assert discreet(text) == shown
    assert shown in str(translate(answer("InvalidParameterException", text), "create a user"))


def test_a_very_long_answer_is_read_once() -> None:
    long = "x" * 400_000  # from each of its letters it would be read for minutes
    assert discreet(long) == long


def test_asking_lets_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), asking("divide"):
        _ = 1 / 0
    with pytest.raises(PortError) as caught, asking("create a user"):
        raise answer("UsernameExistsException", "User account already exists")
    # the original quotes what was sent: a traceback must not show it
    assert caught.value.__suppress_context__


def test_every_cause_of_aws_but_two_has_a_code_of_aws() -> None:
    assert set(Cause) - set(CODES.values()) == {Cause.UNREACHABLE, Cause.MAIL_LIMIT, Cause.NO_ROOM}
