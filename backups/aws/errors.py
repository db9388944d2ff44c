"""What went wrong at AWS, in the engine's words: one table, and a sentence for the reader.

with asking("list the users of eu-west-1_AbC"):
    client.list_users(...)          # raises PortError, whatever botocore raised
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from backups.core.discreet import discreet as masked
from backups.engine.ports import Cause, PortError

CODES: dict[str, Cause] = {
    # nothing was done, ask again
    "TooManyRequestsException": Cause.THROTTLED,
    "ThrottlingException": Cause.THROTTLED,
    "Throttling": Cause.THROTTLED,
    "ThrottledException": Cause.THROTTLED,
    "RequestThrottled": Cause.THROTTLED,
    "RequestThrottledException": Cause.THROTTLED,
    "RequestLimitExceeded": Cause.THROTTLED,
    "SlowDown": Cause.THROTTLED,
    "BandwidthLimitExceeded": Cause.THROTTLED,
    "429": Cause.THROTTLED,
    "ConcurrentModificationException": Cause.THROTTLED,
    "ConditionalRequestConflict": Cause.THROTTLED,
    "OperationAborted": Cause.THROTTLED,
    # the answer says nothing about what was done; any other 5xx is LOST too
    "InternalErrorException": Cause.LOST,
    "InternalError": Cause.LOST,
    "InternalFailure": Cause.LOST,
    "InternalServerError": Cause.LOST,
    "ServiceUnavailable": Cause.LOST,
    "ServiceUnavailableException": Cause.LOST,
    "ServiceFailure": Cause.LOST,
    "RequestTimeout": Cause.LOST,
    "RequestTimeoutException": Cause.LOST,
    "500": Cause.LOST,  # what botocore makes of a 5xx without a readable body; moto: not implemented
    "502": Cause.LOST,
    "503": Cause.LOST,
    "504": Cause.LOST,
    # our credentials
    "AccessDenied": Cause.DENIED,
    "AccessDeniedException": Cause.DENIED,
    "AllAccessDisabled": Cause.DENIED,
    "AccountProblem": Cause.DENIED,
    "AuthFailure": Cause.DENIED,
    "ExpiredToken": Cause.DENIED,
    "ExpiredTokenException": Cause.DENIED,
    "Forbidden": Cause.DENIED,
    "ForbiddenException": Cause.DENIED,
    "IncompleteSignature": Cause.DENIED,
    "IncompleteSignatureException": Cause.DENIED,
    "InvalidAccessKeyId": Cause.DENIED,
    "InvalidClientTokenId": Cause.DENIED,
    "InvalidSecurity": Cause.DENIED,
    "InvalidSignatureException": Cause.DENIED,
    "InvalidToken": Cause.DENIED,  # S3's and STS's session token; moto's word for a bad page token as well
    "MissingAuthenticationToken": Cause.DENIED,
    "MissingAuthenticationTokenException": Cause.DENIED,
    "NotSignedUp": Cause.DENIED,
    "OptInRequired": Cause.DENIED,
    "RegionDisabledException": Cause.DENIED,
    "RequestExpired": Cause.DENIED,
    "RequestTimeTooSkewed": Cause.DENIED,
    "SignatureDoesNotMatch": Cause.DENIED,
    "TokenRefreshRequired": Cause.DENIED,
    "UnauthorizedAccess": Cause.DENIED,
    "UnrecognizedClientException": Cause.DENIED,
    "401": Cause.DENIED,
    "403": Cause.DENIED,  # HeadObject's, which has no body; moto's for any signature or policy
    "KMS.AccessDeniedException": Cause.DENIED,
    "KMS.DisabledException": Cause.DENIED,
    "KMS.NotFoundException": Cause.DENIED,
    "KMS.KMSInvalidStateException": Cause.DENIED,
    # what is not there
    "ResourceNotFoundException": Cause.GONE,
    "NoSuchBucket": Cause.GONE,
    "UserPoolAddOnNotEnabledException": Cause.GONE,  # a setting of what the pool does not have
    "UserNotFoundException": Cause.MISSING,
    "NoSuchKey": Cause.MISSING,
    "NoSuchVersion": Cause.MISSING,
    "404": Cause.MISSING,  # HeadObject's
    "NotFound": Cause.MISSING,
    # what is there already
    "UsernameExistsException": Cause.EXISTS,
    "GroupExistsException": Cause.EXISTS,
    "PreconditionFailed": Cause.EXISTS,
    "412": Cause.EXISTS,
    # a Lambda function of the pool, which may run before or after the work
    "InvalidLambdaResponseException": Cause.TRIGGER,
    "UnexpectedLambdaException": Cause.TRIGGER,
    "UserLambdaValidationException": Cause.TRIGGER,
    # mail
    "CodeDeliveryFailureException": Cause.DELIVERY,
    # what this place does not know
    "NotImplemented": Cause.UNSUPPORTED,
    "501": Cause.UNSUPPORTED,
    "InvalidAction": Cause.UNSUPPORTED,
    "UnknownOperationException": Cause.UNSUPPORTED,
    "UnsupportedOperation": Cause.UNSUPPORTED,
    "UnsupportedOperationException": Cause.UNSUPPORTED,
    "OperationNotEnabledException": Cause.UNSUPPORTED,  # a replica's secondary Region
    "FeatureUnavailableInTierException": Cause.UNSUPPORTED,
    # a value, a state: asked again, AWS says the same. So is every other 4xx.
    "AliasExistsException": Cause.REFUSED,
    "InvalidParameterException": Cause.REFUSED,
    "InvalidPasswordException": Cause.REFUSED,
    "NotAuthorizedException": Cause.REFUSED,  # of an admin call: a state, not our policy
    "PreconditionNotMetException": Cause.REFUSED,
    "UnsupportedUserStateException": Cause.REFUSED,
    "UserImportInProgressException": Cause.REFUSED,
}

FAILURES: tuple[tuple[type[BaseException], Cause], ...] = (
    # the first that fits; what is not here is LOST
    (boto.EndpointConnectionError, Cause.UNREACHABLE),
    (boto.ConnectTimeoutError, Cause.UNREACHABLE),
    (boto.ProxyConnectionError, Cause.UNREACHABLE),
    (boto.NoCredentialsError, Cause.DENIED),
    (boto.PartialCredentialsError, Cause.DENIED),
    (boto.CredentialRetrievalError, Cause.DENIED),
    (boto.MetadataRetrievalError, Cause.DENIED),
    (boto.TokenRetrievalError, Cause.DENIED),
    (boto.NoAuthTokenError, Cause.DENIED),
    (boto.SSOError, Cause.DENIED),
    (boto.ProfileNotFound, Cause.DENIED),
    (boto.ConfigNotFound, Cause.DENIED),
    (boto.ConfigParseError, Cause.DENIED),
    (boto.ParamValidationError, Cause.REFUSED),
    (boto.ValidationError, Cause.REFUSED),
    (boto.NoRegionError, Cause.REFUSED),
    (boto.InvalidRegionError, Cause.REFUSED),
    (boto.EndpointProviderError, Cause.REFUSED),
    (boto.UnknownServiceError, Cause.REFUSED),
)

AFTER: dict[Cause, str] = {
    Cause.THROTTLED: "Nothing was done; it can be asked again in a while.",
    Cause.LOST: "Whether it was done is not known.",
    Cause.UNREACHABLE: "No connection was made, so nothing was done. Check the network and the endpoint.",
    Cause.DENIED: "Nothing was done. Check our credentials and their policy.",
    Cause.MAIL_LIMIT: "No mail was sent. The limit is reset at 09:00 UTC.",
    Cause.DELIVERY: "The user may have been created, but the mail was not delivered.",
    Cause.UNSUPPORTED: "Nothing was done: this is not available here.",
}

_VALUE = re.compile(r"\b(?i:value) '[^']*'(?: at\b)")


def translate(error: ClientError | BotoCoreError | ResponseParserError, doing: str) -> PortError:
    """The engine's error. ``doing`` follows "Could not": "list the users of …", without an e-mail in it."""
    if isinstance(error, ClientError):
        told = error.response.get("Error", {})
        code = str(told.get("Code", ""))
        cause = _of_answer(error, code)
        said = discreet(str(told.get("Message") or "")).strip().rstrip(".")
        if said.startswith("<"):  # a page of HTML from something in between
            said = ""
        what = f"AWS said “{said}” ({code})." if said else f"AWS answered {code or 'without a reason'}."
    else:
        code = type(error).__name__
        cause = _of_failure(error)
        what = discreet(str(error)).strip().rstrip(".") + "."
    return PortError(
        " ".join(filter(None, (f"Could not {doing}:", what, AFTER.get(cause)))), cause, code=code
    )


@contextmanager
def asking(doing: str) -> Iterator[None]:
    """Whatever AWS or the way to it raises inside becomes a PortError."""
    try:
        yield
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        # the original quotes values: it goes no further, neither into a log's traceback
        raise translate(error, doing) from None


def discreet(text: str) -> str:
    """A text of AWS's without e-mails or quoted values in clear."""
    told = _VALUE.sub("Value at", text)
    return "/".join(masked(part) for part in told.split("/"))  # of an ARN the role is to be read


def _of_answer(error: ClientError, code: str) -> Cause:
    if code == "LimitExceededException":
        # of mails when it says so ("Exceeded daily email limit …"), else of groups, of users, …
        message = str(error.response.get("Error", {}).get("Message", ""))
        return Cause.MAIL_LIMIT if "mail" in message.lower() else Cause.REFUSED
    if code in CODES:
        return CODES[code]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= 500:
        return Cause.LOST
    return Cause.THROTTLED if status == 429 else Cause.REFUSED


def _of_failure(error: BotoCoreError | ResponseParserError) -> Cause:
    if isinstance(error, boto.SSLError):
        # a certificate we do not trust ends the connection before anything is sent
        return Cause.UNREACHABLE if "CERTIFICATE_VERIFY_FAILED" in str(error) else Cause.LOST
    return next((cause for kind, cause in FAILURES if isinstance(error, kind)), Cause.LOST)
