"""Policy documents: what they allow, and to whom. Everything else is denied.

From AWS's pages "Policy evaluation logic", "Policy variables and tags", "Condition operators" and
"Principal". Left out: NotAction, NotResource, NotPrincipal, operators on dates, numbers, addresses and
sets (a document with one of these is refused when it is written, so that no test believes in it), the
contents of managed policies (they grant nothing here), boundaries, session and organisation policies.
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

_OPERATOR = re.compile(r"(?P<name>(String|Arn)(Not)?(Equals|Like)|Bool|Null)(?P<maybe>IfExists)?")
_ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}


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
        known = all(_OPERATOR.fullmatch(operator) for operator in one.get("Condition", {}))
        if (
            not known
            or set(one) - _ELEMENTS
            or "Action" not in one
            or one.get("Effect") not in ("Allow", "Deny")
        ):
            raise _malformed("Syntax errors in policy.")
        needed, barred = ("Principal", "Resource") if trust else ("Resource", "Principal")
        if needed not in one or barred in one:
            words = (
                f"Missing required field {needed}" if needed not in one else f"Has prohibited field {barred}"
            )
            raise _malformed(words)
    return document


def allows(documents: list[Document], action: str, resource: str, context: Context) -> bool | None:
    """Of a principal's own policies: True allowed, False denied in so many words, None not a word."""
    effects = {
        one["Effect"]
        for document in documents
        for one in _statements(document)
        if _counts(document, one, action, resource, context)
    }
    return "Deny" not in effects if effects else None


def trusts(
    trust: Document, action: str, context: Context, *, me: set[str], my_account: set[str]
) -> Literal["denied", "no", "account", "me"]:
    """Of a role's trust policy. "account" only says that the caller's own policies may decide.

    ``me``: the caller's unique id and, of a session, its ARN; ``my_account``: its number and root's ARN.
    """
    found = set()
    for one in _statements(trust):
        named = set(principals(one))
        how = "me" if named & (me | {"*"}) else "account" if named & my_account else ""
        if how and _counts(trust, one, action, "", context):
            found.add("denied" if one["Effect"] == "Deny" else how)
    return "denied" if "denied" in found else "me" if "me" in found else "account" if found else "no"


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
    actions, resources = _list(one["Action"]), _list(one.get("Resource", "*"))
    tests = (
        (how, key, wanted) for how, keys in one.get("Condition", {}).items() for key, wanted in keys.items()
    )
    try:
        return (
            any(_match(pattern.lower(), action.lower(), {}, False) for pattern in actions)
            and any(_match(pattern, resource, context, variables) for pattern in resources)
            and all(_holds(how, key.lower(), _list(wanted), context, variables) for how, key, wanted in tests)
        )
    except _Unresolved:
        return False


def _holds(operator: str, key: str, wanted: list[Any], context: Context, variables: bool) -> bool:
    parts, have = _OPERATOR.fullmatch(operator), context.get(key)
    assert parts, operator
    name = parts["name"]
    if name == "Null":
        return str(have is None).lower() in (str(value).lower() for value in wanted)
    if have is None:
        return bool(parts["maybe"]) or "Not" in name
    if name == "Bool":
        return have in (str(value).lower() for value in wanted)
    wild = "Like" in name or "Arn" in name
    return any(_match(value, have, context, variables, wild=wild) for value in wanted) != ("Not" in name)


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
