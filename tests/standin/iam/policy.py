"""Policy documents: what they allow, and to whom. Everything else is denied.

From AWS's pages "Policy evaluation logic", "Policy variables and tags", "Condition operators" and
"Principal". Left out: NotAction, NotResource, NotPrincipal, dates, numbers, addresses, tags, defaults of
variables (``${key, 'x'}``), boundaries, session and organisation policies. A document that uses one of
these is refused when it is written, so that no test believes in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from tests.standin.iam.state import Document
from tests.standin.iam.wire import Refused

Context = Mapping[str, str]
"""Condition keys in lower case. A key that is not there is not the same as one that is empty or false."""

_OPERATOR = re.compile(
    r"((ForAllValues|ForAnyValue):)?(?P<name>String(Not)?(Equals|Like)|Bool|Arn(Not)?(Equals|Like)|Null)(?P<maybe>IfExists)?"
)
_ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}
MANAGED: dict[str, Document] = {
    name: {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
    for name, actions in {
        "AdministratorAccess": ["*"],
        "IAMReadOnlyAccess": ["iam:Get*", "iam:List*"],
    }.items()
}
"""AWS's own policies, as far as tests attach them. Any other of AWS's grants nothing here."""


class _Unresolved(Exception):
    """A variable without a value: the whole statement does not count."""


def parse(text: str, *, trust: bool) -> Document:
    """A document as it is written to IAM. Raises MalformedPolicyDocument."""
    try:
        document: Document = json.loads(text)
        statements = list(_statements(document))
    except (ValueError, AttributeError, KeyError) as error:
        raise _malformed("This policy contains invalid Json") from error
    for one in statements:
        operators = one.get("Condition", {})
        known = all(_OPERATOR.fullmatch(operator) for operator in operators)
        if (
            one.get("Effect") not in ("Allow", "Deny")
            or "Action" not in one
            or set(one) - _ELEMENTS
            or not known
        ):
            raise _malformed("Syntax errors in policy.")
        if trust == ("Resource" in one) or trust != ("Principal" in one):
            raise _malformed("Has prohibited field " + ("Resource" if trust else "Principal"))
    return document


def allows(documents: list[Document], action: str, resource: str, context: Context) -> bool | None:
    """Of a principal's own policies: True allowed, False denied in so many words, None not a word."""
    effects = {
        one["Effect"]
        for document in documents
        for one in _statements(document)
        if _counts(document, one, action, resource, context)
    }
    return None if not effects else "Deny" not in effects


def trusts(
    trust: Document, action: str, context: Context, *, me: set[str], my_account: set[str]
) -> Literal["denied", "no", "account", "me"]:
    """Of a role's trust policy. "account" only says that the caller's own policies may decide.

    ``me``: the caller's unique id and, of a session, its ARN; ``my_account``: its number and root's ARN.
    """
    found = set()
    for one in _statements(trust):
        named = set(principals(one))
        if (me | {"*"}) & named and _counts(trust, one, action, "", context):
            found.add(("me", one["Effect"]))
        elif my_account & named and _counts(trust, one, action, "", context):
            found.add(("account", one["Effect"]))
    if any(effect == "Deny" for _, effect in found):
        return "denied"
    return "me" if ("me", "Allow") in found else "account" if found else "no"


def principals(statement: Document) -> list[str]:
    """Accounts, ARNs and ids under AWS; services and federation are nobody who signs."""
    given = statement.get("Principal", {})
    return [given] if isinstance(given, str) else _list(given.get("AWS", []))


def renamed(document: Document, rename: Callable[[str], str]) -> Document:
    """The same document with other principals."""
    made: Document = json.loads(json.dumps(document))
    for one in _statements(made):
        if isinstance(one.get("Principal"), dict) and "AWS" in one["Principal"]:
            new = [rename(name) for name in principals(one)]
            one["Principal"]["AWS"] = new if isinstance(one["Principal"]["AWS"], list) else new[0]
    return made


def _counts(document: Document, one: Document, action: str, resource: str, context: Context) -> bool:
    """Whether one statement has a word on this."""
    variables = document.get("Version") == "2012-10-17"  # in the older language they are plain text
    try:
        return (
            any(_match(pattern.lower(), action.lower(), {}, False) for pattern in _list(one["Action"]))
            and any(
                _match(pattern, resource, context, variables) for pattern in _list(one.get("Resource", "*"))
            )
            and all(
                _holds(operator, _list(wanted), context.get(key.lower()), context, variables)
                for operator, tests in one.get("Condition", {}).items()
                for key, wanted in tests.items()
            )
        )
    except _Unresolved:
        return False


def _holds(operator: str, wanted: list[str], have: str | None, context: Context, variables: bool) -> bool:
    parts = _OPERATOR.fullmatch(operator)
    assert parts, operator
    name = parts["name"]
    if name == "Null":
        return str(have is None).lower() in (str(value).lower() for value in wanted)
    if have is None:
        return bool(parts["maybe"]) or "Not" in name
    if name == "Bool":
        return have in (str(value).lower() for value in wanted)
    found = any(
        _match(value, have, context, variables, wild="Like" in name or "Arn" in name) for value in wanted
    )
    return found != ("Not" in name)


def _match(pattern: str, text: str, context: Context, variables: bool, *, wild: bool = True) -> bool:
    """``*`` and ``?`` of the pattern itself are wild; what a variable brings in is plain text."""
    expression = ""
    for number, part in enumerate(re.split(r"\$\{([^}]+)\}", pattern) if variables else [pattern]):
        if number % 2 == 0:
            plain = re.escape(part)
            expression += plain.replace(r"\*", ".*").replace(r"\?", ".") if wild else plain
        elif part in ("*", "?", "$"):
            expression += re.escape(part)
        elif (value := context.get(part.lower())) is None:
            raise _Unresolved
        else:
            expression += re.escape(value)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _statements(document: Document) -> Iterator[Document]:
    given = document["Statement"]
    yield from given if isinstance(given, list) else [given]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _malformed(why: str) -> Refused:
    return Refused("MalformedPolicyDocument", why)
