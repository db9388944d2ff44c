"""Who a caller of AWS is, and whether they may come in: decisions on text, without a network.

STS says an ARN, a UserId and an Account; IAM says what stands behind them. Only an
IAM user of our own account is a person here. Shapes are AWS's: "IAM identifiers" in
the IAM user guide (AIDA user, AROA role) and GetCallerIdentity in the STS reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_ACCOUNT = re.compile(r"[0-9]{12}")
_NAME = r"[A-Za-z0-9_+=,.@-]{1,64}"
_USER = re.compile(rf"user(?P<path>/(?:[\x21-\x2e\x30-\x7e]+/)*)(?P<name>{_NAME})")
_USER_ID = re.compile(r"AIDA[A-Z0-9]{12,124}")
_ROLE = re.compile(rf"assumed-role/(?P<role>{_NAME})/(?P<session>[A-Za-z0-9_+=,.@-]{{2,64}})")
_ROLE_ID = re.compile(r"AROA[A-Z0-9]{12,124}:(?P<session>[A-Za-z0-9_+=,.@-]{2,64})")
QUARANTINE = "AWSCompromisedKeyQuarantine"
"""AWS attaches a policy of this name when it has found a key in public (V2, V3 and so on follow)."""


class Refused(Exception):
    """Not let in. ``code`` is for the machine and the audit log, the text for the person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Home:
    """The account that we run in: nobody from another one comes in."""

    partition: str  # "aws", "aws-cn", "aws-us-gov"
    account: str  # twelve digits


@dataclass(frozen=True, slots=True)
class Caller:
    """What STS said, word for word."""

    arn: str
    user_id: str
    account: str


@dataclass(frozen=True, slots=True)
class Principal:
    """An IAM user. The unique id is the person: a user deleted and made again is somebody else."""

    unique_id: str
    name: str
    arn: str
    account: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What IAM knows about one user at this moment."""

    unique_id: str
    arn: str
    active_keys: frozenset[str]  # access key ids whose status is Active
    policies: frozenset[str]  # names of the managed policies attached to the user
    groups: frozenset[str]


def who(caller: Caller, home: Home) -> Principal:
    """The IAM user whom STS named. Raises Refused for anybody else.

    Account and partition are compared before anything is read into the name.
    """
    pieces = caller.arn.split(":", 5)
    if len(pieces) != 6 or pieces[0] != "arn" or pieces[3] != "" or not _ACCOUNT.fullmatch(caller.account):
        raise _unclear()
    _, partition, service, _, account, resource = pieces
    if account != caller.account:
        raise _unclear()
    if partition != home.partition or account != home.account:
        where = account if partition == home.partition else f"{account} in the partition {_plain(partition)}"
        raise Refused(
            "other-account",
            f"This access key belongs to the AWS account {where}. "
            f"This dashboard serves the account {home.account}: use a key of that one.",
        )
    if service == "iam" and resource == "root" and caller.user_id == account:
        raise Refused(
            "root",
            "This is the root user of the account. Sign in as an IAM user; "
            "root access keys should not exist, so please delete this one.",
        )
    if service == "iam":
        user = _USER.fullmatch(resource)
        if user and _USER_ID.fullmatch(caller.user_id):
            return Principal(caller.user_id, user["name"], caller.arn, account)
    if service == "sts" and resource.startswith("federated-user/"):
        raise Refused(
            "federated",
            "This is a federated user, which names no person. Sign in with the key of an IAM user.",
        )
    if service == "sts":
        role, role_id = _ROLE.fullmatch(resource), _ROLE_ID.fullmatch(caller.user_id)
        if role and role_id and role["session"] == role_id["session"]:
            raise Refused(
                "role",
                f"These are credentials of the role {role['role']}. A role names no person, "
                "so it cannot sign in here. Sign in with the key of an IAM user.",
            )
    raise _unclear()


def judge(
    principal: Principal,
    standing: Standing | None,
    *,
    key_id: str,
    login_groups: Iterable[str],
    contacts: str,
) -> None:
    """Raises Refused when this person may not be in, with the first reason that holds.

    ``standing`` is None when IAM knows no user of that name. ``key_id`` is the key that
    signed; "" when nothing was signed (a worker asks). A temporary key has no status to ask.
    """
    if standing is None:
        raise Refused("gone", f"The IAM user {principal.name} no longer exists.")
    if standing.unique_id != principal.unique_id:
        raise Refused(
            "made-again",
            f"The IAM user {principal.name} was deleted and made again: that is somebody else. "
            "Sign in with a key of the new user.",
        )
    if standing.arn != principal.arn:
        raise Refused(
            "moved",
            f"The IAM user {principal.name} was renamed or moved while signing in. Sign in again.",
        )
    if key_id.startswith("AKIA") and key_id not in standing.active_keys:
        raise Refused(
            "key-inactive",
            f"The access key ending in {key_id[-4:]} was switched off or deleted. "
            "Sign in with an active key.",
        )
    if any(policy.startswith(QUARANTINE) for policy in standing.policies):
        raise Refused(
            "quarantined",
            f"AWS has marked a key of {principal.name} as compromised and put the user under quarantine. "
            f"Tell {contacts} now; delete the key and make a new one.",
        )
    wanted = list(login_groups)
    if not standing.groups.intersection(wanted):
        raise Refused(
            "not-in-group",
            f"You are the IAM user {principal.name} in the account {principal.account}, "
            + (
                f"and not in the IAM group {' or '.join(wanted)}. Ask {contacts} to add you, then try again."
                if wanted
                else f"but no group is allowed to sign in (LOGIN_GROUPS is empty). Ask {contacts}."
            ),
        )


def _unclear() -> Refused:
    return Refused(
        "unclear", "AWS described this caller in a way that fits no IAM user. Nobody was signed in."
    )


def _plain(text: str) -> str:
    """A word from outside, fit for a sentence: never control characters or a flood."""
    return re.sub(r"[^a-z0-9-]", "?", text)[:20]
