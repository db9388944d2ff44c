"""One call of a Cognito service, at a pace: the answer in JSON values, or PortError."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, TypeAlias

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from backups.aws.errors import asking, translate
from backups.aws.pages import Plain
from backups.aws.session import client
from backups.core.snapshot import iso
from backups.engine.ports import CallThrough, Cause, PortError

PAGE = 60  # users, groups, clients, identity pools a page: the services' limit
EXTRA = frozenset({"settings", "identity_pools"})
"""What a place may not even know, and what is worth a line, not the wait for it."""

Service: TypeAlias = Literal["cognito-idp", "cognito-identity"]
Unread: TypeAlias = dict[str, str]
"""Name of one item of a list -> why it could not be read; "998 more" for those that are not named."""

WORN = frozenset({Cause.LOST, Cause.UNREACHABLE, Cause.THROTTLED})
"""What the pace has asked again for until its patience was out."""
IN_A_ROW = 2  # of those; then the others of the list are not asked for, or it would take hours
NAMED = 100  # items of one list that a manifest names as unread: it stays small
DELETED = "It was deleted while it was read."


class Cognito:
    """A service of one Region. ``through`` is the pace; an operation is a key of ``engine.pace.CATEGORY``."""

    def __init__(self, service: Service, region: str, through: CallThrough) -> None:
        self.service: Service = service
        self.region = region
        self._through = through

    def ask(
        self,
        operation: str,
        doing: str,
        api: str,
        *,
        listed: str = "",
        dated: bool = False,
        **parameters: Any,
    ) -> dict[str, Any]:
        """A parameter that is None is not sent. ``listed``: a list that every answer has; LOST without.

        ``dated``: with the answer's own "Date", as ``_date``.
        """
        given = {name: value for name, value in parameters.items() if value is not None}

        def once() -> dict[str, Any] | PortError:
            with asking(doing):
                method = getattr(client(self.service, self.region), api)
                try:
                    answer: dict[str, Any] = plain(method(**given))
                except ClientError as error:
                    if operation in EXTRA and error.response.get("Error", {}).get("Code") == "500":
                        # No answer of Cognito's own: the pace would go on asking.
                        return translate(error, doing)
                    raise
                if listed and not isinstance(answer.get(listed), list):
                    raise ResponseParserError(f"the answer has no {listed}")
            head = answer.pop("ResponseMetadata", {})
            return answer | {"Date": _date(head)} if dated else answer

        answer = self._through(operation, once)
        if isinstance(answer, PortError):
            raise answer
        return answer

    def pages(
        self,
        operation: str,
        doing: str,
        api: str,
        listed: str,
        *,
        marker: str = "NextToken",
        **parameters: Any,
    ) -> Iterator[dict[str, Any]]:
        """Every entry of every page; they end at a missing token only.

        An answer without its list would end it as well: it counts as lost, but for EXTRA, where emulators
        leave out what is empty.
        """
        must = "" if operation in EXTRA else listed
        while True:
            answer = self.ask(operation, doing, api, listed=must, **parameters)
            yield from answer.get(listed, [])
            if not answer.get(marker):
                return
            parameters[marker] = answer[marker]


class Each:
    """One reading of several things by name. What does not exist is left out; what else fails is noted.

    ``listed``: AWS named them a moment ago, so what does not exist was deleted meanwhile, and is noted too.
    """

    def __init__(self, read: Callable[[str], Any], *, listed: bool = False) -> None:
        self._read = read
        self._listed = listed
        self._found: dict[str, Any] = {}
        self._unread: Unread = {}
        self._more, self._why = 0, ""  # how many are unread and not named, and what the last one met
        self._worn = 0  # failed one after the other
        self._failed: PortError | None = None

    def take(self, name: str) -> None:
        """Nothing is asked once it is known to fail for all: a permission, an operation that is not here, or
        a service that has not answered the last two.
        """
        if self._failed is not None:
            return
        if self._worn == IN_A_ROW:
            self._more += 1
            return
        try:
            value = self._read(name)
        except PortError as error:
            self._worn = self._worn + 1 if error.cause in WORN else 0
            if error.cause in (Cause.DENIED, Cause.UNSUPPORTED):
                self._failed = error
            elif error.cause is not Cause.GONE:
                self._note(name, str(error))
            elif self._listed:
                self._note(name, DELETED)
            return
        self._worn = 0
        if value:
            self._found[name] = value
        elif self._listed:  # of a domain that is no more, AWS gives an empty description
            self._note(name, DELETED)

    def all(self, names: Iterable[str], unread: Unread) -> dict[str, Any]:
        for name in names:
            self.take(name)
        return self.found(unread)

    def found(self, unread: Unread) -> dict[str, Any]:
        """By name. Raises what fails for every one of them."""
        if self._failed is not None:
            raise self._failed
        unread.update(self._unread)
        if self._more:
            unread[f"{self._more:,} more"] = f"They were not read either. {self._why}"
        return self._found

    def _note(self, name: str, why: str) -> None:
        self._why = why
        if len(self._unread) < NAMED:
            self._unread[name] = why
        else:
            self._more += 1


def _date(head: dict[str, Any]) -> str:
    """When the service answered, by its own clock and in whole seconds; "" where it does not tell."""
    try:
        return iso(parsedate_to_datetime(head["HTTPHeaders"]["date"]).astimezone(UTC))
    except (KeyError, ValueError):
        return ""


def plain(value: Any) -> Any:
    """JSON values only: dates as UTC text, bytes (logos) as base64."""
    if isinstance(value, Plain):
        return value
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return iso(value.astimezone(UTC))
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
