"""STS: who somebody is, and temporary credentials. From its API reference; errors as seen by its users."""

from __future__ import annotations

from tests.standin.iam.actions import Action, Call, authorize, context_of, denied, may_assume
from tests.standin.iam.signature import invalid_token
from tests.standin.iam.state import Role, Session, User
from tests.standin.iam.wire import Refused, Tree, moment

_NAME = r"[A-Za-z0-9_+=,.@-]{2,64}"


def check_session(call: Call, service: str) -> None:
    """What temporary credentials may not ask at all: "Compare AWS STS credentials" in the IAM user guide."""
    session, action = call.caller.session, call.action
    if session is None or action == "GetCallerIdentity":
        return
    if service == "iam" and session.kind != "role" and not session.mfa:
        raise invalid_token()
    may = {"role": {"AssumeRole", "GetAccessKeyInfo"}, "user": {"AssumeRole"}}.get(session.kind, set())
    if service == "sts" and action not in may:
        raise Refused("AccessDenied", f"Cannot call {action} with session credentials", 403)


def get_caller_identity(call: Call) -> Tree:
    """Needs no permission, and answers under an explicit Deny."""
    return {"Arn": call.caller.arn, "UserId": call.caller.user_id, "Account": call.account.id}


def get_access_key_info(call: Call) -> Tree:
    """Of a key of any account; needs no permission. The refusal is second-hand."""
    found = call.state.caller(call.text("AccessKeyId", r"\w{16,128}"))
    if found is None:
        raise invalid_token()
    return {"Account": found.account.id}


def get_session_token(call: Call) -> Tree:
    """Needs no permission. The session is the same person, and knows whether a code was given."""
    caller = call.caller
    seconds = call.number("DurationSeconds", 900, 129600, 43200)
    longest = 3600 if caller.kind == "root" else seconds
    mfa = _code_is_right(call)
    made = call.account.open(
        call.state.now(), min(seconds, longest), kind=caller.kind, owner=caller.owner, mfa=mfa
    )
    return {"Credentials": _shown(made)}


def get_federation_token(call: Call) -> Tree:
    authorize(call, "sts")
    name, owner = call.text("Name", r"[A-Za-z0-9_+=,.@-]{2,32}"), call.caller.owner
    seconds = call.number("DurationSeconds", 900, 129600, 43200)
    made = call.account.open(call.state.now(), seconds, kind="federated", owner=owner, name=name)
    who = {
        "Arn": call.account.arn(f"federated-user/{name}", "sts"),
        "FederatedUserId": f"{call.account.id}:{name}",
    }
    return {"Credentials": _shown(made), "FederatedUser": who}


def assume_role(call: Call) -> Tree:
    """A code given here, or to GetSessionToken before, is MFA.

    A SourceIdentity needs a permission of its own, and stays with every session that comes of this one.
    """
    caller, session = call.caller, call.caller.session
    if caller.kind == "root":
        raise Refused("AccessDenied", "Roles may not be assumed by root accounts.", 403)
    arn, name = call.text("RoleArn", r".{20,2048}"), call.text("RoleSessionName", _NAME)
    inherited = session.source_identity if session else ""
    identity = call.text("SourceIdentity", _NAME, inherited)
    seconds = call.number("DurationSeconds", 900, 43200, 3600)
    asked = {
        "sts:rolesessionname": name,
        "sts:externalid": call.text("ExternalId", r"[\w+=,.@:/-]{2,1224}", ""),
        "sts:sourceidentity": identity,
        "aws:multifactorauthpresent": "true" if _code_is_right(call) else "",
    }
    context = context_of(caller) | {key: value for key, value in asked.items() if value}
    role = next((one for one in call.state.actors() if one.arn == arn and isinstance(one, Role)), None)
    needed = ("sts:AssumeRole", "sts:SetSourceIdentity") if identity else ("sts:AssumeRole",)
    for action in needed:
        changed = inherited and identity != inherited
        if not isinstance(role, Role) or changed or not may_assume(call, role, action, context):
            raise denied(call, action, arn)
    assert isinstance(role, Role)
    if session and seconds > 3600:  # also after GetSessionToken
        raise _too_long("the 1 hour session limit for roles assumed by role chaining.")
    if seconds > role.longest:
        raise _too_long("the MaxSessionDuration set for this role.")
    return role_session(call, role, name, seconds, identity)


def role_session(call: Call, role: Role, name: str, seconds: int = 3600, identity: str = "") -> Tree:
    """Credentials of a role, whoever may have them: AssumeRole has asked, Identity Center knows by itself."""
    home = call.state.accounts[role.arn.split(":")[4]]
    rest = {"kind": "role", "owner": role.id, "name": name, "source_identity": identity}
    made = home.open(call.state.now(), seconds, **rest)
    who = {"Arn": home.arn(f"assumed-role/{role.name}/{name}", "sts"), "AssumedRoleId": f"{role.id}:{name}"}
    return {"Credentials": _shown(made), "AssumedRoleUser": who, "SourceIdentity": identity or None}


ACTIONS: dict[str, Action] = {
    "GetCallerIdentity": get_caller_identity,
    "GetAccessKeyInfo": get_access_key_info,
    "GetSessionToken": get_session_token,
    "GetFederationToken": get_federation_token,
    "AssumeRole": assume_role,
}


def _shown(session: Session) -> Tree:
    key = {"AccessKeyId": session.key.id, "SecretAccessKey": session.key.secret}
    return {**key, "SessionToken": session.token, "Expiration": moment(session.expires)}


def _code_is_right(call: Call) -> bool:
    """False when none was given. A code is good once. Raises AccessDenied for a wrong one."""
    serial, code = call.text("SerialNumber", r"[\w+=/:,.@-]{9,256}", ""), call.text("TokenCode", r"\d{6}", "")
    if not serial and not code:
        return False
    actor = call.caller.actor
    codes = actor.mfa.get(serial) if isinstance(actor, User) else None
    why = "invalid MFA one time pass code. "
    if codes is None:
        why = "unable to validate MFA code.  Please verify your MFA serial number is valid"
    if codes is None or code not in codes:
        raise Refused("AccessDenied", f"MultiFactorAuthentication failed, {why}", 403)
    codes.discard(code)
    return True


def _too_long(limit: str) -> Refused:
    return Refused("ValidationError", f"The requested DurationSeconds exceeds {limit}")
