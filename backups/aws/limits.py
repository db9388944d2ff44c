"""What the account may ask of Cognito in a second, as it stands today."""

from __future__ import annotations

from backups.aws.errors import asking
from backups.aws.session import client
from backups.engine.ports import Cause, PortError


def quota(region: str, category: str) -> float:
    """Calls a second of one adjustable category: GetProvisionedLimit, asked once and not repeated.

    Raises PortError: DENIED, THROTTLED (the account has one such call a second), GONE for a category that
    is not adjustable, UNSUPPORTED or LOST where there is no such operation.
    """
    doing = f"read the quota of {category} in {region}"
    with asking(doing):
        answer = client("cognito-idp", region).get_provisioned_limit(
            LimitDefinition={"LimitClass": "API_CATEGORY", "Attributes": {"Category": category}}
        )
    value = float(answer.get("Limit", {}).get("ProvisionedLimitValue") or 0)
    if value <= 0:
        raise PortError(f"Could not {doing}: AWS named none.", Cause.UNSUPPORTED)
    return value
