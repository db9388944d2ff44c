"""Authentication events: the one trace of a sign-in, and only where threat protection is on [M]."""

from __future__ import annotations

from uuid import UUID

from tests.standin.state import Call, Pool
from tests.standin.users import User


def kept(pool: Pool) -> bool:
    mode = (pool.settings.get("UserPoolAddOns") or {}).get("AdvancedSecurityMode")
    return mode in ("AUDIT", "ENFORCED")


def note(call: Call, pool: Pool, user: User, kind: str, response: str = "Pass") -> None:
    """``kind``: SignIn, SignUp, ForgotPassword, PasswordChange or ResendCode.

    ``response``: Pass, Fail, or InProgress while something is still to be answered.
    """
    if not kept(pool):
        return
    success = "Failure" if response == "Fail" else "Success"
    event = {
        "EventId": str(UUID(int=call.state.dice.getrandbits(128), version=4)),
        "EventType": kind,
        "CreationDate": round(call.now, 3),
        "EventResponse": response,
        "EventRisk": {"RiskDecision": "NoRisk", "CompromisedCredentialsDetected": False},
        "ChallengeResponses": [{"ChallengeName": "Password", "ChallengeResponse": success}],
        "EventContextData": {"IpAddress": "127.0.0.1"},
    }
    user.events = [*(user.events or ()), event]
