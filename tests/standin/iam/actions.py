"""One call of STS or IAM: its parameters, what its caller may do, its pages."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.standin.iam import policy
from tests.standin.iam.state import Account, Caller, Document, Role, State, User, named
from tests.standin.iam.wire import Refused, Tree

NAME = r"[A-Za-z0-9_+=,.@-]{1,128}"
PATH = r"/|/[!-\x7e]{1,510}/"


@dataclass(frozen=True)
class Call:
    """``params`` as they came: every value a text."""

    state: State
    caller: Caller
    action: str
    params: dict[str, str]

    @property
    def account(self) -> Account:
        return self.caller.account

    def text(self, name: str, pattern: str = r"(?s).+", default: str | None = None) -> str:
        """One parameter. Raises ValidationError when it has another form, or is missing without a default."""
        if name not in self.params and default is not None:
            return default
        value = self.params.get(name)
        if value is None:
            raise _invalid(name, "null", "not be null")
        if not re.fullmatch(pattern, value):
            raise _invalid(name, f"'{value}'", f"satisfy regular expression pattern: {pattern}")
        return value

    def number(self, name: str, least: int, most: int, default: int) -> int:
        value = int(self.text(name, r"\d{1,9}", str(default)))
        if not least <= value <= most:
            raise _invalid(name, f"'{value}'", f"have value between {least} and {most}")
        return value

    def named(self, kind: str) -> Any:
        """The "user", "group" or "role" that the call names. Raises NoSuchEntity."""
        return named(getattr(self.account, f"{kind}s"), kind, self.text(f"{kind.title()}Name", NAME))

    def user(self) -> User:
        """The user that the call names; where it names none, the caller."""
        if "UserName" not in self.params and isinstance(self.caller.actor, User):
            return self.caller.actor
        found: User = self.named("user")
        return found

    def page(self, listed: str, entries: Sequence[Any]) -> Tree:
        """One page: at most MaxItems, and fewer when IAM likes. A Marker is good for its own list only."""
        limit = self.state.settings.page_size
        asked = {name: value for name, value in self.params.items() if name not in ("Marker", "MaxItems")}
        whose = json.dumps([self.action, asked], sort_keys=True)
        first, end = 0, min(self.number("MaxItems", 1, 1000, limit), limit)
        if marker := self.text("Marker", default=""):
            try:
                of, first = json.loads(base64.urlsafe_b64decode(marker))
            except ValueError:
                of = ""
            if of != whose:
                raise Refused("ValidationError", "Invalid Marker.")
            end += first
        more = len(entries) > end
        marker = base64.urlsafe_b64encode(json.dumps([whose, end]).encode()).decode()
        return {listed: list(entries[first:end]), "IsTruncated": more, "Marker": marker if more else None}


Action = Callable[[Call], Tree]


def context_of(caller: Caller) -> dict[str, str]:
    """The condition keys of the principal. aws:username is a user's alone; aws:MultiFactorAuthPresent is
    not there for a long-lived key, nor for a role's session, which knows nothing of MFA."""
    kinds = {"root": "Account", "user": "User", "role": "AssumedRole", "federated": "FederatedUser"}
    session = caller.session
    keys = {
        "aws:userid": caller.user_id,
        "aws:principalarn": caller.actor.arn if caller.actor else caller.arn,
        "aws:principalaccount": caller.account.id,
        "aws:principaltype": kinds[caller.kind],
        "aws:username": caller.actor.name if isinstance(caller.actor, User) else "",
        "aws:sourceidentity": session.source_identity if session else "",
        "aws:multifactorauthpresent": str(session.mfa).lower() if session and session.mfa is not None else "",
    }
    return {key: value for key, value in keys.items() if value}


def authorize(call: Call, service: str) -> None:
    """Raises Refused unless the caller's own policies allow this action on what it names."""
    if call.caller.kind == "root" or not call.state.settings.policies:
        return
    resource, action = "*", f"{service}:{call.action}"
    for kind in ("group", "role", "user"):
        if name := call.params.get(f"{kind.title()}Name"):
            held = getattr(call.account, f"{kind}s")
            resource = held[name].arn if name in held else call.account.arn(f"{kind}/{name}")
    if not policy.allows(_policies_of(call.caller), action, resource, context_of(call.caller)):
        raise denied(call, action, resource)


def may_assume(call: Call, role: Role, action: str, context: dict[str, str]) -> bool:
    """Both sides: the role's trust policy, and the caller's own where that one leaves it to the account."""
    caller, home = call.caller, call.account
    me, mine = {caller.user_id, caller.arn, caller.owner}, {home.id, home.arn("root")}
    trust = policy.trusts(role.trust, action, context, me=me, my_account=mine)
    own = policy.allows(_policies_of(caller), action, role.arn, context)
    if trust in ("denied", "no") or own is False:
        return False
    direct = trust == "me" and role.arn.split(":")[4] == home.id
    return own is True or direct or not call.state.settings.policies


def denied(call: Call, action: str, resource: str) -> Refused:
    text = f"User: {call.caller.arn} is not authorized to perform: {action} on resource: {resource}"
    return Refused("AccessDenied", text, 403)


def _policies_of(caller: Caller) -> list[Document]:
    """Every policy that speaks for this caller; a federated user has none here."""
    actor = caller.actor
    speak = [actor, *caller.account.groups_of(actor)] if actor else []
    return [document for one in speak for document in one.policies.values()]


def _invalid(name: str, value: str, must: str) -> Refused:
    """In the words of AWS's validator, which writes a member with a small first letter."""
    member = name[0].lower() + name[1:]
    text = f"Value {value} at '{member}' failed to satisfy constraint: Member must {must}"
    return Refused("ValidationError", f"1 validation error detected: {text}")
